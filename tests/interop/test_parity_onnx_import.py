"""Recurrent nodes of ONNX models as layers: the cases of the onnx package, and ONNX Runtime."""

import importlib

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, layers
from fastrnn.interop import from_onnx, to_onnx
from fastrnn.layers import LSTM, PeepholeLSTM

onnx = pytest.importorskip("onnx", reason="onnx, which reads the models, is not installed")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="ONNX Runtime, the reference of this file, is not installed"
)

helper, numpy_helper = onnx.helper, onnx.numpy_helper

OUTPUTS = ("Y", "Y_h", "Y_c")
BESIDE = ("X", "sequence_lens", "initial_h", "initial_c")
N_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
EVERY_OPERATOR = pytest.mark.parametrize("operator", N_GATES)
DIRECTIONS = pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])

# The operator cases of the onnx package, and what becomes of each: None if it passes, or what a
# refusal would say. Older versions have fewer.
BACKEND_CASES = {
    "test_simple_rnn_defaults": None,
    "test_simple_rnn_with_initial_bias": None,
    "test_rnn_seq_length": None,
    "test_simple_rnn_batchwise": None,
    "test_simple_rnn_reverse": None,
    "test_simple_rnn_bidirectional": None,
    "test_gru_defaults": None,
    "test_gru_with_initial_bias": None,
    "test_gru_seq_length": None,
    "test_gru_batchwise": None,
    "test_gru_reverse": None,
    "test_gru_bidirectional": None,
    "test_lstm_defaults": None,
    "test_lstm_with_initial_bias": None,
    "test_lstm_with_peepholes": None,
    "test_lstm_batchwise": None,
    "test_lstm_reverse": None,
    "test_lstm_bidirectional": None,
}


def backend_cases():
    """Return the onnx package's own cases of the three operators, by name."""
    for name in ("rnn", "gru", "lstm"):
        importlib.import_module(f"onnx.backend.test.case.node.{name}")
    from onnx.backend.test.case.node import _NodeTestCases

    return {
        case.name: case
        for case in _NodeTestCases
        if any(node.op_type in N_GATES for node in case.model.graph.node)
    }


def test_every_backend_case_is_known():
    cases = backend_cases().keys()
    assert len(cases) >= 12
    assert not cases - BACKEND_CASES.keys()


@pytest.mark.parametrize("name", BACKEND_CASES)
def test_backend_case(name):
    case = backend_cases().get(name)
    if case is None:
        pytest.skip(f"onnx {onnx.__version__} does not have this case yet")
    graph = case.model.graph
    ((given, expected),) = case.data_sets
    given = dict(zip((value.name for value in graph.input), given, strict=True))
    expected = dict(zip((value.name for value in graph.output), expected, strict=True))
    weights = {name: value for name, value in given.items() if name not in BESIDE}
    if BACKEND_CASES[name] is not None:
        with pytest.raises(ValueError, match=BACKEND_CASES[name]):
            from_onnx(case.model, weights)
        return
    (layer,) = from_onnx(case.model, weights)
    got = layer.run(**{name: value for name, value in given.items() if name in BESIDE})
    (node,) = graph.node
    compared = [name for name in node.output if name]
    assert compared == list(expected)
    for name, value in zip(node.output, got, strict=False):
        if name:
            np.testing.assert_allclose(value, expected[name], rtol=case.rtol, atol=1e-6)


