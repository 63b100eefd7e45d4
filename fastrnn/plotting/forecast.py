"""How a series goes on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import numpy as np

from fastrnn.plotting.axes import as_array, axes_of, tick_whole_numbers
from fastrnn.typing import AnyArray, ArrayLike, Doubles


class ForecastDisplay:
    """The past of a series, its forecast with bands between quantiles, and what came true.

    Parameters
    ----------
    history : array-like of shape (n,)
        The past. NaN leaves a gap.
    forecast : array-like of shape (horizon,)
        What is predicted for the steps after it.
    quantiles : array-like of shape (horizon, n_levels) or None, default=None
        Predicted quantiles.
    levels : sequence of float or None, default=None
        Their levels, between 0 and 1. The area between the lowest and the highest is shaded, more
        so that between the next ones, and so on; the level in the middle, if one is left, is drawn
        as a line.
    truth : array-like of shape (m,) or None, default=None
        What really followed, at most `horizon` steps of it.

    Attributes
    ----------
    history_line_, forecast_line_ : matplotlib.lines.Line2D
        The past and the forecast. The latter begins at the last value of the past, so that a
        forecast of one step is a line, too.
    bands_ : list of matplotlib.collections.PolyCollection
        The areas between quantiles, the widest first.
    quantile_line_ : matplotlib.lines.Line2D or None
        The level in the middle.
    truth_line_ : matplotlib.lines.Line2D or None
        What really followed.
    ax_ : matplotlib.axes.Axes
        Axes with all of them.
    figure_ : matplotlib.figure.Figure
        Figure that they are in.

    Examples
    --------
    >>> from fastrnn.plotting import ForecastDisplay
    >>> display = ForecastDisplay.from_predictions(
    ...     [3, 1, 2, 3, 1], [2, 3], quantiles=[[1.5, 2.5], [2, 4]], levels=[0.1, 0.9])
    >>> display.bands_[0].get_label()
    'Quantiles 10 to 90 %'
    """

    def __init__(
        self,
        history: ArrayLike,
        forecast: ArrayLike,
        *,
        quantiles: ArrayLike | None = None,
        levels: Collection[float] | None = None,
        truth: ArrayLike | None = None,
    ) -> None:
        self.history = as_array("history", history, 1)
        self.forecast = as_array("forecast", forecast, 1)
        horizon = len(self.forecast)
        if (quantiles is None) != (levels is None):
            raise ValueError("quantiles and levels belong together: give both or neither")
        self.quantiles: Doubles | None = None
        self.levels: Doubles | None = None
        self.truth: Doubles | None = None
        if levels is not None:
            checked, values = _check_levels(levels), as_array("quantiles", quantiles, 2)
            if values.shape != (horizon, len(levels)):
                raise ValueError(
                    f"quantiles must have shape ({horizon}, {len(levels)}), a row for each step "
                    f"and a column for each level, got {values.shape}"
                )
            order = np.argsort(checked)
            self.levels, self.quantiles = checked[order], values[:, order]
        if truth is not None:
            self.truth = as_array("truth", truth, 1)
            if len(self.truth) > horizon:
                raise ValueError(
                    f"truth has {len(self.truth)} steps, more than the {horizon} of the forecast"
                )

    @classmethod
    def from_predictions(
        cls,
        history: ArrayLike,
        forecast: ArrayLike,
        *,
        quantiles: ArrayLike | None = None,
        levels: Collection[float] | None = None,
        truth: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a forecast that is there already.

        Parameters
        ----------
        history, forecast, quantiles, levels, truth : array-like
            As for `ForecastDisplay`.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed on to `plot`.

        Returns
        -------
        ForecastDisplay
            The display.

        Raises
        ------
        ValueError
            If shapes do not fit together, or a level is not between 0 and 1.
        """
        display = cls(history, forecast, quantiles=quantiles, levels=levels, truth=truth)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        forecaster: Any,
        series: ArrayLike,
        horizon: int,
        *,
        levels: Collection[float] | None = None,
        truth: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Forecast how a series goes on, and draw it.

        Parameters
        ----------
        forecaster : object
            A fitted forecaster: ``predict(horizon, series)``, and for `levels`
            ``predict_quantiles(horizon, series, levels)``.
        series : array-like of shape (n,) or (n, 1)
            The series up to now.
        horizon : int
            Steps to forecast.
        levels : sequence of float or None, default=None
            Levels of the quantiles to draw; None draws none.
        truth, ax, **kwargs : object
            As for `from_predictions`.

        Returns
        -------
        ForecastDisplay
            The display.

        Raises
        ------
        ValueError
            If it is not one series, or a level is not between 0 and 1.
        """
        history = np.asarray(series)
        if history.ndim == 2 and history.shape[1] == 1:
            history = history[:, 0]
        if history.ndim != 1:
            raise ValueError(
                f"series must be one series of shape (n,) or (n, 1), got {history.shape}"
            )
        quantiles = None
        if levels is not None:
            levels = _check_levels(levels).tolist()
            quantiles = _only("predict_quantiles", 2, forecaster, horizon, series, levels)
        forecast = _only("predict", 1, forecaster, horizon, series)
        return cls.from_predictions(
            history, forecast, quantiles=quantiles, levels=levels, truth=truth, ax=ax, **kwargs
        )

    def plot(self, ax: Any = None, *, max_history: int | None = None, **kwargs: Any) -> Self:
        """Draw the forecast.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        max_history : int or None, default=None
            Number of past steps to draw, the last ones; None draws all.
        **kwargs : dict
            Keyword arguments of ``matplotlib.axes.Axes.plot`` for the forecast. The bands take its
            colour.

        Returns
        -------
        ForecastDisplay
            The display itself.
        """
        if max_history is not None and max_history < 1:
            raise ValueError(f"max_history must be at least 1, got {max_history}")
        self.ax_, self.figure_ = axes_of(ax)
        n = len(self.history)
        past = np.arange(n)[-max_history if max_history else 0 :]
        steps = np.arange(n - 1, n + len(self.forecast))
        (self.history_line_,) = self.ax_.plot(
            past, self.history[past], color="0.25", label="History"
        )
        (self.forecast_line_,) = self.ax_.plot(
            steps, self._from_now(self.forecast), **{"label": "Forecast", "zorder": 3, **kwargs}
        )
        self._plot_quantiles(steps, self.forecast_line_.get_color())
        self.truth_line_ = None
        if self.truth is not None:
            (self.truth_line_,) = self.ax_.plot(
                steps[: len(self.truth) + 1],
                self._from_now(self.truth),
                color="0.25",
                linestyle=":",
                label="Truth",
            )
        self.ax_.set(xlabel="Time step", ylabel="Value")
        tick_whole_numbers(self.ax_.xaxis)
        self.ax_.legend(loc="best")
        return self

    def _plot_quantiles(self, steps: AnyArray, color: Any) -> None:
        """Shade the areas between pairs of levels, and draw the level in the middle as a line."""
        self.bands_: list[Any] = []
        self.quantile_line_: Any = None
        if self.levels is None or self.quantiles is None:
            return
        n_levels = len(self.levels)
        for k in range(n_levels // 2):
            low, high = map(self._from_now, self.quantiles.T[[k, -1 - k]])
            label = f"Quantiles {_percent(self.levels[k])} to {_percent(self.levels[-1 - k])} %"
            style = {"color": color, "alpha": min(0.2 + 0.15 * k, 0.6), "linewidth": 0}
            self.bands_.append(self.ax_.fill_between(steps, low, high, label=label, **style))
        if n_levels % 2:
            level, values = self.levels[n_levels // 2], self.quantiles[:, n_levels // 2]
            label = "Median" if level == 0.5 else f"Quantile {_percent(level)} %"
            (self.quantile_line_,) = self.ax_.plot(
                steps, self._from_now(values), color=color, linestyle="--", label=label
            )

    def _from_now(self, values: Doubles) -> Doubles:
        """Values of the steps to come, behind the last one of the past."""
        return np.concatenate([self.history[-1:], values])


def _check_levels(given: Collection[float]) -> Doubles:
    levels = as_array("levels", given, 1)
    if not ((levels > 0) & (levels < 1)).all() or len(set(levels)) < len(levels):
        raise ValueError(f"levels must be different numbers between 0 and 1, got {levels.tolist()}")
    return levels


def _only(method: str, n_dimensions: int, forecaster: Any, *arguments: Any) -> Any:
    """What a forecaster's method says of one series, whether alone or as a list of one."""
    predicted = getattr(forecaster, method)(*arguments)
    if isinstance(predicted, list | tuple) and np.ndim(predicted[0]) == n_dimensions:
        if len(predicted) > 1:
            raise ValueError(f"{method} returned {len(predicted)} forecasts: draw one at a time")
        (predicted,) = predicted
    return predicted


def _percent(level: float) -> str:
    return f"{round(100 * level, 6):g}"
