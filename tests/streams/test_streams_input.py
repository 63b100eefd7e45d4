"""What a step takes, in every form that it has, and what it refuses."""

import tracemalloc
from itertools import repeat

import numpy as np
import pytest
from contract import plain_forecaster
from test_streams import (
    START,
    STEPS,
    TEXT,
    N,
    assert_close,
    assert_same_state,
    classifier,
    draw,
    fitted,
    series_of,
    shake,
)

from fastrnn.estimators import RNNClassifier, RNNLanguageModel, RNNTagger
from fastrnn.kernels.stream import SHARD_ROWS

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def unaligned(array):
    """Return the same numbers, one byte beside where they should begin."""
    moved = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert array.itemsize == 1 or not moved.flags.aligned
    return moved


def field(array):
    """Return the same numbers as a field of a packed structured array."""
    rows = np.zeros(len(array), [("kind", "i1"), ("numbers", array.dtype, array.shape[1:])])
    rows["numbers"] = array
    return rows["numbers"]


def read_only_view(array):
    """Return the array as one that nobody can write to."""
    array = array[...]
    array.flags.writeable = False
    return array


def read_only(array):
    """Return a copy that nobody can write to."""
    return read_only_view(array.copy())


# Every kind of input that is read as it is, or converted.
FORMS = {
    "float64": lambda x: x.astype("float64"),
    "float16": lambda x: x.astype("float16"),
    "list": lambda x: x.tolist(),
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "unaligned": lambda x: unaligned(x),
    "field": lambda x: field(x),
    "field of float64": lambda x: field(x.astype("float64")),
    "unaligned float64": lambda x: unaligned(x.astype("float64")),
    "long double": lambda x: x.astype("longdouble"),
    "memmap": lambda x: x.view(np.memmap),
    "objects": lambda x: x.astype(object),
    "memoryview": memoryview,
    "read only": lambda x: read_only(x),
    "read only, other bytes": lambda x: read_only(x.astype(x.dtype.newbyteorder())),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form, dtype):
    X = np.round(4 * draw()) / 4  # numbers that every type has
    model = classifier(dtype=dtype)
    plain, single, stream = model.stream(N), model.stream(), model.stream(N)
    for t in range(3):
        expected = plain.step(X[:, t])
        assert_close(stream.step(FORMS[form](X[:, t])), expected)
        assert_close(single.step(FORMS[form](X[:1, t])), expected[:1])


@pytest.mark.parametrize("form", ["unaligned", "field", "other bytes", "strided", "read only"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint64", "bool"])
@pytest.mark.parametrize("kind", STEPS)
def test_forms_of_every_kind(kind, dtype, form):
    model, x = fitted(kind)
    x = np.ones(x.shape, dtype)  # a number and an id of every type
    if x.ndim == 1 and form == "strided":
        given = np.repeat(x, 2)[::2]
    else:
        given = FORMS[form](x)
    answers = [model.stream(N).step(step) for step in (x, given, np.broadcast_to(x[:1], x.shape))]
    np.testing.assert_array_equal(answers[1:], answers[:1] * 2)
    if kind != "series":  # a single stream, with the axis of streams and without
        pairs = [(x[:1], given[:1]), (x[0], given[0]), (x[0], np.broadcast_to(x[0], x[0].shape))]
        for plain, other in pairs:
            expected, got = (model.stream().step(step) for step in (plain, other))
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", STEPS)
def test_one_number_for_all(kind):
    model, x = fitted(kind)
    x = np.ones(x.shape)
    without_strides = np.lib.stride_tricks.as_strided(x, x.shape, [0] * x.ndim)
    np.testing.assert_array_equal(model.stream(N).step(without_strides), model.stream(N).step(x))


def test_data_frames():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"level": rng.normal(size=4), "kind": rng.choice(["a", "b", "c"], 4)})
        for _ in range(12)
    ]
    model = RNNClassifier(4, categorical_features="from_dtype", max_iter=1, random_state=0)
    shake(model.fit(frames, np.arange(12) % 3))
    stream = model.stream(2)
    for t in range(4):
        rows = pd.concat([frame.iloc[t : t + 1] for frame in frames[:2]])
        expected = model.predict_proba([frame.iloc[: t + 1] for frame in frames[:2]])
        assert_close(stream.step(rows), expected)
    with pytest.raises(ValueError, match=r"expected one of the categories of fit"):
        stream.step(rows.assign(kind="d"))


