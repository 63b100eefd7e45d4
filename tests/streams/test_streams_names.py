"""Steps of streams that have names, and tokens beside what is none."""

from collections import namedtuple

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNLanguageModel

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


@pytest.fixture(scope="module")
def framed():
    """A model of data frames, and one of them."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frames = [
        pandas.DataFrame({"wind": rng.normal(size=4), "at": ["sea", "hill"] * 2, "rain": 1.0 + i})
        for i in range(6)
    ]
    model = RNNClassifier(3, categorical_features=["at"], max_iter=1, random_state=0)
    return model.fit(frames, [0, 1] * 3), frames[0]


Named = namedtuple("Named", "rain at wind")
ROWS = {
    "a row of pandas": lambda frame: frame.iloc[0],
    "in another order": lambda frame: frame[["rain", "wind", "at"]].iloc[0],
    "a dict": lambda frame: {name: frame[name][0] for name in ("at", "rain", "wind")},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_rows_are_read_by_name(framed, row):
    model, frame = framed
    expected = model.predict_proba([frame[:1]])[0]
    np.testing.assert_allclose(model.stream().step(row(frame)), expected, rtol=1e-5)
    np.testing.assert_allclose(model.stream().step(frame[:1])[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"wind": 1.0, "at": "sea"}, ValueError, r"yet now missing:\n- rain"),
        ({"wind": 1.0, "at": "sea", "hail": 1.0}, ValueError, r"unseen at fit time:\n- hail"),
        ({"wind": 1.0, "at": "moon", "rain": 1.0}, ValueError, r"'at'.* is 'moon', expected one"),
        (
            Named(1.0, "sea", 1.0),
            TypeError,
            "^x is a named tuple Named with the fields rain, at, w",
        ),
        ({"wind": "x", "at": "sea", "rain": 1.0}, TypeError, r"'wind'"),
    ],
)
def test_rows_of_other_names_are_refused(framed, row, error, message):
    with pytest.raises(error, match=message):
        framed[0].stream().step(row)


def test_rows_of_several_streams_have_no_names(framed):
    model, frame = framed
    stream = model.stream(2)
    np.testing.assert_allclose(
        stream.step(frame[:2]), model.predict_proba([frame[:1], frame[1:2]]), rtol=1e-5
    )


@pytest.fixture(scope="module")
def of_tokens():
    texts = [["a", "b", "\0", "b\0"], ["b", "a", "c"]] * 2
    return RNNLanguageModel(3, min_freq=3, max_features=3, max_iter=1, random_state=0).fit(texts)


def test_tokens_stay_what_they_are(of_tokens):
    pairs = {"\0": "\0", "b\0": "b\0", "a": "a"}
    numbers = {token: k for k, token in enumerate(of_tokens.tokens_)}
    for token in pairs:
        one = of_tokens.stream().step(numbers.get(token, 0))
        for x in ([token], (token,), np.array([token], object), [[token]]):
            np.testing.assert_array_equal(of_tokens.stream().step(x).ravel(), one)
        two = of_tokens.stream(2).step([token, "b"])
        np.testing.assert_allclose(two[0], one, rtol=1e-5)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (["a", 1], TypeError, "^x has 1 among tokens, expected tokens alone, or ids alone"),
        ([2, "a"], TypeError, "^x has 2 among tokens"),
        (["a", None], TypeError, "^x has None among tokens"),
        (["a", "<eos>"], ValueError, "^x has '<eos>', the end of a text: reset begins another"),
    ],
)
def test_what_is_no_token_is_told(of_tokens, x, error, message):
    stream = of_tokens.stream(2)
    with pytest.raises(error, match=message):
        stream.step(x)
    assert (stream.state["n_steps"] == 0).all()


def test_tokens_of_a_column(of_tokens):
    pandas = pytest.importorskip("pandas")
    expected = of_tokens.stream(2).step(["a", "b"])
    got = of_tokens.stream(2).step(pandas.Series(["a", "b"], index=[5, 3]))
    np.testing.assert_array_equal(got, expected)
