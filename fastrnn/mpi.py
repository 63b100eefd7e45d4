"""One model trained by the processes of an MPI job, each of which has sequences of its own.

All processes ("ranks") hold the whole model and make the same steps. Of each minibatch, which is
drawn from the sequences of all of them, a rank computes the gradient of those that it has; the
gradients are added in a tree whose shape depends on the number of ranks alone. So the model is the
same bits as that of one process which has all of these sequences in as many partitions.

Run a script with ``mpiexec -n 4 python script.py``. Where a rank ends with an error, in `fit` or
elsewhere after this module was imported, all of them end.
"""

import signal
import sys
import threading

import numpy as np

import fastrnn
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import Partition, add_gradients
from fastrnn.kernels.vector_math import level

try:
    from mpi4py import MPI
except ImportError as error:
    raise ImportError("fastrnn.mpi needs mpi4py: pip install 'fastrnn[mpi]'") from error

__all__ = ["fit"]

_GOES_ON, _INTERRUPTED, _FAILED = 0.0, 1.0, 2.0


def fit(estimator, X, y, sample_weight=None, *, validation_data=None, comm=None):
    """Train an estimator on the sequences of all ranks; every rank calls it.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor or RNNTagger
        With the same parameters in every rank.
    X, y, sample_weight : object
        The sequences of this rank, as for the estimator's ``fit``; None for a rank without any.
        Shares need not be equal. What is learned of columns, scales and classes is that of all.
    validation_data : tuple (X, y) or (X, y, sample_weight), default=None
        Those that this rank scores, as for ``fit``; None for a rank without any. Scores are those
        of all of them together.
    comm : mpi4py.MPI.Comm, default=None
        The processes that train together; None is ``MPI.COMM_WORLD``.

    Returns
    -------
    RNNBase
        The estimator itself, fitted, with the same bits in every rank.

    Raises
    ------
    ValueError, TypeError
        As ``fit`` does, or where ranks have other versions of fastrnn, or processors for which it
        computes otherwise. The error of one rank is raised in all of them.

    Notes
    -----
    A minibatch has ``batch_size`` sequences of all ranks together. Callbacks are not called,
    checkpoints not written. Ctrl-C in any rank ends training in all of them after the same
    minibatch.
    """
    comm = MPI.COMM_WORLD if comm is None else comm
    with _Interrupts() as interrupts:
        ranks = _Ranks(comm, None if X is None else (X, y, sample_weight), interrupts)
        scored = _Ranks(comm, validation_data, interrupts)
        if not len(ranks):
            raise ValueError("no rank has any sequences: X is None in all of them")
        return fit_jointly(estimator, ranks, scored if len(scored) else None)


class _Ranks:
    """The crew of `fit_jointly`: the partitions are those of the ranks that have data."""

    def __init__(self, comm, given, interrupts):
        self.comm, self.interrupts = comm, interrupts
        here = (given is not None, fastrnn.__version__, level())
        there = comm.allgather(here)
        for rank, (_, *kind) in enumerate(there):
            if kind != list(there[0][1:]):
                raise ValueError(
                    f"rank {rank} has fastrnn {kind[0]} at level {kind[1]!r}, rank 0 has "
                    f"{there[0][1]} at {there[0][2]!r}: install the same version, and set "
                    "FASTRNN_LEVEL to a level that all processors have"
                )
        self.members = [rank for rank, (has_data, *_) in enumerate(there) if has_data]
        self.number = self.partition = None
        if given is not None:
            self.number = self.members.index(comm.rank)
            self.partition = Partition(self.number, *given)

    def __len__(self):
        return len(self.members)

    def of_first(self, value):
        """The value that the first rank has."""
        return self.comm.bcast(value)

    def ask(self, what, *told):
        """What each partition answers, in their order."""
        answer = error = None
        try:
            if self.partition is not None:
                answer = getattr(self.partition, what)(*told)
        except Exception as caught:
            error = caught
        self._raise_in_all(error)
        answers = self.comm.allgather(answer)
        return [answers[rank] for rank in self.members]

    def run(self, theta, shares, *told):
        """The loss and the gradient of a minibatch: own, added up the tree, sent to all."""
        sum_, error = _Sum(theta), None
        try:
            if self.number in shares:
                sum_.put(*self.partition.gradient(theta, shares[self.number], *told))
        except Exception as caught:
            error = caught
        self._raise_in_all(error)
        if self.number is not None:
            self._add_in_tree(sum_, sorted(shares))
        self.comm.Bcast(sum_.message, self.members[0])
        return sum_.loss, sum_.grad

    def _add_in_tree(self, sum_, places):
        """What `add_in_tree` does, where each value is with another rank, and some have none."""
        k, n, step = self.number, len(self), 1
        other = _Sum(sum_.grad)
        while step < n:
            first, later = k - k % (2 * step), k - k % (2 * step) + step
            if any(later <= place < later + step for place in places):
                if k == later:
                    self.comm.Send(sum_.message, self.members[first])
                    return
                has_some = any(first <= place < later for place in places)
                self.comm.Recv((other if has_some else sum_).message, self.members[later])
                if has_some:
                    sum_.put(*add_gradients((sum_.loss, sum_.grad), (other.loss, other.grad)))
            if k == later:
                return
            step *= 2

    def _raise_in_all(self, error):
        """Raise in every rank what is raised, or was interrupted, in any."""
        went = np.array([_FAILED if error else _INTERRUPTED if self.interrupts.seen else _GOES_ON])
        self.comm.Allreduce(MPI.IN_PLACE, went, MPI.MAX)
        if went[0] == _INTERRUPTED:
            self.interrupts.seen = False
            raise KeyboardInterrupt
        if went[0] == _FAILED:
            errors = self.comm.allgather(error)
            rank = next(rank for rank, of_rank in enumerate(errors) if of_rank is not None)
            raise errors[rank] from RuntimeError(f"in rank {rank}")


class _Sum:
    """A loss and a gradient, which are sent as one message."""

    def __init__(self, like):
        self.message = np.empty(8 + like.nbytes, np.uint8)
        self._loss = self.message[:8].view(np.float64)
        self.grad = self.message[8:].view(like.dtype)

    @property
    def loss(self):
        return float(self._loss[0])

    def put(self, loss, grad):
        """Write them."""
        self._loss[0] = loss
        self.grad[...] = grad


class _Interrupts:
    """Notes Ctrl-C in the place of raising it, so that all ranks stop after the same minibatch."""

    def __enter__(self):
        self.seen = False
        self.before = None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, *signal_and_frame):
        self.seen = True


def _end_all_ranks(kind, error, trace, before=sys.excepthook):
    """Tell of an error that nobody has caught, and end the other ranks, too, which would wait."""
    before(kind, error, trace)
    sys.stderr.flush()
    if MPI.COMM_WORLD.size > 1 and not MPI.Is_finalized():
        MPI.COMM_WORLD.Abort(1)


sys.excepthook = _end_all_ranks
