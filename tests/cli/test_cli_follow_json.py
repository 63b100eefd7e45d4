"""The command follows lines of JSON as it does those of CSV."""

import csv
import io
import json
import sys

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, cli


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a folder with models that read a number and a category, one of them with gaps."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    X = [
        {"x": rng.normal(size=4), "kind": np.array(["a", "b", "a", "b"], object)} for _ in range(6)
    ]
    for name, missing in (("plain", "error"), ("gaps", "mask")):
        model = RNNClassifier(
            2, max_iter=1, learning_rate="cosine", missing=missing, random_state=0,
            categorical_features="from_dtype",
        )  # fmt: skip
        model.fit(X, ["up", "down"] * 3).save(folder / name)
    model = RNNForecaster(2, max_iter=1, learning_rate="cosine", random_state=0)
    model.fit({"time": np.arange(20), "value": rng.normal(size=20)}).save(folder / "series")
    return folder


def follow(path, text, capsys, monkeypatch, *options, code=0):
    """Follow a text; return the rows of the answer, and what is wrong."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(["predict", str(path), "--follow", *options]) == code
    output = capsys.readouterr()
    return list(csv.reader(io.StringIO(output.out))), output.err


ROWS = [
    {"id": "u", "time": 1, "kind": "a", "x": 0.5},
    {"id": "007", "time": 1, "kind": "b", "x": -1},
    {"id": "u", "time": 2, "kind": "b", "x": 1.5},
]


def lines(rows, end="\n"):
    """Write rows as JSON."""
    return "".join(json.dumps(row) + end for row in rows)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_answers_are_those_of_csv(models, capsys, monkeypatch, end):
    text = "id,time,kind,x\nu,1,a,0.5\n007,1,b,-1\nu,2,b,1.5\n"
    expected = follow(models / "plain", text, capsys, monkeypatch, "--proba")
    assert follow(models / "plain", lines(ROWS, end), capsys, monkeypatch, "--proba") == expected
    given = follow(
        models / "plain", lines(ROWS), capsys, monkeypatch, "--proba", "--format", "json"
    )
    assert given == expected and expected[0][2][0] == "007"


def test_what_is_missing(models, capsys, monkeypatch):
    rows = [*ROWS[:1], {"id": "u", "time": 2, "kind": "b"}, {"id": "u", "time": 3, "x": None}]
    answers, _ = follow(models / "gaps", lines(rows), capsys, monkeypatch, "--proba")
    text = "id,time,kind,x\nu,1,a,0.5\nu,2,b,\nu,3,,\n"
    assert follow(models / "gaps", text, capsys, monkeypatch, "--proba")[0] == answers
    answers, error = follow(models / "plain", lines(rows), capsys, monkeypatch, code=1)
    assert len(answers) == 2
    assert "standard input, line 2, column 'x': expected a number, got an empty cell" in error


def test_a_file_and_a_forecaster(models, capsys, monkeypatch, tmp_path):
    file = tmp_path / "later.jsonl"
    file.write_text(lines([{"time": 20, "value": 1.25}, {"time": 21, "value": 2}]))
    assert cli.main(["predict", str(models / "series"), "--follow", str(file)]) == 0
    answers = capsys.readouterr().out
    text = "time,value\n20,1.25\n21,2\n"
    rows, _ = follow(models / "series", text, capsys, monkeypatch)
    assert list(csv.reader(io.StringIO(answers))) == rows and len(rows) == 3


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"x": "z", "kind": "a"}, "line 2, column 'x': expected a number, got 'z'"),
        ({"x": "", "kind": "a"}, "line 2, column 'x': expected a number, got an empty cell"),
        ({"x": 1}, "line 2, column 'kind': the cell is empty"),
        ({"x": 1, "kind": "c"}, "line 2: "),
        ({"x": [1], "kind": "a"}, "line 2, column 'x': expected a single value, as each line is a"),
        ({"x": {"a": 1}, "kind": "a"}, "line 2, column 'x': expected a number, text, a time or a"),
        ({"x": 1, "kind": "a", "id": "u"}, "line 2 has 'id', which the first line has not"),
        ("[1, 2]", "line 2: expected an object of JSON, got '[1, 2]"),
        ("1,a", "line 2 is no JSON"),
        ('{"x": 1, "x": 2}', "line 2 has the name 'x' twice"),
        ('{"x": 1', "line 2 is no JSON"),
    ],
)
def test_faults(models, capsys, monkeypatch, second, message):
    second = second if isinstance(second, str) else json.dumps(second)
    text = lines([{"x": 1, "kind": "a"}]) + second + "\n"
    answers, error = follow(models / "plain", text, capsys, monkeypatch, code=1)
    assert len(answers) == 2  # what came before is answered
    assert error.startswith(f"fastrnn: standard input, {message}") and error.count("\n") == 1


def test_faults_of_the_first_line(models, capsys, monkeypatch):
    _, error = follow(models / "plain", lines([{"x": 1}]), capsys, monkeypatch, code=1)
    assert "standard input has no column 'kind', only 'x'" in error
    json_too = ("--format", "json")
    _, error = follow(models / "plain", "\n", capsys, monkeypatch, *json_too, code=1)
    assert "standard input is empty, expected an object of JSON in each line" in error
    _, error = follow(models / "plain", "x,kind\n1,a\n", capsys, monkeypatch, *json_too, code=1)
    assert "standard input, line 1 is no JSON" in error
    with pytest.raises(SystemExit):
        follow(models / "plain", "", capsys, monkeypatch, "--format", "ucr")
    assert "--follow reads lines of CSV or JSON, not --format ucr" in capsys.readouterr().err
