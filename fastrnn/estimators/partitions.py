"""Partitions: data where they lie, and what a fit that sees none of them asks about them.

A `Partition` is made wherever its data are: in this process, in that of an MPI rank, on a worker of
a cluster. All that it says is small: what it knows of its columns and classes, the lengths and
weights of its sequences, gradients, sums of scores. What it is told is enough to make it anew: a
partition that was lost and is read again answers with the same bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.estimators.augmenting import augmentation, suits
from fastrnn.estimators.fitting import build, products_for
from fastrnn.estimators.needs import refuse_to_train
from fastrnn.estimators.validation import ValidationData
from fastrnn.inputs.errors import NothingCounts, in_argument
from fastrnn.network.architecture import Architecture
from fastrnn.network.partitioned import Share, add_in_tree
from fastrnn.training.solvers import SOLVERS, GradientNorm
from fastrnn.typing import Floats


@dataclass(frozen=True, eq=False)
class Brief:
    """What all partitions are told before training begins.

    The estimator has the parameters, with weights of classes as they are for all partitions;
    `strength` is that by which epochs change the sequences, None if none does.
    """

    estimator: Any
    reader: Any
    task: Any
    architecture: Architecture
    strength: float | None = None


class Partition:
    """Sequences with their targets and weights, and the number of their place among others."""

    def __init__(self, number: int, X: Any, y: Any, sample_weight: Any = None) -> None:
        self.number, self.given = number, (X, y, sample_weight)
        self.brief: Any = None
        self.network: Any = None
        self.sequences: Any = None
        self.target: Any = None
        self.scored: Any = None
        self.augmentation: Any = None
        self._changed: tuple[int | None, Any] = (None, None)

    def learn(self, parameters):
        """Reader and task of the only partition that there is, and the lengths of its sequences."""
        X, y, sample_weight = self.given
        reader_class, task_class = parameters.reader_class, parameters.task_class
        reader, sequences = reader_class.learn(X, parameters, self._weigh(parameters))
        task, _ = task_class.learn(y, sequences, sample_weight, parameters)
        return reader.without_data(), task, sequences.lengths

    def look(self, parameters):
        """What this partition adds to reader and task, and how long is what it has."""
        X, y, sample_weight = self.given
        reader_class, task_class = parameters.reader_class, parameters.task_class
        of_reader, looked_at = reader_class.look(X, parameters, self._weigh(parameters))
        of_task = task_class.look(y, looked_at, sample_weight, parameters)
        return of_reader, of_task, looked_at.lengths

    def _weigh(self, parameters):
        return lambda sequences: parameters.task_class.weigh_steps(self.given[2], sequences)

    def begin(self, brief):
        """Read all, to be trained on.

        Returns weights and lengths of sequences, whether they may change, and their products for
        the first filters.
        """
        X, y, sample_weight = self.given
        estimator, reader, task = brief.estimator, brief.reader, brief.task
        sequences = reader.read_part(X, estimator)
        if sequences is None:
            return np.zeros(0), np.zeros(0, np.int64), False, None
        target = task.encode(y, sequences, sample_weight, estimator, partial=True)
        refuse_to_train(
            estimator, brief.architecture, task, sequences, task.told(sequences.lengths, target)
        )
        self._build(brief)
        self.sequences, self.target = sequences, target
        self.augmentation, may_change = None, False
        if brief.strength is not None:
            self.augmentation = augmentation(brief.strength, reader, sequences)
            may_change = suits(estimator, reader, sequences)
        products = products_for(self.network, sequences, target)
        weight = target.of_sequences(target.weight.astype(np.float64))
        return weight, sequences.lengths, may_change, products

    def gradient(
        self,
        theta: Floats,
        share: Share,
        variation: int | None,
        bptt_steps: int | None,
        n_jobs: int | None,
    ) -> tuple[float, Floats]:
        """Loss and gradient (P,) of this partition's share of a minibatch.

        The gradient is overwritten by the next one.
        """
        network, total = self.network, share.total
        loss = network.loss_and_grad(
            self._sequences(variation), share.indices, self.target.values, self.target.weight,
            theta=theta, seed=share.seed, bptt_steps=bptt_steps, n_jobs=n_jobs,
            total=None if total is None else lambda own: total,
        )  # fmt: skip
        return loss, network.grad

    def walk(self, start, walk, variation, settings, names, numbers):
        """Make the steps of a `Walk`: the sum of losses and norms, and this part of the mean end.

        The arguments are those that `PartitionedNetwork` tells. A loss counts as often as it has
        sequences, a norm as the part of its minibatch that they are.
        """
        network, (theta, *vectors) = self.network, start.copy()
        network.theta[...] = theta
        state = dict(zip(names, vectors, strict=True)) | numbers
        solver = SOLVERS[settings.solver](network, settings, state)
        sums, norm_of = np.zeros(2), GradientNorm(network.grad, settings.n_jobs)
        for share, weight, of_minibatch, rate in walk.steps:
            loss, grad = self.gradient(
                network.theta, share, variation, settings.bptt_steps, settings.n_jobs
            )
            whole = 1.0 if share.total is None else share.total / weight  # for itself it is all
            norm = norm_of() * whole
            scale = whole
            if settings.clip_norm is not None and norm > settings.clip_norm:
                scale *= settings.clip_norm / norm
            solver.step(network.theta, grad, scale, rate)
            sums += len(share.indices) * loss * whole, of_minibatch * norm
        return sums, np.array([network.theta, *vectors]) * walk.part

    def _sequences(self, variation):
        """The sequences as they are in an epoch."""
        if variation is None:
            return self.sequences
        if self._changed[0] != variation:
            self._changed = variation, self.augmentation.changed(variation, self.number)
        return self._changed[1]

    def begin_scoring(self, brief):
        """Read all, to be scored; whether anything of it counts."""
        given = ValidationData(self.given)
        told = brief.reader, brief.task, brief.estimator.dtype
        try:
            self.scored = given.read_parts(*self.given, *told)
        except NothingCounts:
            return False
        self._build(brief)
        return True

    def tally(self, theta):
        """What the score of a network with these parameters is made of; None if nothing counts."""
        if self.scored is None:
            return None
        self.network.theta[...] = theta
        return self.brief.task.tally(self.network, self.scored, self.brief.estimator)

    def _build(self, brief):
        self.brief = brief
        self.network = build(brief.estimator, brief.architecture, brief.task)


def add_gradients(one: tuple[float, Floats], other: tuple[float, Floats]) -> tuple[float, Floats]:
    """Add two pairs of loss and gradient; the first gradient is overwritten."""
    (loss, grad), (more, other_grad) = one, other
    with np.errstate(over="ignore", invalid="ignore"):  # training says what has diverged
        grad += other_grad
        return loss + more, grad


class InTurn:
    """Partitions in this process, asked one after the other."""

    def __init__(self, partitions):
        self.partitions = partitions

    def __len__(self):
        return len(self.partitions)

    def name(self, k):
        """What a partition is called."""
        return f"partition {k}"

    def of_first(self, value):
        """The value of this process, which is the only one that fits."""
        return value

    def ask(self, what, *told):
        """What each partition answers, in their order."""
        return [self._ask(k, what, *told) for k in range(len(self))]

    def run(self, theta, shares, *told):
        """The loss and the gradient of a minibatch."""
        return self._sum("gradient", theta, shares, *told)

    def walk(self, start, walks, *told):
        """What the means of walks are made of."""
        return self._sum("walk", start, walks, *told)

    def _sum(self, what, vectors, shares, *told):
        found = {k: self._ask(k, what, vectors, share, *told) for k, share in shares.items()}
        return add_in_tree(found, len(self), add_gradients)

    def _ask(self, k, what, *told):
        with in_argument(self.name(k)):
            return getattr(self.partitions[k], what)(*told)
