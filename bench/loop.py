"""Time what training does around the kernels: a minibatch of a tiny network.

Networks of 16 units are trained on minibatches of 16 sequences of 20 steps. A minibatch takes the
time of an epoch divided by their number; "cell" is what the cell's two kernels alone take on the
same arrays, called again and again. What is left is the loop's: the order of the sequences, packing
of rows and weights, head, loss, clipping, the solver. Both are timed in turns, and medians of the
fastest of each turn are shown.
"""

import math
import time
from statistics import median
from types import SimpleNamespace

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn.layers import cells
from fastrnn.network import Network
from fastrnn.sequences import as_sequences
from fastrnn.training import Settings, TrainingState, train

UNITS, STEPS, BATCH, FEATURES, CLASSES = 16, 20, 16, 4, 3
MINIBATCHES = 100  # an epoch


class Loop:
    """Training of a tiny network."""

    def __init__(self, cell):
        self.rng = np.random.default_rng(0)
        n = BATCH * MINIBATCHES
        X = self.rng.standard_normal((n, STEPS, FEATURES), dtype="float32")
        self.data = as_sequences(X), self.rng.integers(CLASSES, size=n), np.ones(n, "float32")
        self.network = Network(
            FEATURES, (UNITS,), CLASSES, loss="log_loss", cell=cell, random_state=0
        )
        self.settings = Settings(
            batch_size=BATCH, learning_rate="cosine", clip_norm=1.0, n_iter_no_change=math.inf
        )
        self.state = TrainingState(self.rng)
        self.train(1)
        self.calls = self.record(cell)

    def train(self, n_epochs):
        train(self.network, *self.data, self.settings, self.state, n_epochs=n_epochs)

    def record(self, cell):
        """Return the calls of the cell's kernels in one minibatch."""
        kernels, calls = getattr(cells, cell), []

        def recorder(kernel):
            def call(*arguments):
                calls.append((kernel, arguments))
                return kernel(*arguments)

            return call

        names = [f"{cell}_forward", f"{cell}_backward"]
        recorders = {name: recorder(getattr(kernels, name)) for name in names}
        setattr(cells, cell, SimpleNamespace(**recorders))
        try:
            self.network.loss_and_grad(self.data[0], np.arange(BATCH), *self.data[1:])
        finally:
            setattr(cells, cell, kernels)
        return calls

    def seconds(self):
        """Return the seconds of a minibatch, and of the kernels in it."""
        clock = time.perf_counter
        whole = []
        for _ in range(3):
            start = clock()
            self.train(1)
            whole.append((clock() - start) / MINIBATCHES)
        alone = 0.0
        for kernel, arguments in self.calls:
            times = []
            for _ in range(10 * MINIBATCHES):
                start = clock()
                kernel(*arguments)
                times.append(clock() - start)
            alone += median(times)
        return min(whole), alone


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, [])
    print(f"\nmicroseconds of a minibatch: {UNITS} units, {STEPS} steps, {BATCH} sequences")
    cases = []
    for cell in ["lstm", "gru", "rnn", "carry_lstm"]:
        loop = Loop(cell)
        turns = [loop.seconds() for _ in range(2 if arguments.quick else 9)]
        whole, alone = (1e6 * median(times) for times in zip(*turns, strict=True))
        cases.append({"cell": cell, "minibatch": whole, "kernels": alone, "loop": whole - alone})
        print(f"{cell:12} {whole:7.1f}, its kernels {alone:6.1f}, the rest {whole - alone:6.1f}")
    if arguments.json:
        save(arguments.json, machine=machine, cases=cases)


if __name__ == "__main__":
    main()
