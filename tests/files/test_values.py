"""What stands in records: it is loaded equal, or save refuses it and leaves the file as it was."""

import datetime
import decimal
import fractions
import json
import re
import string

import numpy as np
import pytest
from contract import plain_forecaster

import fastrnn
from fastrnn import RNNClassifier, RNNLanguageModel, RNNTagger
from fastrnn.files.values import decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(2**80), 0.1, 5e-324, np.inf, -np.inf, "", "\ud800", b"\0\xff", (),
        (1, (2,)), [1, [None]], {"a": 1, 2: (3,), True and 1.5: "x"}, datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4), np.datetime64("2024-02-29", "D"),
        datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), np.datetime64(-5, "ns"),
    ],
)  # fmt: skip
def test_values_go_through_json(value):
    again = decode(json.loads(json.dumps(encode(value, "it"), allow_nan=False)), "it")
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        object(), print, np.zeros((2, 2)), np.array(3), 1j, {1}, np.datetime64("NaT", "s"),
        np.datetime64(3, "2s"), np.timedelta64(5, "ns"), np.timedelta64(5, "s"), np.longdouble(0.5),
        np.void(b"ab"), bytearray(b"a"), memoryview(b"a"), decimal.Decimal(1), datetime.time(1),
        datetime.timedelta(1), fractions.Fraction(1, 3), frozenset(), range(3), [object()],
        {"a": object()}, {datetime.time(1): 1}, 2**5000, np.array([1, None], dtype=object),
        np.array([(1, 2)], dtype="i4,i4"), np.array([1], dtype="M8[s]"), np.array([1j]),
        np.array([0.5, 1], dtype=object), np.ma.masked_array([1, 2], [True, False]),
        np.array([True, False], dtype=object), np.array([0.5], dtype=np.longdouble),
    ],
)  # fmt: skip
def test_other_values_do_not(value):
    with pytest.raises(TypeError, match=r"it .*, which has no place in an? "):
        encode(value, "it")


def test_no_time_of_pandas_does_not():
    pandas = pytest.importorskip("pandas")
    for value in (pandas.NaT, pandas.Timestamp("2024-01-01 00:00:00.000000001"), pandas.NA):
        with pytest.raises(TypeError, match="which has no place in a model file"):
            encode(value, "it")
    time = pandas.Timestamp("2024-01-01 00:00:01.5")
    assert decode(encode(time, "it"), "it") == time


def test_values_in_values_without_end_do_not():
    endless: list = []
    endless.append(endless)
    deep: tuple = ()
    for _ in range(30):
        deep = (deep,)
    for value in (endless, deep, {"a": deep}, [[deep]]):
        with pytest.raises(ValueError, match="it has lists in lists without end"):
            encode(value, "it")


QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}
X = [np.random.default_rng(k).standard_normal((3, 2)) for k in range(6)]
BEFORE = b"what was there before"


def save_or_refuse(model, tmp_path):
    """Save a model; return it as loaded, or None if it was refused and all is as it was."""
    path = tmp_path / "model"
    path.write_bytes(BEFORE)
    try:
        model.save(path)
    except (TypeError, ValueError) as error:
        assert re.search("has no place in|cannot hold|must be", str(error))
        assert "\n" not in str(error)
        assert path.read_bytes() == BEFORE
        assert list(tmp_path.iterdir()) == [path]
        return None
    return fastrnn.load(path)


def plain(value):
    """A value without numpy's scalars."""
    return value.item() if isinstance(value, np.generic) else value


LABELS = {
    "beyond 64 bits": ([2**70, -(2**70)], True),
    "at the ends of 64 bits": ([2**63 - 1, -(2**63)], True),
    "unsigned": (np.array([2**64 - 1, 0], np.uint64), True),
    "bool": ([True, False], True),
    "big-endian": (np.array([5, -7], ">i4"), True),
    "float": (np.array([1e300, -0.0]), True),
    "half": (np.array([3, 4], np.float16), True),
    "long double": (np.array([3, 4], np.longdouble), False),
    "bytes": (np.array([b"a\xff", b"b"]), True),
    "objects": (np.array(["a", "b"], dtype=object), True),
    "numpy strings": (np.array([np.str_("a"), np.str_("b")], dtype=object), True),
    "surrogates and NUL": (["\ud800", "a\0b"], True),
    "empty": (["", "\n\x1b"], True),
    "long": (["a" * 50_000, "b"], True),
}


