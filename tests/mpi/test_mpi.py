"""fastrnn.mpi under mpiexec: the bits of one process, and an end for all where one rank ends."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("ranks.py")
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")

NEEDS_MPI = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and mpiexec, which the extra parity has",
)


def run_ranks(n, *command, timeout=120):
    """Run a Python program in n ranks: the exit status and what was printed."""
    job = subprocess.Popen(
        [MPIEXEC, "-n", str(n), sys.executable, *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = job.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGTERM)
        output, errors = job.communicate()
        pytest.fail(f"{n} ranks hang:\n{output}{errors}")
    return job.returncode, output, errors


def results(n, name, folder):
    """What came of each case, in every rank."""
    file = folder / "found.json"
    status, output, errors = run_ranks(n, PROGRAM, name, file)
    assert status == 0, output + errors
    return json.loads(file.read_text())


@NEEDS_MPI
@pytest.mark.parametrize("n", [1, 2, 3])
def test_ranks_train_the_model_of_one_process(n, tmp_path):
    found = results(n, "fits", tmp_path)
    assert len(found) >= 16 + n
    assert {case for case, ranks in found.items() if ranks != [True] * n} == set()


REFUSED = {
    "data": "ValueError: rank 1: sequence 0, time step 1, feature 2 is NaN",
    "no length": "TypeError: rank 1: object of type 'int' has no len()",
    "no data": "ValueError: no rank has any sequences",
    "validation data": "ValueError: rank 1: validation_data: sequence 0, time step 1, feature 2",
    "validation tuple": "TypeError: rank 1: validation_data must be a tuple",
    "parameters": "ValueError: rank 1 has learning_rate_init=0.1, rank 0 has 0.2",
    "estimators": "ValueError: rank 1 has estimator=RNNRegressor, rank 0 has RNNClassifier",
    "invalid": "ValueError: max_iter must be",
    "robust": "ValueError: scaling='robust' needs all numbers in one place",
    "stopping": "ValueError: early_stopping=True needs validation_data",
    "forecaster": "TypeError: RNNForecaster cannot be trained on partitions",
    "model": "ValueError: rank 1 has model=",
    "__version__": "ValueError: rank 1 has fastrnn=0.0, rank 0 has ",
    "level": "ValueError: rank 1 has FASTRNN_LEVEL=v0, rank 0 has v",
    "apart": "RuntimeError: the ranks have come apart",
}


@NEEDS_MPI
def test_errors_are_those_of_all_ranks(tmp_path):
    found = results(2, "refused", tmp_path)
    for case, start in REFUSED.items():
        one, other = found.pop(case)
        assert one == other, case
        kind, message, is_fitted = one
        assert f"{kind}: {message}".startswith(start), case
        assert not is_fitted
    # Two ranks fail at once: each says what its own error is.
    assert found == {
        "unsendable": [
            ["MemoryError", "none left; This is about rank 0.", False],
            ["Unsendable", "it broke; This is about rank 1.", False],
        ]
    }  # fmt: skip


@NEEDS_MPI
@pytest.mark.parametrize(
    ("when", "how", "n"),
    [("before", "raises", 2), ("in", "raises", 3), ("after", "raises", 2), ("in", "is_killed", 3)],
)
def test_end_of_a_rank_is_the_end_of_all(when, how, n, tmp_path):
    file = tmp_path / "began.json"
    status, output, errors = run_ranks(n, PROGRAM, f"{when} {how}", file)
    took = time.time() - json.loads(file.read_text())
    assert status != 0
    assert (f"bad luck of rank {n - 1}" if how == "raises" else "signal 9") in output + errors
    assert took < 10


@NEEDS_MPI
def test_what_one_process_imports_leaves_errors_alone():
    code = (
        "import sys; sys.modules['sklearn'] = None; before = sys.excepthook; "
        "import fastrnn.mpi; print(sys.excepthook is before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True\n"


def test_missing_mpi4py_is_named():
    code = "import sys; sys.modules |= {'mpi4py': None, 'sklearn': None}; import fastrnn.mpi"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "fastrnn.mpi needs mpi4py: pip install 'fastrnn[mpi]'" in done.stderr
