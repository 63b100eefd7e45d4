"""A part of the cases, which --part takes."""

import pytest
from parts import in_part

CASES = [f"a.py::test_many[{k}]" for k in range(60)] + ["a.py::test_one", "b.py::T::test_two[x]"]


def test_parts_make_up_all_and_have_every_test():
    assert in_part(CASES, "1/1") == set(CASES)
    parts = [in_part(CASES, f"{k}/3") for k in (1, 2, 3)]
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
    assert in_part(CASES[::-1], "1/3") == parts[0]


def test_a_part_that_there_is_not():
    for part in "0/3", "4/3":
        with pytest.raises(pytest.UsageError, match=f"I/N with I from 1 to N, got {part}"):
            in_part(CASES, part)
