"""Connectionist temporal classification: loss, gradient, and what is read from probabilities."""

import itertools

import numpy as np
import pytest
from building import build
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.sequences import Sequences
from fastrnn.network.batches import pack
from fastrnn.network.ctc import best_labels, best_prefixes, steps_needed
from fastrnn.network.heads import HEADS

# Steps, and labels, of sequences: of sizes one, none, repeated, and as many as there is room for.
CASES = {
    "one": (2, [1], [[0]]),
    "nothing": (3, [2, 1], [[], []]),
    "ragged": (4, [5, 2, 6, 3], [[0, 1], [2], [1, 1, 0], []]),
    "no room": (3, [4, 3, 5], [[0, 1, 0, 1], [1, 1], [0, 0, 0]]),
}
CASE = pytest.mark.parametrize("case", CASES)


def make_case(case, dtype="float64"):
    """Outputs packed, with target, weights, and the batch that says where they stand."""
    K, lengths, labels = CASES[case]
    rng = np.random.default_rng(len(case))
    offsets = np.cumsum([0, *lengths])
    outputs = 2 * rng.standard_normal((offsets[-1], K))
    batch = pack(offsets[:-1], np.array(lengths), 1)
    weight = rng.uniform(0.5, 2.0, len(lengths))
    packed = np.ascontiguousarray(outputs[batch.rows].astype(dtype))
    return packed, LabelSequences.from_lists(labels), weight.astype(dtype), batch, offsets


def loss_and_grad(outputs, target, weight, batch, total=2.5):
    """The loss, and the gradient with respect to the packed outputs."""
    gradient = outputs.copy()
    head = HEADS["ctc"](outputs.shape[1])
    return head.loss_and_grad(gradient, target, weight, batch.order, total, batch), gradient


def collapse(path, blank):
    """What a path stands for."""
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def all_paths(outputs):
    """Every path through the steps of a sequence, with its logarithm."""
    log_p = log_softmax(outputs)
    T, K = log_p.shape
    for path in itertools.product(range(K), repeat=T):
        yield path, log_p[np.arange(T), path].sum()


def exhaustive(outputs):
    """The logarithm of the probability of every label sequence."""
    totals = {}
    for path, value in all_paths(outputs):
        said = collapse(path, outputs.shape[1] - 1)
        totals[said] = np.logaddexp(totals.get(said, -np.inf), value)
    return totals


@CASE
def test_the_loss_is_that_of_all_paths(case):
    packed, target, weight, batch, offsets = make_case(case)
    outputs = np.empty_like(packed)
    outputs[batch.rows] = packed
    expected = 0.0
    for n, (begin, end) in enumerate(itertools.pairwise(offsets)):
        expected -= weight[n] * exhaustive(outputs[begin:end])[tuple(target[n].tolist())] / 2.5
    assert_allclose(loss_and_grad(packed, target, weight, batch)[0], expected, rtol=1e-12)


@CASE
def test_the_gradient(case):
    packed, target, weight, batch, _ = make_case(case)
    _, gradient = loss_and_grad(packed, target, weight, batch)
    for place in np.ndindex(packed.shape):
        sides = []
        for step in (-1e-6, 1e-6):
            side = packed.copy()
            side[place] += step
            sides.append(loss_and_grad(side, target, weight, batch)[0])
        assert_allclose(gradient[place], (sides[1] - sides[0]) / 2e-6, rtol=1e-6, atol=1e-8)


@CASE
def test_float32_is_near_float64(case):
    results = [loss_and_grad(*make_case(case, dtype)[:4]) for dtype in ("float32", "float64")]
    assert results[0][1].dtype == "float32"
    assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_as_in_torch(scale):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(0)
    lengths = np.array([40, 1, 17, 25])
    lists = [rng.integers(5, size=n) for n in (12, 1, 8, 0)]
    offsets = np.cumsum([0, *lengths])
    batch = pack(offsets[:-1], lengths, 1)
    outputs = scale * rng.standard_normal((offsets[-1], 6))
    target, weight = LabelSequences.from_lists(lists), np.array([1.0, 2.0, 0.5, 1.0])
    loss, packed = loss_and_grad(
        np.ascontiguousarray(outputs[batch.rows]), target, weight, batch, total=1.0
    )
    gradient = np.empty_like(packed)
    gradient[batch.rows] = packed
    tensor, expected = torch.tensor(outputs, requires_grad=True), 0.0
    for n, (begin, end) in enumerate(itertools.pairwise(offsets)):
        expected = expected + weight[n] * torch.nn.functional.ctc_loss(
            torch.log_softmax(tensor[begin:end], 1)[:, None], torch.tensor(lists[n])[None],
            torch.tensor([lengths[n]]), torch.tensor([len(lists[n])]), blank=5, reduction="sum",
        )  # fmt: skip
    expected.backward()
    assert_allclose(loss, expected.item(), rtol=1e-10)
    assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_a_sequence_does_not_depend_on_others():
    packed, target, weight, batch, offsets = make_case("ragged")
    _, gradient = loss_and_grad(packed, target, weight, batch)
    for n, (begin, end) in enumerate(itertools.pairwise(offsets)):
        rows = np.flatnonzero((batch.rows >= begin) & (batch.rows < end))
        alone = pack(np.zeros(1, np.int64), np.array([end - begin]), 1)
        own = loss_and_grad(
            np.ascontiguousarray(packed[rows]), target.take([n]), weight[[n]], alone
        )
        assert_array_equal(own[1], gradient[rows])


