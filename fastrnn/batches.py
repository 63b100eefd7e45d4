"""Packed batches: where each row of a set of ragged sequences stands, without padding.

The sequences of a batch are sorted by falling length, so that at every step the ones still running
are the first ones. Step t owns ``alive[t]`` packed rows; a batch of equal lengths is the dense case
and needs no code of its own.
"""

from dataclasses import dataclass

import numpy as np

from fastrnn.kernels import packing

SHARD_SIZE = 16
"""Sequences in a shard, at least: a batch of fewer than twice as many is not cut."""


@dataclass(frozen=True)
class PackedBatch:
    """Indices of a packed batch of B sequences and N = sum of lengths rows.

    Attributes
    ----------
    order : ndarray of shape (B,), int64
        Number in the caller's batch of each packed sequence.
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
    """

    order: np.ndarray
    lengths: np.ndarray
    alive: np.ndarray
    rows: np.ndarray
    reverse: np.ndarray
    last: np.ndarray

    def rows_until(self, t):
        """Packed rows before step t."""
        return int(self.alive[:t].sum())


def pack(starts, lengths, stride, order=None):
    """Pack sequences.

    Parameters
    ----------
    starts : ndarray of shape (n,), int64
        Source row of the first step of each sequence.
    lengths : ndarray of shape (n,), int64
        Steps of each sequence, at least 1.
    stride : int
        Source rows from one step to the next: 1 for concatenated sequences, B for a (T, B, D)
        array.
    order : ndarray of shape (B,), int64, optional
        The sequences to pack, by falling length. By default all of them.

    Returns
    -------
    PackedBatch
    """
    if order is None:
        order = sort_by_length(lengths)
    lengths = lengths[order]
    n_rows, n_steps = int(lengths.sum()), int(lengths[0])
    alive, first = np.empty((2, n_steps), dtype=np.int64)
    rows, reverse = np.empty((2, n_rows), dtype=np.int64)
    last = np.empty(len(order), dtype=np.int64)
    packing.pack_rows(starts[order], lengths, stride, alive, first, rows, reverse, last)
    return PackedBatch(order, lengths, alive, rows, reverse, last)


def sort_by_length(lengths):
    """Order sequences by falling length, equal ones as they come."""
    return np.argsort(-lengths, kind="stable")


def pack_shards(starts, lengths, stride):
    """Cut a batch into shards of about equal work, and pack each.

    The cut depends on nothing but the lengths, so that results are the same bits on any number of
    threads. Sequences are dealt out by falling length like cards.

    Parameters
    ----------
    starts : ndarray of shape (n,), int64
        As for `pack`.
    lengths : ndarray of shape (n,), int64
        As for `pack`.
    stride : int
        As for `pack`.

    Returns
    -------
    list of PackedBatch
    """
    order = sort_by_length(lengths)
    n_shards = max(1, len(order) // SHARD_SIZE)
    return [pack(starts, lengths, stride, order[k::n_shards]) for k in range(n_shards)]
