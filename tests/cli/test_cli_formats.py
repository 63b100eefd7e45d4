"""The command on files of several forms and formats, from training to answers."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn import cli

QUICK = (
    "--hidden-layer-sizes 4 --max-iter 2 --learning-rate cosine --random-state 0 --no-verbose"
).split()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sequences(folder):
    """Write twelve sequences of unequal length in long form."""
    rng = np.random.default_rng(0)
    lines = ["id,time,a,b,label,sum"]
    for n in range(12):
        x = rng.normal(size=(rng.integers(3, 7), 2)).round(3)
        total = round(x[:, 0].sum(), 3)
        label = "up" if total > 0 else "down"
        lines += [f"{n:02},{t},{a},{b},{label},{total}" for t, (a, b) in enumerate(x)]
    Path("data.csv").write_text("\n".join(lines) + "\n")


def run(*arguments, code=0):
    """Run the command; return nothing but what it prints."""
    assert cli.main([str(argument) for argument in arguments]) == code


def write_rows(path, names, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def read_answers(text):
    """Return the header of CSV, and its rows."""
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


def read_figures(capsys):
    lines = capsys.readouterr().out.splitlines()
    return {name: float(value) for name, value in (line.rsplit(None, 1) for line in lines)}


def test_files_of_other_formats(folder, capsys):
    """A model of lists in rows answers a file in long form, and one of tokens CoNLL."""
    Path("d.jsonl").write_text(
        "".join(f'{{"x": [{k}, {k % 2}], "label": "0{k % 2}"}}\n' for k in range(6))
    )
    run("train", "classify", "d.jsonl", *QUICK)
    run("predict", "model.fastrnn", "d.jsonl")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "label"] and [row[0] for row in rows] == list("123456")
    assert {row[1] for row in rows} <= {"00", "01"}
    long = [(n, t, f"{x},5") for n in range(2) for t, x in enumerate((1, 0))]
    Path("d.csv").write_text("id;time;x\n" + "".join("{};{};{}\n".format(*row) for row in long))
    run("predict", "model.fastrnn", "d.csv")
    assert len(read_answers(capsys.readouterr().out)[1]) == 2

    labels = ["1.10", "true", "1e3"]  # no strings in the file
    Path("e.jsonl").write_text("".join(f'{{"x": [1], "label": {label}}}\n' for label in labels))
    run("train", "classify", "e.jsonl", *QUICK, "--output", "e.fastrnn")
    assert fastrnn.load("e.fastrnn").classes_.tolist() == sorted(labels)

    Path("d.conll").write_text("1990 B\nsaid O\n\nRome B\n\n" * 3)
    run("train", "tag", "d.conll", *QUICK[:-1])
    out = capsys.readouterr().out
    assert "d.conll: 6 sequences, 9 steps\nd.conll: token is read as 3 categories\n" in out
    run("predict", "model.fastrnn", "d.conll")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "label"] and [row[0] for row in rows] == [*"112334556"]
    run("evaluate", "model.fastrnn", "d.conll")
    assert read_figures(capsys)["steps"] == 9


def test_labels_of_other_files_are_those_of_training(sequences, capsys):
    rows = list(csv.DictReader(Path("data.csv").read_text().splitlines()))
    coded = [(r["id"], r["a"], f"{int(r['id']) % 3:02}") for r in rows]
    write_rows("train.csv", ["id", "a", "label"], coded)
    some = [row for row in coded if row[2] != "02"]
    write_rows("some.csv", ["id", "a", "label"], [(*row[:2], row[2]) for row in some])
    run("train", "classify", "train.csv", *QUICK, "--validation", "some.csv")
    assert fastrnn.load("model.fastrnn").classes_.tolist() == ["00", "01", "02"]
    run("evaluate", "model.fastrnn", "some.csv")
    assert "log-loss" in read_figures(capsys)


def test_rows_are_sorted_where_that_is_said(sequences, capsys):
    lines = Path("data.csv").read_text().splitlines()
    Path("mixed.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    options = ["--features", "a,b"]
    run("train", "classify", "mixed.csv", *QUICK, *options, code=1)
    assert "--sort" in capsys.readouterr().err
    run("train", "regress", "data.csv", *QUICK, *options, "--target", "sum", "-o", "a.fastrnn")
    run("predict", "a.fastrnn", "data.csv")
    expected = sorted(read_answers(capsys.readouterr().out)[1])
    run("predict", "a.fastrnn", "mixed.csv", "--sort")
    assert sorted(read_answers(capsys.readouterr().out)[1]) == expected


def test_missing_cells_and_the_advice_on_them(sequences, capsys):
    text = Path("data.csv").read_text().splitlines()
    cells = text[4].split(",")
    text[4] = ",".join([*cells[:2], "?", *cells[3:]])
    Path("data.csv").write_text("\n".join(text) + "\n")
    options = [*QUICK, "--features", "a,b"]
    run("train", "classify", "data.csv", *options, code=1)
    error = capsys.readouterr().err
    assert "line 5, column 'a': expected a number, got '?'" in error
    assert "--na-values '?' reads it as missing" in error
    run("train", "classify", "data.csv", *options, "--na-values", "?", code=1)
    assert "got '?'; --missing mask accepts gaps" in capsys.readouterr().err
    run("train", "classify", "data.csv", *options, "--na-values", "?", "--missing", "mask")
