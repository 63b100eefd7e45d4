"""Pictures of training, gradients, states and forecasts, after scikit-learn's displays.

A display holds what it shows. Its `from_estimator` (or `from_predictions`) draws it at once, and
its `plot` draws it again, elsewhere or in another style. Needs matplotlib, which is imported when
something is drawn: ``pip install "fastrnn[plot]"``.
"""

import numpy as np

__all__ = ["ForecastDisplay", "GradientFlowDisplay", "LossCurveDisplay", "StateDisplay"]


class LossCurveDisplay:
    """Loss, and validation score where there is one, over the epochs of training.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Loss of each epoch.
    validation_scores : array-like of shape (n_epochs,) or None, default=None
        Validation score after each epoch. It gets an axis of its own on the right.
    name : str or None, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The loss.
    validation_line_ : matplotlib.lines.Line2D or None
        The validation scores.
    ax_ : matplotlib.axes.Axes
        Axes of the loss.
    validation_ax_ : matplotlib.axes.Axes or None
        Axes of the validation scores.
    figure_ : matplotlib.figure.Figure
        Figure that they are in.

    Examples
    --------
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.datasets import load_japanese_vowels
    >>> from fastrnn.plotting import LossCurveDisplay
    >>> X, y, *_ = load_japanese_vowels()
    >>> clf = RNNClassifier(16, learning_rate_init=0.02, batch_size=30, early_stopping=True,
    ...                     n_iter_no_change=3, random_state=0)
    >>> display = LossCurveDisplay.from_estimator(clf.fit(X, y))
    >>> len(display.line_.get_xdata()) == clf.n_iter_
    True
    """

    def __init__(self, loss_curve, *, validation_scores=None, name=None):
        self.loss_curve = _array("loss_curve", loss_curve, 1)
        self.validation_scores = None
        if validation_scores is not None:
            self.validation_scores = _array("validation_scores", validation_scores, 1)
            _check_length("validation_scores", self.validation_scores, len(self.loss_curve))
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **kwargs):
        """Draw the training of an estimator.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``loss_curve_`` and perhaps ``validation_scores_``.
        name : str or None, default=None
            Name for the legend, to tell models apart.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed on to `plot`.

        Returns
        -------
        LossCurveDisplay
            The display.

        Raises
        ------
        ValueError
            If the estimator has no loss curve, or one without any epoch.
        """
        curve = getattr(estimator, "loss_curve_", None)
        if curve is None:
            raise ValueError(f"{type(estimator).__name__} has no loss_curve_: call fit before")
        display = cls(
            curve,
            validation_scores=getattr(estimator, "validation_scores_", None),
            name=name,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, name=None, validation_ax=None, validation_kw=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw the loss; None makes a new figure.
        name : str or None, default=None
            Name for the legend; None is that of the display.
        validation_ax : matplotlib.axes.Axes or None, default=None
            Where to draw the validation scores; None shares the time axis of `ax`, with a scale on
            the right. To compare models, pass that of the first.
        validation_kw : dict or None, default=None
            Keyword arguments of ``matplotlib.axes.Axes.plot`` for the validation scores.
        **kwargs : dict
            The same for the loss.

        Returns
        -------
        LossCurveDisplay
            The display itself.
        """
        self.ax_, self.figure_ = _axes(ax)
        name = self.name if name is None else name
        suffix = "" if name is None else f" ({name})"
        epochs = np.arange(1, len(self.loss_curve) + 1)
        (self.line_,) = self.ax_.plot(
            epochs, self.loss_curve, **{"label": f"Training loss{suffix}", **kwargs}
        )
        self.ax_.set(xlabel="Epoch", ylabel="Training loss")
        _integer_ticks(self.ax_.xaxis)
        self.validation_line_ = self.validation_ax_ = None
        if self.validation_scores is None:
            self.ax_.legend(loc="best")
            return self
        self.validation_ax_ = self.ax_.twinx() if validation_ax is None else validation_ax
        style = {
            "label": f"Validation score{suffix}",
            "linestyle": "--",
            "color": self.line_.get_color(),
        }
        (self.validation_line_,) = self.validation_ax_.plot(
            epochs, self.validation_scores, **{**style, **(validation_kw or {})}
        )
        self.validation_ax_.set_ylabel("Validation score")
        # One legend for both axes, on the upper ones: over that of the lower their lines would run.
        # Losses fall and scores rise, so that there is room between them on the right.
        if (legend := self.ax_.get_legend()) is not None:
            legend.remove()
        both = (self.ax_, self.validation_ax_)
        handles = [handle for ax in both for handle in ax.get_legend_handles_labels()[0]]
        self.validation_ax_.legend(handles=handles, loc="center right")
        return self


class GradientFlowDisplay:
    """Norm of the gradient of the loss with respect to the states, over time, layer by layer.

    The picture of vanishing and exploding gradients: on the logarithmic axis a straight fall with
    the distance from the output is a gradient that vanishes exponentially, and a rise one that
    explodes. Norms of zero are left out.

    Parameters
    ----------
    norms : array-like of shape (n_curves, T)
        Norms, as `GradientFlow.from_start` or `GradientFlow.from_end` of `fastrnn.inspection`.
    names : sequence of str
        A name for each curve. One that ends in " backward" gets the colour of the curve before it,
        and a broken line.
    origin : {"start", "end"}, default="start"
        Whether column t of the norms is step t, or the t-th step before the last.

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
        A line for each curve.
    ax_ : matplotlib.axes.Axes
        Axes with the lines.
    figure_ : matplotlib.figure.Figure
        Figure that they are in.

    Examples
    --------
    >>> from fastrnn.plotting import GradientFlowDisplay
    >>> display = GradientFlowDisplay([[0.1, 0.5, 1.0], [0.2, 0.6, 0.9]], ["layer 1", "layer 2"])
    >>> display.plot().ax_.get_yscale()
    'log'
    """

    def __init__(self, norms, names, *, origin="start"):
        self.norms = _array("norms", norms, 2)
        self.names = tuple(names)
        if len(self.names) != len(self.norms):
            raise ValueError(f"norms has {len(self.norms)} curves, names has {len(self.names)}")
        self.origin = _check_origin(origin)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, sample_weight=None, origin="end", ax=None, **kwargs
    ):
        """Compute and draw the norms for some sequences.

        Parameters
        ----------
        estimator : object
            A fitted estimator with the method ``gradient_flow``.
        X : list of ndarray, or array
            The sequences.
        y : array-like
            Their targets.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the mean.
        origin : {"end", "start"}, default="end"
            Where steps are counted from; it matters for sequences of unequal length. Counted from
            the end, the last step is -1, as an index in Python.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed on to `plot`.

        Returns
        -------
        GradientFlowDisplay
            The display.
        """
        _check_origin(origin)
        flow = estimator.gradient_flow(X, y, sample_weight=sample_weight)
        norms = flow.from_end if origin == "end" else flow.from_start
        return cls(norms, flow.names, origin=origin).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the norms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Keyword arguments of ``matplotlib.axes.Axes.plot``, for every line.

        Returns
        -------
        GradientFlowDisplay
            The display itself.
        """
        self.ax_, self.figure_ = _axes(ax)
        steps = np.arange(self.norms.shape[1])
        if self.origin == "end":
            steps = -1 - steps
        self.lines_ = []
        for name, norms in zip(self.names, self.norms, strict=True):
            style = {"label": name}
            if name.endswith(" backward") and self.lines_:
                style |= {"color": self.lines_[-1].get_color(), "linestyle": "--"}
            shown = np.where(norms > 0, norms, np.nan)
            self.lines_ += self.ax_.plot(steps, shown, **{**style, **kwargs})
        if (self.norms > 0).any():  # a logarithmic axis of nothing is a warning
            self.ax_.set_yscale("log")
        count = ", counted from the end" if self.origin == "end" else ""
        self.ax_.set(
            xlabel=f"Time step $t${count}", ylabel=r"Norm of $\partial\,$loss$\,/\,\partial h_t$"
        )
        _integer_ticks(self.ax_.xaxis)
        self.ax_.legend(loc="best")
        return self


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

    def __init__(self, history, forecast, *, quantiles=None, levels=None, truth=None):
        self.history = _array("history", history, 1)
        self.forecast = _array("forecast", forecast, 1)
        horizon = len(self.forecast)
        if (quantiles is None) != (levels is None):
            raise ValueError("quantiles and levels belong together: give both or neither")
        self.quantiles = self.levels = self.truth = None
        if levels is not None:
            levels = _check_levels(levels)
            quantiles = _array("quantiles", quantiles, 2)
            if quantiles.shape != (horizon, len(levels)):
                raise ValueError(
                    f"quantiles must have shape ({horizon}, {len(levels)}), a row for each step "
                    f"and a column for each level, got {quantiles.shape}"
                )
            order = np.argsort(levels)
            self.levels, self.quantiles = levels[order], quantiles[:, order]
        if truth is not None:
            self.truth = _array("truth", truth, 1)
            if len(self.truth) > horizon:
                raise ValueError(
                    f"truth has {len(self.truth)} steps, more than the {horizon} of the forecast"
                )

    @classmethod
    def from_predictions(
        cls, history, forecast, *, quantiles=None, levels=None, truth=None, ax=None, **kwargs
    ):
        """Draw a forecast that is there already.

        Parameters
        ----------
        history : array-like of shape (n,)
            The past.
        forecast : array-like of shape (horizon,)
            What is predicted for the steps after it.
        quantiles : array-like of shape (horizon, n_levels) or None, default=None
            Predicted quantiles.
        levels : sequence of float or None, default=None
            Their levels.
        truth : array-like of shape (m,) or None, default=None
            What really followed.
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
        cls, forecaster, series, horizon, *, levels=None, truth=None, ax=None, **kwargs
    ):
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
        truth : array-like of shape (m,) or None, default=None
            What really followed.
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
            levels = _check_levels(levels)
            quantiles = _only("predict_quantiles", 2, forecaster, horizon, series, levels.tolist())
        forecast = _only("predict", 1, forecaster, horizon, series)
        return cls.from_predictions(
            history, forecast, quantiles=quantiles, levels=levels, truth=truth, ax=ax, **kwargs
        )

    def plot(self, ax=None, *, max_history=None, **kwargs):
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
        self.ax_, self.figure_ = _axes(ax)
        n = len(self.history)
        past = np.arange(n)[-max_history if max_history else 0 :]
        steps = np.arange(n - 1, n + len(self.forecast))
        (self.history_line_,) = self.ax_.plot(
            past, self.history[past], color="0.25", label="History"
        )
        (self.forecast_line_,) = self.ax_.plot(
            steps, self._from_now(self.forecast), **{"label": "Forecast", "zorder": 3, **kwargs}
        )
        color = self.forecast_line_.get_color()
        self.bands_, self.quantile_line_ = [], None
        n_levels = 0 if self.levels is None else len(self.levels)
        for k in range(n_levels // 2):
            low, high = (self._from_now(self.quantiles[:, j]) for j in (k, n_levels - 1 - k))
            label = f"Quantiles {_percent(self.levels[k])} to {_percent(self.levels[-1 - k])} %"
            band = self.ax_.fill_between(
                steps,
                low,
                high,
                color=color,
                alpha=min(0.2 + 0.15 * k, 0.6),
                linewidth=0,
                label=label,
            )
            self.bands_.append(band)
        if n_levels % 2:
            level = self.levels[n_levels // 2]
            (self.quantile_line_,) = self.ax_.plot(
                steps,
                self._from_now(self.quantiles[:, n_levels // 2]),
                color=color,
                linestyle="--",
                label="Median" if level == 0.5 else f"Quantile {_percent(level)} %",
            )
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
        _integer_ticks(self.ax_.xaxis)
        self.ax_.legend(loc="best")
        return self

    def _from_now(self, values):
        """Values of the steps to come, behind the last one of the past."""
        return np.concatenate([self.history[-1:], values])


class StateDisplay:
    """Heat map of the hidden units of the top layer over the time steps of one sequence.

    Parameters
    ----------
    states : array-like of shape (T, n_hidden)
        The states, as one array of an estimator's `hidden_states`.
    n_directions : int, default=1
        2 for the states of a bidirectional network: a line then parts the units that read forward,
        below, from those that read backward, above.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        The heat map. Its colours are white for zero and of equal depth for equal sizes.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        Its scale.
    ax_ : matplotlib.axes.Axes
        Axes with the heat map.
    figure_ : matplotlib.figure.Figure
        Figure that they are in.

    Examples
    --------
    >>> from fastrnn.plotting import StateDisplay
    >>> display = StateDisplay([[0.1, -0.8], [0.3, -0.2], [0.5, 0.0]]).plot()
    >>> display.im_.get_clim()
    (-0.8, 0.8)
    """

    def __init__(self, states, *, n_directions=1):
        self.states = _array("states", states, 2)
        if n_directions not in (1, 2) or self.states.shape[1] % n_directions:
            raise ValueError(
                f"n_directions must be 1, or 2 for an even number of units, got {n_directions} for "
                f"{self.states.shape[1]}"
            )
        self.n_directions = n_directions

    @classmethod
    def from_estimator(cls, estimator, sequence, *, ax=None, **kwargs):
        """Run an estimator over a sequence and draw its states.

        Parameters
        ----------
        estimator : RNNClassifier, RNNRegressor
            A fitted estimator.
        sequence : array-like of shape (T, n_features)
            One sequence, that is one item of the `X` of `fit`.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed on to `plot`.

        Returns
        -------
        StateDisplay
            The display.
        """
        (states,) = estimator.hidden_states([sequence])
        n_directions = estimator.network_.layers[-1].n_directions
        return cls(states, n_directions=n_directions).plot(ax, **kwargs)

    def plot(self, ax=None, *, colorbar=True, **kwargs):
        """Draw the states.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        colorbar : bool, default=True
            Whether to draw the scale of the colours.
        **kwargs : dict
            Keyword arguments of ``matplotlib.axes.Axes.imshow``.

        Returns
        -------
        StateDisplay
            The display itself.
        """
        self.ax_, self.figure_ = _axes(ax)
        n_hidden = self.states.shape[1]
        largest = np.abs(self.states).max() or 1.0
        style = {
            "cmap": "RdBu_r", "vmin": -largest, "vmax": largest, "aspect": "auto",
            "origin": "lower", "interpolation": "nearest",
        }  # fmt: skip
        self.im_ = self.ax_.imshow(self.states.T, **{**style, **kwargs})
        if self.n_directions == 2:
            self.ax_.axhline(n_hidden / 2 - 0.5, color="black", linewidth=2)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.im_, ax=self.ax_, label="State")
        units = "Hidden unit (forward, backward)" if self.n_directions == 2 else "Hidden unit"
        self.ax_.set(xlabel="Time step", ylabel=units)
        _integer_ticks(self.ax_.xaxis)
        _integer_ticks(self.ax_.yaxis)
        return self


def _axes(ax):
    """Axes to draw in, and their figure."""
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "fastrnn.plotting draws with matplotlib, which is not installed: "
                'pip install "fastrnn[plot]"'
            ) from error
        _, ax = plt.subplots(layout="constrained")
    return ax, ax.figure


def _integer_ticks(axis):
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _array(name, values, n_dimensions):
    """Values as an array of real numbers that is not empty."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != n_dimensions or array.size == 0:
        expected = "(n,)" if n_dimensions == 1 else "(n, m)"
        raise ValueError(
            f"{name} must have shape {expected} and at least one entry, got {array.shape}"
        )
    return array.astype(np.float64)


def _check_length(name, values, expected):
    if len(values) != expected:
        raise ValueError(f"{name} has {len(values)} entries, expected {expected}")


def _check_origin(origin):
    if origin not in ("start", "end"):
        raise ValueError(f"origin must be 'start' or 'end', got {origin!r}")
    return origin


def _check_levels(levels):
    levels = _array("levels", levels, 1)
    if not ((levels > 0) & (levels < 1)).all() or len(set(levels)) < len(levels):
        raise ValueError(f"levels must be different numbers between 0 and 1, got {levels.tolist()}")
    return levels


def _only(method, n_dimensions, forecaster, *arguments):
    """What a forecaster's method says of one series, whether alone or as a list of one."""
    predicted = getattr(forecaster, method)(*arguments)
    if isinstance(predicted, list | tuple) and np.ndim(predicted[0]) == n_dimensions:
        if len(predicted) > 1:
            raise ValueError(f"{method} returned {len(predicted)} forecasts: draw one at a time")
        (predicted,) = predicted
    return predicted


def _percent(level):
    return f"{round(100 * level, 6):g}"
