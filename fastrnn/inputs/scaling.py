"""How a series is brought to a common scale before a network reads it, and back.

Three steps, each undone in the opposite order: the logarithm, the seasonal pattern, the scale. All
are learned from the series itself, as far as it is known.

The logarithm "log1p" takes zeros and values below, and does not depend on the unit of a series:

    z = sign(y) log(1 + |y| / u),    u = 0.1 mean |y|.

Where |y| is far above u it is the logarithm, of values that hardly differ from 0 it is y / u.

The seasonal pattern is that of classical decomposition (Makridakis, Wheelwright and Hyndman 1998,
chapter 3): a centred moving average over one season is the trend, and the mean difference from it
at each place of the season, made to sum to 0, is the pattern; of logarithms it is multiplicative.
A series has one only where its autocorrelation at the lag of a season is significant, by the test
of the M3 and M4 competitions (Makridakis and Hibon 2000): with r_k the autocorrelation at lag k,

    |r_m| > 1.645 sqrt((1 + 2 (r_1^2 + ... + r_{m-1}^2)) / T),

and where it is at least three seasons long.
"""

from dataclasses import dataclass

import numpy as np

SHARE = 0.1
"""Of the mean size of a series: below it "log1p" is linear rather than a logarithm."""

USUAL_SPREAD, LEAST_SPREAD = 0.05, 1e-4
"""A network reads the logarithm of the first of these as 0; what is smaller counts as the other."""

SIGNIFICANT = 1.645  # of a normal distribution, 90 % on both sides
MIN_SEASONS = 3
LOG1P = "log1p"
COUNTS = "counts"
LOGS = (False, True, LOG1P)
"""What may be taken; kernels know them by their numbers."""


@dataclass(frozen=True, eq=False)
class Scale:
    """How one series is scaled: ``(log(y) - season - shift) / factor``.

    Attributes
    ----------
    log : bool or "log1p"
        Whether logarithms are taken, and which.
    season : ndarray of shape (m,)
        The seasonal pattern, from the first step on.
    shift, factor : float
        A factor of 0 belongs to a series that does not vary.
    unit : float
        u of "log1p"; 1 otherwise.
    spread : float
        Mean absolute difference of one observed value from the one before, without the seasonal
        pattern: of logarithms, else as a share of the mean size of the values.
    """

    log: bool | str
    season: np.ndarray
    shift: float
    factor: float
    unit: float = 1.0
    spread: float = 0.0

    @property
    def feature(self):
        """The spread as a network reads it."""
        return float(np.log(max(self.spread, LEAST_SPREAD) / USUAL_SPREAD))

    def apply(self, values, start=0):
        """Scale the values (T,) of the series; the first of these steps has the number `start`."""
        z = _log(values, self.log, self.unit)
        return (z - self._seasonal(start, len(z)) - self.shift) / (self.factor or 1.0)

    def undo(self, scaled, start):
        """Bring scaled values, (h,) or (h, q), back to the scale of the series.

        The first of these steps has the number `start`.
        """
        season = self._seasonal(start, len(scaled)).reshape(-1, *[1] * (scaled.ndim - 1))
        z = scaled * self.factor + self.shift + season
        if self.log == LOG1P:
            return np.copysign(np.expm1(np.abs(z)) * self.unit, z)
        return np.exp(z) if self.log else z

    def _seasonal(self, start, n):
        return self.season[np.arange(start, start + n) % len(self.season)]


def learn_scale(values, scaling, log, seasonality, name):
    """Learn how to scale a series, NaN where a value is missing, at least two are not.

    With `scaling` "difference" the factor is the mean absolute difference of one observed value
    from the one before, with the last one as shift; with "standard" the standard deviation, with
    the mean as shift; with "level" the mean absolute value; with "counts" one more than
    that (Salinas et al. 2020, section 4.3); with None it is 1. `name` is for messages.
    """
    observed = np.flatnonzero(~np.isnan(values))
    z = values[observed]
    check_positive(values, log, name)
    unit = (SHARE * np.abs(z).mean() or 1.0) if log == LOG1P else 1.0
    z = _log(z, log, unit)
    season = np.zeros(1)
    if seasonality is not None:
        filled = np.interp(np.arange(len(values)), observed, z)
        if _is_seasonal(filled, seasonality):
            season = _seasonal_pattern(filled, observed, seasonality)
            z = z - season[observed % seasonality]
    changes = np.abs(np.diff(z)).mean()
    spread = changes if log else changes / (np.abs(values[observed]).mean() or 1.0)
    shift, factor = 0.0, 1.0
    if scaling == "difference":
        shift, factor = z[-1], changes
    elif scaling == "standard":
        shift, factor = z.mean(), z.std()
    elif scaling == "level":
        factor = np.abs(z).mean()
    elif scaling == COUNTS:
        factor = 1 + np.abs(z).mean()
    if factor <= 1e-12 * np.abs(z).max():
        factor = 0.0  # what is left is rounding
    return Scale(log, season, float(shift), float(factor), float(unit), float(spread))


def check_positive(values, log, name):
    """Check that values have a logarithm, if they need one."""
    wrong = np.flatnonzero(values <= 0)
    if needs_positive(log) and wrong.size:
        raise ValueError(
            f"{name} is {values[wrong[0]]} at step {wrong[0]}, but log=True needs values above 0: "
            "log='log1p' takes any"
        )


def check_counts(values, name, likelihood):
    """Check that values are counts: whole, and not negative."""
    wrong = np.flatnonzero((values < 0) | (values % 1 > 0))
    if wrong.size:
        raise ValueError(
            f"{name} is {values[wrong[0]]} at step {wrong[0]}, but likelihood={likelihood!r} needs "
            "counts: whole numbers >= 0"
        )


def needs_positive(log):
    """Whether values must be above 0."""
    return bool(log) and log != LOG1P


def _log(values, log, unit):
    if log == LOG1P:
        return np.copysign(np.log1p(np.abs(values) / unit), values)
    return np.log(values) if log else values


def _is_seasonal(z, m):
    """Whether the autocorrelation at lag m is significant."""
    if len(z) < MIN_SEASONS * m:
        return False
    z = z - z.mean()
    total = z @ z
    if total == 0:
        return False
    r = np.array([z[lag:] @ z[:-lag] for lag in range(1, m + 1)]) / total
    limit = SIGNIFICANT * np.sqrt((1 + 2 * (r[:-1] @ r[:-1])) / len(z))
    return bool(abs(r[-1]) > limit)


def _seasonal_pattern(z, observed, m):
    """The mean difference from the trend at each place of the season, of observed values."""
    weights = np.full(m, 1 / m)
    if m % 2 == 0:
        weights = np.convolve(weights, [0.5, 0.5])
    trend = np.convolve(z, weights, "valid")
    first = (len(z) - len(trend)) // 2
    inner = observed[(observed >= first) & (observed < first + len(trend))]
    difference = z[inner] - trend[inner - first]
    counts = np.bincount(inner % m, minlength=m)
    pattern = np.bincount(inner % m, difference, minlength=m) / np.maximum(counts, 1)
    return pattern - pattern.mean()
