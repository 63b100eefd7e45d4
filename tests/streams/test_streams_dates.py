"""Steps of streams whose time is a date: one kind of dates for each stream, found by name."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from fastrnn import RNNClassifier

pandas = pytest.importorskip("pandas")

NOON = datetime(2024, 3, 30, 12)
IN_UTC = NOON.replace(tzinfo=UTC)
IN_BERLIN = NOON.replace(tzinfo=ZoneInfo("Europe/Berlin"))
HOUR = timedelta(hours=1)
NAIVE, ZONED, DURATION = "a date without zone", "a date with a zone", "a duration"


def frames():
    """Sequences of three steps."""
    when = pandas.Series([NOON, NOON + HOUR, NOON + 3 * HOUR])
    return [
        pandas.DataFrame({"a": np.arange(3.0) + i, "when": when, "b": np.ones(3)}) for i in range(4)
    ]


@pytest.fixture(scope="module", params=["error", "mask"])
def model(request):
    """A model of the time between dates."""
    settings = {"missing": request.param, "time_feature": "when", "random_state": 0}
    model = RNNClassifier(3, max_iter=1, learning_rate="cosine", **settings)
    return model.fit(frames(), [0, 1] * 2)


def row(when, a=1.0):
    """A step as a dict."""
    return {"a": a, "when": when, "b": 2.0}


def rows(*when):
    """A step of several streams."""
    return pandas.DataFrame({"a": 1.0, "when": list(when), "b": 2.0})


@pytest.mark.parametrize(
    "make",
    [
        lambda frame, t: frame[t : t + 1],
        lambda frame, t: frame[t : t + 1][["when", "b", "a"]],
        lambda frame, t: frame.iloc[t],
        lambda frame, t: frame.iloc[t].to_dict(),
        lambda frame, t: row(frame["when"].to_numpy()[t], frame["a"][t]) | {"b": 1},
        lambda frame, t: row(frame["when"][t].to_pydatetime(), frame["a"][t]) | {"b": 1},
    ],
    ids=["frame", "in another order", "row", "dict", "dict of numpy", "dict of Python"],
)
def test_dates_are_found_by_name(model, make):
    frame, stream = frames()[1], model.stream()
    said = [np.ravel(stream.step(make(frame, t))) for t in range(3)]
    expected = [model.predict_proba([frame[: t + 1]])[0] for t in range(3)]
    np.testing.assert_allclose(said, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        (NOON, IN_UTC + HOUR, (NAIVE, ZONED)),
        (IN_UTC, NOON + HOUR, (ZONED, NAIVE)),
        (pandas.Timestamp(NOON), pandas.Timestamp(IN_BERLIN) + HOUR, (NAIVE, ZONED)),
        (np.datetime64(NOON), IN_BERLIN + HOUR, (NAIVE, ZONED)),
        (date(2024, 3, 30), IN_BERLIN, (NAIVE, ZONED)),
        (HOUR, NOON, (DURATION, NAIVE)),
        (np.timedelta64(1, "h"), IN_UTC, (DURATION, ZONED)),
        (NOON, HOUR, (NAIVE, DURATION)),
        (IN_BERLIN, IN_UTC, None),
        (date(2024, 3, 30), np.datetime64(NOON), None),
        (HOUR, np.timedelta64(2, "h"), None),
    ],
)
def test_dates_of_a_stream_are_of_one_kind(model, first, second, kinds):
    stream = model.stream()
    stream.step(row(first))
    before = stream.state
    if kinds is None:
        stream.step(row(second))
        return
    with pytest.raises(ValueError, match=f"^feature 1 of x, the time, is {kinds[1]}, but that of "
                       f"the step before is {kinds[0]}") as error:  # fmt: skip
        stream.step(row(second))
    advice = str(error.value).endswith(": give all of them the zone, or none")
    assert advice == (DURATION not in kinds)
    for name, array in stream.state.items():
        np.testing.assert_array_equal(array, before[name])
    stream.reset()
    stream.step(row(second))


def test_each_stream_has_a_kind_of_its_own(model):
    stream = model.stream(2)
    stream.step(rows(NOON, NOON))
    stream.reset(1)
    with pytest.raises(ValueError, match=f"^stream 0, feature 1 of x, the time, is {ZONED}"):
        stream.step(rows(IN_UTC, IN_UTC))
    stream.reset(0)
    stream.step(rows(IN_UTC, IN_BERLIN))
    for copied in (copy.copy(stream), pickle.loads(pickle.dumps(stream))):
        assert copied.state["kind_of_time"].tolist() == [1, 1]
        with pytest.raises(ValueError, match=f"^stream 0, feature 1 of x, the time, is {NAIVE}"):
            copied.step(rows(NOON + HOUR, NOON + HOUR))


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "dict"])
def test_zones_of_every_library(model, library, zone):
    frame = rows(NOON, NOON)
    frame["when"] = frame["when"].dt.tz_localize(zone)
    if library == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    elif library == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    elif library == "dict":
        frame = {name: np.array(frame[name]) for name in frame}
    stream = model.stream(2)
    stream.step(frame)
    assert stream.state["kind_of_time"].tolist() == [int(zone is not None)] * 2


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (row(None), ValueError, "^feature 1 of x, the time, is missing, expected a date$"),
        (row(pandas.NaT), ValueError, "^feature 1 of x, the time, is missing, expected a date$"),
        (rows(pandas.NaT), ValueError, "^feature 1 of x, the time, is missing, expected a date$"),
        (row("2024-03-30"), TypeError, "^feature 1 of x, the time, is '2024-03-30', expected a da"),
        (row(5), TypeError, r"^feature 1 of x, the time, is 5\.0, expected a date as in fit$"),
        ({"a": 1.0, "b": 2.0}, ValueError, r"yet now missing:\n- when"),
        (np.zeros(3), TypeError, "^x is of type ndarray, expected a data frame or a dict, with a"),
        ([1.0, NOON, 2.0], TypeError, "^x is of type list, expected a data frame or a dict"),
        (row(NOON - HOUR), ValueError, "the time 2024-03-30T11:00, expected one not before 2024-"),
    ],
)
def test_what_is_no_date(model, x, error, message):
    stream = model.stream()
    stream.step(row(NOON))
    with pytest.raises(error, match=message):
        stream.step(x)


def test_the_order_of_zoned_dates_and_of_durations(model):
    stream = model.stream()
    stream.step(row(IN_BERLIN))
    with pytest.raises(ValueError, match=r"the time 2024-03-30T10:00\+00:00, expected one not bef"):
        stream.step(row(IN_UTC - 2 * HOUR))
    stream.reset()
    stream.step(row(2 * HOUR))
    with pytest.raises(ValueError, match="is the time 3600, expected one not before 7200"):
        stream.step(row(HOUR))


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (np.array([3], np.uint8), ValueError, "kind_of_time of state has numbers that no step"),
        (np.array([0.0]), TypeError, "kind_of_time of state has dtype float64, expected uint8"),
    ],
)
def test_kinds_that_no_step_leaves(model, kind, error, message):
    stream = model.stream()
    with pytest.raises(error, match=message):
        stream.state = stream.state | {"kind_of_time": kind}


@pytest.mark.parametrize("gap", [None, pandas.NA, pandas.NaT, np.nan, float("nan")])
def test_what_is_missing_in_a_dict(model, gap):
    stream = model.stream()
    if model.missing == "error":
        with pytest.raises(ValueError, match=r"feature 0 .'a'. is (NaN|missing)"):
            stream.step(row(NOON, gap))
        return
    frame = frames()[0][:1].assign(a=np.nan, b=2.0)
    np.testing.assert_allclose(
        stream.step(row(NOON, gap)), model.predict_proba([frame])[0], atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("value", [np.datetime64(NOON), np.timedelta64(1, "h"), NOON, HOUR])
def test_times_are_no_numbers(model, value):
    with pytest.raises(TypeError, match=r"feature 0 .'a'. is .* expected numbers; "):
        model.stream().step(row(NOON, value))
