"""The task of saying a sequence of labels, of any length, of each sequence."""

import math
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np

from fastrnn.estimators.labels import Labels, check_none_is_left_out
from fastrnn.estimators.long_sequences import front_of
from fastrnn.estimators.parameters import embedding_sizes, in_effect
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.target_texts import (
    TARGET_TEXTS,
    UNKNOWN_HINT,
    TargetTexts,
    check_same_texts,
    place_of,
    read_labels,
)
from fastrnn.estimators.targets import as_sample_weight, check_same_length
from fastrnn.estimators.tasks import Scored, Target, Task, hold_out
from fastrnn.files.codec import Added, Optional, Record, Whole
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.sequences import Sequences
from fastrnn.inputs.steps import UNKNOWN, StepLabels, as_step_labels, split_steps
from fastrnn.network.architecture import Architecture
from fastrnn.network.ctc import best_labels, places_of_labels, search, steps_needed
from fastrnn.network.encoder_decoder import EncoderDecoder, Layers
from fastrnn.network.pair_network import EncoderDecoderNetwork
from fastrnn.typing import AnyArray, SampleWeight, TargetsLike

_SHOWN = 30
"""Labels, at most, that a message lists."""

_LABELS = {"classes": Labels(), "texts": Added(Optional(TARGET_TEXTS), None)}


