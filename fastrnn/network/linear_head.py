"""What a head is, and one that is a linear map: `fastrnn.network.heads` has all there are.

A head whose loss joins the steps of a sequence says so in `time_may_be_cut` and `needs_every_step`,
and finds them in ``batch``. What it has of parameters beside the map it names in `shapes`, and
starts in `start`. Their gradient it adds in `add_gradients`, once for a minibatch, or, where that
follows from the loss of each shard, leaves it in the room that it takes: then they are `joined`.
"""

from abc import ABC, abstractmethod

import numpy as np

from fastrnn.kernels.dense import (
    dense_backward,
    dense_forward,
    dense_gradients,
    pack_weights,
    pack_weights_transposed,
)
from fastrnn.kernels.likelihoods import negative_binomial, rate, softplus, student_t
from fastrnn.kernels.losses import sigmoid, softmax
from fastrnn.network import threads
from fastrnn.network.recurrent import glorot_uniform

__all__ = ["LINKS", "Head", "LinearHead"]

HEAD_ROWS = 512
"""Rows of the map's factor on the way back that are multiplied at a time: they stay in a
second-level cache while all steps pass by."""

THREAD_COLUMNS = 256
"""Outputs that are worth a thread of their own."""

CHUNK_SIZE = 2**17
"""Elements of the gradient of the outputs that are multiplied at a time: packed, they stay in a
second-level cache."""


class Head(ABC):
    """What reads the states of the top layer.

    ``tied`` says whether its weights are the first table of embeddings, transposed; ``options`` are
    what else its constructor takes, in its one form; ``params`` and ``grads`` name its parameters
    and their gradients, views of the network's.
    """

    kind: str
    """Its name in `fastrnn.network.heads.HEADS`."""
    time_may_be_cut = True
    """Whether the loss of some steps can be told, and gone back from, before the next are read."""
    needs_every_step = False
    """Whether it can only read the states of all steps."""
    joins_steps = False
    """Whether it reads every step, and yet has one target and one weight for each sequence."""
    is_filtered = False
    """Whether a stream of it makes of the outputs of a step what all steps so far say of it."""
    joined: tuple[str, ...] = ()
    """The last of its parameters, of which `loss_and_grad` gives the gradient."""
    n_parameters = 1
    """Outputs for each number, of which the first tells the point that is expected."""
    link: str | None = None
    """What `decode` makes of a row of outputs by itself: a key of `LINKS`; None if it is more."""

    @property
    def point_link(self):
        """What becomes of that first output: a key of `LINKS`."""
        return self.link

    def __init__(self, n_outputs, *, tied=False):
        self.n_outputs, self.tied, self.options = n_outputs, tied, {}
        self.params, self.grads = {}, {}

    @abstractmethod
    def shapes(self, width):
        """Name its parameters, with their shapes, in the order of theta; ``width`` is F.

        Those that begin with b are not decayed.
        """

    def bind(self, params, grads, tables):
        """Let its parameters and gradients be these; and the first table with its, if tied."""
        self.params, self.grads = params, grads
        self._table, self._dtable = tables if self.tied else (None, None)

    def point_params(self):
        """Its parameters, of the first output of each number only."""
        n = self.n_parameters
        return {name: np.ascontiguousarray(array[..., ::n]) for name, array in self.params.items()}

    @property
    def n_joined(self):
        """How many numbers the joined parameters have."""
        return sum(self.params[name].size for name in self.joined)

    @abstractmethod
    def start(self, rng):
        """Draw the first parameters."""

    @abstractmethod
    def plan_forward(self, width, work):
        """Plan the packing of what `forward` multiplies by.

        Returns the weights for `forward`, and calls of kernels (function, arguments) that fill
        them, to be made whenever the parameters have changed.
        """

    @abstractmethod
    def plan_backward(self, width, work):
        """Plan the packing of what `backward` multiplies by, likewise."""

    @abstractmethod
    def forward(self, rows, weights, outputs, work):
        """Fill outputs (n, K) from rows (n, F)."""

    @abstractmethod
    def backward(self, doutputs, weights, drows, work):
        """Fill the gradient of rows (n, F) from that of their outputs (n, K)."""

    @abstractmethod
    def add_gradients(self, rows, doutputs, work, n_jobs):
        """Add the gradient of the parameters over all rows of a minibatch to ``grads``."""

    def take_room(self, batch, work, gradient=None):
        """Take what memory it needs for a shard; None if it needs none.

        ``gradient`` is where `loss_and_grad` leaves that of the joined parameters, one after the
        other; without it that is not wanted.
        """
        return None

    @abstractmethod
    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        """Loss of some rows, the ``places`` of target (n,) or (n, K) and weight (n,).

        Where a head joins the steps of sequences, these are the places of the sequences.
        ``outputs`` (rows, K) become the gradient with respect to them; ``total`` is what the sum of
        weight times loss is divided by; ``batch`` says where the rows of each sequence stand, and
        ``room`` is from `take_room`, for heads whose time may not be cut.
        """

    def constant_loss(self, target, weight, lengths=None):
        """Lowest loss of outputs that are the same in all rows; None where that is not known.

        ``lengths`` says how many rows each sequence has, for a head that reads every step.
        """
        return None

    @abstractmethod
    def decode(self, outputs, batch=None, room=None):
        """Turn outputs (rows, K) into what the network predicts, in place."""

    def best(self, outputs, batch, room):
        """The number of the best output of each row (rows,); the outputs are used up."""
        self.decode(outputs, batch, room)
        return outputs.argmax(axis=1)


