"""Streams say at every step what the estimator says of the whole prefix."""

import copy
import pickle
import threading
import time
import tracemalloc
from itertools import repeat

import numpy as np
import pytest

import fastrnn
from fastrnn.bridge import NotFittedError
from fastrnn.estimators import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
    lessons,
)
from fastrnn.inputs.scaling import learn_scale
from fastrnn.kernels.stream import BLOCK_ROWS
from fastrnn.network.network import Network
from fastrnn.streams import Stream

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

N, T, D = 5, 9, 3
CELLS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "gru", "reset_after": False},
    {"cell": "carry_lstm"},
    {"cell": "carry_lstm", "candidate_activation": "tanh"},
]
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
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


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
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(map(str, cell.values())))
def test_every_prefix(cell, sizes, pooling, dtype):
    model = classifier(sizes, pooling=pooling, dtype=dtype, **cell)
    assert_follows(model, draw(dtype=dtype), model.predict_proba)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "carry_lstm"])
def test_more_streams_than_a_block(cell):
    model = classifier((40, 24), cell=cell, pooling="mean")
    X = draw(2 * BLOCK_ROWS + 3, 4)
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
    model = shake(RNNTagger((6, 5), max_iter=1, random_state=0).fit(draw(), list(y)))
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
    model = RNNTagger(6, embedding_dim=(3, 4), max_iter=1, random_state=0)
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
    return values


@pytest.fixture
def fixed_scale(monkeypatch):
    """Let predict take its scale from the first steps alone, as a stream does."""
    monkeypatch.setattr(
        lessons, "learn_scale", lambda values, *rest: learn_scale(values[:START], *rest)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PLANS)
def test_forecaster(name, dtype, fixed_scale):
    values = series_of(PLANS[name])
    model = RNNForecaster((6, 5), max_iter=1, dtype=dtype, random_state=0, **PLANS[name])
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


def test_scales_that_do_not_change_need_no_help():
    # Steps of one up or down: the mean absolute difference of every prefix is 1.
    walks = 50 + np.cumsum(np.random.default_rng(0).choice([-1.0, 1.0], (2, 40)), axis=1)
    model = shake(RNNForecaster(6, max_iter=1, random_state=0).fit(list(walks[:, :START])))
    stream = model.stream()  # goes on from the series of fit
    for t in range(START, 40):
        expected = model.predict(1, list(walks[:, : t + 1]))
        np.testing.assert_allclose(stream.step(walks[:, t]), expected, rtol=1e-6)


def test_levels(fixed_scale):
    plan = PLANS["quantiles"]
    values = series_of(plan)
    model = RNNForecaster(6, max_iter=1, random_state=0, **plan)
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
    model = shake(RNNForecaster(6, max_iter=1, random_state=0).fit(values[:START]))
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
    model = RNNForecaster(
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


@pytest.mark.parametrize(
    ("params", "value", "message"),
    [
        ({}, np.nan, "feature 0 of x is NaN: missing='mask' accepts gaps"),
        ({}, np.inf, "feature 0 of x is inf, expected a finite number below 1e150"),
        ({"missing": "mask"}, -1e150, "expected a finite number below 1e150"),
        ({"log": True}, 0.0, "feature 0 of x is 0.0, but log=True needs values above 0"),
        ({"scaling": None}, 1e100, "x has a number that does not fit into float32"),
    ],
)
def test_values_that_a_forecaster_refuses(params, value, message):
    values = series_of({})[1]
    model = RNNForecaster(3, max_iter=1, random_state=0, **params).fit(values[:START])
    stream = model.stream()
    before = stream.state
    with pytest.raises(ValueError, match=message):
        stream.step(value)
    assert_same_state(stream.state, before)


def test_forecaster_needs_a_series_for_each_stream():
    values = series_of({})
    model = RNNForecaster(3, max_iter=1, random_state=0).fit(list(values))
    with pytest.raises(ValueError, match=r"n_streams is 1, but there are 3 series: each stream"):
        model.stream(1)
    with pytest.raises(ValueError, match="too short"):
        model.stream(1, series=[1.0])
    assert model.stream(3).n_streams == model.stream().n_streams == 3


# Every kind of input that is read as it is, or converted.
FORMS = {
    "float64": lambda x: x.astype("float64"),
    "float16": lambda x: x.astype("float16"),
    "list": lambda x: x.tolist(),
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other bytes": lambda x: x.astype(">f4"),
    "objects": lambda x: x.astype(object),
    "memoryview": memoryview,
    "read only": lambda x: np.frombuffer(x.tobytes(), "float32").reshape(x.shape),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form, dtype):
    X = np.round(4 * draw()) / 4  # numbers that every type has
    model = classifier(dtype=dtype)
    plain, single, stream = model.stream(N), model.stream(), model.stream(N)
    for t in range(3):
        expected = plain.step(X[:, t])
        assert_close(stream.step(FORMS[form](X[:, t])), expected)
        assert_close(single.step(FORMS[form](X[:1, t])), expected[:1])


def test_data_frames():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"level": rng.normal(size=4), "kind": rng.choice(["a", "b", "c"], 4)})
        for _ in range(12)
    ]
    model = RNNClassifier(4, categorical_features="from_dtype", max_iter=1, random_state=0)
    shake(model.fit(frames, np.arange(12) % 3))
    stream = model.stream(2)
    for t in range(4):
        rows = pd.concat([frame.iloc[t : t + 1] for frame in frames[:2]])
        expected = model.predict_proba([frame.iloc[: t + 1] for frame in frames[:2]])
        assert_close(stream.step(rows), expected)
    with pytest.raises(ValueError, match=r"expected one of the categories of fit"):
        stream.step(rows.assign(kind="d"))


