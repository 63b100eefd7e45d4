"""The contract of all heads: losses, gradients, answers, and what they say of themselves."""

import numpy as np
import pytest
from building import build
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats

from fastrnn.inputs.sequences import as_sequences
from fastrnn.network.heads import HEADS, Softmax

LEVELS = (0.1, 0.5, 0.75)
# Kind and options, and how many outputs there are for K.
CASES = {
    "log_loss": ({}, 1),
    "binary_log_loss": ({}, 1),
    "squared_error": ({}, 1),
    "quantiles": ({"levels": LEVELS}, len(LEVELS)),
    "student_t": ({}, 3),
    "poisson": ({}, 1),
    "negative_binomial": ({}, 2),
}
HEAD = pytest.mark.parametrize("kind", CASES)
DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Rows and K; all ones, fewer than a vector, more than one.
SHAPES = pytest.mark.parametrize(("n", "K"), [(1, 1), (1, 3), (5, 1), (7, 19)])


def make_head(kind, K, **more):
    options, times = CASES[kind]
    return HEADS[kind](times * K, **options, **more)


def make_targets(kind, n, K, dtype="float64", seed=0):
    rng = np.random.default_rng([seed, n, K])
    if kind == "log_loss":
        return rng.integers(K, size=n)
    if kind == "binary_log_loss":
        return rng.integers(2, size=(n, K)).astype(dtype)
    if kind == "poisson":
        return rng.poisson(1.5, size=(n, K)).astype(dtype)
    if kind == "negative_binomial":
        units = rng.uniform(1, 5, size=(n, 1))
        return np.hstack([rng.poisson(4, size=(n, K)) / units, units]).astype(dtype)
    return rng.standard_normal((n, K)).astype(dtype)


def make_rows(kind, n, K, dtype="float64"):
    """Outputs for n rows, and target, weight, places and total for twice as many."""
    rng = np.random.default_rng([1, n, K])
    outputs = 2 * rng.standard_normal((n, CASES[kind][1] * K))
    weight = rng.uniform(0.2, 2.0, 2 * n).astype(dtype)
    target = make_targets(kind, 2 * n, K, dtype)
    return outputs.astype(dtype), target, weight, rng.permutation(2 * n)[:n], 2.5


def softplus(z):
    return np.logaddexp(0, z)


def student_t(outputs, target):
    return -stats.t.logpdf(target, **dict(zip(("loc", "scale", "df"), of_t(outputs), strict=True)))


def of_t(outputs):
    """Location, scale and degrees of freedom."""
    return outputs[:, ::3], softplus(outputs[:, 1::3]) + 1e-6, 2 + softplus(outputs[:, 2::3])


def poisson(outputs, target):
    best, own = (stats.poisson.logpmf(target, mean) for mean in (target, np.exp(outputs)))
    return best - own


def negative_binomial(outputs, target):
    counts, unit = np.round(target[:, :-1] * target[:, -1:]), target[:, -1:]
    mean = unit * softplus(outputs[:, ::2])
    n = np.sqrt(unit) / (softplus(outputs[:, 1::2]) + 1e-8)
    return -stats.nbinom.logpmf(counts, n, n / (n + mean))


DISTRIBUTIONS = {
    "student_t": student_t,
    "poisson": poisson,
    "negative_binomial": negative_binomial,
}


def plain_losses(kind, outputs, target):
    """The loss of each row, the plain way."""
    if kind == "log_loss":
        top = outputs.max(axis=1)
        log_sums = top + np.log(np.exp(outputs - top[:, np.newaxis]).sum(axis=1))
        return log_sums - outputs[np.arange(len(outputs)), target]
    if kind == "binary_log_loss":
        return (np.logaddexp(0, outputs) - target * outputs).sum(axis=1)
    if kind == "squared_error":
        return 0.5 * ((outputs - target) ** 2).mean(axis=1)
    if kind in DISTRIBUTIONS:
        return DISTRIBUTIONS[kind](outputs, target).mean(axis=1)
    below = target[:, :, np.newaxis] - outputs.reshape(*target.shape, -1)
    return np.maximum(LEVELS * below, (np.array(LEVELS) - 1) * below).mean(axis=(1, 2))


