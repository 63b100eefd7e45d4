"""Turns: threads that work together do not get into each other's way at the GIL.

To wait for the GIL is to sleep, and to be woken takes as long as a small kernel. So a thread that
works together with others, and comes out of a kernel, watches until none of them runs Python code.
Only kernels that may take long end the turn of their thread; others keep it, but nobody waits for
long. All of it means nothing to threads that work alone, nor where there is no GIL.
"""

cdef void end_turn() noexcept nogil   # where a kernel begins, after the GIL was released
cdef void take_turn() noexcept nogil  # where it ends, before the GIL is taken
