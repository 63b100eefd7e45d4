"""What a network reads and learns of time series at every step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.inputs.sequences import Sequences


@dataclass(frozen=True, eq=False, repr=False)
class Lessons(Sequences):
    """What a network reads of time series, and what it is to say; `plan` made them of `series`."""

    target: Any = None  # (n_steps, n_ahead), NaN where nothing comes, or it is not known
    weight: Any = None  # (n_steps,), 0 where a step is read only, or has no target; else 1
    place: Any = None  # (n_steps,), the number of each step in its series
    length: Any = None  # (n_steps,), the number of steps of that series
    plan: Any = None
    covariates: Any = None
    series: Any = None

    @property
    def nbytes(self):
        """Size in bytes of all arrays."""
        beside = (self.target, self.weight, self.place, self.length)
        return super().nbytes + sum(array.nbytes for array in beside)

    @property
    def inputs_nbytes(self):
        """Size in bytes of the inputs while they are made, in double precision at first."""
        return super().nbytes + 8 * len(self.values) * self.columns.width

    @property
    def making_nbytes(self):
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
