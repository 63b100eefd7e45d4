"""The affine map y = x W + b, forward and backward: the head of a network. And weights of recurrent
layers in packed form, which is made once for many calls of their kernels."""

from cython cimport floating
from libc.stdint cimport int64_t

from fastrnn.kernels.denormals cimport flush_denormals, restore_denormals
from fastrnn.kernels.handover cimport end_turn, take_turn
from fastrnn.kernels.products cimport (
    add_product_transposed, pack, pack_left, pack_right, pack_transposed, product,
)
from fastrnn.kernels.team cimport all_of


def pack_weights(
    const floating[:, ::1] W,   # IN   (D, K or more)
    int64_t column,             # first of the K columns to pack
    int64_t K,
    floating[::1] packed,       # OUT  room for (D, K), packed
    bint rounds,                # whether to round them to bfloat16
):
    """packed = W[:, column : column + K] as the second factor of products"""
    with nogil:
        pack(W.shape[0], K, &W[0, column], W.shape[1], &packed[0], rounds)


def pack_weights_transposed(
    const floating[:, ::1] W,   # IN   (D, K or more)
    int64_t column,             # first of the K columns to pack
    int64_t K,
    floating[::1] packed,       # OUT  room for (K, D), packed
    bint rounds,                # whether to round them to bfloat16
):
    """packed = W[:, column : column + K].T as the second factor of products"""
    with nogil:
        pack_transposed(K, W.shape[0], &W[0, column], W.shape[1], &packed[0], rounds)


def dense_forward(
    const floating[:, ::1] x,        # IN   (N, D)
    const floating[::1] packed_W,    # IN   W (D, K), packed
    const floating[::1] b,           # IN   (K,)
    floating[:, ::1] y,              # OUT  (N, K)
    floating[::1] rounded,           # OUT  room for x, where W was rounded; else None
):
    """y = b + x @ W"""
    cdef int64_t N = x.shape[0], D = x.shape[1], K = y.shape[1], mode
    cdef floating* room = &rounded[0] if rounded is not None else NULL
    with nogil:
        end_turn()
        mode = flush_denormals()
        product(N, all_of(K), D, &x[0, 0], D, &packed_W[0], &b[0], 0, &y[0, 0], K, room)
        restore_denormals(mode)
        take_turn()


def dense_backward(
    const floating[:, ::1] dy,       # IN   (N, K)
    const floating[::1] packed_Wt,   # IN   W.T (K, D), so many rows after the other packed
    int64_t rows,                    # how many
    floating[:, ::1] dx,             # OUT  (N, D)
    floating[::1] rounded,           # OUT  room for so many columns of dy, or None, as above
):
    """dx = dy @ W.T"""
    cdef:
        int64_t N = dy.shape[0], K = dy.shape[1], D = dx.shape[1], k = 0, mode
        int64_t row_size = packed_Wt.shape[0] // K
        const floating* start = NULL
        floating* room = &rounded[0] if rounded is not None else NULL
    with nogil:
        end_turn()
        mode = flush_denormals()
        while k < K:
            product(N, all_of(D), min(rows, K - k), &dy[0, k], K, &packed_Wt[k * row_size], start,
                    D, &dx[0, 0], D, room)
            start = &dx[0, 0]
            k += rows
        restore_denormals(mode)
        take_turn()


def dense_gradients(
    const floating[:, ::1] x,        # IN     (N, D)
    int64_t row,                     # first of the columns of x, rows of dW, to work on
    int64_t height,                  # how many of them
    const floating[:, ::1] dy,       # IN     (N, K)
    int64_t column,                  # first of the columns of dy, dW and db to work on
    int64_t width,                   # how many of them
    floating[:, ::1] dW,             # INOUT  (D, K), added to
    floating[::1] db,                # INOUT  (K,), added to
    int64_t chunk,                   # how many of them at a time, whole panels
    floating[::1] packed_x,          # OUT    room for the columns of x, packed
    floating[::1] packed_dy,         # OUT    room for a chunk of the columns of dy, packed
    bint rounds,                     # whether to round x and dy to bfloat16
):
    """dW += x.T @ dy; db += dy.sum(axis=0)"""
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], K = dy.shape[1], end = column + width, here, mode
    with nogil:
        end_turn()
        mode = flush_denormals()
        pack_left(N, height, &x[0, row], D, <const floating*>NULL, N, 0, &packed_x[0],
                  rounds)
        while column < end:
            here = min(chunk, end - column)
            pack_right(N, all_of(here), &dy[0, column], K, &packed_dy[0], &db[column], rounds)
            add_product_transposed(height, all_of(here), N, &packed_x[0], &packed_dy[0], here,
                                   &dW[row, column], K, rounds)
            column += here
        restore_denormals(mode)
        take_turn()
