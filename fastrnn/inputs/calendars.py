"""The steps of series by their time stamps: none is missing, comes twice or stands elsewhere."""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.inputs.frequencies import ROWS, read_frequency
from fastrnn.inputs.spacing import (
    DAY,
    MONTH,
    NUMBER,
    WORKDAYS,
    Irregular,
    Spacing,
    learn_spacing,
    learn_spacings,
)
from fastrnn.inputs.stamps import DATES, PERIODS, StampType, check_comparable, show

_MOST_STEPS = 1000
"""For each row, where some are missing; more would be a mistake, and take the memory."""

INSTEAD = (
    "give freq, the distance that they should have, or freq='rows' if each row is a step whatever "
    "its time stamp"
)


@dataclass(frozen=True, eq=False)
class Calendar:
    """The time stamps of the steps of some series.

    Attributes
    ----------
    type : StampType or None
        What they are; None if that was not recorded, as in files of 0.1.0.
    spacings : list of (Spacing or None)
        How far apart the steps of each series are; None if that is not known, or not asked.
    last : list
        The time stamp of the last step of each series.
    """

    type: StampType | None
    spacings: list
    last: list

    @property
    def knows_steps(self):
        """Whether the stamps of all steps are known."""
        return self.type is not None and bool(self.spacings) and None not in self.spacings

    def stamps(self, i, places):
        """The time stamps of steps of series i, by their places after its last one."""
        return self.spacings[i].stamps(self.last[i], places, self.type.zone)

    def show(self, i, place):
        """Write the time stamp of a step of series i."""
        return show(self.stamps(i, [place])[0], self.type)

    def places(self, i, stamps, stamp_type, what):
        """The places of time stamps after the last one of series i; all must be of steps."""
        check_comparable(stamp_type, self.type, what)
        places, there = self.spacings[i].places(stamps, self.last[i], self.type.zone)
        if not there.all():
            wrong = show(stamps[np.flatnonzero(~there)[0]], stamp_type)
            raise ValueError(
                f"{what} have the time stamp {wrong}, which is none of the steps: they are "
                f"{self.spacings[i].words} apart, and the series ends with "
                f"{show(self.last[i], self.type)}"
            )
        return places

    def without_series(self):
        """What is known of all these series, and of none: how far apart steps are."""
        spacings = dict.fromkeys(spacing for spacing in self.spacings if spacing is not None)
        return Calendar(self.type, list(spacings), [])

    def until(self, which, backs):
        """The calendar of some series that end so many steps before."""
        last = [
            self.last[i] if self.spacings[i] is None else self.stamps(i, [-back])[0]
            for i, back in zip(which, backs, strict=True)
        ]
        return Calendar(self.type, [self.spacings[i] for i in which], last)


def read_calendar(
    stamps, offsets, stamp_type, name, *, freq=None, known=None, may_lack=False, hint=""
):
    """Find the steps of series, whose stamps (N,) are one after the other.

    Parameters
    ----------
    stamps, offsets : ndarray of shape (N,) and (n + 1,)
        The time stamps, and where those of each series begin.
    stamp_type : StampType
        What they are.
    name : callable
        ``name(i)`` is what messages call series i.
    freq : object, default=None
        Their distance, as users give it; None learns it.
    known : callable or None, default=None
        ``known(i)`` is the spacing that series i has because those of fit had it, or None.
    may_lack : bool, default=False
        Whether steps may have no row.
    hint : str, default=""
        What to say besides where a time stamp comes twice.

    Returns
    -------
    calendar : Calendar
        The calendar.
    places : list of (ndarray of shape (T_i,) or None)
        Of series that lack rows the place of each row after the first one.
    """
    check_rising(stamps, offsets, stamp_type, name, hint)
    n = len(offsets) - 1
    last = [stamps[end - 1] for end in offsets[1:]]
    wanted = read_frequency(freq)
    if wanted is None and stamp_type.kind == PERIODS:
        wanted = read_frequency(stamp_type.form)
    if wanted == ROWS:
        return Calendar(stamp_type, [None] * n, last), [None] * n
    if wanted is not None:
        _check_kind(wanted, freq, stamp_type)
        if stamp_type.kind == PERIODS:  # which are named after their ends, and begin the month
            wanted = replace(wanted, anchor=None, day=1 if wanted.unit == MONTH else None)
    spacings, places = learn_spacings(stamps, offsets, stamp_type.zone), [None] * n
    for i in range(n):
        expected = wanted or (known and known(i))
        if expected is None and spacings[i] is None and offsets[i + 1] - offsets[i] > 1:
            expected = _learn(stamps[offsets[i] : offsets[i + 1]], stamp_type, name(i))
        if expected is None or _is_same(spacings[i], expected):
            continue
        of_series = stamps[offsets[i] : offsets[i + 1]]
        source = f"freq={freq!r}" if wanted else expected.words
        spacings[i] = expected.fix(of_series, stamp_type.zone)
        where = _find(of_series, spacings[i], stamp_type, name(i), source)
        if where[-1] + 1 > len(where):
            if not may_lack:
                raise _lacks(where, of_series, spacings[i], stamp_type, name(i))
            if where[-1] > _MOST_STEPS * len(where):
                raise ValueError(
                    f"{name(i)} has rows for {len(where)} of {int(where[-1]) + 1} steps of "
                    f"{source}, which is not its distance"
                )
            places[i] = where
    return Calendar(stamp_type, spacings, last), places


