"""The series that a forecaster was fitted on, as fields and arrays of a file, and back."""

import numpy as np

from fastrnn.estimators.saving import as_model_file_error, read_columns, record_columns
from fastrnn.files import ModelFileError
from fastrnn.inputs.covariates import FUTURE, PAST, check_covariates, check_ids
from fastrnn.inputs.long_frames import LongColumns
from fastrnn.inputs.series import MIN_OBSERVED, SeriesSet, check_finite, check_reach


def record_series(series):
    """Say what the series are.

    Parameters
    ----------
    series : SeriesSet
        The series.

    Returns
    -------
    fields : dict
        A part of a record.
    arrays : dict of str to ndarray
        Arrays that go with it: values and covariates of all series, one series after the other.
    """
    columns = series.columns
    n_future, n_past = series.n_covariates
    fields = {
        "n_series": len(series),
        "is_single": series.is_single,
        "n_future": n_future,
        "covariates": record_columns(series.covariates),
        "ids": series.ids,
        "last_times": series.last_times,
        "columns": None if columns is None else _record_long_columns(columns),
    }
    arrays = {"lengths": _lengths(series.values), "values": np.concatenate(series.values)}
    if n_future:
        arrays["future_lengths"] = _lengths(series.future)
        arrays["future"] = np.concatenate(series.future)
    if n_past:
        arrays["past"] = np.concatenate(series.past)
    return fields, arrays


def read_series_record(part, file, plan):
    """Read back what `record_series` said.

    Parameters
    ----------
    part : Fields
        Part of a record.
    file : RecordFile
        Has the arrays, under names that begin with "fitted.series.".
    plan : Plan
        How the series are read.

    Returns
    -------
    SeriesSet
    """
    n = part.whole("n_series", 1)
    n_future = part.whole("n_future")
    covariates = read_columns(part.part("covariates"))
    n_past = covariates.width - n_future
    part.check(n_past >= 0, "n_future", f"0 to {covariates.width}")
    # What the network reads grows with both. It is in the file, as rows of its weights.
    part.check(plan.block * covariates.width <= file.size, "covariates", "fewer for the horizon")
    is_single = part.flag("is_single")
    part.check(n == 1 or not is_single, "is_single", "false for several series")
    ids = part.optional("ids", part.entries)
    times = part.optional("last_times", part.entries)
    part.check(ids is None or len(ids) == n, "ids", "one for each series")
    part.check(times is None or len(times) == n, "last_times", "one for each series")
    columns = part.optional("columns", part.part)
    columns = None if columns is None else _read_long_columns(columns)
    part.check((ids is None) == (times is None) == (columns is None), "ids", "those of a frame")
    part.end()

    lengths = _read_lengths(file, "lengths", n)
    values = _read_parts(file, "values", lengths, ())
    future = [np.empty((length, 0)) for length in lengths]
    past = list(future)
    if n_future:
        future = _read_parts(file, "future", _read_lengths(file, "future_lengths", n), (n_future,))
    if n_past:
        past = _read_parts(file, "past", lengths, (n_past,))
    series = SeriesSet(values, future, past, covariates, ids, times, columns, is_single)
    with as_model_file_error():
        _check(series, plan)
    return series


def _check(series, plan):
    """Check what `fastrnn.inputs.series.read_series` checks."""
    for i, values in enumerate(series.values):
        check_finite(values, series.name(i), plan.mask)
        if np.count_nonzero(~np.isnan(values)) < MIN_OBSERVED:
            raise ValueError(f"{series.name(i)} is too short")
        if plan.log and (values <= 0).any():
            raise ValueError(f"{series.name(i)} has values that have no logarithm")
    for kind, parts in ((FUTURE, series.future), (PAST, series.past)):
        for i, part in enumerate(parts):
            check_covariates(part, f"{kind} of {series.name(i)}")
        check_ids(parts, kind, series.covariates, series.name)
    check_reach(series.future, map(len, series.values), 0, series.ids)
    if series.ids is not None and len(set(series.ids)) < len(series.ids):
        raise ValueError("two series have the same id")


def _lengths(parts):
    return np.array([len(part) for part in parts], dtype=np.int64)


def _read_lengths(file, name, n):
    lengths = file.array(f"fitted.series.{name}", "int64", (n,))
    if (lengths < 1).any() or (lengths > file.size).any():
        raise ModelFileError(f"the tensor 'fitted.series.{name}' has numbers that are no lengths")
    return lengths


def _read_parts(file, name, lengths, width):
    total = int(lengths.sum())
    array = file.array(f"fitted.series.{name}", "float64", (total, *width), finite=False)
    return np.split(array, np.cumsum(lengths)[:-1])


def _record_long_columns(columns):
    return {
        "id": columns.id,
        "time": columns.time,
        "value": columns.value,
        "future": list(columns.future),
        "past": list(columns.past),
    }


def _read_long_columns(part):
    columns = LongColumns(
        part.text("id"),
        part.text("time"),
        part.text("value"),
        tuple(part.entries("future", str)),
        tuple(part.entries("past", str)),
    )
    part.end()
    return columns
