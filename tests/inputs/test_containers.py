"""Containers of sequences: each is read for what it means, or refused with what to do."""

import collections

import numpy as np
import pytest

from fastrnn.inputs.containers import open_container
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.series import read_series
from fastrnn.inputs.texts import open_texts
from fastrnn.preprocessing import SequenceScaler, TokenEncoder

rng = np.random.default_rng(0)
X = [rng.normal(size=(length, 2)) for length in (3, 5, 4)]
NAMES = ("a", "b")
Batch = collections.namedtuple("Batch", "X y")


def make(library, columns):
    """A data frame of some library."""
    if library == "dict":
        return columns
    if library == "arrow":
        return pytest.importorskip("pyarrow").table(columns)
    if library == "batch":
        return pytest.importorskip("pyarrow").RecordBatch.from_pydict(columns)
    return pytest.importorskip(library).DataFrame(columns)


LIBRARIES = ["dict", "pandas", "polars", "arrow", "batch"]


def frames(library, names=NAMES, data=X):
    """The sequences as data frames, their columns in this order."""
    return [make(library, {name: x[:, NAMES.index(name)] for name in names}) for x in data]


def assert_same(sequences, expected=X):
    np.testing.assert_array_equal(sequences.values, np.concatenate(expected))
    np.testing.assert_array_equal(sequences.lengths, [len(x) for x in expected])


# Columns are found by their names.


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("given", [("a", "b"), ("b", "a")])
def test_columns_are_found_by_name(library, given):
    learned = as_sequences(frames(library)).columns
    assert learned.names == NAMES
    assert_same(as_sequences(frames(library, given), columns=learned))


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_found_by_name_among_the_frames_of_a_call(library):
    mixed = [*frames(library)[:1], *frames(library, ("b", "a"))[1:]]
    assert_same(as_sequences(mixed))


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_scaler_finds_columns_by_name_and_keeps_their_order(library):
    scaled = SequenceScaler().fit(frames(library)).transform(frames(library, ("b", "a")))
    expected = SequenceScaler().fit(X).transform(X)
    for frame, given, values in zip(scaled, frames(library, ("b", "a")), expected, strict=True):
        assert type(frame) is type(given)
        for name, column in zip(NAMES, values.T, strict=True):
            np.testing.assert_allclose(np.asarray(frame[name]), column, rtol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a",), "sequence 0: The feature names(.|\n)*yet now missing:\n- b"),
        (("a", "b", "c"), "sequence 0: The feature names(.|\n)*unseen at fit time:\n- c"),
        (("a", "c"), "unseen at fit time:\n- c\n(.|\n)*now missing:\n- b"),
    ],
)
def test_missing_and_surplus_columns_are_named(library, names, message):
    learned = as_sequences(frames(library)).columns
    frame = make(library, {name: np.ones(2) for name in names})
    with pytest.raises(ValueError, match=message):
        as_sequences([frame], columns=learned)
    good = frames(library)[0]
    with pytest.raises(ValueError, match=r"sequence 1 has columns \['a'.* as in sequence 0: "):
        as_sequences([good, frame], columns=learned)


def test_columns_that_are_numbered_are_found_by_number():
    pandas = pytest.importorskip("pandas")
    assert_same(as_sequences([pandas.DataFrame(x)[[1, 0]] for x in X]))
    scaled = SequenceScaler().fit(X).transform([pandas.DataFrame(x)[[1, 0]] for x in X])
    expected = SequenceScaler().fit(X).transform(X)
    np.testing.assert_allclose(scaled[0][[0, 1]], expected[0], rtol=1e-12)
    years = [pandas.DataFrame(x, columns=[1950, 1949]) for x in X]  # names like any others
    assert_same(as_sequences(years))


def test_columns_of_one_name_are_not_put_in_order():
    pandas = pytest.importorskip("pandas")
    twice = pandas.DataFrame(np.ones((2, 3)), columns=["a", "a", "b"])
    assert as_sequences([twice, twice]).n_features == 3
    with pytest.raises(ValueError, match="sequence 1 has columns"):
        as_sequences([twice, twice[["b", "a"]]])


# What is no list of sequences.


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_frame_where_a_list_is_expected(library):
    for names in (("a", "b"), ("a",)):
        learned = as_sequences(frames(library, names)).columns
        with pytest.raises(ValueError, match=r"X is one data frame, .* pass \[X\] if it is one"):
            as_sequences(frames(library, names)[0], columns=learned)


