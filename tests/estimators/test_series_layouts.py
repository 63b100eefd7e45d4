"""Forms of series with time stamps: one without ids, a column for each, series with an index."""

import pickle

import numpy as np
import pytest
from forecaster_cases import DIRECT, small
from numpy.testing import assert_array_equal

import fastrnn
from fastrnn import RNNForecaster
from fastrnn.estimators.forecast_errors import mase
from fastrnn.inputs.frames import names_of

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
N = 20
VALUES = 10 + np.random.default_rng(0).normal(size=(2, N + 8)).cumsum(axis=1).round(3)
DAYS = pandas.date_range("2024-01-01", periods=N + 8)


def quick(**params):
    """Return a forecaster that learns next to nothing."""
    return small(**{"hidden_layer_sizes": 2, "max_iter": 1, **params})


def columns(n=N, **more):
    """Return columns of one series without id."""
    return {"time": DAYS[:n], "value": VALUES[0, :n], **more}


@pytest.fixture(scope="module")
def expected():
    """Return the forecast of the same from an array."""
    return quick().fit(VALUES[0, :N]).predict(3)


# One series.


@pytest.mark.parametrize("library", ["pandas", "polars", "dict"])
def test_one_series_needs_no_ids(library, expected, tmp_path):
    if library == "dict":
        frame = {name: np.asarray(values) for name, values in columns().items()}
    else:
        frame = (pandas if library == "pandas" else polars).DataFrame(columns())
    model = quick().fit(frame)
    model.save(tmp_path / "m.fastrnn")
    for one, given in ((model, None), (model, frame), (fastrnn.load(tmp_path / "m.fastrnn"), None)):
        forecasts = one.predict(3, given)
        assert type(forecasts) is dict or isinstance(forecasts, type(frame))
        assert names_of(forecasts) == ["time", "value"]
        assert_array_equal(forecasts["value"], expected)
        assert_array_equal(np.asarray(forecasts["time"], "M8[D]"), DAYS[N : N + 3])
    with pytest.raises(ValueError, match="series 0 has no row with the time stamp 2024-01-02"):
        quick().fit(pandas.DataFrame(columns()).drop(index=1))


