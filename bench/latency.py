"""Time single calls on one sequence that carry the state: what a stream pays for each answer.

Every contender is called with the next steps of one sequence and with the state that its last call
returned, NumPy arrays in and out of fastrnn, ONNX Runtime, OpenVINO and tract, tensors in and out
of PyTorch (under `inference_mode`; for a single step also its LSTMCell, GRUCell and RNNCell). The
contenders run in turns of a hundred calls; every call is timed by itself. The 99.9th percentile
shows what the rare slow call costs.
"""

import gc
import time
from contextlib import nullcontext

import contenders
import numpy as np
from contenders import Unavailable, Work
from measuring import argument_parser, begin, save

# (T, D, H): steps of a call, inputs, hidden units.
SHAPES = [(1, 8, 16), (1, 16, 64), (1, 64, 256), (20, 16, 64)]
TURN = 100
TOLERANCE = 1e-5


class Fastrnn(contenders.Fastrnn):
    """`layer.forward` with the state that it returned last."""

    state = None
    context = nullcontext

    def prepare(self, x):
        return x

    def step(self, x):
        y, self.state = self.layer.forward(x, initial_state=self.state)
        return y


class Torch(contenders.Torch):
    """The module with the state that it returned last."""

    name = "torch"
    state = None

    def context(self):
        return self.torch.inference_mode()

    def prepare(self, x):
        return self.torch.tensor(x)

    def step(self, x):
        y, self.state = self.module(x, self.state)
        return y


class TorchCell(Torch):
    """The module of a single step."""

    name = "torch cell"

    def __init__(self, work):
        super().__init__(work)
        if work.T > 1:
            raise Unavailable("it takes one step")
        cells = {
            "lstm": self.torch.nn.LSTMCell,
            "gru": self.torch.nn.GRUCell,
            "rnn": self.torch.nn.RNNCell,
        }
        self.cell = cells[work.cell](work.D, work.H)
        with self.torch.no_grad():
            for mine, value in zip(self.cell.parameters(), self.module.parameters(), strict=True):
                mine.copy_(value)

    def step(self, x):
        self.state = self.cell(x[0], self.state)
        return self.state[0] if self.work.cell == "lstm" else self.state


class Stepwise:
    """What runs a model whose state is among its inputs and outputs."""

    context = nullcontext

    def __init__(self, work):
        super().__init__(work, keep_state=True)

    def prepare(self, x):
        return x

    def step(self, x):
        y, *last = self.run({"x": x, **self.state})
        self.state = dict(zip(self.state, last, strict=True))
        return y


class OnnxRuntime(Stepwise, contenders.OnnxRuntime):
    """A session of ONNX Runtime."""


class OpenVino(Stepwise, contenders.OpenVino):
    """The same model compiled by OpenVINO."""


class Tract(Stepwise, contenders.Tract):
    """And run by tract."""


def make_contenders(work):
    """Return the contenders that are installed, after all have answered alike."""
    ready = []
    for contender_class in [Fastrnn, Torch, TorchCell, OnnxRuntime, OpenVino, Tract]:
        try:
            ready.append(contender_class(work))
        except (ImportError, Unavailable):
            continue
    rng = np.random.default_rng(1)
    for _ in range(10):
        x = rng.standard_normal((work.T, 1, work.D)).astype("float32")
        answers = []
        for contender in ready:
            with contender.context():
                answers.append(np.asarray(contender.step(contender.prepare(x))).reshape(work.T, -1))
        for contender, answer in zip(ready, answers, strict=True):
            if not np.abs(answer - answers[0]).max() <= TOLERANCE:
                raise SystemExit(f"{contender.name} and fastrnn disagree: {work.cell}")
    return ready


def time_calls(ready, x, turns):
    """Return the microseconds of every call, by contender."""
    times = {contender.name: [] for contender in ready}
    gc.collect()
    gc.freeze()  # what is there already is not looked through while calls are timed
    for turn in range(-1, turns):
        for contender in ready:
            own_x, step, clock = contender.prepare(x), contender.step, time.perf_counter_ns
            with contender.context():
                for _ in range(TURN):
                    start = clock()
                    step(own_x)
                    duration = clock() - start
                    if turn >= 0:  # the first turn warms up
                        times[contender.name].append(duration / 1e3)
    gc.unfreeze()
    return times


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, ["torch", "onnxruntime", "openvino", "tract"])
    cases = []
    for cell in ["lstm", "gru", "rnn"]:
        print(f"\n{cell}, one sequence; microseconds a call: median (99.9th percentile)")
        for T, D, H in SHAPES[:2] if arguments.quick else SHAPES:
            work = Work.draw(cell, "inference", "float32", arguments.threads, (T, 1, D, H))
            times = time_calls(make_contenders(work), work.x, 3 if arguments.quick else 100)
            medians = {name: float(np.median(values)) for name, values in times.items()}
            tails = {name: float(np.quantile(values, 0.999)) for name, values in times.items()}
            others = [value for name, value in medians.items() if name != "fastrnn"]
            ratios = {"peers": min(others) / medians["fastrnn"]} if others else {}
            cases.append(
                {
                    "cell": cell,
                    "shape": (T, D, H),
                    "median": medians,
                    "99.9 %": tails,
                    "ratios": ratios,
                }
            )
            row = "".join(
                f"{name:>13} {medians[name]:7.1f} ({tails[name]:.1f})" for name in medians
            )
            ratio = "".join(f"  fastest / fastrnn {value:.2f}" for value in ratios.values())
            print(f"T {T:3} D {D:3} H {H:4}{row}{ratio}", flush=True)
    if arguments.json:
        save(arguments.json, machine=machine, cases=cases)


if __name__ == "__main__":
    main()
