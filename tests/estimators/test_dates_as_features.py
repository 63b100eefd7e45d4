"""RNNForecaster told of dates: what the network reads of steps past and to come, and refusals."""

import warnings

import numpy as np
import pytest
from contract import plain_forecaster
from forecaster_cases import DIRECT, small
from numpy.testing import assert_allclose, assert_array_equal

import fastrnn
from fastrnn.inputs.calendar_features import CalendarFeatures

pandas = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

HOLIDAYS = {"feast": ["2023-12-25", "2024-01-01"], "sale": ["2024-01-03", "2024-01-04"]}
DATES = {"calendar_features": ("weekday", "day"), "holidays": HOLIDAYS}
RNG = np.random.default_rng(0)
LENGTHS = (24, 31)


def daily(n=24, begin="2023-12-08", **options):
    """Return a series of days, the last of them shortly before the year ends."""
    return pandas.Series(
        10 + np.random.default_rng(n).normal(size=n).cumsum(),
        index=pandas.date_range(begin, periods=n, **options),
    )


def frame(ahead=0):
    """Return two series of unequal length that end at the end of the year, with a covariate."""
    parts = []
    for key, n in zip("ab", LENGTHS, strict=True):
        stamps = pandas.date_range(end="2023-12-31", periods=n)
        stamps = pandas.date_range(stamps[0], periods=n + ahead)
        values = np.append(daily(n).to_numpy(), np.zeros(ahead))
        promo = np.arange(n + ahead) % 3.0
        kind = (np.arange(n + ahead) % 5).astype(float)
        parts.append(
            pandas.DataFrame(
                {"id": key, "time": stamps, "value": values, "promo": promo, "kind": kind}
            )
        )
    return pandas.concat(parts)


def features_of(stamps, zone=None, **params):
    """Return what the network is told of stamps of pandas."""
    params = params or DATES
    features = CalendarFeatures.of(params.get("calendar_features"), params.get("holidays"))
    moments = pandas.DatetimeIndex(stamps).tz_localize(None) if zone is None else stamps
    return features.columns(np.asarray(moments, "M8[us]"), zone)


def lessons_of(model):
    """Return what the network reads of the series of fit."""
    return model.reader_.lessons("Test", model.reader_.series, "float64")


class TestWhatIsRead:
    def test_recursive(self):
        series = daily()
        model = small(**DATES).fit(series)
        expected = features_of(pandas.date_range(series.index[1], periods=24))
        assert_allclose(lessons_of(model).values[:, 1:], expected, rtol=1e-12)
        assert expected[-1, -2:].tolist() == [1, 0]  # the first day of the year, which is to come
        assert model.n_features_in_ == 1
        assert_array_equal(model.covariate_mean_, np.zeros(6))
        assert_array_equal(model.covariate_scale_, np.ones(6))

    def test_direct_also_beyond_the_end(self):
        series = daily()
        read = lessons_of(small(**DIRECT, **DATES).fit(series)).values
        for t in (0, 22, 23):
            stamps = pandas.date_range(series.index[t], periods=5)[1:]
            assert_allclose(read[t, 1:], features_of(stamps).ravel(), rtol=1e-12)

    def test_beside_other_covariates(self):
        params = {**DIRECT, **DATES, "categorical_features": [1, 2]}
        names = {"future_covariates": ["promo", "kind"], "past_covariates": ["kind"]}
        model = small(**params).fit(frame(), **names)
        assert model.n_features_in_ == 4
        assert model.n_categories_ == (5, 5)
        assert model.covariate_mean_.shape == (2 + 6 + 1,)
        lessons, plain = lessons_of(model), small(**params).fit(frame(), **names)
        other = small(**{**params, "calendar_features": None, "holidays": None})
        other = lessons_of(other.fit(frame(), **names))
        assert_array_equal(lessons.ids, other.ids)
        block = lessons.values[:, 1:].reshape(sum(LENGTHS), 4, 7)
        assert_array_equal(block[:, :, 0], other.values[:, 1:])
        stamps = pandas.date_range(end="2023-12-31", periods=31)
        assert_allclose(block[24, :, 1:], features_of(stamps[1:5]), rtol=1e-12)
        later = frame(4).groupby("id").tail(4)
        forecasts = model.predict(4, future_covariates=later)
        assert_array_equal(forecasts["value"], plain.predict(4, future_covariates=later)["value"])
        again = model.predict(4, frame(), future_covariates=later)
        assert_array_equal(forecasts["value"], again["value"])
        with pytest.raises(ValueError, match="the first that is missing has the time stamp"):
            model.predict(4)

    @pytest.mark.parametrize("freq", ["h", "15min", "B", "W-SUN", "MS", "ME", "QE", "YS"])
    def test_stamps_to_come(self, freq):
        names = ("minute", "hour", "weekday", "day", "day_of_year", "month", "quarter")
        stamps = pandas.date_range("2020-02-29", periods=28, freq=freq)
        series = pandas.Series(RNG.normal(size=24), index=stamps[:24])
        model = small(**DIRECT, calendar_features=names).fit(series)
        expected = features_of(stamps[24:], calendar_features=names)
        assert_allclose(lessons_of(model).values[-1, 1:], expected.ravel(), atol=1e-12)

    def test_zones_and_the_day_of_their_clocks(self):
        # Berlin's clocks were moved in the night to the 31st; its days begin at 23:00 of UTC.
        zone, names = "Europe/Berlin", ("hour", "weekday")
        stamps = pandas.date_range("2024-03-30T20:00", periods=28, freq="h", tz=zone)
        params = {"calendar_features": names, "holidays": ["2024-03-31"]}
        series = pandas.Series(RNG.normal(size=24), index=stamps[:24])
        model = small(**DIRECT, **params).fit(series)
        read = lessons_of(model).values[:, 1:].reshape(24, 4, 5)
        assert_allclose(read[:, 0, :], features_of(stamps[1:25], **params), atol=1e-12)
        assert read[:, 0, 4].tolist() == [float(stamp.day == 31) for stamp in stamps[1:25]]
        assert read[4, 0, 4] == 1
        assert stamps[5].hour == 1
        assert_allclose(read[4, 1, :2], features_of(stamps[6:7], **params)[0, :2], atol=1e-12)

    def test_periods(self):
        series = daily()
        by_period = series.to_period("D")
        expected = lessons_of(small(**DATES).fit(series)).values
        assert_array_equal(lessons_of(small(**DATES).fit(by_period)).values, expected)

    def test_rows_that_are_missing(self):
        full = daily()
        model = small(missing="mask", **DATES).fit(full.drop(full.index[[4, 5, 17]]))
        read = lessons_of(model).values
        assert_array_equal(np.flatnonzero(read[:, 1]), [4, 5, 17])
        assert_allclose(read[:-1, 2:], features_of(full.index[1:]), rtol=1e-12)

    def test_wide_frames(self):
        both = pandas.DataFrame({"a": daily(30), "b": daily(30).where(np.arange(30) > 5)})
        model = small(**DATES).fit(both, layout="wide")
        assert_allclose(
            lessons_of(model).values[30:, 1:],
            features_of(pandas.date_range(both.index[7], periods=24)),
            rtol=1e-12,
        )
        assert model.predict(2).shape == (2, 2)


