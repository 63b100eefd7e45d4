"""RNNForecaster: what it learns, what it does by hand, what it refuses, with and without frames."""

import copy
import dataclasses
import itertools
import pickle
import tracemalloc
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn import RNNForecaster
from fastrnn.bridge import NotFittedError
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.forecast_errors import mae, mase, seasonal_naive, smape
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.inputs.sequences import as_sequences

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

DIRECT = {"strategy": "direct", "horizon": 4}


def small(**params):
    """Return a forecaster that is fitted in a moment, in double precision."""
    defaults = {"hidden_layer_sizes": 5, "cell": "gru", "max_iter": 3, "dtype": "float64"}
    return RNNForecaster(**{**defaults, "random_state": 0, **params})


def learner(**params):
    """Return a forecaster that learns something."""
    defaults = {"learning_rate": "cosine", "learning_rate_init": 0.02, "max_iter": 40}
    return RNNForecaster(16, **{**defaults, "cell": "gru", "random_state": 0, **params})


def drifting(seed=0, lengths=(30, 41, 26)):
    """Return series above 0 of unequal length."""
    rng = np.random.default_rng(seed)
    return [100 * np.exp(np.cumsum(0.1 * rng.standard_normal(n))) for n in lengths]


def seasonal(n, seed=0, noise=0.1):
    """Return a series with a season of 12 steps, a trend and noise."""
    t = np.arange(n)
    rng = np.random.default_rng(seed)
    return 20 + 0.05 * t + 3 * np.sin(t * np.pi / 6) + noise * rng.standard_normal(n)


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
    def inputs(self, values):
        """Return what the network reads with scaling="difference", and the unit."""
        change = np.diff(values, prepend=values[0])
        unit = np.abs(change[1:]).mean()
        return change / unit, unit

    def test_direct(self):
        series = drifting()
        model = small(**DIRECT).fit(series)
        for values, forecast in zip(series, model.predict(4), strict=True):
            changes, unit = self.inputs(values)
            sequences = as_sequences([changes])
            expected = values[-1] + unit * model.network_.predict(sequences)[-1]
            assert_allclose(forecast, expected, rtol=1e-12)
        assert_array_equal(np.array(model.predict(2)), np.array(model.predict(4))[:, :2])

    def test_recursive(self):
        series = drifting()
        model = small().fit(series)
        for values, forecast in zip(series, model.predict(6), strict=True):
            changes, unit = self.inputs(values)
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
    "missing": "mask",
    "window": 11,
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_parameter_has_an_effect(name):
    series = [item * np.tile([1, 2, 1.5, 3], 11)[: len(item)] for item in drifting()]
    default = small().fit(series).predict(2)[0]
    changed = small(**{name: CHANGED[name]}).fit(series).predict(2)[0]
    assert not np.allclose(changed, default, rtol=1e-6)


def test_every_parameter_is_known_to_have_an_effect():
    shared = {field.name for field in dataclasses.fields(RNNBase)}
    by_hand = {"strategy", "horizon"}  # see TestByHand and TestRefusals
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
        changes, unit = TestByHand().inputs(values)
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


