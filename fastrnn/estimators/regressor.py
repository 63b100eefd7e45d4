"""RNNRegressor: one or several numbers for every sequence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from fastrnn.bridge import RegressorMixin
from fastrnn.estimators.attending import Attending
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitted import FittedNumbers
from fastrnn.estimators.numbers import NumberTask
from fastrnn.estimators.predicting import outputs, read
from fastrnn.estimators.task_parameters import (
    LongSequenceParameters,
    PoolingParameters,
    RegressorParameters,
    SequenceDefaults,
    SequenceParameters,
)
from fastrnn.training.budget import NUMBERS
from fastrnn.typing import Doubles, SampleWeight, SequencesLike, TargetsLike


@dataclass(eq=False, repr=False, kw_only=True)
class RNNRegressor(
    RegressorMixin,
    RegressorParameters,
    SequenceParameters,
    LongSequenceParameters,
    PoolingParameters,
    SequenceDefaults,
    Attending,
    FittedNumbers,
    RNNBase,
):
    r"""Predict one or several numbers for each sequence with a recurrent network.

    A network of recurrent layers reads each sequence; a linear layer on what they remember gives
    the numbers. It is trained to minimize the squared error, or another `loss`, plus an L2 penalty.
    Sequences may have unequal lengths; nothing is padded. Inside, every output is scaled to mean 0
    and standard deviation 1 over the training sequences (with ``loss="poisson"`` to mean 1), so
    that the units of `y` do not matter.

    Attributes
    ----------
    y_mean_ : ndarray of shape (n_targets,)
        Weighted mean of each column of `y` over the training sequences; 0 with ``loss="poisson"``.
    y_scale_ : ndarray of shape (n_targets,)
        Weighted standard deviation of each column, 1 for one that does not vary; with
        ``loss="poisson"`` its weighted mean, 1 for one of zeros.

    See Also
    --------
    RNNClassifier : Predicts labels instead of numbers.

    Notes
    -----
    With scaled targets :math:`y_{nk}`, outputs :math:`o_{nk}` and weight :math:`w_n` of each
    sequence in a minibatch, the loss is

    .. math:: \frac{\sum_n w_n \frac{1}{K} \sum_k L(y_{nk}, o_{nk})}{\sum_n w_n}
        + \frac{\alpha}{2 \sum_n w_n} \|W\|^2 ,

    where L is :math:`\frac{1}{2} (o - y)^2`; or
    :math:`\max(\tau (y - o), (\tau - 1) (y - o))` for the level :math:`\tau` of a quantile, with
    one output for each level; or :math:`y \log(y / \mu) - y + \mu` with the mean
    :math:`\mu = \exp(o)` (from o = 30 on its tangent). Quantiles never cross, since the network's
    outputs are sorted. With "quantile" and "poisson" validation scores are minus the loss, without
    the penalty; with "squared_error" they are R², as of `score`.

    Examples
    --------
    >>> from fastrnn import RNNRegressor
    >>> from fastrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(1200, 10, random_state=0)
    >>> reg = RNNRegressor(16, learning_rate="cosine", learning_rate_init=0.02, batch_size=20,
    ...                    max_iter=15, random_state=0)
    >>> reg.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9
    True
    """

    kind = "regressor"
    task_class = NumberTask
    budget = NUMBERS

    def predict(self, X: SequencesLike) -> Doubles:
        """Predict the numbers of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_targets), float64
            One number for each sequence if `y` was one-dimensional in `fit`, else a row. They are
            means; with ``loss="quantile"`` the quantile that was learned, or the median of several.
        """
        said = outputs(self, read(self, X))
        numbers: Doubles = self.task_.decode(said)
        return numbers

    def predict_quantiles(
        self, X: SequencesLike, levels: Collection[float] | None = None
    ) -> Doubles:
        """Predict quantiles of the numbers of each sequence, with ``loss="quantile"``.

        They never cross: the network's outputs are sorted.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        levels : array-like of float, default=None
            Levels between the first and the last of `quantile`; between those that were learned
            quantiles are interpolated linearly. None means those of `quantile`.

        Returns
        -------
        ndarray of shape (n_sequences, n_levels) or (n_sequences, n_targets, n_levels), float64
            The quantiles; with an axis of targets if `y` was two-dimensional in `fit`.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If the model has not learned quantiles, or not as far out as `levels`.
        """
        self.check_fitted()
        levels = self.task_.check_levels(levels)
        said = outputs(self, read(self, X))
        found: Doubles = self.task_.quantiles(said, levels)
        return found

    def score(self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None) -> float:
        """Return the coefficient of determination R² of `predict`, the mean over the targets.

        It is the same score whatever the `loss` is, as of scikit-learn's regressors.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_targets)
            The true numbers.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence; None gives all the same weight.

        Returns
        -------
        float
            1 for perfect predictions, 0 for always predicting the mean of `y`; NaN, with a
            warning, for fewer than two sequences.
        """
        sequences = read(self, X)
        said = outputs(self, sequences)
        score: float = self.task_.score_answers(said, y, sequences, sample_weight)
        return score

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
