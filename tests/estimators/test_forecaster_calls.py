"""RNNForecaster: forms of series, validation, memory, backtests, scores, and what it refuses."""

import tracemalloc

import numpy as np
import pytest
from forecaster_cases import DIRECT, drifting, seasonal, small
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.estimators import plan
from fastrnn.estimators.forecast_errors import mae, mase, seasonal_naive, smape
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.inputs.scaling import learn_scale

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


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
        assert len(model.input_gradients(series, output=0)) == 3
        assert len(model.gradient_flow(series, None).norms) == 3
        with pytest.raises(ValueError, match="y must be None"):
            model.gradient_flow(series, [1, 2, 3])
        assert model.estimate_memory(series) > 0

    def test_more_series_later(self):
        series = drifting()
        model = small().fit(series)
        model.partial_fit(series[0])
        assert model.predict(2).shape == (2,)


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
        monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 70 * 2**20)
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

    def test_a_flat_forecast_is_noticed(self):
        moving = drifting()
        model = small(scaling="standard").fit(moving)
        model.network_.theta[:] = 0
        with pytest.warns(UserWarning, match=r"vary by 0 of what the series do.*give seasonality"):
            model.backtest(moving, 3)
        model.backtest(moving, 1)  # a single step does not move
        model.backtest([np.ones(9), np.ones(9)], 3)  # nor do these
        model = small(seasonality=12).fit(seasonal(60))
        model.network_.theta[:] = 0
        model.backtest(seasonal(60), 3, start=36)  # the pattern moves

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


class TestBeyondTheHorizon:
    """A direct model that is asked for more steps than it forecasts at once."""

    @pytest.mark.parametrize(
        "params",
        [
            {"scaling": None},
            {"scaling": "difference"},
            {"scaling": "standard", "scale_feature": True},
            {"seasonality": 4, "log": True, "lags": "auto"},
            {"missing": "mask", "quantiles": (0.1, 0.5, 0.9), "lags": 3},
            {"scaling": "level", "lags": 40},
            {"likelihood": "student_t"},
        ],
    )
    @pytest.mark.parametrize("with_future", [False, True])
    def test_points_are_fed_back(self, monkeypatch, params, with_future):
        # As scaled as the series without what was forecast.
        monkeypatch.setattr(
            plan, "learn_scale", lambda values, *rest: learn_scale(values[:30], *rest)
        )
        series = list(drifting()[0])
        future = {"future_covariates": np.sin(np.arange(42.0))} if with_future else {}
        model = small(**DIRECT, **params).fit(series, **future)
        longer = list(series)
        for _ in range(3):
            longer += model.predict(4, longer, **future).tolist()
        assert_allclose(model.predict(10, series, **future), longer[30:40], rtol=1e-9)
        assert_allclose(model.predict(12, series, **future), longer[30:], rtol=1e-9)

    def test_scores_and_backtests_may_be_as_long(self):
        model = small(**DIRECT).fit(drifting())
        assert np.isfinite(model.score([np.arange(9.0)] * 3))
        assert len(model.backtest(drifting(), 9, start=15)) > 3

    def test_how_far_off_they_may_be_is_not_told(self):
        model = small(quantiles=(0.1, 0.5, 0.9), **DIRECT).fit(drifting())
        with pytest.raises(ValueError, match="horizon is 5, but the model was fitted to forecast"):
            model.predict_quantiles(5)
        model = small(likelihood="student_t", **DIRECT).fit(drifting())
        for method in (model.predict_quantiles, model.predict_samples):
            with pytest.raises(ValueError, match="how far off they may be: fit it with horizon=5"):
                method(5)

    def test_what_is_known_of_the_past_alone_ends_there(self):
        series = drifting()
        past = [np.arange(len(one), dtype=float) for one in series]
        model = small(**DIRECT).fit(series, past_covariates=past)
        with pytest.raises(ValueError, match="do not tell what is known of the past alone"):
            model.predict(5)


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
