"""A network as nodes of an ONNX graph.

A cell that is an operator of ONNX becomes that; the equations of any other become a Scan over the
steps. Arrays are time-major, as ONNX Runtime's operators want them.

ONNX Runtime has the operators for float32 only: of a float64 network their inputs, outputs
and weights are cast, and all the rest is float64.
"""

import math

import numpy as np

from fastrnn.interop.onnx_front import FrontNodes
from fastrnn.kernels.likelihoods import STEEPEST_RATE
from fastrnn.network.pooling import parts_of


class Steps:
    """Which steps of padded sequences there are.

    Parameters
    ----------
    graph : Graph
        Where this is computed.
    lengths : str
        Lengths of the sequences, int64 of shape (n,).
    n_steps : str
        T, int64 of shape (1,).
    """

    def __init__(self, graph, lengths, n_steps):
        self._graph, self.lengths, self.n_steps = graph, lengths, n_steps
        self._made = {}

    @property
    def sequence_lens(self):
        """The lengths as the operators want them."""
        return self._once("sequence_lens", lambda: self._graph.cast(self.lengths, np.int32))

    @property
    def are_there(self):
        """Whether each sequence has each step, of shape (n, T)."""
        return self._once("are_there", self._compare)

    @property
    def are_there_by_time(self):
        """The same, of shape (T, n, 1)."""
        return self._once("are_there_by_time", self._transpose)

    def coarser(self, stride):
        """The steps of which each stands for so many of these."""
        return self._once(("coarser", stride), lambda: self._divide(stride))

    def _once(self, name, make):
        """Make nodes at first use; later ones share them."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _divide(self, stride):
        add = self._graph.add
        parts = (
            add("Div", add("Add", part, np.int64(stride - 1)), np.int64(stride))
            for part in (self.lengths, self.n_steps)
        )
        return Steps(self._graph, *parts)

    def _compare(self):
        add = self._graph.add
        last = add("Squeeze", self.n_steps, np.array([0]))
        numbers = add("Range", np.int64(0), last, np.int64(1))
        return add("Less", numbers, add("Unsqueeze", self.lengths, np.array([1])))

    def _transpose(self):
        by_time = self._graph.add("Transpose", self.are_there, perm=[1, 0])
        return self._graph.add("Unsqueeze", by_time, np.array([2]))


class OperatorNodes:
    """A layer as one of ONNX's recurrent operators; `graph` gets its weights."""

    def __init__(self, graph, layer):
        self._layer, operator = layer, layer.operator("onnx")
        self._operator = operator.name
        *weights, P = operator_weights(layer)
        self._weights = [graph.constant(array) for array in weights]
        self._P = [] if P is None else [graph.constant(P)]
        self._attributes = {
            "hidden_size": layer.hidden_size,
            "direction": "bidirectional" if layer.bidirectional else "forward",
        }
        for name, value in operator.attributes[layer.cell.choice(layer.options)].items():
            # Activations are listed for each direction.
            self._attributes[name] = (
                value * layer.n_directions if isinstance(value, list) else value
            )

    def run(self, graph, x, steps, states=None):
        """Add the nodes.

        Parameters
        ----------
        graph : Graph
            Where to.
        x : str
            Input, of shape (T, n, D).
        steps : Steps or None
            Which of the steps there are; None for a single one.
        states : list of str, optional
            Where a single step begins: (1, n, H) for each state of the layer.

        Returns
        -------
        y : str
            The states of all steps, of shape (T, n, directions * H).
        states : list of str
            Where each sequence ends.
        """
        layer, is_cast = self._layer, self._layer.dtype != np.float32
        states = states or []
        if is_cast:
            x, *states = [graph.cast(value, np.float32) for value in (x, *states)]
        lengths = "" if steps is None else steps.sequence_lens
        if self._P:
            missing = [""] * (layer.n_states - len(states))
            states = [*states, *missing, *self._P]
        outputs = graph.add(
            self._operator, x, *self._weights, lengths, *states,
            n_outputs=1 + layer.n_states, **self._attributes,
        )  # fmt: skip
        if is_cast:
            outputs = [graph.cast(value, layer.dtype) for value in outputs]
        y, *states = outputs
        y = graph.add("Transpose", y, perm=[0, 2, 1, 3])
        return graph.add("Reshape", y, np.array([0, 0, layer.output_size])), states


