"""What becomes of values and states with the time since a value was last seen (Che et al. 2018,
Recurrent neural networks for multivariate time series with missing values, Scientific Reports 8,
6085, arXiv 1606.01865, equations 3 to 6).

A step has F values v, marks m (1 where a value is missing) and times d since each was last seen:

    gamma_x = exp(-max(0, w_x * d + b_x))                       (F,)
    x       = v + m * (1 - gamma_x) * (mean - v)                (F,)
    gamma_h = exp(-max(0, d @ W_h + b_h))                       (H,)

gamma_h are the factors of the state that a step begins with (recurrence.pxd).
"""

from cython cimport floating
from libc.math cimport exp
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math


def decay_inputs(
    const floating[:, ::1] values,  # IN     (any, Q): v in its first F columns
    int64_t marks,                  # first of the F columns of m
    int64_t times,                  # first of the F columns of d
    const int64_t[::1] rows,        # IN     (N,) rows of the values
    const floating[::1] mean,       # IN     (F,)
    const floating[::1] w,          # IN     (F,)
    const floating[::1] b,          # IN     (F,)
    floating[:, ::1] x,             # INOUT  (N, F or more)
):
    """x[:, :F] = what is left of the values"""
    cdef:
        int64_t n, j, F = mean.shape[0]
        const floating* row
        floating gamma
    with nogil:
        for n in range(rows.shape[0]):
            row = &values[rows[n], 0]
            for j in range(F):
                x[n, j] = row[j]
                if row[marks + j] != 0:
                    gamma = <floating>exp(-max(<floating>0, w[j] * row[times + j] + b[j]))
                    x[n, j] = gamma * row[j] + (1 - gamma) * mean[j]


def decay_inputs_backward(
    const floating[:, ::1] values,  # IN     as for `decay_inputs`, up to b
    int64_t marks,
    int64_t times,
    const int64_t[::1] rows,
    const floating[::1] mean,
    const floating[::1] w,
    const floating[::1] b,
    floating[:, ::1] dx,            # INOUT  (N, F or more): that of x on entry, of v on return
    floating[::1] dw,               # INOUT  (F,), added to
    floating[::1] db,               # INOUT  (F,), added to
    floating[:, ::1] dtimes,        # OUT    (N, F), or (0, F) if not wanted
):
    """Gradient of `decay_inputs`."""
    cdef:
        int64_t n, j, F = mean.shape[0]
        const floating* row
        floating gamma, rate, drate
        bint wanted = dtimes.shape[0] > 0
    with nogil:
        for n in range(rows.shape[0]):
            row = &values[rows[n], 0]
            for j in range(F):
                drate = 0
                if row[marks + j] != 0:
                    rate = w[j] * row[times + j] + b[j]
                    gamma = <floating>exp(-max(<floating>0, rate))
                    if rate > 0:
                        drate = -dx[n, j] * gamma * (row[j] - mean[j])
                        dw[j] += drate * row[times + j]
                        db[j] += drate
                    dx[n, j] *= gamma
                if wanted:
                    dtimes[n, j] = drate * w[j]


def decay_factors(
    const floating[:, ::1] values,  # IN   (any, Q)
    int64_t times,                  # first of the F columns of d
    const int64_t[::1] rows,        # IN   (N,) rows of the values
    const floating[:, ::1] W,       # IN   (F, H)
    const floating[::1] b,          # IN   (H,)
    floating[:, ::1] factors,       # OUT  (N, H)
):
    """factors = gamma_h"""
    cdef:
        int64_t n, f, j, F = W.shape[0], H = W.shape[1]
        const floating* d
        floating* row
        const floating* w
    with nogil:
        for n in range(rows.shape[0]):
            d = &values[rows[n], times]
            row = &factors[n, 0]
            for j in range(H):
                row[j] = b[j]
            for f in range(F):
                w = &W[f, 0]
                for j in range(H):
                    row[j] += d[f] * w[j]
            for j in range(H):
                row[j] = -row[j] if row[j] > 0 else 0
            vector_math.exp(H, row, row)


def decay_factors_backward(
    const floating[:, ::1] values,  # IN     as for `decay_factors`, up to factors
    int64_t times,
    const int64_t[::1] rows,
    const floating[:, ::1] W,
    const floating[::1] b,
    const floating[:, ::1] factors,
    floating[:, ::1] dfactors,      # INOUT  (N, H): used up
    floating[:, ::1] dW,            # INOUT  (F, H), added to
    floating[::1] db,               # INOUT  (H,), added to
    floating[:, ::1] dtimes,        # INOUT  (N, F), added to; or (0, F) if not wanted
):
    """Gradient of `decay_factors`."""
    cdef:
        int64_t n, f, j, F = W.shape[0], H = W.shape[1]
        const floating* d
        const floating* w
        floating* drate
        floating* dw
        floating total
        bint wanted = dtimes.shape[0] > 0
    with nogil:
        for n in range(rows.shape[0]):
            d = &values[rows[n], times]
            drate = &dfactors[n, 0]
            for j in range(H):  # where a factor is 1 the rate is 0, and stays it
                drate[j] = -drate[j] * factors[n, j] if factors[n, j] < 1 else 0
                db[j] += drate[j]
            for f in range(F):
                dw = &dW[f, 0]
                for j in range(H):
                    dw[j] += d[f] * drate[j]
                if wanted:
                    w = &W[f, 0]
                    total = 0
                    for j in range(H):
                        total += drate[j] * w[j]
                    dtimes[n, f] += total
