"""A conditional random field on the scores of every step: classes that depend on one another."""

from dataclasses import dataclass

import numpy as np

from fastrnn.kernels.crf import best_path, forward_backward
from fastrnn.kernels.dense import dense_gradients, pack_weights, pack_weights_transposed
from fastrnn.kernels.workspace import Workspace
from fastrnn.network.linear_head import LinearHead

__all__ = ["CRF", "Room"]

MOST_APART = {"float32": 70.0, "float64": 600.0}
"""How far scores may be apart in all, so that exponentials, and products of some, are normal."""

NEIGHBOURS = 3
"""Steps within which a class leads to any other where not every one may follow every one."""


@dataclass(slots=True)
class Room:
    """Memory for a shard, and where the gradient of the head's `joined` goes."""

    before: np.ndarray
    after: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    pairs: np.ndarray
    sums: np.ndarray
    left: np.ndarray
    right: np.ndarray
    gradient: np.ndarray | None


class CRF(LinearHead):
    """A class for each step, which depend on one another: target is (n,) int64.

    Beside the map it has scores of a class after another, "transitions" (K, K), and of the first
    and the last class, "starts" and "ends" (K,): see `fastrnn.kernels.crf`. Predictions are the
    probabilities of each class at each step. A step of weight 0 may have any class: sums are over
    all. The others of a sequence have the same weight, that of the sequence.

    ``allowed`` says which class may follow which, in words of the signs 0 and 1, one for the start
    and then for each class, with a sign for the end and then for each class. Empty: every one may.
    """

    kind = "crf"
    link = None
    time_may_be_cut = False
    needs_every_step = True
    is_filtered = True
    joined = ("transitions", "starts", "ends")

    def __init__(self, n_outputs, *, tied=False, allowed=""):
        super().__init__(n_outputs, tied=tied)
        self.options = {"allowed": allowed}
        size = n_outputs + 1
        words = allowed.split(" ") if allowed else ["1" * size] * size
        if [len(word) for word in words] != [size] * size or not set(allowed) <= set("01 "):
            raise ValueError(f"allowed must be {size} words of {size} signs 0 and 1")
        self._may = None if not allowed else np.array([[s == "1" for s in word] for word in words])

    def shapes(self, width):
        n = self.n_outputs
        return {**super().shapes(width), "transitions": (n, n), "starts": (n,), "ends": (n,)}

    def scores(self):
        """Scores of transitions, starts and ends: minus infinity where one may not be."""
        scores = [self.params[name] for name in self.joined]
        if self._may is None:
            return scores
        masks = (self._may[1:, 1:], self._may[0, 1:], self._may[1:, 0])
        lowest = scores[0].dtype.type(-np.inf)
        return [np.where(mask, own, lowest) for mask, own in zip(masks, scores, strict=True)]

    def take_room(self, batch, work, gradient=None):
        n, n_rows = self.n_outputs, len(batch.rows)
        return Room(
            before=work.take("before", (n_rows, n)),
            after=work.take("after", (n_rows, n)),
            forward=work.packed("transitions", n, n),
            backward=work.packed("transitions backward", n, n),
            pairs=work.take("pairs", (n, n)),
            sums=work.take("sums of pairs", (n,)),
            left=work.packed_left("rows of pairs", n_rows, n),
            right=work.packed("columns of pairs", n_rows, n),
            gradient=gradient,
        )

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        chains = _Chains(self, outputs, batch, room)
        weight = weight[places].astype(np.float64)
        only = np.where(weight > 0, target[places], -1)
        weight = chains.of_rows(chains.means(weight)) / total
        if ((only < 0) & (weight > 0)).any():
            score, expected = chains.run(outputs.copy(), only)
            expected *= weight[:, np.newaxis]
            pairs = None if room.gradient is None else chains.pairs(weight)
        else:
            score, pairs = chains.of_path(self, outputs, np.maximum(only, 0), weight)
            expected = None
        mass, said = chains.run(outputs, None)
        if room.gradient is not None:
            pairs = chains.pairs(weight) - pairs
        said *= weight[:, np.newaxis]
        if expected is not None:
            said -= expected
        else:
            said[np.arange(len(said)), only] -= weight  # of the last class where there is none: 0
        if said is not outputs:
            outputs[...] = said
        first, last = slice(len(mass)), batch.last
        if room.gradient is not None:
            ends = (said[first].sum(axis=0), said[last].sum(axis=0))
            room.gradient[...] = np.concatenate([pairs.ravel(), *ends])
        return float((mass - score) @ weight[first])

    def constant_loss(self, target, weight, lengths=None):
        """That of scores which say each class as often as it begins, or follows on another, does.

        Where the class before is not known, as often as it is there.
        """
        n, weight = self.n_outputs, weight.astype(np.float64)
        is_known, is_first = weight > 0, np.zeros(len(weight), dtype=bool)
        is_first[np.cumsum(lengths) - lengths] = True
        goes_on = is_known & ~is_first & np.roll(is_known, 1)
        apart = is_known & ~is_first & ~goes_on
        pairs = np.roll(target, 1)[goes_on] * n + target[goes_on]
        pairs = np.bincount(pairs, weight[goes_on], minlength=n * n).reshape(n, n)
        starts, every, others = (
            np.bincount(target[those], weight[those], minlength=n)
            for those in (is_first & is_known, is_known, apart)
        )
        loss = sum(_surprise(counts, counts) for counts in (starts, *pairs))
        return float((loss + _surprise(others, every)) / weight.sum())

    def step_log_likelihoods(self, outputs, target, places, batch, room):
        """Of the classes of each sequence, at its first step, and 0 at the others.

        Where a target is negative it may be any class.
        """
        chains = _Chains(self, outputs, batch, room)
        score, _ = chains.run(outputs.copy(), target[places])
        mass, _ = chains.run(outputs, None)
        likelihoods = np.zeros(len(outputs))
        likelihoods[: len(mass)] = score - mass
        return likelihoods

    def decode(self, outputs, batch=None, room=None):
        _, said = _Chains(self, outputs, batch, room).run(outputs, None)
        if said is not outputs:
            outputs[...] = said

    def best(self, outputs, batch, room):
        """The most probable classes of each sequence."""
        transitions, starts, ends = self.scores()
        way = np.empty_like(starts)
        origin = room.after.reshape(-1).view(np.int32)[: outputs.size].reshape(outputs.shape)
        best = np.empty(len(outputs), dtype=np.int64)
        best_path(outputs, batch.alive, transitions, starts, ends, way, origin, best)
        return best


