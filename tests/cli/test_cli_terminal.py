"""The command in terminals and pipes: progress, Ctrl-C, readers that leave, answers at once."""

import contextlib
import csv
import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_process import AS_MODULE

import fastrnn
from fastrnn import cli

pty = pytest.importorskip("pty", reason="there are no such terminals here")

# Of a few epochs long enough for a bar, which is not drawn more often than every 0.1 s.
SLOW = (
    "--id utterance --time frame --label speaker --hidden-layer-sizes 128,128 --batch-size 2"
).split()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Write the recordings, and train a small model; return their folder."""
    folder = tmp_path_factory.mktemp("recordings")
    assert cli.main(["demo", "--csv", str(folder)]) == 0
    return folder


# The command hears of Ctrl-C even if these tests do not, as in the background of a shell.
HEAR = "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "


def start(*arguments, first="", **options):
    """Start the command, perhaps after some Python; it is this fastrnn that it imports."""
    environment = os.environ | {"PYTHONPATH": str(Path(fastrnn.__path__[0]).parent)}
    environment.pop("PYTHONUNBUFFERED", None)  # it would do what the command has to do itself
    return subprocess.Popen(
        [sys.executable, "-c", HEAR + first + AS_MODULE, *map(str, arguments)],
        env=environment,
        **options,
    )


def read_terminal(number, process):
    """Return what appears on a terminal until the process that writes to it ends."""
    text = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while True:
            ready, _, _ = select.select([number], [], [], 0.2)
            if ready:
                text += os.read(number, 2**16)
            elif process.poll() is not None:
                break
    return text.decode()


@pytest.mark.parametrize("terminal", ["both", "stdout", "neither"])
def test_bar_is_on_a_terminal_only(recordings, tmp_path, terminal):
    ours, theirs = pty.openpty()
    try:
        process = start(
            "train", "classify", recordings / "vowels-train.csv", *SLOW, "--max-iter", "6",
            "-o", tmp_path / "m.fastrnn",
            stdout=subprocess.PIPE if terminal == "neither" else theirs,
            stderr=theirs if terminal == "both" else subprocess.PIPE,
        )  # fmt: skip
        os.close(theirs)
        with process:
            shown = read_terminal(ours, process)
            piped = [file.read().decode() for file in (process.stdout, process.stderr) if file]
    finally:
        os.close(ours)
    assert process.returncode == 0
    text = shown + "".join(piped)
    assert "epoch 6/6  loss" in (piped[0] if terminal == "neither" else shown)
    assert bool(re.search(r"\repoch \d/6 \[", shown)) == (terminal == "both")
    assert not any("[" in part or "\r" in part for part in piped)
    if terminal == "both":
        # The bar is wiped before the line of the epoch, and nothing is left of it.
        assert not any("[" in line.rsplit("\r", 1)[-1] for line in shown.split("\r\n"))
    assert "model.fastrnn" not in text and "m.fastrnn: RNNClassifier, 6 epochs, loss" in text


def test_ctrl_c_saves_the_model_trained_so_far(recordings, tmp_path):
    process = start(
        "train", "classify", recordings / "vowels-train.csv", *SLOW, "--max-iter", "500",
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        while not process.stdout.readline().startswith("epoch   2/500"):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 130
    assert errors.startswith("fastrnn: warning: Training was interrupted in epoch ")
    assert errors.count("\n") == 1
    model = fastrnn.load(tmp_path / "model.fastrnn")
    assert 2 <= model.n_iter_ < 500
    assert f"model.fastrnn: RNNClassifier, {model.n_iter_} epochs" in rest
    assert [path.name for path in tmp_path.iterdir()] == ["model.fastrnn"]


def test_ctrl_c_on_a_terminal(recordings, tmp_path):
    """The same, as the terminal sends it: to all processes in front."""
    ours, theirs = pty.openpty()
    process = start(
        "train", "classify", recordings / "vowels-train.csv", *SLOW, "--max-iter", "500",
        first="import fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); ",
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        with process:
            shown = ""
            while "epoch   1/500  loss" not in shown:
                assert process.poll() is None, shown
                shown += os.read(ours, 2**16).decode()
            os.write(ours, b"\x03")
            shown += read_terminal(ours, process)
    finally:
        os.close(ours)
    assert process.returncode == 130
    assert "Training was interrupted" in shown
    assert fastrnn.load(tmp_path / "model.fastrnn").n_iter_ >= 1


@pytest.fixture(scope="module")
def followed(recordings):
    """Train a model that can be followed: it reads numbers and a category, forwards only."""
    rng = np.random.default_rng(0)
    X = [
        {"x": rng.normal(size=5).round(3), "kind": rng.choice(["a", "b"], 5).astype(object)}
        for _ in range(20)
    ]
    y = ["up" if x["x"].sum() > 0 else "down" for x in X]
    model = fastrnn.RNNClassifier(
        6, max_iter=5, learning_rate="cosine", learning_rate_init=0.05, batch_size=5,
        categorical_features="from_dtype", random_state=0,
    ).fit(X, y)  # fmt: skip
    model.save(recordings / "followed.fastrnn")
    return model, X


def proba_of(model, rows):
    """Return the probabilities after rows of numbers and categories."""
    x, kinds = zip(*rows, strict=True)
    return model.predict_proba([{"x": np.array(x), "kind": np.array(kinds, object)}])[0]


def follow(recordings, text, capsys, *options, code=0, monkeypatch=None):
    """Follow lines that are all there already; return header and rows of the answer."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    model = str(recordings / "followed.fastrnn")
    assert cli.main(["predict", model, "--follow", *options]) == code
    output = capsys.readouterr()
    header, *rows = csv.reader(io.StringIO(output.out))
    return header, rows, output.err


