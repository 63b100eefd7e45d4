"""Layers stacked, pooled and read by a linear head: outputs, loss and exact gradient.

A step's features are its numbers, and for each of its ids a row of a table that is learned. A
minibatch is cut into shards, by the lengths alone. Each shard goes forward and backward on one of
several threads if asked, each of which has memory and a gradient of the layers of its own, and
these are added in the order of the shards. Where there are more threads than shards, a direction
of a layer takes several, or each direction its own. It is the same bits on any number of threads.
The gradients of the head and of the tables, which may be large, are taken once for the whole
minibatch.

Truncated backpropagation cuts time into pieces. Where every layer reads forward, and the head sees
the last states alone or every step, a piece goes forward and backward before the next one begins:
only one piece is ever in memory, and a piece of which the head sees nothing is not gone back
through at all, for its gradient is zero. Otherwise the whole time is kept, and gradients stop at
the borders of the pieces.
"""

import functools
import math
from dataclasses import replace

import numpy as np

from fastrnn.kernels import dense, packing
from fastrnn.kernels.dropout import dropout
from fastrnn.kernels.embedding import embedding_backward, embedding_forward
from fastrnn.kernels.losses import sum_of_weights
from fastrnn.kernels.solvers import BLOCK_SIZE, add_penalty, clear
from fastrnn.network import threads
from fastrnn.network.batches import count_shards, pack, pack_shards, sort_by_length
from fastrnn.network.cells import CELLS
from fastrnn.network.pooling import Pooling
from fastrnn.network.recurrent import ZEROS
from fastrnn.network.shards import (
    HEAD_ROWS,
    InOrder,
    LayerGradients,
    Memory,
    Minibatch,
    PackedWeights,
    Piece,
    Shard,
    pack_head,
    put_states,
    running_totals,
    take_states,
)
from fastrnn.network.workspace import Workspace, take_spare

_SEED_STEP = 0xD1342543DE82EF95
"""Odd, and no multiple of SplitMix64's own step: seeds of pieces of time are so far apart."""

PREDICT_SIZE = 64
"""Sequences, of about equal length, that go through the network together when it predicts."""

PREDICT_OUTPUTS = 2**22
"""Outputs of a head that reads every step that are held at a time when the network predicts,
roughly: time is cut into pieces for it, if the network reads in one direction."""

READ_ROWS = 2**12
"""Steps that are held at a time where only what they lead to is wanted."""

HEAD_BLOCK = 256
"""Columns of a head that are worth a thread of their own."""

HEAD_CHUNK = 2**17
"""Elements of the gradient of the head's outputs that are multiplied at a time: packed, they stay
in a second-level cache."""


