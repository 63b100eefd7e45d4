/* Matrix products with packed factors. Included by functions.h.

   BLAS packs its factors anew at every call. In a recurrent network the second factor is the same
   at every time step, so here it is packed once: in panels of TILE_VECTORS vectors of columns,
   [K][PANEL] each, the last one filled up with zeros. A tile of at most TILE_ROWS rows by one panel
   is summed in registers over all of K, of the last panel only the vectors that hold columns; of
   one or two rows several panels go together, so that enough sums are under way to hide the latency
   of a multiplication. A second factor of so few columns that most of a vector would be zeros is
   packed as [N][K], and products with it are sums along rows. A first factor that enters transposed
   is packed too, in panels [K][TILE_ROWS]. It is panels.h that packs, or pairs.h where an element
   of a factor is not a number but a pair of them, for two k at a time: K is then the number of
   pairs.

   Every element of a result is one sum whose order is fixed by K and N alone: a sequence's result
   does not depend on its batch mates. */

#if LEVEL == 4
#define TILE_VECTORS 4 /* 24 accumulators of 32 registers */
#else
#define TILE_VECTORS 2 /* 12 accumulators of 16 registers */
#endif
#define TILE_ROWS LEFT_PANEL
#define MAX_VECTORS 8 /* side by side in a tile of one row */
#define PANEL (TILE_VECTORS * LANES)
#define NARROW (LANES / 4)
/* The columns of a panel, for those who divide a product (team.pxd), and what is narrow. */
enum { NAME(panel) = PANEL, NAME(narrow) = NARROW };
#define LINE (64 / (int64_t)sizeof(REAL)) /* elements of a line of a cache */
/* Panels that stay in a first-level cache while all rows pass by. */
#define CACHED_PANELS_BYTES (16 * 1024)
/* A result larger than this is fetched ahead of the tile that adds to it. */
#define CACHED_RESULT_BYTES (256 * 1024)
#if defined(__clang__)
#define EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#endif

/* Let a vector be loaded once, also if few rows use it: gcc would load it for each. */
#if LEVEL > 1
#define HOLD(x) __asm__("" : "+v"(x))
#else
#define HOLD(x) (void)(x)
#endif

/* Elements of two vectors side by side, by number. */
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef INTEGER NAME(four_numbers) __attribute__((vector_size(4 * sizeof(INTEGER))));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(four_numbers)){__VA_ARGS__})
#endif

/* The four vectors of four at B, ldb apart, transposed: to packed, PANEL apart. */
INLINE void NAME(transpose_4x4)(const REAL *B, int64_t ldb, REAL *packed)
{
    typedef REAL four __attribute__((vector_size(4 * sizeof(REAL))));
    four row[4], low[2], high[2];
    EACH(i, 4) memcpy(&row[i], B + i * ldb, sizeof row[i]);
    EACH(i, 2)
    {
        low[i] = SHUFFLE(row[i], row[i + 2], 0, 4, 1, 5);
        high[i] = SHUFFLE(row[i], row[i + 2], 2, 6, 3, 7);
    }
    row[0] = SHUFFLE(low[0], low[1], 0, 4, 1, 5);
    row[1] = SHUFFLE(low[0], low[1], 2, 6, 3, 7);
    row[2] = SHUFFLE(high[0], high[1], 0, 4, 1, 5);
    row[3] = SHUFFLE(high[0], high[1], 2, 6, 3, 7);
    EACH(i, 4) memcpy(packed + i * PANEL, &row[i], sizeof row[i]);
}

/* The first n elements at p, as in load; n may be less than 1. */
INLINE vec NAME(load_some)(const REAL *p, int64_t n)
{
    return n > 0 ? NAME(load)(p, n) : (vec){0};
}

/* total (N,) += the sums of a panel that begins at a column, unless it is NULL. */
INLINE void NAME(add_sums)(const vec *sum, int64_t N, int64_t column, REAL *total)
{
    EACH(j, TILE_VECTORS)
    {
        int64_t n = N - column - j * LANES;
        if (total && n > 0) {
            REAL *t = total + column + j * LANES;
            NAME(store)(t, NAME(load)(t, n) + sum[j], n);
        }
    }
}

#ifdef PAIRS
#include "pairs.h"
#else
#include "panels.h"
#endif

/* One product A B of those that a result is the sum of; K may be 0. */
typedef struct {
    int64_t K;
    const REAL *A; /* first row of the tile */
    int64_t row_stride, column_stride;
    const REAL *packed; /* B from the first panel of the tile on */
    int64_t ahead;      /* how far behind those lies what is fetched meanwhile */
} NAME(factors);
#define factors NAME(factors)

