"""The five tasks: how each reads its file, what it answers, and how it is judged.

A task reads what `fit` takes from a file, asks a model for answers, and makes rows of them. Which
columns hold the features is remembered by the model.
"""

import math
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
from fastrnn.cli.options import UsageError
from fastrnn.cli.output import naming, write_table
from fastrnn.cli.row_streams import SeriesStreams
from fastrnn.cli.sequence_tasks import Classify, Regress, Tag
from fastrnn.datasets.formats import read_rows
from fastrnn.datasets.rows import table
from fastrnn.datasets.sources import decode, name_of, read_source


class Forecast:
    """How time series go on."""

    kind = "RNNForecaster"
    reads_rows = False  # it can go on from the series of fit

    def fit_arguments(self, options):
        """Read what `fit` takes; see `SequenceTask`."""
        rows = read_rows(options.file, form_of(options))
        find_columns(rows, options)
        given = options.future_covariates, options.past_covariates
        future, past = (
            None if names is None else [rows.find(name) for name in split_names(names)]
            for names in given
        )
        usual = (options.id, "id"), (options.time, "time"), (options.value, "value")
        columns = [default if name is None else rows.find(name) for name, default in usual]
        names = [*(future or ()), *(past or ())]
        as_text = named_as_text(options, names)
        allows = options.parameters.get("missing", "error") != "error"
        gaps = {"gaps": allows, "advice": GAPS_ADVICE}
        series = _series(rows, columns, names, as_text, gaps)
        covariates = {name: series[name] for name in names}
        if has_text(covariates.values()) and "categorical_features" not in options.parameters:
            options.parameters["categorical_features"] = "from_dtype"
        id_column, time_column, value_column = columns
        keywords = {
            "future_covariates": future,
            "past_covariates": past,
            "id_column": id_column,
            "time_column": time_column,
            "value_column": value_column,
        }
        if options.validation:
            rows = read_rows(options.validation, form_of(options))
            as_text = [name for name in names if series[name].dtype == object]
            validation = _series(rows, columns, names, as_text, gaps, True)
            keywords["validation_data"] = {"y": validation}
            if options.validation_start is not None:
                keywords["validation_data"]["start"] = options.validation_start
        n_series = len(set(series[id_column]))
        sizes = [f"{n_series} series, {len(series[id_column])} steps"]
        return (series,), keywords, sizes + tell_categories(covariates)

    def answers(self, model, options):
        """Forecast; see `SequenceTask`."""
        horizon = options.horizon or model.reader_.plan.n_ahead
        series = self._read(model, options.file, options) if options.file else None
        future = None
        if options.future:
            future = self._read(model, options.future, options, is_future=True)
        if options.quantiles is None:
            names = ["value"]
            forecasts = model.predict(horizon, series, future_covariates=future)
        else:
            levels = options.quantiles
            names = [f"q{level:g}" for level in levels]
            forecasts = model.predict_quantiles(horizon, series, levels, future_covariates=future)
        fitted = model.reader_.series
        if series is not None:
            ids = list(dict.fromkeys(series[fitted.columns.id]))
        elif fitted.ids is not None:
            ids = fitted.ids
        else:
            forecasts = [forecasts] if fitted.is_single else forecasts
            ids = list(range(len(fitted)))
        has_id = ids != [""]
        id_column = "id" if fitted.columns is None else fitted.columns.id
        header = [*([id_column] if has_id else []), "step", *names]
        return header, (
            [*([key] if has_id else []), step, *np.atleast_1d(values)]
            for key, forecast in zip(ids, forecasts, strict=True)
            for step, values in enumerate(forecast, 1)
        )

    def write(self, model, options):
        """Write the forecasts to a file."""
        write_table(options.output, *self.answers(model, options))

    def streams(self, model, header, options):
        """Streams for rows that come one by one, with the columns of `header`."""
        return SeriesStreams(model, self, header, options)

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

    def _read(self, model, path, options, is_future=False):
        columns, categories = self.columns(model)
        rows = read_rows(path, form_of(options))
        names = columns.future if is_future else (*columns.future, *columns.past)
        value = None if is_future else columns.value
        gaps = {"gaps": model.reader_.plan.mask, "advice": GAPS_ADVICE}
        return _series(rows, (columns.id, columns.time, value), names, categories, gaps, True)


class Write:
    """Text."""

    kind = "RNNLanguageModel"
    reads_rows = False

    def fit_arguments(self, options):
        """Read what `fit` takes; see `SequenceTask`."""
        text = self._read(options.file, options, options.lines)
        keywords = {}
        if options.validation:
            keywords["validation_data"] = self._read(options.validation, options, options.lines)
        size = f"{len(text)} lines" if options.lines else f"{len(text)} characters"
        return (text,), keywords, [size]

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
    "forecast": Forecast(),
    "write": Write(),
}


def _series(rows, columns, names, as_text, gaps, is_known=False):
    """Make the long data frame that a forecaster takes; None for the value of rows that have none.

    Without times the steps of each series are counted.
    """
    id_column, time_column, value_column = columns
    has_id = id_column in rows.columns
    has_time = time_column in rows.columns and time_column not in rows.of_sequences
    times = rows.times(time_column) if has_time else None
    of_id = rows.by_id(id_column if has_id else None, times)
    order = np.concatenate(list(of_id.values())) if rows.form.sort else np.arange(len(rows))
    if times is None:
        times = np.empty(len(rows), np.int64)
        for of_series in of_id.values():
            times[of_series] = np.arange(len(of_series))
    ids = rows.text(id_column) if has_id else np.full(len(rows), "", dtype=object)
    long = {id_column: ids, time_column: times}
    if value_column is not None:
        long[value_column] = rows.numbers(rows.find(value_column), **gaps)
    long |= table(rows, names, as_text, is_known=is_known)
    return {name: column[order] for name, column in long.items()}
