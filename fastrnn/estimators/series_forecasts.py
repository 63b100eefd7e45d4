"""What a forecaster says of how series go on: points, quantiles and samples."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastrnn.estimators.forecast_frames import answer
from fastrnn.estimators.forecasting import (
    USUAL_SAMPLES,
    check_levels,
    draw,
    forecast,
    read_history,
)
from fastrnn.estimators.series_estimator import SeriesEstimator
from fastrnn.typing import Covariates, RandomState, SequencesLike


class SeriesForecasts(SeriesEstimator):
    """An estimator that forecasts series."""

    def predict(
        self,
        horizon: int,
        series: SequencesLike | None = None,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> Any:
        """Forecast how series go on.

        Parameters
        ----------
        horizon : int
            Steps to forecast. Beyond the `horizon` of a model with ``strategy="direct"`` its own
            forecasts are read as if they had been observed, unless it has past or static
            covariates.
        series : array-like, list of array-like, or data frame, default=None
            The series up to now, in a form that `fit` takes. None forecasts those of `fit`.
        future_covariates : array-like, list of array-like, or data frame, default=None
            If the model has such covariates: an array for each series, from its first step on, that
            goes on for as many steps as are forecast (with ``strategy="direct"``, the `horizon` of
            the model), or what has an index and follows. For series in a data frame, another one
            with the columns of id, time and covariates and the rows that follow, each found by its
            time stamp.
        past_covariates : array-like or list of array-like, default=None
            If the model has such covariates and `series` are arrays: those of the same steps.
        static_covariates : array-like, data frame or None, default=None
            If the model has such covariates and `series` are arrays: a row for each, as in `fit`.

        Returns
        -------
        ndarray of shape (horizon,), list of such, or data frame
            The forecasts, float64; for several series a list in their order. With `quantiles`, and
            ``likelihood="student_t"``, medians, otherwise means. For series in a data frame, one of
            the same library, with the columns of ids, time stamps and values and a row for each
            step that is forecast, or, if it was wide, a column for each series; the numbers of
            series find their arrays in that of pandas, as ``forecasts[0]``. For a series of pandas
            with time stamps, such a series. With ``freq="rows"`` there is a column "step" instead
            of time stamps.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If an argument has the wrong type.
        ValueError
            If `horizon` is out of range, or the series or covariates are not acceptable, such as
            covariates that end too early, or an id or category that `fit` has not seen.
        MemoryError
            If that needs more memory than there is; nothing has been taken then.
        """
        known, horizon = read_history(
            self, horizon, series, future_covariates, past_covariates, static_covariates
        )
        forecasts = forecast(self, known, horizon)
        return answer(known, [at_levels[:, 0] for at_levels in forecasts])

    def predict_quantiles(
        self,
        horizon: int,
        series: SequencesLike | None = None,
        levels: Collection[float] | None = None,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
        n_samples: int = USUAL_SAMPLES,
        random_state: RandomState = None,
    ) -> Any:
        """Forecast quantiles of what comes.

        They never cross: the network's outputs are sorted. With a `likelihood` they are those of
        the distribution of each step; with ``strategy="recursive"`` those of samples, as
        `predict_samples` draws them.

        Parameters
        ----------
        horizon : int
            Steps to forecast; with ``strategy="direct"`` at most the `horizon` of the model.
        series : array-like, list of array-like, or data frame, default=None
            As in `predict`.
        levels : array-like of float, default=None
            Levels between the first and the last of `quantiles`; between those that were learned
            quantiles are interpolated linearly, on the scale of the network. None means
            `quantiles`. With a `likelihood` any in (0, 1), and None means (0.1, 0.5, 0.9).
        future_covariates, past_covariates, static_covariates : array-like, list or data frame
            As in `predict`.
        n_samples : int, default=200
            Samples of each series, where quantiles are those of samples.
        random_state : int, Generator, RandomState or None, default=None
            As in `predict_samples`.

        Returns
        -------
        ndarray of shape (horizon, n_levels), list of such, or data frame
            The quantiles, float64; a list where `predict` returns one. A data frame, always long,
            where `predict` returns a data frame or series, with a column "q0.1" for the level 0.1.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            As in `predict`.
        ValueError
            As in `predict`, and if the model has not learned quantiles, or not as far out as
            `levels`.
        MemoryError
            As in `predict`.
        """
        self.check_fitted()
        levels = check_levels(self.reader_.plan, levels)
        known, horizon = read_history(
            self, horizon, series, future_covariates, past_covariates, static_covariates,
            of_points=False,
        )  # fmt: skip
        names = [f"q{level:g}" for level in levels]
        return answer(known, forecast(self, known, horizon, levels, n_samples, random_state), names)

    def predict_samples(
        self,
        horizon: int,
        series: SequencesLike | None = None,
        n_samples: int = USUAL_SAMPLES,
        *,
        random_state: RandomState = None,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> Any:
        """Draw how series may go on, from the distributions that a `likelihood` has learned.

        With ``strategy="recursive"`` each sample is a path: what is drawn for a step is read as if
        it had been observed, and the next step is drawn. With "direct" steps are drawn by
        themselves, from the distribution of each: samples of a sum of steps would be too even.

        Parameters
        ----------
        horizon : int
            Steps to forecast, as in `predict`.
        series : array-like, list of array-like, or data frame, default=None
            As in `predict`.
        n_samples : int, default=200
            Samples of each series.
        random_state : int, Generator, RandomState or None, default=None
            What is drawn; None draws anew with each call.
        future_covariates, past_covariates, static_covariates : array-like, list or data frame
            As in `predict`.

        Returns
        -------
        ndarray of shape (horizon, n_samples), list of such, or data frame
            The samples, float64; a list where `predict` returns one. A data frame, always long,
            where `predict` returns a data frame or series, with columns "sample_1", "sample_2", ...

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            As in `predict`, and if `n_samples` or `random_state` has the wrong type.
        ValueError
            As in `predict`, and if the model was fitted without a likelihood, or `n_samples` is
            below 1.
        MemoryError
            As in `predict`.
        """
        known, horizon = read_history(
            self, horizon, series, future_covariates, past_covariates, static_covariates,
            of_points=False,
        )  # fmt: skip
        samples = draw(self, known, horizon, n_samples, random_state)
        names = [f"sample_{k}" for k in range(1, len(samples[0][0]) + 1)]
        return answer(known, samples, names)
