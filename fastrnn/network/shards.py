"""What a network's threads work on and with.

A minibatch in shards and windows, memory, packed weights, and gradients that are added in order.
"""

import itertools
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

from fastrnn.kernels.dense import pack_weights, pack_weights_transposed
from fastrnn.network import threads


def take_states(states, which):
    """The states of some sequences, for each layer."""
    return [tuple([array[:, which] for array in layer]) for layer in states]


def put_states(source, which, states):
    """Write the states of some sequences, for each layer."""
    for layer, target in zip(source, states, strict=True):
        for array, target_array in zip(layer, target, strict=True):
            target_array[:, which] = array


def running_totals(sizes):
    """The sum of the sizes before each, and of all."""
    return list(itertools.accumulate(sizes, initial=0))


_SEED_STEP = 0xD1342543DE82EF95
"""Odd, and no multiple of SplitMix64's own step: seeds of windows are so far apart."""


class Seeds(NamedTuple):
    """Of the masks of a layer in a shard: recurrent dropout, that of its outputs, and zones."""

    recurrent: int
    outputs: int
    zones: int | None = None

    def from_step(self, start):
        """Those of a window: recurrent masks are those of the whole sequence, the others new."""
        apart = start * _SEED_STEP
        others = [None if seed is None else (seed + apart) % 2**64 for seed in self[1:]]
        return Seeds(self.recurrent, *others)


PACKING_FLOPS = 32
"""Arithmetic that takes as long as to pack an element."""


def fill_packed(calls, n_jobs=None):
    """Fill packed factors: make the calls (function, arguments) that were planned for them."""
    if n_jobs is None:
        for function, arguments in calls:
            function(*arguments)
        return
    size = sum(len(packed) for _, (*_, packed) in calls)
    threads.run(lambda call: call[0](*call[1]), calls, n_jobs, PACKING_FLOPS * size)


class Memory:
    """Workspaces of one thread: one for each layer, one for what lies between."""

    def __init__(self, network):
        self.layers = [network.make_workspace() for _ in network.layers]
        self.network = network.make_workspace()


class PackedWeights:
    """The weights of every layer in packed form, to be packed anew for every minibatch."""

    def __init__(self, network, *, want_dx=False):
        self.forward, self.backward = [], []
        factors, transposed_factors = [], []
        for k, layer in enumerate(network.layers):
            work = network.make_workspace()
            weights, planned = layer.plan_forward(work)
            self.forward.append(weights)
            factors += planned
            needs_dx = k > 0 or want_dx or bool(network.embeddings) or network.decay is not None
            weights, planned = layer.plan_backward(work, want_dx=needs_dx)
            self.backward.append(weights)
            transposed_factors += planned
        head, width, work = network.head, network.pooling.width, network.make_workspace()
        self.head_forward, forward_calls = head.plan_forward(width, work)
        self.head_backward, backward_calls = head.plan_backward(width, work)
        self._calls = [(pack_weights, factor) for factor in factors]
        self._calls += [(pack_weights_transposed, factor) for factor in transposed_factors]
        self._calls += forward_calls + backward_calls

    def pack(self, n_jobs=None):
        """Fill the factors of all layers and of the head."""
        fill_packed(self._calls, n_jobs)


class LayerGradients:
    """A gradient of the parameters of the layers, with its views."""

    def __init__(self, network, flat=None):
        if flat is None:
            flat = network.make_workspace().take("gradients", (network.n_layer_parameters,))
        self.flat = flat
        self.layers = [
            layer.by_direction(views)
            for layer, views in zip(network.layers, network.layer_views(flat), strict=True)
        ]
        self.decay = network.views_of("decay", flat)
        self.pooling = network.views_of("pooling", flat)


class InOrder:
    """Adds the gradients of shards in their order to those of the first."""

    def __init__(self, total, spare):
        self.total, self.spare = total, spare
        self.lock = threading.Lock()
        self.waiting = {}
        self.next = 0

    def add(self, k, gradients):
        """Add those of shard k now or, if one before it is missing, after that."""
        with self.lock:
            self.waiting[k] = gradients
            while self.next in self.waiting:
                gradients = self.waiting.pop(self.next)
                if gradients is not self.total:
                    self.total.flat += gradients.flat
                    self.spare.append(gradients)
                self.next += 1


@dataclass(slots=True)
class Minibatch:
    """A minibatch, cut into shards.

    For each shard `head_rows` are the rows that the head reads of the shards before it, and
    `step_rows` their steps; both end with the sum over all. `total` is the sum of the weights.
    """

    shards: list
    head_rows: list
    step_rows: list
    total: float

    def step_ranges(self):
        """Each shard with the range of its steps among those of all shards."""
        for shard, (begin, end) in zip(
            self.shards, itertools.pairwise(self.step_rows), strict=True
        ):
            yield shard, begin, end


@dataclass(slots=True)
class Window:
    """Some of a shard's time steps, which go forward and backward before the next ones.

    Its first `n_on` sequences go on after it; it begins at packed row `first` of the shard.
    """

    batch: object
    seeds: list | None
    n_on: int = 0
    first: int = 0


@dataclass(slots=True)
class Shard:
    """What a forward pass leaves: seeds of the dropout, threads it may use, tapes of each layer."""

    batch: object
    seeds: list | None
    n_threads: int
    tapes: list = field(default_factory=list)
