"""Connectionist temporal classification: the loss of label sequences whose alignment is not known.

At every step a sequence has K outputs z, whose softmax p has a probability for each of K - 1 labels
and, last, for the blank, which says nothing. A path of one of these for each of T steps stands for
the labels that are left when repetitions become one and blanks none; the probability of L labels y
is the sum over all paths that stand for them (Graves, Fernandez, Gomez and Schmidhuber 2006,
Connectionist temporal classification, ICML, section 4.1). A path goes through S = 2L + 1 states,
which are a blank, the first label, a blank, and so on to the last blank, and

    alpha_t(s) = p_t(s) (alpha_t-1(s) + alpha_t-1(s - 1) + alpha_t-1(s - 2))
    beta_t(s)  = p_t+1(s) beta_t+1(s) + p_t+1(s + 1) beta_t+1(s + 1) + p_t+1(s + 2) beta_t+1(s + 2)

where the last summands are for labels alone that differ from the one before. alpha begins in the
first two states, beta is 1 in the last two. All of that is in logarithms, and double. With
P = alpha_T-1(S - 1) + alpha_T-1(S - 2) the loss is -log P, and its gradient

    dz_t(k) = p_t(k) - sum over the states s of k of alpha_t(s) beta_t(s) / P

The rows of outputs are packed (recurrence.pxd): sequence n has its step t in row first[t] + n.

How far label sequences are from each other says the number of edits, insertions, deletions and
substitutions, that make one of the other (Levenshtein 1966).
"""

from cython cimport floating
from libc.math cimport INFINITY, exp, fmax, log
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math

cdef inline int64_t output_of(const int64_t* y, int64_t s, int64_t blank) noexcept nogil:
    """Which output a state stands for."""
    return y[s >> 1] if s & 1 else blank


cdef inline bint may_skip(const int64_t* y, int64_t s) noexcept nogil:
    """Whether a path may come to a state from that before the one before."""
    return s & 1 and s > 1 and y[s >> 1] != y[(s >> 1) - 1]


cdef inline double log_sum(double a, double b, double c) noexcept nogil:
    """The logarithm of the sum of three numbers given by theirs."""
    cdef double most = fmax(a, fmax(b, c))
    if most == -INFINITY:
        return most
    return most + log(exp(a - most) + exp(b - most) + exp(c - most))


cdef void read_row(
    int64_t K,
    const floating* z,   # IN   (K,)
    const int64_t* y,    # IN   (L,)
    int64_t L,
    floating* e,         # OUT  (K,), in proportion to the probabilities; may be z
    double* mass,        # OUT  what these are to be divided by
    double* log_p,       # OUT  (L + 1,), of each label, and of the blank
) noexcept nogil:
    """Take logarithms of what is asked for before the softmax may have lost it."""
    cdef:
        floating most = vector_math.maximum_of(K, z)
        int64_t k
        double log_mass
    for k in range(L):
        log_p[k] = <double> z[y[k]] - <double> most
    log_p[L] = <double> z[K - 1] - <double> most
    for k in range(K):
        e[k] = z[k]
    mass[0] = vector_math.exp_minus(K, e, most)
    log_mass = log(mass[0])
    for k in range(L + 1):
        log_p[k] -= log_mass


cdef double go_forward(
    int64_t T,
    int64_t L,
    const int64_t* y,      # IN   (L,)
    const double* log_p,   # IN   (T, L + 1)
    double* alpha,         # OUT  (T, S)
    bint best,             # whether of several ways the best counts alone
) noexcept nogil:
    """Fill alpha; return the logarithm of P."""
    cdef:
        int64_t t, s, S = 2 * L + 1
        double a, b, c
        double* now
        const double* before
    for t in range(T):
        now, before = alpha + t * S, alpha + (t - 1) * S
        for s in range(S):
            if t == 0:
                a, b, c = (0.0 if s < 2 else -INFINITY), -INFINITY, -INFINITY
            else:
                a = before[s]
                b = before[s - 1] if s > 0 else -INFINITY
                c = before[s - 2] if may_skip(y, s) else -INFINITY
            a = fmax(a, fmax(b, c)) if best else log_sum(a, b, c)
            now[s] = a + log_p[t * (L + 1) + (s >> 1 if s & 1 else L)]
    now = alpha + (T - 1) * S
    return log_sum(now[S - 1], now[S - 2] if L else -INFINITY, -INFINITY)


