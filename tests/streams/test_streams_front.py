"""Streams of models whose layers read patches or convolutions: the same as of every prefix."""

import pickle

import numpy as np
import pytest
from front_cases import FRONT, FRONTS

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def draw(n, steps, width=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, steps, width))


def shaken(model):
    """A fitted model whose weights are not tidy."""
    theta = model.network_.theta
    theta += 0.4 * np.random.default_rng(1).standard_normal(theta.shape).astype(theta.dtype)
    return model


def fit(cls=RNNClassifier, X=None, **params):
    X = draw(12, 9) if X is None else X
    y = np.arange(12) % 3
    if cls is RNNTagger:
        y = [np.arange(len(x)) % 2 for x in X]
    params = {"hidden_layer_sizes": (5, 4), "max_iter": 1, "random_state": 0} | params
    return shaken(cls(**params).fit(X, y))


def answers(model, X):
    """What is said of sequences as a whole, of a tagger of their last steps."""
    if isinstance(model, RNNRegressor):
        return model.predict(X)
    said = model.predict_proba(X)
    return np.array([rows[-1] for rows in said]) if isinstance(model, RNNTagger) else said


def assert_follows(model, stream, X, begin=0):
    for t in range(begin, X.shape[1]):
        expected = answers(model, X[:, : t + 1])
        atol = TOLERANCE[model.dtype] * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(stream.step(X[:, t]), expected, rtol=0, atol=atol)


@FRONT
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention+max"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_prefix(front, pooling, dtype):
    model = fit(pooling=pooling, dtype=dtype, cell="gru", **front)
    assert_follows(model, model.stream(2), draw(2, 20, seed=1))


@FRONT
@pytest.mark.parametrize("cls", [RNNRegressor, RNNTagger])
def test_other_answers(cls, front):
    model = fit(cls, bidirectional=False, **front)
    assert_follows(model, model.stream(2), draw(2, 20, seed=1))


@pytest.mark.parametrize("cell", ["lstm", "carry_lstm", "layernorm_lstm"])
def test_cells_with_zoneout(cell):
    model = fit(cell=cell, zoneout=0.3, dtype="float64", **FRONTS["all"])
    assert_follows(model, model.stream(2), draw(2, 20, seed=1))


@FRONT
def test_streams_that_have_read_unequal_numbers_of_steps(front):
    model = fit(dtype="float64", pooling="mean+attention", **front)
    X, stream = draw(4, 25, seed=2), model.stream(4)
    begun = np.zeros(4, int)
    for t in range(25):
        for n, every in enumerate((4, 7, 7, 30)):
            if t % every == 0:
                stream.reset([n])
                begun[n] = t
        said = stream.step(X[:, t])
        for n in range(4):
            expected = model.predict_proba([X[n, begun[n] : t + 1]])[0]
            np.testing.assert_allclose(said[n], expected, rtol=0, atol=1e-12)


def test_more_streams_than_go_together():
    model = fit(dtype="float64", **FRONTS["all"])
    assert_follows(model, model.stream(200), draw(200, 14, seed=3))


def test_ids_and_gaps():
    rng = np.random.default_rng(0)
    X = draw(12, 9, 3)
    X[:, :, 2] = rng.integers(4, size=(12, 9))
    X[:, :, :2][rng.random((12, 9, 2)) < 0.3] = np.nan
    params = {"categorical_features": [2], "missing": "mask", "dtype": "float64"}
    model = fit(X=X, **params, **FRONTS["all"])
    assert_follows(model, model.stream(12), X)


@FRONT
def test_states_are_copied_set_and_pickled(front):
    model = fit(dtype="float64", pooling="mean+attention", **front)
    X, stream = draw(2, 20, seed=1), model.stream(2)
    for t in range(7):
        stream.step(X[:, t])
    state, pickled, other = stream.state, pickle.dumps(stream), model.stream(2)
    other.state = state
    assert_follows(model, stream, X, begin=7)
    for again in (other, pickle.loads(pickled)):
        assert_follows(model, again, X, begin=7)
    sizes = {name: array.shape for name, array in state.items() if name.startswith("recent")}
    assert len(sizes) == len(model.network_.front.stages)
    assert sizes["recent_0"][::2] == (2, 2)


def test_wrong_states_are_refused():
    stream = fit(**FRONTS["all"]).stream(2)
    state = stream.state
    with pytest.raises(ValueError, match="expected"):
        stream.state = {name: array for name, array in state.items() if name != "recent_1"}
    with pytest.raises(ValueError, match="recent_1 of state has shape"):
        stream.state = state | {"recent_1": state["recent_1"][:, 1:]}
    with pytest.raises(ValueError, match="recent_0 of state has numbers"):
        stream.state = state | {"recent_0": np.full_like(state["recent_0"], np.nan)}
    with pytest.raises(ValueError, match="n_steps of state"):
        stream.state = state | {"n_steps": np.array([0, -1])}
    stream.state = state | {"n_steps": np.array([0, 2**61])}  # of no use, but no harm
    assert np.isfinite(stream.step(draw(2, 1)[:, 0])).all()


def test_a_step_that_is_refused_changes_nothing():
    model = fit(dtype="float64", **FRONTS["all"])
    X, stream = draw(2, 12, seed=1), model.stream(2)
    for t in range(5):
        stream.step(X[:, t])
    with pytest.raises(ValueError, match="feature 1 of x is NaN"):
        stream.step([[0, 0], [0, np.nan]])
    assert_follows(model, stream, X, begin=5)
