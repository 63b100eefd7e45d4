"""The command `fastrnn`, also as `python -m fastrnn`: its form, its errors, its demonstration."""

import csv
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from command_process import AS_MODULE

import fastrnn
from fastrnn import cli
from fastrnn.cli import demo as demonstration
from fastrnn.cli import tasks
from fastrnn.cli.command_tables import TASKS
from fastrnn.datasets import load_japanese_vowels


def run(*arguments):
    """Run the command, without what it does not need."""
    return subprocess.run(
        [sys.executable, "-c", AS_MODULE, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def demo():
    """Return what the demonstration prints, line by line."""
    process = run("demo")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.splitlines()


def figures(lines, pattern):
    """Return the numbers that a pattern finds in the lines."""
    return [float(match[1]) for line in lines if (match := re.search(pattern, line))]


def test_demo_learns(demo):
    assert (demonstration.RECALL_LENGTH, demonstration.RECALL_TOKENS) == (60, 10)
    assert demonstration.FIRST_TOKEN_RECALL["cell"] == "carry_lstm"
    vowels, recall = figures(demo, r"^test accuracy (\d\.\d+)")
    assert vowels >= 0.97
    assert recall >= 0.99
    assert figures(demo, r"by chance (\d\.\d+)") == [0.1]


def test_demo_tells_time_and_progress(demo):
    assert len(figures(demo, r"trained in \d+ epochs, (\d+\.\d) s$")) == 2
    epochs = figures(demo, r"trained in (\d+) epochs")
    assert epochs[1] == demonstration.FIRST_TOKEN_RECALL["max_iter"]
    for what in ("loss", "gradient norm"):
        values = figures(demo, rf"^epoch.*{what} (\S+)")
        assert len(values) == sum(epochs)
        assert np.all(np.array(values) > 0)


def test_demo_confusion_matrix(demo):
    start = demo.index("speaker  recognized as")
    assert demo[start + 1].split() == [str(speaker) for speaker in range(1, 10)]
    rows = [line.replace(".", "0").split() for line in demo[start + 2 : start + 11]]
    table = np.array(rows, dtype=int)
    *_, y_test = load_japanese_vowels()
    speakers, counts = np.unique(y_test, return_counts=True)
    np.testing.assert_array_equal(table[:, 0], speakers)
    np.testing.assert_array_equal(table[:, 1:].sum(axis=1), counts)
    accuracy = np.trace(table[:, 1:]) / len(y_test)
    assert figures(demo, r"^test accuracy (\d\.\d+)")[0] == pytest.approx(accuracy, abs=5e-4)


def test_demo_fits_a_terminal(demo):
    assert max(map(len, demo)) <= 80


def test_demo_writes_the_recordings(tmp_path, capsys):
    assert cli.main(["demo", "--csv", str(tmp_path)]) == 0
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    for part, X, y in (("train", X_train, y_train), ("test", X_test, y_test)):
        with open(tmp_path / f"vowels-{part}.csv", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["utterance", "frame", "speaker", *(f"c{j}" for j in range(1, 13))]
        numbers = np.array(rows, dtype=np.float32)
        np.testing.assert_array_equal(numbers[:, 3:], np.concatenate(X))
        lengths = [len(x) for x in X]
        np.testing.assert_array_equal(numbers[:, 0], np.repeat(np.arange(1, len(X) + 1), lengths))
        np.testing.assert_array_equal(
            numbers[:, 1], np.concatenate([np.arange(1, n + 1) for n in lengths])
        )
        np.testing.assert_array_equal(numbers[:, 2], np.repeat(y, lengths))
    assert "270 utterances" in capsys.readouterr().out


def test_seed_and_threads(monkeypatch, capsys):
    def one_epoch(**params):
        return fastrnn.RNNClassifier(**(params | {"max_iter": 1}))

    monkeypatch.setattr(demonstration, "RNNClassifier", one_epoch)

    def losses(*arguments):
        assert cli.main(["demo", *arguments]) == 0
        return figures(capsys.readouterr().out.splitlines(), r"loss (\S+)")

    first = losses("--seed", "0")
    assert len(first) == 2
    assert losses("--n-jobs", "2") == first
    different = losses("--seed", "1")
    assert different[0] != first[0] and different[1] != first[1]


def test_version(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"fastrnn {fastrnn.__version__}\n"
    assert run("--version").stdout == f"fastrnn {fastrnn.__version__}\n"


@pytest.mark.parametrize(
    "words", ["", "train", "predict", "evaluate", "info", "demo", *(f"train {t}" for t in TASKS)]
)
def test_help_has_examples_and_exit_codes(words, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main([*words.split(), "--help"])
    text = capsys.readouterr().out
    assert f"  fastrnn {words}".rstrip() in text.partition("\nexample")[2]
    for line in ("  0    all went well", "  1    a file", "  2    wrong arg", "  130  Ctrl-C"):
        assert line in text
    examples = text.partition("\nexample")[2].partition("\nexit codes")[0]
    lines = [line for line in text.splitlines() if line not in examples]
    assert max(map(len, lines)) <= 80


def test_examples_of_help_are_good_commands(capsys):
    """Every example is understood as far as its options go; the files are not there."""
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    lines = [example for task in TASKS.values() for example in task.example.splitlines()]
    for line in map(str.strip, lines):
        _, *arguments = shlex.split(line)
        # --config and the data are files that are not there: an error, but none of usage.
        assert cli.main(arguments) == 1, line
        assert "No such file" in capsys.readouterr().err


def test_help_is_quick():
    """It imports neither numpy nor what needs it."""
    program = (
        "import sys; from fastrnn import cli\n"
        "try: cli.main(['--help'])\n"
        "finally: assert not {'numpy', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "usage: fastrnn" in process.stdout


def test_tasks_have_one_list():
    assert list(TASKS) == list(tasks.TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--seed", "-1"], "argument --seed: expected a whole number >= 0, got '-1'"),
        (["demo", "--seed", "one"], "argument --seed: expected a whole number >= 0, got 'one'"),
        (["demo", "--n-jobs", "0"], "argument --n-jobs: expected a whole number other than 0"),
        (["demo", "--n-jobs", "-"], "argument --n-jobs: expected"),
        (["demo", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(arguments)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("fastrnn") and message in output.err
    assert output.err.count("\n") == 1


def test_error_is_one_sentence(monkeypatch, capsys):
    def fail():
        raise OSError("the data are missing")

    monkeypatch.setattr(demonstration, "load_japanese_vowels", fail)
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "fastrnn: the data are missing\n"


def test_ctrl_c(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(demonstration, "load_japanese_vowels", interrupt)
    assert cli.main(["demo"]) == 130


def test_reader_that_stops_early():
    process = subprocess.Popen(
        [sys.executable, "-c", AS_MODULE, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert "Japanese Vowels" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