class TestForms:
    def test_single_series_and_lists(self):
        series = drifting()
        model = small().fit(series)
        single = model.predict(3, series[1])
        assert single.shape == (3,) and single.dtype == np.float64
        for form in (series[1][:, np.newaxis], series[1].tolist(), tuple(series[1])):
            assert_array_equal(model.predict(3, form), single)
        (from_list,) = model.predict(3, [series[1]])
        assert_array_equal(from_list, single)
        objects = np.empty(3, dtype=object)
        objects[:] = series
        for form in (series, objects):
            assert_allclose(model.predict(3, form)[1], single, rtol=1e-13)
        table = np.array([item[:20] for item in series])
        assert len(model.predict(3, table)) == 3
        assert small().fit(series[0]).predict(2).shape == (2,)

    def test_a_forecast_does_not_depend_on_other_series(self):
        series = drifting()
        model = small(**DIRECT).fit(series)
        for item, forecast in zip(series, model.predict(4), strict=True):
            assert_allclose(model.predict(4, item), forecast, rtol=1e-12)

    def test_same_random_state_same_bits_on_any_threads(self):
        first, second = (
            small(dtype="float32", n_jobs=n_jobs, dropout=0.2).fit(drifting(lengths=[20] * 40))
            for n_jobs in (1, 3)
        )
        assert_array_equal(first.network_.theta, second.network_.theta)
        assert_array_equal(first.predict(5), second.predict(5))
        third = small(dtype="float32", dropout=0.2, random_state=1).fit(drifting())
        assert not np.array_equal(third.predict(5)[0], first.predict(5)[0])

    def test_pickle_and_copy(self):
        model = small(quantiles=(0.2, 0.5, 0.8), **DIRECT).fit(drifting())
        for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert_array_equal(np.array(other.predict(4)), np.array(model.predict(4)))
            assert_array_equal(
                np.array(other.predict_quantiles(4)), np.array(model.predict_quantiles(4))
            )

    def test_warm_start_and_partial_fit_go_on(self):
        series = drifting()
        model = small(max_iter=2, warm_start=True).fit(series)
        before = model.network_.theta.copy()
        model.fit(series)
        assert not np.array_equal(model.network_.theta, before)
        assert len(model.loss_curve_) == 4
        with pytest.raises(ValueError, match=r"warm_start=True .* has scaling='difference', not"):
            model.set_params(scaling="level").fit(series)
        model = small()
        for _ in range(3):
            model.partial_fit(series)
        assert model.n_iter_ == 3
        assert_array_equal(model.network_.theta, small(max_iter=3).fit(series).network_.theta)
        model.partial_fit(series[0])
        assert model.predict(2).shape == (2,)
        assert not hasattr(small(solver="lbfgs"), "partial_fit")

    @pytest.mark.parametrize("window", [None, 12])
    def test_a_series_of_weight_0_is_left_out(self, window):
        series = drifting()
        weighted = small(window=window).fit(series, sample_weight=[1.0, 0.0, 1.0])
        without = small(window=window).fit([series[0], series[2]])
        assert_allclose(weighted.network_.theta, without.network_.theta, rtol=1e-12)
        plain = small(window=window).fit(series, sample_weight=[2.0, 2.0, 2.0])
        assert not np.allclose(weighted.network_.theta, plain.network_.theta)

    def test_weights_are_those_of_the_series(self):
        series, weight = drifting(), np.array([0.5, 2.0, 3.0])
        model = small(window=12)
        lessons = SeriesReader.learn(GivenSeries(series), model)[1]
        target = NextValueTask(lessons.plan).encode(None, lessons, weight)
        expected = [weight[[30, 41, 26].index(n)] for n in lessons.length]
        assert_array_equal(target.weight, np.array(expected) * lessons.weight)
        model.partial_fit(series, sample_weight=weight)
        with pytest.raises(ValueError, match="sample_weight has 2 entries"):
            model.fit(series, sample_weight=[1.0, 2.0])

    def test_states_and_gradients(self):
        series = drifting()
        model = small(**DIRECT).fit(series)
        states = model.hidden_states(series)
        assert [len(item) for item in states] == [30, 41, 26]
        assert_allclose(model.transform(series), [item[-1] for item in states], rtol=1e-12)
        assert len(model.input_gradients(series, output=0)) == 3
        assert len(model.gradient_flow(series, None).norms) == 3
        with pytest.raises(ValueError, match="y must be None"):
            model.gradient_flow(series, [1, 2, 3])
        assert model.estimate_memory(series) > 0

    def test_failed_fit_leaves_the_model(self):
        model = small().fit(drifting())
        expected = model.predict(3)
        with pytest.raises(ValueError, match="series 0 is too short"):
            model.fit([1.0])
        for one, other in zip(model.predict(3), expected, strict=True):
            assert_array_equal(one, other)


