"""A packed batch through an encoder-decoder network, forward and backward.

Of both sequences of a pair, what stands between the networks has its steps one after the other,
sequence after sequence in the order of the packed source.
"""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import both_directions, feeding, passes
from fastrnn.network.attending import Pairs
from fastrnn.network.pair_parts import Encoded, Tape, Told

__all__ = ["backward", "encode", "tell"]


def encode(network, sequences, batch, memory, weights, *, n_threads, keep, seeds=None):
    """Run a packed batch through the encoder."""
    encoder, work = network.encoder, memory.between
    shard = passes.forward(
        encoder, sequences, batch, memory.encoder, weights.encoder_forward,
        n_threads=n_threads, keep=keep, seeds=seeds,
    )  # fmt: skip
    lengths = shard.batch.lengths
    starts = np.cumsum(lengths) - lengths
    rows = shard.batch.rows_apart()
    packed = passes.top_outputs(encoder, shard, memory.encoder)
    y = work.take("source", packed.shape)
    work.call(packing.put_rows, packed, rows, y, 0)
    keys = network.attending.kind.keys(y, weights.attention, work)
    final = passes.final_states(encoder, shard, work.call)
    return Encoded(shard, rows, y, keys, starts, lengths, final)


def tell(network, encoded, taught, memory, weights, *, n_threads, keep, seeds=None):
    """Run steps that are taught through the decoder, up to the attentional states."""
    decoder, work, attending = network.decoder, memory.between, network.attending
    batch = taught.pack()
    start = network.bridge.forward(encoded.final, weights.bridge, batch.order, work)
    pairs = Pairs.of(encoded.starts, encoded.lengths, taught.starts, taught.lengths)
    if network.architecture.input_feeding:
        return feeding.tell(
            network, encoded, taught, batch, start, pairs, memory, weights,
            n_threads=n_threads, keep=keep, seeds=seeds,
        )  # fmt: skip
    shard = passes.forward(
        decoder, taught, batch, memory.decoder, weights.decoder_forward,
        n_threads=n_threads, keep=keep, seeds=seeds, states=start,
    )  # fmt: skip
    h = both_directions.outputs(
        decoder.layers[-1], shard.tapes[-1], batch, memory.decoder.layers[-1]
    )
    joined = attending.room(len(h), work)
    work.call(packing.put_rows, h, batch.rows, joined, attending.width)
    y, keys = encoded.y, encoded.keys
    a, attention = attending.forward(joined, y, keys, pairs, weights.attention, work)
    tape = Tape(shard, (joined, y, keys, pairs, a, attention))
    return Told(taught, batch, a, pairs, attention, [tape])


def _backward_through_decoder(
    network, told, da, dy, dkeys, memory, weights, gradients, bptt_steps, dx
):
    """The gradient of the decoder's initial states; those of the source's are added to."""
    decoder, work, attending, (tape,) = (
        network.decoder,
        memory.between,
        network.attending,
        told.steps,
    )
    djoined = attending.backward(
        da, tape.attention, weights.attention_backward, dy, dkeys, gradients.attention, work
    )
    dh = work.take("dh", (len(da), attending.size))
    work.call(packing.take_rows, djoined, attending.width, told.batch.rows, dh)
    return passes.layers_backward(
        decoder, told.taught, tape.shard, dh, {}, memory.decoder, weights.decoder,
        gradients.decoder, bptt_steps, dx,
    )  # fmt: skip


def backward(
    network, sequences, encoded, told, da, memory, weights, gradients, bptt_steps, dx, *,
    watch=None, of_values=None,
):  # fmt: skip
    """Add the gradient of a shard, given that of its attentional states, which is used up.

    ``dx`` are rows of the shard to be filled with that of what each network reads; or None. The
    rest is about the encoder, as of `passes.layers_backward`.
    """
    encoder, work, y = network.encoder, memory.between, encoded.y
    kind, of_weights = network.attending.kind, weights.attention_backward
    dy = work.zeros("dsource", y.shape)
    dkeys = kind.make_dkeys(dy, work)
    through = _backward_through_decoder
    if network.architecture.input_feeding:
        through = feeding.backward
    dstart = through(network, told, da, dy, dkeys, memory, weights, gradients, bptt_steps, dx[1])
    kind.keys_backward(dkeys, y, of_weights, dy, gradients.attention, work)
    dfinal = network.bridge.backward(
        dstart, weights.bridge_backward, told.batch.order, gradients.bridge, work
    )
    dpacked = work.take("dpacked", y.shape)
    work.call(packing.take_rows, dy, 0, encoded.rows, dpacked)
    shard, top = encoded.shard, len(encoder.layers) - 1
    passes.drop(encoder, shard, top, dpacked, work, dpacked)
    passes.layers_backward(
        encoder, sequences, shard, dpacked, dfinal, memory.encoder, weights.encoder,
        gradients.encoder, bptt_steps, dx[0], watch=watch, of_values=of_values,
    )  # fmt: skip
