"""TokenEncoder and SequenceScaler, with and without scikit-learn, which these tests do not need."""

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

from fastrnn import bridge, preprocessing, standin
from fastrnn.preprocessing import SequenceScaler, TokenEncoder

TEXTS = ["abca", "ab", "b a"]
RAGGED = [np.array([[1.0, 50], [3, 20]]), np.array([[8.0, 20]]), np.array([[0.0, 10], [2, 30]])]


def ids(arrays):
    assert all(array.dtype == np.int64 and array.ndim == 1 for array in arrays)
    return [array.tolist() for array in arrays]


def assert_same(given, expected):
    assert type(given) is type(expected)
    for a, b in zip(given, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# TokenEncoder


def test_ids_by_frequency_then_characters():
    encoder = TokenEncoder()
    assert encoder.fit(TEXTS) is encoder
    assert encoder.vocabulary_ == {"a": 1, "b": 2, " ": 3, "c": 4}  # a 4, b 3, then by character
    assert list(encoder.vocabulary_) == ["a", "b", " ", "c"]
    assert encoder.n_tokens_ == 5
    assert ids(encoder.transform(["cab", "xa"])) == [[4, 1, 2], [0, 1]]
    assert ids(encoder.fit_transform(TEXTS)) == [[1, 2, 4, 1], [1, 2], [2, 3, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop.", ["Don't", "stop", "."]),
        ("well\u2019s  end...", ["well\u2019s", "end", ".", ".", "."]),
        ("'x' y_2 3,5\n", ["'", "x", "'", "y_2", "3", ",", "5"]),
        ("Stra\u00dfe \u6771\u4eac", ["Stra\u00dfe", "\u6771\u4eac"]),
    ],
)
def test_words(text, words):
    encoder = TokenEncoder("word").fit([text])
    assert encoder.inverse_transform(encoder.transform([text])) == [words]


def test_callable_and_lists_of_tokens():
    encoder = TokenEncoder(lambda text: text.split("-"), lowercase=True).fit(["A-b-A", "B-c"])
    assert encoder.vocabulary_ == {"a": 1, "b": 2, "c": 3}
    assert ids(encoder.transform([["C", "a"], ("b",), np.array(["a", "d"])])) == [
        [3, 1],
        [2],
        [1, 0],
    ]
    tuples = TokenEncoder(tuple).fit(["ab"])
    assert ids(tuples.transform(["ba"])) == [[2, 1]]


def test_lowercase():
    assert TokenEncoder().fit(["aA"]).n_tokens_ == 3
    assert TokenEncoder(lowercase=True).fit(["aA"]).vocabulary_ == {"a": 1}


def test_min_freq_and_max_features():
    assert TokenEncoder(min_freq=3).fit(TEXTS).vocabulary_ == {"a": 1, "b": 2}
    assert TokenEncoder(max_features=1).fit(TEXTS).vocabulary_ == {"a": 1}
    assert TokenEncoder(max_features=np.int64(3)).fit(TEXTS).n_tokens_ == 4
    with pytest.raises(ValueError, match=r"^no token occurs min_freq=9 times"):
        TokenEncoder(min_freq=9).fit(TEXTS)


def test_unknown_token():
    encoder = TokenEncoder("word").fit([["<unk>", "to", "be", "<unk>"]])
    assert encoder.vocabulary_ == {"be": 1, "to": 2}
    assert ids(encoder.transform([["<unk>", "be"]])) == [[0, 1]]
    assert encoder.inverse_transform([[2, 0]]) == [["to", "<unk>"]]
    assert TokenEncoder(unknown_token="?").fit(["ab"]).inverse_transform([[1, 0]]) == [["a", "?"]]


def test_inverse_transform():
    encoder = TokenEncoder().fit(TEXTS)
    tokens = encoder.inverse_transform(encoder.transform(TEXTS))
    assert ["".join(one) for one in tokens] == TEXTS
    message = r"^sequence 1, time step 0, feature 0 is the id 5, expected one from 0 to 4"
    with pytest.raises(ValueError, match=message):
        encoder.inverse_transform([[1], [5]])
    with pytest.raises(ValueError, match="is the id -1, expected one from 0 to 4"):
        encoder.inverse_transform([[-1]])


def test_containers_of_text():
    expected = TokenEncoder().fit(TEXTS).vocabulary_
    for X in (
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        [list(text) for text in TEXTS],
    ):
        assert TokenEncoder().fit(X).vocabulary_ == expected
    table = np.array([["a", "b"], ["b", "c"]])
    assert ids(TokenEncoder().fit_transform(table)) == [[2, 1], [1, 3]]
    plain = TokenEncoder().fit(np.array(TEXTS)).vocabulary_
    assert all(type(token) is str for token in plain)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_frames(library):
    library = pytest.importorskip(library)
    frame = library.DataFrame({"text": TEXTS})
    assert TokenEncoder().fit(frame["text"]).n_tokens_ == 5
    with pytest.raises(TypeError, match=r"^X is a DataFrame, expected one of its columns"):
        TokenEncoder().fit(frame)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("abc", TypeError, r"^X is of type str, expected a list: pass \[X\]$"),
        (b"abc", TypeError, r"^X is of type bytes"),
        (None, TypeError, r"^X is of type NoneType, expected a list of texts"),
        (5, TypeError, r"^X is of type int, expected"),
        ({"a": 1}, TypeError, r"^X is of type dict"),
        ({"a"}, TypeError, r"^X is of type set"),
        (iter(["a"]), TypeError, r"^X is of type list_iterator, .*: make a list of it$"),
        ([], ValueError, r"^X is empty, expected at least one sequence$"),
        (np.zeros((2, 2, 2)), ValueError, r"^X has 3 dimensions, expected 1: texts, or 2"),
        (["ab", ""], ValueError, r"^sequence 1 is empty, expected at least one token$"),
        (["ab", []], ValueError, r"^sequence 1 is empty, expected at least one token$"),
        (["ab", None], TypeError, r"^sequence 1 is missing \(None\), expected a text or a list of"),
        (["ab", float("nan")], TypeError, r"^sequence 1 is missing \(nan\), expected a text"),
        (["ab", 3.5], TypeError, r"^sequence 1 is of type float, expected .*, got 3\.5$"),
        (["ab", b"cd"], TypeError, r"^sequence 1 is of type bytes, expected"),
        (["ab", {"c"}], TypeError, r"^sequence 1 is of type set, expected"),
        (["ab", iter("c")], TypeError, r"^sequence 1 is of type str_\w+, .*: make a list of it$"),
        ([["a"], ["b", 3]], TypeError, r"^sequence 1, token 1 is of type int, .*a string, got 3$"),
        ([["a"], ["b", ""]], ValueError, r"^sequence 1, token 1 is an empty string$"),
    ],
)
def test_no_text(X, error, message):
    with pytest.raises(error, match=message):
        TokenEncoder().fit(X)
    fitted = TokenEncoder().fit(TEXTS)
    with pytest.raises(error, match=message):
        fitted.transform(X)


