"""A recurrent layer: its parameters, and packed batches forward and backward through it.

A layer holds its parameters in one flat vector with named views. What a forward pass keeps for the
backward pass is a list of tapes, one for each direction; the layer itself is only read, so threads
may share it.
"""

import inspect
import math
import operator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from fastrnn.kernels import packing, recurrence
from fastrnn.kernels.dense import pack_weights
from fastrnn.kernels.dropout import draw_zones
from fastrnn.network import threads
from fastrnn.network.cell import Cell

ZEROS = object()
"""As a layer's ``random_state``: all weights start at 0, since others will take their place."""

UNBOUND = object()
"""Likewise: there are no weights before `RecurrentLayer.bind` says where they live."""

CHUNK_BYTES = 256 * 1024
"""Gates of one chunk of time steps: they should stay in a second-level cache (recurrence.pxd)."""

CHUNK_MIN_ROWS = 256
"""But the gradient of U, which may be larger still, is read and written once for every chunk."""


@dataclass(slots=True)
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
    gates : ndarray of shape (N, G·H), or None
        Activated gates, of cells that want them back.
    kept : ndarray of shape (N, K·H), or None
        What else the cell wants back.
    zones : ndarray of shape (N, H), or None
        Where zoneout is drawn: 1 for a unit that keeps its state, 0 for one that does not.
    new_h, new_c : ndarray of shape (N, H), or (B, H) of a forward pass that keeps nothing; or None
        With zoneout: h and c as they would be without.
    """

    direction: int
    alive: np.ndarray
    x: np.ndarray
    mask: np.ndarray
    h: np.ndarray
    c: np.ndarray | None
    gates: np.ndarray | None = None
    kept: np.ndarray | None = None
    zones: np.ndarray | None = None
    new_h: np.ndarray | None = None
    new_c: np.ndarray | None = None

    n_sequences: int = field(init=False)

    def __post_init__(self):
        """B; every sequence has a first step."""
        self.n_sequences = int(self.alive[0])

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
            *[
                None if rows is None else rows[first:end]
                for rows in (self.gates, self.kept, self.zones, self.new_h, self.new_c)
            ],
        )


def glorot_uniform(rng, shape):
    """Uniform weights of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 16)."""
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, size=shape)


def _orthogonal(rng, size):
    """A random orthogonal matrix, uniform over all (Mezzadri 2007, arXiv math-ph/0609050)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


