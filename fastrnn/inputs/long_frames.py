"""Data frames of series become arrays: a row for each step of each series, or a column for each."""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.files.codec import Added, Flag, ListOf, Record, Text
from fastrnn.inputs.arrays import REAL, is_missing
from fastrnn.inputs.containers import show
from fastrnn.inputs.covariates import check_covariates
from fastrnn.inputs.frames import (
    column_numbers,
    column_of,
    column_type,
    column_values,
    is_categorical,
    learn_categories,
    library_of,
    names_of,
    number_values,
    shape_of,
    stamp_type_of,
    value_at,
)
from fastrnn.inputs.stamps import read_stamps

LONG, WIDE = "long", "wide"


@dataclass(frozen=True)
class LongColumns:
    """Which columns of a data frame of series hold what.

    Attributes
    ----------
    id, time, value : str
        The series that a row belongs to, its time stamp, its value.
    future, past, static : tuple of str
        Covariates that are known beforehand, those that are not, and those that do not change.
    layout : {"long", "wide"}
        Whether there is a row for each step of each series, or a column for each series.
    has_ids : bool or None
        Whether there is a column of ids; without there is one series. None finds out.
    is_indexed : bool
        Whether the time stamps are the index of pandas.
    """

    id: str
    time: str
    value: str
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    layout: str = LONG
    has_ids: bool | None = None
    is_indexed: bool = False
    static: tuple[str, ...] = ()


def columns_of(id_column: str, time_column: str, value_column: str, layout: str) -> LongColumns:
    """Which columns users say that a data frame has."""
    if layout not in (LONG, WIDE):
        raise ValueError(f"layout must be 'long' or 'wide', got {layout!r}")
    return LongColumns(id_column, time_column, value_column, layout=layout)


LONG_COLUMNS = Record(
    {
        "id": Text(),
        "time": Text(),
        "value": Text(),
        "future": ListOf(Text(), tuple),
        "past": ListOf(Text(), tuple),
        "layout": Text((LONG, WIDE)),
        "has_ids": Flag(),
        "is_indexed": Flag(),
        "static": Added(ListOf(Text(), tuple), ()),
    },
    LongColumns,
)
"""`LongColumns` in files."""


class LongFrame:
    """A data frame in long form, whose columns become arrays; `names` must be among them.

    `rows` has the numbers of the rows of each series by its id, in the order in which the series
    begin, by None if there is one without ids; `columns` says whether there are some. `times` are
    the time stamps of all rows, of the kind `type`.
    """

    def __init__(self, frame, columns, names):
        self._frame, self._names = frame, names_of(frame)
        levels = _index_levels(frame, self._names)
        has_ids = columns.has_ids
        if has_ids is None:  # the usual name may be left out where there is one series
            has_ids = columns.id != "id" or "id" in self._names or "id" in levels
        is_indexed = columns.time not in self._names and _finds_index(columns.time, levels)
        ids = [columns.id] if has_ids and columns.id not in levels else []
        for name in (*ids, *([] if is_indexed else [columns.time]), *names):
            self._check_column(name, columns)
        n_rows = shape_of(frame)[0]
        if not n_rows:
            raise ValueError("the data frame has no rows")
        self.columns = replace(columns, has_ids=has_ids, is_indexed=is_indexed)
        if not has_ids:
            self.rows = {None: np.arange(n_rows)}
        elif ids:
            self.rows = _rows_by_id(column_values(frame, self._names.index(columns.id)), columns.id)
        else:
            self.rows = _rows_by_id(levels[columns.id].tolist(), columns.id)
        dtype = None
        if is_indexed:
            time = _level(columns.time, levels)
        else:
            j = self._names.index(columns.time)
            time, dtype = column_of(frame, j), stamp_type_of(frame, j)
        self.type, self.times = read_stamps(time, self._name_of_row, dtype)

    def _check_column(self, name, columns):
        there, advice = self._names, ""
        if columns.has_ids is None:  # names are given in fit
            what = {columns.id: "id", columns.time: "time", columns.value: "value"}.get(name)
            advice = f"; {what}_column names another" if what else ""
            advice += ", and layout='wide' reads each as a series" if what == "value" else ""
        if there.count(name) != 1:
            fault = "has no" if name not in there else f"has {there.count(name)} times the"
            raise ValueError(f"the data frame {fault} column {name!r}, only {there}{advice}")

    def _name_of_row(self, row):
        key = next(key for key, rows in self.rows.items() if row in rows)
        series = name_of(0 if key is None else key, self.columns.has_ids)
        return f"{series} (row {row} of the data frame)"

    def numbers(self, name):
        """Read a column of numbers as float64, NaN where there is nothing."""
        j = self._names.index(name)
        numbers = column_numbers(self._frame, j)
        if numbers is None:
            raise TypeError(f"column {name!r} must be numbers, {_what_has(self._frame, j)}")
        return numbers

    def show(self, name, row):
        """Write the value of a row, for messages."""
        return value_at(self._frame, row, self._names.index(name))

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
        for key, rows in zip(self.rows, covariates, strict=True) if names else ():
            check_covariates(rows, f"covariates of {name_of(key or 0, key is not None)}", names)
        return covariates, learned

    def _numbered(self, name, categories):
        """The number of each value among the categories."""
        j = self._names.index(name)
        found = number_values(self._frame, j, {value: k for k, value in enumerate(categories)})
        for key, rows in self.rows.items():
            wrong = np.flatnonzero(found[rows] < 0)
            if wrong.size:
                known = ", ".join(map(repr, categories))
                value = value_at(self._frame, rows[wrong[0]], j)
                raise ValueError(
                    f"column {name!r} of {name_of(key or 0, key is not None)} is {value} at step "
                    f"{wrong[0]}, expected one of the categories of fit: "
                    f"{known if len(known) < 200 else known[:200] + ' ...'}"
                )
        return found


