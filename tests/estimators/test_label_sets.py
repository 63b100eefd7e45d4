"""RNNClassifier with several labels for each sequence."""

import copy

import numpy as np
import pytest
from contract import PLAIN, label_sets, same

from fastrnn.bridge import DataConversionWarning
from fastrnn.estimators import RNNClassifier

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a classifier that trains in milliseconds."""
    return RNNClassifier(
        **{**PLAIN, "hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params}
    )


def test_label_sets_are_learned():
    X, y = label_sets(200)
    model = small(pooling="mean", learning_rate_init=0.05, max_iter=60, batch_size=20)
    model.fit(X[:150], y[:150])
    assert model.score(X[:150], y[:150]) > 0.95
    assert model.score(X[150:], y[150:]) > 0.4  # chance is 0.125
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_outputs_ == 3
    predicted, p = model.predict(X), model.predict_proba(X)
    assert predicted.shape == p.shape == (200, 3)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, p > 0.5)
    assert not np.allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(p))
    expected = (predicted == y).all(axis=1)
    weight = np.random.default_rng(0).uniform(size=200)
    assert model.score(X, y, weight) == pytest.approx(np.average(expected, weights=weight))


def test_loss_of_label_sets_is_the_sum_of_those_of_the_labels():
    X, y = label_sets(60)
    params = {"dtype": "float64", "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    model = small(alpha=0.0, **params).fit(X, y)
    p = model.predict_proba(X)
    loss = -np.log(np.where(y == 1, p, 1 - p)).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, object])
def test_kinds_of_label_sets(kind):
    X, y = label_sets(60)
    model = small().fit(X, y.astype(kind))
    assert same(model, small().fit(X, y.tolist()))
    assert model.predict(X).dtype == np.int64


def test_label_sets_in_every_way_of_training():
    X, y = label_sets(60)
    model = small(early_stopping=True, validation_fraction=0.2).fit(X, y)
    assert len(model.validation_scores_) == 3
    model = small(warm_start=True).fit(X, y, validation_data=(X, y))
    assert model.validation_scores_[-1] == model.score(X, y)
    assert len(model.fit(X, y).loss_curve_) == 6
    for classes in (None, [0, 1, 2]):
        model = small().partial_fit(X, y, classes=classes)
        assert same(model.partial_fit(X, y), small(max_iter=2).fit(X, y))
    assert np.array_equal(copy.deepcopy(model).predict(X), model.predict(X))
    assert model.estimate_memory(X, y) >= model.estimate_memory(X)


def test_bad_label_sets():
    X, y = label_sets(60)
    labels = np.where(y[:, 0] == 1, "a", "b")
    model = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="one label for each sequence, but the model was fitted"):
        model.fit(X, labels)
    with pytest.raises(ValueError, match="y has 2 labels, but the model has 3"):
        model.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="y has 2 labels, but the model has 3"):
        model.score(X, y[:, :2])
    with pytest.raises(ValueError, match=r"a column for each of several labels, .* \(60,\)"):
        model.score(X, labels)
    with pytest.raises(ValueError, match="X has 60 sequences, y has 59"):
        model.score(X, y[:-1])
    with pytest.raises(ValueError, match="several labels for each sequence, but the model was"):
        small(warm_start=True).fit(X, labels).fit(X, y)
    with pytest.raises(ValueError, match="one label for each sequence, got shape"):
        small().fit(X, labels).score(X, y)
    with pytest.raises(ValueError, match="class_weight is for one label for each sequence"):
        small(class_weight={0: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"numbers of the columns of y, 0 to 2, .* got .*5"):
        small().partial_fit(X, y, classes=[0, 1, 5])
    with pytest.warns(DataConversionWarning):  # one column is one label
        assert small().fit(X, y[:, :1]).predict(X).shape == (60,)
