"""The documents: their Python blocks run and print what is shown, their links lead somewhere.

``python -m pytest tests/test_docs.py --basetemp=build/docs`` leaves the pictures of the pages
there, drawn anew, in a folder for each page.

A ``text`` block right below a Python block is what that block prints. Words must be the same;
numbers may differ by one in the last digit shown, as results of training do between processors.
"""

import ast
import contextlib
import io
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

OPTIONAL = {"keras", "matplotlib", "pandas", "polars", "safetensors", "sklearn", "torch"}

PYTHON_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"!\[[^\]]+\]\((?P<name>[^)]+\.png)\)")
LINK = re.compile(r"\]\(([^)#\s]+)")
NUMBER = re.compile(r"-?\d+(?:\.(\d+))?")

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").exists(), reason="the documents are in the source tree only"
)


def find_blocks(document):
    """Return the first line, the code and the shown output, or None, of every Python block."""
    text = document.read_text(encoding="utf-8")
    blocks = [
        (text.count("\n", 0, match.start("code")), match["code"], match["shown"])
        for match in PYTHON_BLOCK.finditer(text)
    ]
    assert len(blocks) == text.count("```python"), "a Python block was not recognized"
    n_shown = sum(shown is not None for _, _, shown in blocks)
    assert n_shown == text.count("```text"), "a text block does not follow a Python block"
    return blocks


def optional_packages(code):
    """Return the packages that a block needs and that need not be there."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    if "fastrnn.plotting" in names:
        names.add("matplotlib")
    return OPTIONAL & {name.partition(".")[0] for name in names}


def assert_as_shown(printed, shown):
    """Compare printed text with that of a document: its words, and its numbers to their digits."""
    # Blanks may change with the width of numbers.
    words = ["".join(NUMBER.sub("#", text).split()) for text in (printed, shown)]
    assert words[0] == words[1], f"printed:\n{printed}\nshown:\n{shown}"
    for got, expected in zip(NUMBER.finditer(printed), NUMBER.finditer(shown), strict=True):
        # A whole number is a count or a label.
        tolerance = 1.01 * 10.0 ** -len(expected[1]) if expected[1] else 0.0
        error = abs(float(got[0]) - float(expected[0]))
        assert error <= tolerance, f"printed {got[0]}, shown {expected[0]}, in:\n{printed}"


def png_size(path):
    """Return width and height of a picture, which stand in the first block of the file."""
    return struct.unpack(">II", path.read_bytes()[16:24])


# Keras' own variables know nothing of numpy's argument `copy`.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(document, tmp_path, monkeypatch):
    blocks = find_blocks(document)
    for package in sorted(set().union(*(optional_packages(code) for _, code, _ in blocks))):
        pytest.importorskip(package, reason=f"the examples use {package}")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code, shown in blocks:
        # Empty lines in front, so that a traceback has the line number of the document.
        program = compile("\n" * line + code, str(document), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(program, namespace)
        if shown is not None:
            assert_as_shown(output.getvalue(), shown)
    for drawn in tmp_path.glob("*.png"):
        assert drawn.name in PICTURE.findall(document.read_text(encoding="utf-8"))
        assert png_size(drawn) == png_size(document.parent / drawn.name), "draw the picture anew"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("accuracy 0.974\n", "accuracy 0.97\n", True),
        ("accuracy 0.98 of 3\n", "accuracy 0.97 of 3\n", True),
        ("accuracy 0.99\n", "accuracy 0.97\n", False),
        ("of 4\n", "of 3\n", False),
        ("[ 0.1 -0.2]", "[0.1 -0.2]", True),
        ("gru", "lstm", False),
        ("1.0 2.0", "1.0", False),
    ],
)
def test_what_counts_as_shown(printed, shown, same):
    if same:
        assert_as_shown(printed, shown)
    else:
        with pytest.raises(AssertionError):
            assert_as_shown(printed, shown)
