"""How well two workers of one thread share minibatches, and what a round of them costs.

Run as ``python bench/dask_scaling.py``. This process trains alone, with `fit` and one thread, then
two workers of a cluster on this machine train on the same minibatches, by turns. A round is the
time from the beginning of one minibatch to that of the next; medians are shown. The efficiency is
the time of one process divided by twice that of both workers. "possible" is the efficiency of two
workers that train at once, on halves of minibatches, and have nothing to say to each other: less
than 1 where processors share something. Of the parts of a round "gradient" is
the slower worker's own share, "task" what its task does besides, "wait" what passes until the sums
are here: messages, the scheduler, pickling; "add" adds those of the workers; the rest is the step
of the solver, and Python.

Where LightGBM is installed its `DaskLGBMClassifier` does the same to the same numbers, as rows: the
time of a round is that of a tree for each class, the mean of all, without what comes before the
first.
"""

import argparse
import json
import time
import warnings
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import dask.array
import numpy as np
from dask import delayed
from distributed import Client, LocalCluster

from fastrnn import RNNClassifier
from fastrnn.dask import DaskRNNClassifier, crew
from fastrnn.dask.cluster import Task
from fastrnn.network import Network

STEPS, FEATURES, CLASSES = 50, 16, 4
MINIBATCHES = 20  # of a turn
WORKERS = 2
TREES, COLUMNS = 20, 64  # of LightGBM
clock = time.perf_counter


@contextmanager
def timed(owner, name, calls):
    """Keep account of the calls of a function: when each begins, and what it takes."""
    function = getattr(owner, name)

    def call(*arguments, **options):
        start = clock()
        try:
            return function(*arguments, **options)
        finally:
            calls.append((start, clock() - start))

    setattr(owner, name, call)
    try:
        yield
    finally:
        setattr(owner, name, function)


def watch_worker(dask_worker):
    """Let a worker keep account of its gradients and tasks."""
    dask_worker.watches = ExitStack()
    dask_worker.calls = []
    for owner, name in ((Network, "loss_and_grad"), (Task, "__call__")):
        dask_worker.calls.append([])
        dask_worker.watches.enter_context(timed(owner, name, dask_worker.calls[-1]))


def leave_worker(dask_worker):
    """Stop that, and tell the seconds of each."""
    dask_worker.watches.close()
    return [[seconds for _, seconds in calls] for calls in dask_worker.calls]


def model(kind, units, batch_size, **options):
    return kind(
        units, bidirectional=False, conv=None, stride=1, augment=None, dropout=0.0, scaling=None,
        batch_size=batch_size, max_iter=2, random_state=0, **options,
    )  # fmt: skip


def load(k, n):
    """A partition of n sequences, and their labels."""
    rng = np.random.default_rng(k)
    return rng.standard_normal((n, STEPS, FEATURES), dtype=np.float32), np.arange(n) % CLASSES


