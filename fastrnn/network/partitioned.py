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


class Step(NamedTuple):
    """A step that a partition makes by itself, on its share of a minibatch."""

    share: Share
    weight: float  # of the sequences of this share
    of_minibatch: float  # how many of the sequences of the minibatch it has, as a part of all
    rate: float  # at which it learns


class Walk(NamedTuple):
    """The steps that a partition makes before all meet again, and its part in their mean."""

    steps: list[Step]
    part: float


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
    go : callable, optional
        ``go(start, walks, variation, settings, names, numbers)`` gives the sums that `walk` takes
        its means of, and the mean end, of the `Walk` of each partition that has one, by its number.
        They start from the parameters and the vectors of the solver's state (1 + n, P), which have
        these names; other entries of it are its numbers.
    """

    def __init__(self, network, run, go=None):
        self.network, self._run, self._go = network, run, go
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
        shares = self._share(sequences, indices, weight, rng)
        loss, grad = self._run(self.theta, shares, sequences.variation, bptt_steps, n_jobs)
        self.grad[...] = grad
        return loss

    def _share(self, sequences, indices, weight, rng):
        """The share of a minibatch that each partition has, by its number."""
        split = list(sequences.split(indices))
        total = math.fsum(weight[indices]) if len(split) > 1 else None
        seed = self.network.draw_seed(rng)
        return {
            k: Share(own, seed and (seed[0], place), total) for place, (k, own) in enumerate(split)
        }

    def walk(self, sequences, minibatches, weight, rates, settings, state, rng):
        """Let each partition step on its share of each minibatch, and take the mean of all.

        Their mean is that of the parameters, which go to ``theta``, and of the vectors of the
        solver's `state`, each weighted by what the partition has seen. Returns the mean loss, and
        the mean norm of the gradients.
        """
        steps: dict[int, list[Step]] = {}
        for indices, rate in zip(minibatches, rates, strict=True):
            for k, share in self._share(sequences, indices, weight, rng).items():
                own = math.fsum(weight[share.indices + sequences.starts[k]])
                n = len(share.indices) / len(indices)
                steps.setdefault(k, []).append(Step(share, own, n, rate))
        seen = {k: math.fsum(step.weight for step in of_k) for k, of_k in steps.items()}
        whole = math.fsum(seen.values())
        walks = {k: Walk(of_k, seen[k] / whole) for k, of_k in steps.items()}
        names = [name for name, value in state.items() if isinstance(value, np.ndarray)]
        numbers = {name: value for name, value in state.items() if name not in names}
        vectors = [self.theta, *(state[name] for name in names)]
        told = sequences.variation, settings, names, numbers
        (loss, norm), mean_end = self._go(np.array(vectors), walks, *told)
        for vector, mean in zip(vectors, mean_end, strict=True):
            vector[...] = mean
        if "t" in state:
            state["t"] += len(minibatches)
        return float(loss) / sum(map(len, minibatches)), float(norm) / len(minibatches)
