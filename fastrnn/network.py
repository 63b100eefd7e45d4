"""Layers stacked, pooled and read by a linear head: outputs, loss and exact gradient.

A minibatch is cut into shards, by the lengths alone. Each shard goes forward and backward on one
of several threads if asked, each of which has memory and a gradient of its own, and the gradients
are added in the order of the shards: the same bits on any number of threads.

Truncated backpropagation cuts time into pieces. Where the head sees the last states alone and every
layer reads forward, a piece goes forward and backward before the next one begins: only one piece
is ever in memory, and a piece in which no sequence ends is not gone back through at all, for its
gradient is zero. Otherwise the whole time is kept, and gradients stop at the borders of the pieces.
"""

import functools
import threading
from dataclasses import dataclass, field, replace

import numpy as np

from fastrnn import threads
from fastrnn.batches import count_shards, pack, pack_shards, sort_by_length
from fastrnn.kernels import dense, packing
from fastrnn.kernels.dense import pack_weights, pack_weights_transposed
from fastrnn.kernels.dropout import dropout
from fastrnn.kernels.losses import sum_of_weights
from fastrnn.kernels.solvers import add_penalty
from fastrnn.layers import GRU, LSTM, RNN, CarryLSTM
from fastrnn.layers.recurrent import glorot_uniform
from fastrnn.losses import LOSSES
from fastrnn.workspace import Workspace, take_spare

CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "carry_lstm": CarryLSTM}
POOLINGS = ("last", "mean", "max")

_SEED_STEP = 0xD1342543DE82EF95
"""Odd, and no multiple of SplitMix64's own step: seeds of pieces of time are so far apart."""

PREDICT_SIZE = 64
"""Sequences, of about equal length, that go through the network together when it predicts."""


