"""The chosen tables of vector functions, and one wrapper for each that picks the type.

Arguments are explained where the functions stand: functions.h, product.h, lstm.h, carry_lstm.h,
gru.h, rnn.h.
"""

from cython cimport floating
from libc.stdint cimport int64_t


cdef extern from "table.h" nogil:
    ctypedef struct Range "range":
        int64_t begin, end, count, stride

    ctypedef struct table_float:
        int64_t panel
        void (*sigmoid)(int64_t, const float*, float*) noexcept nogil
        void (*exp)(int64_t, const float*, float*) noexcept nogil
        void (*tanh)(int64_t, const float*, float*) noexcept nogil
        float (*maximum_of)(int64_t, const float*) noexcept nogil
        double (*exp_minus)(int64_t, float*, float) noexcept nogil
        void (*scale_twice)(int64_t, float, float, float*, float*) noexcept nogil
        void (*add_rows)(int64_t, int64_t, const float*, int64_t, float*) noexcept nogil
        void (*pack)(int64_t, int64_t, const float*, int64_t, float*) noexcept nogil
        void (*pack_transposed)(int64_t, int64_t, const float*, int64_t, float*) noexcept nogil
        void (*pack_panels)(
            int64_t, int64_t, const float*, int64_t, float*, float*
        ) noexcept nogil
        void (*pack_strips)(
            int64_t, int64_t, const float*, int64_t, const float*, int64_t, int64_t, float*
        ) noexcept nogil
        void (*product)(
            int64_t, int64_t, int64_t, const float*, int64_t, const float*,
            const float*, int64_t, float*, int64_t
        ) noexcept nogil
        void (*product_pair)(
            int64_t, int64_t, int64_t, const float*, int64_t, const float*,
            int64_t, const float*, int64_t, const float*, const float*, int64_t, float*, int64_t
        ) noexcept nogil
        void (*product_transposed)(
            int64_t, int64_t, int64_t, const float*, const float*, float*, int64_t
        ) noexcept nogil
        void (*lstm_forward)(
            int64_t, int64_t, Range, float*, const float*, float*, float*
        ) noexcept nogil
        void (*lstm_backward)(
            int64_t, int64_t, Range, float*, const float*, const float*, const float*,
            const float*, float*
        ) noexcept nogil
        void (*carry_lstm_forward)(
            int64_t, int64_t, Range, int, float*, const float*, const float*, float*, float*
        ) noexcept nogil
        void (*carry_lstm_backward)(
            int64_t, int64_t, Range, int, float*, const float*, const float*, const float*,
            const float*,
            float*, float*
        ) noexcept nogil
        void (*gru_forward)(
            int64_t, int64_t, Range, float*, const float*, const float*, float*, const float*,
            float*
        ) noexcept nogil
        void (*gru_backward)(
            int64_t, int64_t, Range, float*, float*, const float*, const float*, float*
        ) noexcept nogil
        void (*gru_before_forward_reset)(
            int64_t, int64_t, Range, float*, const float*, float*
        ) noexcept nogil
        void (*gru_before_backward_reset)(
            int64_t, int64_t, Range, float*, const float*, float*
        ) noexcept nogil
        void (*gru_before_forward_state)(
            int64_t, int64_t, Range, float*, const float*, const float*, float*
        ) noexcept nogil
        void (*gru_before_backward_state)(
            int64_t, int64_t, Range, float*, const float*, const float*, float*
        ) noexcept nogil
        void (*rnn_forward)(int64_t, int64_t, Range, int, const float*, float*) noexcept nogil
        void (*rnn_backward)(
            int64_t, int64_t, Range, int, const float*, const float*, const float*, float*
        ) noexcept nogil

    ctypedef struct table_double:
        int64_t panel
        void (*sigmoid)(int64_t, const double*, double*) noexcept nogil
        void (*exp)(int64_t, const double*, double*) noexcept nogil
        void (*tanh)(int64_t, const double*, double*) noexcept nogil
        double (*maximum_of)(int64_t, const double*) noexcept nogil
        double (*exp_minus)(int64_t, double*, double) noexcept nogil
        void (*scale_twice)(int64_t, double, double, double*, double*) noexcept nogil
        void (*add_rows)(int64_t, int64_t, const double*, int64_t, double*) noexcept nogil
        void (*pack)(int64_t, int64_t, const double*, int64_t, double*) noexcept nogil
        void (*pack_transposed)(int64_t, int64_t, const double*, int64_t, double*) noexcept nogil
        void (*pack_panels)(
            int64_t, int64_t, const double*, int64_t, double*, double*
        ) noexcept nogil
        void (*pack_strips)(
            int64_t, int64_t, const double*, int64_t, const double*, int64_t, int64_t, double*
        ) noexcept nogil
        void (*product)(
            int64_t, int64_t, int64_t, const double*, int64_t, const double*,
            const double*, int64_t, double*, int64_t
        ) noexcept nogil
        void (*product_pair)(
            int64_t, int64_t, int64_t, const double*, int64_t, const double*,
            int64_t, const double*, int64_t, const double*, const double*, int64_t, double*, int64_t
        ) noexcept nogil
        void (*product_transposed)(
            int64_t, int64_t, int64_t, const double*, const double*, double*, int64_t
        ) noexcept nogil
        void (*lstm_forward)(
            int64_t, int64_t, Range, double*, const double*, double*, double*
        ) noexcept nogil
        void (*lstm_backward)(
            int64_t, int64_t, Range, double*, const double*, const double*, const double*,
            const double*,
            double*
        ) noexcept nogil
        void (*carry_lstm_forward)(
            int64_t, int64_t, Range, int, double*, const double*, const double*, double*, double*
        ) noexcept nogil
        void (*carry_lstm_backward)(
            int64_t, int64_t, Range, int, double*, const double*, const double*, const double*,
            const double*, double*, double*
        ) noexcept nogil
        void (*gru_forward)(
            int64_t, int64_t, Range, double*, const double*, const double*, double*,
            const double*, double*
        ) noexcept nogil
        void (*gru_backward)(
            int64_t, int64_t, Range, double*, double*, const double*, const double*, double*
        ) noexcept nogil
        void (*gru_before_forward_reset)(
            int64_t, int64_t, Range, double*, const double*, double*
        ) noexcept nogil
        void (*gru_before_backward_reset)(
            int64_t, int64_t, Range, double*, const double*, double*
        ) noexcept nogil
        void (*gru_before_forward_state)(
            int64_t, int64_t, Range, double*, const double*, const double*, double*
        ) noexcept nogil
        void (*gru_before_backward_state)(
            int64_t, int64_t, Range, double*, const double*, const double*, double*
        ) noexcept nogil
        void (*rnn_forward)(int64_t, int64_t, Range, int, const double*, double*) noexcept nogil
        void (*rnn_backward)(
            int64_t, int64_t, Range, int, const double*, const double*, const double*, double*
        ) noexcept nogil


