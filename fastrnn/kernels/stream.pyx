"""The step of one or many streams: a single call without the GIL (stream_step.pxd).

Here it is held together: the pointers into the arrays of Python (stream_plan.pxd), the input as it
is given, and where the answer goes. What is not of the kind expected is handed to the `Steps` of
`fastrnn.streams`, which have the words for what may not be read, too.
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
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.denormals cimport flush_denormals, restore_denormals
from fastrnn.kernels.products cimport round_packed
from fastrnn.kernels.recurrence cimport Cell
from fastrnn.kernels.stream_plan cimport (
    AFFINE,
    ATTENTION,
    DOUBLE,
    FLOAT,
    FORECAST,
    IDENTITY,
    INTEGER,
    LAST,
    MAX,
    MEAN,
    RATE,
    SIGMOID,
    SOFTMAX,
    SOFTPLUS,
    Factor,
    Forecast,
    Input,
    Layer,
    Plan,
    Saved,
    Stage,
    Table,
)
from fastrnn.kernels.stream_step cimport SHARD, STEP_BITS, advance

cdef extern from "waiting.h" nogil:
    void store_flag(int* flag, int value) noexcept nogil
    int change_flag(int* flag, int expected, int value) noexcept nogil


SHARD_ROWS = SHARD
MAX_STEPS = <int64_t>1 << STEP_BITS

PARTS = {"last": LAST, "mean": MEAN, "max": MAX, "attention": ATTENTION}
LINKS = {
    "identity": IDENTITY,
    "softmax": SOFTMAX,
    "sigmoid": SIGMOID,
    "rate": RATE,
    "softplus": SOFTPLUS,
    "affine": AFFINE,
    "forecast": FORECAST,
}


def pack_factor(
    const floating[:, ::1] W,   # IN   (D, K or more)
    int64_t column,             # first of the K columns to pack
    int64_t K,
    floating[::1] packed,       # OUT  room for (D, K), packed
    bint rounds,                # whether to round it to bfloat16
):
    """packed = W[:, column : column + K] as the second factor of products that are not BLAS's"""
    with nogil:
        vector_math.pack(W.shape[0], K, &W[0, column], W.shape[1], &packed[0], rounds)
        if rounds:
            round_packed(W.shape[0], K, False, &packed[0])


def pack_factor_transposed(
    const floating[:, ::1] W,   # IN   (N, K)
    floating[::1] packed,       # OUT  room for (K, N), packed
    bint rounds,                # whether to round it to bfloat16
):
    """packed = W.T as the second factor of products that are not BLAS's"""
    with nogil:
        vector_math.pack_transposed(W.shape[1], W.shape[0], &W[0, 0], W.shape[1], &packed[0],
                                    rounds)
        if rounds:
            round_packed(W.shape[1], W.shape[0], False, &packed[0])


