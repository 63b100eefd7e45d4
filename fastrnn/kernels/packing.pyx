"""Between sequences and packed batches: where each row goes, moving rows, and pooling over time.

Packed rows are time-major over sequences sorted by falling length; recurrence.pxd explains the
layout.
"""

from cpython.buffer cimport (
    PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastrnn.kernels.handover cimport end_turn, take_turn


def are_falling(
    const int64_t[:] lengths,   # IN   (n,)
    const int64_t[:] order,     # IN   (B,) which of them
):
    """Whether no length is greater than the one before."""
    cdef:
        int64_t n
        bint falling = True
    with nogil:
        for n in range(1, order.shape[0]):
            if lengths[order[n]] > lengths[order[n - 1]]:
                falling = False
                break
    return falling


def longest_and_sum(
    const int64_t[:] lengths,   # IN   (n,)
    const int64_t[:] order,     # IN   (B,) which of them
):
    """The longest of the lengths, and their sum."""
    cdef int64_t n, length, longest = 0, total = 0
    with nogil:
        for n in range(order.shape[0]):
            length = lengths[order[n]]
            total += length
            longest = max(longest, length)
    return longest, total


def pack_rows(
    const int64_t[:] starts,    # IN   (n,) source row of the first step of each sequence
    const int64_t[:] lengths,   # IN   (n,) their steps
    const int64_t[:] order,     # IN   (B,) the sequences to pack, by falling length
    int64_t stride,             # source rows from one step to the next
    int64_t T,                  # the first of their lengths
    int64_t N,                  # the sum of their lengths
    int64_t[::1] indices,       # OUT  (2B + 2T + 2N,)
):
    """Fill the indices of a packed batch. One after the other they are

    - lengths (B,), steps of each packed sequence,
    - alive (T,), sequences still running at each step,
    - rows (N,), source row of each packed row,
    - reverse (N,), packed row of the same sequence with time reversed,
    - last (B,), packed row of each sequence's last step,
    - first (T,), packed row where each step begins.
    """
    cdef:
        int64_t B = order.shape[0]
        int64_t* steps = &indices[0]
        int64_t* alive = steps + B
        int64_t* rows = alive + T
        int64_t* reverse = rows + N
        int64_t* last = reverse + N
        int64_t* first = last + B
        int64_t n, t, row = 0, running = B
    with nogil:
        for n in range(B):
            steps[n] = lengths[order[n]]
        for t in range(T):
            while steps[running - 1] <= t:
                running -= 1
            alive[t] = running
            first[t] = row
            row += running
        for t in range(T):
            for n in range(alive[t]):
                rows[first[t] + n] = starts[order[n]] + t * stride
                reverse[first[t] + n] = first[steps[n] - 1 - t] + n
        for n in range(B):
            last[n] = first[steps[n] - 1] + n


def take_rows(
    const floating[:, ::1] source,   # IN   (any, column + F or more)
    int64_t column,                  # first of the F columns to take
    const int64_t[::1] rows,         # IN   (N,)
    floating[:, ::1] target,         # OUT  (N, F), or wider if the source ends sooner
):
    """target[:, :F] = source[rows, column : column + F]"""
    cdef:
        int64_t j, k, F = min(target.shape[1], source.shape[1] - column)
        const floating* x
    with nogil:
        end_turn()
        for j in range(rows.shape[0]):
            x = &source[rows[j], column]
            if F > 8:
                memcpy(&target[j, 0], x, F * sizeof(floating))
            else:  # a call of memcpy takes longer
                for k in range(F):
                    target[j, k] = x[k]
        take_turn()


def put_rows(
    const floating[:, ::1] source,   # IN     (N, F)
    const int64_t[::1] rows,         # IN     (N,) without repetition
    floating[:, ::1] target,         # INOUT  (any, F or more)
    int64_t column,                  # first of the F columns to write
):
    """target[rows, column : column + F] = source"""
    cdef int64_t j, size = source.shape[1] * sizeof(floating)
    with nogil:
        end_turn()
        for j in range(rows.shape[0]):
            memcpy(&target[rows[j], column], &source[j, 0], size)
        take_turn()


def take_steps(
    const floating[:, :, ::1] source,   # IN   (T, B, column + F or more)
    int64_t begin,                      # first of the n sequences to take
    int64_t column,                     # first of the F columns to take
    bint reverse,                       # whether to begin with the last step
    floating[:, ::1] target,            # OUT  (T * n, F)
):
    """target = source[:, begin : begin + n, column : column + F], or of source[::-1]"""
    cdef:
        int64_t t, n, T = source.shape[0], F = target.shape[1], N = target.shape[0] // T
        int64_t columns = source.shape[2]
        const floating* x
        floating* y
    with nogil:
        end_turn()
        for t in range(T):
            x = &source[T - 1 - t if reverse else t, begin, column]
            y = &target[t * N, 0]
            if F == columns:
                memcpy(y, x, N * F * sizeof(floating))
            else:
                for n in range(N):
                    memcpy(y + n * F, x + n * columns, F * sizeof(floating))
        take_turn()


def put_steps(
    const floating[:, ::1] source,      # IN     (T * n, F)
    bint reverse,                       # whether it begins with the last step
    floating[:, :, ::1] target,         # INOUT  (T, B, column + F or more)
    int64_t begin,                      # first of the n sequences to write
    int64_t column,                     # first of the F columns to write
):
    """target[:, begin : begin + n, column : column + F] = source, or target[::-1]"""
    cdef:
        int64_t t, n, T = target.shape[0], F = source.shape[1], N = source.shape[0] // T
        int64_t columns = target.shape[2]
        const floating* x
        floating* y
    with nogil:
        end_turn()
        for t in range(T):
            x = &source[t * N, 0]
            y = &target[T - 1 - t if reverse else t, begin, column]
            if F == columns:
                memcpy(y, x, N * F * sizeof(floating))
            else:
                for n in range(N):
                    memcpy(y + n * columns, x + n * F, F * sizeof(floating))
        take_turn()


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


def put_first(
    rows,       # OUT  (any, H), without gaps
    int64_t n,  # how many, which there are
    first,      # IN   (n, H), without gaps, of the same dtype; or None
):
    """rows[:n] = first, or 0. That to ask arrays for more than their bytes takes longer than to
    write a few rows is why this is no memoryview."""
    cdef Py_buffer target, source
    cdef Py_ssize_t size
    PyObject_GetBuffer(rows, &target, PyBUF_WRITABLE | PyBUF_ND)
    try:
        size = target.len // max(1, target.shape[0]) * n
        if first is None:
            memset(target.buf, 0, size)
            return
        PyObject_GetBuffer(first, &source, PyBUF_ND)
        if source.len == size:
            memcpy(target.buf, source.buf, size)
        PyBuffer_Release(&source)
        if source.len != size:
            raise ValueError(f"{n} rows have {size} bytes, got {source.len}")
    finally:
        PyBuffer_Release(&target)


def last_forward(
    const floating[:, ::1] h,       # IN     (B + N, H), or (B, H) with the last states alone
    const int64_t[::1] last,        # IN     (B,) packed row of each sequence's last step
    int64_t column,                 # first of the H columns to write
    floating[:, ::1] pooled,        # INOUT  (B, F), F at least column + H
):
    """State of each sequence after its last step."""
    cdef:
        int64_t n, B = pooled.shape[0], size = h.shape[1] * sizeof(floating)
        bint only_last = h.shape[0] == B
    with nogil:
        for n in range(B):
            memcpy(&pooled[n, column], &h[n if only_last else B + last[n], 0], size)


def put_last(
    const floating[:, ::1] h,       # IN     (B + N, H), or (B, H) with the last states alone
    const int64_t[::1] last,        # IN     (B,) packed row of each sequence's last step
    const int64_t[::1] order,       # IN     (B,) row of the target for each sequence
    floating[:, ::1] target,        # INOUT  (any, H)
):
    """target[order] = state of each sequence after its last step"""
    cdef:
        int64_t n, B = order.shape[0], size = h.shape[1] * sizeof(floating)
        bint only_last = h.shape[0] == B
    with nogil:
        for n in range(B):
            memcpy(&target[order[n], 0], &h[n if only_last else B + last[n], 0], size)


def last_backward(
    const floating[:, ::1] dpooled,   # IN   (B, F)
    int64_t column,                   # first of the H columns to read
    floating[:, ::1] dh,              # OUT  (B, H)
):
    """Gradient of `last_forward`, with respect to the last states."""
    cdef int64_t n, size = dh.shape[1] * sizeof(floating)
    with nogil:
        for n in range(dh.shape[0]):
            memcpy(&dh[n, 0], &dpooled[n, column], size)


def mean_forward(
    const floating[:, ::1] h,       # IN     (B + N, H), the first B rows are not read
    const int64_t[::1] alive,       # IN     (T,)
    const int64_t[::1] lengths,     # IN     (B,)
    int64_t column,                 # first of the H columns to write
    floating[:, ::1] pooled,        # INOUT  (B, F), F at least column + H
):
    """Mean of each sequence's states."""
    cdef:
        int64_t n, t, k, row = pooled.shape[0], H = h.shape[1]
        const floating* x
        floating* total
        floating scale
    with nogil:
        pooled[:, column : column + H] = 0
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                x = &h[row + n, 0]
                total = &pooled[n, column]
                for k in range(H):
                    total[k] += x[k]
            row += alive[t]
        for n in range(lengths.shape[0]):
            scale = <floating>1 / lengths[n]
            total = &pooled[n, column]
            for k in range(H):
                total[k] *= scale


def mean_backward(
    const floating[:, ::1] dpooled,   # IN   (B, F)
    const int64_t[::1] alive,         # IN   (T,)
    const int64_t[::1] lengths,       # IN   (B,)
    int64_t column,                   # first of the H columns to read
    bint adds,                        # whether dy is added to
    floating[:, ::1] dy,              # INOUT  (N, H)
):
    """Gradient of `mean_forward`."""
    cdef:
        int64_t n, t, k, row = 0, H = dy.shape[1]
        const floating* d
        floating* x
        floating scale
    with nogil:
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                scale = <floating>1 / lengths[n]
                d = &dpooled[n, column]
                x = &dy[row + n, 0]
                if adds:
                    for k in range(H):
                        x[k] += d[k] * scale
                else:
                    for k in range(H):
                        x[k] = d[k] * scale
            row += alive[t]


def max_forward(
    const floating[:, ::1] h,   # IN     (B + N, H), the first B rows are not read
    const int64_t[::1] alive,   # IN     (T,)
    int64_t column,             # first of the H columns to write
    floating[:, ::1] pooled,    # INOUT  (B, F), F at least column + H
    int64_t[:, ::1] row_of,     # INOUT  (B, F) packed row of the maximum, the first of equal ones
):
    """Maximum of each sequence's states, unit by unit; a NaN wins over every number."""
    cdef:
        int64_t n, t, k, row = 0, B = pooled.shape[0], H = h.shape[1]
        const floating* x
        floating* best
        int64_t* best_row
    with nogil:
        for t in range(alive.shape[0]):
            for n in range(alive[t]):
                x = &h[B + row + n, 0]
                best = &pooled[n, column]
                best_row = &row_of[n, column]
                for k in range(H):
                    if t == 0 or x[k] > best[k] or x[k] != x[k]:
                        best[k] = x[k]
                        best_row[k] = row + n
            row += alive[t]


def max_backward(
    const floating[:, ::1] dpooled,   # IN   (B, F)
    const int64_t[:, ::1] row_of,     # IN   (B, F)
    int64_t column,                   # first of the H columns to read
    bint adds,                        # whether dy is added to
    floating[:, ::1] dy,              # INOUT  (N, H)
):
    """Gradient of `max_forward`."""
    cdef int64_t n, k
    with nogil:
        if not adds:
            dy[:, :] = 0
        for n in range(dpooled.shape[0]):
            for k in range(dy.shape[1]):
                dy[row_of[n, column + k], k] += dpooled[n, column + k]
