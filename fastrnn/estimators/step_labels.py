"""The task of a tagger: a label for each step of a sequence."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.estimators.labels import (
    Labels,
    adopt_classes,
    check_none_is_left_out,
    class_weights,
    join_classes,
    other_classes,
    weigh_classes,
)
from fastrnn.estimators.parameters import in_effect
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.tag_schemes import SCHEMES, are_possible, check_tags
from fastrnn.estimators.tasks import Target, Task
from fastrnn.files.codec import Added, Optional, Record, Text
from fastrnn.inputs.errors import NothingCounts
from fastrnn.inputs.sequences import Sequences
from fastrnn.inputs.steps import IGNORED, UNKNOWN, as_step_labels, as_step_weight
from fastrnn.typing import AnyArray, SampleWeight, TargetsLike

_OUTPUTS = {"softmax": "log_loss", "crf": "crf"}


@dataclass(frozen=True, eq=False)
class StepClassTask(Task):
    """One of K classes for each step of a sequence."""

    classes: np.ndarray
    output: str = "softmax"
    constraints: str | None = None

    kind = "step_classes"
    fields = Record(
        {
            "classes": Labels(),
            "output": Added(Text(tuple(_OUTPUTS)), "softmax"),
            "constraints": Added(Optional(Text(tuple(SCHEMES))), None),
        }
    )
    every_step = True
    in_partitions = True
    meanings = ("classes",)

    @classmethod
    def of(cls, classes: AnyArray, parameters: Any) -> Self:
        """Make a task of classes and of the parameters of an estimator."""
        return cls(classes, **_output_of(parameters))

    @classmethod
    def learn(
        cls, y: TargetsLike, sequences: Sequences, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[Self, Target]:
        """Learn which classes there are."""
        task = cls.of(_labels_of(y, sequences).classes(), parameters)
        return task, task.encode(y, sequences, sample_weight, parameters)

    @classmethod
    def look(cls, y, sequences, sample_weight, parameters):
        """The classes, and the weight of each."""
        labels = _labels_of(y, sequences)
        classes = labels.classes()
        numbers, weight = labels.numbers(classes), _weight_of(sample_weight, sequences)
        counts = numbers != IGNORED
        _check_not_all_left_out(weight[counts])
        return classes, np.bincount(numbers[counts], weight[counts], minlength=len(classes))

    @classmethod
    def join(cls, looks, parameters, reader):
        """Make the task of all partitions, and the weights of its classes."""
        classes, per_class = join_classes(looks)
        _check_two(classes, per_class)
        return cls.of(classes, parameters), class_weights(
            parameters.class_weight, classes, per_class
        )

    @property
    def head(self):
        """What goes with the output."""
        return _OUTPUTS[self.output]

    @property
    def head_options(self):
        """Which class may follow which."""
        if self.constraints is None:
            return {}
        may = SCHEMES[self.constraints].may_follow(self.classes).astype(int)
        return {"allowed": " ".join("".join(map(str, row)) for row in may.tolist())}

    @classmethod
    def smallest(cls, parameters):
        """A task with one output, of which nothing is known, to count memory with."""
        return cls(np.zeros(1), in_effect(parameters, "output"))

    @property
    def n_outputs(self):
        """Number of classes."""
        return len(self.classes)

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Number the labels; unless they are partial, all classes must be among them."""
        labels = _labels_of(y, sequences)
        if parameters is not None:
            self._check_goes_on(parameters, "partial_fit" if partial else "warm_start=True")
        classes, dtype = self.classes, sequences.values.dtype
        weight = _weight_of(sample_weight, sequences)
        seen = labels.classes()
        if not partial and not np.array_equal(seen, classes):
            raise ValueError(other_classes(classes, seen))
        numbers = labels.numbers(classes)
        if (numbers == UNKNOWN).any():
            row = int(np.argmax(numbers == UNKNOWN))
            raise ValueError(
                f"{labels.place(row)}: y has the label {labels.values[row]!r}, which is not among "
                f"the classes of the model, {classes.tolist()}"
            )
        left_out = numbers == IGNORED
        weight = np.where(left_out, 0.0, weight)
        _check_not_all_left_out(weight)
        if self.output == "crf":
            self._check_sequences(numbers, weight, labels)
        numbers[left_out] = 0
        per_class = np.bincount(numbers, weight, minlength=len(classes))
        if not partial:
            _check_two(classes, per_class)
        class_weight = parameters and parameters.class_weight  # of scores there are none
        factors = weigh_classes(class_weight, classes, per_class, numbers)
        in_loss = narrow_weight(weight, dtype, factors, labels.place)
        return Target(
            values=numbers,
            weight=in_loss,
            score_weight=weight * (in_loss > 0),
            groups=np.zeros(len(sequences), dtype=np.int64),
            offsets=sequences.offsets,
        )

    @classmethod
    def weigh_steps(cls, sample_weight, sequences):
        """Weights of the steps of sequences; None if all alike."""
        return None if sample_weight is None else _weight_of(sample_weight, sequences)

    def _check_goes_on(self, parameters, what):
        """Check that the output is still the same, and that classes have no weights in a CRF."""
        for name, wanted in _output_of(parameters).items():
            own = getattr(self, name)
            if own != wanted:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has {name}={own!r}, not "
                    f"{wanted!r}"
                )
        if self.output == "crf" and parameters.class_weight is not None:
            raise ValueError(
                "class_weight is for output='softmax': a CRF gives a probability to the labels of "
                "a whole sequence, which has one weight; leave it at None"
            )

    def _check_sequences(self, numbers, weight, labels):
        """Check what a CRF asks of the labels of a sequence, and of the weights of its steps."""
        offsets, counts = labels.offsets[:-1], weight > 0
        most = np.maximum.reduceat(weight, offsets)
        least = np.minimum.reduceat(np.where(counts, weight, np.inf), offsets)
        if (least < most).any():
            n = int((least < most).argmax())
            raise ValueError(
                f"sequence {n}: sample_weight has {least[n]:g} and {most[n]:g} for steps of one "
                "sequence; with output='crf' each sequence has one weight, and steps with 0 may "
                "have any label"
            )
        if self.constraints is not None:
            may = SCHEMES[self.constraints].may_follow(self.classes)
            check_tags(may, np.where(counts, numbers, IGNORED), labels, self.classes)

    def validate(self, network, scored, parameters):
        """Score a network that is being trained."""
        best = network.best_outputs(scored.sequences, n_jobs=parameters.n_jobs)
        return self.score(best, scored.values, scored.weight)

    def decode(self, best):
        """The class of the best output of each step."""
        return self.classes[best]

    def score(self, best, values, weight):
        """Token accuracy."""
        return float(np.average(best == values, weights=weight))

    def log_likelihoods(self, network, y, sequences, n_jobs):
        """The logarithm of the probability of the labels of each sequence, (n,).

        It is minus infinity where there are labels that are not among the classes, or where they
        may not follow each other.
        """
        labels = _labels_of(y, sequences)
        labels.check_kind(self.classes)
        numbers, starts = labels.numbers(self.classes), sequences.offsets[:-1]
        possible = ~np.logical_or.reduceat(numbers == UNKNOWN, starts)
        if self.constraints is not None:
            may = SCHEMES[self.constraints].may_follow(self.classes)
            for n in np.flatnonzero(possible):
                rows = slice(*sequences.offsets[n : n + 2])
                possible[n] = are_possible(may, numbers[rows])
        numbers[~np.repeat(possible, sequences.lengths)] = IGNORED
        steps = network.log_likelihoods(sequences, numbers, n_jobs=n_jobs)
        return np.where(possible, np.add.reduceat(steps, starts), -np.inf)

    def tally_answers(self, best, y, sequences, sample_weight):
        """Token accuracy, where an unknown label is one that the model got wrong; all weights."""
        labels = _labels_of(y, sequences)
        labels.check_kind(self.classes)
        weight = _weight_of(sample_weight, sequences)
        numbers = labels.numbers(self.classes)
        weight[numbers == IGNORED] = 0.0
        _check_not_all_left_out(weight)
        return self.score(best, numbers, weight), weight.sum()

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"classes_": self.classes}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        as_step_labels([fields["classes"]])  # they are all strings, or all whole numbers
        check_none_is_left_out(fields["classes"])
        if fields["constraints"] is not None and fields["output"] != "crf":
            raise ValueError("constraints are for output='crf'")
        return cls(**fields)

    @classmethod
    def adopt(cls, head, parameters, classes=None):
        """Make a task of a head; a single output is the log-odds of the second of two classes."""
        if parameters.output == "crf":
            raise ValueError(
                "output='crf' is not for weights from elsewhere, which say nothing of how classes "
                "follow each other"
            )
        classes, head = adopt_classes(classes, head, "tagger")
        check_none_is_left_out(classes)
        return cls(classes), head


def _output_of(parameters):
    """What the parameters of a tagger say of its output."""
    return {name: in_effect(parameters, name) for name in ("output", "constraints")}


def _labels_of(y, sequences):
    """The labels of the steps of sequences."""
    return as_step_labels(y, sequences.lengths, padded_lengths=sequences.padded_lengths)


def _weight_of(sample_weight, sequences):
    """The weights of the steps of sequences."""
    dtype, padded_lengths = sequences.values.dtype, sequences.padded_lengths
    return as_step_weight(sample_weight, sequences.lengths, dtype, padded_lengths)


def _check_two(classes, per_class):
    if np.count_nonzero(per_class) < 2:
        only = classes[per_class > 0].tolist()[0]
        raise ValueError(
            f"y has one class only, {only!r}: a tagger needs two or more (what is "
            "missing, and -1 among whole numbers, marks steps to be left out)"
        )


def _check_not_all_left_out(weight):
    if not weight.any():
        raise NothingCounts("y has no step that counts: every label is left out or has weight 0")
