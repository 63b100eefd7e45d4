"""The training loop, on a linear model of the sequences' means in place of a network."""

import io
import math
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastrnn.training.loop
import fastrnn.training.solvers
from fastrnn.inputs.sequences import as_sequences
from fastrnn.training.loop import Settings, TrainingState, train
from fastrnn.training.solvers import SOLVERS

STOCHASTIC = sorted(SOLVERS)


class MeanNetwork:
    """Linear or softmax regression on the mean of each sequence, in plain numpy.

    Its interface is that of `fastrnn.network.Network`, and it keeps what it was called with.
    ``before_call`` is called with the number of the call, from 1, and may raise.
    """

    def __init__(self, n_features, n_outputs, *, loss="squared_error", alpha=0.0, dtype="float64"):
        self.shape = (n_features, n_outputs)
        self.loss, self.alpha, self.dtype = loss, alpha, np.dtype(dtype)
        n_weights = n_features * n_outputs
        self.theta = np.zeros(n_weights + n_outputs, dtype)
        self.grad = np.zeros_like(self.theta)
        self.decayed = np.arange(self.theta.size) < n_weights
        self.minibatches, self.calls = [], []
        self.before_call = lambda call: None
        self.change_loss = lambda call, loss: loss

    def outputs(self, sequences, indices):
        means = np.array([sequences[int(i)].mean(axis=0) for i in indices])
        W = self.theta[self.decayed].reshape(self.shape)
        return means, means @ W + self.theta[~self.decayed]

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
        bptt_steps=None,
        n_jobs=None,
    ):
        if theta is not None:
            self.theta[:] = theta
        target, weight = target[indices], weight[indices]
        self.minibatches.append((indices.copy(), target.copy(), weight.copy()))
        self.calls.append((rng, bptt_steps, n_jobs))
        self.before_call(len(self.calls))
        means, outputs = self.outputs(sequences, indices)
        if self.loss == "log_loss":
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs /= outputs.sum(axis=1, keepdims=True)
            rows = np.arange(len(indices))
            losses = -np.log(outputs[rows, target])
            delta = outputs
            delta[rows, target] -= 1.0
        else:
            delta = outputs - target
            losses = 0.5 * (delta**2).mean(axis=1)
            delta = delta / self.shape[1]
        delta *= (weight / weight.sum())[:, None]
        decay = self.alpha * self.decayed / len(indices)
        self.grad[:] = np.concatenate([(means.T @ delta).ravel(), delta.sum(axis=0)])
        self.grad += decay * self.theta
        loss = np.average(losses, weights=weight) + 0.5 * (decay * self.theta**2).sum()
        return self.change_loss(len(self.calls), float(loss))


