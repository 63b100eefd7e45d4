"""Poolings with attention, and of several parts: gradients, values, and what does not matter."""

import copy
import pickle

import numpy as np
import pytest
from building import build
from gradient_cases import (
    BOTH,
    RAGGED,
    assert_gradient,
    loss_and_grad,
    make_network,
    make_task,
    relative_error,
)

from fastrnn.inputs.sequences import Sequences, as_sequences

KIND = pytest.mark.parametrize(
    "kind",
    [
        "attention",
        "mean+max",
        "max+mean",
        "last+max",
        "attention+last",
        "max+attention",
        "mean+attention",
        "last+attention+mean+max",
    ],
)
LENGTHS = [4, 1, 7, 7, 2]


def make_sequences(lengths=LENGTHS, dtype="float64"):
    rng = np.random.default_rng(3)
    return as_sequences([rng.standard_normal((length, 2)).astype(dtype) for length in lengths])


def softmax(z):
    odds = np.exp(z - z.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def attention(states, query):
    return softmax(states @ query / np.sqrt(len(query))) @ states


def query_of(network):
    return network.named_views(network.theta)["pooling.query"]


def predict_by_hand(network, sequences):
    """Probabilities from the states of all steps, in plain NumPy."""
    kind = network.architecture.pooling
    states = network.hidden_states(sequences).astype(np.float64)
    pool = {"mean": lambda own: own.mean(axis=0), "max": lambda own: own.max(axis=0)}
    if "attention" in kind:
        pool["attention"] = lambda own: attention(own, query_of(network))
    rows = []
    for own, last in zip(
        np.split(states, sequences.offsets[1:-1]), network.final_states(sequences), strict=True
    ):
        parts = [last if name == "last" else pool[name](own) for name in kind.split("+")]
        rows.append(np.concatenate(parts))
    return softmax(rows @ network.head.params["W"] + network.head.params["b"])


class TestGradient:
    @RAGGED
    @KIND
    @BOTH
    @pytest.mark.parametrize("cell", ["gru", "lstm"])
    def test_exact(self, cell, bidirectional, kind, ragged):
        network = make_network(cell, bidirectional=bidirectional, pooling=kind, alpha=0.1)
        assert_gradient(network, make_task(ragged=ragged))

    @KIND
    @BOTH
    @pytest.mark.parametrize(
        ("T", "B", "D", "sizes", "K"),
        [(1, 1, 1, (1,), 2), (1, 3, 2, (3,), 2), (6, 1, 3, (2, 1), 2), (3, 40, 2, (17,), 5)],
        ids=str,
    )
    def test_sizes(self, bidirectional, kind, T, B, D, sizes, K):
        network = make_network("lstm", D, sizes, K, bidirectional=bidirectional, pooling=kind)
        assert_gradient(network, make_task(T, B, D, K), step=1e-4)

    @KIND
    def test_with_both_kinds_of_dropout(self, kind):
        network = make_network(
            "gru", bidirectional=True, pooling=kind, dropout=0.3, recurrent_dropout=0.4
        )
        assert_gradient(network, make_task(B=36), seed=3)

    @BOTH
    def test_of_a_query_alone(self, bidirectional):
        """Wide enough for sums side by side, and far from the mean."""
        network = make_network(
            "gru", hidden_layer_sizes=(21,), bidirectional=bidirectional, pooling="attention"
        )
        query = query_of(network)
        query *= 10
        task, value = make_task(9, 7), query.copy()
        _, grad = loss_and_grad(network, task)
        grad = network.named_views(grad)["pooling.query"]
        for k in range(len(query)):
            losses = []
            for distance in -1e-5, 1e-5:
                query[k] = value[k] + distance
                losses.append(loss_and_grad(network, task)[0])
            query[k] = value[k]
            slope = (losses[1] - losses[0]) / 2e-5
            assert grad[k] == pytest.approx(slope, rel=1e-6, abs=1e-10)

    @KIND
    @BOTH
    def test_of_the_inputs(self, kind, bidirectional):
        network = make_network(
            "gru", bidirectional=bidirectional, pooling=kind, loss="squared_error"
        )
        sequences = make_sequences()
        values = sequences.values.copy()
        factors = np.random.default_rng(5).standard_normal((len(LENGTHS), 3))
        actual = network.input_gradients(sequences, lambda places, *_: factors[places])
        expected = np.empty_like(actual)
        for place, value in np.ndenumerate(sequences.values):
            sums = []
            for distance in -1e-5, 1e-5:
                values[place] = value + distance
                moved = Sequences(values, sequences.offsets)
                sums.append((factors * network.predict(moved)).sum())
            values[place] = value
            expected[place] = (sums[1] - sums[0]) / 2e-5
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)

    @KIND
    def test_truncation_cuts_layers_alone(self, kind):
        network, task = make_network("lstm", pooling=kind), make_task(9)
        exact, grad = loss_and_grad(network, task)
        truncated, cut = loss_and_grad(network, task, bptt_steps=2)
        assert truncated == exact
        for name, view in network.named_views(grad).items():
            other = network.named_views(cut)[name]
            assert np.array_equal(view, other) == name.startswith(("pooling", "head")), name
        np.testing.assert_array_equal(loss_and_grad(network, task, bptt_steps=9)[1], grad)

    @KIND
    @BOTH
    def test_float32_follows_float64(self, kind, bidirectional):
        results = []
        for dtype in "float32", "float64":
            network = make_network("gru", pooling=kind, bidirectional=bidirectional, dtype=dtype)
            network.theta[:] = network.theta.astype(np.float32)
            task = make_task(12, 40, dtype="float32")
            task.sequences = Sequences(task.sequences.values.astype(dtype), task.sequences.offsets)
            task.weight = task.weight.astype(dtype)
            results.append(loss_and_grad(network, task))
        (single, single_grad), (double, double_grad) = results
        assert single == pytest.approx(double, rel=1e-5)
        assert relative_error(single_grad, double_grad) <= 1e-4

    @KIND
    @BOTH
    @pytest.mark.parametrize("bptt_steps", [None, 3])
    def test_same_bits_for_any_n_jobs(self, kind, bidirectional, bptt_steps):
        network = make_network(
            "gru", bidirectional=bidirectional, pooling=kind, dropout=0.2, dtype="float32"
        )
        for B in 6, 70:
            task = make_task(7, B, dtype="float32")
            results = []
            for n_jobs in 1, 2, 4:
                loss, grad = loss_and_grad(
                    network, task, seed=0, bptt_steps=bptt_steps, n_jobs=n_jobs
                )
                predicted = network.predict(task.sequences, n_jobs=n_jobs)
                results.append((loss, grad.tobytes(), predicted.tobytes()))
            assert len(set(results)) == 1


