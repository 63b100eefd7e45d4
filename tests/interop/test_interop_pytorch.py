"""Weights of PyTorch in and out: the same bits and the same outputs, or a clear refusal.

What needs PyTorch itself is skipped where it is missing; names, shapes and refusals are tested
without it.
"""

import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
    layers,
)
from fastrnn.interop import from_torch, to_torch_state_dict

# Number of gates, our layer with its options, and PyTorch's module.
KINDS = {
    "rnn-tanh": (1, "RNN", {"nonlinearity": "tanh"}),
    "rnn-relu": (1, "RNN", {"nonlinearity": "relu"}),
    "gru": (3, "GRU", {}),
    "lstm": (4, "LSTM", {}),
}
LENGTHS = [4, 1, 7, 2, 7]
DTYPES = pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-13), ("float32", 1e-6)])
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


@pytest.fixture
def torch():
    module = pytest.importorskip("torch", reason="PyTorch, whose weights these are, is missing")
    module.manual_seed(0)
    return module


def state_dict(n_gates=4, D=3, H=4, *, n_layers=1, ways=1, prefix="", K=None, V=None, seed=0):
    """Names and random arrays of a recurrent module, and of `fc` and `emb` if asked."""
    rng = np.random.default_rng(seed)
    shapes = {} if V is None else {"emb.weight": (V, D)}
    for k in range(n_layers):
        for way in ("", "_reverse")[:ways]:
            for kind, width in (("ih", ways * H if k else D), ("hh", H)):
                shapes[f"{prefix}weight_{kind}_l{k}{way}"] = (n_gates * H, width)
            for kind in ("ih", "hh"):
                shapes[f"{prefix}bias_{kind}_l{k}{way}"] = (n_gates * H,)
    if K is not None:
        shapes |= {"fc.weight": (K, ways * H), "fc.bias": (K,)}
    return {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def make_network(torch, kind, D, H, *, K, V=None, pooling="last", ways=1, dtype="float32"):
    """A module as docs/coming-from-pytorch.md shows it, with what it reads of ragged sequences."""
    _, name, options = KINDS[kind]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if V is not None:
                self.embedding = torch.nn.Embedding(V, D)
            self.recurrent = getattr(torch.nn, name)(
                D, H, num_layers=2, bidirectional=ways == 2, **options
            )
            self.head = torch.nn.Linear(ways * H, K)

        def forward(self, sequences):
            """Outputs of each sequence by itself, (K,) or (T, K)."""
            results = []
            for x in sequences:
                x = torch.as_tensor(x)
                x = x if V is None else self.embedding(x)
                states, h = self.recurrent(x)
                h = h[0] if name == "LSTM" else h
                read = {
                    "last": torch.cat(tuple(h[-ways:])),
                    "mean": states.mean(0),
                    "max": states.max(0).values,
                    "steps": states,
                }[pooling]
                results.append(self.head(read).detach())
            return results

    return Network().to(getattr(torch, dtype))


def ragged(D=3, V=None, dtype="float32"):
    rng = np.random.default_rng(1)
    if V is not None:
        return [rng.integers(0, V, n) for n in LENGTHS]
    return [rng.normal(size=(n, D)).astype(dtype) for n in LENGTHS]


class TestLayers:
    @DTYPES
    @BOTH
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("kind", KINDS)
    def test_same_outputs_and_states(self, torch, kind, bias, bidirectional, dtype, atol):
        _, name, options = KINDS[kind]
        module = getattr(torch.nn, name)(
            3, 5, 2, bias=bias, bidirectional=bidirectional, dtype=getattr(torch, dtype), **options
        )
        x = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(dtype)
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.tensor(x), torch.tensor(LENGTHS), enforce_sorted=False
        )
        expected, state = module(packed)
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected)

        stack = from_torch(module)
        assert [type(layer).__name__ for layer in stack] == [name] * 2
        assert {layer.dtype.name for layer in stack} == {dtype}
        y, h = x, []
        for layer in stack:
            y, own = layer.forward(y, LENGTHS)
            h.append(own)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=atol)
        state = state if name == "LSTM" else (state,)
        for k, theirs in enumerate(state):
            ours = np.concatenate([own[k] for own in h])
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=atol)

    @BOTH
    @pytest.mark.parametrize("kind", KINDS)
    def test_there_and_back_gives_the_same_bits(self, kind, bidirectional):
        n_gates = KINDS[kind][0]
        given = state_dict(n_gates, n_layers=2, ways=1 + bidirectional)
        stack = from_torch(given)
        back = to_torch_state_dict(stack)
        assert back.keys() == given.keys()
        for name, array in given.items():
            assert back[name].dtype == array.dtype
            assert back[name].flags.c_contiguous
            if name.startswith("weight"):
                assert np.array_equal(back[name], array), name
            elif name.startswith("bias_ih"):
                other = name.replace("ih", "hh")
                total = back[name] + back[other]
                assert np.array_equal(total, array + given[other]), name
                if kind == "gru":  # the two biases of the candidate
                    assert np.array_equal(back[name][8:], array[8:])
                    assert np.array_equal(back[other][8:], given[other][8:])
                    back[other] = back[other][:8]
                assert not back[other].any()
        again = to_torch_state_dict(from_torch(to_torch_state_dict(stack)))
        for name, array in to_torch_state_dict(stack).items():
            assert np.array_equal(again[name], array)

    def test_are_copies(self):
        given = state_dict()
        (layer,) = from_torch(given)
        before = {name: array.copy() for name, array in given.items()}
        back = to_torch_state_dict(layer)
        for array in (*layer.params.values(), *back.values()):
            array += 1
        assert all(np.array_equal(given[name], array) for name, array in before.items())
        assert np.array_equal(layer.params["W"].T - 1, back["weight_ih_l0"] - 1)

    def test_those_of_estimators_are_copies_too(self):
        given = state_dict(prefix="recurrent.", K=4, V=4)
        model = from_torch(given, RNNLanguageModel())
        before = model.network_.theta.copy()
        for array in to_torch_state_dict(model).values():
            array += 1
        assert np.array_equal(model.network_.theta, before)

    def test_activation_of_a_state_dict(self):
        given = state_dict(1)
        assert [from_torch(given, activation=a)[0].activation for a in (None, "tanh", "relu")] == [
            "tanh", "tanh", "relu",
        ]  # fmt: skip

    def test_of_a_module_of_pytorch_there_and_back(self, torch):
        module = torch.nn.GRU(3, 4, num_layers=2, bidirectional=True)
        copy = torch.nn.GRU(3, 4, num_layers=2, bidirectional=True)
        back = to_torch_state_dict(from_torch(module))
        copy.load_state_dict({name: torch.tensor(array) for name, array in back.items()})
        x = torch.randn(5, 2, 3)
        assert torch.allclose(module(x)[0], copy(x)[0], rtol=0, atol=1e-6)
        for name, tensor in module.named_parameters():
            if name.startswith("weight"):
                assert torch.equal(tensor, copy.get_parameter(name))

    def test_part_of_a_larger_model(self):
        given = state_dict(3, prefix="encoder.gru.", K=2) | state_dict(4, prefix="decoder.")
        (layer,) = from_torch(given, recurrent="encoder.gru")
        assert np.array_equal(layer.params["U"], given["encoder.gru.weight_hh_l0"].T)
        with pytest.raises(ValueError, match=r"'encoder.gru', 'decoder': name with recurrent"):
            from_torch(given)
        with pytest.raises(
            ValueError, match=r"no recurrent module 'lstm', only 'encoder.gru', 'dec"
        ):
            from_torch(given, recurrent="lstm")

    def test_stacked_modules(self):
        widths = {"rnns.10.": (2, 5), "rnns.2.": (3, 4), "rnns.9.": (4, 2)}
        given = {}
        for prefix, (D, H) in widths.items():
            given |= state_dict(4, D, H, prefix=prefix)
        stack = from_torch(given)
        assert [layer.hidden_size for layer in stack] == [4, 2, 5]  # in the order of numbers
        names = to_torch_state_dict(stack)
        assert names["1.weight_hh_l0"].shape == (8, 2)
        other = {name.replace("rnns.9", "middle"): array for name, array in given.items()}
        stack = from_torch(other, recurrent=["rnns.2", "middle", "rnns.10"])
        assert [layer.hidden_size for layer in stack] == [4, 2, 5]
        with pytest.raises(
            ValueError, match=r"rnns.10.weight_ih_l0 has shape \(20, 2\), expected \(20, 4\)"
        ):
            from_torch(other, recurrent=["rnns.2", "rnns.10"])


