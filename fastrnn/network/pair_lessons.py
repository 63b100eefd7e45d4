"""A minibatch through an encoder-decoder network: shards, losses, gradients added."""

from dataclasses import dataclass

import numpy as np

from fastrnn.kernels.dropout import dropout
from fastrnn.network import pair_passes, threads
from fastrnn.network.batches import pack_shards
from fastrnn.network.minibatches import add_table_gradients
from fastrnn.network.pair_parts import PairGradients, PairMemory, PairWeights
from fastrnn.network.shards import InOrder, running_totals
from fastrnn.network.teaching import teach
from fastrnn.network.workspace import take_spare

__all__ = ["PairKept", "PairLesson", "PairMinibatch", "count_shards", "take_loss"]

SHARD_SIZE = 32
"""Sequences in a shard, at least."""


def count_shards(n_sequences: int) -> int:
    """How many shards a minibatch has whose gradients are added: by its size and nothing else."""
    return max(1, n_sequences // SHARD_SIZE)


def take_loss(network, outputs, said, weight, total, smoothing=0.0):
    """The loss of the head's outputs (M, K), which become its gradient.

    With ``smoothing`` e, the loss of a step is (1 - e) times that of what is said and e times the
    mean of those of all outputs (Szegedy et al. 2016, arXiv 1512.00567, section 7).
    """
    rows = np.arange(len(said))
    loss = 0.0
    if smoothing:
        share = (smoothing / total * weight).astype(outputs.dtype)
        own = outputs[rows, said].astype(np.float64)
        loss = float(share @ (own - outputs.mean(axis=1, dtype=np.float64)))
    loss += network.decoder.head.loss_and_grad(outputs, said, weight, rows, total)
    if smoothing:
        outputs -= (share / outputs.shape[1])[:, np.newaxis]
        outputs[rows, said] += share
    return loss


@dataclass(slots=True)
class PairMinibatch:
    """A minibatch in shards, with what is taught in each and how much that weighs.

    `total` is the sum of all `weights`, and `flops` the arithmetic of a shard's forward pass, in
    the mean. Of the steps that the encoder and the decoder read, shard k has those from number k of
    `read_rows` and `told_rows` to the next.
    """

    shards: list
    taught: list
    weights: list
    total: float
    read_rows: list
    told_rows: list
    flops: float

    @classmethod
    def cut(cls, network, sequences, indices, target, weight):
        """Cut sequences with their targets into shards."""
        n_shards = count_shards(len(indices))
        shards = pack_shards(sequences.offsets, sequences.lengths, 1, n_shards, indices)
        taught = [teach(target, shard.order, network.boundary) for shard in shards]
        weights = [
            np.repeat(weight[shard.order], one.lengths)
            for shard, one in zip(shards, taught, strict=True)
        ]
        total = float(sum(one.sum(dtype=np.float64) for one in weights))
        read_rows = running_totals([len(shard.rows) for shard in shards])
        told_rows = running_totals([len(one.said) for one in taught])
        flops = network.flops(read_rows[-1], told_rows[-1]) / n_shards
        return cls(shards, taught, weights, total, read_rows, told_rows, flops)

    def ranges(self, k):
        """The steps of shard k among all that are read, and among all that are told."""
        return slice(*self.read_rows[k : k + 2]), slice(*self.told_rows[k : k + 2])


class PairKept:
    """What a network keeps from minibatch to minibatch: memory of threads, packed weights."""

    def __init__(self, network):
        self.work = network.make_workspace()
        self.weights = PairWeights(network)
        self.memory, self.gradients = [], []


class PairLesson:
    """One minibatch that an encoder-decoder network learns from.

    Seeds are those of the masks of both networks and of samples, for each shard, or None.
    """

    def __init__(self, network, sequences, minibatch, seeds, bptt_steps, n_threads):
        self.network, self.sequences, self.minibatch = network, sequences, minibatch
        self.seeds, self.bptt_steps, self.n_threads = seeds, bptt_steps, n_threads
        kept = self.kept = network.kept
        n_read, n_told = minibatch.read_rows[-1], minibatch.told_rows[-1]
        head = network.decoder.head
        self.attended = kept.work.take("attended", (n_told, network.attending.size))
        self.outputs = kept.work.take("outputs", (n_told, head.n_outputs))
        self.dx = [
            kept.work.take(("dx", k), (n_rows, one.input_width)) if one.columns else None
            for k, (one, n_rows) in enumerate(
                ((network.encoder, n_read), (network.decoder, n_told))
            )
        ]
        self.in_order = None
        if len(minibatch.shards) > 1:
            self.in_order = InOrder(network.shard_gradients, kept.gradients)
        self.told = [None] * len(minibatch.shards)

    def run_shard(self, k):
        """Take a shard forward and backward; return its loss."""
        # The products of attention are BLAS's, whatever the others are.
        return threads.single_blas_thread.call(self._run_shard, k)

    def _run_shard(self, k):
        network, kept = self.network, self.kept
        memory = take_spare(kept.memory, PairMemory, network)
        gradients = network.shard_gradients  # the first shard's go where the sum is to be
        if k > 0:
            gradients = take_spare(kept.gradients, PairGradients, network)
            gradients.clear()
        loss = self.learn(k, memory, gradients)
        kept.memory.append(memory)
        if self.in_order:
            self.in_order.add(k, gradients)
        return loss

    def learn(self, k, memory, gradients):
        """Take shard k forward and backward with some memory, adding to gradients."""
        network, minibatch, weights = self.network, self.minibatch, self.kept.weights
        seeds, of_decoder, sample = self.seeds[k]
        encoded = pair_passes.encode(
            network, self.sequences, minibatch.shards[k], memory, weights,
            n_threads=self.n_threads, keep=True, seeds=seeds,
        )  # fmt: skip
        taught = minibatch.taught[k]
        if sample is not None:
            taught = self._sample(encoded, taught, sample, memory)
        told = pair_passes.tell(
            network, encoded, taught, memory, weights,
            n_threads=self.n_threads, keep=True, seeds=of_decoder,
        )  # fmt: skip
        read, rows = minibatch.ranges(k)
        attended, outputs = self.attended[rows], self.outputs[rows]
        decoder = network.decoder
        work = memory.between
        work.call(np.copyto, attended, told.a)
        self._drop(of_decoder, attended, work)
        decoder.head.forward(attended, weights.head, outputs, work)
        loss = work.call(
            take_loss,
            network, outputs, taught.said, minibatch.weights[k], minibatch.total,
            network.label_smoothing,
        )  # fmt: skip
        da = work.take("da", attended.shape)
        decoder.head.backward(outputs, weights.decoder.head_backward, da, work)
        self._drop(of_decoder, da, work)
        dx = [
            None if whole is None else whole[here]
            for whole, here in zip(self.dx, (read, rows), strict=True)
        ]
        pair_passes.backward(
            network, self.sequences, encoded, told, da, memory, weights, gradients,
            self.bptt_steps, dx,
        )  # fmt: skip
        self.told[k] = taught, told.batch
        return loss

    def _drop(self, seeds, rows, work):
        """Dropout of the attentional states, or of their gradient, in place."""
        if seeds is not None and self.network.dropout:
            work.call(dropout, rows, self.network.dropout, seeds[-1].outputs, rows)

    def _sample(self, encoded, taught, seed, memory):
        """Let some steps read what the network says in the place of what is true."""
        network, weights, work = self.network, self.kept.weights, memory.between
        told = pair_passes.tell(
            network, encoded, taught, memory, weights, n_threads=self.n_threads, keep=False
        )
        outputs = work.take("sampled", (len(told.a), network.decoder.head.n_outputs))
        network.decoder.head.forward(told.a, weights.head, outputs, work)
        return work.call(taught.sampled, outputs, network.scheduled_sampling, seed)

    def add_gradients(self, n_jobs):
        """Add the gradients of head and tables, which are taken for all shards at once."""
        network, work, minibatch = self.network, self.kept.work, self.minibatch
        network.decoder.head.add_gradients(self.attended, self.outputs, work, n_jobs)
        for k, batch in enumerate(minibatch.shards):
            read, rows = minibatch.ranges(k)
            if network.encoder.columns:
                ranges = [(batch, read.start, read.stop)]
                add_table_gradients(network.encoder, self.sequences, ranges, self.dx[0], work)
            taught, of_decoder = self.told[k]
            ranges = [(of_decoder, rows.start, rows.stop)]
            add_table_gradients(network.decoder, taught, ranges, self.dx[1], work)

    def run(self, n_jobs):
        """Take all shards forward and backward; return the loss."""
        minibatch = self.minibatch
        return sum(
            threads.run(self.run_shard, range(len(minibatch.shards)), n_jobs, minibatch.flops)
        )
