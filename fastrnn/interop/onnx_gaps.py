"""Missing values and times as nodes of an ONNX graph, with the formulas of `inputs.missing`."""

import numpy as np


def add_gaps(graph, gaps, x, times, dtype):
    """Add what a network reads of numbers with gaps, and of times.

    Parameters
    ----------
    graph : Graph
        Where the nodes go.
    gaps : Gaps
        What `fit` learned.
    x : str or None
        The numbers of each step but its time, of shape (T, n, D).
    times : str or None
        The time of each step, float64 of shape (n, T).
    dtype : numpy.dtype
        That of the network.

    Returns
    -------
    str
        What is read, of shape (T, n, any).
    """
    parts, marks = [] if x is None else [x], []
    if gaps.mean:
        missing = graph.add("IsNaN", x)
        parts, marks = [_carried(graph, gaps, x, missing, dtype)], [graph.cast(missing, dtype)]
    if times is not None:
        parts.append(_elapsed(graph, gaps, times, dtype))
    parts += marks
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=2)


def _carried(graph, gaps, x, missing, dtype):
    """The numbers, and in the place of those that are missing the last ones."""

    def body(inner, states, items):
        value, is_missing = items
        seen = inner.add("Where", is_missing, states[0], value)
        return [seen], [inner.add("Identity", seen)]

    shape = graph.add("Shape", x, start=1)
    mean = graph.add("Expand", np.array([gaps.mean], dtype), shape)
    _, carried = graph.scan(body, [mean], [x, missing], dtype, ("n", len(gaps.mean)))
    return carried


def _elapsed(graph, gaps, times, dtype):
    """The time since the step before, of shape (T, n, 1)."""
    first = graph.add("Slice", times, np.array([0]), np.array([1]), np.array([1]))
    last = np.array([np.iinfo(np.int64).max])
    before = graph.add("Slice", times, np.array([0]), np.array([-1]), np.array([1]))
    after = graph.add("Slice", times, np.array([1]), last, np.array([1]))
    elapsed = graph.add(
        "Concat", graph.add("Sub", first, first), graph.add("Sub", after, before), axis=1
    )
    elapsed = graph.cast(graph.add("Div", elapsed, np.float64(gaps.unit)), dtype)
    by_time = graph.add("Transpose", elapsed, perm=[1, 0])
    return graph.add("Unsqueeze", by_time, np.array([2]))
