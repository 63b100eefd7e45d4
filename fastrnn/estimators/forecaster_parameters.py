"""The parameters of `RNNForecaster`, or its own form of a shared one: a table."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from fastrnn.estimators.shared_parameters import (
    SharedParameters,
    help_of_batch_size,
    help_of_max_iter,
)
from fastrnn.estimators.values import (
    CALENDAR,
    COUNT_OR_AUTO,
    FREQUENCY,
    HOLIDAYS,
    LEVELS_OR_AUTO,
    either,
    flag,
    never,
    parameter,
    whole,
    with_default,
    words,
)
from fastrnn.inputs.scaling import LOG1P
from fastrnn.training.budget import WINDOWS
from fastrnn.typing import Auto, CellName, Schedule


@dataclass(eq=False, repr=False)
class ForecasterParameters:
    """What `RNNForecaster` takes besides, or otherwise; docs/forecast.md says how it was chosen."""

    hidden_layer_sizes: int | Sequence[int] = with_default(
        SharedParameters, "hidden_layer_sizes", 96
    )
    _: KW_ONLY
    cell: CellName = with_default(SharedParameters, "cell", "gru")
    learning_rate: Schedule = with_default(SharedParameters, "learning_rate", "cosine")
    learning_rate_init: float = with_default(SharedParameters, "learning_rate_init", 0.003)
    batch_size: int | Auto = with_default(
        SharedParameters, "batch_size", "auto", help_of_batch_size(WINDOWS, "windows")
    )
    max_iter: int | Auto = with_default(
        SharedParameters, "max_iter", "auto", help_of_max_iter(WINDOWS, "windows")
    )
    bidirectional: bool = parameter(
        never("a forecast may not read from the end"),
        False,
        "Always False: a forecast may not read from the end.",
    )
    strategy: Literal["recursive", "direct"] = parameter(
        words("recursive", "direct"),
        "direct",
        """
        "direct": at every step the network forecasts the next `horizon` steps at once. "recursive":
        it forecasts one step, and its forecast is read as if it had been observed to forecast the
        next one, as far as wanted.
        """,
    )
    horizon: int | Auto = parameter(
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
    scaling: Literal["difference", "standard", "level"] | None = parameter(
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
    log: bool | Literal["log1p", "auto"] = parameter(
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
    lags: int | Auto = parameter(
        COUNT_OR_AUTO,
        "auto",
        """
        How many values of a series the network reads at every step: the last one, and those before
        it. With ``scaling="difference"`` it reads how far each of these is from the last one,
        divided by the root of the steps between. 1 is the last alone; "auto" is a season.
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
    likelihood: Literal["student_t", "negative_binomial", "poisson"] | None = parameter(
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
    calibrate: Literal["cv"] | None = parameter(
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
    missing: Literal["error", "mask"] = parameter(
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
    calendar_features: Sequence[str] | None = parameter(
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
    window: int | Auto | None = parameter(
        either(whole(2), "auto", None),
        "auto",
        """
        Most steps of a series to train on at once. A longer series is cut into windows of so many
        steps, of which each repeats half of the one before, to begin with a memory; so one long
        series makes many steps of the solver in an epoch. "auto" is four seasons, and at least 48
        steps; None trains on whole series.
        """,
    )
    origin_step: int | Auto | None = parameter(
        either(whole(1), "auto", None),
        "auto",
        """
        Series are read in training as they were known at origins so many steps apart: each time the
        last `window` steps, on the scale of what was known then, to learn what followed the steps
        since the origin before. That is what the network does when it forecasts. "auto" is a
        season, and at least 4; less of few long series, so that there are 256 origins, and more of
        series of tens of thousands of steps, all of which are read at each origin. None reads
        whole series, on a scale and with a seasonal pattern in which there is something of what is
        to come.
        """,
    )
