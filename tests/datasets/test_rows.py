"""Columns of rows: numbers, text, labels, times, ids; which cell is told of, and how."""

import numpy as np
import pytest

from fastrnn.datasets.csv_files import read_csv_text
from fastrnn.datasets.form import Form
from fastrnn.datasets.rows import Rows, sequences_in_rows, table


def read(text, **form):
    return read_csv_text(text, "data.csv", Form(**form, of_command=True))


def error_of(function, *arguments, **keywords):
    with pytest.raises(ValueError) as error:
        function(*arguments, **keywords)
    return str(error.value)


def test_numbers():
    rows = read('x\n1\n 2 \n1e3\nNaN\n""\n')
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [1, 2, 1000, np.nan, np.nan])
    assert error_of(rows.numbers, "x", advice="; do this") == (
        "data.csv, line 5, column 'x': expected a number, got 'NaN'; do this"
    )


@pytest.mark.parametrize("cell", ["inf", "1e999", "1_000", "0x10", "1,500", "1 000", "1'000"])
def test_no_numbers(cell):
    rows = read(f"x;y\n1;2\n{cell};3\n", delimiter=";")
    what = "a finite number" if cell in ("inf", "1e999") else "a number"
    assert f"line 3, column 'x': expected {what}, got {cell!r}" in error_of(rows.numbers, "x")
    assert error_of(rows.numbers, "x", gaps=True)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        ("1,5 2 -0,25", [1.5, 2, -0.25]),
        (",5 1e3 2,5e-1", [0.5, 1000, 0.25]),
        ("0,125 1,250", [0.125, 1.25]),  # nobody writes 0,125 for 125
        ("1,2500", [1.25]),
        ("1,5 ? 2,5", None),
    ],
)
def test_decimal_commas_are_seen(cells, numbers):
    rows = read("x;y\n" + "".join(f"{cell};1\n" for cell in cells.split()))
    assert rows.decimal == ","
    if numbers is None:
        assert "line 3, column 'x': expected a number, got '?'" in error_of(rows.numbers, "x")
    else:
        np.testing.assert_array_equal(rows.numbers_or_text("x"), numbers)


def test_a_decimal_comma_is_one_for_the_file():
    rows = read("x;y;z\n1,250;1.234;1.5\n2,500;2.345;0,5\n3;4;0,5\n")
    assert rows.decimal == ","  # by z, which has a wrong cell
    np.testing.assert_array_equal(rows.numbers("x"), [1.25, 2.5, 3])
    # These may be thousands.
    assert "line 2, column 'y': expected a number, got '1.234'" in error_of(rows.numbers, "y")
    assert "line 2, column 'z': expected a number, got '1.5'" in error_of(rows.numbers, "z")


def test_a_comma_that_may_be_either_is_asked_for():
    text = "x;y\n1,250;a\n2,500;b\n"
    message = error_of(read(text).numbers_or_text, "x")
    assert message.startswith("data.csv, line 2, column 'x': expected a number, got '1,250'; ")
    assert "--decimal , reads it as a decimal sign" in message
    np.testing.assert_array_equal(read(text, decimal=",").numbers("x"), [1.25, 2.5])
    assert read("x;y\n1,5;a\n", decimal=".").decimal == "."


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("45%", "the sign '%'"),
        ("45 %", "the sign '%'"),
        ("$12.50", "the sign '$'"),
        ("12,50 €", "the sign '€'"),
        ("-$3", "the sign '$'"),
        ("EUR 3.5", "the sign 'EUR'"),
        ("1 234.5", "signs between thousands"),
        ("1\u202f234", "signs between thousands"),
        ("1,234,567", "signs between thousands"),
        ("1'234", "signs between thousands"),
        ("1_234", "signs between thousands"),
        ("(12.50)", "signs that"),
        ("5 kg", "the unit 'kg'"),
        ("1.5km/h", "the unit 'km/h'"),
        ("20 °C", "the unit '°C'"),
        ("20°", "the unit '°'"),
        ("-3,5 V", "the unit 'V'"),
        ("12min", "the unit 'min'"),
        ("−5", "signs that"),  # noqa: RUF001
    ],
)
def test_what_looks_like_a_number_is_no_category(cell, why):
    rows = read(f"x|y\n{cell}|1\n{cell}|2\nlow|3\n")
    message = error_of(rows.numbers_or_text, "x")
    assert message.startswith(
        f"data.csv, line 2, column 'x': expected a number, got {cell!r}; write it without {why}"
    )
    assert message.endswith("; --categorical-features x reads the column as text")
    assert table(rows, ["x"], ["x"])["x"].tolist() == [cell, cell, "low"]


