"""How much memory a network takes, found out by a dry run.

The network here is made, and goes forward and backward, by the very code that trains and predicts;
but its arrays have one number each, whatever their shape, its workspaces count what they hand out,
and kernels are not called.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastrnn.network import passes, prediction
from fastrnn.network.architecture import Architecture
from fastrnn.network.batches import PackedBatch, count_indices
from fastrnn.network.minibatches import Kept, Lesson
from fastrnn.network.network import Network
from fastrnn.network.recurrent import ZEROS
from fastrnn.network.shards import (
    LayerGradients,
    Memory,
    Minibatch,
    Seeds,
    Window,
    plan_forward,
    running_totals,
)
from fastrnn.network.workspace import Counted, CountingWorkspace, of_one_number
from fastrnn.typing import AnyArray

__all__ = ["CountedNetwork", "DryBatch", "Nothing", "dry_batch", "indices_nbytes"]


class CountedNetwork(Counted, Network):
    """A network that is not there: `count_lesson` and `count_prediction` say what it would take."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        vectors: tuple[AnyArray, ...] | None = None,
        workspaces: list[CountingWorkspace] | None = None,
    ) -> None:
        self.workspaces = [] if workspaces is None else workspaces
        super().__init__(
            architecture,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            random_state=ZEROS,
            vectors=vectors,
        )

    def mark_decayed(self):
        """There is no room for that."""

    def count_lesson(
        self, shape: tuple[int, int], window: int, n_shards: int, n_threads: int
    ) -> int:
        """Bytes that a minibatch takes, beside the network itself.

        ``shape`` are the sequences and rows of its largest shard, ``window`` the rows of it that
        are kept at a time.
        """
        n_sequences, n_rows = shape
        batch = dry_batch(n_sequences, window)
        n_read = -(-n_rows // self.steps_said) if self.pooling.every_step else n_sequences
        minibatch = Minibatch(
            [batch] * n_shards,
            running_totals([n_read] * n_shards),
            running_totals([n_rows] * n_shards),
            1.0,
            math.inf,
        )
        seeds = [Seeds(0, 0, 0)] * len(self.layers) if self.draws else None

        def keep() -> None:
            self.kept = Kept(self)

        def learn() -> None:
            memory, gradients = Memory(self), self.layer_gradients
            if n_shards > 1:  # each thread has one, besides where the sum is
                gradients = LayerGradients(self)
            lesson.run_window(0, Window(batch, seeds), None, memory, gradients)

        nbytes = self.count(keep)
        lesson = Lesson(
            self, Nothing, None, None, None, None, minibatch, [seeds] * n_shards, n_threads=1
        )
        nbytes += n_threads * (self.count(learn) + self._coarse_nbytes(batch))
        lesson.add_gradients(n_threads)
        nbytes += lesson.kept.work.nbytes
        return nbytes + n_shards * indices_nbytes(n_sequences, n_rows)

    def count_prediction(self, n_sequences: int, n_rows: int, n_threads: int) -> int:
        """Bytes that it takes to predict for a shard of such a size, beside the result."""
        most = prediction.most_rows(self)
        window = n_rows if most is None else min(n_rows, max(n_sequences, most))
        batch = dry_batch(n_sequences, window)
        weights: list[Any] = []

        def pack() -> None:
            weights.append(plan_forward(self)[0])
            weights.append(self.head.plan_forward(self.pooling.width, self.make_workspace())[0])

        def predict() -> None:
            memory = Memory(self)
            shard = passes.forward(
                self, Nothing, batch, memory, weights[0], n_threads=1, keep=False,
                outputs=self.pooling.needs_outputs,
            )  # fmt: skip
            prediction.outputs_of(self, shard, memory, weights[-1])
            self.head.take_room(batch, memory.network)

        nbytes = self.count(pack)
        one_thread = self.count(predict) + indices_nbytes(n_sequences, n_rows)
        return nbytes + n_threads * (one_thread + self._coarse_nbytes(batch))

    def _coarse_nbytes(self, batch: PackedBatch) -> int:
        """Bytes of the indices of the batches that stages make of one."""
        nbytes = 0
        for stage in self.architecture.stages:
            batch = batch.coarser(stage.stride)
            nbytes += indices_nbytes(len(batch.order), len(batch.rows))
        return nbytes


class Nothing:
    """Sequences of which nothing is read."""

    values = ids = None


def dry_batch(n_sequences: int, n_rows: int) -> DryBatch:
    """A batch of so many sequences, all of the mean length, whose rows are nowhere."""
    alive = of_one_number(math.ceil(n_rows / n_sequences), np.int64)
    alive[...] = n_sequences
    of_sequences, of_rows = (of_one_number(n, np.int64) for n in (n_sequences, n_rows))
    lengths = of_one_number(n_sequences, np.int64)
    lengths[...] = len(alive)
    return DryBatch(of_sequences, lengths, alive, of_rows, of_rows, of_sequences, alive)


class DryBatch(PackedBatch):
    """A batch that is nowhere, and of no size in memory."""

    def rows_apart(self):
        """As many rows as it has."""
        return self.rows

    def coarser(self, stride):
        return dry_batch(len(self.order), len(self.order) * -(-len(self.alive) // stride))


def indices_nbytes(n_sequences: int, n_rows: int) -> int:
    """Bytes of the indices of a packed batch, its order among them."""
    n_steps = math.ceil(n_rows / n_sequences)
    return 8 * (count_indices(n_steps, n_rows, n_sequences) + n_sequences)
