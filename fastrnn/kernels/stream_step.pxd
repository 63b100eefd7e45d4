"""One time step of streams, from what they are given to what the network says.

Numbers and ids are read and checked, every layer makes a step, states are pooled, the head and its
link answer. The functions of the cells are those of the driver (cell.h), and so are the packed
products (stream_products.pxd).

Streams are rows. They go through the network in shards, all layers of a shard one after the other,
so that what lies between the layers stays in a first- or second-level cache. Nothing is changed
before all of the input has been read: a step that is refused leaves every stream where it was.
"""

from cython cimport floating
from libc.math cimport copysign, exp, expm1, fabs, floor, isnan, log, log1p, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove, memset

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.attention cimport attention_step
from fastrnn.kernels.gaps cimport decay_states, read_gaps
from fastrnn.kernels.links cimport rate, softmax_row, softplus
from fastrnn.kernels.masks cimport zone_forward
from fastrnn.kernels.stream_front cimport (
    make_others,
    push,
    put_back,
    read_vector,
    save_states,
)
from fastrnn.kernels.stream_plan cimport (
    AFFINE,
    DOUBLE,
    FLOAT,
    FORECAST,
    LAST,
    MAX,
    MEAN,
    RATE,
    SIGMOID,
    SOFTMAX,
    SOFTPLUS,
    Forecast,
    Input,
    Kind,
    Layer,
    Levels,
    Link,
    Plan,
    Pooling,
    Table,
)
from fastrnn.kernels.stream_products cimport product, product_pair
from fastrnn.kernels.team cimport all_of
from fastrnn.kernels.vector_math cimport APART, SUM, TWICE, CellFunctions, Step

cdef enum:
    SHARD = 96  # streams that go through all layers together: sixteen tiles of a product
    STEP_BITS = 62  # so that a count of steps, and that of a step ahead, cannot wrap


cdef inline double number_at(const char* place, Kind kind) noexcept nogil:
    if kind == FLOAT:
        return (<const float*>place)[0]
    if kind == DOUBLE:
        return (<const double*>place)[0]
    return <double>(<const int64_t*>place)[0]


cdef inline double read_number(
    const Plan* p,
    const Input* given,
    const char* row,   # of a stream
    int64_t k,
) noexcept nogil:
    """The number that the network reads in place k, on its scale."""
    cdef double value = number_at(row + p.sources[k] * given.column_stride, given.kind)
    if p.center != NULL:
        value = (value - p.center[k]) / p.deviation[k]
    return value


cdef inline bint all_finite(
    int64_t n,
    const floating* x,   # IN  (n,)
) noexcept nogil:
    cdef:
        int64_t j
        int wrong = 0
    for j in range(n):
        wrong |= x[j] - x[j] != 0  # NaN of NaN and of infinity
    return not wrong


cdef inline bint read_value(
    Plan* p,
    int64_t n,
    double value,
    floating* read,   # OUT  (1 + mask,): what the network reads of it
) noexcept nogil:
    """Read the next value of series n (fastrnn.estimators.plan); whether it will do."""
    cdef:
        Forecast* f = &p.forecast
        double last = f.last[n], seen
        bint is_missing = isnan(value)
    if is_missing:
        if not f.mask:
            return False
    else:
        if not -1e150 < value < 1e150 or (f.log == 1 and value <= 0):
            return False
        if f.log == 1:
            value = log(value)
        elif f.log == 2:
            value = copysign(log1p(fabs(value) / f.unit[n]), value)
        value -= f.season[n * f.season_length + p.n_steps[n] % f.season_length] + f.shift[n]
        last = value / (f.factor[n] if f.factor[n] != 0 else 1)
    f.new_last[n] = last
    seen = last - f.last[n] if f.relative else last
    read[0] = <floating>seen
    if f.mask:
        read[1] = is_missing
    return read[0] - read[0] == 0


