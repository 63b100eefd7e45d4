"""Patches and convolutions of every kind, for tests of what else knows of them."""

import pytest

FRONTS = {
    "patches": {"stride": 3, "conv": None},
    "convolution": {"stride": 1, "conv": ((4, 5, 1),)},
    "gaps between": {"stride": 1, "conv": ((4, 1, 3),)},
    "even": {"stride": 1, "conv": ((3, 2, 1), (4, 4, 3))},
    "all": {"stride": 2, "conv": ((4, 5, 2), (5, 4, 3))},
}
FRONT = pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
