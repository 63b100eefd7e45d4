"""What `show_versions` tells."""

import platform
import re

import numpy as np
import pytest
import scipy

import fastrnn
from fastrnn.kernels import vector_math
from fastrnn.network.threads import count_threads
from fastrnn.versions import blas_libraries, own_product, version


def test_it_tells_all_that_a_report_needs(capsys, monkeypatch):
    monkeypatch.setenv("FASTRNN_LEVEL", "as it was")  # read when fastrnn was loaded
    fastrnn.show_versions()
    told = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert told["python"].startswith(platform.python_version())
    assert told["numpy"] == np.__version__
    assert told["scipy"] == scipy.__version__
    assert told["fastrnn"] == fastrnn.__version__
    assert told["level"].split(",")[0] == vector_math.level()
    assert told["threads"] == str(count_threads(-1))
    assert told['precision="auto"'] in ("full", "bfloat16")
    assert "FASTRNN_LEVEL=as it was" in told["environment"]
    assert {"system", "processor", "blas", "scikit-learn"} <= set(told)
    rates = re.findall(r"(\w+) (\d+)", told["GFLOP/s"])
    assert [name for name, _ in rates][:2] == ["float32", "float64"]
    assert all(int(rate) > 0 for _, rate in rates)


def test_a_package_that_is_not_there_is_told():
    assert version("no such package") == "not installed"


def test_blas_is_told_without_threadpoolctl(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "threadpoolctl", None)
    numpy_line, scipy_line = blas_libraries()
    assert numpy_line.startswith("numpy: ")
    assert scipy_line.startswith("scipy: ")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_timed_is_a_product(dtype):
    assert (own_product(dtype, 20)() == 20).all()
