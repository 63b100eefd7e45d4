"""A minibatch through a network: cut into shards, each forward and backward, gradients added."""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.kernels.embedding import embedding_backward
from fastrnn.kernels.losses import sum_of_weights
from fastrnn.kernels.solvers import CHUNK_SIZE, add_penalty
from fastrnn.kernels.vector_math import products
from fastrnn.network import passes, threads
from fastrnn.network.batches import pack_shards
from fastrnn.network.shards import (
    InOrder,
    LayerGradients,
    Memory,
    Minibatch,
    PackedWeights,
    put_states,
    take_states,
)
from fastrnn.network.workspace import take_spare


def cut(network, sequences, indices, weight, window):
    """Cut a minibatch into shards."""
    starts, lengths = sequences.offsets, sequences.lengths
    if window is not None:
        starts, lengths = starts[:-1] + window[0], np.clip(lengths, *window) - window[0]
        indices = indices[lengths[indices] > 0]
    _, n_rows = packing.longest_and_sum(lengths, indices)
    n_shards = passes.count_shards(network, len(indices), n_rows)
    shards = pack_shards(starts, lengths, 1, n_shards, indices)
    head_rows, step_rows, total = [0], [0], 0.0
    for shard in shards:
        head_rows.append(head_rows[-1] + network.n_head_rows(shard))
        step_rows.append(step_rows[-1] + len(shard.rows))
        total += sum_of_weights(weight, network.places_of_targets(shard))
    flops = passes.forward_flops(network, n_rows) / n_shards
    return Minibatch(shards, head_rows, step_rows, total, flops)


