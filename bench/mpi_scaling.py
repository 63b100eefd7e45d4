"""How well two ranks of one thread share minibatches, and what a round of them costs.

Run as ``mpiexec -n 2 python bench/mpi_scaling.py``. The first rank trains alone, with `fit`, then
all train together on the same minibatches, by turns. A round is the time from the beginning of one
minibatch to that of the next; medians are shown. The efficiency is the time of one rank divided by
the number of ranks times that of all together. "possible" is the efficiency of ranks that train at
once, on their shares of minibatches, and have nothing to say to each other: less than 1 where
processors share something. Of the parts of a round "gradient" is the slowest
rank's own share, "agree" what ranks wait for each other and say whether to go on, "sum" how the
gradients go up the tree, "send" how their sum comes back; the rest is the step of the solver, which
every rank makes, and Python.
"""

import argparse
import json
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mpi4py import MPI

import fastrnn.mpi
from fastrnn import RNNClassifier
from fastrnn.network import Network

STEPS, FEATURES, CLASSES = 50, 16, 4
MINIBATCHES = 20  # of a turn
COMM = MPI.COMM_WORLD
clock = time.perf_counter


class TimedComm:
    """A communicator that keeps account of its calls: for each name the seconds of each."""

    NAMES = ("Allreduce", "Send", "Recv", "Bcast")

    def __init__(self, comm, spent):
        self.comm, self.spent = comm, spent

    def Dup(self):
        return TimedComm(self.comm.Dup(), self.spent)

    def __getattr__(self, name):
        method = getattr(self.comm, name)
        if name not in self.NAMES:
            return method

        def call(*arguments):
            start = clock()
            method(*arguments)
            self.spent[name] = self.spent.get(name, 0.0) + clock() - start

        return call


@contextmanager
def watched(starts, spent):
    """Let every gradient say when it starts, and what it takes."""
    compute = Network.loss_and_grad

    def loss_and_grad(self, *arguments, **options):
        starts.append(clock())
        loss = compute(self, *arguments, **options)
        spent["gradient"] = spent.get("gradient", 0.0) + clock() - starts[-1]
        return loss

    Network.loss_and_grad = loss_and_grad
    try:
        yield
    finally:
        Network.loss_and_grad = compute


def make_model(units, batch_size):
    return RNNClassifier(
        units, bidirectional=False, conv=None, stride=1, augment=None, dropout=0.0, scaling=None,
        batch_size=batch_size, max_iter=2, random_state=0,
    )  # fmt: skip


def data(n):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, STEPS, FEATURES), dtype=np.float32), np.arange(n) % CLASSES


def alone(units, batch_size):
    """Seconds of each round of the first rank, which the others wait for; they are told."""
    starts = []
    if COMM.rank == 0:
        with watched(starts, {}):
            make_model(units, batch_size).fit(*data(MINIBATCHES * batch_size))
    while COMM.rank and not COMM.iprobe(source=0):  # asleep: waiting for messages takes a processor
        time.sleep(0.001)
    seconds = np.diff(starts)
    if COMM.rank == 0:
        for rank in range(1, COMM.size):
            COMM.send(seconds, rank)
        return seconds
    return COMM.recv(source=0)


def apart(units, batch_size):
    """Seconds of a round where each rank trains a model of its own on its share of as many."""
    COMM.Barrier()
    starts = []
    with watched(starts, {}):
        share = batch_size // COMM.size
        make_model(units, share).fit(*data(MINIBATCHES * share))
    return max(COMM.allgather(np.median(np.diff(starts))))


def together(units, batch_size):
    """Seconds of each round of all ranks, and what the calls of each took, by round."""
    X, y = data(MINIBATCHES * batch_size)
    own, starts, spent = slice(COMM.rank, None, COMM.size), [], {}
    with watched(starts, spent):
        fastrnn.mpi.fit(make_model(units, batch_size), X[own], y[own], comm=TimedComm(COMM, spent))
    return np.diff(starts), {name: seconds / len(starts) for name, seconds in spent.items()}


def measure(units, target, turns):
    """Find how many sequences take so many seconds, and measure with as many."""
    batch_size = 64
    for _ in range(2):
        share = target / np.median(alone(units, batch_size)) * batch_size / COMM.size
        batch_size = COMM.size * max(1, round(share))
    one, apart_, all_, shares = [], [], [], []
    for _ in range(turns):
        one.append(np.median(alone(units, batch_size)))
        apart_.append(apart(units, batch_size))
        rounds, spent = together(units, batch_size)
        all_.append(np.median(rounds))
        of_ranks = COMM.allgather(spent)
        shares.append(
            {
                "gradient": max(spent["gradient"] for spent in of_ranks),
                "agree": min(spent["Allreduce"] for spent in of_ranks),
                "sum": max(spent.get("Send", 0) + spent.get("Recv", 0) for spent in of_ranks),
                "send": min(spent["Bcast"] for spent in of_ranks),
            }
        )
    parts = {name: 1e3 * float(np.median([share[name] for share in shares])) for name in shares[0]}
    efficiency, possible = (
        float(np.median(np.divide(one, took))) / COMM.size for took in (all_, apart_)
    )
    return {
        "units": units, "sequences": batch_size, "alone": 1e3 * float(np.median(one)),
        "together": 1e3 * float(np.median(all_)), "efficiency": efficiency,
        "possible": possible, **parts,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything, in seconds")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = []
    for units, target in [(64, 0.02), (64, 0.005), (256, 0.02), (256, 0.005)]:
        case = measure(units, target, 2 if arguments.quick else 12)
        cases.append(case)
        if COMM.rank == 0:
            if len(cases) == 1:
                print(
                    f"{COMM.size} ranks; milliseconds of a minibatch of sequences of {STEPS} steps"
                )
                print(" ".join(f"{name:>10}" for name in case))
            print(" ".join(f"{value:10.4g}" for value in case.values()), flush=True)
    if arguments.json and COMM.rank == 0:
        Path(arguments.json).write_text(json.dumps({"ranks": COMM.size, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
