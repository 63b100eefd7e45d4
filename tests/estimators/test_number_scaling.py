"""Numbers scaled inside of the estimators: the unit of what is given makes no difference."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from contract import PLAIN, draw_sequences
from fuzz_files import put_together, take_apart

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger
from fastrnn.inputs.column_scaling import METHODS, NO_SCALING
from fastrnn.inspection import permutation_importance
from fastrnn.preprocessing import SequenceScaler
from fastrnn.streams.snapshot import Snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

NAN = np.nan
X = draw_sequences(24, 5)
Y = {
    RNNClassifier: np.arange(24) % 2,
    RNNRegressor: np.array([x[:, 0].sum() for x in X]),
    RNNTagger: [np.arange(len(x)) % 2 for x in X],
}
ALL = pytest.mark.parametrize("estimator", list(Y))
MAPS = {
    "x + 1000": (1, 1000),
    "x / 1000": (1e-3, 0),
    "x * 1000": (1e3, 0),
    "x / 1000 + 1000": (1e-3, 1000),
    "x * 1e30": (1e30, 0),
    "x * 1e-30": (1e-30, 0),
}
MOVED = pytest.mark.parametrize(("factor", "shift"), MAPS.values(), ids=MAPS)
GIVEN = {
    "numbers": {},
    "gaps": {"missing": "mask"},
    "decay": {"missing": "decay", "time_feature": 1},
    "times": {"time_feature": 1},
    "long": {"stride": 2, "conv": ((3, 3, 1),), "missing": "mask"},
    "ids": {"categorical_features": [2], "missing": "mask", "time_feature": 1},
}
KINDS = pytest.mark.parametrize("kind", GIVEN)


def small(estimator=RNNClassifier, **params):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0, "batch_size": 5}
    return estimator(
        **PLAIN | defaults | {"scaling": "standard", "learning_rate_init": 0.05} | params
    )


def fitted(estimator=RNNClassifier, **params):
    return small(estimator, **params).fit(X, Y[estimator])


def answers(model, X):
    ask = model.predict if isinstance(model, RNNRegressor) else model.predict_proba
    return np.concatenate([np.ravel(part) for part in ask(X)])


def make(kind, factor=1, shift=0):
    """Sequences of four columns: numbers in 0 and 3 and, unless they are others, in 1 and 2."""
    params, rng, given = GIVEN[kind], np.random.default_rng(4), []
    numbers = [j for j in range(4) if j not in (params.get("time_feature"), 2 * ("ids" == kind))]
    for x in X:
        z = np.column_stack([x, x[:, 0] * x[:, 1]])
        if "missing" in params:
            z[rng.random(z.shape) < 0.3] = NAN
        if "time_feature" in params:
            z[:, 1] = np.cumsum(rng.integers(1, 5, size=len(x)))
        if "categorical_features" in params:
            z[:, 2] = rng.integers(3, size=len(x))
        z[:, numbers] = z[:, numbers] * factor + shift
        given.append(z)
    return given


def test_it_is_as_if_a_scaler_stood_before():
    for method in METHODS:
        scaled = SequenceScaler(method).fit_transform(X)
        inside = small(scaling=method, dtype="float64").fit(X, Y[RNNClassifier])
        before = small(scaling=None, dtype="float64").fit(scaled, Y[RNNClassifier])
        np.testing.assert_array_equal(inside.network_.theta, before.network_.theta)
        assert inside.reader_.scaling.method == method


@ALL
@MOVED
def test_unit_and_origin_make_no_difference(estimator, factor, shift, tmp_path):
    moved = [x * factor + shift for x in X]
    expected = answers(fitted(estimator), X)
    model = small(estimator).fit(moved, Y[estimator])
    np.testing.assert_allclose(answers(model, moved), expected, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    np.testing.assert_array_equal(answers(loaded, moved), answers(model, moved))
    stream = loaded.stream()
    for x in moved[0]:
        said = np.ravel(stream.step(x))
    first = answers(model, moved[:1])[-len(said) :]
    np.testing.assert_allclose(said, first, rtol=1e-4, atol=1e-5)


@KINDS
@MOVED
def test_around_gaps_times_and_ids(kind, factor, shift):
    params = {**GIVEN[kind], "bidirectional": kind == "decay"}
    expected = small(**params).fit(make(kind), Y[RNNClassifier]).predict_proba(make(kind))
    moved = make(kind, factor, shift)
    model = small(**params).fit(moved, Y[RNNClassifier])
    np.testing.assert_allclose(model.predict_proba(moved), expected, rtol=1e-4, atol=1e-5)


@KINDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streams(kind, dtype):
    given = make(kind, 1e-3, 1000)
    model = small(dtype=dtype, **GIVEN[kind]).fit(given, Y[RNNClassifier])
    streams = model.stream(2)
    twin = pickle.loads(pickle.dumps(streams))
    for t in range(min(map(len, given[:2]))):
        rows = np.stack([x[t] for x in given[:2]])
        said = streams.step(rows)
        expected = model.predict_proba([x[: t + 1] for x in given[:2]])
        np.testing.assert_allclose(said, expected, atol=1e-6)
        np.testing.assert_array_equal(twin.step(rows.tolist()), said)
    narrow = rows.astype(np.float32)
    np.testing.assert_array_equal(
        model.stream(2).step(narrow), model.stream(2).step(narrow.astype(np.float64))
    )


def test_steps_that_streams_refuse():
    stream = fitted().stream()
    before = stream.state
    for value, message in (
        (NAN, "^feature 1 of x is NaN, expected a finite number"),
        (np.inf, "^feature 1 of x is inf, expected a finite number"),
        (1e300, r"^feature 1 of x is 1e\+300, which does not fit into float32 when it is scaled"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.step([0.0, value, 0.0])
        np.testing.assert_array_equal(stream.state["h_0"], before["h_0"])


def test_streams_divide_by_nothing_else():
    model = fitted()
    reading = model.reader_.steps()
    for wrong in (0 * reading.deviation, reading.deviation[1:], None):
        with pytest.raises(ValueError, match=r"^(the scale of numbers|deviation) of a stream's"):
            Snapshot(model.network_, replace(reading, deviation=wrong), **model.task_.answer())


@KINDS
def test_gradients_are_in_the_units_of_what_is_given(kind):
    given = make(kind, 20, 100)
    model = small(dtype="float64", cell="gru", **GIVEN[kind]).fit(given, Y[RNNClassifier])
    gradients = model.input_gradients(given[:3], output=1)
    columns = [j for j in range(4) if j not in model.reader_.columns.ids]

    def log_odds(x):
        p = model.predict_proba([x])[0, 1]
        return np.log(p / (1 - p))

    for x, gradient in zip(given, gradients, strict=False):
        for t, k in np.ndindex(gradient.shape):
            j = columns[k]
            if np.isnan(x[t, j]):
                assert gradient[t, k] == 0
                continue
            sides = []
            for change in (1e-4, -1e-4):
                moved = x.copy()
                moved[t, j] += change
                sides.append(log_odds(moved))
            assert gradient[t, k] == pytest.approx((sides[0] - sides[1]) / 2e-4, abs=1e-8, rel=1e-5)


def test_importance_is_that_of_what_is_given():
    y = Y[RNNRegressor]
    results = []
    for factor, shift in ((1, 0), (1e3, 1e6)):
        given = [x * factor + shift for x in X]
        model = small(RNNRegressor, max_iter=30).fit(given, y)
        results.append(permutation_importance(model, given, y, n_repeats=2, random_state=0))
    first, second = (result.importances_mean for result in results)
    np.testing.assert_allclose(first, second, rtol=1e-2, atol=1e-3)


# Weights.


@ALL
def test_sequences_of_no_weight_have_no_scale(estimator):
    weight = np.ones(24)
    weight[::3] = 0
    given = [x * 1e6 if w == 0 else x for x, w in zip(X, weight, strict=True)]
    model = small(estimator).fit(given, Y[estimator], sample_weight=weight)
    kept = [x for x, w in zip(X, weight, strict=True) if w]
    expected = SequenceScaler().fit(kept)
    np.testing.assert_allclose(model.reader_.scaling.center, expected.center_, rtol=1e-12)
    np.testing.assert_allclose(model.reader_.scaling.factor, expected.scale_, rtol=1e-12)


def test_steps_of_no_weight_have_no_scale():
    weight = [np.arange(len(x)) + 1.0 for x in X]
    weight[0][0] = 0
    given = [X[0].copy(), *X[1:]]
    given[0][0] = 1e9
    model = small(RNNTagger).fit(given, Y[RNNTagger], sample_weight=weight)
    flat, steps = np.concatenate(weight), np.concatenate(X)
    mean = np.average(steps, axis=0, weights=flat)
    np.testing.assert_allclose(model.reader_.scaling.center, mean, rtol=1e-12)
    padded = np.full((24, max(map(len, X)), 3), NAN)
    tags, of_steps = np.full(padded.shape[:2], -1), np.ones(padded.shape[:2])
    for i, x in enumerate(given):
        padded[i, : len(x)], tags[i, : len(x)] = x, Y[RNNTagger][i]
        of_steps[i, : len(x)] = weight[i]
    again = small(RNNTagger, padding="nan").fit(padded, tags, sample_weight=of_steps)
    assert again.reader_.scaling == model.reader_.scaling


def test_wrong_weights_are_still_found():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: X has 24 sequences"):
        small().fit(X, Y[RNNClassifier], sample_weight=[1.0])


# Going on, and files.


@ALL
def test_partial_fit_and_warm_start_keep_it(estimator):
    model = small(estimator)
    args = {"classes": [0, 1]} if estimator is not RNNRegressor else {}
    model.partial_fit(X[:12], Y[estimator][:12], **args)
    learned = model.reader_.scaling
    expected = SequenceScaler().fit(X[:12])
    np.testing.assert_array_equal(learned.center, expected.center_)
    for name, train in (("partial_fit", model.partial_fit), ("warm_start=True", model.fit)):
        model.set_params(warm_start=True)
        train(X, Y[estimator])
        assert model.reader_.scaling == learned
        before, other = model.network_.theta.copy(), copy.deepcopy(model)
        message = rf"^{name} goes on from the .* has scaling='standard', not None$"
        with pytest.raises(ValueError, match=message):
            getattr(other.set_params(scaling=None), train.__name__)(X, Y[estimator])
        np.testing.assert_array_equal(other.network_.theta, before)
    model.set_params(warm_start=False).fit(X, Y[estimator])
    assert model.reader_.scaling != learned


def test_failed_fit_changes_nothing():
    model = fitted()
    learned, theta = model.reader_.scaling, model.network_.theta.copy()
    with pytest.raises(ValueError, match="y has one class only"):
        model.fit([x + 5 for x in X], np.zeros(24))
    assert model.reader_.scaling == learned
    np.testing.assert_array_equal(model.network_.theta, theta)


def test_checkpoint_goes_on(tmp_path):
    model = small(max_iter=4, early_stopping=True).fit(X, Y[RNNClassifier])
    path = tmp_path / "checkpoint"
    small(max_iter=2, early_stopping=True).fit(X, Y[RNNClassifier], checkpoint=path)
    given = {"checkpoint": path, "resume": True}
    resumed = small(max_iter=4, early_stopping=True).fit(X, Y[RNNClassifier], **given)
    np.testing.assert_array_equal(resumed.network_.theta, model.network_.theta)
    with pytest.raises(ValueError, match="scaling was 'standard' and is 'minmax' now"):
        small(max_iter=5, early_stopping=True, scaling="minmax").fit(X, Y[RNNClassifier], **given)


def test_checkpoints_of_before(tmp_path):
    path = tmp_path / "checkpoint"
    small(max_iter=2, scaling=None).fit(X, Y[RNNClassifier], checkpoint=path)
    header, record, body = take_apart(path.read_bytes())
    del record["parameters"]["scaling"]
    path.write_bytes(put_together(header, record, body))
    given = {"checkpoint": path, "resume": True}
    resumed = small(scaling=None).fit(X, Y[RNNClassifier], **given)
    expected = small(scaling=None).fit(X, Y[RNNClassifier])
    np.testing.assert_array_equal(resumed.network_.theta, expected.network_.theta)


def test_validation_data_are_scaled_as_what_is_learned_from():
    y = Y[RNNClassifier]
    scores = [
        small().fit(given, y, validation_data=(given[:9], y[:9])).validation_scores_
        for given in (X, [x * 1e-3 + 1000 for x in X])
    ]
    assert scores[0] == scores[1]
    with pytest.warns(UserWarning, match=r"feature 0 has mean 1e\+03 and .*, but in X -?0\.\d+"):
        small().fit(X, y, validation_data=([x + 1000 for x in X[:9]], y[:9]))


def test_files_of_before(tmp_path):
    model, path = fitted(scaling=None), tmp_path / "model"
    model.save(path)
    header, record, body = take_apart(path.read_bytes())
    del record["reader"]["scaling"], record["parameters"]["scaling"]
    path.write_bytes(put_together(header, record, body))
    loaded = fastrnn.load(path)
    assert loaded.scaling is None and loaded.reader_.scaling is NO_SCALING
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_damaged_files(tmp_path):
    model = fitted()
    scaling = model.reader_.scaling
    wrong = replace(scaling, center=scaling.center[1:], factor=scaling.factor[1:])
    model.reader_ = replace(model.reader_, scaling=wrong)
    message = "a file cannot hold this classifier.*scaling.center must have an entry for each"
    with pytest.raises(ValueError, match=message):
        model.save(tmp_path / "model")


def test_copies():
    model = fitted()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert small(scaling="robust").get_params()["scaling"] == "robust"


def test_what_it_may_be():
    with pytest.raises(ValueError, match=r"^scaling must be one of 'standard'"):
        small(scaling="maxabs").fit(X, Y[RNNClassifier])
    assert RNNForecaster().scaling == "difference"


def test_its_copy_is_counted():
    table = np.random.default_rng(0).normal(size=(24, 500)).astype(np.float32)
    sizes = [small(scaling=s).estimate_memory(table, Y[RNNClassifier]) for s in (None, "standard")]
    assert sizes[1] - sizes[0] == table.nbytes


def test_constant_columns_do_no_harm():
    given = [np.column_stack([x, np.full(len(x), 1e6)]) for x in X]
    model = small().fit(given, Y[RNNClassifier])
    assert model.reader_.scaling.factor[-1] == 1
    assert np.isfinite(model.predict_proba(given)).all()


def test_record_is_plain_json(tmp_path):
    model, path = fitted(), tmp_path / "model"
    model.save(path)
    _, record, _ = take_apart(path.read_bytes())
    scaling = json.loads(json.dumps(record["reader"]["scaling"]))
    assert scaling.keys() == {"method", "center", "factor"}
    assert tuple(scaling["center"]) == model.reader_.scaling.center
