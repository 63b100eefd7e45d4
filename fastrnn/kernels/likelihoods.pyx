"""Likelihoods of numbers and counts: value and gradient with respect to the head's outputs.

Of each of the M targets of a row the outputs are parameters of a distribution, side by side. What
must be positive is made so: s(z) = log(1 + exp(z)), softplus; e(z) = exp(z), but from z = 30 on the
tangent there. Losses of a row are averaged over its targets y; a target that is NaN is left out.

Student's t with outputs l, a, d (Salinas et al. 2020 use it for numbers):

    scale = s(a) + 1e-6,   nu = 2 + s(d),   z = (y - l) / scale
    loss  = log gamma(nu / 2) - log gamma((nu + 1) / 2) + log(nu pi) / 2 + log scale
            + (nu + 1) / 2 log(1 + z^2 / nu)

Poisson with output z, half the deviance, for any y >= 0 (y log y is 0 at 0):

    mu    = e(z)
    loss  = y log(y / mu) - y + mu
    dloss = (mu - y) d log mu

Negative binomial with outputs z, a and a unit u of each row (Salinas et al. 2020, section 4.1,
whose nu is u), the mean mu and the variance mu + alpha mu^2:

    mu    = u s(z),   alpha = (s(a) + 1e-8) / sqrt(u),   r = 1 / alpha
    loss  = log gamma(y + 1) + log gamma(r) - log gamma(y + r)
            + (r + y) log(r + mu) - r log r - y log mu

Where r is large, terms of its size are taken together before they are added up; with them gone the
loss is that of a Poisson distribution.

Rows, weights, ``order`` and ``total`` are those of `fastrnn.kernels.losses`. All that is within a
row is done in double. The gradient may take the place of the outputs.

References
----------
Salinas, D., Flunkert, V., Gasthaus, J. and Januschowski, T. (2020). DeepAR: Probabilistic
forecasting with autoregressive recurrent networks. International Journal of Forecasting 36,
1181-1191.
"""

from cython cimport floating
from libc.math cimport fabs, fmax, fmin, isnan, log, log1p, sqrt
from libc.stdint cimport int64_t

from fastrnn.kernels.gamma cimport gamma_rest
from fastrnn.kernels.links cimport STEEPEST, log_rate, log_softplus
from fastrnn.kernels.links cimport rate as rate_of
from fastrnn.kernels.links cimport softplus as softplus_of

STEEPEST_RATE = STEEPEST

cdef:
    double SMALLEST_SCALE = 1e-6
    double SMALLEST_DISPERSION = 1e-8
    double HALF_LOG_2_PI = 0.9189385332046727
    double FARTHEST = 1e150  # of a target, in scales: its square is finite


cdef inline double student_t_row(
    double y,
    double* o,   # INOUT  (3,): the outputs, on return their gradient
) noexcept nogil:
    """Minus the logarithm of the density of one target."""
    cdef:
        double scale, nu, z, x, part, of_scale, of_nu, rest, more, slope_rest, slope_more, loss
    scale = softplus_of(o[1], &of_scale) + SMALLEST_SCALE
    nu = 2.0 + softplus_of(o[2], &of_nu)
    z = fmax(fmin((y - o[0]) / scale, FARTHEST), -FARTHEST)
    x = 0.5 * nu
    rest, more = gamma_rest(x, &slope_rest), gamma_rest(x + 0.5, &slope_more)
    # log gamma(x + 1/2) - log gamma(x) = 1/2 log x + x log(1 + 1/2x) - 1/2 + R(x + 1/2) - R(x)
    loss = (HALF_LOG_2_PI - (x * log1p(0.5 / x) - 0.5 + more - rest)
            + log(scale) + (x + 0.5) * log1p(z * z / nu))
    part = (nu + 1.0) / (nu + z * z)
    o[2] = of_nu * 0.5 * (log1p(z * z / nu) - part * z * z / nu
                          - (log1p(0.5 / x) - 1.0 / (nu + 1.0) + slope_more - slope_rest))
    o[1] = of_scale * (1.0 - part * z * z) / scale
    o[0] = -part * z / scale
    return loss


