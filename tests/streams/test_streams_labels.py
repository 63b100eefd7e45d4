"""Streams of label sequences: frames in, new labels out, in all those of the whole."""

import copy
import datetime
import pickle
from itertools import pairwise

import numpy as np
import pytest
from front_cases import FRONT, FRONTS

from fastrnn import RNNSeq2Seq
from fastrnn.network import rounding

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(n=12, width=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, width)) for length in rng.integers(12, 90, size=n)]


def fit(X=None, **params):
    """A model with untidy weights, which says many labels, and many twice."""
    X = draw() if X is None else X
    y = [[("a", "b", "c")[n % 3]] for n in range(len(X))]
    params = {"hidden_layer_sizes": (6, 5), "max_iter": 1, "random_state": 0, "conv": None} | params
    model = RNNSeq2Seq(alignment="ctc", bidirectional=False, **params).fit(X, y)
    theta = model.network_.theta
    theta += 0.8 * np.random.default_rng(1).standard_normal(theta.shape).astype(theta.dtype)
    head = model.network_.head.params
    head["b"][...] = -np.concatenate(model.hidden_states(X)).mean(axis=0) @ head["W"]
    return model


@pytest.fixture(scope="module")
def plain():
    """A model that reads every frame by itself, to be read only."""
    return fit()


@pytest.fixture(scope="module")
def fronted():
    """A model of patches and convolutions, to be read only."""
    return fit(**FRONTS["all"])


