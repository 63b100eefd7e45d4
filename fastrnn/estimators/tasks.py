"""Tasks: how targets become numbers for a network, and its outputs answers.

A task is learned in `fit` and never changed. It chooses the head of the network, and knows how the
outputs are decoded and scored; files, streams and exchange ask it as `predict` does.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastrnn.estimators.targets import as_sample_weight
from fastrnn.files.codec import ListOf, Optional, Record, Text
from fastrnn.network.architecture import Architecture
from fastrnn.network.network import Network
from fastrnn.training.unlearned import ANOTHER_MODEL

NAMES = Optional(ListOf(Text(), tuple))
"""Names of several targets in files."""


@dataclass(frozen=True)
class Target:
    """What a network is trained towards, for each sequence or, with offsets, for each step.

    `values` are class numbers int64, or rows of numbers of the network's dtype. `weight` counts in
    the loss and has that dtype; `score_weight`, float64, counts in scores: it has no weights of
    classes. The same share of each of the `groups` of sequences is held out. With `offsets` the
    targets of sequence i stand in rows ``offsets[i]`` up to ``offsets[i + 1]``.
    """

    values: np.ndarray
    weight: np.ndarray
    score_weight: np.ndarray
    groups: np.ndarray
    offsets: np.ndarray | None = None

    def rows(self, sequences):
        """Where the targets of some sequences stand, one after the other."""
        if self.offsets is None:
            return sequences
        return np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in sequences])

    def of_sequences(self, weight):
        """One of the weights for each sequence, (n,): with offsets the sum over its steps."""
        return weight if self.offsets is None else np.add.reduceat(weight, self.offsets[:-1])

    def has_weight(self):
        """Whether each sequence, or any of its steps, has a weight above zero."""
        positive = self.weight > 0
        if self.offsets is None:
            return positive
        return np.logical_or.reduceat(positive, self.offsets[:-1])

    def without(self, sequences):
        """The same, but some sequences count for nothing in the loss."""
        weight = self.weight.copy()
        weight[self.rows(sequences)] = 0.0
        return replace(self, weight=weight)


@dataclass(frozen=True, eq=False)
class Scored:
    """Sequences that a model is scored on while it is trained."""

    sequences: Any
    values: np.ndarray
    weight: np.ndarray


class Task:
    """What all tasks share; each says the rest.

    - ``head``, ``head_options``, ``n_outputs``: what the network's head is; ``every_step``: whether
      it reads every step.
    - ``learn(y, sequences, sample_weight, parameters)`` makes a task and the target of `fit`,
      ``encode(y, sequences, sample_weight, parameters, partial)`` that of a later call: without
      parameters, which may weigh classes, one for scores; a partial one need not have all classes.
    - ``score(outputs, values, weight)`` is what early stopping looks at, and
      ``tally_answers(outputs, y, sequences, sample_weight)`` has a score and its weight.
    - ``look(y, sequences, sample_weight, parameters)`` is what ``join(looks, parameters, reader)``
      needs to know of one of several partitions to make the task of them all; it also returns
      weights of classes, None without.
    - ``attributes()`` are set on the estimator.
    - ``kind`` is its word in files, and ``fields`` the `Record` of what stands there;
      ``from_record(fields, reader)`` makes a task of them, and
      ``adopt(head, parameters, **meaning)`` one of a head from elsewhere. ``others`` are tasks that
      ``learn`` may choose instead.
    - ``smallest(parameters)`` makes one with a single output, to count memory before `y` is known.
    """

    kind: ClassVar[str]
    fields: ClassVar[Record] = Record({})
    others: ClassVar[tuple[type, ...]] = ()
    every_step = False
    in_partitions = False  # whether it has `look` and `join`, and its reader
    network_class: ClassVar[type] = Network
    regularizers: ClassVar[tuple[str, ...]] = ("dropout", "recurrent_dropout")  # of the network
    many_labels = False  # whether an answer is any number of labels
    may_stay_constant = False  # whether outputs that are the same everywhere may be the best
    to_try = ANOTHER_MODEL  # where nothing was learned
    keeps_outputs = True  # all at once, to score them
    scores_loss = False  # early stopping looks at minus the loss, instead of `score`
    head_options: ClassVar[dict] = {}
    meanings: ClassVar[tuple] = ()  # arguments of adopt that say what outputs mean

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        return cls(**fields)

    @classmethod
    def weigh_steps(cls, sample_weight, sequences):
        """Weights of the steps of sequences, as far as these count in `fit`; None if all alike."""
        if sample_weight is None:
            return None
        return np.repeat(as_sample_weight(sample_weight, sequences), sequences.lengths)

    def encode_to_score(self, y, sequences, sample_weight):
        """The target of what a model is scored on while it is trained."""
        return self.encode(y, sequences, sample_weight, partial=True)

    def arrays(self, values):
        """The arrays that targets are made of."""
        return [values]

    def hold_out(self, sequences, target, fraction, rng):
        """Split off what early stopping scores: return what is left, and that."""
        held_out = hold_out(target, fraction, rng)
        rows = target.rows(held_out)
        scored = Scored(sequences.take(held_out), target.values[rows], target.score_weight[rows])
        return target.without(held_out), scored

    def validate(self, network, scored, parameters):
        """Score a network that is being trained."""
        n_jobs = parameters.n_jobs
        if self.scores_loss:
            weight = scored.weight.astype(network.dtype)
            return -network.mean_loss(scored.sequences, scored.values, weight, n_jobs=n_jobs)
        outputs = network.predict(scored.sequences, n_jobs=n_jobs)
        return self.score(outputs, scored.values, scored.weight)

    def tally(self, network, scored, parameters):
        """What `join_scores` needs to know of one of several partitions that are scored."""
        return self.validate(network, scored, parameters), float(scored.weight.sum())

    def join_scores(self, tallies):
        """What `validate` would give for all partitions."""
        return _mean(tallies)

    def score_answers(self, outputs, y, sequences, sample_weight):
        """The score of what a fitted network says, a mean over sequences or steps."""
        return self.tally_answers(outputs, y, sequences, sample_weight)[0]

    def join_answers(self, tallies):
        """What `score_answers` would give for all partitions, of what `tally_answers` says."""
        return _mean(tallies)

    def split_lengths(self, sequences, fraction):
        """Lengths of what `hold_out` would leave and split off, and the bytes of what it copies."""
        lengths = sequences.lengths
        n_held_out = min(math.ceil(fraction * len(lengths)), len(lengths) - 1)
        held_out, rest = np.split(lengths, [n_held_out])
        return rest, held_out, int(held_out.sum()) * sequences.nbytes // len(sequences.values)

    def window(self, bptt_steps):
        """How many steps of all sequences make a minibatch; None if whole sequences do."""
        return None

    def unit(self, output):
        """What one in an output of the network is in what is predicted."""
        return 1.0

    def make_architecture(self, parameters, parts):
        """The network that is asked for, of the parts that `Architecture` has."""
        return Architecture(**parts)

    def beam_size(self, parameters):
        """How many hypotheses a decoder follows, if there is one."""
        return 1

    def told(self, lengths, target=None):
        """How many labels are told of each sequence, where a decoder tells them; else None.

        Sequences have these lengths; of a target that is not known the longest that is likely.
        """
        return None

    def check_architecture(self, architecture):
        """Check that a network that reads every column says what is asked for."""
        wanted = {"head": self.head, "head_options": self.head_options, "n_outputs": self.n_outputs}
        if not isinstance(architecture, Architecture):
            raise ValueError(f"a network with a decoder is not for {self.kind!r}")
        if architecture.every_step != self.every_step:
            raise ValueError(f"pooling={architecture.pooling!r} is not for {self.kind!r}")
        difference = architecture.difference(replace(architecture, **wanted))
        if difference:
            raise ValueError(f"the network has {difference}")

    def answer(self):
        """How a stream answers, as arguments of `fastrnn.streams.snapshot.Snapshot`."""
        return {}


def _mean(tallies):
    """The mean of scores, each with its weight."""
    scores, weights = zip(*tallies, strict=True)
    return scores[0] if len(scores) == 1 else float(np.average(scores, weights=weights))


def check_target_names(names, n_outputs):
    """Check that there are no names, or a different one for each output."""
    if names is not None and (len(names) != n_outputs or len(set(names)) != n_outputs):
        raise ValueError("names must be different, one for each output")


def hold_out(target, fraction, rng):
    """Choose the sequences that early stopping scores, the same share of every group.

    Sequences of weight zero are not chosen, and one of each group always stays.
    """
    kept = target.has_weight()
    members = [
        np.flatnonzero((target.groups == group) & kept) for group in np.unique(target.groups)
    ]
    sizes = np.array([len(group) for group in members])
    shares = fraction * sizes
    counts = np.floor(shares).astype(int)
    missing = math.ceil(fraction * sizes.sum()) - counts.sum()
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    counts = np.minimum(counts, np.maximum(sizes - 1, 0))
    if counts.sum() < 2:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} holds out {counts.sum()} of "
            f"{sizes.sum()} sequences, but a score needs 2: give more sequences, or a larger "
            "validation_fraction"
        )
    return np.concatenate(
        [rng.permutation(group)[:n] for group, n in zip(members, counts, strict=True)]
    )