def test_text_without_words():
    with pytest.raises(ValueError, match=r"^sequence 1 has no tokens: '  ', expected at least one"):
        TokenEncoder("word").fit(["a", "  "])


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (str.upper, "^tokenizer must return a list of strings, for sequence 0 it returned str$"),
        (len, "^tokenizer must return a list of strings, for sequence 0 it returned int$"),
        (set, "^tokenizer must return a list of strings, for sequence 0 it returned set$"),
        (lambda text: {"a": 1}, "for sequence 0 it returned dict$"),
        (lambda text: b"a", "for sequence 0 it returned bytes$"),
        (lambda text: [1], "^sequence 0, token 0 is of type int, expected a string, got 1$"),
    ],
)
def test_tokenizer_that_makes_no_tokens(tokenizer, message):
    with pytest.raises(TypeError, match=message):
        TokenEncoder(tokenizer).fit(["ab"])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("tokenizer", "words", ValueError),
        ("tokenizer", None, ValueError),
        ("lowercase", 1, TypeError),
        ("normalization", "NFD", ValueError),
        ("min_freq", 0, ValueError),
        ("min_freq", 1.5, TypeError),
        ("min_freq", None, TypeError),
        ("max_features", 0, ValueError),
        ("max_features", True, TypeError),
        ("unknown_token", None, TypeError),
    ],
)
def test_wrong_parameter_of_encoder(name, value, error):
    encoder = TokenEncoder().set_params(**{name: value})
    with pytest.raises(error, match=f"^{name} must be .*, got {value!r}"):
        encoder.fit(TEXTS)
    assert not hasattr(encoder, "vocabulary_")


