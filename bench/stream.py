"""Time the steps of streams: an LSTM classifier that answers after every time step.

An `RNNClassifier` of 64 units over 16 features and 10 classes, float32, as a stream; the same
weights as an ONNX model that takes and returns h and c, run by ONNX Runtime; and as PyTorch's
nn.LSTM, nn.Linear and softmax under `inference_mode`. The first two are given NumPy arrays and
return NumPy arrays, PyTorch tensors. The contenders run in turns of a hundred steps; every step is
timed by itself. The 99.9th percentile, over 100 000 steps, shows what the rare slow step costs.

Then a step of 1000 streams at once is timed against one step of each of 1000 streams one by one,
and against a batch of 1000 in the others; also for smaller networks.

Last come small weights, `stream(weights=...)`: a step of one stream of large layers, against the
weights as they are, and against ONNX Runtime, OpenVINO and PyTorch, the last two also in bfloat16,
and PyTorch in int8; and what they cost on real sets: accuracy in points, and the largest difference
of a probability. With ``--small`` the steps of large layers are all that is timed.
"""

import copy
import gc
import time
import warnings
from contextlib import nullcontext

import archives
import contenders
import numpy as np
from contenders import Unavailable, Work, as_array
from measuring import argument_parser, begin, interleave, save

from fastrnn import RNNClassifier

K = 10
SHAPE = (16, 64)
# (D, H) of the networks of many streams.
SHAPES = [(1, 8), (4, 16), (8, 32), SHAPE]
# Cells, and D = H, of the large layers; real sets, and the units of their layer.
SMALL = [(cell, H) for cell in ("lstm", "gru") for H in (128, 256, 512)]
WEIGHTS = (None, "bfloat16", "int8")
REAL = (("JapaneseVowels", 256), ("digits", 256))
N_STREAMS = 1000
TURN = 100
TOLERANCE, ROUNDED_TOLERANCE = 1e-5, 0.03

PLAIN = {"pooling": "last", "stride": 1, "conv": None, "scaling": None}


