"""The reader and the task of a forecaster: series, and the values that come next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np

from fastrnn.estimators.lessons import WHOLE, Cuts, Lessons, has_target, split_in_time
from fastrnn.estimators.parameters import embedding_sizes
from fastrnn.estimators.plan import NO_LESSON, PLAN, Plan
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.readers import check_same_ids, chosen_columns
from fastrnn.estimators.surveys import Survey, cuts_of, plan_of
from fastrnn.estimators.targets import as_sample_weight
from fastrnn.estimators.tasks import Scored, Target, Task
from fastrnn.files.codec import Added, Array, Optional, Record, Whole
from fastrnn.inputs.calendar_features import CalendarFeatures
from fastrnn.inputs.column_scaling import NO_SCALING
from fastrnn.inputs.covariates import CovariateScale
from fastrnn.inputs.errors import NothingCounts
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.long_frames import LongColumns
from fastrnn.inputs.missing import NO_GAPS
from fastrnn.inputs.scaling import needs_positive
from fastrnn.inputs.sequences import Sequences
from fastrnn.inputs.series import read_series
from fastrnn.inputs.series_record import SERIES, check_series
from fastrnn.inputs.series_set import SeriesSet
from fastrnn.memory import refuse_if_too_large
from fastrnn.network.heads import HEADS

USUAL_COLUMNS = LongColumns("id", "time", "value")


@dataclass(frozen=True, eq=False)
class GivenSeries:
    """Series and covariates as they are given to a forecaster."""

    y: Any
    future: Any = None
    past: Any = None
    columns: LongColumns = USUAL_COLUMNS
    static: Any = None

    def __len__(self):
        """How many series, or rows of a data frame, there are."""
        return len(self.y)


def _n_covariates(fields):
    return (fields["series"].covariates.width,)


@dataclass(frozen=True, eq=False)
class SeriesReader:
    """Reads series with the plan, scale and covariates of `fit`; `series` are those of `fit`."""

    plan: Plan
    covariates: CovariateScale
    series: SeriesSet
    cuts: Cuts

    kind = "series"
    is_scaled = True  # by the plan
    keeps_data = True
    fields = Record(
        {
            "plan": PLAN,
            "window": Optional(Whole(2, math.inf)),
            "origin_step": Added(Optional(Whole(1, math.inf)), None),
            "series": SERIES,
            "covariate_mean": Array("float64", _n_covariates),
            "covariate_scale": Array("float64", _n_covariates, above=0),
        },
        take_apart=lambda reader: {
            "plan": reader.plan,
            "window": reader.cuts.window,
            "origin_step": reader.cuts.origin_step,
            "series": reader.series,
            "covariate_mean": reader.covariates.mean,
            "covariate_scale": reader.covariates.deviation,
        },
    )
    meanings: ClassVar[tuple] = ()
    others: ClassVar[tuple[type, ...]] = ()
    gaps = NO_GAPS  # the plan sees to those of series
    scaling = NO_SCALING  # likewise

    @classmethod
    def learn(cls, given, parameters, weigh=None):
        """Learn how covariates are scaled, and how many ids they have."""
        series = _read_all(given, parameters)
        reader = replace(cls._of(Survey.of(series), parameters), series=series.copy())
        return reader, reader.lessons("Training", series, parameters.dtype, reader.cuts)

    @classmethod
    def look(cls, given, parameters, weigh=None):
        """What `join` needs to know of series, those of one of several partitions; twice."""
        survey = Survey.of(_read_all(given, parameters))
        return survey, survey

    @classmethod
    def join(cls, looks, parameters):
        """Make the reader of all partitions of which this is known; it has none of their series."""
        survey = Survey.join(looks)
        reader = cls._of(survey, parameters)
        if not survey.parts(reader.cuts, reader.plan.season):
            raise ValueError(NO_LESSON)
        return reader

    @classmethod
    def _of(cls, survey, parameters):
        """The reader of series of which this is known; it has none of them."""
        covariates = CovariateScale.of(survey.moments, survey.series)
        cuts = cuts_of(parameters, survey.lengths)
        return cls(plan_of(parameters, survey), covariates, survey.series, cuts)

    def without_data(self):
        """The same reader without the series of `fit`."""
        return replace(self, series=self.series.without_series())

    @classmethod
    def sketch(cls, given: GivenSeries, parameters: Any) -> tuple[Self, Lessons]:
        """Learn from series, and make lessons of them that take no memory."""
        series = _read_all(given, parameters)
        reader = replace(cls._of(Survey.of(series), parameters), series=series)
        kind = (series, reader.covariates, parameters.dtype, reader.cuts)
        return reader, reader.plan.sketch(*kind)

    def read_more(self, given, parameters, what):
        """Read series to go on with in training; plan and covariates stay."""
        series = _read_all(given, parameters, self)
        reader = self.go_on(parameters, what, [len(values) for values in series.values])
        reader = replace(reader, series=series.copy())
        return reader, reader.lessons("Training", series, parameters.dtype, reader.cuts)

    def go_on(self, parameters, what, lengths):
        """The reader with which training goes on, on series of these lengths."""
        check_same_ids(self.series.covariates, parameters, what)
        self.plan.check_same(plan_of(parameters, None, self.plan), what)
        features = CalendarFeatures.of(parameters.calendar_features, parameters.holidays)
        if features != self.series.features:
            raise ValueError(
                f"{what} goes on from the fitted model, which has other features of dates: "
                "calendar_features and holidays must be those of its fit"
            )
        return replace(self, cuts=cuts_of(parameters, lengths))

    def read_part(self, given, parameters):
        """Read series of one of several partitions to train on; None if all are too short."""
        shared = replace(self.series, calendar=None)  # steps are as far apart as they are here
        series = _read_all(given, parameters, replace(self, series=shared))
        if not any(self.cuts.of(values, self.plan.season) for values in series.values):
            return None
        return self.lessons("Training", series, parameters.dtype, self.cuts)

    def read(self, given, dtype):
        """Read whole series, with the covariates of `fit`."""
        return self.lessons("Prediction", self.read_series(given), dtype)

    def read_to_score(self, given, dtype):
        """Read series to score the model on while it is trained, cut as they are for training."""
        return self.lessons("Validation", self.read_series(given), dtype, self.cuts)

    def read_series(self, given):
        """Read other series than those of `fit`, with the same covariates."""
        if not isinstance(given, GivenSeries):
            given = GivenSeries(given)
        y, future, past, static = given.y, given.future, given.past, given.static
        columns = self.series.columns
        if is_frame(y):
            if any(covariates is not None for covariates in (future, past, static)):
                raise TypeError("covariates beside a data frame: the model finds them in the frame")
            if columns is not None:
                future, past = columns.future or None, columns.past or None
                static = columns.static or None
        elif columns is not None and (columns.future or columns.past or columns.static):
            raise TypeError(
                "series must be a data frame, where the model finds its covariates "
                f"{[*columns.future, *columns.past, *columns.static]}"
            )
        columns = columns or USUAL_COLUMNS
        return read_series(
            y, future, past, columns=columns, fitted=self.series, allow_nan=self.plan.mask,
            ahead=self.plan.n_ahead, static_covariates=static, is_direct=not self.plan.feeds_back,
        )  # fmt: skip

    def lessons(self, work, series, dtype, cuts=WHOLE):
        """What the network reads and learns of series, if there is memory for it."""
        given = (series, self.covariates, dtype, cuts)
        refuse_if_too_large(self.plan.sketch(*given).making_nbytes, work)
        return self.plan.lessons(*given)

    @staticmethod
    def split_validation_data(validation_data: Any) -> tuple[Any, Any, Any]:
        """Take validation data of `fit` apart: series, first step to score, weights."""
        given = {"y": validation_data}
        if isinstance(validation_data, Mapping):
            given = dict(validation_data)
        of_series = ("future_covariates", "past_covariates", "static_covariates")
        known = ("y", *of_series, "sample_weight", "start")
        unknown = [name for name in given if name not in known]
        if unknown or "y" not in given:
            what = f"has the entry {unknown[0]!r}" if unknown else "has no entry 'y'"
            raise ValueError(f"validation_data {what}, expected some of {list(known)}")
        start = given.get("start", 0)
        if isinstance(start, bool) or not isinstance(start, Integral):
            raise TypeError(f"validation_data: start must be a whole number, got {start!r}")
        future, past, static = map(given.get, of_series)
        series = GivenSeries(given["y"], future, past, static=static)
        return series, int(start), given.get("sample_weight")

    @property
    def feature_names(self):
        """Names of the value and the covariates of a data frame."""
        return self._names_of(self.series.as_given())

    @property
    def step_names(self):
        """The same, and names of the features of dates."""
        return self._names_of(self.series)

    @staticmethod
    def _names_of(series):
        names = series.covariates.names
        return None if names is None else (series.columns.value, *names)

    @property
    def columns(self):
        """The columns of what the network reads."""
        return self.plan.columns(self.covariates)[0]

    @property
    def width(self):
        """Columns of each step."""
        return self.plan.width(self.covariates)

    @property
    def n_ids(self):
        """How many ids each covariate of them has, and one that stands for not known yet."""
        return self.covariates.n_rows

    @property
    def n_features(self):
        """Numbers of each step."""
        return self.columns.width - len(self.columns.ids)

    @property
    def id_tables(self):
        """For each id of a step the number of its covariate's table."""
        return self.plan.columns(self.covariates)[1]

    def is_tied(self, parameters):
        """Values are forecast, not ids."""
        return False

    def tables(self, parameters):
        """Size of the table of each covariate that is an id."""
        n_categories = self.covariates.columns.n_categories
        sizes = embedding_sizes(parameters.embedding_dim, n_categories)
        return tuple((n, width) for n, (_, width) in zip(self.n_ids, sizes, strict=True))

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {
            "n_features_in_": 1 + self.series.as_given().covariates.width,
            "n_categories_": self.series.covariates.n_categories,
            "covariate_mean_": self.covariates.mean,
            "covariate_scale_": self.covariates.deviation,
        }

    def seen(self, lessons, targets, weight):
        """What training sees, by argument of `fit`."""
        series = lessons.series
        return {
            "y": series.values,
            "future_covariates": series.future,
            "past_covariates": series.past,
            "sample_weight": [weight],
        }

    @classmethod
    def from_record(cls, fields, fitted_by):
        """Make a reader of what is in a file."""
        plan, series = fields["plan"], fields["series"]
        mean, scale = fields["covariate_mean"], fields["covariate_scale"]
        check_series(series, allow_nan=plan.mask, needs_positive=needs_positive(plan.log))
        n_future, n_past = series.n_covariates
        if plan.feeds_back and n_past:
            raise ValueError("there are past covariates, but forecasts are fed back")
        ids = list(series.covariates.ids)
        if mean[ids].any() or (scale[ids] != 1).any():
            raise ValueError("covariate_mean or covariate_scale is no scale of ids")
        covariates = CovariateScale(mean, scale, series.covariates, n_future, series.names_of_dates)
        return cls(plan, covariates, series, Cuts(fields["window"], fields["origin_step"]))

    @classmethod
    def adopt(cls, weights, parameters):
        """Refuse: weights alone do not tell how series are read."""
        raise ValueError(
            "a forecaster cannot be made of weights alone: what its network reads and forecasts is "
            "scaled series and their covariates, which fit has learned"
        )


