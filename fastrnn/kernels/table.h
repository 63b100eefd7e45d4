/* The table of vector functions of one element type: the list of them is here and nowhere else.
   levels.h fills one for every instruction set; the kernels call through the one that
   vector_math.pyx chose at import. */
#ifndef FASTRNN_TABLE_H
#define FASTRNN_TABLE_H

#include "cell.h"

/* Columns of a panel of a first factor that enters transposed. */
enum { LEFT_PANEL = 6 };

/* F(type, name, parameters) of every function. */
#define FOR_EACH_FUNCTION(F, REAL)                                                                 \
    F(void, sigmoid_array, (int64_t n, const REAL *x, REAL *y))                                    \
    F(void, exp_array, (int64_t n, const REAL *x, REAL *y))                                        \
    F(void, tanh_array, (int64_t n, const REAL *x, REAL *y))                                       \
    F(REAL, maximum_of, (int64_t n, const REAL *z))                                                \
    F(double, exp_minus, (int64_t n, REAL *z, REAL maximum))                                       \
    F(void, scale_twice, (int64_t n, REAL scale, REAL weight, REAL *p, REAL *dp))                  \
    F(void, add_rows, (int64_t rows, int64_t n, const REAL *x, int64_t stride, REAL *total))       \
    F(void, rectify, (int64_t n, const REAL *y, REAL *x))                                          \
    F(void, drop,                                                                                  \
      (int64_t n, uint64_t seed, uint32_t threshold, REAL scale, const REAL *x, REAL *y))          \
    F(void, pack, (int64_t K, int64_t N, const REAL *B, int64_t ldb, int64_t depth, REAL *packed)) \
    F(void, pack_transposed,                                                                       \
      (int64_t K, int64_t N, const REAL *B, int64_t ldb, int64_t depth, REAL *packed))             \
    F(void, pack_panels,                                                                           \
      (int64_t K, int64_t N, const REAL *B, int64_t ldb, int64_t depth, REAL *packed,              \
       REAL *total))                                                                               \
    F(void, pack_left_panels,                                                                      \
      (int64_t rows, int64_t M, const REAL *A, int64_t lda, const REAL *mask, int64_t K,           \
       int64_t first, int64_t depth, REAL *left))                                                  \
    F(void, product,                                                                               \
      (int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda, const REAL *packed,            \
       const REAL *start, int64_t start_stride, REAL *C, int64_t ldc))                             \
    F(void, product_pair,                                                                          \
      (int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda, const REAL *packed,            \
       int64_t K2, const REAL *A2, int64_t lda2, const REAL *packed2, const REAL *start,           \
       int64_t start_stride, REAL *C, int64_t ldc))                                                \
    F(void, product_unpacked,                                                                      \
      (int64_t M, int64_t N, int64_t K, const REAL *A, int64_t lda, const REAL *B, int64_t ldb,    \
       const REAL *start, int64_t start_stride, REAL *C, int64_t ldc))                             \
    F(void, product_transposed,                                                                    \
      (int64_t M, int64_t N, int64_t K, const REAL *left, const REAL *packed, REAL *C,             \
       int64_t ldc))

#define MEMBER(type, name, parameters) type(*name) parameters;
#define TABLE_OF(REAL)                                                                             \
    {                                                                                              \
        int64_t panel;            /* columns of a panel, for those who divide a product */         \
        const cell *const *cells; /* the last one is NULL */                                       \
        FOR_EACH_FUNCTION(MEMBER, REAL)                                                            \
    }

typedef struct TABLE_OF(float) table_float;
typedef struct TABLE_OF(double) table_double;

/* The one of two tables whose functions take what x points to. */
#define table_of(floats, doubles, x)                                                               \
    _Generic(*(x), float: (const table_float *)(floats), double: (const table_double *)(doubles))

#endif