class TestEstimators:
    @DTYPES
    @BOTH
    @pytest.mark.parametrize("pooling", ["last", "mean", "max"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_classifier(self, torch, kind, pooling, bidirectional, dtype, atol):
        network = make_network(
            torch, kind, 3, 5, K=4, pooling=pooling, ways=1 + bidirectional, dtype=dtype
        )
        clf = from_torch(network, RNNClassifier(pooling=pooling))
        assert clf.hidden_layer_sizes == (5, 5)
        assert clf.cell == kind.partition("-")[0]
        assert clf.activation == ("relu" if kind == "rnn-relu" else "tanh")
        assert clf.bidirectional == bidirectional
        assert clf.dtype == dtype
        X = ragged(dtype=dtype)
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=atol)
        assert np.array_equal(clf.predict(X), expected.argmax(axis=1))
        assert clf.classes_.tolist() == [0, 1, 2, 3]
        assert clf.n_features_in_ == 3

    def test_classes_come_in_any_order(self, torch):
        network = make_network(torch, "lstm", 3, 5, K=3)
        clf = from_torch(network, RNNClassifier(), classes=["dog", "ant", "cat"])
        assert clf.classes_.tolist() == ["ant", "cat", "dog"]
        X = ragged()
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected[:, [1, 2, 0]], rtol=0, atol=1e-6)
        assert clf.score(X, np.array(["dog", "ant", "cat"])[expected.argmax(axis=1)]) == 1

    def test_embedding(self, torch):
        network = make_network(torch, "gru", 3, 5, K=4, V=9, ways=2)
        clf = from_torch(network, RNNClassifier())
        assert (clf.embedding_dim, clf.n_categories_) == (3, (9,))
        X = ragged(V=9)
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=1e-6)
        with pytest.raises(ValueError, match="sequence 1, time step 0"):
            clf.predict([[1], [9]])

    def test_single_output_is_the_log_odds_of_the_second_class(self, torch):
        network = make_network(torch, "lstm", 3, 5, K=1)
        clf = from_torch(network, RNNClassifier(), classes=["yes", "no"])
        X = ragged()
        expected = torch.sigmoid(torch.stack(network(X)))[:, 0].numpy()
        assert clf.classes_.tolist() == ["no", "yes"]
        np.testing.assert_allclose(clf.predict_proba(X)[:, 0], expected, rtol=0, atol=1e-6)

    def test_several_labels(self, torch):
        network = make_network(torch, "lstm", 3, 5, K=3)
        clf = from_torch(network, RNNClassifier(), multilabel=True)
        X = ragged()
        expected = torch.sigmoid(torch.stack(network(X))).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=1e-6)
        assert np.array_equal(clf.predict(X), expected > 0.5)

    @pytest.mark.parametrize("K", [1, 2])
    def test_regressor(self, torch, K):
        network = make_network(torch, "rnn-relu", 3, 5, K=K, pooling="mean")
        reg = from_torch(network, RNNRegressor(pooling="mean"))
        X = ragged()
        expected = torch.stack(network(X)).numpy()
        np.testing.assert_allclose(
            reg.predict(X), expected[:, 0] if K == 1 else expected, rtol=0, atol=1e-6
        )

    def test_tagger(self, torch):
        network = make_network(torch, "gru", 3, 5, K=3, pooling="steps", ways=2)
        tagger = from_torch(network, RNNTagger(), classes=["B", "I", "O"])
        X = ragged()
        for ours, theirs in zip(tagger.predict_proba(X), network(X), strict=True):
            np.testing.assert_allclose(ours, torch.softmax(theirs, 1).numpy(), rtol=0, atol=1e-6)
        assert set(np.concatenate(tagger.predict(X))) <= {"B", "I", "O"}

    def test_language_model_of_ids(self, torch):
        network = make_network(torch, "lstm", 4, 5, K=9, V=9, pooling="steps")
        model = from_torch(network, RNNLanguageModel())
        text = np.array([3, 1, 4, 1, 5, 8])
        (logits,) = network([text])
        expected = torch.log_softmax(logits, 1).numpy()
        np.testing.assert_allclose(model.next_proba(text), np.exp(expected[-1]), rtol=0, atol=1e-6)
        mean = expected[range(5), text[1:]].mean()
        assert model.score(text) == pytest.approx(mean, abs=1e-6)
        assert len(model.sample([3], 5, random_state=0)) == 5
        assert model.tokens_ == list(range(9))

    def test_language_model_of_characters(self, torch):
        network = make_network(torch, "lstm", 4, 5, K=4, V=4, pooling="steps")
        model = from_torch(network, RNNLanguageModel(), tokens=["<unk>", "c", "a", "b"])
        (logits,) = network([[2, 3, 0]])
        expected = torch.softmax(logits, 1).numpy()[-1]
        np.testing.assert_allclose(model.next_proba("abx"), expected, rtol=0, atol=1e-6)
        assert model.tokens_ == ["<unk>", "c", "a", "b"]
        assert len(model.sample("ab", 3, random_state=0)) >= 3
        assert model.partial_fit("abcabcabc" * 20).n_iter_ == 1

    def test_tied_weights(self, torch):
        network = make_network(torch, "lstm", 5, 5, K=9, V=9, pooling="steps")
        with pytest.raises(ValueError, match="tie_weights=True, but the head has other weights"):
            from_torch(network, RNNLanguageModel(tie_weights=True))
        network.head.weight = network.embedding.weight
        model = from_torch(network, RNNLanguageModel(tie_weights=True))
        assert "W" not in model.network_.head.params
        (logits,) = network([[1, 2, 3]])
        np.testing.assert_allclose(
            model.next_proba([1, 2, 3]), torch.softmax(logits, 1).numpy()[-1], rtol=0, atol=1e-6
        )
        back = to_torch_state_dict(model)
        assert np.array_equal(back["head.weight"], back["embedding.weight"])

    def test_training_goes_on(self):
        clf = from_torch(
            state_dict(prefix="lstm.", K=2),
            RNNClassifier(random_state=0, warm_start=True, max_iter=5, tol=0, n_iter_no_change=5),
            classes=["no", "yes"],
        )
        assert (clf.n_iter_, clf.t_, clf.loss_curve_) == (0, 0, [])
        X, y = ragged(), ["no", "yes", "no", "yes", "yes"]
        before = clf.network_.theta.copy()
        clf.partial_fit(X, y)
        assert (clf.n_iter_, len(clf.loss_curve_)) == (1, 1)
        after = np.abs(clf.network_.theta - before).max()
        assert 0 < after < 0.0011  # one step of Adam from these weights
        clf.set_params(learning_rate="cosine").fit(X, y)
        assert np.abs(clf.network_.theta - before).max() < 0.01
        with pytest.raises(ValueError, match="'maybe'"):
            clf.partial_fit(X, ["no", "maybe", "no", "yes", "yes"])

    def test_is_like_any_other_model(self, tmp_path):
        clf = from_torch(state_dict(prefix="lstm.", K=2), RNNClassifier(), classes=["no", "yes"])
        X = ragged()
        expected = clf.predict_proba(X)
        assert pickle.loads(pickle.dumps(clf)).predict_proba(X).tobytes() == expected.tobytes()
        stream = clf.stream()
        for x in X[0]:
            p = stream.step(x)
        np.testing.assert_allclose(p, expected[0], rtol=0, atol=1e-6)
        clf.save(tmp_path / "model")
        loaded = fastrnn.load(tmp_path / "model")
        assert loaded.predict_proba(X).tobytes() == expected.tobytes()
        assert (loaded.n_iter_, loaded.loss_curve_) == (0, [])

    def test_a_language_model_is_like_any_other(self, tmp_path):
        given = state_dict(prefix="lstm.", K=4, V=4)
        model = from_torch(given, RNNLanguageModel(), tokens=["<unk>", "c", "a", "b"])
        model.save(tmp_path / "model")
        loaded = fastrnn.load(tmp_path / "model")
        assert loaded.tokens_ == model.tokens_
        assert loaded.score("abcx") == model.score("abcx")

    def test_parameters_may_agree_and_the_others_stay(self):
        given = state_dict(3, n_layers=2, ways=2, prefix="rnn.", K=2)
        template = RNNClassifier(
            [4, 4], cell="gru", bidirectional=True, pooling="max", dtype="float64", alpha=0.5
        )
        clf = from_torch(given, template)
        assert clf.get_params() == {**template.get_params(), "hidden_layer_sizes": (4, 4)}
        assert not hasattr(template, "network_")
        assert clf.network_.dtype == np.float64
        assert np.array_equal(
            clf.network_.layers[1].params["U_reverse"], given["rnn.weight_hh_l1_reverse"].T
        )

    def test_numbers_beside_ids(self):
        rng = np.random.default_rng(0)
        given = state_dict(D=7, prefix="lstm.", K=2) | {
            "tables.0.weight": rng.normal(size=(5, 2)).astype("f"),
            "tables.1.weight": rng.normal(size=(6, 3)).astype("f"),
        }
        clf = from_torch(given, RNNClassifier(categorical_features=[0, 2]))
        assert (clf.embedding_dim, clf.n_categories_, clf.n_features_in_) == ((2, 3), (5, 6), 4)
        X = [[[4, 0.5, 5, -1.0], [0, 0.1, 2, 0.3]]]
        a, b = given["tables.0.weight"], given["tables.1.weight"]
        read = [[0.5, -1.0, *a[4], *b[5]], [0.1, 0.3, *a[0], *b[2]]]
        (layer,) = from_torch(given, recurrent="lstm")
        h = layer.forward(np.array(read)[:, np.newaxis])[1][0][0, 0]
        logits = h @ given["fc.weight"].T + given["fc.bias"]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(clf.predict_proba(X)[0], expected, rtol=0, atol=1e-6)
        back = to_torch_state_dict(clf)
        assert np.array_equal(back["embedding.1.weight"], b)
        again = from_torch(back, RNNClassifier(categorical_features=[0, 2]))
        assert np.array_equal(again.network_.theta, clf.network_.theta)
        with pytest.raises(ValueError, match="categorical_features must say which columns are ids"):
            from_torch(given, RNNClassifier())
        with pytest.raises(
            ValueError, match="chooses 1 of 4 columns, but the weights have tables "
        ):
            from_torch(given, RNNClassifier(categorical_features=[0]))


