"""RNNSeq2Seq with attention: labels that a decoder tells, one after the other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_problems import small

from fastrnn import RNNSeq2Seq, load
from fastrnn.interop import export_c, to_onnx, to_torch_state_dict
from fastrnn.memory import MemoryLimitError
from fastrnn.metrics import edit_error_rate
from fastrnn.plotting import AttentionDisplay

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def reverse(n, seed=0, longest=5):
    """Ids, and the same from the end."""
    rng = np.random.default_rng(seed)
    X = [rng.integers(5, size=rng.integers(2, longest)) for _ in range(n)]
    return X, [x[::-1] for x in X]


def model(**params):
    return small(RNNSeq2Seq, **{"embedding_dim": 4, "max_iter": 2, **params})


@pytest.fixture(scope="module")
def learned():
    """A model that has learned to reverse, and what it has not seen."""
    X, y = reverse(400)
    fitted = RNNSeq2Seq(
        32, embedding_dim=16, label_embedding_dim=16, max_iter=25, dropout=0.0, random_state=0
    ).fit(X, y)
    return fitted, *reverse(60, seed=1)


def test_it_learns_to_reverse(learned):
    fitted, X, y = learned
    assert fitted.score(X, y) > 0.9
    assert edit_error_rate(y, fitted.predict(X)) < 0.05
    assert fitted.alignment == "attention"
    assert fitted.n_outputs_ == 6  # five labels and the end


def test_answers_agree(learned):
    fitted, X, y = learned
    values = fitted.score_samples(X, y)
    assert values.shape == (60,)
    assert (values < 0).all()
    for n, of_one in enumerate(fitted.predict_nbest(X[:10], 8)):
        logs = [value for _, value in of_one]
        assert logs == sorted(logs, reverse=True)
        assert len({tuple(labels) for labels, _ in of_one}) == len(of_one) == 8
        again = fitted.score_samples([X[n]] * 8, [labels for labels, _ in of_one])
        assert_allclose(logs, again, rtol=1e-4, atol=1e-5)
    beam = fitted.set_params(beam_size=8).predict(X[:10])
    fitted.set_params(beam_size=1)
    for labels, of_one in zip(beam, fitted.predict_nbest(X[:10], 8), strict=True):
        assert_array_equal(labels, of_one[0][0])


def test_it_looks_where_the_label_stands(learned):
    fitted, X, y = learned
    for x, weights in zip(X, fitted.attention_weights(X, y), strict=True):
        assert weights.shape == (len(x) + 1, len(x))
        assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    of_predicted = fitted.attention_weights(X[:3])
    of_told = fitted.attention_weights(X[:3], fitted.predict(X[:3]))
    for one, other in zip(of_predicted, of_told, strict=True):
        assert_array_equal(one, other)
    pytest.importorskip("matplotlib").use("agg")
    display = AttentionDisplay.from_estimator(fitted, X[0], y[0])
    assert display.labels == [*map(str, y[0]), "(end)"]


def test_no_more_labels_than_max_length(learned):
    fitted, X, _ = learned
    assert max(map(len, fitted.set_params(max_length=2).predict(X))) == 2
    assert {len(labels) for of_one in fitted.predict_nbest(X[:3], 9) for labels, _ in of_one} <= {
        0, 1, 2,
    }  # fmt: skip
    fitted.set_params(max_length=None)


def test_length_normalization_prefers_long_ones(learned):
    fitted, X, _ = learned
    lengths = []
    for power in (0.0, 3.0):
        fitted.set_params(length_normalization=power)
        found = fitted.predict_nbest(X[:20], 5)
        lengths.append(np.mean([len(labels) for of_one in found for labels, _ in of_one]))
        for of_one in found:
            scores = [value / (len(labels) + 1) ** power for labels, value in of_one]
            assert scores == sorted(scores, reverse=True)
    fitted.set_params(length_normalization=0.0)
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize(
    "params",
    [
        {"attention": "dot", "bidirectional": True, "hidden_layer_sizes": (4, 3)},
        {"attention": "additive", "cell": "lstm", "decoder_layer_sizes": (6, 4)},
        {"input_feeding": True, "tie_weights": True, "decoder_layer_sizes": 7},
        {"label_smoothing": 0.1, "scheduled_sampling": 0.5, "stride": 2, "conv": [[4, 3, 1]]},
        {"missing": "decay", "embedding_dim": None, "cell": "carry_lstm"},
    ],
    ids=str,
)
def test_files_keep_every_kind(params, tmp_path):
    X, y = reverse(30)
    if params.get("missing"):
        X = [np.column_stack([x, np.where(x > 3, np.nan, x)]) for x in X.copy()]
    fitted = model(**params).fit(X, y)
    decoder = fitted.network_.architecture.decoder
    if params.get("attention") == "dot":
        assert decoder.hidden_layer_sizes == (4, 6)
    assert decoder.tied == params.get("tie_weights", False)
    fitted.save(tmp_path / "told")
    again = load(tmp_path / "told")
    assert again.network_.label_smoothing == params.get("label_smoothing", 0.0)
    assert_array_equal(fitted.score_samples(X, y), again.score_samples(X, y))
    for one, other in zip(fitted.predict(X), again.predict(X), strict=True):
        assert_array_equal(one, other)


def test_training_goes_on_with_other_regularization():
    X, y = reverse(30)
    fitted = model(dropout=0.1).fit(X, y)
    fitted.set_params(dropout=0.4, label_smoothing=0.2, warm_start=True).fit(X, y)
    network = fitted.network_
    assert network.label_smoothing == 0.2
    assert network.encoder.dropout == network.decoder.dropout == 0.4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alignment": "ctc"}, "alignment='attention', not 'ctc'"),
        ({"attention": "additive"}, "attention='general', not 'additive'"),
        ({"decoder_layer_sizes": 9}, r"decoder.hidden_layer_sizes=\(6,\), not \(9,\)"),
    ],
)
def test_the_network_stays(change, words):
    X, y = reverse(20)
    fitted = model().fit(X, y)
    with pytest.raises(ValueError, match=f"^warm_start=True goes on .* which has {words}"):
        fitted.set_params(warm_start=True, **change).fit(X, y)


def test_memory_without_targets():
    X, y = reverse(50, longest=30)
    as_long = model().estimate_memory(X)
    assert 0.9 < as_long / model().estimate_memory(X, y) <= 1
    assert model().estimate_memory(X, [labels[:1] for labels in y]) < 0.95 * as_long
    assert model(hidden_layer_sizes=64).estimate_memory(X) > 1.5 * as_long


@pytest.mark.parametrize(
    "params",
    [
        {"scaling": "standard", "attention": "additive", "dropout": 0.3, "label_smoothing": 0.2},
        {"missing": "decay", "bidirectional": False},
        {"missing": "mask", "stride": 2, "cell": "lstm", "input_feeding": True},
    ],
    ids=str,
)
def test_gradients(params):
    rng = np.random.default_rng(0)
    X = [rng.normal(3.0, 5.0, size=(n, 2)) for n in (1, 3, 6, 2, 5)]
    if "missing" in params:
        for x in X:
            x[1::3, 0] = np.nan
    y = [["a"], ["b", "a"], [], ["b"], ["a", "a", "b"]]
    params = {"dtype": "float64", "embedding_dim": None, **params}
    fitted = model(**params).fit(X, y)
    said = fitted.predict(X)
    of_loss, of_said = fitted.input_gradients(X, y), fitted.input_gradients(X)
    for n, x in enumerate(X):
        for t, j in np.ndindex(x.shape):
            sides = [x.copy(), x.copy()]
            sides[0][t, j] -= 1e-4
            sides[1][t, j] += 1e-4
            for got, labels, share in (
                (of_loss[n], y[n], -1 / (len(y[n]) + 1)),
                (of_said[n], said[n], 1.0),
            ):
                below, above = fitted.score_samples(sides, [labels] * 2)
                expected = 0.0 if np.isnan(x[t, j]) else share * (above - below) / 2e-4
                assert_allclose(got[t, j], expected, rtol=1e-5, atol=1e-9)
    flow = fitted.gradient_flow(X, y, sample_weight=[1, 0, 2, 1, 1])
    steps = np.diff(fitted.network_.offsets_read(fitted.reader_.read(X, "float64")))
    n_names = 1 if params.get("bidirectional") is False else len(flow.names)
    assert [norms.shape for norms in flow.norms] == [(n_names, n) for n in steps]
    assert (flow.from_start > 0).all()
    assert_allclose(
        flow.from_end[:, 0],
        np.average([norms[:, -1] for norms in flow.norms], axis=0, weights=[1, 0, 2, 1, 1]),
    )
    with pytest.raises(ValueError, match="output is for alignment='ctc'"):
        fitted.input_gradients(X, output=0)
    with pytest.raises(ValueError, match="sample_weight is zero for every sequence"):
        fitted.gradient_flow(X, y, sample_weight=np.zeros(5))


def test_gradients_are_refused_that_need_more_memory_than_there_is(monkeypatch):
    X = [np.random.default_rng(n).normal(size=(4, 1)) for n in range(4)]
    y = [["a"], ["b"]] * 2
    fitted = model(embedding_dim=None).fit(X, y)
    monkeypatch.setattr("fastrnn.free_memory._SMALL", 0)
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 2**17)
    fitted.predict(X)
    for ask in (fitted.gradient_flow, fitted.input_gradients):
        with pytest.raises(MemoryLimitError, match="Backpropagation needs about"):
            ask(X, y)


def test_what_there_is_not_is_refused(learned):
    fitted, X, y = learned
    with pytest.raises(ValueError, match="stream is for alignment='ctc'"):
        fitted.stream()
    with pytest.raises(ValueError, match="all columns of X are ids, which have no gradient"):
        fitted.input_gradients(X, y)
    for name in ("predict_proba", "align"):
        with pytest.raises(AttributeError, match=name):
            getattr(fitted, name)
    with pytest.raises(AttributeError, match="attention_weights"):
        model(alignment="ctc").attention_weights(X)
    for export in (to_torch_state_dict, to_onnx, lambda one: export_c(one, "told.c")):
        with pytest.raises(TypeError, match=r"no export .* with alignment='attention'"):
            export(fitted)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"attention": "dot", "decoder_layer_sizes": 5, "bidirectional": True}, "got 12 .* and 5"),
        ({"attention": "local"}, "attention must be one of"),
        ({"max_length": 0}, "max_length must be a whole number >= 1 or None"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be a number in \[0, 1\)"),
        ({"length_normalization": -1}, "length_normalization must be a number >= 0"),
    ],
    ids=str,
)
def test_parameters_that_are_refused(params, words):
    with pytest.raises(ValueError, match=words):
        model(**params).fit(*reverse(10))


def test_a_damaged_record_is_refused(tmp_path):
    X, y = reverse(20)
    fitted = model().fit(X, y)
    fitted.task_ = type(fitted.task_)(fitted.classes_[:-1], 3)
    with pytest.raises(ValueError, match="the network has 5 labels, but there are 4"):
        fitted.save(tmp_path / "told")
