"""Steps of the stochastic solvers, in place on flat vectors.

Each step is one loop over the parameters; what does not depend on the parameter is computed once,
in double. The vectors of a solver's state (moments, velocity) belong to the caller and start at
zero. One call is one whole step: an interrupt cannot leave half of it. Every step scales the
gradient g as it reads it: clipping needs the norm of the whole gradient first, but no pass of its
own. A team (team.pxd) divides the parameters in whole blocks; sums are taken block by block, so
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
from libc.math cimport pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastrnn.kernels.team cimport Member, Share, own
from fastrnn.kernels.vector_math cimport Range

cdef enum:
    BLOCK = 65536  # parameters whose sum is taken by itself, whoever takes it

BLOCK_SIZE = BLOCK


cdef inline Range own_blocks(const Share* share, Py_ssize_t P) noexcept nogil:
    """Which of P parameters, in whole blocks, are a member's."""
    cdef Range mine = own(share, (P + BLOCK - 1) // BLOCK)
    mine.begin *= BLOCK
    mine.end = min(mine.end * BLOCK, <int64_t>P)
    return mine


def adam_step(
    floating[::1] theta,         # (P,) INOUT
    const floating[::1] grad,    # (P,) IN
    floating[::1] m,             # (P,) INOUT
    floating[::1] v,             # (P,) INOUT
    double scale,
    double learning_rate,
    double beta_1,
    double beta_2,
    double epsilon,
    Py_ssize_t t,
    Member member,
):
    """One step of Adam.

    Parameters
    ----------
    theta : ndarray of shape (P,)
        Parameters; moved by one step.
    grad : ndarray of shape (P,)
        Gradient of the loss with respect to ``theta``.
    m, v : ndarray of shape (P,)
        Running means of the gradient and of its square, 0 before the first step; updated.
    scale : float
        Factor of the gradient.
    learning_rate, beta_1, beta_2, epsilon : float
        eta, both decay rates in [0, 1), and what is added to the root.
    t : int
        Number of this step, from 1.
    member : Member
        Whose part of the step is done.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating keep_m = <floating> beta_1, add_m = <floating> (1.0 - beta_1)
        floating keep_v = <floating> beta_2, add_v = <floating> (1.0 - beta_2)
        floating eta = <floating> (learning_rate / (1.0 - pow(beta_1, <double> t)))
        floating correction = <floating> (1.0 / sqrt(1.0 - pow(beta_2, <double> t)))
        floating factor = <floating> scale, eps = <floating> epsilon, g, root
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            m[i] = keep_m * m[i] + add_m * g
            v[i] = keep_v * v[i] + add_v * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * m[i] / (correction * root + eps)


def adamw_step(
    floating[::1] theta,         # (P,) INOUT
    const floating[::1] grad,    # (P,) IN
    floating[::1] m,             # (P,) INOUT
    floating[::1] v,             # (P,) INOUT
    const floating[::1] decay,   # (P,) IN
    double scale,
    double learning_rate,
    double beta_1,
    double beta_2,
    double epsilon,
    Py_ssize_t t,
    Member member,
):
    """One step of Adam with decoupled weight decay.

    Parameters
    ----------
    theta, grad, m, v, scale, learning_rate, beta_1, beta_2, epsilon, t, member
        As in `adam_step`.
    decay : ndarray of shape (P,)
        Weight decay of each parameter, 0 for those that do not decay.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
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
            m[i] = keep_m * m[i] + add_m * g
            v[i] = keep_v * v[i] + add_v * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * decay[i] * theta[i] + eta_m * m[i] / (correction * root + eps)


def sgd_step(
    floating[::1] theta,         # (P,) INOUT
    const floating[::1] grad,    # (P,) IN
    double scale,
    double learning_rate,
    Member member,
):
    """One step of stochastic gradient descent.

    Parameters
    ----------
    theta : ndarray of shape (P,)
        Parameters; moved by one step.
    grad : ndarray of shape (P,)
        Gradient of the loss with respect to ``theta``.
    scale : float
        Factor of the gradient.
    learning_rate : float
        eta.
    member : Member
        Whose part of the step is done.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating eta = <floating> (learning_rate * scale)
    with nogil:
        for i in range(mine.begin, mine.end):
            theta[i] -= eta * grad[i]


def momentum_step(
    floating[::1] theta,         # (P,) INOUT
    const floating[::1] grad,    # (P,) IN
    floating[::1] velocity,      # (P,) INOUT
    double scale,
    double learning_rate,
    double momentum,
    bint nesterov,
    Member member,
):
    """One step of stochastic gradient descent with momentum, as in MLPClassifier.

    Parameters
    ----------
    theta : ndarray of shape (P,)
        Parameters; moved by one step.
    grad : ndarray of shape (P,)
        Gradient of the loss with respect to ``theta``.
    velocity : ndarray of shape (P,)
        The last change of ``theta`` by momentum, 0 before the first step; updated.
    scale : float
        Factor of the gradient.
    learning_rate, momentum : float
        eta, and the part of the velocity that is kept, in (0, 1].
    nesterov : bool
        Look one step of momentum ahead.
    member : Member
        Whose part of the step is done.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
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
            velocity[i] = keep * velocity[i] - eta * g
            theta[i] += ahead * velocity[i] - ahead_eta * g


def rmsprop_step(
    floating[::1] theta,         # (P,) INOUT
    const floating[::1] grad,    # (P,) IN
    floating[::1] v,             # (P,) INOUT
    double scale,
    double learning_rate,
    double decay,
    double epsilon,
    Member member,
):
    """One step of RMSprop.

    Parameters
    ----------
    theta : ndarray of shape (P,)
        Parameters; moved by one step.
    grad : ndarray of shape (P,)
        Gradient of the loss with respect to ``theta``.
    v : ndarray of shape (P,)
        Running mean of the squared gradient, 0 before the first step; updated.
    scale : float
        Factor of the gradient.
    learning_rate, decay, epsilon : float
        eta, the part of ``v`` that is kept, in [0, 1), and what is added to the root.
    member : Member
        Whose part of the step is done.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
        Py_ssize_t i
        floating eta = <floating> learning_rate
        floating keep = <floating> decay, add = <floating> (1.0 - decay)
        floating factor = <floating> scale, eps = <floating> epsilon, g, root
    with nogil:
        for i in range(mine.begin, mine.end):
            g = factor * grad[i]
            v[i] = keep * v[i] + add * g * g
            root = <floating> sqrt(v[i])
            theta[i] -= eta * g / (root + eps)


def sum_squares(
    const floating[::1] grad,    # (P,) IN
    double[::1] sums,            # (blocks,) OUT
    Member member,
):
    """Sum the squares of the gradient, block by block.

    Parameters
    ----------
    grad : ndarray of shape (P,)
        The gradient.
    sums : ndarray of shape (ceil(P / BLOCK_SIZE),)
        The sum over each block, accumulated in double.
    member : Member
        Whose blocks are summed.
    """
    cdef:
        Range mine = own_blocks(&member.share, grad.shape[0])
        Py_ssize_t block, begin, end, i, lane
        double[8] partial
    with nogil:
        for block in range(mine.begin // BLOCK, (mine.end + BLOCK - 1) // BLOCK):
            begin, end = block * BLOCK, min(<Py_ssize_t>mine.end, (block + 1) * BLOCK)
            # Eight running sums let the compiler use vector registers: it may not reorder one.
            for lane in range(8):
                partial[lane] = 0.0
            for i in range(begin, end - 7, 8):
                for lane in range(8):
                    partial[lane] += <double> grad[i + lane] * <double> grad[i + lane]
            for i in range(end - (end - begin) % 8, end):
                partial[0] += <double> grad[i] * <double> grad[i]
            sums[block] = 0.0
            for lane in range(8):
                sums[block] += partial[lane]


def add_penalty(
    const floating[::1] theta,          # (P,) IN
    const unsigned char[::1] decayed,   # (P,) IN
    double strength,
    floating[::1] grad,                 # (P,) INOUT
    double[::1] sums,                   # (blocks,) OUT
    Member member,
):
    """Add the gradient of an L2 penalty, ``0.5 * strength * sum(decayed * theta ** 2)``.

    Parameters
    ----------
    theta : ndarray of shape (P,)
        Parameters.
    decayed : ndarray of shape (P,), uint8
        1 for those that the penalty holds for, 0 for the others.
    strength : float
        Factor of the penalty.
    grad : ndarray of shape (P,)
        Gradient of the loss; added to.
    sums : ndarray of shape (ceil(P / BLOCK_SIZE),)
        ``sum(decayed * theta ** 2)`` over each block, accumulated in double.
    member : Member
        Whose part is done.
    """
    cdef:
        Range mine = own_blocks(&member.share, theta.shape[0])
        Py_ssize_t block, begin, end, i, lane
        double[8] partial
        floating factor = <floating> strength, kept
    with nogil:
        for block in range(mine.begin // BLOCK, (mine.end + BLOCK - 1) // BLOCK):
            begin, end = block * BLOCK, min(<Py_ssize_t>mine.end, (block + 1) * BLOCK)
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
            sums[block] = 0.0
            for lane in range(8):
                sums[block] += partial[lane]


def clear(
    floating[::1] grad,   # (P,) OUT
    Member member,
):
    """Set a gradient to zero.

    Parameters
    ----------
    grad : ndarray of shape (P,)
        The gradient.
    member : Member
        Whose part is done.
    """
    cdef Range mine = own_blocks(&member.share, grad.shape[0])
    with nogil:
        if mine.begin < mine.end:
            memset(&grad[mine.begin], 0, (mine.end - mine.begin) * sizeof(floating))
