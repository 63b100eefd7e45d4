"""Sequences that are changed at random in every epoch: what they say should not depend on that.

Steps at the ends are left out (window slicing, Le Guennec et al. 2016, Data augmentation for time
series classification using convolutional neural networks), time runs faster and slower, numbers
are scaled and noise is added (Um et al. 2017, arXiv 1706.00527, section 3).
"""

from dataclasses import replace

import numpy as np

from fastrnn.kernels.warping import warp_rows

CROP = 0.1
"""Share of the steps that are left out at most, at both ends together."""

IN_PLACE = 0.3
"""Share of the sequences whose steps stay where they are: what is read later is as they are, and
between steps, where others are read, there is less noise."""

LAST_PART = 0.3
"""Share of training at its end in which all sequences are read as they are, as later ones will be
(He et al. 2019, Data augmentation revisited, arXiv 1909.09148)."""

STRETCHES = 5
WARP = 0.1
"""Deviation of the logarithm of the speed of time, in so many stretches of a sequence."""

SCALE = 0.05
"""Deviation of the logarithm of the factor of each number, around its mean, in a sequence."""

NOISE = 0.03
"""Deviation of what is added to each number, in its own deviations."""


FEW_VALUES, LOOKED_AT = 32, 10_000
"""Numbers that take so few values, in so many rows, are codes or signs, not measurements."""


def has_measurements(numbers):
    """Whether some column of numbers (N, D) is measured, so that values between its own occur."""
    return any(len(np.unique(column)) > FEW_VALUES for column in numbers[:LOOKED_AT].T)


def draw_seed(rng, done):
    """Draw what changes sequences when such a share of training is done; None if nothing does."""
    return None if done >= 1.0 - LAST_PART else int(rng.integers(2**63))


class Augmentation:
    """Gives sequences for an epoch in the place of some others.

    Parameters
    ----------
    sequences : Sequences
        As the network reads them.
    n_numbers : int
        How many columns of their values are numbers; the others stay as they are.
    strength : float
        By how much all that is above is multiplied.
    keeps_time : bool
        Whether steps stay where they are, since values are missing or time itself is read.
    """

    def __init__(self, sequences, n_numbers, strength, keeps_time):
        self.sequences, self.n_numbers, self.strength = sequences, n_numbers, strength
        self.keeps_time = keeps_time
        numbers = sequences.values[:, :n_numbers]
        self.mean = numbers.mean(axis=0, dtype=np.float64)
        self.deviation = numbers.std(axis=0, dtype=np.float64)

    def __call__(self, rng, done=0.0):
        """Draw sequences, as many as there are, when such a share of training is done."""
        return self.changed(draw_seed(rng, done))

    def changed(self, seed, partition=0):
        """The sequences as a seed changes those of a partition; as they are without one."""
        sequences, dtype = self.sequences, self.sequences.values.dtype
        if seed is None:
            return sequences
        rng = np.random.default_rng((seed, partition))
        if self.keeps_time:
            sequences = replace(sequences, values=sequences.values.copy())
        else:
            sequences = self._move_steps(rng)
        shape = (len(sequences), self.n_numbers)
        factors = np.exp(self.strength * SCALE * rng.standard_normal(shape)).astype(dtype)
        numbers, mean = sequences.values[:, : self.n_numbers], self.mean.astype(dtype)
        numbers -= mean
        numbers *= np.repeat(factors, sequences.lengths, axis=0)
        numbers += mean
        noise = rng.standard_normal(numbers.shape, dtype=dtype)
        noise *= (self.strength * NOISE * self.deviation).astype(dtype)
        numbers += noise
        return sequences

    def _move_steps(self, rng):
        """Leave out steps at the ends, and read the others at other moments."""
        sequences, n = self.sequences, len(self.sequences)
        moves = rng.random(n) >= IN_PLACE
        most = np.floor(min(self.strength * CROP, 0.5) * sequences.lengths).astype(np.int64)
        n_out = rng.integers(moves * most + 1)
        first = sequences.offsets[:-1] + rng.integers(n_out + 1)
        offsets = np.concatenate([[0], np.cumsum(sequences.lengths - n_out)])

        speeds = self.strength * WARP * rng.standard_normal((n, STRETCHES))
        durations = np.exp(moves[:, np.newaxis] * speeds)
        ends = np.cumsum(durations, axis=1) / durations.sum(axis=1, keepdims=True)
        ends = np.concatenate([np.zeros((n, 1)), ends], axis=1)
        values = np.empty((offsets[-1], sequences.n_features), sequences.values.dtype)
        ids = sequences.ids
        rows = np.empty(0 if ids is None else len(values), np.int64)
        warp_rows(sequences.values, first, offsets, ends, values, rows)
        ids = None if ids is None else np.ascontiguousarray(ids[rows])
        return replace(sequences, values=values, offsets=offsets, ids=ids)
