"""The scale of a series and its seasonal pattern; measures of errors of forecasts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.estimators.forecast_errors import mae, mase, movement, seasonal_naive, smape
from fastrnn.inputs.scaling import learn_scale


def wavy(n, m, noise=0.0):
    """Return a line with a pattern of m steps that sums to 0, and that pattern."""
    rng = np.random.default_rng(0)
    pattern = 3 * rng.standard_normal(m)
    pattern -= pattern.mean()
    return 10 + 0.02 * np.arange(n) + pattern[np.arange(n) % m] + noise * rng.random(n), pattern


@pytest.mark.parametrize("scaling", ["difference", "standard", "level", None])
@pytest.mark.parametrize("log", [False, True, "log1p"])
@pytest.mark.parametrize("seasonality", [None, 7])
def test_undo_is_the_inverse(scaling, log, seasonality):
    values = np.exp(0.1 * wavy(50, 7)[0])
    values[[4, 11]] = np.nan
    scale = learn_scale(values, scaling, log, seasonality, "series 0")
    scaled = scale.apply(values)
    assert_allclose(scale.undo(scaled, 0), values, rtol=1e-12)
    assert_allclose(scale.undo(scaled[9:, np.newaxis], 9)[:, 0], values[9:], rtol=1e-12)
    assert np.isnan(scaled[[4, 11]]).all()
    scaled = scaled[~np.isnan(scaled)]
    if scaling == "standard":
        assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-12)
    elif scaling == "level":
        assert_allclose(np.abs(scaled).mean(), 1)
    elif scaling == "difference":
        assert_allclose(np.abs(np.diff(scaled)).mean(), 1)


@pytest.mark.parametrize("m", [2, 4, 5, 12])
def test_the_pattern_on_a_line_is_found(m):
    values, pattern = wavy(6 * m + 1, m)
    scale = learn_scale(values, None, False, m, "series 0")
    assert_allclose(scale.season, pattern, atol=1e-12)
    assert_allclose(np.diff(scale.apply(values)), 0.02, atol=1e-12)
    scale = learn_scale(np.exp(values), None, True, m, "series 0")
    assert_allclose(scale.season, pattern, atol=1e-12)


def test_log1p_by_hand():
    values = np.array([0.0, 30.0, -10.0, np.nan, 0.0])
    scale = learn_scale(values, None, "log1p", None, "series 0")
    assert_allclose(scale.apply(values), [0, np.log(31), -np.log(11), np.nan, 0], rtol=1e-14)
    assert_allclose(scale.undo(scale.apply(values), 0), values, rtol=1e-14)
    silent = learn_scale(np.zeros(3), "difference", "log1p", None, "series 0")
    assert_array_equal(silent.undo(np.zeros(2), 3), [0, 0])


@pytest.mark.parametrize("scaling", ["difference", "standard", "level", None])
def test_log1p_does_not_depend_on_the_unit(scaling):
    values = wavy(50, 7)[0] - 9
    one, other = (
        learn_scale(factor * values, scaling, "log1p", 7, "series 0") for factor in (1, 3000)
    )
    assert_allclose(other.apply(3000 * values), one.apply(values), rtol=1e-9)


@pytest.mark.parametrize("m", [4, 5, 12])
def test_the_pattern_on_a_curve_is_found(m):
    # A centred average of a parabola is off by a constant, which the pattern must not have.
    values, pattern = wavy(6 * m + 1, m)
    curve = 0.001 * np.arange(6 * m + 1) ** 2
    scale = learn_scale(values + curve, None, False, m, "series 0")
    assert_allclose(scale.season, pattern, atol=1e-12)


@pytest.mark.parametrize("scaling", ["difference", "standard"])
@pytest.mark.parametrize("season", [None, 3])
def test_what_is_only_rounding_is_no_scale(scaling, season):
    values = np.full(23, 0.1) + (0 if season is None else np.resize([0.1, 0.3, 0.7], 23))
    scale = learn_scale(values, scaling, False, season, "series 0")
    assert scale.factor == 0
    assert_allclose(scale.undo(np.ones(3), 23), values[2:5], rtol=1e-13)


def test_a_pattern_with_gaps_is_found_almost():
    values, pattern = wavy(96, 12)
    values[[5, 30, 31, 70]] = np.nan
    scale = learn_scale(values, None, False, 12, "series 0")
    assert_allclose(scale.season, pattern, atol=0.6)


def test_no_pattern_where_there_is_none():
    rng = np.random.default_rng(3)
    n_seasonal = sum(
        len(learn_scale(rng.standard_normal(120), None, False, 12, "").season) > 1
        for _ in range(200)
    )
    assert 5 <= n_seasonal <= 40  # a test at 10 %
    values, _ = wavy(35, 12)  # fewer than three seasons
    assert_array_equal(learn_scale(values, None, False, 12, "").season, [0])
    assert_array_equal(learn_scale(np.ones(60), None, False, 12, "").season, [0])
    assert len(learn_scale(wavy(36, 12)[0], None, False, 12, "").season) == 12


def test_the_test_for_a_season_is_the_formula():
    m = 4
    outcomes = set()
    for seed in range(40):
        values, _ = wavy(40, m)
        values = 0.12 * values + np.random.default_rng(seed).standard_normal(40)
        z = values - values.mean()
        r = [(z[k:] * z[: 40 - k]).sum() / (z * z).sum() for k in range(1, m + 1)]
        expected = abs(r[-1]) > 1.645 * np.sqrt((1 + 2 * sum(x * x for x in r[:-1])) / 40)
        assert (len(learn_scale(values, None, False, m, "").season) > 1) == expected
        outcomes.add(bool(expected))
    assert outcomes == {False, True}


def test_errors_by_hand():
    truth, forecast = np.array([1.0, np.nan, 3.0, 0.0]), np.array([2.0, 9.0, 1.0, 0.0])
    assert_allclose(mae(truth, forecast), 1.0)
    assert_allclose(smape(truth, forecast), (200 / 3 + 400 / 4 + 0) / 3)
    history = np.array([1.0, 5.0, 2.0, np.nan, 6.0])  # two steps apart: 1, 4
    assert_allclose(mase(truth, forecast, history, 2), 1.0 / 2.5)
    assert np.isnan(mase(truth, forecast, np.ones(5), 1))
    assert np.isnan(mase(truth, forecast, history, 5))
    assert np.isnan(mae(np.full(2, np.nan), forecast[:2]))


def test_movement_by_hand():
    truth = np.array([1.0, np.nan, 3.0, 5.0])
    assert_allclose(movement(truth, np.array([1.0, 99.0, 2.0, 3.0])), 0.5)
    assert movement(truth, np.full(4, 7.0)) == 0
    for still in (np.ones(4), np.full(4, np.nan), np.array([1.0, np.nan, np.nan, np.nan])):
        assert np.isnan(movement(still, truth))


def test_seasonal_naive_by_hand():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 7.0])
    assert_array_equal(seasonal_naive(values, 5, 3), [5, 3, 7, 5, 3])
    assert_array_equal(seasonal_naive(values, 3, 1), [7, 7, 7])
    assert_array_equal(seasonal_naive(values[:2], 5, 4), [2, 2, 1, 2, 2])
