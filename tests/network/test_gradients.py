"""The gradient of the whole network: exact, truncated, with dropout, in both dtypes."""

from types import SimpleNamespace

import numpy as np
import pytest
from every_cell import NORMALIZED
from gradient_cases import (
    BOTH,
    CELL,
    CELLS,
    LAYER_SIZES,
    POOLING,
    RAGGED,
    assert_gradient,
    loss_and_grad,
    make_network,
    make_task,
    places_of,
    relative_error,
)

from fastrnn.inputs.sequences import Sequences
from fastrnn.network.cells import CELLS as LAYERS


class TestExact:
    @RAGGED
    @POOLING
    @BOTH
    @LAYER_SIZES
    @CELL
    def test_every_shape_of_network(self, cell, hidden_layer_sizes, bidirectional, pooling, ragged):
        network = make_network(
            cell,
            hidden_layer_sizes=hidden_layer_sizes,
            bidirectional=bidirectional,
            pooling=pooling,
            alpha=0.1,
        )
        assert_gradient(network, make_task(ragged=ragged, pooling=pooling))

    @pytest.mark.parametrize("loss", ["squared_error", (0.3, 0.5, 0.9)])
    def test_targets_that_are_missing(self, loss):
        network = make_network("gru", loss=loss, pooling="steps")
        task = make_task(loss=loss, pooling="steps")
        if loss != "squared_error":
            # Far from the outputs: no kink on the way.
            task.target = np.ascontiguousarray(task.target[:, :1]) * 9
        task.target[np.random.default_rng(3).random(task.target.shape) < 0.4] = np.nan
        assert_gradient(network, task)

    @POOLING
    @LAYER_SIZES
    @CELL
    @pytest.mark.parametrize("loss", ["squared_error", "binary_log_loss"])
    def test_other_losses(self, loss, cell, hidden_layer_sizes, pooling):
        # The targets are any numbers: the gradients hold for those, too.
        network = make_network(
            cell, hidden_layer_sizes=hidden_layer_sizes, pooling=pooling, loss=loss
        )
        assert_gradient(network, make_task(loss=loss, pooling=pooling))

    @pytest.mark.parametrize(
        ("T", "B", "D", "sizes", "K", "loss"),
        [
            (1, 1, 1, (1,), 1, "squared_error"),
            (1, 1, 1, (1, 1), 2, "log_loss"),
            (1, 3, 2, (3,), 2, "log_loss"),
            (4, 1, 3, (2, 1, 3), 1, "squared_error"),
            (4, 3, 1, (1, 4), 2, "log_loss"),
            (3, 40, 2, (17,), 5, "log_loss"),
            (3, 5, 20, (3, 33), 2, "log_loss"),
        ],
        ids=str,
    )
    @CELL
    def test_sizes(self, cell, T, B, D, sizes, K, loss):
        network = make_network(
            cell, D, sizes, K, loss=loss, bidirectional=True, pooling="mean", alpha=0.1
        )
        # Some of these gradients are small: a large step, unless there are kinks all over.
        step = 1e-5 if cell == "rnn-relu" and B > 4 else 1e-4
        assert_gradient(network, make_task(T, B, D, K, loss=loss), step=step)

    @RAGGED
    @BOTH
    @CELL
    def test_both_kinds_of_dropout(self, cell, bidirectional, ragged):
        network = make_network(
            cell,
            hidden_layer_sizes=(6, 5),
            bidirectional=bidirectional,
            pooling="mean",
            dropout=0.3,
            recurrent_dropout=0.4,
        )
        task = make_task(B=36, ragged=ragged)
        assert_gradient(network, task, seed=3)
        without, _ = loss_and_grad(network, task)
        dropped, _ = loss_and_grad(network, task, seed=3)
        other, _ = loss_and_grad(network, task, seed=4)
        assert len({without, dropped, other}) == 3

    def test_zero_weight_takes_a_sequence_out(self):
        network, task = make_network("lstm"), make_task()
        n = task.indices[1]
        task.weight[n] = 0
        expected = loss_and_grad(network, task)
        task.target[n] = (task.target[n] + 1) % 3
        loss, grad = loss_and_grad(network, task)
        assert loss == expected[0]
        np.testing.assert_array_equal(grad, expected[1])

    def test_l2_penalty(self):
        """0.5 * alpha * sum(weights ** 2) / total weight, of weights and not of biases."""
        task = make_task(B=4)
        loss, grad = loss_and_grad(make_network("gru", bidirectional=True), task)
        network = make_network("gru", bidirectional=True, alpha=0.3)
        penalized, penalized_grad = loss_and_grad(network, task)
        weights, total = (
            np.where(network.decayed, network.theta, 0.0),
            task.weight[task.indices].sum(),
        )
        np.testing.assert_allclose(
            penalized - loss, 0.5 * 0.3 * weights @ weights / total, rtol=1e-10
        )
        np.testing.assert_allclose(penalized_grad - grad, 0.3 * weights / total, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pooling", ["last", "mean"])
@BOTH
@LAYER_SIZES
@CELL
def test_float32_follows_float64(cell, hidden_layer_sizes, bidirectional, pooling):
    results = []
    for dtype in "float32", "float64":
        network = make_network(
            cell,
            hidden_layer_sizes=hidden_layer_sizes,
            bidirectional=bidirectional,
            pooling=pooling,
            alpha=0.1,
            dtype=dtype,
        )
        network.theta[:] = network.theta.astype(np.float32)
        task = make_task(12, 40, dtype="float32")
        task.sequences = Sequences(task.sequences.values.astype(dtype), task.sequences.offsets)
        task.weight = task.weight.astype(dtype)
        results.append(loss_and_grad(network, task))
    (single, single_grad), (double, double_grad) = results
    assert single_grad.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-5)
    # The memory of few units may vary little, and what is rounded is normalized with it.
    assert relative_error(single_grad, double_grad) <= (1e-3 if "layernorm" in cell else 1e-4)


