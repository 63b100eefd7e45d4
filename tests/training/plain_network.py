"""A network in plain numpy, to be trained in place of one of fastrnn's."""

import warnings

import numpy as np

from fastrnn.inputs.sequences import as_sequences
from fastrnn.training.loop import Settings, TrainingState, train
from fastrnn.training.solvers import SOLVERS

STOCHASTIC = sorted(SOLVERS)


class MeanNetwork:
    """Linear or softmax regression on the mean of each sequence, in plain numpy.

    Its interface is that of `fastrnn.network.Network`, and it keeps what it was called with.
    ``before_call`` is called with the number of the call, from 1, and may raise.
    """

    def __init__(self, n_features, n_outputs, *, loss="squared_error", alpha=0.0, dtype="float64"):
        self.shape = (n_features, n_outputs)
        self.loss, self.alpha, self.dtype = loss, alpha, np.dtype(dtype)
        n_weights = n_features * n_outputs
        self.theta = np.zeros(n_weights + n_outputs, dtype)
        self.grad = np.zeros_like(self.theta)
        self.decayed = np.arange(self.theta.size) < n_weights
        self.minibatches, self.calls = [], []
        self.before_call = lambda call: None
        self.change_loss = lambda call, loss: loss

    def outputs(self, sequences, indices):
        means = np.array([sequences[int(i)].mean(axis=0) for i in indices])
        W = self.theta[self.decayed].reshape(self.shape)
        return means, means @ W + self.theta[~self.decayed]

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
        bptt_steps=None,
        n_jobs=None,
        total=lambda own: own,
    ):
        if theta is not None:
            self.theta[:] = theta
        target, weight = target[indices], weight[indices]
        self.minibatches.append((indices.copy(), target.copy(), weight.copy()))
        self.calls.append((rng, bptt_steps, n_jobs))
        self.before_call(len(self.calls))
        means, outputs = self.outputs(sequences, indices)
        if self.loss == "log_loss":
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs /= outputs.sum(axis=1, keepdims=True)
            rows = np.arange(len(indices))
            losses = -np.log(outputs[rows, target])
            delta = outputs
            delta[rows, target] -= 1.0
        else:
            delta = outputs - target
            losses = 0.5 * (delta**2).mean(axis=1)
            delta = delta / self.shape[1]
        part = weight.sum() / total(weight.sum())
        delta *= part * (weight / weight.sum())[:, None]
        decay = self.alpha * self.decayed / len(indices)
        self.grad[:] = np.concatenate([(means.T @ delta).ravel(), delta.sum(axis=0)])
        self.grad += decay * self.theta
        loss = part * np.average(losses, weights=weight) + 0.5 * (decay * self.theta**2).sum()
        return self.change_loss(len(self.calls), float(loss))


def problem(n=23, n_features=3, n_outputs=2, dtype="float64", seed=0):
    """Return sequences, targets that are linear in their means, and weights."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((rng.integers(1, 6), n_features)).astype(dtype) for _ in range(n)]
    means = np.array([x.mean(axis=0) for x in X])
    target = means @ rng.standard_normal((n_features, n_outputs)) + 0.5
    return as_sequences(X), target.astype(dtype), np.ones(n, dtype)


def start(seed=0):
    """Return the state of a training that begins."""
    return TrainingState(np.random.default_rng(seed))


def fit(network=None, data=None, *, seed=0, state=None, validate=None, watch=None, **settings):
    """Train without a warning about max_iter; return the network and its history."""
    data = data or problem()
    network = network or MeanNetwork(3, 2)
    settings = {"batch_size": 5, "max_iter": 10, "learning_rate_init": 0.05} | settings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training stopped at max_iter")
        state = state or start(seed)
        options = {"validate": validate, "watch": watch}
        history = train(network, *data, Settings(**settings), state, **options)
    return network, history


def scripted(losses):
    """Return a network whose k-th call gives the k-th loss, whatever its parameters."""
    network = MeanNetwork(3, 2)
    network.change_loss = lambda call, loss: losses[call - 1]
    return network
