"""The parameters of some estimators alone, or their own form of a shared one: more tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastrnn.estimators.long_sequences import SHORT, STEPS_LEFT, WIDTH, convolutions
from fastrnn.estimators.shared_parameters import (
    BY_MINIBATCHES,
    SharedParameters,
    help_of_batch_size,
    help_of_max_iter,
)
from fastrnn.estimators.values import (
    CLASS_WEIGHTS,
    COLUMN,
    CONVOLUTIONS,
    LAYER_SIZES,
    NOT_NEGATIVE,
    POOLING,
    POSITIVE,
    QUANTILE,
    SHARE,
    STRIDE,
    by_choice,
    either,
    flag,
    parameter,
    whole,
    with_default,
    words,
)
from fastrnn.inputs.augmentation import (
    CROP,
    FEW_VALUES,
    IN_PLACE,
    LAST_PART,
    NOISE,
    SCALE,
    STRETCHES,
    WARP,
)
from fastrnn.inputs.column_scaling import METHODS
from fastrnn.inputs.missing import KINDS
from fastrnn.inputs.padding import PADDINGS
from fastrnn.network.attending import KINDS as KINDS_OF_ATTENTION
from fastrnn.training.budget import EVERY_STEP, LABEL_SEQUENCES, NUMBERS, TOLD_LABELS
from fastrnn.typing import Auto, CellName, Schedule


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceDefaults:
    """What learns best of sequences, chosen by `bench/defaults.py`: docs/how-good.md says how."""

    cell: CellName = with_default(SharedParameters, "cell", "gru")
    dropout: float = with_default(SharedParameters, "dropout", 0.5)
    learning_rate: Schedule = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.002)
    max_iter: int | Auto = with_default(SharedParameters, "max_iter", "auto")


@dataclass(eq=False, repr=False, kw_only=True)
class StepDefaults(SequenceDefaults):
    """What learns best where every step has an answer, chosen by `bench/hebrew.py --folds`."""

    bidirectional: bool = with_default(
        SharedParameters,
        "bidirectional",
        True,
        """
        Whether every layer also reads the sequence from its end to its start. With False the answer
        of a step depends on nothing after it: for a `stream`, and where an answer is a later value.
        """,
    )
    alpha: float = with_default(SharedParameters, "alpha", 0.03)
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.02)
    batch_size: int | Auto = with_default(
        SharedParameters, "batch_size", "auto", help_of_batch_size(EVERY_STEP)
    )
    max_iter: int | Auto = with_default(
        SharedParameters, "max_iter", "auto", help_of_max_iter(EVERY_STEP)
    )


@dataclass(eq=False, repr=False, kw_only=True)
class PoolingParameters:
    """What estimators take that say one thing of a sequence."""

    pooling: str = parameter(
        POOLING,
        "mean+max",
        """
        What the output layer sees of the top layer.

        - "last": the state at the end of each direction.
        - "mean": the mean of each unit over all time steps.
        - "max": the largest value of each unit over all time steps.
        - "attention": a mean whose weights are learned: the softmax over time of how well each
          step's state agrees with a query. That vector starts at zero, where it is the mean, and
          `alpha` draws it back there.

        Several of them stand side by side for the output layer, in the order given: "mean+max".
        """,
    )
    augment: float | Auto | None = parameter(
        either(POSITIVE, "auto", None),
        "auto",
        f"""
        How much the sequences are changed at random, anew in every epoch of training, so that the
        network learns what does not matter. At 1: up to {CROP:.0%} of the steps are left out at the
        ends, time runs faster or slower (its speed in {STRETCHES} stretches of a sequence varies by
        {WARP:.0%}), each number is scaled around its mean by a factor that varies by {SCALE:.0%},
        and noise of {NOISE:.0%} of its standard deviation is added; at 2 twice as much. In
        {IN_PLACE:.0%} of the sequences all steps stay where they are; in all, with `time_feature`
        or where values may be `missing`. Ids are read where the numbers are. The last
        {LAST_PART:.0%} of the epochs read everything as it is. None: nothing is changed. "auto": 1
        where the median length of the sequences of `fit` is {SHORT} steps or more, and a number of
        theirs takes more than {FEW_VALUES} values, as what is measured does; otherwise None. It
        helps where shapes say what a sequence is, and harms where it is exact amounts, or the first
        and last steps.
        """,
        used_by=BY_MINIBATCHES,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class LongSequenceParameters:
    """What estimators take that may read several steps of long sequences as one."""

    stride: int | Auto = parameter(
        STRIDE,
        "auto",
        f"""
        How many steps are read as one: their numbers and learned features, one after the other, and
        the share of them that is missing at the end of a sequence, whose length need not be a
        multiple. The layers then read so many times fewer steps, which is faster by about as much,
        and what is far apart comes closer. "auto": the median length of the sequences of `fit`
        divided by {STEPS_LEFT} and by the strides of `conv`, but 1 at least; 1 where every step has
        an answer of its own, as with a tagger. With ``missing="decay"`` it must be 1 or "auto".
        """,
    )
    conv: Sequence[tuple[int, int, int]] | Auto | None = parameter(
        CONVOLUTIONS,
        "auto",
        f"""
        Convolutions over time before the first layer, after `stride`, each as ``(width, kernel,
        stride)``: of every so many steps a rectified linear map of the `kernel` steps around it,
        of so many outputs; beyond the ends of a sequence there are zeros. They find short shapes
        in long sequences. None: no convolution. "auto", where each sequence has one answer, goes by
        the median length T of the sequences of `fit`: ``{convolutions(1)}`` below {SHORT} steps,
        otherwise ``(({WIDTH}, 8 * s + 1, s), ({WIDTH}, 9, 2))`` such that about {STEPS_LEFT} steps
        are left; a tagger has none. From {SHORT} steps on the filters of the first, if it reads the
        steps themselves, begin whitened for the numbers that `fit` was given.
        With ``missing="decay"`` it must be None or "auto", which is none, too.
        """,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceParameters:
    """What estimators take that read sequences with gaps, times and padding."""

    scaling: Literal["standard", "minmax", "robust"] | None = parameter(
        either(words(*METHODS), None),
        "standard",
        """
        How the numbers of `X` are brought to a common scale before the network reads them: each is
        shifted and divided by what `fit` found over all steps of all sequences. Where a number
        would be divided by 0, as one that does not vary, it is only shifted. Ids and times stay as
        they are, and what is missing is left out.

        - "standard": mean 0 and standard deviation 1; sample weights count.
        - "robust": median 0 and distance of the quartiles 1, which outliers do not move.
        - "minmax": from 0 to 1.
        - None: as they are.

        Steps of weight 0 count for none of them. `partial_fit` learns it in its first call; later
        ones, and ``warm_start=True``, go on with it.
        """,
    )
    missing: Literal["error", "mask", "decay"] = parameter(
        words(*KINDS),
        "error",
        """
        What to do with a value of `X` that is missing: NaN, None, pandas' NA and NaT, or masked.

        - "error": refuse it.
        - "mask": the network reads the last value of the sequence again, before there is any the
          mean that `fit` saw, and a mark beside every number: 1 where it is missing, else 0. Where
          an id or category is missing it has a vector of its own.
        - "decay": besides, values that are missing decay towards the mean, and the states of the
          first layer towards zero, with the time since each value was last seen, at rates that are
          learned (GRU-D, Che et al. 2018, arXiv 1606.01865). It is for every cell; a cell state
          does not decay.
        """,
    )
    time_feature: int | str | None = parameter(
        COLUMN,
        None,
        """
        Number or name of the column of `X` that has the time of each step, in any unit, or as dates
        in data frames. In its place the network reads the time since the step before, 0 for the
        first, divided by the mean that `fit` saw. None: no column is a time.
        """,
    )
    padding: Literal["nan"] | None = parameter(
        either(words(*PADDINGS), None),
        None,
        """
        "nan": time steps at the end of a sequence that are NaN in every feature are padding, as in
        an array (n_sequences, T, n_features) of sequences of unequal length, and are cut off. Tags
        and weights of such steps do not count. None: nothing is padded.
        """,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class ClassParameters:
    """What estimators take that say labels."""

    class_weight: dict[Any, float] | Literal["balanced"] | None = parameter(
        CLASS_WEIGHTS,
        None,
        """
        Weight of each class in the loss, by label; a class that is not named has weight 1.
        "balanced" gives every class the same total weight, of a tagger over all steps;
        `partial_fit`, which does not see all of `y`, refuses it. Where each sequence may have
        several labels it must be None.
        """,
        stays=("finite", "positive"),
    )


BUDGETS = {"attention": TOLD_LABELS, "ctc": LABEL_SEQUENCES}
"""What "auto" spends, by alignment."""

_HELP_OF_MAX_ITER = help_of_max_iter(
    TOLD_LABELS, otherwise={'with ``alignment="ctc"``': LABEL_SEQUENCES}
)

BY_ATTENTION = ("alignment", ("attention",))


@dataclass(eq=False, repr=False, kw_only=True)
class Seq2SeqParameters(SequenceDefaults):
    """What `RNNSeq2Seq` takes besides, or otherwise."""

    bidirectional: bool = with_default(SharedParameters, "bidirectional", True)
    dropout: Any = by_choice(
        SharedParameters, "dropout", "alignment", {"attention": 0.2, "ctc": 0.5}
    )
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.01)
    batch_size: int | Auto = with_default(
        SharedParameters, "batch_size", "auto", help_of_batch_size(LABEL_SEQUENCES)
    )
    max_iter: int | Auto = with_default(SharedParameters, "max_iter", "auto", _HELP_OF_MAX_ITER)
    alignment: Literal["attention", "ctc"] = parameter(
        words("attention", "ctc"),
        "attention",
        """
        How labels are found.

        - "attention": an encoder reads the sequence, and a decoder tells the labels one after the
          other, for each of which it looks at all steps. For labels of any order and number.
        - "ctc": connectionist temporal classification, for labels that come in the order of the
          steps, as in speech: every step says a label, or a blank.
        """,
    )
    beam_size: int = parameter(
        whole(1),
        1,
        """
        How many beginnings of label sequences `predict` keeps while it searches for the likeliest
        labels. 1 takes the likeliest output of each step, which is much faster.
        """,
    )
    attention: Literal["dot", "general", "additive"] = parameter(
        words(*KINDS_OF_ATTENTION),
        "general",
        """
        How well a step suits what the decoder looks for: its state h, and y what the encoder says
        of the step.

        - "general": ``h . y W`` (Luong et al. 2015).
        - "dot": ``h . y``, for as many units of the decoder's top layer as the encoder's has
          outputs.
        - "additive": ``v . tanh(h U + y W + b)`` (Bahdanau et al. 2015), which takes longer.
        """,
        used_by=BY_ATTENTION,
    )
    input_feeding: bool = parameter(
        flag(),
        False,
        """
        Whether the decoder also reads what it paid attention to at the step before (Luong et al.
        2015). Then its steps wait for each other: training takes several times longer.
        """,
        used_by=BY_ATTENTION,
    )
    decoder_layer_sizes: int | Sequence[int] | None = parameter(
        either(LAYER_SIZES, None),
        None,
        """
        Hidden units of each layer of the decoder. None: as `hidden_layer_sizes`; with
        ``attention="dot"`` the top layer is as wide as the outputs of the encoder.
        """,
        used_by=BY_ATTENTION,
    )
    label_embedding_dim: int | None = parameter(
        either(whole(1), None),
        None,
        """
        Length of the vectors that labels have for the decoder; None leaves it to the rule of
        `embedding_dim`.
        """,
        used_by=BY_ATTENTION,
    )
    tie_weights: bool = parameter(
        flag(),
        False,
        """
        Whether the output layer has the vectors of the labels as its weights, which are as long as
        the decoder's top layer is wide.
        """,
        used_by=BY_ATTENTION,
    )
    label_smoothing: float = parameter(
        SHARE,
        0.0,
        """
        Share of the weight of each label in the loss that is spread over all labels, in [0, 1).
        """,
        used_by=BY_ATTENTION,
    )
    scheduled_sampling: float = parameter(
        SHARE,
        0.0,
        """
        Probability that in training the decoder reads, in the place of a true label, one that it
        would have said itself, in [0, 1).
        """,
        used_by=BY_ATTENTION,
    )
    length_normalization: float = parameter(
        NOT_NEGATIVE,
        0.0,
        """
        Hypotheses of different lengths are compared by the logarithm of their probability divided
        by their length, the end counted, to the power of this. Above 0, long ones are preferred.
        """,
        used_by=BY_ATTENTION,
    )
    max_length: int | None = parameter(
        either(whole(1), None),
        None,
        """
        Most labels that are predicted for a sequence. None: twice as many as the longest had that
        the first `fit` has seen, and one.
        """,
        used_by=BY_ATTENTION,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class TaggerParameters:
    """What `RNNTagger` takes besides."""

    output: Literal["softmax", "crf"] = parameter(
        words("softmax", "crf"),
        "softmax",
        """
        What stands on the states.

        - "softmax": at each step the probabilities of the classes, by themselves.
        - "crf": a conditional random field (Lafferty et al. 2001), which learns besides how well
          each class follows each, begins and ends a sequence, and gives whole sequences of labels a
          probability: for tags that depend on their neighbours, such as those of spans.
        """,
    )
    constraints: Literal["bio", "bilou"] | None = parameter(
        either(words("bio", "bilou"), None),
        None,
        """
        Which labels may follow which with ``output="crf"``, in training and predictions.

        - "bio": labels are "O", or a type after "B-" at the beginning of a span and after "I-"
          inside of one: "I-PER" follows "B-PER" or "I-PER".
        - "bilou": besides, "L-" is for the last step of a span, and "U-" for one of a single step.
        - None: every label may follow every label.
        """,
        used_by=("output", ("crf",)),
    )


@dataclass(eq=False, repr=False, kw_only=True)
class RegressorParameters:
    """What `RNNRegressor` takes besides, or otherwise: amounts are to stay as they are."""

    augment: float | Auto | None = with_default(PoolingParameters, "augment", None)
    max_iter: int | Auto = with_default(
        SharedParameters, "max_iter", "auto", help_of_max_iter(NUMBERS)
    )
    loss: Literal["squared_error", "quantile", "poisson"] = parameter(
        words("squared_error", "quantile", "poisson"),
        "squared_error",
        """
        What training minimizes.

        - "squared_error": predictions are means.
        - "quantile": the pinball loss; predictions are the quantiles of `quantile`.
        - "poisson": half the Poisson deviance, for counts and other amounts, `y` >= 0. Predictions
          are means, and above 0: the network gives their logarithm.
        """,
    )
    quantile: Any = parameter(
        QUANTILE,
        0.5,
        """
        Level of the quantile that ``loss="quantile"`` learns, in (0, 1). Or several, rising, that
        enclose 0.5, such as ``(0.1, 0.5, 0.9)``: `predict` then gives the median, and
        `predict_quantiles` all of them.
        """,
        used_by=("loss", ("quantile",)),
    )
