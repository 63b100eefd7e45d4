"""What training promises, whatever the estimator: its bits, its weights, its scores, its ends."""

import pickle

import numpy as np
import pytest
from contract import CASES, over, same, state_of, take

from fastrnn.estimators import RNNForecaster, RNNLanguageModel
from fastrnn.estimators.shared_parameters import STOCHASTIC
from fastrnn.training.checkpoints import CheckpointFile

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

of_all_cases = over()
of_separate_sequences = over(lambda case: case.is_separate)

HISTORY = ("n_iter_", "t_", "loss_", "best_loss_", "loss_curve_", "gradient_norms_")


def n_sequences(case):
    return len(case.data[0])


# The source of random numbers.


@of_all_cases
def test_random_state(case):
    params = {"dropout": 0.3, "recurrent_dropout": 0.2, "batch_size": 4}
    if case.is_separate and n_sequences(case) > 20:
        params |= {"early_stopping": True, "validation_fraction": 0.3}

    def fit(random_state):  # everything is drawn in the first epoch
        return case.fit(random_state=random_state, max_iter=1, **params)

    one = fit(3)
    assert same(one, fit(3))
    assert not same(one, fit(4))
    assert not same(fit(None), fit(None))
    for make in (np.random.default_rng, np.random.RandomState):
        assert same(fit(make(3)), fit(make(3)))
        generator = make(3)
        assert not same(fit(generator), fit(generator))  # it was advanced


# What is recorded.


@of_all_cases
def test_history(case):
    model = case.fit(max_iter=4)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.gradient_norms_) == 4
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ % 4 == 0 and model.t_ > 0
    if case.is_separate:
        assert model.t_ == 4 * n_sequences(case)
    assert model.validation_scores_ is None and model.best_validation_score_ is None
    assert all(norm > 0 for norm in model.gradient_norms_)


