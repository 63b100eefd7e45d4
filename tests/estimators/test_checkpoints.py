"""Checkpoints: a training that was cut off goes on as if nothing had happened, to the bit."""

import copy
import re
import signal
import subprocess
import sys
import time

import fuzz_files
import numpy as np
import pytest
from contract import PLAIN

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger, load
from fastrnn.estimators.base import RNNBase
from fastrnn.files import ModelFileError, read_description
from fastrnn.training import solvers
from fastrnn.training.checkpoints import CheckpointFile
from fastrnn.training.stopping import Stopping

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

TEXT = "the cat sat on the mat and the dog lay by the door. " * 6


def sequences(n=24, width=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rng.integers(2, 7), width)) for _ in range(n)]


X = sequences()
LABELS = np.array(["up" if x[-1, 0] > 0 else "down" for x in X])
SERIES = [np.sin(np.arange(n) * 0.7) + 0.01 * np.arange(n) for n in (30, 22)]

COMMON = {"max_iter": 4, "tol": 0.0, "random_state": 3, "batch_size": 8}
CONSTANT = {"learning_rate": "constant", "scaling": None}
TRAININGS = {
    **{
        f"{solver}": (RNNClassifier(3, solver=solver, **CONSTANT, **COMMON), (X, LABELS))
        for solver in ("adam", "adamw", "sgd", "rmsprop")
    },
    **{
        rate: (RNNClassifier(3, learning_rate=rate, **COMMON), (X, LABELS))
        for rate in ("invscaling", "cosine")
    },
    "adaptive": (
        RNNClassifier(3, learning_rate="adaptive", n_iter_no_change=1, **{**COMMON, "tol": 0.5}),
        (X, LABELS),
    ),
    "stalls": (
        RNNClassifier(3, n_iter_no_change=3, **CONSTANT, **{**COMMON, "tol": 1.0, "max_iter": 9}),
        (X, LABELS),
    ),
    "no momentum": (RNNClassifier(3, solver="sgd", momentum=0.0, **COMMON), (X, LABELS)),
    "dropout": (
        RNNClassifier((3, 4), dropout=0.4, recurrent_dropout=0.2, **CONSTANT, **COMMON),
        (X, LABELS),
    ),
    "augment": (RNNClassifier(3, augment=1.0, **CONSTANT, **COMMON), (X, LABELS)),
    "early stopping": (
        RNNClassifier(
            3,
            early_stopping=True,
            validation_fraction=0.4,
            n_iter_no_change=2,
            learning_rate_init=0.1,
            **COMMON,
        ),
        (X, LABELS),
    ),
    "float64, threads": (
        RNNRegressor(3, dtype="float64", n_jobs=2, **COMMON),
        (X, [len(x) for x in X]),
    ),
    "no seed": (RNNRegressor(3, **{**COMMON, "random_state": None}), (X, [len(x) for x in X])),
    "tagger": (
        RNNTagger(3, bidirectional=True, bptt_steps=2, **COMMON),
        (X, [(x[:, 0] > 0).astype(int) for x in X]),
    ),
    "one long text": (RNNLanguageModel(4, bptt_steps=7, dropout=0.2, **COMMON), (TEXT,)),
    "texts": (
        RNNLanguageModel(4, early_stopping=True, validation_fraction=0.3, **COMMON),
        ([part + "." for part in TEXT.split(".")],),
    ),
    "forecaster": (
        RNNForecaster(4, early_stopping=True, window=10, **COMMON),
        (SERIES,),
    ),
}


def fit(model, data, **options):
    """Fit a copy of the model."""
    return type(model)(**model.get_params()).fit(*data, **options)


def fit_and_copy(model, data, path, monkeypatch, **options):
    """Fit a copy; return it, and the checkpoints that there were meanwhile."""
    copies = []
    keep = CheckpointFile.keep

    def keep_and_copy(self, checkpoint):
        keep(self, checkpoint)
        if path.exists() and path.read_bytes() not in copies:
            copies.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFile, "keep", keep_and_copy)
        return fit(model, data, checkpoint=path, **options), copies


