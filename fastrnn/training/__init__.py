"""Training of a network: the loop, the solvers, the progress that is shown."""

from fastrnn.training import loop
from fastrnn.training.loop import Checkpoint, History, Settings, TrainingState, train

__all__ = ["Checkpoint", "History", "Settings", "TrainingState", "train"]


def __getattr__(name):
    if name == "ConvergenceWarning":
        return loop.ConvergenceWarning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
