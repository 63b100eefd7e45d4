"""What a user gains who makes many small calls from two threads of his own.

The same calls are made one after another, and then by two threads: fits of tiny networks,
predictions of few sequences, steps of streams. A fit is 10 epochs of 200 sequences; a prediction
asks one of two models about 20; each stream makes 20 000 steps. Both ways take turns, and the
median of their ratio is shown, with the least times. Run it with and without a GIL
(``python3.14t``): only without one do such calls overlap, for they are mostly Python.
"""

import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier

CALLS, PREDICTIONS, STEPS = 8, 200, 20_000
THREADS = 2
clock = time.perf_counter


class Calls:
    """What is called, and on what."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.X = [rng.normal(size=(rng.integers(5, 30), 4)) for _ in range(200)]
        self.y = rng.integers(3, size=200)
        self.models = [self.fit(k) for k in range(2)]

    def fit(self, k):
        model = RNNClassifier(16, max_iter=10, conv=None, stride=1, augment=None, random_state=k)
        return model.fit(self.X, self.y)

    def predict(self, k):
        for _ in range(PREDICTIONS):
            self.models[k % 2].predict(self.X[:20])

    def step(self, k):
        stream = self.models[k % 2].stream()
        for _ in range(STEPS):
            stream.step(self.X[0][0])


def measure(call, turns):
    """Seconds of all calls one after another and by threads, and the median of their ratio."""
    one, both = [], []
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(turns):
            for seconds, run in ((one, map), (both, threads.map)):
                start = clock()
                list(run(call, range(CALLS)))
                seconds.append(clock() - start)
    return min(one), min(both), float(np.median(np.divide(one, both)))


def main():
    parser = argument_parser(__doc__)
    parser.set_defaults(threads=THREADS)
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    warnings.simplefilter("ignore")  # ten epochs are few
    # Pythons before 3.13 have no such function, and a GIL.
    has_gil = sys.version_info < (3, 13) or sys._is_gil_enabled()
    print(f"\n{'with' if has_gil else 'without'} a GIL")
    print(f"seconds one after another, seconds by {THREADS} threads, ratio")
    calls, cases = Calls(), []
    for name in ("fit", "predict", "step"):
        one, both, ratio = measure(getattr(calls, name), 3 if arguments.quick else 15)
        cases.append({"call": name, "one": one, "both": both, "ratio": ratio})
        print(f"{name:8} {one:7.3f} {both:7.3f} {ratio:6.2f}", flush=True)
    if arguments.json:
        save(arguments.json, machine=machine, has_gil=has_gil, cases=cases)


if __name__ == "__main__":
    main()
