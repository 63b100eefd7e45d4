"""Fit, predict, stream, save and load in a loop, from four threads, for minutes.

``python tests/soak.py --seconds 180`` goes again and again over all the estimators and data of
contract.py. Answers are to stay the same bits; memory, open files and threads are looked at between
two rounds, and are not to grow.
"""

import argparse
import gc
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from contract import CASES, bits, same

import fastrnn
from fastrnn.network import threads

N_WORKERS = 4
N_JOBS = 2
FEWEST = 24
"""Rounds: with fewer nothing could be seen to grow, and some threads were not needed yet."""
ASKED = "predict predict_proba predict_nbest next_proba score_samples stream push".split()
"""Questions of contract.py."""
MEMORY = 2**22
"""Bytes of growth that may be chance: Python and its allocator keep some of what was freed. Two
thousand models live in three minutes, so that a few kilobytes lost in each are seen."""


class Soak:
    """The loop, and what was seen between its rounds.

    Parameters
    ----------
    seconds : float
        How long it goes on.
    folder : path-like
        Where models are saved.
    """

    def __init__(self, seconds, folder):
        self.end, self.folder = time.monotonic() + seconds, Path(folder)
        self.names = list(CASES)
        self.expected, self.seen, self.errors = {}, [], []
        self.goes_on = True
        self.meeting = threading.Barrier(N_WORKERS, self.look)

    def look(self):
        """What is in use while all workers wait for each other."""
        gc.collect()
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        n_files, n_threads = (len(os.listdir(f"/proc/self/{part}")) for part in ("fd", "task"))
        self.seen.append((resident, n_files, n_threads))
        self.goes_on = time.monotonic() < self.end or len(self.seen) < FEWEST

    def work(self, k):
        """Go over all cases, round after round, and begin with another one than the others do."""
        try:
            while self.goes_on:
                for j in range(k, k + len(self.names)):
                    name = self.names[j % len(self.names)]
                    self.check(name, self.live(CASES[name], self.folder / f"{name} {k}"))
                self.meeting.wait()
        except BaseException as error:
            self.errors.append(error)
            self.meeting.abort()

    def live(self, case, path):
        """The life of a model; what it says of the data."""
        model = case.fit(n_jobs=N_JOBS)
        model.save(path)
        loaded = fastrnn.load(path)
        path.unlink()
        assert same(loaded, model)
        asked = {name: ask for name, ask in case.questions.items() if name in ASKED}
        said = [
            {name: bits(ask(one, *case.data)) for name, ask in asked.items()}
            for one in (model, loaded)
        ]
        assert said[0] == said[1]
        return said[0]

    def check(self, name, said):
        """Compare with what was said before, by whatever worker."""
        assert said == self.expected.setdefault(name, said), name

    def run(self):
        """Run all, and say what is in use at the end compared with the second quarter of it."""
        workers = [threading.Thread(target=self.work, args=(k,)) for k in range(N_WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        errors = [e for e in self.errors if not isinstance(e, threading.BrokenBarrierError)]
        if errors:
            raise errors[0]
        n = len(self.seen)
        before, after = (
            np.median(part, axis=0) for part in (self.seen[n // 4 : n // 2], self.seen[-(n // 4) :])
        )
        print(f"{n} rounds of {N_WORKERS} threads over {len(self.names)} kinds of models")
        print("in use       early         late")
        for what, *numbers in zip(("bytes", "files", "threads"), before, after, strict=True):
            print(f"{what:7} {numbers[0]:10.0f} {numbers[1]:12.0f}")
        grown = after - before
        assert grown[0] <= MEMORY, "memory grows"
        assert not grown[1:].any(), "the number of open files or threads changes"


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180, help="default: 180")
    arguments = parser.parse_args()
    threads.WORTHWHILE_FLOPS = 1  # small models use threads, too
    warnings.simplefilter("ignore")  # that so short a training ends at max_iter
    with tempfile.TemporaryDirectory() as folder:
        Soak(arguments.seconds, folder).run()


if __name__ == "__main__":
    main()
