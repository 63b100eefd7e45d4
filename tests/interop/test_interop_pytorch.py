"""Weights of PyTorch in and out: the same bits and the same outputs, or a clear refusal.

What needs PyTorch itself is skipped where it is missing; names, shapes and refusals are tested
without it.
"""

import pickle

import numpy as np
import pytest
from contract import plain_forecaster
from pytorch_names import KINDS, make_network, state_dict

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
    layers,
)
from fastrnn.interop import from_torch, to_torch_state_dict

LENGTHS = [4, 1, 7, 2, 7]
DTYPES = pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-13), ("float32", 1e-6)])
BOTH = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


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
    @pytest.mark.parametrize("pooling", ["last", "mean", "max", "max+mean"])
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
        clf = from_torch(network, RNNClassifier(pooling="last"), classes=["dog", "ant", "cat"])
        assert clf.classes_.tolist() == ["ant", "cat", "dog"]
        X = ragged()
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected[:, [1, 2, 0]], rtol=0, atol=1e-6)
        assert clf.score(X, np.array(["dog", "ant", "cat"])[expected.argmax(axis=1)]) == 1

    def test_embedding(self, torch):
        network = make_network(torch, "gru", 3, 5, K=4, V=9, ways=2)
        clf = from_torch(network, RNNClassifier(pooling="last"))
        assert (clf.embedding_dim, clf.n_categories_) == (3, (9,))
        X = ragged(V=9)
        expected = torch.softmax(torch.stack(network(X)), 1).numpy()
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=0, atol=1e-6)
        with pytest.raises(ValueError, match="sequence 1, time step 0"):
            clf.predict([[1], [9]])

    def test_single_output_is_the_log_odds_of_the_second_class(self, torch):
        network = make_network(torch, "lstm", 3, 5, K=1)
        clf = from_torch(network, RNNClassifier(pooling="last"), classes=["yes", "no"])
        X = ragged()
        expected = torch.sigmoid(torch.stack(network(X)))[:, 0].numpy()
        assert clf.classes_.tolist() == ["no", "yes"]
        np.testing.assert_allclose(clf.predict_proba(X)[:, 0], expected, rtol=0, atol=1e-6)

    def test_several_labels(self, torch):
        network = make_network(torch, "lstm", 3, 5, K=3)
        clf = from_torch(network, RNNClassifier(pooling="last"), multilabel=True)
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
            RNNClassifier(
                random_state=0,
                warm_start=True,
                max_iter=5,
                learning_rate_init=0.001,
                dropout=0.0,
                pooling="max",
            ),
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
        clf = from_torch(
            state_dict(prefix="lstm.", K=2), RNNClassifier(pooling="max"), classes=["no", "yes"]
        )
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
            [4, 4],
            cell="gru",
            bidirectional=True,
            dtype="float64",
            alpha=0.5,
            scaling=None,
            pooling="max",
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
        clf = from_torch(given, RNNClassifier(categorical_features=[0, 2], pooling="last"))
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
        again = from_torch(back, RNNClassifier(categorical_features=[0, 2], pooling="last"))
        assert np.array_equal(again.network_.theta, clf.network_.theta)
        with pytest.raises(ValueError, match="categorical_features must say which columns are ids"):
            from_torch(given, RNNClassifier(pooling="max"))
        with pytest.raises(
            ValueError, match="chooses 1 of 4 columns, but the weights have tables "
        ):
            from_torch(given, RNNClassifier(categorical_features=[0], pooling="max"))


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
            pooling="last", conv=None, scaling=None, random_state=0,
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
        reg = RNNRegressor(
            (5, 5), cell="gru", pooling="last", conv=None, random_state=0
        ).partial_fit(X, y)
        network = make_network(torch, "gru", 3, 5, K=1)
        weights = to_torch_state_dict(reg)
        assert {array.dtype.name for array in weights.values()} == {"float32"}
        network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        X = ragged()
        np.testing.assert_allclose(reg.predict(X), torch.stack(network(X))[:, 0].numpy(), rtol=1e-6)

    def test_an_imported_regressor_gives_the_same_bits(self):
        given = state_dict(prefix="recurrent.")
        given |= {"head.weight": np.full((2, 4), 0.1, "f"), "head.bias": np.array([-0.0, 1], "f")}
        back = to_torch_state_dict(from_torch(given, RNNRegressor(pooling="max")))
        for name in ("head.weight", "head.bias", "recurrent.weight_hh_l0"):
            assert back[name].tobytes() == given[name].tobytes()

    def test_a_forecaster(self):
        model = plain_forecaster(4, random_state=0).partial_fit(np.sin(np.arange(30.0)))
        weights = to_torch_state_dict(model)
        assert weights["head.weight"].shape == (1, 4)
        assert np.array_equal(
            weights["recurrent.weight_hh_l0"], model.network_.layers[0].params["U"].T
        )

    def test_layers_of_different_sizes(self):
        X, y = sample_of_classes()
        clf = RNNClassifier(
            (5, 2), cell="lstm", bidirectional=True, conv=None, scaling=None, pooling="max"
        )
        clf.partial_fit(X, y, ["a", "b", "c"])
        weights = to_torch_state_dict(clf, recurrent="rnns", head="out")
        assert weights["rnns.1.weight_ih_l0_reverse"].shape == (8, 10)
        assert weights["out.weight"].shape == (3, 4)
        again = from_torch(weights, RNNClassifier(pooling="max"), classes=clf.classes_)
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
            to_torch_state_dict(RNNClassifier(pooling="max"))
        X, y = sample_of_classes()
        clf = RNNClassifier(4, pooling="attention", conv=None)
        clf.partial_fit(X, y, ["a", "b", "c"])
        with pytest.raises(ValueError, match="'attention' has weights that are no part of PyTorch"):
            to_torch_state_dict(clf)
        for wrong in (3, [], [3], fastrnn.RNNClassifier):
            with pytest.raises(TypeError, match=r"expected a fitted estimator, or layers"):
                to_torch_state_dict(wrong)
