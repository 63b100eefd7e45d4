"""Arrays that kernels cannot read as they lie in memory: every entry takes them as its own.

Each entry is run on odd arrays and on plain ones of the same numbers. It gives the same bits, or
the same error, and never writes to what it was given.
"""

import pickle

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger, layers
from fastrnn.inputs.arrays import kernel_array
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inspection import permutation_importance
from fastrnn.preprocessing import SequenceScaler, TokenEncoder


def unaligned(array):
    """A copy of the numbers one byte after where they should begin."""
    memory = np.empty(array.nbytes + 1, np.uint8)
    odd = memory[1:].view(array.dtype).reshape(array.shape)
    odd[...] = array
    return odd


def field(array):
    """A copy of the numbers as a field of a structured array: unaligned, and far apart."""
    records = np.zeros(array.shape, [("before", "i1"), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


def strided(array):
    """A view of every second number of an array twice as long in each axis."""
    wide = np.zeros([2 * n for n in array.shape], array.dtype)
    odd = wide[(slice(None, None, 2),) * array.ndim]
    odd[...] = array
    return odd


def backward(array):
    """A view in which every axis runs from the end of memory to its begin."""
    reverse = (slice(None, None, -1),) * array.ndim
    return array[reverse].copy()[reverse]


def read_only(array):
    """A copy that nobody may write to."""
    odd = array.copy()
    odd.flags.writeable = False
    return odd


KINDS = {
    "unaligned": unaligned,
    "field": field,
    "strided": strided,
    "backward": backward,
    "byte-swapped": lambda array: array.astype(array.dtype.newbyteorder()),
    "fortran": lambda array: np.array(array, order="F"),
    "read-only": read_only,
    # Axes of which all entries are one: of other numbers than the array has, and sometimes refused.
    "zero-stride": lambda array: np.broadcast_to(array[-1:], array.shape),
    "zero-stride columns": lambda array: np.broadcast_to(array[..., -1:], array.shape),
}


def plain(array):
    """What a kernel reads: the same numbers, C-contiguous, aligned, in the processor's order."""
    return np.array(array, array.dtype.newbyteorder("="), order="C")


rng = np.random.default_rng(0)
LENGTHS = (3, 5, 4, 3, 6, 3, 4, 5, 2, 4)
X = [rng.normal(size=(length, 2)) for length in LENGTHS]
X3 = rng.normal(size=(10, 4, 2))
TABLE = rng.normal(size=(10, 4))
IDS = [np.column_stack([x[:, 0], rng.integers(0, 3, len(x))]) for x in X]
LABELS = np.arange(10) % 3
NAMES = np.array(["no", "yes"])[np.arange(10) % 2]
LABEL_SETS = (rng.random((10, 3)) < 0.5).astype(np.int64)
NUMBERS = rng.normal(size=10)
TARGETS = rng.normal(size=(10, 3))
WEIGHT = rng.random(10) + 0.5
TAGS = [np.arange(length) % 2 for length in LENGTHS]
TAG_TABLE = np.arange(40).reshape(10, 4) % 3
STEP_WEIGHTS = [rng.random(length) + 0.5 for length in LENGTHS]
SERIES = [rng.normal(size=length).cumsum() for length in (30, 25)]
FUTURE = [rng.normal(size=(length + 2, 2)) for length in (30, 25)]
PAST = [rng.normal(size=(length, 1)) for length in (30, 25)]
TEXT = rng.integers(0, 5, 200)
TEXTS = [rng.integers(0, 5, length) for length in LENGTHS]

SMALL = {"max_iter": 2, "random_state": 0, "learning_rate": "cosine", "dtype": "float64"}


def fitted(kind, *data, **parameters):
    """A model fitted on plain arrays."""
    return kind(3, **{**SMALL, **parameters}).fit(*data)


def theta(kind, *data, parameters=None, **fit):
    """The parameters of a model fitted on these."""
    model = kind(3, **{**SMALL, **(parameters or {})}).fit(*data, **fit)
    return model.network_.theta


def everything(model, X, *names):
    """What these methods of a model say of X."""
    return [getattr(model, name)(X) for name in names]


def part(kind, X, y, **options):
    """The parameters of a model after two calls of partial_fit."""
    model = kind(3, **{**SMALL, "learning_rate": "constant"})
    return model.partial_fit(X, y, **options).partial_fit(X, y).network_.theta


def layer_passes(x, lengths, h, c, dy, dh, dc):
    """Everything that a layer gives, forward and backward."""
    layer = layers.LSTM(2, 3, dtype=x.dtype.newbyteorder("=").name, random_state=0)
    seen = layer.forward(x, lengths=lengths, initial_state=(h, c))
    again = layer.forward(x, lengths=lengths, initial_state=(h, c), training=True)
    return seen, again, layer.backward(dy, (dh, dc)), layer.grads


def layer_with(W):
    """A layer whose weights are written to from outside."""
    layer = layers.GRU(2, 3, dtype="float64", random_state=0)
    layer.params["W"][...] = W
    return layer.forward(np.ones((2, 1, 2)))


def layer_arrays(dtype):
    """Arguments of layer_passes."""
    shapes = [(6, 10, 2), (1, 10, 3), (1, 10, 3), (6, 10, 3), (1, 10, 3), (1, 10, 3)]
    x, *others = [np.random.default_rng(1).normal(size=shape).astype(dtype) for shape in shapes]
    return x, np.array(LENGTHS), *others


def forecasts(y, **covariates):
    """A forecaster's parameters and forecasts."""
    model = RNNForecaster(3, **SMALL, horizon=2, strategy="direct").fit(y, **covariates)
    return model.network_.theta, model.predict(2), model.predict(2, y, **covariates)


def scaled(X):
    """What a scaler learns and does."""
    scaler = SequenceScaler().fit(X)
    return scaler.center_, scaler.scale_, scaler.transform(X), scaler.inverse_transform(X)


OUTPUTS = ("predict", "predict_proba", "predict_log_proba", "transform", "hidden_states")

ENTRIES = {
    "fit list": (lambda *X: theta(RNNClassifier, list(X), NAMES), *X),
    "fit float32": (
        lambda *X: theta(RNNClassifier, list(X), NAMES, parameters={"n_jobs": 2}),
        *[x.astype(np.float32) for x in X],
    ),
    "fit ids": (
        lambda *X: theta(RNNClassifier, list(X), NAMES, parameters={"categorical_features": [1]}),
        *IDS,
    ),
    "fit whole ids": (
        lambda *X: theta(
            RNNClassifier, list(X), NAMES, parameters={"categorical_features": "all"}
        ),
        *TEXTS,
    ),
    "fit array": (lambda X: theta(RNNClassifier, X, NAMES), X3),
    "fit float32 array": (lambda X: theta(RNNClassifier, X, NAMES), X3.astype(np.float32)),
    "fit table": (lambda X: theta(RNNClassifier, X, NAMES), TABLE),
    "fit whole numbers": (
        lambda X: theta(RNNClassifier, X, NAMES), (10 * X3).astype(np.int32)
    ),
    "fit labels": (lambda y: theta(RNNClassifier, X, y), LABELS),
    "fit names": (lambda y: theta(RNNClassifier, X, y), NAMES),
    "fit label sets": (lambda y: theta(RNNClassifier, X, y), LABEL_SETS),
    "fit float label sets": (lambda y: theta(RNNClassifier, X, y), LABEL_SETS.astype(float)),
    "fit sample_weight": (lambda w: theta(RNNClassifier, X, LABELS, sample_weight=w), WEIGHT),
    "fit label sets, sample_weight": (
        lambda w: theta(RNNClassifier, X, LABEL_SETS, sample_weight=w), WEIGHT,
    ),
    "fit validation_data": (
        lambda y, *X: theta(RNNClassifier, list(X), LABELS, validation_data=(list(X), y)),
        LABELS, *X,
    ),
    "partial_fit": (
        lambda X, y, w, classes: part(RNNClassifier, X, y, sample_weight=w, classes=classes),
        X3, NAMES, WEIGHT, np.array(["maybe", "no", "yes"]),
    ),
    "partial_fit label sets": (
        lambda X, y, w: part(RNNClassifier, X, y, sample_weight=w), X3, LABEL_SETS, WEIGHT
    ),
    "predict list": (
        lambda *X_: everything(fitted(RNNClassifier, X, LABELS), list(X_), *OUTPUTS), *X
    ),
    "predict array": (lambda X_: everything(fitted(RNNClassifier, X, LABELS), X_, *OUTPUTS), X3),
    "predict float32": (
        lambda X_: everything(fitted(RNNClassifier, X, LABELS, dtype="float32"), X_, *OUTPUTS),
        X3.astype(np.float32),
    ),
    "predict both ways": (
        lambda X_: everything(fitted(RNNClassifier, X, LABELS, bidirectional=True), X_, *OUTPUTS),
        X3,
    ),
    "score": (
        lambda y, w: fitted(RNNClassifier, X, LABELS).score(X, y, sample_weight=w), LABELS, WEIGHT
    ),
    "score label sets": (
        lambda y, w: fitted(RNNClassifier, X, LABEL_SETS).score(X, y, sample_weight=w),
        LABEL_SETS, WEIGHT,
    ),
    "gradient_flow": (
        lambda X_, y, w: vars(fitted(RNNClassifier, X, LABELS).gradient_flow(X_, y, w)),
        X3, LABELS, WEIGHT,
    ),
    "input_gradients": (lambda X_: fitted(RNNClassifier, X, LABELS).input_gradients(X_), X3),
    "permutation_importance": (
        lambda X_, y: vars(
            permutation_importance(
                fitted(RNNClassifier, X, LABELS), X_, y, n_repeats=2, random_state=0
            )
        ),
        X3, LABELS,
    ),
    "fit numbers": (lambda y: theta(RNNRegressor, X, y), NUMBERS),
    "fit targets": (lambda y: theta(RNNRegressor, X, y), TARGETS),
    "fit whole targets": (lambda y: theta(RNNRegressor, X, y), (9 * TARGETS).astype(np.int16)),
    "fit float32 targets": (
        lambda y: theta(RNNRegressor, X, y, parameters={"dtype": "float32"}),
        TARGETS.astype(np.float32),
    ),
    "fit targets, sample_weight": (
        lambda w: theta(RNNRegressor, X, TARGETS, sample_weight=w), WEIGHT
    ),
    "fit targets, validation_data": (
        lambda X_, y: theta(RNNRegressor, X, TARGETS, validation_data=(X_, y)), X3, TARGETS
    ),
    "partial_fit targets": (
        lambda X, y, w: part(RNNRegressor, X, y, sample_weight=w), X3, TARGETS, WEIGHT
    ),
    "score targets": (
        lambda X_, y, w: fitted(RNNRegressor, X, TARGETS).score(X_, y, sample_weight=w),
        X3, TARGETS, WEIGHT,
    ),
    "fit tags": (lambda *y: theta(RNNTagger, X, list(y)), *TAGS),
    "fit named tags": (
        lambda *y: theta(RNNTagger, X, list(y)), *[np.array(["o", "person"])[tags] for tags in TAGS]
    ),
    "fit table of tags": (lambda X, y: theta(RNNTagger, X, y), X3, TAG_TABLE),
    "fit step weights": (
        lambda *w: theta(RNNTagger, X, TAGS, sample_weight=list(w)), *STEP_WEIGHTS
    ),
    "fit tags, sample_weight": (lambda w: theta(RNNTagger, X, TAGS, sample_weight=w), WEIGHT),
    "fit table of step weights": (
        lambda w: theta(RNNTagger, X3, TAG_TABLE, sample_weight=w), rng.random((10, 4))
    ),
    "fit tags, validation_data": (
        lambda X_, y: theta(RNNTagger, X, TAGS, validation_data=(X_, y)), X3, TAG_TABLE % 2
    ),
    "score tags": (
        lambda X_, y, w: fitted(RNNTagger, X, TAGS).score(X_, y, sample_weight=w),
        X3, TAG_TABLE, WEIGHT,
    ),
    "fit series": (lambda *y: forecasts(list(y)), *SERIES),
    "fit one series": (forecasts, SERIES[0]),
    "fit column series": (forecasts, SERIES[0][:, np.newaxis]),
    "fit table of series": (forecasts, rng.normal(size=(3, 25))),
    "fit future_covariates": (
        lambda *future: forecasts(SERIES, future_covariates=list(future)), *FUTURE
    ),
    "fit past_covariates": (lambda *past: forecasts(SERIES, past_covariates=list(past)), *PAST),
    "fit categorical covariates": (
        lambda *future: theta(
            RNNForecaster, SERIES,
            future_covariates=list(future), parameters={"categorical_features": [0]},
        ),
        *[np.arange(len(item)) % 3 for item in FUTURE],
    ),
    "fit series, sample_weight": (
        lambda w: theta(RNNForecaster, SERIES, sample_weight=w), np.array([1.0, 2.0])
    ),
    "fit series, validation_data": (
        lambda y: theta(RNNForecaster, SERIES, validation_data=y), SERIES[0]
    ),
    "score series": (lambda y: fitted(RNNForecaster, SERIES).score([y, y]), SERIES[0][:5]),
    "predict_quantiles": (
        lambda y, levels: fitted(
            RNNForecaster, SERIES, quantiles=(0.1, 0.5, 0.9), horizon=2, strategy="direct"
        ).predict_quantiles(2, y, levels),
        SERIES[0], np.array([0.2, 0.5]),
    ),
    "stream of series": (
        lambda y, x: fitted(RNNForecaster, SERIES).stream(series=[y, y]).step(x),
        SERIES[0], np.array([0.5, 1.5]),
    ),
    "fit text": (
        lambda text: theta(RNNLanguageModel, text, parameters={"batch_size": 3}), TEXT
    ),
    "fit short ids": (
        lambda text: theta(RNNLanguageModel, text, parameters={"batch_size": 3}),
        TEXT.astype(np.uint16),
    ),
    "fit texts": (lambda *texts: theta(RNNLanguageModel, list(texts)), *TEXTS),
    "fit texts, sample_weight": (lambda w: theta(RNNLanguageModel, TEXTS, sample_weight=w), WEIGHT),
    "fit text, validation_data": (
        lambda text: theta(RNNLanguageModel, TEXT, validation_data=text), TEXT
    ),
    "score text": (
        lambda text: [fitted(RNNLanguageModel, TEXT).score(text)], TEXT
    ),
    "prompt": (
        lambda ids: [
            fitted(RNNLanguageModel, TEXT).next_proba(ids),
            fitted(RNNLanguageModel, TEXT).sample(ids, 5, random_state=0),
        ],
        TEXT[:4],
    ),
    "layer": (layer_passes, *layer_arrays("float64")),
    "layer float32": (layer_passes, *layer_arrays("float32")),
    "layer params": (layer_with, rng.normal(size=(2, 9))),
    "scaler list": (lambda *X: scaled(list(X)), *X),
    "scaler array": (scaled, X3),
    "scaler table": (scaled, TABLE.astype(np.float32)),
    "encoder texts": (lambda X: TokenEncoder().fit(X).transform(X), np.array(["abc", "b", "ca"])),
    "encoder ids": (
        lambda X: TokenEncoder().fit(["abcdef"]).inverse_transform(X), TAG_TABLE
    ),
    "stream": (
        lambda x, which: run_stream(x, which), rng.normal(size=(3, 2)), np.array([2, 0])
    ),
    "stream float32": (
        lambda x, which: run_stream(x, which),
        rng.normal(size=(3, 2)).astype(np.float32), np.array([True, False, True]),
    ),
    "stream state": (lambda *state: continue_stream(state), np.full((3, 3), 0.1), np.ones(3, int)),
}  # fmt: skip


def run_stream(x, which):
    """Steps of a stream, some of which begins anew in between."""
    stream = fitted(RNNClassifier, X, LABELS, cell="gru").stream(3)
    first = stream.step(x)
    stream.reset(which)
    return first, stream.step(x), stream.state


def continue_stream(arrays):
    """A step of a stream whose state is set."""
    stream = fitted(RNNClassifier, X, LABELS, pooling="last", conv=None).stream(3)
    stream.state = dict(zip(("h_0", "n_steps"), arrays, strict=True))
    return stream.step(np.ones((3, 2))), stream.state


def outcome(function, arrays):
    """What a function returns, or the error that it raises."""
    try:
        return function(*arrays)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


KNOWN = {}
"""What the last entry gives for plain arrays, by their bytes: they are the same for most kinds."""


def expected_of(entry, arrays):
    """The outcome of an entry on plain arrays."""
    key = pickle.dumps((entry, arrays))
    if key not in KNOWN:
        KNOWN.clear()
        KNOWN[key] = outcome(ENTRIES[entry][0], arrays)
    return KNOWN[key]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_odd_arrays_are_read_like_plain_ones(entry, kind):
    function, *arrays = ENTRIES[entry]
    odd = [KINDS[kind](array) for array in arrays]
    before = [plain(array) for array in odd]
    expected = expected_of(entry, [plain(array) for array in odd])
    if not kind.startswith("zero-stride"):
        assert not isinstance(expected, tuple) or not isinstance(expected[0], type), expected
    got = outcome(function, odd)
    np.testing.assert_equal(got, expected)
    for array, copy in zip(odd, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_are_what_they_say(kind):
    for array in (X3, LABELS, NAMES, LABEL_SETS):
        odd = KINDS[kind](array)
        assert odd.shape == array.shape
        flags, native = odd.flags, odd.dtype.isnative or odd.dtype.kind == "S"
        plain_flags = flags.c_contiguous and flags.aligned and flags.writeable and native
        assert not plain_flags or (kind == "fortran" and array.ndim == 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [None, "float32", "int64"])
def test_kernel_array(kind, dtype):
    for array in (X3, NUMBERS, np.float64(5.0), np.empty((0, 2))):
        odd = KINDS[kind](np.asarray(array)) if np.ndim(array) else unaligned(np.asarray(array))
        kernel = kernel_array(odd, dtype)
        assert kernel.flags.c_contiguous and kernel.flags.aligned and kernel.dtype.isnative
        assert kernel.dtype == np.dtype(dtype or odd.dtype.newbyteorder("="))
        np.testing.assert_array_equal(kernel, odd.astype(kernel.dtype))
        assert kernel_array(kernel, dtype) is kernel


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", [None, [1], "all"])
@pytest.mark.parametrize("is_list", [True, False])
def test_sequences_are_what_kernels_read(kind, ids, is_list):
    odd = KINDS[kind](np.ones((10, 4, 2)) if ids is None else TAG_TABLE[:, :, np.newaxis] % [9, 2])
    sequences = as_sequences(list(odd) if is_list else odd, categorical_features=ids)
    for array in (sequences.values, sequences.ids):
        if array is not None:
            assert array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


@pytest.mark.parametrize(
    "kind, X, y, weight",
    [
        (RNNClassifier, X3, LABELS, WEIGHT),
        (RNNClassifier, X3, LABEL_SETS, WEIGHT),
        (RNNRegressor, X3, TARGETS, WEIGHT),
        (RNNTagger, X3, TAG_TABLE, WEIGHT),
        (RNNLanguageModel, TAG_TABLE, None, WEIGHT),
    ],
)
def test_a_fitted_model_keeps_no_array_of_the_caller(kind, X, y, weight):
    given = [None if array is None else array.copy() for array in (X, y, weight)]
    model = kind(3, **SMALL).fit(*given)
    expected = model.score(X, y)
    for array in given:
        if array is not None:
            array[...] = 0
    assert model.score(X, y) == expected


def test_a_fitted_forecaster_keeps_no_array_of_the_caller():
    model = RNNForecaster(3, **SMALL, horizon=2, strategy="direct")
    for fit in (model.partial_fit, model.fit):
        given = SERIES[0].copy(), FUTURE[0].copy(), PAST[0].copy()
        fit(given[0], future_covariates=given[1], past_covariates=given[2])
        expected = model.predict(2)
        for array in given:
            array[...] = 0
        np.testing.assert_array_equal(model.predict(2), expected)


def make_frame(library, array):
    """A data frame with these columns; pandas keeps them in one array, column by column."""
    names = [f"c{j}" for j in range(array.shape[1])]
    if library == "pandas":
        return pytest.importorskip("pandas").DataFrame(array, columns=names)
    return pytest.importorskip("polars").DataFrame(array, schema=names)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind, y", [(RNNRegressor, TARGETS), (RNNClassifier, LABEL_SETS)])
def test_frames_of_targets(library, kind, y):
    frame = make_frame(library, y)
    weight = make_frame(library, WEIGHT[:, np.newaxis])["c0"]
    expected = theta(kind, X, y, sample_weight=WEIGHT, validation_data=(X, y, WEIGHT))
    got = theta(kind, X, frame, sample_weight=weight, validation_data=(X, frame, weight))
    np.testing.assert_array_equal(got, expected)
    model = fitted(kind, X, y)
    assert model.score(X, frame, weight) == model.score(X, y, WEIGHT)
    np.testing.assert_array_equal(part(kind, X, frame), part(kind, X, y))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_series_of_targets(library):
    numbers = make_frame(library, NUMBERS[:, np.newaxis])["c0"]
    labels = make_frame(library, LABELS[:, np.newaxis])["c0"]
    np.testing.assert_array_equal(theta(RNNRegressor, X, numbers), theta(RNNRegressor, X, NUMBERS))
    np.testing.assert_array_equal(theta(RNNClassifier, X, labels), theta(RNNClassifier, X, LABELS))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_scikit_learn_passes_targets_of_any_order(order, library):
    compose = pytest.importorskip("sklearn.compose")
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    y = np.array(TARGETS, order=order)
    y = y if library is None else make_frame(library, y)
    search = GridSearchCV(RNNRegressor(3, **SMALL), {"alpha": [0.0, 1.0]}, cv=2).fit(X3, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if library != "polars":  # whose frames TransformedTargetRegressor does not take
        model = compose.TransformedTargetRegressor(
            RNNRegressor(3, **SMALL), transformer=StandardScaler()
        )
        assert model.fit(X3, y).predict(X3).shape == (10, 3)
