"""Quantiles of some levels from those that a network has learned."""

from collections.abc import Collection, Sequence

import numpy as np

from fastrnn.typing import Doubles


def at_levels(outputs, learned, levels):
    """Quantiles of the levels wanted, (..., L), from outputs for those learned, (..., Q).

    Outputs are sorted first, so that quantiles never cross: the monotone rearrangement, which is
    nearer to the true ones (Chernozhukov, Fernandez-Val and Galichon 2010, Econometrica 78). Those
    between two that were learned are interpolated linearly.
    """
    outputs = np.sort(outputs, axis=-1)
    above, share = between(learned, levels)
    if len(learned) == 1:
        return outputs[..., above]
    return outputs[..., above - 1] * (1 - share) + outputs[..., above] * share


def between(learned, levels):
    """For each level the number of the learned one above it, and the share that it has."""
    learned = np.array(learned)
    if len(learned) == 1:
        return np.zeros(len(levels), np.int64), np.ones(len(levels))
    above = np.clip(np.searchsorted(learned, levels), 1, len(learned) - 1)
    share = (np.asarray(levels) - learned[above - 1]) / (learned[above] - learned[above - 1])
    return above, share


def check_levels(
    learned: Sequence[float], levels: Collection[float] | None
) -> Sequence[float] | Doubles:
    """The levels of quantiles that are wanted, of those that can be told; None are all learned."""
    levels = learned if levels is None else as_levels(levels)
    wrong = [level for level in levels if not learned[0] <= level <= learned[-1]]
    if wrong:
        raise ValueError(
            f"levels has {wrong[0]}, but the model has learned quantiles from {learned[0]} to "
            f"{learned[-1]}"
        )
    return levels


def as_levels(levels: Collection[float]) -> Doubles:
    """Levels as an array."""
    levels = np.asarray(levels, dtype=np.float64)
    if np.ndim(levels) != 1 or not len(levels):
        raise ValueError(f"levels must be a list of numbers, got {levels!r}")
    return levels
