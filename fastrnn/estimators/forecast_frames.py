"""Forecasts in the form in which the series came: arrays, or frames with ids and time stamps."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastrnn.inputs.frames import make_frame
from fastrnn.inputs.long_frames import WIDE
from fastrnn.inputs.series_set import SeriesSet
from fastrnn.inputs.stamps import as_given
from fastrnn.typing import Doubles


def answer(known: SeriesSet, forecasts: list[Doubles], names: Sequence[str] | None = None) -> Any:
    """What `predict` returns of forecasts, (horizon,) or, with `names`, (horizon, n) each."""
    calendar, columns = known.calendar, known.columns
    if calendar is None or calendar.type is None:
        return forecasts[0] if known.is_single else forecasts
    if columns is None:
        return _with_index(known, forecasts, names)
    library, horizon = _available(known.library), len(forecasts[0])
    is_wide = columns.layout == WIDE and names is None
    n, table, time = 1 if is_wide else len(known), {}, columns.time
    if columns.has_ids and not is_wide:
        table[columns.id] = _repeat(known.ids, horizon, library)
    if calendar.knows_steps:
        stamps = np.concatenate([calendar.stamps(i, np.arange(1, horizon + 1)) for i in range(n)])
        table[time] = as_given(stamps, calendar.type, library)
    else:
        time = "step"
        table[time] = np.tile(np.arange(1, horizon + 1), n)
    if is_wide:
        ids: Any = known.ids  # there are some
        table |= dict(zip(ids, forecasts, strict=True))
    elif names is None:
        table[columns.value] = np.concatenate(forecasts)
    else:
        table |= dict(zip(names, np.concatenate(forecasts).T, strict=True))
    index = time if columns.is_indexed and library == "pandas" else None
    return make_frame(library, table, index, forecasts)


def stamp_origins(whole, which, origins, horizon):
    """The time stamps of the first and the last step of each forecast, by name."""
    calendar, library = whole.calendar, _available(whole.library)
    if calendar is None or calendar.type is None or not calendar.knows_steps:
        return {}
    which, stamps = np.array(which), {}
    for name, step in (("first_time", 1), ("last_time", horizon)):
        parts = [
            calendar.stamps(i, np.array(origins)[which == i] - len(whole.values[i]) + step)
            for i in dict.fromkeys(which.tolist())
        ]
        stamps[name] = as_given(np.concatenate(parts), calendar.type, library)
    return stamps


def table_of(whole, columns):
    """A table as its series came: a dict of arrays, or a data frame."""
    if whole.calendar is None or whole.calendar.type is None:
        return columns
    return make_frame(_available(whole.library), columns)


def _with_index(known, forecasts, names):
    """Series of pandas with an index of time stamps, or frames of quantiles."""
    if not _available(known.library):
        return forecasts[0] if known.is_single else forecasts
    from fastrnn.inputs.pandas_frames import pandas_series

    horizon, calendar = len(forecasts[0]), known.calendar
    answers = []
    for i, values in enumerate(forecasts):
        if calendar.knows_steps:
            stamps = calendar.stamps(i, np.arange(1, horizon + 1))
            stamps = as_given(stamps, calendar.type, known.library)
        else:
            stamps = np.arange(1, horizon + 1)
        answers.append(pandas_series(values, stamps, names))
    return answers[0] if known.is_single else answers


def _available(library):
    """The library, "" if it is not there: a model may have come from elsewhere."""
    return library if library and find_spec(library) else ""


def _repeat(ids, horizon, library):
    repeated = [key for key in ids for _ in range(horizon)]
    if library:
        return repeated
    return np.array(repeated, object if isinstance(ids[0], str) else None)
