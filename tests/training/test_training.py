"""The training loop: what it passes on, and whether it learns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_network import STOCHASTIC, MeanNetwork, fit, problem

from fastrnn.inputs.sequences import as_sequences

# Minibatches


def test_minibatches_are_slices_of_one_order():
    data = problem(n=23)
    network, history = fit(data=data, shuffle=False, max_iter=2)
    assert [len(indices) for indices, _, _ in network.minibatches] == 2 * [5, 5, 5, 5, 3]
    seen = np.concatenate([indices for indices, _, _ in network.minibatches])
    assert_array_equal(seen, np.tile(np.arange(23), 2))
    assert (history.n_iter, history.t) == (2, 46)


def test_shuffled_epochs_are_different_permutations():
    network, _ = fit(max_iter=2, tol=0.0)
    seen = np.concatenate([indices for indices, _, _ in network.minibatches]).reshape(2, 23)
    assert_array_equal(np.sort(seen, axis=1), np.tile(np.arange(23), (2, 1)))
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], np.arange(23))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_target_and_weight_go_with_their_sequence(solver):
    sequences, target, _ = problem()
    weight = np.linspace(1.0, 2.0, 23)
    network, _ = fit(data=(sequences, target, weight), solver=solver, max_iter=2)
    for indices, minibatch_target, minibatch_weight in network.minibatches:
        assert_array_equal(minibatch_target, target[indices])
        assert_array_equal(minibatch_weight, weight[indices])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weight_zero_is_as_if_left_out(solver):
    sequences, target, weight = problem()
    kept = np.arange(23) % 3 > 0
    weight[~kept] = 0.0
    target[~kept] = 1e6
    weighted, _ = fit(data=(sequences, target, weight), solver=solver, shuffle=False)
    few = (sequences.take(np.flatnonzero(kept)), target[kept], weight[kept])
    without, _ = fit(data=few, solver=solver, shuffle=False)
    assert_array_equal(weighted.theta, without.theta)


def test_all_weights_zero_is_an_error():
    sequences, target, weight = problem()
    with pytest.raises(ValueError, match="all sample weights are 0"):
        fit(data=(sequences, target, 0.0 * weight))


def test_batch_larger_than_the_data_is_one_batch():
    network, history = fit(batch_size=1000, max_iter=3)
    assert [len(indices) for indices, _, _ in network.minibatches] == [23, 23, 23]
    assert history.t == 69


def test_rng_and_bptt_steps_and_n_jobs_are_passed_on():
    network, _ = fit(bptt_steps=7, n_jobs=2, max_iter=1)
    for rng, bptt_steps, n_jobs in network.calls:
        assert isinstance(rng, np.random.Generator)
        assert (bptt_steps, n_jobs) == (7, 2)
    network, _ = fit(solver="lbfgs", bptt_steps=7, n_jobs=2, max_iter=1)
    assert {call for call in network.calls} == {(None, 7, 2)}


# Solvers


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_solver_finds_the_minimum(solver, dtype):
    data = problem(dtype=dtype)
    network, history = fit(
        MeanNetwork(3, 2, dtype=dtype),
        data,
        solver=solver,
        learning_rate="cosine",
        max_iter=300,
        tol=0.0,
    )
    assert network.theta.dtype == dtype
    assert history.loss < 1e-5 < 0.1 < history.loss_curve[0]


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_every_solver_learns_classes(solver):
    sequences, target, weight = problem(n=60)
    classes = (target[:, 0] > target[:, 1]).astype(np.int64)
    network, _ = fit(
        MeanNetwork(3, 2, loss="log_loss", alpha=0.01),
        (sequences, classes, weight),
        solver=solver,
        max_iter=100,
        learning_rate="constant",
    )
    _, outputs = network.outputs(sequences, np.arange(60))
    assert (outputs.argmax(axis=1) == classes).mean() >= 0.95


def test_a_training_is_the_plain_algorithm():
    # Adam with clipping, written out once more: order, norm, clipping, step, averages.
    data = problem()
    sequences, target, weight = data
    network, history = fit(data=data, max_iter=3, clip_norm=0.2, tol=0.0, seed=5)
    plain, rng = MeanNetwork(3, 2), np.random.default_rng(5)
    theta, (m, v), t = plain.theta, np.zeros((2, 8)), 0
    for epoch in range(3):
        order, losses, norms = rng.permutation(23), [], []
        for indices in np.split(order, [5, 10, 15, 20]):
            loss = plain.loss_and_grad(sequences, indices, target, weight)
            norm = np.linalg.norm(plain.grad)
            g, t = plain.grad * min(1.0, 0.2 / norm), t + 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            theta -= 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            losses.append(loss * len(indices))
            norms.append(norm)
        assert_allclose(history.loss_curve[epoch], sum(losses) / 23, rtol=1e-10)
        assert_allclose(history.gradient_norms[epoch], np.mean(norms), rtol=1e-10)
    assert_allclose(network.theta, theta, rtol=1e-10)


def test_adamw_decays_weights_beside_the_gradient():
    # Sequences of zeros and targets at the bias: no gradient, so that only the decay moves weights.
    data = as_sequences(np.zeros((10, 4, 3))), np.ones((10, 2)), np.ones(10)
    network = MeanNetwork(3, 2)
    network.theta[:] = 1.0
    fit(network, data, solver="adamw", alpha=0.5, learning_rate_init=0.1, max_iter=1)
    assert_allclose(network.theta[network.decayed], (1 - 0.1 * 0.5) ** 2, rtol=1e-14)
    assert_array_equal(network.theta[~network.decayed], 1.0)


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_same_rng_same_bits(solver):
    first, first_history = fit(solver=solver, seed=3)
    second, second_history = fit(solver=solver, seed=3)
    assert_array_equal(first.theta, second.theta)
    assert first_history == second_history
    if solver != "lbfgs":
        other, _ = fit(solver=solver, seed=4)
        assert not np.array_equal(first.theta, other.theta)