def test_axis_of_a_single_stream():
    model = classifier()
    x = draw()[0, 0]
    flat, column = model.stream().step(x), model.stream().step(x[np.newaxis])
    assert flat.shape == (3,) and column.shape == (1, 3)
    univariate = classifier(width=1)
    for x in (0.5, np.float32(0.5), np.array(0.5), [0.5], np.array([0.5])):
        assert_close(univariate.stream().step(x), univariate.predict_proba([[0.5]])[0])
    assert_close(univariate.stream().step([[1]]), univariate.predict_proba([[1.0]]))
    assert univariate.stream(2).step([1, 2]).shape == (2, 3)


def test_out():
    model, X = classifier(), draw()
    stream, other = model.stream(N), model.stream(N)
    out = np.full((N, 3), np.nan, "float32")
    assert stream.step(X[:, 0], out) is out
    np.testing.assert_array_equal(out, other.step(X[:, 0]))
    wrong = {
        "shape": np.empty((N, 2), "float32"),
        "dtype": np.empty((N, 3)),
        "not C-contiguous": np.empty((3, N), "float32").T,
        "read-only": np.frombuffer(bytes(4 * 3 * N), "float32").reshape(N, 3),
    }
    before = stream.state
    for what, array in wrong.items():
        with pytest.raises(ValueError, match=r"out must be a C-contiguous float32 array of shape"):
            stream.step(X[:, 1], array)
        assert what  # named for the reader
    with pytest.raises(TypeError, match="out is of type list, expected a C-contiguous float32"):
        stream.step(X[:, 1], [0.0])
    assert_same_state(stream.state, before)


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
        RNNForecaster(
            4, max_iter=1, random_state=0, strategy="direct", horizon=2, quantiles=(0.2, 0.5, 0.6)
        ).fit(list(series_of({}, N))),
        np.full(N, 50.0),
    ),
}


