"""How `fit` and `partial_fit` train: solvers, rates, what is held out."""

import numpy as np
import pytest
from contract import PLAIN, label_sequences, number_sequences

from fastrnn.estimators import RNNClassifier, RNNRegressor, fitting, tasks
from fastrnn.estimators.shared_parameters import STOCHASTIC
from fastrnn.estimators.tasks import Target, hold_out

ESTIMATORS = [RNNClassifier, RNNRegressor]

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(estimator, **params):
    """Return an estimator that trains in milliseconds."""
    return estimator(
        **{**PLAIN, "hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params}
    )


def make_problem(estimator, n=40, seed=0):
    """Return sequences and what the estimator learns easily from them."""
    draw = label_sequences if estimator is RNNClassifier else number_sequences
    return draw(n, seed)


def fitted(estimator, **params):
    """Return a small estimator that is fitted, and its sequences and targets."""
    X, y = make_problem(estimator)
    return small(estimator, **params).fit(X, y), X, y


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_every_solver_learns(solver):
    params = {"solver": solver, "max_iter": 60, "hidden_layer_sizes": 8}
    if solver != "lbfgs":
        params.update(learning_rate_init=0.2 if solver == "sgd" else 0.02, batch_size=10)
    X, y = make_problem(RNNClassifier)
    assert small(RNNClassifier, **params).fit(X, y).score(X, y) > 0.9
    X, y = make_problem(RNNRegressor)
    assert small(RNNRegressor, **params).fit(X, y).score(X, y) > 0.9


def test_weight_decay_of_adamw_is_not_also_a_penalty():
    assert fitted(RNNClassifier, solver="adam", alpha=0.5)[0].network_.alpha == 0.5
    model, *_ = fitted(RNNClassifier, solver="adamw", alpha=0.5)
    assert model.network_.alpha == 0
    assert fitting.settings_of(model, 40).alpha == 0.5


def test_partial_fit_lowers_the_adaptive_rate():
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier, learning_rate="adaptive", tol=1e9, n_iter_no_change=2)
    for _ in range(7):
        model.partial_fit(X, y, classes=["down", "up"])
    assert model.training_state_.n_lowered == 3  # after every two epochs but the first
    assert model.n_iter_ == 7


def test_partial_fit_goes_on_after_the_end_of_the_cosine():
    X, y = make_problem(RNNClassifier)
    models = [
        small(RNNClassifier, learning_rate="cosine", max_iter=2, random_state=0).fit(X, y)
        for _ in range(2)
    ]
    models[0].partial_fit(X, y)
    models[1].set_params(learning_rate="constant").partial_fit(X, y)
    np.testing.assert_array_equal(*(model.network_.theta for model in models))
    assert models[0].n_iter_ == 3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_early_stopping_scores_what_it_holds_out(estimator, monkeypatch):
    held_out, trained = [], []
    hold, train = tasks.hold_out, fitting.train

    def spy_hold_out(*args):
        held_out.append(hold(*args))
        return held_out[-1]

    def spy_train(network, sequences, target, weight, *args, **kwargs):
        trained.append(np.flatnonzero(weight))
        return train(network, sequences, target, weight, *args, **kwargs)

    monkeypatch.setattr(tasks, "hold_out", spy_hold_out)
    monkeypatch.setattr(fitting, "train", spy_train)
    X, y = make_problem(estimator)
    y = np.where(np.arange(len(X)) % 3 == 0, np.roll(y, 1), y)  # not all of it can be learned
    params = {"early_stopping": True, "validation_fraction": 0.25, "max_iter": 30, "tol": 0.0}
    model = small(estimator, learning_rate_init=0.05, dtype="float64", **params)
    weight = np.random.default_rng(0).uniform(1, 2, size=len(X))
    model.fit(X, y, sample_weight=weight)
    (held,), (seen,) = held_out, trained
    assert len(held) == 10
    assert sorted([*held, *seen]) == list(range(40))
    assert model.t_ == model.n_iter_ * 30
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    score = model.score([X[i] for i in held], y[held], sample_weight=weight[held])
    assert score == pytest.approx(model.best_validation_score_, rel=1e-9)


def as_target(groups, weight=None):
    """Return a target with these groups, for `hold_out`."""
    groups = np.asarray(groups)
    weight = np.ones(len(groups)) if weight is None else np.asarray(weight)
    return Target(groups, weight, weight, groups)


def test_hold_out_takes_its_share_of_every_group():
    groups = np.repeat([0, 1, 2], [60, 30, 10])
    held = hold_out(as_target(groups), 0.2, np.random.default_rng(0))
    assert np.bincount(groups[held]).tolist() == [12, 6, 2]
    assert len(set(held)) == 20
    again = hold_out(as_target(groups), 0.2, np.random.default_rng(1))
    assert set(again) != set(held)


def test_hold_out_leaves_one_of_each_group_and_no_weight_zero():
    groups = np.repeat([0, 1, 2], [50, 1, 2])
    held = hold_out(as_target(groups), 0.9, np.random.default_rng(0))
    assert np.bincount(groups[held], minlength=3).tolist() == [45, 0, 1]
    weight = np.arange(53) % 2
    held = hold_out(as_target(groups, weight), 0.5, np.random.default_rng(0))
    assert weight[held].all()


def test_hold_out_of_too_few():
    with pytest.raises(ValueError, match="holds out 1 of 10 sequences, but a score needs 2"):
        hold_out(as_target(np.zeros(10, dtype=int)), 0.1, np.random.default_rng(0))
