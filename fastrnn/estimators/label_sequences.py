"""The task of saying a sequence of labels, of any length, of each sequence."""

import math
from dataclasses import dataclass

import numpy as np

from fastrnn.estimators.labels import Labels, check_none_is_left_out
from fastrnn.estimators.long_sequences import front_of
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.targets import as_sample_weight, check_same_length
from fastrnn.estimators.tasks import Scored, Target, Task, hold_out
from fastrnn.files.codec import Record
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.steps import as_step_labels, split_steps
from fastrnn.network.ctc import best_labels, places_of_labels, search, steps_needed


@dataclass(frozen=True, eq=False)
class LabelSequenceTask(Task):
    """Labels in the order in which they occur, at steps that nobody knows; blanks in between."""

    classes: np.ndarray

    kind = "label_sequences"
    fields = Record({"classes": Labels()})
    head = "ctc"
    every_step = True

    @classmethod
    def learn(cls, y, sequences, sample_weight, parameters):
        """Learn which labels there are."""
        task = cls(_read(y).classes())
        return task, task.encode(y, sequences, sample_weight, parameters)

    @classmethod
    def smallest(cls):
        """A task of one label, of which nothing is known, to count memory with."""
        return cls(np.zeros(1))

    @property
    def n_outputs(self):
        """Number of labels, and the blank."""
        return len(self.classes) + 1

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Number the labels; unless they are partial, all of the model must be among them."""
        labels = _read(y)
        check_same_length(sequences, "y", labels.offsets[1:])
        seen = labels.classes()
        if not partial and not np.array_equal(seen, self.classes):
            raise ValueError(
                f"warm_start=True goes on from the fitted model, which has the labels "
                f"{self.classes.tolist()}, but y has {seen.tolist()}"
            )
        if len(self.classes) < 2:
            raise ValueError(
                f"y has the labels {self.classes.tolist()}, expected two or more different ones"
            )
        numbers = labels.numbers(self.classes)
        if (numbers < 0).any():
            row = int(np.argmax(numbers < 0))
            raise ValueError(
                f"{_place(labels, row)} is {labels.values[row]!r}, which is not among those of the "
                f"model, {self.classes.tolist()}"
            )
        target = LabelSequences(numbers, labels.offsets)
        if parameters is not None:
            self._check_room(target, sequences, parameters)
        weight = as_sample_weight(sample_weight, sequences)
        in_loss = narrow_weight(weight, sequences.values.dtype)
        groups = np.zeros(len(sequences), dtype=np.int64)
        return Target(target, in_loss, weight * (in_loss > 0), groups)

    def _check_room(self, target, sequences, parameters):
        """Check that there are steps enough for the labels of each sequence."""
        front = front_of(parameters, self, sequences.lengths)
        stride = math.prod([front["stride"], *(one[2] for one in front["conv"])])
        steps, needed = -(-sequences.lengths // stride), steps_needed(target)
        wrong = np.flatnonzero(needed > steps)
        if wrong.size:
            n = wrong[0]
            read = "" if stride == 1 else f", read {stride} at a time,"
            raise ValueError(
                f"sequence {n} has {sequences.lengths[n]} steps{read} for {target.lengths[n]} "
                f"labels, expected {needed[n]} or more: each label needs a step, and so does a "
                "blank between two that are the same"
            )

    def arrays(self, values):
        """Labels, and where those of each sequence begin."""
        return [values.labels, values.offsets]

    def hold_out(self, sequences, target, fraction, rng):
        """Split off what early stopping scores: return what is left, and that."""
        held_out = hold_out(target, fraction, rng)
        weight = target.score_weight[held_out]
        scored = Scored(sequences.take(held_out), target.values.take(held_out), weight)
        return target.without(held_out), scored

    def validate(self, network, scored, n_jobs):
        """Minus the edits for each true label, of a network that is being trained."""
        said = self.say(network, scored.sequences, n_jobs)
        return -self.error_rate(said, scored.values, scored.weight)

    def say(self, network, sequences, n_jobs):
        """The numbers of the labels that the likeliest output of each step says."""
        outputs = network.predict(sequences, n_jobs=n_jobs)
        return best_labels(outputs, network.offsets_said(sequences))

    def search(self, network, sequences, beam_size, n_jobs):
        """For each sequence the likeliest labels that a beam finds, and their logarithms."""
        outputs = network.predict(sequences, n_jobs=n_jobs)
        ends = network.offsets_said(sequences)[1:-1]
        return [search(of_one, beam_size) for of_one in np.split(outputs, ends)]

    def align(self, network, sequences, target, n_jobs):
        """Which label stands at each step, by the likeliest path: an array for each sequence."""
        paths = network.best_paths(sequences, target, n_jobs=n_jobs)
        offsets = network.offsets_said(sequences)
        places = places_of_labels(paths, offsets, len(self.classes))
        return split_steps(places, np.diff(offsets))

    @staticmethod
    def error_rate(said, true, weight):
        """Edits for each true label."""
        n_labels = weight @ true.lengths
        return float(weight @ true.edits_to(said) / n_labels) if n_labels else 0.0

    def decode(self, said):
        """Labels of numbers, an array for each sequence."""
        return split_steps(self.classes[said.labels], said.lengths)

    def score(self, said, y, sample_weight, sequences):
        """Share of the sequences all of whose labels are right; others than the model's are not."""
        labels = _read(y)
        check_same_length(sequences, "y", labels.offsets[1:])
        labels.check_kind(self.classes)
        true = LabelSequences(labels.numbers(self.classes), labels.offsets)
        weight = as_sample_weight(sample_weight, sequences)
        return float(np.average(true.edits_to(said) == 0, weights=weight))

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"classes_": self.classes}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        as_step_labels([fields["classes"]])  # they are all strings, or all whole numbers
        check_none_is_left_out(fields["classes"])
        return cls(**fields)

    @classmethod
    def adopt(cls, head, parameters):
        """Refuse: weights alone do not tell which output is the blank."""
        raise ValueError(
            "RNNSeq2Seq cannot be made of weights alone, which do not tell which output is the "
            "blank: train it here"
        )


def _read(y):
    """The labels of each sequence, of which none may be missing."""
    for n, item in enumerate(y if isinstance(y, list | tuple) else ()):
        if isinstance(item, str):
            raise TypeError(
                f"sequence {n} in y is the text {item!r}, expected a list of labels: list(text) "
                "has its letters, text.split() its words"
            )
    labels = as_step_labels(y)
    if None in labels.values:
        row = labels.values.index(None)
        raise ValueError(
            f"{_place(labels, row)} is missing, or -1: leave it out, for there may be any number"
        )
    return labels


def _place(labels, row):
    n = int(np.searchsorted(labels.offsets, row, side="right")) - 1
    return f"label {row - int(labels.offsets[n])} of sequence {n} in y"