class _Value:
    """A value of a graph in the equations of a cell."""

    def __init__(self, graph, name):
        self.graph, self.name = graph, name

    def _with(self, operator, other, *, swapped=False):
        mine, others = self.name, other.name if isinstance(other, _Value) else other
        pair = (others, mine) if swapped else (mine, others)
        return _Value(self.graph, self.graph.add(operator, *pair))

    def __add__(self, other):
        return self._with("Add", other)

    def __sub__(self, other):
        return self._with("Sub", other)

    def __mul__(self, other):
        return self._with("Mul", other)

    def __matmul__(self, other):
        return self._with("MatMul", other)


class _Functions:
    """The functions in the equations of a cell, as nodes."""

    def sigmoid(self, value):
        return _Value(value.graph, value.graph.add("Sigmoid", value.name))

    def tanh(self, value):
        return _Value(value.graph, value.graph.add("Tanh", value.name))

    def relu(self, value):
        return _Value(value.graph, value.graph.add("Relu", value.name))

    def normalize(self, value, gain):
        """Mean 0 and variance 1 over the last axis, times a gain."""
        graph = value.graph
        normal = graph.add("LayerNormalization", value.name, gain.name, axis=-1, epsilon=1e-5)
        return _Value(graph, normal)

    def split(self, value, n):
        """Blocks side by side in the last axis."""
        parts = value.graph.add("Split", value.name, axis=-1, n_outputs=n)
        return [_Value(value.graph, part) for part in parts]


class ScanNodes:
    """A layer as a Scan for each direction, of the equations of its cell; `graph` gets its weights.

    The product of the inputs is taken for all steps at once.
    """

    def __init__(self, graph, layer):
        if layer.has_unknown_parameters:
            raise ValueError(
                f"the equations of {layer.cell.name!r} do not have the parameters of "
                f"{type(layer).__name__}, {list(layer.params)}: it cannot be exported"
            )
        self._layer = layer
        self._weights = [
            {name: graph.constant(array) for name, array in params.items()}
            for params in layer.by_direction(layer.params)
        ]

    def run(self, graph, x, steps, states=None, factors=None):
        """Add the nodes, as `OperatorNodes.run` does.

        `factors` are of the state h that a step begins with, (T, n, H) for each direction.
        """
        if steps is None:
            return self._run_step(graph, x, states)
        layer, finals, outputs = self._layer, [], []
        zero = _zeros(graph, x, layer.hidden_size, layer.dtype)
        for d, weights in enumerate(self._weights):
            projected = graph.add("MatMul", x, weights["W"])

            def body(inner, states, items, weights=weights):
                xW, there, *factor = items
                left = [inner.add("Mul", states[0], factor[0]), *states[1:]] if factor else states
                new = self._step(inner, xW, left, weights)
                # Steps beyond the end, which come first in the second direction, are none.
                kept = [inner.add("Where", there, *both) for both in zip(new, states, strict=True)]
                return kept, [inner.add("Identity", kept[0])]

            items = [projected, steps.are_there_by_time, *(factors or [])[d : d + 1]]
            *final, y = graph.scan(
                body, [zero] * layer.n_states, items, layer.dtype, ("n", layer.hidden_size),
                reverse=d == 1,
            )  # fmt: skip
            finals.append([graph.add("Unsqueeze", state, np.array([0])) for state in final])
            outputs.append(y)
        if len(outputs) == 1:
            return outputs[0], finals[0]
        joined = [graph.add("Concat", *both, axis=0) for both in zip(*finals, strict=True)]
        return graph.add("Concat", *outputs, axis=2), joined

    def _run_step(self, graph, x, states):
        """Read one step of each sequence, in one direction; all is of shape (1, n, any)."""
        weights = self._weights[0]
        states = self._step(graph, graph.add("MatMul", x, weights["W"]), states, weights)
        return states[0], states

    def _step(self, graph, xW, states, weights):
        """The cell's equations; return the new states."""
        layer = self._layer
        xW, *states = [_Value(graph, name) for name in (xW, *states)]
        p = {name: _Value(graph, weight) for name, weight in weights.items()}
        new = layer.cell.step(_Functions(), xW, states, p, layer.options)
        if layer.zoneout:
            share = layer.dtype.type(layer.zoneout)
            pairs = zip(new, states, strict=True)
            new = [after + (before - after) * share for after, before in pairs]
        return [state.name for state in new]


