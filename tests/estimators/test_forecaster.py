"""RNNForecaster: what it learns, and what it does by hand."""

import dataclasses
import itertools

import numpy as np
import pytest
from forecaster_cases import DIRECT, drifting, learner, seasonal, small
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn import RNNForecaster
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.forecast_errors import mae, seasonal_naive
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.inputs.sequences import as_sequences

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def changes_of(values):
    """Return what the network reads with scaling="difference", and the unit."""
    change = np.diff(values, prepend=values[0])
    unit = np.abs(change[1:]).mean()
    return change / unit, unit


class TestLearning:
    @pytest.mark.parametrize(
        "params", [{}, {"strategy": "direct", "horizon": 12}, {"seasonality": 12}], ids=str
    )
    def test_a_season_is_forecast_far_better_than_naively(self, params):
        series = seasonal(252)
        model = learner(window=48, batch_size=8, **params).fit(series[:240])
        error = mae(series[240:], model.predict(12))
        assert error < 0.25 * mae(series[240:], seasonal_naive(series[:240], 12, 1))
        assert error < 0.4

    def test_one_network_for_series_of_any_unit(self):
        scales = [0.001, 1.0, 1e6]
        series = [scale * seasonal(132, seed) for seed, scale in enumerate(scales)]
        model = learner(strategy="direct", horizon=12, max_iter=80)
        forecasts = model.fit([item[:120] for item in series]).predict(12)
        for item, forecast, scale in zip(series, forecasts, scales, strict=True):
            assert mae(item[120:], forecast) < 0.8 * scale

    @pytest.mark.parametrize("strategy", ["recursive", "direct"])
    def test_what_is_known_beforehand_is_used(self, strategy):
        rng = np.random.default_rng(0)
        known = rng.integers(0, 2, (6, 90)).astype(float)
        series = 5 + 2 * known + 0.05 * rng.standard_normal(known.shape)
        horizon = {"horizon": 10} if strategy == "direct" else {}
        model = learner(strategy=strategy, scaling="standard", batch_size=2, **horizon)
        model.fit(list(series[:, :80]), future_covariates=list(known[:, :80]))
        forecasts = model.predict(10, future_covariates=list(known))
        assert mae(series[:, 80:].ravel(), np.ravel(forecasts)) < 0.3
        swapped = model.predict(10, future_covariates=list(1 - known))
        assert mae(series[:, 80:].ravel(), np.ravel(swapped)) > 1

    def test_what_is_known_of_the_past_is_used(self):
        rng = np.random.default_rng(1)
        past = rng.standard_normal((6, 100))
        series = np.roll(past, 2, axis=1) + 0.02 * rng.standard_normal(past.shape)
        model = learner(strategy="direct", horizon=2, scaling="standard", batch_size=2)
        model.fit(list(series[:, 2:80]), past_covariates=list(past[:, 2:80]))
        forecasts = model.predict(
            2, list(series[:, 2:98]), past_covariates=list(past[:, 2:98, np.newaxis])
        )
        assert mae(series[:, 98:].ravel(), np.ravel(forecasts)) < 0.2

    def test_quantiles_cover_their_share(self):
        rng = np.random.default_rng(2)
        series = list(rng.standard_normal((24, 120)))
        model = learner(
            strategy="direct", horizon=3, scaling="standard", quantiles=(0.1, 0.5, 0.9), max_iter=15
        )
        model.fit(series)
        new = rng.standard_normal((300, 43))
        quantiles = np.array(model.predict_quantiles(3, list(new[:, :40])))
        share = (new[:, 40:, np.newaxis] < quantiles).mean(axis=(0, 1))
        assert_allclose(share, [0.1, 0.5, 0.9], atol=0.05)

    def test_early_stopping_scores_the_ends(self):
        model = learner(early_stopping=True, validation_fraction=0.2, n_iter_no_change=3)
        model.fit(seasonal(100))
        assert len(model.validation_scores_) == model.n_iter_ < 40
        assert model.best_validation_score_ == max(model.validation_scores_) < 0


