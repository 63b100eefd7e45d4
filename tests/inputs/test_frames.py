"""Data frames: dicts of columns are such, and each kind of column becomes numbers or times."""

import datetime
import decimal
import sys

import numpy as np
import pytest
from contract import plain_forecaster
from sequence_checks import check_ids

from fastrnn import RNNClassifier, RNNTagger
from fastrnn.inputs import frames
from fastrnn.inputs.long_frames import LongColumns, LongFrame
from fastrnn.inputs.sequence_frames import Frames
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.stamps import read_stamps
from fastrnn.inspection import permutation_importance
from fastrnn.preprocessing import SequenceScaler

COLUMNS = {
    "x": np.arange(4.0),
    "kind": np.array(["b", "a", "b", "c"], dtype=object),
    "n": np.array([1, 0, 1, 1]),
}
SMALL = {"max_iter": 2, "learning_rate": "cosine", "random_state": 0}
NAN, NAT = np.nan, np.datetime64("NaT", "us")


def rows(columns, chosen):
    """Some rows of a dict of columns."""
    return {name: column[chosen] for name, column in columns.items()}


class TestDicts:
    def test_a_dict_of_columns_is_a_frame(self):
        assert frames.is_frame(COLUMNS)
        assert frames.column_names(COLUMNS) == ("x", "kind", "n")
        assert frames.shape_of(COLUMNS) == (4, 3)
        assert [frames.is_categorical(COLUMNS, j) for j in range(3)] == [False, True, False]
        read = Frames.of_list([rows(COLUMNS, [0, 1]), rows(COLUMNS, [2, 3])], None, None)
        assert read.numbers == {1: {"a": 0, "b": 1, "c": 2}}
        np.testing.assert_array_equal(read.encode()[1], [[2, 1, 1], [3, 2, 1]])

    @pytest.mark.parametrize(
        "other",
        [
            {},
            {"x": [1.0, 2.0]},
            {"x": np.ones((2, 1))},
            {"x": np.ones(2), "y": np.ones(3)},
            {"x": np.ones(2), "y": None},
        ],
        ids=["empty", "list", "two axes", "unequal", "nothing"],
    )
    def test_other_dicts_are_not(self, other):
        assert not frames.is_frame(other)
        with pytest.raises(TypeError, match="X is of type dict, expected a list of sequences"):
            as_sequences(other)
        with pytest.raises(TypeError, match="sequence 0 is of type dict, expected"):
            as_sequences([other])

    @pytest.mark.parametrize("dtype", ["float32", "int16", "bool"])
    def test_numbers_keep_their_dtype(self, dtype):
        frame = {"a": np.ones(3, dtype), "b": np.zeros(3, dtype)}
        assert frames.encode(frame, {}).dtype == dtype
        assert as_sequences([frame]).values.dtype == ("float32" if dtype == "float32" else float)

    def test_text_and_times_are_no_numbers(self):
        for column in (np.array(["a", "b"], object), np.array([1, 2], "datetime64[D]")):
            with pytest.raises(TypeError, match=r"sequence 0.*(holds categories|of type date)"):
                as_sequences([{"x": np.ones(2), "y": column}])

    def test_they_give_the_model_that_pandas_gives(self):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({name: column.tolist() for name, column in COLUMNS.items()})
        y = [["p", "q"], ["q", "p"]]
        models = [
            RNNTagger(3, categorical_features="from_dtype", **SMALL).fit(X, y)
            for X in ([rows(COLUMNS, [0, 1]), rows(COLUMNS, [2, 3])], [frame[:2], frame[2:]])
        ]
        assert models[0].feature_names_in_.tolist() == ["x", "kind", "n"]
        np.testing.assert_array_equal(models[0].network_.theta, models[1].network_.theta)
        np.testing.assert_array_equal(
            models[1].predict_proba([rows(COLUMNS, [0, 1, 2])])[0],
            models[0].predict_proba([frame[:3]])[0],
        )

    def test_a_table(self):
        values = np.random.default_rng(0).normal(size=(6, 4))
        y = [0, 1, 0, 1, 0, 1]
        frame = dict(zip("abcd", values.T, strict=True))
        model = RNNClassifier(3, **SMALL).fit(frame, y)
        expected = RNNClassifier(3, **SMALL).fit(values, y).predict_proba(values)
        np.testing.assert_array_equal(model.predict_proba(frame), expected)
        assert model.feature_names_in_.tolist() == list("abcd")

    def test_the_scaler_gives_dicts_for_dicts(self):
        scaler = SequenceScaler("minmax", categorical_features="from_dtype").fit([COLUMNS])
        (scaled,) = scaler.transform([COLUMNS])
        assert list(scaled) == ["x", "kind", "n"]
        assert scaled["kind"].tolist() == COLUMNS["kind"].tolist()
        np.testing.assert_allclose(scaled["x"], [0, 1 / 3, 2 / 3, 1], rtol=1e-12)
        assert COLUMNS["x"].tolist() == [0, 1, 2, 3]

    def test_features_are_permuted(self):
        pandas = pytest.importorskip("pandas")
        rng = np.random.default_rng(0)
        X = [
            {"a": rng.normal(size=n), "b": rng.choice(["u", "v"], n).astype(object)}
            for n in (3, 5, 4, 6)
        ]
        y = [0, 1, 0, 1]
        model = RNNClassifier(3, categorical_features="from_dtype", **SMALL).fit(X, y)
        for time_blocks in (None, 2):
            one, other = (
                permutation_importance(
                    model, data, y, random_state=0, n_repeats=3, time_blocks=time_blocks
                )
                for data in (X, [pandas.DataFrame(x) for x in X])
            )
            np.testing.assert_array_equal(one.importances, other.importances)

    def test_a_stream_reads_a_row(self):
        X = [rows(COLUMNS, [0, 1]), rows(COLUMNS, [2, 3])]
        model = RNNTagger(3, categorical_features="from_dtype", bidirectional=False, **SMALL)
        model.fit(X, [["p", "q"], ["q", "p"]])
        stream = model.stream()
        for t in (0, 1):
            answer = stream.step(rows(X[0], [t]))
        np.testing.assert_allclose(answer, model.predict_proba(X)[0][1:], rtol=1e-5)


