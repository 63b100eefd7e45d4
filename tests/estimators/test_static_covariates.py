"""What does not change within a series: what RNNForecaster reads of it, and what it refuses."""

import numpy as np
import pytest
from contract import plain_forecaster
from forecaster_cases import DIRECT, drifting, small
from numpy.testing import assert_allclose, assert_array_equal

import fastrnn

pandas = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

LENGTHS = (30, 41, 26)
SIZES = np.array([[10.0], [40.0], [70.0]])
CASES = [{}, DIRECT]
FUTURE = [np.sin(np.arange(n + 4.0)) for n in LENGTHS]


def lessons_of(model):
    """Return what the network reads of the series of fit."""
    return model.reader_.lessons("Test", model.reader_.series, "float64")


def frame(ahead=0, **columns):
    """Return a long frame of the series, with a region and a size of each."""
    parts = []
    for key, values, size in zip("abc", drifting(), SIZES[:, 0], strict=True):
        n = len(values) + ahead
        days = pandas.date_range("2024-01-01", periods=n)
        padded = np.append(values, np.zeros(ahead))
        region = "north" if size > 20 else "south"
        parts.append(
            pandas.DataFrame(
                {"id": key, "time": days, "value": padded, "size": size, "region": region}
            )
        )
        parts[-1]["wave"] = np.sin(np.arange(n))
    return pandas.concat(parts, ignore_index=True).assign(**columns)


class TestWhatIsRead:
    @pytest.mark.parametrize("params", CASES)
    def test_numbers_are_scaled_over_series(self, params):
        model = small(**params).fit(drifting(), static_covariates=SIZES)
        assert_allclose(model.covariate_mean_, [40])  # not the mean of all steps
        assert_allclose(model.covariate_scale_, SIZES.std())
        expected = np.repeat((SIZES[:, 0] - 40) / SIZES.std(), LENGTHS)
        assert_allclose(lessons_of(model).values[:, 1:], expected[:, np.newaxis], rtol=1e-12)
        assert model.n_features_in_ == 2

    @pytest.mark.parametrize("params", CASES)
    def test_beside_others(self, params):
        table = np.column_stack([SIZES, [2, 0, 1]])
        options = {**params, "categorical_features": [2], "embedding_dim": 3}
        model = small(**options).fit(drifting(), future_covariates=FUTURE, static_covariates=table)
        plain = small(**params).fit(drifting(), future_covariates=FUTURE)
        lessons = lessons_of(model)
        assert_array_equal(np.unique(lessons.ids), [0, 1, 2])
        assert_array_equal(lessons.ids[:, 0], np.repeat([2, 0, 1], LENGTHS))
        assert model.n_categories_ == (3,)
        waves = lessons_of(plain).values
        static = ((SIZES - 40) / SIZES.std())[lessons.number[0]]
        both = np.hstack([waves[:, 1:], np.repeat((SIZES - 40) / SIZES.std(), LENGTHS, axis=0)])
        assert static.shape == (1,)
        order = [0, 1] if not params else [4, 0, 1, 2, 3]
        assert_allclose(lessons.values[:, 1:], both[:, order], rtol=1e-12)
        forecasts = model.predict(3)
        others = model.predict(3, drifting(), future_covariates=FUTURE, static_covariates=table)
        again = model.predict(3, future_covariates=FUTURE)
        for one, other, third in zip(forecasts, others, again, strict=True):
            assert_array_equal(one, other)
            assert_array_equal(one, third)
        changed = model.predict(
            3, drifting(), future_covariates=FUTURE, static_covariates=table[[1, 0, 2]]
        )
        assert not np.allclose(changed[0], forecasts[0], rtol=1e-6)
        assert_array_equal(changed[2], forecasts[2])

    def test_recursive_is_feeding_back(self):
        series = drifting()[0]
        model = small(scaling=None, log=True).fit(drifting(), static_covariates=SIZES)
        grown = series
        for _ in range(4):
            grown = np.append(grown, model.predict(1, grown, static_covariates=[10.0]))
        assert_allclose(model.predict(4)[0], grown[30:], rtol=1e-12)

    @pytest.mark.parametrize("params", CASES)
    def test_with_dates(self, params):
        model = small(**params, calendar_features=("weekday",), categorical_features=["region"])
        names = {"future_covariates": ["wave"], "static_covariates": ["size", "region"]}
        model.fit(frame(), **names)
        later = frame(4).groupby("id").tail(4)[["id", "time", "wave"]]
        forecasts = model.predict(4, future_covariates=later)
        again = model.predict(4, frame(), future_covariates=later)
        assert_array_equal(forecasts["value"], again["value"])
        assert model.n_features_in_ == 4
        assert model.n_categories_ == (2,)
        table = model.backtest(frame(), 3, 10)
        assert list(table["series"].unique()) == ["a", "b", "c"]


