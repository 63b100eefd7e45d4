"""Missing values and times as nodes of an ONNX graph, with the formulas of `inputs.missing`."""

import numpy as np


class GapNodes:
    """What a network reads of numbers with gaps, and of times.

    Parameters
    ----------
    graph : Graph
        Where the nodes go.
    model : Model
        What is exported.
    x : str or None
        The numbers of each step but its time, of shape (T, n, F).
    times : str or None
        The time of each step, float64 of shape (n, T).
    steps : Steps
        Which of the steps there are.

    Attributes
    ----------
    read : str
        What is read, of shape (T, n, any).
    factors : list of str
        Of the states of the first layer, (T, n, H) for each direction; empty if nothing decays.
    """

    def __init__(self, graph, model, x, times, steps):
        self._graph, self._gaps, self._dtype = graph, model.gaps, model.network.dtype
        self._steps, self.factors = steps, []
        parts, marks = [] if x is None else [x], []
        if times is not None:
            elapsed = self._elapsed(times)
        if self._gaps.mean:
            missing = graph.add("IsNaN", x)
            values, marks = self._carried(x, missing), [graph.cast(missing, self._dtype)]
            if self._gaps.means:
                since = self._since(elapsed if times is not None else self._ones(), marks[0])
                values = self._decay(model.network.decay.arrays, values, missing, since)
            parts = [values]
        if times is not None:
            parts.append(elapsed)
        parts += marks
        self.read = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=2)

    def _carried(self, x, missing):
        """The numbers, and in the place of those that are missing the last ones."""

        def body(inner, states, items):
            value, is_missing = items
            seen = inner.add("Where", is_missing, states[0], value)
            return [seen], [inner.add("Identity", seen)]

        return self._scan(body, self._gaps.mean, x, [x, missing])

    def _scan(self, body, start, like, items, reverse=False):
        """Collect something of shape (T, n, F), as `like` has, step by step from a row (F,)."""
        shape = self._graph.add("Shape", like, start=1)
        begin = self._graph.add("Expand", np.array([start], self._dtype), shape)
        shape = ("n", len(self._gaps.mean))
        _, collected = self._graph.scan(body, [begin], items, self._dtype, shape, reverse=reverse)
        return collected

    def _elapsed(self, times):
        """The time since the step before, of shape (T, n, 1)."""
        add, last = self._graph.add, np.array([np.iinfo(np.int64).max])
        one = np.array([1])
        first = add("Slice", times, np.array([0]), one, one)
        before = add("Slice", times, np.array([0]), np.array([-1]), one)
        after = add("Slice", times, one, last, one)
        elapsed = add("Concat", add("Sub", first, first), add("Sub", after, before), axis=1)
        elapsed = add("Div", elapsed, np.float64(self._gaps.unit))
        by_time = add("Transpose", self._graph.cast(elapsed, self._dtype), perm=[1, 0])
        return add("Unsqueeze", by_time, np.array([2]))

    def _ones(self):
        """The same where steps have no times: 0, then 1 and 1 again, of shape (T, n, 1)."""
        add, there = self._graph.add, self._steps.are_there_by_time
        last = add("Squeeze", self._steps.n_steps, np.array([0]))
        numbers = add("Min", add("Range", np.int64(0), last, np.int64(1)), np.int64(1))
        numbers = add("Unsqueeze", self._graph.cast(numbers, self._dtype), np.array([1, 2]))
        return add("Expand", numbers, add("Shape", there))

    def _since(self, elapsed, marks):
        """The times since values were last seen, and if asked those until they are seen next."""

        def forward(inner, states, items):
            step, mark = items
            since = inner.add("Add", step, states[0])
            return [inner.add("Mul", since, mark)], [since]

        def backward(inner, states, items):
            step, mark, there = items
            before = inner.add("Add", step, inner.add("Mul", states[0], mark))
            zero = inner.add("Sub", before, before)
            return [inner.add("Where", there, before, zero)], [inner.add("Identity", states[0])]

        zeros = np.zeros(len(self._gaps.mean))
        since = [self._scan(forward, zeros, marks, [elapsed, marks])]
        if self._gaps.both_ways:
            items = [elapsed, marks, self._steps.are_there_by_time]
            since.append(self._scan(backward, zeros, marks, items, reverse=True))
        return since

    def _decay(self, learned, values, missing, since):
        """What is left of values; the factors of the states are kept."""
        add = self._graph.add
        for times, suffix in zip(since, ("", "_reverse"), strict=False):
            product = add("MatMul", times, learned[f"W_h{suffix}"])
            self.factors.append(self._left(add("Add", product, learned[f"b_h{suffix}"])))
        rate = add("Add", add("Mul", since[0], learned["w_x"]), learned["b_x"])
        mean = learned["mean"]
        left = add("Mul", self._left(rate), add("Sub", values, mean))
        return add("Where", missing, add("Add", left, mean), values)

    def _left(self, rate):
        """How much is left."""
        return self._graph.add("Exp", self._graph.add("Neg", self._graph.add("Relu", rate)))
