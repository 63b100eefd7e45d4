"""Losses: values against plain numpy, gradients against central differences, extreme inputs."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.kernels.losses import (
    binary_log_loss,
    quantile_loss,
    sigmoid,
    softmax,
    softmax_log_loss,
    squared_error,
    sum_of_weights,
)

KERNELS = {
    "log_loss": softmax_log_loss,
    "binary_log_loss": binary_log_loss,
    "squared_error": squared_error,
}
# One output, fewer than eight lanes, exactly eight, several blocks and a rest, of eight and of 64.
SHAPES = [(1, 1), (4, 3), (2, 8), (5, 19), (2, 130)]
TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def log_loss(logits, target, weight, dlogits):
    """The loss of a batch that is not cut, weights as they are."""
    return softmax_log_loss(logits, target, weight, np.arange(len(logits)), 1.0, dlogits)


def square_loss(outputs, target, weight, doutputs):
    """Likewise."""
    return squared_error(outputs, target, weight, np.arange(len(outputs)), 1.0, doutputs)


def labels_loss(logits, target, weight, dlogits):
    """Likewise."""
    return binary_log_loss(logits, target, weight, np.arange(len(logits)), 1.0, dlogits)


LEVELS = np.array([0.1, 0.5, 0.75])


def pinball_loss(outputs, target, weight, doutputs):
    """Likewise, for `LEVELS`."""
    order = np.arange(len(outputs))
    return quantile_loss(outputs, target, weight, order, 1.0, doutputs, LEVELS)


def log_loss_problem(B, K, dtype, seed=0):
    rng = np.random.default_rng(seed)
    logits = (3.0 * rng.standard_normal((B, K))).astype(dtype)
    return logits, rng.integers(0, K, B), rng.uniform(0.5, 2.0, B).astype(dtype)


def plain_softmax(logits):
    exps = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def central_differences(function, x, step=1e-5):
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2.0 * step)
    return gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_softmax_log_loss_is_the_formula(B, K, dtype):
    logits, target, weight = log_loss_problem(B, K, dtype)
    p = plain_softmax(logits)
    dlogits = np.full_like(logits, np.nan)
    buffer = logits.copy()
    loss = log_loss(buffer, target, weight, dlogits)
    tolerance = TOLERANCE[dtype]
    assert_allclose(
        loss, -(weight * np.log(p[np.arange(B), target])).sum(), rtol=tolerance, atol=tolerance
    )
    assert_allclose(buffer, p, rtol=10 * tolerance, atol=tolerance)
    assert_allclose(dlogits, weight[:, None] * (p - np.eye(K)[target]), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_softmax_log_loss_gradient_is_exact(B, K):
    logits, target, weight = log_loss_problem(B, K, "float64", seed=1)
    dlogits = np.empty_like(logits)

    def loss(z):
        return log_loss(z.copy(), target, weight, np.empty_like(z))

    log_loss(logits.copy(), target, weight, dlogits)
    assert_allclose(dlogits, central_differences(loss, logits), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("peak", range(19))
def test_the_largest_logit_is_found_wherever_it_is(peak, dtype):
    # Were it missed, exp of the difference would overflow.
    logits = np.zeros((2, 19), dtype)
    logits[:, peak] = 1e4
    softmax(logits)
    assert_array_equal(logits, np.tile(np.eye(19, dtype=dtype)[peak], (2, 1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_are_exact(dtype):
    top = np.finfo(dtype).max
    logits = np.array(
        [[1e30, -1e30, 0], [-1e30, -1e30, -1e30], [top, -top, top], [-top, top, -top]], dtype
    )
    p = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5], [0, 1, 0]], dtype)
    weight = np.array([1, 2, 1, 1], dtype)
    target = np.array([0, 2, 2, 1])
    dlogits = np.empty_like(logits)
    loss = log_loss(logits, target, weight, dlogits)
    assert_allclose(loss, 2 * np.log(3.0) + np.log(2.0), rtol=1e-15)
    assert_allclose(logits, p, rtol=1e-7)
    assert_allclose(dlogits, weight[:, None] * (p - np.eye(3, dtype=dtype)[target]), rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wrong_class_at_extreme_logits_costs_much_but_is_not_nan(dtype):
    top = np.finfo(dtype).max
    weight, target = np.array([1, 0], dtype), np.array([1, 1])
    for size in (1e30, top):
        logits = np.array([[size, -size], [size, -size]], dtype)
        dlogits = np.empty_like(logits)
        loss = log_loss(logits, target, weight, dlogits)
        # The second row has no weight: it adds nothing, although its own loss is as large.
        assert loss >= 1.9e30
        assert_array_equal(logits, [[1, 0], [1, 0]])
        assert_array_equal(dlogits, [[1, -1], [0, 0]])
        alone = log_loss(np.array([[size, -size]], dtype), target[1:], weight[1:], dlogits[1:])
        assert alone == 0.0


def test_loss_of_a_far_class_keeps_its_digits_in_float32():
    # log p underflows to log 0 when it is taken of the probability.
    logits = np.array([[0, 200]], "float32")
    loss = log_loss(logits, np.array([0]), np.ones(1, "float32"), np.empty((1, 2), "float32"))
    assert loss == 200.0


def test_sums_are_accumulated_in_double():
    rng = np.random.default_rng(2)
    B, K = 20, 50_000
    logits = rng.uniform(-1.0, 1.0, (B, K)).astype("float32")
    target, weight = rng.integers(0, K, B), np.ones(B, "float32")
    expected = -np.log(plain_softmax(logits)[np.arange(B), target]).sum()
    loss = log_loss(logits, target, weight, np.empty_like(logits))
    assert_allclose(loss, expected, rtol=1e-8)
    assert_allclose(logits.sum(axis=1, dtype=float), 1.0, rtol=1e-6)


def test_nan_stays_nan_in_its_row():
    logits = np.zeros((2, 9))
    logits[0, 4] = np.nan
    softmax(logits)
    assert np.isnan(logits[0]).all()
    assert_allclose(logits[1], 1 / 9, rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_softmax_is_what_the_log_loss_leaves(B, K, dtype):
    logits, target, weight = log_loss_problem(B, K, dtype, seed=3)
    p = logits.copy()
    softmax(p)
    log_loss(logits, target, weight, np.empty_like(logits))
    assert_array_equal(p, logits)


def labels_problem(B, K, dtype, seed=0):
    rng = np.random.default_rng(seed)
    logits = (3.0 * rng.standard_normal((B, K))).astype(dtype)
    target = rng.integers(0, 2, (B, K)).astype(dtype)
    return logits, target, rng.uniform(0.5, 2.0, B).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_binary_log_loss_is_the_formula(B, K, dtype):
    logits, target, weight = labels_problem(B, K, dtype)
    p = 1.0 / (1.0 + np.exp(-logits.astype(float)))
    dlogits, buffer = np.full_like(logits, np.nan), logits.copy()
    for array in (target, weight):
        array.flags.writeable = False
    loss = labels_loss(buffer, target, weight, dlogits)
    per_row = -np.log(np.where(target == 1, p, 1 - p)).sum(axis=1)  # a sum over the labels
    tolerance = TOLERANCE[dtype]
    assert_allclose(loss, (weight * per_row).sum(), rtol=10 * tolerance)
    assert_allclose(buffer, p, rtol=10 * tolerance)
    assert_allclose(dlogits, weight[:, None] * (p - target), rtol=0, atol=tolerance)
    sigmoid(logits)
    assert_allclose(logits, p, rtol=10 * tolerance)


@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_binary_log_loss_gradient_is_exact(B, K):
    logits, target, weight = labels_problem(B, K, "float64", seed=1)
    dlogits = np.empty_like(logits)

    def loss(z):
        return labels_loss(z.copy(), target, weight, np.empty_like(z))

    labels_loss(logits.copy(), target, weight, dlogits)
    assert_allclose(dlogits, central_differences(loss, logits), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_log_loss_of_extreme_logits(dtype):
    top = np.finfo(dtype).max
    logits = np.array([[top, -top, 200, -200], [top, -top, -200, 200], [top] * 4], dtype)
    target = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [0] * 4], dtype)
    weight = np.array([1, 1, 0], dtype)  # the last row adds nothing, however wrong it is
    dlogits = np.empty_like(logits)
    buffer = logits.copy()
    loss = labels_loss(buffer, target, weight, dlogits)
    assert_allclose(loss, 400.0, rtol=1e-15)
    assert_allclose(buffer, logits > 0, rtol=0, atol=1e-80 if dtype == "float64" else 1e-38)
    assert_allclose(dlogits, weight[:, None] * (buffer - target), rtol=0)
    sigmoid(logits)
    assert np.isfinite(logits).all()
    wrong = np.array([[top]], dtype)
    assert labels_loss(wrong, np.zeros((1, 1), dtype), weight[:1], dlogits[:1, :1].copy()) >= top


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_squared_error_is_the_formula(B, K, dtype):
    rng = np.random.default_rng(4)
    outputs = rng.standard_normal((B, K)).astype(dtype)
    target = rng.standard_normal((B, K)).astype(dtype)
    weight = rng.uniform(0.5, 2.0, B).astype(dtype)
    doutputs = np.full_like(outputs, np.nan)
    for array in (outputs, target, weight):
        array.flags.writeable = False
    loss = square_loss(outputs, target, weight, doutputs)
    difference = outputs.astype(float) - target
    expected = (weight * 0.5 * (difference**2).mean(axis=1)).sum()
    assert_allclose(loss, expected, rtol=1e-14)
    assert_allclose(doutputs, weight[:, None] * difference / K, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize(("B", "K"), SHAPES)
def test_squared_error_gradient_is_exact(B, K):
    rng = np.random.default_rng(5)
    outputs, target = rng.standard_normal((2, B, K))
    weight, doutputs = rng.uniform(0.5, 2.0, B), np.empty((B, K))

    def loss(o):
        return square_loss(o, target, weight, np.empty((B, K)))

    square_loss(outputs, target, weight, doutputs)
    assert_allclose(doutputs, central_differences(loss, outputs), rtol=0, atol=1e-9)


def quantile_problem(B, M, dtype):
    """Return targets, and three outputs of each that are not close to it."""
    rng = np.random.default_rng(8)
    target = rng.standard_normal((B, M)).astype(dtype)
    distance = rng.uniform(0.1, 2.0, (B, M, 3)) * rng.choice([-1, 1], (B, M, 3))
    outputs = (target[:, :, None] + distance).astype(dtype).reshape(B, -1)
    return outputs, target, rng.uniform(0.5, 2.0, B).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "M"), SHAPES)
def test_quantile_loss_is_the_formula(B, M, dtype):
    outputs, target, weight = quantile_problem(B, M, dtype)
    doutputs = np.full_like(outputs, np.nan)
    for array in (outputs, target, weight):
        array.flags.writeable = False
    loss = pinball_loss(outputs, target, weight, doutputs)
    below = target[:, :, None].astype(float) - outputs.reshape(B, M, 3)
    expected = np.maximum(LEVELS * below, (LEVELS - 1) * below).mean(axis=(1, 2))
    slope = np.where(below > 0, -LEVELS, 1 - LEVELS).reshape(B, -1) / (3 * M)
    tolerance = TOLERANCE[dtype]
    assert_allclose(loss, (weight * expected).sum(), rtol=tolerance)
    assert_allclose(doutputs, weight[:, None] * slope, rtol=tolerance)


@pytest.mark.parametrize(("B", "M"), SHAPES)
def test_quantile_loss_gradient_is_exact(B, M):
    outputs, target, weight = quantile_problem(B, M, "float64")
    doutputs = np.empty_like(outputs)

    def loss(o):
        return pinball_loss(o, target, weight, np.empty_like(o))

    pinball_loss(outputs, target, weight, doutputs)
    assert_allclose(doutputs, central_differences(loss, outputs), rtol=0, atol=1e-9)


def test_quantile_loss_is_flat_at_the_kink():
    doutputs = np.full((1, 3), np.nan)
    assert pinball_loss(np.full((1, 3), 2.0), np.array([[2.0]]), np.ones(1), doutputs) == 0
    assert_array_equal(doutputs, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [square_loss, pinball_loss])
def test_a_target_that_is_nan_is_left_out(loss, dtype):
    outputs, target, weight = quantile_problem(5, 4, dtype)
    n_each = 3 if loss is pinball_loss else 1
    outputs = outputs if n_each == 3 else outputs[:, :4].copy()
    gap = np.random.default_rng(9).random((5, 4)) < 0.4
    gap[0] = True  # a row without any target
    target[gap] = np.nan
    doutputs, expected = np.full((2, *outputs.shape), np.nan, dtype)
    value = loss(outputs, target, weight, doutputs)
    # As if the outputs there were right, whatever they are.
    there = np.repeat(gap, n_each, axis=1)
    right = np.where(there, 0, outputs).astype(dtype)
    assert_allclose(value, loss(right, np.nan_to_num(target), weight, expected), rtol=1e-12)
    assert_array_equal(doutputs[there], 0)
    assert_array_equal(doutputs, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["log_loss", "binary_log_loss", "squared_error", "quantiles"])
def test_rows_find_their_target_and_weight(name, dtype):
    rng = np.random.default_rng(7)
    outputs = rng.standard_normal((3, 4)).astype(dtype)
    targets = {
        "log_loss": rng.integers(0, 4, 6),
        "binary_log_loss": rng.integers(0, 2, (6, 4)),
        "squared_error": rng.standard_normal((6, 4)),
        "quantiles": rng.standard_normal((6, 4)),
    }
    outputs = outputs if name != "quantiles" else rng.standard_normal((3, 12)).astype(dtype)
    target = targets[name] if name == "log_loss" else targets[name].astype(dtype)
    weight, order = rng.uniform(0.5, 2.0, 6).astype(dtype), np.array([4, 0, 5])
    wholes = {
        "log_loss": log_loss, "binary_log_loss": labels_loss, "squared_error": square_loss,
        "quantiles": pinball_loss,
    }  # fmt: skip
    whole = wholes[name]
    gradient, expected = np.empty((2, *outputs.shape), dtype)
    kernel = KERNELS.get(name) or partial(quantile_loss, levels=LEVELS)
    loss = kernel(outputs.copy(), target, weight, order, 2.5, gradient)
    share = (weight / weight.dtype.type(2.5))[order]
    tolerance = TOLERANCE[dtype]
    assert_allclose(loss, whole(outputs, target[order], share, expected), rtol=10 * tolerance)
    assert_allclose(gradient, expected, rtol=10 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KERNELS)
def test_the_gradient_may_take_the_place_of_the_outputs(name, dtype):
    # The network asks for that.
    rng = np.random.default_rng(8)
    outputs = rng.standard_normal((3, 70)).astype(dtype)
    target = rng.integers(0, 2, 3) if name == "log_loss" else rng.integers(0, 2, (3, 70))
    target = target if name == "log_loss" else target.astype(dtype)
    rest = (target, np.ones(3, dtype), np.arange(3), 3.0)
    gradient, in_place = np.empty_like(outputs), outputs.copy()
    loss = KERNELS[name](outputs.copy(), *rest, gradient)
    assert KERNELS[name](in_place, *rest, in_place) == loss
    assert_array_equal(in_place, gradient)


def test_weights_are_summed_in_double():
    weight = np.full(1000, 0.1, "float32")
    weight[0] = 1e8
    order = np.random.default_rng(0).permutation(1000)[:700]
    assert_allclose(sum_of_weights(weight, order), weight[order].sum(dtype=float), rtol=1e-12)
    assert_allclose(sum_of_weights(weight, order[:0]), 0)


def test_squared_error_of_large_float32_does_not_overflow():
    outputs, target = np.array([[1e30], [1e30]], "float32"), np.array([[-1e30], [0]], "float32")
    weight, doutputs = np.array([1, 0], "float32"), np.empty((2, 1), "float32")
    assert_allclose(square_loss(outputs, target, weight, doutputs), 2e60, rtol=1e-6)
    assert_allclose(doutputs, [[2e30], [0]], rtol=1e-6)
