"""The one form in which kernels read the arrays of callers."""

import numpy as np


def kernel_array(array, dtype=None):
    """Return an array as kernels read it: C-contiguous, aligned, in the processor's byte order.

    One that is so already, and of the dtype, is returned itself; kernels write to no argument.
    """
    if dtype is None and not array.dtype.isnative:
        dtype = array.dtype.newbyteorder()
    array = np.asarray(array, dtype, order="C")
    return array if array.flags.aligned else array.copy()
