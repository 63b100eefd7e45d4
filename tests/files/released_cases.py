"""Models of which files are kept for every released version, and what they are asked.

``python tests/files/released_cases.py tests/data/VERSION`` writes those of the present version.
"""

import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
)

QUICK = {"max_iter": 3, "tol": 0.0, "learning_rate_init": 0.05, "batch_size": 5, "random_state": 7}


@dataclass(frozen=True)
class Case:
    """How a model is made, and what it is asked: a dict of arrays, none of them of objects."""

    fit: Callable[[], Any]
    predict: Callable[[Any], dict[str, np.ndarray]]


def _noise(*shape):
    """Numbers that look random, and are the same wherever they are computed."""
    n = int(np.prod(shape))
    return ((np.arange(1, n + 1) * 7919 % 1009) / 504.5 - 1).reshape(shape)


LENGTHS = (4, 6, 3, 5, 7, 4, 2, 5)
X = [_noise(n, 3) * (1 + 0.1 * n) for n in LENGTHS]
IDS = [[(3 * i + t) % 5 for t in range(n)] for i, n in enumerate(LENGTHS)]
KINDS = ["calm", "storm", "calm", "gale", "storm", "gale", "calm", "storm"]
MANY = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1]] * 2)
NUMBERS = np.column_stack([[x[:, 0].sum() for x in X], [10 * len(x) for x in X]])
TAGS = [np.where(x[:, 1] > 0, 3, -2) for x in X]
SERIES = [20 + 3 * np.sin(np.arange(n) * np.pi / 2) + 0.3 * _noise(n) for n in (26, 31)]
FUTURE = [np.column_stack([np.arange(n + 4) % 3, _noise(n + 4)]) for n in (26, 31)]
PAST = [_noise(n) for n in (26, 31)]
TIMED = [
    np.column_stack([np.cumsum(1 + np.abs(x[:, 0])), np.where(x[:, 1] > 0.9, np.nan, x[:, 1])])
    for x in X
]
LONG = [_noise(6 * n, 2) for n in LENGTHS]
TOLD = [[2, 1], [1, 2, 2], [1], [2, 1], [1, 2], [2], [1], [2, 2]]
WORDS = ["ab", "ba", "abba", "a"]
TEXT = "the cat sat on the mat and the dog lay by the door . " * 4


def _frames():
    import pandas

    places = pandas.CategoricalDtype(["hill", "sea", "wood"])
    return [
        pandas.DataFrame(
            {
                "wind": x[:, 0],
                "place": pandas.Categorical.from_codes(np.arange(len(x)) % 3, dtype=places),
                "rain": x[:, 1],
            }
        )
        for x in X
    ]


def _long_frame(n_ahead=0):
    """Series in long form; ``n_ahead`` rows more of which only the future is known."""
    import pandas

    parts = []
    for shop, n in (("north", 24), ("south", 20)):
        days = pandas.date_range("2024-01-01", periods=n + n_ahead)
        sold = 50 + 5 * _noise(n + n_ahead)
        part = pandas.DataFrame(
            {"shop": shop, "day": days, "sold": sold, "weekday": days.day_name()}
        )
        parts.append(part.iloc[n:] if n_ahead else part)
    frame = pandas.concat(parts, ignore_index=True)
    return frame.drop(columns="sold") if n_ahead else frame


def _fit_long():
    model = RNNForecaster(
        3,
        cell="rnn",
        scaling="level",
        log=True,
        categorical_features="from_dtype",
        embedding_dim=2,
        **QUICK,
    )
    columns = {"id_column": "shop", "time_column": "day", "value_column": "sold"}
    return model.fit(_long_frame(), future_covariates=["weekday"], **columns)


def _predict_long(model):
    forecasts = model.predict(3, future_covariates=_long_frame(3))
    return {"values": np.stack([forecasts[0], forecasts[1]]), **_seen(model)}


def _seen(model):
    """Numbers that training recorded."""
    return {"loss_curve": np.array(model.loss_curve_)}


