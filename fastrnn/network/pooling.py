"""What the head sees of the top layer: every state, or of each sequence one row.

That is the last states, their mean or maximum, or what attention makes of them: a mean whose
weights one learned query gives (kernels/attention.pyx). Several stand side by side.
"""

from abc import ABC, abstractmethod

import numpy as np

from fastrnn.kernels import attention, packing
from fastrnn.network import both_directions

__all__ = [
    "EVERY_STEP",
    "EXPECTED",
    "PARTS",
    "Attention",
    "Pooling",
    "is_of_parts",
    "parts_of",
    "shapes",
]

EVERY_STEP = "steps"
"""The pooling that leaves a row for every step."""


class Part(ABC):
    """A row (F,) for each sequence, from column `first` of what is pooled on.

    ``params`` are those of the pooling by name, views of the network's, its own among them.
    """

    needs_outputs = True
    """Whether it reads the states of all steps."""

    def __init__(self, layer, first):
        self.layer, self.first, self.params = layer, first, {}

    @staticmethod
    def shapes(width):
        """Name its parameters, with their shapes; ``width`` is F."""
        return {}

    @abstractmethod
    def forward(self, tapes, batch, work, pooled):
        """Fill its columns of ``pooled`` (B, any); ``work`` keeps what `backward` needs."""

    @abstractmethod
    def backward(self, dpooled, tapes, batch, work, grads):
        """Add the gradient of its parameters to ``grads``; that of the layer is of two kinds.

        The first is a function, which is given a direction, its ``dy`` (N, H) in its own order of
        time, and whether that is to be added to; threads may call it at once. The second is
        ``dstate``, that of the last states. One of them is None.
        """

    def columns(self, of_directions):
        """Something of each direction, with its first column in what is pooled."""
        size = self.layer.hidden_size
        firsts = range(self.first, self.first + self.layer.output_size, size)
        return zip(of_directions, firsts, strict=True)


class Last(Part):
    """The state after each sequence's own last step; for the second direction, after its first."""

    needs_outputs = False

    def forward(self, tapes, batch, work, pooled):
        for tape, column in self.columns(tapes):
            work.call(packing.last_forward, tape.h, batch.last, column, pooled)

    def backward(self, dpooled, tapes, batch, work, grads):
        layer = self.layer
        if dpooled.shape[1] == layer.hidden_size:  # it is all that there is
            return None, (dpooled[np.newaxis],)
        dh = work.take("dh", (layer.n_directions, len(batch.order), layer.hidden_size))
        for dh_of_direction, column in self.columns(dh):
            work.call(packing.last_backward, dpooled, column, dh_of_direction)
        return None, (dh,)


class Mean(Part):
    """The mean of the states over all steps."""

    def forward(self, tapes, batch, work, pooled):
        for tape, column in self.columns(tapes):
            work.call(packing.mean_forward, tape.h, batch.alive, batch.lengths, column, pooled)

    def backward(self, dpooled, tapes, batch, work, grads):
        def fill(direction, dy, adds):
            column = self.first + direction * self.layer.hidden_size
            arguments = (dpooled, batch.alive, batch.lengths, column, adds, dy)
            work.call(packing.mean_backward, *arguments)

        return fill, None


class Max(Part):
    """The maximum of the states over all steps, unit by unit."""

    def forward(self, tapes, batch, work, pooled):
        row_of = work.take("row_of", pooled.shape, dtype=np.int64)
        for tape, column in self.columns(tapes):
            work.call(packing.max_forward, tape.h, batch.alive, column, pooled, row_of)

    def backward(self, dpooled, tapes, batch, work, grads):
        row_of = work.take("row_of", dpooled.shape, dtype=np.int64)

        def fill(direction, dy, adds):
            column = self.first + direction * self.layer.hidden_size
            work.call(packing.max_backward, dpooled, row_of, column, adds, dy)

        return fill, None


