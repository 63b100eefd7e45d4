"""The program of the ranks in test_mpi.py: ``mpiexec -n N python ranks.py NAME FILE``.

Of "fits" and "refused" the first rank writes to the file what came of each case, as JSON; the
others are ends of a job, and write when they began.
"""

import itertools
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

# ruff: noqa: E402
sys.modules["sklearn"] = None  # whose import takes longer than most of what is tested

import numpy as np
from mpi4py import MPI

import fastrnn.mpi
from fastrnn import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition

COMM = MPI.COMM_WORLD
RANK, N = COMM.rank, COMM.size

FITS = {
    "plain": (RNNClassifier, {}),
    "noise": (
        RNNClassifier,
        {"dropout": 0.3, "recurrent_dropout": 0.3, "class_weight": "balanced"},
    ),
    "small minibatches": (RNNClassifier, {"batch_size": 2, "solver": "sgd", "max_iter": 2}),
    "float64": (RNNRegressor, {"dtype": "float64", "alpha": 0.1, "solver": "rmsprop", "n_jobs": 2}),
    "lbfgs": (RNNRegressor, {"solver": "lbfgs"}),
    "steps": (RNNTagger, {"class_weight": {"up": 2.0}, "solver": "adamw", "bptt_steps": 3}),
    "crf": (RNNTagger, {"output": "crf", "solver": "lbfgs", "dtype": "float64"}),
    "augmented": (RNNRegressor, {"augment": 1.0, "stride": 2, "conv": None}),
    "stops early": (RNNClassifier, {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 9}),
    "lbfgs stops early": (RNNClassifier, {"early_stopping": True, "solver": "lbfgs"}),
    "loss is scored": (RNNRegressor, {"loss": "quantile", "early_stopping": True}),
    "warm start": (RNNClassifier, {"warm_start": True}),
}


def small(estimator, **params):
    plain = {"hidden_layer_sizes": 5, "max_iter": 4, "random_state": 1, "batch_size": 20}
    return estimator(**{**plain, **params})


def data(estimator, n=60):
    rng = np.random.default_rng(0)
    X = [rng.normal(3.0, 2.0, (rng.integers(2, 12), 3)) for _ in range(n)]
    if estimator is RNNTagger:
        return X, [np.where(x[:, 0] > 3.0, "up", "down") for x in X], rng.random(n) + 0.1
    y = np.array([x[:, 0].mean() for x in X])
    y = y if estimator is RNNRegressor else np.where(y > 3, "up", "down")
    return X, y, rng.random(n) + 0.1


def cut(*arrays, n=N, power=1.7):
    """Partitions of unequal size: of arrays, each as a tuple."""
    ends = (np.linspace(0, 1, n + 1) ** power * len(arrays[0])).astype(int)
    return [tuple(array[a:b] for array in arrays) for a, b in itertools.pairwise(ends)]


def in_turn(partitions):
    return InTurn([Partition(k, *given) for k, given in enumerate(partitions)])


def is_same(a, b):
    states = [model.training_state_.rng.bit_generator.state for model in (a, b)]
    return bool(
        np.array_equal(a.network_.theta, b.network_.theta)
        and a.loss_curve_ == b.loss_curve_
        and a.validation_scores_ == b.validation_scores_
        and a.best_epoch_ == b.best_epoch_
        and states[0] == states[1]
    )


def same_everywhere(model):
    thetas = COMM.allgather(model.network_.theta)
    return all(np.array_equal(theta, thetas[0]) for theta in thetas)


def fits():
    for case, (estimator, params) in FITS.items():
        partitions = cut(*data(estimator))
        scored = partitions if params.get("early_stopping") else None
        model, twin = small(estimator, **params), small(estimator, **params)
        for _ in range(2 if params.get("warm_start") else 1):
            own = partitions[RANK]
            assert fastrnn.mpi.fit(model, *own, validation_data=scored and own) is model
            fit_jointly(twin, in_turn(partitions), scored and in_turn(scored))
        yield case, same_everywhere(model) and is_same(model, twin)

    whole = data(RNNClassifier)
    twin = small(RNNClassifier).fit(*whole)
    for has_it in range(N):  # all others have nothing, each in its way
        given = whole if has_it == RANK else [(None, None), ([], [])][RANK % 2]
        yield f"rank {has_it} alone", is_same(fastrnn.mpi.fit(small(RNNClassifier), *given), twin)
    if N > 1:
        partitions = cut(*whole, n=N - 1)
        given = (None, None, None) if RANK == 0 else partitions[RANK - 1]
        params = {"early_stopping": True}
        validation = whole if RANK == N - 1 else None
        model = fastrnn.mpi.fit(small(RNNClassifier, **params), *given, validation_data=validation)
        twin = fit_jointly(small(RNNClassifier, **params), in_turn(partitions), in_turn([whole]))
        yield "no data in rank 0, one rank scores", same_everywhere(model) and is_same(model, twin)
        half = COMM.Split(RANK % 2)
        partitions = cut(*whole, n=half.size)
        model = fastrnn.mpi.fit(small(RNNClassifier), *partitions[half.rank], comm=half)
        yield "two groups", is_same(model, fit_jointly(small(RNNClassifier), in_turn(partitions)))
        pending = COMM.irecv(source=(RANK - 1) % N)
        model = fastrnn.mpi.fit(small(RNNClassifier), *cut(*whole)[RANK])
        COMM.send("mine", (RANK + 1) % N)
        yield "messages of others", pending.wait() == "mine"
    for seed in (None, np.random.default_rng(RANK), np.random.RandomState(RANK)):
        model = fastrnn.mpi.fit(small(RNNClassifier, random_state=seed), *cut(*whole)[RANK])
        yield f"random_state {type(seed).__name__}", same_everywhere(model)
    yield "interrupted", interrupted()


