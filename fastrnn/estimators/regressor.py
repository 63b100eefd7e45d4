"""RNNRegressor: one or several numbers for every sequence."""

import warnings
from dataclasses import dataclass

import numpy as np

from fastrnn.bridge import RegressorMixin
from fastrnn.estimators.adopting import adopt_columns
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.precision import narrow, narrow_weight
from fastrnn.estimators.saving import read_sequences
from fastrnn.estimators.targets import (
    Target,
    as_numbers,
    as_sample_weight,
    check_same_length,
    learned,
)
from fastrnn.files import ModelFileError
from fastrnn.streams import Reading, Snapshot


@dataclass(eq=False, repr=False, kw_only=True)
class RNNRegressor(RegressorMixin, RNNBase):  # numpydoc ignore=PR02
    r"""Predict one or several numbers for each sequence with a recurrent network.

    A network of recurrent layers reads each sequence; a linear layer on what they remember gives
    the numbers. It is trained to minimize the squared error plus an L2 penalty. Sequences may have
    unequal lengths; nothing is padded. Inside, every output is scaled to mean 0 and standard
    deviation 1 over the training sequences, so that the units of `y` do not matter.

    Parameters
    ----------
    pooling : {"last", "mean", "max"}, default="last"
        What the output layer sees of the top layer: the state at the end of each direction, or the
        mean or the largest value of each unit over all time steps.

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

    _kind = "regressor"

    pooling: str = "last"

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
        values = self._values(self._read(X))
        return values[:, 0] if self._y_ndim == 1 else values

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
        sequences = self._read(X)
        y = as_numbers(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the model predicts {self.n_outputs_}"
            )
        return _r2(y, self._values(sequences), weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _snapshot(self, network):
        return Snapshot(
            network,
            Reading.of_columns(self._columns),
            np.array(self.y_scale_, dtype=np.float64),
            np.array(self.y_mean_, dtype=np.float64),
            is_flat=self._y_ndim == 1,
        )

    def _values(self, sequences):
        return self._outputs(sequences) * self.y_scale_ + self.y_mean_

    def _encode(self, y, sequences, weight, known, *, part=False):
        y = as_numbers(y)
        check_same_length(sequences, "y", y)
        columns = y.reshape(len(y), -1)
        if known is not None:
            mean, scale = known["y_mean_"], known["y_scale_"]
            if columns.shape[1] != len(mean):
                raise ValueError(
                    f"y has {columns.shape[1]} outputs, but the model predicts {len(mean)}"
                )
        else:
            shares = _at_most_one(weight)
            mean = np.average(columns, axis=0, weights=shares)
            scale = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=shares))
            scale[scale <= 1e-12 * np.abs(mean)] = 1.0  # an output that does not vary
        with np.errstate(over="ignore"):
            scaled = (columns - mean) / scale
        dtype, place = sequences.values.dtype, "sequence {}".format
        return Target(
            values=narrow(scaled, dtype, "the scaled y", place, counts=weight > 0),
            weight=narrow_weight(weight, dtype),
            n_outputs=columns.shape[1],
            groups=np.zeros(len(y), dtype=np.int64),
            attributes={"y_mean_": mean, "y_scale_": scale, "_y_ndim": y.ndim},
            loss="squared_error",
        )

    def _adopt_outputs(self, weights):
        n = len(weights.head["b"])
        attributes = {"y_mean_": np.zeros(n), "y_scale_": np.ones(n), "_y_ndim": 2 if n > 1 else 1}
        target = learned(attributes, n, "squared_error")
        return adopt_columns(self, weights), target, weights.head

    def _record(self):
        fields, arrays = super()._record()
        arrays |= {"y_mean": self.y_mean_, "y_scale": self.y_scale_}
        return {**fields, "n_outputs": self.n_outputs_, "y_ndim": self._y_ndim}, arrays

    def _restore(self, fields, file):
        n_outputs, ndim = fields.whole("n_outputs", 1), fields.whole("y_ndim", 1, 2)
        fields.check(ndim == 2 or n_outputs == 1, "y_ndim", "2 for several outputs")
        mean, scale = (
            file.array(f"fitted.{name}", "float64", (n_outputs,)) for name in ("y_mean", "y_scale")
        )
        if not (scale > 0).all():
            raise ModelFileError("the tensor 'fitted.y_scale' has numbers that are not above 0")
        attributes = {"y_mean_": mean, "y_scale_": scale, "_y_ndim": ndim}
        return read_sequences(fields), learned(attributes, n_outputs, "squared_error")

    def _output_scale(self, output):
        return self.y_scale_[output]

    def _score(self, outputs, values, weight):
        return _r2(values, outputs, weight)


def _at_most_one(weight):
    """Divide weights by a power of two, which changes no bits of their means: nothing overflows."""
    return np.ldexp(weight, -np.frexp(weight.max())[1])


def _r2(y, prediction, weight):
    """Return R² of (n, K) predictions, the mean over K."""
    if len(y) < 2:
        warnings.warn("R² is not defined for fewer than two sequences", UserWarning, stacklevel=3)
        return np.nan
    weight = _at_most_one(np.asarray(weight, dtype=np.float64))[:, np.newaxis]
    y = y.astype(np.float64)
    error = (weight * (y - prediction) ** 2).sum(axis=0)
    spread = (weight * (y - np.average(y, axis=0, weights=weight[:, 0])) ** 2).sum(axis=0)
    varies = spread > 0
    score = np.where(error == 0, 1.0, 0.0)  # what is left to say of an output that does not vary
    score[varies] = 1.0 - error[varies] / spread[varies]
    return float(score.mean())
