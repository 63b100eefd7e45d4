"""Compile the kernels for other systems, by the clang in `ziglang` of PyPI; warnings are errors.

    python setup.py build_ext --inplace           # translates the kernels to C
    python tools/compile_elsewhere.py             # all targets; several minutes on one core
    python tools/compile_elsewhere.py aarch64-macos --only vector_math

The C library's headers are those of each system. Those of Python are this interpreter's, which are
the same everywhere but for pyconfig.h: where numbers have the sizes that they have here, this one's
will do. Windows has another, PC/pyconfig.h of CPython's source: ``--windows FOLDER`` says where it
is, and without that Windows is left out. That a file compiles says nothing of whether it runs.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = [
    "x86_64-linux-gnu.2.28",
    "aarch64-linux-gnu.2.28",
    "x86_64-linux-musl",
    "aarch64-linux-musl",
    "x86_64-macos",
    "aarch64-macos",
    "x86_64-windows-gnu",
]


def setup_module():
    """setup.py as a module: it has the flags."""
    spec = importlib.util.spec_from_file_location("setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def translated_files():
    """The C files of the last build, and their folder of generated headers."""
    builds = [path.parent for path in ROOT.glob("build/temp.*/cell_list.h")]
    if not builds:
        raise SystemExit("nothing is built: run `python setup.py build_ext --inplace` first")
    newest = max(builds, key=lambda path: path.stat().st_mtime)
    return newest, sorted((newest / "fastrnn" / "kernels").glob("*.c"))


def python_headers_of(folder):
    """Python's headers with the pyconfig.h of a folder, which has to stand beside them."""
    headers = Path(tempfile.mkdtemp(), "include")
    shutil.copytree(sysconfig.get_path("include"), headers)
    shutil.copy(Path(folder, "pyconfig.h"), headers)
    return headers


def compile_file(path, target, includes, flags):
    """Compile one file; return whether the compiler had nothing to say."""
    with tempfile.NamedTemporaryFile(suffix=".o") as output:
        command = [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            target,
            "-c",
            "-Wall",
            "-Werror",
        ]
        command += [*flags, *(f"-I{folder}" for folder in includes), str(path), "-o", output.name]
        return subprocess.run(command, check=False).returncode == 0


def main():
    """Parse the command line, compile, and exit with 1 if anything was refused."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", help=f"some of {', '.join(TARGETS)}")
    parser.add_argument("--only", nargs="+", help="names of kernels")
    parser.add_argument("--windows", metavar="FOLDER", help="where pyconfig.h of Windows is")
    arguments = parser.parse_args()
    setup = setup_module()
    build, files = translated_files()
    includes = [build, ROOT / setup.KERNELS]
    n_refused = 0
    for target in arguments.targets or TARGETS:
        folders = [*includes, sysconfig.get_path("include")]
        if "windows" in target:
            if arguments.windows is None:
                print(f"{target}: left out")
                continue
            folders[-1] = python_headers_of(arguments.windows)
        chosen = [path for path in files if path.stem in (arguments.only or [path.stem])]
        flags = {path: [*setup.COMPILE_ARGS, setup.COLD.get(path.stem, "-O3")] for path in chosen}
        fine = [compile_file(path, target, folders, flags[path]) for path in chosen]
        print(f"{target}: {sum(fine)} of {len(fine)} files", flush=True)
        n_refused += len(fine) - sum(fine)
    sys.exit(n_refused > 0)


if __name__ == "__main__":
    main()
