"""What stands before the first layer: patches and convolutions, by the formulas, and gradients."""

import copy
import pickle

import numpy as np
import pytest
from building import build, describe
from gradient_cases import BOTH, POOLING, assert_gradient, make_network, make_task, relative_error

from fastrnn.inputs.sequences import Sequences
from fastrnn.network import Architecture

FRONTS = {
    "patches": {"stride": 3},
    "convolution": {"conv": ((4, 3, 1),)},
    "even kernel": {"conv": ((4, 4, 2),)},
    "point": {"conv": ((3, 1, 3),)},
    "all": {"stride": 2, "conv": ((4, 5, 2), (3, 2, 3))},
}
FRONT = pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
LENGTHS = (9, 1, 14, 2, 5)


def make_sequences(lengths=LENGTHS, D=2, dtype="float64", seed=0):
    values = np.random.default_rng(seed).standard_normal((sum(lengths), D)).astype(dtype)
    return Sequences(values, np.cumsum([0, *lengths]))


def patches(x, stride):
    """The rows of a sequence (T, D) in patches, by a loop."""
    rows = []
    for start in range(0, len(x), stride):
        patch = np.zeros((stride, x.shape[1]))
        here = x[start : start + stride]
        patch[: len(here)] = here
        rows.append([*patch.ravel(), 1 - len(here) / stride])
    return np.array(rows)


def convolution(x, W, b, kernel, stride):
    """A convolution of a sequence (T, D), by a loop."""
    left = (kernel - 1) // 2
    padded = np.vstack([np.zeros((left, x.shape[1])), x, np.zeros((kernel, x.shape[1]))])
    starts = range(0, len(x), stride)
    return np.array([np.maximum(0, b + padded[t : t + kernel].ravel() @ W) for t in starts])


def coarse_sequences(network, sequences):
    """What the first layer reads of each sequence."""
    stride, conv = network.architecture.stride, network.architecture.conv
    params = network.named_views(network.theta)
    result = []
    for x in np.split(sequences.values, sequences.offsets[1:-1]):
        y = patches(x, stride) if stride > 1 else x
        for k, (_, kernel, step) in enumerate(conv):
            y = convolution(y, params[f"conv.{k}.W"], params[f"conv.{k}.b"], kernel, step)
        result.append(y)
    return Sequences(np.vstack(result), np.cumsum([0, *map(len, result)]))


def without_front(network):
    """The same layers and head, which read what the front makes."""
    inner = build(
        network.layers[0].input_size,
        network.architecture.hidden_layer_sizes,
        network.head.n_outputs,
        cell=network.architecture.cell,
        bidirectional=network.architecture.bidirectional,
        pooling=network.architecture.pooling,
        dtype=network.architecture.dtype,
    )
    mine = network.named_views(network.theta)
    for name, view in inner.named_views(inner.theta).items():
        view[...] = mine[name]
    return inner


