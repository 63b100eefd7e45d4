/* Quantiles of one value. */

#include "example.h"

/* Quantiles do not cross: sort by insertion. */
static void sort(float *y, int n)
{
    for (int q = 1; q < n; q++)
        for (int p = q; p > 0 && y[p - 1] > y[p]; p--) {
            const float larger = y[p - 1];

            y[p - 1] = y[p];
            y[p] = larger;
        }
}
