"""What training is told, where it stands, and what happened."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastrnn.files.codec import Added, Flag, ListOf, Number, Optional, Record, Whole

__all__ = [
    "CURVES",
    "HISTORY",
    "TRAINING",
    "USUAL_BATCH_SIZE",
    "Checkpoint",
    "History",
    "Settings",
    "TrainingState",
]

USUAL_BATCH_SIZE = 200
"""Sequences in a minibatch, where nobody says how many."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained: the estimators' parameters of these names say what each does.

    Nothing is checked here. `alpha` is the decoupled decay of "adamw" alone: other solvers find
    theirs in the network's loss. Where `max_iter` epochs leave a share of the first one's loss that
    lies `again_between` two others, above the one and not above the other, there is another course
    of as many, which begins at the full learning rate again (Loshchilov and Hutter 2017, "warm
    restarts").
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
    batch_size: int = USUAL_BATCH_SIZE
    max_iter: int = 200
    again_between: tuple[float, float] | None = None
    shuffle: bool = True
    tol: float = 1e-4
    n_iter_no_change: int = 10
    early_stopping: bool = False
    clip_norm: float | None = None
    bptt_steps: int | None = None
    verbose: bool = False
    max_fun: int = 15000
    n_jobs: int | None = None

    @property
    def most_epochs(self):
        """How many epochs, or iterations of "lbfgs", there are at most."""
        return self.max_iter * (1 if self.again_between is None else 2)


@dataclass
class TrainingState:
    """Where training stands: all that decides, beside the parameters, how it goes on.

    It holds numbers, arrays and the generator alone, so that it can be copied and saved. Between
    two epochs it is complete. "lbfgs" starts anew in each call of `train`, and leaves it as it is.
    """

    rng: np.random.Generator  # draws the order of the sequences and the dropout masks
    solver: str | None = None  # that left solver_state; another one starts anew
    solver_state: dict[str, Any] = field(default_factory=dict)  # moments or velocity, see solvers
    epoch: int = 0  # number of finished epochs
    t: int = 0  # number of samples seen in them
    n_lowered: int = 0  # how often schedule "adaptive" has divided the learning rate
    # Whether the validation score tells when training has stalled, as with early stopping; else the
    # loss does.
    by_score: bool = False
    best: float = -math.inf  # best value so far of that score, or of minus the loss
    n_stalled: int = 0  # number of epochs since that value has risen by tol


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
    """

    n_samples: int  # of an epoch; those of weight 0 are left out
    # Mean over the minibatches of the loss before the step.
    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] | None = None  # at the end of the epoch; None without validate
    # Mean over the minibatches of the gradient's norm before clipping.
    gradient_norms: list[float] = field(default_factory=list)
    best_validation_score: float | None = None  # the highest; None without early stopping
    # Of the parameters that are kept, 1 is the first; while training goes on, of those that may be.
    best_epoch: int | None = None

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
    "best_epoch": Added(Optional(Whole()), None),
}
HISTORY = Record({"n_samples": Whole(1), **CURVES}, History)
"""`History` in files."""


@dataclass
class Checkpoint:
    """All of training between two epochs. Copied, it is where a later `train` may go on from."""

    theta: np.ndarray  # (P,), the network's parameters
    state: TrainingState
    history: History  # of all epochs so far
    # (P,), of the best validation score with early stopping, else of the lowest steady loss.
    best_theta: np.ndarray | None = None
    is_over: bool = False  # whether training has stalled, or was stopped by the one who watches
