"""Padded arrays forward and backward through a recurrent layer: the public calls of the layers.

An array of shape (T, B, D) is cut into shards, and these into strands, one for each direction.
Each strand is packed, run and unpacked on one of several threads if asked, its kernels by a team if
there are more threads than strands; parameter gradients are added in the order of the shards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from fastrnn.inputs.arrays import kernel_array
from fastrnn.kernels import packing
from fastrnn.kernels.dense import pack_weights, pack_weights_transposed
from fastrnn.kernels.vector_math import products
from fastrnn.kernels.workspace import Workspace
from fastrnn.network import one_direction, threads
from fastrnn.network.batches import (
    SHARD_SIZE,
    WIDE_FLOPS,
    PackedBatch,
    count_shards,
    pack_dense,
    pack_shards,
)
from fastrnn.network.one_direction import Tape
from fastrnn.network.recurrent import UNPACKED_ROWS, UNPACKED_UNITS, RecurrentLayer
from fastrnn.network.shards import fill_packed
from fastrnn.network.workspace import take_spare
from fastrnn.typing import ArrayLike, Floats

SMALLEST_SHARD = 8
"""Sequences that are worth a thread of their own, where shards are only for threads."""


@dataclass(slots=True)
class _Strand:
    """One direction of one shard: what a thread works on at a time, and the memory for it."""

    work: Workspace
    direction: int = 0
    batch: PackedBatch | None = None
    seed: int | None = None  # of the zones, if they are drawn
    tape: Tape | None = None
    grads: tuple | None = None  # a vector for the gradient of a shard, and its views by name

    @property
    def rows(self):
        """Rows of the padded array, in the direction's order of time."""
        return self.batch.rows[self.batch.reverse] if self.direction else self.batch.rows


@dataclass(slots=True)
class _ForwardPass:
    """What `PaddedLayer.forward` with training=True leaves for `backward`."""

    strands: list[_Strand]
    make: Callable  # of an array for all rows: numpy.empty, or numpy.zeros if there is padding
    shape: tuple  # (T, B)
    n_jobs: int | None
    whole: bool  # whether there is one strand, of all rows in their order


