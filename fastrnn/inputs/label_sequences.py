"""Sequences of labels of unequal length, one after the other: what is to be said of sequences."""

import operator
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from fastrnn.kernels.ctc import edit_distances
from fastrnn.typing import Ints


@dataclass(frozen=True, eq=False, repr=False)
class LabelSequences:
    """For each of n sequences the labels, any number of them, that it stands for.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,), int64
        Numbers of labels, from 0.
    offsets : ndarray of shape (n + 1,), int64
        Those of sequence ``i`` are ``labels[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> from fastrnn.inputs.label_sequences import LabelSequences
    >>> said = LabelSequences.from_lists([[2, 0], [], [1, 1, 1]])
    >>> said
    <3 sequences, 5 labels>
    >>> said.take([2, 0])[1]
    array([2, 0])
    """

    labels: Ints
    offsets: Ints

    @classmethod
    def from_lists(cls, lists: Collection[Collection[int]]) -> Self:
        """Bring lists of numbers together."""
        offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        labels = np.fromiter((label for one in lists for label in one), np.int64, int(offsets[-1]))
        return cls(labels, offsets)

    @property
    def lengths(self) -> Ints:
        """Number of labels of each sequence, shape (n,), int64."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    def __getitem__(self, index: SupportsIndex) -> Ints:
        """The labels of sequence `index`, as a view."""
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no sequence {i} among {len(self)}")
        i %= len(self)
        return self.labels[self.offsets[i] : self.offsets[i + 1]]

    def __repr__(self) -> str:
        return f"<{len(self)} sequences, {len(self.labels)} labels>"

    def take(self, indices: ArrayLike) -> "LabelSequences":
        """Those of some sequences, in the order given."""
        indices = np.asarray(indices)
        lengths = self.lengths[indices]
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        moved = np.repeat(self.offsets[indices] - offsets[:-1], lengths)
        return LabelSequences(self.labels[moved + np.arange(len(moved))], offsets)

    def edits_to(self, others: Self) -> Ints:
        """How many insertions, deletions and substitutions make each of as many others, (n,)."""
        distances = np.empty(len(self), dtype=np.int64)
        room = np.empty(int(others.lengths.max(initial=0)) + 1, dtype=np.int64)
        edit_distances(self.labels, self.offsets, others.labels, others.offsets, room, distances)
        return distances