class TestByHand:
    def test_direct(self):
        series = drifting()
        model = small(**DIRECT).fit(series)
        for values, forecast in zip(series, model.predict(4), strict=True):
            changes, unit = changes_of(values)
            sequences = as_sequences([changes])
            expected = values[-1] + unit * model.network_.predict(sequences)[-1]
            assert_allclose(forecast, expected, rtol=1e-12)
        assert_array_equal(np.array(model.predict(2)), np.array(model.predict(4))[:, :2])

    def test_recursive(self):
        series = drifting()
        model = small().fit(series)
        for values, forecast in zip(series, model.predict(6), strict=True):
            changes, unit = changes_of(values)
            expected = []
            for _ in range(6):
                change = model.network_.predict(as_sequences([changes]))[-1, 0]
                changes = np.append(changes, change)
                expected.append(values[-1] + unit * changes[len(values) :].sum())
            assert_allclose(forecast, expected, rtol=1e-12)

    @pytest.mark.parametrize("params", [{}, {"log": True}, {"missing": "mask"}], ids=str)
    def test_recursive_is_feeding_back(self, params):
        # Without a scale that is learned, forecasts may be appended to the series itself.
        series, known = drifting()[0] / 100, np.random.default_rng(0).random((40, 2))
        model = small(scaling=None, **params).fit(series, future_covariates=known)
        grown = series
        for _ in range(5):
            grown = np.append(grown, model.predict(1, grown, future_covariates=known))
        assert_allclose(model.predict(5), grown[30:], rtol=1e-12)
        assert_allclose(model.predict(5, series, future_covariates=known), grown[30:], rtol=1e-12)

    @pytest.mark.parametrize("scaling", ["difference", "standard", "level", None])
    @pytest.mark.parametrize("quantiles", [None, (0.2, 0.5, 0.9)])
    def test_what_the_network_is_to_learn(self, scaling, quantiles):
        series = drifting()
        model = small(scaling=scaling, quantiles=quantiles, **DIRECT).fit(series)
        lessons = model.reader_.read(series, "float64")
        first = 0
        for values in series:
            n = len(values)
            shift = values.mean() if scaling == "standard" else 0
            unit = {
                "difference": np.abs(np.diff(values)).mean(), "standard": values.std(),
                "level": np.abs(values).mean(), None: 1.0,
            }[scaling]  # fmt: skip
            z = (values - shift) / unit
            for t in range(n):
                after = np.full(4, np.nan)
                after[: n - 1 - t] = z[t + 1 : t + 5]
                base = z[t] if scaling == "difference" else 0
                assert_allclose(lessons.target[first + t], after - base, atol=1e-12)
                assert lessons.weight[first + t] == (t < n - 1)
            seen = np.diff(z, prepend=z[0]) if scaling == "difference" else z
            assert_allclose(lessons.values[first : first + n, 0], seen, atol=1e-12)
            first += n

    @pytest.mark.parametrize("window", [7, 10, 25, 26, 40, 41, 100])
    def test_windows_learn_every_step_once_and_know_what_was_before(self, window):
        series = drifting()
        whole = small(**DIRECT).fit(series).reader_.read(series, "float64")
        model = small(window=window, **DIRECT)
        lessons = SeriesReader.learn(GivenSeries(series), model)[1]
        assert lessons.lengths.max() <= window
        target = NextValueTask(lessons.plan).encode(None, lessons, None)
        learned = target.weight > 0
        assert_array_equal(lessons.values[learned], whole.values[whole.weight > 0])
        assert_array_equal(lessons.target[learned], whole.target[whole.weight > 0])
        assert_array_equal(lessons.place[learned], whole.place[whole.weight > 0])
        for begin, end in itertools.pairwise(lessons.offsets):
            here = learned[begin:end]
            assert here.argmax() >= window // 2 or lessons.place[begin] == 0 or not here.any()

    def test_covariates_beside_each_step(self):
        rng = np.random.default_rng(0)
        series, future, past = rng.random(9), rng.random((12, 2)), rng.random((9, 1))
        model = small(strategy="direct", horizon=2)
        model.fit(series, future_covariates=future, past_covariates=past)
        future = (future - future[:9].mean(axis=0)) / future[:9].std(axis=0)
        past = (past - past.mean()) / past.std()
        read = model.reader_.plan.read(model.reader_.series, 0, model.reader_.covariates).inputs
        assert read.shape == (9, 1 + 1 + 2 * 2)
        assert_allclose(read[:, 1:2], past)
        assert_allclose(read[:, 2:4], future[1:10])
        assert_allclose(read[:, 4:], future[2:11])
        assert model.n_features_in_ == 4
        assert_allclose(model.covariate_mean_.shape, 3)
        # Beyond what is known they are at their mean.
        model.fit(series, future_covariates=future[:9], past_covariates=past)
        read = model.reader_.plan.read(model.reader_.series, 0, model.reader_.covariates).inputs
        assert_array_equal(read[8, 2:], 0)
        assert_array_equal(read[7, 4:], 0)

    def test_a_covariate_that_does_not_vary(self):
        series = drifting()[0]
        model = small().fit(series, future_covariates=np.ones(40))
        plain = model.predict(3)
        assert np.isfinite(plain).all()
        changed = np.ones(40)
        changed[30:] = 2
        assert not np.allclose(model.predict(3, future_covariates=changed), plain)

    def test_what_early_stopping_holds_out(self):
        series = drifting()
        model = small(early_stopping=True, validation_fraction=0.2, **DIRECT)
        lessons = SeriesReader.learn(GivenSeries(series), model)[1]
        target = NextValueTask(lessons.plan).encode(None, lessons, None)
        left, scored = NextValueTask(lessons.plan).hold_out(lessons, target, 0.2, None)
        values, weight = scored.values, scored.weight
        assert scored.sequences is lessons
        both = np.isnan(left.values) & np.isnan(values)
        assert_array_equal(both, np.isnan(lessons.target))
        first = 0
        for item in series:
            last_known = len(item) - np.ceil(0.2 * len(item))
            for t in range(len(item)):
                is_scored = ~np.isnan(values[first + t])
                inside = np.arange(t + 1, t + 5) < len(item)
                assert_array_equal(is_scored, inside & (np.arange(t + 1, t + 5) >= last_known))
                assert weight[first + t] == is_scored.any()
                assert left.weight[first + t] == (inside & ~is_scored).any()
            first += len(item)
        model.fit(series)
        outputs = model.network_.predict(lessons)
        error = 0.5 * np.nansum((outputs - values) ** 2, axis=1) / 4
        assert_allclose(model.task_.score(outputs, values, weight), -error.sum() / weight.sum())