class TestForecasts:
    def test_recursive_is_feeding_back(self):
        series = daily()
        model = small(scaling=None, **DATES).fit(series)
        grown = series
        for _ in range(4):
            grown = pandas.concat([grown, model.predict(1, grown)])
        assert_allclose(model.predict(4), grown[24:], rtol=1e-12)

    def test_a_shorter_horizon_is_the_beginning(self):
        model = small(**DIRECT, **DATES).fit(frame())
        four, two = model.predict(4), model.predict(2)
        assert_array_equal(two["value"], four["value"].to_numpy().reshape(2, 4)[:, :2].ravel())

    @pytest.mark.parametrize("params", [{}, DIRECT])
    def test_backtest_is_predict(self, params):
        series = daily(40)
        model = small(**params, **DATES).fit(series)
        table = model.backtest(series, 3, 5, start=24)
        forecast = model.predict(3, series[:29])
        assert table["mae"][1] == pytest.approx(np.abs(forecast - series[29:32]).mean())

    def test_samples_and_quantiles(self):
        model = small(likelihood="student_t", **DATES).fit(daily())
        samples = model.predict_samples(3, n_samples=2, random_state=0)
        assert samples.shape == (3, 2)
        quantiles = small(**DIRECT, quantiles=(0.1, 0.5, 0.9), calibrate="cv", **DATES)
        bands = quantiles.fit(daily(40)).predict_quantiles(4)
        assert (np.diff(bands, axis=1) >= 0).all()
        assert list(bands.index) == list(pandas.date_range("2024-01-17", periods=4))

    def test_score_and_memory(self):
        series = daily(30)
        model = small(**DATES).fit(series[:24])
        assert model.score(series[24:]) < 0
        assert model.estimate_memory(series) > small().estimate_memory(series)

    def test_validation_data(self):
        whole = daily(30)
        model = small(early_stopping=True, **DATES)
        model.fit(whole[:24], validation_data={"y": whole, "start": -6})
        assert len(model.validation_scores_) == model.n_iter_

    def test_a_level_that_depends_on_the_weekday_is_learned(self):
        days = pandas.date_range("2023-01-01", periods=220)
        rng = np.random.default_rng(0)
        levels = np.array([3.0, -1.0, 4.0, 0.0, 2.0, 7.0, -3.0])
        sales = pandas.to_datetime(["2023-03-08", "2023-08-02"])
        values = levels[days.day_of_week] + 5 * days.isin(sales)
        series = pandas.Series(values + 0.05 * rng.standard_normal(220), index=days)
        errors = {}
        for features in (None, ("weekday",)):
            model = plain_forecaster(
                12, cell="gru", scaling=None, window=20, batch_size=4, learning_rate="cosine",
                learning_rate_init=0.03, max_iter=40, random_state=0, calendar_features=features,
                holidays=features and ["2023-03-08", "2023-08-02"],
            )  # fmt: skip
            forecast = model.fit(series[:210]).predict(10)
            errors[features] = np.abs(forecast - series[210:]).mean()
        assert errors[("weekday",)] < 0.4
        assert errors[None] > 2 * errors[("weekday",)]