cdef inline double log_of_ratio(double a, double b) noexcept nogil:
    """log(a / b), with all its digits where both are about the same."""
    cdef double difference = (a - b) / b
    return log1p(difference) if fabs(difference) < 0.5 else log(a) - log(b)


cdef inline double negative_binomial_row(
    double y,
    double unit,
    double* o,   # INOUT  (2,): the outputs, on return their gradient
) noexcept nogil:
    """Minus the logarithm of the probability of one target."""
    cdef:
        double mu, r, log_mu, of_mu, of_alpha, slope, ratio, loss
        double rest, more, of_count, slope_rest, slope_more, slope_count
    log_mu = log(unit) + log_softplus(o[0], &of_mu)
    mu = unit * softplus_of(o[0], &slope)
    r = sqrt(unit) / (softplus_of(o[1], &of_alpha) + SMALLEST_DISPERSION)
    ratio = log_of_ratio(r + mu, r + y)
    rest, more = gamma_rest(r, &slope_rest), gamma_rest(r + y, &slope_more)
    of_count = gamma_rest(y + 1.0, &slope_count)
    # log gamma(y + 1) - y log mu + y, and - [log gamma(y + r) - log gamma(r)] + ... without them
    loss = ((y + 0.5) * log1p(y) - 1.0 + HALF_LOG_2_PI + of_count - y * log_mu
            - (r - 0.5) * log1p(y / r) + y * ratio + r * log1p(mu / r) - more + rest)
    slope = (ratio + (y - mu) / (r + mu) + 0.5 / (r + y) - 0.5 / r - slope_more + slope_rest)
    # d r / d alpha = -r^2, and alpha has 1 / sqrt(u) before the output
    o[1] = -slope * r * (r / sqrt(unit)) * of_alpha
    o[0] = (mu - y) * (r / (r + mu)) * of_mu
    return loss


def student_t_loss(
    floating[:, ::1] outputs,        # (B, 3M) IN
    const floating[:, ::1] target,   # (n, M)  IN   NaN leaves a target out
    const floating[::1] weight,      # (n,)    IN   not negative
    const int64_t[:] order,          # (B,)    IN   where each row has its target and weight
    double total,                    # what weights are divided by
    floating[:, ::1] doutputs,       # (B, 3M) OUT  may be outputs
):
    """Weighted minus log-likelihood under Student's t, the mean over the targets of a row."""
    cdef:
        Py_ssize_t B = outputs.shape[0], M = target.shape[1], n, m, k
        double[3] o
        double w, loss = 0.0
    with nogil:
        for n in range(B):
            w = weight[order[n]] / (total * <double> M)
            for m in range(M):
                for k in range(3):
                    o[k] = outputs[n, 3 * m + k]
                if w == 0.0 or isnan(target[order[n], m]):
                    o[0] = o[1] = o[2] = 0.0
                else:
                    loss += w * student_t_row(target[order[n], m], o)
                for k in range(3):
                    doutputs[n, 3 * m + k] = <floating> (w * o[k])
    return loss


def poisson_loss(
    floating[:, ::1] outputs,        # (B, M)  IN
    const floating[:, ::1] target,   # (n, M)  IN   not negative; NaN leaves a target out
    const floating[::1] weight,      # (n,)    IN   not negative
    const int64_t[:] order,          # (B,)    IN   where each row has its target and weight
    double total,                    # what weights are divided by
    floating[:, ::1] doutputs,       # (B, M)  OUT  may be outputs
):
    """Weighted half Poisson deviance, the mean over the targets of a row."""
    cdef:
        Py_ssize_t B = outputs.shape[0], M = outputs.shape[1], n, m
        double w, y, z, mu, slope, loss = 0.0
    with nogil:
        for n in range(B):
            w = weight[order[n]] / (total * <double> M)
            for m in range(M):
                y, z = target[order[n], m], outputs[n, m]
                if w == 0.0 or isnan(y):
                    doutputs[n, m] = 0.0
                    continue
                mu = rate_of(z)
                loss += w * (mu - y * (1.0 + log_rate(z, &slope)))
                if y > 0.0:
                    loss += w * y * log(y)
                doutputs[n, m] = <floating> (w * (mu - y) * slope)
    return loss


