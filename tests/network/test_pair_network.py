"""Encoder-decoder networks: against PyTorch, batch mates, threads, copies, what targets get."""

import copy
import pickle

import numpy as np
import pytest
from gradient_cases import loss_and_grad, relative_error
from pair_cases import ATTENTIONS, make_pair, make_pairs, take

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.network import Architecture
from fastrnn.network.encoder_decoder import EncoderDecoder, Layers
from fastrnn.network.pair_network import EncoderDecoderNetwork
from fastrnn.network.recurrent import ZEROS

ATTENTION = pytest.mark.parametrize("attention", ATTENTIONS)


class TestAgainstPyTorch:
    """The same network built of torch.nn.LSTM: loss, gradient of some weights, attention."""

    @pytest.mark.parametrize("input_feeding", [False, True])
    @ATTENTION
    def test_loss_weights_and_likelihoods(self, attention, input_feeding):
        torch = pytest.importorskip("torch")
        width = 6 if attention == "dot" else 5
        network = make_pair(
            attention, cells=("lstm", "lstm"), sizes=((3,), (width,)), K=4,
            input_feeding=input_feeding,
        )  # fmt: skip
        task = make_pairs(K=4)
        theta = torch.tensor(network.theta, requires_grad=True)
        params, begin = {}, 0
        for name, shape in network.architecture.shapes().items():
            end = begin + int(np.prod(shape))
            params[name], begin = theta[begin:end].reshape(shape), end

        def lstm(x, part, suffix="", state=None):
            W, U, b = (params[f"{part}.layers.0.{name}{suffix}"] for name in "WUb")
            cell = torch.nn.LSTMCell(W.shape[0], U.shape[0], dtype=torch.float64)
            own = {
                "weight_ih": W.T, "weight_hh": U.T, "bias_ih": b, "bias_hh": torch.zeros_like(b),
            }  # fmt: skip
            states, state = [], state or (torch.zeros(1, len(U)).double(),) * 2
            for row in x:
                state = torch.func.functional_call(cell, own, (row[None], state))
                states.append(state[0][0])
            return torch.stack(states), state

        total, losses, likelihoods, weights = 0.0, 0.0, [], []
        for n in range(len(task.target)):
            numbers = torch.tensor(task.sequences[n])
            begin, end = task.sequences.offsets[n : n + 2]
            learned = params["encoder.embeddings.0"][task.sequences.ids[begin:end, 0]]
            x = torch.cat([numbers, learned], 1)
            ahead, last = lstm(x, "encoder")
            back, first = lstm(x.flip(0), "encoder", "_reverse")
            y = torch.cat([ahead, back.flip(0)], 1)
            ends = torch.cat([last[0], first[0], last[1], first[1]], 1)
            start = torch.tanh(ends @ params["bridge.0.W"] + params["bridge.0.b"])
            labels = [*task.target[n].tolist(), network.boundary]
            read = params["decoder.embeddings.0"][[network.boundary, *labels[:-1]]]
            state, a, logits, rows = start.chunk(2, 1), torch.zeros(width * input_feeding), [], []
            keys = y
            if attention != "dot":
                keys = y @ params["attention.keys.W"]
            for x in read:
                h, state = lstm(torch.cat([a.double(), x])[None], "decoder", state=state)
                h = h[0]
                if attention == "additive":
                    query = h @ params["attention.queries.W"] + params["attention.keys.b"]
                    scores = torch.tanh(keys + query) @ params["attention.v"]
                else:
                    scores = keys @ h
                rows.append(scores.softmax(0))
                joined = torch.cat([rows[-1] @ y, h])
                state_of_head = torch.tanh(
                    joined @ params["attention.state.W"] + params["attention.state.b"]
                )
                a = state_of_head if input_feeding else a
                logits.append(state_of_head @ params["decoder.head.W"] + params["decoder.head.b"])
            weights.append(torch.stack(rows))
            logits = torch.stack(logits)
            of_labels = torch.nn.functional.cross_entropy(
                logits, torch.tensor(labels), reduction="sum"
            )
            likelihoods.append(-of_labels.item())
            if n in task.indices:
                losses = losses + task.weight[n] * of_labels
                total += task.weight[n] * len(labels)
        (losses / total).backward()
        loss, grad = loss_and_grad(network, task)
        assert loss == pytest.approx((losses / total).item(), rel=1e-12)
        assert relative_error(grad, theta.grad.numpy()) < 1e-12
        own = network.log_likelihoods(task.sequences, task.target)
        np.testing.assert_allclose(own, likelihoods, rtol=1e-12)
        for mine, other in zip(
            network.attention_weights(task.sequences, task.target), weights, strict=True
        ):
            np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-10)


