"""The gradient of encoder-decoder networks: exact through encoder, bridge, attention, decoder."""

import numpy as np
import pytest
from gradient_cases import CELLS, assert_gradient, loss_and_grad, relative_error
from pair_cases import ATTENTIONS, make_pair, make_pairs, take

from fastrnn.inspection import mean_weights, pair_gradient_flow

ATTENTION = pytest.mark.parametrize("attention", ATTENTIONS)
OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
    "smoothing": {"label_smoothing": 0.2, "alpha": 0.1},
    "sampling": {"scheduled_sampling": 0.7},
    "feeding": {"input_feeding": True},
    "all": {"input_feeding": True, "dropout": 0.2, "recurrent_dropout": 0.3, "alpha": 0.1},
}


class TestExact:
    @pytest.mark.parametrize("options", OPTIONS)
    @pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
    @ATTENTION
    def test_every_attention_and_option(self, attention, bidirectional, options):
        network = make_pair(attention, bidirectional=bidirectional, **OPTIONS[options])
        seed = {"seed": 3} if options in ("dropout", "sampling", "all") else {}
        assert_gradient(network, make_pairs(), **seed)

    @pytest.mark.parametrize("cell", CELLS)
    def test_every_cell_on_both_sides(self, cell):
        for input_feeding in (False, True):
            network = make_pair(cells=(cell, cell), sizes=((3,), (4,)), input_feeding=input_feeding)
            assert_gradient(network, make_pairs())

    @pytest.mark.parametrize("sizes", [((3,), (4, 5, 2)), ((5, 2, 3), (4,))], ids=str)
    @ATTENTION
    def test_more_layers_on_one_side(self, attention, sizes):
        # More of the decoder's begin with the lowest of the encoder.
        assert_gradient(make_pair(attention, sizes=sizes), make_pairs())

    @ATTENTION
    def test_sizes_of_one(self, attention):
        network = make_pair(
            attention, bidirectional=False, sizes=((1,), (1,)), D=1, E=1, K=1, ids=False
        )
        task = make_pairs((1,), (1,), D=1, K=1)
        assert_gradient(network, task, step=1e-4)

    @pytest.mark.parametrize("lengths", [((1, 1, 1), (1, 1, 1)), ((7, 7), (1, 9)), ((1,), (0,))])
    def test_lengths(self, lengths):
        assert_gradient(make_pair("additive"), make_pairs(*lengths), step=1e-4)

    @ATTENTION
    def test_tied_weights(self, attention):
        assert_gradient(make_pair(attention, tied=True), make_pairs())

    @pytest.mark.parametrize("front", [{"stride": 2}, {"conv": ((4, 3, 2),)}], ids=str)
    def test_steps_that_are_read_as_one(self, front):
        assert_gradient(make_pair(front=front), make_pairs())

    def test_more_than_one_shard(self):
        rng = np.random.default_rng(4)
        task = make_pairs(rng.integers(1, 6, 70), rng.integers(0, 6, 70))
        assert_gradient(make_pair(dropout=0.2), task, seed=1)

    def test_float32_comes_near_to_float64(self):
        network = make_pair("additive", label_smoothing=0.1)
        loss, grad = loss_and_grad(network, make_pairs())
        other = make_pair("additive", label_smoothing=0.1, dtype="float32")
        other.theta[...] = network.theta
        other_loss, other_grad = loss_and_grad(other, make_pairs(dtype="float32"))
        assert other_grad.dtype == np.float32
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert relative_error(other_grad, grad) < 1e-5


@pytest.mark.parametrize("input_feeding", [False, True])
def test_truncated_backpropagation_stops_gradients_in_both_networks(input_feeding):
    network = make_pair(cells=("gru", "gru"), input_feeding=input_feeding)
    task = make_pairs()
    loss, whole = loss_and_grad(network, task)
    same, long = loss_and_grad(network, task, bptt_steps=100)
    cut_loss, cut = loss_and_grad(network, task, bptt_steps=1)
    assert loss == same == cut_loss
    np.testing.assert_array_equal(long, whole)
    for part in ("encoder", "decoder"):
        views = network.views_of(part, whole), network.views_of(part, cut)
        assert relative_error(views[1]["layers.0.U"], views[0]["layers.0.U"]) > 0.01


INPUTS = {
    "forward": {"bidirectional": False},
    "both": {},
    "feeding": {"input_feeding": True, "ids": False},
    "patches": {"front": {"stride": 2}},
    "convolution": {"front": {"conv": ((4, 3, 2),)}, "bidirectional": False},
    "dropout is not": {"dropout": 0.4, "label_smoothing": 0.3, "scheduled_sampling": 0.5},
}


@pytest.mark.parametrize("options", INPUTS)
@pytest.mark.parametrize("sign", [-1, 1])
@ATTENTION
def test_gradients_of_inputs(attention, options, sign):
    network, task = make_pair(attention, **INPUTS[options]), make_pairs()
    weight = sign * task.weight
    got = network.input_gradients(task.sequences, task.target, weight)
    values, step = task.sequences.values, 1e-5

    def sums():
        likelihoods = network.log_likelihoods(task.sequences, task.target)
        return -(weight * likelihoods).sum()

    expected = np.empty_like(values)
    for place in np.ndindex(values.shape):
        before = values[place]
        sides = []
        for side in (-step, step):
            values[place] = before + side
            sides.append(sums())
        values[place] = before
        expected[place] = (sides[1] - sides[0]) / (2 * step)
    assert relative_error(got, expected) < 1e-7


def test_gradients_of_inputs_of_more_than_one_shard():
    rng = np.random.default_rng(4)
    task = make_pairs(rng.integers(1, 6, 70), rng.integers(0, 6, 70))
    network = make_pair(dtype="float64")
    one, other = (
        network.input_gradients(task.sequences, task.target, task.weight, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, other)
    for n in (0, 13, 69):
        alone = take(task, [n])
        got = network.input_gradients(alone.sequences, alone.target, alone.weight)
        rows = slice(*task.sequences.offsets[n : n + 2])
        np.testing.assert_allclose(got, one[rows], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_norms_of_gradients_of_states(bidirectional):
    directions = 2 if bidirectional else 1
    sizes, D = ((4,), (5, 4)), 4 * directions
    options = {"sizes": sizes, "D": D, "ids": False, "bidirectional": bidirectional}
    network, task = make_pair(cells=("rnn", "gru"), **options), make_pairs(D=D)
    flow = pair_gradient_flow(network, task.sequences, task.target, task.weight)
    np.testing.assert_array_equal(flow.weight, task.weight)
    assert len(flow.names) == directions
    # What is read reaches the loss through the states of the same step alone, and
    # dx_t = W ((1 - h_t^2) dh_t), where both directions stand side by side.
    dx = network.input_gradients(task.sequences, task.target, mean_weights(task.target))
    layer = network.encoder.layers[0]
    W = np.concatenate([params["W"] for params in layer.by_direction(layer.params)], axis=1)
    dh = np.linalg.solve(W, dx.T).T / (1 - network.hidden_states(task.sequences) ** 2)
    norms = np.linalg.norm(dh.reshape(len(dh), directions, 4), axis=2).T
    expected = np.split(norms, task.sequences.offsets[1:-1], axis=1)
    for got, wanted in zip(flow.norms, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-8)
