"""Row-major matrix products through BLAS: the one place that knows about s and d, Fortran order and
the width of BLAS integers. The caller makes sure that every size fits an int.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef inline void gemm(
    bint transpose_A,
    bint transpose_B,
    int64_t M,
    int64_t N,
    int64_t K,
    const floating* A,   # IN     (M, K), or (K, M) if transposed, row stride lda
    int64_t lda,
    const floating* B,   # IN     (K, N), or (N, K) if transposed, row stride ldb
    int64_t ldb,
    floating beta,
    floating* C,         # INOUT  (M, N), row stride ldc
    int64_t ldc,
) noexcept nogil:
    """C = A @ B + beta * C, with A or B transposed first if asked."""
    # A row-major matrix is its transpose in Fortran's eyes: C.T = B.T @ A.T
    cdef:
        char op_A = c"T" if transpose_A else c"N"
        char op_B = c"T" if transpose_B else c"N"
        int m = <int>N, n = <int>M, k = <int>K
        int stride_A = <int>lda, stride_B = <int>ldb, stride_C = <int>ldc
        floating alpha = 1
    if floating is float:
        sgemm(&op_B, &op_A, &m, &n, &k, &alpha, <float*>B, &stride_B, <float*>A, &stride_A,
              &beta, C, &stride_C)
    else:
        dgemm(&op_B, &op_A, &m, &n, &k, &alpha, <double*>B, &stride_B, <double*>A, &stride_A,
              &beta, C, &stride_C)
