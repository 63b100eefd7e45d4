"""Estimators as ONNX models: what ONNX Runtime computes is what they predict."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from contract import plain_forecaster
from every_cell import CHOICES, ZONED

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.bridge import NotFittedError
from fastrnn.inputs.scaling import learn_scale
from fastrnn.interop import export_onnx, to_onnx

onnx = pytest.importorskip("onnx", reason="onnx, which the models are made with, is not installed")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="ONNX Runtime, which runs the models, is not installed"
)

pytestmark = pytest.mark.filterwarnings("ignore:.*max_iter:UserWarning")

EVERY_CELL = pytest.mark.parametrize("cell", CHOICES)
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

LENGTHS = np.array([4, 1, 7, 2, 7, 1])
LABELS = np.array(["b", "a", "c", "a", "b", "c"])


def sequences(*columns):
    """Sequences of six lengths; a column is of ids below a number, or of numbers for 0."""
    rng = np.random.default_rng(5)
    return [
        np.column_stack(
            [rng.integers(0, n, length) if n else rng.standard_normal(length) for n in columns]
        )
        for length in LENGTHS
    ]


def pad(items, fill):
    """One array of arrays of unequal length, with something else in the padding."""
    items = [np.asarray(item) for item in items]
    longest = max(len(item) for item in items)
    padded = np.full((len(items), longest, *items[0].shape[1:]), fill, dtype=items[0].dtype)
    for row, item in zip(padded, items, strict=True):
        row[: len(item)] = item
    return padded


def shuffle_weights(est):
    """Give a fitted estimator other weights, which are not as good but larger."""
    theta = est.network_.theta
    theta[...] = 0.7 * np.random.default_rng(9).standard_normal(theta.shape)
    return est


def run(est, **feeds):
    """What ONNX Runtime makes of an estimator's model, by name of output."""
    model = to_onnx(est)
    onnx.checker.check_model(model, full_check=True)
    # The declared inputs and outputs are there, with the declared shapes.
    assert {value.name for value in model.graph.input} == feeds.keys()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs = session.run(None, feeds)
    for declared, value in zip(session.get_outputs(), outputs, strict=True):
        assert len(declared.shape) == value.ndim
        for size, got in zip(declared.shape, value.shape, strict=True):
            assert isinstance(size, str) or size == got
    return {
        declared.name: value for declared, value in zip(session.get_outputs(), outputs, strict=True)
    }


def assert_close(values, expected):
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


def numbers(X, dtype="float32"):
    """Padded numbers, with something in the padding that must not be seen."""
    return pad(X, np.nan).astype(dtype)


@DTYPES
@BOTH
@pytest.mark.parametrize("cell", ZONED)
def test_zoneout(cell, bidirectional, dtype):
    X = sequences(0, 0, 0)
    clf = RNNClassifier(
        (5, 4), **ZONED[cell], bidirectional=bidirectional, pooling="mean", dtype=dtype, max_iter=1
    )
    shuffle_weights(clf.fit(X, LABELS))
    outputs = run(clf, X=numbers(X, dtype), lengths=LENGTHS)
    assert_close(outputs["probabilities"], clf.predict_proba(X))


@DTYPES
# Pooling reads the top layer, whatever lies below it.
@pytest.mark.parametrize(
    ("sizes", "pooling"), [(5, "last"), ((5, 4), "last"), ((5, 4), "mean"), (5, "max")]
)
@BOTH
@EVERY_CELL
def test_classifier(cell, bidirectional, sizes, pooling, dtype):
    X = sequences(0, 0, 0)
    clf = RNNClassifier(
        sizes,
        **CHOICES[cell],
        bidirectional=bidirectional,
        pooling=pooling,
        dtype=dtype,
        max_iter=1,
    )
    shuffle_weights(clf.fit(X, LABELS))
    outputs = run(clf, X=numbers(X, dtype), lengths=LENGTHS)
    assert outputs["probabilities"].dtype == dtype
    assert_close(outputs["probabilities"], clf.predict_proba(X))
    assert outputs["labels"].tolist() == clf.predict(X).tolist()


