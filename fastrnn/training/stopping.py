"""How training ends: when it has stalled, diverged, or come to its last epoch."""

import functools
import math


class Stopping:
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
    doc = "Training ended before the loss converged."
    return type("ConvergenceWarning", (base,), {"__module__": "fastrnn.training", "__doc__": doc})
