"""Matrix products whose second factor is packed once and used many times.

Two paths, chosen here and nowhere else. The packed kernels of product.h run at the peak of the
processor from a few rows on, because the factor is laid out once and not at every time step; they
need AVX2 or AVX-512. BLAS serves everywhere else, and as their reference in the tests: its "packed"
factor is a plain row-major copy.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels._blas cimport gemm


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
    int64_t N,
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
    cdef int64_t row
    if not vector_math.use_blas:
        vector_math.product(M, N, K, A, lda, 1, packed, start, start_stride, C, ldc)
        return
    if start != NULL and start != C:
        for row in range(M):
            memcpy(C + row * ldc, start + row * start_stride, N * sizeof(floating))
    gemm(False, False, M, N, K, A, lda, packed, N, <floating>(start != NULL), C, ldc)


cdef inline void add_product_transposed(
    int64_t M,
    int64_t N,
    int64_t K,
    const floating* A,    # IN     (K, M), row stride lda
    int64_t lda,
    const floating* packed,    # IN  (K, N), packed
    floating* C,          # INOUT  (M, N), row stride ldc
    int64_t ldc,
) noexcept nogil:
    """C += A.T @ B"""
    if vector_math.use_blas:
        gemm(True, False, M, N, K, A, lda, packed, N, <floating>1, C, ldc)
    else:
        vector_math.product(M, N, K, A, 1, lda, packed, C, ldc, C, ldc)