def test_every_head_is_tested():
    of_rows = {kind for kind, head in HEADS.items() if head.time_may_be_cut}
    assert set(CASES) == of_rows  # test_crf and test_ctc have the others
    assert all(head.kind == kind for kind, head in HEADS.items())


@HEAD
@SHAPES
def test_the_loss_is_a_weighted_sum_over_rows(kind, n, K):
    outputs, target, weight, places, total = make_rows(kind, n, K)
    loss = make_head(kind, K).loss_and_grad(outputs.copy(), target, weight, places, total)
    losses = plain_losses(kind, outputs, target[places])
    assert_allclose(loss, weight[places] @ losses / total, rtol=1e-12, atol=1e-14)


@HEAD
@SHAPES
def test_the_gradient_takes_the_place_of_the_outputs(kind, n, K):
    outputs, *rest = make_rows(kind, n, K)
    head, gradient, step = make_head(kind, K), outputs.copy(), 1e-6
    head.loss_and_grad(gradient, *rest)
    for place in np.ndindex(outputs.shape):
        sides = outputs.copy(), outputs.copy()
        sides[0][place] -= step
        sides[1][place] += step
        below, above = (head.loss_and_grad(side, *rest) for side in sides)
        assert_allclose(gradient[place], (above - below) / (2 * step), rtol=1e-6, atol=1e-9)


@HEAD
@SHAPES
def test_float32_is_near_float64(kind, n, K):
    head, results = make_head(kind, K), []
    for dtype in ("float32", "float64"):
        outputs, target, weight, places, total = make_rows(kind, n, K, dtype)
        loss = head.loss_and_grad(outputs, target, weight, places, total)
        assert outputs.dtype == dtype
        results.append((loss, outputs))
    assert_allclose(results[0][0], results[1][0], rtol=1e-5, atol=1e-7)
    assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


@HEAD
@DTYPE
def test_rows_without_weight_count_for_nothing(kind, dtype):
    outputs, target, weight, places, total = make_rows(kind, 4, 3, dtype)
    weight[places[1:3]] = 0
    head, some, kept = make_head(kind, 3), outputs.copy(), np.ascontiguousarray(outputs[[0, 3]])
    loss = head.loss_and_grad(some, target, weight, places, total)
    assert_allclose(loss, head.loss_and_grad(kept, target, weight, places[[0, 3]], total))
    assert not some[1:3].any()
    assert_array_equal(some[[0, 3]], kept)


@HEAD
@DTYPE
def test_answers_are_made_in_place(kind, dtype):
    outputs, *_ = make_rows(kind, 5, 3, dtype)
    answers = outputs.copy()
    assert make_head(kind, 3).decode(answers) is None
    if kind == "log_loss":
        exps = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        assert_allclose(answers, exps / exps.sum(axis=1, keepdims=True), rtol=1e-5)
    elif kind == "binary_log_loss":
        assert_allclose(answers, 1 / (1 + np.exp(-outputs)), rtol=1e-5)
    elif kind == "poisson":
        assert_allclose(answers, np.exp(outputs), rtol=1e-5)
    elif kind == "student_t":
        assert_allclose(answers, np.stack(of_t(outputs), axis=2).reshape(5, -1), rtol=1e-5)
    elif kind == "negative_binomial":
        assert_allclose(answers, softplus(outputs), rtol=1e-5)
    else:
        assert_array_equal(answers, outputs)


@HEAD
@pytest.mark.parametrize("tied", [False, True])
def test_parameters(kind, tied):
    head = make_head(kind, 4, tied=tied)
    shapes = head.shapes(7)
    assert shapes["b"] == (head.n_outputs,) == (4 * CASES[kind][1],)
    assert list(shapes) == (["b"] if tied else ["W", "b"])
    assert tied or shapes["W"] == (7, head.n_outputs)
    head.params = {name: np.zeros(shape) for name, shape in shapes.items()}
    head.start(np.random.default_rng(0))
    assert not head.params["b"].any()
    assert tied or (0 < np.abs(head.params["W"]).max() <= np.sqrt(6 / (7 + head.n_outputs)))


