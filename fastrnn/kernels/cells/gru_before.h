/* Gated recurrent unit, with the reset gate before the recurrent product: Cho et al. (2014), arXiv
   1406.1078, but the roles of z and 1 - z are those of gru.h, which has the same names.

       r = s(x W_r + h' U_r + b_r)
       z = s(x W_z + h' U_z + b_z)
       n = tanh(x W_n + b_n + (r h') U_n + b_q)
       h = (1 - z) n + z h'

   Backward, with s = r h'

       dh += dy
       da_z = dh (h' - n) z (1 - z)
       da_n = dh (1 - z) (1 - n^2)
       ds = da_n U_n^T
       da_r = ds h' r (1 - r)
       dh' = dh z + ds r + [da_r da_z] [U_r U_z]^T */

static TARGET void NAME(gru_before_first_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *h_in = s->h_in;
    REAL *gates = s->gates, *reset = s->kept;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 3 * H, h_in += H, reset += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(sigmoid)(NAME(load)(gates + j, n));
            NAME(store)(gates + j, r, n);
            NAME(store)(gates + H + j, NAME(sigmoid)(NAME(load)(gates + H + j, n)), n);
            NAME(store)(reset + j, r * NAME(load)(h_in + j, n), n);
        }
    }
}

static TARGET void NAME(gru_before_first_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *h_in = s->h_in;
    REAL *gates = s->gates, *dreset = s->dreset;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 3 * H, h_in += H, dreset += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(load)(gates + j, n), d = NAME(load)(dreset + j, n);
            NAME(store)(gates + j, d * NAME(load)(h_in + j, n) * r * (1 - r), n);
            NAME(store)(dreset + j, d * r, n);
        }
    }
}

static TARGET void NAME(gru_before_forward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *b_q = s->extra[0], *h_prev = s->h_prev;
    REAL *gates = s->gates, *h = s->h;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 3 * H, h_prev += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec z = NAME(load)(gates + H + j, n);
            vec new = NAME(tanh)(NAME(load)(gates + 2 * H + j, n) + NAME(load)(b_q + j, n));
            NAME(store)(gates + 2 * H + j, new, n);
            NAME(store)(h + j, new + z *(NAME(load)(h_prev + j, n) - new), n);
        }
    }
}

/* The gradient of r is left to the first half. */
static TARGET void NAME(gru_before_backward)(const step *s)
{
    const int64_t H = s->H;
    const range units = s->units;
    const REAL *h_prev = s->h_prev, *dy = s->dy;
    REAL *gates = s->gates, *dh = s->dh;

    for (int64_t rows = s->rows; rows > 0; rows--, gates += 3 * H, h_prev += H, dh += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec z = NAME(load)(gates + H + j, n), new = NAME(load)(gates + 2 * H + j, n);
            vec dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            NAME(store)(gates + H + j, dh_t * (NAME(load)(h_prev + j, n) - new) * z * (1 - z), n);
            NAME(store)(gates + 2 * H + j, dh_t * (1 - z) * (1 - new *new), n);
            NAME(store)(dh + j, dh_t * z, n);
        }
        if (dy)
            dy += H;
    }
}

static const cell NAME(gru_before) = {
    .name = "gru_before",
    .form = TWICE,
    .kept = 1,
    .last = 1,
    .adds = 1,
    .last_bias = 1,
    .forward = NAME(gru_before_forward),
    .backward = NAME(gru_before_backward),
    .first_forward = NAME(gru_before_first_forward),
    .first_backward = NAME(gru_before_first_backward),
};
