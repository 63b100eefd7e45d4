"""The five tasks: how each reads its file, what it answers, and how it is judged.

A task reads what `fit` takes from a file, asks a model for answers, and makes rows of them. Which
columns hold the features is remembered by the model.
"""

import math
from dataclasses import dataclass

import numpy as np

from fastrnn.cli.files import Rows, name_of, read_rows, read_text, table
from fastrnn.cli.options import UsageError
from fastrnn.inputs.frames import encode
from fastrnn.metrics import token_f1_score


@dataclass(frozen=True, eq=False)
class Examples:
    """Sequences that were read from a file.

    Attributes
    ----------
    rows : Rows
        The file.
    of_id : dict of str to ndarray of int
        The rows of each sequence.
    id, time : str or None
        Columns of their names and times, where the file has them.
    X : list of (dict of str to ndarray) or ndarray
        The sequences, as an estimator takes them.
    """

    rows: Rows
    of_id: dict
    id: str | None
    time: str | None
    X: list

    def keys(self):
        """Name each sequence, in a list that is empty if the file has no names."""
        return [[] if self.id is None else [key] for key in self.of_id]


class SequenceTask:
    """What classifier, regressor and tagger share: features in, answers for sequences or steps."""

    needs_id, reads_rows = True, True

    def fit_arguments(self, options):
        """Read what `fit` takes, from the file of examples and perhaps one to validate on.

        Parameters
        ----------
        options : argparse.Namespace
            Options of the command.

        Returns
        -------
        arguments : tuple
            Sequences and targets.
        keywords : dict
            The rest.
        size : str
            What there is to learn from, in words.
        """
        rows = self._open(options.file, options)
        if self.needs_id:
            rows.check(options.id or "id")
        targets = self.target_columns(options)
        rows.check(*targets)
        names = _names(options.features)
        if names is None:
            others = {options.id or "id", options.time or "time", *targets}
            names = [name for name in rows.columns if name not in others]
        as_text = _named_as_text(options, names)
        examples = self._examples(rows, options, names, as_text)
        if _has_text(examples.X[0].values()) and "categorical_features" not in options.parameters:
            options.parameters["categorical_features"] = "from_dtype"
        keywords = {}
        if options.validation:
            rows = self._open(options.validation, options)
            rows.check(*targets)
            validation = self._examples(rows, options, names, as_text)
            keywords["validation_data"] = (validation.X, self.targets(validation, options))
        size = f"{len(examples.X)} sequences, {len(examples.rows)} steps"
        return (examples.X, self.targets(examples, options)), keywords, size

    def examples(self, model, options):
        """Read sequences for a model, whose columns are found by their names.

        Parameters
        ----------
        model : RNNBase
            A fitted model.
        options : argparse.Namespace
            Options of the command.

        Returns
        -------
        Examples
        """
        rows = self._open(options.file, options)
        names, as_text = feature_columns(model, options, rows.columns)
        return self._examples(rows, options, names, as_text, model)

    def answers(self, model, options):
        """Predict.

        Parameters
        ----------
        model : RNNBase
            A fitted model.
        options : argparse.Namespace
            Options of the command.

        Returns
        -------
        header : list of str
            Names of the columns of the answer.
        answers : iterable of list
            The rows of the answer.
        """
        examples = self.examples(model, options)
        header = [] if examples.id is None else [examples.id]
        return self._answers(model, examples, options, header)

    def _open(self, path, options):
        return read_rows(path, delimiter=options.delimiter, encoding=options.encoding)

    def _examples(self, rows, options, names, as_text, model=None):
        if not names:
            raise ValueError(f"{rows.name} has no columns of features")
        id_column, time_column = find_columns(rows, options)
        times = None if time_column is None else rows.times(time_column)
        of_id = rows.by_id(id_column, times)
        features = table(rows, names, as_text, is_known=model is not None)
        X = [
            {name: column[of_sequence] for name, column in features.items()}
            for of_sequence in of_id.values()
        ]
        if model is not None and model.reader_.feature_names is None:
            X = [encode(part, {}) for part in X]
        return Examples(rows, of_id, id_column, time_column, X)

    def _answers(self, model, examples, options, header):
        answers = self.cells(model, self._outputs(model, examples.X, options), options)
        header = [*header, *self.answer_columns(model, options)]
        return header, ([*key, *cells] for key, cells in zip(examples.keys(), answers, strict=True))


