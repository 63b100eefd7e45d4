"""Matrix products whose second factor is packed once and used many times.

Two paths, chosen here and nowhere else. The packed kernels of product.h run at the peak of the
processor from a few rows on, because the factor is laid out once and not at every time step; they
need AVX2 or AVX-512. BLAS serves everywhere else, and as their reference in the tests: its "packed"
factor is a plain row-major copy.

Products may round their factors to bfloat16 before they multiply them, and sum in float: weights
when they are packed, rows, into `room`, when they are read. Where the processor has instructions
for that, packed factors and rooms hold pairs of numbers (pairs.h); elsewhere, and on BLAS, they
hold floats that are rounded, which is the reference of the pairs.

Members of a team (team.pxd) each compute some columns of a result. Pointers are to the whole of
every array, and a range says which columns are meant; its blocks begin at a panel. On BLAS there
are no teams, and it is always all columns.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels._blas cimport gemm
from fastrnn.kernels.vector_math cimport Range


cdef inline void round_packed(
    int64_t K,
    int64_t N,
    bint is_plain,       # whether it is a copy for BLAS, without panels
    floating* packed,    # INOUT  of a (K, N) second factor
) noexcept nogil:
    """Round a packed factor to bfloat16 where it is not pairs, which are rounded."""
    cdef int64_t panel = vector_math.panel_bytes // <int64_t>sizeof(floating)
    if not vector_math.rounds_to_pairs:
        N = N if is_plain else (N + panel - 1) // panel * panel
        vector_math.round_rows(1, K * N, packed, 0, packed, 0)


cdef inline const floating* rounded(
    int64_t M,
    int64_t* K,            # INOUT  columns of A, then of what is returned
    const floating* A,     # IN     (M, K)
    int64_t* lda,          # INOUT  row stride, likewise
    floating* room,        # OUT    (M, K), or NULL
) noexcept nogil:
    """A, or A rounded to bfloat16 in `room` if there is one, as the first factor of a product."""
    cdef int64_t depth = vector_math.depth(K[0], True)
    if floating is float:
        if room != NULL:
            vector_math.round_rows(M, K[0], A, lda[0], room, depth)
            K[0] = lda[0] = depth
            return room
    return A


cdef inline void pack(
    int64_t K,
    int64_t N,
    const floating* B,    # IN   (K, N), row stride ldb
    int64_t ldb,
    floating* packed,     # OUT  vector_math.packed_size(K, N) elements
    bint rounds,          # whether to round it to bfloat16
) noexcept nogil:
    """Lay out B as the second factor of `product`."""
    cdef int64_t k
    if vector_math.use_blas:
        for k in range(K):
            memcpy(packed + k * N, B + k * ldb, N * sizeof(floating))
    else:
        vector_math.pack(K, N, B, ldb, packed, rounds)
    if rounds:
        round_packed(K, N, vector_math.use_blas, packed)


cdef inline void pack_transposed(
    int64_t K,
    int64_t N,
    const floating* B,    # IN   (N, K), row stride ldb
    int64_t ldb,
    floating* packed,     # OUT  vector_math.packed_size(K, N) elements
    bint rounds,          # whether to round it to bfloat16
) noexcept nogil:
    """Lay out B.T as the second factor of `product`."""
    cdef int64_t j, k
    if vector_math.use_blas:
        for k in range(K):
            for j in range(N):
                packed[k * N + j] = B[j * ldb + k]
    else:
        vector_math.pack_transposed(K, N, B, ldb, packed, rounds)
    if rounds:
        round_packed(K, N, vector_math.use_blas, packed)


cdef inline void product(
    int64_t M,
    Range columns,             # of the N of the result
    int64_t K,
    const floating* A,         # IN     (M, K), row stride lda
    int64_t lda,
    const floating* packed,    # IN     (K, N), packed
    const floating* start,     # IN     (M, N), or NULL for zeros; may be C
    int64_t start_stride,      # row stride of start: ldc, or 0 for one row that all rows start from
    floating* C,               # OUT    (M, N), row stride ldc
    int64_t ldc,
    floating* room,            # OUT    (M, K) for A, if B is rounded; else NULL
) noexcept nogil:
    """C = start + A @ B"""
    cdef int64_t block, column, row, N = columns.end - columns.begin
    cdef bint rounds = room != NULL
    A = rounded(M, &K, A, &lda, room)
    if vector_math.use_blas:
        if start != NULL and start != C:
            for row in range(M):
                memcpy(C + row * ldc, start + row * start_stride, N * sizeof(floating))
        gemm(False, False, M, N, K, A, lda, packed, N, <floating>(start != NULL), C, ldc)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product(M, N, K, A, lda, packed + column * K,
                            start + column if start != NULL else NULL, start_stride,
                            C + column, ldc, rounds)


cdef inline void product_of_weights(
    int64_t M,
    Range columns,             # as for product, and so are all but the next two
    int64_t K,
    const floating* A,
    int64_t lda,
    const floating* B,         # IN     (K, N), packed, or as it lies
    int64_t ldb,               # its row stride, if it is not packed; else 0
    const floating* start,
    int64_t start_stride,
    floating* C,
    int64_t ldc,
    floating* room,
) noexcept nogil:
    """C = start + A @ B; the same bits whether B is packed or not, but not on BLAS"""
    cdef int64_t block, column
    if ldb == 0:
        product(M, columns, K, A, lda, B, start, start_stride, C, ldc, room)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product_unpacked(M, columns.end - columns.begin, K, A, lda, B + column, ldb,
                                     start + column if start != NULL else NULL, start_stride,
                                     C + column, ldc)


cdef inline void product_pair(
    int64_t M,
    Range columns,             # of the N of the result
    int64_t K,
    const floating* A,         # IN     (M, K), row stride lda
    int64_t lda,
    const floating* packed,    # IN     (K, N), packed
    int64_t K2,
    const floating* A2,        # IN     (M, K2), row stride lda2
    int64_t lda2,
    const floating* packed2,   # IN     (K2, N), packed
    const floating* start,     # IN     as for product, but not C
    int64_t start_stride,
    floating* C,               # OUT    (M, N), row stride ldc
    int64_t ldc,
    floating* room,            # OUT    (M, K + K2) for A and A2, if B and B2 are rounded; else NULL
) noexcept nogil:
    """C = start + A @ B + A2 @ B2"""
    cdef int64_t block, column, N = columns.end - columns.begin
    cdef bint rounds = room != NULL
    if vector_math.use_blas:
        product(M, columns, K, A, lda, packed, start, start_stride, C, ldc, room)
        product(M, columns, K2, A2, lda2, packed2, <const floating*>C, ldc, C, ldc, room)
        return
    A = rounded(M, &K, A, &lda, room)
    A2 = rounded(M, &K2, A2, &lda2, room + M * K if rounds else NULL)
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product_pair(
            M, N, K, A, lda, packed + column * K, K2, A2, lda2, packed2 + column * K2,
            start + column if start != NULL else NULL, start_stride, C + column, ldc, rounds)


cdef inline void pack_left(
    int64_t rows,
    int64_t M,
    const floating* A,       # IN   (rows, M), row stride lda
    int64_t lda,
    const floating* mask,    # IN   (rows, M) or NULL
    int64_t K,               # rows of the factor in all
    int64_t first,           # where these rows begin in it
    floating* packed,        # OUT  vector_math.packed_left_size(K, M) elements
    bint rounds,             # whether to round it to bfloat16
) noexcept nogil:
    """Lay out A, times mask if there is one, as rows of the first factor of
    `add_product_transposed`."""
    cdef int64_t j, k, panel = M if vector_math.use_blas else vector_math.LEFT_PANEL
    cdef floating* panels = packed + first * panel
    if not vector_math.use_blas:
        vector_math.pack_left_panels(rows, M, A, lda, mask, K, first, packed, rounds)
    else:
        for k in range(rows):
            for j in range(M):
                panels[k * M + j] = A[k * lda + j] * (mask[k * M + j] if mask != NULL else 1)
    if rounds and not vector_math.rounds_to_pairs:
        vector_math.round_rows((M + panel - 1) // panel, rows * panel, panels, K * panel, panels,
                               K * panel)


cdef inline void pack_right(
    int64_t K,
    Range columns,           # of the N of the factor
    const floating* B,       # IN     (K, N), row stride ldb
    int64_t ldb,
    floating* packed,        # OUT    vector_math.packed_size(K, N) elements
    floating* total,         # INOUT  (N,) or NULL
    bint rounds,             # whether to round it to bfloat16
) noexcept nogil:
    """Lay out B as the second factor of `add_product_transposed`; total += B.sum(axis=0)"""
    cdef int64_t k, block, column, N = columns.end - columns.begin
    cdef floating* panels
    if vector_math.use_blas:
        for k in range(K):
            memcpy(packed + k * N, B + k * ldb, N * sizeof(floating))
        if total != NULL:
            vector_math.add_rows(K, N, B, ldb, total)
        if rounds:
            round_packed(K, N, vector_math.use_blas, packed)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        panels = packed + column * vector_math.depth(K, rounds)
        vector_math.pack_panels(K, N, B + column, ldb, panels,
                                total + column if total != NULL else NULL, rounds)
        if rounds:
            round_packed(K, N, False, panels)


cdef inline void add_product_transposed(
    int64_t M,
    Range columns,             # of the N of the result
    int64_t K,
    const floating* A,         # IN     (K, M), from pack_left
    const floating* B,         # IN     (K, N), from pack_right
    int64_t ldb,               # columns that were packed there, of which these are the first N
    floating* C,               # INOUT  (M, N), row stride ldc
    int64_t ldc,
    bint rounds,               # whether A and B were rounded
) noexcept nogil:
    """C += A.T @ B"""
    cdef int64_t block, column, N = columns.end - columns.begin
    K = vector_math.depth(K, rounds)
    if vector_math.use_blas:
        gemm(True, False, M, N, K, A, M, B, ldb, <floating>1, C, ldc)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product_transposed(M, N, K, A, B + column * K, C + column, ldc, rounds)
