/* What every step is made of. */

#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "example_sizes.h"

#include <math.h>

/* Compilers know all sizes where these functions are called: loops over a known number of
   neighbours are what they make the most of. */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* y = x */
static inline void set(float *restrict y, const float *restrict x, int n)
{
    for (int j = 0; j < n; j++)
        y[j] = x[j];
}

/* y = value */
static inline void fill(float *y, float value, int n)
{
    for (int j = 0; j < n; j++)
        y[j] = value;
}

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

#endif
