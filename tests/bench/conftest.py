"""Benchmarks in the process of the tests: their modules, their programs, the parts of the whole."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from bench_runs import BENCH

import fastrnn


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    """Let tests import the programs."""
    monkeypatch.syspath_prepend(BENCH)


@pytest.fixture
def run_here(bench_path, monkeypatch, capsys):
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


@pytest.fixture
def run_part(run_here):
    """Run a part of the whole, quickly; its figures, after a look at the page."""
    import page

    def run_quickly(name, file, run=run_here):
        run("run.py", "--quick", "--parts", name, "--json", file)
        parts = json.loads(file.read_text(encoding="utf-8"))
        assert parts[name]["quick"]
        assert file.with_suffix(".md").read_text(encoding="utf-8") == page.render(parts, file.stem)
        return parts[name]

    return run_quickly
