"""The command and the time stamps of series: gaps, spacings, covariates of other days."""

import csv
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import fastrnn
from fastrnn import cli

# A model of one epoch says next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:the forecasts are almost flat")

QUICK = "--hidden-layer-sizes 2 --max-iter 1 --learning-rate cosine --random-state 0 --no-verbose"
DAYS = np.arange("2024-01-01", "2024-02-10", dtype="M8[D]")
QUARTER = np.timedelta64(6, "h")
VALUES = 10 + np.random.default_rng(0).normal(size=40).cumsum().round(3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def write(path, names, rows):
    """Write CSV."""
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def run(text, capsys, code=0):
    """Run the command; return the rows that it writes, or what it says is wrong."""
    assert cli.main(text.split()) == code
    captured = capsys.readouterr()
    return captured.err if code else list(csv.reader(io.StringIO(captured.out)))


def train(capsys, options="", rows=range(30), code=0, names=("time", "value"), stamps=DAYS):
    """Train a model of one series without ids."""
    write("data.csv", names, [(stamps[t], VALUES[t], t % 3)[: len(names)] for t in rows])
    return run(f"train forecast data.csv {QUICK} {options} -o m.fastrnn", capsys, code)


@pytest.mark.parametrize(
    ("stamps", "following"),
    [
        (DAYS, ["2024-01-31", "2024-02-01"]),
        (np.arange(100, 140), ["130", "131"]),
        (np.arange(40) / 2, ["15", "15.5"]),
        (np.arange("2020-01", "2023-05", dtype="M8[M]"), ["2022-07-01", "2022-08-01"]),
        (
            DAYS[0] + np.arange(40) * np.timedelta64(6, "h"),
            ["2024-01-08T12:00", "2024-01-08T18:00"],
        ),
    ],
)
def test_forecasts_have_stamps(capsys, stamps, following):
    train(capsys, stamps=stamps)
    for file in ("", "data.csv"):
        header, *rows = run(f"predict m.fastrnn {file} --horizon 2", capsys)
        assert header == ["step", "time", "value"]
        assert [row[:2] for row in rows] == [["1", following[0]], ["2", following[1]]]


def test_rows_that_are_missing(capsys):
    rows = [t for t in range(30) if t != 11]
    error = train(capsys, rows=rows, code=1)
    assert "no row with the time stamp 2024-01-12, between 2024-01-11 and 2024-01-13" in error
    train(capsys, "--missing mask", rows)
    gap = np.where(np.arange(30) == 11, np.nan, VALUES[:30])
    expected = fastrnn.RNNForecaster(
        2, max_iter=1, learning_rate="cosine", random_state=0, missing="mask"
    ).fit(gap)
    loaded = fastrnn.load("m.fastrnn")
    np.testing.assert_array_equal(loaded.network_.theta, expected.network_.theta)


def test_freq(capsys):
    weekdays = [t for t in range(10) if t % 7 < 5]
    error = train(capsys, rows=weekdays, code=1)
    assert "them rows, --freq B if there are business days alone, or --missing mask, which" in error
    train(capsys, "--freq B", weekdays)
    _, *rows = run("predict m.fastrnn --horizon 3", capsys)
    assert [row[1] for row in rows] == ["2024-01-11", "2024-01-12", "2024-01-15"]
    train(capsys, "--freq rows", weekdays)
    assert run("predict m.fastrnn", capsys)[0] == ["step", "value"]
    assert "no step of --freq W from" in train(capsys, "--freq W", weekdays, code=1)
    with pytest.raises(SystemExit):
        cli.main(f"train forecast data.csv {QUICK} --freq often".split())
    assert "freq must be None, a number" in capsys.readouterr().err


def test_features_of_dates(capsys):
    train(capsys, "--calendar-features weekday,month --holidays 2024-01-17,2024-02-02")
    rows = run("predict m.fastrnn --horizon 2", capsys)
    frame = {"time": DAYS[:30], "value": VALUES[:30]}
    expected = fastrnn.RNNForecaster(
        2, max_iter=1, learning_rate="cosine", random_state=0,
        calendar_features=("weekday", "month"), holidays=["2024-01-17", "2024-02-02"],
    ).fit(frame).predict(2)  # fmt: skip
    assert [float(row[2]) for row in rows[1:]] == expected["value"].tolist()
    assert run("predict m.fastrnn data.csv --horizon 2", capsys) == rows
    figures = run("evaluate m.fastrnn data.csv --horizon 8", capsys)
    assert ["forecasts", "3"] in [row[0].split() for row in figures]
    write("later.csv", ("time", "promo"), [(DAYS[t], 1) for t in (30, 31)])
    assert "was trained without" in run("predict m.fastrnn --future later.csv", capsys, 1)
    assert "told no dates" in run("predict m.fastrnn --follow data.csv", capsys, 1)
    with open("holidays.toml", "w") as file:
        file.write('calendar_features = ["hour"]\n[holidays]\nfeast = [2024-01-17]\n')
    train(capsys, "--config holidays.toml")
    assert fastrnn.load("m.fastrnn").holidays == {"feast": ("2024-01-17",)}
    assert "have time stamps that are numbers" in train(
        capsys, "--calendar-features hour", stamps=np.arange(100, 140), code=1
    )


@pytest.mark.parametrize("strategy", ["", "--strategy direct --horizon 2"])
def test_static_covariates(capsys, strategy):
    names = ("id", "time", "value", "region", "size")
    rows = [
        (key, DAYS[t], VALUES[t], region, size)
        for key, region, size in (("a", "north", 3), ("b", "south", 5))
        for t in range(30)
    ]
    write("data.csv", names, rows)
    options = f"{QUICK} {strategy} --static-covariates size,region -o m.fastrnn"
    run(f"train forecast data.csv {options}", capsys)
    assert fastrnn.load("m.fastrnn").n_categories_ == (2,)
    forecasts = run("predict m.fastrnn --horizon 2", capsys)
    assert run("predict m.fastrnn data.csv --horizon 2", capsys) == forecasts
    write("more.csv", names[:3], [("b", DAYS[30], 9.5)])
    followed = run("predict m.fastrnn --follow more.csv", capsys)[1][2:]
    stream = fastrnn.load("m.fastrnn").stream()
    expected = stream.step([[9.5, 3, 0], [9.5, 5, 1]])[1]
    assert list(map(float, followed)) == pytest.approx(expected)
    write("data.csv", names, [*rows, ("b", DAYS[30], 9.5, "south", 6)])
    assert "column 'size' is one of static_covariates" in run(
        "predict m.fastrnn data.csv", capsys, 1
    )


def test_future_covariates_of_other_days(capsys):
    train(capsys, "--future-covariates promo", names=("time", "value", "promo"))
    predict = "predict m.fastrnn --horizon 2 --future later.csv"
    write("later.csv", ("time", "promo"), [(DAYS[t], t % 3) for t in (30, 31)])
    assert [row[1] for row in run(predict, capsys)[1:]] == ["2024-01-31", "2024-02-01"]
    for days, words in (
        ((31, 32), "no row with the time stamp 2024-01-31, step 1"),
        ((30, 32), "no row with the time stamp 2024-02-01, step 2"),
        ((30,), "the first that is missing has the time stamp 2024-02-01"),
    ):
        write("later.csv", ("time", "promo"), [(DAYS[t], t % 3) for t in days])
        assert words in run(predict, capsys, 1)
    write("later.csv", ("time", "promo"), [(t, t % 3) for t in (30, 31)])
    assert "are numbers, but those of the series are dates" in run(predict, capsys, 1)


def test_rows_in_order_without_times(capsys):
    rows = [("ab"[t % 2], VALUES[t], t % 3) for t in range(40)]
    write("data.csv", ("id", "value", "promo"), rows)
    run(f"train forecast data.csv {QUICK} --future-covariates promo -o m.fastrnn", capsys)
    write("later.csv", ("id", "promo"), [("ab"[t % 2], t % 3) for t in range(40, 44)])
    for file in ("", "data.csv"):
        header, *rows = run(f"predict m.fastrnn {file} --horizon 2 --future later.csv", capsys)
        assert header == ["id", "step", "value"]
        assert [row[:2] for row in rows] == [["a", "1"], ["a", "2"], ["b", "1"], ["b", "2"]]


def follow(capsys, monkeypatch, rows, code=0):
    """Let a model answer rows."""
    text = "".join(f"{stamp},{value}\n" for stamp, value in [("time", "value"), *rows])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return run("predict m.fastrnn --follow", capsys, code)


def test_followed_rows_that_are_missing(capsys, monkeypatch):
    train(capsys, "--missing mask")
    rows = [(DAYS[t], VALUES[t]) for t in (30, 33, 34)]
    with_gaps = [(DAYS[t], VALUES[t] if t in (30, 33, 34) else "") for t in range(30, 35)]
    _, *answers = follow(capsys, monkeypatch, rows)
    _, *expected = follow(capsys, monkeypatch, with_gaps)
    assert answers == [expected[t] for t in (0, 3, 4)]
    train(capsys)
    error = follow(capsys, monkeypatch, rows, code=1)
    assert "line 3, column 'time': no row has come for 2024-02-01" in error
    error = follow(capsys, monkeypatch, [(DAYS[30] + np.timedelta64(6, "h"), 1)], code=1)
    assert "which is none of the steps: they are 1 day apart" in error


HOURS = np.arange(40).astype("M8[h]")
ZONED = [f"{hour}:00Z" for hour in HOURS]
LOCAL = [f"{hour + np.timedelta64(2, 'h')}:00+02:00" for hour in HOURS]
NAIVE = [f"{hour}:00" for hour in HOURS]


def as_csv(stamps, value, names):
    """Write a file of hours as CSV."""
    write("later.csv", names, zip(stamps, value, strict=True))
    return "later.csv"


def as_json(stamps, value, names):
    """Write a file of hours as lines of JSON."""
    with open("later.jsonl", "w") as file:
        for row in zip(stamps, value, strict=True):
            print(json.dumps(dict(zip(names, row, strict=True))), file=file)
    return "later.jsonl"


def as_parquet(stamps, value, names):
    """Write a file of hours as Parquet, which has types for moments and zones."""
    polars = pytest.importorskip("polars")
    kind = polars.Datetime("ns", "Europe/Berlin") if stamps[0][-1] == "Z" else polars.Datetime
    moments = [datetime.fromisoformat(stamp) for stamp in stamps]
    time, name = names
    frame = polars.DataFrame({name: value, time: polars.Series(moments).cast(kind)})
    frame.write_parquet("later.parquet")
    return "later.parquet"


WAYS = [as_csv, as_json, as_parquet]


@pytest.mark.parametrize("form", WAYS)
@pytest.mark.parametrize("stamps", [ZONED, NAIVE])
def test_stamps_with_and_without_zone_do_not_meet(capsys, form, stamps):
    train(capsys, "--future-covariates promo", names=("time", "value", "promo"), stamps=stamps)
    data = "data.csv"  # as it was in training
    others = NAIVE if stamps is ZONED else ZONED
    words = "give both the zone, or neither"
    predict = "predict m.fastrnn --horizon 2 --future "
    file = form(others[30:32], [0, 1], ("time", "promo"))
    assert words in run(predict + file, capsys, 1)
    assert words in run(f"{predict}{file} {data}", capsys, 1)
    later = form(stamps[30:32], [0, 1], ("time", "promo"))
    rows = run(predict + later, capsys)[1:]
    expected = ["1970-01-02T06:00", "1970-01-02T07:00"]
    assert [row[1] for row in rows] == [
        stamp + ("+00:00" if stamps is ZONED else "") for stamp in expected
    ]
    train(capsys, stamps=stamps)
    for command in ("predict m.fastrnn", "evaluate m.fastrnn"):
        assert words in run(f"{command} {form(others, VALUES, ('time', 'value'))}", capsys, 1)
    options = f"train forecast data.csv {QUICK} --validation {file} -o x.fastrnn"
    form(others, VALUES, ("time", "value"))
    assert words in run(options, capsys, 1)
    form(stamps, VALUES, ("time", "value"))
    run(options, capsys)


@pytest.mark.parametrize("form", WAYS)
def test_zones_come_back(capsys, form):
    train(capsys, stamps=LOCAL)
    forecast = run("predict m.fastrnn --horizon 2", capsys)
    assert [row[1] for row in forecast[1:]] == [
        "1970-01-02T08:00+02:00", "1970-01-02T09:00+02:00",
    ]  # fmt: skip
    # The same moments by the clocks of another zone: the forecasts are those of the same rows.
    again = run(f"predict m.fastrnn --horizon 2 {form(ZONED[:30], VALUES[:30], WHAT)}", capsys)
    assert [row[2] for row in again] == [row[2] for row in forecast]
    assert {row[1][-6:] for row in again[1:]} == {"+01:00" if form is as_parquet else "+00:00"}


WHAT = ("time", "value")


@pytest.mark.filterwarnings("default:.*times have several offsets")  # as for users
def test_days_by_the_clock_of_their_zone(capsys):
    polars = pytest.importorskip("polars")
    days = polars.datetime_range(
        datetime(2024, 3, 20), datetime(2024, 4, 18), "1d", time_zone="Europe/Berlin", eager=True
    )
    polars.DataFrame({"time": days, "value": VALUES[:30]}).write_parquet("data.parquet")
    run(f"train forecast data.parquet {QUICK} -o m.fastrnn", capsys)
    assert run("predict m.fastrnn", capsys)[1][1] == "2024-04-19T00:00+02:00"
    write("data.csv", WHAT, zip([d.isoformat() for d in days], VALUES[:30], strict=True))
    error = run(f"train forecast data.csv {QUICK} -o m.fastrnn", capsys, 1)
    assert "column 'time': times have several offsets, and are those of UTC; --time-zone" in error
    assert "irregular time stamps" in error  # whose clocks these are the file does not say


BERLIN = ZoneInfo("Europe/Berlin")
# Over the night in which clocks there are put forward.
DAYS_THERE = [datetime(2024, 3, 20, tzinfo=BERLIN) + timedelta(days=t) for t in range(30)]
TO_COME = ["2024-04-19T00:00+02:00", "2024-04-20T00:00+02:00"]


@pytest.mark.parametrize("form", WAYS[:2])
@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("has_offset", [True, False])
def test_days_of_a_zone_that_is_named(capsys, form, layout, has_offset):
    stamps = [day.isoformat() for day in DAYS_THERE]
    file = form(stamps if has_offset else [day[:19] for day in stamps], VALUES[:30], WHAT)
    zone = "--time-zone Europe/Berlin"
    run(f"train forecast {file} {QUICK} --layout {layout} {zone} -o m.fastrnn", capsys)
    forecast = run("predict m.fastrnn --horizon 2", capsys)
    assert [row[forecast[0].index("time")] for row in forecast[1:]] == TO_COME
    assert run(f"predict m.fastrnn --horizon 2 {file} {zone}", capsys) == forecast
    if has_offset:  # the model knows whose they are
        assert run(f"predict m.fastrnn --horizon 2 {file}", capsys) == forecast
        assert capsys.readouterr().err == ""
        run(f"evaluate m.fastrnn {file} --horizon 1", capsys)
    else:
        error = run(f"predict m.fastrnn --horizon 2 {file}", capsys, 1)
        assert "give both the zone, or neither" in error


def test_moments_of_utc_become_days_of_a_zone(capsys):
    polars = pytest.importorskip("polars")
    moments = polars.Series([day.astimezone(UTC) for day in DAYS_THERE])
    polars.DataFrame({"time": moments, "value": VALUES[:30]}).write_parquet("data.parquet")
    train = f"train forecast data.parquet {QUICK} -o m.fastrnn"
    assert "irregular time stamps" in run(train, capsys, 1)
    run(f"{train} --time-zone Europe/Berlin", capsys)
    assert [row[1] for row in run("predict m.fastrnn --horizon 2", capsys)[1:]] == TO_COME
    assert run("predict m.fastrnn --time-zone UTC --horizon 1 data.parquet", capsys, 1)


def test_covariates_of_a_zone_that_is_named(capsys):
    rows = [(day.isoformat(), VALUES[t], t % 3) for t, day in enumerate(DAYS_THERE)]
    write("data.csv", (*WHAT, "promo"), rows)
    zone = "--time-zone Europe/Berlin"
    options = f"{QUICK} {zone} --future-covariates promo"
    run(f"train forecast data.csv {options} -o m.fastrnn", capsys)
    write("later.csv", ("time", "promo"), [("2024-04-19T00:00", 1), ("2024-04-20T00:00", 0)])
    predict = "predict m.fastrnn --horizon 2 --future later.csv"
    assert "give both the zone, or neither" in run(predict, capsys, 1)
    forecast = run(f"{predict} {zone}", capsys)
    assert [row[1] for row in forecast[1:]] == TO_COME
    write("later.csv", ("time", "promo"), [("2024-04-18T22:00Z", 1), ("2024-04-19T22:00Z", 0)])
    assert run(predict, capsys) == forecast


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("Europe/Berln", "argument --time-zone: the zone 'Europe/Berln' of time stamps is not"),
        ("../Berlin", "the zone '../Berlin'"),
    ],
)
def test_zones_that_are_not_known(capsys, zone, message):
    with pytest.raises(SystemExit) as end:
        cli.main(f"train forecast data.csv --time-zone {zone}".split())
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_zone_is_of_dates(capsys):
    error = train(capsys, "--time-zone Europe/Berlin", stamps=np.arange(40), code=1)
    assert "line 2, column 'time': expected a date, since there is --time-zone Europe/" in error


