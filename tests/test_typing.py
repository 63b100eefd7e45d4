"""Annotations of what users call: they are there, and they are true."""

import inspect
import runpy
import types
import typing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from public_names import public_methods, public_objects

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
    layers,
)
from fastrnn.estimators.base import ESTIMATORS
from fastrnn.estimators.fitted import Fitted
from fastrnn.estimators.parameters import parameters_of

PROGRAM = Path(__file__).parent / "typed" / "user_program.py"


def public_functions():
    """All that users call and that is Python, by its name: for classes what makes an object."""
    named = {"fastrnn.show_versions": fastrnn.show_versions, **public_methods()}
    for name, public in public_objects().items():
        is_class = inspect.isclass(public)
        if not (is_class and issubclass(public, Exception)):
            named[name] = public.__init__ if is_class else public
    return {
        name: inspect.unwrap(getattr(function, "__func__", function))
        for name, function in named.items()
    }


FUNCTIONS = public_functions()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_names_are_annotated(name):
    if not inspect.isfunction(FUNCTIONS[name]):
        assert name == "fastrnn.streams.Stream.step"  # compiled: it has a stub
        return
    signature = inspect.signature(FUNCTIONS[name])
    bare = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    assert not bare
    assert signature.return_annotation is not signature.empty


def literals(hint):
    """The words of a type."""
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    return set().union(*map(literals, typing.get_args(hint)))


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_parameters_are_annotated_with_their_words(kind):
    cls = ESTIMATORS[kind]
    hints = typing.get_type_hints(cls)
    n_with_words = 0
    for name, parameter in parameters_of(cls).items():
        known = literals(hints[name])
        assert all(parameter.values.has(word) for word in known), name
        takes_others = str in typing.get_args(hints[name]) or hints[name] in (str, typing.Any)
        if parameter.values.words and not takes_others:
            assert set(parameter.values.words) <= known, name
            n_with_words += 1
    assert n_with_words > 5


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fitted_attributes_are_declared_and_documented(kind):
    cls = ESTIMATORS[kind]
    text = inspect.getdoc(cls).partition("Attributes\n----------\n")[2]
    entries = text.partition("\n\n")[0].splitlines()
    documented = {
        name
        for line in entries
        if not line.startswith(" ")
        for name in line.partition(" : ")[0].split(", ")
    }
    declared = set(typing.get_type_hints(cls)) - {field.name for field in fields(cls)}
    properties = {name for name in dir(cls) if isinstance(getattr(cls, name), property)}
    is_fitted = {
        name for name in declared | properties if name[1:].endswith("_") and name[0] != "_"
    }
    assert documented == is_fitted - {"transitions_"}
    assert set(typing.get_type_hints(Fitted)) <= documented


