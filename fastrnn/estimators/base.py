"""What the estimators share: parameters, `fit`, states, and the way from X to sequences.

An estimator validates, encodes the targets, splits off what early stopping looks at, and hands the
rest to `fastrnn.training.train`. Nothing is stored on the estimator before training has succeeded,
so that a failed `fit` leaves a fitted model as it was.
"""

import copy
import inspect
import math
from dataclasses import KW_ONLY, dataclass, fields, replace
from numbers import Integral
from typing import Any

import numpy as np

from fastrnn.bridge import (
    BaseEstimator,
    CallbackSupportMixin,
    NotFittedError,
    TransformerMixin,
    available_if,
    watch_fit,
)
from fastrnn.estimators.adopting import adopt
from fastrnn.estimators.checkpoints import open_checkpoints
from fastrnn.estimators.parameters import (
    cell_options,
    check_parameters,
    embedding_sizes,
    plain_values,
)
from fastrnn.estimators.precision import check_precision
from fastrnn.estimators.saving import record_sequences, save_model
from fastrnn.estimators.targets import as_sample_weight, hold_out, in_argument
from fastrnn.inputs.columns import choose
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inspection import (
    gradient_flow,
    log_odds_gradient,
    loss_gradient,
    own_weights,
    value_gradient,
)
from fastrnn.memory import estimate_memory, refuse_if_too_large
from fastrnn.network.architecture import Architecture
from fastrnn.network.network import Network
from fastrnn.streams import Reading, Snapshot, Stream
from fastrnn.training.loop import Settings, TrainingState, train


def steps_by_minibatches(estimator):
    """Tell whether an estimator can train on a part of the data.

    Parameters
    ----------
    estimator : RNNBase
        Any estimator.

    Returns
    -------
    bool
        False with ``solver="lbfgs"``.
    """
    return estimator.solver != "lbfgs"