def make_model(operator, weights, names=None, opset=17, node_name="one", **attributes):
    """Return a model of one node; weights are constants, the rest of the inputs are inputs."""
    names = names or [*("X", "W", "R", "B", "sequence_lens", "initial_h"), "initial_c"]
    if operator != "LSTM":
        names = names[:6]
    outputs = list(OUTPUTS if operator == "LSTM" else OUTPUTS[:2])
    node = helper.make_node(operator, names, outputs, node_name, **attributes)
    kinds = {"sequence_lens": onnx.TensorProto.INT32}
    infos = [
        helper.make_tensor_value_info(name, kinds.get(name, onnx.TensorProto.FLOAT), None)
        for name in names
        if name and name not in weights
    ]
    results = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph([node], "one_node", infos, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def make_weights(operator, direction="forward", dtype=np.float32, D=3, H=4):
    """Return random weights W, R and B."""
    rng = np.random.default_rng(0)
    n_directions, rows = 1 + (direction == "bidirectional"), N_GATES[operator] * H
    shapes = {"W": (rows, D), "R": (rows, H), "B": (2 * rows,)}
    return {
        name: rng.uniform(-1, 1, (n_directions, *shape)).astype(dtype)
        for name, shape in shapes.items()
    }


def make_inputs(operator, direction="forward", T=7, B=5, D=3, H=4):
    """Return what a node is given beside its weights, with two lengths of 1 and T."""
    rng = np.random.default_rng(1)
    inputs = {
        "X": rng.standard_normal((T, B, D)).astype(np.float32),
        "sequence_lens": np.array([3, T, 1, 5, 2], dtype=np.int32)[:B],
    }
    shape = (1 + (direction == "bidirectional"), B, H)
    for name in ("initial_h", "initial_c")[: 1 + (operator == "LSTM")]:
        inputs[name] = rng.standard_normal(shape).astype(np.float32)
    return inputs


def assert_same(got, expected):
    for value, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-5)


@DIRECTIONS
@pytest.mark.parametrize(
    ("operator", "variant"),
    [
        ("RNN", {}),
        ("RNN", {"activations": ["Relu"]}),
        ("GRU", {}),
        ("GRU", {"linear_before_reset": 1}),
        ("LSTM", {}),
    ],
    ids=str,
)
def test_same_as_onnxruntime(operator, variant, direction):
    if "activations" in variant and direction == "bidirectional":
        variant = {"activations": variant["activations"] * 2}
    weights, inputs = make_weights(operator, direction), make_inputs(operator, direction)
    model = make_model(operator, weights, hidden_size=4, direction=direction, **variant)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, inputs)
    (node,) = from_onnx(model)
    assert (node.name, node.operator, node.direction, node.layout) == (
        "one",
        operator,
        direction,
        0,
    )
    assert isinstance(node.layer, getattr(layers, operator))
    assert_same(node.run(**inputs), expected)

    # The same with the sequences on the first axis, which ONNX Runtime does not know.
    model = make_model(operator, weights, hidden_size=4, direction=direction, layout=1, **variant)
    (node,) = from_onnx(model)
    turned = {k: v if v.ndim == 1 else v.swapaxes(0, 1) for k, v in inputs.items()}
    Y, *states = node.run(**turned)
    assert_same([Y.transpose(1, 2, 0, 3)], expected[:1])
    assert_same([state.swapaxes(0, 1) for state in states], expected[1:])


@EVERY_OPERATOR
def test_what_is_a_constant_of_the_model_need_not_be_given(operator):
    weights, inputs = make_weights(operator, "reverse"), make_inputs(operator, "reverse")
    (node,) = from_onnx(make_model(operator, weights, direction="reverse"))
    expected = node.run(**inputs)
    constants = {name: value for name, value in inputs.items() if name != "X"}
    (node,) = from_onnx(make_model(operator, weights | constants, direction="reverse"))
    assert_same(node.run(inputs["X"]), expected)
    lengths = np.full(5, 7)
    assert_same(
        node.run(inputs["X"], lengths)[1:], node.run(inputs["X"], sequence_lens=lengths)[1:]
    )
    assert not np.allclose(node.run(inputs["X"], lengths)[1], expected[1])


@EVERY_OPERATOR
def test_what_the_model_leaves_out_is_zero_or_the_whole(operator):
    weights, X = make_weights(operator), make_inputs(operator)["X"]
    (node,) = from_onnx(make_model(operator, weights, ["X", "W", "R"]))
    weights["B"][...] = 0
    (full,) = from_onnx(make_model(operator, weights))
    zeros = {name: np.zeros((1, 5, 4)) for name in ("initial_h", "initial_c")}
    if operator != "LSTM":
        del zeros["initial_c"]
    assert_same(node.run(X), full.run(X, np.full(5, 7), **zeros))


