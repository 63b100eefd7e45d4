"""The losses a network can be trained on, by name.

A loss joins what belongs together: the kernel that gives its value and gradient, and the link
that turns the outputs of the head into what `Network.predict` returns.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastrnn.kernels.losses import (
    binary_log_loss,
    quantile_loss,
    sigmoid,
    softmax,
    softmax_log_loss,
    squared_error,
)

__all__ = ["LOSSES", "Loss", "find_loss"]


@dataclass(frozen=True)
class Loss:
    """A loss and the way its predictions are read.

    Attributes
    ----------
    name : str or tuple of float
        By which `find_loss` finds it.
    kernel : callable
        ``kernel(outputs, target, weight, order, total, doutputs)`` returns the sum over the rows
        of weight times loss, divided by ``total``, and fills ``doutputs`` (B, K) with its
        gradient. Row n has target and weight ``order[n]``. ``outputs`` (B, K) may be turned into
        predictions on the way: see `fastrnn.kernels.losses`.
    link : callable
        ``link(outputs)`` turns the outputs (n, K) of the head into predictions, in place.
    """

    name: str | tuple[float, ...]
    kernel: Callable
    link: Callable


def _identity(outputs):
    """Leave the outputs as they are."""


LOSSES = {
    loss.name: loss
    for loss in (
        # Classes: target is (B,) int64, predictions are probabilities.
        Loss("log_loss", softmax_log_loss, softmax),
        # Labels, any number of them: target is (B, K) of 0 and 1 of the network's dtype,
        # predictions are the probability of each label.
        Loss("binary_log_loss", binary_log_loss, sigmoid),
        # Values: target is (B, K) of the network's dtype, NaN where there is none, predictions are
        # the outputs.
        Loss("squared_error", squared_error, _identity),
    )
}


def find_loss(name):
    """Find a loss.

    Parameters
    ----------
    name : str or tuple of float
        A key of `LOSSES`; or the levels, in (0, 1), of the quantiles that are wanted of each value.
        Then the target is (B, M) of the network's dtype, NaN where there is none, and predictions
        are the outputs (B, M times the number of levels).

    Returns
    -------
    Loss
    """
    if isinstance(name, str):
        return LOSSES[name]
    kernel = functools.partial(quantile_loss, levels=np.array(name, dtype=np.float64))
    return Loss(name, kernel, _identity)
