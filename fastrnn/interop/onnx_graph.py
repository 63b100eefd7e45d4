"""ONNX graphs: nodes and weights are put together, and become a model."""

import itertools

import numpy as np

OPSET, IR_VERSION = 17, 8
"""What every ONNX Runtime since 1.12 reads."""


def import_onnx():
    """Import the onnx package.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed, saying how to install it.
    """
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
        """Add a weight.

        Parameters
        ----------
        array : array-like
            Its value.

        Returns
        -------
        str
            Its name.
        """
        name = self._new_name("weight")
        array = np.asarray(array, order="C")
        self.weights.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator, *inputs, n_outputs=1, **attributes):
        """Add a node.

        Parameters
        ----------
        operator : str
            What it does.
        *inputs : str or array-like
            Names of values, "" for one left out, or weights.
        n_outputs : int, default=1
            Number of its outputs.
        **attributes : object
            As the operator has them.

        Returns
        -------
        str, or list of str
            The name of its output, or the names of several.
        """
        names = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        outputs = [self._new_name(operator) for _ in range(n_outputs)]
        name = self._new_name("node")
        self.nodes.append(self._onnx.helper.make_node(operator, names, outputs, name, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def cast(self, value, dtype):
        """Convert a value.

        Parameters
        ----------
        value : str
            Its name.
        dtype : dtype
            To what.

        Returns
        -------
        str
            Name of the result.
        """
        element_type = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", value, to=element_type)

    def input(self, name, dtype, shape, doc):
        """Add an input of the model.

        Parameters
        ----------
        name : str
            What it is called.
        dtype : dtype
            Of its elements.
        shape : tuple of int or str
            A string names a size that may be any.
        doc : str
            What it is.

        Returns
        -------
        str
            The name.
        """
        self.inputs.append(self._describe(name, dtype, shape, doc))
        return name

    def output(self, name, value, dtype, shape, doc):
        """Make a value an output of the model.

        Parameters
        ----------
        name : str
            What it is called.
        value : str
            Name of the value so far.
        dtype, shape, doc : object
            As for `input`.
        """
        self.nodes.append(self._onnx.helper.make_node("Identity", [value], [name], f"node_{name}"))
        self.outputs.append(self._describe(name, dtype, shape, doc))

    def scan(self, body, states, sequences, dtype, shape, reverse=False):
        """Add a Scan over the first axis.

        Parameters
        ----------
        body : callable
            ``body(graph, states, items)`` adds the nodes of one step to a graph and returns the new
            states and what is collected, both lists.
        states, sequences : list of str
            What the states begin as, and what each step sees an item of.
        dtype, shape : object
            Of each state, and of what each step collects.
        reverse : bool, default=False
            Whether to begin with the last item. What is collected stands in the order of the items.

        Returns
        -------
        list of str
            The last states, then what was collected.
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
        """Add a Loop.

        Parameters
        ----------
        body : callable
            ``body(graph, number, states)`` adds the nodes of one turn to a graph, given the name of
            its number, and returns the new states and what is collected, both lists.
        n_times : str
            Number of turns, a scalar.
        states : list of str
            What the states begin as.

        Returns
        -------
        list of str
            The last states, then what was collected, an item for each turn.
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
        """Make a model of the graph.

        Parameters
        ----------
        name : str
            Of the graph.
        doc : str
            What the model is.
        metadata : dict of str to str
            What else is to be known.

        Returns
        -------
        onnx.ModelProto
        """
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
