"""Logistic function, tanh and exp: accuracy over the whole range, at every dispatch level."""

import importlib.util
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastrnn.kernels import vector_math

SOURCE = Path(__file__).parents[2]
LEVELS = ["baseline", "v3", "v4", "v4+bf16", "v4+amx"]


def sweep(dtype):
    """Numbers of all sizes and both signs, most of them where the functions bend."""
    tiny = np.finfo(dtype).tiny
    sizes = np.concatenate([np.geomspace(tiny, 1000, 200_001), np.linspace(0, 60, 200_001)])
    return np.concatenate([-sizes, sizes, [0.0]]).astype(dtype)


def run(function, x):
    """A function of vector_math over an array."""
    y = np.empty_like(x)
    function(x, y)
    return y


def exact_sigmoid(x):
    """The logistic function in the widest type, from the side where it does not cancel."""
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


FUNCTIONS = pytest.mark.parametrize(
    ("function", "exact"),
    [(vector_math.sigmoid_array, exact_sigmoid), (vector_math.tanh_array, np.tanh)],
    ids=["sigmoid", "tanh"],
)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@FUNCTIONS
def test_accuracy_over_the_whole_range(function, exact, dtype):
    x = sweep(dtype)
    y = run(function, x)
    expected = exact(x.astype(np.longdouble))
    error = np.abs(y - expected)
    if dtype == np.float32:
        ulp = np.spacing(np.abs(expected).astype(dtype))
        assert np.all((error <= 4 * ulp) | (error <= 1e-7))
        # More than is promised: 4 ulp where the value is far below 1e-7, too.
        assert np.max(error / np.maximum(ulp, np.finfo(dtype).tiny)) <= 4
    else:
        assert error.max() <= 1e-15


@DTYPES
def test_tanh_is_relatively_accurate_near_zero(dtype):
    x = np.geomspace(np.finfo(dtype).tiny, 1, 100_001).astype(dtype)
    y = run(vector_math.tanh_array, x)
    expected = np.tanh(x.astype(np.longdouble))
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=0)


@DTYPES
def test_exp_over_the_whole_range(dtype):
    limits = np.finfo(dtype)
    low, top = {np.float32: (-87, 88.8), np.float64: (-708, 709.9)}[dtype]
    overflow = np.log(limits.max.astype(np.longdouble)).astype(dtype)  # the last that is finite
    around = [overflow]
    for _ in range(40):
        around = [np.nextafter(around[0], dtype(0)), *around, np.nextafter(around[-1], dtype(999))]
    x = np.concatenate(
        [
            np.linspace(low, top, 400_001, dtype=dtype),
            np.linspace(overflow - 1, top, 400_001, dtype=dtype),
            np.geomspace(limits.smallest_subnormal, 1, 1001, dtype=dtype),
            -np.geomspace(limits.smallest_subnormal, 1, 1001, dtype=dtype),
            np.array(around, dtype=dtype),
        ]
    )
    expected = np.exp(x.astype(np.longdouble))
    y = run(vector_math.exp_array, x)
    finite = expected <= limits.max
    assert not finite.all()
    # Where the true value is a hair from the largest number, either answer is rounded right.
    edge = np.abs(expected / limits.max - 1) < 2 * limits.eps
    assert np.isinf(y[~finite & ~edge]).all()
    here = finite & ~edge
    np.testing.assert_allclose(y[here], expected[here], rtol=2 * limits.eps, atol=0)
    assert not np.isnan(y).any()


@DTYPES
def test_exp_at_its_ends(dtype):
    limits = np.finfo(dtype)
    x = np.array(
        [0, -0.0, limits.tiny, -limits.smallest_subnormal, -800, -limits.max, -np.inf, 900,
         limits.max, np.inf, np.nan],
        dtype=dtype,
    )  # fmt: skip
    expected = np.array([1, 1, 1, 1, 0, 0, 0, np.inf, np.inf, np.inf, np.nan], dtype=dtype)
    np.testing.assert_array_equal(run(vector_math.exp_array, x), expected)
    # 0 below the lower bound, never more than the smallest normal numbers are.
    x = np.linspace(-120, -87, 10_001) if dtype == np.float32 else np.linspace(-760, -708, 10_001)
    y = run(vector_math.exp_array, x.astype(dtype))
    error = np.abs(y - np.exp(x.astype(dtype).astype(np.longdouble)))
    assert error.max() <= 2 * limits.tiny