def problem(n=23, n_features=3, n_outputs=2, dtype="float64", seed=0):
    """Return sequences, targets that are linear in their means, and weights."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((rng.integers(1, 6), n_features)).astype(dtype) for _ in range(n)]
    means = np.array([x.mean(axis=0) for x in X])
    target = means @ rng.standard_normal((n_features, n_outputs)) + 0.5
    return as_sequences(X), target.astype(dtype), np.ones(n, dtype)


def start(seed=0):
    """Return the state of a training that begins."""
    return TrainingState(np.random.default_rng(seed))


def fit(network=None, data=None, *, seed=0, state=None, validate=None, watch=None, **settings):
    """Train without a warning about max_iter; return the network and its history."""
    data = data or problem()
    network = network or MeanNetwork(3, 2)
    settings = {"batch_size": 5, "max_iter": 10, "learning_rate_init": 0.05} | settings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training stopped at max_iter")
        state = state or start(seed)
        options = {"validate": validate, "watch": watch}
        history = train(network, *data, Settings(**settings), state, **options)
    return network, history


def scripted(losses):
    """Return a network whose k-th call gives the k-th loss, whatever its parameters."""
    network = MeanNetwork(3, 2)
    network.change_loss = lambda call, loss: losses[call - 1]
    return network


@pytest.fixture
def rates(monkeypatch):
    """Solver "recorder": moves nothing, and lists the learning rate of every step here."""
    recorded = []

    class Recorder:
        def __init__(self, network, settings, state):
            pass

        def step(self, theta, grad, scale, learning_rate):
            recorded.append(learning_rate)

    monkeypatch.setitem(SOLVERS, "recorder", Recorder)
    return recorded


# Minibatches


def test_minibatches_are_slices_of_one_order():
    data = problem(n=23)
    network, history = fit(data=data, shuffle=False, max_iter=2)
    assert [len(indices) for indices, _, _ in network.minibatches] == 2 * [5, 5, 5, 5, 3]
    seen = np.concatenate([indices for indices, _, _ in network.minibatches])
    assert_array_equal(seen, np.tile(np.arange(23), 2))
    assert (history.n_iter, history.t) == (2, 46)


def test_shuffled_epochs_are_different_permutations():
    network, _ = fit(max_iter=2, tol=0.0)
    seen = np.concatenate([indices for indices, _, _ in network.minibatches]).reshape(2, 23)
    assert_array_equal(np.sort(seen, axis=1), np.tile(np.arange(23), (2, 1)))
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], np.arange(23))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_target_and_weight_go_with_their_sequence(solver):
    sequences, target, _ = problem()
    weight = np.linspace(1.0, 2.0, 23)
    network, _ = fit(data=(sequences, target, weight), solver=solver, max_iter=2)
    for indices, minibatch_target, minibatch_weight in network.minibatches:
        assert_array_equal(minibatch_target, target[indices])
        assert_array_equal(minibatch_weight, weight[indices])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weight_zero_is_as_if_left_out(solver):
    sequences, target, weight = problem()
    kept = np.arange(23) % 3 > 0
    weight[~kept] = 0.0
    target[~kept] = 1e6
    weighted, _ = fit(data=(sequences, target, weight), solver=solver, shuffle=False)
    few = (sequences.take(np.flatnonzero(kept)), target[kept], weight[kept])
    without, _ = fit(data=few, solver=solver, shuffle=False)
    assert_array_equal(weighted.theta, without.theta)


def test_all_weights_zero_is_an_error():
    sequences, target, weight = problem()
    with pytest.raises(ValueError, match="all sample weights are 0"):
        fit(data=(sequences, target, 0.0 * weight))


def test_batch_larger_than_the_data_is_one_batch():
    network, history = fit(batch_size=1000, max_iter=3)
    assert [len(indices) for indices, _, _ in network.minibatches] == [23, 23, 23]
    assert history.t == 69


def test_rng_and_bptt_steps_and_n_jobs_are_passed_on():
    network, _ = fit(bptt_steps=7, n_jobs=2, max_iter=1)
    for rng, bptt_steps, n_jobs in network.calls:
        assert isinstance(rng, np.random.Generator)
        assert (bptt_steps, n_jobs) == (7, 2)
    network, _ = fit(solver="lbfgs", bptt_steps=7, n_jobs=2, max_iter=1)
    assert {call for call in network.calls} == {(None, 7, 2)}


# Solvers


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_solver_finds_the_minimum(solver, dtype):
    data = problem(dtype=dtype)
    network, history = fit(
        MeanNetwork(3, 2, dtype=dtype),
        data,
        solver=solver,
        learning_rate="cosine",
        max_iter=300,
        tol=0.0,
    )
    assert network.theta.dtype == dtype
    assert history.loss < 1e-5 < 0.1 < history.loss_curve[0]


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_every_solver_learns_classes(solver):
    sequences, target, weight = problem(n=60)
    classes = (target[:, 0] > target[:, 1]).astype(np.int64)
    network, _ = fit(
        MeanNetwork(3, 2, loss="log_loss", alpha=0.01),
        (sequences, classes, weight),
        solver=solver,
        max_iter=100,
        learning_rate="constant",
    )
    _, outputs = network.outputs(sequences, np.arange(60))
    assert (outputs.argmax(axis=1) == classes).mean() >= 0.95


def test_a_training_is_the_plain_algorithm():
    # Adam with clipping, written out once more: order, norm, clipping, step, averages.
    data = problem()
    sequences, target, weight = data
    network, history = fit(data=data, max_iter=3, clip_norm=0.2, tol=0.0, seed=5)
    plain, rng = MeanNetwork(3, 2), np.random.default_rng(5)
    theta, (m, v), t = plain.theta, np.zeros((2, 8)), 0
    for epoch in range(3):
        order, losses, norms = rng.permutation(23), [], []
        for indices in np.split(order, [5, 10, 15, 20]):
            loss = plain.loss_and_grad(sequences, indices, target, weight)
            norm = np.linalg.norm(plain.grad)
            g, t = plain.grad * min(1.0, 0.2 / norm), t + 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            theta -= 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            losses.append(loss * len(indices))
            norms.append(norm)
        assert_allclose(history.loss_curve[epoch], sum(losses) / 23, rtol=1e-10)
        assert_allclose(history.gradient_norms[epoch], np.mean(norms), rtol=1e-10)
    assert_allclose(network.theta, theta, rtol=1e-10)


def test_adamw_decays_weights_beside_the_gradient():
    # Sequences of zeros and targets at the bias: no gradient, so that only the decay moves weights.
    data = as_sequences(np.zeros((10, 4, 3))), np.ones((10, 2)), np.ones(10)
    network = MeanNetwork(3, 2)
    network.theta[:] = 1.0
    fit(network, data, solver="adamw", alpha=0.5, learning_rate_init=0.1, max_iter=1)
    assert_allclose(network.theta[network.decayed], (1 - 0.1 * 0.5) ** 2, rtol=1e-14)
    assert_array_equal(network.theta[~network.decayed], 1.0)


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_same_rng_same_bits(solver):
    first, first_history = fit(solver=solver, seed=3)
    second, second_history = fit(solver=solver, seed=3)
    assert_array_equal(first.theta, second.theta)
    assert first_history == second_history
    if solver != "lbfgs":
        other, _ = fit(solver=solver, seed=4)
        assert not np.array_equal(first.theta, other.theta)


# Schedules


def test_constant_rate(rates):
    fit(solver="recorder", max_iter=2)
    assert rates == 10 * [0.05]


def test_invscaling_rate_falls_with_the_samples_seen(rates):
    fit(solver="recorder", max_iter=3, learning_rate="invscaling", power_t=0.3)
    assert_allclose(rates, np.repeat(0.05 / np.array([1, 24, 47]) ** 0.3, 5), rtol=1e-14)


def test_cosine_rate_falls_at_every_step(rates):
    fit(solver="recorder", max_iter=4, learning_rate="cosine")
    assert_allclose(rates, 0.025 * (1 + np.cos(np.pi * np.arange(20) / 20)), rtol=1e-14)


def test_adaptive_rate_is_divided_by_5_when_training_stalls(rates):
    # 3 falls to 1, then stalls: 2 epochs at each rate, the last one at or below 1e-6.
    network = scripted([3.0, 2.0, *[1.0] * 50])
    settings = {"solver": "recorder", "learning_rate": "adaptive", "batch_size": 23, "max_iter": 50}
    _, history = fit(network, n_iter_no_change=2, learning_rate_init=1e-4, **settings)
    expected = [1e-4] * 5 + [2e-5] * 2 + [4e-6] * 2 + [8e-7] * 2
    assert_allclose(rates, expected, rtol=1e-14)
    assert history.n_iter == 11


# Stopping


def test_stops_when_the_loss_no_longer_falls_by_tol():
    # Epoch 3 is better than epoch 2 by less than tol: it does not count, but is the best loss.
    losses = [5.0, 4.0, 3.95, 3.97, 3.96, 0.0]
    settings = Settings(max_iter=6, batch_size=23, tol=0.1, n_iter_no_change=3)
    history = train(scripted(losses), *problem(), settings, start())
    assert history.loss_curve == losses[:5]
    assert (history.n_iter, history.loss, history.best_loss) == (5, 3.96, 3.95)


def test_an_improvement_starts_the_count_again():
    losses = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0, 0.0]
    _, history = fit(scripted(losses), batch_size=23, tol=0.1, n_iter_no_change=2)
    assert history.loss_curve == losses[:7]


def test_max_iter_warns():
    settings = Settings(max_iter=2, batch_size=5)
    with pytest.warns(fastrnn.training.ConvergenceWarning, match="max_iter=2 before the loss"):
        history = train(MeanNetwork(3, 2), *problem(), settings, start())
    assert history.n_iter == 2


def test_stalling_in_the_last_epoch_does_not_warn():
    settings = Settings(max_iter=3, batch_size=23, n_iter_no_change=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = train(scripted([1.0, 1.0, 1.0]), *problem(), settings, start())
    assert history.n_iter == 3
    assert not caught


def test_cosine_ends_at_max_iter_without_a_warning():
    settings = Settings(max_iter=2, batch_size=5, learning_rate="cosine")
    history = train(MeanNetwork(3, 2), *problem(), settings, start())
    assert history.n_iter == 2


def test_convergence_warning_is_scikit_learns():
    exceptions = pytest.importorskip("sklearn.exceptions", reason="scikit-learn is optional")
    assert issubclass(fastrnn.training.ConvergenceWarning, exceptions.ConvergenceWarning)


def test_convergence_warning_without_scikit_learn():
    program = """
