"""What dates say of steps: phases of cycles at their corners, and holidays in every form."""

import datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.files.codec import Place
from fastrnn.files.values import ModelFileError
from fastrnn.inputs.calendar_features import (
    CALENDAR_FEATURES,
    CYCLES,
    CalendarFeatures,
    plain_holidays,
    read_holidays,
)

DAY = datetime.date(2024, 12, 25)
WEST = datetime.timezone(datetime.timedelta(hours=-9))


def stamps(*texts):
    """Return moments as series have them."""
    return np.array(texts, "M8[us]")


# A cycle, a moment and where it is in the cycle.
PHASES = [
    ("minute", "2024-05-31T12:15", 1 / 4),
    ("minute", "2024-05-31T12:59:59.999999", 1 - 1 / 3.6e9),
    ("hour", "2024-05-31T00:00", 0),
    ("hour", "2024-05-31T18:45", 18.75 / 24),
    ("hour", "1969-12-31T18:00", 3 / 4),
    ("weekday", "2024-01-01T23:00", 0),  # a Monday
    ("weekday", "2024-02-29", 3 / 7),
    ("weekday", "1969-12-28", 6 / 7),
    ("day", "2023-02-28", 27 / 28),
    ("day", "2024-02-28", 27 / 29),
    ("day", "2024-02-29", 28 / 29),
    ("day", "2024-12-31", 30 / 31),
    ("day_of_year", "2023-12-31", 364 / 365),
    ("day_of_year", "2024-12-31", 365 / 366),
    ("day_of_year", "2024-02-29", 59 / 366),
    ("day_of_year", "1900-03-01", 59 / 365),  # no leap year
    ("month", "2024-01-31", 0),
    ("month", "1968-12-01", 11 / 12),
    ("quarter", "2024-03-31T23:59", 0),
    ("quarter", "2024-04-01", 1 / 4),
    ("quarter", "2024-12-31", 3 / 4),
]


class TestCycles:
    @pytest.mark.parametrize(("cycle", "moment", "phase"), PHASES)
    def test_phases(self, cycle, moment, phase):
        features = CalendarFeatures.of([cycle], None)
        assert features.names == (f"{cycle}_sin", f"{cycle}_cos")
        angle = 2 * np.pi * phase
        expected = [[np.sin(angle), np.cos(angle)]]
        assert_allclose(features.columns(stamps(moment), None), expected, atol=1e-12)

    def test_all_are_tested(self):
        assert {cycle for cycle, *_ in PHASES} == set(CYCLES)

    def test_order_is_that_given(self):
        both = CalendarFeatures.of(["month", "hour"], [DAY]).columns(stamps("2024-12-25T06"), None)
        month, hour = (
            CalendarFeatures.of([cycle], None).columns(stamps("2024-12-25T06"), None)
            for cycle in ("month", "hour")
        )
        assert_array_equal(both, np.hstack([month, hour, [[1]]]))

    def test_clocks_on_the_wall(self):
        # The clocks of Berlin were moved at 01:00 UTC, from 02:00 to 03:00.
        moments = stamps("2024-03-30T23:00", "2024-03-31T00:00", "2024-03-31T01:00")
        features = CalendarFeatures.of(["hour", "weekday"], ["2024-03-31"])
        wall = stamps("2024-03-31T00:00", "2024-03-31T01:00", "2024-03-31T03:00")
        assert_array_equal(features.columns(moments, "Europe/Berlin"), features.columns(wall, None))
        assert features.columns(moments, "UTC")[0, -1] == 0

    def test_nanoseconds(self):
        moment = np.array(["2024-05-31T12:00:00.000000500"], "M8[ns]")
        columns = CalendarFeatures.of(["minute"], None).columns(moment, None)
        assert_allclose(columns[0, 0], 2 * np.pi * 500e-9 / 3600, rtol=1e-6)

    def test_nothing_is_none(self):
        assert CalendarFeatures.of(None, None) is None
        assert CalendarFeatures.of((), None) is None


class TestHolidays:
    @pytest.mark.parametrize(
        "given",
        [
            ["2024-12-25", "2024-12-25"],
            (DAY,),
            "2024-12-25",
            DAY,
            np.datetime64("2024-12-25T12"),
            [datetime.datetime(2024, 12, 25, 23, tzinfo=WEST)],
            np.array(["2024-12-25T06"], "M8[ns]"),
            {DAY: "Christmas Day"},  # as the package holidays has them
            {"2024-12-25": "Christmas Day"},
        ],
    )
    def test_days(self, given):
        assert read_holidays(given) == (("holiday", ("2024-12-25",)),)

    def test_of_pandas(self):
        pandas = pytest.importorskip("pandas")
        index = pandas.DatetimeIndex(["2024-12-25", "2024-01-01"], tz="Asia/Tokyo")
        expected = (("holiday", ("2024-01-01", "2024-12-25")),)
        assert read_holidays(index) == read_holidays(pandas.Series(index)) == expected
        with pytest.raises(ValueError, match="NaT"):
            read_holidays([pandas.NaT])

    def test_by_name(self):
        features = CalendarFeatures.of(None, {"feast": [DAY, "2024-12-26"], "sale": "2024-12-27"})
        assert features.names == ("feast", "sale")
        days = stamps("2024-12-24T23:59", "2024-12-25T23:59", "2024-12-26", "2024-12-27")
        expected = [[0, 0], [1, 0], [1, 0], [0, 1]]
        assert_array_equal(features.columns(days, None), expected)

    def test_plain(self):
        assert plain_holidays(None) is None
        plain = plain_holidays([DAY, "2024-01-01"])
        assert plain == ("2024-01-01", "2024-12-25")
        named = plain_holidays({"feast": [DAY]})
        assert named == {"feast": ("2024-12-25",)}
        assert read_holidays(named) == (("feast", ("2024-12-25",)),)


class TestInFiles:
    def test_there_and_back(self):
        features = CalendarFeatures.of(["day", "hour"], {"feast": [DAY], "sale": ["2024-12-27"]})
        record = CALENDAR_FEATURES.write(features, Place("x"))
        assert CALENDAR_FEATURES.read(record, Place("x")) == features

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ({"cycles": [], "holidays": []}, "no features of dates"),
            ({"cycles": ["day", "day"], "holidays": []}, "comes twice"),
            ({"cycles": ["week"], "holidays": []}, "expected one of"),
            ({"cycles": [], "holidays": [{"name": "a", "days": ["2024-02-30"]}]}, "day"),
            ({"cycles": [], "holidays": [{"name": "a", "days": []}] * 2}, "the same name"),
        ],
    )
    def test_damage(self, record, message):
        with pytest.raises(ModelFileError, match=message):
            CALENDAR_FEATURES.read(record, Place("x"))
