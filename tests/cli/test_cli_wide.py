"""The command and files with a column for each series."""

import csv
import io
import sys

import numpy as np
import pytest

import fastrnn
from fastrnn import cli

QUICK = "--hidden-layer-sizes 2 --max-iter 1 --learning-rate cosine --random-state 0 --no-verbose"
DAYS = np.arange("2024-01-01", "2024-02-10", dtype="M8[D]")
VALUES = 10 + np.random.default_rng(0).normal(size=(40, 2)).cumsum(axis=0).round(3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def write(path="data.csv", rows=range(30), stamps=DAYS, names="day,north,south", cells=None):
    """Write two series side by side; `cells` has some cells by row and column."""
    table = [[stamps[t], *VALUES[t]] if stamps is not None else [*VALUES[t]] for t in rows]
    for (row, column), cell in (cells or {}).items():
        table[row][column] = cell
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names.split(","), *table])
    return path


def run(text, capsys, code=0):
    """Run the command; return the rows that it writes, or what it says is wrong."""
    assert cli.main(text.split()) == code
    captured = capsys.readouterr()
    return captured.err if code else list(csv.reader(io.StringIO(captured.out)))


TRAIN = f"train forecast data.csv --layout wide {QUICK} -o m.fastrnn"


def train(capsys, options="--time day", code=0):
    """Train a model of both series."""
    return run(f"{TRAIN} {options}", capsys, code)


def test_it_is_the_wide_layout_of_the_estimator(capsys):
    write()
    train(capsys)
    frame = {"day": DAYS[:30], "north": VALUES[:30, 0], "south": VALUES[:30, 1]}
    model = fastrnn.RNNForecaster(2, max_iter=1, learning_rate="cosine", random_state=0)
    model.fit(frame, time_column="day", layout="wide")
    loaded = fastrnn.load("m.fastrnn")
    np.testing.assert_array_equal(loaded.network_.theta, model.network_.theta)
    expected = model.predict(2)
    for file in ("", "data.csv"):
        header, *rows = run(f"predict m.fastrnn {file} --horizon 2", capsys)
        assert header == ["day", "north", "south"]
        assert [row[0] for row in rows] == ["2024-01-31", "2024-02-01"]
        np.testing.assert_array_equal([float(row[1]) for row in rows], expected["north"])
        np.testing.assert_array_equal([float(row[2]) for row in rows], expected["south"])
    write("later.csv", range(35))
    _, row, _ = run("predict m.fastrnn later.csv --horizon 2", capsys)
    assert row[0] == "2024-02-05"


def test_series_have_names_or_places(capsys):
    write(names=",north,south", stamps=np.arange(100, 140))
    train(capsys, "")  # the index that pandas writes
    assert run("predict m.fastrnn --horizon 1", capsys)[0] == ["step", "north", "south"]
    write()
    error = train(capsys, "", 1)
    assert "column 'day': expected a number, got '2024-01-01'; --time names a column" in error
    write(names=",north,south", stamps=np.arange(100, 140))
    train(capsys, "--time 1 --value south")
    answers = run("predict m.fastrnn --horizon 1", capsys)
    assert answers[0] == ["1", "south"] and answers[1][0] == "130"
    error = train(capsys, "--value east --time 1", 1)
    assert "has no column 'east', only 'north', 'south'" in error


def test_rows_in_order_without_times(capsys):
    write(stamps=None, names="north,south")
    train(capsys, "")
    for file in ("", "data.csv"):
        header, *rows = run(f"predict m.fastrnn {file} --horizon 2", capsys)
        assert header == ["step", "north", "south"] and [row[0] for row in rows] == ["1", "2"]


def test_series_that_begin_later(capsys):
    late = {(t, 2): "" for t in range(4)}
    write(cells=late)
    train(capsys)
    model = fastrnn.load("m.fastrnn")
    assert [len(values) for values in model.reader_.series.values] == [30, 26]
    write(cells=late | {(10, 2): ""})
    error = train(capsys, code=1)
    assert "data.csv, line 12, column 'south': expected a number, got an empty cell" in error
    assert "--missing mask accepts gaps" in error
    train(capsys, "--time day --missing mask")
    assert np.isnan(fastrnn.load("m.fastrnn").reader_.series.values[1][6])
    write(rows=[29, *range(29)], cells={(1, 2): ""})  # the first day is in the second row
    assert "'day'" not in train(capsys, "--time day --sort")
    write(cells={(t, 2): "" for t in range(30)})
    assert "column 'south' has no number, expected a series" in train(capsys, code=1)


def test_days_that_are_missing(capsys):
    write(rows=[t for t in range(30) if t != 11])
    error = train(capsys, code=1)
    assert "the data frame has no row with the time stamp 2024-01-12" in error
    train(capsys, "--time day --missing mask")
    assert np.isnan(fastrnn.load("m.fastrnn").reader_.series.values[1][11])


