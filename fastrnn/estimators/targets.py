"""What stands beside X: labels, numbers and weights, checked, encoded and split."""

import warnings
from numbers import Real

import numpy as np

from fastrnn.bridge import DataConversionWarning
from fastrnn.inputs.arrays import REAL, kernel_array
from fastrnn.inputs.containers import as_array, show
from fastrnn.inputs.errors import NothingCounts
from fastrnn.inputs.frames import is_frame, is_missing, names_of, places_of, select, shape_of
from fastrnn.inputs.sequences import Sequences
from fastrnn.inputs.steps import check_sum
from fastrnn.typing import Doubles, SampleWeight, TargetsLike


def as_labels(y):
    """Read class labels (n,), all strings or all whole numbers, and leave them as they are.

    A column (n, 1) is accepted with a warning.
    """
    y = _as_array(y)
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected: pass y.ravel()",
            DataConversionWarning,
            stacklevel=6,  # the line that called fit
        )
        y = y.ravel()
    if y.ndim != 1:
        raise ValueError(f"y must have one label for each sequence, got shape {y.shape}")
    if y.dtype.kind == "O":
        y = _from_objects(y)
    if y.dtype.kind not in "biufUSO":
        raise ValueError(f"Unknown label type: y has dtype {y.dtype}, expected strings or integers")
    if y.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(y) | (y != np.round(y)))
        if wrong.size and np.isnan(y[wrong[0]]):
            raise _no_label(wrong[0], y[wrong[0]])
        if wrong.size:
            raise ValueError(
                f"Unknown label type: y is continuous, sequence {wrong[0]} has {y[wrong[0]]}; "
                "a classifier needs labels (strings or whole numbers)"
            )
    return y


def is_multilabel(y: TargetsLike) -> bool:
    """Whether `y` has several labels for each sequence: two or more columns."""
    labels = _as_array(y)
    return labels.ndim == 2 and labels.shape[1] > 1


def as_label_sets(y):
    """Read which labels each sequence has, (n, n_labels): 1 or True for those, else 0; as int64."""
    y = _as_array(y)
    if y.ndim != 2 or y.shape[1] < 2:
        raise ValueError(
            f"y must have a column for each of several labels, got an array of shape {y.shape}"
        )
    if y.dtype.kind == "O":
        y = _from_objects(y.ravel(), y.shape[1]).reshape(y.shape)
    wrong = np.argwhere(~((y == 0) | (y == 1)) if y.dtype.kind in "biuf" else np.ones(y.shape))
    if wrong.size:
        n, k = wrong[0]
        raise ValueError(
            f"Unknown label type: y has {y.shape[1]} labels for each sequence, each of which must "
            f"be 0 or 1, but label {k} of sequence {n} is {show(y[n, k])}"
        )
    return kernel_array(y, np.int64)


def as_numbers(y):
    """Read what a regressor predicts, (n,) or (n, n_outputs), as float64 that can be squared."""
    y = _as_array(y)
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported: y is complex, expected real numbers")
    y = _as_float64(y, "y")
    if y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise ValueError(f"y must have shape (n,) or (n, n_outputs), got {y.shape}")
    wrong = np.argwhere(~(np.abs(y) < 1e150))
    if wrong.size:
        raise ValueError(
            f"y must be finite (neither NaN nor inf) and below 1e150, "
            f"sequence {wrong[0][0]} has {y[tuple(wrong[0])]}"
        )
    return y


def target_names(y):
    """Return the names of several columns of a data frame of targets; None of anything else."""
    if y is None or isinstance(y, dict) or not is_frame(y) or shape_of(y)[1] < 2:
        return None
    names = tuple(names_of(y))
    are_names = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return tuple(map(str, names)) if are_names else None


def find_targets(y, names):
    """Return targets with their columns in the order of `names`, where both have some."""
    given = target_names(y)
    if names is None or given is None or given == names:
        return y
    if sorted(given) != sorted(names):
        raise ValueError(f"y has the columns {list(given)}, expected {list(names)} as in fit")
    return select(y, places_of(y, names))


def as_sample_weight(sample_weight: SampleWeight, sequences: Sequences) -> Doubles:
    """Read the weights of n sequences, (n,), as float64; None gives all the same weight.

    None may be negative, infinite or NaN, and not all of them zero.
    """
    if sample_weight is None:
        return np.ones(len(sequences))
    weight = as_array(sample_weight, "sample_weight", "a number for each sequence")
    weight = _as_float64(weight, "sample_weight")
    if weight.ndim != 1:
        raise ValueError(
            f"sample_weight must have one number for each sequence, got shape {weight.shape}"
        )
    check_same_length(sequences, "sample_weight", weight)
    largest = np.finfo(sequences.values.dtype).max
    wrong = np.flatnonzero(~((weight >= 0) & (weight <= largest)))
    if wrong.size:
        raise ValueError(
            f"sample_weight must be from 0 to {largest:.3g}, "
            f"sequence {wrong[0]} has {weight[wrong[0]]}"
        )
    if not weight.any():
        raise NothingCounts("sample_weight is zero for every sequence: nothing to learn from")
    check_sum(weight)
    return weight


def check_same_length(sequences, name, values):
    """Check that there is one value for each sequence; `name` says what they are."""
    if len(values) != len(sequences):
        is_table = sequences.n_columns is not None
        advice = "; each row of a table is one univariate sequence" if is_table else ""
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {len(sequences)} "
            f"sequences, {name} has {len(values)} entries{advice}"
        )


def _as_array(y):
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
    return as_array(y, "y", "a list or an array with a label or number for each sequence")


def _as_float64(values, name):
    """Return numbers of any kind as float64, and refuse everything else, by its place."""
    if values.dtype.kind == "O":
        for n, value in enumerate(values.ravel()):
            if not isinstance(value, REAL):
                n = n // max(1, values[:1].size)
                if _is_nothing(value):
                    raise ValueError(f"{name} has no number for sequence {n}, it is {show(value)}")
                raise TypeError(f"{name} must be numbers, sequence {n} has {show(value)}")
    elif values.dtype.kind in "US" and values.size:
        raise TypeError(f"{name} must be numbers, sequence 0 has {show(values.flat[0])}")
    elif values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be numbers, got an array of dtype {values.dtype}")
    try:
        return kernel_array(values, np.float64)
    except OverflowError:
        raise ValueError(f"{name} has a number that does not fit into float64") from None


def _is_nothing(value):
    return not isinstance(value, np.ndarray | list | tuple) and is_missing(value)


def _no_label(n, value):
    return ValueError(
        f"Unknown label type: y has no label for sequence {n}, it is {show(value)}; leave such "
        "sequences out"
    )


def _from_objects(y, width=1):
    """Turn an array of objects into one of numbers, or leave it if it holds strings.

    Each sequence has `width` of them.
    """
    for kinds in (str, bytes):
        if all(isinstance(label, kinds) for label in y):
            return y
    if all(isinstance(label, Real) for label in y):
        return np.array(y.tolist())
    first = None
    for row, label in enumerate(y):
        if _is_nothing(label):
            raise _no_label(row // width, label)
        kind = next((kind for kind in (str, bytes, Real) if isinstance(label, kind)), None)
        first = first or kind
        if kind is None or kind is not first:
            break
    kinds = ", ".join(sorted({type(label).__name__ for label in y}))
    raise ValueError(
        f"Unknown label type: y holds {kinds}, expected all strings or all integers; sequence "
        f"{row // width} has {show(label)}"
    )
