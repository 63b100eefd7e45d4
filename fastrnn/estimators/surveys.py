"""What is looked at in time series before it is known how they are read: of all, or of partitions.

What is "auto" depends on all of them, but only by what is small: how long they are, whether a value
is below 0, which covariates there are.
"""

from dataclasses import dataclass

import numpy as np

from fastrnn.estimators.distributions import DISTRIBUTIONS
from fastrnn.estimators.lessons import STEPS_KNOWN, Cuts, steps_to_second
from fastrnn.estimators.plan import Plan, levels_of
from fastrnn.inputs.calendar_features import CalendarFeatures
from fastrnn.inputs.covariates import Moments
from fastrnn.inputs.scaling import LOG1P
from fastrnn.inputs.series_set import SeriesSet, join_series

FEWEST_ORIGINS = 256
"""Origins that there are at least where a series is as long: of few long series each counts."""

MOST_READ = 2**28
"""Values that all origins together are to know at most, some thirty seconds' reading."""

USUAL_WINDOW, SEASONS_OF_WINDOW = 48, 4
USUAL_HORIZON, SEASONS_OF_HORIZON = 8, 2
"""What "auto" stands for, at least."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of n series."""

    series: SeriesSet  # none of them, but what they have in common
    lengths: np.ndarray  # (n,), steps
    to_second: np.ndarray  # (n,), steps up to the second observed value
    has_negative: bool  # whether a value is below 0
    moments: Moments  # of covariates

    @classmethod
    def of(cls, series):
        """Look at series."""
        return cls(
            series.without_series(),
            np.array([len(values) for values in series.values]),
            np.array([steps_to_second(values) for values in series.values]),
            any((values < 0).any() for values in series.values),
            Moments.of(series),
        )

    @classmethod
    def join(cls, surveys):
        """What is known of the series of all partitions."""
        return cls(
            join_series([survey.series for survey in surveys]),
            np.concatenate([survey.lengths for survey in surveys]),
            np.concatenate([survey.to_second for survey in surveys]),
            any(survey.has_negative for survey in surveys),
            Moments.join([survey.moments for survey in surveys]),
        )

    def parts(self, cuts, season):
        """The parts of all series, cut so, each with the length of its series."""
        known = zip(self.lengths.tolist(), self.to_second.tolist(), strict=True)
        return [(n, cut) for n, second in known for cut in cuts.of_length(n, second, season)]


def plan_of(parameters, survey, fitted=None):
    """How an estimator's parameters want series to be read, of which that is known.

    What is "auto" is as the series have it, or the plan that was `fitted` before.
    """
    return Plan(
        n_ahead=1 if parameters.strategy == "recursive" else _horizon(parameters, survey, fitted),
        feeds_back=parameters.strategy == "recursive",
        scaling=parameters.scaling,
        log=_log(parameters, survey, fitted),
        seasonality=None if parameters.seasonality is None else int(parameters.seasonality),
        quantiles=levels_of(parameters),
        mask=parameters.missing == "mask",
        scale_feature=bool(parameters.scale_feature),
        likelihood=parameters.likelihood,
        lags=_lags(parameters),
    )


def _lags(parameters):
    """How many values are read at every step; "auto" is a season."""
    return int((parameters.seasonality or 1) if parameters.lags == "auto" else parameters.lags)


def _horizon(parameters, survey, fitted):
    """Steps to forecast at once; "auto" are no more than something is known of.

    Where something is known of the steps to come, each is to be read by itself, unless that is
    what bands are asked of, or what is known of the past alone ends there.
    """
    if parameters.horizon != "auto":
        return int(parameters.horizon)
    if fitted is not None:
        return fitted.n_ahead
    n_future, n_past = survey.series.n_covariates
    dated = CalendarFeatures.of(parameters.calendar_features, parameters.holidays) is not None
    if (n_future or dated) and not n_past and parameters.calibrate is None:
        return 1
    season = parameters.seasonality or 1
    cuts = cuts_of(parameters, survey.lengths)
    known = [n - 1 - cut.first for n, cut in survey.parts(cuts, season)]
    return min(max(USUAL_HORIZON, SEASONS_OF_HORIZON * season), max(known, default=1))


def _log(parameters, survey, fitted):
    """Which logarithms are taken; "auto" takes those of series without values below 0."""
    if parameters.log != "auto":
        return parameters.log if isinstance(parameters.log, str) else bool(parameters.log)
    if fitted is not None:
        return fitted.log
    if parameters.likelihood is not None and DISTRIBUTIONS[parameters.likelihood].counts:
        return False
    return False if survey.has_negative else LOG1P


def cuts_of(parameters, lengths):
    """How an estimator's parameters want series of these lengths to be cut to train on."""
    season, window, step = parameters.seasonality or 1, parameters.window, parameters.origin_step
    if window == "auto":
        window = max(USUAL_WINDOW, SEASONS_OF_WINDOW * season)
    if step == "auto":
        step, lengths = max(season, STEPS_KNOWN), [int(n) for n in lengths]
        if max(lengths) >= FEWEST_ORIGINS:
            step = min(step, sum(lengths) // FEWEST_ORIGINS)
        # At each origin all that is known there is read to find its scale.
        step = max(step, sum(n * n for n in lengths) // (2 * MOST_READ))
    return Cuts(window, step)
