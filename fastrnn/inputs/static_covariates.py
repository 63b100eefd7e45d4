"""What does not change within a series, such as a region: numbers, or categories, of each."""

import numpy as np

from fastrnn.inputs.arrays import is_missing
from fastrnn.inputs.containers import show
from fastrnn.inputs.covariates import STATIC, check_covariates
from fastrnn.inputs.frames import (
    column_numbers,
    column_type,
    column_values,
    is_categorical,
    is_frame,
    learn_categories,
    names_of,
    number_values,
    shape_of,
    value_at,
)


def read_static(given, n, is_single, name, known=None):
    """Read a table with a row for each of n series: an array (n, S), and values of categories.

    Categories are numbered among those `known`, by number of the column; None learns them.
    ``name(i)`` is what messages call series i.
    """
    if given is None:
        return np.empty((n, 0)), {}
    frame = given if is_frame(given) else _as_frame(given, is_single)
    if shape_of(frame)[0] != n:
        raise ValueError(
            f"{STATIC} has {shape_of(frame)[0]} rows, expected one for each of {n} series"
        )
    names, learned = names_of(frame), {} if known is None else known
    table = np.empty((n, len(names)))
    for j, column in enumerate(names):
        missing = [i for i, value in enumerate(column_values(frame, j)) if is_missing(value)]
        if missing:
            raise ValueError(f"{STATIC} of {name(missing[0])} have no value in column {column}")
        if known is None and is_categorical(frame, j):
            learned[j] = learn_categories([frame], [j])
        if j in learned:
            table[:, j] = number_values(frame, j, {value: k for k, value in enumerate(learned[j])})
            wrong = np.flatnonzero(table[:, j] < 0)
            if wrong.size:
                shown = ", ".join(map(repr, learned[j]))
                raise ValueError(
                    f"{STATIC} of {name(wrong[0])} have {value_at(frame, wrong[0], j)} in column "
                    f"{column}, expected one of the categories of fit: "
                    f"{shown if len(shown) < 200 else shown[:200] + ' ...'}"
                )
            continue
        numbers = column_numbers(frame, j)
        if numbers is None:
            got = column_type(frame, j)
            raise TypeError(f"column {column} of {STATIC} must be numbers, got {got}")
        table[:, j] = numbers
    for i, row in enumerate(table):
        check_covariates(row[np.newaxis], f"{STATIC} of {name(i)}")
    return table, learned


def _as_frame(given, is_single):
    """Rows of numbers and text as a frame, whose columns are called by their numbers."""
    try:
        rows = np.array(given, dtype=object)
    except ValueError:
        rows = np.empty(0, object)
    if rows.ndim == 1:
        rows = rows[np.newaxis] if is_single else rows[:, np.newaxis]
    if rows.ndim != 2 or not rows.size or any(np.ndim(value) for value in rows.flat):
        raise ValueError(
            f"{STATIC} must be a table with a row of numbers or text for each series, got "
            f"{show(given)}"
        )
    return {str(j): rows[:, j] for j in range(rows.shape[1])}


def check_static(rows, names, name, write):
    """Check that columns (T, S) of a series do not change; return the first row.

    `write` shows the value of a row and a column, as it was given.
    """
    changes = np.argwhere(rows != rows[0])
    if changes.size:
        t, k = min(map(tuple, changes.tolist()))
        raise ValueError(
            f"column {names[k]!r} is one of {STATIC}, but changes within {name}: it is "
            f"{write(0, k)} at its first row, and {write(t, k)} at row {t} after it"
        )
    return rows[0]
