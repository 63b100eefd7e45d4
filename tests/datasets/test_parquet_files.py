"""Parquet through polars and pyarrow: the same cells from both."""

import io
import sys
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from fastrnn.datasets.form import Form
from fastrnn.datasets.formats import find_format, read_rows
from fastrnn.datasets.parquet_files import read_parquet_file
from fastrnn.datasets.sources import Source

polars = pytest.importorskip("polars")
READERS = ["polars", "pyarrow"]


@pytest.fixture(params=READERS)
def read(request, monkeypatch):
    """Return a function that reads columns from a Parquet file, by one of the two libraries."""
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")

    def read(columns, **types):
        file = io.BytesIO()
        polars.DataFrame(columns, schema_overrides=types).write_parquet(file)
        with monkeypatch.context() as patch:
            if request.param == "pyarrow":
                patch.setitem(sys.modules, "polars", None)
            return read_parquet_file(Source(file.getvalue(), "d.parquet", ""), Form())

    return read


def test_long_form(read):
    columns = {
        "id": [7, 7, 8],
        "day": [date(2024, 5, 31), date(2024, 6, 1), date(2024, 6, 1)],
        "x": [0.5, 1.5, None],
        "kind": ["a", "b", "a"],
        "y": [1, 1, 2],
        "is": [True, False, True],
        "price": [Decimal("1.10"), Decimal("2.20"), Decimal("0.30")],
        "f": [0.1, 0.2, 0.3],
        "level": ["lo", "hi", "lo"],
    }
    rows = read(columns, f=polars.Float32, level=polars.Categorical)
    assert list(rows.columns) == list(columns) and len(rows) == 3
    assert {key: list(of) for key, of in rows.by_id("id", rows.times("day").values).items()} == {
        "7": [0, 1],
        "8": [2],
    }
    assert rows.times("day").values.dtype == "datetime64[us]"
    assert rows.labels("y") == [1, 1, 2]
    assert rows.numbers_or_text("kind").tolist() == ["a", "b", "a"]
    assert rows.numbers_or_text("level").tolist() == ["lo", "hi", "lo"]
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [0.5, 1.5, np.nan])
    np.testing.assert_array_equal(rows.numbers_or_text("is"), [1, 0, 1])
    np.testing.assert_array_equal(rows.numbers_or_text("price"), [1.1, 2.2, 0.3])
    assert rows.labels("is") == ["True", "False", "True"]
    assert rows.labels("price") == ["1.10", "2.20", "0.30"]
    assert rows.labels("f") == ["0.1", "0.2", "0.3"]
    with pytest.raises(ValueError, match="row 3, column 'x': expected a number, got an empty cell"):
        rows.numbers("x")


def test_times_are_exact(read):
    moments = np.array(["2024-05-31T12:00:00.123456789", "2024-06-01"], "datetime64[ns]")
    zoned = polars.Series(moments).dt.replace_time_zone("Europe/Berlin")
    big = [2**62 + 1, 2**62 + 2]
    gap = np.array([moments[0], "NaT"], "datetime64[ns]")
    rows = read({"ns": moments, "zone": zoned, "big": big, "gap": gap})
    np.testing.assert_array_equal(rows.times("ns").values, moments)
    assert rows.times("ns").zone is None
    np.testing.assert_array_equal(rows.times("zone").values, moments - np.timedelta64(2, "h"))
    assert rows.times("zone").zone == "UTC+02:00"  # Python's moments have no nanoseconds
    assert rows.times("big").values.tolist() == big
    with pytest.raises(ValueError, match="row 2, column 'gap': expected a time, got NaT"):
        rows.times("gap")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_zones_stay(read, unit):
    moments = polars.Series(np.array(["2024-03-31T01:30", "2024-10-27T00:30"], f"M8[{unit}]"))
    zoned = moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    rows = read({"t": zoned, "fixed": zoned.dt.convert_time_zone("Etc/GMT-2"), "gap": [None, 1]})
    for name, zone in (("t", "Europe/Berlin"), ("fixed", "Etc/GMT-2")):
        times = rows.times(name)
        assert times.zone == zone
        np.testing.assert_array_equal(times.values, moments)
    assert rows.text("t").tolist() == ["2024-03-31 03:30:00+02:00", "2024-10-27 02:30:00+02:00"]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_lists_of_moments_are_exact(read, zone):
    moments = np.array(["2024-05-31T12:00:00.123456789", "2024-06-01", "2024-06-02"], "M8[ns]")
    of_zone = polars.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    column = polars.Series(moments) if zone is None else of_zone
    lists = polars.DataFrame({"k": [0, 0, 1], "t": column}).group_by("k", maintain_order=True)
    series = lists.agg("t")["t"]
    rows = read({"t": series, "x": [[1, 2], [3]]})
    np.testing.assert_array_equal(rows.times("t").values, moments)
    assert rows.times("t").zone == (None if zone is None else "UTC+09:00")
    with pytest.raises(ValueError, match=r"row 2, column '.': the sequence has no steps"):
        read(
            {
                "t": polars.concat([lists.agg("t")["t"][:1], polars.Series([None])]),
                "x": [[1, 2], []],
            }
        )


