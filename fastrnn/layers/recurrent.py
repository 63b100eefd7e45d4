"""A recurrent layer: its parameters, and packed batches forward and backward through it.

A layer holds its parameters in one flat vector with named views. What a forward pass keeps for the
backward pass is a list of tapes, one for each direction; the layer itself is only read, so threads
may share it.
"""

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from fastrnn.kernels import packing

CHUNK_BYTES = 256 * 1024
"""Gates of one chunk of time steps: they should stay in a second-level cache (recurrence.pxd)."""

CHUNK_MIN_ROWS = 128
"""But the gradient of U, which may be larger still, is read and written once for every chunk."""


@dataclass(frozen=True)
class Tape:
    """What one direction of a layer keeps from forward to backward, in packed rows.

    Attributes
    ----------
    direction : int
        0, or 1 for the direction that reads from the end.
    alive : ndarray of shape (T,), int64
        Sequences running at each step.
    x : ndarray of shape (N, D)
        Input, in this direction's order of time.
    mask : ndarray of shape (B, H), or (0, H) without recurrent dropout
        Factors of the state where it enters the recurrent products.
    h : ndarray of shape (B + N, H), or (B, H) without outputs
        Initial state, then the state after every step; without outputs the last state.
    c : ndarray of shape (B + N, H), or (B, H) of a forward pass that keeps nothing; or None
        Likewise the cell state, of cells that have one.
    saved : tuple of ndarray
        What else the cell's kernels want back: activated gates and products.
    """

    direction: int
    alive: np.ndarray
    x: np.ndarray
    mask: np.ndarray
    h: np.ndarray
    c: np.ndarray | None
    saved: tuple = ()

    @property
    def n_sequences(self):
        """B; every sequence has a first step."""
        return int(self.alive[0])

    def key(self, name):
        """Name in a workspace of an array that each direction has for itself."""
        return name, self.direction

    def steps(self, start, stop):
        """The tape of steps start .. stop, whose initial state is that of step start - 1."""
        if start == 0 and stop == len(self.alive):
            return self
        first, end = int(self.alive[:start].sum()), int(self.alive[:stop].sum())
        before = int(self.alive[start - 1]) if start else self.n_sequences
        states = slice(self.n_sequences + first - before, self.n_sequences + end)
        return Tape(
            self.direction,
            self.alive[start:stop],
            self.x[first:end],
            self.mask,
            self.h[states],
            None if self.c is None else self.c[states],
            tuple(array[first:end] for array in self.saved),
        )


def glorot_uniform(rng, shape):
    """Uniform weights of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 16)."""
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, size=shape)


