/* How a model reads a step, and what it says. */

#include "answers.h"
#include "cells/lstm.h"
#include "columns.h"
#include "labels.h"
#include "stages.h"

/* y = exp(y) / sum(exp(y)), with the largest element taken off first: nothing overflows. */
static void softmax(float *y, int n)
{
    float largest = y[0], total = 0.0f;

    for (int k = 1; k < n; k++)
        if (y[k] > largest)
            largest = y[k];
    for (int k = 0; k < n; k++) {
        y[k] = expf(y[k] - largest);
        total += y[k];
    }
    for (int k = 0; k < n; k++)
        y[k] /= total;
}

#ifdef ZONEOUT
/* A step of a layer; then so much of the states stays as it was. */
INLINE void step_layer(const layer_type *layer, const float *x, float *state)
{
    const int n = N_STATES * layer->H;
    float before[N_STATES * H_LARGEST];

    set(before, state, n);
    STEP_CELL(layer, x, state);
    for (int j = 0; j < n; j++)
        state[j] = ZONEOUT * before[j] + (1.0f - ZONEOUT) * state[j];
}
#define STEP_LAYER step_layer
#else
#define STEP_LAYER STEP_CELL
#endif

#if POOL_ATTENTION
/* Add a state with its weight, exp(score), to the sums; all weights are relative to the largest. */
static void attend(stream_type *stream, const float *h)
{
    float score = 0.0f;
    double before = 1.0, now = 1.0;

    for (int j = 0; j < H_TOP; j++)
        score += h[j] * query[j];
    if (score > stream->score) {
        before = exp((double)stream->score - (double)score);
        stream->score = score;
    } else {
        now = exp((double)score - (double)stream->score);
    }
    for (int j = 0; j < H_TOP; j++)
        stream->weighted[j] = before * stream->weighted[j] + now * (double)h[j];
    stream->weight = before * stream->weight + now;
}
#endif

/* Go through every layer with what layer 1 reads. */
static void read_on(stream_type *stream, const float *input)
{
    const float *below = input;
    float *state = stream->state;

    decay_states(stream, state, layers[0].H);
#define STEP(k)                                                                                    \
    STEP_LAYER(&layers[k], below, state);                                                          \
    below = state;                                                                                 \
    state += N_STATES * layers[k].H;
    EACH_LAYER(STEP)
#undef STEP
#if POOL_MEAN
    for (int j = 0; j < H_TOP; j++)
        stream->sum[j] += (double)below[j];
    stream->n_steps += 1.0;
#endif
#if POOL_MAX
    for (int j = 0; j < H_TOP; j++)
        if (below[j] > stream->max[j])
            stream->max[j] = below[j];
#endif
#if POOL_ATTENTION
    attend(stream, below);
#endif
}

/* Read a row that no later step can change. */
static void read_final(stream_type *stream, const float *input)
{
    read_on(stream, input);
#if BLANK
    stream->label = hear(stream);
#endif
}

#ifdef N_STAGES
/* Read the rows that later steps may change yet. */
static void read_others(stream_type *stream)
{
    float rooms[2][OTHERS_LARGEST];
    const float *row;

    for (int n = make_others(stream, rooms, &row); n > 0; n--, row += stages[N_STAGES - 1].K)
        read_on(stream, row);
}
#endif

/* Read a step. If a number or an id is not acceptable return -1, and leave the stream as it was. */
static int advance(stream_type *stream, const float *x, const int *ids)
{
    float input[N_INPUTS];
#ifdef N_STAGES
    float row[ROW_LARGEST];
#endif

    if (!are_numbers(x))
        return -1;
#if N_IDS
    for (int c = 0; c < N_IDS; c++)
        if (ids[c] < 0 || ids[c] >= id_columns[c].n_ids)
            return -1;
#else
    (void)ids;
#endif

    read_numbers(x, stream, input);
#if BLANK
    stream->label = -1;
#endif
#if N_IDS
    for (int c = 0; c < N_IDS; c++) {
        const id_column *column = &id_columns[c];

        take_row(input + column->place, column->table, ids[c], column->length);
    }
#endif
#ifdef N_STAGES
    if (push(stream, input, row))
        read_final(stream, row);
#else
    read_final(stream, input);
#endif
    return 0;
}

/* What the output layer reads of the steps so far. A part of the pooling, if there is one, stands
   at the place that its number says, from 1 on. */
