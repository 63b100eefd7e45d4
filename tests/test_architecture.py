"""Rooms stand in an order, and so do the modules in a room; imports follow it."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastrnn
from fastrnn import estimators

PACKAGE = Path(fastrnn.__path__[0])

# The rooms, from the ground up: each imports only from those above it in this list. A room that is
# a folder has an order inside, too; a new module is entered where it belongs.
ROOMS = {
    "typing": "",
    "kernels": None,  # compiled, in an order of its own
    "files": "values codec atomic layout",
    "free_memory": "",
    "inputs": "errors arrays columns column_scaling containers missing stamps pandas_frames frames "
    "spacing frequencies calendars calendar_features indexes list_cells items padding "
    "sequence_frames covariates static_covariates long_frames series_arrays sequences "
    "label_sequences series_set "
    "series following series_record steps scaling tokens texts augmentation",
    "standin": "",
    "bridge": "",
    "network": "workspace threads batches shards cell docstrings rounding recurrent trainable "
    "one_direction both_directions pooling padded cells linear_head likelihoods crf ctc heads "
    "decay filters front architecture "
    "passes minibatches prediction network partitioned counting affine attending handing_over "
    "encoder_decoder teaching pair_parts feeding pair_passes pair_lessons telling beams "
    "pair_network pair_counting",
    "layers": "",
    "versions": "",
    "datasets": "form cells stamps sources rows csv_files parquet_files json_files "
    "conll_files ucr_files ts_files tsf_files arff_files formats reading recordings generated",
    "metrics": "",
    "preprocessing": "",
    "training": "state budget progress solvers checkpoints stopping unlearned plans objective "
    "full_batch loop",
    "memory": "",
    "inspection": "",
    "streams": "int8 weights snapshot steps stream",
    "estimators": "forecast_errors values parameters precision targets shared_parameters "
    "quantiles long_sequences task_parameters text_parameters forecaster_parameters augmenting "
    "tasks needs predicting validation fitting partitions "
    "readers token_readers target_texts distributions lessons plan surveys rolling "
    "tag_schemes labels interrupts joint_fitting step_labels numbers next_tokens next_values "
    "released saving "
    "resuming forecast_frames forecasting calibration attending fitted base classifier regressor "
    "tagger label_sequences seq2seq series_estimator series_forecasts forecaster language_model "
    "loading",
    "plotting": "axes loss_curve gradient_flow forecast states attention",
    "interop": "model weights c_description c_literals c_labels c_text c onnx_graph onnx_front "
    "onnx_network onnx_gaps onnx_labels onnx_quantiles onnx_scaling onnx_forecast onnx_export "
    "onnx_constants "
    "onnx_import keras_arrays keras_layers keras pytorch",
    "cli": "arguments output options columns row_streams task sequence_tasks label_tasks "
    "tasks follow info demo commands command_tables command",
    "__main__": "",
    "mpi": "",
    "dask": "cluster placement long_frames data crew series base estimators forecaster",
}
ORDER = {
    f"{room}.{name}" if name else room: (number, place)
    for number, (room, names) in enumerate(ROOMS.items())
    for place, name in enumerate([*(names or "").split(), ""])
}

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
                inner = "estimators" if inner in estimators.__all__ else inner.rpartition(".")[0]
            graph[module].add(inner)
        graph[module] -= {module, ""}
    return graph


def room(module):
    """Return the room that the module belongs to."""
    return module.partition(".")[0]


def test_the_parser_sees_the_imports():
    # Without this, the tests below would also pass on a parser that finds nothing.
    graph = imports()
    assert "network.cells" in graph["network.architecture"]
    assert "network.network" in graph["estimators.tasks"]
    if "kernels.recurrence" in graph:  # in the source tree
        assert "kernels.vector_math" in graph["kernels.recurrence"]


def test_every_module_has_its_place():
    unknown = {name for name in source_files() if name not in ORDER and room(name) != "kernels"}
    assert not unknown, f"enter {sorted(unknown)} in ROOMS"


def test_every_place_has_its_module():
    assert set(ORDER) <= set(source_files())


@pytest.mark.parametrize("module", [name for name in sorted(imports()) if room(name) != "kernels"])
def test_imports_run_one_way(module):
    for target in imports()[module]:
        if room(target) != "kernels":
            assert ORDER[target] < ORDER[module], f"{module} imports {target}"


def test_kernels_import_only_kernels():
    for module, targets in imports().items():
        if room(module) == "kernels":
            assert {room(target) for target in targets} <= {"kernels"}, module


def test_no_cycle():
    # static_order raises CycleError, which names the modules.
    assert list(TopologicalSorter(imports()).static_order())


LOCKS = {
    "network.shards": "of a single call, whose threads a forked child does not have",
}
"""Modules that make locks, and why a fork leaves none of them held."""


def test_no_lock_can_be_left_held_by_a_fork():
    # functools.cached_property has one for all instances of a class before Python 3.12.
    kinds = {"cached_property", "Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}
    kinds |= {"Event", "Barrier", "Queue", "SimpleQueue", "allocate_lock"}
    found = {}
    for module, paths in source_files().items():
        for path in (path for path in paths if path.suffix == ".py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", None)))
                if name in kinds:
                    found.setdefault(module, set()).add(name)
    assert found.keys() == LOCKS.keys(), found


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
    rooms = list(ROOMS)[: list(ROOMS).index("estimators")]
    rooms = [name for name in rooms if name not in ("bridge", "preprocessing")]
    heavy = {"sklearn", "matplotlib", "pandas", "polars", "torch", "keras", "onnx"}
    assert not heavy & loaded_after("import " + ", ".join(f"fastrnn.{name}" for name in rooms))
