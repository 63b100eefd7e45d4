"""RNNTagger, with and without scikit-learn, which these tests do not need.

Its gradients are those of networks that read every step, in test_gradients.py.
"""

import pickle

import numpy as np
import pytest
from contract import PLAIN, same, tag_steps

from fastrnn import RNNTagger
from fastrnn.estimators import fitting, tasks
from fastrnn.metrics import token_accuracy_score

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a tagger that trains in milliseconds."""
    return RNNTagger(
        **{
            **PLAIN,
            "scaling": None,
            "learning_rate_init": 0.002,
            "hidden_layer_sizes": 6,
            "max_iter": 3,
            "random_state": 0,
            **params,
        }
    )


def lengths(parts):
    return [len(part) for part in parts]


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted tagger with its sequences and labels; to be read only."""
    X, y = tag_steps(40)
    return small(max_iter=30, learning_rate_init=0.05).fit(X, y), X, y


# What it predicts.


def test_predictions_are_arrays_of_steps(fitted):
    model, X, y = fitted
    assert model.classes_.tolist() == ["above", "below", "near"]
    assert model.n_outputs_ == 3
    predicted = model.predict(X)
    assert predicted.dtype == object and predicted.shape == (40,)
    assert lengths(predicted) == lengths(X)
    probabilities, logarithms = model.predict_proba(X), model.predict_log_proba(X)
    for part in (probabilities, logarithms):
        assert part.dtype == object and part.shape == (40,)
    for labels, p, log_p, x in zip(predicted, probabilities, logarithms, X, strict=True):
        assert p.shape == (len(x), 3) and p.dtype == np.float32
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_array_equal(log_p, np.log(p))
        np.testing.assert_array_equal(labels, model.classes_[p.argmax(axis=1)])
    assert model.score(X, y) > 0.8
    assert model.score(X, y) == pytest.approx(
        np.mean(np.concatenate(predicted) == np.concatenate(y)), rel=1e-12
    )
    assert lengths(model.hidden_states(X)) == lengths(X)
    assert model.transform(X).shape == (40, 6)


def test_sequences_of_equal_length_are_no_table(fitted):
    model, *_ = fitted
    predicted = model.predict(np.zeros((4, 5, 3)))
    assert predicted.shape == (4,) and predicted[0].shape == (5,)
    assert model.predict_proba(np.zeros((3, 3, 3)))[0].shape == (3, 3)


def test_prediction_depends_on_the_past_alone_in_one_direction(fitted):
    model, X, y = fitted
    whole = model.predict_proba(X)
    begins = model.predict_proba([x[:2] for x in X])
    for p, begin in zip(whole, begins, strict=True):
        np.testing.assert_allclose(p[:2], begin, rtol=1e-5)
    both = small(bidirectional=True).fit(X, y)
    long = int(np.argmax(lengths(X)))
    part, whole = both.predict_proba([X[long][:2], X[long]])
    assert not np.allclose(part, whole[:2], rtol=1e-3)