cdef inline bint read_before(
    const Forecast* f,
    int64_t n,
    floating* read,   # OUT  (n_lags + n_fixed,): what the network reads behind covariates
) noexcept nogil:
    """Read the values before the next one of series n, and what is fixed; whether they will do."""
    cdef:
        int64_t k
        const double* lagged = f.lagged + n * f.n_lags
    for k in range(f.n_lags):
        if f.relative:
            read[k] = <floating>((lagged[k] - f.new_last[n]) / sqrt(<double>(k + 1)))
        else:
            read[k] = <floating>lagged[k]
    for k in range(f.n_fixed):
        read[f.n_lags + k] = <floating>f.fixed[n * f.n_fixed + k]
    return all_finite(f.n_lags, read)


cdef inline void shift_lagged(
    const Forecast* f,
    int64_t n,
) noexcept nogil:
    """The next value of series n is the last one."""
    cdef double* lagged = f.lagged + n * f.n_lags
    if f.n_lags > 0:
        memmove(lagged + 1, lagged, (f.n_lags - 1) * sizeof(double))
        lagged[0] = f.new_last[n]


cdef inline bint read_input(
    Plan* p,
    const Input* given,
    floating* values,   # OUT  (streams, n_numbers)
) noexcept nogil:
    """Fill values and ids; whether all of the input may be read."""
    cdef:
        int64_t n, k, first = 0, last = p.n_numbers
        const char* row
        floating* read
        double value
    for n in range(p.n_streams):
        row = given.data + n * given.row_stride
        read = values + n * p.n_numbers
        if p.link == FORECAST:
            if not read_value(p, n, number_at(row, given.kind), read):
                return False
            first = 1 + p.forecast.mask
            last = p.n_numbers - p.forecast.n_lags - p.forecast.n_fixed
            if not read_before(&p.forecast, n, read + last):
                return False
        if not p.gaps.is_plain:
            for k in range(p.gaps.n_values + p.gaps.has_time):
                p.given[k] = read_number(p, given, row, k)
            if not read_gaps(&p.gaps, n, p.n_steps[n] == 0, p.given, read):
                return False
            first = p.n_numbers
        for k in range(first, last):
            read[k] = <floating>read_number(p, given, row, k)
            if read[k] - read[k] != 0:
                return False
        for k in range(p.n_tables):
            value = number_at(row + p.tables[k].source * given.column_stride, given.kind)
            if p.gaps.allows and isnan(value):
                value = p.tables[k].rows  # the row of a missing id
            elif not 0 <= value < p.tables[k].rows or value != floor(value):
                return False
            p.ids[n * p.n_tables + k] = <int64_t>value
    return True


cdef inline void layer_step(
    Plan* p,
    Layer* layer,
    int64_t begin,       # first stream of the shard
    int64_t rows,
    const floating* x,   # IN  (rows, D)
    floating* gates,     # room for (rows, GH)
) noexcept nogil:
    """One step of a layer for a shard of streams: their h and c become those of the next step."""
    cdef:
        int64_t D = layer.D, H = layer.H, GH = layer.GH
        const floating* b = <const floating*>layer.b
        floating* h = <floating*>layer.h + begin * H
        floating* c = <floating*>layer.c + begin * H if layer.c != NULL else NULL
        floating* kept = <floating*>p.kept
        const CellFunctions* functions = layer.of_float if floating is float else layer.of_double
        int64_t first = GH - functions.last * H
        floating* room = <floating*>p.rounded
        Step step
    memset(&step, 0, sizeof(Step))
    step.rows, step.H, step.units, step.option = rows, H, all_of(H), layer.option
    step.b, step.gates, step.kept, step.recurrent = b, gates, kept, p.h_U
    memcpy(step.extra, layer.extra, sizeof(layer.extra))
    step.h_prev, step.c_prev, step.h, step.c, step.h_in = h, c, h, c, h
    if layer.zoneout > 0:
        step.h, step.c = p.new_h, p.new_c
    if functions.form == SUM:
        # gates = b + x @ W + h @ U
        product_pair(rows, GH, D, x, &layer.W, H, <const floating*>h, &layer.U, b, gates, room)
    else:
        # gates = b + x @ W
        product(rows, GH, D, x, D, &layer.W, <const floating*>NULL if functions.adds_bias else b, 0,
                gates, GH, room)
    if functions.form == APART:
        # h_U = h @ U
        product(rows, GH, H, <const floating*>h, H, &layer.U, <const floating*>NULL, 0,
                <floating*>p.h_U, GH, room)
    elif functions.form == TWICE:
        # gates[:, :-last] += h @ U[:, :-last]
        product(rows, first, H, <const floating*>h, H, &layer.U, <const floating*>gates, GH, gates,
                GH, room)
        functions.first_forward(&step)
        # gates[:, -last:] += kept @ U[:, -last:]
        product(rows, GH - first, H, <const floating*>kept, functions.kept * H, &layer.U_last,
                <const floating*>gates + first, GH, gates + first, GH, room)
    functions.forward(&step)
    if layer.zoneout > 0:
        zone_forward(rows, H, step.units, <floating>layer.zoneout, <const floating*>NULL,
                     <const floating*>p.new_h, h, h)
        if c != NULL:
            zone_forward(rows, H, step.units, <floating>layer.zoneout, <const floating*>NULL,
                         <const floating*>p.new_c, c, c)


