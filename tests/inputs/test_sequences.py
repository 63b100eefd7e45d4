"""What `as_sequences` accepts, what it refuses and how it says so."""

import dataclasses
import subprocess
import sys
import tracemalloc
from collections import deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from sequence_checks import arrays, check_invariants

from fastrnn.inputs.sequences import Sequences, as_sequences

RAGGED = [[[1, 2], [3, 4], [5, 6]], [[7, 8]], [[9, 10], [11, 12]]]
LENGTHS = [3, 1, 2]
VALUES = np.arange(1, 13).reshape(6, 2)


def object_array(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


@pytest.mark.parametrize(
    "X",
    [
        RAGGED,
        tuple(RAGGED),
        deque(RAGGED),
        [tuple(map(tuple, item)) for item in RAGGED],
        arrays(RAGGED),
        arrays(RAGGED, np.int8),
        arrays(RAGGED, np.uint64),
        arrays(RAGGED, np.float16),
        arrays(RAGGED, np.longdouble),
        arrays(RAGGED, np.float32)[:1] + arrays(RAGGED)[1:],
        arrays(RAGGED, np.float32)[:1] + arrays(RAGGED, np.float16)[1:],
        arrays(RAGGED, object),
        [np.asfortranarray(item) for item in arrays(RAGGED)],
        [np.repeat(item, 2, axis=0)[::2] for item in arrays(RAGGED)],
        [np.ma.array(item) for item in arrays(RAGGED)],
        [list(item) for item in arrays(RAGGED)],
        object_array(arrays(RAGGED)),
        object_array(RAGGED),
    ],
)
def test_ragged_lists(X):
    sequences = as_sequences(X)
    check_invariants(sequences)
    assert sequences.values.dtype == np.float64
    np.testing.assert_array_equal(sequences.values, VALUES)
    np.testing.assert_array_equal(sequences.lengths, LENGTHS)
    assert sequences.n_features == 2 and len(sequences) == 3
    assert sequences.n_columns is None


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
@pytest.mark.parametrize("source", [np.float32, np.float64, np.int64, bool, ">f4", ">f8"])
@pytest.mark.parametrize("kind", ["list", "three-dimensional", "table"])
def test_dtype(dtype, source, kind):
    X = np.array([[[1, 0], [0, 1]], [[1, 1], [0, 1]]], dtype=source)
    given = {"list": list(X), "three-dimensional": X, "table": X[:, :, 0]}[kind]
    sequences = as_sequences(given, dtype)
    check_invariants(sequences)
    expected = dtype or ("float32" if source in (np.float32, ">f4") else "float64")
    assert sequences.values.dtype == expected
    np.testing.assert_array_equal(sequences.values.ravel(), np.ravel(given))


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("float32"), "float32"])
def test_dtype_in_other_words(dtype):
    assert as_sequences(RAGGED, dtype).values.dtype == np.float32


def test_values_are_converted_directly():
    """Rounded once: no detour over float32 on the way from float64 to float64, or the reverse."""
    x = np.array([[1 / 3, 1 + 2**-50]])
    np.testing.assert_array_equal(as_sequences([x]).values, x)
    np.testing.assert_array_equal(as_sequences([x], "float32").values, x.astype(np.float32))


@pytest.mark.parametrize("value", [Fraction(1, 4), Decimal("0.25"), np.float16(0.25), 0.25])
def test_object_numbers(value):
    sequences = as_sequences([np.array([True, np.True_, 2, value, 10**30], dtype=object)])
    np.testing.assert_array_equal(sequences.values.ravel(), [1, 1, 2, 0.25, 1e30])


def test_equal_lengths_mean_the_same_as_ragged_ones():
    """The trap: a fold of a ragged list may by chance be of equal length."""
    items = [np.full((2, 3), float(k)) for k in range(4)] + [np.full((5, 3), 4.0)]
    equal, ragged = as_sequences(items[:4]), as_sequences(items)
    np.testing.assert_array_equal(equal.values, ragged.values[:8])
    np.testing.assert_array_equal(equal.offsets, ragged.offsets[:5])
    assert equal.n_features == ragged.n_features == 3
    assert equal.n_columns is ragged.n_columns is None
    assert len(as_sequences(items[:1])) == 1

    univariate = [item[:, 0] for item in items]
    assert as_sequences(univariate[:4]).n_columns is None
    np.testing.assert_array_equal(as_sequences(univariate[:4]).lengths, [2, 2, 2, 2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, object])
