"""No public name, parameter or default changes unseen."""

from pathlib import Path

import pytest
from public_names import EXTRAS, signatures

LISTS = Path(__file__).parent / "data"


def test_public_names_are_called_as_they_were():
    """A change that is meant goes into the changelog, and into the list: see `public_names`."""
    pytest.importorskip("sklearn", reason="its base classes have some of the methods")
    assert signatures() == (LISTS / "signatures.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("extra", "needs"), [("dask", "distributed"), ("mpi", "mpi4py")], ids=lambda value: value
)
def test_names_of_extras_are_called_as_they_were(extra, needs):
    pytest.importorskip("sklearn", reason="its base classes have some of the methods")
    pytest.importorskip(needs, reason=f"fastrnn[{extra}] is not installed")
    listed = (LISTS / f"signatures_{extra}.txt").read_text(encoding="utf-8").splitlines()
    assert signatures([EXTRAS[extra]]) == listed
