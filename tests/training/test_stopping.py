"""When training ends: schedules, stalling, early stopping, going on, numbers that are none."""

import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_network import STOCHASTIC, MeanNetwork, fit, problem, scripted, start

import fastrnn.training
from fastrnn.training.loop import Settings, train
from fastrnn.training.solvers import SOLVERS


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


@pytest.mark.parametrize(
    ("losses", "n_epochs"),
    [
        ([8.0, 0.2, 0.2, 0.1], 4),  # a sixteenth and less
        ([8.0, 9.0, 0.5, 0.5, 0.5], 5),  # just a sixteenth
        ([8.0, 0.1, 0.5, 0.5, 0.6], 10),
        ([8.0, 0.5, 0.5, 0.7], 8),
        ([1e-30, 1e-30, 1e-30, 1e-30], 8),  # it is a share
    ],
)
def test_a_course_that_leaves_much_of_the_loss_is_followed_by_one_more(losses, n_epochs):
    network, left = scripted([*losses, *losses]), {"again_between": (1 / 16, math.inf), "tol": 0.0}
    settings = {"learning_rate": "cosine", "batch_size": 23, "max_iter": len(losses)}
    assert fit(network, **settings, **left)[1].n_iter == n_epochs
    assert fit(scripted(losses), **settings)[1].n_iter == len(losses)


@pytest.mark.parametrize(("left", "n_epochs"), [(0.5, 4), (0.6, 8), (4.0, 8), (4.1, 4)])
def test_where_most_of_the_loss_is_left_there_is_no_other_course(left, n_epochs):
    network = scripted([8.0, *[left] * 7])
    settings = {"learning_rate": "cosine", "batch_size": 23, "max_iter": 4, "tol": 0.0}
    assert fit(network, again_between=(1 / 16, 1 / 2), **settings)[1].n_iter == n_epochs


def test_another_course_begins_at_the_full_rate(rates):
    course = {"solver": "recorder", "max_iter": 3, "learning_rate": "cosine"}
    fit(again_between=(0.5, math.inf), **course)
    assert_allclose(rates, 0.025 * (1 + np.cos(np.pi * np.tile(np.arange(15), 2) / 15)), rtol=1e-14)


def test_what_is_read_is_told_where_in_a_course_it_is():
    told, data = [], problem()

    def vary(rng, done):
        told.append(done)
        return data[0]

    settings = Settings(
        max_iter=4, batch_size=5, learning_rate="cosine", again_between=(0.0, math.inf)
    )
    train(MeanNetwork(3, 2), *data, settings, start(), vary=vary)
    assert told == [0.0, 0.25, 0.5, 0.75] * 2
    train(MeanNetwork(3, 2), *data, settings, start(), vary=vary, n_epochs=5)
    assert told[8:] == [0.0] * 5


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


def test_cosine_runs_to_its_end_whatever_the_loss_does():
    losses = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    settings = {"batch_size": 23, "learning_rate": "cosine", "n_iter_no_change": 1, "max_iter": 6}
    state = start()
    _, history = fit(scripted(losses), state=state, **settings)
    assert history.loss_curve == losses
    assert state.n_lowered == 0
    _, history = fit(scripted(losses), **{**settings, "learning_rate": "constant"})
    assert history.loss_curve == losses[:2]


def test_early_stopping_ends_cosine_when_the_score_stalls():
    scores = [0.5, 0.6, 0.6, 0.6, 0.9, 0.9]
    options = {"learning_rate": "cosine", "n_iter_no_change": 2}
    network, history, thetas = fit_with_scores(scores, **options)
    assert history.validation_scores == scores[:4]
    assert_array_equal(network.theta, thetas[1])
    options["n_iter_no_change"] = math.inf
    network, history, thetas = fit_with_scores(scores, **options, max_iter=6)
    assert history.validation_scores == scores
    assert_array_equal(network.theta, thetas[4])


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
