"""The partitions of a cluster, as `fit_jointly` asks them.

A partition that was read is the result of a task, on the worker that has its data; each round is a
task for each thread of each worker, of the partitions that are there. All that a task is told
suffices to do it again: where a worker ends, Dask computes again what was there, from the data on.
"""

import time
from typing import Any

import numpy as np

from fastrnn.dask.cluster import LOOKS_EVERY, Call, Cluster, same
from fastrnn.dask.data import Data
from fastrnn.dask.placement import cut, place
from fastrnn.estimators.partitions import Partition, add_gradients
from fastrnn.inputs.errors import in_argument
from fastrnn.network.partitioned import add_here, add_in_tree


class _Opened:
    """A partition that was read on a worker, and what it said of itself."""

    def __init__(self, partition, said):
        self.partition, self.said = partition, said

    def __sizeof__(self):
        scored, sequences = self.partition.scored, self.partition.sequences
        sequences = scored.sequences if scored else sequences
        return 0 if sequences is None else sequences.nbytes


def _count(reading, *data):
    return len(reading(*data)[0])


def _ask(number, name, what, told, reading, *data):
    with in_argument(name):
        return getattr(Partition(number, *reading(*data)), what)(*told)


def _open(number, name, how, reading, brief, *data):
    with in_argument(name):
        partition = Partition(number, *reading(*data))
        said = getattr(partition, how)(brief)
    partition.given = None  # of which Dask knows how to make it again
    return _Opened(partition, said)


def _said(opened):
    return opened.said


def _tallies(numbers, theta, *opened):
    return {k: one.partition.tally(theta) for k, one in zip(numbers, opened, strict=True)}


def _sums(what, shares, elsewhere, n, vectors, told, *opened):
    found = {}
    for (k, share), one in zip(shares.items(), opened, strict=True):
        numbers, answer = getattr(one.partition, what)(vectors, share, *told)
        found[k] = numbers, answer.copy()
    return add_here(found, n, add_gradients, elsewhere)


class Crew:
    """Partitions of data on a cluster.

    ``data`` (`fastrnn.dask.data.Data`) are given; partitions without sequences are left out. A
    worker has so many of them in memory `at_once`, or all.
    """

    def __init__(self, cluster: Cluster, data: Data, at_once: int | None = None) -> None:
        self._cluster, self._reading, self._at_once = cluster, data.reading, at_once
        self._data = cluster.compute(data.partitions)
        lengths = self._each("count", _count)
        cluster.check_recipes([future for partition in self._data for future in partition])
        for partition, n in zip(self._data, lengths, strict=True):
            if not n:
                cluster.release(partition)
        self._data = [part for part, n in zip(self._data, lengths, strict=True) if n]
        self._weights, self._numbers = [n for n in lengths if n], np.flatnonzero(lengths)
        self._opened: list[Any] = []  # futures
        self._homes: list[str | None] = []
        self._slots: dict[str, int] = {}
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._data)

    def name(self, k):
        """What a partition is called: by its place among all that were given."""
        return f"partition {self._numbers[k]}"

    def of_first(self, value):
        """The value of this process, which is the only one that fits."""
        return value

    def _each(self, name, run, *told):
        """What a task says of the data of each partition."""
        told = (*told, self._reading)
        return self._cluster.ask([Call(name, run, told, data) for data in self._data])

    def ask(self, what, *told):
        """What each partition answers, in their order."""
        if what.startswith("begin"):
            return self._open(what, *told)
        if what == "tally":
            return self._tally(*told)
        return self._cluster.ask(
            [
                Call(what, _ask, (k, self.name(k), what, told, self._reading), data)
                for k, data in enumerate(self._data)
            ]
        )

    def _open(self, how, brief):
        self._slots = self._cluster.slots()
        first = [partition[0] for partition in self._data]
        self._homes = place(self._cluster.homes(first), self._weights, self._slots)
        (brief,) = self._cluster.start([Call("brief", same, (brief,))])
        self._opened = self._cluster.start(
            [
                Call(how, _open, (k, self.name(k), how, self._reading), (brief, *data), home)
                for k, (data, home) in enumerate(zip(self._data, self._homes, strict=True))
            ]
        )
        answers = self._cluster.ask([Call("said", _said, (), (one,)) for one in self._opened])
        for partition in self._data:  # what was read stays
            self._cluster.release(partition)
        self._cluster.release([brief])
        self._looked = time.monotonic()
        return answers

    def _tally(self, theta):
        calls = [
            Call("tally", _tallies, (some, theta), opened, home)
            for home, some, opened in self._groups(range(len(self)))
        ]
        found = {}
        for answer in self._cluster.ask(calls):
            found |= answer
        return [found[k] for k in range(len(self))]

    def run(self, theta, shares, *told):
        """The loss and the gradient of a minibatch."""
        return self._sum("gradient", theta, shares, told)

    def walk(self, start, walks, *told):
        """What the means of walks are made of."""
        return self._sum("walk", start, walks, told)

    def _sum(self, what, vectors, shares, told):
        """The sum of what partitions answer that have a share of something."""
        calls, places, found = [], sorted(shares), {}
        for home, some, opened in self._groups(places):
            own = {k: shares[k] for k in some}
            elsewhere = [k for k in places if k not in own]
            told_all = what, own, elsewhere, len(self), vectors, told
            calls.append(Call(what, _sums, told_all, opened, home))
        for sums in self._cluster.ask(calls):
            found |= sums
        return add_in_tree(found, len(self), _add)

    def _groups(self, places):
        """Some partitions, by where they are: a home, their numbers, and what was opened there."""
        self._settle()
        by_home = {}
        for k in places:
            by_home.setdefault(self._homes[k], []).append(k)
        at_once = self._at_once or len(self)
        for home, members in by_home.items():
            turns = -(-len(members) // at_once)
            for some in cut(members, turns * self._slots.get(home, 1)):
                yield home, some, [self._opened[k] for k in some]

    def _settle(self):
        """Give partitions other homes where workers have come or gone."""
        if time.monotonic() - self._looked < LOOKS_EVERY:
            return
        self._looked = time.monotonic()
        slots = self._cluster.slots()
        if slots == self._slots or not slots:
            return
        self._slots, before = slots, self._cluster.homes(self._opened)
        self._homes = place(before, self._weights, slots)
        for k, (home, new) in enumerate(zip(before, self._homes, strict=True)):
            if home not in (None, new):
                (moved,) = self._cluster.start([Call("move", same, (), [self._opened[k]], new)])
                self._cluster.release([self._opened[k]])
                self._opened[k] = moved


def _add(one, other):
    """As `add_gradients`, where what was sent may be read-only."""
    (loss, grad), (more, other_grad) = one, other
    with np.errstate(over="ignore", invalid="ignore"):
        return loss + more, np.add(grad, other_grad)