class TestBatchMates:
    @pytest.mark.parametrize("input_feeding", [False, True])
    @ATTENTION
    def test_a_sequence_is_told_the_same_alone(self, attention, input_feeding):
        network, task = make_pair(attention, input_feeding=input_feeding), make_pairs()
        together = network.log_likelihoods(task.sequences, task.target)
        weights = network.attention_weights(task.sequences, task.target)
        for n in range(len(task.target)):
            one = take(task, [n])
            alone = network.log_likelihoods(one.sequences, one.target)
            np.testing.assert_allclose(alone, together[n], rtol=1e-12)
            (of_one,) = network.attention_weights(one.sequences, one.target)
            assert of_one.shape == (len(task.target[n]) + 1, task.sequences.lengths[n])
            np.testing.assert_allclose(of_one, weights[n], rtol=1e-10)
            np.testing.assert_allclose(of_one.sum(axis=1), 1)

    def test_the_mean_loss_is_that_of_training(self):
        network, task = make_pair(label_smoothing=0.3, dropout=0.2, alpha=0.1), make_pairs()
        plain = make_pair()
        task.indices = np.arange(len(task.target))
        loss, _ = loss_and_grad(plain, task)
        own = network.mean_loss(task.sequences, task.target, task.weight)
        assert own == pytest.approx(loss, rel=1e-12)

    def test_weights_of_nothing(self):
        network, task = make_pair(), make_pairs()
        expected = loss_and_grad(network, task)
        task.weight[task.indices[0]] = 0
        less = loss_and_grad(network, task)
        task.indices = task.indices[1:]
        np.testing.assert_allclose(loss_and_grad(network, task)[1], less[1], rtol=1e-12)
        assert less[0] != expected[0]
        task.weight[:] = 0
        loss, grad = loss_and_grad(network, task)
        assert loss == 0
        assert not grad.any()

    def test_parts_of_a_whole_add_up(self):
        network, task = make_pair(alpha=0.2), make_pairs()
        loss, grad = loss_and_grad(network, task)
        whole = float((task.weight * (task.target.lengths + 1))[task.indices].sum())
        losses, grads, indices = [], [], task.indices
        for task.indices in indices[:2], indices[2:]:
            one = loss_and_grad(network, task, total=lambda own: whole)
            losses.append(one[0])
            grads.append(one[1])
        assert sum(losses) == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(sum(grads), grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("input_feeding", [False, True])
def test_the_same_bits_on_any_number_of_threads(input_feeding, monkeypatch):
    monkeypatch.setattr("fastrnn.network.threads.WORTHWHILE_FLOPS", 0)
    rng = np.random.default_rng(4)
    task = make_pairs(rng.integers(1, 6, 150), rng.integers(0, 6, 150), dtype="float32")
    results = []
    for n_jobs in (None, 2, 3):
        network = make_pair(
            dropout=0.3, scheduled_sampling=0.3, dtype="float32", input_feeding=input_feeding
        )
        results.append(
            [
                *loss_and_grad(network, task, seed=1, n_jobs=n_jobs),
                network.log_likelihoods(task.sequences, task.target, n_jobs=n_jobs),
            ]
        )
    for other in results[1:]:
        for mine, its in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(mine, its)


def test_training_learns_to_copy_a_little():
    """fastrnn.training takes it unchanged."""
    from fastrnn.training import Settings, TrainingState, train

    rng = np.random.default_rng(0)
    network = make_pair(noise=0, sizes=((16,), (16,)), K=6, E=8, dtype="float32")
    task = make_pairs(rng.integers(1, 5, 200), np.zeros(200, int), dtype="float32")
    offsets = task.sequences.offsets
    task.target = LabelSequences(task.sequences.ids[:, 0].copy(), offsets)
    settings = Settings(solver="adam", learning_rate_init=0.01, batch_size=20, max_iter=30)
    before = network.mean_loss(task.sequences, task.target, task.weight)
    train(
        network, task.sequences, task.target, task.weight, settings,
        TrainingState(np.random.default_rng(1)), n_epochs=8,
    )  # fmt: skip
    after = network.mean_loss(task.sequences, task.target, task.weight)
    assert after < 0.3 * before


class TestCopies:
    @pytest.mark.parametrize("make", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_a_copy_is_the_same_and_its_own(self, make):
        network, task = make_pair(label_smoothing=0.1, dropout=0.2), make_pairs()
        other = make(network)
        for mine, its in zip(
            loss_and_grad(network, task, seed=1), loss_and_grad(other, task, seed=1), strict=True
        ):
            np.testing.assert_array_equal(mine, its)
        other.theta[:] = 0
        assert network.theta.any()
        assert not other.encoder.theta.any()

    def test_zeros_start_at_zero(self):
        architecture = make_pair().architecture
        assert not EncoderDecoderNetwork(architecture, random_state=ZEROS).theta.any()

    def test_the_first_weights_are_those_of_the_seed(self):
        architecture = make_pair().architecture
        one, same, other = (
            EncoderDecoderNetwork(architecture, random_state=seed).theta for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()


class TestArchitecture:
    def test_a_record_brings_it_back(self):
        architecture = make_pair("additive", tied=True).architecture
        again = EncoderDecoder.from_record(architecture.to_record())
        assert again == architecture
        assert again.n_labels == 3
        assert again.shapes() == architecture.shapes()
        assert not again.difference(architecture)

    def test_parts_of_a_bridge_of_unequal_cells(self):
        shapes = make_pair(cells=("lstm", "gru"), sizes=((4, 3), (5,))).architecture.shapes()
        # h and c of two directions of 3 units become h of 5.
        assert shapes["bridge.0.W"] == (12, 5)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"attention": "local"}, "attention must be one of .*got 'local'"),
            ({"attention": "dot"}, "as many outputs as the decoder's has units, got 6 .* and 4"),
            ({"attention": 3}, "attention must be a word, got 3"),
            ({"input_feeding": 1}, "input_feeding must be True or False, got 1"),
            ({"input_feeding": True}, "and 4 numbers, got .* and 0 numbers"),
            ({"more": 1}, "must have .*got"),
        ],
    )
    def test_what_is_no_record(self, change, words):
        record = make_pair().architecture.to_record() | change
        with pytest.raises(ValueError, match=words):
            EncoderDecoder.from_record(record)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"bidirectional": True}, "must read forward"),
            ({"pooling": "last"}, "must read forward"),
            ({"n_features": 1}, "one column of 4 ids.* and 0 numbers, got .* and 1 numbers"),
            ({"embeddings": ((5, 3),)}, "one column of 4 ids"),
            ({"dtype": "float32"}, "one dtype, got 'float64' and 'float32'"),
            ({"precision": "auto"}, "one precision, got 'full' and 'auto'"),
        ],
    )
    def test_what_is_no_decoder(self, change, words):
        architecture = make_pair().architecture
        parts = {
            "n_features": 0, "embeddings": ((4, 3),), "hidden_layer_sizes": (4,),
            "pooling": "steps", "n_outputs": 4, "dtype": "float64",
        }  # fmt: skip
        with pytest.raises(ValueError, match=words):
            EncoderDecoder(encoder=architecture.encoder, decoder=Architecture(**parts | change))

    @pytest.mark.parametrize("change", [{"pooling": "last"}, {"tied": True}], ids=str)
    def test_what_is_no_encoder(self, change):
        architecture = make_pair().architecture
        parts = {"n_features": 0, "embeddings": ((1, 3),), "hidden_layer_sizes": (3,)}
        encoder = Layers(**parts | change, dtype="float64")
        with pytest.raises(ValueError, match="the states of all steps"):
            EncoderDecoder(encoder=encoder, decoder=architecture.decoder)

    def test_difference(self):
        mine = make_pair().architecture
        assert mine.difference(make_pair("additive").architecture) == (
            "attention='general', not 'additive'"
        )
        other = make_pair(cells=("gru", "gru")).architecture
        assert mine.difference(other) == "encoder.cell='lstm', not 'gru'"
