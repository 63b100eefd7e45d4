"""The rooms of the package import only from the floors below them."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastrnn

PACKAGE = Path(fastrnn.__path__[0])

# The rooms, ground floor first. A new module is entered here.
FLOORS = [
    "kernels frames columns sequences batches threads workspace pooling shards losses solvers "
    "atomic series tables long_frames covariates scaling forecast_errors progress datasets "
    "plotting steps standin bridge",
    "layers preprocessing metrics",
    "network",
    "training memory inspection streams files interop",
    "estimators",
    "cli",
    "__main__",
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}

CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+(\S+)\s+c?import\s+(\([^)]*\)|.+)|c?import\s+(.+))$", re.MULTILINE
)


def module_name(path):
    """Return the dotted name, below fastrnn, of the module in `path`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def source_files():
    """Return every source file below the package's root, by module; .pyx and .pxd are one."""
    files = {}
    for pattern in ("*.py", "*.pyx", "*.pxd"):
        for path in sorted(PACKAGE.rglob(pattern)):
            files.setdefault(module_name(path), []).append(path)
    del files[""]  # fastrnn/__init__.py imports on demand and for type checkers
    return files


def imported_names(path):
    """Yield the dotted name of everything that the file imports or cimports, wherever it does."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        for origin, names, modules in CYTHON_IMPORT.findall(text):
            for name in re.sub(r"\s+as\s+\w+|[()\s]|#.*", "", names or modules).split(","):
                yield f"{origin}.{name}" if origin else name
        return
    package = ["fastrnn", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*origin, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


@cache
def imports():
    """Return for every module of fastrnn the set of fastrnn's modules that it imports."""
    files = source_files()
    graph = {}
    for module, paths in files.items():
        graph[module] = set()
        for name in (name for path in paths for name in imported_names(path)):
            top, _, inner = name.partition(".")
            if top != "fastrnn":
                continue
            while inner and inner not in files:  # a function or class: keep its module
                inner = "estimators" if inner in fastrnn.__all__ else inner.rpartition(".")[0]
            graph[module].add(inner)
        graph[module] -= {module, ""}
    return graph


def room(module):
    """Return the room that the module belongs to."""
    return module.partition(".")[0]


def test_the_parser_sees_the_imports():
    # Without this, the tests below would also pass on a parser that finds nothing.
    graph = imports()
    assert "layers" in graph["network"]
    assert "network" in graph["estimators.base"]
    if "kernels.lstm" in graph:  # in the source tree
        assert "kernels.vector_math" in graph["kernels.lstm"]


def test_every_module_has_its_floor():
    unknown = {room(module) for module in source_files()} - FLOOR.keys()
    assert not unknown, f"enter {sorted(unknown)} in FLOORS"


@pytest.mark.parametrize("module", sorted(imports()))
def test_imports_run_downwards(module):
    here = room(module)
    for target in imports()[module]:
        there = room(target)
        same_floor = there == here or FLOOR[there] == FLOOR[here] == 0
        assert same_floor or FLOOR[there] < FLOOR[here], f"{module} imports {target}"


def test_kernels_import_only_kernels():
    for module, targets in imports().items():
        if room(module) == "kernels":
            assert {room(target) for target in targets} <= {"kernels"}, module


def test_no_cycle():
    # static_order raises CycleError, which names the modules.
    assert list(TopologicalSorter(imports()).static_order())


def loaded_after(statement):
    """Return the names of all modules loaded after the statement ran in a new interpreter."""
    program = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_import_fastrnn_is_light():
    heavy = {"numpy", "scipy", "sklearn", "matplotlib", "pandas", "polars", "torch"}
    assert not heavy & loaded_after("import fastrnn")


def test_all_but_estimators_and_transformers_need_numpy_and_scipy_alone():
    rooms = [name for floor in FLOORS[: FLOOR["estimators"]] for name in floor.split()]
    rooms = [name for name in rooms if name not in ("bridge", "preprocessing")]
    heavy = {"sklearn", "matplotlib", "pandas", "polars", "torch", "keras", "onnx"}
    assert not heavy & loaded_after("import " + ", ".join(f"fastrnn.{name}" for name in rooms))
