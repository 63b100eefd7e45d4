"""Readers of texts, and how these become tokens with the parameters of an estimator."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from fastrnn.estimators.parameters import embedding_sizes, parameters_of
from fastrnn.estimators.readers import SequenceReader
from fastrnn.estimators.text_parameters import TextParameters
from fastrnn.files.codec import Flag, ListOf, Optional, Record, Text, Whole
from fastrnn.inputs.column_scaling import NO_SCALING
from fastrnn.inputs.missing import NO_GAPS
from fastrnn.inputs.texts import END, Vocabulary, are_texts
from fastrnn.preprocessing import TokenEncoder
from fastrnn.streams.snapshot import Reading

ENCODER = ("tokenizer", "lowercase", "normalization", "min_freq", "max_features")
"""Parameters that say how text becomes ids."""


def check_encoder(fields):
    """Check what a file says of how texts become tokens."""
    for name in ENCODER:
        parameters_of(TextParameters)[name].check(fields[name])


def _make_encoder(vocabulary, **fields):
    encoder = TokenEncoder(**fields)
    tokens = [encoder.unknown_token, *vocabulary]
    if len({*tokens} - {""}) < len(tokens):
        raise ValueError("vocabulary has a token twice, or an empty one")
    set_vocabulary(encoder, tokens)
    return encoder


ENCODER_FIELDS = Record(
    {
        "tokenizer": Text(),
        "lowercase": Flag(),
        "normalization": Optional(Text()),
        "min_freq": Whole(1, math.inf),
        "max_features": Optional(Whole(1, math.inf)),
        "vocabulary": ListOf(Text()),
    },
    _make_encoder,
    check_encoder,
    lambda encoder: {
        **{name: getattr(encoder, name) for name in ENCODER},
        "vocabulary": encoder.vocabulary_,
    },
)
"""`TokenEncoder` in files, but for its token for those that are not known."""


def new_encoder(parameters):
    """An encoder that is not fitted."""
    return TokenEncoder(**{name: getattr(parameters, name) for name in ENCODER})


def set_vocabulary(encoder, tokens):
    """Give an encoder the tokens of its ids; the first is the unknown one."""
    encoder.vocabulary_ = {token: k for k, token in enumerate(tokens) if k}
    encoder.n_tokens_ = len(tokens)


def check_no_encoder(parameters, what="ids", left_out=()):
    """Check that nothing is said of how text becomes ids, where there is none."""
    known = parameters_of(type(parameters))
    for name in ENCODER:
        value = getattr(parameters, name)
        if name not in left_out and value != known[name].default:
            raise ValueError(f"{name}={value!r} has no effect on {what}")


def check_same(fitted, wanted, what):
    """Check that parameters are those that a model was fitted with; each has a name, and a value.

    `what` goes on from the model.
    """
    for name, value in fitted.items():
        if wanted[name] != value:
            raise ValueError(
                f"{what} goes on from the fitted model, which has {name}={value!r}, not "
                f"{wanted[name]!r}"
            )


@dataclass(frozen=True, eq=False)
class TokenReader:
    """What readers of texts share, each of which says whether `meets_unknown` tokens."""

    vocabulary: Vocabulary

    width = 1
    n_features = 0
    id_tables = None
    feature_names = step_names = None
    is_scaled = False
    others: ClassVar[tuple[type, ...]] = ()
    gaps = NO_GAPS
    scaling = NO_SCALING

    @property
    def columns(self):
        """The only column of a step, an id."""
        return self.vocabulary.columns

    @property
    def n_ids(self):
        """How many ids there are."""
        return (self.vocabulary.size,)

    def check_goes_on(self, parameters, what):
        """Check that texts become tokens as in the fitted model, which `what` goes on from."""
        if (encoder := self.vocabulary.encoder) is not None:
            fitted, wanted = ({n: getattr(o, n) for n in ENCODER} for o in (encoder, parameters))
            check_same(fitted, wanted, what)

    def steps(self):
        """How a stream reads."""
        vocabulary, tokens = self.vocabulary, {}
        if (encoder := vocabulary.encoder) is not None:
            tokens = {
                "tokens": encoder.vocabulary_,
                "unknown": 0 if self.meets_unknown else None,
                "spelling": encoder.cut.spelling,
                "end": None if vocabulary.end is None else END,
            }
        n_ids = vocabulary.size - (vocabulary.end is not None)
        return Reading.of_columns(self.columns, n_ids=(n_ids,), columns=None, **tokens)

    def seen(self, sequences, targets, weight):
        """What training sees, by argument of `fit`."""
        X = [sequences.values, sequences.offsets, sequences.ids]
        return {"X": X, "y": targets, "sample_weight": [weight]}


@dataclass(frozen=True, eq=False)
class SeparateTextReader(TokenReader):
    """Reads texts, or lists of tokens, each of which is a sequence with targets beside it."""

    meets_unknown: bool  # whether training has met unknown tokens

    kind = "separate_texts"
    fields = Record(
        {"encoder": ENCODER_FIELDS, "meets_unknown": Flag()},
        take_apart=lambda reader: {
            "encoder": reader.vocabulary.encoder,
            "meets_unknown": reader.meets_unknown,
        },
    )
    n_columns = None
    split_validation_data = staticmethod(SequenceReader.split_validation_data)

    @classmethod
    def learn(cls, X, parameters, weigh=None):
        """Learn the vocabulary."""
        for name in ("categorical_features", "missing", "time_feature", "padding"):
            value = getattr(parameters, name)
            if value != parameters_of(type(parameters))[name].default:
                raise ValueError(f"{name}={value!r} has no effect on texts, as X has")
        encoder = new_encoder(parameters).fit(X)
        reader = cls(_vocabulary_of(encoder), meets_unknown=False)
        return reader._learn_from(X, parameters)

    def read_more(self, X, parameters, what):
        """Read texts to go on with in training; the vocabulary stays."""
        self.check_goes_on(parameters, what)
        return self._learn_from(X, parameters)

    def _learn_from(self, X, parameters):
        ids = self.vocabulary.ids(X, are_ids=False)
        meets_unknown = self.meets_unknown or any((numbers == 0).any() for numbers in ids)
        sequences = self.vocabulary.sequences(ids, parameters.dtype)
        return replace(self, meets_unknown=bool(meets_unknown)), sequences

    def read(self, X, dtype):
        """Read texts like those of `fit`."""
        ids = self.vocabulary.ids(X, are_ids=False, meets_unknown=self.meets_unknown)
        return self.vocabulary.sequences(ids, dtype)

    read_to_score = read

    def tables(self, parameters):
        """Size of the table of ids."""
        return embedding_sizes(parameters.embedding_dim, self.n_ids)

    def is_tied(self, parameters):
        """Whether the head has the table as its weights."""
        return False

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {
            "n_features_in_": 1,
            "n_categories_": self.n_ids,
            "encoder_": self.vocabulary.encoder,
        }

    @classmethod
    def from_record(cls, fields, fitted_by):
        """Make a reader of what is in a file."""
        return cls(_vocabulary_of(fields["encoder"]), fields["meets_unknown"])


class SequenceOrTextReader(SequenceReader):
    """Reads sequences of numbers and ids, or leaves it to a reader of texts."""

    others: ClassVar[tuple[type, ...]] = (SeparateTextReader,)

    @classmethod
    def learn(cls, X, parameters, weigh):
        """Learn the columns, or the vocabulary."""
        if are_texts(X, or_tokens=True):
            return SeparateTextReader.learn(X, parameters)
        # A tokenizer may be that of the targets.
        check_no_encoder(parameters, "X, which has no texts", left_out=("tokenizer",))
        return super().learn(X, parameters, weigh)

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {**super().attributes(), "encoder_": None}


def _vocabulary_of(encoder):
    return Vocabulary(encoder, [encoder.unknown_token, *encoder.vocabulary_], None)
