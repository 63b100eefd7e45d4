/* Outputs that mean what the model says. */

#include "functions.h"

/* Bring outputs to the units of what was learned. */
static void finish(const stream_type *stream, float *y)
{
    (void)stream;
#if SCALED
    for (int k = 0; k < N_OUTPUTS; k++)
        y[k] = y[k] * y_scale[k] + y_mean[k];
#else
    (void)y;
#endif
}
