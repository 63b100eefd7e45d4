"""Gradients of tables of ids, and of windows of a text."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from gradient_cases import (
    BOTH,
    CELL,
    POOLING,
    RAGGED,
    assert_gradient,
    head_size,
    loss_and_grad,
    make_network,
    make_task,
    places_of,
    relative_error,
)

from fastrnn.inputs.sequences import Sequences


def with_ids(task, n_categories, seed=8):
    """The task with columns of ids beside the numbers."""
    rng = np.random.default_rng(seed)
    sequences = task.sequences
    ids = np.stack([rng.integers(V, size=len(sequences.values)) for V in n_categories], axis=1)
    task.sequences = Sequences(sequences.values, sequences.offsets, ids=ids)
    return task


class TestEmbeddings:
    @RAGGED
    @POOLING
    @BOTH
    @CELL
    def test_beside_numbers(self, cell, bidirectional, pooling, ragged):
        network = make_network(
            cell, bidirectional=bidirectional, pooling=pooling, embeddings=((4, 3), (3, 1))
        )
        assert_gradient(network, with_ids(make_task(ragged=ragged, pooling=pooling), (4, 3)))

    @POOLING
    @BOTH
    def test_columns_share_a_table(self, bidirectional, pooling):
        options = {"bidirectional": bidirectional, "pooling": pooling}
        shared = make_network("gru", embeddings=((4, 3), (5, 2)), id_tables=(1, 0, 1), **options)
        task = with_ids(make_task(pooling=pooling), (5, 4, 5))
        assert_gradient(shared, task)
        apart = make_network("gru", embeddings=((5, 2), (4, 3), (5, 2)), **options)
        n_layers, n_head = shared.n_layer_parameters, head_size(shared)
        apart.theta[:n_layers] = shared.theta[:n_layers]
        apart.theta[-n_head:] = shared.theta[-n_head:]
        for table, k in zip(apart.embeddings, shared.architecture.id_tables, strict=True):
            table[...] = shared.embeddings[k]
        loss, _ = loss_and_grad(shared, task)
        assert loss_and_grad(apart, task)[0] == loss
        of_shared, of_apart = (n.named_views(n.grad) for n in (shared, apart))
        np.testing.assert_allclose(
            of_shared["embeddings.1"], of_apart["embeddings.0"] + of_apart["embeddings.2"],
            rtol=1e-12,
        )  # fmt: skip

    @pytest.mark.parametrize("bptt_steps", [None, 2])
    @POOLING
    def test_alone_in_many_shards(self, pooling, bptt_steps):
        network = make_network("gru", 0, embeddings=((9, 4),), pooling=pooling, dropout=0.2)
        task = with_ids(make_task(B=36, D=0, pooling=pooling), (9,))
        if bptt_steps is None:
            assert_gradient(network, task, seed=3)
            return
        # Truncated, the table's gradient is that of its rows as numbers.
        _, grad = loss_and_grad(network, task, bptt_steps=bptt_steps)
        values = network.embeddings[0][task.sequences.ids[:, 0]]
        numbers = SimpleNamespace(**vars(task))
        numbers.sequences = Sequences(values, task.sequences.offsets)
        plain = make_network("gru", 4, pooling=pooling)
        n_layers, head = network.n_layer_parameters, -head_size(network)
        plain.theta[:n_layers] = network.theta[:n_layers]
        plain.theta[n_layers:] = network.theta[head:]
        _, expected = loss_and_grad(plain, numbers, bptt_steps=bptt_steps)
        np.testing.assert_array_equal(grad[:n_layers], expected[:n_layers])
        np.testing.assert_array_equal(grad[head:], expected[n_layers:])

    @pytest.mark.parametrize("B", [3, 40])
    def test_tied_to_the_head(self, B):
        network = make_network(
            "lstm", 0, (5, 4), 7, embeddings=((7, 4),), tied=True, pooling="steps", alpha=0.1
        )
        assert set(network.head.params) == {"b"}
        assert_gradient(network, with_ids(make_task(B=B, D=0, K=7, pooling="steps"), (7,)))

    def test_unread_rows_get_no_gradient(self):
        network = make_network("rnn", embeddings=((50, 3),))
        task = with_ids(make_task(), (50,))
        loss_and_grad(network, task)
        rows = np.concatenate([places_of(task, n, "steps") for n in task.indices])
        read = np.unique(task.sequences.ids[rows])
        touched = np.flatnonzero(network.table_gradients[0].any(axis=1))
        np.testing.assert_array_equal(touched, read)


class TestWindows:
    """Windows of time with carried states."""

    def windows(self, network, task, steps, n_jobs=None):
        """Weighted sum of losses and gradients of all windows; the states after the last."""
        states = network.initial_states(len(task.sequences))
        rng = np.random.default_rng(5)
        for layer in states:
            for array in layer:
                array[...] = rng.standard_normal(array.shape)
        losses, grads, totals = [], [], []
        for start in range(0, int(task.sequences.lengths.max()), steps):
            window = (start, start + steps)
            loss, grad = loss_and_grad(network, task, window=window, states=states, n_jobs=n_jobs)
            rows = [places_of(task, n, "steps")[slice(*window)] for n in task.indices]
            totals.append(task.weight[np.concatenate(rows)].sum())
            losses.append(loss)
            grads.append(grad)
        share = np.array(totals) / sum(totals)
        return share @ losses, share @ np.array(grads), states

    @pytest.mark.parametrize("B", [4, 36])
    @CELL
    def test_windows_are_the_pieces_of_truncation(self, cell, B):
        network = make_network(cell, pooling="steps", embeddings=((5, 2),))
        task = with_ids(make_task(11, B, pooling="steps"), (5,))
        loss, grad, states = self.windows(network, task, 4)
        once, whole, final = self.windows(network, task, 11)
        assert loss == pytest.approx(once, rel=1e-12)
        for layer, expected in zip(states, final, strict=True):
            for array, wanted in zip(layer, expected, strict=True):
                np.testing.assert_allclose(array, wanted, rtol=1e-12)
        assert relative_error(grad, whole) > 1e-3
        states = network.initial_states(len(task.sequences))
        rng = np.random.default_rng(5)
        for layer in states:
            for array in layer:
                array[...] = rng.standard_normal(array.shape)
        _, cut = loss_and_grad(network, task, bptt_steps=4, states=states)
        assert relative_error(grad, cut) <= 1e-12

    @pytest.mark.parametrize("pooling", ["last", "steps"])
    def test_gradient_from_given_states(self, pooling):
        network = make_network("carry_lstm", pooling=pooling)
        task = make_task(6, 5, pooling=pooling)
        rng = np.random.default_rng(6)
        begin = network.initial_states(len(task.sequences))
        for layer in begin:
            for array in layer:
                array[...] = rng.standard_normal(array.shape)

        class FromStates:
            theta, decayed = network.theta, network.decayed

            def loss_and_grad(self, *args, **options):
                states = copy.deepcopy(begin)
                loss = network.loss_and_grad(*args, states=states, window=(0, 6), **options)
                self.grad = network.grad
                return loss

        assert_gradient(FromStates(), task)
        zero, _ = loss_and_grad(network, task)
        assert loss_and_grad(FromStates(), task)[0] != zero

    def test_same_bits_for_any_n_jobs(self):
        network = make_network("lstm", pooling="steps", K=600, dtype="float32")
        task = make_task(9, 40, K=600, dtype="float32", pooling="steps")
        results = [self.windows(network, task, 4, n_jobs) for n_jobs in (1, 2, 3)]
        for loss, grad, states in results[1:]:
            assert loss == results[0][0]
            np.testing.assert_array_equal(grad, results[0][1])
            np.testing.assert_array_equal(states[1][0], results[0][2][1][0])


def test_mean_loss_is_the_loss_without_penalty():
    for pooling in ("max", "steps"):
        network, task = make_network("lstm", pooling=pooling, alpha=1.0), make_task(pooling=pooling)
        task.indices = np.arange(len(task.sequences))
        network.alpha = 0.0
        loss, _ = loss_and_grad(network, task)
        network.alpha = 1.0
        mean = network.mean_loss(task.sequences, task.target, task.weight)
        assert mean == pytest.approx(loss, rel=1e-12)


def test_a_minibatch_without_weight_has_no_gradient():
    network, task = make_network("gru", alpha=1.0, embeddings=((4, 2),)), make_task()
    task = with_ids(task, (4,))
    loss_and_grad(network, task)
    task.weight[task.indices] = 0
    loss, grad = loss_and_grad(network, task)
    assert loss == 0
    assert not grad.any()
