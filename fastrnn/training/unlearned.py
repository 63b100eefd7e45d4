"""Training that has learned nothing: it came no further than the same answer to everything."""

from fastrnn.training.stopping import SPAN, convergence_warning, lowest_steady_loss

GAIN = 0.02
"""Share of the loss of the same answer to everything that is to be gained."""
ANOTHER_MODEL = "another cell, pooling or bidirectional=True"
"""What to try after all else."""
ENOUGH_STEPS = 100
"""Steps of the solver after which something should be gained."""
ENOUGH_EPOCHS = 10
"""Epochs that are enough, too, where training ended since they did not help."""


def learned_nothing(stopping, n_minibatches, constant_loss, progress):
    """Whether to warn that nothing was learned; False where that is not known.

    Nothing is said of short trainings that somebody else has ended.
    """
    lowest = _lowest(stopping, n_minibatches)
    constant = None if lowest is None else constant_loss(n_minibatches)
    if constant is None or lowest < (1.0 - GAIN) * constant:
        return False
    progress.note(
        f"The lowest loss, {lowest:.6g}, is hardly below that of the same answer to everything, "
        f"{constant:.6g}."
    )
    return True


def _lowest(stopping, n_minibatches):
    """The lowest loss, a mean over some epochs; None where it is too early to tell."""
    curve, by_lbfgs = stopping.history.loss_curve, stopping.settings.solver == "lbfgs"
    if by_lbfgs and stopping.converged:  # a slope of next to nothing may take no step to find
        return curve[-1]
    n_steps = len(curve) * (1 if by_lbfgs else n_minibatches)
    is_enough = n_steps >= ENOUGH_STEPS or (stopping.converged and len(curve) >= ENOUGH_EPOCHS)
    if stopping.stopped or not is_enough or len(curve) < SPAN:
        return None
    return lowest_steady_loss(curve)


def unlearned_warning(to_try):
    """Say what was seen and what to try, in words that are always the same: shown once will do."""
    return convergence_warning()(
        f"Training has learned nothing: its loss came no further than {GAIN:.0%} below that of the "
        "same answer to everything. Scale inputs that are far from unit size (scaling='standard'); "
        "then try a higher or lower learning_rate_init, smaller minibatches (batch_size), more "
        f"epochs (max_iter, or n_iter_no_change if they ended early), or {to_try}. It may also be "
        "that the targets do not depend on the inputs."
    )
