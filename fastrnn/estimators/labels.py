"""Tasks with labels of sequences: one for each, or any number of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.targets import (
    as_label_sets,
    as_labels,
    as_sample_weight,
    check_same_length,
    find_targets,
    is_multilabel,
    target_names,
)
from fastrnn.estimators.tasks import NAMES, Target, Task, check_target_names
from fastrnn.files.codec import (
    Record,
    Value,
    Whole,
    as_model_file_error,
)
from fastrnn.inputs.containers import show
from fastrnn.inputs.errors import PartitionsDiffer
from fastrnn.inputs.sequences import Sequences
from fastrnn.typing import AnyArray, SampleWeight, TargetsLike


class Labels(Value):
    """Class labels in a file: an array, sorted, no two the same."""

    def read(self, value, place):
        """Return the array."""
        labels = super().read(value, place)
        with as_model_file_error(f"{place}: "):
            is_sorted = isinstance(labels, np.ndarray) and np.array_equal(np.unique(labels), labels)
        if not is_sorted or len(labels) < 2:
            place.refuse(labels, "two or more labels, sorted")
        return labels


@dataclass(frozen=True, eq=False)
class LabelSetTask(Task):
    """Any of K labels for each sequence, each with a probability of its own."""

    n_outputs: int
    names: tuple[str, ...] | None = None

    kind = "label_sets"
    fields = Record({"n_outputs": Whole(2), "names": NAMES})
    head = "binary_log_loss"
    in_partitions = True
    many_labels = True

    @classmethod
    def learn(
        cls, y: TargetsLike, sequences: Sequences, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[Self, Target]:
        """Learn how many labels there are."""
        task = cls(as_label_sets(y).shape[1], target_names(y))
        return task, task.encode(y, sequences, sample_weight, parameters)

    @classmethod
    def look(cls, y, sequences, sample_weight, parameters):
        """How many labels there are, and their names."""
        check_same_length(sequences, "y", as_label_sets(y))
        return as_label_sets(y).shape[1], target_names(y)

    @classmethod
    def join(cls, looks, parameters, reader):
        """Make the task of all partitions."""
        check_alike(looks, "number and names of labels in y of")
        return cls(*looks[0]), None

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Read the labels of each sequence as zeros and ones."""
        _check_kind(is_multilabel(y), True)
        y = as_label_sets(find_targets(y, self.names))
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        self._check_number(y)
        if parameters is not None and parameters.class_weight is not None:
            raise ValueError(
                "class_weight is for one label for each sequence, but y has several: leave it at "
                "None, and give sample_weight"
            )
        dtype = sequences.values.dtype
        groups = np.zeros(len(y), dtype=np.int64)
        return Target(y.astype(dtype), narrow_weight(weight, dtype), weight, groups)

    def decode(self, outputs):
        """1 for each label whose probability is above 0.5, else 0."""
        return (outputs > 0.5).astype(np.int64)

    def score(self, outputs, values, weight):
        """Share of sequences all of whose labels are right."""
        return float(np.average(((outputs > 0.5) == values).all(axis=1), weights=weight))

    def tally_answers(self, outputs, y, sequences, sample_weight):
        """Share of sequences all of whose labels are right, and the weight of all."""
        y = as_label_sets(find_targets(y, self.names))
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        self._check_number(y)
        return self.score(outputs, y, weight), weight.sum()

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"classes_": np.arange(self.n_outputs)}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        check_target_names(fields["names"], fields["n_outputs"])
        return cls(**fields)

    def _check_number(self, y):
        if y.shape[1] != self.n_outputs:
            raise ValueError(f"y has {y.shape[1]} labels, but the model has {self.n_outputs}")


