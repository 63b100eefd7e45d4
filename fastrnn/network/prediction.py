"""What a network says of sequences: every function here is a method of `Network`.

Sequences of about equal length go through the network together, a few at a time, on one of several
threads if asked. Their n sequences have N steps in all: results for these have rows as in
``sequences.values``, which is of the network's dtype.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn.inputs.sequences import Sequences
from fastrnn.kernels import packing
from fastrnn.kernels.losses import sum_of_weights
from fastrnn.network import both_directions, passes, threads
from fastrnn.network.batches import (
    PackedBatch,
    pack,
    pack_shards,
    rows_from,
    sort_by_length,
)
from fastrnn.network.pooling import Attention, Pooling
from fastrnn.network.shards import (
    LayerGradients,
    Memory,
    PackedWeights,
    fill_packed,
    plan_forward,
    put_states,
    take_states,
)
from fastrnn.network.workspace import take_spare
from fastrnn.typing import Doubles, Floats

__all__ = [
    "attention_weights",
    "best_outputs",
    "best_paths",
    "final_states",
    "hidden_states",
    "input_gradients",
    "label_log_likelihoods",
    "log_likelihoods",
    "mean_loss",
    "predict",
    "read_on",
]

PREDICT_SIZE = 64
"""Sequences, of about equal length, that go through the network together when it predicts."""

PREDICT_OUTPUTS = 2**22
"""Outputs of a head that reads every step that are held at a time when the network predicts,
roughly: time is cut into windows for it, if the network reads in one direction."""

READ_ROWS = 2**12
"""Steps that are held at a time where only what they lead to is wanted."""


def predict(network, sequences, *, n_jobs=None):
    """Predict for each sequence (n, K), or if the head reads every one for each step (N, K)."""
    n_rows = _count_rows(network, sequences)
    predictions = np.empty((n_rows, network.head.n_outputs), dtype=network.dtype)

    def collect(outputs, places, batch, room):
        network.head.decode(outputs, batch, room)
        packing.put_rows(outputs, places, predictions, 0)

    _for_all_outputs(network, sequences, n_jobs, collect)
    return predictions


def best_outputs(network, sequences, *, n_jobs=None):
    """The number of the output that is best for each sequence (n,), or for each step (N,)."""
    best = np.empty(_count_rows(network, sequences), dtype=np.int64)

    def collect(outputs, places, batch, room):
        best[places] = network.head.best(outputs, batch, room)

    _for_all_outputs(network, sequences, n_jobs, collect)
    return best


def mean_loss(network, sequences, target, weight, *, n_jobs=None):
    """Mean loss, ``sum(weight * loss) / sum(weight)``, without dropout and penalty.

    Target and weight are those of `Network.loss_and_grad`.
    """
    total = sum_of_weights(weight, np.arange(len(weight)))
    losses = {}

    def collect(outputs, places, batch, room):
        places = network.places_of_targets(batch)
        loss = network.head.loss_and_grad(outputs, target, weight, places, total, batch, room)
        losses[int(batch.order[0]), int(batch.rows[0])] = loss

    _for_all_outputs(network, sequences, n_jobs, collect)
    return sum(losses[key] for key in sorted(losses))


def log_likelihoods(network, sequences, target, *, n_jobs=None):
    """Logarithm of the probability of each target, float64, for heads whose targets are classes.

    Targets are numbers of classes, (n,), or (N,) if the head reads every step; where one is
    negative it may be any. A head that joins steps says what the sequence has at one of its steps.
    """
    likelihoods = np.empty(len(target))

    def collect(outputs, places, batch, room):
        likelihoods[places] = network.head.step_log_likelihoods(
            outputs, target, places, batch, room
        )

    _for_all_outputs(network, sequences, n_jobs, collect)
    return likelihoods


def label_log_likelihoods(network, sequences, target, *, n_jobs=None):
    """Logarithm of the probability of the labels of each sequence, (n,), for a head "ctc"."""
    likelihoods = np.empty(len(sequences))

    def collect(outputs, places, batch, room):
        likelihoods[batch.order] = network.head.log_likelihoods(outputs, target, batch)

    _for_all_outputs(network, sequences, n_jobs, collect)
    return likelihoods


def best_paths(network, sequences, target, *, n_jobs=None):
    """The likeliest output at each step, of those that the target's labels allow: (N,).

    For a head "ctc"; the steps stand as `Network.offsets_said` says. -1 where there is no path.
    """
    paths = np.empty(int(network.offsets_said(sequences)[-1]), dtype=np.int64)

    def collect(outputs, places, batch, room):
        paths[places] = network.head.best_path(outputs, target, batch)

    _for_all_outputs(network, sequences, n_jobs, collect)
    return paths


def read_on(network, sequences, states, *, n_jobs=None):
    """Predict for the last step of each sequence alone, (n, K), and say where it is then.

    For a head that reads every step, and networks that read in one direction. ``states``, from
    `Network.initial_states`, say where each begins, and on return where it ends.
    """
    head = network.head
    predictions = np.empty((len(sequences), head.n_outputs), dtype=network.dtype)
    weights = _pack_head(network)

    def collect(shard, memory):
        h = np.ascontiguousarray(passes.final_states(network, shard)[-1][0][0])
        outputs = memory.network.take("outputs", (len(h), head.n_outputs))
        head.forward(h, weights, outputs, memory.network)
        head.decode(outputs)
        predictions[shard.batch.order] = outputs  # of those that go on, until the next window

    _for_all(network, sequences, n_jobs, collect, outputs=False, max_rows=READ_ROWS, states=states)
    return predictions


def final_states(network, sequences, *, n_jobs=None):
    """State of the top layer after the last step of each sequence, (n, directions · H).

    Of the second direction, which reads backward, after the first.
    """
    last = Pooling("last", network.layers[-1])
    states = np.empty((len(sequences), last.width), dtype=network.dtype)

    def collect(shard, memory):
        rows = memory.network.take("last", (len(shard.batch.order), last.width))
        last.forward(shard.tapes[-1], shard.batch, memory.network, rows)
        states[shard.batch.order] = rows

    _for_all(network, sequences, n_jobs, collect, outputs=False)
    return states


def hidden_states(network, sequences, *, n_jobs=None):
    """State of the top layer after every step that the layers read, (N, directions · H).

    These stand as `Network.offsets_read` says.
    """
    layer, offsets = network.layers[-1], network.offsets_read(sequences)
    states = np.empty((int(offsets[-1]), layer.output_size), dtype=network.dtype)

    def collect(shard, memory):
        y = both_directions.outputs(layer, shard.tapes[-1], shard.batch, memory.layers[-1])
        packing.put_rows(y, rows_from(offsets, shard.batch), states, 0)

    _for_all(network, sequences, n_jobs, collect)
    return states


def attention_weights(network, sequences, *, n_jobs=None):
    """The weight of every step that the layers read, (N,), for a pooling with attention.

    These stand as `Network.offsets_read` says.
    """
    layer, offsets = network.layers[-1], network.offsets_read(sequences)
    part = Attention(layer, 0)
    part.params = network.pooling.params
    weights = np.empty(int(offsets[-1]), dtype=network.dtype)

    def collect(shard, memory):
        batch, work = shard.batch, memory.network
        pooled = work.take("attended", (len(batch.order), layer.output_size))
        own = part.weigh(shard.tapes[-1], batch, work, pooled)
        ends = np.cumsum(batch.lengths)
        for n, end, length in zip(batch.order, ends, batch.lengths, strict=True):
            weights[offsets[n] : offsets[n + 1]] = own[end - length : end]

    _for_all(network, sequences, n_jobs, collect)
    return weights


def input_gradients(
    network: Any,
    sequences: Sequences,
    doutputs: Callable[..., Floats],
    *,
    watch: Callable[[PackedBatch, int, Doubles], None] | None = None,
    n_jobs: int | None = None,
) -> Floats:
    """Gradient with respect to the numbers of the sequences, (N, D); that of the parameters stays.

    ``doutputs(places, outputs, batch, room)`` is given the head's outputs (B, K) for some sequences
    (or steps, if the head sees every one), which it may change, and returns the gradient with
    respect to them, C-contiguous; the last two are for the head. ``watch(batch, k, dh_norms)`` is
    given the norms of the gradient of the states of layer k after every step that it reads,
    (directions, N), packed, in each direction's order of time.
    Threads call both side by side.
    """
    gradient, lengths = np.empty_like(sequences.values), sequences.lengths
    n_shards = passes.count_shards(network, len(lengths), int(lengths.sum()))
    shards = pack_shards(sequences.offsets[:-1], lengths, 1, n_shards)
    n_threads = threads.share(n_jobs, len(shards))
    weights = PackedWeights(network, want_dx=True)
    weights.pack(n_jobs)

    def run_shard(batch, memory):
        shard = passes.forward(
            network, sequences, batch, memory, weights.forward, n_threads=n_threads, keep=True
        )
        outputs = outputs_of(network, shard, memory, weights.head_forward)
        said = passes.batch_said(network, shard)
        room = network.head.take_room(said, memory.network)
        of_outputs = doutputs(network.places_of_targets(batch), outputs, said, room)
        of_parameters = LayerGradients(network)  # asked for by the kernels
        of_parameters.flat.fill(0)
        dx = memory.network.take("dx", (len(batch.rows), network.input_width))
        passes.backward(
            network, sequences, shard, of_outputs, memory, weights, of_parameters, None, dx,
            watch=watch, of_values=gradient,
        )  # fmt: skip

    _run_shards(network, run_shard, shards, n_jobs, len(shards[0].rows))
    return gradient


def _pack_head(network):
    """The weights of the head for forward passes."""
    weights, calls = network.head.plan_forward(network.pooling.width, network.make_workspace())
    fill_packed(calls)
    return weights


def outputs_of(network, shard, memory, weights):
    """The head's outputs."""
    n_rows, work = network.n_head_rows(shard.given), memory.network
    pooled = work.take("pooled", (n_rows, network.pooling.width))
    outputs = work.take("outputs", (n_rows, network.head.n_outputs))
    passes.read_out(network, shard, memory, weights, pooled, outputs)
    return outputs


