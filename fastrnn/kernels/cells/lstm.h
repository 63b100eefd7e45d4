/* Long short-term memory.

   For each step t, with the logistic function s and elementwise products

       i = s(x W_i + h' U_i + b_i)        input gate
       f = s(x W_f + h' U_f + b_f)        forget gate
       g = tanh(x W_g + h' U_g + b_g)     candidate
       o = s(x W_o + h' U_o + b_o)        output gate
       c = f c' + i g                     memory cell
       h = o tanh(c)                      state and output

   where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
   products). Hochreiter and Schmidhuber (1997), Neural Computation 9(8) 1735-1780; forget gate:
   Gers, Schmidhuber and Cummins (2000), Neural Computation 12(10) 2451-2471.

   Backward, with dv for the gradient of the loss with respect to v; dh and dc hold on entry to step
   t what later steps send to h_t and c_t

       dh += dy
       dc += dh o (1 - tanh(c)^2)
       di = dc g i (1 - i)                of the pre-activations, as the next three
       df = dc c' f (1 - f)
       dg = dc i (1 - g^2)
       do = dh tanh(c) o (1 - o)
       dh' = [di df dg do] U^T
       dc' = dc f */

static TARGET void NAME(lstm_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *c_prev = s->c_prev;
    REAL *gates = s->gates, *c = s->c, *h = s->h;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 4 * H, c_prev += H, c += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(sigmoid)(NAME(load)(gates + j, n));
            vec f = NAME(sigmoid)(NAME(load)(gates + H + j, n));
            vec g = NAME(tanh)(NAME(load)(gates + 2 * H + j, n));
            vec o = NAME(sigmoid)(NAME(load)(gates + 3 * H + j, n));
            vec memory = f * NAME(load)(c_prev + j, n) + i * g;
            NAME(store)(gates + j, i, n);
            NAME(store)(gates + H + j, f, n);
            NAME(store)(gates + 2 * H + j, g, n);
            NAME(store)(gates + 3 * H + j, o, n);
            NAME(store)(c + j, memory, n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec o = NAME(load)(gates + 3 * H + j, n);
            NAME(store)(h + j, o * NAME(tanh)(NAME(load)(c + j, n)), n);
        }
    }
}

static TARGET void NAME(lstm_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *c_prev = s->c_prev, *c = s->c, *dy = s->dy, *dh = s->dh;
    REAL *gates = s->gates, *dc = s->dc;

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 4 * H, c_prev += H, c += H, dh += H, dc += H) {
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

static const cell NAME(lstm) = {
    .name = "lstm",
    .form = SUM,
    .forward = NAME(lstm_forward),
    .backward = NAME(lstm_backward),
};
