"""What fastrnn runs on and with: the first thing to tell in a report of a fault."""

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

import fastrnn
from fastrnn.kernels import vector_math
from fastrnn.kernels.workspace import Workspace
from fastrnn.network.affine import Affine
from fastrnn.network.threads import count_threads

__all__ = ["show_versions"]

PACKAGES = (
    *("fastrnn", "numpy", "scipy", "scikit-learn", "pandas", "polars", "pyarrow", "matplotlib"),
    *("onnx", "distributed", "mpi4py", "threadpoolctl"),
)
VARIABLES = ("FASTRNN_LEVEL", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")


def show_versions() -> None:
    """Print what fastrnn runs on and with, for a report of a fault.

    That is the system, the processor, the level of its instructions that the kernels use, how fast
    they multiply matrices now (in a tenth of a second), the threads that ``n_jobs=-1`` stands for,
    the BLAS libraries, the versions of Python and of the packages that fastrnn works with, and
    variables of the environment that matter.

    Examples
    --------
    >>> import fastrnn
    >>> fastrnn.show_versions()  # doctest: +SKIP
    """
    dtypes = ["float32", "float64", *["bfloat16"] * vector_math.has_bfloat16()]
    rates = {dtype: products_rate(dtype) for dtype in dtypes}
    auto = "bfloat16" if vector_math.prefers_bfloat16() else "full"
    print(f"system: {platform.platform()}")
    print(f"processor: {processor()}")
    print(f"threads: {count_threads(-1)}")
    print(f"level: {vector_math.level()}, products of {vector_math.products()}")
    print("GFLOP/s: " + ", ".join(f"{dtype} {rate:.0f}" for dtype, rate in rates.items()))
    print(f'precision="auto": {auto}')
    for line in blas_libraries():
        print(f"blas: {line}")
    in_force = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    print(f"environment: {', '.join(in_force) or 'no variable set'}")
    print(f"python: {sys.version}")
    for name in PACKAGES:
        print(f"{name}: {version(name)}")


def version(package: str) -> str:
    """The version of a package, or that it is not installed."""
    if package == "fastrnn":  # which may be built in place
        return fastrnn.__version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def blas_libraries() -> list[str]:
    """One line for each BLAS that is loaded: package, name, version, kernel, threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        builds = {
            package.__name__: package.show_config(mode="dicts")["Build Dependencies"]["blas"]
            for package in (np, scipy)
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


def own_product(dtype: str, size: int) -> Callable[[], object]:
    """A function that multiplies two square matrices by fastrnn's kernel."""
    rounds = dtype == "bfloat16"
    x = np.ones((size, size), "float32" if rounds else dtype)
    affine, work = Affine("product", {"W": x}), Workspace(x.dtype, rounds)
    packed, calls = affine.plan_forward(work)
    for pack, arguments in calls:
        pack(*arguments)
    return lambda: affine.forward(x, packed, work)


def products_rate(dtype: str, size: int = 512, repeats: int = 6) -> float:
    """GFLOP/s of the fastest of a few products on one thread."""
    product, seconds = own_product(dtype, size), []
    for _ in range(repeats):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2e-9 * size**3 / min(seconds)
