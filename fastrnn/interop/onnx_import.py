"""RNN, GRU and LSTM nodes of ONNX models as recurrent layers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.interop.onnx_constants import Constants
from fastrnn.interop.onnx_graph import import_onnx
from fastrnn.network.cells import CELLS
from fastrnn.network.recurrent import ZEROS
from fastrnn.typing import ArrayLike, Floats

__all__ = ["OnnxLayer", "from_onnx"]

OPERATORS = {layer.cell.onnx.name for layer in CELLS.values() if layer.cell.onnx is not None}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
ACTIVATIONS = {
    "RNN": ["Tanh"],
    "GRU": ["Sigmoid", "Tanh"],
    "LSTM": ["Sigmoid", "Tanh", "Tanh"],
}
"""Those of a node that does not say it, by its operator."""

DTYPES = dict.fromkeys(("float16", "bfloat16", "float32"), "float32") | {"float64": "float64"}
"""Of the weights of a node, and what they become."""

FIRST_OPSET = 7
"""Before it the operators had other attributes."""


@dataclass(frozen=True, eq=False)
class OnnxLayer:
    """A recurrent node of an ONNX model, as a layer.

    Attributes
    ----------
    name : str
        Name of the node; may be empty.
    operator : {"RNN", "GRU", "LSTM"}
        Its operator.
    layer : fastrnn.layers.RNN, GRU, LSTM or PeepholeLSTM
        The layer, of the dtype of the weights. For the direction "reverse" it reads forward what is
        reversed.
    direction : {"forward", "reverse", "bidirectional"}
        In which direction the node reads.
    layout : {0, 1}
        1 if the sequences stand on the first axis of `X`, `Y` and the states; otherwise they stand
        behind the steps, and behind the directions.
    sequence_lens : ndarray of shape (B,) or None
        Lengths, if the model has them as a constant.
    initial_h, initial_c : ndarray or None
        Initial states, likewise.
    computed : tuple of str
        Which of these three the model computes or is given: `run` must be given them.

    See Also
    --------
    from_onnx : Finds these in a model.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.interop import OnnxLayer
    >>> from fastrnn.layers import LSTM
    >>> node = OnnxLayer("encoder", "LSTM", LSTM(3, 4), direction="reverse")
    >>> Y, Y_h, Y_c = node.run(np.ones((7, 2, 3)), sequence_lens=[7, 1])
    >>> Y.shape, Y_h.shape
    ((7, 1, 2, 4), (1, 2, 4))
    """

    name: str
    operator: str
    layer: Any
    direction: str = "forward"
    layout: int = 0
    sequence_lens: np.ndarray | None = None
    initial_h: np.ndarray | None = None
    initial_c: np.ndarray | None = None
    computed: tuple[str, ...] = ()

    def run(
        self,
        X: ArrayLike,
        sequence_lens: ArrayLike | None = None,
        initial_h: ArrayLike | None = None,
        initial_c: ArrayLike | None = None,
    ) -> tuple[Floats, ...]:
        """Compute what the node does.

        Parameters
        ----------
        X : array-like of shape (T, B, D), or (B, T, D) with ``layout=1``
            Sequences, padded to T steps.
        sequence_lens : array-like of int of shape (B,), optional
            Their lengths, from 1 to T; those of the model, or all T, by default.
        initial_h, initial_c : array-like of shape (directions, B, H), optional
            States to begin with, (B, directions, H) with ``layout=1``; those of the model, or zero,
            by default.

        Returns
        -------
        Y : ndarray of shape (T, directions, B, H), or (B, T, directions, H)
            State after every step, zero from a sequence's length on.
        Y_h : ndarray of shape (directions, B, H), or (B, directions, H)
            The last states.
        Y_c : ndarray of the same shape
            The last cell states, of an LSTM only.

        Raises
        ------
        TypeError, ValueError
            If an argument is missing, or has a wrong shape or type.
        """
        X = np.asarray(X)
        if X.ndim != 3:
            raise ValueError(f"X must have three axes, got shape {X.shape}")
        x = X.swapaxes(0, 1) if self.layout else X
        lengths = self._lengths(x, sequence_lens)
        states = self._initial_state(x, initial_h, initial_c)
        turned = None
        if self.direction == "reverse":
            steps = np.arange(len(x))[:, np.newaxis]
            turned = np.where(steps < lengths, lengths - 1 - steps, steps)[:, :, np.newaxis]
            x = np.take_along_axis(x, turned, axis=0)
        y, states = self.layer.forward(x, lengths, states)
        if turned is not None:
            y = np.take_along_axis(y, turned, axis=0)
        Y = y.reshape(*y.shape[:2], self.layer.n_directions, self.layer.hidden_size)
        if self.layout:
            return Y.swapaxes(0, 1), *(state.swapaxes(0, 1) for state in states)
        return Y.swapaxes(1, 2), *states

    def _given(self, name, value):
        """An argument of `run` as an array, or what the model has, or None."""
        if value is not None:
            return np.asarray(value)
        if name in self.computed:
            raise ValueError(f"{name} is missing: it is no constant of the model, but computed")
        return getattr(self, name)

    def _lengths(self, x, sequence_lens):
        """The length of each sequence."""
        lengths = self._given("sequence_lens", sequence_lens)
        n_steps, n = x.shape[:2]
        if lengths is None:
            return np.full(n, n_steps)
        if lengths.dtype.kind not in "iu" or lengths.shape != (n,):
            raise ValueError(
                f"sequence_lens must be integers of shape ({n},), got {lengths.dtype} of shape "
                f"{lengths.shape}"
            )
        wrong = np.flatnonzero((lengths < 1) | (lengths > n_steps))
        if wrong.size:
            raise ValueError(
                f"sequence_lens[{wrong[0]}] must be from 1 to {n_steps}, got {lengths[wrong[0]]}"
            )
        return lengths.astype(np.int64)

    def _initial_state(self, x, initial_h, initial_c):
        """What the layer begins with, or None for zeros."""
        if initial_c is not None and "c" not in self.layer.cell.states:
            raise ValueError(f"initial_c was given, but {self.operator} has no cell state")
        names = ("initial_h", "initial_c")[: self.layer.n_states]
        pairs = zip(names, (initial_h, initial_c), strict=False)
        states = [self._given(name, value) for name, value in pairs]
        if all(state is None for state in states):
            return None
        shape = (self.layer.n_directions, x.shape[1], self.layer.hidden_size)
        expected = (shape[1], shape[0], shape[2]) if self.layout else shape
        for name, state in zip(names, states, strict=True):
            if state is not None and state.shape != expected:
                raise ValueError(f"{name} must have shape {expected}, got {state.shape}")
        zeros = np.zeros(expected, self.layer.dtype)
        states = [zeros if state is None else state for state in states]
        return tuple(state.swapaxes(0, 1) if self.layout else state for state in states)


def from_onnx(model_or_path: Any, inputs: Mapping[str, ArrayLike] | None = None) -> list[OnnxLayer]:
    """Turn the RNN, GRU and LSTM nodes of an ONNX model into layers.

    Nodes in the bodies of others, such as If and Loop, are found, too, and weights that nodes cut,
    join or convert are computed. Layers of float16 and bfloat16 are float32. All else in the model
    is left aside: what the layers are fed with is up to the caller.

    Parameters
    ----------
    model_or_path : onnx.ModelProto, str or path-like
        The model, or its file.
    inputs : dict of str to array-like, default=None
        Values of inputs of the model that are weights of such nodes, by name. Otherwise weights
        are constants of the model.

    Returns
    -------
    list of OnnxLayer
        One for each node, in their order in the model.

    Raises
    ------
    ImportError
        If the onnx package is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file or the model is damaged or has no such node, or external data that are not
        there; if a weight is NaN or infinite, or computed of what is no constant; or if a node does
        what the layers do not: clipping, coupled input and forget gates, activations other than
        tanh and ReLU (RNN) or the usual ones.

    See Also
    --------
    to_onnx : The other way, for fitted estimators.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.interop import from_onnx, to_onnx
    >>> X = [np.ones((3, 2)), np.zeros((5, 2))]
    >>> clf = RNNClassifier((4, 6), cell="gru", tol=1, random_state=0).fit(X, ["one", "zero"])
    >>> [(node.operator, node.layer.hidden_size) for node in from_onnx(to_onnx(clf))]
    [('GRU', 4), ('GRU', 6)]
    """
    onnx = import_onnx()
    model = model_or_path
    if not isinstance(model, onnx.ModelProto):
        model = _load(onnx, model)
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not opsets or opsets[0] < FIRST_OPSET:
        raise ValueError(f"the model has opset {opsets or 'none'}, expected {FIRST_OPSET} or later")
    given = {name: np.asarray(array) for name, array in (inputs or {}).items()}
    constants = Constants(onnx, model.opset_import, given)
    layers = [
        _read_node(_Node(onnx, node, seen))
        for node, seen in _recurrent_nodes(onnx, model.graph, constants)
    ]
    if not layers:
        raise ValueError("the model has no RNN, GRU or LSTM node")
    return layers


def _load(onnx, path):
    """Read a file."""
    from google.protobuf.message import DecodeError  # what onnx is made of

    path = os.fspath(path)
    with open(path, "rb"):  # a file that is not there, or may not be read, is an OSError
        pass
    try:
        return onnx.load(path, format="protobuf")
    except (DecodeError, ValueError, TypeError, OSError, onnx.checker.ValidationError) as error:
        raise ValueError(f"{path} is no ONNX model, or a damaged one: {error}") from error


def _recurrent_nodes(onnx, graph, constants):
    """Find the recurrent nodes of a graph and of the bodies in it, with the constants they see."""
    constants = constants.inside(graph)
    for node in graph.node:
        if node.domain not in ("", "ai.onnx"):
            continue
        constants.add(node)
        if node.op_type in OPERATORS:
            yield node, constants
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _recurrent_nodes(onnx, attribute.g, constants)


class _Node:
    """A node, and the constants it sees."""

    def __init__(self, onnx, node, constants):
        self._onnx, self._node, self._constants = onnx, node, constants
        self.operator = node.op_type
        self.name = node.name
        self.names = dict(zip(INPUTS, node.input, strict=False))
        self.names = {which: name for which, name in self.names.items() if name}

    def error(self, problem):
        """What is raised because of a problem."""
        return ValueError(f"{self.operator} node {self.name!r} {problem}")

    def attribute(self, name, default=None):
        """An attribute; strings are decoded."""
        for attribute in self._node.attribute:
            if attribute.name != name:
                continue
            try:
                value = self._onnx.helper.get_attribute_value(attribute)
                if isinstance(value, bytes):
                    return value.decode()
                if isinstance(value, list | tuple):
                    return [v.decode() if isinstance(v, bytes) else v for v in value]
            except ValueError as error:
                raise self.error(f"has a damaged attribute {name}: {error}") from error
            return value
        return default

    def constant(self, which):
        """The value of an input, or None if it is none, or not known."""
        if which not in self.names:
            return None
        try:
            return self._constants.value(self.names[which])
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise self.error(f"has a damaged constant for {which}: {error}") from error

    def weight(self, which, shape):
        """The value of an input that must be known, floats and of this shape."""
        array = self.constant(which)
        if array is None:
            name = self.names.get(which)
            if name is None:
                raise self.error(f"has no {which}")
            raise self.error(
                f"has weights {which} that are no constant of the model but its value {name!r}: "
                "give it in inputs if it is an input of the model, or made of one"
            )
        if array.dtype.name not in DTYPES:
            expected = ", ".join(DTYPES)
            raise self.error(f"has {which} of dtype {array.dtype}, expected one of {expected}")
        pairs = zip(array.shape, shape, strict=False)
        fits = all(size == wanted or wanted is None for size, wanted in pairs)
        if array.ndim != len(shape) or not fits or 0 in array.shape:
            expected = tuple("any" if size is None else size for size in shape)
            raise self.error(f"has {which} of shape {array.shape}, expected {expected}")
        if not np.isfinite(array).all():
            raise self.error(f"has {which} with a weight that is NaN or infinite")
        return array


def _read_node(node):
    """Make a layer of a node, or say why there is none."""
    operator = node.operator
    direction = node.attribute("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        raise node.error(f"has direction {direction!r}")
    n_directions = 1 + (direction == "bidirectional")
    layout = node.attribute("layout", 0)
    if layout not in (0, 1):
        raise node.error(f"has layout {layout!r}, expected 0 or 1")
    layer_class, options = _read_cell(node, n_directions)
    cell = layer_class.cell

    R = node.weight("R", (n_directions, None, None))
    size, n_gates = R.shape[2], len(cell.gates)
    W = node.weight("W", (n_directions, n_gates * size, None))
    R = node.weight("R", (n_directions, n_gates * size, size))
    B = np.zeros((n_directions, 2 * n_gates * size), dtype=W.dtype)
    if "B" in node.names:
        B = node.weight("B", B.shape)
    n_peepholes = sum(cell.shapes(1, 1)[name][0] for name in _peepholes(cell))
    P = np.zeros((n_directions, n_peepholes * size), dtype=W.dtype)
    if n_peepholes:
        P = node.weight("P", P.shape)
    if not W.dtype == R.dtype == B.dtype == P.dtype:
        dtypes = f"{W.dtype}, {R.dtype} and {B.dtype}" + f" and {P.dtype}" * bool(n_peepholes)
        raise node.error(f"has weights of dtypes {dtypes}")
    W, R, B, P = (array.astype(DTYPES[W.dtype.name], copy=False) for array in (W, R, B, P))
    if node.attribute("hidden_size", size) != size:
        raise node.error(
            f"has hidden_size {node.attribute('hidden_size')!r}, but R of shape {R.shape}"
        )
    layer = layer_class(
        W.shape[2], size, bidirectional=n_directions == 2, dtype=W.dtype,
        random_state=ZEROS,
        **options,
    )  # fmt: skip
    for d, params in enumerate(layer.by_direction(layer.params)):
        _put_weights(params, cell, W[d], R[d], B[d], P[d])
    beside = {which: node.constant(which) for which in ("sequence_lens", "initial_h", "initial_c")}
    for which in ("initial_h", "initial_c"):
        if beside[which] is not None and beside[which].dtype.name in DTYPES:
            beside[which] = beside[which].astype(layer.dtype)
    computed = [which for which in beside if beside[which] is None and which in node.names]
    return OnnxLayer(
        node.name, operator, layer, direction, layout, **beside, computed=tuple(computed)
    )


def _peepholes(cell):
    """The parameters of a cell that a node has as P."""
    return [parameter.name for parameter in cell.parameters if parameter.bias_of is None]


def _read_cell(node, n_directions):
    """The layer of a node, and its options from the attributes; refuses what layers do not do."""
    if node.attribute("clip") is not None:
        raise node.error("has the attribute clip: layers do not clip the input of activations")
    if node.attribute("input_forget", 0):
        raise node.error("has input_forget=1: layers do not couple input and forget gates")
    given = node.constant("P")
    has_peepholes = "P" in node.names and (given is None or np.any(given))
    classes = [
        layer
        for layer in CELLS.values()
        if layer.cell.onnx is not None
        and layer.cell.onnx.name == node.operator
        and bool(_peepholes(layer.cell)) == has_peepholes
    ]
    if not classes:
        raise node.error("has peepholes (P): no such cell sees its cell state in its gates")
    cell = classes[0].cell
    usual = ACTIVATIONS[node.operator]
    names = node.attribute("activations") or usual * n_directions
    said = {
        "activations": [str(name).lower() for name in names],
        "linear_before_reset": int(bool(node.attribute("linear_before_reset", 0))),
    }
    # alpha and beta belong to activations that are refused
    expected = []
    for choice, attributes in cell.onnx.attributes.items():
        attributes = {"activations": usual, **attributes}
        wanted = [name.lower() for name in attributes.pop("activations")]
        expected.append(wanted)
        if said["activations"] == wanted * n_directions and all(
            said[name] == value for name, value in attributes.items()
        ):
            return classes[0], {} if cell.chooser is None else {cell.chooser: choice}
    expected = " or ".join(str(one) for one in dict.fromkeys(map(str, expected)))
    raise node.error(f"has activations {names}, expected for each direction {expected}")


def _put_weights(params, cell, W, R, B, P):
    """Write the weights of one direction of a node into a layer."""
    blocks, size = cell.blocks_of(cell.onnx), len(params["U"])

    def in_order(array, order=blocks):
        parts = np.split(array, len(order))
        return np.concatenate([parts[order.index(k)] for k in range(len(order))])

    of_input, of_state = (in_order(part) for part in np.split(B, 2))
    params["W"][...], params["U"][...] = in_order(W).T, in_order(R).T
    for name, bias in cell.split_bias(of_input, of_state).items():
        params[name][...] = bias
    for name in _peepholes(cell):
        order = cell.onnx.takes[name]
        part, P = np.split(P, [len(order) * size])
        params[name][...] = in_order(part, order)