@HEAD
@pytest.mark.parametrize("pooling", ["last", "steps"])
@pytest.mark.parametrize(("sizes", "K"), [((1,), 1), ((4, 3), 2)])
def test_the_gradient_of_a_network(kind, pooling, sizes, K):
    options, times = CASES[kind]
    network = build(
        2, sizes, times * K, head=kind, head_options=options, pooling=pooling, alpha=0.3,
        dtype="float64",
    )  # fmt: skip
    network.theta += 0.3 * np.random.default_rng(0).standard_normal(len(network.theta))
    X = as_sequences([np.random.default_rng(T).standard_normal((T, 2)) for T in (3, 1, 4)])
    n = 8 if pooling == "steps" else 3
    data = (X, np.array([2, 0, 1]), make_targets(kind, n, K), np.linspace(0.5, 1.5, n))
    network.loss_and_grad(*data)
    gradient, theta, step = network.grad.copy(), network.theta.copy(), 1e-5
    for k in range(len(theta)):
        move = step * (np.arange(len(theta)) == k)
        below, above = (network.loss_and_grad(*data, theta=theta + m) for m in (-move, move))
        assert_allclose(gradient[k], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)


class Whole(Softmax):
    """A head that must see whole sequences."""

    kind = "whole"
    time_may_be_cut = False


@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_time_is_not_cut_where_it_may_not_be(pooling, monkeypatch):
    monkeypatch.setitem(HEADS, "whole", Whole)
    seen = []
    monkeypatch.setattr(Whole, "loss_and_grad", lambda self, *rest: seen.append(len(rest[3])) or 0)
    X, n = as_sequences([np.ones((7, 2))]), 7 if pooling == "steps" else 1
    network = build(2, (3,), 2, head="whole", pooling=pooling, dtype="float64")
    network.loss_and_grad(X, np.array([0]), np.zeros(n, int), np.ones(n), bptt_steps=2)
    assert seen == [n]


@HEAD
@DTYPE
@pytest.mark.parametrize(("n", "K"), [(1, 1), (9, 1), (12, 3)])
def test_constant_loss_is_the_lowest_of_rows_that_are_all_the_same(kind, dtype, n, K):
    head, target = make_head(kind, K), make_targets(kind, n, K, dtype)
    weight = np.random.default_rng(2).uniform(0.2, 2.0, n).astype(dtype)
    weight[n // 2 :: 3] = 0.0 if n > 1 else 1.0
    lowest = head.constant_loss(target, weight)
    if kind in ("student_t", "negative_binomial"):
        assert lowest is None
        return
    if kind in ("squared_error", "quantiles", "poisson") and n > 1:
        target[1, 0] = np.nan
        lowest = head.constant_loss(target, weight)

    def loss_and_slope(row):
        outputs = np.tile(row, (n, 1))
        total = weight.sum(dtype=np.float64)
        exact = (target if kind == "log_loss" else target.astype(np.float64), weight.astype(float))
        loss = head.loss_and_grad(outputs, *exact, np.arange(n), total)
        return loss, outputs.sum(axis=0)

    n_outputs = head.n_outputs
    if kind == "quantiles":  # the lowest is at one of the values
        found = np.inf
        best = np.zeros(n_outputs)
        for k in range(n_outputs):
            column = target[:, k // len(LEVELS)]
            losses = []
            for value in column[~np.isnan(column)]:
                best[k] = value
                losses.append((loss_and_slope(best)[0], value))
            found, best[k] = min(losses)
    else:
        found = optimize.minimize(loss_and_slope, np.zeros(n_outputs), jac=True, tol=1e-12).fun
    assert lowest == pytest.approx(found, rel=1e-5, abs=1e-6)
    assert isinstance(lowest, float)
