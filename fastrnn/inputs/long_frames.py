"""Data frames in long form, a row for each step of each series: their columns become arrays.

They are read through narwhals, which is imported when the first one comes. The tables of fastrnn
itself do without.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.inputs.covariates import check_covariates
from fastrnn.inputs.frames import (
    UNKNOWN,
    categorical_columns,
    column_values,
    learn_categories,
    value_at,
)
from fastrnn.inputs.tables import Column, Table


@dataclass(frozen=True)
class LongColumns:
    """Which columns of a long data frame hold what.

    Attributes
    ----------
    id, time, value : str
        The series that a row belongs to, its time stamp, its value.
    future, past : tuple of str
        Covariates that are known beforehand, and those that are not.
    """

    id: str
    time: str
    value: str
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()


@functools.cache
def _narwhals():
    try:
        import narwhals
    except ImportError:
        raise ImportError(
            "data frames of time series are read through narwhals: pip install 'fastrnn[frames]'"
        ) from None
    return narwhals


class LongFrame:
    """A data frame in long form: its columns as arrays, and the rows of each series.

    Parameters
    ----------
    frame : data frame
        Of pandas or polars, or whatever narwhals reads; or a table of `fastrnn.inputs.tables`.
    columns : LongColumns
        Which columns hold what.
    names : iterable of str
        Which columns must be there, beside those of ids and times.

    Attributes
    ----------
    rows : dict of object to ndarray of int
        The rows of each series by its id, in the order in which the series begin.
    times : ndarray of shape (n_rows,)
        The time stamps; they rise within each series.
    """

    def __init__(self, frame, columns, names):
        if not isinstance(frame, Table):
            frame = _narwhals().from_native(frame, eager_only=True)
        self.frame, self.columns = frame, columns
        for name in (columns.id, columns.time, *names):
            if name not in self.frame.columns:
                raise ValueError(
                    f"the data frame has no column {name!r}, only {list(self.frame.columns)}"
                )
        if not len(self.frame):
            raise ValueError("the data frame has no rows")
        rows: dict[Any, list] = {}
        for row, key in enumerate(self.frame.get_column(columns.id).to_list()):
            if key is None or key != key:
                raise ValueError(f"row {row} of the data frame has no {columns.id!r}")
            rows.setdefault(key, []).append(row)
        self.rows = {key: np.array(of_series) for key, of_series in rows.items()}
        self.times = self.frame.get_column(columns.time).to_numpy()
        self._check_times()

    def _check_times(self):
        for key, rows in self.rows.items():
            times = self.times[rows]
            if (times != times).any() or any(time is None for time in times.tolist()):
                raise ValueError(f"series {key!r} has a row without time stamp")
            rises = times[1:] > times[:-1]
            if rises.all():
                continue
            stamps, counts = np.unique(times, return_counts=True)
            if (counts > 1).any():
                raise ValueError(
                    f"series {key!r} has the time stamp {stamps[counts > 1][0]} more than once"
                )
            t = int(np.flatnonzero(~rises)[0]) + 1
            raise ValueError(
                f"series {key!r} is not sorted by time: {times[t]} comes after {times[t - 1]}"
            )

    def numbers(self, name):
        """Read a column of numbers.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of shape (n_rows,), float64
            NaN where there is nothing.

        Raises
        ------
        TypeError
            If it holds something else.
        """
        column = self.frame.get_column(name)
        numbers = _numbers(column)
        if numbers is None:
            raise TypeError(f"column {name!r} must be numbers, got {column.dtype}")
        return numbers

    def covariates(self, names, categories=None):
        """Read covariates, with numbers in place of categories.

        Parameters
        ----------
        names : tuple of str
            The columns.
        categories : dict of int to tuple, default=None
            For each of them that holds categories the values that `fit` has seen. None learns them.

        Returns
        -------
        parts : list of ndarray of shape (T_i, n), float64
            The columns side by side, for each series.
        categories : dict of int to tuple
            As given, or learned: the sorted values.

        Raises
        ------
        TypeError
            If a column holds neither numbers nor categories.
        ValueError
            If something is missing or not finite, or a category is new.
        """
        learned = {} if categories is None else categories
        native = [self.frame.select(name).to_native() for name in names]
        table = np.empty((len(self.times), len(names)))
        for j, (name, column) in enumerate(zip(names, native, strict=True)):
            if categories is None and categorical_columns(column)[0]:
                learned[j] = learn_categories([column], [0])
            if j in learned:
                table[:, j] = self._numbered(column, name, learned[j])
            else:
                table[:, j] = self.numbers(name)
        parts = [table[rows] for rows in self.rows.values()]
        for key, part in zip(self.rows, parts, strict=True):
            check_covariates(part, f"covariates of series {key!r}")
        return parts, learned

    def _numbered(self, column, name, categories):
        """The number of each value among the categories."""
        numbers = {value: k for k, value in enumerate(categories)}
        found = np.array([numbers.get(value, UNKNOWN) for value in column_values(column, 0)])
        for key, rows in self.rows.items():
            wrong = np.flatnonzero(found[rows] == UNKNOWN)
            if wrong.size:
                known = ", ".join(map(repr, categories))
                raise ValueError(
                    f"column {name!r} of series {key!r} is {value_at(column, rows[wrong[0]], 0)} "
                    f"at step {wrong[0]}, expected one of the categories of fit: "
                    f"{known if len(known) < 200 else known[:200] + ' ...'}"
                )
        return found


def _numbers(column):
    """Return a column as a new array of float64; None if it holds something else."""
    if isinstance(column, Column):
        is_numeric = column.to_numpy().dtype.kind in "iuf"
    else:
        nw = _narwhals()
        is_numeric = column.dtype.is_numeric() or column.dtype == nw.Boolean
        column = column.cast(nw.Float64) if is_numeric else column
    return np.array(column.to_numpy(), dtype=np.float64) if is_numeric else None
