"""Data frames with a row for each sequence, and lists in their cells."""

from typing import Any

import numpy as np

from fastrnn.inputs.containers import is_a, show
from fastrnn.inputs.frames import column_of, is_missing, names_of


def cells_of_lists(frame: Any) -> Any:
    """Take a frame apart that has a row for each sequence and lists in its cells; return a list.

    Each sequence is then a dict of columns or, if there is but one column of lists of lists, its
    cell. Any other frame is returned as it is.
    """
    names = names_of(frame)
    columns = [column_of(frame, j) for j in range(len(names))]
    has_lists = [_holds_lists(column) for column in columns]
    if not any(has_lists):
        return frame
    if not all(has_lists):
        others = [name for name, has in zip(names, has_lists, strict=True) if not has]
        raise TypeError(
            f"X is a data frame with lists in its cells, a row for each sequence, but not in the "
            f"column {others[0]!r}: leave the columns of features alone, each with a list of the "
            "steps"
        )
    for name, column in zip(names, columns, strict=True):
        if is_a(column, "polars.Series") and column.null_count():  # may become an empty array
            raise _no_list(column.is_null().arg_max(), name, None)
    cells = [list(np.asarray(column)) for column in columns]
    for name, column in zip(names, cells, strict=True):
        for i, cell in enumerate(column):
            if _is_series(cell):
                column[i] = cell.to_list()
            elif not _is_list(cell):
                raise _no_list(i, name, cell)
    if len(names) == 1 and any(map(_is_list, cells[0][0])):
        return cells[0]
    return [_row_of_lists(i, names, row) for i, row in enumerate(zip(*cells, strict=True))]


def _no_list(i, name, cell):
    return ValueError(
        f"sequence {i}: column {name!r} is {show(cell)}, expected a list of the steps"
    )


def _row_of_lists(i, names, row):
    """A sequence as a dict of columns."""
    columns = {}
    for name, cell in zip(names, row, strict=True):
        try:
            array = np.asarray(cell)
        except ValueError:
            array = np.empty((0, 0))
        if array.ndim != 1 or (array.dtype == object and any(map(_is_list, array))):
            raise ValueError(
                f"sequence {i}: column {name!r} has lists in lists, expected one value for each "
                "step; of lists of lists there may be one column only"
            )
        # Strings are objects in data frames; what is missing beside them is no string.
        columns[name] = np.array(list(cell), object) if array.dtype.kind == "U" else array
        if len(array) != len(columns[names[0]]):
            raise ValueError(
                f"sequence {i}: column {name!r} has {len(array)} steps, expected "
                f"{len(columns[names[0]])} as in {names[0]!r}"
            )
    return columns


def _holds_lists(column):
    dtype = str(column.dtype).lower()
    if dtype.startswith(("list", "large_list", "fixed_size_list", "array")):
        return True
    if dtype != "object":
        return False
    first = next((value for value in column if _is_list(value) or not is_missing(value)), None)
    return _is_list(first)


def _is_list(value):
    return isinstance(value, list | tuple | np.ndarray) or _is_series(value)


def _is_series(value):
    return is_a(value, "pandas.Series", "polars.Series")
