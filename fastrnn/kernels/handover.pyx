"""Handing calls to another thread and waiting for their end.

To put a thread to sleep and to wake it takes tens of microseconds, as long as a small minibatch
does. So whoever waits first watches, without the GIL, a word that the other side will write, and
goes to sleep only if that takes long. While he watches he offers his processor again and again to
other threads that could use it.
"""

from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
    WAIT_LOCK,
)
from libc.stdint cimport int64_t


cdef extern from "waiting.h" nogil:
    int64_t nanoseconds() noexcept nogil
    void relax() noexcept nogil
    int load_flag(const int* flag) noexcept nogil
    void store_flag(int* flag, int value) noexcept nogil
    int sched_yield()


cdef struct Signal:
    int given
    PyThread_type_lock lock   # held until the signal is given


cdef int make_signal(Signal* signal) except -1:
    signal.given = 0
    signal.lock = PyThread_allocate_lock()
    if signal.lock == NULL:
        raise MemoryError("no memory for a lock")
    PyThread_acquire_lock(signal.lock, WAIT_LOCK)
    return 0


cdef void give(Signal* signal) noexcept nogil:
    store_flag(&signal.given, 1)
    PyThread_release_lock(signal.lock)


cdef void wait_for(Signal* signal, int64_t watch) noexcept nogil:
    """Wait for a signal, and take it back: watch for so many nanoseconds, then sleep."""
    cdef int64_t _, end
    if watch > 0 and not load_flag(&signal.given):
        end = nanoseconds() + watch
        while not load_flag(&signal.given) and nanoseconds() < end:
            for _ in range(20):
                relax()
            sched_yield()
    PyThread_acquire_lock(signal.lock, WAIT_LOCK)
    store_flag(&signal.given, 0)


cdef class Handover:
    """One thread hands over calls, another carries them out.

    Neither these methods nor `wait_for_all` can be interrupted halfway by Ctrl-C.
    """
    cdef Signal begun, ended
    cdef object call
    cdef int64_t watch
    cdef bint pending

    def __cinit__(self):
        make_signal(&self.begun)
        make_signal(&self.ended)

    def __dealloc__(self):
        if self.begun.lock != NULL:
            PyThread_free_lock(self.begun.lock)
        if self.ended.lock != NULL:
            PyThread_free_lock(self.ended.lock)

    def begin(self, call, int64_t watch):
        """Hand over a call that raises nothing, after the one before has ended.

        watch : nanoseconds that the other thread watches for the next call before it sleeps.
        """
        self.call = call
        self.watch = watch
        self.pending = True
        give(&self.begun)

    def serve(self):
        """Carry out calls for ever."""
        while True:
            with nogil:
                wait_for(&self.begun, self.watch)
            try:
                self.call()
            finally:
                self.call = None
                with nogil:  # so that who waits for it finds the GIL free
                    give(&self.ended)


def wait_for_all(list handovers, int64_t watch):
    """Wait until the calls that were handed over have ended: watch for so many nanoseconds, then
    sleep."""
    cdef Handover handover
    for handover in handovers:
        if handover.pending:
            with nogil:
                wait_for(&handover.ended, watch)
            handover.pending = False
