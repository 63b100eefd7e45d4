"""Steps of the stochastic solvers, in place on flat vectors.

Each step is one loop over the parameters; what does not depend on the parameter is computed once,
in double. The vectors of a solver's state (moments, velocity) belong to the caller and start at
zero. One call is one whole step: an interrupt cannot leave half of it. Every step scales the
gradient g as it reads it: clipping needs the norm of the whole gradient first, but no pass of its
own. A team (team.pxd) divides the parameters in whole chunks; sums are taken chunk by chunk, so
that they do not depend on who takes them.

Adam (Kingma & Ba 2015, algorithm 1), step t = 1, 2, …:

    m     = beta_1 m + (1 - beta_1) g
    v     = beta_2 v + (1 - beta_2) g^2
    theta = theta - eta m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)

AdamW (Loshchilov & Hutter 2019, algorithm 2): before that, theta = theta - eta decay theta.

SGD, theta = theta - eta g, with momentum (Polyak 1964) and Nesterov's (Sutskever et al. 2013):

    velocity = momentum velocity - eta g
    theta    = theta + velocity                         classical
    theta    = theta + momentum velocity - eta g        Nesterov

RMSprop (Tieleman & Hinton 2012), epsilon outside the root:

    v     = decay v + (1 - decay) g^2
    theta = theta - eta g / (sqrt(v) + epsilon)

References
----------
Kingma, D. P. & Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
Loshchilov, I. & Hutter, F. (2019). Decoupled weight decay regularization. ICLR.
Polyak, B. T. (1964). Some methods of speeding up the convergence of iteration methods.
Sutskever, I., Martens, J., Dahl, G. & Hinton, G. (2013). On the importance of initialization and
momentum in deep learning. ICML.
Tieleman, T. & Hinton, G. (2012). Lecture 6.5, RMSprop. Coursera.
"""

from cython cimport floating
from libc.math cimport fabs, fabsf, pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastrnn.kernels.team cimport Member, Share, own
from fastrnn.kernels.vector_math cimport Range

cdef extern from "<float.h>" nogil:
    const float FLT_MIN
    const double DBL_MIN

cdef enum:
    CHUNK = 65536  # parameters whose sum is taken by itself, whoever takes it

CHUNK_SIZE = CHUNK


