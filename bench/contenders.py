"""The contenders of ``bench/layers.py``: fastrnn and its peers on one `Work`."""

import os
import tempfile
import warnings
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
    dtype: str  # of the arrays
    precision: str  # "full", or "bfloat16" where contenders may round
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
        """A case of numbers of a dtype; of "bfloat16" the arrays are those of float32."""
        precision = "full"
        if dtype == "bfloat16":
            dtype, precision = "float32", "bfloat16"
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
        sizes = (shape, T, B, D, H, lengths)
        work = cls(cell, mode, dtype, precision, threads, *sizes, x, dy, weights)
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


def as_array(value):
    """What a contender returned as an array of NumPy, which has no bfloat16."""
    return np.asarray(value.float() if str(value.dtype) == "torch.bfloat16" else value)


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
        self.layer = layer_class(work.D, work.H, dtype=work.dtype, precision=work.precision)
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


class FastrnnFull(Fastrnn):
    """The same layer in full precision."""

    name = "fastrnn full"

    def __init__(self, work):
        super().__init__(Work.draw(work.cell, work.mode, work.dtype, work.threads, work.shape))


class Torch:
    """PyTorch's module on the dense batch."""

    name = "torch"

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


class TorchPadded(Torch):
    """The same module, which of a ragged batch computes the padding too."""

    name = "torch padded"


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


class TorchBfloat16(Torch):
    """The module, its input and the gradient cast to bfloat16."""

    name = "torch bfloat16"

    def __init__(self, work):
        super().__init__(work)
        self.module.bfloat16()
        self.x, self.dy = self.x.bfloat16(), self.dy.bfloat16()
        self.leaf = self.x.clone().requires_grad_()


class TorchAutocast(Torch):
    """The module in float32, whose products are in bfloat16: mixed precision."""

    name = "torch autocast"

    def __init__(self, work):
        super().__init__(work)
        self.dy = self.dy.bfloat16()

    def forward(self, x):
        with self.torch.autocast("cpu", self.torch.bfloat16):
            return super().forward(x)


class TorchCompiled(Torch):
    """The module compiled with ``torch.compile``, for inference."""

    name = "torch compiled"

    def __init__(self, work):
        super().__init__(work)
        if work.cell != "lstm":
            raise Unavailable("it writes out every time step: T = 100 takes two minutes to compile")
        import torch._dynamo
        import torch._inductor.config
        import torch._inductor.exc

        torch._inductor.config.compile_threads = 1  # no processes beside
        torch._dynamo.config.allow_rnn = True
        torch._dynamo.reset()
        self.module = torch.compile(self.module)
        try:
            self.infer()
        except torch._inductor.exc.InductorError as error:
            raise Unavailable("it needs a C++ compiler") from error


class TorchInt8(Torch):
    """The module with weights, and rows when they are multiplied, of int8; inference."""

    name = "torch int8"

    def __init__(self, work):
        super().__init__(work)
        if work.cell == "rnn":
            raise Unavailable("quantize_dynamic leaves nn.RNN as it is")
        quantization = self.torch.ao.quantization
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it will move to another package
            self.module = quantization.quantize_dynamic(
                self.torch.nn.Sequential(self.module), {type(self.module)}
            )[0]


class OnnxRuntime:
    """A model of one node, inference only; `keep_state` makes the state an input and an output.

    With a `head`, weights (H, K) and bias (K,), softmax probabilities of the last state take the
    place of the states of all steps.
    """

    name = "onnxruntime"

    def __init__(self, work, keep_state=False, head=None):
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
        self.x, self.work = work.x, work
        self.state = {state: np.zeros(state_shape, "float32") for state in states}
        self.open(model.SerializeToString())

    def open(self, model):
        """Make what runs the model."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.work.threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs):
        """The outputs of a call on arrays by name."""
        return self.session.run(None, inputs)

    def infer(self):
        (y,) = self.run({"x": self.x})
        return (y[:, 0],)


class OpenVino(OnnxRuntime):
    """OpenVINO on the same model: one stream, as many threads, its hint of latency."""

    name = "openvino"

    def open(self, model):
        import openvino

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.work.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.work.precision == "bfloat16" else "f32",
        }
        core = openvino.Core()
        self.compiled = core.compile_model(core.read_model(model), "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.request.set_tensor("x", openvino.Tensor(self.x, shared_memory=True))

    def run(self, inputs):
        return self.request.infer(inputs, share_inputs=True).to_tuple()

    def infer(self):
        self.request.infer()
        return (self.request.get_output_tensor(0).data[:, 0],)


class Tract(OnnxRuntime):
    """tract on the same model; it has one thread."""

    name = "tract"

    def open(self, model):
        import tract

        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(model)
            file.flush()
            self.model = tract.onnx().load(file.name).into_model().into_runnable()

    def run(self, inputs):
        return [output.to_numpy() for output in self.model.run(list(inputs.values()))]


class Jax:
    """A scan over the steps, compiled."""

    name = "jax"

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

    def infer(self):
        return self.jax.block_until_ready((self.forward(*self.arguments),))

    def train(self):
        return self.jax.block_until_ready(self.forward_and_backward(*self.arguments, self.dy))


class JaxPadded(Jax):
    """The same scan, which of a ragged batch computes the padding too."""

    name = "jax padded"


# What each package has, by the mode, in full precision and in bfloat16.
PEERS = {
    "torch": {
        "training": [Torch],
        "inference": [Torch, TorchCompiled],
        "ragged": [TorchPacked, TorchPadded],
    },
    "onnxruntime": {"inference": [OnnxRuntime]},
    "openvino": {"inference": [OpenVino]},
    "jax": {"training": [Jax], "inference": [Jax], "ragged": [JaxPadded]},
}
BFLOAT16_PEERS = {
    "torch": {
        "training": [Torch, TorchBfloat16, TorchAutocast],
        "inference": [Torch, TorchBfloat16, TorchAutocast, TorchInt8],
    },
    "openvino": {"inference": [OpenVino]},
}