@DTYPES
@pytest.mark.parametrize(
    "pooling", ["attention", "max+mean", "last+max", "attention+max+last+mean"]
)
@BOTH
def test_more_poolings(bidirectional, pooling, dtype):
    X = sequences(0, 0, 0)
    options = {"cell": "gru", "bidirectional": bidirectional, "pooling": pooling, "dtype": dtype}
    clf = shuffle_weights(RNNClassifier((5, 4), **options, max_iter=1).fit(X, LABELS))
    padded = numbers(X, dtype)
    outputs = run(clf, X=padded, lengths=LENGTHS)
    assert_close(outputs["probabilities"], clf.predict_proba(X))
    for x, length in zip(padded, LENGTHS, strict=True):
        x[length:] = np.nan  # what stands in the padding does not matter
    assert_close(run(clf, X=padded, lengths=LENGTHS)["probabilities"], outputs["probabilities"])


@DTYPES
@BOTH
@EVERY_CELL
def test_sizes_of_one(cell, bidirectional, dtype):
    X = np.random.default_rng(0).standard_normal((5, 6, 1))
    clf = RNNClassifier(
        (1, 2, 1), **CHOICES[cell], bidirectional=bidirectional, dtype=dtype, max_iter=1
    )
    shuffle_weights(clf.fit(X, [0, 1, 0, 1, 1]))
    for n, length in ((5, 6), (1, 6), (5, 1), (1, 1)):
        x = X[:n, :length]
        outputs = run(clf, X=x.astype(dtype), lengths=np.full(n, length))
        assert_close(outputs["probabilities"], clf.predict_proba(x))


@pytest.mark.parametrize(
    "labels",
    [
        [3, -7, 3, 2**40, -7, 3],
        [True, False, True, True, False, True],
        [1.0, 2.0, 1.0, 2.0, 3.0, 3.0],
        np.array(["ä", "b", "ä", "b", "b", "b"], dtype=object),
        np.array([b"x", b"y", b"x", b"y", b"x", b"y"]),
        np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8),
    ],
    ids=["integers", "booleans", "floats", "strings", "bytes", "uint8"],
)
def test_class_labels_of_every_kind(labels):
    X = sequences(0)
    clf = shuffle_weights(RNNClassifier(4, max_iter=1).fit(X, labels))
    expected = [x.decode() if isinstance(x, bytes) else x for x in clf.predict(X).tolist()]
    assert run(clf, X=numbers(X), lengths=LENGTHS)["labels"].tolist() == expected
    classes = [x.decode() if isinstance(x, bytes) else x for x in clf.classes_.tolist()]
    assert metadata(clf)["classes"] == classes


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_several_labels(pooling):
    X, y = sequences(0, 0), np.random.default_rng(0).integers(0, 2, (6, 4))
    clf = shuffle_weights(RNNClassifier(4, pooling=pooling, max_iter=1).fit(X, y))
    outputs = run(clf, X=numbers(X), lengths=LENGTHS)
    assert_close(outputs["probabilities"], clf.predict_proba(X))
    assert outputs["labels"].tolist() == clf.predict(X).tolist()


@DTYPES
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
def test_regressor_in_units_of_y(n_outputs, dtype):
    X = sequences(0, 0)
    shape = (6,) if n_outputs is None else (6, n_outputs)
    y = 1e5 + 1e3 * np.random.default_rng(0).standard_normal(shape)
    reg = shuffle_weights(RNNRegressor(4, pooling="mean", max_iter=1, dtype=dtype).fit(X, y))
    values = run(reg, X=numbers(X, dtype), lengths=LENGTHS)["values"]
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, reg.predict(X), rtol=0, atol=1e-5 * reg.y_scale_.max())


@DTYPES
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("columns", [(6,), (0, 6), (4, 0, 1, 0)], ids=str)
@pytest.mark.parametrize("cell", ["gru", "carry_lstm"])
def test_embeddings(cell, columns, pooling, dtype):
    X = sequences(*columns)
    ids = [j for j, n in enumerate(columns) if n]
    clf = RNNClassifier(
        (4, 3), cell=cell, pooling=pooling, bidirectional=True, categorical_features=ids,
        embedding_dim=tuple(range(1, len(ids) + 1)), dtype=dtype, max_iter=1,
    )  # fmt: skip
    shuffle_weights(clf.fit(X, LABELS))
    feeds = {"ids": pad([x[:, ids].astype(np.int64) for x in X], 0), "lengths": LENGTHS}
    if len(ids) < len(columns):
        rest = [j for j in range(len(columns)) if j not in ids]
        feeds["X"] = numbers([x[:, rest] for x in X], dtype)
    assert_close(run(clf, **feeds)["probabilities"], clf.predict_proba(X))


