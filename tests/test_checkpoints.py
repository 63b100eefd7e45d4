"""Checkpoints: a training that was cut off goes on as if nothing had happened, to the bit."""

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.estimators.checkpoints import CheckpointFile

pytest.importorskip("safetensors", reason="files are written with safetensors")
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

TEXT = "the cat sat on the mat and the dog lay by the door. " * 6


def sequences(n=24, width=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rng.integers(2, 7), width)) for _ in range(n)]


X = sequences()
LABELS = np.array(["up" if x[-1, 0] > 0 else "down" for x in X])
SERIES = [np.sin(np.arange(n) * 0.7) + 0.01 * np.arange(n) for n in (30, 22)]

COMMON = {"max_iter": 4, "tol": 0.0, "random_state": 3, "batch_size": 8}
TRAININGS = {
    **{
        f"{solver}": (RNNClassifier(3, solver=solver, **COMMON), (X, LABELS))
        for solver in ("adam", "adamw", "sgd", "rmsprop")
    },
    **{
        rate: (RNNClassifier(3, learning_rate=rate, **COMMON), (X, LABELS))
        for rate in ("invscaling", "cosine")
    },
    "adaptive": (
        RNNClassifier(3, learning_rate="adaptive", n_iter_no_change=1, **{**COMMON, "tol": 0.5}),
        (X, LABELS),
    ),
    "no momentum": (RNNClassifier(3, solver="sgd", momentum=0.0, **COMMON), (X, LABELS)),
    "dropout": (
        RNNClassifier((3, 4), dropout=0.4, recurrent_dropout=0.2, cell="gru", **COMMON),
        (X, LABELS),
    ),
    "early stopping": (
        RNNClassifier(
            3,
            early_stopping=True,
            validation_fraction=0.4,
            n_iter_no_change=2,
            learning_rate_init=0.1,
            **COMMON,
        ),
        (X, LABELS),
    ),
    "float64, threads": (
        RNNRegressor(3, dtype="float64", n_jobs=2, **COMMON),
        (X, [len(x) for x in X]),
    ),
    "no seed": (RNNRegressor(3, **{**COMMON, "random_state": None}), (X, [len(x) for x in X])),
    "tagger": (
        RNNTagger(3, bidirectional=True, bptt_steps=2, **COMMON),
        (X, [(x[:, 0] > 0).astype(int) for x in X]),
    ),
    "one long text": (RNNLanguageModel(4, bptt_steps=7, dropout=0.2, **COMMON), (TEXT,)),
    "texts": (
        RNNLanguageModel(4, early_stopping=True, validation_fraction=0.3, **COMMON),
        ([part + "." for part in TEXT.split(".")],),
    ),
    "forecaster": (
        RNNForecaster(4, early_stopping=True, window=10, **COMMON),
        (SERIES,),
    ),
}


def fit(model, data, **options):
    """Fit a copy of the model."""
    return type(model)(**model.get_params()).fit(*data, **options)


def fit_and_copy(model, data, path, monkeypatch, **options):
    """Fit a copy; return it, and the checkpoints that there were meanwhile."""
    copies = []
    keep = CheckpointFile.keep

    def keep_and_copy(self, checkpoint):
        keep(self, checkpoint)
        if path.exists() and path.read_bytes() not in copies:
            copies.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFile, "keep", keep_and_copy)
        return fit(model, data, checkpoint=path, **options), copies


def assert_same(model, expected):
    np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)
    assert model._training_state.rng.bit_generator.state == (
        expected._training_state.rng.bit_generator.state
    )
    for name in ("loss_curve_", "gradient_norms_", "validation_scores_", "n_iter_", "t_", "loss_"):
        assert getattr(model, name) == getattr(expected, name), name
    assert model.best_validation_score_ == expected.best_validation_score_


@pytest.mark.parametrize("name", TRAININGS)
def test_goes_on_after_every_epoch(name, tmp_path, monkeypatch):
    model, data = TRAININGS[name]
    path = tmp_path / "checkpoint"
    whole, copies = fit_and_copy(model, data, path, monkeypatch)
    assert len(copies) == whole.n_iter_ > 2
    if model.random_state is not None:
        assert_same(whole, fit(model, data))
    for copy in copies:
        path.write_bytes(copy)
        assert_same(fit(model, data, checkpoint=path, resume=True), whole)
        assert path.read_bytes() == copies[-1]
