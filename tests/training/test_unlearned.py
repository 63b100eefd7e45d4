"""When a training is told that it has learned nothing."""

import math
import warnings

import numpy as np
import pytest
from plain_network import MeanNetwork, problem, scripted, start

from fastrnn.training import ConvergenceWarning, unlearned
from fastrnn.training.loop import Settings, train

UNLEARNED = "Training has learned nothing"


def told(losses, constant=1.0, *, n_epochs=None, watch=None, **settings):
    """Whether training through these losses warns of it; each is the loss of a minibatch."""
    options = {"batch_size": 23, "max_iter": len(losses), "learning_rate": "cosine", **settings}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(
            scripted(losses), *problem(), Settings(**options), start(), n_epochs=n_epochs,
            watch=watch, constant_loss=lambda n_minibatches: constant,
        )  # fmt: skip
    assert all(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    assert len(caught) <= 1
    return bool(caught) and str(caught[0].message).startswith(UNLEARNED)


@pytest.mark.parametrize("level", [0.99, 1.0, 3.0])
def test_a_loss_that_stays_at_that_of_the_same_answer_is_told(level):
    assert told([level] * 100)
    assert told([5.0, 2.0, *[level] * 98])


def test_a_loss_that_falls_below_is_not():
    assert not told([0.97] * 100)
    assert not told([*[1.0] * 96, 0.9, 0.9, 0.9, 0.9])
    assert not told([*[1.0] * 40, 0.5, 0.5, 0.5, *[1.0] * 60])  # whose best epoch is kept


def test_one_lucky_epoch_is_not_enough():
    assert told([*[1.0] * 50, 0.96, *[1.0] * 49])


def test_nothing_is_said_of_short_trainings(monkeypatch):
    assert not told([1.0] * 99)
    assert told([1.0] * 115, batch_size=1, max_iter=5)
    assert not told([1.0] * 50, learning_rate="constant", n_iter_no_change=math.inf)
    monkeypatch.setattr(unlearned, "ENOUGH_STEPS", 40)
    assert not told([1.0] * 46, batch_size=1, max_iter=2)  # of two epochs, whatever their steps
    assert told([1.0] * 69, batch_size=1, max_iter=3)


def test_training_that_ends_by_itself_is_told_sooner():
    settings = {"learning_rate": "constant", "max_iter": 60}
    assert told([1.0] * 60, n_iter_no_change=10, **settings)
    assert not told([1.0] * 60, n_iter_no_change=3, **settings)
    assert not told([1.0] * 60, tol=10.0, n_iter_no_change=1, **settings)


def test_the_end_that_somebody_else_wants_is_not_told():
    class Watch:
        n_epochs = 0

        def epoch_starts(self):
            pass

        def epoch_ends(self):
            self.n_epochs += 1
            return self.n_epochs == 150

    assert not told([1.0] * 200, watch=Watch())
    assert told([1.0] * 100, watch=Watch())
    assert not told([1.0] * 200, n_epochs=150)


def test_where_the_constant_loss_is_not_known_nothing_is_said():
    assert not told([1.0] * 100, constant=None)
    network = scripted([1.0] * 100)
    settings = Settings(batch_size=23, max_iter=100, learning_rate="cosine")
    train(network, *problem(), settings, start())


def test_it_is_told_instead_of_max_iter():
    assert told([1.0] * 100, learning_rate="constant", n_iter_no_change=math.inf)


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_lbfgs_tells_when_it_sees_no_way(size):
    sequences, target, weight = problem()
    network = MeanNetwork(3, 2)
    network.change_loss = lambda call, loss: loss + 1.0
    constant = 1.0 + 0.5 * (size * target).var()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = Settings(solver="lbfgs")
        train(
            network, sequences, size * target, weight, settings, start(),
            constant_loss=lambda n_minibatches: constant,
        )  # fmt: skip
    assert [str(item.message).startswith(UNLEARNED) for item in caught] == [True] * (size == 0)


def test_the_figures_are_there_when_verbose(capsys):
    assert told(list(np.linspace(1.0, 0.995, 100)), verbose=True)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == (
        "The lowest loss, 0.995051, is hardly below that of the same answer to everything, 1."
    )