@dataclass(eq=False, repr=False)
class RNNBase(CallbackSupportMixin, TransformerMixin, BaseEstimator):  # numpydoc ignore=PR02
    """Base class of the estimators.

    A dataclass, so that the constructor has an explicit signature and does nothing but store its
    arguments. The two sections below are written here once: every subclass has them inserted into
    its own docstring. A subclass turns `y` into a `Target` with `_encode`, gives the outputs of its
    network a score with `_score`, and says with `_output_scale` if they are scaled.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=64
        Number of hidden units of each recurrent layer, from the input to the output. With
        ``bidirectional=True`` each direction has that many.
    cell : {"lstm", "gru", "rnn", "carry_lstm"}, default="lstm"
        Kind of recurrent cell. "carry_lstm" is an LSTM with a fifth gate that carries the state
        itself past the time step.
    bidirectional : bool, default=False
        Whether every layer also reads the sequence from its end to its start.
    embedding_dim : int, tuple of int or None, default=None
        Each column of ids has a table with a vector for each id, which is learned; this is the
        length of the vectors, one for each column in a tuple. None leaves it to a rule of thumb,
        ``min(600, round(1.6 * V ** 0.56))`` for V ids (fastai's), if `categorical_features` is set.
        If that is None, every column of `X` is one of ids.
    categorical_features : "all", "from_dtype", array-like or None, default=None
        Which columns of each time step are ids: all of them; in a list of data frames those of a
        dtype of categories or strings; or the given ones, as a list of numbers, a list of names, or
        a mask. The others are numbers. Ids are whole numbers >= 0; those beyond what `fit` has seen
        are an error later. Values of categorical columns in data frames get ids in `fit`.
    dropout : float, default=0.0
        Share of units set to zero at random while training, between layers and before the output
        layer (so that it acts on a single layer, too). In [0, 1).
    recurrent_dropout : float, default=0.0
        Share of state units hidden from the recurrent product while training, the same units at
        every time step of a sequence. In [0, 1).
    activation : {"tanh", "relu"}, default="tanh"
        Activation of ``cell="rnn"``.
    reset_after : bool, default=True
        For ``cell="gru"``: whether the reset gate acts after the recurrent product, as in PyTorch,
        or before it, as in the original paper.
    candidate_activation : {"sigmoid", "tanh"}, default="sigmoid"
        Activation of the candidate of ``cell="carry_lstm"``.
    forget_bias_init : float, default=1.0
        Start value of the forget gate's bias, for "lstm" and "carry_lstm". Above zero, the cell
        starts with a memory.
    carry_bias_init : float, default=2.0
        Start value of the carry gate's bias, for "carry_lstm". From 0 the cell may fail to learn
        from what happened many steps ago.
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        How the weights are found. "lbfgs" works on all sequences at once, the others on
        minibatches. "rmsprop" has no momentum and a decay of 0.99.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights; biases are free. With "adamw" it is the decoupled
        weight decay: each step shrinks the weights by the learning rate times `alpha`.
    batch_size : int or "auto", default="auto"
        Number of sequences in a minibatch; all of them if there are fewer. "auto" is 200.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}, default="constant"
        How the learning rate changes while training.

        - "constant": it stays at `learning_rate_init`.
        - "invscaling": ``learning_rate_init / (t + 1) ** power_t`` after t sequences.
        - "adaptive": divided by 5 each time that `n_iter_no_change` epochs brought no improvement
          by `tol`.
        - "cosine": from `learning_rate_init` down to zero over `max_iter` epochs, along half a
          cosine wave.
    learning_rate_init : float, default=0.001
        Learning rate at the start.
    power_t : float, default=0.5
        Exponent of ``learning_rate="invscaling"``.
    max_iter : int, default=200
        Largest number of epochs (with "lbfgs", of iterations).
    shuffle : bool, default=True
        Whether the sequences are put into a new random order before each epoch.
    random_state : int, Generator, RandomState or None, default=None
        Decides the start weights, the order of sequences, the dropout and what is held out. With an
        int, `fit` gives the same model each time.
    tol : float, default=0.0001
        Training stops when neither `n_iter_no_change` epochs in a row improved the loss (with early
        stopping: the validation score) by at least `tol`. With "lbfgs", the largest slope at which
        it stops.
    verbose : bool, default=False
        Whether to report the progress of training.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last `fit` instead of new random ones. What
        shapes the network must be the same then.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" is Nesterov's.
    early_stopping : bool, default=False
        Whether to score the model after each epoch, to stop when that score stops improving, and to
        keep the weights that scored best. What is scored is a part of the sequences that is held
        out, or the `validation_data` of `fit`.
    validation_fraction : float, default=0.1
        Share of the sequences that early stopping holds out, in (0, 1). Not used by a `fit` that
        is given `validation_data`.
    beta_1 : float, default=0.9
        Decay of the mean of the gradient in "adam" and "adamw", in [0, 1).
    beta_2 : float, default=0.999
        Decay of the mean of the squared gradient in "adam" and "adamw", in [0, 1).
    epsilon : float, default=1e-08
        Added to the denominator in "adam", "adamw" and "rmsprop".
    n_iter_no_change : int or inf, default=10
        Number of epochs without improvement after which training stops.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by "lbfgs".
    clip_norm : float or None, default=1.0
        Largest length of the gradient over all weights; a longer one is scaled down to it. None
        means no limit. "lbfgs" never clips.
    bptt_steps : int or None, default=None
        Number of time steps after which backpropagation through time is cut; the state itself goes
        on. None means exact gradients over whole sequences. With ``pooling="last"`` in one
        direction, or where every step has a prediction, memory is then needed for so many steps
        only, and time for little more.
    dtype : {"float32", "float64"}, default="float32"
        Kind of number to compute with.
    n_jobs : int or None, default=None
        Number of threads. None means one, -1 one per core. Results do not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of each time step; for a two-dimensional table, its number of columns.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns, where `X` was a data frame, or a list of data frames, with strings as
        names.
    n_categories_ : tuple of int
        For each column of ids the number of ids V that `fit` learned: they go from 0 to V - 1.
    n_outputs_ : int
        Number of outputs of the network.
    n_iter_ : int
        Number of epochs (iterations of "lbfgs") of the last `fit`, and of each `partial_fit` since.
    t_ : int
        Number of sequences seen in training, each as often as it was seen.
    loss_ : float
        Loss at the end of training.
    best_loss_ : float
        Smallest loss of an epoch.
    loss_curve_ : list of float
        Mean loss of each epoch. With ``warm_start=True``, and in `partial_fit`, the curves and `t_`
        go on from the last call.
    validation_scores_ : list of float or None
        Score on the held-out sequences, or on `validation_data`, after each epoch; None without
        either.
    best_validation_score_ : float or None
        Score of the weights that the last `fit` kept; None without early stopping.
    gradient_norms_ : list of float
        Mean length of the gradient, before clipping, in each epoch.
    network_ : fastrnn.network.Network
        The fitted network.
    """

    hidden_layer_sizes: int | tuple[int, ...] = 64
    _: KW_ONLY
    cell: str = "lstm"
    bidirectional: bool = False
    embedding_dim: int | tuple[int, ...] | None = None
    categorical_features: Any = None
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    activation: str = "tanh"
    reset_after: bool = True
    candidate_activation: str = "sigmoid"
    forget_bias_init: float = 1.0
    carry_bias_init: float = 2.0
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int | float = 10
    max_fun: int = 15000
    clip_norm: float | None = 1.0
    bptt_steps: int | None = None
    dtype: str = "float32"
    n_jobs: int | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.__doc__ and RNNBase.__doc__:  # python -OO strips both
            cls.__doc__ = _insert_sections(cls.__doc__, RNNBase.__doc__)

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        validation_data=None,
        *,
        checkpoint=None,
        checkpoint_every=1,
        resume=False,
    ):
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far. With scikit-learn 1.9 or
        newer, `set_callbacks` lets its callbacks follow every epoch and end training.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences: a list of arrays of shape (T_i, n_features), an array of shape
            (n_sequences, T, n_features), a list of data frames of T_i rows, or, for univariate
            sequences, an array or data frame of shape (n_sequences, T). Where `embedding_dim` is
            set and `categorical_features` is not, all of them ids.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The target of each sequence: a class label for a classifier, a number or a row of
            numbers for a regressor, an array of T_i labels for a tagger.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss and in validation scores, >= 0. None gives all the
            same weight. A tagger takes a list of arrays, with the weights of the steps, too.
        validation_data : tuple (X, y) or (X, y, sample_weight), default=None
            Sequences and targets to score the model on after each epoch, as `score` does. With
            ``early_stopping=True`` they take the place of a part held out: all of `X` is trained
            on. Otherwise the scores are recorded in `validation_scores_` and change nothing.
        checkpoint : str or path-like, default=None
            A file to which training is written after epochs, so that it can go on if this process
            ends. Needs the extra ``files``; not for "lbfgs".
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
            have, if their lengths differ, if a warm start does not fit the model, if the checkpoint
            is damaged or belongs to another training, or if training diverged. A model fitted
            before is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        ImportError, OSError
            If a checkpoint cannot be written: without the safetensors library, or at this place.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended training before the loss converged.
        """
        file = open_checkpoints(self, checkpoint, checkpoint_every, resume)
        return self._fit(X, y, sample_weight, validation_data, file)

    def _fit(self, X, y, sample_weight, validation_data, file, given=None):
        """Train until it is done; callbacks see what was given, if X is that no longer."""
        self._check_parameters()
        goes_on = bool(self.warm_start) and hasattr(self, "network_")
        sequences = self._read_more(X, "warm_start=True") if goes_on else self._read_first(X)
        weight = self._read_weight(sample_weight, sequences)
        target = self._encode(y, sequences, weight, vars(self) if goes_on else None)
        architecture = self._describe(sequences, target.n_outputs, target.loss)
        if goes_on:
            self._check_same_architecture(architecture, "warm_start=True", "; warm_start=False")
        validation = None
        if validation_data is not None:
            validation = self._read_validation_data(validation_data, sequences, target)
        self._refuse_if_too_large(sequences, architecture, validation and validation[0])

        state, settings = TrainingState(as_generator(self.random_state)), self._settings()
        if file:
            seen = self._seen(sequences, target.values, target.weight)
            if validation is not None:
                parts = self._seen(*validation).values()
                seen["validation_data"] = [array for arrays in parts for array in arrays]
            if goes_on:
                seen["the model before"] = [self.network_.theta]
            file.start(state.rng, seen)
        network = self._go_on() if goes_on else self._build(architecture, state.rng)
        lessons = target
        if self.early_stopping and validation is None:
            lessons, validation = self._hold_out(sequences, target, state.rng)
        fitted = self._fitted_attributes(sequences, target, architecture)

        def fitted_so_far():
            return {"network_": copy.deepcopy(network), **fitted}

        begun = file and file.resume(network, settings, state)
        given = X if given is None else given
        with watch_fit(self, given, y, sample_weight, fitted_so_far) as watch:
            history = train(
                network, sequences, lessons.values, lessons.weight, settings, state,
                windows=self._windows(sequences),
                validate=validation and self._validation(network, *validation), watch=watch,
                begun=begun, keep=file and file.keep,
            )  # fmt: skip
            self._keep(network, state, fitted)
            self._set_history(history, goes_on)
        return self

    @available_if(steps_by_minibatches)
    def partial_fit(self, X, y, sample_weight=None):
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
            As in `fit`; if `X`, `y` or a parameter does not suit the model fitted so far; or if
            ``learning_rate="cosine"`` has come to its end, after `max_iter` epochs. The model is
            then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        return self._partial_fit(X, y, sample_weight, None)

    def _partial_fit(self, X, y, sample_weight, known):
        """Train for one epoch; ``known`` are attributes that the first call must hold to."""
        self._check_parameters()
        if self.early_stopping:
            raise ValueError(
                "partial_fit knows no early stopping, since it trains for one epoch: set "
                "early_stopping=False"
            )
        goes_on = hasattr(self, "network_")
        if goes_on:
            known = vars(self)
            sequences = self._read_more(X, "partial_fit")
        else:
            sequences = self._read_first(X)
        weight = self._read_weight(sample_weight, sequences)
        target = self._encode(y, sequences, weight, known, part=known is not None)
        architecture = self._describe(sequences, target.n_outputs, target.loss)
        if goes_on:
            self._check_same_architecture(architecture, "partial_fit", "; fit")
        self._refuse_if_too_large(sequences, architecture)

        if goes_on:
            network, state = self._go_on(), copy.deepcopy(self._training_state)
        else:
            state = TrainingState(as_generator(self.random_state))
            network = self._build(architecture, state.rng)
        if self.learning_rate == "cosine" and state.epoch >= self.max_iter:
            raise ValueError(
                f"learning_rate='cosine' has come down to zero: the model was trained for "
                f"{state.epoch} epochs, and max_iter is {self.max_iter}. Increase max_iter, or "
                "choose another learning_rate"
            )
        history = train(
            network, sequences, target.values, target.weight, self._settings(), state,
            n_epochs=1, windows=self._windows(sequences),
        )  # fmt: skip
        if goes_on:
            fitted = self._attributes_that_grow(sequences)
        else:
            fitted = self._fitted_attributes(sequences, target, architecture)
        self._keep(network, state, fitted)
        self._set_history(history, goes_on, adds=goes_on)
        return self

    def save(self, path):
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
            If a parameter has a value it may not have.
        ImportError
            If the safetensors library is not installed (extra ``files``).
        OSError
            If the file cannot be written.
        """
        save_model(self, path)

    @property
    def feature_names_in_(self):
        """Give the names of the columns of the data frame, or list of frames, given to `fit`."""
        columns = vars(self).get("_columns")
        if columns is None or columns.names is None:
            raise AttributeError(
                f"This {type(self).__name__!r} has no attribute 'feature_names_in_': it was not "
                "fitted on a data frame with named columns"
            )
        return np.array(columns.names, dtype=object)

    def estimate_memory(self, X, y=None):
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
            The targets, as in `fit`. Without them one output is counted.

        Returns
        -------
        int
            Bytes. With sequences of unequal length a likely value, since it is by chance which of
            them come together in a minibatch.
        """
        self._check_parameters()
        sequences = self._read_first(X)
        n_outputs, loss = 1, "squared_error"
        if y is not None:
            target = self._encode(y, sequences, self._read_weight(None, sequences), None)
            n_outputs, loss = target.n_outputs, target.loss
        copy = sequences.nbytes
        for array in (sequences.values, sequences.ids):
            if isinstance(X, np.ndarray) and array is not None and np.may_share_memory(array, X):
                copy -= array.nbytes
        return copy + self._estimate(sequences, self._describe(sequences, n_outputs, loss))

    def stream(self, n_streams=1):
        """Make a stream: for sequences that come step by step, with an answer to each.

        It has the weights of the model as they are now, whatever is fitted later.

        Parameters
        ----------
        n_streams : int, default=1
            How many sequences are read side by side.

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
            If `n_streams` is below 1, or the model reads sequences in both directions.
        """
        self._check_fitted()
        return Stream(self._snapshot(copy.deepcopy(self.network_)), n_streams)

    def _snapshot(self, network):
        """Prepare a network for streams."""
        return Snapshot(network, Reading.of_columns(self._columns))

    def transform(self, X):
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
        sequences = self._read(X)
        return self.network_.final_states(sequences, n_jobs=self.n_jobs)

    def hidden_states(self, X):
        """Return the hidden states of the top layer at every time step.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        list of ndarray of shape (T_i, n_hidden)
            One array for each sequence, in the order of `X`.
        """
        self._check_fitted()
        width = self.network_.pooling.width * self.network_.dtype.itemsize
        sequences = self._read(X, per_step=width)
        states = self.network_.hidden_states(sequences, n_jobs=self.n_jobs)
        return np.split(states, sequences.offsets[1:-1])

    def gradient_flow(self, X, y, sample_weight=None):
        """Say how strongly the loss depends on the states, layer by layer and step by step.

        This is where vanishing and exploding gradients are seen;
        `fastrnn.plotting.GradientFlowDisplay` draws it. Gradients are those of whole sequences
        without dropout, whatever `bptt_steps` and `dropout` are.

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
        self._check_fitted()
        curves = len(self.network_.layers) * self.network_.layers[0].n_directions
        sequences = self._read(X, backward=True, per_step=curves * 8)
        weight = self._read_weight(sample_weight, sequences)
        target = self._encode(y, sequences, weight, vars(self), part=True)
        return gradient_flow(
            self.network_, sequences, target.values, target.weight, n_jobs=self.n_jobs
        )

    def input_gradients(self, X, y=None, *, output=None):
        """Return the gradient of an output, or of the loss, with respect to every input value.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), default=None
            If given, the gradient is that of the loss of each sequence with this target.
        output : int or None, default=None
            Otherwise it is that of an output. For a classifier, of the log-odds
            ``log(p / (1 - p))`` of the class ``classes_[output]``; None is the class predicted for
            each sequence. For a regressor, of the number ``output`` that `predict` returns. None
            will do if there is one number, or one label, only. Of a model that predicts something
            for every step, the sum over the steps.

        Returns
        -------
        list of ndarray of shape (T_i, n_features)
            One array for each sequence, in the order of `X`. Columns of ids have no gradient and
            are left out.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `output` is not acceptable, if both `y` and `output` are given, or if
            all columns are ids.
        """
        sequences = self._read(X, backward=True)
        if not sequences.n_features:
            raise ValueError("all columns of X are ids, which have no gradient")
        if y is None:
            doutputs = self._output_gradient(output)
        elif output is not None:
            raise ValueError(
                "give y for the gradient of the loss, or output for that of an output, not both"
            )
        else:
            weight = self._read_weight(None, sequences)
            target = self._encode(y, sequences, weight, vars(self), part=True)
            own, _ = own_weights(self.network_, sequences, target.weight)
            doutputs = loss_gradient(self.network_, target.values, own)
        gradients = self.network_.input_gradients(sequences, doutputs, n_jobs=self.n_jobs)
        return np.split(gradients, sequences.offsets[1:-1])

    def get_feature_names_out(self, input_features=None):
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
        self._check_fitted()
        if input_features is not None:
            names = self._columns.names
            if names is not None and names != tuple(input_features):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(input_features)}"
                )
        n_hidden = self._architecture.width
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{j}" for j in range(n_hidden)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # the parameter dtype decides
        return tags

    def _check_parameters(self):
        check_parameters(self)
        check_precision(self)

    def _check_fitted(self):
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )

    def _output_gradient(self, output):
        """What the gradient of an output begins with; None is the predicted class, or the one."""
        n_outputs = self.n_outputs_
        if output is not None:
            if isinstance(output, bool) or not isinstance(output, Integral):
                raise TypeError(f"output must be an integer or None, got {output!r}")
            if not 0 <= output < n_outputs:
                raise ValueError(f"output must be from 0 to {n_outputs - 1}, got {output}")
        if self.network_.head.kind == "log_loss":
            return log_odds_gradient(output)
        if output is None and n_outputs > 1:
            raise ValueError(
                f"the model has {n_outputs} outputs: choose one with output, from 0 to "
                f"{n_outputs - 1}"
            )
        return value_gradient(output or 0, self._output_scale(output or 0))

    def _output_scale(self, output):
        """Units of what is predicted in one of an output of the network."""
        return 1.0

    def _read(self, X, *, per_step=0, backward=False):
        """Sequences for the network, if there is memory; per_step is that of results by step."""
        self._check_fitted()
        sequences = self._read_sequences(X, self._architecture.dtype)
        lengths, n_jobs = sequences.lengths, self.n_jobs
        if backward:
            options = {"batch_size": len(lengths), "n_jobs": n_jobs}
            needed = _estimate(lengths, self._architecture, **options)
        else:
            needed = self._estimate_prediction(lengths, self._architecture)
        needed += len(sequences.values) * per_step + backward * sequences.values.nbytes
        refuse_if_too_large(needed, "Backpropagation" if backward else "Prediction")
        return sequences

    def _read_first(self, X):
        """Read sequences from which to learn what their columns are."""
        return as_sequences(X, dtype=self.dtype, categorical_features=self._chosen_columns())

    def _chosen_columns(self):
        chosen = self.categorical_features
        return "all" if chosen is None and self.embedding_dim is not None else chosen

    def _read_more(self, X, what):
        """Read sequences to go on with in training; the columns of ids must be as they were."""
        self._check_same_ids(self._columns, what)
        return self._read_sequences(X, self.dtype)

    def _check_same_ids(self, columns, what):
        """Check that the columns of ids that are wanted are those of the fitted model."""
        wanted = self._chosen_columns()
        categories = zip(columns.ids, columns.categories, strict=True)
        categorical = [j for j, values in categories if values is not None]
        if choose(wanted, columns.width, columns.names, categorical) != columns.ids:
            raise ValueError(
                f"{what} goes on from the fitted model, whose ids are in columns "
                f"{list(columns.ids)}, not categorical_features={wanted!r}"
            )

    def _read_sequences(self, X, dtype):
        """Read sequences like those that the model was fitted on."""
        return as_sequences(X, dtype=dtype, columns=self._columns, n_columns=self._n_columns)

    def _read_weight(self, sample_weight, sequences):
        """Read the weights of sequences."""
        return as_sample_weight(sample_weight, sequences)

    def _read_validation_data(self, validation_data, training, target):
        """Read validation data of `fit` that suit its sequences and targets."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            kind = type(validation_data).__name__
            got = f"{len(validation_data)} parts" if isinstance(validation_data, tuple) else kind
            raise TypeError(
                f"validation_data must be a tuple (X, y) or (X, y, sample_weight), got {got}"
            )
        X, y, *weight = validation_data
        with in_argument("validation_data"):
            sequences = as_sequences(
                X, dtype=self.dtype, columns=training.columns, n_columns=training.n_columns
            )
            weight = self._read_weight(weight[0] if weight else None, sequences)
            read = self._encode(y, sequences, weight, target.attributes, part=True)
        # Classes weigh the same here; what counts for nothing in the loss does not count here.
        return sequences, read.values, weight * (read.weight > 0)

    def _seen(self, sequences, values, weight):
        """What training sees, by argument of `fit`."""
        ids = [] if sequences.ids is None else [sequences.ids]
        X = [sequences.values, sequences.offsets, *ids]
        return {"X": X, "y": [values], "sample_weight": [weight]}

    def _hold_out(self, sequences, target, rng):
        """Split off what early stopping scores: return what is left, and validation data."""
        held_out = self._held_out(sequences, target, rng)
        rows = target.rows(held_out)
        weight = target.weight.copy()
        weight[rows] = 0.0  # training leaves them out
        validation = (sequences.take(held_out), target.values[rows], target.weight[rows])
        return replace(target, weight=weight), validation

    def _estimate(self, sequences, architecture, validation=None, **changes):
        """Bytes that fit takes with these sequences; changes are of parameters."""
        options = {
            "solver": self.solver,
            "momentum": self.momentum,
            "dropout": self.dropout,
            "batch_size": 200 if self.batch_size == "auto" else self.batch_size,
            "bptt_steps": self.bptt_steps,
            "n_jobs": self.n_jobs,
        }
        lengths = sequences.lengths
        if validation is not None:
            validating = self._estimate_prediction(validation.lengths, architecture)
            return validating + _estimate(lengths, architecture, **(options | changes))
        if not self.early_stopping:
            return _estimate(lengths, architecture, **(options | changes))
        n_held_out = math.ceil(float(self.validation_fraction) * len(lengths))
        n_held_out = min(n_held_out, len(lengths) - 1)
        held_out, rest = np.split(lengths, [n_held_out])
        copy = int(held_out.sum()) * sequences.nbytes // len(sequences.values)
        return (
            copy
            + self._estimate_prediction(held_out, architecture)
            + _estimate(rest, architecture, **(options | changes))
        )

    def _estimate_prediction(self, lengths, architecture, **options):
        """Bytes that the network takes for the outputs of sequences of these lengths."""
        return _estimate(lengths, architecture, training=False, n_jobs=self.n_jobs, **options)

    def _refuse_if_too_large(self, sequences, architecture, validation=None):
        changes = [{"dtype": "float32"}, {"n_jobs": 1}]
        if self.solver == "lbfgs":
            changes.append({"solver": "adam"})
        else:
            changes += [{"batch_size": 8}, {"bptt_steps": 50}]
        refuse_if_too_large(
            self._estimate(sequences, architecture, validation),
            "Training",
            (
                (
                    ", ".join(f"{name}={value!r}" for name, value in change.items()),
                    self._estimate(sequences, architecture, validation, **change),
                )
                for change in changes
            ),
        )

    def _held_out(self, sequences, target, rng):
        """Choose the sequences that early stopping scores."""
        return hold_out(target, float(self.validation_fraction), rng)

    def _windows(self, sequences):
        """How many steps of all sequences make a minibatch; None if whole sequences do."""
        return None

    def _outputs(self, sequences):
        return self.network_.predict(sequences, n_jobs=self.n_jobs)

    def _describe(self, sequences, n_outputs, loss, **more):
        """The architecture of a network for these sequences; a tuple as loss has quantiles."""
        sizes = self.hidden_layer_sizes
        quantiles = isinstance(loss, tuple)
        return Architecture(
            n_features=sequences.n_features,
            n_outputs=n_outputs,
            hidden_layer_sizes=(sizes,) if isinstance(sizes, Integral) else tuple(sizes),
            cell=self.cell,
            cell_options=cell_options(self),
            bidirectional=self.bidirectional,
            # Estimators without this parameter predict something for every step.
            pooling=getattr(self, "pooling", "steps"),
            head="quantiles" if quantiles else loss,
            head_options={"levels": loss} if quantiles else {},
            dtype=self.dtype,
            **({"embeddings": self._tables(sequences)} | more),
        )

    def _fitted_with(self):
        """Parameters that shaped the fitted model, as they were then."""
        architecture = self._architecture
        names = {field.name for field in fields(self)}
        return {
            **{name: value for name, value in vars(architecture).items() if name in names},
            **architecture.cell_options,
            "embedding_dim": tuple(width for _, width in architecture.embeddings) or None,
        }

    def _record(self):
        """What `fit` learned beside the weights, as fields and arrays of a file."""
        return record_sequences(self), {}

    def _adopt(self, weights, meaning):
        """Become fitted with weights from elsewhere, which mean this."""
        adopt(self, weights, meaning, TrainingState(as_generator(self.random_state)))

    def _tables(self, sequences):
        """Size of the table of each column of ids."""
        return embedding_sizes(self.embedding_dim, sequences.columns.n_categories)

    def _build(self, architecture, rng):
        return Network(architecture, random_state=rng, **self._regularization())

    def _go_on(self):
        """Copy the fitted network, to be trained further."""
        network = copy.deepcopy(self.network_)
        for name, value in self._regularization().items():
            setattr(network, name, value)
        return network

    def _regularization(self):
        return {
            "dropout": float(self.dropout),
            "recurrent_dropout": float(self.recurrent_dropout),
            "alpha": 0.0 if self.solver == "adamw" else float(self.alpha),
        }

    def _settings(self):
        settings = plain_values(self, [field.name for field in fields(Settings)])
        if self.batch_size == "auto":
            settings["batch_size"] = 200
        return Settings(**settings)

    def _validation(self, network, sequences, values, weight):
        def validate():
            return self._score(network.predict(sequences, n_jobs=self.n_jobs), values, weight)

        return validate

    def _check_same_architecture(self, wanted, what, instead):
        if difference := self._architecture.difference(wanted):
            raise ValueError(
                f"{what} goes on from the fitted model, which has {difference}{instead} starts anew"
            )

    def _fitted_attributes(self, sequences, target, architecture):
        return {
            "n_features_in_": sequences.n_columns or sequences.columns.width,
            "n_categories_": sequences.columns.n_categories,
            "n_outputs_": target.n_outputs,
            "_n_columns": sequences.n_columns,
            "_columns": replace(sequences.columns, fitted_by=type(self).__name__),
            "_architecture": architecture,
            **target.attributes,
        }

    def _attributes_that_grow(self, sequences):
        """What `partial_fit` has to change of the attributes of the fit before."""
        return {}

    def _keep(self, network, state, fitted):
        network.release_memory()
        self.network_, self._training_state = network, state
        for name, value in fitted.items():
            setattr(self, name, value)

    def _set_history(self, history, goes_on, adds=False):
        """Set what training has recorded; with ``adds`` it belongs to the fit before."""
        before = self if goes_on else None
        self.n_iter_ = history.n_iter + (self.n_iter_ if adds else 0)
        self.t_ = getattr(before, "t_", 0) + history.t
        self.loss_ = history.loss
        if not adds:
            self.best_validation_score_ = history.best_validation_score
        for name in ("loss_curve", "gradient_norms", "validation_scores"):
            values = getattr(history, name)
            if values is not None:
                values = [*(getattr(before, f"{name}_", None) or []), *values]
            if values is not None or not adds:
                setattr(self, f"{name}_", values)
        self.best_loss_ = min(self.loss_curve_, default=math.inf)


def _insert_sections(doc, shared):
    """Put the parameters and attributes of one docstring before those of another."""
    doc, shared = inspect.cleandoc(doc), inspect.cleandoc(shared)
    parameters, attributes = (f"{t}\n{'-' * len(t)}\n" for t in ("Parameters", "Attributes"))
    shared_parameters, shared_attributes = shared.partition(parameters)[2].split("\n" + attributes)
    if parameters not in doc:
        doc = doc.replace(attributes, f"{parameters}\n{attributes}")
    doc = doc.replace(parameters, parameters + shared_parameters)
    doc = doc.replace(attributes, f"{attributes}{shared_attributes}\n")
    return f"\n{doc}\n"


def _estimate(lengths, architecture, **options):
    """Bytes that a network takes with sequences of these lengths."""
    dtype = options.pop("dtype", architecture.dtype)
    return estimate_memory(lengths, replace(architecture, dtype=dtype), **options)


def as_generator(random_state):
    """Return the source of random numbers that an estimator's parameter stands for.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        As in the estimators.

    Returns
    -------
    numpy.random.Generator
    """
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(random_state)
