"""RNNTagger with a conditional random field; its mathematics are in test_crf.py."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from contract import PLAIN, same

from fastrnn import RNNTagger, load
from fastrnn.estimators.tag_schemes import SCHEMES
from fastrnn.interop import to_torch_state_dict

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a tagger with a CRF that trains in milliseconds."""
    plain = {**PLAIN, "hidden_layer_sizes": 4, "scaling": None, "max_iter": 2, "random_state": 0}
    return RNNTagger(**{**plain, "output": "crf", **params})


def spans(n=30):
    """Sequences with a span wherever their number is large, of the type that it begins with."""
    rng = np.random.default_rng(n)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(1, 8, n)]
    y = []
    for x in X:
        tags = []
        for a, b in x:
            if a < 0.2:
                tags.append("O")
            elif tags and tags[-1] != "O":
                tags.append("I" + tags[-1][1:])
            else:
                tags.append("B-up" if b > 0 else "B-down")
        y.append(tags)
    return X, y


X, Y = spans()


@pytest.fixture(scope="module")
def fitted():
    """Return a tagger whose tags are those of BIO; to be read only."""
    return small(constraints="bio", max_iter=12, learning_rate_init=0.05).fit(X, Y)


def pairs_of(tags):
    """Every tag with the next, None at the ends."""
    return list(itertools.pairwise([None, *tags, None]))


# Predictions.


def test_it_learns_what_follows_what(fitted):
    assert fitted.score(X, Y) > 0.8
    assert fitted.transitions_.shape == (5, 5)
    wrong = ("B-down", "I-up"), ("I-up", "I-down"), ("O", "I-up")
    k = {tag: i for i, tag in enumerate(fitted.classes_)}
    for i, j in itertools.product(fitted.classes_, repeat=2):
        is_wrong = j[0] == "I" and j[2:] != i[2:]
        assert (fitted.transitions_[k[i], k[j]] == -np.inf) == is_wrong
    assert all(np.isneginf(fitted.transitions_[k[i], k[j]]) for i, j in wrong)


def test_forbidden_tags_are_never_predicted():
    model = small(constraints="bio", max_iter=1).fit(X, Y)
    for tags in model.predict(X):
        for before, after in pairs_of(tags):
            if after and after[0] == "I":
                assert before and before[1:] == after[1:] and before != "O"
    starts = np.array([p[0] for p in model.predict_proba(X)])
    assert np.all(starts[:, [tag[0] == "I" for tag in model.classes_]] == 0)
    free = small(max_iter=1).fit(X, Y)
    assert np.isfinite(free.transitions_).all()


def test_probabilities_are_marginals(fitted):
    for p, x in zip(fitted.predict_proba(X), X, strict=True):
        assert p.shape == (len(x), 5) and p.dtype == np.float32
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    # Over the sequences of tags of the first two steps, whose probabilities add up to 1.
    (x,) = [x for x in X if len(x) == 2][:1]
    paths = list(itertools.product(fitted.classes_, repeat=2))
    p = np.exp(fitted.score_samples([x] * len(paths), paths))
    assert p.sum() == pytest.approx(1, rel=1e-5)
    (marginals,) = fitted.predict_proba([x])
    for t, (k, tag) in itertools.product(range(2), enumerate(fitted.classes_)):
        own = sum(q for q, path in zip(p, paths, strict=True) if path[t] == tag)
        assert marginals[t, k] == pytest.approx(own, rel=1e-4, abs=1e-6)
    assert tuple(fitted.predict([x])[0]) == paths[p.argmax()]


# How likely labels are.


def test_score_samples_of_a_softmax():
    model = small(output="softmax").fit(X, Y)
    y = [[None, *tags[1:]] for tags in Y]
    got = model.score_samples(X, y)
    assert got.shape == (30,) and got.dtype == np.float64
    for value, p, tags in zip(got, model.predict_proba(X), y, strict=True):
        k = [model.classes_.tolist().index(tag) for tag in tags[1:]]
        expected = np.log(p[range(1, len(tags)), k]).sum(dtype=float)
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-6)
    np.testing.assert_array_equal(
        model.score_samples(X[:2], [["new"] * len(x) for x in X[:2]]), -np.inf
    )
    with pytest.raises(ValueError, match="y has whole numbers, but the classes"):
        model.score_samples(X, [[1] * len(x) for x in X])


def test_score_samples_sum_over_what_is_not_known(fitted):
    tags = next(tags for tags in Y if len(tags) > 3)
    x = X[Y.index(tags)]
    partly = [tags[0], None, *tags[2:]]
    some = [[tags[0], tag, *tags[2:]] for tag in fitted.classes_]
    total = np.logaddexp.reduce(fitted.score_samples([x] * 5, some))
    assert fitted.score_samples([x], [partly])[0] == pytest.approx(total, rel=1e-5)
    assert fitted.score_samples([x], [[None] * len(x)])[0] == pytest.approx(0, abs=1e-6)
    impossible = ["I-up"] + ["O"] * (len(x) - 1)
    unknown = ["B-new"] + ["O"] * (len(x) - 1)
    got = fitted.score_samples([x, x, x], [impossible, unknown, tags])
    np.testing.assert_array_equal(got[:2], -np.inf)
    assert np.isfinite(got[2])


