"""Heads that learn a distribution: their outputs are its parameters, side by side for each target.

`fastrnn.kernels.likelihoods` has the formulas. What these heads predict are the parameters on the
scale of the targets: location, scale and degrees of freedom, a rate, or mean and dispersion.
"""

import numpy as np

from fastrnn.kernels.likelihoods import negative_binomial_loss, poisson_loss, student_t_loss
from fastrnn.network.linear_head import LinearHead, mean_of_columns

__all__ = ["NegativeBinomial", "Poisson", "StudentT"]


class _Likelihood(LinearHead):
    def __init__(self, n_outputs, *, tied=False):
        super().__init__(n_outputs, tied=tied)
        if n_outputs % self.n_parameters:
            raise ValueError(
                f"{self.kind!r} needs a multiple of {self.n_parameters} outputs, got {n_outputs}"
            )


class StudentT(_Likelihood):
    """Numbers with heavy tails: target is (n, M), NaN where there is none; K = 3M."""

    kind = link = "student_t"
    n_parameters = 3
    point_link = "identity"

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return student_t_loss(outputs, target, weight, places, total, outputs)


class Poisson(_Likelihood):
    """Counts, or other amounts: target is (n, M), >= 0, NaN where there is none; K = M."""

    kind = "poisson"
    link = "rate"
    n_parameters = 1

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return poisson_loss(outputs, target, weight, places, total, outputs)

    def constant_loss(self, target, weight, lengths=None):
        return mean_of_columns(_half_deviance, target, weight)


class NegativeBinomial(_Likelihood):
    """Counts that vary more: target is (n, M + 1), counts over the unit of the row, and that.

    There is none where a count is NaN; K = 2M.
    """

    kind = link = "negative_binomial"
    n_parameters = 2
    point_link = "softplus"

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        return negative_binomial_loss(outputs, target, weight, places, total, outputs)


def _half_deviance(values, weight):
    """That of Poisson of the mean, times the sum of weights."""
    mean, above = np.average(values, weights=weight), values > 0
    return (weight[above] * values[above] * np.log(values[above] / mean)).sum()
