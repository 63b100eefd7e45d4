"""Gated recurrent unit, with the reset gate after or before the recurrent product.

For each step t, with the logistic function σ and elementwise products::

    r = σ(x W_r + h' U_r + b_r)        reset gate
    z = σ(x W_z + h' U_z + b_z)        update gate
    q = h' U_n + b_q                   after the product:
    n = tanh(x W_n + b_n + r q)            candidate
    n = tanh(x W_n + b_n + (r h') U_n + b_q)   before the product: candidate
    h = (1 - z) n + z h'               state and output

where x = x_t, h' = h_{t-1} (times the recurrent dropout mask, for every h' that enters a product).
b_q is the layers' parameter "b_n", the n block of b their input bias. Cho et al. (2014), arXiv
1406.1078, reset before the product; reset after the product, which is one product a step, is the
form of PyTorch and cuDNN. In both the roles of z and 1 - z are those of these libraries.

Backward; dh holds on entry to step t what later steps send to h_t, da is of the pre-activations::

    dh += dy
    da_z = dh (h' - n) z (1 - z)
    da_n = dh (1 - z) (1 - n^2)
  after the product:
    dq = da_n r
    da_r = da_n q r (1 - r)
    dh' = dh z + [da_r da_z dq] U^T
  before the product, with s = r h':
    ds = da_n U_n^T
    da_r = ds h' r (1 - r)
    dh' = dh z + ds r + [da_r da_z] [U_r U_z]^T

The elementwise lines stand in gru.h. Rows, alive, chunks and members are explained in
recurrence.pxd and team.pxd.
"""

from cython cimport floating
from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.products cimport (
    add_product_transposed, pack_right, product,
)
from fastrnn.kernels.recurrence cimport (
    add_masked, chunk_end, chunk_start, input_gradient, masked, pack_previous, pack_rows, propagate,
)
from fastrnn.kernels.team cimport Member, Share, meet, own_columns, own_gates
from fastrnn.kernels.vector_math cimport Range


