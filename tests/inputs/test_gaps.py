"""Gaps and times of sequences: what is read in their place, and the way back of gradients."""

from decimal import Decimal

import numpy as np
import pytest

from fastrnn.files.codec import Place
from fastrnn.files.values import ModelFileError
from fastrnn.inputs.column_scaling import NO_SCALING
from fastrnn.inputs.missing import GAPS, NO_GAPS, Gaps, last_observed
from fastrnn.inputs.sequences import as_sequences

NAN = np.nan
X = [np.array([[NAN, 1.0], [2.0, NAN], [NAN, NAN]]), np.array([[4.0, NAN]])]


def read(X, missing="mask", gaps=None, **options):
    """Read sequences with gaps: what was learned of them, and what is read."""
    sequences = as_sequences(X, allow_nan=missing != "error", **options)
    gaps = Gaps.learn(sequences, missing) if gaps is None else gaps
    return gaps, gaps.fill(sequences)


@pytest.mark.parametrize(
    ("missing", "offsets", "expected"),
    [
        ([0, 0, 0], [0, 3], [0, 1, 2]),
        ([1, 0, 1], [0, 3], [-1, 1, 1]),
        ([0, 1, 1], [0, 1, 3], [0, -1, -1]),
        ([0, 1, 0, 1], [0, 2, 4], [0, 0, 2, 2]),
        ([1], [0, 1], [-1]),
        ([1, 1], [0, 1, 2], [-1, -1]),
    ],
)
def test_last_observed(missing, offsets, expected):
    missing = np.array(missing, bool)[:, np.newaxis]
    np.testing.assert_array_equal(last_observed(missing, np.array(offsets))[:, 0], expected)


def test_values_are_carried_forward_and_marked():
    gaps, sequences = read(X)
    assert gaps.mean == (3.0, 1.0)
    np.testing.assert_array_equal(
        sequences.values, [[3, 1, 1, 0], [2, 1, 0, 1], [2, 1, 1, 1], [4, 1, 0, 1]]
    )
    assert not sequences.values.flags.writeable


def test_nothing_missing_is_marked_too():
    _, sequences = read([np.ones((2, 1))])
    np.testing.assert_array_equal(sequences.values, [[1, 0], [1, 0]])


def test_a_number_that_fit_has_never_seen():
    gaps, sequences = read([[[NAN], [NAN]]])
    assert gaps.mean == (0.0,)
    np.testing.assert_array_equal(sequences.values, [[0, 1], [0, 1]])


def test_without_gaps_nothing_is_copied():
    sequences = as_sequences(np.ones((3, 4, 2)))
    assert NO_GAPS.fill(sequences) is sequences
    assert Gaps.learn(sequences, "error") == NO_GAPS


def test_mean_that_is_too_large():
    with pytest.raises(ValueError, match="number 1 of the steps has values too large for a mean"):
        read([np.array([[1.0, 1.7e308], [1.0, 1.7e308]])])


@pytest.mark.parametrize("missing", ["error", "mask", "decay"])
def test_parts_teach_what_all_of_them_teach(missing):
    parts = [as_sequences(X[:1], allow_nan=True), as_sequences(X[1:], allow_nan=True)]
    looks = [Gaps.look(part, missing) for part in parts]
    learned = Gaps.learn(as_sequences(X, allow_nan=True), missing)
    assert Gaps.join(looks, missing, NO_SCALING) == learned


def test_large_numbers_of_a_part_need_no_mean():
    part = as_sequences([np.full((2, 1), 1.7e308)], dtype="float64")
    assert Gaps.join([Gaps.look(part, "error")], "error", NO_SCALING) == NO_GAPS
    with pytest.raises(ValueError, match="number 0 of the steps has values too large for a mean"):
        Gaps.look(part, "mask")


# Every kind of what is missing.


def masked(x):
    return np.ma.masked_invalid(x)


def objects(blank):
    def convert(x):
        array = x.astype(object)
        array[np.isnan(x)] = blank
        return array

    return convert


def frame(x):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(x, columns=["a", "b"])


