"""The driver of all cells: over the packed time steps, in chunks, forward and backward.

A cell is a record of C functions for one time step (cell.h), in a header of its own (cells/NAME.h).
Here is what all have in common: products, chunks, teams, recurrent dropout, zoneout.

Rows are packed time-major. Sequences are sorted by falling length; ``alive[t]`` of the B sequences
are still running at step t, and they own rows ``first .. first + alive[t]`` of every (N, ...)
array, where ``first`` is the sum of ``alive[:t]``. A state array has its initial state in the first
B rows, so that step t finds its previous state in the rows just before its own: rows ``B + first -
alive[t - 1]`` on (for t = 0 rows 0 on), and writes to rows ``B + first`` on.

Time is cut into chunks of steps small enough for their gates to stay in the processor's
second-level cache: a chunk is projected (x W + b) and then stepped through; on the way back it is
stepped through and then its rows are added to the gradients of the parameters. Weights are packed
once a call; forward, of a few rows, they are read as they lie.

Several threads may run a call together, as members of a team (team.pxd). Each has its own units:
it alone computes their states, and their columns of what is propagated back to the step before.
Forward, all meet at the end of every step, and between product and pointwise pass if gates of a
member's units come from others or the new states take the place of the old; backward, once a step.

With zoneout (masks.pxd) new states, the candidates, are mixed with those of the step before.

Factors, where there are any, are of a step and a unit: so much is left of the state h of the step
before when the step begins, for everything that is made of it. A cell state stays what it was.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memset

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.chunks cimport (
    chunk_end, chunk_start, input_gradient, pack_previous, pack_rows, projects_stepwise, propagate,
)
from fastrnn.kernels.denormals cimport flush_denormals, restore_denormals
from fastrnn.kernels.handover cimport end_turn, take_turn
from fastrnn.kernels.masks cimport (
    add_masked, factor_backward, masked, zone_backward, zone_forward,
)
from fastrnn.kernels.products cimport (
    add_product_transposed, pack_right, product, product_of_weights, product_pair,
)
from fastrnn.kernels.team cimport Member, Share, meet, own_columns, own_gates
from fastrnn.kernels.vector_math cimport APART, SUM, TWICE, CellFunctions, Range, Step, Table


cdef class Cell:
    """The C functions of a cell, and what it says of itself (cell.h).

    name : that of a header in the folder cells.
    kept : what it keeps for the way back beside gates and states, in widths of a state.
    last : how many of the last blocks of gates have a recurrent product apart, packed apart.
    is_apart, is_twice : whether its recurrent product stands by itself; is two products.
    drops_gates : whether the way back needs no gates.
    whole_rows : whether it can have no team.
    """

    def __init__(self, str name):
        self.of_float = find((<const Table*>vector_math.table_f).cells, name)
        self.of_double = find((<const Table*>vector_math.table_d).cells, name)
        self.name, self.kept, self.last = name, self.of_float.kept, self.of_float.last
        self.is_apart = self.of_float.form == APART
        self.is_twice = self.of_float.form == TWICE
        self.drops_gates, self.whole_rows = self.of_float.drops_gates, self.of_float.whole_rows

    def __reduce__(self):
        return Cell, (self.name,)


cdef const CellFunctions* find(const CellFunctions* const* cells, str name) except NULL:
    """The functions of a cell."""
    while cells[0] != NULL:
        if cells[0].name.decode() == name:
            return cells[0]
        cells += 1
    raise ValueError(f"no header of fastrnn/kernels/cells is named {name}")


cdef inline floating* own_room(const Share* share, floating[::1] rounded):
    """The room of a member for rounded rows, or NULL."""
    if rounded is None:
        return NULL
    return &rounded[rounded.shape[0] // share.size * share.number]


def cell_forward(
    Cell cell,
    int option,                    # of a cell that has one: which of its choices
    tuple extra,                   # IN     the cell's own parameters
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (GH,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H) without recurrent dropout
    floating[:, ::1] h,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] c,            # INOUT  (B + N, H), or (B, H); or None
    floating[:, ::1] gates,        # OUT    (N, GH), or (R, GH)
    floating[:, ::1] kept,         # OUT    (N, KH), or (R, KH); or None
    floating[:, ::1] recurrent,    # OUT    (B, GH); or None
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] W,         # IN     W, packed
    const floating[::1] U,         # IN     U, packed; for reset before, without its last blocks
    const floating[::1] U_last,    # IN     those, packed
    bint unpacked,                 # whether these three begin in W and U as they lie instead
    double zoneout,                # how much of the previous state stays; 0 for nothing
    const floating[:, ::1] zones,  # IN     (N, H), of each unit instead, where it is drawn; or None
    floating[:, ::1] new_h,        # OUT    (N, H), or (B, H): h without zoneout; None if it is 0
    floating[:, ::1] new_c,        # OUT    the same of c; or None
    const floating[:, ::1] factors,  # IN   (N, H), of the state that a step begins with; or None
    floating[:, ::1] left,         # OUT    (members · B, H), room of each for what is left; or None
    floating[::1] rounded,         # OUT    (members · (R · D + B · H),), room of each for rounded
    #                                       rows, where the weights are rounded; or None
    int64_t chunk_rows,
    bint keep,
    bint outputs,
    Member member,                 # whose shard of the work is done
):
    """Run a packed batch forward.

    h, c : the initial state in the first B rows on entry; on return h_t and c_t in the rows of
        step t, or each sequence's last state if there are only B rows.
    gates, kept : on return what the cell keeps for `cell_backward`, which turns it into gradients.
    keep : False keeps nothing for the way back: c has B rows, and gates and kept are room for one
        chunk, R = max(chunk_rows, alive[0]); so are the gates of a cell that drops them.
    outputs : False keeps no outputs either: h has B rows.
    new_h, new_c : with keep, on return what the cell wants back in place of h and c.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t G = GH // H, KH = cell.kept * H, first_columns = GH - cell.last * H
        int64_t T = alive.shape[0], B = h.shape[0] - N if outputs else h.shape[0]
        int64_t k, t, start = 0, end, rows, before = B, mode
        int64_t row = 0             # packed row of the step
        int64_t gate_row, kept_row  # its rows in gates and kept
        int64_t ldb = GH if unpacked else 0
        bint stepwise
        int64_t previous = 0        # row of h and c where the previous state stands
        const Share* share = &member.share
        const CellFunctions* functions = cell.of_float if floating is float else cell.of_double
        int form = functions.form
        bint keeps_gates = keep and not functions.drops_gates
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, G, sizeof(floating))
        Range first = own_gates(share, H, G - cell.last, sizeof(floating))
        Range last = own_gates(share, H, cell.last, sizeof(floating)) if cell.last > 0 else units
        bint from_others = G > 1 and columns.count == 1  # gates of own units
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* start_row = <const floating*>NULL if functions.adds_bias else &b[0]
        floating* c_rows = &c[0, 0] if c is not None else NULL
        floating* kept_rows = &kept[0, 0] if kept is not None else NULL
        floating* h_U = &recurrent[0, 0] if recurrent is not None else NULL
        const floating* zone_rows = NULL
        floating* own_left = &left[share.number * B, 0] if left is not None else NULL
        floating* room = own_room(share, rounded)
        const floating[::1] parameter
        const floating* h_in
        floating* gate_rows
        floating* h_rows
        Step step
    memset(&step, 0, sizeof(Step))
    step.H, step.units, step.option = H, units, option
    step.b, step.recurrent = &b[0], h_U
    for k in range(len(extra)):
        parameter = extra[k]
        step.extra[k] = &parameter[0]
    with nogil:
        end_turn()
        mode = flush_denormals()
        while start < T:
            end = chunk_end(&alive[0], T, start, chunk_rows, &rows)
            gate_row = row if keeps_gates else 0
            kept_row = row if keep else 0
            stepwise = form == SUM and not unpacked and projects_stepwise(D, alive[start])
            if not stepwise:
                # gates = b + x @ W
                product_of_weights(rows, columns, D, &x[row, 0], D, &W[0], ldb, start_row, 0,
                                   &gates[gate_row, 0], GH, room)
                if form != SUM:
                    meet(share)
            for t in range(start, end):
                gate_rows = &gates[gate_row, 0]
                step.rows, step.gates = alive[t], gate_rows
                step.h_prev = &h[previous if outputs else 0, 0]
                if own_left != NULL:
                    step.h_prev = masked(alive[t] * H, <const floating*>step.h_prev,
                                         &factors[row, 0], own_left)
                step.h = h_rows = &h[B + row if outputs else 0, 0]
                if c_rows != NULL:
                    step.c_prev = c_rows + (previous * H if keep else 0)
                    step.c = c_rows + ((B + row) * H if keep else 0)
                if zoneout > 0:
                    step.h = &new_h[kept_row if keep else 0, 0]
                    step.c = &new_c[kept_row if keep else 0, 0] if c_rows != NULL else NULL
                if kept_rows != NULL:
                    step.kept = kept_rows + kept_row * KH
                h_in = masked(alive[t] * H, <const floating*>step.h_prev, mask_rows, own_scratch)
                if stepwise:
                    # gates = b + x @ W + h_in @ U
                    product_pair(alive[t], columns, D, &x[row, 0], D, &W[0], H, h_in, H,
                                 &U[0], start_row, 0, gate_rows, GH, room)
                elif form == SUM:
                    # gates += h_in @ U
                    product_of_weights(alive[t], columns, H, h_in, H, &U[0], ldb,
                                       gate_rows, GH, gate_rows, GH, room)
                elif form == APART:
                    # h_U = h_in @ U
                    product_of_weights(alive[t], columns, H, h_in, H, &U[0], ldb,
                                       <const floating*>NULL, 0, h_U, GH, room)
                else:
                    # gates[:, :-last] += h_in @ U[:, :-last]
                    product_of_weights(alive[t], first, H, h_in, H, &U[0], ldb,
                                       gate_rows, GH, gate_rows, GH, room)
                    if first.count == 1:
                        meet(share)
                    step.h_in = h_in
                    functions.first_forward(&step)
                    meet(share)
                    # gates[:, -last:] += kept @ U[:, -last:]
                    product_of_weights(alive[t], last, H, <const floating*>step.kept, KH,
                                       &U_last[0], ldb, gate_rows + first_columns, GH,
                                       gate_rows + first_columns, GH, room)
                if form != TWICE and (from_others or not outputs):  # then h_new is h_previous
                    meet(share)
                functions.forward(&step)
                if zoneout > 0:
                    zone_rows = &zones[row, 0] if zones is not None else NULL
                    zone_forward(alive[t], H, units, <floating>zoneout, zone_rows,
                                 <const floating*>step.h, <const floating*>step.h_prev, h_rows)
                    if c_rows != NULL:
                        zone_forward(alive[t], H, units, <floating>zoneout, zone_rows,
                                     <const floating*>step.c, <const floating*>step.c_prev,
                                     c_rows + ((B + row) * H if keep else 0))
                meet(share)
                previous += before
                before = alive[t]
                row += alive[t]
                gate_row += alive[t]
                kept_row += alive[t]
            start = end
        restore_denormals(mode)
        take_turn()


