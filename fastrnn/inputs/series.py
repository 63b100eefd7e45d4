"""Every accepted form of time series becomes one container, and every fault of them is found here.

Series come as arrays or as a long data frame, with covariates beside them or in columns of it.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.inputs.calendar_features import CalendarFeatures
from fastrnn.inputs.calendars import Calendar, check_rising, read_calendar
from fastrnn.inputs.columns import Columns
from fastrnn.inputs.covariates import FUTURE, PAST, check_ids, learn_columns
from fastrnn.inputs.frames import is_frame, library_of
from fastrnn.inputs.frequencies import ROWS
from fastrnn.inputs.indexes import read_indexes
from fastrnn.inputs.long_frames import LONG, WIDE, LongColumns, LongFrame, name_of, read_wide
from fastrnn.inputs.series_arrays import read_covariates, read_values, series_name, split_series
from fastrnn.inputs.stamps import check_comparable


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Time series of unequal length, with what is known beside them.

    Attributes
    ----------
    values : list of ndarray of shape (T_i,), float64
        The series; NaN where a value is missing.
    future : list of ndarray of shape (>= T_i, F), float64
        Covariates that are known beforehand, from the first step of each series on; features of
        dates behind all others.
    past : list of ndarray of shape (T_i, P), float64
        Covariates that are known up to the end of each series.
    covariates : Columns
        Which covariates of both kinds, those known beforehand first, are ids.
    ids : list or None
        What a data frame calls the series; None if it does not, or they came as arrays.
    calendar : Calendar or None
        The time stamps of series in a data frame, or with an index; None if there are none.
    columns : LongColumns or None
        The columns of that data frame.
    is_single : bool
        Whether what was given is one series rather than a list of them.
    library : str
        Whose data frame, or series with an index, that was: "pandas", "polars" or "".
    features : CalendarFeatures or None
        Which features of dates are among the covariates.
    """

    values: list
    future: list
    past: list
    covariates: Columns
    ids: list | None = None
    calendar: Calendar | None = None
    columns: LongColumns | None = None
    is_single: bool = False
    library: str = ""
    features: CalendarFeatures | None = None

    def __len__(self):
        """Number of series."""
        return len(self.values)

    @property
    def n_covariates(self):
        """Number of covariates: known beforehand, and known for the past."""
        return self.future[0].shape[1], self.past[0].shape[1]

    @property
    def names_of_dates(self):
        """Names of the features of dates."""
        return () if self.features is None else self.features.names

    @property
    def of_dates(self):
        """Numbers of the covariates that are features of dates."""
        n, _ = self.n_covariates
        return range(n - len(self.names_of_dates), n)

    @property
    def takes_future(self):
        """Whether covariates known beforehand were given, and are to be."""
        return self.of_dates.start > 0

    def as_given(self):
        """The series without features of dates."""
        of_dates = self.of_dates
        return replace(
            self,
            future=[known[:, : of_dates.start] for known in self.future],
            covariates=self.covariates.without(of_dates),
            features=None,
        )

    def with_dates(self, features, ahead):
        """The series as given, with features of the dates of their steps and so many after them.

        Where other covariates are known beforehand, of the steps of which these are known.
        """
        if features is None:
            return self
        features.check(self.calendar, self.name)
        n_given, future = self.n_covariates[0], []
        for i, known in enumerate(self.future):
            n = len(self.values[i])
            n_rows = len(known) if n_given else max(len(known), n + ahead)
            stamps = self.calendar.stamps(i, np.arange(1 - n, n_rows + 1 - n))
            columns = features.columns(stamps, self.calendar.type.zone)
            future.append(np.hstack([known if n_given else np.empty((n_rows, 0)), columns]))
        covariates = self.covariates.with_names(n_given, features.names)
        return replace(self, future=future, covariates=covariates, features=features)

    def name(self, i):
        """What messages call series i."""
        return series_name(i, self.ids)

    def until(self, which, lengths):
        """Take the first steps of some series, so many of each.

        What is known beforehand stays known.
        """
        pairs = list(zip(which, lengths, strict=True))
        calendar = self.calendar
        if calendar is not None:
            calendar = calendar.until(which, [len(self.values[i]) - n for i, n in pairs])
        return replace(
            self,
            values=[self.values[i][:n] for i, n in pairs],
            future=[self.future[i] for i, _ in pairs],
            past=[self.past[i][:n] for i, n in pairs],
            ids=None if self.ids is None else [self.ids[i] for i, _ in pairs],
            calendar=calendar,
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
    freq=None,
    ahead=0,
):
    """Read time series and their covariates as a `SeriesSet`, in every form that is accepted.

    A series is an array (T,) or (T, 1); several are a list of such, the rows of a table, or a data
    frame in long form, whose `columns` are a `LongColumns`. Covariates are an array (T,) or (T, n)
    for one series, a list of such for several, or names of columns of the frame; those of the
    future may go on. `fitted` are the series of `fit`: covariates must be such as theirs, and
    `categorical_features` is not used then. `allow_nan` says whether values, and rows, may be
    missing. `freq` is the distance of time stamps; None takes that of `fitted`, or learns it.
    Features of dates are those of `fitted`, and known for so many steps `ahead`, too.
    """
    features = None
    if fitted is not None:
        features, fitted = fitted.features, fitted.as_given()
    given = future_covariates, past_covariates
    read = _read(series, *given, columns, categorical_features, fitted, allow_nan, freq)
    return read.with_dates(features, ahead)


