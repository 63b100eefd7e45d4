"""The tasks: how each reads its file, what it answers, and how it is judged.

A task reads what `fit` takes from a file, asks a model for answers, and makes rows of them. Which
columns hold the features is remembered by the model.
"""

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastrnn.cli.columns import (
    GAPS_ADVICE,
    find_columns,
    form_of,
    has_text,
    named_as_text,
    split_names,
    tell_categories,
)
from fastrnn.cli.label_tasks import Transcribe, Translate
from fastrnn.cli.options import UsageError
from fastrnn.cli.output import naming, write_table
from fastrnn.cli.row_streams import SeriesStreams, WideStreams
from fastrnn.cli.sequence_tasks import Classify, Regress, Tag
from fastrnn.cli.task import FileTask
from fastrnn.datasets.formats import read_rows
from fastrnn.datasets.rows import table
from fastrnn.datasets.sources import decode, name_of, read_source
from fastrnn.estimators.forecasting import check_levels, forecast, read_history
from fastrnn.inputs.long_frames import WIDE

NO_TIME = ""
"""What the column of times is called where a file has none: rows come in order."""


class Forecast(FileTask):
    """How time series go on."""

    kind = "RNNForecaster"
    reads_rows = False  # it can go on from the series of fit

    def fit_arguments(self, options):
        """Read what `fit` takes; see `FileTask`."""
        form = form_of(options)
        rows = read_rows(options.file, form)
        if options.layout == WIDE:
            return self._fit_wide(rows, options)
        id_column, time_column = find_columns(rows, options)
        given = options.future_covariates, options.past_covariates, options.static_covariates
        future, past, static = (
            None if names is None else [rows.find(name) for name in split_names(names)]
            for names in given
        )
        value_column = "value" if options.value is None else rows.find(options.value)
        columns = id_column, time_column or NO_TIME, value_column
        names = [*(future or ()), *(past or ()), *(static or ())]
        as_text = named_as_text(options, names)
        gaps = _gaps(options)
        series = _series(rows, columns, names, as_text, gaps)
        covariates = {name: series[name] for name in names}
        if has_text(covariates.values()) and "categorical_features" not in options.parameters:
            options.parameters["categorical_features"] = "from_dtype"
        id_column, time_column, value_column = columns
        keywords = {
            "future_covariates": future,
            "past_covariates": past,
            "static_covariates": static,
            "id_column": id_column or "id",
            "time_column": time_column,
            "value_column": value_column,
        }
        if options.validation:
            rows = read_rows(options.validation, form)
            as_text = [name for name in names if series[name].dtype == object]
            validation = _series(rows, columns, names, as_text, gaps, is_known=True)
            keywords["validation_data"] = _validation(validation, options)
        n_series = len(set(series[id_column])) if id_column else 1
        sizes = [f"{n_series} series, {len(series[value_column])} steps"]
        return (series,), keywords, sizes + tell_categories(covariates), ()

    def _fit_wide(self, rows, options):
        """What `fit` takes of a file with a column for each series."""
        wrong = [name for name in _OF_LONG if getattr(options, name) is not None]
        if wrong:
            raise UsageError(
                f"--layout wide has a series in each column, and no place for "
                f"--{wrong[0].replace('_', '-')}"
            )
        _, time_column = find_columns(rows, options)
        names = split_names(options.value)
        if names is not None:
            names = [rows.find(name) for name in names]
        elif "id" in rows.columns and "id" not in rows.unnamed:
            raise ValueError(
                f"{rows.name} has a column 'id', as files with a row for each step of each series "
                "have; --value names the columns that are series"
            )
        time_column, gaps = time_column or NO_TIME, _gaps(options)
        series = _wide_series(rows, time_column, names, gaps)
        names = [name for name in series if name != time_column]
        keywords = {"time_column": time_column, "layout": WIDE}
        if options.validation:
            rows = read_rows(options.validation, rows.form)
            validation = _wide_series(rows, time_column, names, gaps)
            keywords["validation_data"] = _validation(validation, options)
        n_steps = len(series[time_column])
        return (series,), keywords, [f"{len(names)} series, {n_steps} steps"], ()

    def answers(self, model, options):
        """Forecast; see `SequenceTask`."""
        plan = model.reader_.plan
        series = self._read(model, options.file, options) if options.file else None
        future = None
        if options.future:
            if not model.reader_.series.takes_future:
                raise ValueError("--future has covariates, but the model was trained without")
            known = model.reader_.series if series is None else model.reader_.read_series(series)
            future = self._read(model, options.future, options, follows=known)
        horizon, of_points = options.horizon or plan.n_ahead, options.quantiles is None
        known, horizon = read_history(model, horizon, series, future, None, of_points=of_points)
        names, levels = ["value"], None
        if options.quantiles is not None:
            levels = check_levels(plan, options.quantiles)
            names = [f"q{level:g}" for level in levels]
        forecasts = forecast(model, known, horizon, levels)
        calendar, columns = known.calendar, known.columns
        ids = range(len(known)) if columns is None else known.ids or [""]
        has_id = columns is None or (columns.has_ids and ids != [""])
        has_time = calendar is not None and calendar.knows_steps
        has_time = has_time and (columns is None or columns.time != NO_TIME)
        id_column, time_column = ("id", "time") if columns is None else (columns.id, columns.time)
        if columns is not None and columns.layout == WIDE and options.quantiles is None:
            return [time_column if has_time else "step", *ids], (
                [calendar.show(0, step) if has_time else step, *values]
                for step, values in enumerate(np.concatenate(forecasts, axis=1), 1)
            )
        header = [*([id_column] if has_id else []), "step", *([time_column] if has_time else [])]
        return [*header, *names], (
            [
                *([key] if has_id else []),
                step,
                *([calendar.show(i, step)] if has_time else []),
                *values,
            ]
            for i, (key, each) in enumerate(zip(ids, forecasts, strict=True))
            for step, values in enumerate(each, 1)
        )

    def write(self, model, options):
        """Write the forecasts to a file."""
        write_table(options, *self.answers(model, options))

    def streams(self, model, header, options):
        """Streams for rows that come one by one, with the columns of `header`."""
        is_wide = self.columns(model)[0].layout == WIDE
        return (WideStreams if is_wide else SeriesStreams)(model, self, header, options)

    def figures(self, model, options):
        """Judge a model by forecasts from many origins, beside the seasonal naive forecast."""
        horizon = options.horizon or model.reader_.plan.n_ahead
        series = self._read(model, options.file, options)
        backtest = model.backtest(series, horizon, options.step or horizon, start=options.start)
        figures = {"series": len(set(backtest["series"].tolist()))}
        figures["forecasts"] = len(backtest["series"])
        words = {"mae": "mean absolute error", "smape": "sMAPE", "mase": "MASE"}
        for name, word in words.items():
            for prefix, whose in (("", ""), ("naive_", " of the naive forecast")):
                values = backtest[prefix + name]
                known = values[~np.isnan(values)]
                figures[word + whose] = float(known.mean()) if len(known) else math.nan
        return figures

    def columns(self, model):
        """The columns that a model reads, and the values of those that are categories."""
        columns, covariates = model.reader_.series.columns, model.reader_.series.covariates
        if columns is None:
            raise ValueError(
                "the model was fitted on arrays, whose columns have no names: fit it on a data "
                "frame, or with fastrnn train"
            )
        pairs = zip(covariates.ids, covariates.categories, strict=True)
        return columns, {covariates.names[j]: values for j, values in pairs if values is not None}

    def _read(self, model, path, options, follows=None):
        """Read series, or the covariates of the steps that follow some."""
        columns, categories = self.columns(model)
        rows = read_rows(path, form_of(options))
        if columns.time != NO_TIME:
            rows.find(columns.time)
        gaps = {"gaps": model.reader_.plan.mask, "advice": GAPS_ADVICE}
        calendar = model.reader_.series.calendar
        zone = None if calendar is None or calendar.type is None else calendar.type.zone
        if columns.layout == WIDE:
            return _wide_series(rows, columns.time, None, gaps, zone)
        names = columns.future
        if follows is None:
            names = (*columns.future, *columns.past, *columns.static)
        value = columns.value if follows is None else None
        id_column = columns.id if columns.has_ids else None
        of_series = (id_column, columns.time, value)
        return _series(
            rows, of_series, names, categories, gaps, zone=zone, follows=follows, is_known=True
        )


