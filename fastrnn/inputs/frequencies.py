"""What users call the spacing of a series: words, the aliases of pandas, numbers, durations.

Aliases are read as text, also those of the offsets of pandas, without pandas.
"""

import re
from datetime import timedelta
from numbers import Integral, Real

import numpy as np

from fastrnn.inputs.frames import library_of
from fastrnn.inputs.spacing import DAY, DAY_LENGTH, MONTH, NUMBER, TIME, WEEKDAY, WORKDAYS, Spacing

ROWS = "rows"
"""The frequency of those who do not ask what time stamps mean: each row is a step."""

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
_TIMES = {
    "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1,
    "hour": 3600 * 10**9, "minute": 60 * 10**9, "second": 10**9,
    "H": 3600 * 10**9, "T": 60 * 10**9, "S": 10**9, "L": 10**6, "U": 10**3, "N": 1,
    "m": 60 * 10**9,
}  # fmt: skip
_DAYS = {"D": 1, "d": 1, "day": 1, "week": 7, "w": 7}
_PERIODS = {"M": 1, "Q": 3, "Y": 12, "A": 12}
_IN_MONTHS = {"month": 1, "mo": 1, "quarter": 3, "q": 3, "year": 12, "y": 12}
_CALENDAR = re.compile(r"(B?)([MQYA])(S|E|)(?:-([A-Z]{3}))?")
_ALIAS = re.compile(r"(?:(\d+)\s*)?([A-Za-z]+(?:-[A-Z]{3})?)")
_KEYWORDS = {
    "years": "Y", "months": "M", "weeks": "W", "days": "D", "hours": "h", "minutes": "min",
    "seconds": "s",
}  # fmt: skip
EXPECTED = (
    "None, a number, a duration, 'rows', an offset of pandas, or an alias such as 'D', 'B', 'W', "
    "'MS', 'ME', 'QS', 'YE', 'h', '15min'"
)


def read_frequency(freq):
    """The `Spacing` that a frequency stands for, `ROWS`, or None; a ValueError if it is none."""
    if freq is None or (isinstance(freq, str) and freq == ROWS):
        return freq
    if isinstance(freq, np.timedelta64 | timedelta):
        return _read_duration(freq)
    if isinstance(freq, bool | np.bool_):
        raise _refusal(freq)
    if isinstance(freq, Real):
        if not 0 < freq < np.inf:
            raise ValueError(f"freq must be above 0, got {freq!r}")
        return Spacing(NUMBER, int(freq) if isinstance(freq, Integral) else float(freq))
    if isinstance(freq, str):
        return _read_alias(freq, freq)
    return _read_alias(_alias_of(freq), freq)


def is_frequency(freq):
    """Whether something is a frequency."""
    try:
        read_frequency(freq)
    except (TypeError, ValueError):
        return False
    return True


def plain_frequency(freq):
    """A frequency as a file may have it: None, a number or an alias."""
    if isinstance(freq, np.timedelta64 | timedelta):
        spacing = _read_duration(freq)
        if spacing.unit == TIME:
            return f"{spacing.step}ns"
        return f"{spacing.step}{'D' if spacing.unit == DAY else 'M'}"
    if freq is None or isinstance(freq, str | Real):
        return freq
    return _alias_of(freq)


def _alias_of(offset):
    """The alias of an offset of pandas."""
    if library_of(offset) != "pandas":
        raise _refusal(offset)
    if type(offset).__name__ == "DateOffset":
        if len(offset.kwds) != 1 or not offset.kwds.keys() <= _KEYWORDS.keys():
            raise _refusal(offset)
        ((word, n),) = offset.kwds.items()
        return f"{offset.n * n}{_KEYWORDS[word]}"
    alias = offset.freqstr
    if alias.lstrip("0123456789") != "C":
        return alias
    if len(offset.holidays):
        raise ValueError(
            f"freq is {offset!r}, which has holidays: give the days of the week alone, and "
            "missing='mask' for the holidays"
        )
    return f"{offset.n} days of {offset.weekmask}"


