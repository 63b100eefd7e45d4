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

Several threads may run a call together, as members of a team (team.pxd). Each has its own units:
it alone computes their states, and their columns of what is propagated back to the step before.
Forward, all meet at the end of every step, and between product and pointwise pass if gates of a
member's units come from others or the new states take the place of the old; backward, once a step.
"""

from cython cimport floating
from libc.stdint cimport int64_t

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
    floating* packed,        # OUT  room for (rows, H), packed
) noexcept nogil:
    """packed = the state that entered the recurrent products of steps start .. end, as the first
    factor of `add_product_transposed`"""
    cdef:
        int64_t t, row = 0
        int64_t before = alive[start - 1] if start > 0 else B
        const floating* source = h + (B + first - before) * H
        Range steps = own(share, end - start)
    for t in range(start, end):
        if steps.begin <= t - start < steps.end:
            pack_left(alive[t], H, source, H, mask, rows, row, packed)
        row += alive[t]
        source += before * H
        before = alive[t]


cdef inline void pack_rows(
    const Share* share,      # a member packs some of the rows
    int64_t rows,            # of the chunk
    int64_t F,
    const floating* x,       # IN   (rows, F)
    floating* packed,        # OUT  room for (rows, F), packed
) noexcept nogil:
    """packed = x, as the first factor of `add_product_transposed`"""
    cdef Range part = own(share, rows)
    pack_left(part.end - part.begin, F, x + part.begin * F, F, <const floating*>NULL, rows,
              part.begin, packed)


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
) noexcept nogil:
    """dh = (dgates @ U.T) * mask, added to dh if asked."""
    cdef int64_t row, j
    if mask == NULL:
        # dh = dgates @ U.T, or dh += dgates @ U.T
        product(rows, units, K, dgates, stride, Ut, <const floating*>dh if add else NULL, H, dh, H)
        return
    # scratch = dgates @ U.T
    product(rows, units, K, dgates, stride, Ut, <const floating*>NULL, H, scratch, H)
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
) noexcept nogil:
    """dx = dgates @ W.T"""
    cdef Range part = own(share, rows)
    product(part.end - part.begin, all_of(D), K, dgates + part.begin * K, K, Wt,
            <const floating*>NULL, 0, dx + part.begin * D, D)
