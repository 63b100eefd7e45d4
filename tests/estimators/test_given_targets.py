"""Targets, tags and weights as people have them: read by position, what is missing is told of."""

import collections
import decimal

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.targets import as_labels, as_numbers, as_sample_weight
from fastrnn.estimators.tasks import check_target_names
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.steps import as_step_labels, as_step_weight
from fastrnn.metrics import token_accuracy_score

LENGTHS = np.array([3, 2, 3])
X = as_sequences([np.zeros((length, 1)) for length in LENGTHS])
NUMBERS, WORDS = [0, 1, 0], ["u", "v", "u"]
Pair = collections.namedtuple("Pair", "first second third")


def containers_of(values):
    """A list in containers of pandas, polars, Arrow and PyTorch."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    yield pandas.Series(values, index=[7, 0, 3])
    yield pandas.Series(values, dtype="category")
    yield pandas.Series(values).convert_dtypes()
    yield pandas.Series(values).convert_dtypes(dtype_backend="pyarrow")
    yield polars.Series(values)
    yield arrow.array(values)
    yield arrow.chunked_array([values[:1], values[1:]])
    yield arrow.array(values).dictionary_encode()


@pytest.mark.parametrize("values", [NUMBERS, WORDS])
def test_labels_of_any_container(values):
    for given in containers_of(values):
        np.testing.assert_array_equal(as_labels(given), values)
        if values is NUMBERS:
            np.testing.assert_array_equal(as_numbers(given), values)
            np.testing.assert_array_equal(as_sample_weight(given, X), values)


def test_tensors():
    torch = pytest.importorskip("torch")
    recorded = torch.tensor([0.0, 1.0, 0.0], requires_grad=True)
    for given in (recorded, list(recorded)):
        np.testing.assert_array_equal(as_labels(given), NUMBERS)
        np.testing.assert_array_equal(as_numbers(given), NUMBERS)
        np.testing.assert_array_equal(as_sample_weight(given, X), NUMBERS)
    tags = [torch.tensor([0.0, np.nan, 1.0]), torch.tensor([1, 0]), torch.tensor([0, 0, 0])]
    assert as_step_labels(tags, LENGTHS).values == [0, None, 1, 1, 0, 0, 0, 0]


MISSING = [
    None,
    np.nan,
    "NA",
    "NaT",
    np.datetime64("NaT", "s"),
    np.ma.masked,
    decimal.Decimal("nan"),
]


@pytest.mark.parametrize("nothing", MISSING, ids=str)
@pytest.mark.parametrize("values", [NUMBERS, WORDS])
def test_a_missing_target_is_told_of(values, nothing):
    if isinstance(nothing, str):
        nothing = getattr(pytest.importorskip("pandas"), nothing)
    given = [values[0], nothing, values[2]]
    objects = np.empty(3, object)
    objects[:] = [None if value is np.ma.masked else value for value in given]
    for y in (given, objects):
        with pytest.raises(ValueError, match="Unknown label type: y has no label for sequence 1"):
            as_labels(y)
        if values is NUMBERS:
            with pytest.raises(ValueError, match=r"y .* sequence 1(,| has)"):
                as_numbers(y)
            with pytest.raises(ValueError, match=r"sample_weight .* sequence 1(,| has)"):
                as_sample_weight(y, X)


def test_masked_targets():
    for values in (NUMBERS, WORDS):
        masked = np.ma.MaskedArray(values, [False, True, False])
        with pytest.raises(ValueError, match="y has no label for sequence 1, it is None"):
            as_labels(masked)
    masked = np.ma.MaskedArray([[1.0, 2.0], [3.0, 4.0]], [[False, False], [True, False]])
    with pytest.raises(ValueError, match="y has no number for sequence 1, it is None"):
        as_numbers(masked)
    with pytest.raises(ValueError, match="sample_weight has no number for sequence 0"):
        as_sample_weight(np.ma.MaskedArray([1.0, 1, 1], [True, False, False]), X)


@pytest.mark.parametrize(
    ("y", "culprit"),
    [([1, "a", 2], "1 has 'a'"), (["a", 1.5, "b"], "1 has 1.5"), ([b"a", "a", "b"], "1 has 'a'")],
)
def test_words_and_others_stay_what_they_are(y, culprit):
    with pytest.raises(ValueError, match=f"all strings or all integers; sequence {culprit}"):
        as_labels(y)


@pytest.mark.parametrize("y", [np.array(["1", "2", "3"], object), ["1", 2, 3], [1, "2", 3]])
def test_words_are_no_numbers(y):
    with pytest.raises(TypeError, match=r"y must be numbers, sequence [01] has '[12]'"):
        as_numbers(y)
    with pytest.raises(TypeError, match=r"sample_weight must be numbers, sequence [01] has '[12]'"):
        as_sample_weight(y, X)


def test_columns_with_something_missing():
    for y in ([[0, 1], [None, 1]], [[0, 1], [1, np.nan]]):
        with pytest.raises(ValueError, match=r"sequence 1"):
            RNNClassifier(2, max_iter=1).fit([[1.0], [2.0]], y)
        with pytest.raises(ValueError, match=r"sequence 1"):
            as_numbers(np.array(y, dtype=object))


NO_ORDER = [
    ({0: 1.0, 1: 2.0, 2: 3.0}, "dict, .*: give a list in the order of the sequences"),
    ({1.0, 2.0, 3.0}, "set, .*: give a list in the order of the sequences"),
    ({0: 1, 1: 2, 2: 3}.values(), "dict_values, .*: give a list"),
    ("abc", "str, .*: give a list in the order of the sequences"),
    (iter([1, 2, 3]), "list_iterator, .*: make a list of it"),
    (map(int, "123"), "map, .*: make a list of it"),
]


@pytest.mark.parametrize(("given", "message"), NO_ORDER)
def test_what_has_no_order_is_refused(given, message):
    for read in (
        as_labels,
        as_numbers,
        lambda given: as_sample_weight(given, X),
        lambda given: as_step_labels(given, LENGTHS),
        lambda given: as_step_weight(given, LENGTHS),
    ):
        with pytest.raises(TypeError, match=f"is of type {message}"):
            read(given)


def test_named_tuples_and_lazy_frames_are_refused():
    polars = pytest.importorskip("polars")
    for given, message in (
        (Pair(0, 1, 0), "is a named tuple Pair with the fields first, second, third, expected"),
        (polars.DataFrame({"y": [0, 1, 0]}).lazy(), r"of type LazyFrame, .*: call its collect\(\)"),
    ):
        for read in (as_labels, as_numbers, as_step_labels):
            with pytest.raises(TypeError, match=f"^y is {message}|^y {message}"):
                read(given)
        with pytest.raises(TypeError, match=r"^sample_weight is"):
            as_step_weight(given, LENGTHS)


def test_packed_labels_are_refused():
    torch = pytest.importorskip("torch")
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])
    with pytest.raises(TypeError, match=r"y is of type PackedSequence, .*unpack_sequence"):
        as_step_labels(packed)


# Tags of steps.

TAGS = [["a", None, "b"], ["b", None], ["a", "b", "a"]]
TAG_NUMBERS = [[0, None, 1], [1, None], [0, 1, 0]]


def series_of(tags):
    """Each way in which a tag of a sequence may be missing."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    yield lambda t: pandas.Series(t)
    yield lambda t: pandas.Series(t, dtype="category")
    yield lambda t: pandas.Series(t).convert_dtypes()
    yield lambda t: pandas.Series(t).convert_dtypes(dtype_backend="pyarrow")
    yield lambda t: pandas.Categorical(t)
    yield lambda t: polars.Series(t)
    yield lambda t: arrow.array(t)
    yield lambda t: arrow.array(t).dictionary_encode()
    for nothing in (
        np.nan,
        pandas.NA,
        pandas.NaT,
        np.datetime64("NaT", "s"),
        decimal.Decimal("nan"),
    ):
        yield lambda t, nothing=nothing: [nothing if tag is None else tag for tag in t]
        yield lambda t, nothing=nothing: np.array(
            [nothing if tag is None else tag for tag in t], object
        )
    fill = tags[0][0]
    yield lambda t: np.ma.MaskedArray(
        [fill if tag is None else tag for tag in t], [tag is None for tag in t]
    )


