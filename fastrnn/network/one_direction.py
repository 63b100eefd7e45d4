"""A packed batch through one direction of a recurrent layer, forward and backward.

What the way forward keeps for the way back is a tape. The layer itself is only read, so threads may
share it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastrnn.kernels import packing, recurrence
from fastrnn.kernels.dropout import draw_zones
from fastrnn.kernels.team import ALONE
from fastrnn.network import threads


@dataclass
class Tape:
    """What one direction of a layer keeps from forward to backward, in packed rows.

    `c`, `new_h` and `new_c` of a forward pass that keeps nothing have B rows; None of a cell that
    does without.
    """

    direction: int  # 0, or 1 for the one that reads from the end
    n_sequences: int  # B
    alive: np.ndarray  # (T,), int64: sequences running at each step
    x: np.ndarray  # (N, D): input, in this direction's order of time
    mask: np.ndarray  # (B, H), or (0, H) without recurrent dropout: factors of h in its products
    h: np.ndarray  # (B + N, H): initial state, then that after every step; or (B, H), the last
    c: np.ndarray | None  # (B + N, H): likewise
    # What comes later; no fields, for to set each would take longer than small kernels.
    gates = None  # (N, G·H): activated, of cells that want them back
    kept = None  # (N, K·H): what else the cell wants back
    zones = None  # (N, H): 1 for a unit that keeps its state, else 0
    new_h = None  # (N, H): with zoneout, h as it would be without
    new_c = None  # (N, H): likewise c
    factors = None  # (N, H): of the state that a step begins with
    dfactors = None  # (N, H): their gradient, filled on the way back
    way_back = None  # how its last way back called the kernel, and with what

    def steps(self, start, stop):
        """The tape of steps start .. stop, whose initial state is that of step start - 1."""
        if start == 0 and stop == len(self.alive):
            return self
        first, end = int(self.alive[:start].sum()), int(self.alive[:stop].sum())
        before = int(self.alive[start - 1]) if start else self.n_sequences
        states = slice(self.n_sequences + first - before, self.n_sequences + end)
        tape = Tape(
            self.direction,
            int(self.alive[start]),
            self.alive[start:stop],
            self.x[first:end],
            self.mask,
            self.h[states],
            None if self.c is None else self.c[states],
        )
        for name, rows in vars(self).items():
            if rows is not None and name not in vars(tape):
                setattr(tape, name, rows[first:end])
        return tape


class _Way(NamedTuple):
    """A call of a kernel, kept for another one with the same arrays: to find these takes longer
    than a small kernel.

    `what` it is for is compared, and so are weights and parameters (or gradients), which must be
    the very same.
    """

    what: tuple
    weights: list
    params: dict
    tape: Tape | None  # of a way forward
    arguments: list


def _places(kernel, *names):
    """Where arguments of a kernel stand: of those that are not the same every time."""
    return [kernel.__code__.co_varnames.index(name) for name in names]


_X, _H = _places(recurrence.cell_forward, "x", "h")
_X_BACK, _DY, _DX = _places(recurrence.cell_backward, "x", "dy", "dx")


def forward(
    layer,
    direction,
    x,  # (N, D), in this direction's order of time; kept by reference
    batch,
    work,  # of this layer, direction and thread
    weights,  # the direction's, from plan_forward
    *,
    state=None,  # h, or h and c, (B, H) each, in packed order and without gaps; zero by default
    mask=None,  # (B, H): recurrent dropout
    seed=None,  # of the zones, if they are drawn; the mean of all by default
    keep=False,  # whether backward follows
    outputs=True,  # whether the state of every step is kept, or only the last
    h=None,  # (B + N, H): where the states go; by default into work
    factors=None,  # (N, H): of the state that a step begins with, in this direction's order of time
    n_threads=1,  # for a team
):
    """Run a packed batch forward; the tape stands in ``work``, until its next use."""
    n_rows, n_sequences, size = len(x), len(batch.order), layer.hidden_size
    n_steps, params = len(batch.alive), layer.params_by_direction[direction]
    team, what = _form_team(layer, n_threads, n_steps, n_rows), None
    if mask is None and factors is None and n_rows == n_steps * n_sequences:
        if team is threads.NO_TEAM and not layer.zoneout:
            what = (n_steps, n_sequences, h is None, outputs, layer.chunk_rows)
        way = work.ways.get(keep)
        if way and way.what == what and way.weights is weights and way.params is params:
            return _go_again(way, x, h, state, work)
        way = None  # so that memory which is replaced is let go of
    if h is None:
        h = work.take("h", (n_sequences + (n_rows if outputs else 0), size))
    c = None
    if layer.n_states == 2:
        c = work.take("c", (n_sequences + (n_rows if keep else 0), size))
    _begin(h, c, n_sequences, state, work)
    if mask is None:
        mask = work.take("no mask", (0, size))
    tape = Tape(direction, n_sequences, batch.alive, x, mask, h, c)
    if factors is not None:
        tape.factors = factors
    if layer.zoneout:
        _prepare_zones(layer, tape, work, keep, seed)
    arguments = _run_forward(layer, weights, tape, work, keep, outputs, team)
    if what:
        work.ways[keep] = _Way(what, weights, params, tape, arguments)
    return tape


def _begin(h, c, n_sequences, state, work):
    """Write the initial state; zero, if there is none."""
    h_start, c_start = (None, None) if state is None else (state[0], state[-1])
    work.call(packing.put_first, h, n_sequences, h_start)
    if c is not None:
        work.call(packing.put_first, c, n_sequences, c_start)


def _go_again(way, x, h, state, work):
    """Run another packed batch forward the way that one went before; only x and h are others."""
    tape, arguments = way.tape, way.arguments
    tape.x = arguments[_X] = x
    if h is not None:
        tape.h = arguments[_H] = h
    _begin(tape.h, tape.c, tape.n_sequences, state, work)
    work.call(recurrence.cell_forward, *arguments, ALONE)
    return tape


def backward(
    layer,
    tape,  # from forward with keep; used up
    batch,
    work,  # as for forward
    weights,  # the direction's, from plan_backward
    grads,  # of the direction's parameters, by name: added to
    *,
    dy,  # (N, H): gradient of the states of all steps, in this direction's order of time; or (0, H)
    dstate,  # h, or h and c, (B, H) each: gradient of the last state, on return of the first
    dx,  # (N, D): filled, in this direction's order of time; or (0, D)
    bptt_steps=None,  # as for both_directions.backward; not together with dh_norms
    dh_norms=None,  # (N,), float64: filled with the norms of the gradient of h after every step
    n_threads=1,
):
    """Run a packed batch backward.

    The norms are those of the gradient by all ways from a state to the loss, in this direction's
    order of time: for them the kernel is called step by step.
    """
    n_steps = len(batch.alive)
    dh = dstate[0]
    way = tape.way_back
    if way and dh_norms is None and way.what == (dx.shape, bptt_steps, n_threads):
        if way.weights is weights and way.params is grads:
            dc = dstate[1] if layer.n_states == 2 else None
            way.arguments[_X_BACK] = tape.x
            way.arguments[_DY : _DX + 1] = dy, dh, dc, dx
            work.call(recurrence.cell_backward, *way.arguments, ALONE)
            return
    if tape.factors is not None:
        tape.dfactors = work.take("dfactors", tape.factors.shape)
    step = min(bptt_steps or n_steps, n_steps) if dh_norms is None else 1
    end = len(batch.rows)
    team = _form_team(layer, n_threads, step, end * step / n_steps)
    if step == n_steps and dh_norms is None:
        arguments = _run_backward(layer, weights, grads, tape, dy, dstate, dx, work, team)
        if team is threads.NO_TEAM and tape.factors is None and not layer.zoneout:
            what = (dx.shape, bptt_steps, n_threads)
            tape.way_back = _Way(what, weights, grads, None, arguments)
        return
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
        here = tape.steps(start, stop)
        dy_here, dx_here = dy[first:end], dx[first:end]
        _run_backward(layer, weights, grads, here, dy_here, dstate, dx_here, work, team)
        end = first


def _form_team(layer, n_threads, n_steps, n_rows):
    """The threads that run so many steps together."""
    if n_threads == 1 or layer.kernel.whole_rows:
        return threads.NO_TEAM
    return threads.form_team(n_threads, n_steps, layer.flops(n_rows), layer.hidden_size)


def _prepare_zones(layer, tape, work, keep, seed):
    """Make room for the states without zoneout on a tape, and draw the zones if asked."""
    n_rows, size = len(tape.x), layer.hidden_size
    shape = (n_rows if keep else tape.n_sequences, size)
    tape.new_h = work.take("new_h", shape)
    if layer.n_states == 2:
        tape.new_c = work.take("new_c", shape)
    if seed is not None:
        tape.zones = work.take("zones", (n_rows, size))
        first = tape.direction * n_rows * size
        work.call(draw_zones, layer.zoneout, seed, first, tape.zones)


def _rooms(layer, tape, work, team):
    """Rows that one chunk of steps of a tape may have, and room for each member of a team.

    That is for a state and, where there are factors, for what is left of one.
    """
    shape = (team.size * tape.n_sequences, layer.hidden_size)
    left = None if tape.factors is None else work.take("left", shape)
    return max(layer.chunk_rows, tape.n_sequences), work.take("scratch", shape), left


def _run_forward(layer, weights, tape, work, keep, outputs, team):
    """Let a team run the kernels over a tape, which gets what they keep; with what arguments."""
    params = layer.params_by_direction[tape.direction]
    (room, scratch, left), rows = _rooms(layer, tape, work, team), len(tape.x)
    if not keep and rows > room:
        rows = room
    gates = work.take("gates", (room if layer.drops_gates else rows, layer.gates_size))
    kept = h_U = None
    if layer.kept_size:
        kept = work.take("kept", (rows, layer.kept_size))
    if layer.is_apart:
        h_U = work.take("h_U", (tape.n_sequences, layer.gates_size))
    of_rows = room * layer.input_size + tape.n_sequences * layer.hidden_size
    rounded = work.rounded(team.size * of_rows)
    arguments = [
        layer.kernel, layer.kernel_option, layer.of_cell(params),
        tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c,
        gates, kept, h_U, scratch, *weights,
        layer.zoneout, tape.zones, tape.new_h, tape.new_c,
        tape.factors, left, rounded, layer.chunk_rows, keep, outputs,
    ]  # fmt: skip
    _call(recurrence.cell_forward, arguments, work, team)
    tape.gates, tape.kept = None if layer.drops_gates else gates, kept
    return arguments


def _run_backward(layer, weights, grads, tape, dy, dstate, dx, work, team):
    """Let a team run the kernels back over a tape; with what arguments."""
    params, size = layer.params_by_direction[tape.direction], layer.hidden_size
    room, scratch, left = _rooms(layer, tape, work, team)
    gates, dreset, past = tape.gates, None, None
    if layer.drops_gates:
        gates = work.take("gates", (room, layer.gates_size))
    if layer.is_twice:
        dreset = work.take("dreset", (tape.n_sequences, size))
    if layer.zoneout:
        past = work.take("past", (layer.n_states * tape.n_sequences, size))
    dh, dc = dstate if layer.n_states == 2 else (dstate[0], None)
    rounded = work.rounded(team.size * room * layer.gates_size)
    arguments = [
        layer.kernel, layer.kernel_option, layer.of_cell(params), layer.of_cell(grads),
        tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c, gates, tape.kept,
        dy, dh, dc, dx, grads["W"], grads["U"], grads["b"],
        dreset, scratch, *weights,
        work.packed_left("packed left", room, max(layer.input_size, size)),
        work.packed("packed gates", room, layer.gates_size),
        layer.zoneout, tape.zones, tape.new_h, tape.new_c, past,
        tape.factors, left, tape.dfactors, rounded, layer.chunk_rows,
    ]  # fmt: skip
    _call(recurrence.cell_backward, arguments, work, team)
    return arguments


def _call(kernel, arguments, work, team):
    if team is threads.NO_TEAM:
        work.call(kernel, *arguments, ALONE)
    else:
        work.calls_of(team)(kernel, *arguments)
