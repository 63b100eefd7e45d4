"""What masks do to the states of a step: recurrent dropout, zoneout, and factors of the state.

With zoneout a unit keeps its state of the step before where its zone is 1, and takes the new one
where it is 0. In between it gets so much of each, which is the mean (Krueger et al. 2017, Zoneout:
regularizing RNNs by randomly preserving hidden activations, arXiv 1606.01305).
"""

from cython cimport floating
from libc.stdint cimport int64_t

from fastrnn.kernels.vector_math cimport Range


cdef inline const floating* masked(
    int64_t size,
    const floating* h,      # IN   (size,)
    const floating* mask,   # IN   (size,) or NULL
    floating* scratch,      # OUT  (size,)
) noexcept nogil:
    """The state that enters the recurrent products: h, or h * mask written to scratch."""
    cdef int64_t j
    if mask == NULL:
        return h
    for j in range(size):
        scratch[j] = h[j] * mask[j]
    return scratch


cdef inline void add_masked(
    int64_t rows,
    int64_t H,
    Range units,            # the columns that are meant
    const floating* d,      # IN     (rows, H)
    const floating* mask,   # IN     (rows, H) or NULL
    floating* dh,           # INOUT  (rows, H)
) noexcept nogil:
    """dh += d * mask"""
    cdef int64_t row, j
    for row in range(rows):
        for j in range(row * H + units.begin, row * H + units.end):
            dh[j] += d[j] * mask[j] if mask != NULL else d[j]


cdef inline void zone_forward(
    int64_t rows,
    int64_t H,
    Range units,                # the columns that are meant
    floating zone,              # that of all units, without zones
    const floating* zones,      # IN   (rows, H) or NULL
    const floating* candidate,  # IN   (rows, H), the new state without zoneout
    const floating* previous,   # IN   (rows, H)
    floating* state,            # OUT  (rows, H), may be previous
) noexcept nogil:
    """state = zones * previous + (1 - zones) * candidate"""
    cdef int64_t row, j
    for row in range(rows):
        for j in range(row * H + units.begin, row * H + units.end):
            if zones != NULL:
                zone = zones[j]
            state[j] = zone * previous[j] + (1 - zone) * candidate[j]


cdef inline void zone_backward(
    int64_t rows,
    int64_t H,
    Range units,              # the columns that are meant
    floating zone,            # as for `zone_forward`
    const floating* zones,    # IN     (rows, H) or NULL
    const floating* dy,       # IN     (rows, H), more of the gradient of state, or NULL
    floating* d,              # INOUT  (rows, H), that of state on entry, of candidate on return
    floating* dprevious,      # OUT    (rows, H)
) noexcept nogil:
    """d += dy; dprevious = zones * d; d *= 1 - zones"""
    cdef int64_t row, j
    for row in range(rows):
        for j in range(row * H + units.begin, row * H + units.end):
            if zones != NULL:
                zone = zones[j]
            if dy != NULL:
                d[j] += dy[j]
            dprevious[j] = zone * d[j]
            d[j] *= 1 - zone


cdef inline void factor_backward(
    int64_t rows,
    int64_t H,
    Range units,              # the columns that are meant
    const floating* h,        # IN     (rows, H)
    const floating* factors,  # IN     (rows, H)
    floating* dh,             # INOUT  (rows, H), that of factors * h on entry, of h on return
    floating* dfactors,       # OUT    (rows, H)
) noexcept nogil:
    """dfactors = dh * h; dh *= factors"""
    cdef int64_t row, j
    for row in range(rows):
        for j in range(row * H + units.begin, row * H + units.end):
            dfactors[j] = dh[j] * h[j]
            dh[j] *= factors[j]
