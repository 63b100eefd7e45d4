"""Measure what has to be installed, and how long imports take, for fastrnn and its peers.

Import times are those of new processes whose files are already in the machine's memory, in turns,
without the start of Python itself. Sizes are those of the installed files without ``__pycache__``:
of the package alone, and together with all packages that it requires.
"""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from measuring import argument_parser, begin, save

import fastrnn

IMPORTS = [
    "import fastrnn",
    "import fastrnn.layers",
    "from fastrnn import RNNClassifier",
    "import numpy",
    "import sklearn.base",
    "import torch",
    "import onnxruntime",
    "import jax",
]
PACKAGES = ["fastrnn", "torch", "onnxruntime", "jax"]
FASTRNN_REQUIRES = ["numpy", "scipy"]
SOURCES = {".c", ".h", ".pxd", ".pyx"}  # beside fastrnn's modules if it is built in place


def import_seconds(statement):
    """Seconds that the statement takes in a new process; None if a package is missing."""
    program = (
        "import time\n"
        "start = time.perf_counter()\n"
        f"try:\n    {statement}\n"
        "except ModuleNotFoundError:\n    raise SystemExit\n"
        "print(time.perf_counter() - start)"
    )
    # -P: not from the folder in which the benchmark was started.
    command = [sys.executable, "-P", "-c", program]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(output) if output else None


def time_imports(statements, rounds):
    """Return the median seconds of every import that is possible."""
    seconds = {}
    for statement in statements:  # the first import reads the files and is not counted
        if import_seconds(statement) is not None:
            seconds[statement] = []
    for _ in range(rounds):
        for statement, values in seconds.items():
            values.append(import_seconds(statement))
    return {statement: median(values) for statement, values in seconds.items()}


def own_files(name):
    """Paths of the files that an installed package consists of."""
    if name == "fastrnn":
        files = Path(fastrnn.__file__).parent.rglob("*")
        return [path for path in files if path.suffix not in SOURCES]
    return [Path(path.locate()) for path in importlib.metadata.files(name)]


def size(name):
    """Bytes of the package alone."""
    return sum(
        path.stat().st_size
        for path in own_files(name)
        if path.is_file() and "__pycache__" not in path.parts
    )


def requirements(name):
    """Names of the packages that an installed one requires, extras left out."""
    if name == "fastrnn":
        return FASTRNN_REQUIRES
    lines = importlib.metadata.requires(name) or []
    return [re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line]


def with_requirements(name, found=()):
    """Return the package and all that it requires, by name, after those found before."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in found or (name != "fastrnn" and not installed(name)):
        return found
    found = (*found, name)
    for requirement in requirements(name):
        found = with_requirements(requirement, found)
    return found


def installed(name):
    """Whether there is such a package."""
    return any(importlib.metadata.distributions(name=name))


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, PACKAGES[1:])
    imports = time_imports(*((IMPORTS[:4], 1) if arguments.quick else (IMPORTS, 5)))
    print()
    for statement, seconds in imports.items():
        print(f"{statement:36} {seconds:6.3f} s")
    sizes = {}
    for name in PACKAGES:
        if names := with_requirements(name):
            sizes[name] = {
                "alone": size(name) / 1e6,
                "with what it requires": sum(map(size, names)) / 1e6,
                "packages": names,
            }
            alone, total, _ = sizes[name].values()
            print(f"{name:12} {alone:7.1f} MB, with what it requires {total:7.1f} MB")
    if arguments.json:
        save(arguments.json, machine=machine, seconds=imports, megabytes=sizes)


if __name__ == "__main__":
    main()