FORMS = {
    "lists": lambda y: [part.tolist() for part in y],
    "tuples": lambda y: tuple(tuple(part.tolist()) for part in y),
    "objects": lambda y: [part.astype(object) for part in y],
    "object array": lambda y: np.array([*y, None], dtype=object)[:-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_y_gives_the_same_model(form):
    X, y = tag_steps(40)
    model = small().fit(X, FORMS[form](y))
    assert same(model, small().fit(X, y))
    assert model.classes_.tolist() == ["above", "below", "near"]
    assert model.score(X, FORMS[form](y)) == model.score(X, y)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [([7, 5, 3], "i"), ([2.0, 0.0, 1.0], "f"), ([True, False, True], "b"), (["x", "yy", "z"], "U")],
)
def test_labels_may_be_strings_or_whole_numbers(labels, dtype):
    X, y = tag_steps(40)
    codes = dict(zip(["above", "below", "near"], labels, strict=True))
    y = [[codes[label] for label in part] for part in y]
    model = small(max_iter=20, learning_rate_init=0.05).fit(X, y)
    assert model.classes_.tolist() == sorted(set(labels))
    assert model.predict(X)[0].dtype.kind == dtype
    assert model.score(X, y) > 0.5


def test_a_table_of_equal_lengths():
    X, _ = tag_steps(30)
    X = np.array([np.resize(x, (6, 3)) for x in X])
    y = (X[:, :, 0] > 0).astype(int)
    model = small().fit(X, y)
    assert same(model, small().fit(list(X), list(y)))


@pytest.mark.parametrize(
    "params",
    [
        {"bidirectional": True, "hidden_layer_sizes": (6, 5), "dropout": 0.2},
        {"cell": "carry_lstm", "recurrent_dropout": 0.2},
        {"cell": "gru", "bptt_steps": 3},
        {"cell": "rnn", "solver": "lbfgs", "max_iter": 20},
    ],
)
def test_it_learns_with_every_kind_of_network(params):
    X, y = tag_steps(80)
    params = {"max_iter": 40, **params}
    if "solver" not in params:
        params["learning_rate_init"] = 0.03
    model = small(**params).fit(X, y)
    assert model.score(X, y) > 0.75
    assert same(small(**params, n_jobs=2).fit(X, y), model)


# Ids.


def test_ids_are_embedded():
    # Two columns of ids; the label is whether the first is even, unless the second is 0.
    rng = np.random.default_rng(0)
    X = [np.stack([rng.integers(9, size=n), rng.integers(2, size=n)], axis=1) for n in range(3, 60)]
    y = [np.where((x[:, 0] % 2 == 0) & (x[:, 1] > 0), "yes", "no") for x in X]
    params = {"max_iter": 40, "learning_rate_init": 0.03, "batch_size": 20}
    model = small(embedding_dim=(4, 2), **params).fit(X, y)
    assert model.n_categories_ == (9, 2)
    assert [table.shape for table in model.network_.embeddings] == [(9, 4), (2, 2)]
    assert model.score(X, y) > 0.97
    with pytest.raises(ValueError, match="sequence 0"):
        model.predict([[[9, 1]]])


def test_ids_beside_numbers():
    rng = np.random.default_rng(0)
    X = [np.stack([rng.integers(3, size=n), rng.normal(size=n)], axis=1) for n in range(3, 60)]
    y = [(x[:, 0] * x[:, 1] > 0.5).astype(int) for x in X]
    params = {"max_iter": 40, "learning_rate_init": 0.03, "batch_size": 20}
    model = small(embedding_dim=4, categorical_features=[0], **params).fit(X, y)
    assert model.score(X, y) > 0.95


# Loss and weights.


def test_loss_is_the_weighted_mean_over_steps():
    X, y = tag_steps(40)
    rng = np.random.default_rng(0)
    weight = [rng.uniform(0.5, 2, size=len(x)) for x in X]
    params = {"alpha": 0.0, "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
    model = small(dtype="float64", batch_size=200, **params).fit(X, y, sample_weight=weight)
    log_p = np.concatenate(model.predict_log_proba(X))
    true = np.searchsorted(model.classes_, np.concatenate(y))
    expected = -np.average(log_p[np.arange(len(true)), true], weights=np.concatenate(weight))
    assert model.loss_ == pytest.approx(expected, rel=1e-9)


def test_weight_of_a_sequence_is_that_of_its_steps():
    X, y = tag_steps(40)
    weight = np.random.default_rng(2).uniform(0.5, 2, size=len(X))
    of_steps = [np.full(len(x), w) for x, w in zip(X, weight, strict=True)]
    model = small().fit(X, y, sample_weight=weight)
    assert same(model, small().fit(X, y, sample_weight=of_steps))
    assert model.score(X, y, sample_weight=weight) == model.score(X, y, sample_weight=of_steps)
    assert model.score(X, y, sample_weight=weight) != model.score(X, y)


def test_class_weights_multiply_those_of_steps():
    X, y = tag_steps(40)
    rng = np.random.default_rng(2)
    weight = [rng.uniform(0.5, 2, size=len(x)) for x in X]
    by_hand = [w * np.where(part == "near", 3.0, 1.0) for w, part in zip(weight, y, strict=True)]
    by_class = small(dtype="float64", class_weight={"near": 3.0}).fit(X, y, sample_weight=weight)
    assert same(by_class, small(dtype="float64").fit(X, y, sample_weight=by_hand))
    flat, flat_weight = np.concatenate(y), np.concatenate(weight)
    explicit = {
        label: flat_weight.sum() / (3 * flat_weight[flat == label].sum()) for label in set(flat)
    }
    balanced, explicit = (
        small(dtype="float64", class_weight=w).fit(X, y, sample_weight=weight)
        for w in ("balanced", explicit)
    )
    np.testing.assert_allclose(balanced.network_.theta, explicit.network_.theta, rtol=1e-9)
    with pytest.raises(ValueError, match="class_weight has the label 'far', but y has"):
        small(class_weight={"far": 2.0}).fit(X, y)


# Steps that are left out.


def left_out_somewhere(y, mark):
    """Return y with the mark at some steps, and weights that are zero there."""
    rng = np.random.default_rng(3)
    masks = [rng.random(len(part)) < 0.3 for part in y]
    masks[0][:] = True  # a whole sequence
    marked = [
        [mark if out else label for out, label in zip(mask, part.tolist(), strict=True)]
        for mask, part in zip(masks, y, strict=True)
    ]
    return marked, [np.where(mask, 0.0, 1.0) for mask in masks]


@pytest.mark.parametrize("mark", [None, -1])
@pytest.mark.parametrize("balanced", [None, "balanced"])
def test_marked_steps_are_steps_of_weight_zero(mark, balanced):
    X, y = tag_steps(40)
    if mark == -1:
        y = [np.searchsorted(["above", "below", "near"], part) for part in y]
    marked, weight = left_out_somewhere(y, mark)
    assert marked[0] == [mark] * len(X[0])
    model = small(class_weight=balanced).fit(X, marked)
    assert same(model, small(class_weight=balanced).fit(X, y, sample_weight=weight))
    assert not same(model, small(class_weight=balanced).fit(X, y))
    assert model.score(X, marked) == model.score(X, y, sample_weight=weight)
    assert model.score(X, marked) != model.score(X, y)
    kept = np.concatenate(weight) > 0
    right = np.concatenate(model.predict(X)) == np.concatenate(y)
    assert model.score(X, marked) == pytest.approx(right[kept].mean(), rel=1e-12)


def test_what_is_left_out_is_read_all_the_same():
    # The last step alone has a label; it is that of the first.
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(2, 5), 1)) for _ in range(200)]
    y = [[None] * (len(x) - 1) + ["up" if x[0, 0] > 0 else "down"] for x in X]
    model = small(max_iter=40, learning_rate_init=0.03, batch_size=40).fit(X, y)
    assert model.score(X, y) > 0.95


