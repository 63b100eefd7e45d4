"""Heads: what becomes of the states that they read, the loss of it, and the answer.

Today's are a linear map with a loss for each row, a step or a whole sequence; or for all steps of a
sequence together.
"""

from numbers import Real

import numpy as np

from fastrnn.kernels.losses import (
    binary_log_loss,
    quantile_loss,
    softmax_log_loss,
    squared_error,
)
from fastrnn.network import likelihoods
from fastrnn.network.crf import CRF
from fastrnn.network.ctc import CTC
from fastrnn.network.linear_head import LinearHead, mean_of_columns

__all__ = ["HEADS"]


class Softmax(LinearHead):
    """Classes: target is (n,) int64, predictions are probabilities."""

    kind = "log_loss"
    link = "softmax"

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return softmax_log_loss(outputs, target, weight, places, total, outputs)

    def constant_loss(self, target, weight, lengths=None):
        return _entropy(np.bincount(target, weight) / weight.sum(dtype=np.float64))

    def step_log_likelihoods(self, outputs, target, places, batch, room):
        """Of the class of each row, in float64, finite for the least likely one, too.

        Where a target is negative it may be any class.
        """
        target = target[places]
        outputs -= outputs.max(axis=1, keepdims=True)
        own = outputs[np.arange(len(places)), target].astype(np.float64)
        likelihoods = own - np.log(np.exp(outputs, out=outputs).sum(axis=1))
        likelihoods[target < 0] = 0.0
        return likelihoods


class Sigmoid(LinearHead):
    """Labels, any number of them: target is (n, K) of 0 and 1, predictions are probabilities."""

    kind = "binary_log_loss"
    link = "sigmoid"

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return binary_log_loss(outputs, target, weight, places, total, outputs)

    def constant_loss(self, target, weight, lengths=None):
        shares = np.average(target.astype(np.float64), axis=0, weights=weight)
        return _entropy(shares) + _entropy(1.0 - shares)


class SquaredError(LinearHead):
    """Values: target is (n, K), NaN where there is none; half the squared error, their mean."""

    kind = "squared_error"

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return squared_error(outputs, target, weight, places, total, outputs)

    def constant_loss(self, target, weight, lengths=None):
        return mean_of_columns(_variance, target, weight) / 2


class Quantiles(LinearHead):
    """Quantiles of values: target is (n, M), NaN where there is none; K = M times levels.

    Levels are in (0, 1); the outputs of each value stand side by side.
    """

    kind = "quantiles"

    def __init__(self, n_outputs, *, tied=False, levels):
        super().__init__(n_outputs, tied=tied)
        if not isinstance(levels, tuple | list) or not levels or not all(map(_is_level, levels)):
            raise ValueError(f"levels must be numbers in (0, 1), got {levels!r}")
        if n_outputs % len(levels):
            raise ValueError(
                f"{len(levels)} levels need a multiple of {len(levels)} outputs, got {n_outputs}"
            )
        self.options = {"levels": tuple(float(level) for level in levels)}
        self._levels = np.array(levels, dtype=np.float64)

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return quantile_loss(outputs, target, weight, places, total, outputs, self._levels)

    def constant_loss(self, target, weight, lengths=None):
        return mean_of_columns(self._spread, target, weight)

    def _spread(self, values, weight):
        """The loss of the best constants, times the sum of weights."""
        order = np.argsort(values)
        values, weight = values[order], weight[order]
        totals = np.cumsum(weight)
        places = np.searchsorted(totals, self._levels * totals[-1])
        above = values - values[places, np.newaxis]
        levels = self._levels[:, np.newaxis]
        losses = np.maximum(levels * above, (levels - 1.0) * above) @ weight
        return losses.mean()


def _entropy(shares):
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _variance(values, weight):
    """The variance times the sum of weights."""
    return (weight * (values - np.average(values, weights=weight)) ** 2).sum()


def _is_level(value):
    return isinstance(value, Real) and 0 < value < 1


HEADS = {
    head.kind: head
    for head in (
        Softmax,
        Sigmoid,
        SquaredError,
        Quantiles,
        likelihoods.StudentT,
        likelihoods.Poisson,
        likelihoods.NegativeBinomial,
        CRF,
        CTC,
    )
}
