"""Padding that arrives: cut off where it is asked for, told of where it is not."""

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.inputs.sequences import as_sequences
from fastrnn.preprocessing import SequenceScaler, pad, unpad

rng = np.random.default_rng(0)
LENGTHS = [3, 6, 4, 5]
X = [rng.normal(size=(length, 2)) for length in LENGTHS]
PADDED = pad(X)
Y = [0, 1, 0, 1]
TAGS = [[0, 1, 0], [1, 0, 1, 0, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1, 0]]
SMALL = {"max_iter": 1, "learning_rate": "cosine", "random_state": 0}


def assert_lists_equal(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64", object])
def test_the_end_of_an_array_is_cut_off(dtype):
    sequences = as_sequences(PADDED.astype(dtype), padding="nan")
    np.testing.assert_array_equal(sequences.lengths, LENGTHS)
    np.testing.assert_allclose(sequences.values, np.concatenate(X), rtol=1e-6)
    np.testing.assert_array_equal(sequences.padded_lengths, [6] * 4)
    assert sequences.n_columns is None


@pytest.mark.parametrize("make", [list, lambda P: [p.tolist() for p in P], "pandas", "torch"])
def test_padding_of_any_container(make):
    if make == "pandas":
        pandas = pytest.importorskip("pandas")
        given = [pandas.DataFrame(p, columns=["a", "b"]) for p in PADDED]
    else:
        given = pytest.importorskip("torch").tensor(PADDED) if make == "torch" else make(PADDED)
    np.testing.assert_array_equal(as_sequences(given, padding="nan").lengths, LENGTHS)


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_the_rows_of_a_table_may_have_any_length(library):
    make = np.asarray if library is None else pytest.importorskip(library).DataFrame
    table = make(pad([x[:, 0] for x in X]))
    sequences = as_sequences(table, padding="nan")
    np.testing.assert_array_equal(sequences.lengths, LENGTHS)
    if library is None:
        again = as_sequences(np.ones((2, 9)), columns=sequences.columns, padding="nan")
        np.testing.assert_array_equal(again.lengths, [9, 9])


def test_what_is_nan_elsewhere_is_no_padding():
    gaps = PADDED.copy()
    gaps[1, 0], gaps[3, 4, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="sequence 1, time step 0, feature 0 is NaN") as caught:
        as_sequences(gaps, padding="nan")
    assert "padding" not in str(caught.value)
    assert as_sequences(gaps, padding="nan", allow_nan=True).lengths.tolist() == LENGTHS
    whole = np.concatenate([PADDED, np.full((1, 6, 2), np.nan)])
    with pytest.raises(ValueError, match="sequence 4 is all padding, expected at least one time"):
        as_sequences(whole, padding="nan")


def test_ids_are_padded_too():
    ids = pad([[1, 2], [0]], value=np.nan)
    np.testing.assert_array_equal(
        as_sequences(ids, categorical_features="all", padding="nan").ids[:, 0], [1, 2, 0]
    )


def test_an_array_without_padding_is_not_copied():
    array = np.ones((2, 3, 2))
    assert np.shares_memory(as_sequences(array, padding="nan").values, array)


@pytest.mark.parametrize("given", [PADDED, list(PADDED), pad([x[:, 0] for x in X])])
def test_the_error_says_what_looks_like_padding(given):
    message = (
        r"sequence 0, time step 3, feature 0 is NaN, .*; the last 3 time steps of sequence 0 are "
        r"all NaN: if they are padding, padding='nan' .* fastrnn.preprocessing.unpad"
    )
    with pytest.raises(ValueError, match=message):
        as_sequences(given)
    with pytest.raises(ValueError, match=message):
        RNNClassifier().fit(given, Y)


@pytest.mark.parametrize("place", [(0, 0, 0), (0, 2, 0), (0, 1)])
def test_other_nan_do_not_look_like_it(place):
    given = np.ones((2, 3, 2))
    given[place] = np.nan
    with pytest.raises(ValueError, match="is NaN") as caught:
        as_sequences(given)
    assert "padding" not in str(caught.value)


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_models_of_padded_arrays_are_those_of_lists(kind, tmp_path):
    expected = kind(3, **SMALL).fit(X, Y)
    model = kind(3, padding="nan", **SMALL).fit(PADDED, Y, validation_data=(PADDED[:2], Y[:2]))
    np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)
    np.testing.assert_array_equal(model.predict(PADDED), expected.predict(X))
    model.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    assert loaded.padding == "nan"
    np.testing.assert_array_equal(loaded.predict(PADDED), expected.predict(X))
    assert model.score(PADDED, Y) == expected.score(X, Y)


