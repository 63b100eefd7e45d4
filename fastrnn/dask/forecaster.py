"""The forecaster on Dask: as its twin, trained where the series are."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from dask.delayed import delayed

from fastrnn.dask.base import A_NAME, OnDask, at_work, bare_model
from fastrnn.dask.cluster import Call, Cluster, Task, same
from fastrnn.dask.data import Data, Partitions, as_bag, as_frame, is_long, parts_of
from fastrnn.dask.series import as_series
from fastrnn.estimators import RNNForecaster
from fastrnn.estimators.forecasting import check_horizon, mean_error, scaled_errors
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.next_values import USUAL_COLUMNS
from fastrnn.estimators.values import parameter
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.long_frames import LongColumns

_NOTHING = "no partition of y has any series"


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesOnDask(OnDask):
    """The parameter that only series need."""

    value_column: str = parameter(A_NAME, "value", "Column of a data frame that has the values.")


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNForecaster(SeriesOnDask, RNNForecaster):
    """Forecast time series that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    covariate_mean_, covariate_scale_ : ndarray of shape (n_covariates,)
        Mean and standard deviation of the covariates over the training steps of all partitions.
    """

    twin_class = RNNForecaster

    def fit(  # type: ignore[override]  # it takes less
        self,
        y: Partitions,
        *,
        future_covariates: Partitions | None = None,
        past_covariates: Partitions | None = None,
        static_covariates: Partitions | None = None,
        sample_weight: Partitions | None = None,
        validation_data: Partitions | Mapping[str, Any] | None = None,
    ) -> Self:
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far. The series stay where they
        are: the model knows what they have in common, and where they are loaded from.

        Parameters
        ----------
        y : list of Delayed or Future, Bag, Array or DataFrame
            The series, in partitions: each of a list is a list of arrays (T,), or a table whose
            rows are series. The items of a bag are series; an array has chunks along its first axis
            alone. A data frame is in long form, with a row for each step, in any order and
            partition: the rows of an `id_column` are brought together, and sorted by `time_column`.
        future_covariates, past_covariates, static_covariates : list of Delayed or str, default=None
            As `RNNForecaster.fit` takes them, in the same partitions; of a data frame names of its
            columns.
        sample_weight : list of Delayed or Future, Bag, Array, or str, default=None
            Weight of each series, in the same partitions; of a data frame the name of a column.
        validation_data : list of Delayed or Future, Bag, Array, DataFrame or dict, default=None
            Series to score the model on after each epoch, in partitions, too; a dict has them as
            "y", and what else `RNNForecaster.fit` takes. Needed with ``early_stopping=True``.

        Returns
        -------
        DaskRNNForecaster
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As on one machine, with the number of the partition; or if data could not be computed
            again if a worker ended, or a worker has another version of fastrnn, or none; or with
            ``calibrate="cv"``, which needs forecasts of series that were held out. A model fitted
            before is then as it was.
        TimeoutError, RuntimeError
            As of `DaskRNNClassifier.fit`.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended training before the loss converged.
        """
        self.check_parameters()
        if self.calibrate is not None:
            raise ValueError(
                f"calibrate={self.calibrate!r} holds out series, and trains on others, on one "
                "machine: RNNForecaster does, of a sample of the series"
            )
        covariates = (future_covariates, past_covariates, static_covariates)
        columns = LongColumns(self.id_column, self.time_column, self.value_column)
        data, scored = as_series(y, covariates, columns, sample_weight), None
        if validation_data is not None:
            given, start, weight = self.reader_class.split_validation_data(validation_data)
            if is_long(y):
                columns = data.reading.columns
            beside = (given.future, given.past, given.static)
            scored = as_series(given.y, beside, columns, weight, start, is_known=True)
        with at_work(self, data, scored, _NOTHING) as (told, options):
            fit_jointly(*told, **options)
        self._given = y, covariates
        return self

    def to_local(self) -> RNNForecaster:
        """Make the estimator that this one is on one machine.

        Returns
        -------
        RNNForecaster
            An estimator with the same parameters, fitted if this one is, which needs no Dask. It
            has none of the series of `fit`: give it those to go on from.
        """
        twin: RNNForecaster = super().to_local()
        vars(twin).pop("_given", None)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """What copy and pickle take: neither the client nor where the series are."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_given"}

    def predict(
        self,
        horizon: int,
        series: Partitions | None = None,
        *,
        future_covariates: Partitions | None = None,
        past_covariates: Partitions | None = None,
        static_covariates: Partitions | None = None,
    ) -> Partitions:
        """Forecast how series go on, where they are.

        Parameters
        ----------
        horizon : int
            Steps to forecast, as of `RNNForecaster.predict`.
        series : list of Delayed or Future, Bag, Array or DataFrame, default=None
            The series up to now, as in `fit`. None forecasts those of `fit`, which are loaded
            again.
        future_covariates : list of Delayed or Future, or DataFrame, default=None
            If the model has such covariates: for series as arrays those from the first step on, in
            the same partitions; for a data frame another one with the rows that follow.
        past_covariates, static_covariates : list of Delayed or Future, default=None
            If the model has such covariates and `series` are arrays: theirs.

        Returns
        -------
        dask.bag.Bag or dask.dataframe.DataFrame
            What the estimator on one machine predicts, in the partitions of the series, computed
            when it is asked for: a bag with an array (horizon,) for each series; of a data frame
            another one, with the columns of ids, time stamps and values.
        """
        self.check_fitted()
        horizon = check_horizon(self.reader_, horizon)
        covariates = (future_covariates, past_covariates, static_covariates)
        series, data, future = self._known(series, covariates)
        empty = self._empty(series) if is_long(series) else []
        model = delayed(Task(same, bare_model(self)), pure=False)()
        answer = delayed(Task(_forecast, horizon, data.reading, empty), pure=False)
        parts = [
            answer(model, list(part), following)
            for part, following in zip(data.partitions, future, strict=True)
        ]
        if not is_long(series):
            return as_bag(parts)
        return as_frame(parts, empty)

    def score(self, y: Partitions, *, future_covariates: Partitions | None = None) -> float:
        """Return the score of the estimator on one machine, computed where the series are.

        Parameters
        ----------
        y : list of Delayed or Future, Bag, Array or DataFrame
            What followed each series of `fit`, in the same partitions; of a data frame the rows
            that follow, in any partition.
        future_covariates : list of Delayed or Future, or DataFrame, default=None
            As in `predict`; None takes columns of the data frame `y`.

        Returns
        -------
        float
            Minus the mean absolute scaled error over the series of all partitions, as of
            `RNNForecaster.score`.
        """
        self.check_fitted()
        series, data, future = self._known(None, (future_covariates, None, None))
        if is_long(series):
            columns = data.reading.columns
            names = [columns.value, *(columns.future if future_covariates is None else ())]
            truth = data.reading.gather(_frame(y, "y"), "y", names, like=series)
        else:
            truth = parts_of(y, "y")
            if len(truth) != len(data.partitions):
                raise ValueError(
                    f"y has {len(truth)} partitions, the series of fit have {len(data.partitions)}"
                )
        with closing(Cluster(self.client_)) as cluster:
            cluster.check_workers()
            (model,) = cluster.start([Call("model", same, (bare_model(self),))])
            n = [len(part) for part in data.partitions]
            parts = [
                [*part, after, *([] if following is None else [following])]
                for part, after, following in zip(data.partitions, truth, future, strict=True)
            ]
            errors = cluster.ask(
                [
                    Call("score", _errors, (data.reading, k), (model, *given))
                    for k, given in zip(n, cluster.compute(parts), strict=True)
                ]
            )
        return -mean_error(np.concatenate(errors).tolist())

    def _known(
        self, series: Partitions | None, covariates: Sequence[Partitions | None]
    ) -> tuple[Partitions, Data, Sequence[Any]]:
        """Series to go on from, as given, as `Data`, and of each partition what follows, or None.

        Nothing given stands for those of `fit`.
        """
        future, columns = covariates[0], self.reader_.series.columns or USUAL_COLUMNS
        if series is None:
            if getattr(self, "_given", None) is None:
                raise ValueError(
                    "this model does not know where the series of its fit are, as it was copied or "
                    "loaded: give series"
                )
            for name, given in zip(("past", "static"), covariates[1:], strict=True):
                if given is not None:
                    raise ValueError(f"{name}_covariates need series: those of fit have theirs")
            series, of_fit = self._given
            if not is_long(series):
                covariates = (of_fit[0] if future is None else future, *of_fit[1:])
        if not is_long(series):
            data = as_series(series, covariates, columns)
            return series, data, [None] * len(data.partitions)
        data = as_series(series, (None, *covariates[1:]), columns, is_known=True)
        if future is None:
            return series, data, [None] * len(data.partitions)
        rows, frame = data.reading, _frame(future, "future_covariates")
        following = rows.gather(frame, "future_covariates", columns.future, like=series)
        return series, data, following

    def _empty(self, frame: Partitions) -> Any:
        """The forecasts of no series in a data frame."""
        from pandas import DataFrame, Series

        fitted = self.reader_.series
        columns = fitted.columns or USUAL_COLUMNS
        time, dtype = columns.time, frame.dtypes[columns.time]
        if fitted.calendar is not None and not fitted.calendar.knows_steps:
            time, dtype = "step", np.dtype(np.int64)
        ids = Series([], dtype=frame.dtypes[columns.id])
        values = Series([], dtype=np.float64)
        return DataFrame({columns.id: ids, time: Series([], dtype=dtype), columns.value: values})


def _frame(given: Partitions, name: str) -> Partitions:
    if not is_long(given):
        raise TypeError(
            f"{name} must be a Dask data frame, as the series came in one, got "
            f"{type(given).__name__}"
        )
    return given


def _forecast(
    horizon: int, reading: Any, empty: Any, model: Any, data: Iterable[Any], following: Any
) -> Any:
    """The forecasts of a partition: a list, or a data frame."""
    given, _, _ = reading(*data)
    if not len(given):
        return empty
    future = given.future if following is None else reading.sort(following)
    forecasts = model.predict(
        horizon, given.y, future_covariates=future, past_covariates=given.past,
        static_covariates=given.static,
    )  # fmt: skip
    if is_frame(forecasts):
        return forecasts.astype(empty.dtypes.to_dict())
    return forecasts if isinstance(forecasts, list) else [forecasts]


def _errors(reading: Any, n: int, model: Any, *data: Any) -> list[float]:
    """The scaled error of each series of a partition, of which the first n data are."""
    given, _, _ = reading(*data[:n])
    if not len(given):
        return []
    truth, *future = data[n:]
    if is_frame(given.y):
        truth, future = reading.sort(truth), [reading.sort(rows) for rows in future]
    model = copy.copy(model)
    model.reader_ = replace(model.reader_, series=model.reader_.read_series(given))
    return scaled_errors(model, truth, future[0] if future else None)