cdef inline void pool_part(
    Plan* p,
    Pooling part,
    int64_t F,
    int64_t n,            # which stream
    const floating* h,    # IN   (F,), after the step
    floating* pooled,     # OUT  (F,)
) noexcept nogil:
    """What one part of the pooling makes of the steps of a stream so far."""
    cdef:
        int64_t k
        bint is_first = p.n_read[n] == 1
        floating share = <floating>(1.0 / p.n_read[n])
        floating* largest
        double* total
    if part == LAST:
        memcpy(pooled, h, F * sizeof(floating))
    elif part == MEAN:
        total = p.total + n * F
        for k in range(F):
            total[k] += h[k]
            pooled[k] = <floating>total[k] * share
    elif part == MAX:
        largest = <floating*>p.largest + n * F
        for k in range(F):
            if is_first or h[k] > largest[k] or h[k] != h[k]:
                largest[k] = h[k]
        memcpy(pooled, largest, F * sizeof(floating))
    else:
        attention_step(F, h, <const floating*>p.query, is_first, p.score + n, p.weight + n,
                       p.weighted + n * F, pooled)


cdef inline const floating* pool(
    Plan* p,
    int64_t F,
    int64_t begin,
    int64_t rows,
    const floating* h,   # IN  (rows, F), after the step
) noexcept nogil:
    """Count the step, and return what the head reads: (rows, F for each part)."""
    cdef:
        int64_t n, k
        floating* pooled = <floating*>p.pooled
    for n in range(rows):
        p.n_read[begin + n] += 1
    if p.n_parts == 0:
        return h
    for n in range(rows):
        for k in range(p.n_parts):
            pool_part(p, p.parts[k], F, begin + n, h + n * F, pooled + (n * p.n_parts + k) * F)
    return pooled


cdef inline void sort_quantiles(
    Levels* levels,
    const floating* outputs,   # IN  (n_learned,)
) noexcept nogil:
    """Sort what the network says of one value into `rising`."""
    cdef:
        int64_t j, k
        double z
        double* rising = levels.rising
    for k in range(levels.n_learned):
        z = outputs[k]
        j = k
        while j > 0 and rising[j - 1] > z:
            rising[j] = rising[j - 1]
            j -= 1
        rising[j] = z


cdef inline double quantile(const Levels* levels, int64_t level) noexcept nogil:
    """The quantile of a level that is wanted: it stands between two of those sorted."""
    cdef:
        int64_t j = levels.above[level]
        double share = levels.share[level]
    if levels.n_learned == 1:
        return levels.rising[0]
    return levels.rising[j - 1] * (1 - share) + levels.rising[j] * share


cdef inline const floating* read_on(
    Plan* p,
    int64_t begin,       # first stream of the shard
    int64_t rows,
    const floating* x,   # IN  (rows, D)
) noexcept nogil:
    """All layers read a step; what the head reads."""
    cdef:
        int64_t k
        Layer* layer = p.layers
    for k in range(p.n_layers):
        layer = &p.layers[k]
        layer_step(p, layer, begin, rows, x, <floating*>p.gates)
        x = <const floating*>layer.h + begin * layer.H
    return pool(p, layer.H, begin, rows, x)


