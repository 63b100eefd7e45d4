"""Weights that are read as they lie: of few rows the same bits as packed, and nothing is packed."""

import numpy as np
import pytest
from layer_cases import BOTH, CELLS, RAGGED, assert_same_bits, make_batch, run

from fastrnn.kernels.vector_math import products
from fastrnn.layers import GRU, LSTM
from fastrnn.network import padded

pytestmark = pytest.mark.skipif(products() == "blas", reason="BLAS lays factors out by itself")

# (T, B, D, H): one row to more than a tile, widths around vectors and panels, D and H of which
# some blocks of rows are whole, some not.
SIZES = [
    (1, 1, 1, 5),
    (1, 1, 16, 64),
    (1, 6, 3, 7),
    (3, 2, 8, 17),
    (5, 1, 9, 16),
    (1, 3, 64, 50),
    (4, 5, 7, 33),
    (20, 1, 2, 48),
]


@pytest.fixture
def all_unpacked(monkeypatch):
    """Read unpacked what may be: where no factor is of a few columns, which are summed in another
    order."""
    monkeypatch.setattr(padded, "UNPACKED_ROWS", 10**6)
    monkeypatch.setattr(padded, "UNPACKED_UNITS", 5)


@pytest.fixture
def packings(monkeypatch):
    """How many factors each call has packed; kept up to date."""
    counts = []
    fill = padded.fill_packed
    monkeypatch.setattr(
        padded, "fill_packed", lambda calls, n: (counts.append(len(calls)), fill(calls, n))
    )
    return counts


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@BOTH
@RAGGED
def test_same_bits(cell, dtype, bidirectional, ragged, monkeypatch, all_unpacked):
    for T, B, D, H in SIZES:
        batch = make_batch(
            cell, T, B, D, H, dtype=dtype, bidirectional=bidirectional, ragged=ragged
        )
        options = {"dtype": dtype, "bidirectional": bidirectional}
        unpacked = run(cell.layer(D, H, **options), batch)
        with monkeypatch.context() as patch:
            patch.setattr(padded, "UNPACKED_ROWS", 0)
            packed = run(cell.layer(D, H, **options), batch)
        assert_same_bits(unpacked, packed)


@pytest.mark.parametrize("training", [False, True])
def test_few_rows_pack_nothing(packings, training):
    layer = LSTM(4, 32, random_state=0)
    layer.forward(np.zeros((1, 6, 4), np.float32), training=training)
    assert packings == []
    layer.forward(np.zeros((100, 6, 4), np.float32), training=training)
    assert packings == [2]
    layer.forward(np.zeros((1, 1, 4), np.float32), training=training)
    assert packings == [2]


def test_narrow_layers_pack(packings):
    """Else a step of one would have other bits than the same step among many."""
    GRU(4, 4, random_state=0).forward(np.zeros((1, 1, 4), np.float32))
    assert packings == [2]


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_step_by_step_is_the_whole(cell):
    layer = cell.layer(3, 40, dtype="float32")
    x = make_batch(cell, 90, 2, 3, 40, dtype="float32").x
    whole, end = layer.forward(x)
    state, steps = None, []
    for t in range(len(x)):
        y, state = layer.forward(x[t : t + 1], initial_state=state)
        steps.append(y)
    np.testing.assert_array_equal(np.concatenate(steps), whole)
    for part, of_whole in zip(state, end, strict=True):
        np.testing.assert_array_equal(part, of_whole)


@pytest.mark.parametrize("name", ["W", "U"])
def test_weights_that_are_changed_between_calls(name):
    layer = LSTM(4, 32, random_state=0)
    x = np.ones((2, 1, 4), np.float32)
    layer.forward(x)
    layer.params[name][...] *= 0.5
    fresh = LSTM(4, 32, random_state=1)
    fresh.theta[...] = layer.theta
    np.testing.assert_array_equal(layer.forward(x)[0], fresh.forward(x)[0])


def test_bfloat16_packs(packings):
    """Its factors are rounded when they are packed."""
    layer = LSTM(4, 32, precision="auto", random_state=0)
    layer.forward(np.zeros((1, 1, 4), np.float32))
    assert packings == ([2] if layer.rounds else [])
