"""Layers stacked, pooled and read by a linear head: outputs, loss and exact gradient.

A minibatch is cut into shards, by the lengths alone. Each shard goes forward and
backward with memory and a gradient of its own, on one of several threads if asked, and the
gradients are added in the order of the shards: the same bits on any number of threads.
"""

from dataclasses import dataclass, field

import numpy as np

from fastrnn import threads
from fastrnn.batches import pack, pack_shards, sort_by_length
from fastrnn.kernels import dense, packing
from fastrnn.layers import GRU, LSTM, RNN, CarryLSTM
from fastrnn.layers.recurrent import glorot_uniform
from fastrnn.losses import LOSSES
from fastrnn.workspace import Workspace, take_spare

CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "carry_lstm": CarryLSTM}
POOLINGS = ("last", "mean", "max")

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
        self._slots = []

    def __getstate__(self):
        """What copy and pickle take: every parameter once, no gradient, no memory."""
        left_out = ("theta", "grad", "decayed", "_bounds", "_slots")
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
        total = float(weight.sum(dtype=np.float64))
        weight = weight / self.dtype.type(total)
        starts = sequences.offsets[indices]
        lengths = sequences.offsets[indices + 1] - starts
        shards = pack_shards(starts, lengths, 1)
        while len(self._slots) < len(shards):
            grad = np.empty_like(self.grad) if self._slots else self.grad
            self._slots.append(_Slot(self, grad))
        if rng is None or not (self.dropout or self.recurrent_dropout):
            rngs = [None] * len(shards)
        else:
            seeds = rng.integers(np.iinfo(np.int64).max, size=len(shards))
            rngs = [np.random.default_rng(seed) for seed in seeds]

        def run_shard(k):
            batch, slot = shards[k], self._slots[k]
            slot.grad[...] = 0
            shard = self._forward(sequences.values, batch, slot.memory, keep=True, rng=rngs[k])
            outputs = self._outputs(shard, slot.memory, rngs[k])
            doutputs = slot.memory.network.take("doutputs", outputs.shape)
            loss = self.loss.kernel(outputs, target[batch.order], weight[batch.order], doutputs)
            self._backward(shard, doutputs, slot, bptt_steps)
            return loss

        loss = sum(threads.run(run_shard, range(len(shards)), n_jobs))
        for slot in self._slots[1 : len(shards)]:
            self.grad += slot.grad
        if self.alpha:
            weights = self.theta * self.decayed
            loss += 0.5 * self.alpha * float(weights @ weights) / total
            weights *= self.dtype.type(self.alpha / total)
            self.grad += weights
        return loss

    def release_memory(self):
        """Give back what `loss_and_grad` keeps from call to call; the next call takes it again."""
        self._slots.clear()

    def _forward(self, values, batch, memory, *, keep, rng=None, outputs=True):
        """Run a packed batch through the layers; without ``outputs`` only to its final state."""
        x = memory.network.take("x", (len(batch.rows), values.shape[1]))
        packing.take_rows(values, 0, batch.rows, x)
        shard = _Shard(batch)
        for k, (layer, work) in enumerate(zip(self.layers, memory.layers, strict=True)):
            mask = None
            if rng is not None and self.recurrent_dropout:
                shape = (layer.n_directions, len(batch.order), layer.hidden_size)
                mask = self._dropout_mask(rng, shape, self.recurrent_dropout)
            is_top = k == len(self.layers) - 1
            tapes = layer.forward_packed(
                x, batch, work, mask=mask, keep=keep, outputs=outputs or not is_top
            )
            shard.tapes.append(tapes)
            if not is_top:
                x = layer.outputs(tapes, batch, work)
                x = self._drop(shard, x, rng, work)
        return shard

    def _dropout_mask(self, rng, shape, rate):
        """Factors 0 with probability rate, else 1 / (1 - rate)."""
        kept = rng.random(size=shape, dtype=np.float32) >= rate
        return kept * self.dtype.type(1 / (1 - rate))

    def _drop(self, shard, x, rng, work):
        """x with dropout, whose mask is noted in the shard (None for none)."""
        if rng is None or not self.dropout:
            shard.masks.append(None)
            return x
        mask = self._dropout_mask(rng, x.shape, self.dropout)
        shard.masks.append(mask)
        return np.multiply(x, mask, out=work.take("dropped", x.shape))

    def _pool(self, shard, memory):
        """What the head sees of the top layer, shape (B, F)."""
        layer, work, tapes = self.layers[-1], memory.layers[-1], shard.tapes[-1]
        batch = shard.batch
        if self.pooling == "last":
            h = layer.final_state(tapes, batch)[0]
            return np.ascontiguousarray(h.transpose(1, 0, 2)).reshape(-1, self.n_pooled)
        pooled = memory.network.take("pooled", (len(batch.order), self.n_pooled))
        y = layer.outputs(tapes, batch, work)
        if self.pooling == "mean":
            packing.mean_forward(y, batch.alive, batch.lengths, pooled)
        else:
            shard.row_of = memory.network.take("row_of", pooled.shape, dtype=np.int64)
            packing.max_forward(y, batch.alive, pooled, shard.row_of)
        return pooled

    def _outputs(self, shard, memory, rng=None):
        """The head's outputs, shape (B, K)."""
        shard.pooled = self._drop(shard, self._pool(shard, memory), rng, memory.network)
        outputs = memory.network.take("outputs", (len(shard.batch.order), self.n_outputs))
        packed = memory.network.packed("W", self.n_pooled, self.n_outputs)
        dense.dense_forward(shard.pooled, self.head["W"], self.head["b"], outputs, packed)
        return outputs

    def _backward(self, shard, doutputs, slot, bptt_steps):
        """Add the gradient of a shard, given that of its outputs, to the slot's."""
        batch, memory = shard.batch, slot.memory
        dpooled = memory.network.take("dpooled", shard.pooled.shape)
        dense.dense_backward(
            shard.pooled,
            self.head["W"],
            doutputs,
            dpooled,
            slot.head["W"],
            slot.head["b"],
            memory.network.packed("W.T", self.n_outputs, self.n_pooled),
            memory.network.packed("packed doutputs", len(doutputs), self.n_outputs),
        )
        self._drop_backward(shard, dpooled)
        layer = self.layers[-1]
        dy = dstate = None
        if self.pooling == "last":
            dh = dpooled.reshape(-1, layer.n_directions, layer.hidden_size).transpose(1, 0, 2)
            dstate = (dh, np.zeros_like(dh))
        else:
            dy = memory.layers[-1].take("dy_pooled", (len(batch.rows), self.n_pooled))
            if self.pooling == "mean":
                packing.mean_backward(dpooled, batch.alive, batch.lengths, dy)
            else:
                packing.max_backward(dpooled, shard.row_of, dy)
        for k in range(len(self.layers) - 1, -1, -1):
            dy, _ = self.layers[k].backward_packed(
                shard.tapes[k],
                batch,
                memory.layers[k],
                slot.layers[k],
                dy=dy,
                dstate=dstate,
                want_dx=k > 0,
                bptt_steps=bptt_steps,
            )
            dstate = None
            if k > 0:
                self._drop_backward(shard, dy)

    def _drop_backward(self, shard, dx):
        """The gradient of the last dropout that was not gone back through, in place."""
        mask = shard.masks.pop()
        if mask is not None:
            dx *= mask

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
            h = self.layers[-1].final_state(shard.tapes[-1], batch)[0]
            states[batch.order] = h.transpose(1, 0, 2).reshape(len(batch.order), -1)

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

        def run_lot(begin):
            batch = pack(sequences.offsets[:-1], lengths, 1, order[begin : begin + PREDICT_SIZE])
            memory = take_spare(spare, lambda: _Memory(self))
            values = sequences.values
            shard = self._forward(values, batch, memory, keep=False, outputs=outputs)
            collect(batch, shard, memory)
            spare.append(memory)

        threads.run(run_lot, range(0, len(order), PREDICT_SIZE), n_jobs)


class _Memory:
    """Workspaces of one thread: one for each layer, one for what lies between."""

    def __init__(self, network):
        self.layers = [Workspace(network.dtype) for _ in network.layers]
        self.network = Workspace(network.dtype)


class _Slot:
    """Where one shard of a minibatch works: memory, and a gradient with its views.

    The first shard adds to the network's own gradient, the others to one of their own.
    """

    def __init__(self, network, grad):
        self.memory = _Memory(network)
        self.grad = grad
        self.layers = network._layer_views(self.grad)
        self.head = network._head_views(self.grad)


@dataclass
class _Shard:
    """What a forward pass leaves: tapes of each layer, dropout masks, and what the head saw."""

    batch: object
    tapes: list = field(default_factory=list)
    masks: list = field(default_factory=list)
    pooled: np.ndarray | None = None
    row_of: np.ndarray | None = None
