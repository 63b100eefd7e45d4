/* Long short-term memory with peepholes: the gates see the memory cell.

   For each step t, with the logistic function s and elementwise products

       i = s(x W_i + h' U_i + p_i c' + b_i)    input gate
       f = s(x W_f + h' U_f + p_f c' + b_f)    forget gate
       g = tanh(x W_g + h' U_g + b_g)          candidate
       c = f c' + i g                          memory cell
       o = s(x W_o + h' U_o + p_o c + b_o)     output gate, which sees the new one
       h = o tanh(c)                           state and output

   where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
   products). extra[0] is p_i | p_f | p_o. Gers and Schmidhuber (2000), Recurrent nets that time and
   count, IJCNN 2000, vol. 3, 189-194; this is the form of the operator of ONNX.

   Backward, with dv for the gradient of the loss with respect to v; dh and dc hold on entry to step
   t what later steps send to h_t and c_t

       dh += dy
       do = dh tanh(c) o (1 - o)               of the pre-activations, as the next three
       dc += dh o (1 - tanh(c)^2) + do p_o
       di = dc g i (1 - i)
       df = dc c' f (1 - f)
       dg = dc i (1 - g^2)
       dp += [di c'  df c'  do c]
       dh' = [di df dg do] U^T
       dc' = dc f + di p_i + df p_f */

static TARGET void NAME(peephole_lstm_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *p = s->extra[0], *c_prev = s->c_prev;
    REAL *gates = s->gates, *c = s->c, *h = s->h;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 4 * H, c_prev += H, c += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec before = NAME(load)(c_prev + j, n);
            vec seen_i = NAME(load)(p + j, n) * before, seen_f = NAME(load)(p + H + j, n) * before;
            vec i = NAME(sigmoid)(NAME(load)(gates + j, n) + seen_i);
            vec f = NAME(sigmoid)(NAME(load)(gates + H + j, n) + seen_f);
            vec g = NAME(tanh)(NAME(load)(gates + 2 * H + j, n));
            NAME(store)(gates + j, i, n);
            NAME(store)(gates + H + j, f, n);
            NAME(store)(gates + 2 * H + j, g, n);
            NAME(store)(c + j, f * before + i * g, n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec memory = NAME(load)(c + j, n);
            vec seen = NAME(load)(p + 2 * H + j, n) * memory;
            vec o = NAME(sigmoid)(NAME(load)(gates + 3 * H + j, n) + seen);
            NAME(store)(gates + 3 * H + j, o, n);
            NAME(store)(h + j, o * NAME(tanh)(memory), n);
        }
    }
}

static TARGET void NAME(peephole_lstm_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *p = s->extra[0], *c_prev = s->c_prev, *c = s->c, *dy = s->dy, *dh = s->dh;
    REAL *gates = s->gates, *dc = s->dc, *dp = s->dextra[0];

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 4 * H, c_prev += H, c += H, dh += H, dc += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec i = NAME(load)(gates + j, n), f = NAME(load)(gates + H + j, n);
            vec g = NAME(load)(gates + 2 * H + j, n), o = NAME(load)(gates + 3 * H + j, n);
            vec before = NAME(load)(c_prev + j, n), memory = NAME(load)(c + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec tanh_c = NAME(tanh)(memory);
            vec do_t = dh_t * tanh_c * o * (1 - o);
            vec dc_t = NAME(load)(dc + j, n) + dh_t * o * (1 - tanh_c * tanh_c);
            dc_t += do_t * NAME(load)(p + 2 * H + j, n);
            vec di = dc_t * g * i * (1 - i), df = dc_t * before * f * (1 - f);
            NAME(store)(gates + j, di, n);
            NAME(store)(gates + H + j, df, n);
            NAME(store)(gates + 2 * H + j, dc_t * i * (1 - g * g), n);
            NAME(store)(gates + 3 * H + j, do_t, n);
            NAME(store)(dp + j, NAME(load)(dp + j, n) + di * before, n);
            NAME(store)(dp + H + j, NAME(load)(dp + H + j, n) + df * before, n);
            NAME(store)(dp + 2 * H + j, NAME(load)(dp + 2 * H + j, n) + do_t * memory, n);
            vec through_gates = di * NAME(load)(p + j, n) + df * NAME(load)(p + H + j, n);
            NAME(store)(dc + j, dc_t * f + through_gates, n);
        }
        if (dy)
            dy += H;
    }
}

static const cell NAME(peephole_lstm) = {
    .name = "peephole_lstm",
    .form = SUM,
    .forward = NAME(peephole_lstm_forward),
    .backward = NAME(peephole_lstm_backward),
};
