/* Numbers that are read as they are. */

#include "units.h"

/* Whether the numbers of a step can be read. */
static int are_numbers(const float *x)
{
    for (int d = 0; d < N_FEATURES; d++)
        if (!isfinite(in_units(x[d], d)))
            return 0;
    return 1;
}

/* Prepare for the first step. */
static void begin(stream_type *stream)
{
    (void)stream;
}

/* Nothing of states is lost. */
static void decay_states(const stream_type *stream, float *h, int n)
{
    (void)stream, (void)h, (void)n;
}

/* Fill in what layer 1 reads of the numbers of a step. */
static void read_numbers(const float *x, stream_type *stream, float *input)
{
    (void)stream;
    for (int d = 0; d < N_FEATURES; d++)
        input[d] = in_units(x[d], d);
}
