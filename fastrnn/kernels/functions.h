/* All vector functions for one instruction set and one type, and the table of them. Included by
   level.h, which says what is defined. */

#include "splitmix.h"
#include "vector_math.h"

static TARGET void NAME(sigmoid_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(sigmoid)(NAME(load)(x, n)), n);
}

static TARGET void NAME(tanh_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(tanh)(NAME(load)(x, n)), n);
}

static TARGET void NAME(exp_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(exp)(NAME(load)(x, n)), n);
}

/* The larger of two, lane by lane; top where x is NaN. */
INLINE vec NAME(larger)(vec x, vec top)
{
#if LEVEL == 4 && IS_FLOAT
    return (vec)_mm512_max_ps((__m512)x, (__m512)top);
#elif LEVEL == 4
    return (vec)_mm512_max_pd((__m512d)x, (__m512d)top);
#elif LEVEL == 3 && IS_FLOAT
    return (vec)_mm256_max_ps((__m256)x, (__m256)top);
#elif LEVEL == 3
    return (vec)_mm256_max_pd((__m256d)x, (__m256d)top);
#else
    ivec above = (ivec)(x > top);
    return (vec)((above & (ivec)x) | (~above & (ivec)top));
#endif
}

/* The maximum of z (n,), n > 0; NaN if that is the first element. */
static TARGET REAL NAME(maximum_of)(int64_t n, const REAL *z)
{
    REAL best = z[0];
    if (n < LANES) {
        for (int64_t j = 1; j < n; j++)
            best = z[j] > best ? z[j] : best;
        return best;
    }
    vec top[4]; /* so many hide the latency of a comparison */
    for (int i = 0; i < 4; i++)
        top[i] = z[0] - (vec){0};
    int64_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES)
        for (int i = 0; i < 4; i++)
            top[i] = NAME(larger)(NAME(load)(z + j + i * LANES, LANES), top[i]);
    for (; j + LANES <= n; j += LANES)
        top[0] = NAME(larger)(NAME(load)(z + j, LANES), top[0]);
    top[0] = NAME(larger)(NAME(load)(z + n - LANES, LANES), top[0]);
    for (int i = 1; i < 4; i++)
        top[0] = NAME(larger)(top[i], top[0]);
    for (j = 0; j < LANES; j++)
        best = top[0][j] > best ? top[0][j] : best;
    return best;
}

/* z (n,) = exp(z - maximum), n > 0; returns the sum of z. Only chunks of eight vectors are
   summed in REAL. */
static TARGET double NAME(exp_minus)(int64_t n, REAL *z, REAL maximum)
{
    double partial[LANES], total = 0.0;
    for (int64_t j = 0; j < LANES; j++)
        partial[j] = 0.0;
    while (n > 0) {
        vec sum = {0};
        for (int i = 0; i < 8 && n > 0; i++, n -= LANES, z += LANES) {
            NAME(store)(z, NAME(exp)(NAME(load)(z, n) - maximum), n);
            sum += NAME(load)(z, n); /* 0 beyond the end */
        }
        for (int64_t j = 0; j < LANES; j++)
            partial[j] += (double)sum[j];
    }
    for (int64_t j = 0; j < LANES; j++)
        total += partial[j];
    return total;
}

/* p (n,) *= scale, then dp (n,) = weight * p; dp may be p. */
static TARGET void NAME(scale_twice)(int64_t n, REAL scale, REAL weight, REAL *p, REAL *dp)
{
    for (; n > 0; n -= LANES, p += LANES, dp += LANES) {
        vec scaled = NAME(load)(p, n) * scale;
        NAME(store)(p, scaled, n);
        NAME(store)(dp, scaled * weight, n);
    }
}

/* total (n,) += the sum of the rows of x (rows, n), which stand stride apart. */
static TARGET void NAME(add_rows)(int64_t rows, int64_t n, const REAL *x, int64_t stride,
                                  REAL *total)
{
    for (int64_t j = 0; j < n; j += LANES) {
        vec sum = NAME(load)(total + j, n - j);
        for (int64_t row = 0; row < rows; row++)
            sum += NAME(load)(x + row * stride + j, n - j);
        NAME(store)(total + j, sum, n - j);
    }
}

/* x (n,) = 0 where y <= 0; y may be x. */
static TARGET void NAME(rectify)(int64_t n, const REAL *y, REAL *x)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES) {
        const ivec off = (ivec)(NAME(load)(y, n) <= 0);
        NAME(store)(x, (vec)((ivec)NAME(load)(x, n) & ~off), n);
    }
}

/* y (n,) = x times scale, or times 0 where 32 bits of the numbers that follow a seed, as memory has
   them, are below threshold. y may be x. */
static TARGET void NAME(drop)(int64_t n, uint64_t seed, uint32_t threshold, REAL scale,
                              const REAL *x, REAL *y)
{
    typedef uint64_t numbers __attribute__((vector_size(VECTOR_BYTES)));
    typedef uint32_t draws __attribute__((vector_size(4 * LANES)));
    enum { NUMBERS = VECTOR_BYTES / 8, UNITS = 2 * NUMBERS };
    const ivec scales = (ivec)(scale - (vec){0});
    numbers state;
    for (int k = 0; k < NUMBERS; k++)
        state[k] = seed + (uint64_t)(k + 1) * SPLITMIX_STEP;
    for (; n > 0; n -= UNITS, x += UNITS, y += UNITS, state += NUMBERS * SPLITMIX_STEP) {
        numbers z = state;
        SPLITMIX(z);
        for (int64_t j = 0; j < UNITS && j < n; j += LANES) {
            draws bits;
            memcpy(&bits, (const uint32_t *)&z + j, sizeof bits);
            const vec factor = (vec)(__builtin_convertvector(bits >= threshold, ivec) & scales);
            NAME(store)(y + j, NAME(load)(x + j, n - j) * factor, n - j);
        }
    }
}

#include "product.h"

/* Every header of the folder cells, and NAME(cells), the list of them: setup.py writes it. */
#include "cell_list.h"

#define ADDRESS(type, name, parameters) NAME(name),
static const TABLE NAME(table) = {NAME(panel), NAME(cells), FOR_EACH_FUNCTION(ADDRESS, REAL)};
#undef ADDRESS

#undef vec
#undef ivec
#undef LANES
#undef INLINE
