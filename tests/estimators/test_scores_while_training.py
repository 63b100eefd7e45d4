"""Scores on what is held out and on validation data: weights of sequences, none of classes."""

import numpy as np
import pytest
from contract import PLAIN, label_sequences

from fastrnn.estimators import RNNClassifier, RNNTagger

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(estimator, **params):
    """Return an estimator that trains in milliseconds."""
    return estimator(
        **{"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **PLAIN, **params}
    )


def as_steps(X, y):
    """Return what a tagger learns of the same: every step has the label of its sequence."""
    return X, [np.full(len(x), label) for x, label in zip(X, y, strict=True)]


def as_given(X, y):
    """Return what a classifier learns."""
    return X, y


class_weights = pytest.mark.parametrize(
    "class_weight", [None, {"up": 50.0}, {"down": 1e-30}, "balanced"]
)


with_classes = pytest.mark.parametrize(
    ("estimator", "make"), [(RNNClassifier, as_given), (RNNTagger, as_steps)]
)


@class_weights
@with_classes
def test_scores_of_validation_data_have_sample_weights_and_no_class_weights(
    estimator, make, class_weight
):
    X, y = make(*label_sequences(40))
    X_val, y_val = make(*label_sequences(25, seed=1))
    weight = np.random.default_rng(0).uniform(0.1, 5, len(X_val))
    model = small(estimator, class_weight=class_weight)
    model.fit(X, y, validation_data=(X_val, y_val, weight))
    assert model.validation_scores_[-1] == pytest.approx(
        model.score(X_val, y_val, sample_weight=weight), rel=1e-9
    )


@class_weights
@with_classes
@pytest.mark.filterwarnings("ignore:Training has learned nothing")
def test_scores_of_what_is_held_out_too(estimator, make, class_weight):
    # The sequences are all the same, of one step, so that one label is predicted for the 20 held
    # out: k of them have it, each with the weight of its label.
    labels = np.array(["up", "down", "up", "up"] * 10)
    X, y = make([np.ones((1, 2))] * 40, labels)
    weight = np.where(labels == "up", 1.0, 0.3)
    params = {"class_weight": class_weight, "early_stopping": True, "validation_fraction": 0.5}
    model = small(estimator, learning_rate_init=0.1, max_iter=30, alpha=0.0001, **params)
    model.fit(X, y, sample_weight=weight)
    k = np.arange(21)
    up, down = k * 1.0, (20 - k) * 0.3
    expected = np.concatenate([up, down]) / np.tile(up + down, 2)
    for score in model.validation_scores_:
        assert np.abs(expected - score).min() < 1e-9