@dataclass(frozen=True, eq=False)
class LabelsTask(Task):
    """Labels of a sequence, any number of them, and how they are found; each kind says that.

    ``alignment`` is its word in the parameters. `say` gives `LabelSequences` for sequences, and
    `search` for each the likeliest labels of several with their logarithms.
    """

    classes: np.ndarray
    texts: TargetTexts | None = field(default=None, kw_only=True)

    alignment: ClassVar[str]
    every_step = True

    @classmethod
    def of(cls, classes: AnyArray, labels: StepLabels, texts: TargetTexts | None) -> Self:
        """The task of these labels, among whose first targets there are `labels`."""
        return cls(classes, texts=texts)

    @property
    def n_outputs(self):
        """Number of labels, and one that is none: the blank, or the end."""
        return len(self.classes) + 1

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Number the labels; unless they are partial, all of the model must be among them."""
        if parameters is not None:
            what = "partial_fit" if partial else "warm_start=True"
            if parameters.alignment != self.alignment:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has "
                    f"alignment={self.alignment!r}, not {parameters.alignment!r}"
                )
            check_same_texts(self.texts, TargetTexts.of(y, parameters), what)
        labels = self.read(y)
        if not partial and self.texts is None:
            seen = labels.classes()
            if not np.array_equal(seen, self.classes):
                raise ValueError(
                    f"warm_start=True goes on from the fitted model, which has the labels "
                    f"{self.classes.tolist()}, but y has {seen.tolist()}"
                )
        return self._encode(labels, sequences, sample_weight, parameters)

    def _encode(self, labels, sequences, sample_weight, parameters=None):
        check_same_length(sequences, "y", labels.offsets[1:])
        if len(self.classes) < 2:
            raise ValueError(
                f"y has the labels {self.classes.tolist()}, expected two or more different ones"
            )
        numbers = labels.numbers(self.classes)
        if (numbers < 0).any():
            row = int(np.argmax(numbers < 0))
            known = self.classes.tolist()
            shown = known if len(known) <= _SHOWN else f"{known[:_SHOWN]} and others"
            hint = "" if self.texts is None else UNKNOWN_HINT
            raise ValueError(
                f"{place_of(labels, row)} is {labels.values[row]!r}, which is not among those of "
                f"the model, {shown}{hint}"
            )
        target = LabelSequences(numbers, labels.offsets)
        if parameters is not None:
            front = front_of(parameters, self, sequences.lengths)
            stride = math.prod([front["stride"], *(one[2] for one in front["conv"])])
            self.check_lengths(target, sequences, stride)
        return self._weighed(target, sequences, sample_weight)

    def encode_to_score(self, y, sequences, sample_weight):
        """Number labels that predictions are compared with: others than the model's are wrong."""
        return self._weighed(self._number(y, sequences), sequences, sample_weight)

    def _weighed(self, target, sequences, sample_weight):
        weight = as_sample_weight(sample_weight, sequences)
        in_loss = narrow_weight(weight, sequences.values.dtype)
        groups = np.zeros(len(sequences), dtype=np.int64)
        return Target(target, in_loss, weight * (in_loss > 0), groups)

    def check_lengths(self, target, sequences, stride):
        """Check that there are steps enough, of which so many are read as one."""

    def arrays(self, values):
        """Labels, and where those of each sequence begin."""
        return [values.labels, values.offsets]

    def hold_out(self, sequences, target, fraction, rng):
        """Split off what early stopping scores: return what is left, and that."""
        held_out = hold_out(target, fraction, rng)
        weight = target.score_weight[held_out]
        scored = Scored(sequences.take(held_out), target.values.take(held_out), weight)
        return target.without(held_out), scored

    def validate(self, network, scored, parameters):
        """Minus the edits for each true label, of a network that is being trained."""
        said = self.say(network, scored.sequences, parameters)
        return -self.error_rate(said, scored.values, scored.weight)

    def predict(self, network, sequences, parameters):
        """The numbers of the labels that are predicted, by a beam if that is asked for."""
        if parameters.beam_size == 1:
            return self.say(network, sequences, parameters)
        found = self.search(network, sequences, parameters.beam_size, parameters)
        return LabelSequences.from_lists([of_one[0][0] for of_one in found])

    def error_rate(self, said, true, weight):
        """Edits for each true label."""
        n_labels = weight @ true.lengths
        return float(weight @ self._edits(said, true) / n_labels) if n_labels else 0.0

    def _edits(self, said, true):
        """Edits that make what is true of what is said: who says "unknown" is never right."""
        if self.texts is not None:
            is_unknown = np.isin(true.labels, np.flatnonzero(self.classes == self.texts.unknown))
            true = replace(true, labels=np.where(is_unknown, UNKNOWN, true.labels))
        return true.edits_to(said)

    def decode(self, said):
        """Labels of numbers, an array for each sequence, or a text."""
        labels = split_steps(self.classes[said.labels], said.lengths)
        if self.texts is not None and self.texts.joins:
            labels[:] = [self.texts.between.join(of_one.tolist()) for of_one in labels]
        return labels

    def score(self, said, y, sample_weight, sequences):
        """Share of the sequences all of whose labels are right; others than the model's are not."""
        true = self._number(y, sequences)
        weight = as_sample_weight(sample_weight, sequences)
        return float(np.average(self._edits(said, true) == 0, weights=weight))

    def edit_error_rate(self, said, y, sample_weight, sequences):
        """Edits for each true label, of which there must be one."""
        true = self._number(y, sequences)
        weight = as_sample_weight(sample_weight, sequences)
        if not weight @ true.lengths:
            raise ValueError("y has no label to compare, or all have weight 0")
        return self.error_rate(said, true, weight)

    def score_samples(self, network, sequences, y, n_jobs):
        """Logarithm of the probability of the labels of each sequence; of others there is none."""
        target = self._number(y, sequences)
        is_known = target.labels >= 0
        known = LabelSequences(np.where(is_known, target.labels, 0), target.offsets)
        values = self.log_likelihoods(network, sequences, known, n_jobs)
        values[np.repeat(np.arange(len(target)), target.lengths)[~is_known]] = -np.inf
        return values

    def _number(self, y, sequences):
        """Labels to score, as numbers: below 0 where the model has none."""
        labels = self.read(y)
        check_same_length(sequences, "y", labels.offsets[1:])
        labels.check_kind(self.classes)
        return LabelSequences(labels.numbers(self.classes), labels.offsets)

    def read(self, y: TargetsLike) -> StepLabels:
        """Read targets like those of `fit`."""
        if self.texts is None:
            return read_labels(y)
        return self.texts.keep_known(self.texts.read(y), self.classes)

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"classes_": self.classes}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        as_step_labels([fields["classes"]])  # they are all strings, or all whole numbers
        check_none_is_left_out(fields["classes"])
        if fields["texts"] is not None and fields["classes"].dtype.kind != "U":
            raise ValueError("labels that are cut from texts must be strings")
        return cls(**fields)

    @classmethod
    def adopt(cls, head, parameters):
        """Refuse: weights alone do not tell what they stand for."""
        raise ValueError(
            "RNNSeq2Seq cannot be made of weights alone, which do not tell which output is the "
            "blank, or the end: train it here"
        )


