/* Long short-term memory with layer normalization.

   With the logistic function s, elementwise products, and N(v) for a vector v less its mean,
   divided by the root of its variance and 1e-5

       [a_i a_f a_g a_o] = g_x N(x W) + g_h N(h' U) + b     over all four gates together
       i = s(a_i)   f = s(a_f)   g = tanh(a_g)   o = s(a_o)
       c = f c' + i g
       h = o tanh(g_c N(c) + b_c)

   where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
   product). Ba, Kiros and Hinton (2016), arXiv 1607.06450, equations 20 to 22 of the supplement,
   whose two biases of the normalized products are one with b. extra has g_x, g_h, g_c and b_c.

   kept has h' U, the activated gates, and c: what is in the states may be another one.

   Backward, with dv for the gradient of the loss with respect to v; dh and dc hold on entry to step
   t what later steps send to h_t and c_t. For y = g N(v), with n = N(v), k its elements and r the
   root,

       dg += dy n
       dv = (dy g - mean(dy g) - n mean(dy g n)) / r

       dh += dy
       do = dh t o (1 - o)                 t = tanh(g_c N(c) + b_c); of the pre-activations
       dc += what dh o (1 - t^2) sends through g_c N(c)
       di = dc g i (1 - i)
       df = dc c' f (1 - f)
       dg = dc i (1 - g^2)
       db += da
       d(x W), d(h' U): what da sends through g_x N(x W) and g_h N(h' U)
       dc' = dc f */

INLINE REAL NAME(sum_of_lanes)(vec x)
{
    REAL total = 0;
    for (int64_t j = 0; j < LANES; j++)
        total += x[j];
    return total;
}

/* The mean of x (n,), and one by the root of its variance. */
INLINE REAL NAME(moments)(int64_t n, const REAL *x, REAL *scale)
{
    vec sum = {0}, squares = {0};
    for (int64_t j = 0; j < n; j += LANES)
        sum += NAME(load)(x + j, n - j);
    const REAL mean = NAME(sum_of_lanes)(sum) / (REAL)n;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vec d = NAME(load)(x + j, LANES) - mean;
        squares += d * d;
    }
    REAL variance = NAME(sum_of_lanes)(squares);
    for (; j < n; j++)
        variance += (x[j] - mean) * (x[j] - mean);
    *scale = (REAL)(1 / __builtin_sqrt((double)(variance / (REAL)n) + 1e-5));
    return mean;
}

/* For y = gain N(x): x (n,) becomes dx, from dy (n,); dgain (n,) is added to. */
INLINE void NAME(normalize_backward)(int64_t n, const REAL *dy, const REAL *gain, REAL *dgain,
                                     REAL *x)
{
    REAL scale, mean = NAME(moments)(n, x, &scale);
    vec sum = {0}, along = {0};
    for (int64_t j = 0; j < n; j += LANES) {
        vec d = NAME(load)(dy + j, n - j), normal = (NAME(load)(x + j, n - j) - mean) * scale;
        NAME(store)(dgain + j, NAME(load)(dgain + j, n - j) + d * normal, n - j);
        d *= NAME(load)(gain + j, n - j);
        sum += d;
        along += d * normal;
    }
    const REAL mean_d = NAME(sum_of_lanes)(sum) / (REAL)n;
    const REAL mean_along = NAME(sum_of_lanes)(along) / (REAL)n;
    for (int64_t j = 0; j < n; j += LANES) {
        vec d = NAME(load)(dy + j, n - j) * NAME(load)(gain + j, n - j);
        vec normal = (NAME(load)(x + j, n - j) - mean) * scale;
        NAME(store)(x + j, (d - mean_d - normal * mean_along) * scale, n - j);
    }
}

