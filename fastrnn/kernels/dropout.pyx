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


cdef inline uint64_t _splitmix(uint64_t seed, uint64_t j) noexcept nogil:
    """Number j + 1 of the sequence that starts at a seed."""
    cdef uint64_t z = seed + (j + 1) * <uint64_t> 0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)


def dropout(
    const floating[:, ::1] x,   # IN   (N, F) what units say, or the gradient for y
    double rate,                # share of the units that are dropped, in [0, 1); exact to 2 ** -32
    uint64_t seed,              # any 64 bits; the same ones draw the same mask
    floating[:, ::1] y,         # OUT  (N, F) x with dropout, or the gradient for x; may be x
):
    """y = x * mask, where mask is 0 with probability rate and else 1 / (1 - rate)"""
    cdef:
        Py_ssize_t size = x.shape[0] * x.shape[1], j
        const floating* source = &x[0, 0]
        floating* target = &y[0, 0]
        floating scale = <floating> (1.0 / (1.0 - rate))
        uint64_t threshold = <uint64_t> (rate * 4294967296.0), bits = 0
    with nogil:
        for j in range(0, size - 1, 2):
            bits = _splitmix(seed, j // 2)
            target[j] = source[j] * (scale if <uint32_t> bits >= threshold else 0)
            target[j + 1] = source[j + 1] * (scale if bits >> 32 >= threshold else 0)
        if size % 2:
            bits = _splitmix(seed, size // 2)
            target[size - 1] = source[size - 1] * (scale if <uint32_t> bits >= threshold else 0)


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
            target[j] = <uint32_t> _splitmix(seed, first + j) < threshold
