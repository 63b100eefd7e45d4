"""Hidden states over the steps of a sequence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastrnn.plotting.axes import as_array, axes_of, tick_whole_numbers
from fastrnn.typing import ArrayLike


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

    def __init__(self, states: ArrayLike, *, n_directions: int = 1) -> None:
        self.states = as_array("states", states, 2)
        if n_directions not in (1, 2) or self.states.shape[1] % n_directions:
            raise ValueError(
                f"n_directions must be 1, or 2 for an even number of units, got {n_directions} for "
                f"{self.states.shape[1]}"
            )
        self.n_directions = n_directions

    @classmethod
    def from_estimator(
        cls, estimator: Any, sequence: Any, *, ax: Any = None, **kwargs: Any
    ) -> Self:
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

    def plot(self, ax: Any = None, *, colorbar: bool = True, **kwargs: Any) -> Self:
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
        self.ax_, self.figure_ = axes_of(ax)
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
        tick_whole_numbers(self.ax_.xaxis)
        tick_whole_numbers(self.ax_.yaxis)
        return self
