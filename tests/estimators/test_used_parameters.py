"""Parameters that are not used are ignored, and those that are have an effect."""

import itertools

import numpy as np
import pytest
from small_problems import CHANGED, make_problem, same, small
from test_parameters import WRONG

from fastrnn import RNNClassifier, RNNForecaster, load
from fastrnn.estimators import resuming
from fastrnn.estimators.parameters import course_of_training, is_used, parameters_of
from fastrnn.network.cells import CELLS

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def choices_of(name):
    """Return what may be chosen for a parameter of RNNClassifier."""
    return parameters_of(RNNClassifier)[name].values.words or (False, True)


SOMETIMES_USED = [name for name, row in parameters_of(RNNClassifier).items() if row.used_by]
UNUSED = [
    (name, chooser, choice)
    for name in SOMETIMES_USED
    for chooser, users in [parameters_of(RNNClassifier)[name].used_by]
    for choice in choices_of(chooser)
    if choice not in users
]


@pytest.mark.parametrize(("name", "chooser", "choice"), UNUSED)
def test_parameter_that_is_not_used_is_ignored(name, chooser, choice):
    X, y = make_problem()
    default = small(**{chooser: choice})
    changed = small(**{chooser: choice, name: CHANGED[name]})
    assert is_used(default, chooser) and not is_used(default, name)
    assert changed.get_params()[name] == CHANGED[name] != default.get_params()[name]
    assert same(default.fit(X, y), changed.fit(X, y))
    assert default.loss_curve_ == changed.loss_curve_
    assert default.validation_scores_ == changed.validation_scores_
    assert default.estimate_memory(X, y) == changed.estimate_memory(X, y)


def test_ignored_by_what_is_ignored_itself():
    X, y = make_problem()
    default = small(solver="lbfgs")
    for ignored in [
        {"early_stopping": True, "validation_fraction": 0.5},
        {"learning_rate": "invscaling", "power_t": 0.1},
        {"learning_rate": "cosine", "bptt_steps": 2, "dropout": 0.5, "batch_size": 3},
    ]:
        assert same(default.fit(X, y), small(solver="lbfgs", **ignored).fit(X, y))


def test_what_float32_cannot_hold_is_ignored_where_it_is_not_used():
    problem = make_problem()
    for ignored in [{"carry_bias_init": 1e39}, {"solver": "lbfgs", "epsilon": 1e-50}]:
        chosen = {name: value for name, value in ignored.items() if name == "solver"}
        assert same(small(**ignored).fit(*problem), small(**chosen).fit(*problem))
    with pytest.raises(ValueError, match=r"^carry_bias_init is 1e\+39, but float32 has"):
        small(carry_bias_init=1e39, cell="carry_lstm").fit(*problem)


def test_forecaster_ignores_the_horizon_of_the_other_strategy():
    default, changed = small(RNNForecaster), small(RNNForecaster, horizon=5)
    (series,) = make_problem(RNNForecaster)
    assert same(default.fit(series), changed.fit(series))
    assert len(changed.predict(9)) == 9
    changed.set_params(strategy="direct").fit(series)
    assert changed.n_outputs_ == 5


@pytest.mark.parametrize(("name", "chooser", "choice"), UNUSED)
def test_wrong_value_that_is_not_used_is_an_error(name, chooser, choice):
    wrong = next(value for other, value, _ in WRONG if other == name)
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be "):
        small(**{chooser: choice, name: wrong}).fit(*make_problem())


@pytest.mark.parametrize("name", SOMETIMES_USED)
def test_parameter_has_an_effect_where_it_is_used(name):
    chooser, users = parameters_of(RNNClassifier)[name].used_by
    X, y = make_problem()
    for choice in users:
        # Two minibatches an epoch; tol makes training stall at once.
        params = {"max_iter": 5, "dtype": "float64", chooser: choice}
        if choice != "lbfgs":
            params.update(batch_size=20, learning_rate_init=0.05)
        if name == "n_iter_no_change":
            params.update(tol=10.0)
        default = small(**params).fit(X, y)
        changed = small(**{**params, name: CHANGED[name]}).fit(X, y)
        assert is_used(default, name)
        assert not same(default, changed), choice


ALWAYS_USED = {
    "hidden_layer_sizes": (6, 5),
    "cell": "lstm",
    "bidirectional": True,
    "pooling": "mean",
    "solver": "sgd",
    "alpha": 0.1,
    "max_iter": 2,
    "random_state": 1,
    "tol": 10.0,
    "dtype": "float64",
    "class_weight": {"up": 3.0},
}


