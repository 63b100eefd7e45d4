"""The contenders of ``bench/layers.py``: fastrnn, PyTorch, ONNX Runtime and JAX on one `Work`."""

import os
from dataclasses import dataclass

import numpy as np

from fastrnn import layers

GATES = {"lstm": 4, "gru": 3, "rnn": 1, "carry_lstm": 5}


class Unavailable(Exception):
    """A contender that cannot run a case; the message says why."""


@dataclass
class Work:
    """One case: the arrays and weights that every contender gets, in fastrnn's layout."""

    cell: str
    mode: str
    dtype: str
    threads: int
    shape: tuple  # (T, B, D, H) of the table; T below is the longest length
    T: int
    B: int
    D: int
    H: int
    lengths: np.ndarray | None  # (B,)
    x: np.ndarray  # (T, B, D)
    dy: np.ndarray  # (T, B, H), zero beyond the lengths
    weights: dict  # W (D, G * H), U (H, G * H), b (G * H,) and GRU's b_n (H,)

    @classmethod
    def draw(cls, cell, mode, dtype, threads, shape):
        rng = np.random.default_rng(shape)
        T, B, D, H = shape
        lengths = None
        if mode == "ragged":
            lengths = rng.integers(max(1, T // 10), T, size=B, endpoint=True)
            T = int(lengths.max())
        G = GATES[cell]
        shapes = {"W": (D, G * H), "U": (H, G * H), "b": (G * H,)}
        if cell == "gru":
            shapes["b_n"] = (H,)
        weights = {
            name: rng.uniform(-1, 1, shape).astype(dtype) * np.dtype(dtype).type(H**-0.5)
            for name, shape in shapes.items()
        }
        x = rng.standard_normal((T, B, D)).astype(dtype)
        dy = rng.standard_normal((T, B, H)).astype(dtype)
        work = cls(cell, mode, dtype, threads, shape, T, B, D, H, lengths, x, dy, weights)
        dy *= work.alive()
        return work

    def alive(self):
        """(T, B, 1): True where a sequence has a step."""
        lengths = np.full(self.B, self.T) if self.lengths is None else self.lengths
        return (np.arange(self.T)[:, None] < lengths)[:, :, None]

    def flops(self):
        """Of the products: forward alone, or forward and backward."""
        steps = self.B * self.T if self.lengths is None else int(self.lengths.sum())
        once = 2 * GATES[self.cell] * self.H * (self.D + self.H) * steps
        return once if self.mode == "inference" else 3 * once


# Every contender is made from a Work and returns arrays of its own kind, in fastrnn's layout:
# infer() the outputs y, train() also the gradients of x and of the weights.


class Fastrnn:
    """The layers of this package."""

    name = "fastrnn"

    def __init__(self, work):
        layer_class = {
            "lstm": layers.LSTM,
            "gru": layers.GRU,
            "rnn": layers.RNN,
            "carry_lstm": layers.CarryLSTM,
        }[work.cell]
        self.layer = layer_class(work.D, work.H, dtype=work.dtype)
        for name, value in work.weights.items():
            self.layer.params[name][...] = value
        self.work = work

    def infer(self):
        y, _ = self.layer.forward(self.work.x, self.work.lengths, n_jobs=self.work.threads)
        return (y,)

    def train(self):
        work = self.work
        y, _ = self.layer.forward(work.x, work.lengths, training=True, n_jobs=work.threads)
        dx, _ = self.layer.backward(work.dy)
        return y, dx, *(self.layer.grads[name] for name in work.weights)


class FastrnnLSTM(Fastrnn):
    """The plain LSTM of the same size: what carry_lstm, which no peer has, is compared with."""

    name = "fastrnn lstm"

    def __init__(self, work):
        super().__init__(Work.draw("lstm", work.mode, work.dtype, work.threads, work.shape))


class Torch:
    """PyTorch's module on the dense batch; of a ragged one it computes the padding too."""

    def __init__(self, work):
        import torch

        torch.set_num_threads(work.threads)
        self.torch, self.work = torch, work
        module_class = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[work.cell]
        self.module = module_class(work.D, work.H, dtype=getattr(torch, work.dtype))
        b_hh = np.zeros_like(work.weights["b"])
        if work.cell == "gru":
            b_hh[-work.H :] = work.weights["b_n"]
        weights = [work.weights["W"].T, work.weights["U"].T, work.weights["b"], b_hh]
        with torch.no_grad():
            for parameter, value in zip(self.module.parameters(), weights, strict=True):
                parameter.copy_(torch.tensor(value))
        self.x, self.dy = torch.tensor(work.x), torch.tensor(work.dy)
        self.leaf = torch.tensor(work.x, requires_grad=True)

    @property
    def name(self):
        return "torch padded" if self.work.mode == "ragged" else "torch"

    def forward(self, x):
        y, _ = self.module(x)
        return y

    def infer(self):
        with self.torch.inference_mode():
            return (self.forward(self.x),)

    def train(self):
        y = self.forward(self.leaf)
        dx, dW, dU, db, db_hh = self.torch.autograd.grad(
            y, [self.leaf, *self.module.parameters()], self.dy
        )
        gradients = (dx, dW.T, dU.T, db)
        if self.work.cell == "gru":
            gradients += (db_hh[-self.work.H :],)
        return y.detach(), *gradients


class TorchPacked(Torch):
    """PyTorch's module on a packed batch, packed from and padded to the arrays of the others."""

    name = "torch packed"

    def __init__(self, work):
        super().__init__(work)
        self.lengths = self.torch.tensor(work.lengths)

    def forward(self, x):
        rnn = self.torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, self.lengths, enforce_sorted=False)
        y, _ = self.module(packed)
        return rnn.pad_packed_sequence(y, total_length=self.work.T)[0]


class OnnxRuntime:
    """A model of one node, inference only; `keep_state` makes the state an input and an output.

    With a `head`, weights (H, K) and bias (K,), softmax probabilities of the last state take the
    place of the states of all steps.
    """

    name = "onnxruntime"

    def __init__(self, work, keep_state=False, head=None):
        import onnxruntime
        from onnx import helper, numpy_helper

        if work.dtype != "float32":
            raise Unavailable("its recurrent operators are float32 only")
        blocks = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[work.cell]
        W, U, b = (
            np.concatenate(
                [np.split(work.weights[name], len(blocks), axis=-1)[k] for k in blocks], -1
            )
            for name in ("W", "U", "b")
        )
        recurrent_bias = np.zeros_like(b)
        if work.cell == "gru":
            recurrent_bias[-work.H :] = work.weights["b_n"]
        attributes = {"linear_before_reset": 1} if work.cell == "gru" else {}
        states = ["h", "c"][: 2 if work.cell == "lstm" else 1] if keep_state else []
        node = helper.make_node(
            work.cell.upper(),
            ["x", "W", "R", "B", *(["", *states] if keep_state else [])],
            ["y", *(f"last_{state}" for state in states)],
            hidden_size=work.H,
            **attributes,
        )
        weights = {"W": W.T, "R": U.T, "B": np.concatenate([b, recurrent_bias])}

        def value(name, shape):
            return helper.make_tensor_value_info(name, 1, shape)

        state_shape = (1, work.B, work.H)
        constants = {name: np.ascontiguousarray(array[None]) for name, array in weights.items()}
        nodes, answer = [node], value("y", (work.T, 1, work.B, work.H))
        if head is not None:
            constants |= {"first": np.array([0]), "head_W": head[0], "head_b": head[1]}
            nodes += [
                helper.make_node("Squeeze", ["last_h", "first"], ["top"]),
                helper.make_node("Gemm", ["top", "head_W", "head_b"], ["logits"]),
                helper.make_node("Softmax", ["logits"], ["proba"]),
            ]
            answer = value("proba", (work.B, len(head[1])))
        graph = helper.make_graph(
            nodes,
            "one_layer",
            [value("x", work.x.shape), *(value(state, state_shape) for state in states)],
            [answer, *(value(f"last_{state}", state_shape) for state in states)],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        opset = helper.make_opsetid("", 22)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = work.threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.x = work.x
        self.state = {state: np.zeros(state_shape, "float32") for state in states}

    def infer(self):
        (y,) = self.session.run(None, {"x": self.x})
        return (y[:, 0],)


class Jax:
    """A scan over the steps, compiled; of a ragged batch it computes the padding too."""

    def __init__(self, work):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", work.dtype == "float64")
        self.jax, self.work = jax, work
        H, sigmoid, tanh = work.H, jax.nn.sigmoid, jnp.tanh

        def rnn(p, state, projected):
            (h,) = state
            return (tanh(projected + h @ p["U"]),)

        def gru(p, state, projected):
            (h,) = state
            recurrent = h @ p["U"]
            r, z = jnp.split(sigmoid(projected[:, : 2 * H] + recurrent[:, : 2 * H]), 2, axis=1)
            n = tanh(projected[:, 2 * H :] + r * (recurrent[:, 2 * H :] + p["b_n"]))
            return ((1 - z) * n + z * h,)

        def lstm(p, state, projected):
            h, c = state
            i, f, g, o = jnp.split(projected + h @ p["U"], 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            return sigmoid(o) * tanh(c), c

        step = {"rnn": rnn, "gru": gru, "lstm": lstm}[work.cell]
        start = (jnp.zeros((work.B, H), work.dtype),) * (2 if work.cell == "lstm" else 1)

        def forward(p, x):
            def body(state, projected):
                state = step(p, state, projected)
                return state, state[0]

            return jax.lax.scan(body, start, x @ p["W"] + p["b"])[1]

        def forward_and_backward(p, x, dy):
            y, pull_back = jax.vjp(forward, p, x)
            gradients, dx = pull_back(dy)
            return y, dx, *(gradients[name] for name in work.weights)

        self.arguments = jax.device_put((work.weights, work.x))
        self.dy = jax.device_put(work.dy)
        self.forward, self.forward_and_backward = jax.jit(forward), jax.jit(forward_and_backward)

    @property
    def name(self):
        return "jax padded" if self.work.mode == "ragged" else "jax"

    def infer(self):
        return self.jax.block_until_ready((self.forward(*self.arguments),))

    def train(self):
        return self.jax.block_until_ready(self.forward_and_backward(*self.arguments, self.dy))


PEERS = {
    "torch": {"training": [Torch], "inference": [Torch], "ragged": [TorchPacked, Torch]},
    "onnxruntime": {"inference": [OnnxRuntime]},
    "jax": {"training": [Jax], "inference": [Jax], "ragged": [Jax]},
}
