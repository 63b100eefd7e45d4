"""What a stream reads of a step with gaps and times, as `fastrnn.inputs.missing` has it."""

from cython cimport floating
from libc.math cimport isnan
from libc.stdint cimport int64_t


cdef struct Gaps:
    bint is_plain          # whether all numbers are read as they are
    bint allows            # whether values may be missing
    bint has_time          # whether the last of the numbers given is a time
    int64_t n_values       # numbers given beside it
    double unit            # what differences of times are divided by
    double* seen           # (streams, n_values): the last ones that were not missing
    double* time           # (streams,)
    double* new_seen       # (streams, n_values): what it is after this step
    double* new_time       # (streams,)


cdef inline bint read_value(
    const Gaps* g,
    int64_t n,        # stream
    int64_t k,        # number of the value
    double value,
    floating* read,   # OUT  (n_values + has_time + n_values,)
) noexcept nogil:
    """Read a value, or what stands for one that is missing, and its mark; whether it will do."""
    cdef:
        int64_t place = n * g.n_values + k
        bint is_missing = isnan(value)
    if is_missing:
        if not g.allows:
            return False
        value = g.seen[place]
    read[k] = <floating>value
    if g.allows:
        g.new_seen[place] = value
        read[g.n_values + g.has_time + k] = is_missing
    return read[k] - read[k] == 0


cdef inline bint read_time(
    const Gaps* g,
    int64_t n,        # stream
    bint is_first,    # whether it is that of a first step
    double time,
    floating* read,   # OUT  (n_values + 1,)
) noexcept nogil:
    """Read the time of a step; whether it will do."""
    cdef double elapsed = 0.0 if is_first else time - g.time[n]
    if not elapsed >= 0 or time - time != 0:
        return False
    g.new_time[n] = time
    read[g.n_values] = <floating>(elapsed / g.unit)
    return read[g.n_values] - read[g.n_values] == 0
