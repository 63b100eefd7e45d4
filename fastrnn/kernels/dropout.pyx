"""Dropout whose mask is computed where it is used, and never kept; and the zones of zoneout.

Unit j of an array is kept or dropped by 32 bits of the SplitMix64 sequence (Steele, Lea and Flood
2014), which are a function of the array's seed and of j alone: the way back draws the same mask as
the way forward.

References
----------
Steele, G. L., Lea, D. & Flood, C. H. (2014). Fast splittable pseudorandom number generators.
OOPSLA, 453-472.
"""

from cython cimport floating
from libc.stdint cimport uint32_t, uint64_t

from fastrnn.kernels.vector_math cimport drop


cdef extern from "splitmix.h" nogil:
    uint64_t splitmix(uint64_t seed, uint64_t j)


def dropout(
    const floating[:, ::1] x,   # IN   (N, F) what units say, or the gradient for y
    double rate,                # share of the units that are dropped, in [0, 1); exact to 2 ** -32
    uint64_t seed,              # any 64 bits; the same ones draw the same mask
    floating[:, ::1] y,         # OUT  (N, F) x with dropout, or the gradient for x; may be x
):
    """y = x * mask, where mask is 0 with probability rate and else 1 / (1 - rate)"""
    cdef:
        floating scale = <floating> (1.0 / (1.0 - rate))
        uint32_t threshold = <uint32_t> (rate * 4294967296.0)
    with nogil:
        drop(x.shape[0] * x.shape[1], seed, threshold, scale, &x[0, 0], &y[0, 0])


def draw_zones(
    double rate,                # share of the units that keep their state, in [0, 1)
    uint64_t seed,              # any 64 bits; the same ones draw the same zones
    uint64_t first,             # number of the first unit: others of this seed are before it
    floating[:, ::1] zones,     # OUT  (N, H)
):
    """zones = 1 with probability rate, else 0"""
    cdef:
        Py_ssize_t size = zones.shape[0] * zones.shape[1], j
        floating* target = &zones[0, 0]
        uint64_t threshold = <uint64_t> (rate * 4294967296.0)
    with nogil:
        for j in range(size):
            target[j] = <uint32_t> splitmix(seed, first + j) < threshold
