"""Training by L-BFGS: all sequences at once, without dropout, in float64 whatever the dtype."""

import math

import numpy as np
import scipy.optimize

from fastrnn.training.stopping import convergence_warning, diverged


def train_on_full_batch(objective, plan, stopping, progress, n_epochs):
    """Minimize with L-BFGS-B; return a warning or None."""
    course = _Course(objective, plan, stopping, progress, n_epochs)
    theta, settings = objective.network.theta, objective.settings
    stopping.epoch_starts()
    progress.start_epoch(1, 1)
    try:
        result = scipy.optimize.minimize(
            course.evaluate,
            theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=course.iteration_ends,
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
        theta[:] = course.last_iterate
        raise
    if not stopping.history.n_iter:
        # The starting point was a minimum: its evaluation is the only iteration.
        stopping.epoch_ends(float(result.fun), course.norm)
        progress.end_epoch(stopping.history)
    stopping.converged = not stopping.stopped and (course.stalled or result.status == 0)
    return None if course.stalled else _warning(result, settings, theta.dtype)


class _Course:
    """What scipy calls: the loss and its gradient, and the end of an iteration."""

    def __init__(self, objective, plan, stopping, progress, n_epochs):
        self.objective, self.plan, self.n_epochs = objective, plan, n_epochs
        self.stopping, self.progress = stopping, progress
        self.theta, self.norm, self.stalled = objective.network.theta, math.nan, False
        self.last_iterate = self.theta.copy()

    def evaluate(self, x):
        """Loss and gradient at x."""
        objective, history = self.objective, self.stopping.history
        loss, _ = objective.evaluate(self.plan.kept, self.plan.n_samples, theta=x)
        self.norm = objective.norm()
        if not math.isfinite(loss + self.norm):
            where = f"iteration {history.n_iter + 1}"
            raise diverged(where, loss, self.norm, objective.settings)
        self.progress.loss = loss
        return loss, objective.network.grad.astype(np.float64)

    def iteration_ends(self, intermediate_result):
        """Record an iteration, and stop if it is time."""
        stopping, progress, history = self.stopping, self.progress, self.stopping.history
        self.theta[:] = intermediate_result.x
        self.last_iterate = self.theta.copy()
        stalled = stopping.epoch_ends(float(intermediate_result.fun), self.norm)
        by_score = self.objective.settings.early_stopping
        self.stalled = (stalled and by_score) or stopping.stopped
        progress.end_epoch(history)
        if self.stalled:
            if not stopping.stopped:
                progress.note(f"{stopping.reason} Stopping.")
            raise StopIteration
        if history.n_iter < self.n_epochs:
            stopping.epoch_starts()
            progress.start_epoch(history.n_iter + 1, 1)


def _warning(result, settings, dtype):
    if result.status == 0:
        return None
    if result.status == 1:
        return convergence_warning()(
            f"Training stopped at max_iter={settings.max_iter} or max_fun={settings.max_fun} "
            f"before the loss converged ({result.nit} iterations, {result.nfev} evaluations). "
            "Increase them, or scale the inputs."
        )
    advice = ": try dtype='float64'" if dtype == np.float32 else ""
    return convergence_warning()(
        f"Training stopped after {result.nit} iterations: lbfgs found no lower loss along its "
        f"search direction. Near a minimum that is rounding{advice}."
    )
