"""First filters: products by a loop, whitening by its formula."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power, toeplitz

from fastrnn.inputs.sequences import Sequences
from fastrnn.network import filters as first_filters
from fastrnn.network.filters import FLOOR, products_of, whiten


def make_sequences(lengths, D=2, seed=0, dtype="float32"):
    values = np.random.default_rng(seed).standard_normal((sum(lengths), D)).astype(dtype)
    return Sequences(values, np.cumsum([0, *lengths]))


def by_loop(sequences, weight, kernel):
    products = np.zeros((kernel, sequences.n_features))
    for i, lag in np.ndindex(len(sequences), kernel):
        x = sequences[i].astype(float)
        for t in range(len(x) - lag):
            products[lag] += weight[i] * x[t] * x[t + lag]
    return products


def draw(kernel, D, K=300, seed=0, dtype=np.float64):
    """As `ConvolutionStage.start` does."""
    bound = np.sqrt(6 / (kernel * D))
    return np.random.default_rng(seed).uniform(-bound, bound, (kernel, D, K)).astype(dtype)


def correlations(products):
    return toeplitz(products / products[0])


class TestProducts:
    @pytest.mark.parametrize("lengths", [(9, 1, 14, 2, 5), (1,), (1, 1), (40,)], ids=str)
    @pytest.mark.parametrize("kernel", [2, 5, 17])
    def test_by_a_loop(self, lengths, kernel):
        sequences = make_sequences(lengths)
        weight = np.random.default_rng(1).uniform(0.5, 2.0, len(lengths))
        expected = by_loop(sequences, weight, kernel)
        found = products_of(sequences, weight, kernel)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)

    def test_a_weight_is_a_number_of_copies(self):
        sequences = make_sequences((9, 4, 14))
        twice = sequences.take([0, 0, 2])
        found = products_of(sequences, np.array([2.0, 0.0, 1.0]), 4)
        np.testing.assert_allclose(found, products_of(twice, np.ones(3), 4), rtol=1e-12)

    def test_of_many_some_are_chosen_evenly(self, monkeypatch):
        monkeypatch.setattr(first_filters, "LOOKED_AT", 30)
        sequences = make_sequences((5,) * 9, D=2)
        weight = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        some = sequences.take([0, 4, 7])  # every third of the eight that count
        found = products_of(sequences, weight, 3)
        np.testing.assert_allclose(found, by_loop(some, np.ones(3), 3), rtol=1e-12)

    def test_of_a_long_one_the_beginning(self, monkeypatch):
        monkeypatch.setattr(first_filters, "LOOKED_AT", 40)
        sequences = make_sequences((50, 7), D=2)
        begin = Sequences(sequences.values[:20].copy(), np.array([0, 20]))
        found = products_of(sequences, np.ones(2), 3)
        np.testing.assert_allclose(found, by_loop(begin, np.ones(1), 3), rtol=1e-12)

    def test_where_nothing_counts_they_are_nothing(self):
        found = products_of(make_sequences((5, 7)), np.zeros(2), 3)
        np.testing.assert_array_equal(found, np.zeros((3, 2)))


class TestWhitening:
    def test_by_the_formula(self):
        kernel, D = 7, 3
        products = products_of(make_sequences((60, 30), 2), np.ones(2), kernel)
        products[:, 1] *= 1e6  # the unit of a number does not matter
        drawn = draw(kernel, D)
        filters = drawn.copy()
        whiten(filters, products)

        expected, squares = drawn.copy(), np.zeros(drawn.shape[2])
        for d in range(2):
            R = correlations(products[:, d])
            expected[:, d] = fractional_matrix_power(R + FLOOR * np.eye(kernel), -0.5) @ drawn[:, d]
            squares += np.sum(expected[:, d] * (R @ expected[:, d]), axis=0)
        expected[:, :2] *= np.sqrt(2.0 * (2 / 3) / squares)
        np.testing.assert_allclose(filters, expected, rtol=1e-9)
        np.testing.assert_array_equal(filters[:, 2], drawn[:, 2])  # of ids, which have no products

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_what_they_say_has_the_usual_size_and_differs(self, dtype):
        kernel, n = 9, 20_000
        steps = np.cumsum(np.random.default_rng(0).standard_normal((n, 1)), axis=0)
        smooth = steps - np.linspace(0, steps[-1, 0], n)[:, np.newaxis]
        smooth -= smooth.mean()
        sequences = Sequences((smooth / smooth.std()).astype(dtype), np.array([0, n]))
        drawn = draw(kernel, 1, dtype=np.dtype(dtype))
        filters = drawn.copy()
        whiten(filters, products_of(sequences, np.ones(1), kernel))
        assert filters.dtype == dtype
        windows = np.lib.stride_tricks.sliding_window_view(sequences[0][:, 0], kernel)
        before, after = windows @ drawn[:, 0], windows @ filters[:, 0]
        np.testing.assert_allclose(np.mean(after**2, axis=0), 2.0, rtol=0.05)

        def alike(outputs):
            return np.mean(np.abs(np.corrcoef(outputs.T)))

        assert alike(before) > 0.95
        assert alike(after) < 0.8

    @pytest.mark.parametrize(
        "column", [np.zeros(4), np.array([np.inf, 1, 1, 1.0]), 5e-324 * np.ones(4)], ids=str
    )
    def test_numbers_that_tell_nothing_leave_directions(self, column):
        alone = draw(4, 1)
        filters = alone.copy()
        whiten(filters, column[:, np.newaxis])
        factor = np.sqrt(2.0 / np.square(alone).sum(axis=(0, 1)))
        np.testing.assert_allclose(filters, alone * factor, rtol=1e-12)

    def test_numbers_that_are_all_the_same(self):
        filters = draw(4, 1)
        whiten(filters, np.full((4, 1), 3.0))  # R has one eigenvalue that is not 0
        np.testing.assert_allclose(np.square(filters.sum(axis=0)), 2.0, rtol=1e-6)
