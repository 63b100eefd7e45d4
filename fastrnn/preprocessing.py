"""What comes before an estimator: text to ids, numbers to a common scale, padding off and on.

Ragged in, ragged out. With scikit-learn installed the classes are its transformers and go into a
``Pipeline``.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Literal, Self, cast

import numpy as np

from fastrnn.bridge import SequenceTransformer, check_is_fitted
from fastrnn.inputs import frames
from fastrnn.inputs.column_scaling import METHODS, center_and_factor
from fastrnn.inputs.columns import Columns, name_place
from fastrnn.inputs.list_cells import cells_of_lists
from fastrnn.inputs.padding import pad, unpad
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.tokens import (
    A_TOKENIZER,
    NORMAL_FORMS,
    TOKENIZERS,
    UNKNOWN_TOKEN,
    Cut,
    Spelling,
    known_tokens,
)
from fastrnn.typing import AnyArray, ArrayLike, Ints, ObjectArray, SequencesLike

__all__ = ["SequenceScaler", "TokenEncoder", "pad", "unpad"]


class TokenEncoder(SequenceTransformer):
    """Turn texts, or lists of tokens, into sequences of ids.

    `fit` learns a vocabulary. Known tokens are numbered from 1 by falling frequency, those of equal
    frequency in the order of their characters; 0 stands for every other token. An estimator with
    ``embedding_dim`` set takes what `transform` gives.

    Parameters
    ----------
    tokenizer : {"char", "word", "space", "char-0.1", "word-0.1"} or callable, default="char"
        How a text becomes tokens. "char": every code point of Unicode is one, so that an accent
        or a vowel sign that is not composed with its letter is a character of its own. "word":
        words and numbers, with their combining marks and joiners, and with apostrophes inside; all
        other signs one by one, an emoji being one with all that belongs to it. Nothing is cut
        where a script has no spaces between words, such as that of Thai: there, give a callable.
        "space": what stands between spaces, as in texts that were cut before, and in phonemes.
        It is given the text and returns its tokens. Lists of tokens are taken as they are.
        "char-0.1" and "word-0.1" are the rules of version 0.1.0, which models of that version keep.
    lowercase : bool, default=False
        Whether tokens are made lower case, by the rules of Unicode, each by itself; a callable is
        given a text in lower case.
    normalization : {"NFC", "NFKC"} or None, default=None
        Form of Unicode that texts and tokens are brought to first: "NFC" composes letters with
        their accents, as most texts have them, "NFKC" also makes one of signs that differ in
        their form only, such as wide letters. None leaves them as they are.
    min_freq : int, default=1
        How often a token must occur in `fit` to be known. With 2 or more, `fit` meets unknown
        tokens, so that a network can learn what to make of them.
    max_features : int or None, default=None
        Largest number of known tokens, the most frequent ones; None for no limit.
    unknown_token : str, default="<unk>"
        What `inverse_transform` writes for the id 0. Where this token itself occurs, it is unknown.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The id of each known token, in the order of ids.
    n_tokens_ : int
        Number of ids: the known tokens and 0.

    See Also
    --------
    fastrnn.RNNClassifier : Takes ids where its ``embedding_dim`` is set.

    Examples
    --------
    >>> from fastrnn.preprocessing import TokenEncoder
    >>> encoder = TokenEncoder("word").fit(["to be or not to be", "to sleep"])
    >>> encoder.vocabulary_
    {'to': 1, 'be': 2, 'not': 3, 'or': 4, 'sleep': 5}
    >>> encoder.transform(["not to dream"])
    [array([3, 1, 0])]
    >>> encoder.inverse_transform([[3, 1, 0]])
    [['not', 'to', '<unk>']]
    """

    def __init__(
        self,
        tokenizer: str | Callable[[str], Iterable[str]] = "char",
        *,
        lowercase: bool = False,
        normalization: Literal["NFC", "NFKC"] | None = None,
        min_freq: int = 1,
        max_features: int | None = None,
        unknown_token: str = UNKNOWN_TOKEN,
    ) -> None:
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.normalization = normalization
        self.min_freq = min_freq
        self.max_features = max_features
        self.unknown_token = unknown_token

    def fit(self, X: SequencesLike, y: object = None) -> Self:
        """Learn the vocabulary.

        Parameters
        ----------
        X : list of str, or list of list of str
            The texts, or the tokens of each sequence. An array or a column of a data frame will do.
        y : object, default=None
            Not used.

        Returns
        -------
        TokenEncoder
            The fitted transformer itself.

        Raises
        ------
        TypeError
            If a parameter has the wrong type, or `X` holds anything but text.
        ValueError
            If a parameter has a value it may not have, a sequence has no tokens, or no token is
            frequent enough.
        """
        self._check_parameters()
        counts: Counter[str] = Counter()
        cut = self.cut
        for tokens in cut.tokens(X):
            counts.update(tokens)
        known = known_tokens(counts, cut.unknown, self.min_freq, self.max_features)
        if not known:
            raise ValueError(f"no token occurs min_freq={self.min_freq} times: nothing to learn")
        self.vocabulary_ = {token: k for k, token in enumerate(known, start=1)}
        self.n_tokens_ = len(self.vocabulary_) + 1
        return self

    def tokenize(self, X: SequencesLike) -> list[list[str]]:
        """Return the tokens of each sequence, known or not; `fit` need not have been called.

        Parameters
        ----------
        X : list of str, or list of list of str
            The sequences, as in `fit`.

        Returns
        -------
        list of list of str
            Their tokens.
        """
        self._check_parameters()
        return [list(tokens) for tokens in self.cut.tokens(X)]

    def transform(self, X: SequencesLike) -> list[Any]:
        """Return the ids of the tokens.

        Parameters
        ----------
        X : list of str, or list of list of str
            The sequences, as in `fit`.

        Returns
        -------
        list of ndarray of shape (T_i,), int64
            The ids of each sequence; 0 for tokens that are not known. Data frames of one column,
            "token", where `set_output` says so.
        """
        check_is_fitted(self, "vocabulary_")
        known = self.vocabulary_.get
        sequences = self.cut.tokens(X)
        ids = [np.array([known(token, 0) for token in tokens], np.int64) for tokens in sequences]
        library = self.output_library
        return frames.as_frames(ids, ["token"], library, X) if library else ids

    def inverse_transform(self, X: SequencesLike) -> list[list[str]]:
        """Return the tokens of ids.

        Parameters
        ----------
        X : list of array-like of int of shape (T_i,)
            The ids of each sequence.

        Returns
        -------
        list of list of str
            The tokens of each sequence; ``"".join(tokens)`` makes a text of characters.
        """
        check_is_fitted(self, "vocabulary_")
        columns = Columns(1, None, (0,), (self.n_tokens_,), (None,))
        sequences = as_sequences(X, columns=columns)
        tokens = [self.unknown_token, *self.vocabulary_]
        flat = [tokens[k] for k in cast(Ints, sequences.ids)[:, 0].tolist()]
        bounds = sequences.offsets.tolist()
        return [flat[i:j] for i, j in itertools.pairwise(bounds)]

    def get_feature_names_out(self, input_features: object = None) -> ObjectArray:
        """Return the name of the one column of ids.

        Parameters
        ----------
        input_features : object, default=None
            Not used.

        Returns
        -------
        ndarray of str of shape (1,)
            ``["token"]``.
        """
        check_is_fitted(self, "vocabulary_")
        return np.array(["token"], dtype=object)

    @property
    def cut(self) -> Cut:
        """How texts become tokens, as `fastrnn.inputs.tokens` has it."""
        unknown = Spelling(self.lowercase, self.normalization).of(self.unknown_token)
        return Cut(self.lowercase, self.normalization, self.tokenizer, unknown)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _check_parameters(self) -> None:
        if not (callable(self.tokenizer) or self.tokenizer in TOKENIZERS):
            raise ValueError(f"tokenizer must be {A_TOKENIZER}, got {self.tokenizer!r}")
        if self.normalization is not None and self.normalization not in NORMAL_FORMS:
            raise ValueError(
                f"normalization must be one of {list(NORMAL_FORMS)} or None, got "
                f"{self.normalization!r}"
            )
        if not isinstance(self.lowercase, bool | np.bool_):
            raise TypeError(f"lowercase must be True or False, got {self.lowercase!r}")
        if not isinstance(self.unknown_token, str):
            raise TypeError(f"unknown_token must be a string, got {self.unknown_token!r}")
        for name, also in (("min_freq", ""), ("max_features", " or None")):
            value, expected = getattr(self, name), f"{name} must be a whole number >= 1{also}"
            if also and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{expected}, got {value!r}")
            if value < 1:
                raise ValueError(f"{expected}, got {value!r}")


class SequenceScaler(SequenceTransformer):
    """Bring the features of sequences to a common scale.

    Each feature is shifted and divided by what `fit` found over all time steps of all sequences.
    What comes out is of the kind that went in: a list of arrays, an array of shape (n_sequences, T,
    n_features), a table of univariate sequences, or data frames. One with a row for each sequence,
    lists in its cells, gives a list of dicts of columns. What is missing (NaN, None, NA and NaT of
    pandas, masked) is left out of the statistics and comes out as NaN.

    Parameters
    ----------
    method : {"standard", "minmax", "robust"}, default="standard"
        "standard" subtracts the mean and divides by the standard deviation (that of all values, not
        of a sample). "minmax" brings the values of `fit` to [0, 1]. "robust" subtracts the median
        and divides by the distance of the quartiles, which outliers do not move.
    categorical_features : "all", "from_dtype", array-like or None, default=None
        Columns of each time step that are ids or categories, by number, name, mask or dtype, as in
        the estimators. They stay as they are.

    Attributes
    ----------
    center_ : ndarray of shape (n_numeric,), float64
        What is subtracted from each numeric feature.
    scale_ : ndarray of shape (n_numeric,), float64
        What it is divided by; 1 where that would be 0, or a rounding error, as for a constant
        feature.
    n_steps_seen_ : ndarray of shape (n_numeric,), int64
        Number of values of each numeric feature that are there. A feature that has none stays as
        it is.
    n_features_in_ : int
        Number of features of each time step; for a two-dimensional table, its number of columns.
    feature_names_in_ : ndarray of str
        Names of the columns, where `fit` was given data frames.

    Examples
    --------
    >>> from fastrnn.preprocessing import SequenceScaler
    >>> X = [[[0.0, 5.0], [2.0, 5.0]], [[4.0, 5.0]]]
    >>> scaler = SequenceScaler("minmax").fit(X)
    >>> scaler.transform(X)
    [array([[0. , 0. ],
           [0.5, 0. ]]), array([[1., 0.]])]
    >>> scaler.inverse_transform([[[0.5, 0.0]]])
    [array([[2., 5.]])]
    """

    def __init__(
        self,
        method: Literal["standard", "minmax", "robust"] = "standard",
        *,
        categorical_features: ArrayLike | None = None,
    ) -> None:
        self.method = method
        self.categorical_features = categorical_features

    def fit(self, X: SequencesLike, y: object = None) -> Self:
        """Learn center and scale of each feature.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences: a list of arrays of shape (T_i, n_features) or of data frames, an array
            of shape (n_sequences, T, n_features), or, for univariate sequences, an array or data
            frame of shape (n_sequences, T). Values may be missing.
        y : object, default=None
            Not used.

        Returns
        -------
        SequenceScaler
            The fitted transformer itself.

        Raises
        ------
        TypeError
            If `X` has the wrong type or holds anything but numbers and chosen categories.
        ValueError
            If a parameter or `X` has a value it may not have, or there is nothing to scale.
        """
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {list(METHODS)}, got {self.method!r}")
        sequences = as_sequences(X, categorical_features=self.categorical_features, allow_nan=True)
        if sequences.n_features == 0:
            raise ValueError("every column of X is one of ids: there is nothing to scale")
        found = []
        for j, column in enumerate(sequences.values.T.astype(np.float64)):
            column = column[~np.isnan(column)]
            center, scale = center_and_factor(column, self.method)
            if not np.isfinite(scale):
                raise ValueError(
                    f"numeric feature {j} has numbers too large for its {self.method} scale"
                )
            found.append((center, scale, len(column)))
        centers, scales, counts = zip(*found, strict=True)
        self.center_, self.scale_ = np.array(centers), np.array(scales)
        self.n_steps_seen_ = np.array(counts, np.int64)
        columns = cast(Columns, sequences.columns)
        self.n_features_in_ = sequences.n_columns or columns.width
        if columns.names is not None:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._columns = replace(columns, fitted_by=type(self).__name__)
        self._n_columns = sequences.n_columns
        return self

    def transform(self, X: SequencesLike) -> Any:
        """Scale sequences.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        list of ndarray, ndarray, or data frames
            The scaled sequences, of the kind of `X` unless `set_output` has chosen one. float32
            stays float32, everything else becomes float64.
        """
        scaled, library = self._convert(X, self._scale), self.output_library
        if library is None:
            return scaled
        names = self.get_feature_names_out()
        if frames.is_frame(scaled) or (isinstance(scaled, np.ndarray) and scaled.ndim == 2):
            return frames.as_frame(scaled, names, library)
        return frames.as_frames(scaled, names, library, X)

    def inverse_transform(self, X: SequencesLike) -> Any:
        """Undo the scaling.

        Parameters
        ----------
        X : list of ndarray, or array
            Scaled sequences.

        Returns
        -------
        list of ndarray, ndarray, or data frames
            The sequences on their old scale, of the kind of `X`.
        """
        return self._convert(X, lambda values: values * self.scale_ + self.center_)

    def get_feature_names_out(self, input_features: Collection[str] | None = None) -> ObjectArray:
        """Return the names of the features, which are those of the input.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names to use; those of `fit` if it was given data frames. None: those of `fit`, or x0,
            x1, ...

        Returns
        -------
        ndarray of str of shape (`n_features_in_`,)
            The names.
        """
        check_is_fitted(self, "scale_")
        known: ObjectArray | None = getattr(self, "feature_names_in_", None)
        if input_features is None:
            if known is not None:
                return known.copy()
            return np.array([f"x{j}" for j in range(self.n_features_in_)], dtype=object)
        names = np.asarray(input_features, dtype=object)
        if known is not None and not np.array_equal(names, known):
            raise ValueError(
                f"input_features is not equal to feature_names_in_: got {names.tolist()}, expected "
                f"{known.tolist()}"
            )
        if len(names) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(names)}"
            )
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _scale(self, values: AnyArray) -> AnyArray:
        scaled: AnyArray = (values - self.center_) / self.scale_
        return scaled

    def _convert(self, X: SequencesLike, formula: Callable[[AnyArray], AnyArray]) -> Any:
        """Apply a formula to the numeric columns, and return what is of the kind of X."""
        check_is_fitted(self, "scale_")
        sequences = as_sequences(
            X, columns=self._columns, n_columns=self._n_columns, allow_nan=True
        )
        columns, dtype = cast(Columns, sequences.columns), sequences.values.dtype
        numeric = [j for j in range(columns.width) if j not in columns.ids]
        with np.errstate(over="ignore", invalid="ignore"):
            values = formula(sequences.values.astype(np.float64)).astype(dtype)
        wrong = ~np.isfinite(values) & ~np.isnan(sequences.values)
        if wrong.any():
            row, j = np.argwhere(wrong)[0]
            i = int(np.searchsorted(sequences.offsets, row, side="right")) - 1
            place = name_place(i, row - sequences.offsets[i], numeric[j])
            raise ValueError(
                f"{place} is {sequences.values[row, j]}, which does not fit into {dtype} when it "
                "is scaled"
            )
        if sequences.ids is not None:
            scaled, values = values, np.empty((len(values), columns.width), dtype)
            ids = np.where(sequences.ids == columns.n_categories, np.nan, sequences.ids)
            values[:, numeric], values[:, columns.ids] = scaled, ids
        if frames.is_frame(X):
            X = cells_of_lists(X)
        if frames.is_frame(X):
            table = values.reshape(len(sequences), -1)
            return frames.replace_columns(X, dict(enumerate(table.T)))
        if sequences.n_columns is not None:
            return values.reshape(len(sequences), -1)
        if not isinstance(X, Sequence) or isinstance(X, memoryview):
            shape = np.shape(cast(Any, X))
            if len(shape) == 3:
                return values.reshape(shape)
        items = np.split(values, sequences.offsets[1:-1])
        return [
            _like(item, rows, numeric, columns.names) for item, rows in zip(X, items, strict=True)
        ]


def _like(item: Any, rows: AnyArray, numeric: list[int], names: tuple[str, ...] | None) -> Any:
    """Return rows in the form of the item that they came from."""
    if frames.is_frame(item):
        places = frames.places_of(item, names)
        return frames.replace_columns(item, {places[j]: rows[:, j] for j in numeric})
    return rows[:, 0] if np.ndim(item) == 1 else rows