# Training.


def test_weights_are_of_sequences():
    weight = np.arange(30) % 3
    by_step = [[w] * len(x) for w, x in zip(weight, X, strict=True)]
    model = small().fit(X, Y, sample_weight=weight)
    assert same(model, small().fit(X, Y, sample_weight=by_step))
    assert not same(model, small().fit(X, Y))
    by_step[1] = [1] * len(X[1])
    by_step[1][0] = 0  # is not known
    y = [list(tags) for tags in Y]
    y[1][0] = None
    partly = small().fit(X, Y, sample_weight=by_step)
    assert same(partly, small().fit(X, y, sample_weight=weight))
    assert not same(partly, model)


def test_threads_change_nothing():
    options = {"batch_size": 64, "hidden_layer_sizes": 8}
    many, tags = spans(70)
    one, two = (small(n_jobs=n, **options).fit(many, tags) for n in (1, 2))
    assert same(one, two)
    np.testing.assert_array_equal(
        np.concatenate(one.predict_proba(many)), np.concatenate(two.predict_proba(many))
    )


def test_files_and_pickles(fitted, tmp_path):
    fitted.save(tmp_path / "crf.fastrnn")
    for again in (load(tmp_path / "crf.fastrnn"), pickle.loads(pickle.dumps(fitted))):
        assert (again.output, again.constraints) == ("crf", "bio")
        np.testing.assert_array_equal(again.transitions_, fitted.transitions_)
        np.testing.assert_array_equal(again.score_samples(X, Y), fitted.score_samples(X, Y))


def test_training_goes_on():
    model = small(constraints="bio").partial_fit(X, Y, sorted({*itertools.chain(*Y)}))
    before = model.network_.theta.copy()
    model.partial_fit(X, Y)
    assert model.n_iter_ == 2 and not np.array_equal(model.network_.theta, before)
    for change in ({"output": "softmax"}, {"constraints": None}, {"constraints": "bilou"}):
        other = pickle.loads(pickle.dumps(model)).set_params(warm_start=True, **change)
        name = next(iter(change))
        for train, what in ((other.fit, "warm_start=True"), (other.partial_fit, "partial_fit")):
            with pytest.raises(ValueError, match=f"^{what} goes on from .* has {name}="):
                train(X, Y)


def test_early_stopping_scores_the_most_probable_tags():
    model = small(early_stopping=True, max_iter=3, constraints="bio").fit(
        X, Y, validation_data=(X[:9], Y[:9])
    )
    assert model.best_validation_score_ == pytest.approx(model.score(X[:9], Y[:9]), rel=1e-12)


def test_looking_inside(fitted):
    gradients = fitted.input_gradients(X[:3], Y[:3])
    assert [part.shape for part in gradients] == [x.shape for x in X[:3]]
    flow = fitted.gradient_flow(X, Y)
    assert np.isfinite(flow.from_start).all()
    with pytest.raises(ValueError, match="no export of the head 'crf'"):
        to_torch_state_dict(fitted)
    with pytest.raises(AttributeError, match="transitions_ is of output='crf'"):
        _ = small(output="softmax").fit(X, Y).transitions_


def slopes(function, x, step=1e-5):
    """Central differences of a function of a sequence."""
    bumps = step * np.eye(x.size).reshape(-1, *x.shape)
    values = [(function(x + bump) - function(x - bump)) / (2 * step) for bump in bumps]
    return np.reshape(values, x.shape)


