"""Training of a network: the loop over epochs and minibatches.

`train` changes ``network.theta`` in place, by the stochastic solvers of `fastrnn.training.solvers`,
or by lbfgs (`fastrnn.training.full_batch`). What else decides how training goes on lies in a
`TrainingState`: a second call can carry on where the first ended.

Of a network it knows ``theta``, ``grad``, ``decayed``, ``loss_and_grad`` and, for windows of time,
``initial_states``, and nothing else.
"""

import itertools
import math
import warnings
from dataclasses import replace
from functools import partial

import numpy as np

from fastrnn.training.full_batch import train_on_full_batch
from fastrnn.training.objective import Objective
from fastrnn.training.plans import make_plan
from fastrnn.training.progress import Progress
from fastrnn.training.solvers import SCHEDULES, SOLVERS
from fastrnn.training.state import Checkpoint, History, Settings, TrainingState
from fastrnn.training.stopping import Stopping, convergence_warning, diverged, steady_loss
from fastrnn.training.unlearned import ANOTHER_MODEL, learned_nothing, unlearned_warning

__all__ = ["Checkpoint", "History", "Settings", "TrainingState", "train"]


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
    vary=None,
    validate=None,
    watch=None,
    begun=None,
    keep=None,
    reduce=None,
    constant_loss=None,
    to_try=ANOTHER_MODEL,
    local_steps=1,
):
    """Train a network in place.

    Ctrl-C ends training early: what was learned so far is kept, and a UserWarning says so. It
    cannot leave half a step in ``network.theta``, since a step is one call of a kernel.

    Parameters
    ----------
    network : Network
        On entry its ``theta`` is the starting point, on return the trained parameters: those of the
        best validation score with early stopping, else the last ones, unless the loss shot up: then
        those of the epoch up to which the mean loss of three was lowest.
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
        are ``settings.max_iter`` of them, or twice as many as ``settings.again_between`` may have
        it, and warns when training ends there.
    windows : int or None, default=None
        Train on all sequences side by side, so many steps at a time, with states that are carried
        on from window to window; an epoch goes once through time. None trains on minibatches of
        whole sequences.
    vary : callable or None, default=None
        ``vary(rng, done)`` returns the `Sequences` that an epoch reads in the place of `sequences`,
        as many of them, when the share ``done`` of a course of ``settings.max_iter`` epochs is
        behind it, 0 if ``n_epochs`` are asked for. Only for minibatches of whole sequences with one
        target each; "lbfgs" does without.
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
        ``keep(checkpoint)`` is called after each epoch, with a `Checkpoint`, which changes when
        training goes on. Not called by "lbfgs".
    reduce : callable or None, default=None
        Where several processes train one model, each on data of its own: ``reduce(array)`` replaces
        the array, a vector of floating-point numbers, by its sum over all processes, the same bits
        in each. It is called on the weights of every minibatch, then on the gradient and the loss,
        which are so those of all the processes' minibatches together (``network.loss_and_grad`` is
        given ``total`` for it); and on numbers of samples. The processes begin with the same
        parameters and settings, and must make the same decisions: ``validate`` and ``watch`` have
        to return the same in each. An error or interrupt in one of them is not told to the others.
    constant_loss : callable or None, default=None
        ``constant_loss(n)`` returns the lowest loss, over n minibatches, of a network that has the
        present weights but gives the same output everywhere, or None if that is not known: training
        that comes no further warns.
    to_try : str, optional
        What that warning advises last, in the place of the model.
    local_steps : int, default=1
        With more than one, so many minibatches at a time are handed to ``network.walk``, as a
        `PartitionedNetwork` has it, in the place of steps after each. "lbfgs" does without.

    Returns
    -------
    History
        Losses, scores and gradient norms, epoch by epoch.

    Raises
    ------
    ValueError
        If the loss, its gradient or the parameters become NaN or infinite (``network.theta``
        is then of no use), if no sequence has a weight, or if the processes that ``reduce`` joins
        have different numbers of minibatches.

    Warns
    -----
    ConvergenceWarning
        If training has learned nothing; or ended at ``max_iter`` (or ``max_fun``) although it had
        not stalled. Schedule "cosine" is meant to end there and does not warn.
    UserWarning
        If training was interrupted.
    """
    if settings.early_stopping and validate is None:
        raise ValueError("validate must be given with early_stopping=True")
    objective = Objective(network, sequences, target, weight, settings, reduce)
    plan = make_plan(network, sequences, weight, settings, windows)
    n_samples = objective.agree(plan)
    progress = Progress(settings)
    scores = [] if validate else None
    now = Checkpoint(network.theta, state, History(n_samples, validation_scores=scores))
    if begun is not None:
        now = replace(begun, theta=network.theta, state=state)
    stopping = Stopping(settings, now, validate, watch, keep)
    try:
        warning = None
        if not now.is_over:
            if settings.solver == "lbfgs":
                most = settings.max_iter - state.epoch if n_epochs is None else n_epochs
                warning = train_on_full_batch(objective, plan, stopping, progress, most)
            else:
                warning = _train_on_minibatches(
                    objective, plan, stopping, progress, n_epochs, vary, local_steps
                )
            if constant_loss and learned_nothing(stopping, len(plan), constant_loss, progress):
                warning = unlearned_warning(to_try)
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
    stopping.restore_best(progress)
    if warning:
        warnings.warn(warning, stacklevel=4)  # the line that called an estimator's fit
    return stopping.history