def ctc_loss(
    floating[:, ::1] outputs,         # INOUT  (N, K); on return in proportion to probabilities
    const int64_t[::1] first,         # IN     (T,)
    const int64_t[::1] lengths,       # IN     (B,)
    const int64_t[::1] order,         # IN     (B,)    the number of each sequence
    const int64_t[::1] labels,        # IN     (M,)    of all sequences, in [0, K - 1)
    const int64_t[::1] offsets,       # IN     (n + 1,) where those of each begin
    const floating[::1] weight,       # IN     (n,)    not negative
    double total,                     # what weights are divided by
    double[::1] room,                 # TEMP   (of the largest sequence,)
    floating[:, ::1] doutputs,        # OUT    (N, K); may be outputs
    double[::1] losses,               # OUT    (B,)    of each sequence, without its weight
):
    """Weighted sum of the losses of sequences, and its gradient.

    Of labels that no path stands for, since there are too few steps, the loss is infinite.
    """
    cdef:
        int64_t K = outputs.shape[1], blank = K - 1, n, t, s, k, T, L, S, row
        const int64_t* first_label = &labels[0] if labels.shape[0] else NULL
        const int64_t* y
        double w, log_P, value, sum_of_losses = 0.0
        double *log_p
        double *mass
        double *alpha
        double *beta
        double *after
        floating scale
    with nogil:
        for n in range(lengths.shape[0]):
            T, L = lengths[n], offsets[order[n] + 1] - offsets[order[n]]
            S, y = 2 * L + 1, first_label + offsets[order[n]]
            w = weight[order[n]] / total
            log_p = &room[0]
            mass = log_p + T * (L + 1)
            alpha = mass + T
            beta = alpha + T * S
            after = beta + S
            for t in range(T):
                row = first[t] + n
                read_row(
                    K, &outputs[row, 0], y, L, &outputs[row, 0], mass + t, log_p + t * (L + 1)
                )
            log_P = go_forward(T, L, y, log_p, alpha, False)
            losses[n] = -log_P
            if w > 0.0:
                sum_of_losses -= w * log_P
            if w == 0.0 or log_P == -INFINITY:
                for t in range(T):
                    for k in range(K):
                        doutputs[first[t] + n, k] = 0.0
                continue
            for t in range(T - 1, -1, -1):
                row = first[t] + n
                scale = <floating> (w / mass[t])
                for k in range(K):
                    doutputs[row, k] = scale * outputs[row, k]
                for s in range(S):
                    if t == T - 1:
                        beta[s] = 0.0 if s >= S - 2 else -INFINITY
                    else:
                        beta[s] = log_sum(
                            after[s],
                            after[s + 1] if s + 1 < S else -INFINITY,
                            after[s + 2] if s + 2 < S and may_skip(y, s + 2) else -INFINITY,
                        )
                    value = exp(alpha[t * S + s] + beta[s] - log_P)
                    doutputs[row, output_of(y, s, blank)] -= <floating> (w * value)
                for s in range(S):
                    after[s] = beta[s] + log_p[t * (L + 1) + (s >> 1 if s & 1 else L)]
    return sum_of_losses


def ctc_best_path(
    floating[:, ::1] outputs,         # INOUT  (N, K); on return in proportion to probabilities
    const int64_t[::1] first,         # IN     (T,)
    const int64_t[::1] lengths,       # IN     (B,)
    const int64_t[::1] order,         # IN     (B,)
    const int64_t[::1] labels,        # IN     (M,)
    const int64_t[::1] offsets,       # IN     (n + 1,)
    double[::1] room,                 # TEMP   as of `ctc_loss`
    int64_t[::1] path,                # OUT    (N,) the output of each step, -1 where there is none
):
    """The likeliest of the paths that stand for the labels of each sequence."""
    cdef:
        int64_t K = outputs.shape[1], blank = K - 1, n, t, s, T, L, S
        const int64_t* first_label = &labels[0] if labels.shape[0] else NULL
        const int64_t* y
        double *log_p
        double *alpha
        double *now
        double best
    with nogil:
        for n in range(lengths.shape[0]):
            T, L = lengths[n], offsets[order[n] + 1] - offsets[order[n]]
            S, y = 2 * L + 1, first_label + offsets[order[n]]
            log_p = &room[0]
            alpha = log_p + T * (L + 2)
            for t in range(T):
                read_row(
                    K, &outputs[first[t] + n, 0], y, L, &outputs[first[t] + n, 0],
                    log_p + T * (L + 1) + t, log_p + t * (L + 1),
                )
            best = go_forward(T, L, y, log_p, alpha, True)
            s = S - 1
            now = alpha + (T - 1) * S
            if L and now[S - 2] > now[S - 1]:
                s = S - 2
            for t in range(T - 1, -1, -1):
                path[first[t] + n] = -1 if best == -INFINITY else output_of(y, s, blank)
                if t == 0:
                    break
                now = alpha + (t - 1) * S
                if may_skip(y, s) and now[s - 2] > fmax(now[s], now[s - 1]):
                    s -= 2
                elif s > 0 and now[s - 1] > now[s]:
                    s -= 1


def edit_distances(
    const int64_t[::1] labels,          # IN     (M,)
    const int64_t[::1] offsets,         # IN     (n + 1,) where those of each sequence begin
    const int64_t[::1] others,          # IN     (M',)
    const int64_t[::1] other_offsets,   # IN     (n + 1,)
    int64_t[::1] room,                  # TEMP   (longest of the others + 1,)
    int64_t[::1] distances,             # OUT    (n,)
):
    """The number of edits that make the others of the labels of each sequence."""
    cdef int64_t n, i, j, begin, other_begin, L, M, diagonal, above
    with nogil:
        for n in range(distances.shape[0]):
            begin, L = offsets[n], offsets[n + 1] - offsets[n]
            other_begin, M = other_offsets[n], other_offsets[n + 1] - other_offsets[n]
            for j in range(M + 1):
                room[j] = j
            for i in range(L):
                diagonal, room[0] = room[0], i + 1
                for j in range(M):
                    above = room[j + 1]
                    diagonal += labels[begin + i] != others[other_begin + j]
                    room[j + 1] = min(diagonal, above + 1, room[j] + 1)
                    diagonal = above
            distances[n] = room[M]
