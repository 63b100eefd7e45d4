"""What values of an ONNX model are constants: tensors, and what nodes compute of them alone.

PyTorch exports an LSTM with weights that are cut, reordered, joined and given an axis by nodes. The
onnx package's reference evaluator computes these, on demand; only operators that move, convert or
add numbers, so that a small file cannot ask for much.
"""

import math

import numpy as np

_FOLDED = frozenset(
    "Identity Unsqueeze Squeeze Reshape Flatten Transpose Concat Slice Split Cast CastLike "
    "DequantizeLinear Neg Add Sub Mul Div".split()
)
_MOST = 2**28  # numbers that a node may make
_DEEPEST = 100  # nodes one behind the other
_SHORT = ("value", "value_float", "value_floats", "value_int", "value_ints")


class Constants:
    """The constants that the nodes of a graph see: its own, and those of the graph around it.

    Parameters
    ----------
    onnx : module
        The onnx package.
    opsets : list of onnx.OperatorSetIdProto
        Of the model.
    known : dict of str to ndarray
        Values of inputs that the caller gives.
    outer : Constants or None
        Those of the graph around it.
    """

    def __init__(self, onnx, opsets, known=None, outer=None):
        self._onnx, self._opsets, self._outer = onnx, opsets, outer
        self._values, self._nodes = dict(known or {}), {}

    def inside(self, graph):
        """Those of a graph inside this one."""
        inner = Constants(self._onnx, self._opsets, outer=self)
        inner._values.update({tensor.name: tensor for tensor in graph.initializer})
        return inner

    def add(self, node):
        """Note what a node computes."""
        self._nodes.update(dict.fromkeys(filter(None, node.output), node))

    def value(self, name, depth=0):
        """The array of that name, or None if it is no constant; a ValueError if it is damaged."""
        if name not in self._values:
            if name in self._nodes and depth < _DEEPEST:
                self._compute(self._nodes[name], depth)
            elif self._outer is not None and name not in self._nodes:
                return self._outer.value(name, depth)
        value = self._values.get(name)
        if value is not None and not isinstance(value, np.ndarray):
            value = self._values[name] = self._array(value)
        return value

    def _compute(self, node, depth):
        """Compute what a node makes, if all that it is given is constant."""
        values = dict.fromkeys(node.output)
        if node.op_type == "Constant":
            values[node.output[0]] = self._of_attribute(node)
        elif node.op_type in _FOLDED:
            feeds = {name: self.value(name, depth + 1) for name in node.input if name}
            if all(array is not None for array in feeds.values()) and _is_small(node, feeds):
                values = self._evaluate(node, feeds)
        self._values.update(values)

    def _of_attribute(self, node):
        for attribute in node.attribute:
            if attribute.name in _SHORT:
                value = self._onnx.helper.get_attribute_value(attribute)
                return value if attribute.name == "value" else np.array(value)
        return None

    def _evaluate(self, node, feeds):
        helper, outputs = self._onnx.helper, list(filter(None, node.output))
        named = [
            [helper.make_empty_tensor_value_info(name) for name in names]
            for names in (feeds, outputs)
        ]
        graph = helper.make_graph([node], "fold", *named)
        model = helper.make_model(graph, opset_imports=self._opsets)
        try:
            from onnx.reference import ReferenceEvaluator

            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(model).run(None, feeds)
            return dict(zip(outputs, map(np.asarray, results), strict=True))
        except Exception as error:  # of a damaged model it may be any
            raise ValueError(f"its {node.op_type} cannot be computed: {error}") from error

    def _array(self, tensor):
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            raise ValueError(
                "its numbers stand in another file: give the path of the model, or the model with "
                "its external data loaded"
            )
        if any(size < 0 for size in tensor.dims):
            raise ValueError(f"its shape is {tuple(tensor.dims)}")
        return self._onnx.numpy_helper.to_array(tensor)


def _is_small(node, feeds):
    """Whether a node makes no more numbers than it may."""
    sizes = [feeds[name].size for name in node.input if name]
    if node.op_type in ("Add", "Sub", "Mul", "Div", "DequantizeLinear"):
        axes = zip(*(feeds[name].shape[::-1] for name in node.input if name), strict=False)
        return math.prod(sizes) <= _MOST or math.prod(map(max, axes)) <= _MOST
    return sum(sizes) <= _MOST
