"""The parameters of some estimators alone, or their own form of a shared one: more tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastrnn.estimators.long_sequences import SHORT, STEPS_LEFT, WIDTH, convolutions
from fastrnn.estimators.shared_parameters import (
    BY_MINIBATCHES,
    STOCHASTIC,
    SharedParameters,
    help_of_batch_size,
    help_of_max_iter,
)
from fastrnn.estimators.values import (
    CALENDAR,
    CLASS_WEIGHTS,
    COLUMN,
    CONVOLUTIONS,
    COUNT_OR_AUTO,
    FREQUENCY,
    HOLIDAYS,
    LEVELS_OR_AUTO,
    NORMALIZATION,
    POOLING,
    POSITIVE,
    QUANTILE,
    STEPS,
    STRIDE,
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
from fastrnn.inputs.augmentation import CROP, NOISE, SCALE, STRETCHES, WARP
from fastrnn.inputs.column_scaling import METHODS
from fastrnn.inputs.missing import KINDS
from fastrnn.inputs.padding import PADDINGS
from fastrnn.inputs.scaling import LOG1P
from fastrnn.training.budget import EVERY_STEP, ONE_ANSWER, WINDOWS


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceDefaults:
    """What learns best of sequences, chosen by `bench/defaults.py`: docs/how-good.md says how."""

    cell: str = with_default(SharedParameters, "cell", "gru")
    dropout: float = with_default(SharedParameters, "dropout", 0.5)
    learning_rate: str = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.002)
    max_iter: int | str = with_default(SharedParameters, "max_iter", "auto")


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
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.02)
    batch_size: int | str = with_default(
        SharedParameters, "batch_size", "auto", help_of_batch_size(EVERY_STEP)
    )
    max_iter: int | str = with_default(
        SharedParameters, "max_iter", "auto", help_of_max_iter(EVERY_STEP)
    )


@dataclass(eq=False, repr=False, kw_only=True)
class PoolingParameters:
    """What estimators take that say one thing of a sequence."""

    pooling: str = parameter(
        POOLING,
        "max",
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
    augment: float | str | None = parameter(
        either(POSITIVE, "auto", None),
        None,
        f"""
        How much the sequences are changed at random, anew in every epoch of training, so that the
        network learns what does not matter. At 1: up to {CROP:.0%} of the steps are left out at the
        ends, time runs faster or slower (its speed in {STRETCHES} stretches of a sequence varies by
        {WARP:.0%}), each number is scaled around its mean by a factor that varies by {SCALE:.0%},
        and noise of {NOISE:.0%} of its standard deviation is added; at 2 twice as much. Ids are
        read where the numbers are. With `time_feature`, or where values may be `missing`, steps
        stay where they are. None: nothing is changed. "auto": 1 where the median length of the
        sequences of `fit` is {SHORT} steps or more, otherwise None. It helps where shapes say what
        a sequence is, and harms where it is exact amounts, or the first and last steps.
        """,
        used_by=BY_MINIBATCHES,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class LongSequenceParameters:
    """What estimators take that may read several steps of long sequences as one."""

    stride: int | str = parameter(
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
    conv: tuple[tuple[int, int, int], ...] | str | None = parameter(
        CONVOLUTIONS,
        "auto",
        f"""
        Convolutions over time before the first layer, after `stride`, each as ``(width, kernel,
        stride)``: of every so many steps a rectified linear map of the `kernel` steps around it,
        of so many outputs; beyond the ends of a sequence there are zeros. They find short shapes
        in long sequences. None: no convolution. "auto", where each sequence has one answer, goes by
        the median length T of the sequences of `fit`: ``{convolutions(1)}`` below {SHORT} steps,
        otherwise ``(({WIDTH}, 8 * s + 1, s), ({WIDTH}, 9, 2))`` such that about {STEPS_LEFT} steps
        are left; a tagger has none.
        With ``missing="decay"`` it must be None or "auto", which is none, too.
        """,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceParameters:
    """What estimators take that read sequences with gaps, times and padding."""

    scaling: str | None = parameter(
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
    missing: str = parameter(
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
    padding: str | None = parameter(
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

    class_weight: dict[Any, float] | str | None = parameter(
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


@dataclass(eq=False, repr=False, kw_only=True)
class RegressorParameters:
    """What `RNNRegressor` takes besides."""

    loss: str = parameter(
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


@dataclass(eq=False, repr=False, kw_only=True)
class ForecasterParameters:
    """What `RNNForecaster` takes besides, or otherwise; docs/forecast.md says how it was chosen."""

    hidden_layer_sizes: int | tuple[int, ...] = with_default(
        SharedParameters, "hidden_layer_sizes", 96
    )
    cell: str = with_default(SharedParameters, "cell", "gru")
    learning_rate: str = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.003)
    batch_size: int | str = with_default(
        SharedParameters, "batch_size", "auto", help_of_batch_size(WINDOWS, "windows")
    )
    max_iter: int | str = with_default(
        SharedParameters, "max_iter", "auto", help_of_max_iter(WINDOWS, "windows")
    )
    bidirectional: bool = parameter(
        never("a forecast may not read from the end"),
        False,
        "Always False: a forecast may not read from the end.",
    )
    strategy: str = parameter(
        words("recursive", "direct"),
        "direct",
        """
        "direct": at every step the network forecasts the next `horizon` steps at once. "recursive":
        it forecasts one step, and its forecast is read as if it had been observed to forecast the
        next one, as far as wanted.
        """,
    )
    horizon: int | str = parameter(
        COUNT_OR_AUTO,
        "auto",
        """
        Steps that ``strategy="direct"`` forecasts at once; beyond them `predict` reads its own
        forecasts as if they had been observed. "auto" is two seasons, and at least 8
        steps, but no more than the longest series has after the first steps that are learned from.
        Where covariates or dates tell of the steps to come, and nothing is known of the past alone,
        "auto" is 1, so that what is known of a step is read just before it is forecast, unless
        `calibrate` asks for bands.
        """,
        used_by=("strategy", ("direct",)),
    )
    scaling: str | None = parameter(
        either(words("difference", "standard", "level"), None),
        "difference",
        """
        How each series is scaled.

        - "difference": the network reads how far each value is from the one before, and forecasts
          how far the next ones are from the last one, in units of the mean absolute difference of
          the series. Right for series that drift.
        - "standard": mean 0 and standard deviation 1.
        - "level": divided by the mean absolute value.
        - None: as they are.
        """,
    )
    log: bool | str = parameter(
        either(flag(), LOG1P, "auto"),
        "auto",
        """
        Whether to take logarithms before, for series above 0 whose changes grow with their level.
        "log1p" is for those with zeros or values below, and as good above: ``log(1 + |y| / u)``
        with the sign of y, where u is a tenth of the mean size of the series, so that it does not
        depend on its unit. "auto" is "log1p" if no series of `fit` has a value below 0, else False,
        as for counts with a `likelihood`.
        """,
    )
    seasonality: int | None = parameter(
        either(whole(2), None),
        None,
        """
        Steps of a season, such as 12 for months. The seasonal pattern of each series, if it has a
        significant one, is taken out before and put back on afterwards; with `log` it is
        multiplicative. It is also the season of the forecast to beat in `backtest` and `score`.
        """,
    )
    scale_feature: bool = parameter(
        flag(),
        True,
        """
        Whether the network also reads, at every step, how much the series varies: the logarithm of
        its mean absolute change from one step to the next, after `log` and `seasonality`; without
        `log` as a share of its mean size. Scaled as they are, a calm series looks like a wild one.
        """,
    )
    quantiles: Any = parameter(
        LEVELS_OR_AUTO,
        "auto",
        """
        Levels of quantiles to learn, rising, in (0, 1), such as ``(0.1, 0.5, 0.9)``; they must
        enclose 0.5, since `predict` gives the median then. None learns the mean (of scaled values)
        by squared error. With ``strategy="recursive"`` only ``(0.5,)`` will do: of forecasts that
        are fed back the spread is not known. "auto" is ``(0.1, 0.5, 0.9)``, with
        ``strategy="recursive"`` ``(0.5,)``, and None with a `likelihood`.
        """,
    )
    likelihood: str | None = parameter(
        either(words("student_t", "negative_binomial", "poisson"), None),
        None,
        """
        A distribution of each forecast to learn, for `predict_quantiles` of any level and
        `predict_samples`; instead of `quantiles`.

        - "student_t": numbers with heavy tails; `predict` gives the median.
        - "negative_binomial": counts; `predict` gives the mean.
        - "poisson": counts whose variance is their mean.

        Counts are whole numbers >= 0 and can only be divided: with ``scaling="level"`` by one more
        than the mean of the series, which mean and dispersion are multiplied with (DeepAR, Salinas
        et al. 2020); other scaling and `log` are errors, and no seasonal pattern is taken out.
        """,
    )
    calibrate: str | None = parameter(
        either(words("cv"), None),
        None,
        """
        "cv": quantiles are corrected so that they cover what they should, by forecasts of series
        that were held out (conformal prediction): those of one half by a model trained on the
        other, from rolling origins; of fewer than 20 series the last thirds. That takes two fits
        more, or one. It is for ``strategy="direct"`` and several `quantiles`; medians stay, where
        quantiles did not cross.
        """,
    )
    missing: str = parameter(
        words("error", "mask"),
        "error",
        """
        What to do with a value that is missing (NaN), and with a time stamp that has no row.
        "mask": it is left out of the loss, and the network reads the last value again, with a mark
        in an input of its own.
        """,
    )
    freq: Any = parameter(
        FREQUENCY,
        None,
        """
        The distance of the time stamps of series in data frames, or with an index. None learns it
        for each series; "rows" asks for none: each row is a step, whatever its stamp. Else an alias
        as those of pandas, such as "D" (day), "B" (business day), "W" or "W-MON" (week), "MS" or
        "ME" (start or end of the month), "QS" or "QE-MAR" (of the quarter), "YS", "YE" (of the
        year), "h", "15min", "s"; also a number, a timedelta, or an offset of pandas.
        """,
    )
    calendar_features: tuple[str, ...] | None = parameter(
        CALENDAR,
        None,
        """
        What the network is told of the dates of steps, past and to come: some of "minute" (of the
        hour), "hour" (time of the day), "weekday", "day" (of the month), "day_of_year", "month" and
        "quarter", each as a sine and a cosine of where the step is in that cycle, by the clocks of
        the zone of the stamps. Series then need time stamps that are dates.
        """,
    )
    holidays: Any = parameter(
        HOLIDAYS,
        None,
        """
        Days that are special, past and to come, which the network is told by a 1: dates, or text
        such as "2024-12-25". A dict of such by name has a column for each name. For steps of a day
        at most, with time stamps that are dates.
        """,
    )
    window: int | str | None = parameter(
        either(whole(2), "auto", None),
        "auto",
        """
        Most steps of a series to train on at once. A longer series is cut into windows of so many
        steps, of which each repeats half of the one before, to begin with a memory; so one long
        series makes many steps of the solver in an epoch. "auto" is four seasons, and at least 48
        steps; None trains on whole series.
        """,
    )
    origin_step: int | str | None = parameter(
        either(whole(1), "auto", None),
        "auto",
        """
        Series are read in training as they were known at origins so many steps apart: each time the
        last `window` steps, on the scale of what was known then, to learn what followed the steps
        since the origin before. That is what the network does when it forecasts. "auto" is a
        season, and at least 4; less of few long series, so that there are 256 origins. None reads
        whole series, on a scale and with a seasonal pattern in which there is something of what is
        to come.
        """,
    )


@dataclass(eq=False, repr=False, kw_only=True)
class LanguageModelParameters:
    """What `RNNLanguageModel` takes besides, or otherwise."""

    tokenizer: str | Callable = parameter(
        TOKENIZER,
        "char",
        """
        How a text becomes tokens: every character is one, words and signs, or what the callable
        returns. See `fastrnn.preprocessing.TokenEncoder`, also for the next four.
        """,
    )
    lowercase: bool = parameter(flag(), False, "Whether tokens are made lower case.")
    normalization: str | None = parameter(
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
    solver: str = parameter(
        words(*STOCHASTIC),
        "adam",
        """
        How the weights are found, always on minibatches. "rmsprop" has no momentum and a decay of
        0.99.
        """,
    )
    batch_size: int | str = parameter(
        COUNT_OR_AUTO,
        32,
        """
        Number of streams that one long text is cut into, fewer where they would be shorter than
        `bptt_steps`; of separate texts, how many make a minibatch. "auto" goes by the number of
        windows, or of texts, as `RNNClassifier` goes by that of sequences.
        """,
        used_by=BY_MINIBATCHES,
    )
    learning_rate: str = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.01)
    max_iter: int | str = with_default(
        SharedParameters,
        "max_iter",
        "auto",
        help_of_max_iter(ONE_ANSWER, "sequences, or windows of one long text"),
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