@pytest.mark.parametrize(
    "cell",
    [
        "3a",
        "2024-01-01",
        "10-20",
        "12.05.2024",
        "B 12",
        "-",
        "1st",
        "%",
        "3A",
        "5g",
        "4 rooms",
        "12 Oak",
    ],
)
def test_what_does_not_may_be_one(cell):
    assert read(f"x|y\n{cell}|1\n").numbers_or_text("x").tolist() == [cell]


def test_the_word_nan_may_be_a_label():
    text = "x|y\nNaN|1\nb|2\n"
    message = error_of(read(text).labels, "x")
    assert message.endswith("the cell is missing, 'NaN'; --na-values '' reads it as text")
    assert read(text, na_values=()).labels("x") == ["NaN", "b"]


def test_a_few_words_that_look_like_numbers_are_words():
    rows = read("x|y\nrose|1\nby|2\n45%|3\n")
    assert rows.numbers_or_text("x").tolist() == ["rose", "by", "45%"]


def test_an_empty_cell_is_named():
    rows = read("x,y\n1,a\n,\n")
    for method in (rows.numbers, rows.numbers_or_text):
        assert error_of(method, "x", advice="; do this") == (
            "data.csv, line 3, column 'x': expected a number, got an empty cell; do this"
        )
    for method in (rows.text, rows.numbers_or_text, rows.labels):
        assert error_of(method, "y") == "data.csv, line 3, column 'y': the cell is empty"
    assert rows.text("y", gaps=True).tolist() == ["a", None]
    assert rows.numbers_or_text("y", gaps=True).tolist() == ["a", None]
    np.testing.assert_array_equal(rows.numbers_or_text("x", gaps=True), [1, np.nan])


def test_blanks_are_shown():
    rows = read("x|y\n1|\xa0\n2\u200b|b\n")
    assert error_of(rows.text, "y").endswith(r"column 'y': the cell is missing, '\xa0'")
    assert r"got '2\u200b'" in error_of(rows.numbers, "x")


@pytest.mark.parametrize("marker", ["NA", "?", "-", "null", "N/A", "#N/A", "None", "."])
def test_markers_are_missing_if_they_are_said_to_be(marker):
    text = f"x,y\n1,2\n{marker},3\n4,5\n"
    message = error_of(read(text).numbers_or_text, "x")
    assert f"line 3, column 'x': expected a number, got {marker!r}" in message
    assert "--na-values " in message and "reads it as missing" in message
    assert "categorical" not in message
    rows = read(text, na_values=(marker,))
    np.testing.assert_array_equal(rows.numbers_or_text("x", gaps=True), [1, np.nan, 4])
    assert error_of(rows.numbers_or_text, "x", advice="; so").endswith(f"got {marker!r}; so")


def test_na_values():
    rows = read("x,y\n-999,nan\n2,NA\nNaN,c\n", na_values=("-999", "NA"))
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [np.nan, 2, np.nan])
    # A list that is given goes before the word that stands for nothing without it.
    assert rows.text("y", gaps=True).tolist() == ["nan", None, "c"]
    assert read("y,z\nnan,1\n", na_values=()).labels("y") == ["nan"]
    assert read("y,z\nnan,1\n").labels("y", gaps=True) == [None]