cdef inline void hear(
    Plan* p,
    int64_t place,
    int64_t begin,             # first stream of the shard
    int64_t rows,
    const floating* pooled,    # IN   (rows, F)
) noexcept nogil:
    """Keep what the head reads of a row that is final, at place 0, or of one that is not."""
    cdef int64_t F = p.layers[p.n_layers - 1].H
    if p.heard != NULL:
        memcpy(<floating*>p.heard + (place * p.n_streams + begin) * F, pooled,
               rows * F * sizeof(floating))


cdef inline const floating* read_through_stages(
    Plan* p,
    int64_t begin,       # first stream of the shard, all of which have read as many steps
    int64_t rows,
    const floating* x,   # IN  (rows, D)
) noexcept nogil:
    """Stages and layers read a step; what the head reads, before `put_back`."""
    cdef:
        int64_t n, t, final = p.n_steps[begin] + 1, total = final, n_read = final
        int64_t width = p.stages[p.n_stages - 1].K
        const floating* pooled = NULL
    for n in range(rows):
        p.n_steps[begin + n] += 1
    x = push(p, begin, rows, x, &n_read)
    if x != NULL:
        for n in range(rows):
            p.n_read[begin + n] = n_read - 1
        pooled = read_on(p, begin, rows, x)
        hear(p, 0, begin, rows, pooled)
    save_states(p, begin, rows)
    x = make_others(p, begin, rows, &final, &total, <floating*>p.windows)
    for n in range(rows):
        p.n_read[begin + n] = final
    for t in range(total - final):
        pooled = read_on(p, begin, rows, x + t * rows * width)
        hear(p, t + 1, begin, rows, pooled)
    return pooled


cdef inline double point(Link link, double z) noexcept nogil:
    """What is expected, of the output that tells it."""
    cdef double slope
    if link == RATE:
        return rate(z)
    return softplus(z, &slope) if link == SOFTPLUS else z


cdef inline void forecasts(
    Plan* p,
    int64_t n,
    const floating* outputs,   # IN   (n_ahead, n_learned)
    double* forecast,          # OUT  (n_ahead, n_levels)
) noexcept nogil:
    """From the outputs for series n to forecasts of its next values (fastrnn.estimators.plan)."""
    cdef:
        Forecast* f = &p.forecast
        int64_t L = p.levels.n_levels, step, level
        double base = f.new_last[n] if f.relative else 0.0, z, season
    for step in range(f.n_ahead):
        sort_quantiles(&p.levels, outputs + step * p.levels.n_learned)
        season = f.season[n * f.season_length + (p.n_steps[n] + step) % f.season_length]
        for level in range(L):
            z = base + point(p.point, quantile(&p.levels, level))
            z = z * f.factor[n] + f.shift[n] + season
            if f.log == 1:
                z = exp(z)
            elif f.log == 2:
                z = copysign(expm1(fabs(z)) * f.unit[n], z)
            forecast[step * L + level] = z


