/* Packing of factors rounded to bfloat16 for product.h, which includes this: what its functions
   take for an element is two numbers, of k and k + 1, and K counts the pairs. The number of k
   stands first, in the lower half; beyond the last there is 0. Here K is that of the numbers.

   Numbers are rounded to nearest, ties to even. The instructions take denormal numbers, also those
   of a result, for 0, and add the product of k + 1 first. */

#define BROADCAST(x) (vec) _mm512_set1_ps(x)
#define ADD_PRODUCT(sum, a, b)                                                                     \
    (sum) = (vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b))

/* So many numbers of k and k + 1 side by side, as LANES pairs. */
INLINE vec NAME(pairs_of)(vec even, vec odd)
{
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (vec)_mm512_permutexvar_epi16(order,
                                         (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

/* Write a rounded number to one half of a pair. */
INLINE void NAME(put_half)(REAL *pair, int64_t half, REAL x)
{
    __m128i rounded = (__m128i)_mm_cvtneps_pbh(_mm_set_ss(x));
    memcpy((char *)pair + 2 * half, &rounded, 2);
}

/* y (rows, pairs), row stride y_stride = x (rows, n), row stride x_stride, in pairs; what is left
   of a row of y is 0. */
static TARGET void NAME(round_rows)(int64_t rows, int64_t n, const REAL *x, int64_t x_stride,
                                    REAL *y, int64_t y_stride)
{
    for (; rows > 0; rows--, x += x_stride, y += y_stride) {
        for (int64_t j = 0; j < n; j += 2 * LANES) {
            vec low = NAME(load)(x + j, n - j),
                high = NAME(load_some)(x + j + LANES, n - j - LANES);
            NAME(store)(y + j / 2, (vec)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low),
                        (n - j + 1) / 2);
        }
        for (int64_t j = (n + 1) / 2; j < y_stride; j++)
            y[j] = 0;
    }
}

/* As in panels.h, and so are the next; the depth of a panel is the number of its pairs, or larger,
   and then it is filled up with 0. */
static TARGET void NAME(pack_panels)(int64_t K, int64_t N, const REAL *B, int64_t ldb,
                                     int64_t depth, REAL *packed, REAL *total)
{
    for (int64_t column = 0; column < N; column += PANEL) {
        vec sum[TILE_VECTORS];
        EACH(j, TILE_VECTORS) sum[j] = (vec){0};
        for (int64_t k = 0; k < K; k += 2, packed += PANEL)
            EACH(j, TILE_VECTORS)
            {
                const REAL *b = B + k * ldb + column + j * LANES;
                int64_t n = N - column - j * LANES;
                vec even = NAME(load_some)(b, n);
                vec odd = k + 1 < K ? NAME(load_some)(b + ldb, n) : (vec){0};
                sum[j] += even;
                sum[j] += odd;
                NAME(store)(packed + j * LANES, NAME(pairs_of)(even, odd), LANES);
            }
        NAME(add_sums)(sum, N, column, total);
        memset(packed, 0, (depth - (K + 1) / 2) * PANEL * sizeof(REAL));
        packed += (depth - (K + 1) / 2) * PANEL;
    }
}

static TARGET void NAME(pack)(int64_t K, int64_t N, const REAL *B, int64_t ldb, int64_t depth,
                              REAL *packed)
{
    if (N > NARROW) {
        NAME(pack_panels)(K, N, B, ldb, depth, packed, 0);
        return;
    }
    for (int64_t n = 0; n < N; n++, packed += depth)
        for (int64_t k = 0; k < 2 * depth; k++)
            NAME(put_half)(packed + k / 2, k % 2, k < K ? B[k * ldb + n] : 0);
}

static TARGET void NAME(pack_transposed)(int64_t K, int64_t N, const REAL *B, int64_t ldb,
                                         int64_t depth, REAL *packed)
{
    enum { COLUMNS = 4, DEPTH = 32 }; /* of what is rounded at a time */
    REAL rounded[COLUMNS * DEPTH];
    if (N <= NARROW) {
        NAME(round_rows)(N, K, B, ldb, packed, depth);
        return;
    }
    for (int64_t column = 0; column < N; column += PANEL, packed += depth * PANEL) {
        int64_t width = N - column < PANEL ? N - column : PANEL;
        if (width < PANEL)
            memset(packed, 0, depth * PANEL * sizeof(REAL));
        for (int64_t j = 0; j < width; j += COLUMNS) {
            int64_t columns = width - j < COLUMNS ? width - j : COLUMNS;
            for (int64_t k = 0; k < depth; k += DEPTH) {
                int64_t count = depth - k < DEPTH ? depth - k : DEPTH, i = 0;
                REAL *to = packed + k * PANEL + j;
                int64_t n = K - 2 * k < 2 * DEPTH ? K - 2 * k : 2 * DEPTH;
                NAME(round_rows)(columns, n > 0 ? n : 0, B + (column + j) * ldb + 2 * k, ldb,
                                 rounded, DEPTH);
                if (columns == COLUMNS)
                    for (; i + 4 <= count; i += 4)
                        NAME(transpose_4x4)(rounded + i, DEPTH, to + i * PANEL);
                for (; i < count; i++)
                    for (int64_t c = 0; c < columns; c++)
                        memcpy(to + i * PANEL + c, rounded + c * DEPTH + i, sizeof(REAL));
            }
        }
    }
}

/* Threads may fill the halves of one pair. */
static TARGET void NAME(pack_left_panels)(int64_t rows, int64_t M, const REAL *A, int64_t lda,
                                          const REAL *mask, int64_t K, int64_t first, int64_t depth,
                                          REAL *left)
{
    enum { WIDTH = 16 * TILE_ROWS };        /* columns that are rounded at a time */
    const int64_t size = depth * TILE_ROWS; /* of a panel */
    REAL pairs[WIDTH];
    for (int64_t m = 0; m < M; m += WIDTH) {
        int64_t width = M - m < WIDTH ? M - m : WIDTH, step;
        for (int64_t row = 0; row < rows; row += step) {
            const REAL *a = A + row * lda + m, *factor = mask ? mask + row * M + m : 0;
            int64_t k = first + row;
            REAL *panel = left + m / TILE_ROWS * size + k / 2 * TILE_ROWS;
            step = k % 2 || row + 1 == rows ? 1 : 2;
            if (step == 1) {
                for (int64_t j = 0; j < width; j++) {
                    REAL *pair = panel + j / TILE_ROWS * size + j % TILE_ROWS;
                    NAME(put_half)(pair, k % 2, factor ? a[j] * factor[j] : a[j]);
                    if (k % 2 == 0 && k + 1 == K)
                        NAME(put_half)(pair, 1, 0);
                }
                continue;
            }
            for (int64_t j = 0; j < width; j += LANES) {
                vec even = NAME(load)(a + j, width - j), odd = NAME(load)(a + lda + j, width - j);
                if (factor) {
                    even *= NAME(load)(factor + j, width - j);
                    odd *= NAME(load)(factor + M + j, width - j);
                }
                NAME(store)(pairs + j, NAME(pairs_of)(even, odd), LANES);
            }
            for (int64_t j = 0; j < width; j += TILE_ROWS, panel += size)
                memcpy(panel, pairs + j,
                       (width - j < TILE_ROWS ? width - j : TILE_ROWS) * sizeof *panel);
        }
    }
}
