"""C export: the compiled code says what the model says, at every step and of whole sequences.

Every model is compiled with warnings as errors. Without a compiler these tests are skipped, but for
those of the text that is written.
"""

import ctypes
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from every_cell import CHOICES
from test_docs import assert_as_shown

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.bridge import NotFittedError
from fastrnn.inputs.scaling import learn_scale
from fastrnn.interop import export_c
from fastrnn.interop.c_text import Text

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

PAGE = Path(__file__).parents[2] / "docs" / "export-c.md"

STRICT = "-std=c99 -pedantic -Wall -Wextra -Werror -Wconversion -Wshadow -Wvla -Wdouble-promotion"
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"


# What a test needs to know of a model, compiled beside it.
PROBE = """\
#include "model.h"

size_t stream_size(void);
size_t stream_size(void)
{
    return sizeof(model_stream);
}
"""


def find(compiler):
    """Return a compiler, or skip the test."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    return compiler


@cache
def any_compiler():
    """Return the name of a C compiler that is there, or None."""
    return next(filter(shutil.which, ("gcc", "clang", "cc")), None)


@pytest.fixture
def compiler():
    """Return a C compiler."""
    if any_compiler() is None:
        pytest.skip("no C compiler is installed")
    return any_compiler()


def run(command, folder, **options):
    """Run a command; what it prints on errors is shown."""
    words = shlex.split(command)
    result = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


class Compiled:
    """An exported model, compiled and loaded."""

    def __init__(self, model, folder, compiler, flags="-O1"):
        export_c(model, folder / "model.c")
        (folder / "probe.c").write_text(PROBE)
        command = f"{compiler} {STRICT} {flags} -shared -fPIC -o model.so model.c probe.c -lm"
        assert run(command, folder) == ""
        self.library = ctypes.CDLL(str(folder / "model.so"))
        self.library.stream_size.restype = ctypes.c_size_t
        self.header = (folder / "model.h").read_text()
        self.n_features = self.constant("N_FEATURES")
        self.n_ids = self.constant("N_IDS")
        self.n_outputs = self.constant("N_OUTPUTS")

    def constant(self, name):
        """Return a constant of the header; 0 if it is not there."""
        found = re.search(rf"^#define MODEL_{name} (\d+)", self.header, re.MULTILINE)
        return int(found[1]) if found else 0

    def stream(self, *scale):
        """Return a new stream, in memory full of rubbish."""
        memory = ctypes.create_string_buffer(b"\xa5" * self.library.stream_size())
        self.library.model_init(memory, *map(pointer, scale))
        return memory

    def step(self, stream, x=None, ids=None):
        """Return what a stream says after another step, None if it refuses it."""
        y = np.full(self.n_outputs, -7, dtype=np.float32)
        status = self.library.model_step(stream, *self.inputs(x, ids), pointer(y))
        if status == 0:
            return y
        assert status == -1 and (y == -7).all()
        return None

    def run(self, x=None, ids=None, *scale, every_step=False):
        """Return what the model says of a sequence, None if it refuses it."""
        inputs = self.inputs(x, ids)
        n_steps = len(x if x is not None else ids)
        y = np.zeros((n_steps if every_step else 1, self.n_outputs), dtype=np.float32)
        scale = map(pointer, scale)
        size = ctypes.c_size_t(n_steps)
        status = self.library.model_run(*scale, *inputs, size, pointer(y))
        return None if status else y

    def inputs(self, x, ids):
        arrays = []
        if self.n_features:
            arrays.append(np.ascontiguousarray(x, dtype=np.float32))
        if self.n_ids:
            arrays.append(np.ascontiguousarray(ids, dtype=np.intc))
        self.kept = arrays
        return map(pointer, arrays)


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def shaken(model, size=0.7, seed=0):
    """Give a model large weights, so that no part of it can be forgotten without being seen."""
    theta = model.network_.theta
    theta += size * np.random.default_rng(seed).standard_normal(len(theta)).astype(theta.dtype)
    return model


def make_sequences(n=6, width=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(int(rng.integers(3, 9)), width)) for _ in range(n)]


def classifier(labels=("a", "b", "c"), X=None, **params):
    """Return a classifier of sequences that has hardly learned anything."""
    X = make_sequences() if X is None else X
    params = {"hidden_layer_sizes": (5, 3), "max_iter": 1, "random_state": 0, **params}
    model = RNNClassifier(**params)
    return shaken(model.fit(X, [labels[i % len(labels)] for i in range(len(X))]))


def tagger(**params):
    X = make_sequences()
    params = {"hidden_layer_sizes": (5, 3), "max_iter": 1, "random_state": 0, **params}
    return shaken(RNNTagger(**params).fit(X, [[f"t{t % 4}" for t in range(len(x))] for x in X]))


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


# The runtime.


RUNTIME = Path(export_c.__globals__["__file__"]).with_name("runtime")
PIECES = sorted(path.relative_to(RUNTIME).as_posix() for path in RUNTIME.rglob("*.[ch]"))


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
def test_the_runtime_is_c_as_it_stands(compiler_name):
    assert {"runtime.c", "functions.h", "series.h", "cells/lstm.h"} <= set(PIECES)
    # What is not used by itself is used by what includes it, or by an export.
    for piece in PIECES:
        flags = "-Wno-unused -x c -fsyntax-only"
        assert run(f"{find(compiler_name)} {STRICT} {flags} {piece}", RUNTIME) == ""


# What it says.


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
@pytest.mark.parametrize("cell", CHOICES)
def test_cells_and_poolings(cell, pooling, compiler_name, tmp_path):
    if pooling == "steps":
        model = tagger(**CHOICES[cell])
    else:
        model = classifier(pooling=pooling, **CHOICES[cell])
    compiled = Compiled(model, tmp_path, find(compiler_name))
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


def make_series(n=40, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return 20 + 0.1 * t + 4 * np.sin(t * np.pi / 2) + rng.normal(size=n)


def c_scale(model, values):
    """Return the scale of a series as the struct of the header."""
    plan = model.reader_.plan
    scale = learn_scale(values, plan.scaling, plan.log, plan.seasonality, "series")
    season = np.zeros(0)
    if plan.seasonality:
        season = np.resize(scale.season, plan.seasonality)
    return np.concatenate([[scale.shift, scale.factor], season]).astype(np.float32)


FORECASTERS = {
    "difference": {},
    "standard": {"scaling": "standard", "seasonality": 4},
    "level": {"scaling": "level", "log": True},
    "as they are": {"scaling": None, "seasonality": 4, "log": True},
    "quantiles": {"strategy": "direct", "horizon": 3, "quantiles": (0.1, 0.5, 0.9)},
    "block": {"strategy": "direct", "horizon": 6, "seasonality": 4, "scaling": "standard"},
    "missing": {"strategy": "direct", "horizon": 2, "missing": "mask"},
    "missing standard": {"missing": "mask", "scaling": "standard", "cell": "gru"},
}


@pytest.mark.parametrize("case", FORECASTERS)
def test_forecasters(case, tmp_path, compiler):
    series = make_series()
    if "missing" in case:
        series[[0, 7, 8, 20]] = np.nan
    model = RNNForecaster((5, 3), max_iter=1, random_state=0, **FORECASTERS[case])
    model = shaken(model.fit(series), 0.3)
    compiled = Compiled(model, tmp_path, compiler)
    block, levels = model.reader_.plan.block, model.reader_.plan.quantiles
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
    model = RNNForecaster(
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


def test_a_series_that_does_not_vary(tmp_path, compiler):
    model = shaken(RNNForecaster(5, max_iter=1, random_state=0).fit(make_series()))
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


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
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
    model = RNNForecaster(5, seasonality=4, max_iter=1, random_state=0).fit(series)
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
    model = RNNForecaster(5, log=True, missing="mask", max_iter=1, random_state=0).fit(series)
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


# Labels.


STRINGS = [
    'say "hi"', "back\\slash", "line\nend\r\t", "what??/", "??=??)", "*/ end", "%d %s", "Grüße",
    "日本\U0001f600", "\x7f\x01", "'", "9\x017", "", "trailing ",
]  # fmt: skip


@pytest.mark.parametrize("flags", ["", "-trigraphs"])
def test_strings(flags, tmp_path, compiler):
    X = make_sequences(len(STRINGS))
    model = classifier(STRINGS, X, hidden_layer_sizes=2)
    compiled = Compiled(model, tmp_path, compiler, flags)
    labels = (ctypes.c_char_p * len(STRINGS)).in_dll(compiled.library, "model_classes")
    assert [label.decode("utf-8") for label in labels] == model.classes_.tolist()
    assert sorted(label.decode("utf-8") for label in labels) == sorted(STRINGS)


def test_bytes(tmp_path, compiler):
    compiled = Compiled(classifier([b"a", b"\xff?"]), tmp_path, compiler)
    labels = (ctypes.c_char_p * 2).in_dll(compiled.library, "model_classes")
    assert list(labels) == [b"a", b"\xff?"]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, -4, 0], ctypes.c_longlong),
        ([-(2**63), 2**63 - 1], ctypes.c_longlong),
        ([False, True], ctypes.c_longlong),
        ([1.0, -2.0, 1e300], ctypes.c_double),
    ],
)
def test_numbers(labels, kind, tmp_path, compiler):
    compiled = Compiled(classifier(labels), tmp_path, compiler)
    written = (kind * len(labels)).in_dll(compiled.library, "model_classes")
    assert list(written) == sorted(labels)


@pytest.mark.parametrize("label", ["a\x00b", "\ud800", "x" * 4096])
def test_strings_that_c_cannot_have(label, tmp_path):
    model = classifier(["a", "b"])
    model.classes_ = np.array(["a", label], dtype=object)
    with pytest.raises(ValueError, match=r"the class label .* does not fit into a string of C"):
        export_c(model, tmp_path / "model.c")
    assert not any(tmp_path.iterdir())


def test_numbers_that_c_cannot_have(tmp_path):
    with pytest.raises(ValueError, match="does not fit into a number of C, of 64 bits"):
        export_c(classifier(np.array([1, 2**63], dtype=np.uint64)), tmp_path / "model.c")


# The text.


def written(model, folder, **options):
    export_c(model, folder / "model.c", **options)
    return [(folder / name).read_bytes() for name in ("model.c", "model.h")]


MODELS = [
    classifier,
    lambda: classifier(dtype="float64", cell="rnn", pooling="mean"),
    lambda: tagger(cell="gru"),
    lambda: RNNLanguageModel(3, max_iter=1, random_state=0).fit(["ab", "ba"]),
    lambda: RNNForecaster(3, seasonality=4, max_iter=1, random_state=0).fit(make_series()),
]


@pytest.mark.parametrize("make", MODELS)
def test_the_text_is_always_the_same(make, tmp_path):
    model = make()
    texts = written(model, tmp_path)
    assert texts == written(make(), tmp_path)
    for text in texts:
        kind = type(model).__name__
        assert f"{kind}, written by fastrnn {fastrnn.__version__}".encode() in text
        assert text.isascii() and not set(b"\r\t$") & set(text) and b"\n%" not in text
        assert b"\n\n\n" not in text and b" \n" not in text
        assert text.endswith(b"\n") and not text.endswith(b"\n\n")
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("make", MODELS)
def test_a_loaded_model_gives_the_same_text(make, tmp_path):
    model = make()
    model.save(tmp_path / "saved")
    assert written(fastrnn.load(tmp_path / "saved"), tmp_path) == written(model, tmp_path)


def test_weights_are_exact(tmp_path):
    model = classifier(cell="gru", hidden_layer_sizes=4)
    theta = model.network_.theta
    theta[:7] = [0.0, -0.0, 2**-149, 3.4e38, 1 / 3, -(2**-126), 1]
    (source, _) = written(model, tmp_path)
    arrays = dict(re.findall(r"float (\w+)\[[^]]+\] = \{(.*?)\}", source.decode(), re.DOTALL))
    names = {"W1": "W", "U1": "U", "b1": "b", "b_n1": "b_n"}
    (layer,) = model.network_.layers
    params = {name: layer.params[key] for name, key in names.items()}
    params |= {"Wy": model.network_.head.params["W"], "by": model.network_.head.params["b"]}
    assert arrays.keys() == params.keys()
    for name, numbers in arrays.items():
        values = np.array(
            [float.fromhex(number.strip().rstrip("f")) for number in numbers.split(",")[:-1]],
            dtype=np.float32,
        )
        assert values.tobytes() == params[name].tobytes(), name
        assert ".p" not in numbers and "0p" not in numbers.replace("x0p", "")  # no idle digits


def test_only_mathematics_is_linked(tmp_path, compiler):
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    export_c(tagger(), tmp_path / "model.c")
    run(f"{compiler} -std=c99 -O2 -c model.c", tmp_path)
    needed = set(run("nm --undefined-only --format=just-symbols model.o", tmp_path).split())
    needed -= {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    # Compilers call these two for loops and for struct assignments, without any library.
    assert needed - {"memcpy", "memset"} == {"expf", "tanhf"}


def test_prefix_and_names(tmp_path, compiler):
    a, b = classifier(), tagger()
    export_c(a, tmp_path / "first model.c", prefix="one")
    export_c(b, str(tmp_path / "second.c"))
    (tmp_path / "main.c").write_text(
        '#include "first model.h"\n#include "second.h"\n#include "second.h"\n'
        "int main(void)\n{\n    one_stream s;\n    second_stream t;\n\n"
        "    one_init(&s);\n    second_init(&t);\n"
        "    return ONE_N_OUTPUTS == 3 && SECOND_N_OUTPUTS == 4 ? 0 : 1;\n}\n"
    )
    run(f"{compiler} {STRICT} 'first model.c' second.c main.c -lm -o main", tmp_path)
    run("./main", tmp_path)


@pytest.mark.parametrize("prefix", ["rnn", "lstm", "gru", "carry_lstm", "step", "run", "layer"])
def test_prefixes_that_the_runtime_might_use(prefix, tmp_path, compiler):
    export_c(classifier(cell=prefix if prefix in CHOICES else "lstm"), tmp_path / f"{prefix}.c")
    run(f"{compiler} {STRICT} -fsyntax-only {prefix}.c", tmp_path)


def test_cplusplus(tmp_path):
    export_c(classifier(), tmp_path / "model.c")
    (tmp_path / "main.cpp").write_text(
        '#include "model.h"\n#include <cstdio>\n'
        "int main()\n{\n    model_stream stream;\n    float x[MODEL_N_FEATURES] = {1, 2, 3};\n"
        "    float y[MODEL_N_OUTPUTS];\n\n    model_init(&stream);\n"
        '    std::printf("%d %s", model_step(&stream, x, y), model_classes[0]);\n}\n'
    )
    run(f"{find('gcc')} {STRICT} -c model.c", tmp_path)
    run(
        f"{find('g++')} -std=c++11 -pedantic -Wall -Wextra -Werror main.cpp model.o -o main",
        tmp_path,
    )
    assert run("./main", tmp_path) == "0 a"


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


@pytest.mark.parametrize("case", [*CHOICES, "mean", "max", "steps", "ids"])
def test_sanitizers(case, tmp_path, compiler):
    (tmp_path / "probe.c").write_text("int main(void)\n{\n    return 0;\n}\n")
    probe = shlex.split(f"{compiler} {SANITIZERS} probe.c -o probe")
    if subprocess.run(probe, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip(f"{compiler} has no sanitizers")
    (x,) = make_sequences(1, seed=1)
    x = np.resize(x, (6, 3))
    if case == "steps":
        model = tagger()
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


# What is refused.


class Impostor:
    """Has what is asked for first, and is nothing of ours."""

    network_ = None


def test_only_fitted_estimators(tmp_path):
    with pytest.raises(NotFittedError, match="RNNTagger instance is not fitted"):
        export_c(RNNTagger(), tmp_path / "model.c")
    with pytest.raises(TypeError, match="est must be an estimator of fastrnn, got Impostor"):
        export_c(Impostor(), tmp_path / "model.c")
    assert not any(tmp_path.iterdir())


def test_bidirectional_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is bidirectional: it has no output before the end"):
        export_c(classifier(bidirectional=True), tmp_path / "model.c")


def test_weights_that_do_not_fit(tmp_path):
    model = classifier(dtype="float64")
    model.network_.theta[3] = 1e39
    with pytest.raises(ValueError, match="weights that do not fit into a float"):
        export_c(model, tmp_path / "model.c")


@pytest.mark.parametrize("prefix", ["", "1a", "_a", "a_", "a__b", "a-b", "a b", "é", "a;", "a\n"])
def test_prefixes_that_are_refused(prefix, tmp_path):
    with pytest.raises(ValueError, match="prefix must be letters, digits and single underscores"):
        export_c(classifier(), tmp_path / "model.c", prefix=prefix)
    assert not any(tmp_path.iterdir())


def test_names_that_are_refused(tmp_path):
    with pytest.raises(TypeError, match="prefix must be a string or None, got 3"):
        export_c(classifier(), tmp_path / "model.c", prefix=3)
    with pytest.raises(ValueError, match=r"cannot begin with that of the file, 'my-model'.*prefix"):
        export_c(classifier(), tmp_path / "my-model.c")
    export_c(classifier(), tmp_path / "my-model.c", prefix="m")
    for name in ("model", "model.h", "model.cpp", ".c"):
        with pytest.raises(ValueError, match=r"path must end in '\.c'"):
            export_c(classifier(), tmp_path / name)
    for name in ('a".c', "a\nb.c", "a\\b.c", "é.c", "a??b.c", " a.c"):
        with pytest.raises(ValueError, match="the file's name goes into an #include"):
            export_c(classifier(), tmp_path / name, prefix="a")


# Files.


def test_a_failing_export_leaves_older_files(tmp_path, monkeypatch):
    before = written(classifier(), tmp_path)

    def full_disk(*_):
        yield "static const float"
        raise OSError("No space left on device")

    monkeypatch.setattr(Text, "source", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export_c(tagger(), tmp_path / "model.c")
    assert [(tmp_path / name).read_bytes() for name in ("model.c", "model.h")] == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "model.h").mkdir()
    with pytest.raises(IsADirectoryError, match=r"model\.h is a folder"):
        export_c(classifier(), tmp_path / "model.c")
    assert [path.name for path in tmp_path.iterdir()] == ["model.h"]
    with pytest.raises(FileNotFoundError):
        export_c(classifier(), tmp_path / "nowhere" / "model.c")


# The page.


def test_the_page(tmp_path, compiler, monkeypatch):
    if not PAGE.exists():
        pytest.skip("the documents are in the source tree only")
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    kinds = [kind for kind, _ in blocks]
    assert kinds == ["python", "c", "console"], "a block is not run by this test"
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[0][1], str(PAGE), "exec"), {})
    (tmp_path / "main.c").write_text(blocks[1][1])
    command, shown = [], []
    for line in blocks[2][1].splitlines():
        if line.startswith("$ "):
            command.append(line[2:])
        else:
            shown.append(line)
    assert command[0].startswith("cc ")
    command[0] = command[0].replace("cc ", f"{compiler} {STRICT} ", 1)
    said = [subprocess.check_output(line, shell=True, text=True) for line in command]
    assert_as_shown("".join(said), "\n".join(shown) + "\n")
