"""Conditional random fields against the enumeration of all sequences of classes."""

import itertools

import numpy as np
import pytest
from gradient_cases import BOTH, assert_gradient, loss_and_grad, make_network, make_task
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.kernels.workspace import Workspace
from fastrnn.network.architecture import Architecture
from fastrnn.network.batches import pack
from fastrnn.network.crf import CRF


def allowed_of(K, seed=0):
    """Some transitions that may not be, as the words of the head and as a matrix."""
    may = np.random.default_rng([K, seed]).random((K + 1, K + 1)) > 0.4
    may[:, -1] = may[-1] = True
    return " ".join("".join("01"[int(x)] for x in row) for row in may), may


def make_head(K, dtype="float64", *, allowed="", spread=1.0):
    head = CRF(K, allowed=allowed)
    rng = np.random.default_rng(K)
    for name, shape in head.shapes(3).items():
        head.params[name] = (spread * rng.standard_normal(shape)).astype(dtype)
    return head


def make_rows(lengths, K, dtype="float64", spread=1.0):
    """A packed batch of sequences, and outputs and classes as they stand one after the other."""
    lengths = np.array(lengths)
    rng = np.random.default_rng([K, *lengths])
    outputs = (spread * rng.standard_normal((lengths.sum(), K))).astype(dtype)
    starts = np.cumsum([0, *lengths[:-1]])
    return pack(starts, lengths, 1), outputs, rng.integers(K, size=lengths.sum())


class Enumerated:
    """All sequences of classes of one sequence of outputs, with what each adds up to."""

    def __init__(self, head, z, known=None):
        transitions, starts, ends = head.scores()
        T, K = z.shape
        known = np.full(T, -1) if known is None else known
        self.paths = [
            path
            for path in itertools.product(range(K), repeat=T)
            if all(k < 0 or k == own for k, own in zip(known, path, strict=True))
        ]
        self.scores = np.array(
            [
                float(starts[path[0]])
                + float(ends[path[-1]])
                + sum(float(z[t, k]) for t, k in enumerate(path))
                + sum(float(transitions[i, k]) for i, k in itertools.pairwise(path))
                for path in self.paths
            ]
        )
        self.log_mass = np.logaddexp.reduce(self.scores)
        self.best = self.paths[self.scores.argmax()]
        self.worst = self.paths[np.where(np.isinf(self.scores), np.inf, self.scores).argmin()]
        p = np.exp(self.scores - self.log_mass)
        self.marginals = np.zeros((T, K))
        for t in range(T):
            np.add.at(self.marginals[t], [path[t] for path in self.paths], p)


CASES = pytest.mark.parametrize("K", [1, 2, 3, 4])
DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
SPREAD = pytest.mark.parametrize("spread", [0.0, 1.0, 10.0, 30.0])
LENGTHS = (1, 5, 6, 3, 1)


def each(batch, rows):
    """The rows of each sequence."""
    ends = np.cumsum(LENGTHS)
    return np.split(rows, ends[:-1])


@CASES
@DTYPE
@SPREAD
@pytest.mark.parametrize("is_free", [True, False], ids=["free", "constrained"])
def test_all_is_as_if_enumerated(K, dtype, spread, is_free):
    if spread > 10 and not is_free:
        spread = 15.0  # one class leads to another over several that are improbable
    head = make_head(K, dtype, allowed="" if is_free else allowed_of(K)[0], spread=spread)
    batch, outputs, target = make_rows(LENGTHS, K, dtype, spread)
    unknown = np.random.default_rng(3).random(len(target)) < 0.5
    all_of = [Enumerated(head, z) for z in each(batch, outputs)]
    target = np.concatenate([one.worst for one in all_of])
    target[unknown] = -1
    some = [
        Enumerated(head, *both)
        for both in zip(each(batch, outputs), each(batch, target), strict=True)
    ]

    def packed():
        return outputs[batch.rows], head.take_room(batch, Workspace(dtype))

    rtol = 1e-9 if dtype == "float64" else 2e-5
    z, room = packed()
    head.decode(z, batch, room)
    said = np.empty_like(outputs)
    said[batch.rows] = z
    assert_allclose(said, np.concatenate([one.marginals for one in all_of]), rtol=0, atol=rtol)

    z, room = packed()
    best = np.empty_like(target)
    best[batch.rows] = head.best(z, batch, room)
    if spread:
        assert_array_equal(best, np.concatenate([one.best for one in all_of]))

    z, room = packed()
    likelihoods = np.empty(len(outputs))
    likelihoods[batch.rows] = head.step_log_likelihoods(z, target, batch.rows, batch, room)
    expected = [few.log_mass - every.log_mass for few, every in zip(some, all_of, strict=True)]
    got = [part.sum() for part in each(batch, likelihoods)]
    assert_allclose(got, expected, rtol=rtol, atol=rtol * max(1, 100 * spread))


def steps_of(task, *, unknown=0.0):
    """The same task with a weight for each sequence, and some steps that may be anything."""
    rng = np.random.default_rng(5)
    lengths = task.sequences.lengths
    task.weight = np.repeat(rng.uniform(0.2, 2.0, len(lengths)), lengths)
    task.weight[rng.random(len(task.weight)) < unknown] = 0.0
    return task


