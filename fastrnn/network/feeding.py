"""Input feeding: the decoder reads, with each label, the attentional state of the step before.

So each step waits for the one before to have paid attention (Luong et al. 2015, section 3.3): the
decoder goes through time step by step, and back likewise. Before the first step that state is 0.
"""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import both_directions, passes
from fastrnn.network.affine import add
from fastrnn.network.attending import Pairs
from fastrnn.network.pair_parts import Tape, Told
from fastrnn.network.shards import take_states

__all__ = ["backward", "tell"]


def tell(
    network, encoded, taught, batch, states, pairs, memory, weights, *, n_threads, keep, seeds
):
    """As `pair_passes.tell`, from initial states; of all pairs the weights if nothing is kept."""
    decoder, attending, size = network.decoder, network.attending, network.attending.size
    work, n_steps = memory.between, len(batch.rows)
    fed, told = work.zeros("fed", (n_steps, size)), work.take("told", (n_steps, size))
    taught = taught.with_values(fed)
    attention = None if keep else np.empty(pairs.n_weights, dtype=network.dtype)
    starts, lengths = encoded.starts[batch.order], encoded.lengths[batch.order]
    steps, a = [], told[:0]
    for t, window in enumerate(passes.windows_of(decoder, batch, seeds, 1)):
        here, n = window.batch, len(window.batch.order)
        room = memory.of_step(t if keep else 0, network)
        if t > 0:
            work.call(packing.put_rows, a[:n], here.rows, fed, 0)
        shard = passes.forward(
            decoder, taught, here, room.decoder, weights.decoder_forward,
            n_threads=n_threads, keep=keep, seeds=window.seeds, states=states,
        )  # fmt: skip
        final = passes.final_states(decoder, shard, work.call)
        states = take_states(final, slice(window.n_on))
        top = both_directions.outputs(
            decoder.layers[-1], shard.tapes[-1], here, room.decoder.layers[-1]
        )
        joined = attending.room(n, room.between)
        work.call(np.copyto, joined[:, attending.width :], top)
        each = np.arange(n), np.ones(n, dtype=np.int64)
        of_step = Pairs.of(starts[:n], lengths[:n], *each)
        y, keys = encoded.y, encoded.keys
        a, own = attending.forward(joined, y, keys, of_step, weights.attention, room.between)
        work.call(packing.put_rows, a, here.rows, told, 0)
        if keep:
            steps.append((window, Tape(shard, (joined, y, keys, of_step, a, own))))
            continue
        for source, (_, S, *_, first) in zip(here.order, of_step.table.tolist(), strict=True):
            begin = pairs.table[source, 4] + t * S
            attention[begin : begin + S] = own[first : first + S]
    return Told(taught, batch, told, pairs, attention, steps)


def backward(network, told, da, dy, dkeys, memory, weights, gradients, bptt_steps, dx):
    """The gradient of the decoder's initial states; those of the source's are added to."""
    decoder, attending, size = network.decoder, network.attending, network.attending.size
    dstates, dfed = {}, np.empty((0, size), dtype=network.dtype)
    for t in range(len(told.steps) - 1, -1, -1):
        window, tape = told.steps[t]
        room, here, n = memory.of_step(t, network), window.batch, len(window.batch.order)
        if bptt_steps and (t + 1) % bptt_steps == 0:
            dstates, dfed = {}, dfed[:0]
        da_t = room.between.take("da_t", (n, size))
        room.between.call(packing.take_rows, da, 0, here.rows, da_t)
        room.between.call(add, dfed, da_t[: len(dfed)])
        djoined = attending.backward(
            da_t, tape.attention, weights.attention_backward, dy, dkeys, gradients.attention,
            room.between,
        )  # fmt: skip
        dh = np.ascontiguousarray(djoined[:, attending.width :])
        dx_t = dx[window.first : window.first + n]
        dstart = passes.layers_backward(
            decoder, told.taught, tape.shard, dh, _lengthened(dstates, n), room.decoder,
            weights.decoder, gradients.decoder, None, dx_t,
        )  # fmt: skip
        dstates, dfed = dict(enumerate(dstart)), dx_t[:, :size]
    return list(dstates.values())


def _lengthened(states, n):
    """Gradients of the states of the first of n sequences; those of the others are 0."""
    return {
        k: tuple(np.pad(array, ((0, 0), (0, n - array.shape[1]), (0, 0))) for array in of_layer)
        for k, of_layer in states.items()
    }
