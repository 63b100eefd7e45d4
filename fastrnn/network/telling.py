"""What an encoder-decoder network makes of given targets: all are methods of its class.

Pairs of sequences whose sources are of about equal length go through it together, a few at a time,
on one of several threads if asked.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.sequences import Sequences
from fastrnn.network import pair_passes, threads
from fastrnn.network.batches import PackedBatch, pack, pack_shards, sort_by_length
from fastrnn.network.pair_lessons import count_shards, take_loss
from fastrnn.network.pair_parts import ForwardWeights, PairGradients, PairMemory, PairWeights
from fastrnn.network.prediction import PREDICT_SIZE
from fastrnn.network.teaching import teach
from fastrnn.network.workspace import take_spare
from fastrnn.typing import Doubles, Floats

__all__ = [
    "attention_weights",
    "for_all_sources",
    "for_all_targets",
    "input_gradients",
    "log_likelihoods",
    "mean_loss",
]


def mean_loss(network, sequences, target, weight, *, n_jobs=None):
    """Mean loss of `EncoderDecoderNetwork.loss_and_grad`, of the network as it is.

    Without dropout, smoothing and penalty.
    """
    total = float(network.total_weight(target, weight))
    losses = {}

    def collect(outputs, told, batch):
        of_rows = np.repeat(weight[batch.order], told.taught.lengths)
        losses[int(batch.order[0])] = take_loss(network, outputs, told.taught.said, of_rows, total)

    for_all_targets(network, sequences, target, n_jobs, collect)
    return sum(losses[key] for key in sorted(losses))


def log_likelihoods(network, sequences, target, *, n_jobs=None):
    """Logarithm of the probability of each target, its end among it: (n,), float64."""
    likelihoods = np.empty(len(target))

    def collect(outputs, told, batch):
        taught = told.taught
        outputs -= outputs.max(axis=1, keepdims=True)
        own = outputs[np.arange(len(outputs)), taught.said].astype(np.float64)
        own -= np.log(np.exp(outputs, out=outputs).sum(axis=1))
        likelihoods[batch.order] = np.add.reduceat(own, taught.starts)

    for_all_targets(network, sequences, target, n_jobs, collect)
    return likelihoods


def attention_weights(network, sequences, target, *, n_jobs=None):
    """For each sequence the weights (L + 1, S) of its S steps, as the encoder's layers read them.

    A row is for a label, the last for the end.
    """
    weights = [None] * len(target)

    def collect(outputs, told, batch):
        for n, (_, S, _, T, first) in zip(batch.order, told.pairs.table.tolist(), strict=True):
            weights[n] = told.attention[first : first + S * T].reshape(T, S).copy()

    for_all_targets(network, sequences, target, n_jobs, collect)
    return weights


def input_gradients(
    network: Any,
    sequences: Sequences,
    target: LabelSequences,
    weight: Doubles,
    *,
    watch: Callable[[PackedBatch, int, Doubles], None] | None = None,
    n_jobs: int | None = None,
) -> Floats:
    """Gradient with respect to the numbers of the sequences, (N, D); that of the parameters stays.

    It is that of the sum of the weights (n,) times minus `log_likelihoods`. ``watch`` is given
    norms of the gradient of the encoder's states, as by `fastrnn.network.prediction`.
    """
    gradient, lengths = np.empty_like(sequences.values), sequences.lengths
    shards = pack_shards(sequences.offsets[:-1], lengths, 1, count_shards(len(lengths)))
    weights = PairWeights(network, want_dx=True)
    spare: list[PairMemory] = []
    weights.pack(n_jobs)
    n_threads = threads.share(n_jobs, len(shards))
    head = network.decoder.head

    def run(batch):
        taught = teach(target, batch.order, network.boundary)
        memory = take_spare(spare, PairMemory, network)
        work, options = memory.between, {"n_threads": n_threads, "keep": True}
        encoded = pair_passes.encode(network, sequences, batch, memory, weights, **options)
        told = pair_passes.tell(network, encoded, taught, memory, weights, **options)
        outputs = work.take("outputs", (len(told.a), head.n_outputs))
        head.forward(told.a, weights.head, outputs, work)
        of_rows = np.repeat(weight[batch.order], taught.lengths).astype(network.dtype)
        take_loss(network, outputs, taught.said, of_rows, 1.0)
        da = work.take("da", told.a.shape)
        head.backward(outputs, weights.decoder.head_backward, da, work)
        gradients = PairGradients(network)  # asked for by the kernels
        gradients.clear()
        dx = [
            work.take(("dx", k), (n_rows, one.input_width))
            for k, (one, n_rows) in enumerate(
                ((network.encoder, len(batch.rows)), (network.decoder, len(told.a)))
            )
        ]
        pair_passes.backward(
            network, sequences, encoded, told, da, memory, weights, gradients, None, dx,
            watch=watch, of_values=gradient,
        )  # fmt: skip
        spare.append(memory)

    def run_shard(batch):
        threads.single_blas_thread.call(run, batch)

    n_rows = len(shards[0].rows)
    threads.run(run_shard, shards, n_jobs, network.flops(n_rows, n_rows))
    return gradient


def for_all_targets(network, sequences, target, n_jobs, collect):
    """Let the network tell all targets; collect takes the head's outputs, `Told` and the batch."""

    def run(encoded, batch, memory, weights):
        taught = teach(target, batch.order, network.boundary)
        told = pair_passes.tell(network, encoded, taught, memory, weights, n_threads=1, keep=False)
        head, work = network.decoder.head, memory.between
        outputs = work.take("outputs", (len(told.a), head.n_outputs))
        head.forward(told.a, weights.head, outputs, work)
        collect(outputs, told, batch)

    for_all_sources(network, sequences, n_jobs, run)


def for_all_sources(network, sequences, n_jobs, run):
    """Encode all sequences; run takes what was made of some, their batch, memory and weights."""
    lengths = sequences.lengths
    order = sort_by_length(lengths)
    weights, spare = ForwardWeights(network), []
    weights.pack()

    def run_some(begin):
        batch = pack(sequences.offsets[:-1], lengths, 1, order[begin : begin + PREDICT_SIZE])
        memory = take_spare(spare, PairMemory, network)
        encoded = pair_passes.encode(
            network, sequences, batch, memory, weights, n_threads=1, keep=False
        )
        run(encoded, batch, memory, weights)
        spare.append(memory)

    def run_shard(begin):
        threads.single_blas_thread.call(run_some, begin)

    n_rows = int(lengths[order[:PREDICT_SIZE]].sum())
    flops = network.flops(n_rows, n_rows)
    threads.run(run_shard, range(0, len(order), PREDICT_SIZE), n_jobs, flops)
