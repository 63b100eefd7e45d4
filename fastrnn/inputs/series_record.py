"""The series that a forecaster was fitted on, in a file."""

import numpy as np

from fastrnn.files.codec import Array, Flag, ListOf, Optional, Record, Value, Whole
from fastrnn.inputs.columns import COLUMNS, check_names
from fastrnn.inputs.covariates import FUTURE, PAST, check_covariates, check_ids
from fastrnn.inputs.long_frames import LONG_COLUMNS
from fastrnn.inputs.series import MIN_OBSERVED, SeriesSet, check_finite, check_reach


def _take_apart(series):
    """The fields of series: arrays have all of them, one after the other."""
    n_future, _ = series.n_covariates
    return {
        "n_series": len(series),
        "is_single": series.is_single,
        "n_future": n_future,
        "covariates": series.covariates,
        "ids": series.ids,
        "last_times": series.last_times,
        "columns": series.columns,
        "lengths": _lengths(series.values),
        "values": np.concatenate(series.values),
        "future_lengths": _lengths(series.future) if n_future else None,
        "future": np.concatenate(series.future),
        "past": np.concatenate(series.past),
    }


def _lengths(parts):
    return np.array([len(part) for part in parts], dtype=np.int64)


def _check_fields(fields):
    covariates, n = fields["covariates"], fields["n_series"]
    check_names(covariates, covariates.width)
    if fields["n_future"] > covariates.width:
        raise ValueError(f"n_future must be 0 to {covariates.width}")
    if fields["is_single"] and n > 1:
        raise ValueError("is_single must be false for several series")
    of_frame = [fields[name] is not None for name in ("ids", "last_times", "columns")]
    if len(set(of_frame)) > 1:
        raise ValueError("ids, last_times and columns must be those of a frame")
    if of_frame[0] and not len(fields["ids"]) == len(fields["last_times"]) == n:
        raise ValueError("ids and last_times must be one for each series")


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
    future = [np.empty((length, 0)) for length in fields["lengths"]]
    if fields["n_future"]:
        future = np.split(fields["future"], np.cumsum(fields["future_lengths"])[:-1])
    return SeriesSet(
        np.split(fields["values"], ends),
        future,
        np.split(fields["past"], ends),
        fields["covariates"],
        fields["ids"],
        fields["last_times"],
        fields["columns"],
        fields["is_single"],
    )


SERIES = Record(
    {
        "n_series": Whole(1),
        "is_single": Flag(),
        "n_future": Whole(),
        "covariates": COLUMNS,
        "ids": Optional(ListOf(Value())),
        "last_times": Optional(ListOf(Value())),
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
    if series.ids is not None and len(set(series.ids)) < len(series.ids):
        raise ValueError("two series have the same id")