def check_rising(stamps, offsets, stamp_type, name, hint=""):
    """Check that the time stamps of each series rise, and none comes twice."""
    rises = stamps[1:] > stamps[:-1]
    rises[offsets[1:-1] - 1] = True  # from one series to the next
    if rises.all():
        return
    i = int(np.searchsorted(offsets, np.flatnonzero(~rises)[0], "right")) - 1
    of_series = stamps[offsets[i] : offsets[i + 1]]
    values, counts = np.unique(of_series, return_counts=True)
    if (counts > 1).any():
        twice = show(values[counts > 1][0], stamp_type)
        raise ValueError(f"{name(i)} has the time stamp {twice} more than once{hint}")
    t = int(np.flatnonzero(~(of_series[1:] > of_series[:-1]))[0])
    before, after = (show(stamp, stamp_type) for stamp in of_series[t : t + 2])
    raise ValueError(f"{name(i)} is not sorted by time: {after} comes after {before}")


def _check_kind(spacing, freq, stamp_type):
    if spacing.counts_numbers == (stamp_type.kind not in (DATES, PERIODS)):
        return
    what = "numbers" if spacing.counts_numbers else "dates"
    raise TypeError(f"freq={freq!r} is for {what}, but the time stamps are {stamp_type.words}")


def _is_same(learned, expected):
    """Whether a learned spacing is the expected one: there is nothing more to ask then."""
    return learned is not None and (
        (learned.unit, learned.step, learned.weekmask)
        == (expected.unit, expected.step, expected.weekmask)
        and expected.roll is None
        and expected.anchor is None
        and expected.day in (None, learned.day)
    )


def _learn(stamps, stamp_type, name):
    try:
        return learn_spacing(stamps, stamp_type.zone)
    except Irregular as error:
        row = error.row
        before, here = (show(stamp, stamp_type) for stamp in stamps[row - 1 : row + 1])
        raise ValueError(
            f"{name} has irregular time stamps: {here} comes after {before}, where most are "
            f"{error.usual} apart; {INSTEAD}"
        ) from None


def _find(stamps, spacing, stamp_type, name, source):
    """The place of each row after the first."""
    places, there = spacing.places(stamps, stamps[0], stamp_type.zone)
    fits = spacing.suits(stamps[0], stamp_type.zone)
    there &= fits
    # Two stamps may be near the same step, if they are no whole numbers.
    there[1:] &= np.diff(places) > 0
    if there.all():
        return places
    wrong = show(stamps[np.flatnonzero(~there)[0]], stamp_type)
    begin = "" if not fits else f" from {show(stamps[0], stamp_type)} on"
    raise ValueError(
        f"{name} has the time stamp {wrong}, which is no step of {source}{begin}; {INSTEAD}"
    )


def _lacks(places, stamps, spacing, stamp_type, name):
    """The error that rows are missing."""
    t = int(np.flatnonzero(np.diff(places) > 1)[0])
    (first,) = spacing.stamps(stamps[0], places[t : t + 1] + 1, stamp_type.zone)
    before, after = (show(stamp, stamp_type) for stamp in stamps[t : t + 2])
    hint = ""
    if spacing == Spacing(DAY, 1) and np.is_busday(stamps.astype("M8[D]"), WORKDAYS).all():
        hint = ", freq='B' if there are business days alone"
    if spacing.unit == NUMBER and _are_months(stamps):
        hint = ", as dates if these are years and months"
    n = int(places[-1]) + 1 - len(places)
    return ValueError(
        f"{name} has no row with the time stamp {show(first, stamp_type)}, between {before} and "
        f"{after}: its steps are {spacing.words} apart, and {n} of them {_have(n)} no row; give "
        f"them rows{hint}, or missing='mask', which takes them for gaps"
    )


def _have(n):
    return "has" if n == 1 else "have"


def _are_months(stamps):
    """Whether numbers look like 202401, of which the one after 202412 is 202501."""
    months = stamps % 100
    return bool(((stamps > 100_000) & (stamps < 1_000_000) & (months > 0) & (months < 13)).all())