def _zeros(graph, x, size, dtype):
    """Zeros of shape (n, size), for an x of shape (T, n, D)."""
    n = graph.add("Shape", x, start=1, end=2)
    shape = graph.add("Concat", n, np.array([size]), axis=0)
    return graph.add("Expand", np.zeros(1, dtype), shape)


def operator_weights(layer):
    """Return the weights of a layer as ONNX's operators have them.

    Parameters
    ----------
    layer : RecurrentLayer
        The layer, whose cell is an operator.

    Returns
    -------
    W : ndarray of shape (directions, G * H, D), float32
    R : ndarray of shape (directions, G * H, H), float32
    B : ndarray of shape (directions, 2 * G * H), float32
        Biases of the input, then those of the state.
    P : ndarray of shape (directions, any * H), float32, or None
        Parameters that are no biases: peepholes.
    """
    operator, size = layer.operator("onnx"), layer.hidden_size
    blocks = layer.cell.blocks_of(operator)

    def in_order(array, order=blocks):
        parts = [array[..., k * size : (k + 1) * size] for k in order]
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    W, R, B, P = [], [], [], []
    for params in layer.by_direction(layer.params):
        W.append(in_order(params["W"]).T)
        R.append(in_order(params["U"]).T)
        of_state = layer.cell.recurrent_bias(params)
        B.append(np.concatenate([in_order(params["b"]), in_order(of_state)]))
        for parameter in layer.cell.parameters:
            if parameter.bias_of is None:
                P.append(in_order(params[parameter.name], operator.takes[parameter.name]))
    return np.stack(W), np.stack(R), np.stack(B), np.stack(P) if P else None


