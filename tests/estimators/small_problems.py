"""Estimators of every kind that train in milliseconds, and what they learn."""

import numpy as np
from contract import PLAIN, PLAIN_SERIES

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNTagger

CHANGED = {
    "activation": "relu",
    "reset_after": False,
    "candidate_activation": "tanh",
    "forget_bias_init": 0.5,
    "carry_bias_init": 0.5,
    "zoneout": 0.5,
    "dropout": 0.5,
    "recurrent_dropout": 0.5,
    "batch_size": 7,
    "learning_rate": "cosine",
    "learning_rate_init": 0.1,
    "power_t": 0.25,
    "shuffle": False,
    "momentum": 0.5,
    "nesterovs_momentum": False,
    "early_stopping": True,
    "validation_fraction": 0.5,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "epsilon": 0.1,
    "n_iter_no_change": 1,
    "max_fun": 1,
    "clip_norm": 0.01,
    "bptt_steps": 2,
    "augment": 1.0,
}
"""What is not the default, for every parameter that only some cell, solver or option uses."""


def make_problem(estimator=RNNClassifier, n=40):
    """Return what the estimator's `fit` takes: sequences of 2 to 8 steps and targets, or series."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(2, 9), 3)) for _ in range(n)]
    if estimator is RNNForecaster:
        return (X[0][:, 0].tolist() * 8,)
    if estimator is RNNLanguageModel:
        return ("the cat sat on the mat. " * 8,)
    if estimator is RNNTagger:
        return X, [np.where(x[:, 0] > 0, "up", "down") for x in X]
    total = np.array([x[:, 0].mean() for x in X])
    return X, np.where(total > 0, "up", "down") if estimator is RNNClassifier else total


def small(estimator=RNNClassifier, **params):
    """Return an estimator that trains in milliseconds."""
    plain = PLAIN_SERIES if estimator is RNNForecaster else PLAIN
    return estimator(
        **{**plain, "hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params}
    )


def same(a, b):
    """Tell whether two fitted estimators are the same to the bit."""
    return np.array_equal(a.network_.theta, b.network_.theta)
