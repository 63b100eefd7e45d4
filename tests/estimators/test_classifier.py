"""RNNClassifier: labels, probabilities, weights of classes."""

import pickle

import numpy as np
import pytest
from contract import PLAIN, draw_sequences, label_sequences, same

from fastrnn import bridge
from fastrnn.estimators import RNNClassifier

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a classifier that trains in milliseconds."""
    simple = {**PLAIN, "cell": "lstm", "batch_size": 200, "scaling": None}
    own = {"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0}
    return RNNClassifier(**{**simple, **own, **params})


def fitted(**params):
    """Return a fitted classifier, and what it was fitted on."""
    X, y = label_sequences(40)
    return small(**params).fit(X, y), X, y


def test_labels_may_be_anything_sortable():
    X, y = label_sequences(40)
    params = {"max_iter": 40, "learning_rate_init": 0.05}
    expected = small(**params).fit(X, y == "up").predict_proba(X)
    for labels in (y, y.astype(object), np.where(y == "up", 7, -7), (y == "up").astype(float)):
        model = small(**params).fit(X, labels)
        assert np.array_equal(model.classes_, np.unique(labels))
        assert np.array_equal(model.predict_proba(X), expected)
        assert np.mean(model.predict(X) == labels) == model.score(X, labels) > 0.8
    model = small(**params).fit(X, y.tolist())
    assert set(model.predict(X)) == {"up", "down"}


def test_probabilities():
    model, X, _ = fitted(dtype="float64")
    p = model.predict_proba(X)
    assert p.shape == (len(X), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(p))
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])


def test_probability_zero_has_a_logarithm_without_a_warning():
    model, X, _ = fitted()
    model.network_.theta[model.network_.theta.size - 2 :] = [-1000, 1000]  # the output biases
    assert np.array_equal(model.predict_log_proba(X)[0], [-np.inf, 0])


BAD_LABELS = [
    (None, "requires y to be passed, but the target y is None"),
    ([0.5, 1.0, 2.0, 1.0], "Unknown label type: y is continuous, sequence 0 has 0.5"),
    ([0.0, 1.0, np.nan, 1.0], "Unknown label type: y has no label for sequence 2, it is nan"),
    ([1j, 0, 1, 1], "Unknown label type: y has dtype complex128"),
    (["a", "b", None, "a"], "Unknown label type: y has no label for sequence 2, it is None"),
    (np.array([1, "a", 2, "b"], dtype=object), "Unknown label type: y holds int, str"),
    (np.array([1, 0.5, 2, 1], dtype=object), "Unknown label type: y is continuous, sequence 1"),
    ([[[0], [1]]] * 4, r"one label for each sequence, got shape \(4, 2, 1\)"),
    ([[0, 1], [1, 0], [1, 2], [0, 0]], "must be 0 or 1, but label 1 of sequence 2 is 2"),
    ([["a", "b"]] * 4, "must be 0 or 1, but label 0 of sequence 0 is 'a'"),
    (np.array([["a", "b"]] * 4, object), "must be 0 or 1, but label 0 of sequence 0 is 'a'"),
    ([[0], [1, 2], [1], [0]], r"unequal length: \[0\] for sequence 0, \[1, 2\] for sequence 1$"),
    ([["a", "b"], ["a"]] * 2, r"unequal length: \['a', 'b'\] for sequence 0, \['a'\] for seq"),
    (1, r"one label for each sequence, got shape \(\)"),
    (["a", "a", "a", "a"], "y has one class only, 'a'"),
]


@pytest.mark.parametrize(("y", "message"), BAD_LABELS)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(draw_sequences(4), y)


def test_column_of_labels_is_accepted_with_a_warning():
    X, y = label_sequences(40)
    with pytest.warns(bridge.DataConversionWarning, match="A column-vector y was passed") as caught:
        model = small().fit(X, y[:, np.newaxis])
    assert caught[0].filename == __file__
    assert same(model, small().fit(X, y))


BAD_WEIGHTS = [
    ([1.0, 1.0, -0.5, 1.0], ValueError, "from 0 to 3.4e[+]38, sequence 2 has -0.5"),
    ([1.0, np.nan, 1.0, 1.0], ValueError, "sequence 1 has nan"),
    ([1.0, 1e39, 1.0, 1.0], ValueError, "sequence 1 has 1e[+]39"),
    ([0, 0, 0, 0], ValueError, "sample_weight is zero for every sequence"),
    (np.ones((4, 1)), ValueError, r"got shape \(4, 1\)"),
    (1.0, ValueError, r"got shape \(\)"),
    (["1", "1", "1", "1"], TypeError, "sample_weight must be numbers"),
    ([1.0] * 5, ValueError, "X has 4 sequences, sample_weight has 5 entries"),
    ([1, 0, 1, 0], ValueError, "y has one class only, 0"),
]


@pytest.mark.parametrize(("weight", "error", "message"), BAD_WEIGHTS)
def test_bad_weights(weight, error, message):
    with pytest.raises(error, match=message):
        small().fit(draw_sequences(4), [0, 1, 0, 1], sample_weight=weight)


def test_unequal_lengths_name_both_numbers():
    X, y = label_sequences(40)
    model = small()
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: X has 40 .* y has 39"):
        model.fit(X, y[:-1])
    model.fit(X, y)
    with pytest.raises(ValueError, match="X has 3 sequences, y has 40 entries"):
        model.score(X[:3], y)
    with pytest.raises(ValueError, match="X has 40 sequences, sample_weight has 2 entries"):
        model.score(X, y, sample_weight=[1, 2])


def test_first_loss_is_that_of_the_start():
    # One batch, no dropout: the first loss is the log-loss of the untrained network plus the
    # penalty, which doubles as a check of the formula in the docstring.
    X, y = label_sequences(40)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(X))
    params = {"dtype": "float64", "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    losses = {}
    for alpha in (0.0, 0.5):
        model = small(alpha=alpha, **params).fit(X, y, sample_weight=weight)
        losses[alpha] = model.loss_
    log_p = model.predict_log_proba(X)[np.arange(len(X)), (y == "up").astype(int)]
    assert losses[0.0] == pytest.approx(-np.average(log_p, weights=weight), rel=1e-9)


def test_class_weight_multiplies_sample_weight():
    X, y = label_sequences(40)
    weight = np.random.default_rng(2).uniform(0.5, 2, size=len(X))
    params = {"dtype": "float64"}
    by_class = small(class_weight={"up": 3.0}, **params)
    by_hand = small(**params)
    by_class.fit(X, y, sample_weight=weight)
    by_hand.fit(X, y, sample_weight=weight * np.where(y == "up", 3.0, 1.0))
    assert same(by_class, by_hand)


def test_balanced_class_weight():
    X, y = label_sequences(40)
    y = np.where(np.arange(len(X)) < 4, "rare", y)
    weight = np.random.default_rng(2).integers(1, 4, size=len(X)).astype(float)
    params = {"dtype": "float64"}
    balanced = small(class_weight="balanced", **params)
    balanced.fit(X, y, sample_weight=weight)
    total = {label: weight[y == label].sum() for label in np.unique(y)}
    by_hand = {label: weight.sum() / (3 * total[label]) for label in total}
    explicit = small(class_weight=by_hand, **params).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(balanced.network_.theta, explicit.network_.theta, rtol=1e-9)


def test_class_weight_is_a_sample_weight():
    X, y = label_sequences(40)
    weight = np.where(y == "up", 3.0, 1.0)
    one = small(class_weight={"up": 3.0}).fit(X, y)
    assert same(one, small().fit(X, y, sample_weight=weight))
    counts = {label: np.sum(y == label) for label in ("up", "down")}
    weight = np.array([40 / (2 * counts[label]) for label in y])
    one = small(class_weight="balanced").fit(X, y)
    assert same(one, small().fit(X, y, sample_weight=weight))


def test_class_weight_of_an_unknown_label():
    X, y = label_sequences(40)
    with pytest.raises(ValueError, match=r"class_weight has the label 'left', but y has \['down'"):
        small(class_weight={"left": 2.0}).fit(X, y)


def test_partial_fit_sees_the_classes_one_after_the_other():
    X, y = label_sequences(60)
    y = np.where(np.arange(60) % 3 == 0, "level", y)
    model = small(class_weight={"up": 2.0})
    model.partial_fit(X[:5], np.full(5, "up"), classes=["up", "level", "down"])
    assert model.classes_.tolist() == ["down", "level", "up"]
    assert model.predict_proba(X).shape == (60, 3)
    model.partial_fit(X, y).partial_fit(X, y, classes=["down", "level", "up"])


def test_bad_partial_fit_leaves_the_model_as_it_was():
    X, y = label_sequences(40)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes=\['up'\] is one class only"):
        small().partial_fit(X, y, classes=["up", "up"])
    with pytest.raises(ValueError, match=r"label 'down' of sequence .*not among the classes"):
        small().partial_fit(X, y, classes=["up", "level"])
    model = small().fit(X, y)
    params, before = model.get_params(), pickle.dumps(vars(model))
    y_wrong = np.where(np.arange(len(y)) == 7, "Up", y)
    calls = [
        ({}, (X, y_wrong), {}, "label 'Up' of sequence 7"),
        ({}, (X, y_wrong.astype(object)), {}, "label 'Up' of sequence 7"),
        ({}, (X, y), {"classes": ["a", "b"]}, "is not the same as on last call to partial_fit"),
        ({}, (X, y[:-1]), {}, "X has 40 sequences, y has 39"),
        ({}, ([x[:, :2] for x in X], y), {}, "sequence 0 has 2 features, expected 3"),
        ({}, (X, y), {"sample_weight": -np.ones(40)}, "sample_weight must be from 0"),
        ({}, (X, np.eye(2, dtype=int)[np.arange(40) % 2]), {}, "several labels for each"),
        ({"alpha": -1.0}, (X, y), {}, "alpha must be"),
        ({"cell": "gru"}, (X, y), {}, "partial_fit goes on from the fitted model, which has cell"),
        ({"dtype": "float64"}, (X, y), {}, "has dtype='float32', not 'float64'; fit starts anew"),
        ({"early_stopping": True}, (X, y), {}, "partial_fit knows no early stopping"),
        ({"class_weight": "balanced"}, (X, y), {}, "'balanced' is not supported by partial_fit"),
        (
            {"solver": "sgd", "learning_rate_init": 1e30, "clip_norm": None, "batch_size": 5},
            (X, y), {}, "Training diverged",
        ),
    ]  # fmt: skip
    for change, data, options, message in calls:
        with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
            model.set_params(**change).partial_fit(*data, **options)
        model.set_params(**params)
        assert pickle.dumps(vars(model)) == before, message


def test_validation_data_may_lack_a_class():
    X, y = label_sequences(40)
    model = small().fit(X, y, validation_data=(X[:1], y[:1]))
    assert set(model.validation_scores_) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (3, TypeError, r"validation_data must be a tuple \(X, y\) or .*, got int"),
        ((1, 2, 3, 4), TypeError, "validation_data must be a tuple .*, got 4 entries"),
        (([[[1.0, 2.0]]], ["up"]), ValueError, "validation_data: sequence 0 has 2 features"),
        (([[[1.0, 2, 3]]], ["up", "up"]), ValueError, "validation_data: .* X has 1 sequences"),
        (([[[1.0, 2, 3]]], ["Up"]), ValueError, "validation_data: y has the label 'Up' of seq"),
        (([[[1.0, 2, "a"]]], ["up"]), TypeError, "validation_data: sequence 0"),
        (([[[1.0, 2, 3]]], ["up"], [-1]), ValueError, "validation_data: sample_weight must"),
    ],
)
def test_bad_validation_data(data, error, message):
    model, X, y = fitted()
    before = pickle.dumps(vars(model))
    with pytest.raises(error, match=message):
        model.fit(X, y, validation_data=data)
    assert pickle.dumps(vars(model)) == before


def test_warm_start_needs_the_same_classes():
    model, X, y = fitted(warm_start=True)
    with pytest.raises(ValueError, match=r"has classes \['down', 'up'\], but y has \['UP'"):
        model.fit(X, np.where(y == "up", "UP", y))
    with pytest.raises(ValueError, match="sequence 0 has 2 features, expected 3"):
        model.fit([x[:, :2] for x in X], y)