class Network:
    """Recurrent layers, pooling over time and a linear head, with a loss.

    Parameters
    ----------
    n_features : int
        D, features of each step.
    hidden_layer_sizes : tuple of int
        Hidden units of each layer and direction, from the input up.
    n_outputs : int
        K, outputs of the head.
    loss : {"log_loss", "squared_error"}
        Softmax and log-loss over K classes, or half the squared error averaged over K outputs.
    cell : {"lstm", "gru", "rnn", "carry_lstm"}, default="lstm"
        The recurrent layers.
    cell_options : dict, optional
        Keyword arguments of their class, such as ``reset_after``.
    bidirectional : bool, default=False
        Whether every layer reads the sequences in both directions.
    pooling : {"last", "mean", "max"}, default="last"
        What the head sees of the top layer: its state after each sequence's own last step (for the
        second direction, after its first), or mean or maximum of its states over all steps.
    dropout : float, default=0.0
        Fraction of the outputs of each layer that are set to 0 in training, before the next layer
        and before the head.
    recurrent_dropout : float, default=0.0
        Fraction of the units whose state is set to 0 where it enters the recurrent products in
        training, the same units at all steps of a sequence (Gal and Ghahramani 2016, arXiv
        1512.05287).
    alpha : float, default=0.0
        L2 penalty: ``0.5 * alpha * sum(weights ** 2) / total`` is added to the loss of a minibatch
        whose sequences have that total weight (their number, if they all have weight 1).
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    theta, grad : ndarray of shape (P,)
        All parameters, and the gradient of the last `loss_and_grad`.
    decayed : ndarray of shape (P,), bool
        True for weights, False for biases.
    layers : list of RecurrentLayer
        From the input up.
    head : dict of str to ndarray
        "W" (F, K) and "b" (K,), views of ``theta``; F is the width of the top layer.
    """

    def __init__(
        self,
        n_features,
        hidden_layer_sizes,
        n_outputs,
        *,
        loss,
        cell="lstm",
        cell_options=None,
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        recurrent_dropout=0.0,
        alpha=0.0,
        dtype="float32",
        random_state=None,
    ):
        self.loss = LOSSES[loss]
        self.pooling = pooling
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.alpha = alpha
        self.dtype = np.dtype(dtype)
        self.n_outputs = n_outputs
        rng = np.random.default_rng(random_state)
        self.layers = []
        width = n_features
        for size in hidden_layer_sizes:
            layer = CELLS[cell](
                width,
                size,
                bidirectional=bidirectional,
                dtype=self.dtype,
                random_state=rng,
                **(cell_options or {}),
            )
            self.layers.append(layer)
            width = layer.output_size
        self.n_pooled = width
        self._join({"W": glorot_uniform(rng, (width, n_outputs)), "b": np.zeros(n_outputs)})

    def _join(self, head):
        """Move the parameters of the layers and of a head into one vector."""
        sizes = [layer.n_parameters for layer in self.layers]
        self._bounds = np.cumsum([0, *sizes])
        n_parameters = self._bounds[-1] + (self.n_pooled + 1) * self.n_outputs
        self.theta, self.grad = np.zeros((2, n_parameters), dtype=self.dtype)
        for layer, begin, end in self._layer_ranges():
            self.theta[begin:end] = layer.theta
            layer.bind(self.theta[begin:end], self.grad[begin:end])
        self.head = self._head_views(self.theta)
        for name, values in head.items():
            self.head[name][...] = values

        self.decayed = np.zeros(n_parameters, dtype=bool)
        for views in (*self._layer_views(self.decayed), self._head_views(self.decayed)):
            for name, view in views.items():
                view[...] = not name.startswith("b")
        self._decayed_bytes = self.decayed.view(np.uint8)
        self._grads = _Gradients(self, self.grad)
        self._spare_memory, self._spare_gradients = [], []
        self._weights = None

    def __getstate__(self):
        """What copy and pickle take: every parameter once, no gradient, no memory."""
        left_out = (
            *("theta", "grad", "decayed", "_decayed_bytes", "_bounds"),
            *("_grads", "_spare_memory", "_spare_gradients", "_weights"),
        )
        state = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**state, "loss": self.loss.name}

    def __setstate__(self, state):
        """Views do not survive a copy: join the parameters anew."""
        vars(self).update({**state, "loss": LOSSES[state["loss"]]})
        self._join(state["head"])

    def _layer_ranges(self):
        """Each layer with the range of its parameters in theta."""
        return zip(self.layers, self._bounds[:-1], self._bounds[1:], strict=True)

    def _layer_views(self, flat):
        """Named views of a vector laid out as theta, for each layer."""
        return [layer.views(flat[begin:end]) for layer, begin, end in self._layer_ranges()]

    def _head_views(self, flat):
        """Named views of the head's part of a vector laid out as theta."""
        W, b = np.split(flat[self._bounds[-1] :], [self.n_pooled * self.n_outputs])
        return {"W": W.reshape(self.n_pooled, self.n_outputs), "b": b}

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
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
        target : ndarray of shape (B,), int64, or (B, K)
            Class numbers for "log_loss", values of the network's dtype for "squared_error".
        weight : ndarray of shape (B,)
            Weight of each sequence, of the network's dtype.
        theta : ndarray of shape (P,), optional
            Where to evaluate: these become the network's parameters. By default they stay.
        rng : numpy.random.Generator, optional
            Draws the dropout; without it there is none.
        bptt_steps : int, optional
            Truncated backpropagation: time is cut into pieces of so many steps, counted from where
            each direction starts to read; states cross from piece to piece, gradients do not.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        float
            ``sum(weight * loss) / sum(weight)`` and the L2 penalty.
        """
        if theta is not None:
            self.theta[...] = theta
        total = sum_of_weights(weight)
        starts = sequences.offsets[indices]
        lengths = sequences.lengths[indices]
        n_shards = count_shards(len(lengths), self._forward_flops(int(lengths.sum())))
        shards = pack_shards(starts, lengths, 1, n_shards)
        seeds = self._draw_seeds(rng, len(shards))
        if self._weights is None:
            self._weights = _PackedWeights(self)
        forward, backward = self._weights.pack()
        in_order = _InOrder(self._grads, self._spare_gradients) if len(shards) > 1 else None

        def run_shard(k):
            memory = take_spare(self._spare_memory, lambda: _Memory(self))
            gradients = self._grads  # the first shard's go where the sum is to be
            if k > 0:
                make = functools.partial(_Gradients, self)
                gradients = take_spare(self._spare_gradients, make)
            gradients.flat.fill(0)
            loss = 0.0
            states = None
            for piece, piece_seeds, n_on in self._pieces(shards[k], seeds[k], bptt_steps):
                n_here = len(piece.order)
                shard = self._forward(
                    sequences.values, piece, memory, forward,
                    keep=n_on < n_here, outputs=n_on < n_here, seeds=piece_seeds, states=states,
                )  # fmt: skip
                if n_on < n_here:
                    outputs = self._outputs(shard, memory)
                    doutputs = memory.network.take("doutputs", outputs.shape)
                    if n_on:
                        doutputs[:n_on] = 0
                    loss += self.loss.kernel(
                        outputs[n_on:], target, weight, piece.order[n_on:], total, doutputs[n_on:]
                    )
                    self._backward(shard, doutputs, memory, backward, gradients, bptt_steps)
                if n_on:
                    states = [
                        tuple(state[:, :n_on] for state in layer.final_state(tapes, piece))
                        for layer, tapes in zip(self.layers, shard.tapes, strict=True)
                    ]
            self._spare_memory.append(memory)
            if in_order:
                in_order.add(k, gradients)
            return loss

        flops = self._forward_flops(len(shards[0].rows))
        loss = sum(threads.run(run_shard, range(len(shards)), n_jobs, flops))
        if self.alpha:
            loss += add_penalty(self.theta, self._decayed_bytes, self.alpha / total, self.grad)
        return loss

    def release_memory(self):
        """Give back what `loss_and_grad` keeps from call to call; the next call takes it again."""
        self._spare_memory.clear()
        self._spare_gradients.clear()
        self._weights = None

    def _forward_flops(self, n_rows):
        """Floating-point operations of the layers over so many packed rows, roughly."""
        return 2 * n_rows * int(self._bounds[-1])

    def _draw_seeds(self, rng, n_shards):
        """Seeds of each shard's dropout masks: recurrent and other of each layer; None for none."""
        if rng is None or not (self.dropout or self.recurrent_dropout):
            return [None] * n_shards
        return rng.integers(2**63, size=(n_shards, 2 * len(self.layers))).tolist()

    def _pieces(self, batch, seeds, bptt_steps):
        """Cut a shard in time, where pieces can go forward and backward one after the other.

        Each piece comes with its seeds, and the number of its sequences that go on after it: they
        are its first ones.
        """
        n_steps = len(batch.alive)
        one_way = self.pooling == "last" and not self.layers[0].bidirectional
        if bptt_steps is None or bptt_steps >= n_steps or not one_way:
            yield batch, seeds, 0
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
            yield replace(piece, order=batch.order[:n_here]), piece_seeds, n_on

    def _forward(
        self, values, batch, memory, weights, *, keep, seeds=None, outputs=True, states=None
    ):
        """Run a packed batch through the layers; without ``outputs`` only to its final state."""
        x = memory.network.take("x", (len(batch.rows), values.shape[1]))
        packing.take_rows(values, 0, batch.rows, x)
        shard = _Shard(batch, seeds)
        top = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            work = memory.layers[k]
            mask = self._recurrent_mask(shard, k, work)
            tapes = layer.forward_packed(
                x, batch, work, weights[k], mask=mask, keep=keep, outputs=outputs or k < top,
                state=states and states[k],
            )  # fmt: skip
            shard.tapes.append(tapes)
            if k < top:
                x = self._drop(shard, k, layer.outputs(tapes, batch, work), work)
        return shard

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

    def _pool(self, shard, memory):
        """What the head sees of the top layer, shape (B, F)."""
        batch = shard.batch
        pooled = memory.network.take("pooled", (len(batch.order), self.n_pooled))
        if self.pooling == "max":
            shard.row_of = memory.network.take("row_of", pooled.shape, dtype=np.int64)
        for tape, column in self._columns(shard.tapes[-1]):
            if self.pooling == "last":
                packing.last_forward(tape.h, batch.last, column, pooled)
            elif self.pooling == "mean":
                packing.mean_forward(tape.h, batch.alive, batch.lengths, column, pooled)
            else:
                packing.max_forward(tape.h, batch.alive, column, pooled, shard.row_of)
        return pooled

    def _columns(self, of_directions):
        """Something of each direction of the top layer, with its first column in what is pooled."""
        return zip(of_directions, range(0, self.n_pooled, self.layers[-1].hidden_size), strict=True)

    def _pool_backward(self, shard, dpooled, memory):
        """The gradient of `_pool`, as dy and dstate of `RecurrentLayer.backward_packed`."""
        layer, batch = self.layers[-1], shard.batch
        if self.pooling == "last" and layer.n_directions == 1:
            return None, (dpooled[np.newaxis],)
        if self.pooling == "last":
            shape = (layer.n_directions, len(batch.order), layer.hidden_size)
            dh = memory.network.take("dh", shape)
            for dh_of_direction, column in self._columns(dh):
                packing.last_backward(dpooled, column, dh_of_direction)
            return None, (dh,)

        def dy(direction):
            column = direction * layer.hidden_size
            dy = memory.network.take("dy", (len(batch.rows), layer.hidden_size))
            if self.pooling == "mean":
                packing.mean_backward(dpooled, batch.alive, batch.lengths, column, dy)
            else:
                packing.max_backward(dpooled, shard.row_of, column, dy)
            return dy

        return dy, None

    def _outputs(self, shard, memory):
        """The head's outputs, shape (B, K)."""
        work, top = memory.network, len(self.layers) - 1
        shard.pooled = self._drop(shard, top, self._pool(shard, memory), work)
        outputs = work.take("outputs", (len(shard.batch.order), self.n_outputs))
        packed = work.packed("W", self.n_pooled, self.n_outputs)
        dense.dense_forward(shard.pooled, self.head["W"], self.head["b"], outputs, packed)
        return outputs

    def _backward(self, shard, doutputs, memory, weights, gradients, bptt_steps):
        """Add the gradient of a shard, given that of its outputs."""
        batch, work = shard.batch, memory.network
        top = len(self.layers) - 1
        dpooled = work.take("dpooled", shard.pooled.shape)
        dense.dense_backward(
            shard.pooled,
            self.head["W"],
            doutputs,
            dpooled,
            gradients.head["W"],
            gradients.head["b"],
            work.packed("W.T", self.n_outputs, self.n_pooled),
            work.packed_left("packed pooled", *shard.pooled.shape),
            work.packed("packed doutputs", len(doutputs), self.n_outputs),
        )
        self._drop_backward(shard, top, dpooled)
        dy, dstate = self._pool_backward(shard, dpooled, memory)
        for k in range(top, -1, -1):
            dy, _ = self.layers[k].backward_packed(
                shard.tapes[k],
                batch,
                memory.layers[k],
                weights[k],
                gradients.layers[k],
                dy=dy,
                dstate=dstate,
                want_dx=k > 0,
                bptt_steps=bptt_steps,
            )
            dstate = None
            if k > 0:
                self._drop_backward(shard, k - 1, dy)

    def predict(self, sequences, *, n_jobs=None):
        """What the network says of each sequence.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        n_jobs : int or None, default=None
            Threads.

        Returns
        -------
        ndarray of shape (n, K)
            Probabilities of the classes for "log_loss", values for "squared_error".
        """
        predictions = self._raw_outputs(sequences, n_jobs)
        self.loss.link(predictions)
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
        states = np.empty((len(sequences), self.n_pooled), dtype=self.dtype)

        def collect(batch, shard, memory):
            last = memory.network.take("last", (len(batch.order), self.n_pooled))
            for tape, column in self._columns(shard.tapes[-1]):
                packing.last_forward(tape.h, batch.last, column, last)
            states[batch.order] = last

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
        states = np.empty((len(sequences.values), self.n_pooled), dtype=self.dtype)

        def collect(batch, shard, memory):
            y = self.layers[-1].outputs(shard.tapes[-1], batch, memory.layers[-1])
            packing.put_rows(y, batch.rows, states, 0)

        self._for_all(sequences, n_jobs, collect)
        return states

    def _raw_outputs(self, sequences, n_jobs):
        """The head's outputs for all sequences, in their order."""
        outputs = np.empty((len(sequences), self.n_outputs), dtype=self.dtype)

        def collect(batch, shard, memory):
            outputs[batch.order] = self._outputs(shard, memory)

        self._for_all(sequences, n_jobs, collect, outputs=self.pooling != "last")
        return outputs

    def _for_all(self, sequences, n_jobs, collect, *, outputs=True):
        """Run all sequences forward, those of equal length together; collect takes each lot."""
        lengths = sequences.lengths
        order = sort_by_length(lengths)

        spare = []
        weights = [layer.pack_forward(Workspace(self.dtype)) for layer in self.layers]

        def run_lot(begin):
            batch = pack(sequences.offsets[:-1], lengths, 1, order[begin : begin + PREDICT_SIZE])
            memory = take_spare(spare, lambda: _Memory(self))
            values = sequences.values
            shard = self._forward(values, batch, memory, weights, keep=False, outputs=outputs)
            collect(batch, shard, memory)
            spare.append(memory)

        flops = self._forward_flops(int(lengths[order[:PREDICT_SIZE]].sum()))
        threads.run(run_lot, range(0, len(order), PREDICT_SIZE), n_jobs, flops)


