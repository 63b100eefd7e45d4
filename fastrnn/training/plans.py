"""In what order training sees the data: minibatches of sequences, or windows of time."""

import numpy as np

from fastrnn.network.partitioned import Directory


def make_plan(network, sequences, weight, settings, windows):
    """The plan of training on those sequences that have a weight; None if there are none."""
    kept = _with_weight(sequences, weight)
    if not kept.size:
        return None
    if windows is not None:
        return Windows(network, sequences, kept, windows)
    mix = sequences.mix if isinstance(sequences, Directory) else None
    return Minibatches(kept, settings, mix)


def _with_weight(sequences, weight):
    """The numbers of the sequences that have a weight, or a step with one."""
    if len(weight) != len(sequences):
        weight = np.add.reduceat(weight != 0, sequences.offsets[:-1])
    return np.flatnonzero(weight)


class Minibatches:
    """Minibatches of whole sequences, in a new order each epoch if asked.

    ``mix(kept, rng)`` brings them into it; without it any order is as likely as any other.
    """

    def __init__(self, kept, settings, mix=None):
        self.kept, self.size, self.shuffle = kept, settings.batch_size, settings.shuffle
        self.mix = mix
        self.n_samples = len(kept)
        self.starts = range(0, len(kept), self.size)

    def __len__(self):
        return len(self.starts)

    def epoch(self, rng):
        """Yield the sequences of each minibatch, how many samples that is, and nothing else."""
        order = self.kept
        if self.shuffle:
            order = rng.permutation(order) if self.mix is None else self.mix(order, rng)
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
