"""Where the command writes: a disk that is full, devices, folders; files are whole or as before."""

import argparse
import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_process import AS_MODULE

import fastrnn
from fastrnn import cli
from fastrnn.cli.output import escape_unknown_characters, with_options, writer
from fastrnn.files.atomic import check_place

QUICK = "--hidden-layer-sizes 3 --max-iter 2 --random-state 0".split()
FULL = Path("/dev/full")
FULL_DISK = pytest.mark.skipif(not FULL.is_char_device(), reason="there is no /dev/full")

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a folder with sequences, a text, and models of them."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 4))
    rows = [f"{n},{a},{'up' if n % 2 else 'down'}" for n in range(9) for a in values[n]]
    (folder / "data.csv").write_text("\n".join(["id,a,label", *rows]) + "\n")
    (folder / "text.txt").write_text("the cat sat on the mat. " * 9)
    with contextlib.chdir(folder):
        for task, file in (("classify", "data.csv"), ("write", "text.txt")):
            output = ["-o", f"{task}.fastrnn", "--no-verbose"]
            assert cli.main(["train", task, file, *QUICK, *output]) == 0
    return folder


@pytest.fixture
def folder(models, monkeypatch):
    monkeypatch.chdir(models)
    return models


@FULL_DISK
@pytest.mark.parametrize(
    "arguments",
    [
        "predict classify.fastrnn data.csv",
        "predict classify.fastrnn data.csv --follow",
        "predict write.fastrnn --prompt the",
        "predict write.fastrnn --prompt the --length 20000",  # more than a buffer
        "evaluate classify.fastrnn data.csv",
        "info classify.fastrnn",
        "train classify data.csv --max-iter 2 -o other.fastrnn",
        "demo --seed 1",
    ],
)
def test_standard_output_is_full(arguments, folder, capsys, monkeypatch):
    file = FULL.open("w")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", file)
        assert cli.main(arguments.split()) == 1
    with contextlib.suppress(OSError):
        file.close()
    *_, last = capsys.readouterr().err.splitlines()
    assert last in (
        "fastrnn: standard output: No space left on device",
        "fastrnn: No space left on device",  # a print in the middle
    )


@FULL_DISK
@pytest.mark.parametrize("length", [3, 20000])
def test_python_has_nothing_to_add(length, folder):
    command = [sys.executable, "-c", AS_MODULE, "predict", "write.fastrnn", "--prompt", "the"]
    with FULL.open("w") as file:
        run = subprocess.run(
            [*command, "--length", str(length)], stdout=file, stderr=subprocess.PIPE, text=True
        )
    assert run.stderr == "fastrnn: standard output: No space left on device\n"
    assert run.returncode == 1


@FULL_DISK
@pytest.mark.parametrize(
    "arguments",
    ["classify.fastrnn data.csv", "classify.fastrnn data.csv --follow", "write.fastrnn"],
)
def test_file_of_answers_is_full(arguments, folder, capsys):
    assert cli.main(["predict", *arguments.split(), "-o", str(FULL)]) == 1
    assert capsys.readouterr().err == "fastrnn: /dev/full: No space left on device\n"
    assert FULL.is_char_device()


