"""Every accepted form of time series becomes one container, and every fault of them is found here.

Series come as arrays or as a long data frame, with covariates beside them or in columns of it.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.inputs.arrays import REAL, kernel_array
from fastrnn.inputs.columns import Columns
from fastrnn.inputs.containers import open_container, open_list, show
from fastrnn.inputs.covariates import FUTURE, PAST, check_covariates, check_ids, learn_columns
from fastrnn.inputs.frames import is_frame, is_missing
from fastrnn.inputs.long_frames import LongColumns, LongFrame

MIN_OBSERVED = 2
"""Values that a series must have: one step from one value to the next."""


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Time series of unequal length, with what is known beside them.

    Attributes
    ----------
    values : list of ndarray of shape (T_i,), float64
        The series; NaN where a value is missing.
    future : list of ndarray of shape (>= T_i, F), float64
        Covariates that are known beforehand, from the first step of each series on.
    past : list of ndarray of shape (T_i, P), float64
        Covariates that are known up to the end of each series.
    covariates : Columns
        Which covariates of both kinds, those known beforehand first, are ids.
    ids : list or None
        What a data frame calls the series; None if they came as arrays.
    last_times : list or None
        The last time stamp of each series in a data frame.
    columns : LongColumns or None
        The columns of that data frame.
    is_single : bool
        Whether what was given is one series rather than a list of them.
    """

    values: list
    future: list
    past: list
    covariates: Columns
    ids: list | None = None
    last_times: list | None = None
    columns: LongColumns | None = None
    is_single: bool = False

    def __len__(self):
        """Number of series."""
        return len(self.values)

    @property
    def n_covariates(self):
        """Number of covariates: known beforehand, and known for the past."""
        return self.future[0].shape[1], self.past[0].shape[1]

    def name(self, i):
        """What messages call series i."""
        return _name(i, self.ids)

    def until(self, which, lengths):
        """Take the first steps of some series, so many of each.

        What is known beforehand stays known.
        """
        pairs = list(zip(which, lengths, strict=True))
        return replace(
            self,
            values=[self.values[i][:n] for i, n in pairs],
            future=[self.future[i] for i, _ in pairs],
            past=[self.past[i][:n] for i, n in pairs],
            ids=None if self.ids is None else [self.ids[i] for i, _ in pairs],
            last_times=None,
        )

    def copy(self):
        """Copy what the caller may own, for a model that keeps it."""
        return replace(
            self,
            values=[item.copy() for item in self.values],
            future=[item.copy() for item in self.future],
            past=[item.copy() for item in self.past],
        )


def read_series(
    series,
    future_covariates=None,
    past_covariates=None,
    *,
    columns=None,
    categorical_features=None,
    fitted=None,
    allow_nan=False,
):
    """Read time series and their covariates as a `SeriesSet`, in every form that is accepted.

    A series is an array (T,) or (T, 1); several are a list of such, the rows of a table, or a data
    frame in long form, whose `columns` are a `LongColumns`. Covariates are an array (T,) or (T, n)
    for one series, a list of such for several, or names of columns of the frame; those of the
    future may go on. `fitted` are the series of `fit`: covariates must be such as theirs, and
    `categorical_features` is not used then. `allow_nan` says whether values may be missing.
    """
    if is_frame(series):
        named = replace(
            columns,
            future=_names(future_covariates, FUTURE),
            past=_names(past_covariates, PAST),
        )
        return _read_frame(series, named, categorical_features, fitted, allow_nan)
    values, is_single = _split(series)
    values = [_read_values(item, _name(i), allow_nan) for i, item in enumerate(values)]
    lengths = [len(item) for item in values]
    future = _read_covariates(future_covariates, FUTURE, values, is_single)
    check_reach(future, lengths, 0)
    past = _read_covariates(past_covariates, PAST, values, is_single)
    for i, (item, length) in enumerate(zip(past, lengths, strict=True)):
        if len(item) != length:
            raise ValueError(
                f"past_covariates of {_name(i)} have {len(item)} steps, expected {length} as "
                "the series has"
            )
    covariates = _columns_of(future, past, categorical_features, fitted, _name)
    return SeriesSet(values, future, past, covariates, is_single=is_single)


