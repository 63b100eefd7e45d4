"""CSV: delimiters, quotes, names of columns, and what is wrong with lines."""

import pytest

from fastrnn.datasets.csv_files import CSVReader, read_csv_text
from fastrnn.datasets.form import Form


def read(text, file="", **form):
    return read_csv_text(text, "data.csv", Form(**form, of_command=True), file)


def test_cells_and_lines():
    rows = read('id,x,"a, b"\n1,2.5,"say ""no"""\n\n2,-1e3,"two\nlines"\n3,7,z\n')
    assert len(rows) == 3
    assert list(rows.columns) == ["id", "x", "a, b"]
    assert rows.columns["a, b"] == ['say "no"', "two\nlines", "z"]
    # Lines are counted as an editor shows them; a row of two lines ends in the second.
    assert [rows.place(row) for row in range(3)] == [f"data.csv, line {n}" for n in (2, 5, 6)]
    assert rows.place(2, "x") == "data.csv, line 6, column 'x'"


def test_many_rows_have_their_lines():
    text = "id,x\n" + "".join(f"{k},{k}\n" + "\n" * (k % 7000 == 5) for k in range(25_000))
    rows = read(text)
    lines = text.splitlines()
    assert len(rows) == 25_000
    for row in (0, 5, 6, 9_999, 10_000, 20_003, 24_999):
        assert lines[rows.lines[row] - 1] == f"{row},{row}"
    assert rows.breaks == (6, 7006, 14006, 21006)


@pytest.mark.parametrize(
    ("text", "file", "cells"),
    [
        ("id;x\na;1\n", "", ["a", "1"]),
        ("id\tx\na\t1\n", "", ["a", "1"]),
        ("id|x\na|1\n", "", ["a", "1"]),
        ("id;x\na;1,5\nb;2,25\n", "", ["a", "1,5"]),
        ("id\tsaid, text\na\tb;c\n", "", ["a", "b;c"]),
        ("id\tx;y\na\t1;2\n", "d.TSV", ["a", "1;2"]),
        ('id;"x,y"\na;"1;2"\n', "", ["a", "1;2"]),
        ('"i,d";x\n"a,b";1\n', "", ["a,b", "1"]),
        ("sep=;\r\nid;x\r\na;1\r\n", "", ["a", "1"]),
        ('"sep=|"\nid|x\na|1\n', "", ["a", "1"]),
        ("x\n1,5\n2,5\n", "", ["1,5"]),
        ("x\n1\n", "", ["1"]),
    ],
)
def test_the_delimiter_is_found(text, file, cells):
    rows = read(text, file)
    assert [column[0] for column in rows.columns.values()] == cells


def test_a_delimiter_that_may_be_two_is_asked_for():
    text = "a,b;c\n1,2;3\n"
    with pytest.raises(ValueError, match="separated by ',' or ';'; --delimiter says by which"):
        read(text)
    assert list(read(text, delimiter=";").columns) == ["a,b", "c"]
    text = "id x\na 1\n"
    with pytest.raises(ValueError, match="by blanks, or there is one column; --delimiter ' ' or"):
        read(text)
    assert list(read(text, delimiter=" ").columns) == ["id", "x"]
    assert read(text, delimiter=",").columns == {"id x": ["a 1"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.csv is empty, expected names of columns in its first line"),
        ("id,x\na,1\nb,2,3\n", "data.csv, line 3 has 3 cells, expected 2 as in the first line"),
        ("id,x\na\n", "data.csv, line 2 has 1 cells, expected 2"),
        ("x\na,b\n", "data.csv, line 2 has 2 cells, expected 1 as in the first line; --delimiter"),
        ("id,x,x\na,1,2\n", "data.csv, line 1 has the name 'x' twice"),
        (" ,\na,1\n", "data.csv, line 1 has no names of columns"),
        ("id,x\na,1\nid,x\nb,2\n", "data.csv, line 3 repeats the first line"),
        ("1,0.5,0.25\n2,3,4\n", "data.csv, line 1 has numbers, expected names of columns; lines"),
        ('id,x\na,"1\n', "data.csv, line 2: unexpected end of data; --quote none takes"),
        ('id,x\na,1\nb,"2\nc,3\n', "data.csv, line 3: unexpected end of data, in a cell that goes"),
        ('id,x\na,"1"2\n', "data.csv, line 2: "),
    ],
)
def test_faults(text, message):
    with pytest.raises(ValueError) as error:
        read(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        'id,word,tag\na,",O\na,",O\n',
        'id,word,tag\n1,x,O\n2,"in,O\n3,at,O\n4,on",O\n',
    ],
)
def test_quotes_that_swallow_lines(text):
    with pytest.raises(ValueError, match=r"lines \d to \d are one row.*--quote none takes quotes"):
        read(text)
    assert '"' in "".join(read(text, quote="none").columns["word"])
    assert "\n" in read(text, quote='"').columns["word"][-1]


def test_other_quotes():
    assert read("id,x\na,'1,5'\n", quote="'").columns["x"] == ["1,5"]
    assert read('id,x\na,5" pipe\n').columns["x"] == ['5" pipe']


def test_columns_without_name_are_ignored_unless_asked_for():
    rows = read(",id,x,,Unnamed: 0\n0,a,1,,7\n")
    assert rows.usual_features({"id"}) == ["x"]
    assert rows.columns[rows.find("1")] == ["0"]
    assert rows.columns[rows.find("4")] == [""]
    assert rows.find("2") == "id" and rows.find("Unnamed: 0") == "Unnamed: 0"
    for name in ("0", "6", "y"):
        with pytest.raises(ValueError, match=f"no column '{name}', only 'id', 'x', 'Unnamed: 0'$"):
            rows.find(name)


def test_names_go_before_places():
    rows = read(",1,x\na,b,c\n")
    assert rows.columns[rows.find("1")] == ["b"]
    assert rows.columns[rows.find("column 1")] == ["a"]


def test_blanks_in_names_are_seen():
    rows = read("id, time,\ufeffx,y\xa0\na,1,2,3\n")
    for name, there in (("time", "' time'"), ("x", r"'\\ufeffx'"), ("y", r"'y\\xa0'")):
        with pytest.raises(ValueError, match=rf"is {there} meant\?"):
            rows.find(name)


def test_lines_that_come_one_by_one():
    lines = iter(["id,x\n", 'a,"1\n', '2"\n', "\n", "b,3\n", "c\n"])
    reader = CSVReader(lines, "-", ",", Form(quote='"'))
    assert next(reader) == (3, ["a", "1\n2"])
    assert next(reader) == (5, ["b", "3"])
    with pytest.raises(ValueError, match="line 6 has 1 cells"):
        next(reader)
    reader = CSVReader(iter(["id,w,t\n", 'a,",O\n', 'a,",O\n']), "-", ",", Form())
    with pytest.raises(ValueError, match="lines 2 to 3 are one row"):
        next(reader)
