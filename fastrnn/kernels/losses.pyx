"""Losses of the head: value and gradient with respect to the head's outputs, in one call.

Softmax with log-loss, one row z of K logits and a class y (Bridle 1990):

    p_k    = exp(z_k - m) / s,   m = max_k z_k,   s = sum_k exp(z_k - m)
    loss   = log s - (z_y - m)
    dz_k   = p_k - [k = y]

Sigmoid with binary log-loss, one row of K logits z and targets y in [0, 1], summed over the row as
in MLPClassifier. With e = exp(-|z_k|), which never overflows:

    p_k    = 1 / (1 + e) if z_k >= 0, e / (1 + e) if not
    loss   = sum_k max(z_k, 0) - z_k y_k + log(1 + e)
    dz_k   = p_k - y_k

Squared error, one row of K outputs o and targets y:

    loss   = 1/(2K) sum_k (o_k - y_k)^2
    do_k   = (o_k - y_k) / K

Quantile (pinball) loss of Q levels a in (0, 1), one row of M targets y and K = MQ outputs o, those
of one target side by side (Koenker and Bassett 1978):

    loss   = 1/K sum_mq max(a_q (y_m - o_mq), (a_q - 1) (y_m - o_mq))
    do_mq  = (1 - a_q) / K if o_mq > y_m, -a_q / K if o_mq < y_m, 0 at the kink

In these two a target that is NaN is left out: it adds nothing to loss and gradient.

Every row has a weight, which multiplies its loss and its gradient. Sums over outputs (but for short
chunks of them) and rows are accumulated in double. The rows may be a shard of a minibatch, in any
order: ``order`` says where their targets and weights stand among all there are, and ``total`` is
the sum of the minibatch's weights. The gradient may take the place of the outputs.

References
----------
Bridle, J. S. (1990). Probabilistic interpretation of feedforward classification network outputs,
with relationships to statistical pattern recognition. Neurocomputing, NATO ASI F68, 227-236.

Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33-50.
"""

from cython cimport floating
from libc.float cimport DBL_MAX
from libc.math cimport fmax, isnan, log, log1p
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.links cimport softmax_row


def sum_of_weights(
    const floating[::1] weight,  # (n,) IN
    const int64_t[:] order,      # (B,) IN  where each row has its weight
):
    """weight[order].sum(), in double"""
    cdef:
        Py_ssize_t n
        double total = 0.0
    with nogil:
        for n in range(order.shape[0]):
            total += weight[order[n]]
    return total


def softmax_log_loss(
    floating[:, ::1] logits,     # (B, K) INOUT  on return the probabilities, each row summing to 1
    const int64_t[::1] target,   # (n,)   IN     classes, in [0, K)
    const floating[::1] weight,  # (n,)   IN     not negative
    const int64_t[:] order,      # (B,)   IN     where each row has its target and weight
    double total,                # what weights are divided by
    floating[:, ::1] dlogits,    # (B, K) OUT    may be logits, which then end as the gradient
):
    """Weighted log-loss of softmax probabilities, and its gradient.

    With ``y = target[order]`` and ``w = weight[order] / total`` return
    ``sum_n w[n] * -log p[n, y[n]]``, and in `dlogits` ``w[n] * (p[n] - onehot(y[n]))``. Finite
    logits of any size give finite probabilities and a loss that is never NaN.
    """
    cdef:
        Py_ssize_t B = logits.shape[0], K = logits.shape[1], n
        int64_t y
        floating maximum, scale, w
        double margin, mass, loss = 0.0
    with nogil:
        for n in range(B):
            y = target[order[n]]
            w = <floating> (weight[order[n]] / total)
            maximum = vector_math.maximum_of(K, &logits[n, 0])
            # Bounded, so that a row of weight 0 adds 0 even where the difference overflows.
            margin = fmax(<double> logits[n, y] - <double> maximum, -DBL_MAX)
            mass = vector_math.exp_minus(K, &logits[n, 0], maximum)
            loss += w * (log(mass) - margin)
            scale = <floating> (1.0 / mass)
            vector_math.scale_twice(K, scale, w, &logits[n, 0], &dlogits[n, 0])
            dlogits[n, y] -= w
    return loss


def softmax(
    floating[:, ::1] logits,     # (B, K) INOUT  on return the probabilities, each row summing to 1
):
    """Softmax of every row, in place."""
    cdef Py_ssize_t B = logits.shape[0], K = logits.shape[1], n
    with nogil:
        for n in range(B):
            softmax_row(K, &logits[n, 0])


