"""Heads: what becomes of the states that they read, the loss of it, and the answer.

Today's are a linear map with a loss for each row: a step, or a whole sequence. A head whose loss
joins the steps of a sequence says so in `time_may_be_cut` and `needs_every_step`; what it has of
parameters beside the map it names in `shapes`.
"""

from numbers import Real

import numpy as np

from fastrnn.kernels.losses import (
    binary_log_loss,
    quantile_loss,
    sigmoid,
    softmax,
    softmax_log_loss,
    squared_error,
)
from fastrnn.network.recurrent import glorot_uniform

__all__ = ["HEADS", "Head"]


class Head:
    """A linear map ``rows W + b`` to K outputs; a subclass adds the loss.

    Parameters
    ----------
    n_outputs : int
        K.
    tied : bool, default=False
        Whether W is the first table of embeddings, transposed.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        "W" (F, K), but not if tied, and "b" (K,), and their gradients: views of the network's.
    options : dict
        What else the constructor takes, in its one form.
    """

    kind: str
    """Its name in `HEADS`."""
    time_may_be_cut = True
    """Whether the loss of some steps can be told, and gone back from, before the next are read."""
    needs_every_step = False
    """Whether it can only read the states of all steps."""

    def __init__(self, n_outputs, *, tied=False):
        self.n_outputs, self.tied, self.options = n_outputs, tied, {}
        self.params, self.grads = {}, {}

    def shapes(self, width):
        """Name its parameters, with their shapes; those that begin with b are not decayed.

        Parameters
        ----------
        width : int
            F, of the rows that it reads.

        Returns
        -------
        dict of str to tuple of int
            In the order of theta.
        """
        shapes = {} if self.tied else {"W": (width, self.n_outputs)}
        return {**shapes, "b": (self.n_outputs,)}

    @property
    def n_parameters(self):
        """Number of its own parameters."""
        return sum(array.size for array in self.params.values())

    def start(self, rng):
        """Draw the first parameters."""
        if not self.tied:
            self.params["W"][...] = glorot_uniform(rng, self.params["W"].shape)

    def loss_and_grad(self, outputs, target, weight, places, total):
        """Loss of some rows, and its gradient.

        Parameters
        ----------
        outputs : ndarray of shape (rows, K)
            On return the gradient with respect to them.
        target, weight : ndarray of shape (n,) or (n, K), and (n,)
            Of all rows there are.
        places : ndarray of shape (rows,), int64
            Which of them these are.
        total : float
            What the sum of weight times loss is divided by.

        Returns
        -------
        float
        """
        raise NotImplementedError

    def decode(self, outputs):
        """Turn outputs into what the network predicts, in place.

        Parameters
        ----------
        outputs : ndarray of shape (rows, K)
            From `forward`.
        """


class Softmax(Head):
    """Classes: target is (n,) int64, predictions are probabilities."""

    kind = "log_loss"

    def loss_and_grad(self, outputs, target, weight, places, total):
        return softmax_log_loss(outputs, target, weight, places, total, outputs)

    def decode(self, outputs):
        softmax(outputs)


class Sigmoid(Head):
    """Labels, any number of them: target is (n, K) of 0 and 1, predictions are probabilities."""

    kind = "binary_log_loss"

    def loss_and_grad(self, outputs, target, weight, places, total):
        return binary_log_loss(outputs, target, weight, places, total, outputs)

    def decode(self, outputs):
        sigmoid(outputs)


class SquaredError(Head):
    """Values: target is (n, K), NaN where there is none; half the squared error, their mean."""

    kind = "squared_error"

    def loss_and_grad(self, outputs, target, weight, places, total):
        return squared_error(outputs, target, weight, places, total, outputs)


class Quantiles(Head):
    """Quantiles of values: target is (n, M), NaN where there is none; K = M times levels.

    Parameters
    ----------
    n_outputs, tied : object
        As of `Head`.
    levels : sequence of float
        In (0, 1); the outputs of each value stand side by side.
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

    def loss_and_grad(self, outputs, target, weight, places, total):
        return quantile_loss(outputs, target, weight, places, total, outputs, self._levels)


def _is_level(value):
    return isinstance(value, Real) and 0 < value < 1


HEADS = {head.kind: head for head in (Softmax, Sigmoid, SquaredError, Quantiles)}
