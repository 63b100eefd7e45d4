"""RNNRegressor: one or several numbers for every sequence."""

from dataclasses import dataclass

from fastrnn.bridge import RegressorMixin
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.numbers import NumberTask
from fastrnn.estimators.predicting import outputs, read
from fastrnn.estimators.task_parameters import (
    LongSequenceParameters,
    PoolingParameters,
    SequenceParameters,
)


@dataclass(eq=False, repr=False, kw_only=True)
class RNNRegressor(
    RegressorMixin, SequenceParameters, LongSequenceParameters, PoolingParameters, RNNBase
):
    r"""Predict one or several numbers for each sequence with a recurrent network.

    A network of recurrent layers reads each sequence; a linear layer on what they remember gives
    the numbers. It is trained to minimize the squared error plus an L2 penalty. Sequences may have
    unequal lengths; nothing is padded. Inside, every output is scaled to mean 0 and standard
    deviation 1 over the training sequences, so that the units of `y` do not matter.

    Attributes
    ----------
    y_mean_ : ndarray of shape (n_outputs,)
        Weighted mean of each output over the training sequences.
    y_scale_ : ndarray of shape (n_outputs,)
        Weighted standard deviation of each output; 1 for an output that does not vary.

    See Also
    --------
    RNNClassifier : Predicts labels instead of numbers.

    Notes
    -----
    With scaled targets :math:`y_{nk}`, predictions :math:`o_{nk}` and weight :math:`w_n` of each
    sequence in a minibatch, the loss is

    .. math:: \frac{\sum_n w_n \frac{1}{2K} \sum_k (o_{nk} - y_{nk})^2}{\sum_n w_n}
        + \frac{\alpha}{2 \sum_n w_n} \|W\|^2 .

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

    def predict(self, X):
        """Predict the numbers of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_outputs), float64
            One number for each sequence if `y` was one-dimensional in `fit`, else a row.
        """
        said = outputs(self, read(self, X))
        return self.task_.decode(said)

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R², the mean over the outputs.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
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
        return self.task_.score_answers(outputs(self, sequences), y, sequences, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
