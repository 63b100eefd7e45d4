"""What comes before a step of the kernel, and the words of its refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastrnn.inputs.arrays import is_missing, kernel_array, with_nan
from fastrnn.inputs.containers import is_a, open_container
from fastrnn.inputs.frames import (
    DURATION,
    KINDS_OF_TIME,
    NAIVE,
    ZONED,
    column_times,
    column_values,
    is_frame,
    kind_of_times,
    names_of,
    places_of,
)
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.stamps import DATES, StampType, show
from fastrnn.kernels.stream import MAX_STEPS
from fastrnn.streams.snapshot import Snapshot
from fastrnn.typing import AnyArray, Ints


class Steps:
    """The steps that streams of a model in a state may be given.

    ``numbers`` are those of the streams, for messages; of a single one they say nothing without.
    """

    rows = "n_streams"

    def __init__(
        self,
        snapshot: Snapshot,
        n_streams: int,
        state: dict[str, AnyArray],
        numbers: Sequence[int] | Ints | None = None,
    ) -> None:
        self._snapshot, self.n_streams, self._state = snapshot, n_streams, state
        self._numbers = range(n_streams) if numbers is None and n_streams > 1 else numbers

    def _whose(self, n):
        """How a message about a stream begins."""
        return "" if self._numbers is None else f"stream {self._numbers[n]}, "

    def convert(self, x: Any) -> AnyArray:
        """Make an array of a step that the kernel reads."""
        if type(x) is Converted:
            return x.array
        reading = self._snapshot.reading
        x = open_container(x, "x", "numbers")
        row = _row_by_name(x)
        if row is not None:
            x = self._of_frame(row)[0]
        elif is_frame(x):
            x = self._of_frame(x)
        elif reading.gaps.is_date:
            raise TypeError(
                f"x is of type {type(x).__name__}, expected a data frame or a dict, with a date "
                f"for feature {reading.gaps.time}, the time"
            )
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
        shapes: set[tuple[int, ...]] = {(n, width)} | ({(n,)} if width == 1 else set())
        if n == 1:
            shapes |= {(width,)} | ({()} if width == 1 else set())
        if array.shape not in shapes:
            raise ValueError(f"x has shape {array.shape}, expected {expected}")
        return kernel_array(array, np.int64 if array.dtype.kind in "ib" else np.float64)

    def _of_frame(self, frame):
        """The rows of a data frame as an array, categories as ids."""
        reading = self._snapshot.reading
        if reading.columns is None:
            raise TypeError("x is a data frame, expected an array")
        gaps = reading.gaps
        dates = _read_dates(frame, reading) if gaps.is_date else None
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
            rows[:, gaps.time] = sequences.times.numbers
        if dates is not None:  # which sequences count from their first on
            rows[:, gaps.time], kind = dates
            if len(rows) == self.n_streams:
                self._check_kind_of_times(kind)
        return rows

    def _check_kind_of_times(self, kind):
        """Check that times are what they were at the steps before: with a zone, or durations."""
        kinds, has_begun = self._state["kind_of_time"], self._state["n_steps"] > 0
        wrong = np.flatnonzero(has_begun & (kinds != kind))
        if wrong.size:
            n = int(wrong[0])
            here, before = KINDS_OF_TIME[kind], KINDS_OF_TIME[kinds[n]]
            advice = "" if DURATION in (here, before) else ": give all of them the zone, or none"
            raise ValueError(
                f"{self._whose(n)}feature {self._snapshot.gaps.time} of x, the time, is {here}, "
                f"but that of the step before is {before}{advice}"
            )
        kinds[:] = kind

    def _expected(self):
        """Say which shapes a step may have."""
        n, width = self.n_streams, self._snapshot.width
        whole = f"({n}, {width}): {self.rows}, and features or ids"
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
                    return ValueError(f"{self._whose(n)}feature {j} of x is {fault}")
        return ValueError(f"x has a number that does not fit into {self._snapshot.dtype}")

    def _fault_of_time(self, n, j, value):
        """Say what is wrong with the time of a step; None if nothing is, or it is none."""
        if j != self._snapshot.gaps.time or not self._state["n_steps"][n]:
            return None
        before = self._state["time"][n]
        if value < before:
            shown, last = self._show_time(n, value), self._show_time(n, before)
            return f"the time {shown}, expected one not before {last}, that of the last"
        return None

    def _show_time(self, n, time):
        kind = KINDS_OF_TIME[self._state["kind_of_time"][n]] if self._snapshot.gaps.is_date else ""
        if kind not in (NAIVE, ZONED):
            return f"{time:.15g}"
        stamp_type = StampType(DATES, "us", "UTC" if kind == ZONED else None)
        return show(np.datetime64(round(time * 1e6), "us"), stamp_type)

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


class Frames(Steps):
    """Steps of a single stream, whose state is given, that come one after the other."""

    rows = "frames"

    def convert(self, frames: Any) -> AnyArray:
        """Make an array (n, width) of them; ``n_streams`` are the frames here."""
        own, n, width = self._state, self.n_streams, self._snapshot.width
        if not n:
            return np.empty((0, width))
        known = [name for name in ("n_steps", "kind_of_time") if name in own]
        self._state = {name: np.repeat(own[name], n) for name in known}
        array = super().convert(frames).reshape(n, width)
        if "kind_of_time" in own:
            own["kind_of_time"][:] = self._state["kind_of_time"][0]
        return array

    def _whose(self, n):
        return f"frame {n}, "


@dataclass(frozen=True, eq=False)
class Converted:
    """A step that was converted before."""

    array: AnyArray


def _row_by_name(x):
    """Return a step whose values have names, a row of a data frame, as one; None of others."""
    if is_a(x, "pandas.Series") and any(isinstance(name, str) for name in x.index):
        x = x.to_dict()
    if not isinstance(x, Mapping) or is_frame(x):
        return None
    return {name: _column_of(value) for name, value in x.items()}


def _column_of(value):
    """A column of one row: a number as such, whatever else as an object."""
    column = np.empty(1, object)
    column[0] = value
    if value is None or isinstance(value, str | np.datetime64 | np.timedelta64):
        return column  # numpy would make numbers of some
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return column


def _read_dates(frame, reading):
    """The dates of a data frame in seconds, and their kind; None if it has no such column."""
    time, names = reading.gaps.time, reading.columns.names
    there = names_of(frame)
    j = (
        places_of(frame, None)[time : time + 1]
        if names is None
        else [k for k, name in enumerate(there) if name == names[time]]
    )
    if not j:
        return None
    seconds, place = column_times(frame, j[0]), f"feature {time} of x, the time,"
    values = column_values(frame, j[0])
    if any(map(is_missing, values)):
        raise ValueError(f"{place} is missing, expected a date")
    if seconds is None:
        raise TypeError(f"{place} is {values[0]!r}, expected a date as in fit")
    return seconds, kind_of_times(frame, j[0])


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