cdef inline void numbers(
    Plan* p,
    const floating* outputs,   # IN   (values, n_learned)
    double* values,            # OUT  (values,)
) noexcept nogil:
    """From the outputs of a regressor to numbers (fastrnn.estimators.numbers)."""
    cdef:
        int64_t Q = p.levels.n_learned, k
        double z
    for k in range(p.n_outputs // Q):
        if Q == 1:
            z = point(p.point, outputs[k])
        else:
            sort_quantiles(&p.levels, outputs + k * Q)
            z = quantile(&p.levels, 0)
        values[k] = z * p.scale[k] + p.shift[k]


cdef inline void answer(
    Plan* p,
    int64_t begin,
    int64_t rows,
    int64_t F,
    const floating* pooled,   # IN   (rows, F)
    char* result,             # OUT  (rows, K) floating; double for AFFINE and FORECAST
) noexcept nogil:
    """The head, and its link, for a shard of streams."""
    cdef:
        int64_t n, k, K = p.n_outputs
        bint is_scaled = p.link == AFFINE or p.link == FORECAST
        floating* outputs = <floating*>p.outputs if is_scaled else <floating*>result
        double* scaled = <double*>result
    # outputs = b + pooled @ W
    product(rows, K, F, pooled, F, &p.head, <const floating*>p.head_b, 0, outputs, K,
            <floating*>p.rounded)
    if p.link == SOFTMAX:
        for n in range(rows):
            softmax_row(K, outputs + n * K)
    elif p.link == SIGMOID:
        vector_math.sigmoid(rows * K, outputs, outputs)
    elif p.link == RATE or p.link == SOFTPLUS:
        for k in range(rows * K):
            outputs[k] = <floating>point(p.link, outputs[k])
    elif p.link == AFFINE:
        for n in range(rows):
            numbers(p, outputs + n * K, scaled + n * (K // p.levels.n_learned))
    elif p.link == FORECAST:
        for n in range(rows):
            forecasts(p, begin + n, outputs + n * K,
                      scaled + n * p.forecast.n_ahead * p.levels.n_levels)


cdef inline bint advance(
    Plan* p,
    const Input* given,
    floating* values,        # room for (streams, n_numbers)
    char* result,            # OUT  a row for each stream
    int64_t result_stride,   # bytes
) noexcept nogil:
    """A step of all streams; False, and nothing has changed, if the input may not be read or a
    stream cannot count another step."""
    cdef:
        int64_t begin = 0, rows, n, k, column, D = p.D, beyond = 0
        int64_t F = max(1, p.n_parts) * p.layers[p.n_layers - 1].H
        const floating* read = values
        const floating* x
        floating* joined = <floating*>p.x
        Table* table
        Kind own_kind = FLOAT if floating is float else DOUBLE
        int64_t row_size = p.width * sizeof(floating)
    for n in range(p.n_streams):
        beyond |= p.n_steps[n] >> STEP_BITS  # not 0 from MAX_STEPS on, nor below 0
    if beyond:
        return False
    if (p.is_plain and given.kind == own_kind and given.column_stride == sizeof(floating)
            and (given.row_stride == row_size or p.n_streams == 1)):
        read = <const floating*>given.data
        if not all_finite(p.n_streams * p.n_numbers, read):
            return False
    elif not read_input(p, given, values):
        return False
    while begin < p.n_streams:
        rows = min(<int64_t>SHARD, p.n_streams - begin)
        if p.n_stages > 0:
            n = begin + 1
            while n < begin + rows and p.n_steps[n] == p.n_steps[begin]:
                n += 1
            rows = n - begin
        x = read + begin * p.n_numbers
        if p.n_tables > 0:
            for n in range(rows):
                memcpy(joined + n * D, x + n * p.n_numbers, p.n_numbers * sizeof(floating))
                column = n * D + p.n_numbers
                for k in range(p.n_tables):
                    table = &p.tables[k]
                    read_vector(table, p.ids[(begin + n) * p.n_tables + k], joined + column)
                    column += table.width
            x = joined
        if p.gaps.since != NULL:
            decay_states(&p.gaps, begin, rows, p.layers[0].H,
                         <floating*>p.layers[0].h + begin * p.layers[0].H)
        if p.n_stages > 0:
            x = read_through_stages(p, begin, rows, x)
        else:
            x = read_on(p, begin, rows, x)
        answer(p, begin, rows, F, x, result + begin * result_stride)
        if p.n_stages > 0:
            put_back(p, begin, rows)
        begin += rows
    if p.link == FORECAST:
        memcpy(p.forecast.last, p.forecast.new_last, p.n_streams * sizeof(double))
        for n in range(p.n_streams):
            shift_lagged(&p.forecast, n)
    D = p.n_streams * p.gaps.n_values * sizeof(double)
    if p.gaps.allows:
        memcpy(p.gaps.seen, p.gaps.new_seen, D)
    if p.gaps.since != NULL:
        memcpy(p.gaps.since, p.gaps.new_since, D)
    if p.gaps.has_time:
        memcpy(p.gaps.time, p.gaps.new_time, p.n_streams * sizeof(double))
    return True
