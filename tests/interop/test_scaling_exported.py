"""Models with a scale of numbers in C, ONNX and elsewhere: numbers are taken as they are given."""

import gap_cases
import numpy as np
import pytest
from compiling import Compiled, assert_c_follows, c_inputs

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.interop import (
    export_c,
    from_keras,
    from_torch,
    to_keras_weights,
    to_onnx,
    to_torch_state_dict,
)

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

KINDS = pytest.mark.parametrize("choice", gap_cases.CHOICES)
MAPS = pytest.mark.parametrize(
    ("factor", "shift"), [(1, 1000), (1e-3, 0), (1e3, 0), (1e-3, 1000), (1e-30, 0), (1e30, 0)]
)


def make(choice, factor=1 / 64, shift=1000, **params):
    """A model that scales, and sequences."""
    return gap_cases.make(choice, factor, shift, scaling="standard", **params)


@KINDS
def test_c(choice, tmp_path, compiler):
    model, X = make(choice)
    assert_c_follows(model, X, Compiled(model, tmp_path, compiler))
    says_so = ", scaled" in (tmp_path / "model.c").read_text().partition("#include")[0]
    assert says_so == (choice != "times alone")


@MAPS
def test_c_of_any_unit(factor, shift, tmp_path, compiler):
    model, X = make("numbers", factor, shift)
    compiled = Compiled(model, tmp_path, compiler)
    for x in X:
        said = compiled.run(x)[0]
        np.testing.assert_allclose(said, model.predict_proba([x])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("choice", ["numbers", "gaps", "times"])
def test_c_refuses_what_does_not_fit_when_it_is_scaled(choice, tmp_path, compiler):
    model, X = make(choice, 1e-3, 0)
    compiled = Compiled(model, tmp_path, compiler)
    numbers, _ = c_inputs(model, X[0])
    bad = numbers[0].copy()
    bad[2] = 3e38
    stream = compiled.stream()
    before = stream.raw
    assert compiled.step(stream, bad) is None
    assert stream.raw == before
    assert compiled.step(stream, numbers[0]) is not None


@KINDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_onnx(choice, dtype):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = make(choice, dtype=dtype, bidirectional=True)
    said = _run(onnxruntime, model, X)
    np.testing.assert_allclose(said, model.predict_proba(X), atol=1e-5, rtol=0)


@MAPS
def test_onnx_of_any_unit(factor, shift):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = make("numbers", factor, shift)
    said = _run(onnxruntime, model, X)
    np.testing.assert_allclose(said, model.predict_proba(X), atol=1e-5, rtol=0)


def _run(onnxruntime, model, X):
    """The probabilities that the exported model gives."""
    lengths = np.array([len(x) for x in X])
    parts = [gap_cases.split(model, x) for x in X]
    feeds = {}
    for name, column in zip(("X", "ids", "times"), zip(*parts, strict=True), strict=True):
        if column[0] is not None and column[0].size:
            shape = (len(X), max(lengths), *column[0].shape[1:])
            feeds[name] = np.ones(shape, column[0].dtype)
            for row, part in zip(feeds[name], column, strict=True):
                row[: len(part)] = part
    if "X" in feeds:
        feeds["X"] = feeds["X"].astype(model.dtype)
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["probabilities"], {**feeds, "lengths": lengths})[0]


# Weights for elsewhere.

PLAIN = {"stride": 1, "conv": None}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("choice", ["numbers", "ids"])
def test_scale_becomes_part_of_the_weights(cell, bidirectional, choice):
    params = {"cell": cell, "bidirectional": bidirectional, "hidden_layer_sizes": (5, 3)}
    model, X = make(choice, 1, 50, **params, **PLAIN)
    chosen = gap_cases.CHOICES[choice]
    for again in (
        from_torch(to_torch_state_dict(model), RNNClassifier(**chosen)),
        from_keras(to_keras_weights(model), RNNClassifier(**chosen), bidirectional=bidirectional),
    ):
        assert again.scaling is None
        np.testing.assert_allclose(
            again.predict_proba(X), model.predict_proba(X), atol=1e-4, rtol=0
        )


def test_scale_that_would_be_lost_in_the_weights(tmp_path):
    model, X = make("numbers", 1e-3, 1000, **PLAIN)
    message = r"^scaling='standard' cannot become part of the weights: number \d has the center 1"
    for export in (to_torch_state_dict, to_keras_weights):
        with pytest.raises(ValueError, match=message):
            export(model)
    wide, _ = make("numbers", 1e-3, 1000, dtype="float64", **PLAIN)
    again = from_torch(to_torch_state_dict(wide), RNNClassifier(dtype="float64"))
    np.testing.assert_allclose(again.predict_proba(X), wide.predict_proba(X), atol=1e-6)
    assert to_torch_state_dict(model.network_.layers).keys() == {
        *("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    }
    small, _ = make("numbers", 1e-42, 0, **PLAIN)
    with pytest.raises(ValueError, match="they would not fit into float32"):
        to_torch_state_dict(small)


def test_weights_from_elsewhere_read_numbers_as_they_are():
    state = to_torch_state_dict(gap_cases.make("numbers", **PLAIN)[0])
    message = "scaling='robust' of the estimator does not agree with the weights, which have None"
    with pytest.raises(ValueError, match=message):
        from_torch(state, RNNClassifier(scaling="robust"))


@pytest.mark.parametrize("estimator", [RNNRegressor, RNNTagger])
def test_other_estimators(estimator, tmp_path, compiler):
    _, X = make("numbers")
    y = [np.arange(len(x)) % 2 for x in X] if estimator is RNNTagger else np.arange(6.0)
    params = {"scaling": "minmax", "max_iter": 1, "random_state": 0}
    model = estimator(4, bidirectional=False, **params).fit(X, y)
    compiled = Compiled(model, tmp_path, compiler)
    for x in X:
        said = compiled.run(x, every_step=estimator is RNNTagger)
        predict = model.predict_proba if estimator is RNNTagger else model.predict
        np.testing.assert_allclose(np.squeeze(said), np.squeeze(predict([x])[0]), atol=1e-5)


def test_ids_alone_have_no_scale(tmp_path):
    model = RNNClassifier(4, embedding_dim=2, max_iter=1, random_state=0, **PLAIN)
    model.fit([[0, 1, 2], [2, 1]] * 3, [0, 1] * 3)
    export_c(model, tmp_path / "model.c")
    assert "#define CENTERED 0" in (tmp_path / "model.c").read_text()
    to_torch_state_dict(model)
