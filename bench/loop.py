"""Time what training does around the kernels: a minibatch of a tiny network.

Networks of 16 units are trained on minibatches of 16 sequences of 20 steps. A minibatch takes the
time of an epoch divided by their number. In another epoch every call of a compiled function is
timed where it happens, with the caches as they are there, less what a call of one that does nothing
takes: "cell" is what the cell's two kernels take, "other kernels" the rest (packing of rows and
weights, head, loss, norm, solver). What is left is Python's: the loop. The epochs take turns, and
the shortest times of all turns are shown: on a machine that is shared, others' work would be
counted as the loop's.
"""

import math
import sys
import time
from contextlib import contextmanager

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn.inputs.sequences import as_sequences
from fastrnn.network import Architecture, Network
from fastrnn.training.loop import Settings, TrainingState, train

UNITS, STEPS, BATCH, FEATURES, CLASSES = 16, 20, 16, 4, 3
MINIBATCHES = 100  # an epoch
COMPILED = {"cython_function_or_method", "fused_cython_function"}
CELL_KERNELS = ("cell_forward", "cell_backward")
clock = time.perf_counter


def timed(function, spent):
    """A function that keeps account of itself in spent[name]: its seconds, and its calls."""
    account = spent.setdefault(function.__name__, [0.0, 0])

    def call(*arguments):
        start = clock()
        result = function(*arguments)
        account[0] += clock() - start
        account[1] += 1
        return result

    return call


@contextmanager
def timed_kernels(network, spent):
    """Let every compiled function that fastrnn calls keep account of itself."""
    before = []
    for module in [module for key, module in sys.modules.items() if key.startswith("fastrnn")]:
        for name, value in list(vars(module).items()):
            if type(value).__name__ in COMPILED:
                before.append((module, name, value))
                setattr(module, name, timed(value, spent))
    network.release_memory()  # with it go the calls that were planned
    try:
        yield
    finally:
        network.release_memory()
        for module, name, value in before:
            setattr(module, name, value)


def seconds_of_nothing():
    """What the account shows for a call of a compiled function that does nothing."""
    spent = {}
    call = timed(callable, spent)
    for _ in range(1000):
        call(None)
    seconds, n_calls = spent["callable"]
    return seconds / n_calls


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

    def train(self, n_epochs=1):
        """Train from where nothing was learned; return the seconds of a minibatch."""
        self.network.theta[:] = 0.01
        state = TrainingState(self.rng)
        start = clock()
        train(self.network, *self.data, self.settings, state, n_epochs=n_epochs)
        return (clock() - start) / (n_epochs * MINIBATCHES)

    def account(self):
        """Seconds and calls of every compiled function in an epoch."""
        spent = {}
        with timed_kernels(self.network, spent):
            self.train()
        return spent

    def seconds(self):
        """Return the seconds of a minibatch, of the cell's kernels in it, and of the others."""
        whole, nothing, of_kernels = self.train(), seconds_of_nothing(), {True: 0.0, False: 0.0}
        for name, (seconds, n_calls) in self.account().items():
            of_kernels[name in CELL_KERNELS] += (seconds - nothing * n_calls) / MINIBATCHES
        return whole, of_kernels[True], of_kernels[False]


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, [])
    print(f"\nmicroseconds of a minibatch: {UNITS} units, {STEPS} steps, {BATCH} sequences")
    cases = []
    for cell in ["lstm", "gru", "rnn", "carry_lstm"]:
        loop = Loop(cell)
        turns = [loop.seconds() for _ in range(2 if arguments.quick else 60)]
        whole, own, others = (1e6 * min(times) for times in zip(*turns, strict=True))
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