@pytest.mark.parametrize("filler", [0, -1, None, np.nan])
def test_tags_and_weights_of_padding_do_not_count(filler):
    weight = [np.arange(1.0, n + 1) for n in LENGTHS]
    expected = RNNTagger(3, **SMALL).fit(X, TAGS, sample_weight=weight)
    tags = [[*of_sequence, *[filler] * (6 - len(of_sequence))] for of_sequence in TAGS]
    model = RNNTagger(3, padding="nan", **SMALL)
    for given in (weight, pad(weight, value=0.0), pad(weight)):
        model.fit(PADDED, tags, sample_weight=given)
        np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)
    assert model.fit(PADDED, TAGS).score(PADDED, tags) == model.score(X, TAGS)
    assert_lists_equal(model.predict(PADDED), model.predict(X))
    with pytest.raises(ValueError, match="sequence 0: y has 4 labels, X has 3 time steps"):
        model.fit(PADDED, [[*TAGS[0], 0], *TAGS[1:]])


def test_padding_is_one_word_or_none():
    with pytest.raises(ValueError, match="padding must be one of 'nan' or None, got 'zero'"):
        RNNClassifier(padding="zero").fit(X, Y)


def test_pad_and_unpad_are_inverse():
    assert_lists_equal(unpad(PADDED), X)
    assert_lists_equal(unpad(PADDED, LENGTHS), X)
    assert_lists_equal(unpad(pad(X, value=0.0, length=9), LENGTHS), X)
    assert pad(X, length=9).shape == (4, 9, 2)
    assert_lists_equal(unpad(pad([x.astype("float32") for x in X])), [x.astype("f4") for x in X])
    assert pad([x.astype("float32") for x in X]).dtype == np.float32
    assert pad([[1, 2], [3]]).dtype == np.float64
    words = [["noun", "verb"], ["noun"]]
    np.testing.assert_array_equal(pad(words, value=""), [["noun", "verb"], ["noun", ""]])
    assert_lists_equal(unpad(pad(words, value="-"), [2, 1]), [np.array(tags) for tags in words])
    ragged = [np.ones((2, 2, 2)), np.ones((1, 2, 2))]  # of any number of axes
    assert_lists_equal(unpad(pad(ragged)), ragged)


def test_unpad_gives_views():
    assert all(np.shares_memory(x, PADDED) for x in unpad(PADDED))


def test_unpad_reads_frames_and_tensors():
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    table = pad([x[:, 0] for x in X])
    for given in (pandas.DataFrame(table), torch.tensor(table), pandas.DataFrame(table).T.T):
        assert_lists_equal(unpad(given), [x[:, 0] for x in X])
    lengths = pandas.Series(LENGTHS, index=[3, 2, 1, 0])
    assert_lists_equal(unpad(torch.tensor(PADDED, requires_grad=True), lengths), X)


def test_padding_stays_through_a_scaler():
    scaled = SequenceScaler().fit(PADDED).transform(PADDED)
    for got, expected in zip(unpad(scaled), SequenceScaler().fit(X).transform(X), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: unpad(PADDED, [3, 6, 4]), ValueError, r"lengths has shape \(3,\), .* each of 4"),
        (lambda: unpad(PADDED, [3, 7, 4, 5]), ValueError, "sequence 1 has 6 time steps, expected"),
        (lambda: unpad(PADDED, [3, 0, 4, 5]), ValueError, "sequence 1 is all padding"),
        (lambda: unpad(PADDED, [3.0, 6, 4, 5]), TypeError, "lengths must be whole numbers"),
        (lambda: unpad([["a"]]), TypeError, "sequence 0 holds 'a', expected numbers where lengths"),
        (lambda: unpad([1, 2]), TypeError, "sequence 0 is 1, expected an array of time steps"),
        (lambda: unpad([]), ValueError, "X has no sequences, expected an array of shape"),
        (lambda: unpad("ab"), TypeError, "X is of type str, expected an array"),
        (lambda: unpad(iter(X)), TypeError, "X is of type list_iterator, .*: make a list of it"),
        (lambda: pad([[[1, 2]], [[1]]]), ValueError, r"sequence 1 has steps of shape \(1,\), exp"),
        (lambda: pad(X, length=5), ValueError, "sequence 1 has 6 time steps, more than 5"),
        (lambda: pad({0: X[0]}), TypeError, "X is of type dict, expected an array"),
    ],
)  # fmt: skip
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
