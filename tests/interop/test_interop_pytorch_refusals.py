"""Weights of PyTorch that are not what they must be, or of which there is no equal, are refused."""

import numpy as np
import pytest
from pytorch_names import make_network, state_dict

from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
)
from fastrnn.interop import from_torch


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
        r"^fc.weight has shape \(2, 5\), expected \(K, 4\), outputs and states of the top layer, "
        "as pooling='max' gives them$",
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
            from_torch(given, RNNClassifier(pooling="max"))

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
            (
                RNNClassifier(8, pooling="max"),
                "hidden_layer_sizes=8 of the estimator .* which have 4$",
            ),
            (
                RNNClassifier(cell="rnn", pooling="max"),
                "cell='rnn' of the estimator .* which have 'lstm'",
            ),
            (
                RNNClassifier(bidirectional=True, pooling="max"),
                "bidirectional=True of .* which have False",
            ),
            (RNNClassifier(embedding_dim=2, pooling="max"), "embedding_dim=2 of .* which have 3"),
            (
                RNNClassifier(activation="gelu", pooling="max"),
                "activation must be one of 'tanh', 'relu', got",
            ),
            (RNNForecaster(), "a forecaster cannot be made of weights alone"),
            (RNNLanguageModel(), r"tables of \[9\] ids, 0 numbers beside them, and 2 outputs"),
        ],
    )
    def test_the_estimator_says_something_else(self, estimator, message):
        with pytest.raises(ValueError, match=message):
            from_torch(WHOLE, estimator)

    def test_what_the_cell_does_not_use_is_ignored(self):
        model = from_torch(
            WHOLE, RNNClassifier(activation="relu", reset_after=False, pooling="max")
        )
        assert (model.cell, model.activation, model.reset_after) == ("lstm", "relu", False)
        assert np.array_equal(
            model.network_.theta, from_torch(WHOLE, RNNClassifier(pooling="max")).network_.theta
        )

    def test_gru_before_the_product(self):
        given = state_dict(3, prefix="gru.", K=2)
        with pytest.raises(ValueError, match=r"reset_after=False of .* which have True"):
            from_torch(given, RNNClassifier(cell="gru", reset_after=False, pooling="max"))

    @pytest.mark.parametrize(
        ("estimator", "meaning", "message"),
        [
            (
                RNNClassifier(pooling="max"),
                {"classes": ["a"]},
                r"classes=\['a'\] must be 2 different labels",
            ),
            (RNNClassifier(pooling="max"), {"classes": ["a", "a"]}, "must be 2 different labels"),
            (
                RNNClassifier(pooling="max"),
                {"classes": [0, 1], "multilabel": True},
                "classes has no meaning",
            ),
            (
                RNNClassifier(pooling="max"),
                {"tokens": ["a", "b"]},
                "tokens=.* has no meaning for RNNClassifier",
            ),
            (
                RNNRegressor(pooling="max"),
                {"classes": [0, 1]},
                "classes=.* has no meaning for RNNRegressor",
            ),
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
            (dict.fromkeys(["<unk>", "b", "c"]), TypeError, "are of type dict, expected a list of"),
        ]:
            with pytest.raises(error, match=message):
                from_torch(given, RNNLanguageModel(), tokens=tokens)
        lower = RNNLanguageModel(lowercase=True)
        with pytest.raises(
            ValueError, match=r"token 2 is 'The', which no text has.* written 'the'"
        ):
            from_torch(given, lower, tokens=["<unk>", "cat", "The"])
        with pytest.raises(ValueError, match="tokenizer='word' has no effect on ids"):
            from_torch(given, RNNLanguageModel(tokenizer="word"))

    def test_one_label_is_not_several(self):
        with pytest.raises(ValueError, match="multilabel=True needs several outputs"):
            from_torch(
                state_dict(prefix="lstm.", K=1), RNNClassifier(pooling="max"), multilabel=True
            )

    @pytest.mark.parametrize(
        ("pooling", "message"),
        [
            ("max+attention", r"pooling='max\+attention' has weights of its own, \['query'\]"),
            ("mean+max", r"^fc.weight has shape \(2, 4\), expected \(K, 8\)"),
            ("mean+", "pooling must be one of 'last', .* got 'mean\\+'"),
        ],
    )
    def test_of_poolings(self, pooling, message):
        with pytest.raises(ValueError, match=message):
            from_torch(WHOLE, RNNClassifier(pooling=pooling))

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
            from_torch(network, RNNClassifier(pooling="max"))
        network.embedding = torch.nn.Linear(3, 3, bias=False)  # shaped as a table of 3 ids
        with pytest.raises(ValueError, match="no equal of 'embedding': it is no embedding"):
            from_torch(network, RNNClassifier(pooling="max"))
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