def test_numbers_or_text():
    rows = read("a,b,c,d\n1,x,1,no\n2.5,y,1O5,yes\n3,z,7,8\n")
    assert rows.numbers_or_text("a").dtype == np.float64
    assert rows.numbers_or_text("b").tolist() == ["x", "y", "z"]
    assert error_of(rows.numbers_or_text, "c") == (
        "data.csv, line 3, column 'c': expected a number, got '1O5' in a column that has numbers, "
        "too"
    )
    assert error_of(rows.numbers_or_text, "d") == (
        "data.csv, line 2, column 'd': expected a number, got 'no' in a column that has numbers, "
        "too; --categorical-features d reads the column as text"
    )
    assert table(rows, ["d"], as_text=["d"])["d"].tolist() == ["no", "yes", "8"]
    message = "line 2, column 'b': expected a number, got 'x'"
    assert message in error_of(table, rows, ["a", "b"], is_known=True)
    assert "data.csv has no column 'z', only 'a', 'b', 'c'" in error_of(table, rows, ["a", "z"])


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ("1 -1 10", [1, -1, 10]),
        ("01 02", ["01", "02"]),
        ("1.10 1.1", ["1.10", "1.1"]),
        ("1e3 1000", ["1e3", "1000"]),
        ("0.5 2", ["0.5", "2"]),
        ("1.0 2.0", ["1.0", "2.0"]),
        ("9007199254740993 9007199254740992", [9007199254740993, 9007199254740992]),
        ("1234567890123456789 1", [1234567890123456789, 1]),
        ("12345678901234567890 1", ["12345678901234567890", "1"]),
        ("-0 +1", ["-0", "+1"]),
        ("True False", ["True", "False"]),
        ("x 7", ["x", "7"]),
        ("1 １", ["1", "１"]),  # noqa: RUF001
    ],
)
def test_labels_keep_their_text(cells, labels):
    found = read("y;z\n" + "".join(f"{cell};0\n" for cell in cells.split())).labels("y")
    assert found == labels and [type(label) for label in found] == [type(x) for x in labels]


def test_labels_that_differ_in_blanks_are_told():
    rows = read("y|z\nup|0\nup |0\n")
    with pytest.warns(UserWarning, match="labels 'up' and 'up ' differ in blanks alone"):
        assert rows.labels("y") == ["up", "up "]


def test_labels_of_other_files():
    rows = Rows("p", {
        "whole": np.array([7, -1]), "float": np.array([1.0, 0.1], np.float32),
        "bool": np.array([True, False]), "text": ["1", "02"], "null": [None, 5],
    }, [1, 2])  # fmt: skip
    assert rows.labels("whole") == [7, -1]
    assert rows.labels("float") == ["1.0", "0.1"]
    assert rows.labels("bool") == ["True", "False"]
    assert rows.labels("text") == ["1", "02"]
    assert rows.labels("null", gaps=True) == [None, 5]
    assert rows.text("whole").tolist() == ["7", "-1"]


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ([1, 2], [1, 2, "3"]),
        (["1", "2", "x"], ["1", "2", "3"]),
        ([1.0, 2.0], [1.0, 2.0, "3"]),
        ([True, 2], ["1", 2, "3"]),
    ],
)
def test_labels_are_those_that_are_known(known, labels):
    found = read("y,z\n1,0\n2,0\n3,0\n").labels("y", like=known)
    assert found == labels and [type(label) for label in found] == [type(x) for x in labels]


def test_by_id():
    rows = read("id,t\n007,1\nb,5\n007,2\nb,5\n")
    by_id = rows.by_id("id")
    assert {key: of_id.tolist() for key, of_id in by_id.items()} == {"007": [0, 2], "b": [1, 3]}
    same = (
        "data.csv, line 5: the time of 'b' must be later than in line 3; rows of a sequence are "
        "sorted by time"
    )
    assert error_of(rows.by_id, "id", rows.times("t").values) == same
    assert error_of(read("id,t\nb,5\nb,4\n").by_id, "id", np.array([5, 4])).endswith(
        "rows of a sequence are sorted by time, or by --sort"
    )
    assert rows.by_id(None)[""].tolist() == [0, 1, 2, 3]
    assert "line 4: the time must be" in error_of(rows.by_id, None, rows.times("t").values)