static TARGET void NAME(layernorm_lstm_forward)(const step *s)
{
    const int64_t H = s->H;
    const REAL *b = s->b, *g_x = s->extra[0], *g_h = s->extra[1], *g_c = s->extra[2];
    const REAL *b_c = s->extra[3], *h_U = s->recurrent, *c_prev = s->c_prev;
    REAL *gates = s->gates, *kept = s->kept, *c = s->c, *h = s->h;

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 4 * H, h_U += 4 * H, kept += 9 * H, c_prev += H, c += H, h += H) {
        REAL *active = kept + 4 * H, *memory = kept + 8 * H, scale_x, scale_h, scale_c;
        const REAL mean_x = NAME(moments)(4 * H, gates, &scale_x);
        const REAL mean_h = NAME(moments)(4 * H, h_U, &scale_h);
        for (int64_t j = 0; j < 4 * H; j += LANES) {
            int64_t n = 4 * H - j;
            vec of_h = NAME(load)(h_U + j, n);
            vec a = NAME(load)(g_x + j, n) * ((NAME(load)(gates + j, n) - mean_x) * scale_x);
            a += NAME(load)(g_h + j, n) * ((of_h - mean_h) * scale_h) + NAME(load)(b + j, n);
            NAME(store)(kept + j, of_h, n);
            NAME(store)(active + j, a, n);
        }
        for (int64_t j = 0; j < H; j += LANES) {
            int64_t n = H - j;
            vec i = NAME(sigmoid)(NAME(load)(active + j, n));
            vec f = NAME(sigmoid)(NAME(load)(active + H + j, n));
            vec g = NAME(tanh)(NAME(load)(active + 2 * H + j, n));
            vec o = NAME(sigmoid)(NAME(load)(active + 3 * H + j, n));
            NAME(store)(memory + j, f * NAME(load)(c_prev + j, n) + i * g, n);
            NAME(store)(active + j, i, n);
            NAME(store)(active + H + j, f, n);
            NAME(store)(active + 2 * H + j, g, n);
            NAME(store)(active + 3 * H + j, o, n);
        }
        const REAL mean_c = NAME(moments)(H, memory, &scale_c);
        for (int64_t j = 0; j < H; j += LANES) {
            int64_t n = H - j;
            vec new = NAME(load)(memory + j, n), normal = (new - mean_c) * scale_c;
            vec z = NAME(load)(g_c + j, n) * normal + NAME(load)(b_c + j, n);
            NAME(store)(c + j, new, n);
            NAME(store)(h + j, NAME(load)(active + 3 * H + j, n) * NAME(tanh)(z), n);
        }
    }
}

static TARGET void NAME(layernorm_lstm_backward)(const step *s)
{
    const int64_t H = s->H;
    const REAL *g_x = s->extra[0], *g_h = s->extra[1], *g_c = s->extra[2], *b_c = s->extra[3];
    const REAL *c_prev = s->c_prev, *dy = s->dy;
    REAL *gates = s->gates, *kept = s->kept, *dh = s->dh, *dc = s->dc;
    REAL *db = s->db, *db_c = s->dextra[3];

    for (int64_t rows = s->rows; rows > 0;
         rows--, gates += 4 * H, kept += 9 * H, c_prev += H, dh += H, dc += H) {
        REAL *active = kept + 4 * H, *memory = kept + 8 * H, scale_c;
        const REAL mean_c = NAME(moments)(H, memory, &scale_c);
        for (int64_t j = 0; j < H; j += LANES) {
            int64_t n = H - j;
            vec o = NAME(load)(active + 3 * H + j, n), dh_t = NAME(load)(dh + j, n);
            if (dy)
                dh_t += NAME(load)(dy + j, n);
            vec normal = (NAME(load)(memory + j, n) - mean_c) * scale_c;
            vec t = NAME(tanh)(NAME(load)(g_c + j, n) * normal + NAME(load)(b_c + j, n));
            vec dz = dh_t * o * (1 - t * t);
            NAME(store)(active + 3 * H + j, dh_t * t * o * (1 - o), n);
            NAME(store)(db_c + j, NAME(load)(db_c + j, n) + dz, n);
            NAME(store)(dh + j, dz, n); /* there is room: dh' does not add to dh */
        }
        NAME(normalize_backward)(H, dh, g_c, s->dextra[2], memory);
        for (int64_t j = 0; j < H; j += LANES) {
            int64_t n = H - j;
            vec i = NAME(load)(active + j, n), f = NAME(load)(active + H + j, n);
            vec g = NAME(load)(active + 2 * H + j, n);
            vec dc_t = NAME(load)(dc + j, n) + NAME(load)(memory + j, n);
            NAME(store)(active + j, dc_t * g * i * (1 - i), n);
            NAME(store)(active + H + j, dc_t * NAME(load)(c_prev + j, n) * f * (1 - f), n);
            NAME(store)(active + 2 * H + j, dc_t * i * (1 - g * g), n);
            NAME(store)(dc + j, dc_t * f, n);
        }
        for (int64_t j = 0; j < 4 * H; j += LANES) {
            int64_t n = 4 * H - j;
            NAME(store)(db + j, NAME(load)(db + j, n) + NAME(load)(active + j, n), n);
        }
        NAME(normalize_backward)(4 * H, active, g_x, s->dextra[0], gates);
        NAME(normalize_backward)(4 * H, active, g_h, s->dextra[1], kept);
        if (dy)
            dy += H;
    }
}

static const cell NAME(layernorm_lstm) = {
    .name = "layernorm_lstm",
    .form = APART,
    .kept = 9,
    .last = 4,
    .adds_bias = 1,
    .whole_rows = 1,
    .forward = NAME(layernorm_lstm_forward),
    .backward = NAME(layernorm_lstm_backward),
};
