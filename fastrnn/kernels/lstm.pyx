"""Long short-term memory.

For each step t, with the logistic function σ and elementwise products::

    i = σ(x W_i + h' U_i + b_i)        input gate
    f = σ(x W_f + h' U_f + b_f)        forget gate
    g = tanh(x W_g + h' U_g + b_g)     candidate
    o = σ(x W_o + h' U_o + b_o)        output gate
    c = f c' + i g                     memory cell
    h = o tanh(c)                      state and output

where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
products). Hochreiter and Schmidhuber (1997), Neural Computation 9(8) 1735-1780; forget gate: Gers,
Schmidhuber and Cummins (2000), Neural Computation 12(10) 2451-2471.

Backward, with dv for the gradient of the loss with respect to v; dh and dc hold on entry to step t
what later steps send to h_t and c_t::

    dh += dy
    dc += dh o (1 - tanh(c)^2)
    di = dc g i (1 - i)                of the pre-activations, as the next three
    df = dc c' f (1 - f)
    dg = dc i (1 - g^2)
    do = dh tanh(c) o (1 - o)
    dh' = [di df dg do] U^T
    dc' = dc f

The elementwise lines stand in lstm.h. Rows, alive, chunks and members are explained in
recurrence.pxd and team.pxd.
"""

from cython cimport floating
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.products cimport (
    add_product_transposed, pack_right, product, product_pair,
)
from fastrnn.kernels.recurrence cimport (
    chunk_end, chunk_start, input_gradient, masked, pack_previous, pack_rows, projects_stepwise,
    propagate,
)
from fastrnn.kernels.team cimport Member, Share, meet, own_columns, own_gates
from fastrnn.kernels.vector_math cimport Range


def lstm_forward(
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (4H,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H) without recurrent dropout
    floating[:, ::1] h,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] c,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] gates,        # OUT    (N, 4H), or (R, 4H)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_W,  # IN     W, packed
    const floating[::1] packed_U,  # IN     U, packed
    int64_t chunk_rows,
    bint keep,
    bint outputs,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch forward.

    h, c : the initial state in the first B rows on entry; on return h_t and c_t in the rows of
        step t, or each sequence's last state if there are only B rows.
    gates : on return the activated gates i | f | g | o, which `lstm_backward` turns into gradients.
    keep : False keeps nothing for the way back: c has B rows, and gates is room for one chunk,
        R = max(chunk_rows, alive[0]).
    outputs : False keeps no outputs either: h has B rows.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N if outputs else h.shape[0]
        int64_t t, start = 0, end, rows, before = B
        int64_t row = 0             # packed row of the step
        int64_t gate_row            # its row in gates
        bint stepwise
        int64_t previous = 0        # row of h and c where the previous state stands
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, 4, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* h_in
        floating* h_previous
        floating* h_new
        floating* c_previous
        floating* c_new
    with nogil:
        while start < T:
            end = chunk_end(&alive[0], T, start, chunk_rows, &rows)
            gate_row = row if keep else 0
            stepwise = projects_stepwise(D, alive[start])
            if not stepwise:
                # gates = b + x @ W
                product(rows, columns, D, &x[row, 0], D, &packed_W[0], &b[0], 0,
                        &gates[gate_row, 0], GH)
            for t in range(start, end):
                h_previous = &h[previous if outputs else 0, 0]
                h_new = &h[B + row if outputs else 0, 0]
                c_previous = &c[previous if keep else 0, 0]
                c_new = &c[B + row if keep else 0, 0]
                h_in = masked(alive[t] * H, h_previous, mask_rows, own_scratch)
                if stepwise:
                    # gates = b + x @ W + h_in @ U
                    product_pair(alive[t], columns, D, &x[row, 0], D, &packed_W[0], H, h_in, H,
                                 &packed_U[0], &b[0], 0, &gates[gate_row, 0], GH)
                else:
                    # gates += h_in @ U
                    product(alive[t], columns, H, h_in, H, &packed_U[0], &gates[gate_row, 0], GH,
                            &gates[gate_row, 0], GH)
                if columns.count == 1 or not outputs:  # gates from others, or h_new is h_previous
                    meet(share)
                vector_math.lstm_forward(
                    alive[t], H, units, &gates[gate_row, 0], c_previous, c_new, h_new)
                meet(share)
                previous += before
                before = alive[t]
                row += alive[t]
                gate_row += alive[t]
            start = end


def lstm_backward(
    const floating[:, ::1] x,      # IN     (N, D)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H)
    const floating[:, ::1] h,      # IN     (B + N, H)
    const floating[:, ::1] c,      # IN     (B + N, H)
    floating[:, ::1] gates,        # INOUT  (N, 4H)
    const floating[:, ::1] dy,     # IN     (N, H), or (0, H) if nothing comes from above
    floating[:, ::1] dh,           # INOUT  (B, H)
    floating[:, ::1] dc,           # INOUT  (B, H)
    floating[:, ::1] dx,           # OUT    (N, D), or (0, D) if not wanted
    floating[:, ::1] dW,           # INOUT  (D, 4H)
    floating[:, ::1] dU,           # INOUT  (H, 4H)
    floating[::1] db,              # INOUT  (4H,)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_Wt,  # IN     W.T, packed, if dx is wanted
    const floating[::1] packed_Ut,  # IN     U.T, packed
    floating[::1] packed_left,     # OUT    room for x or h of one chunk, packed
    floating[::1] packed_gates,    # OUT    room for the gates of one chunk, packed
    int64_t chunk_rows,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch backward, after `lstm_forward` with ``keep``.

    gates : the activated gates on entry, the gradient of their pre-activations on return.
    dh, dc : on entry the gradient of each sequence's final state; on return that of its initial
        state.
    dW, dU, db : added to.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N
        int64_t t, start, end = T, rows, before
        int64_t row = N             # packed row of the step
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, 4, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
    with nogil:
        while end > 0:
            start = chunk_start(&alive[0], end, chunk_rows, &rows)
            for t in range(end - 1, start - 1, -1):
                row -= alive[t]
                before = alive[t - 1] if t > 0 else B
                vector_math.lstm_backward(
                    alive[t], H, units, &gates[row, 0], &c[B + row - before, 0], &c[B + row, 0],
                    &dy[row, 0] if dy.shape[0] > 0 else NULL, &dh[0, 0], &dc[0, 0])
                meet(share)
                propagate(alive[t], H, units, GH, &gates[row, 0], GH, &packed_Ut[0], mask_rows,
                          own_scratch, False, &dh[0, 0])
            if dx.shape[0] > 0:
                # dx = gates @ W.T
                input_gradient(share, rows, D, GH, &gates[row, 0], &packed_Wt[0], &dx[row, 0])
            # db += gates.sum(axis=0)
            pack_right(rows, columns, &gates[row, 0], GH, &packed_gates[0], &db[0])
            # dW += x.T @ gates
            pack_rows(share, rows, D, &x[row, 0], &packed_left[0])
            meet(share)
            add_product_transposed(D, columns, rows, &packed_left[0], &packed_gates[0], GH,
                                   &dW[0, 0], GH)
            # dU += previous.T @ gates
            meet(share)
            pack_previous(share, start, end, rows, H, &alive[0], B, row, &h[0, 0], mask_rows,
                          &packed_left[0])
            meet(share)
            add_product_transposed(H, columns, rows, &packed_left[0], &packed_gates[0], GH,
                                   &dU[0, 0], GH)
            meet(share)
            end = start
