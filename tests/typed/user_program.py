"""A program of a user: mypy --strict and pyright check it, and tests/test_typing.py runs it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
)
from fastrnn.datasets import load_japanese_vowels, make_adding_problem, make_reber
from fastrnn.files import read_description
from fastrnn.inspection import permutation_importance
from fastrnn.layers import GRU, LSTM
from fastrnn.metrics import edit_error_rate, token_accuracy_score
from fastrnn.preprocessing import SequenceScaler, TokenEncoder, pad, unpad
from fastrnn.streams import Stream
from fastrnn.typing import Floats, SequencesLike, TargetsLike


def train(X: SequencesLike, y: TargetsLike, cell: Literal["gru", "lstm"]) -> RNNClassifier:
    """Methods that return the estimator keep its class."""
    model = RNNClassifier(8, cell=cell, batch_size="auto", max_iter=2, random_state=0)
    return model.set_params(verbose=False).fit(X, y, sample_weight=np.ones(len(X)))


def classify() -> float:
    """Sequences of unequal length in, probabilities out; a file between; a step at a time."""
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    model = train(X_train, y_train, "gru")
    labels: list[object] = model.classes_.tolist()
    probabilities: Floats = model.predict_proba(X_test)
    assert probabilities.shape == (len(X_test), len(labels))
    losses: list[float] = model.loss_curve_
    assert len(losses) == model.n_iter_
    stream: Stream = model.stream(n_streams=2, weights=None)
    stream.step([X_test[0][0], X_test[1][0]])
    stream.reset([0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vowels.fastrnn")
        model.save(path)
        kind: str = read_description(path).kind
        assert kind == "classifier"
        assert fastrnn.load(path).score(X_test, y_test) == model.score(X_test, y_test)
    return model.score(X_test, y_test)


def regress() -> NDArray[np.float64]:
    """Numbers, and what they depend on."""
    X, y = make_adding_problem(60, 6, random_state=0)
    scaled = SequenceScaler("standard").fit(X).transform(X)
    model = RNNRegressor([8, 8], loss="quantile", quantile=(0.1, 0.5, 0.9), max_iter=2)
    model.fit(scaled, y, validation_data=(scaled, y))
    importances = permutation_importance(model, scaled, y, n_repeats=2, random_state=0)
    assert importances.importances_mean.shape == (2,)
    return model.predict_quantiles(scaled, levels=[0.2, 0.5])


def tag() -> float:
    """A label for every step."""
    X, y = make_reber(20, random_state=0)
    tags = [labels.argmax(axis=1) for labels in y]
    model = RNNTagger(8, output="crf", max_iter=2, random_state=0).fit(X, tags)
    transitions: Floats = model.transitions_
    assert transitions.shape[0] == len(model.classes_)
    return token_accuracy_score(tags, list(model.predict(X)))


def forecast() -> RNNForecaster:
    """A series, its covariates, its quantiles."""
    series = [float(k % 12) for k in range(96)]
    model = RNNForecaster(8, seasonality=12, horizon=3, max_iter=2, random_state=0)
    model.fit(series, validation_data={"y": series})
    model.predict(3)
    model.predict_quantiles(3, levels=[0.25, 0.5])
    return model


def tell() -> float:
    """Texts: what comes next, and what becomes of them."""
    texts = ["abc", "bca", "cab"] * 8
    language = RNNLanguageModel(8, max_iter=2, random_state=0).fit(texts)
    language.sample("a", length=3, temperature=0.5)
    encoder: TokenEncoder | None = language.encoder_
    assert encoder is not None and encoder.vocabulary_
    reverse = RNNSeq2Seq(8, alignment="attention", max_iter=2, random_state=0)
    reverse.fit(texts, [text[::-1] for text in texts])
    for best in reverse.predict_nbest(["abc"], n=2):
        for _, value in best:
            assert value <= 0
    return edit_error_rate(["cba"], reverse.predict(["abc"]))


def run_layers() -> tuple[Floats, ...]:
    """Bare layers."""
    x = np.ones((5, 2, 3), dtype=np.float32)
    y, state = LSTM(3, 4, bidirectional=True, random_state=0).forward(x, lengths=[5, 3])
    assert y.shape == (5, 2, 8)
    GRU(3, 4, reset_after=False).forward(pad(unpad(x)))
    return state


def make_mistakes() -> None:
    """What checkers find: an ignored line without an error would be one."""
    RNNClassifier(cell="lsmt")  # type: ignore[arg-type]
    RNNClassifier(hidden_layer_size=8)  # type: ignore[call-arg]
    RNNClassifier().fit(1, 2)  # type: ignore[arg-type]
    RNNClassifier().fit([[1.0]], ["up"]).predict_probability([[1.0]])  # type: ignore[attr-defined]
    RNNRegressor().predict([[1.0]]).append(2.0)  # type: ignore[attr-defined]
    fastrnn.RNNClasifier()  # type: ignore[attr-defined]