@of_all_cases
def test_verbose_prints_a_line_an_epoch(case, capsys):
    model = case.fit(verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ == 3
    for loss, line in zip(model.loss_curve_, lines, strict=True):
        assert f"loss {loss:.6f}" in line
    case.fit()
    assert capsys.readouterr().out == ""


# partial_fit: training epoch by epoch.


# A solver sees vectors, whatever the estimator: each runs with one case of each kind of network.
@pytest.mark.parametrize(
    ("case", "solver"),
    [
        pytest.param(case, solver, id=f"{name}-{solver}")
        for name, case in CASES.items()
        for solver in STOCHASTIC
        if solver == "adam" or name in ("classifier", "translating", "forecaster", "text")
    ],
)
def test_partial_fit_is_fit_one_epoch_at_a_time(case, solver):
    params = {
        "solver": solver, "batch_size": 16, "dropout": 0.2, "recurrent_dropout": 0.1,
        "learning_rate_init": 0.01, "tol": 0.0,
    }  # fmt: skip
    whole = case.fit(**params)
    model = case.make(**params)
    for _ in range(3):
        assert model.partial_fit(*case.data, **case.first) is model
        model = pickle.loads(pickle.dumps(model))  # nothing that matters is lost
    assert same(model, whole)
    for name in HISTORY:
        assert getattr(model, name) == getattr(whole, name), name


@of_all_cases
def test_partial_fit_goes_on_after_fit(case):
    whole, model = case.fit(max_iter=4), case.fitted()
    t = model.t_
    model.partial_fit(*case.data)
    assert same(model, whole)
    assert (model.n_iter_, model.t_) == (4, t + t // 3)
    assert model.loss_curve_ == whole.loss_curve_


@of_all_cases
def test_there_is_no_partial_fit_with_lbfgs(case):
    model = case.make(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        model.partial_fit  # noqa: B018
    assert case.estimator.partial_fit.__doc__
    if case.learns_with_lbfgs:
        model.fit(*case.data).set_params(solver="adam").partial_fit(*case.data)
        assert model.n_iter_ == 4


# warm_start: another training of the same network.


@of_all_cases
def test_warm_start_goes_on(case):
    size = {"batch_size": 200} if case.is_separate else {}
    model = case.make(warm_start=True, max_iter=8, learning_rate_init=0.01, **size).fit(*case.data)
    first, t = model.loss_curve_, model.t_
    assert first[-1] < first[0]
    model.fit(*case.data)
    assert model.n_iter_ == 8
    assert model.loss_curve_[:8] == first
    assert len(model.loss_curve_) == len(model.gradient_norms_) == 16
    assert abs(model.loss_curve_[8] - first[-1]) < 0.3 * (first[0] - first[-1])
    assert model.loss_ < first[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ == 2 * t
    model.set_params(warm_start=False).fit(*case.data)
    assert model.loss_curve_ == first and model.t_ == t


@of_all_cases
def test_warm_start_goes_on_after_partial_fit(case):
    model = case.make(warm_start=True).partial_fit(*case.data, **case.first)
    theta = model.network_.theta.copy()
    model.set_params(learning_rate_init=1e-30)
    model.fit(*case.data, validation_data=case.validation(case.data))
    np.testing.assert_allclose(model.network_.theta, theta, rtol=1e-6)
    assert len(model.loss_curve_) == 4 and model.n_iter_ == 3
    assert len(model.validation_scores_) == 3
    assert model.training_state_.epoch == 3
    model.partial_fit(*case.data)
    assert model.n_iter_ == 4 and len(model.validation_scores_) == 3


NETWORKS = {
    "hidden_layer_sizes": (5, 5), "cell": "rnn", "bidirectional": True, "pooling": "mean",
    "embedding_dim": 99, "tie_weights": True, "tokenizer": str.split, "scaling": "level",
    "strategy": "direct", "forget_bias_init": 0.0, "reset_after": False, "attention": "additive",
}  # fmt: skip


def changes_of(case):
    """Parameters that shape the network of this case, each with another value."""
    params = case.make().get_params()
    unused = {"reset_after" if params["cell"] == "lstm" else "forget_bias_init"}
    if not case.may_read_back:
        unused.add("bidirectional")
    if not case.counts_tokens:
        unused.add("tokenizer")
    elif case.estimator is not RNNLanguageModel:
        unused.add("scaling")
    if params.get("alignment") == "ctc":
        unused |= {"tie_weights", "attention"}
    if case.estimator is not RNNLanguageModel and params["embedding_dim"] is None:
        unused.add("embedding_dim")
    changes = {name: NETWORKS[name] for name in NETWORKS.keys() & params.keys() - unused}
    if "scaling" in changes and case.estimator is not RNNForecaster:
        changes["scaling"] = "robust"
    changes["dtype"] = "float64" if params["dtype"] == "float32" else "float32"
    return {name: value for name, value in changes.items() if params[name] != value}


@pytest.mark.parametrize(
    ("case", "name", "value"),
    [
        pytest.param(case, *change, id=f"{name}-{change[0]}")
        for name, case in CASES.items()
        for change in sorted(changes_of(case).items())
    ],
)
def test_the_network_cannot_be_changed_on_the_way(case, name, value):
    model = case.fitted()
    params, before = model.get_params(), state_of(model)
    for start, train in (("warm_start=True", "fit"), ("partial_fit", "partial_fit")):
        model.set_params(warm_start=True, **{name: value})
        with pytest.raises(ValueError, match=f"^{start} goes on from the fitted model, which has"):
            getattr(model, train)(*case.data)
        model.set_params(**params)
        assert state_of(model) == before


@of_all_cases
def test_how_it_is_trained_may_be_changed_on_the_way(case):
    model = case.fitted()
    adam = model.training_state_.solver_state
    model.set_params(learning_rate_init=0.5).partial_fit(*case.data)
    assert model.training_state_.solver_state["t"] > adam["t"]
    changes = {"solver": "sgd", "alpha": 0.5, "dropout": 0.3, "batch_size": 5}
    model.set_params(**changes).partial_fit(*case.data)
    assert model.training_state_.solver_state.keys() == {"velocity"}
    assert (model.network_.alpha, model.network_.dropout) == (0.5, 0.3)
    model.set_params(warm_start=True).fit(*case.data)
    assert len(model.loss_curve_) == 8


# Weights.


def check_weights_are_repetition(case, **params):
    weight = np.random.default_rng(1).integers(0, 4, size=n_sequences(case))
    weight[:2] = 0, 3
    repeated = take(case.data, np.repeat(np.arange(len(weight)), weight))
    params |= {"dtype": "float64", "max_iter": 5, "batch_size": 200}
    weighted = case.fit(fit={"sample_weight": weight}, **params)
    longer = case.fit(*repeated, **params)
    np.testing.assert_allclose(weighted.network_.theta, longer.network_.theta, rtol=1e-6, atol=1e-7)
    states = (model.transform(case.data[0]) for model in (weighted, longer))
    np.testing.assert_allclose(*states, rtol=1e-5, atol=1e-7)
    assert not np.allclose(weighted.network_.theta, case.fit(**params).network_.theta)
    if case.estimator is not RNNForecaster:  # whose scores have no weights
        score = weighted.score(*case.data, sample_weight=weight)
        assert score == pytest.approx(longer.score(*repeated), rel=1e-5)
        assert score != weighted.score(*case.data)


@over(lambda case: case.is_separate and not case.counts_tokens and not case.learns_means)
def test_integer_weights_are_repetition(case):
    # The penalty of a minibatch is divided by the number of its sequences, whatever they weigh.
    check_weights_are_repetition(case, alpha=0.0, learning_rate_init=0.01)


@over(lambda case: case.learns_with_lbfgs and not case.counts_tokens and not case.learns_means)
def test_integer_weights_are_repetition_with_lbfgs(case):
    check_weights_are_repetition(case, solver="lbfgs", alpha=0.01)


@of_separate_sequences
def test_weights_of_partial_fit(case):
    weight = np.arange(n_sequences(case)) % 2
    model = case.make().partial_fit(*case.data, sample_weight=weight, **case.first)
    assert not same(model, case.make().partial_fit(*case.data, **case.first))
    assert model.t_ == np.sum(weight)
    twice = case.make(alpha=0.0).partial_fit(*case.data, sample_weight=2 * weight, **case.first)
    once = case.make(alpha=0.0).partial_fit(*case.data, sample_weight=weight, **case.first)
    assert same(twice, once)


# Validation data, and early stopping.


@pytest.mark.parametrize(
    ("case", "solver"),
    [
        pytest.param(case, solver, id=f"{name}-{solver}")
        for name, case in CASES.items()
        for solver in ["adam"] + ["lbfgs"] * case.learns_with_lbfgs
    ],
)
def test_validation_data_is_only_recorded(case, solver):
    params, weight = {"solver": solver, "dtype": "float64"}, None
    if case.estimator is not RNNLanguageModel:  # whose validation data are texts alone
        weight = np.random.default_rng(0).uniform(size=len(case.other[0]))
    model = case.fit(fit={"validation_data": case.validation(case.other, weight)}, **params)
    alone = case.fit(**params)
    assert same(model, alone) and model.t_ == alone.t_
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ is None
    score = case.scores(model, case.other, weight)
    assert score == pytest.approx(model.validation_scores_[-1], rel=1e-9)


@of_all_cases
@pytest.mark.filterwarnings("ignore:Training has learned nothing")
def test_early_stopping_looks_at_validation_data(case):
    # With steps of that size no network becomes better for long; nothing is good enough for tol.
    params = {"early_stopping": True, "max_iter": 40, "tol": 1e9, "n_iter_no_change": 6}
    model = case.make(solver="sgd", learning_rate_init=3.0, dtype="float64", **params)
    model.fit(*case.data, validation_data=case.validation(case.other))
    assert len(model.validation_scores_) == model.n_iter_ < 10
    assert model.t_ == case.fit(max_iter=1).t_ * model.n_iter_  # nothing was held out
    best = max(model.validation_scores_)
    assert model.best_validation_score_ == best
    assert case.scores(model, case.other, None) == pytest.approx(best, rel=1e-9)


@of_all_cases
def test_early_stopping_holds_out_what_it_scores(case):
    params = {"early_stopping": True, "validation_fraction": 0.5, "max_iter": 5}
    model = case.fit(**params)
    assert len(model.validation_scores_) == model.n_iter_ == 5
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert not same(model, case.fit(max_iter=5))


# What fails leaves the model as it was.


@of_all_cases
def test_a_fit_that_fails_leaves_the_model_as_it_was(case, tmp_path):
    model = case.fitted()
    params, before = model.get_params(), state_of(model)
    first = case.data[0]
    calls = [({}, bad, {}) for bad in case.bad]
    calls += [({}, case.data, {"validation_data": case.validation(bad)}) for bad in case.bad[:1]]
    calls += [
        ({"alpha": -1.0}, case.data, {}),
        ({"dropout": "much"}, case.data, {}),
        ({"early_stopping": True, "validation_fraction": 2.0}, case.data, {}),
        ({}, case.data, {"sample_weight": [-1.0] * len(first)}),
        ({}, case.data, {"sample_weight": [1.0] * (len(first) + 1)}),
        ({}, case.data, {"validation_data": object()}),
        ({}, case.data, {"checkpoint": tmp_path / "nowhere" / "file"}),
        ({}, case.data, {"resume": True}),
    ]  # fmt: skip
    for warm_start in (False, True):
        for changes, data, options in calls:
            model.set_params(warm_start=warm_start, **changes)
            with pytest.raises((ValueError, TypeError, OSError)):
                model.fit(*data, **options)
            model.set_params(**params)
            assert state_of(model) == before, (changes, data, options)
    for changes, data, options in calls:
        if options.keys() <= {"sample_weight"}:
            model.set_params(**changes)
            with pytest.raises((ValueError, TypeError)):
                model.partial_fit(*data, **options)
            model.set_params(**params)
            assert state_of(model) == before, (changes, data, options)
    assert [*tmp_path.iterdir()] == []


@of_all_cases
@pytest.mark.parametrize("train", ["fit", "warm start", "partial_fit"])
def test_training_that_diverges_leaves_the_model_as_it_was(case, train):
    model = case.fit(dtype="float32")
    changes = {"solver": "sgd", "learning_rate_init": 1e30, "clip_norm": None, "batch_size": 2}
    model.set_params(warm_start=train == "warm start", max_iter=20, **changes)
    work = model.partial_fit if train == "partial_fit" else model.fit
    with pytest.raises(ValueError, match="Training diverged"), np.errstate(all="ignore"):
        for _ in range(20):  # epochs of partial_fit, until one diverges
            before = state_of(model)
            work(*case.data)
    assert state_of(model) == before


@of_all_cases
def test_interrupted_training_keeps_the_model(case, monkeypatch):
    kind = case.fitted().task_.network_class
    loss_and_grad, calls = kind.loss_and_grad, []
    n_calls = 0

    def count(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        return loss_and_grad(self, *args, **kwargs)

    monkeypatch.setattr(kind, "loss_and_grad", count)
    expected = case.fit(max_iter=2, batch_size=2)
    for n_steps in (0, 1):  # of the third epoch
        n_calls, calls[:] = 2 * (len(calls) // 2) + n_steps + 1, []
        with pytest.warns(UserWarning, match="interrupted in epoch 3"):
            model = case.fit(max_iter=50, batch_size=2)
        for name in HISTORY:
            assert getattr(model, name) == getattr(expected, name), name
        assert model.training_state_.epoch == 2
        assert same(model, expected) == (n_steps == 0)
        calls[:] = [1] * (n_calls - 1 - n_steps)


# Checkpoints.


@of_all_cases
def test_training_goes_on_from_every_checkpoint(case, tmp_path, monkeypatch):
    path, copies, keep = tmp_path / "checkpoint", [], CheckpointFile.keep

    def keep_and_copy(self, checkpoint):
        keep(self, checkpoint)
        if path.exists() and path.read_bytes() not in copies:
            copies.append(path.read_bytes())

    params = {"dropout": 0.2, "batch_size": 8}
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFile, "keep", keep_and_copy)
        whole = case.fit(fit={"checkpoint": path}, **params)
    assert same(whole, case.fit(**params))
    assert len(copies) == 3
    for saved in copies:
        path.write_bytes(saved)
        resumed = case.fit(fit={"checkpoint": path, "resume": True}, **params)
        assert same(resumed, whole)
        for name in HISTORY:
            assert getattr(resumed, name) == getattr(whole, name), name