class NetworkNodes:
    """The network of a model: its weights, in `graph`, and nodes that use them, once or again."""

    def __init__(self, graph, model):
        network, head = model.network, model.head
        self._architecture, self._dtype, self._link = model.architecture, network.dtype, model.link
        self._tables = [graph.constant(table) for table in network.embeddings]
        self._layers = [
            (OperatorNodes if layer.operator("onnx") else ScanNodes)(graph, layer)
            for layer in network.layers
        ]
        self._front = network.front and FrontNodes(graph, network.front)
        self._spreads = network.spreads
        if network.decay:
            self._layers[0] = ScanNodes(graph, network.layers[0])
        query = network.pooling.params.get("query")
        if query is not None:
            self._query = graph.constant((query / math.sqrt(len(query)))[:, np.newaxis])
        self._b = graph.constant(head["b"])
        if self._architecture.tied:
            self._W = graph.add("Transpose", self._tables[0], perm=[1, 0])
        else:
            self._W = graph.constant(head["W"])

    def read(self, graph, x, ids, steps, states=None, factors=None):
        """Read sequences.

        Parameters
        ----------
        graph : Graph
            Where the nodes go.
        x : str or None
            The numbers of each step, of shape (T, n, D).
        ids : str or None
            Its ids, of shape (T, n, C), int64.
        steps : Steps or None
            Which of the steps there are; None for a single one.
        states : list of list of str, optional
            Where each layer begins, of a single step.
        factors : list of str, optional
            Of the states of the first layer, as `ScanNodes.run` takes them.

        Returns
        -------
        y : str
            The states of the top layer, of shape (T, n, F); T' of patches or convolutions.
        states : list of list of str
            Where each layer ends, as it may begin again.
        """
        parts = [x] if self._architecture.n_features else []
        for column, k in enumerate(self._architecture.id_tables):
            of_column = graph.add("Gather", ids, np.int64(column), axis=2)
            parts.append(graph.add("Gather", self._tables[k], of_column, axis=0))
        y = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=2)
        if self._front:
            y = self._front.run(graph, y, steps, self._dtype)
            steps = self.steps_read(steps)
        finals = []
        for k, layer in enumerate(self._layers):
            options = {"factors": factors} if factors and k == 0 else {}
            y, final = layer.run(graph, y, steps, states and states[k], **options)
            finals.append(final)
        return y, finals

    def steps_read(self, steps):
        """The steps that the layers read, of those of sequences."""
        return self._front.coarse(steps) if self._front else steps

    def steps_said(self, steps):
        """Those that the head says something of, if it reads every one."""
        return steps if self._spreads else self.steps_read(steps)

    def pool(self, graph, y, states, steps):
        """What the head sees of the results of `read`: (n, parts F), or (n, T, F) of every step."""
        if self._architecture.every_step:
            y = graph.add("Transpose", y, perm=[1, 0, 2])
            return self._front.spread(graph, y, steps) if self._spreads else y
        steps = self.steps_read(steps)
        pool = {"mean": self._mean, "max": self._max, "attention": self._attention}
        parts = [
            self.last(graph, states) if name == "last" else pool[name](graph, y, steps)
            for name in parts_of(self._architecture.pooling)
        ]
        return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)

    def _mean(self, graph, y, steps):
        """The mean of the states over the steps there are, (n, F)."""
        y = graph.add("Where", steps.are_there_by_time, y, self._dtype.type(0))
        total = graph.add("ReduceSum", y, np.array([0]), keepdims=0)
        lengths = graph.add("Unsqueeze", graph.cast(steps.lengths, self._dtype), np.array([1]))
        return graph.add("Div", total, lengths)

    def _max(self, graph, y, steps):
        """Their maximum, (n, F)."""
        y = graph.add("Where", steps.are_there_by_time, y, self._dtype.type(-np.inf))
        return graph.add("ReduceMax", y, axes=[0], keepdims=0)

    def _attention(self, graph, y, steps):
        """Their mean with the weights of attention, (n, F)."""
        scores = graph.add("MatMul", y, self._query)
        scores = graph.add("Where", steps.are_there_by_time, scores, self._dtype.type(-np.inf))
        weighted = graph.add("Mul", graph.add("Softmax", scores, axis=0), y)
        return graph.add("ReduceSum", weighted, np.array([0]), keepdims=0)

    def last(self, graph, states):
        """The last states of the top layer, (n, F), of those that `read` returned."""
        by_sequence = graph.add("Transpose", states[-1][0], perm=[1, 0, 2])
        return graph.add("Reshape", by_sequence, np.array([0, self._architecture.width]))

    def read_out(self, graph, pooled):
        """What `Network.predict` returns of each row: probabilities or values, in the last axis."""
        outputs = graph.add("Add", graph.add("MatMul", pooled, self._W), self._b)
        if self._link == "softmax":
            return graph.add("Softmax", outputs, axis=-1)
        if self._link == "rate":
            return self._rates(graph, outputs)
        if self._link == "softplus":
            return graph.add("Softplus", outputs)
        return graph.add("Sigmoid", outputs) if self._link == "sigmoid" else outputs

    def _rates(self, graph, outputs):
        """exp of outputs; from `STEEPEST_RATE` on the tangent there."""
        add, steepest = graph.add, self._dtype.type(STEEPEST_RATE)
        beyond = add("Relu", add("Sub", outputs, steepest))
        steep = add("Exp", add("Min", outputs, steepest))
        return add("Mul", steep, add("Add", beyond, self._dtype.type(1)))