def make_model(D, H, cell="lstm"):
    """Return a classifier with weights like those of a trained one."""
    rng = np.random.default_rng((D, H))
    X = rng.standard_normal((K, 4, D)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model = RNNClassifier(H, cell=cell, max_iter=1, random_state=0, **PLAIN)
        model.fit(X, np.arange(K))
    theta = model.network_.theta
    theta[...] = H**-0.5 * rng.uniform(-1, 1, theta.size)
    return model


def work_of(model, n_streams, dtype):
    """Return the weights of a model as other contenders take them."""
    (layer,) = model.network_.layers
    shape = (1, n_streams, layer.input_size, layer.hidden_size)
    work = Work.draw(model.cell, "inference", dtype, 1, shape)
    work.weights = dict(layer.params)
    return work, (model.network_.head.params["W"], model.network_.head.params["b"])


class Fastrnn:
    """The stream of the estimator."""

    name = "fastrnn"
    context = nullcontext

    def __init__(self, model, n_streams=1, weights=None):
        self.stream = model.stream(n_streams, weights=weights)
        self.step = self.stream.step

    def prepare(self, x):
        return x if len(x) > 1 else x[0]


class FastrnnOut(Fastrnn):
    """The same, with the answer in an array that is there already."""

    name = "fastrnn out="

    def __init__(self, model, n_streams=1):
        super().__init__(model, n_streams)
        out = np.empty((n_streams, K) if n_streams > 1 else K, "float32")
        self.step = lambda x: self.stream.step(x, out)


class Stepwise:
    """What runs a model whose state is among its inputs and outputs."""

    context = nullcontext
    dtype = "float32"

    def __init__(self, model, n_streams=1):
        work, head = work_of(model, n_streams, self.dtype)
        super().__init__(work, keep_state=True, head=head)

    def prepare(self, x):
        return x[np.newaxis]

    def step(self, x):
        proba, *last = self.run({"x": x, **self.state})
        self.state = dict(zip(self.state, last, strict=True))
        return proba


class OnnxRuntime(Stepwise, contenders.OnnxRuntime):
    """A session of ONNX Runtime."""


class OpenVino(Stepwise, contenders.OpenVino):
    """The same model compiled by OpenVINO."""


class OpenVinoBfloat16(OpenVino):
    """It may round to bfloat16."""

    name, dtype = "openvino bfloat16", "bfloat16"


class Modules:
    """PyTorch's modules, with the state that they returned last."""

    state = None

    def __init__(self, model, n_streams=1):
        work, (W, b) = work_of(model, n_streams, "float32")
        super().__init__(work)
        self.head = self.torch.nn.Linear(*W.shape)
        with self.torch.no_grad():
            self.head.weight.copy_(self.torch.tensor(W.T))
            self.head.bias.copy_(self.torch.tensor(b))
        self.head.to(self.x.dtype)

    def context(self):
        return self.torch.inference_mode()

    def prepare(self, x):
        return self.torch.tensor(x[np.newaxis]).to(self.x.dtype)

    def step(self, x):
        y, self.state = self.module(x, self.state)
        return self.torch.softmax(self.head(y[0]), dim=-1)


class Torch(Modules, contenders.Torch):
    """In float32."""


class TorchBfloat16(Modules, contenders.TorchBfloat16):
    """Cast to bfloat16."""


class TorchInt8(Modules, contenders.TorchInt8):
    """The recurrent layer with weights of int8."""


# Peers of streams of large layers, and what their weights are.
PEERS = [
    ("full", OnnxRuntime),
    ("full", OpenVino),
    ("full", Torch),
    ("bfloat16", OpenVinoBfloat16),
    ("bfloat16", TorchBfloat16),
    ("int8", TorchInt8),
]


def make_contenders(model, n_streams=1):
    """Return the contenders that are installed, after all have answered alike."""
    ready = []
    for contender_class in [Fastrnn, FastrnnOut, OnnxRuntime, Torch]:
        try:
            ready.append(contender_class(model, n_streams))
        except (ImportError, Unavailable):
            continue
    rng = np.random.default_rng(1)
    for _ in range(10):
        x = rng.standard_normal((n_streams, model.n_features_in_)).astype("float32")
        answers = []
        for contender in ready:
            with contender.context():
                answer = as_array(contender.step(contender.prepare(x)))
                answers.append(answer.reshape(-1, K).copy())
        for contender, answer in zip(ready, answers, strict=True):
            if not np.abs(answer - answers[0]).max() <= TOLERANCE:
                raise SystemExit(f"{contender.name} and fastrnn disagree")
    return ready


def time_steps(ready, turns):
    """Return the microseconds of every step, by contender."""
    steps = np.random.default_rng(2).standard_normal((TURN, 1, SHAPE[0])).astype("float32")
    prepared = [[contender.prepare(x) for x in steps] for contender in ready]
    times = {contender.name: [] for contender in ready}
    gc.collect()
    gc.freeze()  # what is there already is not looked through while steps are timed
    for turn in range(-1, turns):
        for contender, xs in zip(ready, prepared, strict=True):
            step, clock = contender.step, time.perf_counter_ns
            with contender.context():
                for x in xs:
                    start = clock()
                    step(x)
                    duration = clock() - start
                    if turn >= 0:  # the first turn warms up
                        times[contender.name].append(duration / 1e3)
    gc.unfreeze()
    return times


def latency(quick):
    """Time single steps; print and return what they take."""
    times = time_steps(make_contenders(make_model(*SHAPE)), 3 if quick else 1000)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    tails = {name: float(np.quantile(values, 0.999)) for name, values in times.items()}
    ratios = {name: value / medians["fastrnn"] for name, value in medians.items()}
    n_steps = len(times["fastrnn"])
    D, H = SHAPE
    print(f"\nLSTM classifier, D {D}, H {H}, one stream; microseconds of {n_steps} steps")
    print(f"{'':14}{'median':>10}{'99.9 %':>10}{'/ fastrnn':>12}")
    for name in medians:
        print(f"{name:14}{medians[name]:10.2f}{tails[name]:10.2f}{ratios[name]:12.2f}", flush=True)
    return {
        "shape": SHAPE,
        "steps": n_steps,
        "median": medians,
        "99.9 %": tails,
        "ratios": ratios,
    }


def throughput(shape, quick):
    """Time many streams at once and one by one; print and return steps a second."""
    model = make_model(*shape)
    ready = make_contenders(model, N_STREAMS)
    x = np.random.default_rng(3).standard_normal((N_STREAMS, shape[0])).astype("float32")
    first = model.stream()
    singles, rows = [first] + [copy.copy(first) for _ in range(N_STREAMS - 1)], list(x)

    def one_by_one():
        for stream, row in zip(singles, rows, strict=True):
            stream.step(row)

    def call_of(contender):
        own_x = contender.prepare(x)

        def call():
            with contender.context():
                contender.step(own_x)

        return call

    calls = {contender.name: call_of(contender) for contender in ready}
    calls["one by one"] = one_by_one
    times = interleave(calls, 3 if quick else 100, 0.002)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    rates = {name: N_STREAMS / seconds / 1e6 for name, seconds in medians.items()}
    ratios = {
        name: seconds / medians["fastrnn"] for name, seconds in medians.items() if name != "fastrnn"
    }
    D, H = shape
    (layer,) = model.network_.layers
    flops = 2 * (layer.n_parameters + (H + 1) * K)
    speed = flops * rates["fastrnn"] / 1e3
    print(f"\nD {D}, H {H}, {N_STREAMS} streams at once ({speed:.0f} GFLOP/s); million steps/s")
    for name, rate in rates.items():
        ratio = f"{ratios[name]:12.2f} times as long" if name in ratios else ""
        print(f"{name:24}{rate:8.2f}{ratio}", flush=True)
    return {"shape": shape, "million steps/s": rates, "ratios": ratios, "GFLOP/s": speed}


def small_weights(cell, H, quick):
    """Time a step of one stream with each kind of weights, and of the peers; print and return it.

    "peers" is the fastest peer's time by fastrnn's of the same weights, or of larger ones.
    """
    model = make_model(H, H, cell)
    ready = {f"fastrnn {weights or 'full'}": Fastrnn(model, weights=weights) for weights in WEIGHTS}
    classes, empty = {"full": [], "bfloat16": [], "int8": []}, {}
    for weights, contender_class in PEERS:
        try:
            ready[contender_class.name] = contender_class(model)
        except (ImportError, Unavailable) as error:
            empty[contender_class.name] = str(error)
            continue
        for kind in list(classes)[list(classes).index(weights) :]:
            classes[kind].append(contender_class.name)
    xs = np.random.default_rng(4).standard_normal((20, 1, H)).astype("float32")

    def call_of(contender):
        own_xs = [contender.prepare(x) for x in xs]

        def call():
            with contender.context():
                for x in own_xs:
                    answer = contender.step(x)
            return as_array(answer).reshape(K)

        return call

    calls = {name: call_of(contender) for name, contender in ready.items()}
    expected = calls["fastrnn full"]()
    for name, call in calls.items():
        far = np.abs(call() - expected).max()
        if name != "fastrnn full" and not far <= ROUNDED_TOLERANCE:
            raise SystemExit(f"{name} and fastrnn disagree by {far:.1e}: {cell}")
    times = interleave(calls, 3 if quick else 50, 0.002)
    steps = {name: float(np.median(values)) / len(xs) * 1e6 for name, values in times.items()}
    own = {name: steps[f"fastrnn {name}"] for name in classes}
    faster = {name: own["full"] / value for name, value in own.items()}
    peers = {
        name: min(steps[peer] for peer in classes[name]) / own[name]
        for name in classes
        if classes[name]
    }
    print(f"\n{cell}, D = H = {H}, one stream; microseconds of a step")
    for name, value in steps.items():
        print(f"{name:20}{value:10.2f}")
    for what, ratios in (("times as fast as full", faster), ("fastest peer / fastrnn", peers)):
        print(f"{what}: " + ", ".join(f"{key} {value:.2f}" for key, value in ratios.items()))
    for name, reason in empty.items():
        print(f"empty, {name}: {reason}")
    return {
        "cell": cell,
        "H": H,
        "microseconds": steps,
        "empty": empty,
        "times as fast": faster,
        "peers": peers,
    }


def answers(name, H, quick):
    """Compare what small weights say of a real set; print and return accuracies."""
    X, y, X_test, y_test = archives.load(name)
    model = RNNClassifier(H, bidirectional=False, max_iter=2 if quick else 30, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(X, y)
    said = {str(weights): _last_answers(model, X_test, weights) for weights in WEIGHTS}
    print(f"\n{name}, {H} units: accuracy, and the largest difference of a probability")
    result = {}
    for weights, proba in said.items():
        accuracy = float((model.classes_[proba.argmax(axis=1)] == y_test).mean())
        difference = float(np.abs(proba - said["None"]).max())
        result[weights] = {"accuracy": accuracy, "difference": difference}
        print(f"weights={weights:10}{100 * accuracy:8.2f}{difference:10.4f}", flush=True)
    return {"set": name, "H": H, **result}


def _last_answers(model, X, weights):
    """The answer of a stream at the end of each sequence."""
    first, rows = model.stream(weights=weights), []
    for x in X:
        stream = copy.copy(first)
        for x_t in x:
            proba = stream.step(x_t)
        rows.append(proba)
    return np.array(rows)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--small", action="store_true", help="steps of large layers alone")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch", "onnxruntime", "openvino"])
    cases, sets = (SMALL[:1], REAL[:1]) if arguments.quick else (SMALL, REAL)
    if arguments.small:
        small = [small_weights(*case, arguments.quick) for case in cases]
        if arguments.json:
            save(arguments.json, machine=machine, small=small)
        return
    single = latency(arguments.quick)
    shapes = SHAPES[-1:] if arguments.quick else SHAPES
    many = [throughput(shape, arguments.quick) for shape in shapes]
    small = [small_weights(*case, arguments.quick) for case in cases]
    said = [answers(*case, arguments.quick) for case in sets]
    if arguments.json:
        save(arguments.json, machine=machine, single=single, many=many, small=small, answers=said)


if __name__ == "__main__":
    main()