CASES = {
    "classifier_frames": Case(
        lambda: RNNClassifier(
            (3, 2),
            cell="gru",
            bidirectional=True,
            pooling="mean",
            categorical_features="from_dtype",
            embedding_dim=2,
            class_weight={"calm": 2.0},
            **QUICK,
        ).fit(_frames(), KINDS),
        lambda model: {
            "values": model.predict_proba(_frames()),
            "labels": model.predict(_frames()),
            "names": np.array(model.feature_names_in_, str),
            **_seen(model),
        },
    ),
    "classifier_labels": Case(
        lambda: RNNClassifier(3, cell="rnn", activation="relu", pooling="max", **QUICK).fit(
            X, MANY
        ),
        lambda model: {
            "values": model.predict_proba(X),
            "labels": model.predict(X),
            **_seen(model),
        },
    ),
    "regressor": Case(
        lambda: RNNRegressor(
            (3, 2), cell="carry_lstm", pooling="last", dtype="float64", alpha=0.01, **QUICK
        ).fit(X, NUMBERS),
        lambda model: {"values": model.predict(X), **_seen(model)},
    ),
    "regressor_ids": Case(
        lambda: RNNRegressor(
            2, cell="gru", reset_after=False, bidirectional=True, embedding_dim=3, **QUICK
        ).fit(IDS, NUMBERS[:, 0]),
        lambda model: {"values": model.predict(IDS), **_seen(model)},
    ),
    "tagger": Case(
        lambda: RNNTagger(3, cell="lstm", bidirectional=True, class_weight={3: 0.5}, **QUICK).fit(
            X, TAGS
        ),
        lambda model: {
            "values": np.concatenate(model.predict_proba(X)),
            "labels": np.concatenate(model.predict(X)),
            **_seen(model),
        },
    ),
    "tagger_carry": Case(
        lambda: RNNTagger(3, cell="carry_lstm", candidate_activation="tanh", **QUICK).fit(X, TAGS),
        lambda model: {"values": np.concatenate(model.predict_proba(X)), **_seen(model)},
    ),
    "forecaster_direct": Case(
        lambda: RNNForecaster(
            3,
            cell="gru",
            strategy="direct",
            horizon=3,
            seasonality=4,
            quantiles=(0.1, 0.5, 0.9),
            missing="mask",
            categorical_features=[0],
            **QUICK,
        ).fit(
            [np.where(np.arange(len(s)) == 5, np.nan, s) for s in SERIES],
            future_covariates=FUTURE,
            past_covariates=PAST,
        ),
        lambda model: {
            "values": np.array(model.predict(3)),
            "quantiles": np.array(model.predict_quantiles(3)),
            **_seen(model),
        },
    ),
    "forecaster_frame": Case(_fit_long, _predict_long),
    "language_model_words": Case(
        lambda: RNNLanguageModel(
            4, tokenizer="word", min_freq=2, lowercase=True, tie_weights=True, **QUICK
        ).fit(TEXT),
        lambda model: {
            "values": model.next_proba("the cat"),
            "score": np.array([model.score(TEXT)]),
            "tokens": np.array(model.tokens_, str),
            "counts": model.token_counts_,
        },
    ),
    "language_model_texts": Case(
        lambda: RNNLanguageModel(3, cell="gru", **QUICK).fit(["a cat.", "a dog.", "no cat."]),
        lambda model: {
            "values": model.next_proba("a "),
            "tokens": np.array(model.tokens_, str),
        },
    ),
    "language_model_ids": Case(
        lambda: RNNLanguageModel(3, cell="rnn", bptt_steps=None, **QUICK).fit(IDS),
        lambda model: {"values": model.next_proba([1, 2]), "counts": model.token_counts_},
    ),
    "classifier_gaps": Case(
        lambda: RNNClassifier(
            3,
            cell="layernorm_lstm",
            missing="decay",
            time_feature=0,
            pooling="attention",
            zoneout=0.1,
            **QUICK,
        ).fit(TIMED, KINDS),
        lambda model: {"values": model.predict_proba(TIMED), **_seen(model)},
    ),
    "classifier_long": Case(
        lambda: RNNClassifier(
            3, cell="peephole_lstm", stride=2, conv=((4, 3, 2),), augment=1.0, **QUICK
        ).fit(LONG, KINDS),
        lambda model: {"values": model.predict_proba(LONG), **_seen(model)},
    ),
    "regressor_quantiles": Case(
        lambda: RNNRegressor(3, loss="quantile", quantile=(0.1, 0.5, 0.9), **QUICK).fit(X, NUMBERS),
        lambda model: {"values": model.predict_quantiles(X), **_seen(model)},
    ),
    "tagger_crf": Case(
        lambda: RNNTagger(3, output="crf", scaling="robust", **QUICK).fit(X, TAGS),
        lambda model: {
            "values": np.concatenate(model.predict_proba(X)),
            "labels": np.concatenate(model.predict(X)),
            "transitions": model.transitions_,
        },
    ),
    "forecaster_counts": Case(
        lambda: RNNForecaster(
            3, horizon=2, likelihood="negative_binomial", scaling="level", **QUICK
        ).fit([np.round(s) for s in SERIES]),
        lambda model: {"values": np.array(model.predict_quantiles(2, levels=[0.2, 0.5, 0.8]))},
    ),
    "seq2seq_ctc": Case(
        lambda: RNNSeq2Seq(3, alignment="ctc", stride=1, conv=None, **QUICK).fit(X, TOLD),
        lambda model: {"values": np.concatenate(model.predict_proba(X)), **_seen(model)},
    ),
    "seq2seq_attention": Case(
        lambda: RNNSeq2Seq(3, attention="additive", target_tokenizer="word", **QUICK).fit(
            WORDS, ["to be", "to do", "be it", "do it"]
        ),
        lambda model: {
            "values": model.score_samples(WORDS, ["to be"] * 4),
            "labels": np.array(list(model.predict(WORDS)), str),
        },
    ),
}
"""Named as their files."""


def checkpoint_fit(path, max_iter, resume):
    """Train to an epoch with a checkpoint, and return what the model then predicts."""
    model = RNNClassifier(
        3,
        cell="lstm",
        pooling="last",
        stride=1,
        conv=None,
        augment=None,
        scaling=None,
        learning_rate="constant",
        dtype="float64",
        dropout=0.2,
        early_stopping=True,
        validation_fraction=0.3,
        **{**QUICK, "max_iter": max_iter},
    )
    model.fit(X, KINDS, checkpoint=path, resume=resume)
    return model.predict_proba(X)


def write(folder):
    """Write the files of all models, a checkpoint, and what is expected of them."""
    expected = {}
    for name, case in CASES.items():
        model = case.fit()
        model.save(folder / f"{name}.fastrnn")
        for key, value in case.predict(model).items():
            expected[f"{name}.{key}"] = value
    checkpoint_fit(folder / "training.checkpoint", max_iter=3, resume=False)
    with tempfile.TemporaryDirectory() as elsewhere:
        copied = shutil.copy(folder / "training.checkpoint", elsewhere)
        expected["training.values"] = checkpoint_fit(copied, max_iter=6, resume=True)
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # training is short
    target = Path(sys.argv[1])
    target.mkdir()
    write(target)
