"""Data frames, read column by column: of pandas, of polars and what behaves like them, or dicts.

No library of frames is imported, but where a frame of it is wanted. A dict of columns, arrays of
one length, is a data frame, too; the command line reads files into such. A column is categorical if
its dtype is one of categories (pandas "category", polars Categorical and Enum) or of strings. Its
values become numbers: their places among the sorted categories that fit learned.
"""

import importlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from fastrnn.inputs.arrays import NUMERIC, REAL, is_missing
from fastrnn.inputs.containers import is_a
from fastrnn.inputs.stamps import DURATIONS, as_moments, read_stamps
from fastrnn.typing import AnyArray

_CATEGORICAL = re.compile(r"(category|categorical|enum|(large_)?str(ing)?|utf8)\b", re.IGNORECASE)
_POLARS_NUMBERS = re.compile("(U?Int|Float|Boolean)")
NAIVE, ZONED, DURATION = "a date without zone", "a date with a zone", "a duration"
KINDS_OF_TIME = (NAIVE, ZONED, DURATION)
"""What a column of times may have."""

UNKNOWN, MISSING = -1, -2
"""The numbers of a value that fit has not seen, and of one that is missing."""


def is_frame(X: object) -> bool:
    """Tell whether X is a data frame in memory, or a dict of columns."""
    if type(X) is dict:
        columns = [*X.values()]
        are_arrays = all(type(column) is np.ndarray and column.ndim == 1 for column in columns)
        return bool(columns) and are_arrays and len({*map(len, columns)}) == 1
    if _is_arrow(X):
        return True
    # Asking the object itself would make a lazy frame compute.
    return all(hasattr(type(X), name) for name in ("columns", "dtypes", "__array__"))


def library_of(value):
    """Say whose object it is: "pandas", "polars", "pyarrow" or, of any other, ""."""
    # A class made from one of theirs will do.
    libraries = [kind.__module__.partition(".")[0] for kind in type(value).__mro__]
    return next((name for name in libraries if name in ("pandas", "polars", "pyarrow")), "")


def make_frame(library, columns, index=None, series=None):
    """Return a data frame of a library, a dict for "", with columns by name.

    `index` is the name of the column that becomes the index, of pandas alone; `series` are arrays
    that a frame of pandas has besides, by their numbers.
    """
    if library == "polars":
        return importlib.import_module("polars").DataFrame(columns)
    if library == "pandas":
        from fastrnn.inputs.pandas_frames import pandas_frame

        return pandas_frame(columns, index, series)
    if library == "pyarrow":
        return importlib.import_module("pyarrow").table(columns)
    return {str(name): np.asarray(values) for name, values in columns.items()}


def shape_of(frame: Any) -> tuple[int, int]:
    """Return the numbers of rows and columns."""
    if isinstance(frame, dict):
        return len(next(iter(frame.values()))), len(frame)
    if _is_arrow(frame):
        return frame.num_rows, frame.num_columns
    return frame.shape


def names_of(frame):
    """Return the names of the columns, of any type, in a list."""
    if _is_arrow(frame):
        return frame.schema.names
    return list(frame) if isinstance(frame, dict) else list(frame.columns)


def column_names(frame: Any) -> tuple[str, ...] | None:
    """Return the names of the columns; None if they are no strings, such as pandas' own numbers.

    It is a TypeError if some are strings and others not.
    """
    names = tuple(names_of(frame))
    kinds = sorted({type(name).__name__ for name in names if not isinstance(name, str)})
    if not kinds:
        return tuple(str(name) for name in names)
    if len(kinds) == len({type(name) for name in names}):
        return None
    raise TypeError(
        "Feature names are only supported if all input features have string names, but the frame "
        f"has names of type str and {', '.join(kinds)}"
    )


def column_of(frame, j):
    """Return a column: a series of pandas or polars, or an array."""
    if isinstance(frame, dict):
        return frame[names_of(frame)[j]]
    if _is_arrow(frame):
        return np.asarray(frame.column(j))
    return frame.iloc[:, j] if hasattr(frame, "iloc") else frame.to_series(j)


def column_type(frame, j):
    """Return the dtype of a column, as its library calls it."""
    return str(column_of(frame, j).dtype)


def stamp_type_of(frame, j):
    """Return what the library of a frame calls the type of a column of times, zone and all."""
    return str(frame.schema.field(j).type) if _is_arrow(frame) else column_type(frame, j)


def column_values(frame: Any, j: int) -> list[Any]:
    """Return the values of a column as Python objects, in a list."""
    return _values(column_of(frame, j))