class Write(FileTask):
    """Text."""

    kind = "RNNLanguageModel"
    reads_rows = False

    def fit_arguments(self, options):
        """Read what `fit` takes; see `FileTask`."""
        text = self._read(options.file, options, options.lines)
        keywords = {}
        if options.validation:
            keywords["validation_data"] = self._read(options.validation, options, options.lines)
        size = f"{len(text)} lines" if options.lines else f"{len(text)} characters"
        return (text,), keywords, [size], ()

    def answer(self, model, options):
        """Continue a prompt."""
        if options.prompt is not None and options.file:
            raise UsageError("give a prompt or a file with one, not both")
        prompt = options.prompt or ""
        if options.file:
            prompt = _read_text(options.file, options)
        length = 100 if options.length is None else options.length
        text = model.sample(
            prompt,
            length,
            temperature=1.0 if options.temperature is None else options.temperature,
            top_k=options.top_k,
            random_state=options.seed,
        )
        return text if isinstance(text, str) else " ".join(map(str, text))

    def write(self, model, options):
        """Write the text that follows the prompt."""
        text = self.answer(model, options)
        with naming(options.output):
            if options.output is None:
                print(text)
            else:
                Path(options.output).write_text(text, encoding="utf-8")

    def figures(self, model, options):
        """Judge a model by a text."""
        has_end = model.reader_.vocabulary.end is not None
        text = self._read(options.file, options, has_end)
        score = model.score(text)
        return {"perplexity": math.exp(-score), "log-likelihood per token": score}

    def _read(self, path, options, as_lines):
        text = _read_text(path, options)
        if as_lines:
            text = [line for line in text.split("\n") if line]
        if not text:
            raise ValueError(f"{name_of(path)} is empty")
        return text