def test_ids_under_another_name():
    frame = pandas.DataFrame({**columns(), "shop": ["a", "b"] * (N // 2)})
    with pytest.raises(ValueError, match="the data frame has no column 'store'"):
        quick().fit(frame, id_column="store")
    frame["time"] = np.repeat(DAYS[: N // 2], 2)
    with pytest.raises(ValueError, match=r"series 0 .* more than once.*id_column"):
        quick().fit(frame)
    model = quick().fit(frame, id_column="shop")
    assert list(model.predict(1)["shop"]) == ["a", "b"]
    with pytest.raises(ValueError, match="the data frame has no column 'shop'"):
        model.predict(1, frame.drop(columns="shop"))


def test_time_stamps_in_the_index(expected):
    frame = pandas.DataFrame(columns()).set_index("time")
    forecasts = quick().fit(frame).predict(3)
    assert_array_equal(forecasts["value"], expected)
    assert list(forecasts.columns) == ["value"]
    assert list(forecasts.index) == list(DAYS[N : N + 3])
    unnamed = quick().fit(frame.rename_axis(index=None)).predict(3)
    assert list(unnamed.index) == list(forecasts.index)
    both = pandas.DataFrame(columns(id="x")).set_index(["id", "time"])
    forecasts = quick().fit(both).predict(3)
    assert list(forecasts["id"]) == ["x"] * 3 and list(forecasts.index) == list(DAYS[N : N + 3])
    with pytest.raises(ValueError, match="the data frame has no column 'time'"):
        quick().fit(frame.reset_index(drop=True))


def test_future_covariates_without_ids():
    frame = pandas.DataFrame(columns(N + 8, promo=np.arange(N + 8) % 3))
    model = quick(**DIRECT).fit(frame[:N], future_covariates=["promo"])
    expected = (
        quick(**DIRECT)
        .fit(VALUES[0, :N], future_covariates=np.arange(N) % 3)
        .predict(4, future_covariates=np.arange(N + 8) % 3)
    )
    assert_array_equal(model.predict(4, future_covariates=frame[N:])["value"], expected)
    with pytest.raises(ValueError, match="series 0 have no row with the time stamp 2024-01-21"):
        model.predict(4, future_covariates=frame[N + 1 :])


# A column for each series.


def wide(n=N):
    """Return the columns of a wide frame: the second series begins later."""
    values = VALUES[:, :n].copy()
    values[1, :3] = np.nan
    return {"time": DAYS[:n], "north": values[0], "south": values[1]}


@pytest.mark.filterwarnings("ignore:the forecasts are almost flat")
@pytest.mark.parametrize("library", [pandas, polars])
def test_wide(library, tmp_path):
    model = quick().fit(library.DataFrame(wide()), layout="wide")
    wanted = quick().fit([VALUES[0, :N], VALUES[1, 3:N]])
    assert_array_equal(model.network_.theta, wanted.network_.theta)
    model.save(tmp_path / "m.fastrnn")
    for one, given in (
        (model, None), (model, library.DataFrame(wide())),
        (fastrnn.load(tmp_path / "m.fastrnn"), None),
    ):  # fmt: skip
        forecasts = one.predict(2, given)
        assert isinstance(forecasts, library.DataFrame)
        assert list(forecasts.columns) == ["time", "north", "south"]
        assert list(forecasts["time"]) == list(DAYS[N : N + 2])
        for name, values in zip(("north", "south"), wanted.predict(2), strict=True):
            assert_array_equal(forecasts[name], values)
    assert list(model.backtest(library.DataFrame(wide()), 4, 8)["series"]) == [
        "north", "north", "south", "south",
    ]  # fmt: skip


def test_wide_by_index_or_number():
    by_index = quick().fit(pandas.DataFrame(wide()).set_index("time"), layout="wide").predict(2)
    assert list(by_index.columns) == ["north", "south"]
    assert list(by_index.index) == list(DAYS[N : N + 2])
    assert_array_equal(by_index[1], by_index["south"])
    by_number = quick().fit(pandas.DataFrame(wide()).drop(columns="time"), layout="wide").predict(2)
    assert list(by_number["time"]) == [N, N + 1]
    assert_array_equal(by_number["south"], by_index["south"])


def test_quantiles_of_wide_frames_are_long():
    model = quick(**DIRECT, quantiles=(0.1, 0.5)).fit(pandas.DataFrame(wide()), layout="wide")
    table = model.predict_quantiles(2)
    assert list(table.columns) == ["id", "time", "q0.1", "q0.5"]
    assert list(table["id"]) == ["north", "north", "south", "south"]


def test_wide_with_gaps():
    frame = pandas.DataFrame(wide())
    with pytest.raises(ValueError, match="data frame has no row with the time stamp 2024-01-06"):
        quick().fit(frame.drop(index=5), layout="wide")
    model = quick(missing="mask").fit(frame.drop(index=5), layout="wide")
    gap = np.nan
    series = [
        np.append(VALUES[0, :5], [gap, *VALUES[0, 6:N]]),
        np.append(VALUES[1, 3:5], [gap, *VALUES[1, 6:N]]),
    ]
    assert_array_equal(model.network_.theta, quick(missing="mask").fit(series).network_.theta)
    frame.loc[N - 1, "south"] = np.nan
    with pytest.raises(ValueError, match=r"series 'south' has no value \(NaN\) at step 16"):
        quick().fit(frame, layout="wide")


@pytest.mark.parametrize(
    ("change", "given", "error", "words"),
    [
        (lambda f: f, {"layout": "broad"}, ValueError, "layout must be 'long' or 'wide', got"),
        (lambda f: f, {"future_covariates": ["north"]}, ValueError, "no place for future_cov"),
        (lambda f: f.assign(kind="a"), {}, TypeError, "'kind' must be numbers, as each is a se"),
        (lambda f: f[["time"]], {}, ValueError, "the data frame has no series"),
        (lambda f: f[:0], {}, ValueError, "the data frame has no rows"),
        (lambda f: f.assign(south=np.nan), {}, ValueError, "series 'south'"),
        (lambda f: f[::-1], {}, ValueError, "the data frame is not sorted by time: 2024-01-19"),
        (lambda f: f.assign(time="x"), {}, TypeError, "row 0 of the data frame has the time stamp"),
        (lambda f: pandas.concat([f, f["north"]], axis=1), {}, ValueError, "2 times the column"),
        (lambda f: f.set_index(["time", "north"]), {}, ValueError, "an index of 2 levels"),
    ],
)  # fmt: skip
def test_wide_refusals(change, given, error, words):
    with pytest.raises(error, match=words):
        quick().fit(change(pandas.DataFrame(wide())), **{"layout": "wide", **given})


# Series of pandas.


def series(n=N, k=0, index=DAYS):
    return pandas.Series(VALUES[k, :n], index=index[:n])


@pytest.mark.parametrize(
    "index",
    [
        DAYS,
        pandas.period_range("2020-01", periods=N + 8, freq="M"),
        pandas.date_range("2024-03-10", periods=N + 8, tz="Europe/Berlin"),
        pandas.date_range("2024-01-31", periods=N + 8, freq="ME"),
        pandas.RangeIndex(5, N + 13),
        pandas.Index(np.arange(N + 8) * 0.5),
    ],
    ids=lambda index: type(index).__name__,
)
def test_a_series_is_read_by_its_index(index, expected, tmp_path):
    model = quick().fit(series(index=index))
    model.save(tmp_path / "m.fastrnn")
    for one, given in (
        (model, None),
        (model, series(index=index)),
        (fastrnn.load(tmp_path / "m.fastrnn"), None),
    ):
        forecast = one.predict(3, given)
        assert isinstance(forecast, pandas.Series)
        assert_array_equal(forecast, expected)
        assert list(forecast.index) == list(index[N : N + 3])
        assert forecast.index.dtype == index.dtype
    several = quick().fit([series(index=index), series(15, 1, index)]).predict(2)
    assert [list(item.index) for item in several] == [list(index[N : N + 2]), list(index[15:17])]


def test_an_index_that_counts_rows_means_nothing(expected):
    forecast = quick().fit(pandas.Series(VALUES[0, :N])).predict(3)
    assert type(forecast) is np.ndarray
    assert_array_equal(forecast, expected)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s[::-1], ValueError, "series 0 is not sorted by time: 2024-01-19 comes after"),
        (lambda s: s.drop(DAYS[7]), ValueError, "has no row with the time stamp 2024-01-08"),
        (lambda s: s.reset_index(drop=True)[::-1], ValueError, "0 is not sorted by time: 18 comes"),
        (lambda s: s.reset_index(drop=True).drop(3), ValueError, "no row with the time stamp 3,"),
        (lambda s: s.sample(frac=1, random_state=0), ValueError, "series 0 is not sorted by time"),
        (lambda s: s.set_axis([*DAYS[:5], *DAYS[:15]]), ValueError, "2024-01-01 more than once"),
        (lambda s: s.set_axis([f"day {k}" for k in range(N)]), TypeError, r"text.*to_numpy\(\)"),
        (lambda s: pandas.concat({"a": s}), TypeError, "an index of 2 levels.*reset_index"),
        (lambda s: s.set_axis(pandas.DatetimeIndex([*DAYS[: N - 1], pandas.NaT])), ValueError,
         r"series 0 \(step 19\) has no time stamp"),
        (lambda s: [s, VALUES[1]], TypeError, "series 1 has no index, but other series have one"),
        (lambda s: [s, s.reset_index(drop=True)], TypeError, "of series 1 are numbers, but"),
        (lambda s: [s, s.tz_localize("UTC")], ValueError, "zone UTC, but those of series 0"),
    ],
)  # fmt: skip
def test_indexes_that_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        quick().fit(change(series()))


def test_an_index_with_gaps():
    gaps = VALUES[0, :N].copy()
    gaps[[4, 9]] = np.nan
    expected = quick(missing="mask").fit(gaps)
    dropped = pandas.Series(gaps, index=DAYS[:N]).dropna()
    model = quick(missing="mask").fit(dropped)
    assert_array_equal(model.network_.theta, expected.network_.theta)
    by_number = quick(missing="mask").fit(
        dropped.reset_index(drop=True).set_axis(np.flatnonzero(~np.isnan(gaps)))
    )
    assert_array_equal(by_number.network_.theta, expected.network_.theta)
    rows = quick(freq="rows").fit(dropped).predict(2)
    assert list(rows.index) == [1, 2]


def test_business_days_that_the_index_knows():
    index = pandas.bdate_range("2024-01-04", periods=6)
    assert list(quick().fit(series(6, index=index)).predict(2).index.day) == [12, 15]


PROMO = pandas.Series(np.arange(N + 8) % 3.0, index=DAYS)


@pytest.mark.parametrize(
    "future",
    [PROMO, PROMO[N:], PROMO[N - 4 :], PROMO.to_frame(), PROMO.to_numpy(), PROMO[: N + 4]],
    ids=["all", "what follows", "overlap", "frame", "array", "just enough"],
)
def test_covariates_are_read_by_their_index(future):
    model = quick(**DIRECT).fit(series(), future_covariates=PROMO[:N])
    expected = quick(**DIRECT).fit(VALUES[0, :N], future_covariates=PROMO.to_numpy()[:N])
    assert_array_equal(
        model.predict(4, future_covariates=future),
        expected.predict(4, future_covariates=PROMO.to_numpy()),
    )


@pytest.mark.parametrize(
    ("future", "error", "words"),
    [
        (PROMO[N + 1 :], ValueError, "no row with the time stamp 2024-01-21; the next"),
        (PROMO.drop(DAYS[N + 2]), ValueError, "no row with the time stamp 2024-01-23; the next"),
        (PROMO[::-1], ValueError, "future_covariates of series 0 is not sorted by time"),
        (PROMO.set_axis(DAYS + pandas.Timedelta("6h")), ValueError, "is none of the steps: they"),
        (PROMO.set_axis(DAYS + pandas.Timedelta("300D")), ValueError, "time stamp 2024-01-21; the"),
        (PROMO.tz_localize("UTC"), ValueError, "are dates in the zone UTC, but those of the"),
        (PROMO.set_axis(range(5, N + 13)), TypeError, "are numbers, but those of the series are"),
        (PROMO[: N + 2], ValueError, "end too early.* the first that is missing .* 2024-01-23"),
    ],
)  # fmt: skip
def test_covariates_of_other_days(future, error, words):
    model = quick(**DIRECT).fit(series(), future_covariates=PROMO[:N])
    with pytest.raises(error, match=words):
        model.predict(4, future_covariates=future)


def test_covariates_with_an_index_beside_arrays():
    promo = PROMO.reset_index(drop=True)
    model = quick(**DIRECT).fit(VALUES[0, :N], future_covariates=promo[:N])
    expected = model.predict(4, future_covariates=promo)
    assert_array_equal(model.predict(4, future_covariates=promo[N:]), expected)
    with pytest.raises(ValueError, match="have no row with the time stamp 20; the next one has 22"):
        model.predict(4, future_covariates=promo[N + 2 :])
    with pytest.raises(
        TypeError, match="have an index of dates without zone, but the series has no"
    ):
        model.predict(4, future_covariates=PROMO)
    with pytest.raises(ValueError, match="no row with the time stamp 2024-01-01; the next one has"):
        quick(**DIRECT).fit(series(), past_covariates=PROMO[1:N])


def score_of(model, first, last):
    """Return the score of some of the steps that follow."""
    forecast = np.asarray(model.predict(last))[first:]
    return -mase(VALUES[0, N + first : N + last], forecast, VALUES[0, :N], 1)


def test_score_by_index():
    model = quick().fit(series())
    what_followed = series(N + 4)[N:]
    assert model.score(what_followed) == model.score(VALUES[0, N : N + 4])
    later = model.score(series(N + 4)[N + 1 :])
    assert later == score_of(model, 1, 4)
    with pytest.raises(ValueError, match="has the time stamp 2024-01-19, which is not after"):
        model.score(series(N + 5)[N - 2 :])
    with pytest.raises(ValueError, match="y of series 0 is not sorted by time"):
        model.score(what_followed[::-1])
    counted = quick().fit(pandas.Series(VALUES[0, :N]))
    assert counted.score(pandas.Series(VALUES[0])[N : N + 4]) == model.score(what_followed)
    assert counted.score(pandas.Series(VALUES[0])[N + 1 : N + 4]) == later
    with pytest.raises(TypeError, match="index of dates without zone, but the series has none"):
        counted.score(what_followed)


@pytest.mark.parametrize("y", [series(N + 8), series(N + 8).reset_index(drop=True)])
def test_splits_of_scikit_learn(y):
    selection = pytest.importorskip("sklearn.model_selection")
    split = selection.TimeSeriesSplit(2, test_size=6, gap=2)
    search = selection.GridSearchCV(quick(), {"cell": ["gru"]}, cv=split, error_score="raise")
    score = search.fit(y).cv_results_["split1_test_score"][0]
    assert score == score_of(quick().fit(y[:N]), 2, 8)


def test_quantiles_of_a_series():
    table = quick(**DIRECT, quantiles=(0.1, 0.5)).fit(series()).predict_quantiles(2, levels=[0.2])
    assert list(table.columns) == ["q0.2"] and list(table.index) == list(DAYS[N : N + 2])


# Other containers.


@pytest.mark.parametrize(
    "stamps",
    [
        DAYS[:N],
        DAYS[:N].tz_localize("Europe/Berlin"),
        DAYS[:N].date,
        np.arange(N),
        pandas.timedelta_range("1h", periods=N, freq="h").as_unit("us"),
    ],
    ids=["moments", "zone", "days", "numbers", "durations"],
)
def test_tables_of_pyarrow(stamps, expected, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pandas(pandas.DataFrame({**columns(), "time": stamps}))
    model = quick().fit(table)
    model.save(tmp_path / "m.fastrnn")
    for one, given in ((model, None), (model, table), (fastrnn.load(tmp_path / "m.fastrnn"), None)):
        forecasts = one.predict(3, given)
        assert forecasts.column_names == ["time", "value"]
        assert_array_equal(forecasts["value"], expected)
        assert forecasts.schema.field("time").type == table.schema.field("time").type
        joined = pyarrow.concat_tables(
            [table.drop_columns("value"), forecasts.drop_columns("value")]
        )
        assert len(set(joined["time"].to_pylist())) == N + 3
    with pytest.raises(ValueError, match="series 0 has no row with the time stamp"):
        quick().fit(table.take([0, 1, 3, 4, 5]))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: polars.DataFrame(columns()).lazy(), r"LazyFrame, expected .*collect\(\)"),
        (lambda: {"a": [1.0, 2.0, 3.0]}, "of type dict, expected .* give a list in the order"),
        (lambda: iter(VALUES), "make a list of it"),
        (
            lambda: [pandas.DataFrame(columns())],
            "series 0 is a data frame of 2 columns",
        ),
        (lambda: pandas.DataFrame(columns(id=1)).groupby("id"), "of type DataFrameGroupBy"),
    ],
)
def test_containers_that_are_refused(given, words):
    with pytest.raises(TypeError, match=words):
        quick().fit(given())