def column_numbers(frame, j):
    """Return a column as a new array of float64, NaN where there is nothing.

    It is None for a column of anything but numbers.
    """
    if is_categorical(frame, j):
        return None
    array = np.asarray(column_of(frame, j))
    if array.dtype == object:
        values = [np.nan if is_missing(value) else value for value in array.tolist()]
        return np.array(values, np.float64) if all(isinstance(v, REAL) for v in values) else None
    return array.astype(np.float64) if array.dtype.kind in NUMERIC else None


def column_times(frame, j):
    """Return a column of dates or durations as an array of float64, in seconds, NaN without one.

    Dates count from the beginning of 1970. It is None for a column of anything else.
    """
    if is_categorical(frame, j):
        return None
    array = np.asarray(column_of(frame, j))
    if array.dtype == object:
        there = ~np.array([is_missing(value) for value in array.tolist()], bool)
        moments = array[there].tolist()
        kinds = (date | np.datetime64, timedelta | np.timedelta64)
        if not moments or not any(all(isinstance(m, kind) for m in moments) for kind in kinds):
            return None
        _check_zones(moments, names_of(frame)[j])
        known = as_moments(moments)
        array = np.full(len(there), "NaT", known.dtype)
        array[there] = known
    if array.dtype.kind not in "mM":
        return None
    start = np.datetime64(0, "s") if array.dtype.kind == "M" else np.timedelta64(0, "s")
    return (array - start) / np.timedelta64(1, "s")


def kind_of_times(frame, j):
    """Return the number among `KINDS_OF_TIME` of what a column of times has, none of them missing.

    It is one for all, as `column_times` checks.
    """
    kind, _ = read_stamps(column_of(frame, j), str, stamp_type_of(frame, j))
    if kind.kind == DURATIONS:
        return KINDS_OF_TIME.index(DURATION)
    return KINDS_OF_TIME.index(NAIVE if kind.zone is None else ZONED)


def _check_zones(moments, name):
    """Check that all moments of a column have a zone, or none has."""
    zoned = [isinstance(moment, datetime) and moment.tzinfo is not None for moment in moments]
    if any(zoned) and not all(zoned):
        raise ValueError(
            f"column {name!r} has times with a zone and others without, such as "
            f"{moments[zoned.index(False)]}: give all of them the zone, or none"
        )


def is_categorical(frame, j):
    """Tell whether a column holds categories or strings."""
    column = column_of(frame, j)
    if str(column.dtype).lower() == "object":  # strings, or anything
        values = [value for value in _values(column) if not is_missing(value)]
        return bool(values) and all(isinstance(value, str) for value in values)
    return bool(_CATEGORICAL.match(str(column.dtype)))


def categorical_columns(frame):
    """Tell of each column whether it holds categories or strings."""
    is_numeric = [False] * shape_of(frame)[1]
    if hasattr(frame, "iloc"):  # pandas, where taking a column costs as much as a thousand numbers
        is_numeric = [dtype.kind in NUMERIC for dtype in frame.dtypes]
    return [not numeric and is_categorical(frame, j) for j, numeric in enumerate(is_numeric)]


def is_blank(frame, j):
    """Tell whether all values of a column are missing."""
    return all(map(is_missing, column_values(frame, j)))


def value_at(frame, row, j):
    """Say what stands in a categorical column: the value as Python writes it, or "missing"."""
    value = column_values(frame, j)[row]
    return "missing" if is_missing(value) else repr(value)


def learn_categories(frames, columns):
    """Return the values that some categorical columns may have, sorted.

    They are the declared ones of pandas' categories and polars' enums, and all that occur.
    """
    known = {}
    for column in (column_of(frame, j) for frame in frames for j in columns):
        # What polars' Categorical declares are the categories of all frames there ever were.
        declares = not str(column.dtype).startswith("Categorical")
        values = getattr(column.dtype, "categories", None) if declares else None
        known.update(dict.fromkeys(_values(column) if values is None else values))
    values = [value for value in known if not is_missing(value)]
    return tuple(sorted(values, key=lambda value: (type(value).__name__, value)))


def number_values(frame, j, numbers):
    """Return the number of each value of a column, `UNKNOWN` or `MISSING` for one without."""
    return np.array(
        [
            numbers[value] if value in numbers else MISSING if is_missing(value) else UNKNOWN
            for value in column_values(frame, j)
        ]
    )


