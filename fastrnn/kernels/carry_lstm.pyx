"""LSTM with a carry gate, the cell this project was started for.

For each step t, with the logistic function σ and elementwise products::

    i = σ(x W_i + h' U_i + b_i)        (1) input gate
    γ = φ(x W_γ + h' U_γ + b_γ)        (2) candidate; φ is σ, or tanh if asked
    f = σ(x W_f + h' U_f + b_f)        (3) forget gate
    c = f c' + i γ                     (4) memory cell
    o = σ(x W_o + h' U_o + b_o)        (5) output gate
    β = σ(x W_β + h' U_β + b_β)        (6) carry gate
    h = o tanh(c) + β h'               (7) state and output

where x = x_t, h' = h_{t-1}, c' = c_{t-1} (times the recurrent dropout mask, for the h' in the
products; the carried h' of (7) is not masked). The blocks stand in the order i, f, γ, o, β. The
carry is a gated straight path for the state, a relative of the residual connection of FastRNN
(Kusupati et al. 2018, arXiv 1901.02358). It gives up a bound: with the LSTM |h| < 1, here |h| is
bounded only while β stays below 1, by 1 / (1 - max β) from a zero start.

Backward. Let dh and dc hold on entry to step t what later steps send to h_t and c_t. From (7), h_t
reaches the loss through o, c, β and h'; from (4), c_t through f, c', i and γ; and every gate
through its pre-activation a, with dσ/da = σ (1 - σ)::

    dh += dy
    do = dh tanh(c)                    (7)
    dc += dh o (1 - tanh(c)^2)         (7)
    dβ = dh h'                         (7)
    df = dc c'                         (4)
    di = dc γ                          (4)
    dγ = dc i                          (4)
    da = [di i(1-i), df f(1-f), dγ φ', do o(1-o), dβ β(1-β)]
    dh' = dh β + da U^T                (7) and (1-3, 5, 6)
    dc' = dc f                         (4)

with φ' = γ (1 - γ), or 1 - γ^2 for tanh. The elementwise lines stand in carry_lstm.h. Rows,
alive, chunks and members are explained in recurrence.pxd and team.pxd.
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


def carry_lstm_forward(
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (5H,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H) without recurrent dropout
    floating[:, ::1] h,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] c,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] gates,        # OUT    (N, 5H), or (R, 5H)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_W,  # IN     W, packed
    const floating[::1] packed_U,  # IN     U, packed
    int64_t chunk_rows,
    bint keep,
    bint outputs,
    bint candidate_tanh,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch forward.

    h, c : the initial state in the first B rows on entry; on return h_t and c_t in the rows of
        step t, or each sequence's last state if there are only B rows.
    gates : on return the activated gates i | f | γ | o | β, which `carry_lstm_backward` turns into
        gradients.
    keep : False keeps nothing for the way back: c has B rows, and gates is room for one chunk,
        R = max(chunk_rows, alive[0]).
    outputs : False keeps no outputs either: h has B rows.
    candidate_tanh : whether the candidate's activation is tanh instead of the logistic function.
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
        Range columns = own_gates(share, H, 5, sizeof(floating))
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
                vector_math.carry_lstm_forward(
                    alive[t], H, units, candidate_tanh, &gates[gate_row, 0], h_previous, c_previous,
                    c_new, h_new)
                meet(share)
                previous += before
                before = alive[t]
                row += alive[t]
                gate_row += alive[t]
            start = end


def carry_lstm_backward(
    const floating[:, ::1] x,      # IN     (N, D)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H)
    const floating[:, ::1] h,      # IN     (B + N, H)
    const floating[:, ::1] c,      # IN     (B + N, H)
    floating[:, ::1] gates,        # INOUT  (N, 5H)
    const floating[:, ::1] dy,     # IN     (N, H), or (0, H) if nothing comes from above
    floating[:, ::1] dh,           # INOUT  (B, H)
    floating[:, ::1] dc,           # INOUT  (B, H)
    floating[:, ::1] dx,           # OUT    (N, D), or (0, D) if not wanted
    floating[:, ::1] dW,           # INOUT  (D, 5H)
    floating[:, ::1] dU,           # INOUT  (H, 5H)
    floating[::1] db,              # INOUT  (5H,)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_Wt,  # IN     W.T, packed, if dx is wanted
    const floating[::1] packed_Ut,  # IN     U.T, packed
    floating[::1] packed_left,     # OUT    room for x or h of one chunk, packed
    floating[::1] packed_gates,    # OUT    room for the gates of one chunk, packed
    int64_t chunk_rows,
    bint candidate_tanh,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch backward, after `carry_lstm_forward` with ``keep``.

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
        Range columns = own_gates(share, H, 5, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
    with nogil:
        while end > 0:
            start = chunk_start(&alive[0], end, chunk_rows, &rows)
            for t in range(end - 1, start - 1, -1):
                row -= alive[t]
                before = alive[t - 1] if t > 0 else B
                vector_math.carry_lstm_backward(
                    alive[t], H, units, candidate_tanh, &gates[row, 0], &h[B + row - before, 0],
                    &c[B + row - before, 0], &c[B + row, 0],
                    &dy[row, 0] if dy.shape[0] > 0 else NULL, &dh[0, 0], &dc[0, 0])
                meet(share)
                propagate(alive[t], H, units, GH, &gates[row, 0], GH, &packed_Ut[0], mask_rows,
                          own_scratch, True, &dh[0, 0])
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
