"""Linear-chain conditional random fields: scores of whole sequences of classes.

With scores z of every step, of two classes one after the other (A), of the first (a) and of the
last (e), a sequence of classes y has the probability (Lafferty, McCallum and Pereira 2001)

    log p(y) = a[y_1] + sum_t z_t[y_t] + sum_t A[y_{t-1}, y_t] + e[y_T] - log Z

Z, the sum over all sequences, is taken forward, and what a class at a step has of it backward,
each step divided by its sum c_t, whose logarithms are added up: logarithms and products of
matrices instead of logarithms of sums (Rabiner 1989, section V.A). With E = exp(A):

    p_t  = (p_{t-1} E) exp(z_t) / c_t          q_t = E g_{t+1}          g_t = exp(z_t) q_t / c_t
    p(y_t = j)             = p_t[j] q_t[j]
    p(y_{t-1} = i, y_t = j) = p_{t-1}[i] E[i, j] g_t[j]

from p_1 = exp(a) exp(z_1) / c_1 to q_T = exp(e), divided by its product with p_T. Factors are
relative to the largest, and not below ``exp(lowest)`` unless they are 0: what is to be told apart
must be within that of each other.

Rows are packed: those of step t follow those of step t - 1, the longest sequences first.

References
----------
Lafferty, J., McCallum, A. and Pereira, F. (2001). Conditional random fields: Probabilistic models
for segmenting and labeling sequence data. ICML, 282-289.

Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected applications in speech
recognition. Proceedings of the IEEE 77, 257-286.
"""

from cython cimport floating
from libc.math cimport log
from libc.stdint cimport int32_t, int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.products cimport product
from fastrnn.kernels.team cimport all_of


cdef inline double factors(
    int64_t K,
    const floating* z,   # IN   (K,)
    int64_t only,        # the one class that there may be, or -1
    floating lowest,
    floating* factor,    # OUT  (K,)
) noexcept nogil:
    """factor = exp(z - max z), 0 for classes that may not be; return max z"""
    cdef:
        int64_t k
        floating most
    if only >= 0:
        for k in range(K):
            factor[k] = 0
        factor[only] = 1
        return z[only]
    most = vector_math.maximum_of(K, z)
    for k in range(K):
        factor[k] = z[k] - most if z[k] - most > lowest else lowest
    vector_math.exp(K, factor, factor)
    return most


def forward_backward(
    floating[:, ::1] z,              # (N, K)  INOUT  scores, on return p(y_t)
    const int64_t[::1] alive,        # (T,)    IN     sequences still running at each step
    const int64_t[::1] only,         # (N,)    IN     the class that a step must have, or -1
    const floating[::1] packed_E,    # (K, K)  IN     packed
    const floating[::1] packed_Et,   # (K, K)  IN     transposed and packed
    const floating[::1] first,       # (K,)    IN     exp(a)
    const floating[::1] last,        # (K,)    IN     exp(e)
    floating lowest,
    floating[:, ::1] before,         # (N, K)  OUT    p_{t-1}, 0 at first
    floating[:, ::1] after,          # (N, K)  OUT    g_t
    double[::1] log_mass,            # (B,)    OUT    log Z
):
    """Sum over all sequences of classes that may be, forward and backward."""
    cdef:
        int64_t N = z.shape[0], K = z.shape[1], T = alive.shape[0], B = alive[0]
        int64_t t, n, r, k, here = 0, there = 0, n_on = 0
        double mass
        floating scale
        const floating* none = NULL
    with nogil:
        for n in range(B):
            log_mass[n] = 0.0
        for t in range(T):
            for n in range(alive[t]):
                r = here + n
                log_mass[n] += factors(K, &z[r, 0], only[r], lowest, &after[r, 0])
            if t > 0:
                product(alive[t], all_of(K), K, &z[there, 0], K, &packed_E[0], none, 0,
                        &z[here, 0], K, <floating*>NULL)
            for n in range(alive[t]):
                r, mass = here + n, 0.0
                for k in range(K):
                    z[r, k] = (z[r, k] if t > 0 else first[k]) * after[r, k]
                    mass += z[r, k]
                log_mass[n] += log(mass)
                scale = <floating> (1.0 / mass)
                for k in range(K):
                    z[r, k] *= scale
                    after[r, k] *= scale
            there = here
            here += alive[t]
        there = N
        for t in range(T - 1, -1, -1):
            here = there - alive[t]
            n_on = alive[t + 1] if t + 1 < T else 0
            if n_on:
                product(n_on, all_of(K), K, &after[there, 0], K, &packed_Et[0], none, 0,
                        &before[here, 0], K, <floating*>NULL)
            for n in range(alive[t]):
                r, mass = here + n, 0.0
                for k in range(K):
                    if n >= n_on:
                        before[r, k] = last[k]
                    mass += z[r, k] * before[r, k]
                if n >= n_on:
                    log_mass[n] += log(mass)
                scale = <floating> (1.0 / mass)
                for k in range(K):
                    before[r, k] *= scale
                    after[r, k] *= before[r, k]
            for n in range(alive[t]):
                r = here + n
                for k in range(K):
                    scale = z[r, k]
                    z[r, k] *= before[r, k]
                    if n < n_on:
                        before[there + n, k] = scale
            there = here
        for n in range(B):
            for k in range(K):
                before[n, k] = 0


def best_path(
    floating[:, ::1] z,           # (N, K)  INOUT  scores, on return those of the best way there
    const int64_t[::1] alive,     # (T,)    IN     sequences still running at each step
    const floating[:, ::1] A,     # (K, K)  IN     minus infinity where there is no way
    const floating[::1] first,    # (K,)    IN     a, likewise
    const floating[::1] last,     # (K,)    IN     e, likewise
    floating[::1] way,            # (K,)    OUT    room
    int32_t[:, ::1] origin,       # (N, K)  OUT    the class before, on that way
    int64_t[::1] best,            # (N,)    OUT    the classes of the most probable sequence
):
    """The most probable sequence of classes (Viterbi 1967); of equal ones the lowest classes."""
    cdef:
        int64_t N = z.shape[0], K = z.shape[1], T = alive.shape[0]
        int64_t t, n, r, i, k, here = 0, there = 0, n_on
        floating score, most
    with nogil:
        for t in range(T):
            for n in range(alive[t]):
                r = here + n
                if t == 0:
                    for k in range(K):
                        z[r, k] += first[k]
                    continue
                most = vector_math.maximum_of(K, &z[there + n, 0])  # sums stay small
                score = z[there + n, 0] - most
                for k in range(K):
                    way[k] = score + A[0, k]
                    origin[r, k] = 0
                for i in range(1, K):
                    score = z[there + n, i] - most
                    for k in range(K):
                        if score + A[i, k] > way[k]:
                            way[k] = score + A[i, k]
                            origin[r, k] = <int32_t> i
                for k in range(K):
                    z[r, k] += way[k]
            there = here
            here += alive[t]
        there = N
        for t in range(T - 1, -1, -1):
            here = there - alive[t]
            n_on = alive[t + 1] if t + 1 < T else 0
            for n in range(alive[t]):
                r = here + n
                if n < n_on:
                    best[r] = origin[there + n, best[there + n]]
                    continue
                i = 0
                for k in range(1, K):
                    if z[r, k] + last[k] > z[r, i] + last[i]:
                        i = k
                best[r] = i
            there = here