def sample_of_classes():
    rng = np.random.default_rng(2)
    X = [rng.normal(size=(n, 3)) for n in (5, 2, 7, 4, 3, 6)]
    return X, np.array(["a", "b", "c", "a", "b", "c"])


class TestToTorch:
    @pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_fitted_classifier(self, torch, kind, bidirectional):
        cell, _, activation = kind.partition("-")
        X, y = sample_of_classes()
        clf = RNNClassifier(
            (5, 5), cell=cell, activation=activation or "tanh", bidirectional=bidirectional,
            random_state=0,
        ).partial_fit(X, y, ["a", "b", "c"])  # fmt: skip
        network = make_network(torch, kind, 3, 5, K=3, ways=1 + bidirectional)
        weights = to_torch_state_dict(clf)
        network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        X = ragged()
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=1e-6)
        again = from_torch(network, clf, classes=clf.classes_)
        assert np.array_equal(again.network_.theta, clf.network_.theta)
        assert again.predict_proba(X).tobytes() == clf.predict_proba(X).tobytes()

    def test_a_regressor_in_units_of_y(self, torch):
        X, _ = sample_of_classes()
        y = 100 + 50 * np.array([x.sum() for x in X])
        reg = RNNRegressor((5, 5), cell="gru", random_state=0).partial_fit(X, y)
        network = make_network(torch, "gru", 3, 5, K=1)
        weights = to_torch_state_dict(reg)
        assert {array.dtype.name for array in weights.values()} == {"float32"}
        network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        X = ragged()
        np.testing.assert_allclose(reg.predict(X), torch.stack(network(X))[:, 0].numpy(), rtol=1e-6)

    def test_an_imported_regressor_gives_the_same_bits(self):
        given = state_dict(prefix="recurrent.")
        given |= {"head.weight": np.full((2, 4), 0.1, "f"), "head.bias": np.array([-0.0, 1], "f")}
        back = to_torch_state_dict(from_torch(given, RNNRegressor()))
        for name in ("head.weight", "head.bias", "recurrent.weight_hh_l0"):
            assert back[name].tobytes() == given[name].tobytes()

    def test_a_forecaster(self):
        model = RNNForecaster(4, random_state=0).partial_fit(np.sin(np.arange(30.0)))
        weights = to_torch_state_dict(model)
        assert weights["head.weight"].shape == (1, 4)
        assert np.array_equal(
            weights["recurrent.weight_hh_l0"], model.network_.layers[0].params["U"].T
        )

    def test_layers_of_different_sizes(self):
        X, y = sample_of_classes()
        clf = RNNClassifier((5, 2), bidirectional=True, random_state=0)
        clf.partial_fit(X, y, ["a", "b", "c"])
        weights = to_torch_state_dict(clf, recurrent="rnns", head="out")
        assert weights["rnns.1.weight_ih_l0_reverse"].shape == (8, 10)
        assert weights["out.weight"].shape == (3, 4)
        again = from_torch(weights, RNNClassifier(), classes=clf.classes_)
        assert again.hidden_layer_sizes == (5, 2)
        assert np.array_equal(again.network_.theta, clf.network_.theta)

    def test_refusals(self):
        for layer, message in [
            (layers.CarryLSTM(3, 4), "carry_lstm has no equal in PyTorch"),
            (layers.GRU(3, 4, reset_after=False), "reset_after=False has no equal in PyTorch"),
            ([layers.GRU(3, 4), layers.LSTM(4, 4)], "different kinds"),
            ([layers.GRU(3, 4), layers.GRU(3, 4)], "has 3 inputs, but the one below 4 outputs"),
        ]:
            with pytest.raises(ValueError, match=message):
                to_torch_state_dict(layer)
        with pytest.raises(ValueError, match="not fitted"):
            to_torch_state_dict(RNNClassifier())
        for wrong in (3, [], [3], fastrnn.RNNClassifier):
            with pytest.raises(TypeError, match=r"expected a fitted estimator, or layers"):
                to_torch_state_dict(wrong)


