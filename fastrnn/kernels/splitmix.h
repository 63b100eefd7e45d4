/* The SplitMix64 sequence (Steele, Lea and Flood 2014). Included by functions.h and dropout.pyx. */
#ifndef FASTRNN_SPLITMIX_H
#define FASTRNN_SPLITMIX_H

#include <stdint.h>

/* The state of a number is the seed and so many times this: its place in the sequence, from 1. */
#define SPLITMIX_STEP ((uint64_t)0x9E3779B97F4A7C15)

/* Let z, a state or a vector of them, become the numbers. */
#define SPLITMIX(z)                                                                                \
    do {                                                                                           \
        (z) = ((z) ^ (z) >> 30) * (uint64_t)0xBF58476D1CE4E5B9;                                    \
        (z) = ((z) ^ (z) >> 27) * (uint64_t)0x94D049BB133111EB;                                    \
        (z) ^= (z) >> 31;                                                                          \
    } while (0)

/* Number j + 1 of the sequence that starts at a seed. */
static inline uint64_t splitmix(uint64_t seed, uint64_t j)
{
    uint64_t z = seed + (j + 1) * SPLITMIX_STEP;
    SPLITMIX(z);
    return z;
}

#endif
