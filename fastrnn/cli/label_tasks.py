"""The tasks with a sequence of labels, or a text, for each text or sequence."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastrnn.cli.columns import form_of
from fastrnn.cli.options import UsageError
from fastrnn.cli.output import naming, naming_sequences, write_table
from fastrnn.cli.row_streams import SequenceStreams
from fastrnn.cli.sequence_tasks import SequenceTask
from fastrnn.cli.task import FileTask
from fastrnn.datasets.formats import read_rows
from fastrnn.datasets.sources import decode, name_of, read_source
from fastrnn.estimators.predicting import read

LOG_LIKELIHOOD = "log-likelihood"


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts of a file, what stands beside them if that was read, and where each of them stands."""

    X: list
    y: list | None
    places: list
    column: str  # in which the texts are, or would be


class Translate(FileTask):
    """A text for each text."""

    kind = "RNNSeq2Seq"
    of = " of texts"

    def is_for(self, model):
        """Whether a model is one that this task trains."""
        return super().is_for(model) and model.encoder_ is not None

    def fit_arguments(self, options):
        """Read what `fit` takes; see `FileTask`."""
        if options.validation is None and options.validation_targets is not None:
            raise UsageError("--validation-targets needs --validation")
        if options.validation and bool(options.targets) != bool(options.validation_targets):
            raise UsageError(
                "--targets and --validation-targets go together: FILE and --validation have both "
                "lines, or columns"
            )
        pairs, of_validation, keywords = self._pairs(options, "file", "targets"), (), {}
        if options.validation:
            scored = self._pairs(options, "validation", "validation_targets")
            keywords["validation_data"] = scored.X, scored.y
            of_validation = scored.places
        sizes = [f"{len(pairs.X)} pairs of texts"]
        return (pairs.X, pairs.y), keywords, sizes, (pairs.places, of_validation)

    def write(self, model, options):
        """Write the answers to a file: lines for lines, else CSV."""
        texts = self._texts(options)
        with naming_sequences(texts.places):
            answers = _ask(model, texts.X, options)
        if options.lines and options.n_best is None:
            with naming(options.output):
                lines = "".join(f"{answer}\n" for ((answer,),) in answers)
                if options.output is None:
                    print(lines, end="")
                else:
                    Path(options.output).write_text(lines, encoding="utf-8")
            return
        header = [texts.column, *_columns(options.target or "target", options)]
        rows = (
            [text, *cells] for text, best in zip(texts.X, answers, strict=True) for cells in best
        )
        write_table(options, header, rows)

    def figures(self, model, options):
        """Judge a model by pairs of texts."""
        pairs = self._pairs(options, "file", "targets")
        with naming_sequences(pairs.places):
            return _judge(model, pairs.X, pairs.y, options)

    def _texts(self, options):
        if options.lines:
            lines, places = _read_lines(options.file, options)
            return Texts(lines, None, places, options.source or "source")
        return self._table(options.file, options, has_targets=False)

    def _pairs(self, options, file, targets):
        """Read texts and what each becomes: two columns of a file, or the lines of two files."""
        file, targets = getattr(options, file), getattr(options, targets)
        if targets is None:
            return self._table(file, options)
        if options.source or options.target:
            name = "source" if options.source else "target"
            raise UsageError(f"--{name} names a column, but with --targets files have lines")
        if file == targets == "-":
            raise UsageError("standard input is one file, but there are two")
        (X, places), (y, _) = _read_lines(file, options), _read_lines(targets, options)
        if len(X) != len(y):
            raise ValueError(
                f"{name_of(file)} has {len(X)} lines, but {name_of(targets)} has {len(y)}: what a "
                "line becomes stands in the same line"
            )
        return Texts(X, y, places, "source")

    def _table(self, file, options, has_targets=True):
        rows = read_rows(file, form_of(options))
        if rows.starts is not None:
            raise ValueError(f"{rows.name} has sequences in its cells, expected a text in each")
        named = [name for name in rows.columns if name not in rows.unnamed]
        source = _choose(rows, "source", options.source, named[: len(named) <= 2])
        target = None
        if has_targets:
            others = [name for name in named if name != source]
            target = _choose(rows, "target", options.target, others[: len(others) == 1])
        if source == target:
            raise UsageError(f"--source and --target are one column, {source!r}")
        y = None if target is None else rows.text(target).tolist()
        places = [rows.place(row) for row in range(len(rows))]
        return Texts(rows.text(source).tolist(), y, places, source)


class Transcripts:
    """What was said in each sequence, by its id, from a file of its own; `used` says of which."""

    def __init__(self, options):
        if options.labels is None:
            raise UsageError("--labels names the file with the labels of each id")
        self.rows = rows = read_rows(options.labels, form_of(options))
        named = [name for name in rows.columns if name not in rows.unnamed]
        given = options.id if options.id in rows.columns else None
        key = _choose(rows, "id", given, [named[0]] if len(named) == 2 else [])
        others = [name for name in named if name != key]
        column = _choose(rows, "label", options.label, others[: len(others) == 1])
        texts, self._of_id = rows.text(column), {}
        for each, row in rows.by_id(key).items():
            if rows.starts is None and len(row) > 1:
                raise ValueError(
                    f"{rows.place(row[1], key)}: the id {each!r} has labels in {rows.unit} "
                    f"{rows.lines[row[0]]} already"
                )
            said = texts[row[0]] if rows.starts is None else texts[row].tolist()
            self._of_id[each] = said, row[0]
        self._unused = set(self._of_id)

    def of(self, examples):
        """What was said in each of some sequences."""
        said = []
        for key, of_sequence in examples.of_id.items():
            if key not in self._of_id:
                raise ValueError(
                    f"{examples.rows.place(of_sequence[0])}: the id {key!r} has no labels in "
                    f"{self.rows.name}"
                )
            said.append(self._of_id[key][0])
        self._unused -= examples.of_id.keys()
        return said

    def check_all_are_used(self, *names):
        """Refuse labels of ids that are in none of some files."""
        for key, (_, row) in self._of_id.items():
            if key in self._unused:
                raise ValueError(
                    f"{self.rows.place(row)}: the id {key!r} has no rows in {' or '.join(names)}"
                )


