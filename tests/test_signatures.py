"""No public name, parameter or default changes unseen, and what was public goes on working."""

from collections.abc import Callable
from pathlib import Path

import pytest
from public_names import EXTRAS, signatures

import fastrnn

LISTS = Path(__file__).parent / "data"

DEPRECATED: dict[str, Callable[[], object]] = {}
"""What is gone from the list, "name" or "name(parameter)", and a call by which it still works."""


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


def minor(version):
    """The major and minor number of a version."""
    return tuple(map(int, version.split(".")[:2]))


def names_and_parameters(lines):
    """What a list of signatures has: names, and "name(parameter)"."""
    found = set()
    for line in lines:
        if not line.startswith(" "):
            name = line
            found.add(name)
        elif line.strip() != "*":
            found.add(f"{name}({line.strip().partition('=')[0].strip('*')})")
    return found


def gone(released, present):
    """What a released version had, and the present one has not."""
    return names_and_parameters(released) - names_and_parameters(present)


def test_what_is_gone_is_found():
    released = ["f", "    a", "    *", "    b=1", "g", "    **options"]
    assert gone(released, ["f", "    b", "    c", "g", "    options"]) == {"f(a)"}
    assert gone(released, ["f", "    a", "    b"]) == {"g", "g(options)"}


@pytest.mark.parametrize(
    "path", sorted(LISTS.glob("*/signatures.txt")), ids=lambda path: path.parent.name
)
def test_what_is_gone_works_for_one_minor_version(path):
    """With a FutureWarning, which says what to write instead: CONTRIBUTING.md has the policy."""
    major, number = minor(fastrnn.__version__)
    if minor(path.parent.name) < (major, number - 1):
        pytest.skip("what this version had may be gone")
    for name in gone(path.read_text(encoding="utf-8").splitlines(), signatures()):
        assert name in DEPRECATED, f"{name} is gone without a word"
        with pytest.warns(FutureWarning):
            DEPRECATED[name]()
