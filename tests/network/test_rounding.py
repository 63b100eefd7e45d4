"""Layers whose products round their factors to bfloat16: values, gradients, threads, copies.

The reference is the cell's equations in NumPy with factors rounded there, in float64. What is left
between them is the order of sums in float32, and now and then a factor that it moves across the
middle of two neighbours of bfloat16, which are 2^-8 apart: so values agree to about the error of
float32 where the layer's own states are given to the reference step by step, and whole sequences to
a part of what rounding changes.
"""

import copy
import pickle

import numpy as np
import pytest
from layer_cases import BOTH, CELLS, RAGGED, assert_same_bits, make_batch, relative_error, run

from fastrnn.kernels import vector_math
from fastrnn.kernels.workspace import Workspace
from fastrnn.layers import GRU, LSTM
from fastrnn.network import rounding
from fastrnn.network.affine import Affine
from fastrnn.network.batches import pack_dense
from fastrnn.network.front import Convolution, ConvolutionStage, Tape
from fastrnn.network.heads import HEADS

SIZES = [
    (1, 1, 1, 1),
    (5, 3, 1, 4),
    (3, 7, 2, 17),
    (6, 33, 16, 64),
    (5, 13, 20, 65),
    (4, 9, 70, 35),
    (3, 40, 40, 48),
]


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request):
    return request.param


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Let layers round where the processor has no instructions for it: that is the reference."""
    use(monkeypatch, True)


def use(monkeypatch, has):
    """Let there be instructions for bfloat16 that are faster, or none."""
    monkeypatch.setattr(rounding, "has_bfloat16", lambda: has)
    monkeypatch.setattr(rounding, "prefers_bfloat16", lambda: has)


def rounded(x):
    """The nearest numbers of bfloat16, ties to even, as float64."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


class Rounded(np.ndarray):
    """An array whose products of matrices round their factors."""

    def __matmul__(self, other):
        return (rounded(self) @ rounded(other)).view(Rounded)


def reference(cell, layer, batch):
    """Outputs and final state by the cell's equations in float64, with rounded factors."""
    params = {name: value.astype(float).view(Rounded) for name, value in layer.params.items()}
    state = tuple(part.astype(float).view(Rounded) for part in batch.initial_state)
    return cell.reference(params, batch.x.astype(float).view(Rounded), batch.ends, state)


def layers_of(cell, D, H, **options):
    """A layer that rounds, and the same that does not."""
    full = cell.layer(D, H, dtype="float32", **options)
    layer = cell.new(D, H, precision="bfloat16", bidirectional=full.bidirectional)
    layer.theta[...] = full.theta
    return layer, full


