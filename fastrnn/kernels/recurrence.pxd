"""What all cells share: the way over the packed time steps, in chunks, and the products.

Rows are packed time-major. Sequences are sorted by falling length; ``alive[t]`` of the B sequences
are still running at step t, and they own rows ``first .. first + alive[t]`` of every (N, ...)
array, where ``first`` is the sum of ``alive[:t]``. A state array has its initial state in the first
B rows, so that step t finds its previous state in the rows just before its own: rows ``B + first -
alive[t - 1]`` on (for t = 0 rows 0 on), and writes to rows ``B + first`` on.

Time is cut into chunks of steps small enough for their gates to stay in the processor's
second-level cache: a chunk is projected (x W + b) and then stepped through; on the way back it is
stepped through and then its rows are added to the gradients of the parameters. Weights are packed
once a call.
"""

from cython cimport floating
from libc.stdint cimport int64_t

from fastrnn.kernels.products cimport pack_left, product


cdef inline int64_t chunk_end(
    const int64_t* alive,   # IN  (T,)
    int64_t T,
    int64_t start,
    int64_t chunk_rows,
    int64_t* rows,          # OUT  rows of the chunk
) noexcept nogil:
    """The step after the last of the chunk that begins at ``start``: it has at most ``chunk_rows``
    rows, or a single step."""
    cdef int64_t t = start
    rows[0] = 0
    while t < T and (t == start or rows[0] + alive[t] <= chunk_rows):
        rows[0] += alive[t]
        t += 1
    return t


cdef inline int64_t chunk_start(
    const int64_t* alive,   # IN  (T,)
    int64_t end,
    int64_t chunk_rows,
    int64_t* rows,          # OUT  rows of the chunk
) noexcept nogil:
    """The first step of the chunk that ends before ``end``, likewise."""
    cdef int64_t t = end
    rows[0] = 0
    while t > 0 and (t == end or rows[0] + alive[t - 1] <= chunk_rows):
        t -= 1
        rows[0] += alive[t]
    return t


cdef inline bint projects_stepwise(int64_t D, int64_t rows) noexcept nogil:
    """Whether x W is best added up together with h U, step by step: a product of its own over a
    chunk spends much of its time on its result if D is small, but one over few rows on W."""
    return D <= 64 and rows >= 6


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


cdef inline void pack_previous(
    int64_t start,
    int64_t end,
    int64_t rows,            # of the chunk
    int64_t H,
    const int64_t* alive,    # IN   (T,)
    int64_t B,               # sequences in the batch: rows of the initial state
    int64_t first,           # first packed row of step start
    const floating* h,       # IN   (B + N, H)
    const floating* mask,    # IN   (B, H) or NULL
    floating* packed,        # OUT  room for (rows, H), packed
) noexcept nogil:
    """packed = the state that entered the recurrent products of steps start .. end, as the first
    factor of `add_product_transposed`"""
    cdef:
        int64_t t, row = 0
        int64_t before = alive[start - 1] if start > 0 else B
        const floating* source = h + (B + first - before) * H
    for t in range(start, end):
        pack_left(alive[t], H, source, mask, rows, row, packed)
        row += alive[t]
        source += before * H
        before = alive[t]


cdef inline void add_masked(
    int64_t size,
    const floating* d,      # IN     (size,)
    const floating* mask,   # IN     (size,) or NULL
    floating* dh,           # INOUT  (size,)
) noexcept nogil:
    """dh += d * mask"""
    cdef int64_t j
    for j in range(size):
        dh[j] += d[j] * mask[j] if mask != NULL else d[j]


cdef inline void propagate(
    int64_t rows,
    int64_t H,
    int64_t K,
    const floating* dgates,   # IN     (rows, K), row stride stride
    int64_t stride,
    const floating* Ut,       # IN     (K, H), the transpose of these gates' columns of U, packed
    const floating* mask,     # IN     (rows, H) or NULL
    floating* scratch,        # OUT    (rows, H)
    bint add,                 # whether dh holds something to keep
    floating* dh,             # INOUT  (rows, H)
) noexcept nogil:
    """dh = (dgates @ U.T) * mask, added to dh if asked."""
    cdef int64_t j
    if mask == NULL:
        # dh = dgates @ U.T, or dh += dgates @ U.T
        product(rows, H, K, dgates, stride, Ut, <const floating*>dh if add else NULL, H, dh, H)
        return
    # scratch = dgates @ U.T
    product(rows, H, K, dgates, stride, Ut, <const floating*>NULL, H, scratch, H)
    if not add:
        for j in range(rows * H):
            dh[j] = 0
    add_masked(rows * H, scratch, mask, dh)
