"""The series that a forecaster was fitted on, in a file."""

import numpy as np

from fastrnn.files.codec import Added, Array, Flag, ListOf, Optional, Record, Text, Value, Whole
from fastrnn.inputs.calendar_features import CALENDAR_FEATURES
from fastrnn.inputs.calendars import Calendar
from fastrnn.inputs.columns import COLUMNS, check_names
from fastrnn.inputs.covariates import FUTURE, PAST, check_covariates, check_ids
from fastrnn.inputs.long_frames import LONG_COLUMNS, WIDE
from fastrnn.inputs.series import check_reach
from fastrnn.inputs.series_arrays import MIN_OBSERVED, check_finite
from fastrnn.inputs.series_set import SeriesSet
from fastrnn.inputs.spacing import SPACING
from fastrnn.inputs.stamps import DURATIONS, NUMBERS, STAMP_TYPE


def _take_apart(series):
    """The fields of series: arrays have all of them, one after the other."""
    n_future, _ = series.n_covariates
    calendar = series.calendar
    stamps = {"last_times": None, "stamp_type": None, "spacings": [], "spacing_of": None}
    if calendar is not None:
        # Most series have the same spacing.
        spacings = list(dict.fromkeys(calendar.spacings))
        stamps = {
            "last_times": calendar.last,
            "stamp_type": calendar.type,
            "spacings": [spacing for spacing in spacings if spacing is not None],
            "spacing_of": _numbers(calendar.spacings) if len(series) and spacings[1:] else None,
        }
    return {
        "n_series": len(series),
        "is_single": series.is_single,
        "n_future": n_future,
        "covariates": series.covariates,
        "ids": series.ids,
        "columns": series.columns,
        "library": series.library,
        "features": series.features,
        "n_static": series.n_static,
        "has_static_past": series.has_static_past,
        **stamps,
        "lengths": _lengths(series.values),
        "values": np.concatenate([np.empty(0), *series.values]),
        "future_lengths": _lengths(series.future[: len(series)]) if n_future else None,
        "future": np.concatenate(series.future),
        "past": np.concatenate(series.past),
    }


def _numbers(spacings):
    """For each series the number of its spacing, None without."""
    known = [spacing for spacing in dict.fromkeys(spacings) if spacing is not None]
    numbers = {spacing: k for k, spacing in enumerate(known)}
    return [numbers.get(spacing) for spacing in spacings]


def _lengths(parts):
    return np.array([len(part) for part in parts], dtype=np.int64)


def _check_fields(fields):
    covariates, n = fields["covariates"], fields["n_series"]
    check_names(covariates, covariates.width)
    if fields["n_future"] > covariates.width:
        raise ValueError(f"n_future must be 0 to {covariates.width}")
    features = fields["features"]
    n_of_dates = 0 if features is None else len(features.names)
    if n_of_dates > fields["n_future"]:
        raise ValueError("features of dates must be known beforehand")
    n_others = fields["n_future"] - n_of_dates
    if fields["has_static_past"]:
        n_others = covariates.width - fields["n_future"]
    if fields["n_static"] > n_others:
        raise ValueError(f"n_static must be 0 to {n_others}")
    if fields["is_single"] and n > 1:
        raise ValueError("is_single must be false for several series")
    columns, last_times = fields["columns"], fields["last_times"]
    if (fields["ids"] is not None) != (columns is not None and columns.has_ids):
        raise ValueError("ids and columns must be those of a frame")
    if columns is not None and last_times is None:
        raise ValueError("ids, last_times and columns must be those of a frame")
    for name in ("ids", "last_times", "spacing_of"):
        if fields[name] is not None and len(fields[name]) != n:
            raise ValueError(f"{name} must be one for each series")
    if columns is not None and columns.layout == WIDE and covariates.width > n_of_dates:
        raise ValueError("there is no place for covariates in a wide frame")
    _check_stamps(fields)


def _check_stamps(fields):
    kind, spacings = fields["stamp_type"], fields["spacings"]
    if kind is None and (spacings or fields["spacing_of"]):
        raise ValueError("spacings must be those of time stamps")
    if kind is not None and fields["last_times"] is None:
        raise ValueError("stamp_type must be that of last_times")
    of_each = fields["spacing_of"]
    if of_each is None:
        if len(spacings) > 1 and fields["n_series"]:
            raise ValueError("spacing_of must be given for each series")
    elif any(k is not None and k >= len(spacings) for k in of_each):
        raise ValueError("spacing_of must be numbers of spacings")
    if kind is None:
        return
    numbers = kind.kind in (NUMBERS, DURATIONS)
    if any(spacing.counts_numbers != numbers for spacing in spacings):
        raise ValueError("spacings are not those of such time stamps")
    for stamp in fields["last_times"]:
        if numbers and (isinstance(stamp, bool) or not isinstance(stamp, int | float)):
            raise ValueError(f"last_times has {stamp!r}, expected numbers")
        if not numbers and not (
            isinstance(stamp, np.datetime64) and np.datetime_data(stamp.dtype)[0] in ("us", "ns")
        ):
            raise ValueError(f"last_times has {stamp!r}, expected moments")