class Attention(Part):
    """A mean of the states with learned weights: "query" (F,).

    It starts at zero, where all steps have the same weight: as the mean. It is decayed as other
    weights are, towards the mean.
    """

    @staticmethod
    def shapes(width):
        return {"query": (width,)}

    def forward(self, tapes, batch, work, pooled):
        self.weigh(tapes, batch, work, pooled)

    def weigh(self, tapes, batch, work, pooled):
        """Fill its columns of ``pooled``; give the weights of all steps, (N,).

        They stand one sequence after the other, in packed order, each in its order of time.
        """
        weights = work.take("attention", (len(batch.rows),))
        work.call(
            attention.attention_forward,
            tapes[0].h, tapes[-1].h, batch.alive, batch.lengths, self.params["query"], self.first,
            pooled, weights,
        )  # fmt: skip
        return weights

    def backward(self, dpooled, tapes, batch, work, grads):
        weights = work.take("attention", (len(batch.rows),))
        dscores = work.take("dscores", (len(batch.rows),))
        work.call(
            attention.attention_backward,
            dpooled, self.first, tapes[0].h, tapes[-1].h, batch.alive, batch.lengths, weights,
            dscores, grads["query"],
        )  # fmt: skip

        def fill(direction, dy, adds):
            size = self.layer.hidden_size
            begin = direction * size
            query = self.params["query"][begin : begin + size]
            work.call(
                attention.attention_outputs_backward,
                dpooled, self.first + begin, batch.alive, batch.lengths, weights, dscores, query,
                direction == 1, adds, dy,
            )  # fmt: skip

        return fill, None


PARTS = {"last": Last, "mean": Mean, "max": Max, "attention": Attention}

EXPECTED = (
    f"one of {', '.join(map(repr, PARTS))}, or different ones of them joined by '+', such as "
    "'mean+max'"
)
"""What leaves one row for each sequence, in words."""


def is_of_parts(kind):
    """Whether a word is a pooling that leaves one row for each sequence."""
    names = kind.split("+")
    return set(names) <= set(PARTS) and len(set(names)) == len(names)


def parts_of(kind: str) -> tuple[str, ...]:
    """The names of the parts of a pooling, which stand side by side in this order."""
    return () if kind == EVERY_STEP else tuple(kind.split("+"))


def shapes(kind, width):
    """Name the parameters of a pooling, with their shapes; ``width`` is F."""
    named = {}
    for name in parts_of(kind):
        named |= PARTS[name].shapes(width)
    return named


class Pooling:
    """From the states of the top layer to the rows that the head reads, and gradients back.

    The kind is that of `Architecture`; ``params`` are its parameters by name.
    """

    def __init__(self, kind, layer, params=None):
        self.kind = kind
        self.layer = layer
        self.every_step = kind == EVERY_STEP
        width = layer.output_size
        self.parts = [PARTS[name](layer, k * width) for k, name in enumerate(parts_of(kind))]
        self.width = width * max(1, len(self.parts))
        self.needs_outputs = self.every_step or any(part.needs_outputs for part in self.parts)
        self.time_may_be_cut = self.every_step or not self.needs_outputs
        self.params = params or {}
        for part in self.parts:
            part.params = self.params

    def n_rows(self, batch):
        """How many rows the head reads of a packed batch."""
        return len(batch.rows) if self.every_step else len(batch.order)

    def places(self, batch):
        """What each row of a packed batch that the head reads is for: a sequence, or a step."""
        return batch.rows if self.every_step else batch.order

    def forward(self, tapes, batch, work, pooled):
        """Fill ``pooled`` (rows, F): a row for each sequence in packed order, or for each step.

        ``work`` keeps what `backward` needs.
        """
        if self.every_step:
            y = both_directions.outputs(self.layer, tapes, batch, work)
            work.call(np.copyto, pooled, y)
        for part in self.parts:
            part.forward(tapes, batch, work, pooled)

    def backward(self, dpooled, tapes, batch, work, grads):
        """From the gradient of what was pooled, used up, to ``dy`` and ``dstate`` of the layer.

        That of its parameters is added to ``grads``.
        """
        if self.every_step:
            return dpooled, None
        fills, dstate = [], None
        for part in self.parts:
            fill, dlast = part.backward(dpooled, tapes, batch, work, grads)
            if fill:
                fills.append(fill)
            dstate = dstate or dlast

        def dy(direction):
            dy = work.take(("dy", direction), (len(batch.rows), self.layer.hidden_size))
            for k, fill in enumerate(fills):
                fill(direction, dy, k > 0)
            return dy

        return (dy if fills else None), dstate