def test_an_index_of_two_levels():
    pandas = pytest.importorskip("pandas")
    stacked = pandas.concat(frames("pandas"), keys=range(3), names=["id", None])
    with pytest.raises(ValueError, match=r"index of 2 levels.*X.groupby\(level='id', sort=False\)"):
        as_sequences(stacked)
    assert_same(as_sequences([part for _, part in stacked.groupby(level="id", sort=False)]))


def foreign(library, name):
    """An object of a class of this name, as if it were of the library."""
    return type(name, (), {"__module__": f"{library}.core.anything", "__len__": lambda self: 2})()


@pytest.mark.parametrize(
    ("library", "name", "advice"),
    [
        ("polars", "LazyFrame", r"call its collect\(\)"),
        ("narwhals", "DataFrame", r"call its to_native\(\)"),
        ("dask", "DataFrame", r"call its compute\(\)"),
        ("dask", "Array", r"call its compute\(\)"),
        ("pyspark", "DataFrame", r"call its toPandas\(\)"),
        ("cudf", "DataFrame", r"call its to_pandas\(\)"),
        ("cupy", "ndarray", r"call its get\(\)"),
        ("xarray", "DataArray", r"axes have names, .*transpose\(...\), and pass the values"),
        ("xarray", "Dataset", r"pass arrays, the values of its variables"),
        ("awkward", "Array", r"call its to_list\(\)"),
        ("tensorflow", "RaggedTensor", r"call its to_list\(\)"),
        ("torch", "Dataset", "make a list of what it has"),
    ],
)
def test_containers_of_others_are_refused_with_what_to_do(library, name, advice):
    with pytest.raises(TypeError, match=f"^X is of type {name}, expected a list .*: .*{advice}"):
        as_sequences(foreign(library, name))
    message = f"^sequence 1 is of type {name}, expected an array of shape .*: .*{advice}"
    with pytest.raises(TypeError, match=message):
        as_sequences([X[0], foreign(library, name)])


def test_lazy_frames_and_groups():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for lazy in (polars.DataFrame({"a": [1.0]}).lazy(), [polars.DataFrame({"a": [1.0]}).lazy()]):
        with pytest.raises(TypeError, match=r"LazyFrame, expected .*: call its collect\(\)"):
            as_sequences(lazy)
    long = pandas.concat(frames("pandas"), keys=range(3), names=["id", "t"]).reset_index("id")
    for groups in (long.groupby("id"), polars.DataFrame(long).group_by("id")):
        with pytest.raises(TypeError, match=r"GroupBy, .*pass \[part for _, part in groups\]"):
            as_sequences(groups)
    with pytest.raises(TypeError, match="sequence 0, time step 1 is of type DataFrame"):
        as_sequences(list(long.groupby("id")))


@pytest.mark.parametrize("given", [Batch(X, [0, 1, 0]), [X[0], Batch(X[1], 0)]])
def test_named_tuples(given):
    with pytest.raises(TypeError, match="is a named tuple Batch with the fields X, y, expected"):
        as_sequences(given)


def test_steps_that_have_names():
    frame = frames("pandas")[0]
    for steps, kind in (
        (list(frame.itertuples()), "a named tuple Pandas with the fields Index, a, b"),
        (frame.to_dict("records"), "of type dict"),
        ([row for _, row in frame.iterrows()], "of type Series"),
    ):
        with pytest.raises(TypeError, match=f"^sequence 1, time step 0 is {kind}, .*pass"):
            as_sequences([X[0], steps])
    with pytest.raises(TypeError, match=r"type record: .*\{name: X\[name\] for name in X.dtype"):
        as_sequences([frame.to_records(index=False)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1.0, 2.0]}, "X is of type dict, .* only one is read whose values are NumPy arrays"),
        ([{"a": [1.0]}], "sequence 0 is of type dict, .* only one is read whose values are NumPy"),
        ([b"ab", b"abc"], r"^sequence 0 is of type bytes, .*numpy.frombuffer"),
        ([bytearray(b"ab")], r"^sequence 0 is of type bytearray, .*numpy.frombuffer"),
        ([memoryview(b"ab")], r"^sequence 0 is of type memoryview, .*numpy.frombuffer"),
        ([{1, 2}], r"^sequence 0 is \{1, 2\} of type set"),
        (np.array([["2020-01-01"]], "M8[D]"), "take the time since one that is fixed"),
        (np.array([[1]], "m8[s]"), r"divide by one unit of time"),
    ],
)
def test_others_are_refused_with_what_to_do(given, message):
    with pytest.raises(TypeError, match=message):
        as_sequences(given)


