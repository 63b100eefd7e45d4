"""What a stream reads of a step with gaps and times, as `fastrnn.inputs.missing` has it, and what
is left of values and states where they decay (decay.pyx)."""

from cython cimport floating
from libc.math cimport exp, isnan
from libc.stdint cimport int64_t


cdef struct Gaps:
    bint is_plain          # whether all numbers are read as they are
    bint allows            # whether values may be missing
    bint has_time          # whether the last of the numbers given is a time
    int64_t n_values       # F, numbers given beside it
    double unit            # what differences of times are divided by
    double* seen           # (streams, F): the last ones that were not missing
    double* time           # (streams,)
    double* since          # (streams, F): time since a value that is missing was last seen; or NULL
    double* new_seen       # (streams, F): what they are after this step
    double* new_time       # (streams,)
    double* new_since      # (streams, F)
    void* times            # (streams, F): times since values were last seen, before this step
    const void* mean       # (F,), and what decays have learned, if they decay
    const void* w_x        # (F,)
    const void* b_x        # (F,)
    const void* W_h        # (F, H)
    const void* b_h        # (H,)


cdef inline floating left_after(floating rate) noexcept nogil:
    """How much is left."""
    return <floating>exp(-rate) if rate > 0 else <floating>1


cdef inline bint read_gaps(
    const Gaps* g,
    int64_t n,                # stream
    bint is_first,            # whether it is at its first step
    const double* given,      # IN   (F + has_time,)
    floating* read,           # OUT  (F + has_time + F,), or (F + has_time,) if none may be missing
) noexcept nogil:
    """Read the numbers of a step: what stands for those that are missing, the time since the step
    before, and marks; whether they will do."""
    cdef:
        int64_t k, place, F = g.n_values
        double time, value, elapsed = 0.0 if is_first else 1.0
        floating left
        bint is_missing
        floating* times = <floating*>g.times
        const floating* mean = <const floating*>g.mean
    if g.has_time:
        time = given[F]
        elapsed = 0.0 if is_first else time - g.time[n]
        if not elapsed >= 0 or time - time != 0:
            return False
        g.new_time[n] = time
        elapsed /= g.unit
        read[F] = <floating>elapsed
        if read[F] - read[F] != 0:
            return False
    for k in range(F):
        place, value = n * F + k, given[k]
        is_missing = isnan(value)
        if is_missing:
            if not g.allows:
                return False
            value = g.seen[place]
        read[k] = <floating>value
        if read[k] - read[k] != 0:
            return False
        if not g.allows:
            continue
        g.new_seen[place] = value
        read[F + g.has_time + k] = is_missing
        if g.since == NULL:
            continue
        time = 0.0 if is_first else elapsed + g.since[place]
        g.new_since[place] = time if is_missing else 0
        times[place] = <floating>time
        if is_missing:
            left = left_after((<const floating*>g.w_x)[k] * times[place]
                              + (<const floating*>g.b_x)[k])
            read[k] = left * read[k] + (1 - left) * mean[k]
    return True


cdef inline void decay_states(
    const Gaps* g,
    int64_t begin,       # first stream
    int64_t rows,
    int64_t H,
    floating* h,         # INOUT  (rows, H)
) noexcept nogil:
    """What is left of the states of the first layer when a step begins."""
    cdef:
        int64_t n, k, j, F = g.n_values
        const floating* times = <const floating*>g.times + begin * F
        const floating* W = <const floating*>g.W_h
        const floating* b = <const floating*>g.b_h
        floating rate
    for n in range(rows):
        for j in range(H):
            rate = b[j]
            for k in range(F):
                rate += times[n * F + k] * W[k * H + j]
            h[n * H + j] *= left_after(rate)