def test_double_precision():
    weights = make_weights("LSTM", dtype=np.float64)
    (node,) = from_onnx(make_model("LSTM", weights))
    assert node.layer.dtype == np.float64
    assert node.run(**make_inputs("LSTM"))[0].dtype == np.float64


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("options", [
    {"cell": "rnn", "activation": "relu"}, {"cell": "lstm"}, {"cell": "gru"},
    {"cell": "gru", "reset_after": False}, {"cell": "peephole_lstm"},
], ids=str)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*max_iter:UserWarning")
def test_round_trip_of_layers(options, bidirectional):
    X = np.random.default_rng(0).standard_normal((4, 6, 3))
    clf = RNNClassifier((5, 4), **options, bidirectional=bidirectional, max_iter=1)
    clf.fit(X, [0, 1, 0, 1])
    clf.network_.theta += 0.1  # peepholes of zeros are none
    nodes = from_onnx(to_onnx(clf))
    for node, layer in zip(nodes, clf.network_.layers, strict=True):
        assert node.computed == ("sequence_lens",)
        assert type(node.layer) is type(layer)
        for name, value in layer.params.items():
            np.testing.assert_array_equal(node.layer.params[name], value)


@pytest.mark.filterwarnings("ignore:.*max_iter:UserWarning")
def test_nodes_in_bodies_are_found():
    model = RNNForecaster((5, 4), cell="gru", strategy="recursive", max_iter=1)
    model = to_onnx(model.fit(np.arange(20.0) ** 0.5))
    nodes = from_onnx(model)  # two that read the series, two in the loop
    assert [node.layer.hidden_size for node in nodes] == [5, 4, 5, 4]
    np.testing.assert_array_equal(nodes[0].layer.theta, nodes[2].layer.theta)
    assert nodes[2].computed == ("initial_h",)


def test_constants_by_nodes():
    weights = make_weights("GRU")
    model = make_model("GRU", {})
    for name, value in weights.items():
        constant = helper.make_node(
            "Constant", [], [f"{name}_0"], value=numpy_helper.from_array(value)
        )
        model.graph.node.insert(0, helper.make_node("Identity", [f"{name}_0"], [name]))
        model.graph.node.insert(0, constant)
    (node,) = from_onnx(model)
    (expected,) = from_onnx(make_model("GRU", weights))
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)


@pytest.mark.parametrize(
    ("operator", "attributes", "problem"),
    [
        ("LSTM", {"clip": 3.0}, "node 'one' has the attribute clip"),
        ("LSTM", {"input_forget": 1}, "input_forget=1"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "activations .*Relu.* expected"),
        ("GRU", {"activations": ["HardSigmoid", "Tanh"]}, "activations .*HardSigmoid"),
        ("RNN", {"activations": ["Affine"], "activation_alpha": [2.0]}, "activations .*Affine"),
        ("RNN", {"direction": "sideways"}, "direction 'sideways'"),
        ("RNN", {"layout": 2}, "layout 2"),
        ("RNN", {"hidden_size": 5}, r"hidden_size 5, but R of shape \(1, 4, 4\)"),
        ("RNN", {"direction": "bidirectional"}, r"R of shape \(1, 4, 4\), expected \(2, "),
    ],
)
def test_attributes_that_layers_do_not_have_are_refused(operator, attributes, problem):
    with pytest.raises(ValueError, match=problem):
        from_onnx(make_model(operator, make_weights(operator), **attributes))


def test_attributes_that_change_nothing_are_accepted():
    weights = make_weights("LSTM")
    (expected,) = from_onnx(make_model("LSTM", weights))
    model = make_model(
        "LSTM", weights, activations=["sigmoid", "TANH", "Tanh"], input_forget=0, layout=0,
    )  # fmt: skip
    (node,) = from_onnx(model)
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)
    names = ["X", "W", "R", "B", "", "", "", "P"]
    (node,) = from_onnx(make_model("LSTM", {**weights, "P": np.zeros((1, 12), "float32")}, names))
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)


