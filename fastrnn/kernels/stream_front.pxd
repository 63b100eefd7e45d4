"""What stands before the first layer (windows.pyx), a step at a time.

A row that a stage makes is final as soon as all that its window may ever read has come, and all of
the steps that it stands for. Each stage keeps the last final rows that it reads; final rows that
the last one makes are read by the layers for good. What a stream has read so far also has rows that
are not final: they are made anew after every step, with zeros beyond the end, and read by the
layers for the answer alone, whose states are then put back.
"""

from cython cimport floating
from libc.stdint cimport int8_t, int64_t
from libc.string cimport memcpy, memmove, memset

from fastrnn.kernels.stream_plan cimport Plan, Stage, Table
from fastrnn.kernels.stream_products cimport product


cdef inline void read_vector(
    const Table* table,
    int64_t row,
    floating* vector,   # OUT  (width,)
) noexcept nogil:
    """The vector of an id."""
    cdef:
        int64_t j, width = table.width
        const int8_t* whole = <const int8_t*>table.values.packed + row * width
    if table.values.scale == NULL:
        memcpy(vector, <const floating*>table.values.packed + row * width, width * sizeof(floating))
        return
    for j in range(width):
        vector[j] = whole[j] * table.values.scale[row]


cdef inline int64_t n_final(const Stage* stage, int64_t n) noexcept nogil:
    """How many rows that a stage makes are final when so many are that it reads."""
    return (n - stage.span) // stage.stride + 1 if n >= stage.span else 0


cdef inline void make_rows(
    const Stage* stage,
    int64_t rows,
    const floating* windows,   # IN   (rows, kernel * D), row stride ld
    int64_t ld,
    int64_t missing,           # rows of the windows that are beyond the end
    floating* y,               # OUT  (rows, K)
    floating* room,            # OUT  for the windows as a factor of a product, or NULL
) noexcept nogil:
    """The rows that a stage makes of a window of each stream."""
    cdef int64_t n, k, size = stage.kernel * stage.D, K = stage.K
    if stage.W.packed == NULL:  # a patch
        for n in range(rows):
            memcpy(y + n * K, windows + n * ld, size * sizeof(floating))
            y[n * K + size] = <floating>missing / <floating>stage.stride
        return
    # y = max(0, b + windows @ W)
    product(rows, K, size, windows, ld, &stage.W, <const floating*>stage.b, 0, y, K, room)
    for k in range(rows * K):
        y[k] = 0 if y[k] < 0 else y[k]


cdef inline void keep_rows(
    const Stage* stage,
    int64_t begin,             # first stream
    int64_t rows,
    const floating* x,         # IN  (rows, D)
) noexcept nogil:
    """A stage's last rows once there is one more of each stream."""
    cdef:
        int64_t n, D = stage.D, size = stage.depth * D
        floating* recent = <floating*>stage.recent + begin * size
    for n in range(rows):
        memmove(recent + n * size, recent + n * size + D, (size - D) * sizeof(floating))
        memcpy(recent + (n + 1) * size - D, x + n * D, D * sizeof(floating))


cdef inline const floating* push(
    Plan* p,
    int64_t begin,             # first stream
    int64_t rows,
    const floating* x,         # IN     (rows, D), a step of each stream
    int64_t* n,                # INOUT  (1,): steps, on return rows for the layers that are final
) noexcept nogil:
    """Give a step to the stages: the row (rows, K) for the layers that is final now, or NULL."""
    cdef:
        int64_t k, size, after
        Stage* stage
    for k in range(p.n_stages):
        stage = &p.stages[k]
        keep_rows(stage, begin, rows, x)
        after = n_final(stage, n[0])
        if after == n_final(stage, n[0] - 1):
            return NULL
        size = stage.depth * stage.D
        make_rows(stage, rows, <const floating*>stage.recent + begin * size, size, 0,
                  <floating*>stage.made, <floating*>p.rounded)
        x, n[0] = <const floating*>stage.made, after
    return x


cdef inline void take_window(
    const Stage* stage,
    int64_t stream,
    int64_t begin,             # first stream of the shard
    int64_t rows,              # streams in the shard
    int64_t start,             # first row of the window
    int64_t final,             # how many rows are final that the stage reads
    int64_t total,             # how many there are
    const floating* others,    # IN   (total - final, rows, D): those that are not
    floating* window,          # OUT  (kernel, D)
) noexcept nogil:
    cdef:
        int64_t k, row, D = stage.D
        const floating* recent = <const floating*>stage.recent + stream * stage.depth * D
    for k in range(stage.kernel):
        row = start + k
        if row < final:
            memcpy(window + k * D, recent + (row - final + stage.depth) * D, D * sizeof(floating))
        elif row < total:
            memcpy(window + k * D, others + ((row - final) * rows + stream - begin) * D,
                   D * sizeof(floating))
        else:
            memset(window + k * D, 0, D * sizeof(floating))


cdef inline const floating* make_others(
    Plan* p,
    int64_t begin,             # first stream
    int64_t rows,
    int64_t* final,            # INOUT  (1,): steps, on return rows for the layers that are final
    int64_t* total,            # INOUT  (1,): steps, on return rows for the layers
    floating* windows,         # room for (rows, kernel * D)
) noexcept nogil:
    """The rows (total - final, rows, K) for the layers that are not final."""
    cdef:
        int64_t k, n, t, size, first, last
        const floating* others = NULL
        floating* made
        Stage* stage
    for k in range(p.n_stages):
        stage = &p.stages[k]
        size, made = stage.kernel * stage.D, <floating*>stage.made
        first, last = n_final(stage, final[0]), (total[0] - 1) // stage.stride + 1
        for t in range(first, last):
            for n in range(rows):
                take_window(stage, begin + n, begin, rows, t * stage.stride - stage.left,
                            final[0], total[0], others, windows + n * size)
            make_rows(stage, rows, <const floating*>windows, size,
                      max(0, (t + 1) * stage.stride - total[0]),
                      made + (t - first) * rows * stage.K, <floating*>p.rounded)
        others, final[0], total[0] = <const floating*>made, first, last
    return others


cdef inline void save_states(Plan* p, int64_t begin, int64_t rows) noexcept nogil:
    """Copy what the layers and the pooling remember."""
    cdef int64_t k, size
    for k in range(p.n_saved):
        size = p.saved[k].size
        memcpy(p.saved[k].room, p.saved[k].state + begin * size, rows * size)


cdef inline void put_back(Plan* p, int64_t begin, int64_t rows) noexcept nogil:
    """Make the states those that were saved."""
    cdef int64_t k, size
    for k in range(p.n_saved):
        size = p.saved[k].size
        memcpy(p.saved[k].state + begin * size, p.saved[k].room, rows * size)