class TestScaling:
    @pytest.mark.parametrize(
        ("params", "factor", "shift"),
        [
            ({}, -3.0, 50.0),
            ({"scaling": "standard"}, 2.5, -4.0),
            ({"scaling": "level"}, 7.0, 0.0),
            ({"log": True}, 1000.0, 0.0),
            ({"log": True, "seasonality": 12}, 0.01, 0.0),
            ({"log": "log1p", "seasonality": 12}, 0.01, 0.0),
            ({"seasonality": 12}, 5.0, 9.0),
        ],
    )
    def test_units_do_not_matter(self, params, factor, shift):
        if factor < 0:
            params = {**params, "cell": "rnn"}
        for strategy in ({}, DIRECT):
            series = seasonal(60)
            model = small(**params, **strategy).fit(series)
            expected = factor * model.predict(4) + shift
            if factor > 0:
                assert_allclose(model.predict(4, factor * series + shift), expected, rtol=1e-9)
            else:  # a change of sign is another series
                assert not np.allclose(model.predict(4, factor * series + shift), expected)

    @pytest.mark.parametrize("strategy", [{}, DIRECT], ids=str)
    def test_a_network_that_says_nothing_leaves_the_scale(self, strategy):
        series = seasonal(60, noise=0.0) - 0.05 * np.arange(60)

        def silent(**params):
            model = small(**params, **strategy).fit(series)
            model.network_.theta[:] = 0
            return model.predict(4)

        assert_allclose(silent(), series[-1], rtol=1e-12)
        assert_allclose(silent(scaling="standard"), series.mean(), rtol=1e-12)
        assert_allclose(silent(scaling="level"), 0, atol=1e-12)
        assert_allclose(silent(scaling=None, log=True), 1, rtol=1e-12)
        assert_allclose(silent(log="log1p"), series[-1], rtol=1e-12)
        assert_allclose(silent(seasonality=12), series[:4], rtol=1e-12)
        assert_allclose(silent(seasonality=12, log=True), series[:4], rtol=1e-3)

    @pytest.mark.parametrize("scaling", ["difference", "standard", "level"])
    @pytest.mark.parametrize("level", [7.3, 0.0])
    def test_what_does_not_vary_stays(self, scaling, level):
        model = small(scaling=scaling).fit(drifting())
        forecast = model.predict(3, np.full(20, level))
        if scaling == "level" and level:
            assert np.isfinite(forecast).all()
        else:
            assert_allclose(forecast, level, rtol=1e-15)

    def test_parameters_set_after_fit_change_nothing(self):
        model = small().fit(drifting())
        expected = model.predict(3)
        model.set_params(scaling="standard", log=True, seasonality=7, strategy="direct", horizon=2)
        assert_array_equal(model.predict(3), expected)


