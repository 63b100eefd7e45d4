"""C export: the compiled code says what the model says, at every step and of whole sequences.

Every model is compiled with warnings as errors. Without a compiler these tests are skipped.
"""

import ctypes
import shlex
import subprocess

import numpy as np
import pytest
from compiling import (
    SANITIZERS,
    STRICT,
    Compiled,
    c_scale,
    classifier,
    find,
    make_sequences,
    make_series,
    run,
    shaken,
    tagger,
)
from contract import plain_forecaster
from every_cell import CHOICES, ZONED

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.interop import export_c

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def split_columns(model, x):
    """Return the numbers and the ids of a sequence."""
    ids = list(model.reader_.columns.ids)
    return np.delete(x, ids, axis=1), x[:, ids].astype(int)


def assert_same(compiled, model, x, predict, atol=1e-5, rtol=0.0):
    """Compare a stream at every step, and the call for whole sequences, with Python."""
    numbers, ids = split_columns(model, x)
    every_step = isinstance(model, RNNTagger)
    if every_step:
        expected = np.stack(predict([x])[0])
    else:
        expected = np.array(predict([x[:t] for t in range(1, len(x) + 1)]))
    expected = expected.reshape(len(x), -1)
    stream = compiled.stream()
    steps = [compiled.step(stream, x_t, ids_t) for x_t, ids_t in zip(numbers, ids, strict=True)]
    np.testing.assert_allclose(np.stack(steps), expected, atol=atol, rtol=rtol)
    whole = compiled.run(numbers, ids, every_step=every_step)
    wanted = np.stack(steps) if every_step else steps[-1][np.newaxis]
    np.testing.assert_array_equal(whole, wanted)


# What it says.


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
@pytest.mark.parametrize("cell", CHOICES)
def test_cells_and_poolings(cell, pooling, compiler_name, tmp_path):
    if pooling == "steps":
        model = tagger(**CHOICES[cell])
    else:
        model = classifier(pooling=pooling, **CHOICES[cell])
    # An optimizer sees, and warns of, more than a compiler without, but takes longer.
    flags = "-O1" if pooling == "mean" else "-O0"
    compiled = Compiled(model, tmp_path, find(compiler_name), flags)
    for x in make_sequences(3, seed=1):
        assert_same(compiled, model, x, model.predict_proba)


@pytest.mark.parametrize(
    "pooling", ["attention", "max+mean", "last+max", "attention+max+last+mean"]
)
def test_more_poolings(pooling, tmp_path, compiler):
    model = classifier(hidden_layer_sizes=(4, 6), cell="lstm", pooling=pooling)
    compiled = Compiled(model, tmp_path, compiler)
    for x in make_sequences(3, seed=1):
        assert_same(compiled, model, x, model.predict_proba)


def test_attention_with_scores_of_any_size(tmp_path, compiler):
    model = classifier(pooling="attention")
    model.network_.pooling.params["query"][...] *= 1e4
    compiled = Compiled(model, tmp_path, compiler)
    for x in make_sequences(3, seed=1):
        assert_same(compiled, model, x, model.predict_proba)


@pytest.mark.parametrize("cell", ZONED)
def test_zoneout(cell, tmp_path, compiler):
    model = classifier(hidden_layer_sizes=(4, 6), pooling="mean", **ZONED[cell])
    compiled = Compiled(model, tmp_path, compiler)
    for x in make_sequences(3, seed=1):
        assert_same(compiled, model, x, model.predict_proba)


@pytest.mark.parametrize("sizes", [1, 7, (4, 6, 5)])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "carry_lstm"])
def test_depths(cell, sizes, tmp_path, compiler):
    model = classifier(hidden_layer_sizes=sizes, cell=cell)
    compiled = Compiled(model, tmp_path, compiler, "-O3")
    assert_same(compiled, model, make_sequences(1, seed=1)[0], model.predict_proba)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regressors(dtype, tmp_path, compiler):
    X = make_sequences()
    y = 300 + 40 * np.random.default_rng(0).normal(size=(len(X), 2))
    model = RNNRegressor(5, pooling="mean", dtype=dtype, max_iter=1, random_state=0)
    model = shaken(model.fit(X, y))
    compiled = Compiled(model, tmp_path, compiler)
    assert_same(compiled, model, X[0], model.predict, rtol=1e-6, atol=40 * 1e-5)
    assert ("double precision" in (tmp_path / "model.c").read_text()) == (dtype == "float64")


