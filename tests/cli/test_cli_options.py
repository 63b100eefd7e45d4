"""The parameters of estimators as options of the command, and in a TOML file."""

import dataclasses
import math

import numpy as np
import pytest

import fastrnn
from fastrnn import cli
from fastrnn.cli.options import explain, parameters, read_value
from fastrnn.cli.tasks import TASKS
from fastrnn.estimators.parameters import parameters_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_wrong(*arguments):
    """Run the command with arguments that are wrong."""
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("task", TASKS)
def test_every_parameter_is_an_option(task, capsys):
    kind = getattr(fastrnn, TASKS[task].kind)
    names = {field.name for field in dataclasses.fields(kind)} - {"warm_start"}
    assert set(parameters(kind)) == names
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["train", task, "--help"])
    text = capsys.readouterr().out
    for name in names:
        assert f"--{name.replace('_', '-')}" in text
    for name in names:
        _, explanation = explain(parameters_of(kind)[name])
        assert len(explanation) > 15, name
        assert "".join(explanation.split()) in "".join(text.split())
    assert "--warm-start" not in text


def test_the_output_of_taggers_has_another_name_than_the_file(folder):
    rows = [f"{key},{t},{(key + t) % 3}.5,{'ab'[t % 2]}" for key in range(6) for t in range(4)]
    (folder / "data.csv").write_text("\n".join(["id,time,x,tag", *rows]))
    command = "train tag data.csv --label tag --output-layer crf --output m.fastrnn --max-iter 1"
    assert cli.main([*command.split(), "--hidden-layer-sizes", "2", "--random-state", "0"]) == 0
    model = fastrnn.load("m.fastrnn")
    assert (model.output, model.transitions_.shape) == ("crf", (2, 2))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hidden_layer_sizes", "64", 64),
        ("hidden_layer_sizes", "64,32", (64, 32)),
        ("stride", "auto", "auto"),
        ("stride", "3", 3),
        ("conv", "none", None),
        ("conv", "64:17:2", ((64, 17, 2),)),
        ("conv", "64:17:2, 32:9:1", ((64, 17, 2), (32, 9, 1))),
        ("augment", "none", None),
        ("augment", "0.5", 0.5),
        ("augment", "auto", "auto"),
        ("cell", "gru", "gru"),
        ("bptt_steps", "none", None),
        ("clip_norm", "inf", math.inf),
        ("alpha", "1e-4", 1e-4),
        ("batch_size", "auto", "auto"),
        ("class_weight", "balanced", "balanced"),
        ("class_weight", "yes=2,no=0.5", {"yes": 2, "no": 0.5}),
        ("class_weight", "1=2", {1: 2}),
        ("categorical_features", "from_dtype", "from_dtype"),
        ("categorical_features", "weekday", ("weekday",)),
        ("categorical_features", "weekday,3", ("weekday", 3)),
        ("quantiles", "0.5", (0.5,)),
        ("n_jobs", "-1", -1),
    ],
)
def test_values_of_options(name, text, value):
    kinds = [getattr(fastrnn, task.kind) for task in TASKS.values()]
    parameter = next(parameters_of(kind)[name] for kind in kinds if name in parameters_of(kind))
    assert read_value(parameter, text) == value
    assert type(read_value(parameter, text)) is type(value)


@pytest.mark.parametrize("task", TASKS)
def test_defaults_can_be_given(task):
    kind = getattr(fastrnn, TASKS[task].kind)
    for name, default in parameters(kind).items():
        parameter = parameters_of(kind)[name]
        parameter.check(default)
        assert read_value(parameter, str(default)) == default, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cell", "gurk"], "argument --cell: cell must be one of 'lstm', 'gru', 'rnn', "),
        (["--conv", "64:17"], "conv must be None, 'auto' or a tuple of (width, kernel, stride)"),
        (["--hidden-layer-sizes", "0"], "hidden_layer_sizes must be a whole number >= 1 or a"),
        (["--max-iter", "many"], "max_iter must be a whole number >= 1 or 'auto', got 'many'"),
        (["--power-t", "-0.3"], "argument --power-t: power_t must be a number >= 0, got -0.3"),
        (["--warm-start"], "unrecognized arguments: --warm-start"),
        (["--hidden", "3"], "unrecognized arguments: --hidden 3"),
        (["--encoding", "klingon"], "argument --encoding: there is no encoding 'klingon' of text"),
        (["--encoding", "rot13"], "argument --encoding: there is no encoding 'rot13' of text"),
        (["--encoding", "hex"], "argument --encoding: there is no encoding 'hex' of text"),
        (["--delimiter", "ab"], "expected one character, tab or space, got 'ab'"),
    ],
)
def test_wrong_options(options, message, folder, capsys):
    run_wrong("train", "classify", "data.csv", *options)
    error = capsys.readouterr().err
    assert error.startswith("fastrnn train classify: ") and message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell = ", "model.toml is no TOML: "),
        (
            "warm_start = true",
            "model.toml has the entry 'warm_start', which is no parameter of RNN",
        ),
        ('cell = "gurk"', "model.toml: cell must be one of"),
        (
            "max_iter = true",
            "model.toml: max_iter must be a whole number >= 1 or 'auto', got True",
        ),
    ],
)
def test_wrong_config(text, message, folder, capsys):
    (folder / "model.toml").write_text(text)
    run_wrong("train", "classify", "data.csv", "--config", "model.toml")
    assert capsys.readouterr().err.startswith(f"fastrnn train classify: {message}")
    arguments = ["train", "classify", "data.csv", "--config", "nowhere.toml"]
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err == "fastrnn: nowhere.toml: No such file or directory\n"


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_options_that_are_not_used_are_ignored(folder):
    rows = [f"{n},{n + 0.5 * t},{'up' if n % 2 else 'down'}" for n in range(9) for t in range(4)]
    (folder / "data.csv").write_text("\n".join(["id,a,label", *rows]))
    command = "train classify data.csv --max-iter 2 --random-state 0 --no-verbose -o".split()
    assert cli.main([*command, "a.fastrnn"]) == 0
    assert cli.main([*command, "b.fastrnn", "--momentum", "0.3", "--power-t", "1"]) == 0
    models = [fastrnn.load(f"{name}.fastrnn") for name in "ab"]
    np.testing.assert_array_equal(models[0].network_.theta, models[1].network_.theta)
    assert (models[1].momentum, models[1].power_t) == (0.3, 1)