@pytest.mark.parametrize("kind", STEPS)
def test_no_step_allocates(kind):
    model, x = STEPS[kind]()
    cases = [(model.stream(N), x)]
    if kind != "series":
        cases.append((model.stream(), x[0]))
    if kind == "ids":
        cases.append((model.stream(), 3))
    for stream, x_t in cases:
        out = stream.step(x_t)
        if isinstance(out, float):
            out = np.array(out)
        for _ in range(3):
            stream.step(x_t, out)
        tracemalloc.start()
        try:
            times = repeat(None, 200)
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            for _ in times:
                stream.step(x_t, out)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # get_traced_memory makes two numbers and a tuple.
        assert peak - before < 200


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(
    ("which", "rows"),
    [
        (None, [0, 1, 2, 3, 4]),
        (2, [2]),
        (-1, [4]),
        ([0, 3], [0, 3]),
        (np.array([False, True, True, False, False]), [1, 2]),
        (slice(3, None), [3, 4]),
        ([], []),
    ],
)
def test_reset(which, rows, pooling):
    model, X = classifier(pooling=pooling, cell="carry_lstm"), draw()
    stream = model.stream(N)
    for t in range(4):
        stream.step(X[:, t])
    before = stream.state
    stream.reset(which)
    others = np.setdiff1d(np.arange(N), rows)
    assert_same_state(
        {k: v[others] for k, v in stream.state.items()}, {k: v[others] for k, v in before.items()}
    )
    for t in range(4, 7):
        begin = np.where(np.isin(np.arange(N), rows), 4, 0)
        expected = model.predict_proba([x[b : t + 1] for x, b in zip(X, begin, strict=True)])
        assert_close(stream.step(X[:, t]), expected)


def test_reset_goes_to_the_beginning_of_texts_and_series():
    texts = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit(["to be", "or not"])
    walk = series_of({})[1]
    forecaster = RNNForecaster(4, max_iter=1, random_state=0).fit(walk)
    for stream, x in ((shake(texts).stream(), "o"), (shake(forecaster).stream(), 51.0)):
        begin = stream.state
        first = stream.step(x)
        assert np.abs(stream.step(x) - first).max() > 0
        stream.reset()
        assert_same_state(stream.state, begin)
        np.testing.assert_array_equal(stream.step(x), first)
    assert begin["n_steps"] == len(walk)


def test_reset_of_streams_that_are_not_there():
    stream = classifier().stream(N)
    for which in (N, [0, N], np.ones(N + 1, bool)):
        with pytest.raises(IndexError):
            stream.reset(which)
    for which in (True, 1.0, "all", [None]):
        with pytest.raises(TypeError, match="which must have numbers of streams"):
            stream.reset(which)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_state_is_a_copy_that_can_be_set(cell, pooling):
    model, X = classifier((6, 5), cell=cell, pooling=pooling), draw()
    stream, other = model.stream(N), model.stream(N)
    for t in range(3):
        stream.step(X[:, t])
    state = stream.state
    for name, array in state.items():
        assert len(array) == N, name
    np.testing.assert_array_equal(state["n_steps"], np.full(N, 3))
    assert_close(state["h_1"], [h[-1] for h in model.hidden_states(X[:, :3])])
    ahead = [stream.step(X[:, t]) for t in range(3, 6)]
    np.testing.assert_array_equal(state["n_steps"], np.full(N, 3))
    for again in (stream, other):
        again.state = state
        for t in range(3, 6):
            np.testing.assert_array_equal(again.step(X[:, t]), ahead[t - 3])
    # Some rows of some streams go on in another.
    few = model.stream(2)
    few.state = {name: array[[4, 1]] for name, array in state.items()}
    np.testing.assert_allclose(few.step(X[[4, 1], 3]), ahead[0][[4, 1]], rtol=1e-6)


def test_states_that_do_not_suit():
    stream = classifier(pooling="mean").stream(N)
    good = stream.state
    for change, error, message in [
        ({"h_0": np.zeros((N, 5))}, ValueError, r"h_0 of state has shape \(5, 5\), expected"),
        ({"h_0": np.full((N, 6), np.nan)}, ValueError, "h_0 of state has numbers that no step"),
        ({"n_steps": np.full(N, -1)}, ValueError, "n_steps of state has numbers that no step"),
        ({"n_steps": np.zeros(N)}, TypeError, "n_steps of state has dtype float64, expected int64"),
        ({"c_0": np.full((N, 6), "a")}, TypeError, "c_0 of state has dtype <U1"),
        ({"c_1": np.zeros((N, 6))}, ValueError, r"state has \['c_0', 'c_1', .*\], expected \["),
    ]:
        with pytest.raises(error, match=message):
            stream.state = {
                "h_0": np.ones((N, 6)),
                **{k: v for k, v in good.items() if k != "h_0"},
                **change,
            }
        assert_same_state(stream.state, good)
    with pytest.raises(ValueError, match="expected"):
        stream.state = {"h_0": good["h_0"]}


