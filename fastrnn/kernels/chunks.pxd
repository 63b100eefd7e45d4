"""What the driver of all cells (recurrence.pyx) does with the chunks that time is cut into, and
with what goes back from a step to the one before."""

from cython cimport floating
from libc.stdint cimport int64_t

from fastrnn.kernels.masks cimport add_masked, masked
from fastrnn.kernels.products cimport pack_left, product
from fastrnn.kernels.team cimport Share, all_of, own
from fastrnn.kernels.vector_math cimport Range


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


cdef inline void pack_previous(
    const Share* share,      # a member packs some of the steps
    int64_t start,
    int64_t end,
    int64_t rows,            # of the chunk
    int64_t H,
    const int64_t* alive,    # IN   (T,)
    int64_t B,               # sequences in the batch: rows of the initial state
    int64_t first,           # first packed row of step start
    const floating* h,       # IN   (B + N, H)
    const floating* mask,    # IN   (B, H) or NULL
    const floating* factors,  # IN  (N, H) or NULL
    floating* scratch,       # OUT  (B, H)
    floating* packed,        # OUT  room for (rows, H), packed
    bint rounds,             # whether to round it to bfloat16
) noexcept nogil:
    """packed = the state that entered the recurrent products of steps start .. end, as the first
    factor of `add_product_transposed`"""
    cdef:
        int64_t t, row = 0
        int64_t before = alive[start - 1] if start > 0 else B
        const floating* source = h + (B + first - before) * H
        const floating* left = NULL  # what is left of the states
        Range steps = own(share, end - start)
    for t in range(start, end):
        if steps.begin <= t - start < steps.end:
            if factors != NULL:
                left = factors + (first + row) * H
            pack_left(alive[t], H, masked(alive[t] * H, source, left, scratch), H, mask, rows, row,
                      packed, rounds)
        row += alive[t]
        source += before * H
        before = alive[t]


cdef inline void pack_rows(
    const Share* share,      # a member packs some of the rows
    int64_t rows,            # of the chunk
    int64_t F,
    const floating* x,       # IN   (rows, F), row stride stride
    int64_t stride,
    floating* packed,        # OUT  room for (rows, F), packed
    bint rounds,             # whether to round it to bfloat16
) noexcept nogil:
    """packed = x, as the first factor of `add_product_transposed`"""
    cdef Range mine = own(share, rows)
    pack_left(mine.end - mine.begin, F, x + mine.begin * stride, stride, <const floating*>NULL,
              rows, mine.begin, packed, rounds)


cdef inline void propagate(
    int64_t rows,
    int64_t H,
    Range units,              # the columns of dh that are meant
    int64_t K,
    const floating* dgates,   # IN     (rows, K), row stride stride
    int64_t stride,
    const floating* Ut,       # IN     (K, H), the transpose of these gates' columns of U, packed
    const floating* mask,     # IN     (rows, H) or NULL
    floating* scratch,        # OUT    (rows, H)
    bint add,                 # whether dh holds something to keep
    floating* dh,             # INOUT  (rows, H)
    floating* room,           # OUT    (rows, K) for dgates, if Ut is rounded; else NULL
) noexcept nogil:
    """dh = (dgates @ U.T) * mask, added to dh if asked."""
    cdef int64_t row, j
    if mask == NULL:
        # dh = dgates @ U.T, or dh += dgates @ U.T
        product(rows, units, K, dgates, stride, Ut, <const floating*>dh if add else NULL, H, dh, H,
                room)
        return
    # scratch = dgates @ U.T
    product(rows, units, K, dgates, stride, Ut, <const floating*>NULL, H, scratch, H, room)
    if not add:
        for row in range(rows):
            for j in range(row * H + units.begin, row * H + units.end):
                dh[j] = 0
    add_masked(rows, H, units, scratch, mask, dh)


cdef inline void input_gradient(
    const Share* share,      # a member computes some of the rows
    int64_t rows,            # of the chunk
    int64_t D,
    int64_t K,
    const floating* dgates,  # IN   (rows, K)
    const floating* Wt,      # IN   (K, D), the transpose of W, packed
    floating* dx,            # OUT  (rows, D)
    floating* room,          # OUT  (rows, K) for dgates, if Wt is rounded; else NULL
) noexcept nogil:
    """dx = dgates @ W.T"""
    cdef Range mine = own(share, rows)
    product(mine.end - mine.begin, all_of(D), K, dgates + mine.begin * K, K, Wt,
            <const floating*>NULL, 0, dx + mine.begin * D, D, room)
