"""A fit that learned nothing says so: once, in the same words, and only where it is sure."""

import warnings

import numpy as np
import pytest
from contract import CASES, PLAIN, label_sequences, number_sequences

from fastrnn import RNNClassifier, RNNForecaster, RNNRegressor, RNNSeq2Seq, RNNTagger
from fastrnn.estimators import fitting
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.network import linear_head
from fastrnn.network.ctc import CTC
from fastrnn.training import ConvergenceWarning

UNLEARNED = "Training has learned nothing: its loss came no further than 2% below"
STUCK = {**PLAIN, "learning_rate_init": 1e-9, "max_iter": 11}  # n_iter_no_change is 10


def told(model, *data, **options):
    """The first words of what a fit warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, **options)
    return [str(item.message)[: len(UNLEARNED)] for item in caught]


@pytest.fixture
def ignorant(monkeypatch):
    """Heads begin at zero: random weights could know something of small data by chance."""
    monkeypatch.setattr(linear_head, "glorot_uniform", lambda rng, shape: np.zeros(shape))


@pytest.mark.usefixtures("ignorant")
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_every_estimator_that_is_stuck_says_so(case):
    # Of values it is not known what the best constant answer is.
    expected = [] if case.estimator is RNNForecaster else [UNLEARNED]
    assert told(case.make(**STUCK, alpha=0.0), *case.data) == expected


def test_those_that_learn_do_not():
    fast = {"learning_rate_init": 0.02, "batch_size": 4, "max_iter": 12, "random_state": 0}
    assert told(RNNClassifier(6, **fast), *label_sequences(40)) == []
    assert told(RNNRegressor(6, **fast), *number_sequences(40)) == []


def test_short_fits_and_partial_fit_do_not():
    X, y = label_sequences(40)
    options = {"learning_rate_init": 1e-9, "learning_rate": "cosine", "batch_size": 4}
    options["random_state"] = 0
    assert told(RNNClassifier(3, max_iter=9, **options), X, y) == []
    assert told(RNNClassifier(3, max_iter=10, **options), X, y) == [UNLEARNED]
    model = RNNClassifier(3, **{**options, "batch_size": 1, "max_iter": "auto"})
    for _ in range(5):
        model.partial_fit(X, y, classes=["down", "up"])


def test_targets_that_do_not_vary_can_be_learned():
    X, _ = number_sequences(10)
    assert told(RNNRegressor(3, **STUCK), X, np.full(10, 7.0)) == []
    X, y = label_sequences(10)
    assert told(RNNClassifier(3, class_weight={"up": 1e6}, **STUCK), X, y) == []


def test_targets_without_a_bearing_are_told(monkeypatch):
    X, y = number_sequences(60)
    shuffled = np.random.default_rng(0).permutation(y)
    options = {"learning_rate": "cosine", "batch_size": 10, "max_iter": 20, "random_state": 0}
    assert told(RNNRegressor(2, alpha=3.0, **options), X, shuffled) == [UNLEARNED]


def letters(n, rng):
    """Sequences of three ids, each of which stays for three steps, and the three."""
    y = [rng.permutation(4)[:3] for _ in range(n)]
    return [np.repeat(labels, 3)[:, np.newaxis] for labels in y], y


READING = {"categorical_features": "all", "learning_rate_init": 0.02, "dropout": 0.0}
READING |= {"batch_size": 10, "max_iter": 12, "random_state": 0}


@pytest.mark.parametrize("alignment", ["attention", "ctc"])
def test_sequences_of_labels_are_told_from_what_is_read(alignment):
    rng = np.random.default_rng(0)
    X, y = letters(100, rng)
    model = RNNSeq2Seq(8, alignment=alignment, **READING)
    assert told(model, X, y) == []
    # All are as long, so that it is soon known when they end, and that is not enough.
    y = [rng.integers(4, size=3) for _ in range(100)]
    model.set_params(hidden_layer_sizes=2, max_iter=10, alpha=0.1)
    assert told(model, X, y) == [UNLEARNED]


def test_tags_that_depend_on_their_neighbours_alone_are_told():
    rng = np.random.default_rng(0)
    X = [rng.integers(4, size=(6, 1)) for _ in range(100)]
    tags = [np.cumsum(rng.integers(4, size=6) == 0) % 2 for _ in X]  # that seldom change
    model = RNNTagger(2, output="crf", **READING | {"alpha": 0.1})
    assert told(model, X, tags) == [UNLEARNED]
    assert told(model.set_params(alpha=0.0), X, [x[:, 0] // 2 for x in X]) == []


@pytest.mark.usefixtures("ignorant")
@pytest.mark.parametrize(
    "alignment, words", [("attention", "input_feeding=True"), ("ctc", "alignment='attention'")]
)
def test_what_is_advised(alignment, words):
    X, y = letters(10, np.random.default_rng(0))
    model = RNNSeq2Seq(2, alignment=alignment, **{**READING, **STUCK})
    with pytest.warns(ConvergenceWarning, match=f"{words}.* do not depend on the inputs"):
        model.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="pooling or bidirectional=True. It may also"):
        RNNClassifier(3, **STUCK).fit(*label_sequences(10))


@pytest.mark.usefixtures("ignorant")
def test_smoothed_labels_that_tell_next_to_nothing_are_not_judged():
    X, y = letters(10, np.random.default_rng(0))
    for smoothing, expected in [(0.1, [UNLEARNED]), (0.9, [])]:
        model = RNNSeq2Seq(2, label_smoothing=smoothing, **{**READING, **STUCK})
        assert told(model, X, y) == expected


@pytest.fixture
def constant(monkeypatch):
    """The constant loss of the last fit, given its number of minibatches; and what train got."""
    train = fitting.train

    def spy(*args, **options):
        history = train(*args, **options)
        constant.of, constant.given = options["constant_loss"], args
        return history

    def constant(n_minibatches):
        return constant.of(n_minibatches)

    monkeypatch.setattr(fitting, "train", spy)
    return constant


def entropy(shares):
    shares = np.asarray(shares) / np.sum(shares)
    return -(shares * np.log(shares)).sum()


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_weights_and_the_penalty_count(constant):
    X, y = label_sequences(40)
    n_up = np.count_nonzero(y == "up")
    quick = {"max_iter": 1, "random_state": 0}
    RNNClassifier(3, alpha=0.0, **quick).fit(X, y)
    assert constant(1) == pytest.approx(entropy([n_up, 40 - n_up]), rel=1e-6)
    RNNClassifier(3, alpha=0.0, class_weight={"up": 3.0}, **quick).fit(X, y)
    assert constant(1) == pytest.approx(entropy([3 * n_up, 40 - n_up]), rel=1e-6)
    weight = np.where(y == "up", 0.5, 1.0)
    model = RNNClassifier(3, alpha=0.7, **quick).fit(X, y, sample_weight=weight)
    theta = model.network_.theta[model.network_.decayed].astype(np.float64)
    penalty = 0.35 * (theta**2).sum() / (weight.sum() / 5)
    expected = entropy([0.5 * n_up, 40 - n_up]) + penalty
    assert constant(5) == pytest.approx(expected, rel=1e-6)
    RNNClassifier(3, alpha=0.7, solver="adamw", **quick).fit(X, y, sample_weight=weight)
    assert constant(5) == pytest.approx(entropy([0.5 * n_up, 40 - n_up]), rel=1e-6)
    tags = [["in"] * (len(x) - 1) + [None] for x in X]
    tags[0][0] = "out"
    RNNTagger(3, alpha=0.0, **quick).fit(X, tags)
    n_in = sum(map(len, X)) - 41
    assert constant(1) == pytest.approx(entropy([1, n_in]), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
@pytest.mark.parametrize("alignment, n_divided_by", [("attention", 8), ("ctc", 2)])
def test_the_penalty_of_label_sequences(constant, alignment, n_divided_by):
    X, y = letters(3, np.random.default_rng(0))
    options = {"alignment": alignment, **READING, "max_iter": 1, "alpha": 0.7}
    model = RNNSeq2Seq(2, **options).fit(X, y, sample_weight=[1.0, 0.0, 1.0])
    theta = model.network_.theta[model.network_.decayed].astype(np.float64)
    added = constant(5) - constant(1)
    assert added == pytest.approx(4 * 0.35 * (theta**2).sum() / n_divided_by, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_steps_are_counted_as_they_are_said(constant):
    X, y = letters(20, np.random.default_rng(0))
    labels = LabelSequences.from_lists(y)
    options = {"alignment": "ctc", **READING, "max_iter": 1, "alpha": 0.0}
    weight = np.ones(20, np.float32)
    for stride, n_steps in ((1, 9), (2, 5)):
        RNNSeq2Seq(2, stride=stride, **options).fit(X, y)
        expected = CTC(5).constant_loss(labels, weight, np.full(20, n_steps))
        assert constant(1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
def test_what_is_held_out_does_not_count(constant):
    X, y = number_sequences(20)
    options = {"early_stopping": True, "validation_fraction": 0.5, "random_state": 0}
    model = RNNRegressor(3, max_iter=1, alpha=0.0, **options).fit(X, y)
    assert model.t_ == 10
    values, weight = constant.given[2:4]
    kept = values[weight > 0]
    assert len(kept) == 10
    assert constant(1) == pytest.approx(kept.var() / 2, rel=1e-5)
    assert abs(constant(1) - values.var() / 2) > 1e-3


def test_what_a_search_shows():
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV

    X, y = label_sequences(24)
    grid = {"cell": ["gru", "rnn"], "pooling": ["last", "mean", "max"], "alpha": [0.0, 1e-4]}
    plan = {"learning_rate": "cosine", "max_iter": 2, "random_state": 0}
    search = GridSearchCV(RNNClassifier(2, **plan), grid, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
        assert len(search.cv_results_["params"]) == 12
        assert caught == []
        search.set_params(estimator=RNNClassifier(2, **STUCK, random_state=0)).fit(X, y)
        # The words are the same, but scikit-learn makes Python forget that it has shown them.
        assert len(caught) > 12
        assert {str(item.message)[: len(UNLEARNED)] for item in caught} == {UNLEARNED}
        del caught[:]
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
        assert caught == []
