/* How the processor takes numbers that are too small to be normal. Included by denormals.pxd. */
#ifndef FASTRNN_DENORMALS_H
#define FASTRNN_DENORMALS_H

#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>

static inline int64_t flush_denormals(void)
{
    enum { RESULTS = 0x8000, OPERANDS = 0x0040 };
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | RESULTS | OPERANDS);
    return before;
}

static inline void restore_denormals(int64_t before)
{
    _mm_setcsr((unsigned)before);
}
#elif defined(__aarch64__)
static inline int64_t flush_denormals(void)
{
    int64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
    return before;
}

static inline void restore_denormals(int64_t before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
static inline int64_t flush_denormals(void)
{
    return 0;
}

static inline void restore_denormals(int64_t before)
{
    (void)before;
}
#endif

#endif
