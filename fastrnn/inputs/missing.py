"""Missing values, and the times of steps: what a network reads of them, learned in `fit`.

A number that is missing becomes the last one that its sequence has had, and before there is any the
mean of all that `fit` saw; a mark beside it is 1 where it is missing, else 0. The time s_t of a
step becomes the time since the step before, 0 for the first, in units of the mean that `fit` saw.

What is read of a step are its numbers, then that time if there is one, then the marks. Where values
decay, the times since each was last seen follow: with s_t the time of a step, or its number, and
m_t 1 where the value is missing,

    d_1 = 0,    d_t = s_t - s_{t-1} + m_{t-1} d_{t-1}

(Che et al. 2018, arXiv 1606.01865, equation 2), and where a network reads the sequences from their
ends, too, those until it is seen next, which are the same from the end.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastrnn.files.codec import Flag, ListOf, Number, Optional, Record, Text, Whole
from fastrnn.inputs.columns import name_place

KINDS = ("error", "mask", "decay")
"""What may be done with missing values."""


@dataclass(frozen=True, eq=False)
class Times:
    """The times of steps, as they were given; dates are seconds.

    Attributes
    ----------
    numbers : ndarray of shape (N,), float64
        Of each step. They may count from any moment, another one in each sequence.
    column : int
        The column of a step that they stand in.
    is_date : bool
        Whether they were dates.
    """

    numbers: np.ndarray
    column: int
    is_date: bool


def last_observed(missing, offsets):
    """For each step and feature the row of the last value that is not missing, at it or before.

    `missing` is of shape (N, F); sequence i has the rows ``offsets[i]`` up to ``offsets[i + 1]``.
    Before the first such value of a sequence it is -1.
    """
    rows = np.arange(len(missing))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(missing, -1, rows), axis=0)
    return np.where(last < _first_rows(offsets), -1, last)


def _first_rows(offsets):
    """The first row (N, 1) of the sequence that each step belongs to."""
    return np.repeat(offsets[:-1], np.diff(offsets))[:, np.newaxis]


@dataclass(frozen=True)
class Gaps:
    """What `fit` learned about missing values and times.

    Attributes
    ----------
    missing : {"error", "mask", "decay"}
        What is done with missing values.
    mean : tuple of float
        Of each number of a step, but its time, the mean of those that `fit` saw, 0 of none; empty
        where nothing may be missing.
    time : int or None
        The column of a step that has its time.
    is_date : bool
        Whether times are dates, as a data frame has them.
    unit : float
        The mean difference of the times of a step and the one before.
    both_ways : bool
        Where values decay: whether the times until they are seen next are read, too.
    """

    missing: str = "error"
    mean: tuple[float, ...] = ()
    time: int | None = None
    is_date: bool = False
    unit: float = 1.0
    both_ways: bool = False

    @classmethod
    def learn(cls, sequences, missing, both_ways=False):
        """Learn from sequences as `as_sequences` reads them."""
        mean = [found.of_all for found in _means(sequences, missing)]
        times, unit = sequences.times, _unit(sequences)
        return cls._of(missing, mean, times, unit.of_all, both_ways)

    @classmethod
    def look(cls, sequences, missing):
        """What `join` needs to know of sequences, one of several places that have some."""
        times = sequences.times
        if times is not None:
            times = replace(times, numbers=np.empty(0))
        return _means(sequences, missing), times, _unit(sequences)

    @classmethod
    def join(cls, looks, missing, scaling, both_ways=False):
        """Learn from what is known of several places, whose numbers are not scaled as yet."""
        means, times, units = zip(*looks, strict=True)
        mean: Any = ()
        if missing != "error":
            mean = np.array([Mean.join(column) for column in zip(*means, strict=True)])
            if scaling.method is not None:
                center, factor = scaling.rows
                mean = (mean - center) / factor
        if len({(one is not None, one is not None and one.is_date) for one in times}) > 1:
            raise TypeError("time_feature: some partitions have dates, others numbers")
        return cls._of(missing, mean, times[0], Mean.join(units), both_ways)

    @classmethod
    def _of(cls, missing, mean, times, unit, both_ways):
        both_ways, mean = missing == "decay" and bool(both_ways), tuple(map(float, mean))
        if times is None:
            return cls(missing, mean, both_ways=both_ways)
        return cls(missing, mean, times.column, times.is_date, unit or 1.0, both_ways)

    @property
    def allows(self):
        """Whether values may be missing."""
        return self.missing != "error"

    @property
    def means(self):
        """Towards what values decay; empty if they do not."""
        return self.mean if self.missing == "decay" else ()

    @property
    def is_plain(self):
        """Whether numbers are read as they are."""
        return not self.allows and self.time is None

    def width(self, n_numbers):
        """How many numbers the first layer reads of a step that has so many, time included."""
        return n_numbers + len(self.mean)

    def fill(self, sequences):
        """Put what the network reads in the place of the numbers of sequences."""
        if self.time is not None:
            self.check_kind(sequences.times)
            _check_order(sequences)
        if self.is_plain:
            return sequences
        given = sequences.values
        n, n_values = given.shape
        n_numbers = n_values + (self.time is not None)
        n_read = self.width(n_numbers)
        values = np.empty((n, n_read + len(self.means) * (1 + self.both_ways)), given.dtype)
        values[:, :n_values] = given
        if self.time is not None:
            values[:, n_values] = self._elapsed(sequences)
        if self.allows:
            missing = np.isnan(given)
            values[:, n_numbers:n_read] = missing
            if missing.any():
                last = last_observed(missing, sequences.offsets)
                mean = np.asarray(self.mean, given.dtype)
                carried = np.take_along_axis(given, np.maximum(last, 0), axis=0)
                values[:, :n_values] = np.where(last < 0, mean, carried)
        if self.means:
            values[:, n_read:] = self._since(sequences, missing)
        values.flags.writeable = False
        return replace(sequences, values=values, times=None)

    def undo(self, gradient, sequences):
        """Turn a gradient of what `fill` gave into that of the numbers that it was given.

        Its columns are those of X that are no ids; where a value is missing it is 0.
        """
        if self.is_plain:
            return gradient
        n_values = (
            len(self.mean) or gradient.shape[1] - 1
        )  # one of them is the time, if none decays
        n_numbers = n_values + (self.time is not None)
        of_values = gradient[:, :n_values]
        if self.allows:
            missing = sequences.values[:, n_numbers : self.width(n_numbers)] > 0
            last = last_observed(missing, sequences.offsets)
            carried, of_values = of_values, np.zeros_like(of_values)
            row, column = np.nonzero(last >= 0)
            np.add.at(of_values, (last[row, column], column), carried[row, column])
        if self.time is None:
            return of_values
        elapsed = gradient[:, n_values].copy()
        elapsed[sequences.offsets[:-1]] = 0
        of_times = elapsed.copy()
        of_times[:-1] -= elapsed[1:]
        if self.means:
            of_since = gradient[:, self.width(n_numbers) :]
            for (seen, sign), part in zip(
                self._seen(missing, sequences.offsets),
                np.split(of_since, 1 + self.both_ways, axis=1),
                strict=True,
            ):
                of_times += sign * part.sum(axis=1)
                np.add.at(of_times, seen.ravel(), -sign * part.ravel())
        ids = () if sequences.columns is None else sequences.columns.ids
        place = self.time - sum(j < self.time for j in ids)
        return np.insert(of_values, place, of_times / self.unit, axis=1)

    def _seen(self, missing, offsets):
        """The rows (N, F) where values were last seen before each step, and where they are next.

        Each with the sign of the time since; the first and the last step stand for none.
        """
        first = _first_rows(offsets)
        before = np.vstack(
            [first[:1].repeat(missing.shape[1], axis=1), last_observed(missing, offsets)[:-1]]
        )
        yield np.maximum(before, first), 1
        if self.both_ways:
            n = len(missing)
            end = np.flip(n - offsets)
            turned = _first_rows(end)
            after = last_observed(missing[::-1], end)[:-1]
            after = np.vstack([turned[:1].repeat(missing.shape[1], axis=1), after])
            yield n - 1 - np.maximum(after, turned)[::-1], -1

    def _since(self, sequences, missing):
        """The times since values were last seen, side by side with those until they are next."""
        if sequences.times is None:
            moments = np.arange(len(missing), dtype=np.float64)
        else:
            moments = sequences.times.numbers / self.unit
        pairs = self._seen(missing, sequences.offsets)
        return np.hstack([sign * (moments[:, np.newaxis] - moments[seen]) for seen, sign in pairs])

    def check_kind(self, times):
        """Check that times are dates where those of `fit` were, and only there."""
        if times.is_date != self.is_date:
            kinds = ("dates", "numbers") if times.is_date else ("numbers", "dates")
            raise TypeError(
                f"feature {times.column}, the time, holds {kinds[0]}, expected {kinds[1]} as in fit"
            )

    def _elapsed(self, sequences):
        """The time since the step before, in units, of each step."""
        times, dtype = sequences.times, sequences.values.dtype
        with np.errstate(over="ignore"):
            elapsed = np.diff(times.numbers, prepend=times.numbers[:1])
            elapsed[sequences.offsets[:-1]] = 0
            elapsed /= self.unit
            narrowed = elapsed.astype(dtype)
        wrong = np.flatnonzero(~np.isfinite(narrowed))
        if wrong.size:
            place = _place(sequences, wrong[0], times.column)
            raise ValueError(
                f"{place}, the time, is {elapsed[wrong[0]]:.6g} mean steps after the one before, "
                f"which does not fit into {dtype}"
            )
        return narrowed


NO_GAPS = Gaps()
"""Nothing is missing, and no column has times."""


def _check_order(sequences):
    """Check that times are there, and never fall in a sequence."""
    times = sequences.times
    wrong = np.flatnonzero(~np.isfinite(times.numbers))
    if wrong.size:
        value = times.numbers[wrong[0]]
        fault = "missing" if np.isnan(value) else str(value)
        place = _place(sequences, wrong[0], times.column)
        raise ValueError(f"{place}, the time, is {fault}, expected a finite number or a date")
    falls = np.append(False, times.numbers[1:] < times.numbers[:-1])
    falls[sequences.offsets[:-1]] = False
    if falls.any():
        row = int(falls.argmax())
        raise ValueError(
            f"{_place(sequences, row, times.column)}, the time, is "
            f"{times.numbers[row - 1] - times.numbers[row]:.15g} less than at the step before: "
            "sort the steps of a sequence by time"
        )


def _place(sequences, row, column):
    i = int(np.searchsorted(sequences.offsets, row, side="right")) - 1
    return name_place(i, int(row - sequences.offsets[i]), column)


class Mean(NamedTuple):
    """The mean of so many numbers, 0 of none."""

    n: int
    of_all: float

    @staticmethod
    def join(means):
        """The mean of the numbers of all of them."""
        n = sum(mean.n for mean in means)
        return sum(mean.n / n * mean.of_all for mean in means) if n else 0.0


def _means(sequences, missing):
    """The mean of the numbers that are there, of each column, where some may be missing."""
    if missing == "error":
        return []
    return [_mean(column, j) for j, column in enumerate(sequences.values.T)]


def _mean(column, j):
    column = column[~np.isnan(column)]
    with np.errstate(over="ignore"):
        mean = float(column.mean(dtype=np.float64)) if column.size else 0.0
    if not np.isfinite(mean):
        raise ValueError(f"number {j} of the steps has values too large for a mean")
    return Mean(column.size, mean)


def _unit(sequences):
    """The mean difference of the times of a step and the one before."""
    times = sequences.times
    if times is None:
        return Mean(0, 0.0)
    _check_order(sequences)
    with np.errstate(over="ignore"):
        differences = np.delete(np.diff(times.numbers), sequences.offsets[1:-1] - 1)
        unit = float(differences.mean()) if differences.size else 0.0
    if not np.isfinite(unit):
        raise ValueError(f"the times in feature {times.column} are too far apart for a mean")
    return Mean(differences.size, unit)


def _check_gaps(fields):
    mean, unit = fields["mean"], fields["unit"]
    if not all(map(np.isfinite, mean)) or not (np.isfinite(unit) and unit > 0):
        raise ValueError("mean and unit must be finite numbers, and the unit above 0")
    if fields["both_ways"] and fields["missing"] != "decay":
        raise ValueError("both_ways is for values that decay")
    if mean and fields["missing"] == "error":
        raise ValueError("there must be no mean where no value may be missing")
    if fields["time"] is None and (fields["is_date"] or unit != 1.0):
        raise ValueError("is_date and unit are those of a column of times")


GAPS = Record(
    {
        "missing": Text(KINDS),
        "mean": ListOf(Number(), tuple),
        "time": Optional(Whole()),
        "is_date": Flag(),
        "unit": Number(),
        "both_ways": Flag(),
    },
    Gaps,
    _check_gaps,
)
"""`Gaps` in files."""