class RecurrentLayer:
    """What all recurrent layers are: a subclass adds the record of its cell.

    Input weights start Glorot-uniform and recurrent weights orthogonal, each gate for itself;
    biases start at zero where the record does not say otherwise.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool, default=False
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int, numpy.random.Generator or ZEROS, default=None
        Source of the initial weights, and of the zones.
    **options : object
        Those of the cell.

    Attributes
    ----------
    params : dict of str to ndarray
        "W" (D, G·H), "U" (H, G·H) and "b" (G·H,), for G gates, and those of the cell; the keys of a
        second direction end in "_reverse". They are views of ``theta``: writing into them changes
        the layer.
    grads : dict of str to ndarray
        Gradients under the same names and shapes.
    theta, grad : ndarray of shape (P,)
        All parameters, and all gradients, in one vector.
    options : dict
        All options of the cell; each is an attribute, too.
    """

    cell: ClassVar[Cell]

    def __init_subclass__(cls, **arguments):
        """Let the signature show the options."""
        super().__init_subclass__(**arguments)
        if "cell" in vars(cls):
            common = list(inspect.signature(RecurrentLayer.__init__).parameters.values())[1:-1]
            keyword = inspect.Parameter.KEYWORD_ONLY
            options = [
                inspect.Parameter(option.name, keyword, default=option.default)
                for option in cls.cell.options
            ]
            cls.__signature__ = inspect.Signature([*common, *options])

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        random_state=None,
        **options,
    ):
        self.options = self.cell.check_options(options)
        vars(self).update(self.options)
        self.input_size = _positive_integer("input_size", input_size)
        self.hidden_size = _positive_integer("hidden_size", hidden_size)
        self.bidirectional = bool(bidirectional)
        self.dtype = _floating_dtype(dtype)
        self.suffixes = ("", "_reverse") if self.bidirectional else ("",)
        self.n_directions = len(self.suffixes)
        self.output_size = self.hidden_size * self.n_directions
        self.n_states = len(self.cell.states)
        self._gates_size = len(self.cell.gates) * self.hidden_size  # G·H, the columns of W and U
        self.kernel, self.kernel_option = kernel, _ = self.cell.kernel(self.options)
        # Asked at every call, where every look-up counts.
        self._drops_gates, self._kept_size = kernel.drops_gates, kernel.kept * self.hidden_size
        self._is_apart, self._is_twice = kernel.is_apart, kernel.is_twice
        row_bytes = self._gates_size * self.dtype.itemsize
        self.chunk_rows = max(CHUNK_MIN_ROWS, CHUNK_BYTES // row_bytes)
        self._rng = None  # of the zones
        if random_state is UNBOUND:
            return
        self.bind(*np.zeros((2, self.n_parameters), dtype=self.dtype))
        if random_state is not ZEROS:
            rng = np.random.default_rng(random_state)
            self.start(rng)
            if self.zoneout:
                self._rng = rng

    def draw_seeds(self, n):
        """Draw the seeds of the zones of shards.

        Parameters
        ----------
        n : int
            How many shards there are.

        Returns
        -------
        list of int or None
            None for each without zoneout.
        """
        if not self.zoneout:
            return [None] * n
        if self._rng is None:
            self._rng = np.random.default_rng()
        return self._rng.integers(2**63, size=n).tolist()

    @classmethod
    def shapes(cls, input_size, hidden_size):
        """Name the parameters of one direction, with their shapes.

        Parameters
        ----------
        input_size, hidden_size : int
            As in the constructor.

        Returns
        -------
        dict of str to tuple of int
        """
        return cls.cell.shapes(input_size, hidden_size)

    def _shapes(self):
        return self.shapes(self.input_size, self.hidden_size)

    @property
    def n_parameters(self):
        """Number of parameters of all directions."""
        return self.n_directions * sum(math.prod(shape) for shape in self._shapes().values())

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
        parts = flat.reshape(self.n_directions, -1)
        return {
            name + suffix: view
            for suffix, part in zip(self.suffixes, parts, strict=True)
            for name, view in self.views_of_direction(part).items()
        }

    def views_of_direction(self, flat):
        """Named views of the part of a flat vector that belongs to a direction.

        Parameters
        ----------
        flat : ndarray of shape (P / directions,)
            Half of a vector laid out as ``theta`` if there are two directions, else all of it.

        Returns
        -------
        dict of str to ndarray
            Without the ending of the keys.
        """
        named, begin = {}, 0
        for name, shape in self._shapes().items():
            end = begin + math.prod(shape)
            named[name] = flat[begin:end].reshape(shape)
            begin = end
        return named

    def by_direction(self, named):
        """Named views, apart for each direction.

        Parameters
        ----------
        named : dict of str to ndarray
            From `views`.

        Returns
        -------
        list of dict of str to ndarray
            One for each direction, without the ending of the keys.
        """
        return [{name: named[name + suffix] for name in self._shapes()} for suffix in self.suffixes]

    def bind(self, theta, grad):
        """Let the parameters and gradients live in given vectors, whose values stay.

        Parameters
        ----------
        theta, grad : ndarray of shape (P,)
            C-contiguous, of the layer's dtype.
        """
        self.theta, self.grad = theta, grad
        self.params, self.grads = self.views(theta), self.views(grad)
        self._params, self._grads = self.by_direction(self.params), self.by_direction(self.grads)

    def __getstate__(self):
        """What copy and pickle take: the parameters, no gradient, no memory."""
        left_out = ("params", "grad", "grads", "_params", "_grads")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state):
        """Views do not survive a copy: make them anew."""
        vars(self).update(state)
        self.bind(self.theta, np.zeros_like(self.theta))

    def start(self, rng):
        """Draw the initial weights; biases and the like start where the record says.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.
        """
        for params in self._params:
            for gate, name in enumerate(self.cell.gates):
                block = slice(gate * self.hidden_size, (gate + 1) * self.hidden_size)
                params["W"][:, block] = glorot_uniform(rng, (self.input_size, self.hidden_size))
                params["U"][:, block] = _orthogonal(rng, self.hidden_size)
                if name in self.cell.biases:
                    params["b"][block] = self.options[self.cell.biases[name]]
            for parameter in self.cell.parameters:
                params[parameter.name][...] = parameter.start

    @property
    def has_unknown_parameters(self):
        """Whether a subclass has parameters that the record of its cell does not know."""
        return self._shapes() != self.cell.shapes(self.input_size, self.hidden_size)

    def operator(self, library):
        """Say what it is in another library, for those who exchange weights.

        Parameters
        ----------
        library : str
            As `Cell.operator` takes it.

        Returns
        -------
        Operator or None
            None if the library has none that takes all of its parameters.
        """
        operator = self.cell.operator(library, self.options)
        if operator is None or self.has_unknown_parameters:
            return None
        takes_all = all(parameter.name in operator.takes for parameter in self.cell.parameters)
        return operator if takes_all else None

    def of_cell(self, named):
        """Take what the cell has beside weights and bias of one direction.

        Parameters
        ----------
        named : dict of str to ndarray
            Parameters, or their gradients.

        Returns
        -------
        tuple of ndarray
            In the order of the cell's record.
        """
        parameters = self.cell.parameters
        return tuple([named[parameter.name] for parameter in parameters]) if parameters else ()

    def _flops(self, n_rows):
        """Floating-point operations of a forward pass in one direction."""
        return 2 * n_rows * (self.input_size + self.hidden_size) * self._gates_size

    def _form_team(self, n_threads, n_steps, n_rows):
        """The threads that run so many steps in one direction together."""
        if n_threads == 1 or self.kernel.whole_rows:
            return threads.NO_TEAM
        return threads.form_team(n_threads, n_steps, self._flops(n_rows), self.hidden_size)

    def _scratch(self, tape, work, team):
        """Room for a state, for each member of a team."""
        return work.take("scratch", (team.size * tape.n_sequences, self.hidden_size))

    def _chunk_room(self, tape):
        """Rows that one chunk of steps of a tape may have."""
        return max(self.chunk_rows, tape.n_sequences)

    def _packed_chunk(self, tape, work):
        """Room for x or h, and for the gates, of one chunk in packed form."""
        room = self._chunk_room(tape)
        return (
            work.packed_left("packed left", room, max(self.input_size, self.hidden_size)),
            work.packed("packed gates", room, self._gates_size),
        )

    def _forward_factors(self, params):
        """What a forward pass multiplies by: matrices, first columns, numbers of columns."""
        return self._factors(params, self.kernel.is_twice)

    def _backward_factors(self, params):
        """What a backward pass multiplies by the transposes of, likewise; W stands first."""
        return self._factors(params, True)

    def _factors(self, params, is_divided):
        """W, U, and the last blocks of U if they are a factor by themselves, else None."""
        last = self.kernel.last * self.hidden_size
        W, U, first = params["W"], params["U"], self._gates_size - last
        if not last or not is_divided:
            return [(W, 0, self._gates_size), (U, 0, self._gates_size), None]
        return [(W, 0, self._gates_size), (U, 0, first), (U, first, last)]

    def pack_forward(self, work):
        """Pack the weights for forward passes, once for many shards.

        Parameters
        ----------
        work : Workspace
            Where they stand.

        Returns
        -------
        list of list of ndarray
            The factors of each direction.
        """
        weights, factors = self.plan_forward(work)
        for factor in factors:
            pack_weights(*factor)
        return weights

    def plan_forward(self, work):
        """What `pack_forward` does, for a caller that does it again and again.

        Parameters
        ----------
        work : Workspace
            As for `pack_forward`.

        Returns
        -------
        weights : list of list of ndarray
            What `pack_forward` returns, with nothing in it yet.
        factors : list of tuple
            Arguments of the calls of `pack_weights` that fill it. They stay the same until `bind`.
        """
        weights, factors = [], []
        for d, params in enumerate(self._params):
            weights.append([])
            for k, factor in enumerate(self._forward_factors(params)):
                if factor is None:
                    weights[d].append(None)
                    continue
                matrix, column, width = factor
                packed = work.packed(("forward", d, k), len(matrix), width)
                weights[d].append(packed)
                if width:
                    factors.append((matrix, column, width, packed))
        return weights, factors

    def plan_backward(self, work, *, want_dx=True):
        """Plan the packing of the transposed weights for backward passes, likewise.

        Parameters
        ----------
        work : Workspace
            Where they stand.
        want_dx : bool, default=True
            Whether W is needed, too.

        Returns
        -------
        weights : list of list of ndarray
            The factors of each direction, with nothing in them yet.
        factors : list of tuple
            Arguments of the calls of `pack_weights_transposed` that fill it, likewise.
        """
        weights, factors = [], []
        for d, params in enumerate(self._params):
            weights.append([])
            for k, factor in enumerate(self._backward_factors(params)):
                if factor is None:
                    weights[d].append(None)
                    continue
                matrix, column, width = factor
                if k == 0 and not want_dx:
                    width = 0
                packed = work.packed(("backward", d, k), width, len(matrix))
                weights[d].append(packed)
                if width:
                    factors.append((matrix, column, width, packed))
        return weights, factors

    def _run_forward(self, params, weights, tape, work, keep, outputs, team):
        """Let a team run the kernels over a tape, which gets what they keep."""
        room, rows = self._chunk_room(tape), len(tape.x)
        if not keep and rows > room:
            rows = room
        gates = work.take("gates", (room if self._drops_gates else rows, self._gates_size))
        kept = h_U = None
        if self._kept_size:
            kept = work.take("kept", (rows, self._kept_size))
        if self._is_apart:
            h_U = work.take("h_U", (tape.n_sequences, self._gates_size))
        work.calls_of(team)(
            recurrence.cell_forward,
            self.kernel, self.kernel_option, self.of_cell(params),
            tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c,
            gates, kept, h_U, self._scratch(tape, work, team), *weights,
            self.zoneout, tape.zones, tape.new_h, tape.new_c,
            self.chunk_rows, keep, outputs,
        )  # fmt: skip
        tape.gates, tape.kept = None if self._drops_gates else gates, kept

    def _prepare_zones(self, tape, work, keep, seed):
        """Make room for the states without zoneout on a tape, and draw the zones if asked."""
        n_rows, size = len(tape.x), self.hidden_size
        shape = (n_rows if keep else tape.n_sequences, size)
        tape.new_h = work.take("new_h", shape)
        if self.n_states == 2:
            tape.new_c = work.take("new_c", shape)
        if seed is not None:
            tape.zones = work.take("zones", (n_rows, size))
            first = tape.direction * n_rows * size
            work.call(draw_zones, self.zoneout, seed, first, tape.zones)

    def _run_backward(self, weights, grads, tape, dy, dstate, dx, work, team):
        """Let a team run the kernels back over a tape."""
        params = self._params[tape.direction]
        gates, dreset, past = tape.gates, None, None
        if self._drops_gates:
            gates = work.take("gates", (self._chunk_room(tape), self._gates_size))
        if self._is_twice:
            dreset = work.take("dreset", (tape.n_sequences, self.hidden_size))
        if self.zoneout:
            past = work.take("past", (self.n_states * tape.n_sequences, self.hidden_size))
        dh, dc = dstate if self.n_states == 2 else (dstate[0], None)
        work.calls_of(team)(
            recurrence.cell_backward,
            self.kernel, self.kernel_option, self.of_cell(params), self.of_cell(grads),
            tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c, gates, tape.kept,
            dy, dh, dc, dx, grads["W"], grads["U"], grads["b"],
            dreset, self._scratch(tape, work, team), *weights,
            *self._packed_chunk(tape, work), self.zoneout, tape.zones, tape.new_h, tape.new_c, past,
            self.chunk_rows,
        )  # fmt: skip

    def forward_packed(
        self,
        x,
        batch,
        work,
        weights,
        *,
        state=None,
        mask=None,
        seed=None,
        keep=False,
        outputs=True,
        n_threads=1,
    ):
        """Run a packed batch forward.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Packed input; kept by reference.
        batch : PackedBatch
            Its layout.
        work : Workspace
            Memory of this layer and thread. The tapes stand in it: they last until its next use.
        weights : list of list of ndarray
            From `pack_forward`.
        state : tuple of ndarray of shape (directions, B, H), optional
            Initial state (h,) or (h, c), in packed order; zero by default.
        mask : ndarray of shape (directions, B, H), optional
            Recurrent dropout: factors of the state where it enters the recurrent products.
        seed : int, optional
            Of the zones, if they are drawn; the mean of all by default.
        keep : bool, default=False
            Whether to keep what `backward_packed` needs.
        outputs : bool, default=True
            Whether to keep the state of every step; without it there is only the final state.
        n_threads : int, default=1
            Threads for the directions and the teams in each; the same bits for any number.

        Returns
        -------
        list of Tape
            One for each direction.
        """

        def run_direction(d):
            x_d, work_d = x, work.part(d)
            if d == 1:
                x_d = work_d.take("x", x.shape)
                work_d.call(packing.take_rows, x, 0, batch.reverse, x_d)
            return self.forward_direction(
                d, x_d, batch, work_d, weights[d],
                state=state and tuple(array[d] for array in state),
                mask=None if mask is None else mask[d], seed=seed, keep=keep, outputs=outputs,
                n_threads=max(1, n_threads // self.n_directions),
            )  # fmt: skip

        return self._for_directions(run_direction, n_threads, len(x))

    def _for_directions(self, function, n_threads, n_rows):
        """Call a function for each direction, side by side if there are threads for it."""
        if not self.bidirectional:
            return [function(0)]
        return threads.run(function, range(2), n_threads, self._flops(n_rows))

    def forward_direction(
        self,
        direction,
        x,
        batch,
        work,
        weights,
        *,
        state=None,
        mask=None,
        seed=None,
        keep=False,
        outputs=True,
        h=None,
        n_threads=1,
    ):
        """Run a packed batch forward in one direction.

        Parameters
        ----------
        direction : int
            0, or 1 for the one that reads from the end.
        x : ndarray of shape (N, D)
            Packed input, in this direction's order of time; kept by reference.
        batch : PackedBatch
            Its layout.
        work : Workspace
            Memory of this layer, direction and thread. The tape stands in it: it lasts until its
            next use.
        weights : list of ndarray
            The direction's, from `pack_forward`.
        state : tuple of ndarray of shape (B, H), optional
            Initial state (h,) or (h, c), in packed order; zero by default.
        mask : ndarray of shape (B, H), optional
            Recurrent dropout: factors of the state where it enters the recurrent products.
        seed : int, optional
            Of the zones, if they are drawn; the mean of all by default.
        keep : bool, default=False
            Whether to keep what `backward_direction` needs.
        outputs : bool, default=True
            Whether to keep the state of every step; without it there is only the final state.
        h : ndarray of shape (B + N, H), optional
            Where the states go, behind the initial ones; by default into ``work``.
        n_threads : int, default=1
            Threads for a team.

        Returns
        -------
        Tape
        """
        n_rows, n_sequences, size = len(x), len(batch.order), self.hidden_size
        if h is None:
            h = work.take("h", (n_sequences + (n_rows if outputs else 0), size))
        h[:n_sequences] = 0 if state is None else state[0]
        c = None
        if self.n_states == 2:
            c = work.take("c", (n_sequences + (n_rows if keep else 0), size))
            c[:n_sequences] = 0 if state is None else state[1]
        if mask is None:
            mask = work.take("no mask", (0, size))
        tape = Tape(direction, batch.alive, x, mask, h, c)
        if self.zoneout:
            self._prepare_zones(tape, work, keep, seed)
        params = self._params[direction]
        team = self._form_team(n_threads, len(batch.alive), n_rows)
        self._run_forward(params, weights, tape, work, keep, outputs, team)
        return tape

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
        work.call(np.copyto, y[:, : self.hidden_size], tapes[0].h[n_sequences:])
        rows = tapes[1].h[n_sequences:]
        work.call(packing.put_rows, rows, batch.reverse, y, self.hidden_size)
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
        shape = (self.n_directions, len(batch.order), self.hidden_size)
        state = tuple(np.empty(shape, dtype=self.dtype) for _ in range(self.n_states))
        for tape in tapes:
            for array, rows in zip(state, (tape.h, tape.c), strict=False):
                packing.last_forward(rows, batch.last, 0, array[tape.direction])
        return state

    def backward_packed(
        self,
        tapes,
        batch,
        work,
        weights,
        grads,
        *,
        dy=None,
        dstate=None,
        want_dx=True,
        bptt_steps=None,
        dh_norms=None,
        n_threads=1,
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
        weights : list of list of ndarray
            From `plan_backward`.
        grads : list of dict of str to ndarray
            Gradients of the parameters, by direction, added to.
        dy : ndarray of shape (N, directions · H), or callable, optional
            Gradient of `outputs`; zero by default. A callable is given the number of a direction,
            and returns that direction's part (N, H) in its own order of time; threads may call it
            at once.
        dstate : tuple of ndarray of shape (directions, B, H), optional
            Gradient of `final_state`, used up; zero by default, and for the states it leaves out.
        want_dx : bool, default=True
            Whether the gradient of x is computed.
        bptt_steps : int, optional
            Cut time into windows of so many steps, counted from where each direction starts to
            read, and let no gradient cross from a window to the one before.
        dh_norms : ndarray of shape (directions, N), float64, optional
            As for `backward_direction`, of each direction.
        n_threads : int, default=1
            As for `forward_packed`.

        Returns
        -------
        dx : ndarray of shape (N, D), or None
            Gradient of x; stands in ``work``.
        dinitial : tuple of ndarray of shape (directions, B, H)
            Gradient of the initial state; stands in ``dstate`` or ``work``.
        """
        shape = (self.n_directions, len(batch.order), self.hidden_size)
        dstate = [np.ascontiguousarray(array) for array in dstate or ()]
        for k in range(len(dstate), self.n_states):
            dstate.append(work.zeros(("dstate", k), shape))
        dx = work.take("dx", (len(batch.rows) if want_dx else 0, self.input_size))

        def run_direction(d):
            work_d = work.part(d)
            dx_d = dx if d == 0 else work_d.take("dx", dx.shape)
            self.backward_direction(
                tapes[d], batch, work_d, weights[d], grads[d],
                dy=self._dy_of_direction(dy, d, batch, work_d),
                dstate=[array[d] for array in dstate], dx=dx_d, bptt_steps=bptt_steps,
                dh_norms=None if dh_norms is None else dh_norms[d],
                n_threads=max(1, n_threads // self.n_directions),
            )  # fmt: skip
            return dx_d

        of_directions = self._for_directions(run_direction, n_threads, len(batch.rows))
        if self.bidirectional and want_dx:
            work.call(packing.add_rows, of_directions[1], batch.reverse, dx)
        return (dx if want_dx else None), tuple(dstate)

    def backward_direction(
        self,
        tape,
        batch,
        work,
        weights,
        grads,
        *,
        dy,
        dstate,
        dx,
        bptt_steps=None,
        dh_norms=None,
        n_threads=1,
    ):
        """Run a packed batch backward in one direction.

        Parameters
        ----------
        tape : Tape
            From `forward_direction` with ``keep``; used up.
        batch : PackedBatch
            Its layout.
        work : Workspace
            The same as in `forward_direction`.
        weights : list of ndarray
            The direction's, from `plan_backward`.
        grads : dict of str to ndarray
            Gradients of the direction's parameters, added to.
        dy : ndarray of shape (N, H), or (0, H) if there is none
            Gradient of the states of all steps, in this direction's order of time.
        dstate : list of ndarray of shape (B, H)
            Gradient of the final state on entry, of the initial state on return.
        dx : ndarray of shape (N, D), or (0, D) if it is not wanted
            Filled with the gradient of x, in this direction's order of time.
        bptt_steps : int, optional
            As for `backward_packed`. Not together with ``dh_norms``.
        dh_norms : ndarray of shape (N,), float64, optional
            Filled with the Euclidean norms of the gradient of the state after every step, by all
            ways from it to the loss, in this direction's order of time. The kernel is then called
            step by step.
        n_threads : int, default=1
            Threads for a team.
        """
        n_steps = len(batch.alive)
        dh = dstate[0]
        step = min(bptt_steps or n_steps, n_steps) if dh_norms is None else 1
        end = len(batch.rows)
        team = self._form_team(n_threads, step, end * step / n_steps)
        for start in range((n_steps - 1) // step * step, -1, -step):
            stop = min(start + step, n_steps)
            if stop < n_steps and bptt_steps:
                for array in dstate:
                    array[: batch.alive[stop]] = 0
            first = batch.rows_until(start) if start else 0
            if dh_norms is not None:
                dh_t = dh[: end - first] + (dy[first:end] if len(dy) else 0)
                # In float64, for the squares of vanishing gradients are no float32 numbers.
                squares = np.einsum("nj,nj->n", dh_t, dh_t, dtype=np.float64, casting="same_kind")
                dh_norms[first:end] = np.sqrt(squares)
            self._run_backward(
                weights, grads, tape.steps(start, stop), dy[first:end], dstate, dx[first:end], work,
                team,
            )  # fmt: skip
            end = first

    def _dy_of_direction(self, dy, d, batch, work):
        """The columns of dy that belong to a direction, in its order of time; (0, H) for None."""
        size = self.hidden_size
        if dy is None:
            return work.take("no dy", (0, size))
        if callable(dy):
            return dy(d)
        if not self.bidirectional:
            return dy
        dy_d = work.take("dy", (len(dy), size))
        if d == 0:
            work.call(np.copyto, dy_d, dy[:, :size])
        else:
            work.call(packing.take_rows, dy, size, batch.reverse, dy_d)
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