CHANGED = {
    "scaling": "level",
    "log": True,
    "seasonality": 4,
    "quantiles": (0.5,),
    "likelihood": "student_t",
    "missing": "mask",
    "window": 11,
    "origin_step": 5,
    "scale_feature": True,
    "lags": 3,
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_parameter_has_an_effect(name):
    series = [item * np.tile([1, 2, 1.5, 3], 11)[: len(item)] for item in drifting()]
    default = small().fit(series).predict(2)[0]
    changed = small(**{name: CHANGED[name]}).fit(series).predict(2)[0]
    assert not np.allclose(changed, default, rtol=1e-6)


def test_every_parameter_is_known_to_have_an_effect():
    shared = {field.name for field in dataclasses.fields(RNNBase)}
    # See TestByHand and TestRefusals, test_time_stamps, test_calibration, test_dates_as_features.
    by_hand = {"strategy", "horizon", "freq", "calibrate", "calendar_features", "holidays"}
    assert set(RNNForecaster().get_params()) - shared == set(CHANGED) | by_hand


class TestQuantiles:
    def model(self, **params):
        return small(quantiles=(0.1, 0.5, 0.8), **DIRECT, **params).fit(drifting())

    @pytest.mark.parametrize("log", [False, True])
    def test_they_rise_and_the_median_is_predicted(self, log):
        model = self.model(log=log)
        model.network_.theta[:] *= -1  # what a bad network says crosses
        quantiles = model.predict_quantiles(4)
        assert [item.shape for item in quantiles] == [(4, 3)] * 3
        for item, median in zip(quantiles, model.predict(4), strict=True):
            assert (np.diff(item, axis=1) >= 0).all()
            assert_allclose(item[:, 1], median, rtol=1e-14)

    def test_levels_between(self):
        model = self.model()
        single = drifting()[0]
        learned = model.predict_quantiles(3, single)
        between = model.predict_quantiles(3, single, [0.8, 0.3, 0.1, 0.5, 0.65])
        expected = [
            learned[:, 2], learned[:, :2].mean(axis=1), learned[:, 0], learned[:, 1],
            learned[:, 1:].mean(axis=1),
        ]  # fmt: skip
        assert_allclose(between, np.transpose(expected), rtol=1e-13)

    def test_outputs_are_those_of_the_network(self):
        model, values = self.model(), drifting()[1]
        changes, unit = changes_of(values)
        outputs = model.network_.predict(as_sequences([changes]))[-1].reshape(4, 3)
        expected = values[-1] + unit * np.sort(outputs, axis=1)
        assert_allclose(model.predict_quantiles(4, values), expected, rtol=1e-12)

    def test_a_single_level_is_a_median_to_feed_back(self):
        series = drifting()[0] / 100
        model = small(scaling=None, quantiles=(0.5,)).fit(series)
        grown = np.append(series, model.predict(1))
        assert_allclose(model.predict(2)[1:], model.predict(1, grown), rtol=1e-12)

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"quantiles=\(0.1, 0.9\) needs strategy='direct'"):
            small(quantiles=(0.1, 0.9)).fit(drifting())
        for quantiles in [(), (0.5, 0.1), (0.6, 0.9), (0.1, 0.4), (0, 0.5), (0.5, 1), (0.5, 0.5)]:
            with pytest.raises(ValueError, match="quantiles must be rising levels"):
                small(quantiles=quantiles, **DIRECT).fit(drifting())
        with pytest.raises(TypeError, match="quantiles must be rising levels"):
            small(quantiles=0.5, **DIRECT).fit(drifting())
        with pytest.raises(ValueError, match="fitted with quantiles=None: fit it with several"):
            small(**DIRECT).fit(drifting()).predict_quantiles(4)
        with pytest.raises(ValueError, match=r"fitted with quantiles=\(0.5,\)"):
            small(quantiles=(0.5,)).fit(drifting()).predict_quantiles(4)
        with pytest.raises(ValueError, match=r"levels has 0.9, .* from 0.1 to 0.8"):
            self.model().predict_quantiles(4, levels=[0.5, 0.9])
        with pytest.raises(ValueError, match="levels must be a list of numbers"):
            self.model().predict_quantiles(4, levels=0.5)


