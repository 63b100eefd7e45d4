"""Times of rows: whole numbers, numbers, and dates as files have them, each exactly."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np

from fastrnn.datasets.cells import is_missing, to_numbers
from fastrnn.inputs.stamps import (
    DATES,
    NUMBERS,
    StampType,
    as_given,
    from_wall,
    to_wall,
    zone_of_all,
)
from fastrnn.typing import AnyArray

_MONTHS = [
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
]
_OF_DAY = r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
_ISO = (
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
)
_NAME = r"([A-Za-z]{3,9})\.?"
YEARS = "a year from 2 to 9998, since times have a zone"
EXAMPLES = "2024-05-31, 2024-05-31T12:00, 1949-01, 1970 Q1 or 1991 Jul"


class CellError(ValueError):
    """A cell that is not as it should be: the number of its row, what was expected, advice."""

    def __init__(self, row, expected, advice=""):
        super().__init__(expected)
        self.row, self.expected, self.advice = row, expected, advice


@dataclass(frozen=True, eq=False)
class Times:
    """Times that rows have.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        int64 or float64 if they are numbers, else datetime64, whose unit is µs, or ns where µs
        would lose something. Of times with a zone they are the moments of UTC.
    zone : str or None
        Their zone; None if they have none.
    is_mixed : bool
        Whether their zone is UTC because they were written with several offsets.
    """

    values: AnyArray
    zone: str | None = None
    is_mixed: bool = False

    @property
    def type(self) -> StampType:
        """What they are, as a `StampType`."""
        if self.values.dtype.kind != "M":
            return StampType(NUMBERS, self.values.dtype.name)
        return StampType(DATES, np.datetime_data(self.values.dtype)[0], self.zone)

    @property
    def column(self) -> AnyArray:
        """An array that has the zone, too, as a column of a data frame."""
        if self.zone is None:
            return self.values
        fine = np.flatnonzero(self.values != self.values.astype("M8[us]"))
        if fine.size:  # Python's moments have none
            raise CellError(int(fine[0]), "a time without nanoseconds, since it has an offset")
        moments, places = np.unique(self.values, return_inverse=True)  # series often share them
        return as_given(moments, self.type, "")[places]


def read_times(cells, form, decimal="."):
    """Read `Times`; a `CellError` for the cell that is not as the others are."""
    times = _as_written(cells, form, decimal)
    if form.time_zone is not None:
        times = Times(_moments_in(times, form), form.time_zone)
    if times.zone is not None:
        _check_years(times.values)
    return times


def _check_years(values):
    """Refuse times of which another zone, or none of Python's, may be in another year."""
    years = values.astype("M8[Y]").astype(np.int64) + 1970
    wrong = np.flatnonzero((years < 2) | (years > 9998))
    if wrong.size:
        raise CellError(int(wrong[0]), YEARS)


def _moments_in(times, form):
    """The moments of UTC of times, which are dates of the zone that is given, if of no other."""
    values, zone = times.values, form.time_zone
    option = form.option("time_zone", zone)
    if values.dtype.kind != "M":
        raise CellError(0, f"a date, since there is {option}")
    if times.zone is not None:
        return values
    _check_years(values)
    moments = from_wall(values, zone)
    differ = np.flatnonzero(from_wall(values, zone, fold=1) != moments)
    if differ.size:
        row = int(differ[0])
        if to_wall(moments[row : row + 1], zone)[0] == values[row]:
            raise CellError(row, "a time with its offset", f", which clocks of {zone} show twice")
        raise CellError(row, f"a time that clocks of {zone} show")
    return moments


