"""What stands before the first layer as nodes of an ONNX graph (`fastrnn.network.front`)."""

import numpy as np


class FrontNodes:
    """Patches and convolutions over time; `graph` gets their weights."""

    def __init__(self, graph, front):
        self._front, self._stages = front, []
        for stage in front.stages:
            weights = {name: graph.constant(array) for name, array in stage.params.items()}
            self._stages.append((stage, weights))

    def coarse(self, steps):
        """The steps that the layers read, of those of sequences."""
        for stage, _ in self._stages:
            steps = steps.coarser(stage.stride)
        return steps

    def run(self, graph, x, steps, dtype):
        """What the layers read (T', n, K) of x (T, n, D), whatever stands in its padding."""
        for stage, weights in self._stages:
            coarse = steps.coarser(stage.stride)
            y = graph.add("Where", steps.are_there_by_time, x, dtype.type(0))
            y = self._windows(graph, stage, y, coarse)
            if weights:
                y = graph.add("MatMul", y, weights["W"])
                y = graph.add("Relu", graph.add("Add", y, weights["b"]))
            else:
                y = graph.add(
                    "Concat", y, self._missing(graph, stage, steps, coarse, dtype), axis=2
                )
            x, steps = y, coarse
        return x

    def _windows(self, graph, stage, x, coarse):
        """The rows of each window side by side, (T', n, kernel · D)."""
        x = graph.add("Pad", x, np.array([stage.left, 0, 0, stage.kernel, 0, 0]))
        first = graph.add("Mul", self._numbers(graph, coarse), np.int64(stage.stride))
        rows = graph.add("Add", first, np.arange(stage.kernel))
        windows = graph.add("Gather", x, rows, axis=0)  # (T', kernel, n, D)
        windows = graph.add("Transpose", windows, perm=[0, 2, 1, 3])
        return graph.add("Reshape", windows, np.array([0, 0, stage.kernel * stage.input_size]))

    def _missing(self, graph, stage, steps, coarse, dtype):
        """The share of each patch that is missing, (T', n, 1)."""
        numbers = graph.add("Add", self._numbers(graph, coarse), np.int64(1))
        beyond = graph.add("Sub", graph.add("Mul", numbers, np.int64(stage.stride)), steps.lengths)
        share = graph.cast(graph.add("Max", beyond, np.int64(0)), dtype)
        share = graph.add("Div", share, dtype.type(stage.stride))
        return graph.add("Unsqueeze", share, np.array([2]))

    def _numbers(self, graph, steps):
        """The numbers of all steps, (T', 1)."""
        last = graph.add("Squeeze", steps.n_steps, np.array([0]))
        numbers = graph.add("Range", np.int64(0), last, np.int64(1))
        return graph.add("Unsqueeze", numbers, np.array([1]))

    def spread(self, graph, y, steps):
        """What is said of the steps that layers read (n, T', F), once for each step: (n, T, F)."""
        numbers = graph.add("Squeeze", self._numbers(graph, steps), np.array([1]))
        rows = graph.add("Div", numbers, np.int64(self._front.stride))
        return graph.add("Gather", y, rows, axis=1)