def test_a_buffer_of_numbers_is_read():
    assert_same(as_sequences([memoryview(x) for x in X]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_that_are_no_numbers_are_named(library):
    times = np.array([1, 2], "m8[ms]")
    with pytest.raises(TypeError, match=r"time step 0, feature 1 \('b'\) is .*divide by one unit"):
        as_sequences([make(library, {"a": np.ones(2), "b": times})])
    with pytest.raises(ValueError, match=r"time step 1, feature 1 \('b'\) is NaN, expected"):
        as_sequences([make(library, {"a": np.ones(2), "b": np.array([1.0, np.nan])})])


# PyTorch.


def test_tensors():
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(x) for x in X]
    recorded = [tensor.clone().requires_grad_() for tensor in tensors]
    for given in (tensors, recorded, [list(tensor) for tensor in recorded]):
        assert_same(as_sequences(given))
    half = torch.tensor(X[0], dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(as_sequences([half]).values, half.detach().float().numpy())
    stacked = torch.tensor(np.stack([x[:3] for x in X]), requires_grad=True)
    assert_same(as_sequences(stacked), [x[:3] for x in X])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_are_lists():
    torch = pytest.importorskip("torch")
    assert_same(as_sequences(torch.nested.nested_tensor([torch.tensor(x) for x in X])))


def test_tensors_that_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"^sequence 0 is of type Tensor, .*call its to_dense\(\)"):
        as_sequences([torch.tensor(X[0]).to_sparse()])
    with pytest.raises(TypeError, match=r"^X is of type Tensor, .*device 'meta', which has no"):
        as_sequences(torch.ones(2, 3, 2, device="meta"))
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3, 1), torch.ones(2, 1)])
    for given in (packed, [packed]):
        message = r"is of type PackedSequence, .*torch.nn.utils.rnn.unpack_sequence makes a list"
        with pytest.raises(TypeError, match=message):
            as_sequences(given)


# Lists in the cells of a data frame, or in a column.