# Backtests, quantiles, streams, other models.


@pytest.mark.filterwarnings("ignore:the forecasts are almost flat")
@pytest.mark.parametrize("library", [pandas, polars])
def test_backtest_has_stamps(library):
    frame = library.DataFrame({**columns(), "id": ["x"] * N})
    model = quick().fit(frame)
    table = model.backtest(frame, 3, 5, start=5)
    assert isinstance(table, library.DataFrame)
    assert list(table["origin"]) == [5, 10, 15]
    assert list(table["first_time"]) == [DAYS[5], DAYS[10], DAYS[15]]
    assert list(table["last_time"]) == [DAYS[7], DAYS[12], DAYS[17]]
    plain = quick().fit(VALUES[0, :N]).backtest(VALUES[0, :N], 3, 5, start=5)
    assert type(plain) is dict and "first_time" not in plain
    assert_array_equal(table["mae"], plain["mae"])


def test_quantiles_have_stamps():
    frame = polars.DataFrame({**columns(), "id": ["x"] * N})
    model = quick(**DIRECT, quantiles=(0.1, 0.5, 0.9)).fit(frame)
    table = model.predict_quantiles(2)
    assert table.columns == ["id", "time", "q0.1", "q0.5", "q0.9"]
    assert_array_equal(model.predict(2)["value"], table["q0.5"])


