"""Training bit by bit, validation data, several labels, weights and names of columns.

Like tests/test_estimators.py, these tests do not need scikit-learn.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest
from test_estimators import ESTIMATORS, fitted, make_problem, make_sequences, same, small

from fastrnn.bridge import DataConversionWarning
from fastrnn.estimators import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.shared_parameters import STOCHASTIC

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def classes_for(estimator):
    """Return what the first partial_fit needs to know of the labels of `make_problem`."""
    return {"classes": ["up", "down"]} if estimator is RNNClassifier else {}


def make_label_sets(n=60, seed=0):
    """Return sequences and three labels that they may have, each by another feature."""
    X = make_sequences(n, seed)
    return X, np.array([x.mean(axis=0) > [0, 0.2, -0.2] for x in X]).astype(int)


# partial_fit.


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_partial_fit_is_fit_one_epoch_at_a_time(estimator, solver):
    X, y = make_problem(estimator)
    params = {
        "solver": solver, "batch_size": 16, "dropout": 0.2, "recurrent_dropout": 0.1,
        "max_iter": 5, "learning_rate_init": 0.01, "tol": 0.0,
    }  # fmt: skip
    whole = small(estimator, **params).fit(X, y)
    model = small(estimator, **params)
    for _ in range(5):
        assert model.partial_fit(X, y, **classes_for(estimator)) is model
        model = pickle.loads(pickle.dumps(model))  # nothing that matters is lost
    assert same(model, whole)
    for name in ("n_iter_", "t_", "loss_", "best_loss_", "loss_curve_", "gradient_norms_"):
        assert getattr(model, name) == getattr(whole, name), name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_partial_fit_goes_on_after_fit(estimator):
    X, y = make_problem(estimator)
    whole = small(estimator, max_iter=4).fit(X, y)
    model = small(estimator, max_iter=3).fit(X, y).partial_fit(X, y)
    assert same(model, whole)
    assert (model.n_iter_, model.t_) == (4, 160)
    assert model.loss_curve_ == whole.loss_curve_


def test_partial_fit_may_change_how_it_trains():
    model, X, y = fitted(RNNClassifier)
    adam = model.training_state_.solver_state
    model.set_params(learning_rate_init=0.5).partial_fit(X, y)
    assert model.training_state_.solver_state["t"] == adam["t"] + 1
    model.set_params(solver="sgd", alpha=0.5, dropout=0.3).partial_fit(X, y)
    assert model.training_state_.solver_state.keys() == {"velocity"}
    assert (model.network_.alpha, model.network_.dropout) == (0.5, 0.3)


def test_partial_fit_lowers_the_adaptive_rate():
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier, learning_rate="adaptive", tol=1e9, n_iter_no_change=2)
    for _ in range(7):
        model.partial_fit(X, y, classes=["down", "up"])
    assert model.training_state_.n_lowered == 3  # after every two epochs but the first
    assert model.n_iter_ == 7


def test_partial_fit_at_the_end_of_the_cosine():
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier, learning_rate="cosine", max_iter=2).fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=r"'cosine' has come down to zero: .* for 2 epochs"):
        model.partial_fit(X, y)
    assert pickle.dumps(model) == before
    model.set_params(max_iter=3).partial_fit(X, y)


def test_partial_fit_sees_the_classes_one_after_the_other():
    X, y = make_problem(RNNClassifier, n=60)
    y = np.where(np.arange(60) % 3 == 0, "level", y)
    model = small(RNNClassifier, class_weight={"up": 2.0})
    model.partial_fit(X[:5], np.full(5, "up"), classes=["up", "level", "down"])
    assert model.classes_.tolist() == ["down", "level", "up"]
    assert model.predict_proba(X).shape == (60, 3)
    model.partial_fit(X, y).partial_fit(X, y, classes=["down", "level", "up"])


def test_scale_of_y_is_that_of_the_first_partial_fit():
    X, y = make_problem(RNNRegressor)
    model = small(RNNRegressor).partial_fit(X[:1], y[:1])
    assert model.y_mean_ == y[0] and model.y_scale_ == 1
    model = small(RNNRegressor).partial_fit(X, y)
    mean, scale = model.y_mean_, model.y_scale_
    assert model.partial_fit(X, 3 * y).y_mean_ == mean and model.y_scale_ == scale


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_weights_of_partial_fit(estimator):
    X, y = make_problem(estimator)
    weight = np.arange(len(X)) % 2
    model = small(estimator).partial_fit(X, y, sample_weight=weight, **classes_for(estimator))
    assert model.t_ == 20
    assert not same(model, small(estimator).partial_fit(X, y, **classes_for(estimator)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_partial_fit_with_lbfgs(estimator):
    model = small(estimator, solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        model.partial_fit  # noqa: B018
    X, y = make_problem(estimator)
    model.fit(X, y).set_params(solver="adam").partial_fit(X, y)
    assert hasattr(estimator, "partial_fit") and estimator.partial_fit.__doc__
    assert model.n_iter_ == 4


def test_bad_partial_fit_leaves_the_model_as_it_was():
    X, y = make_problem(RNNClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small(RNNClassifier).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes=\['up'\] is one class only"):
        small(RNNClassifier).partial_fit(X, y, classes=["up", "up"])
    with pytest.raises(ValueError, match=r"label 'down' of sequence .*not among the classes"):
        small(RNNClassifier).partial_fit(X, y, classes=["up", "level"])
    model = small(RNNClassifier).fit(X, y)
    params, before = model.get_params(), pickle.dumps(vars(model))
    y_wrong = np.where(np.arange(len(y)) == 7, "Up", y)
    calls = [
        ({}, (X, y_wrong), {}, "label 'Up' of sequence 7"),
        ({}, (X, y), {"classes": ["a", "b"]}, "is not the same as on last call to partial_fit"),
        ({}, (X, y[:-1]), {}, "X has 40 sequences, y has 39"),
        ({}, ([x[:, :2] for x in X], y), {}, "sequence 0 has 2 features, expected 3"),
        ({}, (X, y), {"sample_weight": -np.ones(40)}, "sample_weight must be from 0"),
        ({}, (X, np.eye(2, dtype=int)[np.arange(40) % 2]), {}, "several labels for each"),
        ({"alpha": -1.0}, (X, y), {}, "alpha must be"),
        ({"cell": "gru"}, (X, y), {}, "partial_fit goes on from the fitted model, which has cell"),
        ({"dtype": "float64"}, (X, y), {}, "has dtype='float32', not 'float64'; fit starts anew"),
        ({"early_stopping": True}, (X, y), {}, "partial_fit knows no early stopping"),
        ({"class_weight": "balanced"}, (X, y), {}, "'balanced' is not supported by partial_fit"),
        (
            {"solver": "sgd", "learning_rate_init": 1e30, "clip_norm": None, "batch_size": 5},
            (X, y), {}, "Training diverged",
        ),
    ]  # fmt: skip
    for change, data, options, message in calls:
        with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
            model.set_params(**change).partial_fit(*data, **options)
        model.set_params(**params)
        assert pickle.dumps(vars(model)) == before, message


# A warm start is a new training of the same network.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_warm_start_goes_on_after_partial_fit(estimator):
    X, y = make_problem(estimator)
    model = small(estimator, warm_start=True).partial_fit(X, y, **classes_for(estimator))
    theta = model.network_.theta.copy()
    model.set_params(learning_rate_init=1e-30).fit(X, y, validation_data=(X, y))
    np.testing.assert_allclose(model.network_.theta, theta, rtol=1e-6)
    assert len(model.loss_curve_) == 4 and model.n_iter_ == 3
    assert len(model.validation_scores_) == 3
    assert model.training_state_.epoch == 3
    model.partial_fit(X, y)
    assert model.n_iter_ == 4 and len(model.validation_scores_) == 3


# validation_data.


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_validation_data_is_only_recorded(estimator, solver):
    X, y = make_problem(estimator)
    X_val, y_val = make_problem(estimator, n=25, seed=1)
    weight = np.random.default_rng(0).uniform(size=25)
    params = {"solver": solver, "dtype": "float64"}
    model = small(estimator, **params).fit(X, y, validation_data=(X_val, y_val, weight))
    assert same(model, small(estimator, **params).fit(X, y))
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ is None
    assert model.t_ == model.n_iter_ * 40
    score = model.score(X_val, y_val, sample_weight=weight)
    assert score == pytest.approx(model.validation_scores_[-1], rel=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_early_stopping_looks_at_validation_data(estimator):
    X, y = make_problem(estimator)
    X_val, y_val = make_problem(estimator, n=25, seed=1)
    y_val = y_val[::-1]  # the better it learns, the worse it does here
    params = {"early_stopping": True, "max_iter": 40, "tol": 0.0, "n_iter_no_change": 4}
    model = small(estimator, learning_rate_init=0.05, dtype="float64", **params)
    model.fit(X, y, validation_data=[X_val, y_val])
    assert model.n_iter_ < 40
    assert model.t_ == model.n_iter_ * 40  # nothing was held out
    assert model.best_validation_score_ == max(model.validation_scores_)
    score = model.score(X_val, y_val)
    assert score == pytest.approx(model.best_validation_score_, rel=1e-9)


def as_steps(X, y):
    """Return what a tagger learns of the same: every step has the label of its sequence."""
    return X, [np.full(len(x), label) for x, label in zip(X, y, strict=True)]


def as_given(X, y):
    """Return what a classifier learns."""
    return X, y


class_weights = pytest.mark.parametrize(
    "class_weight", [None, {"up": 50.0}, {"down": 1e-30}, "balanced"]
)
with_classes = pytest.mark.parametrize(
    ("estimator", "make"), [(RNNClassifier, as_given), (RNNTagger, as_steps)]
)


@class_weights
@with_classes
def test_scores_of_validation_data_have_sample_weights_and_no_class_weights(
    estimator, make, class_weight
):
    X, y = make(*make_problem(RNNClassifier))
    X_val, y_val = make(*make_problem(RNNClassifier, n=25, seed=1))
    weight = np.random.default_rng(0).uniform(0.1, 5, len(X_val))
    model = small(estimator, class_weight=class_weight)
    model.fit(X, y, validation_data=(X_val, y_val, weight))
    assert model.validation_scores_[-1] == pytest.approx(
        model.score(X_val, y_val, sample_weight=weight), rel=1e-9
    )


@class_weights
@with_classes
def test_scores_of_what_is_held_out_too(estimator, make, class_weight):
    # The sequences are all the same, so that one label is predicted for the 20 that are held out:
    # k of them have it, each with the weight of its label.
    labels = np.array(["up", "down", "up", "up"] * 10)
    X, y = make([np.ones((3, 2))] * 40, labels)
    weight = np.where(labels == "up", 1.0, 0.3)
    params = {"class_weight": class_weight, "early_stopping": True, "validation_fraction": 0.5}
    model = small(estimator, learning_rate_init=0.1, max_iter=30, **params)
    model.fit(X, y, sample_weight=weight)
    k = np.arange(21)
    up, down = k * 1.0, (20 - k) * 0.3
    expected = np.concatenate([up, down]) / np.tile(up + down, 2)
    for score in model.validation_scores_:
        assert np.abs(expected - score).min() < 1e-9


def test_validation_data_may_lack_a_class():
    X, y = make_problem(RNNClassifier)
    model = small(RNNClassifier).fit(X, y, validation_data=(X[:1], y[:1]))
    assert set(model.validation_scores_) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (3, TypeError, r"validation_data must be a tuple \(X, y\) or .*, got int"),
        ((1, 2, 3, 4), TypeError, "validation_data must be a tuple .*, got 4 parts"),
        (([[[1.0, 2.0]]], ["up"]), ValueError, "validation_data: sequence 0 has 2 features"),
        (([[[1.0, 2, 3]]], ["up", "up"]), ValueError, "validation_data: .* X has 1 sequences"),
        (([[[1.0, 2, 3]]], ["Up"]), ValueError, "validation_data: y has the label 'Up' of seq"),
        (([[[1.0, 2, "a"]]], ["up"]), TypeError, "validation_data: sequence 0"),
        (([[[1.0, 2, 3]]], ["up"], [-1]), ValueError, "validation_data: sample_weight must"),
    ],
)
def test_bad_validation_data(data, error, message):
    model, X, y = fitted(RNNClassifier)
    before = pickle.dumps(vars(model))
    with pytest.raises(error, match=message):
        model.fit(X, y, validation_data=data)
    assert pickle.dumps(vars(model)) == before


def test_validation_data_of_another_number_of_outputs():
    X, y = make_problem(RNNRegressor)
    with pytest.raises(ValueError, match="validation_data: y has 2 outputs, but the model predi"):
        small(RNNRegressor).fit(X, y, validation_data=(X, np.column_stack([y, y])))


# Weights.


@pytest.mark.parametrize("kind", ["classifier", "label sets", "regressor"])
def test_integer_weights_are_repetitions(kind):
    X, y = make_label_sets() if kind == "label sets" else make_problem(
        RNNClassifier if kind == "classifier" else RNNRegressor, n=60
    )  # fmt: skip
    estimator = RNNRegressor if kind == "regressor" else RNNClassifier
    weight = np.random.default_rng(0).integers(0, 4, size=60)
    repeated = np.repeat(np.arange(60), weight)
    params = {
        "solver": "lbfgs", "dtype": "float64", "max_iter": 20, "alpha": 0.01, "tol": 1e-12
    }  # fmt: skip
    weighted = small(estimator, **params).fit(X, y, sample_weight=weight)
    twice = small(estimator, **params).fit([X[i] for i in repeated], y[repeated])
    np.testing.assert_allclose(weighted.network_.theta, twice.network_.theta, rtol=0, atol=1e-6)
    assert np.abs(weighted.network_.theta).max() > 0.5
    assert not np.allclose(
        weighted.network_.theta, small(estimator, **params).fit(X, y).network_.theta
    )


def test_class_weight_is_a_sample_weight():
    X, y = make_problem(RNNClassifier)
    weight = np.where(y == "up", 3.0, 1.0)
    one = small(RNNClassifier, class_weight={"up": 3.0}).fit(X, y)
    assert same(one, small(RNNClassifier).fit(X, y, sample_weight=weight))
    counts = {label: np.sum(y == label) for label in ("up", "down")}
    weight = np.array([40 / (2 * counts[label]) for label in y])
    one = small(RNNClassifier, class_weight="balanced").fit(X, y)
    assert same(one, small(RNNClassifier).fit(X, y, sample_weight=weight))


# Several labels for each sequence.


def test_label_sets_are_learned():
    X, y = make_label_sets(200)
    model = small(
        RNNClassifier, pooling="mean", learning_rate_init=0.05, max_iter=60, batch_size=20
    )
    model.fit(X[:150], y[:150])
    assert model.score(X[:150], y[:150]) > 0.95
    assert model.score(X[150:], y[150:]) > 0.4  # chance is 0.125
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_outputs_ == 3
    predicted, p = model.predict(X), model.predict_proba(X)
    assert predicted.shape == p.shape == (200, 3)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, p > 0.5)
    assert not np.allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(p))
    expected = (predicted == y).all(axis=1)
    weight = np.random.default_rng(0).uniform(size=200)
    assert model.score(X, y, weight) == pytest.approx(np.average(expected, weights=weight))


def test_loss_of_label_sets_is_the_sum_of_those_of_the_labels():
    X, y = make_label_sets()
    params = {"dtype": "float64", "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    model = small(RNNClassifier, alpha=0.0, **params).fit(X, y)
    p = model.predict_proba(X)
    loss = -np.log(np.where(y == 1, p, 1 - p)).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, object])
def test_kinds_of_label_sets(kind):
    X, y = make_label_sets()
    model = small(RNNClassifier).fit(X, y.astype(kind))
    assert same(model, small(RNNClassifier).fit(X, y.tolist()))
    assert model.predict(X).dtype == np.int64


def test_label_sets_in_every_way_of_training():
    X, y = make_label_sets()
    model = small(RNNClassifier, early_stopping=True, validation_fraction=0.2).fit(X, y)
    assert len(model.validation_scores_) == 3
    model = small(RNNClassifier, warm_start=True).fit(X, y, validation_data=(X, y))
    assert model.validation_scores_[-1] == model.score(X, y)
    assert len(model.fit(X, y).loss_curve_) == 6
    for classes in (None, [0, 1, 2]):
        model = small(RNNClassifier).partial_fit(X, y, classes=classes)
        assert same(model.partial_fit(X, y), small(RNNClassifier, max_iter=2).fit(X, y))
    assert np.array_equal(copy.deepcopy(model).predict(X), model.predict(X))
    assert model.estimate_memory(X, y) >= model.estimate_memory(X)


def test_bad_label_sets():
    X, y = make_label_sets()
    labels = np.where(y[:, 0] == 1, "a", "b")
    model = small(RNNClassifier, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="one label for each sequence, but the model was fitted"):
        model.fit(X, labels)
    with pytest.raises(ValueError, match="y has 2 labels, but the model has 3"):
        model.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="y has 2 labels, but the model has 3"):
        model.score(X, y[:, :2])
    with pytest.raises(ValueError, match=r"a column for each of several labels, .* \(60,\)"):
        model.score(X, labels)
    with pytest.raises(ValueError, match="X has 60 sequences, y has 59"):
        model.score(X, y[:-1])
    with pytest.raises(ValueError, match="several labels for each sequence, but the model was"):
        small(RNNClassifier, warm_start=True).fit(X, labels).fit(X, y)
    with pytest.raises(ValueError, match="one label for each sequence, got shape"):
        small(RNNClassifier).fit(X, labels).score(X, y)
    with pytest.raises(ValueError, match="class_weight is for one label for each sequence"):
        small(RNNClassifier, class_weight={0: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"numbers of the columns of y, 0 to 2, .* got .*5"):
        small(RNNClassifier).partial_fit(X, y, classes=[0, 1, 5])
    with pytest.warns(DataConversionWarning):  # one column is one label
        assert small(RNNClassifier).fit(X, y[:, :1]).predict(X).shape == (60,)


# Names of columns.


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_names_of_columns(estimator, library):
    frames = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 4))
    y = values.mean(axis=1) if estimator is RNNRegressor else (values.mean(axis=1) > 0).astype(int)
    frame = frames.DataFrame(dict(zip("abcd", values.T, strict=True)))
    name = estimator.__name__
    model = small(estimator)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X .* feature names")
        model.fit(frame, y, validation_data=(frame, y))
        model.predict(frame), model.partial_fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.feature_names_in_.dtype == object
    bad = frame[["a", "b", "d", "c"]]
    calls = [
        lambda: model.predict(bad), lambda: model.partial_fit(bad, y),
        lambda: model.fit(frame, y, validation_data=(bad, y)),
    ]  # fmt: skip
    before = pickle.dumps(vars(model))
    for call in calls:
        with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
            call()
    other = frames.DataFrame(dict(zip("abxy", values.T, strict=True)))
    with pytest.raises(
        ValueError, match=r"unseen at fit time:\n- x\n- y\n.*now missing:\n- c\n- d"
    ):
        model.predict(other)
    assert pickle.dumps(vars(model)) == before
    message = f"X does not have valid feature names, but {name} was fitted with feature names"
    with pytest.warns(UserWarning, match=message) as caught:
        model.predict(values)
    assert caught[0].filename == __file__
    model.fit(values, y)
    assert not hasattr(model, "feature_names_in_")
    message = f"X has feature names, but {name} was fitted without feature names"
    with pytest.warns(UserWarning, match=message) as caught:
        model.partial_fit(frame, y)
    assert caught[0].filename == __file__


def test_names_that_are_no_strings():
    pandas = pytest.importorskip("pandas")
    values, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    model = small(RNNClassifier).fit(pandas.DataFrame(values), y)
    assert not hasattr(model, "feature_names_in_")
    model.predict(pandas.DataFrame(values))
    with pytest.raises(TypeError, match="all input features have string names"):
        model.fit(pandas.DataFrame(values, columns=["a", 1, 2]), y)
