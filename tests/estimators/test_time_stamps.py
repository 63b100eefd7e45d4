"""Time stamps of the forecaster: rows that are missing, covariates of other days, answers."""

import datetime

import numpy as np
import pytest
from forecaster_cases import DIRECT, small
from numpy.testing import assert_array_equal

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
N = 24
VALUES = 10 + np.random.default_rng(0).normal(size=N + 8).cumsum().round(3)


def quick(**params):
    """Return a forecaster that learns next to nothing."""
    return small(**{"hidden_layer_sizes": 2, "max_iter": 1, **params})


def table(stamps, key="shop"):
    """Return a frame of one series, with a covariate that is known beforehand."""
    n = len(stamps)
    return pandas.DataFrame(
        {"id": key, "time": stamps, "value": VALUES[:n], "promo": np.arange(n) % 3.0}
    )


def every(freq, begin, *following, **options):
    """Return stamps of pandas, and the two that follow."""
    return pandas.date_range(begin, periods=N, freq=freq, **options), following


def days(texts, *following):
    """Return some days, and the two that follow."""
    return pandas.DatetimeIndex(texts), following


FEBRUARIES = [f"{year}-02-{29 if year % 4 == 0 else 28}" for year in range(2001, 2025)]
AT_30 = [f"{2023 + k // 12}-{k % 12 + 1:02}-30" for k in range(N)]
AT_30[1], AT_30[13] = "2023-02-28", "2024-02-29"
NO_SUNDAYS = [day for day in pandas.date_range("2024-01-01", periods=28) if day.weekday() < 6]
COLUMBUS = np.arange("1492-01-01", "1492-01-25", dtype="M8[D]").astype("M8[s]")
HOURS = [np.timedelta64(minutes, "m") for minutes in (780, 810)]

# What a column of stamps may be, and the two stamps that follow.
CALENDARS = {
    "numbers": (np.arange(5, 5 + N), [29, 30]),
    "numbers, far apart": (np.arange(0, 10 * N, 10), [240, 250]),
    "fractions": (0.1 * np.arange(N), [2.4, 2.5]),
    "seconds since 1970": (1.7e9 + np.arange(N) * 0.5, [1.7e9 + 12, 1.7e9 + 12.5]),
    "days": every("D", "2024-02-20", "2024-03-15", "2024-03-16"),
    "weeks": every("W-WED", "2024-01-01", "2024-06-19", "2024-06-26"),
    "two weeks": every("14D", "2024-01-01", "2024-12-02", "2024-12-16"),
    "month starts": every("MS", "2024-01-01", "2026-01-01", "2026-02-01"),
    "month ends": every("ME", "2023-01-31", "2025-01-31", "2025-02-28"),
    "day 30 of months": days(AT_30, "2025-01-30", "2025-02-28"),
    "day 15 of months": days(
        pandas.date_range("2023-01-01", periods=N, freq="MS") + pandas.Timedelta("14D"),
        "2025-01-15", "2025-02-15",
    ),
    "quarter starts": every("QS", "2019-01-01", "2025-01-01", "2025-04-01"),
    "quarter ends": every("QE", "2019-01-01", "2025-03-31", "2025-06-30"),
    "years": every("YS", "2000-01-01", "2024-01-01", "2025-01-01"),
    "year ends": every("YE", "2000-01-01", "2024-12-31", "2025-12-31"),
    "leap days": days(FEBRUARIES, "2025-02-28", "2026-02-28"),
    "business days": every("B", "2024-01-01", "2024-02-02", "2024-02-05"),
    "without Sundays": days(NO_SUNDAYS, "2024-01-29", "2024-01-30"),
    "business month ends": every("BME", "2023-01-01", "2025-01-31", "2025-02-28"),
    "business month starts": every("BMS", "2023-01-01", "2025-01-01", "2025-02-03"),
    "hours": every("h", "2024-01-01", "2024-01-02", "2024-01-02T01:00"),
    "36 hours": every("36h", "2024-01-01", "2024-02-06", "2024-02-07T12:00"),
    "minutes": every("15min", "2024-01-01", "2024-01-01T06:00", "2024-01-01T06:15"),
    "nanoseconds": every(
        "100ns", "2024-01-01", "2024-01-01T00:00:00.0000024", "2024-01-01T00:00:00.0000025",
        unit="ns",
    ),
    "before 1970": every("D", "1969-12-20", "1970-01-13", "1970-01-14"),
    "far ago": (COLUMBUS, ["1492-01-25", "1492-01-26"]),
    "text": ([f"2024-{k + 1:02}" for k in range(12)], ["2025-01-01", "2025-02-01"]),
    "durations": (pandas.timedelta_range("1h", periods=N, freq="30min").as_unit("us"), HOURS),
}  # fmt: skip


