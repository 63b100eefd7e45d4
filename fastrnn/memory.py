"""How much memory training and prediction need, known before it is taken, and how much there is.

What the network takes is counted in a dry run of the code that allocates it
(`fastrnn.network.counting`); here it is said how large a shard is likely to be, and what training
keeps beside.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastrnn.free_memory import MemoryLimitError, available_memory, refuse_if_too_large
from fastrnn.network import passes
from fastrnn.network.counting import CountedNetwork
from fastrnn.network.encoder_decoder import EncoderDecoder
from fastrnn.network.pair_counting import CountedEncoderDecoder
from fastrnn.network.pair_lessons import count_shards as count_pair_shards
from fastrnn.network.prediction import PREDICT_SIZE
from fastrnn.network.threads import count_threads
from fastrnn.training.solvers import count_vectors
from fastrnn.training.state import USUAL_BATCH_SIZE
from fastrnn.typing import ArrayLike, Ints

__all__ = ["MemoryLimitError", "available_memory", "estimate_memory", "refuse_if_too_large"]

_LBFGS_VECTORS = 43  # float64: 10 pairs of corrections, and what scipy keeps around them (18 to 29)


def estimate_memory(
    lengths: ArrayLike,
    architecture: Any,
    *,
    training: bool = True,
    keep_outputs: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    solver: str = "adam",
    batch_size: int = USUAL_BATCH_SIZE,
    bptt_steps: int | None = None,
    momentum: float = 0.9,
    n_jobs: int | None = None,
    told: ArrayLike | None = None,
    beam_size: int = 1,
) -> int:
    """Return the bytes that a network takes at its peak, in training or in prediction.

    The sequences themselves are not counted, nor what Python and its libraries take.

    Parameters
    ----------
    lengths : array-like of int of shape (n,)
        Steps of each sequence.
    architecture : Architecture or EncoderDecoder
        Of the network.
    training : bool, default=True
        Whether the network is trained; else it predicts.
    keep_outputs : bool, default=True
        Where it predicts: whether the outputs of all sequences are kept, or only looked at.
    dropout : float, default=0.0
        Share of the outputs that are dropped in training.
    recurrent_dropout : float, default=0.0
        Share of the units whose state is dropped in training.
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        How it is trained; "lbfgs" takes all sequences as one batch.
    batch_size : int, default=200
        Sequences in a minibatch. A minibatch is worked through in shards of 8 to 31 sequences,
        so that only a smaller one needs less memory.
    bptt_steps : int or None, default=None
        Steps of truncated backpropagation. They save memory with ``pooling="last"`` or
        "steps" in one direction; otherwise all steps are kept.
    momentum : float, default=0.9
        Momentum of "sgd", which keeps nothing without.
    n_jobs : int or None, default=None
        Threads. Each keeps a shard.
    told : array-like of int of shape (n,) or None, default=None
        Of an encoder with a decoder: labels that are told of each sequence, as training needs them.
    beam_size : int, default=1
        Likewise: hypotheses of a search, as prediction needs them.

    Returns
    -------
    int
        Bytes. For sequences of unequal length a likely value, since it is by chance which of them
        come together.

    Examples
    --------
    >>> from fastrnn.memory import estimate_memory
    >>> from fastrnn.network import Architecture
    >>> network = Architecture(n_features=1, hidden_layer_sizes=(128,), n_outputs=10)
    >>> whole = estimate_memory([784] * 1000, network, batch_size=32)
    >>> cut = estimate_memory([784] * 1000, network, batch_size=32, bptt_steps=50)
    >>> 30e6 < whole < 60e6, cut < 0.2 * whole
    (True, True)
    """
    lengths = np.asarray(lengths)
    dtype: np.dtype[Any] = np.dtype(architecture.dtype)
    n_sequences = len(lengths)
    if not n_sequences:
        return 0
    of_pairs = architecture.source is not architecture
    n_read = n_sequences if of_pairs or not architecture.every_step else int(lengths.sum())
    if not training:
        n_shards, rows, members = _prediction_shards(lengths)
        n_threads = min(count_threads(n_jobs), n_shards)
        needed = _count_prediction(architecture, members, rows, beam_size, n_threads)
        if keep_outputs and not of_pairs:
            needed += n_read * architecture.n_outputs * dtype.itemsize
        return needed
    if of_pairs:
        options = dropout, recurrent_dropout, solver, batch_size, momentum, n_jobs
        return _of_pairs(lengths, architecture, told, *options)

    network = CountedNetwork(architecture, dropout=dropout, recurrent_dropout=recurrent_dropout)
    if solver == "lbfgs":
        batch_size = n_sequences
    size = min(batch_size, n_sequences)
    n_shards, rows, members = _minibatch_shards(network, lengths, size)
    n_threads = min(count_threads(n_jobs), n_shards)
    window = rows
    if bptt_steps and network.can_cut_time:
        window = min(rows, members * bptt_steps)
    kept = network.theta.nbytes * count_vectors(solver, momentum)
    if solver == "lbfgs":
        kept += _LBFGS_VECTORS * 8 * len(network.theta)
    else:
        kept += network.theta.nbytes  # of the best epoch
    # The solver, the loop and the estimator keep weights, targets and orders of all sequences.
    of_sequences = 2 * dtype.itemsize * n_read + 4 * 8 * n_sequences
    learning = network.count_lesson((members, rows), window, n_shards, n_threads)
    return network.nbytes + kept + learning + of_sequences


@functools.lru_cache(maxsize=1000)  # to count takes longer than to predict for few sequences
def _count_prediction(
    architecture: Any, members: int, rows: int, beam_size: int, n_threads: int
) -> int:
    """Bytes that it takes to predict for shards of such a size, beside the outputs."""
    if architecture.source is not architecture:
        pair = CountedEncoderDecoder(architecture)
        return pair.count_prediction(members, rows, beam_size, n_threads)
    return CountedNetwork(architecture).count_prediction(members, rows, n_threads)


def _of_pairs(
    lengths: Ints,
    architecture: EncoderDecoder,
    told: ArrayLike | None,
    dropout: float,
    recurrent_dropout: float,
    solver: str,
    batch_size: int,
    momentum: float,
    n_jobs: int | None,
) -> int:
    """What training of an encoder with a decoder takes."""
    options = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    network, n_sequences = CountedEncoderDecoder(architecture, **options), len(lengths)
    size = n_sequences if solver == "lbfgs" else min(batch_size, n_sequences)
    n_shards = count_pair_shards(size)
    members = math.ceil(size / n_shards)
    told, steps = np.asarray(told), []
    for of_side in (lengths, told + 1):
        drawn = members * of_side.mean() + 3.0 * of_side.std() * math.sqrt(members)
        steps.append(math.ceil(min(drawn, np.sort(of_side)[-members:].sum())))
    kept = network.theta.nbytes * (count_vectors(solver, momentum) + 1)  # of the best epoch, too
    if solver == "lbfgs":
        kept += _LBFGS_VECTORS * 8 * len(network.theta)
    of_targets = 8 * (int(told.sum()) + 5 * n_sequences)
    n_threads = min(count_threads(n_jobs), n_shards)
    learning = network.count_lesson((members, *steps), n_shards, n_threads)
    return network.nbytes + kept + learning + of_targets


def _prediction_shards(lengths: Ints) -> tuple[int, int, int]:
    """How many shards go through a network that predicts; rows and sequences of the largest."""
    longest = np.sort(lengths)[-PREDICT_SIZE:]
    return math.ceil(len(lengths) / PREDICT_SIZE), int(longest.sum()), len(longest)


def _minibatch_shards(network: CountedNetwork, lengths: Ints, size: int) -> tuple[int, int, int]:
    """How many shards a minibatch has; rows and sequences of the largest of all minibatches."""
    n, mean, falling, shards = len(lengths), lengths.mean(), np.sort(lengths)[::-1], []
    for batch in {size, n % size or size}:  # the last batch of an epoch may have larger shards
        n_shards = passes.count_shards(network, batch, batch * mean)
        rows = int(falling[:batch:n_shards].sum())
        if batch < n:
            # The batches are drawn: the largest of many has some deviations more than the mean.
            drawn = batch * mean + 3.0 * lengths.std() * math.sqrt(batch)
            spread = (falling[0] - falling[-1]) / 2 if n_shards > 1 else 0
            rows = min(rows, int(drawn / n_shards + spread))
        shards.append((rows, math.ceil(batch / n_shards)))
    return passes.count_shards(network, size, size * mean), *max(shards)
