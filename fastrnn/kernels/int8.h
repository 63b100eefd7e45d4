/* Products of rows with a second factor of whole numbers from -127 to 127, with a scale for each of
   its columns: a quarter of the bytes of floats, and these are what the step of one stream waits
   for. Included by levels.h for every level; fastrnn/streams/int8.py makes such factors.

   Rows become whole numbers of 16 bits, with a scale for each row. Their largest is such that no
   sum of K products leaves 32 bits, so sums are exact, and results the same at every level but for
   the last rounding.

   The factor is laid out in panels of INT8_PANEL columns, [(K + 1) / 2][INT8_PANEL][2]: k and k + 1
   stand side by side, as the instructions take them. What is missing is 0, also of scales. */

#ifndef INT8_PANEL
#define INT8_PANEL 64
#define INT8_LARGEST 127
/* Rows of smaller numbers are 0: what they would be divided by has no inverse. */
#define INT8_LEAST 1e-30f
#endif

#define INLINE static inline __attribute__((always_inline)) TARGET
#if defined(__clang__)
#define EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#endif

#if LEVEL == 4
#define LANES 16
#define MOST_ROWS 4
#define INTS __m512i
#define WIDENED(p) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(p)))
#define PAIR(x) _mm512_set1_epi32(x)
#ifdef HAS_VNNI
#define ADD_PAIRS(sum, x, w) _mm512_dpwssd_epi32(sum, x, w)
#else
#define ADD_PAIRS(sum, x, w) _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#endif
#define STORE(p, sum, scale, by)                                                                   \
    _mm512_storeu_ps(p, _mm512_mul_ps(_mm512_cvtepi32_ps(sum),                                     \
                                      _mm512_mul_ps(_mm512_loadu_ps(scale), _mm512_set1_ps(by))))
#elif LEVEL == 3
#define LANES 8
#define MOST_ROWS 2
#define INTS __m256i
#define WIDENED(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p)))
#define PAIR(x) _mm256_set1_epi32(x)
#define ADD_PAIRS(sum, x, w) _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#define STORE(p, sum, scale, by)                                                                   \
    _mm256_storeu_ps(p, _mm256_mul_ps(_mm256_cvtepi32_ps(sum),                                     \
                                      _mm256_mul_ps(_mm256_loadu_ps(scale), _mm256_set1_ps(by))))
#elif defined(__SSE2__)
#define LANES 4
#define MOST_ROWS 2
#define INTS __m128i
/* Each byte twice, and then the upper one alone. */
#define BYTES_TWICE(w) _mm_unpacklo_epi8(w, w)
#define WIDENED(p) _mm_srai_epi16(BYTES_TWICE(_mm_loadl_epi64((const __m128i *)(p))), 8)
#define PAIR(x) _mm_set1_epi32(x)
#define ADD_PAIRS(sum, x, w) _mm_add_epi32(sum, _mm_madd_epi16(x, w))
#define STORE(p, sum, scale, by)                                                                   \
    _mm_storeu_ps(                                                                                 \
        p, _mm_mul_ps(_mm_cvtepi32_ps(sum), _mm_mul_ps(_mm_loadu_ps(scale), _mm_set1_ps(by))))
#else
#define MOST_ROWS 1
#endif

/* x (K,) is y times what is returned, to less than a half of that; behind an odd K stands a 0. If
   a number is not finite it is NaN, of zeros. */
static TARGET float NAME(to_int16)(int64_t K, const float *x, int32_t largest, int16_t *y)
{
    uint32_t bits = 0;
    float most;
    int64_t k = 0;
    for (; k < K; k++) {
        uint32_t b;
        memcpy(&b, x + k, sizeof b);
        b &= 0x7fffffff;
        bits = b > bits ? b : bits;
    }
    memcpy(&most, &bits, sizeof most);
    memset(y, 0, (size_t)(K + K % 2) * sizeof *y);
    if (bits >= 0x7f800000)
        return most - most + NAN;
    if (most < INT8_LEAST)
        return 0;
    float inverse = (float)largest / most;
    k = 0;
#if LEVEL == 4
    for (; k + LANES <= K; k += LANES) {
        __m512i whole =
            _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + k), _mm512_set1_ps(inverse)));
        _mm256_storeu_si256((__m256i *)(y + k), _mm512_cvtepi32_epi16(whole));
    }
#endif
    for (; k < K; k++)
        y[k] = (int16_t)lrintf(x[k] * inverse);
    return most / (float)largest;
}

