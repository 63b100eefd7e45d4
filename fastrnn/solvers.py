"""Solvers and learning-rate schedules of stochastic training, by name.

A solver holds the state of one training (moments, velocity) and hands it to its kernel in
`fastrnn.kernels.solvers`, where the formulas are. ``SOLVERS[name](network, settings)`` makes one;
``solver.step(theta, grad, scale, learning_rate)`` moves ``theta`` (P,) in place, by the gradient
times ``scale``: that is how it is clipped.

A schedule is a function ``schedule(rate, settings, t, progress)`` that returns the learning rate
of the next step from the base rate, the number of samples seen before the epoch, and the part of
all steps already taken, in [0, 1).
"""

import math

import numpy as np

from fastrnn.kernels.solvers import adam_step, adamw_step, rmsprop_step, sgd_step

__all__ = ["SCHEDULES", "SOLVERS"]


class _Adam:
    def __init__(self, network, settings):
        self.m = np.zeros_like(network.theta)
        self.v = np.zeros_like(network.theta)
        self.constants = (settings.beta_1, settings.beta_2, settings.epsilon)
        self.t = 0

    def step(self, theta, grad, scale, learning_rate):
        self.t += 1
        adam_step(theta, grad, self.m, self.v, scale, learning_rate, *self.constants, self.t)


class _AdamW(_Adam):
    def __init__(self, network, settings):
        super().__init__(network, settings)
        self.decay = settings.alpha * network.decayed.astype(network.theta.dtype)

    def step(self, theta, grad, scale, learning_rate):
        self.t += 1
        moments = (self.m, self.v, self.decay)
        adamw_step(theta, grad, *moments, scale, learning_rate, *self.constants, self.t)


class _SGD:
    def __init__(self, network, settings):
        self.velocity = np.zeros_like(network.theta)
        self.constants = (settings.momentum, settings.nesterovs_momentum)

    def step(self, theta, grad, scale, learning_rate):
        sgd_step(theta, grad, self.velocity, scale, learning_rate, *self.constants)


class _RMSprop:
    decay = 0.99

    def __init__(self, network, settings):
        self.v = np.zeros_like(network.theta)
        self.epsilon = settings.epsilon

    def step(self, theta, grad, scale, learning_rate):
        rmsprop_step(theta, grad, self.v, scale, learning_rate, self.decay, self.epsilon)


SOLVERS = {"adam": _Adam, "adamw": _AdamW, "sgd": _SGD, "rmsprop": _RMSprop}


def _constant(rate, settings, t, progress):
    return rate


def _invscaling(rate, settings, t, progress):
    return rate / (t + 1) ** settings.power_t


def _cosine(rate, settings, t, progress):
    return rate * 0.5 * (1.0 + math.cos(math.pi * progress))


SCHEDULES = {
    "constant": _constant,
    "invscaling": _invscaling,
    "adaptive": _constant,  # the training loop itself lowers the base rate
    "cosine": _cosine,
}