@DTYPES
@pytest.mark.parametrize("labels", ["ab", "12"], ids=["strings", "integers"])
@BOTH
@EVERY_CELL
def test_tagger(cell, bidirectional, labels, dtype):
    X = sequences(0, 0)
    kinds = np.array(list(labels) if labels == "ab" else [1, 2])
    y = [kinds[(x[:, 0] > 0).astype(int)] for x in X]
    tagger = RNNTagger(
        (4, 3), **CHOICES[cell], bidirectional=bidirectional, dtype=dtype, max_iter=1
    )
    shuffle_weights(tagger.fit(X, y))
    outputs = run(tagger, X=numbers(X, dtype), lengths=LENGTHS)
    assert_close(outputs["probabilities"], pad(tagger.predict_proba(X), 0))
    nothing = "" if labels == "ab" else -1
    expected = pad([item.astype(object) for item in tagger.predict(X)], nothing)
    assert outputs["labels"].tolist() == expected.tolist()


@DTYPES
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@EVERY_CELL
def test_language_model_of_texts(cell, tied, dtype):
    texts = ["abac", "a", "bcacbab", "cc"]
    model = RNNLanguageModel(
        (4, 3), **CHOICES[cell], tie_weights=tied, embedding_dim=None if tied else 2, dtype=dtype,
        max_iter=1,
    )  # fmt: skip
    shuffle_weights(model.fit(texts))
    known = metadata(model)["tokens"]
    assert known == model.tokens_
    ids = [np.array([known.index(t) for t in ["<eos>", *text]]) for text in texts]
    lengths = np.array([len(item) for item in ids])
    feeds = {"ids": pad(ids, 0)[:, :, np.newaxis], "lengths": lengths}
    probabilities = run(model, **feeds)["probabilities"]
    for row, text in zip(probabilities, texts, strict=True):
        for k in range(len(text) + 1):
            assert_close(row[k], model.next_proba(text[:k]))
        assert not row[len(text) + 1 :].any()


def test_tied_weights_are_in_the_model_once():
    sizes = []
    for tied in (False, True):
        model = RNNLanguageModel(8, tie_weights=tied, embedding_dim=8, max_iter=1)
        sizes.append(len(to_onnx(model.fit(np.arange(500))).SerializeToString()))
    assert sizes[0] - sizes[1] > 0.9 * 500 * 8 * 4


def test_language_model_of_one_long_stream_of_ids():
    ids = np.random.default_rng(0).integers(0, 7, 200)
    model = shuffle_weights(RNNLanguageModel(5, cell="gru", max_iter=1, bptt_steps=10).fit(ids))
    feeds = {"ids": ids[np.newaxis, :20, np.newaxis], "lengths": np.array([20])}
    probabilities = run(model, **feeds)["probabilities"]
    assert_close(probabilities[0, -1], model.next_proba(ids[:20]))


SERIES_LENGTHS = np.array([9, 4, 14])


def make_series(gaps=False):
    """Three series of different size and length, above 0."""
    rng = np.random.default_rng(3)
    made = [
        size * np.exp(0.3 * rng.standard_normal(n).cumsum())
        for size, n in zip((1.0, 20.0, 5e3), SERIES_LENGTHS, strict=True)
    ]
    if gaps:
        made[0][[0, 1, 4, 8]] = made[2][[3, 4, 5]] = np.nan
    return made


def assert_forecasts_close(values, expected, series):
    """Equal to 1e-5, or to 1e-5 of the size of the series."""
    for row, wanted, known in zip(values, expected, series, strict=True):
        size = max(np.nanmax(np.abs(known)), np.abs(wanted).max())
        np.testing.assert_allclose(row, wanted, rtol=0, atol=1e-5 * size)


