"""Streams say at every step what the estimator says of the whole prefix."""

import copy
import functools

import numpy as np
import pytest
from contract import plain_forecaster
from every_cell import CHOICES, ZONED

from fastrnn.bridge import NotFittedError
from fastrnn.estimators import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
    plan,
)
from fastrnn.inputs.scaling import learn_scale
from fastrnn.kernels.stream import SHARD_ROWS
from fastrnn.network.network import Network

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

N, T, D = 5, 9, 3
TEXT = "the quick brown fox jumps over the lazy dog; " * 4


def shake(model):
    """Give all weights, also biases that start at zero, values that matter."""
    theta = model.network_.theta
    theta[...] = 0.5 * np.random.default_rng(7).standard_normal(len(theta))
    return model


def draw(n=N, steps=T, width=D, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal((n, steps, width)).astype(dtype)


def classifier(sizes=6, n_classes=3, width=D, **params):
    """Return a fitted classifier."""
    X = draw(8, 4, width)
    model = RNNClassifier(sizes, max_iter=1, random_state=0, **params)
    return shake(model.fit(X, np.arange(8) % n_classes))


def assert_close(got, expected):
    """Compare to rounding; that of float32 goes through convolutions, layers, pooling and head."""
    tolerance = 5e-6 if np.asarray(got).dtype == np.float32 else 1e-6
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def assert_follows(model, X, predict):
    """Compare every step of one stream, and of one for each sequence, with whole prefixes."""
    single, many = model.stream(), model.stream(len(X))
    answers = []
    for t in range(len(X[0])):
        expected = predict([x[: t + 1] for x in X])
        answer = single.step(X[0][t])
        answers.append(answer)
        assert_close(answer, expected[0])
        of_all = many.step(np.array([x[t] for x in X]))
        assert of_all.shape == np.shape(expected)
        assert of_all.dtype == np.asarray(expected).dtype
        assert_close(of_all, expected)
    assert np.ptp(answers, axis=0).max() > 1e-3  # it makes a difference what was read


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("sizes", [6, (5, 7, 20)])
@pytest.mark.parametrize("cell", CHOICES.values(), ids=CHOICES.keys())
def test_every_prefix(cell, sizes, pooling, dtype):
    model = classifier(sizes, pooling=pooling, dtype=dtype, **cell)
    assert_follows(model, draw(dtype=dtype), model.predict_proba)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "pooling", ["attention", "max+mean", "attention+last", "last+max+attention"]
)
@pytest.mark.parametrize("sizes", [6, (5, 20)])
def test_every_prefix_of_more_poolings(sizes, pooling, dtype):
    model = classifier(sizes, cell="gru", pooling=pooling, dtype=dtype)
    assert_follows(model, draw(dtype=dtype), model.predict_proba)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_attention_with_scores_of_any_size(dtype):
    """The largest score comes early, late or in between: no weight overflows, none is lost."""
    model = classifier(pooling="attention", dtype=dtype, cell="gru", conv=None, scaling=None)
    model.network_.named_views(model.network_.theta)["pooling.query"][...] *= 1e4
    assert_follows(model, draw(40, dtype=dtype), model.predict_proba)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ZONED.values(), ids=ZONED.keys())
def test_zoneout(cell, dtype):
    model = classifier((5, 4), pooling="mean", dtype=dtype, **cell)
    assert_follows(model, draw(dtype=dtype), model.predict_proba)


@pytest.mark.parametrize("pooling", ["mean", "attention+max"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "carry_lstm"])
def test_more_streams_than_a_block(cell, pooling):
    model = classifier((40, 24), cell=cell, pooling=pooling)
    X = draw(2 * SHARD_ROWS + 3, 4)
    stream = model.stream(len(X))
    for t in range(4):
        proba = stream.step(X[:, t])
        assert_close(proba, model.predict_proba(X[:, : t + 1]))


def test_one_feature_one_unit():
    model = classifier(1, width=1, cell="carry_lstm", pooling="max")
    assert_follows(model, draw(width=1), model.predict_proba)


def test_several_labels():
    X, y = draw(), np.random.default_rng(1).integers(0, 2, (N, 4))
    model = shake(RNNClassifier(6, max_iter=1, random_state=0).fit(X, y))
    assert_follows(model, X, model.predict_proba)


