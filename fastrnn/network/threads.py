"""Threads over independent items of work, and teams of threads within one call of a kernel.

The kernels release the GIL, so plain Python threads run them side by side. They are kept from call
to call, and stay awake for a moment after each because the next one often follows at once; then
they sleep. Starting a thread costs more than a small minibatch, and waking one nearly as much.

Where the kernels call BLAS, it would start threads of its own inside every small product; it is
held to one thread while fastrnn works, which is also what makes results the same bits on any number
of threads, and set back afterwards.
"""

import collections
import ctypes
import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar

import scipy.linalg.cython_blas

from fastrnn.kernels.handover import Handover, OneThread, Pool, forget_turns, wait_for_all
from fastrnn.kernels.team import ALONE, CallingThread, call_together
from fastrnn.kernels.vector_math import products

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

WATCH_NANOSECONDS = 200_000
"""How long a thread that waits stays awake: a few times what it takes to wake it."""

WORTHWHILE_FLOPS = 1.5e6
"""Arithmetic of an item, in floating-point operations, that is worth another thread: with less,
handing it over and taking turns at the GIL (fastrnn.kernels.handover) cost more than is won."""

MEMBER_CALL_FLOPS = 4e6
"""Arithmetic of a call, in floating-point operations, that each member of a team needs."""

MEMBER_STEP_FLOPS = 150e3
"""Arithmetic of a time step that each member of a team needs."""

MEMBER_UNITS = 32
"""Hidden units that each member of a team needs."""

MEMBER_PARAMETERS = 2**17
"""Parameters that each member of a team needs where something is done to each of them."""

TEAMS_REST = 30
"""How long there are no teams after a call that did not go well, in durations of that call."""

# Pairs of functions that set and get the number of threads, by the libraries scipy is built with.
_THREAD_FUNCTIONS = [
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
]


@functools.cache
def _blas_thread_functions():
    """The functions (set, get) of the BLAS under scipy.linalg.cython_blas, or None if unknown."""
    # Opening the extension module itself also looks into the libraries it is linked with. PyDLL
    # keeps the GIL, which other threads would make us wait for.
    library = ctypes.PyDLL(scipy.linalg.cython_blas.__file__)
    for set_name, get_name in _THREAD_FUNCTIONS:
        if hasattr(library, set_name) and hasattr(library, get_name):
            return getattr(library, set_name), getattr(library, get_name)
    return None


single_blas_thread = OneThread(_blas_thread_functions)
"""Context manager: BLAS runs on one thread inside, on as many as before afterwards."""


def count_threads(n_jobs: SupportsIndex | None) -> int:
    """Number of threads that ``n_jobs`` asks for, at least 1.

    None means 1; -1 all processors this process may use, -2 all but one, and so on, as in
    scikit-learn. Anything but None and integers is a TypeError, 0 a ValueError.
    """
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__"):
        raise TypeError(f"n_jobs must be None or an integer, got {n_jobs!r}")
    n_jobs = n_jobs.__index__()
    if n_jobs == 0:
        raise ValueError(
            "n_jobs must not be 0; use None or 1 for one thread, -1 for all processors"
        )
    if n_jobs > 0:
        return n_jobs
    return max(1, _count_processors() + 1 + n_jobs)


def _count_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_thread():
    """Start a thread that carries out calls for ever; the way to hand them over."""
    handover = Handover()
    # A daemon, so that no one waits for it when the program ends.
    threading.Thread(target=handover.serve, name="fastrnn", daemon=True).start()
    return handover


_pool = Pool(_start_thread)


def _forget_after_fork():
    """In a forked child the threads are gone: begin anew."""
    global _pool
    _pool = Pool(_start_thread)
    single_blas_thread.forget_users()
    forget_turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def run_one(function: Callable[..., _Result], *arguments: Any, **options: Any) -> _Result:
    """Call a function as `run` does for a single item: BLAS, if it is in use, is on one thread."""
    if products() == "blas":
        return single_blas_thread.call(functools.partial(function, **options), *arguments)
    return function(*arguments, **options)


