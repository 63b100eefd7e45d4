"""A packed batch through an encoder-decoder network, forward and backward.

Of both sequences of a pair, what stands between the networks has its steps one after the other,
sequence after sequence in the order of the packed source.
"""

from typing import NamedTuple

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import both_directions, passes
from fastrnn.network.attending import Pairs
from fastrnn.network.batches import pack
from fastrnn.network.shards import LayerGradients, Memory, PackedWeights, fill_packed, plan_forward

__all__ = [
    "Encoded",
    "ForwardWeights",
    "PairGradients",
    "PairMemory",
    "PairWeights",
    "Told",
    "backward",
    "encode",
    "tell",
]


class PairMemory:
    """Workspaces of one thread: of both networks, and for what lies between."""

    def __init__(self, network):
        self.encoder, self.decoder = Memory(network.encoder), Memory(network.decoder)
        self.between = network.make_workspace()


class PairWeights:
    """The weights of all parts in packed form, to be packed anew for every minibatch."""

    def __init__(self, network):
        self.encoder, self.decoder = PackedWeights(network.encoder), PackedWeights(network.decoder)
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
    """Likewise, for forward passes alone, filled at once."""

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
        fill_packed(calls)


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

    shard: passes.Shard
    rows: np.ndarray  # (N,): where packed steps, as its layers read them, are in what follows
    y: np.ndarray  # (N, F): states of all steps
    keys: np.ndarray  # (N, A): what they are known by
    starts: np.ndarray  # (B,): the first step of each sequence
    lengths: np.ndarray  # (B,)
    final: list  # of each layer the final states


def encode(network, sequences, batch, memory, weights, *, n_threads, keep, seeds=None):
    """Run a packed batch through the encoder."""
    encoder, work = network.encoder, memory.between
    shard = passes.forward(
        encoder, sequences, batch, memory.encoder, weights.encoder_forward,
        n_threads=n_threads, keep=keep, seeds=seeds,
    )  # fmt: skip
    lengths = shard.batch.lengths
    starts = np.cumsum(lengths) - lengths
    rows = pack(starts, lengths, 1, np.arange(len(lengths))).rows
    packed = passes.top_outputs(encoder, shard, memory.encoder)
    y = work.take("source", packed.shape)
    work.call(packing.put_rows, packed, rows, y, 0)
    keys = network.attending.kind.keys(y, weights.attention, work)
    final = passes.final_states(encoder, shard)
    return Encoded(shard, rows, y, keys, starts, lengths, final)


class Told(NamedTuple):
    """What the decoder has made of the steps that it was taught."""

    taught: tuple
    batch: object
    shard: passes.Shard
    tape: tuple  # for `Attending.backward`
    a: np.ndarray  # (M, H): attentional states
    attention: np.ndarray  # the weights of each pair, one after the other


def tell(network, encoded, taught, memory, weights, *, n_threads, keep, seeds=None):
    """Run steps that are taught through the decoder, up to the attentional states."""
    decoder, work, attending = network.decoder, memory.between, network.attending
    batch = taught.pack()
    start = network.bridge.forward(encoded.final, weights.bridge, batch.order, work)
    shard = passes.forward(
        decoder, taught, batch, memory.decoder, weights.decoder_forward,
        n_threads=n_threads, keep=keep, seeds=seeds, states=start,
    )  # fmt: skip
    h = both_directions.outputs(
        decoder.layers[-1], shard.tapes[-1], batch, memory.decoder.layers[-1]
    )
    joined = attending.room(len(h), work)
    work.call(packing.put_rows, h, batch.rows, joined, attending.width)
    pairs = Pairs.of(encoded.starts, encoded.lengths, taught.starts, taught.lengths)
    y, keys = encoded.y, encoded.keys
    a, attention = attending.forward(joined, y, keys, pairs, weights.attention, work)
    return Told(taught, batch, shard, (joined, y, keys, pairs, a, attention), a, attention)


def backward(network, sequences, encoded, told, da, memory, weights, gradients, bptt_steps, dx):
    """Add the gradient of a shard, given that of its attentional states, which is used up.

    ``dx`` are rows of the shard to be filled with that of what each network reads; or None.
    """
    encoder, decoder, work = network.encoder, network.decoder, memory.between
    attending, y = network.attending, encoded.y
    dy = work.zeros("dsource", y.shape)
    dkeys = attending.kind.make_dkeys(dy, work)
    of_weights, of_attention = weights.attention_backward, gradients.attention
    djoined = attending.backward(da, told.tape, of_weights, dy, dkeys, of_attention, work)
    attending.kind.keys_backward(dkeys, y, of_weights, dy, of_attention, work)
    dh = work.take("dh", (len(da), attending.size))
    work.call(packing.take_rows, djoined, attending.width, told.batch.rows, dh)
    dstart = passes.layers_backward(
        decoder, told.taught, told.shard, dh, {}, memory.decoder, weights.decoder,
        gradients.decoder, bptt_steps, dx[1],
    )  # fmt: skip
    dfinal = network.bridge.backward(
        dstart, weights.bridge_backward, told.batch.order, gradients.bridge, work
    )
    dpacked = work.take("dpacked", y.shape)
    work.call(packing.take_rows, dy, 0, encoded.rows, dpacked)
    shard, top = encoded.shard, len(encoder.layers) - 1
    passes.drop(encoder, shard, top, dpacked, work, dpacked)
    passes.layers_backward(
        encoder, sequences, shard, dpacked, dfinal, memory.encoder, weights.encoder,
        gradients.encoder, bptt_steps, dx[0],
    )  # fmt: skip
