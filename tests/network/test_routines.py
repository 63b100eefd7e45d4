"""Minibatches whose calls of kernels are those of the one before, made again: the same bits."""

import numpy as np
import pytest
from gradient_cases import BOTH, CELL, make_network, make_task

from fastrnn.kernels.vector_math import products
from fastrnn.network import minibatches
from fastrnn.network.minibatches import Routine

pytestmark = pytest.mark.skipif(products() == "blas", reason="there are none with BLAS")


@pytest.fixture
def routines(monkeypatch):
    """How many minibatches were done by routine, in a list."""
    counts, run = [0], Routine.run

    def count(self, total):
        counts[0] += 1
        return run(self, total)

    monkeypatch.setattr(Routine, "run", count)
    return counts


def lessons(network, task, **options):
    """Losses and gradients of minibatches: alike, shorter ones, of other weight, and alike."""
    results = []
    order = np.random.default_rng(0).permutation(len(task.sequences))
    for begin, end in [(0, 4), (2, 6), (1, 5), (0, 4), (3, 5), (0, 2), (4, 6), (0, 4), (1, 5)] * 2:
        loss = network.loss_and_grad(
            task.sequences, order[begin:end], task.target, task.weight, **options
        )
        results.append((loss, network.grad.copy()))
        network.theta -= 0.1 * network.grad
    return results


def assert_same(network, task, monkeypatch, **options):
    """That the results are those of a network that does without routines."""
    start = network.theta.copy()
    results = lessons(network, task, **options)
    network.theta[:] = start
    network.release_memory()
    monkeypatch.setattr(Routine, "is_possible", lambda *arguments: False)
    for (loss, grad), (expected, expected_grad) in zip(
        results, lessons(network, task, **options), strict=True
    ):
        assert loss == expected
        np.testing.assert_array_equal(grad, expected_grad)


@CELL
@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_cell(cell, bidirectional, dtype, routines, monkeypatch):
    network = make_network(cell, bidirectional=bidirectional, dtype=dtype, alpha=0.1)
    assert_same(network, make_task(ragged=False, dtype=dtype), monkeypatch)
    assert routines[0] == 12


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "mean+max", "steps"])
@BOTH
def test_every_pooling(pooling, loss, bidirectional, routines, monkeypatch):
    network = make_network("gru", pooling=pooling, bidirectional=bidirectional, loss=loss)
    assert_same(network, make_task(ragged=False, loss=loss, pooling=pooling), monkeypatch)
    assert routines[0] == 12


def test_another_total(routines, monkeypatch):
    network = make_network("lstm")
    assert_same(network, make_task(ragged=False), monkeypatch, total=lambda own: own + 3)
    assert routines[0] == 12


def test_weights_of_zero(routines, monkeypatch):
    network, task = make_network("lstm"), make_task(ragged=False)
    task.weight[:] = [0, 0, 0, 0, 1, 1]
    assert_same(network, task, monkeypatch)


@pytest.mark.parametrize(
    "options",
    [{"bptt_steps": 2}, {"window": (0, 3)}, {"n_jobs": 2}, {"rng": np.random.default_rng(0)}],
    ids=lambda options: next(iter(options)),
)
def test_what_is_not_the_same_every_time(options, routines):
    network, task = make_network("lstm", dropout=0.5), make_task(ragged=False)
    lessons(network, task, **options)
    assert routines[0] == 0


def test_sequences_of_other_lengths(routines, monkeypatch):
    assert_same(make_network("lstm"), make_task(), monkeypatch)
    assert routines[0] == 0


def test_other_data(routines):
    network = make_network("lstm")
    for task in [make_task(ragged=False, seed=seed) for seed in range(3)]:
        data = task.sequences, task.indices, task.target, task.weight
        expected = make_network("lstm").loss_and_grad(*data)
        for _ in range(3):
            assert network.loss_and_grad(*data) == expected
    assert routines[0] == 5


def test_the_caller_keeps_his_indices():
    network, task = make_network("lstm"), make_task(ragged=False)
    order = np.arange(6)
    for begin in (0, 2, 1, 0):
        network.loss_and_grad(task.sequences, order[begin : begin + 4], task.target, task.weight)
    np.testing.assert_array_equal(order, np.arange(6))


def test_a_network_that_is_regularized_later_draws(routines):
    network, task = make_network("lstm"), make_task(ragged=False)
    rng = np.random.default_rng(0)
    lessons(network, task, rng=rng)
    assert routines[0] > 0
    before = routines[0]
    network.regularize(dropout=0.5)
    lessons(network, task, rng=rng)
    assert routines[0] == before


def test_memory_is_released():
    network, task = make_network("lstm"), make_task(ragged=False)
    lessons(network, task)
    assert isinstance(network.kept, minibatches.Kept)
    network.release_memory()
    assert network.kept is None
