/* Clock, and words in memory that one thread writes and another watches. Included by handover.pyx
 * and team.pxd.
 */
#ifndef FASTRNN_WAITING_H
#define FASTRNN_WAITING_H

#include <stdint.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#endif

static inline int64_t nanoseconds(void)
{
#ifdef _WIN32
    LARGE_INTEGER ticks, rate; /* per second */
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&rate);
    return ticks.QuadPart / rate.QuadPart * 1000000000 +
           ticks.QuadPart % rate.QuadPart * 1000000000 / rate.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#endif
}

/* Let another thread that could run have the processor. */
static inline void offer_processor(void)
{
#ifdef _WIN32
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* Tell the processor that this is a loop that waits. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* What was written to memory before store_flag is seen by whoever has seen the flag. */
static inline int load_flag(const int *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static inline void store_flag(int *flag, int value)
{
    __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

/* A number that others read while it is written, and nothing else is told by. */
static inline int64_t load_number(const int64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static inline void store_number(int64_t *number, int64_t value)
{
    __atomic_store_n(number, value, __ATOMIC_RELAXED);
}

/* Change a flag; whether it was as expected before. */
static inline int change_flag(int *flag, int expected, int value)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST) == expected &&
           __atomic_compare_exchange_n(flag, &expected, value, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

#endif