class TestValues:
    @KIND
    @BOTH
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_as_in_plain_numpy(self, kind, bidirectional, dtype):
        network = make_network("lstm", bidirectional=bidirectional, pooling=kind, dtype=dtype)
        sequences = make_sequences(dtype=dtype)
        np.testing.assert_allclose(
            network.predict(sequences),
            predict_by_hand(network, sequences),
            rtol=1e-12 if dtype == "float64" else 1e-5,
        )

    @BOTH
    def test_attention_is_that_of_pytorch(self, bidirectional):
        torch = pytest.importorskip("torch")
        network = make_network("gru", bidirectional=bidirectional, pooling="attention")
        query, sequences = query_of(network), make_sequences()
        states = np.split(network.hidden_states(sequences), sequences.offsets[1:-1])
        rows = [
            torch.nn.functional.scaled_dot_product_attention(
                *(torch.from_numpy(array[None]) for array in (query[None], own, own))
            )
            for own in states
        ]
        logits = torch.cat(rows)[:, 0] @ torch.from_numpy(network.head.params["W"])
        odds = torch.softmax(logits + torch.from_numpy(network.head.params["b"]), dim=1)
        np.testing.assert_allclose(network.predict(sequences), odds.numpy(), rtol=1e-12)

    @KIND
    @BOTH
    def test_a_sequence_does_not_depend_on_its_batch_mates(self, kind, bidirectional):
        lengths = np.random.default_rng(3).integers(1, 40, size=100)
        network = make_network("gru", bidirectional=bidirectional, pooling=kind, dtype="float32")
        sequences = make_sequences(lengths, "float32")
        together = network.predict(sequences)
        order = np.random.default_rng(4).permutation(100)
        shuffled = network.predict(sequences.take(order))
        np.testing.assert_allclose(shuffled, together[order], rtol=1e-5, atol=1e-6)
        for n in 0, 50, 99:
            alone = network.predict(sequences.take([n]))[0]
            np.testing.assert_allclose(alone, together[n], rtol=1e-5, atol=1e-6)

    def test_attention_starts_as_the_mean(self):
        options = {"sizes": (5,), "bidirectional": True, "random_state": 4}
        mean, attention = (build(2, K=3, pooling=p, **options) for p in ("mean", "attention"))
        assert not query_of(attention).any()
        sequences = make_sequences(dtype="float32")
        np.testing.assert_allclose(attention.predict(sequences), mean.predict(sequences), rtol=1e-5)
        task = make_task(dtype="float32")
        _, grad = loss_and_grad(attention, task)
        assert attention.named_views(grad)["pooling.query"].all()

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @BOTH
    def test_scores_of_any_size(self, bidirectional, dtype):
        """All weight is on the best step, and nothing overflows on the way."""
        network = make_network("gru", bidirectional=bidirectional, pooling="attention", dtype=dtype)
        query_of(network)[...] *= 1e30
        sequences = make_sequences(dtype=dtype)
        rows = []
        for own in np.split(network.hidden_states(sequences), sequences.offsets[1:-1]):
            rows.append(own[np.argmax(own @ query_of(network))])
        expected = softmax(rows @ network.head.params["W"] + network.head.params["b"])
        np.testing.assert_allclose(network.predict(sequences), expected, rtol=1e-5)
        _, grad = loss_and_grad(network, make_task(dtype=dtype))
        assert np.isfinite(grad).all()

    def test_the_parts_stand_in_the_order_given(self):
        one, other = (make_network("gru", pooling=p) for p in ("mean+max", "max+mean"))
        other.theta[:] = one.theta
        W, F = other.head.params["W"], one.architecture.width
        W[...] = np.concatenate([W[F:], W[:F]])
        sequences = make_sequences()
        np.testing.assert_allclose(other.predict(sequences), one.predict(sequences), rtol=1e-12)
        assert one.architecture.difference(other.architecture) == (
            "pooling='mean+max', not 'max+mean'"
        )


def test_the_query_is_a_weight_behind_the_layers():
    network = make_network("gru", pooling="max+attention", bidirectional=True, alpha=0.3)
    shapes = network.architecture.shapes()
    assert shapes["pooling.query"] == (6,)
    assert shapes["head.W"] == (12, 3)
    assert list(shapes)[-3:] == ["pooling.query", "head.W", "head.b"]
    assert network.named_views(network.decayed)["pooling.query"].all()
    assert np.shares_memory(query_of(network), network.theta)


def test_copies_and_pickles_have_their_own_query():
    network = make_network("gru", pooling="attention")
    sequences = make_sequences()
    expected = network.predict(sequences)
    for other in copy.deepcopy(network), pickle.loads(pickle.dumps(network)):
        query_of(network)[...] += 1
        np.testing.assert_array_equal(other.predict(sequences), expected)
        query_of(network)[...] -= 1