@dataclass(frozen=True, eq=False)
class AttentionTask(LabelsTask):
    """Labels that a decoder tells, one after the other, paying attention to all steps.

    `longest` is the largest number of labels of a sequence in the first call of `fit`.
    """

    longest: int

    kind = "told_labels"
    fields = Record({**_LABELS, "longest": Whole()})
    alignment = "attention"
    head = "log_loss"
    network_class = EncoderDecoderNetwork
    regularizers = (*Task.regularizers, "label_smoothing", "scheduled_sampling")
    to_try = "another cell, attention='additive' or input_feeding=True"
    keeps_outputs = False

    @classmethod
    def of(cls, classes: AnyArray, labels: StepLabels, texts: TargetTexts | None) -> Self:
        """The task of these labels, among whose first targets there are `labels`."""
        return cls(classes, int(np.diff(labels.offsets).max(initial=0)), texts=texts)

    def told(self, lengths, target=None):
        """How many labels are told of each sequence; of unknown ones as many as it has steps."""
        return lengths if target is None else target.values.lengths

    def beam_size(self, parameters):
        """How many hypotheses are followed."""
        return parameters.beam_size

    def make_architecture(self, parameters, parts):
        """An encoder of these parts, and a decoder."""
        of_head = ("head", "head_options", "n_outputs", "tied")
        encoder = Layers(**{name: parts[name] for name in parts if name not in of_head})
        sizes = encoder.hidden_layer_sizes
        attention = in_effect(parameters, "attention")
        if parameters.decoder_layer_sizes is not None:
            sizes = parameters.decoder_layer_sizes
            sizes = tuple(map(int, [sizes] if isinstance(sizes, Integral) else sizes))
        elif attention == "dot":
            sizes = (*sizes[:-1], encoder.width)
        size, feeds = sizes[-1], in_effect(parameters, "input_feeding")
        tied = in_effect(parameters, "tie_weights")
        width = size if tied else in_effect(parameters, "label_embedding_dim")
        decoder = Architecture(
            n_features=size if feeds else 0,
            embeddings=embedding_sizes(width, (self.n_outputs,)),
            tied=tied,
            cell=parts["cell"],
            cell_options=parts["cell_options"],
            hidden_layer_sizes=sizes,
            pooling="steps",
            n_outputs=self.n_outputs,
            dtype=parts["dtype"],
            precision=parts["precision"],
        )
        return EncoderDecoder(
            encoder=encoder, decoder=decoder, attention=attention, input_feeding=feeds
        )

    def check_architecture(self, architecture):
        """Check that a network that reads every column says what is asked for."""
        if architecture.source is architecture:
            raise ValueError(f"a network without a decoder is not for {self.kind!r}")
        if architecture.n_labels != len(self.classes):
            raise ValueError(
                f"the network has {architecture.n_labels} labels, but there are {len(self.classes)}"
            )

    def say(self, network, sequences, parameters):
        """The numbers of the labels that are likeliest one after the other."""
        found = self.search(network, sequences, 1, parameters)
        return LabelSequences.from_lists([of_one[0][0] for of_one in found])

    def search(self, network, sequences, beam_size, parameters):
        """For each sequence the best labels that a beam finds, and their logarithms."""
        max_length = in_effect(parameters, "max_length")
        return network.search(
            sequences,
            max_length=2 * self.longest + 1 if max_length is None else max_length,
            beam_size=beam_size,
            length_normalization=in_effect(parameters, "length_normalization"),
            n_best=beam_size,
            n_jobs=parameters.n_jobs,
        )

    def log_likelihoods(self, network, sequences, target, n_jobs):
        """Logarithm of the probability of each target, its end among it."""
        return network.log_likelihoods(sequences, target, n_jobs=n_jobs)