@pytest.mark.parametrize("scaling", [None, "standard"])
def test_input_gradients(scaling):
    model = small(scaling=scaling, constraints="bio", dtype="float64").fit(X, Y)
    n = [i for i, x in enumerate(X) if len(x) in (1, 2, 5)][:4]
    some, head = [X[i] for i in n], model.network_.head.params
    of_loss = model.input_gradients(some, [Y[i] for i in n])
    of_class = model.input_gradients(some, output=2)
    for i, loss, output in zip(n, of_loss, of_class, strict=True):

        def score(x):
            # Of the class by itself, without transitions.
            (states,) = model.hidden_states([x])
            return (states @ head["W"][:, 2] + head["b"][2]).sum()

        def mean_loss(x, tags=Y[i]):
            return -model.score_samples([x], [tags])[0] / len(tags)

        np.testing.assert_allclose(output, slopes(score, X[i]), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(loss, slopes(mean_loss, X[i]), rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="the model has 5 outputs: choose one with output"):
        model.input_gradients(X)


def test_memory_without_targets():
    assert small(output="softmax").estimate_memory(X) < small().estimate_memory(X)


# Streams.


def test_streams_give_filtered_marginals():
    model = small(bidirectional=False, constraints="bio", dtype="float64").fit(X, Y)
    ends = np.exp(model.network_.head.params["ends"])
    n = np.argsort([-len(x) for x in X])[:2]
    streams = model.stream(2)
    one = pickle.loads(pickle.dumps(model.stream()))
    for t in range(len(X[n[1]])):
        said = streams.step([X[i][t] for i in n])
        for i, filtered in zip(n, said, strict=True):
            (proba,) = model.predict_proba([X[i][: t + 1]])
            expected = filtered * ends  # the sequence might have ended here
            np.testing.assert_allclose(proba[-1], expected / expected.sum(), rtol=1e-9)
        out = np.empty(5)
        assert one.step(X[n[0]][t], out) is out
        np.testing.assert_allclose(out, said[0], rtol=1e-12)
        one = copy.copy(one)
        np.testing.assert_array_equal(one.state["filtered"], [out])
    streams.reset([0])
    again = streams.step([X[n[0]][0]] * 2)
    np.testing.assert_allclose(again[0], model.stream().step(X[n[0]][0]), rtol=1e-12)
    assert not np.allclose(again[0], again[1])


def test_streams_know_no_stride():
    model = small(bidirectional=False, stride=2).fit(X, Y)
    with pytest.raises(ValueError, match="no stream of a model with output='crf' and stride"):
        model.stream()


# What it refuses.


def changed(n, t, tag):
    y = [list(tags) for tags in Y]
    y[n][t] = tag
    return y


LONG = next(n for n, tags in enumerate(Y) if len(tags) > 3)
SOME = [["B-a", "L-a", "O", "U-a"], ["O", "B-a", "I-a", "L-a"]]
XS = [np.zeros((4, 1)), np.zeros((4, 1))]


def bilou(*first):
    return [list(first), SOME[1]]


@pytest.mark.parametrize(
    ("scheme", "y", "message"),
    [
        ("bio", changed(LONG, 0, "I-up"), f"sequence {LONG}, step 0: y has 'I-up' at the start"),
        ("bio", changed(0, 0, "X"), "constraints='bio' is for tags, .*, but y has the label 'X'"),
        ("bio", changed(0, 0, "U-up"), "y has the label 'U-up'"),
        ("bilou", bilou("O", "I-a", "L-a", "O"), "sequence 0, step 1: y has 'I-a' after 'O'"),
        ("bilou", bilou("B-a", "O", "O", "U-a"), "step 1: y has 'O' after 'B-a'"),
        ("bilou", bilou("O", "O", "O", "B-a"), "sequence 0: y has tags that the constraints"),
        ("bilou", bilou("U-a", None, "L-a", "B-a"), "sequence 0"),
        ("bilou", bilou("O", None, "I-a", None), None),
        ("bilou", bilou("B-a", None, "U-a", None), None),
        ("bilou", bilou("B-a", None, "B-a", "O"), "step 3: y has 'O' after 'B-a'"),
        ("bilou", bilou("I-a", None, None, "O"), "step 0: y has 'I-a' at the start"),
        ("bilou", bilou("U-a", None, "O", "L-a"), "step 3: y has 'L-a' after 'O'"),
    ],
)
def test_tags_that_may_not_be(scheme, y, message):
    model = small(constraints=scheme)
    inputs = X if scheme == "bio" else XS
    if message is None:
        model.fit(inputs, y)
        assert np.isfinite(model.loss_)
        return
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, y)


def test_tags_of_steps_without_weight_may_be_anything():
    weight = [np.ones(len(x)) for x in X]
    weight[LONG][0] = 0
    model = small(constraints="bio")
    wrong = changed(LONG, 0, "I-up"), changed(LONG, 0, None)
    one, other = (pickle.loads(pickle.dumps(model)).fit(X, y, weight) for y in wrong)
    assert same(one, other)


def test_bilou_says_what_may_follow():
    classes = np.array(["B-a", "I-a", "L-a", "O", "U-a", "U-b"])
    may = SCHEMES["bilou"].may_follow(classes)
    names = ["", *classes]
    allowed = {(names[i], names[j]) for i, j in zip(*np.nonzero(may), strict=True)}
    outside = {"", "L-a", "O", "U-a", "U-b"}
    begin = {"", "B-a", "O", "U-a", "U-b"}
    inside = itertools.product(("B-a", "I-a"), ("I-a", "L-a"))
    assert allowed == {*itertools.product(outside, begin), *inside}


def test_weights_within_a_sequence():
    weight = [np.ones(len(x)) for x in X]
    weight[LONG][1] = 2.5
    with pytest.raises(ValueError, match=f"sequence {LONG}: sample_weight has 1 and 2.5 for steps"):
        small().fit(X, Y, sample_weight=weight)


def test_weights_of_classes():
    with pytest.raises(ValueError, match="class_weight is for output='softmax'"):
        small(class_weight="balanced").fit(X, Y)
    small(class_weight="balanced", output="softmax", constraints="bio").fit(X, Y)


def test_constraints_are_for_tags():
    with pytest.raises(ValueError, match="constraints='bio' is for tags"):
        small(constraints="bio").fit(X, [np.arange(len(x)) for x in X])
