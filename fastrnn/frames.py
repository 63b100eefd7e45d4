"""What a data frame says about its columns, for pandas and polars, neither of which is imported.

A column is categorical if its dtype is one of categories (pandas "category", polars Categorical
and Enum) or of strings. Its values become numbers: their places among the sorted categories that
fit learned.
"""

import re
import sys
import warnings

import numpy as np

_CATEGORICAL = re.compile(r"(category|categorical|enum|(large_)?str(ing)?|utf8)\b", re.IGNORECASE)
UNKNOWN = -1
"""The number of a value that is missing or that fit has not seen."""


def is_frame(X):
    """Tell whether X is a data frame in memory.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    bool
        True for data frames of pandas and polars and what behaves like them.
    """
    kind = type(X)  # asking the object itself would make a lazy frame compute
    return all(hasattr(kind, name) for name in ("columns", "dtypes", "__array__"))


def column_names(frame):
    """Return the names of the columns.

    Parameters
    ----------
    frame : data frame
        The frame.

    Returns
    -------
    tuple of str or None
        None if they are no strings, such as the numbers that pandas gives by default.

    Raises
    ------
    TypeError
        If some are strings and others not.
    """
    names = tuple(frame.columns)
    kinds = sorted({type(name).__name__ for name in names if not isinstance(name, str)})
    if not kinds:
        return tuple(str(name) for name in names)
    if len(kinds) == len({type(name) for name in names}):
        return None
    raise TypeError(
        "Feature names are only supported if all input features have string names, but the frame "
        f"has names of type str and {', '.join(kinds)}"
    )


def check_names(place, names, columns):
    """Check that the columns have the names that they had in fit.

    Parameters
    ----------
    place : str
        What has these columns, such as "sequence 2", for the message.
    names : tuple of str or None
        Names of the columns, None without any.
    columns : Columns
        What fit learned of its columns.

    Raises
    ------
    ValueError
        If both have names, and these are not the same in the same order.

    Warns
    -----
    UserWarning
        If only one of them has names.
    """
    expected = columns.names
    if names == expected:
        return
    if names is None or expected is None:
        what = "does not have valid" if names is None else "has"
        how = "with" if names is None else "without"
        warnings.warn(
            f"{place} {what} feature names, but {columns.fitted_by} was fitted {how} feature names",
            UserWarning,
            stacklevel=_level_outside(),
        )
        return
    message = f"{place}: The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(names) - set(expected)), sorted(set(expected) - set(names))
    if unseen:
        message += f"Feature names unseen at fit time:\n{_list(unseen)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{_list(missing)}"
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def categorical_columns(frame):
    """Tell which columns are categorical.

    Parameters
    ----------
    frame : data frame
        The frame.

    Returns
    -------
    list of bool
        One for each column.
    """
    return [_is_categorical(_column(frame, j)) for j in range(frame.shape[1])]


def learn_categories(frames, columns):
    """Return the values that categorical columns may have.

    Parameters
    ----------
    frames : list of data frame
        All frames.
    columns : iterable of int
        The columns.

    Returns
    -------
    tuple
        The declared values of pandas categories and polars enums, and all values that occur,
        sorted.
    """
    known = {}
    for column in (_column(frame, j) for frame in frames for j in columns):
        # What polars' Categorical declares are the categories of all frames there ever were.
        declares = not str(column.dtype).startswith("Categorical")
        values = getattr(column.dtype, "categories", None) if declares else None
        known.update(dict.fromkeys(column.to_list() if values is None else values))
    values = [value for value in known if not _is_missing(value)]
    return tuple(sorted(values, key=lambda value: (type(value).__name__, value)))


def encode(frame, numbers):
    """Return the frame as an array with the values of categorical columns made numbers.

    Parameters
    ----------
    frame : data frame
        The frame.
    numbers : dict of int to dict
        For each categorical column the number of each of its values.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        `UNKNOWN` stands for values without a number.
    """
    if not numbers:
        return np.asanyarray(frame)
    others = [j for j in range(frame.shape[1]) if j not in numbers]
    rest = np.asarray(_select(frame, others)) if others else np.empty((len(frame), 0), np.int64)
    dtype = np.result_type(rest.dtype, np.int64) if rest.dtype.kind in "fiub" else object
    array = np.empty(frame.shape, dtype)
    array[:, others] = rest
    for j, number in numbers.items():
        values = _column(frame, j).to_list()
        array[:, j] = [number.get(value, UNKNOWN) for value in values]
    return array


def column_values(frame, j):
    """Return the values of a column.

    Parameters
    ----------
    frame : data frame
        The frame.
    j : int
        The column.

    Returns
    -------
    list
        The values as Python objects.
    """
    return _column(frame, j).to_list()


def replace_columns(frame, columns):
    """Return a copy of the frame in which some columns have other values.

    Parameters
    ----------
    frame : data frame
        The frame.
    columns : dict of int to list
        For each of these columns the new values; a categorical column stays one.

    Returns
    -------
    data frame
        One of the same kind.
    """
    if not hasattr(frame, "iloc"):  # polars
        kinds = {j: type(_column(frame, j)) for j in columns}
        return frame.with_columns(
            [kinds[j](frame.columns[j], values) for j, values in columns.items()]
        )
    frame = frame.copy()
    for j, values in columns.items():
        column = _column(frame, j)
        dtype = "category" if str(column.dtype) == "category" else None
        frame.isetitem(j, type(column)(values, index=frame.index, dtype=dtype))
    return frame


def value_at(frame, row, j):
    """Say what stands in a categorical column.

    Parameters
    ----------
    frame : data frame
        The frame.
    row, j : int
        The place.

    Returns
    -------
    str
        The value as Python writes it, or "missing".
    """
    value = _column(frame, j).to_list()[row]
    return "missing" if _is_missing(value) else repr(value)


def replace(frame, columns):
    """Return a copy of the frame with other columns in place of some.

    Parameters
    ----------
    frame : data frame
        The frame.
    columns : dict of int to ndarray of shape (n_rows,)
        The new values, by the number of the column.

    Returns
    -------
    data frame
        Of the same library, with the same names.
    """
    if hasattr(frame, "isetitem"):  # pandas
        frame = frame.copy()
        for j, values in columns.items():
            frame.isetitem(j, values)
        return frame
    series = type(frame.to_series(0))
    return frame.with_columns(series(frame.columns[j], values) for j, values in columns.items())


def _column(frame, j):
    return frame.iloc[:, j] if hasattr(frame, "iloc") else frame.to_series(j)


def _select(frame, columns):
    return frame.iloc[:, columns] if hasattr(frame, "iloc") else frame[:, columns]


def _is_categorical(column):
    if str(column.dtype).lower() == "object":  # of pandas: strings, or anything
        values = [value for value in column.to_list() if not _is_missing(value)]
        return bool(values) and all(isinstance(value, str) for value in values)
    return bool(_CATEGORICAL.match(str(column.dtype)))


def _is_missing(value):
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _level_outside():
    """Return the stacklevel, for the function that calls this, of the line that called fastrnn."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("fastrnn."):
        level, frame = level + 1, frame.f_back
    return level


def _list(names):
    # As many as scikit-learn shows.
    shown = [f"- {name}\n" for name in names[:5]]
    return "".join(shown) + ("- ...\n" if len(names) > 5 else "")
