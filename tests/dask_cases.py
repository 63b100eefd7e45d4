"""What the tests of fastrnn.dask train on, loaded where it is needed."""

import numpy as np
from dask import delayed

from fastrnn import RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition

SIZES = (9, 14, 6, 11, 13)
"""Sequences in each partition."""


def load(k, twin, weighted=False, n=None):
    """Load a partition: ragged sequences, their targets and, if wanted, weights."""
    rng = np.random.default_rng(k)
    X = [rng.normal(size=(rng.integers(2, 9), 3)) for _ in range(SIZES[k] if n is None else n)]
    if twin is RNNTagger:
        y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
        weight = [rng.integers(0, 3, len(x)).astype(float) for x in X]
    else:
        total = np.array([x[:, 0].mean() for x in X])
        y = total if twin is RNNRegressor else np.where(total > 0, "up", "down")
        weight = rng.integers(0, 3, len(X)).astype(float)
    return X, y, weight if weighted else None


def given(number, *told):
    """Delayed X, y and, if there are any, weights of all partitions."""
    whole = [delayed(load)(k, *told) for k in range(number)]
    parts = [[part[j] for part in whole] for j in range(3)]
    return parts if len(told) > 1 and told[1] else parts[:2]


def fit_in_turn(estimator, parts, validation=None):
    """Fit in this process on partitions one after the other."""
    crew = InTurn([Partition(k, *part) for k, part in enumerate(parts)])
    scored = validation and InTurn([Partition(k, *part) for k, part in enumerate(validation)])
    return fit_jointly(estimator, crew, scored)
