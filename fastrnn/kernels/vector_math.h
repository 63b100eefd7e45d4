/* Vectors for one instruction set and one type: loads and stores, exponentials, activations.

   level.h includes this file once for every instruction set and type, and defines before that

       REAL, INTEGER   the element type and the signed integer of its width
       IS_FLOAT        1 for float, 0 for double
       VECTOR_BYTES    width of a vector
       LEVEL           4 (AVX-512), 3 (AVX2 and FMA), 1 (the compiler's baseline)
       TARGET          the function attribute that allows these instructions
       NAME(f)         f with a suffix of its own in this inclusion

   Everything rests on one reduction (Cody and Waite 1980): x = n ln 2 + r with |r| <= ln 2 / 2, and
   a polynomial p(r) for exp(r) - 1, so that exp(x) - 1 = 2^n p + (2^n - 1) loses no digits near
   zero. The coefficients come from tools/fit_exp.py. tests/kernels/test_vector_math.py bounds the
   errors over the whole range: 4 ulp for float, 1e-15 absolute for double. */

typedef REAL NAME(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef INTEGER NAME(ivec) __attribute__((vector_size(VECTOR_BYTES)));
#define vec NAME(vec)
#define ivec NAME(ivec)
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline)) TARGET

#if LEVEL == 3
/* A mask of the first n lanes, 0 <= n < LANES. */
INLINE ivec NAME(first_lanes)(int64_t n)
{
    static const INTEGER lanes[2 * LANES] = {-1, -1, -1,
                                             -1,
#if IS_FLOAT
                                             -1, -1, -1,
                                             -1
#endif
    };
    ivec mask;
    memcpy(&mask, lanes + LANES - n, sizeof mask);
    return mask;
}
#endif

/* The first n elements at p (all LANES of them if n is larger); the other lanes are 0. */
INLINE vec NAME(load)(const REAL *p, int64_t n)
{
    vec x = {0};
    if (n >= LANES) {
        memcpy(&x, p, sizeof x);
        return x;
    }
#if LEVEL == 4 && IS_FLOAT
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
#elif LEVEL == 4
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1u), p);
#elif LEVEL == 3 && IS_FLOAT
    return (vec)_mm256_maskload_ps(p, (__m256i)NAME(first_lanes)(n));
#elif LEVEL == 3
    return (vec)_mm256_maskload_pd(p, (__m256i)NAME(first_lanes)(n));
#else
    for (int64_t j = 0; j < n; j++)
        x[j] = p[j];
    return x;
#endif
}

INLINE void NAME(store)(REAL *p, vec x, int64_t n)
{
    if (n >= LANES) {
        memcpy(p, &x, sizeof x);
        return;
    }
#if LEVEL == 4 && IS_FLOAT
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)x);
#elif LEVEL == 4
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1u), (__m512d)x);
#elif LEVEL == 3 && IS_FLOAT
    _mm256_maskstore_ps(p, (__m256i)NAME(first_lanes)(n), (__m256)x);
#elif LEVEL == 3
    _mm256_maskstore_pd(p, (__m256i)NAME(first_lanes)(n), (__m256d)x);
#else
    for (int64_t j = 0; j < n; j++)
        p[j] = x[j];
#endif
}

/* x held to [low, high]; NaN stays NaN, because every comparison with it is false. */
INLINE vec NAME(clamp)(vec x, REAL low, REAL high)
{
    vec l = low - (vec){0}, u = high - (vec){0};
#if LEVEL == 4 && IS_FLOAT
    return (vec)_mm512_min_ps((__m512)u, _mm512_max_ps((__m512)l, (__m512)x));
#elif LEVEL == 4
    return (vec)_mm512_min_pd((__m512d)u, _mm512_max_pd((__m512d)l, (__m512d)x));
#elif LEVEL == 3 && IS_FLOAT
    return (vec)_mm256_min_ps((__m256)u, _mm256_max_ps((__m256)l, (__m256)x));
#elif LEVEL == 3
    return (vec)_mm256_min_pd((__m256d)u, _mm256_max_pd((__m256d)l, (__m256d)x));
#else
    ivec below = (ivec)(x < l);
    x = (vec)((below & (ivec)l) | (~below & (ivec)x));
    ivec above = (ivec)(x > u);
    return (vec)((above & (ivec)u) | (~above & (ivec)x));
#endif
}

