"""RNNForecaster.score of data frames: what followed is found by ids and time stamps."""

import numpy as np
import pytest
from forecaster_cases import DIRECT, small
from numpy.testing import assert_allclose

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
N, MORE = 20, 5
VALUES = 10 + np.random.default_rng(0).normal(size=(2, N + MORE)).cumsum(axis=1).round(3)
DAYS = pandas.date_range("2024-01-01", periods=N + MORE)


def quick(**params):
    """Return a forecaster that learns next to nothing."""
    return small(**{"hidden_layer_sizes": 2, "max_iter": 1, **params})


def long(begin=0, end=N, ids=("north", "south"), **more):
    """Return some days of both series in long form."""
    columns = {
        "id": [key for key in ids for _ in DAYS[begin:end]],
        "time": [*DAYS[begin:end]] * len(ids),
        "value": np.concatenate([VALUES[i, begin:end] for i in range(len(ids))]),
    }
    return pandas.DataFrame(columns | {k: [*v[begin:end]] * len(ids) for k, v in more.items()})


def as_dict(frame):
    """Return the columns of a frame as arrays."""
    return {
        name: column.to_numpy(object if name == "id" else None) for name, column in frame.items()
    }


@pytest.fixture(scope="module")
def wanted():
    """Return the score of the same from arrays."""
    model = quick().fit(list(VALUES[:, :N]))
    return model.score(list(VALUES[:, N:]))


@pytest.mark.parametrize("convert", [pandas.DataFrame, polars.from_pandas, as_dict])
def test_long_frames(convert, wanted):
    model = quick().fit(convert(long()))
    assert_allclose(model.score(convert(long(N, N + MORE))), wanted, rtol=1e-12)
    shuffled = long(N, N + MORE).sort_values(["time", "id"], ascending=[True, False])
    assert_allclose(model.score(convert(shuffled)), wanted, rtol=1e-12)


def test_wide_frames(wanted):
    frame = pandas.DataFrame({"time": DAYS, "north": VALUES[0], "south": VALUES[1]})
    model = quick().fit(frame[:N], layout="wide")
    assert_allclose(model.score(frame[N:]), wanted, rtol=1e-12)
    assert_allclose(model.score(frame[N:][["south", "time", "north"]]), wanted, rtol=1e-12)
    frame.loc[N + 2 :, "south"] = np.nan  # of which less is known
    arrays = quick().fit(list(VALUES[:, :N]))
    expected = arrays.score([VALUES[0, N:], VALUES[1, N : N + 2]])
    assert_allclose(model.score(frame[N:]), expected, rtol=1e-12)
    indexed = frame.set_index("time")
    model = quick().fit(indexed[:N], layout="wide")
    assert_allclose(model.score(indexed[N:]), expected, rtol=1e-12)


def test_steps_are_found_by_their_time_stamps():
    model = quick(missing="mask").fit(long())
    frame = long(N, N + MORE).drop(index=[1, 2])  # of north
    truth = VALUES[:, N:].copy()
    truth[0, 1:3] = np.nan
    arrays = quick(missing="mask").fit(list(VALUES[:, :N]))
    expected = arrays.score(list(truth))
    assert_allclose(model.score(frame), expected, rtol=1e-12)
    assert_allclose(model.score(frame.assign(time=frame.time.dt.floor("h"))), expected, rtol=1e-12)


def test_covariates_stand_in_the_frame():
    promo = {"promo": np.arange(N + MORE) % 3}
    model = quick(**DIRECT | {"horizon": MORE}).fit(long(**promo), future_covariates=["promo"])
    later = long(N, N + MORE, **promo)
    beside = later.drop(columns="value")
    expected = model.score(later.drop(columns="promo"), future_covariates=beside)
    assert_allclose(model.score(later), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="the data frame has no column 'promo'"):
        model.score(later.drop(columns="promo"))
    errors = model.backtest(long(0, N + MORE, **promo), MORE, start=N)
    assert_allclose(-errors["mase"].mean(), expected, rtol=1e-12)


def test_one_series_and_a_search():
    frame = long(ids=["north"]).drop(columns="id")
    model = quick().fit(frame)
    arrays = quick().fit(VALUES[0, :N])
    later = long(N, N + MORE, ids=["north"]).drop(columns="id")
    assert_allclose(model.score(later), arrays.score(VALUES[0, N:]), rtol=1e-12)
    model_selection = pytest.importorskip("sklearn.model_selection")
    split = model_selection.TimeSeriesSplit(n_splits=2, test_size=3)
    grid = {"hidden_layer_sizes": [2, 3]}
    by_frame = model_selection.GridSearchCV(quick(), grid, cv=split).fit(frame)
    by_array = model_selection.GridSearchCV(quick(), grid, cv=split).fit(VALUES[0, :N])
    scores = "mean_test_score"
    assert_allclose(by_frame.cv_results_[scores], by_array.cv_results_[scores], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda frame: frame[frame.id == "south"], ValueError, "y has no row of series 'north'"),
        (lambda frame: frame.replace("south", "east"), ValueError,
         "y has the unknown series 'east'"),
        (lambda frame: long(N - 1, N + 2), ValueError,
         "y of series 'north' has the time stamp 2024-01-20, which is not after the end"),
        (lambda frame: frame.assign(time=frame.time.dt.tz_localize("UTC")), ValueError,
         "the time stamps of y of series 'north' are dates in the zone UTC, but those of the "),
        (lambda frame: frame.assign(time=range(len(frame))), TypeError,
         "the time stamps of y of series 'north' are numbers, but those of the series are dates"),
        (lambda frame: frame.assign(time=frame.time + pandas.Timedelta("1h")), ValueError,
         "y of series 'north' have the time stamp 2024-01-21T01:00, which is none of the steps"),
        (lambda frame: frame[::-1], ValueError, "is not sorted by time"),
        (lambda frame: frame.assign(value=np.nan), ValueError, r"y of series 'north' has no value"),
        (lambda frame: frame.drop(columns="value"), ValueError, "has no column 'value'"),
        (lambda frame: frame.drop(columns="id"), ValueError, "has no column 'id'"),
    ],
)  # fmt: skip
def test_refusals(change, error, words):
    model = quick().fit(long())
    with pytest.raises(error, match=words):
        model.score(change(long(N, N + MORE)))


def test_other_refusals():
    with pytest.raises(TypeError, match="y is a data frame, but the model was fitted on arrays"):
        quick().fit(VALUES[0]).score(long())
    model = quick(freq="rows").fit(long())
    assert np.isfinite(model.score(long(N + 1, N + MORE)))  # each row is a step
    with pytest.raises(ValueError, match="2024-01-20, which is not after the end"):
        model.score(long(N - 1, N + MORE))
    frame = pandas.DataFrame({"time": DAYS, "north": VALUES[0], "south": VALUES[1]})
    model = quick().fit(frame[:N], layout="wide")
    with pytest.raises(ValueError, match="y has no column 'south'"):
        model.score(frame[N:].drop(columns="south"))
    with pytest.raises(ValueError, match="y has the unknown series 'east'"):
        model.score(frame[N:].rename(columns={"south": "east"}))