def make_crf(K=3, allowed="", **options):
    """A network with a CRF, and sequences to learn, some of one step, of no forbidden classes."""
    pooled = {"pooling": "steps", "K": K}
    network = make_network(
        "lstm", hidden_layer_sizes=(3,), loss="crf", head_options={"allowed": allowed},
        **pooled, **options,
    )  # fmt: skip
    task = make_task(B=5, **pooled)
    if allowed:
        for n in range(len(task.sequences)):
            rows = slice(*task.sequences.offsets[n : n + 2])
            z = np.random.default_rng(n).standard_normal((len(task.target[rows]), K))
            task.target[rows] = Enumerated(network.head, z).best
    return network, task


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("unknown", [0.0, 0.4])
@BOTH
def test_gradient(K, unknown, bidirectional):
    network, task = make_crf(K, bidirectional=bidirectional)
    task = steps_of(task, unknown=unknown)
    if K > 1:
        assert_gradient(network, task)
    else:  # the only sequence there is
        loss, grad = loss_and_grad(network, task)
        assert_allclose([loss, *grad], 0, atol=1e-14)


@pytest.mark.parametrize("unknown", [0.0, 0.4])
def test_gradient_where_not_all_may_follow(unknown):
    allowed, may = allowed_of(3)
    assert not may[1:, 1:].all()
    network, task = make_crf(3, allowed)
    loss_and_grad(network, steps_of(task, unknown=unknown))
    masks = may[1:, 1:], may[0, 1:], may[1:, 0]
    for name, mask in zip(CRF.joined, masks, strict=True):
        assert_array_equal(network.head.grads[name][~mask], 0)
    for name, mask in zip(CRF.joined, masks, strict=True):  # these have no meaning
        network.head.params[name][~mask] = 0
    assert_gradient(network, task)


def test_loss_is_that_of_sequences():
    network, task = make_crf()
    task = steps_of(task, unknown=0.3)
    likelihoods = network.log_likelihoods(
        task.sequences, np.where(task.weight > 0, task.target, -1)
    )
    of_sequences = np.add.reduceat(likelihoods, task.sequences.offsets[:-1])
    weights = np.maximum.reduceat(task.weight, task.sequences.offsets[:-1])
    total = sum(
        task.weight[task.sequences.offsets[n] : task.sequences.offsets[n + 1]].sum()
        for n in task.indices
    )
    loss, _ = loss_and_grad(network, task)
    expected = -(of_sequences * weights)[task.indices].sum() / total
    assert loss == pytest.approx(expected, rel=1e-12)


def test_batch_mates_change_nothing():
    network, task = make_crf(4)
    sequences = task.sequences
    proba, best = network.predict(sequences), network.best_outputs(sequences)
    for n in range(len(sequences)):
        rows = slice(*sequences.offsets[n : n + 2])
        alone = sequences.take(np.array([n]))
        assert_allclose(network.predict(alone), proba[rows], rtol=0, atol=1e-14)
        assert_array_equal(network.best_outputs(alone), best[rows])


def test_same_bits_on_any_number_of_threads():
    network, _ = make_crf(4, dtype="float32")
    task = steps_of(make_task(B=70, K=4, pooling="steps", dtype="float32"), unknown=0.2)
    task.weight = task.weight.astype("float32")
    loss, grad = loss_and_grad(network, task)
    assert np.abs(network.head.grads["transitions"]).min() > 0
    for n_jobs in (2, 3):
        again, grad_again = loss_and_grad(network, task, n_jobs=n_jobs)
        assert again == loss
        assert_array_equal(grad_again, grad)
        assert_array_equal(
            network.predict(task.sequences, n_jobs=n_jobs), network.predict(task.sequences)
        )


def test_float32_is_float64_rounded():
    wide, task = make_crf(4)
    narrow, _ = make_crf(4, dtype="float32")
    narrow.theta[...] = wide.theta
    task = steps_of(task, unknown=0.3)
    loss, grad = loss_and_grad(wide, task)
    task.sequences = type(task.sequences)(
        task.sequences.values.astype("float32"), task.sequences.offsets
    )
    task.weight = task.weight.astype("float32")
    again, grad_again = loss_and_grad(narrow, task)
    assert again == pytest.approx(loss, rel=1e-5)
    assert_allclose(grad_again, grad, rtol=0, atol=1e-5 * np.abs(grad).max())


def test_scores_of_any_size_give_numbers():
    for dtype in ("float32", "float64"):
        head = make_head(3, dtype, spread=1e4)
        batch, outputs, target = make_rows(LENGTHS, 3, dtype, 1e4)
        z = outputs[batch.rows]
        head.decode(z, batch, head.take_room(batch, Workspace(dtype)))
        assert_allclose(z.sum(axis=1), 1, rtol=1e-6)
        z, gradient = outputs[batch.rows], np.empty(3 * 3 + 3 + 3, dtype)
        room = head.take_room(batch, Workspace(dtype), gradient)
        weight = np.ones(len(z), dtype)
        assert np.isfinite(head.loss_and_grad(z, target, weight, batch.rows, 1.0, batch, room))
        assert np.isfinite(z).all()
        assert np.isfinite(gradient).all()


def test_bad_words_are_refused():
    for allowed in ("111 111", "111 111 11x", "1111 1111 1111", "111 111 111 111"):
        with pytest.raises(ValueError, match="3 words of 3 signs"):
            CRF(2, allowed=allowed)


def test_records_keep_what_may_follow():
    record = make_crf(3, allowed_of(3)[0])[0].architecture.to_record()
    assert Architecture.from_record(record).to_record() == record
    with pytest.raises(ValueError, match="needs pooling='steps'"):
        Architecture.from_record(record | {"pooling": "last"})
