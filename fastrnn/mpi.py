"""One model trained by the processes of an MPI job, each of which has sequences of its own.

All processes ("ranks") hold the whole model and make the same steps. Of each minibatch, which is
drawn from the sequences of all of them, a rank computes the gradient of those that it has; the
gradients are added in a tree whose shape depends on the number of ranks alone. So the model is the
same bits as that of one process which has all of these sequences in as many partitions.

Run a script with ``mpiexec -n 4 python script.py``. Where there are several ranks and one ends with
an error, in `fit` or elsewhere after this module was imported, all of them end: `sys.excepthook`
calls ``Abort`` once it has shown the error.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

import fastrnn
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.interrupts import NotedInterrupts
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import Partition, add_gradients
from fastrnn.inputs.errors import in_argument
from fastrnn.kernels.vector_math import level
from fastrnn.network.partitioned import Share
from fastrnn.typing import Floats, SampleWeight, SequencesLike, TargetsLike

try:
    from mpi4py import MPI
except ImportError as error:
    raise ImportError("fastrnn.mpi needs mpi4py: pip install 'fastrnn[mpi]'") from error

__all__ = ["fit"]

_Estimator = TypeVar("_Estimator", bound=RNNBase)

_GOES_ON, _INTERRUPTED, _FAILED = range(3)


def fit(
    estimator: _Estimator,
    X: SequencesLike | None,
    y: TargetsLike | None,
    sample_weight: SampleWeight = None,
    *,
    validation_data: tuple[Any, ...] | None = None,
    comm: Any = None,
) -> _Estimator:
    """Train an estimator on the sequences of all ranks; every rank calls it.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor or RNNTagger
        With the same parameters in every rank; random numbers are those of the first. With
        ``warm_start=True`` also with the same model.
    X, y, sample_weight : object
        The partition of this rank: its sequences, as for the estimator's ``fit``, or None, or an
        empty list, if it has none. Partitions need not be equally large. What is learned of
        columns, scales and classes is that of all.
    validation_data : tuple (X, y) or (X, y, sample_weight), default=None
        Those that this rank scores, as for ``fit``; None for a rank without any. The score is that
        of all of them together.
    comm : mpi4py.MPI.Comm, default=None
        The processes that train together; None is ``MPI.COMM_WORLD``. Messages are sent in a copy.

    Returns
    -------
    RNNBase
        The estimator itself, fitted, with the same bits in every rank.

    Raises
    ------
    ValueError, TypeError
        As ``fit`` does, with the rank where it is. The error of one rank is raised in all of them.
        Also where ranks have other parameters, other versions of fastrnn, or processors for which
        it computes otherwise; and where numbers of ranks come apart nevertheless.

    Notes
    -----
    A minibatch has ``batch_size`` sequences of all ranks together. With "robust" scaling, which
    needs all numbers in one place, only one rank may have sequences; with ``early_stopping=True``
    validation data are needed. Callbacks are not called, and the first rank prints what
    ``verbose=True`` asks for. Ctrl-C (SIGINT) in any rank ends training in all of them after the
    same minibatch, and keeps the model trained so far.
    """
    comm = (MPI.COMM_WORLD if comm is None else comm).Dup()
    try:
        with NotedInterrupts() as interrupts:
            _check_alike(comm, estimator)
            if estimator.task_class.in_partitions and estimator.reader_class.keeps_data:
                raise TypeError(
                    f"{type(estimator).__name__} cannot be trained on partitions by fastrnn.mpi: "
                    "no rank would have the series that predict goes on from; fastrnn.dask trains "
                    "it"
                )
            ranks = _Ranks(comm, interrupts, lambda: (X, y, sample_weight))
            split = estimator.reader_class.split_validation_data
            scored = _Ranks(comm, interrupts, lambda: validation_data and split(validation_data))
            if not len(ranks):
                raise ValueError("no rank has any sequences: X is None or empty in all of them")
            fit_jointly(estimator, ranks, scored if len(scored) else None, is_quiet=comm.rank > 0)
            return estimator
    finally:
        comm.Free()


def _check_alike(comm: Any, estimator: RNNBase) -> None:
    """Check that all ranks begin alike."""
    parameters = {**estimator.get_params(deep=False), "random_state": None}
    here = {
        "fastrnn": fastrnn.__version__,
        "FASTRNN_LEVEL": level(),
        "estimator": type(estimator).__name__,
        **{name: repr(value) for name, value in parameters.items()},
        "model": estimator.is_fitted and zlib.crc32(estimator.network_.theta),
    }
    if not estimator.warm_start:
        del here["model"]
    first = None
    for rank, there in enumerate(comm.allgather(here)):
        first = there if first is None else first
        for name in first | there:
            if there.get(name) != first.get(name):
                raise ValueError(
                    f"rank {rank} has {name}={there.get(name)}, rank 0 has {first.get(name)}: all "
                    "ranks must have the same (a level that all processors have is set with "
                    "FASTRNN_LEVEL)"
                )


class _Ranks:
    """The crew of `fit_jointly`: the partitions are those of the ranks that have data.

    ``take()`` gives X, y and sample_weight of this rank, or None.
    """

    def __init__(self, comm: Any, interrupts: NotedInterrupts, take: Callable[[], Any]) -> None:
        self.comm, self.interrupts = comm, interrupts
        given: Any = None
        error: Exception | None = None
        try:
            given = take()
            has_data = given is not None and given[0] is not None and len(given[0]) > 0
        except Exception as caught:
            error = caught
        self._raise_in_all(error)
        self.members: list[int] = np.flatnonzero(comm.allgather(has_data)).tolist()
        self.number: int | None = None
        self.partition: Partition | None = None
        if has_data:
            self.number = self.members.index(comm.rank)
            self.partition = Partition(self.number, *given)

    def __len__(self) -> int:
        return len(self.members)

    def name(self, k: int) -> str:
        """What a partition is called."""
        return f"rank {self.members[k]}"

    def of_first(self, value: Any) -> Any:
        """The value that the first rank has."""
        return self.comm.bcast(value)

    def ask(self, what: str, *told: Any) -> list[Any]:
        """What each partition answers, in their order."""
        answer: Any = None
        error: Exception | None = None
        try:
            if self.partition is not None:
                answer = getattr(self.partition, what)(*told)
        except Exception as caught:
            error = caught
        self._raise_in_all(error)
        answers = self.comm.allgather(answer)
        return [answers[rank] for rank in self.members]

    def run(self, theta: Floats, shares: Mapping[int, Share], *told: Any) -> tuple[float, Floats]:
        """The loss and the gradient of a minibatch: own, added up the tree, sent to all."""
        sum_ = _Sum(theta)
        share = None if self.number is None else shares.get(self.number)
        error: Exception | None = None
        try:
            if self.partition is not None and share is not None:
                sum_.put(*self.partition.gradient(theta, share, *told))
        except Exception as caught:
            error = caught
        self._raise_in_all(error, theta)
        if self.number is not None:
            self._add_in_tree(self.number, sum_, sorted(shares))
        self.comm.Bcast(sum_.message, self.members[0])
        return sum_.loss, sum_.grad

    def _add_in_tree(self, k: int, sum_: _Sum, places: Collection[int]) -> None:
        """What `add_in_tree` does, where each value is with another rank, and some have none."""
        n, step = len(self), 1
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

    def _raise_in_all(self, error: Exception | None, theta: Floats | None = None) -> None:
        """Raise in every rank what is raised, or was interrupted, in any.

        Also if not all have the same parameters: then each would make its own way from there.
        """
        went = _FAILED if error else _INTERRUPTED if self.interrupts.seen else _GOES_ON
        same = 0 if theta is None else int(np.bitwise_xor.reduce(theta.view(np.uint32)))
        all_of = np.array([went, same, -same])
        self.comm.Allreduce(MPI.IN_PLACE, all_of, MPI.MAX)
        went, most, least = all_of.tolist()
        if went == _INTERRUPTED:
            self.interrupts.stop()
        if went == _FAILED:
            own = error and _named(error, self.comm.rank)
            errors = self.comm.allgather(own and _to_be_sent(own, self.comm.rank))
            raise own or next(of_rank for of_rank in errors if of_rank is not None)
        if most != -least:
            raise RuntimeError(
                "the ranks have come apart: they do not compute the same numbers. Processors or "
                "libraries are not the same everywhere; FASTRNN_LEVEL and OPENBLAS_CORETYPE can "
                "make them compute alike"
            )


def _named(error: Exception, rank: int) -> Exception:
    """An error that says which rank it is of."""
    try:
        with in_argument(f"rank {rank}"):
            raise error
    except Exception as named:
        return named


def _to_be_sent(error: Exception, rank: int) -> Exception:
    """An error, or of those that cannot be sent another that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"rank {rank}: {type(error).__name__}: {error}")
    return error


class _Sum:
    """A loss and a gradient, which are sent as one message."""

    def __init__(self, like: Floats) -> None:
        self.message = np.empty(8 + like.nbytes, np.uint8)
        self._loss = self.message[:8].view(np.float64)
        self.grad: Floats = self.message[8:].view(like.dtype)

    @property
    def loss(self) -> float:
        return float(self._loss[0])

    def put(self, loss: float, grad: Floats) -> None:
        """Write them."""
        self._loss[0] = loss
        self.grad[...] = grad


def _end_all_ranks(
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    before: Callable[..., Any] = sys.excepthook,
) -> None:
    """Tell of an error that nobody has caught, and end the other ranks, too, which would wait."""
    before(kind, error, trace)
    sys.stderr.flush()
    if not MPI.Is_finalized():
        MPI.COMM_WORLD.Abort(1)


if MPI.COMM_WORLD.size > 1:
    sys.excepthook = _end_all_ranks
