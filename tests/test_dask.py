"""fastrnn.dask: the bits of one process, whatever becomes of the workers."""

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")


import gc
import inspect
import os
import pickle
import random
import signal
import subprocess
import sys
import threading

import dask.array
import dask.bag
import distributed
import numpy as np
from dask import delayed
from dask_cases import (
    SIZES,
    assert_forgotten,
    assert_same,
    fit_in_turn,
    from_pandas,
    given,
    load,
    two_workers,
    wait_until,
)
from distributed import Client, LocalCluster

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.dask import DaskRNNClassifier, DaskRNNRegressor, DaskRNNTagger, cluster, crew
from fastrnn.dask.long_frames import LongForm
from fastrnn.dask.placement import cut, place
from fastrnn.network.partitioned import add_here, add_in_tree

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
ON_DASK = {
    RNNClassifier: DaskRNNClassifier,
    RNNRegressor: DaskRNNRegressor,
    RNNTagger: DaskRNNTagger,
}
PLAIN = {"hidden_layer_sizes": 6, "max_iter": 2, "batch_size": 16, "random_state": 0}
LONGER = PLAIN | {"max_iter": 12, "dropout": 0.5, "class_weight": "balanced", "augment": 1.0}


@pytest.fixture(scope="module")
def client():
    """A client of two workers."""
    with two_workers() as client:
        yield client


def test_what_can_be_added_in_part_is_the_same_sum():
    for n in (1, 2, 5, 8, 13):
        rng = np.random.default_rng(n)
        values = {k: f"{k}" for k in range(n) if rng.random() < 0.8}
        where = {k: rng.integers(3) for k in values}
        joined = {}
        for worker in range(3):
            own = {k: value for k, value in values.items() if where[k] == worker}
            elsewhere = [k for k in values if k not in own]
            joined |= add_here(own, n, "({}+{})".format, elsewhere)
        assert add_in_tree(joined, n, "({}+{})".format) == add_in_tree(values, n, "({}+{})".format)
    assert add_here({0: "0", 1: "1", 3: "3"}, 4, "({}+{})".format, [2]) == {0: "(0+1)", 3: "3"}


def test_partitions_stay_where_they_are_as_far_as_that_is_fair():
    assert place(["b", "a"], [1, 1], {"a": 1, "b": 1}) == ["b", "a"]
    assert place([None, "gone"], [1, 1], {"a": 1, "b": 1}) == ["a", "b"]
    assert sorted(place(["a"] * 4, [1] * 4, {"a": 1, "b": 1})) == ["a", "a", "b", "b"]
    assert sorted(place(["a"] * 3, [1] * 3, {"a": 2, "b": 1})) == ["a", "a", "b"]
    assert place(["a", "a", "b"], [1] * 3, {"a": 1, "b": 1}) == ["a", "a", "b"]
    assert place(["a"], [1], {}) == [None]
    assert cut([1, 2, 3], 2) == [[1], [2, 3]] and cut([1], 3) == [[1]]


@pytest.mark.parametrize(
    ("twin", "parameters", "weighted", "validated"),
    [
        (RNNClassifier, {"dropout": 0.5, "class_weight": "balanced", "augment": 1.0}, True, False),
        (RNNClassifier, {"early_stopping": True, "n_iter_no_change": 1}, False, True),
        (RNNRegressor, {"solver": "lbfgs"}, True, False),
        (RNNRegressor, {"missing": "mask", "scaling": "standard"}, False, True),
        (RNNTagger, {"dropout": 0.5}, True, True),
    ],
    ids=["classifier", "early stopping", "lbfgs", "scaling", "tagger"],
)
def test_the_bits_of_one_process(client, twin, parameters, weighted, validated):
    parameters = PLAIN | parameters
    parts = [load(k, twin, weighted) for k in range(4)]
    held_out = [load(4, twin)] if validated else None
    reference = fit_in_turn(twin(**parameters), parts, held_out)
    X, y, *weight = given(4, twin, weighted)
    validation = [part[4:] for part in given(5, twin)] if validated else None
    fitted = ON_DASK[twin](**parameters).fit(X, y, *weight, validation_data=validation)
    assert_same(fitted, reference)
    assert_same(fitted.to_local(), reference)
    assert type(fitted.to_local()) is twin
    assert_forgotten(client)


