"""What dates say of steps: the hour, the weekday and other cycles, and holidays.

Each cycle becomes a sine and a cosine of where a step is in it, from 0 up to 1, so that its end is
near its beginning: 23 hours near 0, December near January. They are read by the clock on the wall.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from fastrnn.files.codec import ListOf, Record, Text
from fastrnn.inputs.arrays import is_missing
from fastrnn.inputs.spacing import DAY, DAY_LENGTH, MONTH, TIME
from fastrnn.inputs.stamps import DATES, PERIODS, to_wall

_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")


def _month_of(wall):
    return wall.astype("M8[M]").astype(np.int64) % 12


def _share_of(wall, unit):
    """Where days are among those of their month or year, by the length that it has."""
    begin = wall.astype(f"M8[{unit}]")
    length = (begin + np.timedelta64(1, unit)).astype("M8[D]") - begin.astype("M8[D]")
    return (wall.astype("M8[D]") - begin.astype("M8[D]")) / length


CYCLES = {
    "minute": lambda wall: (wall - wall.astype("M8[h]")) / _HOUR,
    "hour": lambda wall: (wall - wall.astype("M8[D]")) / _DAY,
    "weekday": lambda wall: (wall.astype("M8[D]").astype(np.int64) + 3) % 7 / 7,
    "day": lambda wall: _share_of(wall, "M"),
    "day_of_year": lambda wall: _share_of(wall, "Y"),
    "month": lambda wall: _month_of(wall) / 12,
    "quarter": lambda wall: _month_of(wall) // 3 / 4,
}
"""Where time stamps, as clocks show them, are in each cycle."""


USUAL_NAME = "holiday"


@dataclass(frozen=True)
class CalendarFeatures:
    """Features of dates: some of `CYCLES`, and holidays, each a name and its days in ISO 8601."""

    cycles: tuple[str, ...] = ()
    holidays: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, cycles, holidays):
        """What users ask for; None if that is nothing."""
        named = () if holidays is None else read_holidays(holidays)
        return cls(tuple(cycles or ()), named) if cycles or named else None

    @property
    def names(self):
        """The name of each column."""
        pairs = [f"{cycle}_{part}" for cycle in self.cycles for part in ("sin", "cos")]
        return (*pairs, *(name for name, _ in self.holidays))

    def columns(self, stamps, zone):
        """The features of time stamps (N,), an array (N, n)."""
        wall = to_wall(stamps, zone)
        angles = [2 * np.pi * CYCLES[cycle](wall) for cycle in self.cycles]
        parts = [of_wave(angle) for angle in angles for of_wave in (np.sin, np.cos)]
        days = wall.astype("M8[D]")
        parts += [np.isin(days, np.array(those, "M8[D]")) for _, those in self.holidays]
        return np.column_stack(parts).astype(np.float64)

    def check(self, calendar, name):
        """Check that all steps have dates; ``name(i)`` is what messages call series i."""
        kind = None if calendar is None else calendar.type
        if kind is None or kind.kind not in (DATES, PERIODS):
            there = "no time stamps" if kind is None else f"time stamps that are {kind.words}"
            raise ValueError(
                f"calendar_features and holidays need dates, but the series have {there}: give a "
                "data frame with a column of dates, or series of pandas with an index of them"
            )
        if not calendar.knows_steps:
            raise ValueError(
                "calendar_features and holidays need the dates of the steps to come, which "
                "freq='rows' does not know: give the distance of time stamps, or None to learn it"
            )
        for i, spacing in enumerate(calendar.spacings if self.holidays else ()):
            days = {TIME: spacing.step / DAY_LENGTH, DAY: spacing.step, MONTH: 28}
            if days.get(spacing.unit, 1) > 1:
                raise ValueError(
                    f"holidays are days, but the steps of {name(i)} are {spacing.words} apart: "
                    "give their number in each step as a column of future_covariates"
                )


def _check_features(fields):
    if not fields["cycles"] and not fields["holidays"]:
        raise ValueError("there are no features of dates")
    if not are_cycles(fields["cycles"]):
        raise ValueError("a feature of dates comes twice")
    names = [name for name, _ in fields["holidays"]]
    if len(set(names)) < len(names):
        raise ValueError("two kinds of holidays have the same name")


def _make_holiday(name, days):
    return name, tuple(str(_day_of(day)) for day in days)


_HOLIDAY = Record(
    {"name": Text(), "days": ListOf(Text(), tuple)},
    _make_holiday,
    take_apart=lambda pair: {"name": pair[0], "days": pair[1]},
)
CALENDAR_FEATURES = Record(
    {"cycles": ListOf(Text(tuple(CYCLES)), tuple), "holidays": ListOf(_HOLIDAY, tuple)},
    CalendarFeatures,
    _check_features,
)
"""`CalendarFeatures` in files."""


def are_cycles(names):
    """Whether names are those of cycles, each once."""
    return all(isinstance(name, str) and name in CYCLES for name in names) and (
        len(set(names)) == len(names)
    )


def read_holidays(holidays):
    """Read holidays: for each kind its name and its days, as text, sorted.

    They are days, a dict of such by name, or one whose keys are days, as the package holidays has
    them. What is no day is a ValueError or TypeError.
    """
    if _has_names(holidays):
        return tuple((name, _read_days(days)) for name, days in holidays.items())
    return ((USUAL_NAME, _read_days(holidays)),)


def are_holidays(value):
    """Whether something is what `read_holidays` reads."""
    try:
        read_holidays(value)
    except (TypeError, ValueError):
        return False
    return True


def plain_holidays(holidays):
    """Holidays as a file may have them: a tuple of text, a dict of such by name, or None."""
    if holidays is None:
        return None
    by_name = dict(read_holidays(holidays))
    return by_name if _has_names(holidays) else by_name[USUAL_NAME]


def _has_names(holidays):
    """Whether holidays are a dict by names, which are no days."""
    if not isinstance(holidays, Mapping) or not all(isinstance(key, str) for key in holidays):
        return False
    try:
        for key in holidays:
            _day_of(key)
    except ValueError:
        return True
    return False


def _read_days(days):
    days = [days] if isinstance(days, str | date | np.datetime64) else list(days)
    if not days:
        raise ValueError("there are no holidays")
    return tuple(sorted({str(_day_of(day)) for day in days}))


def _day_of(day):
    """A day as numpy has it."""
    if isinstance(day, str):
        day = date.fromisoformat(day.strip())
    if not isinstance(day, date | np.datetime64) or is_missing(day):
        raise ValueError(f"{day!r} is no day")
    if isinstance(day, datetime):
        day = day.date()  # that of its own zone
    return np.datetime64(day).astype("M8[D]")
