"""What stands before the first layer: steps that are read as one, and convolutions over time.

Each stage makes of a packed batch a coarser one, in which a sequence of T steps has
``ceil(T / stride)``; sequences stay in their order, and beyond the ends of each there are zeros.

- Patches: ``stride`` steps one after the other are one row, and one number more is the share of
  them that a sequence no longer has (0 but in its last patch).
- A convolution: row t is ``max(0, b + w W)``, where w are ``kernel`` rows one after the other, from
  ``t * stride - left`` on with ``left = (kernel - 1) // 2``: with a stride of 1 around row t.
"""

from typing import NamedTuple

import numpy as np

from fastrnn.kernels import windows
from fastrnn.kernels.dense import pack_weights, pack_weights_transposed
from fastrnn.network.batches import PackedBatch

WINDOW_BYTES = 256 * 1024
"""Of the windows that are multiplied at a time: they should stay in a second-level cache."""

WINDOW_ROWS = (48, 512)
"""But the gradient of W, which may be larger still, is read and written once for every so many; and
more of them win nothing."""


class Convolution(NamedTuple):
    """A convolution over time: its outputs, the steps that it reads and those that it goes on."""

    width: int
    kernel: int
    stride: int


class Tape(NamedTuple):
    """What a stage keeps from forward to backward, in packed rows."""

    batch: PackedBatch
    x: np.ndarray  # (N, D)
    coarse: PackedBatch
    y: np.ndarray  # (N', K)