cdef const table_float* table_f
cdef const table_double* table_d
cdef int64_t panel_bytes  # of a row of a panel, of either type
cdef bint use_blas


cdef inline void sigmoid(int64_t n, const floating* x, floating* y) noexcept nogil:
    if floating is float:
        table_f.sigmoid(n, x, y)
    else:
        table_d.sigmoid(n, x, y)


cdef inline void exp(int64_t n, const floating* x, floating* y) noexcept nogil:
    if floating is float:
        table_f.exp(n, x, y)
    else:
        table_d.exp(n, x, y)


cdef inline void tanh(int64_t n, const floating* x, floating* y) noexcept nogil:
    if floating is float:
        table_f.tanh(n, x, y)
    else:
        table_d.tanh(n, x, y)


cdef inline floating maximum_of(int64_t n, const floating* z) noexcept nogil:
    if floating is float:
        return table_f.maximum_of(n, z)
    else:
        return table_d.maximum_of(n, z)


cdef inline double exp_minus(int64_t n, floating* z, floating maximum) noexcept nogil:
    if floating is float:
        return table_f.exp_minus(n, z, maximum)
    else:
        return table_d.exp_minus(n, z, maximum)


cdef inline void scale_twice(
    int64_t n, floating scale, floating weight, floating* p, floating* dp
) noexcept nogil:
    if floating is float:
        table_f.scale_twice(n, scale, weight, p, dp)
    else:
        table_d.scale_twice(n, scale, weight, p, dp)


