/* What every step is made of. */

#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "example.h"

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

/* y += x W, where W has n_x rows, which begin stride weights apart, of n_y weights */
INLINE void add_product(float *restrict y, int n_y, const float *restrict x, int n_x,
                        const float *restrict W, int stride)
{
    for (int i = 0; i < n_x; i++, W += stride)
        for (int j = 0; j < n_y; j++)
            y[j] += x[i] * W[j];
}

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* a += x W, of n columns */
INLINE void read_inputs(const layer_type *layer, int n, const float *x, float *a)
{
    add_product(a, n, x, layer->D, layer->W, n);
}

#endif
