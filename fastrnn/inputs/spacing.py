"""How far apart the steps of a series are: the one place that knows calendars.

A `Spacing` numbers the steps from any of them, and gives their time stamps. Numbers and times
shorter than a day are counted as they are, times with a zone in UTC. Days, weeks and months are
counted by the clock on the wall: a day may then have 23 or 25 hours. A month has its days from 1
to 31, of which a short month has the last one instead, so the end of the month is day 31.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.files.codec import Number, Optional, Record, Text, Whole
from fastrnn.inputs.stamps import from_wall, to_wall

NUMBER, TIME, DAY, WEEKDAY, MONTH = "number", "time", "day", "weekday", "month"
DAY_LENGTH = 86_400 * 10**9
ALL_DAYS, WORKDAYS = "1111111", "1111100"
_NEAR = 1e-3  # of a step: how far a time stamp that is no whole number may be from its place


@dataclass(frozen=True)
class Spacing:
    """The distance of one step from the next.

    Attributes
    ----------
    unit : {"number", "time", "day", "weekday", "month"}
        What is counted: numbers, nanoseconds, days, those days of `weekmask`, or months.
    step : int or float
        How many of them.
    day : int or None
        Of months the day from 1 to 31; None while it is not known.
    roll : {"forward", "backward"} or None
        Of months, whether a day at the weekend is the next or the last day before that is none.
    weekmask : str
        The days from Monday to Sunday that count, such as "1111100".
    anchor : int or None
        A weekday, 0 to 6, or a month, 0 to 11, on which a step is to fall; None for any.
    """

    unit: str
    step: int | float
    day: int | None = None
    roll: str | None = None
    weekmask: str = ALL_DAYS
    anchor: int | None = None

    @property
    def counts_numbers(self):
        """Whether it is one of numbers, else of dates."""
        return self.unit == NUMBER

    def stamps(self, origin, places, zone=None):
        """The time stamps of steps, by their places (n,) after the step of one, `origin`."""
        places = np.asarray(places)
        if self.unit == NUMBER:
            return origin + places * self.step
        if self.unit == TIME:
            return origin + (places * self.step).astype("m8[ns]").astype(_unit_of(origin, self))
        (wall,) = to_wall(np.array([origin]), zone)
        return from_wall(self._on_wall(wall, places), zone)

    def _on_wall(self, origin, places):
        date = origin.astype("M8[D]")
        time = origin - date
        if self.unit == DAY:
            return date + (places * self.step).astype("m8[D]") + time
        if self.unit == WEEKDAY:
            # A day that does not count has no place; the next one then has.
            dates = np.busday_offset(date, places * self.step, "forward", weekmask=self.weekmask)
            return dates + time
        months = origin.astype("M8[M]") + (places * self.step).astype("m8[M]")
        dates = _day_of(months, self.day)
        if self.roll is not None:
            dates = np.busday_offset(dates, 0, self.roll, weekmask=WORKDAYS)
        return dates + time

    def places(self, stamps, origin, zone=None):
        """The place (n,) of each time stamp after `origin`, and whether it is just there."""
        if self.unit == NUMBER:
            exact = (stamps - origin) / self.step
            places = np.rint(exact).astype(np.int64)
            if isinstance(self.step, int) and stamps.dtype.kind == "i":
                return places, (stamps - origin) == places * self.step
            return places, np.abs(exact - places) <= _NEAR
        if self.unit == TIME:
            distance = (stamps - origin).astype("m8[ns]").astype(np.int64)
            places = distance // self.step
        else:
            wall, first = to_wall(np.append(stamps, origin), zone), None
            wall, first = wall[:-1], wall[-1]
            places = self._count(wall, first) // self.step
        return places, self.stamps(origin, places, zone) == stamps

    def _count(self, wall, first):
        """Days, weekdays or months since another time."""
        if self.unit == MONTH:
            return (wall.astype("M8[M]") - first.astype("M8[M]")).astype(np.int64)
        if self.unit == WEEKDAY:
            return np.busday_count(
                first.astype("M8[D]"), wall.astype("M8[D]"), weekmask=self.weekmask
            )
        # Where clocks skip the time of a step, its hour is another.
        return np.rint((wall - first) / np.timedelta64(1, "D")).astype(np.int64)

    def fix(self, stamps, zone=None):
        """The spacing with the day of the month that some time stamps have, if that is open."""
        if self.unit != MONTH or self.day is not None:
            return self
        return replace(self, day=_day_of_month(to_wall(stamps, zone))[0])

    def loosen(self):
        """The spacing for other series, whose day of the month may be another."""
        loose = self.unit == MONTH and self.roll is None and 1 < self.day < 31
        return replace(self, day=None) if loose else self

    def suits(self, origin, zone=None):
        """Whether the anchor, and the days that count, are those of a time stamp."""
        (wall,) = (
            to_wall(np.array([origin]), zone) if self.unit in (DAY, WEEKDAY, MONTH) else [None]
        )
        if self.unit == WEEKDAY and self.weekmask[_weekday(wall)] == "0":
            return False
        if self.unit == MONTH and self.stamps(origin, [0], zone)[0] != origin:
            return False
        if self.anchor is None:
            return True
        if self.unit == DAY:
            return bool(_weekday(wall) == self.anchor)
        cycle = 3 if self.step % 12 else 12
        return bool((wall.astype("M8[M]").astype(np.int64) - self.anchor) % cycle == 0)

    @property
    def words(self):
        """What messages call it, such as "1 month"."""
        if self.unit == NUMBER:
            return f"{self.step:.12g}"
        if self.unit == WEEKDAY:
            if self.weekmask == WORKDAYS:
                return _count("business day", self.step)
            names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
            those = [
                name for name, counts in zip(names, self.weekmask, strict=True) if counts == "1"
            ]
            return _count("day", self.step) + f" of {' '.join(those)}"
        if self.unit == MONTH:
            for n, word in ((12, "year"), (3, "quarter")):
                if self.step % n == 0:
                    return _count(word, self.step // n)
            return _count("month", self.step)
        if self.unit == DAY:
            return _count("day", self.step) if self.step % 7 else _count("week", self.step // 7)
        return time_words(self.step)


def _check_spacing(fields):
    if fields["unit"] == NUMBER:
        if not 0 < fields["step"] < np.inf:
            raise ValueError("step must be above 0")
    elif fields["step"] != int(fields["step"]) or fields["step"] < 1:
        raise ValueError("step must be a whole number above 0")
    if fields["unit"] == MONTH and fields["day"] is None:
        raise ValueError("day must be that of the month")
    if (
        len(fields["weekmask"]) != 7
        or set(fields["weekmask"]) - set("01")
        or "1" not in fields["weekmask"]
    ):
        raise ValueError("weekmask must be seven of 0 and 1")


class _Step(Number):
    """A number, of which whole ones stay so."""

    def write(self, value, place):
        """Return JSON."""
        return int(value) if isinstance(value, int | np.integer) else super().write(value, place)

    def read(self, value, place):
        """Return the number."""
        return value if type(value) is int else super().read(value, place)


SPACING = Record(
    {
        "unit": Text((NUMBER, TIME, DAY, WEEKDAY, MONTH)),
        "step": _Step(),
        "day": Optional(Whole(1, 31)),
        "roll": Optional(Text(("forward", "backward"))),
        "weekmask": Text(),
        "anchor": Optional(Whole(0, 11)),
    },
    Spacing,
    _check_spacing,
)
"""`Spacing` in files."""


def time_words(nanoseconds):
    """Say how long a time is."""
    for word, length in (
        ("week", 7 * DAY_LENGTH), ("day", DAY_LENGTH), ("hour", 3600 * 10**9),
        ("minute", 60 * 10**9), ("second", 10**9), ("millisecond", 10**6),
        ("microsecond", 10**3), ("nanosecond", 1),
    ):  # fmt: skip
        if nanoseconds % length == 0:
            return _count(word, nanoseconds // length)
    return None


def _count(word, n):
    return f"{n} {word}" + "s" * (n != 1)


def _unit_of(origin, spacing):
    unit = np.datetime_data(origin.dtype)[0]
    return f"m8[{unit}]" if unit == "us" and spacing.step % 1000 == 0 else "m8[ns]"


def _weekday(wall):
    return int((wall.astype("M8[D]").astype(np.int64) + 3) % 7)  # 1970-01-01 was a Thursday


def _month_ends(months):
    return (months + np.timedelta64(1, "M")).astype("M8[D]") - np.timedelta64(1, "D")


def _day_of(months, day):
    """The day of some months, or their last one."""
    days = np.asarray(day - 1).astype("m8[D]")
    return np.minimum(months.astype("M8[D]") + days, _month_ends(months))


def _day_of_month(wall):
    """The day of the month that stamps have in common, 31 if all are ends; whether they do."""
    dates, months = wall.astype("M8[D]"), wall.astype("M8[M]")
    day = int((dates - months.astype("M8[D]")).astype(np.int64).max()) + 1
    if (dates == _month_ends(months)).all():
        return 31, True
    return day, bool((dates == _day_of(months, day)).all())


# Learning.


class Irregular(ValueError):
    """Time stamps have no spacing: one is not in its place, where most are `usual` apart."""

    def __init__(self, row, usual):
        super().__init__(usual)
        self.row, self.usual = row, usual


def learn_spacings(stamps, offsets, zone=None):
    """The spacing of each of many series, whose stamps (N,) are one after the other.

    None where it is not as simple, or where there is a single step; `learn_spacing` finds out.
    """
    n = np.diff(offsets)
    known = [None] * len(n)
    several = n > 1
    lowest, highest = _extremes(np.diff(stamps), offsets)
    if stamps.dtype.kind != "M":
        near = _NEAR * lowest if stamps.dtype.kind == "f" else 0
        steps = (stamps[offsets[1:] - 1] - stamps[offsets[:-1]]) / np.maximum(n - 1, 1)
        for i in np.flatnonzero(several & (highest - lowest <= near)):
            step = int(lowest[i]) if stamps.dtype.kind == "i" else float(f"{steps[i]:.12g}")
            known[i] = Spacing(NUMBER, step)
        return known
    ticks = np.timedelta64(DAY_LENGTH, "ns").astype(f"m8[{np.datetime_data(stamps.dtype)[0]}]")
    even = several & (lowest == highest)
    whole = (lowest % ticks) == np.timedelta64(0, "ns")
    for i in np.flatnonzero(even & ~whole):
        known[i] = _of_time(lowest[i])
    if zone in (None, "UTC"):
        for i in np.flatnonzero(even & whole & (lowest < 28 * ticks)):
            known[i] = Spacing(DAY, int(lowest[i] // ticks))
    rest = np.flatnonzero(several & np.array([spacing is None for spacing in known]))
    if not len(rest):
        return known
    rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in rest])
    wall = to_wall(stamps[rows], zone)
    offsets = np.append(0, np.cumsum(n[rest]))
    for i, spacing in zip(rest, _learn_on_wall(wall, offsets), strict=True):
        known[i] = spacing or (_of_time(lowest[i]) if even[i] else None)
    return known


def _learn_on_wall(wall, offsets):
    """What the clock on the wall makes of many series: months, days, or nothing."""
    dates, months = wall.astype("M8[D]"), wall.astype("M8[M]")
    times, firsts = wall - dates, offsets[:-1]
    low, high = _extremes(np.diff(months.astype(np.int64)), offsets)
    low_time, high_time = _extremes(np.diff(times), offsets)
    days = (dates - months.astype("M8[D]")).astype(np.int64) + 1
    largest = np.maximum.reduceat(days, firsts)
    ends = np.logical_and.reduceat(dates == _month_ends(months), firsts)
    largest[ends] = 31
    at_day = dates == _day_of(months, np.repeat(largest, np.diff(offsets)))
    at_day = np.logical_and.reduceat(at_day, firsts)
    same_time = (low_time == np.timedelta64(0, "ns")) & (high_time == np.timedelta64(0, "ns"))
    monthly = at_day & same_time & (low == high) & (low > 0)
    low_day, high_day = _extremes(np.diff(dates).astype(np.int64), offsets)
    daily = (low_day == high_day) & (low_day > 0) & same_time
    known = []
    for i in range(len(firsts)):
        if monthly[i]:
            known.append(Spacing(MONTH, int(low[i]), int(largest[i])))
        elif daily[i]:
            known.append(Spacing(DAY, int(low_day[i])))
        else:
            known.append(None)
    return known


def learn_spacing(stamps, zone=None):
    """The spacing of one series with steps that are missing, or with one that is not as simple.

    It is the most frequent distance; all others must be multiples of it.
    """
    if stamps.dtype.kind != "M":
        distances = np.diff(stamps)
        if stamps.dtype.kind == "f":
            distances = np.array([float(f"{d:.6g}") for d in distances])
        return _check_grid(_usual(distances, _of_numbers), stamps, zone)
    wall = to_wall(stamps, zone)
    dates, months = wall.astype("M8[D]"), wall.astype("M8[M]")
    # Where clocks skip the time of a day, they show another.
    if (from_wall(dates + (wall[0] - dates[0]), zone) == stamps).all():
        in_months = np.diff(months.astype(np.int64))
        if in_months.min() > 0:
            day, fits = _day_of_month(wall)
            if fits:
                spacing = _usual(in_months, lambda n: Spacing(MONTH, int(n), day))
                return _check_grid(spacing, stamps, zone)
            for day, roll in ((31, "backward"), (1, "forward")):
                spacing = Spacing(MONTH, int(in_months.min()), day, roll)
                if spacing.places(stamps, stamps[0], zone)[1].all():
                    return _check_grid(spacing, stamps, zone)
        in_days = np.diff(dates).astype(np.int64)
        if (in_days > 0).all():
            spacing = _of_weekdays(dates) or _usual(in_days, lambda n: Spacing(DAY, int(n)))
            return _check_grid(spacing, stamps, zone)
    return _check_grid(_usual(np.diff(stamps), _of_time), stamps, zone)


def _of_weekdays(dates):
    """A spacing that leaves out some days of the week, if each was left out twice at least."""
    weekdays = (dates.astype(np.int64) + 3) % 7
    occur = np.bincount(weekdays, minlength=7)
    span = np.arange(dates[0].astype(np.int64), dates[-1].astype(np.int64) + 1)
    passed = np.bincount((span + 3) % 7, minlength=7)
    weekmask = "".join("1" if there else "0" for there in occur > 0)
    if weekmask == ALL_DAYS or ((occur == 0) & (passed < 2)).any():
        return None
    places = np.busday_count(dates[0], dates, weekmask=weekmask)
    between = np.diff(places)
    # Rows may be missing: then most days that count are there, and some follow each other.
    mostly = 2 * len(dates) > places[-1] and (np.diff(dates).astype(np.int64) == 1).any()
    return Spacing(WEEKDAY, 1, weekmask=weekmask) if mostly or (between == 1).all() else None


def _check_grid(spacing, stamps, zone):
    places, there = spacing.places(stamps, stamps[0], zone)
    if not there.all():
        raise Irregular(int(np.flatnonzero(~there)[0]), spacing.words)
    if places[-1] > 10 * len(stamps):
        raise Irregular(int(np.argmax(np.diff(places))) + 1, spacing.words)
    return spacing


def _usual(distances, spacing_of):
    """The spacing of the most frequent distance, the smallest of some."""
    kinds, counts = np.unique(distances, return_counts=True)
    return spacing_of(kinds[np.argmax(counts)])


def _extremes(distances, offsets):
    """The smallest and the largest distance between steps of each series; 0 for a single step."""
    kind = "m8[s]" if distances.dtype.kind == "m" else distances.dtype
    padded = np.append(distances, np.zeros(1, kind).astype(distances.dtype))
    pairs = np.column_stack([offsets[:-1], offsets[1:] - 1]).ravel()
    single = offsets[1:] - offsets[:-1] == 1
    both = []
    for extreme in (np.minimum, np.maximum):
        values = extreme.reduceat(padded, pairs)[::2]
        values[single] = padded[-1]
        both.append(values)
    return both


def _of_numbers(distance):
    return Spacing(NUMBER, distance.item())


def _of_time(distance):
    nanoseconds = int(distance.astype("m8[ns]").astype(np.int64))
    return Spacing(TIME, nanoseconds)
