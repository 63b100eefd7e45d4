/* Numbers that may be missing, and the time since the step before. */

#include "units.h"

/* Whether the numbers of a step can be read. */
static int are_numbers(const float *x)
{
    int k = 0;

    for (int d = 0; d < N_FEATURES; d++) {
        const float value = d == TIME ? x[d] : in_units(x[d], k++);

        if (d == TIME ? !isfinite(value) || value < 0.0f : MARKS ? isinf(value) : !isfinite(value))
            return 0;
    }
    return 1;
}

/* Prepare for the first step. */
static void begin(stream_type *stream)
{
    stream->has_begun = 0;
#if MARKS
    set(stream->seen, number_mean, N_VALUES);
#endif
#if DECAY
    fill(stream->since, 0.0f, N_VALUES);
#endif
}

#if DECAY
/* How much is left. */
static inline float left_after(float rate)
{
    return rate > 0.0f ? expf(-rate) : 1.0f;
}

/* A value that was seen last so long ago decays towards its mean; the times since values were last
   seen go on from the time between two steps. */
static inline float decayed(stream_type *stream, int k, float elapsed, int is_missing)
{
    const float since = stream->has_begun ? elapsed + stream->since[k] : 0.0f;
    const float left = is_missing ? left_after(w_x[k] * since + b_x[k]) : 1.0f;

    stream->times[k] = since;
    stream->since[k] = is_missing ? since : 0.0f;
    return left * stream->seen[k] + (1.0f - left) * number_mean[k];
}
#endif

/* What is left of the states of layer 1 when a step begins. */
static void decay_states(const stream_type *stream, float *h, int n)
{
#if DECAY
    float rate[H_LARGEST];

    set(rate, b_h, n);
    for (int k = 0; k < N_VALUES; k++)
        for (int j = 0; j < n; j++)
            rate[j] += stream->times[k] * W_h[k * n + j];
    for (int j = 0; j < n; j++)
        h[j] *= left_after(rate[j]);
#else
    (void)stream, (void)h, (void)n;
#endif
}

/* Fill in what layer 1 reads of the numbers of a step: the numbers, or those seen last, the time
   since the step before, and marks of what is missing. */
static void read_numbers(const float *x, stream_type *stream, float *input)
{
    int k = 0;
#if DECAY
    const float elapsed = TIME < 0 ? 1.0f : x[TIME < 0 ? 0 : TIME] / UNIT;
#endif

    for (int d = 0; d < N_FEATURES; d++) {
        if (d == TIME) {
            input[N_VALUES] = stream->has_begun ? x[d] / UNIT : 0.0f;
            continue;
        }
#if MARKS
        if (!isnan(x[d]))
            stream->seen[k] = in_units(x[d], k);
#if DECAY
        input[k] = decayed(stream, k, elapsed, isnan(x[d]));
#else
        input[k] = stream->seen[k];
#endif
        input[N_FEATURES + k] = isnan(x[d]) ? 1.0f : 0.0f;
#else
        input[k] = in_units(x[d], k);
#endif
        k++;
    }
    stream->has_begun = 1;
}
