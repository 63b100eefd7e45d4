"""RNNForecaster on data frames in long form."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from forecaster_cases import DIRECT, drifting, small
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


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
            forecasts = model.predict(4, known)
            assert type(forecasts["value"]) is type(frame_of(columns)["value"])
            assert_array_equal(forecasts["value"], np.concatenate(expected.predict(4)))
            assert_array_equal(forecasts["id"], np.repeat(list("bac"), 4))
            assert list(forecasts["time"])[::4] == [
                datetime(2020, 1, 1) + timedelta(len(item)) for item in drifting()
            ]
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
        for one in (forecasts, again):
            assert_array_equal(one["value"], np.concatenate(wanted))
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

    def test_other_names_and_numbers_as_time(self, frame_of):
        rows, columns = self.columns()
        renamed = {
            "shop": columns["id"], "day": [t for _, t in rows],
            "sold": np.array(columns["value"], dtype="float32").tolist(),
        }  # fmt: skip
        model = small().fit(
            frame_of(renamed), id_column="shop", time_column="day", value_column="sold"
        )
        forecasts = model.predict(2, frame_of(renamed))
        assert list(forecasts.columns) == ["shop", "day", "sold"]
        assert list(forecasts["day"]) == [30, 31, 41, 42, 26, 27]

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
            ({"time": [1, 2, 3, 1, 2, None]}, ValueError, r"'y' \(row 5 .* has no time stamp"),
            ({"id": ["x", "x", "x", "y", None, "y"]}, ValueError, "row 4 of the data frame has no"),
            ({"id": ["x", "x", "x", "x2", "y", "y"]}, ValueError, "series 'x2' is too short"),
            (
                {"value": ["a"] * 6},
                TypeError,
                "column 'value' must be numbers, got .*: row 0 has 'a'",
            ),
            (
                {"value": None},
                ValueError,
                "no column 'value', only .*; value_column names another, and layout='wide' reads",
            ),
            ({"time": None}, ValueError, "no column 'time', only .*; time_column names another$"),
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
        gap = frame_of(
            columns | {"open": [1.0, 2.0, 3.0, np.nan] + [1.0] * (len(columns["id"]) - 4)}
        )
        with pytest.raises(
            ValueError, match="have nan at step 1 of column 'open', expected finite"
        ):
            small().fit(gap, future_covariates=["open"])
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