def with_future(series, future_covariates, ahead):
    """Put what is known of the future, for `ahead` steps after the end, beside series.

    For series from arrays these are covariates from their first steps on, for those from a data
    frame another one with the rows that follow. None leaves what there is.
    """
    if future_covariates is not None and series.columns is None:
        future = _read_covariates(future_covariates, FUTURE, series.values, series.is_single)
        _check_number(FUTURE, future, series.n_covariates[0])
        check_ids(future, FUTURE, series.covariates, series.name)
        series = replace(series, future=future)
    elif future_covariates is not None:
        series = replace(series, future=_read_future_frame(series, future_covariates))
    if series.n_covariates[0]:
        check_reach(series.future, [len(item) for item in series.values], ahead, series.ids)
    return series


def check_reach(future, lengths, ahead, ids=None):
    """Check that covariates of the future do not end before `ahead` steps after each series."""
    for i, (item, length) in enumerate(zip(future, lengths, strict=True)):
        if len(item) < length + ahead:
            beyond = f" and {ahead} steps ahead" if ahead else ""
            raise ValueError(
                f"future_covariates of {_name(i, ids)} end too early: they have {len(item)} steps, "
                f"expected {length + ahead} for the {length} of the series{beyond}"
            )


def _name(i, ids=None):
    return f"series {i}" if ids is None else f"series {ids[i]!r}"


def _columns_of(future, past, wanted, fitted, name, names=None, categories=None):
    """Learn which covariates are ids, or check that they are such as those of fit."""
    if fitted is None:
        return learn_columns(future, past, wanted, name, names, categories)
    columns = fitted.covariates
    for kind, covariates, n in zip(
        (FUTURE, PAST), (future, past), fitted.n_covariates, strict=True
    ):
        _check_number(kind, covariates, n)
        check_ids(covariates, kind, columns, name)
    return columns


def _check_number(kind, covariates, expected):
    n = covariates[0].shape[1]
    if n != expected:
        raise ValueError(
            f"{kind} have {n} columns, but the model was fitted with {expected} of them"
        )


def _split(series):
    """Tell one series from several; return a list of them, and whether it is one."""
    if series is None:
        raise TypeError("series is None, expected an array, a list of arrays or a data frame")
    series = open_list(series, "y", "an array, a list of arrays or a data frame")
    if isinstance(series, list | tuple):
        series = [
            open_container(item, f"series {i}", "an array of numbers")
            for i, item in enumerate(series)
        ]
        if not len(series):
            raise ValueError("there is no series: the list is empty")
        n_numbers = sum(item is None or np.ndim(item) == 0 for item in series)
        if 0 < n_numbers < len(series):
            raise TypeError("the list holds both numbers and series, expected one or the other")
        return ([series], True) if n_numbers else (list(series), False)
    array = series if isinstance(series, np.ndarray) else np.asarray(series)
    if array.dtype == object and array.ndim == 1 and len(array) and np.ndim(array[0]):
        return list(array), False
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return [array], True
    if array.ndim != 2 or not len(array):
        raise ValueError(
            f"expected one series of shape (T,), or rows that are series, got shape {array.shape}"
        )
    return list(array), False


