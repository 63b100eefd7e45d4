"""One time step of one or many streams, from what they are given to what the network says.

`StreamKernel.step` is a single call without the GIL: numbers and ids are read and checked, every
layer makes a step, states are pooled, the head and its link answer. The functions of the cells are
those of the driver (cell.h), and so are the packed products (product.h). BLAS, which would pack
its factor anew at every step, is never called here.

Streams are rows. They go through the network in shards, all layers of a shard one after the other,
so that what lies between the layers stays in a first- or second-level cache. Nothing is changed
before all of the input has been read: a step that is refused leaves every stream where it was.

What belongs to one stream alone, its state, is in arrays of Python; so are the packed weights,
which streams may share. Here are pointers into them. What is not of the kind expected is handed to
`_convert`, and the words for what may not be read are those of `_refusal`: the subclass in
`fastrnn.streams` has both.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cython cimport floating
from libc.math cimport exp, floor, isnan, log
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.links cimport softmax_row
from fastrnn.kernels.masks cimport zone_forward
from fastrnn.kernels.recurrence cimport Cell
from fastrnn.kernels.team cimport all_of
from fastrnn.kernels.vector_math cimport APART, SUM, TWICE, CellFunctions, Step

cdef enum:
    SHARD = 96  # streams that go through all layers together: sixteen tiles of a product
    STEP_BITS = 62  # so that a count of steps, and that of a step ahead, cannot wrap

SHARD_ROWS = SHARD
MAX_STEPS = <int64_t>1 << STEP_BITS

cdef enum Pooling:
    LAST, MEAN, MAX

cdef enum Link:
    IDENTITY, SOFTMAX, SIGMOID, AFFINE, FORECAST

cdef enum Kind:
    FLOAT, DOUBLE, INTEGER

POOLINGS = {"last": LAST, "steps": LAST, "mean": MEAN, "max": MAX}
LINKS = {
    "identity": IDENTITY,
    "softmax": SOFTMAX,
    "sigmoid": SIGMOID,
    "affine": AFFINE,
    "forecast": FORECAST,
}


cdef struct Layer:
    const CellFunctions* of_float    # the cell's functions
    const CellFunctions* of_double
    int option
    double zoneout       # how much of the state stays
    int64_t D, H, GH
    const void* W        # (D, GH), packed
    const void* U        # (H, GH), packed; for TWICE without its last blocks
    const void* U_last   # these, packed
    const void* b        # (GH,)
    const void* extra[4]   # the cell's own parameters
    void* h              # (streams, H)
    void* c              # (streams, H)


cdef struct Table:
    const void* values   # (rows, width)
    int64_t source       # column of the input that has the ids
    int64_t rows, width


cdef struct Input:
    const char* data
    Kind kind
    int64_t row_stride, column_stride   # bytes
    bint lacks_axis                     # whether a single stream came without the axis of streams


cdef struct Forecast:
    int64_t n_ahead, n_learned, n_levels, season_length
    bint mask, relative, takes_log
    const int64_t* above   # (levels,): the learned quantile at or above each level that is wanted
    const double* share    # (levels,): how much of it, the rest is of the one below
    const double* factor   # (streams,)
    const double* shift    # (streams,)
    const double* season   # (streams, season_length)
    double* last           # (streams,): last value that was observed, scaled
    double* new_last       # (streams,): what it is after this step
    double* rising         # (n_learned,): quantiles of a step, sorted


cdef struct Plan:
    int64_t n_streams
    int64_t width          # columns of the input
    int64_t n_numbers      # columns that the network reads as numbers
    int64_t n_layers, n_tables, n_outputs
    bint is_plain          # whether the input is read as it is
    const int64_t* sources   # (n_numbers,): column of the input
    const double* center     # (n_numbers,), or NULL if numbers are not scaled
    const double* deviation  # (n_numbers,)
    Layer* layers
    Table* tables
    Pooling pooling
    Link link
    const void* head       # (F, K), packed
    const void* head_b     # (K,)
    const double* scale    # (K,): of AFFINE
    const double* shift    # (K,)
    void* values           # (streams, n_numbers)
    int64_t* ids           # (streams, n_tables)
    void* x                # (shard, D) of the first layer, if there are tables
    void* gates            # (shard, largest GH)
    void* h_U              # (shard, largest GH), for APART
    void* kept             # (shard, largest KH)
    void* new_h            # (shard, largest H), the states without zoneout, if there is any
    void* new_c            # (shard, largest H)
    void* pooled           # (shard, F), for MEAN
    void* outputs          # (shard, K), for AFFINE and FORECAST
    int64_t* n_steps       # (streams,)
    double* total          # (streams, F), for MEAN
    void* largest          # (streams, F), for MAX
    Forecast forecast


cdef inline double number_at(const char* place, Kind kind) noexcept nogil:
    if kind == FLOAT:
        return (<const float*>place)[0]
    if kind == DOUBLE:
        return (<const double*>place)[0]
    return <double>(<const int64_t*>place)[0]


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
        if not -1e150 < value < 1e150 or (f.takes_log and value <= 0):
            return False
        if f.takes_log:
            value = log(value)
        value -= f.season[n * f.season_length + p.n_steps[n] % f.season_length] + f.shift[n]
        last = value / (f.factor[n] if f.factor[n] != 0 else 1)
    f.new_last[n] = last
    seen = last - f.last[n] if f.relative else last
    read[0] = <floating>seen
    if f.mask:
        read[1] = is_missing
    return read[0] - read[0] == 0


cdef bint read_input(
    Plan* p,
    const Input* given,
    floating* values,   # OUT  (streams, n_numbers)
) noexcept nogil:
    """Fill values and ids; whether all of the input may be read."""
    cdef:
        int64_t n, k, first = 0
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
        for k in range(first, p.n_numbers):
            value = number_at(row + p.sources[k] * given.column_stride, given.kind)
            if p.center != NULL:
                value = (value - p.center[k]) / p.deviation[k]
            read[k] = <floating>value
            if read[k] - read[k] != 0:
                return False
        for k in range(p.n_tables):
            value = number_at(row + p.tables[k].source * given.column_stride, given.kind)
            if not 0 <= value < p.tables[k].rows or value != floor(value):
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
        const floating* W = <const floating*>layer.W
        const floating* U = <const floating*>layer.U
        const floating* b = <const floating*>layer.b
        floating* h = <floating*>layer.h + begin * H
        floating* c = <floating*>layer.c + begin * H if layer.c != NULL else NULL
        floating* kept = <floating*>p.kept
        const CellFunctions* functions = layer.of_float if floating is float else layer.of_double
        int64_t first = GH - functions.last * H
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
        vector_math.product_pair(rows, GH, D, x, D, W, H, h, H, U, b, 0, gates, GH)
    else:
        # gates = b + x @ W
        vector_math.product(
            rows, GH, D, x, D, W, <const floating*>NULL if functions.adds_bias else b, 0, gates, GH)
    if functions.form == APART:
        # h_U = h @ U
        vector_math.product(rows, GH, H, h, H, U, <const floating*>NULL, 0, <floating*>p.h_U, GH)
    elif functions.form == TWICE:
        # gates[:, :-last] += h @ U[:, :-last]
        vector_math.product(rows, first, H, h, H, U, gates, GH, gates, GH)
        functions.first_forward(&step)
        # gates[:, -last:] += kept @ U[:, -last:]
        vector_math.product(rows, GH - first, H, kept, functions.kept * H,
                            <const floating*>layer.U_last, gates + first, GH, gates + first, GH)
    functions.forward(&step)
    if layer.zoneout > 0:
        zone_forward(rows, H, step.units, <floating>layer.zoneout, <const floating*>NULL,
                     <const floating*>p.new_h, h, h)
        if c != NULL:
            zone_forward(rows, H, step.units, <floating>layer.zoneout, <const floating*>NULL,
                         <const floating*>p.new_c, c, c)


cdef inline const floating* pool(
    Plan* p,
    int64_t F,
    int64_t begin,
    int64_t rows,
    const floating* h,   # IN  (rows, F), after the step
) noexcept nogil:
    """Count the step, and return what the head reads (rows, F)."""
    cdef:
        int64_t n, k
        int64_t* n_steps = p.n_steps + begin
        floating* pooled = <floating*>p.pooled
        floating* largest = <floating*>p.largest + begin * F if p.largest != NULL else NULL
        double* total = p.total + begin * F if p.total != NULL else NULL
        floating share
        bint is_first
    for n in range(rows):
        n_steps[n] += 1
    if p.pooling == MEAN:
        for n in range(rows):
            share = <floating>(1.0 / n_steps[n])
            for k in range(n * F, (n + 1) * F):
                total[k] += h[k]
                pooled[k] = <floating>total[k] * share
        return pooled
    if p.pooling == MAX:
        for n in range(rows):
            is_first = n_steps[n] == 1
            for k in range(n * F, (n + 1) * F):
                if is_first or h[k] > largest[k] or h[k] != h[k]:
                    largest[k] = h[k]
        return largest
    return h


cdef inline void forecasts(
    Plan* p,
    int64_t n,
    const floating* outputs,   # IN   (n_ahead, n_learned)
    double* forecast,          # OUT  (n_ahead, n_levels)
) noexcept nogil:
    """From the outputs for series n to forecasts of its next values (fastrnn.estimators.plan);
    the quantiles that were learned are sorted, and those wanted stand between two of them."""
    cdef:
        Forecast* f = &p.forecast
        int64_t Q = f.n_learned, step, level, j, k
        double* rising = f.rising
        double base = f.new_last[n] if f.relative else 0.0, z, season
    for step in range(f.n_ahead):
        for k in range(Q):
            z = outputs[step * Q + k]
            j = k
            while j > 0 and rising[j - 1] > z:
                rising[j] = rising[j - 1]
                j -= 1
            rising[j] = z
        season = f.season[n * f.season_length + (p.n_steps[n] + step) % f.season_length]
        for level in range(f.n_levels):
            z = rising[0]
            if Q > 1:
                j = f.above[level]
                z = rising[j - 1] * (1 - f.share[level]) + rising[j] * f.share[level]
            z = (base + z) * f.factor[n] + f.shift[n] + season
            forecast[step * f.n_levels + level] = exp(z) if f.takes_log else z


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
    vector_math.product(rows, K, F, pooled, F, <const floating*>p.head, <const floating*>p.head_b,
                        0, outputs, K)
    if p.link == SOFTMAX:
        for n in range(rows):
            softmax_row(K, outputs + n * K)
    elif p.link == SIGMOID:
        vector_math.sigmoid(rows * K, outputs, outputs)
    elif p.link == AFFINE:
        for n in range(rows):
            for k in range(K):
                scaled[n * K + k] = outputs[n * K + k] * p.scale[k] + p.shift[k]
    elif p.link == FORECAST:
        for n in range(rows):
            forecasts(p, begin + n, outputs + n * K,
                      scaled + n * p.forecast.n_ahead * p.forecast.n_levels)


cdef bint advance(
    Plan* p,
    const Input* given,
    floating* values,        # room for (streams, n_numbers)
    char* result,            # OUT  a row for each stream
    int64_t result_stride,   # bytes
) noexcept nogil:
    """A step of all streams; False, and nothing has changed, if the input may not be read or a
    stream cannot count another step."""
    cdef:
        int64_t begin = 0, rows, n, k, column, D, beyond = 0
        const floating* read = values
        const floating* x
        floating* joined = <floating*>p.x
        Table* table
        Layer* layer
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
        x = read + begin * p.n_numbers
        if p.n_tables > 0:
            D = p.layers[0].D
            for n in range(rows):
                memcpy(joined + n * D, x + n * p.n_numbers, p.n_numbers * sizeof(floating))
                column = n * D + p.n_numbers
                for k in range(p.n_tables):
                    table = &p.tables[k]
                    memcpy(joined + column,
                           <const floating*>table.values
                           + p.ids[(begin + n) * p.n_tables + k] * table.width,
                           table.width * sizeof(floating))
                    column += table.width
            x = joined
        for k in range(p.n_layers):
            layer = &p.layers[k]
            layer_step(p, layer, begin, rows, x, <floating*>p.gates)
            x = <const floating*>layer.h + begin * layer.H
        x = pool(p, layer.H, begin, rows, x)
        answer(p, begin, rows, layer.H, x, result + begin * result_stride)
        begin += rows
    if p.link == FORECAST:
        memcpy(p.forecast.last, p.forecast.new_last, p.n_streams * sizeof(double))
    return True


def pack_factor(
    const floating[:, ::1] W,   # IN   (D, K or more)
    int64_t column,             # first of the K columns to pack
    int64_t K,
    floating[::1] packed,       # OUT  room for (D, K), packed
):
    """packed = W[:, column : column + K] as the second factor of products that are not BLAS's"""
    with nogil:
        vector_math.pack(W.shape[0], K, &W[0, column], W.shape[1], &packed[0])


