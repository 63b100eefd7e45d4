"""How far forecasts are from what came, and the forecast that they have to beat."""

import numpy as np


def seasonal_naive(values, horizon, season):
    """Forecast each step of the horizon by the last observed value of the same place in the season.

    Where a place of the season has none it is the last observed value of all; ``season=1`` repeats
    that. Missing values (T,) are NaN.
    """
    observed = np.flatnonzero(~np.isnan(values))
    last = np.full(season, values[observed[-1]])
    last[observed % season] = values[observed]  # the last one stays
    return last[np.arange(len(values), len(values) + horizon) % season]


def mae(truth, forecast):
    """Mean absolute error over the observed steps, (h,) each; NaN if nothing was observed."""
    return _mean(np.abs(truth - forecast))


def smape(truth, forecast):
    """Symmetric mean absolute percentage error, as in the M3 competition.

    Mean of ``200 |y - f| / (|y| + |f|)`` over the observed steps, 0 where both are 0; NaN if
    nothing was observed.
    """
    size = np.abs(truth) + np.abs(forecast)
    return _mean(200 * np.abs(truth - forecast) / np.where(size == 0, 1, size))


def mase(truth, forecast, history, season):
    """Mean absolute scaled error (Hyndman and Koehler 2006).

    The mean absolute error divided by that of the value one season before, in the history (T,); NaN
    if that is too short or does not vary.
    """
    scale = _mean(np.abs(history[season:] - history[:-season]))
    return mae(truth, forecast) / scale if scale > 0 else np.nan


def movement(truth, forecast):
    """How much a forecast moves over its steps, as a share of what the series does.

    The ratio of the standard deviations over the observed steps, (h,) each; NaN if the series does
    not move.
    """
    observed = ~np.isnan(truth)
    spread = truth[observed].std() if observed.any() else 0.0
    return float(forecast[observed].std() / spread) if spread > 0 else np.nan


def _mean(errors):
    errors = errors[~np.isnan(errors)]
    return float(errors.mean()) if errors.size else np.nan
