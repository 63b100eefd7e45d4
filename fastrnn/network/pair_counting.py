"""How much memory an encoder-decoder network takes, found out by a dry run, as of `counting`."""

import math

import numpy as np

from fastrnn.network import pair_passes
from fastrnn.network.counting import (
    CountedNetwork,
    Nothing,
    dry_batch,
    indices_nbytes,
)
from fastrnn.network.encoder_decoder import EncoderDecoder
from fastrnn.network.pair_lessons import PairKept, PairLesson, PairMinibatch
from fastrnn.network.pair_network import EncoderDecoderNetwork
from fastrnn.network.pair_parts import ForwardWeights, PairGradients, PairMemory
from fastrnn.network.recurrent import ZEROS
from fastrnn.network.shards import Seeds, running_totals
from fastrnn.network.teaching import Taught
from fastrnn.network.workspace import Counted, of_one_number

__all__ = ["CountedEncoderDecoder"]


class CountedEncoderDecoder(Counted, EncoderDecoderNetwork):
    """A network that is not there: it says what it would take."""

    def __init__(
        self,
        architecture: EncoderDecoder,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self.workspaces = []
        super().__init__(
            architecture,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            random_state=ZEROS,
        )

    def make_part(self, architecture, vectors, rng):
        dropout, recurrent_dropout = self.dropout, self.recurrent_dropout
        return CountedNetwork(
            architecture, dropout=dropout, recurrent_dropout=recurrent_dropout, vectors=vectors,
            workspaces=self.workspaces,
        )  # fmt: skip

    def mark_decayed(self, between):
        """There is no room for that."""

    def count_lesson(self, shape: tuple[int, int, int], n_shards: int, n_threads: int) -> int:
        """Bytes that a minibatch takes, beside the network itself.

        ``shape`` are the sequences of its largest shard, and the steps that are read and told.
        """
        n_sequences, n_read, n_told = shape
        batch, taught = dry_batch(n_sequences, n_read), _dry_taught(n_sequences, n_told)
        minibatch = PairMinibatch(
            [batch] * n_shards,
            [taught] * n_shards,
            [of_one_number(n_told, self.dtype)] * n_shards,
            1.0,
            running_totals([n_read] * n_shards),
            running_totals([n_told] * n_shards),
            math.inf,
        )
        seeds = [
            [Seeds(0, 0, 0)] * len(part.layers) if part.draws else None
            for part in (self.encoder, self.decoder)
        ]

        def keep() -> None:
            self.kept = PairKept(self)

        def learn() -> None:
            memory, gradients = PairMemory(self), self.shard_gradients
            if n_shards > 1:  # each thread has one, besides where the sum is
                gradients = PairGradients(self)
            lesson.learn(0, memory, gradients)

        nbytes = self.count(keep)
        lesson = PairLesson(self, Nothing, minibatch, [(*seeds, None)] * n_shards, None, 1)
        lesson.told = [(taught, batch)] * n_shards
        nbytes += n_threads * self.count(learn)
        lesson.add_gradients(n_threads)
        nbytes += lesson.kept.work.nbytes
        both = indices_nbytes(n_sequences, n_read) + indices_nbytes(n_sequences, n_told)
        return nbytes + n_shards * both

    def count_prediction(
        self, n_sequences: int, n_read: int, beam_size: int, n_threads: int
    ) -> int:
        """Bytes that it takes to search for what is to be said of so many sequences."""
        batch, taught = (
            dry_batch(n_sequences, n_read),
            _dry_taught(n_sequences, n_sequences * beam_size),
        )
        kept: list[ForwardWeights] = []

        def pack() -> None:
            kept.append(ForwardWeights(self))

        def predict() -> None:
            memory, (weights,) = PairMemory(self), kept
            encoded = pair_passes.encode(
                self, Nothing, batch, memory, weights, n_threads=1, keep=False
            )
            told = pair_passes.tell(self, encoded, taught, memory, weights, n_threads=1, keep=False)
            head, work = self.decoder.head, memory.between
            outputs = work.take("outputs", (len(told.a), head.n_outputs))
            head.forward(told.a, weights.head, outputs, work)
            # Logarithms of probabilities, and what chooses among them.
            work.take("logs", (4 * outputs.size,), np.dtype("float64"))

        nbytes = self.count(pack)
        return nbytes + n_threads * (self.count(predict) + indices_nbytes(n_sequences, n_read))


class _DryTaught(Taught):
    def pack(self):
        return dry_batch(len(self.lengths), len(self.said))

    def with_values(self, values):
        return _DryTaught(self.ids, self.said, self.starts, self.lengths, values)


def _dry_taught(n_sequences, n_rows):
    """Steps that are taught, likewise."""
    lengths = dry_batch(n_sequences, n_rows).lengths
    said = of_one_number(n_rows, np.int64)
    return _DryTaught(said[:, np.newaxis], said, np.cumsum(lengths) - lengths, lengths)