def assert_same(model, expected):
    np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)
    assert model.training_state_.rng.bit_generator.state == (
        expected.training_state_.rng.bit_generator.state
    )
    for name in ("loss_curve_", "gradient_norms_", "validation_scores_", "n_iter_", "t_", "loss_"):
        assert getattr(model, name) == getattr(expected, name), name
    for name in ("best_validation_score_", "best_epoch_"):
        assert getattr(model, name) == getattr(expected, name), name


@pytest.mark.parametrize("name", TRAININGS)
def test_goes_on_after_every_epoch(name, tmp_path, monkeypatch):
    model, data = TRAININGS[name]
    path = tmp_path / "checkpoint"
    whole, copies = fit_and_copy(model, data, path, monkeypatch)
    assert len(copies) == whole.n_iter_ > 2
    if model.random_state is not None:
        assert_same(whole, fit(model, data))
    for saved in copies:
        path.write_bytes(saved)
        assert_same(fit(model, data, checkpoint=path, resume=True), whole)
        assert path.read_bytes() == copies[-1]


def test_a_spike_at_the_end_is_undone_all_the_same(tmp_path, monkeypatch):
    epoch_ends = Stopping.epoch_ends

    def spike(self, loss, norm):
        return epoch_ends(self, 9.0 * loss if self.history.n_iter == 7 else loss, norm)

    monkeypatch.setattr(Stopping, "epoch_ends", spike)
    model = RNNClassifier(3, **{**COMMON, "max_iter": 8})
    path = tmp_path / "checkpoint"
    whole, copies = fit_and_copy(model, (X, LABELS), path, monkeypatch)
    assert (whole.best_epoch_, whole.n_iter_) == (7, 8)
    for saved in copies:
        path.write_bytes(saved)
        assert_same(fit(model, (X, LABELS), checkpoint=path, resume=True), whole)
    whole.save(tmp_path / "model")
    assert load(tmp_path / "model").best_epoch_ == 7
    whole.partial_fit(X, LABELS)
    assert (whole.best_epoch_, whole.n_iter_) == (9, 9)


def test_auto_was_a_batch_size_of_200(tmp_path):
    # Files recorded the word, and not what it stood for.
    model = RNNClassifier(3, **{**COMMON, "batch_size": 200})
    path = tmp_path / "checkpoint"
    expected = fit(model, (X, LABELS), checkpoint=path)
    header, record, body = fuzz_files.take_apart(path.read_bytes())
    assert record["parameters"]["batch_size"] == 200
    record["parameters"]["batch_size"] = "auto"
    path.write_bytes(fuzz_files.put_together(header, record, body))
    assert_same(fit(model, (X, LABELS), checkpoint=path, resume=True), expected)
    smaller = RNNClassifier(3, **{**COMMON, "batch_size": 16})
    with pytest.raises(ValueError, match="batch_size was 200 and is 16 now"):
        fit(smaller, (X, LABELS), checkpoint=path, resume=True)


def test_one_every_few_epochs_and_one_at_the_end(tmp_path, monkeypatch):
    model, data = TRAININGS["adam"]
    path = tmp_path / "checkpoint"
    _, copies = fit_and_copy(model, data, path, monkeypatch, checkpoint_every=3)
    assert [epochs(saved, tmp_path) for saved in copies] == [3, 4]
    assert list(tmp_path.iterdir()) == [path]


def epochs(data, folder):
    """Return how many epochs a checkpoint has."""
    (folder / "copy").write_bytes(data)
    description = read_description(folder / "copy")
    (folder / "copy").unlink()
    assert description.kind == "checkpoint"
    return description.record["training"]["epoch"]


@pytest.mark.parametrize("max_iter", [4, 7])
def test_a_finished_training_goes_on_if_max_iter_is_raised(max_iter, tmp_path):
    model, data = TRAININGS["dropout"]
    fit(model, data, checkpoint=tmp_path / "c")
    longer = type(model)(**{**model.get_params(), "max_iter": max_iter})
    expected = fit(longer, data)
    assert_same(fit(longer, data, checkpoint=tmp_path / "c", resume=True), expected)
    assert expected.n_iter_ == max_iter


