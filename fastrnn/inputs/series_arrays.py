"""Series and covariates that come as arrays, or lists of them, are read and judged."""

import numpy as np

from fastrnn.free_memory import refuse_if_too_large
from fastrnn.inputs.arrays import REAL, is_missing, kernel_array
from fastrnn.inputs.containers import open_container, open_list, show
from fastrnn.inputs.covariates import check_covariates
from fastrnn.inputs.frames import is_frame, library_of, names_of
from fastrnn.inputs.indexes import align, read_index
from fastrnn.inputs.long_frames import name_of

SERIES = "an array, a list of arrays or a data frame"
MIN_OBSERVED = 2
"""Values that a series must have: one step from one value to the next."""


def series_name(i, ids=None):
    """What messages call series i: its id, or its number."""
    return name_of(i if ids is None else ids[i], ids is not None)


def split_series(series):
    """Tell one series from several; return a list of them, and whether it is one."""
    if series is None:
        raise TypeError(f"series is None, expected {SERIES}")
    series = open_list(series, "y", SERIES)
    if isinstance(series, list | tuple):
        series = [_open(item, series_name(i)) for i, item in enumerate(series)]
        if not len(series):
            raise ValueError("there is no series: the list is empty")
        n_numbers = sum(item is None or np.ndim(item) == 0 for item in series)
        if 0 < n_numbers < len(series):
            raise TypeError("the list holds both numbers and series, expected one or the other")
        return ([series], True) if n_numbers else (series, False)
    array = series if isinstance(series, np.ndarray) else np.asarray(series)
    if array.dtype == object and array.ndim == 1 and len(array) and np.ndim(array[0]):
        return list(array), False
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return [series if library_of(series) else array], True
    if not array.flags.c_contiguous:  # it may show few numbers as many
        refuse_if_too_large(8 * array.size, "Reading series")
    if array.ndim != 2 or not len(array):
        raise ValueError(
            f"expected one series of shape (T,), or rows that are series, got shape {array.shape}"
        )
    return list(array), False


def _open(item, name):
    """Open a series of a list."""
    if is_frame(item) and len(names_of(item)) != 1:
        raise TypeError(
            f"{name} is a data frame of {len(names_of(item))} columns, expected an array: give all "
            "series in one data frame, in long form"
        )
    return open_container(item, name, "an array of numbers")


def _numbers(item, name):
    """Read real numbers as float64; masked and missing ones become NaN."""
    try:
        array = np.asanyarray(item)
    except ValueError:
        raise ValueError(f"{name} has rows of unequal length") from None
    # Beside a copy in float64: what is larger than what, and what is missing.
    refuse_if_too_large((12 if array.flags.c_contiguous else 20) * array.size, f"Reading {name}")
    if array.dtype == object:
        array = _of_objects(array, name)
    try:
        if array.dtype.kind not in "fiubO":
            raise TypeError
        if isinstance(array, np.ma.MaskedArray):
            return array.astype(np.float64).filled(np.nan)
        return kernel_array(array, np.float64)
    except (TypeError, ValueError):
        if array.dtype.kind in "US" and array.size:
            message = f"{name} must be numbers, step 0 has {show(array.flat[0])}"
            raise TypeError(message) from None
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


def read_values(item, name, allow_nan):
    """Read the values (T,) of a series."""
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


def read_covariates(given, what, values, is_single, calendar=None, known=None):
    """Read covariates of series that came as arrays.

    Those with an index are put beside the steps of their time stamps, and `known` before them.
    """
    if given is None:
        return [np.empty((len(item), 0)) for item in values]
    if is_frame(given) and not (is_single and calendar is not None):
        raise TypeError(f"{what} is a data frame, but the series are not in one")
    given = open_list(given, what, "an array for each series, or a list of them")
    items = [given] if is_single and np.ndim(given) < 3 else list(given)
    if len(items) != len(values):
        raise ValueError(f"{what} has {len(items)} entries, expected one for each of {len(values)}")
    read = []
    for i, item in enumerate(items):
        name = f"{what} of {series_name(i)}"
        item = open_container(item, name, "an array")
        array = _numbers(item, name)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        if array.ndim != 2 or not array.shape[1]:
            raise ValueError(f"{name} have shape {array.shape}, expected (T,) or (T, n)")
        if read and array.shape[1] != read[0].shape[1]:
            raise ValueError(
                f"{name} have {array.shape[1]} columns, expected {read[0].shape[1]} as in series 0"
            )
        check_covariates(array, name)
        index = read_index(item, name)
        if index is not None:
            before = None if known is None else known[i]
            array = align(array, index, calendar, i, len(values[i]), name, before)
        read.append(array)
    return read