def cell_backward(
    Cell cell,
    int option,                    # as for `cell_forward`
    tuple extra,                   # IN     the cell's own parameters
    tuple dextra,                  # INOUT  their gradients
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (GH,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H)
    const floating[:, ::1] h,      # IN     (B + N, H)
    const floating[:, ::1] c,      # IN     (B + N, H); or None
    floating[:, ::1] gates,        # INOUT  (N, GH); or OUT (R, GH), room for a chunk
    floating[:, ::1] kept,         # INOUT  (N, KH); or None
    const floating[:, ::1] dy,     # IN     (N, H), or (0, H) if nothing comes from above
    floating[:, ::1] dh,           # INOUT  (B, H)
    floating[:, ::1] dc,           # INOUT  (B, H); or None
    floating[:, ::1] dx,           # OUT    (N, D), or (0, D) if not wanted
    floating[:, ::1] dW,           # INOUT  (D, GH)
    floating[:, ::1] dU,           # INOUT  (H, GH)
    floating[::1] db,              # INOUT  (GH,)
    floating[:, ::1] dreset,       # OUT    (B, H); or None
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_Wt,  # IN     W.T, packed, if dx is wanted
    const floating[::1] packed_Ut,  # IN     U.T, packed, without its last blocks
    const floating[::1] packed_Ut_last,  # IN  those, packed
    floating[::1] packed_left,     # OUT    room for x or h of one chunk, packed
    floating[::1] packed_gates,    # OUT    room for the gates of one chunk, packed
    double zoneout,                # as for `cell_forward`, and the next three
    const floating[:, ::1] zones,  # IN     (N, H); or None
    const floating[:, ::1] new_h,  # IN     (N, H); or None
    const floating[:, ::1] new_c,  # IN     (N, H); or None
    floating[:, ::1] past,         # OUT    (states · alive[0], H); or None
    const floating[:, ::1] factors,  # IN   as for `cell_forward`, and the next
    floating[:, ::1] left,         # OUT    (members · B, H); or None
    floating[:, ::1] dfactors,     # OUT    (N, H), the gradient of the factors; or None
    floating[::1] rounded,         # OUT    (members · R · GH,), likewise; or None
    int64_t chunk_rows,
    Member member,                 # whose shard of the work is done
):
    """Run a packed batch backward, after `cell_forward` with ``keep``.

    gates, kept : as `cell_forward` left them on entry; on return the gradient of the
        pre-activations.
        Of a cell that drops its gates, room for those of a chunk, R = max(chunk_rows, alive[0]).
    dh, dc : on entry the gradient of each sequence's final state; on return that of its initial
        state.
    dW, dU, db, dextra : added to.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t G = GH // H, KH = cell.kept * H, n_last = cell.last * H, n_first = GH - n_last
        int64_t T = alive.shape[0], B = h.shape[0] - N
        int64_t k, t, start, end = T, rows, before, mode
        int64_t row = N             # packed row of the step
        int64_t gate_row            # its row in gates
        const Share* share = &member.share
        const CellFunctions* functions = cell.of_float if floating is float else cell.of_double
        int form = functions.form
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, G, sizeof(floating))
        Range first = own_gates(share, H, G - cell.last, sizeof(floating))
        Range last = own_gates(share, H, cell.last, sizeof(floating)) if cell.last > 0 else units
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* c_rows = &c[0, 0] if c is not None else NULL
        floating* kept_rows = &kept[0, 0] if kept is not None else NULL
        floating* db_of_products = NULL if functions.adds_bias else &db[0]
        floating* db_last = NULL
        bint adds = functions.adds
        const floating* zone_rows = NULL
        floating* own_left = &left[share.number * B, 0] if left is not None else NULL
        floating* room = own_room(share, rounded)
        const floating* factor_rows = &factors[0, 0] if factors is not None else NULL
        floating* past_h = &past[0, 0] if past is not None else NULL
        floating* past_c = &past[past.shape[0] // 2, 0] if past is not None else NULL
        bint rounds = room != NULL
        const floating[::1] parameter
        floating[::1] gradient
        floating* dreset_rows = &dreset[0, 0] if dreset is not None else NULL
        const floating* h_in
        floating* gate_rows
        Step step
    memset(&step, 0, sizeof(Step))
    step.H, step.units, step.option = H, units, option
    step.b, step.db, step.dh = &b[0], &db[0], &dh[0, 0]
    step.dc = &dc[0, 0] if dc is not None else NULL
    step.dreset = dreset_rows
    for k in range(len(extra)):
        parameter, gradient = extra[k], dextra[k]
        step.extra[k], step.dextra[k] = &parameter[0], &gradient[0]
    if functions.last_bias:
        db_last = <floating*>step.dextra[0]
    with nogil:
        end_turn()
        mode = flush_denormals()
        while end > 0:
            start = chunk_start(&alive[0], end, chunk_rows, &rows)
            gate_row = rows if functions.drops_gates else row
            for t in range(end - 1, start - 1, -1):
                row -= alive[t]
                gate_row -= alive[t]
                before = alive[t - 1] if t > 0 else B
                gate_rows = &gates[gate_row, 0]
                step.rows, step.gates = alive[t], gate_rows
                step.h_prev, step.h = &h[B + row - before, 0], <void*>&h[B + row, 0]
                if own_left != NULL:
                    step.h_prev = masked(alive[t] * H, <const floating*>step.h_prev,
                                         factor_rows + row * H, own_left)
                if c_rows != NULL:
                    step.c_prev = c_rows + (B + row - before) * H
                    step.c = <void*>(c_rows + (B + row) * H)
                if kept_rows != NULL:
                    step.kept = kept_rows + row * KH
                step.dy = &dy[row, 0] if dy.shape[0] > 0 else NULL
                if zoneout > 0:
                    zone_rows = &zones[row, 0] if zones is not None else NULL
                    zone_backward(alive[t], H, units, <floating>zoneout, zone_rows,
                                  <const floating*>step.dy, &dh[0, 0], past_h)
                    step.dy, step.h = NULL, <void*>&new_h[row, 0]
                    if c_rows != NULL:
                        zone_backward(alive[t], H, units, <floating>zoneout, zone_rows,
                                      <const floating*>NULL, <floating*>step.dc, past_c)
                        step.c = <void*>&new_c[row, 0]
                functions.backward(&step)
                meet(share)
                if form == APART:
                    propagate(alive[t], H, units, n_last, <const floating*>step.kept, KH,
                              &packed_Ut_last[0], mask_rows, own_scratch, adds, &dh[0, 0], room)
                elif form == TWICE:
                    # dreset = gates[:, -last:] @ U[:, -last:].T
                    product(alive[t], units, n_last, gate_rows + n_first, GH, &packed_Ut_last[0],
                            <const floating*>NULL, 0, dreset_rows, H, room)
                    h_in = masked(alive[t] * H, <const floating*>step.h_prev, mask_rows,
                                  own_scratch)
                    step.h_in = h_in
                    functions.first_backward(&step)
                    add_masked(alive[t], H, units, dreset_rows, mask_rows, &dh[0, 0])
                    meet(share)
                if n_first > 0:
                    propagate(alive[t], H, units, n_first, gate_rows, GH, &packed_Ut[0], mask_rows,
                              own_scratch, adds or form == APART, &dh[0, 0], room)
                if zoneout > 0:
                    add_masked(alive[t], H, units, past_h, <const floating*>NULL, &dh[0, 0])
                    if c_rows != NULL:
                        add_masked(alive[t], H, units, past_c, <const floating*>NULL,
                                   <floating*>step.dc)
                if own_left != NULL:
                    factor_backward(alive[t], H, units, &h[B + row - before, 0],
                                    factor_rows + row * H, &dh[0, 0], &dfactors[row, 0])
            gate_rows = &gates[gate_row, 0]
            if dx.shape[0] > 0:
                # dx = gates @ W.T
                input_gradient(share, rows, D, GH, gate_rows, &packed_Wt[0], &dx[row, 0], room)
            # db += gates.sum(axis=0)
            pack_right(rows, columns, gate_rows, GH, &packed_gates[0], db_of_products, rounds)
            # dW += x.T @ gates
            pack_rows(share, rows, D, &x[row, 0], D, &packed_left[0], rounds)
            meet(share)
            add_product_transposed(D, columns, rows, &packed_left[0], &packed_gates[0], GH,
                                   &dW[0, 0], GH, rounds)
            meet(share)
            # dU[:, :-last] += previous.T @ gates[:, :-last]
            pack_previous(share, start, end, rows, H, &alive[0], B, row, &h[0, 0], mask_rows,
                          factor_rows, own_scratch, &packed_left[0], rounds)
            meet(share)
            if n_first > 0:
                add_product_transposed(H, first, rows, &packed_left[0], &packed_gates[0], GH,
                                       &dU[0, 0], GH, rounds)
                meet(share)
            if form == APART:
                # dU[:, -last:] += previous.T @ kept; db_last += kept.sum(axis=0)
                pack_right(rows, last, kept_rows + row * KH, KH, &packed_gates[0], db_last,
                           rounds)
            elif form == TWICE:
                # dU[:, -last:] += kept.T @ gates[:, -last:]
                # db_last += gates[:, -last:].sum(axis=0)
                pack_right(rows, last, gate_rows + n_first, GH, &packed_gates[0], db_last,
                           rounds)
                pack_rows(share, rows, H, kept_rows + row * KH, KH, &packed_left[0],
                          rounds)
            if form != SUM:
                meet(share)
                add_product_transposed(H, last, rows, &packed_left[0], &packed_gates[0], n_last,
                                       &dU[0, n_first], GH, rounds)
                meet(share)
            end = start
        restore_denormals(mode)
        take_turn()
