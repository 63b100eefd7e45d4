"""Forecasts as a data frame of pandas, which only those import who have pandas."""

from numbers import Integral

import numpy as np
import pandas


class Forecasts(pandas.DataFrame):
    """A data frame of forecasts, a row for each step.

    A number, which no column has for a name, is that of a series: ``forecasts[i]`` is an array, as
    it was when forecasts came in a list.
    """

    _metadata = ["by_series"]  # noqa: RUF012, pandas adds to it; no column has that name

    @property
    def _constructor(self):
        return pandas.DataFrame  # what is made of it is a data frame like any other

    def __getitem__(self, key):
        """Return columns or rows, as pandas does, or the forecast of a series by its number."""
        if isinstance(key, Integral) and key not in self.columns:
            return self.by_series[key]
        return super().__getitem__(key)


def pandas_frame(columns, index=None, series=None):
    """Make a data frame of columns by name, of which one may become the index."""
    columns = {name: _column(values) for name, values in columns.items()}
    stamps = None if index is None else pandas.Index(columns.pop(index), name=index)
    frame = pandas.DataFrame(columns)
    if stamps is not None:
        frame = frame.set_axis(stamps)
    if series is not None:
        frame = Forecasts(frame)
        frame.by_series = series
    return frame


def pandas_series(values, stamps, names=None):
    """Make a series with time stamps as its index, or a data frame if there are names."""
    if names is None:
        return pandas.Series(values, index=pandas.Index(stamps))
    return pandas.DataFrame(values, index=pandas.Index(stamps), columns=list(names))


def _column(values):
    """What pandas finds a dtype for by itself."""
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values
