/* The instruction sets, and the choice among them at run time.

   On x86-64 every vector function exists three times: for AVX-512 (x86-64-v4), for AVX2 and FMA
   (x86-64-v3), and for the compiler's baseline. Elsewhere there is the baseline alone, which on
   aarch64 is NEON. The functions carry their instruction set as an attribute, so the package is
   compiled with ordinary flags and runs on any processor of its architecture. Products of bfloat16
   are two levels above AVX-512 (bfloat16.h). Only vector_math.pyx includes this. */

#include <math.h>
#include <string.h>
#include "table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include "processor.h"

#define LEVEL 4
#define VECTOR_BYTES 64
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#include "level.h"

#define LEVEL 3
#define VECTOR_BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#include "level.h"
#endif

#define LEVEL 1
#define VECTOR_BYTES 16
#define TARGET
#include "level.h"

#include "bfloat16.h"

#ifdef HAS_TILES
#include <sys/syscall.h>
#include <unistd.h>

/* Whether the system lets this process use AMX: that is to be asked for, as a thread's registers
   are then 8 KB larger. */
static int may_use_tiles(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#endif

/* The highest level this processor runs: 6, 5, 4, 3 or 1. */
static int highest_level(void)
{
#if defined(__x86_64__)
    const processor has = ask_processor();
#ifdef HAS_TILES
    if (has.pairs && has.tiles && may_use_tiles())
        return 6;
#endif
#ifdef HAS_PAIRS
    if (has.pairs)
        return 5;
#endif
    if (has.v4)
        return 4;
    if (has.v3)
        return 3;
#endif
    return 1;
}

/* The tables of a level that this build has. */
static const table_float *float_table(int level)
{
#if defined(__x86_64__)
    if (level >= 4)
        return &table_float_4;
    if (level == 3)
        return &table_float_3;
#endif
    (void)level;
    return &table_float_1;
}

static const table_double *double_table(int level)
{
#if defined(__x86_64__)
    if (level >= 4)
        return &table_double_4;
    if (level == 3)
        return &table_double_3;
#endif
    (void)level;
    return &table_double_1;
}

/* Products of factors rounded to bfloat16 of a level: 0 where there are none but in float. */
static const table_float *bfloat16_table(int level)
{
#ifdef HAS_TILES
    if (level == 6)
        return &table_tiles;
#endif
#ifdef HAS_PAIRS
    if (level == 5)
        return &table_bfloat16;
#endif
    (void)level;
    return 0;
}

/* Pairs in a row of the tiles that these products multiply; 1 where there are none. */
static int64_t bfloat16_tile_pairs(int level)
{
    return level == 6 ? 16 : 1;
}

/* Whether they are faster than those of floats: pairs are twice as fast on AMD's processors, on
   Intel's it takes tiles. */
static int bfloat16_is_fast(int level)
{
#ifdef HAS_PAIRS
    return level == 6 || (level == 5 && !ask_processor().is_intel);
#else
    return level == 6;
#endif
}

typedef void round_rows(int64_t rows, int64_t n, const float *x, int64_t x_stride, float *y,
                        int64_t y_stride);

/* What rounds rows for them: in pairs, or as floats. */
static round_rows *bfloat16_round_rows(int level)
{
#ifdef HAS_PAIRS
    if (level >= 5)
        return round_rows_bfloat16;
#endif
    (void)level;
    return round_rows_as_float;
}

typedef void int8_product(int64_t rows, int64_t N, int64_t K, const float *A, int64_t lda,
                          const int8_t *packed, const float *scale, const float *start,
                          int64_t start_stride, float *C, int64_t ldc, float *room);

/* The product with a factor of int8. */
static int8_product *int8_product_of(int level)
{
#ifdef HAS_PAIRS
    if (level >= 5 && ask_processor().vnni)
        return product_int8_vnni;
#endif
#if defined(__x86_64__)
    if (level >= 4)
        return product_int8_4;
    if (level == 3)
        return product_int8_3;
#endif
    (void)level;
    return product_int8_1;
}
