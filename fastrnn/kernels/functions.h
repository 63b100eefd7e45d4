/* All vector functions for one instruction set and one type, and the table of them. Included by
   level.h, which says what is defined. */

#include "vector_math.h"

static TARGET void NAME(sigmoid_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(sigmoid)(NAME(load)(x, n)), n);
}

static TARGET void NAME(tanh_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(tanh)(NAME(load)(x, n)), n);
}

static TARGET void NAME(exp_array)(int64_t n, const REAL *x, REAL *y)
{
    for (; n > 0; n -= LANES, x += LANES, y += LANES)
        NAME(store)(y, NAME(exp)(NAME(load)(x, n)), n);
}

/* total (n,) += the sum of the rows of x (rows, n), which stand stride apart. */
static TARGET void NAME(add_rows)(int64_t rows, int64_t n, const REAL *x, int64_t stride,
                                  REAL *total)
{
    for (int64_t j = 0; j < n; j += LANES) {
        vec sum = NAME(load)(total + j, n - j);
        for (int64_t row = 0; row < rows; row++)
            sum += NAME(load)(x + row * stride + j, n - j);
        NAME(store)(total + j, sum, n - j);
    }
}

#include "product.h"

#include "carry_lstm.h"
#include "gru.h"
#include "lstm.h"
#include "rnn.h"

static const TABLE NAME(table) = {
    NAME(panel),
    NAME(sigmoid_array),
    NAME(exp_array),
    NAME(tanh_array),
    NAME(add_rows),
    NAME(pack),
    NAME(pack_transposed),
    NAME(pack_panels),
    NAME(pack_strips),
    NAME(product),
    NAME(product_pair),
    NAME(product_transposed),
    NAME(lstm_forward),
    NAME(lstm_backward),
    NAME(carry_lstm_forward),
    NAME(carry_lstm_backward),
    NAME(gru_forward),
    NAME(gru_backward),
    NAME(gru_before_forward_reset),
    NAME(gru_before_backward_reset),
    NAME(gru_before_forward_state),
    NAME(gru_before_backward_state),
    NAME(rnn_forward),
    NAME(rnn_backward),
};

#undef vec
#undef ivec
#undef LANES
#undef INLINE
