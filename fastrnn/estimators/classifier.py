"""RNNClassifier: a label for every sequence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.bridge import ClassifierMixin, available_if
from fastrnn.estimators.attending import Attending
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitted import FittedClasses
from fastrnn.estimators.fitting import fit_one_epoch, steps_by_minibatches
from fastrnn.estimators.labels import ClassTask, read_classes, refuse_balanced
from fastrnn.estimators.predicting import outputs, read
from fastrnn.estimators.targets import is_multilabel
from fastrnn.estimators.task_parameters import (
    ClassParameters,
    LongSequenceParameters,
    PoolingParameters,
    SequenceDefaults,
    SequenceParameters,
)
from fastrnn.typing import AnyArray, Floats, SampleWeight, SequencesLike, TargetsLike


@dataclass(eq=False, repr=False, kw_only=True)
class RNNClassifier(
    ClassifierMixin,
    ClassParameters,
    SequenceParameters,
    LongSequenceParameters,
    PoolingParameters,
    SequenceDefaults,
    Attending,
    FittedClasses,
    RNNBase,
):
    r"""Classify sequences with a recurrent network.

    A network of recurrent layers reads each sequence; a softmax layer on what they remember gives
    the probability of each class. It is trained to minimize the log-loss plus an L2 penalty.
    Sequences may have unequal lengths; nothing is padded.

    With a `y` of several columns of zeros and ones, each sequence may have any number of labels.
    The probability of each label is then a logistic function of its own, and the log-loss the sum
    over the labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted; with several labels for each sequence, the numbers of the columns
        of `y`.

    See Also
    --------
    RNNRegressor : Predicts numbers instead of labels.

    Notes
    -----
    With class probabilities :math:`p_k`, label :math:`y_n` and weight :math:`w_n` of each sequence
    in a minibatch, the loss is

    .. math:: -\frac{\sum_n w_n \log p_{y_n}(x_n)}{\sum_n w_n}
        + \frac{\alpha}{2 \sum_n w_n} \|W\|^2 .

    With several labels, :math:`\log p_{y_n}` becomes
    :math:`\sum_k y_{nk} \log p_k + (1 - y_{nk}) \log(1 - p_k)`.

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

    kind = "classifier"
    task_class = ClassTask

    @available_if(steps_by_minibatches)
    def partial_fit(  # type: ignore[override]
        self,
        X: SequencesLike,
        y: TargetsLike,
        classes: Collection[Any] | None = None,
        sample_weight: SampleWeight = None,
    ) -> Self:
        """Train for one epoch on these sequences, going on from where training was.

        The first call starts a model; each later one, also after `fit`, goes on with its weights,
        with what the solver keeps from step to step, and with its random numbers. What shapes the
        network must stay as it was; how it is trained may change. There is no `partial_fit` with
        ``solver="lbfgs"``, and none with ``early_stopping=True``. Callbacks are not called.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            The labels, as in `fit`. Not all classes need be among them.
        classes : array-like of shape (n_classes,), default=None
            All classes that `y` will have in any call. Needed in the first call, where `y` has one
            label for each sequence; later they may be left out, but not changed.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss, as in `fit`.

        Returns
        -------
        RNNClassifier
            The estimator itself.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; if `classes` are missing, fewer than two or others than before; if `X`, `y`
            or a parameter does not suit the model fitted so far; or if ``class_weight="balanced"``.
            The model is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        refuse_balanced(self.class_weight)
        task = self.task_ if self.is_fitted else None
        if task is not None or not is_multilabel(y):
            task = task or ClassTask(read_classes(classes, task, "classifier"))
            read_classes(classes, task, "classifier")
        elif classes is not None:
            given, n_labels = np.asarray(classes), np.asarray(y).shape[1]
            if not np.array_equal(given, np.arange(n_labels)):
                raise ValueError(
                    f"classes must be the numbers of the columns of y, 0 to {n_labels - 1}, where "
                    f"y has several labels for each sequence, got {given.tolist()}"
                )
        fit_one_epoch(self, X, y, sample_weight, task)
        return self

    def predict(self, X: SequencesLike) -> AnyArray:
        """Predict the class of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            The most probable label of each sequence; where `y` had several columns in `fit`, 1 for
            each label whose probability is above 0.5, else 0.
        """
        said = outputs(self, read(self, X))
        labels: AnyArray = self.task_.decode(said)
        return labels

    def predict_proba(self, X: SequencesLike) -> Floats:
        """Predict the probability of each class.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes)
            Probabilities in the order of `classes_`. Each row adds up to 1, but not where `y` had
            several columns in `fit`: those are the probabilities of each label by itself.
        """
        return outputs(self, read(self, X))

    def predict_log_proba(self, X: SequencesLike) -> Floats:
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

    def score(self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None) -> float:
        """Return the accuracy: the share of sequences whose label, or whole row, is predicted.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            The true labels, as in `fit`.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence; None gives all the same weight.

        Returns
        -------
        float
            Accuracy between 0 and 1.
        """
        sequences = read(self, X)
        said = outputs(self, sequences)
        share: float = self.task_.score_answers(said, y, sequences, sample_weight)
        return share

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
