/* The pointwise passes of one GRU step (equations in gru.pyx), for some units
   of all rows. Included by levels.h. */

/* Reset after the product.
   gates (rows, 3H): x W + b on entry, r | z | n on return; h_U (rows, 3H): the recurrent product;
   b_n (H,); q (rows, H) receives h U_n + b_n; h_prev, h (rows, H). */
static TARGET void NAME(gru_forward)(int64_t rows, int64_t H, range units, REAL *gates,
                                     const REAL *h_U, const REAL *b_n, REAL *q, const REAL *h_prev,
                                     REAL *h)
{
    for (; rows > 0; rows--, gates += 3 * H, h_U += 3 * H, q += H, h_prev += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(sigmoid)(NAME(load)(gates + j, n) + NAME(load)(h_U + j, n));
            vec z = NAME(sigmoid)(NAME(load)(gates + H + j, n) + NAME(load)(h_U + H + j, n));
            NAME(store)(gates + j, r, n);
            NAME(store)(gates + H + j, z, n);
            NAME(store)(q + j, NAME(load)(h_U + 2 * H + j, n) + NAME(load)(b_n + j, n), n);
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

/* gates: r | z | n on entry, the gradient of their pre-activations on return; q: h U_n + b_n on
   entry, its gradient on return; dy (rows, H) or NULL: gradient of h_t from above; dh (rows, H): of
   h_t from step t + 1 on entry, its part that reaches h_{t-1} through z on return. */
static TARGET void NAME(gru_backward)(int64_t rows, int64_t H, range units, REAL *gates, REAL *q,
                                      const REAL *h_prev, const REAL *dy, REAL *dh)
{
    for (; rows > 0; rows--, gates += 3 * H, q += H, h_prev += H, dh += H) {
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

/* Reset before the product, first half. gates: r and z blocks hold x W + h U + b on entry, r | z on
   return; h_in (rows, H): the state that enters the products; reset (rows, H) receives r * h_in. */
static TARGET void NAME(gru_before_forward_reset)(int64_t rows, int64_t H, range units, REAL *gates,
                                                  const REAL *h_in, REAL *reset)
{
    for (; rows > 0; rows--, gates += 3 * H, h_in += H, reset += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(sigmoid)(NAME(load)(gates + j, n));
            NAME(store)(gates + j, r, n);
            NAME(store)(gates + H + j, NAME(sigmoid)(NAME(load)(gates + H + j, n)), n);
            NAME(store)(reset + j, r * NAME(load)(h_in + j, n), n);
        }
    }
}

/* The gradient of the first half. gates: r in its block on entry, the gradient of its
   pre-activation on return; dreset (rows, H): gradient of r * h_in on entry, its part that reaches
   h_in on return. */
static TARGET void NAME(gru_before_backward_reset)(int64_t rows, int64_t H, range units,
                                                   REAL *gates, const REAL *h_in, REAL *dreset)
{
    for (; rows > 0; rows--, gates += 3 * H, h_in += H, dreset += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec r = NAME(load)(gates + j, n), d = NAME(load)(dreset + j, n);
            NAME(store)(gates + j, d * NAME(load)(h_in + j, n) * r * (1 - r), n);
            NAME(store)(dreset + j, d * r, n);
        }
    }
}

/* Second half. gates: z activated and x W_n + (r * h) U_n + b in the n block on entry, n on return;
   b_n (H,). */
static TARGET void NAME(gru_before_forward_state)(int64_t rows, int64_t H, range units, REAL *gates,
                                                  const REAL *b_n, const REAL *h_prev, REAL *h)
{
    for (; rows > 0; rows--, gates += 3 * H, h_prev += H, h += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            int64_t n = units.end - j;
            vec z = NAME(load)(gates + H + j, n);
            vec new = NAME(tanh)(NAME(load)(gates + 2 * H + j, n) + NAME(load)(b_n + j, n));
            NAME(store)(gates + 2 * H + j, new, n);
            NAME(store)(h + j, new + z *(NAME(load)(h_prev + j, n) - new), n);
        }
    }
}

/* The gradient of the second half. gates: z and n on entry, the gradients of their pre-activations
   on return, r untouched; dy, dh as in gru_backward. */
static TARGET void NAME(gru_before_backward_state)(int64_t rows, int64_t H, range units,
                                                   REAL *gates, const REAL *h_prev, const REAL *dy,
                                                   REAL *dh)
{
    for (; rows > 0; rows--, gates += 3 * H, h_prev += H, dh += H) {
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