@pytest.mark.parametrize("name", CALENDARS)
def test_forecasts_have_the_stamps_that_follow(name):
    stamps, following = CALENDARS[name]
    forecasts = quick().fit(table(stamps)).predict(2)
    assert list(forecasts.columns) == ["id", "time", "value"]
    assert list(forecasts["id"]) == ["shop", "shop"]
    got = forecasts["time"].to_numpy()
    if got.dtype.kind == "f":
        np.testing.assert_allclose(got, following, rtol=1e-12)
    else:
        assert_array_equal(got, np.array(following, got.dtype))
    if name not in ("text", "far ago"):
        assert forecasts["time"].dtype == pandas.Series(stamps).dtype


@pytest.mark.parametrize("name", [name for name in CALENDARS if name != "text"])
def test_a_missing_row_is_named(name):
    stamps, _ = CALENDARS[name]
    full = table(stamps)
    missing = full["time"][12]
    with pytest.raises(ValueError, match="series 'shop' has no row with the time stamp") as error:
        quick().fit(full.drop(index=12))
    text = str(error.value).partition(" stamp ")[2]
    if isinstance(missing, float):
        assert float(text.partition(",")[0]) == pytest.approx(missing)
    elif isinstance(missing, pandas.Timestamp | np.datetime64):
        assert pandas.Timestamp(text.partition(",")[0]) == missing
    else:
        assert text.startswith(
            f"{str(missing).removeprefix('0 days ').removeprefix('0')}, between "
        )


@pytest.mark.parametrize("name", ["numbers", "fractions", "month ends", "business days", "hours"])
def test_missing_rows_become_gaps(name):
    full = table(CALENDARS[name][0])
    gaps = full.assign(value=full["value"].where(~full.index.isin([4, 5, 17])))
    expected = quick(missing="mask").fit(gaps)
    model = quick(missing="mask").fit(full.drop(index=[4, 5, 17]))
    assert_array_equal(model.network_.theta, expected.network_.theta)
    pandas.testing.assert_frame_equal(
        pandas.DataFrame(model.predict(3)), pandas.DataFrame(expected.predict(3))
    )


def test_covariates_of_missing_rows_are_not_known():
    full = table(pandas.date_range("2024-01-01", periods=N))
    message = "series 'shop' has no row with the time stamp 2024-01-05, so that the covariates"
    with pytest.raises(ValueError, match=message):
        quick(missing="mask").fit(full.drop(index=4), future_covariates=["promo"])


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (
            ["2024-01-01", "2024-01-05", "2024-01-06", "2024-01-09", "2024-01-13", "2024-01-27"],
            None,
        ),
        ([0, 1, 2, 3.5, 4.5, 6], "3.5"),
        ([0, 10, 20, 25, 35, 45], "25 comes after 20, where most are 10 apart"),
        ([0, 1, 2, 3, 100, 101], "100 comes after 3, where most are 1 apart"),
    ],
)
def test_irregular_stamps_are_refused(stamps, message):
    if message is None:
        stamps, message = pandas.DatetimeIndex(stamps), "where most are 4 days apart"
    frame = table(stamps)
    with pytest.raises(ValueError, match=f"series 'shop' has irregular time stamps: .*{message}"):
        quick().fit(frame)
    model = quick(freq="rows").fit(frame)
    expected = quick().fit(VALUES[: len(stamps)])
    assert_array_equal(model.network_.theta, expected.network_.theta)
    forecasts = model.predict(2)
    assert list(forecasts.columns) == ["id", "step", "value"] and list(forecasts["step"]) == [1, 2]


