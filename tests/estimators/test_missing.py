"""Missing values and times in the estimators: training, streams, files, and what is refused."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from contract import PLAIN, draw_sequences, plain_forecaster

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.inspection import permutation_importance
from fastrnn.interop import to_keras_weights
from fastrnn.network.cells import CELLS
from fastrnn.preprocessing import SequenceScaler

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

NAN = np.nan


def gaps(n=30, seed=0, share=0.3):
    """Sequences of three numbers, many of them missing, and the time of each step in column 1."""
    rng = np.random.default_rng(seed)
    X = draw_sequences(n, seed)
    for x in X:
        x[rng.random(x.shape) < share] = NAN
    return [np.insert(x, 1, 100 + np.cumsum(rng.random(len(x))), axis=1) for x in X]


X = gaps()
Y = {
    RNNClassifier: np.arange(30) % 2,
    RNNRegressor: np.arange(30.0),
    RNNTagger: [np.arange(len(x)) % 2 for x in X],
}
KINDS = pytest.mark.parametrize("missing", ["mask", "decay"])
ALL = pytest.mark.parametrize("estimator", list(Y))


def small(estimator=RNNClassifier, **params):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0, "dtype": "float64"}
    return estimator(
        **PLAIN
        | {"scaling": None, "conv": None}
        | defaults
        | {"missing": "mask", "time_feature": 1}
        | params
    )


def fitted(estimator=RNNClassifier, **params):
    return small(estimator, **params).fit(X, Y[estimator])


def answers(model, X):
    ask = model.predict if isinstance(model, RNNRegressor) else model.predict_proba
    return np.concatenate([np.ravel(part) for part in ask(X)])


@ALL
def test_missing_is_refused_by_default(estimator):
    with pytest.raises(ValueError, match=r"^sequence \d+, time step \d, feature \d is NaN.*'mask'"):
        estimator().fit(X, Y[estimator])


@ALL
def test_what_is_read(estimator):
    model = fitted(estimator)
    # Three numbers, the time, three marks.
    assert model.network_.architecture.n_features == 7
    assert model.n_features_in_ == 4
    sequences = model.reader_.read(X, "float64")
    plain = small(estimator, missing="error", time_feature=None)
    plain.fit(np.split(sequences.values, sequences.offsets[1:-1]), Y[estimator])
    np.testing.assert_array_equal(plain.network_.theta, model.network_.theta)


@KINDS
@ALL
def test_gaps_that_fit_has_not_seen(estimator, missing):
    whole = [np.nan_to_num(x) for x in X]
    model = small(estimator, missing=missing).fit(whole, Y[estimator])
    assert np.isfinite(answers(model, X)).all()
    blank = [np.column_stack([[NAN] * 2, [0.0, 1.0], [NAN] * 2, [NAN] * 2])]
    assert np.isfinite(answers(model, blank)).all()


def test_infinity_is_never_missing():
    bad = [X[0].copy()]
    bad[0][0, 0] = np.inf
    with pytest.raises(ValueError, match=r"feature 0 is inf, expected a finite number or NaN"):
        fitted().predict(bad)


def test_only_differences_of_times_count():
    shift = np.array([0, 1000, 0, 0])
    later = [x + shift for x in X]
    first, second = fitted(), small().fit(later, Y[RNNClassifier])
    np.testing.assert_allclose(second.predict_proba(later), first.predict_proba(X), atol=1e-9)
    minutes = [x * [[1, 1 / 60, 1, 1]] for x in X]
    model = small().fit(minutes, Y[RNNClassifier])
    np.testing.assert_allclose(model.predict_proba(minutes), first.predict_proba(X), atol=1e-9)
    assert not np.allclose(first.predict_proba(minutes), first.predict_proba(X), atol=1e-6)


# Going on, and files.


@KINDS
@ALL
def test_partial_fit_and_warm_start_go_on(estimator, missing):
    model = fitted(estimator, missing=missing)
    learned = model.reader_.gaps
    for name, train in (("partial_fit", model.partial_fit), ("warm_start=True", model.fit)):
        model.set_params(warm_start=True)
        train(X[::-1], Y[estimator][::-1])
        assert model.reader_.gaps == learned
        before = model.network_.theta.copy()
        for change, message in (
            ({"missing": "error"}, f"missing='{missing}', not 'error'"),
            ({"time_feature": None}, "time_feature=1, not None"),
            ({"time_feature": 2}, "time_feature=1, not 2"),
        ):
            other = copy.deepcopy(model).set_params(**change)
            with pytest.raises(ValueError, match=f"^{name} goes on from the .*{message}$"):
                getattr(other, name.partition("=")[0].replace("warm_start", "fit"))(
                    [np.nan_to_num(x) for x in X], Y[estimator]
                )
        np.testing.assert_array_equal(model.network_.theta, before)


@KINDS
@ALL
@pytest.mark.parametrize("bidirectional", [False, True])
def test_files(estimator, missing, bidirectional, tmp_path):
    model = fitted(estimator, missing=missing, bidirectional=bidirectional)
    model.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    assert loaded.reader_.gaps == model.reader_.gaps
    np.testing.assert_array_equal(answers(loaded, X), answers(model, X))


def test_dates_in_files_and_streams(tmp_path):
    pandas = pytest.importorskip("pandas")
    start = pandas.Timestamp("2024-02-28 23:00")

    def frames(X):
        return [
            pandas.DataFrame(
                {"a": x[:, 0], "when": start + pandas.to_timedelta(x[:, 1], "h"), "b": x[:, 2]}
            )
            for x in X
        ]

    X_frames = frames(X)
    model = small(time_feature="when").fit(X_frames, Y[RNNClassifier])
    model.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    expected = model.predict_proba(X_frames)
    np.testing.assert_array_equal(loaded.predict_proba(X_frames), expected)
    stream = loaded.stream(2)
    for t in range(2):
        rows = pandas.concat([X_frames[0][t : t + 1], X_frames[1][t : t + 1]])
        said = stream.step(rows)
    wanted = model.predict_proba([frame[:2] for frame in X_frames[:2]])
    np.testing.assert_allclose(said, wanted, atol=1e-6)
    with pytest.raises(TypeError, match="the time, holds numbers, expected dates as in fit"):
        model.predict([X_frames[0].assign(when=1.0)])


@KINDS
def test_checkpoint_goes_on(missing, tmp_path):
    given = {"missing": missing}
    model = small(max_iter=4, **given).fit(X, Y[RNNClassifier])
    path = tmp_path / "checkpoint"
    small(max_iter=2, **given).fit(X, Y[RNNClassifier], checkpoint=path)
    resumed = small(max_iter=4, **given).fit(X, Y[RNNClassifier], checkpoint=path, resume=True)
    np.testing.assert_array_equal(resumed.network_.theta, model.network_.theta)


# Streams.


@ALL
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"missing": "error"},
        {"time_feature": None},
        {"missing": "decay"},
        {"missing": "decay", "time_feature": None, "cell": "carry_lstm", "zoneout": 0.2},
    ],
    ids=["both", "times", "gaps", "decay", "decay without times"],
)
def test_streams(estimator, dtype, params):
    given = X
    if params.get("missing") == "error":
        given = [np.nan_to_num(x) for x in X]
    model = small(estimator, dtype=dtype, **params).fit(given, Y[estimator])
    atol = 1e-5 if dtype == "float32" else 1e-10
    stream = model.stream()
    for x in given[:4]:
        stream.reset()
        for t in range(len(x)):
            said = np.ravel(stream.step(x[t]))
            np.testing.assert_allclose(
                said, answers(model, [x[: t + 1]])[-len(said) :], atol=atol, rtol=0
            )


@KINDS
def test_many_streams_and_their_state(missing):
    model = fitted(missing=missing)
    steps = [np.stack([x[t] for x in X[:3]]) for t in range(2)]
    stream = model.stream(3)
    stream.step(steps[0])
    state, twin = stream.state, pickle.loads(pickle.dumps(stream))
    assert state["seen"].shape == (3, 3) and state["time"].shape == (3,)
    said = stream.step(steps[1])
    np.testing.assert_array_equal(twin.step(steps[1]), said)
    stream.state = state
    np.testing.assert_array_equal(stream.step(steps[1]), said)
    stream.reset([1])
    np.testing.assert_array_equal(stream.state["seen"][1], model.reader_.gaps.mean)
    later = steps[1] + [[0, 50, 0, 0]]
    later[1, 1] = 0  # a first step may have any time
    alone = model.stream().step(later[1])
    np.testing.assert_allclose(stream.step(later)[1], alone, atol=1e-12)


@KINDS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, np.inf), "^feature 0 of x is inf, expected a finite number"),
        ((1, NAN), "^feature 1 of x is NaN, expected a finite number"),
        ((1, np.inf), "^feature 1 of x is inf, expected a finite number"),
        ((1, 99.0), "^feature 1 of x is the time 99, expected one not before 100, that of the"),
    ],
)
def test_step_that_is_refused_changes_nothing(change, message, missing):
    stream = fitted(missing=missing).stream()
    stream.step([1.0, 100.0, NAN, 2.0])
    before = stream.state
    x = [3.0, 101.0, 4.0, NAN]
    x[change[0]] = change[1]
    with pytest.raises(ValueError, match=message):
        stream.step(x)
    for name, array in stream.state.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("kind", ["None", "masked", "float32"])
def test_kinds_of_missing_in_steps(kind):
    model = fitted()
    x = np.array([1.0, 100.0, NAN, 2.0])
    given = {
        "None": [1.0, 100.0, None, 2.0],
        "masked": np.ma.masked_invalid(x),
        "float32": x.astype(np.float32),
    }[kind]
    np.testing.assert_array_equal(model.stream().step(given), model.stream().step(x))


def test_missing_ids_in_steps():
    ids = [[0, NAN, 2], [1, 2], [NAN], [2, 0]] * 5
    y = [0, 1, 0, 1] * 5
    model = small(time_feature=None, embedding_dim=3, max_iter=1).fit(ids, y)
    assert model.n_categories_ == (3,)
    assert model.network_.embeddings[0].shape == (4, 3)
    stream = model.stream()
    for t in range(3):
        said = stream.step([ids[0][t]])
    np.testing.assert_allclose(said, model.predict_proba(ids[:1])[0], atol=1e-12)
    with pytest.raises(ValueError, match="is the id 3, expected one from 0 to 2"):
        stream.step(3)


# Around them.


@KINDS
@pytest.mark.parametrize("params", [{}, {"bidirectional": True}, {"time_feature": None}])
def test_gradients_of_what_is_given(missing, params):
    model = fitted(missing=missing, cell="gru", **params)
    rng = np.random.default_rng(3)
    for view in model.network_.named_views(model.network_.theta).values():
        view += 0.3 * rng.normal(size=view.shape)
    gradients = model.input_gradients(X[:4], output=1)

    def log_odds(x):
        p = model.predict_proba([x])[0, 1]
        return np.log(p / (1 - p))

    for x, gradient in zip(X, gradients, strict=False):
        for t, j in np.ndindex(x.shape):
            if np.isnan(x[t, j]):
                assert gradient[t, j] == 0
                continue
            sides = []
            for change in (1e-5, -1e-5):
                moved = x.copy()
                moved[t, j] += change
                sides.append(log_odds(moved))
            assert gradient[t, j] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-6)


def test_every_cell_decays():
    for cell in CELLS:
        model = fitted(missing="decay", cell=cell, hidden_layer_sizes=(3, 2), solver="lbfgs")
        assert np.isfinite(model.loss_)
        assert model.network_.decay.arrays["W_h"].shape == (3, 3)


@pytest.mark.parametrize("change", ["means", "both_ways", "missing"])
def test_damaged_files(change, tmp_path):
    model = fitted(missing="decay")
    gaps = model.reader_.gaps
    wrong = {
        "means": {"mean": (*gaps.mean[:-1], gaps.mean[-1] + 1)},
        "both_ways": {"both_ways": True},
        "missing": {"missing": "mask"},
    }[change]
    model.reader_ = replace(model.reader_, gaps=replace(gaps, **wrong))
    with pytest.raises(ValueError, match="a file cannot hold this classifier"):
        model.save(tmp_path / "model")


def test_permutation_importance_of_what_is_missing():
    y = np.array([float(np.isnan(x[0, 0])) for x in X])
    masked = [np.ma.masked_invalid(x) for x in X]
    model = small(RNNRegressor, max_iter=30, learning_rate_init=0.05).fit(X, y)
    results = [
        permutation_importance(model, given, y, n_repeats=2, random_state=0).importances
        for given in (X, masked)
    ]
    np.testing.assert_array_equal(*results)
    assert results[0].mean(axis=1).argmax() == 0


def test_memory_is_counted():
    inputs = [
        small(missing=missing).estimate_memory([np.nan_to_num(x) for x in X], Y[RNNClassifier])
        for missing in ("error", "mask", "decay")
    ]
    assert inputs[2] > inputs[1] > inputs[0]


def test_weights_from_elsewhere_have_no_gaps():
    with pytest.raises(ValueError, match="no part of Keras: export the model to ONNX or C"):
        to_keras_weights(fitted())


def test_series_are_masked_as_sequences_are():
    series = np.sin(np.arange(30.0))
    series[[4, 5, 20]] = NAN
    model = plain_forecaster(4, missing="mask", max_iter=2, random_state=0).fit([series])
    lessons = model.reader_.read([series], "float64")
    marks = lessons.values[:, 1]
    np.testing.assert_array_equal(np.flatnonzero(marks), [4, 5, 20])
    assert not lessons.values[[4, 5, 20], 0].any()  # no difference from the last value


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
def test_tag_says_what_is_allowed(estimator):
    pytest.importorskip("sklearn")
    from sklearn.utils import get_tags

    assert get_tags(estimator(missing="mask")).input_tags.allow_nan
    assert not get_tags(estimator()).input_tags.allow_nan


# The scaler.


@pytest.mark.parametrize("method", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("kind", ["None", "masked"])
def test_scaler_passes_all_kinds_on(method, kind):
    given = [np.ma.masked_invalid(x) for x in X]
    if kind == "None":
        given = [np.where(np.isnan(x), None, x) for x in X]
    expected = SequenceScaler(method).fit_transform(X)
    scaled = SequenceScaler(method).fit_transform(given)
    for a, b in zip(scaled, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scaler_passes_missing_ids_on():
    X = [np.array([[1.0, 0.0], [NAN, NAN], [3.0, 1.0]])]
    (scaled,) = SequenceScaler(categorical_features=[1]).fit_transform(X)
    np.testing.assert_array_equal(scaled, [[-1, 0], [NAN, NAN], [1, 1]])
