"""Numbers that are too small to be normal count as 0 in some kernels.

States, gradients and running means that vanish end in such numbers (below 1.2e-38 in float32,
2.2e-308 in float64), which take many processors a hundred times as long to multiply: a gradient
after some hundred steps back, the mean of the gradient of a word that no longer occurs, a stream of
silence. It is a mode of the thread, set back where the kernel ends.
"""

from libc.stdint cimport int64_t


cdef extern from "denormals.h" nogil:
    int64_t flush_denormals()                  # the mode as it was
    void restore_denormals(int64_t before)     # to that mode