def _train_on_minibatches(objective, plan, stopping, progress, n_epochs, vary, local_steps):
    """Step after every minibatch until training stalls; return a warning or None."""
    settings, state, history = objective.settings, stopping.state, stopping.history
    if state.solver != settings.solver:
        state.solver, state.solver_state = settings.solver, {}
    solver = SOLVERS[settings.solver](objective.network, settings, state.solver_state)
    for epoch in _epochs(n_epochs, settings, state, history, progress):
        stopping.epoch_starts()
        progress.start_epoch(epoch, len(plan))
        if vary:
            done = 0.0 if n_epochs is not None else _begun(epoch, settings) / settings.max_iter
            objective.read(vary(state.rng, done))
        run_epoch = _run_epoch if local_steps == 1 else partial(_walk_epoch, local_steps)
        loss, norm = run_epoch(epoch, objective, plan, state, solver, progress)
        stalled = stopping.epoch_ends(loss / history.n_samples, norm / len(plan))
        progress.end_epoch(history)
        if _is_over(stalled, settings, state, stopping, progress):
            return None
    if settings.learning_rate == "cosine":
        return None
    return convergence_warning()(
        f"Training stopped at max_iter={settings.max_iter} before the loss converged. "
        "Increase max_iter, or learning_rate_init if the loss falls slowly."
    )


def _epochs(n_epochs, settings, state, history, progress):
    """Yield the numbers of the epochs; whether there is another course is decided after one."""
    if n_epochs is not None:
        yield from range(state.epoch + 1, state.epoch + n_epochs + 1)
        return
    yield from range(state.epoch + 1, settings.max_iter + 1)
    if settings.again_between is None:
        return
    curve = history.loss_curve[: settings.max_iter]
    least, most = settings.again_between
    if least * curve[0] < steady_loss(curve) <= most * curve[0]:
        if state.epoch == settings.max_iter:
            progress.note(
                f"The loss is above {least:.0%} of that of the first epoch: there is another "
                "course."
            )
        yield from range(state.epoch + 1, settings.most_epochs + 1)


def _begun(epoch, settings):
    """How many epochs of its course are behind an epoch."""
    return (epoch - 1) % settings.max_iter


def _run_epoch(epoch, objective, plan, state, solver, progress):
    """Step after every minibatch of an epoch; the sums of losses by sample, and of norms."""
    settings, rng = objective.settings, state.rng
    theta, grad = objective.network.theta, objective.network.grad
    rates = _rates(epoch, plan, settings, state)
    max_norm = math.inf if settings.clip_norm is None else settings.clip_norm
    loss_sum = norm_sum = loss = norm = 0.0
    for number, (indices, n_samples, options) in enumerate(plan.epoch(rng), 1):
        loss, n_samples = objective.evaluate(indices, n_samples, rng=rng, **options)
        norm = objective.norm()
        if not math.isfinite(loss + norm):
            raise diverged(f"minibatch {number} of epoch {epoch}", loss, norm, settings)
        scale = max_norm / norm if norm > max_norm else 1.0
        solver.step(theta, grad, scale, next(rates))
        loss_sum += loss * n_samples
        norm_sum += norm
        progress.minibatch(number, loss)
    if not np.isfinite(theta).all():
        raise diverged(f"the last step of epoch {epoch}", loss, norm, settings)
    return loss_sum, norm_sum


def _walk_epoch(local_steps, epoch, objective, plan, state, solver, progress):
    """The same where partitions make so many steps before they meet."""
    settings, rates = objective.settings, _rates(epoch, plan, objective.settings, state)
    minibatches, loss_sum, norm_sum, loss, norm = list(plan.epoch(state.rng)), 0.0, 0.0, 0.0, 0.0
    for begin in range(0, len(minibatches), local_steps):
        some = minibatches[begin : begin + local_steps]
        now = list(itertools.islice(rates, len(some)))
        loss, norm = objective.walk([indices for indices, *_ in some], now, solver, state.rng)
        number = begin + len(some)
        if not math.isfinite(loss + norm):
            raise diverged(f"minibatch {number} of epoch {epoch}", loss, norm, settings)
        loss_sum += loss * sum(n_samples for _, n_samples, _ in some)
        norm_sum += norm * len(some)
        progress.minibatch(number, loss)
    if not np.isfinite(objective.network.theta).all():
        raise diverged(f"the last step of epoch {epoch}", loss, norm, settings)
    return loss_sum, norm_sum


def _rates(epoch, plan, settings, state):
    """Yield the learning rate of each step of an epoch."""
    schedule, rate = SCHEDULES[settings.learning_rate], _rate(settings, state)
    step, last_step = _begun(epoch, settings) * len(plan), settings.max_iter * len(plan)
    for k in range(step, step + len(plan)):
        yield schedule(rate, settings, state.t, k / last_step)


def _rate(settings, state):
    """The base learning rate, as schedule "adaptive" has lowered it so far."""
    return settings.learning_rate_init / 5.0**state.n_lowered


def _is_over(stalled, settings, state, stopping, progress):
    """Say whether training is over after an epoch, or lower the rate of schedule "adaptive"."""
    if settings.learning_rate == "cosine" and not settings.early_stopping:
        stalled = False  # while the rate is high the loss only sways: it falls towards the end
    lowers = settings.learning_rate == "adaptive" and _rate(settings, state) > 1e-6
    is_over = stopping.stopped or (stalled and not lowers)
    if stalled and not is_over:
        state.n_lowered, state.n_stalled = state.n_lowered + 1, 0
        rate = _rate(settings, state)
        progress.note(f"{stopping.reason} Learning rate is now {rate:.3g}.")
    stopping.settle(is_over)
    if is_over and not stopping.stopped:
        stopping.converged = True
        progress.note(f"{stopping.reason} Stopping.")
    return is_over
