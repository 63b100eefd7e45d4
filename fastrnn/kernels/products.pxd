"""Matrix products whose second factor is packed once and used many times.

Two paths, chosen here and nowhere else. The packed kernels of product.h run at the peak of the
processor from a few rows on, because the factor is laid out once and not at every time step; they
need AVX2 or AVX-512. BLAS serves everywhere else, and as their reference in the tests: its "packed"
factor is a plain row-major copy.

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


cdef inline void pack(
    int64_t K,
    int64_t N,
    const floating* B,    # IN   (K, N), row stride ldb
    int64_t ldb,
    floating* packed,     # OUT  vector_math.packed_size(K, N) elements
) noexcept nogil:
    """Lay out B as the second factor of `product`."""
    cdef int64_t k
    if not vector_math.use_blas:
        vector_math.pack(K, N, B, ldb, packed)
        return
    for k in range(K):
        memcpy(packed + k * N, B + k * ldb, N * sizeof(floating))


cdef inline void pack_transposed(
    int64_t K,
    int64_t N,
    const floating* B,    # IN   (N, K), row stride ldb
    int64_t ldb,
    floating* packed,     # OUT  vector_math.packed_size(K, N) elements
) noexcept nogil:
    """Lay out B.T as the second factor of `product`."""
    cdef int64_t j, k
    if not vector_math.use_blas:
        vector_math.pack_transposed(K, N, B, ldb, packed)
        return
    for k in range(K):
        for j in range(N):
            packed[k * N + j] = B[j * ldb + k]


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
) noexcept nogil:
    """C = start + A @ B"""
    cdef int64_t block, column, row, N = columns.end - columns.begin
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
) noexcept nogil:
    """C = start + A @ B + A2 @ B2"""
    cdef int64_t block, column, N = columns.end - columns.begin
    if vector_math.use_blas:
        product(M, columns, K, A, lda, packed, start, start_stride, C, ldc)
        product(M, columns, K2, A2, lda2, packed2, <const floating*>C, ldc, C, ldc)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product_pair(
            M, N, K, A, lda, packed + column * K, K2, A2, lda2, packed2 + column * K2,
            start + column if start != NULL else NULL, start_stride, C + column, ldc)


cdef inline void pack_left(
    int64_t rows,
    int64_t M,
    const floating* A,       # IN   (rows, M), row stride lda
    int64_t lda,
    const floating* mask,    # IN   (rows, M) or NULL
    int64_t K,               # rows of the factor in all
    int64_t first,           # where these rows begin in it
    floating* packed,        # OUT  vector_math.packed_left_size(K, M) elements
) noexcept nogil:
    """Lay out A, times mask if there is one, as rows of the first factor of
    `add_product_transposed`."""
    cdef int64_t j, k
    if not vector_math.use_blas:
        vector_math.pack_left_panels(rows, M, A, lda, mask, K, first, packed)
        return
    for k in range(rows):
        for j in range(M):
            packed[(first + k) * M + j] = A[k * lda + j] * (mask[k * M + j] if mask != NULL else 1)


cdef inline void pack_right(
    int64_t K,
    Range columns,           # of the N of the factor
    const floating* B,       # IN     (K, N), row stride ldb
    int64_t ldb,
    floating* packed,        # OUT    vector_math.packed_size(K, N) elements
    floating* total,         # INOUT  (N,) or NULL
) noexcept nogil:
    """Lay out B as the second factor of `add_product_transposed`; total += B.sum(axis=0)"""
    cdef int64_t k, block, column, N = columns.end - columns.begin
    if vector_math.use_blas:
        for k in range(K):
            memcpy(packed + k * N, B + k * ldb, N * sizeof(floating))
        if total != NULL:
            vector_math.add_rows(K, N, B, ldb, total)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.pack_panels(K, N, B + column, ldb, packed + column * K,
                                total + column if total != NULL else NULL)


cdef inline void add_product_transposed(
    int64_t M,
    Range columns,             # of the N of the result
    int64_t K,
    const floating* A,         # IN     (K, M), from pack_left
    const floating* B,         # IN     (K, N), from pack_right
    int64_t ldb,               # columns that were packed there, of which these are the first N
    floating* C,               # INOUT  (M, N), row stride ldc
    int64_t ldc,
) noexcept nogil:
    """C += A.T @ B"""
    cdef int64_t block, column, N = columns.end - columns.begin
    if vector_math.use_blas:
        gemm(True, False, M, N, K, A, M, B, ldb, <floating>1, C, ldc)
        return
    for block in range(columns.count):
        column = columns.begin + block * columns.stride
        vector_math.product_transposed(M, N, K, A, B + column * K, C + column, ldc)
