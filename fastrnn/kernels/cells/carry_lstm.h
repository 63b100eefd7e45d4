/* LSTM with a carry gate, the cell this project was started for.

   For each step t, with the logistic function s and elementwise products

       i = s(x W_i + h' U_i + b_i)        (1) input gate
       g = phi(x W_g + h' U_g + b_g)      (2) candidate; phi is s, or tanh if asked
       f = s(x W_f + h' U_f + b_f)        (3) forget gate
       c = f c' + i g                     (4) memory cell
       o = s(x W_o + h' U_o + b_o)        (5) output gate
       v = s(x W_v + h' U_v + b_v)        (6) carry gate
       h = o tanh(c) + v h'               (7) state and output

   where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
   products; the carried h' of (7) is not masked). Elsewhere g is called gamma, and v beta. The
   blocks stand in the order i, f, g, o, v. The carry is a gated straight path for the state, a
   relative of the residual connection of FastRNN (Kusupati et al. 2018, arXiv 1901.02358). It gives
   up a bound: with the LSTM |h| < 1, here |h| is bounded only while v stays below 1, by
   1 / (1 - max v) from a zero start.

   Backward. Let dh and dc hold on entry to step t what later steps send to h_t and c_t. From (7),
   h_t reaches the loss through o, c, v and h'; from (4), c_t through f, c', i and g; and every gate
   through its pre-activation a, with ds/da = s (1 - s)

       dh += dy
       do = dh tanh(c)                    (7)
       dc += dh o (1 - tanh(c)^2)         (7)
       dv = dh h'                         (7)
       df = dc c'                         (4)
       di = dc g                          (4)
       dg = dc i                          (4)
       da = [di i(1-i), df f(1-f), dg phi', do o(1-o), dv v(1-v)]
       dh' = dh v + da U^T                (7) and (1-3, 5, 6)
       dc' = dc f                         (4)

   with phi' = g (1 - g), or 1 - g^2 for tanh. */

INLINE vec NAME(candidate)(vec x, int is_tanh)
{
    return is_tanh ? NAME(tanh)(x) : NAME(sigmoid)(x);
}

/* Derivative of the candidate's activation, from its value. */
INLINE vec NAME(candidate_slope)(vec g, int is_tanh)
{
    return is_tanh ? 1 - g * g : g * (1 - g);
}

static TARGET void NAME(carry_lstm_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const int candidate_tanh = s->option;
    const REAL *h_prev = s->h_prev, *c_prev = s->c_prev;
    REAL *gates = s->gates, *c = s->c, *h = s->h;

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 5 * H, h_prev += H, c_prev += H, c += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(sigmoid)(NAME(load)(gates + j, n));
            vec f = NAME(sigmoid)(NAME(load)(gates + H + j, n));
            vec g = NAME(candidate)(NAME(load)(gates + 2 * H + j, n), candidate_tanh);
            vec o = NAME(sigmoid)(NAME(load)(gates + 3 * H + j, n));
            vec v = NAME(sigmoid)(NAME(load)(gates + 4 * H + j, n));
            vec memory = f * NAME(load)(c_prev + j, n) + i * g;
            NAME(store)(gates + j, i, n);
            NAME(store)(gates + H + j, f, n);
            NAME(store)(gates + 2 * H + j, g, n);
            NAME(store)(gates + 3 * H + j, o, n);
            NAME(store)(gates + 4 * H + j, v, n);
            NAME(store)(c + j, memory, n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec o = NAME(load)(gates + 3 * H + j, n), v = NAME(load)(gates + 4 * H + j, n);
            vec carried = v * NAME(load)(h_prev + j, n);
            NAME(store)(h + j, o * NAME(tanh)(NAME(load)(c + j, n)) + carried, n);
        }
    }
}

static TARGET void NAME(carry_lstm_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const int candidate_tanh = s->option;
    const REAL *h_prev = s->h_prev, *c_prev = s->c_prev, *c = s->c, *dy = s->dy;
    REAL *gates = s->gates, *dh = s->dh, *dc = s->dc;

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 5 * H, h_prev += H, c_prev += H, c += H, dh += H, dc += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(load)(gates + j, n), f = NAME(load)(gates + H + j, n);
            vec g = NAME(load)(gates + 2 * H + j, n), o = NAME(load)(gates + 3 * H + j, n);
            vec v = NAME(load)(gates + 4 * H + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec tanh_c = NAME(tanh)(NAME(load)(c + j, n));
            vec dc_t = NAME(load)(dc + j, n) + dh_t * o * (1 - tanh_c * tanh_c);
            vec dv = dh_t * NAME(load)(h_prev + j, n);
            NAME(store)(gates + j, dc_t * g * i * (1 - i), n);
            NAME(store)(gates + H + j, dc_t * NAME(load)(c_prev + j, n) * f * (1 - f), n);
            NAME(store)(gates + 2 * H + j, dc_t * i * NAME(candidate_slope)(g, candidate_tanh), n);
            NAME(store)(gates + 3 * H + j, dh_t * tanh_c * o * (1 - o), n);
            NAME(store)(gates + 4 * H + j, dv * v * (1 - v), n);
            NAME(store)(dc + j, dc_t * f, n);
            NAME(store)(dh + j, dh_t * v, n);
        }
        if (dy)
            dy += H;
    }
}

static const cell NAME(carry_lstm) = {
    .name = "carry_lstm",
    .form = SUM,
    .adds = 1,
    .forward = NAME(carry_lstm_forward),
    .backward = NAME(carry_lstm_backward),
};