/* exp(x) - 1 = scale * p + (scale - 1), for x whose n = round(x / ln 2) makes 2^n representable.
   The bits of NaN may be any, and then those of scale are, but p is NaN. */
INLINE vec NAME(reduced_expm1)(vec x, vec *scale)
{
#if IS_FLOAT
    const REAL magic = 0x1.8p23f, log2e = 0x1.715476p0f;
    const REAL ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    typedef uint32_t bits __attribute__((vector_size(VECTOR_BYTES)));
#else
    const REAL magic = 0x1.8p52, log2e = 0x1.71547652b82fep0;
    const REAL ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    typedef uint64_t bits __attribute__((vector_size(VECTOR_BYTES)));
#endif
    vec shifted = x * log2e + magic; /* n in the low bits of the mantissa */
    vec n = shifted - magic;
    vec r = x - n * ln2_high;
    r = r - n * ln2_low;
    vec q;
#if IS_FLOAT
    q = 0x1.6d1106p-10f + (vec){0};
    q = q * r + 0x1.120b6cp-7f;
    q = q * r + 0x1.55551ap-5f;
    q = q * r + 0x1.5554dcp-3f;
    q = q * r + 0x1.0p-1f;
    *scale = (vec)(((bits)shifted << 23) + ((uint32_t)127 << 23));
#else
    q = 0x1.1f7301a8efa5cp-29 + (vec){0};
    q = q * r + 0x1.af4de6a36d4fcp-26;
    q = q * r + 0x1.27e4db653346ep-22;
    q = q * r + 0x1.71de0232f4775p-19;
    q = q * r + 0x1.a01a01a6d84aap-16;
    q = q * r + 0x1.a01a01abe78f9p-13;
    q = q * r + 0x1.6c16c16c162d5p-10;
    q = q * r + 0x1.11111111100dcp-7;
    q = q * r + 0x1.5555555555556p-5;
    q = q * r + 0x1.5555555555557p-3;
    q = q * r + 0x1.0p-1;
    *scale = (vec)(((bits)shifted << 52) + ((uint64_t)1023 << 52));
#endif
    return q * (r * r) + r;
}

/* exp(x); 0 below the lower bound of the clamp, infinity where REAL has no such number. */
INLINE vec NAME(exp)(vec x)
{
    vec scale, one = (REAL)1 - (vec){0};
#if IS_FLOAT
    const REAL low = -87.0f, high = 88.8f, largest = 0x1.0p127f;
#else
    const REAL low = -708.0, high = 709.9, largest = 0x1.0p1023;
#endif
    vec p = NAME(reduced_expm1)(NAME(clamp)(x, low, high), &scale);
    /* Where 2^n has overflowed, but 2^n (1 + p) perhaps not, the half of it is doubled. */
    ivec over = (ivec)(scale > largest - (vec){0});
    vec half = largest - (vec){0};
    scale = (vec)((over & (ivec)half) | (~over & (ivec)scale));
    vec y = (scale + scale * p) * (one + (vec)(over & (ivec)one));
    ivec below = (ivec)(x < low - (vec){0});
    return (vec)(~below & (ivec)y);
}

/* 1 / (1 + exp(-x)). Beyond the upper bound of the clamp 2^n is infinite, and the result is 0. */
INLINE vec NAME(sigmoid)(vec x)
{
    vec scale;
#if IS_FLOAT
    vec p = NAME(reduced_expm1)(NAME(clamp)(-x, -87.0f, 88.8f), &scale);
#else
    vec p = NAME(reduced_expm1)(NAME(clamp)(-x, -708.0, 709.9), &scale);
#endif
    return (REAL)1 / ((REAL)1 + scale * ((REAL)1 + p));
}

/* (exp(2x) - 1) / (exp(2x) + 1); at the bounds of the clamp the quotient has rounded to +-1. */
INLINE vec NAME(tanh)(vec x)
{
    vec scale;
#if IS_FLOAT
    vec p = NAME(reduced_expm1)(NAME(clamp)(x + x, -20.0f, 20.0f), &scale);
#else
    vec p = NAME(reduced_expm1)(NAME(clamp)(x + x, -40.0, 40.0), &scale);
#endif
    vec e = scale * p + (scale - (REAL)1);
    return e / (e + (REAL)2);
}