# The likelihood of labels.


def test_score_samples_add_up_labelled_steps():
    X, y = tag_steps(40)
    marked, weight = left_out_somewhere(y, None)
    model = small(dtype="float64").fit(X, y)
    log_p = model.predict_log_proba(X)
    expected = [
        (p[np.arange(len(part)), np.searchsorted(model.classes_, part)] * w).sum()
        for p, part, w in zip(log_p, y, weight, strict=True)
    ]
    values = model.score_samples(X, marked)
    assert values.shape == (40,) and values.dtype == np.float64
    assert values[0] == 0  # none of its steps has a label
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    alone = [model.score_samples(X[i : i + 1], marked[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(alone, values[:5], rtol=1e-12)
    # Weights of classes are for the loss.
    weighted = small(dtype="float64", class_weight={"near": 3.0}, max_iter=1).fit(X, y)
    whole = sum(p.max(axis=1).sum() for p in weighted.predict_log_proba(X))
    best = weighted.score_samples(X, weighted.predict(X)).sum()
    assert best == pytest.approx(whole, rel=1e-12)


def test_score_samples_of_minus_one_and_of_padding():
    X = np.random.default_rng(0).normal(size=(6, 5, 2))
    X[:3, 3:] = np.nan
    y = (X[:, :, 0] > 0).astype(int)
    short = [*X[:3, :3], *X[3:]]
    labels = [*y[:3, :3], *y[3:]]
    model = small(padding="nan").fit(short, labels)
    y[:3, 3:] = 1  # of padding
    np.testing.assert_array_equal(model.score_samples(X, y), model.score_samples(short, labels))
    y[:, 0] = -1
    without = [[None, *part[1:]] for part in y.tolist()]
    np.testing.assert_array_equal(model.score_samples(X, y), model.score_samples(X, without))


def test_score_samples_are_finite_where_probabilities_vanish(fitted):
    model = pickle.loads(pickle.dumps(fitted[0]))
    model.network_.head.params["b"][:] = [0.0, 0.0, 500.0]
    (value,) = model.score_samples([np.zeros((2, 3))], [["above", "below"]])
    assert value == pytest.approx(-1000, rel=0.05)
    assert np.isinf(model.predict_log_proba([np.zeros((2, 3))])[0]).any()


def test_labels_that_are_not_known_have_no_likelihood(fitted):
    model, X, y = fitted
    new = [part.astype(object) for part in y]
    new[2][1] = "far"
    values, expected = model.score_samples(X, new), model.score_samples(X, y)
    expected[2] = -np.inf
    np.testing.assert_array_equal(values, expected)


def test_score_samples_refuse(fitted):
    model, X, y = fitted
    with pytest.raises(ValueError, match="y has whole numbers, but the classes of the model are"):
        model.score_samples(X, [[0] * len(x) for x in X])
    with pytest.raises(ValueError, match="sequence 0: y has 1 labels, X has"):
        model.score_samples(X, [["near"], *y[1:]])
    with pytest.raises(ValueError, match="X has 40 sequences, y has 39 entries"):
        model.score_samples(X, y[1:])
    with pytest.raises(ValueError, match="the target y is None"):
        model.score_samples(X, None)
    with pytest.raises(ValueError, match="sequence 0"):
        model.score_samples([X[0] * np.nan, *X[1:]], y)


# Early stopping and validation.


def test_early_stopping_holds_out_whole_sequences(monkeypatch):
    held_out, trained = [], []
    hold, train = tasks.hold_out, fitting.train

    def spy_hold_out(*args):
        held_out.append(hold(*args))
        return held_out[-1]

    def spy_train(network, sequences, target, weight, *args, **kwargs):
        trained.append((sequences.offsets, weight))
        return train(network, sequences, target, weight, *args, **kwargs)

    monkeypatch.setattr(tasks, "hold_out", spy_hold_out)
    monkeypatch.setattr(fitting, "train", spy_train)
    X, y = tag_steps(40)
    marked, _ = left_out_somewhere(y, None)
    model = small(
        early_stopping=True, validation_fraction=0.25, max_iter=30, learning_rate_init=0.05,
        dtype="float64",
    ).fit(X, marked)  # fmt: skip
    (held,), ((offsets, weight),) = held_out, trained
    assert len(held) == 10 and 0 not in held  # of 39; the first has no label
    with_weight = [i for i in range(40) if weight[offsets[i] : offsets[i + 1]].any()]
    assert sorted([0, *held, *with_weight]) == list(range(40))
    score = model.score([X[i] for i in held], [marked[i] for i in held])
    assert score == pytest.approx(model.best_validation_score_, rel=1e-9)
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_validation_data_are_scored_as_score_does():
    X, y = tag_steps(40)
    X_new, y_new = tag_steps(20, seed=1)
    marked, weight = left_out_somewhere(y_new, None)
    for class_weight in (None, {"near": 3.0}):
        model = small(class_weight=class_weight).fit(X, y, validation_data=(X_new, marked))
        assert same(model, small(class_weight=class_weight).fit(X, y))
        assert len(model.validation_scores_) == 3
        assert model.validation_scores_[-1] == pytest.approx(model.score(X_new, marked), rel=1e-9)
    model.fit(X, y, validation_data=(X_new, y_new, weight))
    assert model.validation_scores_[-1] == pytest.approx(model.score(X_new, marked), rel=1e-9)


# More of it: partial_fit and warm start.


def test_parts_of_the_labels():
    X, y = tag_steps(40)
    classes = ["near", "above", "below"]
    model = small(batch_size=10).partial_fit(X, y, classes=classes)
    part = [np.full(len(x), "near") for x in X]
    model.partial_fit(X, part)  # not every class need be there
    assert model.n_iter_ == 2
    weight = [np.full(len(x), 2.0) for x in X]
    assert same(
        small(alpha=0.0).partial_fit(X, y, classes, weight),
        small(alpha=0.0).partial_fit(X, y, classes),
    )


def test_partial_fit_refuses():
    X, y = tag_steps(40)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"\['near'\] is one class only: a tagger needs two"):
        small().partial_fit(X, y, ["near"])
    with pytest.raises(ValueError, match="classes has the label -1, which marks steps"):
        small().partial_fit(X, [[1] * len(x) for x in X], [-1, 1])
    with pytest.raises(ValueError, match="'balanced' is not supported by partial_fit"):
        small(class_weight="balanced").partial_fit(X, y, ["near", "above", "below"])
    place = next((i, t) for i in range(40) for t in range(len(X[i])) if y[i][t] == "below")
    message = r"sequence {}, step {}: y has the label 'below', which is not among".format(*place)
    model = small()
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y, ["near", "above"])
    assert not hasattr(model, "network_")
    model.fit(X, y)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, y, ["near", "above"])


