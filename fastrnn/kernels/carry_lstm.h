/* The pointwise pass of one carry LSTM step (equations in carry_lstm.pyx), for some units
   of all rows. Included by levels.h. */

INLINE vec NAME(candidate)(vec x, int is_tanh)
{
    return is_tanh ? NAME(tanh)(x) : NAME(sigmoid)(x);
}

/* Derivative of the candidate's activation, from its value. */
INLINE vec NAME(candidate_slope)(vec g, int is_tanh)
{
    return is_tanh ? 1 - g * g : g * (1 - g);
}

/* gates (rows, 5H): x W + h U + b on entry, i | f | gamma | o | beta on return.
   h_prev, c_prev, c, h (rows, H); c may be c_prev. */
static TARGET void NAME(carry_lstm_forward)(int64_t rows, int64_t H, range units,
                                            int candidate_tanh, REAL *gates, const REAL *h_prev,
                                            const REAL *c_prev, REAL *c, REAL *h)
{
    for (; rows > 0; rows--, gates += 5 * H, h_prev += H, c_prev += H, c += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(sigmoid)(NAME(load)(gates + j, n));
            vec f = NAME(sigmoid)(NAME(load)(gates + H + j, n));
            vec g = NAME(candidate)(NAME(load)(gates + 2 * H + j, n), candidate_tanh);
            vec o = NAME(sigmoid)(NAME(load)(gates + 3 * H + j, n));
            vec beta = NAME(sigmoid)(NAME(load)(gates + 4 * H + j, n));
            vec cell = f * NAME(load)(c_prev + j, n) + i * g;
            NAME(store)(gates + j, i, n);
            NAME(store)(gates + H + j, f, n);
            NAME(store)(gates + 2 * H + j, g, n);
            NAME(store)(gates + 3 * H + j, o, n);
            NAME(store)(gates + 4 * H + j, beta, n);
            NAME(store)(c + j, cell, n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec o = NAME(load)(gates + 3 * H + j, n), beta = NAME(load)(gates + 4 * H + j, n);
            vec carried = beta * NAME(load)(h_prev + j, n);
            NAME(store)(h + j, o * NAME(tanh)(NAME(load)(c + j, n)) + carried, n);
        }
    }
}

/* gates: activated on entry, the gradient of their pre-activations on return. dy (rows, H) or NULL:
   gradient of h_t from above; dh (rows, H): of h_t from step t + 1 on entry, its part that reaches
   h_{t-1} through the carry on return; dc (rows, H): of c_t on entry, of c_{t-1} on return. */
static TARGET void NAME(carry_lstm_backward)(int64_t rows, int64_t H, range units,
                                             int candidate_tanh, REAL *gates, const REAL *h_prev,
                                             const REAL *c_prev, const REAL *c, const REAL *dy,
                                             REAL *dh, REAL *dc)
{
    for (; rows > 0; rows--, gates += 5 * H, h_prev += H, c_prev += H, c += H, dh += H, dc += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(load)(gates + j, n), f = NAME(load)(gates + H + j, n);
            vec g = NAME(load)(gates + 2 * H + j, n), o = NAME(load)(gates + 3 * H + j, n);
            vec beta = NAME(load)(gates + 4 * H + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec tanh_c = NAME(tanh)(NAME(load)(c + j, n));
            vec dc_t = NAME(load)(dc + j, n) + dh_t * o * (1 - tanh_c * tanh_c);
            vec dbeta = dh_t * NAME(load)(h_prev + j, n);
            NAME(store)(gates + j, dc_t * g * i * (1 - i), n);
            NAME(store)(gates + H + j, dc_t * NAME(load)(c_prev + j, n) * f * (1 - f), n);
            NAME(store)(gates + 2 * H + j, dc_t * i * NAME(candidate_slope)(g, candidate_tanh), n);
            NAME(store)(gates + 3 * H + j, dh_t * tanh_c * o * (1 - o), n);
            NAME(store)(gates + 4 * H + j, dbeta * beta * (1 - beta), n);
            NAME(store)(dc + j, dc_t * f, n);
            NAME(store)(dh + j, dh_t * beta, n);
        }
        if (dy)
            dy += H;
    }
}
