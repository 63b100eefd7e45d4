"""How texts are cut into tokens, and how tokens are spelled: nobody else knows.

A model remembers the rule by its `tokenizer`: "char", "word" and "space" may come to mean more, but
what a version has released stays, under the name of that version.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Literal

from fastrnn.inputs import frames
from fastrnn.inputs.containers import open_text, show
from fastrnn.typing import SequencesLike

OF_0_1 = "-0.1"
"""What is added to "char" and "word" for the rules of version 0.1.0."""

TOKENIZERS = ("char", "word", "space", f"char{OF_0_1}", f"word{OF_0_1}")
A_TOKENIZER = "'char', 'word', 'space' or a callable"
"""What is expected where a tokenizer is."""

UNKNOWN_TOKEN = "<unk>"
"""What is written for tokens that are not known, if nobody says otherwise."""

NORMAL_FORMS = ("NFC", "NFKC")

_SIMPLE_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
"""All that version 0.1.0 knew of words."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = "\u00ad\u061c\u180e\u200e\u200f\u2060\ufeff"
_INSIDE_WORDS = "\uff07\u00b7\u2027\u055b\u055c\u055e\u05f3\u05f4"
_HEBREW = "\u05d0-\u05f2"
_ON_SIGNS = "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # colours of skin, and tags
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
_SPACE = "\u200b"  # no space to Python, but between words of Thai and Khmer


_BY_ITSELF = re.compile("[^\u0130\u03a3]+")
"""All whose lower case is one character, whatever stands beside it: others are cut first."""


def _lower(match):
    return match[0].lower()


@cache
def _marks():
    """The combining marks, of which `re` has no class."""
    # Beyond are ideographs alone, but for the selectors of their variants.
    places = [*range(0x300, 0x20000), *range(0xE0000, 0xE0200)]
    return {k for k in places if unicodedata.category(chr(k)).startswith("M")}


@cache
def _word():
    """The pattern of what "word" finds, for the most part as annex 29 of Unicode has it."""
    starts = sorted(k for k in _marks() if k - 1 not in _marks())
    ends = sorted(k for k in _marks() if k + 1 not in _marks())
    marks = "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))
    letters = rf"\w[\w{marks}{_JOINERS}]*"
    quote = rf'(?<=[\u0591-\u05f2])"(?=[{_HEBREW}])'
    inside = rf"(?:['\u2019{_INSIDE_WORDS}]|[{_INVISIBLE}]+|{quote})"
    sign = rf"[^\w\s{_SPACE}][{marks}\u200c{_ON_SIGNS}]*"
    emoji = rf"{sign}(?:\u200d(?:{sign})?)*"
    return re.compile(rf"{letters}(?:{inside}{letters})*|[{_FLAG_LETTERS}]{{2}}|{emoji}")


@cache
def _not_simple():
    """Characters that the simple pattern does not know what to do with."""
    more = _JOINERS + _INVISIBLE + _INSIDE_WORDS + _HEBREW + _ON_SIGNS + _FLAG_LETTERS + _SPACE
    some = re.compile(f"[{more}]")
    places = [*range(0x80, 0x10000), *range(0x1F000, 0x20000), *range(0xE0000, 0xE0200)]
    return frozenset(map(chr, _marks())) | {chr(k) for k in places if some.match(chr(k))}


def _find_words(text):
    """Cut a text into words and signs."""
    is_simple = text.isascii() or _not_simple().isdisjoint(text)
    return (_SIMPLE_WORD if is_simple else _word()).findall(text)


def _has_no_order(X):
    """Tell whether something is no list of tokens, or of texts, that can be read twice."""
    no_lists = bytes | Iterator | Mapping | Set
    return isinstance(X, no_lists) or not isinstance(X, Iterable)


def known_tokens(
    counts: Mapping[str, int], unknown: str, min_freq: int, max_features: int | None
) -> list[str]:
    """Choose the tokens of a vocabulary by how often each occurs, the most frequent first."""
    known = [
        str(token) for token, count in counts.items() if count >= min_freq and token != unknown
    ]
    known.sort(key=lambda token: (-counts[token], token))
    return known[:max_features]


@dataclass(frozen=True)
class Spelling:
    """How tokens are written, whatever they are in a text."""

    lowercase: bool = False
    normalization: Literal["NFC", "NFKC"] | None = None

    def of(self, token: str) -> str:
        """Return how a token is written."""
        return self.normal(self.normal(token).lower()) if self.lowercase else self.normal(token)

    def normal(self, text: str) -> str:
        """Return a text in normal form."""
        return unicodedata.normalize(self.normalization, text) if self.normalization else text