def test_a_stalled_training_is_over(tmp_path, monkeypatch):
    options = {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 30, "random_state": 0, **PLAIN}
    model, data = RNNClassifier(3, **options), (X, LABELS)
    path = tmp_path / "c"
    whole, copies = fit_and_copy(model, data, path, monkeypatch, checkpoint_every=100)
    assert len(copies) == 1
    assert whole.n_iter_ < 30
    again, copies = fit_and_copy(model, data, path, monkeypatch, checkpoint_every=100, resume=True)
    assert copies == []
    assert_same(again, whole)


def test_ctrl_c_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    model, data = TRAININGS["adam"]
    expected, path, n_calls = fit(model, data), tmp_path / "c", 0
    step = solvers.SOLVERS["adam"].step

    def press(self, *arguments):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 8:  # of 3 in each epoch
            raise KeyboardInterrupt
        step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(solvers.SOLVERS["adam"], "step", press)
        with pytest.warns(UserWarning, match="interrupted in epoch 3"):
            fit(model, data, checkpoint=path)
    assert epochs(path.read_bytes(), tmp_path) == 2
    assert_same(fit(model, data, checkpoint=path, resume=True), expected)


def test_warm_starts_go_on(tmp_path, monkeypatch):
    model, data = TRAININGS["sgd"]
    path = tmp_path / "c"

    def twice(**options):
        first = fit(model, data).set_params(warm_start=True, max_iter=3)
        return first.fit(*data, **options)

    expected = twice()
    keep = CheckpointFile.keep
    monkeypatch.setattr(
        CheckpointFile,
        "keep",
        lambda self, checkpoint: checkpoint.state.epoch == 2 and keep(self, checkpoint),
    )
    twice(checkpoint=path)
    resumed = twice(checkpoint=path, resume=True)
    np.testing.assert_array_equal(resumed.network_.theta, expected.network_.theta)
    assert resumed.loss_curve_ == expected.loss_curve_
    with pytest.raises(ValueError, match="the model before is not what it was"):
        resumed.fit(*data, checkpoint=path, resume=True)


def test_a_generator_ends_where_it_would_have(tmp_path, monkeypatch):
    model, data = TRAININGS["dropout"]
    path, source = tmp_path / "c", np.random.default_rng(5)
    model = type(model)(**{**model.get_params(), "random_state": source})
    whole, copies = fit_and_copy(model, data, path, monkeypatch)
    drawn = copy.deepcopy(source).random()
    path.write_bytes(copies[1])
    source = np.random.default_rng(99)
    model.set_params(random_state=source)
    assert_same(fit(model, data, checkpoint=path, resume=True), whole)
    assert source.random() == drawn
    model.set_params(random_state=np.random.Generator(np.random.PCG64DXSM(5)))
    with pytest.raises(ValueError, match="has random numbers of PCG64, but random_state gives"):
        fit(model, data, checkpoint=path, resume=True)
    model.set_params(random_state=np.random.Generator(np.random.MT19937(5)))
    with pytest.raises(ValueError, match="random_state is a Generator of MT19937"):
        fit(model, data, checkpoint=path)


OTHERS = [
    ({"learning_rate_init": 0.01}, {}, "learning_rate_init was 0.002 and is 0.01 now"),
    ({"hidden_layer_sizes": 4}, {}, "hidden_layer_sizes was 3 and is 4 now"),
    ({"random_state": 4}, {}, "random_state was 3 and is 4 now"),
    ({"max_iter": 3}, {}, "it has 4 epochs, but max_iter is 3"),
    ({"learning_rate": "cosine"}, {}, "learning_rate was 'constant' and is 'cosine' now"),
    ({"n_iter_no_change": np.inf}, {}, "n_iter_no_change was 10 and is inf now"),
    ({}, {"X": [*X[:-1], X[-1] + 1e-9]}, "X is not what it was"),
    ({}, {"X": [*X[1:], X[0]]}, "X is not what it was"),
    ({}, {"y": LABELS[::-1]}, "y is not what it was"),
    ({}, {"sample_weight": np.arange(1.0, 25)}, "sample_weight is not what it was"),
    ({}, {"validation_data": (X, LABELS)}, "validation_data is not what it was"),
]


