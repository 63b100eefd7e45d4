/* Matrix products with a packed second factor. Included by functions.h.

   BLAS packs its factors anew at every call. In a recurrent network the second factor is the same
   at every time step, so here it is packed once: in panels of TILE_VECTORS vectors of columns,
   [K][width] each, the last one filled up with zeros. A tile of TILE_ROWS rows by one panel is
   summed in registers over all of K. Every element of the result is one sum in the order of k,
   whatever the number of rows: a sequence's result does not depend on its batch mates. */

#if LEVEL == 4
#define TILE_VECTORS 4 /* 24 accumulators of 32 registers */
#else
#define TILE_VECTORS 2 /* 12 accumulators of 16 registers */
#endif
#define TILE_ROWS 6
#define PANEL (TILE_VECTORS * LANES)
#if defined(__clang__)
#define EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#endif

/* packed = the panels of B (K, N), row stride ldb. */
static TARGET void NAME(pack)(int64_t K, int64_t N, const REAL *B, int64_t ldb, REAL *packed)
{
    for (int64_t column = 0; column < N; column += PANEL)
        for (int64_t k = 0; k < K; k++, packed += PANEL)
            for (int64_t j = 0; j < PANEL; j += LANES) {
                int64_t n = N - column - j;
                vec b = {0};
                if (n > 0)
                    b = NAME(load)(B + k * ldb + column + j, n);
                memcpy(packed + j, &b, sizeof b);
            }
}

/* packed = the panels of the transpose of B (N, K), row stride ldb. */
static TARGET void NAME(pack_transposed)(int64_t K, int64_t N, const REAL *B, int64_t ldb,
                                         REAL *packed)
{
    const int64_t block = 16; /* of k, so that what is written stays in the first-level cache */
    for (int64_t column = 0; column < N; column += PANEL, packed += K * PANEL) {
        int64_t width = N - column < PANEL ? N - column : PANEL;
        if (width < PANEL)
            memset(packed, 0, K * PANEL * sizeof(REAL));
        for (int64_t begin = 0; begin < K; begin += block) {
            int64_t end = begin + block < K ? begin + block : K;
            for (int64_t j = 0; j < width; j++)
                for (int64_t k = begin; k < end; k++)
                    packed[k * PANEL + j] = B[(column + j) * ldb + k];
        }
    }
}

/* C = start + A B for rows rows and one panel, of which n columns are wanted. */
INLINE void NAME(tile)(const int rows, int64_t n, int64_t K, const REAL *A, int64_t row_stride,
                       int64_t column_stride, const REAL *panel, const REAL *start,
                       int64_t start_stride, REAL *C, int64_t ldc)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
    EACH(i, rows) EACH(j, TILE_VECTORS)
    {
        sum[i][j] = (vec){0};
        if (start && n > j * LANES)
            sum[i][j] = NAME(load)(start + i * start_stride + j * LANES, n - j * LANES);
    }
    for (int64_t k = 0; k < K; k++, A += column_stride, panel += PANEL) {
        vec b[TILE_VECTORS];
        EACH(j, TILE_VECTORS) b[j] = NAME(load)(panel + j * LANES, LANES);
        EACH(i, rows)
        {
            vec a = A[i * row_stride] - (vec){0};
            EACH(j, TILE_VECTORS) sum[i][j] += a * b[j];
        }
    }
    EACH(i, rows) EACH(j, TILE_VECTORS)
    {
        if (n > j * LANES)
            NAME(store)(C + i * ldc + j * LANES, sum[i][j], n - j * LANES);
    }
}

/* C (M, N), row stride ldc = start + A B. A (M, K) has any row and column stride; packed holds the
   panels of B (K, N); start (M, N) has the row stride start_stride, which may be 0 for one row that
   all rows start from; it is NULL for zeros, and may be C. */
static TARGET void NAME(product)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t row_stride,
                                 int64_t column_stride, const REAL *packed, const REAL *start,
                                 int64_t start_stride, REAL *C, int64_t ldc)
{
#define TILE(rows)                                                                                 \
    NAME(tile)(rows, n, K, a, row_stride, column_stride, packed, s, start_stride, c, ldc)
    for (int64_t column = 0; column < N; column += PANEL, packed += K * PANEL) {
        const REAL *a = A, *s = start ? start + column : 0;
        REAL *c = C + column;
        int64_t rest = M, n = N - column;
        for (; rest >= TILE_ROWS; rest -= TILE_ROWS) {
            TILE(TILE_ROWS);
            a += TILE_ROWS * row_stride;
            c += TILE_ROWS * ldc;
            s = s ? s + TILE_ROWS * start_stride : 0;
        }
        switch (rest) {
        case 5: TILE(5); break;
        case 4: TILE(4); break;
        case 3: TILE(3); break;
        case 2: TILE(2); break;
        case 1: TILE(1); break;
        }
    }
#undef TILE
}

#undef TILE_VECTORS
#undef TILE_ROWS
#undef PANEL
#undef EACH