def long_columns():
    """Two series of 20 days, with categories beside them, and the day after."""
    columns = {
        "id": np.repeat(["u", "v"], 20).astype(object),
        "time": np.tile(np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]"), 2),
        "value": np.random.default_rng(0).normal(size=40).cumsum(),
        "day": np.tile(["mo", "tu", "we", "th"], 10).astype(object),
    }
    later = {"id": np.array(["u", "v"], object), "day": columns["day"][:2]}
    return columns, {**later, "time": np.array(["2024-01-21"] * 2, "datetime64[D]")}


def test_long_dicts_give_the_forecasts_that_pandas_gives():
    pandas = pytest.importorskip("pandas")
    columns, later = long_columns()
    model = plain_forecaster(3, categorical_features="from_dtype", **SMALL)
    model.fit(pandas.DataFrame(columns), future_covariates=["day"])
    expected = model.predict(1, future_covariates=pandas.DataFrame(later))
    model.fit(columns, future_covariates=["day"])
    forecasts = model.predict(1, future_covariates=later)
    assert list(forecasts) == list(expected.columns)
    for name, values in forecasts.items():
        np.testing.assert_array_equal(values, expected[name])
    assert model.feature_names_in_.tolist() == ["value", "day"]
    columns["value"] = columns["day"]
    with pytest.raises(TypeError, match="column 'value' must be numbers, got object: row 0 has"):
        model.fit(columns)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_read_without_other_libraries(library, monkeypatch):
    module = pytest.importorskip(library)
    columns, _ = long_columns()
    frame = module.DataFrame({name: column.tolist() for name, column in columns.items()})
    monkeypatch.setitem(sys.modules, "narwhals", None)
    assert len(plain_forecaster(3, **SMALL).fit(frame).predict(2)) == 4


DAYS = [datetime.datetime(2024, 3, 30 + k % 2, k) for k in range(2)]
IN_BERLIN = [NAT if k is None else np.datetime64(k) for k in (
    datetime.datetime(2024, 3, 29, 23), None, datetime.datetime(2024, 3, 31)
)]  # fmt: skip


