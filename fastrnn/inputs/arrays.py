"""What numbers of callers may be, and the one form in which kernels read them."""

from decimal import Decimal
from numbers import Real

import numpy as np

NUMERIC = "fiub"
"""Kinds of dtype that numpy converts to float without loss of meaning."""

REAL = (Real, Decimal, np.bool_)
"""Types of such numbers in arrays of objects."""


def kernel_array(array, dtype=None):
    """Return an array as kernels read it: C-contiguous, aligned, in the processor's byte order.

    One that is so already, and of the dtype, is returned itself; kernels write to no argument.
    """
    if dtype is None and not array.dtype.isnative:
        dtype = array.dtype.newbyteorder()
    array = np.asarray(array, dtype, order="C")
    return array if array.flags.aligned else array.copy()
