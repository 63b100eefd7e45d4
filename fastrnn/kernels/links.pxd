"""From the outputs of the head to what the network says: probabilities, and what is positive."""

from cython cimport floating
from libc.math cimport exp, fabs, fmax, fmin, log, log1p
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math

cdef enum:
    STEEPEST = 30  # from where on a rate grows no faster


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


cdef inline double rate(double z) noexcept nogil:
    """exp(z), but beyond `STEEPEST` a straight line, so that nothing overflows."""
    return exp(fmin(z, STEEPEST)) * (1.0 + fmax(z - STEEPEST, 0.0))


cdef inline double log_rate(
    double z,
    double* slope,   # OUT  its derivative
) noexcept nogil:
    """The logarithm of `rate`."""
    cdef double beyond = fmax(z - STEEPEST, 0.0)
    slope[0] = 1.0 / (1.0 + beyond)
    return fmin(z, STEEPEST) + log1p(beyond)


cdef inline double softplus(
    double z,
    double* slope,   # OUT  its derivative
) noexcept nogil:
    """log(1 + exp(z))"""
    cdef double e = exp(-fabs(z))
    slope[0] = (1.0 if z >= 0.0 else e) / (1.0 + e)
    return fmax(z, 0.0) + log1p(e)


cdef inline double log_softplus(
    double z,
    double* slope,   # OUT  its derivative
) noexcept nogil:
    """The logarithm of `softplus`, which is z itself where that underflows."""
    cdef double value = softplus(z, slope)
    if z < -40.0:
        slope[0] = 1.0
        return z
    slope[0] /= value
    return log(value)
