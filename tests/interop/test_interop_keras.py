"""Weights of Keras in and out: the same bits and the same outputs, or a clear refusal.

Weights and outputs of real models of Keras stand in data/keras.npz, which keras_reference.py wrote.
What needs Keras itself is skipped where it is missing.
"""

import numpy as np
import pytest
from keras_reference import (
    CASES,
    FILE,
    LENGTHS,
    MODELS,
    N_FEATURES,
    N_IDS,
    STACKS,
    build,
    draw,
    inputs,
    outputs,
)

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger, layers
from fastrnn.interop import from_keras, to_keras_weights

ESTIMATORS = {
    "classify": RNNClassifier(pooling="last"),
    "classify-ids": RNNClassifier(pooling="last"),
    "classify-two": RNNClassifier(pooling="mean"),
    "labels": RNNClassifier(pooling="max"),
    "regress": RNNRegressor(pooling="mean"),
    "tag": RNNTagger(),
    "tag-ids": RNNTagger(),
    "language": RNNLanguageModel(),
}

ATOL = 1e-6
"""Keras on PyTorch computes some steps of float64 layers in float32."""


@pytest.fixture
def keras():
    module = pytest.importorskip("keras", reason="Keras, whose weights these are, is missing")
    module.utils.set_random_seed(0)
    return module


@pytest.fixture(scope="module")
def stored():
    """By case: what is read of the file."""
    with np.load(FILE) as file:
        arrays = dict(file)
    return {
        name: {
            "weights": [
                arrays[f"{name}/weights/{k}"]
                for k in range(sum(key.startswith(f"{name}/weights/") for key in arrays))
            ],
            "x": arrays[f"{name}/x"],
            "outputs": arrays[f"{name}/outputs"],
        }
        for name in CASES
    }


def run_stack(stack, x):
    """What a list of layers gives for a padded batch of ragged sequences."""
    y = np.swapaxes(x, 0, 1)
    for layer in stack:
        y, _ = layer.forward(y, LENGTHS)
    return np.swapaxes(y, 0, 1)


def assert_same_as_model(name, fitted, x, expected):
    """Compare predictions for ragged lists with what Keras gives for padded arrays."""
    X = [row[:length] for row, length in zip(x, LENGTHS, strict=True)]
    if name == "regress":
        np.testing.assert_allclose(fitted.predict(X), expected, rtol=0, atol=ATOL)
    elif name == "classify-two":
        np.testing.assert_allclose(fitted.predict_proba(X)[:, 1:], expected, rtol=0, atol=ATOL)
    elif name == "language":
        for ids, p in zip(X, expected, strict=True):
            np.testing.assert_allclose(fitted.next_proba(ids), p[len(ids) - 1], rtol=0, atol=ATOL)
    elif name.startswith("tag"):
        for ours, p in zip(fitted.predict_proba(X), expected, strict=True):
            np.testing.assert_allclose(ours, p[: len(ours)], rtol=0, atol=ATOL)
    else:
        np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=0, atol=ATOL)


def keywords(name):
    """What a list of arrays does not tell."""
    cell = CASES[name][1]
    return {"activation": "relu"} if cell == "rnn-relu" else {}