def test_one_partition_gives_the_model_of_one_machine(client):
    parameters = PLAIN | {"dropout": 0.5, "class_weight": "balanced"}
    twin = RNNClassifier(**parameters).fit(*load(0, RNNClassifier, True))
    assert_same(DaskRNNClassifier(**parameters).fit(*given(1, RNNClassifier, True)), twin)


def test_partitions_without_sequences_are_left_out(client):
    X, y = given(3, RNNClassifier)
    nothing = [delayed(load)(0, RNNClassifier, n=0)[j] for j in (0, 1)]
    fitted = DaskRNNClassifier(**PLAIN).fit([nothing[0], *X], [nothing[1], *y])
    parts = [load(k, RNNClassifier) for k in range(3)]
    assert_same(fitted, fit_in_turn(RNNClassifier(**PLAIN), parts))
    lengths = [len(part) for part in dask.compute(*fitted.predict([nothing[0], *X]).to_delayed())]
    assert lengths == [0, *SIZES[:3]]
    with pytest.raises(ValueError, match="no partition of X has any sequences"):
        fitted.fit([nothing[0]], [nothing[1]])
    with pytest.raises(ValueError, match="no partition of X has any sequences"):
        fitted.score([nothing[0]], [nothing[1]])


@pytest.mark.parametrize("twin", ON_DASK)
def test_partitions_whose_weights_are_0_add_nothing_to_a_score(client, twin):
    X, y, weight = given(3, twin, True)
    fitted = ON_DASK[twin](**PLAIN).fit(X, y)
    nothing = delayed([0.0] * SIZES[1])
    expected = fitted.score([X[0], X[2]], [y[0], y[2]], [weight[0], weight[2]])
    assert np.isfinite(expected)
    assert fitted.score(X, y, [weight[0], nothing, weight[2]]) == expected
    with pytest.raises(ValueError, match="no partition of X has any sequences that count"):
        fitted.score([X[1]], [y[1]], [nothing])


@pytest.mark.parametrize("local_steps", [1, 3])
@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_some_partitions_at_once_and_steps_by_each(client, at_once, local_steps):
    parameters = PLAIN | {"dropout": 0.5, "batch_size": 8}
    parts = [load(k, RNNClassifier, True) for k in range(5)]
    told = {"at_once": at_once, "local_steps": local_steps}
    reference = fit_in_turn(RNNClassifier(**parameters), parts, **told)
    options = {"partitions_at_once": at_once, "local_steps": local_steps}
    fitted = DaskRNNClassifier(**parameters, **options).fit(*given(5, RNNClassifier, True))
    assert_same(fitted, reference)
    plain = fit_in_turn(RNNClassifier(**parameters), parts)
    same = np.array_equal(plain.network_.theta, reference.network_.theta)
    assert same == (at_once == 9 and local_steps == 1)
    assert_forgotten(client)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_no_task_needs_more_partitions_than_there_are_at_once(client, monkeypatch, solver):
    ask, sizes = cluster.Cluster.ask, {}

    def note(self, calls):
        for call in calls:
            sizes.setdefault(call.name, []).append(len(call.data))
        return ask(self, calls)

    monkeypatch.setattr(cluster.Cluster, "ask", note)
    parameters, parts = PLAIN | {"solver": solver}, [load(k, RNNClassifier) for k in range(5)]
    reference = fit_in_turn(RNNClassifier(**parameters), parts, parts, at_once=1)
    X, y = given(5, RNNClassifier)
    fitted = DaskRNNClassifier(**parameters, partitions_at_once=1)
    assert_same(fitted.fit(X, y, validation_data=(X, y)), reference)
    assert set(sizes["gradient"]) == set(sizes["tally"]) == {1}