class TestValues:
    @RAGGED
    @BOTH
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_forward_is_that_of_rounded_factors(self, cell, size, bidirectional, ragged):
        layer, full = layers_of(cell, *size[2:], bidirectional=bidirectional)
        options = {"dtype": "float32", "bidirectional": bidirectional, "ragged": ragged}
        batch = make_batch(cell, *size, **options)
        y, state = layer.forward(batch.x, batch.lengths, batch.initial_state)
        expected, expected_state = reference(cell, layer, batch)
        plain = full.forward(batch.x, batch.lengths, batch.initial_state)[0]
        assert relative_error(y, expected) <= 1e-6 + 0.2 * relative_error(plain, expected)
        for part, wanted in zip(state, expected_state, strict=True):
            np.testing.assert_allclose(part, wanted, rtol=0, atol=0.01)

    def test_one_step_is_exact(self, cell):
        """No state was rounded before: nothing is on the other side of a middle."""
        layer, _ = layers_of(cell, 20, 65)
        batch = make_batch(cell, 1, 13, 20, 65, dtype="float32")
        y, _ = layer.forward(batch.x, batch.lengths, batch.initial_state)
        expected, _ = reference(cell, layer, batch)
        atol = 2e-3 if layer.is_twice else 1e-6  # whose second product rounds what the first made
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol * np.abs(expected).max())

    def test_one_step_back_is_exact(self, cell):
        """Of one row whose first number is 1 the first row of dW is the gradient of the gates."""
        layer, full = layers_of(cell, 20, 65)
        batch = make_batch(cell, 1, 1, 20, 65, dtype="float32")
        batch.x[0, 0, 0] = 1
        batch.initial_state = tuple(np.zeros_like(part) for part in batch.initial_state)
        for one in layer, full:
            one.params["U"][...] = 0
        without_U = run(layer, batch)
        layer.params["U"][...] = full.params["W"][:1] * np.linspace(-1, 1, 65)[:, np.newaxis]
        results = run(layer, batch)
        dgates = results["dW"][0]
        np.testing.assert_array_equal(rounded(dgates), dgates)
        assert relative_error(dgates, run(full, batch)["dW"][0]) <= 2**-7
        W, U = rounded(layer.params["W"]), rounded(layer.params["U"])
        assert relative_error(results["dx"][0, 0], W @ dgates) <= 1e-6
        np.testing.assert_array_equal(results["dW"], np.outer(rounded(batch.x), dgates))
        dh = (results["dinitial_state[0]"] - without_U["dinitial_state[0]"])[0, 0]
        if layer.is_twice or cell.is_normalized:  # there is more between the products and dh
            full.params["U"][...] = layer.params["U"]
            plain = run(full, batch)["dinitial_state[0]"] - without_U["dinitial_state[0]"]
            assert 0 < relative_error(dh, plain[0, 0]) <= 2**-6
            return
        if layer.is_apart:
            dgates[-65:] = rounded(layer.grads["b_n"])
        assert relative_error(dh, U @ dgates) <= 1e-5

    @RAGGED
    @BOTH
    def test_gradients_are_near_those_of_full_precision(self, cell, bidirectional, ragged):
        layer, full = layers_of(cell, 20, 65, bidirectional=bidirectional)
        options = {"dtype": "float32", "bidirectional": bidirectional, "ragged": ragged}
        batch = make_batch(cell, 9, 13, 20, 65, **options)
        results, plain = run(layer, batch), run(full, batch)
        for name, value in plain.items():
            assert 0 < relative_error(results[name], value) <= 0.05, name


