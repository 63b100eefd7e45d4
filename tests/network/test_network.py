"""What the network promises besides its gradient: conventions, dropout, and independence."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from building import build
from layer_cases import let_directions_meet

from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.dropout import dropout
from fastrnn.network.pooling import Pooling
from fastrnn.training.loop import Settings, TrainingState, train
from fastrnn.training.progress import Progress

CELLS = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "carry_lstm"])
POOLINGS = pytest.mark.parametrize("pooling", ["last", "mean", "max"])


def make_network(loss="log_loss", D=3, sizes=(5,), K=4, **options):
    return build(D, sizes, K, head=loss, **options)


def make_sequences(lengths, D=3, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return as_sequences([rng.standard_normal((length, D)).astype(dtype) for length in lengths])


def task(n, loss="log_loss", K=4, dtype="float32"):
    rng = np.random.default_rng(1)
    target = rng.integers(K, size=n) if loss == "log_loss" else rng.standard_normal((n, K))
    return target if loss == "log_loss" else target.astype(dtype), rng.uniform(0.5, 2, n).astype(
        dtype
    )


def test_parameters_are_one_vector_with_views():
    network = make_network(sizes=(5, 2), bidirectional=True, cell="gru")
    layers = [layer.params for layer in network.layers]
    named = [item for params in (*layers, network.head.params) for item in params.items()]
    pieces = [array for _, array in named]
    assert sum(array.size for array in pieces) == network.theta.size
    assert all(np.shares_memory(array, network.theta) for array in pieces)
    np.testing.assert_array_equal(np.concatenate([a.ravel() for a in pieces]), network.theta)
    biases = sum(array.size for name, array in named if name.startswith("b"))
    assert np.count_nonzero(~network.decayed) == biases


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_loss_is_the_weighted_mean_of_the_samples_losses(loss):
    network = make_network(loss, dtype="float64")
    sequences = make_sequences([3, 1, 6, 2], dtype="float64")
    target, weight = task(4, loss, dtype="float64")
    predictions = network.predict(sequences)
    if loss == "log_loss":
        np.testing.assert_allclose(predictions.sum(axis=1), 1, rtol=1e-12)
        losses = -np.log(predictions[np.arange(4), target])
    else:
        losses = 0.5 * np.mean((predictions - target) ** 2, axis=1)
    expected = np.average(losses, weights=weight)
    indices = np.array([2, 0, 3, 1])
    actual = network.loss_and_grad(sequences, indices, target, weight)
    assert actual == pytest.approx(expected, rel=1e-12)


def test_penalty_is_that_of_mlpclassifier():
    sequences = make_sequences([3, 1, 6, 2], dtype="float64")
    target, weight = task(4, dtype="float64")
    indices = np.arange(4)
    losses, grads = [], []
    for alpha in (0.0, 0.3):
        network = make_network(alpha=alpha, dtype="float64")
        network.theta += 0.1
        losses.append(network.loss_and_grad(sequences, indices, target, weight))
        grads.append(network.grad.copy())
    weights, total = network.theta * network.decayed, weight.sum()
    assert losses[1] - losses[0] == pytest.approx(0.5 * 0.3 * np.sum(weights**2) / total, rel=1e-10)
    np.testing.assert_allclose(grads[1] - grads[0], 0.3 * weights / total, rtol=1e-10, atol=1e-15)


@CELLS
@POOLINGS
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_sequence_does_not_depend_on_its_batch_mates(cell, pooling, bidirectional):
    lengths = np.random.default_rng(3).integers(1, 40, size=150)
    sequences = make_sequences(lengths)
    network = make_network(cell=cell, pooling=pooling, bidirectional=bidirectional, sizes=(7, 4))
    methods = (network.predict, network.final_states)
    together = [method(sequences) for method in methods]
    states = network.hidden_states(sequences)
    order = np.random.default_rng(4).permutation(150)
    for method, all_at_once in zip(methods, together, strict=True):
        shuffled = method(sequences.take(order))
        np.testing.assert_allclose(shuffled, all_at_once[order], rtol=1e-6, atol=1e-6)
    for n in (0, 77, 149):
        alone = sequences.take([n])
        for method, all_at_once in zip(methods, together, strict=True):
            np.testing.assert_allclose(method(alone)[0], all_at_once[n], rtol=1e-6, atol=1e-6)
        rows = slice(sequences.offsets[n], sequences.offsets[n + 1])
        np.testing.assert_allclose(network.hidden_states(alone), states[rows], rtol=1e-6, atol=1e-6)


def test_pooled_states_are_those_of_the_steps():
    lengths = [4, 1, 7]
    sequences = make_sequences(lengths, dtype="float64")
    network = make_network(bidirectional=True, dtype="float64", sizes=(3, 2))
    states = np.split(network.hidden_states(sequences), np.cumsum(lengths)[:-1])
    final = network.final_states(sequences)
    for state, last in zip(states, final, strict=True):
        np.testing.assert_allclose(last[:2], state[-1, :2], rtol=1e-12)
        np.testing.assert_allclose(last[2:], state[0, 2:], rtol=1e-12)
    pooled = {
        "last": final,
        "mean": np.array([state.mean(axis=0) for state in states]),
        "max": np.array([state.max(axis=0) for state in states]),
    }
    for pooling, expected in pooled.items():
        network.pooling = Pooling(pooling, network.layers[-1])
        logits = expected @ network.head.params["W"] + network.head.params["b"]
        odds = np.exp(logits)
        np.testing.assert_allclose(
            network.predict(sequences), odds / odds.sum(axis=1, keepdims=True), rtol=1e-12
        )


@pytest.mark.parametrize("n", [20, 33, 64, 200])
def test_same_bits_on_any_number_of_threads(n):
    sequences = make_sequences(np.random.default_rng(n).integers(1, 30, size=n))
    network = make_network(sizes=(8, 6), bidirectional=True, dropout=0.2, recurrent_dropout=0.2)
    target, weight = task(n)
    results = []
    for n_jobs in (None, 1, 2, 4):
        rng = np.random.default_rng(5)
        loss = network.loss_and_grad(
            sequences, np.arange(n), target, weight, rng=rng, n_jobs=n_jobs
        )
        prediction = network.predict(sequences, n_jobs=n_jobs)
        results.append((loss, network.grad.tobytes(), prediction.tobytes()))
    assert len(set(results)) == 1


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
def test_directions_of_a_shard_run_at_once(pooling, monkeypatch):
    sequences, (target, weight) = make_sequences([5, 3, 4]), task(3)
    if pooling == "steps":
        target, weight = task(12)
    network = make_network(sizes=(8, 6), bidirectional=True, pooling=pooling)
    let_directions_meet(monkeypatch)
    network.loss_and_grad(sequences, np.arange(3), target, weight, n_jobs=2)
    network.predict(sequences, n_jobs=2)


def test_predicting_leaves_the_network_alone():
    sequences = make_sequences([3, 5])
    network = make_network()
    before = network.theta.copy(), network.grad.copy(), dict(vars(network))
    network.predict(sequences)
    network.final_states(sequences)
    network.hidden_states(sequences)
    np.testing.assert_array_equal(network.theta, before[0])
    np.testing.assert_array_equal(network.grad, before[1])
    assert vars(network) == before[2]


def test_dropout_only_acts_with_an_rng():
    network = make_network(dropout=0.4, dtype="float64")
    sequences, indices = make_sequences([3, 5], dtype="float64"), np.arange(2)
    target, weight = task(2, dtype="float64")
    plain = network.loss_and_grad(sequences, indices, target, weight)
    assert plain == network.loss_and_grad(sequences, indices, target, weight)
    dropped = {
        network.loss_and_grad(sequences, indices, target, weight, rng=np.random.default_rng(seed))
        for seed in range(5)
    }
    assert len(dropped | {plain}) == 6


def test_dropout_acts_between_layers_and_before_the_head(monkeypatch):
    """With factors of 1 / 2 in every place the states halve there and nowhere else."""
    monkeypatch.setattr(
        "fastrnn.network.passes.dropout", lambda x, rate, seed, y: np.divide(x, 2, out=y)
    )
    network = make_network("squared_error", cell="rnn", sizes=(3, 2), dropout=0.5, dtype="float64")
    sequences = make_sequences([4], dtype="float64")
    lower, upper = (layer.params for layer in network.layers)
    h, states = np.zeros(3), []
    for x in sequences[0]:
        h = np.tanh(x @ lower["W"] + h @ lower["U"] + lower["b"])
        states.append(h)
    h = np.zeros(2)
    for x in states:
        h = np.tanh(0.5 * x @ upper["W"] + h @ upper["U"] + upper["b"])
    outputs = 0.5 * h @ network.head.params["W"] + network.head.params["b"]
    loss = network.loss_and_grad(
        sequences, np.arange(1), np.zeros((1, 4)), np.ones(1), rng=np.random.default_rng(0)
    )
    assert loss == pytest.approx(0.5 * np.mean(outputs**2), rel=1e-12)


def test_recurrent_dropout_has_one_mask_for_all_steps_of_a_sequence(monkeypatch):
    network = make_network("squared_error", cell="rnn", recurrent_dropout=0.5, dtype="float64")
    masks = []

    def draw(x, rate, seed, y):
        dropout(x, rate, seed, y)
        masks.append(y.reshape(1, 2, 5).copy())

    monkeypatch.setattr("fastrnn.network.passes.dropout", draw)
    sequences = make_sequences([4, 7], dtype="float64")
    loss = network.loss_and_grad(
        sequences, np.arange(2), np.zeros((2, 4)), np.ones(2), rng=np.random.default_rng(0)
    )
    (mask,) = masks
    assert not np.array_equal(mask[0, 0], mask[0, 1])
    params = network.layers[0].params
    losses = []
    for factors, sequence in ((mask[0, 1], sequences[0]), (mask[0, 0], sequences[1])):
        h = np.zeros(5)
        for x in sequence:
            h = np.tanh(x @ params["W"] + (h * factors) @ params["U"] + params["b"])
        losses.append(0.5 * np.mean((h @ network.head.params["W"] + network.head.params["b"]) ** 2))
    assert loss == pytest.approx(np.mean(losses), rel=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_layer_direction_and_shard_has_masks_of_its_own(bidirectional, monkeypatch):
    network = make_network(
        sizes=(6, 6), bidirectional=bidirectional, dropout=0.5, recurrent_dropout=0.5
    )
    seeds = []

    def draw(x, rate, seed, y):
        seeds.append(seed)
        dropout(x, rate, seed, y)

    monkeypatch.setattr("fastrnn.network.passes.dropout", draw)
    sequences = make_sequences([4] * 40)
    network.loss_and_grad(sequences, np.arange(40), *task(40), rng=np.random.default_rng(0))
    forth_and_back = 2 * 2 * 2  # shards, layers, and dropout that is gone back through
    assert len(seeds) == forth_and_back + 2 * 2
    assert len(set(seeds)) == 2 * 2 * 2


def test_random_state_gives_the_same_start():
    thetas = [make_network(sizes=(4, 3)).theta for _ in range(2)]
    np.testing.assert_array_equal(*thetas)
    other = build(3, (4, 3), 4, random_state=1)
    assert np.mean(other.theta == thetas[0]) < 0.5


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_is_whole_and_its_own(clone):
    network = make_network(sizes=(5, 2), bidirectional=True, dropout=0.1)
    sequences = make_sequences([3, 1, 6])
    target, weight = task(3)
    loss = network.loss_and_grad(sequences, np.arange(3), target, weight)
    other = clone(network)
    np.testing.assert_array_equal(other.theta, network.theta)
    np.testing.assert_array_equal(other.decayed, network.decayed)
    assert other.loss_and_grad(sequences, np.arange(3), target, weight) == loss
    np.testing.assert_array_equal(other.grad, network.grad)
    before = network.predict(sequences)
    other.theta[...] = 0
    np.testing.assert_allclose(other.predict(sequences), 1 / 4, rtol=1e-6)
    np.testing.assert_array_equal(network.predict(sequences), before)


def test_a_pickle_holds_every_parameter_once_and_no_memory():
    network = make_network(sizes=(64,))
    network.loss_and_grad(make_sequences([30] * 40), np.arange(40), *task(40))
    assert len(pickle.dumps(network)) < network.theta.nbytes + 4000


def test_a_copy_of_a_layer_is_whole_and_its_own():
    layer = make_network().layers[0]
    other = copy.deepcopy(layer)
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype("float32")
    np.testing.assert_array_equal(other.forward(x)[0], layer.forward(x)[0])
    other.params["W"][...] = 0
    assert not np.array_equal(other.forward(x)[0], layer.forward(x)[0])
    assert np.shares_memory(other.params["W"], other.theta)


def test_integer_weights_are_repetition():
    network = make_network(alpha=0.5, dtype="float64", sizes=(4, 3))
    sequences = make_sequences([3, 1, 6], dtype="float64")
    target, _ = task(3, dtype="float64")
    weight = np.array([2.0, 1.0, 3.0])
    loss = network.loss_and_grad(sequences, np.arange(3), target, weight)
    grad = network.grad.copy()
    indices = np.repeat(np.arange(3), [2, 1, 3])
    repeated = network.loss_and_grad(sequences, indices, target, np.ones(3))
    assert repeated == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(network.grad, grad, rtol=1e-10, atol=1e-14)


def test_released_memory_changes_nothing():
    network = make_network()
    arguments = make_sequences([3, 5, 2]), np.arange(3), *task(3)
    loss = network.loss_and_grad(*arguments)
    network.release_memory()
    assert network.loss_and_grad(*arguments) == loss


@CELLS
def test_predicting_from_the_last_state_keeps_no_history(cell):
    sequences = make_sequences([4000] * 8, D=1)
    network = make_network(D=1, sizes=(64,), cell=cell)
    history = 8 * 4000 * 64 * 4
    tracemalloc.start()
    try:
        network.predict(sequences)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * history


def test_loss_is_a_function_of_theta():
    network = make_network(dtype="float64", sizes=(4, 3))
    sequences, indices = make_sequences([3, 1, 6], dtype="float64"), np.arange(3)
    target, weight = task(3, dtype="float64")
    theta = network.theta + 0.1
    loss = network.loss_and_grad(sequences, indices, target, weight, theta=theta)
    np.testing.assert_array_equal(network.theta, theta)
    assert network.loss_and_grad(sequences, indices, target, weight) == loss
    assert network.loss_and_grad(sequences, indices, target, weight, theta=theta - 0.1) != loss


@CELLS
@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("adam", {"alpha": 1e-4}),
        ("adamw", {"pooling": "mean", "dropout": 0.3, "recurrent_dropout": 0.3}),
        ("sgd", {"pooling": "max", "bidirectional": True, "sizes": (64, 48), "dropout": 0.3}),
        ("rmsprop", {"bidirectional": True, "recurrent_dropout": 0.3}),
    ],
)
def test_nothing_large_is_allocated_after_the_first_epoch(cell, solver, options, monkeypatch):
    """Beside the indices of its rows, a minibatch makes nothing that grows with it."""
    network = make_network(cell=cell, **({"sizes": (64,)} | options))
    sequences = make_sequences([60] * 64)
    made = []

    class Recorder(Progress):
        def start_epoch(self, epoch, n_minibatches):
            super().start_epoch(epoch, n_minibatches)
            tracemalloc.reset_peak()
            self.before = tracemalloc.get_traced_memory()[0]

        def minibatch(self, number, loss):
            super().minibatch(number, loss)
            made.append(tracemalloc.get_traced_memory()[1] - self.before)

    monkeypatch.setattr("fastrnn.training.loop.Progress", Recorder)
    settings = Settings(
        solver=solver, batch_size=32, max_iter=3, clip_norm=1e-3, learning_rate="cosine"
    )
    tracemalloc.start()
    try:
        state = TrainingState(np.random.default_rng(0))
        train(network, sequences, *task(64), settings, state)
    finally:
        tracemalloc.stop()
    per_epoch = 64 * 8 * 4  # order, targets and weights of an epoch
    indices = 32 * 60 * 8 * 3  # of the rows of a minibatch
    assert max(made[2:]) < per_epoch + indices + 16_000
    assert made[0] > 16 * 60 * 64 * 4


@CELLS
@pytest.mark.parametrize("sizes", [(5,), (4, 3)], ids=str)
def test_reading_on_is_reading_at_once(cell, sizes):
    network = make_network("squared_error", cell=cell, sizes=sizes, pooling="steps")
    whole = make_sequences([7, 3, 9, 4])
    network.theta += 0.3 * np.random.default_rng(0).standard_normal(len(network.theta))
    states = network.initial_states(4)
    for begin, end in [(0, 2), (2, 3), (3, None)]:
        # The second sequence ends first: it goes on with others' steps, which changes no other.
        parts = [(whole[n] if n != 1 else whole[0])[begin:end] for n in range(4)]
        outputs = network.read_on(as_sequences(parts), states)
    expected = network.predict(whole)[whole.offsets[1:] - 1]
    np.testing.assert_allclose(outputs[[0, 2, 3]], expected[[0, 2, 3]], rtol=1e-5, atol=1e-6)


def test_copies_know_the_levels_of_their_quantiles():
    network = make_network((0.25, 0.5), K=4)
    twin = pickle.loads(pickle.dumps(network))
    assert twin.head.options == {"levels": (0.25, 0.5)}
    sequences, indices = make_sequences([3, 2]), np.arange(2)
    target, weight = np.ones((2, 2), "float32"), np.ones(2, "float32")
    losses = {n.loss_and_grad(sequences, indices, target, weight) for n in (network, twin)}
    assert len(losses) == 1


@pytest.mark.parametrize("tied", [False, True])
def test_a_wide_head_is_worked_through_in_pieces(tied, monkeypatch):
    ids = np.random.default_rng(0).integers(201, size=(9, 7))
    sequences = as_sequences(ids, dtype="float64", categorical_features="all")
    target, weight = np.roll(ids.ravel(), -1), np.ones(63)

    def loss_and_grad(n_jobs=None):
        options = {"pooling": "steps", "embeddings": ((201, 5),), "tied": tied, "dtype": "float64"}
        network = make_network(D=0, K=201, **options)
        network.grad[:] = np.nan
        loss = network.loss_and_grad(sequences, np.arange(9), target, weight, n_jobs=n_jobs)
        return loss, network.grad

    loss, grad = loss_and_grad()
    monkeypatch.setattr("fastrnn.network.linear_head.HEAD_ROWS", 13)
    monkeypatch.setattr("fastrnn.network.linear_head.CHUNK_SIZE", 1)
    monkeypatch.setattr("fastrnn.network.linear_head.THREAD_COLUMNS", 64)
    for n_jobs in (None, 2):
        in_pieces = loss_and_grad(n_jobs)
        assert in_pieces[0] == loss
        np.testing.assert_allclose(in_pieces[1], grad, rtol=1e-9, atol=1e-15)


def test_reading_on_does_not_depend_on_how_time_is_cut(monkeypatch):
    sequences = make_sequences([3, 16, 1, 16], dtype="float64")
    network = make_network(pooling="steps", dtype="float64")
    states, in_pieces = network.initial_states(4), network.initial_states(4)
    outputs = network.read_on(sequences, states)
    monkeypatch.setattr("fastrnn.network.prediction.READ_ROWS", 8)
    again = network.read_on(sequences, in_pieces, n_jobs=2)
    np.testing.assert_allclose(again, outputs, rtol=1e-12)
    for layer, other in zip(states, in_pieces, strict=True):
        for array, array_in_pieces in zip(layer, other, strict=True):
            np.testing.assert_allclose(array, array_in_pieces, rtol=1e-12)
            assert array.any(axis=-1).all()