@pytest.mark.parametrize("tags", [TAGS, TAG_NUMBERS])
def test_missing_tags_are_steps_that_do_not_count(tags):
    expected = [tag for of_sequence in tags for tag in of_sequence]
    for make in series_of(tags):
        labels = as_step_labels([make(of_sequence) for of_sequence in tags], LENGTHS)
        assert labels.values == expected
        assert labels.classes().tolist() == sorted({*expected} - {None})


def test_whole_numbers_that_became_floats_are_whole_where_others_are():
    labels = as_step_labels([np.array([0, np.nan, 1]), np.array([1, 0])])
    assert labels.classes().dtype.kind == "i"
    assert as_step_labels([np.array([0.0, 1.0])]).classes().dtype.kind == "f"


def test_missing_tags_do_not_count_in_fit_and_scores():
    steps = [np.array([[1.0], [5.0], [-1.0]]), np.array([[-1.0], [3.0]]), np.ones((3, 1))]
    floats = [np.array(tags, float) for tags in TAG_NUMBERS]
    one, other = (
        RNNTagger(2, max_iter=1, learning_rate="cosine", random_state=0).fit(steps, tags)
        for tags in (TAG_NUMBERS, floats)
    )
    np.testing.assert_array_equal(one.network_.theta, other.network_.theta)
    assert one.score(steps, floats) == one.score(steps, TAG_NUMBERS)
    assert token_accuracy_score(floats, [[0, 1, 1], [1, 1], [0, 1, 1]]) == 5 / 6


