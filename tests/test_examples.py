"""The gallery: every example runs, draws, and is made as sphinx-gallery wants it."""

import ast
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the examples are in the source tree only")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_runs_and_draws(example, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason="the examples draw with matplotlib")
    plt.close("all")
    figures = []

    def show():
        assert plt.get_fignums(), "nothing to show"
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.canvas.draw()
            figures.append(figure)
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    runpy.run_path(str(example), run_name="__main__")
    assert not plt.get_fignums(), "a figure is not shown"
    assert figures


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_form(example):
    """The gallery takes files named plot_*, with a title as a heading, cut into cells."""
    assert example.name.startswith("plot_")
    source = example.read_text(encoding="utf-8")
    above, title, below, empty, *_ = ast.get_docstring(ast.parse(source)).splitlines()
    assert above == below == "=" * len(title)
    assert not empty
    assert source.count("\n# %%\n") >= 2