static void pool(const stream_type *stream, float *pooled)
{
#if POOL_LAST
    set(pooled + (POOL_LAST - 1) * H_TOP, stream->state + STATE_SIZE - N_STATES * H_TOP, H_TOP);
#endif
#if POOL_MEAN
    for (int j = 0; j < H_TOP; j++)
        pooled[(POOL_MEAN - 1) * H_TOP + j] = (float)(stream->sum[j] / stream->n_steps);
#endif
#if POOL_MAX
    set(pooled + (POOL_MAX - 1) * H_TOP, stream->max, H_TOP);
#endif
#if POOL_ATTENTION
    for (int j = 0; j < H_TOP; j++)
        pooled[(POOL_ATTENTION - 1) * H_TOP + j] = (float)(stream->weighted[j] / stream->weight);
#endif
}

/* What the output layer says of the steps so far. */
static void read_out(const stream_type *stream, float *y)
{
    float pooled[N_POOLED];
#ifdef N_STAGES
    stream_type ahead = *stream;

    read_others(&ahead);
    stream = &ahead;
#endif

    pool(stream, pooled);
    set(y, by, N_OUTPUTS);
#if TIED
    /* The weights are the vectors of the tokens. */
    multiply_by_rows(y, N_OUTPUTS, pooled, N_POOLED, head[0]);
#else
    multiply(y, N_OUTPUTS, pooled, N_POOLED, head[0], N_OUTPUTS, 0);
#endif
    if (SOFTMAX)
        softmax(y, N_OUTPUTS);
    if (SIGMOID)
        for (int k = 0; k < N_OUTPUTS; k++)
            y[k] = sigmoid(y[k]);
    finish(stream, y);
}

/* Begin a sequence. */
static void reset(stream_type *stream)
{
    fill(stream->state, 0.0f, STATE_SIZE);
#ifdef N_STAGES
    fill(stream->recent, 0.0f, RECENT_SIZE);
    stream->n_given = 0;
#endif
#if POOL_MEAN
    for (int j = 0; j < H_TOP; j++)
        stream->sum[j] = 0.0;
    stream->n_steps = 0.0;
#endif
#if POOL_MAX
    fill(stream->max, -INFINITY, H_TOP);
#endif
#if POOL_ATTENTION
    for (int j = 0; j < H_TOP; j++)
        stream->weighted[j] = 0.0;
    stream->weight = 0.0;
    stream->score = -INFINITY;
#endif
#if BLANK
    stream->path = BLANK;
    stream->label = -1;
#endif
    begin(stream);
}

/* Read a step, and say what there is to say; -1 if it is refused. */
static int step(stream_type *stream, const float *x, const int *ids, float *y)
{
    if (advance(stream, x, ids) != 0)
        return -1;
    read_out(stream, y);
    return 0;
}

/* Read a sequence, with a stream that was reset; -1 if a step is refused, or there is none. */
static int run(stream_type *stream, const float *x, const int *ids, size_t n_steps, float *y)
{
    if (n_steps == 0)
        return -1;
    for (; n_steps > 0; n_steps--) {
        if (advance(stream, x, ids) != 0)
            return -1;
        if (N_FEATURES)
            x += N_FEATURES;
        if (N_IDS)
            ids += N_IDS;
        if (EVERY_STEP) {
            read_out(stream, y);
            y += N_OUTPUTS;
        }
    }
    if (!EVERY_STEP)
        read_out(stream, y);
    return 0;
}

#if BLANK
/* Read a step; 1 if a label is new with it, 0 if none is, -1 if it is refused. */
static int say(stream_type *stream, const float *x, const int *ids, int *label)
{
    if (advance(stream, x, ids) != 0)
        return -1;
    if (stream->label < 0)
        return 0;
    *label = stream->label;
    return 1;
}

/* The labels that are left where a sequence ends; how many there are. Then begin anew. */
static int say_rest(stream_type *stream, int *labels)
{
    int n_labels = 0;
#ifdef N_STAGES
    float rooms[2][OTHERS_LARGEST];
    const float *row = rooms[0];

    if (stream->n_given > 0)
        for (int n = make_others(stream, rooms, &row); n > 0; n--, row += stages[N_STAGES - 1].K) {
            read_final(stream, row);
            if (stream->label >= 0)
                labels[n_labels++] = stream->label;
        }
#else
    (void)labels;
#endif
    reset(stream);
    return n_labels;
}

/* The labels of a sequence, with a stream that was reset; how many there are, or -1 as of run. */
static long long say_all(stream_type *stream, const float *x, const int *ids, size_t n_steps,
                         int *labels)
{
    long long n_labels = 0;

    if (n_steps == 0)
        return -1;
    for (; n_steps > 0; n_steps--) {
        const int n_new = say(stream, x, ids, labels + n_labels);

        if (n_new < 0)
            return -1;
        n_labels += n_new;
        if (N_FEATURES)
            x += N_FEATURES;
        if (N_IDS)
            ids += N_IDS;
    }
    return n_labels + say_rest(stream, labels + n_labels);
}
#endif
