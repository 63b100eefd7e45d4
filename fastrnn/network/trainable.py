"""What all networks share: vectors of their parameters, memory, and copies around them."""

from typing import ClassVar

import numpy as np

from fastrnn.kernels.workspace import Workspace
from fastrnn.network.recurrent import ZEROS
from fastrnn.network.rounding import is_rounded


class Trainable:
    """A network whose parameters live in ``theta``, and which is made anew from them."""

    made_of: ClassVar[tuple[str, ...]] = ()
    """Arguments of its constructor, by name, which are attributes too."""

    @property
    def rounds(self):
        """Whether products of matrices round their factors to bfloat16."""
        return is_rounded(self.architecture.precision, self.architecture.dtype)

    def make_vector(self, size, dtype):
        """Memory for something of each parameter, zeros."""
        return np.zeros(size, dtype=dtype)

    def make_workspace(self):
        """Memory for something else."""
        return Workspace(self.dtype, self.rounds)

    def release_memory(self):
        """Give back what `loss_and_grad` keeps from call to call; the next call takes it again."""
        self.kept = None

    def __getstate__(self):
        """What copy and pickle take: every parameter once, no gradient, no memory."""
        return {name: getattr(self, name) for name in (*self.made_of, "theta")}

    def __setstate__(self, state):
        """Build it anew around the parameters, whose views do not survive a copy."""
        theta = state.pop("theta")
        self.__init__(**state, random_state=ZEROS)
        self.theta[...] = theta