import sys, pickle, warnings
sys.modules["sklearn"] = None
import fastrnn.training as training
warning = training.ConvergenceWarning("text")
assert training.ConvergenceWarning.__bases__ == (UserWarning,)
assert str(pickle.loads(pickle.dumps(warning))) == "text"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_convergence_warning_is_one_class():
    warning = fastrnn.training.ConvergenceWarning
    assert warning is fastrnn.training.ConvergenceWarning
    assert issubclass(warning, UserWarning)
    assert pickle.loads(pickle.dumps(warning)) is warning
    with pytest.raises(AttributeError, match="no attribute 'convergence'"):
        fastrnn.training.convergence  # noqa: B018


# Early stopping


def fit_with_scores(scores, **settings):
    """Return network, history and the parameters that each score was given for."""
    network, thetas, left = MeanNetwork(3, 2), [], list(scores)

    def validate():
        thetas.append(network.theta.copy())
        return left.pop(0)

    _, history = fit(network, validate=validate, early_stopping=True, **settings)
    return network, history, thetas


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_early_stopping_restores_the_best(solver):
    # The third is the best, but better by less than tol: it does not start the count again.
    scores = [0.1, 0.6, 0.6 + 5e-7, 0.6 + 4e-7, 0.6, 1.0]
    network, history, thetas = fit_with_scores(scores, solver=solver, tol=1e-6, n_iter_no_change=3)
    assert history.validation_scores == scores[:5]
    assert history.best_validation_score == scores[2]
    assert history.n_iter == len(history.loss_curve) == len(history.gradient_norms) == 5
    assert_array_equal(network.theta, thetas[2])
    assert not np.array_equal(network.theta, thetas[4])