def _numbers(item, name):
    """Read real numbers as float64; masked and missing ones become NaN."""
    try:
        array = np.asanyarray(item)
    except ValueError:
        raise ValueError(f"{name} has rows of unequal length") from None
    if array.dtype == object:
        array = _of_objects(array, name)
    try:
        if array.dtype.kind not in "fiubO":
            raise TypeError
        if isinstance(array, np.ma.MaskedArray):
            return array.astype(np.float64).filled(np.nan)
        return kernel_array(array, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, got an array of dtype {array.dtype}") from None


def _of_objects(array, name):
    """Return an array of objects with NaN for those that are missing; the others are numbers."""
    array = array.filled(None) if isinstance(array, np.ma.MaskedArray) else array.copy()
    for t, value in enumerate(array.flat):
        if isinstance(value, REAL):
            continue
        if isinstance(value, np.ndarray | list | tuple) or not is_missing(value):
            raise TypeError(f"{name} must be numbers, step {t} has {show(value)}")
        array.flat[t] = np.nan
    return array


def _read_values(item, name, allow_nan):
    values = _numbers(item, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {values.shape}, expected (T,) or (T, 1)")
    check_finite(values, name, allow_nan)
    n_observed = int(np.isfinite(values).sum())
    if n_observed < MIN_OBSERVED:
        what = "steps" if n_observed == len(values) else "values that are not missing"
        raise ValueError(
            f"{name} is too short: it has {n_observed} {what}, expected at least {MIN_OBSERVED}"
        )
    return values


def check_finite(values, name, allow_nan):
    """Check that the values (T,) of a series are finite, or missing where that is allowed."""
    missing = np.isnan(values)
    wrong = np.flatnonzero(~(np.abs(values) < 1e150) & ~missing)
    if wrong.size:
        raise ValueError(
            f"{name} is {values[wrong[0]]} at step {wrong[0]}, expected finite numbers below 1e150"
        )
    if missing.any() and not allow_nan:
        raise ValueError(
            f"{name} has no value (NaN) at step {np.flatnonzero(missing)[0]}: "
            "missing='mask' accepts gaps"
        )


def _read_covariates(given, what, values, is_single):
    """Read covariates of series that came as arrays."""
    if given is None:
        return [np.empty((len(item), 0)) for item in values]
    if is_frame(given):
        raise TypeError(f"{what} is a data frame, but the series are not in one")
    items = [given] if is_single and np.ndim(given) < 3 else list(given)
    if len(items) != len(values):
        raise ValueError(f"{what} has {len(items)} entries, expected one for each of {len(values)}")
    read = []
    for i, item in enumerate(items):
        name = f"{what} of {_name(i)}"
        array = _numbers(item, name)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        if array.ndim != 2 or not array.shape[1]:
            raise ValueError(f"{name} have shape {array.shape}, expected (T,) or (T, n)")
        if read and array.shape[1] != read[0].shape[1]:
            raise ValueError(
                f"{name} have {array.shape[1]} columns, expected {read[0].shape[1]} as in series 0"
            )
        check_covariates(array, name)
        read.append(array)
    return read


def _names(given, what):
    if given is None:
        return ()
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{what} must be a list of names of columns of the data frame")
    return tuple(given)


def _read_frame(frame, columns, wanted, fitted, allow_nan):
    long = LongFrame(frame, columns, (columns.value, *columns.future, *columns.past))
    ids, numbers = list(long.rows), long.numbers(columns.value)
    n_future, names = len(columns.future), (*columns.future, *columns.past)
    if fitted is not None:
        expected = fitted.covariates.names
        if expected is not None and names != expected:
            raise ValueError(
                f"the covariates are {list(names)}, but the model was fitted with {list(expected)}"
            )
    each, categories = long.covariates(names, fitted and _categories(fitted.covariates))
    future, past = [rows[:, :n_future] for rows in each], [rows[:, n_future:] for rows in each]
    return SeriesSet(
        [
            _read_values(numbers[rows], f"series {key!r}", allow_nan)
            for key, rows in long.rows.items()
        ],
        future,
        past,
        _columns_of(future, past, wanted, fitted, lambda i: _name(i, ids), names, categories),
        ids,
        [long.times[rows[-1]] for rows in long.rows.values()],
        columns,
    )


def _categories(covariates):
    """The values of columns of categories, by number of the column."""
    pairs = zip(covariates.ids, covariates.categories, strict=True)
    return {j: values for j, values in pairs if values is not None}


def _read_future_frame(series, frame):
    """The covariates of series with those of the rows that follow them."""
    if not is_frame(frame):
        raise TypeError(
            "future_covariates must be a data frame with the rows that follow, as the series came "
            f"in one, got {type(frame).__name__}"
        )
    long = LongFrame(frame, series.columns, series.columns.future)
    unknown = [key for key in long.rows if key not in series.ids]
    if unknown:
        raise ValueError(f"future_covariates has the unknown series {unknown[0]!r}")
    covariates, _ = long.covariates(series.columns.future, _categories(series.covariates))
    keys = list(long.rows)
    check_ids(covariates, FUTURE, series.covariates, lambda i: _name(i, keys))
    following = dict(zip(keys, covariates, strict=True))
    joined = []
    for i, (key, last) in enumerate(zip(series.ids, series.last_times, strict=True)):
        known = series.future[i]
        if key in following:
            known = np.concatenate([known, following[key][long.times[long.rows[key]] > last]])
        joined.append(known)
    return joined
