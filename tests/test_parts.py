"""A part of the cases, which --part takes."""

from types import SimpleNamespace

import pytest
from conftest import in_part, pytest_collection_modifyitems

CASES = [f"a.py::test_many[{k}]" for k in range(60)] + ["a.py::test_one", "b.py::T::test_two[x]"]
ITEMS = [SimpleNamespace(nodeid=name) for name in CASES]


def test_parts_make_up_all_and_have_every_test():
    assert in_part(ITEMS, 1, 1) == set(CASES)
    parts = [in_part(ITEMS, k, 3) for k in (1, 2, 3)]
    assert set.union(*parts) == set(CASES)
    for part in parts:
        assert len(part) == 20 + 2
        assert set(CASES[60:]) < part
        # By chance: not every third, which may be the same option each time.
        assert {int(name.partition("[")[2][:-1]) % 3 for name in part - set(CASES[60:])} == {
            0,
            1,
            2,
        }
    assert in_part(ITEMS[::-1], 1, 3) == parts[0]


def test_a_part_that_there_is_not():
    config = SimpleNamespace(getoption={"part": "4/3"}.get)
    with pytest.raises(pytest.UsageError, match="I/N with I from 1 to N, got 4/3"):
        pytest_collection_modifyitems(config, ITEMS)