def test_failed_fit_leaves_the_encoder_as_it_was():
    encoder = TokenEncoder().fit(TEXTS)
    with pytest.raises(ValueError, match="sequence 1 is empty"):
        encoder.fit(["xyz", ""])
    assert encoder.vocabulary_["a"] == 1


# SequenceScaler


def test_standard():
    scaler = SequenceScaler().fit(RAGGED)
    values = np.concatenate(RAGGED)
    np.testing.assert_allclose(scaler.center_, values.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scaler.scale_, values.std(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(scaler.n_steps_seen_, [5, 5])
    expected = [(x - values.mean(axis=0)) / values.std(axis=0) for x in RAGGED]
    assert_same(scaler.transform(RAGGED), expected)


def test_minmax():
    scaled = SequenceScaler("minmax").fit_transform(RAGGED)
    expected = [[[0.125, 1], [0.375, 0.25]], [[1, 0.25]], [[0, 0], [0.25, 0.5]]]
    assert_same(scaled, [np.array(item) for item in expected])


def test_robust():
    X = [np.arange(5.0), np.arange(5.0, 8.0), np.array([1e6])]  # 0 to 7 and an outlier
    scaler = SequenceScaler("robust").fit(X)
    assert (scaler.center_, scaler.scale_) == (4, 4)
    assert_same(scaler.transform([X[0]]), [(X[0] - 4) / 4])


@pytest.mark.parametrize("method", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_kind_of_container(method, dtype):
    rng = np.random.default_rng(0)
    cube = rng.normal(3, 2, size=(4, 5, 2)).astype(dtype)
    scaler = SequenceScaler(method)
    scaled = scaler.fit_transform(cube)
    assert scaled.shape == cube.shape and scaled.dtype == dtype and scaled.flags.writeable
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(scaler.inverse_transform(scaled), cube, rtol=tolerance)
    np.testing.assert_array_equal(scaler.transform(list(cube)), scaled)
    assert_same(scaler.transform(list(cube)), list(scaled))
    objects = np.empty(2, object)
    objects[:] = [cube[0], cube[1, :2]]
    assert [part.shape for part in scaler.transform(objects)] == [(5, 2), (2, 2)]

    table = np.ascontiguousarray(cube[:, :, 0])
    scaled = SequenceScaler(method).fit(table).transform(table)
    assert scaled.shape == (4, 5) and scaled.dtype == dtype
    alone = SequenceScaler(method).fit_transform(
        [row[:n] for row, n in zip(table, [5] * 4, strict=True)]
    )
    assert all(row.shape == (5,) for row in alone)
    np.testing.assert_array_equal(alone, scaled)
    assert SequenceScaler(method).fit_transform(table.tolist()).shape == (4, 5)


def test_what_is_too_large_when_it_is_scaled_is_told():
    scaler = SequenceScaler("minmax").fit([np.array([[0.0, 1.0], [1e-300, 2.0]])])
    message = r"^sequence 1, time step 1, feature 0 is 1e\+30, which does not fit into float64 when"
    with pytest.raises(ValueError, match=message):
        scaler.transform([np.zeros((1, 2)), np.array([[0, 1.0], [1e30, 1.0]])])
    small = SequenceScaler().fit([np.array([1.0, 1 + 1e-6])])
    with pytest.raises(ValueError, match=r"time step 0, feature 0 is .*, which .* into float32"):
        small.transform([np.array([3e38], np.float32)])
    with pytest.raises(ValueError, match="which does not fit into float32"):
        SequenceScaler().fit([np.array([0.0, 1e30])]).inverse_transform([np.float32([1e20])])
    assert np.isnan(scaler.transform([np.full((1, 2), np.nan)])[0]).all()


def test_messages_name_the_scaler():
    pandas = pytest.importorskip("pandas")
    scaler = SequenceScaler().fit([pandas.DataFrame({"a": [1.0, 2.0]})])
    with pytest.warns(UserWarning, match="feature names, but SequenceScaler was fitted with"):
        scaler.transform([np.ones((2, 1))])


def test_whole_numbers_become_float64():
    scaled = SequenceScaler("minmax").fit_transform([np.array([0, 1, 2]), np.array([4])])
    assert_same(scaled, [np.array([0, 0.25, 0.5]), np.array([1.0])])


def test_float32_statistics_are_exact():
    x = (np.float32(1e6) + np.arange(1000, dtype=np.float32) % 7).reshape(-1, 1)
    scaler = SequenceScaler().fit([x])
    np.testing.assert_allclose(scaler.center_, x.mean(dtype=np.float64), rtol=1e-13)
    np.testing.assert_allclose(scaler.transform([x])[0].mean(), 0, atol=1e-6)


def test_nan():
    X = [np.array([[1.0, np.nan, np.nan], [np.nan, 4, np.nan]]), np.array([[3.0, 8, np.nan]])]
    scaler = SequenceScaler().fit(X)
    np.testing.assert_array_equal(scaler.n_steps_seen_, [2, 2, 0])
    np.testing.assert_array_equal(scaler.center_, [2, 6, 0])
    np.testing.assert_array_equal(scaler.scale_, [1, 2, 1])
    scaled = scaler.transform(X)
    np.testing.assert_array_equal(scaled[0], [[-1, np.nan, np.nan], [np.nan, -1, np.nan]])
    np.testing.assert_array_equal(scaler.inverse_transform(scaled)[1], X[1])
    with pytest.raises(ValueError, match=r"^sequence 0, time step 0, feature 0 is inf, expected a"):
        scaler.transform([np.full((1, 3), np.inf)])


@pytest.mark.parametrize("method", ["standard", "minmax", "robust"])
def test_constant_features(method):
    x = np.full((1001, 2), 0.1)
    x[0, 1] = 5.0  # its quartiles are the same
    scaler = SequenceScaler(method).fit([x])
    assert (scaler.center_[0], scaler.scale_[0]) == (0.1, 1)
    np.testing.assert_array_equal(scaler.transform([x])[0][:, 0], 0)
    if method == "robust":
        assert scaler.scale_[1] == 1


def test_ids_stay():
    X = [np.array([[7, 1.0, 0], [3, 3.0, 2]]), np.array([[16777217, 5.0, 1]])]
    scaler = SequenceScaler(categorical_features=[0, 2]).fit(X)
    assert scaler.center_.shape == (1,) and scaler.center_ == 3
    for a, b in zip(scaler.transform(X), X, strict=True):
        np.testing.assert_array_equal(a[:, [0, 2]], b[:, [0, 2]])
    np.testing.assert_allclose(scaler.transform(X)[1][0, 1], 2 / np.sqrt(8 / 3), rtol=1e-14)
    assert_same(scaler.inverse_transform(scaler.transform(X)), X)
    with pytest.raises(ValueError, match=r"^every column of X is one of ids: there is nothing"):
        SequenceScaler(categorical_features="all").fit([[1, 2]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_give_frames(library):
    library = pytest.importorskip(library)
    frames = [
        library.DataFrame({"x": [0.0, 2.0], "word": ["a", "b"], "n": [1, 2]}),
        library.DataFrame({"x": [4.0], "word": ["c"], "n": [3]}),
    ]
    scaler = SequenceScaler("minmax", categorical_features="from_dtype").fit(frames)
    assert scaler.feature_names_in_.tolist() == ["x", "word", "n"]
    assert scaler.get_feature_names_out().tolist() == ["x", "word", "n"]
    scaled = scaler.transform(frames)
    assert all(isinstance(frame, library.DataFrame) for frame in scaled)
    assert [list(frame.columns) for frame in scaled] == [["x", "word", "n"]] * 2
    assert list(scaled[0]["x"]) == [0, 0.5] and list(scaled[0]["word"]) == ["a", "b"]
    assert list(scaled[1]["n"]) == [1] and list(frames[1]["n"]) == [3]
    back = scaler.inverse_transform(scaled)
    assert list(back[0]["x"]) == [0, 2]
    with pytest.raises(ValueError, match=r"time step 0, feature 1 \('word'\) is 'z', expected one"):
        scaler.transform([library.DataFrame({"x": [4.0], "word": ["z"], "n": [3]})])

    table = library.DataFrame({"a": [0.0, 2.0], "b": [1.0, 4.0]})
    scaled = SequenceScaler("minmax").fit_transform(table)
    assert list(scaled["a"]) == [0, 0.5] and list(scaled["b"]) == [0.25, 1]


def test_names_are_forgotten_by_another_fit():
    pandas = pytest.importorskip("pandas")
    scaler = SequenceScaler().fit(pandas.DataFrame({"a": [1.0], "b": [2.0]}))
    assert scaler.n_features_in_ == 2 and hasattr(scaler, "feature_names_in_")
    assert not hasattr(scaler.fit(RAGGED), "feature_names_in_")


def test_feature_names_out():
    scaler = SequenceScaler().fit(RAGGED)
    assert scaler.n_features_in_ == 2
    assert scaler.get_feature_names_out().tolist() == ["x0", "x1"]
    assert scaler.get_feature_names_out(["a", "b"]).tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="should have length equal to number of features"):
        scaler.get_feature_names_out(["a"])
    assert TokenEncoder().fit(TEXTS).get_feature_names_out().tolist() == ["token"]


def test_scaler_refuses():
    with pytest.raises(
        ValueError, match=r"^method must be one of \['standard', 'minmax', 'robust'\]"
    ):
        SequenceScaler("maxabs").fit(RAGGED)
    with pytest.raises(ValueError, match=r"^categorical_features has the column 2"):
        SequenceScaler(categorical_features=[2]).fit(RAGGED)
    with pytest.raises(
        ValueError, match=r"^numeric feature 0 has numbers too large for its minmax"
    ):
        SequenceScaler("minmax").fit([[-1e308, 1e308]])
    scaler = SequenceScaler().fit(RAGGED)
    with pytest.raises(ValueError, match=r"^sequence 1 has 3 features, expected 2$"):
        scaler.transform([RAGGED[0], np.zeros((1, 3))])
    before = scaler.center_
    with pytest.raises(ValueError, match="is inf"):
        scaler.fit([[np.inf]])
    assert scaler.center_ is before


# Both


@pytest.mark.parametrize(
    ("transformer", "X"), [(TokenEncoder("word"), TEXTS), (SequenceScaler(), RAGGED)]
)
def test_as_transformers(transformer, X):
    transformer = copy.deepcopy(transformer)
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(bridge.NotFittedError, match="instance is not fitted yet"):
            getattr(transformer, method)(X)
    parameters = inspect.signature(type(transformer)).parameters
    values = {name: object() for name in parameters}
    assert vars(type(transformer)(**values)) == values
    state = vars(transformer.fit(X)).copy()
    expected = transformer.transform(X)
    for twin in (copy.deepcopy(transformer), pickle.loads(pickle.dumps(transformer))):
        assert_same(twin.transform(X), expected)
    assert vars(transformer) == state
    assert transformer.set_params(**transformer.get_params()) is transformer
    for name in [*parameters, *(name for name in state if name.endswith("_"))]:
        assert inspect.getdoc(type(transformer)).count(f"\n{name} : ") == 1, name
    assert transformer.set_output() is transformer


def test_transformers_work_without_sklearn():
    """Run this very file in an interpreter that cannot import scikit-learn."""
    if bridge.BaseEstimator is standin.BaseEstimator:
        pytest.skip("this is that interpreter")
    program = (
        "import sys; sys.modules['sklearn'] = None; import pytest; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    arguments = [__file__, "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_public_names():
    import fastrnn

    assert fastrnn.preprocessing is preprocessing