class TestGaps:
    def gappy(self):
        series = drifting()
        for item, gaps in zip(series, ([3, 4, 20], [0, 1, 40], [24, 25]), strict=True):
            item[gaps] = np.nan
        return series

    @pytest.mark.parametrize("params", [{}, DIRECT, {"log": True, "seasonality": 4}], ids=str)
    def test_what_is_masked_leaves_no_trace(self, params):
        models = []
        for under in (1.0, 1e6):
            series = [
                np.ma.masked_array(np.where(np.isnan(item), under, item), np.isnan(item))
                for item in self.gappy()
            ]
            models.append(small(missing="mask", **params).fit(series))
        models.append(small(missing="mask", **params).fit(self.gappy()))
        for model in models[1:]:
            assert_array_equal(model.network_.theta, models[0].network_.theta)
            assert_array_equal(np.array(model.predict(4)), np.array(models[0].predict(4)))
        assert np.isfinite(models[0].network_.theta).all()
        assert np.isfinite(np.array(models[0].predict(4))).all()

    def test_inputs_and_targets_by_hand(self):
        model = small(missing="mask", strategy="direct", horizon=2)
        gap = np.nan
        model.fit([[gap, 1.0, gap, 4.0, 5.0, gap], [gap, 2.0, 4.0]])
        lessons = model.reader_.read(model.reader_.series.values, "float64")
        # Mean absolute difference of the observed values: (3 + 1) / 2 = 2.
        assert_allclose(lessons.values[:, 0], [0, 0, 0, 1.5, 0.5, 0, 0, 0, 1])
        assert_allclose(lessons.values[:, 1], [1, 0, 1, 0, 0, 1, 1, 0, 0])
        expected = [[gap, gap], [gap, 1.5], [1.5, 2], [0.5, gap], [gap, gap], [gap, gap]]
        expected += [[gap, gap], [1, gap], [gap, gap]]
        assert_allclose(lessons.target, expected)
        assert_array_equal(lessons.weight, [0, 1, 1, 1, 0, 0, 0, 1, 0])

    def test_a_wave_with_gaps_is_learned(self):
        series = seasonal(252)
        holes = series.copy()
        holes[np.random.default_rng(0).random(252) < 0.15] = np.nan
        model = learner(missing="mask", strategy="direct", horizon=12, window=48, batch_size=8)
        model.fit(holes[:240])
        assert mae(series[240:], model.predict(12)) < 0.6

    def test_refused_without_mask(self):
        message = r"series 1 has no value \(NaN\) at step 0: missing='mask' accepts gaps"
        with pytest.raises(ValueError, match=message):
            small().fit([drifting()[0], self.gappy()[1]])
        model = small().fit(drifting())
        with pytest.raises(ValueError, match=r"series 0 has no value \(NaN\) at step 3"):
            model.predict(2, self.gappy()[0])
