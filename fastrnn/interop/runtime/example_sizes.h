/* Of the example of a model (example.h): its sizes, its choices, and what a stream remembers. */

#ifndef EXAMPLE_SIZES_H
#define EXAMPLE_SIZES_H

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
#define FACTOR_LARGEST 26
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

#endif