def test_sort():
    rows = read("id,t\na,3\nb,2\na,1\nb,10\n", sort=True)
    by_id = rows.by_id("id", rows.times("t").values)
    assert {key: of_id.tolist() for key, of_id in by_id.items()} == {"a": [2, 0], "b": [1, 3]}
    rows = read("id,t\na,3\nb,2\na,3\n", sort=True)
    assert error_of(rows.by_id, "id", rows.times("t").values) == (
        "data.csv, line 4: the time of 'a' must be later than in line 2; rows of a sequence are "
        "sorted by time"
    )


def test_blank_lines_between_rows_are_no_sequences_unseen():
    rows = read("word,tag\nEU,B\nsaid,O\n\nRome,B\n")
    assert error_of(rows.by_id, None) == (
        "data.csv has a blank line before line 5, but no column of ids: if blank lines stand "
        "between sequences, --format conll reads them"
    )
    rows = read("id,word\na,EU\n\na,Rome\n\n")
    assert rows.by_id("id")["a"].tolist() == [0, 1]
    assert read("word\n\nEU\nsaid\n\n\n").by_id(None)[""].tolist() == [0, 1]


def test_times_name_the_cell():
    rows = read("t|u\n1|2024-01-01\n|1\n")
    assert error_of(rows.times, "t") == (
        "data.csv, line 3, column 't': expected a time, got an empty cell"
    )
    assert "line 3, column 'u': expected a number or a date such as 2024-01-01, as other" in (
        error_of(rows.times, "u")
    )
    message = error_of(read("t,u\n03/04/2024,1\n").times, "t")
    assert message.endswith(
        "got '03/04/2024'; give --time-format %d/%m/%Y or --time-format %m/%d/%Y"
    )


def rows_of_lists(series, scalars=(), **form):
    lines = range(1, 1 + len(next(iter(series.values()))))
    return sequences_in_rows("d", series, dict(scalars), lines, form=Form(**form), unit="row")


def test_a_row_for_each_sequence():
    rows = rows_of_lists({"x": [[1, 2], [3]], "w": [["a", "b"], ["c"]]}, {"label": ["u", "v"]})
    assert len(rows) == 3
    np.testing.assert_array_equal(rows.numbers("x"), [1, 2, 3])
    assert rows.labels("label") == ["u", "u", "v"]
    assert {k: v.tolist() for k, v in rows.by_id("id").items()} == {"1": [0, 1], "2": [2]}
    assert rows.usual_features({"label"}) == ["x", "w"]
    assert rows.place(1, "x") == "d, row 1, step 2, column 'x'"
    assert rows.place(2) == "d, row 2, step 1"


@pytest.mark.parametrize(
    ("series", "scalars", "message"),
    [
        ({"x": [[1], []]}, {}, "d, row 2, column 'x': the sequence has no steps"),
        ({"x": [[1], None]}, {}, "d, row 2, column 'x': the sequence has no steps"),
        (
            {"x": [[1], [2, 3]], "y": [[1], [2]]},
            {},
            "d, row 2, column 'y': expected 2 steps as in column 'x', got 1",
        ),
        (
            {"x": [[1], [2]]},
            {"id": ["a", "a"]},
            "d, row 2, step 1, column 'id': the id 'a' is that of row 1, too; each row is a "
            "sequence with an id of its own",
        ),
    ],
)
def test_rows_that_are_no_sequences(series, scalars, message):
    assert error_of(lambda: rows_of_lists(series, scalars).by_id("id")) == message


def test_python_is_told_its_own_words():
    rows = read_csv_text("x;y\n1,250;a\n", "d", Form())
    assert "decimal=',' reads it" in error_of(rows.numbers, "x")
    rows = read_csv_text("x,y\nNA,1\n2,3\n4,5\n", "d", Form())
    assert "na_values=['NA'] reads it as missing" in error_of(rows.numbers_or_text, "x")