@dataclass(frozen=True, eq=False)
class LabelSequenceTask(LabelsTask):
    """Labels in the order in which they occur, at steps that nobody knows; blanks in between."""

    kind = "label_sequences"
    fields = Record(_LABELS)
    others = (AttentionTask,)
    alignment = "ctc"
    head = "ctc"
    to_try = (
        "another cell or bidirectional=True, or alignment='attention' where labels come in another "
        "order than what they stand for"
    )

    @classmethod
    def kind_for(cls, parameters: Any) -> type[LabelsTask]:
        """The class of tasks that an alignment asks for."""
        return next(one for one in (cls, *cls.others) if one.alignment == parameters.alignment)

    @classmethod
    def learn(
        cls, y: TargetsLike, sequences: Sequences, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[LabelsTask, Target]:
        """Learn which labels there are."""
        task, labels = cls.begin(y, parameters)
        return task, task._encode(labels, sequences, sample_weight, parameters)

    @classmethod
    def begin(
        cls, y: TargetsLike, parameters: Any, classes: AnyArray | None = None
    ) -> tuple[LabelsTask, StepLabels]:
        """Make a task of the first targets, of all their labels or of `classes`; read them, too."""
        texts = TargetTexts.of(y, parameters)
        labels = read_labels(y) if texts is None else texts.read(y)
        if classes is None:
            classes = labels.classes() if texts is None else texts.choose(labels)
        if texts is not None:
            labels = texts.keep_known(labels, classes)
        return cls.kind_for(parameters).of(classes, labels, texts), labels

    @classmethod
    def smallest(cls, parameters):
        """A task of one label, of which nothing is known, to count memory with."""
        return cls.kind_for(parameters).of(np.zeros(1), LabelSequences.from_lists([]), None)

    def check_lengths(self, target, sequences, stride):
        """Check that there are steps enough for the labels of each sequence."""
        steps, needed = -(-sequences.lengths // stride), steps_needed(target)
        wrong = np.flatnonzero(needed > steps)
        if wrong.size:
            n = wrong[0]
            read = "" if stride == 1 else f", which are read as {steps[n]},"
            raise ValueError(
                f"sequence {n} has {sequences.lengths[n]} steps{read} for {target.lengths[n]} "
                f"labels, expected {needed[n]} or more: each label needs a step, and so does a "
                "blank between two that are the same"
            )

    def say(self, network, sequences, parameters):
        """The numbers of the labels that the likeliest output of each step says."""
        outputs = network.predict(sequences, n_jobs=parameters.n_jobs)
        return best_labels(outputs, network.offsets_said(sequences))

    def search(self, network, sequences, beam_size, parameters):
        """For each sequence the likeliest labels that a beam finds, and their logarithms."""
        outputs = network.predict(sequences, n_jobs=parameters.n_jobs)
        ends = network.offsets_said(sequences)[1:-1]
        return [search(of_one, beam_size) for of_one in np.split(outputs, ends)]

    def answer(self):
        """What the outputs of a stream's steps stand for, but the last."""
        return {"labels": self.classes}

    def align(self, network, sequences, target, n_jobs):
        """Which label stands at each step, by the likeliest path: an array for each sequence."""
        paths = network.best_paths(sequences, target, n_jobs=n_jobs)
        offsets = network.offsets_said(sequences)
        places = places_of_labels(paths, offsets, len(self.classes))
        return split_steps(places, np.diff(offsets))

    def log_likelihoods(self, network, sequences, target, n_jobs):
        """Logarithm of the probability of each target."""
        return network.label_log_likelihoods(sequences, target, n_jobs=n_jobs)