def test_one_number(tmp_path, compiler):
    X = make_sequences(width=1)
    model = shaken(RNNRegressor(5, max_iter=1, random_state=0).fit(X, np.arange(len(X)) / 10))
    assert_same(Compiled(model, tmp_path, compiler), model, X[0], model.predict)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_several_labels(cell, tmp_path, compiler):
    X = make_sequences()
    y = np.random.default_rng(0).integers(2, size=(len(X), 4))
    model = shaken(RNNClassifier(5, cell=cell, max_iter=1, random_state=0).fit(X, y))
    compiled = Compiled(model, tmp_path, compiler)
    assert_same(compiled, model, X[0], model.predict_proba)
    assert "model_classes" not in compiled.header


def test_softmax_does_not_overflow(tmp_path, compiler):
    model = classifier()
    model.network_.head.params["b"][...] = [500, 490, -500]
    compiled = Compiled(model, tmp_path, compiler)
    assert_same(compiled, model, make_sequences(1)[0], model.predict_proba)


def test_the_mean_of_a_long_stream(tmp_path, compiler):
    x = [np.full((300_000, 1), 0.9)]
    model = RNNRegressor(1, cell="rnn", pooling="mean", dtype="float64", max_iter=1)
    model = shaken(model.set_params(random_state=0).fit([x[0][:5], x[0][:7]], [0.0, 1.0]))
    compiled = Compiled(model, tmp_path, compiler, "-O2")
    np.testing.assert_allclose(compiled.run(x[0])[:, 0], model.predict(x), atol=1e-6)


def test_ids(tmp_path, compiler):
    rng = np.random.default_rng(0)
    X = [rng.integers(6, size=length) for length in (3, 5, 4, 6)]
    X[0][0] = 5
    model = classifier(X=X, embedding_dim=4, cell="gru")
    compiled = Compiled(model, tmp_path, compiler)
    assert compiled.n_features == 0 and compiled.n_ids == 1
    for x in X:
        assert_same(compiled, model, x[:, np.newaxis], model.predict_proba)


def test_ids_beside_numbers(tmp_path, compiler):
    rng = np.random.default_rng(0)
    X = []
    for length in (3, 5, 4, 6):
        columns = [rng.normal(size=(length, 1)), rng.integers(5, size=(length, 1))]
        columns += [rng.normal(size=(length, 1)), rng.integers(3, size=(length, 1))]
        X.append(np.hstack(columns))
    X[0][0, [1, 3]] = 4, 2
    model = classifier(X=X, categorical_features=[1, 3], embedding_dim=(4, 2), pooling="max")
    compiled = Compiled(model, tmp_path, compiler)
    assert compiled.n_features == compiled.n_ids == 2
    for line in "x[1]   column 2 of X;", "ids[0] column 1 of X, from 0 to 4;":
        assert line in compiled.header
    for x in X:
        assert_same(compiled, model, x, model.predict_proba)


