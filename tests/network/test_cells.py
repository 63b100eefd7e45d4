"""The records of the cells: complete, and all that is needed to use, save, stream and export one.

`test_layers` and `test_gradients` run every cell against plain NumPy and central differences.
"""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from every_cell import CHOICES, STEPS, ZONED, logistic, options_of

from fastrnn import RNNClassifier, layers
from fastrnn.estimators.parameters import cell_options, parameters_of
from fastrnn.estimators.values import SHARE
from fastrnn.interop import export_c, to_keras_weights, to_torch_state_dict
from fastrnn.kernels.recurrence import Cell as Kernel
from fastrnn.network import Network, cells
from fastrnn.network.cell import ZONEOUT, Parameter
from fastrnn.network.cells import CELLS
from fastrnn.network.recurrent import RecurrentLayer

EVERY_CELL = pytest.mark.parametrize("name", CELLS)
EVERY_CHOICE = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())


class Functions:
    """NumPy, as the equations of the records want it."""

    sigmoid = staticmethod(logistic)
    tanh = staticmethod(np.tanh)

    @staticmethod
    def relu(v):
        return np.maximum(v, 0)

    @staticmethod
    def normalize(value, gain):
        centered = value - value.mean(axis=-1, keepdims=True)
        return centered / np.sqrt(np.mean(centered**2, axis=-1, keepdims=True) + 1e-5) * gain

    @staticmethod
    def split(value, n):
        return np.split(value, n, axis=-1)


def make_layer(choice, D=3, H=4, **options):
    """A layer with random parameters."""
    own = options_of(choice)
    layer = CELLS[choice["cell"]](D, H, dtype="float64", random_state=0, **own, **options)
    layer.theta += 0.3 * np.random.default_rng(0).standard_normal(len(layer.theta))
    return layer


def draw(n=12, steps=6, D=3):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1 + k % steps, D)) for k in range(n)], np.arange(n) % 2


@EVERY_CELL
def test_a_record_is_whole(name):
    layer = CELLS[name]
    record = layer.cell
    assert record.name == name and getattr(layers, layer.__name__) is layer
    assert layer.__name__ in layers.__all__ and layer.__name__ in cells.__all__
    assert len(set(record.gates)) == len(record.gates) > 0
    assert record.states in (("h",), ("h", "c"))
    assert set(record.biases) | set(record.spread) <= set(record.gates)
    options = {option.name: option for option in record.options}
    assert set(record.biases.values()) <= set(options)
    choices = (None,) if record.chooser is None else options[record.chooser].choices
    assert set(record.kernels) == set(choices)
    for kernel, _ in record.kernels.values():
        assert Kernel(kernel).name == kernel
    assert set(record.shapes(1, 1)) == {"W", "U", "b", *(p.name for p in record.parameters)}
    assert not record.is_decayed("b") and record.is_decayed("W") and record.is_decayed("U")
    assert ZONEOUT in record.options
    assert name in STEPS, "the tests have no NumPy version"


@EVERY_CELL
def test_the_record_completes_the_docstring(name):
    layer = CELLS[name]
    sizes = {10: "D", 1: "H"}
    for parameter, shape in layer.shapes(10, 1).items():
        sizes |= {width: f"{width}H" for width in shape if width > 1 and width != 10}
        assert f'"{parameter}" ({", ".join(sizes[k] for k in shape)}' in layer.__doc__
    assert all(option.help for option in layer.cell.options)
    assert all(parameter.help for parameter in layer.cell.parameters)


@EVERY_CELL
def test_counterparts_have_the_same_gates(name):
    record = CELLS[name].cell
    for library in "onnx", "keras", "torch":
        operator = getattr(record, library)
        if operator is not None:
            assert sorted(operator.gates) == sorted(record.gates)
            assert set(operator.attributes) <= set(record.kernels)
            blocks = {p.name: p.n_blocks for p in record.parameters}
            for parameter, order in operator.takes.items():
                assert sorted(order) == list(range(blocks[parameter]))


@EVERY_CELL
def test_options_are_parameters_of_estimators(name):
    known = parameters_of(RNNClassifier)
    for option in CELLS[name].cell.options:
        parameter = known[option.name]
        assert parameter.default == option.default
        assert name in parameter.used_by[1]
        for choice in option.choices:
            parameter.check(choice)
        assert parameter.values is SHARE or not option.is_share
    model = RNNClassifier(cell=name)
    assert cell_options(model) == CELLS[name].cell.check_options({})
    assert f'- "{name}": {CELLS[name].cell.title}.' in RNNClassifier.__doc__


@EVERY_CHOICE
def test_equations_are_those_of_numpy(choice):
    """What export makes nodes of is what the kernels compute."""
    layer = make_layer(choice)
    rng = np.random.default_rng(1)
    x, states = rng.standard_normal(3), rng.standard_normal((layer.n_states, 4))
    own = options_of(choice)
    expected = STEPS[choice["cell"]](layer.params, states, x, **own)
    new = layer.cell.step(Functions, x @ layer.params["W"], states, layer.params, layer.options)
    np.testing.assert_allclose(new, expected, rtol=1e-12)


