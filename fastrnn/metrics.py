"""Scores of labels for every step, and the same as scorers for scikit-learn's ``scoring=``.

A score takes true and predicted labels, each a list with an array of labels for each sequence, as
`RNNTagger.predict` returns them. A step whose true label is missing, or -1 among whole numbers, is
left out. A scorer takes a fitted tagger, X and y, and needs no more than its name:
``GridSearchCV(tagger, grid, scoring=token_f1_scorer)``. For sequences of labels that stand beside
no steps, as `RNNSeq2Seq.predict` returns them, there is the edit error rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn.inputs.containers import is_a
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.steps import StepLabels, as_step_labels, as_step_weight
from fastrnn.inputs.texts import are_all_texts
from fastrnn.inputs.tokens import A_TOKENIZER, TOKENIZERS, UNKNOWN_TOKEN, Cut
from fastrnn.typing import Doubles, Ints, SampleWeight, SequencesLike, TargetsLike

__all__ = [
    "edit_error_rate",
    "edit_error_rate_scorer",
    "span_f1_score",
    "span_f1_scorer",
    "token_accuracy_score",
    "token_accuracy_scorer",
    "token_f1_score",
    "token_f1_scorer",
]


_SPAN_TAG = re.compile(r"O|[BIESLU](-.*)?")
"""Tags that are known to seqeval, or as `_KNOWN_AS`; of others it would take the first letter."""

_KNOWN_AS = {"L": "E", "U": "S"}
"""Letters of BILOU and what seqeval calls them: the last of a span, and a span of one step."""


def token_accuracy_score(
    y_true: TargetsLike, y_pred: TargetsLike, *, sample_weight: SampleWeight = None
) -> float:
    """Share of the steps whose label is predicted.

    Parameters
    ----------
    y_true : list of array-like of shape (T_i,)
        The true labels; steps without one (None, NaN and the like), or with -1 among whole numbers,
        are left out.
    y_pred : list of array-like of shape (T_i,)
        The predicted labels.
    sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
        Weight of each step, or of all steps of each sequence. None gives all the same weight.

    Returns
    -------
    float
        Accuracy between 0 and 1.

    Examples
    --------
    >>> from fastrnn.metrics import token_accuracy_score
    >>> token_accuracy_score([["at", "nn"], ["np", "vb"]], [["at", "nn"], ["np", "nn"]])
    0.75
    """
    _, true, predicted, weight = _read_numbers(y_true, y_pred, sample_weight)
    return float(np.average(true == predicted, weights=weight))


def token_f1_score(
    y_true: TargetsLike, y_pred: TargetsLike, *, sample_weight: SampleWeight = None
) -> float:
    """Macro F1: harmonic mean of precision and recall of each label, then the mean over labels.

    Parameters
    ----------
    y_true : list of array-like of shape (T_i,)
        The true labels; steps without one (None, NaN and the like), or with -1 among whole numbers,
        are left out.
    y_pred : list of array-like of shape (T_i,)
        The predicted labels.
    sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
        Weight of each step, or of all steps of each sequence. None gives all the same weight.

    Returns
    -------
    float
        Mean over all labels that are true or predicted at some step, between 0 and 1.

    Examples
    --------
    >>> from fastrnn.metrics import token_f1_score
    >>> round(token_f1_score([["at", "nn"], ["np", "nn"]], [["at", "nn"], ["at", "nn"]]), 3)
    0.556
    """
    n_labels, true, predicted, weight = _read_numbers(y_true, y_pred, sample_weight)
    right = weight * (true == predicted)
    hits, n_true, n_predicted = (
        np.bincount(numbers, weights, minlength=n_labels)
        for numbers, weights in ((true, right), (true, weight), (predicted, weight))
    )
    seen = n_true + n_predicted > 0
    return float(np.mean(2 * hits[seen] / (n_true + n_predicted)[seen]))


def span_f1_score(y_true: TargetsLike, y_pred: TargetsLike, *, average: str = "micro") -> float:
    """F1 of the spans that tags mark, as names in a sentence: right if both ends and type are.

    Needs `seqeval <https://github.com/chakki-works/seqeval>`_ (``pip install "fastrnn[spans]"``),
    which computes it as the program of the CoNLL shared tasks does: a span also begins at an I- tag
    that follows no tag of its type.

    Parameters
    ----------
    y_true : list of array-like of shape (T_i,)
        The true tags: "B-" or "I-" and a type, or "O"; in BILOU also "L-" for the last step of a
        span, and "U-" for one of a single step. Steps with None are taken out of both.
    y_pred : list of array-like of shape (T_i,)
        The predicted tags.
    average : {"micro", "macro", "weighted"}, default="micro"
        Over all spans; the mean over the types; or that, weighted by their number of true spans.

    Returns
    -------
    float
        F1 between 0 and 1; 0 where there is no span.

    Examples
    --------
    >>> from fastrnn.metrics import span_f1_score
    >>> y_true = [["B-PER", "I-PER", "O", "B-LOC"]]
    >>> span_f1_score(y_true, [["B-PER", "I-PER", "O", "O"]])  # doctest: +SKIP
    0.6666666666666666
    """
    try:
        from seqeval.metrics import f1_score
    except ImportError:
        raise ImportError(
            "span_f1_score needs seqeval, which is not installed: pip install 'fastrnn[spans]'"
        ) from None
    if average not in ("micro", "macro", "weighted"):
        raise ValueError(f"average must be 'micro', 'macro' or 'weighted', got {average!r}")
    true, predicted, kept = _read(y_true, y_pred)
    if true.kind != "strings":
        raise ValueError(
            f"y_true has {true.kind}, expected BIO tags, strings such as 'B-PER', 'I-PER' and 'O'"
        )
    both = true, predicted
    for labels, name in zip(both, ("y_true", "y_pred"), strict=True):
        for row in np.flatnonzero(kept):
            if not _SPAN_TAG.fullmatch(labels.values[row]):
                raise ValueError(
                    f"{name} has {labels.values[row]!r} at {labels.place(row)}, expected 'O', or "
                    "a type after 'B-' or 'I-', of BILOU also 'L-' or 'U-'"
                )
    ends = np.cumsum(np.add.reduceat(kept, true.offsets[:-1], dtype=np.int64))
    tags = (np.array(list(map(_as_known, labels.values)), dtype=object)[kept] for labels in both)
    sequences = ([rows.tolist() for rows in np.split(flat, ends[:-1])] for flat in tags)
    return float(f1_score(*sequences, average=average, zero_division=0))


def edit_error_rate(
    y_true: TargetsLike,
    y_pred: TargetsLike,
    *,
    sample_weight: SampleWeight = None,
    tokenizer: str | Callable[[str], Iterable[str]] = "char",
) -> float:
    """Count the edits that make the predicted labels of the true ones, for each true label.

    An edit is an insertion, a deletion or a substitution of one label; the fewest are counted
    (Levenshtein 1966). Of words it is the word error rate, of letters the character error rate.

    Parameters
    ----------
    y_true : list of array-like of shape (L_i,), or list of str
        The true labels, strings or whole numbers; or texts, whose tokens are the labels.
    y_pred : list of array-like of shape (M_i,), or list of str
        The predicted labels of as many sequences.
    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of the edits and labels of each sequence. None gives all the same weight.
    tokenizer : {"char", "word", "space"} or callable, default="char"
        How texts become tokens, as `fastrnn.preprocessing.TokenEncoder` has it: with "char" the
        character error rate is what is returned, with "word" the word error rate.

    Returns
    -------
    float
        All edits over the number of all true labels; 0 where all is right, and more than 1 where
        there are more edits than labels.

    Raises
    ------
    ValueError
        If there are not as many sequences of both, a label is missing, or there is no true label.

    Examples
    --------
    >>> from fastrnn.metrics import edit_error_rate
    >>> edit_error_rate([list("kitten"), list("is")], [list("sitting"), list("is")])
    0.375
    >>> edit_error_rate(["the cat sat"], ["the cat sits"], tokenizer="word")
    0.3333333333333333
    """
    true, predicted = (
        _read_labels(labels, name, tokenizer)
        for labels, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if len(true.offsets) != len(predicted.offsets):
        raise ValueError(
            f"y_true has {len(true.offsets) - 1} sequences, but y_pred has "
            f"{len(predicted.offsets) - 1}"
        )
    if None not in (true.kind, predicted.kind) and true.kind != predicted.kind:
        raise ValueError(f"y_true has {true.kind}, but y_pred has {predicted.kind}")
    for labels, name in ((true, "y_true"), (predicted, "y_pred")):
        if None in labels.values:
            raise ValueError(f"{name} has no label at {labels.place(labels.values.index(None))}")
    number = {label: k for k, label in enumerate({*true.values, *predicted.values})}
    asked, said = (
        LabelSequences(np.array([number[label] for label in each.values], np.int64), each.offsets)
        for each in (true, predicted)
    )
    weight = as_step_weight(sample_weight, np.ones(len(asked), dtype=np.int64))
    n_labels = weight @ asked.lengths
    if not n_labels:
        raise ValueError("y_true has no label to compare, or all have weight 0")
    return float(weight @ asked.edits_to(said) / n_labels)


def token_accuracy_scorer(
    estimator: Any, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
) -> float:
    """Score a tagger by `token_accuracy_score`, for ``scoring=``; it is what `score` gives.

    Parameters
    ----------
    estimator : RNNTagger
        A fitted tagger, or a pipeline that ends with one.
    X : list of ndarray, or array
        The sequences.
    y : list of array-like of shape (T_i,)
        The true labels.
    sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
        Weight of each step, or of all steps of each sequence.

    Returns
    -------
    float
        Accuracy between 0 and 1.

    Examples
    --------
    >>> from fastrnn.metrics import token_accuracy_scorer
    >>> scoring = {"accuracy": token_accuracy_scorer}  # for cross_validate
    """
    return token_accuracy_score(y, estimator.predict(X), sample_weight=sample_weight)


def token_f1_scorer(
    estimator: Any, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
) -> float:
    """Score a tagger by `token_f1_score`, the macro F1, for ``scoring=``.

    Parameters
    ----------
    estimator : RNNTagger
        A fitted tagger, or a pipeline that ends with one.
    X : list of ndarray, or array
        The sequences.
    y : list of array-like of shape (T_i,)
        The true labels.
    sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
        Weight of each step, or of all steps of each sequence.

    Returns
    -------
    float
        Macro F1 between 0 and 1.

    Examples
    --------
    >>> from fastrnn.metrics import token_f1_scorer
    >>> scoring = {"macro F1": token_f1_scorer}  # for cross_validate
    """
    return token_f1_score(y, estimator.predict(X), sample_weight=sample_weight)


def span_f1_scorer(estimator: Any, X: SequencesLike, y: TargetsLike) -> float:
    """Score a tagger of BIO tags by `span_f1_score`, for ``scoring=``; needs seqeval.

    Parameters
    ----------
    estimator : RNNTagger
        A fitted tagger, or a pipeline that ends with one.
    X : list of ndarray, or array
        The sequences.
    y : list of array-like of shape (T_i,)
        The true tags.

    Returns
    -------
    float
        F1 over all spans, between 0 and 1.

    Examples
    --------
    >>> from fastrnn.metrics import span_f1_scorer
    >>> scoring = {"span F1": span_f1_scorer}  # for cross_validate
    """
    return span_f1_score(y, estimator.predict(X))


def edit_error_rate_scorer(
    estimator: Any, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
) -> float:
    """Score a model by minus the `edit_error_rate`, for ``scoring=``.

    Parameters
    ----------
    estimator : RNNSeq2Seq
        A fitted model, or a pipeline that ends with one.
    X : list of ndarray, or array
        The sequences.
    y : list of array-like of shape (L_i,), or list of str
        The true labels; or texts, of which the model's tokens are compared.
    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of each sequence.

    Returns
    -------
    float
        Minus the edits for each true label: 0 is best.

    Examples
    --------
    >>> from fastrnn.metrics import edit_error_rate_scorer
    >>> scoring = {"minus error": edit_error_rate_scorer}  # for cross_validate
    """
    if not are_all_texts(y, "y"):
        return -edit_error_rate(y, estimator.predict(X), sample_weight=sample_weight)
    if is_a(estimator, "sklearn.Pipeline"):
        *steps, estimator = (step for _, step in estimator.steps)
        for step in steps:
            X = X if step is None or step == "passthrough" else step.transform(X)
    rate: float = estimator.edit_error_rate(X, y, sample_weight=sample_weight)
    return -rate


def _read_labels(
    y: TargetsLike, name: str, tokenizer: str | Callable[[str], Iterable[str]]
) -> StepLabels:
    """Read labels of sequences, or texts, which are cut to labels."""
    if not (callable(tokenizer) or tokenizer in TOKENIZERS):
        raise ValueError(f"tokenizer must be {A_TOKENIZER}, got {tokenizer!r}")
    if are_all_texts(y, name):
        cut = Cut(tokenizer=tokenizer, unknown=UNKNOWN_TOKEN)
        y = [list(tokens) for tokens in cut.tokens(y, may_be_empty=True)]
    return as_step_labels(y, name=name)


def _as_known(tag: str) -> str:
    """A tag as seqeval knows it."""
    return tag and _KNOWN_AS.get(tag[0], tag[0]) + tag[1:]


def _read(
    y_true: TargetsLike, y_pred: TargetsLike
) -> tuple[StepLabels, StepLabels, NDArray[np.bool_]]:
    """Read labels of the same steps; return also which steps are not left out."""
    given: tuple[Any, Any] = (y_true, y_pred)
    indexes = [labels.index for labels in given if is_a(labels, "pandas.Series")]
    if len(indexes) == 2 and not indexes[0].equals(indexes[1]):
        raise ValueError("y_true and y_pred have indexes that differ, expected the same order")
    true = as_step_labels(y_true, name="y_true")
    predicted = as_step_labels(y_pred, np.diff(true.offsets), name="y_pred", beside="y_true")
    kept = np.array([label is not None for label in true.values])
    if not kept.any():
        raise ValueError("y_true has no step to score: every one is left out")
    if true.kind != predicted.kind:
        raise ValueError(f"y_true has {true.kind}, but y_pred has {predicted.kind}")
    for row in np.flatnonzero(kept):
        if predicted.values[row] is None:
            raise ValueError(f"y_pred has no label at {predicted.place(row)}")
    return true, predicted, kept


def _read_numbers(
    y_true: TargetsLike, y_pred: TargetsLike, sample_weight: SampleWeight
) -> tuple[int, Ints, Ints, Doubles]:
    """Return the number of labels, and number and weight of each step that is not left out."""
    true, predicted, kept = _read(y_true, y_pred)
    weight = as_step_weight(sample_weight, np.diff(true.offsets))[kept]
    if not weight.any():
        raise ValueError("y_true has no step to score: every one is left out or has weight 0")
    number = {label: k for k, label in enumerate({*true.values, *predicted.values})}
    asked, said = (
        np.array([number[label] for label in labels.values])[kept] for labels in (true, predicted)
    )
    return len(number), asked, said, weight