@pytest.mark.parametrize("tie_weights", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_language_models(separate, tie_weights, tmp_path, compiler):
    texts = ["the cat sat on the mat", "the rat sat on the cat", "a hat"]
    model = RNNLanguageModel((9, 5), tie_weights=tie_weights, max_iter=1, random_state=0)
    model = shaken(model.fit(texts if separate else "; ".join(texts)))
    compiled = Compiled(model, tmp_path, compiler)
    stream = compiled.stream()
    text, read = "the sat", []
    ids = [model.tokens_.index(token) for token in text]
    if separate:
        end = compiled.constant("END")
        assert end == len(model.tokens_) - 1
        np.testing.assert_allclose(
            compiled.step(stream, ids=[end]), model.next_proba(""), atol=1e-5
        )
        read = [end]
    for n, token in enumerate(ids, start=1):
        y = compiled.step(stream, ids=[token])
        np.testing.assert_allclose(y, model.next_proba(text[:n]), atol=1e-5)
    every_step = compiled.run(None, [*read, *ids], every_step=True)
    np.testing.assert_array_equal(every_step[-1], y)


# Forecasts.


FORECASTERS = {
    "difference": {},
    "standard": {"scaling": "standard", "seasonality": 4},
    "level": {"scaling": "level", "log": True},
    "as they are": {"scaling": None, "seasonality": 4, "log": True},
    "log1p": {"log": "log1p", "seasonality": 4, "scale_feature": True},
    "spread": {"scale_feature": True, "missing": "mask"},
    "lags": {"lags": 4, "seasonality": 4, "log": True, "scale_feature": True},
    "lags, more than there are": {"lags": 41, "scaling": "standard"},
    "missing and lags": {"lags": 3, "missing": "mask", "scale_feature": True},
    "missing and level lags": {"lags": 2, "missing": "mask", "scaling": "level"},
    "quantiles": {"strategy": "direct", "horizon": 3, "quantiles": (0.1, 0.5, 0.9)},
    "block": {"strategy": "direct", "horizon": 6, "seasonality": 4, "scaling": "standard"},
    "missing": {"strategy": "direct", "horizon": 2, "missing": "mask"},
    "student_t": {"likelihood": "student_t", "seasonality": 4},
    "counts": {"likelihood": "poisson", "scaling": "level", "strategy": "direct", "horizon": 3},
    "counts fed back": {"likelihood": "negative_binomial", "scaling": "level", "seasonality": 4},
    "missing standard": {"missing": "mask", "scaling": "standard", "cell": "gru"},
}


@pytest.mark.parametrize("case", FORECASTERS)
def test_forecasters(case, tmp_path, compiler):
    series = make_series()
    if "counts" in case:
        series = np.round(series)
    if "missing" in case:
        series[[0, 7, 8, 20]] = np.nan
    if case == "log1p":
        series[5], series[9] = 0.0, -3.0
    model = plain_forecaster((5, 3), max_iter=1, random_state=0, **FORECASTERS[case])
    model = shaken(model.fit(series), 0.3)
    compiled = Compiled(model, tmp_path, compiler)
    block, levels = model.reader_.plan.n_ahead, model.reader_.plan.quantiles
    for n in (20, 37, 40):
        known = series[:n]
        scale = c_scale(model, known)
        stream = compiled.stream(scale)
        for value in known:
            y = compiled.step(stream, [value])
        every_step = compiled.run(known[:, np.newaxis], None, scale, every_step=True)
        np.testing.assert_array_equal(every_step[-1], y)
        if levels is not None:
            expected = model.predict_quantiles(block, known).ravel()
        elif block > 1:
            expected = model.predict(block, known)
        else:  # what was forecast is read as if it had been observed
            expected, forecasts = model.predict(5, known), [y[0]]
            while len(forecasts) < 5:
                forecasts.append(compiled.step(stream, [forecasts[-1]])[0])
            y = forecasts
        np.testing.assert_allclose(y, expected, rtol=2e-5)


def test_forecasters_with_covariates(tmp_path, compiler):
    n, block = 30, 2
    rng = np.random.default_rng(0)
    series = make_series(n)
    future = np.column_stack([rng.normal(5, 3, size=n + block), rng.integers(3, size=n + block)])
    past = np.column_stack([rng.integers(4, size=n), rng.normal(size=n), rng.normal(size=n)])
    model = plain_forecaster(
        5, strategy="direct", horizon=block, missing="mask", embedding_dim=(2, 3),
        categorical_features=[1, 2], max_iter=1, random_state=0,
    )  # fmt: skip
    model.fit(series, future_covariates=future[:n], past_covariates=past)
    compiled = Compiled(shaken(model, 0.3), tmp_path, compiler)
    assert compiled.n_features == 1 + 2 + block and compiled.n_ids == 1 + block
    x = np.column_stack([series, past[:, 1:], future[1 : n + 1, 0], future[2 : n + 2, 0]])
    ids = np.column_stack([past[:, 0], future[1 : n + 1, 1], future[2 : n + 2, 1]])
    y = compiled.run(x, ids, c_scale(model, series), every_step=True)[-1]
    expected = model.predict(block, series, future_covariates=future, past_covariates=past)
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_forecasters_with_what_stays_the_same(tmp_path, compiler):
    series, static = [make_series(30), make_series(25)], np.array([[5.0, 1.0], [8.0, 0.0]])
    model = plain_forecaster(
        5, strategy="direct", horizon=2, categorical_features=[1], embedding_dim=2, max_iter=1,
        random_state=0,
    )  # fmt: skip
    model.fit(series, static_covariates=static)
    compiled = Compiled(shaken(model, 0.3), tmp_path, compiler)
    for values, (number, key), expected in zip(series, static, model.predict(2), strict=True):
        x = np.column_stack([values, np.full(len(values), number)])
        ids = np.full((len(values), 1), key)
        y = compiled.run(x, ids, c_scale(model, values), every_step=True)[-1]
        np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_forecasters_told_of_dates(tmp_path, compiler):
    pandas = pytest.importorskip("pandas", reason="the series has dates")
    days = pandas.date_range("2024-02-20", periods=32)
    series = pandas.Series(make_series(30), index=days[:30])
    model = plain_forecaster(
        5, strategy="direct", horizon=2, calendar_features=("day",), holidays=["2024-03-01"],
        max_iter=1, random_state=0,
    )  # fmt: skip
    compiled = Compiled(shaken(model.fit(series), 0.3), tmp_path, compiler)
    features = model.reader_.series.features.columns(days.to_numpy().astype("M8[us]"), None)
    x = np.column_stack([series, features[1:31], features[2:32]])
    y = compiled.run(x, None, c_scale(model, series.to_numpy()), every_step=True)[-1]
    np.testing.assert_allclose(y, model.predict(2), rtol=1e-5)
    assert "day_cos of the date of 1 step ahead" in compiled.header
    assert "holiday of the date of 2 steps ahead" in compiled.header


def test_a_series_that_does_not_vary(tmp_path, compiler):
    model = shaken(plain_forecaster(5, max_iter=1, random_state=0).fit(make_series()))
    compiled = Compiled(model, tmp_path, compiler)
    still = np.full(9, 3.0)
    y = compiled.run(still[:, np.newaxis], None, c_scale(model, still), every_step=True)
    np.testing.assert_array_equal(y[-1], model.predict(1, still))


# Streams.


def test_streams_do_not_know_of_each_other(tmp_path, compiler):
    model = classifier(pooling="mean")
    compiled = Compiled(model, tmp_path, compiler)
    a, b = make_sequences(2, seed=3)
    alone = [compiled.run(x)[0] for x in (a, b)]
    streams = [compiled.stream(), compiled.stream()]
    said = [None, None]
    for t in range(max(len(a), len(b))):
        for k, x in enumerate((a, b)):
            if t < len(x):
                said[k] = compiled.step(streams[k], x[t])
    np.testing.assert_array_equal(said, alone)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "max+last+attention+mean"])
