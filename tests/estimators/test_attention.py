"""attention_weights: which steps of a sequence a model with attention looks at."""

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def make_marked(n=80, seed=0):
    """Sequences whose class is the sign of a number that stands where the other one is 1."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((length, 2)) for length in rng.integers(4, 13, size=n)]
    places = np.array([rng.integers(len(x)) for x in X])
    for x, place in zip(X, places, strict=True):
        x[:, 1] = 0
        x[place] = 2 * np.sign(x[place, 0]), 1
    return X, np.array([x[place, 0] > 0 for x, place in zip(X, places, strict=True)]), places


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["attention", "max+attention"])
def test_are_the_softmax_of_scores(pooling, bidirectional, dtype):
    X, y, _ = make_marked()
    model = RNNRegressor(
        4, pooling=pooling, bidirectional=bidirectional, dtype=dtype, max_iter=1, random_state=0
    ).fit(X, y)
    query = model.network_.pooling.params["query"]
    query[...] = 3 * np.random.default_rng(1).standard_normal(len(query))
    weights = model.attention_weights(X)
    for own, states in zip(weights, model.hidden_states(X), strict=True):
        odds = np.exp(states @ query / np.sqrt(len(query)))
        assert own.dtype == dtype
        np.testing.assert_allclose(own, odds / odds.sum(), rtol=1e-5)
    assert model.attention_weights(X[:1])[0] == pytest.approx(weights[0], rel=1e-5)


def test_learn_where_to_look():
    X, y, places = make_marked()
    model = RNNClassifier(
        6, cell="gru", pooling="attention", learning_rate_init=0.05, batch_size=20, max_iter=40,
        alpha=0.0, random_state=0,
    )  # fmt: skip
    model.fit(X, y)
    X_new, y_new, places = make_marked(seed=1)
    assert model.score(X_new, y_new) > 0.95
    weights = zip(model.attention_weights(X_new), places, strict=True)
    before = [own[:place].sum() for own, place in weights]
    shares = [place / len(x) for x, place in zip(X_new, places, strict=True)]
    assert np.mean(before) < 0.7 * np.mean(shares)


def test_with_strides_are_of_what_the_layers_read():
    X, y, _ = make_marked()
    model = RNNClassifier(3, pooling="attention", stride=3, max_iter=1, random_state=0).fit(X, y)
    weights = model.attention_weights(X)
    assert [len(own) for own in weights] == [-(-len(x) // 3) for x in X]
    np.testing.assert_allclose([own.sum() for own in weights], 1, rtol=1e-6)


def test_need_attention():
    X, y, _ = make_marked()
    model = RNNClassifier(3, pooling="mean+max", max_iter=1)
    with pytest.raises(ValueError, match="not fitted"):
        model.attention_weights(X)
    with pytest.raises(ValueError, match=r"pooling='attention', .* got pooling='mean\+max'"):
        model.fit(X, y).attention_weights(X)