def _both(stream, x):
    """The next answer, and the state after it."""
    return stream.step(x), stream.state


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))]
)
def test_copies_and_pickles_go_on_from_there(kind, duplicate):
    model, x = STEPS[kind]()
    stream = model.stream(N)
    stream.step(x)
    twin = duplicate(stream)
    assert type(twin) is Stream and twin.n_streams == N
    state = twin.state
    answer, after = _both(stream, x)
    assert_same_state(twin.state, state)  # it has a life of its own
    twin_answer, twin_after = _both(twin, x)
    np.testing.assert_array_equal(twin_answer, answer)
    assert_same_state(twin_after, after)
    stream.reset()
    twin.reset()
    assert_same_state(twin.state, stream.state)


@pytest.mark.parametrize("kind", STEPS)
def test_weights_are_those_of_the_beginning(kind):
    model, x = STEPS[kind]()
    stream, other = model.stream(N), copy.deepcopy(model).stream(N)
    model.network_.theta[...] = 0
    for _ in range(2):
        np.testing.assert_array_equal(stream.step(x), other.step(x))


def test_copies_share_the_weights():
    stream = classifier().stream()
    for twin in (copy.copy(stream), copy.deepcopy(stream)):
        assert twin._snapshot is stream._snapshot


def test_the_model_may_change():
    model, X = classifier(), draw()
    stream, same = model.stream(N), copy.deepcopy(model).stream(N)
    same_after = copy.copy(same)
    np.testing.assert_array_equal(stream.step(X[:, 0]), same.step(X[:, 0]))
    model.network_.theta[...] = 0
    model.partial_fit(draw(8, 4), np.arange(8) % 3)
    model.set_params(hidden_layer_sizes=9).fit(draw(8, 4), np.arange(8) % 3)
    np.testing.assert_array_equal(stream.step(X[:, 1]), same.step(X[:, 1]))
    stream.reset()
    np.testing.assert_array_equal(stream.step(X[:, 0]), same_after.step(X[:, 0]))


@pytest.mark.parametrize("kind", STEPS)
def test_loaded_models_have_streams(kind, tmp_path):
    model, x = STEPS[kind]()
    model.save(tmp_path / "model.fastrnn")
    stream, loaded = model.stream(N), fastrnn.load(tmp_path / "model.fastrnn").stream(N)
    for _ in range(2):
        np.testing.assert_array_equal(loaded.step(x), stream.step(x))


def test_the_model_is_not_written_to():
    model = classifier()
    before = pickle.dumps(model)
    stream = model.stream()
    stream.step(draw()[0, 0])
    stream.reset()
    assert pickle.dumps(model) == before


