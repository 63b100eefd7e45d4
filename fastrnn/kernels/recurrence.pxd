"""What the driver of all cells (recurrence.pyx) and streams know of a cell."""

from fastrnn.kernels.vector_math cimport CellFunctions


cdef class Cell:
    cdef const CellFunctions* of_float
    cdef const CellFunctions* of_double
    cdef readonly str name
    cdef readonly int kept, last
    cdef readonly bint is_apart, is_twice, drops_gates, whole_rows