SQUARE = [["a", "b", "a"], ["b", None, "b"], ["a", "a", "b"]]
WEIGHT = np.arange(1.0, 10.0).reshape(3, 3)


def tables(rows):
    """A table, a row for each sequence: data frames of each library, and columns of lists."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    rows = [list(row) for row in rows]
    yield pandas.DataFrame(rows, index=[5, 0, 2], columns=list("zyx"))
    yield polars.DataFrame(rows, orient="row")
    yield arrow.table(pandas.DataFrame(rows, columns=list("zyx")))
    yield pandas.DataFrame({"rows": rows})
    yield polars.DataFrame({"rows": rows})
    yield arrow.table({"rows": rows})
    yield pandas.Series(rows, index=[5, 0, 2])
    yield polars.Series(rows)
    yield arrow.array(rows)


def test_tables_of_tags_and_weights_are_read_by_rows():
    lengths = np.array([3, 3, 3])
    for given in tables(SQUARE):
        assert as_step_labels(given, lengths).values == [tag for row in SQUARE for tag in row]
    for given in tables(WEIGHT):
        np.testing.assert_array_equal(as_step_weight(given, lengths), WEIGHT.ravel())


@pytest.mark.parametrize("nothing", [None, "NA", "masked"])
def test_missing_weights_of_steps_are_told_of(nothing):
    if nothing == "masked":
        weight = [np.ones(3), np.ma.MaskedArray([1.0, 1.0], [False, True]), np.ones(3)]
    else:
        value = nothing and getattr(pytest.importorskip("pandas"), nothing)
        weight = [np.ones(3), [1.0, value], np.ones(3)]
    with pytest.raises(TypeError, match="sequence 1, step 1: sample_weight must be numbers, got"):
        as_step_weight(weight, LENGTHS)


def test_an_index_is_no_order():
    pandas = pytest.importorskip("pandas")
    sequences = [[[1.0]], [[2.0], [0.5]], [[-1.0]]]
    order = [2, 0, 1]
    model = RNNRegressor(2, max_iter=1, learning_rate="cosine", random_state=0)
    expected = model.fit(sequences, [1.0, 2.0, 3.0], sample_weight=[1, 2, 3]).network_.theta
    shuffled = pandas.Series(sequences, index=order)
    y, weight = (pandas.Series(values, index=order[::-1]) for values in ([1.0, 2, 3], [1, 2, 3]))
    got = model.fit(shuffled, y, sample_weight=weight).network_.theta
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("estimator", [RNNRegressor, RNNClassifier])
def test_several_targets_are_found_by_name(estimator, library, tmp_path):
    if library == "pyarrow":
        make = pytest.importorskip("pyarrow").table
    else:
        make = pytest.importorskip(library).DataFrame
    a, b = np.array([0, 1, 1, 0]), np.array([1, 1, 0, 0])
    sequences = [[[1.0]], [[2.0], [0.5]], [[-1.0]], [[0.0], [3.0]]]
    model = estimator(2, max_iter=1, learning_rate="cosine", random_state=0)
    given, swapped = make({"a": a, "b": b}), make({"b": b, "a": a})
    model.fit(sequences, given, validation_data=(sequences, swapped))
    model.save(tmp_path / "model")
    for one in (model, fastrnn.load(tmp_path / "model")):
        assert one.score(sequences, swapped) == one.score(sequences, given)
    assert model.score(sequences, given) == pytest.approx(model.validation_scores_[-1], rel=1e-5)
    with pytest.raises(ValueError, match=r"y has the columns \['a', 'c'\], expected \['a', 'b'\]"):
        model.score(sequences, make({"a": a, "c": b}))
    # what has no names is read by position
    assert model.score(sequences, np.stack([a, b], axis=1)) == model.score(sequences, given)
    part = [
        estimator(2, random_state=0).partial_fit(sequences, given).partial_fit(sequences, y)
        for y in (given, swapped)
    ]
    np.testing.assert_array_equal(part[0].network_.theta, part[1].network_.theta)


@pytest.mark.parametrize("names", [("a",), ("a", "a"), ("a", "b", "c")])
def test_names_in_files_are_one_for_each_output(names):
    check_target_names(None, 2)
    check_target_names(("a", "b"), 2)
    with pytest.raises(ValueError, match="names must be different, one for each output"):
        check_target_names(names, 2)
