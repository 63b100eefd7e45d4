/* Before the first layer: patches, and convolutions over time. Each stage reads windows of rows. */

#include "example.h"

/* How many rows that a stage makes no later step can change, of so many such rows that it reads. */
static long long count_final(const stage_type *stage, long long n)
{
    return n < stage->span ? 0 : (n - stage->span) / stage->stride + 1;
}

/* The row that a stage makes of a window, of whose rows so many are missing. */
static void make_row(const stage_type *stage, const float *window, int missing, float *y)
{
    const int size = stage->kernel * stage->D;

    if (!stage->b) { /* a patch */
        set(y, window, size);
        y[size] = (float)missing / (float)stage->stride;
        return;
    }
    set(y, stage->b, stage->K);
    multiply(y, stage->K, window, size, stage->W, stage->K, 0);
    for (int k = 0; k < stage->K; k++)
        if (y[k] < 0.0f)
            y[k] = 0.0f;
}

/* Give a step to the stages. Returns whether there is one more row for the layers that no later
   step can change. */
static int push(stream_type *stream, const float *x, float *row)
{
    long long n = ++stream->n_given;

    for (int k = 0; k < N_STAGES; k++) {
        const stage_type *stage = &stages[k];
        const int D = stage->D, kept = (stage->depth - 1) * D;
        float *recent = stream->recent + stage->place;

        for (int j = 0; j < kept; j++)
            recent[j] = recent[j + D];
        set(recent + kept, x, D);
        if (count_final(stage, n) == count_final(stage, n - 1))
            return 0;
        make_row(stage, recent, 0, row);
        x = row;
        n = count_final(stage, n);
    }
    return 1;
}

/* Make the rows for the layers that later steps may change yet, in one of the rooms, with zeros
   where there is no step. Returns how many. */
static int make_others(const stream_type *stream, float rooms[2][OTHERS_LARGEST],
                       const float **others)
{
    float window[WINDOW_LARGEST];
    long long final = stream->n_given, total = final;

    *others = rooms[0];
    for (int k = 0; k < N_STAGES; k++) {
        const stage_type *stage = &stages[k];
        const long long first = count_final(stage, final), last = (total - 1) / stage->stride + 1;
        const float *recent = stream->recent + stage->place;
        const int D = stage->D;
        float *made = rooms[k % 2];

        for (long long t = first; t < last; t++, made += stage->K) {
            const long long missing = (t + 1) * stage->stride - total;

            for (int i = 0; i < stage->kernel; i++) {
                const long long row = t * stage->stride - stage->left + i;

                if (row < final)
                    set(window + i * D, recent + (row - final + stage->depth) * D, D);
                else if (row < total)
                    set(window + i * D, *others + (row - final) * D, D);
                else
                    fill(window + i * D, 0.0f, D);
            }
            make_row(stage, window, missing > 0 ? (int)missing : 0, made);
        }
        *others = rooms[k % 2];
        final = first;
        total = last;
    }
    return (int)(total - final);
}
