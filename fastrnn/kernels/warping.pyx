"""Sequences read at other moments: between steps, at a speed that changes."""

from cython cimport floating
from libc.stdint cimport int64_t


def warp_rows(
    const floating[:, ::1] values,   # IN   (N, D)
    const int64_t[::1] first,        # IN   (n,) row of the first step of each sequence
    const int64_t[::1] offsets,      # IN   (n + 1,) where the steps of each begin in the target
    const double[:, ::1] ends,       # IN   (n, S + 1) from 0 to 1: moments that S stretches end at
    floating[:, ::1] target,         # OUT  (N', D)
    int64_t[::1] nearest,            # OUT  (N',) the row next to each, or (0,)
):
    """Let the steps of a sequence, equally far apart, be at moments that are linear in between.

    The first and the last step stay where they are; a step between two rows is on the line
    between them.
    """
    cdef:
        int64_t n, t, j, k, row, before, after, last, S = ends.shape[1] - 1, D = values.shape[1]
        double place, moment, share
    with nogil:
        for n in range(first.shape[0]):
            last = offsets[n + 1] - offsets[n] - 1
            for t in range(last + 1):
                place = S * <double>t / max(last, 1)
                k = min(<int64_t>place, S - 1)
                moment = last * (ends[n, k] + (place - k) * (ends[n, k + 1] - ends[n, k]))
                before = min(<int64_t>moment, last)
                after = min(before + 1, last)
                share = min(moment - before, 1.0)
                row = offsets[n] + t
                before += first[n]
                after += first[n]
                for j in range(D):
                    target[row, j] = <floating>(
                        (1.0 - share) * values[before, j] + share * values[after, j]
                    )
                if nearest.shape[0]:
                    nearest[row] = before if share < 0.5 else after