@pytest.mark.parametrize("bptt_steps", [None, 3])
@POOLING
@BOTH
@CELL
def test_same_bits_for_any_n_jobs(cell, bidirectional, pooling, bptt_steps):
    network = make_network(
        cell,
        bidirectional=bidirectional,
        pooling=pooling,
        dropout=0.2,
        recurrent_dropout=0.2,
        dtype="float32",
    )
    for B in 20, 33, 64, 200:
        task = make_task(7, B, dtype="float32", pooling=pooling)
        expected, expected_grad = loss_and_grad(
            network, task, seed=0, bptt_steps=bptt_steps, n_jobs=1
        )
        for n_jobs in 2, 4:
            loss, grad = loss_and_grad(network, task, seed=0, bptt_steps=bptt_steps, n_jobs=n_jobs)
            assert loss == expected
            np.testing.assert_array_equal(grad, expected_grad)


@BOTH
@CELL
def test_gradient_of_a_team(cell, bidirectional, teams):
    network = make_network(
        cell, hidden_layer_sizes=(64, 40), bidirectional=bidirectional, recurrent_dropout=0.2
    )
    assert_gradient(network, make_task(T=4, B=3), seed=0, n_jobs=2 + 2 * bidirectional)
    assert set(teams) == (set() if cell in NORMALIZED else {2})


@pytest.mark.parametrize("bptt_steps", [None, 3])
@POOLING
@BOTH
@CELL
def test_same_bits_by_teams(cell, bidirectional, pooling, bptt_steps, teams):
    network = make_network(
        cell,
        hidden_layer_sizes=(70, 64),
        bidirectional=bidirectional,
        pooling=pooling,
        dropout=0.2,
        recurrent_dropout=0.2,
        dtype="float32",
    )
    task = make_task(7, 6, dtype="float32", pooling=pooling)
    results = []
    for n_jobs in 1, 2, 3 + bidirectional:
        loss, grad = loss_and_grad(network, task, seed=0, bptt_steps=bptt_steps, n_jobs=n_jobs)
        results.append([loss, grad.tobytes()])
        if bptt_steps is None:
            results[-1].append(network.predict(task.sequences, n_jobs=n_jobs).tobytes())
            results[-1].append(network.hidden_states(task.sequences, n_jobs=n_jobs).tobytes())
    assert results[1:] == results[:1] * 2
    sizes = {2} if bidirectional else {2, 3}
    assert set(teams) == (set() if cell in NORMALIZED else sizes)


