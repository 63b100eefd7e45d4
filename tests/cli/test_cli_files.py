"""What the command line reads: CSV and Parquet, cell by cell."""

import sys
from datetime import date

import numpy as np
import pytest

from fastrnn.cli.files import read_rows, table, writer


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that reads rows from the text of a CSV file."""
    monkeypatch.chdir(tmp_path)

    def read(text, **options):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "data.csv").write_bytes(data)
        return read_rows("data.csv", **options)

    return read


def test_csv(read):
    rows = read('id,x,"a, b"\n1,2.5,"say ""no"""\n\n2,-1e3,"two\nlines"\n3,7,z\n')
    assert len(rows) == 3
    assert list(rows.columns) == ["id", "x", "a, b"]
    assert rows.columns["a, b"] == ['say "no"', "two\nlines", "z"]
    np.testing.assert_array_equal(rows.numbers("x"), [2.5, -1000, 7])
    # Lines are counted as an editor shows them; a row of two lines ends in the second.
    assert [rows.place(row) for row in range(3)] == [f"data.csv, line {n}" for n in (2, 5, 6)]
    assert rows.place(2, "x") == "data.csv, line 6, column 'x'"


def test_csv_of_other_makes(read):
    assert read("\ufeffid;x\r\na;1\r\n", delimiter=";").columns == {"id": ["a"], "x": ["1"]}
    rows = read("id\tx\né\t1\n".encode("latin-1"), delimiter="\t", encoding="latin-1")
    assert rows.columns["id"] == ["é"]
    assert read("id,x\na,1\n".encode("utf-16"), encoding="utf-16").columns["x"] == ["1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.csv is empty, expected names of columns in its first line"),
        ("id,x\n", "data.csv has no rows"),
        ("id,x\na,1\nb,2,3\n", "data.csv, line 3 has 3 cells, expected 2 as in the first line"),
        ("id,x\na\n", "data.csv, line 2 has 1 cells, expected 2"),
        ("id,x,x\na,1,2\n", "data.csv, line 1 has the name 'x' twice"),
        ("id, ,x\na,1,2\n", "data.csv, line 1 has a column without name"),
        ('id,x\na,"1\n', "data.csv, line 2: unexpected end of data"),
        ('id,x\na,"1"2\n', "data.csv, line 2: "),
        (
            b"id,x\na,1\n\xe9,2\n",
            "data.csv, line 3: byte 0xe9 is not utf-8; --encoding names another, such as latin-1",
        ),
    ],
)
def test_faults_of_csv(read, text, message):
    with pytest.raises(ValueError) as error:
        read(text)
    assert str(error.value).startswith(message)


def test_numbers(read):
    rows = read('x\n1\n 2 \n1e3\nNaN\n""\n')
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [1, 2, 1000, np.nan, np.nan])
    with pytest.raises(ValueError, match=r"line 5, column 'x': expected a number, got 'NaN'$"):
        rows.numbers("x")


@pytest.mark.parametrize("cell", ["inf", "1_000", "0x10", "1,5"])
def test_no_numbers(read, cell):
    with pytest.raises(ValueError, match="line 3, column 'x': expected a number, got"):
        read(f'x;y\n1;2\n"{cell}";3\n', delimiter=";").numbers("x", gaps=True)


def test_an_empty_cell_is_named(read):
    rows = read("x,y\n1,a\n,\n")
    for method in (rows.numbers, rows.numbers_or_text):
        with pytest.raises(ValueError, match="line 3, column 'x': expected a number, got an empty"):
            method("x")
    for method in (rows.text, rows.numbers_or_text, rows.labels):
        with pytest.raises(ValueError, match="line 3, column 'y': the cell is empty"):
            method("y")


def test_numbers_or_text(read):
    rows = read("a,b,c\n1,x,1\n2.5,y,?\n")
    assert rows.numbers_or_text("a").dtype == np.float64
    assert rows.numbers_or_text("b").tolist() == ["x", "y"]
    with pytest.raises(ValueError) as error:
        rows.numbers_or_text("c")
    assert str(error.value) == (
        "data.csv, line 3, column 'c': expected a number, got '?' in a column that has numbers, "
        "too; --categorical-features c reads them as text"
    )
    assert table(rows, ["c"], as_text=["c"])["c"].dtype == object
    with pytest.raises(ValueError, match="line 2, column 'b': expected a number, got 'x'"):
        table(rows, ["a", "b"], is_known=True)
    with pytest.raises(ValueError, match=r"data.csv has no column 'z', only 'a', 'b', 'c'"):
        table(rows, ["a", "z"])


