"""How long training goes on: what "auto" stands for, and who is told."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from contract import CASES, LONG, label_sequences, same

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNTagger, cli
from fastrnn.estimators import fitting
from fastrnn.estimators.base import RNNBase
from fastrnn.training.budget import ITERATIONS, Budget
from fastrnn.training.checkpoints import CheckpointFile

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

X, LABELS = label_sequences(40)


LITTLE = Budget(n_sequences=120, small_batch=2, steps_of_epoch=8, fewest_epochs=2, most_epochs=5)
"""Spent in no time: of n sequences, n // 8 in a minibatch, 120 // n epochs."""


@pytest.fixture(autouse=True)
def little(monkeypatch):
    for each in (RNNBase, fastrnn.RNNRegressor, RNNLanguageModel):
        monkeypatch.setattr(each, "budget", LITTLE)
    monkeypatch.setattr(RNNTagger, "budget", replace(LITTLE, n_sequences=60, large_batch=3))
    monkeypatch.setattr(RNNForecaster, "budget", replace(LITTLE, n_sequences=9, fewest_epochs=1))


@pytest.fixture
def given(monkeypatch):
    """The settings of every training."""
    settings, train = [], fitting.train

    def spy(*args, **options):
        settings.append(args[4])
        return train(*args, **options)

    monkeypatch.setattr(fitting, "train", spy)
    return settings


def small(**params):
    defaults = {"max_iter": "auto", "batch_size": "auto", "learning_rate": "cosine"}
    return RNNClassifier(3, **{**defaults, "random_state": 0, **params})


@pytest.mark.parametrize(("n", "size", "epochs"), [(10, 2, 5), (30, 4, 4), (40, 5, 3)])
def test_auto_is_by_the_number_of_sequences(n, size, epochs):
    params = {"max_iter": epochs, "batch_size": size}
    chosen = small().fit(X[:n], LABELS[:n])
    assert chosen.n_iter_ == epochs
    assert same(chosen, small(**params).fit(X[:n], LABELS[:n]))
    assert not same(chosen, small(max_iter=epochs, batch_size=size + 1).fit(X[:n], LABELS[:n]))


