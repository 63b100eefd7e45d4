/* What the processor has, and the system saves the registers of: asked of the processor itself, as
   not every compiler for x86-64 comes with the library behind __builtin_cpu_supports. Included by
   levels.h. */

#include <cpuid.h>

typedef struct {
    int v3;    /* AVX2 and FMA */
    int v4;    /* AVX-512 F, VL, DQ and BW, and FMA */
    int pairs; /* AVX512-BF16 */
    int vnni;  /* AVX512-VNNI */
    int tiles; /* AMX for bfloat16, which a process has to ask its system for, too */
    int is_intel;
} processor;

/* Whether the bits from first to last are set. */
static int are_set(unsigned word, int first, int last)
{
    return (word >> first & ((2u << (last - first)) - 1)) == (2u << (last - first)) - 1;
}

static processor ask_processor(void)
{
    processor has = {0};
    unsigned a, b, c, d, saved = 0, unused;
    const unsigned last_leaf = __get_cpuid_max(0, &b);
    has.is_intel = b == signature_INTEL_ebx;
    if (last_leaf < 7)
        return has;
    __cpuid(1, a, b, c, d);
    const int has_fma = are_set(c, 12, 12);
    if (are_set(c, 27, 28)) /* OSXSAVE and AVX: which registers the system saves can be asked */
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    (void)unused;
    const int saves_256 = are_set(saved, 1, 2);
#ifdef __APPLE__
    const int saves_512 = saves_256; /* from the first use on */
#else
    const int saves_512 = saves_256 && are_set(saved, 5, 7);
#endif
    __cpuid_count(7, 0, a, b, c, d);
    const unsigned last_subleaf = a;
    has.v3 = saves_256 && has_fma && are_set(b, 5, 5);
    has.v4 = saves_512 && has_fma && are_set(b, 16, 17) && are_set(b, 30, 31);
    has.vnni = has.v4 && are_set(c, 11, 11);
    has.tiles = has.v4 && are_set(d, 22, 22) && are_set(d, 24, 24);
    if (last_subleaf >= 1) {
        __cpuid_count(7, 1, a, b, c, d);
        has.pairs = has.v4 && are_set(a, 5, 5);
    }
    return has;
}