def test_warm_start_needs_the_same_classes():
    X, y = tag_steps(40)
    model = small(warm_start=True).fit(X, y)
    before = pickle.dumps(vars(model))
    with pytest.raises(ValueError, match=r"which has classes \['above', 'below', 'near'\], but y"):
        model.fit(X, [np.where(part == "near", "far", part) for part in y])
    assert pickle.dumps(vars(model)) == before


# What is refused.

Y = [["a", "b", "a"], ["b", "a"]]

BAD_LABELS = [
    (None, ValueError, "requires y to be passed, but the target y is None"),
    ("aba", TypeError, "y is of type str, expected a list with an array of labels for each"),
    (3, TypeError, "y must be a list .*, got 3"),
    (np.array(3), TypeError, "y must be a list"),
    (Y[:1], ValueError, "inconsistent numbers of samples: X has 2 sequences, y has 1 entries"),
    (["a", "b"], ValueError, "sequence 0: y must be an array of labels, .* got 'a'"),
    ([np.zeros((3, 1)), [0, 1]], ValueError, r"sequence 0: y must be .* got the shape \(3, 1\)"),
    ([Y[0], ["b", "a", "a"]], ValueError, "sequence 1: y has 3 labels, X has 2 time steps"),
    ([Y[0], ["b"]], ValueError, "sequence 1: y has 1 labels, X has 2 time steps"),
    ([Y[0], ["b", 1]], ValueError, "Unknown label type: y has 1 at sequence 1, step 1, .* strings"),
    ([[1, 2, 1], ["b", 1]], ValueError, "y has 'b' at sequence 1, step 0, expected whole numbers"),
    ([[1, 2, 1], [1.5, 1]], ValueError, "y has 1.5 at sequence 1, step 0, expected whole numbers"),
    ([[0.5, 2, 1], [1, 1]], ValueError, "y has 0.5 at sequence 0, step 0, expected strings or who"),
    ([[1, 2, np.inf], [1, 1]], ValueError, "y has inf at sequence 0, step 2, expected whole"),
    ([[1, [2], 1], [1, 1]], ValueError, r"y has \[2\] at sequence 0, step 1"),
    ([[b"a", b"b", b"a"], [b"a", b"b"]], ValueError, "y has b'a' at sequence 0, step 0"),
    ([["a", "a", "a"], ["a", None]], ValueError, "y has one class only, 'a': a tagger needs two"),
    ([[1, -1, 1], [1, 1]], ValueError, "one class only, 1: .* -1 among whole numbers"),
    ([[-1, -1, -1], [-1, -1]], ValueError, "every label is left out or has weight 0"),
    ([[None] * 3, [None] * 2], ValueError, "every label is left out or has weight 0"),
]