def pandas_columns(pandas):
    """Columns of pandas, with the numbers or the times that they hold."""
    whole, flags = [1, None, 3], [True, None, False]
    days = pandas.Series([DAYS[0], None, DAYS[1]])
    return {
        "int": (pandas.Series([1, 2]), [1, 2]),
        "uint8": (pandas.Series([1, 255], dtype="uint8"), [1, 255]),
        "bool": (pandas.Series([True, False]), [1, 0]),
        "Int64": (pandas.Series(whole, dtype="Int64"), [1, NAN, 3]),
        "Float32": (pandas.Series([0.5, None], dtype="Float32"), [0.5, NAN]),
        "boolean": (pandas.Series(flags, dtype="boolean"), [1, NAN, 0]),
        "objects": (pandas.Series([1, None, decimal.Decimal(2)], dtype=object), [1, NAN, 2]),
        "sparse": (pandas.Series([0.0, 1.0]).astype("Sparse[float]"), [0, 1]),
        "str": (pandas.Series(["1", "2"]), None),
        "category": (pandas.Series([1, 2], dtype="category"), None),
        "complex": (pandas.Series([1j, 2]), None),
        "timedelta": (pandas.Series(pandas.to_timedelta([1, 2], "h")), None),
        "lists": (pandas.Series([[1], [2]]), None),
        "times": (days, [np.datetime64(DAYS[0]), NAT, np.datetime64(DAYS[1])]),
        "zone": (days.dt.tz_localize("Europe/Berlin"), IN_BERLIN),
    }  # fmt: skip


def polars_columns(polars):
    """Columns of polars, with the numbers or the times that they hold."""
    days = polars.Series([DAYS[0], None, DAYS[1]])
    return {
        "int": (polars.Series([1, 2]), [1, 2]),
        "uint8": (polars.Series([1, 255], dtype=polars.UInt8), [1, 255]),
        "bool": (polars.Series([True, False]), [1, 0]),
        "int, null": (polars.Series([1, None, 3]), [1, NAN, 3]),
        "float, null": (polars.Series([0.5, None], dtype=polars.Float32), [0.5, NAN]),
        "bool, null": (polars.Series([True, None, False]), [1, NAN, 0]),
        "decimal": (polars.Series([decimal.Decimal("1.5"), None]), [1.5, NAN]),
        "str": (polars.Series(["1", "2"]), None),
        "category": (polars.Series(["1", "2"], dtype=polars.Categorical), None),
        "duration": (polars.Series([datetime.timedelta(1)]), None),
        "lists": (polars.Series([[1], [2]]), None),
        "times": (days, [np.datetime64(DAYS[0]), NAT, np.datetime64(DAYS[1])]),
        "zone": (days.dt.replace_time_zone("Europe/Berlin"), IN_BERLIN),
    }


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_become_numbers_or_times(library):
    module = pytest.importorskip(library)
    columns = {"pandas": pandas_columns, "polars": polars_columns}[library](module)
    for name, (column, expected) in columns.items():
        frame = module.DataFrame({"c": column})
        numbers = frames.column_numbers(frame, 0)
        if name in ("times", "zone"):
            assert numbers is None
            there = frame.dropna() if library == "pandas" else frame.drop_nulls()
            _, stamps = read_stamps(frames.column_of(there, 0), str)
            np.testing.assert_array_equal(stamps, [t for t in expected if not np.isnat(t)], name)
        elif expected is None:
            assert numbers is None, name
        else:
            assert numbers.dtype == np.float64
            np.testing.assert_array_equal(numbers, expected, name)


def test_columns_with_numbers_are_not_taken_to_find_categories(monkeypatch):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "float": [0.5, 1.0],
            "bool": [True, False],
            "nullable": pandas.array([1, None], "Int64"),
            "category": pandas.Categorical(["a", "b"]),
            "text": ["a", "b"],
            "string": pandas.array(["a", None], "string"),
            "mixed": pandas.Series(["a", 1], dtype=object),
            "date": pandas.to_datetime(["2026-01-01", "2026-01-02"]),
        }
    )
    arrow = pytest.importorskip("pyarrow")
    frame["arrow"] = pandas.array(["a", "b"], "string[pyarrow]")
    frame["text of arrow"] = pandas.array(["a", "b"], pandas.ArrowDtype(arrow.string()))
    each = range(frame.shape[1])
    expected = [frames.is_categorical(frame, j) for j in each]
    assert expected == [False] * 3 + [True] * 3 + [False] * 2 + [True] * 2
    taken, take = [], frames.column_of
    monkeypatch.setattr(frames, "column_of", lambda *told: (taken.append(told[1]), take(*told))[1])
    assert frames.categorical_columns(frame) == expected
    assert taken == [*each][3:]  # thousands of frames with many columns are read in a list


