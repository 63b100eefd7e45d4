"""Model files: what is saved is loaded to the bit, and nothing else is."""

import datetime
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from contract import plain_forecaster
from fuzz_files import models, put_together, take_apart

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
)
from fastrnn.bridge import NotFittedError
from fastrnn.estimators.labels import ClassTask
from fastrnn.estimators.released import added
from fastrnn.files import read_description
from fastrnn.network.cells import CELLS

QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}


OBJECTS = ("network_", "encoder_", "reader_", "task_", "training_state_")
"""What of a fitted model has no equality of its own."""


def sequences(n=20, width=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rng.integers(3, 9), width)) for _ in range(n)]


X = sequences()
LABELS = np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


def classifier(**options):
    return RNNClassifier(**{"hidden_layer_sizes": 4, **QUICK, **options})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a small model."""
    path = tmp_path_factory.mktemp("saved") / "model"
    classifier(hidden_layer_sizes=2).fit(X, LABELS).save(path)
    return path.read_bytes()


def save_and_load(model, tmp_path):
    path = tmp_path / "model.fastrnn"
    model.save(path)
    loaded = fastrnn.load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert_same_fit(loaded, model)
    return loaded


def assert_same_fit(loaded, model):
    """Compare all that `fit` has set, but for the solver and the random numbers."""
    assert type(loaded) is type(model)
    params, expected = loaded.get_params(), model.get_params()
    np.testing.assert_equal(params, expected)
    assert {name: type(value) for name, value in params.items()} == {
        name: type(value) for name, value in expected.items()
    }
    assert vars(loaded).keys() == vars(model).keys()
    assert loaded.network_.theta.dtype == model.network_.theta.dtype
    np.testing.assert_array_equal(loaded.network_.theta, model.network_.theta)
    assert loaded.network_.architecture == model.network_.architecture
    assert loaded.reader_.feature_names == model.reader_.feature_names
    for name in vars(model):
        if name.endswith("_") and name not in OBJECTS:
            np.testing.assert_equal(getattr(loaded, name), getattr(model, name))
            assert type(getattr(loaded, name)) is type(getattr(model, name)), name
    left_out = ("rng", "solver", "solver_state")
    state, was = (vars(one.training_state_) for one in (loaded, model))
    assert {k: v for k, v in state.items() if k not in left_out} == {
        k: v for k, v in was.items() if k not in left_out
    }


class TestClassifier:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("bidirectional", [False, True])
    @pytest.mark.parametrize("cell", CELLS)
    def test_predicts_the_same_bits(self, cell, bidirectional, dtype, tmp_path):
        options = {"cell": cell, "bidirectional": bidirectional, "dtype": dtype}
        model = classifier(hidden_layer_sizes=(4, 3), **options).fit(X, LABELS)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))

    @pytest.mark.parametrize(
        "options",
        [
            {"cell": "rnn", "activation": "relu"},
            {"cell": "gru", "reset_after": False},
            {"cell": "carry_lstm", "candidate_activation": "tanh", "carry_bias_init": 1.5},
            {"pooling": "mean", "forget_bias_init": 0.0},
            {"pooling": "attention+max", "bidirectional": True},
            {"pooling": "max", "bptt_steps": 2, "clip_norm": np.inf, "n_iter_no_change": np.inf},
            {"class_weight": {"up": 2.0}, "batch_size": np.int64(7), "tol": np.float32(0.5)},
            {"hidden_layer_sizes": [3, 2], "solver": "sgd", "learning_rate": "invscaling"},
            {"solver": "lbfgs", "n_iter_no_change": 10, "pooling": "max"},
            {"early_stopping": True, "validation_fraction": 0.3, "random_state": 2**70},
        ],
    )
    def test_options(self, options, tmp_path):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Training stopped at max_iter")
            model = classifier(**options).fit(X, LABELS)
        for name, value in options.items():
            model.set_params(**{name: value.item() if isinstance(value, np.generic) else value})
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))

    @pytest.mark.parametrize(
        "labels",
        [
            LABELS,
            LABELS == "up",
            LABELS.astype("<U20"),
            LABELS.astype(object),
            LABELS.astype("S"),
            np.where(LABELS == "up", 3, -(2**40)),
            np.where(LABELS == "up", 3, 200).astype(np.uint8),
            np.where(LABELS == "up", 3.0, -7.0).astype(np.float32),
            np.where(LABELS == "up", "\ud800 no text", "häm\n\0x"),
        ],
    )
    def test_labels_keep_their_dtype(self, labels, tmp_path):
        model = classifier().fit(X, labels)
        loaded = save_and_load(model, tmp_path)
        assert loaded.classes_.dtype == model.classes_.dtype == labels.dtype
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))

    def test_labels_of_very_unequal_length_become_narrow_or_are_refused(self, tmp_path):
        model = classifier().fit(X, LABELS.astype("<U200000"))
        assert fastrnn_load(model, tmp_path).classes_.dtype == LABELS.dtype
        classes = np.array([*(f"{k:05}" for k in range(3000)), "z" * 1000])
        model.task_ = ClassTask(classes)
        with pytest.raises(ValueError, match="classes has a string of 1000 characters among 3001"):
            model.save(tmp_path / "model")

    def test_several_labels(self, tmp_path):
        Y = np.stack([LABELS == "up", [len(x) > 5 for x in X], LABELS == "down"], axis=1)
        model = classifier().fit(X, Y.astype(int))
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.score(X, Y.astype(int)) == model.score(X, Y.astype(int))

    def test_tables_keep_their_number_of_columns(self, tmp_path):
        table = np.random.default_rng(0).standard_normal((20, 5))
        model = classifier().fit(table, LABELS)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict_proba(table), model.predict_proba(table))
        with pytest.raises(ValueError, match="expecting 5 features"):
            loaded.predict(table[:, :4])

    def test_ids(self, tmp_path):
        ids = [np.random.default_rng(k).integers(0, 6, 5) for k in range(20)]
        model = classifier(embedding_dim=3).fit(ids, LABELS)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict_proba(ids), model.predict_proba(ids))
        with pytest.raises(ValueError, match="the ids that fit learned"):
            loaded.predict([[6]])

    @pytest.mark.parametrize("name", ["pandas", "polars"])
    def test_frames_keep_names_and_categories(self, name, tmp_path):
        frames = pytest.importorskip(name)
        data = [
            frames.DataFrame({"size": x[:, 0], "word": np.where(x[:, 1] > 0, "ja", "nein")})
            for x in X
        ]
        model = classifier(categorical_features="from_dtype").fit(data, LABELS)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict_proba(data), model.predict_proba(data))
        assert loaded.feature_names_in_.tolist() == ["size", "word"]
        other = data[0].rename({"size": "length"}) if name == "polars" else data[0].rename(
            columns={"size": "length"}
        )  # fmt: skip
        with pytest.raises(ValueError, match="feature names should match"):
            loaded.predict([other])

    def test_files_of_before_a_parameter(self, tmp_path):
        classifier().fit(X, LABELS).save(tmp_path / "model")
        header, record, body = take_apart((tmp_path / "model").read_bytes())
        for name in added("classifier"):
            del record["parameters"][name]
        (tmp_path / "model").write_bytes(put_together(header, record, body))
        loaded = fastrnn.load(tmp_path / "model")
        assert loaded.get_params().items() >= added("classifier").items()

    def test_parameters_may_have_changed_since(self, tmp_path):
        model = classifier().fit(X, LABELS).set_params(hidden_layer_sizes=9, cell="gru")
        loaded = save_and_load(model, tmp_path)
        assert (loaded.hidden_layer_sizes, loaded.cell) == (9, "gru")
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def fastrnn_load(model, tmp_path):
    model.save(tmp_path / "model")
    return fastrnn.load(tmp_path / "model")


class TestRegressor:
    @pytest.mark.parametrize("target", [[len(x) for x in X], [[len(x), x[0, 0], 1] for x in X]])
    def test_predicts_the_same_bits(self, target, tmp_path):
        model = RNNRegressor(4, pooling="mean", **QUICK).fit(X, target)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.score(X, target) == model.score(X, target)

    def test_validation_data_and_scores(self, tmp_path):
        target = [len(x) for x in X]
        model = RNNRegressor(4, early_stopping=True, **QUICK)
        model.fit(X, target, validation_data=(X, target))
        save_and_load(model, tmp_path)


class TestTagger:
    @pytest.mark.parametrize("labels", [np.array(["a", "b"]), np.array([4, 1])])
    def test_predicts_the_same_bits(self, labels, tmp_path):
        tags = [labels[(x[:, 0] > 0).astype(int)] for x in X]
        model = RNNTagger(4, bidirectional=True, **QUICK).fit(X, tags)
        loaded = save_and_load(model, tmp_path)
        for expected, got in zip(model.predict_proba(X), loaded.predict_proba(X), strict=True):
            np.testing.assert_array_equal(got, expected)
        assert loaded.score(X, tags) == model.score(X, tags)


class TestLanguageModel:
    TEXT = "the cat sat on the mat. " * 10

    @pytest.mark.parametrize(
        ("options", "data"),
        [
            ({}, TEXT),
            ({"tie_weights": True, "lowercase": True}, TEXT),
            ({"tokenizer": "word", "min_freq": 2}, TEXT + "dog"),
            ({"max_features": 5}, [TEXT, "a cat", "\ud800"]),
            ({"tie_weights": True, "embedding_dim": 4}, [["a", "b"], ["b", "a", "c"]]),
        ],
    )
    def test_predicts_the_same_bits(self, options, data, tmp_path):
        model = RNNLanguageModel(4, **options, **QUICK).fit(data)
        loaded = save_and_load(model, tmp_path)
        start = data[:9] if isinstance(data, str) else data[0]
        np.testing.assert_array_equal(loaded.next_proba(start), model.next_proba(start))
        assert loaded.sample(start, 20, random_state=0) == model.sample(start, 20, random_state=0)
        assert loaded.score(data) == model.score(data)
        assert vars(loaded.encoder_) == vars(model.encoder_)

    @pytest.mark.parametrize("data", [np.arange(60) % 7, [[0, 2, 1], [1, 1, 4]]])
    def test_ids(self, data, tmp_path):
        model = RNNLanguageModel(4, **QUICK).fit(data)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.next_proba([1, 2]), model.next_proba([1, 2]))
        assert loaded.encoder_ is None

    def test_tokenizers_that_are_code_are_refused(self, tmp_path):
        model = RNNLanguageModel(4, tokenizer=str.split, **QUICK).fit(self.TEXT)
        with pytest.raises(TypeError, match="is code, which has no place in a file"):
            model.save(tmp_path / "model")
        assert list(tmp_path.iterdir()) == []


class TestForecaster:
    SERIES = (np.sin(np.arange(20)) + 2, np.sin(np.arange(31)) + 2)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strategy": "direct", "horizon": 4, "quantiles": (0.1, 0.5, 0.9)},
            {"scaling": None, "quantiles": [0.5]},
            {"scaling": "standard", "log": True, "seasonality": 6},
            {"scaling": "level", "log": "log1p", "window": 8, "early_stopping": True},
        ],
    )
    def test_predicts_the_same_bits(self, options, tmp_path):
        model = plain_forecaster(4, **options, **QUICK).fit(self.SERIES)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict(4), model.predict(4))
        new = [self.SERIES[0][:9]]
        np.testing.assert_array_equal(loaded.predict(3, new), model.predict(3, new))
        assert loaded.score([[1.0, 2.0]] * 2) == model.score([[1.0, 2.0]] * 2)

    def test_one_series_with_gaps(self, tmp_path):
        series = self.SERIES[0].copy()
        series[4:6] = np.nan
        model = plain_forecaster(4, missing="mask", **QUICK).fit(series)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict(4), model.predict(4))
        assert loaded.predict(4).shape == (4,)

    def test_covariates(self, tmp_path):
        ahead = [np.stack([np.arange(n + 3) % 3, np.ones(n + 3)], axis=1) for n in (20, 31)]
        behind = [np.arange(n) ** 0.5 for n in (20, 31)]
        model = plain_forecaster(
            4, strategy="direct", horizon=3, categorical_features=[0], embedding_dim=2, **QUICK
        )
        model.fit(self.SERIES, future_covariates=ahead, past_covariates=behind)
        loaded = save_and_load(model, tmp_path)
        np.testing.assert_array_equal(loaded.predict(3), model.predict(3))

    @pytest.mark.parametrize("times", ["dates", "numbers", "aware", "datetime"])
    @pytest.mark.parametrize("name", ["pandas", "polars"])
    def test_frames(self, name, times, tmp_path):
        frames = pytest.importorskip(name)

        def stamps(begin, end):
            days = [
                datetime.datetime(2024, 1, 1) + datetime.timedelta(k) for k in range(begin, end)
            ]
            if times == "numbers":
                return list(range(begin, end))
            if times == "dates":
                return [day.date() for day in days]
            if times == "aware":
                return [day.replace(tzinfo=datetime.UTC) for day in days]
            return days

        def frame(begin, end, **columns):
            keys = ["north"] * (end - begin) + ["south"] * (end - begin)
            rain = ["wet", "dry"] * (end - begin)
            return frames.DataFrame(
                {"id": keys, "time": stamps(begin, end) * 2, "rain": rain} | columns
            )

        values = np.concatenate([np.sin(np.arange(12)), np.cos(np.arange(12))])
        model = plain_forecaster(4, categorical_features="from_dtype", **QUICK)
        model.fit(frame(0, 12, value=values), future_covariates=["rain"])
        loaded = save_and_load(model, tmp_path)
        ahead = frame(10, 15)
        np.testing.assert_array_equal(
            loaded.predict(3, future_covariates=ahead), model.predict(3, future_covariates=ahead)
        )
        assert loaded.reader_.series.ids == model.reader_.series.ids == ["north", "south"]


def test_what_is_loaded_can_be_trained_further(tmp_path):
    model = classifier().fit(X, LABELS)
    loaded = save_and_load(model, tmp_path)
    again = save_and_load(model, tmp_path)
    assert loaded.fit(X, LABELS).loss_curve_ == model.loss_curve_
    again.set_params(warm_start=True).fit(X, LABELS)
    assert len(again.loss_curve_) == 2 * len(model.loss_curve_)
    loaded = save_and_load(model, tmp_path)
    loaded.partial_fit(X, LABELS)
    assert loaded.training_state_.epoch == model.training_state_.epoch + 1
    assert loaded.t_ == model.t_ + len(X)


def test_what_is_loaded_can_be_pickled_and_saved_again(tmp_path):
    model = classifier().fit(X, LABELS)
    loaded = pickle.loads(pickle.dumps(save_and_load(model, tmp_path)))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    before = (tmp_path / "model.fastrnn").read_bytes()
    loaded.save(tmp_path / "model.fastrnn")
    assert (tmp_path / "model.fastrnn").read_bytes() == before


def test_what_is_loaded_can_be_cloned(tmp_path):
    base = pytest.importorskip("sklearn.base")
    clone = base.clone(save_and_load(classifier().fit(X, LABELS), tmp_path))
    assert not hasattr(clone, "network_")
    assert clone.get_params() == classifier().get_params()


def test_sources_of_random_numbers_are_saved_as_none(tmp_path):
    for source in (np.random.default_rng(0), np.random.RandomState(0)):
        model = classifier(random_state=source).fit(X, LABELS)
        assert fastrnn_load(model, tmp_path).random_state is None
        assert model.random_state is source


def test_an_interrupted_fit_is_saved(tmp_path):
    model = classifier().fit(X, LABELS)
    model.loss_, model.best_loss_, model.loss_curve_ = np.nan, np.inf, []
    model.validation_scores_ = [np.nan, -np.inf]
    save_and_load(model, tmp_path)


class Subclass(RNNClassifier):
    """Of no kind that files know."""


def test_no_class_takes_the_word_of_another():
    with pytest.raises(TypeError, match="kind='classifier' of Mine is the word for RNNClassifier"):
        type("Mine", (RNNClassifier,), {"kind": "classifier"})


def test_what_cannot_be_saved_leaves_no_file(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(NotFittedError):
        classifier().save(path)
    with pytest.raises(TypeError, match="Subclass is no class of fastrnn's own"):
        Subclass(4, **QUICK).fit(X, LABELS).save(path)
    with pytest.raises(ValueError, match="dropout must be"):
        classifier().fit(X, LABELS).set_params(dropout=2.0).save(path)
    model = classifier().fit(X, LABELS)
    with pytest.raises(TypeError, match=r"class_weight is .* which has no place in a model"):
        model.set_params(class_weight={datetime.timedelta(1): 1.0}).save(path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_os_error(tmp_path):
    """Whatever writes files; a limit on their size stands in for the disk."""
    model = classifier().fit(X, LABELS)
    model.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    program = f"""