class TestValidation:
    def test_scores_are_those_of_the_series_given(self):
        series, others = drifting(), drifting(1)
        model = small(**DIRECT).fit(series, validation_data=others)
        lessons = model.reader_.read(others, "float64")
        known = lessons.weight > 0
        error = np.nansum((model.network_.predict(lessons) - lessons.target) ** 2, axis=1)
        assert_allclose(model.validation_scores_[-1], -0.5 * error[known].mean() / 4)
        assert len(model.validation_scores_) == 3
        assert model.best_validation_score_ is None
        assert_array_equal(model.network_.theta, small(**DIRECT).fit(series).network_.theta)

    @pytest.mark.parametrize("window", [None, 12])
    @pytest.mark.parametrize("start", [24, -7])
    def test_what_is_scored_begins_at_start(self, start, window):
        # What comes before the first step scored is read, but what it is to be plays no part.
        series = drifting()
        model = small(window=window).fit(
            series, validation_data={"y": series, "start": start, "sample_weight": [1.0, 2.0, 0.0]}
        )
        lessons = model.reader_.read(series, "float64")
        if window:
            lessons = SeriesReader.learn(GivenSeries(series), model)[1]
        error = 0.5 * (model.network_.predict(lessons) - lessons.target)[:, 0] ** 2
        first = start if start > 0 else lessons.length + start
        weight = np.select([lessons.length == 30, lessons.length == 41], [1.0, 2.0], 0.0)
        weight *= lessons.weight * (lessons.place + 1 >= first)
        expected = -np.average(np.nan_to_num(error), weights=weight)
        assert_allclose(model.validation_scores_[-1], expected)

    def test_early_stopping_looks_at_it(self):
        series = drifting()
        model = small(early_stopping=True, max_iter=20, n_iter_no_change=2, tol=1.0)
        model.fit(series, validation_data={"y": series, "start": -4})
        assert model.n_iter_ == len(model.validation_scores_) < 20
        assert model.best_validation_score_ == max(model.validation_scores_)
        plain = small(max_iter=1).fit(series).network_.theta
        first = model.set_params(max_iter=1).fit(series, validation_data=series)
        assert_array_equal(first.network_.theta, plain)  # nothing is held out

    def test_covariates(self):
        series, rng = drifting(), np.random.default_rng(0)
        future = [rng.random((len(item), 2)) for item in series]
        past = [rng.random(len(item)) for item in series]
        given = {"future_covariates": future, "past_covariates": past}
        model = small(**DIRECT)
        model.fit(series, **given, validation_data={"y": series, **given})
        lessons = model.reader_.lessons("Test", model.reader_.series, "float64")
        outputs = model.network_.predict(lessons)
        expected = model.task_.score(outputs, lessons.target, lessons.weight)
        assert_allclose(model.validation_scores_[-1], expected)

    @pytest.mark.parametrize(
        ("data", "error", "message"),
        [
            ([1.0], ValueError, "validation_data: series 0 is too short"),
            (
                {"y": [1.0, 2.0], "future_covariates": [1, 2]},
                ValueError,
                "validation_data: future_",
            ),
            ({"X": [1.0, 2.0]}, ValueError, "validation_data has the entry 'X', expected some of"),
            ({"start": 3}, ValueError, "validation_data has no entry 'y'"),
            ({"y": [1.0, 2.0], "start": 2}, ValueError, "there is no step to score from start=2"),
            ({"y": [1.0, 2.0], "start": 1.0}, TypeError, "start must be a whole number, got 1.0"),
            ({"y": [1.0, 2.0], "sample_weight": [1, 2]}, ValueError, "sample_weight has 2 entries"),
        ],
    )
    def test_refusals(self, data, error, message):
        model = small().fit(drifting())
        expected = model.predict(2)[0]
        with pytest.raises(error, match=message):
            model.fit(drifting(), validation_data=data)
        assert_array_equal(model.predict(2)[0], expected)