def cells(library, rows):
    """A data frame with a row for each sequence."""
    if library == "arrow":
        return pytest.importorskip("pyarrow").table(rows)
    return pytest.importorskip(library).DataFrame(rows)


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_lists_in_cells(library):
    rows = {name: [x[:, j].tolist() for x in X] for j, name in enumerate(NAMES)}
    sequences = as_sequences(cells(library, rows))
    assert_same(sequences)
    assert sequences.columns.names == NAMES
    swapped = cells(library, {"b": rows["b"], "a": rows["a"]})
    assert_same(as_sequences(swapped, columns=sequences.columns))
    assert_same(as_sequences(cells(library, {"a": rows["a"]})), [x[:, :1] for x in X])
    nested = cells(library, {"x": [x.tolist() for x in X]})
    assert_same(as_sequences(nested))
    assert_same(as_sequences(nested["x"]))


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_lists_in_cells_that_do_not_fit(library):
    lists = [[1.0, 2.0], [3.0]]
    for rows, message in (
        ({"a": lists, "y": [0, 1]}, "lists in its cells, .* not in the column 'y'"),
        ({"a": lists, "b": [[1.0], [2.0]]}, "sequence 0: column 'b' has 1 steps, expected 2 as in"),
        ({"a": [*lists, None]}, "sequence 2: column 'a' is None, expected a list of the steps"),
        ({"a": [[[1.0]]], "b": [[1.0]]}, "sequence 0: column 'a' has lists in lists"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            as_sequences(cells(library, rows))


def test_series_and_words_in_cells():
    pandas = pytest.importorskip("pandas")
    series = pandas.DataFrame(
        {
            name: [pandas.Series(x[:, j], index=range(len(x), 0, -1)) for x in X]
            for j, name in enumerate(NAMES)
        }
    )
    assert_same(as_sequences(series))
    words = pandas.DataFrame({"word": [["b", "a"], ["c"]], "x": [[1.0, 2.0], [3.0]]})
    sequences = as_sequences(words, categorical_features="from_dtype")
    assert sequences.columns.categories == (("a", "b", "c"),)
    np.testing.assert_array_equal(sequences.ids[:, 0], [1, 0, 2])


def test_arrow_arrays():
    arrow = pytest.importorskip("pyarrow")
    lists = [x.tolist() for x in X]
    assert_same(as_sequences(arrow.array(lists)))
    assert_same(as_sequences(arrow.chunked_array([lists[:1], lists[1:]])))
    assert_same(as_sequences([arrow.array(x[:, 0]) for x in X]), [x[:, :1] for x in X])
    fixed = arrow.array([x[:3, 0].tolist() for x in X], arrow.list_(arrow.float64(), 3))
    assert_same(as_sequences(fixed), [x[:3, :1] for x in X])
    with pytest.raises(ValueError, match="sequence 0, time step 1, feature 0 is NaN"):
        as_sequences([arrow.array([1.0, None])])
    structs = arrow.array([[{"a": 1.0}]])
    polars = pytest.importorskip("polars")
    for given in (structs, arrow.chunked_array([structs]), polars.Series([[{"a": 1.0}]])):
        with pytest.raises(TypeError, match="it has structs, take their fields apart"):
            as_sequences(given)


def test_object_arrays_of_lists():
    for kind in (list, np.asarray):
        array = np.empty(3, object)
        for t, step in enumerate(X[0]):
            array[t] = kind(step)
        assert_same(as_sequences([array]), X[:1])


def test_what_needs_no_opening_is_returned_itself():
    for value in (X[0], X, (1, 2), 1.5, "text", None, np.float32(1)):
        assert open_container(value, "X", "a list") is value


# Series and texts.

SERIES = [x[:, 0] for x in X]


def series_of(given):
    return read_series(given).values


def test_series_of_arrow_and_pytorch():
    arrow, torch = pytest.importorskip("pyarrow"), pytest.importorskip("torch")
    lists = arrow.array([series.tolist() for series in SERIES])
    tensors = [torch.tensor(series, requires_grad=True) for series in SERIES]
    for given in (lists, arrow.chunked_array([lists]), [*map(arrow.array, SERIES)], tensors):
        for got, expected in zip(series_of(given), SERIES, strict=True):
            np.testing.assert_array_equal(got, expected)
    for given in (arrow.array(SERIES[0]), tensors[0]):
        np.testing.assert_array_equal(series_of(given)[0], SERIES[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Batch(*SERIES[:2]), "y is a named tuple Batch with the fields X, y, expected an array"),
        (dict(enumerate(SERIES)), "y is of type dict, expected an array, .*: give a list"),
        ({1.0, 2.0, 3.0}, "y is of type set, expected an array, .*: give a list"),
        (iter(SERIES), "y is of type list_iterator, .*: make a list of it"),
        ("123", "y is of type str, expected an array"),
        (bytearray(b"123"), "y is of type bytearray, expected an array"),
        (np.array(["1", "2", "3"], object), "series 0 must be numbers, step 0 has '1'"),
        ([[1.0, 2.0, {}]], "series 0 must be numbers, step 2 has {}"),
    ],
)
def test_what_is_no_series(given, message):
    with pytest.raises(TypeError, match=message):
        read_series(given)


def test_what_is_missing_in_a_series_of_objects():
    pandas = pytest.importorskip("pandas")
    for nothing in (None, pandas.NA, np.nan):
        with pytest.raises(ValueError, match=r"series 0 has no value \(NaN\) at step 1"):
            read_series([[1, nothing, 2, 3]])
        read = read_series([[1, nothing, 2, 3]], allow_nan=True)
        np.testing.assert_array_equal(read.values[0], [1, np.nan, 2, 3])


def test_texts_and_ids_of_arrow_and_pytorch():
    arrow, torch = pytest.importorskip("pyarrow"), pytest.importorskip("torch")
    words = ["ab", "b"]
    for given in (arrow.array(words), arrow.chunked_array([words[:1], words[1:]])):
        assert [*map(str, open_texts(given)[1])] == words
        assert TokenEncoder().fit(given).vocabulary_ == {"b": 1, "a": 2}
    tokens = arrow.array([list(word) for word in words])
    assert TokenEncoder().fit(tokens).vocabulary_ == {"b": 1, "a": 2}
    ids = [[1, 0], [2]]
    for given in (arrow.array(ids), [*map(torch.tensor, ids)]):
        is_long, texts, are_ids = open_texts(given)
        assert not is_long and are_ids and [text.tolist() for text in texts] == ids
    is_long, texts, are_ids = open_texts(torch.tensor([1, 0, 2]))
    assert is_long and are_ids and texts[0].tolist() == [1, 0, 2]


@pytest.mark.parametrize("read", [open_texts, TokenEncoder().fit])
def test_what_is_no_list_of_texts(read):
    with pytest.raises(TypeError, match="X is a named tuple Batch with the fields X, y"):
        read(Batch("ab", "cd"))
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"X is of type LazyFrame, .*: call its collect\(\)"):
        read(polars.DataFrame({"text": ["ab"]}).lazy())