def test_labels(read):
    rows = read("a,b,c,d,e\n1,0.5,x,1,01\n-1,2,7,,2.0\n")
    assert rows.labels("a") == [1, -1]
    assert rows.labels("b") == [0.5, 2.0]
    assert rows.labels("c") == ["x", "7"]
    assert rows.labels("d", gaps=True) == [1, None]
    assert rows.labels("e") == [1, 2] and type(rows.labels("e")[1]) is int


def test_times(read):
    rows = read(
        "a,b,c,d\n"
        "1,2024-05-31,2024-05-31T12:00:00+02:00,1\n"
        "2.5,2024-06-01 08:30,2024-05-31T10:00:00.5Z,2024-01-01\n"
    )
    np.testing.assert_array_equal(rows.times("a"), [1, 2.5])
    np.testing.assert_array_equal(
        rows.times("b"), np.array(["2024-05-31", "2024-06-01T08:30"], "datetime64[us]")
    )
    np.testing.assert_array_equal(
        rows.times("c"),
        np.array(["2024-05-31T10:00", "2024-05-31T10:00:00.5"], "datetime64[us]"),
    )
    with pytest.raises(ValueError, match="line 2, column 'd': expected a number or a date such as"):
        rows.times("d")


def test_by_id(read):
    rows = read("id,t\n007,1\nb,5\n007,2\nb,5\n")
    by_id = rows.by_id("id")
    assert {key: of_id.tolist() for key, of_id in by_id.items()} == {"007": [0, 2], "b": [1, 3]}
    with pytest.raises(ValueError) as error:
        rows.by_id("id", rows.times("t"))
    assert str(error.value) == (
        "data.csv, line 5: the time of 'b' must be later than in line 3; rows of a sequence are "
        "sorted by time"
    )
    assert rows.by_id(None)[""].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="line 4: the time must be later than in line 3"):
        rows.by_id(None, rows.times("t"))


@pytest.mark.parametrize("package", ["polars", "pandas"])
def test_parquet(tmp_path, monkeypatch, package):
    library = pytest.importorskip(package)
    if package == "pandas":
        pytest.importorskip("pyarrow")
    path = str(tmp_path / "data.parquet")
    columns = {
        "id": [7, 7, 8],
        "day": [date(2024, 5, 31), date(2024, 6, 1), date(2024, 6, 1)],
        "x": [0.5, 1.5, None],
        "kind": ["a", "b", "a"],
        "y": [1, 1, 2],
    }
    frame = library.DataFrame(columns)
    frame.write_parquet(path) if package == "polars" else frame.to_parquet(path)
    if package == "pandas":
        monkeypatch.setitem(sys.modules, "polars", None)
    rows = read_rows(path)
    assert list(rows.columns) == list(columns) and len(rows) == 3
    assert {key: list(of) for key, of in rows.by_id("id", rows.times("day")).items()} == {
        "7": [0, 1],
        "8": [2],
    }
    assert rows.times("day").dtype == "datetime64[us]"
    assert rows.labels("y") == [1, 1, 2]
    assert rows.numbers_or_text("kind").tolist() == ["a", "b", "a"]
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [0.5, 1.5, np.nan])
    with pytest.raises(ValueError, match=r"row 3, column 'x': expected a number, got (an|nan)"):
        rows.numbers("x")


def test_faults_of_parquet(tmp_path):
    pytest.importorskip("polars")
    path = tmp_path / "data.parquet"
    with pytest.raises(FileNotFoundError):
        read_rows(str(path))
    path.write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read_rows(str(path))


def test_parquet_without_a_reader(tmp_path, monkeypatch):
    (tmp_path / "data.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"through polars, or pandas .*'fastrnn\[parquet\]'"):
        read_rows(str(tmp_path / "data.parquet"))


def test_writer(tmp_path):
    path = tmp_path / "answers.csv"
    with writer(str(path), ["id", "p"]) as write:
        write(["a, b", np.float32(0.1)])
        write(["c", np.float64(1) / 3])
    assert path.read_text() == 'id,p\n"a, b",0.1\nc,0.3333333333333333\n'
