"""How benchmarks are run in tests: programs of bench/, on the package under test.

Modules of tests import the fixtures, which for pytest have names without "fixture".
"""

import importlib
import json
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


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    """Let tests import the programs."""
    monkeypatch.syspath_prepend(BENCH)


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


@pytest.fixture(name="run_here")
def fixture_run_here(bench_path, monkeypatch, capsys):
    """Run a benchmark in this process, which has imported what that takes; its output."""
    import measuring

    monkeypatch.setattr(measuring, "settle", lambda *arguments: None)
    monkeypatch.setenv("PYTHONPATH", str(Path(fastrnn.__file__).parents[1]))  # of parts

    def run_main(program, *arguments):
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        monkeypatch.delitem(sys.modules, program.removesuffix(".py"), raising=False)
        importlib.import_module(program.removesuffix(".py")).main()
        return capsys.readouterr().out

    return run_main


@pytest.fixture(name="run_part")
def fixture_run_part(run_here):
    """Run a part of the whole, quickly; its figures, after a look at the page."""
    import page

    def run_quickly(name, file, run=run_here):
        run("run.py", "--quick", "--parts", name, "--json", file)
        parts = json.loads(file.read_text(encoding="utf-8"))
        assert parts[name]["quick"]
        assert file.with_suffix(".md").read_text(encoding="utf-8") == page.render(parts, file.stem)
        return parts[name]

    return run_quickly