class _Chains:
    """The sequences of a shard, and the scores of a head as factors, packed.

    Scores that are too far apart for the network's dtype are worked with in double.
    """

    def __init__(self, head, outputs, batch, room):
        scores = head.scores()
        apart = [_range(score) for score in scores]
        steps = 1 if scores[0] is head.params["transitions"] else NEIGHBOURS
        rows = float((outputs.max(axis=1) - outputs.min(axis=1)).max())
        self.dtype = outputs.dtype
        if steps * (max(apart) + rows) > MOST_APART[self.dtype.name]:
            self.dtype = np.dtype(np.float64)
            if outputs.dtype != self.dtype:
                gradient, room = room.gradient, head.take_room(batch, Workspace(self.dtype))
                room.gradient = gradient
        self.lowest = -0.5 * MOST_APART["float64"] / steps
        self.batch, self.room = batch, room
        factors, self._most = zip(*(self._factors(score) for score in scores), strict=True)
        self._transitions, self._starts, self._ends = factors
        n = head.n_outputs
        pack_weights(self._transitions, 0, n, room.forward, False)
        pack_weights_transposed(self._transitions, 0, n, room.backward, False)
        self._sequence = np.arange(len(outputs)) - np.repeat(batch.first, batch.alive)

    def _factors(self, scores):
        """Exponentials of scores relative to the largest, and that."""
        scores = scores.astype(self.dtype)
        most = scores.max()
        factors = np.exp(np.maximum(scores - most, self.lowest))
        factors[scores == -np.inf] = 0
        return factors, float(most)

    def means(self, weight):
        """The mean of each sequence over the rows that have a weight; 0 where none has."""
        sums = np.bincount(self._sequence, weight)
        return sums / np.maximum(np.bincount(self._sequence, weight > 0), 1)

    def of_rows(self, of_sequences):
        """For each row what its sequence has."""
        return of_sequences[self._sequence]

    def run(self, outputs, only):
        """Sum over all classes, or over those that there may be: logarithms (B,), marginals."""
        batch, room = self.batch, self.room
        said = outputs.astype(self.dtype, copy=False)
        if only is None:
            only = np.full(len(said), -1)
        mass = np.empty(len(batch.order))
        forward_backward(
            said, batch.alive, only, room.forward, room.backward, self._starts, self._ends,
            self.lowest, room.before, room.after, mass,
        )  # fmt: skip
        of_pairs, *of_ends = self._most
        return mass + (batch.lengths - 1) * of_pairs + sum(of_ends), said

    def pairs(self, weight):
        """How often a class follows another, expected by the last `run`, weighted."""
        room, n = self.room, len(self._transitions)
        room.pairs.fill(0)
        room.after *= weight[:, np.newaxis]
        dense_gradients(
            room.before, 0, n, room.after, 0, n, room.pairs, room.sums, n, room.left, room.right,
            False,
        )  # fmt: skip
        return self._transitions * room.pairs

    def of_path(self, head, outputs, path, weight):
        """The score (B,) of a class at each row, and how often one follows another, weighted."""
        n, batch = head.n_outputs, self.batch
        first, rows = slice(len(batch.order)), np.arange(len(path))
        transitions, starts, ends = (head.params[name] for name in head.joined)
        before = rows[first.stop :] - np.repeat(batch.alive[:-1], batch.alive[1:])
        pairs = path[before] * n + path[first.stop :]
        scores = outputs[rows, path].astype(np.float64)
        scores[first.stop :] += transitions.ravel()[pairs]
        scores[first] += starts[path[first]]
        scores = np.bincount(self._sequence, scores) + ends[path[batch.last]]
        return scores, np.bincount(pairs, weight[first.stop :], minlength=n * n).reshape(n, n)


def _range(scores):
    """How far scores are apart that are not minus infinity."""
    return float(scores.max() - scores.min(initial=np.inf, where=scores != -np.inf))


def _surprise(counts, expected):
    """Minus the logarithms of what is expected, as often as counted."""
    there = counts > 0
    return counts[there] @ np.log(expected.sum() / expected[there])
