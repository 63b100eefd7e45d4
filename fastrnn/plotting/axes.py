"""What all displays share: axes to draw in, and arrays to draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrnn.typing import Doubles


def axes_of(ax: Any) -> tuple[Any, Any]:
    """The axes to draw in, and their figure; None makes new ones."""
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


def tick_whole_numbers(axis: Any) -> None:
    """Let an axis have ticks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def as_array(name: str, values: Any, n_dimensions: int) -> Doubles:
    """Give values as an array of real numbers that is not empty."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != n_dimensions or array.size == 0:
        expected = "(n,)" if n_dimensions == 1 else "(n, m)"
        raise ValueError(
            f"{name} must have shape {expected} and at least one entry, got {array.shape}"
        )
    return array.astype(np.float64)