def test_follow_answers_from_what_has_come(recordings, followed, capsys, monkeypatch):
    model, _ = followed
    text = "id,time,kind,x,more\nu,1,a,0.5,\nv,1,b,-1,\nu,2,b,1.5,\nv,5,b,2,\nu,3,,,\nu,1,a,0.5,\n"
    header, rows, _ = follow(recordings, text, capsys, "--proba", monkeypatch=monkeypatch)
    assert header == ["id", "time", "down", "up"]
    assert [row[:2] for row in rows] == [line.split(",")[:2] for line in text.splitlines()[1:]]
    u, v = [(0.5, "a"), (1.5, "b")], [(-1.0, "b"), (2.0, "b")]
    # The row without features makes u begin anew, with any time.
    expected = [u[:1], v[:1], u, v, None, u[:1]]
    for row, seen in zip(rows, expected, strict=True):
        if seen is None:
            assert row[2:] == ["", ""]
        else:
            np.testing.assert_allclose(
                np.array(row[2:], dtype=np.float32), proba_of(model, seen), atol=1e-6
            )
    _, rows, _ = follow(recordings, text, capsys, monkeypatch=monkeypatch)
    labels = [model.classes_[proba_of(model, seen).argmax()] if seen else "" for seen in expected]
    assert [row[2] for row in rows] == labels


