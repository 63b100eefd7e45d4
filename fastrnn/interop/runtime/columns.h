/* Numbers that are read as they are, and outputs that mean what the model says. */

#include "functions.h"

/* Whether the numbers of a step can be read. */
static int are_numbers(const float *x)
{
    for (int d = 0; d < N_FEATURES; d++)
        if (!isfinite(x[d]))
            return 0;
    return 1;
}

/* Prepare for the first step. */
static void begin(stream_type *stream)
{
    (void)stream;
}

/* Fill in what layer 1 reads of the numbers of a step. */
static void read_numbers(const float *x, stream_type *stream, float *input)
{
    (void)stream;
    set(input, x, N_FEATURES);
}

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