/* sum += A B for rows rows and vectors vectors. */
INLINE void NAME(accumulate)(const int rows, const int vectors, factors f,
                             vec sum[TILE_ROWS][MAX_VECTORS])
{
    const REAL *a_k = f.A, *b_k = f.packed;
    for (int64_t k = 0; k < f.K; k++, a_k += f.column_stride, b_k += PANEL) {
        vec b[MAX_VECTORS];
        __builtin_prefetch(b_k + f.ahead, 0, 2);
        EACH(j, vectors)
        {
            b[j] =
                NAME(load)(b_k + j / TILE_VECTORS * f.K * PANEL + j % TILE_VECTORS * LANES, LANES);
            if (rows > 1)
                HOLD(b[j]);
        }
        EACH(i, rows)
        {
            vec a = BROADCAST(a_k[i * f.row_stride]);
            EACH(j, vectors) ADD_PRODUCT(sum[i][j], a, b[j]);
        }
    }
}

/* C = start + the products, for rows rows and vectors vectors, of which n columns are wanted. */
INLINE void NAME(tile)(const int rows, const int vectors, int64_t n, const factors *first,
                       const factors *second, const REAL *start, int64_t start_stride, REAL *C,
                       int64_t ldc)
{
    vec sum[TILE_ROWS][MAX_VECTORS];
    EACH(i, rows) EACH(j, vectors)
    {
        sum[i][j] = (vec){0};
        if (start && n > j * LANES)
            sum[i][j] = NAME(load)(start + i * start_stride + j * LANES, n - j * LANES);
    }
    NAME(accumulate)(rows, vectors, *first, sum);
    NAME(accumulate)(rows, vectors, *second, sum);
    EACH(i, rows) EACH(j, vectors)
    {
        if (n > j * LANES)
            NAME(store)(C + i * ldc + j * LANES, sum[i][j], n - j * LANES);
    }
}

/* The first vectors of B, as many as go together for so few rows: returns how many. There are n
   columns left. */
static TARGET int64_t NAME(some_vectors)(int64_t rows, int64_t n, const factors *first,
                                         const factors *second, const REAL *start,
                                         int64_t start_stride, REAL *C, int64_t ldc)
{
#define TILE(rows, vectors)                                                                        \
    NAME(tile)(rows, vectors, n, first, second, start, start_stride, C, ldc);                      \
    return vectors;
#if TILE_VECTORS == 4
#define TILES(rows)                                                                                \
    if (n > 3 * LANES) {                                                                           \
        TILE(rows, 4)                                                                              \
    }                                                                                              \
    if (n > 2 * LANES) {                                                                           \
        TILE(rows, 3)                                                                              \
    }                                                                                              \
    if (n > LANES) {                                                                               \
        TILE(rows, 2)                                                                              \
    }                                                                                              \
    TILE(rows, 1)
#else
#define TILES(rows)                                                                                \
    if (n > LANES) {                                                                               \
        TILE(rows, 2)                                                                              \
    }                                                                                              \
    TILE(rows, 1)
#endif
    switch (rows) {
    case 6: TILES(6)
    case 5: TILES(5)
    case 4: TILES(4)
    case 3: TILES(3)
    case 2:
        if (TILE_VECTORS == 2 && n > PANEL) {
            TILE(2, 2 * TILE_VECTORS)
        }
        TILES(2)
    default:
        if (n > MAX_VECTORS * LANES - PANEL) {
            TILE(1, MAX_VECTORS)
        }
        TILES(1)
    }
#undef TILE
#undef TILES
}

/* The factors of the tile at row m and column `column`. */
INLINE factors NAME(factors_at)(factors f, int64_t m, int64_t column)
{
    f.A += m * f.row_stride;
    f.packed += column * f.K;
    return f;
}

/* C = start + the products, tile by tile. With is_packed the A of the first, alone, is in panels.
 */
