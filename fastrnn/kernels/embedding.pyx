"""Embeddings: every id stands for a row of a table, which is learned.

A lookup is a product with a one-hot matrix in all but its cost: rows are copied on the way forward,
and on the way back gradients are added to the rows that were read. Bengio et al. (2003), Journal of
Machine Learning Research 3, 1137-1155.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy


def embedding_forward(
    const floating[:, ::1] table,   # IN     (V, E)
    const int64_t[:, ::1] ids,      # IN     (any, C)
    int64_t which,                  # column of ids
    const int64_t[::1] rows,        # IN     (N,) rows of ids
    floating[:, ::1] x,             # INOUT  (N, D)
    int64_t column,                 # first of the E columns of x to write
):
    """x[:, column : column + E] = table[ids[rows, which]]; False, and no more, at an id that is no
    row: nothing else is known of them here, and a fitted model may have been tampered with."""
    cdef:
        int64_t j, k, V = table.shape[0], size = table.shape[1] * sizeof(floating)
        bint fits = True
    with nogil:
        for j in range(rows.shape[0]):
            k = ids[rows[j], which]
            fits = 0 <= k < V
            if not fits:
                break
            memcpy(&x[j, column], &table[k, 0], size)
    return fits


def embedding_backward(
    const floating[:, ::1] dx,      # IN     (N, D)
    int64_t column,                 # first of the E columns of dx to read
    const int64_t[:, ::1] ids,      # IN     (any, C) in [0, V)
    int64_t which,                  # column of ids
    const int64_t[::1] rows,        # IN     (N,) rows of ids
    floating[:, ::1] dtable,        # INOUT  (V, E), added to
):
    """dtable[ids[rows, which]] += dx[:, column : column + E], one row after the other"""
    cdef:
        int64_t j, k, E = dtable.shape[1]
        const floating* d
        floating* row
    with nogil:
        for j in range(rows.shape[0]):
            d = &dx[j, column]
            row = &dtable[ids[rows[j], which], 0]
            for k in range(E):
                row[k] += d[k]
