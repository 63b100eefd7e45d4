"""In what order training sees the data: minibatches of sequences, or windows of time."""

import numpy as np

from fastrnn.kernels.packing import sort_minibatches


def make_plan(network, sequences, weight, settings, windows, vary=None):
    """The plan of training on those sequences that have a weight; None if there are none.

    What is read in their place by way of ``vary`` may have other lengths.
    """
    kept = _with_weight(sequences, weight)
    if not kept.size:
        return None
    if windows is not None:
        return Windows(network, sequences, kept, windows)
    return Minibatches(kept, settings, None if vary else sequences.lengths)


def _with_weight(sequences, weight):
    """The numbers of the sequences that have a weight, or a step with one."""
    if len(weight) != len(sequences):
        weight = np.add.reduceat(weight != 0, sequences.offsets[:-1])
    return np.flatnonzero(weight)


class Minibatches:
    """Minibatches of whole sequences, in a new order each epoch if asked.

    Where their lengths are known those of each minibatch are sorted, which is done for a whole
    epoch at once.
    """

    def __init__(self, kept, settings, lengths):
        self.kept, self.size, self.shuffle = kept, settings.batch_size, settings.shuffle
        self.lengths = lengths
        self.room = np.empty((min(self.size, len(kept)), 3), dtype=np.int64)
        self.n_samples = len(kept)
        self.starts = range(0, len(kept), self.size)

    def __len__(self):
        return len(self.starts)

    def epoch(self, rng):
        """Yield the sequences of each minibatch, how many samples that is, and nothing else."""
        order = rng.permutation(self.kept) if self.shuffle else self.kept.copy()
        if self.lengths is not None:
            sort_minibatches(self.lengths, self.size, order, self.room)
        for start in self.starts:
            indices = order[start : start + self.size]
            yield indices, len(indices), {}


class Windows:
    """Windows of time of all sequences, which carry their states on; samples are time steps."""

    def __init__(self, network, sequences, kept, steps):
        self.network, self.kept, self.steps = network, kept, steps
        self.n_sequences, self.lengths = len(sequences), sequences.lengths[kept]
        self.n_samples = int(self.lengths.sum())
        self.starts = range(0, int(self.lengths.max()), steps)

    def __len__(self):
        return len(self.starts)

    def epoch(self, rng):
        """Yield the sequences, how many of their steps are in the window, window and states."""
        states = self.network.initial_states(self.n_sequences)
        for start in self.starts:
            window = (start, start + self.steps)
            n_steps = int(np.clip(self.lengths - start, 0, self.steps).sum())
            yield self.kept, n_steps, {"window": window, "states": states}
