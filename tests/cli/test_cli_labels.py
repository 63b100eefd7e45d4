"""The command's tasks translate and transcribe: texts, or labels, of any length."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastrnn
from fastrnn import cli

SPOKEN = {"one": "W AH N", "two": "T UW", "three": "TH R IY", "four": "F AO R", "five": "F AY V"}
X, Y = list(SPOKEN) * 3, list(SPOKEN.values()) * 3
QUICK = "--hidden-layer-sizes 6 --max-iter 2 --learning-rate cosine --random-state 0 --no-verbose"
SAME = {"hidden_layer_sizes": 6, "max_iter": 2, "learning_rate": "cosine", "random_state": 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words, *more, code=0):
    """Run the command."""
    assert cli.main([*words.split(), *more]) == code


def run_wrong(words, message, capsys):
    """Run the command with arguments that are wrong."""
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(words.split())
    assert message in capsys.readouterr().err


def fail(words, message, capsys):
    """Run the command on files that are wrong."""
    run(words, code=1)
    assert message in capsys.readouterr().err


def write_rows(path, names, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file, delimiter="\t" if path.endswith("tsv") else ",").writerows([names, *rows])


def answers(capsys):
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    return header, rows


def figures(capsys):
    lines = capsys.readouterr().out.splitlines()
    return {name: float(value) for name, value in (line.rsplit(None, 1) for line in lines)}


# Texts of texts.


@pytest.mark.parametrize("file", ["pairs.csv", "pairs.tsv"])
def test_translate(file, folder, capsys):
    write_rows(file, ["word", "sounds"], zip(X, Y, strict=True))
    run(f"train translate {file} {QUICK} --target-tokenizer word --output m.fastrnn")
    assert capsys.readouterr().out == ""
    model = fastrnn.load("m.fastrnn")
    expected = fastrnn.RNNSeq2Seq(**SAME, target_tokenizer="word").fit(X, Y)
    assert_array_equal(model.network_.theta, expected.network_.theta)

    run(f"predict m.fastrnn {file}")
    header, rows = answers(capsys)
    assert header == ["word", "target"]
    assert rows == [list(pair) for pair in zip(X, expected.predict(X), strict=True)]

    run(f"predict m.fastrnn {file} --n-best 2 --beam-size 3 --target said --source 1")
    header, rows = answers(capsys)
    assert header == ["word", "said", "log-likelihood"]
    found = expected.set_params(beam_size=3).predict_nbest(X, 2)
    flat = [(x, text) for x, best in zip(X, found, strict=True) for text, _ in best]
    assert [tuple(row[:2]) for row in rows] == flat
    assert float(rows[1][2]) == pytest.approx(found[0][1][1])

    expected.set_params(beam_size=1)
    run(f"evaluate m.fastrnn {file}")
    assert figures(capsys) == {
        "sequences": 15,
        "edit error rate": pytest.approx(expected.edit_error_rate(X, Y), rel=1e-5),
        "share exactly right": pytest.approx(expected.score(X, Y), rel=1e-5),
        "mean log-likelihood": pytest.approx(expected.score_samples(X, Y).mean(), rel=1e-5),
    }


def test_two_files_of_lines(folder, capsys):
    Path("words.txt").write_text("\n".join(X), encoding="utf-8")
    Path("sounds.txt").write_bytes(("\r\n".join(Y) + "\r\n").encode())
    write_rows(
        "pairs.csv", ["source", "target", "more"], [(*p, "") for p in zip(X, Y, strict=True)]
    )
    said = f"{QUICK} --target-tokenizer word"
    run(f"train translate pairs.csv {said} -o of-table.fastrnn")
    run(
        f"train translate words.txt --targets sounds.txt {said} -o of-lines.fastrnn "
        "--validation words.txt --validation-targets sounds.txt"
    )
    model = fastrnn.load("of-lines.fastrnn")
    assert_array_equal(model.network_.theta, fastrnn.load("of-table.fastrnn").network_.theta)
    assert len(model.validation_scores_) == 2
    capsys.readouterr()
    run("predict of-lines.fastrnn words.txt --lines")
    assert capsys.readouterr().out.splitlines() == model.predict(X).tolist()
    run("predict of-lines.fastrnn words.txt --lines --output out.txt")
    assert Path("out.txt").read_text().splitlines() == model.predict(X).tolist()
    run("predict of-lines.fastrnn words.txt --lines --n-best 1")
    assert answers(capsys)[0] == ["source", "target", "log-likelihood"]
    run("evaluate of-lines.fastrnn words.txt --targets sounds.txt")
    of_lines = figures(capsys)
    run("evaluate of-lines.fastrnn pairs.csv")
    assert figures(capsys) == of_lines


def test_columns_without_names(folder, capsys):
    with open("pairs.tsv", "w") as file:
        for x, y in zip(X, Y, strict=True):
            print(x, f'"{y}', "said by me", sep="\t", file=file)
    columns = "--no-header --quote none --source 1 --target 2"
    run(f"train translate pairs.tsv {QUICK} --target-tokenizer space {columns}")
    model = fastrnn.load("model.fastrnn")
    same = fastrnn.RNNSeq2Seq(**SAME, target_tokenizer="space").fit(X, [f'"{y}' for y in Y])
    assert_array_equal(model.network_.theta, same.network_.theta)
    Path("words.txt").write_text("\n".join(X))
    run("predict model.fastrnn words.txt --no-header")
    header, rows = answers(capsys)
    assert header == ["1", "target"]
    assert [row[0] for row in rows] == X
    run(f"evaluate model.fastrnn pairs.tsv {columns}")
    assert figures(capsys)["sequences"] == 15
    asks = "predict model.fastrnn pairs.tsv --no-header --quote none"
    fail(asks, "pairs.tsv has no column 'source', only '1', '2', '3'", capsys)
    Path("words.txt").write_text("one\none\n\nzoo\n")  # the first line may come again
    fail("predict model.fastrnn words.txt --no-header", "sequence 2 (words.txt, line 4)", capsys)


def test_it_says_what_there_is(folder, capsys):
    write_rows("pairs.csv", ["source", "target"], zip(X, Y, strict=True))
    run(f"train translate pairs.csv {QUICK} --validation pairs.csv".replace("--no-verbose", ""))
    assert "pairs.csv: 15 pairs of texts\n" in capsys.readouterr().out
    assert len(fastrnn.load("model.fastrnn").validation_scores_) == 2


def test_pairs_that_are_refused(folder, capsys):
    write_rows("pairs.csv", ["source", "target"], [*zip(X, Y, strict=True), ("six", "")])
    train = f"train translate {QUICK}"
    fail(f"{train} pairs.csv", "pairs.csv, line 17, column 'target': the cell is empty", capsys)
    write_rows("blank.csv", ["source", "target"], [("a", "b"), (" ", "c")])
    message = "blank.csv, line 3, column 'source': the cell is missing, ' '"
    fail(f"{train} blank.csv", message, capsys)
    write_rows("three.csv", ["a", "b", "c"], [("d", "e", "f")] * 3)
    fail(f"{train} three.csv", "three.csv has no column 'source', only 'a', 'b', 'c'", capsys)
    fail(f"{train} three.csv --source a", "three.csv has no column 'target'", capsys)
    run_wrong(f"{train} three.csv --source a --target a", "are one column, 'a'", capsys)
    Path("a.txt").write_text("\n".join(X))
    Path("b.txt").write_text("\n".join(Y[:-1]))
    Path("c.txt").write_text("\n".join([*Y[:3], "", *Y[4:]]))
    fail(
        f"{train} a.txt --targets b.txt",
        "a.txt has 15 lines, but b.txt has 14: what a line becomes stands in the same line", capsys,
    )  # fmt: skip
    fail(f"{train} a.txt --targets c.txt", "c.txt, line 4 is empty, expected a text", capsys)
    fail(f"{train} c.txt --targets a.txt", "c.txt, line 4 is empty, expected a text", capsys)
    Path("empty.txt").write_text("")
    fail(f"{train} a.txt --targets empty.txt", "empty.txt is empty", capsys)
    for more, message in (
        ("--targets a.txt --source a", "--source names a column, but with --targets"),
        ("--targets b.txt --validation a.txt", "--targets and --validation-targets go together"),
        ("--validation-targets a.txt", "--validation-targets needs --validation"),
    ):
        run_wrong(f"{train} a.txt {more}", message, capsys)
    run_wrong(f"{train} - --targets -", "standard input is one file, but there are two", capsys)


def test_errors_of_a_model_name_the_line(folder, capsys):
    write_rows("pairs.csv", ["source", "target"], zip(X, Y, strict=True))
    run(f"train translate pairs.csv {QUICK}")
    write_rows("new.csv", ["source"], [("two",), ("zoo",)])
    message = "sequence 1 (new.csv, line 3), token 0 is 'z', which is not in the vocabulary"
    fail("predict model.fastrnn new.csv", message, capsys)
    Path("new.txt").write_text("two\nzoo\n")
    fail("predict model.fastrnn new.txt --lines", "sequence 1 (new.txt, line 2), token 0", capsys)
    write_rows("other.csv", ["source", "target"], [("two", "T UW"), ("zoo", "W")])
    fail("evaluate model.fastrnn other.csv", "sequence 1 (other.csv, line 3), token 0", capsys)
    run_wrong("predict model.fastrnn new.csv --id a", "--id is not for RNNSeq2Seq of texts", capsys)
    ctc = f"train translate pairs.csv {QUICK} --alignment ctc"
    fail(ctc, "sequence 0 (pairs.csv, line 2) has 3 steps for 6 labels", capsys)
    write_rows("valid.csv", ["source", "target"], [("two", "T"), ("zoo", "T")])
    fail(
        f"train translate pairs.csv {QUICK} --validation valid.csv",
        "validation_data: sequence 1 (valid.csv, line 3), token 0 is 'z'", capsys,
    )  # fmt: skip


# Labels of frames.


def write_frames(path, names, seed=0, steps=None):
    """Write frames of recordings; return them."""
    rng = np.random.default_rng(seed)
    frames = [rng.normal(size=(steps or rng.integers(7, 12), 2)).round(3) for _ in names]
    rows = [(name, t, *x) for name, of_one in zip(names, frames, strict=True)
            for t, x in enumerate(of_one)]  # fmt: skip
    write_rows(path, ["recording", "time", "a", "b"], rows)
    return frames


@pytest.fixture
def recordings(folder):
    """Write ten recordings, and what is said in them, in another order."""
    names = [f"{k:02}" for k in range(10)]
    frames = write_frames("frames.csv", names)
    write_rows("said.csv", ["recording", "text"], list(zip(names, Y, strict=False))[::-1])
    return frames, Y[:10], names


def test_transcribe(recordings, capsys):
    frames, said, names = recordings
    files = "frames.csv --labels said.csv --id recording"
    run(f"train transcribe {files} {QUICK} --target-tokenizer word -o m.fastrnn")
    model = fastrnn.load("m.fastrnn")
    expected = fastrnn.RNNSeq2Seq(**SAME, alignment="ctc", target_tokenizer="word")
    expected.fit([{"a": x[:, 0], "b": x[:, 1]} for x in frames], said)
    assert_array_equal(model.network_.theta, expected.network_.theta)
    tables = [{"a": x[:, 0], "b": x[:, 1]} for x in frames]

    run("predict m.fastrnn frames.csv --id recording")
    header, rows = answers(capsys)
    assert header == ["recording", "label"]
    assert rows == [list(pair) for pair in zip(names, model.predict(tables), strict=True)]
    run("predict m.fastrnn frames.csv --id recording --n-best 2")
    header, rows = answers(capsys)
    assert header == ["recording", "label", "log-likelihood"] and len(rows) == 20
    assert float(rows[0][2]) == pytest.approx(model.predict_nbest(tables, 2)[0][0][1])

    run(f"evaluate m.fastrnn {files}")
    assert figures(capsys) == {
        "sequences": 10,
        "edit error rate": pytest.approx(model.edit_error_rate(tables, said), rel=1e-5),
        "share exactly right": pytest.approx(model.score(tables, said), rel=1e-5),
        "mean log-likelihood": pytest.approx(model.score_samples(tables, said).mean(), rel=1e-5),
    }


def test_transcribe_with_attention_and_validation(recordings):
    write_frames("more.csv", ["x", "y"], seed=1)
    with open("said.csv", "a") as file:  # of both files
        file.write("x,T UW\ny,W AH N\n")
    run(
        f"train transcribe frames.csv --labels said.csv --id recording {QUICK} "
        "--alignment attention --validation more.csv"
    )
    model = fastrnn.load("model.fastrnn")
    assert model.alignment == "attention" and len(model.validation_scores_) == 2


@pytest.mark.parametrize("more", ["", "--conv 4:5:1 --target-tokenizer char"])
def test_labels_are_said_as_they_come(more, recordings, capsys):
    _, _, names = recordings
    train = f"train transcribe frames.csv --labels said.csv --id recording {QUICK}"
    train += " --target-tokenizer space --conv none --no-bidirectional --max-iter 15"
    run(f"{train} --learning-rate-init 0.1 {more}")
    lines = Path("frames.csv").read_text().splitlines()
    Path("frames.csv").write_text("\n".join([*lines, *(f"{name},,," for name in names)]))
    run("predict model.fastrnn --follow frames.csv --id recording")
    header, rows = answers(capsys)
    assert header == ["recording", "time", "label"]
    assert len(rows) == len(lines) - 1 + len(names)
    Path("frames.csv").write_text("\n".join(lines))
    run("predict model.fastrnn frames.csv --id recording")
    between = "" if more else " "
    said = [[name, between.join(cell for key, _, cell in rows if key == name and cell)]
            for name in names]  # fmt: skip
    assert answers(capsys)[1] == said
    assert any(text for _, text in said)
    asks = "predict model.fastrnn --follow frames.csv --id recording"
    run_wrong(f"{asks} --n-best 2", "--n-best and --beam-size do not go with --follow", capsys)


def test_models_that_cannot_be_followed(recordings, capsys):
    train = f"train transcribe frames.csv --labels said.csv --id recording {QUICK}"
    for more, message in (
        ("", "a stream reads forward"),
        ("--alignment attention", "stream is for alignment='ctc'"),
    ):
        run(f"{train} {more}")
        fail("predict model.fastrnn --follow frames.csv --id recording", message, capsys)


def test_labels_may_be_lists(recordings, capsys):
    _, said, names = recordings
    with open("said.jsonl", "w") as file:
        for name, text in zip(names, said, strict=True):
            print(json.dumps({"recording": name, "label": text.split()}), file=file)
    files = "frames.csv --labels said.jsonl --id recording"
    run(f"train transcribe {files} {QUICK}")
    model = fastrnn.load("model.fastrnn")
    assert model.task_.texts is None and "W" in model.classes_
    run("predict model.fastrnn frames.csv --id recording")
    for _, text in answers(capsys)[1]:
        assert set(text.split()) <= set(model.classes_)
    run(f"evaluate model.fastrnn {files}")
    of_lists = figures(capsys)
    run("evaluate model.fastrnn frames.csv --labels said.csv --id recording")
    assert figures(capsys) == of_lists


def test_models_of_python_are_asked(recordings, capsys):
    frames, _, _ = recordings
    model = fastrnn.RNNSeq2Seq(**SAME, alignment="ctc").fit(frames, [[3], [4, 5]] * 5)
    model.save("m.fastrnn")
    write_rows("numbers.csv", ["id", "label"], [(f"{k:02}", "4 5") for k in range(10)])
    run("evaluate m.fastrnn frames.csv --labels numbers.csv --id recording --features a,b")
    found = figures(capsys)
    assert found["edit error rate"] == pytest.approx(model.edit_error_rate(frames, [[4, 5]] * 10))


def test_transcripts_that_are_refused(recordings, capsys):
    frames, said, names = recordings
    train = f"train transcribe frames.csv --id recording {QUICK}"
    run_wrong(train, "--labels names the file with the labels of each id", capsys)

    def write(rows):
        write_rows("wrong.csv", ["recording", "text"], rows)

    both = list(zip(names, said, strict=True))
    wrong = f"{train} --labels wrong.csv"
    write(both[:3] + both[4:])
    line = 2 + sum(map(len, frames[:3]))
    fail(wrong, f"frames.csv, line {line}: the id '03' has no labels in wrong.csv", capsys)
    write([*both, ("zz", "T UW")])
    fail(wrong, "wrong.csv, line 12: the id 'zz' has no rows in frames.csv", capsys)
    write([*both, ("03", "T UW")])
    fail(
        wrong, "wrong.csv, line 12, column 'recording': the id '03' has labels in line 5 already",
        capsys,
    )  # fmt: skip
    write([*both[:5], ("05", ""), *both[6:]])
    fail(wrong, "wrong.csv, line 7, column 'text': the cell is empty", capsys)
    write([*both[:5], ("05", " ".join(["W"] * 20)), *both[6:]])
    message = f"sequence 5 (id '05') has {len(frames[5])} steps for 20 labels, expected 39 or more"
    fail(f"{wrong} --target-tokenizer word", message, capsys)
    write(both)
    text = Path("frames.csv").read_text().splitlines()
    text[40] = text[40].rpartition(",")[0] + ",NaN"
    Path("frames.csv").write_text("\n".join(text))
    fail(wrong, "frames.csv, line 41, column 'b': expected a number, got 'NaN'", capsys)


def test_errors_of_all_tasks_name_the_id(folder, capsys):
    rows = [(f"s{k}", word, "ab"[k % 2]) for k in range(8) for word in ("to", "be")]
    write_rows("data.csv", ["id", "word", "label"], rows)
    run(f"train classify data.csv {QUICK}")
    write_rows("new.csv", ["id", "word"], [("s1", "to"), ("s2", "to"), ("s2", "bee")])
    fail("predict model.fastrnn new.csv", "sequence 1 (id 's2'), time step 1", capsys)


def test_help_says_how_transcribe_aligns(capsys):
    for task, alignment in (("transcribe", "ctc"), ("translate", "attention")):
        with pytest.raises(SystemExit):
            cli.main(["train", task, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert f"How labels are found (default: {alignment})" in text
