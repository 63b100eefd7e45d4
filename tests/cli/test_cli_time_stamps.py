"""The command and the time stamps of series: gaps, spacings, covariates of other days."""

import csv
import io
import sys

import numpy as np
import pytest

import fastrnn
from fastrnn import cli

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
    assert "freq='B'" in train(capsys, rows=weekdays, code=1)
    train(capsys, "--freq B", weekdays)
    _, *rows = run("predict m.fastrnn --horizon 3", capsys)
    assert [row[1] for row in rows] == ["2024-01-11", "2024-01-12", "2024-01-15"]
    train(capsys, "--freq rows", weekdays)
    assert run("predict m.fastrnn", capsys)[0] == ["step", "value"]
    assert "no step of freq='W'" in train(capsys, "--freq W", weekdays, code=1)
    with pytest.raises(SystemExit):
        cli.main(f"train forecast data.csv {QUICK} --freq often".split())
    assert "freq must be None, a number" in capsys.readouterr().err


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