def changed(given, **arrays):
    return {**given, **{name.replace("__", "."): array for name, array in arrays.items()}}


def without(given, name):
    return {key: array for key, array in given.items() if key != name}


BARE = state_dict(n_layers=2)
WHOLE = state_dict(prefix="lstm.", K=2, V=9)
REFUSED = {
    "shape of W": (
        changed(BARE, weight_ih_l1=np.ones((16, 5))),
        r"^weight_ih_l1 has shape \(16, 5\), expected \(16, 4\)$",
    ),
    "shape of U": (
        changed(BARE, weight_hh_l1=np.ones((14, 4))),
        r"^weight_hh_l1 has shape \(14, 4\), expected \(4, 4\) or \(12, 4\) or \(16, 4\), for RNN",
    ),
    "one dimension": (
        changed(BARE, weight_hh_l0=np.ones(4)),
        r"^weight_hh_l0 has shape \(4,\), expected \(G·H, H\)$",
    ),
    "no units": (changed(BARE, weight_hh_l0=np.ones((0, 0))), r"weight_hh_l0 has shape \(0, 0\)"),
    "shape of a bias": (
        changed(BARE, bias_hh_l0=np.ones(15)),
        r"^bias_hh_l0 has shape \(15,\), expected \(16,\)$",
    ),
    "reverse": (
        changed(state_dict(ways=2), weight_hh_l0_reverse=np.ones((20, 5))),
        r"^weight_hh_l0_reverse has shape \(20, 5\), expected \(16, 4\)$",
    ),
    "inputs of reverse": (
        changed(state_dict(ways=2), weight_ih_l0_reverse=np.ones((16, 2))),
        r"^weight_ih_l0_reverse has shape \(16, 2\), expected \(16, 3\)$",
    ),
    "missing": (without(BARE, "weight_hh_l1"), "^weight_hh_l1 is missing, beside weight_ih_l0"),
    "missing bias": (without(BARE, "bias_hh_l1"), "^bias_hh_l1 is missing"),
    "missing layer": (
        {name: array for name, array in BARE.items() if "l0" not in name},
        "^weight_ih_l0 is missing",
    ),
    "missing direction": (
        without(state_dict(ways=2), "weight_hh_l0_reverse"),
        "^weight_hh_l0_reverse is missing",
    ),
    "extra": (
        changed(BARE, fc__weight=np.ones((2, 4))),
        "beside recurrent layers there are fc.weight: give an estimator for all",
    ),
    "proj_size": (changed(BARE, weight_hr_l0=np.ones((2, 4))), "weight_hr_l0: .* proj_size"),
    "nothing": ({"fc.weight": np.ones((2, 4))}, "there is no recurrent layer"),
    "NaN": (changed(BARE, bias_hh_l0=np.full(16, np.nan)), "bias_hh_l0 has a weight that is NaN"),
    "cells": (
        state_dict(prefix="a.0.") | state_dict(3, 4, prefix="a.1."),
        "different cells, lstm in 'a.0' and gru in 'a.1'",
    ),
    "directions": (
        state_dict(ways=2, prefix="a.0.") | state_dict(4, 8, prefix="a.1."),
        "'a.1' reads in one direction, but the layers below do not",
    ),
}
REFUSED_WHOLE = {
    "no head": (
        state_dict(prefix="lstm."),
        "there must be one nn.Linear, the head, .* of nothing name the head",
    ),
    "two heads": (
        changed(WHOLE, out__weight=np.ones((2, 4)), out__bias=np.ones(2)),
        "'fc', 'out' name the head with head",
    ),
    "normalization": (
        changed(WHOLE, norm__weight=np.ones(4), norm__running_mean=np.ones(4)),
        "no equal of 'norm' with norm.weight, norm.running_mean",
    ),
    "bias alone": (changed(WHOLE, scale__bias=np.ones(4)), "no equal of 'scale' with scale.bias"),
    "shape of head": (
        changed(WHOLE, fc__weight=np.ones((2, 5))),
        r"^fc.weight has shape \(2, 5\), expected \(K, 4\), outputs and states of the top layer$",
    ),
    "shape of its bias": (
        changed(WHOLE, fc__bias=np.ones(3)),
        r"^fc.bias has shape \(3,\), expected \(2,\)$",
    ),
    "vectors": (
        changed(WHOLE, emb__weight=np.ones((9, 5))),
        "^emb.weight gives a step 5 features, but lstm.weight_ih_l0 has 3 columns$",
    ),
    "flat vectors": (changed(WHOLE, emb__weight=np.ones(9)), r"^emb.weight has shape \(9,\), exp"),
    "one too many": (
        changed(WHOLE, extra__weight=np.ones((9, 3))),
        "no place for 'emb', 'extra': the head is 'fc'",
    ),
    "not clear": (
        without(state_dict(D=4, prefix="lstm.", K=9, V=9), "fc.bias"),
        "'emb', 'fc' name the head with head",
    ),
}


