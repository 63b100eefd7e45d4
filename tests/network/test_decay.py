"""Decays: what is left of values and states, by the formulas, and the gradient of it all."""

import copy
import pickle

import numpy as np
import pytest
from every_cell import CHOICES, NORMALIZED, ZONED, options_of, take_step

from fastrnn.inputs.missing import Gaps
from fastrnn.inputs.sequences import as_sequences
from fastrnn.network import Architecture, Network
from fastrnn.network.cells import CELLS

BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
LENGTHS = (3, 1, 5, 2)


def read(lengths=LENGTHS, n_values=2, *, time=True, both_ways=False, dtype="float64", seed=0):
    """Sequences with gaps, the last column of which is the time of the steps."""
    rng = np.random.default_rng(seed)
    X = []
    for length in lengths:
        x = rng.normal(size=(length, n_values + time))
        x[rng.random(x.shape) < 0.5] = np.nan
        if time:
            x[:, -1] = np.cumsum(rng.random(length) + 0.2)
        X.append(x)
    options = {"allow_nan": True, "time_feature": n_values if time else None, "dtype": dtype}
    sequences = as_sequences(X, **options)
    gaps = Gaps.learn(sequences, "decay", both_ways)
    return X, gaps, gaps.fill(sequences)


def make(
    gaps, *, cell="gru", sizes=(3,), bidirectional=False, dtype="float64", time=True, **others
):
    """A network whose decays are all at work."""
    options = {name: others.pop(name) for name in list(others) if name in options_of_cells(cell)}
    parts = {"pooling": "mean", "head": "squared_error", "n_outputs": 2} | others
    draws = {name: parts.pop(name) for name in ("recurrent_dropout",) if name in parts}
    architecture = Architecture(
        n_features=2 * len(gaps.means) + time,
        means=gaps.means,
        cell=cell,
        cell_options=options,
        hidden_layer_sizes=sizes,
        bidirectional=bidirectional,
        dtype=dtype,
        **parts,
    )
    network = Network(architecture, random_state=1, **draws)
    rng = np.random.default_rng(7)
    for name, view in network.named_views(network.theta).items():
        scale = 0.4 if name.startswith("decay") else 0.7
        view += scale * rng.normal(size=view.shape)
        if ".b_" in name:
            view += 0.5  # most rates are above 0
    return network


def options_of_cells(cell):
    """Names of the options of a cell."""
    return [option.name for option in CELLS[cell].cell.options]


def numeric(function, theta, step=1e-6):
    """Central differences."""
    gradient = np.empty_like(theta)
    for k in range(len(theta)):
        sides = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[k] += sign * step
            sides.append(function(moved))
        gradient[k] = (sides[0] - sides[1]) / (2 * step)
    return gradient


def check_gradient(network, sequences, *, seed=None, states=None, every_step=False):
    """Compare the gradient of the loss with central differences."""
    n = len(sequences)
    rng = np.random.default_rng(2)
    rows = int(sequences.offsets[-1]) if every_step else n
    target, weight = rng.normal(size=(rows, 2)), rng.random(rows) + 0.5

    def loss(theta):
        return network.loss_and_grad(
            sequences, np.arange(n), target, weight, theta=theta,
            rng=None if seed is None else np.random.default_rng(seed),
            states=copy.deepcopy(states),
        )  # fmt: skip

    theta = network.theta.copy()
    expected = numeric(loss, theta)
    loss(theta)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(network.grad, expected, rtol=0, atol=2e-7 * scale)
    return network.named_views(network.grad.copy())


@BOTH
@pytest.mark.parametrize("label", [label for label in {**CHOICES, **ZONED}])
def test_gradient_of_every_cell(label, bidirectional):
    _, gaps, sequences = read(both_ways=bidirectional)
    network = make(gaps, bidirectional=bidirectional, **{**CHOICES, **ZONED}[label])
    gradients = check_gradient(network, sequences)
    for name, gradient in gradients.items():
        if name.startswith("decay") and label.removesuffix("-zoneout") not in NORMALIZED:
            assert np.abs(gradient).max() > 1e-7, name