def test_three_dimensional(dtype):
    X = np.arange(24, dtype=dtype).reshape(2, 4, 3)
    sequences = as_sequences(X)
    check_invariants(sequences)
    np.testing.assert_array_equal(sequences.values, np.arange(24).reshape(8, 3))
    np.testing.assert_array_equal(sequences.offsets, [0, 4, 8])
    assert sequences.n_columns is None


@pytest.mark.parametrize(
    "X",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6).reshape(2, 3).astype(object),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.ma.array(np.arange(6.0).reshape(2, 3), mask=False),
        memoryview(np.arange(6.0).reshape(2, 3)),
        [[0, 1, 2], [3, 4, 5]],
        ((0, 1, 2), [3, 4, 5]),
    ],
)
def test_table_is_univariate_sequences(X):
    sequences = as_sequences(X)
    check_invariants(sequences)
    np.testing.assert_array_equal(sequences.values, np.arange(6)[:, np.newaxis])
    np.testing.assert_array_equal(sequences.offsets, [0, 3, 6])
    assert sequences.n_features == 1 and sequences.n_columns == 3


@pytest.mark.parametrize(
    "X",
    [
        [np.arange(3.0), np.arange(3.0, 5.0)],
        [[0, 1, 2], [3, 4]],
        [np.arange(3.0)[:, np.newaxis], np.arange(3, 5)],
    ],
)
def test_list_of_vectors_is_univariate(X):
    sequences = as_sequences(X)
    np.testing.assert_array_equal(sequences.values, np.arange(5)[:, np.newaxis])
    np.testing.assert_array_equal(sequences.lengths, [3, 2])
    assert sequences.n_columns is None


@pytest.mark.parametrize(
    "X", [object_array([[1, 2], [3, 4]]), [[1, 2], np.array([3, 4])], [[[1], [2]], [[3], [4]]]]
)
def test_no_table(X):
    assert as_sequences(X).n_columns is None


def test_objects_that_become_arrays():
    class ArrayLike:
        def __array__(self, dtype=None, copy=None):
            return np.arange(6.0).reshape(2, 3)

    assert as_sequences(ArrayLike()).n_columns == 3
    np.testing.assert_array_equal(as_sequences([ArrayLike()])[0], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4), (1, 1, 1)])
def test_contiguous_array_is_not_copied(dtype, shape):
    X = np.ones(shape, dtype=dtype)
    for wanted in (None, dtype):
        sequences = as_sequences(X, wanted)
        assert np.shares_memory(sequences.values, X)
        check_invariants(sequences)
    assert X.flags.writeable