@pytest.mark.parametrize("form", WAYS[:2])
def test_nanoseconds_with_a_zone(capsys, form):
    fine = [f"1970-01-01T00:00:00.{t:09}Z" for t in range(40)]
    file = form(fine, VALUES, WHAT)
    error = run(f"train forecast {file} {QUICK} -o m.fastrnn", capsys, 1)
    assert "column 'time': expected a time without nanoseconds, since it has an offset" in error
    file = form([stamp[:-1] for stamp in fine], VALUES, WHAT)
    run(f"train forecast {file} {QUICK} -o m.fastrnn", capsys)
    assert run("predict m.fastrnn", capsys)[1][1] == "1970-01-01T00:00:00.00000004"


def test_followed_rows_without_zone(capsys, monkeypatch):
    for freq in ("", "--freq rows"):
        train(capsys, freq, stamps=ZONED)
        follow(capsys, monkeypatch, [(LOCAL[30], 1)])
        error = follow(capsys, monkeypatch, [(ZONED[30], 1), (NAIVE[31], 1)], code=1)
        assert "line 3, column 'time': the time stamps of this row are dates without zone" in error


def test_a_model_fitted_in_python(capsys):
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2024-03-30", periods=20, tz="Europe/Berlin")
    model = fastrnn.RNNForecaster(2, max_iter=1, learning_rate="cosine")
    model.fit(pandas.Series(VALUES[:20], index=index)).save("m.fastrnn")
    header, *rows = run("predict m.fastrnn --horizon 2", capsys)
    assert header == ["id", "step", "time", "value"]
    assert [row[2] for row in rows] == ["2024-04-19T00:00+02:00", "2024-04-20T00:00+02:00"]
    model.fit(VALUES[:20]).save("m.fastrnn")
    assert run("predict m.fastrnn", capsys)[0] == ["id", "step", "value"]
