"""Dropout whose mask is drawn anew on the way back."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastrnn.kernels.dropout import draw_zones, dropout

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def mask(shape, rate, seed, dtype="float64"):
    drawn = np.full(shape, np.nan, dtype)
    dropout(np.ones(shape, dtype), rate, seed, drawn)
    return drawn


def splitmix(seed, n):
    """The first n numbers of SplitMix64, after the paper, in Python's whole numbers."""
    numbers = []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(z ^ (z >> 31))
    return numbers


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 3), (1, 32), (3, 37)])
@pytest.mark.parametrize("seed", [0, 2**63 + 5, 2**64 - 1])
def test_mask_is_splitmix64(shape, seed, dtype):
    bits = [half for z in splitmix(seed, 56) for half in (z % 2**32, z >> 32)]
    bits = np.array(bits[: np.prod(shape)]).reshape(shape)
    expected = np.where(bits >= 0.25 * 2**32, 1 / 0.75, 0.0).astype(dtype)
    assert_array_equal(mask(shape, 0.25, seed, dtype), expected)


def test_splitmix64_is_the_published_sequence():
    # The values that the reference implementation prints for seed 1234567.
    assert splitmix(1234567, 2) == [6457827717110365317, 3203168211198807973]


@DTYPES
def test_the_way_back_has_the_mask_of_the_way_forward(dtype):
    x = np.random.default_rng(0).standard_normal((7, 5)).astype(dtype)
    x.flags.writeable = False
    y, dx = np.empty((2, 7, 5), dtype)
    dropout(x, 0.4, 11, y)
    assert_array_equal(y, x * mask(x.shape, 0.4, 11, dtype))
    dx[...] = x
    dropout(dx, 0.4, 11, dx)
    assert_array_equal(dx, y)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_share_of_dropped_units(rate):
    drawn = mask((1000, 1000), rate, 3)
    assert set(np.unique(drawn)) == ({0.0, 1 / (1 - rate)} if rate else {1.0})
    # Five standard deviations, for all units, and for rows and columns as a whole.
    assert abs(np.mean(drawn == 0) - rate) <= 5e-3 * np.sqrt(rate * (1 - rate))
    for axis in (0, 1):
        deviation = (drawn == 0).mean(axis=axis) - rate
        assert np.abs(deviation).max() <= 5 * np.sqrt(rate * (1 - rate) / 1000)


def test_seeds_next_to_each_other_draw_independent_masks():
    first, second = mask((200, 200), 0.5, 8) > 0, mask((200, 200), 0.5, 9) > 0
    assert abs(np.mean(first == second) - 0.5) < 0.0125  # five standard deviations


@DTYPES
@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_zones_are_splitmix64(seed, first, dtype):
    bits = np.array([z % 2**32 for z in splitmix(seed, first + 6)])[first:].reshape(2, 3)
    zones = np.full((2, 3), np.nan, dtype)
    draw_zones(0.4, seed, first, zones)
    assert_array_equal(zones, bits < 0.4 * 2**32)