def test_training_goes_on_from_the_model(client):
    parts, (X, y) = [load(k, RNNClassifier) for k in range(3)], given(3, RNNClassifier)
    reference = RNNClassifier(**PLAIN, warm_start=True)
    fitted = DaskRNNClassifier(**PLAIN, warm_start=True)
    for _ in range(2):
        fit_in_turn(reference, parts)
        fitted.fit(X, y)
        assert_same(fitted, reference)


@pytest.mark.parametrize("twin", ON_DASK)
def test_predictions_are_those_of_one_machine(client, twin):
    parts = [load(k, twin) for k in range(3)]
    X, y, weight = given(3, twin, True)
    fitted = ON_DASK[twin](**PLAIN).fit(X, y)
    local = fitted.to_local()
    names = ["predict"] if twin is RNNRegressor else ["predict", "predict_proba"]
    for name in names:
        answers = getattr(fitted, name)(X)
        assert isinstance(answers, dask.bag.Bag if twin is RNNTagger else dask.array.Array)
        answers = dask.compute(*np.ravel(answers.to_delayed()).tolist())
        for answer, part in zip(answers, parts, strict=True):
            expected = getattr(local, name)(part[0])
            assert all(map(np.array_equal, answer, expected))
    parts = [load(k, twin, True) for k in range(3)]
    in_all = [[one for part in parts for one in part[j]] for j in range(3)]
    assert fitted.score(X, y) == pytest.approx(local.score(*in_all[:2]), rel=1e-12)
    assert fitted.score(X, y, weight) == pytest.approx(local.score(*in_all), rel=1e-12)


def test_bags_and_arrays(client):
    X, y, weight = load(0, RNNTagger, True, 20)
    bags = [dask.bag.from_sequence(part, npartitions=3).map(np.asarray) for part in (X, y, weight)]
    parts = list(zip(*(dask.compute(*bag.to_delayed()) for bag in bags), strict=True))
    fitted = DaskRNNTagger(**PLAIN).fit(*bags)
    assert_same(fitted, fit_in_turn(RNNTagger(**PLAIN), [map(list, part) for part in parts]))

    X = np.random.default_rng(0).normal(size=(30, 5, 2))
    y = X[:, :, 0].mean(axis=1)
    fitted = DaskRNNRegressor(**PLAIN).fit(*(dask.array.from_array(a, 10) for a in (X, y)))
    parts = [(X[k : k + 10], y[k : k + 10]) for k in range(0, 30, 10)]
    assert_same(fitted, fit_in_turn(RNNRegressor(**PLAIN), parts))