def negative_binomial_loss(
    floating[:, ::1] outputs,        # (B, 2M)     IN
    const floating[:, ::1] target,   # (n, M + 1)  IN   targets over the unit, which is the last
    const floating[::1] weight,      # (n,)        IN   not negative
    const int64_t[:] order,          # (B,)        IN   where each row has its target and weight
    double total,                    # what weights are divided by
    floating[:, ::1] doutputs,       # (B, 2M)     OUT  may be outputs
):
    """Weighted minus log-likelihood under a negative binomial, the mean over the targets of a row.

    Targets are not negative; one that is NaN is left out. The unit, above 0, never is.
    """
    cdef:
        Py_ssize_t B = outputs.shape[0], M = target.shape[1] - 1, n, m
        double[2] o
        double w, unit, loss = 0.0
    with nogil:
        for n in range(B):
            w, unit = weight[order[n]] / (total * <double> M), target[order[n], M]
            for m in range(M):
                o[0], o[1] = outputs[n, 2 * m], outputs[n, 2 * m + 1]
                if w == 0.0 or isnan(target[order[n], m]):
                    o[0] = o[1] = 0.0
                else:
                    loss += w * negative_binomial_row(target[order[n], m] * unit, unit, o)
                doutputs[n, 2 * m] = <floating> (w * o[0])
                doutputs[n, 2 * m + 1] = <floating> (w * o[1])
    return loss


def student_t(
    floating[:, ::1] outputs,   # (B, 3M)  INOUT  on return location, scale, degrees of freedom
):
    """Parameters of Student's t, in place."""
    cdef:
        Py_ssize_t n, k
        double slope
    with nogil:
        for n in range(outputs.shape[0]):
            for k in range(0, outputs.shape[1], 3):
                outputs[n, k + 1] = <floating> (
                    softplus_of(outputs[n, k + 1], &slope) + SMALLEST_SCALE)
                outputs[n, k + 2] = <floating> (2.0 + softplus_of(outputs[n, k + 2], &slope))


def rate(
    floating[:, ::1] outputs,   # (B, M)  INOUT  on return rates
):
    """Rates, which are means, in place."""
    cdef Py_ssize_t n, k
    with nogil:
        for n in range(outputs.shape[0]):
            for k in range(outputs.shape[1]):
                outputs[n, k] = <floating> rate_of(outputs[n, k])


def softplus(
    floating[:, ::1] outputs,   # (B, M)  INOUT
):
    """log(1 + exp(z)) of every element, in place."""
    cdef:
        Py_ssize_t n, k
        double slope
    with nogil:
        for n in range(outputs.shape[0]):
            for k in range(outputs.shape[1]):
                outputs[n, k] = <floating> softplus_of(outputs[n, k], &slope)


def negative_binomial(
    floating[:, ::1] outputs,   # (B, 2M)  INOUT  on return mean and alpha, for a unit of 1
):
    """Parameters of negative binomials, in place."""
    cdef:
        Py_ssize_t n, k
        double slope
    with nogil:
        for n in range(outputs.shape[0]):
            for k in range(0, outputs.shape[1], 2):
                outputs[n, k] = <floating> softplus_of(outputs[n, k], &slope)
                outputs[n, k + 1] = <floating> (
                    softplus_of(outputs[n, k + 1], &slope) + SMALLEST_DISPERSION)
