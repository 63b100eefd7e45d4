"""RNNSeq2Seq: a sequence of labels, of any length, for each sequence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self, cast

import numpy as np

from fastrnn.bridge import available_if
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitted import FittedClasses, FittedTexts
from fastrnn.estimators.fitting import fit_one_epoch, steps_by_minibatches
from fastrnn.estimators.label_sequences import LabelSequenceTask
from fastrnn.estimators.labels import check_none_is_left_out, read_classes
from fastrnn.estimators.needs import refuse_to_go_back
from fastrnn.estimators.predicting import gradients_of, outputs, read, read_numbers
from fastrnn.estimators.task_parameters import (
    BUDGETS,
    LongSequenceParameters,
    Seq2SeqParameters,
    SequenceParameters,
)
from fastrnn.estimators.text_parameters import TargetTextParameters, TextParameters
from fastrnn.estimators.token_readers import SequenceOrTextReader
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.steps import split_steps
from fastrnn.inputs.texts import are_texts
from fastrnn.inspection import GradientFlow, mean_weights, pair_gradient_flow
from fastrnn.streams import LabelStream
from fastrnn.training.budget import Budget
from fastrnn.typing import (
    Doubles,
    Floats,
    ObjectArray,
    SampleWeight,
    SequencesLike,
    TargetsLike,
    WeightType,
)


def _by_attention(estimator: Any) -> bool:
    """Whether a decoder tells the labels, of the model if there is one."""
    known = estimator.task_ if estimator.is_fitted else estimator
    answer: bool = known.alignment == "attention"
    return answer


def _by_steps(estimator: Any) -> bool:
    """Whether every step says a label, or a blank."""
    return not _by_attention(estimator)


@dataclass(eq=False, repr=False, kw_only=True)
class RNNSeq2Seq(
    SequenceParameters,
    LongSequenceParameters,
    TextParameters,
    TargetTextParameters,
    Seq2SeqParameters,
    FittedClasses,
    FittedTexts,
    RNNBase,
):
    r"""Turn sequences into sequences of labels of another length, as words into sounds.

    With ``alignment="attention"``, an encoder of recurrent layers reads a sequence, and a decoder
    tells the labels one after the other until it tells the end; for each it looks at all steps of
    the encoder, with weights that it chooses (Bahdanau et al. 2015). So labels may come in another
    order than what they stand for, and there may be more of them than steps.

    With ``alignment="ctc"``, for speech and the like, labels come in the order of what they stand
    for, but nobody says at which steps. At every step a softmax gives the probability of each
    label, and of a blank that says nothing; the probability of a sequence of labels is the sum over
    all ways to spread it over the steps (connectionist temporal classification, Graves et al.
    2006). So there are at most as many labels as steps, and one less for each pair of equal
    neighbours.

    In `fit`, `y` is a list with the labels of each sequence, strings or whole numbers but -1, any
    number of them; or a list of texts, whose tokens are the labels. `X` has sequences as for the
    other estimators, or texts, or lists of tokens, none of them empty. By default the network reads
    in both directions.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The labels, sorted.
    encoder_ : fastrnn.preprocessing.TokenEncoder or None
        Knows the vocabulary of `X`; None where that is no text.

    See Also
    --------
    RNNTagger : Where each step has a label.
    fastrnn.metrics.edit_error_rate : Edits for each label, which validation scores are minus of.

    Notes
    -----
    With labels :math:`y_i` of sequence :math:`x_i`, of weight :math:`w_i` in a minibatch, the loss
    is

    .. math:: -\frac{\sum_i w_i \log p(y_i | x_i)}{\sum_i w_i n_i}
        + \frac{\alpha}{2 \sum_i w_i n_i} \|W\|^2 ,

    where :math:`n_i` is the number of labels and the end for a decoder, and 1 with "ctc".

    Where `y` has texts, `predict` gives texts. A token of `y` that is not known, as rare ones of
    `fit` with `target_min_freq` or `target_max_features`, is the label "<unk>", which is never
    right; without these parameters none is unknown in training, and later one is no label of the
    model. A token of `X` that is not in the vocabulary is read as the unknown one if training has
    met that, because of `min_freq` or `max_features`. Otherwise it is an error. Where `X` has
    texts, `scaling` is not used, and there are no columns to be chosen, no gaps and no times.

    With attention `transform` and `hidden_states` give the states of the encoder. There is no
    `stream`, for a decoder looks at whole sequences; and no `predict_proba` and `align`, which are
    about steps: `attention_weights` says what it looked at.

    References
    ----------
    Bahdanau, D., Cho, K. & Bengio, Y. (2015). Neural machine translation by jointly learning to
    align and translate. ICLR. arXiv 1409.0473.
    Graves, A., Fernandez, S., Gomez, F. & Schmidhuber, J. (2006). Connectionist temporal
    classification. ICML, 369-376.
    Luong, M.-T., Pham, H. & Manning, C. D. (2015). Effective approaches to attention-based neural
    machine translation. EMNLP, 1412-1421. arXiv 1508.04025.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNSeq2Seq
    >>> rng = np.random.default_rng(0)
    >>> y = [list(rng.choice(["a", "b", "c"], size=rng.integers(1, 4))) for _ in range(200)]
    >>> spoken = {"a": [0, 1, 1], "b": [1, 0, 0], "c": [1, 1, 0]}
    >>> X = [np.concatenate([np.repeat([spoken[k]], 3, axis=0) for k in word]) for word in y]
    >>> model = RNNSeq2Seq(16, alignment="ctc", max_iter=20, learning_rate_init=0.02,
    ...                    random_state=0)
    >>> model.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.9
    True
    """

    kind = "seq2seq"
    reader_class = SequenceOrTextReader
    task_class = LabelSequenceTask

    @property
    def budget(self) -> Budget:  # type: ignore[override]
        """What "auto" spends."""
        return BUDGETS[self.alignment]

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
        y : list of array-like of shape (L_i,)
            Their labels, as in `fit`. Not all need be among them.
        classes : array-like of shape (n_labels,), default=None
            All labels that `y` will have in any call. Needed in the first call, unless `y` has
            texts: then they may be the tokens of these. With "<unk>" among them, tokens that are
            no label become that. Later they may be left out, but not changed.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence, as in `fit`.

        Returns
        -------
        RNNSeq2Seq
            The estimator itself.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; if `classes` are missing, fewer than two or others than before; or if `X`,
            `y` or a parameter does not suit the model fitted so far. The model is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        task = self.task_ if self.is_fitted else None
        if classes is not None or task is not None or not are_texts(y):
            classes = read_classes(classes, task, "model")
            check_none_is_left_out(classes)
        if task is None:
            task, _ = LabelSequenceTask.begin(y, self, classes)
        fit_one_epoch(self, X, y, sample_weight, task)
        return self

    def predict(self, X: SequencesLike) -> ObjectArray:
        """Predict the labels of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of labels, which may be empty; or a text, where `fit` had
            texts as `y`. With ``beam_size=1`` they are what the likeliest output of each step says;
            else the likeliest labels that a search over so many beginnings finds.
        """
        said = self._say(read(self, X))
        labels: ObjectArray = self.task_.decode(said)
        return labels

    def predict_nbest(self, X: SequencesLike, n: int = 5) -> list[list[tuple[Any, float]]]:
        """Predict the likeliest label sequences of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        n : int, default=5
            How many, at most; the search keeps as many beginnings, or `beam_size` if that is more.

        Returns
        -------
        list of list of (ndarray or str, float)
            For each sequence pairs of labels, or of a text, and the logarithm of their probability,
            best first, as `length_normalization` has it.
        """
        if isinstance(n, bool) or not isinstance(n, Integral):
            raise TypeError(f"n must be a whole number, got {n!r}")
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        sequences, beam_size = read(self, X), max(n, self.beam_size)
        found = self.task_.search(self.network_, sequences, beam_size, self)
        answers = []
        for of_one in found:
            numbers, values = zip(*of_one[:n], strict=True)
            labels = self.task_.decode(LabelSequences.from_lists(numbers))
            answers.append(list(zip(labels, values, strict=True)))
        return answers

    @available_if(_by_attention)
    def attention_weights(self, X: SequencesLike, y: TargetsLike | None = None) -> list[Floats]:
        """Say which steps the decoder looks at for each label.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,), default=None
            The labels that are told, of those of `fit`; None for those that are predicted.

        Returns
        -------
        list of ndarray of shape (L_i + 1, T_i)
            For each sequence a row for each label, or token, and one for the end: the weights of
            the steps, which add up to 1; with `stride` or strides of `conv` of the steps that the
            layers read. `fastrnn.plotting.AttentionDisplay` draws it.
        """
        sequences = read(self, X)
        if y is None:
            target = self._say(sequences)
        else:
            target = self.task_.encode(y, sequences, None, partial=True).values
        network = self.network_
        weights: list[Floats] = network.attention_weights(sequences, target, n_jobs=self.n_jobs)
        return weights

    @available_if(_by_steps)
    def predict_proba(self, X: SequencesLike) -> ObjectArray:
        """Predict the probability of each label, and of the blank, at each step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of shape (T_i, n_labels + 1): probabilities in the order of
            `classes_`, then that of the blank; with `stride` or strides of `conv` of the steps that
            the layers read.
        """
        sequences = read(self, X)
        offsets = self.network_.offsets_said(sequences)
        return split_steps(outputs(self, sequences), np.diff(offsets))

    def score(self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None) -> float:
        """Return the share of sequences all of whose labels are right, in their order.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,), or list of str
            The true labels; others than those of `fit` are wrong.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence; None gives all the same weight.

        Returns
        -------
        float
            Between 0 and 1.
        """
        sequences = read(self, X)
        said = self._say(sequences)
        share: float = self.task_.score(said, y, sample_weight, sequences)
        return share

    def edit_error_rate(
        self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
    ) -> float:
        """Return the edits that make what is predicted of the true labels, for each true label.

        Of texts the tokens are compared that the model was fitted on. Minus it is what
        `fastrnn.metrics.edit_error_rate_scorer` gives, and what validation scores are.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,), or list of str
            The true labels, as in `fit`; others than those of `fit` are wrong.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of the edits and labels of each sequence; None gives all the same weight.

        Returns
        -------
        float
            0 where all is right, and more than 1 where there are more edits than labels.
        """
        sequences = read(self, X)
        said = self._say(sequences)
        rate: float = self.task_.edit_error_rate(said, y, sample_weight, sequences)
        return rate

    def score_samples(self, X: SequencesLike, y: TargetsLike) -> Doubles:
        """Return the logarithm of the probability of the labels of each sequence.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,), or list of str
            Their labels; others than those of `fit` have no probability.

        Returns
        -------
        ndarray of shape (n_sequences,)
            Float64; minus infinity where a label is not known or, with "ctc", there are too few
            steps for the labels.
        """
        sequences = read(self, X)
        values: Doubles = self.task_.score_samples(self.network_, sequences, y, self.n_jobs)
        return values

    @available_if(_by_steps)
    def align(self, X: SequencesLike, y: TargetsLike) -> ObjectArray:
        """Say at which steps each label stands, by the likeliest way to spread them.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,)
            Their labels, of those of `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,), object
            For each sequence an array of shape (T_i,): the place in its labels of the one that
            stands at each step, or -1 for a blank; with `stride` or strides of `conv` of the steps
            that the layers read.

        Raises
        ------
        ValueError
            If a sequence has too few steps for its labels.
        """
        sequences = read(self, X)
        target = self.task_.encode(y, sequences, None, partial=True).values
        self.task_.check_lengths(target, sequences, self.network_.architecture.total_stride)
        places: ObjectArray = self.task_.align(self.network_, sequences, target, self.n_jobs)
        return places

    def _say(self, sequences: Any) -> Any:
        """The numbers of the labels that are predicted."""
        return self.task_.predict(self.network_, sequences, self)

    def stream(self, n_streams: int = 1, *, weights: WeightType = None) -> LabelStream:
        """Make a stream: for sequences whose frames come bit by bit, with their labels at once.

        It has the weights of the model as they are now, whatever is fitted later.

        Parameters
        ----------
        n_streams : int, default=1
            How many sequences are read side by side.
        weights : {"int8", "bfloat16"}, default=None
            What they are rounded to, for large layers; None leaves them as they are.

        Returns
        -------
        fastrnn.streams.LabelStream
            Its `push` takes the next frames and returns the new labels, `finish` those that are
            left where a sequence ends, and `step` takes one frame and returns the probabilities.

        Raises
        ------
        ValueError
            With ``alignment="attention"``, whose decoder looks at whole sequences; if `n_streams`
            is below 1, the model reads in both directions, as it does by default, or `weights` are
            not for it.
        """
        if _by_attention(self):
            raise ValueError(
                "stream is for alignment='ctc': with attention a decoder tells the labels when "
                "the whole sequence has been read"
            )
        return cast(LabelStream, super().stream(n_streams, weights=weights))

    def gradient_flow(
        self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
    ) -> GradientFlow:
        """Say how strongly the loss depends on the states, as `RNNTagger.gradient_flow`.

        With attention the states are those of the encoder.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,)
            Their labels.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the mean.

        Returns
        -------
        fastrnn.inspection.GradientFlow
            Norms of gradients.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `sample_weight` is not acceptable.
        """
        if not _by_attention(self):
            return super().gradient_flow(X, y, sample_weight)
        self.check_fitted()
        encoder = self.network_.encoder
        curves = len(encoder.layers) * encoder.layers[0].n_directions
        sequences = read(self, X)
        target = self.task_.encode(y, sequences, sample_weight, partial=True)
        refuse_to_go_back(self, sequences, curves * 8, target.values.lengths)
        return pair_gradient_flow(
            self.network_, sequences, target.values, target.weight, n_jobs=self.n_jobs
        )

    def input_gradients(
        self, X: SequencesLike, y: TargetsLike | None = None, *, output: int | None = None
    ) -> list[Floats]:
        """Return the gradient of an output, or of the loss, as `RNNTagger.input_gradients`.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : list of array-like of shape (L_i,), default=None
            Their labels, for the gradient of the loss of each sequence: with attention minus the
            mean logarithm of the probabilities of the labels and of the end, each after those
            before it.
        output : int or None, default=None
            Without `y`, of "ctc": the label ``classes_[output]``, or the blank, after all of them,
            whose log-odds ``log(p / (1 - p))`` are added up over the steps; None for the likeliest
            at each. With attention it is None, and the gradient that of the logarithm of the
            probability of the labels that are predicted, as `score_samples` has it.

        Returns
        -------
        list of ndarray of shape (T_i, n_features)
            One array for each sequence, as there.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `output` is not acceptable; or all columns are ids, as those of texts.
        """
        if not _by_attention(self):
            return super().input_gradients(X, y, output=output)
        sequences = read_numbers(self, X)
        if output is not None:
            raise ValueError(
                "output is for alignment='ctc', which has outputs at each step: with attention "
                "give y, or nothing for the labels that are predicted"
            )
        if y is None:
            target = self._say(sequences)
            weight = np.full(len(target), -1.0)
        else:
            target = self.task_.encode(y, sequences, None, partial=True).values
            weight = mean_weights(target)
        refuse_to_go_back(self, sequences, told=target.lengths)
        network = self.network_
        gradients = network.input_gradients(sequences, target, weight, n_jobs=self.n_jobs)
        return gradients_of(self, gradients, sequences)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags
