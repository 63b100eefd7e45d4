/* The pointwise pass of one plain RNN step (equations in rnn.pyx). Included by levels.h. */

/* max(x, 0); NaN stays NaN. */
INLINE vec NAME(relu)(vec x)
{
    ivec negative = (ivec)(x < (vec){0});
    return (vec)(~negative & (ivec)x);
}

/* h (n,) receives the activation of gates (n,), which holds x W + h U + b. */
static TARGET void NAME(rnn_forward)(int64_t n, int is_relu, const REAL *gates, REAL *h)
{
    for (; n > 0; n -= LANES, gates += LANES, h += LANES) {
        vec a = NAME(load)(gates, n);
        NAME(store)(h, is_relu ? NAME(relu)(a) : NAME(tanh)(a), n);
    }
}

/* dgates (n,) receives the gradient of the pre-activation, from the state h, its gradient dy from
   above (or NULL) and dh from step t + 1. The slope of relu at 0 is 0. */
static TARGET void NAME(rnn_backward)(int64_t n, int is_relu, const REAL *h, const REAL *dy,
                                      const REAL *dh, REAL *dgates)
{
    for (; n > 0; n -= LANES, h += LANES, dh += LANES, dgates += LANES) {
        vec a = NAME(load)(h, n), d = NAME(load)(dh, n);
        if (dy) {
            d += NAME(load)(dy, n);
            dy += LANES;
        }
        ivec positive = (ivec)(a > (vec){0});
        NAME(store)(dgates, is_relu ? (vec)(positive & (ivec)d) : d * (1 - a * a), n);
    }
}
