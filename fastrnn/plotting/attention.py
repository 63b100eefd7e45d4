"""What each label of a sequence is told from: weights of attention over the steps of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from fastrnn.plotting.axes import as_array, axes_of, tick_whole_numbers
from fastrnn.typing import ArrayLike

END = "(end)"


class AttentionDisplay:
    """Heat map of the weights that each label gives to the steps of its source.

    Parameters
    ----------
    weights : array-like of shape (n_labels, n_steps)
        A row for each label, as one array of `RNNSeq2Seq.attention_weights`, whose last row is that
        of the end.
    source : sequence or None, default=None
        What stands at each step of the source, such as a string or a list of tokens, to be written
        under the columns. None numbers them.
    labels : sequence or None, default=None
        The label of each row, to be written beside it; where one is missing it is the end. None
        numbers them.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        The heat map: the first label is above, the first step on the left.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        Its scale.
    ax_ : matplotlib.axes.Axes
        Axes with the heat map.
    figure_ : matplotlib.figure.Figure
        Figure that they are in.

    Examples
    --------
    >>> from fastrnn.plotting import AttentionDisplay
    >>> display = AttentionDisplay([[0.9, 0.1], [0.2, 0.8]], source="ab", labels=["b", "a"]).plot()
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['b', 'a']
    """

    def __init__(
        self,
        weights: ArrayLike,
        *,
        source: Sequence[Any] | None = None,
        labels: Sequence[Any] | None = None,
    ) -> None:
        self.weights = as_array("weights", weights, 2)
        n_labels, n_steps = self.weights.shape
        self.source = None if source is None else list(map(str, source))
        if self.source is not None and len(self.source) != n_steps:
            raise ValueError(
                f"source has {len(self.source)} entries, but the weights are for {n_steps} steps"
            )
        self.labels = None if labels is None else list(map(str, labels))
        if self.labels is not None and len(self.labels) == n_labels - 1:
            self.labels.append(END)
        if self.labels is not None and len(self.labels) != n_labels:
            raise ValueError(
                f"labels has {len(self.labels)} entries, but the weights are for {n_labels} labels"
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        sequence: Any,
        y: Sequence[Any] | None = None,
        *,
        source: Sequence[Any] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Let an estimator tell a sequence, and draw what it attends to.

        Parameters
        ----------
        estimator : RNNSeq2Seq
            A fitted estimator with attention.
        sequence : array-like of shape (T, n_features), str or list
            One sequence, that is one item of the `X` of `fit`.
        y : sequence or None, default=None
            The labels that it is to tell, that is one item of the `y` of `fit`; None for those that
            it predicts.
        source : sequence or None, default=None
            What stands at each step, to be written under the columns. None writes the characters of
            a text and the tokens of a list of strings, and numbers others.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed on to `plot`.

        Returns
        -------
        AttentionDisplay
            The display.
        """
        (labels,) = estimator.predict([sequence]) if y is None else [y]
        if isinstance(labels, str):
            (weights,) = estimator.attention_weights([sequence], None if y is None else [y])
            labels = estimator.task_.read([labels]).values
        else:
            (weights,) = estimator.attention_weights([sequence], [labels])
        if source is None and isinstance(sequence, str) and estimator.encoder_ is not None:
            (source,) = estimator.encoder_.tokenize([sequence])
        elif source is None and all(isinstance(step, str) for step in sequence):
            source = sequence
        if source is not None and len(source) != weights.shape[1]:
            source = None  # steps are read several at a time
        labels = labels if len(labels) in (len(weights) - 1, len(weights)) else None
        return cls(weights, source=source, labels=labels).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, colorbar: bool = True, **kwargs: Any) -> Self:
        """Draw the weights.

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
        AttentionDisplay
            The display itself.
        """
        self.ax_, self.figure_ = axes_of(ax)
        style = {
            "cmap": "Blues", "vmin": 0.0, "vmax": 1.0, "aspect": "auto", "origin": "upper",
            "interpolation": "nearest",
        }  # fmt: skip
        self.im_ = self.ax_.imshow(self.weights, **{**style, **kwargs})
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.im_, ax=self.ax_, label="Weight")
        self.ax_.set(xlabel="Source", ylabel="Label")
        for axis, names in ((self.ax_.xaxis, self.source), (self.ax_.yaxis, self.labels)):
            if names is None:
                tick_whole_numbers(axis)
            else:
                axis.set_ticks(range(len(names)), names)
        return self
