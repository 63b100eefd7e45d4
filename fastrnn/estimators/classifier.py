"""RNNClassifier: a label for every sequence."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.bridge import ClassifierMixin
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.targets import Target, as_labels, as_sample_weight, check_same_length


@dataclass(eq=False, repr=False, kw_only=True)
class RNNClassifier(ClassifierMixin, RNNBase):  # numpydoc ignore=PR02
    r"""Classify sequences with a recurrent network.

    A network of recurrent layers reads each sequence; a softmax layer on what they remember gives
    the probability of each class. It is trained to minimize the log-loss plus an L2 penalty.
    Sequences may have unequal lengths; nothing is padded.

    Parameters
    ----------
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss, by label; a class that is not named has weight 1.
        "balanced" gives every class the same total weight.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    See Also
    --------
    RNNRegressor : Predicts numbers instead of labels.

    Notes
    -----
    With class probabilities :math:`p_k`, label :math:`y_n` and weight :math:`w_n` of each sequence
    in a minibatch, the loss is

    .. math:: -\frac{\sum_n w_n \log p_{y_n}(x_n)}{\sum_n w_n}
        + \frac{\alpha}{2 \sum_n w_n} \|W\|^2 .

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 20), 2)).cumsum(axis=0) for _ in range(300)]
    >>> y = ["up" if x[-1, 0] > x[0, 0] else "down" for x in X]
    >>> clf = RNNClassifier(16, cell="gru", learning_rate="cosine", learning_rate_init=0.02,
    ...                     batch_size=20, max_iter=20, random_state=0)
    >>> clf.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.85
    True
    >>> clf.predict([[[0, 0], [1, 2], [3, 1]], [[0, 1], [-2, 2]]])
    array(['up', 'down'], dtype='<U4')
    """

    class_weight: dict[Any, float] | str | None = None

    _loss = "log_loss"

    def predict(self, X):
        """Predict the class of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,)
            The most probable label of each sequence.
        """
        return self._labels(self._read(X))

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes)
            Probabilities in the order of `classes_`; each row adds up to 1.
        """
        return self._outputs(self._read(X))

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes)
            Logarithms in the order of `classes_`; minus infinity where the probability is too
            small for the `dtype`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X, y, sample_weight=None):
        """Return the accuracy: the share of sequences whose label is predicted.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,)
            The true labels.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence; None gives all the same weight.

        Returns
        -------
        float
            Accuracy between 0 and 1.
        """
        sequences = self._read(X)
        y = as_labels(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        return float(np.average(self._labels(sequences) == y, weights=weight))

    def _labels(self, sequences):
        return self.classes_[self._outputs(sequences).argmax(axis=1)]

    def _encode(self, y, sequences, weight, goes_on):
        y = as_labels(y)
        check_same_length(sequences, "y", y)
        classes, numbers = np.unique(y, return_inverse=True)
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True goes on from the fitted model, which has classes "
                f"{self.classes_.tolist()}, but y has {classes.tolist()}"
            )
        per_class = np.bincount(numbers, weight, minlength=len(classes))
        if np.count_nonzero(per_class) < 2:
            seen = classes[per_class > 0].tolist()
            raise ValueError(f"y has one class only, {seen[0]!r}: a classifier needs two or more")
        weight = weight * self._weigh_classes(classes, per_class)[numbers]
        return Target(
            values=numbers.astype(np.int64),
            weight=weight.astype(self.dtype),
            n_outputs=len(classes),
            groups=numbers,
            attributes={"classes_": classes},
        )

    def _weigh_classes(self, classes, per_class):
        weights = np.ones(len(classes))
        if self.class_weight == "balanced":
            np.divide(per_class.sum(), len(classes) * per_class, out=weights, where=per_class > 0)
        elif self.class_weight is not None:
            for label, weight in self.class_weight.items():
                if not np.any(classes == label):
                    raise ValueError(
                        f"class_weight has the label {label!r}, but y has {classes.tolist()}"
                    )
                weights[classes == label] = weight
        return weights

    def _score(self, outputs, values, weight):
        return float(np.average(outputs.argmax(axis=1) == values, weights=weight))
