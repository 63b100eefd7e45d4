/* Packing of factors for product.h, which includes this and explains it, and a product without. The
   depth of a panel is K. */

#define BROADCAST(x) ((x) - (vec){0})
#define ADD_PRODUCT(sum, a, b) (sum) += (a) * (b)

/* packed = the panels of B (K, N), row stride ldb. Unless it is NULL, total (N,) += the sum of the
   rows of B. */
static TARGET void NAME(pack_panels)(int64_t K, int64_t N, const REAL *B, int64_t ldb,
                                     int64_t depth, REAL *packed, REAL *total)
{
    (void)depth;
    for (int64_t column = 0; column < N; column += PANEL) {
        vec sum[TILE_VECTORS];
        EACH(j, TILE_VECTORS) sum[j] = (vec){0};
        for (int64_t k = 0; k < K; k++, packed += PANEL)
            EACH(j, TILE_VECTORS)
            {
                int64_t n = N - column - j * LANES;
                vec b = NAME(load_some)(B + k * ldb + column + j * LANES, n);
                sum[j] += b;
                memcpy(packed + j * LANES, &b, sizeof b);
            }
        NAME(add_sums)(sum, N, column, total);
    }
}

/* packed = B (K, N), row stride ldb, as the second factor of a product. */
static TARGET void NAME(pack)(int64_t K, int64_t N, const REAL *B, int64_t ldb, int64_t depth,
                              REAL *packed)
{
    if (N > NARROW) {
        NAME(pack_panels)(K, N, B, ldb, depth, packed, 0);
        return;
    }
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < K; k++)
            packed[n * K + k] = B[k * ldb + n];
}

/* packed = the transpose of B (N, K), row stride ldb, as the second factor of a product. */
static TARGET void NAME(pack_transposed)(int64_t K, int64_t N, const REAL *B, int64_t ldb,
                                         int64_t depth, REAL *packed)
{
    (void)depth;
    if (N <= NARROW) {
        for (int64_t n = 0; n < N; n++)
            memcpy(packed + n * K, B + n * ldb, K * sizeof(REAL));
        return;
    }
    for (int64_t column = 0; column < N; column += PANEL, packed += K * PANEL) {
        int64_t width = N - column < PANEL ? N - column : PANEL, k = 0, j;
        if (width < PANEL)
            memset(packed, 0, K * PANEL * sizeof(REAL));
        for (; k + 4 <= K; k += 4) {
            for (j = 0; j + 4 <= width; j += 4)
                NAME(transpose_4x4)(B + (column + j) * ldb + k, ldb, packed + k * PANEL + j);
            for (; j < width; j++)
                for (int64_t i = k; i < k + 4; i++)
                    packed[i * PANEL + j] = B[(column + j) * ldb + i];
        }
        for (; k < K; k++)
            for (j = 0; j < width; j++)
                packed[k * PANEL + j] = B[(column + j) * ldb + k];
    }
}

/* left (panels of K rows) from row first on = A (rows, M), row stride lda, times mask (rows, M)
   unless that is NULL, as the transposed first factor of product_transposed. */
static TARGET void NAME(pack_left_panels)(int64_t rows, int64_t M, const REAL *A, int64_t lda,
                                          const REAL *mask, int64_t K, int64_t first, int64_t depth,
                                          REAL *left)
{
    (void)depth;
    for (int64_t m = 0; m < M; m += TILE_ROWS) {
        REAL *panel = left + (m / TILE_ROWS * K + first) * TILE_ROWS;
        int64_t width = M - m < TILE_ROWS ? M - m : TILE_ROWS;
        if (width == TILE_ROWS && !mask)
            for (int64_t k = 0; k < rows; k++)
                memcpy(panel + k * TILE_ROWS, A + k * lda + m, TILE_ROWS * sizeof(REAL));
        else
            for (int64_t k = 0; k < rows; k++)
                for (int64_t i = 0; i < width; i++)
                    panel[k * TILE_ROWS + i] =
                        A[k * lda + m + i] * (mask ? mask[k * M + m + i] : 1);
    }
}

/* C = start + A B for depth rows of B. */
INLINE void NAME(add_rows_of)(const int depth, int64_t M, int64_t N, const REAL *A, int64_t lda,
                              const REAL *B, int64_t ldb, const REAL *start, int64_t start_stride,
                              REAL *C, int64_t ldc)
{
    for (; M > 0; M--, A += lda, C += ldc) {
        vec a[8];
        EACH(i, depth) a[i] = BROADCAST(A[i]);
        for (int64_t j = 0; j < N; j += LANES) {
            vec sum = start ? NAME(load)(start + j, N - j) : (vec){0};
            EACH(i, depth) ADD_PRODUCT(sum, a[i], NAME(load)(B + i * ldb + j, N - j));
            NAME(store)(C + j, sum, N - j);
        }
        start = start ? start + start_stride : 0;
    }
}

/* What product makes of B packed, bit for bit, of B (K, N) as it lies, row stride ldb; there are
   more than NARROW columns. For a few rows, where it would take longer to pack B: whose rows are
   read once, and added to C some at a time. */
static TARGET void NAME(product_unpacked)(int64_t M, int64_t N, int64_t K, const REAL *A,
                                          int64_t lda, const REAL *B, int64_t ldb,
                                          const REAL *start, int64_t start_stride, REAL *C,
                                          int64_t ldc)
{
    for (int64_t k = 0, depth; k < K; k += depth, A += depth, B += depth * ldb) {
        depth = K - k < 8 ? 1 : 8;
        if (depth == 8)
            NAME(add_rows_of)(8, M, N, A, lda, B, ldb, start, start_stride, C, ldc);
        else
            NAME(add_rows_of)(1, M, N, A, lda, B, ldb, start, start_stride, C, ldc);
        start = C, start_stride = ldc;
    }
}
