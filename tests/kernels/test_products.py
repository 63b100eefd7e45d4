"""Matrix products with a packed factor, through the dense kernels, at sizes around the tile."""

import numpy as np
import pytest

from fastrnn.kernels import dense, vector_math

SIZES = [1, 2, 3, 5, 6, 7, 12, 13, 17]
WIDTHS = [1, 3, 15, 16, 17, 33, 63, 64, 65, 130]
DTYPES = pytest.mark.parametrize(
    ("dtype", "rtol", "rounds"),
    [("float32", 1e-5, False), ("float64", 1e-13, False), ("float32", 1e-5, True)],
    ids=["float32", "float64", "bfloat16"],
)


def make(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def rounded(x):
    """The nearest numbers of bfloat16, ties to even, as float32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)


def room(K, N, dtype):
    """A buffer for a packed (K, N) factor, full of NaN as fresh memory may be."""
    return np.full(vector_math.packed_size(K, N), np.nan, dtype=dtype)


def room_for(x):
    """Room for rows that are rounded."""
    return np.full(x.size, np.nan, dtype=x.dtype)


def forward(x, W, b, rounds=False):
    """x @ W + b through the kernel; rows behind the result must stay as they are."""
    N, K = len(x), W.shape[1]
    y = np.full((N + 1, K), 7, dtype=x.dtype)
    packed = room(*W.shape, x.dtype)
    dense.pack_weights(W, 0, K, packed, rounds)
    dense.dense_forward(x, packed, b, y[:N], room_for(x) if rounds else None)
    assert np.all(y[N] == 7), "wrote beyond the end"
    return y[:N]


@DTYPES
@pytest.mark.parametrize("K", WIDTHS)
def test_forward(K, dtype, rtol, rounds):
    """Rounded factors are as exact as others: only in the order of sums does a processor differ."""
    for N in SIZES:
        for D in (1, 2, 9, 31, 64):
            x, W, b = make((N, D), dtype), make((D, K), dtype, 1), make(K, dtype, 2)
            of = rounded if rounds else np.asarray
            expected = of(x).astype(float) @ of(W) + b
            y = forward(x, W, b, rounds)
            np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol * 10)


@DTYPES
@pytest.mark.parametrize("K", WIDTHS)
def test_backward(K, dtype, rtol, rounds):
    of = rounded if rounds else np.asarray
    for N in SIZES:
        for D in (1, 6, 17, 64):
            x, W, dy = make((N, D), dtype), make((D, K), dtype, 1), make((N, K), dtype, 2)
            dx = np.empty_like(x)
            dW, db = make((D, K), dtype, 3), make(K, dtype, 4)
            expected_dW = dW + of(x).astype(float).T @ of(dy)
            expected_db = db + dy.sum(axis=0, dtype=float)
            left = np.full(vector_math.packed_left_size(N, D), np.nan, dtype=dtype)
            for rows in {K, 5}:  # at a time
                packed = room(K, D, dtype)
                size = len(packed) // K
                for k in range(0, K, rows):
                    here = min(rows, K - k)
                    place = packed[k * size : (k + here) * size]
                    dense.pack_weights_transposed(W, k, here, place, rounds)
                dense.dense_backward(dy, packed, rows, dx, room_for(dy) if rounds else None)
                expected = of(dy).astype(float) @ of(W).T
                np.testing.assert_allclose(dx, expected, rtol=rtol, atol=rtol * 10)
            for begin, end in {(0, D // 2), (D // 2, D)} - {(0, 0)}:
                once = db if begin == 0 else np.zeros_like(db)
                dense.dense_gradients(
                    x, begin, end - begin, dy, 0, K, dW, once, 64, left,
                    room(N, min(K, 64), dtype), rounds,
                )  # fmt: skip
            tolerances = {"rtol": rtol, "atol": rtol * 10}
            np.testing.assert_allclose(dW, expected_dW, **tolerances)
            np.testing.assert_allclose(db, expected_db, **tolerances)


@pytest.mark.skipif(vector_math.products() == "blas", reason="a promise of the packed products")
@DTYPES
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, rtol, rounds):
    x, W, b = make((29, 37), dtype), make((37, 70), dtype, 1), make(70, dtype, 2)
    together = forward(x, W, b, rounds)
    for begin in range(0, 29, 4):
        rows = slice(begin, begin + 4)
        np.testing.assert_array_equal(forward(x[rows], W, b, rounds), together[rows])


@pytest.mark.parametrize("rounds", [False, True])
def test_nan_and_infinity_stay_in_their_row(rounds):
    x, W, b = make((8, 5), "float32"), make((5, 20), "float32", 1), make(20, "float32", 2)
    clean = forward(x, W, b, rounds)
    x[2, 3] = np.nan
    x[5, 0] = np.inf
    y = forward(x, W, b, rounds)
    assert np.isnan(y[2]).all()
    assert np.isinf(y[5]).all()
    others = [0, 1, 3, 4, 6, 7]
    np.testing.assert_array_equal(y[others], clean[others])


def test_bfloat16_rounds_to_nearest_ties_to_even():
    """Products with 1 say what became of a number: each is exact, whatever multiplies it."""
    x = np.array([1, 1 + 2**-8, 1 + 2**-7 + 2**-8, 1 + 2**-8 + 2**-20, -3.14159, 2.0**-126, 1e38])
    rows = x.astype(np.float32)[:, np.newaxis]
    expected = np.array([1, 1, 1 + 2**-6, 1 + 2**-7, -3.140625, 2.0**-126, float(rounded(1e38)[0])])
    b = np.zeros(20, dtype=np.float32)
    y = forward(rows, np.ones((1, 20), dtype=np.float32), b, True)
    np.testing.assert_array_equal(y, np.repeat(expected[:, np.newaxis], 20, axis=1))
    y = forward(np.ones((1, 1), dtype=np.float32), rows.T.copy(), b[: len(x)], True)
    np.testing.assert_array_equal(y[0], expected)


def test_denormal_numbers_count_as_0():
    """Whatever multiplies them: some instructions for bfloat16 know no others."""
    tiny = np.full((3, 4), 2.0**-130, dtype=np.float32)
    for rounds in (False, True):
        y = forward(
            tiny, np.ones((4, 20), dtype=np.float32), np.zeros(20, dtype=np.float32), rounds
        )
        assert not y.any()