def test_stream_after_a_frame():
    frame = pandas.DataFrame(columns(promo=np.arange(N) % 3))
    model = quick(missing="mask").fit(frame.drop(columns="promo").drop(index=4))
    expected = np.append(VALUES[0, :4], [np.nan, *VALUES[0, 5:N]])
    one, other = model.stream(), quick(missing="mask").fit(expected).stream()
    assert_array_equal(one.step(11.0), other.step(11.0))


def test_forecasts_in_a_frame_of_pandas():
    both = pandas.concat([pandas.DataFrame(columns(id=key)) for key in "xy"])
    forecasts = quick().fit(both).predict(3)
    assert_array_equal(forecasts[1], forecasts["value"][3:])
    assert_array_equal(forecasts[-1], forecasts[1])
    with pytest.raises(IndexError):
        forecasts[2]
    for made in (forecasts.copy(), forecasts[["id", "value"]], forecasts[forecasts["id"] == "x"]):
        assert type(made) is pandas.DataFrame
    assert len(both.merge(forecasts, on=["id", "time"], how="outer")) == len(both) + 6
    again = pickle.loads(pickle.dumps(forecasts))
    assert_array_equal(again[1], forecasts[1])


def test_a_model_whose_library_is_not_there(monkeypatch):
    model = quick().fit(pandas.DataFrame(columns()))
    monkeypatch.setattr("fastrnn.estimators.forecast_frames.find_spec", lambda name: None)
    forecasts = model.predict(2)
    assert type(forecasts) is dict and list(forecasts) == ["time", "value"]
    indexed = quick().fit(series())
    assert type(indexed.predict(2)) is np.ndarray


