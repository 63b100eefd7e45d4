"""What a network reads and learns of time series at every step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.inputs.sequences import Sequences

SEASONS_KNOWN, STEPS_KNOWN = 2, 4
"""At the first origin that is learned from, where a series is long enough."""


@dataclass(frozen=True)
class Cut:
    """A part of a series that is read as a sequence: steps from `begin` up to `end`.

    Those from `first` on are learned from, on the scale of the first `known` steps of the series.
    """

    begin: int
    first: int
    end: int
    known: int


@dataclass(frozen=True)
class Cuts:
    """How series are cut: into windows, or as they were known at origins so many steps apart."""

    window: int | None = None  # most steps of a part
    origin_step: int | None = None

    def of(self, values, season):
        """The parts of a series (T,)."""
        return self.of_length(len(values), steps_to_second(values), season)

    def of_length(self, n, second, season):
        """The parts of a series of n steps, of which so many have two observed values."""
        step, window = self.origin_step, self.window or n
        if step is None:
            return [Cut(*part, n) for part in _windows(n, window)]
        lowest = max(second, min(max(SEASONS_KNOWN * season, STEPS_KNOWN), n - 1))
        return [
            Cut(max(0, known - window), max(0, known - min(step, window)), known, known)
            for known in range(n - 1, lowest - 1, -step)
        ]


def steps_to_second(values):
    """How many steps of a series (T,) have its first two observed values."""
    return int(np.flatnonzero(~np.isnan(values))[1]) + 1


WHOLE = Cuts()
"""Series are not cut."""


def _windows(n, window):
    """Cut n steps: where each window begins to be read, begins to be learned, and ends."""
    if n <= window:
        return [(0, 0, n)]
    stride = window - window // 2
    ends = [*range(window, n, stride), n]
    firsts = [0, *ends[:-1]]
    return [(max(0, end - window), first, end) for first, end in zip(firsts, ends, strict=True)]


@dataclass(frozen=True, eq=False, repr=False)
class Lessons(Sequences):
    """What a network reads of time series, and what it is to say; `plan` made them of `series`."""

    target: Any = None  # (n_steps, n_ahead), NaN where nothing comes, or it is not known
    weight: Any = None  # (n_steps,), 0 where a step is read only, or has no target; else 1
    place: Any = None  # (n_steps,), the number of each step in its series
    length: Any = None  # (n_steps,), the number of steps of that series
    number: Any = None  # (n_sequences,), the number of the series that each is a part of
    unit: Any = None  # (n_steps,), of counts: what one on the scale of the network is; else None
    plan: Any = None
    covariates: Any = None
    series: Any = None

    @property
    def nbytes(self) -> int:
        """Size in bytes of all arrays."""
        beside = (self.target, self.weight, self.place, self.length, self.number)
        beside += (self.unit,) if self.unit is not None else ()
        return super().nbytes + sum(array.nbytes for array in beside)

    @property
    def inputs_nbytes(self):
        """Size in bytes of the inputs while they are made, in double precision at first."""
        return super().nbytes + 8 * len(self.values) * self.columns.width

    @property
    def making_nbytes(self) -> int:
        """Size in bytes of everything while it is made."""
        return self.inputs_nbytes + self.target.nbytes + self.target.size  # where it is NaN


def has_target(values):
    """Tell which steps have anything to learn, of targets (n_steps, n_ahead)."""
    return ~np.isnan(values).all(axis=1)


def split_in_time(lessons, first):
    """Split targets into those before a step and those from it on, NaN for the others.

    `first` has for each step of the lessons the number of that other one, in the same series.
    """
    ahead = np.arange(1, lessons.target.shape[1] + 1)
    is_after = ahead >= (first - lessons.place)[:, np.newaxis]
    nothing = lessons.target.dtype.type(np.nan)
    return (
        np.where(is_after, nothing, lessons.target),
        np.where(is_after, lessons.target, nothing),
    )