def test_reset_and_copies(pooling, tmp_path, compiler):
    compiled = Compiled(classifier(pooling=pooling), tmp_path, compiler)
    (x,) = make_sequences(1, seed=3)
    stream = compiled.stream()
    first = [compiled.step(stream, x_t) for x_t in x]
    compiled.library.model_reset(stream)
    again = [compiled.step(stream, x_t) for x_t in x[:2]]
    np.testing.assert_array_equal(again, first[:2])
    branch = ctypes.create_string_buffer(stream.raw)
    compiled.step(branch, -x[0])
    np.testing.assert_array_equal(compiled.step(stream, x[2]), first[2])


def test_reset_of_a_forecaster_keeps_the_scale(tmp_path, compiler):
    series = make_series()
    model = plain_forecaster(5, seasonality=4, max_iter=1, random_state=0).fit(series)
    compiled = Compiled(shaken(model, 0.3), tmp_path, compiler)
    stream = compiled.stream(c_scale(model, series))
    first = [compiled.step(stream, [value]) for value in series[:6]]
    compiled.library.model_reset(stream)
    np.testing.assert_array_equal([compiled.step(stream, [v]) for v in series[:6]], first)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_refused_leave_the_stream(wrong, tmp_path, compiler):
    compiled = Compiled(classifier(pooling="max"), tmp_path, compiler)
    (x,) = make_sequences(1, seed=3)
    stream = compiled.stream()
    compiled.step(stream, x[0])
    before = stream.raw
    assert compiled.step(stream, [0.0, 0.0, wrong]) is None
    assert stream.raw == before
    x[1, 0] = wrong
    assert compiled.run(x) is None