def penalize(network, strength, team):
    """Add the gradient of the L2 penalty; return its value."""
    sums = np.empty(-(-network.grad.size // CHUNK_SIZE))
    decayed = network.decayed.view(np.uint8)
    team.call(add_penalty, network.theta, decayed, strength, network.grad, sums)
    return 0.5 * strength * sum(sums.tolist())


def add_table_gradients(network, sequences, ranges, dx, work):
    """Add the gradients of the tables from that of what was read, ``dx``.

    Of packed batches, each with the range of its rows there.
    """
    ranges = list(ranges)
    for which, (k, column) in enumerate(network.columns):
        for batch, begin, end in ranges:
            work.call(
                embedding_backward,
                dx[begin:end], column, sequences.ids, which, batch.rows, network.table_gradients[k],
            )  # fmt: skip


class Kept:
    """What a network keeps from minibatch to minibatch: memory of threads, packed weights."""

    def __init__(self, network):
        self.work = network.make_workspace()
        self.weights = PackedWeights(network)
        self.memory, self.gradients = [], []
        self.routine = None

    def teach(self, lesson, n_jobs, repeats):
        """Give a lesson, and write its routine down if it will repeat; return the loss."""
        self.routine = None
        calls: list[tuple] | None = [] if repeats and self.memory else None
        self._write_down(calls)
        try:
            loss = lesson.run(n_jobs)
            lesson.add_gradients(n_jobs)
        finally:
            self._write_down(None)
        if calls:
            self.routine = Routine(lesson, calls)
        return loss

    def _write_down(self, calls):
        """Add all calls of kernels to a list, or to None."""
        self.work.write_down(calls)
        for memory in self.memory:
            memory.write_down(calls)


class Routine:
    """The calls of kernels that a minibatch is, written down to be made again for others.

    To find all that they work on takes longer than the kernels of a small network. These others
    are of as many sequences, as long as those; their indices are written over those of the first.
    """

    def __init__(self, lesson, calls):
        network, kept = lesson.network, lesson.kept
        self.data = lesson.sequences, lesson.target, lesson.weight
        (self.batch,) = lesson.minibatch.shards
        self.places = network.places_of_targets(self.batch)
        self.indices = self.batch.rows.base  # all but the order
        k = [kernel for kernel, _ in calls].index(network.head.loss_and_grad)
        self.before, self.after = kept.weights.calls + calls[:k], calls[k + 1 :]
        self.take_loss, self.arguments = calls[k]

    @staticmethod
    def is_possible(network, sequences, indices):
        """Whether what is done with a minibatch stays the same, but for its data."""
        if network.front or network.decay or network.columns or network.head.joins_steps:
            return False
        longest, n_rows = packing.longest_and_sum(sequences.lengths, indices)
        return n_rows == longest * len(indices) and products() != "blas"

    def suits(self, sequences, indices, target, weight):
        """Whether it is one for a minibatch for which one is possible."""
        ours, order = self.data, self.batch.order
        return (
            ours[0] is sequences
            and ours[1] is target
            and ours[2] is weight
            and len(order) == len(indices)
            and len(self.batch.alive) == sequences.lengths[indices[0]]
        )

    def read(self, indices):
        """Let these be the sequences; the sum of their weights."""
        batch, (sequences, _, weight) = self.batch, self.data
        batch.order[:] = indices
        packing.pack_rows(
            sequences.offsets, sequences.lengths, batch.order, 1, len(batch.alive),
            len(batch.rows), self.indices,
        )  # fmt: skip
        return sum_of_weights(weight, self.places)

    def run(self, total):
        """Make all calls; return the loss."""
        for kernel, arguments in self.before:
            kernel(*arguments)
        *first, _, batch, room = self.arguments
        loss = self.take_loss(*first, total, batch, room)
        for kernel, arguments in self.after:
            kernel(*arguments)
        return loss


class Lesson:
    """One minibatch that a network learns from: where its shards stand, and what they need.

    Its arguments are those of `Network.loss_and_grad`, the minibatch from `cut`, seeds of the masks
    of each shard (or None for each), and how many threads a shard may use.
    """

    __slots__ = (
        *("network", "sequences", "target", "weight", "states", "bptt_steps", "minibatch"),
        *("seeds", "n_threads", "kept", "pooled", "outputs", "joined", "dx", "in_order"),
    )

    def __init__(
        self, network, sequences, target, weight, states, bptt_steps, minibatch, seeds, n_threads
    ):
        self.network, self.sequences = network, sequences
        self.target, self.weight = target, weight
        self.states, self.bptt_steps = states, bptt_steps
        self.minibatch, self.seeds, self.n_threads = minibatch, seeds, n_threads
        kept = self.kept = network.kept
        n_rows = minibatch.head_rows[-1]
        self.pooled = kept.work.take("pooled", (n_rows, network.pooling.width))
        self.outputs = kept.work.take("outputs", (n_rows, network.head.n_outputs))
        self.joined = self.dx = self.in_order = None
        if network.head.joined:  # of each shard, to be added in order
            shape = (len(minibatch.shards), network.head.n_joined)
            self.joined = kept.work.zeros("joined", shape)
        if network.columns:
            n_steps = minibatch.step_rows[-1]
            self.dx = kept.work.zeros("dx", (n_steps, network.input_width))
        if len(minibatch.shards) > 1:
            self.in_order = InOrder(network.layer_gradients, kept.gradients)

    def run_shard(self, k):
        """Take a shard forward and backward; return its loss."""
        network, minibatch, kept = self.network, self.minibatch, self.kept
        memory = take_spare(kept.memory, Memory, network)
        gradients = network.layer_gradients  # the first shard's go where the sum is to be
        if k > 0:
            gradients = take_spare(kept.gradients, LayerGradients, network)
            gradients.flat.fill(0)
        shard = minibatch.shards[k]
        loss, here = 0.0, None
        if self.states is not None:
            here = take_states(self.states, shard.order)
        for window in passes.windows_of(network, shard, self.seeds[k], self.bptt_steps):
            more, here = self.run_window(k, window, here, memory, gradients)
            loss += more
        kept.memory.append(memory)
        if self.in_order:
            self.in_order.add(k, gradients)
        return loss

    def run_window(self, k, window, states, memory, gradients):
        """Take a window of shard k forward and backward: its loss, and where its end has led."""
        network, batch, n_on = self.network, window.batch, window.n_on
        weights, every_step = self.kept.weights, network.pooling.every_step
        is_read = every_step or n_on < len(batch.order)
        shard = passes.forward(
            network, self.sequences, batch, memory, weights.forward, n_threads=self.n_threads,
            keep=is_read, outputs=is_read, seeds=window.seeds, states=states,
        )  # fmt: skip
        if n_on or self.states is not None:
            final = passes.final_states(network, shard)
            if self.states is not None:
                put_states(final, batch.order, self.states)
            states = take_states(final, slice(n_on))
        if not is_read:
            return 0.0, states
        begin = self.minibatch.head_rows[k] + (window.first if every_step else 0)
        rows = slice(begin, begin + network.n_head_rows(batch))
        outputs = self.outputs[rows]
        passes.read_out(network, shard, memory, weights.head_forward, self.pooled[rows], outputs)
        places = network.places_of_targets(batch)
        said = passes.batch_said(network, shard)
        gradient = None if self.joined is None else self.joined[k]
        room = network.head.take_room(said, memory.network, gradient)
        loss = self._take_loss(outputs, places, 0 if every_step else n_on, said, room)
        dx = None
        if self.dx is not None:
            begin = self.minibatch.step_rows[k] + window.first
            dx = self.dx[begin : begin + len(batch.rows)]
        passes.backward(
            network, self.sequences, shard, outputs, memory, weights, gradients, self.bptt_steps, dx
        )
        return loss, states

    def _take_loss(self, outputs, places, n_unseen, batch, room):
        """The loss of outputs, which become its gradient; of sequences that go on there is none."""
        if n_unseen:
            outputs[:n_unseen] = 0
            outputs, places = outputs[n_unseen:], places[n_unseen:]
        total = self.minibatch.total
        return self.kept.work.call(
            self.network.head.loss_and_grad,
            outputs, self.target, self.weight, places, total, batch, room,
        )  # fmt: skip

    def add_gradients(self, n_jobs):
        """Add the gradients of head and tables, which are taken for all shards at once."""
        network = self.network
        network.head.add_gradients(self.pooled, self.outputs, self.kept.work, n_jobs)
        if self.joined is not None:
            self.kept.work.call(_add_in_order, self.joined, network.grad)
        if network.columns:
            ranges = self.minibatch.step_ranges()
            add_table_gradients(network, self.sequences, ranges, self.dx, self.kept.work)

    def run(self, n_jobs):
        """Take all shards forward and backward; return the loss."""
        minibatch = self.minibatch
        items = range(len(minibatch.shards))
        return sum(threads.run(self.run_shard, items, n_jobs, minibatch.shard_flops))


def _add_in_order(joined, grad):
    """Add the gradients of the joined parameters, which are the last."""
    for of_shard in joined:
        grad[-len(of_shard) :] += of_shard