class TestStoredWeights:
    @pytest.mark.parametrize("name", STACKS)
    def test_layers_give_the_same_outputs(self, stored, name):
        _, cell, both, dtype, *_ = STACKS[name]
        stack = from_keras(stored[name]["weights"], **keywords(name))
        assert [layer.hidden_size for layer in stack] == [3, 2]
        assert {layer.bidirectional for layer in stack} == {both}
        assert {layer.dtype.name for layer in stack} == {dtype}
        if cell.startswith("gru"):
            assert {layer.reset_after for layer in stack} == {cell == "gru"}
        np.testing.assert_allclose(
            run_stack(stack, stored[name]["x"]), stored[name]["outputs"], rtol=0,
            atol=ATOL,
        )  # fmt: skip

    @pytest.mark.parametrize("name", STACKS)
    def test_there_and_back_gives_the_same_bits(self, stored, name):
        given = stored[name]["weights"]
        stack = from_keras(given, **keywords(name))
        back = to_keras_weights(stack)
        assert [array.shape for array in back] == [array.shape for array in given]
        for k, (ours, theirs) in enumerate(zip(back, given, strict=True)):
            assert ours.dtype == theirs.dtype
            if k % 3 == 2 and STACKS[name][1] == "gru":  # its two rows of biases
                H = theirs.shape[1] // 3
                assert np.array_equal(ours[:, 2 * H :], theirs[:, 2 * H :])
                assert np.array_equal(ours[0, : 2 * H], theirs.sum(axis=0)[: 2 * H])
                assert not ours[1, : 2 * H].any()
            else:
                assert np.array_equal(ours, theirs)
        again = to_keras_weights(from_keras(back, **keywords(name)))
        assert all(map(np.array_equal, again, back))

    @pytest.mark.parametrize("name", MODELS)
    def test_estimators_give_the_same_outputs(self, stored, name):
        case = stored[name]
        of_ids, cell, both, dtype, _, n_outputs, _ = MODELS[name]
        meaning = {"multilabel": True} if name == "labels" else {}
        fitted = from_keras(case["weights"], ESTIMATORS[name], **meaning)
        assert fitted.cell == cell.partition("-")[0]
        assert fitted.bidirectional == both
        assert fitted.reset_after == (cell != "gru-before")
        assert fitted.hidden_layer_sizes == (3, 2)
        assert fitted.dtype == dtype
        assert fitted.n_categories_ == ((N_IDS,) if of_ids else ())
        assert fitted.n_features_in_ == (1 if of_ids else N_FEATURES)
        assert_same_as_model(name, fitted, case["x"], case["outputs"])
        back = to_keras_weights(fitted)
        if n_outputs > 1:
            again = from_keras(back, ESTIMATORS[name], **meaning)
            assert np.array_equal(again.network_.theta, fitted.network_.theta)

    @pytest.mark.parametrize("name", ["lstm-forward-float32", "gru-before-both-float32"])
    def test_are_copies(self, stored, name):
        given = stored[name]["weights"]
        before = [array.copy() for array in given]
        stack = from_keras(given)
        for array in to_keras_weights(stack):
            array += 1
        assert all(map(np.array_equal, to_keras_weights(stack), before))
        for layer in stack:
            layer.theta += 1
        assert all(map(np.array_equal, given, before))

    def test_classes_come_in_any_order(self, stored):
        case = stored["classify"]
        clf = from_keras(
            case["weights"], RNNClassifier(pooling="last"), classes=["dog", "ant", "cat"]
        )
        assert clf.classes_.tolist() == ["ant", "cat", "dog"]
        X = [row[:length] for row, length in zip(case["x"], LENGTHS, strict=True)]
        np.testing.assert_allclose(
            clf.predict_proba(X), case["outputs"][:, [1, 2, 0]], rtol=0, atol=ATOL
        )


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]


REFUSED = {
    "columns": (
        [(3, 8), (2, 9), (8,)],
        r"^array 1 of the list has shape \(2, 9\), expected \(2, 8\), the recurrent kernel",
    ),
    "gates": (
        [(3, 10), (5, 10), (10,)],
        r"^array 1 of the list has shape \(5, 10\), a recurrent kernel: expected 5, 15",
    ),
    "bias": (
        [(3, 8), (2, 8), (7,)],
        r"^array 2 of the list has shape \(7,\), expected \(8,\), the bias of a layer$",
    ),
    "bias of a GRU": (
        [(3, 6), (2, 6), (7,)],
        r"^array 2 of the list has shape \(7,\), expected \(2, 6\) or \(6,\), the bias",
    ),
    "one dimension": ([(8,)], r"^array 0 of the list has shape \(8,\), expected \(D, G·H\)"),
    "no units": ([(3, 8), (0, 8)], r"array 1 of the list has shape \(0, 8\), expected \(H"),
    "missing": ([(3, 8)], "^the list ends after 1 arrays: the recurrent kernel of a layer"),
    "none": ([], "^the list ends after 0 arrays: the kernel of a recurrent layer is"),
    "too many": (
        [(3, 8), (2, 8), (8,), (2, 4), (4,)],
        r"^the list goes on, where it should end, with shapes \(2, 4\), \(4,\); or ",
    ),
    "second layer": (
        [(3, 8), (2, 8), (8,), (5, 8), (2, 8), (8,)],
        r"^array 3 of the list has shape \(5, 8\), expected ",
    ),
    "cells": (
        [(3, 8), (2, 8), (8,), (2, 3), (3, 3), (3,)],
        r"different cells, \['lstm', 'rnn'\]",
    ),
    "conventions": (
        [(4, 6), (2, 6), (6,), (2, 6), (2, 6), (2, 6)],
        "some GRUs have reset_after=True and some not",
    ),
}


