"""Several threads that run one call of a kernel together: what is whose, and where they meet.

The members of a team get the same arrays. Each computes its own columns of every product, its own
units in the pointwise passes and its own rows where there is no order to keep, so that every number
is computed by one member, the same way as by a thread alone: the same bits for any number of
members. A member reads what others have written only after all of them have met. A team of one has
everything for itself, and meets nobody.
"""

from libc.stdint cimport int64_t

cimport fastrnn.kernels.vector_math as vector_math
from fastrnn.kernels.vector_math cimport Range


cdef extern from "waiting.h" nogil:
    int64_t nanoseconds() noexcept nogil
    void relax() noexcept nogil
    int load_flag(const int* flag) noexcept nogil
    void store_flag(int* flag, int value) noexcept nogil
    int change_flag(int* flag, int expected, int value) noexcept nogil
    void offer_processor() noexcept nogil


cdef enum:
    PATIENCE = 500  # looks at a word before offering the processor to other threads


cdef struct Place:
    # Two lines of the cache, which are fetched together, so that nobody else writes to them.
    int64_t waited   # nanoseconds of impatient waiting
    int meetings     # how many its member has come to
    int unused[29]


cdef struct Share:
    int64_t number   # of the member, from 0
    int64_t size     # of the team
    Place* places    # (size + 1,): of the members, then one that counts a call that was given up


cdef inline void meet(const Share* share) noexcept nogil:
    """Wait until all members have come here, unless the call was given up: then its result does not
    matter, and all run on to their ends."""
    cdef int64_t k, looks, start = 0
    cdef int meeting
    if share.size == 1:
        return
    meeting = load_flag(&share.places[share.number].meetings) + 1
    store_flag(&share.places[share.number].meetings, meeting)
    for k in range(share.size):
        looks = 0
        while load_flag(&share.places[k].meetings) < meeting:
            if load_flag(&share.places[share.size].meetings):
                return
            looks += 1
            if looks < PATIENCE:
                relax()
            else:
                if start == 0:
                    start = nanoseconds()
                offer_processor()
    if start != 0:
        share.places[share.number].waited += nanoseconds() - start


cdef inline Range make_range(
    int64_t begin, int64_t end, int64_t count, int64_t stride
) noexcept nogil:
    cdef Range made
    made.begin, made.end, made.count, made.stride = begin, end, count, stride
    return made


cdef inline Range own(const Share* share, int64_t N) noexcept nogil:
    """Which of N rows are a member's."""
    return make_range(
        N * share.number // share.size, N * (share.number + 1) // share.size, 1, 0)


cdef inline int64_t first_column(int64_t N, int64_t panel, int64_t k, int64_t size) noexcept nogil:
    """Where the columns of member k begin: at a panel. What is left behind the last panel goes with
    it if it is less than a half, because a few columns alone would be summed in another order."""
    cdef int64_t panels = max(1, (N + panel // 2) // panel)
    size = min(size, panels)
    return panel * ((panels * k + size - 1) // size) if k < size else N


cdef inline Range own_columns(const Share* share, int64_t N, size_t itemsize) noexcept nogil:
    """Which of the N columns of a product, or of N units, are a member's; some may have none."""
    cdef int64_t panel = vector_math.panel_bytes // <int64_t>itemsize
    return make_range(first_column(N, panel, share.number, share.size),
                      first_column(N, panel, share.number + 1, share.size), 1, 0)


cdef inline Range own_gates(
    const Share* share, int64_t H, int64_t G, size_t itemsize
) noexcept nogil:
    """Which of the columns of G gates are a member's. Where each gate is whole panels, enough for
    all, they are those of its own units, in G blocks; otherwise it gets gates of other members'
    units."""
    cdef int64_t panel = vector_math.panel_bytes // <int64_t>itemsize
    cdef Range units = own_columns(share, H, itemsize)
    if share.size == 1 or H % panel != 0 or H < share.size * panel:
        return own_columns(share, G * H, itemsize)
    return make_range(units.begin, units.end, G, H)


cdef inline Range all_of(int64_t N) noexcept nogil:
    return make_range(0, N, 1, 0)


cdef class Team:
    cdef readonly int64_t size
    cdef readonly object error
    cdef void* memory
    cdef Place* places
    cdef give_up(self, error)


cdef class Member:
    cdef Share share
    cdef Team team
    cdef object function
    cdef tuple arguments