class Classify(SequenceTask):
    """A label for each sequence."""

    kind = "RNNClassifier"

    def target_columns(self, options):
        """Name the columns of the targets."""
        return [options.label or "label"]

    def targets(self, examples, options):
        """Read the label of each sequence, which all of its rows have."""
        (column,) = self.target_columns(options)
        labels = examples.rows.labels(column)
        return [labels[row] for row in _one_for_each(examples, labels, column)]

    def answer_columns(self, model, options):
        """Name the columns of the answer: the label, or the probability of each."""
        each = options.proba or _has_label_sets(model)
        return list(map(str, model.classes_)) if each else ["label"]

    def cells(self, model, proba, options):
        """Turn probabilities into cells of answers."""
        if options.proba:
            return proba
        if _has_label_sets(model):
            return (proba > 0.5).astype(np.int64)
        return model.classes_[proba.argmax(axis=1)][:, np.newaxis]

    def figures(self, model, options):
        """Judge a model by examples.

        Parameters
        ----------
        model : RNNBase
            A fitted model.
        options : argparse.Namespace
            Options of the command.

        Returns
        -------
        dict of str to float
            Figures by name.
        """
        if _has_label_sets(model):
            raise ValueError(
                "the model gives each sequence any number of labels, of which a file in long form "
                "has but one"
            )
        examples = self.examples(model, options)
        examples.rows.check(*self.target_columns(options))
        y = self.targets(examples, options)
        proba = model.predict_proba(examples.X)
        figures = {"sequences": len(y), "accuracy": model.score(examples.X, y)}
        predicted = model.classes_[proba.argmax(axis=1)]
        figures["macro F1"] = token_f1_score([y], [predicted])
        numbers = {label: k for k, label in enumerate(model.classes_.tolist())}
        if all(label in numbers for label in y):
            p = proba[np.arange(len(y)), [numbers[label] for label in y]]
            with np.errstate(divide="ignore"):
                figures["log-loss"] = -float(np.log(p.astype(np.float64)).mean())
        return figures

    def _outputs(self, model, X, options):
        return model.predict_proba(X)


class Regress(SequenceTask):
    """One or several numbers for each sequence."""

    kind = "RNNRegressor"

    def target_columns(self, options):
        """Name the columns of the targets."""
        return _names(options.target) or ["target"]

    def targets(self, examples, options):
        """Read the numbers of each sequence, which all of its rows have."""
        columns = []
        for name in self.target_columns(options):
            numbers = examples.rows.numbers(name)
            columns.append(numbers[_one_for_each(examples, numbers, name)])
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)

    def answer_columns(self, model, options):
        """Name the columns of the answer."""
        n = model.n_outputs_
        return ["target"] if n == 1 else [f"target_{k}" for k in range(1, n + 1)]

    def cells(self, model, values, options):
        """Turn predictions into cells of answers."""
        return values

    def figures(self, model, options):
        """Judge a model by examples: R², and errors in units of the target."""
        examples = self.examples(model, options)
        columns = self.target_columns(options)
        examples.rows.check(*columns)
        y = self.targets(examples, options)
        figures = {"sequences": len(y), "R2": model.score(examples.X, y)}
        error = (model.predict(examples.X) - y).reshape(len(y), -1)
        for k, name in enumerate(columns):
            of = f" of {name}" if len(columns) > 1 else ""
            figures[f"root mean squared error{of}"] = float(np.sqrt(np.mean(error[:, k] ** 2)))
            figures[f"mean absolute error{of}"] = float(np.mean(np.abs(error[:, k])))
        return figures

    def _outputs(self, model, X, options):
        return model.predict(X).reshape(len(X), -1)


class Tag(SequenceTask):
    """A label for each step."""

    kind = "RNNTagger"
    needs_id = False

    def target_columns(self, options):
        """Name the columns of the targets."""
        return [options.label or "label"]

    def targets(self, examples, options):
        """Read the labels of the steps; those of empty cells are left out of loss and score."""
        (column,) = self.target_columns(options)
        labels = np.array(examples.rows.labels(column, gaps=True), dtype=object)
        return [labels[rows].tolist() for rows in examples.of_id.values()]

    def answer_columns(self, model, options):
        """Name the columns of the answer: the label, or the probability of each."""
        return list(map(str, model.classes_)) if options.proba else ["label"]

    def cells(self, model, proba, options):
        """Turn probabilities into cells of answers."""
        return proba if options.proba else model.classes_[proba.argmax(axis=1)][:, np.newaxis]

    def figures(self, model, options):
        """Judge a model by examples: figures over steps."""
        examples = self.examples(model, options)
        examples.rows.check(*self.target_columns(options))
        y = self.targets(examples, options)
        return {
            "sequences": len(y),
            "steps": sum(label is not None for part in y for label in part),
            "accuracy": model.score(examples.X, y),
            "macro F1": token_f1_score(y, model.predict(examples.X)),
        }

    def _answers(self, model, examples, options, header):
        rows, columns = examples.rows, [*header]
        if examples.time is not None:
            columns.append(examples.time)
        answers = [None] * len(rows)
        for which, proba in zip(
            examples.of_id.values(), model.predict_proba(examples.X), strict=True
        ):
            for row, cells in zip(which, self.cells(model, proba, options), strict=True):
                answers[row] = cells
        header = [*columns, *self.answer_columns(model, options)]
        return header, (
            [*(rows.columns[name][row] for name in columns), *cells]
            for row, cells in enumerate(answers)
        )