class PaddedLayer(RecurrentLayer):
    """A recurrent layer that takes padded arrays."""

    def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__(input_size, hidden_size, **options)
        self._forward_pass: _ForwardPass | None = None

    def bind(self, theta, grad):
        """Let parameters and gradients live in given vectors (P,), whose values stay."""
        super().bind(theta, grad)
        self._spare = []
        # What was planned for the packing of other parameters is of no use.
        self._spare_forward_plans, self._spare_backward_plans = [], []
        self._unpacked = self.unpacked_weights(), []
        reads_unpacked = products() == "packed" and not self.rounds
        is_wide = self.hidden_size >= UNPACKED_UNITS
        self._few_rows = UNPACKED_ROWS if reads_unpacked and is_wide else 0

    def __getstate__(self):
        """What copy and pickle take: nothing of passes under way, and no memory."""
        nothing = {"_forward_pass": None, "_spare": []}
        plans = {"_spare_forward_plans": [], "_spare_backward_plans": [], "_unpacked": None}
        return {**super().__getstate__(), **nothing, **plans}

    def forward(
        self,
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[ArrayLike] | None = None,
        training: bool = False,
        n_jobs: int | None = None,
    ) -> tuple[Floats, tuple[Floats, ...]]:
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
            Whether to draw the zones, if there is zoneout, and to keep what `backward` needs.
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
        if not self._is_ready(x) or not x.size or x.shape[2:] != (self.input_size,):
            x = self._as_array("x", x, (None, None, self.input_size))
        n_steps, n_sequences, _ = x.shape
        if initial_state is not None:
            of_state = (self.n_directions, n_sequences, self.hidden_size)
            initial_state = self._as_states("initial_state", initial_state, of_state)
        if lengths is not None:
            lengths = _check_lengths(lengths, n_steps, n_sequences)
        if training and self._forward_pass is not None:
            self._give_back(self._forward_pass.strands)
            self._forward_pass = None
        strands = self._cut(n_steps, n_sequences, lengths, training, n_jobs)
        whole = lengths is None and len(strands) == 1
        packs = n_steps * n_sequences > self._few_rows
        plan = self._unpacked
        if packs:
            plan = take_spare(self._spare_forward_plans, self._plan_forward)
            fill_packed(plan[1], n_jobs)
        forward = self._forward_whole if whole else self._forward_strands
        make = np.empty if lengths is None else np.zeros
        y, state = forward(strands, x, initial_state, plan[0], training, n_jobs, make)
        if packs:
            self._spare_forward_plans.append(plan)
        if training:
            self._forward_pass = _ForwardPass(strands, make, x.shape[:2], n_jobs, whole)
        else:
            self._give_back(strands)
        return y, state

    def _forward_whole(self, strands, x, initial_state, weights, training, n_jobs, make):
        """Run the only strand forward, of all rows in their order: what `forward` returns."""
        (strand,), (n_steps, n_sequences, width) = strands, x.shape
        packed, h = x.reshape(-1, width), None
        if training:
            packed = strand.work.take("x", packed.shape)
            np.copyto(packed, x.reshape(-1, width))
        else:  # the packed states are y, behind the initial state
            h = np.empty((n_sequences * (1 + n_steps), self.hidden_size), dtype=self.dtype)
        start = None if initial_state is None else [array[0] for array in initial_state]
        strand.tape = tape = threads.run_one(
            one_direction.forward, self, 0, packed, strand.batch, strand.work, weights[0],
            state=start, seed=strand.seed, keep=training, h=h, n_threads=threads.share(n_jobs, 1),
        )  # fmt: skip
        y = tape.h[n_sequences:]
        if training:
            y = y.copy()
        states = (tape.h, tape.c) if self.n_states == 2 else (tape.h,)
        state = [array[None, -n_sequences:].copy() for array in states]
        return y.reshape(n_steps, n_sequences, -1), tuple(state)

    def _forward_strands(self, strands, x, initial_state, weights, training, n_jobs, make):
        """Run strands forward, on several threads if asked: what `forward` returns."""
        n_steps, n_sequences, width = x.shape
        y = make((n_steps, n_sequences, self.output_size), dtype=self.dtype)
        shape = (self.n_directions, n_sequences, self.hidden_size)
        state = tuple([np.empty(shape, dtype=self.dtype) for _ in range(self.n_states)])
        n_threads = threads.share(n_jobs, len(strands))

        def run_strand(strand):
            d, batch, work = strand.direction, strand.batch, strand.work
            packed = _take(x, strand, 0, width, "x", by_reference=not training)
            start = initial_state and [array[d][batch.order] for array in initial_state]
            tape = one_direction.forward(
                self, d, packed, batch, work, weights[d],
                state=start, seed=strand.seed, keep=training, n_threads=n_threads,
            )  # fmt: skip
            _put(tape.h[len(batch.order) :], strand, y, d * self.hidden_size)
            _put_last(tape, batch, state)
            strand.tape = tape

        threads.run(run_strand, strands, n_jobs, self.flops(len(strands[0].batch.rows)))
        return y, state

    def backward(
        self, dy: ArrayLike, dstate: Sequence[ArrayLike] | None = None
    ) -> tuple[Floats, tuple[Floats, ...]]:
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
        shape = (*done.shape, self.output_size)
        if not self._is_ready(dy) or dy.shape != shape:
            dy = self._as_array("dy", dy, shape)
        of_state = (self.n_directions, done.shape[1], self.hidden_size)
        if dstate is None:
            own = [np.zeros(of_state, dtype=self.dtype) for _ in range(self.n_states)]
        else:
            own = [array.copy() for array in self._as_states("dstate", dstate, of_state)]
        dx = done.make((*done.shape, self.input_size), dtype=self.dtype)
        self.grad.fill(0)
        plan = take_spare(self._spare_backward_plans, self._plan_backward)
        weights, calls = plan
        fill_packed(calls, done.n_jobs)
        backward = self._backward_whole if done.whole else self._backward_strands
        backward(done, dy, own, dx, weights)
        self._spare_backward_plans.append(plan)
        self._give_back(done.strands)
        self._forward_pass = None
        return dx, tuple(own)

    def _backward_whole(self, done, dy, dstate, dx, weights):
        """Run the only strand backward; dstate and dx become what `backward` returns."""
        (strand,) = done.strands
        threads.run_one(
            one_direction.backward, self, strand.tape, strand.batch, strand.work, weights[0],
            self.grads_by_direction[0], dy=dy.reshape(-1, self.hidden_size),
            dstate=[array[0] for array in dstate], dx=dx.reshape(-1, self.input_size),
            n_threads=threads.share(done.n_jobs, 1),
        )  # fmt: skip

    def _backward_strands(self, done, dy, dstate, dx, weights):
        """Run strands backward, on several threads if asked, likewise."""
        n_threads = threads.share(done.n_jobs, len(done.strands))
        total = self.grad.reshape(self.n_directions, -1)
        rows = dx.reshape(-1, self.input_size)

        def run_strand(k):
            strand = done.strands[k]
            d, batch, work = strand.direction, strand.batch, strand.work
            size = self.hidden_size
            dy_d = _take(dy, strand, d * size, size, "dy", by_reference=True)
            dx_d = work.take("dx", (len(batch.rows), self.input_size))
            grad, grads = None, self.grads_by_direction[d]
            if k >= self.n_directions:  # the first shard adds to the total itself
                grad, grads = self._own_grads(strand)
            which = batch.order if batch.span is None else batch.span
            dstate_d = [array[d, which] for array in dstate]
            one_direction.backward(
                self, strand.tape, batch, work, weights[d], grads,
                dy=dy_d, dstate=dstate_d, dx=dx_d, n_threads=n_threads,
            )  # fmt: skip
            if d == 0:
                _put(dx_d, strand, dx, 0)
            if batch.span is None:
                for array, packed in zip(dstate, dstate_d, strict=True):
                    array[d, which] = packed
            return grad, dx_d

        flops = self.flops(len(done.strands[0].batch.rows))
        results = threads.run(run_strand, range(len(done.strands)), done.n_jobs, flops)
        for strand, (grad, dx_d) in zip(done.strands, results, strict=True):
            if grad is not None:
                total[strand.direction] += grad
            if strand.direction == 1:
                packing.add_rows(dx_d, strand.rows, rows)

    def _own_grads(self, strand):
        """A vector for the gradient of a strand, all zero, and its views by name."""
        grad = strand.work.zeros("grad", (self.grad.size // self.n_directions,))
        if strand.grads is None or strand.grads[0] is not grad:
            strand.grads = grad, self.views_of_direction(grad)
        return strand.grads

    def _cut(self, n_steps, n_sequences, lengths, training, n_jobs):
        """The strands of all shards of a batch, which is dense without lengths."""
        n_shards = 1  # always, of fewer than SHARD_SIZE, which is twice SMALLEST_SHARD
        if n_sequences >= SHARD_SIZE and (training or n_jobs is not None or products() == "blas"):
            n_rows = n_steps * n_sequences if lengths is None else int(lengths.sum())
            n_shards = self._count_shards(n_sequences, n_rows, training, n_jobs)
        if lengths is None:
            shards = pack_dense(n_steps, n_sequences, n_shards)
        else:
            shards = pack_shards(np.arange(n_sequences), lengths, n_sequences, n_shards)
        strands = []
        for batch in shards:
            for d in range(self.n_directions):
                strand = take_spare(self._spare, self._make_strand)
                strand.direction, strand.batch, strand.seed = d, batch, None
                strands.append(strand)
        if training and self.zoneout:
            seeds = self.draw_seeds(len(shards))
            for k, strand in enumerate(strands):
                strand.seed = seeds[k // self.n_directions]
        return strands

    def _count_shards(self, n_sequences, n_rows, training, n_jobs):
        """Into how many shards a batch is cut."""
        flops = self.flops(n_rows)
        if training or products() == "blas":
            are_wide = self.rounds or flops >= WIDE_FLOPS * n_rows
            return count_shards(n_sequences, flops, are_wide)
        # No sum goes over the sequences, and packed products do not see batch mates.
        worthwhile = int(flops // threads.WORTHWHILE_FLOPS)
        n_threads = threads.count_threads(n_jobs)
        return max(1, min(n_threads, worthwhile, n_sequences // SMALLEST_SHARD))

    def _make_strand(self):
        """A strand of nothing yet, with its memory."""
        return _Strand(self._make_workspace())

    def _make_workspace(self):
        """Memory of a strand."""
        return Workspace(self.dtype, self.rounds)

    def _plan_forward(self):
        """What forward passes need packed, and the calls that pack it."""
        weights, factors = self.plan_forward(self._make_workspace())
        return weights, [(pack_weights, factor) for factor in factors]

    def _plan_backward(self):
        """What backward passes need packed, likewise."""
        weights, factors = self.plan_backward(self._make_workspace())
        return weights, [(pack_weights_transposed, factor) for factor in factors]

    def _give_back(self, strands):
        """Keep the memory of strands for the next call, where it finds things as they were."""
        self._spare += strands[::-1]

    def _is_ready(self, array: object) -> TypeGuard[Floats]:
        """Whether kernels can read an argument as it is, its shape aside."""
        return type(array) is np.ndarray and array.dtype is self.dtype and array.flags.carray

    def _as_array(self, name: str, array: ArrayLike, shape: tuple[int | None, ...]) -> Floats:
        """An argument as a contiguous array of the layer's dtype and a shape (None: any > 0)."""
        given = np.asarray(array)
        if given.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers, got dtype {given.dtype}")
        if given.shape != shape and not _fits(given.shape, shape):
            expected = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
            raise ValueError(f"{name} must have shape {expected}, got {given.shape}")
        return kernel_array(given, self.dtype)

    def _as_states(self, name, states, shape):
        """A tuple (h,) or (h, c) of arrays of one shape."""
        names = self.cell.states
        if not isinstance(states, (tuple, list)) or len(states) != len(names):
            got = (
                f"{len(states)} items"
                if isinstance(states, (tuple, list))
                else type(states).__name__
            )
            raise ValueError(f"{name} must be a tuple ({', '.join(names)}), got {got}")
        return tuple(
            [
                array
                if self._is_ready(array) and array.shape == shape
                else self._as_array(f"{name}[{k}]", array, shape)
                for k, array in enumerate(states)
            ]
        )


def _take(array, strand, column, width, name, *, by_reference):
    """The packed rows of a strand, from columns of a (T, B, F) array; if allowed, the array itself.

    The strand's order of time is its direction's.
    """
    batch, (_, n_sequences, n_columns) = strand.batch, array.shape
    whole = batch.span == slice(0, n_sequences) and width == n_columns
    if by_reference and whole and strand.direction == 0:
        return array.reshape(-1, width)
    packed = strand.work.take(name, (len(batch.rows), width))
    if batch.span is None:
        packing.take_rows(array.reshape(-1, n_columns), column, strand.rows, packed)
    else:
        packing.take_steps(array, batch.span.start, column, bool(strand.direction), packed)
    return packed


def _put(packed, strand, array, column):
    """Write the packed rows of a strand to columns of a (T, B, F) array."""
    batch = strand.batch
    if batch.span is None:
        packing.put_rows(packed, strand.rows, array.reshape(-1, array.shape[2]), column)
    else:
        packing.put_steps(packed, bool(strand.direction), array, batch.span.start, column)


def _put_last(tape, batch, state):
    """Write the states at the ends of the sequences of a strand to those of the layer."""
    for array, packed in zip(state, (tape.h, tape.c), strict=False):
        if batch.span is None:
            packing.put_last(packed, batch.last, batch.order, array[tape.direction])
        else:
            array[tape.direction, batch.span] = packed[-len(batch.order) :]


def _fits(shape, expected):
    """Whether a shape is as expected, where None is any size but 0."""
    if len(shape) != len(expected):
        return False
    for size, wanted in zip(shape, expected, strict=True):
        if size != wanted and (wanted is not None or size == 0):
            return False
    return True


def _check_lengths(lengths, n_steps, n_sequences):
    """Lengths of sequences as an int64 array, or None if all have n_steps steps."""
    lengths = np.asarray(lengths)
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"lengths must be integers, got dtype {lengths.dtype}")
    if lengths.shape != (n_sequences,):
        raise ValueError(f"lengths must have shape ({n_sequences},), got {lengths.shape}")
    shortest = lengths.min()
    if shortest < 1 or lengths.max() > n_steps:
        n = np.flatnonzero((lengths < 1) | (lengths > n_steps))[0]
        raise ValueError(f"lengths[{n}] must be from 1 to {n_steps}, got {lengths[n]}")
    return None if shortest == n_steps else lengths.astype(np.int64)