def nullable(x):
    return frame(x).convert_dtypes()


def frame_of_objects(x):
    pandas = pytest.importorskip("pandas")
    return frame(objects(pandas.NA)(x)).astype(object)


def polars_frame(x):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(objects(None)(x).tolist(), schema=["a", "b"], orient="row")


KINDS = {
    "NaN": lambda x: x,
    "list": lambda x: objects(None)(x).tolist(),
    "None": objects(None),
    "NaT": objects(np.datetime64("NaT", "s")),
    "Decimal": objects(Decimal("nan")),
    "masked": masked,
    "list of masked rows": lambda x: list(masked(x)),
    "whole numbers, masked": lambda x: np.ma.array(np.nan_to_num(x).astype(int), mask=np.isnan(x)),
    "frame": frame,
    "nullable": nullable,
    "frame of objects": frame_of_objects,
    "polars": polars_frame,
}


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_alike(kind, dtype):
    _, expected = read(X, dtype=dtype)
    _, sequences = read([KINDS[kind](x) for x in X], dtype=dtype)
    assert sequences.values.tobytes() == expected.values.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_refused_by_place(kind):
    message = r"^sequence 0, time step 0(, feature 0( \('a'\))?)? is .*missing='mask' accepts gaps$"
    with pytest.raises(ValueError, match=message):
        as_sequences([KINDS[kind](x) for x in X])


def test_one_array_with_gaps():
    cube = np.array([[[1.0], [NAN]], [[NAN], [2.0]]])
    _, expected = read(cube)
    for given in (masked(cube), objects(None)(cube), cube[:, :, 0], masked(cube[:, :, 0])):
        assert read(given)[1].values.tobytes() == expected.values.tobytes()
    with pytest.raises(ValueError, match="sequence 0, time step 1, feature 0 is masked"):
        as_sequences(masked(cube))


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ([X[0], None], TypeError, "^sequence 1 is .*of type NoneType"),
        ([X[0], NAN], ValueError, "^sequence 1 is a single number"),
        ([[[1.0, "x"]]], TypeError, "time step 0, feature 1 is 'x' of type str"),
        ([[[1.0, np.inf]]], ValueError, r"feature 1 is inf, .* or NaN \(not inf\)$"),
        (None, TypeError, "^X is of type NoneType"),
    ],
)
def test_what_is_no_gap(bad, error, message):
    with pytest.raises(error, match=message):
        read(bad)


# Ids.


def test_missing_ids_are_one_more():
    ids = [np.array([0.0, NAN, 2.0]), np.array([NAN])]
    _, sequences = read(ids, categorical_features="all")
    assert sequences.columns.n_categories == (3,)
    np.testing.assert_array_equal(sequences.ids[:, 0], [0, 3, 2, 3])
    again = as_sequences([[NAN, 1]], columns=sequences.columns, allow_nan=True)
    np.testing.assert_array_equal(again.ids[:, 0], [3, 1])
    with pytest.raises(ValueError, match="is the id 3, expected one from 0 to 2"):
        as_sequences([[3]], columns=sequences.columns, allow_nan=True)


@pytest.mark.parametrize("blank", [None, NAN, "NA"])
def test_missing_categories(blank):
    pandas = pytest.importorskip("pandas")
    blank = pandas.NA if blank == "NA" else blank
    frames = [
        pandas.DataFrame({"k": pandas.Series(["b", blank, "a"], dtype=object)}),
        pandas.DataFrame({"k": pandas.Series([blank], dtype=object)}),
    ]
    _, sequences = read(frames, categorical_features="from_dtype")
    assert sequences.columns.categories == (("a", "b"),)
    np.testing.assert_array_equal(sequences.ids[:, 0], [1, 2, 0, 2])
    later = as_sequences(frames[1:], columns=sequences.columns, allow_nan=True)
    np.testing.assert_array_equal(later.ids[:, 0], [2])
    unseen = [frames[0].replace("a", "c")]
    with pytest.raises(ValueError, match="is 'c', expected one of the categories of fit: 'a', 'b'"):
        as_sequences(unseen, columns=sequences.columns, allow_nan=True)


