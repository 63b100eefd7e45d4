"""What the benchmarks share: a settled process, a description of the machine, interleaved timing.

The programs of this folder are run as ``python bench/<name>.py``; ``bench/run.py`` runs them all.
"""

import argparse
import gc
import importlib.util
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

from fastrnn.kernels import vector_math
from fastrnn.versions import blas_libraries, own_product, processor, version

OPENBLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

# What holds every contender but ONNX Runtime, which has no such switch, to one instruction set.
INSTRUCTION_SETS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "FASTRNN_LEVEL": "v3",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    }
}

# Variables that decide how fast a contender is.
VARIABLES = (
    *OPENBLAS_VARIABLES,
    *(name for name in INSTRUCTION_SETS["avx2"] if name != "OPENBLAS_CORETYPE"),
    "FASTRNN_PRODUCTS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def argument_parser(purpose):
    """Return a parser with the arguments of every benchmark; `purpose` is its docstring."""
    parser = argparse.ArgumentParser(description=purpose.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of every contender")
    parser.add_argument("--quick", action="store_true", help="less of everything, in seconds")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--isa", choices=INSTRUCTION_SETS, help="hold all contenders to it")
    parser.add_argument(
        "--keep-openblas-env", action="store_true", help="leave OPENBLAS_* variables in force"
    )
    return parser


def begin(arguments, packages):
    """Settle the process as the arguments say; describe, print and return what it runs on."""
    settle(arguments.threads, arguments.keep_openblas_env, arguments.isa)
    description = describe(arguments.threads, packages)
    print_description(description)
    return description


def settle(threads, keep_openblas_env=False, isa=None):
    """Pin the process to `threads` cores and set the environment in which libraries are loaded.

    Libraries size their thread pools and choose their kernels when they are loaded, so the process
    replaces itself by a fresh one unless it already is as wanted.

    Parameters
    ----------
    threads : int
        Number of cores to keep.
    keep_openblas_env : bool, default=False
        Leave OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE as they are. Otherwise both are unset, so that
        OpenBLAS sees the real machine: they choose its kernel and its block size together.
    isa : str, optional
        Key of INSTRUCTION_SETS: hold every contender to it.
    """
    environment = dict(os.environ)
    if not keep_openblas_env:
        for name in OPENBLAS_VARIABLES:
            environment.pop(name, None)
    environment |= INSTRUCTION_SETS.get(isa, {})
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


def describe(threads, packages):
    """Everything that the figures depend on, as a dict of printable values."""
    versions = {"python": platform.python_version()}
    for name in ("fastrnn", "numpy", "scipy", *packages):
        versions[name] = version(name)
    pinned = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "no"
    in_force = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {
        "cpu": processor(),
        "threads": threads,
        "pinned to cores": pinned,
        "blas": blas_libraries(),
        "fastrnn level": vector_math.level(),
        "environment": in_force or "no variable set",
        "versions": versions,
    }


def print_description(description):
    """Print what `describe` returned."""
    for name, value in description.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        for line in value if name == "blas" else [value]:
            print(f"{name}: {line}")


def save(file, **figures):
    """Write the figures as JSON, floats to five digits, lists of numbers on one line."""

    def rounded(value):
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [rounded(item) for item in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    text = json.dumps(rounded(figures), indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}\"]+\]", lambda found: " ".join(found[0].split()), text)
    Path(file).write_text(text + "\n", encoding="utf-8")


def fastest(call, repeats=6):
    """Least seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def own_products(dtype, threads, size):
    """A function that multiplies square matrices by fastrnn's kernel, two on each thread."""
    products = [own_product(dtype, size) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def call():
        for result in [pool.submit(product) for product in products]:
            result.result()

    return call


def torch_product(threads, size):
    """A function that multiplies two square matrices of bfloat16 by PyTorch."""
    import torch

    torch.set_num_threads(threads)
    a = torch.ones((size, size), dtype=torch.bfloat16)
    return lambda: torch.mm(a, a)


def products_peak(dtype, threads=1, size=2048):
    """Best GFLOP/s of products of two square matrices: what the machine can do now.

    Of NumPy's (for bfloat16 of PyTorch's, where it is installed) and that of fastrnn's kernel, once
    on each thread.
    """
    rates = [threads / fastest(own_products(dtype, threads, size))]
    if dtype != "bfloat16":
        a = numpy.ones((size, size), dtype)
        out = numpy.empty_like(a)
        rates.append(1 / fastest(lambda: numpy.matmul(a, a, out=out)))
    elif importlib.util.find_spec("torch") is not None:
        rates.append(1 / fastest(torch_product(threads, size)))
    return 2 * size**3 * max(rates) / 1e9


def pointwise_rates(size=4096):
    """Seconds an element of float32 takes in the first-level cache, by what is done with it."""
    x = numpy.linspace(-4, 4, size, dtype="float32")
    y = numpy.empty_like(x)
    calls = {
        "sigmoid": lambda: vector_math.sigmoid_array(x, y),
        "tanh": lambda: vector_math.tanh_array(x, y),
        "multiply": lambda: numpy.multiply(x, x, out=y),
    }
    return {name: fastest(call, 1000) / size for name, call in calls.items()}


# Seconds: a call that takes longer is not preceded by one to warm the caches,
LONG = 0.1
# and a call is not made more often than fits into this, but three times at least; once if it is
# longer.
BUDGET = 1.0


def interleave(calls, rounds, seconds):
    """Time every call in turns, so that a drift of the machine meets all of them alike.

    Parameters
    ----------
    calls : dict of str to callable
        What to time.
    rounds : int
        Number of turns of each call; fewer of one that takes long.
    seconds : float
        Aimed length of a turn; a call that takes longer is made once a turn.

    Returns
    -------
    dict of str to list of float
        Seconds per call, one entry per turn.
    """
    once = {}
    for name, call in calls.items():
        for _ in range(2):  # the first call makes ready; one that took long is not made again
            if once.get(name, 0) < BUDGET:
                start = time.perf_counter()
                call()
                once[name] = time.perf_counter() - start
    repeats = {name: max(1, round(seconds / duration)) for name, duration in once.items()}
    turns = {
        name: max(3, min(rounds, int(BUDGET / duration))) if duration < BUDGET else 1
        for name, duration in once.items()
    }
    times = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for turn in range(max(turns.values())):
            for name, call in calls.items():
                if turn >= turns[name]:
                    continue
                # Threads of the one before stop spinning; a first call warms the caches.
                time.sleep(0.005)
                if once[name] < LONG:
                    call()
                start = time.perf_counter()
                for _ in range(repeats[name]):
                    call()
                times[name].append((time.perf_counter() - start) / repeats[name])
    finally:
        gc.enable()
    return times
