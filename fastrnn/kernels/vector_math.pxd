"""The chosen tables of vector functions, and one wrapper for each that picks the type.

Functions, and their arguments, are explained where they stand: functions.h, product.h; cells and
steps in cell.h. The list of all is in table.h, which the C compiler holds these calls to.
"""

from cython cimport floating
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t


cdef extern from "table.h" nogil:
    enum:
        SUM, APART, TWICE

    const int64_t LEFT_PANEL

    ctypedef struct Range "range":
        int64_t begin, end, count, stride

    ctypedef struct Step "step":
        int64_t rows, H
        Range units
        int option
        const void* b
        const void* extra[4]
        void* gates
        const void* recurrent
        void* kept
        const void* h_in
        const void* h_prev
        const void* c_prev
        void* h
        void* c
        const void* dy
        void* dh
        void* dc
        void* dreset
        void* db
        void* dextra[4]

    ctypedef struct CellFunctions "cell":
        const char* name
        int form, kept, last
        bint drops_gates, adds, last_bias, adds_bias, whole_rows
        void (*forward)(const Step*) noexcept nogil
        void (*backward)(const Step*) noexcept nogil
        void (*first_forward)(const Step*) noexcept nogil
        void (*first_backward)(const Step*) noexcept nogil

    ctypedef struct Table "table_float":  # or table_double: C knows which
        int64_t panel
        const CellFunctions* const* cells
        void (*sigmoid_array)(...) noexcept nogil
        void (*exp_array)(...) noexcept nogil
        void (*tanh_array)(...) noexcept nogil
        double (*maximum_of)(...) noexcept nogil
        double (*exp_minus)(...) noexcept nogil
        void (*scale_twice)(...) noexcept nogil
        void (*add_rows)(...) noexcept nogil
        void (*rectify)(...) noexcept nogil
        void (*drop)(...) noexcept nogil
        void (*pack)(...) noexcept nogil
        void (*pack_transposed)(...) noexcept nogil
        void (*pack_panels)(...) noexcept nogil
        void (*pack_left_panels)(...) noexcept nogil
        void (*product)(...) noexcept nogil
        void (*product_pair)(...) noexcept nogil
        void (*product_unpacked)(...) noexcept nogil
        void (*product_transposed)(...) noexcept nogil

    # The table of the type that the last one points to.
    const Table* table_of(const void* floats, const void* doubles, ...)


ctypedef void (*RoundRows)(
    int64_t rows, int64_t n, const float* x, int64_t x_stride, float* y, int64_t y_stride
) noexcept nogil


ctypedef void (*Int8Product)(
    int64_t rows, int64_t N, int64_t K, const float* A, int64_t lda, const int8_t* packed,
    const float* scale, const float* start, int64_t start_stride, float* C, int64_t ldc, float* room
) noexcept nogil


cdef const void* table_f
cdef const void* table_d
cdef const void* table_b       # of products whose factors are rounded to bfloat16
cdef bint rounds_to_pairs      # whether these are its own, or those of floats
cdef int64_t tile_pairs        # of a row of a tile; 1 where there are no tiles
cdef RoundRows round_rows_f
cdef Int8Product int8_product  # (int8.h)
cdef int64_t panel_bytes  # of a row of a panel, of either type
cdef bint use_blas


cdef inline void sigmoid(int64_t n, const floating* x, floating* y) noexcept nogil:
    table_of(table_f, table_d, y).sigmoid_array(n, x, y)


cdef inline void exp(int64_t n, const floating* x, floating* y) noexcept nogil:
    table_of(table_f, table_d, y).exp_array(n, x, y)


cdef inline void tanh(int64_t n, const floating* x, floating* y) noexcept nogil:
    table_of(table_f, table_d, y).tanh_array(n, x, y)


cdef inline floating maximum_of(int64_t n, const floating* z) noexcept nogil:
    return table_of(table_f, table_d, z).maximum_of(n, z)