INLINE void NAME(all_tiles)(const int is_packed, int64_t M, int64_t N, factors first,
                            factors second, const REAL *start, int64_t start_stride, REAL *C,
                            int64_t ldc)
{
    /* Rows are dealt out evenly, as few of them make a slow tile; panels are as they are. */
    int64_t tiles = (M + TILE_ROWS - 1) / TILE_ROWS;
    int64_t width = CACHED_PANELS_BYTES / ((first.K + second.K) * (int64_t)sizeof(REAL));
    int is_large = M * N * (int64_t)sizeof(REAL) > CACHED_RESULT_BYTES;
    width = width < PANEL ? PANEL : width / PANEL * PANEL;
    if (tiles == 1)
        width = N;
    for (int64_t begin = 0; begin < N; begin += width) {
        int64_t end = begin + width < N ? begin + width : N;
        for (int64_t tile = 0, m = 0, rows; tile < tiles; tile++, m += rows) {
            rows = M / tiles + (tile < M % tiles);
            if (is_packed)
                rows = M - m < TILE_ROWS ? M - m : TILE_ROWS;
            for (int64_t column = begin; column < end;) {
                REAL *c = C + m * ldc + column;
                if (is_packed && is_large)
                    for (int64_t i = 0; i < rows; i++)
                        for (int64_t j = 0; j < PANEL; j += LINE)
                            __builtin_prefetch(c + (rows + i) * ldc + j, 1);
                factors one = NAME(factors_at)(first, m, column);
                factors two = NAME(factors_at)(second, m, column);
                /* Each tile fetches a line of every row of the next panel: weights that are larger
                   than a cache are there when it is their turn. */
                one.ahead = first.K * PANEL + tile * LINE % PANEL;
                two.ahead = second.K * PANEL + tile * LINE % PANEL;
                if (is_packed)
                    one.A = first.A + m * first.K, one.ahead = 0;
                const REAL *s = start ? start + m * start_stride + column : 0;
                column += LANES * NAME(some_vectors)(rows, end - column, &one, &two, s,
                                                     start_stride, c, ldc);
            }
        }
    }
}

/* C = start + A B for B of at most NARROW columns. */
static TARGET void NAME(narrow_product)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda,
                                        const REAL *packed, const REAL *start, int64_t start_stride,
                                        REAL *C, int64_t ldc)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            vec sum[4] = {{0}};
            REAL total = start ? start[m * start_stride + n] : 0;
            for (int64_t k = 0; k < K; k += 4 * LANES)
                EACH(j, 4)
            if (k + j * LANES < K)
                ADD_PRODUCT(sum[j], NAME(load)(A + m * lda + k + j * LANES, K - k - j * LANES),
                            NAME(load)(packed + n * K + k + j * LANES, K - k - j * LANES));
            vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
            for (int64_t j = 0; j < LANES; j++)
                total += all[j];
            C[m * ldc + n] = total;
        }
}

/* C (M, N), row stride ldc = start + A B. A (M, K) has the row stride lda; packed holds B (K, N);
   start (M, N) has the row stride start_stride, which may be 0 for one row that all rows start
   from; it is NULL for zeros, and may be C. */
static TARGET void NAME(product)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda,
                                 const REAL *packed, const REAL *start, int64_t start_stride,
                                 REAL *C, int64_t ldc)
{
    if (N <= NARROW) {
        NAME(narrow_product)(M, N, K, A, lda, packed, start, start_stride, C, ldc);
        return;
    }
    factors first = {K, A, lda, 1, packed}, none = {0};
    NAME(all_tiles)(0, M, N, first, none, start, start_stride, C, ldc);
}

/* C = start + A B + A2 B2, with arguments as above; the same bits as one after the other. */
static TARGET void NAME(product_pair)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda,
                                      const REAL *packed, int64_t K2, const REAL *A2, int64_t lda2,
                                      const REAL *packed2, const REAL *start, int64_t start_stride,
                                      REAL *C, int64_t ldc)
{
    if (N <= NARROW) {
        NAME(narrow_product)(M, N, K, A, lda, packed, start, start_stride, C, ldc);
        NAME(narrow_product)(M, N, K2, A2, lda2, packed2, C, ldc, C, ldc);
        return;
    }
    factors first = {K, A, lda, 1, packed}, second = {K2, A2, lda2, 1, packed2};
    NAME(all_tiles)(0, M, N, first, second, start, start_stride, C, ldc);
}

/* C (M, N), row stride ldc += A' B for A (K, M) and B (K, N) in panels. */
static TARGET void NAME(product_transposed)(int64_t M, int64_t N, int64_t K, const REAL *left,
                                            const REAL *packed, REAL *C, int64_t ldc)
{
    factors first = {K, left, 1, TILE_ROWS, packed}, none = {0};
    NAME(all_tiles)(1, M, N, first, none, C, ldc, C, ldc);
}

#undef factors
#undef TILE_VECTORS
#undef TILE_ROWS
#undef MAX_VECTORS
#undef PANEL
#undef LINE
#undef NARROW
#undef CACHED_PANELS_BYTES
#undef CACHED_RESULT_BYTES
#undef EACH
#undef HOLD
#undef SHUFFLE
#undef BROADCAST
#undef ADD_PRODUCT
