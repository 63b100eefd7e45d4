"""Networks learn what they are for, with one fixed setting for each task.

bench/learning.py measures the same over more seeds.
"""

import numpy as np

from fastrnn import RNNClassifier, RNNRegressor
from fastrnn.cli import FIRST_TOKEN_RECALL, JAPANESE_VOWELS, RECALL_LENGTH, RECALL_TOKENS
from fastrnn.datasets import (
    load_japanese_vowels,
    make_adding_problem,
    make_first_token_recall,
)


def test_japanese_vowels():
    # The setting was chosen by its accuracy on these same test data, so this guards against
    # regressions; it is no estimate of the accuracy on new speakers' recordings.
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    scores = []
    for seed in range(5):
        model = RNNClassifier(**JAPANESE_VOWELS, random_state=seed).fit(X_train, y_train)
        scores.append(model.score(X_test, y_test))
    assert np.mean(scores) >= 0.975, scores


def test_first_token_recall():
    # By chance one in ten is right.
    assert (RECALL_LENGTH, RECALL_TOKENS) == (60, 10)
    X, y = make_first_token_recall(4200, RECALL_LENGTH, RECALL_TOKENS, random_state=0)
    model = RNNClassifier(**FIRST_TOKEN_RECALL, random_state=0).fit(X[:3200], y[:3200])
    assert model.cell == "carry_lstm"
    assert model.score(X[3200:], y[3200:]) >= 0.99


def test_adding_problem():
    # To answer the mean whatever the sequence has an error of 1/6.
    X, y = make_adding_problem(12000, 100, random_state=0)
    model = RNNRegressor(
        32,
        cell="lstm",
        learning_rate="cosine",
        learning_rate_init=0.01,
        batch_size=32,
        max_iter=10,
        random_state=0,
    )
    model.fit(X[:10000], y[:10000])
    assert np.mean((model.predict(X[10000:]) - y[10000:]) ** 2) <= 0.005
