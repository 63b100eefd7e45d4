"""What the benchmarks share: a settled process, a description of the machine, interleaved timing.

The programs of this folder are run as ``python bench/<name>.py``.
"""

import gc
import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path

import numpy
import scipy

OPENBLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def settle(threads, keep_openblas_env=False):
    """Pin the process to `threads` cores and let OpenBLAS see the real machine.

    Libraries size their thread pools and choose their kernels when they are loaded, so the process
    replaces itself by a fresh one unless it already is as wanted.

    Parameters
    ----------
    threads : int
        Number of cores to keep.
    keep_openblas_env : bool, default=False
        Leave OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE as they are. Otherwise both are unset: they
        choose OpenBLAS's kernel and its block size together.
    """
    environment = dict(os.environ)
    if not keep_openblas_env:
        for name in OPENBLAS_VARIABLES:
            environment.pop(name, None)
    changed = environment != dict(os.environ)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < threads:
            sys.exit(f"{threads} threads were asked for, {len(cores)} cores are there")
        changed |= len(cores) > threads
        os.sched_setaffinity(0, cores[:threads])
    if changed:
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, environment)


def cpu_model():
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def blas_libraries():
    """One line for each BLAS that is loaded: package, name, version, kernel, threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        builds = {
            package.__name__: package.show_config(mode="dicts")["Build Dependencies"]["blas"]
            for package in (numpy, scipy)
        }
        return [
            f"{name}: {build['name']} {build['version']} (threadpoolctl would tell its kernel)"
            for name, build in builds.items()
        ]
    return [
        "{package}: {internal_api} {version}, kernel {architecture}, {num_threads} threads".format(
            package=Path(info["filepath"]).parent.name.removesuffix(".libs"),
            **{"architecture": "unknown", **info},
        )
        for info in threadpool_info()
        if info["user_api"] == "blas"
    ]


def describe(threads, packages):
    """Everything that the figures depend on, as a dict of printable values."""
    versions = {"python": platform.python_version()}
    for name in ("fastrnn", "numpy", "scipy", *packages):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = getattr(sys.modules.get(name), "__version__", "not installed")
    pinned = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "no"
    kept = {name: os.environ[name] for name in OPENBLAS_VARIABLES if name in os.environ}
    return {
        "cpu": cpu_model(),
        "threads": threads,
        "pinned to cores": pinned,
        "blas": blas_libraries(),
        "openblas variables": kept or "unset",
        "versions": versions,
    }


def print_description(description):
    """Print what `describe` returned."""
    for name, value in description.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        for line in value if name == "blas" else [value]:
            print(f"{name}: {line}")


def interleave(calls, rounds, seconds):
    """Time every call in turns, so that a drift of the machine meets all of them alike.

    Parameters
    ----------
    calls : dict of str to callable
        What to time.
    rounds : int
        Number of turns of each call.
    seconds : float
        Aimed length of a turn; a call that takes longer is made once a turn.

    Returns
    -------
    dict of str to list of float
        Seconds per call, one entry per round.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(seconds / (time.perf_counter() - start)))
    times = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                # Threads of the one before stop spinning; the first call warms the caches.
                time.sleep(0.005)
                call()
                start = time.perf_counter()
                for _ in range(repeats[name]):
                    call()
                times[name].append((time.perf_counter() - start) / repeats[name])
    finally:
        gc.enable()
    return times
