/* The instruction sets, and the choice among them at run time.

   On x86-64 every vector function exists three times: for AVX-512 (x86-64-v4), for AVX2 and FMA
   (x86-64-v3), and for the compiler's baseline. Elsewhere there is the baseline alone, which on
   aarch64 is NEON. The functions carry their instruction set as an attribute, so the package is
   compiled with ordinary flags and runs on any processor of its architecture. Only vector_math.pyx
   includes this. */

#include <string.h>
#include "table.h"

#if defined(__x86_64__)
#include <immintrin.h>

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

/* The highest level this processor runs: 4, 3 or 1. */
static int highest_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("fma"))
        return 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 3;
#endif
    return 1;
}

/* The tables of a level that this build has. */
static const table_float *float_table(int level)
{
#if defined(__x86_64__)
    if (level == 4)
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
    if (level == 4)
        return &table_double_4;
    if (level == 3)
        return &table_double_3;
#endif
    (void)level;
    return &table_double_1;
}
