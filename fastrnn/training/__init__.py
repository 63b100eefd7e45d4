"""Training of a network: the loop, the solvers, the progress that is shown.

The class ``fastrnn.training.ConvergenceWarning`` is made when it is first asked for: a subclass of
scikit-learn's warning of that name where scikit-learn is installed, so that filters on either
class work, and of UserWarning elsewhere. Importing this module does not import scikit-learn.
"""

from fastrnn.training.loop import Checkpoint, History, Settings, TrainingState, train
from fastrnn.training.stopping import convergence_warning

__all__ = ["Checkpoint", "History", "Settings", "TrainingState", "train"]


def __getattr__(name):
    if name == "ConvergenceWarning":
        return convergence_warning()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
