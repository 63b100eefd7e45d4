"""A packed batch through the layers and the head of a network, forward and backward.

Truncated backpropagation cuts time into windows. Where every layer reads forward, and the head sees
the last states alone or every step, a window goes forward and backward before the next one begins:
only one window is ever in memory, and one of which the head sees nothing is not gone back through
at all, for its gradient is zero. Otherwise the whole time is kept, and gradients stop at the
borders of the windows.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fastrnn.kernels import packing
from fastrnn.kernels.dropout import dropout
from fastrnn.kernels.embedding import embedding_forward
from fastrnn.network import batches, both_directions
from fastrnn.network.batches import pack
from fastrnn.network.shards import Shard, Window


def forward_flops(network, n_rows):
    """Floating-point operations up to the top layer over so many packed rows, roughly."""
    if network.front is None:
        return 2 * n_rows * network.n_layer_parameters
    of_layers = 2 * network.front.n_rows(n_rows) * sum(x.n_parameters for x in network.layers)
    return network.front.flops(n_rows) + of_layers


def count_shards(network: Any, n_sequences: int, n_rows: float) -> int:
    """How many shards a batch has whose gradients are added.

    Those of many weights are wide, if that leaves two: threads share what is outside the layers,
    too, such as a head of many outputs.
    """
    flops = forward_flops(network, n_rows)
    reads_much = flops >= batches.WIDE_FLOPS * n_rows and n_sequences >= 2 * batches.WIDE_SHARD_SIZE
    return batches.count_shards(n_sequences, flops, network.rounds or reads_much)


def windows_of(network, batch, seeds, steps):
    """Cut a shard into windows of so many steps, where they can go one after the other."""
    n_steps = len(batch.alive)
    if steps is None or steps >= n_steps or not network.can_cut_time:
        return (Window(batch, seeds),)
    return _cut(batch, seeds, steps, n_steps)


def _cut(batch, seeds, steps, n_steps):
    for start in range(0, n_steps, steps):
        n_here, first = int(batch.alive[start]), batch.rows_until(start)
        lengths = np.minimum(batch.lengths[:n_here] - start, steps)
        window = pack(batch.rows[first : first + n_here], lengths, 1, np.arange(n_here))
        stop = start + steps
        n_on = int(batch.alive[stop]) if stop < n_steps else 0
        window_seeds = seeds and [of_layer.from_step(start) for of_layer in seeds]
        yield Window(replace(window, order=batch.order[:n_here]), window_seeds, n_on, first)


def forward(
    network, sequences, batch, memory, weights, *,
    n_threads, keep, seeds=None, outputs=True, states=None,
):  # fmt: skip
    """Run a packed batch through the layers; without ``outputs`` only to its final state."""
    x, factors, given, of_front = _input(network, sequences, batch, memory.network), None, batch, []
    if network.decay:
        size = network.layers[0].hidden_size
        factors = network.decay.forward(sequences.values, batch, x, size, memory.network)
    if network.front:
        of_front = network.front.forward(x, batch, memory.network, weights.front)
        *_, batch, x = of_front[-1]
    shard, layers = Shard(batch, seeds, n_threads, given, of_front), network.layers
    top = len(layers) - 1
    for k, layer in enumerate(layers):
        work = memory.layers[k]
        mask = zones = None
        if seeds is not None:
            zones = seeds[k].zones
            if network.recurrent_dropout:
                mask = _recurrent_mask(network, shard, k, work)
        tapes = both_directions.forward(
            layer, x, batch, work, weights.layers[k], mask=mask, seed=zones, keep=keep,
            outputs=outputs or k < top, state=states and states[k],
            factors=None if k else factors, n_threads=n_threads,
        )  # fmt: skip
        shard.tapes.append(tapes)
        if k < top:
            x = drop(network, shard, k, both_directions.outputs(layer, tapes, batch, work), work)
    return shard


def _input(network, sequences, batch, work):
    """What is read at each packed row: numbers, then learned features."""
    rows = batch.rows
    x = work.take("x", (len(rows), network.input_width))
    if network.architecture.n_features:
        work.call(packing.take_rows, sequences.values, 0, rows, x)
    for which, (k, column) in enumerate(network.columns):
        table = network.embeddings[k]
        if not work.call(embedding_forward, table, sequences.ids, which, rows, x, column):
            raise ValueError(
                f"column {which} of the ids has one that is no row of the network's table, of "
                f"{len(table)}: what the model learned of its input has been changed"
            )
    return x


def _recurrent_mask(network, shard, k, work):
    """Factors of the states of layer k, the same at all steps."""
    layer, n_sequences = network.layers[k], len(shard.batch.order)
    mask = work.take("mask", (layer.n_directions, n_sequences, layer.hidden_size))
    mask.fill(1)
    rows = mask.reshape(-1, layer.hidden_size)
    work.call(dropout, rows, network.recurrent_dropout, shard.seeds[k].recurrent, rows)
    return mask


def drop(network, shard, k, x, work, dropped=None):
    """The outputs of layer k, what is pooled of them, or gradients, with dropout."""
    if shard.seeds is None or not network.dropout:
        return x
    if dropped is None:
        dropped = work.take("dropped", x.shape)
    work.call(dropout, x, network.dropout, shard.seeds[k].outputs, dropped)
    return dropped


def top_outputs(network, shard, memory):
    """The states of all steps of the top layer, packed, with dropout."""
    top = len(network.layers) - 1
    work = memory.layers[top]
    y = both_directions.outputs(network.layers[top], shard.tapes[top], shard.batch, work)
    return drop(network, shard, top, y, work)


def final_states(network, shard, call=None):
    """The state of each layer where each sequence ends, in packed order; `call` calls kernels."""
    return [
        both_directions.final_state(layer, tapes, shard.batch, call)
        for layer, tapes in zip(network.layers, shard.tapes, strict=True)
    ]


def batch_said(network, shard):
    """The packed batch of which the head says something, where it reads every step."""
    return shard.given if network.spreads else shard.batch


def read_out(network, shard, memory, weights, pooled, outputs):
    """The head's outputs, from what it reads; both are filled."""
    work, states = memory.network, pooled
    if network.spreads:
        states = work.take("states", (len(shard.batch.rows), network.pooling.width))
    network.pooling.forward(shard.tapes[-1], shard.batch, work, states)
    if network.spreads:
        network.front.spread(states, shard.batch, shard.given, work, pooled)
    drop(network, shard, len(network.layers) - 1, pooled, memory.network, pooled)
    network.head.forward(pooled, weights, outputs, memory.network)


