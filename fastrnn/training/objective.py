"""What training makes small: the loss, with its gradient, of one process or of several together."""

import functools

import numpy as np

from fastrnn.training.solvers import GradientNorm


class Objective:
    """The loss of minibatches of some data, and its gradient.

    Parameters
    ----------
    network, sequences, target, weight, settings, reduce : object
        As for `fastrnn.training.train`.
    """

    def __init__(self, network, sequences, target, weight, settings, reduce):
        self.network, self.settings, self._weight = network, settings, weight
        self._data, self._reduce = (target, weight), reduce
        self.norm = GradientNorm(network.grad, settings.n_jobs)
        self.read(sequences)

    def read(self, sequences):
        """Let these be the sequences from now on."""
        settings, self._sequences = self.settings, sequences
        self._loss_and_grad = functools.partial(
            self.network.loss_and_grad, sequences,
            bptt_steps=settings.bptt_steps, n_jobs=settings.n_jobs,
        )  # fmt: skip

    def evaluate(self, indices, n_samples, **options):
        """Loss of a minibatch, and its number of samples; the gradient goes to the network."""
        if self._reduce is None:
            return self._loss_and_grad(indices, *self._data, **options), n_samples
        loss = self._loss_and_grad(indices, *self._data, total=self._sum, **options)
        self._reduce(self.network.grad)
        numbers = np.array([loss, n_samples])
        self._reduce(numbers)
        return tuple(numbers.tolist())

    def walk(self, minibatches, rates, solver, rng):
        """Mean loss and norm of minibatches on which partitions made steps by themselves."""
        told = self._weight, rates, self.settings, solver.state, rng
        return self.network.walk(self._sequences, minibatches, *told)

    def agree(self, plan):
        """Number of samples of an epoch, of all processes, whose plans must suit each other."""
        n_samples, n_minibatches = (0, 0) if plan is None else (plan.n_samples, len(plan))
        if self._reduce is not None:
            # All of n numbers are the same if n times the sum of squares is the sum's square.
            numbers = np.array([1, n_samples, n_minibatches, n_minibatches**2], dtype=np.float64)
            self._reduce(numbers)
            n, n_samples, total, squares = numbers.astype(np.int64).tolist()
            if n * squares != total**2:
                raise ValueError(
                    f"expected as many minibatches in every process, got {n_minibatches} here and "
                    f"{total / n:.6g} in the mean of {n} processes"
                )
        if not n_samples:
            raise ValueError("no sequence to train on: all sample weights are 0")
        return n_samples

    def _sum(self, number):
        """The sum of a number over all processes."""
        array = np.array([number], dtype=np.float64)
        self._reduce(array)
        return float(array[0])
