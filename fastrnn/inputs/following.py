"""What followed time series: the values of the steps after their ends."""

import numpy as np

from fastrnn.inputs.calendars import check_rising
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.indexes import read_index
from fastrnn.inputs.long_frames import WIDE, LongFrame, read_wide
from fastrnn.inputs.series_arrays import check_finite
from fastrnn.inputs.stamps import NUMBERS, check_comparable, show


def read_following(series, y, allow_nan):
    """Read what followed each of some series, arrays (S_i,) from the first step after its end on.

    `y` is an array or a list of them, which may have an index, or a data frame as the series came
    in one. Steps between that it has not are NaN, and others may be if `allow_nan`.
    """
    if is_frame(y):
        if series.columns is None:
            raise TypeError(
                "y is a data frame, but the model was fitted on arrays: expected an array, or a "
                "list of arrays"
            )
        read = _of_wide if series.columns.layout == WIDE else _of_long
        items = read(series, y)
    else:
        given = [y] if series.is_single else list(y)
        if len(given) != len(series):
            raise ValueError(
                f"y has {len(given)} series, but the model was fitted on {len(series)}"
            )
        items = [
            (np.array(item, dtype=np.float64).reshape(-1), read_index(item, _name(series, i)))
            for i, item in enumerate(given)
        ]
    for i, (values, _) in enumerate(items):
        check_finite(values, _name(series, i), allow_nan)
    return [_place(values, index, series, i) for i, (values, index) in enumerate(items)]


def _name(series, i):
    return f"y of {series.name(i)}"


def _of_long(series, frame):
    """Values, with their type of time stamps and these, of each series in a frame in long form."""
    long = LongFrame(frame, series.columns, (series.columns.value,))
    numbers, rows = long.numbers(series.columns.value), long.rows
    expected = [None] if series.ids is None else series.ids
    for key in rows:
        if key not in expected:
            raise ValueError(f"y has the unknown series {key!r}")
    for i, key in enumerate(expected):
        if key not in rows:
            raise ValueError(f"y has no row of {series.name(i)}")
    return [(numbers[rows[key]], (long.type, long.times[rows[key]])) for key in expected]


def _of_wide(series, frame):
    """The same of a frame with a column for each series, which may end before others do."""
    _, ids, table, stamp_type, stamps = read_wide(frame, series.columns)
    if set(ids) != set(series.ids):
        wrong = next(key for key in [*ids, *series.ids] if (key in ids) != (key in series.ids))
        fault = f"has the unknown series {wrong!r}" if wrong in ids else f"has no column {wrong!r}"
        raise ValueError(f"y {fault}")
    items = []
    for key in series.ids:
        values = table[:, ids.index(key)]
        known = np.flatnonzero(~np.isnan(values))
        n = known[-1] + 1 if known.size else 0
        items.append((values[:n], (stamp_type, stamps[:n])))
    return items


def _place(values, index, series, i):
    """Put values on the steps after the end of series i, by an index that they may have."""
    calendar, name = series.calendar, _name(series, i)
    if index is None or not len(values) or (calendar is not None and calendar.type is None):
        return values
    stamp_type, stamps = index
    check_rising(stamps, np.array([0, len(stamps)]), stamp_type, lambda _: name)
    if calendar is None:
        if stamp_type.kind != NUMBERS:
            raise TypeError(f"{name} has an index of {stamp_type.words}, but the series has none")
        places = stamps.astype(np.int64) - (len(series.values[i]) - 1)
    elif calendar.spacings[i] is None:  # each row is a step
        check_comparable(stamp_type, calendar.type, name)
        places = np.arange(1, len(stamps) + 1) if stamps[0] > calendar.last[i] else [0]
    else:
        places = calendar.places(i, stamps, stamp_type, name)
    if places[0] < 1:
        raise ValueError(
            f"{name} has the time stamp {show(stamps[0], stamp_type)}, which is not after the end "
            "of the series"
        )
    placed = np.full(int(places[-1]), np.nan)
    placed[places - 1] = values
    return placed
