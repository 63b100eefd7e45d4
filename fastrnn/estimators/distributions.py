"""Distributions that a forecaster learns: their means, quantiles and samples.

The network says parameters on the scale on which it reads; `unit` is what one is there in counts,
as `fastrnn.kernels.likelihoods` has it. Quantiles and samples are on the scale of the network, too.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy import special

_ALMOST_NORMAL = 1e9  # degrees of freedom: tails of that many and of more are the same
_ALMOST_POISSON = 1e-9  # excess of the variance over the mean, as a share
_LARGEST_MEAN = 1e18  # that a sample is drawn of


class Distribution(ABC):
    """What is told of parameters (..., P), the first of which is the point forecast."""

    counts = True
    """Whether it is of counts; else of any numbers."""

    @staticmethod
    @abstractmethod
    def quantiles(parameters, levels, unit):
        """Quantiles of some levels, (..., L)."""

    @staticmethod
    @abstractmethod
    def draw(parameters, unit, rng):
        """A sample of each, (...)."""


class StudentT(Distribution):
    """Numbers: location, which is the median, scale and degrees of freedom."""

    counts = False

    @staticmethod
    def quantiles(parameters, levels, unit):
        location, scale, df = (parameters[..., k, np.newaxis] for k in range(3))
        return location + scale * special.stdtrit(np.minimum(df, _ALMOST_NORMAL), levels)

    @staticmethod
    def draw(parameters, unit, rng):
        location, scale, df = (parameters[..., k] for k in range(3))
        return location + scale * rng.standard_t(np.minimum(df, _ALMOST_NORMAL))


class Poisson(Distribution):
    """Counts: their mean."""

    @staticmethod
    def quantiles(parameters, levels, unit):
        mean = parameters[..., :1] * unit[..., np.newaxis]
        return _count_quantiles(special.pdtr, mean, levels) / unit[..., np.newaxis]

    @staticmethod
    def draw(parameters, unit, rng):
        return rng.poisson(np.minimum(parameters[..., 0] * unit, _LARGEST_MEAN)) / unit


class NegativeBinomial(Distribution):
    """Counts that vary more: their mean, and the dispersion."""

    @staticmethod
    def quantiles(parameters, levels, unit):
        mean, alpha = _in_counts(parameters, unit)
        mean, n = mean[..., np.newaxis], 1 / alpha[..., np.newaxis]
        is_poisson = mean / n < _ALMOST_POISSON

        def at_most(k, mean):
            share = mean / (n + mean)
            return np.where(is_poisson, special.pdtr(k, mean), 1 - special.betainc(k + 1, n, share))

        return _count_quantiles(at_most, mean, levels) / unit[..., np.newaxis]

    @staticmethod
    def draw(parameters, unit, rng):
        """A Poisson count whose mean is drawn from a gamma."""
        mean, alpha = _in_counts(parameters, unit)
        return rng.poisson(np.minimum(rng.gamma(1 / alpha, mean * alpha), _LARGEST_MEAN)) / unit


DISTRIBUTIONS = {
    "student_t": StudentT,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
"""By the name of their likelihood, which is that of the head, too."""


def _in_counts(parameters, unit):
    """Mean and dispersion of counts (Salinas et al. 2020, section 4.1)."""
    return parameters[..., 0] * unit, parameters[..., 1] / np.sqrt(unit)


def _count_quantiles(at_most, mean, levels):
    """The smallest counts k with at least so much probability ``at_most(k, mean)``, (..., L)."""
    mean, levels = np.broadcast_arrays(mean, levels)
    low, high = np.full(mean.shape, -1.0), np.ceil(mean)
    while (short := at_most(high, mean) < levels).any():
        high = np.where(short, 2 * high + 1, high)
    while (high - low > np.maximum(1, 1e-12 * high)).any():
        middle = np.floor((low + high) / 2)
        enough = at_most(middle, mean) >= levels
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
