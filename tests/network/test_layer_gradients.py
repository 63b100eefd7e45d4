"""Gradients of layers: exact, in ragged batches, on any number of threads."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from layer_cases import (
    BOTH,
    CELLS,
    RAGGED,
    SMALL,
    assert_close,
    assert_gradient,
    assert_same_bits,
    make_batch,
    relative_error,
    run,
)


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request):
    return request.param


class TestGradients:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", SMALL, ids=str)
    def test_central_differences(self, cell, size, bidirectional, ragged):
        layer = cell.layer(*size[2:], bidirectional=bidirectional)
        batch = make_batch(cell, *size, bidirectional=bidirectional, ragged=ragged)
        assert_gradient(layer, batch, run(layer, batch), 3, 1e-8 * cell.is_normalized)

    def test_long_sequences_equal_their_chunks(self, cell):
        """What the chunks, proven above, hand from one to the next gives the whole gradient."""
        layer = cell.layer(3, 9)
        batch = make_batch(cell, 2000, 2, 3, 9)
        expected = run(layer, batch)
        starts = range(0, 2000, 50)
        states = [batch.initial_state]
        for start in starts:
            _, state = layer.forward(batch.x[start : start + 50], None, states[-1])
            states.append(state)
        totals = dict.fromkeys(layer.grads, 0.0)
        dx, dstate = np.empty_like(batch.x), batch.dstate
        for k in reversed(range(len(starts))):
            chunk = slice(starts[k], starts[k] + 50)
            layer.forward(batch.x[chunk], None, states[k], training=True)
            dx[chunk], dstate = layer.backward(batch.dy[chunk], dstate)
            for name, grad in layer.grads.items():
                totals[name] = totals[name] + grad
        assert relative_error(dx, expected["dx"]) <= 1e-10
        for k, part in enumerate(dstate):
            assert relative_error(part, expected[f"dinitial_state[{k}]"]) <= 1e-10
        for name, total in totals.items():
            assert relative_error(total, expected[f"d{name}"]) <= 1e-10, name

    def test_without_dstate(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=True)
        batch.dstate = tuple(np.zeros_like(part) for part in batch.dstate)
        zeros = run(layer, batch)
        batch.dstate = None
        assert_same_bits(run(layer, batch), zeros)

    def test_without_initial_state(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=True)
        batch.initial_state = tuple(np.zeros_like(part) for part in batch.initial_state)
        zeros = run(layer, batch)
        batch.initial_state = None
        assert_same_bits(run(layer, batch), zeros)

    def test_grads_are_overwritten(self, cell):
        layer = cell.layer(3, 5)
        first, second = (make_batch(cell, 4, 3, 3, 5, seed=seed) for seed in (0, 1))
        grads = dict(layer.grads)
        expected = run(layer, second)
        run(layer, first)
        assert_same_bits(run(layer, second), expected)
        assert all(layer.grads[name] is grad for name, grad in grads.items())

    def test_second_training_forward_replaces_the_first(self, cell):
        layer = cell.layer(3, 5)
        first, second = (make_batch(cell, 4 + seed, 3, 3, 5, seed=seed) for seed in (0, 1))
        expected = run(layer, second)
        layer.forward(first.x, training=True)
        assert_same_bits(run(layer, second), expected)

    def test_inference_between_forward_and_backward(self, cell):
        layer = cell.layer(3, 5)
        batch, other = (make_batch(cell, 4, 3, 3, 5, seed=seed) for seed in (0, 1))
        expected = run(layer, batch)
        layer.forward(batch.x, None, batch.initial_state, training=True)
        layer.forward(other.x)
        dx, _ = layer.backward(batch.dy, batch.dstate)
        np.testing.assert_array_equal(dx, expected["dx"])
        np.testing.assert_array_equal(layer.grads["U"], expected["dU"])

    def test_writing_into_arrays_leaves_the_gradient(self, cell):
        layer = cell.layer(3, 5)
        batch = make_batch(cell, 4, 3, 3, 5)
        expected = run(layer, batch)
        x = batch.x.copy()
        y, state = layer.forward(x, None, batch.initial_state, training=True)
        for value in (x, y, *state):
            value[...] = np.nan
        dx, _ = layer.backward(batch.dy, batch.dstate)
        np.testing.assert_array_equal(dx, expected["dx"])
        np.testing.assert_array_equal(layer.grads["W"], expected["dW"])
        np.testing.assert_array_equal(layer.grads["U"], expected["dU"])

    def test_backward_needs_a_training_forward(self, cell):
        layer = cell.layer(3, 5)
        batch = make_batch(cell, 4, 3, 3, 5)
        with pytest.raises(RuntimeError, match="training"):
            layer.backward(batch.dy)
        layer.forward(batch.x)
        with pytest.raises(RuntimeError, match="training"):
            layer.backward(batch.dy)
        layer.forward(batch.x, training=True)
        layer.backward(batch.dy)
        with pytest.raises(RuntimeError, match="training"):
            layer.backward(batch.dy)


class TestRagged:
    @BOTH
    @pytest.mark.parametrize(
        ("T", "B", "D", "H"), [(9, 7, 3, 5), (6, 37, 4, 17), (5, 20, 8, 64), (100, 15, 3, 130)]
    )
    def test_equals_one_by_one(self, cell, T, B, D, H, bidirectional):
        layer = cell.layer(D, H, dtype="float32", bidirectional=bidirectional)
        batch = make_batch(
            cell, T, B, D, H, dtype="float32", bidirectional=bidirectional, ragged=True
        )
        together = run(layer, batch)
        totals = {name: 0.0 for name in together if name[1:] in layer.params}
        for n, length in enumerate(batch.lengths):
            one = SimpleNamespace(
                x=batch.x[:length, n : n + 1],
                lengths=None,
                initial_state=tuple(part[:, n : n + 1] for part in batch.initial_state),
                dy=batch.dy[:length, n : n + 1],
                dstate=tuple(part[:, n : n + 1] for part in batch.dstate),
            )
            alone = run(layer, one)
            for name, value in alone.items():
                if name in totals:
                    totals[name] = totals[name] + value.astype(np.float64)
                    continue
                rows = together[name][:, n : n + 1]
                if name in ("y", "dx"):
                    rows = rows[:length]
                assert_close(rows, value, name)
        for name, total in totals.items():
            assert relative_error(together[name], total) <= 1e-6, name

    @BOTH
    def test_in_any_order(self, cell, bidirectional):
        layer = cell.layer(3, 17, dtype="float32", bidirectional=bidirectional)
        batch = make_batch(
            cell, 9, 37, 3, 17, dtype="float32", bidirectional=bidirectional, ragged=True
        )
        results = run(layer, batch)
        order = np.random.default_rng(2).permutation(37)
        permuted = SimpleNamespace(
            x=batch.x[:, order],
            lengths=batch.lengths[order],
            initial_state=tuple(part[:, order] for part in batch.initial_state),
            dy=batch.dy[:, order],
            dstate=tuple(part[:, order] for part in batch.dstate),
        )
        for name, value in run(layer, permuted).items():
            expected = results[name] if name[1:] in layer.params else results[name][:, order]
            assert_close(value, expected, name)

    @BOTH
    def test_nothing_beyond_the_end_matters(self, cell, bidirectional):
        layer = cell.layer(3, 5, bidirectional=bidirectional)
        batch = make_batch(cell, 9, 7, 3, 5, bidirectional=bidirectional, ragged=True)
        expected = run(layer, batch)
        beyond = np.arange(9)[:, None] >= batch.lengths
        batch.x[beyond] = np.nan
        batch.dy[beyond] = np.nan
        results = run(layer, batch)
        assert_same_bits(results, expected)
        assert np.all(results["y"][beyond] == 0)
        assert np.all(results["dx"][beyond] == 0)

    def test_state_is_taken_at_each_end(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 9, 7, 3, 5, bidirectional=True, ragged=True)
        y, state = layer.forward(batch.x, batch.lengths, batch.initial_state)
        sequences = np.arange(7)
        np.testing.assert_array_equal(state[0][0], y[batch.lengths - 1, sequences, :5])
        np.testing.assert_array_equal(state[0][1], y[0, :, 5:])

    def test_state_continues_a_sequence(self, cell):
        layer = cell.layer(3, 5)
        batch = make_batch(cell, 9, 7, 3, 5)
        whole, end = layer.forward(batch.x, None, batch.initial_state)
        first, state = layer.forward(batch.x[:4], None, batch.initial_state)
        second, state = layer.forward(batch.x[4:], None, state)
        np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-12, atol=1e-14)
        for part, expected in zip(state, end, strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("kind", [list, tuple, np.int32, np.uint8, "read-only"], ids=str)
    def test_kinds_of_lengths(self, cell, kind):
        layer = cell.layer(3, 5)
        batch = make_batch(cell, 9, 7, 3, 5, ragged=True)
        expected, _ = layer.forward(batch.x, batch.lengths)
        if kind == "read-only":
            batch.lengths.setflags(write=False)
            lengths = batch.lengths
        else:
            lengths = kind(batch.lengths)
        y, _ = layer.forward(batch.x, lengths)
        np.testing.assert_array_equal(y, expected)

    def test_lengths_of_full_size_are_the_dense_case(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 7, 3, 5, bidirectional=True)
        dense = run(layer, batch)
        batch.lengths = np.full(7, 4)
        assert_same_bits(run(layer, batch), dense)

    def test_no_sequence_reaches_the_last_step(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 6, 3, 3, 5, bidirectional=True)
        batch.lengths = np.array([2, 4, 1])
        y, _ = layer.forward(batch.x, batch.lengths, batch.initial_state)
        expected, _ = cell.reference(layer.params, batch.x, batch.lengths, batch.initial_state)
        np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)


class TestThreads:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("B", [1, 20, 33, 64, 200])
    def test_same_bits_for_any_n_jobs(self, cell, B, bidirectional, ragged):
        for dtype in "float32", "float64":
            layer = cell.layer(6, 17, dtype=dtype, bidirectional=bidirectional)
            batch = make_batch(
                cell, 8, B, 6, 17, dtype=dtype, bidirectional=bidirectional, ragged=ragged
            )
            expected = run(layer, batch, n_jobs=1)
            for n_jobs in (2, 4, -1, None) if B == 33 else (2, 4):
                assert_same_bits(run(layer, batch, n_jobs), expected)

    def test_same_bits_for_wide_layers(self, cell):
        layer = cell.layer(40, 200, dtype="float32")
        batch = make_batch(cell, 5, 64, 40, 200, dtype="float32", ragged=True)
        expected = run(layer, batch, n_jobs=1)
        for n_jobs in 2, 4:
            assert_same_bits(run(layer, batch, n_jobs), expected)

    # Widths of whole panels, of a panel and a rest of few columns, and of less than a panel. The
    # last two sizes take several chunks of time.
    @RAGGED
    @pytest.mark.parametrize(
        ("T", "B", "D", "H"),
        [(7, 4, 70, 128), (6, 3, 5, 70), (5, 7, 3, 5), (130, 2, 3, 192), (45, 8, 70, 100)],
        ids=str,
    )
    def test_same_bits_by_teams(self, cell, T, B, D, H, ragged, teams):
        for dtype in "float32", "float64":
            layer = cell.layer(D, H, dtype=dtype)
            batch = make_batch(cell, T, B, D, H, dtype=dtype, ragged=ragged)
            arguments = batch.x, batch.lengths, batch.initial_state
            expected = run(layer, batch, n_jobs=1)
            assert not teams
            for n_jobs in 2, 3:
                assert_same_bits(run(layer, batch, n_jobs), expected)
                y, state = layer.forward(*arguments, n_jobs=n_jobs)
                np.testing.assert_array_equal(y, expected["y"])
                for k, part in enumerate(state):
                    np.testing.assert_array_equal(part, expected[f"state[{k}]"])
                assert set(teams) == (set() if cell.is_normalized else {n_jobs})
                teams.clear()

    def test_directions_have_teams_of_their_own(self, cell, teams):
        layer = cell.layer(6, 70, bidirectional=True)
        batch = make_batch(cell, 8, 3, 6, 70, bidirectional=True, ragged=True)
        expected = run(layer, batch, n_jobs=1)
        for n_jobs, sizes in (2, set()), (4, {2}), (7, {3}):
            assert_same_bits(run(layer, batch, n_jobs), expected)
            assert set(teams) == (set() if cell.is_normalized else sizes)
            teams.clear()

    def test_same_bits_again(self, cell):
        layer = cell.layer(6, 17, dtype="float32")
        batch = make_batch(cell, 8, 50, 6, 17, dtype="float32", ragged=True)
        assert_same_bits(run(layer, batch, n_jobs=2), run(layer, batch, n_jobs=2))

    def test_threads_may_share_a_layer(self, cell):
        layer = cell.layer(6, 17, dtype="float32", bidirectional=True)
        batches = [
            make_batch(cell, 20, 5 + n, 6, 17, dtype="float32", ragged=True, seed=n)
            for n in range(8)
        ]
        expected = [layer.forward(batch.x, batch.lengths)[0] for batch in batches]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(5):
                results = pool.map(lambda batch: layer.forward(batch.x, batch.lengths)[0], batches)
                for actual, desired in zip(results, expected, strict=True):
                    np.testing.assert_array_equal(actual, desired)