@pytest.mark.parametrize(("y", "error", "message"), BAD_LABELS)
def test_bad_labels(y, error, message):
    model = small().fit([np.eye(3), np.eye(3)[:2]], Y)
    before = pickle.dumps(vars(model))
    with pytest.raises(error, match=message):
        model.fit([np.eye(3), np.eye(3)[:2]], y)
    assert pickle.dumps(vars(model)) == before


BAD_WEIGHTS = [
    ([1.0, -0.5], ValueError, "from 0 to 3.4e[+]38, sequence 1 has -0.5"),
    ([[1, 1, 1], [1, np.nan]], ValueError, "sequence 1, step 1 has nan"),
    ([[1, 1, 1e39], [1, 1]], ValueError, "sequence 0, step 2 has 1e[+]39"),
    ([0, 0], ValueError, "sample_weight is zero for every sequence"),
    ([[0, 0, 0], [0, 0]], ValueError, "sample_weight is zero for every sequence"),
    ([[1, 1, 1], [1, 1, 1]], ValueError, r"sequence 1: sample_weight has shape \(3,\), X has 2"),
    ([[1, 1, 1], 1], ValueError, r"sequence 1: sample_weight has shape \(\), X has 2 time steps"),
    ([[1, 1, 1]], ValueError, "X has 2 sequences, sample_weight has 1 entries"),
    (1.0, TypeError, "sample_weight must be a list .* got 1.0"),
    ([["1"] * 3, [1, 1]], TypeError, "sequence 0, step 0: sample_weight must be numbers, got '1'"),
    ([[1, 0, 1], [0, 1]], ValueError, "y has one class only, 'a'"),
]


