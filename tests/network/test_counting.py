"""The dry run takes what the real one takes, byte for byte, but no memory and no time."""

import tracemalloc

import numpy as np
import pytest
from building import build, describe

from fastrnn.inputs.sequences import Sequences
from fastrnn.memory import estimate_memory
from fastrnn.network import passes
from fastrnn.network.architecture import CELLS
from fastrnn.network.counting import CountedNetwork
from fastrnn.network.network import Network

CELL = pytest.mark.parametrize("cell", CELLS)
OPTIONS = {
    "plain": {},
    "mean": {"pooling": "mean"},
    "max both ways": {"pooling": "max", "bidirectional": True},
    "steps": {"pooling": "steps"},
    "attention": {"pooling": "attention"},
    "three both ways": {"pooling": "attention+max+last", "bidirectional": True, "dropout": 0.2},
    "steps both ways": {"pooling": "steps", "bidirectional": True, "dtype": "float64"},
    "last both ways": {"bidirectional": True},
    "ids": {"embeddings": ((9, 4), (7, 3)), "id_tables": (0, 1, 0)},
    "tied": {"embeddings": ((5, 6),), "tied": True, "pooling": "steps"},
    "dropout": {"dropout": 0.2, "recurrent_dropout": 0.3},
    "zoneout": {"cell_options": {"zoneout": 0.2}},
    "zoneout both ways": {"cell_options": {"zoneout": 0.2}, "bidirectional": True, "dropout": 0.2},
    "patches": {"stride": 3},
    "convolutions": {"stride": 2, "conv": ((4, 5, 2), (3, 2, 1)), "bidirectional": True},
    "convolution of every step": {"conv": ((4, 3, 2),), "pooling": "steps", "dtype": "float64"},
    "convolution of ids": {"conv": ((4, 3, 1),), "embeddings": ((9, 4),), "pooling": "max"},
    "rounded": {"precision": "bfloat16", "stride": 2, "conv": ((4, 5, 2),), "dropout": 0.2},
    "dropout both ways": {"dropout": 0.2, "recurrent_dropout": 0.3, "bidirectional": True},
}
OPTION = pytest.mark.parametrize("name", OPTIONS)
OF_TRAINING = ("dropout", "recurrent_dropout")


@pytest.fixture
def workspaces(monkeypatch):
    """All workspaces that networks make."""
    made, make = [], Network.make_workspace

    def record(network):
        made.append(make(network))
        return made[-1]

    monkeypatch.setattr(Network, "make_workspace", record)
    return made


def make_data(n, T, D, n_ids, dtype):
    values, offsets = np.ones((n * T, D), dtype), np.arange(n + 1) * T
    ids = np.ones((n * T, n_ids), np.int64) if n_ids else None
    return Sequences(values, offsets, ids=ids)


def make_both(cell, name, sizes=(5, 6)):
    options = dict(OPTIONS[name])
    real = build(3, sizes, 5, cell=cell, **options)
    of_training = {key: options.pop(key) for key in OF_TRAINING if key in options}
    counted = CountedNetwork(describe(3, sizes, 5, cell=cell, **options), **of_training)
    assert counted.nbytes == real.theta.nbytes + real.grad.nbytes + real.decayed.nbytes
    return real, counted


def indices_nbytes(n, T):
    """Order and lengths; then alive, first, rows, reverse, last."""
    return 8 * (2 * n + T + T + n * T + n * T + n)


def coarse_nbytes(network, n, T):
    """Likewise of the batches that stages make."""
    nbytes = 0
    for stage in network.architecture.stages:
        T = -(-T // stage.stride)
        nbytes += indices_nbytes(n, T)
    return nbytes


@CELL
@OPTION
@pytest.mark.parametrize("n", [1, 6, 96])
def test_a_lesson(cell, name, n, workspaces):
    T = 7
    real, counted = make_both(cell, name)
    n_shards = passes.count_shards(real, n, n * T)
    workspaces.clear()
    X = make_data(n, T, 3, len(real.architecture.id_tables), real.dtype)
    n_targets = n * T if real.pooling.every_step else n
    data = (X, np.arange(n), np.zeros(n_targets, int), np.ones(n_targets, real.dtype))
    real.loss_and_grad(*data, rng=np.random.default_rng(0))
    taken = sum(workspace.nbytes for workspace in workspaces)
    size = n // n_shards
    expected = counted.count_lesson((size, size * T), size * T, n_shards, 1)
    indices = n_shards * indices_nbytes(size, T) + coarse_nbytes(real, size, T)
    assert taken == expected - indices


@CELL
@OPTION
@pytest.mark.parametrize("n", [1, 64])
def test_a_prediction(cell, name, n, workspaces):
    T = 7
    real, counted = make_both(cell, name)
    workspaces.clear()
    X = make_data(n, T, 3, len(real.architecture.id_tables), real.dtype)
    real.predict(X)
    taken = sum(workspace.nbytes for workspace in workspaces)
    indices = indices_nbytes(n, T) + coarse_nbytes(real, n, T)
    assert taken == counted.count_prediction(n, n * T, 1) - indices


@CELL
@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_a_lesson_in_windows(cell, pooling, workspaces):
    n, T, steps = 5, 40, 10
    architecture = describe(3, (5, 6), 4, cell=cell, pooling=pooling)
    real, counted = Network(architecture, random_state=0), CountedNetwork(architecture)
    assert real.can_cut_time
    workspaces.clear()
    n_targets = n * T if pooling == "steps" else n
    data = (np.arange(n), np.zeros(n_targets, int), np.ones(n_targets, "float32"))
    real.loss_and_grad(make_data(n, T, 3, 0, "float32"), *data, bptt_steps=steps)
    taken = sum(workspace.nbytes for workspace in workspaces)
    expected = counted.count_lesson((n, n * T), n * steps, 1, 1)
    assert taken == expected - indices_nbytes(n, T)


def test_threads_have_memory_of_their_own():
    counted = CountedNetwork(describe(3, (50,), 4))
    one, two, three = (counted.count_lesson((16, 1600), 1600, 4, n) for n in (1, 2, 3))
    assert two - one == three - two > 1600 * 4 * 50 * 4
    one, two, three = (counted.count_prediction(16, 1600, n) for n in (1, 2, 3))
    assert two - one == three - two > 1600 * 3 * 4


@pytest.mark.parametrize("training", [True, False])
def test_counting_takes_no_memory_however_much_is_counted(training):
    architecture = describe(
        0, (3000,), 10**6, embeddings=((10**13, 64),), pooling="steps", bidirectional=True
    )
    lengths = np.full(1000, 10**6)
    estimate_memory(lengths[:1], architecture, training=training)  # imports what it needs
    tracemalloc.start()
    try:
        assert estimate_memory(lengths, architecture, training=training) > 10**13 * 64 * training
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_what_is_remembered_is_of_this_network():
    kept = [
        estimate_memory([50] * 20, architecture, training=False)
        for architecture in (
            describe(3, (64,), 2, cell="gru", cell_options={"reset_after": after})
            for after in (True, False, True)
        )
    ]
    assert kept[0] == kept[2] != kept[1]
