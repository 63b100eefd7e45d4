"""C export of stride and conv: at every step the code says what is said of the prefix."""

import ctypes

import numpy as np
import pytest
from compiling import Compiled, make_sequences, shaken
from front_cases import FRONT, FRONTS

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.interop import export_c

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def fit(cls=RNNClassifier, X=None, **params):
    X = make_sequences() if X is None else X
    y = np.arange(len(X)) % 3
    if cls is RNNTagger:
        y = [np.arange(len(x)) % 2 for x in X]
    params = {"hidden_layer_sizes": (5, 4), "max_iter": 1, "random_state": 0} | params
    return shaken(cls(bidirectional=False, **params).fit(X, y))


def assert_follows(compiled, model, x, ids=None):
    say = model.predict if isinstance(model, RNNRegressor) else model.predict_proba
    stream, said = compiled.stream(), []
    for t in range(len(x)):
        given = x[: t + 1] if ids is None else np.hstack([x[: t + 1], ids[: t + 1]])
        expected = say([given])[0]
        expected = expected[-1] if isinstance(model, RNNTagger) else expected
        ids_t = () if ids is None else ids[t].astype(int)
        said.append(compiled.step(stream, x[t], ids_t))
        atol = 1e-5 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(said[-1], np.ravel(expected), rtol=0, atol=atol)
    every_step = isinstance(model, RNNTagger)
    whole = compiled.run(x, [] if ids is None else ids.astype(int), every_step=every_step)
    np.testing.assert_array_equal(whole, said if every_step else said[-1:])


@FRONT
@pytest.mark.parametrize("pooling", ["last", "mean+max", "attention"])
def test_every_prefix(front, pooling, tmp_path, compiler):
    model = fit(pooling=pooling, cell="gru", **front)
    compiled = Compiled(model, tmp_path, compiler)
    for x in make_sequences(2, seed=1):
        assert_follows(compiled, model, np.vstack([x] * 3))


@pytest.mark.parametrize("cls", [RNNRegressor, RNNTagger])
def test_other_answers(cls, tmp_path, compiler):
    model = fit(cls, cell="lstm", zoneout=0.2, **FRONTS["all"])
    compiled = Compiled(model, tmp_path, compiler)
    assert_follows(compiled, model, np.vstack(make_sequences(3, seed=1)))


def test_ids(tmp_path, compiler):
    rng = np.random.default_rng(0)
    X = [np.hstack([x, rng.integers(4, size=(len(x), 1))]) for x in make_sequences()]
    model = fit(X=X, categorical_features=[X[0].shape[1] - 1], **FRONTS["all"])
    compiled = Compiled(model, tmp_path, compiler)
    x = np.vstack(X[:4])
    assert_follows(compiled, model, x[:, :-1], x[:, -1:])


def test_a_stream_begins_anew(tmp_path, compiler):
    model = fit(**FRONTS["all"])
    compiled, x = Compiled(model, tmp_path, compiler), np.vstack(make_sequences(3, seed=1))
    stream = compiled.stream()
    first = [compiled.step(stream, x_t) for x_t in x]
    compiled.library.model_reset(ctypes.byref(stream))
    np.testing.assert_array_equal([compiled.step(stream, x_t) for x_t in x], first)


def test_the_text_says_what_happens(tmp_path):
    export_c(fit(**FRONTS["all"]), tmp_path / "model.c")
    text = (tmp_path / "model.c").read_text()
    assert "2 steps as one row\n     convolution of 5 rows, every 2 rows, to 4 numbers\n" in text
