"""Model files: what is saved is loaded to the bit, and nothing else is."""

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.files import ModelFileError, read_description

pytest.importorskip("safetensors", reason="files are written with safetensors")

QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}


def sequences(n=20, width=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rng.integers(3, 9), width)) for _ in range(n)]


def labels(X):
    return np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


def save_and_load(model, tmp_path):
    path = tmp_path / "model.fastrnn"
    model.save(path)
    loaded = fastrnn.load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    return loaded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "carry_lstm"])
def test_classifiers_predict_the_same_bits(cell, bidirectional, dtype, tmp_path):
    X = sequences()
    model = RNNClassifier((4, 3), cell=cell, bidirectional=bidirectional, dtype=dtype, **QUICK)
    model.fit(X, labels(X))
    loaded = save_and_load(model, tmp_path)
    assert type(loaded) is RNNClassifier
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_regressors_predict_the_same_bits(tmp_path):
    X = sequences()
    model = RNNRegressor(4, pooling="mean", **QUICK).fit(X, [[len(x), x[0, 0]] for x in X])
    loaded = save_and_load(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_taggers_predict_the_same_bits(tmp_path):
    X = sequences()
    model = RNNTagger(4, **QUICK).fit(X, [(x[:, 0] > 0).astype(int) for x in X])
    loaded = save_and_load(model, tmp_path)
    for expected, got in zip(model.predict_proba(X), loaded.predict_proba(X), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_language_models_predict_the_same_bits(tmp_path):
    text = "the cat sat on the mat. " * 10
    model = RNNLanguageModel(4, **QUICK).fit(text)
    loaded = save_and_load(model, tmp_path)
    np.testing.assert_array_equal(loaded.next_proba("the c"), model.next_proba("the c"))
    assert loaded.sample("the", 20, random_state=0) == model.sample("the", 20, random_state=0)
    assert loaded.score(text) == model.score(text)


def test_forecasters_predict_the_same_bits(tmp_path):
    series = [np.sin(np.arange(n)) for n in (20, 31)]
    model = RNNForecaster(4, **QUICK).fit(series)
    loaded = save_and_load(model, tmp_path)
    for expected, got in zip(model.predict(4), loaded.predict(4), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_description(tmp_path):
    X = sequences()
    RNNClassifier(4, class_weight={"up": 2.0}, **QUICK).fit(X, labels(X)).save(tmp_path / "m")
    description = read_description(tmp_path / "m")
    assert description.kind == "classifier"
    assert description.fastrnn_version == fastrnn.__version__
    assert description.parameters["class_weight"] == {"up": 2.0}
    assert description.tensors["head.W"].shape == (4, 2)
    assert description.size == (tmp_path / "m").stat().st_size


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other"
    path.write_bytes(b"no model at all, but long enough")
    for read in (fastrnn.load, read_description):
        with pytest.raises(ModelFileError, match="other: its header should have"):
            read(path)
