"""Scores of labels for every step, against scikit-learn and seqeval where they are installed."""

import sys

import numpy as np
import pytest

from fastrnn import metrics

BIO = ["B-PER", "I-PER", "B-LOC", "I-LOC", "O"]


def draw(labels, seed=0):
    """Return 30 sequences of true labels, and others that agree at most steps."""
    rng = np.random.default_rng(seed)
    y_true = [rng.choice(labels, size=rng.integers(1, 9)) for _ in range(30)]
    y_pred = [
        np.where(rng.random(len(y)) < 0.7, y, rng.choice(labels, size=len(y))) for y in y_true
    ]
    return y_true, y_pred


def test_by_hand():
    y_true = [["a", "b", "a"], ["b"]]
    y_pred = [["a", "a", "a"], ["b"]]
    assert metrics.token_accuracy_score(y_true, y_pred) == 0.75
    assert metrics.token_f1_score(y_true, y_pred) == pytest.approx((4 / 5 + 2 / 3) / 2)
    weight = [[1, 3, 1], [2]]
    accuracy = metrics.token_accuracy_score(y_true, y_pred, sample_weight=weight)
    assert accuracy == pytest.approx(4 / 7)
    assert metrics.token_accuracy_score(y_true, y_pred, sample_weight=[1, 3]) == pytest.approx(
        5 / 6
    )


@pytest.mark.parametrize("labels", [["x", "y", "z"], [0, 1, 2, 5]])
def test_scores_are_those_of_sklearn(labels):
    sklearn = pytest.importorskip("sklearn.metrics")
    y_true, y_pred = draw(labels)
    y_true[3][:] = labels[0]
    flat = np.concatenate(y_true), np.concatenate(y_pred)
    weight = [np.random.default_rng(1).uniform(size=len(y)) for y in y_true]
    for w, flat_weight in ((None, None), (weight, np.concatenate(weight))):
        ours = metrics.token_f1_score(y_true, y_pred, sample_weight=w)
        theirs = sklearn.f1_score(*flat, average="macro", sample_weight=flat_weight)
        assert ours == pytest.approx(theirs, rel=1e-12)
        ours = metrics.token_accuracy_score(y_true, y_pred, sample_weight=w)
        theirs = sklearn.accuracy_score(*flat, sample_weight=flat_weight)
        assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("score", [metrics.token_accuracy_score, metrics.token_f1_score])
@pytest.mark.parametrize(("labels", "mark"), [([0, 1, 2], -1), (["x", "y", "z"], None)])
def test_marked_steps_are_left_out(score, labels, mark):
    y_true, y_pred = draw(labels)
    rng = np.random.default_rng(2)
    kept = [rng.random(len(y)) < 0.6 for y in y_true]
    marked = [
        [label if keep else mark for label, keep in zip(y.tolist(), keeps, strict=True)]
        for y, keeps in zip(y_true, kept, strict=True)
    ]
    # What is predicted at those steps may be a label that is nowhere else.
    y_pred = [np.where(k, y, labels[0]) for y, k in zip(y_pred, kept, strict=True)]
    shorter = [[y[k] for y, k in zip(ys, kept, strict=True)] for ys in (y_true, y_pred)]
    assert score(marked, y_pred) == pytest.approx(score(*shorter), rel=1e-12)
    assert score(marked, y_pred) != score(y_true, y_pred)


def test_labels_that_are_only_predicted_count():
    assert metrics.token_f1_score([["a", "a"]], [["a", "b"]]) == pytest.approx((2 / 3 + 0) / 2)
    assert metrics.token_f1_score([["a", None]], [["a", "b"]]) == 1.0


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_span_f1_is_that_of_seqeval(average):
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    y_true, y_pred = draw(BIO)
    expected = seqeval.f1_score(
        [y.tolist() for y in y_true], [y.tolist() for y in y_pred], average=average
    )
    assert metrics.span_f1_score(y_true, y_pred, average=average) == pytest.approx(expected)
    assert 0 < expected < 1


def test_span_f1_of_marked_steps():
    pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    y_true = [["B-PER", None, "I-PER", "O"], [None, None], ["B-LOC"]]
    y_pred = [["B-PER", "O", "I-PER", "O"], ["B-PER", "O"], ["O"]]
    assert metrics.span_f1_score(y_true, y_pred) == pytest.approx(2 / 3)
    assert metrics.span_f1_score([["O"]], [["O"]]) == 0.0
    with pytest.raises(ValueError, match="y_true has whole numbers, expected BIO tags"):
        metrics.span_f1_score([[1, 2]], [[1, 2]])


