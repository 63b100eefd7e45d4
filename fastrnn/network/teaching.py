"""What a decoder reads and is to say, in training: each label after the one before it.

A sequence of L labels is L + 1 steps: the decoder reads the start and the labels, and is to say the
labels and the end. Start and end are one number, K - 1, in what is read and in what is said.
"""

from typing import NamedTuple

import numpy as np

from fastrnn.network.batches import pack

__all__ = ["Taught", "constant_loss", "teach"]


MOST_SMOOTHED = 0.8
"""Share of a loss that smoothing may make, for the rest to show whether anything was learned."""


class Taught(NamedTuple):
    """Steps of some sequences, one after the other."""

    ids: np.ndarray  # (M, 1): what is read
    said: np.ndarray  # (M,): what is to be said
    starts: np.ndarray  # (B,): the first step of each sequence
    lengths: np.ndarray  # (B,)
    values: np.ndarray | None = None  # (M, H): numbers that are read, if any

    def pack(self):
        """The packed batch of these sequences, whose numbers are by their order here."""
        return pack(self.starts, self.lengths, 1)

    def with_values(self, values):
        """The same with numbers that are read."""
        return Taught(self.ids, self.said, self.starts, self.lengths, values)

    def sampled(self, outputs, share, seed):
        """The same, but a share of the labels that are read are drawn by outputs (M, K) for them.

        The end is never drawn: nothing is read after it.
        """
        rng = np.random.default_rng(seed)
        logits = outputs[:, :-1] + rng.gumbel(size=(len(outputs), outputs.shape[1] - 1))
        is_drawn = rng.random(len(outputs)) < share
        is_drawn[self.starts] = False
        ids = self.ids.copy()
        ids[is_drawn, 0] = np.roll(logits.argmax(axis=1), 1)[is_drawn]
        return Taught(ids, self.said, self.starts, self.lengths)


def teach(target, indices, boundary):
    """The steps of some of the target's sequences, with the number of start and end."""
    lengths = target.lengths[indices] + 1
    starts = np.cumsum(lengths) - lengths
    n_steps = int(lengths.sum())
    said = np.full(n_steps, boundary, dtype=np.int64)
    is_label = np.ones(n_steps, dtype=bool)
    is_label[starts + lengths - 1] = False
    moved = np.repeat(target.offsets[:-1][indices] - starts, lengths) + np.arange(n_steps)
    said[is_label] = target.labels[moved[is_label]]
    return Taught(np.roll(said, 1)[:, np.newaxis], said, starts, lengths)


def constant_loss(target, weight, boundary, smoothing):
    """Lowest loss of what says each label, and after so many of them the end, as often as it is.

    It is in the mean over all labels and ends, with ``smoothing`` as in
    `fastrnn.network.pair_lessons.take_loss`; None where that alone makes most of it.
    """
    weight, lengths = weight.astype(np.float64), target.lengths
    counts = np.bincount(target.labels, np.repeat(weight, lengths), minlength=boundary)
    frequencies = counts / (counts.sum() or 1.0)
    ends = np.bincount(lengths, weight)
    alive = np.cumsum(ends[::-1])[::-1]  # of how many there is such a step
    loss, n_outputs = 0.0, boundary + 1
    for n, n_ends in zip(alive[alive > 0], ends[alive > 0], strict=True):
        share = n_ends / n
        said = np.append((1.0 - share) * frequencies, share)
        loss += n * _entropy((1.0 - smoothing) * said + smoothing / n_outputs)
    loss /= alive.sum()
    one = np.zeros(n_outputs)
    one[0] = 1.0
    least = _entropy((1.0 - smoothing) * one + smoothing / n_outputs)
    return None if least > MOST_SMOOTHED * loss else float(loss)


def _entropy(shares):
    shares = shares[shares > 0]
    return -(shares * np.log(shares)).sum()