def test_follow_without_ids_and_times(recordings, followed, capsys, monkeypatch):
    model, _ = followed
    header, rows, _ = follow(
        recordings, "x;kind\n1;a\n2;b\n", capsys, "--proba", "--delimiter", ";",
        monkeypatch=monkeypatch,
    )  # fmt: skip
    assert header == ["down", "up"]
    np.testing.assert_allclose(
        np.array(rows[1], dtype=np.float32), proba_of(model, [(1.0, "a"), (2.0, "b")]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,kind\n1,a\n1,c\n", "line 3: "),
        ("x,kind\n1,a\nz,a\n", "line 3, column 'x': expected a number, got 'z'"),
        ("x,kind\n1,a\n2,\n", "line 3, column 'kind': the cell is empty"),
        ("x,kind\n1,a\n2\n", "line 3 has 1 cells, expected 2"),
        ("id,x,kind\nu,1,a\n,1,a\n", "line 3, column 'id': the cell is empty"),
        (
            "id,time,x,kind\nu,2,1,a\nu,2,1,a\n",
            "line 3, column 'time': the time of 'u' must be later than 2",
        ),
        (
            "time,x,kind\n2,1,a\n2024-01-01,1,a\n",
            "line 3, column 'time': the time stamps of this row are dates without zone, but those "
            "of the rows before are numbers",
        ),
        (
            "time,x,kind\n2024-01-01T05:00Z,1,a\n2024-01-02T05:00,1,a\n",
            "line 3, column 'time': the time stamps of this row are dates without zone, but those "
            "of the rows before are dates in the zone UTC",
        ),
    ],
)
def test_follow_stops_at_a_fault(recordings, followed, capsys, monkeypatch, text, message):
    _, rows, errors = follow(recordings, text, capsys, code=1, monkeypatch=monkeypatch)
    assert len(rows) == 1  # what came before is answered
    assert errors.startswith("fastrnn: standard input") and message in errors
    assert errors.count("\n") == 1


