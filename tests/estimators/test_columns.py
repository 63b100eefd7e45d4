"""Forms of `X`, its columns and their names."""

import pickle
import warnings

import numpy as np
import pytest
from contract import PLAIN, label_sequences, same

from fastrnn.estimators import RNNClassifier, RNNRegressor

ESTIMATORS = [RNNClassifier, RNNRegressor]

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(estimator, **params):
    """Return an estimator that trains in milliseconds."""
    return estimator(
        **{**PLAIN, "hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0, **params}
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_form_of_x_gives_the_same_model(estimator):
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(30, 5, 1))
    objects = np.empty(30, dtype=object)
    objects[:] = list(cube)
    y = np.arange(30) % 2
    reference = small(estimator).fit(cube, y)
    for X in (list(cube), objects, cube[:, :, 0], cube[:, :, 0].tolist()):
        model = small(estimator).fit(X, y)
        assert same(model, reference)
        assert np.array_equal(model.predict(X), reference.predict(cube))
    assert reference.n_features_in_ == 1


def test_columns_of_a_table_are_its_features():
    # As everywhere in scikit-learn. Lists and 3-D arrays have features at each time step.
    table = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 2
    model = small(RNNClassifier).fit(table, y)
    assert model.n_features_in_ == 5
    with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 5 features"):
        model.predict(table[:, :4])
    assert model.predict([row[:3] for row in table]).shape == (20,)
    assert model.predict(table[:, :3, np.newaxis]).shape == (20,)


@pytest.mark.parametrize("method", ["predict", "transform", "hidden_states", "predict_proba"])
def test_wrong_number_of_features_at_predict(method):
    X, y = label_sequences(40)
    model = small(RNNClassifier).fit(X, y)
    with pytest.raises(ValueError, match="sequence 0 has 2 features, expected 3"):
        getattr(model, method)([x[:, :2] for x in X])


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_names_of_columns(estimator, library):
    frames = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 4))
    y = values.mean(axis=1) if estimator is RNNRegressor else (values.mean(axis=1) > 0).astype(int)
    frame = frames.DataFrame(dict(zip("abcd", values.T, strict=True)))
    name = estimator.__name__
    model = small(estimator)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X .* feature names")
        model.fit(frame, y, validation_data=(frame, y))
        model.predict(frame), model.partial_fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.feature_names_in_.dtype == object
    bad = frame[["a", "b", "d", "c"]]
    calls = [
        lambda: model.predict(bad), lambda: model.partial_fit(bad, y),
        lambda: model.fit(frame, y, validation_data=(bad, y)),
    ]  # fmt: skip
    before = pickle.dumps(vars(model))
    for call in calls:
        with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
            call()
    other = frames.DataFrame(dict(zip("abxy", values.T, strict=True)))
    with pytest.raises(
        ValueError, match=r"unseen at fit time:\n- x\n- y\n.*now missing:\n- c\n- d"
    ):
        model.predict(other)
    assert pickle.dumps(vars(model)) == before
    message = f"X does not have valid feature names, but {name} was fitted with feature names"
    with pytest.warns(UserWarning, match=message) as caught:
        model.predict(values)
    assert caught[0].filename == __file__
    model.fit(values, y)
    assert not hasattr(model, "feature_names_in_")
    message = f"X has feature names, but {name} was fitted without feature names"
    with pytest.warns(UserWarning, match=message) as caught:
        model.partial_fit(frame, y)
    assert caught[0].filename == __file__


def test_names_that_are_no_strings():
    pandas = pytest.importorskip("pandas")
    values, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    model = small(RNNClassifier).fit(pandas.DataFrame(values), y)
    assert not hasattr(model, "feature_names_in_")
    model.predict(pandas.DataFrame(values))
    with pytest.raises(TypeError, match="all input features have string names"):
        model.fit(pandas.DataFrame(values, columns=["a", 1, 2]), y)