cdef inline void add_rows(
    int64_t rows, int64_t n, const floating* x, int64_t stride, floating* total
) noexcept nogil:
    if floating is float:
        table_f.add_rows(rows, n, x, stride, total)
    else:
        table_d.add_rows(rows, n, x, stride, total)


cdef inline void pack(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed
) noexcept nogil:
    if floating is float:
        table_f.pack(K, N, B, ldb, packed)
    else:
        table_d.pack(K, N, B, ldb, packed)


cdef inline void pack_transposed(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed
) noexcept nogil:
    if floating is float:
        table_f.pack_transposed(K, N, B, ldb, packed)
    else:
        table_d.pack_transposed(K, N, B, ldb, packed)


cdef inline void pack_panels(
    int64_t K, int64_t N, const floating* B, int64_t ldb, floating* packed, floating* total
) noexcept nogil:
    if floating is float:
        table_f.pack_panels(K, N, B, ldb, packed, total)
    else:
        table_d.pack_panels(K, N, B, ldb, packed, total)


cdef inline void pack_strips(
    int64_t rows, int64_t M, const floating* A, int64_t lda, const floating* mask, int64_t K,
    int64_t first, floating* strips
) noexcept nogil:
    if floating is float:
        table_f.pack_strips(rows, M, A, lda, mask, K, first, strips)
    else:
        table_d.pack_strips(rows, M, A, lda, mask, K, first, strips)


cdef inline void product(
    int64_t M, int64_t N, int64_t K, const floating* A, int64_t lda, const floating* packed,
    const floating* start, int64_t start_stride, floating* C, int64_t ldc
) noexcept nogil:
    if floating is float:
        table_f.product(M, N, K, A, lda, packed, start, start_stride, C, ldc)
    else:
        table_d.product(M, N, K, A, lda, packed, start, start_stride, C, ldc)


cdef inline void product_pair(
    int64_t M, int64_t N, int64_t K, const floating* A, int64_t lda, const floating* packed,
    int64_t K2, const floating* A2, int64_t lda2, const floating* packed2,
    const floating* start, int64_t start_stride, floating* C, int64_t ldc
) noexcept nogil:
    if floating is float:
        table_f.product_pair(
            M, N, K, A, lda, packed, K2, A2, lda2, packed2, start, start_stride, C, ldc)
    else:
        table_d.product_pair(
            M, N, K, A, lda, packed, K2, A2, lda2, packed2, start, start_stride, C, ldc)


cdef inline void product_transposed(
    int64_t M, int64_t N, int64_t K, const floating* strips, const floating* packed, floating* C,
    int64_t ldc
) noexcept nogil:
    if floating is float:
        table_f.product_transposed(M, N, K, strips, packed, C, ldc)
    else:
        table_d.product_transposed(M, N, K, strips, packed, C, ldc)


cdef inline void lstm_forward(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* c_prev, floating* c,
    floating* h
) noexcept nogil:
    if floating is float:
        table_f.lstm_forward(rows, H, units, gates, c_prev, c, h)
    else:
        table_d.lstm_forward(rows, H, units, gates, c_prev, c, h)


cdef inline void lstm_backward(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* c_prev,
    const floating* c,
    const floating* dy, const floating* dh, floating* dc
) noexcept nogil:
    if floating is float:
        table_f.lstm_backward(rows, H, units, gates, c_prev, c, dy, dh, dc)
    else:
        table_d.lstm_backward(rows, H, units, gates, c_prev, c, dy, dh, dc)