cdef inline double exp_minus(int64_t n, floating* z, floating maximum) noexcept nogil:
    return table_of(table_f, table_d, z).exp_minus(n, z, maximum)


cdef inline void scale_twice(
    int64_t n, floating scale, floating weight, floating* p, floating* dp
) noexcept nogil:
    table_of(table_f, table_d, p).scale_twice(n, scale, weight, p, dp)


cdef inline void add_rows(
    int64_t rows, int64_t n, const floating* x, int64_t stride, floating* total
) noexcept nogil:
    table_of(table_f, table_d, total).add_rows(rows, n, x, stride, total)


cdef inline void rectify(int64_t n, const floating* y, floating* x) noexcept nogil:
    table_of(table_f, table_d, x).rectify(n, y, x)


cdef inline void drop(
    int64_t n, uint64_t seed, uint32_t threshold, floating scale, const floating* x, floating* y
) noexcept nogil:
    table_of(table_f, table_d, y).drop(n, seed, threshold, scale, x, y)


cdef inline const void* floats(bint rounds) noexcept nogil:
    """The table of products of floats, whose factors are rounded to bfloat16 or not."""
    return table_b if rounds else table_f


cdef inline int64_t depth(int64_t K, bint rounds) noexcept nogil:
    """Elements that K of a sum are in a factor: half as many where they are pairs, and more than
    one tile of them is filled up to whole tiles; there are never more than K."""
    cdef int64_t pairs = (K + 1) // 2
    if not (rounds and rounds_to_pairs):
        return K
    return pairs if pairs <= tile_pairs else (pairs + tile_pairs - 1) // tile_pairs * tile_pairs


cdef inline void round_rows(
    int64_t rows, int64_t n, const floating* x, int64_t x_stride, floating* y, int64_t y_stride
) noexcept nogil:
    """y = x rounded to bfloat16, as the first factor of a product or, where there are no pairs, in
    its place. There is no such thing of doubles."""
    if floating is float:
        round_rows_f(rows, n, x, x_stride, y, y_stride)


cdef inline void pack(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, packed).pack(K, N, B, ldb, depth(K, rounds), packed)


cdef inline void pack_transposed(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, packed).pack_transposed(
        K, N, B, ldb, depth(K, rounds), packed)


cdef inline void pack_panels(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed, floating* total,
    bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, total).pack_panels(
        K, N, B, ldb, depth(K, rounds), packed, total)


cdef inline void pack_left_panels(
    int64_t rows, int64_t M, const floating* A, int64_t lda, const floating* mask, int64_t K,
    int64_t first, floating* left, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, left).pack_left_panels(
        rows, M, A, lda, mask, K, first, depth(K, rounds), left)


cdef inline void product(
    int64_t M, int64_t N, int64_t K, const floating* A, int64_t lda, const floating* packed,
    const floating* start, int64_t start_stride, floating* C, int64_t ldc, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, C).product(
        M, N, K, A, lda, packed, start, start_stride, C, ldc)


cdef inline void product_pair(
    int64_t M, int64_t N, int64_t K, const floating* A, int64_t lda, const floating* packed,
    int64_t K2, const floating* A2, int64_t lda2, const floating* packed2,
    const floating* start, int64_t start_stride, floating* C, int64_t ldc, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, C).product_pair(
        M, N, K, A, lda, packed, K2, A2, lda2, packed2, start, start_stride, C, ldc)


cdef inline void product_unpacked(
    int64_t M, int64_t N, int64_t K, const floating* A, int64_t lda, const floating* B, int64_t ldb,
    const floating* start, int64_t start_stride, floating* C, int64_t ldc
) noexcept nogil:
    table_of(table_f, table_d, C).product_unpacked(
        M, N, K, A, lda, B, ldb, start, start_stride, C, ldc)


cdef inline void product_transposed(
    int64_t M, int64_t N, int64_t K, const floating* left, const floating* packed, floating* C,
    int64_t ldc, bint rounds
) noexcept nogil:
    table_of(floats(rounds), table_d, C).product_transposed(M, N, K, left, packed, C, ldc)
