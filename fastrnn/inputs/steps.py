"""Labels and weights of time steps, read from a list with an array for each sequence."""

from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrnn.inputs.arrays import REAL
from fastrnn.inputs.containers import as_array, open_list, show
from fastrnn.inputs.errors import NothingCounts
from fastrnn.inputs.frames import is_missing
from fastrnn.typing import AnyArray, Doubles, Ints, ObjectArray, SampleWeight, TargetsLike

__all__ = ["StepLabels", "as_step_labels", "as_step_weight", "check_sum", "split_steps"]

STRINGS, WHOLE_NUMBERS = "strings", "whole numbers"

IGNORED, UNKNOWN = -1, -2
"""Numbers of a step to be left out, and of a label that is not among the classes."""


@dataclass(frozen=True, eq=False)
class StepLabels:
    """The labels of all sequences, one after the other.

    Attributes
    ----------
    values : list
        Strings or whole numbers; None for a step to be left out.
    offsets : ndarray of shape (n + 1,), int64
        Those of sequence i are ``values[offsets[i]:offsets[i + 1]]``.
    kind : {"strings", "whole numbers", None}
        What they are; None where all steps are left out.
    """

    values: list[Any]
    offsets: Ints
    kind: str | None

    def classes(self) -> AnyArray:
        """The labels that occur, sorted."""
        return np.array(sorted(set(self.values) - {None}))

    def numbers(self, classes: AnyArray) -> Ints:
        """The number (N,) of each label among classes, which are all different.

        That is 0 to K - 1, `IGNORED` or `UNKNOWN`.
        """
        number = {label: k for k, label in enumerate(classes.tolist())}
        number[None] = IGNORED
        return np.array([number.get(label, UNKNOWN) for label in self.values], dtype=np.int64)

    def check_kind(self, classes: AnyArray) -> None:
        """Check that the labels are strings or whole numbers, as the classes of a model are."""
        expected = STRINGS if classes.dtype.kind in "UO" else WHOLE_NUMBERS
        if self.kind not in (None, expected):
            raise ValueError(f"y has {self.kind}, but the classes of the model are {expected}")

    def place(self, row: int | np.integer[Any]) -> str:
        """Say where the label of a row stands, such as "sequence 2, step 0"."""
        return _place(self.offsets, row)


def as_step_labels(
    y: TargetsLike | None,
    lengths: Ints | None = None,
    name: str = "y",
    beside: str = "X",
    padded_lengths: Ints | None = None,
) -> StepLabels:
    """Read the labels of time steps: an array-like (T_i,) for each sequence.

    All are strings, or all whole numbers. What is missing, and -1 among whole numbers, marks a step
    to be left out: None, NaN, pandas' NA and NaT, nulls, and what is masked. `lengths` are the
    numbers of labels wanted, if known; messages call the labels `name`, and what has so many
    `beside`. Where there are as many labels as a sequence had with its padding, which was cut off,
    the labels of that are, too.
    """
    if y is None:
        raise ValueError(f"fit requires y to be passed, but the target {name} is None")
    arrays = [_read_array(i, array, name) for i, array in enumerate(_rows(y, name, "of labels"))]
    if lengths is not None:
        _check_number(arrays, lengths, name, beside)
        arrays = _cut(arrays, lengths, padded_lengths)
        for i, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
            if len(array) != length:
                raise ValueError(
                    f"sequence {i}: {name} has {len(array)} labels, {beside} has {length} time "
                    "steps"
                )
    offsets = _offsets(map(len, arrays))
    values = list(chain.from_iterable(arrays))
    if not set(map(type, values)) <= {str, int, bool, type(None)}:
        values = [None if _is_nothing(label) else label for label in values]
    kind = _find_kind(values, offsets, name)
    if kind == WHOLE_NUMBERS:
        values = [None if label == -1 else label for label in values]
        kinds = {isinstance(label, Integral) for label in values if label is not None}
        if len(kinds) > 1:  # pandas makes floats of whole numbers where some are missing
            values = [label if label is None else int(label) for label in values]
    return StepLabels(values, offsets, kind)