def data(n):
    """The same partitions, delayed."""
    parts = [delayed(load, nout=2)(k, n // WORKERS) for k in range(WORKERS)]
    return [list(part) for part in zip(*parts, strict=True)]


def alone(units, batch_size):
    """The median of the seconds of a round in this process."""
    parts = [load(k, MINIBATCHES * batch_size // WORKERS) for k in range(WORKERS)]
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    calls = []
    with timed(Network, "loss_and_grad", calls):
        model(RNNClassifier, units, batch_size).fit(X, y)
    return float(np.median(np.diff([start for start, _ in calls])))


def apart(client, units, batch_size):
    """The seconds of a round where each worker trains a model of its own on half as many."""
    half = batch_size // WORKERS
    futures = [
        client.submit(alone, units, half, workers=[address], pure=False)
        for address in client.nthreads()
    ]
    return max(client.gather(futures))


def together(client, units, batch_size):
    """The same of the workers, and what the parts of a round take."""
    X, y = data(MINIBATCHES * batch_size)
    rounds, sums = [], []
    client.run(watch_worker)
    with (
        timed(crew.Crew, "run", rounds),
        timed(crew, "add_in_tree", sums),
    ):
        model(DaskRNNClassifier, units, batch_size, client=client).fit(X, y)
    n = len(rounds)
    of_workers = client.run(leave_worker).values()
    gradient, task = (
        np.median(np.max([calls[k][-n:] for calls in of_workers], axis=0)) for k in range(2)
    )
    run, add = (np.median([seconds for _, seconds in calls]) for calls in (rounds, sums))
    return {
        "together": np.median(np.diff([begin for begin, _ in rounds])),
        "gradient": gradient,
        "task": task - gradient,
        "wait": run - task - add,
        "add": add,
    }


def measure(client, units, target, turns):
    """Find how many sequences take so many seconds a worker, and measure with as many."""
    batch_size = 64
    for _ in range(2):
        share = target / alone(units, batch_size) * batch_size
        batch_size = WORKERS * max(1, round(share))
    one, halves, all_ = [], [], []
    for _ in range(turns):
        one.append(alone(units, batch_size))
        halves.append(apart(client, units, batch_size))
        all_.append(together(client, units, batch_size))
    parts = {name: 1e3 * float(np.median([turn[name] for turn in all_])) for name in all_[0]}
    ratios = [a / turn["together"] for a, turn in zip(one, all_, strict=True)]
    possible = np.divide(one, halves)
    return {
        "units": units, "sequences": batch_size, "alone": 1e3 * float(np.median(one)),
        "together": parts.pop("together"), "efficiency": float(np.median(ratios)) / WORKERS,
        "possible": float(np.median(possible)) / WORKERS, **parts,
    }  # fmt: skip


def boost(client, n, turns):
    """Milliseconds of a round of LightGBM in one thread of this process, and on the workers."""
    from lightgbm import DaskLGBMClassifier, LGBMClassifier

    parts = [load(k, n // WORKERS) for k in range(WORKERS)]
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    X = X.reshape(n, -1)[:, :COLUMNS]
    chunks = [
        dask.array.from_array(X, chunks=(n // WORKERS, COLUMNS)).persist(),
        dask.array.from_array(y, chunks=n // WORKERS).persist(),
    ]
    one, both = [], []
    for _ in range(turns):
        for seconds, kind, given, options in (
            (one, LGBMClassifier, (X, y), {"n_jobs": 1}),
            (both, DaskLGBMClassifier, chunks, {"client": client, "n_jobs": 1}),
        ):
            took = []
            for trees in (1, 1 + TREES):
                start = clock()
                kind(n_estimators=trees, verbose=-1, **options).fit(*given)
                took.append(clock() - start)
            seconds.append((took[1] - took[0]) / TREES)
    one, both = 1e3 * np.median(one), 1e3 * np.median(both)
    return {"rows": n, "alone": one, "together": both, "efficiency": one / both / WORKERS}


def show(case, is_first):
    """Print a row of a table, with its head."""
    if is_first:
        print(" ".join(f"{name:>10}" for name in case))
    print(" ".join(f"{value:10.4g}" for value in case.values()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything, in seconds")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    turns = 1 if arguments.quick else 5
    cases, boosted = [], []
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        print(f"{WORKERS} workers; milliseconds of a minibatch of sequences of {STEPS} steps")
        targets = (0.03, 0.1) if arguments.quick else (0.03, 0.1, 0.3)
        for units in (64, 256):
            for target in targets:
                cases.append(measure(client, units, target, turns))
                show(cases[-1], len(cases) == 1)
        if find_spec("lightgbm"):
            print("LightGBM; milliseconds of a round of boosting, a tree for each class")
            for n in (2_000, 20_000) if arguments.quick else (2_000, 20_000, 200_000):
                boosted.append(boost(client, n, turns))
                show(boosted[-1], len(boosted) == 1)
    if arguments.json:
        figures = {"workers": WORKERS, "cases": cases, "lightgbm": boosted}
        Path(arguments.json).write_text(json.dumps(figures, indent=1, default=float))


if __name__ == "__main__":
    main()
