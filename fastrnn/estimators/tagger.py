"""RNNTagger: a label for every step of a sequence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.bridge import available_if
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitted import FittedClasses
from fastrnn.estimators.fitting import fit_one_epoch, steps_by_minibatches
from fastrnn.estimators.labels import check_none_is_left_out, read_classes, refuse_balanced
from fastrnn.estimators.predicting import best_outputs, outputs, read
from fastrnn.estimators.step_labels import StepClassTask
from fastrnn.estimators.task_parameters import (
    ClassParameters,
    LongSequenceParameters,
    SequenceParameters,
    StepDefaults,
    TaggerParameters,
)
from fastrnn.inputs.steps import split_steps
from fastrnn.training.budget import EVERY_STEP
from fastrnn.typing import Doubles, Floats, ObjectArray, SampleWeight, SequencesLike, TargetsLike


@dataclass(eq=False, repr=False, kw_only=True)
class RNNTagger(
    TaggerParameters,
    ClassParameters,
    SequenceParameters,
    LongSequenceParameters,
    StepDefaults,
    FittedClasses,
    RNNBase,
):
    r"""Label every step of sequences with a recurrent network.

    A network of recurrent layers reads each sequence; a softmax layer on its states gives at every
    step the probability of each class, or with ``output="crf"`` a conditional random field that of
    all labels of the sequence together. It is trained to minimize the log-loss plus an L2 penalty.
    By default the network reads in both directions: where the label of a step may not depend on
    what comes after it, as in a stream, set ``bidirectional=False``. Sequences may have unequal
    lengths; nothing is padded.

    In `fit`, `y` is a list with an array of labels for each sequence, of strings or whole numbers.
    Steps can be left out of loss and score in two ways: by a label that is missing (None, NaN,
    pandas' NA and NaT, nulls of polars and Arrow, what is masked, or -1 among whole numbers), or by
    a weight of 0. `sample_weight` is one number for each sequence, or a list with an array for
    each, one number for each step. With ``output="crf"`` a step that is left out may have any
    label, and all others of a sequence must have the same weight.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    See Also
    --------
    RNNClassifier : Predicts one label for a whole sequence.
    fastrnn.metrics : Accuracy, macro F1 and span F1, also as scorers.

    Notes
    -----
    With class probabilities :math:`p_k`, label :math:`y_t` and weight :math:`w_t` of each step of
    all sequences in a minibatch, the loss is

    .. math:: -\frac{\sum_t w_t \log p_{y_t}(x_t)}{\sum_t w_t}
        + \frac{\alpha}{2 \sum_t w_t} \|W\|^2 .

    With ``output="crf"``, scores :math:`z_t` of the classes of each step, transitions A, and scores
    a and e of the first and last class, the labels of a sequence of T steps have the probability

    .. math:: p(y) = \frac{1}{Z} \exp \left( a_{y_1} + \sum_t z_{t, y_t}
        + \sum_{t > 1} A_{y_{t-1}, y_t} + e_{y_T} \right) ,

    where Z makes the sum over all labels 1, and the loss is
    :math:`-\sum_n w_n \log p(y_n) / \sum_t w_t`, so that it is one for each labelled step, too;
    of labels that are not known, p is the sum over all that they may be. `predict` finds the most
    probable labels of the sequence (Viterbi), and `predict_proba` is the probability of each label
    at each step, over all labels of the others. There are no `class_weight`, and `bptt_steps` saves
    no memory.

    Among scikit-learn's tools it is no classifier, since `y` is no column of labels: ``cv=5`` makes
    plain folds. `cross_val_predict` works with ``method="predict"`` only, since scikit-learn
    encodes a classifier's labels itself for the other methods.

    References
    ----------
    Lafferty, J., McCallum, A. & Pereira, F. (2001). Conditional random fields: Probabilistic models
    for segmenting and labeling sequence data. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 20), 1)) for _ in range(300)]
    >>> y = [np.where(x.cumsum() > 0, "above", "below") for x in X]
    >>> tagger = RNNTagger(random_state=0).fit(X[:200], y[:200])
    >>> tagger.score(X[200:], y[200:]) > 0.9
    True
    >>> tagger.predict([[[3], [-1], [-4]], [[-2]]])[0]
    array(['above', 'above', 'below'], dtype='<U5')
    """

    kind = "tagger"
    task_class = StepClassTask
    budget = EVERY_STEP

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
        y : list of array-like of shape (T_i,)
            The labels, as in `fit`. Not all classes need be among them.
        classes : array-like of shape (n_classes,), default=None
            All classes that `y` will have in any call. Needed in the first call; later they may be
            left out, but not changed.
        sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
            Weight of each step, or of all steps of each sequence, as in `fit`.

        Returns
        -------
        RNNTagger
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
        classes = read_classes(classes, self.task_ if self.is_fitted else None, "tagger")
        check_none_is_left_out(classes)
        fit_one_epoch(self, X, y, sample_weight, StepClassTask.of(classes, self))
        return self

    def predict(self, X: SequencesLike) -> ObjectArray:
        """Predict the label of each step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of shape (T_i,): the most probable label of each step; with
            ``output="crf"`` the most probable labels of the sequence as a whole.
        """
        sequences = read(self, X)
        labels = self.task_.decode(best_outputs(self, sequences))
        return split_steps(labels, sequences.lengths)

    def predict_proba(self, X: SequencesLike) -> ObjectArray:
        """Predict the probability of each class at each step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of shape (T_i, n_classes): probabilities in the order of
            `classes_`; each row adds up to 1.
        """
        sequences = read(self, X)
        return split_steps(outputs(self, sequences), sequences.lengths)

    def predict_log_proba(self, X: SequencesLike) -> ObjectArray:
        """Predict the logarithm of the probability of each class at each step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of shape (T_i, n_classes): logarithms in the order of
            `classes_`; minus infinity where the probability is too small for the `dtype`.
        """
        sequences = read(self, X)
        with np.errstate(divide="ignore"):
            return split_steps(np.log(outputs(self, sequences)), sequences.lengths)

    def score(self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None) -> float:
        """Return the token accuracy: the share of steps whose label is predicted.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (T_i,)
            The true labels; steps without one, or with -1 among whole numbers, are left out. A
            label that the model does not know is one that it got wrong.
        sample_weight : list of array-like of shape (T_i,), array-like of shape (n,), default=None
            Weight of each step, or of all steps of each sequence; None gives all the same weight.

        Returns
        -------
        float
            Accuracy between 0 and 1.
        """
        sequences = read(self, X)
        best = best_outputs(self, sequences)
        share: float = self.task_.score_answers(best, y, sequences, sample_weight)
        return share

    def score_samples(self, X: SequencesLike, y: TargetsLike) -> Doubles:
        """Return the log-likelihood of each sequence's labels: how probable they are as a whole.

        Sequences whose labels the model finds least likely are worth a look: they may be wrong.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (T_i,)
            The labels; steps without one, or with -1 among whole numbers, may have any.

        Returns
        -------
        ndarray of shape (n_sequences,), float64
            Natural logarithms: without ``output="crf"`` the sum over the steps. Minus infinity for
            labels that the model does not know, or that `constraints` forbid; 0 without any.
        """
        sequences = read(self, X)
        values: Doubles = self.task_.log_likelihoods(self.network_, y, sequences, self.n_jobs)
        return values

    @property
    def transitions_(self) -> Floats:
        """How well each class follows each, with ``output="crf"``: (n_classes, n_classes).

        Row i, column j is the score of class j after class i, minus infinity where `constraints`
        forbid it.
        """
        self.check_fitted()
        if self.task_.output != "crf":
            raise AttributeError(
                f"transitions_ is of output='crf', but the model has {self.task_.output!r}"
            )
        scores: Floats = self.network_.head.scores()[0].copy()
        return scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
