"""Numbers that are too small to be normal: where they count as 0, and where they stay."""

import platform

import numpy as np
import pytest

from fastrnn import layers
from fastrnn.estimators import RNNRegressor
from fastrnn.kernels.solvers import adam_step, adamw_step, momentum_step, rmsprop_step
from fastrnn.kernels.team import ALONE
from fastrnn.network import threads

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"),
    reason="nothing is known of such numbers on this processor",
)


def has_denormals(array):
    sizes = np.abs(array[array != 0])
    return bool(sizes.size) and sizes.min() < np.finfo(array.dtype).tiny


def keeps_denormals(_=None):
    """Whether they are numbers to the calling thread."""
    return bool(np.full(8, 1e-40, dtype="float32") @ np.ones(8, dtype="float32"))


@pytest.mark.parametrize(
    ("name", "dtype", "n_steps"),
    [
        ("RNN", "float32", 1000),
        ("GRU", "float32", 1000),
        ("LSTM", "float32", 3000),
        ("PeepholeLSTM", "float32", 3000),
        ("RNN", "float64", 8000),
    ],
)
def test_gradients_vanish_to_0(name, dtype, n_steps):
    """As of the last step of a long sequence: it took fifty times as long."""
    layer = getattr(layers, name)(3, 8, dtype=dtype, random_state=0)
    x = np.random.default_rng(0).standard_normal((n_steps, 2, 3))
    y, _ = layer.forward(x, training=True)
    dy = np.zeros_like(y)
    dy[-1] = 1
    dx, dstate = layer.backward(dy)
    assert dx[-1].all()
    assert not dx[0].any()
    for array in (dx, *dstate, *layer.grads.values()):
        assert not has_denormals(array)


def test_states_vanish_to_0():
    layer = layers.RNN(3, 8, random_state=0)  # whose bias is 0
    layer.params["U"] *= 0.1
    y, _ = layer.forward(np.vstack([np.ones((1, 1, 3)), np.zeros((200, 1, 3))]))
    assert y[0].all()
    assert not y[-1].any()
    assert not has_denormals(y)


def test_silence_in_a_stream():
    X, y = np.ones((4, 5, 2)), np.arange(4.0)
    model = RNNRegressor(
        8, cell="rnn", bidirectional=False, conv=None, stride=1, pooling="last", scaling=None,
        max_iter=1, random_state=0,
    )  # fmt: skip
    model.fit(X, y)
    for params in model.network_.layers[0].params_by_direction:
        params["b"][...] = 0
        params["U"][...] *= 0.1
    stream = model.stream()
    stream.step(np.ones(2))
    states = []
    for _ in range(200):
        stream.step(np.zeros(2))
        states.append(stream.state["h_0"].copy())
    assert states[0].any()
    assert not states[-1].any()
    assert not has_denormals(np.concatenate(states))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_thread_is_as_before(n_jobs):
    layer = layers.LSTM(4, 128, random_state=0)
    y, _ = layer.forward(np.ones((20, 32, 4)), training=True, n_jobs=n_jobs)
    layer.backward(np.ones_like(y))
    assert keeps_denormals()
    assert all(threads.run(keeps_denormals, range(8), n_jobs))


SOLVERS = {
    "adam": lambda theta, g, means: adam_step(theta, g, *means, 1, 0.1, 0.9, 0.9, 1e-8, 1, ALONE),
    "adamw": lambda theta, g, means: adamw_step(
        theta, g, *means, np.zeros_like(theta), 1, 0.1, 0.9, 0.9, 1e-8, 1, ALONE
    ),
    "momentum": lambda theta, g, means: momentum_step(theta, g, *means, 1, 0.1, 0.9, False, ALONE),
    "rmsprop": lambda theta, g, means: rmsprop_step(theta, g, *means, 1, 0.1, 0.9, 1e-8, ALONE),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("solver", "n_means"), [("adam", 2), ("adamw", 2), ("momentum", 1), ("rmsprop", 1)]
)
def test_running_means_of_nothing_vanish_to_0(solver, n_means, dtype):
    """As of a word that no longer occurs: its steps took a hundred times as long, for ever."""
    tiny, size = np.finfo(dtype).tiny, 20
    means = [np.full(size, 1.1 * tiny, dtype=dtype) for _ in range(n_means)]
    theta, g = np.ones(size, dtype=dtype), np.zeros(size, dtype=dtype)
    SOLVERS[solver](theta, g, means)
    assert all((mean == 0).all() for mean in means)
    means = [np.full(size, 2 * tiny, dtype=dtype) for _ in range(n_means)]
    SOLVERS[solver](theta, g, means)
    assert all((mean > tiny).all() for mean in means)


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop"])
def test_squares_of_small_gradients_count(solver):
    """Else they would be divided by 0, or what is added to it."""
    means = [np.zeros(20, dtype="float32") for _ in range(1 if solver == "rmsprop" else 2)]
    SOLVERS[solver](np.ones(20, dtype="float32"), np.full(20, 1e-20, dtype="float32"), means)
    assert (means[-1] > 0).all()
