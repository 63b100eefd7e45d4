"""RNNForecaster as it is made without parameters: what "auto" stands for, and data of any kind."""

import numpy as np
import pytest
from forecaster_cases import drifting, seasonal
from numpy.testing import assert_allclose, assert_array_equal
from small_problems import same

from fastrnn import RNNForecaster, load
from fastrnn.estimators.forecast_errors import mae, seasonal_naive

LEVELS = (0.1, 0.5, 0.9)


def quick(**params):
    """Return a forecaster with the defaults of what shapes its plan."""
    return RNNForecaster(4, max_iter=1, random_state=0, **params)


def plan_of(series, **params):
    return quick(**params).fit(series).reader_.plan


def test_it_learns_a_season():
    series = seasonal(132)
    model = RNNForecaster(seasonality=12, random_state=0).fit(series[:120])
    bands = model.predict_quantiles(12)
    assert_array_equal(bands[:, 1], model.predict(12))
    assert (np.diff(bands) > 0).all()
    naive = seasonal_naive(series[:120], 12, 12)
    assert mae(series[120:], bands[:, 1]) < 0.8 * mae(series[120:], naive)


@pytest.mark.parametrize(
    ("n", "params", "horizon"),
    [
        ([60], {}, 8),
        ([60], {"seasonality": 3}, 8),
        ([60], {"seasonality": 12}, 24),
        ([24], {"seasonality": 12}, 12),  # learned from the second season on
        ([24, 31], {"seasonality": 12}, 12),
        ([24, 37], {"seasonality": 12}, 24),
        ([3], {}, 2),
        ([24], {"seasonality": 12, "origin_step": None}, 23),
        ([60], {"seasonality": 12, "horizon": 3}, 3),
        ([60], {"strategy": "recursive"}, 1),
    ],
)
def test_horizon(n, params, horizon):
    series = [seasonal(size) for size in n]
    model = quick(**params).fit(series)
    assert model.reader_.plan.n_ahead == horizon
    assert len(model.predict(horizon)[0]) == horizon
    lessons = model.reader_.lessons("", model.reader_.series, "float64", model.reader_.cuts)
    learned = lessons.target[lessons.weight > 0]
    assert (~np.isnan(learned)).any(axis=0).all() or "horizon" in params


KNOWN = {"future_covariates": np.tile([0.0, 1.0, 1.0], 30)}


@pytest.mark.parametrize(
    ("params", "covariates", "horizon"),
    [
        ({}, KNOWN, 1),
        ({"seasonality": 12}, KNOWN, 1),
        ({"horizon": 5}, KNOWN, 5),
        ({"calibrate": "cv"}, KNOWN, 8),
        ({}, {"past_covariates": np.arange(60.0)}, 8),
        ({}, {**KNOWN, "past_covariates": np.arange(60.0)}, 8),
        ({}, {**KNOWN, "static_covariates": [[1.0]]}, 8),
        ({}, {"static_covariates": [[1.0]]}, 8),
    ],
)
def test_what_is_known_of_a_step_is_read_just_before_it(params, covariates, horizon):
    model = quick(**params).fit(seasonal(60), **covariates)
    assert model.reader_.plan.n_ahead == horizon


def test_it_learns_what_promotions_do():
    promotion = (np.random.default_rng(1).random(308) < 0.3).astype(float)
    series = 10 + 5 * promotion
    model = RNNForecaster(random_state=0).fit(series[:300], future_covariates=promotion)
    assert_allclose(model.predict(8, future_covariates=promotion), series[300:], atol=1)


def test_points_go_on_beyond_the_horizon_and_bands_do_not():
    model = quick().fit(seasonal(60))
    assert_array_equal(model.predict(19)[:8], model.predict(8))
    assert np.isfinite(model.score(np.arange(9.0)))
    with pytest.raises(ValueError, match=r"horizon is 9, but .* 8 steps.* with horizon=9 or more"):
        model.predict_quantiles(9)


def test_log_is_for_series_without_values_below_0():
    above, below = np.abs(seasonal(40)), -np.abs(seasonal(40))
    above[3] = 0
    gap = above.copy()
    gap[5] = np.nan
    assert plan_of([above, 3 * above]).log == "log1p"
    assert plan_of([above, below]).log is False
    assert plan_of([above, gap], missing="mask").log == "log1p"
    assert plan_of(above, log=False).log is False
    assert plan_of(np.round(above), likelihood="poisson", scaling="level").log is False
    assert plan_of(above, likelihood="student_t").log == "log1p"
    model = quick().fit(above)
    assert np.isfinite(model.predict(8, below)).all()  # with its sign


def test_quantiles():
    series = seasonal(40)
    assert plan_of(series).quantiles == LEVELS
    assert plan_of(series, strategy="recursive").quantiles == (0.5,)
    assert plan_of(series, likelihood="student_t").quantiles is None
    assert plan_of(series, quantiles=None).quantiles is None
    with pytest.raises(ValueError, match="needs strategy='direct'"):
        quick(strategy="recursive", calibrate="cv").fit(series)


@pytest.mark.parametrize("goes_on", ["partial_fit", "warm_start"])
def test_training_goes_on_with_what_was_chosen(goes_on, tmp_path):
    model = quick(seasonality=12, warm_start=True).fit(seasonal(40))
    model.save(tmp_path / "model")
    model = load(tmp_path / "model")
    assert (model.horizon, model.log, model.quantiles) == ("auto",) * 3
    further = model.partial_fit if goes_on == "partial_fit" else model.fit
    further([-seasonal(33), seasonal(80)])
    plan = model.reader_.plan
    assert (plan.n_ahead, plan.log, plan.quantiles) == (24, "log1p", LEVELS)


def test_calibration_takes_what_all_series_ask_for():
    series = [seasonal(30 + 10 * (i == 1), seed=i) for i in range(20)]
    model = quick(seasonality=12, calibrate="cv").fit([*series, -series[0]])
    assert model.reader_.plan.n_ahead == 24 and model.reader_.plan.log is False
    plain = quick(seasonality=12).fit([*series, -series[0]])
    assert not same(model, plain)  # biases alone differ


@pytest.mark.parametrize("level", [0.0, 7.0, -3.0])
def test_series_that_never_vary(level):
    bands = quick().fit(np.full(30, level)).predict_quantiles(8)
    assert_allclose(bands, np.full((8, 3), level), rtol=1e-15)


def test_series_that_do_not_vary_are_left_out_beside_others():
    wild = drifting()
    model, alone = quick().fit([*wild, np.full(30, 2.0)]), quick().fit(wild)
    assert_allclose(model.predict(3)[3], 2.0, rtol=1e-15)
    assert model.t_ == alone.t_


def test_too_short():
    assert np.isfinite(quick().fit([1.0, 2.0, 4.0]).predict(2)).all()
    with pytest.raises(ValueError, match=r"no series is long enough .*; origin_step=None learns"):
        quick().fit([1.0, 2.0])
    assert np.isfinite(quick(origin_step=None).fit([1.0, 2.0]).predict(1)).all()


def test_streams_and_covariates():
    series, known = seasonal(60), np.tile([0.0, 1.0], 40)
    model = quick(seasonality=4, horizon=8).fit(series[:50], future_covariates=known)
    stream = model.stream(future_covariates=known)
    step = np.concatenate([series[50:51], known[51:59]])
    assert stream.step(step).shape == (8,)
    assert len(model.predict(3, future_covariates=known[:53])) == 3  # what is known will do
