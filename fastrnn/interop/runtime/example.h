/* What an export says of its model. Here stands an example, so that compilers, linters and editors
   can read these files as they are: an export has them one behind the other, its own description
   first, and leaves out the lines by which one includes the other. */

#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stddef.h>

typedef struct {
    float state[16];
    double sum[3], n_steps;
    float max[3];
    double weighted[3], weight;
    float score;
    struct {
        float shift, factor, season[4];
    } scale;
    float last;
    int place;
    float recent[30];
    long long n_given;
    float seen[2], since[2], times[2];
    int has_begun;
    int path, label;
} stream_type;

#define N_FEATURES 2
#define N_IDS 1
#define N_INPUTS 6
#define EACH_LAYER(DO) DO(0) DO(1)
#define STEP_CELL step_lstm
#define N_STATES 2
#define ACTIVATION_TANH
#define CANDIDATE_ACTIVATION_SIGMOID
#define RESET_AFTER 1
#define H_LARGEST 5
#define STATE_SIZE 16
#define H_TOP 3
#define N_POOLED 12
#define POOL_LAST 1
#define POOL_MEAN 2
#define POOL_MAX 3
#define POOL_ATTENTION 4
#define N_STAGES 2
#define RECENT_SIZE 30
#define ROW_LARGEST 13
#define WINDOW_LARGEST 26
#define OTHERS_LARGEST 13
#define TIED 0
#define SOFTMAX 1
#define SIGMOID 0
#define SCALED 1
#define EVERY_STEP 0
#define N_OUTPUTS 6
#define N_LEARNED 3
#define RATE 1
#define STEEPEST 30.0f
#define BLANK 5
#define N_STEPS 2
#define N_LEVELS 3
#define LOG 0
#define SEASON 4
#define MASK 1
#define RELATIVE 1
#define MARKS 1
#define N_VALUES 1
#define CENTERED 1
#define TIME 1
#define UNIT 60.0f
#define DECAY 1

typedef struct {
    int D, H;
    const float *W, *U, *b, *b_n, *p, *g_x, *g_h, *g_c, *b_c;
} layer_type;

typedef struct {
    int D, K, kernel, left, stride, span, depth, place;
    const float *W, *b;
} stage_type;

typedef struct {
    int n_ids, length, place;
    const float *table;
} id_column;

static const float W1[6 * 4 * 5], U1[5 * 4 * 5], b1[4 * 5], b_n1[5], p1[3 * 5];
static const float g_x1[4 * 5], g_h1[4 * 5], g_c1[5], b_c1[5];
static const float W2[5 * 4 * 3], U2[3 * 4 * 3], b2[4 * 3], b_n2[3], p2[3 * 3];
static const float g_x2[4 * 3], g_h2[4 * 3], g_c2[3], b_c2[3];
static const float query[3], Wy[12 * 6], by[6], y_scale[6], y_mean[6];
static const float table1[7 * 3], covariate_mean[1], covariate_scale[1], number_mean[1];
static const double number_center[2], number_factor[2];
static const float w_x[1], b_x[1], W_h[1 * 5], b_h[5];

static const layer_type layers[] = {{6, 5, W1, U1, b1, b_n1, p1, g_x1, g_h1, g_c1, b_c1},
                                    {5, 3, W2, U2, b2, b_n2, p2, g_x2, g_h2, g_c2, b_c2}};
static const float conv2_W[26 * 6], conv2_b[6];
static const stage_type stages[] = {{6, 13, 2, 0, 2, 2, 2, 0, NULL, NULL},
                                    {13, 6, 2, 0, 1, 2, 2, 12, conv2_W, conv2_b}};
static const id_column id_columns[] = {{7, 3, 3, table1}};

#endif