def test_follow_text_of_another_encoding(recordings, followed, capsys, monkeypatch):
    data = "x,kind,é\n1,a,é\n".encode("latin-1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    model = str(recordings / "followed.fastrnn")
    assert cli.main(["predict", model, "--follow"]) == 1
    assert "byte 0xe9 is not utf-8; --encoding names another" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert cli.main(["predict", model, "--follow", "--encoding", "latin-1"]) == 0


def test_follow_says_which_column_is_missing(recordings, followed, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x,y\n1,2\n")))
    assert cli.main(["predict", str(recordings / "followed.fastrnn"), "--follow"]) == 1
    assert "standard input has no column 'kind', only 'x', 'y'" in capsys.readouterr().err


def readline(process, seconds=60):
    """Read a line of output, which must come although no more is written."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    assert ready, "no answer"
    return process.stdout.readline().decode()


def test_follow_answers_through_pipes_at_once(recordings, followed):
    model, _ = followed
    process = start(
        "predict", "followed.fastrnn", "--follow", cwd=recordings,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    with process:
        process.stdin.write(b"id,x,kind\n")
        assert readline(process) == "id,label\n"
        seen, seconds = [], []
        for number in (0.5, -2, 3):
            seen.append((number, "a"))
            begun = time.perf_counter()
            process.stdin.write(f"u,{number},a\n".encode())
            label = model.classes_[proba_of(model, seen).argmax()]
            assert readline(process) == f"u,{label}\n"
            seconds.append(time.perf_counter() - begun)
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0
    print("seconds to an answer:", seconds)


def test_ctrl_c_while_following(recordings, followed):
    process = start(
        "predict", "followed.fastrnn", "--follow", cwd=recordings,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    with process:
        process.stdin.write(b"x,kind\n1,a\n")
        readline(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == b""


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_reader_that_leaves(recordings, followed, follow):
    path = recordings / "long.csv"
    path.write_text("id,x,kind\n" + "".join(f"u{n},1,a\n" for n in range(20000)))
    process = start(
        "predict", "followed.fastrnn", path, *follow, cwd=recordings,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    with process:
        assert readline(process) == "id,label\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_commands_in_a_shell(recordings, followed):
    lines = subprocess.Popen(
        ["printf", r"x,kind\n1,a\n2,b\n3,a\n"], stdout=subprocess.PIPE
    )  # fmt: skip
    answers = start(
        "predict", "followed.fastrnn", "--follow", "-", cwd=recordings,
        stdin=lines.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with lines, answers:
        head = subprocess.run(["head", "-n", "2"], stdin=answers.stdout, capture_output=True)
        assert head.stdout.decode().splitlines()[0] == "label"
        assert head.stdout.decode().splitlines()[1] in ("up", "down")
        assert answers.stderr.read() == b""


@pytest.fixture(scope="module")
def forecaster(recordings):
    """Train a forecaster of two series on a file, with a covariate known for the past."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2, 24)).cumsum(axis=1).round(3)
    kinds = rng.choice(["a", "b"], size=(2, 24))
    path = recordings / "series.csv"
    path.write_text(
        "id,time,value,kind\n"
        + "".join(
            f"{'uv'[i]},{t},{values[i, t]},{kinds[i, t]}\n" for t in range(20) for i in (0, 1)
        )
    )
    # What is forecast does not depend on the scale that later values would change.
    options = "--strategy direct --horizon 2 --scaling none --past-covariates kind --max-iter 3"
    options += " --no-scale-feature"
    options += " --learning-rate cosine --no-verbose --random-state 0 --hidden-layer-sizes 5"
    model = recordings / "forecaster.fastrnn"
    assert cli.main(["train", "forecast", str(path), *options.split(), "-o", str(model)]) == 0
    return fastrnn.load(model), values, kinds


def test_follow_series(recordings, forecaster, capsys, monkeypatch):
    model, values, kinds = forecaster
    moves = [(0, 20), (1, 20), (0, 21), (0, 22), (1, 21)]
    lines = [f"{'uv'[i]},{t},{kinds[i, t]},{values[i, t]}\n" for i, t in moves]
    text = "id,time,kind,value\n" + "".join(lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    path = str(recordings / "forecaster.fastrnn")
    assert cli.main(["predict", path, "--follow"]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["id", "time", "value_1", "value_2"]
    assert [row[:2] for row in rows] == [line.split(",")[:2] for line in lines]
    for (i, t), row in zip(moves, rows, strict=True):
        known = {
            "id": np.full(t + 1, "uv"[i], dtype=object),
            "time": np.arange(t + 1),
            "value": values[i, : t + 1],
            "kind": kinds[i, : t + 1].astype(object),
        }
        np.testing.assert_allclose(
            np.array(row[2:], dtype=float), model.predict(2, known)["value"], atol=1e-5
        )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("w,20,a,1", "line 2, column 'id': the model knows no series 'w'"),
        ("u,19,a,1", "line 2, column 'time': the time of 'u' must be later than 19"),
        ("u,20,c,1", "line 2, column 'kind': 'c' is not among the categories of the model, 'a', "),
        ("u,20,a,", "line 2, column 'value': expected a number, got an empty cell"),
    ],
)
def test_follow_series_stops_at_a_fault(recordings, forecaster, capsys, monkeypatch, line, message):
    text = f"id,time,kind,value\n{line}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(["predict", str(recordings / "forecaster.fastrnn"), "--follow"]) == 1
    assert message in capsys.readouterr().err


def test_what_cannot_be_followed(recordings, forecaster, capsys, monkeypatch):
    model = str(recordings / "forecaster.fastrnn")
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(["predict", model, "--follow", "--horizon", "2"])
    assert "--horizon and --future do not go with --follow" in capsys.readouterr().err
    for options, message in (
        ("--sort", "waits for no row"),
        ("--format ts", "lines of CSV or JSON, not"),
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            cli.main(["predict", model, "--follow", *options.split()])
        assert message in capsys.readouterr().err
    path, model = str(recordings / "series.csv"), str(recordings / "future.fastrnn")
    options = "--future-covariates kind --max-iter 2 --learning-rate cosine --no-verbose"
    assert cli.main(["train", "forecast", path, *options.split(), "-o", model]) == 0
    assert cli.main(["predict", model, "--follow", path]) == 1
    assert "forecasts need 'kind' of the steps to come" in capsys.readouterr().err
    options = "--features value --label kind --bidirectional --max-iter 2 --learning-rate cosine"
    assert cli.main(["train", "tag", path, *options.split(), "--no-verbose", "-o", model]) == 0
    assert cli.main(["predict", model, "--follow", path]) == 1
    assert "bidirectional" in capsys.readouterr().err