def test_labels_of_other_indexes_are_refused():
    pandas = pytest.importorskip("pandas")
    y_true = pandas.Series([["a"], ["b"]], index=[4, 2])
    y_pred = pandas.Series([["b"], ["a"]], index=[2, 4])
    with pytest.raises(ValueError, match=r"^y_true and y_pred have indexes that differ, .*"):
        metrics.token_accuracy_score(y_true, y_pred)
    assert metrics.token_accuracy_score(y_true, y_pred.loc[[4, 2]]) == 1.0
    assert metrics.token_accuracy_score(y_true, [["a"], ["b"]]) == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([["O", "NN"]], [["O", "O"]], "^y_true has 'NN' at sequence 0, step 1, expected 'O', or a"),
        ([["O"], ["O"]], [["O"], ["PER-B"]], "^y_pred has 'PER-B' at sequence 1, step 0, expected"),
        ([["Org"]], [["O"]], "^y_true has 'Org' at"),
        ([["M-PER"]], [["O"]], "^y_true has 'M-PER' at"),
        ([["o"]], [["O"]], "^y_true has 'o' at"),
    ],
)
def test_span_f1_of_other_tags(y_true, y_pred, message):
    pytest.importorskip("seqeval")
    with pytest.raises(ValueError, match=message):
        metrics.span_f1_score(y_true, y_pred)


def test_span_f1_of_tags_with_ends():
    pytest.importorskip("seqeval")
    tags = [["B-PER", "E-PER", "S-LOC", "O", "B", "I"]]
    assert metrics.span_f1_score(tags, tags) == 1.0
    for average in (None, "binary", "samples"):
        with pytest.raises(ValueError, match=r"^average must be 'micro', 'macro' or 'weighted'"):
            metrics.span_f1_score(tags, tags, average=average)


def test_span_f1_of_bilou():
    pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    y_true = [["B-a", "I-a", "L-a", "U-b", "U-b", "O", None], ["O", "B-b", "L-b"]]
    y_pred = [["B-a", "L-a", "O", "U-b", "U-b", "O", "O"], ["O", "B-b", "L-b"]]
    # Three of four spans are found; of the fourth one end is wrong.
    assert metrics.span_f1_score(y_true, y_pred) == pytest.approx(3 / 4)


def test_span_f1_without_seqeval(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval", None)
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(ImportError, match=r"needs seqeval, .* pip install 'fastrnn\[spans\]'"):
        metrics.span_f1_score([["O"]], [["O"]])


BAD = [
    ([["a"]], [["a"], ["b"]], "y_true has 1 sequences, y_pred has 2 entries"),
    ([["a"], ["b", "b"]], [["a"], ["b"]], "sequence 1: y_pred has 1 labels, y_true has 2 time st"),
    ([["a", "b"]], [["a", None]], "y_pred has no label at sequence 0, step 1"),
    ([[1, 2]], [[1, -1]], "y_pred has no label at sequence 0, step 1"),
    ([[1, 2]], [["a", "b"]], "y_true has whole numbers, but y_pred has strings"),
    ([[None, None]], [["a", "b"]], "y_true has no step to score"),
]


@pytest.mark.parametrize(("y_true", "y_pred", "message"), BAD)
def test_bad_labels(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metrics.token_accuracy_score(y_true, y_pred)


def test_scorers_predict_and_score():
    class Model:
        def predict(self, X):
            return [[label.upper() for label in x] for x in X]

    X, y = [["a", "b"], ["b-per"]], [["A", "C"], ["B-per"]]
    weight = [[1, 1], [2]]
    for name in ("accuracy", "f1"):
        score = getattr(metrics, f"token_{name}_score")
        scorer = getattr(metrics, f"token_{name}_scorer")
        assert scorer(Model(), X, y) == score(y, Model().predict(X))
        expected = score(y, Model().predict(X), sample_weight=weight)
        assert scorer(Model(), X, y, sample_weight=weight) == expected


def test_span_scorer():
    pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")

    class Model:
        def predict(self, X):
            return X

    y_true, y_pred = draw(BIO)
    assert metrics.span_f1_scorer(Model(), y_pred, y_true) == metrics.span_f1_score(y_true, y_pred)


def test_edit_error_rate_by_hand():
    rate = metrics.edit_error_rate
    assert rate([list("kitten")], [list("sitting")]) == 0.5
    assert rate([list("ab"), []], [[], list("c")]) == 1.5
    assert rate([[1, 2, 3]], [[1, 2, 3]]) == 0
    assert rate([list("ab"), list("ab")], [list("ab"), []], sample_weight=[3, 1]) == 0.25


@pytest.mark.parametrize("seed", range(5))
def test_edit_error_rate_counts_the_fewest_edits(seed):
    rng = np.random.default_rng(seed)
    y_true, y_pred = ([rng.integers(3, size=rng.integers(1, 7)) for _ in range(9)] for _ in "ab")

    def distance(a, b):
        if not len(a) or not len(b):
            return len(a) + len(b)
        return min(
            distance(a[1:], b) + 1,
            distance(a, b[1:]) + 1,
            distance(a[1:], b[1:]) + (a[0] != b[0]),
        )

    total = sum(map(distance, y_true, y_pred))
    expected = total / sum(map(len, y_true))
    assert metrics.edit_error_rate(y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "words"),
    [
        ([["a"]], [], "y_true has 1 sequences, but y_pred has 0"),
        ([["a"]], [[1]], "y_true has strings, but y_pred has whole numbers"),
        ([["a"]], [[None]], "y_pred has no label at sequence 0, step 0"),
        ([[]], [["a"]], "y_true has no label to compare"),
    ],
)
def test_edit_error_rate_of_what_cannot_be_compared(y_true, y_pred, words):
    with pytest.raises(ValueError, match=words):
        metrics.edit_error_rate(y_true, y_pred)