class CutByHand:
    """The truncated gradient of a one-layer or stacked network, from nothing but its layers.

    Every sequence goes alone, every direction is a layer of its own on the sequence in its order
    of reading, and time is cut into chunks: each chunk starts from the state that the one before
    ended with, and its gradient with respect to that state is thrown away.
    """

    def __init__(self, network, cell, sizes, bidirectional, pooling, D, K):
        name, options = CELLS[cell]
        self.pooling, self.directions = pooling, [1, -1][: 1 + bidirectional]
        self.stack, self.grad = [], np.zeros_like(network.theta)
        begin = 0
        for H in sizes:
            for direction in self.directions:
                layer = LAYERS[name](D, H, dtype="float64", **options)
                end = begin + sum(value.size for value in layer.params.values())
                pieces = np.arange(begin, end)
                begin = end
                places = {}
                for key, value in layer.params.items():
                    places[key], pieces = np.split(pieces, [value.size])
                    value[...] = network.theta[places[key]].reshape(value.shape)
                self.stack.append((layer, direction, places))
            D = H * len(self.directions)
        self.places_W, self.places_b = np.split(np.arange(begin, len(network.theta)), [D * K])
        self.W, self.b = network.theta[self.places_W].reshape(D, K), network.theta[self.places_b]

    def run_layer(self, level, x, dy=None, steps=None):
        """Outputs of both directions of a layer; with dy, dx and the gradients instead."""
        n = len(self.directions)
        results = []
        for d, (layer, direction, places) in enumerate(self.stack[n * level : n * (level + 1)]):
            H = len(layer.params["U"])
            x_d = x[::direction, None]
            states, outputs, borders = [None], [], range(0, len(x), steps or len(x))
            for start in borders:
                y, state = layer.forward(x_d[start : start + borders.step], None, states[-1])
                states.append(state)
                outputs.append(y)
            if dy is None:
                results.append(np.concatenate(outputs)[::direction, 0])
                continue
            dx = np.zeros_like(x_d)
            dy_d = dy[::direction, None, H * d : H * (d + 1)]
            for start, state in zip(borders, states, strict=False):
                chunk = slice(start, start + borders.step)
                layer.forward(x_d[chunk], None, state, training=True)
                dx[chunk], _ = layer.backward(dy_d[chunk])
                for key, grad in layer.grads.items():
                    self.grad[places[key]] += grad.ravel()
            results.append(dx[::direction, 0])
        return sum(results) if dy is not None else np.concatenate(results, axis=1)

    def add(self, x, label, weight, steps):
        """Add the gradient of one sequence's weighted log-loss, of one label or of one a step."""
        n_levels = len(self.stack) // len(self.directions)
        inputs = [x]
        for level in range(n_levels):
            inputs.append(self.run_layer(level, inputs[-1]))
        y, T = inputs.pop(), len(x)
        H = y.shape[1] // len(self.directions)
        if self.pooling == "last":
            picked = np.zeros_like(y)
            picked[-1, :H] = 1
            picked[0, H:] = 1
        elif self.pooling == "mean":
            picked = np.full_like(y, 1 / T)
        elif self.pooling == "max":
            picked = (np.arange(T)[:, None] == y.argmax(axis=0)).astype(float)
        if self.pooling == "steps":
            picked, pooled = 1, y
        else:
            pooled = (picked * y).sum(axis=0, keepdims=True)
        logits = pooled @ self.W + self.b
        dlogits = np.exp(logits - logits.max(axis=1, keepdims=True))
        dlogits /= dlogits.sum(axis=1, keepdims=True)
        dlogits[np.arange(len(label)), label] -= 1
        dlogits *= weight[:, None]
        self.grad[self.places_W] += (pooled.T @ dlogits).ravel()
        self.grad[self.places_b] += dlogits.sum(axis=0)
        dy = picked * (dlogits @ self.W.T)
        for level in reversed(range(n_levels)):
            dy = self.run_layer(level, inputs[level], dy, steps)


@POOLING
@BOTH
@LAYER_SIZES
@CELL
def test_truncated_gradient_is_cut_as_by_hand(cell, hidden_layer_sizes, bidirectional, pooling):
    """Ragged sequences of up to 11 steps: pieces of one step, partial ones, whole sequences."""
    network = make_network(
        cell, hidden_layer_sizes=hidden_layer_sizes, bidirectional=bidirectional, pooling=pooling
    )
    task = make_task(11, 6, pooling=pooling)
    reference = CutByHand(network, cell, hidden_layer_sizes, bidirectional, pooling, 2, 3)
    places = [places_of(task, n, pooling) for n in task.indices]
    total = task.weight[np.concatenate(places)].sum()
    grads = {}
    for bptt_steps in 1, 3, 4, None:
        _, grads[bptt_steps] = loss_and_grad(network, task, bptt_steps=bptt_steps)
        reference.grad[:] = 0
        for n, rows in zip(task.indices, places, strict=True):
            label, share = task.target[rows], task.weight[rows] / total
            reference.add(task.sequences[n], label, share, bptt_steps)
        assert relative_error(grads[bptt_steps], reference.grad) <= 1e-10, bptt_steps
    for bptt_steps in 11, 20:
        _, grad = loss_and_grad(network, task, bptt_steps=bptt_steps)
        np.testing.assert_array_equal(grad, grads[None], err_msg=f"{bptt_steps=}")
    assert pooling == "max" or relative_error(grads[3], grads[None]) > 1e-3


@RAGGED
def test_loss_does_not_depend_on_truncation(ragged):
    network, task = make_network("lstm", bidirectional=True), make_task(9, ragged=ragged)
    whole, _ = loss_and_grad(network, task)
    cut, _ = loss_and_grad(network, task, bptt_steps=2)
    assert cut == whole


@POOLING
@CELL
def test_gradient_of_a_minibatch_is_that_of_its_sequences(cell, pooling):
    network = make_network(cell, bidirectional=True, pooling=pooling, dtype="float32")
    task = make_task(9, 37, dtype="float32", pooling=pooling)
    together, grad = loss_and_grad(network, task)
    weight = [task.weight[places_of(task, n, pooling)].sum(dtype=float) for n in task.indices]
    share = np.array(weight) / np.sum(weight)
    losses, grads = [], []
    for k in range(37):
        one = SimpleNamespace(**{**vars(task), "indices": task.indices[k : k + 1]})
        loss, one_grad = loss_and_grad(network, one)
        losses.append(loss)
        grads.append(one_grad)
    np.testing.assert_allclose(together, share @ losses, rtol=1e-6)
    assert relative_error(grad, np.average(grads, axis=0, weights=share)) <= 2e-6