def test_sequences_of_weight_zero_do_not_count():
    weight = np.arange(40) < 30
    chosen = small(shuffle=False).fit(X, LABELS, sample_weight=weight)
    assert same(chosen, small(shuffle=False).fit(X[:30], LABELS[:30]))


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in CASES.items() if case.is_separate]
)
def test_every_estimator_takes_auto(case, given):
    model = case.fit(max_iter="auto", batch_size="auto", learning_rate="cosine")
    size, epochs = model.budget.course(model.t_ // model.n_iter_)
    assert (given[0].batch_size, given[0].max_iter) == (size, epochs)
    assert model.n_iter_ == len(model.loss_curve_) == epochs


def test_windows_of_one_long_text_count(given):
    model = RNNLanguageModel(4, batch_size="auto", max_iter="auto", bptt_steps=10, random_state=0)
    model.fit(LONG * 6)  # of 2160 tokens: 215 windows, 27 of them side by side
    assert (given[0].batch_size, given[0].max_iter) == (27, 2)
    expected = RNNLanguageModel(4, batch_size=27, max_iter=2, bptt_steps=10, random_state=0)
    assert same(model, expected.fit(LONG * 6))
    again = RNNLanguageModel(4, batch_size="auto", max_iter=3, bptt_steps=None, random_state=0)
    again.fit(LONG[:11])  # without windows every token is one
    assert again.n_iter_ == 3


def test_lbfgs_has_its_own():
    model = small(solver="lbfgs")
    assert fitting.settings_of(model, 40).max_iter == ITERATIONS == 200


def test_warm_start_goes_by_the_new_data():
    model = small(warm_start=True).fit(X, LABELS)
    assert model.n_iter_ == 3
    model.fit(X[:12], LABELS[:12])
    assert model.n_iter_ == 5
    assert len(model.loss_curve_) == 8


class TestAnotherCourse:
    """There is one after the first, if that has left much of the loss."""

    @pytest.fixture(autouse=True)
    def always(self, monkeypatch):
        monkeypatch.setattr(RNNClassifier, "budget", replace(LITTLE, again_between=(0.0, np.inf)))

    def test_only_where_nobody_says_how_long(self):
        chosen = small().fit(X, LABELS)
        assert chosen.n_iter_ == len(chosen.loss_curve_) == 6
        assert small(max_iter=3).fit(X, LABELS).n_iter_ == 3
        assert small(solver="lbfgs").fit(X, LABELS).loss_curve_ == (
            small(solver="lbfgs", max_iter=ITERATIONS).fit(X, LABELS).loss_curve_
        )
        stopping = {"early_stopping": True, "validation_fraction": 0.25, "tol": 0.0}
        assert small(**stopping).fit(X, LABELS).n_iter_ == 3
        assert small().fit(X[:10] * 8, np.tile(LABELS[:10], 8)).n_iter_ == 2  # the least
        scored = small().fit(X, LABELS, validation_data=(X, LABELS))
        assert len(scored.validation_scores_) == 6

    def test_of_numbers_too(self, monkeypatch):
        monkeypatch.setattr(
            fastrnn.RNNRegressor, "budget", replace(LITTLE, again_between=(0.0, np.inf))
        )
        assert fastrnn.RNNRegressor(3, random_state=0).fit(X, np.arange(40.0)).n_iter_ == 6

    def test_where_a_sequence_has_one_answer(self, monkeypatch):
        monkeypatch.undo()  # the budgets are those of users
        have_one = RNNClassifier, fastrnn.RNNRegressor
        others = RNNTagger, RNNForecaster, RNNLanguageModel, fastrnn.RNNSeq2Seq
        assert [each(4).budget.again_between for each in have_one] == [
            (0.02, np.inf),
            (0.02, 1 / 3),
        ]
        assert all(each(4).budget.again_between is None for each in others)

    def test_the_first_is_as_it_is_alone(self):
        first = small(max_iter=3, batch_size=5).fit(X, LABELS)
        assert small().fit(X, LABELS).loss_curve_[:3] == first.loss_curve_

    def test_a_fitted_model_goes_on_for_one(self):
        model = small(warm_start=True).fit(X, LABELS)
        assert (model.n_iter_, model.fit(X, LABELS).n_iter_) == (6, 3)

    def test_progress(self, capsys):
        small(verbose=True).fit(X, LABELS)
        lines = capsys.readouterr().out.splitlines()
        assert lines.pop(3).startswith("The loss is above 0% of that of the first epoch: there is")
        assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3", "4/6", "5/6", "6/6"]

    def test_checkpoints_of_both(self, tmp_path):
        path, expected = tmp_path / "c", small().fit(X, LABELS)
        small(max_iter=3, batch_size=5).fit(X, LABELS, checkpoint=path)
        assert same(small().fit(X, LABELS, checkpoint=path, resume=True), expected)
        assert same(small().fit(X, LABELS, checkpoint=path, resume=True), expected)
        with pytest.raises(ValueError, match="it has 6 epochs, but max_iter is 3"):
            small(max_iter=3, batch_size=5).fit(X, LABELS, checkpoint=path, resume=True)

    def test_checkpoints_every_few_epochs_and_at_the_end_of_each(self, tmp_path, monkeypatch):
        path, written, keep = tmp_path / "c", [], CheckpointFile.keep

        def spy(self, checkpoint):
            path.unlink(missing_ok=True)
            keep(self, checkpoint)
            if path.exists():
                written.append(checkpoint.state.epoch)

        monkeypatch.setattr(CheckpointFile, "keep", spy)
        small().fit(X, LABELS, checkpoint=path, checkpoint_every=4)
        assert written == [3, 4, 6]


def test_partial_fit_has_no_end_to_come_down_to():
    model, constant = small(), small(learning_rate="constant")
    for _ in range(7):
        for each in (model, constant):
            each.partial_fit(X, LABELS, classes=["down", "up"])
    assert same(model, constant)
    assert model.n_iter_ == 7
    fitted = small().fit(X, LABELS)
    before = fitted.network_.theta.copy()
    fitted.partial_fit(X, LABELS)
    assert abs(fitted.network_.theta - before).max() > 1e-4


def test_early_stopping_takes_auto(given):
    model = small(early_stopping=True, validation_fraction=0.25, n_iter_no_change=1, tol=10.0)
    model.fit(X, LABELS)
    assert given[0].max_iter == 3
    assert model.n_iter_ == 2 == len(model.validation_scores_)


def test_progress_says_how_many(capsys):
    small(verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]


def test_checkpoints_record_what_auto_stood_for(tmp_path, monkeypatch):
    path = tmp_path / "c"
    expected = small().fit(X, LABELS, checkpoint=path)
    assert same(small().fit(X, LABELS, checkpoint=path, resume=True), expected)
    as_said = small(max_iter=3, batch_size=5).fit(X, LABELS, checkpoint=path, resume=True)
    assert same(as_said, expected)
    monkeypatch.setattr(RNNClassifier, "budget", replace(LITTLE, steps_of_epoch=4))
    with pytest.raises(ValueError, match="batch_size was 5 and is 10 now"):
        small().fit(X, LABELS, checkpoint=path, resume=True)


def test_callbacks_are_told(monkeypatch):
    callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
    told = []
    monkeypatch.setattr(
        callback.CallbackSupportMixin,
        "_init_callback_context",
        lambda self, max_subtasks: told.append(max_subtasks) or 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        small().fit(X, LABELS)
    assert told == [3]


def test_a_halving_search_sets_it():
    pytest.importorskip("sklearn")
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    grid = {"cell": ["gru", "rnn"], "pooling": ["last", "mean"]}
    options = {"min_resources": 1, "max_resources": 2, "factor": 2, "cv": 2}
    search = HalvingGridSearchCV(small(), grid, resource="max_iter", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, LABELS)
    assert search.best_estimator_.n_iter_ == 2


def test_the_command_takes_auto(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["id,a,b,c,kind"]
    rows += [f"{n},{a},{b},{c},{LABELS[n]}" for n, x in enumerate(X) for a, b, c in x]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    options = "--id id --label kind --learning-rate cosine --max-iter auto --no-verbose"
    assert cli.main(["train", "classify", "data.csv", *options.split()]) == 0
    model = fastrnn.load("model.fastrnn")
    assert (model.max_iter, model.n_iter_) == ("auto", 3)