@pytest.mark.parametrize(
    ("X", "share"), [([np.ones((100, 50), np.float32)] * 20, 1.2), (np.ones((99, 1000)), 0.2)]
)
def test_no_wide_copies(X, share):
    """Of a float32 list one float32 array is made, of a contiguous array nothing."""
    as_sequences(X)
    tracemalloc.start()
    try:
        sequences = as_sequences(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < share * sequences.values.nbytes


def test_read_only_input():
    X = np.ones((3, 4, 2))
    X.flags.writeable = False
    check_invariants(as_sequences(X))


def test_input_is_left_alone():
    X = arrays(RAGGED)
    as_sequences(X)
    assert all(item.flags.writeable for item in X)
    for item, expected in zip(X, RAGGED, strict=True):
        np.testing.assert_array_equal(item, expected)


def test_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas frames are accepted, not needed")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "c": [True, False]})
    sequences = as_sequences(frame)
    np.testing.assert_array_equal(sequences.values.ravel(), [1, 3, 1, 2, 4, 0])
    assert sequences.n_columns == 3
    assert as_sequences(frame.astype(np.float32)).values.dtype == np.float32
    np.testing.assert_array_equal(as_sequences([frame, frame])[1], frame.to_numpy(float))
    column = pandas.Series([np.ones((2, 2)), np.zeros((3, 2))])
    np.testing.assert_array_equal(as_sequences(column).lengths, [2, 3])
    with pytest.raises(TypeError, match=r"sequence 1, time step 0 is \'x\' of type str"):
        as_sequences(pandas.DataFrame({"a": [1, "x"]}))
    with pytest.raises(ValueError, match=r"sequence 1, time step 0 is missing \(<NA>\)"):
        as_sequences(pandas.DataFrame({"a": [1, pandas.NA]}, dtype=object))
    with pytest.raises(ValueError, match=r"sequence 1, time step 2, feature 0 is NaN"):
        as_sequences(frame.assign(c=[1.0, None]))
    with pytest.raises(ValueError, match=r"Reshape your data"):
        as_sequences(frame["a"])


def test_polars():
    polars = pytest.importorskip("polars", reason="polars frames are accepted, not needed")
    frame = polars.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    sequences = as_sequences(frame)
    np.testing.assert_array_equal(sequences.values.ravel(), [1, 3, 2, 4])
    assert sequences.n_columns == 2
    np.testing.assert_array_equal(as_sequences([frame])[0], [[1, 3], [2, 4]])
    float32 = frame.cast(polars.Float32)
    assert as_sequences(float32).values.dtype == np.float32
    lists = polars.Series([[1.0, 2.0], [3.0]])
    np.testing.assert_array_equal(as_sequences(lists).lengths, [2, 1])
    with pytest.raises(ValueError, match=r"sequence 1, time step 0, feature 0 is NaN"):
        as_sequences(polars.DataFrame({"a": [1.0, None]}))
    with pytest.raises(TypeError, match=r"sequence 0, time step 0 is \'x\' of type str"):
        as_sequences(polars.DataFrame({"a": ["x"]}))
    with pytest.raises(TypeError, match=r"X is of type LazyFrame"):
        as_sequences(frame.lazy())


def test_import_is_light():
    program = (
        "import sys, fastrnn.inputs.sequences, fastrnn.datasets\n"
        "fastrnn.inputs.sequences.as_sequences([[1.0]])\n"
        "heavy = {'pandas', 'polars', 'scipy', 'sklearn', 'fastrnn.kernels'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


GOOD = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        # no container of sequences
        (None, TypeError, r"^X is of type NoneType, expected a list of sequences$"),
        ("abc", TypeError, r"^X is of type str, expected a list of sequences$"),
        (b"abc", TypeError, r"^X is of type bytes, expected"),
        ({}, TypeError, r"^X is of type dict, expected"),
        ({0: GOOD}, TypeError, r"^X is of type dict, expected"),
        ({1, 2}, TypeError, r"^X is of type set, expected"),
        ({0: GOOD}.values(), TypeError, r"^X is of type dict_values, expected"),
        (object(), TypeError, r"^X is of type object, expected"),
        ((x for x in [GOOD]), TypeError, r"^X is of type generator, .* make a list of it$"),
        (iter([GOOD]), TypeError, r"^X is of type list_iterator, .* make a list of it$"),
        (map(len, [GOOD]), TypeError, r"^X is of type map, .* make a list of it$"),
        (5, ValueError, r"^X has 0 dimensions, expected 3"),
        (np.float32(5), ValueError, r"^X has 0 dimensions, expected 3"),
        (np.zeros((2, 2, 2, 2)), ValueError, r"^X has 4 dimensions, expected 3"),
        # empty
        ([], ValueError, r"^X is empty, expected at least one sequence$"),
        ((), ValueError, r"^X is empty"),
        (np.zeros((0, 3)), ValueError, r"^X is empty"),
        (np.zeros((0, 3, 2)), ValueError, r"^X is empty"),
        (np.array([], dtype=object), ValueError, r"^X is empty"),
        (np.zeros((12, 0)), ValueError, r"0 feature\(s\) \(shape=\(12, 0\)\) while a minimum of 1"),
        (
            np.zeros((2, 0, 3)),
            ValueError,
            r"^sequence 0 is empty, expected at least one time step$",
        ),
        ([GOOD, np.zeros((0, 3))], ValueError, r"^sequence 1 is empty"),
        ([GOOD, []], ValueError, r"^sequence 1 is empty"),
        ([[1], []], ValueError, r"^sequence 1 is empty"),
        ([GOOD, np.zeros((0, 3), complex)], ValueError, r"^sequence 1 is empty"),
        (np.zeros((2, 3, 0)), ValueError, r"^sequence 0 has 0 features, expected at least 1$"),
        ([GOOD, np.zeros((3, 0))], ValueError, r"^sequence 1 has 0 features"),
        # shape
        (np.zeros(3), ValueError, r"^sequence 0 is a single number, .*Reshape your data"),
        ([1, 2], ValueError, r"^sequence 0 is a single number, .*Reshape your data"),
        ([GOOD, 2], ValueError, r"^sequence 1 is a single number"),
        (
            [GOOD, [GOOD]],
            ValueError,
            r"^sequence 1 has shape \(1, 2, 3\), expected \(time, feature",
        ),
        (
            [GOOD, GOOD[:, :2]],
            ValueError,
            r"^sequence 1 has 2 features, expected 3 as in sequence 0",
        ),
        ([GOOD, GOOD[0]], ValueError, r"^sequence 1 has 1 feature, expected 3 as in sequence 0$"),
        (
            [GOOD, [[1, 2, 3], [4, 5, 6], [7, 8]]],
            ValueError,
            r"^sequence 1 has 2 features at time step 2, expected 3 as before$",
        ),
        ([[1, [2, 3]]], ValueError, r"^sequence 0 has 2 features at time step 1, expected 1"),
        ([[np.array(1.0), [2, 3]]], ValueError, r"^sequence 0 has 2 features at time step 1"),
        ([[1, [2]]], ValueError, r"^sequence 0 cannot be made an array"),
        # no numbers
        (["abc"], TypeError, r"^sequence 0 is .* of type str_?:"),
        ([GOOD, None], TypeError, r"^sequence 1 is .* of type NoneType:"),
        ([GOOD, {}], TypeError, r"^sequence 1 is of type dict, expected an array of shape"),
        ([GOOD, (x for x in GOOD)], TypeError, r"^sequence 1 is of type generator, .* make a list"),
        ([[1, 2], [3, "4"]], TypeError, r"^sequence 1, time step 1 is '4' of type str:"),
        ([[1, 2], [3, None]], ValueError, r"^sequence 1, time step 1 is missing \(None\)"),
        (
            [GOOD, np.full((2, 3), "1")],
            TypeError,
            r"^sequence 1, time step 0, feature 0 is .* of type",
        ),
        (np.array([["1"]]), TypeError, r"^sequence 0, time step 0 is .* of type str_?:"),
        (
            np.array([[1], ["1"]], dtype=object),
            TypeError,
            r"^sequence 1, time step 0 is .* of type str:",
        ),
        (
            np.array([[1, 2], [3, {"a": 1}]], dtype=object),
            TypeError,
            r"^sequence 1, time step 1 is .* of type dict: the argument must be .* string.* number",
        ),
        ([[GOOD, GOOD[:1]]], ValueError, r"^sequence 0 has 1 feature at time step 1, expected 2"),
        ([object_array([GOOD, GOOD])], ValueError, r"^sequence 0 has shape \(2, 2, 3\), expected"),
        (
            np.array([["2020"]], "M8[Y]"),
            TypeError,
            r"^sequence 0, time step 0 is .* of type datetime64",
        ),
        (
            np.array([[1]], "m8[s]"),
            TypeError,
            r"^sequence 0, time step 0 is .* of type timedelta64",
        ),
        (
            np.zeros((1, 1), [("a", float)]),
            TypeError,
            r"^sequence 0, time step 0 is .* of type void",
        ),
        # complex
        (GOOD + 0j, ValueError, r"^Complex data not supported: sequence 0, time step 0 is 0j"),
        (
            [GOOD, GOOD + 1j],
            ValueError,
            r"^Complex data not supported: sequence 1, .* feature 0 is",
        ),
        ([[1, 2], [3, 4j]], ValueError, r"^Complex data not supported: sequence 1, time step [01]"),
        (np.ones((1, 1), np.complex64), ValueError, r"^Complex data not supported: sequence 0"),
        (
            np.array([[1, 2j]], dtype=object),
            ValueError,
            r"^Complex .* sequence 0, time step 1 is 2j",
        ),
        ([[np.complex64(1j), 10**30]], ValueError, r"^Complex data not supported: sequence 0"),
        # sparse
        (scipy.sparse.csr_array(GOOD), TypeError, r"^X is of type .*: it is sparse"),
        (scipy.sparse.coo_matrix(GOOD), TypeError, r"^X is of type .*: it is sparse"),
        (
            [GOOD, scipy.sparse.csc_array(GOOD)],
            TypeError,
            r"^sequence 1 is of type .*: it is sparse",
        ),
        # masked
        (
            np.ma.masked_equal([[1, 2], [3, 4]], 3),
            ValueError,
            r"^sequence 1, time step 0 is masked",
        ),
        (
            [GOOD, np.ma.masked_equal([[1, 2], [3, 4]], 2)],
            ValueError,
            r"^sequence 1, .* feature 1 is",
        ),
        ([[1.0, np.ma.masked]], ValueError, r"^sequence 0, time step 1 is masked"),
        ([[np.ma.masked_equal([1, 2], 2)]], ValueError, r"^sequence 0, .* feature 1 is masked"),
    ],
)
def test_refused(X, error, message):
    with pytest.raises(error, match=message):
        as_sequences(X)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64, object])
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
@pytest.mark.parametrize("kind", ["list", "three-dimensional"])
def test_not_finite(value, source, dtype, kind):
    X = np.ones((4, 5, 3), dtype=source)
    X[2, 4, 1] = value
    name = "NaN" if np.isnan(value) else str(value)
    message = rf"^sequence 2, time step 4, feature 1 is {name}, expected a finite number \(neither"
    with pytest.raises(ValueError, match=message):
        as_sequences(X if kind == "three-dimensional" else list(X), dtype)


