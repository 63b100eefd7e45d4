"""Arrays that are kept from call to call: fresh memory costs page faults at every minibatch."""

import math

import numpy as np

from fastrnn.kernels.vector_math import packed_left_size, packed_size

ALIGNMENT = 64
"""Bytes: the widest vector, and a line of the cache."""


class Workspace:
    """Hands out arrays by name; an array of a name is reused, and replaced when it is too small.

    Two arrays of one name share memory, and an array holds whatever its last user left in it. A
    workspace belongs to one thread at a time.

    Parameters
    ----------
    dtype : numpy.dtype
        Element type of all its arrays, unless `take` asks for another.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self._buffers = {}
        self._views = {}
        self._parts = {}
        self._packed = {}

    def take(self, name, shape, dtype=None):
        """An uninitialized C-contiguous array.

        Parameters
        ----------
        name : hashable
            What the array is for.
        shape : tuple of int
            Its shape.
        dtype : numpy.dtype, optional
            Its type, always the same for a name.

        Returns
        -------
        ndarray
        """
        known = self._views.get(name)
        if known is not None and known[0] == shape:
            return known[1]
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            # Let go of the old memory before there is new.
            self._buffers[name] = self._views[name] = known = buffer = None
            buffer = self._buffers[name] = self._make(size, np.dtype(dtype or self.dtype))
        view = buffer[:size].reshape(shape)
        self._views[name] = (shape, view)
        return view

    def _make(self, size, dtype):
        """Memory for a vector."""
        return _aligned(size, dtype)

    def call(self, kernel, *arguments):
        """Let a kernel work on arrays, of this workspace among others."""
        return kernel(*arguments)

    def calls_of(self, team):
        """The function by which a team lets its members work on arrays."""
        return team.call

    def zeros(self, name, shape):
        """The same, filled with zeros."""
        array = self.take(name, shape)
        array.fill(0)
        return array

    def part(self, name):
        """A workspace within this one, which may belong to another thread.

        Parameters
        ----------
        name : hashable
            What it is for.

        Returns
        -------
        Workspace
            Always the same for a name.
        """
        if name not in self._parts:
            self._parts[name] = type(self)(self.dtype)
        return self._parts[name]

    @property
    def nbytes(self):
        """Bytes of all arrays that it keeps, of its parts, too."""
        nbytes = sum(buffer.nbytes for buffer in self._buffers.values())
        return nbytes + sum(part.nbytes for part in self._parts.values())

    def packed(self, name, n_rows, n_columns):
        """Room for the second factor of a matrix product in packed form.

        Parameters
        ----------
        name : hashable
            What the array is for.
        n_rows, n_columns : int
            Shape of the factor.

        Returns
        -------
        ndarray
            One-dimensional.
        """
        return self._take_packed(name, packed_size, n_rows, n_columns)

    def packed_left(self, name, n_rows, n_columns):
        """Room for a first factor that enters transposed, in packed form.

        Parameters
        ----------
        name : hashable
            What the array is for.
        n_rows, n_columns : int
            Shape of the factor.

        Returns
        -------
        ndarray
            One-dimensional.
        """
        return self._take_packed(name, packed_left_size, n_rows, n_columns)

    def _take_packed(self, name, size_of, n_rows, n_columns):
        known = self._packed.get(name)
        if known is not None and known[0] == n_rows and known[1] == n_columns:
            return known[2]
        self._packed.pop(name, None)  # let go of it
        array = self.take(name, (size_of(n_rows, n_columns),))
        self._packed[name] = (n_rows, n_columns, array)
        return array


class CountingWorkspace(Workspace):
    """A workspace for dry runs: its arrays have one number each, and kernels are not called."""

    def _make(self, size, dtype):
        return of_one_number(size, dtype)

    def zeros(self, name, shape):
        return self.take(name, shape)

    def call(self, kernel, *arguments):
        """Do nothing, as well as any kernel."""
        return True

    def calls_of(self, team):
        """Do nothing, likewise."""
        return self.call


def of_one_number(size, dtype):
    """A vector all of whose elements are one and the same number, 0."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, dtype), (size,), (0,))


def _aligned(size, dtype):
    """An uninitialized vector that begins at a multiple of ALIGNMENT."""
    spare = ALIGNMENT // dtype.itemsize
    buffer = np.empty(size + spare, dtype=dtype)
    begin = -buffer.ctypes.data % ALIGNMENT // dtype.itemsize
    return buffer[begin : begin + size]


def take_spare(spare, make, *arguments):
    """Something that is not in use, from a list that threads may share, or a new one.

    Parameters
    ----------
    spare : list
        What is not in use; whoever takes from it brings back what he took.
    make : callable
        ``make(*arguments)`` makes a new one.
    *arguments : object
        What it needs.

    Returns
    -------
    object
    """
    try:
        return spare.pop()
    except IndexError:
        return make(*arguments)
