"""The layers against ONNX Runtime: single-node models with the same weights."""

import numpy as np
import pytest

from fastrnn import layers

onnx = pytest.importorskip("onnx", reason="onnx, which builds the models, is not installed")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="ONNX Runtime, the reference of this file, is not installed"
)

# Our layer with its options; ONNX's operator, its attributes, its blocks by our order.
CELLS = {
    "rnn-tanh": (layers.RNN, {}, "RNN", {"activations": "Tanh"}, [0]),
    "rnn-relu": (layers.RNN, {"activation": "relu"}, "RNN", {"activations": "Relu"}, [0]),
    "gru": (layers.GRU, {}, "GRU", {"linear_before_reset": 1}, [1, 0, 2]),
    "gru-reset-before": (
        layers.GRU,
        {"reset_after": False},
        "GRU",
        {"linear_before_reset": 0},
        [1, 0, 2],
    ),
    "lstm": (layers.LSTM, {}, "LSTM", {}, [0, 3, 1, 2]),
}
# (T, B, D, H)
SIZES = [(1, 1, 1, 1), (7, 5, 3, 4), (12, 37, 9, 17), (5, 20, 24, 65)]
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


def onnx_weights(params, blocks, H):
    """W (directions, G * H, D), R (directions, G * H, H) and B (directions, 2 * G * H)."""
    W, R, B = [], [], []
    for suffix in ["", "_reverse"] if "W_reverse" in params else [""]:

        def reorder(value):
            return np.concatenate([np.split(value, len(blocks), axis=-1)[k] for k in blocks], -1)

        W.append(reorder(params[f"W{suffix}"]).T)
        R.append(reorder(params[f"U{suffix}"]).T)
        recurrent_bias = np.zeros_like(params[f"b{suffix}"])
        if f"b_n{suffix}" in params:
            recurrent_bias[-H:] = params[f"b_n{suffix}"]
        B.append(np.concatenate([reorder(params[f"b{suffix}"]), recurrent_bias]))
    return {"W": np.stack(W), "R": np.stack(R), "B": np.stack(B)}


def onnx_forward(cell, params, x, lengths, initial_state, bidirectional):
    """Outputs as ours, (T, B, H * directions), and the state, computed by ONNX Runtime."""
    helper = onnx.helper
    _, _, operator, attributes, blocks = CELLS[cell]
    n_directions, _, H = initial_state[0].shape
    if "activations" in attributes:
        attributes = {"activations": [attributes["activations"]] * n_directions}
    feeds = {"x": x, "initial_h": initial_state[0]}
    if lengths is not None:
        feeds["lengths"] = lengths.astype(np.int32)
    outputs = ["y", "y_h"]
    if len(initial_state) == 2:
        feeds["initial_c"] = initial_state[1]
        outputs.append("y_c")
    inputs = ["x", "W", "R", "B", "lengths" if lengths is not None else "", "initial_h"]
    node = helper.make_node(
        operator,
        inputs + ["initial_c"] * (len(initial_state) - 1),
        outputs,
        hidden_size=H,
        direction="bidirectional" if bidirectional else "forward",
        **attributes,
    )

    def info(name, value):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        return helper.make_tensor_value_info(name, kind, value.shape)

    graph = helper.make_graph(
        [node],
        "one_layer",
        [info(name, value) for name, value in feeds.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in onnx_weights(params, blocks, H).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    y, *state = session.run(None, feeds)
    T, _, B, _ = y.shape
    return y.swapaxes(1, 2).reshape(T, B, n_directions * H), state


@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "sequence_lens"])
@BOTH
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_same_as_onnxruntime(cell, size, bidirectional, ragged):
    layer_class, options, *_ = CELLS[cell]
    T, B, D, H = size
    rng = np.random.default_rng(size)
    layer = layer_class(D, H, **options, bidirectional=bidirectional, random_state=0)
    for value in layer.params.values():
        value[...] = rng.uniform(-1, 1, value.shape) / np.sqrt(H)
    x = rng.standard_normal((T, B, D)).astype(np.float32)
    initial_state = tuple(
        rng.standard_normal((1 + bidirectional, B, H)).astype(np.float32)
        for _ in range(2 if cell == "lstm" else 1)
    )
    lengths = rng.permutation(np.linspace(1, T, B).round().astype(np.int64)) if ragged else None
    expected_y, expected_state = onnx_forward(
        cell, layer.params, x, lengths, initial_state, bidirectional
    )
    y, state = layer.forward(x, lengths, initial_state)
    np.testing.assert_allclose(y, expected_y, rtol=0, atol=1e-5)
    for part, expected in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-5)