def test_not_finite_place_in_ragged_list_and_table():
    X = arrays(RAGGED)
    X[1][0, 1] = np.nan
    with pytest.raises(ValueError, match=r"^sequence 1, time step 0, feature 1 is NaN"):
        as_sequences(X)
    X[0][2, 1] = np.inf  # the first one is reported
    with pytest.raises(ValueError, match=r"^sequence 0, time step 2, feature 1 is inf"):
        as_sequences(X)
    with pytest.raises(ValueError, match=r"^sequence 1, time step 2, feature 0 is -inf"):
        as_sequences(np.array([[1, 2, 3], [4, 5, -np.inf]]))


def test_opposite_infinities_do_not_hide_each_other():
    with pytest.raises(ValueError, match=r"^sequence 0, time step 1, feature 0 is inf"):
        as_sequences([[1.0, np.inf, -np.inf]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_that_overflows_is_no_false_alarm(dtype):
    X = np.full((2, 8, 3), np.finfo(dtype).max)
    np.testing.assert_array_equal(as_sequences(X).values, X.reshape(16, 3))
    X[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match=r"^sequence 1, time step 3, feature 2 is NaN"):
        as_sequences(X)


@pytest.mark.parametrize("kind", ["list", "three-dimensional"])
def test_too_large_for_float32(kind):
    X = np.ones((3, 2, 2))
    X[1, 1, 0] = -1e39
    given = X if kind == "three-dimensional" else list(X)
    check_invariants(as_sequences(given, "float64"))
    message = r"^sequence 1, time step 1, feature 0 is -1e\+39, which does not fit into float32"
    with pytest.raises(ValueError, match=message):
        as_sequences(given, "float32")
    X[1, 1, 0] = np.finfo(np.float32).max
    assert as_sequences(given, "float32").values[3, 0] == np.finfo(np.float32).max


def test_too_large_for_float64():
    with pytest.raises(
        ValueError, match=r"^sequence 1 has a number that does not fit into float64"
    ):
        as_sequences([[1], [10**400]])
    huge = np.longdouble("1e4000")
    if not np.isfinite(huge):
        pytest.skip("long double is double here")
    with pytest.raises(ValueError, match=r"feature 0 is 1e\+4000, which does not fit into float64"):
        as_sequences([np.array([huge])])


@pytest.mark.parametrize("dtype", ["float16", "int64", np.float16, ">f4", "double precision", 4])
def test_unknown_dtype(dtype):
    with pytest.raises(ValueError, match=r"^dtype is .*, expected 'float32', 'float64' or None"):
        as_sequences(RAGGED, dtype)


@pytest.mark.parametrize("X", [RAGGED, arrays(RAGGED), np.zeros((4, 3, 2))])
def test_n_features(X):
    assert as_sequences(X, n_features=2).n_features == 2
    with pytest.raises(ValueError, match=r"^sequence 0 has 2 features, expected 3$"):
        as_sequences(X, n_features=3)


def test_n_features_names_the_first_culprit():
    with pytest.raises(ValueError, match=r"^sequence 1 has 3 features, expected 2$"):
        as_sequences([np.zeros((1, 2)), np.zeros((1, 3))], n_features=2)


def test_single_sequence_passed_as_table():
    x = np.zeros((29, 12))
    assert as_sequences([x], n_features=12).n_features == 12
    with pytest.raises(ValueError, match=r"^sequence 0 has 1 feature, expected 12: .* pass \[X\]$"):
        as_sequences(x, n_features=12)
    assert as_sequences(x, n_features=1).n_features == 1


@pytest.mark.parametrize("dtype", [float, object])
def test_n_columns(dtype):
    X = np.zeros((2, 3), dtype=dtype)
    assert as_sequences(X, n_features=1, n_columns=3).n_columns == 3
    message = r"^X has 3 features, but \w+ is expecting 4 features as input"
    with pytest.raises(ValueError, match=message):
        as_sequences(X, n_features=1, n_columns=4)


@pytest.mark.parametrize("X", [[[1, 2], [3, 4]], [np.zeros(3)], np.zeros((2, 3, 1))])
def test_n_columns_asks_only_tables(X):
    assert as_sequences(X, n_features=1, n_columns=4).n_features == 1


def test_indexing():
    sequences = as_sequences(RAGGED)
    for i, item in enumerate(RAGGED):
        np.testing.assert_array_equal(sequences[i], item)
        np.testing.assert_array_equal(sequences[i - 3], item)
        np.testing.assert_array_equal(sequences[np.int64(i)], item)
        assert np.shares_memory(sequences[i], sequences.values)
    assert [len(item) for item in sequences] == LENGTHS
    for i in (3, -4):
        with pytest.raises(IndexError, match=rf"no sequence {i} among 3"):
            sequences[i]
    with pytest.raises(TypeError):
        sequences[0:2]


def test_compared_by_identity():
    sequences = as_sequences(RAGGED)
    assert len({sequences, sequences, as_sequences(RAGGED)}) == 2


def test_frozen():
    sequences = as_sequences(RAGGED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sequences.values = None
    with pytest.raises(ValueError, match="read-only"):
        sequences.values[0, 0] = 1


@pytest.mark.parametrize(
    ("indices", "chosen"),
    [
        ([2, 0], [2, 0]),
        ([1], [1]),
        ([1, 1, 2, 1], [1, 1, 2, 1]),
        ([-1, 0], [2, 0]),
        (np.array([2, 1, 0], dtype=np.int32), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        (range(3), [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_take(indices, chosen, dtype):
    sequences = as_sequences(RAGGED, dtype)
    taken = sequences.take(indices)
    check_invariants(taken)
    assert isinstance(taken, Sequences) and len(taken) == len(chosen)
    assert taken.values.dtype == dtype
    for i, k in enumerate(chosen):
        np.testing.assert_array_equal(taken[i], RAGGED[k])
    assert not np.shares_memory(taken.values, sequences.values)


def test_take_keeps_columns():
    table = as_sequences(np.arange(6.0).reshape(3, 2))
    taken = table.take([2, 0])
    assert taken.n_columns == 2
    np.testing.assert_array_equal(taken.values.ravel(), [4, 5, 0, 1])


def test_take_nothing():
    taken = as_sequences(RAGGED).take([])
    assert len(taken) == 0 and taken.values.shape == (0, 2)
    assert repr(taken) == "<0 sequences, 2 features, float64>"


@pytest.mark.parametrize("indices", [[3], [-4], [0.5], [True, False]])
def test_take_refuses(indices):
    with pytest.raises(IndexError):
        as_sequences(RAGGED).take(indices)


def test_repr():
    assert repr(as_sequences(RAGGED)) == "<3 sequences, lengths 1 to 3, 2 features, float64>"
    assert "1 feature," in repr(as_sequences([[1, 2]]))


# Ids and categories.