def test_times_with_a_zone_rise_where_clocks_go_back():
    pandas = pytest.importorskip("pandas")
    times = pandas.date_range("2024-10-27 00:00", periods=4, freq="h", tz="Europe/Berlin")
    frame = pandas.DataFrame({"id": "a", "time": times, "value": np.arange(4.0)})
    long = LongFrame(frame, LongColumns("id", "time", "value"), ())
    assert (np.diff(long.times) == np.timedelta64(1, "h")).all()


@pytest.mark.parametrize("missing", [None, "NA", "NaT"])
def test_missing_ids_and_times_are_found(missing):
    pandas = pytest.importorskip("pandas")
    nothing = {None: None, "NA": pandas.NA, "NaT": pandas.NaT}[missing]
    columns = {"id": ["a", "a", "b"], "time": [1, 2, 1], "value": [1.0, 2.0, 3.0]}
    for name, message in (
        ("id", "row 2 of the data frame has no 'id'"),
        ("time", r"'b' \(row 2 of the data frame\) has no time"),
    ):
        frame = pandas.DataFrame({**columns, name: [*columns[name][:2], nothing]}, dtype=object)
        with pytest.raises(ValueError, match=message):
            LongFrame(frame, LongColumns("id", "time", "value"), ())


def test_a_column_that_comes_twice():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([["a", 1, 2.0, 3.0]], columns=["id", "time", "value", "value"])
    with pytest.raises(ValueError, match="the data frame has 2 times the column 'value'"):
        LongFrame(frame, LongColumns("id", "time", "value"), ["value"])


@pytest.fixture(params=["pandas", "polars"])
def make_frame(request):
    """Return what makes a frame of a word, a number and a shape of declared categories."""
    library = pytest.importorskip(request.param)

    def make(words, numbers, shapes, order=("word", "number", "shape")):
        if request.param == "pandas":
            shapes = library.Categorical(shapes, categories=["round", "flat", "odd"])
        else:
            shapes = library.Series(shapes, dtype=library.Enum(["round", "flat", "odd"]))
        columns = {"word": words, "number": numbers, "shape": shapes}
        return library.DataFrame({name: columns[name] for name in order})

    return make


def test_frames(make_frame):
    X = [make_frame(["b", "a"], [0.5, 1], ["odd", "round"]), make_frame(["c"], [2], ["round"])]
    for chosen in ("from_dtype", ["shape", "word"], [True, False, True]):
        sequences = as_sequences(X, categorical_features=chosen)
        check_ids(sequences, [[1, 1], [0, 2], [2, 2]], [[0.5], [1], [2]])
        columns = sequences.columns
        assert columns.names == ("word", "number", "shape")
        assert columns.ids == (0, 2) and columns.n_categories == (3, 3)
        assert columns.categories == (("a", "b", "c"), ("flat", "odd", "round"))
    # "flat" was declared, so it is known though fit has not seen it
    later = as_sequences([make_frame(["c"], [1], ["flat"])], columns=columns)
    check_ids(later, [[2, 0]], [[1]])
    numbers = as_sequences([x[["number"]] for x in X])
    assert numbers.columns.names == ("number",) and numbers.ids is None


def test_frames_that_do_not_fit(make_frame):
    good = make_frame(["b", "a"], [0.5, 1], ["odd", "round"])
    columns = as_sequences([good], categorical_features="from_dtype").columns

    def refuse(X, message, error=ValueError, **options):
        with pytest.raises(error, match=message):
            as_sequences(X, **(options or {"columns": columns}))

    unknown = make_frame(["a", "z"], [1, 2], ["odd", "odd"])
    refuse(
        [good, unknown],
        r"^sequence 1, time step 1, feature 0 \('word'\) is 'z', expected one of the categories of "
        r"fit: 'a', 'b'$",
    )
    missing = make_frame(["a", "b"], [1, 2], ["odd", None])
    message = r"^sequence 0, time step 1, feature 2 \('shape'\) is missing, expected one of"
    refuse([missing], message)
    refuse([missing], message, categorical_features="from_dtype")
    swapped = make_frame(["a"], [1], ["odd"], ("number", "word", "shape"))
    check_ids(
        as_sequences([good, swapped], columns=columns), [[1, 1], [0, 2], [0, 1]], [[0.5], [1], [1]]
    )
    refuse([good[["word", "number"]]], "^sequence 0: The(.|\n)*yet now missing:\n- shape")
    refuse(
        [
            good.rename({"word": "w"})
            if hasattr(good, "to_series")
            else good.rename(columns={"word": "w"})
        ],
        "unseen at fit time:\n- w\n(.|\n)*missing:\n- word",
    )
    refuse(
        [make_frame([1, 2], [1, 2], ["odd", "odd"])],
        r"^feature 0 \('word'\) of X holds numbers, expected categories as in fit",
        TypeError,
    )
    refuse(
        [make_frame(["a"], ["b"], ["odd"])],
        r"^feature 1 \('number'\) of X holds categories, expected numbers as in fit",
        TypeError,
    )
    refuse(
        [good, np.zeros((2, 3))], "^sequence 1 is of type ndarray, expected a data frame", TypeError
    )
    refuse(
        [good],
        r"^sequence 0, feature 2 \('shape'\) holds categories, expected numbers: name",
        TypeError,
        categorical_features=["word"],
    )
    refuse([good], r"^sequence 0, feature 0 \('word'\) holds", TypeError, dtype="float32")
    refuse(
        [good, make_frame([1], [1], ["odd"])],
        r"^sequence 1, feature 0 \('word'\) holds no categories, expected them as in other",
        TypeError,
        categorical_features="from_dtype",
    )
    refuse([good], "has the name 'size', which 0 columns of X have", categorical_features=["size"])
    with (
        pytest.warns(UserWarning, match="^X does not have valid feature names, but the model was"),
        pytest.raises(TypeError, match="of X holds numbers, expected categories"),
    ):
        as_sequences([np.zeros((2, 3))], columns=columns)