@DTYPES
@FUNCTIONS
def test_limits_are_exact_and_nan_stays(function, exact, dtype):
    low = {vector_math.sigmoid_array: 0.0, vector_math.tanh_array: -1.0}[function]
    largest = np.finfo(dtype).max
    x = np.array([np.inf, largest, -np.inf, -largest, np.nan, 0], dtype=dtype)
    y = run(function, x)
    np.testing.assert_array_equal(y, np.array([1, 1, low, low, np.nan, exact(0.0)], dtype=dtype))


@DTYPES
@pytest.mark.parametrize(
    "function", [vector_math.exp_array, vector_math.sigmoid_array, vector_math.tanh_array]
)
def test_nan_may_have_any_bits(function, dtype):
    # As memory has that nobody has written to yet. The sanitizers see what integers are made of it.
    bits = np.uint32 if dtype == np.float32 else np.uint64
    x = np.random.default_rng(0).integers(np.iinfo(bits).max, size=1000, dtype=bits)
    x |= np.array(np.inf, dtype=dtype).view(bits)  # the exponent of infinity
    assert np.isnan(x.view(dtype)).all()
    assert np.isnan(run(function, x.view(dtype))).all()


@DTYPES
@FUNCTIONS
@pytest.mark.parametrize("n", range(40))
def test_any_number_of_elements(function, exact, n, dtype):
    x = np.linspace(-3, 3, n).astype(dtype)
    y = np.full(n + 1, 7, dtype=dtype)
    function(x, y[:n])
    np.testing.assert_allclose(y[:n], exact(x), rtol=1e-6)
    assert y[n] == 7, "wrote beyond the end"


def test_works_in_place():
    x = np.linspace(-3, 3, 37)
    y = x.copy()
    vector_math.tanh_array(y, y)
    np.testing.assert_allclose(y, np.tanh(x), rtol=1e-14)


def run_python(code, **environment):
    """Standard output of a Python program."""
    completed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return completed.stdout.strip() or completed.stderr


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_can_be_forced(level):
    """And it really runs other code: the tests of this file are run at every level by CI."""
    if LEVELS.index(level) > LEVELS.index(vector_math.level()):
        pytest.skip(f"this processor, or FASTRNN_LEVEL, is below {level}")
    code = "from fastrnn.kernels import vector_math as v; print(v.level(), v.products())"
    products = "blas" if level == "baseline" else "packed"
    environment = {"FASTRNN_LEVEL": level, "FASTRNN_PRODUCTS": "packed"}
    assert run_python(code, **environment) == f"{level} {products}"


def test_the_level_is_the_highest_that_the_system_tells_of():
    flags = re.search(r"^flags\s*:(.*)$", cpu_description(), re.MULTILINE)
    if flags is None or platform.machine() != "x86_64":  # it may be emulated
        pytest.skip("the system does not tell what the processor has")
    flags, level = set(flags.group(1).split()), "baseline"
    for name, needed in {
        "v3": "avx2 fma",
        "v4": "avx512f avx512vl avx512dq avx512bw",
        "v4+bf16": "avx512_bf16",
        "v4+amx": "amx_tile amx_bf16",
    }.items():
        if not flags.issuperset(needed.split()):
            break
        level = name
    found = run_python(
        "from fastrnn.kernels import vector_math as v; print(v.level())", FASTRNN_LEVEL=""
    )
    # AMX has to be asked for, and may be refused.
    assert found == level or (found, level) == ("v4+bf16", "v4+amx")


def cpu_description():
    """What Linux says of its processors."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_blas_can_be_forced():
    code = "from fastrnn.kernels import vector_math as v; print(v.products())"
    assert run_python(code, FASTRNN_PRODUCTS="blas") == "blas"


@pytest.mark.parametrize("name", ["FASTRNN_LEVEL", "FASTRNN_PRODUCTS"])
def test_a_wrong_setting_is_an_error(name):
    message = run_python("import fastrnn.kernels.vector_math", **{name: "v9"})
    assert f"{name} must be" in message


def test_coefficients_are_those_of_the_script():
    path = SOURCE / "tools" / "fit_exp.py"
    header = SOURCE / "fastrnn" / "kernels" / "vector_math.h"
    if not path.exists() or not header.exists():
        pytest.skip("needs the source tree: tests run against an installed wheel")
    spec = importlib.util.spec_from_file_location("fit_exp", path)
    fit_exp = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fit_exp)
    text = header.read_text(encoding="utf-8")
    for name, values in fit_exp.constants().items():
        first, *others = values
        expected = [f"q = {first} + (vec){{0}};", *(f"q = q * r + {value};" for value in others)]
        positions = [text.find(line) for line in expected]
        assert -1 not in positions, f"{name}: {expected[positions.index(-1)]} is not in the header"
