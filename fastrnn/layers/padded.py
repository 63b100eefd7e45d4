"""Padded arrays forward and backward through a recurrent layer: the public calls of the layers.

An array of shape (T, B, D) is cut into shards, each packed, run and unpacked on one of several
threads if asked; parameter gradients are added in the order of the shards.
"""

from dataclasses import dataclass

import numpy as np

from fastrnn import threads
from fastrnn.batches import PackedBatch, pack_shards
from fastrnn.kernels import packing
from fastrnn.layers.recurrent import RecurrentLayer
from fastrnn.workspace import Workspace, take_spare


@dataclass
class _ForwardPass:
    """What `PaddedLayer.forward` with training=True leaves for `backward`."""

    shards: list[PackedBatch]
    works: list[Workspace]
    tapes: list
    n_steps: int
    n_sequences: int
    n_jobs: int | None


class PaddedLayer(RecurrentLayer):
    """A recurrent layer that takes padded arrays.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator
        Source of the initial weights.
    """

    def __init__(self, input_size, hidden_size, bidirectional, dtype, random_state):
        super().__init__(input_size, hidden_size, bidirectional, dtype, random_state)
        self._forward_pass = None
        self._spare = []

    def __getstate__(self):
        """What copy and pickle take: nothing of passes under way, and no memory."""
        return {**super().__getstate__(), "_forward_pass": None, "_spare": []}

    def forward(self, x, lengths=None, initial_state=None, training=False, n_jobs=None):
        """Run sequences forward.

        Parameters
        ----------
        x : array-like of shape (T, B, D)
            Input of B sequences, padded to T steps; what stands in the padding is not read.
        lengths : array-like of int of shape (B,), optional
            Steps of each sequence, 1 to T, in any order; T by default.
        initial_state : tuple of array-like of shape (directions, B, H), optional
            (h,), or (h, c) for cells with a cell state; zero by default.
        training : bool, default=False
            Whether to keep what `backward` needs.
        n_jobs : int or None, default=None
            Threads, for this call and its `backward`; None is one, -1 all processors. Results are
            the same bits for any number.

        Returns
        -------
        y : ndarray of shape (T, B, directions · H)
            State after every step, zero from a sequence's length on.
        state : tuple of ndarray of shape (directions, B, H)
            (h,) or (h, c) after each sequence's own last step; of the second direction, after its
            first.

        Raises
        ------
        ValueError, TypeError
            If an argument has a wrong shape or cannot be converted to the layer's dtype.
        """
        x = self._as_array("x", x, (None, None, self.input_size))
        n_steps, n_sequences = x.shape[:2]
        lengths = _check_lengths(lengths, n_steps, n_sequences)
        state_shape = (self.n_directions, n_sequences, self.hidden_size)
        if initial_state is not None:
            initial_state = self._as_states("initial_state", initial_state, state_shape)
        shards = pack_shards(np.arange(n_sequences), lengths, n_sequences)
        if training and self._forward_pass is not None:
            self._spare.extend(self._forward_pass.works)
            self._forward_pass = None
        works = [take_spare(self._spare, lambda: Workspace(self.dtype)) for _ in shards]
        source = x.reshape(n_steps * n_sequences, self.input_size)
        make = np.empty if (lengths == n_steps).all() else np.zeros
        y = make((n_steps, n_sequences, self.output_size), dtype=self.dtype)
        target = y.reshape(n_steps * n_sequences, self.output_size)
        state = tuple(
            np.empty(state_shape, dtype=self.dtype) for _ in range(2 if self.has_cell_state else 1)
        )

        def run_shard(k):
            batch, work = shards[k], works[k]
            packed = work.take("x", (len(batch.rows), self.input_size))
            packing.take_rows(source, 0, batch.rows, packed)
            start = initial_state and tuple(array[:, batch.order] for array in initial_state)
            tapes = self.forward_packed(packed, batch, work, state=start, keep=training)
            for d, tape in enumerate(tapes):
                rows = batch.rows[batch.reverse] if d else batch.rows
                packing.put_rows(tape.h[len(batch.order) :], rows, target, d * self.hidden_size)
            for array, packed_array in zip(state, self.final_state(tapes, batch), strict=True):
                array[:, batch.order] = packed_array
            return tapes

        tapes = threads.run(run_shard, range(len(shards)), n_jobs)
        if training:
            self._forward_pass = _ForwardPass(shards, works, tapes, n_steps, n_sequences, n_jobs)
        else:
            self._spare.extend(works)
        return y, state

    def backward(self, dy, dstate=None):
        """Propagate gradients back through the last ``forward(training=True)``.

        Parameters
        ----------
        dy : array-like of shape (T, B, directions · H)
            Gradient of the loss with respect to y; what stands in the padding is not read.
        dstate : tuple of array-like of shape (directions, B, H), optional
            Gradient with respect to the final state; zero by default.

        Returns
        -------
        dx : ndarray of shape (T, B, D)
            Gradient with respect to x, zero from a sequence's length on.
        dinitial_state : tuple of ndarray of shape (directions, B, H)
            Gradient with respect to the initial state.

        Raises
        ------
        RuntimeError
            If there was no ``forward(training=True)`` since the last `backward`.
        ValueError, TypeError
            If an argument has a wrong shape or cannot be converted to the layer's dtype.
        """
        if self._forward_pass is None:
            raise RuntimeError("backward needs a call of forward with training=True before it")
        done = self._forward_pass
        n_steps, n_sequences = done.n_steps, done.n_sequences
        dy = self._as_array("dy", dy, (n_steps, n_sequences, self.output_size))
        state_shape = (self.n_directions, n_sequences, self.hidden_size)
        if dstate is not None:
            dstate = self._as_states("dstate", dstate, state_shape)
        source = dy.reshape(n_steps * n_sequences, self.output_size)
        dx = np.zeros((n_steps, n_sequences, self.input_size), dtype=self.dtype)
        target = dx.reshape(n_steps * n_sequences, self.input_size)
        dinitial = tuple(
            np.empty(state_shape, dtype=self.dtype) for _ in range(2 if self.has_cell_state else 1)
        )

        def run_shard(k):
            batch, work = done.shards[k], done.works[k]
            packed = work.take("dy_packed", (len(batch.rows), self.output_size))
            packing.take_rows(source, 0, batch.rows, packed)
            grad = work.zeros("grad", self.theta.shape) if k else self.grad
            dlast = dstate and tuple(array[:, batch.order] for array in dstate)
            dx_packed, dfirst = self.backward_packed(
                done.tapes[k], batch, work, self.views(grad), dy=packed, dstate=dlast
            )
            packing.put_rows(dx_packed, batch.rows, target, 0)
            for array, packed_array in zip(dinitial, dfirst, strict=True):
                array[:, batch.order] = packed_array
            return grad

        self.grad[...] = 0
        for grad in threads.run(run_shard, range(len(done.shards)), done.n_jobs)[1:]:
            self.grad += grad
        self._spare.extend(done.works)
        self._forward_pass = None
        return dx, dinitial

    def _as_array(self, name, array, shape):
        """An argument as a contiguous array of the layer's dtype and a shape (None: any > 0)."""
        array = np.asarray(array)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
        fits = array.ndim == len(shape) and all(
            size == expected or (expected is None and size > 0)
            for size, expected in zip(array.shape, shape, strict=True)
        )
        if not fits:
            expected = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
            raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
        return np.ascontiguousarray(array, dtype=self.dtype)

    def _as_states(self, name, states, shape):
        """A tuple (h,) or (h, c) of arrays of one shape."""
        names = ("h", "c") if self.has_cell_state else ("h",)
        if not isinstance(states, tuple | list) or len(states) != len(names):
            got = (
                f"{len(states)} items"
                if isinstance(states, tuple | list)
                else type(states).__name__
            )
            raise ValueError(f"{name} must be a tuple ({', '.join(names)}), got {got}")
        return tuple(self._as_array(f"{name}[{k}]", array, shape) for k, array in enumerate(states))


def _check_lengths(lengths, n_steps, n_sequences):
    """Lengths of sequences as an int64 array."""
    if lengths is None:
        return np.full(n_sequences, n_steps, dtype=np.int64)
    lengths = np.asarray(lengths)
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"lengths must be integers, got dtype {lengths.dtype}")
    if lengths.shape != (n_sequences,):
        raise ValueError(f"lengths must have shape ({n_sequences},), got {lengths.shape}")
    wrong = np.flatnonzero((lengths < 1) | (lengths > n_steps))
    if len(wrong):
        n = wrong[0]
        raise ValueError(f"lengths[{n}] must be from 1 to {n_steps}, got {lengths[n]}")
    return lengths.astype(np.int64)