@pytest.mark.parametrize("choice", (CHOICES | ZONED).values(), ids=CHOICES | ZONED)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_estimator_with_it(choice, bidirectional, tmp_path):
    """Fitted, saved and loaded, pickled and copied: it says the same."""
    from fastrnn import load

    X, y = draw()
    model = RNNClassifier(
        (4, 3), bidirectional=bidirectional, max_iter=2, tol=0, n_iter_no_change=9,
        random_state=0, **choice,
    )  # fmt: skip
    model.fit(X, y)
    proba = model.predict_proba(X)
    model.save(tmp_path / "model")
    for again in load(tmp_path / "model"), pickle.loads(pickle.dumps(model)), copy.copy(model):
        np.testing.assert_array_equal(again.predict_proba(X), proba)
    if not bidirectional:
        stream = model.stream()
        for x in X[5]:
            said = stream.step(x)
        np.testing.assert_allclose(said, proba[5], rtol=1e-5, atol=1e-6)


@EVERY_CHOICE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_teams_have_the_bits_of_one_thread(choice, dtype):
    own = options_of(choice)
    for H in 70, 128:
        layer = CELLS[choice["cell"]](5, H, dtype=dtype, random_state=0, **own)
        rng = np.random.default_rng(0)
        x, dy = rng.standard_normal((9, 20, 5)), rng.standard_normal((9, 20, H))
        results = []
        for n_jobs in 1, 3:
            y, state = layer.forward(x, [1 + n % 9 for n in range(19)] + [9], training=True,
                                     n_jobs=n_jobs)  # fmt: skip
            dx, dstate = layer.backward(dy)
            results.append([y, *state, dx, *dstate, *map(np.copy, layer.grads.values())])
        for one, several in zip(*results, strict=True):
            np.testing.assert_array_equal(several, one)


class TestExportRefusesByItself:
    """A new cell has no counterpart until its record says so; a parameter is never lost."""

    @pytest.fixture
    def registered(self, monkeypatch):
        """An LSTM with one more parameter, which nothing was told of but the registry."""

        class Scaled(layers.LSTM):  # of its record alone
            """An LSTM with one more parameter."""

            cell = dataclasses.replace(
                layers.LSTM.cell, name="scaled", parameters=(Parameter("s", start=1.0),)
            )

        monkeypatch.setitem(CELLS, "scaled", Scaled)
        return Scaled

    @pytest.fixture
    def with_shapes(self):
        class Wider(layers.LSTM):  # behind the back of its record
            """An LSTM with one more parameter."""

            @classmethod
            def shapes(cls, input_size, hidden_size):
                """More of them."""
                return {**super().shapes(input_size, hidden_size), "s": (hidden_size,)}

        return Wider

    @pytest.mark.parametrize("kind", ["registered", "with_shapes"])
    @pytest.mark.parametrize("write", [to_torch_state_dict, to_keras_weights])
    def test_weights(self, kind, write, request):
        layer = request.getfixturevalue(kind)(3, 4)
        assert "s" in layer.params
        with pytest.raises(ValueError, match=r"has no equal in (PyTorch|Keras)"):
            write(layer)

    @pytest.mark.parametrize("kind", ["registered", "with_shapes"])
    @pytest.mark.parametrize("library", ["onnx", "keras", "torch"])
    def test_no_operator(self, kind, library, request):
        layer = request.getfixturevalue(kind)(3, 4)
        assert layer.operator(library) is None
        assert layers.LSTM(3, 4).operator(library) is not None

    def test_onnx_of_parameters_that_equations_do_not_have(self, with_shapes):
        pytest.importorskip("onnx")
        from fastrnn.interop.onnx_graph import Graph
        from fastrnn.interop.onnx_network import ScanNodes

        with pytest.raises(ValueError, match=r"parameters of Wider, .*'s'"):
            ScanNodes(Graph(), with_shapes(3, 4))

    def test_c(self, registered, tmp_path):
        X, y = draw()
        model = RNNClassifier(4, cell="lstm", max_iter=1, random_state=0)
        model.fit(X, y)
        architecture = dataclasses.replace(model.network_.architecture, cell="scaled")
        model.network_ = Network(architecture)
        with pytest.raises(ValueError, match="there is no C code of Scaled"):
            export_c(model, tmp_path / "model.c")


def test_options_that_may_not_be():
    with pytest.raises(TypeError, match=r"cell 'lstm' has no option 'reset_after'"):
        layers.LSTM(3, 4, reset_after=True)
    with pytest.raises(ValueError, match="activation must be one of"):
        layers.RNN(3, 4, activation="sigmoid")
    for wrong in True, "1", np.inf, np.nan, 10**400:
        with pytest.raises(ValueError, match="forget_bias_init must be a finite number"):
            layers.LSTM(3, 4, forget_bias_init=wrong)
    for wrong in 1, "yes", None:
        with pytest.raises(ValueError, match=r"reset_after must be one of \[True, False\]"):
            layers.GRU(3, 4, reset_after=wrong)
    assert layers.GRU(3, 4, reset_after=np.False_).reset_after is False


def test_a_kernel_that_is_not_there():
    with pytest.raises(ValueError, match=r"no header of fastrnn/kernels/cells is named nothing"):
        Kernel("nothing")


def test_layers_are_all_there_is():
    made = {layer for layer in vars(cells).values() if isinstance(layer, type)}
    public = {
        layer for layer in made if issubclass(layer, RecurrentLayer) and "cell" in vars(layer)
    }
    assert public == set(CELLS.values())
