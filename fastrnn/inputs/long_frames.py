"""Data frames in long form, a row for each step of each series: their columns become arrays."""

from dataclasses import dataclass

import numpy as np

from fastrnn.files.codec import ListOf, Record, Text
from fastrnn.inputs.covariates import check_covariates
from fastrnn.inputs.frames import (
    UNKNOWN,
    column_array,
    column_numbers,
    column_type,
    column_values,
    is_categorical,
    is_missing,
    learn_categories,
    names_of,
    number_values,
    shape_of,
    value_at,
)


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


LONG_COLUMNS = Record(
    {
        "id": Text(),
        "time": Text(),
        "value": Text(),
        "future": ListOf(Text(), tuple),
        "past": ListOf(Text(), tuple),
    },
    LongColumns,
)
"""`LongColumns` in files."""


class LongFrame:
    """A data frame in long form, whose columns become arrays; `names` must be among them.

    `rows` has the numbers of the rows of each series by its id, in the order in which the series
    begin; `times` the time stamps of all rows, which rise within each series.
    """

    def __init__(self, frame, columns, names):
        there = names_of(frame)
        for name in (columns.id, columns.time, *names):
            if there.count(name) != 1:
                fault = "has no" if name not in there else f"has {there.count(name)} times the"
                raise ValueError(f"the data frame {fault} column {name!r}, only {there}")
        if not shape_of(frame)[0]:
            raise ValueError("the data frame has no rows")
        self._frame, self._names = frame, there
        rows: dict[object, list] = {}
        for row, key in enumerate(column_values(frame, there.index(columns.id))):
            if is_missing(key):
                raise ValueError(f"row {row} of the data frame has no {columns.id!r}")
            rows.setdefault(key, []).append(row)
        self.rows = {key: np.array(of_series) for key, of_series in rows.items()}
        self.times = column_array(frame, there.index(columns.time))
        self._check_times()

    def _check_times(self):
        for key, rows in self.rows.items():
            times = self.times[rows]
            if times.dtype == object:
                lacks = any(map(is_missing, times))
            else:
                lacks = (times != times).any()
            if lacks:
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
        """Read a column of numbers as float64, NaN where there is nothing."""
        j = self._names.index(name)
        numbers = column_numbers(self._frame, j)
        if numbers is None:
            got = column_type(self._frame, j)
            raise TypeError(f"column {name!r} must be numbers, got {got}")
        return numbers

    def covariates(self, names, categories=None):
        """Read covariates: an array (T_i, n) for each series, and the values of categories.

        Categories are numbered, among those given, which `fit` has seen, by number of the column;
        None learns them.
        """
        learned = {} if categories is None else categories
        table = np.empty((len(self.times), len(names)))
        for k, name in enumerate(names):
            j = self._names.index(name)
            if categories is None and is_categorical(self._frame, j):
                learned[k] = learn_categories([self._frame], [j])
            if k in learned:
                table[:, k] = self._numbered(name, learned[k])
            else:
                table[:, k] = self.numbers(name)
        covariates = [table[rows] for rows in self.rows.values()]
        for key, rows in zip(self.rows, covariates, strict=True):
            check_covariates(rows, f"covariates of series {key!r}")
        return covariates, learned

    def _numbered(self, name, categories):
        """The number of each value among the categories."""
        j = self._names.index(name)
        found = number_values(self._frame, j, {value: k for k, value in enumerate(categories)})
        for key, rows in self.rows.items():
            wrong = np.flatnonzero(found[rows] == UNKNOWN)
            if wrong.size:
                known = ", ".join(map(repr, categories))
                value = value_at(self._frame, rows[wrong[0]], j)
                raise ValueError(
                    f"column {name!r} of series {key!r} is {value} at step {wrong[0]}, expected "
                    "one of the categories of fit: "
                    f"{known if len(known) < 200 else known[:200] + ' ...'}"
                )
        return found
