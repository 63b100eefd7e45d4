"""Several processes that train one model: threads here, with a sum over all of them."""

import functools
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from building import build
from numpy.testing import assert_allclose, assert_array_equal
from plain_network import MeanNetwork

from fastrnn.inputs.sequences import as_sequences
from fastrnn.training.loop import Settings, TrainingState, train

N, BATCH = 48, 6  # of each process; a minibatch of the whole is one of each
SOLVERS = ["adam", "adamw", "sgd", "rmsprop", "lbfgs"]


class Sum:
    """A sum over n threads: each has to call with its array, and gets the sum, the same bits."""

    def __init__(self, n):
        self.barrier = threading.Barrier(n, timeout=60)
        self.arrays = {}

    def of(self, rank):
        """The function for one of them."""

        def reduce(array):
            assert array.dtype.kind == "f"
            self.arrays[rank] = array.copy()
            self.barrier.wait()
            total = sum(self.arrays[k] for k in sorted(self.arrays))
            self.barrier.wait()
            array[...] = total

        return reduce


def make_data(every_step=False, K=2):
    """Sequences of two processes, minibatch by minibatch, and all of them in that order."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((T, 3)) for T in rng.integers(1, 7, 2 * N)]
    lengths = np.array([len(x) for x in X])
    y = [rng.standard_normal((T if every_step else 1, K)) for T in lengths]
    w = [rng.uniform(0.2, 2.0, len(rows)) for rows in y]
    of = np.arange(2 * N) // BATCH % 2
    parts = [np.flatnonzero(of == rank) for rank in range(2)]

    def choose(which):
        rows = [np.concatenate([values[n] for n in which]) for values in (y, w)]
        return (as_sequences([X[n] for n in which]), *rows)

    return [choose(part) for part in parts], choose(range(2 * N))


def run(networks, data, settings, score=None, **options):
    """Train each network on its data, side by side; the histories. `score` is of a network."""
    total = Sum(len(networks))

    def one(rank):
        state = TrainingState(np.random.default_rng(0))
        reduce = total.of(rank) if len(networks) > 1 else None
        network = networks[rank]
        validate = score and functools.partial(score, network)
        history = train(
            network, *data[rank], settings, state, reduce=reduce, validate=validate, **options
        )
        return history, state

    with ThreadPoolExecutor(len(networks)) as pool:
        return [future.result(60) for future in [pool.submit(one, k) for k in range(len(networks))]]


def make_settings(solver, **more):
    options = {"max_iter": 3, "shuffle": False, "tol": 0.0, "clip_norm": 0.5, "alpha": 0.1}
    return Settings(solver=solver, learning_rate_init=0.01, **options | more)


def assert_same(halves, whole, results, expected):
    """The processes have the same bits, and those of one up to rounding."""
    assert_array_equal(halves[0].theta, halves[1].theta)
    assert_allclose(halves[0].theta, whole.theta, rtol=1e-9, atol=1e-12)
    for history, state in results:
        assert_allclose(history.loss_curve, expected[0].loss_curve, rtol=1e-10)
        assert_allclose(history.gradient_norms, expected[0].gradient_norms, rtol=1e-9)
        assert (history.n_samples, state.t) == (expected[0].n_samples, expected[1].t)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["plain", "pooled", "every step", "ids"])
def test_two_halves_are_one_whole(kind, solver):
    halves, whole = make_data(every_step=kind == "every step")
    if kind == "plain":
        networks = [MeanNetwork(3, 2) for _ in range(3)]
    else:
        options = {"pooling": "steps" if kind == "every step" else "mean", "alpha": 0.3}
        if kind == "ids":
            options["embeddings"] = ((5, 2),)
            halves, whole = with_ids(halves), with_ids([whole])[0]
        networks = [
            build(3, (4,), 2, head="squared_error", dtype="float64", **options) for _ in range(3)
        ]
    results = run(networks[:2], halves, make_settings(solver, batch_size=BATCH))
    (expected,) = run(networks[2:], [whole], make_settings(solver, batch_size=2 * BATCH))
    assert_same(networks[:2], networks[2], results, expected)


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_is_at_the_same_epoch_and_goes_back_to_the_same(solver):
    halves, whole = make_data()
    networks = [
        build(3, (4,), 2, head="squared_error", pooling="mean", dtype="float64") for _ in range(3)
    ]
    away = [network.theta + 0.05 for network in networks]
    seen = [[] for _ in networks]

    def score(network):
        """Falls from where training is a little away from its start."""
        k = next(k for k, other in enumerate(networks) if other is network)
        seen[k].append(network.theta.copy())
        return -float(np.abs(network.theta - away[k]).sum())

    more = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60, "alpha": 0.0}
    results = run(networks[:2], halves, make_settings(solver, batch_size=BATCH, **more), score)
    settings = make_settings(solver, batch_size=2 * BATCH, **more)
    (expected,) = run(networks[2:], [whole], settings, score)
    assert_same(networks[:2], networks[2], results, expected)
    for history, _ in results:
        assert_allclose(history.validation_scores, expected[0].validation_scores, rtol=1e-9)
        best = int(np.argmax(history.validation_scores))
        assert 3 < history.n_iter == best + 4 < 60
        assert_array_equal(networks[0].theta, seen[0][best])


def with_ids(parts):
    """The same with a column of ids."""
    made = []
    for X, *rest in parts:
        ids = (np.abs(X.values[:, :1]) * 2).astype(np.int64) % 5
        made.append((type(X)(X.values, X.offsets, ids=ids), *rest))
    return made


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_windows_of_two_streams():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((4, 20, 3)), rng.standard_normal((4, 20, 2))
    data = [
        (as_sequences(X[part]), y[part].reshape(-1, 2), np.ones(20 * len(X[part])))
        for part in (slice(0, 1), slice(1, 4), slice(0, 4))
    ]
    networks = [
        build(3, (4,), 2, head="squared_error", pooling="steps", dtype="float64") for _ in range(3)
    ]
    settings = make_settings("adam", bptt_steps=5)
    results = run(networks[:2], data[:2], settings, windows=5)
    (expected,) = run(networks[2:], data[2:], settings, windows=5)
    assert_same(networks[:2], networks[2], results, expected)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_a_minibatch_without_weight_in_one_process_has_its_place():
    # Windows of which all steps of one process weigh nothing.
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((2, 20, 3)), rng.standard_normal((2, 20, 2))
    weight = np.ones((2, 20))
    weight[0, 5:10] = 0
    data = [
        (as_sequences(X[p]), y[p].reshape(-1, 2), weight[p].ravel()) for p in ([0], [1], [0, 1])
    ]
    networks = [
        build(3, (4,), 2, head="squared_error", pooling="steps", dtype="float64") for _ in range(3)
    ]
    settings = make_settings("sgd")
    results = run(networks[:2], data[:2], settings, windows=5)
    (expected,) = run(networks[2:], data[2:], settings, windows=5)
    assert_same(networks[:2], networks[2], results, expected)


def test_processes_of_different_numbers_of_minibatches_are_refused_in_each():
    halves, whole = make_data()
    errors = []

    def one(rank, total=Sum(2)):  # noqa: B008
        network, state = MeanNetwork(3, 2), TrainingState(np.random.default_rng(0))
        data = (halves[0], whole)[rank]
        settings = make_settings("adam", batch_size=BATCH)
        try:
            train(network, *data, settings, state, reduce=total.of(rank))
        except ValueError as error:
            errors.append(str(error))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(2)))
    assert len(errors) == 2
    for error in errors:
        assert "expected as many minibatches in every process" in error


def test_one_process_alone_is_as_without():
    halves, _ = make_data()
    results = []
    for reduce in (None, lambda array: None):
        network = build(3, (4,), 2, head="squared_error", dtype="float64", alpha=0.1)
        state = TrainingState(np.random.default_rng(0))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Training stopped at max_iter")
            history = train(network, *halves[0], make_settings("adam"), state, reduce=reduce)
        results.append((network.theta.tobytes(), history.loss_curve, history.gradient_norms))
    assert results[0] == results[1]


def test_training_knows_five_members_of_a_network():
    halves, _ = make_data()
    plain = MeanNetwork(3, 2)

    class Little:
        """Nothing but these."""

        __slots__ = ("decayed", "grad", "initial_states", "loss_and_grad", "theta")

    little = Little()
    for name in Little.__slots__[:1] + Little.__slots__[1:2] + Little.__slots__[3:]:
        setattr(little, name, getattr(plain, name))
    calls = []
    for solver in SOLVERS:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Training stopped at max_iter")
            state = TrainingState(np.random.default_rng(0))
            train(little, *halves[0], make_settings(solver), state)
    # For windows of time it makes states, and hands them on.
    little.initial_states = lambda n: calls.append(n) or []
    little.loss_and_grad = lambda *args, window, states, **rest: calls.append(window) or 0.0
    little.grad[:] = 0.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training stopped at max_iter")
        state = TrainingState(np.random.default_rng(0))
        train(little, *halves[0], make_settings("sgd", max_iter=1), state, windows=4)
    assert calls == [N, (0, 4), (4, 8)]
