"""Solver steps against the formulas of the papers and against torch.optim; clipping."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from building import build
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.solvers import CHUNK_SIZE, add_penalty
from fastrnn.kernels.team import ALONE
from fastrnn.network import threads
from fastrnn.training.loop import Settings
from fastrnn.training.solvers import SCHEDULES, SOLVERS, global_norm

SIZES = [1, 7, 8, 100]
RATE = 0.05
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
# Every solver and option, with values that are no default where the formula has one.
OPTIONS = {
    "adam": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "adam beta 0": {"solver": "adam", "beta_1": 0.0, "beta_2": 0.0},
    "adamw": {"solver": "adamw", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "alpha": 0.3},
    "sgd": {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"solver": "sgd", "momentum": 0.7, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.7, "nesterovs_momentum": True},
    "rmsprop": {"solver": "rmsprop", "epsilon": 1e-3},
}


def plain_steps(theta, grads, decayed, s):
    """Follow the formulas step by step in float64."""
    theta = theta.astype(float)
    m, v, velocity = np.zeros((3, len(theta)))
    for t, g in enumerate(grads.astype(float), 1):
        if s.solver in ("adam", "adamw"):
            if s.solver == "adamw":
                theta = theta - RATE * s.alpha * np.where(decayed, theta, 0.0)
            m = s.beta_1 * m + (1 - s.beta_1) * g
            v = s.beta_2 * v + (1 - s.beta_2) * g**2
            m_hat, v_hat = m / (1 - s.beta_1**t), v / (1 - s.beta_2**t)
            theta = theta - RATE * m_hat / (np.sqrt(v_hat) + s.epsilon)
        elif s.solver == "sgd":
            velocity = s.momentum * velocity - RATE * g
            ahead = s.momentum * velocity - RATE * g
            theta = theta + (ahead if s.nesterovs_momentum else velocity)
        else:
            v = 0.99 * v + 0.01 * g**2
            theta = theta - RATE * g / (np.sqrt(v) + s.epsilon)
    return theta


def problem(size, dtype, steps=6):
    rng = np.random.default_rng(size)
    theta = rng.standard_normal(size).astype(dtype)
    grads = rng.standard_normal((steps, size)).astype(dtype)
    return theta, grads, rng.random(size) < 0.5


def our_steps(theta, grads, decayed, settings, scale=1.0):
    theta = theta.copy()
    solver = SOLVERS[settings.solver](SimpleNamespace(theta=theta, decayed=decayed), settings, {})
    for grad in grads:
        grad.flags.writeable = False
        solver.step(theta, grad, scale, RATE)
    return theta


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_steps_are_the_formulas(options, size, dtype):
    theta, grads, decayed = problem(size, dtype)
    settings = Settings(**options)
    ours = our_steps(theta, grads, decayed, settings)
    assert ours.dtype == dtype
    expected = plain_steps(theta, grads, decayed, settings)
    assert_allclose(ours, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_steps_are_those_of_torch(options):
    torch = pytest.importorskip("torch", reason="torch.optim is the reference")
    theta, grads, _ = problem(100, "float64")
    s = Settings(**options)
    parameter = torch.nn.Parameter(torch.tensor(theta))
    betas = (s.beta_1, s.beta_2)
    optimizer = {
        "adam": lambda p: torch.optim.Adam(p, RATE, betas, s.epsilon),
        "adamw": lambda p: torch.optim.AdamW(p, RATE, betas, s.epsilon, weight_decay=s.alpha),
        "sgd": lambda p: torch.optim.SGD(
            p, RATE, s.momentum, nesterov=s.nesterovs_momentum and s.momentum > 0
        ),
        "rmsprop": lambda p: torch.optim.RMSprop(p, RATE, eps=s.epsilon),
    }[s.solver]([parameter])
    for grad in grads:
        parameter.grad = torch.tensor(grad)
        optimizer.step()
    ours = our_steps(theta, grads, np.ones(100, bool), s)
    assert_allclose(ours, parameter.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_gradient_of_zero_moves_nothing(solver):
    theta = np.linspace(-1.0, 1.0, 9)
    ours = our_steps(theta, np.zeros((3, 9)), np.zeros(9, bool), Settings(solver=solver, alpha=0.1))
    assert_array_equal(ours, theta)


def test_adamw_decays_only_what_is_decayed():
    decayed = np.array([True, False])
    settings = Settings(solver="adamw", alpha=0.1)
    theta = our_steps(np.array([2.0, 2.0]), np.zeros((1, 2)), decayed, settings)
    assert_allclose(theta, [2.0 * (1 - RATE * 0.1), 2.0], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_scaled_step_is_that_of_the_scaled_gradient(options, dtype):
    theta, grads, decayed = problem(100, dtype)
    settings = Settings(**options)
    ours = our_steps(theta, grads, decayed, settings, scale=0.25)
    assert_array_equal(ours, our_steps(theta, grads * grads.dtype.type(0.25), decayed, settings))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_global_norm(size, dtype):
    grad = np.random.default_rng(size).standard_normal(size).astype(dtype)
    assert_allclose(global_norm(grad), np.linalg.norm(grad.astype(float)), rtol=1e-14)


def test_norm_is_accumulated_in_double():
    # The squares overflow float32, and 1e-4 is lost beside a float32 sum of 1e4.
    assert_allclose(global_norm(np.full(4, 1e30, "float32")), 2e30, rtol=1e-7)
    grad = np.full(1_000_001, 0.01, "float32")
    grad[0] = 100.0
    assert_allclose(global_norm(grad), np.linalg.norm(grad.astype(float)), rtol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_norm_tells_what_is_not_finite(bad):
    grad = np.ones(10)
    grad[3] = bad
    assert_array_equal(global_norm(grad), abs(bad))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_penalty_and_its_gradient(size, dtype):
    theta, (before, *_), decayed = problem(size, dtype)
    grad, sums = before.copy(), np.empty(1)
    add_penalty(theta, decayed.view(np.uint8), 0.3, grad, sums, ALONE)
    kept = np.where(decayed, theta.astype(float), 0.0)
    assert_allclose(sums, [(kept**2).sum()], rtol=1e-14)
    tolerance = TOLERANCE[dtype]
    assert_allclose(grad, before + 0.3 * kept, rtol=tolerance, atol=tolerance)


@pytest.fixture
def members(monkeypatch):
    """Let teams form for few parameters on few processors; return the sizes of those that did."""
    monkeypatch.setattr(threads, "MEMBER_PARAMETERS", CHUNK_SIZE // 2)
    monkeypatch.setattr(threads, "_count_processors", lambda: 16)
    call_together, sizes = threads.call_together, []

    def call(kernel, arguments, handovers, watch):
        sizes.append(len(handovers) + 1)
        call_together(kernel, arguments, handovers, watch)
        return True

    monkeypatch.setattr(threads, "call_together", call)
    return sizes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_team_steps_as_one_does(options, dtype, members):
    theta, grads, decayed = problem(3 * CHUNK_SIZE + 5, dtype, steps=2)
    alone = our_steps(theta, grads, decayed, Settings(**options))
    assert not members
    for n_jobs in (2, 3, 6):  # six are more than there are blocks
        together = our_steps(theta, grads, decayed, Settings(**options, n_jobs=n_jobs))
        assert_array_equal(together, alone)
        assert global_norm(grads[0], n_jobs) == global_norm(grads[0])
        assert members == [n_jobs] * 3
        members.clear()


def test_a_team_takes_the_penalty_and_clears_the_gradient(members):
    X = as_sequences([[0, 3, 1], [2, 2]], categorical_features="all")
    network = build(0, (4,), 2, embeddings=((CHUNK_SIZE // 2, 5),), alpha=0.1)
    data = (X, np.arange(2), np.array([0, 1]), np.ones(2, np.float32))
    network.grad.fill(np.nan)
    loss, grad = network.loss_and_grad(*data), network.grad.copy()
    assert np.isfinite(grad).all()
    assert not members
    network.grad.fill(np.nan)
    assert network.loss_and_grad(*data, n_jobs=2) == loss
    assert_array_equal(network.grad, grad)
    assert members == [2, 2]


def test_who_gets_a_team(monkeypatch):
    monkeypatch.setattr(threads, "_count_processors", lambda: 3)
    least = threads.MEMBER_PARAMETERS
    for n_jobs, n_parameters, size in [
        (None, 100 * least, 1),
        (1, 100 * least, 1),
        (2, 100 * least, 2),
        (-1, 100 * least, 3),
        (8, 100 * least, 3),  # as many as there are processors
        (8, 2 * least, 2),  # or as have parameters
        (8, 2 * least - 1, 1),
    ]:
        assert threads.form_parameter_team(n_jobs, n_parameters).size == size


def test_schedules():
    settings = Settings(power_t=0.25)
    assert SCHEDULES["constant"](0.1, settings, 500, 0.7) == 0.1
    assert SCHEDULES["adaptive"](0.1, settings, 500, 0.7) == 0.1
    assert SCHEDULES["invscaling"](0.1, settings, 0, 0.0) == 0.1
    assert_allclose(SCHEDULES["invscaling"](0.1, settings, 80, 0.5), 0.1 / 3.0, rtol=1e-15)
    assert SCHEDULES["cosine"](0.1, settings, 0, 0.0) == 0.1
    assert_allclose(SCHEDULES["cosine"](0.1, settings, 0, 0.5), 0.05, rtol=1e-15)
    assert_allclose(SCHEDULES["cosine"](0.1, settings, 0, 1.0), 0.0, atol=1e-17)


def test_without_momentum_there_is_no_velocity():
    theta, grads, decayed = problem(10, "float64")
    network = SimpleNamespace(theta=theta, decayed=decayed)
    state = {}
    for momentum in (0.9, 0.0, 0.9):
        before = theta.copy()
        solver = SOLVERS["sgd"](network, Settings(solver="sgd", momentum=momentum), state)
        assert state.keys() == ({"velocity"} if momentum else set())
        if momentum:
            assert not state["velocity"].any()  # none is left of before
        solver.step(theta, grads[0], 0.5, RATE)
        if not momentum:
            assert_allclose(theta, before - RATE * 0.5 * grads[0], rtol=1e-15)