def test_validation_and_evaluate(capsys):
    write()
    write("all.csv", range(40))
    train(capsys, "--time day --validation all.csv --validation-start -5")
    loss = fastrnn.load("m.fastrnn").validation_scores_
    assert len(loss) == 1 and np.isfinite(loss).all()
    assert cli.main("evaluate m.fastrnn all.csv --horizon 2".split()) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["series", "2"]


@pytest.mark.parametrize(
    ("options", "what"),
    [("--id day", "id"), ("--future-covariates a", "future-covariates"),
     ("--past-covariates a", "past-covariates")],
)  # fmt: skip
def test_no_place_for(capsys, options, what):
    write()
    with pytest.raises(SystemExit):
        cli.main(f"{TRAIN} {options}".split())
    assert f"and no place for --{what};" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({(3, 2): "x"}, "line 5, column 'south': expected a number, got 'x'"),
        ({(3, 0): "2024-01-03"}, "line 5: the time must be later than in line 4"),
        ({(3, 0): "3"}, "line 5, column 'day': expected a number or a date such as 2024-01-01"),
        ({(3, 2): "1,5"}, "line 5, column 'south': expected a number, got '1,5'"),
    ],
)
def test_faults_have_a_place(capsys, cells, words):
    write(cells=cells)
    assert f"data.csv, {words}" in train(capsys, code=1)


def test_files_without_steps_or_series(capsys):
    write(names="day,2,3")
    with open("lists.jsonl", "w") as file:
        file.write('{"a": [1, 2, 3, 4]}\n')
    command = TRAIN.replace("data.csv", "lists.jsonl")
    assert "has a sequence in each line, expected a row for each step" in run(command, capsys, 1)
    with open("data.csv", "w") as file:
        file.write("day\n2024-01-01\n2024-01-02\n")
    assert "has no columns of series" in train(capsys, code=1)
    write(names="day,id,south")
    assert "has a column 'id', as files with a row for each step of each" in train(capsys, code=1)
    train(capsys, "--time day --value id")
    write()
    train(capsys)
    write("other.csv", names="date,north,south")
    error = run("predict m.fastrnn other.csv", capsys, 1)
    assert "other.csv has no column 'day', only 'date', 'north', 'south'" in error


def test_no_covariates(capsys):
    write()
    train(capsys)
    error = run("predict m.fastrnn --future data.csv", capsys, 1)
    assert "--future has covariates, but the model was trained without" in error


def test_quantiles(capsys):
    write()
    train(capsys, "--time day --strategy direct --horizon 2 --quantiles 0.1,0.5,0.9")
    header, *rows = run("predict m.fastrnn --quantiles 0.1,0.9", capsys)
    assert header == ["id", "step", "day", "q0.1", "q0.9"]
    assert [row[0] for row in rows] == ["north", "north", "south", "south"]
    header, *rows = run("predict m.fastrnn", capsys)
    assert header == ["day", "north", "south"] and len(rows) == 2


def follow(capsys, monkeypatch, rows, options="", code=0):
    """Let a model answer rows."""
    text = "".join(",".join(map(str, row)) + "\n" for row in [("south", "day", "north"), *rows])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return run(f"predict m.fastrnn --follow {options}", capsys, code)


def test_followed_rows_move_all_series(capsys, monkeypatch):
    write()
    train(capsys, "--time day --scaling none --log false --no-scale-feature --horizon 1")
    rows = [(VALUES[t, 1], DAYS[t], VALUES[t, 0]) for t in range(30, 33)]
    header, *answers = follow(capsys, monkeypatch, rows)
    assert header == ["day", "north", "south"] and answers[0][0] == "2024-01-31"
    write("later.csv", range(33))
    _, expected = run("predict m.fastrnn later.csv --horizon 1", capsys)
    np.testing.assert_allclose(
        np.array(answers[-1][1:], float), np.array(expected[1:], float), rtol=1e-5
    )
    error = follow(capsys, monkeypatch, [rows[0], rows[2]], code=1)
    assert "line 3, column 'day': no row has come for 2024-02-01" in error
    train(capsys, "--time day --scaling none --missing mask --strategy direct --horizon 2")
    header, *gaps = follow(capsys, monkeypatch, [rows[0], rows[2]])
    assert header == ["day", "north_1", "north_2", "south_1", "south_2"]
    _, *expected = follow(capsys, monkeypatch, [rows[0], ("", DAYS[31], ""), rows[2]])
    assert gaps == [expected[0], expected[2]]
    train(capsys, "--time day --strategy direct --horizon 1 --quantiles 0.1,0.5,0.9")
    header, _ = follow(capsys, monkeypatch, rows[:1], "--quantiles 0.1,0.9")
    assert header == ["day", "north_q0.1", "north_q0.9", "south_q0.1", "south_q0.9"]
