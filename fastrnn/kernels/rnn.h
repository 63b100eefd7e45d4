/* The pointwise pass of one plain RNN step (equations in rnn.pyx), for some units of
   all rows. Included by levels.h. */

/* max(x, 0); NaN stays NaN. */
INLINE vec NAME(relu)(vec x)
{
    ivec negative = (ivec)(x < (vec){0});
    return (vec)(~negative & (ivec)x);
}

/* h (rows, H) receives the activation of gates (rows, H), which holds x W + h U + b. */
static TARGET void NAME(rnn_forward)(int64_t rows, int64_t H, range units, int is_relu,
                                     const REAL *gates, REAL *h)
{
    if (units.end - units.begin == H) { /* all rows are one */
        units.end *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, gates += H, h += H)
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            vec a = NAME(load)(gates + j, units.end - j);
            NAME(store)(h + j, is_relu ? NAME(relu)(a) : NAME(tanh)(a), units.end - j);
        }
}

/* dgates (rows, H) receives the gradient of the pre-activation, from the state h, its gradient dy
   from above (or NULL) and dh from step t + 1. The slope of relu at 0 is 0. */
static TARGET void NAME(rnn_backward)(int64_t rows, int64_t H, range units, int is_relu,
                                      const REAL *h, const REAL *dy, const REAL *dh, REAL *dgates)
{
    if (units.end - units.begin == H) { /* all rows are one */
        units.end *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, h += H, dh += H, dgates += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            vec a = NAME(load)(h + j, units.end - j), d = NAME(load)(dh + j, units.end - j);
            if (dy)
                d += NAME(load)(dy + j, units.end - j);
            ivec positive = (ivec)(a > (vec){0});
            NAME(store)(dgates + j, is_relu ? (vec)(positive & (ivec)d) : d * (1 - a * a),
                        units.end - j);
        }
        if (dy)
            dy += H;
    }
}