class TestFormulas:
    @FRONT
    @BOTH
    @POOLING
    def test_layers_read_what_the_formulas_say(self, front, bidirectional, pooling):
        network = make_network("gru", bidirectional=bidirectional, pooling=pooling, **front)
        sequences = make_sequences()
        coarse, inner = coarse_sequences(network, sequences), without_front(network)
        np.testing.assert_array_equal(network.offsets_read(sequences), coarse.offsets)
        np.testing.assert_allclose(
            network.hidden_states(sequences), inner.hidden_states(coarse), rtol=1e-12, atol=1e-14
        )
        np.testing.assert_allclose(
            network.final_states(sequences), inner.final_states(coarse), rtol=1e-12, atol=1e-14
        )
        said = inner.predict(coarse)
        if pooling == "steps":  # once for every step
            rows = []
            for n, length in enumerate(sequences.lengths):
                rows += (coarse.offsets[n] + np.arange(length) // network.front.stride).tolist()
            said = said[rows]
        np.testing.assert_allclose(network.predict(sequences), said, rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("D", [1, 3, 80])
    def test_more_windows_than_go_together(self, D):
        network = make_network("gru", D, (3,), conv=((5, 9, 1), (4, 3, 2)))
        sequences = make_sequences((150, 151, 1, 300), D)
        coarse = coarse_sequences(network, sequences)
        np.testing.assert_allclose(
            network.predict(sequences), without_front(network).predict(coarse), rtol=1e-10
        )

    @FRONT
    def test_as_in_pytorch(self, front):
        torch = pytest.importorskip("torch")
        network, sequences = make_network("gru", **front), make_sequences()
        params = network.named_views(network.theta)
        stride, conv = network.architecture.stride, network.architecture.conv
        result = []
        for x in np.split(sequences.values, sequences.offsets[1:-1]):
            y = torch.from_numpy((patches(x, stride) if stride > 1 else x).T.copy())
            for k, (width, kernel, step) in enumerate(conv):
                W = torch.from_numpy(params[f"conv.{k}.W"].copy()).reshape(kernel, -1, width)
                y = torch.nn.functional.pad(y, ((kernel - 1) // 2, kernel // 2))
                b = torch.from_numpy(params[f"conv.{k}.b"].copy())
                y = torch.relu(torch.conv1d(y, W.permute(2, 1, 0), b, stride=step))
            result.append(np.ascontiguousarray(y.numpy().T))
        coarse = Sequences(np.vstack(result), np.cumsum([0, *map(len, result)]))
        np.testing.assert_allclose(
            network.predict(sequences), without_front(network).predict(coarse), rtol=1e-12
        )

    @FRONT
    def test_batch_mates_do_not_matter(self, front):
        network, sequences = make_network("lstm", bidirectional=True, **front), make_sequences()
        together = network.predict(sequences)
        for n, x in enumerate(np.split(sequences.values, sequences.offsets[1:-1])):
            alone = network.predict(Sequences(np.ascontiguousarray(x), np.array([0, len(x)])))
            np.testing.assert_allclose(alone[0], together[n], rtol=1e-12)

    @FRONT
    def test_float32(self, front):
        network = make_network("gru", pooling="max", **front)
        small = build(
            2, (4, 3), 3, cell="gru", pooling="max", dtype="float32", **front,
        )  # fmt: skip
        small.theta[...] = network.theta
        sequences = make_sequences(dtype="float32")
        exact = network.predict(Sequences(sequences.values.astype("float64"), sequences.offsets))
        np.testing.assert_allclose(small.predict(sequences), exact, rtol=1e-4)


class TestGradient:
    @FRONT
    @POOLING
    @BOTH
    def test_every_front(self, front, pooling, bidirectional):
        network = make_network(
            "gru", bidirectional=bidirectional, pooling=pooling, alpha=0.1, **front
        )
        assert_gradient(network, make_task(T=9, B=5, pooling=pooling))

    @FRONT
    @pytest.mark.parametrize(("T", "B", "D"), [(1, 1, 1), (2, 1, 3), (12, 1, 1), (3, 40, 1)])
    def test_sizes(self, front, T, B, D):
        network = make_network("lstm", D, (3,), **front)
        assert_gradient(network, make_task(T, B, D, ragged=T > 1), step=1e-4)

    def test_more_windows_than_go_together(self):
        network = make_network("gru", 80, (2,), conv=((3, 9, 1), (2, 300, 2)))
        network.named_views(network.theta)["conv.0.W"][...] *= 0.1
        network.named_views(network.theta)["conv.1.W"][...] *= 0.1
        assert_gradient(network, make_task(120, 4, 80), step=1e-6)

    def test_many_channels(self):
        network = make_network("gru", 2, (3,), conv=((11, 3, 1), (4, 3, 2)))
        assert_gradient(network, make_task(T=9))

    @FRONT
    def test_ids(self, front):
        network = make_network("gru", 2, embeddings=((4, 3), (5, 2)), **front)
        task = make_task(T=9)
        ids = np.random.default_rng(5).integers(4, size=(len(task.sequences.values), 2))
        task.sequences = Sequences(task.sequences.values, task.sequences.offsets, ids=ids)
        assert_gradient(network, task)
        assert all(table.any() for table in network.table_gradients)

    @FRONT
    def test_dropout(self, front):
        network = make_network("gru", dropout=0.3, recurrent_dropout=0.3, pooling="steps", **front)
        assert_gradient(network, make_task(T=9, pooling="steps"), seed=3)

    @FRONT
    @pytest.mark.parametrize("pooling", ["last", "steps"])
    def test_truncated_by_the_steps_that_the_layers_read(self, front, pooling):
        network = make_network("gru", pooling=pooling, **front)
        task = make_task(T=12, pooling=pooling)
        assert not network.can_cut_time
        options = {"bptt_steps": 1}
        args = (task.sequences, task.indices, task.target, task.weight)
        loss = network.loss_and_grad(*args)
        whole = network.grad.copy()
        assert network.loss_and_grad(*args, **options) == pytest.approx(loss, rel=1e-12)
        longest = -(-12 // network.front.stride)
        assert (relative_error(network.grad, whole) > 1e-6) == (longest > 1)
        network.loss_and_grad(*args, bptt_steps=longest)
        np.testing.assert_allclose(network.grad, whole, rtol=1e-12, atol=1e-15)

    @FRONT
    @POOLING
    def test_of_the_input(self, front, pooling):
        network, sequences = make_network("gru", pooling=pooling, **front), make_sequences()
        v = np.random.default_rng(1).standard_normal(network.predict(sequences).shape)

        def doutputs(places, outputs, *_):
            return np.ascontiguousarray(v[places])

        gradient = network.input_gradients(sequences, doutputs)
        network.head.decode = lambda *_: None
        step, numeric = 1e-6, np.empty_like(gradient)
        for place in np.ndindex(gradient.shape):
            sides = []
            for sign in (1, -1):
                values = sequences.values.copy()
                values[place] += sign * step
                sides.append((network.predict(Sequences(values, sequences.offsets)) * v).sum())
            numeric[place] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-7)

    @pytest.mark.parametrize("front", [FRONTS["patches"], FRONTS["all"]], ids=["patches", "all"])
    def test_any_number_of_threads(self, front):
        network = make_network(
            "gru", 2, (40,), bidirectional=True, pooling="max", dtype="float32", **front
        )
        task = make_task(60, 50, dtype="float32")
        results = []
        for n_jobs in (None, 2, 4):
            loss = network.loss_and_grad(
                task.sequences, task.indices, task.target, task.weight, n_jobs=n_jobs
            )
            outputs = network.predict(task.sequences, n_jobs=n_jobs)
            results.append((loss, network.grad.tobytes(), outputs.tobytes()))
        assert results[0] == results[1] == results[2]


class TestNetwork:
    @FRONT
    def test_copies(self, front):
        network, sequences = make_network("gru", **front), make_sequences()
        for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
            np.testing.assert_array_equal(twin.predict(sequences), network.predict(sequences))
            twin.theta[...] = 0
            assert (twin.predict(sequences) == 1 / 3).all()

    def test_parameters(self):
        network = build(3, (4,), 2, stride=2, conv=((5, 3, 1), (6, 2, 2)))
        shapes = network.architecture.shapes()
        named = {name: shape for name, shape in shapes.items() if name.startswith("conv")}
        assert named == {
            "conv.0.W": (21, 5), "conv.0.b": (5,), "conv.1.W": (10, 6), "conv.1.b": (6,),
        }  # fmt: skip
        assert shapes["layers.0.W"] == (6, 16)
        params = network.named_views(network.theta)
        decayed = network.named_views(network.decayed)
        for k, n_read in enumerate((21, 10)):
            assert decayed[f"conv.{k}.W"].all() and not decayed[f"conv.{k}.b"].any()
            W, bound = params[f"conv.{k}.W"], np.sqrt(6 / n_read)
            assert 0.8 * bound < np.abs(W).max() <= bound and not params[f"conv.{k}.b"].any()

    def test_a_stride_of_one_is_nothing(self):
        network = build(3, (4,), 2)
        assert network.front is None
        assert network.architecture == describe(3, (4,), 2, stride=1, conv=())
        assert network.offsets_read(make_sequences()) is not None

    def test_records(self):
        architecture = describe(3, (4,), 2, stride=2, conv=[[5, 3, 1]])
        record = architecture.to_record()
        assert record["stride"] == 2 and record["conv"] == [[5, 3, 1]]
        assert Architecture.from_record(record) == architecture
        before = {name: record[name] for name in record if name not in ("stride", "conv")}
        assert Architecture.from_record(before) == describe(3, (4,), 2)
        assert "conv" in architecture.difference(describe(3, (4,), 2, stride=2))

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ({"stride": 0}, "stride must be a whole number from 1"),
            ({"stride": True}, "stride must be a whole number"),
            ({"stride": 2.0}, "stride must be a whole number"),
            ({"conv": 3}, "conv must be a tuple"),
            ({"conv": ((1, 2),)}, "each of conv must be"),
            ({"conv": ((1, 2, 0),)}, "each of conv must be a whole number"),
            ({"conv": ((1, 2**53, 1),)}, "too large"),
            ({"stride": 2**53}, "too large"),
            ({"means": (0.0,), "stride": 2}, "decays"),
            ({"means": (0.0,), "conv": ((1, 1, 1),)}, "decays"),
        ],
        ids=str,
    )
    def test_wrong_parts(self, parts, message):
        with pytest.raises(ValueError, match=message):
            describe(3, (4,), 2, **parts)