@pytest.mark.parametrize(("weight", "error", "message"), BAD_WEIGHTS)
def test_bad_weights(weight, error, message):
    with pytest.raises(error, match=message):
        small().fit([np.eye(3), np.eye(3)[:2]], Y, sample_weight=weight)


def test_labels_that_the_model_does_not_know(fitted):
    model, X, y = fitted
    new = [part.astype(object) for part in y]
    new[2][1] = "far"
    with pytest.raises(ValueError, match="validation_data: sequence 2, step 1: y has the label"):
        small().fit(X, y, validation_data=(X, new))
    # A label of rare words, met first in a test, is wrong; labels of another kind are a mistake.
    others = [part.copy() for part in new]
    others[2][1] = None
    n_steps = sum(map(len, X))
    expected = model.score(X, others) * (n_steps - 1) / n_steps
    assert model.score(X, new) == pytest.approx(expected, rel=1e-12)
    assert model.score(X, new) == token_accuracy_score(new, model.predict(X))
    with pytest.raises(ValueError, match="y has whole numbers, but the classes of the model are"):
        model.score(X, [[0] * len(x) for x in X])
    with pytest.raises(ValueError, match="sequence 0: y has 1 labels, X has"):
        model.score(X, [["near"], *y[1:]])
    with pytest.raises(ValueError, match="every label is left out"):
        model.score(X, [[None] * len(x) for x in X])


def test_input_gradients_are_those_of_the_loss_over_labelled_steps():
    X, y = tag_steps(8)
    y = [part.tolist() for part in y]
    y[0] = [None] * len(y[0])
    y[1][1] = None
    model = small(dtype="float64", class_weight={"near": 2.0}).fit(X, y)

    def loss(x, labels):
        (log_p,) = model.predict_log_proba([x])
        kept = [t for t, label in enumerate(labels) if label is not None]
        numbers = [model.classes_.tolist().index(labels[t]) for t in kept]
        return -log_p[kept, numbers].mean()  # classes have no weights here

    gradients = model.input_gradients(X, y)
    assert not gradients[0].any()
    for i in range(1, 8):
        for place in np.ndindex(X[i].shape):
            step = np.zeros_like(X[i])
            step[place] = 1e-5
            difference = (loss(X[i] + step, y[i]) - loss(X[i] - step, y[i])) / 2e-5
            assert gradients[i][place] == pytest.approx(difference, rel=1e-5, abs=1e-9)
    flow = model.gradient_flow(X, y)
    assert [part.shape for part in flow.norms] == [(1, len(x)) for x in X]


def test_it_has_no_pooling():
    assert "pooling" not in small().get_params()
    assert RNNTagger.__doc__.count("\nclass_weight : ") == 1


def test_memory_grows_with_the_outputs():
    X, y = tag_steps(40)
    many = [np.arange(len(x)) + 10 * i for i, x in enumerate(X)]
    model = small(batch_size=200)
    assert model.estimate_memory(X, many) > 1.3 * model.estimate_memory(X, y)