def backward(
    network, sequences, shard, doutputs, memory, weights, gradients, bptt_steps, dx, *,
    watch=None, of_values=None,
):  # fmt: skip
    """Add the gradient of the layers of a shard, given that of its outputs.

    `dx` is filled with that of what is read of each step, and `of_values`, in the rows of the
    shard, with that of the values of the sequences; None of either.
    """
    batch, work = shard.batch, memory.network
    top = len(network.layers) - 1
    dpooled = work.take("dpooled", (len(doutputs), network.pooling.width))
    network.head.backward(doutputs, weights.head_backward, dpooled, work)
    drop(network, shard, top, dpooled, work, dpooled)
    if network.spreads:
        dpooled = network.front.gather(dpooled, batch, shard.given, work)
    tapes = shard.tapes[top]
    dy, dstate = network.pooling.backward(dpooled, tapes, batch, work, gradients.pooling)
    layers_backward(
        network, sequences, shard, dy, {top: dstate}, memory, weights, gradients, bptt_steps, dx,
        watch=watch, of_values=of_values,
    )  # fmt: skip


def layers_backward(
    network, sequences, shard, dy, dstates, memory, weights, gradients, bptt_steps, dx, *,
    watch=None, of_values=None,
):  # fmt: skip
    """Likewise, given the gradient of the top layer's outputs (or None, or callable).

    ``dstates`` are those of the final states by the number of their layer, used up; what is
    returned are those of the initial states, of each layer.
    """
    batch, work, layers = shard.batch, memory.network, network.layers
    want_dx, of_start = dx is not None, [None] * len(layers)
    for k in range(len(layers) - 1, -1, -1):
        layer = layers[k]
        dh_norms = np.empty((layer.n_directions, len(batch.rows))) if watch else None
        dy, of_start[k] = both_directions.backward(
            layer, shard.tapes[k], batch, memory.layers[k], weights.backward.layers[k],
            gradients.layers[k], dy=dy, dstate=dstates.get(k),
            want_dx=k > 0 or want_dx or bool(network.decay or network.front),
            bptt_steps=bptt_steps, dh_norms=dh_norms, n_threads=shard.n_threads,
        )  # fmt: skip
        if watch:
            watch(batch, k, dh_norms)
        if k > 0:
            drop(network, shard, k - 1, dy, work, dy)
    if network.front:
        dy = network.front.backward(
            shard.front, dy, work, weights.backward.front, gradients.front, want_dx
        )
    if network.decay:
        network.decay.backward(
            sequences.values, batch, dy, shard.tapes[0], gradients.decay, work, of_values
        )
    elif of_values is not None:
        of_values[shard.given.rows] = dy[:, : of_values.shape[1]]
    if dx is not None:
        work.call(np.copyto, dx, dy)
    return of_start