class TestMemory:
    HORIZON = 500

    def wide(self, **params):
        return small(strategy="direct", horizon=self.HORIZON, dtype="float32", **params)

    @pytest.mark.parametrize("early_stopping", [False, True])
    def test_the_targets_of_long_horizons_are_counted(self, early_stopping):
        series = [np.arange(1100.0) + np.sin(np.arange(1100)) for _ in range(4)]
        model = self.wide(early_stopping=early_stopping, max_iter=1)
        model.fit([item[:600] for item in series])  # imports what it needs
        tracemalloc.start()
        model.fit(series)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.9 * taken <= model.estimate_memory(series) <= 1.15 * taken

    def test_an_estimate_takes_no_memory(self):
        series = np.arange(100_000.0)
        model = self.wide()
        model.estimate_memory(series[:600])
        tracemalloc.start()
        needed = model.estimate_memory(series)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert needed > 4 * len(series) * self.HORIZON
        assert taken < 0.05 * needed

    def test_refusals(self, monkeypatch):
        model = self.wide(max_iter=1).fit(np.arange(600.0))
        series = np.arange(40_000.0)
        monkeypatch.setattr("fastrnn.memory.available_memory", lambda: 70 * 2**20)
        with pytest.raises(MemoryError, match="Training needs about"):
            model.fit(series)
        with pytest.raises(MemoryError, match="Validation needs about"):
            model.fit(np.arange(600.0), validation_data=series)
        many = [np.arange(3000.0)] * 3000
        with pytest.raises(MemoryError, match="Prediction needs about"):
            model.predict(2, many)
        with pytest.raises(MemoryError, match="Prediction needs about"):
            model.backtest(series, 2)
        with pytest.raises(MemoryError, match="Prediction needs about"):
            model.hidden_states(series)
        assert model.predict(2).shape == model.predict(2, series[:1000]).shape == (2,)

    def test_what_prediction_takes(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            "fastrnn.estimators.forecasting.refuse_if_too_large",
            lambda needed, work: asked.append(needed),
        )
        series = [np.arange(3000.0)] * 70
        covariates = [np.ones((3004, 3)) for _ in range(70)]
        model = small(**DIRECT, max_iter=1)
        model.fit(series[0][:50], future_covariates=covariates[0][:54])
        model.predict(4)
        tracemalloc.start()
        model.predict(4, series, future_covariates=covariates)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.85 * taken <= asked[-1] <= 1.15 * taken


class TestBacktest:
    def test_the_table_by_hand(self):
        series = drifting()
        model = small(seasonality=4, **DIRECT).fit(series)
        table = model.backtest(series, 3, 5, start=12)
        rows = [(i, n) for i in range(3) for n in range(12, len(series[i]) - 2, 5)]
        assert_array_equal(np.transpose([table["series"], table["origin"]]), rows)
        for row, (i, origin) in enumerate(rows):
            history, truth = series[i][:origin], series[i][origin : origin + 3]
            naive = seasonal_naive(history, 3, 4)
            for prefix, forecast in (("", model.predict(3, history)), ("naive_", naive)):
                assert_allclose(table[prefix + "mae"][row], mae(truth, forecast), rtol=1e-9)
                assert_allclose(table[prefix + "smape"][row], smape(truth, forecast), rtol=1e-9)
                expected = mase(truth, forecast, history, 4)
                assert_allclose(table[prefix + "mase"][row], expected, rtol=1e-9)
        assert list(table)[:2] == ["series", "origin"] and len(table) == 8

    def test_origins(self):
        model = small().fit(drifting())
        series = drifting()[0]
        assert_array_equal(model.backtest(series, 5)["origin"], np.arange(2, 26))
        assert_array_equal(model.backtest(series, 5, 10)["origin"], [2, 12, 22])
        model = small(seasonality=7).fit(drifting())
        assert_array_equal(model.backtest(series, 10, 7)["origin"], [7, 14])

    def test_covariates(self):
        series, rng = drifting(), np.random.default_rng(0)
        future = [rng.random((len(item) + 4, 2)) for item in series]
        past = [rng.random(len(item)) for item in series]
        model = small(**DIRECT).fit(series, future_covariates=future, past_covariates=past)
        table = model.backtest(
            series, 4, 9, start=9, future_covariates=future, past_covariates=past
        )
        forecast = model.predict(
            4, series[0][:18], future_covariates=future[0], past_covariates=past[0][:18]
        )
        assert_allclose(table["mae"][1], mae(series[0][18:22], forecast), rtol=1e-9)

    def test_refusals(self):
        model = small().fit(drifting())
        with pytest.raises(ValueError, match=r"series 1 is too short: it has 5 steps, .* of 4"):
            model.backtest([np.arange(9.0), np.arange(5.0)], 4)
        with pytest.raises(ValueError, match="series 0 is too short"):
            model.backtest(np.arange(9.0), 4, start=6)
        with pytest.raises(ValueError, match="start must be at least 1"):
            model.backtest(np.arange(9.0), 4, start=0)
        with pytest.raises(ValueError, match="series 0 is too short"):
            model.backtest(np.arange(9.0), 4, start=1)
        with pytest.raises(ValueError, match="step must be at least 1"):
            model.backtest(np.arange(9.0), 4, 0)
        with pytest.raises(ValueError, match="horizon must be at least 1"):
            model.backtest(np.arange(9.0), 0)


