"""Regressors with other losses in ONNX, in C, in PyTorch and in Keras."""

import warnings

import numpy as np
import pytest
from compiling import Compiled
from numpy.testing import assert_allclose

from fastrnn import RNNRegressor
from fastrnn.interop import from_torch, to_keras_weights, to_onnx, to_torch_state_dict

LOSSES = {
    "quantiles": {"loss": "quantile", "quantile": (0.1, 0.4, 0.7)},
    "quantile": {"loss": "quantile", "quantile": 0.3},
    "poisson": {"loss": "poisson"},
}
# What PyTorch and Keras know, too.
PLAIN = {"cell": "lstm", "bidirectional": False, "pooling": "mean", "scaling": None, "stride": 1,
         "conv": None}  # fmt: skip
SHAPE = pytest.mark.parametrize("n_targets", [None, 2], ids=["flat", "two"])


def make(loss, n_targets, dtype="float32"):
    """A fitted model with weights in no order, and sequences of one length."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 5, 2)), rng.poisson(30.0, size=(6, n_targets or 1)).astype(float)
    y = y if n_targets else y[:, 0]
    model = RNNRegressor(4, **PLAIN, dtype=dtype, max_iter=1, random_state=0, **LOSSES[loss])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    model.network_.theta[...] = rng.normal(size=len(model.network_.theta))
    return model, X.astype(dtype)


@SHAPE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_onnx(loss, dtype, n_targets):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = make(loss, n_targets, dtype)
    if loss == "poisson":
        model.network_.head.params["b"][-1] = 31  # beyond where rates grow in a straight line
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs = session.run(None, {"X": X, "lengths": np.full(len(X), 5)})
    assert_allclose(outputs[0], model.predict(X), rtol=1e-5)
    assert len(outputs) == 1 + (loss == "quantiles")
    if loss == "quantiles":
        assert_allclose(outputs[1], model.predict_quantiles(X), rtol=1e-5)


@SHAPE
@pytest.mark.parametrize("loss", LOSSES)
def test_c(loss, n_targets, tmp_path, compiler):
    model, X = make(loss, n_targets)
    if loss == "poisson":
        model.network_.head.params["b"][-1] = 31
    compiled, said = Compiled(model, tmp_path, compiler), model.predict(X)
    if loss == "quantiles":
        said = model.predict_quantiles(X)
        assert "the numbers predicted, of each the quantiles 0.1, 0.4, 0.7" in compiled.header
    for x, expected in zip(X, said, strict=True):
        assert_allclose(compiled.run(x)[0], np.ravel(expected), rtol=2e-5)


@SHAPE
@pytest.mark.parametrize("loss", LOSSES)
def test_pytorch(loss, n_targets):
    pytest.importorskip("torch")
    model, X = make(loss, n_targets, "float64")
    again = RNNRegressor(**PLAIN, dtype="float64", **LOSSES[loss])
    again = from_torch(to_torch_state_dict(model), again)
    assert_allclose(again.predict(X), model.predict(X), rtol=1e-10)
    if loss != "poisson":
        assert_allclose(again.predict_quantiles(X), model.predict_quantiles(X), rtol=1e-10)
        odd = RNNRegressor(**PLAIN, loss="quantile", quantile=(0.1, 0.2, 0.3, 0.5, 0.9))
        with pytest.raises(ValueError, match="outputs, expected some for each level of quantile="):
            from_torch(to_torch_state_dict(model), odd)


@pytest.mark.parametrize("loss", LOSSES)
def test_keras(loss):
    model, X = make(loss, 2, "float64")
    *_, W, b = to_keras_weights(model)
    said = model.transform(X) @ W + b  # of "mean" the head sees other states
    n = len(model.task_.levels or (0,))
    assert W.shape == (4, 2 * n) and b.shape == said[0].shape
    last = RNNRegressor(**model.get_params() | {"pooling": "last"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        last.partial_fit(X, np.ones((6, 2)))
    last.network_.theta[...], last.task_ = model.network_.theta, model.task_
    if loss == "poisson":
        assert_allclose(np.exp(said), last.predict(X), rtol=1e-10)
    else:
        levels = last.task_.levels
        expected = np.sort(said.reshape(6, 2, -1), axis=2)
        assert_allclose(expected, last.predict_quantiles(X, levels), rtol=1e-10)
