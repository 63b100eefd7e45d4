"""The contract of `fastrnn.layers`, every cell against plain NumPy and central differences."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from every_cell import CHOICES, NORMALIZED, STEPS

from fastrnn import layers
from fastrnn.network.cells import CELLS as REGISTRY


class Cell:
    """A layer class with its options, and what is true of it."""

    def __init__(self, label, cell, **options):
        self.is_normalized = label in NORMALIZED
        self.layer_class, self.options = REGISTRY[cell], options
        self.n_gates = len(self.layer_class.cell.gates)
        self.n_states = len(self.layer_class.cell.states)
        self.step = lambda p, state, x: STEPS[cell](p, state, x, **options)

    def new(self, D, H, **options):
        return self.layer_class(D, H, **self.options, **options)

    def layer(self, D, H, *, dtype="float64", bidirectional=False):
        """A layer with random parameters, the biases too; the same ones for both dtypes."""
        layer = self.new(D, H, dtype=dtype, bidirectional=bidirectional, random_state=0)
        rng = np.random.default_rng([D, H])
        for name, value in layer.params.items():
            scale = {"W": D**-0.5, "U": 0.9 * H**-0.5}.get(name[0], 0.5)
            value[...] = scale * rng.standard_normal(value.shape)
        return layer

    def reference(self, params, x, lengths, initial_state):
        """Outputs (T, B, H * directions) and final state, one sequence and one step at a time."""
        n_directions, _, H = initial_state[0].shape
        y = np.zeros((*x.shape[:2], n_directions * H))
        state = tuple(np.zeros_like(part) for part in initial_state)
        for direction, suffix in enumerate(["", "_reverse"][:n_directions]):
            names = self.layer_class.cell.shapes(1, 1)
            p = {name: params[name + suffix] for name in names}
            for n, length in enumerate(lengths):
                now = tuple(part[direction, n] for part in initial_state)
                for t in range(length)[:: 1 - 2 * direction]:
                    now = self.step(p, now, x[t, n])
                    y[t, n, direction * H : (direction + 1) * H] = now[0]
                for part, value in zip(state, now, strict=True):
                    part[direction, n] = value
        return y, state


CELLS = {label: Cell(label, **parameters) for label, parameters in CHOICES.items()}
GATED = [label for label, cell in CELLS.items() if cell.n_gates > 1]
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
RAGGED = pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
# (T, B, D, H): each size is 1 somewhere; widths around the kernels' tiles of 16 and 64 columns.
SMALL = [
    (1, 1, 1, 1),
    (1, 3, 2, 4),
    (5, 1, 3, 4),
    (5, 3, 1, 4),
    (4, 3, 3, 1),
    (6, 4, 3, 5),
    (3, 7, 2, 17),
    (3, 20, 5, 33),
]
# The last of these takes the kernels several chunks of time.
WIDE = [(7, 3, 3, 16), (6, 33, 16, 64), (5, 13, 20, 65), (4, 5, 7, 200), (120, 9, 2, 65)]


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request):
    return request.param


def make_batch(cell, T, B, D, H, *, dtype="float64", bidirectional=False, ragged=False, seed=0):
    """Everything a forward and a backward pass take, of random values."""
    rng = np.random.default_rng([seed, T, B, D, H])
    n_directions = 1 + bidirectional

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    lengths = rng.permutation(np.linspace(1, T, B).round().astype(np.int64))
    return SimpleNamespace(
        x=normal(T, B, D),
        lengths=lengths if ragged else None,
        ends=lengths if ragged else np.full(B, T),
        initial_state=tuple(normal(n_directions, B, H) for _ in range(cell.n_states)),
        dy=normal(T, B, n_directions * H),
        dstate=tuple(normal(n_directions, B, H) for _ in range(cell.n_states)),
    )


def run(layer, batch, n_jobs=None):
    """Forward and backward; every result by its name."""
    y, state = layer.forward(
        batch.x, batch.lengths, batch.initial_state, training=True, n_jobs=n_jobs
    )
    dx, dinitial_state = layer.backward(batch.dy, batch.dstate)
    results = {"y": y, "dx": dx}
    results |= {f"state[{k}]": part for k, part in enumerate(state)}
    results |= {f"dinitial_state[{k}]": part for k, part in enumerate(dinitial_state)}
    results |= {f"d{name}": grad.copy() for name, grad in layer.grads.items()}
    return results


def relative_error(actual, desired):
    return np.linalg.norm(actual - desired) / np.linalg.norm(desired)


def assert_same_bits(actual, desired):
    assert actual.keys() == desired.keys()
    for name in desired:
        np.testing.assert_array_equal(actual[name], desired[name], err_msg=name, strict=True)


class TestShapes:
    @BOTH
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_shapes_and_dtypes(self, cell, dtype, bidirectional):
        T, B, D, H = 4, 3, 2, 5
        n_directions, G = 1 + bidirectional, cell.n_gates
        batch = make_batch(cell, T, B, D, H, dtype=dtype, bidirectional=bidirectional)
        layer = cell.layer(D, H, dtype=dtype, bidirectional=bidirectional)
        expected = {"y": (T, B, n_directions * H), "dx": (T, B, D)}
        for k in range(cell.n_states):
            expected[f"state[{k}]"] = expected[f"dinitial_state[{k}]"] = (n_directions, B, H)
        for suffix in ["", "_reverse"][:n_directions]:
            for name, shape in {"W": (D, G * H), "U": (H, G * H), "b": (G * H,)}.items():
                expected[f"d{name}{suffix}"] = shape
            for parameter in cell.layer_class.cell.parameters:
                expected[f"d{parameter.name}{suffix}"] = (parameter.n_blocks * H,)
        results = run(layer, batch)
        assert {name: value.shape for name, value in results.items()} == expected
        assert {value.dtype for value in results.values()} == {np.dtype(dtype)}
        assert layer.params.keys() == layer.grads.keys()
        for name, value in layer.params.items():
            assert (value.shape, value.dtype) == (expected[f"d{name}"], np.dtype(dtype))

    def test_states_are_tuples(self, cell):
        batch = make_batch(cell, 3, 2, 2, 4)
        layer = cell.layer(2, 4)
        _, state = layer.forward(batch.x, training=True)
        _, dinitial_state = layer.backward(batch.dy)
        assert type(state) is type(dinitial_state) is tuple
        assert len(state) == len(dinitial_state) == cell.n_states

    def test_float32_is_the_default(self, cell):
        assert cell.new(2, 3).params["W"].dtype == np.float32

    def test_options_are_keywords(self, cell):
        with pytest.raises(TypeError):
            cell.layer_class(2, 3, True)
        with pytest.raises(TypeError, match="no_option"):
            cell.new(2, 3, no_option=1)


class TestStart:
    """Parameters of a new layer."""

    def test_random_state_reproduces(self, cell):
        first, same, other = (cell.new(3, 4, bidirectional=True, random_state=s) for s in (1, 1, 2))
        assert_same_bits(first.params, same.params)
        assert not np.array_equal(first.params["W"], other.params["W"])
        assert not np.array_equal(first.params["U"], other.params["U"])

    def test_random_state_generator_moves_on(self, cell):
        rng = np.random.default_rng(0)
        first, second = (cell.new(3, 4, random_state=rng) for _ in range(2))
        assert not np.array_equal(first.params["W"], second.params["W"])

    def test_without_random_state_layers_differ(self, cell):
        assert not np.array_equal(cell.new(3, 4).params["W"], cell.new(3, 4).params["W"])

    def test_directions_differ(self, cell):
        params = cell.new(3, 4, bidirectional=True, random_state=0).params
        assert not np.array_equal(params["W"], params["W_reverse"])
        assert not np.array_equal(params["U"], params["U_reverse"])

    @pytest.mark.parametrize("H", [1, 5, 32])
    def test_recurrent_blocks_are_orthogonal(self, cell, H):
        params = cell.new(3, H, bidirectional=True, random_state=0).params
        for U in params["U"], params["U_reverse"]:
            for block in np.split(U.astype(np.float64), cell.n_gates, axis=1):
                np.testing.assert_allclose(block.T @ block, np.eye(H), rtol=0, atol=1e-6)

    def test_input_weights_fill_every_block(self, cell):
        W = cell.new(40, 30, random_state=0).params["W"]
        deviations = [block.std() for block in np.split(W, cell.n_gates, axis=1)]
        assert min(deviations) > 0.02
        assert max(deviations) < 1.5 * min(deviations)

    def test_biases(self, cell):
        H, record = 4, cell.layer_class.cell
        expected = np.zeros((cell.n_gates, H))
        starts = {"f": 1.0, "β": 2.0}
        for gate in record.biases:
            expected[record.gates.index(gate)] = starts[gate]
        assert ("f" in record.biases) == ("f" in record.gates)
        params = cell.new(3, H, bidirectional=True, random_state=0).params
        for suffix in "", "_reverse":
            np.testing.assert_array_equal(params[f"b{suffix}"], expected.ravel())
            for parameter in record.parameters:
                values = params[f"{parameter.name}{suffix}"]
                np.testing.assert_array_equal(values, np.full_like(values, parameter.start))

    def test_bias_options(self):
        lstm = layers.LSTM(3, 2, forget_bias_init=-0.5)
        np.testing.assert_array_equal(lstm.params["b"], [0, 0, -0.5, -0.5, 0, 0, 0, 0])
        carry = layers.CarryLSTM(3, 1, forget_bias_init=0.25, carry_bias_init=0.75)
        np.testing.assert_array_equal(carry.params["b"], [0, 0.25, 0, 0, 0.75])


class TestValues:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", SMALL + WIDE, ids=str)
    def test_forward_equals_plain_numpy(self, cell, size, bidirectional, ragged):
        layer = cell.layer(*size[2:], bidirectional=bidirectional)
        batch = make_batch(cell, *size, bidirectional=bidirectional, ragged=ragged)
        expected_y, expected_state = cell.reference(
            layer.params, batch.x, batch.ends, batch.initial_state
        )
        for training in False, True:
            y, state = layer.forward(batch.x, batch.lengths, batch.initial_state, training)
            np.testing.assert_allclose(y, expected_y, rtol=1e-11, atol=1e-12)
            for part, expected in zip(state, expected_state, strict=True):
                np.testing.assert_allclose(part, expected, rtol=1e-11, atol=1e-12)

    @BOTH
    def test_long_sequences(self, cell, bidirectional):
        layer = cell.layer(3, 9, bidirectional=bidirectional)
        batch = make_batch(cell, 2000, 2, 3, 9, bidirectional=bidirectional)
        expected, _ = cell.reference(layer.params, batch.x, batch.ends, batch.initial_state)
        y, _ = layer.forward(batch.x, None, batch.initial_state)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)

    @BOTH
    @pytest.mark.parametrize("size", [*SMALL, *WIDE, (40, 500, 3, 5)], ids=str)
    def test_float32_follows_float64(self, cell, size, bidirectional):
        both = []
        for dtype in "float32", "float64":
            layer = cell.layer(*size[2:], dtype=dtype, bidirectional=bidirectional)
            batch = make_batch(
                cell, *size, dtype="float32", bidirectional=bidirectional, ragged=True
            )
            # The double layer starts from the single one's rounded parameters: the same problem.
            for value in layer.params.values():
                value[...] = value.astype(np.float32)
            both.append(run(layer, batch))
        single, double = both
        for name, value in double.items():
            error = np.linalg.norm(single[name] - value)
            floor = 1e-3 * cell.is_normalized
            assert error <= 1e-4 * np.linalg.norm(value) + floor, name

    @pytest.mark.parametrize("name", GATED)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_saturated_gates_stay_finite(self, name, dtype):
        cell = CELLS[name]
        layer = cell.layer(3, 5, dtype=dtype)
        batch = make_batch(cell, 4, 6, 3, 5, dtype=dtype)
        batch.x *= 1e4
        for value in run(layer, batch).values():
            assert np.isfinite(value).all()

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_nan_stays_in_its_sequence(self, cell, n_jobs):
        layer = cell.layer(3, 5, dtype="float32")
        batch = make_batch(cell, 6, 40, 3, 5, dtype="float32", ragged=True)
        clean = run(layer, batch)
        n = int(np.argmax(batch.ends))
        batch.x[2, n, 1] = np.nan
        dirty = run(layer, batch)
        others = np.arange(40) != n
        for name in "y", "dx":
            np.testing.assert_array_equal(dirty[name][:, others], clean[name][:, others])
        np.testing.assert_array_equal(dirty["y"][:2, n], clean["y"][:2, n])
        assert np.isnan(dirty["y"][2:, n]).all()
        assert np.isnan(dirty["state[0]"][0, n]).all()
        np.testing.assert_array_equal(dirty["state[0]"][0, others], clean["state[0]"][0, others])


def central_differences(layer, batch, values, directions, step=1e-5):
    """Slopes of sum(y * dy) + sum(state * dstate) along each direction, error O(step ** 4)."""
    start = values.copy()

    def loss(direction, distance):
        values[...] = start + distance * direction
        y, state = layer.forward(batch.x, batch.lengths, batch.initial_state)
        return np.sum(y * batch.dy) + sum(map(np.vdot, state, batch.dstate))

    slopes = [
        (8 * (loss(v, step) - loss(v, -step)) - (loss(v, 2 * step) - loss(v, -2 * step)))
        / (12 * step)
        for v in directions
    ]
    values[...] = start
    return np.array(slopes)


class TestGradients:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", SMALL, ids=str)
    def test_central_differences(self, cell, size, bidirectional, ragged):
        """Every element of small arrays; random directions through all elements of larger ones."""
        layer = cell.layer(*size[2:], bidirectional=bidirectional)
        batch = make_batch(cell, *size, bidirectional=bidirectional, ragged=ragged)
        results = run(layer, batch)
        variables = {"dx": batch.x}
        variables |= {f"dinitial_state[{k}]": s for k, s in enumerate(batch.initial_state)}
        variables |= {f"d{name}": value for name, value in layer.params.items()}
        assert results.keys() - variables.keys() == {
            "y",
            *(f"state[{k}]" for k in range(cell.n_states)),
        }
        rng = np.random.default_rng(1)
        for name, values in variables.items():
            n = values.size
            directions = np.eye(n) if n <= 36 else rng.standard_normal((8, n))
            slopes = central_differences(
                layer, batch, values, directions.reshape(-1, *values.shape)
            )
            actual = directions @ results[name].ravel()
            error, size_of_it = np.linalg.norm(actual - slopes), np.linalg.norm(slopes)
            assert cell.is_normalized or size_of_it > 0, name
            assert error <= 1e-7 * size_of_it + 1e-8 * cell.is_normalized, name

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


def assert_close(actual, desired, name):
    """Outputs within 1e-6 (of the largest, if beyond 1), gradients within 1e-6 of their norm."""
    if name.startswith("d"):
        assert relative_error(actual, desired) <= 1e-6, name
    else:
        atol = 1e-6 * max(1.0, np.abs(desired).max())
        np.testing.assert_allclose(actual, desired, rtol=0, atol=atol, err_msg=name)


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
            for n_jobs in 2, 4, -1, None:
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


class TestArrays:
    """What happens to the caller's arrays."""

    def test_params_are_views(self, cell):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True)
        before, _ = layer.forward(batch.x, None, batch.initial_state)
        for name in layer.params:
            layer.params[name][..., 0] += 0.5
            after, _ = layer.forward(batch.x, None, batch.initial_state)
            assert not np.array_equal(after, before), name
            before = after

    @pytest.mark.parametrize("copy", [deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
    def test_copies_are_layers_of_their_own(self, cell, copy):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=True)
        expected = run(layer, batch)
        double = copy(layer)
        assert_same_bits(run(double, batch), expected)
        for name, value in double.params.items():
            value[...] = 0.1
            assert not np.array_equal(layer.params[name], value)
        assert not np.array_equal(run(double, batch)["y"], expected["y"])
        assert_same_bits(run(layer, batch), expected)

    @RAGGED
    def test_inputs_are_left_alone(self, cell, ragged):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=ragged)
        arrays = [batch.x, batch.ends, batch.dy, *batch.initial_state, *batch.dstate]
        arrays += layer.params.values()
        copies = [value.copy() for value in arrays]
        run(layer, batch)
        for value, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(value, copy)

    @RAGGED
    def test_read_only(self, cell, ragged):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=ragged)
        expected = run(layer, batch)
        for value in (batch.x, batch.dy, *batch.initial_state, *batch.dstate):
            value.setflags(write=False)
        assert_same_bits(run(layer, batch), expected)

    @pytest.mark.parametrize(
        "spread",
        [
            np.asfortranarray,
            lambda a: np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1),
            lambda a: np.repeat(a, 2, axis=0)[::2],
            lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
            lambda a: np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1],
        ],
        ids=["fortran", "batch-first", "every second step", "every second feature", "reversed"],
    )
    def test_any_memory_layout(self, cell, spread):
        layer = cell.layer(3, 5, bidirectional=True)
        batch = make_batch(cell, 4, 3, 3, 5, bidirectional=True, ragged=True)
        expected = run(layer, batch)
        batch.x, batch.dy = spread(batch.x), spread(batch.dy)
        batch.initial_state = tuple(spread(part) for part in batch.initial_state)
        batch.dstate = tuple(spread(part) for part in batch.dstate)
        assert not batch.x.flags.c_contiguous
        assert_same_bits(run(layer, batch), expected)

    @pytest.mark.parametrize("dtype", ["float64", "float16", "int64", ">f4"])
    def test_input_is_converted_to_the_dtype_of_the_layer(self, cell, dtype):
        layer = cell.layer(3, 5, dtype="float32")
        batch = make_batch(cell, 4, 3, 3, 5, dtype="float32")
        batch.x = batch.x.astype(dtype)
        results = run(layer, batch)
        batch.x = batch.x.astype("float32")
        assert_same_bits(results, run(layer, batch))

    def test_state_and_gradients_are_converted_too(self, cell):
        layer = cell.layer(3, 5, dtype="float32")
        batch = make_batch(cell, 4, 3, 3, 5, dtype="float32")
        expected = run(layer, batch)
        batch.dy = batch.dy.astype(np.float64)
        batch.initial_state = tuple(part.astype(np.float64) for part in batch.initial_state)
        batch.dstate = tuple(part.astype(np.float64) for part in batch.dstate)
        assert_same_bits(run(layer, batch), expected)

    def test_nested_lists_are_accepted(self, cell):
        layer = cell.layer(3, 5)
        batch = make_batch(cell, 4, 2, 3, 5)
        y, _ = layer.forward(batch.x.tolist(), [4, 2])
        np.testing.assert_array_equal(y, layer.forward(batch.x, [4, 2])[0])

    def test_results_belong_to_the_caller(self, cell):
        layer = cell.layer(3, 5)
        batch, other = (make_batch(cell, 4, 3, 3, 5, seed=seed) for seed in (0, 1))
        results = run(layer, batch)
        copies = {name: value.copy() for name, value in results.items()}
        run(layer, other)
        layer.forward(other.x)
        assert_same_bits(results, copies)