class Forecast:
    """How time series go on."""

    kind = "RNNForecaster"
    reads_rows = False  # it can go on from the series of fit

    def fit_arguments(self, options):
        """Read what `fit` takes; see `SequenceTask`."""
        future, past = _names(options.future_covariates), _names(options.past_covariates)
        columns = (options.id or "id", options.time or "time", options.value or "value")
        names = [*(future or ()), *(past or ())]
        as_text = _named_as_text(options, names)

        def read(path):
            rows = read_rows(path, delimiter=options.delimiter, encoding=options.encoding)
            find_columns(rows, options)
            return _series(rows, columns, names, as_text)

        series = read(options.file)
        has_text = _has_text(series[name] for name in names)
        if has_text and "categorical_features" not in options.parameters:
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
        horizon = options.horizon or model.horizon
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

    def figures(self, model, options):
        """Judge a model by forecasts from many origins, beside the seasonal naive forecast."""
        horizon = options.horizon or model.horizon
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
        """Say which columns a model reads.

        Parameters
        ----------
        model : RNNForecaster
            A fitted model.

        Returns
        -------
        columns : LongColumns
            Their names.
        categories : dict of str to tuple
            The values of covariates that are categories.

        Raises
        ------
        ValueError
            If the model knows no names.
        """
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
        """Continue a prompt.

        Parameters
        ----------
        model : RNNLanguageModel
            A fitted model.
        options : argparse.Namespace
            Options of the command.

        Returns
        -------
        str
        """
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


def find_columns(rows, options):
    """Return the columns of ids and times, None for one that is not there.

    Parameters
    ----------
    rows : Rows
        The file.
    options : argparse.Namespace
        Options of the command.

    Returns
    -------
    list of (str or None)

    Raises
    ------
    ValueError
        If one was named, and is not there.
    """
    found = []
    for given, usual in ((options.id, "id"), (options.time, "time")):
        if given is not None:
            rows.check(given)
        name = given or usual
        found.append(name if name in rows.columns else None)
    return found


def feature_columns(model, options, columns):
    """Return which columns a model reads.

    Parameters
    ----------
    model : RNNBase
        A fitted model.
    options : argparse.Namespace
        Options of the command.
    columns : iterable of str
        The columns of the file.

    Returns
    -------
    names : list of str
        In the order of the model.
    as_text : list of str
        Those that hold categories.

    Raises
    ------
    ValueError
        If the model reads other files than those in long form.
    UsageError
        If columns were named for a model that has names of its own.
    """
    learned = model.reader_.columns
    if model.reader_.n_columns is not None:
        raise ValueError(
            "the model was fitted on a table with a sequence in each row, but files have a row for "
            "each step"
        )
    if learned.names is None:
        others = {options.id or "id", options.time or "time"}
        names = _names(options.features) or [name for name in columns if name not in others]
        return names, []
    if options.features is not None:
        raise UsageError("--features is for models without names of columns; this one has them")
    pairs = zip(learned.ids, learned.categories, strict=True)
    return list(learned.names), [learned.names[j] for j, values in pairs if values is not None]


def _has_text(columns):
    return any(column.dtype == object for column in columns)


def _has_label_sets(model):
    return model.network_.head.kind == "binary_log_loss"


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


def _one_for_each(examples, values, column):
    """Return the first row of each sequence, whose value the others have, too."""
    first = []
    rows = examples.rows
    for key, of_sequence in examples.of_id.items():
        first.append(of_sequence[0])
        for row in of_sequence:
            if values[row] != values[of_sequence[0]]:
                whose = f" of {key!r}" if examples.id is not None else ""
                raise ValueError(
                    f"{rows.place(row, column)}: {values[row]!s}{whose} was {values[first[-1]]!s} "
                    f"in {rows.unit} {rows.lines[first[-1]]}; a sequence has one {column}"
                )
    return first


def _named_as_text(options, names):
    """Return which columns are categories because the parameter names them."""
    chosen = options.parameters.get("categorical_features")
    return [] if chosen is None or isinstance(chosen, str) else [n for n in names if n in chosen]


def _names(text):
    """Split names of columns; None for none."""
    return None if text is None else [name for name in text.split(",") if name]
