/* What an export says of its model. Here stands an example, so that compilers, linters and editors
   can read these files as they are: an export has them one behind the other, its own description
   first, and leaves out the lines by which one includes the other. */

#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "full_weights.h"

typedef struct {
    int D, H;
    matrix W, U;
    const float *b, *b_n, *p, *g_x, *g_h, *g_c, *b_c;
} layer_type;

typedef struct {
    int D, K, kernel, left, stride, span, depth, place;
    matrix W;
    const float *b;
} stage_type;

typedef struct {
    int n_ids, length, place;
    matrix table;
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
static const matrix head[] = {Wy};
static const id_column id_columns[] = {{7, 3, 3, table1}};

#endif
