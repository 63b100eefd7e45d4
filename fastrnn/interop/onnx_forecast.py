"""A fitted forecaster as ONNX nodes: series are scaled, forecast and scaled back.

The formulas are those of `fastrnn.scaling` and of `RNNForecaster`; a seasonal pattern, which rests
on a test of the series, is left out. Values are carried over gaps by a Scan; with
``strategy="recursive"`` a Loop reads one forecast after the other.
"""

import itertools

import numpy as np

from fastrnn.interop.onnx_network import NetworkNodes, Steps

_END = np.array([np.iinfo(np.int64).max])


def add_forecaster(graph, est):
    """Add all nodes of a forecaster.

    Parameters
    ----------
    graph : Graph
        Where to.
    est : RNNForecaster
        It is fitted.

    Returns
    -------
    dict
        Metadata of the model.

    Raises
    ------
    ValueError
        If it takes out seasonal patterns.
    """
    plan = est._plan
    if plan.seasonality is not None:
        raise ValueError(
            f"a forecaster with seasonality={plan.seasonality} has no ONNX equal: whether a series "
            "is seasonal is decided by a test, and gaps are interpolated for it. Take the pattern "
            "out of the series before, and fit with seasonality=None"
        )
    return _Forecast(graph, est).add()


class _Forecast:
    """The nodes of a forecaster."""

    def __init__(self, graph, est):
        self._graph, self._plan, self._network = graph, est._plan, est.network_
        self._covariates, self._names = est._covariates, est._columns.names
        self._n_past = len(self._covariates.mean) - self._covariates.n_future
        self._columns, _ = self._plan.columns(self._covariates)
        self._is_relative = self._plan.scaling == "difference"

    def add(self):
        """Add everything; return metadata."""
        graph, plan = self._graph, self._plan
        series = graph.input("series", np.float64, ("n", "T"), "Values of each series, padded.")
        self._lengths = graph.input("lengths", np.int64, ("n",), "Steps of each series, 2 to T.")
        self._n_steps = graph.add("Shape", series, start=1, end=2)
        self._steps = Steps(graph, self._lengths, self._n_steps)
        self._future, past = self._add_covariates()
        self._nodes = NetworkNodes(graph, self._network)

        values = graph.add("Where", self._steps.are_there, series, np.float64(1))
        inputs = self._read_values(graph.add("Log", values) if plan.log else values)
        for part in (*past, *self._ahead()):
            inputs.append(part)
        # Casts come first: some versions of ONNX Runtime crash on a Cast behind a Transpose.
        x, ids = self._split(graph, _join(graph, inputs, 2))
        x, ids = (value and graph.add("Transpose", value, perm=[1, 0, 2]) for value in (x, ids))
        _, states = self._nodes.read(graph, x, ids, self._steps)
        outputs = self._say(graph, states)
        if plan.feeds_back:
            self._add_output("values", self._feed_back(outputs, states), ("n", "horizon"))
        else:
            self._add_block(outputs)
        return self._metadata()

    def _metadata(self):
        metadata, plan, covariates = {}, self._plan, self._covariates
        if plan.quantiles is not None:
            metadata["quantiles"] = plan.quantiles
        if self._names is not None:
            names = self._names[1:]
            metadata["future_covariates"] = names[: covariates.n_future]
            metadata["past_covariates"] = names[covariates.n_future :]
        if any(values is not None for values in covariates.columns.categories):
            pairs = zip(covariates.columns.ids, covariates.columns.categories, strict=True)
            metadata["categories"] = {j: values for j, values in pairs if values is not None}
        return metadata

    def _add_covariates(self):
        """Add the inputs of covariates, scaled; each is a list, empty or of one name."""
        scaled = []
        n_future, covariates = self._covariates.n_future, self._covariates
        for name, size, columns in (
            ("future_covariates", ("n", "S", n_future), slice(n_future)),
            ("past_covariates", ("n", "T", self._n_past), slice(n_future, None)),
        ):
            if not size[2]:
                scaled.append([])
                continue
            given = self._graph.input(name, np.float64, size, "Covariates of each step, padded.")
            centred = self._graph.add("Sub", given, covariates.mean[columns])
            scaled.append([self._graph.add("Div", centred, covariates.deviation[columns])])
        return scaled

    def _read_values(self, z):
        """Learn the scale of the series; return what the network reads of them, (n, T, 1) each."""
        add, plan = self._graph.add, self._plan
        observed, carried = self._steps.are_there, z
        if plan.mask:
            missing = add("IsNaN", z)
            observed = add("And", observed, add("Not", missing))
            carried = self._carry(z)
        self._learn_scale(z, observed, carried)
        seen = add("Div", add("Sub", carried, self._shift), self._divisor)
        if self._is_relative:
            begin = add("Slice", seen, np.array([0]), np.array([1]), np.array([1]))
            before = add("Slice", seen, np.array([0]), np.array([-1]), np.array([1]))
            seen = add("Sub", seen, add("Concat", begin, before, axis=1))
        if plan.mask:  # nothing has been seen yet
            seen = add("Where", add("IsNaN", seen), np.float64(0), seen)
        parts = [seen, *([self._graph.cast(missing, np.float64)] if plan.mask else [])]
        return [add("Unsqueeze", part, np.array([2])) for part in parts]

    def _carry(self, z):
        """Put the last value observed in place of missing ones; NaN before the first."""
        graph = self._graph

        def body(inner, states, items):
            missing = inner.add("IsNaN", items[0])
            last = inner.add("Where", missing, states[0], items[0])
            return [last], [inner.add("Identity", last)]

        nothing = graph.add("Expand", np.float64(np.nan), graph.add("Shape", self._lengths))
        by_time = graph.add("Transpose", z, perm=[1, 0])
        _, carried = graph.scan(body, [nothing], [by_time], np.float64, ("n",))
        return graph.add("Transpose", carried, perm=[1, 0])

    def _learn_scale(self, z, observed, carried):
        """Shift and factor of each series, of shape (n, 1), as `fastrnn.scaling.learn_scale`."""
        add, axis = self._graph.add, np.array([1])

        def total(values, where):
            return add("ReduceSum", add("Where", where, values, np.float64(0)), axis, keepdims=1)

        n_observed = add("ReduceSum", self._graph.cast(observed, np.float64), axis, keepdims=1)
        shift, factor = np.zeros((1, 1)), np.ones((1, 1))
        if self._plan.scaling == "difference":
            last = add("Unsqueeze", add("Sub", self._lengths, np.int64(1)), axis)
            shift = add("GatherElements", carried, last, axis=1)
            before = add("Slice", carried, np.array([0]), np.array([-1]), axis)
            change = add("Abs", add("Sub", add("Slice", carried, axis, _END, axis), before))
            change = add("Where", add("IsNaN", change), np.float64(0), change)
            there = add("Slice", self._steps.are_there, axis, _END, axis)
            factor = add("Div", total(change, there), add("Sub", n_observed, np.float64(1)))
        elif self._plan.scaling == "standard":
            shift = add("Div", total(z, observed), n_observed)
            centred = add("Sub", z, shift)
            square = total(add("Mul", centred, centred), observed)
            factor = add("Sqrt", add("Div", square, n_observed))
        elif self._plan.scaling == "level":
            factor = add("Div", total(add("Abs", z), observed), n_observed)
        sizes = add("Where", observed, add("Abs", z), np.float64(0))
        rounding = add("Mul", add("ReduceMax", sizes, axes=[1], keepdims=1), np.float64(1e-12))
        is_flat = add("LessOrEqual", factor, rounding)
        self._shift = shift if isinstance(shift, str) else self._graph.constant(shift)
        self._factor = add("Where", is_flat, np.float64(0), factor)
        self._divisor = add("Where", is_flat, np.float64(1), factor)

    def _ahead(self):
        """The covariates known beforehand of the next steps, of shape (n, T, F) for each."""
        parts, add = [], self._graph.add
        for future in self._future:
            for step in range(1, self._plan.block + 1):
                end = add("Add", self._n_steps, np.array([step]))
                parts.append(add("Slice", future, np.array([step]), end, np.array([1])))
        return parts

    def _split(self, graph, inputs):
        """What the network reads: its numbers, and its ids or None."""
        ids, width = self._columns.ids, self._columns.width
        if not ids:
            return graph.cast(inputs, self._network.dtype), None
        numbers = np.array([j for j in range(width) if j not in ids])
        x = graph.cast(graph.add("Gather", inputs, numbers, axis=2), self._network.dtype)
        return x, graph.cast(graph.add("Gather", inputs, np.array(ids), axis=2), np.int64)

    def _say(self, graph, states):
        """The outputs after the last step, (n, K), float64."""
        rows = self._nodes.last(graph, states)
        return graph.cast(self._nodes.read_out(graph, rows), np.float64)

    def _feed_back(self, outputs, states):
        """Forecast step by step; return (n, horizon), scaled."""
        graph = self._graph
        horizon = graph.input("horizon", np.int64, (), "Steps to forecast.")
        sizes = [len(of_layer) for of_layer in states]
        first = graph.add("Unsqueeze", self._lengths, np.array([1]))  # number of the first forecast

        def body(inner, number, values):
            add = inner.add
            output, base, *flat = values
            forecast = add("Add", base, output)
            parts = [output, *([add("Sub", output, output)] if self._plan.mask else [])]
            for future in self._future:
                last = add("Sub", add("Shape", future, start=1, end=2), np.array([1]))
                row = add("Add", add("Add", first, number), np.int64(1))
                row = add("Min", row, last)  # what follows the last forecast is not read out
                parts.append(add("GatherND", future, row, batch_dims=1))
            inputs = add("Unsqueeze", _join(inner, parts, 1), np.array([0]))
            begin = [[flat.pop(0) for _ in range(size)] for size in sizes]
            _, end = self._nodes.read(inner, *self._split(inner, inputs), None, begin)
            base = add("Identity", forecast if self._is_relative else base)
            return [self._say(inner, end), base, *itertools.chain(*end)], [forecast]

        base = graph.add("Sub", outputs, outputs)  # 0: the last value is the shift
        *_, scaled = graph.loop(body, horizon, [outputs, base, *itertools.chain(*states)])
        return graph.add("Transpose", graph.add("Squeeze", scaled, np.array([2])), perm=[1, 0])

    def _add_block(self, outputs):
        """Add the outputs of a model that forecasts all steps at once."""
        graph, block, levels = self._graph, self._plan.block, self._plan.quantiles
        if levels is None or len(levels) == 1:
            self._add_output("values", outputs, ("n", block))
            return
        n = len(levels)
        outputs = graph.add("Reshape", outputs, np.array([0, block, n]))
        options = {"axis": 2, "largest": 0, "sorted": 1}
        outputs, _ = graph.add("TopK", outputs, np.array([n]), n_outputs=2, **options)
        shares = [np.interp(0.5, levels, one) for one in np.eye(n)]
        self._add_output("values", graph.add("MatMul", outputs, np.array(shares)), ("n", block))
        self._add_output("quantiles", outputs, ("n", block, n))

    def _add_output(self, name, scaled, shape):
        """Add an output, in the units of the series."""
        graph = self._graph
        shift, factor = self._shift, self._factor
        if len(shape) == 3:
            shift, factor = (graph.add("Unsqueeze", v, np.array([2])) for v in (shift, factor))
        z = graph.add("Add", graph.add("Mul", scaled, factor), shift)
        values = graph.add("Exp", z) if self._plan.log else z
        graph.output(name, values, np.float64, shape, "What forecasts return.")


def _join(graph, parts, axis):
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=axis)