def test_axis_of_a_single_stream():
    model = classifier()
    x = draw()[0, 0]
    flat, column = model.stream().step(x), model.stream().step(x[np.newaxis])
    assert flat.shape == (3,) and column.shape == (1, 3)
    univariate = classifier(width=1)
    for x in (0.5, np.float32(0.5), np.array(0.5), [0.5], np.array([0.5])):
        assert_close(univariate.stream().step(x), univariate.predict_proba([[0.5]])[0])
    assert_close(univariate.stream().step([[1]]), univariate.predict_proba([[1.0]]))
    assert univariate.stream(2).step([1, 2]).shape == (2, 3)


def test_out():
    model, X = classifier(), draw()
    stream, other = model.stream(N), model.stream(N)
    out = np.full((N, 3), np.nan, "float32")
    assert stream.step(X[:, 0], out) is out
    np.testing.assert_array_equal(out, other.step(X[:, 0]))
    wrong = {
        "shape": np.empty((N, 2), "float32"),
        "dtype": np.empty((N, 3)),
        "not C-contiguous": np.empty((3, N), "float32").T,
        "not C-contiguous, read-only": np.broadcast_to(np.zeros(3, "float32"), (N, 3)),
        "not C-contiguous, not aligned": field(np.empty((N, 3), "float32")),
        "not aligned": unaligned(np.empty((N, 3), "float32")),
        "read-only": read_only(np.empty((N, 3), "float32")),
        "not aligned, read-only": read_only_view(unaligned(np.empty((N, 3), "float32"))),
        ">f4": np.empty((N, 3), ">f4"),
    }
    before = stream.state
    for what, array in wrong.items():
        with pytest.raises(
            ValueError, match=r"out must be a C-contiguous float32 array of shape"
        ) as caught:
            stream.step(X[:, 1], array)
        told = str(caught.value).partition(", got ")[2]
        faults = {"shape": "(5, 2)", "dtype": "float64", ">f4": ">f4"}
        assert faults.get(what, f"shape (5, 3), {what}") in told
    with pytest.raises(TypeError, match="out is of type list, expected a C-contiguous float32"):
        stream.step(X[:, 1], [0.0])
    assert_same_state(stream.state, before)


@pytest.mark.parametrize("kind", STEPS)
def test_no_step_allocates(kind):
    model, x = fitted(kind)
    cases = [(model.stream(N), x)]
    if kind != "series":
        cases.append((model.stream(), x[0]))
    if kind == "ids":
        cases.append((model.stream(), 3))
    for stream, x_t in cases:
        out = stream.step(x_t)
        if isinstance(out, float):
            out = np.array(out)
        for _ in range(3):
            stream.step(x_t, out)
        tracemalloc.start()
        try:
            times = repeat(None, 200)
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            for _ in times:
                stream.step(x_t, out)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # get_traced_memory makes two numbers and a tuple.
        assert peak - before < 200


