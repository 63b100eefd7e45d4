"""The documents: their Python blocks run, their links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)")

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").exists(), reason="the documents are in the source tree only"
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(document, tmp_path, monkeypatch):
    text = document.read_text(encoding="utf-8")
    if "import sklearn" in text or "from sklearn" in text:
        pytest.importorskip("sklearn", reason="the examples use scikit-learn")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    blocks = list(PYTHON_BLOCK.finditer(text))
    assert len(blocks) == text.count("```python"), "a Python block was not recognized"
    for block in blocks:
        # Empty lines in front, so that a traceback has the line number of the document.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, str(document), "exec"), namespace)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target