def name_of(key, is_id):
    """What messages call a series, by its id or its number."""
    return f"series {key!r}" if is_id else f"series {key}"


def read_wide(frame, columns):
    """Read a data frame with a column for each series.

    Return its columns, the ids, the values (T, n), and time stamps with their type; they are
    numbers from 0 on if there are none.
    """
    there = names_of(frame)
    levels = _index_levels(frame, there)
    is_indexed = columns.time not in there and bool(levels)
    if there.count(columns.time) > 1:
        raise ValueError(
            f"the data frame has {there.count(columns.time)} times the column {columns.time!r}"
        )
    names = [name for name in there if name != columns.time]
    n_rows = shape_of(frame)[0]
    if not names or not n_rows:
        raise ValueError(f"the data frame has no {'series' if n_rows else 'rows'}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the data frame has {names.count(twice)} times the column {twice!r}")
    values = np.empty((n_rows, len(names)))
    for k, name in enumerate(names):
        numbers = column_numbers(frame, there.index(name))
        if numbers is None:
            what = _what_has(frame, there.index(name))
            raise TypeError(f"column {name!r} must be numbers, as each is a series, {what}")
        values[:, k] = numbers
    dtype = None
    if columns.time in there:
        j = there.index(columns.time)
        time, dtype = column_of(frame, j), stamp_type_of(frame, j)
    elif levels:
        if len(levels) > 1:
            raise ValueError(
                f"the data frame has an index of {len(levels)} levels, expected one of time stamps"
            )
        time = _level(columns.time, levels)
    else:
        time = np.arange(n_rows)
    stamp_type, stamps = read_stamps(time, lambda row: f"row {row} of the data frame", dtype)
    columns = replace(columns, layout=WIDE, has_ids=True, is_indexed=is_indexed)
    return columns, names, values, stamp_type, stamps


def _what_has(frame, j):
    """Say what a column that is not of numbers has."""
    values = column_values(frame, j)
    row = next(
        (k for k, v in enumerate(values) if not isinstance(v, REAL) and not is_missing(v)), 0
    )
    return f"got {column_type(frame, j)}: row {row} has {show(values[row])}"


def _rows_by_id(keys, name):
    """The numbers of the rows of each id, in the order in which they begin."""
    numbers: dict[object, int] = {}
    of_row = [numbers.setdefault(key, len(numbers)) for key in keys]
    for key, number in numbers.items():
        if is_missing(key):
            raise ValueError(f"row {of_row.index(number)} of the data frame has no {name!r}")
    order = np.argsort(of_row, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(of_row))[:-1])
    return dict(zip(numbers, parts, strict=True))


def _index_levels(frame, names):
    """The levels of the index of pandas, by name, but for numbers that count rows."""
    if library_of(frame) != "pandas":
        return {}
    index = frame.index
    is_plain = index.nlevels == 1 and index.name is None and type(index).__name__ == "RangeIndex"
    if is_plain:
        return {}
    levels = {name: index.get_level_values(k) for k, name in enumerate(index.names)}
    return {name: level for name, level in levels.items() if name not in names}


def _finds_index(name, levels):
    """Whether the time stamps are the index: a level has the name, or all of it are dates."""
    return name in levels or (len(levels) == 1 and _is_of_times(next(iter(levels.values()))))


def _level(name, levels):
    level = levels[name] if name in levels else next(iter(levels.values()))
    return level.to_series()


def _is_of_times(index):
    return type(index).__name__ in ("DatetimeIndex", "PeriodIndex", "TimedeltaIndex")
