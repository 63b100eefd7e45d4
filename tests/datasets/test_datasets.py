"""The data that ship with fastrnn, and the generated tasks."""

import re
from collections import defaultdict
from functools import partial
from importlib.resources import files

import numpy as np
import pytest

from fastrnn.datasets import (
    REBER_SYMBOLS,
    load_japanese_vowels,
    make_adding_problem,
    make_first_token_recall,
    make_reber,
)
from fastrnn.inputs.sequences import as_sequences

# From each of the two inner states the rest of a Reber string, worked out by hand.
_FROM_X = "(XT*VP)*(SE|XT*VVE)"
REBER = re.compile(f"B(TS*X{_FROM_X}|PT*V(VE|P{_FROM_X}))")


@pytest.fixture(scope="module")
def japanese_vowels():
    return load_japanese_vowels()


def test_japanese_vowels_sizes(japanese_vowels):
    X_train, y_train, X_test, y_test = japanese_vowels
    for X, y, n, n_frames, longest, first, last in (
        (X_train, y_train, 270, 4274, 26, [20, 26, 22], [12, 14, 9]),
        (X_test, y_test, 370, 5687, 29, [19, 17, 19], [15, 14, 11]),
    ):
        assert isinstance(X, list) and len(X) == n
        assert y.shape == (n,) and y.dtype == np.int64
        assert all(x.shape[1:] == (12,) and x.dtype == np.float32 for x in X)
        assert all(x.flags.c_contiguous for x in X)
        lengths = [len(x) for x in X]
        assert sum(lengths) == n_frames and min(lengths) == 7 and max(lengths) == longest
        assert lengths[:3] == first and lengths[-3:] == last
        np.testing.assert_array_equal(as_sequences(X).lengths, lengths)
    np.testing.assert_array_equal(np.bincount(y_train), [0] + [30] * 9)
    np.testing.assert_array_equal(np.bincount(y_test), [0, 31, 35, 88, 44, 29, 24, 40, 50, 29])


def test_japanese_vowels_values(japanese_vowels):
    X_train, _, X_test, _ = japanese_vowels
    np.testing.assert_allclose(X_train[0][0, :3], [1.860936, -0.207383, 0.261557], rtol=1e-6)
    np.testing.assert_allclose(X_test[0][0, :3], [1.635533, 0.024848, 0.432087], rtol=1e-6)
    assert np.concatenate(X_train).min() == np.float32(-1.852765)
    assert np.concatenate(X_test).max() == np.float32(1.982559)


def test_japanese_vowels_can_be_told_apart(japanese_vowels):
    """Labels belong to their sequences: the speaker with the nearest mean frame is mostly right."""
    X_train, y_train, X_test, y_test = japanese_vowels
    train, test = (np.array([x.mean(axis=0) for x in X]) for X in (X_train, X_test))
    speakers = np.array([train[y_train == speaker].mean(axis=0) for speaker in range(1, 10)])
    nearest = 1 + np.linalg.norm(test[:, np.newaxis] - speakers, axis=2).argmin(axis=1)
    assert (nearest == y_test).mean() > 0.8


def test_japanese_vowels_are_loaded_anew():
    X, y, *_ = load_japanese_vowels()
    X[0][:] = 0
    y[:] = 0
    X, y, *_ = load_japanese_vowels()
    assert X[0].any() and y.all()


def test_japanese_vowels_keep_their_attribution():
    notice = files("fastrnn").joinpath("data", "README.md").read_text(encoding="utf-8")
    for text in (notice, load_japanese_vowels.__doc__):
        for word in ("Kudo", "Toyama", "Shimbo", "UCI", "CC BY 4.0", "10.24432/C5NS47"):
            assert word in text


def test_first_token_recall():
    X, y = make_first_token_recall(2000, 7, 4, random_state=0)
    assert X.shape == (2000, 7, 4) and X.dtype == np.float32
    assert y.shape == (2000,) and y.dtype == np.int64
    assert set(np.unique(X)) == {0, 1}
    np.testing.assert_array_equal(X.sum(axis=2), 1)
    np.testing.assert_array_equal(X[:, 0].argmax(axis=1), y)
    np.testing.assert_allclose(X.mean(axis=0), 0.25, atol=0.05)
    for t in range(1, 7):  # no later token helps
        assert abs((X[:, t].argmax(axis=1) == y).mean() - 0.25) < 0.05


def test_first_token_recall_as_numbers():
    tokens, y = make_first_token_recall(50, 6, 3, one_hot=False, random_state=0)
    X, y_of_one_hot = make_first_token_recall(50, 6, 3, random_state=0)
    assert tokens.shape == (50, 6) and tokens.dtype == np.int64
    np.testing.assert_array_equal(tokens, X.argmax(axis=2))
    np.testing.assert_array_equal(y, y_of_one_hot)
    assert not np.shares_memory(tokens, y)


@pytest.mark.parametrize("length", [2, 3, 4, 9, 10])
def test_adding_problem(length):
    X, y = make_adding_problem(3000, length, random_state=0)
    assert X.shape == (3000, length, 2) and X.dtype == np.float32
    assert y.shape == (3000,) and y.dtype == np.float32
    numbers, marks = X[..., 0], X[..., 1]
    assert set(np.unique(marks)) <= {0, 1}
    half = length // 2
    np.testing.assert_array_equal(marks[:, :half].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, half:].sum(axis=1), 1)
    np.testing.assert_allclose(marks[:, :half].mean(axis=0), 1 / half, atol=0.04)
    np.testing.assert_allclose(marks[:, half:].mean(axis=0), 1 / (length - half), atol=0.04)
    assert numbers.min() >= 0 and numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 1 / 2, atol=0.03)
    np.testing.assert_allclose(numbers.var(axis=0), 1 / 12, atol=0.01)
    np.testing.assert_array_equal(y, (numbers * marks).sum(axis=1))
    np.testing.assert_allclose(((y - 1) ** 2).mean(), 1 / 6, atol=0.02)