def test_each_series_has_a_spacing_of_its_own():
    parts = [table(CALENDARS[name][0], name) for name in ("days", "month ends", "hours")]
    forecasts = quick().fit(pandas.concat(parts)).predict(2)
    expected = [t for name in ("days", "month ends", "hours") for t in CALENDARS[name][1]]
    assert_array_equal(forecasts["time"], np.array(expected, "M8[us]"))


def test_business_days_of_one_week_are_not_guessed():
    frame = table(pandas.bdate_range("2024-01-04", periods=4))
    with pytest.raises(ValueError, match=r"no row with the time stamp 2024-01-06.* freq='B'"):
        quick().fit(frame)
    forecasts = quick(freq="B").fit(frame).predict(3)
    assert list(forecasts["time"].dt.day) == [10, 11, 12]


def test_holidays_among_business_days():
    frame = table(pandas.bdate_range("2024-01-01", periods=N)).drop(index=10)
    with pytest.raises(ValueError, match=r"2024-01-15, .* 1 business day apart, and 1 of th"):
        quick().fit(frame)


@pytest.mark.parametrize("stamps", [[202401 + k for k in range(12)] + [202501, 202502]])
def test_months_as_numbers(stamps):
    with pytest.raises(ValueError, match=r"the time stamp 202413, .*as dates if these are"):
        quick().fit(table(stamps))


# Zones.


def berlin(begin, periods, freq):
    return pandas.date_range(begin, periods=periods, freq=freq, tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("begin", "freq", "following"),
    [
        ("2024-03-10", "D", "2024-04-03"),  # a day of 23 hours is among them
        ("2024-10-10", "D", "2024-11-03"),  # one of 25
        ("2024-03-07", "D", "2024-03-31"),  # the next has 23
        ("2024-03-30 12:00", "h", "2024-03-31 13:00"),
        ("2024-10-26 12:00", "h", "2024-10-27 11:00"),
        ("2024-01-01", "MS", "2026-01-01"),
        ("2024-01-01 12:00", "12h", "2024-01-13 12:00"),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_daylight_saving(begin, freq, following, library):
    frame = table(berlin(begin, N, freq))
    following = pandas.Timestamp(following, tz="Europe/Berlin")
    if library == "polars":
        frame = polars.from_pandas(frame)
    forecasts = quick().fit(frame).predict(2)
    assert forecasts["time"].dtype == frame["time"].dtype
    assert pandas.Timestamp(forecasts["time"][0]) == following
    gap = frame.drop(index=3) if library == "pandas" else frame.filter(np.arange(N) != 3)
    with pytest.raises(ValueError, match="has no row with the time stamp"):
        quick().fit(gap)


def test_24_hours_are_no_day():
    stamps = pandas.date_range("2024-03-20", periods=N, freq="24h", tz="UTC")
    frame = table(stamps.tz_convert("Europe/Berlin"))
    for freq in (None, "24h"):
        forecasts = quick(freq=freq).fit(frame).predict(1)
        assert str(forecasts["time"][0]) == "2024-04-13 02:00:00+02:00"
    with pytest.raises(ValueError, match=r"2024-04-01T02:00.*, which is no step of freq='D'"):
        quick(freq="D").fit(frame)


def test_a_distance_that_is_far_too_small():
    frame = table(pandas.date_range("2024-01-01", periods=N, freq="D"))
    with pytest.raises(ValueError, match="has rows for 24 of 1987201 steps of freq='s'"):
        quick(freq="s", missing="mask").fit(frame)
    with pytest.raises(ValueError, match="2024-01-01T00:00:01, between"):
        quick(freq="s").fit(frame)


def test_an_hour_that_clocks_skip():
    before, after = berlin("2024-03-20 02:30", 11, "D"), berlin("2024-04-01 02:30", 12, "D")
    skipped = berlin("2024-03-31 03:30", 1, "D")
    frame = table([*before, *skipped, *after])
    forecasts = quick().fit(frame).predict(1)
    assert str(forecasts["time"][0]) == "2024-04-13 02:30:00+02:00"
    with pytest.raises(ValueError, match=r"no row with the time stamp 2024-03-31T03:30\+02:00"):
        quick().fit(frame.drop(index=11))


def test_offsets_in_objects():
    zone = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))
    stamps = [datetime.datetime(2024, 1, 1 + k, tzinfo=zone) for k in range(N)]
    frame = table(stamps)
    frame["time"] = pandas.Series(stamps, dtype=object)
    forecasts = quick().fit(frame).predict(1)
    assert str(forecasts["time"][0]) == "2024-01-25 00:00:00-03:30"
    text = frame.assign(time=[t.isoformat() for t in stamps])
    assert forecasts["time"][0] == quick().fit(text).predict(1)["time"][0]