@dataclass(frozen=True)
class Cut(Spelling):
    """How texts become tokens; a `tokenizer` is one of TOKENIZERS, or a callable."""

    tokenizer: str | Callable[[str], Iterable[str]] = "char"
    unknown: str = ""  # which "word" does not cut, as "<unk>" would be

    @property
    def spelling(self):
        """How tokens are written, without the tokenizer, which may be code."""
        return Spelling(self.lowercase, self.normalization)

    @property
    def between(self):
        """What stands between tokens when they are joined to a text."""
        return "" if self.tokenizer in ("char", f"char{OF_0_1}") else " "

    def tokens(self, X: SequencesLike, may_be_empty: bool = False) -> Iterator[Sequence[str]]:
        """Yield the tokens of each of several texts; lists of tokens are only spelled."""
        if isinstance(X, str | bytes):
            raise TypeError(f"X is of type {type(X).__name__}, expected a list: pass [X]")
        X = open_text(X, "X", "a list of texts or of token lists")
        if _has_no_order(X):
            advice = ": make a list of it" if isinstance(X, Iterator) else ""
            raise TypeError(
                f"X is of type {type(X).__name__}, expected a list of texts or of token lists"
                f"{advice}"
            )
        if frames.is_frame(X):
            raise TypeError(f"X is a {type(X).__name__}, expected one of its columns")
        n_dimensions = getattr(X, "ndim", 1)
        if n_dimensions not in (1, 2):
            raise ValueError(
                f"X has {n_dimensions} dimensions, expected 1: texts, or 2: (sequence, token)"
            )
        if len(X) == 0:
            raise ValueError("X is empty, expected at least one sequence")
        return (self._of_one(i, item, may_be_empty) for i, item in enumerate(X))

    def _of_one(self, i, item, may_be_empty):
        """Return the tokens of sequence `i` as a sequence of strings."""
        item = open_text(item, f"sequence {i}", "a text or a list of tokens")
        is_text = isinstance(item, str)
        if is_text:
            tokens = self._cut(i, item)
        elif not isinstance(item, list | tuple) and _has_no_order(item):
            if frames.is_missing(item):
                raise TypeError(
                    f"sequence {i} is missing ({show(item)}), expected a text or a list of tokens: "
                    "leave it out, or give what stands for it"
                )
            advice = ": make a list of it" if isinstance(item, Iterator) else f", got {show(item)}"
            raise TypeError(
                f"sequence {i} is of type {type(item).__name__}, expected a text or a list of "
                f"tokens{advice}"
            )
        else:
            tokens = list(item)
        if not isinstance(tokens, str):
            for t, token in enumerate(tokens):
                if not isinstance(token, str):
                    raise TypeError(
                        f"sequence {i}, token {t} is of type {type(token).__name__}, expected a "
                        f"string, got {show(token)}"
                    )
                if not token:
                    raise ValueError(f"sequence {i}, token {t} is an empty string")
            if not is_text and (self.lowercase or self.normalization):
                tokens = [self.of(token) for token in tokens]
        if len(tokens) == 0 and not may_be_empty:
            what = f"has no tokens: {item[:50]!r}" if is_text and item else "is empty"
            raise ValueError(f"sequence {i} {what}, expected at least one token")
        return tokens

    def _cut(self, i, text):
        """Return the tokens of text `i`, spelled."""
        text = self.normal(text) if self.normalization else text
        cut_first = self.lowercase and ("\u0130" in text or "\u03a3" in text)
        if self.lowercase:
            lower = _BY_ITSELF.sub(_lower, text) if cut_first else text.lower()
            text = self.normal(lower)
        if self.tokenizer == "char":
            return list(map(self.of, text)) if cut_first else text
        if self.tokenizer == "word":
            words = self._words(text)
            return list(map(self.of, words)) if cut_first else words
        text = self.of(text) if cut_first else text
        if self.tokenizer == "space":
            return text.split()
        if self.tokenizer == f"char{OF_0_1}":
            return text
        if self.tokenizer == f"word{OF_0_1}":
            return _SIMPLE_WORD.findall(text)
        tokens = self.tokenizer(text)
        if isinstance(tokens, str) or (_has_no_order(tokens) and not isinstance(tokens, Iterator)):
            raise TypeError(
                f"tokenizer must return a list of strings, for sequence {i} it returned "
                f"{type(tokens).__name__}"
            )
        return list(tokens)

    def _words(self, text):
        """Return the words of a text, with the unknown token whole."""
        unknown = self.unknown
        if not unknown or unknown not in text or len(_find_words(unknown)) == 1:
            return _find_words(text)
        first, *others = map(_find_words, text.split(unknown))
        return [*first, *(word for words in others for word in (unknown, *words))]