cdef inline Range own_chunks(const Share* share, Py_ssize_t P) noexcept nogil:
    """Which of P parameters, in whole chunks, are a member's."""
    cdef Range mine = own(share, (P + CHUNK - 1) // CHUNK)
    mine.begin *= CHUNK
    mine.end = min(mine.end * CHUNK, <int64_t>P)
    return mine


cdef inline floating left_of(floating mean, floating share) noexcept nogil:
    """So much of a running mean; 0 in place of a number that is too small to be normal. Such ones
    would never become 0 by themselves where gradients stay 0, and take a hundred times as long."""
    cdef floating left = share * mean
    if floating is float:
        return left if fabsf(left) >= FLT_MIN else 0
    else:
        return left if fabs(left) >= DBL_MIN else 0


def adam_step(
    floating[::1] theta,         # (P,) INOUT  moved by one step
    const floating[::1] grad,    # (P,) IN     of the loss with respect to theta
    floating[::1] m,             # (P,) INOUT  running mean of g, 0 before the first step
    floating[::1] v,             # (P,) INOUT  of its square, likewise
    double scale,                # of the gradient: g = scale grad
    double learning_rate,        # eta
    double beta_1,               # decay rates, in [0, 1)
    double beta_2,
    double epsilon,              # added to the root
    Py_ssize_t t,                # number of this step, from 1
    Member member,               # whose shard of the step is done
):
    """One step of Adam."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating keep_m = <floating> beta_1, add_m = <floating> (1.0 - beta_1)
        floating keep_v = <floating> beta_2, add_v = <floating> (1.0 - beta_2)
        floating eta = <floating> (learning_rate / (1.0 - pow(beta_1, <double> t)))
        floating correction = <floating> (1.0 / sqrt(1.0 - pow(beta_2, <double> t)))
        floating factor = <floating> scale, eps = <floating> epsilon, g, root
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            m[i] = left_of(m[i], keep_m) + add_m * g
            v[i] = left_of(v[i], keep_v) + add_v * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * m[i] / (correction * root + eps)


def adamw_step(
    floating[::1] theta,         # (P,) INOUT  all but decay as in adam_step
    const floating[::1] grad,    # (P,) IN
    floating[::1] m,             # (P,) INOUT
    floating[::1] v,             # (P,) INOUT
    const floating[::1] decay,   # (P,) IN     of each parameter, 0 for those that do not decay
    double scale,
    double learning_rate,
    double beta_1,
    double beta_2,
    double epsilon,
    Py_ssize_t t,
    Member member,
):
    """One step of Adam with decoupled weight decay."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating keep_m = <floating> beta_1, add_m = <floating> (1.0 - beta_1)
        floating keep_v = <floating> beta_2, add_v = <floating> (1.0 - beta_2)
        floating eta = <floating> learning_rate
        floating eta_m = <floating> (learning_rate / (1.0 - pow(beta_1, <double> t)))
        floating correction = <floating> (1.0 / sqrt(1.0 - pow(beta_2, <double> t)))
        floating factor = <floating> scale, eps = <floating> epsilon, g, root
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            m[i] = left_of(m[i], keep_m) + add_m * g
            v[i] = left_of(v[i], keep_v) + add_v * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * decay[i] * theta[i] + eta_m * m[i] / (correction * root + eps)


def sgd_step(
    floating[::1] theta,         # (P,) INOUT  moved by one step
    const floating[::1] grad,    # (P,) IN     of the loss with respect to theta
    double scale,                # of the gradient: g = scale grad
    double learning_rate,        # eta
    Member member,               # whose shard of the step is done
):
    """One step of stochastic gradient descent."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating eta = <floating> (learning_rate * scale)
    with nogil:
        for i in range(mine.begin, mine.end):
            theta[i] -= eta * grad[i]


def momentum_step(
    floating[::1] theta,         # (P,) INOUT  moved by one step
    const floating[::1] grad,    # (P,) IN     of the loss with respect to theta
    floating[::1] velocity,      # (P,) INOUT  last change by momentum, 0 before the first step
    double scale,                # of the gradient: g = scale grad
    double learning_rate,        # eta
    double momentum,             # share of the velocity that is kept, in (0, 1]
    bint nesterov,               # look one step of momentum ahead
    Member member,               # whose shard of the step is done
):
    """One step of stochastic gradient descent with momentum, as in MLPClassifier."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating eta = <floating> learning_rate
        floating keep = <floating> momentum
        # theta += ahead * velocity - ahead_eta * g is either rule, without a branch.
        floating ahead = keep if nesterov else 1
        floating ahead_eta = eta if nesterov else 0
        floating factor = <floating> scale, g
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            velocity[i] = left_of(velocity[i], keep) - eta * g
            theta[i] += ahead * velocity[i] - ahead_eta * g


def rmsprop_step(
    floating[::1] theta,         # (P,) INOUT  moved by one step
    const floating[::1] grad,    # (P,) IN     of the loss with respect to theta
    floating[::1] v,             # (P,) INOUT  running mean of g^2, 0 before the first step
    double scale,                # of the gradient: g = scale grad
    double learning_rate,        # eta
    double decay,                # share of v that is kept, in [0, 1)
    double epsilon,              # added to the root
    Member member,               # whose shard of the step is done
):
    """One step of RMSprop."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating eta = <floating> learning_rate
        floating keep = <floating> decay, add = <floating> (1.0 - decay)
        floating factor = <floating> scale, eps = <floating> epsilon, g, root
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            v[i] = left_of(v[i], keep) + add * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * g / (root + eps)


def sum_squares(
    const floating[::1] grad,    # (P,) IN
    double[::1] sums,            # (ceil(P / CHUNK),) OUT  over each chunk, accumulated in double
    Member member,               # whose chunks are summed
):
    """Sum the squares of the gradient, chunk by chunk."""
    cdef:
        Range mine = own_chunks(&member.share, grad.shape[0])
        Py_ssize_t chunk, begin, end, i, lane
        double[8] partial
    with nogil:
        for chunk in range(mine.begin // CHUNK, (mine.end + CHUNK - 1) // CHUNK):
            begin, end = chunk * CHUNK, min(<Py_ssize_t>mine.end, (chunk + 1) * CHUNK)
            # Eight running sums let the compiler use vector registers: it may not reorder one.
            for lane in range(8):
                partial[lane] = 0.0
            for i in range(begin, end - 7, 8):
                for lane in range(8):
                    partial[lane] += <double> grad[i + lane] * <double> grad[i + lane]
            for i in range(end - (end - begin) % 8, end):
                partial[0] += <double> grad[i] * <double> grad[i]
            sums[chunk] = 0.0
            for lane in range(8):
                sums[chunk] += partial[lane]


def add_penalty(
    const floating[::1] theta,          # (P,) IN
    const unsigned char[::1] decayed,   # (P,) IN     1 for those that the penalty holds for, else 0
    double strength,                    # of the penalty
    floating[::1] grad,                 # (P,) INOUT  added to
    double[::1] sums,                   # (ceil(P / CHUNK),) OUT  decayed * theta ** 2, summed over
                                        # each chunk in double
    Member member,                      # whose shard is done
):
    """Add the gradient of an L2 penalty, ``0.5 * strength * sum(decayed * theta ** 2)``."""
    cdef:
        Range mine = own_chunks(&member.share, theta.shape[0])
        Py_ssize_t chunk, begin, end, i, lane
        double[8] partial
        floating factor = <floating> strength, kept
    with nogil:
        for chunk in range(mine.begin // CHUNK, (mine.end + CHUNK - 1) // CHUNK):
            begin, end = chunk * CHUNK, min(<Py_ssize_t>mine.end, (chunk + 1) * CHUNK)
            for lane in range(8):
                partial[lane] = 0.0
            for i in range(begin, end - 7, 8):
                for lane in range(8):
                    kept = decayed[i + lane] * theta[i + lane]
                    grad[i + lane] += factor * kept
                    partial[lane] += <double> kept * <double> kept
            for i in range(end - (end - begin) % 8, end):
                kept = decayed[i] * theta[i]
                grad[i] += factor * kept
                partial[0] += <double> kept * <double> kept
            sums[chunk] = 0.0
            for lane in range(8):
                sums[chunk] += partial[lane]


def clear(
    floating[::1] grad,   # (P,) OUT
    Member member,        # whose shard is done
):
    """Set a gradient to zero."""
    cdef Range mine = own_chunks(&member.share, grad.shape[0])
    with nogil:
        if mine.begin < mine.end:
            memset(&grad[mine.begin], 0, (mine.end - mine.begin) * sizeof(floating))
