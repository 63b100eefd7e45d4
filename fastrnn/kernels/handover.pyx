# cython: auto_pickle=False
"""Handing calls to another thread and waiting for their end.

To put a thread to sleep and to wake it takes tens of microseconds, as long as a small minibatch
does. So whoever waits first watches, without the GIL, a word that the other side will write, and
goes to sleep only if that takes long. While he watches he offers his processor again and again to
other threads that could use it.
"""

cimport cython
from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
    WAIT_LOCK,
)
from libc.math cimport INFINITY
from libc.stdint cimport int64_t


cdef extern from "waiting.h" nogil:
    int64_t nanoseconds() noexcept nogil
    void relax() noexcept nogil
    int load_flag(const int* flag) noexcept nogil
    void store_flag(int* flag, int value) noexcept nogil
    int change_flag(int* flag, int expected, int value) noexcept nogil
    int64_t load_number(const int64_t* number) noexcept nogil
    void store_number(int64_t* number, int64_t value) noexcept nogil
    void offer_processor() noexcept nogil


cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define HAS_GIL 0
    #else
    #define HAS_GIL 1
    #endif
    static int turn;  /* set while some thread has its turn */
    static _Thread_local int takes_turns, has_turn;
    """
    const int HAS_GIL
    int turn, takes_turns, has_turn


cdef enum:
    LONGEST_TURN = 50_000  # nanoseconds that others wait for its end


cdef void end_turn() noexcept nogil:
    global has_turn
    if has_turn:
        has_turn = 0
        store_flag(&turn, 0)


cdef void take_turn() noexcept nogil:
    global has_turn
    cdef int64_t _, end
    if not takes_turns or has_turn:
        return
    if not change_flag(&turn, 0, 1):
        end = nanoseconds() + LONGEST_TURN
        while not change_flag(&turn, 0, 1):
            if nanoseconds() > end:
                return
            for _ in range(20):
                relax()
            offer_processor()
    has_turn = 1


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
    if change_flag(&signal.given, 0, 1):  # else it still stands
        PyThread_release_lock(signal.lock)


cdef void wait_for(Signal* signal, int64_t watch) noexcept nogil:
    """Wait for a signal, and take it back: watch for so many nanoseconds, then sleep."""
    cdef int64_t _, end
    if watch > 0 and not load_flag(&signal.given):
        end = nanoseconds() + watch
        while not load_flag(&signal.given) and nanoseconds() < end:
            for _ in range(20):
                relax()
            offer_processor()
    PyThread_acquire_lock(signal.lock, WAIT_LOCK)
    change_flag(&signal.given, 1, 0)


cdef enum:
    NOTHING, GIVEN, TAKEN


cdef class Handover:
    """One thread hands over calls, another carries them out.

    Neither these methods nor `wait_for_all` can be interrupted halfway by Ctrl-C.
    """
    cdef Signal begun, ended
    cdef object call
    cdef int64_t watch
    cdef int state   # of a call

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
        store_number(&self.watch, watch)
        change_flag(&self.state, NOTHING, GIVEN)
        give(&self.begun)

    def serve(self):
        """Carry out calls for ever."""
        global takes_turns
        takes_turns = HAS_GIL
        while True:
            with nogil:
                while not change_flag(&self.state, GIVEN, TAKEN):
                    wait_for(&self.begun, load_number(&self.watch))
                take_turn()
            try:
                self.call()
            finally:
                self.call = None
                with nogil:  # so that who waits for it finds the GIL free
                    end_turn()
                    give(&self.ended)


def wait_for_all(list handovers, int64_t watch, bint are_needed=True):
    """Wait until the calls that were handed over have ended: watch for so many nanoseconds, then
    sleep. Those that are not needed any more and have not begun, as where a thread still sleeps,
    are taken back."""
    cdef Handover handover
    for handover in handovers:
        if not are_needed and change_flag(&handover.state, GIVEN, NOTHING):
            handover.call = None
        elif load_flag(&handover.state) != NOTHING:
            with nogil:
                end_turn()
                wait_for(&handover.ended, watch)
            store_flag(&handover.state, NOTHING)


def forget_turns():
    """Begin anew in a forked child, where the thread that had its turn may not exist."""
    global turn, has_turn
    turn = has_turn = 0


cdef class Pool:
    """Threads that wait for calls, or work for someone who called `use`.

    What is counted stays right whatever happens: neither Ctrl-C nor another thread comes between
    the steps of a critical section, which run no Python code. With the GIL it costs nothing.
    """
    cdef object start   # start() starts a thread and returns its Handover, or raises RuntimeError
    cdef list idle
    cdef readonly int64_t n_working
    cdef public double no_teams_until

    def __init__(self, start):
        self.start, self.idle = start, []
        self.n_working, self.no_teams_until = 0, -INFINITY

    def use(self, int64_t n, int64_t n_processors, int64_t watch, call):
        """Return ``call(handovers, watch)``, which has n threads of its own until it ends.

        There are fewer if the system gives no more. What it handed over has ended then. Threads
        watch for `watch` nanoseconds before they sleep, but not where more of them than
        `n_processors` are at work.
        """
        global takes_turns, has_turn
        cdef list taken = []
        cdef int took_turns = takes_turns
        self.have(n)
        with cython.critical_section(self):
            while len(taken) < n and len(self.idle) > 0:
                taken.append(self.idle.pop())
            self.n_working += len(taken) + 1
        try:
            if self.n_working > n_processors:
                watch = 0
            takes_turns = HAS_GIL
            if takes_turns and not has_turn:
                has_turn = change_flag(&turn, 0, 1)
            return call(taken, watch)
        finally:
            wait_for_all(taken, watch)
            if not took_turns:
                end_turn()
                takes_turns = 0
            with cython.critical_section(self):
                self.idle += taken
                self.n_working -= len(taken) + 1

    cdef have(self, int64_t n):
        """Start threads until so many are idle, or the system gives no more."""
        try:
            while len(self.idle) < n:
                handover = self.start()
                with cython.critical_section(self):
                    self.idle.append(handover)
        except RuntimeError:  # "can't start new thread"
            pass


cdef class OneThread:
    """Counts who needs a library on one thread: the first sets it, the last sets it back.

    Like those of a Pool, its steps are critical sections.
    """
    # find() returns the functions of the library that set and get its number of threads, which run
    # no Python code; or None if there are none.
    cdef object find, functions, found
    cdef readonly int64_t users

    def __init__(self, find):
        self.find, self.functions, self.found, self.users = find, None, 1, 0

    @cython.critical_section
    def __enter__(self):
        if self.functions is None:
            self.functions = self.find() or ()
        if len(self.functions) == 0:
            return
        if self.users == 0:
            self.found = self.functions[1]()
            if self.found != 1:
                self.functions[0](1)
        self.users += 1

    @cython.critical_section
    def __exit__(self, *exception):
        if len(self.functions) == 0:
            return
        self.users -= 1
        if self.users == 0 and self.found != 1:
            self.functions[0](self.found)

    def call(self, function, *arguments):
        """Call a function while the library is on one thread."""
        self.__enter__()
        try:
            return function(*arguments)
        finally:
            self.__exit__()

    def forget_users(self):
        """Begin anew in a forked child, where the threads that used it do not exist."""
        if self.users > 0 and self.found != 1:
            self.functions[0](self.found)
        self.users = 0
