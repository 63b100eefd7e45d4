"""Streams with small weights: what they compute, near what the model says, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from contract import plain_forecaster
from every_cell import CHOICES, options_of, take_step
from front_cases import FRONT, FRONTS
from test_streams_labels import draw as draw_frames
from test_streams_labels import fit as fit_labels

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.network import rounding
from fastrnn.streams.int8 import to_int8

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

SMALL = pytest.mark.parametrize("weights", ["int8", "bfloat16"])
NEAR = {"int8": 0.02, "bfloat16": 0.02}
"""How far probabilities may be from those of the model; its weights are about 0.5, untidy."""


def draw(n, steps, width=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, steps, width)).astype("float32")


def shake(model):
    """Give all weights, also biases that start at zero, values that matter."""
    theta = model.network_.theta
    theta[...] = 0.5 * np.random.default_rng(7).standard_normal(len(theta))
    return model


def fit(cls=RNNClassifier, sizes=6, width=3, **params):
    X = draw(8, 9, width)
    y = [np.arange(9) % 3] * 8 if cls is RNNTagger else np.arange(8) % 3
    params = {
        "cell": "lstm",
        "pooling": "last",
        "scaling": None,
        "stride": 1,
        "conv": None,
    } | params
    if cls is RNNTagger:
        params = {"bidirectional": False} | {k: v for k, v in params.items() if k != "pooling"}
    return shake(cls(sizes, max_iter=1, random_state=0, **params).fit(X, y))


class Quantized(np.ndarray):
    """A matrix of float32 that is multiplied as whole numbers: what kernels/int8.h says."""

    def __rmatmul__(self, x):
        x, W = np.asarray(x, np.float32), np.asarray(self, np.float32)
        scale = np.abs(W).max(axis=0) / np.float32(127)
        q = np.rint(W / np.where(scale > 0, scale, np.float32(1))).astype(np.int64)
        largest = np.float32(min(2**15 - 1, (2**31 - 1) // (127 * len(W))))
        most = np.abs(x).max(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = np.where(most >= np.float32(1e-30), np.rint(x * (largest / most)), 0)
        sums = (rows.astype(np.int64) @ q).astype(np.float32)
        return sums * (most / largest * scale)


def quantized(params):
    """The parameters of a layer, or a head, of which the matrices are such."""
    return {k: v.view(Quantized) if k in ("W", "U") else v for k, v in params.items()}


@pytest.mark.parametrize(
    ("n_inputs", "n_units", "n_streams"),
    [(1, 1, 1), (3, 5, 2), (7, 64, 5), (131, 66, 9), (2, 200, 6), (1100, 129, 4)],
)
def test_products_are_those_of_whole_numbers(n_inputs, n_units, n_streams):
    model = fit(RNNRegressor, n_units, n_inputs, cell="rnn", activation="relu")
    (layer,) = model.network_.layers
    stream = model.stream(n_streams, weights="int8")
    p, h = quantized(layer.params), np.zeros((n_streams, n_units), np.float32)
    x = draw(n_streams, 3, n_inputs, seed=1)
    x[0, 1:], x[-1, 2] = 0, np.where(np.arange(n_inputs) == 0, 1e25, 1)
    for t in range(3):
        stream.step(x[:, t])
        h = np.maximum(x[:, t] @ p["W"] + h @ p["U"] + p["b"], 0)
        got = stream.state["h_0"]
        scale = np.abs(h).max(axis=1, keepdims=True) + np.float32(1e-9)
        np.testing.assert_allclose(got / scale, h / scale, rtol=0, atol=2e-6)
        h = got


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_cell(choice):
    model = fit(sizes=70, **choice)
    (layer,), stream = model.network_.layers, model.stream(2, weights="int8")
    head = quantized(model.network_.head.params)
    names = [f"{name}_0" for name in layer.cell.states]
    for t in range(4):
        before = [stream.state[name] for name in names]
        x = draw(2, 4, seed=1)[:, t]
        proba = stream.step(x)
        params = quantized(layer.params)
        expected = take_step(layer.cell.name, params, before, x, **options_of(choice))
        for name, rows in zip(names, expected, strict=True):
            # A row that a cell multiplies itself is rounded to 1 / 32767 of its largest number.
            np.testing.assert_allclose(stream.state[name], rows, rtol=0, atol=2e-5)
        z = np.exp(stream.state["h_0"] @ head["W"] + head["b"])
        np.testing.assert_allclose(proba, z / z.sum(axis=1, keepdims=True), rtol=0, atol=2e-6)
    full = model.stream(2)
    for t in range(4):
        said = full.step(draw(2, 4, seed=1)[:, t])
    assert np.abs(proba - said).max() < 0.1


def dequantized(model):
    """A copy of a model, with the weights that whole numbers stand for."""
    model = copy.deepcopy(model)
    network = model.network_
    matrices = [part.params.get(k) for part in (*network.layers, network.head) for k in ("W", "U")]
    matrices += [stage.params.get("W") for stage in (network.front.stages if network.front else ())]
    for W in [*matrices, *(table.T for table in network.embeddings)]:
        if W is not None:
            q, scale = to_int8(W)
            W[...] = q * scale
    return model


def assert_near(model, X, *, atol=2e-3, **more):
    """Streams of int8 say what those of the rounded weights do, but for the rounding of rows."""
    small, full = model.stream(len(X), weights="int8", **more), dequantized(model).stream(len(X))
    for t in range(len(X[0])):
        np.testing.assert_allclose(small.step(X[:, t]), full.step(X[:, t]), rtol=0, atol=atol)


@FRONT
@pytest.mark.parametrize("pooling", ["last", "attention+max+mean"])
def test_poolings_and_what_stands_before_the_layers(front, pooling):
    assert_near(fit(sizes=(6, 5), pooling=pooling, **front), draw(3, 12, seed=2))


def test_scaling_and_missing_values():
    X = draw(8, 9)
    X[::2, 3] = np.nan
    model = RNNRegressor(6, missing="decay", max_iter=1, random_state=0).fit(X, X[:, 0, 0])
    assert_near(model, X)


def test_ids():
    X = [np.column_stack([x, np.arange(9) % 4]) for x in draw(8, 9)]
    model = RNNClassifier(6, categorical_features=[3], max_iter=1, random_state=0)
    assert_near(shake(model.fit(X, np.arange(8) % 2)), np.array(X))


@pytest.mark.parametrize("tied", [False, True])
def test_tokens(tied):
    text = "the quick brown fox jumps over the lazy dog; " * 4
    options = {"embedding_dim": 8, "tie_weights": tied, "max_iter": 1, "random_state": 0}
    model = shake(RNNLanguageModel(8, **options).fit(text))
    assert model.network_.head.tied == tied
    small, full = model.stream(weights="int8"), dequantized(model).stream()
    small.state = full.state
    for character in text[:20]:
        np.testing.assert_allclose(small.step(character), full.step(character), rtol=0, atol=1e-3)


@SMALL
def test_forecasts_and_classes_of_a_random_field(weights):
    rng = np.random.default_rng(0)
    wave = 10 + np.sin(np.arange(100) / 3) + 0.1 * rng.standard_normal(100)
    forecaster = plain_forecaster(6, max_iter=1, random_state=0).fit(wave)
    got = forecaster.stream(weights=weights).step(10.2)
    np.testing.assert_allclose(got, forecaster.stream().step(10.2), rtol=1e-2)
    tagger = fit(RNNTagger, output="crf")
    small, full = tagger.stream(weights=weights), tagger.stream()
    for x in draw(1, 6, seed=3)[0]:
        np.testing.assert_allclose(small.step(x), full.step(x), rtol=0, atol=0.05)


@SMALL
@pytest.mark.parametrize("front", [{}, FRONTS["all"]], ids=["", "front"])
def test_labels(weights, front):
    model = fit_labels(**front)
    (x, *_), stream = draw_frames(), model.stream(weights=weights)
    pushed = [*stream.push(x), *stream.finish()]
    bit_by_bit = [label for frame in x for label in stream.push(frame[np.newaxis])]
    assert pushed == [*bit_by_bit, *stream.finish()] and len(pushed) > 2
    if weights == "int8":
        assert pushed == dequantized(model).predict([x])[0].tolist()


@SMALL
def test_streams_are_copied_and_pickled_and_many_are_as_single_ones(weights):
    model = fit(sizes=(70, 9), cell="gru")
    X = draw(7, 6, seed=4)
    many, single = model.stream(7, weights=weights), model.stream(weights=weights)
    for t in range(3):
        many.step(X[:, t])
        single.step(X[2, t])
    again = pickle.loads(pickle.dumps(single))
    other = copy.copy(single)
    full = model.stream()
    full.state = single.state
    for t in range(3, 6):
        said = single.step(X[2, t])
        for stream in (again, other):
            np.testing.assert_array_equal(stream.step(X[2, t]), said)
        np.testing.assert_array_equal(many.step(X[:, t])[2], said)
        differs = np.abs(full.step(X[2, t]) - said).max()
        assert 0 < differs < NEAR[weights]


def test_bfloat16_is_the_rounding_of_models_that_are_fitted_so(monkeypatch):
    monkeypatch.setattr(rounding, "has_bfloat16", lambda: True)
    low, full = fit(sizes=(20, 9), precision="bfloat16"), fit(sizes=(20, 9))
    assert low.network_.rounds and not full.network_.rounds
    own, small = low.stream(2), full.stream(2, weights="bfloat16")
    whole, one_of_low = full.stream(2, weights="int8"), low.stream(2, weights="int8")
    for t in range(5):
        x = draw(2, 5, seed=5)[:, t]
        np.testing.assert_array_equal(own.step(x), small.step(x))
        np.testing.assert_array_equal(whole.step(x), one_of_low.step(x))


def test_rows_that_are_not_finite_stay_so():
    model = fit(cell="rnn", activation="relu")
    model.network_.layers[0].params["U"][...] = 3e38
    stream = model.stream(2, weights="int8")
    x = draw(2, 1, seed=6)[:, 0]
    x[1] = 0
    model.network_.layers[0].params["b"][...] = 0
    for _ in range(4):
        proba = stream.step(x)
    assert np.isnan(proba[0]).all()


def test_refusals():
    model = fit()
    for wrong in ("int4", "full", 8, True):
        with pytest.raises(
            ValueError, match=f"weights must be None or one of 'int8', 'bfloat16', got {wrong!r}"
        ):
            model.stream(weights=wrong)
    double = fit(dtype="float64")
    for weights in ("int8", "bfloat16"):
        with pytest.raises(
            ValueError, match=f"weights='{weights}' is for models of dtype='float32'"
        ):
            double.stream(weights=weights)
    model.network_.layers[0].params["W"][0, 0] = np.inf
    with pytest.raises(ValueError, match="weights that are finite"):
        model.stream(weights="int8")