def as_step_weight(
    sample_weight: SampleWeight,
    lengths: Ints,
    dtype: DTypeLike = "float64",
    padded_lengths: Ints | None = None,
) -> Doubles:
    """Read the weights of time steps: float64, one for each of the N steps.

    They are given as one number >= 0 for each sequence, for all of its steps, or as one for each
    step, also of padding; None gives all the same. None may be too large for the dtype.
    """
    if sample_weight is None:
        return np.ones(lengths.sum())
    name, expected = "sample_weight", "a number, or an array of numbers, for each sequence"
    rows = _rows(sample_weight, name, "of numbers, or a number,")
    arrays = [as_array(row, f"{name} of sequence {i}", expected) for i, row in enumerate(rows)]
    _check_number(arrays, lengths, "sample_weight", "X")
    each_step = any(array.ndim for array in arrays)
    if each_step and all(array.ndim == 1 for array in arrays):
        arrays = _cut(arrays, lengths, padded_lengths)
    for i, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        if array.dtype.kind not in "biuf":
            _check_numbers(i, array)
        if each_step and array.shape != (length,):
            raise ValueError(
                f"sequence {i}: sample_weight has shape {array.shape}, X has {length} time steps; "
                "give one number for each time step, or one for each sequence"
            )
    weight = np.concatenate([array.ravel() for array in arrays]).astype(np.float64)
    largest = np.finfo(dtype).max
    wrong = np.flatnonzero(~((weight >= 0) & (weight <= largest)))
    if wrong.size:
        first = wrong[0]
        place = _place(_offsets(lengths), first) if each_step else f"sequence {first}"
        raise ValueError(
            f"sample_weight must be from 0 to {largest:.3g}, {place} has {weight[first]}"
        )
    if not weight.any():
        raise NothingCounts("sample_weight is zero for every sequence: nothing to learn from")
    weight = weight if each_step else np.repeat(weight, lengths)
    check_sum(weight)
    return weight


def _cut(arrays, lengths, padded_lengths):
    """Cut off what stands at steps that were padding."""
    if padded_lengths is None:
        return arrays
    return [
        array[:length] if len(array) == padded else array
        for array, length, padded in zip(arrays, lengths, padded_lengths, strict=True)
    ]


def _check_numbers(i, array):
    """Check that an array of another dtype holds numbers."""
    for t, value in enumerate(array.flat):
        if not isinstance(value, REAL) or isinstance(value, np.timedelta64):
            step = f", step {t}" if array.ndim else ""
            raise TypeError(f"sequence {i}{step}: sample_weight must be numbers, got {show(value)}")


def check_sum(weight):
    """Check that weights can be added."""
    with np.errstate(over="ignore"):
        total = weight.sum()
    if total == np.inf:
        raise ValueError(
            f"sample_weight is too large to be added: the largest is {weight.max():.6g}"
        )


def split_steps(rows: AnyArray, lengths: Ints | list[int]) -> ObjectArray:
    """Cut rows, one for each step, into an array for each sequence: an object array of views."""
    arrays = np.empty(len(lengths), dtype=object)  # never made a table where all lengths are equal
    for i, array in enumerate(np.split(rows, np.cumsum(lengths)[:-1])):
        arrays[i] = array
    return arrays


def _check_number(arrays, lengths, name, beside):
    if len(arrays) != len(lengths):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {beside} has "
            f"{len(lengths)} sequences, {name} has {len(arrays)} entries"
        )


def _offsets(lengths):
    return np.cumsum([0, *lengths], dtype=np.int64)


def _rows(values, name, what):
    """Return what has an array for each sequence as a list of them."""
    expected = f"a list with an array {what} for each sequence"
    values = open_list(values, name, expected)
    if not isinstance(values, list | tuple | np.ndarray):
        values = np.asarray(values)  # of a data frame the rows, not the columns
        if values.dtype == object and values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]  # a column of lists
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise TypeError(f"{name} must be {expected}, got {show(values.item())}")
    return list(values)


def _is_nothing(label):
    return not isinstance(label, np.ndarray | list | tuple) and is_missing(label)


def _read_array(i, array, name):
    """Return the labels of a sequence as a list."""
    if isinstance(array, list):
        return array
    if not isinstance(array, str):
        array = open_list(array, f"{name} of sequence {i}", "an array of labels, one for each step")
    if isinstance(array, tuple):
        return list(array)
    if isinstance(array, np.ma.MaskedArray) and array.ndim == 1:
        return array.tolist()  # None where it is masked
    array = np.asarray(array)
    if array.ndim != 1:
        got = f"the shape {array.shape}" if array.ndim else repr(array.item())
        raise ValueError(
            f"sequence {i}: {name} must be an array of labels, one for each time step, got {got}"
        )
    return array.tolist()


def _find_kind(values, offsets, name):
    """Check that all labels are strings, or all whole numbers; return which, None without any."""
    types = set(map(type, values)) - {type(None)}
    if not types:
        return None
    if all(issubclass(kind, str) for kind in types):
        return STRINGS
    if all(issubclass(kind, Integral | np.bool_) for kind in types):
        return WHOLE_NUMBERS
    first = None
    for row, label in enumerate(values):
        kind = _kind(label)
        first = first or kind
        if label is not None and (kind is None or kind != first):
            raise ValueError(
                f"Unknown label type: {name} has {label!r} at {_place(offsets, row)}, expected "
                f"{first or f'{STRINGS} or {WHOLE_NUMBERS}'}"
            )
    return first


def _kind(label):
    if isinstance(label, str):
        return STRINGS
    if isinstance(label, Real | np.bool_) and float(label).is_integer():
        return WHOLE_NUMBERS
    return None


def _place(offsets, row):
    i = int(np.searchsorted(offsets, row, side="right")) - 1
    return f"sequence {i}, step {row - int(offsets[i])}"
