"""The command on files with empty cells and with times that the network reads."""

import csv
import io

import numpy as np
import pytest

from fastrnn import cli, load

QUICK = (
    "--hidden-layer-sizes 4 --max-iter 2 --learning-rate cosine --random-state 0 --no-verbose"
).split()
ROWS = """\
id,when,size,kind,label
a,2024-02-28,1,x,up
a,2024-02-29,,y,up
a,2024-03-02,3,,up
b,2024-02-28,nan,y,down
b,2024-02-28T12:00,5,x,down
c,2024-02-28,,,up
d,2024-01-31,2,y,down
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def run(*arguments, code=0):
    assert cli.main([str(argument) for argument in arguments]) == code


def train(*options, code=0):
    run("train", "classify", "rows.csv", *QUICK, *options, code=code)


def answers(capsys, *options):
    capsys.readouterr()
    run("predict", "model.fastrnn", "rows.csv", "--proba", *options)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    return {row["id"]: [float(row["down"]), float(row["up"])] for row in rows}


def sequences(time):
    """What the file has, as frames."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv("rows.csv")
    frame["when"] = pandas.to_datetime(frame["when"], format="ISO8601")
    columns = ["when"] * time + ["size", "kind"]
    return [part[columns] for _, part in frame.groupby("id")]


@pytest.mark.parametrize("time", [False, True])
def test_empty_cells(folder, capsys, time):
    options = ["--missing", "mask", "--features", "size,kind"]
    if time:
        options = ["--missing", "mask", "--time-feature", "when"]
    train(*options)
    model = load("model.fastrnn")
    assert (model.missing, model.time_feature) == ("mask", "when" if time else None)
    assert model.reader_.gaps.is_date == time
    said = answers(capsys)
    np.testing.assert_allclose(list(said.values()), model.predict_proba(sequences(time)), atol=1e-6)
    capsys.readouterr()
    run("predict", "model.fastrnn", "rows.csv", "--proba", "--follow")
    last = {row["id"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    np.testing.assert_allclose(
        [[float(last[key]["down"]), float(last[key]["up"])] for key in said],
        list(said.values()),
        atol=1e-6,
    )


def test_an_empty_cell_is_an_error_without_the_option(folder, capsys):
    train("--features", "size", code=1)
    assert "rows.csv, line 3, column 'size': expected a number, got an empty cell" in (
        capsys.readouterr().err
    )


def test_the_column_named_time_may_be_read(folder):
    (folder / "rows.csv").write_text(ROWS.replace("when", "time"))
    train("--time-feature", "time", "--missing", "mask")
    assert load("model.fastrnn").feature_names_in_.tolist() == ["time", "size", "kind"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("2024-02-29", ""), "rows.csv, line 3, column 'when': expected a time, got an empty cell"),
        (
            ("2024-03-02", "2024-02-01"),
            "sequence 0 (id 'a'), time step 2, feature 0, the time, is 2419200",
        ),
    ],
)
def test_wrong_times(folder, capsys, change, message):
    (folder / "rows.csv").write_text(ROWS.replace(*change))
    train("--time-feature", "when", "--missing", "mask", code=1)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("a,2024-02-29T01:00+01:00,2,x", None),
        (
            "a,2024-02-29,2,x",
            "line 3, column 'when': the time stamps of this row are dates without",
        ),
        ("a,7,2,x", "line 3, column 'when': the time stamps of this row are numbers, but those"),
        ("b,2024-02-29,2,x", None),  # another sequence
        ("a,,,\na,2024-02-27,2,x", None),  # which begins anew
    ],
)
def test_followed_times_are_of_one_kind(folder, capsys, second, message):
    train("--time-feature", "when", "--missing", "mask")
    text = f"id,when,size,kind\na,2024-02-28T00:00Z,1,x\n{second}\n"
    (folder / "later.csv").write_text(text)
    run("predict", "model.fastrnn", "later.csv", "--follow", code=int(message is not None))
    output = capsys.readouterr()
    assert message is None or message in output.err
    assert output.out.count("\n") == (2 if message else 2 + text.count("\n") - 2)
