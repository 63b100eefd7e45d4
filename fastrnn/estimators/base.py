"""What the estimators share: parameters, `fit`, states, and the way from X to sequences.

An estimator chooses a reader and a task. `fitting` trains with them; what `fit` has learned is
then a network, a reader and a task, and all that is asked of the model is asked of these three.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from fastrnn.bridge import (
    BaseEstimator,
    CallbackSupportMixin,
    NotFittedError,
    TransformerMixin,
    available_if,
)
from fastrnn.estimators.fitted import Fitted
from fastrnn.estimators.fitting import fit, fit_one_epoch, memory_of_fit, steps_by_minibatches
from fastrnn.estimators.needs import refuse_to_go_back
from fastrnn.estimators.parameters import check_parameters, complete_docstring
from fastrnn.estimators.precision import check_precision
from fastrnn.estimators.predicting import gradients_of, names_of_states, read, read_numbers
from fastrnn.estimators.readers import SequenceReader
from fastrnn.estimators.resuming import open_checkpoints
from fastrnn.estimators.saving import save_model
from fastrnn.estimators.shared_parameters import SharedParameters
from fastrnn.estimators.validation import ValidationData
from fastrnn.inspection import (
    GradientFlow,
    gradient_flow,
    loss_gradient,
    output_gradient,
    own_weights,
)
from fastrnn.streams.snapshot import Snapshot
from fastrnn.streams.stream import Stream, open_stream
from fastrnn.training.budget import ONE_ANSWER, Budget
from fastrnn.typing import (
    Floats,
    ObjectArray,
    PathLike,
    SampleWeight,
    SequencesLike,
    TargetsLike,
    WeightType,
)

ESTIMATORS: dict[str, type] = {}
"""The classes of estimators that files have a word for, by that word: each enters itself."""


@dataclass(eq=False, repr=False)
class RNNBase(Fitted, SharedParameters, CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Base class of the estimators.

    A dataclass, so that the constructor has an explicit signature and does nothing but store its
    arguments. Every subclass has its parameters, and the attributes of `Fitted`, inserted into its
    own docstring. A subclass says with `reader_class` how it reads `X`, and with `task_class`
    what it learns of `y`.
    """

    kind: ClassVar[str | None] = None  # in files; only for classes of fastrnn's own
    reader_class: ClassVar[Any] = SequenceReader
    task_class: ClassVar[Any]
    budget: ClassVar[Budget] = ONE_ANSWER  # what "auto" spends

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = vars(cls).get("kind")
        if kind is not None and ESTIMATORS.setdefault(kind, cls) is not cls:
            raise TypeError(
                f"kind={kind!r} of {cls.__name__} is the word for {ESTIMATORS[kind].__name__}"
            )
        if cls.__doc__ and Fitted.__doc__:  # python -OO strips both
            cls.__doc__ = complete_docstring(cls, Fitted.__doc__)

    def fit(
        self,
        X: SequencesLike,
        y: TargetsLike,
        sample_weight: SampleWeight = None,
        validation_data: tuple[Any, ...] | None = None,
        *,
        X_val: SequencesLike | None = None,
        y_val: TargetsLike | None = None,
        sample_weight_val: SampleWeight = None,
        checkpoint: PathLike | None = None,
        checkpoint_every: int = 1,
        resume: bool = False,
    ) -> Self:
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far. With scikit-learn 1.9 or
        newer, `set_callbacks` lets its callbacks follow every epoch and end training.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences: a list of arrays of shape (T_i, n_features), an array of shape
            (n_sequences, T, n_features), a list of data frames of T_i rows, or, for univariate
            sequences, an array or data frame of shape (n_sequences, T). Other containers are read
            or refused as the guide's page "What is read" says; columns of data frames are found by
            their names. Where `embedding_dim` is set and `categorical_features` is not, all of them
            are ids. `RNNSeq2Seq` also reads texts, or lists of tokens.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The target of each sequence: a class label for a classifier, a number or a row of
            numbers for a regressor, an array of T_i labels for a tagger, any number of labels or a
            text for `RNNSeq2Seq`. Like `sample_weight` it is matched with `X` by position: an index
            of pandas is not read.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss and in validation scores, >= 0. None gives all the
            same weight. A tagger takes a list of arrays, with the weights of the steps, too.
        validation_data : tuple (X, y) or (X, y, sample_weight), default=None
            Sequences and targets to score the model on after each epoch, as `score` does: sample
            weights count, those of classes do not. With ``early_stopping=True`` they take the place
            of those held out, which are scored in the same way: all of `X` is trained on. Otherwise
            the scores are recorded in `validation_scores_` and change nothing.
        X_val, y_val, sample_weight_val : array-like, default=None
            The same, one by one, so that a pipeline with ``transform_input=["X_val"]`` transforms
            the sequences as it does `X`; what is in `validation_data` it does not see.
        checkpoint : str or path-like, default=None
            A file to which training is written after epochs, so that it can go on if this process
            ends. Not for "lbfgs".
        checkpoint_every : int, default=1
            Number of epochs from one checkpoint to the next. There is one at the end, too.
        resume : bool, default=False
            Whether to go on from that file, if it is there: with the same arguments and parameters
            `fit` then ends with the very model that it would have without the interruption. Only
            `max_iter` may be raised (not with "cosine"), and `n_jobs` and `verbose` may be others.
            A file of another training is an error.

        Returns
        -------
        RNNBase
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If a parameter, `X`, `y`, `sample_weight` or `validation_data` has the wrong type.
        ValueError
            If a parameter, `X`, `y`, `sample_weight` or `validation_data` has a value it may not
            have, if their lengths differ, if validation data are given twice or in part, if a warm
            start does not fit the model, if the checkpoint is damaged or belongs to another
            training, or if training diverged. A model fitted before is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        OSError
            If a checkpoint cannot be written.

        Warns
        -----
        ConvergenceWarning
            If nothing was learned, or `max_iter` ended training before the loss converged.
        UserWarning
            If numbers of validation data are far from those of `X`.
        """
        file = open_checkpoints(self, checkpoint, checkpoint_every, resume)
        validation = ValidationData.of(
            validation_data, X_val, y_val=y_val, sample_weight_val=sample_weight_val
        )
        fit(self, X, y, sample_weight, validation, file)
        return self

    @available_if(steps_by_minibatches)
    def partial_fit(
        self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
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
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The target of each sequence, as in `fit`.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss, as in `fit`.

        Returns
        -------
        RNNBase
            The estimator itself.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; or if `X`, `y` or a parameter does not suit the model fitted so far. The
            model is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        fit_one_epoch(self, X, y, sample_weight)
        return self

    def save(self, path: PathLike) -> None:
        """Write the fitted estimator to a file, from which `fastrnn.load` builds it again.

        The file has the layout of safetensors, which many programs read, and no code. It is written
        whole or not at all: whatever happens meanwhile, a file that is there stays as it is until
        the new one takes its place.

        Parameters
        ----------
        path : str or path-like
            Where; a file that is there is replaced.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a parameter or a label is something that a file cannot have: a function as
            `tokenizer`, an object of some class, an estimator of a class that is not fastrnn's. A
            Generator or RandomState as `random_state` is saved as None.
        ValueError
            If a parameter has a value it may not have, or the file could not be loaded again.
        OSError
            If the file cannot be written, such as on a full disk.
        """
        save_model(self, path)

    @property
    def feature_names_in_(self) -> ObjectArray:
        """Give the names of the columns of the data frame, or list of frames, given to `fit`."""
        names = self.reader_.feature_names if self.is_fitted else None
        if names is None:
            raise AttributeError(
                f"This {type(self).__name__!r} has no attribute 'feature_names_in_': it was not "
                "fitted on a data frame with named columns"
            )
        return np.array(names, dtype=object)

    def estimate_memory(self, X: SequencesLike, y: TargetsLike | None = None) -> int:
        """Say how much memory `fit` would take at its peak.

        Counted are the parameters with their gradients, what the solver keeps of them, what one
        shard of a minibatch keeps for the way back, once for each thread, and the copy of `X` if
        one is made. Not counted is what Python and its libraries take.

        `fit` itself refuses to begin when that is more than there is. What saves memory:
        ``dtype="float32"``; fewer threads; a `batch_size` below 16, while larger ones are worked
        through in shards of 8 to 31 sequences anyway; and `bptt_steps`, with ``pooling="last"``
        in one direction.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like, default=None
            The targets, as in `fit`. Without them one output is counted, and of a `RNNSeq2Seq` with
            attention as many labels of each sequence as it has steps.

        Returns
        -------
        int
            Bytes. With sequences of unequal length a likely value, since it is by chance which of
            them come together in a minibatch.
        """
        return memory_of_fit(self, X, y)

    def stream(self, n_streams: int = 1, *, weights: WeightType = None) -> Stream:
        """Make a stream: for sequences that come step by step, with an answer to each.

        It has the weights of the model as they are now, whatever is fitted later.

        Parameters
        ----------
        n_streams : int, default=1
            How many sequences are read side by side.
        weights : {"int8", "bfloat16"}, default=None
            What they are rounded to, for large layers; None leaves them as they are.

        Returns
        -------
        fastrnn.streams.Stream
            Its `step` takes the next time step of each, and returns what `predict_proba` (of
            classifiers and taggers) or `predict` (of regressors) gives for what was read so far.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If `n_streams` is no whole number.
        ValueError
            If `n_streams` is below 1, the model reads sequences in both directions, as a tagger
            does by default, or `weights` are not for it.
        """
        self.check_fitted()
        network = copy.deepcopy(self.network_)
        answer = self.task_.answer()
        snapshot = Snapshot(network, self.reader_.steps(), **answer, weights=weights)
        return open_stream(snapshot, n_streams)

    def transform(self, X: SequencesLike) -> Floats:
        """Return the final hidden states of the top layer, as features for another model.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences, n_hidden)
            The state at the end of each sequence; for a bidirectional network that of the forward
            direction, then that of the backward direction, each at its own end.
        """
        sequences = read(self, X)
        states: Floats = self.network_.final_states(sequences, n_jobs=self.n_jobs)
        return states

    def hidden_states(self, X: SequencesLike) -> list[Floats]:
        """Return the hidden states of the top layer at every time step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        list of ndarray of shape (T_i, n_hidden)
            One array for each sequence, in the order of `X`; with `stride` or `conv` for the steps
            that the layers read.
        """
        self.check_fitted()
        width = self.network_.architecture.width * self.network_.dtype.itemsize
        sequences = read(self, X, per_step=width)
        states = self.network_.hidden_states(sequences, n_jobs=self.n_jobs)
        return np.split(states, self.network_.offsets_read(sequences)[1:-1])

    def gradient_flow(
        self, X: SequencesLike, y: TargetsLike, sample_weight: SampleWeight = None
    ) -> GradientFlow:
        """Say how strongly the loss depends on the states, layer by layer and step by step.

        This is where vanishing and exploding gradients are seen;
        `fastrnn.plotting.GradientFlowDisplay` draws it. Gradients are those of whole sequences
        without dropout, whatever `bptt_steps` and `dropout` are; classes have no weights.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Their targets, as in `fit`.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the mean, >= 0. None gives all the same weight.

        Returns
        -------
        fastrnn.inspection.GradientFlow
            Norms of the gradient of each sequence's loss with respect to the state of each layer
            and direction after each step, and their weighted means over the sequences, by steps
            from the start and from the end.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `sample_weight` is not acceptable.
        """
        self.check_fitted()
        curves = len(self.network_.layers) * self.network_.layers[0].n_directions
        sequences = read(self, X, per_step=curves * 8, refuse=refuse_to_go_back)
        target = self.task_.encode(y, sequences, sample_weight, partial=True)
        return gradient_flow(
            self.network_, sequences, target.values, target.weight, n_jobs=self.n_jobs
        )

    def input_gradients(
        self, X: SequencesLike, y: TargetsLike | None = None, *, output: int | None = None
    ) -> list[Floats]:
        """Return the gradient of an output, or of the loss, with respect to every input value.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), default=None
            If given, the gradient is that of the loss of each sequence with this target, without
            weights of classes.
        output : int or None, default=None
            Otherwise it is that of an output. For a classifier, of the log-odds
            ``log(p / (1 - p))`` of the class ``classes_[output]``; None is the class predicted for
            each sequence. For a regressor, of the number ``output`` that `predict` returns, or,
            with several quantiles, of that of the network's outputs, which stand side by side for
            each number. None will do if there is one number, or one label, only. Of a model that
            predicts something for every step, the sum over the steps: of a tagger with
            ``output="crf"`` that of the score of the class, without those of transitions, and None
            will not do.

        Returns
        -------
        list of ndarray of shape (T_i, n_features)
            One array for each sequence, in the order of `X`. Columns of ids have no gradient and
            are left out; that of a missing value is 0, and what is read in its place counts for the
            value that it is taken from. With `scaling` they are those of `X` as it is given.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `output` is not acceptable, if both `y` and `output` are given, or if
            all columns are ids.
        """
        sequences = read_numbers(self, X, refuse=refuse_to_go_back)
        if y is None:
            link = self.network_.head.link
            doutputs = output_gradient(link, self.n_outputs_, output, self.task_.unit)
        elif output is not None:
            raise ValueError(
                "give y for the gradient of the loss, or output for that of an output, not both"
            )
        else:
            target = self.task_.encode(y, sequences, None, partial=True)
            own, _ = own_weights(self.network_, sequences, target.weight)
            doutputs = loss_gradient(self.network_, target.values, own)
        gradients = self.network_.input_gradients(sequences, doutputs, n_jobs=self.n_jobs)
        return gradients_of(self, gradients, sequences)

    def get_feature_names_out(self, input_features: Collection[str] | None = None) -> ObjectArray:
        """Return a name for each column of `transform`.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used, since every hidden unit depends on all features; but if given they must be
            `feature_names_in_`, as scikit-learn asks.

        Returns
        -------
        ndarray of str
            The name of the class in lower case, followed by the number of the unit.

        Raises
        ------
        ValueError
            If `input_features` are others than those of `fit`.
        """
        return names_of_states(self, input_features)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = vars(self).get("missing", "error") != "error"
        tags.transformer_tags.preserves_dtype = []  # the parameter dtype decides
        return tags

    @property
    def is_fitted(self) -> bool:
        """Whether there is a model, of this `fit` or of one before."""
        return "network_" in vars(self)

    def check_fitted(self) -> None:
        """Raise NotFittedError if there is no model yet."""
        if not self.is_fitted:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )

    def check_parameters(self, here: bool = True) -> None:
        """Raise TypeError or ValueError if a parameter has a value it may not have.

        Parameters
        ----------
        here : bool, default=True
            Whether a value with which this processor cannot fit is one, too: a model that comes
            from another may have it.
        """
        check_parameters(self)
        check_precision(self, here)
