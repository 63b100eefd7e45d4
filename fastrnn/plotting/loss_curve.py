"""The loss over the epochs of training."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastrnn.plotting.axes import as_array, axes_of, tick_whole_numbers
from fastrnn.typing import ArrayLike, Doubles


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

    def __init__(
        self,
        loss_curve: ArrayLike,
        *,
        validation_scores: ArrayLike | None = None,
        name: str | None = None,
    ) -> None:
        self.loss_curve = as_array("loss_curve", loss_curve, 1)
        self.validation_scores = None
        if validation_scores is not None:
            self.validation_scores = as_array("validation_scores", validation_scores, 1)
            _check_length("validation_scores", self.validation_scores, len(self.loss_curve))
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **kwargs: Any
    ) -> Self:
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

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        validation_ax: Any = None,
        validation_kw: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
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
        self.ax_, self.figure_ = axes_of(ax)
        name = self.name if name is None else name
        suffix = "" if name is None else f" ({name})"
        epochs = np.arange(1, len(self.loss_curve) + 1)
        (self.line_,) = self.ax_.plot(
            epochs, self.loss_curve, **{"label": f"Training loss{suffix}", **kwargs}
        )
        self.ax_.set(xlabel="Epoch", ylabel="Training loss")
        tick_whole_numbers(self.ax_.xaxis)
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


def _check_length(name: str, values: Doubles, expected: int) -> None:
    if len(values) != expected:
        raise ValueError(f"{name} has {len(values)} entries, expected {expected}")
