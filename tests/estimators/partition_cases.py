"""What tests of partitions share: data, and models that are soon trained."""

import itertools
import warnings

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.partitions import InTurn, Partition

ESTIMATORS = pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor, RNNTagger])


def make_data(n=48, low=2, high=12, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.normal(3.0, 2.0, (rng.integers(low, high), 3)) for _ in range(n)]
    return X, rng.random(n) + 0.1


def targets_of(estimator, X):
    means = np.array([x[:, 0].mean() for x in X])
    if estimator is RNNTagger:
        return [np.where(x[:, 0] > 3.0, "up", "down") for x in X]
    if estimator is RNNRegressor:
        return 10.0 + 5.0 * means
    return np.where(means > 3.3, "up", np.where(means < 2.7, "down", "level"))


def cut(X, y, sample_weight=None, ends=()):
    """A crew of partitions: what lies before, between and after some numbers of sequences."""
    ends = [0, *ends, len(X)]
    weights = [None if sample_weight is None else sample_weight[a:b] for a, b in pairs(ends)]
    return InTurn(
        [
            Partition(k, X[a:b], y[a:b], weight)
            for k, ((a, b), weight) in enumerate(zip(pairs(ends), weights, strict=True))
        ]
    )


def pairs(ends):
    return list(itertools.pairwise(ends))


def small(estimator, **params):
    plain = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 1, "batch_size": 20}
    return estimator(**{**plain, "dropout": 0.0, **params})


@pytest.fixture(autouse=True)
def few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training (stopped|has)|.*learned nothing")
        yield


def assert_same(a, b):
    """The same model to the bit, with the same history, and the same random numbers to come."""
    np.testing.assert_array_equal(a.network_.theta, b.network_.theta)
    assert a.network_.architecture == b.network_.architecture
    fitted = {name for name in vars(a) if name.endswith("_")}
    assert fitted == {name for name in vars(b) if name.endswith("_")}
    for name in fitted - {"network_", "reader_", "task_", "training_state_"}:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.training_state_.rng.random() == b.training_state_.rng.random()
    assert a.training_state_.t == b.training_state_.t