@cython.auto_pickle(False)
cdef class StreamKernel:
    """The step of `fastrnn.streams.Stream`, and the pointers that it needs."""

    cdef:
        Plan plan
        bint is_double         # type of the network's numbers
        bint reads_arrays      # an array need not be converted first
        bint result_is_double
        bint takes_id          # a single column of ids, of a single stream
        bint gives_number      # a result without any axis is a float
        int is_busy            # a flag: a thread uses the state
        int64_t result_size    # elements of a result of one stream
        int64_t result_stride  # bytes
        object steps           # fastrnn.streams.steps.Steps
        object array_type, integer_type, empty, result_dtype
        tuple shape, row_shape   # of results with and without the axis of streams
        dict state             # arrays by name
        list kept              # what pointers lead to

    def __dealloc__(self):
        free(self.plan.layers)
        free(self.plan.stages)
        free(self.plan.saved)
        free(self.plan.tables)

    cdef void* address(self, array):
        """Where an array begins, which lives from now on as long as the streams."""
        if array is None:
            return NULL
        self.kept.append(array)
        return <void*><size_t>array.ctypes.data

    cdef Factor factor(self, factor):
        """A `fastrnn.streams.weights.Factor`, or None, likewise."""
        cdef Factor place
        place.packed = self.address(factor.packed if factor else None)
        place.scale = <const float*>self.address(factor.scale if factor else None)
        return place

    def __init__(self, steps, snapshot, dict state, dict room, array_type, integer_type, empty):
        """Take all pointers and sizes, of a `fastrnn.streams.snapshot.Snapshot` and of arrays by
        name; what is missing leads to nothing. The last three are numpy's, which kernels do not
        import."""
        cdef:
            Plan* p = &self.plan
            Forecast* f = &p.forecast
            int64_t k, j, n_streams = steps.n_streams
            Cell cell
        self.steps, self.state, self.kept = steps, state, [snapshot]
        self.is_double = snapshot.dtype.itemsize == sizeof(double)
        self.reads_arrays = not snapshot.gaps.is_date  # which plain numbers are not
        p.n_streams, p.width = n_streams, snapshot.width
        p.n_numbers, p.is_plain = len(snapshot.sources), snapshot.is_plain
        p.sources = <const int64_t*>self.address(snapshot.sources)
        p.center = <const double*>self.address(snapshot.center)
        p.deviation = <const double*>self.address(snapshot.deviation)
        saved = room["saved"]
        free(p.layers)
        free(p.stages)
        free(p.saved)
        free(p.tables)
        p.n_layers, p.n_tables = len(snapshot.layers), len(snapshot.tables)
        p.n_stages, p.n_saved = len(snapshot.stages), len(saved)
        p.layers = <Layer*>calloc(p.n_layers, sizeof(Layer))
        p.stages = <Stage*>calloc(max(1, p.n_stages), sizeof(Stage))
        p.saved = <Saved*>calloc(max(1, p.n_saved), sizeof(Saved))
        p.tables = <Table*>calloc(max(1, p.n_tables), sizeof(Table))
        if NULL in (p.layers, p.stages, p.saved, p.tables):
            raise MemoryError("no memory for a stream")
        for k, stage in enumerate(snapshot.stages):
            p.stages[k].D, p.stages[k].K = stage.input_size, stage.output_size
            p.stages[k].kernel, p.stages[k].left = stage.kernel, stage.left
            p.stages[k].stride, p.stages[k].span = stage.stride, stage.span
            p.stages[k].depth = stage.depth
            p.stages[k].W, p.stages[k].b = self.factor(stage.W), self.address(stage.b)
            p.stages[k].recent = self.address(state[f"recent_{k}"])
            p.stages[k].made = self.address(room["made"][k])
        for k, (name, array) in enumerate(saved.items()):
            p.saved[k].state = <char*>self.address(state[name])
            p.saved[k].room = <char*>self.address(array)
            p.saved[k].size = array.nbytes // len(array)
        p.D, p.windows = snapshot.input_width, self.address(room["windows"])
        for k, layer in enumerate(snapshot.layers):
            cell = layer.cell
            p.layers[k].of_float, p.layers[k].of_double = cell.of_float, cell.of_double
            p.layers[k].option, p.layers[k].zoneout = layer.option, layer.zoneout
            p.layers[k].H, p.layers[k].GH = layer.hidden_size, len(layer.b)
            p.layers[k].D = layer.input_size
            p.layers[k].W, p.layers[k].U = self.factor(layer.W), self.factor(layer.U)
            p.layers[k].U_last, p.layers[k].b = self.factor(layer.U_last), self.address(layer.b)
            for j, array in enumerate(layer.extra):
                p.layers[k].extra[j] = self.address(array)
            p.layers[k].h = self.address(state[f"h_{k}"])
            p.layers[k].c = self.address(state.get(f"c_{k}"))
        for k, (table, source) in enumerate(snapshot.tables):
            p.tables[k].values, p.tables[k].source = self.factor(table), source
            p.tables[k].rows, p.tables[k].width = snapshot.n_ids[k], table.packed.shape[1]
        p.n_parts, p.link = len(snapshot.parts), LINKS[snapshot.link]
        for k, part in enumerate(snapshot.parts):
            p.parts[k] = PARTS[part]
        p.query = self.address(snapshot.query)
        p.head, p.head_b = self.factor(snapshot.head), self.address(snapshot.head_b)
        p.n_outputs = len(snapshot.head_b)
        p.scale = <const double*>self.address(snapshot.scale)
        p.shift = <const double*>self.address(snapshot.shift)
        p.values, p.ids = self.address(room["values"]), <int64_t*>self.address(room["ids"])
        p.rounded = self.address(room["rounded"])
        p.x, p.gates = self.address(room["x"]), self.address(room["gates"])
        p.h_U, p.kept = self.address(room["h_U"]), self.address(room["kept"])
        p.new_h, p.new_c = self.address(room["new_h"]), self.address(room["new_c"])
        p.pooled, p.outputs = self.address(room["pooled"]), self.address(room["outputs"])
        p.heard = self.address(room.get("heard"))
        p.n_steps = <int64_t*>self.address(state["n_steps"])
        p.n_read = <int64_t*>self.address(room["n_read"]) if p.n_stages > 0 else p.n_steps
        p.total = <double*>self.address(state.get("total"))
        p.largest = self.address(state.get("largest"))
        p.score = <double*>self.address(state.get("score"))
        p.weight = <double*>self.address(state.get("weight"))
        p.weighted = <double*>self.address(state.get("weighted"))
        p.given = <double*>self.address(room["given"])
        learned = snapshot.gaps
        p.gaps.is_plain, p.gaps.allows = learned.is_plain, learned.allows
        p.gaps.has_time, p.gaps.unit = learned.time is not None, learned.unit
        p.gaps.n_values = snapshot.n_values
        p.gaps.seen = <double*>self.address(state.get("seen"))
        p.gaps.time = <double*>self.address(state.get("time"))
        p.gaps.since = <double*>self.address(state.get("since"))
        p.gaps.new_seen = <double*>self.address(room["new_seen"])
        p.gaps.new_time = <double*>self.address(room["new_time"])
        p.gaps.new_since = <double*>self.address(room["new_since"])
        p.gaps.times = self.address(room["times"])
        decay = snapshot.decay
        p.gaps.mean, p.gaps.w_x = self.address(decay.get("mean")), self.address(decay.get("w_x"))
        p.gaps.b_x, p.gaps.W_h = self.address(decay.get("b_x")), self.address(decay.get("W_h"))
        p.gaps.b_h = self.address(decay.get("b_h"))
        p.point, levels = LINKS[snapshot.point], snapshot.levels
        p.levels.n_learned, p.levels.n_levels = levels.n_learned, len(levels.above)
        p.levels.above = <const int64_t*>self.address(levels.above)
        p.levels.share = <const double*>self.address(levels.share)
        p.levels.rising = <double*>self.address(room["rising"])
        if snapshot.forecast is not None:
            forecast = snapshot.forecast
            f.n_ahead, f.season_length = forecast.n_ahead, forecast.season.shape[1]
            f.n_lags, f.n_fixed = forecast.n_lags, forecast.fixed.shape[1]
            f.fixed = <const double*>self.address(forecast.fixed)
            f.mask, f.relative = forecast.mask, forecast.relative
            f.log = forecast.log
            f.factor = <const double*>self.address(forecast.factor)
            f.shift = <const double*>self.address(forecast.shift)
            f.unit = <const double*>self.address(forecast.unit)
            f.season = <const double*>self.address(forecast.season)
            f.last = <double*>self.address(state["last"])
            f.new_last = <double*>self.address(room["new_last"])
            f.lagged = <double*>self.address(state.get("lagged"))
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
        """Begin to use the streams, alone until `leave`."""
        if not change_flag(&self.is_busy, 0, 1):
            raise RuntimeError("another thread is using this stream: give each its own")
        return 0

    cdef void leave(self) noexcept:
        store_flag(&self.is_busy, 0)

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
        raise self.steps.unsuitable(out, shape)

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
            int64_t number, mode
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
                is_open = self.reads_arrays and self.open_input(x, &view, &given)
                if not is_open:
                    x = self.steps.convert(x)
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
                mode = flush_denormals()
                if self.is_double:
                    done = advance(&self.plan, &given, <double*>self.plan.values, result,
                                   self.result_stride)
                else:
                    done = advance(&self.plan, &given, <float*>self.plan.values, result,
                                   self.result_stride)
                restore_denormals(mode)
        finally:
            self.leave()
            if is_open:
                PyBuffer_Release(&view)
            if has_target:
                PyBuffer_Release(&target)
        if not done:
            raise self.steps.refusal(x)
        return single if out is None else out


def copy_of_state(StreamKernel streams):
    """Copies of the arrays of the state, by name, all of the same step."""
    streams.enter()
    try:
        return {name: array.copy() for name, array in streams.state.items()}
    finally:
        streams.leave()


def write_state(StreamKernel streams, dict values, rows):
    """state[name][rows] = values[name] for all names: no interrupt comes between them."""
    streams.enter()
    try:
        for name, value in values.items():
            streams.state[name][rows] = value
    finally:
        streams.leave()
