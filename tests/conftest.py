"""What all tests share: small arrays use threads, pictures are drawn without a screen."""

import importlib.util
import os
import sys
from pathlib import Path

# Before NumPy is imported: threads of its BLAS wait for each other without sleep, and win nothing.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from parts import in_part

import fastrnn
from fastrnn.kernels.vector_math import products
from fastrnn.network import threads

# What failed is told in full in files named test_*, and then in those that they import from here.
pytest.register_assert_rewrite(
    *{path.stem for path in Path(__file__).parent.rglob("*.py")} - set(sys.modules)
)

os.environ["MPLBACKEND"] = "Agg"  # of matplotlib, which is not imported yet
os.environ.setdefault("KERAS_BACKEND", "torch")  # which the extra parity has

# Of Open MPI: more ranks than processors, also as root; those that wait let others work.
os.environ |= {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@pytest.fixture(autouse=True)
def small_arrays_use_threads_too(monkeypatch):
    """Let every number of threads be used, however little there is to do."""
    monkeypatch.setattr(threads, "WORTHWHILE_FLOPS", 1)


@pytest.fixture
def teams(monkeypatch):
    """Let all threads be used as teams, more than there are processors too; the sizes of those that
    worked."""
    if products() == "blas":
        pytest.skip("there are no teams on BLAS")
    sizes = []
    call_together = threads.call_together

    def count(kernel, arguments, handovers, watch):
        sizes.append(len(handovers) + 1)
        call_together(kernel, arguments, handovers, watch)
        return True  # and go on with teams however it went

    monkeypatch.setattr(threads, "call_together", count)
    for name in "MEMBER_CALL_FLOPS", "MEMBER_STEP_FLOPS", "MEMBER_UNITS":
        monkeypatch.setattr(threads, name, 1)
    monkeypatch.setattr(threads, "_count_processors", lambda: 16)
    monkeypatch.setattr(threads, "_pool", threads.Pool(threads._start_thread))
    return sizes


def pytest_addoption(parser):
    """Let a run take a part of the cases, where another takes the rest or all."""
    parser.addoption(
        "--part", default="1/1", metavar="I/N",
        help="of the cases of each test the Ith part of N, but at least one case",
    )  # fmt: skip


def pytest_report_header():
    """Say which fastrnn is tested: the source tree or an installed wheel."""
    return f"fastrnn: {fastrnn.__version__} from {fastrnn.__path__[0]}"


def pytest_collection_modifyitems(config, items):
    """Keep the part that is asked for; skip examples that draw, or write files, without what they
    need."""
    kept = in_part([item.nodeid for item in items], config.getoption("part"))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = [item for item in items if item.nodeid in kept]
    needed = {
        "fastrnn.plotting": "matplotlib",
        "fastrnn.interop.onnx": "onnx",
    }
    for module, package in needed.items():
        if importlib.util.find_spec(package) is None:
            skip = pytest.mark.skip(reason=f"the example needs {package}")
            for item in items:
                if item.name.startswith(module):
                    item.add_marker(skip)
