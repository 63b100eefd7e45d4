"""Networks, sequences and central differences for tests of gradients."""

from types import SimpleNamespace

import numpy as np
import pytest
from building import build
from every_cell import CHOICES, options_of

from fastrnn.inputs.sequences import Sequences

CELLS = {
    label: (parameters["cell"], options_of(parameters)) for label, parameters in CHOICES.items()
}
CELL = pytest.mark.parametrize("cell", CELLS)
LOSS = pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
POOLING = pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
LAYER_SIZES = pytest.mark.parametrize("hidden_layer_sizes", [(4,), (4, 3)], ids=str)
RAGGED = pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])


def make_network(
    cell, D=2, hidden_layer_sizes=(4, 3), K=3, *, loss="log_loss", zoneout=0.0, **options
):
    """A network whose parameters are far from the tidy ones of the start, by default in float64."""
    name, cell_options = CELLS[cell]
    cell_options = {**cell_options, "zoneout": zoneout}
    options.setdefault("dtype", "float64")
    network = build(
        D, hidden_layer_sizes, K, head=loss, cell=name, cell_options=cell_options, **options
    )
    noise = 0.6 * np.random.default_rng(1).standard_normal(network.theta.shape)
    # ReLUs get a positive bias, so that most of them are alive.
    network.theta += noise + (cell == "rnn-relu") * ~network.decayed
    return network


def make_task(
    T=5, B=4, D=2, K=3, *, ragged=True, loss="log_loss", dtype="float64", seed=0, pooling="last"
):
    """Sequences with target and weight, and a minibatch of B of them out of order."""
    rng = np.random.default_rng([seed, T, B, D, K])
    n = B + 2
    lengths = np.linspace(1, T, n).round().astype(int) if ragged else np.full(n, T)
    values = rng.standard_normal((lengths.sum(), D)).astype(dtype)
    indices = rng.permutation(n)[:B]
    n = lengths.sum() if pooling == "steps" else n
    target = (
        rng.integers(K, size=n) if loss == "log_loss" else rng.standard_normal((n, K)).astype(dtype)
    )
    weight = rng.uniform(0.2, 2.0, n).astype(dtype)
    sequences = Sequences(values, np.cumsum([0, *lengths]))
    return SimpleNamespace(sequences=sequences, indices=indices, target=target, weight=weight)


def places_of(task, n, pooling):
    """Where sequence n has its targets and weights."""
    if pooling != "steps":
        return [n]
    return np.arange(task.sequences.offsets[n], task.sequences.offsets[n + 1])


def loss_and_grad(network, task, *, seed=None, **options):
    """Loss and a copy of the gradient; `seed` draws the dropout."""
    rng = None if seed is None else np.random.default_rng(seed)
    loss = network.loss_and_grad(
        task.sequences, task.indices, task.target, task.weight, rng=rng, **options
    )
    return loss, network.grad.copy()


def blocks(network):
    """Runs of weights and of biases in theta: every layer, direction and the head has its own."""
    return np.split(np.arange(len(network.theta)), np.flatnonzero(np.diff(network.decayed)) + 1)


def head_size(network):
    """How many parameters the head has, at the end of theta."""
    return sum(array.size for array in network.head.params.values())


def relative_error(actual, desired):
    return np.linalg.norm(actual - desired) / np.linalg.norm(desired)


def assert_gradient(network, task, *, step=1e-5, **options):
    """Central differences, in each block of theta along two random directions, to 1e-7 and
    rounding; with a smaller step where there is a kink on the way."""
    value, grad = loss_and_grad(network, task, **options)
    assert np.linalg.norm(grad) > 1e-3
    rng = np.random.default_rng(2)
    theta = network.theta.copy()

    def loss(block, direction, distance):
        network.theta[block] = theta[block] + distance * direction
        value, _ = loss_and_grad(network, task, **options)
        network.theta[:] = theta
        return value

    for block in blocks(network):
        directions = np.eye(len(block)) if len(block) <= 2 else rng.standard_normal((2, len(block)))
        for h in step, step / 5, step / 25:
            slopes = [
                (8 * (loss(block, v, h) - loss(block, v, -h)))
                - (loss(block, v, 2 * h) - loss(block, v, -2 * h))
                for v in directions
            ]
            slopes = np.array(slopes) / (12 * h)
            error = np.linalg.norm(directions @ grad[block] - slopes)
            if error <= 1e-7 * np.linalg.norm(slopes) + 1e-15 * abs(value) / h:
                break
        else:
            raise AssertionError(f"parameters from {block[0]}: {error} of {slopes}")
