"""Times as files have them, and which cell is blamed."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from fastrnn.datasets.form import Form
from fastrnn.datasets.stamps import CellError, read_times
from fastrnn.inputs.stamps import read_stamps


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        ("2024-05-31 2024-06-01", "2024-05-31 2024-06-01"),
        ("2024-05-31T12:00 2024-05-31T12:00:01.5", "2024-05-31T12:00 2024-05-31T12:00:01.5"),
        ("2024-05-31T12:00+02:00 2024-05-31T12:00Z", "2024-05-31T10:00 2024-05-31T12:00"),
        ("2024-05-31T12:00:00-0330", "2024-05-31T15:30"),
        ("20240531T1200", "2024-05-31T12:00"),
        ("1949-01 1949-12", "1949-01-01 1949-12-01"),
        ("1949/1 1949/2", "1949-01-01 1949-02-01"),
        ("01/1949 12/1949", "1949-01-01 1949-12-01"),
        ("1991M07 1991M08", "1991-07-01 1991-08-01"),
        ("1970Q1 1970Q4", "1970-01-01 1970-10-01"),
        ("1970-Q2", "1970-04-01"),
        ("Q3-1970", "1970-07-01"),
        ("1991-Jul Jul-1991", None),
        ("Jul-1991 Aug-1991", "1991-07-01 1991-08-01"),
        ("1991-July 1991-sept", "1991-07-01 1991-09-01"),
        ("2024-W05 2024-W06", "2024-01-29 2024-02-05"),
        ("2024/5/31 2024/12/01", "2024-05-31 2024-12-01"),
        ("31/12/2024 01/01/2025", "2024-12-31 2025-01-01"),
        ("12/31/2024 1/1/2025", "2024-12-31 2025-01-01"),
        ("31.12.2024T14:05 01.01.2025T01:00", "2024-12-31T14:05 2025-01-01T01:00"),
        ("1-Jan-2000 02-Feb-2000", "2000-01-01 2000-02-02"),
        ("1-01 1-12 2-01 10-02", "0001-01-01 0001-12-01 0002-01-01 0010-02-01"),
    ],
)
def test_dates(cells, times):
    if times is None:
        with pytest.raises(CellError, match="as other rows have it"):
            read_times(cells.split(), Form())
        return
    found = read_times(cells.split(), Form()).values
    assert found.dtype == "datetime64[us]"
    np.testing.assert_array_equal(found, np.array(times.split(), "datetime64[us]"))


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("1970 Q1", "1970-01-01"),
        ("1991 Jul", "1991-07-01"),
        ("Jan 1 2000", "2000-01-01"),
        ("January 1, 2000", "2000-01-01"),
        ("2 Feb 2000 10:30", "2000-02-02T10:30"),
        (" 2024-05-31 08:30 ", "2024-05-31T08:30"),
    ],
)
def test_dates_with_blanks(cell, time):
    assert read_times([cell], Form()).values[0] == np.datetime64(time)


def test_numbers_are_exact():
    big = 1_700_000_000_000_000_001
    times = read_times([str(big), str(big + 1)], Form()).values
    assert times.dtype == np.int64 and times.tolist() == [big, big + 1]
    np.testing.assert_array_equal(read_times([" 1", "2.5", "1e3"], Form()).values, [1, 2.5, 1000])
    np.testing.assert_array_equal(read_times(["0,5", "1"], Form(), ",").values, [0.5, 1])
    times = read_times(np.array([big, big + 1]), Form())
    np.testing.assert_array_equal(times.values, [big, big + 1])


def test_nanoseconds_are_exact():
    cells = ["2024-05-31T12:00:00.123456789", "2024-05-31T12:00:00.12345679"]
    times = read_times(cells, Form()).values
    assert times.dtype == "datetime64[ns]"
    assert (times[1] - times[0]) == np.timedelta64(1, "ns")
    times = np.array(["2024-05-31T12:00:00.123456789"], "datetime64[ns]")
    assert read_times(times, Form()).values[0] == times[0]
    assert read_times(times.astype("datetime64[s]"), Form()).values.dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("cells", "form", "zone"),
    [
        (["2024-05-31T12:00", "2024-06-01"], {}, None),
        (["2024-05-31T12:00Z"], {}, "UTC"),
        (["2024-05-31T12:00+00:00", "2024-05-31T12:00Z"], {}, "UTC"),
        (["2024-05-31T12:00+02:00", "2024-05-31T12:30+0200"], {}, "UTC+02:00"),
        (["2024-05-31T12:00-03:30"], {}, "UTC-03:30"),
        (["2024-03-30T12:00+01:00", "2024-03-31T12:00+02:00"], {}, "UTC"),
        (["20240531T1200+02"], {}, "UTC+02:00"),
        (["2024-05-31 12:00:00 UTC", "2024-06-01 12:00:00 UTC"], {}, "UTC"),
        (["20240531T1200"], {}, None),
        (["31.05.2024 12:00 +0200"], {"time_format": "%d.%m.%Y %H:%M %z"}, "UTC+02:00"),
        ([datetime(2024, 5, 31, tzinfo=ZoneInfo("Europe/Berlin"))] * 2, {}, "Europe/Berlin"),
        ([datetime(2024, 5, 31, tzinfo=timezone(timedelta(hours=1), "CET"))], {}, "UTC+01:00"),
        ([datetime(2024, 5, 31), date(2024, 6, 1)], {}, None),
    ],
)
def test_zones_stay(cells, form, zone):
    times = read_times(cells, Form(**form))
    assert times.zone == zone
    stamp_type, stamps = read_stamps(times.column, str)  # as a forecaster reads them
    assert stamp_type.zone == zone
    np.testing.assert_array_equal(stamps, times.values)


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        (["2024-03-30T00:00+01:00", "2024-04-01T00:00+02:00"], "2024-03-29T23 2024-03-31T22"),
        (["2024-03-30T00:00", "2024-04-01T00:00"], "2024-03-29T23 2024-03-31T22"),
        (["2024-03-30", "2024-04-01"], "2024-03-29T23 2024-03-31T22"),
        (["2024-03-30T00:00Z"], "2024-03-30T00"),
        (["2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"], "2024-10-27T00:30 2024-10-27T01:30"),
        (["2024-03", "2024-04"], "2024-02-29T23 2024-03-31T22"),
        ([datetime(2024, 4, 1, tzinfo=ZoneInfo("Asia/Tokyo"))], "2024-03-31T15"),
        ([date(2024, 4, 1)], "2024-03-31T22"),
        (np.array(["2024-04-01"], "M8[ns]"), "2024-03-31T22"),
    ],
)
def test_zones_that_are_given(cells, times):
    read = read_times(cells, Form(time_zone="Europe/Berlin"))
    assert read.zone == "Europe/Berlin" and not read.is_mixed
    np.testing.assert_array_equal(read.values, np.array(times.split(), "M8[us]"))
    assert read_stamps(read.column, str)[0].zone == "Europe/Berlin"


def test_several_offsets_are_told():
    cells = ["2024-03-30T00:00+01:00", "2024-04-01T00:00+02:00"]
    assert read_times(cells, Form()).is_mixed
    assert read_times([datetime.fromisoformat(cell) for cell in cells], Form()).is_mixed
    assert not read_times(cells[:1] * 2, Form()).is_mixed
    assert not read_times([cell[:16] for cell in cells], Form()).is_mixed


@pytest.mark.parametrize(
    ("cells", "row", "message"),
    [
        (["1", "2"], 0, "a date, since there is time_zone='Europe/Berlin'"),
        (["2024-03-31T01:59", "2024-03-31T02:30"], 1, "a time that clocks of Europe/Berlin show"),
        (["2024-10-27T01:59", "2024-10-27T02:30"], 1, "a time with its offset"),
        (["0001-01-01"], 0, "a year from 2 to 9998, since times have a zone"),
        (["2024-01-01", "9999-12-31"], 1, "a year from 2 to 9998, since times have a zone"),
    ],
)
def test_faults_of_zones_that_are_given(cells, row, message):
    with pytest.raises(CellError, match=re.escape(message)) as error:
        read_times(cells, Form(time_zone="Europe/Berlin"))
    assert error.value.row == row
    assert read_times(cells, Form()).zone is None


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["2024-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"], {}),
        (["20240101T000000+1400", "00010101T000000+1400"], {}),
        (["20240101T000000-1400", "99991231T235959-1400"], {}),
        (["2024 +1400", "0001 +1400"], {"time_format": "%Y %z"}),
        (["2024-01-01T00:00:00", "0000-01-01T00:00:00"], {"time_zone": "Europe/Berlin"}),
        ([datetime(2024, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)], {}),
    ],
)
def test_moments_that_are_in_no_year_elsewhere(cells, form):
    with pytest.raises(CellError, match="a year from 2 to 9998") as error:
        read_times(cells, Form(**form))
    assert error.value.row == 1


def test_columns_of_moments_that_are_in_no_year_of_utc():
    moment = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    for column in ([moment], [moment.isoformat()]):
        with pytest.raises(ValueError, match=r"year|calendar"):
            read_stamps(np.array(column, object), str)


def test_years_that_no_zone_has():
    with pytest.raises(CellError, match="a year from 2 to 9998"):
        read_times(["0001-01-01T00:00+01:00"], Form())


def test_names_of_zones_are_not_forgotten():
    with pytest.raises(CellError, match="an offset, which %z reads, in place of the name of a"):
        read_times(["2024-05-31 12:00 UTC"], Form(time_format="%Y-%m-%d %H:%M %Z"))


def test_hours_that_come_twice_are_two():
    berlin = ZoneInfo("Europe/Berlin")
    hours = [datetime(2024, 10, 27, 2, tzinfo=berlin, fold=fold) for fold in (0, 1)]
    times = read_times(hours, Form())
    assert times.values[1] - times.values[0] == np.timedelta64(1, "h")
    assert read_stamps(times.column, str)[1].tolist() == times.values.tolist()


def test_nanoseconds_with_an_offset_are_not_cut():
    cells = ["2024-05-31T12:00Z", "2024-05-31T12:00:00.123456789Z"]
    times = read_times(cells, Form())
    assert (times.values[1] - times.values[0]) == np.timedelta64(123_456_789, "ns")
    with pytest.raises(CellError, match="a time without nanoseconds, since it has an offset") as e:
        _ = times.column
    assert e.value.row == 1
    with pytest.raises(CellError, match="a number or a date"):
        read_times(["20240531T120000.1234567"], Form())


@pytest.mark.parametrize(
    ("cells", "row", "message"),
    [
        (["1", "", "3"], 1, "a time"),
        (["1", "NaN", "3"], 1, "a time"),
        (["1", "NA", "3"], 1, "a number, as the other times are"),
        (["time", "1", "3"], 0, "a number, as the other times are"),
        (["1", "1_0", "3"], 1, "a number"),
        (["1", "inf", "3"], 1, "a number"),
        (["NA", "2024-01-01", "2024-01-02"], 0, "a date such as 2024-01-01, as other rows"),
        (["1", "2024-01-01"], 0, "a date such as 2024-01-01"),
        (["2024-01", "2024-02", "2024-03-01"], 2, "a date such as 2024-01, as other rows"),
        (["2024-02-29", "2023-02-29"], 1, "a day that is in the calendar"),
        (["30.02.2024"], 0, "a day that is in the calendar"),
        (["1949-13"], 0, "a day that is in the calendar"),
        (["x", "y"], 0, "a number or a date such as"),
        (["12:30"], 0, "a number or a date such as"),
        (["2024-05-31+02:00"], 0, "a number or a date such as"),
        (["2024-05-31x10:30"], 0, "a number or a date such as"),
        (["20240531-1030"], 0, "a number or a date such as"),
        (["2024-05-31 12:00 CET"], 0, "a number or a date such as"),
        (["2024-05-31T12:00Z", "2024-05-31T12:00+25:00"], 1, "an offset below 24 hours"),
        (["1/13/2024 2:05 PM"], 0, "a number or a date such as"),
        (["9" * 20], 0, "a whole number below"),
        (["2024-05-31T12:00+02:00", "2024-05-31T12:00Z", "2024-05-31T12:00"], 2, "with an offset"),
        (["20240531T1200", "20240531T1200Z", "20240601T1200"], 1, "without offset"),
        ([datetime(2024, 5, 31, tzinfo=UTC), datetime(2024, 6, 1)], 0, "without offset"),
        ([datetime(2024, 5, 31, tzinfo=UTC)] * 2 + [date(2024, 6, 1)], 2, "with an offset"),
        (["31/12/2024", "12/31/2024", "01/02/2024", "30/1/2024"], 1, "day and month in one order"),
        (["31.12.2024", "31/12/2024", "31.12.2025"], 1, "a date with '.' between its parts"),
        (["1500-01-01T00:00:00.000000001"], 0, "a year from 1678 to 2261"),
        ([None, "1"], 0, "a time"),
        (np.array([1.0, np.nan]), 1, "a time"),
        (np.array(["2024", "NaT"], "datetime64[ns]"), 1, "a time"),
        (np.array([2**63], np.uint64), 0, "a whole number below"),
    ],
)
def test_the_cell_that_is_wrong_is_blamed(cells, row, message):
    with pytest.raises(CellError, match=message) as error:
        read_times(cells, Form())
    assert error.value.row == row


@pytest.mark.parametrize(
    ("cell", "form", "time"),
    [
        ("03/04/2024", "%d/%m/%Y", "2024-04-03"),
        ("03/04/2024", "%m/%d/%Y", "2024-03-04"),
        ("03.04.2024 10:15", "%d.%m.%Y %H:%M", "2024-04-03T10:15"),
        ("3/4/24", "%d/%m/%y", "2024-04-03"),
        ("Jul-91", "%b-%y", "1991-07-01"),
        ("91-Jul", "%y-%b", "1991-07-01"),
        ("20240403", "%Y%m%d", "2024-04-03"),
        ("03.04.2024 10:15 +0200", "%d.%m.%Y %H:%M %z", "2024-04-03T08:15"),
    ],
)
def test_time_format(cell, form, time):
    assert read_times([cell], Form(time_format=form)).values[0] == np.datetime64(time)
    if cell != "20240403" and not cell.endswith("+0200"):
        with pytest.raises(CellError) as error:  # which of the days or years is it?
            read_times([cell], Form(of_command=True))
        assert "--time-format " in error.value.advice
    with pytest.raises(CellError, match=f"written as {form}"):
        read_times([cell, "x"], Form(time_format=form))
