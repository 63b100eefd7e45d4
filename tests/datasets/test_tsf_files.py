"""The .tsf files of the Monash archive: names, times by a frequency, gaps, faults by their line."""

import io

import numpy as np
import pytest

from fastrnn.datasets import read_sequences, read_tsf
from fastrnn.datasets.form import Form
from fastrnn.datasets.sources import Source
from fastrnn.datasets.tsf_files import read_tsf_file

HEADER = """# Dataset Information
#
@relation NN5
@attribute series_name string
@attribute start_timestamp date
@attribute state string
@attribute size numeric
@frequency daily
@horizon 56
@missing true
@equallength false
@data
"""
DATA = "T1:1996-03-18 00-00-00:NSW:2:13.4,?,15\nT2:1996-02-28 00-00-00:VIC:1e3:1,2\n"


def read(text):
    """Read the text of a file."""
    return read_tsf_file(Source(text.encode(), "d", "d.tsf"), Form())


def error_of(text):
    """Return what is wrong with a text."""
    with pytest.raises(ValueError) as error:
        read(text)
    return str(error.value)


def test_series():
    rows = read(HEADER + DATA)
    assert list(rows.columns) == ["value", "time", "id", "state", "size"]
    assert rows.text("id").tolist() == ["T1"] * 3 + ["T2"] * 2
    np.testing.assert_array_equal(rows.numbers("value", gaps=True), [13.4, np.nan, 15, 1, 2])
    days = ["1996-03-18", "1996-03-19", "1996-03-20", "1996-02-28", "1996-02-29"]
    np.testing.assert_array_equal(rows.times("time").values, np.array(days, "M8[us]"))
    assert rows.numbers("size").tolist() == [2, 2, 2, 1000, 1000]
    with pytest.raises(ValueError, match="d, line 13, step 2, column 'value': expected a number"):
        rows.numbers("value")


def test_names_in_capitals():
    rows = read((HEADER + DATA).replace("series_name", "Series_Name").replace("start_", "START_"))
    assert list(rows.columns) == ["value", "time", "id", "state", "size"]


def test_times_of_a_zone():
    series = read_tsf(io.StringIO(HEADER + DATA), time_zone="Australia/Sydney")
    assert series["time"][0].isoformat() == "1996-03-18T00:00:00+11:00"
    hourly = HEADER.replace("daily", "hourly") + "T1:1996-03-31 01-00-00:NSW:2:1,2,3\n"
    words = "line 13, step 2, column 'time': expected a time with its offset, got .*, which clocks"
    with pytest.raises(ValueError, match=words):
        read_tsf(io.StringIO(hourly), time_zone="Australia/Sydney")


def test_as_a_forecaster_takes_them():
    series = read_tsf(io.StringIO(HEADER + DATA))
    assert list(series) == ["id", "time", "value", "state", "size"]
    assert all(type(column) is np.ndarray and len(column) == 5 for column in series.values())
    assert series["time"].dtype == "M8[us]" and series["state"].tolist()[-1] == "VIC"
    text = (HEADER + DATA).replace("@frequency daily\n", "")
    series = read_tsf(io.StringIO(text))
    assert series["time"].tolist() == [0, 1, 2, 0, 1]  # how far they are apart is not said
    assert series["start_timestamp"][0] == "1996-03-18 00-00-00"
    X, y = read_sequences(io.StringIO("@frequency daily\n@data\n1,2\n3\n"), format="tsf")
    assert [x.tolist() for x in X] == [[[1], [2]], [[3]]] and y is None
    with pytest.raises(ValueError, match="the id 'T1' is that of line 13, too"):
        read_tsf(io.StringIO(HEADER + DATA.replace("T2", "T1")))


