"""The layers against PyTorch: the same weights, the same outputs, the same gradients."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastrnn import layers

torch = pytest.importorskip("torch", reason="PyTorch, the reference of this file, is not installed")

# Our layer with its options, and the module of PyTorch that computes the same.
CELLS = {
    "rnn-tanh": (layers.RNN, {}, torch.nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (layers.RNN, {"activation": "relu"}, torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": (layers.GRU, {}, torch.nn.GRU, {}),
    "lstm": (layers.LSTM, {}, torch.nn.LSTM, {}),
}
# (T, B, D, H)
SIZES = [(1, 1, 1, 1), (7, 5, 3, 4), (12, 37, 9, 17), (5, 20, 24, 65)]
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
PACKED = pytest.mark.parametrize("packed", [False, True], ids=["dense", "packed"])


def copy_into(module, params):
    """Our parameters into PyTorch's, which are transposed and have two biases."""
    with torch.no_grad():
        for suffix in {name.removeprefix("W") for name in params if name.startswith("W")}:
            b_hh = np.zeros_like(params[f"b{suffix}"])
            if f"b_n{suffix}" in params:
                b_hh[-len(params[f"b_n{suffix}"]) :] = params[f"b_n{suffix}"]
            values = {
                "weight_ih": params[f"W{suffix}"].T,
                "weight_hh": params[f"U{suffix}"].T,
                "bias_ih": params[f"b{suffix}"],
                "bias_hh": b_hh,
            }
            for name, value in values.items():
                getattr(module, f"{name}_l0{suffix}").copy_(torch.tensor(value))


def gradient_of(module, name):
    """PyTorch's gradient of our parameter `name`."""
    stem, reverse, _ = name.partition("_reverse")
    theirs = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "b_n": "bias_hh"}[stem]
    grad = getattr(module, f"{theirs}_l0{reverse}").grad.numpy()
    return grad[-module.hidden_size :] if stem == "b_n" else grad.T


def run_both(cell, size, *, dtype, bidirectional, packed):
    """Every output and gradient of both sides, by name: (ours, theirs)."""
    layer_class, options, module_class, module_options = CELLS[cell]
    T, B, D, H = size
    rng = np.random.default_rng(size)
    layer = layer_class(D, H, **options, dtype=dtype, bidirectional=bidirectional, random_state=0)
    for value in layer.params.values():
        value[...] = rng.uniform(-1, 1, value.shape) / np.sqrt(H)
    module = module_class(
        D, H, **module_options, bidirectional=bidirectional, dtype=getattr(torch, dtype)
    )
    copy_into(module, layer.params)

    n_directions, n_states = 1 + bidirectional, 2 if cell == "lstm" else 1
    x, dy = (
        rng.standard_normal(shape).astype(dtype) for shape in [(T, B, D), (T, B, n_directions * H)]
    )
    initial_state, dstate = (
        tuple(rng.standard_normal((n_directions, B, H)).astype(dtype) for _ in range(n_states))
        for _ in range(2)
    )
    lengths = rng.permutation(np.linspace(1, T, B).round().astype(np.int64)) if packed else None

    y, state = layer.forward(x, lengths, initial_state, training=True)
    dx, dinitial_state = layer.backward(dy, dstate)
    ours = SimpleNamespace(outputs={"y": y}, gradients={"dx": dx})
    ours.outputs |= {f"state[{k}]": part for k, part in enumerate(state)}
    ours.gradients |= {f"dinitial_state[{k}]": part for k, part in enumerate(dinitial_state)}
    ours.gradients |= layer.grads

    leaves = [torch.tensor(value, requires_grad=True) for value in (x, *initial_state)]
    steps = leaves[0]
    if packed:
        steps = torch.nn.utils.rnn.pack_padded_sequence(
            steps, torch.tensor(lengths), enforce_sorted=False
        )
    y, state = module(steps, tuple(leaves[1:]) if n_states == 2 else leaves[1])
    state = state if n_states == 2 else (state,)
    if packed:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=T)
    torch.autograd.backward((y, *state), tuple(torch.tensor(value) for value in (dy, *dstate)))
    theirs = SimpleNamespace(outputs={"y": y.detach().numpy()}, gradients={})
    theirs.outputs |= {f"state[{k}]": part.detach().numpy() for k, part in enumerate(state)}
    theirs.gradients["dx"] = leaves[0].grad.numpy()
    theirs.gradients |= {
        f"dinitial_state[{k}]": leaf.grad.numpy() for k, leaf in enumerate(leaves[1:])
    }
    theirs.gradients |= {name: gradient_of(module, name) for name in layer.params}
    return ours, theirs


@PACKED
@BOTH
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("dtype", "atol", "rtol"), [("float64", 1e-11, 1e-10), ("float32", 1e-5, 1e-4)]
)
def test_same_as_pytorch(cell, size, bidirectional, packed, dtype, atol, rtol):
    """Outputs to `atol`; gradients to `rtol` of their norm."""
    ours, theirs = run_both(cell, size, dtype=dtype, bidirectional=bidirectional, packed=packed)
    assert ours.outputs.keys() == theirs.outputs.keys()
    for name, expected in theirs.outputs.items():
        np.testing.assert_allclose(
            ours.outputs[name], expected, rtol=0, atol=atol * max(1, np.abs(expected).max())
        )
    assert ours.gradients.keys() == theirs.gradients.keys()
    for name, expected in theirs.gradients.items():
        error = np.linalg.norm(ours.gradients[name] - expected)
        assert error <= rtol * np.linalg.norm(expected) + atol, name
