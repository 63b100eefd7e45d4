"""What holds for all shapes and options; hypothesis draws them, and looks for those where it fails.

With ``FASTRNN_PROPERTIES=30`` in the environment it draws 30 times as many, others each time.
"""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from contract import bits
from drawn import ANSWERS, assert_close, examples, given, problems, st

import fastrnn
from fastrnn.memory import estimate_memory

pytestmark = pytest.mark.filterwarnings("ignore:Training (stopped|has learned nothing)")

DTYPES = ("float32", "float64")
FOLLOWED = tuple(kind for kind in ANSWERS if kind != "tags that follow")
"""Those whose streams say what is said of the prefixes: a field also counts where they end."""


@examples(150)
@given(problems(dtype=DTYPES), st.randoms(use_true_random=False))
def test_answers_depend_on_neither_mates_nor_order(problem, random):
    model, dtype = problem.shaken(), problem.params["dtype"]
    together = problem.ask(model)
    for x, expected in zip(problem.X, together, strict=True):
        assert_close(problem.ask(model, [x])[0], expected, dtype)
    order = list(range(len(problem.X)))
    random.shuffle(order)
    shuffled = problem.ask(model, [problem.X[i] for i in order])
    for i, said in zip(order, shuffled, strict=True):
        assert_close(said, together[i], dtype)


THREADED = problems(
    most=40, dtype=DTYPES, precision=("full", "auto"), solver=("adam", "sgd", "lbfgs"),
    batch_size=(5, 100), dropout=(0.0, 0.2), recurrent_dropout=(0.0, 0.2), bptt_steps=(None, 3),
)  # fmt: skip


def check_threads(problem):
    if problem.params["dtype"] == "float64":
        problem.params["precision"] = "full"
    said = []
    for n_jobs in (None, 2, 5):
        model = problem.fit(n_jobs=n_jobs, max_iter=2)
        said.append(bits([model.network_.theta, problem.ask(model), model.transform(problem.X)]))
    assert said[0] == said[1] == said[2]


@examples(60)
@given(THREADED)
def test_threads_change_no_bit(problem):
    check_threads(problem)


@examples(40)
@given(problem=THREADED)
def test_teams_change_no_bit(teams, problem):
    check_threads(problem)


@examples(100)
@given(problems(dtype=DTYPES, kinds=FOLLOWED, both=False))
def test_streams_say_what_is_said_of_the_prefixes(problem):
    model, dtype, X = problem.shaken(), problem.params["dtype"], problem.X

    def expected(t, X):
        prefixes = [x[: t + 1] for x in X]
        if problem.kind == "quantiles":
            return model.predict(prefixes)
        said = problem.ask(model, prefixes)
        return [one[-1] for one in said] if problem.every_step else said

    def check(stream, X):
        begun = stream.state
        for t in range(min(map(len, X))):
            x = np.stack([x[t] for x in X])
            twin = [copy.copy, lambda one: pickle.loads(pickle.dumps(one))][t % 2](stream)
            said = stream.step(x)
            assert_close(said.reshape(len(X), -1), np.reshape(expected(t, X), (len(X), -1)), dtype)
            assert bits(twin.step(x)) == bits(said)
        stream.reset()
        assert bits(stream.state) == bits(begun)

    check(model.stream(len(X)), X)
    check(model.stream(), [max(X, key=len)])


@examples(100)
@given(problem=problems(dtype=DTYPES, solver=("adam", "sgd", "rmsprop")))
def test_files_and_copies_answer_the_same(tmp_path, problem):
    model, path = problem.shaken(), tmp_path / "model"
    model.save(path)
    written, loaded = path.read_bytes(), fastrnn.load(path)
    loaded.save(path)
    assert path.read_bytes() == written

    def said(model):
        of_all = [model.predict(problem.X), model.transform(problem.X)]
        return bits([model.network_.theta, problem.ask(model), *of_all])

    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    expected = said(model)
    assert all(said(one) == expected for one in [loaded, *copies])
    expected = said(model.partial_fit(problem.X, problem.y))
    assert all(said(one.partial_fit(problem.X, problem.y)) == expected for one in copies)


@examples(100)
@given(
    # Means of missing numbers and of times are those of steps, whatever they weigh.
    problems(
        missing=("error",),
        times=(False,),
        scaling=("standard", None),
        solver=("sgd", "lbfgs"),
    ),
    st.lists(st.integers(0, 3), max_size=20),
)
def test_weights_are_repetition(problem, others):
    # All classes and ids are in what weighs something; some of it again with any weight.
    n = len(problem.X)
    places = [*range(n), *(i % n for i in range(len(others)))]
    weight = np.array([*(1 + i % 3 for i in range(n)), *others])
    X, y = [problem.X[i] for i in places], [problem.y[i] for i in places]
    # The penalty of a minibatch is divided by the number of its sequences, whatever they weigh.
    options = {"max_iter": 3, "batch_size": 1000}
    if problem.params["solver"] == "sgd":
        options |= {"alpha": 0.0, "learning_rate_init": 0.01, "dropout": 0.0, "zoneout": 0.0}
    weighted = problem.fit(data=(X, y), weight=weight, **options)
    repeated = [i for i, times in enumerate(weight) for _ in range(times)]
    longer = problem.fit(data=([X[i] for i in repeated], [y[i] for i in repeated]), **options)
    np.testing.assert_allclose(weighted.network_.theta, longer.network_.theta, rtol=1e-6, atol=1e-7)


@examples(40)
@given(
    problems(most=60, dtype=DTYPES, batch_size=(4, 32, 100), n_jobs=(None, 2)),
    st.integers(1, 20),
    st.sampled_from([8, 40, 100]),
)
def test_memory_is_estimated_high_enough(problem, times, size):
    X = [np.repeat(x, times, axis=0) for x in problem.X]
    y = problem.y
    if problem.kind.startswith("tags"):
        y = [np.repeat(tags, times) for tags in y]
    sizes = (size,) * len(problem.params["hidden_layer_sizes"])
    options = {"hidden_layer_sizes": sizes, "data": (X, y)}
    model = problem.fit(**options)  # imports what it needs
    of_fit, of_answers = (
        model.estimate_memory(X, y),
        estimate_memory(
            [len(x) for x in X], model.network_.architecture, training=False, n_jobs=model.n_jobs
        ),
    )
    # What Python's objects take, which are not counted, and of which many are left for a while.
    beside = 300_000 + 3000 * len(X)
    assert taken_by(lambda: problem.fit(**options)) <= 1.2 * of_fit + beside
    read = sum(x.nbytes for x in X)
    assert taken_by(lambda: problem.ask(model, X)) <= 1.2 * of_answers + 3 * read + beside


def taken_by(work):
    """Bytes that work takes at most, arrays of numpy included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
