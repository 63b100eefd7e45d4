"""Forecasters and series that several files of tests need."""

import numpy as np
from contract import plain_forecaster

DIRECT = {"strategy": "direct", "horizon": 4}


def small(**params):
    """Return a forecaster that is fitted in a moment, in double precision."""
    defaults = {"hidden_layer_sizes": 5, "cell": "gru", "max_iter": 3, "dtype": "float64"}
    return plain_forecaster(**{**defaults, "random_state": 0, **params})


def learner(**params):
    """Return a forecaster that learns something."""
    defaults = {"learning_rate": "cosine", "learning_rate_init": 0.02, "max_iter": 40}
    defaults |= {"cell": "gru", "random_state": 0}
    return plain_forecaster(16, **{**defaults, **params})


def drifting(seed=0, lengths=(30, 41, 26)):
    """Return series above 0 of unequal length."""
    rng = np.random.default_rng(seed)
    return [100 * np.exp(np.cumsum(0.1 * rng.standard_normal(n))) for n in lengths]


def seasonal(n, seed=0, noise=0.1):
    """Return a series with a season of 12 steps, a trend and noise."""
    t = np.arange(n)
    rng = np.random.default_rng(seed)
    return 20 + 0.05 * t + 3 * np.sin(t * np.pi / 6) + noise * rng.standard_normal(n)