@pytest.mark.parametrize(("options", "data", "words"), OTHERS)
def test_files_of_another_training_are_refused(options, data, words, tmp_path):
    model, _ = TRAININGS["adam"]
    path, given = tmp_path / "c", {"X": X, "y": LABELS}
    dtype = {"dtype": "float64"}
    type(model)(**{**model.get_params(), **dtype}).fit(**given, checkpoint=path)
    before = path.read_bytes()
    other = type(model)(**{**model.get_params(), **dtype, **options})
    with pytest.raises(ValueError, match="belongs to another training: ") as caught:
        other.fit(**{**given, **data}, checkpoint=path, resume=True)
    assert words in str(caught.value)
    assert not hasattr(other, "network_")
    assert path.read_bytes() == before


def test_another_estimator_is_refused(tmp_path):
    model, data = TRAININGS["adam"]
    fit(model, data, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="that is one of a 'classifier', this of a 'regressor'"):
        RNNRegressor(3, **COMMON).fit(X, np.arange(24), checkpoint=tmp_path / "c", resume=True)


def test_cosine_may_not_become_longer(tmp_path):
    model, data = TRAININGS["cosine"]
    fit(model, data, checkpoint=tmp_path / "c")
    longer = type(model)(**{**model.get_params(), "max_iter": 9})
    with pytest.raises(ValueError, match="max_iter was 4 and is 9 now"):
        fit(longer, data, checkpoint=tmp_path / "c", resume=True)


def test_what_does_not_decide_may_be_another(tmp_path):
    model, data = TRAININGS["adam"]
    expected = fit(model, data, checkpoint=tmp_path / "c")
    other = type(model)(**{**model.get_params(), "n_jobs": 2, "verbose": 0})
    assert_same(fit(other, data, checkpoint=tmp_path / "c", resume=True), expected)


def test_resume_without_a_file_begins(tmp_path):
    model, data = TRAININGS["adam"]
    expected = fit(model, data)
    assert_same(fit(model, data, checkpoint=tmp_path / "c", resume=True), expected)
    changed = type(model)(**{**model.get_params(), "random_state": 9})
    fit(changed, data, checkpoint=tmp_path / "c")  # without resume it begins anew
    assert_same(fit(changed, data, checkpoint=tmp_path / "c", resume=True), fit(changed, data))


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    model, data = TRAININGS["adam"]
    path = tmp_path / "c"
    fit(model, data).save(path)
    with pytest.raises(ModelFileError, match="a file of kind 'classifier', no checkpoint"):
        fit(model, data, checkpoint=path, resume=True)
    path.write_bytes(b"anything")
    with pytest.raises(ModelFileError, match="c: its header should have"):
        fit(model, data, checkpoint=path, resume=True)
    assert path.read_bytes() == b"anything"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"resume": True}, ValueError, "resume=True has no effect: give the file in checkpoint"),
        ({"checkpoint_every": 3}, ValueError, "checkpoint_every=3 has no effect"),
        ({"checkpoint": "c", "checkpoint_every": 0}, ValueError, "must be at least 1, got 0"),
        ({"checkpoint": "c", "checkpoint_every": 1.5}, TypeError, "whole number, got 1.5"),
        ({"checkpoint": "c", "resume": "yes"}, TypeError, "must be True or False, got 'yes'"),
        ({"checkpoint": 3}, TypeError, "os.PathLike"),
        ({"checkpoint": "nowhere/c"}, FileNotFoundError, "nowhere"),
    ],
)
@pytest.mark.parametrize("name", ["adam", "one long text", "forecaster"])
def test_arguments(name, options, error, words, tmp_path, monkeypatch):
    model, data = TRAININGS[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=re.escape(words)):
        fit(model, data, **options)
    assert list(tmp_path.iterdir()) == []


