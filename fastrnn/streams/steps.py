"""What comes before a step of the kernel, and the words of its refusals."""

from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from fastrnn.inputs.arrays import kernel_array, with_nan
from fastrnn.inputs.containers import is_a, open_container
from fastrnn.inputs.frames import column_times, is_frame
from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.stream import MAX_STEPS


class Steps:
    """The steps that streams of a model in a state may be given."""

    def __init__(self, snapshot, n_streams, state):
        self._snapshot, self.n_streams, self._state = snapshot, n_streams, state

    def convert(self, x):
        """Make an array of a step that the kernel reads."""
        reading = self._snapshot.reading
        x = open_container(x, "x", "numbers")
        row = _row_by_name(x)
        if row is not None:
            x = _of_frame(row, reading)[0]
        elif is_frame(x):
            x = _of_frame(x, reading)
        if reading.tokens is not None:
            x = _ids_of_tokens(x, reading)
        if np.ma.is_masked(x) and not reading.gaps.allows:
            raise ValueError("x has masked numbers, expected none")
        expected = self._expected()
        try:
            array = np.asarray(x) if not reading.gaps.allows else with_nan(np.asanyarray(x))
        except ValueError as error:
            raise ValueError(f"x has rows of unequal length, expected {expected}") from error
        if array.dtype.kind == "O" and all(isinstance(v, Real | Decimal) for v in array.flat):
            try:
                array = array.astype(np.float64)
            except OverflowError as error:
                raise ValueError("x has a number that does not fit into float64") from error
        if array.dtype.kind not in "fiub":
            raise TypeError(f"x has dtype {array.dtype}, expected numbers")
        n, width = self.n_streams, self._snapshot.width
        shapes = {(n, width)} | ({(n,)} if width == 1 else set())
        if n == 1:
            shapes |= {(width,)} | ({()} if width == 1 else set())
        if array.shape not in shapes:
            raise ValueError(f"x has shape {array.shape}, expected {expected}")
        return kernel_array(array, np.int64 if array.dtype.kind in "ib" else np.float64)

    def _expected(self):
        """Say which shapes a step may have."""
        n, width = self.n_streams, self._snapshot.width
        whole = f"({n}, {width}): n_streams, and features or ids"
        if n > 1:
            return whole if width > 1 else f"({n},) or {whole}"
        return f"({width},) or {whole}" if width > 1 else f"a number, (1,) or {whole}"

    def refusal(self, x):
        """Return the error that says why the kernel would not read a step."""
        for n, count in enumerate(self._state["n_steps"].tolist()):
            if not 0 <= count < MAX_STEPS:
                return ValueError(f"stream {n} has counted {count} steps: it needs a reset")
        rows = np.asarray(x).reshape(self.n_streams, self._snapshot.width)
        for n, row in enumerate(rows.tolist()):
            for j, value in enumerate(row):
                if fault := self._snapshot.fault(j, value) or self._fault_of_time(n, j, value):
                    stream = f"stream {n}, " if self.n_streams > 1 else ""
                    return ValueError(f"{stream}feature {j} of x is {fault}")
        return ValueError(f"x has a number that does not fit into {self._snapshot.dtype}")

    def _fault_of_time(self, n, j, value):
        """Say what is wrong with the time of a step; None if nothing is, or it is none."""
        if j != self._snapshot.gaps.time or not self._state["n_steps"][n]:
            return None
        before = self._state["time"][n]
        if value < before:
            return f"the time {value:.15g}, expected one not before {before:.15g}, that of the last"
        return None

    def unsuitable(self, out, shape):
        """Return the error that says why an array cannot take the answer."""
        expected = f"a C-contiguous {self._snapshot.result_dtype} array of shape {shape}"
        if not isinstance(out, np.ndarray):
            return TypeError(f"out is of type {type(out).__name__}, expected {expected}")
        got = f"one of {out.dtype} and shape {out.shape}"
        got += "" if out.flags.c_contiguous else ", not C-contiguous"
        got += "" if out.flags.aligned else ", not aligned"
        got += "" if out.flags.writeable else ", read-only"
        return ValueError(f"out must be {expected}, got {got}")


def _row_by_name(x):
    """Return a step whose values have names, a row of a data frame, as one; None of others."""
    if is_a(x, "pandas.Series") and any(isinstance(name, str) for name in x.index):
        x = x.to_dict()
    if not isinstance(x, Mapping) or is_frame(x):
        return None
    row = {name: np.empty(1, object if isinstance(v, str) else None) for name, v in x.items()}
    for name, array in row.items():
        array[0] = x[name]
    return row


def _of_frame(frame, reading):
    """The rows of a data frame as an array, categories as ids."""
    if reading.columns is None:
        raise TypeError("x is a data frame, expected an array")
    gaps = reading.gaps
    sequences = as_sequences(
        [frame], columns=reading.columns, allow_nan=gaps.allows, time_feature=gaps.time
    )
    rows = np.empty((len(sequences.values), reading.width))
    rows[:, reading.sources[: sequences.n_features]] = sequences.values
    if sequences.ids is not None:
        missing = sequences.ids == reading.n_ids
        rows[:, list(reading.id_sources)] = np.where(missing, np.nan, sequences.ids)
    if gaps.time is not None:
        gaps.check_kind(sequences.times)
        numbers = column_times(frame, gaps.time) if gaps.is_date else sequences.times.numbers
        rows[:, gaps.time] = numbers
    return rows


def _ids_of_tokens(x, reading):
    """The ids of tokens, where they are given as such."""
    if isinstance(x, Integral) or (isinstance(x, np.ndarray) and x.dtype.kind not in "UO"):
        return x
    # Left to itself, numpy would write numbers beside tokens as text, and cut characters of zero.
    array = np.array(x, dtype=object)
    tokens = array.ravel().tolist()
    if not any(isinstance(token, str) for token in tokens):
        return x
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"x has {token!r} among tokens, expected tokens alone, or ids alone")
    return np.array([reading.id_of(token) for token in tokens], np.int64).reshape(array.shape)
