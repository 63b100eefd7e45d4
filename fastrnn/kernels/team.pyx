# cython: auto_pickle=False
"""Calls of kernels by a team of threads (team.pxd)."""

from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport calloc, free

from fastrnn.kernels.handover import wait_for_all


cdef class Team:
    """What the members of a team have in common."""

    def __cinit__(self, int64_t size):
        cdef uintptr_t begin
        self.size = size
        self.memory = calloc(size + 2, sizeof(Place))  # one more than there are, to begin at a line
        if self.memory == NULL:
            raise MemoryError("no memory for a team")
        begin = (<uintptr_t>self.memory + sizeof(Place) - 1) // sizeof(Place) * sizeof(Place)
        self.places = <Place*>begin

    def __dealloc__(self):
        free(self.memory)

    cdef give_up(self, error):
        """Let nobody wait any more, because of an error, of which the first is kept."""
        if change_flag(&self.places[self.size].meetings, 0, 1):
            self.error = error


cdef class Member:
    """One thread in a call: the last argument of a kernel, which says what its shard is.

    It is number `number`, from 0, of its team, and calls a function with its arguments and itself.
    """

    def __init__(self, Team team, int64_t number, function=None, tuple arguments=()):
        self.team = team
        self.function, self.arguments = function, arguments
        self.share.number, self.share.size = number, team.size
        self.share.places = team.places

    def __call__(self):
        """Do its shard; raises nothing."""
        try:
            self.function(*self.arguments, self)
        except BaseException as error:
            self.team.give_up(error)
        finally:
            self.function = self.arguments = None


ALONE = Member(Team(1), 0)
"""The only member of a team, for calls by one thread."""


cdef class CallingThread:
    """The calling thread instead of a team: compiled, for it is what calls most kernels."""

    cdef readonly int64_t size

    def __init__(self):
        self.size = 1

    def call(self, kernel, *arguments):
        """Call a kernel with the arguments and then the only member."""
        kernel(*arguments, ALONE)


def call_together(function, tuple arguments, list handovers, int64_t watch):
    """Call a kernel by the calling thread and others together, and wait for their end.

    It cannot be interrupted halfway by Ctrl-C. The other threads, in `handovers`, must wait for
    calls; they watch for `watch` nanoseconds before they sleep. The first error of a member is
    raised. Returns whether it went well: False if the members together waited for others so long
    that one thread alone would have been about as fast, which is so where one of them had to share
    its processor.
    """
    cdef:
        Team team = Team(len(handovers) + 1)
        list members = [Member(team, k, function, arguments) for k in range(team.size)]
        int64_t k, waited = 0, start = nanoseconds()
    try:
        for handover, member in zip(handovers, members[1:], strict=True):
            handover.begin(member, watch)
        members[0]()
    except BaseException as error:
        team.give_up(error)
    wait_for_all(handovers, watch)
    if team.error is not None:
        raise team.error
    for k in range(team.size):
        waited += team.places[k].waited
    return 2 * waited < (team.size - 1) * (nanoseconds() - start)