@pytest.mark.parametrize(("labels", "loads"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("cls", [RNNClassifier, RNNTagger])
def test_labels(cls, labels, loads, tmp_path):
    labels = np.asarray(labels)
    y = labels[np.arange(6) % 2]
    if cls is RNNTagger:
        y = [np.array([label] * 3, dtype=labels.dtype) for label in y]
    try:
        model = cls(2, **QUICK).fit(X, y)
    except (TypeError, ValueError):
        assert cls is RNNTagger and labels.dtype.kind in "SOu"  # a step may have none of them
        return
    loaded = save_or_refuse(model, tmp_path)
    assert (loaded is not None) == loads
    if loads:
        assert loaded.classes_.dtype == model.classes_.dtype.newbyteorder("=")
        assert loaded.classes_.tolist() == model.classes_.tolist()
        for got, expected in zip(loaded.predict(X), model.predict(X), strict=True):
            np.testing.assert_array_equal(got, expected)


KEYS = {
    "int": (3, True),
    "beyond 64 bits": (2**70, True),
    "far beyond": (2**5000, False),
    "numpy int": (np.int8(3), True),
    "bool": (np.True_, True),
    "str": ("\ud800\0", True),
    "bytes": (b"\xff", True),
    "tuple": (("a", (1, None)), True),
    "float": (0.1, True),
    "float32": (np.float32(0.1), True),
    "infinite": (np.inf, True),
    "date": (datetime.date(2024, 2, 29), True),
    "datetime": (datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.UTC), True),
    "datetime64": (np.datetime64("2024-02-29"), True),
    "time": (datetime.time(1), False),
    "timedelta64": (np.timedelta64(1, "ns"), False),
    "set": (frozenset(), False),
    "decimal": (decimal.Decimal(1), False),
    "object": (object(), False),
    "long": ("a" * 10**6, True),
}


@pytest.mark.parametrize(("key", "loads"), KEYS.values(), ids=KEYS)
def test_keys_of_class_weights(key, loads, tmp_path):
    model = RNNClassifier(2, **QUICK).fit(X, list("ababab"))
    loaded = save_or_refuse(model.set_params(class_weight={key: 2.0}), tmp_path)
    assert (loaded is not None) == loads
    if loads:
        assert loaded.class_weight == {key: 2.0}


PARAMETERS = [
    ("random_state", 2**70, True),
    ("random_state", np.uint64(2**64 - 1), True),
    ("random_state", 2**5000, False),
    ("tol", np.float16(0.5), True),
    ("tol", 10**300, True),
    ("tol", 5e-324, True),
    ("tol", np.longdouble(0.5), False),
    ("tol", fractions.Fraction(1, 2), False),
    ("hidden_layer_sizes", (np.int64(2), 3), True),
    ("hidden_layer_sizes", [2**70], True),
    ("categorical_features", np.array([False, True]), True),
    ("categorical_features", [np.True_, False], True),
    ("categorical_features", ["a" * 10**6], True),
    ("categorical_features", np.array([], int), True),
    ("categorical_features", np.array(["a", 1], dtype=object), True),
    ("categorical_features", [[[[]]]], True),
    ("categorical_features", np.zeros((2, 2)), False),
    ("categorical_features", [object()], False),
    ("categorical_features", range(2), False),
    ("clip_norm", None, True),
    ("clip_norm", np.inf, True),
    ("clip_norm", np.float64(0.1), True),
    ("batch_size", 2**63, True),
    ("class_weight", {k: 1.0 for k in range(100_000)}, False),  # more than a record may have
    ("class_weight", {"a": np.float32(2)}, True),
]


@pytest.mark.parametrize(
    ("name", "value", "loads"),
    PARAMETERS,
    ids=[f"{case[0]}-{k}" for k, case in enumerate(PARAMETERS)],
)
def test_parameters(name, value, loads, tmp_path):
    model = RNNClassifier(2, **QUICK).fit(X, list("ababab")).set_params(**{name: value})
    loaded = save_or_refuse(model, tmp_path)
    assert (loaded is not None) == loads
    if loads:
        np.testing.assert_equal(getattr(loaded, name), plain(value))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_categories_and_names(library, tmp_path):
    frames = pytest.importorskip(library)
    names = ["ü", "a\0b" + string.printable, "c" * 10**5]
    columns = {
        names[0]: np.arange(6.0) / 7,
        names[1]: ["x" * 10**5, "", "\n", "\0", "\x1b", "ü"],
        names[2]: ["1", "2"] * 3,
    }
    data = [frames.DataFrame(columns)] * 4
    model = RNNClassifier(2, categorical_features="from_dtype", **QUICK).fit(data, list("abab"))
    loaded = save_or_refuse(model, tmp_path)
    assert loaded.reader_.columns == model.reader_.columns
    np.testing.assert_array_equal(loaded.predict_proba(data), model.predict_proba(data))


CATEGORIES = {
    "int": [3, 1, 2],
    "beyond 64 bits": [2**70, 2**71, -(2**70)],
    "float": [0.1, np.inf, -1e300],
    "bool": [True, False, True],
    "bytes": [b"a", b"\xff", b""],
    "tuples": [("a", 1), ("b", 2), ("c", ("d",))],
    "dates": [datetime.date(2024, 1, k) for k in (1, 2, 3)],
    "times": [datetime.datetime(2024, 1, k, tzinfo=datetime.UTC) for k in (1, 2, 3)],
    "numpy times": np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "M8[ns]"),
    "spans": [datetime.timedelta(k) for k in (1, 2, 3)],
    "decimals": [decimal.Decimal(k) for k in (1, 2, 3)],
    "times of day": [datetime.time(k) for k in (1, 2, 3)],
}


