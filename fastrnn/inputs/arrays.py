"""What numbers of callers may be, and the one form in which kernels read them."""

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from fastrnn.typing import AnyArray

NUMERIC = "fiub"
"""Kinds of dtype that numpy converts to float without loss of meaning."""

REAL = (Real, Decimal, np.bool_)
"""Types of such numbers in arrays of objects."""

_NO_GAPS = (*REAL, str, bytes, list, tuple, np.ndarray)


def is_missing(value):
    """Tell whether a value stands for nothing: None, NaN, and what pandas has of that kind."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def missing_in(array):
    """Tell of each element of an array of objects whether it stands for nothing; NaN is a number.

    In a list, in the order of ``array.flat``.
    """
    return [not isinstance(value, _NO_GAPS) and is_missing(value) for value in array.flat]


def with_nan(array: Any) -> AnyArray:
    """Return an array that has NaN where something is masked or stands for nothing."""
    if np.ma.is_masked(array):
        array = array.astype(np.result_type(array, np.float16)).filled(np.nan)
    if array.dtype == object and array.ndim:
        missing = missing_in(array)
        if any(missing):
            filled = np.empty(array.size, object)
            filled[:] = [
                np.nan if is_gap else value
                for value, is_gap in zip(array.flat, missing, strict=True)
            ]
            array = filled.reshape(array.shape)
    return np.asarray(array)


def kernel_array(array, dtype=None):
    """Return an array as kernels read it: C-contiguous, aligned, in the processor's byte order.

    One that is so already, and of the dtype, is returned itself; kernels write to no argument.
    """
    if dtype is None and not array.dtype.isnative:
        dtype = array.dtype.newbyteorder()
    array = np.asarray(array, dtype, order="C")
    return array if array.flags.aligned else array.copy()