def test_partial_fit_with_other_stamps():
    model = quick().partial_fit(pandas.DataFrame(columns()))
    model.partial_fit(pandas.DataFrame(columns(N + 5)))
    assert model.predict(1)["time"][0] == DAYS[N + 5]
    with pytest.raises(ValueError, match=r"2024-01-02, between .* 1 day apart"):
        model.partial_fit(pandas.DataFrame(columns())[::2])


def test_validation_data_have_the_same_layout():
    model = quick().fit(
        pandas.DataFrame(wide()), layout="wide",
        validation_data={"y": pandas.DataFrame(wide(N + 4)), "start": -4},
    )  # fmt: skip
    assert len(model.validation_scores_) == 1


# The parameter.


@pytest.mark.parametrize(
    "freq",
    ["D", 1, "B", "W", "M", "wrong", "5 apples", True, "-1D", 0, "", "SME", "C-MON", object()],
)
def test_freq_that_does_not_suit(freq):
    with pytest.raises((TypeError, ValueError), match=r"freq|no step of") as error:
        quick(freq=freq).fit(
            pandas.DataFrame(
                {"time": DAYS[:N] if freq != "D" else range(N), "value": VALUES[0, :N]}
            )
        )
    assert "numpy" not in str(error.value)


@pytest.mark.parametrize(
    "freq", [np.timedelta64(1, "D"), pandas.offsets.Day(), pandas.Timedelta("1D"), "24h", "day"]
)
def test_freq_in_files(freq, tmp_path):
    model = quick(freq=freq).fit(pandas.DataFrame(columns()))
    assert model.get_params()["freq"] is freq
    model.save(tmp_path / "m.fastrnn")
    again = fastrnn.load(tmp_path / "m.fastrnn")
    assert list(again.predict(2)["time"]) == list(DAYS[N : N + 2])
    assert isinstance(again.freq, str)
    assert list(
        RNNForecaster(**again.get_params()).fit(pandas.DataFrame(columns())).predict(1)["time"]
    ) == [DAYS[N]]
