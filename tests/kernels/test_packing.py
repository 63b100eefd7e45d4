"""Kernels that move packed rows, alone: what they promise at the ends."""

import numpy as np
import pytest

from fastrnn.kernels import packing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_columns", [3, 0])
@pytest.mark.parametrize("n", [0, 1, 3, 4])
@pytest.mark.parametrize("value", [None, 5])
def test_put_first_writes_so_many_rows_and_no_more(n, n_columns, dtype, value):
    rows = np.full((4, n_columns), 7, dtype=dtype)
    first = None if value is None else np.full((n, n_columns), value, dtype=dtype)
    packing.put_first(rows, n, first)
    expected = [[value or 0] * n_columns] * n + [[7] * n_columns] * (4 - n)
    np.testing.assert_array_equal(rows, expected)


def test_put_first_refuses_gaps():
    rows = np.full((4, 6), 7.0)
    for target, first in [(rows[:, ::2], rows[:2, :3].copy()), (rows, rows[:, ::2])]:
        with pytest.raises((ValueError, BufferError)):
            packing.put_first(target, 2, first)
    np.testing.assert_array_equal(rows, 7)


@pytest.mark.parametrize(
    ("order", "expected"), [([], (0, 0)), ([2], (5, 5)), ([0, 1, 2, 0], (5, 14)), ([1], (1, 1))]
)
def test_longest_and_sum_are_of_the_sequences_that_are_asked_for(order, expected):
    lengths = np.array([4, 1, 5, 9])
    assert packing.longest_and_sum(lengths, np.array(order, dtype=np.int64)) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("column", "width"), [(0, 5), (0, 2), (3, 2)])
@pytest.mark.parametrize(("begin", "n"), [(0, 4), (0, 1), (1, 2), (3, 1)])
def test_steps_of_successive_sequences(begin, n, column, width, reverse, dtype):
    source = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(dtype)
    block = (slice(None), slice(begin, begin + n), slice(column, column + width))
    taken = np.empty((3 * n, width), dtype)
    packing.take_steps(source, begin, column, reverse, taken)
    steps = source[block]
    np.testing.assert_array_equal(taken.reshape(steps.shape), steps[::-1] if reverse else steps)
    target = np.full_like(source, 7)
    packing.put_steps(taken, reverse, target, begin, column)
    expected = np.full_like(source, 7)
    expected[block] = steps
    np.testing.assert_array_equal(target, expected)
