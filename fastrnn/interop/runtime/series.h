/* The value of a series and covariates, which are scaled here, and forecasts, scaled back. */

#include "example.h"
#include "quantiles.h"
#include "rates.h"

/* Whether the numbers of a step can be read. */
static int are_numbers(const float *x)
{
    if (MASK ? isinf(x[0]) : !isfinite(x[0]))
        return 0;
    for (int d = 1; d < N_FEATURES; d++)
        if (!isfinite(x[d]))
            return 0;
    return !(LOG == 1 && x[0] <= 0.0f);
}

/* Prepare for the first step. */
static void begin(stream_type *stream)
{
    stream->last = NAN;
#if SEASON
    stream->place = 0;
#endif
}

#if LOG == 1
#define TAKE_LOG(value, stream) logf(value)
#define UNDO_LOG(z, stream) expf(z)
#elif LOG == 2
#define TAKE_LOG(value, stream) copysignf(log1pf(fabsf(value) / (stream)->scale.unit), value)
#define UNDO_LOG(z, stream) copysignf(expm1f(fabsf(z)) * (stream)->scale.unit, z)
#else
#define TAKE_LOG(value, stream) (value)
#define UNDO_LOG(z, stream) (z)
#endif

/* The scaled value; the one observed last for a missing one, NaN if there is none. */
static float scaled(float value, const stream_type *stream)
{
    float z = stream->last;

    if (!isnan(value)) {
        z = TAKE_LOG(value, stream) - stream->scale.shift;
#if SEASON
        z -= stream->scale.season[stream->place];
#endif
        if (stream->scale.factor > 0.0f)
            z /= stream->scale.factor;
    }
    return z;
}

/* Nothing of states is lost. */
static void decay_states(const stream_type *stream, float *h, int n)
{
    (void)stream, (void)h, (void)n;
}

#if N_LAGS
/* Fill in what layer 1 reads of the values before one, which is the last one then. */
static void read_before(float z, stream_type *stream, float *input)
{
    float *lagged = stream->lagged;

    for (int k = N_LAGS - 1; k >= 0; k--) {
        const float before = isnan(stream->last) ? z : lagged[k];

        if (isnan(z))
            input[k] = 0.0f;
        else
            input[k] = RELATIVE ? (before - z) / sqrtf((float)(k + 1)) : before;
        lagged[k] = k == 0 || isnan(stream->last) ? z : lagged[k - 1];
    }
}
#endif

/* Fill in what layer 1 reads of the numbers of a step. */
static void read_numbers(const float *x, stream_type *stream, float *input)
{
    const float z = scaled(x[0], stream);

    if (RELATIVE)
        input[0] = isnan(stream->last) ? 0.0f : z - stream->last;
    else
        input[0] = isnan(z) ? 0.0f : z;
#if MASK
    input[1] = isnan(x[0]) ? 1.0f : 0.0f;
#endif
#if N_LAGS
    read_before(z, stream, input + N_FEATURES + MASK);
#endif
    stream->last = z;
#if SEASON
    stream->place = (stream->place + 1) % SEASON;
#endif
#if N_FEATURES > 1
    for (int d = 1; d < N_FEATURES; d++)
        input[d + MASK] = (x[d] - covariate_mean[d - 1]) / covariate_scale[d - 1];
#endif
#if N_FIXED
    for (int k = 0; k < N_FIXED; k++)
        input[N_FEATURES + MASK + N_LAGS + k] = stream->scale.fixed[k];
#endif
}

/* Bring forecasts to the units of the series. */
static void finish(const stream_type *stream, float *y)
{
    for (int step = 0; step < N_STEPS; step++, y += N_LEVELS) {
        sort(y, N_LEVELS);
        for (int q = 0; q < N_LEVELS; q++) {
#if RATE || SOFTPLUS
            y[q] = positive(y[q]);
#endif
            if (RELATIVE)
                y[q] += stream->last;
            y[q] = y[q] * stream->scale.factor + stream->scale.shift;
#if SEASON
            y[q] += stream->scale.season[(stream->place + step) % SEASON];
#endif
            y[q] = UNDO_LOG(y[q], stream);
        }
    }
}