class Stage:
    """What both kinds are for those who read step by step.

    A row that it makes is final, whatever comes later, once `span` rows have come from the one on
    that it stands for; its window begins with the first of `depth` rows that end there.
    """

    @property
    def span(self):
        """Rows from its own on that a final row needs."""
        return max(self.kernel - self.left, self.stride)

    @property
    def depth(self):
        """Rows that are kept until a row is final."""
        return self.left + self.span

    def count_others(self, n_others):
        """How many rows at most are not final, where as many are not that it reads."""
        return max(1, (n_others + self.span + self.stride - 2) // self.stride)


class PatchStage(Stage):
    """Steps one after the other as one row; it has no parameters."""

    n_weights = 0
    window_size = 0

    def __init__(self, input_size, stride):
        self.input_size, self.stride = input_size, stride
        self.kernel, self.left = stride, 0
        self.params = {}
        self.output_size = stride * input_size + 1

    def shapes(self):
        """Name the parameters, with their shapes."""
        return {}

    def bind(self, params):
        """Let the parameters be these."""

    @property
    def filters(self):
        """None: it has no filters."""

    def start(self, rng):
        """Draw the first weights."""

    def plan_forward(self, work):
        """Room for packed weights, and the calls (function, arguments) that fill it."""
        return None, []

    def plan_backward(self, work):
        """Likewise for the way back."""
        return None, []

    def forward(self, x, batch, coarse, weights, work):
        """The rows of the coarser batch, in ``work`` until its next use."""
        y = work.take("y", (len(coarse.rows), self.output_size))
        work.call(
            windows.patches_forward, x, batch.first, batch.lengths, coarse.alive, self.stride, y
        )
        return y

    def backward(self, tape, dy, weights, grads, work, want_dx):
        """The gradient of x, or None if not wanted; that of parameters is added to `grads`."""
        if not want_dx:
            return None
        batch, dx = tape.batch, work.take("dx", tape.x.shape)
        work.call(
            windows.patches_backward,
            dy, batch.first, batch.lengths, tape.coarse.alive, self.stride, dx,
        )  # fmt: skip
        return dx


class ConvolutionStage(Stage):
    """A convolution over time: "W" (kernel · D, K) and "b" (K,)."""

    def __init__(self, input_size, convolution):
        self.input_size = input_size
        self.output_size, self.kernel, self.stride = convolution
        self.left = (self.kernel - 1) // 2
        self.window_size = self.kernel * input_size
        self.n_weights = self.window_size * self.output_size

    def shapes(self):
        """Name the parameters, with their shapes."""
        return {"W": (self.window_size, self.output_size), "b": (self.output_size,)}

    def bind(self, params):
        """Let the parameters be these."""
        self.params = params

    @property
    def filters(self):
        """The weights by step, number and output, (kernel, D, K)."""
        return self.params["W"].reshape(self.kernel, self.input_size, self.output_size)

    def start(self, rng):
        """Draw the first weights, of variance 2 / fan_in (He et al. 2015, arXiv 1502.01852)."""
        bound = np.sqrt(6 / self.window_size)
        W = self.params["W"]
        W[...] = rng.uniform(-bound, bound, size=W.shape)

    def plan_forward(self, work):
        """Room for packed weights, and the calls (function, arguments) that fill it."""
        packed = work.packed("forward", self.window_size, self.output_size)
        W = self.params["W"]
        return packed, [(pack_weights, (W, 0, self.output_size, packed, work.rounds))]

    def plan_backward(self, work):
        """Likewise for the way back."""
        packed = work.packed("backward", self.output_size, self.window_size)
        W = self.params["W"]
        return packed, [(pack_weights_transposed, (W, 0, self.output_size, packed, work.rounds))]

    def _room(self, work):
        low, high = WINDOW_ROWS
        rows = WINDOW_BYTES // (self.window_size * work.dtype.itemsize)
        return work.take("windows", (min(max(low, rows), high), self.window_size))

    def forward(self, x, batch, coarse, weights, work):
        """The rows of the coarser batch, in ``work`` until its next use."""
        y, room = work.take("y", (len(coarse.rows), self.output_size)), self._room(work)
        work.call(
            windows.convolution_forward,
            x, batch.first, batch.lengths, coarse.alive, self.left, self.stride,
            weights, self.params["b"], room, y, work.rounded(room.size),
        )  # fmt: skip
        return y

    def backward(self, tape, dy, weights, grads, work, want_dx):
        """The gradient of x, or None if not wanted; that of parameters is added to `grads`."""
        batch, room = tape.batch, self._room(work)
        dx = work.take("dx", tape.x.shape if want_dx else (0, self.input_size))
        work.call(
            windows.convolution_backward,
            tape.x, batch.first, batch.lengths, tape.coarse.alive, self.left, self.stride,
            tape.y, dy, weights, room, work.packed_left("packed windows", *room.shape),
            work.packed("packed dy", len(room), self.output_size), grads["W"], grads["b"], dx,
            work.rounded(len(room) * self.output_size),
        )  # fmt: skip
        return dx if want_dx else None


def make_stages(width, stride, conv):
    """The stages of a network that reads ``width`` numbers of each step, without parameters."""
    stages = [] if stride == 1 else [PatchStage(width, stride)]
    for convolution in conv:
        stages.append(ConvolutionStage(stages[-1].output_size if stages else width, convolution))
    return stages


def shapes(stages):
    """Name the parameters of all stages, with their shapes."""
    named = [stage.shapes() for stage in stages if stage.shapes()]
    return {f"{k}.{name}": shape for k, of in enumerate(named) for name, shape in of.items()}


class Front:
    """The stages of a network, one after the other, whose parameters are `views` by name."""

    def __init__(self, stages, views):
        self.stages = stages
        self.stride = int(np.prod([stage.stride for stage in stages], dtype=object))
        for stage, params in zip(stages, self.by_stage(views), strict=True):
            stage.bind(params)

    def by_stage(self, views):
        """The views of each stage, without its number."""
        parts, k = [], 0
        for stage in self.stages:
            names = stage.shapes()
            parts.append({name: views[f"{k}.{name}"] for name in names})
            k += bool(names)
        return parts

    def start(self, rng):
        """Draw the first weights."""
        for stage in self.stages:
            stage.start(rng)

    def plan_forward(self, work):
        """Plan the packing of the weights: for each stage room, and all calls that fill it."""
        return self._plan([stage.plan_forward for stage in self.stages], work)

    def plan_backward(self, work):
        """Likewise for the way back."""
        return self._plan([stage.plan_backward for stage in self.stages], work)

    def _plan(self, plans, work):
        planned = [plan(work.part(("stage", k))) for k, plan in enumerate(plans)]
        return [room for room, _ in planned], [call for _, calls in planned for call in calls]

    def n_rows(self, n_rows):
        """How many rows come of so many, roughly."""
        return -(-n_rows // self.stride)

    def flops(self, n_rows):
        """Floating-point operations of a forward pass over so many rows, roughly."""
        total = 0
        for stage in self.stages:
            n_rows = -(-n_rows // stage.stride)
            total += 2 * n_rows * stage.n_weights
        return total

    def forward(self, x, batch, work, weights):
        """Take a packed batch through all stages: a tape for each, in ``work``."""
        tapes = []
        for k, stage in enumerate(self.stages):
            coarse = batch.coarser(stage.stride)
            y = stage.forward(x, batch, coarse, weights[k], work.part(("stage", k)))
            tapes.append(Tape(batch, x, coarse, y))
            x, batch = y, coarse
        return tapes

    def backward(self, tapes, dy, work, weights, grads, want_dx):
        """Go back through all stages: the gradient of what the first reads, or None.

        ``dy`` is used up, and that of the parameters is added to `grads`, of each stage.
        """
        for k in range(len(self.stages) - 1, -1, -1):
            dy = self.stages[k].backward(
                tapes[k], dy, weights[k], grads[k], work.part(("stage", k)), want_dx or k > 0
            )
        return dy

    def spread(self, y, coarse, batch, work, target):
        """Fill target (N, F): each row of a coarse batch once for every step it stands for."""
        work.call(windows.spread_forward, y, coarse.first, batch.alive, self.stride, target)

    def gather(self, dtarget, coarse, batch, work):
        """The gradient of what was spread, (N', F)."""
        dy = work.take("gathered", (len(coarse.rows), dtarget.shape[1]))
        work.call(windows.spread_backward, dtarget, coarse.first, batch.alive, self.stride, dy)
        return dy
