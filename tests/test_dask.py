"""fastrnn.dask: the bits of one process, whatever becomes of the workers."""

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")


import time

import numpy as np
from dask_cases import fit_in_turn, given, load
from distributed import Client, LocalCluster

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.dask import DaskRNNClassifier, DaskRNNRegressor, DaskRNNTagger

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
ON_DASK = {
    RNNClassifier: DaskRNNClassifier,
    RNNRegressor: DaskRNNRegressor,
    RNNTagger: DaskRNNTagger,
}
PLAIN = {"hidden_layer_sizes": 6, "max_iter": 2, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def client():
    """A cluster of two workers, each a process of one thread."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
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

    wait_until(lambda: not client.futures and not client.run_on_scheduler(left))


@pytest.mark.parametrize(
    ("twin", "parameters", "weighted", "validated"),
    [
        (RNNClassifier, {"dropout": 0.5, "class_weight": "balanced", "augment": 1.0}, True, False),
        (RNNClassifier, {"early_stopping": True, "n_iter_no_change": 1}, False, True),
        (RNNRegressor, {"solver": "lbfgs"}, True, False),
        (RNNRegressor, {"missing": "mask", "scaling": "standard"}, False, True),
        (RNNTagger, {"dropout": 0.5}, True, True),
    ],
    ids=["classifier", "early stopping", "lbfgs", "scaling", "tagger"],
)
def test_the_bits_of_one_process(client, twin, parameters, weighted, validated):
    parameters = PLAIN | parameters
    parts = [load(k, twin, weighted) for k in range(4)]
    held_out = [load(4, twin)] if validated else None
    reference = fit_in_turn(twin(**parameters), parts, held_out)
    X, y, *weight = given(4, twin, weighted)
    validation = [part[4:] for part in given(5, twin)] if validated else None
    fitted = ON_DASK[twin](**parameters).fit(X, y, *weight, validation_data=validation)
    assert_same(fitted, reference)
    assert_same(fitted.to_local(), reference)
    assert type(fitted.to_local()) is twin
    assert_forgotten(client)
