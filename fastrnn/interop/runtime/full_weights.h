/* Weights of matrices as they are, a row behind the other. */

#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "functions.h"

typedef const float *matrix;

/* y += x W, where W are n_y columns, from one on, of a matrix of n_x rows of n weights */
INLINE void multiply(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W, int n,
                     int column)
{
    W += column;
    for (int i = 0; i < n_x; i++, W += n)
        for (int j = 0; j < n_y; j++)
            y[j] += x[i] * W[j];
}

#if TIED
/* y += x W', for a matrix of n_y rows of n_x weights */
INLINE void multiply_by_rows(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W)
{
    for (int k = 0; k < n_y; k++)
        for (int j = 0; j < n_x; j++)
            y[k] += x[j] * W[k * n_x + j];
}
#endif

#if N_IDS
/* y = a row of n weights */
static inline void take_row(float *restrict y, matrix table, int row, int n)
{
    set(y, table + row * n, n);
}
#endif

#endif
