"""A fitted forecaster as ONNX nodes: series are scaled, forecast and scaled back.

The formulas are those of `RNNForecaster`. With ``strategy="recursive"`` a Loop reads one forecast
after the other.
"""

import itertools

import numpy as np

from fastrnn.interop.onnx_network import NetworkNodes, Steps
from fastrnn.interop.onnx_quantiles import add_quantiles
from fastrnn.interop.onnx_scaling import ScaleNodes


def add_forecaster(graph, model):
    """Add all nodes of a forecaster; return metadata."""
    return _Forecast(graph, model).add()


class _Forecast:
    """The nodes of a forecaster."""

    def __init__(self, graph, model):
        self._graph, self._plan, self._model = graph, model.plan, model
        self._covariates, self._columns = model.covariates, model.columns
        self._n_past = len(self._covariates.mean) - self._covariates.n_future
        self._dtype = model.network.dtype
        self._is_relative = self._plan.scaling == "difference"

    def add(self):
        """Add everything; return metadata."""
        graph, plan = self._graph, self._plan
        series = graph.input("series", np.float64, ("n", "T"), "Values of each series, padded.")
        self._lengths = graph.input("lengths", np.int64, ("n",), "Steps of each series, 2 to T.")
        self._n_steps = graph.add("Shape", series, start=1, end=2)
        self._steps = Steps(graph, self._lengths, self._n_steps)
        self._future, past = self._add_covariates()
        self._nodes = NetworkNodes(graph, self._model)

        self._scale = ScaleNodes(graph, plan, series, self._steps)
        inputs = [graph.add("Unsqueeze", self._scale.seen, np.array([2]))]
        if plan.mask:
            marks = graph.cast(self._scale.missing, np.float64)
            inputs.append(graph.add("Unsqueeze", marks, np.array([2])))
        inputs += [*past, *self._ahead(), *self._scale.before, *self._fixed()]
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
        if self._model.names is not None:
            names = self._model.names[1:]
            metadata["future_covariates"] = names[: covariates.n_future]
            metadata["past_covariates"] = names[covariates.n_future :]
        if covariates.of_dates:
            metadata["calendar_features"] = covariates.of_dates
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

    def _ahead(self):
        """The covariates known beforehand of the next steps, of shape (n, T, F) for each."""
        parts, add = [], self._graph.add
        for future in self._future:
            for step in range(1, self._plan.n_ahead + 1):
                end = add("Add", self._n_steps, np.array([step]))
                parts.append(add("Slice", future, np.array([step]), end, np.array([1])))
        return parts

    def _fixed(self):
        """What is read of each series at every step, of shape (n, T, 1) for each."""
        add = self._graph.add
        steps = add("Concat", np.array([1]), self._n_steps, np.array([1]), axis=0)
        return [
            add("Expand", add("Unsqueeze", one, np.array([2])), steps) for one in self._scale.fixed
        ]

    def _split(self, graph, inputs):
        """What the network reads: its numbers, and its ids or None."""
        ids, width = self._columns.ids, self._columns.width
        if not ids:
            return graph.cast(inputs, self._dtype), None
        numbers = np.array([j for j in range(width) if j not in ids])
        x = graph.cast(graph.add("Gather", inputs, numbers, axis=2), self._dtype)
        return x, graph.cast(graph.add("Gather", inputs, np.array(ids), axis=2), np.int64)

    def _say(self, graph, states):
        """The outputs after the last step, (n, K), float64."""
        rows = self._nodes.last(graph, states)
        return graph.cast(self._nodes.read_out(graph, rows), np.float64)

    def _feed_back(self, outputs, states):
        """Forecast step by step; return (n, horizon), scaled."""
        graph = self._graph
        horizon = graph.input("horizon", np.int64, (), "Steps to forecast.")
        sizes, last_values = [len(of_layer) for of_layer in states], self._scale.last_values()
        first = graph.add("Unsqueeze", self._lengths, np.array([1]))  # number of the first forecast

        def body(inner, number, values):
            add = inner.add
            output, base, *flat = values
            forecast = add("Add", base, output)
            lagged = [flat.pop(0) for _ in last_values]
            parts = [output, *([add("Sub", output, output)] if self._plan.mask else [])]
            for future in self._future:
                last = add("Sub", add("Shape", future, start=1, end=2), np.array([1]))
                row = add("Add", add("Add", first, number), np.int64(1))
                row = add("Min", row, last)  # what follows the last forecast is not read out
                parts.append(add("GatherND", future, row, batch_dims=1))
            parts += [self._scale.see_before(add, before, forecast) for before in lagged]
            parts += self._scale.fixed
            inputs = add("Unsqueeze", _join(inner, parts, 1), np.array([0]))
            begin = [[flat.pop(0) for _ in range(size)] for size in sizes]
            _, end = self._nodes.read(inner, *self._split(inner, inputs), None, begin)
            base = add("Identity", forecast if self._is_relative else base)
            lagged = [add("Concat", forecast, before, axis=1) for before in lagged]
            lagged = [add("Slice", one, *map(np.array, ([0], [-1], [1]))) for one in lagged]
            return [self._say(inner, end), base, *lagged, *itertools.chain(*end)], [forecast]

        base = graph.add("Sub", outputs, outputs)  # 0: the last value is the shift
        values = [outputs, base, *last_values, *itertools.chain(*states)]
        *_, scaled = graph.loop(body, horizon, values)
        return graph.add("Transpose", graph.add("Squeeze", scaled, np.array([2])), perm=[1, 0])

    def _add_block(self, outputs):
        """Add the outputs of a model that forecasts all steps at once."""
        graph, n_ahead, levels = self._graph, self._plan.n_ahead, self._plan.quantiles
        if levels is None or len(levels) == 1:
            self._add_output("values", outputs, ("n", n_ahead))
            return
        median, rising = add_quantiles(graph, outputs, n_ahead, levels)
        self._add_output("values", median, ("n", n_ahead))
        self._add_output("quantiles", rising, ("n", n_ahead, len(levels)))

    def _add_output(self, name, scaled, shape):
        """Add an output, in the units of the series."""
        values = self._scale.undo(scaled, *shape[2:])
        self._graph.output(name, values, np.float64, shape, "What forecasts return.")


def _join(graph, parts, axis):
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=axis)