class LinearHead(Head):
    """A linear map ``rows W + b``: "W" (F, K), but not if tied, and "b" (K,)."""

    link: str | None = "identity"

    def shapes(self, width):
        shapes = {} if self.tied else {"W": (width, self.n_outputs)}
        return {**shapes, "b": (self.n_outputs,)}

    def start(self, rng):
        if not self.tied:
            self.params["W"][...] = glorot_uniform(rng, self.params["W"].shape)

    def plan_forward(self, width, work):
        packed = work.packed("head", width, self.n_outputs)
        if self.tied:
            return packed, [(pack_weights_transposed, (self._table, 0, width, packed, work.rounds))]
        return packed, [(pack_weights, (self.params["W"], 0, self.n_outputs, packed, work.rounds))]

    def plan_backward(self, width, work):
        packed, calls = work.packed("head backward", self.n_outputs, width), []
        row_size = len(packed) // self.n_outputs
        for begin in range(0, self.n_outputs, HEAD_ROWS):
            end = min(begin + HEAD_ROWS, self.n_outputs)
            panels = packed[begin * row_size : end * row_size]
            if self.tied:
                calls.append(
                    (pack_weights, (self._table[begin:end], 0, width, panels, work.rounds))
                )
            else:
                matrix = self.params["W"]
                factor = (matrix, begin, end - begin, panels, work.rounds)
                calls.append((pack_weights_transposed, factor))
        return packed, calls

    def forward(self, rows, weights, outputs, work):
        rounded = work.rounded(rows.size)
        work.call(dense_forward, rows, weights, self.params["b"], outputs, rounded)

    def backward(self, doutputs, weights, drows, work):
        rounded = work.rounded(len(doutputs) * min(HEAD_ROWS, self.n_outputs))
        work.call(dense_backward, doutputs, weights, HEAD_ROWS, drows, rounded)

    def decode(self, outputs, batch=None, room=None):
        LINKS[self.link](outputs)

    def add_gradients(self, rows, doutputs, work, n_jobs):
        """Threads share the outputs, in whole panels."""
        n_rows, width = rows.shape
        size = self._share(n_jobs)
        left, right = (size, width) if self.tied else (width, size)
        chunk = min(max(1, CHUNK_SIZE // (64 * n_rows)) * 64, right)
        calls = []
        for begin in range(0, self.n_outputs, size):
            here = min(size, self.n_outputs - begin)
            if self.tied:  # W is the table transposed
                no_bias = work.take(("no bias", begin), (width,))
                call = (doutputs, begin, here, rows, 0, width, self._dtable, no_bias)
            else:
                call = (rows, 0, width, doutputs, begin, here, self.grads["W"], self.grads["b"])
            of_left = work.packed_left(("head rows", begin), n_rows, left)
            of_right = work.packed(("head columns", begin), n_rows, chunk)
            calls.append((dense_gradients, *call, chunk, of_left, of_right, work.rounds))
        if self.tied:
            work.call(_add_sums, doutputs, self.grads["b"])
        threads.run(lambda call: work.call(*call), calls, n_jobs, 2 * n_rows * width * size)

    def _share(self, n_jobs):
        """How many outputs a thread takes: whole panels, or all."""
        most = self.n_outputs // THREAD_COLUMNS
        n_threads = 1 if most <= 1 else min(most, threads.count_threads(n_jobs))
        if n_threads == 1:
            return self.n_outputs
        return -(-self.n_outputs // (64 * n_threads)) * 64


def mean_of_columns(function, target, weight):
    """Mean over the columns of a target of what a function says of each, divided by all weights.

    The function is given the values that are there, with their weights, in double.
    """
    total = 0.0
    for values in target.T:
        there = ~np.isnan(values) & (weight > 0)
        if there.any():
            total += function(values[there].astype(np.float64), weight[there].astype(np.float64))
    return float(total / (target.shape[1] * weight.sum(dtype=np.float64)))


def _add_sums(rows, sums):
    sums += rows.sum(axis=0)


def _leave(outputs):
    pass


LINKS = {
    "identity": _leave,
    "softmax": softmax,
    "sigmoid": sigmoid,
    "rate": rate,
    "softplus": softplus,
    "student_t": student_t,
    "negative_binomial": negative_binomial,
}
"""From the outputs of a linear map to what the network predicts, in place."""