class TestLists:
    def test_without_biases(self):
        (layer,) = from_keras(arrays((3, 8), (2, 8)))
        assert not layer.params["b"].any()
        for convention in (None, True, False):
            (layer,) = from_keras(arrays((3, 6), (2, 6)), reset_after=convention)
            assert layer.reset_after == (convention is not False)
            assert not layer.params["b"].any()
            assert not layer.params["b_n"].any()
        reg = from_keras(
            arrays((3, 6), (2, 6), (2, 1)),
            RNNRegressor(cell="gru", reset_after=False, pooling="max"),
        )
        assert reg.reset_after is False
        assert not reg.network_.head.params["b"].any()

    def test_both_biases_of_a_candidate_are_one_in_keras_before_the_product(self):
        layer = layers.GRU(3, 4, reset_after=False, bidirectional=True, random_state=0)
        layer.theta[:] = np.random.default_rng(0).normal(size=layer.theta.shape)
        (again,) = from_keras(to_keras_weights(layer))
        assert not again.params["b_n"].any()
        x = np.ones((5, 1, 3))
        np.testing.assert_allclose(again.forward(x)[0], layer.forward(x)[0], rtol=0, atol=ATOL)

    def test_one_layer_of_two_directions_or_two_of_one(self):
        given = arrays((4, 16), (4, 16), (16,), (4, 16), (4, 16), (16,))
        with pytest.raises(ValueError, match="say which with bidirectional"):
            from_keras(given)
        assert len(from_keras(given, bidirectional=True)) == 1
        assert len(from_keras(given, bidirectional=False)) == 2
        # The head makes it clear.
        for rows, both in ((4, False), (8, True)):
            clf = from_keras([*given, *arrays((rows, 2), (2,))], RNNClassifier(pooling="max"))
            assert clf.bidirectional == both

    def test_numbers_beside_ids(self):
        given = arrays((5, 2), (6, 3), (7, 16), (4, 16), (16,), (4, 2), (2,))
        clf = from_keras(given, RNNClassifier(categorical_features=[0, 2], pooling="max"))
        assert (clf.embedding_dim, clf.n_features_in_) == ((2, 3), 4)
        assert np.array_equal(clf.network_.embeddings[1], given[1])
        assert all(map(np.array_equal, to_keras_weights(clf), given))

    def test_what_is_pooled_stands_side_by_side(self):
        given = arrays((3, 8), (2, 8), (8,), (4, 2), (2,))
        clf = from_keras(given, RNNClassifier(pooling="mean+max"))
        assert clf.network_.architecture.pooling == "mean+max"
        assert all(map(np.array_equal, to_keras_weights(clf), given))
        with pytest.raises(ValueError, match=r"has weights of its own, \['query'\], which are not"):
            from_keras(given, RNNClassifier(pooling="mean+attention"))

    def test_a_fitted_estimator(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(20, 5, 3)), rng.normal(50, 20, size=20)
        reg = RNNRegressor(4, cell="gru", conv=None, random_state=0, pooling="max").partial_fit(
            X, y
        )
        again = from_keras(to_keras_weights(reg), RNNRegressor(pooling="max"))
        np.testing.assert_allclose(again.predict(X), reg.predict(X), rtol=1e-6)
        model = RNNLanguageModel(4, tie_weights=True, random_state=0).partial_fit("abcab" * 20)
        back = to_keras_weights(model)
        assert np.array_equal(back[-2], back[0].T)

    @pytest.mark.parametrize("what", REFUSED)
    def test_refusals(self, what):
        shapes, message = REFUSED[what]
        with pytest.raises(ValueError, match=message):
            from_keras(arrays(*shapes))

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            ([(3, 8), (2, 8), (8,)], r"ends after 3 arrays: the kernel of the head, .* is missing"),
            (
                [(3, 8), (2, 8), (8,), (3, 2), (2,)],
                r"array 3 of the list has shape \(3, 2\), expected \(2, K\), the kernel of the",
            ),
            (
                [(3, 8), (2, 8), (8,), (2, 5), (4,)],
                r"array 4 of the list has shape \(4,\), expected \(5,\), the bias of the head",
            ),
            (
                [(9, 4), (3, 8), (2, 8), (8,), (2, 5), (5,)],
                r"^array 1 .* expected \(3, 4\), .*; or array 1 .* expected \(4, 8\), the",
            ),
        ],
    )
    def test_refusals_of_models(self, shapes, message):
        with pytest.raises(ValueError, match=message):
            from_keras(arrays(*shapes), RNNClassifier(pooling="max"))

    def test_refusals_of_what_is_said(self):
        lstm, gru = arrays((3, 8), (2, 8), (8,)), arrays((3, 9), (3, 9), (2, 9))
        with pytest.raises(ValueError, match=r"activation='relu' is for SimpleRNN, .* of lstm"):
            from_keras(lstm, activation="relu")
        with pytest.raises(
            ValueError, match=r"array 2 of the list has shape \(2, 9\), expected \(9,\)"
        ):
            from_keras(gru, reset_after=False)
        with pytest.raises(ValueError, match=r"hidden_layer_sizes=3 .* which have 2"):
            from_keras([*lstm, *arrays((2, 4), (4,))], RNNClassifier(3, pooling="max"))
        with pytest.raises(TypeError, match="estimator must be one such as RNNClassifier"):
            from_keras(lstm, "classifier")
        with pytest.raises(TypeError, match=r"weights must be a list of arrays, .* got ndarray"):
            from_keras(lstm[0])
        with pytest.raises(TypeError, match="array 0 of the list has dtype int64"):
            from_keras([np.ones((3, 8), int), *lstm[1:]])
        with pytest.raises(ValueError, match="array 2 of the list has a weight that is NaN"):
            from_keras([*lstm[:2], np.full(8, np.inf)])
        with pytest.raises(ValueError, match="carry_lstm has no equal in Keras"):
            to_keras_weights(layers.CarryLSTM(3, 4))


