/* Products of factors that are rounded to bfloat16, summed in float: by AMX or AVX512-BF16, and
   what there is for their place elsewhere. Included by levels.h. */

/* y (rows, n), row stride y_stride = x (rows, n), row stride x_stride, rounded to bfloat16
   (nearest, ties to even), as float; y may be x. Products of such factors in float are the
   reference. */
static void round_rows_as_float(int64_t rows, int64_t n, const float *x, int64_t x_stride, float *y,
                                int64_t y_stride)
{
    for (; rows > 0; rows--, x += x_stride, y += y_stride)
        for (int64_t j = 0; j < n; j++) {
            uint32_t bits;
            memcpy(&bits, x + j, sizeof bits);
            uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
            uint32_t is_nan = -(uint32_t)((bits & 0x7fffffff) > 0x7f800000);
            rounded = (is_nan & (bits | 0x400000)) | (~is_nan & rounded);
            rounded &= 0xffff0000;
            memcpy(y + j, &rounded, sizeof rounded);
        }
}

#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
#define HAS_PAIRS

#define LEVEL 4
#define VECTOR_BYTES 64
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma")))
#define REAL float
#define INTEGER int32_t
#define IS_FLOAT 1
#define PAIRS
#define NAME(f) f##_bfloat16
#include "vector_math.h"
#include "product.h"

/* Of products alone. */
static const table_float NAME(table) = {
    .panel = NAME(panel),
    .pack = NAME(pack),
    .pack_transposed = NAME(pack_transposed),
    .pack_panels = NAME(pack_panels),
    .pack_left_panels = NAME(pack_left_panels),
    .product = NAME(product),
    .product_pair = NAME(product_pair),
    .product_transposed = NAME(product_transposed),
};

#if defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define HAS_TILES
#include "tiles.h"
#endif

#undef vec
#undef ivec
#undef LANES
#undef INLINE
#undef VECTOR_BYTES
#undef TARGET
#undef REAL
#undef INTEGER
#undef IS_FLOAT
#undef PAIRS
#undef NAME

/* What processors with AVX512-BF16 have besides. */
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,fma")))
#define HAS_VNNI
#define NAME(f) f##_int8_vnni
#include "int8.h"
#undef LEVEL
#undef TARGET
#undef HAS_VNNI
#undef NAME
#endif