# Future covariates.


@pytest.fixture(scope="module")
def promoted():
    """Return a model of daily series with a covariate, and the frame of the days that follow."""
    full = table(pandas.date_range("2024-01-01", periods=N + 8))
    model = quick(**DIRECT).fit(full[:N], future_covariates=["promo"])
    return model, full[N:].drop(columns="value")


def end(stamp):
    return pandas.date_range(stamp, periods=8)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f[1:], ValueError, "have no row with the time stamp 2024-01-25, step 1 after"),
        (lambda f: f[5:], ValueError, "2024-01-25, step 1 .*; the next one has 2024-01-30"),
        (lambda f: f.drop(index=N + 1), ValueError, "row with the time stamp 2024-01-26, step 2"),
        (lambda f: f[:3], ValueError, "end too early.*the first that is missing .* 2024-01-28"),
        (lambda f: f.assign(time=end("2025-01-25")), ValueError, "2024-01-25, step 1.* 2025-01-25"),
        (lambda f: f.assign(time=pandas.date_range("2024-02-01", periods=8, freq="MS")), ValueError,
         "no row with the time stamp 2024-01-25, step 1"),
        (lambda f: f.assign(time=end("2023-06-01")), ValueError, "end too early: .* 2024-01-25"),
        (lambda f: f.assign(time=end("2024-01-25 06:00")), ValueError,
         "the time stamp 2024-01-25T06:00, which is none of the steps: they are 1 day apart"),
        (lambda f: f.assign(time=f["time"].dt.tz_localize("UTC")), ValueError,
         "are dates in the zone UTC, but those of the series are dates without zone"),
        (lambda f: f.assign(time=range(8)), TypeError, "are numbers, but those of the series are"),
        (lambda f: f.assign(time=f["time"].dt.to_period("D")), TypeError, "are periods, but those"),
        (lambda f: f.assign(time=f["time"].astype(str) + "?"), TypeError, "which is text"),
        (lambda f: f[::-1], ValueError, "future_covariates of series 'shop' is not sorted by time"),
        (lambda f: f.assign(time=f["time"].iloc[0]), ValueError, "2024-01-25 more than once"),
        (lambda f: f.assign(id="mall"), ValueError, "future_covariates has the unknown series"),
    ],
)  # fmt: skip
def test_future_covariates_of_other_days(promoted, change, error, words):
    model, following = promoted
    with pytest.raises(error, match=words):
        model.predict(4, future_covariates=change(following))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(time=f["time"].dt.strftime("%Y-%m-%d")),
        lambda f: f.assign(time=f["time"].dt.date),
        lambda f: f.assign(time=f["time"].astype("datetime64[ns]")),
        lambda f: f.drop(index=N + 6),  # beyond what is wanted
        polars.from_pandas,
    ],
)
def test_future_covariates_of_the_same_days(promoted, change):
    model, following = promoted
    expected = model.predict(4, future_covariates=following)
    forecasts = model.predict(4, future_covariates=change(following))
    assert_array_equal(forecasts["value"], expected["value"])
    assert_array_equal(expected[0], expected["value"])  # as when forecasts came in a list


def test_covariates_beyond_a_gap_are_not_known_yet(promoted):
    model, following = promoted
    forecast = model.predict(1, future_covariates=following.drop(index=N + 2))["value"]
    assert_array_equal(forecast, model.predict(1, future_covariates=following[:2])["value"])
    assert not np.allclose(forecast, model.predict(1, future_covariates=following)["value"])