class TestKept:
    def test_files(self, tmp_path):
        model = small(**DIRECT, **DATES).fit(frame(), future_covariates=["promo"])
        model.save(tmp_path / "model")
        again = fastrnn.load(tmp_path / "model")
        later = frame(4).groupby("id").tail(4)
        expected = model.predict(4, future_covariates=later)["value"]
        assert_array_equal(again.predict(4, future_covariates=later)["value"], expected)
        other = again.predict(4, frame(), future_covariates=later)
        assert_array_equal(other["value"], expected)
        assert again.calendar_features == DATES["calendar_features"]
        assert again.holidays == {name: tuple(days) for name, days in HOLIDAYS.items()}
        again.partial_fit(frame(), future_covariates=["promo"])

    def test_clones(self):
        clone = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed").clone
        holidays = pandas.DatetimeIndex(HOLIDAYS["sale"])
        model = clone(small(calendar_features=("hour",), holidays=holidays))
        assert model.holidays.equals(holidays)

    def test_training_goes_on(self):
        model = small(warm_start=True, **DATES).fit(daily())
        model.fit(daily(30)).partial_fit(daily())
        model.set_params(holidays=None)
        expected = model.network_.theta.copy()
        with pytest.raises(ValueError, match="other features of dates"):
            model.partial_fit(daily())
        with pytest.raises(ValueError, match="warm_start=True goes on from the fitted model"):
            model.fit(daily())
        assert_array_equal(model.network_.theta, expected)

    def test_checkpoints(self, tmp_path):
        holidays = np.array(HOLIDAYS["feast"], "M8[D]")
        keeps = {"checkpoint": tmp_path / "kept", "resume": True}
        params = {"calendar_features": ("weekday",), "holidays": holidays}
        small(max_iter=1, **params).fit(daily(), **keeps)
        small(max_iter=2, **params).fit(daily(), **keeps)
        with pytest.raises(ValueError, match="holidays"):
            small(max_iter=2, **{**params, "holidays": holidays[:1]}).fit(daily(), **keeps)


class TestRefusals:
    @pytest.mark.parametrize(
        ("series", "params", "message"),
        [
            (daily().to_numpy(), {}, "but the series have no time stamps: give a data frame"),
            (
                pandas.Series(np.arange(9.0), index=range(3, 12)),
                {},
                "the series have time stamps that are numbers",
            ),
            (daily(), {"freq": "rows"}, "which freq='rows' does not know"),
        ],
    )
    def test_no_dates(self, series, params, message):
        with pytest.raises(ValueError, match=message):
            small(calendar_features=("hour",), **params).fit(series)

    @pytest.mark.parametrize(
        ("freq", "words"), [("MS", "1 month"), ("W-SUN", "1 week"), ("36h", "36 hours")]
    )
    def test_holidays_of_long_steps(self, freq, words):
        series = daily(freq=freq)
        with pytest.raises(ValueError, match=f"the steps of series 0 are {words} apart"):
            small(holidays=["2024-01-01"]).fit(series)
        small(calendar_features=("month",), max_iter=1).fit(series)

    def test_other_series_without_dates(self):
        model = small(**DATES).fit(daily())
        with pytest.raises(ValueError, match="but the series have no time stamps"):
            model.predict(2, daily().to_numpy())
        with pytest.raises(ValueError, match="but the model was fitted without"):
            model.predict(2, future_covariates=np.ones(40))

    def test_streams(self):
        with pytest.raises(ValueError, match="a stream is told no dates"):
            small(**DATES).fit(daily()).stream()

    def test_nothing_else_is_warned_of(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            small(max_iter=1, **DATES).partial_fit(daily())
        assert not caught

    def test_no_forecast_depends_on_how_many_are_wanted(self):
        model = small(**DIRECT, **DATES).fit(daily(60))
        longest = model.predict(12).to_numpy()
        for horizon in (2, 4, 5, 9, 11):
            assert_array_equal(model.predict(horizon).to_numpy(), longest[:horizon])
