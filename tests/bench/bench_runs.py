"""How benchmarks are run in tests: programs of bench/, on the package under test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastrnn

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"

needs_programs = pytest.mark.skipif(
    not BENCH.is_dir(), reason="the benchmarks are not beside the tests"
)

# Programs that find themselves on more cores than they want begin again, imports and all.
TASKSET = shutil.which("taskset")
ONE_CORE = [TASKSET, "--cpu-list", str(min(os.sched_getaffinity(0)))] if TASKSET else []


def run(program, *arguments, **environment):
    """Run a benchmark, on one core, against the package under test; its output."""
    package = str(Path(fastrnn.__file__).parents[1])
    process = subprocess.run(
        [*ONE_CORE, sys.executable, BENCH / program, *arguments],
        env={**os.environ, "PYTHONPATH": package, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout
