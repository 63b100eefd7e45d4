"""What a network's threads work on and with.

A minibatch in shards and pieces, memory, packed weights, and gradients that are added in order.
"""

import itertools
import threading
from dataclasses import dataclass, field

import numpy as np

from fastrnn.kernels.dense import pack_weights, pack_weights_transposed
from fastrnn.workspace import Workspace


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


def pack_head(network, work):
    """The head's weights in packed form, for a forward pass."""
    packed = work.packed("head", network.pooling.width, network.n_outputs)
    if network.tied:
        pack_weights_transposed(network.embeddings[0], 0, network.pooling.width, packed)
    else:
        pack_weights(network.head["W"], 0, network.n_outputs, packed)
    return packed


class Memory:
    """Workspaces of one thread: one for each layer, one for what lies between."""

    def __init__(self, network):
        self.layers = [Workspace(network.dtype) for _ in network.layers]
        self.network = Workspace(network.dtype)


class PackedWeights:
    """The weights of every layer in packed form, to be packed anew for every minibatch."""

    def __init__(self, network, *, want_dx=False):
        self.forward, self.backward = [], []
        factors, transposed_factors = [], []
        for k, layer in enumerate(network.layers):
            work = Workspace(network.dtype)
            weights, planned = layer.plan_forward(work)
            self.forward.append(weights)
            factors += planned
            needs_dx = k > 0 or want_dx or bool(network.embeddings)
            weights, planned = layer.plan_backward(work, want_dx=needs_dx)
            self.backward.append(weights)
            transposed_factors += planned
        work, width, n_outputs = Workspace(network.dtype), network.pooling.width, network.n_outputs
        self.head_forward = work.packed("forward", width, n_outputs)
        self.head_backward = work.packed("backward", n_outputs, width)
        if network.tied:
            table = network.embeddings[0]
            factors.append((table, 0, width, self.head_backward))
            transposed_factors.append((table, 0, width, self.head_forward))
        else:
            W = network.head["W"]
            factors.append((W, 0, n_outputs, self.head_forward))
            transposed_factors.append((W, 0, n_outputs, self.head_backward))
        self._factors, self._transposed_factors = factors, transposed_factors

    def pack(self):
        """Fill the factors of all layers and of the head."""
        for factor in self._factors:
            pack_weights(*factor)
        for factor in self._transposed_factors:
            pack_weights_transposed(*factor)


class LayerGradients:
    """A gradient of the parameters of the layers, with its views."""

    def __init__(self, network, flat=None):
        if flat is None:
            flat = np.empty(network.n_layer_parameters, dtype=network.dtype)
        self.flat = flat
        self.layers = [
            layer.by_direction(views)
            for layer, views in zip(network.layers, network.layer_views(flat), strict=True)
        ]


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

    For each shard `members` are the numbers of its sequences, `head_rows` the rows that the head
    reads of the shards before it, and `step_rows` their steps; both end with the sum over all.
    `total` is the sum of the weights.
    """

    shards: list
    members: list
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
class Piece:
    """A piece of a shard's time.

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