class LabelStreams(SequenceStreams):
    """Streams of which each step is answered by the labels that are new with it."""

    def __init__(self, model, task, header, options):
        super().__init__(model, task, header, options)
        self._between = " " if model.task_.texts is None else model.task_.texts.between

    def step(self, stream, x):
        """The new labels, if there are any."""
        stream.step(x)
        return [self._spell(stream.new_labels)]

    def end(self, stream):
        """The labels that are left."""
        return [self._spell(stream.finish())]

    def _spell(self, labels):
        return self._between.join(map(str, labels))


class Transcribe(SequenceTask):
    """A text, or labels, for each sequence of frames."""

    kind = "RNNSeq2Seq"
    of = " of frames"
    defaults = {"alignment": "ctc"}  # noqa: RUF012

    def is_for(self, model):
        """Whether a model is one that this task trains."""
        return super().is_for(model) and model.encoder_ is None

    def target_columns(self, options):
        """Name the columns of the targets, which are in another file."""
        return []

    def fit_arguments(self, options):
        """Read what `fit` takes; see `FileTask`."""
        options.transcripts = Transcripts(options)
        arguments, keywords, sizes, names = super().fit_arguments(options)
        files = filter(None, (options.file, options.validation))
        options.transcripts.check_all_are_used(*map(name_of, files))
        return arguments, keywords, sizes, names

    def targets(self, examples, options, like=None):
        """Look up what was said in each sequence."""
        return options.transcripts.of(examples)

    def answer_columns(self, model, options):
        """Name the columns of the answer."""
        return _columns(options.label or "label", options)

    def streams(self, model, header, options):
        """Streams for rows that come one by one, with the columns of `header`."""
        if options.n_best or options.beam_size:
            raise UsageError("--n-best and --beam-size do not go with --follow")
        return LabelStreams(model, self, header, options)

    def figures(self, model, options):
        """Judge a model by examples."""
        transcripts, examples = Transcripts(options), self.examples(model, options)
        y = transcripts.of(examples)
        transcripts.check_all_are_used(examples.rows.name)
        with naming_sequences(examples.places()):
            return _judge(model, examples.X, y, options)

    def answer_rows(self, model, examples, options, header):
        """The names of the columns of the answers, and their rows."""
        answers = zip(examples.keys(), _ask(model, examples.X, options), strict=True)
        rows = ([*key, *cells] for key, best in answers for cells in best)
        return [*header, *self.answer_columns(model, options)], rows


def _columns(name, options):
    return [name] if options.n_best is None else [name, LOG_LIKELIHOOD]


def _choose(rows, what, given, usual):
    """Choose a column: the one that is given, that is called so, or the only one it may be."""
    if given is not None:
        return rows.find(given)
    if what in rows.columns or not usual:
        return rows.find(what)
    return usual[0]


def _read_lines(path, options):
    """Read the lines of a file, none of them empty; return also where each stands."""
    text = decode(read_source(path), form_of(options)).replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    if not text:
        raise ValueError(f"{name_of(path)} is empty")
    places = [f"{name_of(path)}, line {k}" for k in range(1, len(lines) + 1)]
    for line, place in zip(lines, places, strict=True):
        if not line.strip():
            raise ValueError(f"{place} is empty, expected a text")
    return lines, places


def _set_beam(model, options):
    if options.beam_size is not None:
        model.set_params(beam_size=options.beam_size)


def _ask(model, X, options):
    """The cells of the answers to each sequence: of the best one, or of several."""
    _set_beam(model, options)
    if options.n_best is None:
        return [[[_spell(answer)]] for answer in model.predict(X)]
    found = model.predict_nbest(X, options.n_best)
    return [[[_spell(answer), value] for answer, value in best] for best in found]


def _spell(answer):
    """Write labels that are no text."""
    return answer if isinstance(answer, str) else " ".join(map(str, answer))


def _judge(model, X, y, options):
    """How good a model is; texts of targets are labels where it has learned lists of these."""
    _set_beam(model, options)
    task, network, sequences = model.task_, model.network_, read(model, X)
    if task.texts is None:
        labels = {str(label): label for label in task.classes.tolist()}
        cut = (text.split() if isinstance(text, str) else text for text in y)
        y = [[labels.get(word, word) for word in words] for words in cut]
    said = task.predict(network, sequences, model)
    logarithms = task.score_samples(network, sequences, y, model.n_jobs)
    return {
        "sequences": len(sequences),
        "edit error rate": task.edit_error_rate(said, y, None, sequences),
        "share exactly right": task.score(said, y, None, sequences),
        f"mean {LOG_LIKELIHOOD}": float(np.mean(logarithms)),
    }
