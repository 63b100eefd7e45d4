/* Weights of matrices as whole numbers from -127 to 127, with a scale for each column. A column, or
   a row of a table, stands behind the other, as sums run along it.

   What is multiplied with them becomes whole numbers, too, of 16 bits and one scale. Their largest
   is such that no sum of products leaves 32 bits: sums are exact. */

#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "functions.h"

#include <stdint.h>

typedef struct {
    const int8_t *q;
    const float *scale;
} matrix;

/* x is the whole numbers q times what is returned, to less than a half of that; it is NaN, of
   zeros, if a number is not finite. */
static float to_int16(const float *x, int n, int largest, int16_t *q)
{
    float most = 0.0f, inverse = 0.0f;
    int is_finite = 1;

    for (int k = 0; k < n; k++) {
        is_finite &= isfinite(x[k]) != 0;
        if (fabsf(x[k]) > most)
            most = fabsf(x[k]);
    }
    if (!is_finite || most < 1e-30f) { /* of which there would be no inverse */
        for (int k = 0; k < n; k++)
            q[k] = 0;
        return is_finite ? 0.0f : NAN;
    }
    inverse = (float)largest / most;
    for (int k = 0; k < n; k++)
        q[k] = (int16_t)lrintf(x[k] * inverse);
    return most / (float)largest;
}

/* y += x W, where W are n_y columns, from one on, of a matrix of n_x rows of n weights */
INLINE void multiply(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W, int n,
                     int column)
{
    const int32_t most = INT32_MAX / (INT32_C(127) * n_x);
    const int8_t *w = W.q + column * n_x;
    int16_t q[FACTOR_LARGEST];
    const float factor = to_int16(x, n_x, (int)(most < INT16_MAX ? most : INT16_MAX), q);

    (void)n;
    for (int j = 0; j < n_y; j++, w += n_x) {
        int32_t sum = 0;

        for (int k = 0; k < n_x; k++)
            sum += (int32_t)q[k] * w[k];
        y[j] += (float)sum * (factor * W.scale[column + j]);
    }
}

#if TIED
/* y += x W', for a matrix of n_y rows of n_x weights */
INLINE void multiply_by_rows(float *restrict y, int n_y, const float *restrict x, int n_x, matrix W)
{
    multiply(y, n_y, x, n_x, W, n_y, 0);
}
#endif

#if N_IDS
/* y = a row of n weights */
static inline void take_row(float *restrict y, matrix table, int row, int n)
{
    for (int j = 0; j < n; j++)
        y[j] = (float)table.q[row * n + j] * table.scale[row];
}
#endif

#endif
