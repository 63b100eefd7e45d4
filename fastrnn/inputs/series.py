"""Every accepted form of time series becomes one container, and every fault of them is found here.

Series come as arrays or as a long data frame, with covariates beside them or in columns of it.
"""

from dataclasses import replace

import numpy as np

from fastrnn.inputs.calendars import Calendar, check_rising, read_calendar
from fastrnn.inputs.columns import Columns
from fastrnn.inputs.covariates import FUTURE, PAST, STATIC, check_ids
from fastrnn.inputs.frames import is_frame, library_of
from fastrnn.inputs.frequencies import ROWS
from fastrnn.inputs.indexes import read_indexes
from fastrnn.inputs.long_frames import LONG, WIDE, LongFrame, name_of, read_wide
from fastrnn.inputs.series_arrays import read_covariates, read_values, series_name, split_series
from fastrnn.inputs.series_set import SeriesSet, check_number, columns_of
from fastrnn.inputs.stamps import check_comparable
from fastrnn.inputs.static_covariates import check_static, read_static


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
    static_covariates=None,
    is_direct=False,
):
    """Read time series and their covariates as a `SeriesSet`, in every form that is accepted.

    A series is an array (T,) or (T, 1); several are a list of such, the rows of a table, or a data
    frame in long form, whose `columns` are a `LongColumns`. Covariates are an array (T,) or (T, n)
    for one series, a list of such for several, or names of columns of the frame; those of the
    future may go on. `fitted` are the series of `fit`: covariates must be such as theirs, and
    `categorical_features` is not used then. `allow_nan` says whether values, and rows, may be
    missing. `freq` is the distance of time stamps; None takes that of `fitted`, or learns it.
    Features of dates are those of `fitted`, and known for so many steps `ahead`, too.
    `static_covariates` are a row for each series, or names; where steps are forecast directly they
    are read with what is known of the past, else with what is known beforehand.
    """
    features = None
    if fitted is not None:
        features, fitted = fitted.features, fitted.as_given()
        if fitted.n_static and static_covariates is None:
            raise ValueError(
                "the model was fitted with static_covariates: give those of these series"
            )
    placed = ahead, is_direct
    given = future_covariates, past_covariates, static_covariates
    read = _read(series, *given, columns, categorical_features, fitted, allow_nan, freq, placed)
    return read.with_dates(features, ahead)


def _read(
    series, future_covariates, past_covariates, static, columns, wanted, fitted, allow_nan, freq,
    placed,
):  # fmt: skip
    """Read time series and the covariates that are given."""
    if is_frame(series) and columns.layout == WIDE:
        given_of = {FUTURE: future_covariates, PAST: past_covariates, STATIC: static}
        for kind, given in given_of.items():
            if given is not None:
                raise ValueError(
                    f"layout='wide' has a series in each column, and no place for {kind}: give a "
                    "data frame in long form"
                )
        return _read_wide_frame(series, columns, fitted, allow_nan, freq)
    if is_frame(series):
        named = replace(
            columns,
            future=names_of_covariates(future_covariates, FUTURE),
            past=names_of_covariates(past_covariates, PAST),
            static=names_of_covariates(static, STATIC),
        )
        return _read_frame(series, named, wanted, fitted, allow_nan, freq, placed)
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
    known = None if fitted is None else _static_categories(fitted)
    rows, categories = read_static(static, len(values), is_single, series_name, known)
    library = "" if calendar is None else "pandas"
    series = SeriesSet(
        values, future, past, Columns(0), None, calendar, is_single=is_single, library=library
    ).with_static(rows, *placed)
    n_before = sum(series.n_covariates) - series.n_static
    categories = {n_before + j: values for j, values in categories.items()}
    return series.with_columns(wanted, fitted, None, categories)


def with_future(series, future_covariates, ahead, ahead_of_dates):
    """Put what is known of the future, for `ahead` steps after the end, beside series.

    Dates, which everybody knows, are told for as many steps as are read.

    For series from arrays these are covariates from their first steps on, for those from a data
    frame another one with the rows that follow. None leaves what there is.
    """
    features, series = series.features, series.as_given()
    whole, series = series, series.without_static()
    if future_covariates is not None and series.columns is None:
        future = read_covariates(
            future_covariates, FUTURE, series.values, series.is_single, series.calendar,
            series.future,
        )  # fmt: skip
        check_number(FUTURE, future, series.n_covariates[0])
        check_ids(future, FUTURE, series.covariates, series.name)
        series = replace(series, future=future)
    elif future_covariates is not None:
        series = replace(series, future=_read_future_frame(series, future_covariates, ahead))
    if series.n_covariates[0]:
        lengths = [len(item) for item in series.values]
        check_reach(series.future, lengths, ahead, series.ids, series.calendar)
    if whole.n_static > series.n_static:
        rows = np.array([whole.static_row(i) for i in range(len(whole))])
        series = series.with_static(rows, ahead, is_past=False)
    return series.with_dates(features, ahead_of_dates)


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
    own = dict(zip(fitted.ids, calendar.spacings, strict=True)) if fitted.ids else {}
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


def _static_categories(fitted):
    """The values of categories of static covariates, by number of the column among these."""
    first = fitted.of_static.start
    return {j - first: values for j, values in _categories(fitted.covariates).items() if j >= first}


def names_of_covariates(given, what):
    """The names of columns of a data frame that are given as covariates."""
    if given is None:
        return ()
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{what} must be a list of names of columns of the data frame")
    return tuple(given)


def _read_frame(frame, columns, wanted, fitted, allow_nan, freq, placed):
    names = (*columns.future, *columns.past, *columns.static)
    long = LongFrame(frame, columns, (columns.value, *names))
    columns, rows = long.columns, list(long.rows.values())
    ids, numbers = list(long.rows) if columns.has_ids else None, long.numbers(columns.value)
    n_future, n_given = len(columns.future), len(columns.future) + len(columns.past)
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
    of_fit = None if fitted is None else _categories(fitted.covariates)
    each, categories = long.covariates(names, of_fit)
    future = [part[:, :n_future] for part in each]
    past = [part[:, n_future:n_given] for part in each]
    static = np.empty((len(each), len(columns.static)))
    for i, part in enumerate(each):
        static[i] = check_static(
            part[:, n_given:], columns.static, name(i),
            lambda t, k, i=i: long.show(columns.static[k], rows[i][t]),
        )  # fmt: skip
    values = []
    for i, where in enumerate(places):
        if where is not None and n_given:
            t = int(np.flatnonzero(np.diff(where) > 1)[0])
            lacks = calendar.show(i, where[t] + 1 - where[-1])
            raise ValueError(
                f"{name(i)} has no row with the time stamp {lacks}, so that the covariates "
                "there are not known: give it a row without value"
            )
        values.append(_fill(read_values(numbers[rows[i]], name(i), allow_nan), where))
        if where is not None:
            future[i] = past[i] = np.empty((len(values[i]), 0))
    library = library_of(frame)
    series = SeriesSet(
        values, future, past, Columns(0), ids, calendar, columns, library=library
    ).with_static(static, *placed)
    return series.with_columns(wanted, fitted, names, categories)


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
    covariates = columns_of(nothing, nothing, None, fitted, lambda i: series_name(i, ids), ())
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