def _as_written(cells, form, decimal):
    """Read `Times` with the zone that they are written with, if any."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iufM":
        return Times(_of_array(cells))
    for row, cell in enumerate(cells):
        if is_missing(cell, form.na_values):
            raise CellError(row, "a time")
    if not all(isinstance(cell, str) for cell in cells):
        return _of_objects(cells)
    if form.time_format is not None:
        if "%Z" in form.time_format:  # which Python reads, and forgets
            raise CellError(0, "an offset, which %z reads, in place of the name of a zone, %Z")
        return _of_moments([_formatted(row, cell, form) for row, cell in enumerate(cells)])
    numbers = _numbers(cells, decimal)
    if numbers is not None:
        return Times(numbers)
    is_number = np.isfinite(to_numbers(cells, decimal))
    if 2 * is_number.sum() > len(cells):
        raise CellError(int(np.flatnonzero(~is_number)[0]), "a number, as the other times are")
    return _dates([cell.strip() for cell in cells], form)


def _of_array(array):
    kind = array.dtype.kind
    if kind == "u" and len(array) and array.max() > np.iinfo(np.int64).max:
        raise CellError(int(array.argmax()), f"a whole number below {2**63}")
    if kind in "iu":
        return array.astype(np.int64)
    wrong = np.isnat(array) if kind == "M" else ~np.isfinite(array)
    if wrong.any():
        raise CellError(int(np.flatnonzero(wrong)[0]), "a time")
    return array.astype(np.float64) if kind == "f" else _shortest(array)


def _of_objects(cells):
    """Times of files that have types, one of them missing or not of the others' type."""
    for row, cell in enumerate(cells):
        if not isinstance(cell, date):
            raise CellError(row, f"a number or a date such as {EXAMPLES}")
    return _of_moments(cells)