@dataclass(frozen=True, eq=False)
class NextValueTask(Task):
    """The values that follow each step of a series: their mean, or quantiles of them."""

    plan: Plan

    kind = "next_values"
    every_step = True
    in_partitions = True
    may_stay_constant = True  # of many series nothing more can be told than that they go on so

    @property
    def scores_loss(self):
        """Whether what the network says are no outputs of its loss."""
        return self.plan.likelihood is not None

    @classmethod
    def learn(cls, y, lessons, sample_weight, parameters):
        """There is nothing to learn: the series are their own targets."""
        task = cls(lessons.plan)
        return task, task.encode(y, lessons, sample_weight)

    @classmethod
    def look(cls, y, survey, sample_weight, parameters):
        """Nothing: the reader knows all."""
        return None

    @classmethod
    def join(cls, looks, parameters, reader):
        """Make the task of all partitions; classes it has none."""
        return cls(reader.plan), None

    @property
    def head(self):
        """Squared error, quantiles, or a likelihood."""
        if self.plan.likelihood is not None:
            return self.plan.likelihood
        return "squared_error" if self.plan.quantiles is None else "quantiles"

    @property
    def head_options(self):
        """The levels of quantiles."""
        return {} if self.plan.quantiles is None else {"levels": self.plan.quantiles}

    @property
    def n_outputs(self):
        """Number of steps forecast at once, times that of quantiles."""
        return self.plan.n_outputs

    def encode(self, y, lessons, sample_weight, parameters=None, partial=False):
        """Take the values that follow; `y` is None or, to score, the first step that counts."""
        values = lessons.target
        if y is not None and not isinstance(y, int):
            raise ValueError("a forecaster learns from the series alone: y must be None")
        if y is not None:
            first = lessons.length + y if y < 0 else np.full(len(lessons.length), y)
            _, values = split_in_time(lessons, first)
        of_series = weigh_series(sample_weight, lessons.series, lessons.values.dtype)
        weight = np.repeat(of_series[lessons.number], lessons.lengths)
        steps = weight * lessons.weight * has_target(values)
        weight = narrow_weight(steps, lessons.weight.dtype)
        if y is not None and not weight.any():
            raise NothingCounts(f"there is no step to score from start={y} on")
        groups = np.zeros(len(lessons), dtype=np.int64)
        values = self._with_units(values, lessons)
        return Target(values, weight, weight, groups, lessons.offsets)

    def _with_units(self, values, lessons):
        """Targets as the head takes them."""
        if self.plan.likelihood != "negative_binomial":
            return values
        return np.hstack([values, lessons.unit[:, np.newaxis]])

    def split_lengths(self, lessons, fraction):
        """The ends of the same series are held out: targets are copied before and after."""
        copied = lessons.target.size * (2 * lessons.target.itemsize + 1)
        return lessons.lengths, lessons.lengths, copied

    def hold_out(self, lessons, target, fraction, rng):
        """Split off the end of every series, which early stopping scores."""
        first = lessons.length - np.ceil(fraction * lessons.length)
        training, scored = split_in_time(lessons, first)
        weights = [target.weight * has_target(values) for values in (training, scored)]
        if not all(weight.any() for weight in weights):
            raise ValueError(
                f"early_stopping=True with validation_fraction={fraction} leaves no step to train "
                "on or none to score: give longer series"
            )
        training, scored = (self._with_units(values, lessons) for values in (training, scored))
        left = replace(target, values=training, weight=weights[0])
        return left, Scored(lessons, scored, weights[1])

    def score(self, outputs, values, weight):
        """Minus the loss."""
        head = HEADS[self.head](self.n_outputs, **self.head_options)
        rows = np.arange(len(values))
        total = float(weight.sum(dtype=np.float64))
        return -head.loss_and_grad(outputs, values, weight, rows, total)

    @classmethod
    def from_record(cls, fields, reader):
        """Nothing but what the reader has."""
        return cls(reader.plan)