def test_different_activations_in_two_directions_are_refused():
    weights = make_weights("RNN", "bidirectional")
    model = make_model("RNN", weights, direction="bidirectional", activations=["Tanh", "Relu"])
    with pytest.raises(ValueError, match=r"activations \['Tanh', 'Relu'\]"):
        from_onnx(model)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"W": np.zeros((1, 4, 3), np.float16)}, "dtypes float16, float32 and float32"),
        ({"W": np.zeros((1, 4, 3), np.int8)}, "W of dtype int8, expected one of float16, bfloat16"),
        ({"W": np.full((1, 4, 3), np.nan, np.float32)}, "W with a weight that is NaN or infinite"),
        ({"R": np.full((1, 4, 4), np.inf, np.float32)}, "R with a weight that is NaN or infinite"),
        ({"B": np.full((1, 8), np.nan, np.float32)}, "B with a weight that is NaN or infinite"),
        ({"W": np.zeros((1, 4, 3), np.float64)}, "dtypes float64, float32 and float32"),
        ({"R": np.zeros((1, 5, 4), np.float32)}, r"R of shape \(1, 5, 4\)"),
        ({"R": np.zeros((4, 4), np.float32)}, r"shape \(4, 4\), expected \(1, 'any', 'any'\)"),
        (
            {"W": np.zeros((1, 3, 3), np.float32)},
            r"W of shape \(1, 3, 3\), expected \(1, 4, 'any'\)",
        ),
        ({"W": np.zeros((1, 4, 0), np.float32)}, r"W of shape \(1, 4, 0\)"),
        ({"B": np.zeros((1, 4), np.float32)}, r"B of shape \(1, 4\), expected \(1, 8\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        from_onnx(make_model("RNN", make_weights("RNN") | change))


def test_unknown_weights_are_refused():
    weights = make_weights("RNN")
    del weights["R"]
    with pytest.raises(ValueError, match=r"weights R that are no constant .* value 'R': give it"):
        from_onnx(make_model("RNN", weights))
    with pytest.raises(ValueError, match="has no W"):
        from_onnx(make_model("RNN", make_weights("RNN"), ["X", "", "R"]))


@pytest.mark.parametrize("by_node", [False, True])
def test_shapes_of_weights_are_written_out(by_node):
    model = make_model("RNN", make_weights("RNN"))
    (tensor,) = (each for each in model.graph.initializer if each.name == "W")
    tensor.dims[2] = -1
    if by_node:
        model.graph.node.insert(0, helper.make_node("Constant", [], ["W"], value=tensor))
        model.graph.initializer.remove(tensor)
    with pytest.raises(ValueError, match=r"damaged constant for W: its shape is \(1, 4, -1\)"):
        from_onnx(model)


def nodes_of(weights, dtype=np.float32):
    """Nodes and tensors that make weights as PyTorch's exporter does: cut, joined, given an axis.

    PyTorch's LSTM has its gates as i, f, g, o; ONNX as i, o, f, g. Where the tensors have another
    dtype they are cast.
    """
    nodes, tensors = [], []

    def constant(name, value):
        tensor = numpy_helper.from_array(np.asarray(value))
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name

    zero = constant("zero", [0])
    for name in ("W", "R", "B"):
        halves = np.split(weights[name][0], 2) if name == "B" else [weights[name][0]]
        joined = []
        for k, half in enumerate(halves):
            i, o, f, g = np.split(half, 4)
            torch_name = f"rnn.{name}.{k}"
            tensors.append(
                numpy_helper.from_array(np.concatenate([i, f, g, o]).astype(dtype), torch_name)
            )
            if dtype == np.float16:
                cast = helper.make_node("Cast", [torch_name], [f"{torch_name}.cast"], to=1)
                nodes.append(cast)
                torch_name = f"{torch_name}.cast"
            size, parts = len(i), []
            for first, last in ((0, 1), (3, 4), (1, 3)):
                begin = constant(f"{torch_name}.{first}", [first * size])
                end = constant(f"{torch_name}.to.{last}", [last * size])
                parts.append(f"{torch_name}.part.{first}")
                nodes.append(helper.make_node("Slice", [torch_name, begin, end, zero], parts[-1:]))
            joined.append(f"{torch_name}.joined")
            nodes.append(helper.make_node("Concat", parts, joined[-1:], axis=0))
        if len(joined) > 1:
            nodes.append(helper.make_node("Concat", joined, [f"{name}.all"], axis=0))
            joined = [f"{name}.all"]
        nodes.append(helper.make_node("Unsqueeze", [joined[0], zero], [name]))
    return nodes, tensors


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("place", ["beside", "in branches", "around branches"])
def test_weights_as_pytorch_exports_them(place, dtype):
    weights = {k: v.astype(np.float16).astype(np.float32) for k, v in make_weights("LSTM").items()}
    nodes, tensors = nodes_of(weights, dtype)
    made = make_model("LSTM", {}, ["X", "W", "R", "B"], hidden_size=4)
    X = made.graph.input[:1]
    lstm = made.graph.node[0]
    outputs = [helper.make_tensor_value_info(lstm.output[0], 1, None)]
    if place == "beside":
        body = [*nodes, lstm]
    else:
        inner, outer = ([*nodes, lstm], []) if place == "in branches" else ([lstm], nodes)
        branch = helper.make_graph(inner, "branch", [], outputs)
        which = helper.make_tensor_value_info("which", onnx.TensorProto.BOOL, [])
        X.append(which)
        body = [
            *outer,
            helper.make_node("If", ["which"], ["out"], then_branch=branch, else_branch=branch),
        ]
        outputs = [helper.make_tensor_value_info("out", 1, None)]
    graph = helper.make_graph(body, "g", X, outputs, initializer=tensors)
    model = helper.make_model(graph, opset_imports=made.opset_import, ir_version=8)
    found = from_onnx(model)
    assert len(found) == (1 if place == "beside" else 2)
    feeds = {"X": make_inputs("LSTM")["X"]}
    if place != "beside":
        feeds["which"] = np.array(True)
    for node in found:
        assert node.layer.dtype == "float32"
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (Y,) = session.run(None, feeds)
        np.testing.assert_allclose(node.run(feeds["X"])[0], Y, atol=1e-6)


def test_layers_of_half_precision_are_float32():
    weights = make_weights("GRU")
    half = {name: value.astype(np.float16) for name, value in weights.items()}
    (node,) = from_onnx(make_model("GRU", half))
    rounded = {name: value.astype(np.float32) for name, value in half.items()}
    (expected,) = from_onnx(make_model("GRU", rounded))
    assert node.layer.dtype == "float32"
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)


