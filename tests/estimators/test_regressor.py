"""RNNRegressor: numbers of any unit, and how well they are met."""

import math

import numpy as np
import pytest
from contract import draw_sequences, number_sequences

from fastrnn.estimators import RNNRegressor

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a regressor that trains in milliseconds."""
    return RNNRegressor(**{"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params})


def fitted(**params):
    """Return a fitted regressor, and what it was fitted on."""
    X, y = number_sequences(40)
    return small(**params).fit(X, y), X, y


BAD_NUMBERS = [
    (None, ValueError, "requires y to be passed, but the target y is None"),
    ([1.0, 2.0, np.nan, 1.0], ValueError, "y must be finite .* sequence 2 has nan"),
    ([[1, 2], [3, 4], [5, 6], [7, -np.inf]], ValueError, "sequence 3 has -inf"),
    ([1e200, 2.0, 1.0, 1.0], ValueError, "below 1e150, sequence 0 has 1e"),
    ([1j, 0, 1, 1], ValueError, "Complex data not supported"),
    (["a", "b", "c", "d"], TypeError, "y must be numbers, sequence 0 has 'a'$"),
    ([None, 1, 2, 3], ValueError, "y has no number for sequence 0, it is None"),
    (np.zeros((4, 1, 1)), ValueError, r"shape \(n,\) or \(n, n_outputs\), got \(4, 1, 1\)"),
    (np.zeros((4, 0)), ValueError, r"got \(4, 0\)"),
    (
        [[1.0], [2.0, 3.0], [1.0], [0.0]],
        ValueError,
        r"length: \[1.0\] for sequence 0, \[2.0, 3.0\] for s",
    ),
]


@pytest.mark.parametrize(("y", "error", "message"), BAD_NUMBERS)
def test_bad_numbers(y, error, message):
    with pytest.raises(error, match=message):
        small().fit(draw_sequences(4), y)


def test_units_of_y_do_not_matter():
    X, y = number_sequences(40)
    Y = np.column_stack([y, np.cos(y), np.full(len(X), 12.5)])
    params = {"dtype": "float64", "max_iter": 20}
    plain = small(**params).fit(X, Y)
    scaled = small(**params).fit(X, Y * [1e-6, 1e6, 1] + [5, -3, 100])
    expected = plain.predict(X) * [1e-6, 1e6, 1] + [5, -3, 100]
    np.testing.assert_allclose(scaled.predict(X), expected, rtol=1e-6)
    assert plain.predict(X).dtype == np.float64


def test_scaling_is_that_of_the_weighted_targets():
    X, y = number_sequences(40)
    weight = np.random.default_rng(2).uniform(0, 2, size=len(X))
    model = small().fit(X, y, sample_weight=weight)
    mean = np.average(y, weights=weight)
    assert model.y_mean_ == pytest.approx(mean)
    assert model.y_scale_ == pytest.approx(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
    model.fit(X, np.full(len(X), 0.1), sample_weight=weight)  # whose mean is rounded
    assert model.y_mean_ != 0.1 and model.y_scale_ == 1.0


def test_shape_of_y_is_the_shape_of_the_prediction():
    X, y = number_sequences(40)
    for target in (y, y[:, np.newaxis], np.column_stack([y, -y, y**2])):
        model = small().fit(X, target)
        assert model.predict(X).shape == target.shape
        assert model.n_outputs_ == target.size // len(X)
    with pytest.raises(ValueError, match="y has 1 outputs, but the model predicts 3"):
        model.score(X, y)


def test_r2_by_its_formula():
    model, X, y = fitted(max_iter=30, learning_rate_init=0.05)
    error = ((y - model.predict(X)) ** 2).sum()
    assert model.score(X, y) == pytest.approx(1 - error / ((y - y.mean()) ** 2).sum(), rel=1e-12)
    with pytest.warns(UserWarning, match="fewer than two sequences"):
        assert math.isnan(model.score(X[:1], y[:1]))
    assert model.score(X[:2] * 2, np.full(4, 7.0)) == 0.0  # does not vary, and is not met
    Y = np.column_stack([y, np.full(len(X), 3.0)])
    both = small(dtype="float64", alpha=0.0).fit(X, Y)
    both.network_.theta[:] = 0  # predicts the mean: R² 0 and, for what does not vary, 1
    assert both.score(X, Y) == pytest.approx(0.5)


def test_warm_start_keeps_the_scale_of_the_regressor():
    model, X, y = fitted(warm_start=True)
    mean, scale = model.y_mean_, model.y_scale_
    model.fit(X, 2 * y + 1)
    assert model.y_mean_ == mean and model.y_scale_ == scale


def test_scale_of_y_is_that_of_the_first_partial_fit():
    X, y = number_sequences(40)
    model = small().partial_fit(X[:1], y[:1])
    assert model.y_mean_ == y[0] and model.y_scale_ == 1
    model = small().partial_fit(X, y)
    mean, scale = model.y_mean_, model.y_scale_
    assert model.partial_fit(X, 3 * y).y_mean_ == mean and model.y_scale_ == scale


def test_validation_data_of_another_number_of_outputs():
    X, y = number_sequences(40)
    with pytest.raises(ValueError, match="validation_data: y has 2 outputs, but the model predi"):
        small().fit(X, y, validation_data=(X, np.column_stack([y, y])))


def test_warm_start_needs_the_same_number_of_outputs():
    model, X, y = fitted(warm_start=True)
    with pytest.raises(ValueError, match="y has 2 outputs, but the model predicts 1"):
        model.fit(X, np.column_stack([y, y]))
