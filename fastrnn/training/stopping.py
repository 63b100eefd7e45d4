"""How training ends: when it has stalled, diverged, or come to its last epoch; with which epoch."""

import functools
import math

SPAN = 3
"""Epochs whose losses are averaged to see what lasts."""
RELAPSE = 0.1
"""Share of what the loss has fallen, and of the loss, by which it may rise again and count as good.
Losses of small minibatches sway less than that; what a step too long has spoilt costs more."""


class Stopping:
    """Writes the history, tells from it when training has stalled, and keeps the best parameters.

    The criterion is the validation score with early stopping, else minus the loss. NaN is no
    improvement. With early stopping training ends with the parameters of the best score; else with
    the last ones, unless the loss has shot up: then with those of the lowest steady loss, the mean
    over some epochs.
    """

    def __init__(self, settings, now, validate, watch, keep):
        self.settings, self.now, self.state, self.history = settings, now, now.state, now.history
        self.validate, self.watch, self.keep = validate, watch, keep
        self.stopped = self.converged = False  # by the one who watches, or since it does not help
        state, history = now.state, now.history
        self.start = (state.epoch - history.n_iter, state.t - history.t)
        if state.by_score != settings.early_stopping:
            state.by_score, state.best, state.n_stalled = settings.early_stopping, -math.inf, 0
        # With early stopping scores decide, and a step of "lbfgs" never makes the loss higher.
        self.looks_at_loss = not settings.early_stopping and settings.solver != "lbfgs"
        self.lowest = math.inf  # steady loss so far
        if self.looks_at_loss and history.best_epoch is not None:
            self.lowest = steady_loss(history.loss_curve[: history.best_epoch])
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
                self._keep_parameters(history.n_iter + 1)
                history.best_validation_score = value
            state.best = value
        history.gradient_norms.append(norm)
        history.loss_curve.append(loss)
        self._count()
        if self.looks_at_loss and history.n_iter >= SPAN:
            steady = steady_loss(history.loss_curve)
            if steady < self.lowest:
                self._keep_parameters(history.n_iter)
                self.lowest = steady
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

    def _keep_parameters(self, epoch):
        if self.now.best_theta is None:
            self.now.best_theta = self.now.theta.copy()
        else:
            self.now.best_theta[:] = self.now.theta
        self.history.best_epoch = epoch

    def restore_best(self, progress):
        """Go back to the best parameters, if the last ones are not good enough."""
        history, best_theta = self.history, self.now.best_theta
        if best_theta is None or (self.looks_at_loss and not self._has_shot_up()):
            history.best_epoch = history.n_iter
            return
        self.now.theta[:] = best_theta
        if self.looks_at_loss:
            progress.note(
                f"The loss has shot up: the weights are those of epoch {history.best_epoch}."
            )

    def _has_shot_up(self):
        """Whether the loss is far above the lowest steady one, and that not by a last chance."""
        curve, lowest = self.history.loss_curve, self.lowest
        good = lowest + RELAPSE * max(curve[0] - lowest, abs(lowest))
        return min(curve[-1], steady_loss(curve)) > good


def steady_loss(losses):
    """The mean of the last epochs."""
    return math.fsum(losses[-SPAN:]) / SPAN


def lowest_steady_loss(losses):
    """The lowest such mean so far."""
    return min(steady_loss(losses[:n]) for n in range(SPAN, len(losses) + 1))


def diverged(where, loss, norm, settings):
    return ValueError(
        f"Training diverged in {where} (loss {loss:.6g}, gradient norm {norm:.6g}): there are "
        f"numbers that are not finite. Lower learning_rate_init (now "
        f"{settings.learning_rate_init}), set clip_norm (now {settings.clip_norm}; 1.0 is a good "
        "start), scale the inputs to about unit size, or use dtype='float64'."
    )


@functools.cache
def convergence_warning():
    try:
        from sklearn.exceptions import ConvergenceWarning as base
    except ImportError:
        base = UserWarning
    doc = "Training ended before the loss converged, or has learned nothing."
    return type("ConvergenceWarning", (base,), {"__module__": "fastrnn.training", "__doc__": doc})
