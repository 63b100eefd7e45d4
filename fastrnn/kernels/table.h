/* The table of vector functions of one element type. levels.h fills one for every instruction set;
   the kernels call through the one that vector_math.pyx chose at import. */
#ifndef FASTRNN_TABLE_H
/* Units, or columns, from begin until before end; of columns there may be count such blocks, each
   stride further on than the one before. */
typedef struct {
    int64_t begin, end, count, stride;
} range;

#define FASTRNN_TABLE_H

#include <stdint.h>

#define FASTRNN_TABLE(REAL)                                                                        \
    {                                                                                              \
        int64_t panel;                                                                             \
        void (*sigmoid)(int64_t n, const REAL *x, REAL *y);                                        \
        void (*exp)(int64_t n, const REAL *x, REAL *y);                                            \
        void (*tanh)(int64_t n, const REAL *x, REAL *y);                                           \
        REAL (*maximum_of)(int64_t n, const REAL *z);                                              \
        double (*exp_minus)(int64_t n, REAL *z, REAL maximum);                                     \
        void (*scale_twice)(int64_t n, REAL scale, REAL weight, REAL *p, REAL *dp);                \
        void (*add_rows)(int64_t rows, int64_t n, const REAL *x, int64_t stride, REAL *total);     \
        void (*pack)(int64_t K, int64_t N, const REAL *B, int64_t ldb, REAL *packed);              \
        void (*pack_transposed)(int64_t K, int64_t N, const REAL *B, int64_t ldb, REAL *packed);   \
        void (*pack_panels)(int64_t K, int64_t N, const REAL *B, int64_t ldb, REAL *packed,        \
                            REAL *total);                                                          \
        void (*pack_strips)(int64_t rows, int64_t M, const REAL *A, int64_t lda, const REAL *mask, \
                            int64_t K, int64_t first, REAL *strips);                               \
        void (*product)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda,               \
                        const REAL *packed, const REAL *start, int64_t start_stride, REAL *C,      \
                        int64_t ldc);                                                              \
        void (*product_pair)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda,          \
                             const REAL *packed, int64_t K2, const REAL *A2, int64_t lda2,         \
                             const REAL *packed2, const REAL *start, int64_t start_stride,         \
                             REAL *C, int64_t ldc);                                                \
        void (*product_transposed)(int64_t M, int64_t N, int64_t K, const REAL *strips,            \
                                   const REAL *packed, REAL *C, int64_t ldc);                      \
        void (*lstm_forward)(int64_t rows, int64_t H, range units, REAL *gates,                    \
                             const REAL *c_prev, REAL *c, REAL *h);                                \
        void (*lstm_backward)(int64_t rows, int64_t H, range units, REAL *gates,                   \
                              const REAL *c_prev, const REAL *c, const REAL *dy, const REAL *dh,   \
                              REAL *dc);                                                           \
        void (*carry_lstm_forward)(int64_t rows, int64_t H, range units, int candidate_tanh,       \
                                   REAL *gates, const REAL *h_prev, const REAL *c_prev, REAL *c,   \
                                   REAL *h);                                                       \
        void (*carry_lstm_backward)(int64_t rows, int64_t H, range units, int candidate_tanh,      \
                                    REAL *gates, const REAL *h_prev, const REAL *c_prev,           \
                                    const REAL *c, const REAL *dy, REAL *dh, REAL *dc);            \
        void (*gru_forward)(int64_t rows, int64_t H, range units, REAL *gates, const REAL *h_U,    \
                            const REAL *b_n, REAL *q, const REAL *h_prev, REAL *h);                \
        void (*gru_backward)(int64_t rows, int64_t H, range units, REAL *gates, REAL *q,           \
                             const REAL *h_prev, const REAL *dy, REAL *dh);                        \
        void (*gru_before_forward_reset)(int64_t rows, int64_t H, range units, REAL *gates,        \
                                         const REAL *h_in, REAL *reset);                           \
        void (*gru_before_backward_reset)(int64_t rows, int64_t H, range units, REAL *gates,       \
                                          const REAL *h_in, REAL *dreset);                         \
        void (*gru_before_forward_state)(int64_t rows, int64_t H, range units, REAL *gates,        \
                                         const REAL *b_n, const REAL *h_prev, REAL *h);            \
        void (*gru_before_backward_state)(int64_t rows, int64_t H, range units, REAL *gates,       \
                                          const REAL *h_prev, const REAL *dy, REAL *dh);           \
        void (*rnn_forward)(int64_t rows, int64_t H, range units, int is_relu, const REAL *gates,  \
                            REAL *h);                                                              \
        void (*rnn_backward)(int64_t rows, int64_t H, range units, int is_relu, const REAL *h,     \
                             const REAL *dy, const REAL *dh, REAL *dgates);                        \
    }

typedef struct FASTRNN_TABLE(float) table_float;
typedef struct FASTRNN_TABLE(double) table_double;

#endif
