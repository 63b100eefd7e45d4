"""From the outputs of the head to probabilities, a row at a time."""

from cython cimport floating
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math


cdef inline void softmax_row(
    int64_t K,
    floating* z,   # INOUT  (K,), logits on entry, probabilities on return
) noexcept nogil:
    """z = exp(z - max z) / sum"""
    cdef:
        floating scale
        int64_t k
    scale = <floating> (1.0 / vector_math.exp_minus(K, z, vector_math.maximum_of(K, z)))
    for k in range(K):
        z[k] *= scale