@pytest.mark.parametrize("kind", CATEGORIES)
def test_categories_of_pandas(kind, tmp_path):
    pandas = pytest.importorskip("pandas")
    values = pandas.Series(CATEGORIES[kind], dtype="category")
    data = [pandas.DataFrame({"kind": values, "n": [1.0, 2.0, 3.0]})] * 4
    model = RNNClassifier(2, categorical_features="from_dtype", **QUICK).fit(data, list("abab"))
    loaded = save_or_refuse(model, tmp_path)
    refused = ("spans", "decimals", "times of day")
    assert (loaded is None) == (kind in refused)
    if loaded is not None:
        assert loaded.reader_.columns == model.reader_.columns
        np.testing.assert_array_equal(loaded.predict_proba(data), model.predict_proba(data))


def test_tokens(tmp_path):
    texts = [["\ud800", "\0", "a" * 10**6, "<eos> "], ["\n", "\0", "ü"]]
    model = RNNLanguageModel(2, **QUICK).fit(texts)
    loaded = save_or_refuse(model, tmp_path)
    assert loaded.tokens_ == model.tokens_
    np.testing.assert_array_equal(loaded.next_proba(texts[0]), model.next_proba(texts[0]))


@pytest.mark.parametrize(
    ("ids", "loads"),
    [
        (["", "\0"], True),
        ([2**62, -(2**62)], True),
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], True),
        ([datetime.time(1), datetime.time(2)], False),
        ([("a", 1), ("b", 2)], True),
    ],
)
def test_ids_of_series(ids, loads, tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [(name, t, np.sin(t)) for name in ids for t in range(12)]
    frame = pandas.DataFrame(rows, columns=["id", "time", "value"])
    model = plain_forecaster(2, **QUICK).fit(frame)
    loaded = save_or_refuse(model, tmp_path)
    assert (loaded is not None) == loads
    if loads:
        assert loaded.reader_.series.ids == model.reader_.series.ids
        np.testing.assert_array_equal(loaded.predict(2), model.predict(2))
