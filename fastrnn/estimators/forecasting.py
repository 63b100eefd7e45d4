"""Forecasts of a fitted forecaster, and how good they are."""

import warnings
from collections.abc import Collection, Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np

from fastrnn.estimators import quantiles, rolling
from fastrnn.estimators.forecast_errors import mae, mase, movement, seasonal_naive, smape
from fastrnn.estimators.forecast_frames import stamp_origins, table_of
from fastrnn.estimators.needs import needed_to_predict
from fastrnn.estimators.next_values import GivenSeries
from fastrnn.estimators.parameters import parameters_of
from fastrnn.estimators.plan import USUAL_LEVELS, Plan
from fastrnn.inputs.following import read_following
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.series import with_future
from fastrnn.inputs.series_set import SeriesSet
from fastrnn.memory import refuse_if_too_large
from fastrnn.network.prediction import PREDICT_SIZE, READ_ROWS
from fastrnn.standin import as_generator
from fastrnn.typing import Covariates, Doubles, RandomState, SequencesLike

FLAT = 0.05
"""Forecasts that vary less, as a share of what the series do, are said to be flat."""

USUAL_SAMPLES = 200
ERRORS = ("mae", "smape", "mase", "naive_mae", "naive_smape", "naive_mase")


def read_history(
    estimator: Any,
    horizon: int,
    series: SequencesLike | None,
    future: Covariates,
    past: Covariates,
    static: Covariates = None,
    *,
    of_points: bool = True,
) -> tuple[SeriesSet, int]:
    """Read what forecasts start from; return it, and the horizon."""
    estimator.check_fitted()
    reader = estimator.reader_
    horizon = check_horizon(reader, horizon, of_points)
    if series is None:
        known = series_of_fit(reader)
        for name, covariates in (("past", past), ("static", static)):
            if covariates is not None:
                raise ValueError(f"{name}_covariates need series: those of fit have theirs")
    else:
        is_long = is_frame(series)
        given = GivenSeries(series, None if is_long else future, past, static=static)
        known = reader.read_series(given)
        future = future if is_long else None
    if future is not None and not reader.series.takes_future:
        raise ValueError("future_covariates were given, but the model was fitted without")
    n_ahead = reader.plan.n_ahead
    n_read = -(-horizon // n_ahead) * n_ahead  # so that no forecast depends on how many are wanted
    return with_future(known, future, horizon, n_read), horizon


def series_of_fit(reader):
    """The series of `fit`, if the model has them."""
    if not len(reader.series):
        raise ValueError(
            "the model was fitted on partitions of series, and has none of them: give the series "
            "to go on from"
        )
    return reader.series


def check_levels(plan: Plan, levels: Collection[float] | None) -> Sequence[float] | Doubles:
    """The levels of quantiles that are wanted; None are those that were learned, or usual ones."""
    if plan.likelihood is not None:
        levels = quantiles.as_levels(USUAL_LEVELS if levels is None else levels)
        wrong = [level for level in levels if not 0 < level < 1]
        if wrong:
            raise ValueError(f"levels has {wrong[0]}, expected numbers in (0, 1)")
        return levels
    learned = plan.quantiles
    if learned is None or len(learned) == 1:
        raise ValueError(
            f"the model was fitted with quantiles={learned!r}: fit it with several levels and "
            "strategy='direct', or with a likelihood, to predict quantiles"
        )
    return quantiles.check_levels(learned, levels)


def check_horizon(reader: Any, horizon: int, of_points: bool = True) -> int:
    """The number of steps to forecast, if the model can; points may be read as if observed."""
    horizon, plan = _whole("horizon", horizon), reader.plan
    if horizon <= plan.n_ahead or plan.feeds_back:
        return horizon
    _, n_past = reader.series.n_covariates
    if of_points and not n_past:
        return horizon
    why = "what is known of the past alone" if of_points else "how far off they may be"
    raise ValueError(
        f"horizon is {horizon}, but the model was fitted to forecast {plan.n_ahead} "
        f"{'step' if plan.n_ahead == 1 else 'steps'} at once, and "
        f"forecasts that are fed back do not tell {why}: fit it with horizon={horizon} or more"
    )


def refuse_to_read(estimator: Any, known: SeriesSet, more: int = 0) -> None:
    """Refuse to read series, and to take more bytes, that there is no memory for."""
    reader, network, task = estimator.reader_, estimator.network_, estimator.task_
    sketch = reader.plan.sketch(known, reader.covariates, network.dtype)
    steps = READ_ROWS // min(len(known), PREDICT_SIZE)  # that are read at once
    lengths = np.minimum(sketch.lengths, steps)
    needed = (
        sketch.inputs_nbytes
        + sum(values.nbytes for values in known.future)
        + needed_to_predict(estimator, network.architecture, lengths, task, keep_outputs=False)
        + more
    )
    refuse_if_too_large(needed, "Prediction")


def forecast(
    estimator: Any,
    known: SeriesSet,
    horizon: int,
    levels: Sequence[float] | Doubles | None = None,
    n_samples: int = USUAL_SAMPLES,
    random_state: RandomState = None,
) -> list[Doubles]:
    """Forecast how series go on: for each an array (horizon, n_levels) in its units.

    Without levels it has one column, of the point that is expected. Quantiles of what is fed back
    are those of samples.
    """
    reader, network = estimator.reader_, estimator.network_
    plan = reader.plan
    if plan.likelihood is not None and plan.feeds_back and levels is not None:
        paths = draw(estimator, known, horizon, n_samples, random_state)
        method: Literal["inverted_cdf", "linear"] = "inverted_cdf" if plan.counts else "linear"
        return [np.quantile(each, levels, axis=1, method=method).T for each in paths]
    n_levels = 1 if levels is None else len(levels)
    kept = 8 * len(known) * (network.architecture.n_outputs + 3 * horizon * n_levels)
    refuse_to_read(estimator, known, kept)
    options = estimator.n_jobs, estimator.verbose
    return rolling.forecast(plan, network, known, reader.covariates, horizon, levels, *options)


def draw(
    estimator: Any, known: SeriesSet, horizon: int, n_samples: int, random_state: RandomState
) -> list[Doubles]:
    """Draw how series may go on: for each an array (horizon, n_samples) in its units."""
    reader, network = estimator.reader_, estimator.network_
    if reader.plan.likelihood is None:
        raise ValueError(
            "the model was fitted with likelihood=None: it has learned no distribution to draw from"
        )
    n_samples = _whole("n_samples", n_samples)
    parameters_of(type(estimator))["random_state"].check(random_state)
    rows = min(len(known) * n_samples, max(n_samples, rolling.ROWS))
    kept = 8 * horizon * (len(known) * n_samples + 3 * rows)
    kept += 8 * rows * (network.architecture.n_outputs + 4 * network.architecture.width)
    refuse_to_read(estimator, known, kept)
    rng, options = as_generator(random_state), (estimator.n_jobs, estimator.verbose)
    return rolling.sample(
        reader.plan, network, known, reader.covariates, horizon, n_samples, rng, *options
    )


def backtest(estimator: Any, given: GivenSeries, horizon: int, step: int, start: int | None) -> Any:
    """Forecast known values of series from many origins, and compare."""
    whole = estimator.reader_.read_series(given)
    horizon = check_horizon(estimator.reader_, horizon)
    season = estimator.reader_.plan.season
    which, origins = _origins(whole, horizon, _whole("step", step), start, season)
    known = whole.until(which, origins)
    forecasts = forecast(estimator, known, horizon)
    rows, moves = [], []
    for i, history, here in zip(which, known.values, forecasts, strict=True):
        truth = whole.values[i][len(history) : len(history) + horizon]
        naive = seasonal_naive(history, horizon, season)
        moves.append(movement(truth, here[:, 0]))
        rows.append(
            [
                error
                for candidate in (here[:, 0], naive)
                for error in (
                    mae(truth, candidate),
                    smape(truth, candidate),
                    mase(truth, candidate, history, season),
                )
            ]
        )
    _warn_if_flat(np.array(moves))
    labels = which if whole.ids is None else [whole.ids[i] for i in which]
    errors = dict(zip(ERRORS, np.array(rows).T, strict=True))
    stamps = stamp_origins(whole, which, origins, horizon)
    columns = {"series": np.array(labels), "origin": np.array(origins), **stamps, **errors}
    return table_of(whole, columns)


def _warn_if_flat(moves):
    """Warn of forecasts that hardly move where the series do, by `movement` of each."""
    moves = moves[~np.isnan(moves)]
    share = float(np.median(moves)) if moves.size else np.nan
    if share < FLAT:
        warnings.warn(
            f"the forecasts are almost flat: over their steps they vary by {share:.2g} of what the "
            "series do, the median of all origins. Unless that is chance, which nobody can "
            "forecast, give seasonality or covariates, train longer (max_iter, learning_rate_init)"
            ", or use strategy='direct' with a horizon",
            UserWarning,
            stacklevel=4,
        )


def scaled_errors(estimator: Any, y: SequencesLike, future_covariates: Covariates) -> list[float]:
    """The scaled error of the forecast of what followed each series of fit; NaN without one."""
    known, plan = series_of_fit(estimator.reader_), estimator.reader_.plan
    truth = read_following(known, y, plan.mask)
    if future_covariates is None and known.takes_future and is_frame(y):
        future_covariates = y
    longest = max(len(item) for item in truth)
    known, longest = read_history(estimator, longest, None, future_covariates, None)
    forecasts = forecast(estimator, known, longest)
    return [
        mase(item, here[: len(item), 0], history, plan.season)
        for item, here, history in zip(truth, forecasts, known.values, strict=True)
    ]


def mean_error(errors: list[float]) -> float:
    """The mean of those that are known; NaN if none is."""
    errors = [error for error in errors if not np.isnan(error)]
    return float(np.mean(errors)) if errors else np.nan


def _origins(whole, horizon, step, start, season):
    """Series and number of known steps of every forecast of a backtest."""
    which, origins = [], []
    for i, values in enumerate(whole.values):
        second = int(np.flatnonzero(~np.isnan(values))[1]) + 1
        first = max(season, second) if start is None else _whole("start", start)
        last = len(values) - horizon
        if first < second or first > last:
            raise ValueError(
                f"{whole.name(i)} is too short: it has {len(values)} steps, for a first origin "
                f"of {first} (with {min(2, (~np.isnan(values[:first])).sum())} of 2 observed "
                f"values needed) and a horizon of {horizon}"
            )
        here = range(first, last + 1, step)
        which += [i] * len(here)
        origins += here
    return which, origins


def _whole(name, value):
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)