# Keras' own variables know nothing of numpy's argument `copy`.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
class TestWithKeras:
    @pytest.mark.parametrize("name", CASES)
    def test_the_file_is_what_keras_gives(self, keras, stored, name):
        model = build(name)
        model.set_weights(stored[name]["weights"])
        np.testing.assert_allclose(
            outputs(model, stored[name]["x"]), stored[name]["outputs"], rtol=0, atol=ATOL
        )

    @pytest.mark.parametrize("name", STACKS)
    def test_layers(self, keras, name):
        rng = np.random.default_rng(1)
        model, x = build(name), inputs(name, rng)
        draw(model, rng)
        parts = [layer for layer in model.layers if layer.get_weights()]
        expected = outputs(model, x)
        stack = from_keras(keras.Sequential(parts))
        one_by_one = [layer for part in parts for layer in from_keras(part)]
        for ours in (stack, one_by_one):
            np.testing.assert_allclose(run_stack(ours, x), expected, rtol=0, atol=ATOL)
        model.set_weights(to_keras_weights(stack))
        np.testing.assert_allclose(outputs(model, x), expected, rtol=0, atol=ATOL)

    @pytest.mark.parametrize("name", MODELS)
    def test_models(self, keras, name):
        rng = np.random.default_rng(1)
        model, x = build(name), inputs(name, rng)
        draw(model, rng)
        expected = outputs(model, x)
        # A model tells pooling and labels, too.
        fitted = from_keras(model, type(ESTIMATORS[name])())
        assert_same_as_model(name, fitted, x, expected)
        if name != "classify-two":  # which has two outputs now
            model.set_weights(to_keras_weights(fitted))
            np.testing.assert_allclose(outputs(model, x), expected, rtol=0, atol=ATOL)

    def test_functional_and_nested_models(self, keras):
        L = keras.layers
        inside = keras.Sequential(
            [keras.Input((None, 3)), L.LSTM(4, return_sequences=True), L.LSTM(3)]
        )
        x = keras.Input((None, 3))
        model = keras.Model(x, L.Dense(2)(inside(x)))
        clf = from_keras(model, RNNClassifier())
        assert clf.hidden_layer_sizes == (4, 3)
        assert all(map(np.array_equal, to_keras_weights(clf), model.get_weights()))

    def test_masks(self, keras):
        L = keras.layers
        below, above = (L.Bidirectional(L.GRU(4, return_sequences=more)) for more in (True, False))
        model = keras.Sequential(
            [keras.Input((None, 3)), L.Masking(), below, above, L.Dense(2), L.Softmax()]
        )
        rng = np.random.default_rng(1)
        draw(model, rng)
        x = inputs("classify", rng)
        X = [row[:length] for row, length in zip(x, LENGTHS, strict=True)]
        clf = from_keras(model, RNNClassifier())
        expected = keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(x)))
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=ATOL)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda L: [L.LSTM(4, go_backwards=True), L.Dense(2)],
                "has go_backwards=True, of which",
            ),
            (lambda L: [L.LSTM(4, stateful=True), L.Dense(2)], "stateful=True"),
            (
                lambda L: [L.LSTM(4, activation="relu"), L.Dense(2)],
                "activation='relu', .* expected 'tanh'",
            ),
            (
                lambda L: [L.GRU(4, recurrent_activation="hard_sigmoid"), L.Dense(2)],
                "'hard_sigmoid'",
            ),
            (lambda L: [L.SimpleRNN(4, activation="elu"), L.Dense(2)], "expected 'tanh' or 'relu'"),
            (
                lambda L: [L.Bidirectional(L.LSTM(4), merge_mode="sum"), L.Dense(2)],
                "merge_mode='sum'",
            ),
            (lambda L: [L.LSTM(4), L.LayerNormalization()], "no equal of LayerNormalization at"),
            (lambda L: [L.Conv1D(4, 3), L.LSTM(4)], "no equal of Conv1D at"),
            (lambda L: [L.RNN(L.LSTMCell(4))], "no equal of RNN at"),
            (lambda L: [L.LSTM(4), L.Dense(3), L.Dense(2)], "no equal of Dense at"),
            (lambda L: [L.LSTM(4, return_sequences=True), L.GRU(4), L.Dense(2)], "different cells"),
            (
                lambda L: [
                    L.SimpleRNN(4, activation="relu", return_sequences=True),
                    L.SimpleRNN(4),
                    L.Dense(2),
                ],
                "different activations",
            ),
            (
                lambda L: [L.Bidirectional(L.GRU(4, return_sequences=True)), L.GRU(4), L.Dense(2)],
                "some layers are Bidirectional and some not",
            ),
            (lambda L: [L.LSTM(4)], "no Dense layer, which an estimator needs"),
            (lambda L: [L.LSTM(4), L.Dense(3, activation="relu")], "head has activation 'relu'"),
            (
                lambda L: [L.LSTM(4), L.Dense(3, activation="softmax"), L.Softmax()],
                "second activation",
            ),
            (
                lambda L: [L.LSTM(4, return_sequences=True), L.Dense(3)],
                "the head reads every step, but RNNClassifier",
            ),
            (
                lambda L: [L.LSTM(4, return_sequences=True), L.GlobalMaxPooling1D(), L.Dense(3)],
                "pooling='mean' of the estimator does not agree with the weights, which have 'max'",
            ),
        ],
    )
    def test_refusals(self, keras, make, message):
        model = keras.Sequential([keras.Input((5, 3), batch_size=2), *make(keras.layers)])
        chosen = {"pooling": "mean"} if "pooling" in message else {}
        with pytest.raises(ValueError, match=message):
            from_keras(model, RNNClassifier(**chosen))

    def test_more_refusals(self, keras):
        L = keras.layers
        with pytest.raises(ValueError, match="has no weights yet"):
            from_keras(L.LSTM(4))
        model = keras.Sequential([keras.Input((5, 3)), L.LSTM(4), L.Dense(3, activation="sigmoid")])
        with pytest.raises(ValueError, match="give an estimator for all, or the recurrent layers"):
            from_keras(model)
        with pytest.raises(ValueError, match="multilabel=True has no meaning for RNNRegressor"):
            from_keras(model, RNNRegressor())
        with pytest.raises(
            ValueError, match="'sigmoid', but with 3 outputs RNNClassifier has 'sof"
        ):
            from_keras(model, RNNClassifier(), multilabel=False)
        with pytest.raises(ValueError, match="RNNTagger predicts something for every step"):
            from_keras(model, RNNTagger())
        with pytest.raises(ValueError, match="bidirectional is for a list of arrays"):
            from_keras(model, RNNClassifier(), bidirectional=False)
        model = keras.Sequential([keras.Input((None,)), L.Embedding(5, 3), L.LSTM(4)])
        with pytest.raises(ValueError, match="no layer for Embedding: give an estimator"):
            from_keras(model)
