"""Beam search: the label sequences that an encoder-decoder network finds most probable.

Hypotheses of many sources go through the decoder side by side, one row for each. Of every source
the `beam_size` most probable continuations are kept at each step; those that end there leave the
beam, and compete by ``log p / length ** length_normalization`` (Wu et al. 2016, arXiv 1609.08144,
eq. 14, with the plain length, the end counted). A source is done when none of its hypotheses can
become better than what has ended. With a beam of 1 that is greedy search.
"""

from typing import NamedTuple

import numpy as np

from fastrnn.network import passes
from fastrnn.network.attending import Pairs
from fastrnn.network.batches import pack
from fastrnn.network.shards import take_states
from fastrnn.network.telling import for_all_sources

__all__ = ["search"]


def search(
    network, sequences, *, max_length, beam_size=1, length_normalization=0.0, n_best=1, n_jobs=None
):
    """For each of n sequences the best label sequences found, best first.

    ``max_length``, one number or (n,), is the most labels that they may have: after so many comes
    the end. ``n_best`` of them are wanted, not more than ``beam_size``; there may be fewer. Each is
    a pair: the labels, an array, and the logarithm of its probability, the end among it.
    """
    most = np.broadcast_to(max_length, (len(sequences),))
    found = [None] * len(sequences)

    def run(encoded, batch, memory, weights):
        options = beam_size, length_normalization, n_best
        beams = _Beams(network, encoded, most[batch.order], memory, weights, options)
        while len(beams.rows.source):
            beams.step()
        for n, ended in zip(batch.order, beams.ended, strict=True):
            found[n] = [(beams.labels_of(one), one.log_probability) for one in ended]

    for_all_sources(network, sequences, n_jobs, run)
    return found


class _Rows(NamedTuple):
    """Hypotheses, those of a source side by side, the more probable ones first."""

    source: np.ndarray
    log_probability: np.ndarray
    read: np.ndarray  # the symbol that is read next
    states: list  # of the decoder's layers
    a: np.ndarray  # the attentional state before, which the decoder may be fed


class _Ended(NamedTuple):
    """A hypothesis that has ended: before step `length` it was row `row`."""

    score: float
    log_probability: float
    length: int
    row: int


class _Beams:
    """The beams of some sources that were encoded together."""

    def __init__(self, network, encoded, most, memory, weights, options):
        self.network, self.encoded, self.most = network, encoded, most
        self.memory, self.weights = memory, weights
        self.beam_size, self.length_normalization, self.n_best = options
        n = len(encoded.starts)
        everyone = np.arange(n)
        states = network.bridge.forward(encoded.final, weights.bridge, everyone, memory.between)
        a = np.zeros((n, network.attending.size), dtype=network.dtype)
        self.rows = _Rows(everyone, np.zeros(n), np.full(n, network.boundary), states, a)
        self.history = []  # for each step the row that each row was before, and its label
        self.ended = [[] for _ in range(n)]

    def step(self):
        """Let all hypotheses go on by a label, or end."""
        logs, states, a = self._next()
        rows, length = self.rows, len(self.history)
        logs[self.most[rows.source] <= length, :-1] = -np.inf
        logs += rows.log_probability[:, np.newaxis]
        before, labels = self._choose(logs)
        probability = logs[before, labels]
        is_end = labels == self.network.boundary
        for row, value in zip(before[is_end].tolist(), probability[is_end].tolist(), strict=True):
            score = value / (length + 1) ** self.length_normalization
            ended = self.ended[rows.source[row]]
            ended.append(_Ended(score, value, length, row))
            ended.sort(key=lambda one: -one.score)
            del ended[self.n_best :]
        goes_on = ~is_end & self._may_win(rows.source[before], probability)
        before, labels, probability = before[goes_on], labels[goes_on], probability[goes_on]
        self.history.append((before, labels))
        states = take_states(states, before)
        self.rows = _Rows(rows.source[before], probability, labels, states, a[before])

    def _next(self):
        """Logarithms of the probabilities of all symbols, states and attentional states."""
        network, work, rows = self.network, self.memory.between, self.rows
        decoder, attending, encoded = network.decoder, network.attending, self.encoded
        n_rows = len(rows.source)
        batch = pack(np.arange(n_rows), np.ones(n_rows, dtype=np.int64), 1)
        shard = passes.forward(
            decoder, _Read(rows.read[:, np.newaxis], rows.a), batch, self.memory.decoder,
            self.weights.decoder_forward, n_threads=1, keep=False, states=rows.states,
        )  # fmt: skip
        states = passes.final_states(decoder, shard)
        joined = attending.room(n_rows, work)
        joined[:, attending.width :] = states[-1][0][0]
        sources, firsts, counts = np.unique(rows.source, return_index=True, return_counts=True)
        pairs = Pairs.of(encoded.starts[sources], encoded.lengths[sources], firsts, counts)
        a, _ = attending.forward(
            joined, encoded.y, encoded.keys, pairs, self.weights.attention, work
        )
        outputs = work.take("outputs", (n_rows, decoder.head.n_outputs))
        decoder.head.forward(a, self.weights.head, outputs, work)
        logs = outputs.astype(np.float64)
        logs -= logs.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        return logs, states, a

    def _choose(self, logs):
        """The best continuations of each source: rows and labels, by source, best first."""
        n_rows, size = len(logs), min(self.beam_size, logs.shape[1])
        labels = np.sort(np.argpartition(-logs, size - 1, axis=1)[:, :size], axis=1).ravel()
        before = np.repeat(np.arange(n_rows), size)
        source, values = self.rows.source[before], logs[before, labels]
        order = np.lexsort((-values, source))
        source = source[order]
        place = np.arange(len(order)) - np.searchsorted(source, source)
        order = order[(place < self.beam_size) & (values[order] > -np.inf)]
        return before[order], labels[order]

    def _may_win(self, source, probability):
        """Whether hypotheses may yet become better than the worst that has ended and is kept.

        They do not become more probable; the longest are divided by most.
        """
        longest = (self.most[source] + 1.0) ** self.length_normalization
        worst = [
            of_source[-1].score if len(of_source) == self.n_best else -np.inf
            for of_source in self.ended
        ]
        return probability / longest > np.array(worst)[source]

    def labels_of(self, ended):
        """The labels of a hypothesis, from its last one back."""
        labels, row = [], ended.row
        for before, said in reversed(self.history[: ended.length]):
            labels.append(said[row])
            row = before[row]
        return np.array(labels[::-1], dtype=np.int64)


class _Read(NamedTuple):
    """What the decoder reads at a step."""

    ids: np.ndarray
    values: np.ndarray
