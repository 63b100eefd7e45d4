"""An affine map of rows, ``y = x W + b``, whose weights are packed once for many calls."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

from fastrnn.kernels.dense import (
    dense_backward,
    dense_forward,
    dense_gradients,
    pack_weights,
    pack_weights_transposed,
)
from fastrnn.kernels.workspace import Workspace
from fastrnn.network.recurrent import glorot_uniform
from fastrnn.typing import Floats

__all__ = ["Affine", "add", "named", "through_tanh"]

CHUNK_SIZE = 2**17
"""Elements of the gradient of y that are multiplied at a time: packed, they stay in a second-level
cache."""

Calls: TypeAlias = list[tuple[Callable[..., None], tuple[Any, ...]]]
"""Functions, with their arguments."""


class Affine:
    """A map with the parameters "W" (D, K) and, where it is not left out, "b" (K,), zero at first.

    Workspaces are by its ``name``: several maps may share one.
    """

    def __init__(self, name: Hashable, params: Mapping[str, Floats]) -> None:
        self.name, self.W, self.b = name, params["W"], params.get("b")

    def start(self, rng):
        """Draw the first weights."""
        self.W[...] = glorot_uniform(rng, self.W.shape)

    def flops(self, n_rows):
        """Floating-point operations of a forward pass."""
        return 2 * n_rows * self.W.size

    def plan_forward(self, work: Workspace) -> tuple[Floats, Calls]:
        """Room for packed weights, and the calls (function, arguments) that fill it."""
        packed = work.packed((self.name, "forward"), *self.W.shape)
        return packed, [(pack_weights, (self.W, 0, self.W.shape[1], packed, work.rounds))]

    def plan_backward(self, work: Workspace) -> tuple[Floats, Calls]:
        """Likewise for the way back."""
        n_inputs, n_outputs = self.W.shape
        packed = work.packed((self.name, "backward"), n_outputs, n_inputs)
        return packed, [(pack_weights_transposed, (self.W, 0, n_outputs, packed, work.rounds))]

    def forward(self, x: Floats, weights: Floats, work: Workspace) -> Floats:
        """``x W + b``, in ``work`` until its next use."""
        y = work.take((self.name, "y"), (len(x), self.W.shape[1]))
        b = work.zeros((self.name, "no b"), self.W.shape[1:]) if self.b is None else self.b
        work.call(dense_forward, x, weights, b, y, work.rounded(x.size))
        return y

    def backward(self, dy: Floats, weights: Floats, work: Workspace) -> Floats:
        """The gradient of x, from that of y, likewise."""
        dx = work.take((self.name, "dx"), (len(dy), len(self.W)))
        work.call(dense_backward, dy, weights, self.W.shape[1], dx, work.rounded(dy.size))
        return dx

    def add_gradients(self, x, dy, grads, work):
        """Add the gradient of the parameters to ``grads``, views by name as the parameters."""
        n_rows, (n_inputs, n_outputs) = len(x), self.W.shape
        chunk = min(max(1, CHUNK_SIZE // (64 * n_rows)) * 64, n_outputs)
        db = work.take((self.name, "no db"), (n_outputs,)) if self.b is None else grads["b"]
        work.call(
            dense_gradients,
            x, 0, n_inputs, dy, 0, n_outputs, grads["W"], db, chunk,
            work.packed_left((self.name, "x"), n_rows, n_inputs),
            work.packed((self.name, "dy"), n_rows, chunk),
            work.rounds,
        )  # fmt: skip


def named(part, views):
    """Of views by name those of one part, whose name they lose."""
    return {
        name.removeprefix(f"{part}."): view
        for name, view in views.items()
        if name.startswith(f"{part}.")
    }


def add(x, total):
    """Add to an array in place."""
    total += x


def through_tanh(y, dy):
    """From the gradient of ``y = tanh(x)`` to that of x, in place."""
    dy *= 1 - y * y