# All pairs of the three, each with all of the others.
@pytest.mark.parametrize(
    ("strategy", "missing", "dtype"),
    [
        ("recursive", "error", "float32"),
        ("recursive", "mask", "float64"),
        ("direct", "error", "float64"),
        ("direct", "mask", "float32"),
    ],
)
@pytest.mark.parametrize("log", [False, True, "log1p"], ids=["plain", "log", "log1p"])
@pytest.mark.parametrize(
    ("scaling", "lags"),
    [("difference", 1), ("difference", 4), ("standard", 9), ("level", 1), (None, 2)],
)
def test_forecaster(strategy, scaling, lags, log, missing, dtype):
    series = make_series(gaps=missing == "mask")
    if log == "log1p":
        series[1] -= series[1].mean()
        series[1][2] = 0
    options = {"horizon": 3, "quantiles": (0.1, 0.4, 0.9)} if strategy == "direct" else {}
    model = plain_forecaster(
        (4, 3), cell="gru", strategy=strategy, scaling=scaling, log=log, missing=missing,
        dtype=dtype, max_iter=1, scale_feature=missing == "mask", lags=lags, **options,
    )  # fmt: skip
    shuffle_weights(model.fit(series))
    model.network_.theta *= 0.2  # forecasts grow and grow otherwise
    feeds = {"series": pad(series, np.nan), "lengths": SERIES_LENGTHS}
    n = 3 if strategy == "direct" else 6
    if strategy == "recursive":
        feeds["horizon"] = np.array(n)
    outputs = run(model, **feeds)
    assert_forecasts_close(outputs["values"], model.predict(n), series)
    if strategy == "direct":
        assert_forecasts_close(outputs["quantiles"], model.predict_quantiles(n), series)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize(
    "params",
    [
        {"likelihood": "student_t"},
        {"likelihood": "poisson", "scaling": "level", "seasonality": 2},
        {"likelihood": "negative_binomial", "scaling": None, "missing": "mask"},
    ],
    ids=str,
)
def test_forecaster_with_a_likelihood(params, strategy):
    series, n = [np.round(y) for y in make_series(gaps="missing" in params)], 3
    model = plain_forecaster(4, strategy=strategy, horizon=n, max_iter=1, **params)
    shuffle_weights(model.fit(series))
    model.network_.theta *= 0.2
    feeds = {"series": pad(series, np.nan), "lengths": SERIES_LENGTHS}
    if strategy == "recursive":
        feeds["horizon"] = np.array(n)
    assert_forecasts_close(run(model, **feeds)["values"], model.predict(n), series)


@pytest.mark.parametrize("horizon", [1, 4])
@DTYPES
@pytest.mark.parametrize("cell", CHOICES | ZONED)
def test_forecaster_feeds_back_through_every_cell(cell, dtype, horizon):
    series = make_series()
    model = shuffle_weights(
        plain_forecaster((4, 3), **(CHOICES | ZONED)[cell], dtype=dtype, max_iter=1).fit(series)
    )
    model.network_.theta *= 0.4
    feeds = {"series": pad(series, 0), "lengths": SERIES_LENGTHS, "horizon": np.array(horizon)}
    assert_forecasts_close(run(model, **feeds)["values"], model.predict(horizon), series)


