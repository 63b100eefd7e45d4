"""ONNX graphs: nodes and weights are put together, and become a model."""

import itertools

import numpy as np

OPSET, IR_VERSION = 17, 8
"""What every ONNX Runtime since 1.12 reads."""


def import_onnx():
    """Import the onnx package; the ImportError says how to install it."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            'the onnx package is not installed: pip install "fastrnn[onnx]"'
        ) from None
    return onnx


class Graph:
    """Nodes in the order in which they are computed, and the weights they use.

    What a node is given is the name of a value, or an array, which becomes a weight. All names are
    new ones.

    Parameters
    ----------
    outer : Graph, optional
        The graph that this one is the body of a node of: its values can be used, and keeps the
        weights.
    """

    def __init__(self, outer=None):
        self._onnx = import_onnx()
        self._numbers = itertools.count() if outer is None else outer._numbers
        self.weights = [] if outer is None else outer.weights
        self.nodes, self.inputs, self.outputs = [], [], []

    def _new_name(self, kind):
        return f"{kind}_{next(self._numbers)}"

    def constant(self, array):
        """Add a weight; return its name."""
        name = self._new_name("weight")
        array = np.asarray(array, order="C")
        self.weights.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator, *inputs, n_outputs=1, **attributes):
        """Add a node; return the name of its output, or a list of several.

        Inputs are names of values, "" for one left out, or arrays; attributes as the operator has.
        """
        names = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        outputs = [self._new_name(operator) for _ in range(n_outputs)]
        name = self._new_name("node")
        self.nodes.append(self._onnx.helper.make_node(operator, names, outputs, name, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def cast(self, value, dtype):
        """Convert a value; return the name of the result."""
        element_type = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", value, to=element_type)

    def input(self, name, dtype, shape, doc):
        """Add an input of the model; return its name. A size in `shape` may have a name."""
        self.inputs.append(self._describe(name, dtype, shape, doc))
        return name

    def output(self, name, value, dtype, shape, doc):
        """Make a value an output of the model, called `name`; the rest is as for `input`."""
        self.nodes.append(self._onnx.helper.make_node("Identity", [value], [name], f"node_{name}"))
        self.outputs.append(self._describe(name, dtype, shape, doc))

    def scan(self, body, states, sequences, dtype, shape, reverse=False):
        """Add a Scan over the first axis; return the last states, then what was collected.

        ``body(graph, states, items)`` adds the nodes of one step, given the states and an item of
        each sequence, and returns new states and what is collected: lists of names, all of them of
        this dtype and shape. With `reverse` it begins with the last item; what is collected stands
        in the order of the items.
        """
        inner = Graph(self)
        names = [inner._new_name("item") for _ in (*states, *sequences)]
        new_states, collected = body(inner, names[: len(states)], names[len(states) :])
        # ONNX Runtime does not always infer these shapes.
        results = [self._describe(name, dtype, shape) for name in (*new_states, *collected)]
        direction = int(reverse)
        return self.add(
            "Scan", *states, *sequences, n_outputs=len(new_states) + len(collected),
            body=inner._as_body("steps", map(self._describe, names), results),
            num_scan_inputs=len(sequences),
            scan_input_directions=[direction] * len(sequences),
            scan_output_directions=[direction] * len(collected),
        )  # fmt: skip

    def loop(self, body, n_times, states):
        """Add a Loop of `n_times` turns; return the last states, then what was collected.

        ``body(graph, number, states)`` adds the nodes of one turn, given its number, and returns
        new states and what is collected: lists of names.
        """
        inner = Graph(self)
        names = [inner._new_name("item") for _ in range(2 + len(states))]
        new_states, collected = body(inner, names[0], names[2:])
        goes_on = inner.add("Identity", names[1])
        given = [
            self._describe(names[0], np.int64, ()),
            self._describe(names[1], np.bool_, ()),
            *map(self._describe, names[2:]),
        ]
        results = map(self._describe, [goes_on, *new_states, *collected])
        return self.add(
            "Loop", n_times, np.True_, *states, n_outputs=len(new_states) + len(collected),
            body=inner._as_body("turns", given, results),
        )  # fmt: skip

    def _as_body(self, name, inputs, outputs):
        """The graph of a body."""
        return self._onnx.helper.make_graph(self.nodes, name, inputs, outputs)

    def _describe(self, name, dtype=None, shape=None, doc=""):
        """Describe a value; in bodies, dtype and shape may be left to be inferred."""
        if dtype is None:
            return self._onnx.ValueInfoProto(name=name)
        element_type = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, element_type, shape, doc)

    def as_model(self, name, doc, metadata):
        """Make a model of the graph, with what else is to be known as `metadata`."""
        helper = self._onnx.helper
        model = helper.make_model(
            helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.weights),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="fastrnn",
            doc_string=doc,
        )
        helper.set_model_props(model, metadata)
        return model
