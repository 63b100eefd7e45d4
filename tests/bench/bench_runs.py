"""How benchmarks are run in tests: programs of bench/, on the package under test."""

import json
import os
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


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    """Let tests import the programs."""
    monkeypatch.syspath_prepend(BENCH)


def run(program, *arguments, **environment):
    """Run a benchmark against the package under test; its output."""
    package = str(Path(fastrnn.__file__).parents[1])
    process = subprocess.run(
        [sys.executable, BENCH / program, *arguments],
        env={**os.environ, "PYTHONPATH": package, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def run_part(name, file):
    """Run a part of the whole, quickly; its figures, after a look at the page."""
    import page

    run("run.py", "--quick", "--parts", name, "--json", file)
    parts = json.loads(file.read_text(encoding="utf-8"))
    assert parts[name]["quick"]
    assert file.with_suffix(".md").read_text(encoding="utf-8") == page.render(parts, file.stem)
    return parts[name]