def _orthogonal(rng, size):
    """A random orthogonal matrix, uniform over all (Mezzadri 2007, arXiv math-ph/0609050)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


class RecurrentLayer(ABC):
    """What all recurrent layers share; a cell adds its gates and its kernels.

    Input weights start Glorot-uniform and recurrent weights orthogonal, each gate for itself;
    biases start at zero where a subclass does not say otherwise.

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

    Attributes
    ----------
    params : dict of str to ndarray
        "W" (D, G·H), "U" (H, G·H) and "b" (G·H,), for G gates; the keys of a second direction end
        in "_reverse". They are views of ``theta``: writing into them changes the layer.
    grads : dict of str to ndarray
        Gradients under the same names and shapes.
    theta, grad : ndarray of shape (P,)
        All parameters, and all gradients, in one vector.
    """

    n_gates = 1
    has_cell_state = False

    def __init__(self, input_size, hidden_size, bidirectional, dtype, random_state):
        self.input_size = _positive_integer("input_size", input_size)
        self.hidden_size = _positive_integer("hidden_size", hidden_size)
        self.bidirectional = bool(bidirectional)
        self.dtype = _floating_dtype(dtype)
        self.suffixes = ("", "_reverse") if self.bidirectional else ("",)
        self.n_directions = len(self.suffixes)
        self.output_size = self.hidden_size * self.n_directions
        row_bytes = self._gates_size * self.dtype.itemsize
        self.chunk_rows = max(CHUNK_MIN_ROWS, CHUNK_BYTES // row_bytes)
        self.bind(*np.zeros((2, self.n_parameters), dtype=self.dtype))
        self._initialize(np.random.default_rng(random_state))

    @property
    def _gates_size(self):
        """G·H, the columns of W and U."""
        return self.n_gates * self.hidden_size

    def _shapes(self):
        """Names and shapes of the parameters of one direction."""
        width = self._gates_size
        return {"W": (self.input_size, width), "U": (self.hidden_size, width), "b": (width,)}

    @property
    def n_parameters(self):
        """Number of parameters of all directions."""
        return self.n_directions * sum(int(np.prod(shape)) for shape in self._shapes().values())

    def views(self, flat):
        """Named views of a flat vector.

        Parameters
        ----------
        flat : ndarray of shape (P,)
            A vector laid out as ``theta``.

        Returns
        -------
        dict of str to ndarray
        """
        named, begin = {}, 0
        for suffix in self.suffixes:
            for name, shape in self._shapes().items():
                end = begin + int(np.prod(shape))
                named[name + suffix] = flat[begin:end].reshape(shape)
                begin = end
        return named

    def bind(self, theta, grad):
        """Let the parameters and gradients live in given vectors, whose values stay.

        Parameters
        ----------
        theta, grad : ndarray of shape (P,)
            C-contiguous, of the layer's dtype.
        """
        self.theta, self.grad = theta, grad
        self.params, self.grads = self.views(theta), self.views(grad)

    def __getstate__(self):
        """What copy and pickle take: the parameters, no gradient, no memory."""
        left_out = ("params", "grad", "grads")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state):
        """Views do not survive a copy: make them anew."""
        vars(self).update(state)
        self.bind(self.theta, np.zeros_like(self.theta))

    def _initialize(self, rng):
        """Draw the initial weights."""
        for suffix in self.suffixes:
            W, U = self.params["W" + suffix], self.params["U" + suffix]
            for gate in range(self.n_gates):
                block = self._block(gate)
                W[:, block] = glorot_uniform(rng, (self.input_size, self.hidden_size))
                U[:, block] = _orthogonal(rng, self.hidden_size)

    def _block(self, gate):
        """Columns of a gate in W, U and b."""
        return slice(gate * self.hidden_size, (gate + 1) * self.hidden_size)

    def _start_bias(self, gate, value):
        """Set the bias of a gate in all directions."""
        for suffix in self.suffixes:
            self.params["b" + suffix][self._block(gate)] = value

    def _chunk_room(self, tape):
        """Rows that one chunk of steps of a tape may have."""
        return max(self.chunk_rows, int(tape.alive[0]))

    def _gate_rows(self, tape, keep):
        """Rows of gates that a forward pass needs: all to keep them, else those of a chunk."""
        return len(tape.x) if keep else min(len(tape.x), self._chunk_room(tape))

    def _packed_weights(self, work):
        """Room for W and U in packed form."""
        return (
            work.packed("W", self.input_size, self._gates_size),
            work.packed("U", self.hidden_size, self._gates_size),
        )

    def _packed_back(self, tape, work):
        """Room for what goes back in packed form: W.T, U.T, and the gates of a chunk."""
        return (
            work.packed("W.T", self._gates_size, self.input_size),
            work.packed("U.T", self._gates_size, self.hidden_size),
            work.packed("gates", self._chunk_room(tape), self._gates_size),
        )

    @abstractmethod
    def _cell_forward(self, params, tape, work, keep, outputs):
        """Run the cell's kernel over a tape but for its saved arrays; return those."""

    @abstractmethod
    def _cell_backward(self, params, grads, tape, dy, dh, dc, dx, work):
        """Run the cell's kernel back over a tape."""

    def forward_packed(self, x, batch, work, *, state=None, mask=None, keep=False, outputs=True):
        """Run a packed batch forward.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Packed input; kept by reference.
        batch : PackedBatch
            Its layout.
        work : Workspace
            Memory of this layer and thread. The tapes stand in it: they last until its next use.
        state : tuple of ndarray of shape (directions, B, H), optional
            Initial state (h,) or (h, c), in packed order; zero by default.
        mask : ndarray of shape (directions, B, H), optional
            Recurrent dropout: factors of the state where it enters the recurrent products.
        keep : bool, default=False
            Whether to keep what `backward_packed` needs.
        outputs : bool, default=True
            Whether to keep the state of every step; without it there is only the final state.

        Returns
        -------
        list of Tape
            One for each direction.
        """
        n_rows, n_sequences, size = len(x), len(batch.order), self.hidden_size
        tapes = []
        for d, suffix in enumerate(self.suffixes):
            if d == 1:
                reversed_x = work.take("x_reverse", x.shape)
                packing.take_rows(x, 0, batch.reverse, reversed_x)
                x = reversed_x
            h = work.take(("h", d), (n_sequences + (n_rows if outputs else 0), size))
            h[:n_sequences] = 0 if state is None else state[0][d]
            c = None
            if self.has_cell_state:
                c = work.take(("c", d), (n_sequences + (n_rows if keep else 0), size))
                c[:n_sequences] = 0 if state is None else state[1][d]
            dropout = work.take("no mask", (0, size)) if mask is None else mask[d]
            tape = Tape(d, batch.alive, x, dropout, h, c)
            params = {name: self.params[name + suffix] for name in self._shapes()}
            saved = self._cell_forward(params, tape, work, keep, outputs)
            tapes.append(replace(tape, saved=saved))
        return tapes

    def outputs(self, tapes, batch, work):
        """The states of all steps of both directions side by side, each at its own time.

        Parameters
        ----------
        tapes : list of Tape
            From `forward_packed`.
        batch : PackedBatch
            Its layout.
        work : Workspace
            Where the array is taken from if there are two directions.

        Returns
        -------
        ndarray of shape (N, directions · H)
        """
        n_sequences = len(batch.order)
        if not self.bidirectional:
            return tapes[0].h[n_sequences:]
        y = work.take("y", (len(batch.rows), self.output_size))
        y[:, : self.hidden_size] = tapes[0].h[n_sequences:]
        packing.put_rows(tapes[1].h[n_sequences:], batch.reverse, y, self.hidden_size)
        return y

    def final_state(self, tapes, batch):
        """The state of each sequence after its own last step.

        Parameters
        ----------
        tapes : list of Tape
            From `forward_packed`.
        batch : PackedBatch
            Its layout.

        Returns
        -------
        tuple of ndarray of shape (directions, B, H)
            (h,) or (h, c), in packed order.
        """
        n_sequences = len(batch.order)
        states = [[tape.h for tape in tapes]]
        if self.has_cell_state:
            states.append([tape.c for tape in tapes])
        last = n_sequences + batch.last
        return tuple(
            np.stack([rows if len(rows) == n_sequences else rows[last] for rows in arrays])
            for arrays in states
        )

    def backward_packed(
        self, tapes, batch, work, grads, *, dy=None, dstate=None, want_dx=True, bptt_steps=None
    ):
        """Run a packed batch backward.

        Parameters
        ----------
        tapes : list of Tape
            From `forward_packed` with ``keep``; used up.
        batch : PackedBatch
            Its layout.
        work : Workspace
            The same as in `forward_packed`.
        grads : dict of str to ndarray
            Gradients of the parameters, added to.
        dy : ndarray of shape (N, directions · H), optional
            Gradient of `outputs`; zero by default.
        dstate : tuple of ndarray of shape (directions, B, H), optional
            Gradient of `final_state`; zero by default.
        want_dx : bool, default=True
            Whether the gradient of x is computed.
        bptt_steps : int, optional
            Cut time into pieces of so many steps, counted from where each direction starts reading,
            and let no gradient cross from a piece to the one before.

        Returns
        -------
        dx : ndarray of shape (N, D), or None
            Gradient of x; stands in ``work``.
        dinitial : tuple of ndarray of shape (directions, B, H)
            Gradient of the initial state.
        """
        n_rows, n_sequences, size = len(batch.rows), len(batch.order), self.hidden_size
        n_steps = len(batch.alive)
        n_states = 2 if self.has_cell_state else 1
        dstate = [
            np.zeros((self.n_directions, n_sequences, size), dtype=self.dtype)
            if dstate is None
            else np.array(dstate[k], dtype=self.dtype, order="C")
            for k in range(n_states)
        ]
        step = bptt_steps or n_steps
        dx = work.take("dx", (n_rows if want_dx else 0, self.input_size))
        for d, suffix in enumerate(self.suffixes):
            dy_d = self._dy_of_direction(dy, d, batch, work)
            dx_d = dx if d == 0 else work.take("dx_reverse", dx.shape)
            params = {name: self.params[name + suffix] for name in self._shapes()}
            grads_d = {name: grads[name + suffix] for name in self._shapes()}
            dh, dc = dstate[0][d], dstate[1][d] if n_states == 2 else None
            for start in range((n_steps - 1) // step * step, -1, -step):
                stop = min(start + step, n_steps)
                if stop < n_steps:
                    for array in dstate:
                        array[d, : batch.alive[stop]] = 0
                first, end = batch.rows_until(start), batch.rows_until(stop)
                self._cell_backward(
                    params, grads_d, tapes[d].steps(start, stop), dy_d[first:end], dh, dc,
                    dx_d[first:end], work,
                )  # fmt: skip
            if d == 1 and want_dx:
                packing.add_rows(dx_d, batch.reverse, dx)
        return (dx if want_dx else None), tuple(dstate)

    def _dy_of_direction(self, dy, d, batch, work):
        """The columns of dy that belong to a direction, in its order of time; (0, H) for None."""
        size = self.hidden_size
        if dy is None:
            return work.take("dy", (0, size))
        if not self.bidirectional:
            return dy
        dy_d = work.take("dy", (len(dy), size))
        if d == 0:
            dy_d[...] = dy[:, :size]
        else:
            packing.take_rows(dy, size, batch.reverse, dy_d)
        return dy_d


def _positive_integer(name, value):
    """A size as an int."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def _floating_dtype(dtype):
    """A numpy dtype, float32 or float64."""
    for name in ("float32", "float64"):
        if dtype is not None and dtype == np.dtype(name):
            return np.dtype(name)
    raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
