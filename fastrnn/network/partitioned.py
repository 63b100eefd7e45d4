"""A network that learns from sequences in partitions, which lie where this process cannot see them.

Of a minibatch each partition has its share, and gives the gradient of that. They are added in a
tree whose shape depends on the number of partitions alone: the result is the same bits wherever
these lie. A minibatch that lies in one partition has the gradient that it has in one process.
"""

import math
from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np


class Share(NamedTuple):
    """What one partition has of a minibatch."""

    indices: np.ndarray  # int64, of its sequences
    seed: tuple[int, int] | None  # of its masks
    total: float | None  # of the weights of the whole minibatch, None if they are all here


class Directory:
    """What is known of the sequences of all partitions, in their order: how long each is.

    `variation` is the seed by which partitions change them in this epoch; None leaves them. An
    epoch reads so many partitions `at_once`, or all.
    """

    def __init__(self, lengths_of_partitions, at_once=None):
        self.lengths = np.concatenate(lengths_of_partitions)
        self.starts = np.cumsum([0, *map(len, lengths_of_partitions)])
        self.at_once = at_once
        self.variation: int | None = None

    def __len__(self):
        return len(self.lengths)

    def mix(self, kept, rng):
        """Bring some sequences, which are in order, into a new one for an epoch.

        Where not all partitions are read at once, they are taken in a new order, so many at a time,
        and only the sequences of these are mixed.
        """
        if self.at_once is None or self.at_once > len(self.starts) - 2:
            return rng.permutation(kept)
        partitions = np.split(kept, np.searchsorted(kept, self.starts[1:-1]))
        order = rng.permutation(len(partitions))
        return np.concatenate(
            [
                rng.permutation(
                    np.concatenate([partitions[k] for k in order[b : b + self.at_once]])
                )
                for b in range(0, len(order), self.at_once)
            ]
        )

    def split(self, indices):
        """Yield each partition that has some of these sequences, with their numbers in it."""
        of_indices = np.searchsorted(self.starts, indices, side="right") - 1
        for k in np.unique(of_indices).tolist():
            yield k, indices[of_indices == k] - self.starts[k]


def add_in_tree(values, n, add):
    """The sum of values by the number of their place, of ``n`` places, in a tree; None of none.

    ``add(a, b)`` gives the sum of two, and may write it to the first.
    """
    return add_here(values, n, add, ()).get(0)


def add_here(values, n, add, elsewhere):
    """Of such a tree the sums, by their places, for which no value is needed that is `elsewhere`.

    Those are places, too, in rising order. All of what is added so anywhere, added in the tree,
    gives the same bits as all the values.
    """
    values, step = dict(values), 1
    while step < n:
        for k in range(0, n - step, 2 * step):
            if bisect_left(elsewhere, k) == bisect_left(elsewhere, k + 2 * step):
                if (more := values.pop(k + step, None)) is not None:
                    values[k] = add(values[k], more) if k in values else more
        step *= 2
    return values


class PartitionedNetwork:
    """What training knows of a network, whose gradients come from elsewhere.

    Parameters
    ----------
    network : Network
        Its parameters are trained; it sees no sequence.
    run : callable
        ``run(theta, shares, variation, bptt_steps, n_jobs)`` gives the loss and the gradient (P,)
        of a minibatch, each the sum, by `add_in_tree`, over the partitions: ``shares`` has the
        `Share` of each partition that has one, by its number.
    """

    def __init__(self, network, run):
        self.network, self._run = network, run
        self.theta, self.grad, self.decayed = network.theta, network.grad, network.decayed

    def loss_and_grad(
        self, sequences, indices, target, weight, *, theta=None, rng=None, bptt_steps=None,
        n_jobs=None,
    ) -> Any:  # fmt: skip
        """Loss of a minibatch; its gradient goes to ``grad``.

        As `Network.loss_and_grad`, but that sequences are a `Directory`, and ``weight`` (n,),
        float64, has the sum of the weights of each sequence; ``target`` is not looked at.
        """
        if theta is not None:
            self.theta[...] = theta
        split = list(sequences.split(indices))
        total = math.fsum(weight[indices]) if len(split) > 1 else None
        seed = self.network.draw_seed(rng)
        shares = {
            k: Share(own, seed and (seed[0], place), total) for place, (k, own) in enumerate(split)
        }
        loss, grad = self._run(self.theta, shares, sequences.variation, bptt_steps, n_jobs)
        self.grad[...] = grad
        return loss