def test_weights_of_zero_and_labels_without_room():
    packed, target, weight, batch, _ = make_case("ragged")
    weight[1] = 0
    _, gradient = loss_and_grad(packed, target, weight, batch)
    assert not gradient[batch.rows == 5].any()  # the first step of sequence 1
    assert gradient[batch.rows == 0].any()
    crowded = LabelSequences.from_lists([[0, 1], [2, 2], [1], []])
    loss, gradient = loss_and_grad(packed, crowded, np.ones(4), batch)
    assert loss == np.inf
    assert not gradient[(batch.rows == 5) | (batch.rows == 6)].any()


def test_steps_needed():
    target = LabelSequences.from_lists([[], [1], [1, 1], [1, 0, 0, 0, 1], [1], []])
    assert steps_needed(target).tolist() == [0, 1, 3, 7, 1, 0]
    assert steps_needed(LabelSequences.from_lists([])).tolist() == []


@CASE
def test_the_best_path(case):
    packed, target, _, batch, offsets = make_case(case)
    outputs = np.empty_like(packed)
    outputs[batch.rows] = packed
    path = np.empty(len(packed), dtype=np.int64)
    head = HEADS["ctc"](packed.shape[1])
    path[batch.rows] = head.best_path(packed.copy(), target, batch)
    for n, (begin, end) in enumerate(itertools.pairwise(offsets)):
        said, blank = tuple(target[n].tolist()), packed.shape[1] - 1
        paths = (item for item in all_paths(outputs[begin:end]) if collapse(item[0], blank) == said)
        expected, _ = max(paths, key=lambda item: item[1])
        assert tuple(path[begin:end].tolist()) == expected


def test_no_path_where_there_is_no_room():
    batch = pack(np.array([0]), np.array([2]), 1)
    target = LabelSequences.from_lists([[0, 0]])
    assert HEADS["ctc"](2).best_path(np.zeros((2, 2)), target, batch).tolist() == [-1, -1]


def test_what_the_best_steps_say():
    path = [0, 0, 2, 0, 1, 2, 1, 1, 2, 2, 0]  # 2 is the blank; sequences end after 7, 9, 10
    said = best_labels(np.eye(3)[path], np.array([0, 7, 9, 10, 11]))
    assert [said[n].tolist() for n in range(4)] == [[0, 0, 1, 1], [1], [], [0]]


@pytest.mark.parametrize(("T", "K"), [(1, 2), (1, 4), (5, 3), (4, 4)])
def test_a_wide_beam_finds_all(T, K):
    outputs = np.random.default_rng(T).standard_normal((T, K))
    prefixes, values = best_prefixes(np.exp(log_softmax(outputs)), 1000)
    expected = exhaustive(outputs)
    assert set(prefixes) == set(expected)
    assert_allclose(values, [expected[prefix] for prefix in prefixes], rtol=1e-12)
    assert (np.diff(values) <= 0).all()


def test_a_narrow_beam_keeps_the_best():
    # The best path is all blanks, 0.36; of all paths those that say "0" are likelier, 0.64.
    probabilities = np.array([[0.4, 0.6], [0.4, 0.6]])
    assert len(best_labels(probabilities, np.array([0, 2]))[0]) == 0
    prefixes, values = best_prefixes(probabilities, 2)
    assert prefixes[0] == (0,)
    assert_allclose(np.exp(values[0]), 0.64)


# In a network.


def make_network(hidden_layer_sizes=(4,), **options):
    network = build(
        2, hidden_layer_sizes, 3, head="ctc", pooling="steps", dtype="float64", alpha=0.1, **options
    )
    network.theta += 0.5 * np.random.default_rng(1).standard_normal(network.theta.shape)
    return network


def make_task(n=6):
    rng = np.random.default_rng(n)
    lists = [rng.integers(2, size=k % 4) for k in range(n)]
    lengths = np.array([2 * len(item) + k % 3 + 1 for k, item in enumerate(lists)])
    values = rng.standard_normal((lengths.sum(), 2))
    sequences = Sequences(values, np.cumsum([0, *lengths]))
    return sequences, LabelSequences.from_lists(lists), rng.uniform(0.5, 2.0, n)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sizes", [(1,), (4, 3)])
def test_the_gradient_of_a_network(sizes, bidirectional):
    network = make_network(sizes, bidirectional=bidirectional)
    sequences, target, weight = make_task()
    indices = np.array([4, 0, 3, 5])

    def loss(theta):
        return network.loss_and_grad(sequences, indices, target, weight, theta=theta)

    theta = network.theta.copy()
    loss(theta)
    gradient = network.grad.copy()
    for k in range(len(theta)):
        sides = [theta.copy(), theta.copy()]
        sides[0][k] -= 1e-6
        sides[1][k] += 1e-6
        below, above = map(loss, sides)
        assert_allclose(gradient[k], (above - below) / 2e-6, rtol=1e-6, atol=1e-8)


def test_threads_do_not_matter():
    network, (sequences, target, weight) = make_network(), make_task(50)
    indices, results = np.arange(50), []
    for n_jobs in (1, 2, 3):
        loss = network.loss_and_grad(sequences, indices, target, weight, n_jobs=n_jobs)
        results.append((loss, network.grad.copy()))
    for loss, gradient in results[1:]:
        assert loss == results[0][0]
        assert_array_equal(gradient, results[0][1])
    network.alpha = 0.0
    plain = network.loss_and_grad(sequences, indices, target, weight)
    assert_allclose(network.mean_loss(sequences, target, weight), plain, rtol=1e-12)


def test_time_is_not_cut():
    network, (sequences, target, weight) = make_network(), make_task()
    assert not network.can_cut_time
    whole = network.loss_and_grad(sequences, np.arange(6), target, weight)
    assert network.loss_and_grad(sequences, np.arange(6), target, weight, bptt_steps=2) == whole