@pytest.mark.parametrize("quantiles", [None, (0.5,)], ids=["mean", "median"])
@pytest.mark.parametrize("missing", ["error", "mask"])
@pytest.mark.parametrize("ids", [None, [1]], ids=["numbers", "ids"])
@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_forecaster_with_covariates(strategy, ids, missing, quantiles):
    rng = np.random.default_rng(8)
    series, horizon = make_series(gaps=missing == "mask"), 3
    future = [
        np.column_stack([10 + rng.standard_normal(n + horizon), rng.integers(0, 3, n + horizon)])
        for n in SERIES_LENGTHS
    ]
    covariates = {"future_covariates": future}
    options = {"categorical_features": ids, "embedding_dim": None if ids is None else 2}
    if strategy == "direct":
        covariates["past_covariates"] = [
            np.column_stack([rng.integers(0, 4, n), rng.standard_normal(n)]) for n in SERIES_LENGTHS
        ]
        options["horizon"] = horizon
        if ids:
            options.update(categorical_features=[1, 2], embedding_dim=(2, 3))
    model = plain_forecaster(
        4, cell="carry_lstm", strategy=strategy, missing=missing, quantiles=quantiles, max_iter=1,
        scale_feature=missing == "error", lags=1 if missing == "error" else 3, **options,
    )  # fmt: skip
    shuffle_weights(model.fit(series, **covariates))
    model.network_.theta *= 0.4
    feeds = {name: pad(parts, 0.0) for name, parts in covariates.items()}
    feeds |= {"series": pad(series, 0), "lengths": SERIES_LENGTHS}
    if strategy == "recursive":
        feeds["horizon"] = np.array(horizon)
    assert_forecasts_close(run(model, **feeds)["values"], model.predict(horizon), series)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_forecaster_with_what_stays_the_same(strategy):
    series, horizon = make_series(), 3
    static = np.column_stack([np.linspace(5, 8, len(series)), np.arange(len(series)) % 2])
    model = plain_forecaster(
        4, strategy=strategy, max_iter=1, categorical_features=[1], embedding_dim=2,
        **({"horizon": horizon} if strategy == "direct" else {}),
    )  # fmt: skip
    shuffle_weights(model.fit(series, static_covariates=static))
    model.network_.theta *= 0.4
    name, more = ("past", 0) if strategy == "direct" else ("future", horizon)
    rows = [np.tile(row, (n + more, 1)) for row, n in zip(static, SERIES_LENGTHS, strict=True)]
    feeds = {"series": pad(series, 0), "lengths": SERIES_LENGTHS}
    feeds[f"{name}_covariates"] = pad(rows, 0.0)
    if strategy == "recursive":
        feeds["horizon"] = np.array(horizon)
    assert_forecasts_close(run(model, **feeds)["values"], model.predict(horizon), series)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_forecaster_told_of_dates(strategy):
    pandas = pytest.importorskip("pandas", reason="the series have dates")
    series, horizon = make_series(), 3
    dated = [
        pandas.Series(item, index=pandas.date_range("2024-02-20", periods=len(item)))
        for item in series
    ]
    model = RNNForecaster(
        4, cell="gru", strategy=strategy, max_iter=1, calendar_features=("day",),
        holidays=["2024-03-01"], horizon=horizon if strategy == "direct" else 1,
    )  # fmt: skip
    shuffle_weights(model.fit(dated))
    model.network_.theta *= 0.4
    known = model.reader_.series
    days = pandas.date_range("2024-02-20", periods=max(SERIES_LENGTHS) + horizon).to_numpy()
    columns = known.features.columns(days.astype("M8[us]"), None)
    feeds = {"series": pad(series, 0), "lengths": SERIES_LENGTHS}
    feeds["future_covariates"] = np.tile(columns, (len(series), 1, 1))
    if strategy == "recursive":
        feeds["horizon"] = np.array(horizon)
    forecasts = [forecast.to_numpy() for forecast in model.predict(horizon)]
    assert_forecasts_close(run(model, **feeds)["values"], forecasts, series)
    assert metadata(model)["calendar_features"] == ["day_sin", "day_cos", "holiday"]


def test_forecaster_of_a_series_that_does_not_vary():
    series = [np.full(8, 3.25), np.arange(5.0)]
    # The operators of ONNX Runtime take NaN for a number; a Scan does not.
    model = shuffle_weights(plain_forecaster(4, cell="carry_lstm", max_iter=1).fit(series))
    feeds = {"series": pad(series, 0), "lengths": np.array([8, 5]), "horizon": np.array(2)}
    values = run(model, **feeds)["values"]
    assert values[0].tolist() == [3.25, 3.25]
    assert_forecasts_close(values, model.predict(2), series)