@pytest.mark.parametrize("option", ["--output", "--checkpoint"])
def test_disk_is_full_when_the_model_is_written(option, folder, tmp_path):
    # As on a full disk, writing fails in the middle: no file may grow beyond 4096 bytes.
    pytest.importorskip("resource", reason="a limit on the size of files")
    program = (
        "import resource, sys; sys.modules['sklearn'] = None; from fastrnn import cli; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.exit(cli.main(sys.argv[1:]))"
    )
    path = tmp_path / "model"
    path.write_bytes(b"what was there")
    arguments = ["train", "classify", "data.csv", *QUICK, "--no-verbose", option, str(path)]
    arguments += ["--hidden-layer-sizes", "40"]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert (run.stdout, run.stderr) == ("", f"fastrnn: {path}: File too large\n")
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("option", ["--output", "--checkpoint", "--plot"])
def test_places_are_looked_at_before_training(option, folder, tmp_path, capsys, monkeypatch):
    def fit(*arguments, **keywords):
        raise AssertionError("training began")

    monkeypatch.setattr(fastrnn.RNNClassifier, "fit", fit)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    places = {
        pipe: f"{pipe}: this is no file, and is not replaced by one",
        tmp_path: f"{tmp_path}: Is a directory",
        tmp_path / "no" / "file": f"{tmp_path / 'no'}: there is no such folder",
        "/dev/stdout": "/dev/stdout: this is an output of the process, which no file takes the "
        "place of: name a file",
    }
    for place, message in places.items():
        assert cli.main(["train", "classify", "data.csv", option, str(place)]) == 1
        assert capsys.readouterr().err == f"fastrnn: {message}\n"
    assert pipe.is_fifo()


def test_answers_go_into_pipes_but_not_into_folders(folder, tmp_path, capfd, monkeypatch):
    predict = ["predict", "classify.fastrnn", "data.csv", "--output"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert cli.main([*predict, str(pipe)]) == 0
    assert os.read(reader, 9) == b"id,label\n" and pipe.is_fifo()
    os.close(reader)
    if os.path.exists("/dev/stdout"):
        assert cli.main([*predict, "/dev/stdout"]) == 0
        assert capfd.readouterr().out.startswith("id,label\n")
    monkeypatch.setattr(fastrnn, "load", None)  # before the model is looked at
    assert cli.main([*predict, str(tmp_path)]) == 1
    assert cli.main([*predict, str(tmp_path / "no" / "file")]) == 1
    assert "no such folder" in capfd.readouterr().err


def test_demo_writes_files_alone(tmp_path, capsys):
    os.mkfifo(tmp_path / "vowels-test.csv")
    assert cli.main(["demo", "--csv", str(tmp_path)]) == 1
    assert "vowels-test.csv: this is no file" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["vowels-test.csv"]


def test_what_is_no_file_is_not_replaced(folder, tmp_path):
    model = fastrnn.load("classify.fastrnn")
    pipe, link, dangling = (tmp_path / name for name in ("pipe", "link", "dangling"))
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    dangling.symlink_to(tmp_path / "file")
    for place in (pipe, link):
        with pytest.raises(FileExistsError, match="this is no file, and is not replaced by one"):
            model.save(place)
    assert pipe.is_fifo() and link.is_symlink()
    model.save(dangling)
    assert (tmp_path / "file").is_file()


def test_check_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_place("model")
    check_place(tmp_path / "model")
    Path("model").touch()
    check_place("model")
    with pytest.raises(FileNotFoundError, match="no such folder: 'no'"):
        check_place("no/model")
    with pytest.raises(IsADirectoryError):
        check_place(".")


def test_writer(tmp_path):
    path = tmp_path / "answers.csv"
    options = argparse.Namespace(output=str(path), quote_formulas=False)
    with writer(options, ["id", "p"]) as write:
        write(["a, b", np.float32(0.1)])
        write(["=c", np.float64(1) / 3])
    assert path.read_text() == 'id,p\n"a, b",0.1\n=c,0.3333333333333333\n'


def test_formulas_are_quoted_where_that_is_asked_for(folder, tmp_path, capsys):
    rows = (folder / "data.csv").read_text().replace("up", "=1+2").replace("down", " @SUM(A1)")
    (tmp_path / "data.csv").write_text(rows.replace("\n1,", "\n-1,").replace("\n2,", "\n+2a,"))
    model, data = str(tmp_path / "model"), str(tmp_path / "data.csv")
    assert cli.main(["train", "classify", data, *QUICK, "-o", model, "--no-verbose"]) == 0
    texts = []
    for options in ([], ["--quote-formulas"]):
        for proba in ([], ["--proba"], ["--follow"]):
            capsys.readouterr()
            assert cli.main(["predict", model, data, *proba, *options]) == 0
            texts.append(capsys.readouterr().out)
    plain, quoted = texts[:3], texts[3:]
    assert "0,=1+2\n" in plain[0] + plain[2] or "0, @SUM(A1)\n" in plain[0] + plain[2]
    assert plain[1].startswith("id, @SUM(A1),=1+2\n")
    assert quoted[1].startswith("id,' @SUM(A1),'=1+2\n")
    for before, after in zip(plain, quoted, strict=True):
        assert after.replace("'", "") == before
        cells = [cell for line in after.splitlines() for cell in line.split(",")]
        assert not [cell for cell in cells if cell.lstrip()[0] in "=@"]
        assert "\n-1," in after and "\n'+2a," in after  # -1 is a number


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("train classify no\x1b[31m.csv", 1),
        ("train classify \x1b]0;title\x07.csv", 1),
        ("train classify data.csv --\x1b[31m", 2),
        ("train classify data.csv -o no\u202e/m", 1),
        ("predict classify.fastrnn no\x9b31m.csv", 1),
        ("info no\x1b[31m.fastrnn", 1),
        ("\x1b[31m", 2),
    ],
)
def test_names_do_not_talk_to_the_terminal(arguments, code, folder, capsys):
    with contextlib.suppress(SystemExit):
        assert cli.main(arguments.split(" ")) == code
    output = capsys.readouterr()
    assert (output.out + output.err).replace("\n", "").isprintable()
    assert output.err.count("\n") == 1 and "\\" in output.err