def test_early_stopping_restores_the_best_at_max_iter():
    network, history, thetas = fit_with_scores([0.1, 0.9, 0.5], max_iter=3)
    assert history.n_iter == 3
    assert_array_equal(network.theta, thetas[1])


def test_early_stopping_looks_at_the_score_and_not_at_the_loss():
    network, left = scripted([1.0] * 20), list(range(20))
    fit(network, validate=lambda: left.pop(0), early_stopping=True, batch_size=23, max_iter=20)
    assert left == []


def test_score_nan_is_no_improvement():
    network, history, thetas = fit_with_scores(
        [math.nan, 0.5, math.nan, math.nan, 0.9], n_iter_no_change=2
    )
    assert history.n_iter == 4
    assert_array_equal(network.theta, thetas[1])
    network, history, thetas = fit_with_scores([math.nan] * 5, n_iter_no_change=2)
    assert history.best_validation_score is None
    assert_array_equal(network.theta, thetas[1])


def test_without_early_stopping_there_are_no_scores():
    _, history = fit(max_iter=1)
    assert history.validation_scores is None
    assert history.best_validation_score is None


def test_early_stopping_needs_validate():
    with pytest.raises(ValueError, match="validate must be given"):
        fit(early_stopping=True)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_without_early_stopping_scores_are_only_recorded(solver):
    settings = {"solver": solver, "max_iter": 5, "tol": 0.0, "n_iter_no_change": 2}
    left = [0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    scored, history = fit(validate=lambda: left.pop(0), **settings)
    alone, _ = fit(**settings)
    assert history.validation_scores == [0.9, 0.1, 0.1, 0.1, 0.1]
    assert history.best_validation_score is None
    assert_array_equal(scored.theta, alone.theta)


# Going on, and being watched


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive", "cosine"])
@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "rmsprop"])
def test_training_goes_on_from_its_state(solver, learning_rate):
    settings = Settings(
        solver=solver, learning_rate=learning_rate, learning_rate_init=0.3, batch_size=5,
        max_iter=9, alpha=0.1, tol=0.05,
        n_iter_no_change=1 if learning_rate == "adaptive" else math.inf,
    )  # fmt: skip
    data = problem()
    whole, state = MeanNetwork(3, 2), start()
    in_one = train(whole, *data, settings, state, n_epochs=9)
    parts, pieces = MeanNetwork(3, 2), []
    saved = pickle.dumps(start())
    for n_epochs in (1, 0, 5, 3):
        state_of_part = pickle.loads(saved)
        pieces.append(train(parts, *data, settings, state_of_part, n_epochs=n_epochs))
        saved = pickle.dumps(state_of_part)
    if learning_rate == "adaptive":
        assert state.n_lowered > 0
    assert state.epoch == state_of_part.epoch == 9
    assert state.t == state_of_part.t == 9 * 23
    assert_array_equal(whole.theta, parts.theta)
    assert in_one.loss_curve == [loss for piece in pieces for loss in piece.loss_curve]


