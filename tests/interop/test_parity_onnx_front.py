"""stride and conv as ONNX: what ONNX Runtime computes is what is predicted."""

import numpy as np
import pytest
from front_cases import FRONT, FRONTS

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.interop import to_onnx

pytest.importorskip("onnx", reason="onnx, which the models are made with, is not installed")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="ONNX Runtime, which runs the models, is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore:.*max_iter:UserWarning")

BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
LENGTHS = np.array([4, 1, 21, 2, 13, 30])


def draw():
    rng = np.random.default_rng(5)
    return [rng.normal(size=(n, 2)) for n in LENGTHS]


def pad(X, fill, dtype):
    padded = np.full((len(X), max(map(len, X)), X[0].shape[1]), fill, dtype)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return padded


def fit(cls, X, y, **params):
    model = cls(**({"hidden_layer_sizes": (5, 4), "max_iter": 1} | params)).fit(X, y)
    theta = model.network_.theta
    theta[...] = 0.7 * np.random.default_rng(9).standard_normal(theta.shape)
    return model


def run(model, **feeds):
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values = session.run(None, {**feeds, "lengths": LENGTHS})
    return dict(zip([output.name for output in session.get_outputs()], values, strict=True))


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@FRONT
@BOTH
@DTYPES
@pytest.mark.parametrize("pooling", ["last", "mean+max", "attention"])
def test_classifier(front, bidirectional, pooling, dtype):
    X, params = draw(), {"bidirectional": bidirectional, "dtype": dtype, "cell": "gru"}
    model = fit(RNNClassifier, X, list("abcabc"), pooling=pooling, **params, **front)
    # What stands in the padding must not be seen.
    said = run(model, X=pad(X, np.nan, dtype))
    assert_close(said["probabilities"], model.predict_proba(X))
    assert said["labels"].tolist() == model.predict(X).tolist()


@FRONT
@BOTH
def test_tagger(front, bidirectional):
    X = draw()
    y = [np.arange(len(x)) % 3 for x in X]
    model = fit(RNNTagger, X, y, bidirectional=bidirectional, **front)
    said = run(model, X=pad(X, np.nan, "float32"))
    for n, expected in enumerate(model.predict_proba(X)):
        assert_close(said["probabilities"][n, : LENGTHS[n]], expected)
        assert not said["probabilities"][n, LENGTHS[n] :].any()
        assert said["labels"][n, : LENGTHS[n]].tolist() == model.predict(X)[n].tolist()


def test_cells_that_are_scans_and_ids():
    rng = np.random.default_rng(0)
    X = [np.hstack([x, rng.integers(4, size=(len(x), 1))]) for x in draw()]
    params = {"cell": "carry_lstm", "categorical_features": [2], "pooling": "mean"}
    model = fit(RNNRegressor, X, np.arange(6.0), **params, **FRONTS["all"])
    padded = pad(X, 0, "float64")
    said = run(model, X=padded[:, :, :2].astype("float32"), ids=padded[:, :, 2:].astype(int))
    assert_close(said["values"], model.predict(X))