def words(X):
    return ["".join(REBER_SYMBOLS[k] for k in x.argmax(axis=1)) for x in X]


@pytest.mark.parametrize("word", ["BTXSE", "BPVVE", "BTSSXXTVVE", "BTXXVPSE", "BPTVPXVPXTVVE"])
def test_grammar_of_this_test_accepts(word):
    assert REBER.fullmatch(word)


@pytest.mark.parametrize("word", ["BTSSPXSE", "BPTVVB", "BTXXVVSE", "BTSE", "BPVSE", "BTXS", ""])
def test_grammar_of_this_test_refuses(word):
    assert not REBER.fullmatch(word)


@pytest.mark.parametrize("embedded", [False, True])
def test_reber_form(embedded):
    X, y = make_reber(100, embedded=embedded, random_state=0)
    assert isinstance(X, list) and isinstance(y, list) and len(X) == len(y) == 100
    for x, follow in zip(X, y, strict=True):
        assert x.dtype == np.float32 and follow.dtype == np.int64
        assert x.shape == follow.shape == (len(x), 7)
        assert x.flags.c_contiguous
        assert set(np.unique(x)) == {0, 1} and set(np.unique(follow)) == {0, 1}
        np.testing.assert_array_equal(x.sum(axis=1), 1)
    assert as_sequences(X).n_features == 7


def test_reber_words():
    X, _ = make_reber(20_000, random_state=0)
    made = words(X)
    assert all(REBER.fullmatch(word) for word in made)
    assert {"BTXSE", "BPVVE", "BTSXSE", "BPTVVE", "BTXXVVE", "BPVPSE"} <= set(made)
    # Both arrows are equally likely: 2 of 5 steps of the shortest words are free.
    for word in ("BTXSE", "BPVVE"):
        assert made.count(word) / len(made) == pytest.approx(1 / 8, abs=0.01)
    assert np.mean([len(word) for word in made]) == pytest.approx(8, abs=0.1)


def test_embedded_reber_words():
    X, _ = make_reber(20_000, embedded=True, random_state=0)
    made = words(X)
    for word in made:
        assert word[0] == "B" and word[-1] == "E"
        assert word[1] == word[-2] and word[1] in "TP"
        assert REBER.fullmatch(word[2:-2])
    # What is remembered says nothing of what comes between.
    for start in ("BTBT", "BTBP", "BPBT", "BPBP"):
        share = np.mean([word.startswith(start) for word in made])
        assert share == pytest.approx(1 / 4, abs=0.02)
    assert np.mean([len(word) for word in made]) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("embedded", [False, True])
def test_reber_what_may_follow(embedded):
    """The symbols allowed after a prefix are those that come after it in many words."""
    X, y = make_reber(8000, embedded=embedded, random_state=0)
    made = words(X)
    seen, allowed, count = defaultdict(set), {}, defaultdict(int)
    for word, follow in zip(made, y, strict=True):
        for t in range(len(word)):
            prefix = word[: t + 1]
            may = {REBER_SYMBOLS[k] for k in np.flatnonzero(follow[t])}
            assert allowed.setdefault(prefix, may) == may
            seen[prefix] |= set(word[t + 1 : t + 2])
            count[prefix] += 1
    for prefix, symbols in seen.items():
        assert symbols <= allowed[prefix]
        if count[prefix] >= 50:
            assert symbols == allowed[prefix]
    assert allowed["B"] == {"T", "P"}
    assert all(allowed[word] == set() for word in made)


MAKERS = [
    partial(make_first_token_recall, 20, 8, 5),
    partial(make_adding_problem, 20, 8),
    partial(make_reber, 20),
    partial(make_reber, 20, embedded=True),
]


def same(one, other):
    return all(
        len(a) == len(b) and all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("make", MAKERS)
def test_random_state(make):
    assert same(make(random_state=3), make(random_state=3))
    assert same(make(random_state=np.int32(3)), make(random_state=3))
    assert not same(make(random_state=3), make(random_state=4))
    assert not same(make(), make())
    rng = np.random.default_rng(3)
    first = make(random_state=rng)
    assert same(first, make(random_state=3))
    assert not same(first, make(random_state=rng))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("random_state", [-1, 1.5, True, "seed", np.random.RandomState(0), [1, 2]])
def test_bad_random_state(make, random_state):
    with pytest.raises(ValueError, match=r"^random_state must be an integer of at least 0"):
        make(random_state=random_state)


@pytest.mark.parametrize("bad", ["one less", -1, 2.0, True, "3", None])
@pytest.mark.parametrize(
    ("make", "arguments", "name", "minimum"),
    [
        (make_first_token_recall, {"length": 3, "n_tokens": 3}, "n_samples", 1),
        (make_first_token_recall, {"n_samples": 3, "n_tokens": 3}, "length", 1),
        (make_first_token_recall, {"n_samples": 3, "length": 3}, "n_tokens", 2),
        (make_adding_problem, {"length": 3}, "n_samples", 1),
        (make_adding_problem, {"n_samples": 3}, "length", 2),
        (make_reber, {}, "n_samples", 1),
    ],
)
def test_bad_size(make, arguments, name, minimum, bad):
    make(**arguments, **{name: np.int64(minimum)})
    bad = minimum - 1 if bad == "one less" else bad
    message = rf"^{name} must be an integer of at least {minimum}, got {bad!r}$"
    with pytest.raises(ValueError, match=message):
        make(**arguments, **{name: bad})
