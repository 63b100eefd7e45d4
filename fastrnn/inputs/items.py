"""The items of a list of sequences become arrays of numbers; each fault has a place."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from fastrnn.inputs.arrays import NUMERIC, REAL, missing_in, with_nan
from fastrnn.inputs.columns import count_features, name_place
from fastrnn.inputs.containers import PLAIN, open_container, open_steps, show

SEQUENCES = "a list of sequences"
SEQUENCE = "an array of shape (time, feature)"
GAPS = "missing='mask' accepts gaps"
_NO_FRAME = "of dicts only one is read whose values are NumPy arrays of one length, a data frame"
_ADVICE = (
    (str, "; fastrnn.preprocessing.TokenEncoder makes ids of text"),
    (
        (timedelta, np.timedelta64),
        "; divide by one unit of time, such as numpy.timedelta64(1, 's')",
    ),
    ((date, np.datetime64), "; take the time since one that is fixed, in a unit of time"),
    (np.void, "; the fields by name, {name: X[name] for name in X.dtype.names}, are a data frame"),
    (Mapping, "; take its values apart into columns"),
)
"""What to do with values of these types."""


def open_array(X, allow_nan=False):
    """Return `X` as the sequence type that it is, or as an array of one to three dimensions."""
    if not isinstance(X, Sequence) or isinstance(X, str | bytes | memoryview):
        original, X = X, _read_array(X, allow_nan=allow_nan)
        if X.ndim == 0 and X.dtype.kind not in NUMERIC:
            raise TypeError(f"X is of type {type(original).__name__}, expected {SEQUENCES}")
        if not 1 <= X.ndim <= 3:
            raise ValueError(
                f"X has {X.ndim} dimensions, expected 3: (sequence, time, feature), "
                "or 2 for univariate sequences"
            )
    if len(X) == 0:
        raise ValueError("X is empty, expected at least one sequence")
    return X


def open_items(X):
    """Return `X` with each of its sequences opened."""
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X
    if set(map(type, X)) <= PLAIN:  # there may be very many
        return X
    return [open_container(item, name_place(i), SEQUENCE) for i, item in enumerate(X)]


def read_item(i, item, name, allow_nan):
    """Return sequence `i` as an array of real numbers that has one or two dimensions.

    ``name(i, *place)`` names a place in it.
    """
    is_plain = type(item) is np.ndarray and item.dtype.kind in NUMERIC  # there may be very many
    array = item if is_plain else _read_array(item, i, allow_nan=allow_nan)
    if array.dtype.kind not in NUMERIC:
        array = _read_numbers(array, i, name, allow_nan)
    if array.ndim == 0:
        raise ValueError(
            f"sequence {i} is a single number, expected an array of shape (time, feature). "
            "Reshape your data: if X is one univariate sequence, pass [X]"
        )
    if array.ndim > 2:
        raise ValueError(f"sequence {i} has shape {array.shape}, expected (time, feature)")
    return array


def _read_array(X, *place, allow_nan=False):
    """Return the array-like `X`, found at `place`, as an array of any shape and dtype.

    With `allow_nan` what is masked becomes NaN.
    """
    if type(X) is np.ndarray and (X.dtype.kind != "O" or not (place and _has_arrays(X))):
        return with_nan(X) if allow_nan and (place or X.ndim > 1) else X
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"{name_place(*place)} is sparse, expected a dense array: call its toarray()"
        )
    if isinstance(X, Iterator | Mapping):
        advice = ": make a list of it" if isinstance(X, Iterator) else f": {_NO_FRAME}"
        raise TypeError(
            f"{name_place(*place)} is of type {type(X).__name__}, "
            f"expected {SEQUENCE if place else SEQUENCES}{advice}"
        )
    if isinstance(X.obj if isinstance(X, memoryview) else X, bytes | bytearray):
        raise TypeError(
            f"{name_place(*place)} is of type {type(X).__name__}, expected "
            f"{SEQUENCE if place else SEQUENCES}: numpy.frombuffer makes numbers of bytes"
        )
    if isinstance(X, list | tuple) or type(X) is np.ndarray:
        X, masked = list(X) if type(X) is np.ndarray else X, False
        if not PLAIN.issuperset(map(type, X)):  # there may be very many that are
            X = open_steps(X, lambda t: name_place(*place, t))
            masked = any(isinstance(step, np.ma.MaskedArray) for step in X)
        try:
            array = np.ma.stack(X) if masked else np.asarray(X)
            if array.dtype.kind in "US":  # also of what was no text before it stood beside one
                array = np.array(X, dtype=object)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"{name_place(*place)} {_ragged(X, error)}") from error
    else:
        try:
            array = np.asanyarray(X)  # of a data frame too
        except (ValueError, TypeError, RuntimeError) as error:
            raise TypeError(
                f"{name_place(*place)} is of type {type(X).__name__}, expected "
                f"{SEQUENCE if place else SEQUENCES}: numpy says {error}"
            ) from error
    if np.ma.is_masked(array) and not allow_nan:
        culprit = np.unravel_index(array.mask.argmax(), array.shape)
        raise ValueError(f"{name_place(*place, *culprit)} is masked, expected a number: {GAPS}")
    return with_nan(array) if allow_nan and (place or array.ndim > 1) else np.asarray(array)


def _has_arrays(array):
    """Tell whether an array holds time steps that are arrays, as Arrow's lists of lists do."""
    return array.ndim == 1 and any(isinstance(step, np.ndarray | list | tuple) for step in array)


def _ragged(steps, error):
    """Say what is wrong with nested lists that make no array."""
    widths = []
    for t, step in enumerate(steps):
        try:
            widths.append(len(step))
        except TypeError:  # a number
            widths.append(1)
        if widths[t] != widths[0]:
            return (
                f"has {count_features(widths[t])} at time step {t}, expected {widths[0]} as before"
            )
    return f"cannot be made an array, expected one of shape (time, feature): {error}"


def _read_numbers(array, i, name, allow_nan):
    """Return sequence `i`, an array of objects or of a dtype without real numbers, as float64."""
    if array.size == 0:
        return np.empty(array.shape)
    missing = [] if allow_nan or not array.ndim else missing_in(array)
    if any(missing):
        culprit = np.unravel_index(missing.index(True), array.shape)
        raise ValueError(
            f"{name(i, *culprit)} is missing ({array[culprit]}), expected a number: {GAPS}"
        )
    kinds = {type(value) for value in array.flat}
    wrong = tuple(k for k in kinds if not issubclass(k, REAL) or k is np.timedelta64)
    if wrong:
        if array.dtype.kind == "c":
            wrong_at = array.imag.ravel() != 0  # numbers beside complex ones are complex, too
            culprit = int(wrong_at.argmax())
            value = array.flat[culprit]
        else:
            culprit, value = next(
                (p, value) for p, value in enumerate(array.flat) if isinstance(value, wrong)
            )
        place = name(i, *np.unravel_index(culprit, array.shape))
        if isinstance(value, complex | np.complexfloating):
            raise ValueError(f"Complex data not supported: {place} is {value}, expected a number")
        advice = next((text for kinds, text in _ADVICE if isinstance(value, kinds)), "")
        raise TypeError(
            f"{place} is {show(value)} of type {type(value).__name__}: the argument must be free "
            f"of strings and other objects, expected numbers{advice}"
        )
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"sequence {i} has a number that does not fit into float64") from error