def _read_text(path, options):
    return decode(read_source(path), form_of(options)).replace("\r\n", "\n")


TASKS = {
    "classify": Classify(),
    "regress": Regress(),
    "tag": Tag(),
    "translate": Translate(),
    "transcribe": Transcribe(),
    "forecast": Forecast(),
    "write": Write(),
}


_OF_LONG = ("id", "future_covariates", "past_covariates", "static_covariates")


def _gaps(options):
    """How values are read that may be missing."""
    allows = options.parameters.get("missing", "error") != "error"
    return {"gaps": allows, "advice": GAPS_ADVICE}


def _validation(series, options):
    start = options.validation_start
    return {"y": series} if start is None else {"y": series, "start": start}


def _times(rows, column, zone):
    """Read times: those that are written with several offsets are of a zone that is known."""
    times = rows.times(column)
    if times.is_mixed and zone is not None:
        return replace(times, zone=zone)
    if times.is_mixed:
        warnings.warn(
            f"{rows.name}, column {column!r}: times have several offsets, and are those of UTC; "
            f"{rows.form.option('time_zone')} names their zone",
            stacklevel=2,
        )
    return times


def _series(rows, columns, names, as_text, gaps, *, zone=None, follows=None, is_known=False):
    """Make the long data frame that a forecaster takes; `follows` are series that it goes on from.

    `zone` is that of the stamps that the model knows, if any.

    Without times the rows of each series come in order.
    """
    id_column, time_column, value_column = columns
    of_file = id_column if id_column in rows.columns else None
    has_time = time_column in rows.columns and time_column not in rows.of_sequences
    times = _times(rows, time_column, zone) if has_time else None
    of_id = rows.by_id(of_file, times and times.values)
    order = np.concatenate(list(of_id.values())) if rows.form.sort else np.arange(len(rows))
    if times is not None:
        times = rows.stamps(time_column, times)
    else:
        times = np.empty(len(rows), np.int64)
        last = {}
        if follows is not None:
            last = dict(zip(follows.ids or [""], follows.calendar.last, strict=True))
        for key, numbers in of_id.items():
            times[numbers] = np.arange(len(numbers)) + int(last.get(key, -1)) + 1
    long = {time_column: times}
    if id_column is not None:
        ids = np.full(len(rows), "", dtype=object) if of_file is None else rows.text(id_column)
        long = {id_column: ids, **long}
    if value_column is not None:
        long[value_column] = rows.numbers(rows.find(value_column), **gaps)
    long |= table(rows, names, as_text, is_known=is_known)
    return {name: column[order] for name, column in long.items()}


def _wide_series(rows, time_column, names, gaps, zone=None):
    """Make the data frame with a column for each series; None names all columns but that of times.

    Before the first value of a series its cells may be empty: it begins there.
    """
    if rows.starts is not None:
        raise ValueError(
            f"{rows.name} has a sequence in each {rows.unit}, expected a row for each step, as "
            "--layout wide reads them"
        )
    has_time = time_column in rows.columns
    times = _times(rows, time_column, zone) if has_time else None
    order = rows.by_id(None, times and times.values)[""]
    wide = {time_column: rows.stamps(time_column, times) if has_time else np.arange(len(rows))}
    for name in rows.usual_features({time_column}) if names is None else names:
        try:
            numbers = wide[rows.find(name)] = rows.numbers(name, gaps=True)
        except ValueError as error:
            if has_time:
                raise
            raise ValueError(f"{error}; --time names a column of times") from None
        known = order[~np.isnan(numbers[order])]
        if not known.size:
            raise ValueError(f"{rows.name}, column {name!r} has no number, expected a series")
        late = order[np.flatnonzero(order == known[0])[0] :]
        if not gaps["gaps"] and np.isnan(numbers[late]).any():
            row = late[np.isnan(numbers[late])][0]
            raise rows.no_number(name, row, is_nothing=True, advice=gaps["advice"])
    if len(wide) == 1:
        raise ValueError(f"{rows.name} has no columns of series")
    return {name: column[order] for name, column in wide.items()}
