"""Matrix products with a packed factor, through the dense kernels, at sizes around the tile."""

import numpy as np
import pytest

from fastrnn.kernels import dense, vector_math

SIZES = [1, 2, 3, 5, 6, 7, 12, 13, 17]
WIDTHS = [1, 3, 15, 16, 17, 33, 63, 64, 65, 130]
DTYPES = pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-13)])


def make(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def room(K, N, dtype):
    """A buffer for a packed (K, N) factor, full of NaN as fresh memory may be."""
    return np.full(vector_math.packed_size(K, N), np.nan, dtype=dtype)


def forward(x, W, b):
    """x @ W + b through the kernel; rows behind the result must stay as they are."""
    N, K = len(x), W.shape[1]
    y = np.full((N + 1, K), 7, dtype=x.dtype)
    packed = room(*W.shape, x.dtype)
    dense.pack_weights(W, 0, K, packed)
    dense.dense_forward(x, packed, b, y[:N])
    assert np.all(y[N] == 7), "wrote beyond the end"
    return y[:N]


@DTYPES
@pytest.mark.parametrize("K", WIDTHS)
def test_forward(K, dtype, rtol):
    for N in SIZES:
        for D in (1, 2, 9, 64):
            x, W, b = make((N, D), dtype), make((D, K), dtype, 1), make(K, dtype, 2)
            expected = x.astype(float) @ W + b
            np.testing.assert_allclose(forward(x, W, b), expected, rtol=rtol, atol=rtol * 10)


@DTYPES
@pytest.mark.parametrize("K", WIDTHS)
def test_backward(K, dtype, rtol):
    for N in SIZES:
        for D in (1, 6, 17, 64):
            x, W, dy = make((N, D), dtype), make((D, K), dtype, 1), make((N, K), dtype, 2)
            dx = np.empty_like(x)
            dW, db = make((D, K), dtype, 3), make(K, dtype, 4)
            expected_dW = dW + x.astype(float).T @ dy
            expected_db = db + dy.sum(axis=0, dtype=float)
            left = np.full(vector_math.packed_left_size(N, D), np.nan, dtype=dtype)
            for rows in {K, 5}:  # at a time
                packed = room(K, D, dtype)
                size = len(packed) // K
                for k in range(0, K, rows):
                    here = min(rows, K - k)
                    place = packed[k * size : (k + here) * size]
                    dense.pack_weights_transposed(W, k, here, place)
                dense.dense_backward(dy, packed, rows, dx)
                np.testing.assert_allclose(dx, dy.astype(float) @ W.T, rtol=rtol, atol=rtol * 10)
            for begin, end in {(0, D // 2), (D // 2, D)} - {(0, 0)}:
                once = db if begin == 0 else np.zeros_like(db)
                dense.dense_gradients(
                    x, begin, end - begin, dy, 0, K, dW, once, 64, left,
                    room(N, min(K, 64), dtype),
                )  # fmt: skip
            tolerances = {"rtol": rtol, "atol": rtol * 10}
            np.testing.assert_allclose(dW, expected_dW, **tolerances)
            np.testing.assert_allclose(db, expected_db, **tolerances)


@pytest.mark.skipif(vector_math.products() == "blas", reason="a promise of the packed products")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype):
    x, W, b = make((29, 37), dtype), make((37, 70), dtype, 1), make(70, dtype, 2)
    together = forward(x, W, b)
    for begin in range(0, 29, 4):
        rows = slice(begin, begin + 4)
        np.testing.assert_array_equal(forward(x[rows], W, b), together[rows])


def test_nan_and_infinity_stay_in_their_row():
    x, W, b = make((8, 5), "float32"), make((5, 20), "float32", 1), make(20, "float32", 2)
    clean = forward(x, W, b)
    x[2, 3] = np.nan
    x[5, 0] = np.inf
    y = forward(x, W, b)
    assert np.isnan(y[2]).all()
    assert np.isinf(y[5]).all()
    others = [0, 1, 3, 4, 6, 7]
    np.testing.assert_array_equal(y[others], clean[others])