@pytest.fixture(scope="module")
def frame():
    """Rows in no order."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    X, labels, weights = load(0, RNNClassifier, True, 25)
    _, tags, _ = load(0, RNNTagger, False, 25)
    columns = {"time": lambda i: range(len(X[i])), "tag": lambda i: tags[i]}
    columns |= {name: lambda i, j=j: X[i][:, j] for j, name in enumerate("abc")}
    columns |= {"label": lambda i: labels[i], "weight": lambda i: weights[i]}
    frames = [
        pandas.DataFrame({"id": [f"s{i}"] * len(x)} | {k: of(i) for k, of in columns.items()})
        for i, x in enumerate(X)
    ]
    frame = pandas.concat(frames)
    return frame.sample(frac=1, random_state=0, ignore_index=True)


class TestLongFrames:
    """Rows of a sequence in several partitions, in any order."""

    @pytest.mark.parametrize("twin", [RNNClassifier, RNNTagger])
    def test_the_bits_of_one_process(self, client, frame, twin):
        on_dask = from_pandas(frame, 4)
        y, answer = ("label", "prediction") if twin is RNNClassifier else ("tag", "prediction")
        weight = "weight" if twin is RNNClassifier else None
        columns = ["id", "time", *"abc", y, *([weight] if weight else [])]
        fitted = ON_DASK[twin](**PLAIN).fit(on_dask[columns], y, weight)
        form = LongForm("id", "time", (*"abc",), twin is RNNTagger, False, y, weight)
        parts = [form(part) for part in dask.compute(*form.gather(on_dask))]
        parts = [part for part in parts if len(part[0])]
        assert len(parts) > 1 and sum(len(part[0]) for part in parts) == 25
        assert_same(fitted, fit_in_turn(twin(**PLAIN), parts))

        by_id = {
            key: rows.sort_values("time", ignore_index=True) for key, rows in frame.groupby("id")
        }
        local, found = fitted.to_local(), fitted.predict(on_dask).compute()
        for name in set(by_id):
            expected = local.predict([by_id[name][[*"abc"]]])[0]
            got = found[found["id"] == name]
            assert np.array_equal(np.atleast_1d(expected), got[answer].to_numpy().astype("U"))
            if twin is RNNTagger:
                assert got["time"].tolist() == list(range(len(got)))
        proba = fitted.predict_proba(on_dask).compute()
        assert set(fitted.classes_) <= set(proba.columns) and len(proba) == len(found)
        rows = list(by_id.values())
        targets = [r["tag"] for r in rows] if twin is RNNTagger else [r["label"][0] for r in rows]
        expected = local.score([r[[*"abc"]] for r in rows], targets)
        assert fitted.score(on_dask, y) == pytest.approx(expected, rel=1e-12)
        assert list(fitted.feature_names_in_) == [*"abc"]

    def test_what_is_wrong_is_named(self, client, frame):
        def fit(changed=frame, y="label", **parameters):
            frame = from_pandas(changed, npartitions=2)
            DaskRNNClassifier(**PLAIN, **parameters).fit(frame, y)

        with pytest.raises(ValueError, match="several values in column 'tag'"):
            fit(y="tag")
        with pytest.raises(ValueError, match="X has 0 columns 'when', expected one"):
            fit(time_column="when")
        with pytest.raises(ValueError, match="several rows of time 0, expected one for each step"):
            fit(frame.assign(time=0))
        with pytest.raises(ValueError, match=r"column 'time' has no value in \d+ rows"):
            fit(frame.assign(time=frame["time"].where(frame["time"] > 0)))
        with pytest.raises(ValueError, match="no columns of features"):
            fit(frame[["id", "time", "label"]])
        with pytest.raises(TypeError, match="y must name a column of X"):
            frame = from_pandas(frame, 2)
            DaskRNNClassifier(**PLAIN).fit(frame, frame["label"])


def test_what_is_wrong_with_data_is_named(client):
    X, y = given(2, RNNClassifier)
    classifier = DaskRNNClassifier(**PLAIN)
    with pytest.raises(TypeError, match=r"X must be a list of delayed objects or futures.*ndarray"):
        classifier.fit(load(0, RNNClassifier)[0], y)
    with pytest.raises(ValueError, match="X has 2 partitions, y has 1"):
        classifier.fit(X, y[:1])
    with pytest.raises(ValueError, match="chunks along several axes"):
        classifier.fit(dask.array.zeros((4, 4), chunks=2), y)
    with pytest.raises(ValueError, match=r"^partition 0: .*X has 9 "):
        classifier.fit(X, [y[1], y[1]])
    none = delayed(list)()  # it counts, too, where partitions are numbered
    with pytest.raises(ValueError, match=r"^partition 2: .*X has "):
        classifier.fit([X[0], none, X[1]], [y[0], none, y[0]])
    wide = delayed([np.zeros((3, 7))])
    with pytest.raises(ValueError, match=r"^partition 2 has columns of width 7, partition 0 "):
        classifier.fit([X[0], none, wide], [y[0], none, delayed(["up"])])
    with pytest.raises(ValueError, match="needs validation_data"):
        DaskRNNClassifier(**PLAIN, early_stopping=True).fit(X, y)
    with pytest.raises(TypeError, match="client must be None or a Client, got 3"):
        DaskRNNClassifier(client=3).fit(X, y)
    assert not classifier.is_fitted
    assert_forgotten(client)


def test_data_that_could_not_be_computed_again_are_refused(client):
    X, y, _ = load(0, RNNClassifier)
    sent = client.scatter([X, y], hash=False)
    for of_X in (sent[0], client.submit(list, sent[0], pure=False), delayed(list)(sent[0])):
        with pytest.raises(ValueError, match=r"were sent to the workers, as by client\.scatter"):
            DaskRNNClassifier(**PLAIN).fit([of_X], [delayed(list)(y)])
    kept = client.persist([delayed(load)(0, RNNClassifier)[j] for j in (0, 1)])
    twin = RNNClassifier(**PLAIN).fit(X, y)
    assert_same(DaskRNNClassifier(**PLAIN).fit([kept[0]], [kept[1]]), twin)


def test_two_fits_at_once(client):
    parts, data = [load(k, RNNClassifier) for k in range(3)], given(3, RNNClassifier)
    fitted = [DaskRNNClassifier(**PLAIN | {"random_state": k}, client=client) for k in range(2)]
    threads = [threading.Thread(target=one.fit, args=data) for one in fitted]
    for thread in threads:
        thread.start()
    for k, thread in enumerate(threads):
        thread.join()
        assert_same(fitted[k], fit_in_turn(RNNClassifier(**PLAIN | {"random_state": k}), parts))


def test_an_interrupt_keeps_the_model_and_frees_the_workers(client, monkeypatch):
    rounds, run = [], crew.Crew.run

    def count(self, *args):
        rounds.append(1)
        if len(rounds) == 10:
            threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGINT)).start()
        return run(self, *args)

    monkeypatch.setattr(crew.Crew, "run", count)
    fitted = DaskRNNClassifier(**PLAIN | {"max_iter": 2000, "alpha": 0.0})
    with pytest.warns(UserWarning, match="Training was interrupted in epoch"):
        fitted.fit(*given(4, RNNClassifier))
    assert fitted.is_fitted and len(rounds) < 1000
    assert_forgotten(client)


def test_it_is_an_estimator(client):
    signature = inspect.signature(DaskRNNTagger).parameters
    own = {"client", "id_column", "time_column", "partitions_at_once", "local_steps"}
    assert signature.keys() - own == inspect.signature(RNNTagger).parameters.keys()
    assert signature["bidirectional"].default is True
    tagger = DaskRNNTagger(7, cell="gru", client=client)
    assert tagger.client_ is client and DaskRNNTagger().client_ is client
    assert tagger.get_params()["client"] is client
    assert type(tagger.to_local()) is RNNTagger and tagger.to_local().cell == "gru"
    assert pickle.loads(pickle.dumps(tagger)).client is None
    assert all(f"\n{name} : " in inspect.cleandoc(DaskRNNTagger.__doc__) for name in signature)
    base = pytest.importorskip("sklearn.base")
    clone = base.clone(tagger)
    assert clone.client is client and clone.hidden_layer_sizes == 7


def test_a_model_is_saved_as_that_of_one_machine(client, tmp_path):
    X, y = given(2, RNNClassifier)
    fitted = DaskRNNClassifier(**PLAIN).fit(X, y)
    fitted.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    assert type(loaded) is RNNClassifier
    assert np.array_equal(loaded.network_.theta, fitted.network_.theta)


def test_workers_that_compute_otherwise_are_named(client, monkeypatch):
    X, y = given(2, RNNClassifier)
    monkeypatch.setattr(fastrnn, "__version__", "0.0.1")
    with pytest.raises(ValueError, match=r"worker tcp://.* has fastrnn .*, the client 0.0.1"):
        DaskRNNClassifier(**PLAIN).fit(X, y)
    # One that comes later is found by the task itself.
    monkeypatch.setattr(cluster.Cluster, "check_workers", lambda self: None)
    with pytest.raises(ValueError, match=r"worker tcp://.* has fastrnn .*, the client 0.0.1"):
        DaskRNNClassifier(**PLAIN).fit(X, y)


def test_without_a_client(monkeypatch):
    def find():
        raise ValueError("No global client found")

    monkeypatch.setattr(distributed, "get_client", find)
    with pytest.raises(ValueError, match="there is no client of a Dask cluster"):
        DaskRNNClassifier().fit(*given(1, RNNClassifier))


# The import of scikit-learn takes longer than a fit.
LIGHT = "import sys", "sys.modules['sklearn'] = None"


class Workers:
    """Processes without a Nanny, which would start them again."""

    def __init__(self, client):
        self.client, self.processes = client, []

    def start(self, *before):
        """Start one more."""
        command = "from distributed.cli.dask_worker import main; main()"
        address = self.client.cluster.scheduler_address
        arguments = ["--no-nanny", "--nthreads=1", "--no-dashboard", "--worker-port=0"]
        process = subprocess.Popen(
            [sys.executable, "-c", "; ".join([*before, command]), address, *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)

    def kill(self):
        """Kill the first."""
        process = self.processes.pop(0)
        process.kill()
        process.wait()

    def become(self, n):
        """Let there be n."""
        while len(self.processes) > n:
            self.kill()
        while len(self.processes) < n:
            self.start(*LIGHT)
        wait_until(lambda: len(self.client.nthreads()) == n, 60)


@pytest.fixture(scope="module")
def workers():
    """A cluster of workers that can be killed, none at first."""
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster, Client(cluster) as client:
        workers = Workers(client)
        yield workers
        for process in workers.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def reference():
    """The model of one process."""
    parts = [load(k, RNNClassifier, True) for k in range(4)]
    return fit_in_turn(RNNClassifier(**LONGER), parts, [load(4, RNNClassifier)])


class TestWorkersComeAndGo:
    """Always the same bits, or an error that says what is wrong."""

    def fit(self, workers):
        """The same on the cluster."""
        X, y, weight = given(5, RNNClassifier, True)
        fitted = DaskRNNClassifier(**LONGER, client=workers.client)
        return fitted.fit(X[:4], y[:4], weight[:4], validation_data=(X[4:], y[4:]))

    def test_no_workers(self, workers, monkeypatch, caplog):
        monkeypatch.setattr(cluster, "PATIENCE", 0.5)
        monkeypatch.setattr(cluster, "LOOKS_EVERY", 0.1)
        workers.become(0)
        with pytest.raises(TimeoutError, match=r"nothing of what it was asked.*it has no workers"):
            self.fit(workers)
        workers.client.run_on_scheduler(int)  # all that was begun in the client is over
        gc.collect()
        assert [told for told in caplog.records if told.name == "asyncio"] == []

    @pytest.mark.parametrize("n", [1, 3])
    def test_any_number(self, workers, reference, n):
        workers.become(n)
        assert_same(self.fit(workers), reference)

    @pytest.mark.parametrize("seed", [1, 2, 4])  # early and one joins, late, early
    def test_one_is_killed(self, workers, reference, seed):
        workers.become(2)
        moment = random.Random(seed).uniform(0.0, 0.8)
        timer = threading.Timer(moment, workers.kill)
        timer.start()
        if seed % 2:
            workers.start(*LIGHT)  # and joins in the middle
        assert_same(self.fit(workers), reference)
        timer.join()
        assert_forgotten(workers.client)

    def test_data_that_kill_workers(self, workers):
        def allow(n, dask_scheduler=None):
            dask_scheduler.allowed_failures = n

        workers.become(1)
        workers.client.run_on_scheduler(allow, 0)
        X, y = [delayed(os.kill)(delayed(os.getpid)(), signal.SIGKILL)], [delayed(list)("ab")]
        with pytest.raises(RuntimeError, match="died, one after the other: most often their mem"):
            DaskRNNClassifier(**PLAIN, client=workers.client).fit(X, y)
        workers.client.run_on_scheduler(allow, 3)
        workers.processes.pop().wait()

    def test_one_without_fastrnn(self, workers):
        workers.become(0)
        workers.start("import sys", "sys.modules['fastrnn'] = None")
        wait_until(workers.client.nthreads, 60)
        with pytest.raises(ValueError, match=r"worker tcp://.* has no fastrnn that it can load"):
            self.fit(workers)
        workers.become(0)
