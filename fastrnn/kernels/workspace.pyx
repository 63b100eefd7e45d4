# cython: auto_pickle=False
"""Arrays that are kept from call to call: fresh memory costs page faults at every minibatch.

Compiled, because a small minibatch asks for as many arrays as it calls kernels, and asking takes
longer than some of these.
"""

import math

import numpy as np

from fastrnn.kernels.vector_math import packed_left_size, packed_size

ALIGNMENT = 64
"""Bytes: the widest vector, and a line of the cache."""


cdef class Workspace:
    """Hands out arrays by name; an array of a name is reused, and replaced when it is too small.

    Two arrays of one name share memory, and an array holds whatever its last user left in it. A
    workspace belongs to one thread at a time. `dtype` is the type of all its elements, unless
    `take` asks for another; `rounds` says whether what works on them rounds the factors of its
    products to bfloat16.
    """

    cdef:
        readonly object dtype
        readonly bint rounds
        readonly dict ways   # what its user remembers of its arrays, until one is replaced
        dict buffers   # name: the vector whose beginning was last handed out
        dict views     # name: (shape, what was last handed out)
        dict packed_rooms   # name: (rows, columns, what was last handed out)
        dict parts
        list calls   # to which those of `call` are added; or None

    def __init__(self, dtype, rounds=False):
        self.dtype, self.rounds = np.dtype(dtype), rounds
        self.buffers, self.views, self.packed_rooms, self.parts = {}, {}, {}, {}
        self.ways = {}

    def take(self, name, tuple shape, dtype=None):
        """An uninitialized C-contiguous array; its dtype is always the same for a name."""
        cdef tuple known = self.views.get(name)
        if known is not None and known[0] == shape:
            return known[1]
        size = math.prod(shape)
        buffer = self.buffers.get(name)
        if buffer is None or buffer.size < size:
            # Let go of the old memory before there is new.
            self.ways.clear()
            self.buffers[name] = self.views[name] = known = buffer = None
            buffer = self.buffers[name] = self.make(size, np.dtype(dtype or self.dtype))
        view = buffer[:size].reshape(shape)
        self.views[name] = (shape, view)
        return view

    def make(self, size, dtype):
        """An uninitialized vector that begins at a multiple of ALIGNMENT."""
        spare = ALIGNMENT // dtype.itemsize
        buffer = np.empty(size + spare, dtype=dtype)
        begin = -buffer.ctypes.data % ALIGNMENT // dtype.itemsize
        return buffer[begin : begin + size]

    def call(self, kernel, *arguments):
        """Let a kernel work on arrays, of this workspace among others."""
        if self.calls is not None:
            self.calls.append((kernel, arguments))
        return kernel(*arguments)

    def write_down(self, list calls):
        """From now on add every call, in this workspace and its parts, to a list; or to None."""
        self.calls = calls
        for part in self.parts.values():
            part.write_down(calls)

    def calls_of(self, team):
        """The function by which a team lets its members work on arrays."""
        return team.call

    def zeros(self, name, tuple shape):
        """The same as `take`, filled with zeros."""
        array = self.take(name, shape)
        self.call(array.fill, 0)
        return array

    def part(self, name):
        """A workspace within this one, which may belong to another thread; by name, too."""
        part = self.parts.get(name)
        if part is None:
            part = self.parts[name] = type(self)(self.dtype, self.rounds)
            part.write_down(self.calls)
        return part

    @property
    def nbytes(self):
        """Bytes of all arrays that it keeps, of its parts, too."""
        nbytes = sum([buffer.nbytes for buffer in self.buffers.values()])
        return nbytes + sum([part.nbytes for part in self.parts.values()])

    def rounded(self, size):
        """Room for so many elements of rounded rows; None where nothing is rounded."""
        return self.take("rounded", (size,)) if self.rounds else None

    def packed(self, name, n_rows, n_columns):
        """A vector: room for the second factor (n_rows, n_columns) of a product in packed form."""
        return self.packed_room(name, packed_size, n_rows, n_columns)

    def packed_left(self, name, n_rows, n_columns):
        """Room for a first factor that enters transposed, likewise."""
        return self.packed_room(name, packed_left_size, n_rows, n_columns)

    cdef packed_room(self, name, size_of, n_rows, n_columns):
        cdef tuple known = self.packed_rooms.get(name)
        if known is not None and known[0] == n_rows and known[1] == n_columns:
            return known[2]
        self.packed_rooms.pop(name, None)  # let go of it
        array = self.take(name, (size_of(n_rows, n_columns),))
        self.packed_rooms[name] = (n_rows, n_columns, array)
        return array
