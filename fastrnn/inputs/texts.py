"""Texts become tokens, and ragged sequences of ids, each with the one that follows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from fastrnn.inputs import frames
from fastrnn.inputs.arrays import NUMERIC
from fastrnn.inputs.columns import Columns, name_place
from fastrnn.inputs.containers import open_list, open_text, show
from fastrnn.inputs.sequences import Sequences, as_sequences

END = "<eos>"
"""What `tokens_` has for the end of a text."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What ids stand for."""

    encoder: Any  # a TokenEncoder; None if there are but ids
    tokens: list
    end: int | None  # id of the end of a text, if texts have one; it stands before them, too

    @property
    def size(self):
        """Number V of ids."""
        return len(self.tokens)

    @property
    def columns(self):
        """The only column of a step, an id."""
        return Columns(1, None, (0,), (self.size,), (None,))

    def ids(self, texts, are_ids, meets_unknown=True):
        """Return the ids of the tokens of each text, of which some may be unknown, or none."""
        encoder = self.encoder
        if are_ids != (encoder is None):
            kinds = ["text", "ids"]
            raise TypeError(
                f"X is {kinds[are_ids]}, but the model was fitted on {kinds[encoder is None]}"
            )
        if are_ids:
            return read_ids(texts, self.size - (self.end is not None))
        ids = encoder.transform(texts)
        known = self.size - (self.end is not None)
        for i, numbers in enumerate(ids):
            beyond = np.flatnonzero((numbers < 0) | (numbers >= known))
            if beyond.size:
                raise ValueError(
                    f"sequence {i}, token {beyond[0]} has the id {numbers[beyond[0]]}, but the "
                    f"model has learned those from 0 to {known - 1}: its encoder_ was changed"
                )
        if meets_unknown:
            return ids
        for i, numbers in enumerate(ids):
            unknown = np.flatnonzero(numbers == 0)
            if unknown.size:
                token = encoder.tokenize(texts)[i][unknown[0]]
                raise ValueError(
                    f"sequence {i}, token {unknown[0]} is {token!r}, which is not in the "
                    "vocabulary, and training has met no unknown token (min_freq or max_features "
                    "would make some)"
                )
        return ids

    def sequence(self, ids, dtype):
        """Return one sequence for the network."""
        return Sequences(np.empty((len(ids), 0), dtype), np.array([0, len(ids)]), ids=ids[:, None])

    def sequences(self, texts, dtype):
        """Return what the network reads of texts, given as ids."""
        ids = np.concatenate(texts, dtype=np.int64)
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        values = np.empty((len(ids), 0), dtype)
        return Sequences(values, offsets, ids=ids[:, np.newaxis], columns=self.columns)

    def steps(self, texts, dtype):
        """Return what the network reads of texts, given as ids, each with what follows."""
        if self.end is not None:
            texts = [ids for text in texts for ids in ([self.end], text)]
        ids = np.concatenate(texts, dtype=np.int64)
        lengths = np.array([len(text) for text in texts])
        if self.end is not None:
            lengths = lengths[0::2] + lengths[1::2]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        is_followed = np.ones(len(ids), dtype=bool)
        if self.end is None:
            is_followed[offsets[1:] - 1] = False
        return Texts(
            np.empty((len(ids), 0), dtype),
            offsets,
            ids=ids[:, np.newaxis],
            columns=self.columns,
            # After the last token of a text stands the end with which the next one begins.
            following=np.roll(ids, -1),
            is_followed=is_followed,
            vocabulary=self,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Texts(Sequences):
    """Sequences of ids, each with the one that follows, of shape (n_steps,), and whether one does.

    `counts`, of shape (V,), says how often each token occurs in what is to be learned.
    """

    following: np.ndarray
    is_followed: np.ndarray
    vocabulary: Vocabulary
    counts: np.ndarray | None = None


def read_tokens(tokens, n_outputs, unknown, spelling):
    """Return the tokens of a vocabulary from elsewhere as a list."""
    if not isinstance(tokens, list | tuple | np.ndarray):
        raise TypeError(
            f"tokens are of type {type(tokens).__name__}, expected a list of them in the order of "
            "their ids"
        )
    tokens = list(tokens)
    wrong = [token for token in tokens if not isinstance(token, str) or not token]
    if wrong:
        raise TypeError(f"tokens must be strings that are not empty, got {wrong[0]!r}")
    if len(tokens) != n_outputs or len(set(tokens)) != n_outputs:
        raise ValueError(
            f"tokens must be {n_outputs} different strings, one for each id, got {len(tokens)}, "
            f"{len(set(tokens))} of them different"
        )
    if tokens[0] != unknown:
        raise ValueError(
            f"the first of the tokens must be {unknown!r}, for the id 0 stands for all tokens that "
            f"are not known, got {tokens[0]!r}; without tokens the model is one of ids"
        )
    for k, token in enumerate(tokens[1:], start=1):
        if spelling.of(token) != token:
            raise ValueError(
                f"token {k} is {token!r}, which no text has: with the parameters of the model it "
                f"is written {spelling.of(token)!r}"
            )
    return tokens


def open_texts(X):
    """Return whether X is one long text, its texts, and whether they are ids."""
    if isinstance(X, str):
        return True, [X], False
    if frames.is_frame(X):
        raise TypeError(f"X is a {type(X).__name__}, expected one of its columns")
    expected = "a text, a list of texts or of lists of tokens, or ids"
    X = open_text(open_list(X, "X", expected), "X", expected)
    if not isinstance(X, Iterable):
        raise TypeError(f"X is of type {type(X).__name__}, expected {expected}")
    if isinstance(X, np.ndarray) and X.ndim == 0:
        raise TypeError("X is an array without axes, expected a text, or an array of ids")
    if isinstance(X, np.ndarray) and X.ndim == 1 and len(X) and X.dtype.kind in NUMERIC:
        return True, [X], True
    items = [
        open_text(item, name_place(i), "a text, a list of tokens, or ids")
        for i, item in enumerate(X)
    ]
    if not items:
        raise ValueError("X is empty, expected a text")
    token = items[0]
    if isinstance(token, Real):
        return True, [items], True
    if isinstance(token, Iterable) and not isinstance(token, str):
        token = next(iter(token), "")
    return False, items, isinstance(token, Real)


def are_texts(X: object, *, or_tokens: bool = False) -> bool:
    """Tell whether X is a list of texts, or of lists of tokens, by the first that is there."""
    if isinstance(X, str | Mapping) or frames.is_frame(X) or not isinstance(X, Iterable):
        return False
    if isinstance(X, Iterator) or (isinstance(X, np.ndarray) and X.ndim not in (1, 2)):
        return False
    for item in open_text(X, "X", "sequences"):
        if isinstance(item, str):
            return True
        if isinstance(item, Iterable):
            return or_tokens and _are_tokens(item)
        if not frames.is_missing(item):
            return False
    return False


def are_all_texts(y: object, name: str) -> bool:
    """Tell whether what an argument has are texts: all of it, or nothing."""
    if not are_texts(y):
        return False
    for n, item in enumerate(open_text(y, name, "texts")):
        if not isinstance(item, str):
            raise TypeError(
                f"sequence {n} in {name} is {show(item)}, expected a text, as others are"
            )
    return True


def _are_tokens(item):
    """Tell whether something is a list of strings, by the first."""
    if isinstance(item, Mapping | Iterator) or frames.is_frame(item):
        return False
    item = open_text(item, "X", "sequences")
    if isinstance(item, np.ndarray) and item.ndim != 1:
        return False
    return isinstance(next(iter(item), None), str)


def _refuse_text(texts):
    """Refuse text among ids, which would make text of all that stand beside it."""
    for i, text in enumerate(texts):
        if isinstance(text, str):
            raise TypeError(f"sequence {i} is the text {text[:50]!r}, expected ids")
        if isinstance(text, list | tuple) and any(issubclass(t, str) for t in set(map(type, text))):
            t = [isinstance(token, str) for token in text].index(True)
            raise TypeError(f"sequence {i}, token {t} is {text[t]!r}, expected an id")


def read_ids(texts, n_ids):
    """Return arrays of ids below n_ids, which is None for any."""
    _refuse_text(texts)
    for i, ids in enumerate(texts):
        if np.ma.is_masked(ids):
            t = np.ma.getmaskarray(ids).argmax()
            raise ValueError(f"{name_place(i, t)} is masked, expected an id: a whole number >= 0")
    if n_ids is None:
        sequences = as_sequences(texts, n_features=1, categorical_features="all")
    else:
        sequences = as_sequences(texts, columns=Columns(1, None, (0,), (n_ids,), (None,)))
    return np.split(sequences.ids[:, 0], sequences.offsets[1:-1])