@dataclass(frozen=True, eq=False)
class ClassTask(Task):
    """One of K classes for each sequence."""

    classes: np.ndarray

    kind = "classes"
    fields = Record({"classes": Labels()})
    others = (LabelSetTask,)
    head = "log_loss"
    in_partitions = True
    meanings = ("classes", "multilabel")

    @classmethod
    def learn(
        cls, y: TargetsLike, sequences: Sequences, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[Task, Target]:
        """Learn which classes there are; several columns are sets of labels, another task."""
        if is_multilabel(y):
            return LabelSetTask.learn(y, sequences, sample_weight, parameters)
        labels = as_labels(y)
        check_same_length(sequences, "y", labels)
        task = cls(np.unique(labels))
        return task, task.encode(labels, sequences, sample_weight, parameters)

    @classmethod
    def look(cls, y, sequences, sample_weight, parameters):
        """The classes, and the weight of each; of sets of labels what their task says."""
        if is_multilabel(y):
            return LabelSetTask, LabelSetTask.look(y, sequences, sample_weight, parameters)
        y = as_labels(y)
        check_same_length(sequences, "y", y)
        classes, numbers = np.unique(y, return_inverse=True)
        weight = as_sample_weight(sample_weight, sequences)
        return cls, (classes, np.bincount(numbers, weight))

    @classmethod
    def join(cls, looks, parameters, reader):
        """Make the task of all partitions, and the weights of its classes."""
        kinds, looks = zip(*looks, strict=True)
        check_alike([kind.kind for kind in kinds], "y of")
        if kinds[0] is not cls:
            return kinds[0].join(looks, parameters, reader)
        classes, per_class = join_classes(looks)
        if np.count_nonzero(per_class) < 2:
            seen = classes[per_class > 0].tolist()
            raise ValueError(f"y has one class only, {seen[0]!r}: a classifier needs two or more")
        return cls(classes), class_weights(parameters.class_weight, classes, per_class)

    @classmethod
    def smallest(cls, parameters):
        """A task with one output, of which nothing is known, to count memory with."""
        return cls(np.zeros(1))

    @property
    def n_outputs(self):
        """Number of classes."""
        return len(self.classes)

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Number the labels; unless they are partial, all classes must be among them."""
        _check_kind(is_multilabel(y), False)
        y = as_labels(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        classes, labels = self.classes, np.unique(y)
        if not partial and not np.array_equal(labels, classes):
            raise ValueError(other_classes(classes, labels))
        known = np.isin(y, classes)
        if not known.all():
            n = int(np.argmin(known))
            raise ValueError(
                f"y has the label {show(y[n])} of sequence {n}, which is not among the classes "
                f"of the model, {classes.tolist()}"
            )
        numbers = np.searchsorted(classes, y)
        per_class = np.bincount(numbers, weight, minlength=len(classes))
        if not partial and np.count_nonzero(per_class) < 2:
            seen = classes[per_class > 0].tolist()
            raise ValueError(f"y has one class only, {seen[0]!r}: a classifier needs two or more")
        class_weight = parameters and parameters.class_weight  # of scores there are none
        factors = weigh_classes(class_weight, classes, per_class, numbers)
        in_loss = narrow_weight(weight, sequences.values.dtype, factors)
        return Target(
            values=numbers.astype(np.int64),
            weight=in_loss,
            score_weight=weight * (in_loss > 0),
            groups=numbers,
        )

    def decode(self, outputs):
        """The most probable class of each row of probabilities."""
        return self.classes[outputs.argmax(axis=1)]

    def score(self, outputs, values, weight):
        """Accuracy."""
        return float(np.average(outputs.argmax(axis=1) == values, weights=weight))

    def tally_answers(self, outputs, y, sequences, sample_weight):
        """Accuracy, where an unknown label is one that the model got wrong; the weight of all."""
        y = as_labels(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        return float(np.average(self.decode(outputs) == y, weights=weight)), weight.sum()

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"classes_": self.classes}

    @classmethod
    def adopt(cls, head, parameters, classes=None, multilabel=False):
        """Make a task of a head; a single output is the log-odds of the second of two classes."""
        n_outputs = len(head["b"])
        if not multilabel:
            classes, head = adopt_classes(classes, head, "classifier")
            return cls(classes), head
        if n_outputs < 2:
            raise ValueError(
                "multilabel=True needs several outputs, but there is one; without it that is the "
                "log-odds of the second of two classes"
            )
        if classes is not None:
            raise ValueError("classes has no meaning with multilabel=True: columns have numbers")
        return LabelSetTask(n_outputs), head


def read_classes(classes: Any, task: Task | None, kind: str) -> AnyArray:
    """Read the argument `classes` of `partial_fit`; `task` is that of the model, or None.

    Returns the classes, sorted. The first call must give two or more, a later one no others.
    """
    if task is not None:
        fitted = task.attributes()["classes_"]
        if classes is not None and not np.array_equal(np.unique(classes), fitted):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} is not the same as on last call to "
                f"partial_fit, was: {fitted.tolist()}"
            )
        return fitted
    if classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    classes = np.unique(as_labels(classes))
    if len(classes) < 2:
        raise ValueError(
            f"classes={classes.tolist()} is one class only: a {kind} needs two or more"
        )
    return classes


def refuse_balanced(class_weight: str | Mapping[Any, float] | None) -> None:
    """Refuse the weights that `partial_fit` cannot know."""
    if isinstance(class_weight, str):
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which does not see all "
            "of y: give a dict of weights, or sample_weight"
        )


def weigh_classes(class_weight, classes, per_class, numbers):
    """Weight in the loss of the class of each target; None if all weigh the same.

    `per_class` is the total sample weight of each class, `numbers` are the classes of the targets.
    """
    if class_weight is None:
        return None
    return _factors(class_weight, classes, per_class)[numbers]


def class_weights(class_weight, classes, per_class):
    """The same of each class by its label, as `class_weight` may be given."""
    if class_weight is None:
        return None
    factors = _factors(class_weight, classes, per_class)
    return dict(zip(classes.tolist(), factors.tolist(), strict=True))


def _factors(class_weight, classes, per_class):
    weights = np.ones(len(classes))
    if isinstance(class_weight, str):  # "balanced"
        with np.errstate(over="ignore"):  # what does not fit is found with the sample weights
            np.divide(per_class.sum(), len(classes) * per_class, out=weights, where=per_class > 0)
    else:
        for label, weight in class_weight.items():
            if not np.any(classes == label):
                raise ValueError(
                    f"class_weight has the label {label!r}, but y has {classes.tolist()}"
                )
            weights[classes == label] = weight
    return weights


def join_classes(looks):
    """The classes of several partitions, each with its classes and their weights, with theirs."""
    of_partitions, weights = zip(*looks, strict=True)
    kinds = ["strings" if classes.dtype.kind in "US" else "numbers" for classes in of_partitions]
    check_alike(kinds, "the labels in y of")
    classes = np.unique(np.concatenate(of_partitions))
    per_class = np.zeros(len(classes))
    for own, weight in zip(of_partitions, weights, strict=True):
        per_class[np.searchsorted(classes, own)] += weight
    return classes, per_class


def check_alike(values, what):
    """Check that the same holds for all partitions."""
    for k, value in enumerate(values):
        if value != values[0]:
            raise PartitionsDiffer(k, f"{what} ", f": {value}, ", f": {values[0]}")


def adopt_classes(classes, head, kind):
    """Sort the classes of a head, and its outputs with them.

    `classes` has the label of each output; None stands for whole numbers from 0. Of a single
    output, the log-odds of the second of two classes, the first becomes 0.
    """
    if len(head["b"]) == 1:
        head = {name: np.concatenate([0 * array, array], axis=-1) for name, array in head.items()}
    n_outputs = len(head["b"])
    classes = np.arange(n_outputs) if classes is None else as_labels(classes)
    if len(classes) != n_outputs or len(np.unique(classes)) != n_outputs:
        raise ValueError(
            f"classes={classes.tolist()} must be {n_outputs} different labels, one for each output "
            f"of the {kind}"
        )
    order = np.argsort(classes, kind="stable")
    return classes[order], {name: array[..., order] for name, array in head.items()}


def check_none_is_left_out(classes: AnyArray) -> None:
    """Refuse a class that marks steps to be left out."""
    if -1 in classes.tolist():
        raise ValueError("classes has the label -1, which marks steps to be left out")


def _check_kind(several, wanted):
    if several != wanted:
        kinds = ["one label", "several labels"]
        raise ValueError(
            f"y has {kinds[several]} for each sequence, but the model was fitted with "
            f"{kinds[wanted]}"
        )


def other_classes(fitted, seen):
    """Say that training goes on with other classes."""
    return (
        f"warm_start=True goes on from the fitted model, which has classes {fitted.tolist()}, but "
        f"y has {seen.tolist()}"
    )