def test_another_solver_starts_anew():
    state = start()
    fit(state=state, max_iter=2)
    assert state.solver == "adam" and state.solver_state["t"] == 10
    fit(state=state, solver="sgd", max_iter=4)
    assert state.solver == "sgd" and state.solver_state.keys() == {"velocity"}
    assert state.epoch == 4


def test_scores_and_losses_are_not_compared():
    state = start()
    fit(state=state, validate=lambda: 5.0, early_stopping=True, max_iter=2)
    assert (state.best, state.n_stalled) == (5.0, 1)
    _, history = fit(state=state, max_iter=3)
    assert (state.best, state.n_stalled) == (-history.loss, 0)


def test_the_end_that_was_asked_for_is_no_warning():
    state = start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = train(MeanNetwork(3, 2), *problem(), Settings(), state, n_epochs=2)
    assert history.n_iter == 2


class Watch:
    """Counts epochs, and stops after some."""

    def __init__(self, last):
        self.last, self.events = last, []

    def epoch_starts(self):
        self.events.append("starts")

    def epoch_ends(self):
        self.events.append("ends")
        return len(self.events) == 2 * self.last


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_watch_sees_every_epoch_and_can_stop(solver):
    watch = Watch(last=3)
    _, history = fit(watch=watch, solver=solver, tol=0.0)
    assert watch.events == ["starts", "ends"] * 3
    assert history.n_iter == 3


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_watch_that_never_stops_changes_nothing(solver):
    watch = Watch(last=-1)
    watched, history = fit(watch=watch, solver=solver, max_iter=4, tol=0.0)
    assert watch.events == ["starts", "ends"] * history.n_iter
    assert_array_equal(watched.theta, fit(solver=solver, max_iter=4, tol=0.0)[0].theta)


# Numbers that are not finite


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_loss_that_is_not_finite_stops_with_advice(solver, bad):
    network = MeanNetwork(3, 2)
    network.change_loss = lambda call, loss: bad if call == 8 else loss
    words = "learning_rate_init .now 0.05.*clip_norm .now None.*scale the inputs.*float64"
    with pytest.raises(ValueError, match=words) as caught:
        fit(network, solver=solver, tol=0.0)
    assert len(network.calls) == 8
    place = "minibatch 3 of epoch 2" if solver == "adam" else "iteration"
    assert place in str(caught.value)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_gradient_that_is_not_finite_stops_before_the_step(solver):
    network = MeanNetwork(3, 2)

    def spoil(call, loss):
        network.grad[0] = math.nan
        return loss

    network.change_loss = spoil
    with pytest.raises(ValueError, match="gradient norm nan"):
        fit(network, solver=solver)
    assert_array_equal(network.theta, 0.0)


def test_parameters_that_are_not_finite_stop_even_in_the_last_epoch():
    network = MeanNetwork(3, 2, dtype="float32")
    with pytest.raises(ValueError, match="the last step of epoch 1"):
        fit(
            network,
            problem(dtype="float32"),
            solver="sgd",
            batch_size=23,
            learning_rate_init=1e39,
            max_iter=1,
        )


# Ctrl-C


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_interrupt_keeps_what_was_learned(solver):
    # 5 minibatches an epoch: call 13 is the third of epoch 3.
    until, thetas = MeanNetwork(3, 2), []
    until.before_call = lambda call: thetas.append(until.theta.copy())
    _, whole = fit(until, solver=solver, tol=0.0)

    network = MeanNetwork(3, 2)

    def press(call):
        if call == 13:
            raise KeyboardInterrupt

    network.before_call = press
    with pytest.warns(UserWarning, match=r"interrupted in epoch 3 at a loss of 0\.\d+.*is kept"):
        _, history = fit(network, solver=solver, tol=0.0)
    assert_array_equal(network.theta, thetas[12])
    assert history.loss_curve == whole.loss_curve[:2]
    assert history.gradient_norms == whole.gradient_norms[:2]
    assert (history.n_iter, history.t) == (2, 46)