def encode(frame, numbers, replaced=None):
    """Return the frame as an array, with numbers for the values of categorical columns.

    These have, by the number of the column, the number of each value; `replaced` has whole columns.
    """
    replaced = dict(replaced or {})
    replaced.update((j, number_values(frame, j, of_column)) for j, of_column in numbers.items())
    n_rows, n_columns = shape_of(frame)
    others = [j for j in range(n_columns) if j not in replaced]
    if not replaced:
        return _take(frame, others) if _is_columns(frame) else np.asanyarray(frame)
    rest = _take(frame, others) if others else np.empty((n_rows, 0), np.int64)
    kinds = [values.dtype for values in replaced.values()]
    dtype = np.result_type(rest.dtype, *kinds) if rest.dtype.kind in NUMERIC else object
    array = np.empty((n_rows, n_columns), dtype)
    array[:, others] = rest
    for j, values in replaced.items():
        array[:, j] = values
    return array


def replace_columns(frame: Any, columns: Mapping[int, AnyArray | list[Any]]) -> Any:
    """Return a copy of the frame in which some columns, by number, have other values.

    A categorical column stays one.
    """
    if isinstance(frame, dict):
        names = names_of(frame)
        return frame | {
            names[j]: np.array(values, object if is_categorical(frame, j) else None)
            for j, values in columns.items()
        }
    if _is_arrow(frame):
        arrays = list(frame.columns)
        for j, values in columns.items():
            (arrays[j],) = type(frame).from_pydict({"": values}).columns
        return type(frame).from_arrays(arrays, names=names_of(frame))
    if not hasattr(frame, "iloc"):  # polars
        kinds = {j: type(column_of(frame, j)) for j in columns}
        return frame.with_columns(
            [kinds[j](frame.columns[j], values) for j, values in columns.items()]
        )
    frame = frame.copy()
    for j, values in columns.items():
        column = column_of(frame, j)
        dtype = "category" if str(column.dtype) == "category" else None
        frame.isetitem(j, type(column)(values, index=frame.index, dtype=dtype))
    return frame


def as_frames(sequences: Iterable[Any], names: Collection[str], library: str, X: Any) -> Any:
    """Return sequences made of `X` as data frames: a list, or a Series with the index of X."""
    made = [as_frame(sequence, names, library) for sequence in sequences]
    if library == "pandas" and is_a(X, "pandas.Series"):  # whose index the rows of states will have
        return type(X)(made, index=X.index, dtype=object)
    return made


def as_frame(array: Any, names: Collection[str], library: str) -> Any:
    """Return an array (T, n) or (T,), or a frame, as a data frame of "pandas" or "polars"."""
    make = importlib.import_module(library).DataFrame
    if not is_frame(array):
        rows = array if array.ndim == 2 else array[:, np.newaxis]
        return make(rows, **{"columns" if library == "pandas" else "schema": list(names)})
    if isinstance(array, make):
        return array
    each = range(len(names_of(array)))
    columns = [
        column_values(array, j) if is_categorical(array, j) else np.asarray(column_of(array, j))
        for j in each
    ]
    return make(dict(zip(names_of(array), columns, strict=True)))


def places_of(frame: Any, names: tuple[str, ...] | None) -> list[int]:
    """Return where the columns of these names are in a frame that has no others.

    Without names, None, columns that are numbered from 0 on are those of these numbers, and others
    those at these places.
    """
    there = names_of(frame)
    if names is None:
        numbers = list(range(len(there)))
        is_numbered = all(type(name) is int for name in there) and sorted(there) == numbers
        return [there.index(j) for j in numbers] if is_numbered else numbers
    return [j for j, _ in enumerate(there)] if tuple(there) == names else [*map(there.index, names)]


def select(frame: Any, places: list[int]) -> Any:
    """Return a frame with its columns in another order."""
    if places == list(range(len(places))):
        return frame
    if isinstance(frame, dict):
        names = names_of(frame)
        return {names[j]: frame[names[j]] for j in places}
    if _is_arrow(frame):
        return frame.select(places)
    return frame.iloc[:, places] if hasattr(frame, "iloc") else frame[:, places]


def _is_arrow(X):
    return is_a(X, "pyarrow.Table", "pyarrow.RecordBatch")


def _is_columns(frame):
    """Tell whether columns are to be read one by one, since the frame does not make one array.

    That of polars makes numbers of times.
    """
    if isinstance(frame, dict) or _is_arrow(frame):
        return True
    is_polars = not hasattr(frame, "iloc")
    return is_polars and not all(_POLARS_NUMBERS.match(str(dtype)) for dtype in frame.dtypes)


def _values(column):
    return column.tolist() if isinstance(column, np.ndarray) else column.to_list()


def _take(frame, columns):
    """Some columns side by side, as an array."""
    if _is_columns(frame):
        arrays = [np.asarray(column_of(frame, j)) for j in columns]
        is_numeric = all(array.dtype.kind in NUMERIC for array in arrays)
        return np.stack([array if is_numeric else array.astype(object) for array in arrays], axis=1)
    return np.asarray(frame.iloc[:, columns] if hasattr(frame, "iloc") else frame[:, columns])
