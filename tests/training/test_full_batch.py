"""Training by lbfgs."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_network import MeanNetwork, fit, problem, start

import fastrnn.training
from fastrnn.training.loop import Settings, train


def test_lbfgs_solves_least_squares():
    sequences, target, weight = problem()
    settings = Settings(solver="lbfgs", tol=1e-9)
    network = MeanNetwork(3, 2)
    history = train(network, sequences, target, weight, settings, start())
    assert history.loss < 1e-9
    assert history.n_iter == len(history.gradient_norms) > 2
    assert_array_equal(history.loss_curve, np.minimum.accumulate(history.loss_curve))
    assert history.t == 23 * history.n_iter
    assert_allclose(network.theta[~network.decayed], 0.5, atol=1e-4)


def test_lbfgs_trains_a_float32_network():
    sequences, target, weight = problem(dtype="float32")
    network = MeanNetwork(3, 2, dtype="float32")
    settings = Settings(solver="lbfgs", tol=1e-3)
    history = train(network, sequences, target, weight, settings, start())
    assert network.theta.dtype == np.float32
    assert history.loss < 1e-5


def test_lbfgs_stops_at_the_size_of_the_gradient_alone():
    # Near the minimum the loss falls by less than tol long before the gradient is below it.
    network, data, largest = MeanNetwork(3, 2), problem(), []

    def watch(call, loss):
        largest.append(abs(network.grad).max())
        return loss

    network.change_loss = watch
    settings = Settings(solver="lbfgs", tol=0.005, n_iter_no_change=1)
    history = train(network, *data, settings, start())
    assert history.loss_curve[-3] - history.loss_curve[-2] < 0.005
    assert largest[-1] <= 0.005 < min(largest[:-1])


def test_lbfgs_records_loss_and_norm_of_each_iterate():
    thetas = []
    network, data = MeanNetwork(3, 2), problem()

    def validate():
        thetas.append(network.theta.copy())
        return float(len(thetas))

    _, history = fit(
        network, data, solver="lbfgs", max_iter=4, tol=0.0, validate=validate, early_stopping=True
    )
    for theta, loss, norm in zip(thetas, history.loss_curve, history.gradient_norms, strict=True):
        network.theta[:] = theta
        expected = network.loss_and_grad(data[0], np.arange(23), data[1], data[2])
        assert_allclose(loss, expected, rtol=1e-12)
        assert_allclose(norm, np.linalg.norm(network.grad), rtol=1e-12)


@pytest.mark.parametrize("limit", [{"max_iter": 2}, {"max_fun": 3}])
def test_lbfgs_warns_at_its_limits(limit):
    settings = Settings(solver="lbfgs", tol=0.0, **limit)
    with pytest.warns(fastrnn.training.ConvergenceWarning, match="before the loss converged"):
        train(MeanNetwork(3, 2), *problem(), settings, start())


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [("float32", "is rounding: try dtype='float64'.$"), ("float64", "is rounding.$")],
)
def test_lbfgs_warns_when_its_line_search_fails(dtype, advice):
    # A gradient of the wrong sign: the loss rises along every search direction.
    network = MeanNetwork(3, 2, dtype=dtype)

    def turn(call, loss):
        network.grad *= -1.0
        return loss

    network.change_loss = turn
    settings = Settings(solver="lbfgs")
    with pytest.warns(fastrnn.training.ConvergenceWarning, match="found no lower loss") as warned:
        train(network, *problem(dtype=dtype), settings, start())
    assert re.search(advice, str(warned[0].message))
    assert_array_equal(network.theta, 0.0)


def test_lbfgs_that_starts_at_the_minimum_has_one_iteration():
    sequences, target, weight = problem()
    target[:] = 0.0
    settings = Settings(solver="lbfgs")
    network = MeanNetwork(3, 2)
    history = train(network, sequences, target, weight, settings, start())
    assert (history.n_iter, history.loss_curve, history.gradient_norms) == (1, [0.0], [0.0])