def test_interrupt_in_the_first_epoch():
    network = MeanNetwork(3, 2)

    def press(call):
        raise KeyboardInterrupt

    network.before_call = press
    with pytest.warns(UserWarning, match="interrupted in epoch 1 at a loss of nan"):
        _, history = fit(network)
    assert_array_equal(network.theta, 0.0)
    assert history.loss_curve == history.gradient_norms == []
    assert history.n_iter == history.t == 0
    assert math.isnan(history.loss)
    assert history.best_loss == math.inf


def test_interrupt_restores_the_best_of_early_stopping():
    network, thetas, left = MeanNetwork(3, 2), [], [0.5, 0.9, 0.7]

    def validate():
        thetas.append(network.theta.copy())
        if not left:
            raise KeyboardInterrupt
        return left.pop(0)

    with pytest.warns(UserWarning, match="interrupted in epoch 4"):
        _, history = fit(network, validate=validate, early_stopping=True)
    assert_array_equal(network.theta, thetas[1])
    assert history.validation_scores == [0.5, 0.9, 0.7]
    assert len(history.loss_curve) == len(history.gradient_norms) == 3


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_interrupt_at_any_line_leaves_whole_steps(solver):
    # The k-th line of the loop, of the solver or of the stopping criterion raises, for every k.
    files = {fastrnn.training.loop.__file__, fastrnn.training.solvers.__file__}
    options = {"solver": solver, "batch_size": 12, "max_iter": 2, "tol": 0.0}

    def fit_until(event):
        network, whole, left = MeanNetwork(3, 2), [], iter([1.0, 2.0, 3.0])
        network.before_call = lambda call: whole.append(network.theta.copy())
        seen = 0

        def trace(frame, kind, argument):
            nonlocal seen
            if frame.f_code.co_filename not in files:
                return None
            if kind == "line":
                seen += 1
                if seen == event:
                    raise KeyboardInterrupt
            return trace

        def validate():
            whole.append(network.theta.copy())
            return next(left)

        old = sys.gettrace()
        sys.settrace(trace)
        try:
            _, history = fit(network, validate=validate, early_stopping=True, **options)
        finally:
            sys.settrace(old)
        return network.theta, history, whole, seen

    theta, _, steps, n_lines = fit_until(None)
    assert n_lines > 60
    n_kept = 0
    for event in range(1, n_lines + 1):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Training was interrupted")
                theta, history, _, _ = fit_until(event)
        except KeyboardInterrupt:
            continue  # before the first step, or after the last
        n_kept += 1
        assert any(np.array_equal(theta, step) for step in steps), event
        assert history.n_iter == len(history.gradient_norms) == len(history.validation_scores)
    assert n_kept > 0.7 * n_lines


def test_interrupt_of_lbfgs_goes_back_to_the_last_iterate():
    # What is interrupted is a trial of the line search: its point is not kept.
    sequences, target, weight = problem()
    data = sequences, (target[:, 0] > 0.5).astype(np.int64), weight
    settings = {"solver": "lbfgs", "tol": 0.0}
    network = MeanNetwork(3, 2, loss="log_loss", alpha=0.1)
    _, whole = fit(network, data, max_iter=3, **settings)
    n_calls = len(network.calls)

    again = MeanNetwork(3, 2, loss="log_loss", alpha=0.1)

    def press(call):
        if call > n_calls:
            raise KeyboardInterrupt

    again.before_call = press
    with pytest.warns(UserWarning, match=r"interrupted in epoch 4 at a loss of 0\.\d+"):
        _, history = fit(again, data, max_iter=30, **settings)
    assert_array_equal(again.theta, network.theta)
    assert history.loss_curve == whole.loss_curve