def _read_all(given, parameters, fitted=None):
    """Read the series of `fit`; `fitted` is the reader that training goes on from."""
    if parameters.strategy == "recursive" and given.past is not None:
        raise ValueError(
            "past_covariates are not known for the steps that strategy='recursive' feeds back: "
            "use strategy='direct'"
        )
    features = CalendarFeatures.of(parameters.calendar_features, parameters.holidays)
    series = given.y
    if not isinstance(series, SeriesSet):
        series = read_series(
            given.y,
            given.future,
            given.past,
            columns=given.columns,
            categorical_features=chosen_columns(parameters),
            fitted=fitted and fitted.series,
            allow_nan=parameters.missing == "mask",
            freq=parameters.freq,
            ahead=fitted.plan.n_ahead if fitted else 1,  # what is fed back needs one
            static_covariates=given.static,
            is_direct=parameters.strategy == "direct",
        )
        if fitted is None and features is not None:  # else they are those of the series before
            n_ahead = plan_of(parameters, Survey.of(series)).n_ahead
            series = series.with_dates(features, n_ahead)
    for name in ("embedding_dim", "categorical_features"):
        if getattr(parameters, name) is not None and not series.as_given().covariates.width:
            raise ValueError(
                f"{name}={getattr(parameters, name)!r} has no effect: it is for covariates, and "
                "there are none"
            )
    return series


def weigh_series(sample_weight, series, dtype=np.float64):
    """The weight of each series, (n_series,)."""
    n = len(series)
    each = Sequences(np.broadcast_to(np.zeros((), dtype), (n, 1)), np.arange(n + 1))
    return as_sample_weight(sample_weight, each)