def test_names_against_none(make_frame):
    frame = make_frame(["a"], [1.5], ["odd"])[["number"]]
    columns = as_sequences([np.zeros((1, 1))]).columns
    assert columns.names is None
    with pytest.warns(
        UserWarning, match="^sequence 0 has feature names, but the model was fitted w"
    ):
        as_sequences([frame], columns=columns)
    columns = as_sequences([frame]).columns
    with pytest.warns(UserWarning, match="^X does not have valid feature names") as caught:
        assert as_sequences([[[1.0]]], columns=columns).values == 1.0
    assert caught[0].filename == __file__


def test_table_of_categories(make_frame):
    table = make_frame(["b", "odd"], [1, 2], ["odd", "round"])[["word", "shape"]]
    sequences = as_sequences(table, categorical_features="all")
    check_ids(sequences, [[0], [2], [2], [3]], np.empty((4, 0)))
    assert sequences.columns.categories == (("b", "flat", "odd", "round"),)
    assert sequences.columns.names == ("word", "shape") and sequences.n_columns == 2
    columns = sequences.columns
    later = make_frame(["b", "z"], [1, 2], ["odd", "round"])[["word", "shape"]]
    with pytest.raises(ValueError, match=r"^sequence 1, time step 0, feature 0 is 'z', expected"):
        as_sequences(later, columns=columns, n_columns=2)


def test_names_of_a_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    columns = as_sequences(frame).columns
    assert columns.names == ("a", "b") and columns.width == 1
    with pytest.raises(ValueError, match=r"^X: The feature names should match"):
        as_sequences(frame[["b", "a"]], columns=columns, n_columns=2)
    assert as_sequences(pandas.DataFrame([[1, 2]])).columns.names is None
    with pytest.raises(TypeError, match=r"only supported if all input features have string names"):
        as_sequences(pandas.DataFrame({"a": [1], 2: [3]}))
    with pytest.raises(ValueError, match="which 2 columns of X have"):
        doubled = pandas.DataFrame([[1, 2]], columns=["a", "a"])
        as_sequences([doubled], categorical_features=["a"])


def test_polars_categorical_of_other_frames():
    polars = pytest.importorskip("polars")
    others = polars.Series(["x", "y"], dtype=polars.Categorical)  # shares its categories with all
    frame = polars.DataFrame({"word": polars.Series(["b", "a"], dtype=polars.Categorical)})
    columns = as_sequences([frame], categorical_features="all").columns
    assert columns.categories == (("a", "b"),) and len(others) == 2


def test_object_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    words = pandas.Series(["b", "a"], dtype=object)
    frame = pandas.DataFrame({"word": words, "n": pandas.Series([1, 2], dtype="Int64")})
    sequences = as_sequences([frame], categorical_features="from_dtype")
    check_ids(sequences, [[1], [0]], [[1], [2]])
    numbers = pandas.DataFrame({"k": pandas.Categorical([30, 10]), "x": np.float32([1, 2])})
    sequences = as_sequences([numbers], categorical_features=["k"])
    check_ids(sequences, [[1], [0]], [[1], [2]])
    assert sequences.columns.categories == ((10, 30),)