def test_a_frame_without_any_number_in_a_column():
    pandas = pytest.importorskip("pandas")
    whole = pandas.DataFrame({"a": [1.0, 2.0]})
    _, sequences = read([whole])
    blank = pandas.DataFrame({"a": pandas.Series([None], dtype="string")})
    later = as_sequences([blank], columns=sequences.columns, allow_nan=True)
    assert np.isnan(later.values).all()


def test_a_column_of_ids_that_are_all_missing():
    with pytest.raises(ValueError, match="feature 0 of X has no value at all"):
        read([[NAN, NAN]], categorical_features="all")


# Times.


def timed(times, column=0):
    """Univariate sequences with times."""
    return [np.insert(np.ones((len(t), 1)), column, t, axis=1) for t in times]


def test_times_become_differences():
    times = [[5.0, 6.0, 9.0], [1e9, 1e9 + 2]]
    gaps, sequences = read(timed(times), "error", time_feature=0)
    assert (gaps.unit, gaps.mean, gaps.time) == (2.0, (), 0)
    np.testing.assert_array_equal(sequences.values[:, 1], [0, 0.5, 1.5, 0, 1])
    np.testing.assert_array_equal(sequences.values[:, 0], 1)
    assert sequences.times is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_times_are_exact_where_the_network_is_not(dtype):
    times = np.array([2**53 - 2, 2**53 - 1])  # float32 would have them equal
    _, sequences = read([times[:, np.newaxis]], "error", time_feature=0, dtype=dtype)
    np.testing.assert_array_equal(sequences.values[:, 0], [0, 1])


@pytest.mark.parametrize("times", [[[3.0]], [[3.0], [4.0]], [[2.0, 2.0]]])
def test_times_without_a_difference(times):
    gaps, sequences = read(timed(times), "error", time_feature=0)
    assert gaps.unit == 1
    assert not sequences.values[:, 1].any()


def test_times_beside_gaps():
    x = [np.array([[1.0, 10.0, NAN], [NAN, 20.0, NAN]])]
    _, sequences = read(x, time_feature=1)
    # Numbers, the time, then a mark for each number.
    np.testing.assert_array_equal(sequences.values, [[1, 0, 0, 0, 1], [1, 0, 1, 1, 1]])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([[1.0, NAN]], "^sequence 0, time step 1, feature 0, the time, is missing, expected a fin"),
        ([[1.0], [np.inf]], "^sequence 1, time step 0, feature 0, the time, is inf"),
        ([[1.0], [5.0, 6.0, 4.5]], "^sequence 1, time step 2, feature 0, the time, is 1.5 less"),
        ([[-1e308, 1e308, 1.2e308], [-1e308, 1e308]], "too far apart for a mean"),
    ],
)
def test_wrong_times(times, message):
    with pytest.raises(ValueError, match=message):
        read(timed(times), time_feature=0)


def test_times_that_do_not_fit_later():
    gaps, _ = read(timed([[0.0, 1e-9]]), "error", time_feature=0, dtype="float32")
    with pytest.raises(ValueError, match=r"time step 1, .* mean steps after .* fit into float32"):
        read(timed([[0.0, 1e31]]), "error", gaps, time_feature=0, dtype="float32")


@pytest.mark.parametrize(
    ("time", "options", "message"),
    [
        (2, {}, "^time_feature has the column 2, but X has columns 0 to 1"),
        ("t", {}, "^time_feature has the name 't', but X is no data frame"),
        (0, {"categorical_features": [0]}, "^time_feature is 0, a column that categorical_fea"),
    ],
)
def test_no_such_time(time, options, message):
    with pytest.raises(ValueError, match=message):
        as_sequences(timed([[1.0, 2.0]]), time_feature=time, **options)


DATES = ["2024-03-30", "2024-03-31", "2024-04-02"]


