"""Networks learn what they are for, by the defaults or with one fixed setting for each task.

bench/learning.py measures the same over more seeds. That the first of many tokens is recalled is
shown by the demonstration, in tests/cli/test_cli.py.
"""

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor, RNNSeq2Seq, RNNTagger
from fastrnn.datasets import (
    REBER_SYMBOLS,
    load_japanese_vowels,
    make_adding_problem,
    make_reber,
)


def test_japanese_vowels():
    # By the defaults, which were chosen without these test data.
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    model = RNNClassifier(random_state=0).fit(X_train, y_train)
    assert model.score(X_test, y_test) >= 0.97


def test_adding_problem():
    # To answer the mean whatever the sequence has an error of 1/6. Of ten epochs as many as nine
    # were spent so: last digits, which differ with compilers, decide when it is over.
    X, y = make_adding_problem(7000, 100, random_state=0)
    model = RNNRegressor(
        32,
        cell="lstm",
        dropout=0.0,
        pooling="last",
        stride=1,
        conv=None,
        scaling=None,
        learning_rate="cosine",
        learning_rate_init=0.01,
        batch_size=32,
        max_iter=16,
        random_state=0,
    )
    model.fit(X[:5000], y[:5000])
    assert np.mean((model.predict(X[5000:]) - y[5000:]) ** 2) <= 0.005


@pytest.mark.parametrize("step", [1, -1])
def test_copy_and_reverse(step):
    # By the defaults: all tokens are to be right, of which there are one to five.
    rng = np.random.default_rng(0)
    X = [rng.integers(4, size=rng.integers(1, 6)) for _ in range(350)]
    y = [x[::step] for x in X]
    model = RNNSeq2Seq(categorical_features="all", random_state=0)
    model.fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) >= 0.97


@pytest.mark.parametrize("embedded", [False, True])
def test_reber_grammar(embedded):
    # At each step exactly the symbols that may come next are to be found probable. The embedded
    # grammar asks to remember the second symbol up to the last but one.
    X, may_follow = make_reber(1500, embedded=embedded, random_state=0)
    y = [[REBER_SYMBOLS[k] for k in x[1:].argmax(axis=1)] + [None] for x in X]
    model = RNNTagger(
        24,
        cell="lstm",
        bidirectional=False,
        dropout=0.0,
        scaling=None,
        learning_rate="cosine",
        learning_rate_init=0.02,
        batch_size=20,
        max_iter=10,
        random_state=0,
    )
    model.fit(X[:1000], y[:1000])
    order = [REBER_SYMBOLS.index(symbol) for symbol in model.classes_]
    exact = [
        ((p > 0.1) == allowed[:, order]).all(axis=1)[:-1]
        for p, allowed in zip(model.predict_proba(X[1000:]), may_follow[1000:], strict=True)
    ]
    assert np.mean(np.concatenate(exact)) >= 0.99