def test_small_files_do_not_compute_much():
    """Weights that grow, from node to node, are not constants."""
    model = make_model("RNN", {name: v for name, v in make_weights("RNN").items() if name != "R"})
    one = numpy_helper.from_array(np.ones((1, 2**15), np.float32), "row")
    model.graph.initializer.append(one)
    turned = helper.make_node("Transpose", ["row"], ["column"], perm=[1, 0])
    model.graph.node.insert(0, helper.make_node("Add", ["row", "column"], ["R"]))
    model.graph.node.insert(0, turned)
    with pytest.raises(ValueError, match="has weights R that are no constant"):
        from_onnx(model)
    chain = make_model("RNN", {name: v for name, v in make_weights("RNN").items() if name != "R"})
    names = ["row", *(f"R{k}" for k in range(40)), "R"]
    chain.graph.initializer.append(one)
    for k in range(41):
        node = helper.make_node("Concat", [names[k]] * 4, [names[k + 1]], axis=0)
        chain.graph.node.insert(k, node)
    with pytest.raises(ValueError, match="has weights R that are no constant"):
        from_onnx(chain)


def test_nodes_that_cannot_be_computed_are_damage():
    model = make_model("RNN", {name: v for name, v in make_weights("RNN").items() if name != "R"})
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4), np.float32), "r"))
    model.graph.node.insert(0, helper.make_node("Transpose", ["r"], ["R"], perm=[0, 7]))
    with pytest.raises(
        ValueError, match="damaged constant for R: its Transpose cannot be computed"
    ):
        from_onnx(model)


def test_peepholes_that_are_computed_are_refused():
    names = ["X", "W", "R", "B", "", "", "", "P"]
    with pytest.raises(ValueError, match="has weights P that are no constant"):
        from_onnx(make_model("LSTM", make_weights("LSTM"), names))


@DIRECTIONS
def test_peepholes(direction):
    n_directions = 1 + (direction == "bidirectional")
    weights = make_weights("LSTM", direction)
    P = np.random.default_rng(2).uniform(-1, 1, (n_directions, 12)).astype(np.float32)
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    inputs = make_inputs("LSTM", direction)
    (node,) = from_onnx(make_model("LSTM", {**weights, "P": P}, names, direction=direction))
    assert type(node.layer) is PeepholeLSTM
    for d, params in enumerate(node.layer.by_direction(node.layer.params)):
        i, o, f = np.split(P[d], 3)
        np.testing.assert_array_equal(params["p"], np.concatenate([i, f, o]))
    (plain,) = from_onnx(make_model("LSTM", weights, direction=direction))
    assert not np.allclose(node.run(**inputs)[0], plain.run(**inputs)[0])
    P[...] = 0
    (without,) = from_onnx(make_model("LSTM", {**weights, "P": P}, names, direction=direction))
    assert type(without.layer) is LSTM
    assert_same(without.run(**inputs), plain.run(**inputs))


