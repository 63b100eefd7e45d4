"""Training of a network: the loop over epochs and minibatches, lbfgs, and when to stop.

`train` changes ``network.theta`` in place, by the stochastic solvers of `fastrnn.training.solvers`
in `_train_on_minibatches`, or by `scipy.optimize` in `_train_on_full_batch`. What else decides how
training goes on lies in a `TrainingState`: a second call can carry on where the first ended.

The class ``fastrnn.training.ConvergenceWarning`` is made when it is first asked for: a subclass of
scikit-learn's warning of that name where scikit-learn is installed, so that filters on either
class work, and of UserWarning elsewhere. Importing this module does not import scikit-learn.
"""

import functools
import math
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.optimize

from fastrnn.files.codec import Flag, ListOf, Number, Optional, Record, Whole
from fastrnn.training.progress import Progress
from fastrnn.training.solvers import SCHEDULES, SOLVERS, global_norm

__all__ = ["Checkpoint", "History", "Settings", "TrainingState", "train"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained. Values are not checked here: the estimators do that.

    Parameters
    ----------
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        The first four step after every minibatch, "lbfgs" works on all sequences at once.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}, default="constant"
        Schedule of the learning rate, for every solver but "lbfgs" (in MLPClassifier only for
        "sgd"):

        - "constant": always ``learning_rate_init``.
        - "invscaling": ``learning_rate_init / (t + 1) ** power_t`` with t the number of samples
          seen before the epoch.
        - "adaptive": ``learning_rate_init``, divided by 5 each time training stalls (see
          ``n_iter_no_change``); when it stalls at a rate of 1e-6 or less, training stops.
        - "cosine": half a cosine wave from ``learning_rate_init`` down to 0 over ``max_iter``
          epochs, changed at every minibatch.
    learning_rate_init : float, default=0.001
        Learning rate of the first minibatch.
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" is Nesterov's.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the two running means of "adam" and "adamw".
    epsilon : float, default=1e-8
        Added to the root in "adam", "adamw" and "rmsprop".
    alpha : float, default=0.0
        Decoupled weight decay of "adamw", per unit of learning rate. The other solvers get
        theirs as a part of the network's loss.
    batch_size : int, default=200
        Sequences in a minibatch; the last one of an epoch may be smaller.
    max_iter : int, default=200
        Largest number of epochs, or of iterations of "lbfgs".
    shuffle : bool, default=True
        Whether every epoch has an order of its own.
    tol : float, default=1e-4
        Training stalls when the loss has not fallen (with early stopping: the validation score
        has not risen) by at least ``tol`` over its best for ``n_iter_no_change`` epochs in a
        row. "lbfgs" stops when no element of the gradient is larger.
    n_iter_no_change : int, default=10
        See ``tol``.
    early_stopping : bool, default=False
        Whether training stops by the validation score, and ends with the weights that had the
        best one.
    clip_norm : float or None, default=None
        Largest Euclidean norm of a minibatch's gradient; a longer one is scaled down to it. Not
        used by "lbfgs".
    bptt_steps : int or None, default=None
        Length of the chunks of truncated backpropagation through time; None goes back to the
        start of the sequence.
    verbose : bool, default=False
        Whether to print one line an epoch, and on a terminal a progress bar meanwhile.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by "lbfgs".
    n_jobs : int or None, default=None
        Threads; None is 1, -1 is all. Any number gives the same bits.
    """

    solver: str = "adam"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    alpha: float = 0.0
    batch_size: int = 200
    max_iter: int = 200
    shuffle: bool = True
    tol: float = 1e-4
    n_iter_no_change: int = 10
    early_stopping: bool = False
    clip_norm: float | None = None
    bptt_steps: int | None = None
    verbose: bool = False
    max_fun: int = 15000
    n_jobs: int | None = None


@dataclass
class TrainingState:
    """Where training stands: all that decides, beside the parameters, how it goes on.

    It holds numbers, arrays and the generator alone, so that it can be copied and saved. Between
    two epochs it is complete. "lbfgs" starts anew in each call of `train`, and leaves it as it is.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draws the order of the sequences and the dropout masks.
    solver : str or None
        Name of the solver that left `solver_state`; another one starts anew.
    solver_state : dict
        Its moments or velocity, see `fastrnn.training.solvers`.
    epoch : int
        Number of finished epochs.
    t : int
        Number of samples seen in them.
    n_lowered : int
        How often schedule "adaptive" has divided the learning rate.
    by_score : bool
        Whether the validation score tells when training has stalled, as with early stopping; else
        the loss does.
    best : float
        Best value so far of that score, or of minus the loss.
    n_stalled : int
        Number of epochs since that value has risen by ``tol``.
    """

    rng: np.random.Generator
    solver: str | None = None
    solver_state: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    t: int = 0
    n_lowered: int = 0
    by_score: bool = False
    best: float = -math.inf
    n_stalled: int = 0


TRAINING = Record(
    {
        "epoch": Whole(),
        "t": Whole(),
        "n_lowered": Whole(),
        "by_score": Flag(),
        "best": Number(),
        "n_stalled": Whole(),
    }
)
"""`TrainingState` in files, but for the solver and the random numbers."""


@dataclass
class History:
    """What happened during training. Lists have one entry for each finished epoch.

    After an interrupt before the end of the first epoch they are empty, ``n_iter`` is 0,
    ``loss`` NaN and ``best_loss`` infinite.

    Attributes
    ----------
    n_samples : int
        Number of samples of an epoch; those of weight 0 are left out.
    loss_curve : list of float
        Mean over the minibatches of the loss before the step.
    validation_scores : list of float or None
        Validation score at the end of the epoch; None without ``validate``.
    gradient_norms : list of float
        Mean over the minibatches of the gradient's norm before clipping.
    best_validation_score : float or None
        Highest validation score; None without early stopping.
    """

    n_samples: int
    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] | None = None
    gradient_norms: list[float] = field(default_factory=list)
    best_validation_score: float | None = None

    @property
    def n_iter(self):
        """Number of finished epochs (or iterations of "lbfgs")."""
        return len(self.loss_curve)

    @property
    def t(self):
        """Number of samples seen in them."""
        return self.n_iter * self.n_samples

    @property
    def loss(self):
        """Loss of the last finished epoch."""
        return self.loss_curve[-1] if self.loss_curve else math.nan

    @property
    def best_loss(self):
        """Lowest loss of all finished epochs."""
        return min(self.loss_curve, default=math.inf)


CURVES = {
    "loss_curve": ListOf(Number()),
    "gradient_norms": ListOf(Number()),
    "validation_scores": Optional(ListOf(Number())),
    "best_validation_score": Optional(Number()),
}
HISTORY = Record({"n_samples": Whole(1), **CURVES}, History)
"""`History` in files."""


@dataclass
class Checkpoint:
    """All of training between two epochs. Copied, it is where a later `train` may go on from.

    Attributes
    ----------
    theta : ndarray of shape (P,)
        The network's parameters.
    state : TrainingState
        Where training stands.
    history : History
        Of all epochs so far.
    best_theta : ndarray of shape (P,) or None
        The parameters of the best validation score; None without early stopping.
    is_over : bool
        Whether training has stalled, or was stopped by the one who watches.
    """

    theta: np.ndarray
    state: TrainingState
    history: History
    best_theta: np.ndarray | None = None
    is_over: bool = False


def train(
    network,
    sequences,
    target,
    weight,
    settings,
    state,
    *,
    n_epochs=None,
    windows=None,
    validate=None,
    watch=None,
    begun=None,
    keep=None,
):
    """Train a network in place.

    Ctrl-C ends training early: what was learned so far is kept, and a UserWarning says so. It
    cannot leave half a step in ``network.theta``, since a step is one call of a kernel.

    Parameters
    ----------
    network : Network
        On entry its ``theta`` is the starting point, on return the trained parameters: the last
        ones, or those of the best validation score with early stopping.
    sequences : Sequences
        The n training sequences.
    target : ndarray of shape (n,) or (n, K)
        What `Network.loss_and_grad` takes: for each sequence, or for each of their steps if the
        network's head reads every one.
    weight : ndarray of shape (n,)
        Weight of each sequence or step, of the network's dtype. Sequences of weight 0 are left out.
    settings : Settings
        Solver, schedule, stopping.
    state : TrainingState
        Where training stands; updated. ``TrainingState(rng)`` is the start.
    n_epochs : int or None, default=None
        Largest number of epochs of this call, or of iterations of "lbfgs"; None goes on until there
        are ``settings.max_iter`` of them, and warns when training ends there.
    windows : int or None, default=None
        Train on all sequences side by side, so many steps at a time, with states that are carried
        on from window to window; an epoch goes once through time. None trains on minibatches of
        whole sequences.
    validate : callable or None, default=None
        ``validate()`` returns the score of the network on held-out data, higher is better;
        called once an epoch. Required with early stopping; otherwise the scores are recorded and
        nothing else.
    watch : object or None, default=None
        ``watch.epoch_starts()`` is called before each epoch and ``watch.epoch_ends()`` after it;
        training stops if that returns True.
    begun : Checkpoint or None, default=None
        What an earlier call, with the same arguments, handed to ``keep``. ``network.theta`` and
        ``state`` are already its own. Training goes on as that call would have, to the bit.
    keep : callable or None, default=None
        ``keep(checkpoint)`` is called after each epoch, with a `Checkpoint` whose parts change when
        training goes on. Not called by "lbfgs".

    Returns
    -------
    History
        Losses, scores and gradient norms, epoch by epoch.

    Raises
    ------
    ValueError
        If the loss, its gradient or the parameters become NaN or infinite (``network.theta``
        is then of no use), or if no sequence has a weight.

    Warns
    -----
    ConvergenceWarning
        If training ended at ``max_iter`` (or ``max_fun``) although it had not stalled. Schedule
        "cosine" is meant to end there and does not warn.
    UserWarning
        If training was interrupted.
    """
    if settings.early_stopping and validate is None:
        raise ValueError("validate must be given with early_stopping=True")
    kept = _with_weight(sequences, weight)
    if not kept.size:
        raise ValueError("no sequence to train on: all sample weights are 0")
    loss_and_grad = functools.partial(
        network.loss_and_grad, sequences, bptt_steps=settings.bptt_steps, n_jobs=settings.n_jobs
    )
    progress = Progress(settings)
    plan = _Minibatches(kept, settings)
    if windows is not None:
        plan = _Windows(network, sequences, kept, windows)
    scores = [] if validate else None
    now = Checkpoint(network.theta, state, History(plan.n_samples, validation_scores=scores))
    if begun is not None:
        now = replace(begun, theta=network.theta, state=state)
    stopping = _Stopping(settings, now, validate, watch, keep)
    most = settings.max_iter - state.epoch if n_epochs is None else n_epochs
    common = (network, loss_and_grad, plan, target, weight, settings, stopping, progress, most)
    try:
        if now.is_over:
            warning = None
        elif settings.solver == "lbfgs":
            warning = _train_on_full_batch(*common)
        else:
            warning = _train_on_minibatches(*common, state)
        if n_epochs is not None:
            warning = None  # this end was asked for
    except KeyboardInterrupt:
        stopping.forget_unfinished_epoch()
        warning = UserWarning(
            f"Training was interrupted in epoch {state.epoch + 1} at a loss of "
            f"{progress.loss:.6g}. The model trained so far is kept."
        )
    finally:
        progress.close()
    stopping.restore_best()
    if warning:
        warnings.warn(warning, stacklevel=4)  # the line that called an estimator's fit
    return stopping.history


def _with_weight(sequences, weight):
    """The numbers of the sequences that have a weight, or a step with one."""
    if len(weight) != len(sequences):
        weight = np.add.reduceat(weight != 0, sequences.offsets[:-1])
    return np.flatnonzero(weight)


class _Minibatches:
    """Minibatches of whole sequences, in a new order each epoch if asked."""

    def __init__(self, kept, settings):
        self.kept, self.size, self.shuffle = kept, settings.batch_size, settings.shuffle
        self.n_samples = len(kept)
        self.starts = range(0, len(kept), self.size)

    def __len__(self):
        return len(self.starts)

    def epoch(self, rng):
        """Yield the sequences of each minibatch, how many samples that is, and nothing else."""
        order = rng.permutation(self.kept) if self.shuffle else self.kept
        for start in self.starts:
            indices = order[start : start + self.size]
            yield indices, len(indices), {}


class _Windows:
    """Windows of time of all sequences, which carry their states on; samples are time steps."""

    def __init__(self, network, sequences, kept, steps):
        self.network, self.kept, self.steps = network, kept, steps
        self.n_sequences, self.lengths = len(sequences), sequences.lengths[kept]
        self.n_samples = int(self.lengths.sum())
        self.starts = range(0, int(self.lengths.max()), steps)

    def __len__(self):
        return len(self.starts)

    def epoch(self, rng):
        """Yield the sequences, how many of their steps are in the window, window and states."""
        states = self.network.initial_states(self.n_sequences)
        for start in self.starts:
            window = (start, start + self.steps)
            n_steps = int(np.clip(self.lengths - start, 0, self.steps).sum())
            yield self.kept, n_steps, {"window": window, "states": states}


def _train_on_minibatches(
    network, loss_and_grad, plan, target, weight, settings, stopping, progress, n_epochs, state
):
    """Step after every minibatch until training stalls; return a warning or None."""
    theta, grad, history = network.theta, network.grad, stopping.history
    if state.solver != settings.solver:
        state.solver, state.solver_state = settings.solver, {}
    solver = SOLVERS[settings.solver](network, settings, state.solver_state)
    schedule = SCHEDULES[settings.learning_rate]
    max_norm = math.inf if settings.clip_norm is None else settings.clip_norm
    rate, rng = settings.learning_rate_init / 5.0**state.n_lowered, state.rng
    last_step = settings.max_iter * len(plan)

    for epoch in range(state.epoch + 1, state.epoch + n_epochs + 1):
        stopping.epoch_starts()
        progress.start_epoch(epoch, len(plan))
        loss_sum = norm_sum = 0.0
        for minibatch, (indices, n_samples, options) in enumerate(plan.epoch(rng), 1):
            loss = loss_and_grad(indices, target, weight, rng=rng, **options)
            norm = global_norm(grad, settings.n_jobs)
            if not math.isfinite(loss + norm):
                raise _diverged(f"minibatch {minibatch} of epoch {epoch}", loss, norm, settings)
            scale = max_norm / norm if norm > max_norm else 1.0
            step = (epoch - 1) * len(plan) + minibatch - 1
            rate_now = schedule(rate, settings, state.t, min(step / last_step, 1.0))
            solver.step(theta, grad, scale, rate_now)
            loss_sum += loss * n_samples
            norm_sum += norm
            progress.minibatch(minibatch, loss)
        if not np.isfinite(theta).all():
            raise _diverged(f"the last step of epoch {epoch}", loss, norm, settings)

        stalled = stopping.epoch_ends(loss_sum / history.n_samples, norm_sum / len(plan))
        progress.end_epoch(history)
        lowers = settings.learning_rate == "adaptive" and rate > 1e-6
        is_over = stopping.stopped or (stalled and not lowers)
        if stalled and not is_over:
            state.n_lowered, state.n_stalled = state.n_lowered + 1, 0
            rate = settings.learning_rate_init / 5.0**state.n_lowered
            progress.note(f"{stopping.reason} Learning rate is now {rate:.3g}.")
        stopping.settle(is_over)
        if is_over:
            if not stopping.stopped:
                progress.note(f"{stopping.reason} Stopping.")
            return None
    if settings.learning_rate == "cosine":
        return None
    return _convergence_warning()(
        f"Training stopped at max_iter={settings.max_iter} before the loss converged. "
        "Increase max_iter, or learning_rate_init if the loss falls slowly."
    )


def _train_on_full_batch(
    network, loss_and_grad, plan, target, weight, settings, stopping, progress, n_epochs
):
    """Minimize with L-BFGS-B, without dropout; return a warning or None.

    Its vectors are float64, whatever the network's dtype.
    """
    theta, history = network.theta, stopping.history
    last_iterate, norm, stalled = theta.copy(), math.nan, False

    def objective(x):
        nonlocal norm
        loss = loss_and_grad(plan.kept, target, weight, theta=x)
        norm = global_norm(network.grad, settings.n_jobs)
        if not math.isfinite(loss + norm):
            raise _diverged(f"iteration {history.n_iter + 1}", loss, norm, settings)
        progress.loss = loss
        return loss, network.grad.astype(np.float64)

    def iteration_ends(intermediate_result):
        nonlocal last_iterate, stalled
        theta[:] = intermediate_result.x
        last_iterate = theta.copy()
        stalled = stopping.epoch_ends(float(intermediate_result.fun), norm)
        stalled = (stalled and settings.early_stopping) or stopping.stopped
        progress.end_epoch(history)
        if stalled:
            if not stopping.stopped:
                progress.note(f"{stopping.reason} Stopping.")
            raise StopIteration
        if history.n_iter < n_epochs:
            stopping.epoch_starts()
            progress.start_epoch(history.n_iter + 1, 1)

    stopping.epoch_starts()
    progress.start_epoch(1, 1)
    try:
        result = scipy.optimize.minimize(
            objective,
            theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=iteration_ends,
            options={
                "maxiter": n_epochs,
                "maxfun": settings.max_fun,
                "gtol": settings.tol,
                # Smaller relative changes of the loss are rounding.
                "ftol": max(2.2e-9, float(np.finfo(theta.dtype).eps)),
            },
        )
        theta[:] = result.x
    except KeyboardInterrupt:
        theta[:] = last_iterate
        raise
    if not history.n_iter:
        # The starting point was a minimum: its evaluation is the only iteration.
        stopping.epoch_ends(float(result.fun), norm)
        progress.end_epoch(history)
    if stalled or result.status == 0:
        return None
    if result.status == 1:
        return _convergence_warning()(
            f"Training stopped at max_iter={settings.max_iter} or max_fun={settings.max_fun} "
            f"before the loss converged ({result.nit} iterations, {result.nfev} evaluations). "
            "Increase them, or scale the inputs."
        )
    return _convergence_warning()(
        f"Training stopped after {result.nit} iterations: lbfgs found no lower loss along its "
        "search direction. Near a minimum that is rounding: try dtype='float64'."
    )


def _diverged(where, loss, norm, settings):
    return ValueError(
        f"Training diverged in {where} (loss {loss:.6g}, gradient norm {norm:.6g}): there are "
        f"numbers that are not finite. Lower learning_rate_init (now "
        f"{settings.learning_rate_init}), set clip_norm (now {settings.clip_norm}; 1.0 is a good "
        "start), scale the inputs to about unit size, or use dtype='float64'."
    )


class _Stopping:
    """Writes the history, and tells from it when training has stalled.

    The criterion is the validation score with early stopping (then the best parameters are kept
    too), else minus the loss. NaN is no improvement.
    """

    def __init__(self, settings, now, validate, watch, keep):
        self.settings, self.now, self.state, self.history = settings, now, now.state, now.history
        self.validate, self.watch, self.keep, self.stopped = validate, watch, keep, False
        state, history = now.state, now.history
        self.start = (state.epoch - history.n_iter, state.t - history.t)
        if state.by_score != settings.early_stopping:
            state.by_score, state.best, state.n_stalled = settings.early_stopping, -math.inf, 0
        self.reason = (
            f"{'Validation score' if settings.early_stopping else 'Training loss'} did not improve "
            f"by tol={settings.tol:g} for {settings.n_iter_no_change} epochs."
        )

    def epoch_starts(self):
        """Tell the one who watches."""
        if self.watch:
            self.watch.epoch_starts()

    def epoch_ends(self, loss, norm):
        """Record an epoch; return whether training has stalled."""
        history, state, value = self.history, self.state, -loss
        if self.validate:
            score = float(self.validate())
            history.validation_scores.append(score)
            value = score if self.settings.early_stopping else value
        state.n_stalled = 0 if value >= state.best + self.settings.tol else state.n_stalled + 1
        if value > state.best:
            if self.settings.early_stopping:
                self.now.best_theta = self.now.theta.copy()
                history.best_validation_score = value
            state.best = value
        history.gradient_norms.append(norm)
        history.loss_curve.append(loss)
        self._count()
        if self.watch:
            self.stopped = bool(self.watch.epoch_ends())
        return state.n_stalled >= self.settings.n_iter_no_change

    def settle(self, is_over):
        """Note whether training is over, and hand on the checkpoint, which is complete now."""
        self.now.is_over = is_over
        if self.keep:
            self.keep(self.now)

    def forget_unfinished_epoch(self):
        """Cut all lists to the length of the loss curve, which is written last."""
        for values in (self.history.validation_scores, self.history.gradient_norms):
            if values is not None:
                del values[self.history.n_iter :]
        self._count()

    def _count(self):
        epoch, t = self.start
        self.state.epoch, self.state.t = epoch + self.history.n_iter, t + self.history.t

    def restore_best(self):
        """Go back to the parameters of the best validation score, if there are any."""
        if self.now.best_theta is not None:
            self.now.theta[:] = self.now.best_theta


@functools.cache
def _convergence_warning():
    try:
        from sklearn.exceptions import ConvergenceWarning as base
    except ImportError:
        base = UserWarning
    doc = "Training ended before the loss converged."
    return type("ConvergenceWarning", (base,), {"__module__": "fastrnn.training", "__doc__": doc})


def __getattr__(name):
    if name == "ConvergenceWarning":
        return _convergence_warning()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
