"""Models of label sequences in ONNX Runtime and in C: what they say is what is predicted."""

import ctypes
import json

import numpy as np
import pytest
from compiling import SANITIZERS, STRICT, Compiled, pointer, run, shaken
from front_cases import FRONT, FRONTS

from fastrnn import RNNSeq2Seq
from fastrnn.interop import export_c, to_keras_weights, to_onnx, to_torch_state_dict

pytestmark = pytest.mark.filterwarnings("ignore:.*max_iter:UserWarning")

LENGTHS = np.array([40, 1, 61, 2, 33, 50])
LABELS = {"strings": ["a", "bc", "ü"], "numbers": [7, 0, 1 << 40]}


def draw(width=2, seed=5):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, width)) for n in LENGTHS]


def fit(X=None, labels="strings", **params):
    """A model that has hardly learned anything, and says many labels."""
    X = draw() if X is None else X
    y = [LABELS[labels][n % 3 :][:1] for n in range(len(X))]
    params = {"hidden_layer_sizes": (5, 4), "max_iter": 1, "random_state": 0, "conv": None} | params
    model = untidy(RNNSeq2Seq(alignment="ctc", **params).fit(X, y), X)
    assert max(map(len, model.predict(X))) > 1
    return model


def untidy(model, X):
    """Give it weights with which none of the outputs is likeliest everywhere."""
    head = shaken(model).network_.head.params
    head["b"][...] = -np.concatenate(model.hidden_states(X)).mean(axis=0) @ head["W"]
    return model


def pad(X, fill, dtype):
    padded = np.full((len(X), max(map(len, X)), X[0].shape[1]), fill, dtype)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return padded


def run_onnx(model, **feeds):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values = session.run(None, {"lengths": LENGTHS, **feeds})
    said = dict(zip([output.name for output in session.get_outputs()], values, strict=True))
    return said, session.get_modelmeta().custom_metadata_map


def assert_predicted(said, model, X):
    expected = zip(model.predict_proba(X), model.predict(X), strict=True)
    nothing = -1 if model.classes_.dtype.kind == "i" else ""
    for n, (proba, labels) in enumerate(expected):
        rows, n_labels = said["probabilities"][n], said["n_labels"][n]
        np.testing.assert_allclose(rows[: len(proba)], proba, rtol=1e-5, atol=1e-5)
        assert not rows[len(proba) :].any()
        assert said["labels"][n, :n_labels].tolist() == labels.tolist()
        assert set(said["labels"][n, n_labels:].tolist()) <= {nothing}


@FRONT
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_onnx_says_what_is_predicted(front, bidirectional):
    X, model = draw(), fit(bidirectional=bidirectional, **front)
    said, metadata = run_onnx(model, X=pad(X, np.nan, "float32"))
    assert_predicted(said, model, X)
    assert json.loads(metadata["classes"]) == LABELS["strings"]
    assert json.loads(metadata["blank"]) == said["probabilities"].shape[2] - 1 == 3
    assert json.loads(metadata["estimator"]) == "RNNSeq2Seq"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_onnx_of_numbers_without_a_front(dtype):
    X = draw()
    model = fit(labels="numbers", dtype=dtype, cell="carry_lstm", scaling="standard")
    said, metadata = run_onnx(model, X=pad(X, np.nan, dtype))
    assert_predicted(said, model, X)
    assert said["labels"].dtype == np.int64
    assert json.loads(metadata["classes"]) == sorted(LABELS["numbers"])


def test_onnx_of_ids():
    rng = np.random.default_rng(0)
    X = [np.hstack([x, rng.integers(4, size=(len(x), 1))]) for x in draw()]
    model = fit(X, categorical_features=[2], **FRONTS["all"])
    padded = pad(X, 0, "float64")
    feeds = {"X": padded[:, :, :2].astype("float32"), "ids": padded[:, :, 2:].astype(int)}
    assert_predicted(run_onnx(model, **feeds)[0], model, X)


def test_texts(tmp_path, compiler):
    pytest.importorskip("onnx", reason="onnx is not installed")
    X = ["abcab" * 3, "cab" * 4, "bca" * 5, "a", "bb", "ccc"]
    params = {"tokenizer": "char", "target_tokenizer": "word", "bidirectional": False}
    model = RNNSeq2Seq(8, alignment="ctc", conv=None, max_iter=1, random_state=0, **params)
    model = untidy(model.fit(X, ["ja nein", "ja", "nein", "ja", "", ""]), X)
    ids = [[model.encoder_.vocabulary_[letter] for letter in x] for x in X]
    padded = np.zeros((6, 15, 1), np.int64)
    for row, of_one in zip(padded, ids, strict=True):
        row[: len(of_one), 0] = of_one
    onnx, compiled = to_onnx(model), Spoken(model, tmp_path, compiler)
    assert {"ids", "lengths"} == {one.name for one in onnx.graph.input}
    said, metadata = run_onnx(model, ids=padded, lengths=np.array([*map(len, X)]))
    assert json.loads(metadata["tokens"]) == ["<unk>", *model.encoder_.vocabulary_]
    assert "the token, its id of encoder_" in compiled.header
    for n, text in enumerate(model.predict(X)):
        assert " ".join(said["labels"][n, : said["n_labels"][n]]) == text
        numbers = compiled.labels(None, np.array(ids[n])[:, np.newaxis])
        assert " ".join(model.classes_[numbers]) == text
    assert max(said["n_labels"]) > 2


@pytest.mark.parametrize("export", [to_torch_state_dict, to_keras_weights])
def test_weights_of_others_have_no_blank(export):
    library = "PyTorch" if export is to_torch_state_dict else "Keras"
    match = f"no export of what RNNSeq2Seq answers to {library}: export the model to ONNX or C"
    with pytest.raises(TypeError, match=match):
        export(fit())


