"""Gradients of states and of inputs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from building import build
from contract import PLAIN
from every_cell import CHOICES, options_of

from fastrnn import RNNClassifier, RNNRegressor
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inspection import (
    GradientFlow,
    gradient_flow,
    log_odds_gradient,
    loss_gradient,
    own_weights,
    value_gradient,
)
from fastrnn.network import one_direction
from fastrnn.network.cells import CELLS as LAYERS

CELLS = {label: (choice["cell"], options_of(choice)) for label, choice in CHOICES.items()}
CELL = pytest.mark.parametrize("cell", CELLS)
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
POOLING = pytest.mark.parametrize("pooling", ["last", "mean", "max"])
LOSS = pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
ESTIMATORS = pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
LENGTHS = [3, 4, 1]

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def make_network(cell, sizes=(3, 2), loss="log_loss", dtype="float64", **options):
    """A network of two features and three outputs, with parameters far from the tidy start."""
    name, cell_options = CELLS[cell]
    network = build(
        2, sizes, 3, head=loss, cell=name, cell_options=cell_options, dtype=dtype, **options
    )
    noise = 0.6 * np.random.default_rng(1).standard_normal(network.theta.shape)
    network.theta += noise + (cell == "rnn-relu") * ~network.decayed
    return network


def make_sequences(lengths=LENGTHS, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, n_features)) for length in lengths]


def make_target(loss, n):
    rng = np.random.default_rng(2)
    return rng.integers(3, size=n) if loss == "log_loss" else rng.standard_normal((n, 3))


def one_way_layers(network, k):
    """A layer of its own for each direction of layer k, with its parameters."""
    layer = network.layers[k]
    for d, params in enumerate(layer.by_direction(layer.params)):
        options = layer.options
        alone = type(layer)(layer.input_size, layer.hidden_size, dtype=layer.dtype, **options)
        for name, values in params.items():
            alone.params[name][...] = values
        yield d, alone


def plain_loss(network):
    """The losses of one sequence, when rows of bumps[k, d, t] are added to states: a loss for each
    row, written the plain way."""
    layers = [list(one_way_layers(network, k)) for k in range(len(network.layers))]

    def loss(x, target, bumps):
        (bump,) = bumps.values()
        y = np.repeat(x[:, np.newaxis], len(bump), axis=1)
        for k, directions in enumerate(layers):
            outputs, finals = [], []
            for d, layer in directions:
                state, states = None, [None] * len(x)
                for t in range(len(x))[:: -1 if d else 1]:
                    _, state = layer.forward(y[t : t + 1], initial_state=state)
                    state = tuple(array.copy() for array in state)
                    state[0][0] += bumps.get((k, d, t), 0)
                    states[t] = state[0][0]
                outputs.append(np.stack(states))
                finals.append(state[0][0])
            y = np.concatenate(outputs, axis=2)
        pooled = {
            "last": np.concatenate(finals, axis=1)[np.newaxis],
            "mean": y.mean(axis=0, keepdims=True),
            "max": y.max(axis=0, keepdims=True),
            "steps": y,
        }[network.pooling.kind]
        outputs = pooled @ network.head.params["W"] + network.head.params["b"]
        if network.head.kind == "log_loss":
            odds = np.exp(outputs)
            return -np.log(odds[np.arange(len(odds)), :, target] / odds.sum(axis=2)).mean(axis=0)
        return 0.5 * np.mean((outputs - target[:, np.newaxis]) ** 2, axis=(0, 2))

    return loss


def slopes(function, size, step=1e-5):
    """Central differences of fourth order along each axis."""
    return slopes_of_many(lambda points: np.array([function(v) for v in points]), size, step)


def slopes_of_many(function, size, step=1e-5):
    """The same of a function that takes a point in each row."""
    axes = step * np.eye(size)
    up, down, far_up, far_down = np.split(
        function(np.concatenate([axes, -axes, 2 * axes, -2 * axes])), 4
    )
    return (8 * (up - down) - (far_up - far_down)) / (12 * step)


class TestGradientFlow:
    # Not ReLUs with the maximum: where one is off at all steps, all are the maximum at once.
    @pytest.mark.parametrize(
        ("cell", "pooling"),
        [
            (c, p)
            for c in CELLS
            for p in ("last", "mean", "max", "steps")
            if (c, p) != ("rnn-relu", "max")
        ],
    )
    @BOTH
    def test_norms_are_those_of_central_differences(self, cell, bidirectional, pooling):
        network = make_network(cell, bidirectional=bidirectional, pooling=pooling)
        arrays, target = make_sequences(), make_target("log_loss", len(LENGTHS))
        if pooling == "steps":
            target = make_target("log_loss", sum(LENGTHS))
        flow = gradient_flow(network, as_sequences(arrays), target, np.ones(len(target)))
        targets = np.split(target, np.cumsum(LENGTHS)[:-1] if pooling == "steps" else len(arrays))
        directions = 2 if bidirectional else 1
        loss = plain_loss(network)
        for n, x in enumerate(arrays):
            expected = np.zeros((2, directions, len(x)))
            for k, d, t in np.ndindex(expected.shape):
                gradient = slopes_of_many(
                    lambda bump, where=(k, d, t), n=n: loss(arrays[n], targets[n], {where: bump}),
                    network.layers[k].hidden_size,
                )
                expected[k, d, t] = np.linalg.norm(gradient)
            expected = expected.reshape(2 * directions, len(x))
            np.testing.assert_allclose(flow.norms[n], expected, rtol=1e-7, atol=1e-10)
        assert flow.from_start.max(axis=1).min() > 1e-3

    def test_squared_error(self):
        network = make_network("lstm", loss="squared_error", sizes=(3,))
        x, target = make_sequences([3]), make_target("squared_error", 1)
        flow = gradient_flow(network, as_sequences(x), target, np.ones(1))
        for t in range(3):
            gradient = slopes_of_many(
                lambda bump, t=t: plain_loss(network)(x[0], target, {(0, 0, t): bump}), 3
            )
            assert flow.norms[0][0, t] == pytest.approx(np.linalg.norm(gradient), rel=1e-8)

    def test_means_over_the_sequences_still_alive(self):
        norms = [np.array([[1.0, 2.0, 3.0]]), np.array([[5.0]]), np.array([[9.0, 9.0, 9.0, 9.0]])]
        flow = GradientFlow(("layer 1",), norms, np.array([1.0, 3.0, 0.0]))
        np.testing.assert_allclose(flow.from_start, [[(1 + 15) / 4, 2, 3]])
        np.testing.assert_allclose(flow.from_end, [[(3 + 15) / 4, 2, 1]])

    def test_same_bits_on_any_number_of_threads_and_in_any_order(self):
        arrays = make_sequences(np.random.default_rng(0).integers(1, 20, size=70))
        network = make_network("gru", bidirectional=True)
        target, weight = make_target("log_loss", 70), np.ones(70)
        flows = [
            gradient_flow(network, as_sequences(arrays), target, weight, n_jobs=n_jobs)
            for n_jobs in (1, 2, 4)
        ]
        for flow in flows[1:]:
            for one, other in zip(flows[0].norms, flow.norms, strict=True):
                np.testing.assert_array_equal(one, other)
        turned = gradient_flow(network, as_sequences(arrays[::-1]), target[::-1].copy(), weight)
        for one, other in zip(flows[0].norms, turned.norms[::-1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)

    def test_gradients_that_vanish_are_not_lost_in_float32(self):
        network = make_network("rnn", sizes=(1,), dtype="float32")
        network.layers[0].params["U"][...] = 0.01
        x = np.zeros((16, 2), dtype=np.float32)
        flow = gradient_flow(network, as_sequences([x]), np.array([0]), np.ones(1))
        norms = flow.from_start[0]
        assert 0 < norms[0] < 1e-23  # whose square is no float32 number
        assert (norms[:-1] < 0.02 * norms[1:]).all()

    @ESTIMATORS
    def test_of_an_estimator(self, estimator):
        X, y = make_problem(estimator)
        model = small(estimator, hidden_layer_sizes=(4, 3), bidirectional=True).fit(X, y)
        before = model.network_.theta.copy(), model.network_.grad.copy()
        flow = model.gradient_flow(X, y)
        assert flow.names == (
            "layer 1 forward", "layer 1 backward", "layer 2 forward", "layer 2 backward",
        )  # fmt: skip
        assert [norms.shape for norms in flow.norms] == [(4, len(x)) for x in X]
        longest = max(map(len, X))
        assert flow.from_start.shape == flow.from_end.shape == (4, longest)
        assert (flow.from_start >= 0).all()
        # Order, batch mates and other labels do not matter to a sequence; its weight does.
        part = model.gradient_flow(X[3:5], y[3:5], sample_weight=[1, 3])
        np.testing.assert_allclose(part.norms[1], flow.norms[4], rtol=1e-4)
        expected = (part.norms[0][:, 0] + 3 * part.norms[1][:, 0]) / 4
        np.testing.assert_allclose(part.from_start[:, 0], expected, rtol=1e-12)
        np.testing.assert_array_equal(model.network_.theta, before[0])
        np.testing.assert_array_equal(model.network_.grad, before[1])

    def test_a_dtype_set_after_fit_does_not_matter(self):
        X, y = make_problem(RNNRegressor)
        model = small(RNNRegressor).fit(X, y)
        before = model.gradient_flow(X, y).from_end
        after = model.set_params(dtype="float64").gradient_flow(X, y).from_end
        np.testing.assert_array_equal(after, before)

    def test_sample_weights_count_and_class_weights_do_not(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier, class_weight={"down": 3.0}).fit(X, y)
        two = [X[int(np.flatnonzero(y == label)[0])] for label in ("down", "up")]
        flow = model.gradient_flow(two, ["down", "up"], sample_weight=[1.0, 2.0])
        np.testing.assert_array_equal(flow.weight, [1, 2])
        with pytest.raises(ValueError, match="sample_weight is zero for every sequence"):
            model.gradient_flow(two[:1], ["down"], sample_weight=[0.0])

    def test_bad_input(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier)
        with pytest.raises(ValueError, match="not fitted yet"):
            model.gradient_flow(X, y)
        model.fit(X, y)
        with pytest.raises(ValueError, match=r"the label 'left' of sequence 1, which is not among"):
            model.gradient_flow(X[:2], ["up", "left"])
        with pytest.raises(ValueError, match="X has 2 sequences, y has 3 entries"):
            model.gradient_flow(X[:2], y[:3])
        with pytest.raises(ValueError, match="X has 2 sequences, sample_weight has 1 entries"):
            model.gradient_flow(X[:2], y[:2], [1.0])
        with pytest.raises(ValueError, match="sequence 0 has 2 features, expected 3"):
            model.gradient_flow(make_sequences(), y[:3])
        numbers = small(RNNClassifier).fit(X, np.arange(len(X)) % 2)
        with pytest.raises(ValueError, match="the label '1' of sequence 0, which is not among"):
            numbers.gradient_flow(X[:1], ["1"])
        regressor = small(RNNRegressor).fit(X, np.arange(len(X)))
        with pytest.raises(ValueError, match="y has 2 outputs, but the model predicts 1"):
            regressor.gradient_flow(X[:2], [[1, 2], [3, 4]])

    def test_one_step_at_a_time_is_exact_for_the_parameters_too(self, monkeypatch):
        # The kernels are called on slices of the tape then; what they add must be the same.
        whole = one_direction.backward

        def backward_step_by_step(layer, tape, batch, *args, **options):
            whole(layer, tape, batch, *args, **options, dh_norms=np.empty(len(batch.rows)))

        x = np.random.default_rng(0).standard_normal((5, 3, 2))
        for layer_class in LAYERS.values():
            grads = []
            for step_by_step in (False, True):
                layer = layer_class(2, 3, dtype="float64", random_state=0)
                y, _ = layer.forward(x, lengths=[5, 2, 4], training=True)
                with monkeypatch.context() as patch:
                    if step_by_step:
                        patch.setattr(one_direction, "backward", backward_step_by_step)
                    dx, _ = layer.backward(np.ones_like(y))
                grads.append(np.concatenate([layer.grad, dx.ravel()]))
            np.testing.assert_allclose(grads[0], grads[1], rtol=1e-12, atol=1e-14)


def small(estimator, **params):
    return estimator(
        **{**PLAIN, "hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0, **params}
    )


def make_problem(estimator, n=40, seed=0):
    """Sequences of three features, of which only the first decides."""
    rng = np.random.default_rng(seed)
    X = make_sequences(rng.integers(2, 9, size=n), 3, seed)
    total = np.array([x[:, 0].mean() for x in X])
    return X, np.where(total > 0, "up", "down") if estimator is RNNClassifier else 5 * total + 10


def moved(x, change):
    return x + change.reshape(x.shape)


class TestInputGradients:
    @LOSS
    @POOLING
    @BOTH
    @CELL
    def test_of_the_loss(self, cell, bidirectional, pooling, loss):
        network = make_network(cell, loss=loss, bidirectional=bidirectional, pooling=pooling)
        arrays, target = make_sequences(), make_target(loss, len(LENGTHS))
        actual = network.input_gradients(
            as_sequences(arrays), loss_gradient(network, target, np.ones(len(arrays)))
        )
        actual = np.split(actual, np.cumsum(LENGTHS)[:-1])
        for n, x in enumerate(arrays):
            expected = slopes(
                lambda v, n=n, x=x: network.loss_and_grad(
                    as_sequences([moved(x, v)]), np.array([0]), target[n : n + 1], np.ones(1)
                ),
                x.size,
            )
            np.testing.assert_allclose(actual[n].ravel(), expected, rtol=1e-7, atol=1e-10)

    @POOLING
    @BOTH
    @CELL
    def test_of_the_outputs(self, cell, bidirectional, pooling):
        network = make_network(cell, bidirectional=bidirectional, pooling=pooling)
        arrays = make_sequences()
        chosen = network.predict(as_sequences(arrays)).argmax(axis=1)

        def log_odds(x, k):
            p = network.predict(as_sequences([x]))[0]
            return np.log(p[k]) - np.log(np.delete(p, k).sum())

        for output in (1, None):
            gradients = network.input_gradients(as_sequences(arrays), log_odds_gradient(output))
            gradients = np.split(gradients, np.cumsum(LENGTHS)[:-1])
            for n, x in enumerate(arrays):
                k = chosen[n] if output is None else output
                expected = slopes(lambda v, x=x, k=k: log_odds(moved(x, v), k), x.size)
                np.testing.assert_allclose(gradients[n].ravel(), expected, rtol=1e-7, atol=1e-10)

    def test_log_odds_have_a_gradient_however_sure_the_model_is(self):
        outputs = np.array([[800.0, -800.0, -801.0], [-800.0, 3.0, 800.0]], dtype=np.float32)
        others = np.exp([0.0, -1.0]) / np.exp([0.0, -1.0]).sum()
        gradient = log_odds_gradient()(np.arange(2), outputs)
        np.testing.assert_allclose(gradient, [[1, *-others], [0, -1, 1]], rtol=1e-6)
        gradient = log_odds_gradient(1)(np.arange(2), outputs)
        np.testing.assert_allclose(gradient, [[-1, 1, 0], [0, 1, -1]], rtol=1e-6)

    def test_of_values(self):
        gradient = value_gradient(1, 2.5)(np.arange(2), np.ones((2, 3), dtype=np.float32))
        np.testing.assert_array_equal(gradient, [[0, 2.5, 0]] * 2)
        assert gradient.dtype == np.float32

    @BOTH
    def test_of_a_regressor_are_in_the_units_of_y(self, bidirectional):
        X, y = make_problem(RNNRegressor)
        y = np.column_stack([y, 1000 * y[::-1]])
        model = small(RNNRegressor, dtype="float64", bidirectional=bidirectional).fit(X, y)
        gradients = model.input_gradients(X, output=1)
        assert [g.shape for g in gradients] == [x.shape for x in X]
        for n in (0, 17):
            expected = slopes(lambda v, n=n: model.predict([moved(X[n], v)])[0, 1], X[n].size)
            np.testing.assert_allclose(gradients[n].ravel(), expected, rtol=1e-6, atol=1e-7)

    def test_one_output_needs_no_number(self):
        X, y = make_problem(RNNRegressor)
        model = small(RNNRegressor).fit(X, y)
        for one, other in zip(
            model.input_gradients(X), model.input_gradients(X, output=0), strict=True
        ):
            np.testing.assert_array_equal(one, other)

    def test_of_a_classifier(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier, dtype="float64").fit(X, y)
        up = model.input_gradients(X, output=1)
        down = model.input_gradients(X, output=0)
        predicted = model.input_gradients(X)
        loss = model.input_gradients(X, y)
        proba = model.predict_proba(X)
        for n, label in enumerate(model.predict(X)):
            np.testing.assert_allclose(up[n], -down[n], rtol=1e-12)  # two classes
            np.testing.assert_array_equal(predicted[n], up[n] if label == "up" else down[n])
            # -d log p = -(1 - p) d log-odds
            k = int(y[n] == "up")
            expected = -(1 - proba[n, k]) * (down, up)[k][n]
            np.testing.assert_allclose(loss[n], expected, rtol=1e-9, atol=1e-15)

    def test_tables_and_arrays(self):
        table = np.random.default_rng(0).standard_normal((6, 5))
        model = small(RNNRegressor).fit(table, table.sum(axis=1))
        gradients = model.input_gradients(table)
        assert [g.shape for g in gradients] == [(5, 1)] * 6
        again = model.input_gradients([row[:, np.newaxis] for row in table])
        np.testing.assert_array_equal(gradients, again)

    def test_of_several_labels(self):
        X, y = make_problem(RNNClassifier)
        several = np.column_stack([y == "up", np.arange(len(X)) % 2]).astype(int)
        model = small(RNNClassifier, dtype="float64").fit(X, several)
        gradients = model.input_gradients(X, output=1)

        def log_odds(x):
            p = model.predict_proba([x])[0, 1]
            return np.log(p / (1 - p))

        expected = slopes(lambda v: log_odds(moved(X[4], v)), X[4].size)
        np.testing.assert_allclose(gradients[4].ravel(), expected, rtol=1e-7, atol=1e-10)
        with pytest.raises(ValueError, match="the model has 2 outputs: choose one"):
            model.input_gradients(X)
        assert model.gradient_flow(X, several).from_start.shape[0] == 1

    def test_ids_have_none(self):
        X = [[0, 2, 1], [1, 0]] * 5
        model = small(RNNClassifier, embedding_dim=2).fit(X, [0, 1] * 5)
        with pytest.raises(ValueError, match="all columns of X are ids, which have no gradient"):
            model.input_gradients(X)
        assert model.gradient_flow(X, [0, 1] * 5).from_start.shape == (1, 3)

    def test_where_every_step_has_an_output(self):
        # The loss of a sequence is the weighted mean over its steps; ids have no gradient.
        rng = np.random.default_rng(0)
        X = [np.column_stack([x, rng.integers(3, size=len(x))]) for x in make_sequences()]
        sequences = as_sequences(X, categorical_features=[2])
        network = make_network("gru", bidirectional=True, pooling="steps", embeddings=((3, 4),))
        n_steps = sum(LENGTHS)
        target = rng.integers(3, size=n_steps)
        weight = rng.uniform(0.5, 2, size=n_steps)
        weight[LENGTHS[0] : LENGTHS[0] + LENGTHS[1]] = 0  # nothing of sequence 1
        own, of_sequences = own_weights(network, sequences, weight)
        gradient = network.input_gradients(sequences, loss_gradient(network, target, own))
        assert gradient.shape == (n_steps, 2)
        flow = gradient_flow(network, sequences, target, weight)
        begin = 0
        for n, (x, length) in enumerate(zip(X, LENGTHS, strict=True)):
            steps = slice(begin, begin + length)
            begin += length
            assert of_sequences[n] == flow.weight[n] == pytest.approx(weight[steps].sum())
            if n == 1:
                assert not gradient[steps].any()
                assert not flow.norms[n].any()
                continue

            def loss(v, x=x, steps=steps):
                change = np.column_stack([v.reshape(-1, 2), np.zeros(len(x))])
                one = as_sequences([x + change], columns=sequences.columns)
                return network.loss_and_grad(one, np.array([0]), target[steps], weight[steps])

            expected = slopes(loss, 2 * length)
            np.testing.assert_allclose(gradient[steps].ravel(), expected, rtol=1e-7, atol=1e-10)
            assert flow.norms[n].all()

    def test_many_threads_at_once(self):
        X, y = make_problem(RNNClassifier, n=100)
        model = small(RNNClassifier, n_jobs=2).fit(X, y)
        expected = np.concatenate(model.set_params(n_jobs=None).input_gradients(X))
        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(lambda _: model.input_gradients(X), range(6)))
        for result in results:
            np.testing.assert_array_equal(np.concatenate(result), expected)

    def test_bad_input(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier)
        with pytest.raises(ValueError, match="not fitted yet"):
            model.input_gradients(X)
        model.fit(X, y)
        with pytest.raises(ValueError, match="not both"):
            model.input_gradients(X, y, output=1)
        for output in (2, -1):
            with pytest.raises(ValueError, match=f"output must be from 0 to 1, got {output}"):
                model.input_gradients(X, output=output)
        for output in ("up", 1.0, True):
            with pytest.raises(TypeError, match="output must be an integer or None"):
                model.input_gradients(X, output=output)
        with pytest.raises(ValueError, match="X has 2 sequences, y has 1 entries"):
            model.input_gradients(X[:2], y[:1])
        with pytest.raises(ValueError, match="sequence 1, time step 0, feature 2 is NaN"):
            model.input_gradients([X[0], np.array([[0, 0, np.nan]])])
        regressor = small(RNNRegressor).fit(X, np.ones((len(X), 3)))
        with pytest.raises(
            ValueError, match="the model has 3 outputs: choose one with output, from 0 to 2"
        ):
            regressor.input_gradients(X)