@pytest.mark.parametrize(
    ("n", "x", "error", "message"),
    [
        (1, [1.0, 2.0], ValueError, r"x has shape \(2,\), expected \(3,\) or \(1, 3\)"),
        (1, 5.0, ValueError, r"x has shape \(\), expected \(3,\) or \(1, 3\)"),
        (2, [1.0, 2.0, 3.0], ValueError, r"x has shape \(3,\), expected \(2, 3\)"),
        (2, np.zeros((3, 3)), ValueError, r"x has shape \(3, 3\), expected \(2, 3\)"),
        (2, [[1.0, 2.0], [3.0]], ValueError, r"x has rows of unequal length, expected \(2, 3\)"),
        (1, ["a", "b", "c"], TypeError, "x has dtype <U1, expected numbers"),
        (1, [None, 1.0, 2.0], TypeError, "x has dtype object, expected numbers"),
        (1, [1j, 1.0, 2.0], TypeError, "x has dtype complex128, expected numbers"),
        (1, np.ma.masked_equal([1.0, 2.0, 3.0], 2), ValueError, "x has masked numbers"),
        (1, [1.0, np.nan, 2.0], ValueError, "^feature 1 of x is NaN, expected a finite number"),
        (1, np.float32([1, 2, np.inf]), ValueError, "^feature 2 of x is inf, expected a finite"),
        (1, [10**400, 1.0, 2.0], ValueError, "x has a number that does not fit into float64"),
        (1, [1.0, 2.0, -1e39], ValueError, r"feature 2 of x is -1e\+39, which does not fit into"),
        (2, [[1, 2, 3], [4, np.nan, 6]], ValueError, "^stream 1, feature 1 of x is NaN"),
    ],
)
def test_steps_that_are_refused(n, x, error, message):
    stream = classifier().stream(n)
    stream.step(np.ones((n, 3), "float32"))
    before = stream.state
    with pytest.raises(error, match=message):
        stream.step(x)
    assert_same_state(stream.state, before)


def test_a_refused_step_moves_no_stream():
    n = 2 * SHARD_ROWS
    x = draw(n, 1)[:, 0]
    stream = classifier().stream(n)
    x[-1, -1] = np.nan
    with pytest.raises(ValueError, match=f"stream {n - 1}, feature 2 of x is NaN"):
        stream.step(x)
    assert not any(array.any() for array in stream.state.values())


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (5, ValueError, "feature 0 of x is the id 5, expected one from 0 to 4, the ids that fit"),
        (-1, ValueError, "feature 0 of x is -1, expected an id: a whole number >= 0"),
        (2**80, ValueError, r"feature 0 of x is the id 1.2\d*e\+24, expected one from 0 to 4"),
        (1.5, ValueError, "feature 0 of x is 1.5, expected an id"),
        (np.nan, ValueError, "feature 0 of x is nan, expected an id"),
        ("a", TypeError, "x has dtype <U1, expected numbers"),
    ],
)
def test_ids_that_are_refused(x, error, message):
    params = {"embedding_dim": 2, "max_iter": 1, "random_state": 0}
    model = RNNTagger(4, bidirectional=False, **params)
    stream = model.fit([[0, 1, 2, 3, 4]] * 2, [[0, 1, 0, 1, 0]] * 2).stream()
    with pytest.raises(error, match=message):
        stream.step(x)
    assert not any(array.any() for array in stream.state.values())


def test_tokens_that_are_refused():
    stream = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit(TEXT).stream()
    for x in ("&", "the", "", ["&"], np.array([["&"]])):
        with pytest.raises(ValueError, match=r"which is not a token of the vocabulary"):
            stream.step(x)
    model = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit([[0, 1, 2], [1]])
    with pytest.raises(ValueError, match="the id 3, expected one from 0 to 2"):
        model.stream().step(3)  # the end of a text: the next one begins with reset


@pytest.mark.parametrize(
    ("params", "value", "message"),
    [
        ({}, np.nan, "feature 0 of x is NaN: missing='mask' accepts gaps"),
        ({}, np.inf, "feature 0 of x is inf, expected a finite number below 1e150"),
        ({"missing": "mask"}, -1e150, "expected a finite number below 1e150"),
        ({"log": True}, 0.0, "feature 0 of x is 0.0, but log=True needs values above 0"),
        ({"scaling": None}, 1e100, "x has a number that does not fit into float32"),
    ],
)
def test_values_that_a_forecaster_refuses(params, value, message):
    values = series_of({})[1]
    model = plain_forecaster(3, max_iter=1, random_state=0, **params).fit(values[:START])
    stream = model.stream()
    before = stream.state
    with pytest.raises(ValueError, match=message):
        stream.step(value)
    assert_same_state(stream.state, before)
