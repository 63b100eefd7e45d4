"""Streams of what comes row by row: one for each id.

Of sequences there is a stream for every id that has appeared. It begins when its id first does, and
begins anew after a row of that id whose features are all empty; that row is answered by empty
cells. Where the model reads missing values such a row is a step, unless it must have a time. Series
of a forecaster go on from those that it was trained on, one stream for each.
"""

import copy

import numpy as np

from fastrnn.cli.columns import feature_columns, find_columns, gaps_of
from fastrnn.datasets.rows import table
from fastrnn.datasets.stamps import Times
from fastrnn.inputs.frames import encode
from fastrnn.inputs.stamps import check_comparable, read_stamps, show


class SequenceStreams:
    """Streams of sequences, by id, of a model with this task, for rows with these columns.

    `id` and `time` name the columns of ids and times, where there are any, and `answers` those of
    the answer.
    """

    def __init__(self, model, task, header, options):
        self.id, self.time = find_columns(header, options)
        self.answers = task.answer_columns(model, options)
        self._features, self._as_text = feature_columns(model, options, header)
        for name in self._features:
            header.find(name)
        self._model, self._task, self._options = model, task, options
        self._has_names = model.reader_.feature_names is not None
        self._gaps = gaps_of(model, options, self._features)
        self._new, self._streams, self._times = model.stream(), {}, {}

    def answer(self, rows):
        """The cells of the answer to a row, the only one of these."""
        key = None if self.id is None else rows.text(self.id)[0]
        begins_anew = not self._gaps["gaps"] or self._gaps["time"] is not None
        cells = [rows.columns[name][0] for name in self._features]
        if begins_anew and all(map(rows.is_missing, cells)):
            self._streams.pop(key, None)
            self._times.pop(key, None)
            return [""] * len(self.answers)
        if self.time is not None:
            hint = "; a row with empty features makes a sequence begin anew"
            check_time(rows, self.time, self._times, key, hint)
        x = table(rows, self._features, self._as_text, is_known=True, **self._gaps)
        if key not in self._streams:
            self._streams[key] = copy.copy(self._new)  # with the same weights
        try:
            output = self._streams[key].step(x if self._has_names else encode(x, {}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{rows.place(0)}: {error}") from error
        return self._task.cells(self._model, np.atleast_2d(output), self._options)[0]


class SeriesStreams:
    """Streams of time series: all those of a forecaster in one, of which each row moves one.

    Attributes are those of `SequenceStreams`.
    """

    def __init__(self, model, task, header, options):
        columns, categories = task.columns(model)
        self._categories = {
            name: {value: k for k, value in enumerate(values)}
            for name, values in categories.items()
        }
        if columns.future:
            raise ValueError(
                f"--follow cannot be: forecasts need {columns.future[0]!r} of the steps to come, "
                "which no row has"
            )
        there = header.columns
        self.id, self.time = (
            name if name in there else None for name in (columns.id, columns.time)
        )
        self._features = [columns.value, *columns.past]
        for name in self._features:
            header.find(name)
        series = model.reader_.series
        self._numbers = {key: i for i, key in enumerate(series.ids or [""])}
        if self.id is None and len(series) > 1:
            header.find(columns.id)
        self._calendar = series.calendar
        last = series.calendar.last
        self._times = {key: (series.calendar.type, last[i]) for key, i in self._numbers.items()}
        self._places = [0] * len(series)  # of each the last step that was read
        levels = options.quantiles
        self._stream, self._gaps = model.stream(levels=levels), model.reader_.plan.mask
        names = ["value"] if levels is None else [f"q{level:g}" for level in levels]
        horizon = model.reader_.plan.n_ahead
        self.answers = names
        if horizon > 1:
            self.answers = [f"{name}_{step}" for step in range(1, horizon + 1) for name in names]

    def answer(self, rows):
        """The cells of the answer to a row, the only one of these."""
        key = next(iter(self._numbers)) if self.id is None else rows.text(self.id)[0]
        if key not in self._numbers:
            raise ValueError(f"{rows.place(0, self.id)}: the model knows no series {key!r}")
        i, skipped = self._numbers[key], 0
        if self.time is not None:
            skipped = self._skipped(rows, key, i, check_time(rows, self.time, self._times, key))
        value, *past = self._features
        x = [
            rows.numbers(value, gaps=self._gaps)[0],
            *(self._covariate(rows, name) for name in past),
        ]
        for _ in range(skipped):
            self._step(rows, i, [np.nan])
        return self._step(rows, i, x).ravel()

    def _skipped(self, rows, key, i, times):
        """How many steps have had no row before this one."""
        if not self._calendar.knows_steps:
            return 0
        stamps, place = rows.stamps(self.time, times), rows.place(0, self.time)
        stamp_type, stamps = read_stamps(stamps, lambda row: place)
        places = self._calendar.places(i, stamps, stamp_type, place)
        skipped = int(places[0]) - self._places[i] - 1
        if skipped and (len(self._features) > 1 or not self._gaps):
            whose = f" of {key!r}" if key else ""
            raise ValueError(
                f"{rows.place(0, self.time)}: no row{whose} has come for "
                f"{self._calendar.show(i, self._places[i] + 1)}"
            )
        self._places[i] = int(places[0])
        return skipped

    def _step(self, rows, i, x):
        """Let stream i alone take a step, and return its forecast."""
        stream = self._stream
        state = stream.state
        try:
            forecast = stream.step(np.tile(x, (len(self._numbers), 1)))[i]  # all streams take it
        except (TypeError, ValueError) as error:
            raise ValueError(f"{rows.place(0)}: {error}") from error
        for name, array in stream.state.items():
            state[name][i] = array[i]
        stream.state = state
        return forecast

    def _covariate(self, rows, name):
        """A covariate as a number, which stands for its category if it has some."""
        if name not in self._categories:
            return rows.numbers(name)[0]
        value, known = rows.text(name)[0], self._categories[name]
        if value not in known:
            shown = ", ".join(map(repr, known))
            raise ValueError(
                f"{rows.place(0, name)}: {value!r} is not among the categories of the model, "
                f"{shown if len(shown) < 200 else shown[:200] + ' ...'}"
            )
        return known[value]


def check_time(rows, column, times, key, hint=""):
    """Return the `Times` of a row, which must be later than the one before of the same sequence.

    `times` has the type of the last time of each, and itself, by `key`, and is updated; `hint` ends
    the message.
    """
    here = rows.times(column)
    time, place = here.values[0], rows.place(0, column)
    if key in times:
        kind, before = times[key]
        kind = kind or Times(np.array([before])).type  # not known of models of 0.1.0
        try:
            check_comparable(here.type, kind, "this row", "of the rows before")
        except (TypeError, ValueError) as error:
            raise type(error)(f"{place}: {error}") from None
        if not time > before:
            whose = f" of {key!r}" if key else ""
            raise ValueError(
                f"{place}: the time{whose} must be later than {show(before, kind)}{hint}"
            )
    times[key] = here.type, time
    return here
