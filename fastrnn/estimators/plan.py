"""From time series to what a network reads and learns at every step, and from its outputs back."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastrnn.estimators.distributions import DISTRIBUTIONS
from fastrnn.estimators.forecaster_parameters import ForecasterParameters
from fastrnn.estimators.lessons import WHOLE, Lessons, has_target
from fastrnn.estimators.parameters import parameters_of
from fastrnn.estimators.quantiles import between
from fastrnn.files.codec import Added, Flag, ListOf, Number, Optional, Record, Text, Whole
from fastrnn.inputs.columns import Columns
from fastrnn.inputs.missing import last_observed
from fastrnn.inputs.scaling import (
    COUNTS,
    LOG1P,
    LOGS,
    Scale,
    check_counts,
    check_positive,
    learn_scale,
)
from fastrnn.inputs.sequences import Sequences, as_sequences
from fastrnn.network.heads import HEADS
from fastrnn.streams.snapshot import Forecast, Reading, Snapshot, start_of


@dataclass(frozen=True, eq=False)
class SeriesReading:
    """One series of n steps as the network reads it."""

    scale: Scale
    scaled: np.ndarray  # (n,)
    last: float  # the last value that was observed, scaled
    base: np.ndarray  # (n,), what the forecasts of each step are relative to
    inputs: np.ndarray  # (n, width), what is read, ids among it
    lagged: np.ndarray  # (n_lags,), the last values, scaled, the last one first
    future: np.ndarray  # scaled covariates that are known beforehand, n steps or more
    fixed: np.ndarray  # (n_fixed,), what is read of the whole series at every step


@dataclass(frozen=True, eq=False)
class Plan:
    """How series become inputs and targets.

    `scaling`, `log` and `seasonality` are as `fastrnn.inputs.scaling.learn_scale` takes them.
    """

    n_ahead: int  # steps that the network forecasts at once
    scaling: str | None
    log: bool | str
    seasonality: int | None
    quantiles: tuple[float, ...] | None  # that the network learns of each step; None for the mean
    mask: bool  # whether an input says which values are missing
    feeds_back: bool  # whether forecasts are read to forecast further
    scale_feature: bool = False  # whether the spread of each series is read at every step
    likelihood: str | None = None  # of the distribution that the network learns instead
    lags: int = 1  # values that are read at every step, the last one and those before it

    @property
    def n_outputs(self):
        """Number of outputs of the network."""
        if self.likelihood is not None:
            return self.n_ahead * HEADS[self.likelihood].n_parameters
        return self.n_ahead * len(self.quantiles or (0.5,))

    @property
    def pattern(self):
        """Steps of the seasonal pattern that is taken out; None without one, as of counts."""
        return None if self.counts else self.seasonality

    @property
    def scales_by(self):
        """The word for `learn_scale`."""
        return COUNTS if self.counts and self.scaling else self.scaling

    @property
    def counts(self):
        """Whether values are counts."""
        return self.likelihood is not None and DISTRIBUTIONS[self.likelihood].counts

    def width(self, covariates):
        """How many columns the network reads, ids among them."""
        n_past = len(covariates.mean) - covariates.n_future
        n_behind = self.n_lags + self.n_fixed
        return 1 + self.mask + n_past + self.n_ahead * covariates.n_future + n_behind

    @property
    def n_lags(self):
        """How many values before the last one are read, which stand behind covariates."""
        return self.lags - 1

    @property
    def n_fixed(self):
        """How many numbers are read of the whole series, which stand behind all others."""
        return int(self.scale_feature)

    @property
    def season(self):
        """Steps of a season; 1 without."""
        return self.seasonality or 1

    @property
    def is_relative(self):
        """Whether what is read and forecast are differences."""
        return self.scaling == "difference"

    def read(self, series, i, covariates, known=None):
        """Read one series with its covariates, as it is when so many steps are known, or all."""
        values = series.values[i][:known]
        scale = self._learn_scale(values, series.name(i))
        scaled = scale.apply(values)
        n = len(scaled)
        missing = np.isnan(scaled)
        last = last_observed(missing[:, np.newaxis], np.array([0, n]))[:, 0]
        carried = np.where(last < 0, np.nan, scaled[last])
        seen = np.diff(carried, prepend=carried[0]) if self.is_relative else carried
        base = carried if self.is_relative else np.zeros(n)
        marks = missing[:, np.newaxis][:, : int(self.mask)]
        future, past = covariates.scale(series.future[i], series.past[i][:known])
        ahead = self.look_ahead(future, 0, n, covariates.unknown)
        fixed = np.array([scale.feature])[: self.n_fixed]
        told = carried[last >= 0]  # from the first value on, which stands for those before
        history = np.concatenate([np.full(self.n_lags + n - len(told), told[0]), told])
        before = np.where(last[:, np.newaxis] < 0, 0.0, self.look_back(history))
        own = [np.nan_to_num(seen)[:, np.newaxis], marks]
        inputs = np.hstack([*own, past, ahead, before, np.tile(fixed, (n, 1))])
        lagged = history[: n - 1 : -1]
        return SeriesReading(scale, scaled, float(carried[-1]), base, inputs, lagged, future, fixed)

    def _check(self, values, name):
        """Check that values are what the plan is for."""
        check_positive(values, self.log, name)
        if self.counts:
            check_counts(values, name, self.likelihood)

    def _learn_scale(self, values, name):
        self._check(values, name)
        return learn_scale(values, self.scales_by, self.log, self.pattern, name)

    def look_back(self, history):
        """What is read of the values before each of some steps, (..., n_steps, n_lags).

        `history` are the values of these steps, scaled, behind the `n_lags` before them. Nearest
        ones come first: as they are, or how far they are from the value of the step by the root of
        the steps between, as far as a series drifts in so many.
        """
        windows = np.lib.stride_tricks.sliding_window_view(history, self.lags, axis=-1)
        before = windows[..., -2::-1]
        if self.is_relative:
            before = (before - windows[..., -1:]) / np.sqrt(np.arange(1, self.lags))
        return before

    def look_ahead(self, future, begin, end, unknown):
        """What is known at some steps of the scaled future covariates of the steps after each.

        A row for each step from `begin` up to `end`: those of the next step, then of the one after
        it, and so on; `unknown` stands for those of targets beyond the end.
        """
        rows = np.arange(begin, end)[:, np.newaxis] + np.arange(1, self.n_ahead + 1)
        known = np.vstack([future, unknown])
        return known[np.minimum(rows, len(future))].reshape(end - begin, -1)

    def columns(self, covariates):
        """Say which columns of what the network reads are ids, and where their vectors are.

        The second value has for each id the number of its covariate among those that are ids: steps
        ahead share the table of their covariate.
        """
        n_future = covariates.n_future
        first_past = 1 + self.mask
        first = first_past + len(covariates.mean) - n_future
        place = {}
        for k, j in enumerate(covariates.columns.ids):
            if j < n_future:
                place.update({first + step * n_future + j: k for step in range(self.n_ahead)})
            else:
                place[first_past + j - n_future] = k
        ids = tuple(sorted(place))
        return (
            Columns(
                width=self.width(covariates),
                ids=ids,
                n_categories=tuple(covariates.n_rows[place[j]] for j in ids),
                categories=(None,) * len(ids),
            ),
            tuple(place[j] for j in ids),
        )

    def lessons(self, series, covariates, dtype, cuts=WHOLE):
        """Make what the network reads and learns of series, cut so."""
        parts = [cuts.of(values, self.season) for values in series.values]
        n_steps = sum(cut.end - cut.begin for of_series in parts for cut in of_series)
        target = np.empty((n_steps, self.n_ahead), dtype)
        inputs, weights, places, lengths, numbers, units, row = [], [], [], [], [], [], 0
        still = []  # what is learned where nothing varies: that it does not
        for i, of_series in enumerate(parts):
            values, reading, known = series.values[i], None, None
            self._check(values, series.name(i))
            for cut in of_series:
                if cut.known != known:
                    known = cut.known
                    reading = self.read(series, i, covariates, known)
                    after = self._after(reading, values, known)
                steps, here = np.arange(cut.begin, cut.end), target[row : row + cut.end - cut.begin]
                base = reading.base[cut.begin : cut.end, np.newaxis]
                with np.errstate(over="ignore"):  # the inputs have the same value, and name it
                    np.subtract(after[cut.begin : cut.end], base, out=here, casting="unsafe")
                inputs.append(reading.inputs[cut.begin : cut.end])
                varies = known == len(values) or reading.scale.factor > 0
                counts = has_target(here) & (steps >= cut.first)
                weights.append(counts & varies)
                still.append(counts & ~np.nan_to_num(here).any(axis=1))
                places.append(steps)
                lengths.append(np.full(len(steps), len(values)))
                numbers.append(i)
                with np.errstate(over="ignore"):
                    units.append(np.full(len(steps), reading.scale.factor or 1.0, dtype))
                row += len(steps)
        if not inputs:
            raise ValueError(NO_LESSON)
        weight = np.concatenate(weights)
        if not weight.any():
            weight = np.concatenate(still)
        sequences = as_sequences(inputs, dtype=dtype, columns=self.columns(covariates)[0])
        return Lessons(
            **{field.name: getattr(sequences, field.name) for field in fields(Sequences)},
            target=target,
            weight=weight.astype(dtype),
            place=np.concatenate(places),
            length=np.concatenate(lengths),
            number=np.array(numbers),
            unit=np.concatenate(units) if self.counts else None,
            plan=self,
            covariates=covariates,
            series=series,
        )

    def _after(self, reading, values, known):
        """The `n_ahead` values after each known step, (known, n_ahead), scaled; NaN for none."""
        following = values[known : known + self.n_ahead]
        padded = np.full(known - 1 + self.n_ahead, np.nan)
        padded[: known - 1] = reading.scaled[1:]
        padded[known - 1 :][: len(following)] = reading.scale.apply(following, known)
        return np.lib.stride_tricks.sliding_window_view(padded, self.n_ahead)

    def sketch(self, series, covariates, dtype, cuts=WHOLE):
        """Make lessons of the same sizes that take no memory, to know how much they would take."""
        columns, _ = self.columns(covariates)
        parts = [cuts.of(values, self.season) for values in series.values]
        sizes = [cut.end - cut.begin for of_series in parts for cut in of_series]
        offsets = np.cumsum([0, *sizes])

        def zeros(width, dtype):
            return np.broadcast_to(np.zeros((), dtype), (offsets[-1], *width))

        n_ids = len(columns.ids)
        return Lessons(
            values=zeros((columns.width - n_ids,), dtype),
            offsets=offsets,
            ids=zeros((n_ids,), np.int64) if n_ids else None,
            columns=columns,
            target=zeros((self.n_ahead,), dtype),
            weight=zeros((), dtype),
            place=zeros((), np.int64),
            length=zeros((), np.int64),
            number=np.zeros(len(sizes), np.int64),
            unit=zeros((), dtype) if self.counts else None,
            plan=self,
            covariates=covariates,
            series=series,
        )

    def check_same(self, other, what):
        """Check that training can go on with another plan."""
        for name, value in vars(self).items():
            if getattr(other, name) != value:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has {name}={value!r}, not "
                    f"{getattr(other, name)!r}"
                )

    def follow(self, network, series, covariates, levels, n_jobs, weights):
        """Prepare streams that read on where series end, each on the scale of its series.

        Without `levels` they forecast the median, or the mean, without an axis of levels.
        """
        readings = [self.read(series, i, covariates) for i in range(len(series))]
        columns, _ = self.columns(covariates)
        inputs = [reading.inputs for reading in readings]
        states = network.initial_states(len(series))
        network.read_on(
            as_sequences(inputs, dtype=network.dtype, columns=columns), states, n_jobs=n_jobs
        )
        above, share = between(self.quantiles or (0.5,), (0.5,) if levels is None else levels)
        scales = [reading.scale for reading in readings]
        length = np.lcm.reduce([len(scale.season) for scale in scales])
        start = start_of(states)
        start["n_steps"] = np.array([len(values) for values in series.values])
        start["last"] = np.array([reading.last for reading in readings])
        if self.n_lags:
            start["lagged"] = np.array([reading.lagged for reading in readings])
        return Snapshot(
            network,
            self._columns_of_steps(columns, covariates),
            forecast=Forecast(
                n_ahead=self.n_ahead,
                n_learned=len(self.quantiles or (0.5,)),
                above=above,
                share=share,
                is_median=levels is None,
                mask=self.mask,
                relative=self.is_relative,
                log=LOGS.index(self.log),
                unit=np.array([scale.unit for scale in scales]),
                factor=np.array([scale.factor for scale in scales]),
                shift=np.array([scale.shift for scale in scales]),
                season=np.array([np.resize(scale.season, length) for scale in scales]),
                fixed=np.array([reading.fixed for reading in readings]),
                n_lags=self.n_lags,
            ),
            start=start,
            weights=weights,
        )

    def _columns_of_steps(self, columns, covariates):
        """Say how the columns of a step of a stream are read: what the network reads, but for the
        mark of a missing value, values before it and what is read of the whole series."""
        numbers = np.array([j for j in range(columns.width) if j not in columns.ids], np.int64)
        mean, deviation = np.zeros(columns.width), np.ones(columns.width)
        first, n_future = 1 + self.mask, covariates.n_future
        n_past = len(covariates.mean) - n_future
        ahead = first + n_past
        for scale, values in ((mean, covariates.mean), (deviation, covariates.deviation)):
            scale[first:ahead] = values[n_future:]
            scale[ahead : ahead + n_future * self.n_ahead] = np.tile(
                values[:n_future], self.n_ahead
            )
        n_ids = dict(zip(covariates.columns.ids, covariates.columns.n_categories, strict=True))
        limits = []
        for j in columns.ids:
            limits.append(n_ids[(j - ahead) % n_future if j >= ahead else n_future + j - first])
        given = columns.width - self.n_lags - self.n_fixed
        return Reading(
            given - self.mask,
            np.where(numbers < given, np.maximum(0, numbers - self.mask), 0),
            tuple(j - self.mask for j in columns.ids),
            tuple(limits),
            center=mean[numbers],
            deviation=deviation[numbers],
        )


USUAL_LEVELS = (0.1, 0.5, 0.9)


def levels_of(parameters: Any) -> tuple[float, ...] | None:
    """The quantiles that an estimator learns, as its parameters are; None without."""
    levels = parameters.quantiles
    if isinstance(levels, str):  # "auto"
        if parameters.likelihood is not None:
            return None
        return USUAL_LEVELS if parameters.strategy == "direct" else (0.5,)
    return None if levels is None else tuple(map(float, levels))


def check_likelihood(
    likelihood: str | None,
    quantiles: tuple[float, ...] | None,
    scaling: str | None,
    log: bool | str,
) -> None:
    """Check that a likelihood goes with what else is asked for; "auto" does."""
    if likelihood is None:
        return
    if quantiles is not None:
        raise ValueError(
            f"likelihood={likelihood!r} and quantiles={quantiles!r} are given, expected one: a "
            "likelihood has quantiles of any level"
        )
    takes_log = log != "auto" and log
    if DISTRIBUTIONS[likelihood].counts and (scaling not in ("level", None) or takes_log):
        raise ValueError(
            f"likelihood={likelihood!r} is for counts, which can only be divided: it needs "
            f"scaling='level' or None, got {scaling!r}, and log=False, got {log!r}"
        )


def _check_plan(fields):
    for name in ("scaling", "log", "seasonality", "quantiles", "likelihood"):
        parameters_of(ForecasterParameters)[name].check(fields[name])
    check_likelihood(*(fields[name] for name in ("likelihood", "quantiles", "scaling", "log")))
    if fields["feeds_back"] and fields["n_ahead"] > 1:
        raise ValueError("n_ahead must be 1 where forecasts are fed back")


class _Log(Flag):
    """Whether logarithms are taken, and which: a flag, or the name of another one."""

    def write(self, value, place):
        """Return JSON."""
        return value if value == LOG1P else super().write(value, place)

    def read(self, value, place):
        """Return the value."""
        return value if value == LOG1P else super().read(value, place)


NO_LESSON = (
    "no series is long enough to learn from an origin: two observed values are needed before it, "
    "and one after; origin_step=None learns from all steps"
)

PLAN = Record(
    {
        "n_ahead": Whole(1),
        "feeds_back": Flag(),
        "scaling": Optional(Text()),
        "log": _Log(),
        "seasonality": Optional(Whole()),
        "quantiles": Optional(ListOf(Number(), tuple)),
        "mask": Flag(),
        "scale_feature": Added(Flag(), False),
        "likelihood": Added(Optional(Text(tuple(DISTRIBUTIONS))), None),
        "lags": Added(Whole(1), 1),
    },
    Plan,
    _check_plan,
)
"""`Plan` in files."""
