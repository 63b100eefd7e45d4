"""Attention of a decoder to the steps of its source, for many ragged pairs of sequences at once.

A pair has S steps of a source, each with states y_s (F,) and a key k_s (A,), and T steps of a
target, each with a query q_t (A,). Over the S true steps alone

    e_ts = q_t . k_s                (Luong et al. 2015: "dot", and "general" with k_s = y_s W)
    e_ts = v . tanh(q_t + k_s)      (Bahdanau et al. 2015: "additive")
    w_t  = softmax(e_t)
    c_t  = sum_s w_ts y_s

Steps stand one after the other here, sequence after sequence, so that each pair is a few small
products of whole matrices, by BLAS. Row n of `pairs` is where pair n has its steps: the first of
its source and how many, the first of its target and how many, and the first of its T S weights.

References
----------
Luong, M.-T., Pham, H. & Manning, C. D. (2015). Effective approaches to attention-based neural
machine translation. EMNLP, 1412-1421.

Bahdanau, D., Cho, K. & Bengio, Y. (2015). Neural machine translation by jointly learning to align
and translate. ICLR.
"""

from cython cimport floating
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels._blas cimport gemm
from fastrnn.kernels.links cimport softmax_row


def dot_scores(
    const floating[:, ::1] q,       # IN   (M, column + A or more)
    int64_t column,                 # first of the A columns of q to read
    const floating[:, ::1] keys,    # IN   (N, A)
    const int64_t[:, ::1] pairs,    # IN   (B, 5)
    floating[::1] scores,           # OUT  (sum of T S,)
):
    """scores = q @ keys.T, of each pair."""
    cdef int64_t n, S, T, A = keys.shape[1]
    with nogil:
        for n in range(pairs.shape[0]):
            S, T = pairs[n, 1], pairs[n, 3]
            gemm(False, True, T, S, A, &q[pairs[n, 2], column], q.shape[1], &keys[pairs[n, 0], 0],
                 A, <floating>0, &scores[pairs[n, 4]], S)


def dot_scores_backward(
    const floating[::1] dscores,    # IN     (sum of T S,)
    const floating[:, ::1] q,       # IN     as for `dot_scores`
    int64_t column,
    const floating[:, ::1] keys,    # IN     (N, A)
    const int64_t[:, ::1] pairs,    # IN     (B, 5)
    floating[:, ::1] dq,            # INOUT  as q, added to
    floating[:, ::1] dkeys,         # INOUT  (N, A), added to
):
    """dq += dscores @ keys; dkeys += dscores.T @ q"""
    cdef:
        int64_t n, S, T, A = keys.shape[1]
        const floating* de
    with nogil:
        for n in range(pairs.shape[0]):
            S, T, de = pairs[n, 1], pairs[n, 3], &dscores[pairs[n, 4]]
            gemm(False, False, T, A, S, de, S, &keys[pairs[n, 0], 0], A, <floating>1,
                 &dq[pairs[n, 2], column], dq.shape[1])
            gemm(True, False, S, A, T, de, S, &q[pairs[n, 2], column], q.shape[1], <floating>1,
                 &dkeys[pairs[n, 0], 0], A)


def additive_scores(
    const floating[:, ::1] q,       # IN   (M, A)
    const floating[:, ::1] keys,    # IN   (N, A)
    const floating[::1] v,          # IN   (A,)
    const int64_t[:, ::1] pairs,    # IN   (B, 5)
    floating[::1] scratch,          # OUT  (A,)
    floating[::1] scores,           # OUT  (sum of T S,)
):
    """scores = tanh(q + keys) @ v, of each pair."""
    cdef:
        int64_t n, s, t, S, k, A = keys.shape[1]
        const floating* q_t
        const floating* k_s
        floating score
    with nogil:
        for n in range(pairs.shape[0]):
            S = pairs[n, 1]
            for t in range(pairs[n, 3]):
                q_t = &q[pairs[n, 2] + t, 0]
                for s in range(S):
                    k_s = &keys[pairs[n, 0] + s, 0]
                    for k in range(A):
                        scratch[k] = q_t[k] + k_s[k]
                    vector_math.tanh(A, &scratch[0], &scratch[0])
                    score = 0
                    for k in range(A):
                        score += scratch[k] * v[k]
                    scores[pairs[n, 4] + t * S + s] = score


