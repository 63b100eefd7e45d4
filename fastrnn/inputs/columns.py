"""The columns of a time step: which are ids, what they are called, what fit learned about them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Columns:
    """What `as_sequences` learned about the columns of ``X``, and holds later ones to.

    Attributes
    ----------
    width : int
        Number of columns of each time step, numbers and ids.
    names : tuple of str or None
        Names of these columns, or of the columns of a table; None if ``X`` was no data frame.
    ids : tuple of int
        Which columns of a time step are ids.
    n_categories : tuple of int
        For each of them the number of ids: they go from 0 to ``n_categories - 1``.
    categories : tuple of (tuple or None)
        For each of them the sorted values that the ids stand for; None if they were given as ids.
    fitted_by : str
        Name of the class whose `fit` learned it, for warnings.
    """

    width: int
    names: tuple[str, ...] | None = None
    ids: tuple[int, ...] = ()
    n_categories: tuple[int, ...] = ()
    categories: tuple[tuple | None, ...] = ()
    fitted_by: str = "the model"


def choose(wanted, width, names=None, categorical=(), of="X"):
    """Return which columns are chosen.

    Parameters
    ----------
    wanted : "all", "from_dtype", array-like of int, str or bool, or None
        The choice: all columns, the categorical ones, those with these numbers or names, or a mask
        with one entry for each column. None for none.
    width : int
        Number of columns.
    names : tuple of str or None, default=None
        Their names.
    categorical : iterable of int, default=()
        Which of them are categorical.
    of : str, default="X"
        What has these columns, for messages.

    Returns
    -------
    tuple of int
        The numbers of the chosen columns, in their order.

    Raises
    ------
    ValueError
        If there are no such columns, or one is chosen twice.
    """
    if wanted is None:
        return ()
    if isinstance(wanted, str) and wanted == "all":
        return tuple(range(width))
    if isinstance(wanted, str) and wanted == "from_dtype":
        return tuple(categorical)
    chosen = np.asarray(wanted)
    if chosen.size == 0:
        return ()
    if chosen.ndim != 1 or isinstance(wanted, str) or chosen.dtype.kind not in "biuUO":
        raise ValueError(
            f"categorical_features is {wanted!r}, expected 'all', 'from_dtype', a list of column "
            "numbers or names, or a mask"
        )
    if chosen.dtype.kind == "b":
        if len(chosen) != width:
            raise ValueError(
                f"categorical_features is a mask of {len(chosen)} entries, expected one for each "
                f"of {width} columns"
            )
        return tuple(np.flatnonzero(chosen).tolist())
    numbers = [_column_number(entry, width, names, of) for entry in chosen.tolist()]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"categorical_features chooses a column twice: {wanted!r}")
    return tuple(sorted(numbers))


def check_shape(i, shape, n_features, first=None):
    """Check how many time steps and columns a sequence has.

    Parameters
    ----------
    i : int
        Number of the sequence, for the message.
    shape : tuple of (int, int)
        Its numbers of time steps and columns.
    n_features : int or None
        How many columns are wanted, None for as many as the first sequence has.
    first : tuple of (int, int) or None, default=None
        Shape of the first sequence.

    Raises
    ------
    ValueError
        If there are no time steps, no columns, or another number of them than wanted.
    """
    length, width = shape
    if length == 0:
        raise ValueError(f"sequence {i} is empty, expected at least one time step")
    if width == 0:
        raise ValueError(f"sequence {i} has 0 features, expected at least 1")
    expected = n_features if n_features is not None or first is None else first[1]
    if expected is not None and width != expected:
        origin = " as in sequence 0" if n_features is None else ""
        raise ValueError(f"sequence {i} has {count_features(width)}, expected {expected}{origin}")


def name_place(*place, feature=None):
    """Name a place in ``X``, for messages.

    Parameters
    ----------
    *place : int
        Sequence, time step and feature, or the first of these; none for ``X`` itself.
    feature : int or None, default=None
        The feature, if what stands before it is left out.

    Returns
    -------
    str
        Such as "sequence 2, time step 0, feature 1".
    """
    levels = [*zip(("sequence", "time step", "feature"), place, strict=False)]
    if feature is not None:
        levels.append(("feature", feature))
    return ", ".join(f"{level} {index}" for level, index in levels) or "X"


def count_features(n):
    """Say how many features.

    Parameters
    ----------
    n : int
        The number.

    Returns
    -------
    str
        Such as "1 feature".
    """
    return f"{n} feature" if n == 1 else f"{n} features"


def _column_number(entry, width, names, of):
    if isinstance(entry, str):
        if names is None:
            raise ValueError(
                f"categorical_features has the name {entry!r}, but {of} is no data frame, or list "
                "of data frames, whose columns have names"
            )
        if names.count(entry) != 1:
            raise ValueError(
                f"categorical_features has the name {entry!r}, which {names.count(entry)} columns "
                f"of {of} have, expected one of {list(names)}"
            )
        return names.index(entry)
    if isinstance(entry, bool) or not isinstance(entry, int):
        raise ValueError(f"categorical_features has the entry {entry!r}, expected numbers or names")
    if not 0 <= entry < width:
        raise ValueError(
            f"categorical_features has the column {entry}, but {of} has columns 0 to {width - 1}"
        )
    return entry
