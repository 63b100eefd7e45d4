"""Norms of gradients over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np

from fastrnn.plotting.axes import as_array, axes_of, tick_whole_numbers
from fastrnn.typing import ArrayLike, SampleWeight, SequencesLike, TargetsLike


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

    def __init__(
        self, norms: ArrayLike, names: Iterable[str], *, origin: Literal["start", "end"] = "start"
    ) -> None:
        self.norms = as_array("norms", norms, 2)
        self.names = tuple(names)
        if len(self.names) != len(self.norms):
            raise ValueError(f"norms has {len(self.norms)} curves, names has {len(self.names)}")
        self.origin = _check_origin(origin)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: SequencesLike,
        y: TargetsLike,
        *,
        sample_weight: SampleWeight = None,
        origin: Literal["start", "end"] = "end",
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
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

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
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
        self.ax_, self.figure_ = axes_of(ax)
        steps = np.arange(self.norms.shape[1])
        if self.origin == "end":
            steps = -1 - steps
        self.lines_: list[Any] = []
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
        tick_whole_numbers(self.ax_.xaxis)
        self.ax_.legend(loc="best")
        return self


def _check_origin(origin: Literal["start", "end"]) -> Literal["start", "end"]:
    if origin not in ("start", "end"):
        raise ValueError(f"origin must be 'start' or 'end', got {origin!r}")
    return origin
