/* Numbers that may be missing, and the time since the step before. */

#include "functions.h"

/* Whether the numbers of a step can be read. */
static int are_numbers(const float *x)
{
    for (int d = 0; d < N_FEATURES; d++)
        if (d == TIME ? !isfinite(x[d]) || x[d] < 0.0f : MARKS ? isinf(x[d]) : !isfinite(x[d]))
            return 0;
    return 1;
}

/* Prepare for the first step. */
static void begin(stream_type *stream)
{
    stream->has_begun = 0;
#if MARKS
    set(stream->seen, number_mean, N_VALUES);
#endif
}

/* Fill in what layer 1 reads of the numbers of a step: the numbers, or those seen last, the time
   since the step before, and marks of what is missing. */
static void read_numbers(const float *x, stream_type *stream, float *input)
{
    int k = 0;

    for (int d = 0; d < N_FEATURES; d++) {
        if (d == TIME) {
            input[N_VALUES] = stream->has_begun ? x[d] / UNIT : 0.0f;
            continue;
        }
#if MARKS
        if (!isnan(x[d]))
            stream->seen[k] = x[d];
        input[k] = stream->seen[k];
        input[N_FEATURES + k] = isnan(x[d]) ? 1.0f : 0.0f;
#else
        input[k] = x[d];
#endif
        k++;
    }
    stream->has_begun = 1;
}
