"""Packed batches: every index against its definition, and the cut into shards."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastrnn.kernels import packing
from fastrnn.layers import LSTM
from fastrnn.network import passes
from fastrnn.network.batches import HALVED_FLOPS, count_shards, pack, pack_dense, pack_shards

LENGTHS = [[1], [4], [1, 1, 1], [3, 3], [2, 5, 1, 5, 3], list(range(1, 30))]


def steps(batch):
    """(packed row, packed sequence, step) of all rows, by the definition of the layout."""
    row = 0
    for t, running in enumerate(batch.alive):
        for n in range(running):
            yield row, n, t
            row += 1


@pytest.mark.parametrize("lengths", LENGTHS, ids=len)
@pytest.mark.parametrize("layout", ["concatenated", "padded"])
def test_indices(lengths, layout):
    lengths = np.array(lengths)
    if layout == "concatenated":
        starts, stride = np.concatenate([[0], np.cumsum(lengths)[:-1]]), 1
    else:
        starts, stride = np.arange(len(lengths)), len(lengths)
    batch = pack(starts, lengths, stride)
    assert sorted(batch.order) == list(range(len(lengths)))
    np.testing.assert_array_equal(batch.lengths, lengths[batch.order])
    assert np.all(np.diff(batch.lengths) <= 0)
    running = [np.sum(lengths > t) for t in range(lengths.max())]
    np.testing.assert_array_equal(batch.alive, running)
    row_at = {(n, t): row for row, n, t in steps(batch)}
    for row, n, t in steps(batch):
        assert batch.rows[row] == starts[batch.order[n]] + t * stride
        assert batch.reverse[row] == row_at[n, batch.lengths[n] - 1 - t]
    np.testing.assert_array_equal(
        batch.last, [row_at[n, length - 1] for n, length in enumerate(batch.lengths)]
    )
    assert [batch.rows_until(t) for t in range(len(running) + 1)] == [
        sum(running[:t]) for t in range(len(running) + 1)
    ]


@pytest.mark.parametrize("n", [1, 16, 31, 32, 33, 100])
def test_shards_hold_every_sequence_once_and_share_the_work(n):
    lengths = np.random.default_rng(n).integers(1, 50, size=n)
    n_shards = max(1, n // 16)
    shards = pack_shards(np.cumsum(lengths) - lengths, lengths, 1, n_shards)
    assert len(shards) == n_shards
    np.testing.assert_array_equal(
        np.sort(np.concatenate([shard.order for shard in shards])), np.arange(n)
    )
    rows = [len(shard.rows) for shard in shards]
    assert max(rows) - min(rows) <= lengths.max()


@pytest.mark.parametrize(
    ("n", "little", "much"), [(1, 1, 1), (15, 1, 1), (16, 1, 2), (31, 1, 2), (32, 2, 2), (50, 3, 3)]
)
def test_batches_of_much_work_are_cut_from_16_sequences_on(n, little, much):
    assert count_shards(n, HALVED_FLOPS - 1, False) == little
    assert count_shards(n, HALVED_FLOPS, False) == much


@pytest.mark.parametrize(("n", "n_shards"), [(1, 1), (63, 1), (64, 2), (100, 3)])
def test_wide_shards_are_twice_as_large(n, n_shards):
    assert count_shards(n, 0, True) == count_shards(n, HALVED_FLOPS, True) == n_shards


@pytest.mark.parametrize(
    ("n_parameters", "rounds", "n", "n_shards"),
    [
        (800_000, False, 64, 2),
        (800_000, False, 63, 3),  # one wide shard would leave nothing to a second thread
        (800_000, False, 20, 2),
        (700_000, False, 64, 4),
        (700_000, True, 64, 2),
        (700_000, True, 63, 1),
    ],
)
def test_networks_of_many_weights_have_wide_shards(n_parameters, rounds, n, n_shards):
    network = SimpleNamespace(front=None, n_layer_parameters=n_parameters, rounds=rounds)
    assert passes.count_shards(network, n, 50 * n) == n_shards


@pytest.mark.parametrize(("size", "n_shards"), [(300, 3), (450, 1)])
def test_layers_of_many_weights_have_wide_shards(size, n_shards):
    layer = LSTM(size, size, random_state=0)
    x = np.zeros((2, 50, size), dtype="float32")
    layer.forward(x, training=True)
    assert len(layer._forward_pass.strands) == n_shards


@pytest.mark.parametrize(("n", "n_shards"), [(1, 1), (31, 1), (32, 2), (100, 6)])
def test_dense_sequences_stand_side_by_side(n, n_shards):
    shards = pack_dense(5, n, n_shards)
    assert pack_dense(5, n, n_shards) is shards
    assert len(shards) == n_shards
    np.testing.assert_array_equal(np.concatenate([s.order for s in shards]), np.arange(n))
    for shard in shards:
        np.testing.assert_array_equal(np.arange(n)[shard.span], shard.order)
        expected = pack(np.arange(n), np.full(n, 5), n, shard.order)
        for name in ("order", "lengths", "alive", "rows", "reverse", "last"):
            np.testing.assert_array_equal(getattr(shard, name), getattr(expected, name))
    sizes = [len(shard.order) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_last_states_are_put_in_their_places():
    batch = pack(np.array([0, 1, 2]), np.array([2, 1, 3]), 3)
    h = np.arange(2.0 * (3 + 6)).reshape(9, 2)
    rows = {n: row for row, n, _ in steps(batch)}  # the last one of each sequence
    target = np.zeros((3, 2))
    packing.put_last(h, batch.last, batch.order, target)
    for n, number in enumerate(batch.order):
        np.testing.assert_array_equal(target[number], h[3 + rows[n]])
    packing.put_last(h[:3], batch.last, batch.order, target)
    np.testing.assert_array_equal(target[batch.order], h[:3])


@pytest.mark.parametrize("column", [0, 1])
def test_rows_are_taken_up_to_the_end_of_the_source(column):
    # Behind the numbers of a step stand the vectors of its ids, which come later.
    source, target = np.arange(6.0).reshape(3, 2), np.full((2, 4), np.nan)
    packing.take_rows(source, column, np.array([2, 0]), target)
    np.testing.assert_array_equal(target[:, : 2 - column], source[[2, 0], column:])
    assert np.isnan(target[:, 2 - column :]).all()


def test_rows_are_moved():
    rng = np.random.default_rng(0)
    source = rng.standard_normal((7, 5))
    rows = np.array([6, 0, 3])
    taken = np.empty((3, 2))
    packing.take_rows(source, 2, rows, taken)
    np.testing.assert_array_equal(taken, source[rows, 2:4])
    target = np.zeros((7, 5))
    packing.put_rows(taken, rows, target, 1)
    np.testing.assert_array_equal(target[rows, 1:3], taken)
    assert np.count_nonzero(target) == taken.size
    total = source.copy()
    packing.add_rows(source[:3], rows, total)
    expected = source.copy()
    expected[rows] += source[:3]
    np.testing.assert_array_equal(total, expected)


def test_max_takes_the_first_of_equal_values_and_keeps_nan():
    batch = pack(np.array([0]), np.array([4]), 1)
    h = np.array([[9.0, 9.0], [1.0, 2.0], [3.0, np.nan], [3.0, 5.0], [0.0, 7.0]])
    pooled, row_of = np.empty((1, 2)), np.empty((1, 2), dtype=np.int64)
    packing.max_forward(h, batch.alive, 0, pooled, row_of)
    np.testing.assert_array_equal(pooled, [[3.0, np.nan]])
    assert row_of[0, 0] == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_reads_and_writes_its_own_columns(dtype):
    lengths = np.array([2, 4, 1])
    batch = pack(np.array([0, 2, 6]), lengths, 1)
    h = np.random.default_rng(0).standard_normal((3 + 7, 2)).astype(dtype)
    states = np.empty((7, 2), dtype)
    states[batch.rows] = h[3:]
    parts = [part[:, None] for part in np.split(states, [2, 6])]
    expected = {
        "last": np.concatenate([part[-1] for part in parts]),
        "mean": np.concatenate([part.mean(axis=0) for part in parts]),
        "max": np.concatenate([part.max(axis=0) for part in parts]),
    }
    row_of = np.full((3, 4), -1)
    arguments = {
        "last": (packing.last_forward, (h, batch.last), ()),
        "mean": (packing.mean_forward, (h, batch.alive, batch.lengths), ()),
        "max": (packing.max_forward, (h, batch.alive), (row_of,)),
    }
    for pooling, (function, before, after) in arguments.items():
        pooled = np.full((3, 4), 8.0, dtype)
        function(*before, 1, pooled, *after)
        np.testing.assert_allclose(pooled[:, 1:3], expected[pooling][batch.order], rtol=1e-6)
        assert (pooled[:, [0, 3]] == 8.0).all()
    assert (row_of[:, [0, 3]] == -1).all()


def test_last_states_alone_are_taken_as_they_are():
    batch = pack(np.array([0, 2]), np.array([2, 1]), 1)
    h, pooled = np.arange(4.0).reshape(2, 2), np.empty((2, 2))
    packing.last_forward(h, batch.last, 0, pooled)
    np.testing.assert_array_equal(pooled, h)