class _Memory:
    """Workspaces of one thread: one for each layer, one for what lies between."""

    def __init__(self, network):
        self.layers = [Workspace(network.dtype) for _ in network.layers]
        self.network = Workspace(network.dtype)


class _PackedWeights:
    """The weights of every layer in packed form, to be packed anew for every minibatch."""

    def __init__(self, network):
        self.forward, self.backward = [], []
        self.forward_factors, self.backward_factors = [], []
        for k, layer in enumerate(network.layers):
            work = Workspace(network.dtype)
            weights, factors = layer.plan_forward(work)
            self.forward.append(weights)
            self.forward_factors += factors
            weights, factors = layer.plan_backward(work, want_dx=k > 0)
            self.backward.append(weights)
            self.backward_factors += factors

    def pack(self):
        """The factors of all layers, for forward and backward passes."""
        for factor in self.forward_factors:
            pack_weights(*factor)
        for factor in self.backward_factors:
            pack_weights_transposed(*factor)
        return self.forward, self.backward


class _Gradients:
    """A gradient of all parameters, with its views."""

    def __init__(self, network, flat=None):
        self.flat = flat = np.empty_like(network.theta) if flat is None else flat
        self.layers = [
            layer.by_direction(views)
            for layer, views in zip(network.layers, network._layer_views(flat), strict=True)
        ]
        self.head = network._head_views(flat)


class _InOrder:
    """Adds the gradients of shards in their order to those of the first."""

    def __init__(self, total, spare):
        self.total, self.spare = total, spare
        self.lock = threading.Lock()
        self.waiting = {}
        self.next = 0

    def add(self, k, gradients):
        """Add those of shard k now or, if one before it is missing, after that."""
        with self.lock:
            self.waiting[k] = gradients
            while self.next in self.waiting:
                gradients = self.waiting.pop(self.next)
                if gradients is not self.total:
                    self.total.flat += gradients.flat
                    self.spare.append(gradients)
                self.next += 1


@dataclass(slots=True)
class _Shard:
    """What a forward pass leaves: seeds of the dropout, tapes of each layer, what the head saw."""

    batch: object
    seeds: list | None
    tapes: list = field(default_factory=list)
    pooled: np.ndarray | None = None
    row_of: np.ndarray | None = None