def _count_rows(network, sequences):
    """How many rows the head reads: sequences, or all of their steps."""
    every_step = network.pooling.every_step
    return int(network.offsets_said(sequences)[-1]) if every_step else len(sequences)


def _for_all_outputs(network, sequences, n_jobs, collect):
    """Run all sequences forward; collect takes outputs, places, the batch and the head's room."""
    weights, pooling = _pack_head(network), network.pooling
    offsets = network.offsets_said(sequences)

    def collect_outputs(shard, memory):
        outputs = outputs_of(network, shard, memory, weights)
        if network.steps_said > 1:
            batch = shard.batch
            places = rows_from(offsets, batch)
        else:
            batch = shard.given
            places = pooling.places(batch)
        collect(outputs, places, batch, network.head.take_room(batch, memory.network))

    _for_all(
        network, sequences, n_jobs, collect_outputs,
        outputs=pooling.needs_outputs, max_rows=most_rows(network),
    )  # fmt: skip


def most_rows(network):
    """How many steps are held at a time, roughly, for the sake of their outputs; None for all."""
    if network.pooling.every_step and network.can_cut_time:
        return max(1, PREDICT_OUTPUTS // network.head.n_outputs)
    return None


def _for_all(network, sequences, n_jobs, collect, *, outputs=True, max_rows=None, states=None):
    """Run all sequences forward, those of equal length together, so many rows at a time.

    They begin in the states given, or in zero. collect takes each shard, or each window of one,
    and the memory of the thread.
    """
    lengths = sequences.lengths
    order = sort_by_length(lengths)
    weights, calls = plan_forward(network)
    fill_packed(calls)
    starts = range(0, len(order), PREDICT_SIZE)
    n_threads = threads.share(n_jobs, len(starts))

    def run_shard(begin, memory):
        batch = pack(sequences.offsets[:-1], lengths, 1, order[begin : begin + PREDICT_SIZE])
        steps = max_rows and max(1, max_rows // len(batch.order))
        here = states and take_states(states, batch.order)
        for window in passes.windows_of(network, batch, None, steps):
            shard = passes.forward(
                network, sequences, window.batch, memory, weights, n_threads=n_threads, keep=False,
                outputs=outputs, states=here,
            )  # fmt: skip
            collect(shard, memory)
            if window.n_on or states:
                final = passes.final_states(network, shard)
                if states:
                    put_states(final, window.batch.order, states)
                here = take_states(final, slice(window.n_on))

    _run_shards(network, run_shard, starts, n_jobs, int(lengths[order[:PREDICT_SIZE]].sum()))


def _run_shards(network, function, shards, n_jobs, n_rows):
    """Call a function for each shard, of so many rows, with memory of the thread that calls it."""
    spare = []

    def run_shard(shard):
        memory = take_spare(spare, Memory, network)
        function(shard, memory)
        spare.append(memory)

    threads.run(run_shard, shards, n_jobs, passes.forward_flops(network, n_rows))