@pytest.mark.parametrize("label", [label for label in CHOICES if label not in NORMALIZED])
def test_gradient_from_states_that_are_not_zero(label):
    _, gaps, sequences = read()
    network = make(gaps, pooling="steps", **CHOICES[label])
    rng = np.random.default_rng(4)
    states = [
        tuple(rng.normal(size=array.shape) for array in layer)
        for layer in network.initial_states(len(sequences))
    ]
    check_gradient(network, sequences, states=states, every_step=True)


@BOTH
@pytest.mark.parametrize("cell", ["gru", "peephole_lstm"])
@pytest.mark.parametrize("params", [{"recurrent_dropout": 0.4}, {"zoneout": 0.4}])
def test_gradient_where_masks_are_drawn(cell, params, bidirectional):
    _, gaps, sequences = read(both_ways=bidirectional)
    network = make(gaps, cell=cell, bidirectional=bidirectional, **params)
    check_gradient(network, sequences, seed=5)


def test_gradient_where_both_are_drawn_in_the_twofold_product():
    _, gaps, sequences = read()
    params = {"recurrent_dropout": 0.4, "zoneout": 0.3, "reset_after": False}
    check_gradient(make(gaps, **params), sequences, seed=5)


@pytest.mark.parametrize("sizes", [(1,), (2, 3)])
@pytest.mark.parametrize("time", [False, True])
@pytest.mark.parametrize(("lengths", "n_values"), [((1,), 1), ((4,), 1), ((3, 1, 5), 3)])
def test_gradient_of_sizes(sizes, time, lengths, n_values):
    _, gaps, sequences = read(lengths, n_values, time=time)
    check_gradient(make(gaps, sizes=sizes, time=time), sequences)


# By the formulas.


def decays(x, learned, mean, suffix="", *, time):
    """The inputs and factors of a sequence (T, F + time), step by step."""
    F, T = len(mean), len(x)
    moments = x[:, -1] if time else np.arange(T, dtype=float)
    missing = np.isnan(x[:, :F])
    since = np.zeros((T, F))
    order = range(1, T) if not suffix else range(T - 2, -1, -1)
    step = -1 if suffix else 1
    for t in order:
        since[t] = abs(moments[t] - moments[t - step]) + missing[t - step] * since[t - step]
    gamma = np.exp(-np.maximum(0, since @ learned[f"W_h{suffix}"] + learned[f"b_h{suffix}"]))
    read, seen = np.empty((T, F)), mean.copy()
    of_values = np.exp(-np.maximum(0, learned["w_x"] * since + learned["b_x"]))
    for t in range(T):
        seen = np.where(missing[t], seen, x[t, :F])
        read[t] = np.where(missing[t], of_values[t] * seen + (1 - of_values[t]) * mean, seen)
    return read, gamma, missing


