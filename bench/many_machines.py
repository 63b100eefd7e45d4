"""Say how much of many workers' time goes into computing, from what a round costs: a simulation.

In a round every worker computes the gradient of its share of a minibatch; gradients are added, and
the parameters go out again. "dask": one process sends the parameters to each worker, one after the
other, and adds what comes back. "dask, tree": workers add the gradients two by two, and hand the
parameters on likewise, each with a message through the scheduler. "mpi": the same tree without one.
"dask, 10 local steps": one such round after ten minibatches (Stich 2019, arXiv 1805.09767), where
the model is not that of one machine any more.

Shares take as long on every worker but for a spread (a lognormal factor), so that a round waits for
the slowest. Efficiency is the time of a share, in the mean, divided by that of the round. With two
workers on two cores a round of Dask that computes nothing takes 20 ms, of which the client and the
scheduler work for about 1 ms for each task; the network is one of ten gigabits a second.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORKERS = (10, 100, 1000)
COMPUTE = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds of a share
SIZES = {"50 000": 50_000, "1 million": 1_000_000}  # parameters, float32
SPREAD = 0.05  # of the logarithm of a share's time
ROUNDS = 200


@dataclass(frozen=True)
class Way:
    """How gradients are added, and what a message of it costs."""

    in_tree: bool
    latency: float  # seconds until a message arrives, beside its bytes
    handling: float  # seconds that each message takes the process that all of them go through
    local_steps: int = 1


LATENCY, BYTES_PER_SECOND = 50e-6, 1.25e9
WAYS = {
    "dask": Way(False, 10e-3, 1e-3),
    "dask, tree": Way(True, 10e-3, 1e-3),
    "mpi": Way(True, LATENCY, 0.0),
    "dask, 10 local steps": Way(False, 10e-3, 1e-3, 10),
}


def round_time(way, n_workers, compute, n_bytes, rng):
    """Seconds of a round, the mean of some."""
    factors = np.exp(SPREAD * rng.standard_normal((ROUNDS, way.local_steps, n_workers)))
    factors *= np.exp(-0.5 * SPREAD**2)
    done = compute * factors.sum(axis=1)
    message = n_bytes / BYTES_PER_SECOND + way.latency
    if way.in_tree:
        depth = np.ceil(np.log2(n_workers))
        sum_ready = _add_in_tree(done, message)
        # The scheduler passes on two messages of each worker, while others compute and wait.
        seconds = np.maximum(sum_ready + depth * message, 2 * n_workers * way.handling)
    else:
        serial = way.handling + n_bytes / BYTES_PER_SECOND
        seconds = way.latency + _served_in_turn(
            done + way.latency + serial * np.arange(1, n_workers + 1), serial
        )
    return float(seconds.mean())


def _served_in_turn(arrivals, serial):
    """When the last of the messages, which arrive so in each round, has been taken in."""
    arrivals = np.sort(arrivals, axis=1)
    n = arrivals.shape[1]
    return (arrivals + serial * np.arange(n, 0, -1)).max(axis=1)


def _add_in_tree(done, message):
    """When the sum of all workers is there, that of neighbours being added first."""
    while done.shape[1] > 1:
        n_pairs = done.shape[1] // 2
        first, second = done[:, 0 : 2 * n_pairs : 2], done[:, 1 : 2 * n_pairs : 2]
        done = np.hstack([np.maximum(first, second + message), done[:, 2 * n_pairs :]])
    return done[:, 0]


def efficiencies(way, n_workers, n_parameters):
    """The share of the time that workers compute, for each time of a share."""
    rng = np.random.default_rng(0)
    return [
        way.local_steps * compute / round_time(way, n_workers, compute, 4 * n_parameters, rng)
        for compute in COMPUTE
    ]


def draw(results, file):
    """Draw efficiency against the time of a share, a panel for each number of workers."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(SIZES), len(WORKERS), figsize=(11, 6), sharex=True, sharey=True, layout="constrained"
    )
    for row, size in zip(axes, SIZES, strict=True):
        for axis, n_workers in zip(row, WORKERS, strict=True):
            for name in WAYS:
                axis.plot(COMPUTE, results[size, n_workers, name], "o-", ms=3, lw=1.2, label=name)
            axis.set_xscale("log")
            axis.set_title(f"{n_workers} workers, {size} parameters", fontsize=10)
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    figure.supxlabel("seconds in which a worker computes its share of a minibatch", fontsize=10)
    figure.supylabel("efficiency", fontsize=10)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--figure", type=Path, metavar="FILE", help="where a figure goes")
    arguments = parser.parse_args()
    results = {
        (size, n_workers, name): efficiencies(way, n_workers, n_parameters)
        for size, n_parameters in SIZES.items()
        for n_workers in WORKERS
        for name, way in WAYS.items()
    }
    print(
        f"{'parameters':>11} {'workers':>8}  {'way':<22}" + "".join(f"{c:>7g} s" for c in COMPUTE)
    )
    for (size, n_workers, name), row in results.items():
        print(f"{size:>11} {n_workers:>8}  {name:<22}" + "".join(f"{e:9.2f}" for e in row))
    if arguments.figure is not None:
        draw(results, arguments.figure)


if __name__ == "__main__":
    main()
