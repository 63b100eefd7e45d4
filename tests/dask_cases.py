"""What the tests of fastrnn.dask share: a cluster, and what is trained on, loaded where needed."""

import contextlib
import importlib
import time

import numpy as np
from dask import delayed
from distributed import Client, LocalCluster

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


def fit_in_turn(estimator, parts, validation=None, **options):
    """Fit in this process on partitions one after the other."""
    crew = InTurn([Partition(k, *part) for k, part in enumerate(parts)])
    scored = validation and InTurn([Partition(k, *part) for k, part in enumerate(validation)])
    return fit_jointly(estimator, crew, scored, **options)


@contextlib.contextmanager
def two_workers():
    """A client of a cluster of two workers, each a process of one thread."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


def assert_same(fitted, reference):
    """Check that two models have the same weights and history, to the bit."""
    assert np.array_equal(fitted.network_.theta, reference.network_.theta)
    assert fitted.loss_curve_ == reference.loss_curve_
    assert fitted.validation_scores_ == reference.validation_scores_


def wait_until(condition, seconds=10):
    """Wait until something is so, for a while."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.02)


def assert_forgotten(client):
    """Check that nothing of a fit is left on the cluster."""

    def left(dask_scheduler=None):
        return [key for key in dask_scheduler.tasks if str(key).startswith("fastrnn-")]

    with contextlib.suppress(AssertionError):
        wait_until(lambda: not client.futures and not client.run_on_scheduler(left))
    assert not client.futures
    assert not client.run_on_scheduler(left)


def from_pandas(frame, npartitions):
    """A data frame of Dask with these rows in this order."""
    return importlib.import_module("dask.dataframe").from_pandas(
        frame, npartitions=npartitions, sort=False
    )