def cuts(length, rng, most=7):
    """Where pushes of random lengths, none among them, begin and end."""
    inner = np.sort(rng.integers(length + 1, size=max(0, length // most)))
    return [0, *inner.tolist(), length]


def push_all(stream, x, ends):
    return [label for a, b in pairwise(ends) for label in stream.push(x[a:b])]


@FRONT
@DTYPES
def test_pushes_of_any_cut_say_what_is_predicted(front, dtype):
    model, rng = fit(dtype=dtype, **front), np.random.default_rng(2)
    X = [*draw(seed=3), *[x[:n] for n, x in enumerate(draw(6, seed=4), 1)]]
    expected = [labels.tolist() for labels in model.predict(X)]
    assert max(map(len, expected)) > 2
    stream = model.stream()
    for x, labels in zip(X, expected, strict=True):
        for ends in (range(len(x) + 1), [0, len(x)], cuts(len(x), rng)):
            said = push_all(stream, x, ends)
            assert said == labels[: len(said)]
            assert said + stream.finish().tolist() == labels
            assert stream.state["n_steps"] == 0


@FRONT
def test_models_that_round(front, monkeypatch):
    monkeypatch.setattr(rounding, "has_bfloat16", lambda: True)
    model = fit(precision="bfloat16", **front)
    for x, labels in zip(draw(6, seed=3), model.predict(draw(6, seed=3)), strict=True):
        stream = model.stream()
        assert push_all(stream, x, [0, 7, 9, len(x)]) + stream.finish().tolist() == labels.tolist()


@FRONT
def test_streams_side_by_side_are_pushed_unequal_numbers_of_frames(front):
    model, rng = fit(dtype="float64", **front), np.random.default_rng(5)
    X = draw(9, seed=6)
    stream, said, at = model.stream(9), [[] for _ in X], np.zeros(9, int)
    while (at < [len(x) for x in X]).any():
        n_next = rng.integers(6, size=9) * rng.integers(2, size=9)
        new = stream.push([x[a : a + n] for x, a, n in zip(X, at, n_next, strict=True)])
        at += n_next
        for of_one, labels in zip(said, new, strict=True):
            of_one += labels.tolist()
    for n in range(0, 9, 2):
        rest = stream.finish([n])
        said[n] += rest[n].tolist()
        assert not sum(map(len, rest)) - len(rest[n])
    for of_one, labels in zip(said, stream.finish(), strict=True):
        of_one += labels.tolist()
    assert said == [labels.tolist() for labels in model.predict(X)]


def test_one_array_for_all_streams(plain):
    X = np.random.default_rng(7).normal(size=(4, 20, 2))
    stream = plain.stream(4)
    firsts, rest = stream.push(X[:, :9]), stream.push(X[:, 9:])
    said = [[*one, *other] for one, other in zip(firsts, rest, strict=True)]
    assert said == [labels.tolist() for labels in plain.predict(X)]


def test_a_repeat_is_not_said_twice_wherever_streams_are_kept(fronted):
    x = draw(1, seed=8)[0]
    (expected,), stream, said = fronted.predict([x]), fronted.stream(), []
    for x_t in x:
        said += stream.push(x_t[np.newaxis]).tolist()
        other = fronted.stream()
        other.state = stream.state
        copies = [copy.copy(stream), pickle.loads(pickle.dumps(stream)), other]
        rests = [said + one.finish().tolist() for one in copies]
        stream = pickle.loads(pickle.dumps(stream))
        assert rests[0] == rests[1] == rests[2]
    assert rests[0] == expected.tolist()


def test_a_label_comes_as_soon_as_it_is_final():
    model, x = fit(stride=3, dtype="float64"), draw(1, seed=9)[0]
    stream, n_said = model.stream(), 0
    for t in range(len(x)):
        n_said += len(stream.push(x[t : t + 1]))
        rows = (t + 1) // 3
        assert n_said == (len(model.predict([x[: 3 * rows]])[0]) if rows else 0)


@FRONT
def test_steps_say_probabilities_and_bring_labels(front):
    model, x = fit(dtype="float64", **front), draw(1, seed=10)[0]
    one, other = model.stream(), model.stream(2)
    for t, x_t in enumerate(x):
        expected = model.predict_proba([x[: t + 1]])[0][-1]
        out = np.empty(4)
        assert one.step(x_t, out) is out
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(other.step([x_t] * 2), [out] * 2, rtol=0, atol=1e-12)
        said = one.new_labels.tolist()
        assert [labels.tolist() for labels in other.new_labels] == [said, said]
    total = [*push_all(model.stream(), x, range(len(x) + 1))]
    again = model.stream()
    mixed = again.push(x[:5]).tolist()
    for x_t in x[5:11]:
        again.step(x_t)
        mixed += again.new_labels.tolist()
    mixed += again.push(x[11:]).tolist()
    assert mixed == total
    assert again.new_labels.tolist() == mixed[len(mixed) - len(again.new_labels) :]
    rest = again.finish().tolist()
    assert again.new_labels.tolist() == rest


def test_reset_forgets(fronted):
    X, stream = draw(2, seed=11), fronted.stream(2)
    fresh = stream.state
    stream.push([X[0][:11], X[1][:11]])
    stream.reset([1])
    for name, array in stream.state.items():
        np.testing.assert_array_equal(array[1], fresh[name][1])
    said = stream.push([X[0][11:], X[1]])[1].tolist() + stream.finish()[1].tolist()
    assert said == fronted.predict(X[1:])[0].tolist()
    assert [labels.tolist() for labels in stream.finish()] == [[], []]


def test_frames_of_ids_gaps_and_times():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(12)
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)

    def frame(n):
        seconds = np.cumsum(rng.integers(60, size=n)).tolist()
        return pd.DataFrame(
            {
                "when": [start + datetime.timedelta(seconds=s) for s in seconds],
                "kind": rng.choice(["x", "y", "z"], size=n),
                "value": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            }
        )

    X = [frame(n) for n in rng.integers(10, 20, size=9)]
    params = {"missing": "mask", "time_feature": "when", "categorical_features": ["kind"]}
    model = fit(X, stride=2, **params)
    expected = [labels.tolist() for labels in model.predict(X)]
    for x, labels in zip(X, expected, strict=True):
        stream = model.stream()
        said = [*stream.push(x[:4]), *stream.push(x[4:4]), *stream.push(x[4:]), *stream.finish()]
        assert said == labels
    stream = model.stream(9)
    firsts = stream.push([x[:n] for n, x in enumerate(X)])
    seconds = stream.push([x[n:] for n, x in enumerate(X)])
    thirds = stream.finish()
    assert [[*a, *b, *c] for a, b, c in zip(firsts, seconds, thirds, strict=True)] == expected
    stream = model.stream()
    stream.push(X[0][:4])
    before = stream.state
    with pytest.raises(ValueError, match=r"frame 2: feature 0 of x is the time .* not before"):
        stream.push(X[0].iloc[[4, 5, 0]])
    assert_same_state(stream.state, before)
    other_zone = X[0][4:].assign(when=X[0]["when"].dt.tz_localize(None))
    with pytest.raises(ValueError, match="the time, is a date without zone, but that of the"):
        stream.push(other_zone)
    assert_same_state(stream.state, before)


def assert_same_state(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_ids_alone():
    rng = np.random.default_rng(13)
    X = [rng.integers(5, size=n) for n in rng.integers(8, 20, size=9)]
    model = fit(X, embedding_dim=3)
    for x, labels in zip(X, model.predict(X), strict=True):
        stream = model.stream()
        assert [*stream.push(x[:3]), *stream.push(x[3:].tolist())] == labels.tolist()


def test_texts():
    X = ["abcab" * 3, "cab" * 4, "bca" * 5]
    params = {"hidden_layer_sizes": 8, "tokenizer": "char", "random_state": 0, "max_iter": 1}
    model = RNNSeq2Seq(alignment="ctc", bidirectional=False, conv=None, **params)
    model.fit(X, ["ab", "c", "ba"])
    theta = model.network_.theta
    theta += 0.8 * np.random.default_rng(1).standard_normal(theta.shape).astype(theta.dtype)
    stream = model.stream(3)
    said = [stream.push([list(x[:4]) for x in X]), stream.push([list(x[4:]) for x in X])]
    assert ["".join([*a, *b]) for a, b in zip(*said, strict=True)] == model.predict(X).tolist()
    with pytest.raises(TypeError, match="stream 1: frames are the text 'b', expected a list of"):
        stream.push([["a"], "b", []])
    with pytest.raises(ValueError, match="x has 'z', which is not a token of the vocabulary"):
        model.stream().push(["a", "z"])


@pytest.mark.parametrize(
    ("n_streams", "frames", "error", "words"),
    [
        (1, [[0, 1], [np.nan, 0]], ValueError, "frame 1: feature 0 of x is NaN, expected a finite"),
        (1, np.zeros((3, 3)), ValueError, r"x has shape \(3, 3\), expected \(3, 2\): frames, and"),
        (1, [0.0, 1.0], ValueError, r"x has shape \(2,\), expected \(2, 2\)"),
        (1, [[0.0, 1.0], [2.0]], ValueError, "x has rows of unequal length"),
        (1, 3.0, TypeError, "frames must be an array with a row for each, got 3.0"),
        (1, np.float64(3), TypeError, "frames must be an array with a row for each"),
        (1, "ab", TypeError, "frames are the text 'ab'"),
        (2, np.zeros((3, 2)), ValueError, "there are 2 streams, expected the frames of each"),
        (2, 1, TypeError, "frames must be an array"),
        (2, [np.zeros((1, 2)), [["a", "b"]]], TypeError, "stream 1: x has dtype <U1, expected num"),
        (
            3,
            [[], [[0, 0], [0, 1]], [[0, 0], [np.inf, 1]]],
            ValueError,
            "frame 1: stream 2, feature",
        ),
        (3, [[[0, 0]], [], [[0, 0], [np.inf, 1]]], ValueError, "frame 1: stream 2, feature 0 of x"),
    ],
)
def test_frames_that_are_refused_change_nothing(plain, n_streams, frames, error, words):
    stream = plain.stream(n_streams)
    begin = draw(1)[0][:9]
    stream.push(begin if n_streams == 1 else [begin] * n_streams)
    before = stream.state
    with pytest.raises(error, match=words):
        stream.push(frames)
    assert_same_state(stream.state, before)


@pytest.mark.parametrize("name", ["path", "pending"])
@pytest.mark.parametrize("value", [-1, 4])
def test_states_that_no_step_leaves_behind(fronted, name, value):
    stream = fronted.stream(2)
    state = stream.state
    assert state["path"].tolist() == [3, 3]
    with pytest.raises(ValueError, match=f"{name} of state has numbers that no step leaves"):
        stream.state = state | {name: np.full_like(state[name], value)}


def test_streams_that_are_not_there(plain):
    with pytest.raises(IndexError):
        plain.stream(2).finish([2])
    with pytest.raises(TypeError, match="which must have numbers"):
        plain.stream(2).finish("a")
    both = RNNSeq2Seq(4, alignment="ctc", max_iter=1).fit(draw(4), [["a"], ["b"]] * 2)
    with pytest.raises(ValueError, match="fitted with bidirectional=True"):
        both.stream()
