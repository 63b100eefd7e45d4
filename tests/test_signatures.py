"""No public name, parameter or default changes unseen."""

from pathlib import Path

import pytest
from public_names import signatures

LIST = Path(__file__).parent / "data" / "signatures.txt"


def test_public_names_are_called_as_they_were():
    """A change that is meant goes into the changelog, and into the list: see `public_names`."""
    pytest.importorskip("sklearn", reason="its base classes have some of the methods")
    assert signatures() == LIST.read_text(encoding="utf-8").splitlines()