@pytest.mark.parametrize("n_outputs", [None, 1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regressor(n_outputs, dtype):
    shape = (N,) if n_outputs is None else (N, n_outputs)
    y = 100 + 30 * np.random.default_rng(1).standard_normal(shape)
    model = shake(RNNRegressor(6, max_iter=1, dtype=dtype, random_state=0).fit(draw(), y))
    assert_follows(model, draw(seed=3), model.predict)
    if n_outputs is None:
        stream = model.stream()
        number = stream.step(draw()[0, 0])
        assert type(number) is float
        out = np.empty(())
        stream.reset()
        assert stream.step(draw()[0, 0], out=out) is out
        assert out[()] == number


def test_tagger():
    y = np.random.default_rng(1).integers(0, 3, (N, T))
    model = shake(
        RNNTagger((6, 5), bidirectional=False, max_iter=1, random_state=0).fit(draw(), list(y))
    )
    X = draw(seed=3)
    assert_follows(model, X, lambda X: np.array([p[-1] for p in model.predict_proba(X)]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_ids_beside_numbers(cell):
    rng = np.random.default_rng(0)
    X = draw(20, T, 5, "float64")
    X[:, :, 1], X[:, :, 4] = rng.integers(0, 6, (20, T)), rng.integers(0, 3, (20, T))
    X[0, 0, 1], X[0, 0, 4] = 5, 2
    model = RNNClassifier(
        6, cell=cell, categorical_features=[1, 4], embedding_dim=(3, 2), max_iter=1, random_state=0
    )
    shake(model.fit(X, np.arange(20) % 3))
    assert_follows(model, X[:N], model.predict_proba)


def test_columns_of_ids():
    ids = np.random.default_rng(0).integers(0, 7, (20, T, 2))
    params = {"embedding_dim": (3, 4), "max_iter": 1, "random_state": 0}
    model = RNNTagger(6, bidirectional=False, **params)
    shake(model.fit(ids, list(ids[:, :, 0] % 2)))
    last = lambda X: np.array([p[-1] for p in model.predict_proba(X)])  # noqa: E731
    assert_follows(model, ids[:N], last)
    # Whole numbers of any type are ids.
    streams = [model.stream(N) for _ in range(3)]
    for kind, stream in zip(("int32", "uint8", "float32"), streams, strict=True):
        assert_close(stream.step(ids[:N, 0].astype(kind)), last(ids[:N, :1]))


LANGUAGES = {
    "text": (TEXT, {}, list("jump the cat"[:6])),
    "texts": (["to be or not to be", "that is"], {}, list("to be")),
    "words": ([TEXT, "a fox"], {"tokenizer": "word", "lowercase": True}, ["The", "lazy", "fox"]),
    "unknown": (TEXT, {"tokenizer": "word", "max_features": 5}, ["the", "nobody", "fox", ";"]),
    "ids": (np.arange(40) % 7, {}, [3, 0, 6, 6]),
    "tied": ([[0, 1, 2], [2, 2, 1]], {"tie_weights": True}, [1, 2, 0]),
}


@pytest.mark.parametrize("kind", LANGUAGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_language_model(kind, dtype):
    X, params, prompt = LANGUAGES[kind]
    model = RNNLanguageModel(
        (9, 6), batch_size=2, bptt_steps=5, max_iter=1, random_state=0, dtype=dtype, **params
    )
    shake(model.fit(X))
    single, many = model.stream(), model.stream(3)
    for t, token in enumerate(prompt):
        words = isinstance(token, str) and model.encoder_.tokenizer == "char"
        read = "".join(prompt[: t + 1]) if words else prompt[: t + 1]
        expected = model.next_proba(read)
        got = single.step(token)
        assert got.dtype == model.network_.dtype
        assert_close(got, expected)
        assert_close(many.step([token] * 3), [expected] * 3)
    ids = [model.encoder_.vocabulary_.get(prompt[0].lower(), 0)] if model.encoder_ else prompt[:1]
    for step in (ids[0], np.int64(ids[0]), ids, np.array([ids]), np.int32(ids[0])):
        single.reset()
        assert_close(np.ravel(single.step(step)), model.next_proba(prompt[:1]))


def test_sample_reads_on_with_a_stream(monkeypatch):
    model = shake(RNNLanguageModel(6, batch_size=2, max_iter=1, random_state=0).fit(TEXT))
    text = ""
    for _ in range(20):  # without a stream: everything is read again for each token
        p = np.where(model.token_counts_ > 0, model.next_proba("the " + text), 0)
        text += model.tokens_[p.argmax()]
    calls = []
    read_on = Network.read_on
    monkeypatch.setattr(
        Network, "read_on", lambda *args, **kwargs: calls.append(1) or read_on(*args, **kwargs)
    )
    assert model.sample("the ", 20, temperature=0) == text
    assert len(calls) == 1


START = 25
PLANS = {
    "recursive": {},
    "direct": {"strategy": "direct", "horizon": 4},
    "as they are": {"scaling": None},
    "standard": {"scaling": "standard", "seasonality": 4},
    "level": {"scaling": "level", "log": True},
    "seasonal": {"log": True, "seasonality": 4, "strategy": "direct", "horizon": 6},
    "log1p": {"log": "log1p", "seasonality": 4},
    "spread": {"log": True, "scale_feature": True},
    "spread, gaps": {"scaling": "level", "scale_feature": True, "missing": "mask"},
    "lags": {"lags": 4, "seasonality": 4, "log": True, "scale_feature": True},
    "lags, more than there are": {"lags": 40, "scaling": "standard"},
    "lags, gaps": {"lags": 2, "missing": "mask", "strategy": "direct", "horizon": 2},
    "lags, gaps, level": {"lags": 6, "missing": "mask", "scaling": "level"},
    "median": {"quantiles": (0.5,)},
    "quantiles": {"strategy": "direct", "horizon": 3, "quantiles": (0.1, 0.4, 0.7)},
    "gaps": {"missing": "mask", "strategy": "direct", "horizon": 2},
    "gaps, level": {"missing": "mask", "scaling": "level"},
}


def series_of(plan, n=3):
    """Return series with a season of four steps; the first does not vary until it goes on."""
    rng = np.random.default_rng(3)
    steps = np.arange(START + 15)
    values = 50 + np.cumsum(rng.standard_normal((n, len(steps))), axis=1) + 9 * np.sin(steps * 1.57)
    if plan.get("missing") == "mask":
        values[rng.random(values.shape) < 0.3] = np.nan
        values[:, :2], values[1, START - 1] = 50, np.nan
    values[0, :START] = 44.0
    if plan.get("log") == "log1p":
        values[1:] -= 50
        values[2, 7] = 0
    return values


@pytest.fixture
def fixed_scale(monkeypatch):
    """Let predict take its scale from the first steps alone, as a stream does."""
    monkeypatch.setattr(
        plan, "learn_scale", lambda values, *rest: learn_scale(values[:START], *rest)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PLANS)
def test_forecaster(name, dtype, fixed_scale):
    values = series_of(PLANS[name])
    model = plain_forecaster((6, 5), max_iter=1, dtype=dtype, random_state=0, **PLANS[name])
    shake(model.fit(list(values[1:, :START])))
    horizon = model.horizon if model.strategy == "direct" else 1
    streams = model.stream(series=list(values[:, :START]))
    single = model.stream(1, series=values[2, :START])
    assert streams.n_streams == 3
    for t in range(START, values.shape[1]):
        expected = np.array(model.predict(horizon, list(values[:, : t + 1])))
        got = streams.step(values[:, t])
        assert got.shape == (3, horizon) and got.dtype == np.float64
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(single.step(values[2, t]), expected[2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("lags", [3, 4])
def test_a_value_too_far_from_those_before_is_refused(lags):
    values = np.resize([3.0, 5.0, 4.0], START)
    step = 2e38 * np.abs(np.diff(values)).mean()  # three of them by the root of 3 are 3.5e38
    stream = plain_forecaster(4, max_iter=1, lags=lags, random_state=0).fit(values).stream()
    for k in (1, 2):
        stream.step(values[-1] + k * step)
    if lags == 3:
        assert np.isfinite(stream.step(values[-1] + 3 * step)).all()
        return
    before = stream.state
    with pytest.raises(ValueError, match="x has a number that does not fit into float32"):
        stream.step(values[-1] + 3 * step)
    for name, array in stream.state.items():
        np.testing.assert_array_equal(array, before[name])


def test_scales_that_do_not_change_need_no_help():
    # Steps of one up or down: the mean absolute difference of every prefix is 1.
    walks = 50 + np.cumsum(np.random.default_rng(0).choice([-1.0, 1.0], (2, 40)), axis=1)
    model = shake(plain_forecaster(6, max_iter=1, random_state=0).fit(list(walks[:, :START])))
    stream = model.stream()  # goes on from the series of fit
    for t in range(START, 40):
        expected = model.predict(1, list(walks[:, : t + 1]))
        np.testing.assert_allclose(stream.step(walks[:, t]), expected, rtol=1e-6)


def test_levels(fixed_scale):
    plan = PLANS["quantiles"]
    values = series_of(plan)
    model = plain_forecaster(6, max_iter=1, random_state=0, **plan)
    shake(model.fit(list(values[1:, :START])))
    levels = (0.1, 0.25, 0.5, 0.7)
    stream = model.stream(3, series=list(values[:, :START]), levels=levels)
    for t in range(START, START + 5):
        expected = model.predict_quantiles(3, list(values[:, : t + 1]), levels)
        got = stream.step(values[:, t])
        assert got.shape == (3, 3, 4)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"levels has 0.9, but the model has learned"):
        model.stream(series=values[0], levels=[0.9])


def test_forecasts_fed_back_by_a_copy(fixed_scale):
    values = series_of({})[1]
    model = shake(plain_forecaster(6, max_iter=1, random_state=0).fit(values[:START]))
    stream = model.stream()
    forecast = [stream.step(values[START])[0]]
    ahead = copy.copy(stream)
    while len(forecast) < 6:
        forecast.append(ahead.step(forecast[-1])[0])
    np.testing.assert_allclose(forecast, model.predict(6, values[: START + 1]), rtol=1e-6)
    expected = model.predict(1, values[: START + 2])
    np.testing.assert_allclose(stream.step(values[START + 1]), expected, rtol=1e-6)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_covariates(strategy, mask, fixed_scale):
    rng = np.random.default_rng(0)
    values = series_of({})
    n_steps = values.shape[1]
    future = 3 + 2 * rng.standard_normal((3, n_steps + 2, 2))
    future[:, :, 1] = rng.integers(0, 4, future.shape[:2])
    future[0, 0, 1] = 3
    past, known, options = None, {}, {}
    if strategy == "direct":
        past = 5 + rng.standard_normal((3, n_steps, 3))
        past[:, :, 0] = rng.integers(0, 3, past.shape[:2])
        past[0, 0, 0] = 2
        known, options = {"past_covariates": list(past[:, :START])}, {"horizon": 2}
    block = options.get("horizon", 1)
    model = plain_forecaster(
        6, strategy=strategy, max_iter=1, random_state=0, embedding_dim=2,
        missing="mask" if mask else "error",
        categorical_features=[1] if past is None else [1, 2], **options,
    )  # fmt: skip
    model.fit(list(values[:, :START]), future_covariates=list(future), **known)
    shake(model)
    stream = model.stream(
        series=list(values[:, :START]), future_covariates=list(future[:, : START + block]), **known
    )
    for t in range(START, n_steps):
        rows = [values[:, t : t + 1]]
        if past is not None:
            rows.append(past[:, t])
            known = {"past_covariates": list(past[:, : t + 1])}
        rows += [future[:, t + 1 + step] for step in range(block)]
        expected = model.predict(
            block, list(values[:, : t + 1]), future_covariates=list(future), **known
        )
        got = stream.step(np.hstack(rows))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    wrong = np.hstack(rows)
    wrong[1, -1] = 4
    with pytest.raises(
        ValueError, match=r"stream 1, feature \d of x is the id 4, expected one from"
    ):
        stream.step(wrong)


def test_forecaster_needs_a_series_for_each_stream():
    values = series_of({})
    model = plain_forecaster(3, max_iter=1, random_state=0).fit(list(values))
    with pytest.raises(ValueError, match=r"n_streams is 1, but there are 3 series: each stream"):
        model.stream(1)
    with pytest.raises(ValueError, match="too short"):
        model.stream(1, series=[1.0])
    assert model.stream(3).n_streams == model.stream().n_streams == 3


def assert_same_state(got, expected):
    assert got.keys() == expected.keys()
    for name in got:
        np.testing.assert_array_equal(got[name], expected[name])


def _with_ids():
    X = draw(20, 4, 3)
    X[:, :, 1] = np.arange(80).reshape(20, 4) % 5
    model = RNNClassifier(6, categorical_features=[1], max_iter=1, random_state=0)
    return model.fit(X, np.arange(20) % 3)


STEPS = {
    "numbers": lambda: (classifier((6, 5), cell="gru", pooling="mean"), draw()[:, 0]),
    "numbers of the other type": lambda: (classifier(dtype="float64", pooling="max"), draw()[:, 0]),
    "ids and numbers": lambda: (_with_ids(), np.ones((N, 3), "float32")),
    "ids": lambda: (
        RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit(TEXT),
        np.arange(N),
    ),
    "targets": lambda: (
        RNNRegressor(4, max_iter=1, random_state=0).fit(draw(), np.arange(N)),
        draw()[:, 0],
    ),
    "series": lambda: (
        plain_forecaster(
            4, max_iter=1, random_state=0, strategy="direct", horizon=2, quantiles=(0.2, 0.5, 0.6)
        ).fit(list(series_of({}, N))),
        np.full(N, 50.0),
    ),
}


@functools.cache
def fitted(kind):
    """Return a model that nobody changes, and a step for N streams."""
    return STEPS[kind]()


def test_both_directions_are_refused():
    model = classifier(bidirectional=True)
    with pytest.raises(ValueError, match=r"the model was fitted .* Fit with bidirectional=False"):
        model.stream()


@pytest.mark.parametrize(
    "estimator", [RNNClassifier, RNNRegressor, RNNTagger, RNNForecaster, RNNLanguageModel]
)
def test_unfitted_models_are_refused(estimator):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        estimator().stream()


@pytest.mark.parametrize("n_streams", [0, -1, 2.0, "3", None, True])
def test_numbers_of_streams(n_streams):
    error = ValueError if type(n_streams) is int else TypeError
    with pytest.raises(error, match="n_streams must be"):
        classifier().stream(n_streams)


def test_repr():
    assert repr(classifier().stream()) == "<1 stream>"
    assert repr(classifier().stream(3)) == "<3 streams>"