class TestScore:
    def test_by_hand(self):
        series = drifting()
        model = small(seasonality=4).fit([item[:-5] for item in series])
        truth = [item[-5:] for item in series]
        forecasts = model.predict(5)
        errors = [
            mase(y, forecast, item[:-5], 4)
            for y, forecast, item in zip(truth, forecasts, series, strict=True)
        ]
        assert_allclose(model.score(truth), -np.mean(errors))
        truth[1] = truth[1][:3]
        errors[1] = mase(truth[1], forecasts[1][:3], series[1][:-5], 4)
        assert_allclose(model.score(truth), -np.mean(errors))
        single = small().fit(series[0][:-5])
        expected = mase(truth[0], single.predict(5), series[0][:-5], 1)
        assert_allclose(single.score(truth[0]), -expected)

    def test_series_without_a_scale_are_left_out(self):
        series = drifting()[:1]
        model = small().fit([*series, np.ones(9)])
        expected = -mase(np.ones(2), model.predict(2)[0], series[0], 1)
        assert_allclose(model.score([[1.0, 1.0], [1.0, 2.0]]), expected)
        assert np.isnan(small().fit(np.ones(9)).score([1.0, 2.0]))

    def test_refusals(self):
        model = small().fit(drifting())
        with pytest.raises(ValueError, match="y has 1 series, but the model was fitted on 3"):
            model.score([[1.0, 2.0]])
        with pytest.raises(ValueError, match=r"y of series 1 has no value \(NaN\) at step 0"):
            model.score([[1.0], [np.nan], [1.0]])