def _read(series, future_covariates, past_covariates, columns, wanted, fitted, allow_nan, freq):
    """Read time series and the covariates that are given."""
    if is_frame(series) and columns.layout == WIDE:
        for kind, given in ((FUTURE, future_covariates), (PAST, past_covariates)):
            if given is not None:
                raise ValueError(
                    f"layout='wide' has a series in each column, and no place for {kind}: give a "
                    "data frame in long form"
                )
        return _read_wide_frame(series, columns, fitted, allow_nan, freq)
    if is_frame(series):
        named = replace(
            columns,
            future=_names(future_covariates, FUTURE),
            past=_names(past_covariates, PAST),
        )
        return _read_frame(series, named, wanted, fitted, allow_nan, freq)
    items, is_single = split_series(series)
    values = [read_values(item, series_name(i), allow_nan) for i, item in enumerate(items)]
    calendar = None
    stamps, offsets, stamp_type, own = read_indexes(items, series_name)
    if stamp_type is not None:
        freq, known = _spacings_of(fitted, stamp_type, freq)
        calendar, places = read_calendar(
            stamps, offsets, stamp_type, series_name,
            freq=own if freq is None and known is None else freq, known=known, may_lack=allow_nan,
        )  # fmt: skip
        values = [_fill(item, where) for item, where in zip(values, places, strict=True)]
    lengths = [len(item) for item in values]
    future = read_covariates(future_covariates, FUTURE, values, is_single, calendar)
    check_reach(future, lengths, 0)
    past = read_covariates(past_covariates, PAST, values, is_single, calendar)
    for i, (item, length) in enumerate(zip(past, lengths, strict=True)):
        if len(item) != length:
            raise ValueError(
                f"past_covariates of {series_name(i)} have {len(item)} steps, expected {length} as "
                "the series has"
            )
    covariates = _columns_of(future, past, wanted, fitted, series_name)
    library = "" if calendar is None else "pandas"
    return SeriesSet(
        values, future, past, covariates, None, calendar, is_single=is_single, library=library
    )