def _of_moments(moments):
    """Times that Python has: dates and moments, with a zone or without."""
    zones = [moment.tzinfo if isinstance(moment, datetime) else None for moment in moments]
    if not _have_offsets([zone is not None for zone in zones]):
        return Times(np.array([np.datetime64(moment, "us") for moment in moments], "M8[us]"))
    for row, moment in enumerate(moments):
        if not 2 <= moment.year <= 9998:
            raise CellError(row, YEARS)
    utc = [moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    return Times(np.array(utc, "M8[us]"), *_zone_of_all(zones))


def _zone_of_all(zones):
    """The zone of times, and whether it stands for several."""
    zones = set(zones)
    return zone_of_all(zones), len({zone_of_all([zone]) for zone in zones}) > 1


def _have_offsets(has_offset):
    """Tell whether all times of a column have an offset; if not, check that none has."""
    n_naive = has_offset.count(False)
    if 0 < n_naive < len(has_offset):
        wants = 2 * n_naive < len(has_offset)
        what = "with an offset such as +02:00" if wants else "without offset"
        raise CellError(has_offset.index(not wants), f"a time {what}, as the other times are")
    return not n_naive


def _numbers(cells, decimal):
    """Return cells as int64 if all are whole numbers, else as float64; None if one is none."""
    if any("_" in cell for cell in cells):  # Python would take it
        return None
    try:
        return np.fromiter(map(int, cells), np.int64, len(cells))
    except OverflowError:
        row = next(row for row, cell in enumerate(cells) if not -(2**63) <= int(cell) < 2**63)
        raise CellError(row, f"a whole number below {2**63}") from None
    except ValueError:
        numbers = to_numbers(cells, decimal)
        return numbers if np.isfinite(numbers).all() else None


def _formatted(row, cell, form):
    try:
        return datetime.strptime(cell.strip(), form.time_format)
    except ValueError:
        raise CellError(row, f"a time written as {form.time_format}") from None


def _dates(cells, form):
    """Read dates, all in the way in which most of them are written."""
    best, matches = None, []
    for way in _WAYS:
        found = [way.match(cell) for cell in cells]
        if len(cells) - found.count(None) > len(matches) - matches.count(None):
            best, matches = way, found
        if best is not None and None not in matches:
            break
    if best is None:
        row = next(row for row, cell in enumerate(cells) if not np.isfinite(to_numbers([cell])[0]))
        how = f"; {form.option('time_format')} says how others are written"
        raise CellError(row, f"a number or a date such as {EXAMPLES}", how)
    if None in matches:
        row = matches.index(None)
        like = cells[next(i for i, match in enumerate(matches) if match is not None)]
        raise CellError(row, f"a number or a date such as {like}, as other rows have it")
    return best.read(matches, form)


class _Way:
    """A way to write dates: a pattern, and what makes the year, month and day of a match.

    Four groups for the time of the day may follow those for the date.
    """

    def __init__(self, pattern, take, n_groups, has_time=False):
        self._pattern = re.compile(pattern + (_OF_DAY if has_time else ""))
        self._take, self._n_groups = take, n_groups

    def match(self, cell):
        """Match a cell; None if it is written otherwise."""
        match = self._pattern.fullmatch(cell)
        return match if match is None or self._take(*match.groups()[: self._n_groups]) else None

    def read(self, matches, form):
        """Return the times of matches."""
        texts = []
        for match in matches:
            year, month, day = self._take(*match.groups()[: self._n_groups])
            texts.append(f"{int(year):04}-{int(month):02}-{int(day):02}{_of_day(match, self)}")
        return Times(_as_moments(texts))

    @property
    def n_groups(self):
        """Number of groups before those of the time of the day."""
        return self._n_groups


def _of_day(match, way):
    hour, minute, second, fraction = [*match.groups()[way.n_groups :], None, None, None, None][:4]
    if hour is None:
        return ""
    return f"T{int(hour):02}:{minute}:{second or '00'}" + (f".{fraction}" if fraction else "")


class _Iso(_Way):
    """Days or moments as in ISO 8601, perhaps with an offset."""

    def __init__(self):
        super().__init__(_ISO, lambda *ymd: ymd, 3)

    def read(self, matches, form):
        offsets = [match[8] for match in matches]
        has_zone = _have_offsets([offset is not None for offset in offsets])
        moments = _as_moments(
            ["-".join(match.group(1, 2, 3)) + _of_day(match, self) for match in matches]
        )
        if not has_zone:
            return Times(moments)
        minutes = {offset: _minutes(offset) for offset in set(offsets)}
        wrong = [row for row, offset in enumerate(offsets) if abs(minutes[offset]) >= 24 * 60]
        if wrong:
            raise CellError(wrong[0], "an offset below 24 hours")
        moments = moments - np.array([minutes[offset] for offset in offsets], "timedelta64[m]")
        zones = [timezone(timedelta(minutes=n)) for n in minutes.values()]
        return Times(moments, *_zone_of_all(zones))


class _OtherIso(_Way):
    """What else ISO 8601 allows and Python reads, such as 20240531T1200."""

    def __init__(self):
        day = r"\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d(?:-?\d)?"
        super().__init__(rf"(?:{day})(?:[T ](?!.*[.,]\d{{7}}).*)?", None, 0)  # it would cut digits

    def match(self, cell):
        if not self._pattern.fullmatch(cell):  # Python would take any sign before the hours
            return None
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            return None

    def read(self, matches, form):
        return _of_moments(matches)


class _DayOrMonthFirst(_Way):
    """Days as in 31/12/2024 or 12/31/2024: which it is has to be seen in one of them."""

    def __init__(self):
        super().__init__(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", lambda *groups: groups, 4, True)

    def read(self, matches, form):
        signs = [match[2] for match in matches]
        if len(set(signs)) > 1:
            usual = max(set(signs), key=signs.count)
            row = next(row for row, sign in enumerate(signs) if sign != usual)
            raise CellError(row, f"a date with {usual!r} between its parts, as the others have")
        first = [int(match[1]) for match in matches]
        second = [int(match[3]) for match in matches]
        is_day = [[row for row, n in enumerate(part) if n > 12] for part in (first, second)]
        if all(is_day):
            fewer = min(is_day, key=len)
            raise CellError(fewer[0], "day and month in one order in all rows")
        if not any(is_day):
            sign = matches[0][2]
            end = (
                "" if matches[0][5] is None else " %H:%M" if matches[0][7] is None else " %H:%M:%S"
            )
            ways = [sign.join(way) + end for way in (("%d", "%m", "%Y"), ("%m", "%d", "%Y"))]
            day_first, month_first = (form.option("time_format", way) for way in ways)
            what = "a date that says which number is the day"
            raise CellError(0, what, f"; give {day_first} or {month_first}")
        texts = []
        for match, a, b in zip(matches, first, second, strict=True):
            day, month = (a, b) if is_day[0] else (b, a)
            texts.append(f"{match[4]}-{month:02}-{day:02}{_of_day(match, self)}")
        return Times(_as_moments(texts))


class _Ambiguous(_Way):
    """What cannot be read without being told how."""

    def __init__(self, pattern, what, example):
        super().__init__(pattern, lambda *groups: True, 1)
        self._what, self._example = what, example

    def read(self, matches, form):
        example = form.option("time_format", self._example)
        raise CellError(0, self._what, f"; say how it is written, as in {example}")


def _minutes(offset):
    if offset in ("Z", "z", "UTC"):
        return 0
    digits = offset[1:].replace(":", "")
    minutes = 60 * int(digits[:2]) + int(digits[2:] or 0)
    return -minutes if offset[0] == "-" else minutes


def _month(name):
    """Return the number of a month by its English name or the beginning of it; None if none."""
    name = name.lower()
    found = [k for k, month in enumerate(_MONTHS, 1) if month.startswith(name)]
    return 9 if name == "sept" else found[0] if found else None


def _named(year, name, day=1):
    month = _month(name)
    return None if month is None else (year, month, day)


def _week(year, week):
    if not 1 <= int(week) <= 53:
        return None
    try:
        monday = date.fromisocalendar(int(year), int(week), 1)
    except ValueError:
        return None
    return monday.year, monday.month, monday.day


_WAYS = [
    _Iso(),
    _Way(r"(\d{4})(?:[-/]|\s?[Mm])(\d{1,2})", lambda year, month: (year, month, 1), 2),
    _Way(r"(\d{1,2})[-/](\d{4})", lambda month, year: (year, month, 1), 2),
    _Way(r"(\d{4})[-\s/]?[Qq]([1-4])", lambda year, q: (year, 3 * int(q) - 2, 1), 2),
    _Way(r"[Qq]([1-4])[-\s/]?(\d{4})", lambda q, year: (year, 3 * int(q) - 2, 1), 2),
    _Way(r"(\d{4})[-\s/]*" + _NAME, _named, 2),
    _Way(_NAME + r"[-\s/,]*(\d{4})", lambda name, year: _named(year, name), 2),
    _Way(r"(\d{4})[-\s]?[Ww](\d{1,2})", _week, 2),
    _Way(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})", lambda y, _, m, d: (y, m, d), 4, True),
    _DayOrMonthFirst(),
    _Way(
        rf"(\d{{1,2}})[-\s/.]*{_NAME},?[-\s/]*(\d{{4}})",
        lambda day, name, year: _named(year, name, day), 3, True,
    ),
    _Way(
        rf"{_NAME}\s+(\d{{1,2}}),?\s+(\d{{4}})",
        lambda name, day, year: _named(year, name, day), 3, True,
    ),
    # Sales as they circulate count the years: 1-01 to 3-12.
    _Way(r"([1-9]\d{0,2})-(\d{2})", lambda year, month: (year, month, 1), 2),
    _OtherIso(),
    _Ambiguous(
        r"\d{1,2}([/.-])\d{1,2}\1\d{2}(?!\d).*", "a date with a year of four digits", "%d.%m.%y"
    ),
    _Ambiguous(r"([A-Za-z]{3,9})[-\s/'\u2019]\d{2}", "a month with a year of four digits", "%b-%y"),
    _Ambiguous(r"\d{2}[-\s/]([A-Za-z]{3,9})", "a month with a year of four digits", "%y-%b"),
]  # fmt: skip


def _as_moments(texts):
    """Return dates, written as numpy reads them, as datetime64."""
    unit = "us"
    if any(len(text.rpartition(".")[2]) > 6 and "." in text for text in texts):
        unit = "ns"
        for row, text in enumerate(texts):
            if not 1678 <= int(text[:4]) < 2262:
                raise CellError(row, "a year from 1678 to 2261, since times have nanoseconds")
    try:
        return _shortest(np.array(texts, f"datetime64[{unit}]"))
    except ValueError:
        for row, text in enumerate(texts):
            try:
                np.datetime64(text, unit)
            except ValueError:
                raise CellError(row, "a day that is in the calendar") from None
        raise


def _shortest(moments):
    """Return moments in µs, or in ns if they have some that µs have not."""
    unit = np.datetime_data(moments.dtype)
    if unit[0] != "ns":
        return moments.astype("datetime64[us]")
    in_us = moments.astype("datetime64[us]")
    return in_us if (in_us.astype(moments.dtype) == moments).all() else moments