# In C.


class Spoken(Compiled):
    """A compiled model that says labels."""

    def push(self, stream, x, ids=None):
        """Return the labels that are new with a step, None if it is refused."""
        label = ctypes.c_int(-7)
        n_new = self.library.model_push(stream, *self.inputs(x, ids), ctypes.byref(label))
        assert (label.value == -7) == (n_new != 1)
        return None if n_new == -1 else [label.value] * n_new

    def finish(self, stream):
        labels = np.full(self.constant("N_REST"), -7, np.intc)
        return labels[: self.library.model_finish(stream, pointer(labels))].tolist()

    def labels(self, x, ids=None):
        n_steps = len(ids if x is None else x)
        labels = np.full(max(1, n_steps), -7, np.intc)
        self.library.model_labels.restype = ctypes.c_longlong
        inputs = self.inputs(x, ids)
        n = self.library.model_labels(*inputs, ctypes.c_size_t(n_steps), pointer(labels))
        return None if n == -1 else labels[:n].tolist()


def assert_says(spoken, model, X, n_numbers=2):
    """Labels of streams and of whole sequences, and probabilities, are those of Python."""
    names, stream = model.classes_, spoken.stream()
    for x, expected in zip(X, model.predict(X), strict=True):
        numbers, ids = x[:, :n_numbers], x[:, n_numbers:].astype(int)
        own, said = model.stream(), []
        for x_t, number_t, ids_t in zip(x, numbers, ids, strict=True):
            new = spoken.push(stream, number_t, ids_t)
            assert names[new].tolist() == own.push(x_t[np.newaxis]).tolist()
            said += new
        said += spoken.finish(stream)
        assert names[said].tolist() == expected.tolist()
        assert spoken.labels(numbers, ids) == said
        proba, own = spoken.run(numbers, ids, every_step=True), model.stream()
        for x_t, row in zip(x, proba, strict=True):
            np.testing.assert_allclose(row, own.step(x_t), rtol=0, atol=1e-5)


@FRONT
@pytest.mark.parametrize("flags", ["-O2", f"-O1 {SANITIZERS}"], ids=["plain", "checked"])
def test_c_says_what_streams_say(front, flags, tmp_path, compiler):
    model = fit(bidirectional=False, **front)
    export_c(model, tmp_path / "model.c")
    if flags != "-O2":  # a library with sanitizers cannot be loaded by Python
        (tmp_path / "main.c").write_text(MAIN)
        run(f"{compiler} {STRICT} {flags} -o main main.c model.c -lm", tmp_path)
        x = draw()[0]
        text = "\n".join(" ".join(map(repr, row)) for row in x.tolist())
        said = run("./main", tmp_path, input=text).split()
        assert said == [str(label) for label in model.predict([x])[0]]
        return
    assert_says(Spoken(model, tmp_path, compiler, flags), model, draw())


MAIN = """\
#include "model.h"

#include <stdio.h>

int main(void)
{
    model_stream stream;
    float x[MODEL_N_FEATURES];
    int label, rest[MODEL_N_REST], n_rest;

    model_init(&stream);
    while (scanf("%f %f", &x[0], &x[1]) == 2)
        if (model_push(&stream, x, &label) == 1)
            printf("%s ", model_classes[label]);
    n_rest = model_finish(&stream, rest);
    for (int n = 0; n < n_rest; n++)
        printf("%s ", model_classes[rest[n]]);
    return model_finish(&stream, rest);
}
"""


def test_c_of_ids_and_numbers_as_labels(tmp_path, compiler):
    rng = np.random.default_rng(0)
    X = [np.hstack([x, rng.integers(4, size=(len(x), 1))]) for x in draw()]
    params = {"categorical_features": [2], "labels": "numbers", "missing": "mask"}
    model = fit(X, bidirectional=False, cell="lstm", scaling="standard", **params)
    spoken = Spoken(model, tmp_path, compiler)
    assert_says(spoken, model, X)
    text = (tmp_path / "model.c").read_text()
    assert "const long long model_classes[MODEL_BLANK] = {\n    0LL,\n    7LL," in text
    assert spoken.constant("BLANK") == 3


def test_steps_and_pushes_are_of_one_stream(tmp_path, compiler):
    model = fit(bidirectional=False, **FRONTS["all"])
    spoken, (x, *_) = Spoken(model, tmp_path, compiler), draw()
    stream, own, said, expected = spoken.stream(), model.stream(), [], []
    for t, x_t in enumerate(x):
        if t % 3:
            spoken.step(stream, x_t)
            own.step(x_t)
        else:
            said += spoken.push(stream, x_t)
            expected += own.push(x_t[np.newaxis]).tolist()
    said += spoken.finish(stream)
    assert model.classes_[said].tolist() == expected + own.finish().tolist()


def test_what_c_refuses(tmp_path, compiler):
    model = fit(bidirectional=False, stride=2)
    spoken, (x, *_) = Spoken(model, tmp_path, compiler), draw()
    stream, wrong = spoken.stream(), x.copy()
    wrong[9, 1] = np.nan
    assert spoken.finish(stream) == []
    said = []
    for x_t in x:
        assert spoken.push(stream, wrong[9]) is None
        said += spoken.push(stream, x_t)
    said += spoken.finish(stream)
    assert model.classes_[said].tolist() == model.predict([x])[0].tolist()
    assert spoken.labels(wrong) is None
    assert spoken.labels(x[:0]) is None
    with pytest.raises(ValueError, match="the model is bidirectional"):
        export_c(fit(bidirectional=True), tmp_path / "both.c")
