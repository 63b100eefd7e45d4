"""Data frames of pandas and polars, neither of which is imported: names, categories, numbers.

A column is categorical if its dtype is one of categories (pandas "category", polars Categorical
and Enum) or of strings. Its values become numbers: their places among the sorted categories that
fit learned.
"""

import re
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np

from fastrnn.inputs.columns import Columns, check_shape, choose, name_place

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
    return _is_kind_of_frame(type(X))


def _is_kind_of_frame(kind):
    # Asking the object itself would make a lazy frame compute.
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
    columns : dict of int to list or ndarray
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


@dataclass
class Frames:
    """The data frames among `X`: one table, one for each sequence, or none.

    `numbers` has for each categorical column the number of each of its values; in a table all
    columns share those of column 0.
    """

    frames: list
    is_table: bool = False
    names: tuple[str, ...] | None = None
    numbers: dict[int, dict] = field(default_factory=dict)

    @classmethod
    def of_table(cls, frame, columns, wants_ids):
        """Read a table. Its columns are time steps: categorical all of them or none."""
        self = cls([frame], True, column_names(frame))
        if columns is not None:
            check_names("X", self.names, columns)
        if wants_ids:
            is_categorical = [all(categorical_columns(frame))]
            self._number(
                is_categorical,
                columns,
                lambda _: learn_categories([frame], range(frame.shape[1])),
            )
        return self

    @classmethod
    def of_list(cls, X, columns, n_features):
        """Read the frames of a list, where there are any."""
        is_numeric = isinstance(X, np.ndarray) and X.dtype != object
        if is_numeric or not any(map(_is_kind_of_frame, {*map(type, X)})):
            self = cls([])
            if columns is not None:
                check_names("X", None, columns)
                self._number([False] * columns.width, columns, None)
            return self
        for i, item in enumerate(X):
            if not is_frame(item):
                raise TypeError(
                    f"sequence {i} is of type {type(item).__name__}, expected a data frame as "
                    "other sequences are"
                )
        items = list(X)
        self = cls(items, False, column_names(items[0]))
        if columns is not None:
            check_names("sequence 0", self.names, columns)
        for i, item in enumerate(items):
            names = column_names(item)
            if names != self.names:
                raise ValueError(
                    f"sequence {i} has columns {list(item.columns)}, expected "
                    f"{list(items[0].columns)} as in sequence 0"
                )
            check_shape(i, item.shape, n_features, first=items[0].shape)
        masks = [categorical_columns(item) for item in items]
        is_categorical = [any(mask[j] for mask in masks) for j in range(len(masks[0]))]
        self._number(is_categorical, columns, lambda j: learn_categories(items, [j]))
        for i, mask in enumerate(masks):
            for j in self.numbers:
                if not mask[j]:
                    raise TypeError(
                        f"{self.place(i, j)} holds no categories, expected them "
                        "as in other sequences"
                    )
        return self

    def _number(self, is_categorical, columns, learn):
        """Number the values of categorical columns: as in fit, or by their order."""
        fitted = {} if columns is None else dict(zip(columns.ids, columns.categories, strict=True))
        for j, is_ in enumerate(is_categorical):
            categories = fitted.get(j)
            if columns is None and is_:
                categories = learn(j)
            elif columns is not None and is_ != (categories is not None):
                kinds = ("numbers", "categories") if is_ else ("categories", "numbers")
                raise TypeError(
                    f"{self.place(j)} of X holds {kinds[1]}, expected {kinds[0]} as in fit"
                )
            if categories is not None:
                self.numbers[j] = {value: k for k, value in enumerate(categories)}

    def encode(self):
        """Return the frames with numbers for the values of categorical columns."""
        if self.is_table:
            (frame,) = self.frames
            return encode(frame, dict.fromkeys(range(frame.shape[1]), self.numbers[0]))
        return [encode(frame, self.numbers) for frame in self.frames]

    def choose(self, wanted, width):
        """Return which of the columns of a time step are ids."""
        names = None if self.is_table else self.names
        chosen = choose(wanted, width, names, self.numbers)
        for j in self.numbers:
            if j not in chosen:
                raise TypeError(
                    f"{self.place(0, j)} holds categories, expected numbers: name it in "
                    "categorical_features to have them read as ids"
                )
        return chosen

    def learned(self, width, chosen, ids):
        """Return what a later X has to agree with."""
        categories = tuple(tuple(self.numbers[j]) if j in self.numbers else None for j in chosen)
        n_categories = tuple(
            len(values) if values is not None else int(ids[:, k].max()) + 1
            for k, values in enumerate(categories)
        )
        return Columns(width, self.names, chosen, n_categories, categories)

    def place(self, *place):
        """Name a place, which ends with a feature."""
        *rest, j = place
        named = "" if self.is_table or self.names is None else f" ({self.names[j]!r})"
        return name_place(*rest, feature=j) + named

    def value_at(self, i, step, j):
        """Say what stands at a place whose value has no number."""
        if self.is_table:
            return value_at(self.frames[0], i, step)
        return value_at(self.frames[i], step, j)


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
