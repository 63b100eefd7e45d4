"""Exports of a model that rounds to bfloat16 compute in full precision, with the same weights."""

import copy
import pickle

import numpy as np
import pytest
from compiling import classifier, make_sequences

from fastrnn.interop import export_c, to_onnx
from fastrnn.network import rounding


@pytest.fixture
def models(monkeypatch):
    """A model that rounds, and one of its weights that does not."""
    monkeypatch.setattr(rounding, "has_bfloat16", lambda: True)
    low = classifier(hidden_layer_sizes=(9, 7), cell="gru", precision="bfloat16")
    full = classifier(hidden_layer_sizes=(9, 7), cell="gru")
    full.network_.theta[:] = low.network_.theta
    full.reader_ = copy.deepcopy(low.reader_)
    X = make_sequences()
    assert np.any(low.predict_proba(X) != full.predict_proba(X))
    return low, full


def test_c(models, tmp_path):
    texts = []
    for k, model in enumerate(models):
        (tmp_path / str(k)).mkdir()
        export_c(model, tmp_path / str(k) / "model.c")
        texts.append((tmp_path / str(k) / "model.c").read_text())
    assert texts[0] == texts[1]


def test_onnx(models):
    pytest.importorskip("onnx", reason="onnx, which the models are made with, is not installed")
    low, full = map(to_onnx, models)
    assert low.graph.SerializeToString() == full.graph.SerializeToString()


def test_weights_are_whole(models):
    """And a copy knows how it computes."""
    low, full = models
    again = pickle.loads(pickle.dumps(low))
    assert again.network_.rounds and not full.network_.rounds
    np.testing.assert_array_equal(again.network_.theta, full.network_.theta)