@pytest.mark.parametrize("name", ALWAYS_USED)
def test_parameter_has_an_effect(name):
    X, y = make_problem()
    params = {"max_iter": 12, "learning_rate_init": 0.01}
    default = small(**params).fit(X, y)
    changed = small(**{**params, name: ALWAYS_USED[name]}).fit(X, y)
    assert not np.array_equal(default.predict_proba(X), changed.predict_proba(X))


def test_every_parameter_is_known_to_have_an_effect():
    elsewhere = {"verbose", "warm_start", "n_jobs", "precision"}  # test_contract*, test_bfloat16
    ids = {"embedding_dim", "categorical_features"}  # test_tokens.py
    # test_missing.py, test_padding.py, test_number_scaling.py, test_long_sequences.py
    reading = {"padding", "missing", "time_feature", "scaling", "stride", "conv"}
    tested = {*SOMETIMES_USED, *ALWAYS_USED, *elsewhere, *ids, *reading}
    assert tested == set(RNNClassifier().get_params())


# In scikit-learn's tools, in any order, in files.


def test_grid_over_solvers_and_cells_with_all_parameters_set():
    pytest.importorskip("sklearn", reason="the grid is scikit-learn's")
    from sklearn.model_selection import GridSearchCV

    # learning_rate is "cosine", so that power_t is not used, and early_stopping stays False.
    given = {**CHANGED, "early_stopping": False, "max_fun": 20}
    grid = {"solver": choices_of("solver"), "cell": choices_of("cell")}
    search = GridSearchCV(small(**given), grid, cv=2, error_score="raise").fit(*make_problem())
    assert len(search.cv_results_["mean_test_score"]) == 5 * len(CELLS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    grid = {"early_stopping": [True, False], "learning_rate": choices_of("learning_rate")}
    search = GridSearchCV(small(**given), grid, cv=2, error_score="raise").fit(*make_problem())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    "changes",
    list(
        itertools.permutations(
            [{"early_stopping": True}, {"validation_fraction": 0.4}, {"solver": "lbfgs"}]
        )
    ),
)
def test_parameters_are_set_in_any_order(changes):
    model, problem = small(), make_problem()
    for change in changes:
        model.set_params(**change).fit(*problem)
    direct = small(**{name: value for change in changes for name, value in change.items()})
    assert same(model, direct.fit(*problem))
    for change in changes:
        name = next(iter(change))
        model.set_params(**{name: parameters_of(RNNClassifier)[name].default}).fit(*problem)
    assert same(model, small().fit(*problem))


def test_file_keeps_what_is_not_used(tmp_path):
    model = small(**{**CHANGED, "early_stopping": False, "cell": "gru"}).fit(*make_problem())
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.get_params() == model.get_params()
    assert same(loaded, model)
    loaded.set_params(cell="rnn").fit(*make_problem())
    assert same(loaded, model.set_params(cell="rnn").fit(*make_problem()))


def test_checkpoint_is_about_what_is_used(tmp_path):
    file, problem = tmp_path / "checkpoint", make_problem()
    sgd = {"cell": "lstm", "solver": "sgd"}
    small(**sgd, beta_1=0.5).fit(*problem, checkpoint=file)
    more = small(**sgd, beta_1=0.7, carry_bias_init=1.0, max_iter=6, n_jobs=2)
    more.fit(*problem, checkpoint=file, resume=True)
    assert same(more, small(**sgd, max_iter=6).fit(*problem))
    for change in [{"momentum": 0.5}, {"forget_bias_init": 2.0}, {"early_stopping": True}]:
        name = next(iter(change))
        with pytest.raises(ValueError, match=f"belongs to another training: {name} was "):
            more.set_params(**change).fit(*problem, checkpoint=file, resume=True)
        more.set_params(**{name: parameters_of(RNNClassifier)[name].default})


def test_checkpoint_that_has_what_is_not_used(tmp_path, monkeypatch):
    file, problem = tmp_path / "checkpoint", make_problem()
    with monkeypatch.context() as patch:  # as version 0.1.0 wrote them
        patch.setattr(
            resuming, "course_of_training", lambda estimator: parameters_of(type(estimator))
        )
        small().fit(*problem, checkpoint=file)
    more = small(max_iter=6).fit(*problem, checkpoint=file, resume=True)
    assert same(more, small(max_iter=6).fit(*problem))


def test_checkpoint_of_cosine_ends_at_max_iter():
    assert "max_iter" in course_of_training(small(learning_rate="cosine"))
    free = {name for name in parameters_of(RNNClassifier) if is_used(small(), name)}
    free -= course_of_training(small())
    assert free == {"max_iter", "n_jobs", "verbose", "warm_start"}