def test_a_signal_interrupts():
    # In a process of its own, with Python's own handler of SIGINT, whatever these tests inherited.
    program = """
import os, signal, sys, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from test_training import MeanNetwork, fit
network = MeanNetwork(3, 2)
network.before_call = lambda call: call == 200 and os.kill(os.getpid(), signal.SIGINT)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    _, history = fit(network, max_iter=1000, tol=0.0, n_iter_no_change=1000)
assert any("interrupted in epoch 40" in str(warning.message) for warning in caught), caught
print(history.n_iter, history.t)
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "39 897\n"


# lbfgs


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


def test_lbfgs_warns_when_its_line_search_fails():
    # A gradient of the wrong sign: the loss rises along every search direction.
    network = MeanNetwork(3, 2)

    def turn(call, loss):
        network.grad *= -1.0
        return loss

    network.change_loss = turn
    settings = Settings(solver="lbfgs")
    with pytest.warns(fastrnn.training.ConvergenceWarning, match="found no lower loss"):
        train(network, *problem(), settings, start())
    assert_array_equal(network.theta, 0.0)


def test_lbfgs_that_starts_at_the_minimum_has_one_iteration():
    sequences, target, weight = problem()
    target[:] = 0.0
    settings = Settings(solver="lbfgs")
    network = MeanNetwork(3, 2)
    history = train(network, sequences, target, weight, settings, start())
    assert (history.n_iter, history.loss_curve, history.gradient_norms) == (1, [0.0], [0.0])


# What is printed


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(text):
    """Return the lines that stay on a terminal after \\r has overwritten them."""
    lines = []
    for line in text.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


LINE = re.compile(r"epoch +\d+/10  loss \d\.\d{6}  gradient norm [\d.e-]+  \d+\.\d\d s")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_not_verbose_prints_nothing(monkeypatch, solver):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    fit(solver=solver, max_iter=2)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_verbose_prints_one_line_an_epoch(capsys, solver):
    _, history = fit(solver=solver, verbose=True, tol=0.0)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert "\r" not in out
    assert len(lines) == history.n_iter
    assert all(LINE.fullmatch(line) for line in lines), out
    assert f"epoch  2/10  loss {history.loss_curve[1]:.6f}" in lines[1]


def test_verbose_prints_the_score_and_why_training_stopped(capsys):
    left = [0.5, 0.25, 0.25]
    fit(early_stopping=True, validate=lambda: left.pop(0), verbose=True, n_iter_no_change=2)
    *_, last, reason = capsys.readouterr().out.splitlines()
    assert "  validation score 0.2500  gradient norm" in last
    assert reason == "Validation score did not improve by tol=0.0001 for 2 epochs. Stopping."


def test_verbose_prints_the_rate_that_adaptive_goes_to(capsys):
    fit(
        scripted([1.0] * 10),
        batch_size=23,
        learning_rate="adaptive",
        n_iter_no_change=4,
        verbose=True,
    )
    assert "Learning rate is now 0.01." in capsys.readouterr().out


def test_a_terminal_shows_a_bar_and_keeps_none(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    monkeypatch.setenv("COLUMNS", "80")
    fit(verbose=True, tol=0.0)
    text = terminal.getvalue()
    assert "\repoch 3/10 [############........] 3/5  loss 0." in text
    assert all(LINE.fullmatch(line) for line in screen(text)[:10]), screen(text)
    assert screen(text)[10:] == [""]


def test_the_bar_fits_the_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    monkeypatch.setenv("COLUMNS", "20")
    fit(verbose=True, max_iter=1)
    assert max(len(part) for part in terminal.getvalue().split("\r")) == 19


def test_the_bar_is_drawn_ten_times_a_second(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    ticks = iter(0.01 * np.arange(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    fit(verbose=True, max_iter=1, batch_size=1)
    assert 2 <= terminal.getvalue().count("[") <= 6


def test_the_bar_is_wiped_after_an_interrupt_and_an_error(monkeypatch):
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    for event in (KeyboardInterrupt, RuntimeError):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        network = MeanNetwork(3, 2)

        def press(call, event=event):
            if call == 4:
                raise event

        network.before_call = press
        expected = pytest.warns(UserWarning) if event is KeyboardInterrupt else pytest.raises(event)
        with expected:
            fit(network, verbose=True)
        assert "[" in terminal.getvalue()
        assert screen(terminal.getvalue()) == [""]


def test_the_bar_is_not_written_to_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    fit(verbose=True, max_iter=2)
    assert "[" not in "".join(capsys.readouterr())