def test_lbfgs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not for solver='lbfgs': what scipy keeps"):
        RNNClassifier(solver="lbfgs").fit(X, LABELS, checkpoint=tmp_path / "c")


def test_derived_estimators(tmp_path):
    class Named(RNNClassifier):
        """A class of a user's own."""

    class Oracle(RNNBase):
        """One that is derived from none of those that files know."""

    path = tmp_path / "named.checkpoint"
    full = Named(3, **COMMON).fit(X, LABELS, checkpoint=path)
    again = Named(3, **COMMON).fit(X, LABELS, checkpoint=path, resume=True)
    np.testing.assert_array_equal(again.predict_proba(X), full.predict_proba(X))
    with pytest.raises(TypeError, match="checkpoint is not for Oracle"):
        Oracle().fit(X, LABELS, checkpoint=path)


def test_damaged_checkpoints_are_refused(tmp_path):
    model, data = TRAININGS["early stopping"]
    path, rng = tmp_path / "c", np.random.default_rng(0)
    expected = fit(model, data, checkpoint=path)
    saved = path.read_bytes()
    n_refused = 0
    for damage in [*fuzz_files.BLIND, *fuzz_files.SEALED[:-1]] * 20:
        path.write_bytes(damage(saved, rng))
        try:
            fitted = fit(model, data, checkpoint=path, resume=True)
        except ModelFileError:
            n_refused += 1
        except ValueError as error:
            assert "belongs to another training" in str(error), error
        else:
            assert fitted.n_iter_ >= 1
            if damage in fuzz_files.BLIND:
                assert_same(fitted, expected)
    assert n_refused > 150


PROGRAM = """
import sys
sys.modules["sklearn"] = None  # to begin sooner
import numpy as np
from fastrnn import RNNClassifier

rng = np.random.default_rng(0)
X = [rng.standard_normal((n, 3)) for n in rng.integers(3, 12, 64)]
y = np.array([x.sum() > 0 for x in X])
model = RNNClassifier((8, 6), dropout=0.3, max_iter=60, tol=0.0, n_iter_no_change=60, batch_size=16,
                      early_stopping=True, random_state=0, learning_rate="cosine", n_jobs=2)
print("ready", flush=True)
options = {"checkpoint": sys.argv[1], "resume": True} if len(sys.argv) > 2 else {}
model.fit(X, y, **options)
model.save(sys.argv[-1])
"""


@pytest.mark.of_any_version
def test_killed_again_and_again(tmp_path):
    assert run_to_the_end(tmp_path, 3)  # one kill or more came after a checkpoint


def run_to_the_end(folder, n_kills):
    """Kill a training so many times; let it end, and compare it with one that was not killed."""

    def start(*arguments):
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    def end(process):
        process.communicate()
        assert process.returncode == 0

    whole, resumed, checkpoint = (folder / name for name in ("whole", "resumed", "checkpoint"))
    first = start(whole)
    begun = time.perf_counter()
    end(first)
    seconds = time.perf_counter() - begun
    rng = np.random.default_rng(0)
    stages = []
    for _ in range(n_kills):
        with start(checkpoint, resumed) as process:
            time.sleep(rng.uniform(0.0, 1.5 * seconds / n_kills))
            process.send_signal(signal.SIGKILL)
        if checkpoint.exists():
            stages.append(epochs(checkpoint.read_bytes(), folder))
    end(start(checkpoint, resumed))
    assert resumed.read_bytes() == whole.read_bytes()
    assert stages == sorted(stages)
    # A kill in the instant between a name and the place leaves a whole file beside it.
    beside = {*folder.iterdir()} - {whole, resumed, checkpoint}
    assert len(beside) <= n_kills / 3
    for left in beside:
        assert left.name.startswith(".fastrnn-")
        assert epochs(left.read_bytes(), folder) >= 1
    return stages
