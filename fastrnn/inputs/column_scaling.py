"""How the numbers of steps are brought to a common scale: ``(x - center) / factor``.

Center and factor of a column are, over the steps that `fit` saw,

- "standard": the mean and the standard deviation, that of all values, not of a sample;
- "robust": the median and the distance of the quartiles;
- "minmax": the smallest value and the distance to the largest.

A column that does not vary but by rounding has the factor 1. All of this is float64, whatever the
network computes in: a small difference between large numbers is not lost.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastrnn.files.codec import ListOf, Number, Optional, Record, Text
from fastrnn.typing import Doubles

METHODS = ("standard", "minmax", "robust")

_ROUNDING = 1e-12
"""A spread that is no larger, compared with the center, is left over from rounding."""


def center_and_factor(
    column: Doubles, method: str, weight: Doubles | None = None
) -> tuple[float, float]:
    """Center and factor of the numbers (n,) of a column, float64, none of them missing.

    `weight` (n,), all of them above 0, counts in mean and deviation. The factor is infinite if the
    numbers are too large for it.
    """
    if column.size == 0:
        return 0.0, 1.0
    low, high = column.min(), column.max()
    if low == high:  # computed, its spread might be a rounding error
        return float(low), 1.0
    # A power of two changes no bits of what follows. So nothing overflows or vanishes on the way.
    exponent = np.frexp(max(-low, high))[1] + 1
    z = np.ldexp(column, -exponent)
    if method == "standard":
        center, factor = _mean_and_deviation(z, weight)
    elif method == "robust":
        first, center, third = np.percentile(z, [25, 50, 75])
        factor = third - first
    else:
        center, factor = z.min(), np.ptp(z)
    return _in_units(center, factor, exponent)


def _in_units(center, factor, exponent):
    """Center and factor, times a power of two; the factor is 1 where it is left from rounding."""
    if factor <= _ROUNDING * abs(center):
        return float(np.ldexp(center, exponent)), 1.0
    with np.errstate(over="ignore"):
        center, factor = np.ldexp([center, factor], exponent).tolist()
    return center, factor or 1.0


class Spread(NamedTuple):
    """What is known of the numbers of a column in one of several places."""

    weight: float  # the sum of theirs
    low: float
    high: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, column, weight=None):
        """Look at numbers as `center_and_factor` does."""
        if column.size == 0:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0)
        low, high = float(column.min()), float(column.max())
        exponent = np.frexp(max(-low, high))[1] + 1
        found = _mean_and_deviation(np.ldexp(column, -exponent), weight)
        total = column.size if weight is None else weight.sum()
        return cls(float(total), low, high, *np.ldexp(found, exponent).tolist())

    @staticmethod
    def join(spreads, method):
        """Center and factor of the numbers of all places together."""
        spreads = [spread for spread in spreads if spread.weight > 0]
        if not spreads:
            return 0.0, 1.0
        weight, low, high, mean, deviation = np.array(spreads).T
        least, most = low.min(), high.max()
        if least == most:
            return float(least), 1.0
        exponent = np.frexp(max(-least, most))[1] + 1
        if method == "minmax":
            center, most = np.ldexp([least, most], -exponent)
            return _in_units(center, most - center, exponent)
        share = weight / weight.sum()
        mean, deviation = np.ldexp([mean, deviation], -exponent)
        center = share @ mean
        spread = np.sqrt(share @ (np.square(deviation) + np.square(mean - center)))
        return _in_units(center, spread, exponent)


def _mean_and_deviation(z, weight):
    """Mean and standard deviation of numbers, which are overwritten."""
    if weight is None or (weight == weight[0]).all():
        center = z.mean()
        z -= center
        return center, np.sqrt(np.square(z, out=z).mean())
    share = weight / weight.max()
    total = share.sum()
    center = z @ share / total
    z -= center
    return center, np.sqrt(np.square(z, out=z) @ share / total)


@dataclass(frozen=True)
class Scaling:
    """What `fit` learned about the scale of the numbers of a step, but its time.

    Attributes
    ----------
    method : {"standard", "robust", "minmax"} or None
        Where center and factor are from; None leaves numbers as they are.
    center, factor : tuple of float
        Of each number; empty without a method.
    """

    method: str | None = None
    center: tuple[float, ...] = ()
    factor: tuple[float, ...] = ()

    @classmethod
    def learn(cls, method, columns, weight=None):
        """Learn from columns (N,), float64, where NaN is missing.

        `weight` (N,) is that of the steps, None if they all weigh the same; those of weight 0 do
        not count. In quantiles, and in the smallest and largest value, all others count alike.
        """
        numbers = _that_count(columns, weight)
        found = [center_and_factor(column, method, shares) for column, shares in numbers]
        return cls._of(method, found)

    @staticmethod
    def look(columns, weight=None):
        """What `join` needs to know of columns, one of several places that have some."""
        return [Spread.of(*column) for column in _that_count(columns, weight)]

    @classmethod
    def join(cls, method, looks):
        """Learn from what is known of the columns of several places."""
        if method == "robust":
            raise ValueError(
                "scaling='robust' needs all numbers in one place: quartiles of partitions do not "
                "say which those of the whole are; take 'standard' or 'minmax', or scale X before"
            )
        columns = zip(*looks, strict=True)
        return cls._of(method, [Spread.join(column, method) for column in columns])

    @classmethod
    def _of(cls, method, found):
        for j, (_, factor) in enumerate(found):
            if not np.isfinite(factor):
                raise ValueError(
                    f"number {j} of the steps has values too large for scaling={method!r}"
                )
        center, factor = zip(*found, strict=True) if found else ((), ())
        return cls(method, center, factor)

    @property
    def rows(self):
        """Center and factor as arrays."""
        return np.array(self.center), np.array(self.factor)

    def apply(self, values, out):
        """Scale rows of numbers, float64, which are overwritten, into an array of any dtype."""
        center, factor = self.rows
        values -= center
        values /= factor
        out[...] = values

    def of(self, place):
        """Center and factor of what a network reads in a place; numbers stand first."""
        if place >= len(self.center):
            return 0.0, 1.0
        return self.center[place], self.factor[place]

    def undo(self, gradient):
        """Turn a gradient of what a network reads into that of what it is given, in place.

        The numbers stand first; what else is read stays as it is.
        """
        if self.method is not None:
            with np.errstate(over="ignore"):
                gradient[:, : len(self.factor)] /= np.array(self.factor)
        return gradient


def _that_count(columns, weight):
    """Yield the numbers of each column that are there and count, with their weights or None."""
    counts = None if weight is None or weight.all() else weight > 0
    for column in columns:
        there = ~np.isnan(column)
        there = None if there.all() else there
        if counts is not None:
            there = counts if there is None else there & counts
        if there is None:
            yield column, weight
        else:
            yield column[there], None if weight is None else weight[there]


NO_SCALING = Scaling()
"""Numbers are read as they are."""


def _check_scaling(fields):
    center, factor = fields["center"], fields["factor"]
    if len(center) != len(factor):
        raise ValueError("there must be as many factors as centers")
    if center and fields["method"] is None:
        raise ValueError("center and factor are those of a method")
    if not all(map(np.isfinite, center)) or not all(f > 0 and np.isfinite(f) for f in factor):
        raise ValueError("center and factor must be finite numbers, and factors above 0")


SCALING = Record(
    {
        "method": Optional(Text(METHODS)),
        "center": ListOf(Number(), tuple),
        "factor": ListOf(Number(), tuple),
    },
    Scaling,
    _check_scaling,
)
"""`Scaling` in files."""