def test_peepholes_of_another_shape_are_refused():
    names = ["X", "W", "R", "B", "", "", "", "P"]
    weights = {**make_weights("LSTM"), "P": np.ones((1, 11), np.float32)}
    with pytest.raises(ValueError, match=r"has P of shape \(1, 11\), expected \(1, 12\)"):
        from_onnx(make_model("LSTM", weights, names))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"X": np.zeros((7, 5))}, "X must have three axes"),
        ({"X": np.zeros((7, 5, 2))}, "shape .*3"),
        ({"sequence_lens": [1, 2, 3]}, r"integers of shape \(5,\), got int64 of shape \(3,\)"),
        ({"sequence_lens": np.ones(5)}, "got float64"),
        ({"sequence_lens": [1, 2, 3, 0, 1]}, r"sequence_lens\[3\] must be from 1 to 7, got 0"),
        ({"sequence_lens": [1, 2, 8, 1, 1]}, r"sequence_lens\[2\] must be from 1 to 7, got 8"),
        ({"sequence_lens": None}, "sequence_lens is missing"),
        ({"initial_h": None}, "initial_h is missing"),
        ({"initial_h": np.zeros((5, 1, 4))}, r"initial_h must have shape \(1, 5, 4\)"),
        ({"initial_c": np.zeros((1, 5, 4))}, "GRU has no cell state"),
    ],
)
def test_wrong_arguments_of_run(change, problem):
    (node,) = from_onnx(make_model("GRU", make_weights("GRU"), direction="reverse"))
    with pytest.raises(ValueError, match=problem):
        node.run(**(make_inputs("GRU") | change))


def test_models_without_recurrent_nodes_are_refused():
    model = make_model("RNN", make_weights("RNN"))
    del model.graph.node[:]
    with pytest.raises(ValueError, match="no RNN, GRU or LSTM node"):
        from_onnx(model)
    other = make_model("RNN", make_weights("RNN"))
    other.graph.node[0].domain = "com.example"
    with pytest.raises(ValueError, match="no RNN, GRU or LSTM node"):
        from_onnx(other)


def test_old_opsets_are_refused():
    with pytest.raises(ValueError, match=r"opset \[6\], expected 7 or later"):
        from_onnx(make_model("RNN", make_weights("RNN"), opset=6))


def test_files(tmp_path):
    path = tmp_path / "model.onnx"
    model = make_model("GRU", make_weights("GRU"))
    onnx.save(model, path)
    (node,), (expected,) = from_onnx(str(path)), from_onnx(model)
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "nothing.onnx")
    with pytest.raises(TypeError):
        from_onnx(3)
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    (node,) = from_onnx(path)
    np.testing.assert_array_equal(node.layer.theta, expected.layer.theta)
    alone = onnx.load(path, load_external_data=False)
    with pytest.raises(ValueError, match=r"damaged constant for R: its numbers stand in another"):
        from_onnx(alone)
    (tmp_path / "weights").unlink()
    with pytest.raises(ValueError, match="no ONNX model, or a damaged one"):
        from_onnx(path)


def test_damaged_files_give_one_kind_of_error(tmp_path):
    path = tmp_path / "model.onnx"
    model = make_model("LSTM", make_weights("LSTM"), hidden_size=4, direction="forward")
    data = model.SerializeToString()
    refused = 0
    rng = np.random.default_rng(0)
    damaged = [data[:n] for n in range(len(data))]
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(data))] = rng.integers(256)
        damaged.append(bytes(changed))
    damaged += [b"", b"no model at all", rng.bytes(500)]
    for content in damaged:
        path.write_bytes(content)
        try:
            nodes = from_onnx(path)
        except ValueError:
            refused += 1
        else:
            assert all(node.operator in N_GATES for node in nodes)
    assert refused > len(data)
