"""RNNForecaster: how time series go on."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from fastrnn.bridge import available_if, refuse_scoring_monitor
from fastrnn.estimators.calibration import learn_corrections
from fastrnn.estimators.fitted import FittedSeries
from fastrnn.estimators.fitting import fit, fit_one_epoch, steps_by_minibatches
from fastrnn.estimators.forecaster_parameters import ForecasterParameters
from fastrnn.estimators.forecasting import (
    backtest,
    check_levels,
    mean_error,
    read_history,
    refuse_to_read,
    scaled_errors,
)
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.estimators.plan import check_likelihood, levels_of
from fastrnn.estimators.resuming import open_checkpoints
from fastrnn.estimators.series_forecasts import SeriesForecasts
from fastrnn.estimators.validation import ValidationData
from fastrnn.inputs.long_frames import columns_of
from fastrnn.streams import Stream
from fastrnn.training.budget import WINDOWS
from fastrnn.typing import Covariates, PathLike, SampleWeight, SequencesLike, WeightType


@dataclass(eq=False, repr=False, kw_only=True)
class RNNForecaster(ForecasterParameters, FittedSeries, SeriesForecasts):
    r"""Forecast how time series go on with a recurrent network.

    One network learns from all series; at every step it is trained to say what comes next. Series
    may have unequal lengths and any units: each is scaled by what is known of it, and forecasts are
    scaled back. It forecasts the series it was fitted on, or any others.

    Attributes
    ----------
    covariate_mean_, covariate_scale_ : ndarray of shape (n_covariates,)
        Mean and standard deviation of the covariates over all training steps, those known
        beforehand first; 0 and 1 for ids, and for features of dates, the last of these.

    See Also
    --------
    RNNRegressor : Predicts numbers for a whole sequence.

    Notes
    -----
    After step t of a series with scaled values z the network has outputs
    :math:`o_{t1}, \ldots, o_{tH}` (H is 1 with ``strategy="recursive"``), and
    :math:`z_{t+h}` is forecast as

    .. math:: b_t + o_{th},

    where :math:`b_t` is the last value observed with ``scaling="difference"``, else 0. Forecasts of
    steps that are missing or beyond the end are left out of the loss. Scale and seasonal pattern
    come from the whole of a training series, also for the forecasts of its early steps;
    `fastrnn.inputs.scaling` gives the formulas. At step t the network reads the value, and as
    `lags` has it those before, the covariates known up to t, and those of the future for the steps
    t + 1 to t + H. Value :math:`z_{t-k}` is read as :math:`(z_{t-k} - z_t) / \sqrt{k}` with
    ``scaling="difference"``, else as it is; before the first one stands the first one.

    Covariates may be ids or categories: `embedding_dim` and `categorical_features` are about the
    columns of covariates, those known beforehand first, instead of columns of X; "from_dtype" and
    names are for those of a data frame in long form. A step reads the vectors of its own ids that
    are known for the past only, and of those known beforehand for the steps t + 1 to t + H, all
    from the table of their column. That of ids known beforehand has one row more, which is read for
    steps of which the id is not known yet. What does not change within a series, such as a region,
    is given once, in `static_covariates`, whose columns are numbered behind the others; the network
    reads it at every step, with ``strategy="direct"`` behind what is known for the past, else
    behind what is known beforehand.

    With ``early_stopping=True`` the last `validation_fraction` of the steps of every series is held
    out and scored by the loss, unless there is `validation_data`. A score is minus the loss of the
    forecasts of the steps scored, each from the true values before it.

    Where series have time stamps, in a data frame or as the index of a pandas series, their
    distance is learned for each series, or `freq`. A step without a row is an error, or a gap if
    ``missing="mask"``. Days, weeks and months are counted by the clocks of the zone of the stamps,
    shorter steps in UTC. Covariates of steps to come are found by their stamps. With
    `calendar_features` and `holidays` the network reads what these stamps say beside the covariates
    known beforehand, behind them; `fastrnn.inputs.calendar_features` has the formulas.

    Examples
    --------
    A wave in noise, of which the next half period is forecast:

    >>> import numpy as np
    >>> from fastrnn import RNNForecaster
    >>> rng = np.random.default_rng(0)
    >>> wave = 10 + np.sin(np.arange(240) * np.pi / 6) + 0.05 * rng.standard_normal(240)
    >>> model = RNNForecaster(seasonality=12, horizon=6, random_state=0)
    >>> forecast = model.fit(wave[:234]).predict(6)
    >>> forecast.shape
    (6,)
    >>> bool(np.abs(forecast - wave[234:]).max() < 0.3)
    True
    """

    kind = "forecaster"
    reader_class = SeriesReader
    task_class = NextValueTask
    budget = WINDOWS

    def fit(  # type: ignore[override]
        self,
        y: SequencesLike,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
        sample_weight: SampleWeight = None,
        validation_data: SequencesLike | Mapping[str, Any] | None = None,
        id_column: str = "id",
        time_column: str = "time",
        value_column: str = "value",
        layout: Literal["long", "wide"] = "long",
        checkpoint: PathLike | None = None,
        checkpoint_every: int = 1,
        resume: bool = False,
    ) -> Self:
        """Train the network on time series.

        Parameters
        ----------
        y : array-like, list of array-like, or data frame
            One series of shape (T,) or (T, 1); several as a list, or as the rows of a table; or a
            data frame (pandas or polars), in long form, a row for each step of each series, sorted
            by time within each, or wide. A series of pandas is read by its index, unless that only
            counts from 0 on.
        future_covariates : array-like, list of array-like, or list of str, default=None
            What is known beforehand, such as holidays: for one series an array of shape (T,) or
            (T, n), for several a list of such, or names of columns of the data frame. Arrays may go
            on after the end of a series; `predict` then knows what comes. What has an index is put
            where its time stamps are.
        past_covariates : array-like, list of array-like, or list of str, default=None
            What is known up to the end of a series only. Needs ``strategy="direct"``.
        static_covariates : array-like, data frame or list of str, default=None
            What does not change within a series, such as a region or a size: a table with a row for
            each series, or names of columns of the data frame, whose values must be the same in all
            rows of a series. Numbers are scaled over series; ids and categories, also text, are
            chosen by `categorical_features`.
        sample_weight : array-like of shape (n_series,), default=None
            Weight of each series in the loss, >= 0; those of a data frame in the order in which
            they begin. None gives all the same weight.
        validation_data : array-like, list of array-like, data frame or dict, default=None
            Series to score the model on after each epoch, such as those of `fit` with more steps,
            or others. A dict has them as "y", and what else they need: "future_covariates",
            "past_covariates" and "sample_weight", as above (covariates of a data frame are found in
            it), and "start", the first step to score (default 0). A negative one counts from the
            end of each series: -12 scores the last 12 steps. With ``early_stopping=True`` these
            series take the place of what is held out. Otherwise the scores are recorded in
            `validation_scores_` and change nothing.
        id_column, time_column, value_column : str, default="id", "time", "value"
            Names of these columns of the data frame. In `predict` and elsewhere they are the same.
            A single series needs no column "id"; ids and time stamps may be the index of pandas.
        layout : {"long", "wide"}, default="long"
            Whether the data frame has a row for each step of each series, or a column for each
            series, and one of time stamps. A series of a wide frame begins with its first value.
        checkpoint : str or path-like, default=None
            A file to which training is written after epochs, so that it can go on if this process
            ends. Not for "lbfgs".
        checkpoint_every : int, default=1
            Number of epochs from one checkpoint to the next. There is one at the end, too.
        resume : bool, default=False
            Whether to go on from that file, if it is there, as in `RNNRegressor.fit`.

        Returns
        -------
        RNNForecaster
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If a parameter, a series, covariates or validation data have the wrong type; or if
            scikit-learn's `ScoringMonitor` is among the callbacks, since a forecast is scored on
            what follows the series of `fit`.
        ValueError
            If a parameter or a series has a value it may not have; if a series is too short, its
            time stamps do not rise, are irregular, or of some steps missing; if covariates do not
            suit the series; or if training diverged.
            A model fitted before is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended training before the loss converged.
        """
        refuse_scoring_monitor(
            self,
            "a forecast is scored on what follows the series of fit; give that in validation_data, "
            "and find the scores in validation_scores_",
        )
        columns = columns_of(id_column, time_column, value_column, layout)
        given = GivenSeries(y, future_covariates, past_covariates, columns, static_covariates)
        file = open_checkpoints(self, checkpoint, checkpoint_every, resume)
        validation = ValidationData.of(validation_data)
        corrections = None
        if self.calibrate is not None:
            corrections = learn_corrections(self, given, sample_weight)
        fit(self, given, None, sample_weight, validation, file, shown=y)
        if corrections is not None:
            self.network_.head.params["b"] += corrections.ravel()
        return self

    @available_if(steps_by_minibatches)
    def partial_fit(  # type: ignore[override]
        self,
        y: SequencesLike,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
        sample_weight: SampleWeight = None,
        id_column: str = "id",
        time_column: str = "time",
        value_column: str = "value",
        layout: Literal["long", "wide"] = "long",
    ) -> Self:
        """Train for one epoch on these series, going on from where training was.

        `predict` then forecasts these series unless it is given others.

        Parameters
        ----------
        y : array-like, list of array-like, or data frame
            The series, as in `fit`.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `fit`.
        sample_weight : array-like of shape (n_series,), default=None
            As in `fit`.
        id_column, time_column, value_column : str, default="id", "time", "value"
            As in `fit`.
        layout : {"long", "wide"}, default="long"
            As in `fit`.

        Returns
        -------
        RNNForecaster
            The estimator itself.

        Raises
        ------
        TypeError, ValueError, MemoryError
            As in `fit`, and if the series do not suit the model fitted so far.
        """
        if self.calibrate is not None:
            raise ValueError(
                f"partial_fit does not see all series: calibrate={self.calibrate!r} is for fit"
            )
        columns = columns_of(id_column, time_column, value_column, layout)
        given = GivenSeries(y, future_covariates, past_covariates, columns, static_covariates)
        fit_one_epoch(self, given, None, sample_weight)
        return self

    def stream(
        self,
        n_streams: int | None = None,
        *,
        series: SequencesLike | None = None,
        levels: Collection[float] | None = None,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
        weights: WeightType = None,
    ) -> Stream:
        """Make a stream: for series that go on value by value, with a forecast after each.

        Each stream begins at the end of a series, which it has read. That series also decides its
        scale and seasonal pattern, which do not change any more: its forecasts are those of
        `predict` where more values would not change them, as with ``scaling=None``, and near
        them otherwise. The weights are those of the model as they are now, whatever is fitted
        later.

        Parameters
        ----------
        n_streams : int, default=None
            How many series are read side by side: as many as there are, which None stands for.
        series : array-like, list of array-like, or data frame, default=None
            The series up to now, as in `predict`. None goes on from those of `fit`.
        levels : array-like of float, default=None
            Levels of the quantiles that are forecast, as in `predict_quantiles`; not with a
            `likelihood`. None forecasts what `predict` does.
        future_covariates, past_covariates, static_covariates : array-like, list or data frame
            As in `predict`, with those of one step, or of `horizon` with ``strategy="direct"``,
            after the end of each series.
        weights : {"int8", "bfloat16"}, default=None
            What those of the model are rounded to, for large layers; None leaves them as they are.

        Returns
        -------
        fastrnn.streams.Stream
            Its `step` takes the next value of each series and returns the forecast (n_streams,
            horizon) of those that follow, or (n_streams, horizon, n_levels); with
            ``strategy="recursive"`` the horizon is 1. A step of a model with covariates has them
            beside the value: those known for the past, then those known beforehand of each step
            that is forecast, one after the other; static ones behind the former, with
            ``strategy="recursive"`` behind the latter.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If an argument has the wrong type.
        ValueError
            As in `predict` and `predict_quantiles`, if there are not `n_streams` series, if the
            model is told of dates, which no step has, or if `weights` are not for it.
        MemoryError
            If that needs more memory than there is; nothing has been taken then.
        """
        self.check_fitted()
        if self.reader_.series.features is not None:
            raise ValueError(
                "a stream is told no dates, which calendar_features and holidays need: call "
                "predict with the series as they have become"
            )
        if levels is not None and self.reader_.plan.likelihood is not None:
            raise ValueError(
                "a stream of a model with a likelihood forecasts what predict does: levels must be "
                "None; predict_quantiles has those of the distribution"
            )
        if levels is not None:
            levels = check_levels(self.reader_.plan, levels)
        n_ahead = self.reader_.plan.n_ahead
        known, _ = read_history(
            self, n_ahead, series, future_covariates, past_covariates, static_covariates
        )
        if n_streams is None:
            n_streams = len(known)
        if n_streams != len(known):
            raise ValueError(
                f"n_streams is {n_streams!r}, but there are {len(known)} series: each stream goes "
                "on from one; give theirs as series"
            )
        refuse_to_read(self, known)
        network = copy.deepcopy(self.network_)
        snapshot = self.reader_.plan.follow(
            network, known, self.reader_.covariates, levels, self.n_jobs, weights
        )
        return Stream(snapshot, n_streams)

    def backtest(
        self,
        series: SequencesLike,
        horizon: int,
        step: int = 1,
        *,
        start: int | None = None,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> Any:
        """Forecast known values of series from many origins, and compare.

        The model is not fitted anew: for an honest result fit it on what comes before `start`, or
        on other series.

        Parameters
        ----------
        series : array-like, list of array-like, or data frame
            The series, in a form that `fit` takes.
        horizon : int
            Steps to forecast from each origin.
        step : int, default=1
            Steps from one origin to the next.
        start : int or None, default=None
            The first origin: how many steps of each series are known at first. None begins after
            one season and two observed values.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `fit`; those of a data frame are found in it.

        Returns
        -------
        dict of str to ndarray, or data frame
            A table, which ``pandas.DataFrame`` reads as it is, with a row for each series and
            origin: "series" (number or id), "origin" (known steps), "first_time" and "last_time" of
            the forecast where series have time stamps, then "mae", "smape", "mase" and
            the same of the seasonal naive forecast, "naive_mae", "naive_smape", "naive_mase". That
            is the last observed value of the same season, or without `seasonality` the last value.
            `fastrnn.estimators.forecast_errors` says what each is. A data frame if the series came
            in one.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If an argument has the wrong type.
        ValueError
            If an argument is out of range, or a series is too short for a single origin.
        MemoryError
            As in `predict`; the forecasts of all origins are made at once.

        Warns
        -----
        UserWarning
            If forecasts of two steps or more are almost flat where the series are not.
        """
        self.check_fitted()
        given = GivenSeries(series, future_covariates, past_covariates, static=static_covariates)
        return backtest(self, given, horizon, step, start)

    def score(self, y: SequencesLike, *, future_covariates: Covariates = None) -> float:
        """Score the forecast of what follows the series of `fit`.

        ``GridSearchCV(forecaster, grid, cv=TimeSeriesSplit())`` works on one series with it: `y`
        is what comes after the steps that were fitted on.

        Parameters
        ----------
        y : array-like, list of array-like, or data frame
            What followed, for each series as many steps as are known of it. An index of pandas says
            which of the steps these are, and so do the time stamps of a data frame, in which the
            rows follow those that `fit` had.
        future_covariates : array-like, list of array-like, or data frame, default=None
            As in `predict`; None takes columns of the data frame `y`.

        Returns
        -------
        float
            Minus the mean absolute scaled error, the mean over the series: 0 for perfect forecasts,
            -1 for errors as large as those of the (seasonal) naive forecast, of one step or season,
            on the series of `fit`. Series on which that forecast made no error, or that have no
            observed value in `y`, are left out.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError, ValueError
            If `y` or the covariates are not acceptable.
        """
        self.check_fitted()
        return -mean_error(scaled_errors(self, y, future_covariates))

    def check_parameters(self, here: bool = True) -> None:
        super().check_parameters(here)
        levels = levels_of(self)
        check_likelihood(self.likelihood, levels, self.scaling, self.log)
        if self.strategy == "recursive" and levels is not None and len(levels) > 1:
            raise ValueError(
                f"quantiles={self.quantiles!r} needs strategy='direct': of forecasts that are fed "
                "back the spread is not known, only quantiles=(0.5,) will do"
            )
        if self.calibrate is not None and (levels is None or len(levels) < 2):
            raise ValueError(
                f"calibrate={self.calibrate!r} corrects quantiles, and there are none or one: it "
                "needs strategy='direct', likelihood=None and quantiles such as (0.1, 0.5, 0.9)"
            )
