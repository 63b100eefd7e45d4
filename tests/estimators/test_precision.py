"""Numbers that are finite in double precision but not in the network's: refused, each by name."""

import pickle

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

X = [[[0.0], [1.0]], [[1.0]], [[2.0], [0.5], [1.0]], [[0.25]]]
SERIES = [np.sin(np.arange(12.0)), np.cos(np.arange(10.0))]
DATA = {
    RNNClassifier: (X, [0, 1, 0, 1]),
    RNNTagger: (X, [[0, 1], [1], [0, 1, 1], [0]]),
    RNNRegressor: (X, [0.0, 1.0, 3.0, 2.0]),
    RNNForecaster: (SERIES,),
    RNNLanguageModel: (["a b", "b b a", "a a", "b"],),
}
OUT_OF_RANGE = [
    ("alpha", 1e39), ("learning_rate_init", 1e39), ("learning_rate_init", 1e-46),
    ("epsilon", 1e39), ("epsilon", 1e-46), ("clip_norm", 1e-46),
]  # fmt: skip


def make(estimator, **params):
    """Return a small estimator with these parameters."""
    return estimator(2, max_iter=2, random_state=0, **params)


@pytest.mark.parametrize("estimator", DATA)
@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_parameters(estimator, name, value):
    model = make(estimator).fit(*DATA[estimator])
    before = pickle.dumps(vars(model.set_params(**{name: value})))
    with pytest.raises(ValueError, match=rf"^{name} is 1e[+-]\d\d, but float32 has numbers from"):
        model.fit(*DATA[estimator])
    assert pickle.dumps(vars(model)) == before
    if name != "alpha" and value != 1e39:  # with those even float64 learns nothing
        make(estimator, dtype="float64", **{name: value}).fit(*DATA[estimator])


@pytest.mark.parametrize("params", [{"alpha": 1e-46}, {"clip_norm": 1e39}])
def test_parameters_that_nothing_comes_of(params):
    model = make(RNNClassifier, **params).fit(*DATA[RNNClassifier])
    same = make(RNNClassifier, **{name: 0.0 if name == "alpha" else None for name in params})
    same.fit(*DATA[RNNClassifier])
    np.testing.assert_array_equal(model.network_.theta, same.network_.theta)


@pytest.mark.parametrize("cell", ["lstm", "carry_lstm"])
def test_start_values(cell):
    names = ["forget_bias_init"] + ["carry_bias_init"] * (cell == "carry_lstm")
    for name in names:
        for value in (1e39, -1e39):
            with pytest.raises(ValueError, match=f"^{name} is .*, but float32 has numbers"):
                make(RNNClassifier, cell=cell, **{name: value}).fit(*DATA[RNNClassifier])


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger])
@pytest.mark.parametrize("value", [1e39, 1e-46, 10**39])
def test_class_weight(estimator, value):
    with pytest.raises(ValueError, match=r"^class_weight\[0\] is 1.*, but float32 has numbers"):
        make(estimator, class_weight={0: value}).fit(*DATA[estimator])
    make(estimator, class_weight={0: value}, dtype="float64").fit(*DATA[estimator])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger])
def test_product_of_weights(estimator, dtype):
    large = 1e30 if dtype == "float32" else 1e300
    model = make(estimator, class_weight={0: large}, dtype=dtype)
    weight = [1.0, large, large, 0.0]
    place = "sequence 2" if estimator is RNNClassifier else "sequence 2, step 0"
    what = f"^sample_weight times class_weight of {place} is .*, which does not fit into {dtype}"
    with pytest.raises(ValueError, match=what):
        model.fit(*DATA[estimator], sample_weight=weight)
    small = 1e-30 if dtype == "float32" else 1e-300
    model.set_params(class_weight={0: small, 1: small})
    with pytest.raises(ValueError, match=f"class_weight is too small for {dtype}"):
        model.fit(*DATA[estimator], sample_weight=[small] * 4)