def with_future(series, future_covariates, ahead):
    """Put what is known of the future, for `ahead` steps after the end, beside series.

    For series from arrays these are covariates from their first steps on, for those from a data
    frame another one with the rows that follow. None leaves what there is.
    """
    features, series = series.features, series.as_given()
    if future_covariates is not None and series.columns is None:
        future = read_covariates(
            future_covariates, FUTURE, series.values, series.is_single, series.calendar,
            series.future,
        )  # fmt: skip
        _check_number(FUTURE, future, series.n_covariates[0])
        check_ids(future, FUTURE, series.covariates, series.name)
        series = replace(series, future=future)
    elif future_covariates is not None:
        series = replace(series, future=_read_future_frame(series, future_covariates, ahead))
    if series.n_covariates[0]:
        lengths = [len(item) for item in series.values]
        check_reach(series.future, lengths, ahead, series.ids, series.calendar)
    return series.with_dates(features, ahead)


def check_reach(future, lengths, ahead, ids=None, calendar=None):
    """Check that covariates of the future do not end before `ahead` steps after each series."""
    for i, (item, length) in enumerate(zip(future, lengths, strict=True)):
        if len(item) < length + ahead:
            beyond = f" and {ahead} steps ahead" if ahead else ""
            missing = ""
            if calendar is not None and calendar.type is not None and calendar.spacings[i]:
                missing = "; the first that is missing has the time stamp " + calendar.show(
                    i, len(item) - length + 1
                )
            raise ValueError(
                f"future_covariates of {series_name(i, ids)} end too early: they have {len(item)} "
                f"steps, expected {length + ahead} for the {length} of the series{beyond}{missing}"
            )


def _spacings_of(fitted, stamp_type, freq, ids=None):
    """What is known of the distance of steps: a `freq`, or what each series had in `fit`."""
    calendar = None if fitted is None else fitted.calendar
    if calendar is None:
        return freq, None
    if not any(calendar.spacings):
        return freq or ROWS, None
    check_comparable(stamp_type, calendar.type, "series", "of fit")
    own = {} if fitted.ids is None else dict(zip(fitted.ids, calendar.spacings, strict=True))
    loose = {spacing.loosen() for spacing in calendar.spacings}
    usual = loose.pop() if len(loose) == 1 else None
    return freq, lambda i: usual if ids is None else own.get(ids[i], usual)


def _fill(values, places):
    """Put NaN where a series has no row; `places` are those of its rows, None for no gap."""
    if places is None:
        return values
    filled = np.full(int(places[-1]) + 1, np.nan)
    filled[places] = values
    return filled


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


def _names(given, what):
    if given is None:
        return ()
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{what} must be a list of names of columns of the data frame")
    return tuple(given)


def _read_frame(frame, columns, wanted, fitted, allow_nan, freq):
    long = LongFrame(frame, columns, (columns.value, *columns.future, *columns.past))
    columns, rows = long.columns, list(long.rows.values())
    ids, numbers = list(long.rows) if columns.has_ids else None, long.numbers(columns.value)
    n_future, names = len(columns.future), (*columns.future, *columns.past)
    if fitted is not None:
        expected = fitted.covariates.names
        if expected is not None and names != expected:
            raise ValueError(
                f"the covariates are {list(names)}, but the model was fitted with {list(expected)}"
            )

    def name(i):
        return series_name(i, ids)

    freq, known = _spacings_of(fitted, long.type, freq, ids)
    offsets = np.cumsum([0, *map(len, rows)])
    times = long.times[np.concatenate(rows)]
    calendar, places = read_calendar(
        times, offsets, long.type, name, freq=freq, known=known, may_lack=allow_nan,
        hint="" if columns.has_ids else "; id_column names the ids of several series",
    )  # fmt: skip
    if fitted is not None and fitted.calendar is not None and fitted.calendar.type is None:
        calendar = replace(calendar, type=None)  # as files of 0.1.0 have it
    each, categories = long.covariates(names, fitted and _categories(fitted.covariates))
    future, past = [part[:, :n_future] for part in each], [part[:, n_future:] for part in each]
    values = []
    for i, where in enumerate(places):
        if where is not None and names:
            t = int(np.flatnonzero(np.diff(where) > 1)[0])
            lacks = calendar.show(i, where[t] + 1 - where[-1])
            raise ValueError(
                f"{name(i)} has no row with the time stamp {lacks}, so that the covariates "
                "there are not known: give it a row without value"
            )
        values.append(_fill(read_values(numbers[rows[i]], name(i), allow_nan), where))
        if where is not None:
            future[i] = past[i] = np.empty((len(values[i]), 0))
    return SeriesSet(
        values,
        future,
        past,
        _columns_of(future, past, wanted, fitted, name, names, categories),
        ids,
        calendar,
        columns,
        library=library_of(frame),
    )


