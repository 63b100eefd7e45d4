"""Kinds of fields: what they write they read, and what they would not write they refuse."""

from dataclasses import dataclass

import numpy as np
import pytest

from fastrnn.files import ModelFileError
from fastrnn.files.codec import (
    Added,
    Array,
    DictOf,
    Flag,
    ListOf,
    Number,
    Optional,
    Place,
    Record,
    Text,
    Value,
    Whole,
)
from fastrnn.files.layout import open_record, write_record


@dataclass
class Point:
    x: int
    name: str | None = None


def _rising(fields):
    if fields["x"] > 3:
        raise ValueError("x is beyond the paper")


POINT = Record({"x": Whole(1), "name": Optional(Text())}, Point, _rising)

KINDS = [
    (Flag(), [True, False], [0, 1, None, "true", []]),
    (Text(), ["", "a\0", "\ud800"], [None, 1, ["a"], {}]),
    (Text(("a", "b")), ["a", "b"], ["c", "", None]),
    (Whole(), [0, 5, 2**62], [-1, 2**62 + 1, 1.0, True, None, "1", 10**100]),
    (Whole(2, 3), [2, 3], [1, 4]),
    (Number(), [0.5, -0.0, np.inf, -np.inf, 1e308], [None, True, "1", [1], {"float": 3}, 10**400]),
    (Value(), [None, (1, [2.5]), {"a": b"b"}], [{"what": 1}, {"tuple": 3}, {}]),
    (Optional(Whole()), [None, 3], [-1, False]),
    (ListOf(Whole(1)), [[], [1, 2]], [None, 3, {}, [0], [1, "2"], [[1]], {"tuple": [1]}]),
    (ListOf(Optional(Text()), tuple), [(), ("a", None)], [[1]]),
    (DictOf(Flag()), [{}, {"a": True, "b\n": False}], [[], None, {"a": 1}]),
    (
        Record({"x": Whole(), "y": Added(Whole(1), 5)}),
        [{"x": 1, "y": 2}],
        [{"y": 1}, {"x": 1, "y": 0}, {"x": 1, "y": None}],
    ),
    (
        POINT,
        [Point(1), Point(2, "here")],
        [
            None, [], {}, {"x": 1}, {"name": None}, {"x": 0, "name": None}, {"x": 4, "name": None},
            {"x": 1, "name": 3}, {"x": 1, "name": None, "y": 1},
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "wrong"), KINDS)
def test_what_is_written_is_read(kind, values, wrong):
    place = Place("it")
    for value in values:
        again = kind.read(kind.write(value, place), place)
        assert again == value
        assert type(again) is type(value)
    for json in wrong:
        with pytest.raises(ModelFileError, match=r"^it|^'it"):
            kind.read(json, place)


def test_older_files_leave_out_what_was_added():
    record = Record({"x": Whole(), "y": Added(Whole(1), 5)})
    assert record.read({"x": 1}, Place("it")) == {"x": 1, "y": 5}


def test_nan_is_a_number():
    assert np.isnan(Number().read(Number().write(np.nan, Place("it")), Place("it")))


def test_numbers_of_numpy_become_plain():
    for kind, value in ((Whole(), np.uint8(3)), (Flag(), np.True_), (Number(), np.float32(0.5))):
        written = kind.write(value, Place("it"))
        assert type(written) in (int, bool, float)
        assert written == value
    with pytest.raises(TypeError):
        Whole().write(1.5, Place("it"))


def test_messages_say_where():
    inner = Record({"points": ListOf(POINT), "more": DictOf(Whole())})
    whole = Record({"a": inner})
    for json, message in (
        ({"a": {"points": [{"x": 1}], "more": {}}}, "^a.points has no 'name'$"),
        (
            {"a": {"points": [{"x": -1, "name": None}], "more": {}}},
            "^a.points.x is -1, expected 1",
        ),
        (
            {"a": {"points": [{"x": 9, "name": None}], "more": {}}},
            "^a.points: x is beyond",
        ),
        ({"a": {"points": [], "more": {"\x1b": ""}}}, r"^a.more.'\\x1b' is '', expected a whole"),
        ({}, "^the record has no 'a'$"),
        ({"a": {"points": [], "more": {}}, "b": 1}, "^the record has the unknown entry 'b'$"),
    ):
        with pytest.raises(ModelFileError, match=message):
            whole.read(json, Place(""))


TABLE = Record(
    {
        "n": Whole(),
        "counts": Array("int64", lambda fields: (fields["n"],), low=0),
        "scale": Array("float64", lambda fields: (fields["n"], 2), above=0),
        "gaps": Array("float32", lambda fields: (None,) if fields["n"] else None, finite=False),
    }
)


def write_table(path, n, counts, scale, gaps):
    tensors = {}
    values = {"n": n, "counts": counts, "scale": scale, "gaps": gaps}
    sections = Record({"table": TABLE}).write({"table": values}, Place("", tensors))
    write_record(path, "table", sections, tensors)


def read_table(path):
    with open_record(path) as file:
        table = file.read(Record({"table": TABLE}))["table"]
        file.end()
    return table


def test_arrays_are_tensors(tmp_path):
    path = tmp_path / "file"
    counts, scale = np.array([0, 2**62, 3]), np.arange(1.0, 7).reshape(2, 3).T
    gaps = np.array([np.nan, 1, np.inf, 2, 3], ">f4")
    write_table(path, 3, counts, scale, gaps)
    table = read_table(path)
    for name, array in (("counts", counts), ("scale", scale), ("gaps", gaps)):
        np.testing.assert_array_equal(table[name], array)
        assert table[name].dtype == array.dtype.newbyteorder("=")
    with open_record(path) as file:
        assert list(file.tensors) == ["table.counts", "table.scale", "table.gaps"]
    write_table(path, 0, np.empty(0, np.int64), np.empty((0, 2)), None)
    table = read_table(path)
    assert (table["counts"].shape, table["scale"].shape, table["gaps"]) == ((0,), (0, 2), None)


@pytest.mark.parametrize(
    ("n", "change", "message"),
    [
        (2, {}, r"'table.counts' has the dtype int64 and shape \(1,\), expected int64 and \(2,\)"),
        (1, {"counts": np.array([-1])}, "'table.counts' has numbers below 0"),
        (1, {"scale": np.array([[1.0, 0.0]])}, "'table.scale' has numbers not above 0"),
        (1, {"scale": np.array([[1.0, np.nan]])}, "'table.scale' has numbers that are not finite"),
        (1, {"scale": np.ones((1, 2), np.float32)}, "'table.scale' has the dtype float32"),
        (1, {"gaps": np.ones((1, 2), np.float32)}, "'table.gaps' has 2 dimensions"),
        (1, {"gaps": None}, "it has no tensor 'table.gaps'"),
        (0, {}, "it has the unknown tensor 'table.counts'"),
    ],
)
def test_arrays_that_are_not_as_they_should_be(n, change, message, tmp_path):
    arrays = {"counts": np.array([1]), "scale": np.ones((1, 2)), "gaps": np.ones(1, np.float32)}
    write_table(tmp_path / "file", n, **arrays | change)
    with pytest.raises(ModelFileError, match=message):
        read_table(tmp_path / "file")


def test_sections_that_nobody_asked_for_are_refused(tmp_path):
    write_record(tmp_path / "file", "table", {"table": {}, "more": {}}, {})
    with (
        pytest.raises(ModelFileError, match="the record has the unknown entry 'more'"),
        open_record(tmp_path / "file") as file,
    ):
        file.read(Record({"table": Record({})}))
        file.end()


def test_what_is_written_is_checked_before_it_takes_a_place(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def check(file):
        assert file.kind == "table"
        raise ModelFileError("it will not do")

    message = "a file cannot hold this table: it could not be loaded again: it will not do"
    with pytest.raises(ValueError, match=message) as caught:
        write_record(path, "table", {"table": {}}, {}, check)
    assert not isinstance(caught.value, ModelFileError)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
