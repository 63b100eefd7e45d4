"""C export with small weights: what streams with them say, and what is written."""

import copy
import re

import numpy as np
import pytest
from compiling import Compiled, c_scale, classifier, make_sequences, make_series, run, tagger
from contract import plain_forecaster
from every_cell import CHOICES
from front_cases import FRONTS

from fastrnn import RNNLanguageModel, RNNSeq2Seq
from fastrnn.interop import export_c

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

SMALL = pytest.mark.parametrize("weights", ["int8", "bfloat16"])
NEAR = {"int8": 1e-4, "bfloat16": 0.03}
"""How far from a stream. A state whose last bit differs may become another number of int16; with
bfloat16 streams round rows, too."""


def assert_follows(compiled, stream, x, atol):
    other = compiled.stream()
    for x_t in x:
        said = compiled.step(other, x_t)
        np.testing.assert_allclose(said, stream.step(x_t), rtol=0, atol=atol)
    return said


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_cell(choice, tmp_path, compiler):
    model = classifier(hidden_layer_sizes=(9, 6), bidirectional=False, **choice)
    compiled = Compiled(model, tmp_path, compiler, weights="int8")
    for x in make_sequences(2, seed=1):
        assert_follows(compiled, model.stream(weights="int8"), x, NEAR["int8"])


@SMALL
def test_poolings_and_what_stands_before_the_layers(weights, tmp_path, compiler):
    model = classifier(cell="gru", pooling="mean+attention", **FRONTS["all"])
    compiled = Compiled(model, tmp_path, compiler, weights=weights)
    x = np.vstack(make_sequences(3, seed=1))
    said = assert_follows(compiled, model.stream(weights=weights), x, NEAR[weights])
    assert 0 < np.abs(said - model.predict_proba([x])[0]).max() < 0.1


@SMALL
def test_ids(weights, tmp_path, compiler):
    X = [np.column_stack([x, np.arange(len(x)) % 4]) for x in make_sequences()]
    model = classifier(X=X, categorical_features=[3], embedding_dim=5, cell="lstm")
    compiled, stream = (
        Compiled(model, tmp_path, compiler, weights=weights),
        model.stream(weights=weights),
    )
    other = compiled.stream()
    for x_t in X[0]:
        said = compiled.step(other, x_t[:3], x_t[3:].astype(int))
        np.testing.assert_allclose(said, stream.step(x_t), rtol=0, atol=NEAR[weights])


@SMALL
@pytest.mark.parametrize("tie_weights", [False, True])
def test_tokens(tie_weights, weights, tmp_path, compiler):
    model = RNNLanguageModel(6, embedding_dim=6, tie_weights=tie_weights, random_state=0)
    model.set_params(max_iter=1).fit("the quick brown fox; " * 9)
    compiled, stream = (
        Compiled(model, tmp_path, compiler, weights=weights),
        model.stream(weights=weights),
    )
    other = compiled.stream()
    stream.state = stream.state | {name: 0 * rows for name, rows in stream.state.items()}
    for k in [3, 1, 4, 1, 5]:
        said = compiled.step(other, ids=[k])
        np.testing.assert_allclose(said, stream.step(k), rtol=0, atol=NEAR[weights])


@SMALL
def test_forecasts_and_labels(weights, tmp_path, compiler):
    values = make_series()
    model = plain_forecaster(4, max_iter=1, random_state=0).fit(values)
    compiled = Compiled(model, tmp_path, compiler, weights=weights)
    other, stream = compiled.stream(c_scale(model, values)), model.stream(weights=weights)
    stream.state = stream.state | {k: 0 * v for k, v in stream.state.items() if k != "n_steps"}
    for value in values[:5]:
        said = compiled.step(other, [value])
        np.testing.assert_allclose(said, np.ravel(stream.step(value)), rtol=1e-2)

    X = make_sequences(8)
    model = RNNSeq2Seq(5, alignment="ctc", bidirectional=False, max_iter=1, random_state=0)
    model.set_params(conv=None, stride=1).fit(X, [["a", "b"]] * len(X))
    theta = model.network_.theta
    theta[...] = np.random.default_rng(0).standard_normal(len(theta))
    head = model.network_.head.params
    head["b"][...] = -np.concatenate(model.hidden_states(X)).mean(axis=0) @ head["W"]
    compiled, stream = (
        Compiled(model, tmp_path, compiler, weights=weights),
        model.stream(weights=weights),
    )
    other, said, expected, label = compiled.stream(), [], [], np.zeros(1, np.intc)
    for x_t in np.vstack(X).astype(np.float32):
        if compiled.library.model_push(other, *compiled.inputs(x_t, None), label.ctypes):
            said.append(model.classes_[label[0]])
        expected += stream.push(x_t[np.newaxis]).tolist()
    assert said == expected and len(said) > 2