def binary_log_loss(
    floating[:, ::1] logits,        # (B, K) INOUT  on return the probabilities
    const floating[:, ::1] target,  # (n, K) IN     1 for the labels that a row has, else 0
    const floating[::1] weight,     # (n,)   IN     not negative
    const int64_t[:] order,         # (B,)   IN     where each row has its target and weight
    double total,                   # what weights are divided by
    floating[:, ::1] dlogits,       # (B, K) OUT    may be logits, which then end as the gradient
):
    """Weighted log-loss of sigmoid probabilities, summed over the labels, and its gradient.

    With ``y = target[order]`` and ``w = weight[order] / total`` return
    ``sum_n w[n] * -sum_k (y[n, k] * log p[n, k] + (1 - y[n, k]) * log(1 - p[n, k]))``, and in
    `dlogits` ``w[n] * (p[n] - y[n])``. Finite logits of any size give finite probabilities and a
    loss that is never NaN.
    """
    cdef:
        Py_ssize_t B = logits.shape[0], K = logits.shape[1], n, k, start, stop
        int64_t row
        floating[64] e  # of so many labels at a time
        floating y, p, w
        double z, loss = 0.0
    with nogil:
        for n in range(B):
            row = order[n]
            w = <floating> (weight[row] / total)
            for start in range(0, K, 64):
                stop = min(start + 64, K)
                for k in range(start, stop):
                    e[k - start] = -logits[n, k] if logits[n, k] > 0 else logits[n, k]
                vector_math.exp(stop - start, e, e)
                for k in range(start, stop):
                    y, z = target[row, k], logits[n, k]
                    loss += w * (fmax(z, 0.0) - z * y + log1p(e[k - start]))
                    p = (1 if z >= 0 else e[k - start]) / (1 + e[k - start])
                    logits[n, k] = p
                    dlogits[n, k] = w * (p - y)
    return loss


def sigmoid(
    floating[:, ::1] logits,     # (B, K) INOUT  on return the probabilities
):
    """Logistic function of every element, in place."""
    cdef Py_ssize_t B = logits.shape[0], K = logits.shape[1], n
    with nogil:
        for n in range(B):
            vector_math.sigmoid(K, &logits[n, 0], &logits[n, 0])


def squared_error(
    const floating[:, ::1] outputs,  # (B, K) IN
    const floating[:, ::1] target,   # (n, K) IN   NaN leaves an output out
    const floating[::1] weight,      # (n,)   IN   not negative
    const int64_t[:] order,          # (B,)   IN   where each row has its target and weight
    double total,                    # what weights are divided by
    floating[:, ::1] doutputs,       # (B, K) OUT
):
    """Weighted half squared error, averaged over the outputs of a row, and its gradient.

    With ``y = target[order]`` and ``w = weight[order] / total`` return
    ``sum_n w[n] * 0.5 * mean_k (outputs[n, k] - y[n, k]) ** 2``, and
    ``w[n] * (outputs[n] - y[n]) / K`` in `doutputs`, both with 0 where y is NaN.
    """
    cdef:
        Py_ssize_t B = outputs.shape[0], K = outputs.shape[1], n, k
        int64_t row
        double difference, gradient, w, loss = 0.0
    with nogil:
        for n in range(B):
            row = order[n]
            w = weight[row] / (total * <double> K)
            for k in range(K):
                difference = <double> outputs[n, k] - <double> target[row, k]
                if isnan(target[row, k]):
                    difference = 0.0
                gradient = w * difference
                doutputs[n, k] = <floating> gradient
                loss += 0.5 * gradient * difference
    return loss


def quantile_loss(
    const floating[:, ::1] outputs,  # (B, MQ) IN   for each target its Q quantiles side by side
    const floating[:, ::1] target,   # (n, M)  IN   NaN leaves the quantiles of a target out
    const floating[::1] weight,      # (n,)    IN   not negative
    const int64_t[:] order,          # (B,)    IN   where each row has its target and weight
    double total,                    # what weights are divided by
    floating[:, ::1] doutputs,       # (B, MQ) OUT
    const double[::1] levels,        # (Q,)    IN   in (0, 1)
):
    """Weighted quantile loss, averaged over the outputs of a row, and its gradient.

    Return its sum over the rows with ``w = weight[order] / total``, and in `doutputs`
    ``w[n] / (MQ)`` times minus the level where an output is below its target, one minus the level
    where it is above, and 0 where it is equal or the target NaN.
    """
    cdef:
        Py_ssize_t B = outputs.shape[0], M = target.shape[1], Q = levels.shape[0], n, m, q
        int64_t row
        double difference, gradient, w, loss = 0.0
    with nogil:
        for n in range(B):
            row = order[n]
            w = weight[row] / (total * <double> (M * Q))
            for m in range(M):
                for q in range(Q):
                    difference = <double> outputs[n, m * Q + q] - <double> target[row, m]
                    if difference > 0.0:
                        gradient = w * (1.0 - levels[q])
                    elif difference < 0.0:
                        gradient = -w * levels[q]
                    else:  # equal, or NaN
                        gradient = difference = 0.0
                    doutputs[n, m * Q + q] = <floating> gradient
                    loss += gradient * difference
    return loss