@BOTH
@pytest.mark.parametrize("time", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", CHOICES)
def test_states_are_those_of_the_formulas(label, dtype, time, bidirectional):
    X, gaps, sequences = read(time=time, both_ways=bidirectional, dtype=dtype)
    network = make(gaps, bidirectional=bidirectional, dtype=dtype, time=time, **CHOICES[label])
    learned, mean = network.decay.arrays, np.array(gaps.means)
    states = np.split(network.hidden_states(sequences), sequences.offsets[1:-1])
    (layer,), options = network.layers, options_of(CHOICES[label])
    for x, got in zip(X, states, strict=True):
        scaled = x.copy()
        if time:
            scaled[:, -1] /= gaps.unit
        read_, _, missing = decays(scaled, learned, mean, time=time)
        elapsed = np.diff(scaled[:, -1:], axis=0, prepend=scaled[:1, -1:])
        inputs = np.hstack([read_, *([elapsed] if time else []), missing])
        for d, suffix in enumerate(("", "_reverse")[: network.architecture.n_directions]):
            _, factors, _ = decays(scaled, learned, mean, suffix, time=time)
            state = tuple(np.zeros(3) for _ in layer.cell.states)
            p = layer.by_direction(layer.params)[d]
            for t in range(len(x))[:: 1 - 2 * d]:
                state = (factors[t] * state[0], *state[1:])
                state = take_step(layer.cell.name, p, state, inputs[t], **options)
                atol = 1e-4 if dtype == "float32" else 1e-10
                columns = slice(3 * d, 3 * d + 3)
                np.testing.assert_allclose(got[t, columns], state[0], atol=atol, rtol=0)


def test_without_gaps_at_mean_steps_nothing_decays_at_first():
    sequences = as_sequences(np.ones((3, 4, 2)), allow_nan=True)
    gaps = Gaps.learn(sequences, "decay")
    filled = gaps.fill(sequences)
    network = Network(
        Architecture(
            n_features=4, means=gaps.means, hidden_layer_sizes=(64,), n_outputs=2, dtype="float64"
        ),
        random_state=0,
    )
    learned = network.decay.arrays
    rates = learned["W_h"].sum(axis=0) + learned["b_h"]
    assert np.abs(rates).max() < 0.11 and abs(rates.mean()) < 0.02
    np.testing.assert_array_equal(filled.values[:, 4:], [[0, 0], [1, 1], [1, 1], [1, 1]] * 3)


# As of any network.


@BOTH
@pytest.mark.parametrize("cell", ["lstm", "gru", "carry_lstm"])
def test_any_number_of_threads(cell, bidirectional):
    lengths = tuple(range(1, 40))
    _, gaps, sequences = read(lengths, 3, both_ways=bidirectional, dtype="float32")
    options = {"sizes": (70,), "bidirectional": bidirectional, "dtype": "float32"}
    network = make(gaps, cell=cell, pooling="max", **options)
    target = np.zeros((39, 2), np.float32)
    results = []
    for n_jobs in (None, 2, 4):
        loss = network.loss_and_grad(
            sequences, np.arange(39), target, np.ones(39, np.float32), n_jobs=n_jobs
        )
        results.append((loss, network.grad.tobytes(), network.predict(sequences, n_jobs=n_jobs)))
    for loss, gradient, outputs in results[1:]:
        assert (loss, gradient) == results[0][:2]
        np.testing.assert_array_equal(outputs, results[0][2])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_windows_of_truncated_backpropagation(steps):
    _, gaps, sequences = read((7, 4, 6))
    target, weight = np.zeros((3, 2)), np.ones(3)
    network = make(gaps, pooling="last")
    whole = network.loss_and_grad(sequences, np.arange(3), target, weight)
    cut = network.loss_and_grad(sequences, np.arange(3), target, weight, bptt_steps=steps)
    assert cut == pytest.approx(whole, rel=1e-12)
    assert np.isfinite(network.grad).all()


def test_copies():
    _, gaps, sequences = read()
    network = make(gaps)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(twin.predict(sequences), network.predict(sequences))
        twin.decay.arrays["b_h"][...] = 9
        assert (twin.named_views(twin.theta)["decay.b_h"] == 9).all()
    assert not (network.named_views(network.theta)["decay.b_h"] == 9).all()


def test_shapes_and_records():
    network = make(read(both_ways=True)[1], bidirectional=True)
    shapes = network.architecture.shapes()
    named = {name: shape for name, shape in shapes.items() if name.startswith("decay")}
    assert named == {
        "decay.w_x": (2,),
        "decay.b_x": (2,),
        "decay.W_h": (2, 3),
        "decay.b_h": (3,),
        "decay.W_h_reverse": (2, 3),
        "decay.b_h_reverse": (3,),
    }
    decayed = network.named_views(network.decayed)
    assert decayed["decay.w_x"].all() and not decayed["decay.b_h"].any()
    record = network.architecture.to_record()
    assert Architecture.from_record(record) == network.architecture


@pytest.mark.parametrize("means", [(0.0, 1.0), (np.nan,), ("0",), 0.0])
def test_wrong_means(means):
    with pytest.raises(ValueError, match="means"):
        Architecture(n_features=3, means=means, hidden_layer_sizes=(2,), n_outputs=1)