def run(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    n_jobs: SupportsIndex | None = None,
    flops: float = math.inf,
) -> list[_Result]:
    """Call a function on every item, on several threads if asked; return the results in order.

    Each thread, the calling one too, takes the next item as soon as it can. With less arithmetic in
    an item than `WORTHWHILE_FLOPS` the calling thread does them all. After an exception no further
    item is begun; that of the first item that raised one is raised when all calls have ended.
    """
    n_threads = 1 if n_jobs is None else min(count_threads(n_jobs), len(items))
    if n_threads <= 1 or flops < WORTHWHILE_FLOPS:
        return run_one(_call_all, function, items)
    results: list[Any] = [None] * len(items)
    errors: dict[int, BaseException] = {}
    todo = collections.deque(enumerate(items))

    def work() -> None:
        while not errors:
            try:
                k, item = todo.popleft()
            except IndexError:  # another thread took the last
                return
            try:
                results[k] = function(item)
            except BaseException as error:
                errors[k] = error

    def work_together(handovers: list[Handover], watch: int) -> None:
        try:
            for handover in handovers:
                handover.begin(work, watch)
            work()
        finally:
            wait_for_all(handovers, watch, False)

    def call(handovers: list[Handover], watch: int) -> None:
        if products() == "blas":
            single_blas_thread.call(work_together, handovers, watch)
        else:
            work_together(handovers, watch)

    _pool.use(n_threads - 1, _count_processors(), WATCH_NANOSECONDS, call)
    if errors:
        raise errors[min(errors)]
    return results


def _call_all(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    return [function(item) for item in items]


def share(n_jobs, n_items):
    """Number of threads for each of so many items that run side by side, at least 1."""
    return 1 if n_jobs is None else max(1, count_threads(n_jobs) // max(1, n_items))


class Team:
    """Threads that run a call of a kernel together (fastrnn.kernels.team): the same bits as by one.

    They are ``size`` at most, and at least two. Members keep pace with each other, so that all wait
    for one whose processor is busy with something else. After a call that went that way there are
    no teams for a while.
    """

    def __init__(self, size):
        self.size = size

    def call(self, kernel, *arguments):
        """Call a kernel, by each thread, with the arguments and then a member of the team."""
        pool = _pool
        start = time.monotonic()
        if start < pool.no_teams_until:
            kernel(*arguments, ALONE)
            return

        def call(handovers, watch):
            if not handovers or not watch:  # the processors are taken
                kernel(*arguments, ALONE)
            elif not call_together(kernel, arguments, handovers, watch):
                end = time.monotonic()
                pool.no_teams_until = end + TEAMS_REST * (end - start)

        pool.use(self.size - 1, _count_processors(), WATCH_NANOSECONDS, call)


NO_TEAM = CallingThread()
"""The calling thread alone."""


def form_team(n_threads, n_steps, flops, n_units):
    """The team for a call of a recurrent kernel: the one place that decides whether one pays.

    Members meet once or twice at every step, which takes as long as some ten thousand operations of
    arithmetic, and they begin with a handover: so each needs `MEMBER_STEP_FLOPS` of a step, in the
    mean, and `MEMBER_CALL_FLOPS` in all. It also needs units of its own, `MEMBER_UNITS`, and a
    processor. Measured with bench/growth.py: with two thirds of that two are as fast as one, with
    twice as much faster by a tenth, with ten times as much by a half. On BLAS, whose sums depend on
    how a product is divided, there are no teams.
    """
    if n_threads == 1 or products() == "blas":
        return NO_TEAM
    size = min(
        n_threads,
        int(flops // MEMBER_CALL_FLOPS),
        int(flops / n_steps // MEMBER_STEP_FLOPS),
        n_units // MEMBER_UNITS,
    )
    if size > 1:
        size = min(size, _count_processors())
    return Team(size) if size > 1 else NO_TEAM


def form_parameter_team(n_jobs, n_parameters):
    """The team for a call that does a little to each parameter, such as a step of a solver."""
    n_members = n_parameters // MEMBER_PARAMETERS
    if n_jobs is None or n_members < 2:
        return NO_TEAM
    size = min(count_threads(n_jobs), _count_processors(), n_members)
    return Team(size) if size > 1 else NO_TEAM
