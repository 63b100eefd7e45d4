"""Workspaces for dry runs, and how threads share what each of them needs one of."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from fastrnn.kernels.workspace import Workspace
from fastrnn.typing import AnyArray


class CountingWorkspace(Workspace):
    """A workspace for dry runs: its arrays have one number each, and kernels are not called."""

    def make(self, size, dtype):
        return of_one_number(size, dtype)

    def zeros(self, name, shape):
        return self.take(name, shape)

    def call(self, kernel, *arguments):
        """Do nothing, as well as any kernel."""
        return True

    def calls_of(self, team):
        """Do nothing, likewise."""
        return self.call


class Counted:
    """What networks share that are not there: ``workspaces`` say what they would take."""

    workspaces: list[CountingWorkspace]
    theta: AnyArray
    grad: AnyArray
    decayed: AnyArray

    def make_vector(self, size, dtype):
        """No memory."""
        return of_one_number(size, dtype)

    def make_workspace(self):
        """Memory that is only counted."""
        self.workspaces.append(CountingWorkspace(self.dtype, self.rounds))
        return self.workspaces[-1]

    @property
    def nbytes(self) -> int:
        """What the network itself has: parameters, gradient, and which are decayed."""
        return self.theta.nbytes + self.grad.nbytes + self.decayed.nbytes

    def count(self, work: Callable[[], object]) -> int:
        """Bytes of all that the workspaces have handed out while `work` was done."""
        self.workspaces.clear()
        work()
        return sum(workspace.nbytes for workspace in self.workspaces)


def of_one_number(size: int, dtype: DTypeLike) -> AnyArray:
    """A vector all of whose elements are one and the same number, 0."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, dtype), (size,), (0,))


def take_spare(spare, make, *arguments):
    """Something that is not in use, from a list that threads may share, or ``make(*arguments)``.

    Whoever takes from the list brings back what he took.
    """
    try:
        return spare.pop()
    except IndexError:
        return make(*arguments)
