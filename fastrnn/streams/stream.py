"""The states of streams, what comes before a step of the kernel, and the words of its refusals."""

from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from fastrnn.inputs.arrays import kernel_array
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.stream import MAX_STEPS, StreamKernel
from fastrnn.streams.snapshot import checked_state

__all__ = ["Stream"]


class Stream(StreamKernel):
    """Sequences that come step by step, with what a model says of each after every step.

    The `stream` method of a fitted estimator makes one. It has the weights as they were then:
    fitting the estimator again does not change it.

    `step` reads the next time step of every stream, and returns what the model predicts from all
    that they have read so far; thousands of streams go through the network as one batch. `reset`
    lets streams begin anew. Streams are copied (`copy.copy`), which shares the weights, and pickled
    at any time, between two steps.

    Threads may step different objects side by side; those made by copying share their weights. A
    single object belongs to one thread at a time.

    Parameters
    ----------
    snapshot : Snapshot
        The model.
    n_streams : int, default=1
        How many sequences are read side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 3)).astype("float32")
    >>> y = X[:, :, 0].sum(axis=1) > 0
    >>> model = RNNClassifier(8, learning_rate="cosine", max_iter=5, random_state=0).fit(X, y)
    >>> stream = model.stream()
    >>> for x_t in X[0]:
    ...     proba = stream.step(x_t)
    >>> np.allclose(proba, model.predict_proba(X[:1])[0], atol=1e-6)
    True
    """

    def __init__(self, snapshot, n_streams=1):
        if isinstance(n_streams, bool) or not isinstance(n_streams, Integral):
            raise TypeError(f"n_streams must be a whole number, got {n_streams!r}")
        if n_streams < 1:
            raise ValueError(f"n_streams must be at least 1, got {n_streams}")
        self._snapshot, self._n_streams = snapshot, int(n_streams)
        self._state = snapshot.new_state(self._n_streams)
        room = snapshot.new_room(self._n_streams)
        self._connect(snapshot, self._n_streams, self._state, room, np.ndarray, np.int64, np.empty)

    def __reduce__(self):
        return type(self), (self._snapshot, self._n_streams), self.state

    def __setstate__(self, state):
        self.state = state

    def __repr__(self):
        return f"<{self._n_streams} streams>" if self._n_streams > 1 else "<1 stream>"

    @property
    def n_streams(self):
        """Number of streams."""
        return self._n_streams

    @property
    def state(self):
        """Copy of what the streams remember, which can be set again.

        A dict of arrays with a row for each stream: "h_0", "h_1", ... and, of cells that have one,
        "c_0", ... are the states of each layer, "n_steps" says how many steps were read; "total" is
        the sum of the states with ``pooling="mean"``, "largest" their maximum with
        ``pooling="max"``, and "last" a forecaster's last observed value, scaled.
        """
        return self._copies(self._state)

    @state.setter
    def state(self, state):
        if not isinstance(state, Mapping):
            raise TypeError(f"state is of type {type(state).__name__}, expected a dict")
        if state.keys() != self._state.keys():
            got = sorted(state, key=str)
            raise ValueError(f"state has {got}, expected {sorted(self._state)}")
        checked = {name: checked_state(name, state[name], own) for name, own in self._state.items()}
        self._write(self._state, checked, slice(None))

    def reset(self, which=None):
        """Let streams begin anew.

        Parameters
        ----------
        which : int, slice, or array-like of int or bool, default=None
            Their numbers, or a mask with an entry for each stream. None for all.

        Raises
        ------
        IndexError
            If there is no such stream.
        TypeError
            If `which` does not choose streams.
        RuntimeError
            If another thread is using the same object.
        """
        rows = slice(None) if which is None else np.arange(self._n_streams)[_index(which)]
        start = self._snapshot.new_state(self._n_streams)
        self._write(self._state, {name: array[rows] for name, array in start.items()}, rows)

    def _convert(self, x):
        """Make an array of a step that the kernel reads."""
        reading = self._snapshot.reading
        if is_frame(x):
            x = _of_frame(x, reading)
        if reading.tokens is not None:
            x = _ids_of_tokens(x, reading)
        if np.ma.is_masked(x):
            raise ValueError("x has masked numbers, expected none")
        expected = self._expected()
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"x has rows of unequal length, expected {expected}") from error
        if array.dtype.kind == "O" and all(isinstance(v, Real | Decimal) for v in array.flat):
            try:
                array = array.astype(np.float64)
            except OverflowError as error:
                raise ValueError("x has a number that does not fit into float64") from error
        if array.dtype.kind not in "fiub":
            raise TypeError(f"x has dtype {array.dtype}, expected numbers")
        n, width = self._n_streams, self._snapshot.width
        shapes = {(n, width)} | ({(n,)} if width == 1 else set())
        if n == 1:
            shapes |= {(width,)} | ({()} if width == 1 else set())
        if array.shape not in shapes:
            raise ValueError(f"x has shape {array.shape}, expected {expected}")
        return kernel_array(array, np.int64 if array.dtype.kind in "ib" else np.float64)

    def _expected(self):
        """Say which shapes a step may have."""
        n, width = self._n_streams, self._snapshot.width
        whole = f"({n}, {width}): n_streams, and features or ids"
        if n > 1:
            return whole if width > 1 else f"({n},) or {whole}"
        return f"({width},) or {whole}" if width > 1 else f"a number, (1,) or {whole}"

    def _refusal(self, x):
        """Return the error that says why the kernel would not read a step."""
        for n, count in enumerate(self._state["n_steps"].tolist()):
            if not 0 <= count < MAX_STEPS:
                return ValueError(f"stream {n} has counted {count} steps: it needs a reset")
        rows = np.asarray(x).reshape(self._n_streams, self._snapshot.width)
        for n, row in enumerate(rows.tolist()):
            for j, value in enumerate(row):
                if fault := self._snapshot.fault(j, value):
                    stream = f"stream {n}, " if self._n_streams > 1 else ""
                    return ValueError(f"{stream}feature {j} of x is {fault}")
        return ValueError(f"x has a number that does not fit into {self._snapshot.dtype}")

    def _unsuitable(self, out, shape):
        """Return the error that says why an array cannot take the answer."""
        expected = f"a C-contiguous {self._snapshot.result_dtype} array of shape {shape}"
        if not isinstance(out, np.ndarray):
            return TypeError(f"out is of type {type(out).__name__}, expected {expected}")
        got = f"one of {out.dtype} and shape {out.shape}"
        got += "" if out.flags.c_contiguous else ", not C-contiguous"
        got += "" if out.flags.aligned else ", not aligned"
        got += "" if out.flags.writeable else ", read-only"
        return ValueError(f"out must be {expected}, got {got}")


def _index(which):
    """What chooses among the numbers of streams."""
    if isinstance(which, slice):
        return which
    rows = np.asarray(which)
    if rows.size == 0:
        rows = rows.astype(np.int64)
    if rows.dtype.kind not in "iub" or (rows.dtype.kind == "b" and rows.ndim != 1):
        raise TypeError(f"which must have numbers of streams, or be a mask of them, got {which!r}")
    return rows


def _of_frame(frame, reading):
    """The rows of a data frame as an array, categories as ids."""
    if reading.columns is None:
        raise TypeError("x is a data frame, expected an array")
    sequences = as_sequences([frame], columns=reading.columns)
    rows = np.empty((len(sequences.values), reading.width))
    rows[:, reading.sources] = sequences.values
    if sequences.ids is not None:
        rows[:, list(reading.id_sources)] = sequences.ids
    return rows


def _ids_of_tokens(x, reading):
    """The ids of tokens, where they are given as such."""
    if isinstance(x, str):
        return reading.id_of(x)
    array = np.asarray(x)
    if array.dtype.kind != "U":
        return x
    return np.array([reading.id_of(token) for token in array.ravel().tolist()]).reshape(array.shape)