def _n_series(fields):
    return (fields["n_series"],)


def _steps(fields):
    return (_total(fields["lengths"]),)


def _past(fields):
    return (_total(fields["lengths"]), fields["covariates"].width - fields["n_future"])


def _n_future(fields):
    return _n_series(fields) if fields["n_future"] else None


def _future(fields):
    return (_total(fields["future_lengths"]), fields["n_future"]) if fields["n_future"] else None


def _total(lengths):
    return sum(lengths.tolist())  # whole numbers of Python: they do not wrap around


def _make(**fields):
    ends = np.cumsum(fields["lengths"])[:-1]
    values = np.split(fields["values"], ends) if len(fields["lengths"]) else []
    future = [np.empty((length, 0)) for length in fields["lengths"]] or [np.empty((0, 0))]
    if fields["n_future"]:
        future = np.split(fields["future"], np.cumsum(fields["future_lengths"])[:-1])
    return SeriesSet(
        values,
        future,
        np.split(fields["past"], ends),
        fields["covariates"],
        fields["ids"],
        _calendar(fields),
        fields["columns"],
        fields["is_single"],
        fields["library"],
        fields["features"],
        fields["n_static"],
        fields["has_static_past"],
    )


def _calendar(fields):
    """The time stamps, where there are some."""
    if fields["last_times"] is None:
        return None
    last, spacings, of_each = fields["last_times"], fields["spacings"], fields["spacing_of"]
    if fields["stamp_type"] is not None and last and isinstance(last[0], int | float):
        last = list(np.array(last, np.int64 if isinstance(last[0], int) else np.float64))
    if of_each is None:
        of_each = [0 if spacings else None] * len(last)
    each = [None if k is None else spacings[k] for k in of_each] if last else spacings
    return Calendar(fields["stamp_type"], each, last)


SERIES = Record(
    {
        "n_series": Whole(),
        "is_single": Flag(),
        "n_future": Whole(),
        "covariates": COLUMNS,
        "ids": Optional(ListOf(Value())),
        "last_times": Optional(ListOf(Value())),
        "stamp_type": Optional(STAMP_TYPE),
        "spacings": ListOf(SPACING),
        "spacing_of": Optional(ListOf(Optional(Whole()))),
        "library": Text(("", "pandas", "polars", "pyarrow")),
        "features": Added(Optional(CALENDAR_FEATURES), None),
        "n_static": Added(Whole(), 0),
        "has_static_past": Added(Flag(), False),
        "columns": Optional(LONG_COLUMNS),
        "lengths": Array("int64", _n_series, low=1),
        "values": Array("float64", _steps, finite=False),
        "future_lengths": Array("int64", _n_future, low=1),
        "future": Array("float64", _future, finite=False),
        "past": Array("float64", _past, finite=False),
    },
    _make,
    _check_fields,
    _take_apart,
)
"""`SeriesSet` in files."""


def check_series(series, *, allow_nan, needs_positive):
    """Check what `fastrnn.inputs.series.read_series` checks."""
    if len(series):
        _check_each(series, allow_nan, needs_positive)
    if series.features is not None:
        name = series.name if len(series) else "series {}".format
        series.features.check(series.calendar, name)
        if not {*series.of_dates}.isdisjoint(series.covariates.ids):
            raise ValueError("features of dates are no ids")
    if series.ids is not None and len(set(series.ids)) < len(series.ids):
        raise ValueError("two series have the same id")


def _check_each(series, allow_nan, needs_positive):
    """Check the values and covariates of each."""
    for i, values in enumerate(series.values):
        check_finite(values, series.name(i), allow_nan)
        if np.count_nonzero(~np.isnan(values)) < MIN_OBSERVED:
            raise ValueError(f"{series.name(i)} is too short")
        if needs_positive and (values <= 0).any():
            raise ValueError(f"{series.name(i)} has values that have no logarithm")
    for kind, parts in ((FUTURE, series.future), (PAST, series.past)):
        for i, part in enumerate(parts):
            check_covariates(part, f"{kind} of {series.name(i)}")
        check_ids(parts, kind, series.covariates, series.name)
    check_reach(series.future, map(len, series.values), 0, series.ids)
