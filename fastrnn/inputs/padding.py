"""Sequences padded to one length: what was put at their ends is cut off, or put there."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrnn.inputs.arrays import NUMERIC
from fastrnn.inputs.columns import name_place
from fastrnn.inputs.containers import as_array, open_container, open_list, show
from fastrnn.typing import AnyArray, ArrayLike, SequencesLike

__all__ = ["pad", "unpad"]

PADDINGS = ("nan",)
"""What may stand at the ends of sequences."""

ADVICE = (
    "if they are padding, padding='nan' of the estimators cuts them off, and so does "
    "fastrnn.preprocessing.unpad"
)


def unpad(X: SequencesLike, lengths: ArrayLike | None = None) -> list[AnyArray]:
    """Cut the padding off sequences that were padded to one length.

    What is true of sequences is true of tags and weights of their steps, too.

    Parameters
    ----------
    X : array of shape (n_sequences, T, ...), or list of arrays of shape (T_i, ...)
        The padded sequences; tensors and data frames, whose rows are sequences, will do.
    lengths : array-like of int of shape (n_sequences,), default=None
        How many steps of each sequence are its own, 1 or more. None cuts off the time steps at the
        end that are NaN in every feature.

    Returns
    -------
    list of ndarray of shape (T_i, ...)
        The sequences, as views of `X` where it is an array.

    Raises
    ------
    TypeError
        If `X` is nothing of that kind, or `lengths` are no whole numbers.
    ValueError
        If a sequence has fewer steps than `lengths` says, or none that is its own.

    See Also
    --------
    pad : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.preprocessing import unpad
    >>> X = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    >>> unpad(X)
    [array([1., 2.]), array([3., 4., 5.])]
    >>> unpad([["noun", "verb", ""], ["noun", "", ""]], lengths=[2, 1])
    [array(['noun', 'verb'], dtype='<U4'), array(['noun'], dtype='<U4')]
    """
    arrays = _arrays(X)
    if lengths is None:
        for i, array in enumerate(arrays):
            if array.dtype.kind not in NUMERIC:
                raise TypeError(
                    f"{name_place(i)} holds {show(array.flat[0])}, expected numbers where lengths "
                    "are not given"
                )
        kept = _own_lengths(arrays)
    else:
        kept = as_array(lengths, "lengths", "a whole number for each sequence")
        if kept.dtype.kind not in "iu":
            raise TypeError(f"lengths must be whole numbers, got an array of dtype {kept.dtype}")
        if kept.shape != (len(arrays),):
            raise ValueError(
                f"lengths has shape {kept.shape}, expected a number for each of {len(arrays)} "
                "sequences"
            )
    for i, (array, length) in enumerate(zip(arrays, kept, strict=True)):
        _check_length(i, length, len(array))
    return [array[:length] for array, length in zip(arrays, kept, strict=True)]


def pad(X: SequencesLike, value: Any = np.nan, length: int | None = None) -> AnyArray:
    """Pad sequences at their ends to one length.

    Nothing in fastrnn needs padded sequences; other programs do.

    Parameters
    ----------
    X : list of array-like of shape (T_i, ...)
        The sequences, or tags or weights of their steps.
    value : object, default=nan
        What to put there: a number, or a string for sequences of strings.
    length : int or None, default=None
        How many time steps all sequences get; None is as many as the longest has.

    Returns
    -------
    ndarray of shape (n_sequences, length, ...)
        The padded sequences: float32 stays so, and whole numbers with a whole number.

    Raises
    ------
    TypeError
        If `X` is no list of arrays.
    ValueError
        If the sequences have different features, or one is longer than `length`.

    See Also
    --------
    unpad : The way back.

    Examples
    --------
    >>> from fastrnn.preprocessing import pad
    >>> pad([[1, 2], [3]], value=0)
    array([[1, 2],
           [3, 0]])
    """
    arrays = _arrays(X)
    shape = arrays[0].shape[1:]
    for i, array in enumerate(arrays):
        if array.shape[1:] != shape:
            raise ValueError(
                f"{name_place(i)} has steps of shape {array.shape[1:]}, expected {shape} as in "
                "sequence 0"
            )
    longest = max(map(len, arrays))
    length = longest if length is None else length
    for i, array in enumerate(arrays):
        if len(array) > length:
            raise ValueError(f"{name_place(i)} has {len(array)} time steps, more than {length}")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    dtype = np.result_type(*arrays, value if is_number else np.asarray(value))
    padded = np.full((len(arrays), length, *shape), value, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def cut_padding(arrays):
    """Cut off the steps at the end of each sequence, an array (T, D), that are NaN throughout."""
    lengths = _own_lengths(arrays)
    if all(length == len(array) for length, array in zip(lengths, arrays, strict=True)):
        return arrays
    for i, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        _check_length(i, length, len(array))
    return [array[:length] for array, length in zip(arrays, lengths, strict=True)]


def padded_steps(array):
    """How many steps at the end of a sequence, an array (T, ...), are NaN throughout."""
    if array.dtype.kind != "f" or not len(array):
        return 0
    is_nothing = np.isnan(array[::-1]).reshape(len(array), -1).all(axis=1)
    return len(array) if is_nothing.all() else int(is_nothing.argmin())


def _own_lengths(arrays):
    return [len(array) - padded_steps(array) for array in arrays]


def _check_length(i, length, given):
    if length < 1:
        raise ValueError(f"{name_place(i)} is all padding, expected at least one time step")
    if length > given:
        raise ValueError(f"{name_place(i)} has {given} time steps, expected {length} or more")


def _arrays(X):
    """Return a list with an array for each sequence."""
    expected = "an array of shape (sequence, time, feature), or a list of arrays"
    X = open_list(X, "X", expected)
    if not isinstance(X, list | tuple):
        X = np.asarray(X)  # of a data frame the rows
    if isinstance(X, np.ndarray) and X.ndim == 0:
        raise TypeError(f"X is {show(X.item())}, expected {expected}")
    arrays = []
    for i, item in enumerate(X):
        array = np.asarray(open_container(item, name_place(i), "an array of time steps"))
        if array.ndim == 0:
            raise TypeError(f"{name_place(i)} is {show(item)}, expected an array of time steps")
        arrays.append(array)
    if not arrays:
        raise ValueError(f"X has no sequences, expected {expected}")
    return arrays
