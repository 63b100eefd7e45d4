"""Layers, cells with their equations in NumPy, and batches for tests of layers."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from every_cell import CHOICES, NORMALIZED, take_step

from fastrnn.network import one_direction
from fastrnn.network.cells import CELLS as REGISTRY


def let_directions_meet(monkeypatch):
    """Let the pass of a direction wait until that of the other has begun."""
    both = threading.Barrier(2, timeout=30)
    for name in "forward", "backward":
        run = getattr(one_direction, name)
        monkeypatch.setattr(
            one_direction, name, lambda *a, run=run, **k: (both.wait(), run(*a, **k))[1]
        )


class Cell:
    """A layer class with its options, and what is true of it."""

    def __init__(self, label, cell, **options):
        self.is_normalized = label in NORMALIZED
        self.layer_class, self.options = REGISTRY[cell], options
        self.n_gates = len(self.layer_class.cell.gates)
        self.n_states = len(self.layer_class.cell.states)
        self.step = lambda p, state, x: take_step(cell, p, state, x, **options)

    def new(self, D, H, **options):
        return self.layer_class(D, H, **self.options, **options)

    def layer(self, D, H, *, dtype="float64", bidirectional=False, random_state=0):
        """A layer with random parameters, the biases too; the same ones for both dtypes."""
        options = {"dtype": dtype, "bidirectional": bidirectional, "random_state": random_state}
        layer = self.new(D, H, **options)
        rng = np.random.default_rng([D, H])
        for name, value in layer.params.items():
            scale = {"W": D**-0.5, "U": 0.9 * H**-0.5}.get(name[0], 0.5)
            value[...] = scale * rng.standard_normal(value.shape)
        return layer

    def reference(self, params, x, lengths, initial_state):
        """Outputs (T, B, H * directions) and final state; a step is of all that have it."""
        n_directions, _, H = initial_state[0].shape
        y = np.zeros((*x.shape[:2], n_directions * H))
        state = tuple(part.copy() for part in initial_state)
        for direction, suffix in enumerate(["", "_reverse"][:n_directions]):
            names = self.layer_class.cell.shapes(1, 1)
            p = {name: params[name + suffix] for name in names}
            now = [part[direction] for part in state]
            for t in range(len(x))[:: 1 - 2 * direction]:
                alive = np.flatnonzero(t < np.asarray(lengths))
                after = self.step(p, tuple(part[alive] for part in now), x[t, alive])
                y[t, alive, direction * H : (direction + 1) * H] = after[0]
                for part, value in zip(now, after, strict=True):
                    part[alive] = value
        return y, state


CELLS = {label: Cell(label, **parameters) for label, parameters in CHOICES.items()}
GATED = [label for label, cell in CELLS.items() if cell.n_gates > 1]
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
RAGGED = pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
# (T, B, D, H): each size is 1 somewhere; widths around the kernels' tiles of 16 and 64 columns.
SMALL = [
    (1, 1, 1, 1),
    (1, 3, 2, 4),
    (5, 1, 3, 4),
    (5, 3, 1, 4),
    (4, 3, 3, 1),
    (6, 4, 3, 5),
    (3, 7, 2, 17),
    (3, 20, 5, 33),
]
# The last of these takes the kernels several chunks of time.
WIDE = [(7, 3, 3, 16), (6, 33, 16, 64), (5, 13, 20, 65), (4, 5, 7, 200), (120, 9, 2, 65)]


def make_batch(cell, T, B, D, H, *, dtype="float64", bidirectional=False, ragged=False, seed=0):
    """Everything a forward and a backward pass take, of random values."""
    rng = np.random.default_rng([seed, T, B, D, H])
    n_directions = 1 + bidirectional

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    lengths = rng.permutation(np.linspace(1, T, B).round().astype(np.int64))
    return SimpleNamespace(
        x=normal(T, B, D),
        lengths=lengths if ragged else None,
        ends=lengths if ragged else np.full(B, T),
        initial_state=tuple(normal(n_directions, B, H) for _ in range(cell.n_states)),
        dy=normal(T, B, n_directions * H),
        dstate=tuple(normal(n_directions, B, H) for _ in range(cell.n_states)),
    )


def run(layer, batch, n_jobs=None):
    """Forward and backward; every result by its name."""
    y, state = layer.forward(
        batch.x, batch.lengths, batch.initial_state, training=True, n_jobs=n_jobs
    )
    dx, dinitial_state = layer.backward(batch.dy, batch.dstate)
    results = {"y": y, "dx": dx}
    results |= {f"state[{k}]": part for k, part in enumerate(state)}
    results |= {f"dinitial_state[{k}]": part for k, part in enumerate(dinitial_state)}
    results |= {f"d{name}": grad.copy() for name, grad in layer.grads.items()}
    return results


def relative_error(actual, desired):
    return np.linalg.norm(actual - desired) / np.linalg.norm(desired)


def assert_same_bits(actual, desired):
    assert actual.keys() == desired.keys()
    for name in desired:
        np.testing.assert_array_equal(actual[name], desired[name], err_msg=name, strict=True)


def central_differences(layer, batch, values, directions, step):
    """Slopes of sum(y * dy) + sum(state * dstate) along each direction, error O(step ** 4)."""
    start = values.copy()

    def loss(direction, distance):
        values[...] = start + distance * direction
        y, state = layer.forward(batch.x, batch.lengths, batch.initial_state)
        return np.sum(y * batch.dy) + sum(map(np.vdot, state, batch.dstate))

    slopes = [
        (8 * (loss(v, step) - loss(v, -step)) - (loss(v, 2 * step) - loss(v, -2 * step)))
        / (12 * step)
        for v in directions
    ]
    values[...] = start
    return np.array(slopes)


def assert_gradient(layer, batch, results, n_directions, atol=0.0):
    """Central differences of every variable, to 1e-7: by element where they are up to four, else
    along random directions; with a hundredth of the step where that meets a kink."""
    variables = {"dx": batch.x}
    variables |= {f"dinitial_state[{k}]": s for k, s in enumerate(batch.initial_state)}
    variables |= {f"d{name}": value for name, value in layer.params.items()}
    outputs = {"y", *(f"state[{k}]" for k in range(len(batch.initial_state)))}
    assert results.keys() - variables.keys() == outputs
    rng = np.random.default_rng(1)
    for name, values in variables.items():
        n = values.size
        directions = np.eye(n) if n <= 4 else rng.standard_normal((n_directions, n))
        actual = directions @ results[name].ravel()
        for step in 1e-5, 1e-7:
            slopes = central_differences(
                layer, batch, values, directions.reshape(-1, *values.shape), step
            )
            error, size = np.linalg.norm(actual - slopes), np.linalg.norm(slopes)
            assert atol or size > 0, name
            if error <= 1e-7 * size + atol:
                break
        else:
            raise AssertionError(f"{name}: {error} of {size}")


def assert_close(actual, desired, name):
    """Outputs within 1e-6 (of the largest, if beyond 1), gradients within 1e-6 of their norm."""
    if name.startswith("d"):
        assert relative_error(actual, desired) <= 1e-6, name
    else:
        atol = 1e-6 * max(1.0, np.abs(desired).max())
        np.testing.assert_allclose(actual, desired, rtol=0, atol=atol, err_msg=name)
