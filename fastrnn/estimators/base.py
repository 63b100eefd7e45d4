"""What the estimators share: parameters, `fit`, states, and the way from X to sequences.

An estimator validates, encodes the targets, splits off what early stopping looks at, and hands the
rest to `fastrnn.training.train`. Nothing is stored on the estimator before training has succeeded,
so that a failed `fit` leaves a fitted model as it was.
"""

import inspect
import math
from dataclasses import KW_ONLY, dataclass, fields
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from fastrnn.bridge import BaseEstimator, NotFittedError, TransformerMixin
from fastrnn.estimators.parameters import cell_options, check_parameters, plain_values
from fastrnn.estimators.targets import as_sample_weight, hold_out
from fastrnn.memory import estimate_memory, refuse_if_too_large
from fastrnn.network import Network
from fastrnn.sequences import as_sequences
from fastrnn.training import Settings, TrainingState, train


@dataclass(eq=False, repr=False)
class RNNBase(TransformerMixin, BaseEstimator):  # numpydoc ignore=PR02
    """Base class of the estimators.

    A dataclass, so that the constructor has an explicit signature and does nothing but store its
    arguments. The two sections below are written here once: every subclass has them inserted into
    its own docstring. A subclass names its `_loss`, turns `y` into a `Target` with `_encode`, and
    gives the outputs of its network a score with `_score`.

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
    pooling : {"last", "mean", "max"}, default="last"
        What the output layer sees of the top layer: the state at the end of each direction, or the
        mean or the largest value of each unit over all time steps.
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
        Whether to hold out a part of the sequences, to score the model on it after each epoch, to
        stop when that score stops improving, and to keep the weights that scored best.
    validation_fraction : float, default=0.1
        Share of the sequences that early stopping holds out, in (0, 1).
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
        direction, memory is then needed for so many steps only, and time for little more.
    dtype : {"float32", "float64"}, default="float32"
        Kind of number to compute with.
    n_jobs : int or None, default=None
        Number of threads. None means one, -1 one per core. Results do not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of each time step; for a two-dimensional table, its number of columns.
    n_outputs_ : int
        Number of outputs of the network.
    n_iter_ : int
        Number of epochs (iterations of "lbfgs") of the last `fit`.
    t_ : int
        Number of sequences seen in training, each as often as it was seen.
    loss_ : float
        Loss at the end of training.
    best_loss_ : float
        Smallest loss of an epoch.
    loss_curve_ : list of float
        Mean loss of each epoch. With ``warm_start=True`` the curves and `t_` go on from the last
        `fit`.
    validation_scores_ : list of float or None
        Score on the held-out sequences after each epoch; None without early stopping.
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
    pooling: str = "last"
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

    _loss: ClassVar[str]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.__doc__ and RNNBase.__doc__:  # python -OO strips both
            cls.__doc__ = _insert_sections(cls.__doc__, RNNBase.__doc__)

    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences: a list of arrays of shape (T_i, n_features), an array of shape
            (n_sequences, T, n_features), or, for univariate sequences, an array or data frame of
            shape (n_sequences, T).
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The target of each sequence: a class label for a classifier, a number or a row of
            numbers for a regressor.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss and in validation scores, >= 0. None gives all the
            same weight.

        Returns
        -------
        RNNBase
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If a parameter, `X`, `y` or `sample_weight` has the wrong type.
        ValueError
            If a parameter, `X`, `y` or `sample_weight` has a value it may not have, if their
            lengths differ, if a warm start does not fit the model, or if training diverged. A
            model fitted before is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended training before the loss converged.
        """
        check_parameters(self)
        goes_on = bool(self.warm_start) and hasattr(self, "network_")
        sequences = as_sequences(X, dtype=self.dtype)
        weight = as_sample_weight(sample_weight, sequences)
        target = self._encode(y, sequences, weight, goes_on)
        architecture = self._describe(sequences, target.n_outputs)
        if goes_on:
            _check_same_architecture(self._architecture, architecture)
        self._refuse_if_too_large(sequences, architecture)

        rng = _generator(self.random_state)
        network = self._build(architecture, rng)
        if goes_on:
            network.theta[:] = self.network_.theta
        weight, validate = target.weight, None
        if self.early_stopping:
            held_out = hold_out(target, float(self.validation_fraction), rng)
            weight = weight.copy()
            weight[held_out] = 0.0  # training leaves them out
            validate = self._validation(network, sequences, target, held_out)
        history = train(
            network,
            sequences,
            target.values,
            weight,
            self._settings(),
            TrainingState(rng),
            validate=validate,
        )
        network.release_memory()

        self.network_ = network
        self.n_features_in_ = sequences.n_columns or sequences.n_features
        self.n_outputs_ = target.n_outputs
        self._n_columns = sequences.n_columns
        self._architecture = architecture
        for name, value in target.attributes.items():
            setattr(self, name, value)
        self._set_history(history, goes_on)
        return self

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
        check_parameters(self)
        sequences = as_sequences(X, dtype=self.dtype)
        n_outputs = 1
        if y is not None:
            weight = as_sample_weight(None, sequences)
            n_outputs = self._encode(y, sequences, weight, False).n_outputs
        shares = isinstance(X, np.ndarray) and np.may_share_memory(sequences.values, X)
        copy = 0 if shares else sequences.values.nbytes
        return copy + self._estimate(sequences, self._describe(sequences, n_outputs))

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
        sequences = self._read(X, every_step=True)
        states = self.network_.hidden_states(sequences, n_jobs=self.n_jobs)
        return np.split(states, sequences.offsets[1:-1])

    def get_feature_names_out(self, input_features=None):
        """Return a name for each column of `transform`.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used, since every hidden unit depends on all features.

        Returns
        -------
        ndarray of str
            The name of the class in lower case, followed by the number of the unit.
        """
        self._check_fitted()
        directions = 2 if self._architecture["bidirectional"] else 1
        n_hidden = directions * self._architecture["hidden_layer_sizes"][-1]
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{j}" for j in range(n_hidden)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # the parameter dtype decides
        return tags

    def _check_fitted(self):
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )

    def _read(self, X, *, every_step=False):
        self._check_fitted()
        sequences = as_sequences(
            X,
            dtype=self._architecture["dtype"],
            n_features=self._architecture["n_features"],
            n_columns=self._n_columns,
        )
        lengths, n_jobs = sequences.lengths, self.n_jobs
        needed = _estimate(lengths, self._architecture, training=False, n_jobs=n_jobs)
        if every_step:
            needed += len(sequences.values) * self.network_.pooling.width * sequences.values.itemsize
        refuse_if_too_large(needed, "Prediction")
        return sequences

    def _estimate(self, sequences, architecture, **changes):
        """Bytes that fit takes with these sequences; changes are of parameters."""
        options = {
            "solver": self.solver,
            "dropout": self.dropout,
            "batch_size": 200 if self.batch_size == "auto" else self.batch_size,
            "bptt_steps": self.bptt_steps,
            "n_jobs": self.n_jobs,
        }
        lengths = sequences.lengths
        if not self.early_stopping:
            return _estimate(lengths, architecture, **(options | changes))
        n_held_out = math.ceil(float(self.validation_fraction) * len(lengths))
        n_held_out = min(n_held_out, len(lengths) - 1)
        held_out, rest = np.split(lengths, [n_held_out])
        copy = int(held_out.sum()) * sequences.values[0].nbytes
        return (
            copy
            + _estimate(held_out, architecture, training=False, n_jobs=self.n_jobs)
            + _estimate(rest, architecture, **(options | changes))
        )

    def _refuse_if_too_large(self, sequences, architecture):
        changes = [{"dtype": "float32"}, {"n_jobs": 1}]
        if self.solver == "lbfgs":
            changes.append({"solver": "adam"})
        else:
            changes += [{"batch_size": 8}, {"bptt_steps": 50}]
        refuse_if_too_large(
            self._estimate(sequences, architecture),
            "Training",
            (
                (
                    ", ".join(f"{name}={value!r}" for name, value in change.items()),
                    self._estimate(sequences, architecture, **change),
                )
                for change in changes
            ),
        )

    def _outputs(self, sequences):
        return self.network_.predict(sequences, n_jobs=self.n_jobs)

    def _describe(self, sequences, n_outputs):
        sizes = self.hidden_layer_sizes
        sizes = [sizes] if isinstance(sizes, Integral) else sizes
        return {
            "n_features": sequences.n_features,
            "n_outputs": n_outputs,
            "hidden_layer_sizes": tuple(int(size) for size in sizes),
            "cell": self.cell,
            "cell_options": cell_options(self),
            "bidirectional": bool(self.bidirectional),
            "pooling": self.pooling,
            "dtype": self.dtype,
        }

    def _build(self, architecture, rng):
        return Network(
            **architecture,
            loss=self._loss,
            dropout=float(self.dropout),
            recurrent_dropout=float(self.recurrent_dropout),
            alpha=0.0 if self.solver == "adamw" else float(self.alpha),
            random_state=rng,
        )

    def _settings(self):
        settings = plain_values(self, [field.name for field in fields(Settings)])
        if self.batch_size == "auto":
            settings["batch_size"] = 200
        return Settings(**settings)

    def _validation(self, network, sequences, target, held_out):
        sequences = sequences.take(held_out)
        values, weight = target.values[held_out], target.weight[held_out]

        def validate():
            return self._score(network.predict(sequences, n_jobs=self.n_jobs), values, weight)

        return validate

    def _set_history(self, history, goes_on):
        before = self if goes_on else None
        self.n_iter_ = history.n_iter
        self.t_ = getattr(before, "t_", 0) + history.t
        self.loss_ = history.loss
        self.best_validation_score_ = history.best_validation_score
        for name in ("loss_curve", "gradient_norms", "validation_scores"):
            values = getattr(history, name)
            if values is not None:
                values = [*(getattr(before, f"{name}_", None) or []), *values]
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
    described = {name: value for name, value in architecture.items() if name != "cell_options"}
    return estimate_memory(lengths, **(described | options))


def _generator(random_state):
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(random_state)


def _check_same_architecture(fitted, wanted):
    for name, value in wanted.items():
        if value != fitted[name]:
            raise ValueError(
                f"warm_start=True goes on from the fitted model, which has "
                f"{name}={fitted[name]!r}, not {value!r}; warm_start=False starts anew"
            )
