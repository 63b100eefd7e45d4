"""A packed batch through a recurrent layer: both of its directions, if it has two.

Each runs for itself, side by side if there are threads for it; what they read and say is brought to
one order of time here.
"""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import one_direction, threads


def _for_directions(layer, function, n_threads, n_rows):
    """Call a function for each direction, side by side if there are threads for it."""
    if not layer.bidirectional:
        return [function(0)]
    return threads.run(function, range(2), n_threads, layer.flops(n_rows))


def forward(
    layer,
    x,  # (N, D), kept by reference
    batch,
    work,  # of this layer and thread
    weights,  # of each direction, from plan_forward
    *,
    state=None,  # h, or h and c, (directions, B, H) each, in packed order; zero by default
    mask=None,  # (directions, B, H): factors of the state where it enters the recurrent products
    seed=None,  # of the zones, if they are drawn; the mean of all by default
    keep=False,  # whether backward follows
    outputs=True,  # whether the state of every step is kept, or only the last
    factors=None,  # of the state that a step begins with: (N, H) for each direction, in its order
    n_threads=1,  # for the directions and the teams in each; the same bits for any number
):
    """Run a packed batch forward: a tape for each direction, in ``work`` until its next use."""

    def run_direction(d):
        x_d, work_d = x, work.part(d)
        if d == 1:
            x_d = work_d.take("x", x.shape)
            work_d.call(packing.take_rows, x, 0, batch.reverse, x_d)
        return one_direction.forward(
            layer, d, x_d, batch, work_d, weights[d],
            state=state and tuple(array[d] for array in state),
            mask=None if mask is None else mask[d], seed=seed, keep=keep, outputs=outputs,
            factors=None if factors is None else factors[d],
            n_threads=max(1, n_threads // layer.n_directions),
        )  # fmt: skip

    return _for_directions(layer, run_direction, n_threads, len(x))


def outputs(layer, tapes, batch, work):
    """The states of all steps of both directions side by side, each at its own time: (N, d · H).

    Of a single direction they are those on its tape, else they stand in ``work``.
    """
    n_sequences = len(batch.order)
    if not layer.bidirectional:
        return tapes[0].h[n_sequences:]
    y = work.take("y", (len(batch.rows), layer.output_size))
    work.call(np.copyto, y[:, : layer.hidden_size], tapes[0].h[n_sequences:])
    rows = tapes[1].h[n_sequences:]
    work.call(packing.put_rows, rows, batch.reverse, y, layer.hidden_size)
    return y


def final_state(layer, tapes, batch, call=None):
    """The state after each sequence's own last step: (h,) or (h, c), (directions, B, H) each.

    Kernels are called by ``call(kernel, *arguments)``, if it is given.
    """
    shape = (layer.n_directions, len(batch.order), layer.hidden_size)
    state = tuple(np.empty(shape, dtype=layer.dtype) for _ in range(layer.n_states))
    for tape in tapes:
        for array, rows in zip(state, (tape.h, tape.c), strict=False):
            arguments = rows, batch.last, 0, array[tape.direction]
            if call is None:
                packing.last_forward(*arguments)
            else:
                call(packing.last_forward, *arguments)
    return state


def backward(
    layer,
    tapes,  # from forward with keep; used up
    batch,
    work,  # the same as in forward
    weights,  # of each direction, from plan_backward
    grads,  # of the parameters of each direction, by name: added to
    *,
    dy=None,  # (N, directions · H): gradient of the outputs; or callable, or None for zero
    dstate=None,  # h, or h and c, (directions, B, H) each: gradient of final_state; used up
    want_dx=True,
    bptt_steps=None,
    dh_norms=None,  # (directions, N), float64: as for one_direction.backward
    n_threads=1,
):
    """Run a packed batch backward: the gradient of x, (N, D) or None, and of the initial state.

    A callable ``dy`` is given the number of a direction, and returns that direction's part (N, H)
    in its own order of time; threads may call it at once. ``bptt_steps`` cuts time into windows,
    counted from where each direction starts to read, and no gradient crosses from one to the one
    before. What is returned stands in ``work`` or ``dstate``; states that it leaves out count 0.
    """
    shape = (layer.n_directions, len(batch.order), layer.hidden_size)
    dstate = [np.ascontiguousarray(array) for array in dstate or ()]
    for k in range(len(dstate), layer.n_states):
        dstate.append(work.zeros(("dstate", k), shape))
    dx = work.take("dx", (len(batch.rows) if want_dx else 0, layer.input_size))

    def run_direction(d):
        work_d = work.part(d)
        dx_d = dx if d == 0 else work_d.take("dx", dx.shape)
        one_direction.backward(
            layer, tapes[d], batch, work_d, weights[d], grads[d],
            dy=_dy_of_direction(layer, dy, d, batch, work_d),
            dstate=[array[d] for array in dstate], dx=dx_d, bptt_steps=bptt_steps,
            dh_norms=None if dh_norms is None else dh_norms[d],
            n_threads=max(1, n_threads // layer.n_directions),
        )  # fmt: skip
        return dx_d

    of_directions = _for_directions(layer, run_direction, n_threads, len(batch.rows))
    if layer.bidirectional and want_dx:
        work.call(packing.add_rows, of_directions[1], batch.reverse, dx)
    return (dx if want_dx else None), tuple(dstate)


def _dy_of_direction(layer, dy, d, batch, work):
    """The columns of dy that belong to a direction, in its order of time; (0, H) for None."""
    size = layer.hidden_size
    if dy is None:
        return work.take("no dy", (0, size))
    if callable(dy):
        return dy(d)
    if not layer.bidirectional:
        return dy
    dy_d = work.take("dy", (len(dy), size))
    if d == 0:
        work.call(np.copyto, dy_d, dy[:, :size])
    else:
        work.call(packing.take_rows, dy, size, batch.reverse, dy_d)
    return dy_d