def dates(library):
    """Frames of dates, of another kind each."""
    numpy = np.array(DATES, "datetime64[us]")
    value = np.arange(3.0)
    if library == "dict":
        return {"t": numpy, "v": value}
    module = pytest.importorskip(library.partition(" ")[0])
    if library == "pandas zoned":
        numpy = module.Series(numpy).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    if library == "pandas objects":
        numpy = module.Series(list(module.Series(numpy).dt.date), dtype=object)
    if library == "pandas durations":
        numpy = module.Series(numpy - numpy[0])
    return module.DataFrame({"t": numpy, "v": value})


@pytest.mark.parametrize(
    "library",
    ["dict", "pandas", "pandas zoned", "pandas objects", "pandas durations", "polars"],
)
def test_dates(library):
    gaps, sequences = read([dates(library)], "error", time_feature="t")
    assert gaps.is_date and gaps.unit == 1.5 * 86400
    np.testing.assert_allclose(sequences.values[:, 1], [0, 2 / 3, 4 / 3], rtol=1e-15)


def test_dates_and_numbers_are_not_mixed():
    gaps, first = read([dates("dict")], "error", time_feature="t")
    numbers = {"t": np.arange(3.0), "v": np.arange(3.0)}
    with pytest.raises(TypeError, match=r"^feature 0, the time, holds numbers, expected dates"):
        gaps.fill(as_sequences([numbers], columns=first.columns, time_feature=0))
    with pytest.raises(TypeError, match=r"^feature 0 \('t'\) holds no dates"):
        as_sequences([dates("dict"), numbers], time_feature="t")
    missing = {"t": np.array([DATES[0], "NaT"], "datetime64[D]"), "v": np.ones(2)}
    with pytest.raises(ValueError, match="time step 1, feature 0, the time, is missing"):
        read([missing], time_feature="t")


# The way back.


@pytest.mark.parametrize("missing", ["error", "mask"])
@pytest.mark.parametrize("time", [None, 0, 1, 3])
@pytest.mark.parametrize("ids", [None, [2]])
def test_gradients_go_back(missing, time, ids):
    if time == 2 and ids:
        return
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 4)).round(3) for length in (1, 5, 3)]
    for x in X:
        x[:, 2] = rng.integers(0, 3, len(x))
        if missing == "mask":
            x[rng.random(x.shape) < 0.4] = NAN
        if time is not None:
            x[:, time] = np.cumsum(rng.random(len(x)))
    X[1][:2, 2] = 0, 2
    options = {"categorical_features": ids, "time_feature": time}
    gaps, filled = read(X, missing, **options)
    direction = rng.normal(size=filled.values.shape)

    def value(X):
        return float((direction * read(X, missing, gaps, **options)[1].values).sum())

    back = np.split(gaps.undo(direction, filled), filled.offsets[1:-1])
    numbers = [j for j in range(4) if j not in (ids or ())]
    for i, x in enumerate(X):
        for t, k in np.ndindex(len(x), len(numbers)):
            j = numbers[k]
            if np.isnan(x[t, j]):
                assert back[i][t, k] == 0
                continue
            sides = []
            for change in (1e-4, -1e-4):
                changed = [part.copy() for part in X]
                changed[i][t, j] += change
                sides.append(value(changed))
            assert back[i][t, k] == pytest.approx((sides[0] - sides[1]) / 2e-4, abs=1e-7)


# In files.


@pytest.mark.parametrize(
    "gaps", [NO_GAPS, Gaps("mask", (0.1, -3.0), 2, True, 1 / 3), Gaps("mask", ()), read(X)[0]]
)
def test_record(gaps):
    assert GAPS.read(GAPS.write(gaps, Place("gaps")), Place("gaps")) == gaps


@pytest.mark.parametrize(
    "change",
    [
        {"missing": "drop"},
        {"mean": [0.0, {"float": "nan"}]},
        {"unit": 0.0},
        {"unit": -1.0},
        {"time": None},
        {"missing": "error"},
        {"time": -1},
    ],
)
def test_damaged_record(change):
    record = GAPS.write(Gaps("mask", (0.5,), 1, True, 2.0), Place("gaps"))
    with pytest.raises(ModelFileError, match=r"^gaps"):
        GAPS.read(record | change, Place("gaps"))
