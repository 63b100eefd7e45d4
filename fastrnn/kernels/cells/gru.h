/* Gated recurrent unit, with the reset gate after the recurrent product: the form of PyTorch and
   cuDNN.

   For each step t, with the logistic function s and elementwise products

       r = s(x W_r + h' U_r + b_r)        reset gate
       z = s(x W_z + h' U_z + b_z)        update gate
       q = h' U_n + b_q
       n = tanh(x W_n + b_n + r q)        candidate
       h = (1 - z) n + z h'               state and output

   where x = x_t, h' = h_{t-1} (times the recurrent dropout mask, for every h' that enters a
   product). b_q is extra[0], the layers' parameter "b_n"; the n block of b is their input bias. Cho
   et al. (2014), arXiv 1406.1078, has the reset before the product: gru_before.h.

   Backward; dh holds on entry to step t what later steps send to h_t, da is of the pre-activations

       dh += dy
       da_z = dh (h' - n) z (1 - z)
       da_n = dh (1 - z) (1 - n^2)
       dq = da_n r
       da_r = da_n q r (1 - r)
       dh' = dh z + [da_r da_z dq] U^T */

static TARGET void NAME(gru_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *h_U = s->recurrent, *b_q = s->extra[0], *h_prev = s->h_prev;
    REAL *gates = s->gates, *q = s->kept, *h = s->h;

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 3 * H, h_U += 3 * H, q += H, h_prev += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(sigmoid)(NAME(load)(gates + j, n) + NAME(load)(h_U + j, n));
            vec z = NAME(sigmoid)(NAME(load)(gates + H + j, n) + NAME(load)(h_U + H + j, n));
            NAME(store)(gates + j, r, n);
            NAME(store)(gates + H + j, z, n);
            NAME(store)(q + j, NAME(load)(h_U + 2 * H + j, n) + NAME(load)(b_q + j, n), n);
        }
        /* A loop of its own: the chain of activations would be too long to overlap the next one. */
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec z = NAME(load)(gates + H + j, n), reset = NAME(load)(gates + j, n);
            reset *= NAME(load)(q + j, n);
            vec new = NAME(tanh)(NAME(load)(gates + 2 * H + j, n) + reset);
            NAME(store)(gates + 2 * H + j, new, n);
            NAME(store)(h + j, new + z *(NAME(load)(h_prev + j, n) - new), n);
        }
    }
}

static TARGET void NAME(gru_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *h_prev = s->h_prev, *dy = s->dy;
    REAL *gates = s->gates, *q = s->kept, *dh = s->dh;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 3 * H, q += H, h_prev += H, dh += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(load)(gates + j, n), z = NAME(load)(gates + H + j, n);
            vec new = NAME(load)(gates + 2 * H + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec dz = dh_t * (NAME(load)(h_prev + j, n) - new);
            vec dnew = dh_t * (1 - z) * (1 - new *new);
            NAME(store)(gates + j, dnew * NAME(load)(q + j, n) * r * (1 - r), n);
            NAME(store)(gates + H + j, dz * z * (1 - z), n);
            NAME(store)(gates + 2 * H + j, dnew, n);
            NAME(store)(q + j, dnew * r, n);
            NAME(store)(dh + j, dh_t * z, n);
        }
        if (dy)
            dy += H;
    }
}

static const cell NAME(gru) = {
    .name = "gru",
    .form = APART,
    .kept = 1,
    .last = 1,
    .adds = 1,
    .last_bias = 1,
    .forward = NAME(gru_forward),
    .backward = NAME(gru_backward),
};
