"""What a network of series shows of itself: states, gradients, the memory that it takes."""

from __future__ import annotations

from typing import Any, cast

from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitting import describe
from fastrnn.estimators.needs import needed_to_train
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.inputs.frames import is_frame
from fastrnn.inspection import GradientFlow
from fastrnn.typing import Covariates, Floats, SampleWeight, SequencesLike


class SeriesEstimator(RNNBase):
    """An estimator that takes series and their covariates where others take X."""

    def fit_transform(  # type: ignore[override]
        self,
        X: SequencesLike,
        y: None = None,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
        **fit_params: Any,
    ) -> Floats:
        """Fit, and return the final hidden states of the top layer.

        Parameters
        ----------
        X : array-like, list of array-like, or data frame
            The series, as in `fit`.
        y : None, default=None
            Must be None: what the network learns is in the series.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `fit`.
        **fit_params : object
            The other arguments of `fit`.

        Returns
        -------
        ndarray of shape (n_series, n_hidden)
            As from `transform`.
        """
        given: dict[str, Any] = {
            "future_covariates": future_covariates,
            "past_covariates": past_covariates,
            "static_covariates": static_covariates,
        }
        _check_no_target(y)
        estimator: Any = self
        estimator.fit(X, **given, **fit_params)
        if is_frame(X):
            return super().transform(_as_X(X))
        return self.transform(X, **given)

    def transform(
        self,
        X: SequencesLike,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> Floats:
        """Return the final hidden states of the top layer, as features for another model.

        Parameters
        ----------
        X : array-like, list of array-like, or data frame
            The series, as in `fit`.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            If the model has such covariates and `X` are arrays: those of the same steps. Those
            known beforehand may go on after the end of a series; if not, what the network reads of
            the steps after it counts as not known yet.

        Returns
        -------
        ndarray of shape (n_series, n_hidden)
            The state at the end of each series.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError, ValueError
            If the series or the covariates are not acceptable.
        """
        return super().transform(_as_X(X, future_covariates, past_covariates, static_covariates))

    def hidden_states(
        self,
        X: SequencesLike,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> list[Floats]:
        """Return the hidden states of the top layer at every time step.

        Parameters
        ----------
        X : array-like, list of array-like, or data frame
            The series, as in `fit`.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `transform`.

        Returns
        -------
        list of ndarray of shape (T_i, n_hidden)
            One array for each series, in the order of `X`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As in `transform`.
        """
        return super().hidden_states(
            _as_X(X, future_covariates, past_covariates, static_covariates)
        )

    def gradient_flow(  # type: ignore[override]
        self,
        X: SequencesLike,
        y: None = None,
        sample_weight: SampleWeight = None,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> GradientFlow:
        """Say how strongly the loss depends on the states, layer by layer and step by step.

        The loss is that of the forecasts of all steps, as in `fit`;
        `fastrnn.plotting.GradientFlowDisplay` draws the result. Gradients are those of whole series
        without dropout, whatever `window`, `bptt_steps` and `dropout` are.

        Parameters
        ----------
        X : array-like, list of array-like, or data frame
            The series, as in `fit`.
        y : None, default=None
            Must be None: what the network learns is in the series.
        sample_weight : array-like of shape (n_series,), default=None
            Weight of each series in the mean, >= 0. None gives all the same weight.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `transform`.

        Returns
        -------
        fastrnn.inspection.GradientFlow
            Norms of the gradient of each series' loss with respect to the state of each layer after
            each step, and their weighted means over the series, by steps from the start and from
            the end.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As in `transform`, and if `y` or `sample_weight` is not acceptable.
        """
        _check_no_target(y)
        given = _as_X(X, future_covariates, past_covariates, static_covariates)
        return super().gradient_flow(given, cast(Any, None), sample_weight)

    def input_gradients(  # type: ignore[override]
        self,
        X: SequencesLike,
        y: None = None,
        *,
        output: int | None = None,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> list[Floats]:
        """Return the gradient of an output with respect to everything that the network reads.

        Parameters
        ----------
        X : array-like, list of array-like, or data frame
            The series, as in `fit`.
        y : None, default=None
            Must be None.
        output : int or None, default=None
            Which output of the network, summed over the steps: with quantiles those of the first
            step ahead, then those of the second, and so on; without, one for each step ahead. None
            will do if there is only one.
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `transform`.

        Returns
        -------
        list of ndarray of shape (T_i, n_inputs)
            One array for each series, in the order of `X`, on the scale of the network. Its columns
            are those of what is read at a step: the value (with ``scaling="difference"`` its
            change), the mark of a missing one if ``missing="mask"``, the covariates known for the
            past, and those known beforehand of each step ahead, one after the other. Ids have no
            gradient and are left out.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As in `transform`, and if `y` or `output` is not acceptable.
        """
        _check_no_target(y)
        given = _as_X(X, future_covariates, past_covariates, static_covariates)
        return super().input_gradients(given, output=output)

    def estimate_memory(  # type: ignore[override]
        self,
        y: SequencesLike,
        *,
        future_covariates: Covariates = None,
        past_covariates: Covariates = None,
        static_covariates: Covariates = None,
    ) -> int:
        """Say how much memory `fit` would take at its peak.

        What is counted is what `RNNRegressor.estimate_memory` says, and what the network reads and
        learns at every step, which is wide with many covariates and a large `horizon`.

        Parameters
        ----------
        y : array-like, list of array-like, or data frame
            The series, as in `fit`; in a data frame in columns "id", "time" and "value".
        future_covariates, past_covariates, static_covariates : array-like or list, default=None
            As in `fit`.

        Returns
        -------
        int
            Bytes.
        """
        self.check_parameters()
        given = GivenSeries(y, future_covariates, past_covariates, static=static_covariates)
        reader, lessons = SeriesReader.sketch(given, self)
        task = NextValueTask(reader.plan)
        training = needed_to_train(self, describe(self, reader, task), task, lessons)
        return max(lessons.making_nbytes, lessons.nbytes + training)


def _as_X(
    X: SequencesLike,
    future: Covariates = None,
    past: Covariates = None,
    static: Covariates = None,
) -> Any:
    """Series, and what is known beside them, where other estimators have `X`."""
    return GivenSeries(X, future, past, static=static)


def _check_no_target(y: object) -> None:
    if y is not None:
        raise ValueError("a forecaster learns from the series alone: y must be None")