def test_threads_drive_streams_of_one_model():
    model = classifier((24, 24), cell="gru", pooling="mean")
    X = draw(4, 400, seed=5)
    first = model.stream()
    streams = [first, copy.copy(first), model.stream(), copy.deepcopy(first)]
    answers = [[] for _ in streams]
    barrier = threading.Barrier(len(streams))

    def drive(k):
        barrier.wait()
        for x in X[k]:
            answers[k].append(streams[k].step(x))

    threads = [threading.Thread(target=drive, args=(k,)) for k in range(len(streams))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(len(streams)):
        alone = model.stream()
        np.testing.assert_array_equal(answers[k], [alone.step(x) for x in X[k]])


def test_a_stream_belongs_to_one_thread_at_a_time():
    stream = classifier(64).stream(20_000)
    x = draw(20_000, 1)[:, 0]
    stop = threading.Event()

    def work():
        while not stop.is_set():
            try:
                stream.step(x)
            except RuntimeError:
                time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for use in (
            lambda: stream.step(x),
            stream.reset,
            lambda: stream.state,
            lambda: copy.copy(stream),
            lambda: setattr(stream, "state", {}),
        ):
            message, end = None, time.monotonic() + 60
            while message is None and time.monotonic() < end:
                try:
                    use()
                except RuntimeError as error:
                    message = str(error)
                except ValueError:
                    pass  # the state that is set is none
            assert message == "another thread is in a step of this stream: give each its own"
    finally:
        stop.set()
        thread.join()


def test_both_directions_are_refused():
    model = classifier(bidirectional=True)
    with pytest.raises(ValueError, match=r"reads forward, but the model .* bidirectional=True"):
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


@pytest.mark.parametrize(
    ("n", "x", "error", "message"),
    [
        (1, [1.0, 2.0], ValueError, r"x has shape \(2,\), expected \(3,\) or \(1, 3\)"),
        (1, 5.0, ValueError, r"x has shape \(\), expected \(3,\) or \(1, 3\)"),
        (2, [1.0, 2.0, 3.0], ValueError, r"x has shape \(3,\), expected \(2, 3\)"),
        (2, np.zeros((3, 3)), ValueError, r"x has shape \(3, 3\), expected \(2, 3\)"),
        (2, [[1.0, 2.0], [3.0]], ValueError, r"x has rows of unequal length, expected \(2, 3\)"),
        (1, ["a", "b", "c"], TypeError, "x has dtype <U1, expected numbers"),
        (1, [None, 1.0, 2.0], TypeError, "x has dtype object, expected numbers"),
        (1, [1j, 1.0, 2.0], TypeError, "x has dtype complex128, expected numbers"),
        (1, np.ma.masked_equal([1.0, 2.0, 3.0], 2), ValueError, "x has masked numbers"),
        (1, [1.0, np.nan, 2.0], ValueError, "^feature 1 of x is NaN, expected a finite number"),
        (1, np.float32([1, 2, np.inf]), ValueError, "^feature 2 of x is inf, expected a finite"),
        (1, [1.0, 2.0, -1e39], ValueError, r"feature 2 of x is -1e\+39, which does not fit into"),
        (2, [[1, 2, 3], [4, np.nan, 6]], ValueError, "^stream 1, feature 1 of x is NaN"),
    ],
)
def test_steps_that_are_refused(n, x, error, message):
    stream = classifier().stream(n)
    stream.step(np.ones((n, 3), "float32"))
    before = stream.state
    with pytest.raises(error, match=message):
        stream.step(x)
    assert_same_state(stream.state, before)


def test_a_refused_step_moves_no_stream():
    n = 2 * BLOCK_ROWS
    x = draw(n, 1)[:, 0]
    stream = classifier().stream(n)
    x[-1, -1] = np.nan
    with pytest.raises(ValueError, match=f"stream {n - 1}, feature 2 of x is NaN"):
        stream.step(x)
    assert not any(array.any() for array in stream.state.values())


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (5, ValueError, "feature 0 of x is the id 5, expected one from 0 to 4, the ids that fit"),
        (-1, ValueError, "feature 0 of x is -1, expected an id: a whole number >= 0"),
        (2**80, ValueError, r"feature 0 of x is the id 1.2\d*e\+24, expected one from 0 to 4"),
        (1.5, ValueError, "feature 0 of x is 1.5, expected an id"),
        (np.nan, ValueError, "feature 0 of x is nan, expected an id"),
        ("a", TypeError, "x has dtype <U1, expected numbers"),
    ],
)
def test_ids_that_are_refused(x, error, message):
    model = RNNTagger(4, embedding_dim=2, max_iter=1, random_state=0)
    stream = model.fit([[0, 1, 2, 3, 4]] * 2, [[0, 1, 0, 1, 0]] * 2).stream()
    with pytest.raises(error, match=message):
        stream.step(x)
    assert not any(array.any() for array in stream.state.values())


def test_tokens_that_are_refused():
    stream = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit(TEXT).stream()
    for x in ("&", "the", "", ["&"], np.array([["&"]])):
        with pytest.raises(ValueError, match=r"which is not a token of the vocabulary"):
            stream.step(x)
    model = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit([[0, 1, 2], [1]])
    with pytest.raises(ValueError, match="the id 3, expected one from 0 to 2"):
        model.stream().step(3)  # the end of a text: the next one begins with reset


def test_repr():
    assert repr(classifier().stream()) == "<1 stream>"
    assert repr(classifier().stream(3)) == "<3 streams>"