class TestRefusals:
    @pytest.mark.parametrize("what", REFUSED)
    def test_of_recurrent_modules(self, what):
        given, message = REFUSED[what]
        with pytest.raises(ValueError, match=message):
            from_torch(given)

    @pytest.mark.parametrize("what", REFUSED_WHOLE)
    def test_of_models(self, what):
        given, message = REFUSED_WHOLE[what]
        with pytest.raises(ValueError, match=message):
            from_torch(given, RNNClassifier())

    def test_tied_weights_are_clear_in_any_order(self):
        given = without(state_dict(D=4, prefix="lstm.", K=9, V=9), "fc.bias")
        given["fc.weight"] = given["emb.weight"]
        model = from_torch(given, RNNLanguageModel(tie_weights=True))
        assert np.array_equal(model.network_.embeddings[0], given["emb.weight"])

    def test_names_make_it_clear(self):
        given = without(state_dict(D=4, prefix="lstm.", K=9, V=9), "fc.bias")
        by_head = from_torch(given, RNNLanguageModel(), head="fc")
        by_embedding = from_torch(given, RNNLanguageModel(), embedding="emb")
        for model in (by_head, by_embedding):
            assert np.array_equal(model.network_.embeddings[0], given["emb.weight"])
            assert np.array_equal(model.network_.head.params["W"], given["fc.weight"].T)
        with pytest.raises(ValueError, match=r"no out.weight, only 'emb', 'fc' have a weight"):
            from_torch(given, RNNLanguageModel(), head="out")
        swapped = from_torch(given, RNNLanguageModel(), head="emb", embedding="fc")
        assert np.array_equal(swapped.network_.embeddings[0], given["fc.weight"])

    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            (RNNClassifier(8), "hidden_layer_sizes=8 of the estimator .* which have 4$"),
            (RNNClassifier(cell="gru"), "cell='gru' of the estimator .* which have 'lstm'"),
            (RNNClassifier(bidirectional=True), "bidirectional=True of .* which have False"),
            (RNNClassifier(embedding_dim=2), "embedding_dim=2 of .* which have 3"),
            (RNNClassifier(activation="gelu"), "activation must be one of 'tanh', 'relu', got"),
            (RNNForecaster(), "a forecaster cannot be made of weights alone"),
            (RNNLanguageModel(), r"tables of \[9\] ids, 0 numbers beside them, and 2 outputs"),
        ],
    )
    def test_the_estimator_says_something_else(self, estimator, message):
        with pytest.raises(ValueError, match=message):
            from_torch(WHOLE, estimator)

    def test_what_the_cell_does_not_use_is_ignored(self):
        model = from_torch(WHOLE, RNNClassifier(activation="relu", reset_after=False))
        assert (model.cell, model.activation, model.reset_after) == ("lstm", "relu", False)
        assert np.array_equal(
            model.network_.theta, from_torch(WHOLE, RNNClassifier()).network_.theta
        )

    def test_gru_before_the_product(self):
        given = state_dict(3, prefix="gru.", K=2)
        with pytest.raises(ValueError, match=r"reset_after=False of .* which have True"):
            from_torch(given, RNNClassifier(cell="gru", reset_after=False))

    @pytest.mark.parametrize(
        ("estimator", "meaning", "message"),
        [
            (RNNClassifier(), {"classes": ["a"]}, r"classes=\['a'\] must be 2 different labels"),
            (RNNClassifier(), {"classes": ["a", "a"]}, "must be 2 different labels"),
            (RNNClassifier(), {"classes": [0, 1], "multilabel": True}, "classes has no meaning"),
            (RNNClassifier(), {"tokens": ["a", "b"]}, "tokens=.* has no meaning for RNNClassifier"),
            (RNNRegressor(), {"classes": [0, 1]}, "classes=.* has no meaning for RNNRegressor"),
            (RNNTagger(), {"multilabel": True}, "multilabel=True has no meaning for RNNTagger"),
            (RNNTagger(), {"classes": [-1, 1]}, "classes has the label -1"),
        ],
    )
    def test_of_what_outputs_mean(self, estimator, meaning, message):
        with pytest.raises(ValueError, match=message):
            from_torch(WHOLE, estimator, **meaning)

    def test_of_tokens(self):
        given = state_dict(prefix="lstm.", K=3, V=3)
        for tokens, error, message in [
            (["a", "b"], ValueError, "must be 3 different strings, one for each id, got 2"),
            (["a", "b", "c"], ValueError, "the first of the tokens must be '<unk>', .* got 'a'"),
            (["a", "b", "b"], ValueError, "got 3, 2 of them different"),
            (["a", "b", 3], TypeError, "must be strings that are not empty, got 3"),
        ]:
            with pytest.raises(error, match=message):
                from_torch(given, RNNLanguageModel(), tokens=tokens)
        with pytest.raises(ValueError, match="tokenizer='word' has no effect on ids"):
            from_torch(given, RNNLanguageModel(tokenizer="word"))

    def test_one_label_is_not_several(self):
        with pytest.raises(ValueError, match="multilabel=True needs several outputs"):
            from_torch(state_dict(prefix="lstm.", K=1), RNNClassifier(), multilabel=True)

    def test_of_types(self):
        with pytest.raises(TypeError, match="expected floating-point numbers"):
            from_torch(changed(BARE, bias_ih_l0=np.ones(16, int)))
        with pytest.raises(TypeError, match="bias_ih_l0 is no array that numpy knows"):
            from_torch(changed(BARE, bias_ih_l0=[[1.0], [1.0, 2.0]]))
        for wrong in (3, [1.0], {3: 4}, None):
            with pytest.raises(TypeError, match="module must be a module of PyTorch"):
                from_torch(wrong)
        for wrong, shown in ((RNNClassifier, "the class RNNClassifier"), (3, "of type int")):
            with pytest.raises(TypeError, match=shown):
                from_torch(WHOLE, wrong)
        with pytest.raises(ValueError, match=r"activation='relu' is for nn.RNN"):
            from_torch(BARE, activation="relu")

    def test_of_modules(self, torch):
        with pytest.raises(ValueError, match="proj_size"):
            from_torch(torch.nn.LSTM(3, 4, proj_size=2))
        with pytest.raises(ValueError, match="got 'relu', 'tanh'"):
            from_torch(torch.nn.RNN(3, 4), activation="relu")
        network = make_network(torch, "lstm", 3, 5, K=2, V=9)
        network.embedding.max_norm = 1.0
        with pytest.raises(ValueError, match="'embedding' has max_norm"):
            from_torch(network, RNNClassifier())
        network.embedding = torch.nn.Linear(3, 3, bias=False)  # shaped as a table of 3 ids
        with pytest.raises(ValueError, match="no equal of 'embedding': it is no embedding"):
            from_torch(network, RNNClassifier())
        half = torch.nn.LSTM(3, 4).to(torch.bfloat16)
        with pytest.raises(TypeError, match=r"weight_ih_l0 is no array .* BFloat16"):
            from_torch(half)
        (layer,) = from_torch(torch.nn.LSTM(3, 4).to(torch.float16))
        assert layer.dtype == np.float32

    def test_modules_tell_an_embedding_from_a_head(self, torch):
        network = make_network(torch, "lstm", 5, 5, K=9, V=9, pooling="steps")
        network.head = torch.nn.Linear(5, 9, bias=False)
        model = from_torch(network, RNNLanguageModel())
        assert np.array_equal(model.network_.embeddings[0], network.embedding.weight.detach())
        assert not model.network_.head.params["b"].any()
