"""Build fastrnn's kernels: every fastrnn/kernels/*.pyx becomes one compiled module.

All other settings are in pyproject.toml. The environment variables heard here are

FASTRNN_DEBUG=1
    Check every index, wraparound and memoryview, and keep debug symbols, with the lines of the
    .pyx files: debuggers and sanitizers show these. (With --coverage in CFLAGS the lines are of C,
    and tools/kernel_lines.py tells which of the .pyx files have run.)
FASTRNN_JOBS
    How many kernels are built at the same time (default: the number of CPUs).
CC, CFLAGS, LDFLAGS
    As everywhere; CFLAGS are passed to the linker too, as the sanitizers need it.

The kernels are written for gcc and clang, in whose C vectors are types. On Windows clang-cl takes
the place of Microsoft's compiler, whose linker and libraries it uses; gcc is no choice there, as it
does not keep wide vectors of a stack where they belong.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = "fastrnn/kernels"
# What Cython needs for memoryviews stands in one module that all kernels share. With a copy in each
# they took three times as long to compile and were three times as large.
SHARED = "fastrnn.kernels._memoryviews"
DEBUG = os.environ.get("FASTRNN_DEBUG", "0") not in ("", "0")
JOBS = int(os.environ.get("FASTRNN_JOBS") or os.cpu_count() or 1)

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "freethreading_compatible": True,  # docs/platforms.md, "Without a GIL"
}
# No -ffast-math, which breaks NaN and denormals; no -march, which breaks on other people's CPUs.
EXACT_MATH = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
# Tables for unwinding the stack, which nothing here does, are a twentieth of a kernel. On Windows
# they belong to the calling convention.
WITHOUT_TABLES = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
RELEASE = ["-O3", "-g0", *(WITHOUT_TABLES if sys.platform != "win32" else [])]
COMPILE_ARGS = [*(["-O0", "-g"] if DEBUG else RELEASE), *EXACT_MATH]
# The long loops over numbers are in the others: these would be larger with -O3, but no faster.
COLD = {
    **dict.fromkeys(("attending", "attention", "crf", "ctc", "decay"), "-O2"),
    **dict.fromkeys(("likelihoods", "recurrence", "stream", "warping"), "-O2"),
    # There are hardly any loops in these, or they run once a fit: smaller yet, and the loop of
    # training as fast.
    **dict.fromkeys(("_memoryviews", "dense", "handover", "team", "windows", "workspace"), "-Os"),
}
LINK_ARGS = ["-Wl,-s"] if sys.platform.startswith("linux") and not DEBUG else []


def kernels():
    """Return the shared module and one Extension for every .pyx of the kernels' folder."""
    folder = Path(KERNELS)
    headers = sorted(path.as_posix() for path in [*folder.glob("*.pxd"), *folder.rglob("*.h")])
    extensions = [Extension(SHARED, sources=[])]  # cythonize writes its source
    for path in sorted(folder.glob("*.pyx")):
        extensions.append(
            Extension(
                f"fastrnn.kernels.{path.stem}",
                sources=[path.as_posix()],
                depends=headers,
                include_dirs=[KERNELS],
            )
        )
    return extensions


def list_of_cells():
    """The header cell_list.h: every header in the folder of cells is a cell of that name."""
    names = sorted(path.stem for path in Path(KERNELS, "cells").glob("*.h"))
    includes = "".join(f'#include "cells/{name}.h"\n' for name in names)
    pointers = ", ".join(f"&NAME({name})" for name in names)
    return f"{includes}\nstatic const cell *const NAME(cells)[] = {{{pointers}, 0}};\n"


def advice_without_toolchain(compiler):
    """Return what to install if `compiler` cannot compile for Python, else None."""
    includes = [f"-I{folder}" for folder in compiler.include_dirs]
    command = [*compiler.compiler_so, *includes, "-fsyntax-only", "-x", "c", "-"]
    try:
        trial = subprocess.run(
            command,
            input="#include <Python.h>\n",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        problem = f"the C compiler {command[0]!r} was not found"
    else:
        if trial.returncode == 0:
            return None
        error = next((line for line in trial.stderr.splitlines() if "error" in line), "no message")
        problem = f"the C compiler cannot compile a file that includes Python.h ({error.strip()})"
    return (
        f"fastrnn cannot be built because {problem}; on Debian and Ubuntu, "
        "`sudo apt-get install build-essential python3-dev` installs what is missing."
    )


def use_clang(compiler):
    """Let clang-cl compile where setuptools would call Microsoft's compiler."""
    path = shutil.which("clang-cl")
    if path is None:
        raise SystemExit(
            "fastrnn cannot be built because clang-cl was not found; it comes with LLVM, which "
            "`winget install LLVM.LLVM` installs, and needs the Build Tools of Visual Studio."
        )
    if not compiler.initialized:
        compiler.initialize()
    compiler.cc = path
    for options in (compiler.compile_options, compiler.compile_options_debug):
        options[:] = [option for option in options if option != "/GL"]  # of that compiler's linker


class BuildKernels(build_ext):
    """Translate the kernels to C and compile them, several at a time."""

    def build_extensions(self):
        """Build all kernels; stop with one sentence where there is no compiler."""
        toolchain, is_unix = [sys.version], self.compiler.compiler_type == "unix"
        if is_unix:
            if advice := advice_without_toolchain(self.compiler):
                raise SystemExit(advice)
            toolchain += [self.compiler.compiler_so, self.compiler.linker_so]
        else:
            use_clang(self.compiler)
            toolchain.append(self.compiler.cc)
        for extension in self.extensions:
            cold = COLD.get(extension.name.removeprefix("fastrnn.kernels."))
            flags = COMPILE_ARGS + ([cold] if cold and not DEBUG else [])
            extension.extra_compile_args = flags if is_unix else [f"/clang:{f}" for f in flags]
            extension.extra_link_args = LINK_ARGS

        from Cython import __version__ as cython_version
        from Cython.Build import cythonize

        # Time stamps do not tell a debug build from a release build: this file does.
        flags = [COMPILE_ARGS, COLD, LINK_ARGS]
        settings = repr([*toolchain, cython_version, DIRECTIVES, *flags])
        stamp = Path(self.build_temp, "settings.txt")
        if not stamp.exists() or stamp.read_text() != settings:
            shutil.rmtree(self.build_temp, ignore_errors=True)
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(settings)

        cells = Path(self.build_temp, "cell_list.h")
        if not cells.exists() or cells.read_text() != list_of_cells():
            cells.write_text(list_of_cells())
        for extension in self.extensions:
            extension.include_dirs.append(self.build_temp)
            extension.depends.append(cells.as_posix())

        translated = cythonize(
            self.extensions,
            build_dir=self.build_temp,
            compiler_directives=DIRECTIVES,
            emit_linenums=DEBUG and "--coverage" not in os.environ.get("CFLAGS", ""),
            shared_utility_qualified_name=SHARED,
            force=self.force,
            nthreads=JOBS if JOBS > 1 else 0,
        )
        for extension, c_extension in zip(self.extensions, translated, strict=True):
            extension.sources = c_extension.sources
        self.parallel = JOBS
        super().build_extensions()

    def copy_extensions_to_source(self):
        """Copy the modules into the source tree, also over newer ones of another build."""
        self.force = True
        super().copy_extensions_to_source()


if __name__ == "__main__":
    setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
