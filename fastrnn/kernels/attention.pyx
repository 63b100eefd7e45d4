"""Attention over time: of the states of a sequence, a mean whose weights one learned query gives.

A step has F numbers y_t, the states of all directions at that time, and the query q has as many:

    s_t    = y_t . q / sqrt(F)
    w_t    = exp(s_t) / sum of exp(s) over the sequence's own steps
    pooled = sum of w_t y_t

With d, the gradient of pooled,

    ds_t = w_t (y_t . d - pooled . d)
    dq   = sum of ds_t y_t / sqrt(F)
    dy_t = w_t d + ds_t q / sqrt(F)

It is the attention of Yang et al. 2016 (Hierarchical attention networks for document
classification, NAACL), with the states as their own keys. What belongs to steps, w and ds, stands
sequence after sequence, each in its order of time: so a sequence's own are side by side. States are
packed rows (recurrence.pxd), those of a second direction from the last step to the first.
"""

from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from fastrnn.kernels.links cimport softmax_row

cdef inline void add_scaled(
    int64_t n,
    floating factor,
    const floating* x,   # IN     (n,)
    floating* y,         # INOUT  (n,)
) noexcept nogil:
    """y += factor * x"""
    cdef int64_t k
    for k in range(n):
        y[k] += factor * x[k]


cdef inline void add_dots(
    const floating[:, ::1] h,      # IN     (B + N, H), of one direction
    int64_t n,
    const int64_t[::1] alive,      # IN     (T,)
    const int64_t[::1] lengths,    # IN     (B,)
    const floating* z,             # IN     (H,)
    floating factor,
    bint from_end,                 # whether the direction reads from the last step to the first
    floating* dots,                # INOUT  (steps of sequence n,)
) noexcept nogil:
    """dots += factor * h @ z, of sequence n."""
    cdef int64_t t, T = lengths[n], row = lengths.shape[0] + n
    for t in range(T):
        dots[T - 1 - t if from_end else t] += factor * dot(h.shape[1], &h[row, 0], z)
        row += alive[t]


cdef inline void add_sum(
    const floating[:, ::1] h,      # IN     as for `add_dots`
    int64_t n,
    const int64_t[::1] alive,
    const int64_t[::1] lengths,
    const floating* weights,       # IN     (steps of sequence n,)
    bint from_end,
    floating* total,               # INOUT  (H,)
) noexcept nogil:
    """total += weights @ h, of sequence n."""
    cdef int64_t t, T = lengths[n], row = lengths.shape[0] + n
    for t in range(T):
        add_scaled(h.shape[1], weights[T - 1 - t if from_end else t], &h[row, 0], total)
        row += alive[t]


def attention_forward(
    const floating[:, ::1] h,           # IN     (B + N, H), the first B rows are not read
    const floating[:, ::1] h_reverse,   # IN     likewise, of a second direction if F is 2 H
    const int64_t[::1] alive,           # IN     (T,)
    const int64_t[::1] lengths,         # IN     (B,)
    const floating[::1] q,              # IN     (F,)
    int64_t column,                     # first of the F columns to write
    floating[:, ::1] pooled,            # INOUT  (B, column + F or more)
    floating[::1] weights,              # OUT    (N,) w
):
    """pooled[:, column : column + F] = weights @ y, of each sequence."""
    cdef:
        int64_t n, t, start = 0, H = h.shape[1], F = q.shape[0]
        floating scale = <floating>(1 / sqrt(<double>F))
        floating* w
    with nogil:
        pooled[:, column : column + F] = 0
        for n in range(lengths.shape[0]):
            w = &weights[start]
            for t in range(lengths[n]):
                w[t] = 0
            add_dots(h, n, alive, lengths, &q[0], scale, False, w)
            if F > H:
                add_dots(h_reverse, n, alive, lengths, &q[H], scale, True, w)
            softmax_row(lengths[n], w)
            add_sum(h, n, alive, lengths, w, False, &pooled[n, column])
            if F > H:
                add_sum(h_reverse, n, alive, lengths, w, True, &pooled[n, column + H])
            start += lengths[n]


def attention_backward(
    const floating[:, ::1] dpooled,     # IN     (B, column + F or more)
    int64_t column,                     # first of the F columns to read
    const floating[:, ::1] h,           # IN     as for `attention_forward`
    const floating[:, ::1] h_reverse,
    const int64_t[::1] alive,
    const int64_t[::1] lengths,
    const floating[::1] weights,        # IN     (N,) w
    floating[::1] dscores,              # OUT    (N,) ds / sqrt(F)
    floating[::1] dq,                   # INOUT  (F,), added to
):
    """Gradient of `attention_forward` with respect to q, and the scores for that of the states."""
    cdef:
        int64_t n, t, start = 0, H = h.shape[1], F = dq.shape[0]
        floating scale = <floating>(1 / sqrt(<double>F))
        const floating* w
        floating* ds
        double mean
    with nogil:
        for n in range(lengths.shape[0]):
            w, ds = &weights[start], &dscores[start]
            for t in range(lengths[n]):
                ds[t] = 0
            add_dots(h, n, alive, lengths, &dpooled[n, column], 1, False, ds)
            if F > H:
                add_dots(h_reverse, n, alive, lengths, &dpooled[n, column + H], 1, True, ds)
            mean = 0
            for t in range(lengths[n]):
                mean += w[t] * ds[t]
            for t in range(lengths[n]):
                ds[t] = scale * w[t] * (ds[t] - <floating>mean)
            add_sum(h, n, alive, lengths, ds, False, &dq[0])
            if F > H:
                add_sum(h_reverse, n, alive, lengths, ds, True, &dq[H])
            start += lengths[n]


def attention_outputs_backward(
    const floating[:, ::1] dpooled,   # IN     (B, column + H or more)
    int64_t column,                   # first of the H columns of the direction
    const int64_t[::1] alive,         # IN     (T,)
    const int64_t[::1] lengths,       # IN     (B,)
    const floating[::1] weights,      # IN     (N,) w
    const floating[::1] dscores,      # IN     (N,) from `attention_backward`
    const floating[::1] q,            # IN     (H,) of the direction
    bint from_end,                    # whether it reads from the last step to the first
    bint adds,                        # whether dy is added to
    floating[:, ::1] dy,              # INOUT  (N, H) in the direction's order of time
):
    """Gradient of `attention_forward` with respect to the states of one direction."""
    cdef:
        int64_t n, t, T, place, row, start = 0, H = dy.shape[1]
    with nogil:
        if not adds:
            dy[:, :] = 0
        for n in range(lengths.shape[0]):
            T, row = lengths[n], n
            for t in range(T):
                place = start + (T - 1 - t if from_end else t)
                add_scaled(H, weights[place], &dpooled[n, column], &dy[row, 0])
                add_scaled(H, dscores[place], &q[0], &dy[row, 0])
                row += alive[t]
            start += T
