"""What a step of streams works on: a network as pointers into the arrays that `Stream` keeps.

What belongs to one stream alone, its state, is in arrays of Python; so are the packed weights,
which streams may share. Here are pointers into them.
"""

from libc.stdint cimport int64_t

from fastrnn.kernels.gaps cimport Gaps
from fastrnn.kernels.vector_math cimport CellFunctions

cdef enum Pooling:
    LAST, MEAN, MAX, ATTENTION

cdef enum Link:
    IDENTITY, SOFTMAX, SIGMOID, RATE, SOFTPLUS, AFFINE, FORECAST

cdef enum Kind:
    FLOAT, DOUBLE, INTEGER


cdef struct Factor:
    # A second factor of a product.
    const void* packed
    const float* scale   # of the columns of whole numbers (int8.h); else NULL


cdef struct Layer:
    const CellFunctions* of_float    # the cell's functions
    const CellFunctions* of_double
    int option
    double zoneout       # how much of the state stays
    int64_t D, H, GH
    Factor W             # (D, GH)
    Factor U             # (H, GH); for TWICE without its last blocks
    Factor U_last        # these
    const void* b        # (GH,)
    const void* extra[4]   # the cell's own parameters
    void* h              # (streams, H)
    void* c              # (streams, H)


cdef struct Stage:
    # Before the first layer: a convolution, or a patch.
    int64_t D, K           # columns that it reads, and makes
    int64_t kernel, left   # rows of a window, and those before the one that it stands for
    int64_t stride
    int64_t span           # rows from that one on which must be there for a row to be final
    int64_t depth          # left + span
    Factor W               # (kernel * D, K); NULL of a patch
    const void* b          # (K,)
    void* recent           # (streams, depth, D): the last rows that are final
    void* made             # (most that are not final, shard, K)


cdef struct Saved:
    char* state            # (streams, size)
    char* room             # (shard, size)
    int64_t size           # bytes


cdef struct Table:
    Factor values        # (rows, width), with a scale for each row
    int64_t source       # column of the input that has the ids
    int64_t rows, width  # of rows, those of ids that may be given


cdef struct Input:
    const char* data
    Kind kind
    int64_t row_stride, column_stride   # bytes
    bint lacks_axis                     # whether a single stream came without the axis of streams


cdef struct Levels:
    int64_t n_learned, n_levels
    const int64_t* above   # (n_levels,): the learned quantile at or above each one that is wanted
    const double* share    # (n_levels,): how much of it, the rest is of the one below
    double* rising         # (n_learned,): those of one value, sorted


cdef struct Forecast:
    int64_t n_ahead, season_length, n_lags, n_fixed
    bint mask, relative
    int64_t log            # 0 none, 1 of values above 0, 2 of 1 + |value| / unit, with its sign
    const double* factor   # (streams,)
    const double* shift    # (streams,)
    const double* unit     # (streams,)
    const double* season   # (streams, season_length)
    const double* fixed    # (streams, n_fixed): what is read of each at every step, at the end
    double* last           # (streams,): last value that was observed, scaled
    double* new_last       # (streams,): what it is after this step
    double* lagged         # (streams, n_lags): the last values, scaled, the last one first


cdef struct Plan:
    int64_t n_streams
    int64_t width          # columns of the input
    int64_t n_numbers      # columns that the network reads as numbers
    int64_t n_layers, n_stages, n_tables, n_outputs, n_saved
    bint is_plain          # whether the input is read as it is
    const int64_t* sources   # (n_numbers,): column of the input
    const double* center     # (n_numbers,), or NULL if numbers are not scaled
    const double* deviation  # (n_numbers,)
    Layer* layers
    Stage* stages
    Saved* saved           # states of layers and pooling, if there are stages
    Table* tables
    int64_t n_parts          # of the pooling, 0 if the head reads the states as they are
    Pooling parts[4]
    Link link
    Factor head            # (F, K)
    const void* head_b     # (K,)
    Link point             # what AFFINE and FORECAST make of outputs first
    const double* scale    # (values,): of AFFINE
    const double* shift    # (values,)
    void* values           # (streams, n_numbers)
    int64_t* ids           # (streams, n_tables)
    int64_t D              # columns that are read of a step, with vectors of ids
    void* x                # (shard, D), if there are tables
    void* windows          # (shard, largest kernel * D of a stage)
    void* rounded          # (shard, 4 + most that a product reads), or NULL if that stays as it is
    void* gates            # (shard, largest GH)
    void* h_U              # (shard, largest GH), for APART
    void* kept             # (shard, largest KH)
    void* new_h            # (shard, largest H), the states without zoneout, if there is any
    void* new_c            # (shard, largest H)
    void* pooled           # (shard, F for each part)
    void* outputs          # (shard, K), for AFFINE and FORECAST
    void* heard            # (1 + most that are not final, streams, F): states of a step, or NULL
    int64_t* n_steps       # (streams,)
    int64_t* n_read        # (streams,): of them, or of the rows of stages, those that layers read
    double* total          # (streams, F), for MEAN
    void* largest          # (streams, F), for MAX
    const void* query      # (F,), for ATTENTION
    double* score          # (streams,), for ATTENTION: the largest so far
    double* weight         # (streams,): the sum of all
    double* weighted       # (streams, F)
    Levels levels          # of the quantiles of each value, for AFFINE and FORECAST
    Forecast forecast
    Gaps gaps
    double* given          # (n_numbers,): room for those of one stream
