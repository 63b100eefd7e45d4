"""The lowest loss of networks that say the same, whatever they read, of sequences of labels."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.network import ctc
from fastrnn.network.crf import CRF
from fastrnn.network.ctc import CTC
from fastrnn.network.teaching import constant_loss

LISTS = [[0, 1], [], [1, 1, 1], [2], [0, 1]]  # 2 has no weight
TARGET = LabelSequences.from_lists(LISTS)
WEIGHT = np.array([1.0, 2.0, 0.5, 0.0, 3.0], np.float32)


def smoothed(p, said, smoothing):
    """The loss of a step of which the probabilities p are told."""
    own, every = -np.log(p[said]), -np.log(p).mean()
    return (1 - smoothing) * own + smoothing * every


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_as_often_as_they_are_and_the_end_by_their_number(smoothing):
    counts, n_at, ends_at = np.zeros(3), np.zeros(4), np.zeros(4)
    for labels, w in zip(LISTS, WEIGHT, strict=True):
        n_at[: len(labels) + 1] += w
        ends_at[len(labels)] += w
        for label in labels:
            counts[label] += w
    total = 0.0
    for labels, w in zip(LISTS, WEIGHT, strict=True):
        for t, said in enumerate([*labels, 3]):
            if w:
                share = ends_at[t] / n_at[t]
                p = np.append((1 - share) * counts / counts.sum(), share)
                p = (1 - smoothing) * p + smoothing / 4
                total += w * smoothed(p + 1e-300, said, smoothing)
    expected = total / n_at.sum()
    # With smoothing it is not quite the same which labels stand where.
    rtol = 1e-4 if smoothing else 1e-12
    assert_allclose(constant_loss(TARGET, WEIGHT, 3, smoothing), expected, rtol=rtol)
    # A label that nobody says does not matter, but for its part of what is smoothed.
    if not smoothing:
        assert_allclose(constant_loss(TARGET, WEIGHT, 7, 0.0), expected, rtol=1e-12)


def test_no_labels_and_one_length():
    empty = LabelSequences.from_lists([[], []])
    assert constant_loss(empty, np.ones(2), 3, 0.0) == 0
    one = LabelSequences.from_lists([[0, 1], [1, 0], [0, 0], [1, 1]])
    assert_allclose(constant_loss(one, np.ones(4), 2, 0.0), 2 / 3 * np.log(2), rtol=1e-12)


def test_smoothing_that_hides_the_labels_is_not_judged():
    assert constant_loss(TARGET, WEIGHT, 3, 0.9) is None
    assert constant_loss(TARGET, WEIGHT, 3, 0.2) > 0


def ctc_losses(p, lengths):
    """Minus the logarithm of the probability of each target, by enumeration of paths."""
    losses = []
    for labels, T in zip(LISTS, lengths, strict=True):
        total = 0.0
        for path in itertools.product(range(4), repeat=int(T)):
            if [k for k, _ in itertools.groupby(path) if k != 3] == labels:
                total += np.prod(p[list(path)])
        losses.append(-np.log(max(total, 1e-300)))
    return np.array(losses)


def test_labels_and_blanks_as_often_as_they_are():
    lengths = np.array([4, 2, 6, 2, 3])
    head = CTC(4)
    found = head.constant_loss(TARGET, WEIGHT, lengths)
    counts = np.zeros(4)
    for labels, w, T in zip(LISTS, WEIGHT, lengths, strict=True):
        np.add.at(counts, [*labels, *[3] * (int(T) - len(labels))], w)
    kept = WEIGHT > 0

    def mean_loss(p):
        return np.average(ctc_losses(p, lengths)[kept], weights=WEIGHT[kept])

    assert_allclose(found, mean_loss(counts / counts.sum()), rtol=1e-12)
    rng = np.random.default_rng(0)
    near = [counts / counts.sum() * rng.uniform(0.8, 1.25, 4) + 1e-300 for _ in range(100)]
    assert min(mean_loss(p / p.sum()) for p in near) > 0.98 * found


def test_ctc_in_parts_and_where_there_is_no_room_for_blanks(monkeypatch):
    lengths = TARGET.lengths + 2
    whole = CTC(4).constant_loss(TARGET, WEIGHT, lengths)
    monkeypatch.setattr(ctc, "AT_ONCE", 2)
    assert_allclose(CTC(4).constant_loss(TARGET, WEIGHT, lengths), whole, rtol=1e-12)
    full = LabelSequences.from_lists([[0, 1], [1, 0]])
    found = CTC(3).constant_loss(full, np.ones(2), np.array([2, 2]))
    assert 2 * np.log(2) <= found < 2 * np.log(2.6)


def test_classes_as_often_as_they_follow_on_each_other():
    lists = [[0, 1, 1], [1, 0], [0, None, 1, 1], [None, 1], [2, 0], [0, 1, None]]
    of_lists = [1.0, 2.0, 0.5, 3.0, 0.0, 1.5]
    rows = [(k, w) for one, w in zip(lists, of_lists, strict=True) for k in one]
    target = np.array([-1 if k is None else k for k, _ in rows])
    weight = np.array([0.0 if k is None else w for k, w in rows], np.float32)
    found = CRF(3).constant_loss(target, weight, np.array(list(map(len, lists))))
    starts, follows, every = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
    for one, w in zip(lists, of_lists, strict=True):
        for t, k in enumerate(one):
            if k is not None:
                every[k] += w
                if t == 0:
                    starts[k] += w
                elif one[t - 1] is not None:
                    follows[one[t - 1], k] += w
    total = 0.0
    for one, w in zip(lists, of_lists, strict=True):
        for t, k in enumerate(one):
            if k is not None and w:
                before = starts if t == 0 else every if one[t - 1] is None else follows[one[t - 1]]
                total -= w * np.log(before[k] / before.sum())
    assert_allclose(found, total / weight.sum(), rtol=1e-12)
