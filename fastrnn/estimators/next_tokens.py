"""What a language model reads and learns: the reader of texts, the task of the next token."""

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Self

import numpy as np

from fastrnn.estimators.parameters import batch_size, embedding_sizes
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.targets import as_sample_weight
from fastrnn.estimators.tasks import Scored, Target, Task
from fastrnn.estimators.token_readers import (
    ENCODER_FIELDS,
    TokenReader,
    check_no_encoder,
    new_encoder,
    set_vocabulary,
)
from fastrnn.files.codec import Array, Flag, Optional, Record
from fastrnn.inputs.errors import in_argument
from fastrnn.inputs.texts import END, Texts, Vocabulary, open_texts, read_ids, read_tokens
from fastrnn.typing import SampleWeight, SequencesLike

ONE_TOKEN = "X has no text of two tokens or more: there is nothing to predict"


@dataclass(frozen=True, eq=False)
class TextReader(TokenReader):
    """Reads texts with the vocabulary of `fit`; `counts` has how often training met each token."""

    counts: np.ndarray

    kind = "texts"
    fields = Record(
        {
            "encoder": Optional(ENCODER_FIELDS),
            "is_long": Flag(),
            "counts": Array("int64", lambda fields: (None,), low=0),
        },
        take_apart=lambda reader: {
            "encoder": reader.vocabulary.encoder,
            "is_long": reader.is_long,
            "counts": reader.counts,
        },
    )
    meanings = ("tokens",)

    @classmethod
    def learn(cls, X: SequencesLike, parameters: Any, weigh: Any = None) -> tuple[Self, Texts]:
        """Learn the vocabulary."""
        is_long, texts, are_ids = open_texts(X)
        encoder = None
        if are_ids:
            check_no_encoder(parameters)
            ids = read_ids(texts, None)
            tokens: list[Any] = list(range(max(int(text.max()) for text in ids) + 1))
        else:
            encoder = new_encoder(parameters).fit(texts)
            ids = encoder.transform(texts)
            tokens = [encoder.unknown_token, *encoder.vocabulary_]
        end = None if is_long else len(tokens)
        if end is not None and END in tokens:
            raise ValueError(
                f"X has the token {END!r}, which stands for the ends of separate texts: leave it "
                "out, or give one long text"
            )
        vocabulary = Vocabulary(encoder, tokens if is_long else [*tokens, END], end)
        read = _steps_to_learn(ids, vocabulary, parameters)
        return cls(vocabulary, read.counts), read

    def read_more(self, X, parameters, what):
        """Read texts to go on with in training; the vocabulary stays."""
        is_long, texts, are_ids = open_texts(X)
        vocabulary = self.vocabulary
        if is_long != self.is_long:
            kinds = ["separate texts", "one long text"]
            raise ValueError(
                f"{what} goes on from the fitted model, which learned from {kinds[not is_long]}, "
                f"but X is {kinds[is_long]}"
            )
        self.check_goes_on(parameters, what)
        read = _steps_to_learn(vocabulary.ids(texts, are_ids), vocabulary, parameters)
        return replace(self, counts=self.counts + read.counts), read

    def read(self, X, dtype):
        """Read texts, each of which begins with a new state."""
        _, texts, are_ids = open_texts(X)
        ids = self.vocabulary.ids(texts, are_ids, self.meets_unknown)
        return self.vocabulary.steps(ids, dtype)

    read_to_score = read

    def read_prompt(self, prompt):
        """The ids that the network reads of a prompt, which may be nothing."""
        end = self.vocabulary.end
        start = np.array([] if end is None else [end], dtype=np.int64)
        if hasattr(prompt, "__len__") and len(prompt) == 0:
            return start
        are_ids = self.vocabulary.encoder is None
        with in_argument("prompt"):
            (ids,) = self.vocabulary.ids([prompt], are_ids, self.meets_unknown)
        return np.concatenate([start, ids])

    @staticmethod
    def split_validation_data(validation_data: Any) -> tuple[Any, Any, Any]:
        """Take validation data of `fit` apart: they are texts alone."""
        return validation_data, None, None

    @property
    def meets_unknown(self):
        """Whether training has met the unknown token."""
        return self.counts[0] > 0

    @property
    def is_long(self):
        """Whether `fit` has read one long text rather than separate ones."""
        return self.vocabulary.end is None

    def is_tied(self, parameters):
        """Whether the head has the vectors of the tokens as its weights."""
        return bool(parameters.tie_weights)

    def tables(self, parameters):
        """Size of the table of ids; one that the head shares is as wide as the last layer."""
        sizes, wanted = parameters.hidden_layer_sizes, parameters.embedding_dim
        size = int(sizes if isinstance(sizes, Integral) else sizes[-1])
        tied = self.is_tied(parameters)
        width = size if tied and wanted is None else wanted
        tables = embedding_sizes(width, self.n_ids)
        if tied and tables[0][1] != size:
            raise ValueError(
                f"tie_weights=True needs vectors of the size of the last hidden layer, {size}, but "
                f"embedding_dim is {wanted!r}"
            )
        return tables

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {
            "n_features_in_": 1,
            "n_categories_": (self.vocabulary.size,),
            "tokens_": list(self.vocabulary.tokens),
            "encoder_": self.vocabulary.encoder,
            "token_counts_": self.counts,
        }

    @classmethod
    def from_record(cls, fields, fitted_by):
        """Make a reader of what is in a file."""
        encoder, is_long, counts = fields["encoder"], fields["is_long"], fields["counts"]
        if not counts.any():
            raise ValueError("no token has a count")
        n_tokens = len(counts) - (not is_long)
        tokens = list(range(n_tokens))
        if encoder is not None:
            tokens = [encoder.unknown_token, *encoder.vocabulary_]
        if not 0 < len(tokens) == n_tokens:
            raise ValueError(f"there are counts of {n_tokens} tokens, but {len(tokens)} tokens")
        end = None if is_long else n_tokens
        return cls(Vocabulary(encoder, tokens if is_long else [*tokens, END], end), counts)

    @classmethod
    def adopt(cls, weights, parameters, tokens=None):
        """Make a reader of the ids that weights from elsewhere are for."""
        sizes = [len(table) for table in weights.tables]
        n_outputs = len(weights.head["b"])
        if sizes != [n_outputs] or weights.n_features:
            raise ValueError(
                f"a language model reads ids, and has an output for each of them: there are tables "
                f"of {sizes} ids, {weights.n_features} numbers beside them, and {n_outputs} outputs"
            )
        encoder = None
        if tokens is None:
            check_no_encoder(parameters)
            tokens = list(range(n_outputs))
        else:
            encoder = new_encoder(parameters)
            tokens = read_tokens(tokens, n_outputs, encoder.unknown_token, encoder.cut)
            set_vocabulary(encoder, tokens)
        # How often training has met each token is not known; but each may be met again.
        return cls(Vocabulary(encoder, tokens, None), np.ones(n_outputs, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class NextTokenTask(Task):
    """The token that follows each of V tokens, in one long text or in separate ones."""

    n_outputs: int
    is_long: bool

    kind = "next_tokens"
    head = "log_loss"
    every_step = True
    keeps_outputs = False
    scores_loss = True  # the mean log-likelihood per token, then

    @classmethod
    def learn(
        cls, y: Any, texts: Texts, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[Self, Target]:
        """Learn how many tokens there are."""
        task = cls(texts.vocabulary.size, texts.vocabulary.end is None)
        return task, task.encode(y, texts, sample_weight)

    def encode(self, y, texts, sample_weight, parameters=None, partial=False):
        """Take the tokens that follow."""
        if sample_weight is not None and self.is_long:
            raise ValueError("sample_weight is for separate texts, but X is one long text")
        return self.following(texts, as_sample_weight(sample_weight, texts))

    def following(self, texts, weight):
        """The token after each, with the weight of its text; the last of a long text has none."""
        steps = np.repeat(weight, texts.lengths) * texts.is_followed
        return Target(
            values=texts.following,
            weight=narrow_weight(steps, texts.values.dtype),
            score_weight=steps,
            groups=np.zeros(len(texts), dtype=np.int64),
            offsets=texts.offsets,
        )

    def hold_out(self, texts, target, fraction, rng):
        """Split off what early stopping scores: of a long text the last streams."""
        if not self.is_long:
            return super().hold_out(texts, target, fraction, rng)
        n_streams = len(texts)
        if n_streams < 2:
            raise ValueError(
                f"early_stopping=True holds out the last of the streams, but X, of "
                f"{len(texts.ids) + 1} tokens, makes one only: lower bptt_steps, raise batch_size, "
                "or give validation_data"
            )
        n_held_out = min(math.ceil(fraction * n_streams), n_streams - 1)
        held_out = np.arange(n_streams - n_held_out, n_streams)
        rows = target.rows(held_out)
        scored = Scored(texts.take(held_out), target.values[rows], target.score_weight[rows])
        return target.without(held_out), scored

    def window(self, bptt_steps):
        """How many tokens of all streams make a minibatch; None if whole texts do."""
        return None if bptt_steps is None or not self.is_long else int(bptt_steps)

    @classmethod
    def adopt(cls, head, parameters):
        """Make a task of a head from elsewhere; the model goes on with one long text."""
        return cls(len(head["b"]), is_long=True), head

    @classmethod
    def from_record(cls, fields, reader):
        """Nothing but what the reader has."""
        return cls(reader.vocabulary.size, reader.is_long)


def _steps_to_learn(ids, vocabulary, parameters):
    """Separate texts, or the streams of a long one."""
    counts = np.bincount(np.concatenate(ids), minlength=vocabulary.size)
    if vocabulary.end is not None:
        counts[vocabulary.end] += len(ids)
        return replace(vocabulary.steps(ids, parameters.dtype), counts=counts)
    text = vocabulary.steps(ids, parameters.dtype)
    n_steps = len(text.ids) - 1  # the last token has none that follows
    if n_steps == 0:
        raise ValueError(ONE_TOKEN)
    n_windows = max(1, n_steps // (parameters.bptt_steps or 1))
    n_streams = min(batch_size(parameters, n_windows), n_windows)
    return replace(
        text,
        values=text.values[:-1],
        ids=text.ids[:-1],
        offsets=np.linspace(0, n_steps, n_streams + 1).astype(np.int64),
        following=text.following[:-1],
        is_followed=text.is_followed[:-1],
        counts=counts,
    )
