"""Likelihoods where they are hard: extreme outputs, large counts, next to no dispersion."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special, stats

from fastrnn.kernels.likelihoods import (
    negative_binomial,
    negative_binomial_loss,
    poisson_loss,
    rate,
    student_t,
    student_t_loss,
)

DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
LOSSES = {
    "student_t": (student_t_loss, 3),
    "poisson": (poisson_loss, 1),
    "negative_binomial": (negative_binomial_loss, 2),
}


def loss_of(kind, outputs, targets, unit=1.0, dtype="float64", weight=None):
    """Loss and gradient of one row with these targets, each with the same outputs."""
    kernel, _ = LOSSES[kind]
    targets = np.array([targets], dtype=dtype)
    if kind == "negative_binomial":
        targets = np.append(targets / unit, [[unit]], axis=1).astype(dtype)
    outputs = np.tile(outputs, len(targets[0]) - (kind == "negative_binomial"))
    outputs = outputs[np.newaxis].astype(dtype)
    gradient = np.full_like(outputs, np.nan)
    weight = np.ones(1, dtype) if weight is None else weight
    loss = kernel(outputs, targets, weight, np.zeros(1, np.int64), 1.0, gradient)
    return loss, gradient[0]


@DTYPE
@pytest.mark.parametrize("kind", LOSSES)
def test_extreme_outputs_have_finite_losses_and_gradients(kind, dtype):
    top = float(np.finfo("float32").max)
    sizes = [0, 200, -200, 1e30, -1e30, top, -top]
    counts, units = [0, 1, 1e6], [1.0, 1e6]
    for outputs in itertools.product(sizes, repeat=LOSSES[kind][1]):
        for target, unit in itertools.product(counts, units):
            loss, gradient = loss_of(kind, np.array(outputs), [target], unit, dtype)
            assert np.isfinite(loss), (outputs, target, unit)
            assert np.isfinite(gradient).all(), (outputs, target, unit)


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_are_exact_in_the_corners(kind):
    _, n = LOSSES[kind]
    for outputs in itertools.product([-35, -12, 0.3, 12, 31], repeat=n):
        for target in (0.0, 1.0, 40.0, 1e4):
            outputs = np.array(outputs, dtype=float)
            loss, gradient = loss_of(kind, outputs, [target], 3.0)
            for k in range(n):
                step = 1e-4 * (np.arange(n) == k)
                above, below = (
                    loss_of(kind, outputs + s * step, [target], 3.0)[0] for s in (1, -1)
                )
                # What is lost when losses of this size are subtracted; and beyond a curve's end.
                lost = 1e-11 * abs(loss) + 1e-6 * np.abs(gradient).max() + 1e-9
                assert abs(gradient[k] - (above - below) / 2e-4) < lost, (outputs, target, k)


@pytest.mark.parametrize("count", [0, 1, 7, 1e3, 1e6])
def test_without_dispersion_a_negative_binomial_is_a_poisson(count):
    mean = count + 0.7
    z = np.log(np.expm1(mean)) if mean < 500 else mean
    loss, gradient = loss_of("negative_binomial", np.array([z, -800.0]), [count])
    expected = -stats.poisson.logpmf(count, mean)
    near = 1e-8 * (mean + 1)  # the smallest dispersion makes the variance so much larger
    assert_allclose(loss, expected, rtol=near)
    assert_allclose(gradient[0], (mean - count) / mean * special.expit(z), rtol=near)
    assert gradient[1] == 0


@pytest.mark.parametrize("df", [3.0, 1e3, 1e8, 1e25])
def test_student_t_is_a_normal_in_the_limit(df):
    above_2 = np.log(np.expm1(df - 2)) if df < 500 else df - 2  # softplus and its inverse
    outputs = np.array([0.3, np.log(np.expm1(2.0)), above_2])
    loss, _ = loss_of("student_t", outputs, [1.4])
    law = stats.t(df, 0.3, 2 + 1e-6) if df < 1e7 else stats.norm(0.3, 2 + 1e-6)
    assert_allclose(loss, -law.logpdf(1.4), rtol=1e-7)


def test_a_unit_scales_mean_and_dispersion():
    # Salinas et al. 2020, section 4.1
    outputs, unit, counts = np.array([0.4, -0.3]), 9.0, [0, 3, 40]
    mean = unit * np.logaddexp(0, 0.4)
    r = 3 / (np.logaddexp(0, -0.3) + 1e-8)
    expected = -stats.nbinom.logpmf(counts, r, r / (r + mean)).mean()
    assert_allclose(loss_of("negative_binomial", outputs, counts, unit)[0], expected, rtol=1e-12)


@DTYPE
def test_rates_grow_in_a_straight_line_from_30_on(dtype):
    outputs = np.array([[-200, 0, 30, 31, 1000]], dtype)
    expected = [np.exp(-200), 1, np.exp(30), 2 * np.exp(30), 971 * np.exp(30)]
    loss, gradient = loss_of("poisson", np.array([1000.0]), [0], dtype=dtype)
    assert_allclose(loss, 971 * np.exp(30), rtol=1e-6)
    assert_allclose(gradient, np.exp(30), rtol=1e-6)
    rate(outputs)
    assert_allclose(outputs, [expected], rtol=1e-6, atol=1e-40)


@DTYPE
@pytest.mark.parametrize("kind", LOSSES)
def test_a_target_that_is_nan_is_left_out(kind, dtype):
    outputs = np.array([0.2, -0.4, 0.7])[: LOSSES[kind][1]]
    both, gradient = loss_of(kind, outputs, [2.0, np.nan], 2.0, dtype)
    alone, expected = loss_of(kind, outputs, [2.0], 2.0, dtype)
    assert_allclose(2 * both, alone, rtol=1e-12)
    assert_allclose(2 * gradient[: len(outputs)], expected, rtol=1e-6)
    assert_array_equal(gradient[len(outputs) :], 0)
    nothing, gradient = loss_of(kind, outputs, [np.nan], 2.0, dtype)
    assert nothing == 0
    assert not gradient.any()


@DTYPE
def test_parameters_are_finite_wherever_outputs_are(dtype):
    top = np.finfo("float32").max
    numbers = np.array([top, 1e30, 200, 0, -200, -1e30], dtype)
    of_t = np.repeat(numbers, 3)[np.newaxis].copy()
    student_t(of_t)
    assert np.isfinite(of_t).all()
    assert_array_equal(of_t[0, ::3], numbers)
    assert (of_t[0, 1::3] > 0).all()
    assert (of_t[0, 2::3] >= 2).all()
    counts = np.repeat(numbers, 2)[np.newaxis].copy()
    negative_binomial(counts)
    assert np.isfinite(counts).all()
    assert (counts >= 0).all()
    assert (counts[0, 1::2] > 0).all()
