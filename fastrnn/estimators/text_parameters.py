"""The parameters that say how texts become tokens, and those of `RNNLanguageModel`: more tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from fastrnn.estimators.shared_parameters import (
    BY_MINIBATCHES,
    STOCHASTIC,
    SharedParameters,
    help_of_max_iter,
)
from fastrnn.estimators.values import (
    COUNT_OR_AUTO,
    NORMALIZATION,
    STEPS,
    TOKENIZER,
    Values,
    either,
    flag,
    never,
    parameter,
    whole,
    with_default,
    words,
)
from fastrnn.training.budget import TEXTS
from fastrnn.typing import Auto, Schedule


@dataclass(eq=False, repr=False, kw_only=True)
class TextParameters:
    """How texts become tokens."""

    tokenizer: str | Callable[[str], Iterable[str]] = parameter(
        TOKENIZER,
        "char",
        """
        How a text becomes tokens: every character is one, words and signs, what stands between
        spaces, or what the callable returns. See `fastrnn.preprocessing.TokenEncoder`, also for
        the next four.
        """,
    )
    lowercase: bool = parameter(flag(), False, "Whether tokens are made lower case.")
    normalization: Literal["NFC", "NFKC"] | None = parameter(
        NORMALIZATION, None, "Form of Unicode that texts are brought to first."
    )
    min_freq: int = parameter(
        whole(1),
        1,
        """
        How often a token must occur to be in the vocabulary. All others are one token, the unknown
        one.
        """,
    )
    max_features: int | None = parameter(
        either(whole(1), None),
        None,
        "Largest number of tokens in the vocabulary, the most frequent ones.",
    )


@dataclass(eq=False, repr=False, kw_only=True)
class TargetTextParameters:
    """How texts that are targets become labels."""

    target_tokenizer: str | Callable[[str], Iterable[str]] | None = parameter(
        either(TOKENIZER, None),
        None,
        """
        How a text of `y` becomes labels, as `tokenizer` has it for one of `X`. None: by the same.
        What is predicted becomes a text again by joining the labels, with spaces between unless
        they are characters.
        """,
    )
    target_lowercase: bool = with_default(
        TextParameters, "lowercase", False, "Whether texts and tokens of `y` are made lower case."
    )
    target_normalization: Literal["NFC", "NFKC"] | None = with_default(
        TextParameters,
        "normalization",
        None,
        "Form of Unicode that texts and tokens of `y` are brought to first.",
    )
    target_min_freq: int = with_default(
        TextParameters,
        "min_freq",
        1,
        """
        How often a token of `y` must occur to be a label of its own. All others are one label,
        "<unk>", which may be predicted, and is never right.
        """,
    )
    target_max_features: int | None = with_default(
        TextParameters,
        "max_features",
        None,
        """
        Largest number of tokens of `y` that are labels of their own, the most frequent ones.
        """,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class LanguageModelParameters(TextParameters):
    """What `RNNLanguageModel` takes besides, or otherwise."""

    tie_weights: bool = parameter(
        flag(),
        False,
        """
        Whether the output layer has the vectors of the tokens as its weights (Press and Wolf 2017).
        Then `embedding_dim` must be the size of the last hidden layer, as it is by default.
        """,
    )
    bidirectional: bool = parameter(
        never("the model would see the tokens that it is to predict"),
        False,
        "Always False: the model would see the tokens that it is to predict.",
    )
    categorical_features: Any = parameter(
        Values(
            "None, since a language model reads tokens alone",
            "None",
            (object,),
            lambda value: value is None,
        ),
        None,
        "Always None: a language model reads tokens alone.",
    )
    solver: Literal["adam", "adamw", "sgd", "rmsprop"] = parameter(
        words(*STOCHASTIC),
        "adam",
        """
        How the weights are found, always on minibatches. "rmsprop" has no momentum and a decay of
        0.99.
        """,
    )
    batch_size: int | Auto = parameter(
        COUNT_OR_AUTO,
        32,
        """
        Number of streams that one long text is cut into, fewer where they would be shorter than
        `bptt_steps`; of separate texts, how many make a minibatch. "auto" goes by the number of
        windows, or of texts, as `RNNClassifier` goes by that of sequences.
        """,
        used_by=BY_MINIBATCHES,
    )
    learning_rate: Schedule = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.01)
    max_iter: int | Auto = with_default(
        SharedParameters,
        "max_iter",
        "auto",
        help_of_max_iter(TEXTS, "sequences, or windows of one long text"),
    )
    bptt_steps: int | None = parameter(
        STEPS,
        35,
        """
        Number of tokens in a window of one long text, after each of which the weights change. For
        separate texts the number of tokens after which backpropagation through time is cut. None
        reads texts, or streams, as a whole.
        """,
        used_by=BY_MINIBATCHES,
    )
