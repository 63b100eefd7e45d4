"""Products of the step of streams, by packed factors: of floats, rounded to bfloat16 or not, or of
whole numbers of 8 bits with a scale for each column. BLAS, which would pack its factor anew at
every step, is never called.

Room for the first factor is as large as it, and 2 elements more of each row; without room it is
taken as it is.
"""

from cython cimport floating
from libc.stdint cimport int8_t, int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.products cimport rounded
from fastrnn.kernels.stream_plan cimport Factor


cdef inline void product(
    int64_t M,
    int64_t N,
    int64_t K,
    const floating* A,       # IN   (M, K), row stride lda
    int64_t lda,
    const Factor* B,         # IN   (K, N)
    const floating* start,   # IN   (M, N), or NULL for zeros; may be C
    int64_t start_stride,    # row stride of start, or 0 for one row that all rows start from
    floating* C,             # OUT  (M, N), row stride ldc
    int64_t ldc,
    floating* room,          # OUT  for A, or NULL
) noexcept nogil:
    """C = start + A @ B"""
    if floating is float:
        if B.scale != NULL:
            vector_math.int8_product(M, N, K, A, lda, <const int8_t*>B.packed, B.scale, start,
                                     start_stride, C, ldc, room)
            return
    A = rounded(M, &K, A, &lda, room)
    vector_math.product(M, N, K, A, lda, <const floating*>B.packed, start, start_stride, C, ldc,
                        room != NULL)


cdef inline void product_pair(
    int64_t M,
    int64_t N,
    int64_t K,
    const floating* A,       # IN   (M, K), without gaps
    const Factor* B,         # IN   (K, N)
    int64_t K2,
    const floating* A2,      # IN   (M, K2), without gaps
    const Factor* B2,        # IN   (K2, N)
    const floating* start,   # IN   (N,)
    floating* C,             # OUT  (M, N), without gaps
    floating* room,          # OUT  for A and A2, or NULL
) noexcept nogil:
    """C = start + A @ B + A2 @ B2"""
    cdef int64_t lda = K, lda2 = K2
    if B.scale != NULL:
        product(M, N, K, A, K, B, start, 0, C, N, room)
        product(M, N, K2, A2, K2, B2, <const floating*>C, N, C, N, room)
        return
    A = rounded(M, &K, A, &lda, room)
    A2 = rounded(M, &K2, A2, &lda2, room + M * K if room != NULL else NULL)
    vector_math.product_pair(M, N, K, A, lda, <const floating*>B.packed, K2, A2, lda2,
                             <const floating*>B2.packed, start, 0, C, N, room != NULL)