class TestMaps:
    """Whatever multiplies by weights rounds both factors, on the way back, too."""

    @pytest.fixture
    def work(self):
        return Workspace("float32", True)

    @pytest.fixture
    def arrays(self):
        """x, dy, W and b."""
        rng = np.random.default_rng(0)
        shapes = (13, 9), (13, 20), (9, 20), (20,)
        return [rng.standard_normal(shape).astype("float32") for shape in shapes]

    def check(self, arrays, y, dx, dW):
        x, dy, W, b = arrays
        np.testing.assert_allclose(y, rounded(x) @ rounded(W) + b, rtol=0, atol=1e-5)
        np.testing.assert_allclose(dx, rounded(dy) @ rounded(W).T, rtol=0, atol=1e-5)
        np.testing.assert_allclose(dW, rounded(x).T @ rounded(dy), rtol=0, atol=1e-5)
        assert np.abs(y - x @ W - b).max() > 1e-3

    def test_affine(self, arrays, work):
        x, dy, W, b = arrays
        one, grads = Affine("one", {"W": W, "b": b}), {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        y = one.forward(x, filled(one.plan_forward(work)), work).copy()
        dx = one.backward(dy, filled(one.plan_backward(work)), work)
        one.add_gradients(x, dy, grads, work)
        self.check(arrays, y, dx, grads["W"])
        np.testing.assert_allclose(grads["b"], dy.sum(axis=0), rtol=1e-5)  # which is no product

    @pytest.mark.parametrize("tied", [False, True])
    def test_head(self, arrays, work, tied):
        x, dy, W, b = arrays
        grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        head, table = HEADS["log_loss"](20, tied=tied), (W.T.copy(), np.zeros((20, 9), "float32"))
        head.bind({"W": W, "b": b}, grads, table)
        y, dx = np.empty_like(dy), np.empty_like(x)
        head.forward(x, filled(head.plan_forward(9, work)), y, work)
        head.backward(dy, filled(head.plan_backward(9, work)), dx, work)
        head.add_gradients(x, dy, work, None)
        self.check(arrays, y, dx, table[1].T if tied else grads["W"])

    def test_convolution(self, arrays, work):
        x, dy, W, b = arrays
        b += 20  # no row is cut off at 0
        stage = ConvolutionStage(9, Convolution(20, 1, 1))
        stage.bind({"W": W, "b": b})
        batch = pack_dense(13, 1, 1)[0]
        grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        weights = filled(stage.plan_forward(work))
        y = stage.forward(x, batch, batch, weights, work).copy()
        tape, weights = Tape(batch, x, batch, y), filled(stage.plan_backward(work))
        dx = stage.backward(tape, dy.copy(), weights, grads, work, True)
        self.check(arrays, y, dx, grads["W"])


def filled(plan):
    """Packed weights, once the calls that were planned for them are made."""
    weights, calls = plan
    for function, arguments in calls:
        function(*arguments)
    return weights


class TestThreads:
    @pytest.mark.parametrize("ragged", [False, True])
    def test_same_bits_for_any_number(self, cell, ragged):
        layer, _ = layers_of(cell, 40, 96, bidirectional=True)
        options = {"dtype": "float32", "bidirectional": True, "ragged": ragged}
        batch = make_batch(cell, 16, 130, 40, 96, **options)  # whose sum is of four shards
        assert_same_bits(run(layer, batch, n_jobs=3), run(layer, batch))

    def test_same_bits_for_a_team(self):
        """Of so few sequences, so many units are shared."""
        layer, batch = (
            LSTM(64, 512, precision="bfloat16", random_state=0),
            make_batch(CELLS["lstm"], 5, 3, 64, 512, dtype="float32"),
        )
        assert_same_bits(run(layer, batch, n_jobs=2), run(layer, batch))


class TestParameter:
    def test_full_is_the_default_and_other_bits(self):
        x = make_batch(CELLS["lstm"], 4, 3, 9, 20, dtype="float32").x
        default, full = LSTM(9, 20, random_state=0), LSTM(9, 20, precision="full", random_state=0)
        low = LSTM(9, 20, precision="bfloat16", random_state=0)
        np.testing.assert_array_equal(default.forward(x)[0], full.forward(x)[0])
        assert np.any(default.forward(x)[0] != low.forward(x)[0])
        assert low.params["W"].dtype == low.forward(x)[0].dtype == np.float32
        np.testing.assert_array_equal(low.params["W"], full.params["W"])  # which is not rounded

    def test_auto_is_one_or_the_other(self, monkeypatch):
        x = make_batch(CELLS["lstm"], 4, 3, 9, 20, dtype="float32").x
        for has, same in (True, "bfloat16"), (False, "full"):
            use(monkeypatch, has)
            auto = LSTM(9, 20, precision="auto", random_state=0).forward(x)[0]
            use(monkeypatch, True)
            named = LSTM(9, 20, precision=same, random_state=0).forward(x)[0]
            np.testing.assert_array_equal(auto, named)
        assert not LSTM(9, 20, precision="auto", dtype="float64").rounds
        monkeypatch.setattr(rounding, "prefers_bfloat16", lambda: False)
        assert not LSTM(9, 20, precision="auto").rounds  # it has them, and they are slower
        assert LSTM(9, 20, precision="bfloat16").rounds

    def test_what_is_refused(self, monkeypatch):
        for value in ("half", None, True, 16):
            with pytest.raises(ValueError, match="precision must be one of"):
                GRU(2, 3, precision=value)
        with pytest.raises(ValueError, match=r"needs dtype='float32', got 'float64'"):
            GRU(2, 3, precision="bfloat16", dtype="float64")
        use(monkeypatch, False)
        with pytest.raises(ValueError, match=r"needs a processor with AMX or AVX512-BF16.*level"):
            GRU(2, 3, precision="bfloat16")

    def test_copies_and_pickles_know_it(self, monkeypatch):
        """Also where the processor has no instructions for it."""
        layer, _ = layers_of(CELLS["gru"], 9, 20)
        x = make_batch(CELLS["gru"], 4, 3, 9, 20, dtype="float32").x
        use(monkeypatch, False)
        for again in copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)):
            assert again.precision == "bfloat16"
            np.testing.assert_array_equal(again.forward(x)[0], layer.forward(x)[0])

    def test_pickles_of_before_are_full(self):
        state = LSTM(2, 3).__getstate__()
        del state["precision"]
        layer = LSTM.__new__(LSTM)
        layer.__setstate__(state)
        assert layer.precision == "full"


def test_the_level_has_the_instructions():
    has = vector_math.level() in ("v4+bf16", "v4+amx") and vector_math.products() == "packed"
    assert vector_math.has_bfloat16() == has
    assert vector_math.prefers_bfloat16() <= has
    if vector_math.level() == "v4+amx":
        assert vector_math.prefers_bfloat16() == has
