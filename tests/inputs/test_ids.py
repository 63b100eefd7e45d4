"""Ids in X: alone, beside numbers, new ones, wrong ones."""

import numpy as np
import pytest
from sequence_checks import arrays, check_ids

from fastrnn.inputs.sequences import as_sequences

ID_RAGGED = [[[1, 0.5, 7], [0, 1.5, 2]], [[3, 2.5, 0]]]  # id, number, id


@pytest.mark.parametrize("X", [[[4, 2, 4], [0]], [np.array([4.0, 2, 4]), np.array([0.0])]])
def test_ids_alone(X):
    sequences = as_sequences(X, "float32", categorical_features="all")
    check_ids(sequences, [[4], [2], [4], [0]], np.empty((4, 0)))
    assert sequences.values.dtype == np.float32
    assert sequences.n_features == 0 and sequences.columns.n_categories == (5,)
    assert repr(sequences) == "<2 sequences, lengths 1 to 3, 0 features, ids below 5, float32>"


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, bool, object])
def test_ids_of_every_dtype(dtype):
    X = [np.array([[1, 0], [0, 1]], dtype), np.array([[1, 1]], dtype)]
    check_ids(
        as_sequences(X, categorical_features="all"), [[1, 0], [0, 1], [1, 1]], np.empty((3, 0))
    )


def test_ids_of_arrays():
    X = np.arange(12).reshape(2, 3, 2)
    check_ids(as_sequences(X, categorical_features="all"), X.reshape(6, 2), np.empty((6, 0)))
    check_ids(
        as_sequences(X, categorical_features=[1]), X.reshape(6, 2)[:, 1:], X.reshape(6, 2)[:, :1]
    )
    table = as_sequences(X[:, :, 0], categorical_features="all")
    check_ids(table, X[:, :, 0].reshape(6, 1), np.empty((6, 0)))
    assert table.n_columns == 3 and table.columns.ids == (0,)


@pytest.mark.parametrize("chosen", [[0, 2], [2, 0], (0, 2), np.array([True, False, True])])
def test_ids_beside_numbers(chosen):
    sequences = as_sequences(ID_RAGGED, categorical_features=chosen)
    check_ids(sequences, [[1, 7], [0, 2], [3, 0]], [[0.5], [1.5], [2.5]])
    columns = sequences.columns
    assert (columns.width, columns.ids, columns.n_categories) == (3, (0, 2), (4, 8))
    again = as_sequences(ID_RAGGED[1:], columns=columns)
    check_ids(again, [[3, 0]], [[2.5]])
    assert again.columns is columns


@pytest.mark.parametrize("chosen", [None, [], np.zeros(3, bool), "from_dtype"])
def test_no_ids(chosen):
    sequences = as_sequences(ID_RAGGED, categorical_features=chosen)
    assert sequences.ids is None and sequences.columns.ids == () and sequences.n_features == 3


def test_take_takes_ids():
    sequences = as_sequences(ID_RAGGED, categorical_features=[0]).take([1, 0])
    check_ids(sequences, [[3], [1], [0]], [[2.5, 0], [0.5, 7], [1.5, 2]])
    assert sequences.columns.n_categories == (4,)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            -1,
            r"^sequence 1, time step 0, feature 2 is -1\.0, expected an id: a whole number >= 0$",
        ),
        (2.5, r"^sequence 1, time step 0, feature 2 is 2\.5, expected an id"),
        (np.inf, r"^sequence 1, time step 0, feature 2 is inf, expected an id"),
        (1e30, r"^sequence 1, time step 0, feature 2 is 1e\+30, expected an id"),
    ],
)
def test_no_id(value, message):
    X = arrays(ID_RAGGED)
    X[1][0, 2] = value
    for allow_nan in (False, True):
        with pytest.raises(ValueError, match=message):
            as_sequences(X, categorical_features=[0, 2], allow_nan=allow_nan)


def test_missing_id():
    X = arrays(ID_RAGGED)
    X[1][0, 2] = np.nan
    message = r"^sequence 1, time step 0, feature 2 is nan, expected an id"
    with pytest.raises(ValueError, match=message):
        as_sequences(X, categorical_features=[0, 2])
    sequences = as_sequences(X, categorical_features=[0, 2], allow_nan=True)
    assert sequences.ids[sequences.offsets[1], 1] == sequences.columns.n_categories[1]


def test_id_that_fit_has_not_seen():
    columns = as_sequences(ID_RAGGED, categorical_features=[0, 2]).columns
    X = arrays(ID_RAGGED)
    X[1][0, 0] = 4
    message = r"^sequence 1, time step 0, feature 0 is the id 4, expected one from 0 to 3, the ids"
    with pytest.raises(ValueError, match=message):
        as_sequences(X, columns=columns)
    X[1][0] = 3, np.nan, 7
    with pytest.raises(ValueError, match=r"^sequence 1, time step 0, feature 1 is NaN"):
        as_sequences(X, columns=columns)
    with pytest.raises(ValueError, match=r"^sequence 0 has 2 features, expected 3$"):
        as_sequences([np.zeros((1, 2))], columns=columns)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["a"], "has the name 'a', but X is no data frame"),
        ([3], "has the column 3, but X has columns 0 to 2"),
        ([-1], "has the column -1"),
        ([0, 0], r"chooses a column twice: \[0, 0\]"),
        ([0.5], r"is \[0.5\], expected 'all', 'from_dtype', a list"),
        ("first", "is 'first', expected 'all'"),
        ([[1]], r"is \[\[1\]\], expected 'all'"),
        ([True], "is a mask of 1 entries, expected one for each of 3 columns"),
        ([None], "has the entry None, expected numbers or names"),
    ],
)
def test_wrong_choice_of_columns(chosen, message):
    with pytest.raises(ValueError, match=f"^categorical_features {message}"):
        as_sequences(ID_RAGGED, categorical_features=chosen)


def test_text_is_told_of_the_encoder():
    with pytest.raises(
        TypeError, match=r"^sequence 0 is 'to be' of type str.*TokenEncoder makes ids"
    ):
        as_sequences(["to be", "or not"], categorical_features="all")


def test_allow_nan():
    X = [np.array([[1.0, np.nan]]), np.array([[np.nan, 2.0], [3.0, 4.0]])]
    np.testing.assert_array_equal(as_sequences(X, allow_nan=True).values, np.concatenate(X))
    X[1][1, 0] = np.inf
    message = r"^sequence 1, time step 1, feature 0 is inf, expected a finite number or NaN"
    with pytest.raises(ValueError, match=message):
        as_sequences(X, allow_nan=True)
