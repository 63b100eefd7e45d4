"""Time what training does around the kernels: a minibatch of a tiny network.

Networks of 16 units are trained on minibatches of 16 sequences of 20 steps. A minibatch takes the
time of an epoch divided by their number. Every call of a compiled function in one minibatch is
recorded and repeated alone on the same arrays: "cell" is what the cell's two kernels take, "other
kernels" the rest (packing of rows and weights, head, loss, norm, solver). What is left is Python's:
the loop. All are timed in turns, and medians over the turns are shown.
"""

import math
import sys
import time
from contextlib import contextmanager
from statistics import median

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn.inputs.sequences import as_sequences
from fastrnn.network import Architecture, Network
from fastrnn.training.loop import Settings, TrainingState, train

UNITS, STEPS, BATCH, FEATURES, CLASSES = 16, 20, 16, 4, 3
MINIBATCHES = 100  # an epoch
COMPILED = {"cython_function_or_method", "fused_cython_function"}
CELL_KERNELS = ("cell_forward", "cell_backward")


@contextmanager
def recording(network):
    """Note every call of a compiled function that fastrnn makes, as (function, arguments)."""
    calls, before = [], []

    def recorder(function):
        def call(*arguments):
            calls.append((function, arguments))
            return function(*arguments)

        return call

    def replace(owner, name, function):
        before.append((owner, name, function))
        setattr(owner, name, recorder(function))

    for module in [module for key, module in sys.modules.items() if key.startswith("fastrnn")]:
        for name, value in list(vars(module).items()):
            if type(value).__name__ in COMPILED:
                replace(module, name, value)
    network.release_memory()  # with it go the calls that were planned
    try:
        yield calls
    finally:
        network.release_memory()
        for owner, name, function in before:
            setattr(owner, name, function)


class Loop:
    """Training of a tiny network."""

    def __init__(self, cell):
        self.rng = np.random.default_rng(0)
        n = BATCH * MINIBATCHES
        X = self.rng.standard_normal((n, STEPS, FEATURES), dtype="float32")
        self.data = as_sequences(X), self.rng.integers(CLASSES, size=n), np.ones(n, "float32")
        architecture = Architecture(
            n_features=FEATURES, hidden_layer_sizes=(UNITS,), n_outputs=CLASSES, cell=cell
        )
        self.network = Network(architecture, random_state=0)
        self.settings = Settings(
            batch_size=BATCH, learning_rate="cosine", clip_norm=1.0, n_iter_no_change=math.inf
        )
        self.begin()
        self.train(1)
        _, target, weight = self.data
        with recording(self.network) as calls:
            one = as_sequences(X[:BATCH]), target[:BATCH], weight[:BATCH]
            train(self.network, *one, self.settings, self.state, n_epochs=1)
        self.calls = calls

    def begin(self):
        """Forget what was learned, so that nothing diverges by the steps that are repeated."""
        self.network.theta[:] = 0.01
        self.state = TrainingState(self.rng)

    def train(self, n_epochs):
        train(self.network, *self.data, self.settings, self.state, n_epochs=n_epochs)

    def seconds(self):
        """Return the seconds of a minibatch, of the cell's kernels in it, and of the others."""
        clock = time.perf_counter
        whole = []
        for _ in range(3):
            start = clock()
            self.train(1)
            whole.append((clock() - start) / MINIBATCHES)
        alone = {True: 0.0, False: 0.0}
        for kernel, arguments in self.calls:
            times = []
            for _ in range(3 * MINIBATCHES):
                start = clock()
                kernel(*arguments)
                times.append(clock() - start)
            alone[kernel.__name__.endswith(CELL_KERNELS)] += median(times)
        self.begin()
        return min(whole), alone[True], alone[False]


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, [])
    print(f"\nmicroseconds of a minibatch: {UNITS} units, {STEPS} steps, {BATCH} sequences")
    cases = []
    for cell in ["lstm", "gru", "rnn", "carry_lstm"]:
        loop = Loop(cell)
        turns = [loop.seconds() for _ in range(2 if arguments.quick else 9)]
        whole, own, others = (1e6 * median(times) for times in zip(*turns, strict=True))
        loop_time = whole - own - others
        figures = {"minibatch": whole, "cell kernels": own, "other kernels": others}
        cases.append({"cell": cell, **figures, "loop": loop_time})
        print(
            f"{cell:12} {whole:7.1f}: cell {own:6.1f}, other kernels {others:6.1f}, "
            f"loop {loop_time:6.1f}"
        )
    if arguments.json:
        save(arguments.json, machine=machine, cases=cases)


if __name__ == "__main__":
    main()
