"""What passes through an encoder-decoder network work on and with.

Memory, packed weights and gradients of all its parts; and what goes from one part to the next.
"""

from typing import Any, NamedTuple

import numpy as np

from fastrnn.network.attending import Pairs
from fastrnn.network.batches import PackedBatch
from fastrnn.network.shards import (
    LayerGradients,
    Memory,
    PackedWeights,
    Shard,
    Weights,
    fill_packed,
    plan_forward,
)

__all__ = [
    "Encoded",
    "ForwardWeights",
    "PairGradients",
    "PairMemory",
    "PairWeights",
    "Tape",
    "Told",
]


class StepMemory:
    """Workspaces for a step of the decoder, and of the attention that follows."""

    def __init__(self, network):
        self.decoder, self.between = Memory(network.decoder), network.make_workspace()


class PairMemory(StepMemory):
    """Workspaces of one thread: of both networks, and for what lies between."""

    def __init__(self, network):
        super().__init__(network)
        self.encoder, self.steps = Memory(network.encoder), []

    def of_step(self, t, network):
        """Those of a step that keeps what it needs on the way back."""
        while len(self.steps) <= t:
            self.steps.append(StepMemory(network))
        return self.steps[t]


class PairWeights:
    """The weights of all parts in packed form, to be packed anew for every minibatch."""

    def __init__(self, network, *, want_dx=False):
        self.encoder = PackedWeights(network.encoder, want_dx=want_dx)
        self.decoder = PackedWeights(network.decoder)
        work = network.make_workspace()
        self.bridge, calls = network.bridge.plan_forward(work)
        self.bridge_backward, more = network.bridge.plan_backward(work)
        calls += more
        self.attention, more = network.attending.plan_forward(work)
        calls += more
        self.attention_backward, more = network.attending.plan_backward(work)
        self._calls = calls + more
        self.encoder_forward, self.decoder_forward = self.encoder.forward, self.decoder.forward
        self.head = self.decoder.head_forward

    def pack(self, n_jobs=None):
        """Fill all factors."""
        for part in (self.encoder, self.decoder):
            part.pack(n_jobs)
        fill_packed(self._calls, n_jobs)


class ForwardWeights:
    """Likewise, for forward passes alone."""

    decoder_forward: Weights
    bridge: Any
    attention: Any
    head: Any

    def __init__(self, network):
        work = network.make_workspace()
        self.encoder_forward, calls = plan_forward(network.encoder)
        for name, plan in (
            ("decoder_forward", lambda: plan_forward(network.decoder)),
            ("bridge", lambda: network.bridge.plan_forward(work)),
            ("attention", lambda: network.attending.plan_forward(work)),
            (
                "head",
                lambda: network.decoder.head.plan_forward(network.decoder.pooling.width, work),
            ),
        ):
            room, more = plan()
            setattr(self, name, room)
            calls += more
        self._calls = calls

    def pack(self):
        """Fill all factors."""
        fill_packed(self._calls)


class PairGradients:
    """A gradient of all parameters but tables and head, with its views, in two vectors."""

    def __init__(self, network, flats=None):
        if flats is None:
            sizes = [part.stop - part.start for part in network.layer_ranges()]
            work = network.make_workspace()
            flats = [work.take(k, (size,)) for k, size in enumerate(sizes)]
        self.flats = flats
        self.encoder = LayerGradients(network.encoder, flats[0])
        between = network.between_views(flats[1])
        self.bridge, self.attention = between["bridge"], between["attention"]
        n_between = network.n_between
        self.decoder = LayerGradients(network.decoder, flats[1][n_between:])

    def clear(self):
        """Set all to 0."""
        for flat in self.flats:
            flat.fill(0)

    def add(self, other):
        """Add another gradient of the same parameters."""
        for flat, of_other in zip(self.flats, other.flats, strict=True):
            flat += of_other


class Encoded(NamedTuple):
    """What the encoder has made of a packed batch of B sequences."""

    shard: Shard
    rows: np.ndarray  # (N,): where packed steps, as its layers read them, are in what follows
    y: np.ndarray  # (N, F): states of all steps
    keys: np.ndarray  # (N, A): what they are known by
    starts: np.ndarray  # (B,): the first step of each sequence
    lengths: np.ndarray  # (B,)
    final: list  # of each layer the final states


class Told(NamedTuple):
    """What the decoder has made of the steps that it was taught.

    ``steps`` are the tapes for the way back: one for all, or one for each.
    """

    taught: tuple
    batch: PackedBatch
    a: np.ndarray  # (M, H): attentional states
    pairs: Pairs
    attention: np.ndarray | None  # the weights of all pairs; None where each step has its own
    steps: list


class Tape(NamedTuple):
    """What the decoder leaves for the way back, of all steps or of one."""

    shard: Shard
    attention: tuple  # for `Attending.backward`