class TestRefusals:
    @pytest.mark.parametrize("method", ["predict", "predict_quantiles"])
    def test_horizon(self, method):
        model = small(quantiles=(0.1, 0.5, 0.9), **DIRECT).fit(drifting())
        for horizon in (0, -3):
            with pytest.raises(ValueError, match=f"horizon must be at least 1, got {horizon}"):
                getattr(model, method)(horizon)
        for horizon in (2.0, "3", None, True):
            with pytest.raises(TypeError, match="horizon must be a whole number"):
                getattr(model, method)(horizon)
        with pytest.raises(ValueError, match="horizon is 5, but the model was fitted to forecast"):
            getattr(model, method)(5)

    def test_not_fitted(self):
        for call in (
            lambda model: model.predict(3), lambda model: model.predict_quantiles(3),
            lambda model: model.backtest([1.0, 2.0], 1), lambda model: model.score([1.0]),
        ):  # fmt: skip
            with pytest.raises(NotFittedError):
                call(small())

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            (
                {"bidirectional": True},
                "bidirectional must be False, since a forecast may not read from the end",
            ),
            ({"embedding_dim": 3}, "embedding_dim=3 has no effect: it is for covariates"),
            ({"categorical_features": "all"}, "categorical_features='all' has no effect"),
            ({"categorical_features": [0]}, "has the column 0, but the table of covariates has"),
            ({"strategy": "both"}, "strategy must be one of 'recursive', 'direct'"),
            ({"horizon": 0}, "horizon must be a whole number >= 1"),
            ({"scaling": "max"}, "scaling must be one of 'difference', 'standard', 'level'"),
            ({"seasonality": 1}, "seasonality must be a whole number >= 2"),
            ({"missing": "drop"}, "missing must be one of 'error', 'mask'"),
            ({"window": 1}, "window must be a whole number >= 2"),
            ({"early_stopping": True, "validation_fraction": 0.99}, "leaves no step to train on"),
        ],
        ids=str,
    )
    def test_parameters(self, params, message):
        with pytest.raises(ValueError, match=message):
            small(**params).fit(drifting())

    @pytest.mark.parametrize(
        ("series", "error", "message"),
        [
            ([], ValueError, "there is no series"),
            (None, TypeError, "series is None"),
            ([[1.0, 2.0], [1.0]], ValueError, "series 1 is too short: it has 1 steps"),
            ([[1.0, 2.0], []], ValueError, "series 1 is too short: it has 0 steps"),
            ([[1.0, 2.0], [1.0, np.inf]], ValueError, "series 1 is inf at step 1"),
            ([[1.0, 2.0], ["a", "b"]], TypeError, "series 1 must be numbers"),
            ([[1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]], ValueError, r"series 1 has shape \(2, 2\)"),
            ([[1.0, 2.0], 3.0], TypeError, "the list holds both numbers and series"),
            (np.zeros((2, 3, 4)), ValueError, r"got shape \(2, 3, 4\)"),
            ([1.0 + 2j, 1.0], TypeError, "series 0 must be numbers"),
        ],
    )
    def test_series(self, series, error, message):
        with pytest.raises(error, match=message):
            small().fit(series)

    def test_log_of_what_has_none(self):
        with pytest.raises(ValueError, match=r"series 1 is 0.0 at step 2, but log=True needs"):
            small(log=True).fit([[1.0, 2.0], [3.0, 1.0, 0.0]])

    def test_too_few_observed(self):
        with pytest.raises(ValueError, match=r"series 1 is too short: it has 1 values that are"):
            small(missing="mask").fit([[1.0, 2.0], [np.nan, 1.0, np.nan]])

    def test_covariates_in_fit(self):
        series = drifting()

        def fit(**covariates):
            small(**DIRECT).fit(series, **covariates)

        good = [np.ones((len(item), 2)) * np.arange(len(item))[:, None] for item in series]
        for kind in ("future_covariates", "past_covariates"):
            with pytest.raises(ValueError, match=f"{kind} has 2 entries, expected one for each of"):
                fit(**{kind: good[:2]})
            with pytest.raises(ValueError, match=f"{kind} of series 1 have 1 columns, expected 2"):
                fit(**{kind: [good[0], good[1][:, 0], good[2]]})
            with pytest.raises(ValueError, match=f"{kind} of series 0 have nan at step 2 of col"):
                bad = good[0].copy()
                bad[2, 1] = np.nan
                fit(**{kind: [bad, *good[1:]]})
            with pytest.raises(TypeError, match=f"{kind} of series 2 must be numbers"):
                fit(**{kind: [*good[:2], np.full((26, 2), "x")]})
        with pytest.raises(ValueError, match=r"series 2 end too early: .* 25 .* expected 26"):
            fit(future_covariates=[*good[:2], good[2][:-1]])
        for n in (25, 27):
            with pytest.raises(ValueError, match=f"series 2 have {n} steps, expected 26"):
                fit(past_covariates=[*good[:2], np.ones((n, 2))])
        with pytest.raises(ValueError, match="past_covariates are not known"):
            small().fit(series, past_covariates=good)

    def test_covariates_in_predict(self):
        series = drifting()
        long = [np.random.default_rng(0).random((len(item) + 4, 2)) for item in series]
        model = small(**DIRECT).fit(series, future_covariates=long)
        assert len(model.predict(4)) == 3
        short = [*long[:1], long[1][:-1], long[2]]
        message = "series 1 end too early: they have 44 steps, expected 45 for the 41"
        for known in (None, series):
            with pytest.raises(ValueError, match=message):
                model.predict(4, known, future_covariates=short)
            assert len(model.predict(3, known, future_covariates=short)) == 3
        with pytest.raises(ValueError, match="future_covariates have 0 columns, but the model was"):
            model.predict(4, series)
        with pytest.raises(ValueError, match="future_covariates have 1 columns, but the model was"):
            model.predict(4, future_covariates=[item[:, 0] for item in long])
        with pytest.raises(ValueError, match="future_covariates have 0 columns, but the model was"):
            model.partial_fit(series)
        with pytest.raises(ValueError, match="past_covariates need series"):
            model.predict(4, past_covariates=series)
        plain = small(**DIRECT).fit(series)
        with pytest.raises(ValueError, match="but the model was fitted without"):
            plain.predict(4, future_covariates=long)
        with pytest.raises(ValueError, match="future_covariates have 2 columns, but the model was"):
            plain.predict(4, series, future_covariates=long)


@pytest.fixture(params=["pandas", "polars"])
def frame_of(request):
    """Return a maker of data frames from columns."""
    return pytest.importorskip(request.param).DataFrame