def test_balanced_weights():
    # Balanced, both classes have the same sum, half of all: here the one sequence of class 1.
    model = make(RNNClassifier, class_weight="balanced")
    with pytest.raises(ValueError, match=r"sample_weight times class_weight of sequence 1 is 5e"):
        model.fit(X[:2] + X[:2], [0, 1, 0, 0], sample_weight=[3.3e38, 1.0, 3.3e38, 3.4e38])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("estimator", DATA)
def test_sample_weight(estimator, dtype):
    model = make(estimator, dtype=dtype).fit(*DATA[estimator])
    before = pickle.dumps(vars(model))
    n = len(DATA[estimator][0])
    largest = float(np.finfo(dtype).max)
    if dtype == "float64":
        with pytest.raises(ValueError, match=r"^sample_weight is too large to be added"):
            model.fit(*DATA[estimator], sample_weight=[largest] * n)
    else:
        make(estimator).fit(*DATA[estimator], sample_weight=[largest] * n)  # the sum is a double
        with pytest.raises(ValueError, match=r"^sample_weight must be from 0 to 3.4e\+38, seq"):
            model.fit(*DATA[estimator], sample_weight=[1.0, 1e39, 1.0, 1.0][:n])
        with pytest.raises(ValueError, match=r"^sample_weight .*is too small for float32"):
            model.fit(*DATA[estimator], sample_weight=[1e-46] * n)
    assert pickle.dumps(vars(model)) == before


def test_weights_of_scores():
    model = make(RNNClassifier, dtype="float64").fit(*DATA[RNNClassifier])
    with pytest.raises(ValueError, match=r"^sample_weight is too large to be added"):
        model.score(*DATA[RNNClassifier], sample_weight=[1e308] * 4)
    model = make(RNNRegressor).fit(*DATA[RNNRegressor])
    y = np.array([1e149, 2e149, -1e149, 0.0])
    expected = model.score(X, y)
    assert model.score(X, y, sample_weight=[3e38] * 4) == pytest.approx(expected, rel=1e-9)


def test_targets():
    with pytest.raises(ValueError, match=r"scaled y of sequence 3 is 1.*e\+100, which does not f"):
        model = make(RNNRegressor)
        model.fit(X, [0.0, 1.0, 2.0, 1e100], sample_weight=[1.0, 1.0, 1.0, 1e-200])
    model.fit(X, [0.0, 1.0, 2.0, 1e100], sample_weight=[1.0, 1.0, 1.0, 0.0])  # left out
    for y in ([0.0, 1.0, 2.0, 1e100], [0.0, 1e100, 2.0, 3.0]):
        k = y.index(1e100)
        with pytest.raises(ValueError, match=f"scaled y of sequence {k} is"):
            model.partial_fit(X, y)
        with pytest.raises(ValueError, match=f"validation_data: the scaled y of sequence {k} is"):
            model.fit(X, [0.0, 1.0, 2.0, 3.0], validation_data=(X, y))
    y = 1e149 * np.array([1.0, 2.0, 4.0, 3.0])  # whose weighted squares no number holds
    model.fit(X, y, sample_weight=[3e38] * 4)
    assert model.y_scale_[0] == pytest.approx(1e149 * np.std([1.0, 2, 4, 3]), rel=1e-9)


@pytest.mark.parametrize("scaling", [None, "difference", "standard", "level"])
def test_series(scaling):
    model = make(RNNForecaster, scaling=scaling, log=False)
    y = np.array([1.0, 2.0, 1e39, 3.0, 1.0, 2.0])
    if scaling is None:
        with pytest.raises(ValueError, match="1e\\+39, which does not fit into float32"):
            model.fit(y)
    else:
        model.fit(y)


def test_steps_of_inverse_scaling():
    model = make(RNNClassifier, learning_rate="invscaling", power_t=1e39)
    model.fit(*DATA[RNNClassifier])  # after the first epoch the rate is 0
    once = make(RNNClassifier).set_params(max_iter=1).fit(*DATA[RNNClassifier])
    np.testing.assert_array_equal(model.network_.theta, once.network_.theta)