def test_names_do_not_talk_when_all_goes_well(folder, capsys):
    rows = (folder / "data.csv").read_text()
    Path("a\x1b[31m.csv").write_text(rows.replace("id,a", "id,\x1b[32m"))
    arguments = ["train", "classify", "a\x1b[31m.csv", *QUICK, "-o", "a\x1b[31m.fastrnn"]
    assert cli.main([*arguments, "--categorical-features", "\x1b[32m"]) == 0
    output = capsys.readouterr()
    assert (output.out + output.err).replace("\n", "").isprintable()
    assert "a\\x1b[31m.csv: \\x1b[32m is read as" in output.out
    assert "a\\x1b[31m.fastrnn: RNNClassifier" in output.out


@pytest.mark.parametrize("depth", [90, 900, 5_000, 100_000])
@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("deep.toml", "alpha = ", ""),
        ("deep.json", "", ""),
        ("deep.jsonl", '{"id": 1, "x": ', "}"),
    ],
)
def test_what_is_nested_deeply_is_an_error_of_one_line(depth, name, begin, end, folder, capsys):
    Path(name).write_text(begin + "[" * depth + "]" * depth + end)
    config = ["data.csv", "--config", name] if name.endswith("toml") else [name]
    with contextlib.suppress(SystemExit):
        assert cli.main(["train", "classify", *config]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_narrow_terminals_lose_nothing(capsys, monkeypatch):
    data = io.BytesIO()
    file = io.TextIOWrapper(data, "cp1252", newline="")
    monkeypatch.setattr(sys, "stdout", file)
    escape_unknown_characters()
    print("é \U0001f600 \u0436 end", end="")
    file.flush()
    assert data.getvalue() == b"\xe9 \\U0001f600 \\u0436 end"
    (line,) = capsys.readouterr().err.splitlines()
    assert "--output writes UTF-8" in line and "PYTHONIOENCODING=utf-8" in line


@pytest.mark.parametrize(
    ("message", "spelled"),
    [
        ("NaN: missing='mask' accepts gaps", "NaN: --missing mask accepts gaps"),
        ("no step of freq='15 min'; give freq, or", "no step of --freq '15 min'; give --freq, or"),
        ("-1.0, but log=True needs values above 0", "-1.0, but --log needs values above 0"),
        ("the label 'missing' and 'freq'", "the label 'missing' and 'freq'"),
    ],
)
def test_advice_names_options(message, spelled):
    assert with_options(message) == spelled
