"""The estimators among scikit-learn's tools: its own checks, and ragged lists everywhere."""

import pickle

import numpy as np
import pytest
from contract import PLAIN

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger, bridge, standin
from fastrnn.metrics import token_accuracy_scorer, token_f1_scorer
from fastrnn.network import Network
from fastrnn.preprocessing import SequenceScaler, TokenEncoder

pytestmark = [
    pytest.mark.filterwarnings("ignore:Training stopped at max_iter"),
    # Some checks draw labels at random, and features of 100 and more.
    pytest.mark.filterwarnings("ignore:Training has learned nothing"),
]

ESTIMATORS = [RNNClassifier, RNNRegressor, RNNTagger]

# One check compares predictions after training with a weight of 2, and with a sequence given
# twice: 7 digits must be equal. Their sums differ by rounding, at first in the 16th digit of the
# loss. Adam divides each gradient by its own size, also where that is hardly more than rounding; so
# the difference grows on the way: with the defaults to 0.3 of a probability in float32, to 0.001
# in float64. With "sgd", in float64, it stays near 1e-16 if all sequences are one minibatch: there
# all checks hold, given rates with which so much is learned as some of them want.
FAILED_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": "Adam makes differences of rounding grow",
}
EXACT = {"solver": "sgd", "dtype": "float64", "tol": 1e-7, "batch_size": 200, "max_iter": 40}
EXACT |= {"pooling": "last", "conv": None, "scaling": None, **PLAIN}