class TestFrames:
    def columns(self, begin=0, ahead=0):
        """Return the columns of a frame whose series "b", "a" and "c" come a row each in turn."""
        series = drifting()
        rows = [
            (name, t)
            for t in range(begin, 41 + ahead)
            for name, item in zip("bac", series, strict=True)
            if t < len(item) + ahead and t >= (len(item) if begin else 0)
        ]
        return rows, {
            "id": [name for name, _ in rows],
            "time": [datetime(2020, 1, 1) + timedelta(t) for _, t in rows],
            "value": [
                series["bac".index(name)][t] if t < len(series["bac".index(name)]) else 0.0
                for name, t in rows
            ],
            "open": [t % 7 < 5 for _, t in rows],
            "heat": [float(np.sin(t)) for _, t in rows],
        }

    def covariates(self, ahead):
        return [
            np.array([[t % 7 < 5, np.sin(t)] for t in range(len(item) + ahead)])
            for item in drifting()
        ]

    def test_as_arrays(self, frame_of):
        _, columns = self.columns()
        model = small().fit(frame_of(columns))
        expected = small().fit(drifting())
        assert_array_equal(model.network_.theta, expected.network_.theta)
        for known in (None, frame_of(columns)):
            for one, other in zip(model.predict(4, known), expected.predict(4), strict=True):
                assert_array_equal(one, other)
        table = model.backtest(frame_of(columns), 4, 20)
        assert_array_equal(table["series"], list("bbaacc"))

    def test_covariates(self, frame_of):
        _, columns = self.columns()
        model = small(**DIRECT).fit(
            frame_of(columns), future_covariates=["open", "heat"], past_covariates=["heat"]
        )
        covariates = self.covariates(4)
        later = self.columns(26, ahead=4)[1]
        forecasts = model.predict(4, future_covariates=frame_of(later))
        whole = self.columns(ahead=4)[1]  # rows that are known already are not read again
        again = model.predict(4, frame_of(columns), future_covariates=frame_of(whole))
        known = [item[:-4] for item in covariates]
        expected = small(**DIRECT).fit(
            drifting(), future_covariates=known, past_covariates=[item[:, 1] for item in known]
        )
        wanted = expected.predict(4, future_covariates=covariates)
        for one, two, three in zip(forecasts, again, wanted, strict=True):
            assert_array_equal(one, two)
            assert_array_equal(one, three)
        with pytest.raises(ValueError, match="future_covariates of series 'b' end too early"):
            model.predict(4)
        with pytest.raises(ValueError, match="future_covariates of series 'a' end too early"):
            short = {name: values[:-1] for name, values in later.items()}
            model.predict(4, future_covariates=frame_of(short))
        with pytest.raises(ValueError, match="future_covariates has the unknown series 'd'"):
            unknown = {**later, "id": ["d", *later["id"][1:]]}
            model.predict(4, future_covariates=frame_of(unknown))
        with pytest.raises(TypeError, match="future_covariates must be a data frame"):
            model.predict(4, future_covariates=covariates)
        with pytest.raises(TypeError, match="series must be a data frame"):
            model.predict(4, drifting())
        with pytest.raises(TypeError, match="the model finds them in the frame"):
            model.predict(4, frame_of(columns), past_covariates=known)
        with pytest.raises(TypeError, match="the model finds them in the frame"):
            model.backtest(frame_of(columns), 4, future_covariates=known)
        with pytest.raises(TypeError, match="y must be an array, or a list of arrays, got a data"):
            model.score(frame_of(columns))

    def test_other_names_and_numbers_as_time(self, frame_of):
        rows, columns = self.columns()
        renamed = {
            "shop": columns["id"], "day": [t for _, t in rows],
            "sold": np.array(columns["value"], dtype="float32").tolist(),
        }  # fmt: skip
        model = small().fit(
            frame_of(renamed), id_column="shop", time_column="day", value_column="sold"
        )
        assert len(model.predict(2, frame_of(renamed))) == 3

    def test_gaps(self, frame_of):
        columns = {"id": [1] * 6, "time": [1, 2, 3, 4, 5, 6], "value": [1, None, 3, 2, None, 5]}
        model = small(missing="mask").fit(frame_of(columns))
        gap = np.nan
        expected = small(missing="mask").fit([[1, gap, 3, 2, gap, 5]])
        assert_array_equal(model.network_.theta, expected.network_.theta)
        with pytest.raises(ValueError, match=r"series 1 has no value \(NaN\) at step 1"):
            small().fit(frame_of(columns))

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"time": [1, 2, 2, 1, 2, 3]}, ValueError, "'x' has the time stamp 2 more than once"),
            ({"time": [1, 2, 1, 1, 2, 3]}, ValueError, "'x' has the time stamp 1 more than once"),
            (
                {"time": [1, 2, 3, 1, 3, 2]},
                ValueError,
                "'y' is not sorted by time: 2 comes",
            ),
            ({"time": [1, 2, 3, 1, 2, None]}, ValueError, "'y' has a row without time stamp"),
            ({"id": ["x", "x", "x", "y", None, "y"]}, ValueError, "row 4 of the data frame has no"),
            ({"id": ["x", "x", "x", "x2", "y", "y"]}, ValueError, "series 'x2' is too short"),
            ({"value": ["a"] * 6}, TypeError, "column 'value' must be numbers"),
            ({"value": None}, ValueError, "no column 'value', only"),
            ({"id": [], "time": [], "value": []}, ValueError, "the data frame has no rows"),
        ],
        ids=str,
    )
    def test_refusals(self, frame_of, change, error, message):
        columns = {
            "id": ["x"] * 3 + ["y"] * 3, "time": [1, 2, 3] * 2, "value": [1.0, 2.0, 4.0] * 2
        }  # fmt: skip
        columns = {name: item for name, item in {**columns, **change}.items() if item is not None}
        with pytest.raises(error, match=message):
            small().fit(frame_of(columns))

    def test_covariates_are_named(self, frame_of):
        _, columns = self.columns()
        with pytest.raises(ValueError, match="no column 'rain'"):
            small().fit(frame_of(columns), future_covariates=["rain"])
        for wrong in ("open", [1]):
            with pytest.raises(TypeError, match="future_covariates must be a list of names"):
                small().fit(frame_of(columns), future_covariates=wrong)
        columns["heat"][5] = np.nan
        with pytest.raises(ValueError, match="covariates of series 'c' have nan at step 1"):
            small().fit(frame_of(columns), future_covariates=["heat"])
        with pytest.raises(TypeError, match="future_covariates is a data frame, but the series"):
            small().fit(drifting(), future_covariates=frame_of(columns))


