/* The pointwise pass of one LSTM step (equations in lstm.pyx), for some units
   of all rows. Included by levels.h. */

/* gates (rows, 4H): x W + h U + b on entry, i | f | g | o on return.
   c_prev, c, h (rows, H); c may be c_prev. */
static TARGET void NAME(lstm_forward)(int64_t rows, int64_t H, range units, REAL *gates,
                                      const REAL *c_prev, REAL *c, REAL *h)
{
    for (; rows > 0; rows--, gates += 4 * H, c_prev += H, c += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(sigmoid)(NAME(load)(gates + j, n));
            vec f = NAME(sigmoid)(NAME(load)(gates + H + j, n));
            vec g = NAME(tanh)(NAME(load)(gates + 2 * H + j, n));
            vec o = NAME(sigmoid)(NAME(load)(gates + 3 * H + j, n));
            vec cell = f * NAME(load)(c_prev + j, n) + i * g;
            NAME(store)(gates + j, i, n);
            NAME(store)(gates + H + j, f, n);
            NAME(store)(gates + 2 * H + j, g, n);
            NAME(store)(gates + 3 * H + j, o, n);
            NAME(store)(c + j, cell, n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec o = NAME(load)(gates + 3 * H + j, n);
            NAME(store)(h + j, o * NAME(tanh)(NAME(load)(c + j, n)), n);
        }
    }
}

/* gates: i | f | g | o on entry, the gradient of their pre-activations on return.
   dy (rows, H) or NULL: gradient of h_t from above; dh (rows, H): from step t + 1, only read;
   dc (rows, H): of c_t from step t + 1 on entry, of c_{t-1} on return. */
static TARGET void NAME(lstm_backward)(int64_t rows, int64_t H, range units, REAL *gates,
                                       const REAL *c_prev, const REAL *c, const REAL *dy,
                                       const REAL *dh, REAL *dc)
{
    for (; rows > 0; rows--, gates += 4 * H, c_prev += H, c += H, dh += H, dc += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(load)(gates + j, n), f = NAME(load)(gates + H + j, n);
            vec g = NAME(load)(gates + 2 * H + j, n), o = NAME(load)(gates + 3 * H + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec tanh_c = NAME(tanh)(NAME(load)(c + j, n));
            vec dc_t = NAME(load)(dc + j, n) + dh_t * o * (1 - tanh_c * tanh_c);
            NAME(store)(gates + j, dc_t * g * i * (1 - i), n);
            NAME(store)(gates + H + j, dc_t * NAME(load)(c_prev + j, n) * f * (1 - f), n);
            NAME(store)(gates + 2 * H + j, dc_t * i * (1 - g * g), n);
            NAME(store)(gates + 3 * H + j, dh_t * tanh_c * o * (1 - o), n);
            NAME(store)(dc + j, dc_t * f, n);
        }
        if (dy)
            dy += H;
    }
}