class TestForms:
    @pytest.mark.parametrize("params", CASES)
    def test_frames_are_as_arrays(self, params):
        table = [[size, "north" if size > 20 else "south"] for size in SIZES[:, 0]]
        options = {**params, "embedding_dim": 2}
        by_name = small(**options, categorical_features=["region"])
        by_name.fit(frame(), static_covariates=["size", "region"])
        by_number = small(**options, categorical_features=[1])
        by_number.fit(drifting(), static_covariates=table)
        of_frame = small(**options, categorical_features="from_dtype")
        of_frame.fit(drifting(), static_covariates=pandas.DataFrame(table))
        expected = np.concatenate(by_number.predict(3))
        assert_array_equal(by_name.predict(3)["value"], expected)
        assert_array_equal(by_name.predict(3, frame())["value"], expected)
        for model in (by_number, of_frame):
            others = model.predict(3, drifting(), static_covariates=table)
            assert_array_equal(np.concatenate(others), expected)

    def test_rows_that_are_missing(self):
        full = frame()
        model = small(missing="mask").fit(full.drop(index=[4, 5]), static_covariates=["size"])
        read = lessons_of(model).values
        assert_array_equal(np.flatnonzero(read[:, 1]), [4, 5])
        assert_array_equal(read[:, 2], np.repeat((SIZES[:, 0] - 40) / SIZES.std(), LENGTHS))

    def test_one_series(self):
        model = small().fit(drifting()[0], static_covariates=[3.0, 5.0])
        assert_array_equal(lessons_of(model).values[:, 1:], np.zeros((30, 2)))
        assert model.predict(2, drifting()[0], static_covariates=[4.0, 5.0]).shape == (2,)

    def test_what_a_level_depends_on_is_learned(self):  # of noisy series, whose ends tell little
        levels = np.array([3.0, -1.0, 4.0, 0.0])
        rng = np.random.default_rng(0)
        series = [levels[i % 4] + 2 * rng.standard_normal(30) for i in range(24)]
        kinds = np.arange(24) % 4
        model = plain_forecaster(
            8, cell="gru", scaling=None, embedding_dim=3, categorical_features=[0],
            learning_rate="cosine", learning_rate_init=0.03, max_iter=40, random_state=0,
        )  # fmt: skip
        model.fit(series, static_covariates=kinds)
        start = [np.array([1.5, 1.5])] * 4  # says nothing
        forecasts = np.array(model.predict(1, start, static_covariates=np.arange(4)))[:, 0]
        assert np.abs(forecasts - levels).max() < 1.5  # 2.5 without