@pytest.mark.parametrize(
    ("frequency", "start", "second", "third"),
    [
        ("4_seconds", "2019-12-31 23-59-57", "2020-01-01T00:00:01", "2020-01-01T00:00:05"),
        ("minutely", "2019-12-31 23-59-00", "2020-01-01T00:00", "2020-01-01T00:01"),
        ("10_minutes", "2019-12-31 23-50-00", "2020-01-01T00:00", "2020-01-01T00:10"),
        ("half_hourly", "2019-12-31 23-30-00", "2020-01-01T00:00", "2020-01-01T00:30"),
        ("hourly", "2019-12-31 23-00-00", "2020-01-01T00:00", "2020-01-01T01:00"),
        ("daily", "2019-12-31 00-00-00", "2020-01-01", "2020-01-02"),
        ("weekly", "2019-12-31 00-00-00", "2020-01-07", "2020-01-14"),
        ("monthly", "2019-12-01 00-00-00", "2020-01-01", "2020-02-01"),
        ("monthly", "2019-12-31 00-00-00", "2020-01-31", "2020-02-29"),
        ("Quarterly", "2019-11-30 00-00-00", "2020-02-29", "2020-05-30"),
        ("yearly", "2019-01-01 00-00-00", "2020-01-01", "2021-01-01"),
        ("yearly", "2019-01-01 12:30:00", "2020-01-01T12:30", "2021-01-01T12:30"),
        ("daily", "2019-12-31", "2020-01-01", "2020-01-02"),
    ],
)
def test_frequencies(frequency, start, second, third):
    header = f"@attribute start_timestamp date\n@frequency {frequency}\n@data\n"
    start = start if ":" not in start else start.replace(":", "-")
    times = read(f"{header}{start}:1,2,3\n").times("time").values
    np.testing.assert_array_equal(times[1:], np.array([second, third], "M8[us]"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "13.4",
            "x",
            "d, line 13, step 1: expected a number or ? for one that is missing, got '",
        ),
        (",15", ",", "d, line 13, step 3: expected a number or ? for one that is missing, got an"),
        (",15", ",1_5", "d, line 13, step 3: expected a number or ? for one that is missing, got"),
        (":2:", ":big:", "d, line 13, attribute 'size': expected a number, got 'big'"),
        ("T1", "", "d, line 13, attribute 'series_name': the cell is empty"),
        ("T1:", "T:1:", "d, line 13 has 6 parts between colons, expected 5, one for each @attribu"),
        ("NSW:", "", "d, line 13 has 4 parts between colons, expected 5"),
        (
            "1996-02-28",
            "1996-02-30",
            "d, line 14, attribute 'start_timestamp': expected a day",
        ),
        ("1996-02-28 00-00-00", "?", "d, line 14, attribute 'start_timestamp': expected a time"),
        ("1996-03-18 00-00-00", "today", "d, line 13, attribute 'start_timestamp': expected a num"),
        ("daily", "often", "d, line 8: expected a frequency such as yearly"),
        ("daily", "", "d, line 8: expected a frequency such as yearly"),
        ("daily", "0_minutes", "d, line 8: expected a frequency such as yearly"),
        ("size numeric", "size real", "d, line 7: expected @attribute, a name and one of string"),
        (
            "size numeric",
            "state string",
            "d, line 7: the attribute has the name 'state' of an",
        ),
        ("size numeric", "value string", "d, line 7: the attribute has the name 'value' of a col"),
        ("@relation NN5", "NN5", "d, line 3: expected a word such as @data, got 'NN5'"),
        ("@data\n", "", "d, line 12: expected a word such as @data, got 'T1:1996"),
        (DATA, "", "d has no series after @data"),
        ("@data\n" + DATA, "", "d has no line @data"),
    ],
)
def test_faults(old, new, message):
    text = HEADER + DATA
    assert old in text
    assert error_of(text.replace(old, new, 1)).startswith(message)
    without_offset = "a date without offset such as 1996-03-18 00-00-00"
    wrong = text.replace("1996-03-18 00-00-00", "1996").replace("1996-02-28 00-00-00", "1997")
    assert without_offset in error_of(wrong)
