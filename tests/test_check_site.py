"""tools/check_site.py finds broken links, and what would be loaded from elsewhere."""

import runpy
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "tools" / "check_site.py"

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="the program is in the source tree only"
)

PAGE = """
<link rel="stylesheet" href="_static/a.css?v=1">
<img src="data:image/png;base64,AA==">
<h1 id="top">Title</h1> <a href="#top">here</a> <a href="more%20pages/b.html#π">there</a>
<a href="https://example.org/">elsewhere</a>
"""


@pytest.fixture
def problems(tmp_path):
    """Return what is found in a sound site with one more line."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").touch()
    (tmp_path / "more pages").mkdir()
    (tmp_path / "more pages" / "b.html").write_text('<a id="π" href="../a.html">', encoding="utf-8")

    def find(line=""):
        (tmp_path / "a.html").write_text(PAGE + line, encoding="utf-8")
        return list(runpy.run_path(str(PROGRAM))["problems"](tmp_path))

    return find


def test_a_sound_site(problems):
    assert problems() == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('<a href="c.html">', "no file c.html"),
        ('<a href="more pages/">', "no file more pages/"),
        ('<img src="a.png">', "no file a.png"),
        ('<a href="#end">', "no such place, #end"),
        ('<a href="more%20pages/b.html#top">', "no such place, more%20pages/b.html#top"),
        ('<script src="https://example.org/a.js"></script>', "loads https://example.org/a.js"),
        ('<link href="//example.org/a.css">', "loads //example.org/a.css"),
    ],
)
def test_faults_are_found(problems, line, found):
    assert problems(line) == [f"a.html: {found}"]
