"""What a layer promises: shapes, starts, values, arrays that it takes, errors."""

import pickle
import re
from copy import deepcopy

import numpy as np
import pytest
from layer_cases import BOTH, CELLS, GATED, RAGGED, SMALL, WIDE, assert_same_bits, make_batch, run

from fastrnn import layers


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request):
    return request.param


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
        H, record = 400, cell.layer_class.cell
        expected = np.zeros((cell.n_gates, H))
        starts = {"f": 1.0, "β": 2.0}
        for gate in record.biases:
            expected[record.gates.index(gate)] = starts[gate]
        assert ("f" in record.biases) == ("f" in record.gates)
        params = cell.new(3, H, bidirectional=True, random_state=0).params
        for suffix in "", "_reverse":
            b = params[f"b{suffix}"].reshape(expected.shape)
            for gate, deviation in record.spread.items():
                spread = b[record.gates.index(gate)]
                np.testing.assert_allclose([spread.mean(), spread.std()], [0, deviation], atol=0.1)
                spread[:] = 0
            np.testing.assert_array_equal(b, expected)
            for parameter in record.parameters:
                values = params[f"{parameter.name}{suffix}"]
                np.testing.assert_array_equal(values, np.full_like(values, parameter.start))

    def test_bias_options(self):
        lstm = layers.LSTM(3, 2, forget_bias_init=-0.5)
        np.testing.assert_array_equal(lstm.params["b"], [0, 0, -0.5, -0.5, 0, 0, 0, 0])
        carry = layers.CarryLSTM(3, 1, forget_bias_init=0.25, carry_bias_init=0.75)
        np.testing.assert_array_equal(carry.params["b"], [0, 0.25, 0, 0, 0.75])

    @pytest.mark.parametrize("units", [1, 2, 8, 64])
    def test_a_sequence_of_zeros_has_a_gradient(self, cell, units):
        """Rows without variance, as there would be without a spread of biases, make it overflow."""
        layer = cell.new(1, units, bidirectional=True, random_state=0, dtype="float32")
        y, _ = layer.forward(np.zeros((100, 1, 1)), training=True)
        layer.backward(np.random.default_rng(0).standard_normal(y.shape))
        assert np.isfinite(layer.grad).all()


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
        batch = make_batch(cell, 600, 2, 3, 9, bidirectional=bidirectional)
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


class TestArrays:
    def test_what_was_returned_stays(self, cell):
        """Whichever way a later call of the same size goes: dense, or cut from longer arrays."""
        layer = cell.new(3, 4, random_state=0)
        x = make_batch(cell, 5, 2, 3, 4).x.astype(layer.dtype)
        lengths = np.array([3, 3])
        layer.forward(x, lengths)
        y, _ = layer.forward(x[:3])
        expected = y.copy()
        layer.forward(x[::-1].copy(), lengths)
        np.testing.assert_array_equal(y, expected)

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
