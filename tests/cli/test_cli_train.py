"""The commands train, predict, evaluate and info, against the estimators in Python."""

import csv
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn import cli
from fastrnn.files.layout import write_record

# Few steps, and no warning that there could be more.
QUICK = (
    "--hidden-layer-sizes 6 --max-iter 3 --learning-rate cosine --learning-rate-init 0.05 "
    "--random-state 0 --no-verbose"
).split()
SAME = {
    "hidden_layer_sizes": 6,
    "max_iter": 3,
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "random_state": 0,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(path, names, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def run(*arguments, code=0):
    """Run the command; return nothing but what it prints."""
    assert cli.main([str(argument) for argument in arguments]) == code


def read_answers(text):
    """Return the header of CSV, and its rows."""
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


@pytest.fixture
def sequences(folder):
    """Write twelve sequences of unequal length in long form; return what is in them."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 7), 2)).round(3) for _ in range(12)]
    y = ["up" if x[:, 0].sum() > 0 else "down" for x in X]
    z = np.array([[x[:, 0].sum(), x[0, 1]] for x in X]).round(3)
    rows = [
        (f"{n:02}", t, x[0], x[1], y[n], *z[n], int(x[0] > x[1]))
        for n in range(12)
        for t, x in enumerate(X[n])
    ]
    names = ["id", "time", "a", "b", "label", "sum", "first", "larger"]
    write_rows("data.csv", names, rows)
    return X, y, z


def test_classify(sequences, capsys):
    X, y, _ = sequences
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b", "-o", "m.fastrnn")
    assert capsys.readouterr().out == ""
    model = fastrnn.load("m.fastrnn")
    expected = fastrnn.RNNClassifier(**SAME).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(as_tables(X)), expected.predict_proba(X))
    assert model.feature_names_in_.tolist() == ["a", "b"]

    run("predict", "m.fastrnn", "data.csv")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "label"]
    assert rows == [[f"{n:02}", label] for n, label in enumerate(expected.predict(X))]

    run("predict", "m.fastrnn", "data.csv", "--proba", "-o", "answers.csv")
    header, rows = read_answers(Path("answers.csv").read_text())
    assert header == ["id", "down", "up"]
    proba = np.array([row[1:] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(proba, expected.predict_proba(X))

    run("evaluate", "m.fastrnn", "data.csv")
    figures = read_figures(capsys)
    assert figures["sequences"] == 12
    assert figures["accuracy"] == pytest.approx(expected.score(X, y), rel=1e-5)
    p = proba[np.arange(12), [int(label == "up") for label in y]]
    assert figures["log-loss"] == pytest.approx(-np.log(p.astype(float)).mean(), rel=1e-5)
    assert 0 <= figures["macro F1"] <= 1


def as_tables(X):
    """Make of arrays what the command makes of files."""
    return [{"a": x[:, 0], "b": x[:, 1]} for x in X]


def read_figures(capsys):
    lines = capsys.readouterr().out.splitlines()
    return {name: float(value) for name, value in (line.rsplit(None, 1) for line in lines)}


def test_regress(sequences, capsys):
    X, _, z = sequences
    run("train", "regress", "data.csv", *QUICK, "--features", "a,b", "--target", "sum,first")
    capsys.readouterr()
    expected = fastrnn.RNNRegressor(**SAME).fit(X, z)
    run("predict", "model.fastrnn", "data.csv")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "target_1", "target_2"]
    np.testing.assert_array_equal(
        np.array([row[1:] for row in rows], dtype=np.float64), expected.predict(X)
    )
    run("evaluate", "model.fastrnn", "data.csv", "--target", "sum,first")
    figures = read_figures(capsys)
    error = expected.predict(X) - z
    assert figures["R2"] == pytest.approx(expected.score(X, z), rel=1e-5)
    root = np.sqrt((error**2).mean(axis=0))
    assert figures["root mean squared error of sum"] == pytest.approx(root[0], rel=1e-5)
    assert figures["root mean squared error of first"] == pytest.approx(root[1], rel=1e-5)
    assert figures["mean absolute error of first"] == pytest.approx(
        np.abs(error[:, 1]).mean(), rel=1e-5
    )

    run("train", "regress", "data.csv", *QUICK, "--features", "a,b", "--target", "sum")
    run("predict", "model.fastrnn", "data.csv")
    assert read_answers(capsys.readouterr().out)[0] == ["id", "target"]


def test_tag(sequences, capsys):
    X, *_ = sequences
    y = [(x[:, 0] > x[:, 1]).astype(int) for x in X]
    options = ["--features", "a,b", "--label", "larger"]
    run("train", "tag", "data.csv", *QUICK, *options)
    expected = fastrnn.RNNTagger(**SAME).fit(X, y)
    run("predict", "model.fastrnn", "data.csv")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "time", "label"]
    assert [row[:2] for row in rows] == [
        [f"{n:02}", str(t)] for n in range(12) for t in range(len(X[n]))
    ]
    assert [int(row[2]) for row in rows] == np.concatenate(expected.predict(X)).tolist()
    run("predict", "model.fastrnn", "data.csv", "--proba")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "time", "0", "1"]
    np.testing.assert_array_equal(
        np.array([row[2:] for row in rows], np.float32), np.concatenate(expected.predict_proba(X))
    )
    run("evaluate", "model.fastrnn", "data.csv", "--label", "larger")
    figures = read_figures(capsys)
    assert figures["steps"] == sum(map(len, X))
    assert figures["accuracy"] == pytest.approx(expected.score(X, y), rel=1e-5)


def test_tag_rows_in_any_order_of_ids_and_with_gaps(folder, capsys):
    rows = [("b", 0, 1, "x"), ("a", 0, 0, "y"), ("b", 1, 1, ""), ("a", 1, 1, "x")]
    write_rows("data.csv", ["who", "t", "f", "tag"], rows)
    options = ["--id", "who", "--time", "t"]
    run("train", "tag", "data.csv", *QUICK, *options, "--label", "tag")
    run("predict", "model.fastrnn", *options, "data.csv")
    _, answers = read_answers(capsys.readouterr().out)
    assert [row[:2] for row in answers] == [["b", "0"], ["a", "0"], ["b", "1"], ["a", "1"]]
    y = [["x", None], ["y", "x"]]
    model = fastrnn.RNNTagger(**SAME).fit([[[1], [1]], [[0], [1]]], y)
    expected = model.predict([[[1], [1]], [[0], [1]]])
    assert [row[2] for row in answers] == [
        expected[0][0],
        expected[1][0],
        expected[0][1],
        expected[1][1],
    ]
    run("evaluate", "model.fastrnn", "data.csv", *options, "--label", "tag")
    assert read_figures(capsys)["steps"] == 3


@pytest.fixture
def series(folder):
    """Write two series with a covariate known beforehand: 30 days, then three of it alone."""
    rng = np.random.default_rng(1)
    values = [10 + rng.normal(size=30).cumsum().round(3) for _ in range(2)]
    sale = rng.integers(2, size=(2, 33))
    days = np.arange("2024-01-01", "2024-02-03", dtype="datetime64[D]")
    names = ["shop", "day", "sold", "sale"]
    rows = [("NO"[n], days[t], values[n][t], sale[n, t]) for n in range(2) for t in range(30)]
    write_rows("data.csv", names, rows)
    rows = [("NO"[n], days[t], sale[n, t]) for n in range(2) for t in range(30, 33)]
    write_rows("later.csv", ["shop", "day", "sale"], rows)
    return values, sale


COLUMNS = "--id shop --time day --value sold --future-covariates sale".split()


def test_forecast(series, capsys):
    values, sale = series
    run("train", "forecast", "data.csv", *QUICK, *COLUMNS, "--window", "12")
    expected = fastrnn.RNNForecaster(**SAME, window=12)
    known = [part[:30] for part in sale]
    expected.fit(values, future_covariates=known)
    forecasts = expected.predict(3, future_covariates=list(sale))
    shown = [
        [shop, str(step), f"2024-0{'1-31' if step == 1 else f'2-0{step - 1}'}", str(value)]
        for shop, forecast in zip("NO", forecasts, strict=True)
        for step, value in enumerate(forecast, 1)
    ]
    # The series of training are in the model; the same ones in a file give the same forecasts.
    for file in ([], ["data.csv"]):
        run("predict", "model.fastrnn", *file, "--horizon", "3", "--future", "later.csv")
        header, rows = read_answers(capsys.readouterr().out)
        assert header == ["shop", "step", "day", "value"]
        assert rows == shown
    run("evaluate", "model.fastrnn", "data.csv", "--horizon", "2", "--start", "20", "--step", "3")
    figures = read_figures(capsys)
    table = expected.backtest(values, 2, 3, start=20, future_covariates=known)
    assert figures["series"] == 2 and figures["forecasts"] == len(table["mae"])
    assert figures["mean absolute error"] == pytest.approx(table["mae"].mean(), rel=1e-5)
    assert figures["MASE of the naive forecast"] == pytest.approx(
        table["naive_mase"].mean(), rel=1e-5
    )


def test_forecast_quantiles(series, capsys):
    values, _ = series
    direct = ["--strategy", "direct", "--horizon", "2", "--quantiles", "0.1,0.5,0.9"]
    run("train", "forecast", "data.csv", *QUICK, *COLUMNS[:6], *direct)
    expected = fastrnn.RNNForecaster(
        **SAME, strategy="direct", horizon=2, quantiles=(0.1, 0.5, 0.9)
    ).fit(values)
    run("predict", "model.fastrnn", "--quantiles", "0.1,0.3")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["shop", "step", "day", "q0.1", "q0.3"]
    assert [row[2] for row in rows] == ["2024-01-31", "2024-02-01"] * 2
    np.testing.assert_array_equal(
        np.array([row[3:] for row in rows], dtype=np.float64),
        np.concatenate(expected.predict_quantiles(2, levels=[0.1, 0.3])),
    )


def test_forecast_of_one_series_without_ids_and_times(folder, capsys):
    values = np.random.default_rng(2).normal(size=20).cumsum().round(3)
    write_rows("data.csv", ["value"], values[:, np.newaxis])
    run("train", "forecast", "data.csv", *QUICK, *"--strategy recursive --horizon 5".split())
    run("predict", "model.fastrnn")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["step", "value"]
    expected = fastrnn.RNNForecaster(**SAME, strategy="recursive").fit(values)
    assert rows == [["1", str(expected.predict(1)[0])]]


def test_forecast_validation(series, capsys):
    values, sale = series
    lines = Path("data.csv").read_text().splitlines()
    Path("begin.csv").write_text("\n".join(line for line in lines if "2024-01-3" not in line))
    validation = ["--validation", "data.csv", "--validation-start", "-1"]
    run("train", "forecast", "begin.csv", *QUICK, *COLUMNS, *validation)
    known = [part[:30] for part in sale]
    expected = fastrnn.RNNForecaster(**SAME)
    expected.fit(
        [part[:29] for part in values],
        future_covariates=[part[:29] for part in sale],
        validation_data={"y": values, "future_covariates": known, "start": -1},
    )
    model = fastrnn.load("model.fastrnn")
    assert model.validation_scores_ == expected.validation_scores_


def test_write(folder, capsys):
    text = "the cat sat on the mat. " * 20
    (folder / "book.txt").write_text(text)
    more = ["--batch-size", "4", "--validation", "book.txt"]
    run("train", "write", "book.txt", *QUICK, *more)
    expected = fastrnn.RNNLanguageModel(**SAME, batch_size=4).fit(text)
    drawn = expected.sample("the ", 20, temperature=0.5, top_k=3, random_state=1)
    options = "--length 20 --temperature 0.5 --top-k 3 --seed 1".split()
    run("predict", "model.fastrnn", "--prompt", "the ", *options)
    assert capsys.readouterr().out == drawn + "\n"
    (folder / "prompt.txt").write_text("the ")
    run("predict", "model.fastrnn", "prompt.txt", *options, "-o", "drawn.txt")
    assert (folder / "drawn.txt").read_text() == drawn
    run("evaluate", "model.fastrnn", "book.txt")
    figures = read_figures(capsys)
    assert figures["perplexity"] == pytest.approx(expected.perplexity(text), rel=1e-5)
    assert figures["log-likelihood per token"] == pytest.approx(expected.score(text), rel=1e-5)


def test_write_lines(folder, capsys):
    lines = ["she sees", "he hears"] * 6
    (folder / "lines.txt").write_text("\n".join(lines) + "\n\n")
    run("train", "write", "lines.txt", "--lines", "--tokenizer", "word", *QUICK)
    expected = fastrnn.RNNLanguageModel(**SAME, tokenizer="word").fit(lines)
    run("evaluate", "model.fastrnn", "lines.txt")
    assert read_figures(capsys)["perplexity"] == pytest.approx(expected.perplexity(lines), rel=1e-5)


def test_columns_are_found_by_their_names(sequences, capsys):
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b")
    run("predict", "model.fastrnn", "data.csv", "--proba")
    before = capsys.readouterr().out
    rows = list(csv.DictReader(Path("data.csv").read_text().splitlines()))
    write_rows("turned.csv", ["b", "id", "x", "a"], [(r["b"], r["id"], 0, r["a"]) for r in rows])
    run("predict", "model.fastrnn", "turned.csv", "--proba")
    assert capsys.readouterr().out == before
    write_rows("less.csv", ["id", "a"], [(r["id"], r["a"]) for r in rows])
    run("predict", "model.fastrnn", "less.csv", code=1)
    assert capsys.readouterr().err == "fastrnn: less.csv has no column 'b', only 'id', 'a'\n"
    run_wrong("predict", "model.fastrnn", "data.csv", "--features", "a")
    assert "--features is for models without names of columns" in capsys.readouterr().err


def run_wrong(*arguments):
    """Run the command with arguments that are wrong."""
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main([str(argument) for argument in arguments])


def test_models_without_names_take_the_columns_in_order(sequences, capsys):
    X, y, _ = sequences
    model = fastrnn.RNNClassifier(**SAME).fit(X, y)
    model.save("m.fastrnn")
    run("predict", "m.fastrnn", "--features", "a,b", "data.csv", "--proba")
    _, rows = read_answers(capsys.readouterr().out)
    np.testing.assert_array_equal(
        np.array([row[1:] for row in rows], np.float32), model.predict_proba(X)
    )


def test_categories(folder, capsys):
    words = ["the", "cat", "runs"]
    rng = np.random.default_rng(0)
    drawn = rng.integers(3, size=(8, 5))
    rows = [(n, words[k], 10 * k, "N" if k == 1 else "O") for n in range(8) for k in drawn[n]]
    write_rows("data.csv", ["id", "word", "code", "label"], rows)
    run("train", "tag", "data.csv", *QUICK)  # words are seen to be categories
    model = fastrnn.load("model.fastrnn")
    assert model.n_categories_ == (3,)
    # Named ones are, even if they look like numbers; and stay it in files of numbers alone.
    run("train", "tag", "data.csv", *QUICK, "--categorical-features", "code", "--features", "code")
    assert fastrnn.load("model.fastrnn").n_categories_ == (3,)
    run("predict", "model.fastrnn", "data.csv")
    capsys.readouterr()
    write_rows("new.csv", ["id", "code"], [(0, 10), (0, 30)])
    run("predict", "model.fastrnn", "new.csv", code=1)
    assert "'30'" in capsys.readouterr().err


def test_categories_are_named_by_whole_names(folder, capsys):
    rows = [(n, t, t % 2, (n + t) % 3, "ab"[t % 2]) for n in range(4) for t in range(3)]
    write_rows("data.csv", ["id", "time", "f", "r", "label"], rows)
    # These columns are called as letters of the word are, but it names none of them.
    run("train", "tag", "data.csv", *QUICK, "--categorical-features", "g", code=1)
    assert "categorical_features has the name 'g'" in capsys.readouterr().err
    run("train", "tag", "data.csv", *QUICK, "--categorical-features", "from_dtype")
    assert fastrnn.load("model.fastrnn").n_categories_ == ()
    run("train", "tag", "data.csv", *QUICK, "--categorical-features", "all")
    assert fastrnn.load("model.fastrnn").n_categories_ == (2, 3)


def test_models_that_files_do_not_suit(sequences, capsys):
    X, y, _ = sequences
    labels = np.array([[label == "up", label == "down"] for label in y]).astype(int)
    fastrnn.RNNClassifier(**SAME).fit(as_tables(X), labels).save("m.fastrnn")
    run("predict", "m.fastrnn", "data.csv")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["id", "0", "1"] and {*rows[0][1:]} <= {"0", "1"}
    run("evaluate", "m.fastrnn", "data.csv", code=1)
    assert "any number of labels" in capsys.readouterr().err
    fastrnn.RNNClassifier(**SAME).fit(np.eye(4), [0, 1, 0, 1]).save("m.fastrnn")
    run("predict", "m.fastrnn", "data.csv", code=1)
    assert "a table with a sequence in each row" in capsys.readouterr().err
    fastrnn.RNNForecaster(**SAME).fit(np.arange(9.0)).save("m.fastrnn")
    run("predict", "m.fastrnn", "data.csv", code=1)
    assert "fitted on arrays, whose columns have no names" in capsys.readouterr().err
    run("predict", "m.fastrnn")
    assert read_answers(capsys.readouterr().out)[0] == ["id", "step", "value"]


def test_lines_of_text_end_as_on_any_machine(folder, capsys):
    for name, end in (("a", "\n"), ("b", "\r\n")):
        (folder / f"{name}.txt").write_bytes(f"one{end}two\x0b{end}{end}".encode() * 5)
        run("train", "write", f"{name}.txt", *QUICK, "--lines", "-o", f"{name}.fastrnn")
    models = [fastrnn.load(f"{name}.fastrnn") for name in "ab"]
    assert models[0].tokens_ == models[1].tokens_ and "\x0b" in models[0].tokens_
    assert "\r" not in models[1].tokens_


def test_validation_file(sequences, capsys):
    X, y, _ = sequences
    validation = ["--validation", "data.csv", "--early-stopping", "--n-iter-no-change", "5"]
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b", *validation)
    expected = fastrnn.RNNClassifier(**SAME, early_stopping=True, n_iter_no_change=5)
    expected.fit(X, y, validation_data=(X, y))
    model = fastrnn.load("model.fastrnn")
    assert model.validation_scores_ == expected.validation_scores_


def test_a_label_is_one_for_each_sequence(folder, capsys):
    rows = [("a", 1, "x"), ("b", 2, "y"), ("b", 2, "y"), ("a", 3, "y")]
    write_rows("data.csv", ["id", "f", "label"], rows)
    run("train", "classify", "data.csv", *QUICK, code=1)
    assert capsys.readouterr().err == (
        "fastrnn: data.csv, line 5, column 'label': 'y' of 'a' was 'x' in line 2; a sequence has "
        "one label\n"
    )
    assert not list(folder.glob("*.fastrnn*"))


def test_whole_file_is_one_sequence_only_where_that_makes_sense(sequences, capsys):
    run("train", "classify", "data.csv", "--id", "nobody", *QUICK, code=1)
    assert "data.csv has no column 'nobody'" in capsys.readouterr().err
    lines = [line.split(",") for line in Path("data.csv").read_text().splitlines()]
    write_rows("one.csv", lines[0][2:], [line[2:] for line in lines[1:]])
    run("train", "classify", "one.csv", *QUICK, code=1)
    assert "one.csv has no column 'id'" in capsys.readouterr().err
    run("train", "tag", "one.csv", "--features", "a,b", *QUICK)
    run("predict", "model.fastrnn", "one.csv")
    header, rows = read_answers(capsys.readouterr().out)
    assert header == ["label"] and len(rows) == len(lines) - 1


def test_parquet(sequences, capsys):
    polars = pytest.importorskip("polars")
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b", "-o", "csv.fastrnn")
    polars.read_csv("data.csv", schema_overrides={"id": polars.String}).write_parquet("d.parquet")
    run("train", "classify", "d.parquet", *QUICK, "--features", "a,b", "-o", "parquet.fastrnn")
    capsys.readouterr()
    answers = []
    for model, file in (("csv", "data.csv"), ("parquet", "d.parquet")):
        run("predict", f"{model}.fastrnn", file, "--proba")
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]


def test_plot(sequences, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b", "--plot", "loss.png")
    assert Path("loss.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run("train", "classify", "data.csv", *QUICK, "--plot", "loss.png", code=1)
    assert "pip install 'fastrnn[plot]'" in capsys.readouterr().err


def test_folders_are_looked_at_before_training(sequences, capsys):
    run("train", "classify", "nowhere.csv", "-o", "no/such/m.fastrnn", code=1)
    assert capsys.readouterr().err == "fastrnn: no/such: there is no such folder\n"


def test_checkpoint(sequences, capsys):
    options = [*QUICK, "--features", "a,b", "--checkpoint", "c.fastrnn"]
    run("train", "classify", "data.csv", *options, "-o", "a.fastrnn")
    run("train", "classify", "data.csv", *options, "--resume", "-o", "b.fastrnn")
    models = [fastrnn.load(f"{name}.fastrnn") for name in "ab"]
    np.testing.assert_array_equal(models[0].network_.theta, models[1].network_.theta)
    run_wrong("train", "classify", "data.csv", "--resume")
    assert "--resume and --checkpoint-every need --checkpoint" in capsys.readouterr().err


def test_config(sequences, capsys):
    Path("model.toml").write_text(
        'hidden_layer_sizes = [6, 5]\ncell = "gru"\nmax_iter = 2\nlearning_rate = "cosine"\n'
        'random_state = 0\nverbose = false\nbptt_steps = "none"\n'
    )
    options = ["--features", "a,b", "--config", "model.toml"]
    run("train", "classify", "data.csv", *options, "--max-iter", "3", "--cell", "rnn")
    model = fastrnn.load("model.fastrnn")
    assert model.hidden_layer_sizes == (6, 5)
    assert (model.cell, model.max_iter, model.bptt_steps) == ("rnn", 3, None)
    assert capsys.readouterr().out == ""


def test_options_of_other_tasks(sequences, capsys):
    run("train", "regress", "data.csv", *QUICK, "--features", "a,b", "--target", "sum")
    run_wrong("predict", "model.fastrnn", "data.csv", "--proba")
    assert "--proba is not for RNNRegressor, which this model is" in capsys.readouterr().err
    run_wrong("evaluate", "model.fastrnn", "data.csv", "--horizon", "3")
    assert "--horizon is not for RNNRegressor" in capsys.readouterr().err


def test_no_model(folder, capsys):
    run("predict", "nowhere.fastrnn", "data.csv", code=1)
    assert capsys.readouterr().err == "fastrnn: nowhere.fastrnn: No such file or directory\n"
    (folder / "m.fastrnn").write_bytes(b"no model")
    for command in ("predict", "evaluate", "info"):
        run(command, "m.fastrnn", code=1)
        error = capsys.readouterr().err
        assert error.startswith("fastrnn: ") and error.count("\n") == 1


def test_debug_shows_where(folder, capsys):
    run("predict", "nowhere.fastrnn", code=1)
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        cli.main(["predict", "nowhere.fastrnn", "--debug"])


def test_info(sequences, capsys):
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b", "--cell", "gru")
    model = fastrnn.load("model.fastrnn")
    run("info", "model.fastrnn")
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == f"classifier, written by fastrnn {fastrnn.__version__}"
    size = Path("model.fastrnn").stat().st_size
    n = model.network_.theta.size
    assert second == f"{size} bytes, 8 tensors of {n} numbers; all checksums are right"
    found = dict(line.split(None, 1) for line in lines if line.startswith("  "))
    assert found["cell"] == "'gru'"
    assert found["classes"] == "'down', 'up'"
    assert found["columns.names"] == "'a', 'b'"
    assert found["hidden_layer_sizes"] == "6"
    assert found["max_iter"] == "3"
    assert found["layers.0.W"] == "float32  64 x 18"
    sections = {"architecture", "reader", "task", "history", "training", "parameters", "tensors"}
    assert sections <= set(lines)


def test_info_reads_no_estimators(sequences, capsys):
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b")
    program = (
        "import sys; from fastrnn import cli; code = cli.main(['info', 'model.fastrnn']); "
        "assert 'fastrnn.estimators' not in sys.modules and 'sklearn' not in sys.modules; "
        "sys.exit(code)"
    )
    path = os.environ | {"PYTHONPATH": str(Path(fastrnn.__path__[0]).parent)}
    subprocess.run([sys.executable, "-c", program], env=path, check=True, capture_output=True)


def test_info_of_a_damaged_file(sequences, capsys):
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b")
    path = Path("model.fastrnn")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # in the last tensor
    path.write_bytes(data)
    run("info", "model.fastrnn", code=1)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("fastrnn: model.fastrnn: the tensor")
    assert "checksum" in output.err


def test_info_keeps_control_characters_from_the_terminal(folder, capsys):
    bad = "\x1b[31m\x07"
    record = {
        "fitted": {bad: bad, "list": [bad], "part": {bad: {"part": {}, bad: 1}}},
        bad: {bad: 1},
    }
    write_record("m.fastrnn", bad, record, {bad: np.ones(2)})
    run("info", "m.fastrnn")
    text = capsys.readouterr().out
    assert not {"\x1b", "\x07"} & set(text)
    assert text.count(r"\x1b[31m\x07") >= 7


@pytest.mark.parametrize(("n", "epochs"), [("1", "1 epoch"), ("3", "3 epochs")])
def test_train_says_what_it_does(sequences, capsys, n, epochs):
    run("train", "classify", "data.csv", *QUICK[:-1], "--features", "a,b", "--max-iter", n)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data.csv: 12 sequences, ")
    assert [line.split()[0] for line in lines[1:-1]] == ["epoch"] * int(n)
    assert lines[-1].startswith(f"model.fastrnn: RNNClassifier, {epochs}, loss ")


def test_ctrl_c_before_training(sequences, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fastrnn.RNNClassifier, "fit", interrupt)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        run("train", "classify", "data.csv", *QUICK, "--features", "a,b", code=130)
    assert capsys.readouterr().err == (
        "fastrnn: warning: Training had not begun: there is no model to save.\n"
    )
    assert not Path("model.fastrnn").exists()


def test_warnings_are_one_line(sequences, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # in these tests they are errors
        quick = [*QUICK[:4], "--no-verbose", "--learning-rate", "constant"]
        run("train", "classify", "data.csv", *quick, "--features", "a,b")
    error = capsys.readouterr().err
    assert error.startswith("fastrnn: warning: Training stopped at max_iter=3")
    assert error.count("\n") == 1


def test_standard_input(sequences, capsys, monkeypatch):
    run("train", "classify", "data.csv", *QUICK, "--features", "a,b")
    run("predict", "model.fastrnn", "data.csv")
    expected = capsys.readouterr().out
    for file in ([], ["-"]):
        with open("data.csv", "rb") as data:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
            run("predict", "model.fastrnn", *file)
        assert capsys.readouterr().out == expected