def test_durations_are_no_times(read):
    rows = read({"t": [timedelta(seconds=1), timedelta(seconds=2)]})
    with pytest.raises(ValueError, match="row 1, column 't': expected a number or a date"):
        rows.times("t")
    with pytest.raises(ValueError, match="row 1, column 't': expected a number, got 0:00:01"):
        rows.numbers_or_text("t")


def test_lists(read):
    rows = read(
        {"id": ["a", "b"], "x": [[1.0, 2.0], [3.0]], "w": [["p", None], ["q"]], "y": [0, 1]}
    )
    np.testing.assert_array_equal(rows.numbers("x"), [1, 2, 3])
    assert rows.text("w", gaps=True).tolist() == ["p", None, "q"]
    assert rows.labels("y") == [0, 0, 1]
    assert list(rows.by_id("id")) == ["a", "b"]
    with pytest.raises(ValueError, match="row 1, step 2, column 'w': the cell is empty"):
        rows.text("w")


def test_lists_of_vectors(read):
    rows = read({"x": [[[1, 2], [3, 4]], [[5, 6]]]})
    assert rows.usual_features(()) == ["x_1", "x_2"]
    np.testing.assert_array_equal(rows.numbers("x_2"), [2, 4, 6])
    rows = read({"x": [[1, 2], [3, 4]]}, x=polars.Array(polars.Int64, 2))
    np.testing.assert_array_equal(rows.numbers("x"), [1, 2, 3, 4])
    message = r"row 2, step 1, column 'x': expected 2 numbers as in the first step, got 1"
    with pytest.raises(ValueError, match=message):
        read({"x": [[[1, 2], [3, 4]], [[5]]]})


def test_structs_are_refused(read):
    with pytest.raises(ValueError, match=r"row 1, column 'x': expected a number.* got the object"):
        read({"x": [{"a": 1}]})


def test_what_pandas_writes(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"id": ["a", "b"], "x": [1, 2]}, index=[4, 7])
    frame.to_parquet(tmp_path / "d.parquet")
    assert read_rows(tmp_path / "d.parquet").usual_features({"id"}) == ["x"]
    frame.set_index("id").to_parquet(tmp_path / "d.parquet")
    assert list(read_rows(tmp_path / "d.parquet").by_id("id")) == ["a", "b"]
    frame.x.astype("Int64").to_frame().to_parquet(tmp_path / "d.parquet")
    assert read_rows(tmp_path / "d.parquet").labels("x") == [1, 2]


@pytest.mark.parametrize("library", READERS)
def test_faults(tmp_path, monkeypatch, library):
    path = tmp_path / "d.parquet"
    with pytest.raises(FileNotFoundError):
        read_rows(path)
    path.write_bytes(b"PAR1 and no more")
    assert find_format(Source(path.read_bytes(), "", "data"), Form()) == "parquet"
    if library == "pyarrow":
        pytest.importorskip("pyarrow")
        monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ValueError, match=r"d\.parquet cannot be read as Parquet"):
        read_rows(path)


def test_without_a_reader(tmp_path, monkeypatch):
    (tmp_path / "d.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"through polars or pyarrow: .*'fastrnn\[parquet\]'"):
        read_rows(tmp_path / "d.parquet")