def additive_scores_backward(
    const floating[::1] dscores,    # IN     (sum of T S,)
    const floating[:, ::1] q,       # IN     (M, A)
    const floating[:, ::1] keys,    # IN     (N, A)
    const floating[::1] v,          # IN     (A,)
    const int64_t[:, ::1] pairs,    # IN     (B, 5)
    floating[::1] scratch,          # OUT    (A,)
    floating[:, ::1] dq,            # INOUT  (M, A), added to
    floating[:, ::1] dkeys,         # INOUT  (N, A), added to
    floating[::1] dv,               # INOUT  (A,), added to
):
    """With u = tanh(q + keys): dv += dscores u; dq and dkeys += dscores v (1 - u u)"""
    cdef:
        int64_t n, s, t, S, k, A = keys.shape[1]
        const floating* q_t
        const floating* k_s
        floating* dq_t
        floating* dk_s
        floating de, u, g
    with nogil:
        for n in range(pairs.shape[0]):
            S = pairs[n, 1]
            for t in range(pairs[n, 3]):
                q_t, dq_t = &q[pairs[n, 2] + t, 0], &dq[pairs[n, 2] + t, 0]
                for s in range(S):
                    k_s, dk_s = &keys[pairs[n, 0] + s, 0], &dkeys[pairs[n, 0] + s, 0]
                    for k in range(A):
                        scratch[k] = q_t[k] + k_s[k]
                    vector_math.tanh(A, &scratch[0], &scratch[0])
                    de = dscores[pairs[n, 4] + t * S + s]
                    for k in range(A):
                        u = scratch[k]
                        g = de * v[k] * (1 - u * u)
                        dv[k] += de * u
                        dq_t[k] += g
                        dk_s[k] += g


def attend_forward(
    floating[::1] scores,           # INOUT  (sum of T S,), on return the weights
    const floating[:, ::1] y,       # IN     (N, F)
    const int64_t[:, ::1] pairs,    # IN     (B, 5)
    floating[:, ::1] c,             # OUT    (M, F or more), the first F columns
):
    """weights = softmax(scores); c = weights @ y, of each pair."""
    cdef:
        int64_t n, t, S, T, F = y.shape[1]
        floating* w
    with nogil:
        for n in range(pairs.shape[0]):
            S, T, w = pairs[n, 1], pairs[n, 3], &scores[pairs[n, 4]]
            for t in range(T):
                softmax_row(S, w + t * S)
            gemm(False, False, T, F, S, w, S, &y[pairs[n, 0], 0], F, <floating>0,
                 &c[pairs[n, 2], 0], c.shape[1])


def attend_backward(
    const floating[:, ::1] dc,      # IN     (M, F or more), the first F columns
    const floating[::1] weights,    # IN     (sum of T S,)
    const floating[:, ::1] y,       # IN     (N, F)
    const int64_t[:, ::1] pairs,    # IN     (B, 5)
    floating[::1] dscores,          # OUT    (sum of T S,)
    floating[:, ::1] dy,            # INOUT  (N, F), added to
):
    """dy += weights.T @ dc; dw = dc @ y.T; dscores = weights (dw - sum of weights dw)"""
    cdef:
        int64_t n, s, t, S, T, F = y.shape[1]
        const floating* w
        floating* de
        floating mean
    with nogil:
        for n in range(pairs.shape[0]):
            S, T, w, de = pairs[n, 1], pairs[n, 3], &weights[pairs[n, 4]], &dscores[pairs[n, 4]]
            gemm(True, False, S, F, T, w, S, &dc[pairs[n, 2], 0], dc.shape[1], <floating>1,
                 &dy[pairs[n, 0], 0], F)
            gemm(False, True, T, S, F, &dc[pairs[n, 2], 0], dc.shape[1], &y[pairs[n, 0], 0], F,
                 <floating>0, de, S)
            for t in range(T):
                mean = 0
                for s in range(S):
                    mean += w[t * S + s] * de[t * S + s]
                for s in range(S):
                    de[t * S + s] = w[t * S + s] * (de[t * S + s] - mean)
