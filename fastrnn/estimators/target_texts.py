"""Targets that are texts: how they become labels, and labels texts again."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from fastrnn.estimators.parameters import parameters_of
from fastrnn.estimators.text_parameters import TargetTextParameters
from fastrnn.estimators.token_readers import ENCODER, check_encoder, check_same
from fastrnn.files.codec import Flag, Optional, Record, Text, Whole
from fastrnn.inputs.errors import in_argument
from fastrnn.inputs.steps import STRINGS, StepLabels, as_step_labels
from fastrnn.inputs.texts import are_all_texts
from fastrnn.inputs.tokens import known_tokens
from fastrnn.preprocessing import TokenEncoder
from fastrnn.typing import AnyArray, TargetsLike

UNKNOWN_HINT = (
    "; training has met no unknown token (target_min_freq or target_max_features would make some)"
)

_PREFIX = "target_"
"""What stands before the names of parameters of `TokenEncoder` that are about targets."""


@dataclass(frozen=True)
class TargetTexts:
    """How targets become labels: texts are cut, tokens spelled, and rare ones are not known.

    `joins` says whether labels that are predicted become texts, as the targets were; otherwise
    these were lists of tokens.
    """

    joins: bool
    tokenizer: object
    lowercase: bool
    normalization: str | None
    min_freq: int
    max_features: int | None

    @classmethod
    def of(cls, y: TargetsLike, parameters: Any) -> Self | None:
        """How targets become labels with these parameters; None if they are labels already."""
        chosen = {name: getattr(parameters, _PREFIX + name) for name in ENCODER}
        joins = are_all_texts(y, "y")
        if not joins:
            known = parameters_of(TargetTextParameters)
            asks = [
                f"{_PREFIX}{name}={value!r}"
                for name, value in chosen.items()
                if name != "tokenizer" and value != known[_PREFIX + name].default
            ]
            if not asks:
                return None
            kind = read_labels(y).kind
            if kind not in (STRINGS, None):
                raise ValueError(f"y has {kind}, but {asks[0]} is for texts and tokens")
        if chosen["tokenizer"] is None:
            chosen["tokenizer"] = parameters.tokenizer
        return cls(joins, **chosen)

    @property
    def kind(self):
        """What the targets were."""
        return "texts" if self.joins else "tokens that are spelled"

    @property
    def _encoder(self):
        return TokenEncoder(**{name: getattr(self, name) for name in ENCODER})

    @property
    def between(self):
        """What stands between labels that are joined to a text."""
        return self._encoder.cut.between

    @property
    def unknown(self):
        """The label of all tokens that are not known."""
        return self._encoder.cut.unknown

    def read(self, y: TargetsLike) -> StepLabels:
        """Read the labels of each target, known or not."""
        with in_argument("y"):
            lists = list(map(list, self._encoder.cut.tokens(y, may_be_empty=True)))
        offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        return StepLabels([token for tokens in lists for token in tokens], offsets, STRINGS)

    def choose(self, labels: StepLabels) -> AnyArray:
        """Choose the labels that are known, sorted; if some are not, the unknown one is, too."""
        counts = Counter(labels.values)
        known = known_tokens(counts, self.unknown, self.min_freq, self.max_features)
        if len(known) < len(counts):
            known.append(self.unknown)
        return np.array(sorted(known))

    def keep_known(self, labels: StepLabels, classes: AnyArray) -> StepLabels:
        """Put the unknown label in the place of those that are not known, if it is one of them."""
        known = set(classes.tolist())
        if self.unknown not in known:
            return labels
        values = [label if label in known else self.unknown for label in labels.values]
        return replace(labels, values=values)


TARGET_TEXTS = Record(
    {
        "joins": Flag(),
        "tokenizer": Text(),
        "lowercase": Flag(),
        "normalization": Optional(Text()),
        "min_freq": Whole(1, math.inf),
        "max_features": Optional(Whole(1, math.inf)),
    },
    lambda **fields: TargetTexts(**fields),
    check_encoder,
)
"""`TargetTexts` in files."""


def check_same_texts(fitted, wanted, what):
    """Check that targets become labels as in the fitted model, which `what` goes on from."""
    kinds = ["labels" if texts is None else texts.kind for texts in (fitted, wanted)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"{what} goes on from the fitted model, which learned {kinds[0]}, but y has {kinds[1]}"
        )
    if fitted is not None:
        of_each = [
            {_PREFIX + name: getattr(texts, name) for name in ENCODER} for texts in (fitted, wanted)
        ]
        check_same(*of_each, what)


def read_labels(y: TargetsLike) -> StepLabels:
    """Read labels of each sequence that are so already, of which none may be missing."""
    for n, item in enumerate(y if isinstance(y, list | tuple | np.ndarray) else ()):
        if isinstance(item, str):
            raise TypeError(
                f"sequence {n} in y is the text {str(item)!r}, expected a list of labels: "
                "list(text) has its letters, text.split() its words"
            )
    labels = as_step_labels(y)
    if None in labels.values:
        row = labels.values.index(None)
        raise ValueError(
            f"{place_of(labels, row)} is missing, or -1: leave it out, for there may be any number"
        )
    return labels


def place_of(labels, row):
    """Say where the label of a row stands."""
    n = int(np.searchsorted(labels.offsets, row, side="right")) - 1
    return f"label {row - int(labels.offsets[n])} of sequence {n} in y"