def interrupted():
    """SIGINT in one rank ends training in all of them after the same minibatch."""
    whole, n_seen, gradient = data(RNNClassifier), [0], Partition.gradient

    def interrupt(self, *told):
        n_seen[0] += 1
        if n_seen[0] == 5 and RANK == N - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return gradient(self, *told)

    handler, own = signal.getsignal(signal.SIGINT), cut(*whole)[RANK]
    params = {"learning_rate": "constant", "batch_size": 60}
    Partition.gradient = interrupt
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = fastrnn.mpi.fit(small(RNNClassifier, max_iter=99, **params), *own)
    finally:
        Partition.gradient = gradient
    whole_epochs = fastrnn.mpi.fit(small(RNNClassifier, max_iter=4, **params), *own)
    return (
        any("interrupted in epoch 5" in str(warning.message) for warning in caught)
        and signal.getsignal(signal.SIGINT) is handler
        and same_everywhere(model)
        and n_seen == [5]
        and np.array_equal(model.network_.theta, whole_epochs.network_.theta)
    )


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__("it broke")


def refused():
    X, y, weight = data(RNNClassifier)
    own, last = cut(X, y, weight)[RANK], RANK == N - 1
    bad = [x.copy() for x in own[0]]
    bad[0][1, 2] = np.nan

    def attempt(*given, estimator=RNNClassifier, validation_data=None, **params):
        model = small(estimator, **params)
        try:
            fastrnn.mpi.fit(model, *given, validation_data=validation_data)
        except Exception as error:
            told = [str(error), *getattr(error, "__notes__", ())]
            return type(error).__name__, "; ".join(told), model.is_fitted
        return "not refused"

    yield "data", attempt(bad if last else own[0], *own[1:])
    yield "no length", attempt(7 if last else own[0], *own[1:])
    yield "no data", attempt(None, None)
    yield "validation data", attempt(*own, validation_data=(bad if last else own[0], own[1]))
    yield "validation tuple", attempt(*own, validation_data=(1, 2, 3, 4) if last else own[:2])
    yield "parameters", attempt(*own, learning_rate_init=0.1 if last else 0.2)
    yield "estimators", attempt(*own, estimator=RNNRegressor if last else RNNClassifier)
    yield "invalid", attempt(*own, max_iter=0)
    yield "robust", attempt(*own, scaling="robust")
    yield "stopping", attempt(*own, early_stopping=True)
    yield "forecaster", attempt(*own, estimator=RNNForecaster, batch_size="auto")
    model = small(RNNClassifier, warm_start=True).fit(X, y)
    model.network_.theta[0] += last
    try:
        fastrnn.mpi.fit(model, *own)
    except ValueError as error:
        yield "model", ("ValueError", str(error), False)
    for module, name in ((fastrnn, "__version__"), (fastrnn.mpi, "level")):
        before = getattr(module, name)
        other = "0.0" if module is fastrnn else lambda: "v0"
        setattr(module, name, other if last else before)
        yield name, attempt(*own)
        setattr(module, name, before)

    gradient = Partition.gradient

    def fail(self, theta, share, *told):
        raise Unsendable(1, 2) if last else MemoryError("none left")

    def drift(self, theta, share, *told):
        theta[0] += last
        return gradient(self, theta, share, *told)

    for case, replaced in (("unsendable", fail), ("apart", drift)):
        Partition.gradient = replaced
        yield case, attempt(*own)
        Partition.gradient = gradient


def ended(event, how):
    """An end of the last rank while the others wait: before, in or after `fit`."""
    X, y, _ = data(RNNClassifier)
    own, last, gradient, n_seen = cut(X, y)[RANK], RANK == N - 1, Partition.gradient, [0]

    def end():
        Path(sys.argv[2]).write_text(json.dumps(time.time()))
        if how == "raises":
            raise ValueError(f"bad luck of rank {RANK}")
        os.kill(os.getpid(), signal.SIGKILL)

    def end_in_fit(self, *told):
        n_seen[0] += 1
        if n_seen[0] == 7 and last:
            end()
        return gradient(self, *told)

    if event == "before" and last:
        end()
    if event == "in":
        Partition.gradient = end_in_fit
    fastrnn.mpi.fit(small(RNNClassifier, max_iter=3 + 10**6 * (event == "in")), *own)
    if last:
        end()
    COMM.barrier()


def main():
    warnings.simplefilter("ignore")
    name = sys.argv[1]
    if " " in name:
        return ended(*name.split())
    found = dict({"fits": fits, "refused": refused}[name]())
    for_all = COMM.gather(found)
    if RANK == 0:
        keys = [list(found) for found in for_all]
        assert keys == [keys[0]] * N, keys
        agreed = {key: [each[key] for each in for_all] for key in found}
        Path(sys.argv[2]).write_text(json.dumps(agreed))


if __name__ == "__main__":
    main()
