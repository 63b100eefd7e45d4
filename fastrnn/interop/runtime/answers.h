/* Outputs that mean what the model says. */

#include "quantiles.h"
#include "rates.h"

/* Bring outputs to the units of what was learned. */
static void finish(const stream_type *stream, float *y)
{
    (void)stream;
#if SCALED
    for (int k = 0; k < N_OUTPUTS / N_LEARNED; k++, y += N_LEARNED) {
#if N_LEARNED > 1
        sort(y, N_LEARNED);
#endif
        for (int q = 0; q < N_LEARNED; q++) {
#if RATE
            y[q] = positive(y[q]);
#endif
            y[q] = y[q] * y_scale[k] + y_mean[k];
        }
    }
#else
    (void)y;
#endif
}
