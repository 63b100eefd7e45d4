"""Several steps of a sequence read as one: patches, and convolutions over time.

A row of the result is made of rows of x that stand one after the other in time, its window: those
of a patch as they are, those of a convolution through a linear map and a rectifier. What lies
beyond either end of a sequence is 0. Packed rows are time-major over sequences sorted by falling
length (recurrence.pxd), both those of x and those of the result, whose steps are ``stride`` steps
of x apart: the order of the sequences is the same.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastrnn.kernels.products cimport (
    add_product_transposed, pack_left, pack_right, product,
)
from fastrnn.kernels.team cimport all_of
from fastrnn.kernels.vector_math cimport add_rows, rectify


cdef struct Walk:
    # From one row of the result to the next.
    const int64_t* first     # (T,) packed row of x where each step begins
    const int64_t* lengths   # (B,) steps of each sequence, falling
    const int64_t* alive     # (T',) sequences running at each step of the result
    int64_t D                # columns of x
    int64_t kernel           # rows of a window
    int64_t left             # those before the step that it stands for
    int64_t stride
    int64_t t, n             # step and sequence of the next row of the result


cdef inline void go_on(Walk* walk) noexcept nogil:
    walk.n += 1
    if walk.n == walk.alive[walk.t]:
        walk.n = 0
        walk.t += 1


cdef inline Walk begin(
    const int64_t[::1] first, const int64_t[::1] lengths, const int64_t[::1] alive, int64_t D,
    int64_t kernel, int64_t left, int64_t stride,
) noexcept nogil:
    cdef Walk walk
    walk.first, walk.lengths, walk.alive = &first[0], &lengths[0], &alive[0]
    walk.D, walk.kernel, walk.left, walk.stride = D, kernel, left, stride
    walk.t = walk.n = 0
    return walk


cdef inline void take_windows(
    Walk* walk,
    int64_t rows,         # how many windows
    const floating* x,    # IN   (N, D)
    floating* windows,    # OUT  (rows, kernel * D), row stride ld
    int64_t ld,
) noexcept nogil:
    cdef int64_t r, k, j, low, high, start, D = walk.D
    cdef const floating* row
    cdef floating* window
    for r in range(rows):
        start = walk.t * walk.stride - walk.left
        low, high = max(0, -start), min(walk.kernel, walk.lengths[walk.n] - start)
        window = windows + r * ld
        if low > 0:
            memset(window, 0, low * D * sizeof(floating))
        if high < walk.kernel:
            memset(window + high * D, 0, (walk.kernel - high) * D * sizeof(floating))
        if D == 1:
            for k in range(low, high):
                window[k] = x[walk.first[start + k] + walk.n]
        else:
            for k in range(low, high):
                row = x + (walk.first[start + k] + walk.n) * D
                if D > 8:
                    memcpy(window + k * D, row, D * sizeof(floating))
                else:  # a call of memcpy takes longer
                    for j in range(D):
                        window[k * D + j] = row[j]
        go_on(walk)


cdef inline void add_windows(
    Walk* walk,
    int64_t rows,               # how many windows
    const floating* dwindows,   # IN     (rows, kernel * D), row stride ld
    int64_t ld,
    floating* dx,               # INOUT  (N, D), added to
) noexcept nogil:
    """The gradient of `take_windows`."""
    cdef int64_t r, k, j, low, high, start, D = walk.D
    cdef floating* row
    cdef const floating* dwindow
    for r in range(rows):
        start = walk.t * walk.stride - walk.left
        low, high = max(0, -start), min(walk.kernel, walk.lengths[walk.n] - start)
        for k in range(low, high):
            row = dx + (walk.first[start + k] + walk.n) * D
            dwindow = dwindows + r * ld + k * D
            if D > 8:
                add_rows(1, D, dwindow, D, row)
            else:  # a call takes longer
                for j in range(D):
                    row[j] += dwindow[j]
        go_on(walk)


def patches_forward(
    const floating[:, ::1] x,       # IN   (N, D)
    const int64_t[::1] first,       # IN   (T,) packed row of x where each step begins
    const int64_t[::1] lengths,     # IN   (B,) steps of each sequence, falling
    const int64_t[::1] alive,       # IN   (T',) sequences running at each step of y
    int64_t stride,                 # S
    floating[:, ::1] y,             # OUT  (N', S * D + 1)
):
    """y = S rows of x one after the other, and the share of them that is missing at the end"""
    cdef:
        int64_t r, D = x.shape[1], width = y.shape[1]
        Walk walk = begin(first, lengths, alive, D, stride, 0, stride)
    with nogil:
        for r in range(y.shape[0]):
            y[r, width - 1] = (
                <floating>max(0, (walk.t + 1) * stride - walk.lengths[walk.n]) / <floating>stride)
            take_windows(&walk, 1, &x[0, 0], &y[r, 0], width)


def patches_backward(
    const floating[:, ::1] dy,      # IN   (N', S * D + 1)
    const int64_t[::1] first,       # IN   as for `patches_forward`, up to stride
    const int64_t[::1] lengths,
    const int64_t[::1] alive,
    int64_t stride,
    floating[:, ::1] dx,            # OUT  (N, D)
):
    """Gradient of `patches_forward`."""
    cdef Walk walk = begin(first, lengths, alive, dx.shape[1], stride, 0, stride)
    with nogil:
        dx[:, :] = 0
        add_windows(&walk, dy.shape[0], &dy[0, 0], dy.shape[1], &dx[0, 0])


def convolution_forward(
    const floating[:, ::1] x,        # IN   (N, D)
    const int64_t[::1] first,        # IN   (T,) packed row of x where each step begins
    const int64_t[::1] lengths,      # IN   (B,) steps of each sequence, falling
    const int64_t[::1] alive,        # IN   (T',) sequences running at each step of y
    int64_t left,                    # rows of a window before its step
    int64_t stride,
    const floating[::1] packed_W,    # IN   W (kernel * D, K), packed
    const floating[::1] b,           # IN   (K,)
    floating[:, ::1] windows,        # OUT  (R, kernel * D): room for R of them
    floating[:, ::1] y,              # OUT  (N', K)
    floating[::1] rounded,           # OUT  room for windows, where W was rounded; else None
):
    """y = max(0, b + windows of x @ W)"""
    cdef:
        int64_t D = x.shape[1], K = y.shape[1], size = windows.shape[1], r = 0, here
        floating* row
        floating* room = &rounded[0] if rounded is not None else NULL
        Walk walk = begin(first, lengths, alive, D, size // D, left, stride)
    with nogil:
        while r < y.shape[0]:
            here = min(windows.shape[0], y.shape[0] - r)
            take_windows(&walk, here, &x[0, 0], &windows[0, 0], size)
            row = &y[r, 0]
            product(here, all_of(K), size, &windows[0, 0], size, &packed_W[0], &b[0], 0, row, K,
                    room)
            rectify(here * K, <const floating*>row, row)
            r += here


def convolution_backward(
    const floating[:, ::1] x,        # IN     as for `convolution_forward`, up to stride
    const int64_t[::1] first,
    const int64_t[::1] lengths,
    const int64_t[::1] alive,
    int64_t left,
    int64_t stride,
    const floating[:, ::1] y,        # IN     (N', K)
    floating[:, ::1] dy,             # INOUT  (N', K): gradient of y on entry, used up
    const floating[::1] packed_Wt,   # IN     W.T (K, kernel * D), packed; not read without dx
    floating[:, ::1] windows,        # OUT    (R, kernel * D): room for R of them
    floating[::1] packed_windows,    # OUT    room for them, packed
    floating[::1] packed_dy,         # OUT    room for R rows of dy, packed
    floating[:, ::1] dW,             # INOUT  (kernel * D, K), added to
    floating[::1] db,                # INOUT  (K,), added to
    floating[:, ::1] dx,             # OUT    (N, D), or (0, D) if not wanted
    floating[::1] rounded,           # OUT    room for R rows of dy, or None, likewise
):
    """Gradient of `convolution_forward`."""
    cdef:
        int64_t D = x.shape[1], K = y.shape[1], size = windows.shape[1], r = 0, here
        floating* row
        floating* room = &rounded[0] if rounded is not None else NULL
        bint rounds = rounded is not None
        Walk walk = begin(first, lengths, alive, D, size // D, left, stride)
        Walk back = walk
    with nogil:
        dx[:, :] = 0
        while r < y.shape[0]:
            here = min(windows.shape[0], y.shape[0] - r)
            row = &dy[r, 0]
            rectify(here * K, &y[r, 0], row)
            # dW += windows.T @ dy; db += dy.sum(axis=0)
            take_windows(&walk, here, &x[0, 0], &windows[0, 0], size)
            pack_left(here, size, <const floating*>&windows[0, 0], size, <const floating*>NULL,
                      here, 0, &packed_windows[0], rounds)
            pack_right(here, all_of(K), <const floating*>row, K, &packed_dy[0], &db[0],
                       rounds)
            add_product_transposed(size, all_of(K), here, &packed_windows[0], &packed_dy[0], K,
                                   &dW[0, 0], K, rounds)
            if dx.shape[0] > 0:
                # windows = dy @ W.T
                product(here, all_of(size), K, <const floating*>row, K, &packed_Wt[0],
                        <const floating*>NULL, size, &windows[0, 0], size, room)
                add_windows(&back, here, <const floating*>&windows[0, 0], size, &dx[0, 0])
            r += here


def spread_forward(
    const floating[:, ::1] y,       # IN   (N', F)
    const int64_t[::1] first,       # IN   (T',) packed row of y where each step begins
    const int64_t[::1] alive,       # IN   (T,) sequences running at each step of the result
    int64_t stride,                 # steps of the result that one of y stands for
    floating[:, ::1] spread,        # OUT  (N, F)
):
    """Each row of y once for every step that it stands for."""
    cdef int64_t t, row = 0, F = y.shape[1]
    with nogil:
        for t in range(alive.shape[0]):
            memcpy(&spread[row, 0], &y[first[t // stride], 0], alive[t] * F * sizeof(floating))
            row += alive[t]


def spread_backward(
    const floating[:, ::1] dspread,   # IN   (N, F)
    const int64_t[::1] first,         # IN   as for `spread_forward`, up to stride
    const int64_t[::1] alive,
    int64_t stride,
    floating[:, ::1] dy,              # OUT  (N', F)
):
    """Gradient of `spread_forward`."""
    cdef int64_t t, row = 0, F = dy.shape[1]
    with nogil:
        dy[:, :] = 0
        for t in range(alive.shape[0]):
            add_rows(1, alive[t] * F, &dspread[row, 0], F, &dy[first[t // stride], 0])
            row += alive[t]