def test_moments_of_another_zone_are_the_same_moments():
    full = table(berlin("2024-03-30 12:00", N + 8, "h"))
    model = quick(**DIRECT).fit(full[:N], future_covariates=["promo"])
    expected = model.predict(4, future_covariates=full[N:])
    utc = full[N:].assign(time=full["time"][N:].dt.tz_convert("UTC"))
    assert_array_equal(model.predict(4, future_covariates=utc)["value"], expected["value"])
    naive = full[N:].assign(time=full["time"][N:].dt.tz_localize(None))
    with pytest.raises(ValueError, match="are dates without zone, but those of the series are dat"):
        model.predict(4, future_covariates=naive)


# Types.


def mixed(*stamps):
    return pandas.Series((list(stamps) * N)[:N], dtype=object)


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (mixed("x", 1), r"two kinds: 'x' \(text\) and 1 \(numbers\)"),
        (mixed(1, pandas.Timestamp("2024-01-01")), r"two kinds: 1 \(numbers\) and Timestamp"),
        (
            mixed(pandas.Timestamp("2024-01-01"), pandas.Timestamp("2024-01-01", tz="UTC")),
            "with a z",
        ),
        (mixed("2024-01-01", datetime.date(2024, 1, 2)), r"\(text\) and datetime.date"),
        (mixed(pandas.Period("2024"), 2024), r"\(periods\) and 2024 \(numbers\)"),
        (mixed("Monday", "Tuesday"), "'Monday', which is text, expected a number, or a date"),
        (mixed("31/12/2024"), "which is text"),
        (mixed(object()), "of type object, expected numbers, dates or periods"),
        (mixed(True, False), "the time stamp True"),
    ],
)
def test_stamps_of_no_kind(stamps, words):
    with pytest.raises(TypeError, match=rf"'shop' \(row \d of the data frame\) has .*{words}"):
        quick().fit(table(stamps))


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (
            [0, 1, 2, np.inf, 4],
            r"'shop' \(row 3 of .*\) has the time stamp inf, expected finite numbers",
        ),
        ([0, 1, np.nan, 3, 4], r"'shop' \(row 2 of the data frame\) has no time stamp$"),
        (mixed("2024-01-01", None), r"'shop' \(row 1 of the data frame\) has no time stamp$"),
        (
            ["2024-01-01", "2024-02-31"],
            r"'shop' \(row 1 of .*\) has the time stamp '2024-02-31', which is in no calendar$",
        ),
        (["2024-01-01T00:00Z", "2024-01-01T25:00Z"], "'2024-01-01T25:00Z', which is in no cal"),
        (["2024-13"], "row 0 of .* '2024-13', which is in no calendar"),
        (["2024-01-01T00:00:00.1234567Z"], "row 0 of .*, expected at most six digits of a second"),
        (
            pandas.period_range("2024-01", periods=N, freq="M").insert(2, pandas.NaT),
            "2 of .* no time",
        ),
    ],
)
def test_stamps_without_sense(stamps, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(table(stamps) if len(stamps) <= N else table(stamps[:N]))


@pytest.mark.parametrize(
    ("given", "fitted"),
    [
        (np.arange(N), pandas.date_range("2024-01-01", periods=N)),
        (pandas.date_range("2024-01-01", periods=N), np.arange(N)),
        (berlin("2024-01-01", N, "D"), pandas.date_range("2024-01-01", periods=N)),
        (pandas.period_range("2024-01-01", periods=N), pandas.date_range("2024-01-01", periods=N)),
    ],
)
def test_other_series_have_stamps_of_the_same_kind(given, fitted):
    model = quick().fit(table(fitted))
    with pytest.raises((TypeError, ValueError), match=r"the time stamps of series are .* of fit"):
        model.predict(1, table(given))


def test_other_series_have_the_spacing_of_fit():
    model = quick().fit(table(pandas.date_range("2024-01-01", periods=N)))
    with pytest.raises(ValueError, match=r"no row with the time stamp 2024-01-02, .* 1 day"):
        model.predict(1, table(pandas.date_range("2024-01-01", periods=8, freq="48h"), "other"))
    with pytest.raises(ValueError, match="2024-01-01T01:00, which is no step of 1 day"):
        model.backtest(table(pandas.date_range("2024-01-01", periods=8, freq="h")), 1)
    monthly = quick().fit(table(pandas.date_range("2024-01-15", periods=N, freq="30D")))
    assert monthly.predict(1)["time"][0] == pandas.Timestamp("2026-01-04")
