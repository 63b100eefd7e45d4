"""Solvers and learning-rate schedules of stochastic training, by name.

A solver hands its constants and its state (moments, velocity) to its kernel in
`fastrnn.kernels.solvers`, where the formulas are. ``SOLVERS[name](network, settings, state)`` makes
one; ``solver.step(theta, grad, scale, learning_rate)`` moves ``theta`` (P,) in place, by the
gradient times ``scale``: that is how it is clipped.

The state is a dict of numbers and of arrays of shape (P,) that belongs to the caller. Given empty,
it is filled with the start; given as a solver of that name left it, the solver goes on from there.
Every step updates it in place.

A schedule is a function ``schedule(rate, settings, t, progress)`` that returns the learning rate
of the next step from the base rate, the number of samples seen before the epoch, and the share of
all steps already taken, in [0, 1).
"""

import math

import numpy as np

from fastrnn.kernels.solvers import (
    CHUNK_SIZE,
    adam_step,
    adamw_step,
    momentum_step,
    rmsprop_step,
    sgd_step,
    sum_squares,
)
from fastrnn.network.threads import form_parameter_team

__all__ = ["SCHEDULES", "SOLVERS", "GradientNorm", "count_vectors", "global_norm"]


def global_norm(grad, n_jobs=None):
    """Euclidean norm of a gradient (P,), summed in double, in an order that P alone decides."""
    return GradientNorm(grad, n_jobs)()


class GradientNorm:
    """The Euclidean norm of one gradient, to be taken again and again; see `global_norm`."""

    def __init__(self, grad, n_jobs):
        self._grad, self._sums = grad, np.empty(-(-grad.size // CHUNK_SIZE))
        self._team = form_parameter_team(n_jobs, grad.size)

    def __call__(self):
        self._team.call(sum_squares, self._grad, self._sums)
        return math.sqrt(sum(self._sums.tolist()))


class _Solver:
    vectors: tuple[str, ...]

    @classmethod
    def n_vectors(cls, momentum):
        """How many vectors of all parameters it keeps."""
        return len(cls.vectors)

    def __init__(self, network, settings, state):
        if not state:
            state.update({name: np.zeros_like(network.theta) for name in self.vectors})
        self.state = state
        self.team = form_parameter_team(settings.n_jobs, network.theta.size)


class _Adam(_Solver):
    vectors = ("m", "v")

    def __init__(self, network, settings, state):
        super().__init__(network, settings, state)
        self.state.setdefault("t", 0)
        self.constants = (settings.beta_1, settings.beta_2, settings.epsilon)

    def step(self, theta, grad, scale, learning_rate):
        state = self.state
        state["t"] += 1
        numbers = (scale, learning_rate, *self.constants, state["t"])
        self.team.call(adam_step, theta, grad, state["m"], state["v"], *numbers)


class _AdamW(_Adam):
    @classmethod
    def n_vectors(cls, momentum):
        return super().n_vectors(momentum) + 1

    def __init__(self, network, settings, state):
        super().__init__(network, settings, state)
        self.decay = settings.alpha * network.decayed.astype(network.theta.dtype)

    def step(self, theta, grad, scale, learning_rate):
        state = self.state
        state["t"] += 1
        numbers = (scale, learning_rate, *self.constants, state["t"])
        self.team.call(adamw_step, theta, grad, state["m"], state["v"], self.decay, *numbers)


class _SGD(_Solver):
    vectors: tuple[str, ...] = ("velocity",)

    @classmethod
    def n_vectors(cls, momentum):
        return super().n_vectors(momentum) if momentum else 0

    def __init__(self, network, settings, state):
        self.momentum, self.nesterov = settings.momentum, settings.nesterovs_momentum
        if self.momentum == 0:  # there is no velocity, now or to go on from
            state.clear()
            self.vectors = ()
        super().__init__(network, settings, state)

    def step(self, theta, grad, scale, learning_rate):
        if self.momentum == 0:
            self.team.call(sgd_step, theta, grad, scale, learning_rate)
            return
        numbers = (scale, learning_rate, self.momentum, self.nesterov)
        self.team.call(momentum_step, theta, grad, self.state["velocity"], *numbers)


class _RMSprop(_Solver):
    vectors = ("v",)
    decay = 0.99

    def __init__(self, network, settings, state):
        super().__init__(network, settings, state)
        self.epsilon = settings.epsilon

    def step(self, theta, grad, scale, learning_rate):
        numbers = (scale, learning_rate, self.decay, self.epsilon)
        self.team.call(rmsprop_step, theta, grad, self.state["v"], *numbers)


def count_vectors(solver: str, momentum: float) -> int:
    """How many vectors of all parameters a solver keeps, in the network's dtype."""
    if solver == "lbfgs":
        return 1  # where the last iteration ended
    return SOLVERS[solver].n_vectors(momentum)


SOLVERS = {"adam": _Adam, "adamw": _AdamW, "sgd": _SGD, "rmsprop": _RMSprop}


def _constant(rate, settings, t, progress):
    return rate


def _invscaling(rate, settings, t, progress):
    try:
        return rate / (t + 1) ** settings.power_t
    except OverflowError:
        return 0.0


def _cosine(rate, settings, t, progress):
    return rate * 0.5 * (1.0 + math.cos(math.pi * progress))


SCHEDULES = {
    "constant": _constant,
    "invscaling": _invscaling,
    "adaptive": _constant,  # the training loop itself lowers the base rate
    "cosine": _cosine,
}