def gru_forward(
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (3H,)
    const floating[::1] b_n,       # IN     (H,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H) without recurrent dropout
    floating[:, ::1] h,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] gates,        # OUT    (N, 3H), or (R, 3H)
    floating[:, ::1] q,            # OUT    (N, H), or (R, H)
    floating[:, ::1] h_U,          # OUT    (B, 3H)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_W,  # IN     W, packed
    const floating[::1] packed_U,  # IN     U, or its r and z blocks, packed
    const floating[::1] packed_U_n,  # IN   the n block of U, packed, for reset before
    int64_t chunk_rows,
    bint keep,
    bint outputs,
    bint reset_after,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch forward.

    h : the initial state in the first B rows on entry; on return h_t in the rows of step t, or each
        sequence's last state if there are only B rows.
    gates : on return the activated gates r | z | n, which `gru_backward` turns into gradients.
    q : on return h' U_n + b_n (reset after the product) or r h' (before).
    keep : False keeps nothing for the way back: gates and q are room for one chunk,
        R = max(chunk_rows, alive[0]).
    outputs : False keeps no outputs either: h has B rows.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N if outputs else h.shape[0]
        int64_t t, start = 0, end, rows, before = B
        int64_t row = 0             # packed row of the step
        int64_t gate_row            # its row in gates and q
        int64_t previous = 0        # row of h where the previous state stands
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, 3, sizeof(floating))
        Range two_gates = own_gates(share, H, 2, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* h_in
        floating* h_previous
        floating* h_new
    with nogil:
        while start < T:
            end = chunk_end(&alive[0], T, start, chunk_rows, &rows)
            gate_row = row if keep else 0
            # gates = b + x @ W
            product(rows, columns, D, &x[row, 0], D, &packed_W[0], &b[0], 0, &gates[gate_row, 0],
                    GH)
            meet(share)
            for t in range(start, end):
                h_previous = &h[previous if outputs else 0, 0]
                h_new = &h[B + row if outputs else 0, 0]
                h_in = masked(alive[t] * H, h_previous, mask_rows, own_scratch)
                if reset_after:
                    # h_U = h_in @ U
                    product(alive[t], columns, H, h_in, H, &packed_U[0], <const floating*>NULL, 0,
                            &h_U[0, 0], GH)
                    if columns.count == 1 or not outputs:  # gates from others; h_new is h_previous
                        meet(share)
                    vector_math.gru_forward(
                        alive[t], H, units, &gates[gate_row, 0], &h_U[0, 0], &b_n[0],
                        &q[gate_row, 0], h_previous, h_new)
                else:
                    # gates[:, :2H] += h_in @ U[:, :2H]
                    product(alive[t], two_gates, H, h_in, H, &packed_U[0], &gates[gate_row, 0], GH,
                            &gates[gate_row, 0], GH)
                    if two_gates.count == 1:
                        meet(share)
                    vector_math.gru_before_forward_reset(
                        alive[t], H, units, &gates[gate_row, 0], h_in, &q[gate_row, 0])
                    meet(share)
                    # gates[:, 2H:] += q @ U[:, 2H:]
                    product(alive[t], units, H, &q[gate_row, 0], H, &packed_U_n[0],
                            &gates[gate_row, 2 * H], GH, &gates[gate_row, 2 * H], GH)
                    vector_math.gru_before_forward_state(
                        alive[t], H, units, &gates[gate_row, 0], &b_n[0], h_previous, h_new)
                meet(share)
                previous += before
                before = alive[t]
                row += alive[t]
                gate_row += alive[t]
            start = end


def gru_backward(
    const floating[:, ::1] x,      # IN     (N, D)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H)
    const floating[:, ::1] h,      # IN     (B + N, H)
    floating[:, ::1] gates,        # INOUT  (N, 3H)
    floating[:, ::1] q,            # INOUT  (N, H)
    const floating[:, ::1] dy,     # IN     (N, H), or (0, H) if nothing comes from above
    floating[:, ::1] dh,           # INOUT  (B, H)
    floating[:, ::1] dx,           # OUT    (N, D), or (0, D) if not wanted
    floating[:, ::1] dW,           # INOUT  (D, 3H)
    floating[:, ::1] dU,           # INOUT  (H, 3H)
    floating[::1] db,              # INOUT  (3H,)
    floating[::1] db_n,            # INOUT  (H,)
    const floating[::1] packed_Wt,  # IN     W.T, packed, if dx is wanted
    const floating[::1] packed_Ut,  # IN     the r and z blocks of U.T, packed
    const floating[::1] packed_Ut_n,  # IN  the n block of U.T, packed
    floating[::1] packed_left,     # OUT    room for x or h of one chunk, packed
    floating[::1] packed_gates,    # OUT    room for the gates of one chunk, packed
    floating[:, ::1] dreset,       # OUT    (B, H)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    int64_t chunk_rows,
    bint reset_after,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch backward, after `gru_forward` with ``keep``.

    gates : the activated gates on entry, the gradient of their pre-activations on return.
    q : as `gru_forward` left it on entry; its gradient on return (reset after), or untouched
        (before).
    dh : on entry the gradient of each sequence's final state; on return that of its initial state.
    dW, dU, db, db_n : added to.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1], GH = gates.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N
        int64_t t, start, end = T, rows, before
        int64_t row = N             # packed row of the step
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        Range columns = own_gates(share, H, 3, sizeof(floating))
        Range two_gates = own_gates(share, H, 2, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* dy_rows
        const floating* h_in
    with nogil:
        while end > 0:
            start = chunk_start(&alive[0], end, chunk_rows, &rows)
            for t in range(end - 1, start - 1, -1):
                row -= alive[t]
                before = alive[t - 1] if t > 0 else B
                dy_rows = &dy[row, 0] if dy.shape[0] > 0 else NULL
                if reset_after:
                    vector_math.gru_backward(
                        alive[t], H, units, &gates[row, 0], &q[row, 0], &h[B + row - before, 0],
                        dy_rows, &dh[0, 0])
                    meet(share)
                    propagate(alive[t], H, units, H, &q[row, 0], H, &packed_Ut_n[0], mask_rows,
                              own_scratch, True, &dh[0, 0])
                else:
                    vector_math.gru_before_backward_state(
                        alive[t], H, units, &gates[row, 0], &h[B + row - before, 0], dy_rows,
                        &dh[0, 0])
                    meet(share)
                    # dreset = gates[:, 2H:] @ U[:, 2H:].T
                    product(alive[t], units, H, &gates[row, 2 * H], GH, &packed_Ut_n[0],
                            <const floating*>NULL, 0, &dreset[0, 0], H)
                    h_in = masked(alive[t] * H, &h[B + row - before, 0], mask_rows, own_scratch)
                    vector_math.gru_before_backward_reset(
                        alive[t], H, units, &gates[row, 0], h_in, &dreset[0, 0])
                    add_masked(alive[t], H, units, &dreset[0, 0], mask_rows, &dh[0, 0])
                    meet(share)
                propagate(alive[t], H, units, 2 * H, &gates[row, 0], GH, &packed_Ut[0], mask_rows,
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
            # dU[:, :2H] += previous.T @ gates[:, :2H]
            meet(share)
            pack_previous(share, start, end, rows, H, &alive[0], B, row, &h[0, 0], mask_rows,
                          &packed_left[0])
            meet(share)
            add_product_transposed(H, two_gates, rows, &packed_left[0], &packed_gates[0], GH,
                                   &dU[0, 0], GH)
            meet(share)
            if reset_after:
                # dU[:, 2H:] += previous.T @ q; db_n += q.sum(axis=0)
                pack_right(rows, units, &q[row, 0], H, &packed_gates[0], &db_n[0])
            else:
                # dU[:, 2H:] += q.T @ gates[:, 2H:]; db_n += gates[:, 2H:].sum(axis=0)
                pack_right(rows, units, &gates[row, 2 * H], GH, &packed_gates[0], &db_n[0])
                pack_rows(share, rows, H, &q[row, 0], &packed_left[0])
            meet(share)
            add_product_transposed(H, units, rows, &packed_left[0], &packed_gates[0], H,
                                   &dU[0, 2 * H], GH)
            meet(share)
            end = start
