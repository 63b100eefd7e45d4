/* The plain recurrent network (Elman 1990, Cognitive Science 14(2) 179-211).

   For each step t

       h = phi(x W + h' U + b)            phi is tanh, or relu if asked

   where x = x_t, h' = h_{t-1} (times the recurrent dropout mask).

   Backward; dh holds on entry to step t what later steps send to h_t

       da = (dh + dy) phi'                phi' = 1 - h^2, or 1 where h > 0 and 0 elsewhere
       dh' = da U^T */

/* max(x, 0); NaN stays NaN. */
INLINE vec NAME(relu)(vec x)
{
    ivec negative = (ivec)(x < (vec){0});
    return (vec)(~negative & (ivec)x);
}

static TARGET void NAME(rnn_forward)(const step *s)
{
    int64_t rows = s->rows, H = s->H;
    range units = s->units;
    const int is_relu = s->option;
    const REAL *gates = s->gates;
    REAL *h = s->h;

    if (units.end - units.begin == H) { /* all rows are one */
        units.end *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, gates += H, h += H)
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            vec a = NAME(load)(gates + j, units.end - j);
            NAME(store)(h + j, is_relu ? NAME(relu)(a) : NAME(tanh)(a), units.end - j);
        }
}

/* The slope of relu at 0 is 0. */
static TARGET void NAME(rnn_backward)(const step *s)
{
    int64_t rows = s->rows, H = s->H;
    range units = s->units;
    const int is_relu = s->option;
    const REAL *h = s->h, *dy = s->dy, *dh = s->dh;
    REAL *dgates = s->gates;

    if (units.end - units.begin == H) { /* all rows are one */
        units.end *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, h += H, dh += H, dgates += H) {
        for (int64_t j = units.begin; j < units.end; j += LANES) {
            vec a = NAME(load)(h + j, units.end - j), d = NAME(load)(dh + j, units.end - j);
            if (dy)
                d += NAME(load)(dy + j, units.end - j);
            ivec positive = (ivec)(a > (vec){0});
            NAME(store)(dgates + j, is_relu ? (vec)(positive & (ivec)d) : d * (1 - a * a),
                        units.end - j);
        }
        if (dy)
            dy += H;
    }
}

static const cell NAME(rnn) = {
    .name = "rnn",
    .form = SUM,
    .drops_gates = 1,
    .forward = NAME(rnn_forward),
    .backward = NAME(rnn_backward),
};
