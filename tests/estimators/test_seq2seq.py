"""RNNSeq2Seq: labels of any number for each sequence, by connectionist temporal classification."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_problems import small

from fastrnn import RNNSeq2Seq, load
from fastrnn.estimators.parameters import in_effect
from fastrnn.metrics import edit_error_rate, edit_error_rate_scorer

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

SPOKEN = {"a": [0.0, 1.0, 1.0], "b": [1.0, 0.0, 0.0], "c": [1.0, 1.0, 0.0]}


def spell(n, seed=0, most=4):
    """Sequences that say letters, three steps each, and the letters."""
    rng = np.random.default_rng(seed)
    y = [list(rng.choice(list(SPOKEN), size=rng.integers(1, most))) for _ in range(n)]
    X = [np.concatenate([np.repeat([SPOKEN[k]], 3, axis=0) for k in word]) for word in y]
    return [x + 0.1 * rng.standard_normal(x.shape) for x in X], y


def model(**params):
    return small(RNNSeq2Seq, conv=None, alignment="ctc", **params)


@pytest.fixture(scope="module")
def learned():
    """A model that has learned to spell, and what it has not seen."""
    X, y = spell(200)
    fitted = RNNSeq2Seq(
        16, alignment="ctc", max_iter=15, learning_rate_init=0.02, random_state=0
    ).fit(X, y)
    return fitted, *spell(40, seed=1)


def test_it_learns(learned):
    fitted, X, y = learned
    assert fitted.score(X, y) > 0.9
    assert edit_error_rate(y, fitted.predict(X)) < 0.05
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    assert fitted.n_outputs_ == 4
    assert edit_error_rate_scorer(fitted, X, y) == -edit_error_rate(y, fitted.predict(X))


def test_answers_agree(learned):
    fitted, X, y = learned
    values = fitted.score_samples(X, y)
    assert values.shape == (40,) and (values < 0).all()
    found = fitted.predict_nbest(X, 30)
    for n, of_one in enumerate(found):
        said = {tuple(labels.tolist()): value for labels, value in of_one}
        assert len(said) == len(of_one)
        assert [value for _, value in of_one] == sorted(said.values(), reverse=True)
        assert_allclose(said[tuple(y[n])], values[n], rtol=1e-4, atol=1e-5)
        assert sum(np.exp(list(said.values()))) < 1 + 1e-6
    beam = fitted.set_params(beam_size=30).predict(X)
    fitted.set_params(beam_size=1)
    for labels, of_one in zip(beam, found, strict=True):
        assert_array_equal(labels, of_one[0][0])


def test_probabilities_sum_over_paths(learned):
    fitted, X, _ = learned
    x = X[0][:3]
    (p,) = fitted.predict_proba([x])
    assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    total = 0.0
    for path in itertools.product(range(4), repeat=3):
        said = [k for k, _ in itertools.groupby(path) if k != 3]
        total += p[np.arange(3), path].prod() if said == [1, 0] else 0.0
    assert_allclose(fitted.score_samples([x], [["b", "a"]]), np.log(total), rtol=1e-4)


def test_alignment(learned):
    fitted, X, y = learned
    for x, labels, places in zip(X, y, fitted.align(X, y), strict=True):
        assert len(places) == len(x)
        kept = places[places >= 0]
        assert list(dict.fromkeys(kept.tolist())) == list(range(len(labels)))
        assert (np.diff(kept) >= 0).all()
        # Letters are said when they are heard, or just before or after.
        assert (np.abs(np.flatnonzero(places >= 0) // 3 - kept) <= 1).all()


def test_what_auto_is_goes_by_the_alignment():
    told, heard = RNNSeq2Seq(), RNNSeq2Seq(alignment="ctc")
    assert told.dropout == heard.dropout == "auto"
    assert 0 < in_effect(told, "dropout") < in_effect(heard, "dropout") < 1
    assert told.budget.n_sequences > heard.budget.n_sequences
    for params in ({"dropout": 0.4}, {"dropout": 0.4, "alignment": "attention"}):
        assert in_effect(heard.set_params(**params), "dropout") == 0.4
    assert in_effect(RNNSeq2Seq(solver="lbfgs"), "dropout") == in_effect(told, "dropout")
    with pytest.raises(ValueError, match=r"^dropout must be a number in \[0, 1\) or 'auto', got 1"):
        model(dropout=1.0).fit(*spell(2))
    X, y = spell(20)
    fitted = model(dropout="auto").fit(X, y)
    assert fitted.network_.dropout == in_effect(RNNSeq2Seq(alignment="ctc"), "dropout")
    assert f'{fitted.network_.dropout} with ``alignment="ctc"``' in RNNSeq2Seq.__doc__


def test_labels_may_be_numbers_and_none():
    X, y = spell(30)
    numbers = [[7 * (letter == "a") + 2 for letter in word] for word in y]
    numbers[3] = []
    fitted = model().fit(X, numbers)
    assert fitted.classes_.tolist() == [2, 9]
    assert {labels.dtype.kind for labels in fitted.predict(X)} == {"i"}
    assert np.isfinite(fitted.score_samples(X[3:4], [[]])).all()


@pytest.mark.parametrize(
    "params", [{"stride": 2}, {"conv": [[4, 3, 2]]}, {"stride": 3, "conv": [[4, 3, 1]]}]
)
def test_several_steps_are_read_as_one(params):
    X, y = spell(30, most=3)
    X = [np.repeat(x, 2, axis=0) for x in X]
    fitted = small(RNNSeq2Seq, alignment="ctc", **params).fit(X, y)
    stride = fitted.network_.architecture.total_stride
    for x, p, places in zip(X, fitted.predict_proba(X), fitted.align(X, y), strict=True):
        assert len(p) == len(places) == -(-len(x) // stride)
    for n in range(5):
        assert_allclose(
            fitted.predict_proba(X[n : n + 1])[0], fitted.predict_proba(X)[n], rtol=1e-5
        )
    assert fitted.estimate_memory(X, y) > 0


@pytest.mark.parametrize("params", [{"stride": 2}, {"conv": [[3, 3, 2]], "bidirectional": True}])
def test_the_gradient_through_several_steps(params):
    X, y = spell(5, most=3)
    fitted = small(RNNSeq2Seq, alignment="ctc", dtype="float64", alpha=0.0, **params).fit(X, y)
    network = fitted.network_
    sequences = fitted.reader_.read(X, "float64")
    target = fitted.task_.encode(y, sequences, None)

    def loss(theta):
        return network.loss_and_grad(
            sequences, np.arange(5), target.values, target.weight, theta=theta
        )

    theta = network.theta.copy()
    loss(theta)
    gradient = network.grad.copy()
    for k in range(0, len(theta), 3):
        sides = [theta.copy(), theta.copy()]
        sides[0][k] -= 1e-6
        sides[1][k] += 1e-6
        below, above = map(loss, sides)
        assert_allclose(gradient[k], (above - below) / 2e-6, rtol=1e-6, atol=1e-7)


def test_validation_scores_are_minus_the_error_rate():
    X, y = spell(40)
    weight = np.arange(40) % 3
    fitted = model().fit(X, y, validation_data=(X, y, weight))
    expected = -edit_error_rate(y, fitted.predict(X), sample_weight=weight)
    assert_allclose(fitted.validation_scores_[-1], expected)
    stopped = model(early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert stopped.best_validation_score_ == max(stopped.validation_scores_)


def test_files(tmp_path, learned):
    fitted, X, _ = learned
    fitted.save(tmp_path / "speller")
    again = load(tmp_path / "speller")
    for one, other in zip(fitted.predict(X), again.predict(X), strict=True):
        assert_array_equal(one, other)


def test_a_stream_says_the_probabilities_of_each_step():
    X, y = spell(20)
    fitted = model().fit(X, y)
    stream, expected = fitted.stream(), fitted.predict_proba(X[:1])[0]
    for x_t, p_t in zip(X[0], expected, strict=True):
        assert_allclose(stream.step(x_t), p_t, rtol=1e-5)


GOOD = spell(6)


@pytest.mark.parametrize(
    ("place", "labels", "error", "words"),
    [
        (2, ["a", None], ValueError, "label 1 of sequence 2 in y is missing, or -1"),
        (1, "ab", TypeError, r"sequence 1 in y is the text 'ab', expected a list of labels"),
        (0, ["a"] * 9, ValueError, r"sequence 0 has \d+ steps for 9 labels, expected 17 or more"),
        (0, [1], ValueError, "Unknown label type: y has"),
    ],
)
def test_labels_that_are_refused(place, labels, error, words):
    X, y = GOOD
    y = [labels if n == place else word for n, word in enumerate(y)]
    with pytest.raises(error, match=words):
        model().fit(X, y)


@pytest.mark.parametrize("y", [[[], []], [["a"], ["a", "a"]], [[1], []]])
def test_two_labels_are_needed(y):
    X = [np.zeros((5, 1)), np.ones((6, 1))]
    with pytest.raises(ValueError, match="expected two or more different ones"):
        model().fit(X, y)


def test_what_is_not_known(learned):
    fitted, X, y = learned
    assert fitted.score(X[:1], [["z"]]) == 0
    with pytest.raises(ValueError, match="label 0 of sequence 0 in y is 'z', which is not"):
        fitted.align(X[:1], [["z"]])
    some = fitted.score_samples(X[:3], [y[0], [*y[1], "z"], y[2]])
    assert_array_equal(some[[0, 2]], fitted.score_samples(X[:3], y[:3])[[0, 2]])
    assert some[1] == -np.inf
    with pytest.raises(ValueError, match="y has whole numbers, but the classes"):
        fitted.score(X[:1], [[1]])
    with pytest.raises(ValueError, match="y has 1 entries"):
        fitted.score(X[:2], y[:1])
    assert fitted.score_samples([X[0][:1]], [["a", "b"]]) == -np.inf
    with pytest.raises(ValueError, match="has 1 steps for 2 labels"):
        fitted.align([X[0][:1]], [["a", "b"]])
    for n, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n must be"):
            fitted.predict_nbest(X[:1], n)


def test_a_model_answers_as_it_was_fitted_whatever_its_parameter_is_now(learned):
    fitted, X, y = learned
    expected = fitted.predict_proba(X)[0]
    fitted.set_params(alignment="attention")
    assert_array_equal(fitted.predict_proba(X)[0], expected)
    assert not hasattr(fitted, "attention_weights")
    assert len(fitted.predict(X)) == len(y)
    fitted.set_params(alignment="ctc")


def test_partial_fit_is_told_all_labels():
    X, y = spell(20)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model().partial_fit(X, y)
    fitted = model().partial_fit(X, y, classes=["a", "b", "c", "d"])
    assert fitted.n_outputs_ == 5
    fitted.partial_fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True goes on from the fitted model"):
        fitted.set_params(warm_start=True).fit(X, y)
