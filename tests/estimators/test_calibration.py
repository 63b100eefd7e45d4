"""calibrate="cv": bands of forecasters that cover what they should."""

import numpy as np
import pytest
from forecaster_cases import drifting, seasonal, small
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.estimators.calibration import correction_of, learn_corrections
from fastrnn.estimators.next_values import GivenSeries

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

BANDS = {"strategy": "direct", "horizon": 3, "quantiles": (0.1, 0.5, 0.9), "scaling": "standard"}


def noise(n, length, seed):
    """Return white noise that is skewed."""
    return list(np.random.default_rng(seed).exponential(size=(n, length)))


@pytest.fixture(scope="module", params=[24, 8], ids=["halves", "ends"])
def pair(request):
    """A model that has learned its series by heart, and the same calibrated; also the series."""
    series = noise(request.param, 24 if request.param == 24 else 90, 0)
    params = {**BANDS, "hidden_layer_sizes": 16, "learning_rate_init": 0.03, "origin_step": 5}
    models = [
        small(**params, max_iter=25, batch_size=8, calibrate=how).fit(series)
        for how in (None, "cv")
    ]
    return *models, series


def below(model, new):
    """Return the share of what comes that lies below each quantile, (horizon, levels)."""
    bands = np.array(model.predict_quantiles(3, list(new[:, :-3])))
    assert (np.diff(bands, axis=2) >= 0).all()
    return (new[:, -3:, np.newaxis] < bands).mean(axis=0)


def test_bands_cover_what_they_should(pair):
    series = pair[2]
    new = np.array(noise(400, len(series[0]), 7))
    shares = [below(model, new)[:, [0, 2]].mean(axis=0) for model in pair[:2]]
    missed = [np.abs(share - [0.1, 0.9]).max() for share in shares]
    assert missed[1] < 0.06 and missed[1] < missed[0] + 0.02


def test_biases_of_the_outputs_have_the_corrections(pair):
    plain, calibrated, series = pair
    corrections = learn_corrections(plain, GivenSeries(series), None)
    assert (corrections[:, 1] == 0).all() and (corrections[:, [0, 2]] != 0).all()
    change = calibrated.network_.theta - plain.network_.theta
    bias = calibrated.network_.head.params["b"].size
    assert_allclose(change[-bias:], corrections.ravel(), atol=1e-6)
    assert not change[:-bias].any()
    assert calibrated.loss_curve_ == plain.loss_curve_


@pytest.mark.parametrize("how", ["frame", "covariates", "weights", "mask"])
def test_every_form_of_series(how):
    rng = np.random.default_rng(0)
    series = [seasonal(30, seed) for seed in range(21)]
    given, arguments, params = series, {}, {}
    if how == "frame":
        pandas = pytest.importorskip("pandas")
        given = pandas.concat(
            pandas.DataFrame({"id": f"s{i}", "time": np.arange(30), "value": item})
            for i, item in enumerate(series)
        )
    elif how == "covariates":
        arguments["future_covariates"] = [rng.random((33, 2)) for _ in series]
        arguments["past_covariates"] = [rng.random((30, 1)) for _ in series]
    elif how == "weights":
        arguments["sample_weight"] = np.arange(21.0) % 3
    else:
        params["missing"] = "mask"
        for item in series:
            item[rng.integers(3, 30, 4)] = np.nan
    model = small(**BANDS, **params, calibrate="cv").fit(given, **arguments)
    plain = small(**BANDS, **params).fit(given, **arguments)
    bias = [one.network_.head.params["b"] for one in (model, plain)]
    assert not np.allclose(*bias)


def test_series_of_no_weight_correct_nothing():
    series = noise(21, 20, 0)
    wild = [100 * np.cumsum(item) for item in noise(21, 20, 1)]
    model = small(**BANDS)
    expected = learn_corrections(model, GivenSeries(series), None)
    weight = np.repeat([1.0, 0.0], 21)
    got = learn_corrections(model, GivenSeries(series + wild), weight)
    assert_allclose(got, expected, atol=1e-6)


def test_a_generator_is_left_as_it_was():
    series = noise(1, 40, 0)
    one, other = (
        small(**BANDS, calibrate=how, random_state=np.random.default_rng(5)).fit(series)
        for how in (None, "cv")
    )
    assert_array_equal(one.network_.head.params["W"], other.network_.head.params["W"])


def test_quantiles_of_residuals_by_hand():
    residuals = np.append(np.arange(1.0, 10.0)[::-1], np.nan)  # 9 of them
    for level, expected in ((0.9, 9.0), (0.1, 1.0), (0.25, 2.0), (0.75, 8.0), (0.5, 0.0)):
        assert correction_of(residuals, level) == expected
    assert correction_of(residuals[:3], 0.9) == 9.0
    assert correction_of(residuals[-1:], 0.9) == 0.0


def test_refusals():
    series = drifting()
    for params in ({}, {"quantiles": (0.5,)}, {"quantiles": (0.5,), "strategy": "direct"}):
        with pytest.raises(
            ValueError, match=r"calibrate='cv' corrects quantiles, and there are none"
        ):
            small(**params, calibrate="cv").fit(series)
    with pytest.raises(ValueError, match=r"series 1 is too short for calibrate='cv': it has 5"):
        small(**BANDS, calibrate="cv").fit([series[0], series[1][:5]])
    with pytest.raises(ValueError, match="partial_fit does not see all series"):
        small(**BANDS, calibrate="cv").partial_fit(series)
    model = small(**BANDS).fit(series)
    before = model.predict_quantiles(3)
    with pytest.raises(ValueError, match="too short"):
        model.set_params(calibrate="cv").fit([[1.0, 2.0, 4.0]])
    assert_array_equal(model.predict_quantiles(3), before)