def _read_wide_frame(frame, columns, fitted, allow_nan, freq):
    columns, ids, table, stamp_type, stamps = read_wide(frame, columns)
    freq, known = _spacings_of(fitted, stamp_type, freq)
    calendar, (where,) = read_calendar(
        stamps, np.array([0, len(stamps)]), stamp_type, lambda i: "the data frame",
        freq=freq, known=known, may_lack=allow_nan,
    )  # fmt: skip
    values = []
    for k, key in enumerate(ids):
        column = _fill(table[:, k], where)
        observed = np.flatnonzero(~np.isnan(column))
        begin = observed[0] if len(observed) else 0  # others may have begun before
        values.append(read_values(column[begin:], name_of(key, True), allow_nan))
    n = len(ids)
    calendar = Calendar(stamp_type, calendar.spacings * n, calendar.last * n)
    nothing = [np.empty((len(item), 0)) for item in values]
    covariates = _columns_of(nothing, nothing, None, fitted, lambda i: series_name(i, ids), ())
    return SeriesSet(
        values, nothing, nothing, covariates, ids, calendar, columns, library=library_of(frame)
    )


def _categories(covariates):
    """The values of columns of categories, by number of the column."""
    pairs = zip(covariates.ids, covariates.categories, strict=True)
    return {j: values for j, values in pairs if values is not None}


def _read_future_frame(series, frame, ahead):
    """The covariates of series with those of the rows that follow them."""
    if not is_frame(frame):
        raise TypeError(
            "future_covariates must be a data frame with the rows that follow, as the series came "
            f"in one, got {type(frame).__name__}"
        )
    columns = replace(series.columns, layout=LONG)
    long, calendar = LongFrame(frame, columns, series.columns.future), series.calendar
    keys = list(long.rows)
    expected = [None] if series.ids is None else series.ids
    unknown = [key for key in keys if key not in set(expected)]
    if unknown:
        raise ValueError(f"future_covariates has the unknown series {unknown[0]!r}")
    covariates, _ = long.covariates(series.columns.future, _categories(series.covariates))
    check_ids(covariates, FUTURE, series.covariates, lambda i: series_name(i, series.ids and keys))
    following = dict(zip(keys, covariates, strict=True))
    joined = []
    for i, key in enumerate(expected):
        known = series.future[i]
        if key in following:
            stamps = long.times[long.rows[key]]
            name = f"{FUTURE} of {series.name(i)}"
            check_rising(stamps, np.array([0, len(stamps)]), long.type, lambda _, name=name: name)
            if calendar.type is None or calendar.spacings[i] is None:
                follows = stamps > calendar.last[i]
            else:
                places = calendar.places(i, stamps, long.type, name)
                follows = places > 0
                follows[follows] = _in_turn(places[follows], ahead, calendar, i, name)
            known = np.concatenate([known, following[key][follows]])
        joined.append(known)
    return joined


def _in_turn(places, ahead, calendar, i, name):
    """Which rows follow one by one; of the steps that are wanted none may have no row."""
    in_turn = places == np.arange(1, len(places) + 1)
    n = int(in_turn.sum())  # a row beyond a gap is none of them
    if n < min(ahead, len(places)) and len(places):
        raise ValueError(
            f"{name} have no row with the time stamp {calendar.show(i, n + 1)}, step {n + 1} "
            f"after the end of the series; the next one has {calendar.show(i, places[n])}"
        )
    return in_turn