def pack_factor_transposed(
    const floating[:, ::1] W,   # IN   (N, K)
    floating[::1] packed,       # OUT  room for (K, N), packed
):
    """packed = W.T as the second factor of products that are not BLAS's"""
    with nogil:
        vector_math.pack_transposed(W.shape[1], W.shape[0], &W[0, 0], W.shape[1], &packed[0])


@cython.auto_pickle(False)
cdef class StreamKernel:
    """The step of `fastrnn.streams.Stream`, and the pointers that it needs."""

    cdef:
        Plan plan
        bint is_double         # type of the network's numbers
        bint result_is_double
        bint takes_id          # a single column of ids, of a single stream
        bint gives_number      # a result without any axis is a float
        readonly bint is_busy  # a thread uses the state
        int64_t result_size    # elements of a result of one stream
        int64_t result_stride  # bytes
        object array_type, integer_type, empty, result_dtype
        tuple shape, row_shape   # of results with and without the axis of streams
        list kept              # what pointers lead to

    def __dealloc__(self):
        free(self.plan.layers)
        free(self.plan.tables)

    cdef void* address(self, array):
        """Where an array begins, which lives from now on as long as the streams."""
        if array is None:
            return NULL
        self.kept.append(array)
        return <void*><size_t>array.ctypes.data

    def _connect(self, snapshot, n_streams, state, room, array_type, integer_type, empty):
        """Take all pointers and sizes, of a `fastrnn.streams.snapshot.Snapshot` and of arrays by
        name; what is missing leads to nothing. The rest is numpy's, which kernels do not import."""
        cdef:
            Plan* p = &self.plan
            Forecast* f = &p.forecast
            int64_t k, j
            Cell cell
        self.kept = [snapshot]
        self.is_double = snapshot.dtype.itemsize == sizeof(double)
        p.n_streams, p.width = n_streams, snapshot.width
        p.n_numbers, p.is_plain = len(snapshot.sources), snapshot.is_plain
        p.sources = <const int64_t*>self.address(snapshot.sources)
        p.center = <const double*>self.address(snapshot.center)
        p.deviation = <const double*>self.address(snapshot.deviation)
        free(p.layers)
        free(p.tables)
        p.n_layers, p.n_tables = len(snapshot.layers), len(snapshot.tables)
        p.layers = <Layer*>calloc(p.n_layers, sizeof(Layer))
        p.tables = <Table*>calloc(max(1, p.n_tables), sizeof(Table))
        if p.layers == NULL or p.tables == NULL:
            raise MemoryError("no memory for a stream")
        for k, layer in enumerate(snapshot.layers):
            cell = layer.cell
            p.layers[k].of_float, p.layers[k].of_double = cell.of_float, cell.of_double
            p.layers[k].option, p.layers[k].zoneout = layer.option, layer.zoneout
            p.layers[k].H, p.layers[k].GH = layer.hidden_size, len(layer.b)
            p.layers[k].D = layer.input_size
            p.layers[k].W, p.layers[k].U = self.address(layer.W), self.address(layer.U)
            p.layers[k].U_last, p.layers[k].b = self.address(layer.U_last), self.address(layer.b)
            for j, array in enumerate(layer.extra):
                p.layers[k].extra[j] = self.address(array)
            p.layers[k].h = self.address(state[f"h_{k}"])
            p.layers[k].c = self.address(state.get(f"c_{k}"))
        for k, (table, source) in enumerate(snapshot.tables):
            p.tables[k].values, p.tables[k].source = self.address(table), source
            p.tables[k].rows, p.tables[k].width = snapshot.n_ids[k], table.shape[1]
        p.pooling, p.link = POOLINGS[snapshot.pooling], LINKS[snapshot.link]
        p.head, p.head_b = self.address(snapshot.head), self.address(snapshot.head_b)
        p.n_outputs = len(snapshot.head_b)
        p.scale = <const double*>self.address(snapshot.scale)
        p.shift = <const double*>self.address(snapshot.shift)
        p.values, p.ids = self.address(room["values"]), <int64_t*>self.address(room["ids"])
        p.x, p.gates = self.address(room["x"]), self.address(room["gates"])
        p.h_U, p.kept = self.address(room["h_U"]), self.address(room["kept"])
        p.new_h, p.new_c = self.address(room["new_h"]), self.address(room["new_c"])
        p.pooled, p.outputs = self.address(room["pooled"]), self.address(room["outputs"])
        p.n_steps = <int64_t*>self.address(state["n_steps"])
        p.total = <double*>self.address(state.get("total"))
        p.largest = self.address(state.get("largest"))
        if snapshot.forecast is not None:
            forecast = snapshot.forecast
            f.n_ahead, f.n_learned = forecast.n_ahead, forecast.n_learned
            f.n_levels, f.season_length = len(forecast.above), forecast.season.shape[1]
            f.mask, f.relative = forecast.mask, forecast.relative
            f.takes_log = forecast.log
            f.above = <const int64_t*>self.address(forecast.above)
            f.share = <const double*>self.address(forecast.share)
            f.factor = <const double*>self.address(forecast.factor)
            f.shift = <const double*>self.address(forecast.shift)
            f.season = <const double*>self.address(forecast.season)
            f.last = <double*>self.address(state["last"])
            f.new_last = <double*>self.address(room["new_last"])
            f.rising = <double*>self.address(room["rising"])
        self.takes_id = n_streams == 1 and p.width == 1 and p.n_numbers == 0
        self.row_shape, self.result_dtype = snapshot.row_shape, snapshot.result_dtype
        self.shape = (n_streams, *self.row_shape)
        self.result_is_double = snapshot.result_dtype.itemsize == sizeof(double)
        self.gives_number = self.row_shape == ()
        self.result_size = 1
        for size in self.row_shape:
            self.result_size *= size
        self.result_stride = self.result_size * snapshot.result_dtype.itemsize
        self.array_type, self.integer_type, self.empty = array_type, integer_type, empty

    cdef int enter(self) except -1:
        """Begin to use the streams, alone until `is_busy` is cleared.

        Between the question and the answer no other thread can run: that takes Python code.
        """
        if self.is_busy:
            raise RuntimeError("another thread is using this stream: give each its own")
        self.is_busy = True
        return 0

    def _copies(self, dict arrays):
        """Copies of the arrays of a state, all of the same step."""
        self.enter()
        try:
            return {name: array.copy() for name, array in arrays.items()}
        finally:
            self.is_busy = False

    def _write(self, dict arrays, dict values, rows):
        """arrays[name][rows] = values[name] for all names: no interrupt comes between them."""
        self.enter()
        try:
            for name, value in values.items():
                arrays[name][rows] = value
        finally:
            self.is_busy = False

    cdef bint open_input(self, x, Py_buffer* view, Input* given) except -1:
        """Whether x can be read as it is; then the view is open."""
        cdef:
            Plan* p = &self.plan
            char code
            bint fits = False
        if type(x) is not self.array_type:  # a subclass may have a mask
            return False
        try:
            PyObject_GetBuffer(x, view, PyBUF_STRIDES | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return False
        code = view.format[0] if view.format != NULL and view.format[1] == 0 else 0
        given.data = <const char*>view.buf
        given.row_stride = given.column_stride = 0
        given.lacks_axis = p.n_streams == 1
        if view.ndim == 2:
            fits = view.shape[0] == p.n_streams and view.shape[1] == p.width
            given.row_stride, given.column_stride = view.strides[0], view.strides[1]
            given.lacks_axis = False
        elif view.ndim == 1 and p.n_streams == 1:
            fits = view.shape[0] == p.width
            given.column_stride = view.strides[0]
        elif view.ndim == 1:
            fits = view.shape[0] == p.n_streams and p.width == 1
            given.row_stride, given.column_stride = view.strides[0], view.itemsize
        elif view.ndim == 0:
            fits = p.n_streams == 1 and p.width == 1
        if p.width == 1:
            given.column_stride = view.itemsize
        if code == c"f" and view.itemsize == sizeof(float):
            given.kind = FLOAT
        elif code == c"d" and view.itemsize == sizeof(double):
            given.kind = DOUBLE
        elif (code == c"l" or code == c"q") and view.itemsize == sizeof(int64_t):
            given.kind = INTEGER
        else:
            fits = False
        if not fits:
            PyBuffer_Release(view)
        return fits

    cdef int open_result(self, out, bint lacks_axis, Py_buffer* view) except -1:
        """Open an array that a caller gave for the result."""
        cdef:
            tuple shape = self.row_shape if lacks_axis else self.shape
            char code = c"d" if self.result_is_double else c"f"
            bint fits = False
            int j
        if PyObject_CheckBuffer(out):
            try:
                PyObject_GetBuffer(out, view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE | PyBUF_FORMAT)
            except (BufferError, ValueError):
                pass
            else:
                fits = (view.format != NULL and view.format[0] == code and view.format[1] == 0
                        and view.ndim == len(shape))
                for j in range(view.ndim if fits else 0):
                    fits &= view.shape[j] == shape[j]
                if fits:
                    return 0
                PyBuffer_Release(view)
        raise self._unsuitable(out, shape)

    def step(self, x, out=None):
        """Read the next time step of every stream; say what the model says of each so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_features), or (n_features,)
            The next step of each stream: its features as in `fit`, ids among them; of models that
            read ids alone, the ids. With one feature, or one column of ids, (n_streams,) will do.
            With one stream the axis of streams may be left out, and one feature, or one id, be a
            plain number. For language models of text tokens will do, too, and for models of data
            frames a data frame with a row for each stream.

            An array of float32, float64 or int64, or one id, is read as it is; everything else is
            converted first.
        out : ndarray, default=None
            Where the answer goes: C-contiguous, of the dtype and shape of what is returned
            otherwise, sharing no memory with `x`. With it a step allocates nothing.

        Returns
        -------
        ndarray of shape (n_streams, ...), or (...)
            What `predict_proba` (of classifiers, taggers and language models) or `predict` (of
            regressors and forecasters) gives for all steps that each stream has read; without the
            first axis if `x` has none. A plain float where that leaves no axis. `out` if it is
            given.

        Raises
        ------
        TypeError
            If `x` does not hold numbers.
        ValueError
            If `x` has another shape, a number that is not finite, or an id that `fit` has not seen,
            or `out` does not suit; no stream has then read the step.
        RuntimeError
            If another thread is using the same object.
        """
        cdef:
            Py_buffer view, target
            Input given
            bint is_open = False, has_target = False, done
            int64_t number
            double single
            char* result
        self.enter()
        try:
            if self.takes_id and (type(x) is int or type(x) is self.integer_type):
                try:
                    number = x
                except OverflowError:
                    number = -1
                given.data, given.kind = <const char*>&number, INTEGER
                given.row_stride = given.column_stride = 0
                given.lacks_axis = True
            else:
                is_open = self.open_input(x, &view, &given)
                if not is_open:
                    x = self._convert(x)
                    is_open = self.open_input(x, &view, &given)
                    if not is_open:
                        raise RuntimeError("what was converted is not what is expected")
            if out is not None:
                self.open_result(out, given.lacks_axis, &target)
                has_target = True
                result = <char*>target.buf
            elif self.gives_number and given.lacks_axis:
                result = <char*>&single
            else:
                out = self.empty(self.row_shape if given.lacks_axis else self.shape,
                                 self.result_dtype)
                PyObject_GetBuffer(out, &target, PyBUF_WRITABLE)
                has_target = True
                result = <char*>target.buf
            with nogil:
                if self.is_double:
                    done = advance(&self.plan, &given, <double*>self.plan.values, result,
                                   self.result_stride)
                else:
                    done = advance(&self.plan, &given, <float*>self.plan.values, result,
                                   self.result_stride)
        finally:
            self.is_busy = False
            if is_open:
                PyBuffer_Release(&view)
            if has_target:
                PyBuffer_Release(&target)
        if not done:
            raise self._refusal(x)
        return single if out is None else out