@parametrize_with_checks(
    [
        RNNClassifier(),
        RNNRegressor(),
        RNNClassifier(16, cell="lstm", learning_rate_init=0.5, **EXACT),
        RNNRegressor(8, cell="rnn", learning_rate_init=0.1, **EXACT),
        SequenceScaler(),
        SequenceScaler("minmax"),
        SequenceScaler("robust"),
    ],
    expected_failed_checks=lambda estimator: (
        FAILED_CHECKS if getattr(estimator, "solver", None) == "adam" else {}
    ),
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("missing", ["mask", "decay"])
def test_sklearn_check_of_training_with_gaps(missing):
    # Fifty epochs are 50 steps there. Of the default size they reach 0.3 of the 0.5 that the check
    # wants, whatever `missing` is.
    model = RNNRegressor(learning_rate_init=0.01, max_iter=50, missing=missing)
    estimator_checks.check_regressors_train("RNNRegressor", model)


# scikit-learn has no test data for transformers of text and skips its checks. These need no data.
NEED_NO_DATA = [
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("check", NEED_NO_DATA)
def test_sklearn_checks_of_the_encoder(check):
    getattr(estimator_checks, check)("TokenEncoder", TokenEncoder("word", max_features=5))


@pytest.mark.parametrize(
    "check",
    [
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_dataframe_column_names_consistency",
    ],
)
def test_sklearn_checks_of_names(check):
    # Those that scikit-learn itself runs beside the common ones.
    pytest.importorskip("pandas")
    getattr(estimator_checks, check)("SequenceScaler", SequenceScaler())


@pytest.fixture(scope="module")
def ragged():
    """Return 80 sequences of 3 to 8 steps, and labels by the mean of their first feature."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 9), 2)) for _ in range(80)]
    return X, np.array([["down", "up"][int(x[:, 0].mean() > 0)] for x in X])


def learner(**params):
    """Return a classifier that learns these labels in a moment."""
    defaults = {"hidden_layer_sizes": 8, "pooling": "mean", "learning_rate_init": 0.03}
    return RNNClassifier(**{**defaults, "max_iter": 40, "random_state": 0, **params})


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_standin_says_what_sklearn_says(estimator):
    for params in ({}, {"hidden_layer_sizes": (8, 4), "cell": "gru", "clip_norm": np.inf}):
        model = estimator(**params)
        assert standin.BaseEstimator.get_params(model) == model.get_params()
        assert list(standin.BaseEstimator.get_params(model)) == list(model.get_params())
        assert standin.BaseEstimator.__repr__(model) == repr(model)
    messages = []
    for base in (bridge.BaseEstimator, standin.BaseEstimator):
        with pytest.raises(ValueError, match="Invalid parameter") as caught:
            base.set_params(model, colour="red")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_html_shows_the_parameters():
    html = RNNClassifier(cell="gru", alpha=0.25)._repr_html_()
    assert "alpha" in html and "0.25" in html


def test_kinds():
    assert is_classifier(RNNClassifier()) and not is_regressor(RNNClassifier())
    assert is_regressor(RNNRegressor()) and not is_classifier(RNNRegressor())
    assert not is_classifier(RNNTagger()) and not is_regressor(RNNTagger())


def test_clone_is_not_fitted(ragged):
    model = learner(class_weight={"up": 2.0}).fit(*ragged)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(twin)
    check_is_fitted(model)


def test_convergence_warning_is_that_of_sklearn(ragged):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        learner(max_iter=2, learning_rate="constant").fit(*ragged)


def test_scores_are_those_of_sklearn(ragged):
    X, y = ragged
    weight = np.random.default_rng(1).uniform(size=len(X))
    model = learner(max_iter=5).fit(X, y)
    for w in (None, weight):
        expected = accuracy_score(y, model.predict(X), sample_weight=w)
        assert model.score(X, y, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    targets = np.array([[x[:, 0].mean(), x[:, 1].max(), 1.0] for x in X])
    model = RNNRegressor(8, max_iter=5, random_state=0).fit(X, targets)
    for w in (None, weight):
        expected = r2_score(targets, model.predict(X), sample_weight=w)
        assert model.score(X, targets, sample_weight=w) == pytest.approx(expected, rel=1e-12)


def test_ragged_cross_validation(ragged):
    results = cross_validate(learner(), *ragged, cv=4, scoring=["accuracy", "neg_log_loss"])
    assert results["test_accuracy"].mean() > 0.8
    assert np.isfinite(results["test_neg_log_loss"]).all()
    predicted = cross_val_predict(learner(), *ragged, cv=4, method="predict_proba")
    assert predicted.shape == (80, 2)


def test_ragged_grid_search(ragged):
    X, y = ragged
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    grid = {
        "cell": ["gru", "lstm"], "hidden_layer_sizes": [4, (8, 4)],
        "learning_rate_init": [0.01, 0.03],
    }  # fmt: skip
    search = GridSearchCV(learner(), grid, cv=2, n_jobs=2).fit(X_train, y_train)
    assert search.score(X_test, y_test) > 0.8
    assert len(search.cv_results_["params"]) == 8


def test_ragged_halving_search(ragged):
    grid = {"cell": ["gru", "lstm", "rnn"], "learning_rate_init": [1e-6, 0.03]}
    search = HalvingGridSearchCV(learner(), grid, cv=2, factor=3, random_state=0).fit(*ragged)
    assert search.best_params_["learning_rate_init"] == 0.03
    assert search.n_iterations_ == 2
    epochs = HalvingGridSearchCV(
        learner(), {"cell": ["gru", "rnn"]}, cv=2, resource="max_iter", max_resources=20
    )
    assert epochs.fit(*ragged).best_estimator_.n_iter_ <= 20


def test_ragged_pipeline(ragged):
    X, y = ragged
    pipeline = make_pipeline(learner(), LogisticRegression()).fit(X, y)
    assert pipeline.score(X, y) > 0.8
    assert pipeline[:-1].get_feature_names_out()[-1] == "rnnclassifier7"
    alone = make_pipeline(learner()).set_params(rnnclassifier__max_iter=30).fit(X, y)
    np.testing.assert_array_equal(alone.predict(X), learner(max_iter=30).fit(X, y).predict(X))


def test_scaler_in_a_grid_search(ragged):
    X, y = ragged
    pipeline = make_pipeline(SequenceScaler(), learner(max_iter=20))
    grid = {"sequencescaler__method": ["standard", "robust"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit([1000 * x + 500 for x in X], y)
    assert search.best_score_ > 0.8


def test_ragged_ensembles(ragged):
    models = [("gru", learner(cell="gru")), ("rnn", learner(cell="rnn"))]
    assert VotingClassifier(models, voting="soft").fit(*ragged).score(*ragged) > 0.8
    assert StackingClassifier(models, cv=2).fit(*ragged).score(*ragged) > 0.8


def test_ragged_calibration(ragged):
    X, y = ragged
    calibrated = CalibratedClassifierCV(learner(), cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.8
    assert calibrated.predict_proba(X).shape == (80, 2)


def test_ragged_transformed_target(ragged):
    X, _ = ragged
    y = np.exp([x[:, 0].mean() for x in X])
    inner = RNNRegressor(
        8, pooling="mean", learning_rate_init=0.03, max_iter=40, random_state=0
    )  # fmt: skip
    model = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(X, y)
    assert model.score(X, y) > 0.8
    expected = np.exp(inner.fit(X, np.log(y)).predict(X))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5)


def test_ragged_joblib(ragged, tmp_path):
    X, y = ragged
    model = learner(max_iter=5).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    twin = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert twin.partial_fit(X, y).loss_curve_ == model.partial_fit(X, y).loss_curve_


def test_label_sets_in_the_tools(ragged):
    X, _ = ragged
    y = np.array([x.mean(axis=0) > 0 for x in X]).astype(int)
    results = cross_validate(learner(), X, y, cv=2, scoring=["accuracy", "f1_macro"])
    assert results["test_accuracy"].mean() > 0.5
    model = learner(max_iter=5).fit(X, y)
    assert model.score(X, y) == accuracy_score(y, model.predict(X))


def test_fit_parameters_reach_fit_through_a_pipeline(ragged):
    X, y = ragged
    pipeline = make_pipeline(learner(max_iter=3))
    pipeline.fit(X, y, rnnclassifier__validation_data=(X, y))
    assert len(pipeline[-1].validation_scores_) == 3


# Callbacks, which scikit-learn has from 1.9 on.


def recorder():
    """Return a callback that records what it is told, and can stop training."""

    class Recorder:
        def __init__(self):
            self.events, self.last, self.fail_at = [], None, None

        def setup(self, estimator, context):
            self.events.append("setup")

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(f"begin {context.task_name}")

        def on_fit_task_end(
            self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
        ):
            self.events.append(f"end {context.task_name}")
            self.X, self.metadata, self.fitted = X, metadata, fitted_estimator
            n_ended = self.events.count("end epoch")
            if n_ended == self.fail_at:
                raise RuntimeError("a callback failed")
            return n_ended == self.last

    pytest.importorskip("sklearn.callback", exc_type=ImportError)
    return Recorder()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_every_epoch(ragged, solver):
    X, y = ragged
    callback, weight = recorder(), np.ones(80)
    params = {"max_iter": 3, "solver": solver}
    if solver == "lbfgs":
        params["learning_rate_init"] = 0.001
    model = learner(**params).set_callbacks(callback)
    model.fit(X, y, sample_weight=weight)
    epoch = ["begin epoch", "end epoch"]
    assert callback.events == ["setup", "begin fit", *epoch * 3, "end fit", "teardown"]
    assert callback.X is X and callback.metadata["sample_weight"] is weight
    alone = learner(**params).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))
    np.testing.assert_array_equal(callback.fitted.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_can_stop_training(ragged, solver):
    callback = recorder()
    callback.last = 2
    params = {"learning_rate_init": 0.001} if solver == "lbfgs" else {}
    model = learner(solver=solver, **params).set_callbacks(callback).fit(*ragged)
    assert model.n_iter_ == 2
    assert callback.events[-2:] == ["end fit", "teardown"]


def test_a_callback_that_fails_leaves_the_model_as_it_was(ragged):
    callback = recorder()
    model = learner(max_iter=2).fit(*ragged)
    before = pickle.dumps(model.network_)
    callback.fail_at = 1
    with pytest.raises(RuntimeError, match="a callback failed"):
        model.set_callbacks(callback).fit(*ragged)
    assert pickle.dumps(model.network_) == before
    assert callback.events[-1] == "teardown" and "end fit" not in callback.events
    assert not hasattr(model, "_callback_fit_ctx")


def test_an_interrupted_epoch_is_closed(ragged, monkeypatch):
    callback = recorder()
    model = learner(max_iter=3, batch_size=80).set_callbacks(callback)
    loss_and_grad, calls = Network.loss_and_grad, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss_and_grad(*args, **kwargs)

    monkeypatch.setattr(Network, "loss_and_grad", interrupted)
    with pytest.warns(UserWarning, match="interrupted in epoch 2"):
        model.fit(*ragged)
    assert callback.events[-4:] == ["begin epoch", "end epoch", "end fit", "teardown"]


def test_warnings_point_at_the_caller_of_fit_in_spite_of_callbacks(ragged):
    callback = recorder()
    with pytest.warns(ConvergenceWarning) as caught:
        learner(max_iter=1, learning_rate="constant").set_callbacks(callback).fit(*ragged)
    assert caught[0].filename == __file__


def test_scoring_monitor(ragged):
    callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
    X, y = ragged
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = learner(max_iter=5).set_callbacks(monitor)
    model.fit(X, y, validation_data=(X, y))
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["accuracy"] for row in rows] == pytest.approx(model.validation_scores_)


def test_progress_bar(ragged, capsys):
    callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
    pytest.importorskip("rich")
    learner(max_iter=5).set_callbacks(callback.ProgressBar()).fit(*ragged)
    assert "RNNClassifier - fit" in capsys.readouterr().out


def test_progress_bars_of_a_search(ragged, capsys):
    callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
    pytest.importorskip("rich")
    search = HalvingGridSearchCV(
        learner(), {"cell": ["gru", "rnn"]}, cv=2, resource="max_iter", max_resources=4, factor=2
    )
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=0)).fit(*ragged)
    printed = capsys.readouterr().out
    assert "HalvingGridSearchCV - halving-iteration #1" in printed
    assert "RNNClassifier" not in printed


@pytest.mark.filterwarnings("error")
def test_a_search_over_runs_that_are_made_to_end_warns_of_nothing(ragged):
    grid = {"cell": ["gru", "lstm", "rnn"], "learning_rate_init": [0.02, 0.03]}
    model = learner(learning_rate="cosine")
    GridSearchCV(model, grid, cv=2).fit(*ragged)
    HalvingGridSearchCV(model, grid, cv=2, resource="max_iter", max_resources=6).fit(*ragged)


def test_callbacks_of_a_grid_search(ragged):
    callback = recorder()
    callback.max_propagation_depth = None
    search = GridSearchCV(learner(max_iter=2), {"cell": ["gru", "rnn"]}, cv=2)
    search.set_callbacks(callback).fit(*ragged)
    assert callback.events.count("end epoch") == 2 * (2 * 2 + 1)


def test_transform_into_a_data_frame(ragged):
    pandas = pytest.importorskip("pandas")
    X, y = ragged
    model = learner(bidirectional=True).fit(X, y)
    states = model.transform(X)
    frame = model.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(frame.to_numpy(), states)


def test_pickled_model_predicts_in_a_grid_search(ragged):
    X, y = ragged
    search = GridSearchCV(learner(), {"cell": ["gru"]}, cv=2).fit(X, y)
    twin = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(twin.predict_proba(X), search.predict_proba(X))


def test_fold_of_equal_lengths_is_not_a_table():
    # By chance all training sequences have 4 steps, and all others 6.
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(4 if i < 20 else 6, 1)) for i in range(30)]
    y = np.arange(30) % 2
    folds = [(np.arange(20), np.arange(20, 30))]
    results = cross_validate(learner(max_iter=2), X, y, cv=folds)
    assert np.isfinite(results["test_score"]).all()


# A tagger, whose y is a list of arrays.


@pytest.fixture(scope="module")
def tagged():
    """Return 60 sequences of 3 to 8 steps, and a label for each step by the sum so far."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 9), 2)) for _ in range(60)]
    return X, [np.where(x[:, 0].cumsum() > 0, "above", "below") for x in X]


def tagger(**params):
    """Return a tagger that learns these labels in a moment."""
    defaults = {"hidden_layer_sizes": 8, "learning_rate_init": 0.03, "batch_size": 20}
    return RNNTagger(**{**defaults, "max_iter": 15, "random_state": 0, **params})


def test_tagger_clone(tagged):
    model = tagger(class_weight={"above": 2.0}).fit(*tagged)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(twin)
    check_is_fitted(model)


def test_tagger_cross_validation(tagged):
    X, y = tagged
    scoring = {"accuracy": token_accuracy_scorer, "f1": token_f1_scorer}
    results = cross_validate(tagger(), X, y, cv=3, scoring=scoring)
    assert results["test_accuracy"].mean() > 0.8
    assert results["test_f1"].mean() > 0.8
    alone = cross_validate(tagger(), X, y, cv=3)  # its own score
    np.testing.assert_array_equal(alone["test_score"], results["test_accuracy"])


def test_tagger_cross_val_predict(tagged):
    X, y = tagged
    predicted = cross_val_predict(tagger(), X, y, cv=3)
    assert predicted.shape == (60,)
    first = tagger().fit(X[20:], y[20:])
    for labels, expected in zip(predicted[:20], first.predict(X[:20]), strict=True):
        np.testing.assert_array_equal(labels, expected)
    equal = cross_val_predict(tagger(), [x[:3] for x in X], [part[:3] for part in y], cv=3)
    assert equal.shape == (60,) and equal[0].shape == (3,)


def test_tagger_grid_search(tagged):
    X, y = tagged
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    grid = {"cell": ["gru", "lstm"], "hidden_layer_sizes": [4, (8, 4)]}
    for scoring in (None, token_f1_scorer):
        search = GridSearchCV(tagger(), grid, cv=2, n_jobs=2, scoring=scoring)
        search.fit(X_train, y_train)
        assert search.score(X_test, y_test) > 0.8
        assert len(search.cv_results_["params"]) == 4
    twin = pickle.loads(pickle.dumps(search))
    for a, b in zip(twin.predict(X), search.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_tagger_weights_of_steps_go_through_cross_validation(tagged):
    X, y = tagged
    rng = np.random.default_rng(1)
    weight = [rng.integers(0, 3, size=len(part)) for part in y]
    params = {"sample_weight": weight}
    results = cross_validate(tagger(), X, y, cv=3, params=params, return_estimator=True)
    folds = np.array_split(np.arange(60), 3)
    for model, test in zip(results["estimator"], folds, strict=True):
        train = np.setdiff1d(np.arange(60), test)
        X_, y_, weight_ = ([part[i] for i in train] for part in (X, y, weight))
        expected = tagger().fit(X_, y_, sample_weight=weight_)
        np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)


def test_tagger_ends_a_pipeline(tagged):
    X, y = tagged
    pipeline = make_pipeline(SequenceScaler(), tagger()).fit(X, y)
    assert pipeline.score(X, y) > 0.8
    assert token_accuracy_scorer(pipeline, X, y) == pipeline.score(X, y)