def suits(value, hint):
    """Whether a value is what a type says."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if alias := getattr(origin, "__value__", None):  # as npt.NDArray is from numpy 2.5 on
        return suits(value, alias[arguments])
    if hint is typing.Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(suits(value, one) for one in arguments)
    if origin is np.ndarray:
        (scalar,) = typing.get_args(arguments[1])
        scalar = typing.get_origin(scalar) or scalar
        return type(value) is np.ndarray and (
            scalar is typing.Any or np.issubdtype(value.dtype, scalar)
        )
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return isinstance(value, tuple) and all(suits(one, arguments[0]) for one in value)
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(map(suits, value, arguments))
        )
    if origin is list:
        return isinstance(value, list) and all(suits(one, arguments[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            suits(key, arguments[0]) and suits(one, arguments[1]) for key, one in value.items()
        )
    return value is None if hint is type(None) else isinstance(value, hint)


def test_what_suits():
    assert suits(np.zeros(2, np.float32), fastrnn.typing.Floats)
    assert not suits(np.zeros(2, int), fastrnn.typing.Floats)
    assert not suits([np.zeros(2)], fastrnn.typing.Doubles)
    assert suits([(1, "a")], list[tuple[int, str]])
    assert not suits([(1, 2)], list[tuple[int, str]])
    assert suits({"a": 1}, dict[str, int] | None)
    assert not suits({1: 1}, dict[str, int] | None)


X = np.random.default_rng(0).normal(size=(30, 8, 2)).astype(np.float32)
Y = np.array(["up", "down"])[(X[:, :, 0].sum(axis=1) > 0).astype(int)]
STEPS = [np.array(["a", "b"])[(x[:, 0] > 0).astype(int)] for x in X]
TWO = [steps[:2] for steps in STEPS]
TEXTS = ["abc", "bca", "cab"] * 10
SERIES = [float(k % 12) + k / 50 for k in range(96)]
ONCE = {"max_iter": 1, "random_state": 0, "n_iter_no_change": 1, "tol": 0.0}

CALLS = [
    (
        RNNClassifier(4, pooling="attention", bidirectional=False, **ONCE), (X, Y),
        {
            "predict": (X,), "predict_proba": (X,), "predict_log_proba": (X,), "score": (X, Y),
            "partial_fit": (X, Y), "attention_weights": (X,), "transform": (X,),
            "hidden_states": (X,), "gradient_flow": (X, Y), "input_gradients": (X,),
            "estimate_memory": (X, Y), "get_feature_names_out": (), "stream": (),
            "check_fitted": (), "check_parameters": (), "is_fitted": None,
        },
    ),
    (
        RNNRegressor(4, loss="quantile", quantile=(0.1, 0.5, 0.9), **ONCE), (X, X[:, 0, 0]),
        {"predict": (X,), "predict_quantiles": (X,), "score": (X, X[:, 0, 0])},
    ),
    (
        RNNTagger(4, output="crf", **ONCE), (X, STEPS),
        {
            "predict": (X,), "predict_proba": (X,), "predict_log_proba": (X,),
            "score": (X, STEPS), "score_samples": (X, STEPS), "partial_fit": (X, STEPS),
            "transitions_": None, "hidden_states": (X,),
        },
    ),
    (
        RNNSeq2Seq(4, **ONCE), (TEXTS, TEXTS),
        {
            "predict": (TEXTS,), "predict_nbest": (TEXTS[:3], 2), "score": (TEXTS, TEXTS),
            "attention_weights": (TEXTS,), "edit_error_rate": (TEXTS, TEXTS), "transform": (TEXTS,),
            "score_samples": (TEXTS, TEXTS), "gradient_flow": (TEXTS, TEXTS), "budget": None,
        },
    ),
    (
        RNNSeq2Seq(4, alignment="ctc", bidirectional=False, stride=1, conv=None, **ONCE),
        (X, TWO),
        {"predict": (X,), "predict_proba": (X,), "align": (X, TWO), "stream": ()},
    ),
    (
        RNNLanguageModel(4, **ONCE), (TEXTS,),
        {
            "score": (TEXTS,), "score_samples": (TEXTS,), "perplexity": (TEXTS,), "stream": (),
            "next_proba": ("a",), "sample": ("a", 2), "estimate_memory": (TEXTS,),
            "partial_fit": (TEXTS,),
        },
    ),
    (
        RNNForecaster(4, horizon=3, seasonality=12, **ONCE), (SERIES,),
        {
            "predict": (3,), "predict_quantiles": (3,), "score": ([1.0, 2.0],), "stream": (),
            "transform": (SERIES,), "hidden_states": (SERIES,), "gradient_flow": (SERIES,),
            "estimate_memory": (SERIES,), "partial_fit": (SERIES,),
            "fit_transform": (SERIES,),
        },
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("model", "data", "calls"), CALLS, ids=lambda value: type(value).__name__)
def test_answers_are_of_their_types(model, data, calls):
    assert model.fit(*data) is model
    hints = typing.get_type_hints(type(model))
    for name in (name for name in hints if name.endswith("_") and hasattr(model, name)):
        assert suits(getattr(model, name), hints[name]), name
    for name, arguments in calls.items():
        member = inspect.getattr_static(type(model), name)
        function = member.fget if isinstance(member, property) else getattr(type(model), name)
        answer = getattr(model, name)
        answer = answer if arguments is None else answer(*arguments)
        hint = typing.get_type_hints(inspect.unwrap(function))["return"]
        assert answer is model if hint is typing.Self else suits(answer, hint), name


@pytest.mark.parametrize("cls", [getattr(layers, name) for name in layers.__all__])
def test_layers_give_what_they_say(cls):
    layer = cls(2, 3, random_state=0)
    hint = typing.get_type_hints(cls.forward)["return"]
    assert suits(layer.forward(X, training=True), hint)
    assert suits(layer.backward(np.ones((30, 8, 3))), typing.get_type_hints(cls.backward)["return"])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_program_of_a_user_runs():
    """`.pre-commit-config.yaml` has it checked by mypy and pyright."""
    names = runpy.run_path(str(PROGRAM))
    for name in ("classify", "regress", "tag", "forecast", "tell", "run_layers"):
        hint = typing.get_type_hints(names[name])["return"]
        assert suits(names[name](), hint), name
