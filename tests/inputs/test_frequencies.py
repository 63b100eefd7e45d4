"""What users call the distance of time stamps, and the stamps that it gives."""

import datetime

import numpy as np
import pytest

from fastrnn.inputs.frequencies import plain_frequency, read_frequency
from fastrnn.inputs.spacing import DAY, MONTH, NUMBER, TIME, WEEKDAY, Spacing, learn_spacings

HOUR = 3600 * 10**9
KNOWN = {
    "D": Spacing(DAY, 1),
    "3D": Spacing(DAY, 3),
    "day": Spacing(DAY, 1),
    "2 days": Spacing(DAY, 2),
    "W": Spacing(DAY, 7),
    "2W": Spacing(DAY, 14),
    "week": Spacing(DAY, 7),
    "W-WED": Spacing(DAY, 7, anchor=2),
    "B": Spacing(WEEKDAY, 1, weekmask="1111100"),
    "1 days of Mon Wed": Spacing(WEEKDAY, 1, weekmask="1010000"),
    "M": Spacing(MONTH, 1),
    "month": Spacing(MONTH, 1),
    "MS": Spacing(MONTH, 1, 1),
    "ME": Spacing(MONTH, 1, 31),
    "2MS": Spacing(MONTH, 2, 1),
    "BMS": Spacing(MONTH, 1, 1, "forward"),
    "BME": Spacing(MONTH, 1, 31, "backward"),
    "Q": Spacing(MONTH, 3),
    "QS": Spacing(MONTH, 3, 1),
    "QS-OCT": Spacing(MONTH, 3, 1, anchor=9),
    "QE-MAR": Spacing(MONTH, 3, 31, anchor=2),
    "BQE": Spacing(MONTH, 3, 31, "backward"),
    "YS": Spacing(MONTH, 12, 1),
    "YE-JUN": Spacing(MONTH, 12, 31, anchor=5),
    "A-DEC": Spacing(MONTH, 12),
    "year": Spacing(MONTH, 12),
    "quarter": Spacing(MONTH, 3),
    "h": Spacing(TIME, HOUR),
    "H": Spacing(TIME, HOUR),
    "15min": Spacing(TIME, HOUR // 4),
    "15T": Spacing(TIME, HOUR // 4),
    "1h30min": Spacing(TIME, 3 * HOUR // 2),
    "24h": Spacing(TIME, 24 * HOUR),
    "1D12h": Spacing(TIME, 36 * HOUR),
    "s": Spacing(TIME, 10**9),
    "500ms": Spacing(TIME, 5 * 10**8),
    "7us": Spacing(TIME, 7000),
    "ns": Spacing(TIME, 1),
    7: Spacing(NUMBER, 7),
    0.5: Spacing(NUMBER, 0.5),
    np.int64(2): Spacing(NUMBER, 2),
    np.timedelta64(21, "D"): Spacing(DAY, 21),  # 7 days are the same key as 7 in NumPy 1
    np.timedelta64(3, "M"): Spacing(MONTH, 3),
    np.timedelta64(1, "Y"): Spacing(MONTH, 12),
    datetime.timedelta(minutes=5): Spacing(TIME, HOUR // 12),
}


@pytest.mark.parametrize("freq", KNOWN, ids=repr)
def test_known(freq):
    assert read_frequency(freq) == KNOWN[freq]
    assert read_frequency(plain_frequency(freq)) == KNOWN[freq]


UNKNOWN = [
    *("", "x", "0D", "D D", "W-FOO", "MS-JAN", "QS-FOO", "BQ", "1M1D", "SME", "-1D", "1.5h"),
    *("1 days of", "x days of Mon", "0 days of Mon", 0, -1, np.nan, np.inf, True, [1], object()),
    *(np.timedelta64("NaT", "s"), np.timedelta64(0, "s"), datetime.timedelta(-1)),
]


@pytest.mark.parametrize("freq", UNKNOWN, ids=lambda freq: repr(freq).split(" at ")[0])
def test_unknown(freq):
    with pytest.raises(ValueError, match="freq"):
        read_frequency(freq)


OFFSETS = {
    "Day(2)": "2D",
    "Week(weekday=0)": "W-MON",
    "MonthEnd()": "ME",
    "QuarterBegin(startingMonth=1)": "QS-JAN",
    "YearEnd(month=3)": "YE-MAR",
    "BDay()": "B",
    "BMonthEnd()": "BME",
    "Minute(15)": "15min",
    "CustomBusinessDay(weekmask='Sun Mon Tue')": "1 days of Sun Mon Tue",
    "DateOffset(months=2)": "2M",
    "DateOffset(days=3)": "3D",
}


@pytest.mark.parametrize("offset", OFFSETS)
def test_offsets_of_pandas(offset):
    pandas = pytest.importorskip("pandas")
    given = eval(f"offsets.{offset}", {"offsets": pandas.offsets})
    assert read_frequency(given) == read_frequency(OFFSETS[offset])
    assert read_frequency(plain_frequency(given)) == read_frequency(OFFSETS[offset])


@pytest.mark.parametrize(
    "offset",
    [
        "SemiMonthEnd()",
        "CustomBusinessDay(holidays=['2024-01-01'])",
        "BusinessHour()",
        "LastWeekOfMonth()",
    ],
)
def test_offsets_that_are_not_known(offset):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="freq is"):
        read_frequency(eval(f"offsets.{offset}", {"offsets": pandas.offsets}))


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (["2024-06-30", "2024-09-30"], Spacing(MONTH, 3, 31)),
        (["2023-02-28", "2025-02-28"], Spacing(MONTH, 24, 31)),
        (["2024-06-29", "2024-07-29"], Spacing(MONTH, 1, 29)),
        (["2024-01-01", "2024-01-31"], Spacing(DAY, 30)),
        (["2024-02-01", "2024-02-29"], Spacing(DAY, 28)),
        (["2024-01-01", "2024-01-02"], Spacing(DAY, 1)),
        (["2024-01-01", "2024-01-01T12:00"], Spacing(TIME, 12 * HOUR)),
        (["2024-01-01"], None),
    ],
)
def test_two_stamps_are_enough(stamps, expected):
    stamps = np.array(stamps, "M8[us]")
    assert learn_spacings(stamps, np.array([0, len(stamps)])) == [expected]


@pytest.mark.parametrize(
    ("freq", "origin", "stamps"),
    [
        ("ME", "2023-12-31", ["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"]),
        ("BME", "2024-02-29", ["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"]),
        ("B", "2024-03-01T08:00", ["2024-02-29T08:00", "2024-03-01T08:00",
                                    "2024-03-04T08:00", "2024-03-05T08:00"]),
        ("YE", "2023-02-28", ["2022-02-28", "2023-02-28", "2024-02-29", "2025-02-28"]),
        ("1h30min", "1969-12-31T23:00", ["1969-12-31T21:30", "1969-12-31T23:00",
                                          "1970-01-01T00:30", "1970-01-01T02:00"]),
        ("D", "2024-01-01T12:34:56.789", ["2023-12-31T12:34:56.789", "2024-01-01T12:34:56.789",
                                          "2024-01-02T12:34:56.789", "2024-01-03T12:34:56.789"]),
    ],
)  # fmt: skip
def test_places_and_stamps(freq, origin, stamps):
    spacing, origin = read_frequency(freq), np.datetime64(origin, "us")
    stamps = np.array(stamps, "M8[us]")
    assert spacing.stamps(origin, np.arange(-1, 3)).tolist() == stamps.tolist()
    places, there = spacing.places(stamps, origin)
    assert places.tolist() == [-1, 0, 1, 2] and there.all()
    beside = stamps + np.timedelta64(1, "us")
    assert not spacing.places(beside, origin)[1].any()