cdef inline void carry_lstm_forward(
    int64_t rows, int64_t H, Range units, int candidate_tanh, floating* gates,
    const floating* h_prev,
    const floating* c_prev, floating* c, floating* h
) noexcept nogil:
    if floating is float:
        table_f.carry_lstm_forward(rows, H, units, candidate_tanh, gates, h_prev, c_prev, c, h)
    else:
        table_d.carry_lstm_forward(rows, H, units, candidate_tanh, gates, h_prev, c_prev, c, h)


cdef inline void carry_lstm_backward(
    int64_t rows, int64_t H, Range units, int candidate_tanh, floating* gates,
    const floating* h_prev,
    const floating* c_prev, const floating* c, const floating* dy, floating* dh, floating* dc
) noexcept nogil:
    if floating is float:
        table_f.carry_lstm_backward(
            rows, H, units, candidate_tanh, gates, h_prev, c_prev, c, dy, dh, dc)
    else:
        table_d.carry_lstm_backward(
            rows, H, units, candidate_tanh, gates, h_prev, c_prev, c, dy, dh, dc)


cdef inline void gru_forward(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* h_U, const floating* b_n,
    floating* q, const floating* h_prev, floating* h
) noexcept nogil:
    if floating is float:
        table_f.gru_forward(rows, H, units, gates, h_U, b_n, q, h_prev, h)
    else:
        table_d.gru_forward(rows, H, units, gates, h_U, b_n, q, h_prev, h)


cdef inline void gru_backward(
    int64_t rows, int64_t H, Range units, floating* gates, floating* q, const floating* h_prev,
    const floating* dy, floating* dh
) noexcept nogil:
    if floating is float:
        table_f.gru_backward(rows, H, units, gates, q, h_prev, dy, dh)
    else:
        table_d.gru_backward(rows, H, units, gates, q, h_prev, dy, dh)


cdef inline void gru_before_forward_reset(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* h_in, floating* reset
) noexcept nogil:
    if floating is float:
        table_f.gru_before_forward_reset(rows, H, units, gates, h_in, reset)
    else:
        table_d.gru_before_forward_reset(rows, H, units, gates, h_in, reset)


cdef inline void gru_before_backward_reset(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* h_in, floating* dreset
) noexcept nogil:
    if floating is float:
        table_f.gru_before_backward_reset(rows, H, units, gates, h_in, dreset)
    else:
        table_d.gru_before_backward_reset(rows, H, units, gates, h_in, dreset)


cdef inline void gru_before_forward_state(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* b_n,
    const floating* h_prev,
    floating* h
) noexcept nogil:
    if floating is float:
        table_f.gru_before_forward_state(rows, H, units, gates, b_n, h_prev, h)
    else:
        table_d.gru_before_forward_state(rows, H, units, gates, b_n, h_prev, h)


cdef inline void gru_before_backward_state(
    int64_t rows, int64_t H, Range units, floating* gates, const floating* h_prev,
    const floating* dy,
    floating* dh
) noexcept nogil:
    if floating is float:
        table_f.gru_before_backward_state(rows, H, units, gates, h_prev, dy, dh)
    else:
        table_d.gru_before_backward_state(rows, H, units, gates, h_prev, dy, dh)


cdef inline void rnn_forward(
    int64_t rows, int64_t H, Range units, int is_relu, const floating* gates, floating* h
) noexcept nogil:
    if floating is float:
        table_f.rnn_forward(rows, H, units, is_relu, gates, h)
    else:
        table_d.rnn_forward(rows, H, units, is_relu, gates, h)


cdef inline void rnn_backward(
    int64_t rows, int64_t H, Range units, int is_relu, const floating* h, const floating* dy,
    const floating* dh,
    floating* dgates
) noexcept nogil:
    if floating is float:
        table_f.rnn_backward(rows, H, units, is_relu, h, dy, dh, dgates)
    else:
        table_d.rnn_backward(rows, H, units, is_relu, h, dy, dh, dgates)
