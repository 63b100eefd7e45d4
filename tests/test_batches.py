"""Packed batches: every index against its definition, and the cut into shards."""

import numpy as np
import pytest

from fastrnn.batches import SHARD_SIZE, pack, pack_shards
from fastrnn.kernels import packing

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
    shards = pack_shards(np.cumsum(lengths) - lengths, lengths, 1)
    assert len(shards) == max(1, n // SHARD_SIZE)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([shard.order for shard in shards])), np.arange(n)
    )
    rows = [len(shard.rows) for shard in shards]
    assert max(rows) - min(rows) <= lengths.max()


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
    y = np.array([[1.0, 2.0], [3.0, np.nan], [3.0, 5.0], [0.0, 7.0]])
    pooled, row_of = np.empty((1, 2)), np.empty((1, 2), dtype=np.int64)
    packing.max_forward(y, batch.alive, pooled, row_of)
    assert pooled[0, 0] == 3.0
    assert row_of[0, 0] == 1
    assert np.isnan(pooled[0, 1])
