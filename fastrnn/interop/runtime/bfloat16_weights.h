/* Weights of matrices in bfloat16, which are the upper halves of floats, a row behind the other.
   Sums are those of float. */

#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "functions.h"

#include <stdint.h>
#include <string.h>

typedef const uint16_t *matrix;

static inline float widened(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

/* y += x W, where W are n_y columns, from one on, of a matrix of n_x rows of n weights */
INLINE void multiply(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W, int n,
                     int column)
{
    W += column;
    for (int i = 0; i < n_x; i++, W += n)
        for (int j = 0; j < n_y; j++)
            y[j] += x[i] * widened(W[j]);
}

#if TIED
/* y += x W', for a matrix of n_y rows of n_x weights */
INLINE void multiply_by_rows(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W)
{
    for (int k = 0; k < n_y; k++)
        for (int j = 0; j < n_x; j++)
            y[k] += x[j] * widened(W[k * n_x + j]);
}
#endif

#if N_IDS
/* y = a row of n weights */
static inline void take_row(float *restrict y, matrix table, int row, int n)
{
    for (int j = 0; j < n; j++)
        y[j] = widened(table[row * n + j]);
}
#endif

#endif
