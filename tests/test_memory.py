"""How much memory is needed: estimates against what is taken, and refusals before it is."""

import inspect
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from building import build, describe

import fastrnn.training
from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
)
from fastrnn.inputs.sequences import Sequences
from fastrnn.memory import MemoryLimitError, available_memory, estimate_memory, refuse_if_too_large
from fastrnn.network import Architecture, cells
from fastrnn.training.loop import Settings, TrainingState, train

CELLS = pytest.mark.parametrize("cell", cells.CELLS)
GIB = 2**30


def peak(work):
    """Bytes that work takes at most, arrays of numpy included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def make_task(lengths, D, K, dtype, every_step=False, embeddings=()):
    rng = np.random.default_rng(0)
    offsets = np.cumsum([0, *lengths])
    values = rng.standard_normal((offsets[-1], D)).astype(dtype)
    ids = [rng.integers(n_ids, size=offsets[-1]) for n_ids, _ in embeddings]
    sequences = Sequences(values, offsets, ids=np.stack(ids, axis=1) if ids else None)
    n = offsets[-1] if every_step else len(lengths)
    return sequences, rng.integers(K, size=n), np.ones(n, dtype)


# To import the class of a warning takes memory: here and now.
assert fastrnn.training.ConvergenceWarning


def estimate_for(lengths, D, sizes, K, **options):
    """The estimate for a network of this shape; the other options are of `estimate_memory`."""
    names = [part.name for part in fields(Architecture)]
    described = {name: options.pop(name) for name in names if name in options}
    return estimate_memory(lengths, describe(D, sizes, K, **described), **options)


def check(lengths, sizes, *, D=3, K=3, dtype="float32", training=True, n_jobs=None, **options):
    """An estimate within 20 % of what is taken."""
    names = ("solver", "batch_size", "bptt_steps")
    settings = {name: options.pop(name) for name in names if name in options}
    every_step = options.get("pooling") == "steps"
    task = make_task(lengths, D, K, dtype, every_step, options.get("embeddings", ()))
    estimate = estimate_for(
        lengths, D, sizes, K, dtype=dtype, training=training, n_jobs=n_jobs, **options, **settings
    )

    def make():
        return build(D, sizes, K, dtype=dtype, **options)

    def fit():
        plan = Settings(max_iter=3, learning_rate="cosine", n_jobs=n_jobs, tol=0, **settings)
        train(make(), *task, plan, TrainingState(np.random.default_rng(0)))

    if training:
        taken = peak(fit)
    else:
        network = make()
        taken = peak(lambda: network.predict(task[0], n_jobs=n_jobs))
    assert 0.8 * taken <= estimate <= 1.2 * taken


RAGGED = np.random.default_rng(1).integers(10, 101, 120)


@CELLS
class TestEstimates:
    def test_equal_lengths(self, cell):
        check([60] * 40, (48,), cell=cell)

    def test_stacked(self, cell):
        check([60] * 40, (48, 32), cell=cell, batch_size=32, dtype="float64")

    @pytest.mark.parametrize("pooling", ["mean", "max"])
    def test_pooled(self, cell, pooling):
        check([60] * 40, (48,), cell=cell, pooling=pooling, D=20)

    def test_both_directions_with_dropout(self, cell):
        check(
            [60] * 40, (48, 32), cell=cell, bidirectional=True, pooling="mean", dropout=0.2,
        )  # fmt: skip

    def test_ragged(self, cell):
        check(RAGGED, (32, 32), cell=cell, batch_size=40)
        check(RAGGED, (32,), D=8, cell=cell, bidirectional=True, pooling="max", batch_size=17)

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_every_step(self, cell, bidirectional):
        check([60] * 40, (48, 32), cell=cell, bidirectional=bidirectional, pooling="steps", K=40)

    def test_embeddings(self, cell):
        check([60] * 40, (48,), cell=cell, D=0, embeddings=((3000, 20), (50, 5)))

    @pytest.mark.parametrize("bidirectional", [False, True])
    @pytest.mark.parametrize("pooling", ["last", "mean", "steps"])
    def test_prediction(self, cell, pooling, bidirectional):
        check(
            RAGGED, (64, 32), cell=cell, pooling=pooling, bidirectional=bidirectional,
            training=False,
        )  # fmt: skip

    @pytest.mark.parametrize(
        "options", [{}, {"pooling": "mean"}, {"pooling": "steps"}, {"bidirectional": True}]
    )
    def test_truncated(self, cell, options):
        check([120] * 20, (64,), cell=cell, bptt_steps=20, **options)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_takes_no_memory(training):
    assert estimate_for([], 3, (4,), 2, training=training) == 0


@pytest.mark.parametrize("tied", [False, True])
def test_a_large_vocabulary(tied):
    check(
        [40] * 20, (64,), D=0, K=4000, pooling="steps", embeddings=((4000, 64),), tied=tied,
        solver="sgd", batch_size=8,
    )  # fmt: skip
    check([100] * 64, (64,), D=0, K=4000, pooling="steps", embeddings=((4000, 64),), training=False)


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
@pytest.mark.parametrize("solver", ["adamw", "sgd", "rmsprop", "lbfgs"])
def test_estimate_with_many_parameters(solver):
    check([5] * 8, (200,), solver=solver)


@pytest.mark.parametrize("training", [True, False])
def test_estimate_with_threads(training):
    check([100] * 256, (64,), D=1, n_jobs=2, training=training)


def test_small_batches_take_less():
    check([100] * 64, (64,), D=1, batch_size=8)
    check([100] * 64, (64,), D=1, batch_size=1, dtype="float64")


def test_truncation_saves_memory_where_the_documentation_says_so():
    task = [1000] * 32, 1, (64,), 2
    whole = estimate_for(*task)
    assert estimate_for(*task, bptt_steps=50) < 0.2 * whole
    for options in ({"pooling": "mean"}, {"bidirectional": True}):
        kept = estimate_for(*task, **options)
        assert estimate_for(*task, bptt_steps=50, **options) == kept


def test_columns_that_share_a_table_save_a_table():
    task, table = ([100] * 20, 1, (32,), 2), (50, 8)
    apart = estimate_for(*task, embeddings=(table, table))
    shared = estimate_for(*task, embeddings=(table,), id_tables=(0, 0))
    of_adam = 5  # parameters, gradient, two means, the best epoch
    assert apart - shared == 50 * 8 * (of_adam * 4 + 1)


def test_a_batch_of_many_shards_keeps_one():
    task = [100] * 1000, 1, (64,), 2
    # What 50 shards have in common is the list of their rows.
    assert estimate_for(*task, batch_size=800) < 2 * estimate_for(*task, batch_size=16)
    check([100] * 256, (64,), D=1, batch_size=256)
    check([100] * 240, (64,), D=1, batch_size=210)  # the rest of 30 is one shard


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
def test_estimate_of_an_estimator(estimator, early_stopping):
    X = [np.full((100, 4), 0.1) for _ in range(200)]
    y = np.arange(200) % 3
    model = estimator(
        32, learning_rate="cosine", max_iter=2, batch_size=50, early_stopping=early_stopping
    )
    model.fit(X[:40], y[:40])  # imports what it needs
    taken = peak(lambda: model.fit(X, y))
    assert 0.8 * taken <= model.estimate_memory(X, y) <= 1.2 * taken


def test_no_copy_is_counted_where_none_is_made():
    X = np.zeros((10, 50, 3), "float32")
    model = RNNRegressor(8, scaling=None)
    assert model.estimate_memory(list(X)) == model.estimate_memory(X) + X.nbytes


def test_of_all_that_counts_is_told(monkeypatch):
    told = {}
    monkeypatch.setattr(
        "fastrnn.estimators.needs.estimate_memory", lambda *args, **rest: told.update(rest) or 0
    )
    X, y = np.zeros((4, 5, 2), "float32"), [0, 1, 0, 1]
    model = RNNClassifier(4, recurrent_dropout=0.25, solver="sgd", momentum=0.5, batch_size=3)
    model.estimate_memory(X, y)
    counted = inspect.signature(estimate_memory).parameters.keys() & model.get_params().keys()
    assert told == {name: getattr(model, name) for name in counted}


@pytest.fixture
def little_memory(monkeypatch):
    """A machine with 70 MiB left."""
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 70 * 2**20)


ALL_AT_ONCE = {"cell": "lstm", "pooling": "last", "stride": 1, "conv": None, "batch_size": 200}


@pytest.mark.usefixtures("little_memory")
class TestRefusal:
    X = np.zeros((64, 2000, 1), "float32")
    y = np.arange(64) % 2

    def test_training_is_refused_with_figures_and_cures(self):
        model = RNNClassifier(64, dtype="float64", n_jobs=2, **ALL_AT_ONCE)
        with pytest.raises(MemoryLimitError) as caught:
            model.fit(self.X, self.y)
        text = str(caught.value)
        needed = model.estimate_memory(self.X, self.y) - self.X.nbytes * 2
        assert f"Training needs about {needed / 2**20:.0f} MiB of memory" in text
        assert "only 70 MiB are available; dtype='float32' would need " in text
        assert "n_jobs=1 would need " in text
        assert "batch_size=8 would need " in text
        assert "bptt_steps=50 would need " in text
        assert "\n" not in text
        assert not hasattr(model, "network_")

    def test_cures_that_do_not_help_are_not_named(self):
        model = RNNClassifier(128, **ALL_AT_ONCE | {"pooling": "mean"})
        with pytest.raises(MemoryError) as caught:
            model.fit(self.X, self.y)
        assert "batch_size=8 would need " in str(caught.value)
        for name in ("bptt_steps", "dtype", "n_jobs"):
            assert name not in str(caught.value)

    def test_nothing_is_taken_before(self):
        model = RNNClassifier(2000)

        def fit():
            with pytest.raises(MemoryError):
                model.fit(self.X[:2, :5], self.y[:2])

        assert peak(fit) < 2**20

    @pytest.mark.parametrize("scaling", [None, "standard"])
    @pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor, RNNTagger, RNNSeq2Seq])
    def test_shapes_alone_are_refused(self, make, scaling):
        """What takes no memory itself, and would take all there is once it is copied."""
        number, nothing = np.float64(0), np.array([None], object)
        for X in (
            np.broadcast_to(number, (2**20, 2**20, 2**19)),
            np.broadcast_to(number, (2**20, 2**20)),
            np.broadcast_to(np.int8(0), (2**20, 2**20, 3)),
            np.broadcast_to(nothing, (2**20, 2**20)),
            [np.broadcast_to(number, (2**40, 2)), np.zeros((3, 2))],
            [np.broadcast_to(nothing, (2**40, 2))],
        ):
            with pytest.raises(MemoryLimitError, match=r"Reading X needs about .* GiB of memory"):
                make(scaling=scaling, dtype="float32").fit(X, np.broadcast_to(0, len(X)))

    def test_shapes_alone_are_refused_in_prediction(self):
        model = RNNClassifier(4, max_iter=1, learning_rate="cosine").fit(self.X[:4, :5], [0, 1] * 2)
        huge = np.broadcast_to(np.float32(0), (2**20, 2**20, 1))
        for ask in (model.predict, model.predict_proba, model.hidden_states, model.input_gradients):
            with pytest.raises(MemoryLimitError, match="Reading X needs about"):
                ask(huge)
        with pytest.raises(MemoryLimitError, match="Reading X needs about"):
            model.score(huge, np.broadcast_to(0, len(huge)))

    @pytest.mark.parametrize(
        "series",
        [
            np.broadcast_to(1.0, 2**40),
            np.broadcast_to(1.0, (2**40, 2**19)),
            [np.broadcast_to(1.0, 2**40), np.arange(30.0)],
            np.broadcast_to(np.float32(1), 2**31),
        ],
    )
    def test_series_of_a_shape_alone_are_refused(self, series):
        with pytest.raises(MemoryLimitError, match="Reading series"):
            RNNForecaster(horizon=3).fit(series)

    def test_tokens_of_a_shape_alone_are_refused(self):
        with pytest.raises(MemoryLimitError, match="Reading X"):
            RNNLanguageModel().fit([np.broadcast_to(1, 2**40), np.arange(3)])

    def test_numbers_are_not_copied_before_training_is_refused(self, monkeypatch):
        monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 2**28)
        X = np.broadcast_to(
            np.float64(1), (400, 20_000, 4)
        )  # 128 MB, and much more to be trained on
        y = np.arange(400) % 2

        def fit():
            with pytest.raises(MemoryLimitError, match="Training needs about"):
                RNNClassifier(256, **ALL_AT_ONCE).fit(X, y)

        assert peak(fit) < 2**22

    def test_what_fits_is_done(self):
        model = RNNClassifier(64, max_iter=1, bptt_steps=50, **ALL_AT_ONCE)
        model.fit(self.X, self.y)
        assert model.predict(self.X).shape == (64,)

    def test_prediction_is_refused(self, monkeypatch):
        model = RNNClassifier(8, learning_rate="cosine", max_iter=1).fit(self.X[:4, :5], self.y[:4])
        many = np.zeros((200, 20_000, 1), "float32")
        assert model.predict(many[:, :100]).shape == (200,)
        with pytest.raises(MemoryLimitError, match="Prediction needs about "):
            model.hidden_states(many)

    def test_gradients_are_refused(self):
        model = RNNClassifier(128, max_iter=1, bptt_steps=50, **ALL_AT_ONCE)
        model.fit(self.X, self.y)
        for work in (
            lambda: model.input_gradients(self.X),
            lambda: model.gradient_flow(self.X, self.y),
        ):
            with pytest.raises(MemoryLimitError, match="Backpropagation needs about "):
                work()


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
@CELLS
def test_estimate_of_gradients(cell, ragged, n_jobs, monkeypatch):
    estimates = []
    monkeypatch.setattr(
        "fastrnn.estimators.needs.refuse_if_too_large", lambda needed, *_: estimates.append(needed)
    )
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 100, size=40) if ragged else [60] * 40
    X = [rng.standard_normal((length, 3), dtype="float32") for length in lengths]
    y = np.arange(40) % 2
    model = RNNClassifier(
        (32, 16), cell=cell, pooling="last", stride=1, conv=None, max_iter=1, n_jobs=n_jobs
    )
    model.fit(X, y)
    for work in (lambda: model.input_gradients(X), lambda: model.gradient_flow(X, y)):
        taken = peak(work)
        assert estimates[-1] >= 0.8 * taken
        if n_jobs is None:  # a second thread may come too late to take memory
            assert estimates[-1] <= 1.2 * taken


def test_little_is_never_asked_about(monkeypatch):
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 0)
    refuse_if_too_large(2**25, "Training")
    with pytest.raises(MemoryLimitError):
        refuse_if_too_large(2**27, "Training")


def test_where_nothing_is_known_nothing_is_refused(monkeypatch):
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: None)
    refuse_if_too_large(2**60, "Training")


class TestAvailable:
    """Against files as Linux has them."""

    @staticmethod
    def write(root, files):
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    MACHINE: dict = {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * 2**20} kB\n"}  # noqa: RUF012

    def test_of_the_machine(self, tmp_path):
        self.write(tmp_path, self.MACHINE)
        assert available_memory(tmp_path) == 8 * GIB

    def test_of_a_control_group(self, tmp_path):
        group = "sys/fs/cgroup/box/"
        files = {
            "proc/self/cgroup": "0::/box\n",
            f"{group}memory.max": f"{4 * GIB}\n",
            f"{group}memory.current": f"{3 * GIB}\n",
            f"{group}memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
        }
        self.write(tmp_path, self.MACHINE | files)
        assert available_memory(tmp_path) == 3 * GIB // 2

    def test_of_a_group_above(self, tmp_path):
        group = "sys/fs/cgroup/box/"
        files = {
            "proc/self/cgroup": "0::/box/inner\n",
            f"{group}inner/memory.max": "max\n",
            f"{group}inner/memory.current": "5\n",
            f"{group}memory.max": f"{2 * GIB}\n",
            f"{group}memory.current": "0\n",
            f"{group}memory.stat": "",
        }
        self.write(tmp_path, self.MACHINE | files)
        assert available_memory(tmp_path) == 2 * GIB

    def test_of_a_group_of_version_1(self, tmp_path):
        group = "sys/fs/cgroup/memory/box/"
        files = {
            "proc/self/cgroup": "5:cpu,cpuacct:/else\n4:memory:/box\n",
            f"{group}memory.limit_in_bytes": f"{GIB}\n",
            f"{group}memory.usage_in_bytes": f"{GIB // 2}\n",
            f"{group}memory.stat": "total_inactive_file 0\n",
        }
        self.write(tmp_path, self.MACHINE | files)
        assert available_memory(tmp_path) == GIB // 2

    def test_more_used_than_allowed_is_none_left(self, tmp_path):
        files = {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "2000\n",
            "sys/fs/cgroup/memory.stat": "",
        }
        self.write(tmp_path, self.MACHINE | files)
        assert available_memory(tmp_path) == 0

    def test_of_the_address_space(self, tmp_path, monkeypatch):
        resource = pytest.importorskip("resource", reason="Windows has no limits of this kind")
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (GIB, GIB))
        self.write(tmp_path, self.MACHINE | {"proc/self/statm": "1000 1 1 1 0 1 0\n"})
        assert available_memory(tmp_path) == GIB - 1000 * resource.getpagesize()

    def test_without_proc_it_is_all_there_is(self, tmp_path):
        available = available_memory(tmp_path)
        assert available is None or available > GIB

    def test_here(self):
        assert available_memory() > 2**20
