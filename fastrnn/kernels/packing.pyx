"""Between sequences and packed batches: where each row goes, moving rows, and pooling over time.

Packed rows are time-major over sequences sorted by falling length; recurrence.pxd explains the
layout.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy


def pack_rows(
    const int64_t[::1] starts,    # IN   (B,) source row of each sequence's first step
    const int64_t[::1] lengths,   # IN   (B,) falling
    int64_t stride,               # source rows from one step to the next
    int64_t[::1] alive,           # OUT  (T,) sequences still running at each step, T = lengths[0]
    int64_t[::1] first,           # OUT  (T,) packed row where each step begins
    int64_t[::1] rows,            # OUT  (N,) source row of each packed row
    int64_t[::1] reverse,         # OUT  (N,) packed row of the same sequence with time reversed
    int64_t[::1] last,            # OUT  (B,) packed row of each sequence's last step
):
    """Fill the indices of a packed batch."""
    cdef:
        int64_t T = alive.shape[0]
        int64_t n, t, row = 0, running = lengths.shape[0]
    with nogil:
        for t in range(T):
            while lengths[running - 1] <= t:
                running -= 1
            alive[t] = running
            first[t] = row
            row += running
        for t in range(T):
            for n in range(alive[t]):
                rows[first[t] + n] = starts[n] + t * stride
                reverse[first[t] + n] = first[lengths[n] - 1 - t] + n
        for n in range(lengths.shape[0]):
            last[n] = first[lengths[n] - 1] + n


def take_rows(
    const floating[:, ::1] source,   # IN   (any, F or more)
    int64_t column,                  # first of the F columns to take
    const int64_t[::1] rows,         # IN   (N,)
    floating[:, ::1] target,         # OUT  (N, F)
):
    """target = source[rows, column : column + F]"""
    cdef int64_t j, size = target.shape[1] * sizeof(floating)
    with nogil:
        for j in range(rows.shape[0]):
            memcpy(&target[j, 0], &source[rows[j], column], size)


def put_rows(
    const floating[:, ::1] source,   # IN     (N, F)
    const int64_t[::1] rows,         # IN     (N,) without repetition
    floating[:, ::1] target,         # INOUT  (any, F or more)
    int64_t column,                  # first of the F columns to write
):
    """target[rows, column : column + F] = source"""
    cdef int64_t j, size = source.shape[1] * sizeof(floating)
    with nogil:
        for j in range(rows.shape[0]):
            memcpy(&target[rows[j], column], &source[j, 0], size)


def add_rows(
    const floating[:, ::1] source,   # IN     (N, F)
    const int64_t[::1] rows,         # IN     (N,) without repetition
    floating[:, ::1] target,         # INOUT  (any, F)
):
    """target[rows] += source"""
    cdef:
        int64_t j, k, F = source.shape[1]
        const floating* x
        floating* y
    with nogil:
        for j in range(rows.shape[0]):
            x = &source[j, 0]
            y = &target[rows[j], 0]
            for k in range(F):
                y[k] += x[k]


def mean_forward(
    const floating[:, ::1] y,       # IN   (N, F)
    const int64_t[::1] alive,       # IN   (T,)
    const int64_t[::1] lengths,     # IN   (B,)
    floating[:, ::1] pooled,        # OUT  (B, F)
):
    """Mean of each sequence's rows."""
    cdef:
        int64_t n, t, k, row = 0, F = y.shape[1]
        const floating* x
        floating* total
        floating scale
    with nogil:
        pooled[:, :] = 0
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                x = &y[row + n, 0]
                total = &pooled[n, 0]
                for k in range(F):
                    total[k] += x[k]
            row += alive[t]
        for n in range(lengths.shape[0]):
            scale = <floating>1 / lengths[n]
            total = &pooled[n, 0]
            for k in range(F):
                total[k] *= scale


def mean_backward(
    const floating[:, ::1] dpooled,   # IN   (B, F)
    const int64_t[::1] alive,         # IN   (T,)
    const int64_t[::1] lengths,       # IN   (B,)
    floating[:, ::1] dy,              # OUT  (N, F)
):
    """Gradient of `mean_forward`."""
    cdef:
        int64_t n, t, k, row = 0, F = dy.shape[1]
        const floating* d
        floating* x
        floating scale
    with nogil:
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                scale = <floating>1 / lengths[n]
                d = &dpooled[n, 0]
                x = &dy[row + n, 0]
                for k in range(F):
                    x[k] = d[k] * scale
            row += alive[t]


def max_forward(
    const floating[:, ::1] y,   # IN   (N, F)
    const int64_t[::1] alive,   # IN   (T,)
    floating[:, ::1] pooled,    # OUT  (B, F)
    int64_t[:, ::1] row_of,     # OUT  (B, F) packed row of the maximum, the first of equal ones
):
    """Maximum of each sequence's rows, feature by feature; a NaN wins over every number."""
    cdef int64_t n, t, k, row = 0, F = y.shape[1]
    with nogil:
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                for k in range(F):
                    if t == 0 or y[row + n, k] > pooled[n, k] or y[row + n, k] != y[row + n, k]:
                        pooled[n, k] = y[row + n, k]
                        row_of[n, k] = row + n
            row += alive[t]


def max_backward(
    const floating[:, ::1] dpooled,   # IN   (B, F)
    const int64_t[:, ::1] row_of,     # IN   (B, F)
    floating[:, ::1] dy,              # OUT  (N, F)
):
    """Gradient of `max_forward`."""
    cdef int64_t n, k
    with nogil:
        dy[:, :] = 0
        for n in range(dpooled.shape[0]):
            for k in range(dpooled.shape[1]):
                dy[row_of[n, k], k] = dpooled[n, k]
