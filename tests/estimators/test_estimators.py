"""RNNClassifier and RNNRegressor, with and without scikit-learn, which these tests do not need."""

import copy
import inspect
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fastrnn import bridge, standin
from fastrnn.estimators import (
    RNNClassifier,
    RNNRegressor,
    fitting,
    tasks,
)
from fastrnn.estimators.shared_parameters import STOCHASTIC
from fastrnn.estimators.tasks import Target, hold_out
from fastrnn.network import Network

ESTIMATORS = [RNNClassifier, RNNRegressor]
CELLS = ["lstm", "gru", "rnn", "carry_lstm"]

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def make_sequences(n, seed=0, n_features=3):
    """Return n sequences of 2 to 8 steps."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(2, 9), n_features)) for _ in range(n)]


def make_problem(estimator, n=40, seed=0):
    """Return sequences and what the estimator learns easily from them."""
    X = make_sequences(n, seed)
    total = np.array([x[:, 0].mean() for x in X])
    if issubclass(estimator, RNNClassifier):
        return X, np.where(total > 0, "up", "down")
    return X, 50 * total + 1000


def small(estimator, **params):
    """Return an estimator that trains in milliseconds."""
    return estimator(**{"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params})


def fitted(estimator, **params):
    """Return a small estimator that is fitted, and its sequences and targets."""
    X, y = make_problem(estimator)
    return small(estimator, **params).fit(X, y), X, y


def same(a, b):
    """Tell whether two fitted estimators are the same to the bit."""
    return np.array_equal(a.network_.theta, b.network_.theta)


# Parameters: stored by the constructor, checked by fit, documented, and none without an effect.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_constructor_only_stores(estimator):
    parameters = inspect.signature(estimator).parameters.values()
    first, *others = parameters
    assert (first.name, first.kind) == ("hidden_layer_sizes", first.POSITIONAL_OR_KEYWORD)
    assert all(parameter.kind == parameter.KEYWORD_ONLY for parameter in others)
    values = {parameter.name: object() for parameter in parameters}
    assert vars(estimator(**values)) == values


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_constructor_words_of_the_design(estimator):
    # The names and defaults that people know from MLPClassifier, and those that sequences need.
    expected = {
        "cell": "lstm", "bidirectional": False, "pooling": "last", "dropout": 0.0,
        "recurrent_dropout": 0.0, "solver": "adam", "alpha": 0.0001, "batch_size": "auto",
        "learning_rate": "constant", "learning_rate_init": 0.001, "power_t": 0.5, "max_iter": 200,
        "shuffle": True, "random_state": None, "tol": 1e-4, "verbose": False, "warm_start": False,
        "momentum": 0.9, "nesterovs_momentum": True, "early_stopping": False,
        "validation_fraction": 0.1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8,
        "n_iter_no_change": 10, "max_fun": 15000, "clip_norm": 1.0, "bptt_steps": None,
        "dtype": "float32", "n_jobs": None,
    }  # fmt: skip
    params = estimator().get_params()
    assert {name: params[name] for name in expected} == expected


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_docstring_has_every_parameter_and_attribute_once(estimator):
    model, *_ = fitted(estimator)
    attributes = [name for name in vars(model) if name.endswith("_")]
    assert "network_" in attributes
    for name in [*model.get_params(), *attributes]:
        assert estimator.__doc__.count(f"\n{name} : ") == 1, name
    sections = ["Parameters\n---", "Attributes\n---", "Examples\n---"]
    places = [estimator.__doc__.index(section) for section in sections]
    assert places == sorted(places)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_set_params_and_repr(estimator):
    model = estimator((8, 4), cell="gru")
    assert model.set_params(alpha=0.5, dtype="float64") is model
    assert model.get_params()["alpha"] == 0.5
    name = estimator.__name__
    assert repr(model) == (
        f"{name}(alpha=0.5, cell='gru', dtype='float64', hidden_layer_sizes=(8, 4))"
    )
    assert repr(estimator()) == f"{name}()"
    with pytest.raises(ValueError, match="Invalid parameter 'hiden' for estimator"):
        model.set_params(cell="rnn", hiden=3)


def test_verbose_prints_a_line_an_epoch(capsys):
    model, *_ = fitted(RNNClassifier, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ == 3
    assert all(
        f"loss {loss:.6f}" in line for loss, line in zip(model.loss_curve_, lines, strict=True)
    )
    fitted(RNNClassifier)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_n_jobs_changes_no_bit(estimator):
    X, y = make_problem(estimator, n=90)
    params = {"bidirectional": True, "dropout": 0.2, "batch_size": 80}
    one, two, four = (small(estimator, n_jobs=n, **params).fit(X, y) for n in (None, 2, 4))
    assert same(one, two) and same(one, four)
    assert np.array_equal(one.transform(X), two.transform(X))
    assert np.array_equal(one.predict(X), four.predict(X))


def test_n_jobs_reaches_the_network(monkeypatch):
    model, X, _ = fitted(RNNClassifier, n_jobs=2)
    seen = []
    for name in ("predict", "final_states", "hidden_states"):
        method = getattr(model.network_, name)

        def spy(sequences, *, n_jobs=None, method=method):
            seen.append(n_jobs)
            return method(sequences, n_jobs=n_jobs)

        monkeypatch.setattr(model.network_, name, spy)
    model.predict(X), model.transform(X), model.hidden_states(X)
    assert seen == [2, 2, 2]
    assert fitting.settings_of(model).n_jobs == 2


# What goes in and what comes out.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_form_of_x_gives_the_same_model(estimator):
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(30, 5, 1))
    objects = np.empty(30, dtype=object)
    objects[:] = list(cube)
    y = make_problem(estimator, n=30)[1]
    reference = small(estimator).fit(cube, y)
    for X in (list(cube), objects, cube[:, :, 0], cube[:, :, 0].tolist()):
        model = small(estimator).fit(X, y)
        assert same(model, reference)
        assert np.array_equal(model.predict(X), reference.predict(cube))
    assert reference.n_features_in_ == 1


def test_columns_of_a_table_are_its_features():
    # As everywhere in scikit-learn. Lists and 3-D arrays have features at each time step.
    table = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 2
    model = small(RNNClassifier).fit(table, y)
    assert model.n_features_in_ == 5
    with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 5 features"):
        model.predict(table[:, :4])
    assert model.predict([row[:3] for row in table]).shape == (20,)
    assert model.predict(table[:, :3, np.newaxis]).shape == (20,)


@pytest.mark.parametrize("method", ["predict", "transform", "hidden_states", "predict_proba"])
def test_wrong_number_of_features_at_predict(method):
    model, X, _ = fitted(RNNClassifier)
    with pytest.raises(ValueError, match="sequence 0 has 2 features, expected 3"):
        getattr(model, method)([x[:, :2] for x in X])


def test_labels_may_be_anything_sortable():
    X, y = make_problem(RNNClassifier)
    params = {"max_iter": 40, "learning_rate_init": 0.05}
    expected = small(RNNClassifier, **params).fit(X, y == "up").predict_proba(X)
    for labels in (y, y.astype(object), np.where(y == "up", 7, -7), (y == "up").astype(float)):
        model = small(RNNClassifier, **params).fit(X, labels)
        assert np.array_equal(model.classes_, np.unique(labels))
        assert np.array_equal(model.predict_proba(X), expected)
        assert np.mean(model.predict(X) == labels) == model.score(X, labels) > 0.8
    model = small(RNNClassifier, **params).fit(X, y.tolist())
    assert set(model.predict(X)) == {"up", "down"}


def test_probabilities():
    model, X, _ = fitted(RNNClassifier, dtype="float64")
    p = model.predict_proba(X)
    assert p.shape == (len(X), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(p))
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])


def test_probability_zero_has_a_logarithm_without_a_warning():
    model, X, _ = fitted(RNNClassifier)
    model.network_.theta[model.network_.theta.size - 2 :] = [-1000, 1000]  # the output biases
    assert np.array_equal(model.predict_log_proba(X)[0], [-np.inf, 0])


def test_float32_stays_float32():
    model, X, _ = fitted(RNNClassifier)
    for result in (model.predict_proba(X), model.transform(X), model.hidden_states(X)[0]):
        assert result.dtype == np.float32
    model.set_params(dtype="float64")  # for the next fit
    assert model.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize("bidirectional", [False, True])
def test_transform_gives_each_direction_at_its_own_end(bidirectional):
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier, hidden_layer_sizes=(6, 4), bidirectional=bidirectional).fit(X, y)
    states = model.hidden_states(X)
    assert [len(h) for h in states] == [len(x) for x in X]
    final = model.transform(X)
    assert final.shape == (len(X), 8 if bidirectional else 4)
    assert list(model.get_feature_names_out()[:2]) == ["rnnclassifier0", "rnnclassifier1"]
    assert len(model.get_feature_names_out()) == final.shape[1]
    for h, last in zip(states, final, strict=True):
        np.testing.assert_array_equal(last[:4], h[-1, :4])
        np.testing.assert_array_equal(last[4:], h[0, 4:])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_fit_transform(estimator):
    X, y = make_problem(estimator)
    both = small(estimator).fit_transform(X, y)
    np.testing.assert_array_equal(both, small(estimator).fit(X, y).transform(X))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_prediction_does_not_depend_on_the_others(estimator):
    model, X, _ = fitted(estimator, bidirectional=True, dtype="float64")
    together = model.predict_proba(X) if estimator is RNNClassifier else model.predict(X)
    for i in (0, 7, 31):
        alone = model.predict_proba([X[i]]) if estimator is RNNClassifier else model.predict([X[i]])
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_prediction_writes_nothing_and_threads_may_share(estimator):
    model, X, y = fitted(estimator)
    before, state = vars(model).copy(), pickle.dumps(model)
    expected = model.predict(X)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(model.predict, [X] * 20):
            assert np.array_equal(result, expected)
    model.score(X, y), model.transform(X), model.hidden_states(X), model.get_feature_names_out()
    assert vars(model) == before
    assert pickle.dumps(model) == state


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_not_fitted(estimator):
    X = make_sequences(3)
    model = estimator()
    methods = ["predict", "transform", "hidden_states", "predict_proba", "predict_log_proba"]
    for method in filter(lambda name: hasattr(model, name), methods):
        with pytest.raises(bridge.NotFittedError, match="instance is not fitted yet"):
            getattr(model, method)(X)
    with pytest.raises(bridge.NotFittedError):
        model.score(X, [0, 1, 0])
    assert issubclass(bridge.NotFittedError, ValueError)
    assert issubclass(bridge.NotFittedError, AttributeError)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_predict_the_same(estimator, copier):
    model, X, _ = fitted(estimator)
    twin = copier(model)
    assert np.array_equal(twin.predict(X), model.predict(X))
    twin.network_.theta[:] = 0
    assert not same(twin, model)


# Random numbers.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_random_state(estimator):
    X, y = make_problem(estimator)
    params = {"dropout": 0.3, "batch_size": 8, "early_stopping": True}

    def fit(random_state):
        return small(estimator, **{**params, "random_state": random_state}).fit(X, y)

    assert same(fit(3), fit(3))
    assert not same(fit(3), fit(4))
    assert not same(fit(None), fit(None))
    for make in (np.random.default_rng, np.random.RandomState):
        assert same(fit(make(3)), fit(make(3)))
        generator = make(3)
        assert not same(fit(generator), fit(generator))  # it was advanced


# Training.


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
    assert fitting.settings_of(model).alpha == 0.5


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_history(estimator):
    model, X, _ = fitted(estimator, max_iter=4)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.gradient_norms_) == 4
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ == 4 * len(X)
    assert model.validation_scores_ is None and model.best_validation_score_ is None
    assert all(norm > 0 for norm in model.gradient_norms_)


def test_first_loss_is_that_of_the_start():
    # One batch, no dropout: the first loss is the log-loss of the untrained network plus the
    # penalty, which doubles as a check of the formula in the docstring.
    X, y = make_problem(RNNClassifier)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(X))
    params = {"dtype": "float64", "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    losses = {}
    for alpha in (0.0, 0.5):
        model = small(RNNClassifier, alpha=alpha, **params).fit(X, y, sample_weight=weight)
        losses[alpha] = model.loss_
    log_p = model.predict_log_proba(X)[np.arange(len(X)), (y == "up").astype(int)]
    assert losses[0.0] == pytest.approx(-np.average(log_p, weights=weight), rel=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_failed_fit_leaves_the_model_as_it_was(estimator):
    model, X, y = fitted(estimator, max_iter=5)
    params, before = model.get_params(), pickle.dumps(vars(model))
    y_wrong = y.copy().astype(object)
    y_wrong[3] = None
    bad_calls = [
        ({}, (X[:-1], y)),
        ({}, ([*X[:-1], X[0] * np.nan], y)),
        ({}, (X, y_wrong)),
        ({"alpha": -1.0}, (X, y)),
        ({"early_stopping": True, "validation_fraction": 0.01}, (X, y)),
        ({"warm_start": True, "cell": "gru"}, (X, y)),
        ({"warm_start": True}, ([x[:, :2] for x in X], y)),
    ]
    for changes, arguments in bad_calls:
        model.set_params(**changes)
        with pytest.raises((ValueError, TypeError)):
            model.fit(*arguments)
        model.set_params(**params)
        assert pickle.dumps(vars(model)) == before


@pytest.mark.parametrize("warm_start", [False, True])
def test_diverged_training_leaves_the_model_as_it_was(warm_start):
    model, X, y = fitted(RNNRegressor)
    params, before = model.get_params(), pickle.dumps(vars(model))
    model.set_params(
        warm_start=warm_start, cell="lstm", solver="sgd", learning_rate_init=1e30, clip_norm=None
    )
    with pytest.raises(ValueError, match="Training diverged"), np.errstate(all="ignore"):
        model.fit(X, y)
    model.set_params(**params)
    assert pickle.dumps(vars(model)) == before


def test_unequal_lengths_name_both_numbers():
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: X has 40 .* y has 39"):
        model.fit(X, y[:-1])
    model.fit(X, y)
    with pytest.raises(ValueError, match="X has 3 sequences, y has 40 entries"):
        model.score(X[:3], y)
    with pytest.raises(ValueError, match="X has 40 sequences, sample_weight has 2 entries"):
        model.score(X, y, sample_weight=[1, 2])


BAD_LABELS = [
    (None, "requires y to be passed, but the target y is None"),
    ([0.5, 1.0, 2.0, 1.0], "Unknown label type: y is continuous, sequence 0 has 0.5"),
    ([0.0, 1.0, np.nan, 1.0], "Unknown label type: .* sequence 2 has nan"),
    ([1j, 0, 1, 1], "Unknown label type: y has dtype complex128"),
    (["a", "b", None, "a"], "Unknown label type: y holds NoneType, str"),
    (np.array([1, "a", 2, "b"], dtype=object), "Unknown label type: y holds int, str"),
    (np.array([1, 0.5, 2, 1], dtype=object), "Unknown label type: y is continuous, sequence 1"),
    ([[[0], [1]]] * 4, r"one label for each sequence, got shape \(4, 2, 1\)"),
    ([[0, 1], [1, 0], [1, 2], [0, 0]], "must be 0 or 1, but label 1 of sequence 2 is 2"),
    ([["a", "b"]] * 4, "must be 0 or 1, but label 0 of sequence 0 is 'a'"),
    ([[0], [1, 2], [1], [0]], "one entry for each sequence, got entries of unequal length"),
    (1, r"one label for each sequence, got shape \(\)"),
    (["a", "a", "a", "a"], "y has one class only, 'a'"),
]


@pytest.mark.parametrize(("y", "message"), BAD_LABELS)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        small(RNNClassifier).fit(make_sequences(4), y)


BAD_NUMBERS = [
    (None, ValueError, "requires y to be passed, but the target y is None"),
    ([1.0, 2.0, np.nan, 1.0], ValueError, "y must be finite .* sequence 2 has nan"),
    ([[1, 2], [3, 4], [5, 6], [7, -np.inf]], ValueError, "sequence 3 has -inf"),
    ([1e200, 2.0, 1.0, 1.0], ValueError, "below 1e150, sequence 0 has 1e"),
    ([1j, 0, 1, 1], ValueError, "Complex data not supported"),
    (["a", "b", "c", "d"], TypeError, "y must be numbers, got an array of dtype <U1"),
    ([None, 1, 2, 3], ValueError, "y must be finite .* sequence 0 has nan"),
    (np.zeros((4, 1, 1)), ValueError, r"shape \(n,\) or \(n, n_outputs\), got \(4, 1, 1\)"),
    (np.zeros((4, 0)), ValueError, r"got \(4, 0\)"),
    ([[1.0], [2.0, 3.0], [1.0], [0.0]], ValueError, "got entries of unequal length"),
]


@pytest.mark.parametrize(("y", "error", "message"), BAD_NUMBERS)
def test_bad_numbers(y, error, message):
    with pytest.raises(error, match=message):
        small(RNNRegressor).fit(make_sequences(4), y)


def test_column_of_labels_is_accepted_with_a_warning():
    X, y = make_problem(RNNClassifier)
    with pytest.warns(bridge.DataConversionWarning, match="A column-vector y was passed") as caught:
        model = small(RNNClassifier).fit(X, y[:, np.newaxis])
    assert caught[0].filename == __file__
    assert same(model, small(RNNClassifier).fit(X, y))


# Weights.

BAD_WEIGHTS = [
    ([1.0, 1.0, -0.5, 1.0], ValueError, "from 0 to 3.4e[+]38, sequence 2 has -0.5"),
    ([1.0, np.nan, 1.0, 1.0], ValueError, "sequence 1 has nan"),
    ([1.0, 1e39, 1.0, 1.0], ValueError, "sequence 1 has 1e[+]39"),
    ([0, 0, 0, 0], ValueError, "sample_weight is zero for every sequence"),
    (np.ones((4, 1)), ValueError, r"got shape \(4, 1\)"),
    (1.0, ValueError, r"got shape \(\)"),
    (["1", "1", "1", "1"], TypeError, "sample_weight must be numbers"),
    ([1.0] * 5, ValueError, "X has 4 sequences, sample_weight has 5 entries"),
    ([1, 0, 1, 0], ValueError, "y has one class only, 0"),
]


@pytest.mark.parametrize(("weight", "error", "message"), BAD_WEIGHTS)
def test_bad_weights(weight, error, message):
    with pytest.raises(error, match=message):
        small(RNNClassifier).fit(make_sequences(4), [0, 1, 0, 1], sample_weight=weight)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_integer_weights_are_repetition(estimator):
    X, y = make_problem(estimator)
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    repeated = np.repeat(np.arange(len(X)), weight)
    # Without a penalty: that is divided by the number of sequences, whatever they weigh.
    params = {"dtype": "float64", "alpha": 0.0, "max_iter": 20, "learning_rate_init": 0.01}
    weighted = small(estimator, **params).fit(X, y, sample_weight=weight)
    longer = small(estimator, **params).fit([X[i] for i in repeated], y[repeated])
    np.testing.assert_allclose(weighted.network_.theta, longer.network_.theta, rtol=1e-6)
    np.testing.assert_allclose(weighted.transform(X), longer.transform(X), rtol=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_score_of_integer_weights_is_that_of_repetition(estimator):
    model, X, y = fitted(estimator, max_iter=30, learning_rate_init=0.05)
    y[:10] = y[30:]  # not what the model learned
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    repeated = np.repeat(np.arange(len(X)), weight)
    assert model.score(X, y) < 0.95
    assert model.score(X, y, sample_weight=weight) == pytest.approx(
        model.score([X[i] for i in repeated], y[repeated]), rel=1e-12
    )


def test_class_weight_multiplies_sample_weight():
    X, y = make_problem(RNNClassifier)
    weight = np.random.default_rng(2).uniform(0.5, 2, size=len(X))
    params = {"dtype": "float64"}
    by_class = small(RNNClassifier, class_weight={"up": 3.0}, **params)
    by_hand = small(RNNClassifier, **params)
    by_class.fit(X, y, sample_weight=weight)
    by_hand.fit(X, y, sample_weight=weight * np.where(y == "up", 3.0, 1.0))
    assert same(by_class, by_hand)


def test_balanced_class_weight():
    X, y = make_problem(RNNClassifier)
    y = np.where(np.arange(len(X)) < 4, "rare", y)
    weight = np.random.default_rng(2).integers(1, 4, size=len(X)).astype(float)
    params = {"dtype": "float64"}
    balanced = small(RNNClassifier, class_weight="balanced", **params)
    balanced.fit(X, y, sample_weight=weight)
    total = {label: weight[y == label].sum() for label in np.unique(y)}
    by_hand = {label: weight.sum() / (3 * total[label]) for label in total}
    explicit = small(RNNClassifier, class_weight=by_hand, **params).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(balanced.network_.theta, explicit.network_.theta, rtol=1e-9)


def test_class_weight_of_an_unknown_label():
    X, y = make_problem(RNNClassifier)
    with pytest.raises(ValueError, match=r"class_weight has the label 'left', but y has \['down'"):
        small(RNNClassifier, class_weight={"left": 2.0}).fit(X, y)


# The regressor's scaling.


def test_units_of_y_do_not_matter():
    X, y = make_problem(RNNRegressor)
    Y = np.column_stack([y, np.cos(y), np.full(len(X), 12.5)])
    params = {"dtype": "float64", "max_iter": 20}
    plain = small(RNNRegressor, **params).fit(X, Y)
    scaled = small(RNNRegressor, **params).fit(X, Y * [1e-6, 1e6, 1] + [5, -3, 100])
    expected = plain.predict(X) * [1e-6, 1e6, 1] + [5, -3, 100]
    np.testing.assert_allclose(scaled.predict(X), expected, rtol=1e-6)
    assert plain.predict(X).dtype == np.float64


def test_scaling_is_that_of_the_weighted_targets():
    X, y = make_problem(RNNRegressor)
    weight = np.random.default_rng(2).uniform(0, 2, size=len(X))
    model = small(RNNRegressor).fit(X, y, sample_weight=weight)
    mean = np.average(y, weights=weight)
    assert model.y_mean_ == pytest.approx(mean)
    assert model.y_scale_ == pytest.approx(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
    model.fit(X, np.full(len(X), 0.1), sample_weight=weight)  # whose mean is rounded
    assert model.y_mean_ != 0.1 and model.y_scale_ == 1.0


def test_shape_of_y_is_the_shape_of_the_prediction():
    X, y = make_problem(RNNRegressor)
    for target in (y, y[:, np.newaxis], np.column_stack([y, -y, y**2])):
        model = small(RNNRegressor).fit(X, target)
        assert model.predict(X).shape == target.shape
        assert model.n_outputs_ == target.size // len(X)
    with pytest.raises(ValueError, match="y has 1 outputs, but the model predicts 3"):
        model.score(X, y)


def test_r2_by_its_formula():
    model, X, y = fitted(RNNRegressor, max_iter=30, learning_rate_init=0.05)
    error = ((y - model.predict(X)) ** 2).sum()
    assert model.score(X, y) == pytest.approx(1 - error / ((y - y.mean()) ** 2).sum(), rel=1e-12)
    with pytest.warns(UserWarning, match="fewer than two sequences"):
        assert math.isnan(model.score(X[:1], y[:1]))
    assert model.score(X[:2] * 2, np.full(4, 7.0)) == 0.0  # does not vary, and is not met
    Y = np.column_stack([y, np.full(len(X), 3.0)])
    both = small(RNNRegressor, dtype="float64", alpha=0.0).fit(X, Y)
    both.network_.theta[:] = 0  # predicts the mean: R² 0 and, for what does not vary, 1
    assert both.score(X, Y) == pytest.approx(0.5)


# Early stopping.


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


# Warm start.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_warm_start_goes_on(estimator):
    X, y = make_problem(estimator)
    params = {"max_iter": 20, "learning_rate_init": 0.02}
    model = small(estimator, warm_start=True, **params).fit(X, y)
    first_curve, t = model.loss_curve_, model.t_
    model.fit(X, y)
    assert model.n_iter_ == 20
    assert model.loss_curve_[:20] == first_curve
    assert len(model.loss_curve_) == len(model.gradient_norms_) == 40
    assert model.loss_curve_[20] == pytest.approx(first_curve[-1], rel=0.1)
    assert model.loss_ < first_curve[-1] < 0.95 * first_curve[0]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ == 2 * t
    model.set_params(warm_start=False).fit(X, y)
    assert model.loss_curve_ == first_curve
    assert model.t_ == t


def test_warm_start_may_change_how_it_trains():
    model, X, y = fitted(RNNClassifier, warm_start=True)
    model.set_params(solver="sgd", alpha=0.01, dropout=0.2, batch_size=5, early_stopping=True)
    model.fit(X, y)
    assert len(model.loss_curve_) == 6
    assert len(model.validation_scores_) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (6, 6)},
        {"cell": "gru"},
        {"bidirectional": True},
        {"pooling": "mean"},
        {"dtype": "float64"},
        {"forget_bias_init": 0.0},
    ],
)
def test_warm_start_may_not_change_the_network(change):
    model, X, y = fitted(RNNClassifier, warm_start=True)
    with pytest.raises(ValueError, match="goes on from the fitted model, which has"):
        model.set_params(**change).fit(X, y)


def test_warm_start_needs_the_same_classes_and_outputs():
    model, X, y = fitted(RNNClassifier, warm_start=True)
    with pytest.raises(ValueError, match=r"has classes \['down', 'up'\], but y has \['UP'"):
        model.fit(X, np.where(y == "up", "UP", y))
    with pytest.raises(ValueError, match="sequence 0 has 2 features, expected 3"):
        model.fit([x[:, :2] for x in X], y)
    model, X, y = fitted(RNNRegressor, warm_start=True)
    with pytest.raises(ValueError, match="y has 2 outputs, but the model predicts 1"):
        model.fit(X, np.column_stack([y, y]))


def test_warm_start_keeps_the_scale_of_the_regressor():
    model, X, y = fitted(RNNRegressor, warm_start=True)
    mean, scale = model.y_mean_, model.y_scale_
    model.fit(X, 2 * y + 1)
    assert model.y_mean_ == mean and model.y_scale_ == scale


# Ctrl-C.


def test_interrupted_training_keeps_the_model(monkeypatch):
    X, y = make_problem(RNNClassifier)
    loss_and_grad = Network.loss_and_grad
    calls = []

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss_and_grad(self, *args, **kwargs)

    monkeypatch.setattr(Network, "loss_and_grad", interrupted)
    with pytest.warns(UserWarning, match="interrupted in epoch 4"):
        model = small(RNNClassifier, batch_size=20, max_iter=50).fit(X, y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == (40,)


# Without scikit-learn.


def test_standin_behaves_like_the_base_class():
    class Toy(standin.TransformerMixin, standin.BaseEstimator):
        def __init__(self, b=2, *, a=np.nan):
            self.b, self.a = b, a

        def fit(self, X, y):
            self.y_ = y
            return self

        def transform(self, X):
            return (X, self.y_)

    toy = Toy(3)
    assert list(toy.get_params()) == ["a", "b"]
    assert repr(toy) == "Toy(b=3)"
    assert repr(toy.set_params(a=1.5)) == "Toy(a=1.5, b=3)"
    with pytest.raises(ValueError, match=r"Invalid parameter 'c' .* are: \['a', 'b'\]"):
        toy.set_params(b=4, c=1)
    assert toy.b == 3
    assert toy.fit_transform(1, 2) == (1, 2)
    assert issubclass(standin.NotFittedError, ValueError)
    assert issubclass(standin.NotFittedError, AttributeError)


def test_estimators_work_without_sklearn():
    """Run this very file and its sisters in an interpreter that cannot import scikit-learn."""
    if bridge.BaseEstimator is standin.BaseEstimator:
        pytest.skip("this is that interpreter")
    program = (
        "import sys; sys.modules['sklearn'] = None; import pytest; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    sisters = ["test_conveniences.py", "test_tagger.py"]
    files = [__file__, *(str(Path(__file__).with_name(name)) for name in sisters)]
    arguments = [*files, "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 skipped" in run.stdout