def test_ids_that_are_refused_leave_the_stream(tmp_path, compiler):
    X = [np.array([0, 1, 5]), np.array([2, 3, 4])]
    compiled = Compiled(classifier(X=X, embedding_dim=4), tmp_path, compiler)
    stream = compiled.stream()
    before = stream.raw
    for wrong in (-1, 6, 2**31 - 1, -(2**31)):
        assert compiled.step(stream, ids=[wrong]) is None
        assert compiled.run(None, [[0], [wrong]]) is None
    assert stream.raw == before
    assert compiled.step(stream, ids=[5]) is not None


def test_values_that_are_refused_by_a_forecaster(tmp_path, compiler):
    series = make_series()
    model = plain_forecaster(5, log=True, missing="mask", max_iter=1, random_state=0).fit(series)
    compiled = Compiled(model, tmp_path, compiler)
    stream = compiled.stream(c_scale(model, series))
    before = stream.raw
    for wrong in (0.0, -1.0, np.inf, -np.inf):
        assert compiled.step(stream, [wrong]) is None
    assert stream.raw == before
    assert np.isnan(compiled.step(stream, [np.nan])).all()  # nothing has been observed
    assert np.isfinite(compiled.step(stream, [2.0])).all()


def test_sequences_without_steps_are_refused(tmp_path, compiler):
    compiled = Compiled(classifier(), tmp_path, compiler)
    assert compiled.run(np.zeros((0, 3))) is None


# Memory and undefined behaviour.


DRIVER = """\
#include "model.h"

#include <stdio.h>

#define N_STEPS 6

int main(void)
{
    model_stream stream;
    static float x[N_STEPS * MODEL_N_FEATURES];
    static float y[MODEL_N_OUTPUTS], whole[N_STEPS * MODEL_N_OUTPUTS];
#ifdef MODEL_N_IDS
    static const int ids[N_STEPS * MODEL_N_IDS];
#define IDS(t) , ids + (t) * MODEL_N_IDS
#else
#define IDS(t)
#endif

    for (int k = 0; k < N_STEPS * MODEL_N_FEATURES; k++)
        if (scanf("%f", x + k) != 1)
            return 1;
    model_init(&stream);
    for (int t = 0; t < N_STEPS; t++)
        if (model_step(&stream, x + t * MODEL_N_FEATURES IDS(t), y) != 0)
            return 2;
    if (model_run(x IDS(0), N_STEPS, whole) != 0)
        return 3;
    for (int k = 0; k < MODEL_N_OUTPUTS; k++)
        printf("%.9g\\n", (double)y[k]);
    return 0;
}
"""


@pytest.mark.parametrize(
    "case", [*CHOICES, "mean", "max", "attention+last", "steps", "ids", "front"]
)
def test_sanitizers(case, tmp_path, compiler):
    (tmp_path / "probe.c").write_text("int main(void)\n{\n    return 0;\n}\n")
    probe = shlex.split(f"{compiler} {SANITIZERS} probe.c -o probe")
    if subprocess.run(probe, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip(f"{compiler} has no sanitizers")
    (x,) = make_sequences(1, seed=1)
    x = np.resize(x, (6, 3))
    if case == "steps":
        model = tagger()
    elif case == "front":
        model = classifier(stride=2, conv=((4, 3, 1), (3, 4, 2)))
    elif case == "ids":
        x = np.column_stack([x, np.zeros(6)])
        model = classifier(X=[x, x + 1, x + 2], categorical_features=[3], embedding_dim=2)
    else:
        model = classifier(**CHOICES.get(case, {"pooling": case}))
    export_c(model, tmp_path / "model.c")
    (tmp_path / "main.c").write_text(DRIVER)
    run(f"{compiler} {STRICT} -g {SANITIZERS} model.c main.c -lm -o main", tmp_path)
    numbers = " ".join(f"{number:.9g}" for number in x[:, :3].ravel())
    said = run("./main", tmp_path, input=numbers, env={"ASAN_OPTIONS": "detect_leaks=0"})
    expected = model.predict_proba([x])[0]
    expected = expected[-1] if case == "steps" else expected
    np.testing.assert_allclose([float(line) for line in said.split()], expected, atol=1e-5)
