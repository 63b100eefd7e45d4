"""Streams of what comes row by row: one for each id.

Of sequences there is a stream for every id that has appeared. It begins when its id first does, and
begins anew after a row of that id whose features are all empty; that row is answered by empty
cells, or by what is left to be said. Where the model reads missing values such a row is a step,
unless it must have a time. Series of a forecaster go on from those that it was trained on, one
stream for each.
"""

import copy

import numpy as np

from fastrnn.cli.columns import feature_columns, find_columns, gaps_of
from fastrnn.datasets.rows import table
from fastrnn.datasets.stamps import Times
from fastrnn.estimators.forecasting import series_of_fit
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
        self._new, self._streams, self._times, self._kinds = model.stream(), {}, {}, {}

    def answer(self, rows):
        """The cells of the answer to a row, the only one of these."""
        key = None if self.id is None else rows.text(self.id)[0]
        begins_anew = not self._gaps["gaps"] or self._gaps["time"] is not None
        cells = [rows.columns[name][0] for name in self._features]
        if begins_anew and all(map(rows.is_missing, cells)):
            self._times.pop(key, None)
            self._kinds.pop(key, None)
            stream = self._streams.pop(key, None)
            return [""] * len(self.answers) if stream is None else self.end(stream)
        if self.time is not None:
            hint = "; a row with empty features makes a sequence begin anew"
            whose = f" of {key!r}" if key else ""
            check_time(rows, self.time, self._times, key, whose, hint)
        if self._gaps["time"] is not None:
            kind = rows.times(self._gaps["time"]).type
            _check_kind(rows.place(0, self._gaps["time"]), kind, self._kinds.setdefault(key, kind))
        x = table(rows, self._features, self._as_text, is_known=True, **self._gaps)
        if key not in self._streams:
            self._streams[key] = copy.copy(self._new)  # with the same weights
        try:
            return self.step(self._streams[key], x if self._has_names else encode(x, {}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{rows.place(0)}: {error}") from error

    def step(self, stream, x):
        """The cells of the answer to the next step of a stream."""
        return self._task.cells(self._model, np.atleast_2d(stream.step(x)), self._options)[0]

    def end(self, stream):
        """The cells of the answer to a row with which a stream ends."""
        return [""] * len(self.answers)


class _Forecasts:
    """What streams of time series share: times, gaps, the stream itself and columns of answers."""

    def __init__(self, model, columns, header, options):
        series, plan = series_of_fit(model.reader_), model.reader_.plan
        self.time = columns.time if columns.time in header.columns else None
        self._calendar, self._gaps = series.calendar, plan.mask
        self._keys = series.ids or [""]
        last = series.calendar.last
        self._times = {key: (series.calendar.type, last[i]) for i, key in enumerate(self._keys)}
        self._places = [0] * len(series)  # of each the last step that was read
        levels = options.quantiles
        self._stream = model.stream(levels=levels)
        names = ["value"] if levels is None else [f"q{level:g}" for level in levels]
        horizon = range(1, plan.n_ahead + 1)
        self.answers = names
        if plan.n_ahead > 1:
            self.answers = [f"{name}_{step}" for step in horizon for name in names]

    def _skipped(self, rows, i, whose, may_skip):
        """How many steps of series i have had no row before this one, if it has a time."""
        if self.time is None:
            return 0
        times = check_time(rows, self.time, self._times, self._keys[i], whose)
        if not self._calendar.knows_steps:
            return 0
        stamps, place = rows.stamps(self.time, times), rows.place(0, self.time)
        stamp_type, stamps = read_stamps(stamps, lambda row: place)
        places = self._calendar.places(i, stamps, stamp_type, place)
        skipped = int(places[0]) - self._places[i] - 1
        if skipped and not may_skip:
            lacks = self._calendar.show(i, self._places[i] + 1)
            raise ValueError(f"{place}: no row{whose} has come for {lacks}")
        self._places[i] = int(places[0])
        return skipped


class SeriesStreams(_Forecasts):
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
        self.id = columns.id if columns.id in header.columns else None
        self._features = [columns.value, *columns.past]
        for name in self._features:
            header.find(name)
        super().__init__(model, columns, header, options)
        series = model.reader_.series
        self._static = [series.static_row(i) for i in range(len(series))]
        self._numbers = {key: i for i, key in enumerate(self._keys)}
        if self.id is None and len(self._keys) > 1:
            header.find(columns.id)

    def answer(self, rows):
        """The cells of the answer to a row, the only one of these."""
        key = self._keys[0] if self.id is None else rows.text(self.id)[0]
        if key not in self._numbers:
            raise ValueError(f"{rows.place(0, self.id)}: the model knows no series {key!r}")
        i, (value, *past) = self._numbers[key], self._features
        skipped = self._skipped(rows, i, f" of {key!r}" if key else "", self._gaps and not past)
        x = [
            rows.numbers(value, gaps=self._gaps)[0],
            *(self._covariate(rows, name) for name in past),
            *self._static[i],
        ]
        for _ in range(skipped):
            self._step(rows, i, [np.nan, *self._static[i]])
        return self._step(rows, i, x).ravel()

    def _step(self, rows, i, x):
        """Let stream i alone take a step, and return its forecast."""
        stream = self._stream
        state = stream.state
        try:
            forecast = stream.step(np.tile(x, (len(self._keys), 1)))[i]  # all streams take it
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


class WideStreams(_Forecasts):
    """Streams of time series that have a column each, which a row moves together.

    Attributes are those of `SequenceStreams`.
    """

    def __init__(self, model, task, header, options):
        super().__init__(model, task.columns(model)[0], header, options)
        self.id, self._features = None, [header.find(str(key)) for key in self._keys]
        answers = [name.removeprefix("value") for name in self.answers]
        self.answers = [
            key + (f"_{name.removeprefix('_')}" if name else "")
            for key in self._features
            for name in answers
        ]

    def answer(self, rows):
        """The cells of the answer to a row, the only one of these."""
        skipped = self._skipped(rows, 0, "", self._gaps)
        x = np.array([rows.numbers(key, gaps=self._gaps) for key in self._features])
        try:
            for _ in range(skipped):
                self._stream.step(np.full_like(x, np.nan))
            return self._stream.step(x).ravel()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{rows.place(0)}: {error}") from error


def check_time(rows, column, times, key, whose, hint=""):
    """Return the `Times` of a row, which must be later than the one before of the same sequence.

    `times` has the type of the last time of each, and itself, by `key`, and is updated; `whose` and
    `hint` are for the message.
    """
    here = rows.times(column)
    time, place = here.values[0], rows.place(0, column)
    if key in times:
        kind, before = times[key]
        kind = kind or Times(np.array([before])).type  # not known of models of 0.1.0
        _check_kind(place, here.type, kind)
        if not time > before:
            raise ValueError(
                f"{place}: the time{whose} must be later than {show(before, kind)}{hint}"
            )
    times[key] = here.type, time
    return here


def _check_kind(place, here, before):
    """Check that the time of a row can be compared with those of the rows before."""
    try:
        check_comparable(here, before, "this row", "of the rows before")
    except TypeError as error:
        raise TypeError(f"{place}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
