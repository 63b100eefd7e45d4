"""Columns are found by name, and sequences by position, beyond fit and predict."""

import collections

import numpy as np
import pytest

from fastrnn import RNNClassifier
from fastrnn.inspection import permutation_importance
from fastrnn.preprocessing import SequenceScaler

pandas = pytest.importorskip("pandas")

rng = np.random.default_rng(0)
X = [rng.normal(size=(length, 2)) for length in (3, 5, 4, 6)]
Y = [0, 1, 0, 1]
FRAMES = [pandas.DataFrame(x, columns=["a", "b"]) for x in X]
Step = collections.namedtuple("Step", "b a")


@pytest.fixture(scope="module")
def model():
    model = RNNClassifier(3, max_iter=2, learning_rate="cosine", random_state=0)
    return model.fit(FRAMES, Y)


def cells(data=X):
    """A data frame with a row for each sequence."""
    return pandas.DataFrame({name: [x[:, j].tolist() for x in data] for j, name in enumerate("ab")})


@pytest.mark.parametrize(
    "given",
    [
        [frame if i % 2 == 0 else frame[["b", "a"]] for i, frame in enumerate(FRAMES)],
        pandas.Series(FRAMES, index=[3, 1, 2, 0]),
        cells(),
        "arrow",
        "torch",
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_features_are_permuted_by_name(model, given):
    if isinstance(given, str) and given == "arrow":
        given = [pytest.importorskip("pyarrow").Table.from_pandas(frame) for frame in FRAMES]
    elif isinstance(given, str):
        torch = pytest.importorskip("torch")
        given = [torch.tensor(x, requires_grad=True) for x in X]
    one, other = (
        permutation_importance(model, data, Y, random_state=0, n_repeats=3, scoring=log_loss)
        for data in (given, FRAMES)
    )
    np.testing.assert_allclose(one.importances, other.importances, rtol=1e-6, atol=1e-9)
    assert np.ptp(other.importances) > 0


def log_loss(estimator, X, y):
    """A score that every change is seen in."""
    return np.log(estimator.predict_proba(X)[np.arange(len(y)), y]).mean()


def test_permuted_features_have_the_order_of_the_first_frame(model):
    swapped = [frame[["b", "a"]] for frame in FRAMES]
    one, other = (
        permutation_importance(model, data, Y, random_state=0, scoring=log_loss).importances
        for data in (swapped, FRAMES)
    )
    assert one.shape == other.shape


@pytest.mark.parametrize(
    "step",
    [
        pandas.Series({"b": 2.0, "a": 1.0}),
        {"a": 1.0, "b": 2.0},
        {"b": 2.0, "a": 1.0},
        pandas.DataFrame({"b": [2.0], "a": [1.0]}),
        "arrow",
        "torch",
    ],
    ids=str,
)
def test_a_step_of_a_stream_is_read_by_name(model, step):
    if isinstance(step, str) and step == "arrow":
        step = pytest.importorskip("pyarrow").table({"b": [2.0], "a": [1.0]})
    elif isinstance(step, str):
        step = pytest.importorskip("torch").tensor([1.0, 2.0], requires_grad=True)
    answer = model.stream().step(step)
    if hasattr(step, "shape") and len(step.shape) == 2:
        (answer,) = answer  # of a data frame of one row
    np.testing.assert_array_equal(answer, model.stream().step([1.0, 2.0]))


def test_a_step_of_a_stream_with_words():
    frames = [pandas.DataFrame({"x": [1.0, 2.0], "word": ["u", word]}) for word in "uvuv"]
    model = RNNClassifier(
        3, categorical_features="from_dtype", max_iter=1, learning_rate="cosine", random_state=0
    ).fit(frames, Y)
    stream = model.stream()
    for row in frames[1].to_dict("records"):
        answer = stream.step(row)
    np.testing.assert_allclose(answer, model.predict_proba(frames[1:2])[0], rtol=1e-5)


def test_steps_of_streams_that_do_not_fit(model):
    stream = model.stream()
    for step, error, message in (
        (Step(2.0, 1.0), TypeError, "x is a named tuple Step with the fields b, a, expected num"),
        ({"a": 1.0, "c": 2.0}, ValueError, "unseen at fit time:\n- c\n(.|\n)*missing:\n- b"),
        (pandas.Series({"a": 1.0}), ValueError, "yet now missing:\n- b"),
    ):
        with pytest.raises(error, match=message):
            stream.step(step)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_scaler_takes_frames_with_lists_in_their_cells(library):
    given = cells()
    if library == "polars":
        given = pytest.importorskip("polars").DataFrame(given)
    elif library == "pyarrow":
        given = pytest.importorskip("pyarrow").Table.from_pandas(given)
    scaled = SequenceScaler().fit(given).transform(given)
    for got, expected in zip(scaled, SequenceScaler().fit(X).transform(X), strict=True):
        np.testing.assert_allclose(np.stack([got["a"], got["b"]], axis=1), expected, rtol=1e-12)
