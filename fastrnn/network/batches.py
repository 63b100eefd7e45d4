"""Packed batches: where each row of a set of ragged sequences stands, without padding.

The sequences of a batch are sorted by falling length, so that at every step the ones still running
are the first ones. Step t owns ``alive[t]`` packed rows; a batch of equal lengths is the dense case
and needs no code of its own.
"""

import functools
import itertools
from dataclasses import dataclass, replace

import numpy as np

from fastrnn.kernels import packing
from fastrnn.typing import Ints

SHARD_SIZE = 16
"""Sequences in a shard, at least, but for batches that are cut in two."""

WIDE_SHARD_SIZE = 32
"""The same where products take less time than it takes to read weights, which so many sequences
share: where they round to bfloat16, or where weights do not stay in a cache."""

WIDE_FLOPS = 1.5e6
"""Arithmetic of a forward pass over a row, in floating-point operations, from which they do not."""

HALVED_FLOPS = 64e6
"""Arithmetic of a forward pass, in floating-point operations, from which a batch of one to two
times SHARD_SIZE sequences is cut in two, unless shards are wide: two threads win more than one
loses."""


@dataclass(slots=True)
class PackedBatch:
    """Indices of a packed batch of B sequences and N = sum of lengths rows.

    Attributes
    ----------
    order : ndarray of shape (B,), int64
        The caller's number of each packed sequence.
    lengths : ndarray of shape (B,), int64
        Steps of each packed sequence, falling.
    alive : ndarray of shape (T,), int64
        Sequences still running at each step; T is the longest length.
    rows : ndarray of shape (N,), int64
        Row of the source of each packed row.
    reverse : ndarray of shape (N,), int64
        Packed row of the same sequence with time reversed; its own inverse.
    last : ndarray of shape (B,), int64
        Packed row of each sequence's last step.
    first : ndarray of shape (T,), int64
        Packed row where each step begins.
    span : slice or None
        Of sequences of equal length that have successive numbers: which.
    """

    order: Ints
    lengths: Ints
    alive: Ints
    rows: Ints
    reverse: Ints
    last: Ints
    first: Ints
    span: slice | None = None

    def rows_until(self, t):
        """Packed rows before step t."""
        return int(self.alive[:t].sum())

    def rows_apart(self):
        """Where its rows are if its sequences stand one after the other, in packed order."""
        starts = np.cumsum(self.lengths) - self.lengths
        return pack(starts, self.lengths, 1, np.arange(len(self.lengths))).rows

    def coarser(self, stride):
        """The batch in which so many steps are one; its rows are no source's but steps."""
        lengths = -(-self.lengths // stride)
        nowhere, order = np.zeros_like(lengths), np.arange(len(lengths))
        return replace(pack(nowhere, lengths, 1, order), order=self.order)


def pack(starts, lengths, stride, order=None):
    """Pack sequences: all, or those whose numbers, by falling length, are in ``order``.

    Sequence n begins at source row ``starts[n]`` and has ``lengths[n]`` steps, at least one, each
    ``stride`` source rows from the one before: 1 if sequences stand one after the other, B in a
    (T, B, D) array.
    """
    if order is None:
        order = sort_by_length(lengths)
    n_sequences = len(order)
    n_steps, n_rows = packing.longest_and_sum(lengths, order)
    # One array and one call for all indices: they are most of the work around a small minibatch.
    indices = np.empty(count_indices(n_steps, n_rows, n_sequences), dtype=np.int64)
    packing.pack_rows(starts, lengths, order, stride, n_steps, n_rows, indices)
    after_alive = n_sequences + n_steps
    after_rows = after_alive + n_rows
    after_reverse = after_rows + n_rows
    return PackedBatch(
        order,
        indices[:n_sequences],
        indices[n_sequences:after_alive],
        indices[after_alive:after_rows],
        indices[after_rows:after_reverse],
        indices[after_reverse : after_reverse + n_sequences],
        indices[after_reverse + n_sequences :],
    )


def rows_from(offsets: Ints, batch: PackedBatch) -> Ints:
    """Where the steps of a packed batch stand, if those of sequence n begin at row offsets[n]."""
    return pack(offsets, np.diff(offsets), 1, batch.order).rows


def count_indices(n_steps: int, n_rows: int, n_sequences: int) -> int:
    """How many indices a packed batch has beside the order of its sequences."""
    return 2 * (n_steps + n_rows + n_sequences)


def sort_by_length(lengths, numbers=None):
    """Order sequences, all or those with some numbers, by falling length; equal ones stay."""
    if numbers is None:
        numbers = np.arange(len(lengths))
    if packing.are_falling(lengths, numbers):
        return numbers
    return numbers[np.argsort(-lengths[numbers], kind="stable")]


def count_shards(n_sequences: int, flops: float, are_wide: bool) -> int:
    """How many shards a batch has whose gradients are added.

    That depends on its size, on whether shards are wide, and roughly on the arithmetic of a forward
    pass, and on nothing else, so that sums are the same bits on any number of threads.
    """
    if are_wide:
        return max(1, n_sequences // WIDE_SHARD_SIZE)
    if flops >= HALVED_FLOPS and SHARD_SIZE <= n_sequences < 2 * SHARD_SIZE:
        return 2
    return max(1, n_sequences // SHARD_SIZE)


def pack_shards(starts, lengths, stride, n_shards, numbers=None):
    """Cut a batch into shards of about equal work, and pack each.

    Sequences, all or those with some numbers, are dealt out by falling length like cards.
    """
    order = sort_by_length(lengths, numbers)
    if n_shards == 1:
        return [pack(starts, lengths, stride, order)]
    hands = [np.ascontiguousarray(order[k::n_shards]) for k in range(n_shards)]
    return [pack(starts, lengths, stride, hand) for hand in hands]


@functools.lru_cache(maxsize=8)
def pack_dense(n_steps, n_sequences, n_shards):
    """Cut a (T, B, D) array without padding into shards of sequences side by side, and pack each.

    They are kept for the next call, and not to be changed.
    """
    starts = np.arange(n_sequences)
    lengths = np.full(n_sequences, n_steps)
    bounds = [n_sequences * k // n_shards for k in range(n_shards + 1)]
    spans = [slice(begin, end) for begin, end in itertools.pairwise(bounds)]
    return tuple(replace(pack(starts, lengths, n_sequences, starts[s]), span=s) for s in spans)