def _read_duration(freq):
    if isinstance(freq, np.timedelta64):
        unit, n = np.datetime_data(freq.dtype)
        if unit in "YM" and not np.isnat(freq):
            months = int(freq.astype(np.int64)) * n * (12 if unit == "Y" else 1)
            return _positive(Spacing(MONTH, months), freq)
    length = np.timedelta64(freq).astype("m8[ns]")
    return _positive(_of_time(int(length.astype(np.int64))), freq)


def _of_time(nanoseconds):
    days, rest = divmod(nanoseconds, DAY_LENGTH)
    return Spacing(TIME, nanoseconds) if rest or not days else Spacing(DAY, days)


def _positive(spacing, freq):
    if spacing.step < 1:
        raise ValueError(f"freq must be above 0, got {freq!r}")
    return spacing


def _read_alias(alias, freq):
    if " days of " in alias:
        return _read_weekmask(alias, freq)
    parts = [match for match in _ALIAS.finditer(alias)]
    if "".join(match[0] for match in parts) != alias.strip() or not parts:
        raise _refusal(freq)
    spacings = [_spacing_of(match[2], int(match[1] or 1), freq) for match in parts]
    if len(spacings) == 1:
        return spacings[0]
    if not {spacing.unit for spacing in spacings} <= {TIME, DAY}:
        raise _refusal(freq)
    return _of_time(
        sum(spacing.step * (DAY_LENGTH if spacing.unit == DAY else 1) for spacing in spacings)
    )


def _spacing_of(word, n, freq):
    """The spacing of a word, with an anchor or not, n times."""
    word = (
        word.removesuffix("s")
        if word.removesuffix("s") in (*_IN_MONTHS, *_DAYS, "hour", "minute", "second")
        else word
    )
    if word in _TIMES:
        return _positive(Spacing(TIME, n * _TIMES[word]), freq)  # 24 hours are no day everywhere
    if word in _DAYS:
        return _positive(Spacing(DAY, n * _DAYS[word]), freq)
    if word in _IN_MONTHS:
        return _positive(Spacing(MONTH, n * _IN_MONTHS[word]), freq)
    name, _, anchor = word.partition("-")
    if name == "W" and (not anchor or anchor in _WEEKDAYS):
        weekday = _WEEKDAYS.index(anchor) if anchor else None
        return _positive(Spacing(DAY, 7 * n, anchor=weekday), freq)
    if word == "B":
        return _positive(Spacing(WEEKDAY, n, weekmask=WORKDAYS), freq)
    calendar = _CALENDAR.fullmatch(word)
    if calendar is None or (calendar[1] and not (calendar[3] or calendar[2] == "M")):
        raise _refusal(freq)
    business, unit, edge, anchor = calendar.groups()
    if anchor and (unit == "M" or anchor not in _MONTHS):
        raise _refusal(freq)
    roll = None
    if business:
        roll = "forward" if edge == "S" else "backward"
    day = {"S": 1, "E": 31, "": 31 if business else None}[edge]
    month = None
    if anchor:  # a quarter that ends in March has one that does in June
        month = _MONTHS.index(anchor)
        if edge == "" and not business:
            month = None  # a period is named after its end, and its stamp may be anywhere in it
    return _positive(Spacing(MONTH, n * _PERIODS[unit], day, roll, anchor=month), freq)


def _read_weekmask(alias, freq):
    n, _, days = alias.partition(" days of ")
    if set(days) <= set("01") and len(days) == 7:
        weekmask = days
    else:
        names = days.upper().split()
        if not names or set(names) - set(_WEEKDAYS):
            raise _refusal(freq)
        weekmask = "".join("1" if name in names else "0" for name in _WEEKDAYS)
    if not n.isdecimal() or "1" not in weekmask:
        raise _refusal(freq)
    return _positive(Spacing(WEEKDAY, int(n), weekmask=weekmask), freq)


def _refusal(freq):
    return ValueError(f"freq is {freq!r}, expected {EXPECTED}")