def head_chunk(n_rows):
    """Choose how many columns of the head, whole panels, go at a time on the way back."""
    return max(1, HEAD_CHUNK // (64 * n_rows)) * 64


class Network:
    """Recurrent layers, pooling over time and a head, with its loss.

    Parameters
    ----------
    architecture : Architecture
        What it is.
    dropout : float, default=0.0
        Fraction of the outputs of each layer that are set to 0 in training, before the next layer
        and before the head.
    recurrent_dropout : float, default=0.0
        Fraction of the units whose state is set to 0 where it enters the recurrent products in
        training, the same units at all steps of a sequence (Gal and Ghahramani 2016, arXiv
        1512.05287).
    alpha : float, default=0.0
        L2 penalty: ``0.5 * alpha * sum(weights ** 2) / total`` is added to the loss of a minibatch
        whose sequences (or steps, if the head sees every one) have that total weight.
    random_state : None, int, numpy.random.Generator or ZEROS, default=None
        Source of the initial weights. `fastrnn.network.recurrent.ZEROS` takes none: they are 0.

    Attributes
    ----------
    theta, grad : ndarray of shape (P,)
        All parameters, and the gradient of the last `loss_and_grad`.
    decayed : ndarray of shape (P,), bool
        True for weights, False for biases.
    layers : list of RecurrentLayer
        From the input up.
    embeddings : list of ndarray of shape (V, E)
        The tables, views of ``theta``. They start normal with variance 1, or 1 / E if tied.
    head : Head
        What reads the top layer; its parameters are views of ``theta``.
    """

    def __init__(
        self, architecture, *, dropout=0.0, recurrent_dropout=0.0, alpha=0.0, random_state=None
    ):
        self.architecture = architecture
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.alpha = alpha
        self.dtype = np.dtype(architecture.dtype)
        rng = ZEROS if random_state is ZEROS else np.random.default_rng(random_state)
        self.layers = [
            CELLS[architecture.cell](
                width,
                size,
                bidirectional=architecture.bidirectional,
                dtype=self.dtype,
                random_state=rng,
                **architecture.cell_options,
            )
            for width, size in zip(
                architecture.widths, architecture.hidden_layer_sizes, strict=True
            )
        ]
        self._join(np.zeros(architecture.n_parameters, dtype=self.dtype))
        if rng is not ZEROS:
            self._draw_ends(rng)

    def _draw_ends(self, rng):
        """Draw the first weights of tables and head, after those of the layers."""
        architecture = self.architecture
        scale = architecture.embeddings[0][1] ** -0.5 if architecture.tied else 1.0
        for table in self.embeddings:
            table[...] = scale * rng.standard_normal(table.shape)
        self.head.start(rng)

    def _join(self, theta):
        """Let all parameters live in one vector, which takes over those of the layers."""
        architecture = self.architecture
        self.theta, self.grad = theta, np.zeros_like(theta)
        self._bounds = running_totals([layer.n_parameters for layer in self.layers])
        self.n_layer_parameters = self._bounds[-1]
        for layer, begin, end in self._layer_ranges():
            theta[begin:end] = layer.theta
            layer.bind(theta[begin:end], self.grad[begin:end])
        self.pooling = Pooling(architecture.pooling, self.layers[-1])
        # The table of each column of ids, and its first column in the input of the first layer.
        widths = [architecture.embeddings[k][1] for k in architecture.id_tables]
        firsts = running_totals([architecture.n_features, *widths])[1:-1]
        self._columns = list(zip(architecture.id_tables, firsts, strict=True))
        self.embeddings, self._dtables = self._table_views(theta), self._table_views(self.grad)
        self.head = architecture.make_head()
        self.head.params, self.head.grads = self._head_views(theta), self._head_views(self.grad)

        self.decayed = np.zeros(len(theta), dtype=bool)
        for name, view in self.named_views(self.decayed).items():
            part, _, name = name.rpartition(".")
            if part.startswith("layers."):
                view[...] = self.layers[0].cell.is_decayed(name.removesuffix("_reverse"))
            else:
                view[...] = not name.startswith("b")
        self._decayed_bytes = self.decayed.view(np.uint8)
        self._dlayers = LayerGradients(self, self.grad[: self.n_layer_parameters])
        self.release_memory()

    def release_memory(self):
        """Give back what `loss_and_grad` keeps from call to call; the next call takes it again."""
        self._spare_memory, self._spare_gradients = [], []
        self._weights, self._work = None, Workspace(self.dtype)

    def __getstate__(self):
        """What copy and pickle take: every parameter once, no gradient, no memory."""
        names = ("architecture", "dropout", "recurrent_dropout", "alpha", "theta")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state):
        """Build it anew around the parameters, whose views do not survive a copy."""
        theta = state.pop("theta")
        self.__init__(**state, random_state=ZEROS)
        self.theta[...] = theta

    def _layer_ranges(self):
        """Each layer with the range of its parameters in theta."""
        return zip(self.layers, self._bounds[:-1], self._bounds[1:], strict=True)

    def layer_views(self, flat):
        """Named views of a vector that begins as theta, for each layer."""
        return [layer.views(flat[begin:end]) for layer, begin, end in self._layer_ranges()]

    def named_views(self, flat):
        """Name the arrays of parameters, or their gradients, in a vector.

        Parameters
        ----------
        flat : ndarray of shape (P,)
            A vector laid out as theta.

        Returns
        -------
        dict of str to ndarray
            Views of it: "layers.0.W", "layers.0.U_reverse", "embeddings.0", "head.W" and the like,
            as `Architecture.shapes` names them.
        """
        views, begin = {}, 0
        for name, shape in self.architecture.shapes().items():
            end = begin + math.prod(shape)
            views[name] = flat[begin:end].reshape(shape)
            begin = end
        return views

    def _table_views(self, flat):
        """Views of the tables in a vector laid out as theta."""
        views = self.named_views(flat)
        return [views[f"embeddings.{k}"] for k in range(len(self.architecture.embeddings))]

    def _head_views(self, flat):
        """Named views of the head in a vector laid out as theta."""
        return {
            name.removeprefix("head."): view
            for name, view in self.named_views(flat).items()
            if name.startswith("head.")
        }

    @property
    def one_way(self):
        """Whether every layer reads forward, so that states can be carried on."""
        return not self.layers[0].bidirectional

    def initial_states(self, n):
        """Make the states of n sequences before their first step, to be carried on.

        Parameters
        ----------
        n : int
            Number of sequences.

        Returns
        -------
        list of tuple of ndarray of shape (1, n, H)
            For each layer (h,) or (h, c), zero.
        """
        return [
            tuple(np.zeros((layer.n_states, 1, n, layer.hidden_size), dtype=self.dtype))
            for layer in self.layers
        ]

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
        window=None,
        states=None,
        bptt_steps=None,
        n_jobs=None,
    ):
        """Loss of a minibatch; its gradient goes to ``grad``.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        indices : ndarray of shape (B,), int64
            The sequences of the minibatch.
        target : ndarray of shape (n,), int64, or (n, K)
            Of all sequences, not the minibatch alone (or of all steps as they stand in
            ``sequences``, if the head sees every one): class numbers for "log_loss", otherwise
            values of the network's dtype.
        weight : ndarray of shape (n,)
            Weight of each sequence (or step), of the network's dtype.
        theta : ndarray of shape (P,), optional
            Where to evaluate: these become the network's parameters. By default they stay.
        rng : numpy.random.Generator, optional
            Draws the dropout; without it there is none.
        window : (int, int), optional
            Only these steps of each sequence, from the first number up to the second; sequences
            that have none are left out. All by default.
        states : list of tuple of ndarray, optional
            From `initial_states`, for all sequences: where they begin, and on return where they
            end. Only for networks that read in one direction.
        bptt_steps : int, optional
            Truncated backpropagation: time is cut into pieces of so many steps, counted from where
            each direction starts to read; states cross from piece to piece, gradients do not.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        float
            ``sum(weight * loss) / sum(weight)`` and the L2 penalty; 0 if all weights are 0.
        """
        if theta is not None:
            self.theta[...] = theta
        team = threads.form_parameter_team(n_jobs, self.grad.size)
        team.call(clear, self.grad)
        minibatch = self._minibatch(sequences, indices, weight, window)
        if not minibatch.total:
            return 0.0
        shards = minibatch.shards
        seeds = self._draw_seeds(rng, len(shards))
        if self._weights is None:
            self._weights = PackedWeights(self)
        weights = self._weights
        weights.pack(n_jobs)
        pooled = self._work.take("pooled", (minibatch.head_rows[-1], self.pooling.width))
        outputs = self._work.take("outputs", (minibatch.head_rows[-1], self.head.n_outputs))
        dx = None
        if self.embeddings:
            dx = self._work.zeros("dx", (minibatch.step_rows[-1], self.layers[0].input_size))
        in_order = InOrder(self._dlayers, self._spare_gradients) if len(shards) > 1 else None
        n_threads = threads.share(n_jobs, len(shards))

        def run_shard(k):
            memory = take_spare(self._spare_memory, lambda: Memory(self))
            gradients = self._dlayers  # the first shard's go where the sum is to be
            if k > 0:
                make = functools.partial(LayerGradients, self)
                gradients = take_spare(self._spare_gradients, make)
                gradients.flat.fill(0)
            loss = 0.0
            members, here = minibatch.members[k], None
            if states is not None:
                here = take_states(states, members)
            for piece in self._pieces(shards[k], seeds[k], bptt_steps):
                batch, n_on = piece.batch, piece.n_on
                if self.pooling.every_step:
                    begin, n_unseen, places = piece.first, 0, batch.rows
                else:
                    begin, n_unseen, places = 0, n_on, members[: len(batch.order)]
                is_read = n_unseen < len(places)
                shard = self._forward(
                    sequences, batch, memory, weights.forward,
                    n_threads=n_threads, keep=is_read, outputs=is_read, seeds=piece.seeds,
                    states=here,
                )  # fmt: skip
                if n_on or states is not None:
                    final = self._final_states(shard)
                    if states is not None:
                        put_states(final, members[: len(batch.order)], states)
                    here = [tuple([array[:, :n_on] for array in layer]) for layer in final]
                if not is_read:
                    continue
                begin += minibatch.head_rows[k]
                rows = slice(begin, begin + len(places))
                out = outputs[rows]
                self._read_out(shard, memory, weights.head_forward, pooled[rows], out)
                # From here on the gradient of the outputs; of sequences that go on there is none.
                seen = out
                if n_unseen:
                    out[:n_unseen] = 0
                    seen, places = out[n_unseen:], places[n_unseen:]
                loss += self.head.loss_and_grad(seen, target, weight, places, minibatch.total)
                dx_here = None
                if dx is not None:
                    begin = minibatch.step_rows[k] + piece.first
                    dx_here = dx[begin : begin + len(batch.rows)]
                self._backward(shard, out, memory, weights, gradients, bptt_steps, dx_here)
            self._spare_memory.append(memory)
            if in_order:
                in_order.add(k, gradients)
            return loss

        flops = self._forward_flops(len(shards[0].rows))
        loss = sum(threads.run(run_shard, range(len(shards)), n_jobs, flops))
        self._add_head_gradients(pooled, outputs, n_jobs)
        for which, (k, column) in enumerate(self._columns):
            for shard, begin, end in minibatch.step_ranges():
                embedding_backward(
                    dx[begin:end], column, sequences.ids, which, shard.rows, self._dtables[k]
                )
        if self.alpha:
            strength = self.alpha / minibatch.total
            sums = np.empty(-(-self.grad.size // BLOCK_SIZE))
            team.call(add_penalty, self.theta, self._decayed_bytes, strength, self.grad, sums)
            loss += 0.5 * strength * sum(sums.tolist())
        return loss

    def mean_loss(self, sequences, target, weight, *, n_jobs=None):
        """Mean loss of sequences, without dropout and penalty.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        target, weight : ndarray
            As for `loss_and_grad`.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        float
            ``sum(weight * loss) / sum(weight)``.
        """
        every_step = self.pooling.every_step
        total = sum_of_weights(weight, np.arange(len(weight)))
        losses = {}

        def collect(batch, outputs):
            places = batch.rows if every_step else batch.order
            loss = self.head.loss_and_grad(outputs, target, weight, places, total)
            losses[int(batch.order[0]), int(batch.rows[0])] = loss

        self._for_all_outputs(sequences, n_jobs, collect)
        return sum(losses[key] for key in sorted(losses))

    def _minibatch(self, sequences, indices, weight, window):
        """Cut a minibatch into shards."""
        starts, lengths = sequences.offsets[indices], sequences.lengths[indices]
        if window is not None:
            lengths = np.minimum(lengths, window[1]) - window[0]
            kept = lengths > 0
            starts, lengths, indices = starts[kept] + window[0], lengths[kept], indices[kept]
        n_shards = count_shards(len(lengths), self._forward_flops(int(lengths.sum())))
        shards = pack_shards(starts, lengths, 1, n_shards)
        members = [indices[shard.order] for shard in shards]
        every_step = self.pooling.every_step
        places = [shard.rows for shard in shards] if every_step else members
        return Minibatch(
            shards,
            members,
            running_totals([self.pooling.n_rows(shard) for shard in shards]),
            running_totals([len(shard.rows) for shard in shards]),
            sum([sum_of_weights(weight, rows) for rows in places]),
        )

    def _forward_flops(self, n_rows):
        """Floating-point operations of the layers over so many packed rows, roughly."""
        return 2 * n_rows * self.n_layer_parameters

    def _draw_seeds(self, rng, n_shards):
        """Seeds of each shard's dropout masks: recurrent and other of each layer; None for none."""
        if rng is None or not (self.dropout or self.recurrent_dropout):
            return [None] * n_shards
        return rng.integers(2**63, size=(n_shards, 2 * len(self.layers))).tolist()

    def _pieces(self, batch, seeds, bptt_steps):
        """Cut a shard in time, where pieces can go forward and backward one after the other."""
        n_steps = len(batch.alive)
        apart = (
            self.one_way and self.pooling.kind in ("last", "steps") and self.head.time_may_be_cut
        )
        if bptt_steps is None or bptt_steps >= n_steps or not apart:
            yield Piece(batch, seeds)
            return
        for start in range(0, n_steps, bptt_steps):
            n_here, first = int(batch.alive[start]), batch.rows_until(start)
            lengths = np.minimum(batch.lengths[:n_here] - start, bptt_steps)
            piece = pack(batch.rows[first : first + n_here], lengths, 1, np.arange(n_here))
            stop = start + bptt_steps
            n_on = int(batch.alive[stop]) if stop < n_steps else 0
            # Recurrent masks are those of the whole sequence, the others new at every step.
            piece_seeds = seeds and [
                seed if k % 2 == 0 else (seed + start * _SEED_STEP) % 2**64
                for k, seed in enumerate(seeds)
            ]
            yield Piece(replace(piece, order=batch.order[:n_here]), piece_seeds, n_on, first)

    def _forward(
        self, sequences, batch, memory, weights, *,
        n_threads, keep, seeds=None, outputs=True, states=None,
    ):  # fmt: skip
        """Run a packed batch through the layers; without ``outputs`` only to its final state."""
        x = self._input(sequences, batch, memory.network)
        shard = Shard(batch, seeds, n_threads)
        top = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            work = memory.layers[k]
            mask = self._recurrent_mask(shard, k, work)
            tapes = layer.forward_packed(
                x, batch, work, weights[k], mask=mask, keep=keep, outputs=outputs or k < top,
                state=states and states[k], n_threads=n_threads,
            )  # fmt: skip
            shard.tapes.append(tapes)
            if k < top:
                x = self._drop(shard, k, layer.outputs(tapes, batch, work), work)
        return shard

    def _input(self, sequences, batch, work):
        """What the first layer reads at each packed row: numbers, then learned features."""
        x = work.take("x", (len(batch.rows), self.layers[0].input_size))
        if self.architecture.n_features:
            packing.take_rows(sequences.values, 0, batch.rows, x)
        for which, (k, column) in enumerate(self._columns):
            table = self.embeddings[k]
            if not embedding_forward(table, sequences.ids, which, batch.rows, x, column):
                raise ValueError(
                    f"column {which} of the ids has one that is no row of the network's table, of "
                    f"{len(table)}: what the model learned of its input has been changed"
                )
        return x

    def _final_states(self, shard):
        """The state of each layer where each sequence ends, in packed order."""
        return [
            layer.final_state(tapes, shard.batch)
            for layer, tapes in zip(self.layers, shard.tapes, strict=True)
        ]

    def _recurrent_mask(self, shard, k, work):
        """Factors of the states of layer k, the same at all steps; None for none."""
        if shard.seeds is None or not self.recurrent_dropout:
            return None
        layer, n_sequences = self.layers[k], len(shard.batch.order)
        mask = work.take("mask", (layer.n_directions, n_sequences, layer.hidden_size))
        mask.fill(1)
        rows = mask.reshape(-1, layer.hidden_size)
        dropout(rows, self.recurrent_dropout, shard.seeds[2 * k], rows)
        return mask

    def _drop(self, shard, k, x, work):
        """The outputs of layer k, or what is pooled of them, with dropout."""
        if shard.seeds is None or not self.dropout:
            return x
        dropped = work.take("dropped", x.shape)
        dropout(x, self.dropout, shard.seeds[2 * k + 1], dropped)
        return dropped

    def _drop_backward(self, shard, k, dx):
        """The gradient of `_drop`, in place."""
        if shard.seeds is not None and self.dropout:
            dropout(dx, self.dropout, shard.seeds[2 * k + 1], dx)

    def _read_out(self, shard, memory, packed_head, pooled, outputs):
        """The head's outputs, from what it reads; both are filled."""
        top = len(self.layers) - 1
        self.pooling.forward(shard.tapes[-1], shard.batch, memory.network, pooled)
        if shard.seeds is not None and self.dropout:
            dropout(pooled, self.dropout, shard.seeds[2 * top + 1], pooled)
        dense.dense_forward(pooled, packed_head, self.head.params["b"], outputs)

    def _backward(self, shard, doutputs, memory, weights, gradients, bptt_steps, dx, watch=None):
        """Add the gradient of the layers of a shard, given that of its outputs."""
        batch, work = shard.batch, memory.network
        top = len(self.layers) - 1
        dpooled = work.take("dpooled", (len(doutputs), self.pooling.width))
        dense.dense_backward(doutputs, weights.head_backward, HEAD_ROWS, dpooled)
        self._drop_backward(shard, top, dpooled)
        dy, dstate = self.pooling.backward(dpooled, batch, work)
        for k in range(top, -1, -1):
            layer = self.layers[k]
            dh_norms = np.empty((layer.n_directions, len(batch.rows))) if watch else None
            dy, _ = layer.backward_packed(
                shard.tapes[k],
                batch,
                memory.layers[k],
                weights.backward[k],
                gradients.layers[k],
                dy=dy,
                dstate=dstate,
                want_dx=k > 0 or dx is not None,
                bptt_steps=bptt_steps,
                dh_norms=dh_norms,
                n_threads=shard.n_threads,
            )
            if watch:
                watch(batch, k, dh_norms)
            dstate = None
            if k > 0:
                self._drop_backward(shard, k - 1, dy)
        if dx is not None:
            dx[...] = dy

    def _add_head_gradients(self, pooled, doutputs, n_jobs):
        """Add the gradient of the head, over all rows that it read; threads share its outputs."""
        head, work = self.head, self._work
        n_rows, width, n_outputs = len(pooled), pooled.shape[1], head.n_outputs
        n_blocks = max(1, min(n_outputs // HEAD_BLOCK, threads.count_threads(n_jobs)))
        size = n_outputs if n_blocks == 1 else -(-n_outputs // (64 * n_blocks)) * 64  # whole panels
        blocks = range(-(-n_outputs // size))
        chunk = min(head_chunk(n_rows), width if self.head.tied else size)
        shape = (n_rows, size if self.head.tied else width)
        rooms = [
            (
                work.packed_left(("head rows", block), *shape),
                work.packed(("head columns", block), n_rows, chunk),
                work.take(("no bias", block), (width,)),
            )
            for block in blocks
        ]

        def add(block):
            begin = block * size
            here = min(size, n_outputs - begin)
            left, right, no_bias = rooms[block]
            if self.head.tied:  # W is the table transposed
                dense.dense_gradients(
                    doutputs, begin, here, pooled, 0, width, self._dtables[0], no_bias,
                    chunk, left, right,
                )  # fmt: skip
            else:
                dense.dense_gradients(
                    pooled, 0, width, doutputs, begin, here, head.grads["W"], head.grads["b"],
                    chunk, left, right,
                )  # fmt: skip

        if self.head.tied:
            self.head.grads["b"] += doutputs.sum(axis=0)
        threads.run(add, blocks, n_jobs, 2 * n_rows * width * size)

    def predict(self, sequences, *, n_jobs=None):
        """What the network says of each sequence, or of each step if the head reads every one.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        ndarray of shape (n, K), or (N, K) with rows as in ``sequences.values``
            Probabilities of the classes or labels; for "squared_error" values.
        """
        every_step = self.pooling.every_step
        n_rows = int(sequences.offsets[-1]) if every_step else len(sequences)
        predictions = np.empty((n_rows, self.head.n_outputs), dtype=self.dtype)

        def collect(batch, outputs):
            self.head.decode(outputs)
            packing.put_rows(outputs, batch.rows if every_step else batch.order, predictions, 0)

        self._for_all_outputs(sequences, n_jobs, collect)
        return predictions

    def read_on(self, sequences, states, *, n_jobs=None):
        """Say what the network says after the last step of each sequence, and where it is then.

        For a head that reads every step, and networks that read in one direction.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        states : list of tuple of ndarray
            From `initial_states`: where each sequence begins, and on return where it ends, so that
            the next steps can follow.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        ndarray of shape (n, K)
            The rows of `predict` that belong to the last steps.
        """
        predictions = np.empty((len(sequences), self.head.n_outputs), dtype=self.dtype)
        packed_head = pack_head(self, Workspace(self.dtype))

        def collect(shard, memory):
            h = np.ascontiguousarray(self._final_states(shard)[-1][0][0])
            outputs = memory.network.take("outputs", (len(h), self.head.n_outputs))
            dense.dense_forward(h, packed_head, self.head.params["b"], outputs)
            self.head.decode(outputs)
            predictions[shard.batch.order] = outputs  # of those that go on, until the next piece

        self._for_all(sequences, n_jobs, collect, outputs=False, max_rows=READ_ROWS, states=states)
        return predictions

    def final_states(self, sequences, *, n_jobs=None):
        """State of the top layer at the end of each sequence.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        ndarray of shape (n, directions · H)
            After the last step; of the second direction, which reads backward, after the first.
        """
        last = Pooling("last", self.layers[-1])
        states = np.empty((len(sequences), last.width), dtype=self.dtype)

        def collect(shard, memory):
            rows = memory.network.take("last", (len(shard.batch.order), last.width))
            last.forward(shard.tapes[-1], shard.batch, memory.network, rows)
            states[shard.batch.order] = rows

        self._for_all(sequences, n_jobs, collect, outputs=False)
        return states

    def hidden_states(self, sequences, *, n_jobs=None):
        """State of the top layer after every step.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        ndarray of shape (N, directions · H)
            Rows as in ``sequences.values``.
        """
        n_rows = int(sequences.offsets[-1])
        states = np.empty((n_rows, self.pooling.width), dtype=self.dtype)

        def collect(shard, memory):
            y = self.layers[-1].outputs(shard.tapes[-1], shard.batch, memory.layers[-1])
            packing.put_rows(y, shard.batch.rows, states, 0)

        self._for_all(sequences, n_jobs, collect)
        return states

    def input_gradients(self, sequences, doutputs, *, watch=None, n_jobs=None):
        """Gradient with respect to the numbers of the sequences; that of the parameters stays.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        doutputs : callable
            ``doutputs(places, outputs)`` is given the head's outputs (B, K) for some sequences (or
            steps as they stand in ``sequences``, if the head sees every one), which it may change,
            and returns the gradient with respect to them, C-contiguous.
        watch : callable, optional
            ``watch(batch, k, dh_norms)`` is given the Euclidean norms of the gradient of the states
            of layer k after every step, of shape (directions, N), packed, in each direction's order
            of time.
        n_jobs : int or None, default=None
            Threads, which call ``doutputs`` and ``watch`` side by side.

        Returns
        -------
        ndarray of shape (N, D)
            Rows as in ``sequences.values``.
        """
        gradient = np.empty_like(sequences.values)
        lengths = sequences.lengths
        n_shards = count_shards(len(lengths), self._forward_flops(int(lengths.sum())))
        shards = pack_shards(sequences.offsets[:-1], lengths, 1, n_shards)
        n_threads = threads.share(n_jobs, len(shards))
        weights = PackedWeights(self, want_dx=True)
        weights.pack(n_jobs)
        spare = []

        def run_shard(batch):
            memory = take_spare(spare, lambda: Memory(self))
            work, n_rows = memory.network, self.pooling.n_rows(batch)
            shard = self._forward(
                sequences, batch, memory, weights.forward, n_threads=n_threads, keep=True
            )
            pooled = work.take("pooled", (n_rows, self.pooling.width))
            outputs = work.take("outputs", (n_rows, self.head.n_outputs))
            self._read_out(shard, memory, weights.head_forward, pooled, outputs)
            of_outputs = doutputs(batch.rows if self.pooling.every_step else batch.order, outputs)
            of_parameters = LayerGradients(self)  # asked for by the kernels
            of_parameters.flat.fill(0)
            dx = work.take("dx", (len(batch.rows), self.layers[0].input_size))
            self._backward(shard, of_outputs, memory, weights, of_parameters, None, dx, watch)
            gradient[batch.rows] = dx[:, : self.architecture.n_features]
            spare.append(memory)

        threads.run(run_shard, shards, n_jobs, self._forward_flops(len(shards[0].rows)))
        return gradient

    def _for_all_outputs(self, sequences, n_jobs, collect):
        """Run all sequences forward; collect takes a packed batch and the head's outputs."""
        packed_head = pack_head(self, Workspace(self.dtype))

        def collect_outputs(shard, memory):
            n_rows = self.pooling.n_rows(shard.batch)
            pooled = memory.network.take("pooled", (n_rows, self.pooling.width))
            outputs = memory.network.take("outputs", (n_rows, self.head.n_outputs))
            self._read_out(shard, memory, packed_head, pooled, outputs)
            collect(shard.batch, outputs)

        max_rows = None
        if self.pooling.every_step and self.one_way:
            max_rows = max(1, PREDICT_OUTPUTS // self.head.n_outputs)
        self._for_all(
            sequences, n_jobs, collect_outputs, outputs=self.pooling.needs_outputs,
            max_rows=max_rows,
        )  # fmt: skip

    def _for_all(self, sequences, n_jobs, collect, *, outputs=True, max_rows=None, states=None):
        """Run all sequences forward, those of equal length together, so many rows at a time.

        They begin in the states given, or in zero. collect takes each lot, or each piece of its
        time.
        """
        lengths = sequences.lengths
        order = sort_by_length(lengths)

        spare = []
        weights = [layer.pack_forward(Workspace(self.dtype)) for layer in self.layers]
        lots = range(0, len(order), PREDICT_SIZE)
        n_threads = threads.share(n_jobs, len(lots))

        def run_lot(begin):
            batch = pack(sequences.offsets[:-1], lengths, 1, order[begin : begin + PREDICT_SIZE])
            memory = take_spare(spare, lambda: Memory(self))
            steps = max_rows and max(1, max_rows // len(batch.order))
            here = states and take_states(states, batch.order)
            for piece in self._pieces(batch, None, steps):
                shard = self._forward(
                    sequences, piece.batch, memory, weights,
                    n_threads=n_threads, keep=False, outputs=outputs, states=here,
                )  # fmt: skip
                collect(shard, memory)
                if piece.n_on or states:
                    final = self._final_states(shard)
                    if states:
                        put_states(final, piece.batch.order, states)
                    here = take_states(final, slice(piece.n_on))
            spare.append(memory)

        flops = self._forward_flops(int(lengths[order[:PREDICT_SIZE]].sum()))
        threads.run(run_lot, lots, n_jobs, flops)