# All pairs of the three, each with all of the others.
@pytest.mark.parametrize(
    ("strategy", "scaling", "missing"),
    [
        ("recursive", "difference", "error"),
        ("recursive", "level", "mask"),
        ("direct", "difference", "mask"),
        ("direct", "level", "error"),
    ],
)
@pytest.mark.parametrize("log", [False, True, "log1p"], ids=["plain", "log", "log1p"])
@pytest.mark.parametrize("season", [2, 5, 6, 40])
def test_forecaster_with_seasonality(strategy, season, log, scaling, missing):
    rng = np.random.default_rng(4)
    # Seasonal, too short for that, not seasonal, and seasonal again on a trend.
    lengths = np.array([60, 3 * season - 1, 50, 46])
    series = [20 + rng.standard_normal(n) for n in lengths]
    for k in (0, 1, 3):
        series[k][1::season] += 15
    series[3] += 0.1 * np.arange(46)
    if missing == "mask":
        for item in series:
            item[[0, 2, -1]] = np.nan
            item[20:23] = np.nan
    has_pattern = [learn_scale(item, None, log, season, "").season.any() for item in series]
    assert has_pattern[:2] == [season < 40, False]
    assert has_pattern[3] == (season < 40)
    options = {"horizon": 7, "quantiles": (0.2, 0.5, 0.7)} if strategy == "direct" else {}
    model = plain_forecaster(
        4, cell="gru", strategy=strategy, log=log, seasonality=season, scaling=scaling,
        missing=missing, dtype="float64", max_iter=1, **options,
    )  # fmt: skip
    shuffle_weights(model.fit(series))
    model.network_.theta *= 0.2
    feeds = {"series": pad(series, -np.inf), "lengths": lengths}
    if strategy == "recursive":
        feeds["horizon"] = np.array(7)
    outputs = run(model, **feeds)
    assert_forecasts_close(outputs["values"], model.predict(7), series)
    if strategy == "direct":
        assert_forecasts_close(outputs["quantiles"], model.predict_quantiles(7), series)


def metadata(est):
    """Metadata of an estimator's model."""
    return {entry.key: json.loads(entry.value) for entry in to_onnx(est).metadata_props}


def test_metadata_of_data_frames():
    pandas = pytest.importorskip("pandas", reason="the sequences are data frames of pandas")
    frames = [
        pandas.DataFrame({"speed": x[:, 0], "gear": pandas.Categorical(["low", "up"][: len(x)])})
        for x in (np.ones((2, 1)), np.zeros((2, 1)), np.ones((1, 1)))
    ]
    clf = RNNClassifier(3, max_iter=1, categorical_features="from_dtype")
    known = metadata(clf.fit(frames, [0, 1, 0]))
    assert known["estimator"] == "RNNClassifier"
    assert known["features"] == ["speed"]
    assert known["id_features"] == ["gear"]
    assert known["categories"] == [["low", "up"]]


def test_columns_of_a_table_are_steps_and_name_no_features():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"monday": [0.0, 1.0], "tuesday": [1.0, 0.5]})
    assert "features" not in metadata(RNNRegressor(2, max_iter=1).fit(table, [0.0, 1.0]))


def test_metadata_of_a_forecaster():
    pandas = pytest.importorskip("pandas", reason="the series are in a data frame of pandas")
    frame = pandas.DataFrame(
        {"id": [1] * 8, "time": range(8), "value": np.arange(8.0), "day": list("abababab")}
    )
    model = plain_forecaster(
        3, strategy="direct", horizon=2, quantiles=(0.1, 0.5), categorical_features=["day"],
        max_iter=1,
    )  # fmt: skip
    known = metadata(model.fit(frame, future_covariates=["day"]))
    assert known["quantiles"] == [0.1, 0.5]
    assert known["future_covariates"] == ["day"]
    assert known["past_covariates"] == []
    assert known["categories"] == {"0": ["a", "b"]}


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path, monkeypatch):
    def fail(path, data):
        with open(path, "wb") as file:
            file.write(data[:10])
        raise OSError("no space left on device")

    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    clf = RNNClassifier(3, random_state=0, max_iter=1).fit(sequences(0, 0), LABELS)
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space"):
        export_onnx(clf, path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"before"


def test_export_writes_the_model(tmp_path):
    clf = RNNClassifier(3, max_iter=1).fit(sequences(0), LABELS)
    path = tmp_path / "model.onnx"
    export_onnx(clf, path)
    assert onnx.load(path) == to_onnx(clf)


def test_what_is_no_fitted_estimator_is_refused(tmp_path):
    with pytest.raises(TypeError, match="fitted estimator of fastrnn, got str"):
        to_onnx("model.onnx")
    path = tmp_path / "model.onnx"
    with pytest.raises(NotFittedError):
        export_onnx(RNNTagger(), path)
    assert not path.exists()


def test_missing_package_gives_advice(monkeypatch):
    clf = RNNClassifier(3, max_iter=1).fit(sequences(0), LABELS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastrnn\[onnx\]"'):
        to_onnx(clf)