def test_bfloat16_rounds_weights_alone(tmp_path, compiler):
    model = classifier(cell="gru", hidden_layer_sizes=(9, 6), **FRONTS["all"])
    ties = np.array([0x3F808000, 0x3F818000], np.uint32).view(np.float32)
    model.network_.layers[0].params["W"][:2] = ties[:, np.newaxis]
    rounded = copy.deepcopy(model)
    network = rounded.network_
    for part in (*network.layers, *network.front.stages, network.head):
        for name in {"W", "U"} & part.params.keys():
            W = part.params[name]
            bits = W.view(np.uint32).astype(np.uint64)
            # To nearest, of two as near to the even one.
            halves = np.rint(bits / 2**16).astype(np.uint32)
            W[...] = (halves << 16).view(np.float32)
    small = Compiled(model, tmp_path, compiler, weights="bfloat16")
    full = Compiled(rounded, tmp_path, compiler)
    x = np.vstack(make_sequences(3, seed=1))
    one, other = small.stream(), full.stream()
    for x_t in x:
        np.testing.assert_array_equal(small.step(one, x_t), full.step(other, x_t))


def test_numbers_of_int8_that_are_written(tmp_path):
    model = classifier(cell="lstm", hidden_layer_sizes=4, conv=None)
    W = model.network_.layers[0].params["W"]
    W[:, 0], W[0, 1] = 0, 100
    export_c(model, tmp_path / "model.c", weights="int8")
    text = (tmp_path / "model.c").read_text()
    arrays = dict(re.findall(r"int8_t (\w+)\[[^]]+\] = \{(.*?)\}", text, re.DOTALL))
    assert arrays.keys() == {"W1", "U1", "Wy"}
    q = np.array([int(number) for number in arrays["W1"].split(",")[:-1]]).reshape(W.T.shape)
    scale = np.abs(W).max(axis=0) / 127
    np.testing.assert_array_equal(q, np.rint(W / np.where(scale > 0, scale, 1)).T)
    assert q[1, 0] == 127 and not q[0].any()
    assert max(map(len, text.splitlines())) <= 100


def test_rows_that_are_not_finite_say_nan(tmp_path, compiler):
    model = tagger(cell="rnn", activation="relu", hidden_layer_sizes=3, scaling=None)
    (layer,) = model.network_.layers
    layer.params["W"][...], layer.params["U"][...] = 1, 3e38
    compiled = Compiled(model, tmp_path, compiler, weights="int8")
    stream = compiled.stream()
    for _ in range(4):
        said = compiled.step(stream, [1, 1, 1])
    assert np.isnan(said).all()


@SMALL
def test_sanitizers(weights, tmp_path, compiler):
    model = classifier(hidden_layer_sizes=(7, 4), **FRONTS["all"])
    trapped = "-fsanitize=undefined -fsanitize-undefined-trap-on-error -O1"
    (tmp_path / "nothing.c").write_text("int main(void) { return 0; }\n")
    try:
        run(f"{compiler} {trapped} nothing.c -o nothing", tmp_path)
    except AssertionError:
        pytest.skip(f"{compiler} has no sanitizers")
    compiled = Compiled(model, tmp_path, compiler, trapped, weights)
    for x in (np.zeros(3), np.full(3, 1e-35), np.full(3, 3e38), np.array([1, -1e20, 1e20])):
        compiled.step(compiled.stream(), x)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="weights must be None or one of 'int8', 'bfloat16'"):
        export_c(classifier(), tmp_path / "model.c", weights="int4")
    model = classifier()
    model.network_.head.params["W"][0, 0] = 3.4e38
    with pytest.raises(ValueError, match="do not fit into bfloat16"):
        export_c(model, tmp_path / "model.c", weights="bfloat16")
    assert not list(tmp_path.iterdir())
    export_c(classifier(dtype="float64"), tmp_path / "model.c", weights="int8")