class TestErrors:
    """D=3, H=5, T=4, B=2: what the messages are expected to say."""

    @pytest.fixture
    def layer(self, cell):
        return cell.layer(3, 5)

    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((4, 2), ["3", r"\(4, 2\)|2"]),
            ((4, 2, 3, 1), ["3", r"\(4, 2, 3, 1\)|4"]),
            ((4, 2, 6), ["3", "6"]),
            ((0, 2, 3), ["x"]),
            ((4, 0, 3), ["x"]),
        ],
        ids=str,
    )
    def test_shape_of_x(self, layer, shape, words):
        with pytest.raises(ValueError) as caught:
            layer.forward(np.zeros(shape))
        for word in words:
            assert re.search(word, str(caught.value)), word

    @pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]"], ids=str)
    def test_dtype_of_x(self, layer, dtype):
        with pytest.raises((TypeError, ValueError), match="x"):
            layer.forward(np.zeros((4, 2, 3), dtype="i8").astype(dtype))

    @pytest.mark.parametrize(
        ("lengths", "words"),
        [
            ([4, 0], ["1", "0"]),
            ([-1, 4], ["0", "-1"]),
            ([4, 5], ["1", "4", "5"]),
            ([4], ["2", "1"]),
            ([4, 4, 4], ["2", "3"]),
            ([[4, 4]], ["2"]),
            (4, ["2"]),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("training", [False, True])
    def test_lengths(self, layer, lengths, words, training):
        with pytest.raises(ValueError, match="length") as caught:
            layer.forward(np.zeros((4, 2, 3)), lengths, training=training)
        for word in words:
            assert word in str(caught.value)

    @pytest.mark.parametrize("lengths", [[4.0, 2.0], ["4", "2"], [True, True]], ids=str)
    def test_lengths_are_integers(self, layer, lengths):
        with pytest.raises(TypeError, match="length"):
            layer.forward(np.zeros((4, 2, 3)), lengths)

    @pytest.mark.parametrize("shape", [(1, 3, 5), (2, 2, 5), (1, 2, 4), (2, 5), (2, 1, 5)], ids=str)
    def test_shape_of_states(self, cell, layer, shape):
        good = np.zeros((1, 2, 5))
        for k in range(cell.n_states):
            parts = [good] * cell.n_states
            parts[k] = np.zeros(shape)
            with pytest.raises(ValueError, match="initial_state") as caught:
                layer.forward(np.zeros((4, 2, 3)), None, tuple(parts))
            assert "(1, 2, 5)" in str(caught.value)
            assert str(shape) in str(caught.value)
            layer.forward(np.zeros((4, 2, 3)), training=True)
            with pytest.raises(ValueError, match="dstate") as caught:
                layer.backward(np.zeros((4, 2, 5)), tuple(parts))
            assert str(shape) in str(caught.value)

    def test_number_of_states(self, cell, layer):
        good = np.zeros((1, 2, 5))
        for wrong in cell.n_states + 1, cell.n_states - 1:
            with pytest.raises(ValueError, match="initial_state"):
                layer.forward(np.zeros((4, 2, 3)), None, (good,) * wrong)
            layer.forward(np.zeros((4, 2, 3)), training=True)
            with pytest.raises(ValueError, match="dstate"):
                layer.backward(np.zeros((4, 2, 5)), (good,) * wrong)

    def test_state_is_not_an_array(self, layer):
        with pytest.raises((TypeError, ValueError), match="initial_state"):
            layer.forward(np.zeros((4, 2, 3)), None, np.zeros((1, 2, 5)))

    @pytest.mark.parametrize("shape", [(4, 2, 6), (3, 2, 5), (4, 2), (4, 3, 5)], ids=str)
    def test_shape_of_dy(self, layer, shape):
        layer.forward(np.zeros((4, 2, 3)), training=True)
        with pytest.raises(ValueError, match="dy") as caught:
            layer.backward(np.zeros(shape))
        assert "(4, 2, 5)" in str(caught.value)
        assert str(shape) in str(caught.value)

    def test_good_backward_after_a_bad_one(self, layer):
        layer.forward(np.ones((4, 2, 3)), training=True)
        with pytest.raises(ValueError):
            layer.backward(np.zeros((4, 2, 6)))
        dx, _ = layer.backward(np.ones((4, 2, 5)))
        assert np.any(dx != 0)

    @pytest.mark.parametrize(
        ("n_jobs", "error"), [(0, ValueError), (1.5, TypeError), ("2", TypeError)]
    )
    def test_n_jobs(self, layer, n_jobs, error):
        with pytest.raises(error, match="n_jobs"):
            layer.forward(np.zeros((4, 2, 3)), n_jobs=n_jobs)

    @pytest.mark.parametrize(
        ("sizes", "error"),
        [
            ((0, 5), ValueError),
            ((3, 0), ValueError),
            ((3, -1), ValueError),
            ((2.0, 5), TypeError),
            ((3, "5"), TypeError),
        ],
        ids=str,
    )
    def test_sizes(self, cell, sizes, error):
        with pytest.raises(error, match="size"):
            cell.new(*sizes)

    @pytest.mark.parametrize("dtype", ["float16", "int32", "double precision", None])
    def test_dtype(self, cell, dtype):
        with pytest.raises((TypeError, ValueError), match=r"dtype|float32"):
            cell.new(3, 5, dtype=dtype)

    @pytest.mark.parametrize(
        ("layer_class", "options"),
        [
            (layers.RNN, {"activation": "sigmoid"}),
            (layers.RNN, {"activation": None}),
            (layers.CarryLSTM, {"candidate_activation": "relu"}),
        ],
    )
    def test_unknown_activation(self, layer_class, options):
        with pytest.raises(ValueError, match="activation"):
            layer_class(3, 5, **options)
