"""The tasks of sequences: one label or number for each, or a label for each step."""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.cli.columns import (
    feature_columns,
    find_columns,
    form_of,
    gaps_of,
    has_text,
    named_as_text,
    named_features,
    split_names,
    tell_categories,
    text_columns,
)
from fastrnn.cli.output import naming_sequences, write_table
from fastrnn.cli.row_streams import SequenceStreams
from fastrnn.cli.task import FileTask
from fastrnn.datasets.formats import read_rows
from fastrnn.datasets.rows import Rows, one_for_each, table
from fastrnn.inputs.frames import encode
from fastrnn.metrics import token_f1_score


@dataclass(frozen=True, eq=False)
class Examples:
    """Sequences that were read from a file."""

    rows: Rows  # the file
    of_id: dict  # the numbers of the rows of each sequence, by its name
    id: str | None  # the column of their names, where the file has one
    time: str | None  # likewise of their times
    features: dict  # the columns of features
    X: list  # the sequences, as an estimator takes them

    def keys(self):
        """Name each sequence, in a list that is empty if the file has no names."""
        return [[] if self.id is None else [key] for key in self.of_id]

    def places(self):
        """Name each sequence, if the file has names, for messages."""
        return [f"id {key!r}" for keys in self.keys() for key in keys]


class SequenceTask(FileTask):
    """What tasks of sequences share: features in, answers for sequences or steps."""

    needs_id = True

    def fit_arguments(self, options):
        """What `fit` takes of the files; see `FileTask`."""
        rows = read_rows(options.file, form_of(options))
        if self.needs_id:
            rows.find(options.id or "id")
        targets = [rows.find(name) for name in self.target_columns(options)]
        names = named_features(rows, options)
        if names is None:
            others = {*find_columns(rows, options), *targets}
            names = rows.usual_features(others - {options.parameters.get("time_feature")})
        as_text = named_as_text(options, names)
        gaps = gaps_of(None, options, names)
        examples = self._examples(rows, options, names, as_text, gaps)
        if (
            has_text(examples.features.values())
            and "categorical_features" not in options.parameters
        ):
            options.parameters["categorical_features"] = "from_dtype"
        y, keywords, of_validation = self.targets(examples, options), {}, []
        if options.validation:
            rows = read_rows(options.validation, form_of(options))
            validation = self._examples(
                rows, options, names, [*as_text, *text_columns(examples.features)], gaps, True
            )
            keywords["validation_data"] = (validation.X, self.targets(validation, options, y))
            of_validation = validation.places()
        sizes = [f"{len(examples.X)} sequences, {len(examples.rows)} steps"]
        sizes += tell_categories(examples.features)
        return (examples.X, y), keywords, sizes, (examples.places(), of_validation)

    def examples(self, model, options):
        """Read sequences for a model, whose columns are found by their names."""
        rows = read_rows(options.file, form_of(options))
        names, as_text = feature_columns(model, options, rows)
        gaps = gaps_of(model, options, names)
        examples = self._examples(rows, options, names, as_text, gaps, True)
        if model.reader_.feature_names is None:
            return replace(examples, X=[encode(part, {}) for part in examples.X])
        return examples

    def answers(self, model, options):
        """Give the names of the columns of the answer, and its rows."""
        examples = self.examples(model, options)
        header = [] if examples.id is None else [examples.id]
        with naming_sequences(examples.places()):
            return self.answer_rows(model, examples, options, header)

    def write(self, model, options):
        """Write the answers to a file."""
        write_table(options, *self.answers(model, options))

    def streams(self, model, header, options):
        """Streams for rows that come one by one, with the columns of `header`."""
        return SequenceStreams(model, self, header, options)

    def _examples(self, rows, options, names, as_text, gaps, is_known=False):
        if not names:
            raise ValueError(f"{rows.name} has no columns of features")
        id_column, time_column = find_columns(rows, options)
        times = None if time_column is None else rows.times(time_column).values
        of_id = rows.by_id(id_column, times)
        features = table(rows, names, as_text, is_known=is_known, **gaps)
        X = [
            {name: column[of_sequence] for name, column in features.items()}
            for of_sequence in of_id.values()
        ]
        return Examples(rows, of_id, id_column, time_column, features, X)

    def answer_rows(self, model, examples, options, header):
        """The names of the columns of the answers, and their rows."""
        answers = self.cells(model, self.outputs(model, examples.X), options)
        header = [*header, *self.answer_columns(model, options)]
        return header, ([*key, *cells] for key, cells in zip(examples.keys(), answers, strict=True))