class TestElsewhere:
    @pytest.mark.parametrize("params", CASES)
    def test_files(self, params, tmp_path):
        model = small(**params, categorical_features=["region"])
        model.fit(frame(), static_covariates=["region", "size"])
        model.save(tmp_path / "model")
        again = fastrnn.load(tmp_path / "model")
        expected = model.predict(3)["value"]
        assert_array_equal(again.predict(3)["value"], expected)
        assert_array_equal(again.predict(3, frame())["value"], expected)
        again.partial_fit(frame(), static_covariates=["region", "size"])

    @pytest.mark.parametrize("params", CASES)
    def test_streams_and_states(self, params):
        model = small(**params, scaling=None).fit(drifting(), static_covariates=SIZES)
        stream = model.stream()
        said = stream.step(np.column_stack([[100.0, 90.0, 80.0], SIZES]))
        grown = [
            np.append(item, value)
            for item, value in zip(drifting(), (100.0, 90.0, 80.0), strict=True)
        ]
        expected = model.predict(said.shape[1], grown, static_covariates=SIZES)
        assert_allclose(said, expected, rtol=1e-10)
        assert model.transform(drifting(), static_covariates=SIZES).shape == (3, 5)
        assert model.estimate_memory(drifting(), static_covariates=SIZES) > 0

    def test_calibration_and_validation(self):
        given = {"y": drifting(), "static_covariates": SIZES, "start": -3}
        model = small(**DIRECT, quantiles=(0.1, 0.5, 0.9), calibrate="cv", early_stopping=True)
        model.fit(drifting(), static_covariates=SIZES, validation_data=given)
        assert model.predict_quantiles(4)[0].shape == (4, 3)


class TestRefusals:
    def test_a_column_that_changes(self):
        changed = frame()
        changed.loc[32:, "region"] = "west"
        message = "column 'region' is one of static_covariates, but changes within series 'b': it "
        with pytest.raises(ValueError, match=f"{message}is 'north' at its first row, and 'west'"):
            small(categorical_features=["region"]).fit(changed, static_covariates=["region"])
        with pytest.raises(ValueError, match="at row 2 after it"):
            small(categorical_features=["region"]).fit(changed, static_covariates=["region"])

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (SIZES[:2], "static_covariates has 2 rows, expected one for each of 3 series"),
            ([[1], [np.nan], [2]], "static_covariates of series 1 have no value in column 0"),
            ([["a"], [None], ["b"]], "static_covariates of series 1 have no value in column 0"),
            ([[1], [np.inf], [2]], "static_covariates of series 1 have inf"),
            ([[1, 2], [1], [2]], "must be a table with a row of numbers or text"),
        ],
    )
    def test_tables(self, table, message):
        with pytest.raises(ValueError, match=message):
            small().fit(drifting(), static_covariates=table)

    def test_text_that_is_not_chosen(self):
        with pytest.raises(TypeError, match="column 0 holds categories, expected numbers"):
            small().fit(drifting(), static_covariates=list("abc"))
        with pytest.raises(TypeError, match="column 0 of static_covariates must be numbers"):
            small().fit(drifting(), static_covariates=[["a"], [1], ["b"]])

    def test_unknown_categories(self):
        model = small(categorical_features=[0]).fit(drifting(), static_covariates=list("aba"))
        message = "series 2 have 'd' in column 0, expected one of the categories of fit: 'a', 'b'"
        with pytest.raises(ValueError, match=message):
            model.predict(2, drifting(), static_covariates=["a", "b", "d"])
        ids = small(categorical_features=[0]).fit(drifting(), static_covariates=[0, 1, 0])
        with pytest.raises(ValueError, match="static_covariates of series 1 have the id 2"):
            ids.predict(2, drifting(), static_covariates=[0, 2, 0])

    def test_other_series(self):
        model = small().fit(drifting(), static_covariates=SIZES)
        with pytest.raises(ValueError, match="fitted with static_covariates: give those"):
            model.predict(2, drifting())
        with pytest.raises(ValueError, match="have 2 columns, but the model was fitted with 1"):
            model.predict(2, drifting(), static_covariates=np.ones((3, 2)))
        with pytest.raises(ValueError, match="static_covariates need series"):
            model.predict(2, static_covariates=SIZES)
        with pytest.raises(ValueError, match="have 1 columns, but the model was fitted with 0"):
            small().fit(drifting()).predict(2, drifting(), static_covariates=SIZES)
        with pytest.raises(ValueError, match="no place for static_covariates"):
            small().fit(
                pandas.DataFrame({"a": np.arange(9.0)}), layout="wide", static_covariates=["a"]
            )
