"""The five tasks: how each reads its file, what it answers, and how it is judged.

A task reads what `fit` takes from a file, asks a model for answers, and makes rows of them. Which
columns hold the features is remembered by the model.
"""

import math
from pathlib import Path

import numpy as np

from fastrnn.cli.columns import find_columns, has_text, named_as_text, split_names
from fastrnn.cli.files import name_of, naming, read_rows, read_text, table, write_table
from fastrnn.cli.options import UsageError
from fastrnn.cli.row_streams import SeriesStreams
from fastrnn.cli.sequence_tasks import Classify, Regress, Tag


class Forecast:
    """How time series go on."""

    kind = "RNNForecaster"
    reads_rows = False  # it can go on from the series of fit

    def fit_arguments(self, options):
        """Read what `fit` takes; see `SequenceTask`."""
        future, past = split_names(options.future_covariates), split_names(options.past_covariates)
        columns = (options.id or "id", options.time or "time", options.value or "value")
        names = [*(future or ()), *(past or ())]
        as_text = named_as_text(options, names)

        def read(path):
            rows = read_rows(path, delimiter=options.delimiter, encoding=options.encoding)
            find_columns(rows, options)
            return _series(rows, columns, names, as_text)

        series = read(options.file)
        are_text = has_text(series[name] for name in names)
        if are_text and "categorical_features" not in options.parameters:
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
            keywords["validation_data"] = {"y": read(options.validation)}
            if options.validation_start is not None:
                keywords["validation_data"]["start"] = options.validation_start
        n_series = len(set(series[id_column]))
        return (series,), keywords, f"{n_series} series, {len(series[id_column])} steps"

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
        rows = read_rows(path, delimiter=options.delimiter, encoding=options.encoding)
        names = columns.future if is_future else (*columns.future, *columns.past)
        value = None if is_future else columns.value
        return _series(rows, (columns.id, columns.time, value), names, categories)


class Write:
    """Text."""

    kind = "RNNLanguageModel"
    reads_rows = False

    def fit_arguments(self, options):
        """Read what `fit` takes; see `SequenceTask`."""
        text = self._read(options.file, options.encoding, options.lines)
        keywords = {}
        if options.validation:
            keywords["validation_data"] = self._read(
                options.validation, options.encoding, options.lines
            )
        size = f"{len(text)} lines" if options.lines else f"{len(text)} characters"
        return (text,), keywords, size

    def answer(self, model, options):
        """Continue a prompt."""
        if options.prompt is not None and options.file:
            raise UsageError("give a prompt or a file with one, not both")
        prompt = options.prompt or ""
        if options.file:
            prompt = _read_text(options.file, options.encoding)
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
        text = self._read(options.file, options.encoding, has_end)
        score = model.score(text)
        return {"perplexity": math.exp(-score), "log-likelihood per token": score}

    def _read(self, path, encoding, as_lines):
        text = _read_text(path, encoding)
        if as_lines:
            text = [line for line in text.split("\n") if line]
        if not text:
            raise ValueError(f"{name_of(path)} is empty")
        return text


def _read_text(path, encoding):
    return read_text(path, encoding).replace("\r\n", "\n")


TASKS = {
    "classify": Classify(),
    "regress": Regress(),
    "tag": Tag(),
    "forecast": Forecast(),
    "write": Write(),
}


def _series(rows, columns, names, as_text):
    """Make the long data frame that a forecaster takes."""
    id_column, time_column, value_column = columns
    there = rows.columns
    if value_column is not None:
        rows.check(value_column)
    times = rows.times(time_column) if time_column in there else np.arange(len(rows))
    rows.by_id(id_column if id_column in there else None, times)
    ids = rows.text(id_column) if id_column in there else np.full(len(rows), "", dtype=object)
    long = {id_column: ids, time_column: times}
    if value_column is not None:
        long[value_column] = rows.numbers(value_column, gaps=True)
    return {**long, **table(rows, names, as_text)}