class Classify(SequenceTask):
    """A label for each sequence."""

    kind = "RNNClassifier"

    def target_columns(self, options):
        """Name the columns of the targets."""
        return [options.label or "label"]

    def targets(self, examples, options, like=None):
        """Read the label of each sequence, which all of its rows have; `like` are known ones."""
        (column,) = _found(examples, self.target_columns(options))
        labels = examples.rows.labels(column, like=like)
        return [
            labels[row]
            for row in one_for_each(
                examples.rows, examples.of_id, labels, column, examples.id is not None
            )
        ]

    def answer_columns(self, model, options):
        """Name the columns of the answer: the label, or the probability of each."""
        each = options.proba or model.task_.many_labels
        return list(map(str, model.classes_)) if each else ["label"]

    def cells(self, model, proba, options):
        """Turn probabilities into cells of answers."""
        return proba if options.proba else model.task_.decode(proba).reshape(len(proba), -1)

    def figures(self, model, options):
        """Judge a model by examples."""
        if model.task_.many_labels:
            raise ValueError(
                "the model gives each sequence any number of labels, of which a file in long form "
                "has but one"
            )
        examples = self.examples(model, options)
        y = self.targets(examples, options, model.classes_.tolist())
        proba = model.predict_proba(examples.X)
        figures = {"sequences": len(y), "accuracy": model.score(examples.X, y)}
        figures["macro F1"] = token_f1_score([y], [model.task_.decode(proba)])
        numbers = {label: k for k, label in enumerate(model.classes_.tolist())}
        if all(label in numbers for label in y):
            p = proba[np.arange(len(y)), [numbers[label] for label in y]]
            with np.errstate(divide="ignore"):
                figures["log-loss"] = -float(np.log(p.astype(np.float64)).mean())
        return figures

    def outputs(self, model, X):
        """What the model says of each sequence, for `cells`."""
        return model.predict_proba(X)


class Regress(SequenceTask):
    """One or several numbers for each sequence."""

    kind = "RNNRegressor"

    def target_columns(self, options):
        """Name the columns of the targets."""
        return split_names(options.target) or ["target"]

    def targets(self, examples, options, like=None):
        """Read the numbers of each sequence, which all of its rows have."""
        columns = []
        for name in _found(examples, self.target_columns(options)):
            numbers = examples.rows.numbers(name)
            columns.append(
                numbers[
                    one_for_each(
                        examples.rows, examples.of_id, numbers, name, examples.id is not None
                    )
                ]
            )
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)

    def answer_columns(self, model, options):
        """Name the columns of the answer."""
        n = model.task_.n_targets
        return ["target"] if n == 1 else [f"target_{k}" for k in range(1, n + 1)]

    def cells(self, model, values, options):
        """Turn predictions into cells of answers."""
        return values

    def figures(self, model, options):
        """Judge a model by examples: R², and errors in units of the target."""
        examples = self.examples(model, options)
        columns = self.target_columns(options)
        y = self.targets(examples, options)
        figures = {"sequences": len(y), "R2": model.score(examples.X, y)}
        error = (model.predict(examples.X) - y).reshape(len(y), -1)
        for k, name in enumerate(columns):
            of = f" of {name}" if len(columns) > 1 else ""
            figures[f"root mean squared error{of}"] = float(np.sqrt(np.mean(error[:, k] ** 2)))
            figures[f"mean absolute error{of}"] = float(np.mean(np.abs(error[:, k])))
        return figures

    def outputs(self, model, X):
        """What the model says of each sequence, for `cells`."""
        return model.predict(X).reshape(len(X), -1)


class Tag(SequenceTask):
    """A label for each step."""

    kind = "RNNTagger"
    needs_id = False

    def target_columns(self, options):
        """Name the columns of the targets."""
        return [options.label or "label"]

    def targets(self, examples, options, like=None):
        """Read the labels of the steps; those of empty cells are left out of loss and score.

        `like` are labels of other steps.
        """
        (column,) = _found(examples, self.target_columns(options))
        if like is not None:
            like = {label for part in like for label in np.ravel(part)} - {None}
        labels = np.array(examples.rows.labels(column, gaps=True, like=like), dtype=object)
        return [labels[rows].tolist() for rows in examples.of_id.values()]

    def answer_columns(self, model, options):
        """Name the columns of the answer: the label, or the probability of each."""
        return list(map(str, model.classes_)) if options.proba else ["label"]

    def cells(self, model, proba, options):
        """Turn probabilities into cells of answers."""
        return proba if options.proba else _column(model.task_.decode(proba.argmax(axis=1)))

    def figures(self, model, options):
        """Judge a model by examples: figures over steps."""
        examples = self.examples(model, options)
        y = self.targets(examples, options, model.classes_.tolist())
        return {
            "sequences": len(y),
            "steps": sum(label is not None for part in y for label in part),
            "accuracy": model.score(examples.X, y),
            "macro F1": token_f1_score(y, model.predict(examples.X)),
        }

    def answer_rows(self, model, examples, options, header):
        """The names of the columns of the answers, and their rows."""
        rows, columns = examples.rows, [*header]
        if examples.time is not None:
            columns.append(examples.time)
        answers = [None] * len(rows)
        if options.proba:
            said = model.predict_proba(examples.X)
        else:
            said = map(_column, model.predict(examples.X))
        for which, of_sequence in zip(examples.of_id.values(), said, strict=True):
            for row, cells in zip(which, of_sequence, strict=True):
                answers[row] = cells
        header = [*columns, *self.answer_columns(model, options)]
        return header, (
            [*(rows.columns[name][row] for name in columns), *cells]
            for row, cells in enumerate(answers)
        )


def _column(labels):
    return labels[:, np.newaxis]


def _found(examples, names):
    return [examples.rows.find(name) for name in names]