/* y (rows, INT8_PANEL) = the products of rows, x_stride apart, with vectors vectors of a panel,
   from one of its columns on. */
#ifdef INTS
INLINE void NAME(tile)(const int rows, const int vectors, int64_t pairs, const int16_t *x,
                       int64_t x_stride, const float *x_scale, const int8_t *panel,
                       const float *scale, float *y)
{
    INTS sum[MOST_ROWS][4];
    EACH(i, rows) EACH(j, vectors) sum[i][j] = PAIR(0);
    for (int64_t k = 0; k < pairs; k++, panel += 2 * INT8_PANEL) {
        INTS w[4];
        EACH(j, vectors) w[j] = WIDENED(panel + 2 * j * LANES);
        EACH(i, rows)
        {
            int32_t pair;
            memcpy(&pair, x + i * x_stride + 2 * k, sizeof pair);
            EACH(j, vectors) sum[i][j] = ADD_PAIRS(sum[i][j], PAIR(pair), w[j]);
        }
    }
    EACH(i, rows)
    EACH(j, vectors)
    STORE(y + i * INT8_PANEL + j * LANES, sum[i][j], scale + j * LANES, x_scale[i]);
}
#endif

/* The same of a whole panel, of whose columns n are wanted; rows is MOST_ROWS or 1. */
static TARGET void NAME(some_rows)(int64_t rows, int64_t n, int64_t pairs, const int16_t *x,
                                   const float *x_scale, const int8_t *panel, const float *scale,
                                   float *y)
{
#ifdef INTS
#define TILE(rows, vectors)                                                                        \
    NAME(tile)(rows, vectors, pairs, x, 2 * pairs, x_scale, panel + 2 * column, scale + column,    \
               y + column)
    for (int64_t column = 0; column < n; column += 4 * LANES) {
        if (rows == 1 && n - column <= LANES)
            TILE(1, 1);
        else if (rows == 1)
            TILE(1, 4);
        else
            TILE(MOST_ROWS, 4);
    }
#undef TILE
#else
    int32_t sum[INT8_PANEL] = {0};
    (void)rows;
    for (int64_t k = 0; k < pairs; k++, panel += 2 * INT8_PANEL)
        for (int64_t j = 0; j < INT8_PANEL; j++)
            sum[j] += x[2 * k] * panel[2 * j] + x[2 * k + 1] * panel[2 * j + 1];
    for (int64_t j = 0; j < n; j++)
        y[j] = (float)sum[j] * (x_scale[0] * scale[j]);
#endif
}

/* C (rows, N), row stride ldc = start + A B. A (rows, K) has the row stride lda; packed and scale
   hold B (K, N), scale in whole panels; start (rows, N) has the row stride start_stride, which may
   be 0; it is NULL for zeros, and may be C. Room is for A: (rows, K + 2). */
static TARGET void NAME(product)(int64_t rows, int64_t N, int64_t K, const float *A, int64_t lda,
                                 const int8_t *packed, const float *scale, const float *start,
                                 int64_t start_stride, float *C, int64_t ldc, float *room)
{
    const int64_t pairs = (K + 1) / 2, most = INT32_MAX / (INT8_LARGEST * K);
    int16_t *x = (int16_t *)(room + rows);
    float y[MOST_ROWS * INT8_PANEL];
    for (int64_t m = 0; m < rows; m++)
        room[m] = NAME(to_int16)(K, A + m * lda, (int32_t)(most < INT16_MAX ? most : INT16_MAX),
                                 x + 2 * m * pairs);
    for (int64_t column = 0; column < N; column += INT8_PANEL) {
        int64_t n = N - column < INT8_PANEL ? N - column : INT8_PANEL, step;
        for (int64_t m = 0; m < rows; m += step) {
            step = rows - m < MOST_ROWS ? 1 : MOST_ROWS;
            NAME(some_rows)(step, n, pairs, x + 2 * m * pairs, room + m,
                            packed + 2 * pairs * column, scale + column, y);
            for (int64_t i = 0; i < step; i++) {
                float *c = C + (m + i) * ldc + column;
                const float *s = start ? start + (m + i) * start_stride + column : 0;
                for (int64_t j = 0; j < n; j++)
                    c[j] = (s ? s[j] : 0) + y[i * INT8_PANEL + j];
            }
        }
    }
}

#undef INLINE
#undef EACH
#undef LANES
#undef MOST_ROWS
#undef INTS
#undef WIDENED
#undef PAIR
#undef BYTES_TWICE
#undef ADD_PAIRS
#undef STORE