import resource, sys, warnings
import fastrnn
from fastrnn.interop import export_c
model = fastrnn.load({str(tmp_path / "model")!r})
x, y = [[[0.5, 1.0]]] * 4, list("abab")
warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for write in (
    lambda: model.save({str(tmp_path / "model")!r}),
    lambda: fastrnn.RNNClassifier(2, max_iter=1).fit(x, y, checkpoint={str(tmp_path / "c")!r}),
    lambda: export_c(model, {str(tmp_path / "model.c")!r}),
):
    try:
        write()
    except OSError as error:
        print(error.strerror)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "File too large\n" * 3, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_bytes() == before


def test_without_scikit_learn_files_are_loaded(tmp_path):
    model = classifier().fit(X, LABELS)
    model.save(tmp_path / "model")
    np.savez(tmp_path / "x.npz", x=X[0], p=model.predict_proba(X[:1]))
    program = f"""
import sys
sys.modules["sklearn"] = None
import numpy as np, fastrnn
data = np.load({str(tmp_path / "x.npz")!r})
model = fastrnn.load({str(tmp_path / "model")!r})
assert (model.predict_proba([data["x"]]) == data["p"]).all()
model.save({str(tmp_path / "again")!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_other_programs_see_the_weights(tmp_path):
    model = classifier(cell="lstm", bidirectional=True, embedding_dim=2, conv=None).fit(
        [[0, 1], [2, 1]] * 10, LABELS
    )
    library = pytest.importorskip("safetensors.numpy")
    model.save(tmp_path / "model")
    tensors = library.load_file(tmp_path / "model")
    assert sorted(tensors) == sorted(
        ["embeddings.0", "head.W", "head.b"]
        + [f"layers.0.{name}{way}" for name in "WUb" for way in ("", "_reverse")]
    )
    expected = model.network_.layers[0].params["U_reverse"]
    np.testing.assert_array_equal(tensors["layers.0.U_reverse"], expected)
    np.testing.assert_array_equal(tensors["embeddings.0"], model.network_.embeddings[0])
    np.testing.assert_array_equal(tensors["head.b"], model.network_.head.params["b"])


@pytest.mark.parametrize("k", range(6))
def test_the_library_reads_what_is_written_here(k, tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    model, _ = models()[k]
    model.save(tmp_path / "model")
    tensors = library.load_file(tmp_path / "model")
    description = read_description(tmp_path / "model")
    assert tensors.keys() == description.tensors.keys()
    for name, tensor in description.tensors.items():
        assert (tensors[name].dtype.name, tensors[name].shape) == (tensor.dtype, tensor.shape)
        assert tensor.begin % tensors[name].itemsize == 0
    for name, view in model.network_.named_views(model.network_.theta).items():
        np.testing.assert_array_equal(tensors[name], view)


def test_description(tmp_path):
    classifier(class_weight={"up": 2.0}).fit(X, LABELS).save(tmp_path / "m")
    description = read_description(tmp_path / "m")
    assert description.kind == "classifier"
    assert description.fastrnn_version == fastrnn.__version__
    assert description.parameters["class_weight"] == {"up": 2.0}
    assert description.tensors["head.W"].shape == (8, 2)
    assert description.tensors["head.W"].dtype == "float32"
    assert description.size == (tmp_path / "m").stat().st_size
    assert description.record["history"]["n_iter"] == 2
