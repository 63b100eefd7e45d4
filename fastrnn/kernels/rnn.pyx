"""The plain recurrent network (Elman 1990, Cognitive Science 14(2) 179-211).

For each step t::

    h = φ(x W + h' U + b)              φ is tanh, or relu if asked

where x = x_t, h' = h_{t-1} (times the recurrent dropout mask).

Backward; dh holds on entry to step t what later steps send to h_t::

    da = (dh + dy) φ'                  φ' = 1 - h^2, or 1 where h > 0 and 0 elsewhere
    dh' = da U^T

The elementwise lines stand in rnn.h. Rows, alive, chunks and members are explained in
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
from fastrnn.kernels.team cimport Member, Share, meet, own_columns
from fastrnn.kernels.vector_math cimport Range


def rnn_forward(
    const floating[:, ::1] x,      # IN     (N, D)
    const floating[::1] b,         # IN     (H,)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H) without recurrent dropout
    floating[:, ::1] h,            # INOUT  (B + N, H), or (B, H)
    floating[:, ::1] gates,        # OUT    (R, H)
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_W,  # IN     W, packed
    const floating[::1] packed_U,  # IN     U, packed
    int64_t chunk_rows,
    bint relu,
    bint outputs,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch forward.

    h : the initial state in the first B rows on entry; on return h_t in the rows of step t, or each
        sequence's last state if there are only B rows.
    gates : room for the pre-activations of one chunk, R = max(chunk_rows, alive[0]).
    relu : whether the activation is relu instead of tanh.
    outputs : False keeps no outputs: h has B rows.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N if outputs else h.shape[0]
        int64_t t, start = 0, end, rows, before = B
        int64_t row = 0             # packed row of the step
        int64_t gate_row            # its row in gates
        bint stepwise
        int64_t previous = 0        # row of h where the previous state stands
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
        const floating* h_in
        floating* h_previous
        floating* h_new
    with nogil:
        while start < T:
            end = chunk_end(&alive[0], T, start, chunk_rows, &rows)
            gate_row = 0
            stepwise = projects_stepwise(D, alive[start])
            if not stepwise:
                # gates = b + x @ W
                product(rows, units, D, &x[row, 0], D, &packed_W[0], &b[0], 0, &gates[0, 0], H)
            for t in range(start, end):
                h_previous = &h[previous if outputs else 0, 0]
                h_new = &h[B + row if outputs else 0, 0]
                h_in = masked(alive[t] * H, h_previous, mask_rows, own_scratch)
                if stepwise:
                    # gates = b + x @ W + h_in @ U
                    product_pair(alive[t], units, D, &x[row, 0], D, &packed_W[0], H, h_in, H,
                                 &packed_U[0], &b[0], 0, &gates[gate_row, 0], H)
                else:
                    # gates += h_in @ U
                    product(alive[t], units, H, h_in, H, &packed_U[0], &gates[gate_row, 0], H,
                            &gates[gate_row, 0], H)
                if not outputs:  # where h_new is h_previous, which others may still read
                    meet(share)
                vector_math.rnn_forward(alive[t], H, units, relu, &gates[gate_row, 0], h_new)
                meet(share)
                previous += before
                before = alive[t]
                row += alive[t]
                gate_row += alive[t]
            start = end


def rnn_backward(
    const floating[:, ::1] x,      # IN     (N, D)
    const int64_t[::1] alive,      # IN     (T,)
    const floating[:, ::1] mask,   # IN     (B, H), or (0, H)
    const floating[:, ::1] h,      # IN     (B + N, H)
    const floating[:, ::1] dy,     # IN     (N, H), or (0, H) if nothing comes from above
    floating[:, ::1] dh,           # INOUT  (B, H)
    floating[:, ::1] dx,           # OUT    (N, D), or (0, D) if not wanted
    floating[:, ::1] dW,           # INOUT  (D, H)
    floating[:, ::1] dU,           # INOUT  (H, H)
    floating[::1] db,              # INOUT  (H,)
    floating[:, ::1] dgates,       # OUT    (R, H), room for a chunk, R = max(chunk_rows, alive[0])
    floating[:, ::1] scratch,      # OUT    (members · B, H), room of each
    const floating[::1] packed_Wt,  # IN     W.T, packed, if dx is wanted
    const floating[::1] packed_Ut,  # IN     U.T, packed
    floating[::1] packed_left,     # OUT    room for x or h of one chunk, packed
    floating[::1] packed_gates,    # OUT    room for the gates of one chunk, packed
    int64_t chunk_rows,
    bint relu,
    Member member,                 # whose part of the work is done
):
    """Run a packed batch backward, after `rnn_forward`.

    dh : on entry the gradient of each sequence's final state; on return that of its initial state.
    dW, dU, db : added to.
    """
    cdef:
        int64_t N = x.shape[0], D = x.shape[1], H = h.shape[1]
        int64_t T = alive.shape[0], B = h.shape[0] - N
        int64_t t, start, end = T, rows
        int64_t row = N             # packed row of the step
        int64_t chunk_row           # its row in dgates
        const Share* share = &member.share
        Range units = own_columns(share, H, sizeof(floating))
        floating* own_scratch = &scratch[0, 0] + share.number * B * H
        const floating* mask_rows = &mask[0, 0] if mask.shape[0] > 0 else NULL
    with nogil:
        while end > 0:
            start = chunk_start(&alive[0], end, chunk_rows, &rows)
            chunk_row = rows
            for t in range(end - 1, start - 1, -1):
                row -= alive[t]
                chunk_row -= alive[t]
                vector_math.rnn_backward(
                    alive[t], H, units, relu, &h[B + row, 0],
                    &dy[row, 0] if dy.shape[0] > 0 else NULL, &dh[0, 0], &dgates[chunk_row, 0])
                meet(share)
                propagate(alive[t], H, units, H, &dgates[chunk_row, 0], H, &packed_Ut[0],
                          mask_rows, own_scratch, False, &dh[0, 0])
            if dx.shape[0] > 0:
                # dx = dgates @ W.T
                input_gradient(share, rows, D, H, &dgates[0, 0], &packed_Wt[0], &dx[row, 0])
            # db += dgates.sum(axis=0)
            pack_right(rows, units, &dgates[0, 0], H, &packed_gates[0], &db[0])
            # dW += x.T @ dgates
            pack_rows(share, rows, D, &x[row, 0], &packed_left[0])
            meet(share)
            add_product_transposed(D, units, rows, &packed_left[0], &packed_gates[0], H,
                                   &dW[0, 0], H)
            # dU += previous.T @ dgates
            meet(share)
            pack_previous(share, start, end, rows, H, &alive[0], B, row, &h[0, 0], mask_rows,
                          &packed_left[0])
            meet(share)
            add_product_transposed(H, units, rows, &packed_left[0], &packed_gates[0], H,
                                   &dU[0, 0], H)
            meet(share)
            end = start
