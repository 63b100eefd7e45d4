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


class Weights(NamedTuple):
    """Packed factors for one way: those of each layer, and of the stages before the first."""

    layers: list
    front: list


def plan_forward(network):
    """Plan the packing of the `Weights` for forward passes: they and the calls that fill them."""
    layers, calls, front = [], [], []
    for layer in network.layers:
        weights, factors = layer.plan_forward(network.make_workspace())
        layers.append(weights)
        calls += [(pack_weights, factor) for factor in factors]
    if network.front:
        front, of_front = network.front.plan_forward(network.make_workspace())
        calls += of_front
    return Weights(layers, front), calls


def plan_backward(network, *, want_dx=False):
    """Likewise for backward passes; ``want_dx`` is for what the first layer reads."""
    layers, calls, front = [], [], []
    want_dx = want_dx or bool(network.embeddings or network.decay or network.front)
    for k, layer in enumerate(network.layers):
        work = network.make_workspace()
        weights, factors = layer.plan_backward(work, want_dx=k > 0 or want_dx)
        layers.append(weights)
        calls += [(pack_weights_transposed, factor) for factor in factors]
    if network.front:
        front, of_front = network.front.plan_backward(network.make_workspace())
        calls += of_front
    return Weights(layers, front), calls


PACKING_FLOPS = 32
"""Arithmetic that takes as long as to pack an element."""


def fill_packed(calls, n_jobs=None):
    """Fill packed factors: make the calls (function, arguments) that were planned for them."""
    if n_jobs is None:
        for function, arguments in calls:
            function(*arguments)
        return
    size = sum(len(packed) for _, (*_, packed, _) in calls)
    threads.run(lambda call: call[0](*call[1]), calls, n_jobs, PACKING_FLOPS * size / len(calls))


class Memory:
    """Workspaces of one thread: one for each layer, one for what lies between."""

    def __init__(self, network):
        self.layers = [network.make_workspace() for _ in network.layers]
        self.network = network.make_workspace()

    def write_down(self, calls):
        """Add all calls of kernels to a list, or to None."""
        for work in (*self.layers, self.network):
            work.write_down(calls)


class PackedWeights:
    """The weights of every layer in packed form, to be packed anew for every minibatch."""

    def __init__(self, network, *, want_dx=False):
        self.forward, factors = plan_forward(network)
        self.backward, transposed_factors = plan_backward(network, want_dx=want_dx)
        head, width, work = network.head, network.pooling.width, network.make_workspace()
        self.head_forward, forward_calls = head.plan_forward(width, work)
        self.head_backward, backward_calls = head.plan_backward(width, work)
        self.calls = factors + transposed_factors + forward_calls + backward_calls

    def pack(self, n_jobs=None):
        """Fill the factors of all layers and of the head."""
        fill_packed(self.calls, n_jobs)


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
        self.front = network.front and network.front.by_stage(network.views_of("conv", flat))

    def add(self, other):
        """Add another gradient of the same parameters."""
        self.flat += other.flat


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
                    self.total.add(gradients)
                    self.spare.append(gradients)
                self.next += 1


@dataclass(slots=True)
class Minibatch:
    """A minibatch, cut into shards.

    For each shard `head_rows` are the rows that the head reads of the shards before it, and
    `step_rows` their steps; both end with the sum over all. `total` is the sum of the weights, and
    `shard_flops` the arithmetic of a shard's forward pass, in the mean.
    """

    shards: list
    head_rows: list
    step_rows: list
    total: float
    shard_flops: float

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
    """What a forward pass leaves: seeds of the dropout, threads it may use, tapes of each layer.

    The layers have read `batch`, which is coarser than the one that was `given` where there are
    stages before the first layer; `front` are their tapes.
    """

    batch: object
    seeds: list | None
    n_threads: int
    given: object
    front: list
    tapes: list = field(default_factory=list)
