"""Threads over independent pieces of work, with BLAS held to one thread meanwhile.

The kernels release the GIL, so plain Python threads run them side by side. BLAS would start threads
of its own inside every small product; it is held to one thread while fastrnn works, which is also
what makes results the same bits on any number of threads, and set back afterwards.
"""

import ctypes
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import scipy.linalg.cython_blas

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
    # Opening the extension module itself also looks into the libraries it is linked with.
    library = ctypes.CDLL(scipy.linalg.cython_blas.__file__)
    for set_name, get_name in _THREAD_FUNCTIONS:
        if hasattr(library, set_name) and hasattr(library, get_name):
            return getattr(library, set_name), getattr(library, get_name)
    return None


class _SingleBlasThread:
    """Counts who needs BLAS on one thread: the first sets it, the last sets it back."""

    def __init__(self):
        self.lock = threading.Lock()
        self.users = 0
        self.found = 1

    @contextmanager
    def __call__(self):
        functions = _blas_thread_functions()
        if functions is None:
            yield
            return
        set_threads, get_threads = functions
        with self.lock:
            if self.users == 0:
                self.found = get_threads()
                if self.found != 1:
                    set_threads(1)
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0 and self.found != 1:
                    set_threads(self.found)

    def forget_users(self):
        """Begin anew in a forked child, where the threads that used it do not exist."""
        self.lock = threading.Lock()
        functions = _blas_thread_functions() if self.users else None
        self.users = 0
        if functions and self.found != 1:
            functions[0](self.found)


single_blas_thread = _SingleBlasThread()
"""Context manager: BLAS runs on one thread inside, on as many as before afterwards."""


def count_threads(n_jobs):
    """Number of threads that ``n_jobs`` asks for.

    Parameters
    ----------
    n_jobs : int or None
        None means 1; -1 all processors this process may use, -2 all but one, and so on, as in
        scikit-learn.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If ``n_jobs`` is not None or an integer, or is 0.
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
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return max(1, available + 1 + n_jobs)


_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


def _pool(n_threads):
    """The pool of so many threads, kept because starting them costs more than a minibatch."""
    with _pools_lock:
        if n_threads not in _pools:
            _pools[n_threads] = ThreadPoolExecutor(n_threads, thread_name_prefix="fastrnn")
        return _pools[n_threads]


def _forget_after_fork():
    """In a forked child the threads are gone and locks may be held: begin anew."""
    global _pools_lock
    _pools_lock = threading.Lock()
    _pools.clear()
    single_blas_thread.forget_users()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def run(function, items, n_jobs=None):
    """Call a function on every item, on several threads if asked.

    Parameters
    ----------
    function : callable
        Called with one item; must not call `run`.
    items : list or range
        The pieces of work, at least one. The calling thread does its share.
    n_jobs : int or None, default=None
        As for `count_threads`.

    Returns
    -------
    list
        The results, in the order of the items. The first exception is raised after all calls ended.
    """
    n_threads = min(count_threads(n_jobs), len(items))

    def run_share(k):
        return [function(item) for item in items[k::n_threads]]

    results = [None] * len(items)
    with single_blas_thread():
        futures = [_pool(n_threads - 1).submit(run_share, k) for k in range(1, n_threads)]
        try:
            results[::n_threads] = run_share(0)
        finally:
            wait(futures)
        for k, future in enumerate(futures, start=1):
            results[k::n_threads] = future.result()
    return results
