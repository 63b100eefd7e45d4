"""Which epoch is kept: the last one, unless the loss has shot up, or scores decide."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from plain_network import STOCHASTIC, MeanNetwork, problem, scripted, start
from test_reduce import run

from fastrnn.training.loop import Settings, train
from fastrnn.training.stopping import Stopping

FALLING = [2.0, 1.5, 1.0, 0.6, 0.4, 0.3, 0.25, 0.22]


class Follow:
    """Notes the parameters after every epoch."""

    def __init__(self, network):
        self.network, self.thetas = network, []

    def epoch_starts(self):
        pass

    def epoch_ends(self):
        self.thetas.append(self.network.theta.copy())


def fit(losses, **settings):
    """Train through some losses; return network, history and the parameters of each epoch."""
    network = scripted(losses)
    follow = Follow(network)
    options = {"batch_size": 23, "learning_rate": "cosine", "max_iter": len(losses)}
    history = train(network, *problem(), Settings(**{**options, **settings}), start(), watch=follow)
    return network, history, follow.thetas


@pytest.mark.parametrize(
    ("end", "best"),
    [
        ([1.0], 8),  # in the last epoch
        ([1.0, 0.9], 8),
        ([1.9, 1.2, 0.8, 0.6], 8),  # on the way back
        ([0.21, 5.0], 9),
        ([0.3], 9),  # a tenth of what it has fallen, about 0.18 above 0.26
        ([5.0, 0.25], 10),  # a spike that is over
        ([0.22, 0.21, 0.2], 11),
    ],
)
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_a_spike_at_the_end_is_undone(end, best, solver):
    network, history, thetas = fit([*FALLING, *end], solver=solver)
    assert history.best_epoch == best
    assert history.loss_curve == pytest.approx([*FALLING, *end])
    assert_array_equal(network.theta, thetas[best - 1])
    assert best == history.n_iter or not np.array_equal(network.theta, thetas[-1])


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_of_the_loss_does_not_matter(factor):
    for end, best in ([1.0], 8), ([0.3], 9):
        losses = [factor * loss for loss in [*FALLING, *end]]
        assert fit(losses)[1].best_epoch == best


def test_losses_of_likelihoods_may_be_below_zero():
    losses = [loss - 3.0 for loss in FALLING]  # by 1.74 down to -2.74; a tenth of that counts
    assert fit([*losses, -2.5, -2.5, -2.5])[1].best_epoch == 11
    assert fit([*losses, -2.4, -2.4, -2.4])[1].best_epoch == 8


def test_swaying_is_no_spike():
    rng = np.random.default_rng(0)
    for low in (0.3, 1.0):
        sway = low * (1.0 + 0.08 * rng.uniform(-1, 1, 60))
        assert fit([1.1 * low, 1.05 * low, *sway])[1].best_epoch == 62
    assert fit([1.02, 1.0, 1.0, 1.0, 1.05, 1.05, 1.05])[1].best_epoch == 7


@pytest.mark.parametrize("losses", [[5.0], [1.0, 5.0], [1.0, 1.0, 5.0], [3.0, 2.0, 1.0]])
def test_of_three_epochs_the_last_is_kept(losses):
    assert fit(losses)[1].best_epoch == len(losses)


def test_a_loss_that_only_grows_goes_back_to_its_start():
    network, history, thetas = fit([1.0, 1.0, 1.0, 2.0, 4.0, 8.0])
    assert history.best_epoch == 3
    assert_array_equal(network.theta, thetas[2])


def test_early_stopping_looks_at_scores_alone():
    network, scores = scripted([*FALLING, 9.0]), iter([0.1, 0.2, 0.9, *[0.3] * 5, 1.0])
    settings = {"batch_size": 23, "learning_rate": "cosine", "max_iter": 9}
    history = train(
        network, *problem(), Settings(**settings, early_stopping=True), start(),
        validate=lambda: next(scores),
    )  # fmt: skip
    assert history.best_epoch == 9
    network, scores = scripted([*FALLING, 9.0]), iter([0.1, 0.2, 0.9, *[0.3] * 6])
    history = train(
        network, *problem(), Settings(**settings, early_stopping=True), start(),
        validate=lambda: next(scores),
    )  # fmt: skip
    assert history.best_epoch == 3


def test_it_is_said_when_verbose(capsys):
    fit([*FALLING, 9.0], verbose=True)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "The loss has shot up: the weights are those of epoch 8."
    fit(FALLING, verbose=True)
    assert "shot up" not in capsys.readouterr().out


def test_lbfgs_keeps_the_last():
    network = MeanNetwork(3, 2)
    history = train(network, *problem(), Settings(solver="lbfgs", tol=0.0), start())
    assert history.best_epoch == history.n_iter > 3


@pytest.mark.parametrize("end", [[1.9, 1.2, 0.8], [0.2, 0.2, 0.2]])
def test_resumed_after_any_epoch_it_is_the_same(end):
    losses, saved = [*FALLING, *end], []
    settings = Settings(batch_size=23, learning_rate="cosine", max_iter=len(losses))
    whole = scripted(losses)
    expected = train(
        whole, *problem(), settings, start(), keep=lambda now: saved.append(pickle.dumps(now))
    )
    assert len(saved) == len(losses)
    for n, data in enumerate(saved, 1):
        begun = pickle.loads(data)
        network = scripted(losses[n:])
        network.theta[:] = begun.theta
        history = train(network, *problem(), settings, begun.state, begun=begun)
        assert_array_equal(network.theta, whole.theta)
        assert history.best_epoch == expected.best_epoch
        assert history.loss_curve == expected.loss_curve


def test_a_checkpoint_that_has_none_goes_on_from_there():
    # As older versions wrote them.
    saved, losses = [], [*FALLING, 0.21, 0.2, 0.2, 9.0]
    settings = Settings(batch_size=23, learning_rate="cosine", max_iter=len(losses))
    keep = saved.append
    train(scripted(losses), *problem(), settings, start(), keep=lambda now: keep(pickle.dumps(now)))
    for n_before, best in ((6, 11), (9, 11), (11, 12)):
        begun = pickle.loads(saved[n_before - 1])
        begun.best_theta = begun.history.best_epoch = None
        network = scripted(losses[n_before:])
        network.theta[:] = begun.theta
        history = train(network, *problem(), settings, begun.state, begun=begun)
        assert history.best_epoch == best


def test_processes_go_back_together(monkeypatch):
    epoch_ends = Stopping.epoch_ends

    def spike(self, loss, norm):
        return epoch_ends(self, 50.0 * loss if self.history.n_iter == 7 else loss, norm)

    monkeypatch.setattr(Stopping, "epoch_ends", spike)
    sequences, target, weight = problem(24)
    parts = [np.arange(24)[k::2] for k in range(2)]
    halves = [(sequences.take(part), target[part], weight[part]) for part in parts]
    networks, after = [MeanNetwork(3, 2) for _ in range(2)], {}
    settings = Settings(learning_rate="cosine", max_iter=8, shuffle=False, batch_size=4)

    def keep(now):
        after[now.state.epoch] = now.theta.copy()

    results = run(networks, halves, settings, keep=keep)
    assert [history.best_epoch for history, _ in results] == [7, 7]
    assert_array_equal(networks[0].theta, after[7])
    assert_array_equal(networks[1].theta, after[7])
    assert not np.array_equal(after[7], after[8])
