"""How a forecaster scales series, and back, as ONNX nodes: formulas of `fastrnn.inputs.scaling`.

Everything is float64 and of shape (n, T), or (n, 1) for what is one number for each series. What
stands in the padding, or is missing, goes into no sum. Values are carried over gaps by a Scan, and
another one goes over the lags of an autocorrelation.
"""

import numpy as np

from fastrnn.inputs.scaling import (
    COUNTS,
    LEAST_SPREAD,
    LOG1P,
    MIN_SEASONS,
    SHARE,
    SIGNIFICANT,
    USUAL_SPREAD,
)

_FIRST_AXIS, _TIME = np.array([0]), np.array([1])
_ZERO, _NAN = np.float64(0), np.float64(np.nan)
_END = np.array([np.iinfo(np.int64).max])


class ScaleNodes:
    """The nodes that learn the scale of series.

    Parameters
    ----------
    graph : Graph
        Where they go.
    plan : Plan
        How the forecaster scales.
    series : str
        The series, of shape (n, T).
    steps : Steps
        Which of their steps there are.

    Attributes
    ----------
    seen : str
        What the network reads of the values, of shape (n, T): 0 where nothing has been observed.
    missing : str or None
        Which values are missing, if that may be.
    before : list of str
        What the network reads of the values before each, of shape (n, T, n_lags), if it has lags.
    fixed : list of str
        What is read of each series at every step, of shape (n, 1) each.
    """

    def __init__(self, graph, plan, series, steps):
        self._graph, self._plan, self._steps = graph, plan, steps
        add = graph.add
        z = add("Where", steps.are_there, series, np.float64(1))
        self.missing, self._observed = None, steps.are_there
        if plan.mask:
            self.missing = add("IsNaN", z)
            self._observed = add("And", steps.are_there, add("Not", self.missing))
        z = self._log(z)
        self._pattern = None
        if plan.pattern is not None:
            self._pattern = self._learn_pattern(z)
            numbers = add("Range", np.int64(0), add("Squeeze", steps.n_steps), np.int64(1))
            places = add("Mod", numbers, np.int64(plan.seasonality))
            z = add("Sub", z, add("Gather", self._pattern, places, axis=1))
        carried = z if self.missing is None else self._carry(z)[0]
        self._learn_factor(z, carried)
        scaled = add("Div", add("Sub", carried, self._shift), self._divisor)
        self.seen = self._see(scaled)
        self._history = self._remember(scaled, z) if plan.n_lags else None
        self.before = [self._look_back(scaled)] if plan.n_lags else []
        self.fixed = [self._feature(carried, series)] if plan.scale_feature else []

    def undo(self, scaled, per_step=1):
        """Bring forecasts back to the scale of the series.

        Parameters
        ----------
        scaled : str
            Of shape (n, horizon), or (n, horizon, Q).
        per_step : int, default=1
            Q, if there is such an axis.

        Returns
        -------
        str
            Of the same shape.
        """
        add = self._graph.add
        added, factor = self._shift, self._factor
        if self._pattern is not None:
            horizon = add("Squeeze", add("Shape", scaled, start=1, end=2))
            ahead = add("Range", np.int64(0), horizon, np.int64(1))
            numbers = add("Add", add("Unsqueeze", self._steps.lengths, _TIME), ahead)
            places = add("Mod", numbers, np.int64(self._plan.seasonality))
            season = add("GatherElements", self._pattern, places, axis=1)
            added = add("Add", added, season)
        if per_step > 1:
            added, factor = (add("Unsqueeze", value, np.array([2])) for value in (added, factor))
        z = add("Add", add("Mul", scaled, factor), added)
        if self._plan.log != LOG1P:
            return add("Exp", z) if self._plan.log else z
        unit = add("Unsqueeze", self._unit, np.array([2])) if per_step > 1 else self._unit
        size = add("Sub", add("Exp", add("Abs", z)), np.float64(1))
        return add("Mul", add("Sign", z), add("Mul", size, unit))

    def _log(self, z):
        """The logarithm of values, if the plan has one."""
        add = self._graph.add
        if self._plan.log != LOG1P:
            return add("Log", z) if self._plan.log else z
        size = add("Abs", z)
        mean = add("Div", self._total(size, self._observed), self._count())
        unit = add("Mul", mean, np.float64(SHARE))
        is_nothing = add("Equal", unit, _ZERO)
        self._unit = add("Where", is_nothing, np.float64(1), unit)
        ratio = add("Add", add("Div", size, self._unit), np.float64(1))
        return add("Mul", add("Sign", z), add("Log", ratio))

    def _total(self, values, where):
        """Sum of the values of each series where something holds, of shape (n, 1)."""
        kept = self._graph.add("Where", where, values, _ZERO)
        return self._graph.add("ReduceSum", kept, _TIME, keepdims=1)

    def _count(self):
        """Number of observed values of each series, of shape (n, 1), float64."""
        observed = self._graph.cast(self._observed, np.float64)
        return self._graph.add("ReduceSum", observed, _TIME, keepdims=1)

    def _carry(self, z, *, reverse=False):
        """The last value observed up to each step, and its step; NaN before the first.

        With `reverse` the next one from each step on.
        """
        graph = self._graph

        def body(inner, states, items):
            z, observed, number = items
            new = [
                inner.add("Where", observed, item, state)
                for item, state in zip((z, number), states, strict=True)
            ]
            return new, [inner.add("Identity", value) for value in new]

        nothing = graph.add("Expand", _NAN, graph.add("Shape", self._steps.lengths))
        items = [graph.add("Transpose", value, perm=[1, 0]) for value in (z, self._observed)]
        items.append(self._numbers())
        _, _, *carried = graph.scan(
            body, [nothing, nothing], items, np.float64, ("n",), reverse=reverse
        )
        return [graph.add("Transpose", value, perm=[1, 0]) for value in carried]

    def _numbers(self):
        """The numbers of the steps, of shape (T,), float64."""
        last = self._graph.add("Squeeze", self._steps.n_steps)
        numbers = self._graph.add("Range", np.int64(0), last, np.int64(1))
        return self._graph.cast(numbers, np.float64)

    def _fill(self, z):
        """Interpolate gaps; before the first and after the last value stands that."""
        add = self._graph.add
        (before, start), (after, end) = self._carry(z), self._carry(z, reverse=True)
        width = add("Max", add("Sub", end, start), np.float64(1))  # 0 at a value itself
        slope = add("Div", add("Sub", after, before), width)
        inner = add("Add", before, add("Mul", slope, add("Sub", self._numbers(), start)))
        inner = add("Where", add("IsNaN", after), before, inner)
        return add("Where", add("IsNaN", before), after, inner)

    def _learn_pattern(self, z):
        """The seasonal pattern of each series, of shape (n, m); 0 where there is none."""
        add, m = self._graph.add, self._plan.seasonality
        filled = z if self.missing is None else self._fill(z)
        # The trend: moving averages over windows of one season, centred.
        weights = np.full(m, 1 / m)
        if m % 2 == 0:
            weights = np.convolve(weights, [0.5, 0.5])
        n_windows = add("Sub", self._steps.n_steps, np.array([len(weights) - 1]))
        n_windows = add("Squeeze", add("Max", n_windows, np.array([0])))
        starts = add("Range", np.int64(0), n_windows, np.int64(1))
        within = add("Add", add("Unsqueeze", starts, _TIME), np.arange(len(weights)))
        trend = add("MatMul", add("Gather", filled, within, axis=1), weights)
        centres = add("Add", starts, np.int64(m // 2))
        difference = add("Sub", add("Gather", z, centres, axis=1), trend)
        ends = add("Add", starts, np.int64(len(weights)))
        fits = add("LessOrEqual", ends, add("Unsqueeze", self._steps.lengths, _TIME))
        counts = add("And", fits, add("Gather", self._observed, centres, axis=1))
        # The mean difference from it at each place of the season, made to sum to 0.
        places = add("Unsqueeze", add("Mod", centres, np.int64(m)), _TIME)
        is_place = self._graph.cast(add("Equal", places, np.arange(m)), np.float64)
        sums = add("MatMul", add("Where", counts, difference, _ZERO), is_place)
        numbers = add("MatMul", self._graph.cast(counts, np.float64), is_place)
        pattern = add("Div", sums, add("Max", numbers, np.float64(1)))
        pattern = add("Sub", pattern, add("ReduceMean", pattern, axes=[1], keepdims=1))
        return add("Where", self._are_seasonal(filled), pattern, _ZERO)

    def _are_seasonal(self, filled):
        """Whether the autocorrelation at the lag of a season is significant, of shape (n, 1)."""
        add, m, there = self._graph.add, self._plan.seasonality, self._steps.are_there
        lengths = add("Unsqueeze", self._steps.lengths, _TIME)
        n = self._graph.cast(lengths, np.float64)
        centred = add("Sub", filled, add("Div", self._total(filled, there), n))
        centred = add("Where", there, centred, _ZERO)

        def body(inner, states, items):
            (lag,) = items
            rest = inner.add("Max", inner.add("Sub", self._steps.n_steps, lag), np.array([0]))
            later = inner.add("Slice", centred, lag, _END, _TIME)
            earlier = inner.add("Slice", centred, _FIRST_AXIS, rest, _TIME)
            product = inner.add("Mul", later, earlier)
            return [], [inner.add("ReduceSum", product, _TIME, keepdims=1)]

        lags = self._graph.constant(np.arange(1, m + 1)[:, np.newaxis])
        products = self._graph.scan(body, [], [lags], np.float64, ("n", 1))
        square = add("Mul", centred, centred)
        r = add("Div", products, add("ReduceSum", square, _TIME, keepdims=1))  # (m, n, 1)
        before = add("Slice", r, np.array([0]), np.array([m - 1]), _FIRST_AXIS)
        total = add("ReduceSum", add("Mul", before, before), _FIRST_AXIS, keepdims=0)
        variance = add("Add", np.float64(1), add("Mul", np.float64(2), total))
        limit = add("Mul", np.float64(SIGNIFICANT), add("Sqrt", add("Div", variance, n)))
        of_season = add("Abs", add("Gather", r, np.int64(m - 1), axis=0))
        is_long = add("GreaterOrEqual", lengths, np.int64(MIN_SEASONS * m))
        return add("And", is_long, add("Greater", of_season, limit))

    def _learn_factor(self, z, carried):
        """Shift and factor of each series, of shape (n, 1), as `learn_scale` has them."""
        add, observed, n_observed = self._graph.add, self._observed, self._count()
        shift, factor = np.zeros((1, 1)), np.ones((1, 1))
        if self._plan.scaling == "difference":
            last = add("Unsqueeze", add("Sub", self._steps.lengths, np.int64(1)), _TIME)
            shift = add("GatherElements", carried, last, axis=1)
            factor = self._mean_change(carried)
        elif self._plan.scaling == "standard":
            shift = add("Div", self._total(z, observed), n_observed)
            centred = add("Sub", z, shift)
            square = self._total(add("Mul", centred, centred), observed)
            factor = add("Sqrt", add("Div", square, n_observed))
        elif self._plan.scaling == "level":
            factor = add("Div", self._total(add("Abs", z), observed), n_observed)
            if self._plan.scales_by == COUNTS:
                factor = add("Add", factor, np.float64(1))
        sizes = add("Where", observed, add("Abs", z), _ZERO)
        rounding = add("Mul", add("ReduceMax", sizes, axes=[1], keepdims=1), np.float64(1e-12))
        is_flat = add("LessOrEqual", factor, rounding)
        self._shift = shift
        self._factor = add("Where", is_flat, _ZERO, factor)
        self._divisor = add("Where", is_flat, np.float64(1), factor)

    def _mean_change(self, carried):
        """Mean absolute difference of one observed value from the one before, (n, 1)."""
        add = self._graph.add
        before = add("Slice", carried, np.array([0]), np.array([-1]), _TIME)
        change = add("Abs", add("Sub", add("Slice", carried, _TIME, _END, _TIME), before))
        change = add("Where", add("IsNaN", change), _ZERO, change)
        there = add("Slice", self._steps.are_there, _TIME, _END, _TIME)
        n_changes = add("Sub", self._count(), np.float64(1))
        return add("Div", self._total(change, there), n_changes)

    def _feature(self, carried, series):
        """The spread of each series as the network reads it, (n, 1)."""
        add, spread = self._graph.add, self._mean_change(carried)
        if not self._plan.log:
            size = add("Div", self._total(add("Abs", series), self._observed), self._count())
            is_nothing = add("Equal", size, _ZERO)
            spread = add("Div", spread, add("Where", is_nothing, np.float64(1), size))
        spread = add("Max", spread, np.float64(LEAST_SPREAD))
        return add("Log", add("Div", spread, np.float64(USUAL_SPREAD)))

    def _see(self, scaled):
        """What the network reads: scaled values, or how far each is from the one before."""
        add, seen = self._graph.add, scaled
        if self._plan.is_relative:
            begin = add("Slice", seen, np.array([0]), np.array([1]), _TIME)
            before = add("Slice", seen, np.array([0]), np.array([-1]), _TIME)
            seen = add("Sub", seen, add("Concat", begin, before, axis=1))
        if self.missing is not None:
            seen = add("Where", add("IsNaN", seen), _ZERO, seen)
        return seen

    def _remember(self, scaled, z):
        """Scaled values behind as many as there are lags, (n, n_lags + T): the first one."""
        add = self._graph.add
        if self.missing is not None:
            first = add("Sub", self._carry(z, reverse=True)[0], self._shift)
            scaled = add("Where", add("IsNaN", scaled), add("Div", first, self._divisor), scaled)
        first = add("Slice", scaled, np.array([0]), np.array([1]), _TIME)
        return add("Concat", *[first] * self._plan.n_lags, scaled, axis=1)

    def _look_back(self, scaled):
        """What the network reads of the values before each, (n, T, n_lags)."""
        add = self._graph.add
        last = add("Squeeze", self._steps.n_steps)
        numbers = add("Range", np.int64(0), last, np.int64(1))
        places = add("Add", add("Unsqueeze", numbers, _TIME), self._places_back())
        at = add("Unsqueeze", scaled, np.array([2]))
        before = self.see_before(add, add("Gather", self._history, places, axis=1), at)
        if self.missing is not None:
            before = add("Where", add("IsNaN", at), _ZERO, before)
        return before

    def _places_back(self):
        """The places of the values before step 0 in the history, nearest first."""
        return np.arange(self._plan.n_lags - 1, -1, -1)

    def last_values(self):
        """The last values of each series, the last one first, (n, n_lags), if there are lags."""
        if not self._plan.n_lags:
            return []
        lengths = self._graph.add("Unsqueeze", self._steps.lengths, _TIME)
        places = self._graph.add("Add", lengths, self._places_back())
        return [self._graph.add("GatherElements", self._history, places, axis=1)]

    def see_before(self, add, before, at):
        """What the network reads of values before those at some steps: `Plan.look_back`."""
        if self._plan.is_relative:
            steps = np.arange(1, self._plan.lags)
            before = add("Div", add("Sub", before, at), np.sqrt(steps))
        return before