def test_forecasts_are_drawn():
    pytest.importorskip("matplotlib")
    from fastrnn.plotting import ForecastDisplay

    model = small(quantiles=(0.1, 0.5, 0.9), **DIRECT).fit(drifting())
    series = drifting()[0]
    display = ForecastDisplay.from_estimator(model, series, 4, levels=[0.2, 0.8])
    assert_array_equal(display.forecast, model.predict(4, series))
    assert_array_equal(display.quantiles, model.predict_quantiles(4, series, [0.2, 0.8]))


class TestSklearn:
    @pytest.fixture(autouse=True)
    def needs_sklearn(self):
        pytest.importorskip("sklearn")

    def test_clone_and_parameters(self):
        from sklearn.base import clone

        model = small(quantiles=(0.1, 0.5), log=True, **DIRECT).fit(drifting())
        copied = clone(model)
        assert copied.get_params() == model.get_params()
        assert not hasattr(copied, "network_")

    def test_grid_search_over_time(self):
        from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

        grid = {"scaling": ["difference", "level"], "cell": ["gru", "rnn"]}
        split = TimeSeriesSplit(3, test_size=6)
        series = seasonal(60)
        search = GridSearchCV(small(seasonality=12), grid, cv=split).fit(series)
        assert search.best_estimator_.predict(3).shape == (3,)
        train, test = list(split.split(series))[1]
        expected = small(seasonality=12, scaling="difference", cell="gru").fit(series[train])
        score = search.cv_results_["split1_test_score"]
        first = [
            params["scaling"] == "difference" and params["cell"] == "gru"
            for params in search.cv_results_["params"]
        ].index(True)
        assert_allclose(score[first], expected.score(series[test]), rtol=1e-12)

    def test_scoring_monitor_is_refused_in_words(self):
        callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
        model = small().set_callbacks(callback.ScoringMonitor(scoring=None))
        with pytest.raises(TypeError, match=r"ScoringMonitor does not suit RNNForecaster: .*valid"):
            model.fit(drifting())
        assert not hasattr(model, "network_")

    def test_other_callbacks_see_every_epoch(self):
        pytest.importorskip("sklearn.callback", exc_type=ImportError)
        forecasts, series = [], drifting()

        class Recorder:
            def setup(self, estimator, context):
                pass

            def teardown(self, estimator, context):
                pass

            def on_fit_task_begin(self, estimator, context):
                pass

            def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
                if context.task_name == "epoch":
                    assert X is series and y is None
                    forecasts.append(fitted_estimator.predict(2))

        model = small().set_callbacks(Recorder()).fit(series)
        assert len(forecasts) == 3
        assert_array_equal(forecasts[-1], model.predict(2))
