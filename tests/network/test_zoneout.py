"""Zoneout: what is drawn, its mean, and the gradients of both, of layers and networks."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from every_cell import CHOICES, NORMALIZED, take_step
from gradient_cases import assert_gradient, loss_and_grad, make_network, make_task, relative_error
from layer_cases import (
    BOTH,
    CELLS,
    RAGGED,
    SMALL,
    Cell,
    assert_same_bits,
    make_batch,
    run,
)
from layer_cases import assert_gradient as assert_gradient_of_layer

from fastrnn.inputs.sequences import Sequences
from fastrnn.kernels.dropout import draw_zones, dropout
from fastrnn.network import one_direction, passes
from fastrnn.network.shards import Seeds

SHARE = 0.4
ZONED = {label: Cell(label, **parameters, zoneout=SHARE) for label, parameters in CHOICES.items()}
CELL = pytest.mark.parametrize("cell", ZONED.values(), ids=ZONED.keys())
LABEL = pytest.mark.parametrize("label", CHOICES)


def drawn_again(layer, rng):
    """A layer whose every call draws the same zones, those of the next call of another that draws
    from ``rng``."""
    start = rng.bit_generator.state

    def forward(*arguments):
        rng.bit_generator.state = start
        return layer.forward(*arguments, training=True)

    return SimpleNamespace(forward=forward, params=layer.params)


class TestLayers:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", [(1, 1, 1, 1), (6, 4, 3, 5), (3, 20, 5, 33)], ids=str)
    @CELL
    def test_the_mean_is_that_of_numpy(self, cell, size, bidirectional, ragged):
        layer = cell.layer(*size[2:], bidirectional=bidirectional)
        batch = make_batch(cell, *size, bidirectional=bidirectional, ragged=ragged)
        y, state = layer.forward(batch.x, batch.lengths, batch.initial_state)
        expected, final = cell.reference(layer.params, batch.x, batch.ends, batch.initial_state)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-11)
        for part, wanted in zip(state, final, strict=True):
            np.testing.assert_allclose(part, wanted, rtol=1e-9, atol=1e-11)

    @BOTH
    @CELL
    def test_zones_are_drawn_from_random_state(self, cell, bidirectional):
        """One mask a step, of h and c; a direction reads in its own order."""
        T, B, D, H = 5, 3, 2, 4
        rng = np.random.default_rng(5)
        layer = cell.new(D, H, dtype="float64", bidirectional=bidirectional, random_state=rng)
        batch = make_batch(cell, T, B, D, H, bidirectional=bidirectional)
        for _ in range(2):  # each call draws anew
            seed = copy.deepcopy(rng).integers(2**63)
            y, state = layer.forward(batch.x, None, batch.initial_state, training=True)
            for d in range(1 + bidirectional):
                zones = np.empty((T * B, H))
                draw_zones(SHARE, seed, d * T * B * H, zones)
                zones = zones.reshape(T, B, H)
                p = {
                    name: layer.params[name + "_reverse" * d]
                    for name in cell.layer_class.cell.shapes(1, 1)
                }
                options = {name: value for name, value in cell.options.items() if name != "zoneout"}
                now = tuple(part[d] for part in batch.initial_state)
                for k in range(T):
                    t = T - 1 - k if d else k
                    now = take_step(layer.cell.name, p, now, batch.x[t], zones[k], **options)
                    np.testing.assert_allclose(y[t, :, d * H : (d + 1) * H], now[0], rtol=1e-9)
                for part, wanted in zip(state, now, strict=True):
                    np.testing.assert_allclose(part[d], wanted, rtol=1e-9)

    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", SMALL, ids=str)
    @CELL
    def test_central_differences(self, cell, size, bidirectional, ragged):
        random_state = np.random.default_rng(0)
        layer = cell.layer(*size[2:], bidirectional=bidirectional, random_state=random_state)
        again = drawn_again(layer, random_state)
        batch = make_batch(cell, *size, bidirectional=bidirectional, ragged=ragged)
        atol = 1e-8 if cell.is_normalized else 1e-12  # one unit may keep its state: no gradient
        assert_gradient_of_layer(again, batch, run(layer, batch), 2, atol)

    @CELL
    def test_a_share_of_units_keep_their_states(self, cell):
        """Of one step, what is drawn is as often as said, and its mean that of prediction."""
        B = 4000
        layer = cell.layer(2, 3)
        one = make_batch(cell, 1, 1, 2, 3)
        x, start = np.repeat(one.x, B, 1), tuple(np.repeat(s, B, 1) for s in one.initial_state)
        _, states = layer.forward(x, None, start, training=True)
        _, means = layer.forward(one.x, None, one.initial_state)
        kept = [part[0] == before[0] for part, before in zip(states, start, strict=True)]
        assert np.abs(kept[0].mean(axis=0) - SHARE).max() <= 5 * np.sqrt(SHARE * (1 - SHARE) / B)
        for part, of_unit, mean in zip(states, kept, means, strict=True):
            np.testing.assert_array_equal(of_unit, kept[0])
            deviation = np.abs(part[0].mean(axis=0) - mean[0, 0])
            assert (deviation <= 5 * part[0].std(axis=0) / np.sqrt(B)).all()

    @BOTH
    @CELL
    def test_same_bits_for_any_n_jobs(self, cell, bidirectional):
        layer = cell.layer(6, 17, dtype="float32", bidirectional=bidirectional)
        batch = make_batch(
            cell, 8, 50, 6, 17, dtype="float32", bidirectional=bidirectional, ragged=True
        )
        expected = run(copy.deepcopy(layer), batch, n_jobs=1)
        for n_jobs in 2, 4:
            assert_same_bits(run(copy.deepcopy(layer), batch, n_jobs), expected)

    @CELL
    def test_same_bits_by_teams(self, cell, teams):
        layer = cell.layer(6, 70)
        batch = make_batch(cell, 8, 3, 6, 70, ragged=True)
        expected = run(copy.deepcopy(layer), batch, n_jobs=1)
        mean, _ = layer.forward(batch.x, batch.lengths)
        for n_jobs in 2, 3:
            assert_same_bits(run(copy.deepcopy(layer), batch, n_jobs), expected)
            y, _ = layer.forward(batch.x, batch.lengths, n_jobs=n_jobs)
            np.testing.assert_array_equal(y, mean)
        assert bool(teams) != cell.is_normalized

    @CELL
    def test_step_by_step(self, cell, monkeypatch):
        """The kernels are called on slices of the tape, zones too."""
        layer, batch = (
            cell.layer(2, 3, bidirectional=True),
            make_batch(cell, 5, 3, 2, 3, bidirectional=True, ragged=True),
        )
        expected = run(copy.deepcopy(layer), batch)
        whole = one_direction.backward
        monkeypatch.setattr(
            one_direction,
            "backward",
            lambda layer, tape, batch, *arguments, **options: whole(
                layer, tape, batch, *arguments, **options, dh_norms=np.empty(len(batch.rows))
            ),
        )
        for name, value in run(layer, batch).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-12)

    @CELL
    def test_without_it_nothing_is_drawn(self, cell):
        rng = np.random.default_rng(0)
        layer = cell.layer_class(2, 3, random_state=rng)
        before = rng.bit_generator.state
        layer.forward(np.ones((3, 1, 2)), training=True)
        assert rng.bit_generator.state == before

    @pytest.mark.parametrize("wrong", [-0.1, 1.0, 1, np.nan, "0.1", True, None])
    def test_what_it_may_not_be(self, wrong):
        with pytest.raises(ValueError, match=r"zoneout must be a"):
            CELLS["lstm"].new(2, 3, zoneout=wrong)


class TestNetworks:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
    @pytest.mark.parametrize("seed", [None, 3])
    @LABEL
    def test_central_differences(self, label, seed, pooling, bidirectional, ragged):
        """Of what is drawn, with dropout too; and of the mean, which "lbfgs" trains with."""
        network = make_network(
            label, zoneout=SHARE, bidirectional=bidirectional, pooling=pooling,
            dropout=0.2, recurrent_dropout=0.3,
        )  # fmt: skip
        assert_gradient(network, make_task(ragged=ragged, pooling=pooling), seed=seed)

    @LABEL
    def test_seeds_decide(self, label):
        network, task = make_network(label, zoneout=SHARE), make_task(B=20)
        losses = [loss_and_grad(network, task, seed=seed)[0] for seed in (None, 3, 3, 4)]
        assert losses[1] == losses[2] and len(set(losses)) == 3

    @BOTH
    def test_zones_and_dropout_have_seeds_of_their_own(self, bidirectional, monkeypatch):
        """Of each layer and shard: with the seed of a mask zones would hide what it hides."""
        seeds = {"masks": [], "zones": []}

        def drop(x, rate, seed, y):
            seeds["masks"].append(seed)
            dropout(x, rate, seed, y)

        def draw(rate, seed, first, zones):
            seeds["zones"].append((seed, first))
            draw_zones(rate, seed, first, zones)

        monkeypatch.setattr(passes, "dropout", drop)
        monkeypatch.setattr(one_direction, "draw_zones", draw)
        network = make_network(
            "lstm", zoneout=SHARE, bidirectional=bidirectional, dropout=0.2, recurrent_dropout=0.3
        )
        loss_and_grad(network, make_task(B=40), seed=0)
        masks, zones = set(seeds["masks"]), [seed for seed, _ in seeds["zones"]]
        assert len(set(seeds["zones"])) == len(zones)
        n = len({*zones})  # layers times shards
        assert n > 2 and len(zones) == n * (1 + bidirectional)
        assert len(masks) == 2 * n and not masks & {*zones}

    @pytest.mark.parametrize("bptt_steps", [None, 3])
    @pytest.mark.parametrize("pooling", ["last", "mean", "steps"])
    @BOTH
    @LABEL
    def test_same_bits_for_any_n_jobs(self, label, bidirectional, pooling, bptt_steps):
        network = make_network(
            label, zoneout=SHARE, bidirectional=bidirectional, pooling=pooling, dtype="float32"
        )
        task = make_task(7, 40, dtype="float32", pooling=pooling)
        options = {"seed": 0, "bptt_steps": bptt_steps}
        expected, grad = loss_and_grad(network, task, **options)
        for n_jobs in 2, 4:
            loss, again = loss_and_grad(network, task, n_jobs=n_jobs, **options)
            assert loss == expected
            np.testing.assert_array_equal(again, grad)

    @BOTH
    @LABEL
    def test_gradient_of_a_team(self, label, bidirectional, teams):
        network = make_network(
            label, hidden_layer_sizes=(64, 40), zoneout=SHARE, bidirectional=bidirectional
        )
        assert_gradient(network, make_task(T=4, B=3), seed=0, n_jobs=2 + 2 * bidirectional)
        assert bool(teams) == (label not in NORMALIZED)

    @pytest.mark.parametrize("pooling", ["last", "steps"])
    @LABEL
    def test_truncated(self, label, pooling):
        """Window after window is the whole time with a gradient that stops at their borders."""
        network = make_network(label, zoneout=SHARE, pooling=pooling)
        task = make_task(T=7, pooling=pooling)
        assert network.can_cut_time
        loss, grad = loss_and_grad(network, task, bptt_steps=3)
        network.can_cut_time = False
        whole, expected = loss_and_grad(network, task, bptt_steps=3)
        np.testing.assert_allclose(loss, whole, rtol=1e-12)
        assert relative_error(grad, expected) <= 1e-12

    @pytest.mark.parametrize("can_cut_time", [False, True])
    @LABEL
    def test_windows_that_are_longer_than_time(self, label, can_cut_time):
        network, task = make_network(label, zoneout=SHARE), make_task(T=5)
        expected, grad = loss_and_grad(network, task, seed=1)
        network.can_cut_time = can_cut_time
        loss, again = loss_and_grad(network, task, seed=1, bptt_steps=5)
        assert loss == expected
        np.testing.assert_array_equal(again, grad)

    def test_windows_draw_anew(self):
        seeds = Seeds(1, 2, 3)
        assert seeds.from_step(0) == seeds
        later, last = seeds.from_step(5), seeds.from_step(10)
        assert later.recurrent == last.recurrent == 1
        assert len({*seeds, *later[1:], *last[1:]}) == 7
        assert Seeds(1, 2).from_step(5).zones is None

    @BOTH
    @LABEL
    def test_float32_follows_float64(self, label, bidirectional):
        results = []
        for dtype in "float32", "float64":
            network = make_network(label, zoneout=SHARE, bidirectional=bidirectional, dtype=dtype)
            network.theta[:] = network.theta.astype(np.float32)
            task = make_task(12, 40, dtype="float32")
            task.sequences = Sequences(task.sequences.values.astype(dtype), task.sequences.offsets)
            task.weight = task.weight.astype(dtype)
            results.append(loss_and_grad(network, task, seed=2))
        (single, single_grad), (double, double_grad) = results
        np.testing.assert_allclose(single, double, rtol=1e-5)
        assert relative_error(single_grad, double_grad) <= 1e-4
