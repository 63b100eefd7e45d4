"""Losses of the head: value and gradient with respect to the head's outputs, in one call.

Softmax with log-loss, one row z of K logits and a class y (Bridle 1990):

    p_k    = exp(z_k - m) / s,   m = max_k z_k,   s = sum_k exp(z_k - m)
    loss   = log s - (z_y - m)
    dz_k   = p_k - [k = y]

Squared error, one row of K outputs o and targets y:

    loss   = 1/(2K) sum_k (o_k - y_k)^2
    do_k   = (o_k - y_k) / K

Every row has a weight, which multiplies its loss and its gradient. Sums over outputs and rows are
accumulated in double. Neither function divides by the number of rows: the caller knows the sum
of all weights when the batch was cut into shards.

References
----------
Bridle, J. S. (1990). Probabilistic interpretation of feedforward classification network outputs,
with relationships to statistical pattern recognition. Neurocomputing, NATO ASI F68, 227-236.
"""

from cython cimport floating
from libc.float cimport DBL_MAX
from libc.math cimport exp, expf, fmax, log
from libc.stdint cimport int64_t


cdef inline floating _exp(floating x) noexcept nogil:
    if floating is float:
        return expf(x)
    else:
        return exp(x)


cdef inline floating _maximum(
    const floating[:, ::1] z,    # (B, K) IN
    Py_ssize_t n,
) noexcept nogil:
    # Eight running maxima let the compiler use vector registers: it may not reorder one.
    cdef:
        Py_ssize_t K = z.shape[1], k, lane
        floating[8] top
        floating best
    for lane in range(8):
        top[lane] = z[n, 0]
    for k in range(0, K - 7, 8):
        for lane in range(8):
            top[lane] = z[n, k + lane] if z[n, k + lane] > top[lane] else top[lane]
    best = top[0]
    for lane in range(1, 8):
        best = top[lane] if top[lane] > best else best
    for k in range(K - K % 8, K):
        best = z[n, k] if z[n, k] > best else best
    return best


cdef inline double _exp_rows(
    floating[:, ::1] z,          # (B, K) INOUT
    Py_ssize_t n,
    floating maximum,
) noexcept nogil:
    # z[n] = exp(z[n] - maximum); return z[n].sum()
    cdef:
        Py_ssize_t k
        double total = 0.0
    for k in range(z.shape[1]):
        z[n, k] = _exp(z[n, k] - maximum)
        total += z[n, k]
    return total


def softmax_log_loss(
    floating[:, ::1] logits,     # (B, K) INOUT
    const int64_t[::1] target,   # (B,)   IN
    const floating[::1] weight,  # (B,)   IN
    floating[:, ::1] dlogits,    # (B, K) OUT
):
    """Weighted log-loss of softmax probabilities, and its gradient.

    Finite logits of any size give finite probabilities and a loss that is never NaN.

    Parameters
    ----------
    logits : ndarray of shape (B, K)
        On entry the logits, on return the probabilities, each row summing to 1.
    target : ndarray of shape (B,), int64
        Class of each row, in [0, K).
    weight : ndarray of shape (B,)
        Weight of each row, not negative.
    dlogits : ndarray of shape (B, K)
        On return ``weight[n] * (p[n] - onehot(target[n]))``; not read.

    Returns
    -------
    float
        ``sum_n weight[n] * -log p[n, target[n]]``.
    """
    cdef:
        Py_ssize_t B = logits.shape[0], K = logits.shape[1], n, k
        floating maximum, scale, w
        double margin, total, loss = 0.0
    with nogil:
        for n in range(B):
            w = weight[n]
            maximum = _maximum(logits, n)
            # Bounded, so that a row of weight 0 adds 0 even where the difference overflows.
            margin = fmax(<double> logits[n, target[n]] - <double> maximum, -DBL_MAX)
            total = _exp_rows(logits, n, maximum)
            loss += w * (log(total) - margin)
            scale = <floating> (1.0 / total)
            for k in range(K):
                logits[n, k] *= scale
                dlogits[n, k] = w * logits[n, k]
            dlogits[n, target[n]] -= w
    return loss


def softmax(
    floating[:, ::1] logits,     # (B, K) INOUT
):
    """Softmax of every row, in place.

    Parameters
    ----------
    logits : ndarray of shape (B, K)
        On entry the logits, on return the probabilities, each row summing to 1.
    """
    cdef:
        Py_ssize_t B = logits.shape[0], K = logits.shape[1], n, k
        floating scale
    with nogil:
        for n in range(B):
            scale = <floating> (1.0 / _exp_rows(logits, n, _maximum(logits, n)))
            for k in range(K):
                logits[n, k] *= scale


def squared_error(
    const floating[:, ::1] outputs,  # (B, K) IN
    const floating[:, ::1] target,   # (B, K) IN
    const floating[::1] weight,      # (B,)   IN
    floating[:, ::1] doutputs,       # (B, K) OUT
):
    """Weighted half squared error, averaged over the outputs of a row, and its gradient.

    Parameters
    ----------
    outputs : ndarray of shape (B, K)
        What the network predicts.
    target : ndarray of shape (B, K)
        What it should predict.
    weight : ndarray of shape (B,)
        Weight of each row, not negative.
    doutputs : ndarray of shape (B, K)
        On return ``weight[n] * (outputs[n] - target[n]) / K``; not read.

    Returns
    -------
    float
        ``sum_n weight[n] * 0.5 * mean_k (outputs[n, k] - target[n, k]) ** 2``.
    """
    cdef:
        Py_ssize_t B = outputs.shape[0], K = outputs.shape[1], n, k
        double difference, gradient, w, loss = 0.0
    with nogil:
        for n in range(B):
            w = weight[n] / <double> K
            for k in range(K):
                difference = <double> outputs[n, k] - <double> target[n, k]
                gradient = w * difference
                doutputs[n, k] = <floating> gradient
                loss += 0.5 * gradient * difference
    return loss
