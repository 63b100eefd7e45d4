"""What a model does depends on what it was fitted with, not on parameters changed later."""

import dataclasses
import pickle
import warnings
from functools import cache

import numpy as np
import pytest
from small_problems import CHANGED

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger

OTHER = {
    **CHANGED,
    "hidden_layer_sizes": (4, 2),
    "cell": "carry_lstm",
    "stride": 3,
    "loss": "poisson",
    "likelihood": "student_t",
    "quantile": 0.25,
    "conv": ((3, 3, 1),),
    "bidirectional": True,
    "embedding_dim": 5,
    "categorical_features": [0],
    "solver": "lbfgs",
    "dropout": 0.25,
    "alpha": 0.5,
    "learning_rate": "invscaling",
    "max_iter": 1,
    "random_state": 7,
    "tol": 0.5,
    "verbose": True,
    "warm_start": True,
    "dtype": "float64",
    "precision": "auto",
    "n_jobs": 2,
    "pooling": "mean",
    "padding": "nan",
    "time_feature": 0,
    "class_weight": {"b": 7.0},
    "output": "crf",
    "constraints": "bio",
    "strategy": "recursive",
    "horizon": 3,
    "scaling": "standard",
    "log": True,
    "seasonality": 4,
    "quantiles": (0.5,),
    "missing": "error",
    "freq": "W",
    "calendar_features": ("weekday",),
    "holidays": ("2024-12-25",),
    "window": 3,
    "origin_step": 4,
    "scale_feature": False,
    "lags": 2,
    "calibrate": "cv",
    "tokenizer": "char",
    "normalization": "NFC",
    "lowercase": True,
    "min_freq": 3,
    "max_features": 1,
    "tie_weights": True,
}
"""Values that no model here was fitted with."""

X = [np.sin(np.arange(2.0 * n)).reshape(n, 2) for n in (4, 2, 3, 5, 2, 4)]
LABELS = ["a", "b", "a", "b", "b", "a"]
STEP_LABELS = [[label] * (len(x) - 1) + ["b"] for label, x in zip(LABELS, X, strict=True)]
NUMBERS = [0.5, 1.0, -1.0, 2.0, 0.0, 3.0]
SERIES = [np.cumsum(np.sin(np.arange(n) ** 2)) + 9 for n in (12, 15)]
GAPS = [np.where(np.arange(len(part)) == 5, np.nan, part) for part in SERIES]
TEXTS = ["The cat sat", "on the mat The cat", "sat"]


def look_into(model, given, target):
    """Return what every estimator can tell of sequences."""
    flow = model.gradient_flow(given, target)
    return {
        "transform": model.transform(given),
        "hidden_states": model.hidden_states(given),
        "gradient_flow": (flow.norms, flow.weight),
        "names": model.get_feature_names_out(),
    }


def look_at_sequences(model, y):
    """Return what models of sequences can do."""
    done = {
        "predict": model.predict(X),
        "score": model.score(X, y, sample_weight=[1, 2, 3, 1, 2, 1]),
        "input_gradients": model.input_gradients(X, y),
        **look_into(model, X, y),
    }
    if not isinstance(model, RNNRegressor):
        done["predict_proba"] = model.predict_proba(X)
        done["predict_log_proba"] = model.predict_log_proba(X)
    stream = model.stream(2)
    done["stream"] = [stream.step(np.full((2, 2), 0.1 * t)) for t in range(3)]
    return done


def look_at_forecaster(model, _):
    """Return what a forecaster can do."""
    horizon = 2
    stream = model.stream()
    done = {
        "predict": model.predict(horizon),
        "predict others": model.predict(horizon, GAPS),
        "score": model.score([part[:2] for part in GAPS]),
        "score of gaps": model.score([np.array([9.0, np.nan])] * 2),
        "backtest": [part.tolist() for part in model.backtest(SERIES, horizon).values()],
        "stream": [stream.step([9.0, 8.5]) for _ in range(2)],
        "input_gradients": model.input_gradients(GAPS, output=1),
        **look_into(model, GAPS, None),
    }
    done["quantiles"] = model.predict_quantiles(horizon, levels=[0.3, 0.5])
    return done


def look_at_language_model(model, _):
    """Return what a language model can do."""
    stream = model.stream()
    return {
        "score": model.score(TEXTS, sample_weight=[1, 2, 3]),
        "perplexity": model.perplexity(TEXTS),
        "next_proba": model.next_proba("The cat"),
        "sample": model.sample("The", 5, random_state=0),
        "stream": [stream.step("cat"), stream.step("sat")],
        **look_into(model, TEXTS, None),
    }


FITTED = {"max_iter": 2, "random_state": 0, "cell": "gru", "batch_size": 3, "bidirectional": False}
MODELS = {
    RNNClassifier: ({"class_weight": {"a": 2.0}}, (X, LABELS), LABELS, look_at_sequences),
    RNNRegressor: ({}, (X, NUMBERS), NUMBERS, look_at_sequences),
    RNNTagger: ({}, (X, STEP_LABELS), STEP_LABELS, look_at_sequences),
    RNNForecaster: (
        {"strategy": "direct", "horizon": 2, "quantiles": (0.2, 0.5), "missing": "mask"},
        (GAPS,),
        None,
        look_at_forecaster,
    ),
    RNNLanguageModel: ({"tokenizer": "word"}, (TEXTS,), None, look_at_language_model),
}
CASES = [
    pytest.param(estimator, field.name, id=f"{estimator.__name__}-{field.name}")
    for estimator in MODELS
    for field in dataclasses.fields(estimator)
]


@cache
def fit(estimator):
    """Return a fitted model, pickled, and what it does, pickled too."""
    params, data, target, look = MODELS[estimator]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = estimator(3, **{**FITTED, **params}).fit(*data)
    return pickle.dumps(model), bits(look(model, target))


def bits(values):
    """Return values as bytes, arrays of objects and all."""
    if isinstance(values, dict):
        return {name: bits(value) for name, value in values.items()}
    array = None if isinstance(values, list | tuple) else np.asarray(values)
    if array is None or array.dtype.kind == "O":
        return [bits(value) for value in values]
    return (array.dtype.str, array.shape, array.tobytes())


OF_SEQUENCES = {"missing": "mask", "scaling": "robust"}


def another(estimator, name):
    """A value that the parameter did not have in `fit`."""
    if name in OF_SEQUENCES and estimator is not fastrnn.RNNForecaster:
        return OF_SEQUENCES[name]
    return OTHER[name]


def changed(estimator, name, value):
    """Return the fitted model with another value of a parameter, what it should do, and does."""
    pickled, expected = fit(estimator)
    model = pickle.loads(pickled)
    assert getattr(model, name) != value
    model.set_params(**{name: value})
    return model, expected


@pytest.mark.parametrize(("estimator", "name"), CASES)
def test_another_value_changes_nothing(estimator, name, tmp_path):
    *_, target, look = MODELS[estimator]
    model, expected = changed(estimator, name, another(estimator, name))
    # As a copy: models that are not copied are asked below, with values that are wrong.
    assert bits(look(pickle.loads(pickle.dumps(model)), target)) == expected
    try:
        model.check_parameters()
    except ValueError:  # one that this estimator does not take, such as lbfgs of texts
        with pytest.raises(ValueError):
            model.save(tmp_path / "model")
        assert not [*tmp_path.iterdir()]
    else:
        model.save(tmp_path / "model")
        again = fastrnn.load(tmp_path / "model")
        assert getattr(again, name) == another(estimator, name)
        assert bits(look(again, target)) == expected


# n_jobs, with which models work later too, is checked then.
@pytest.mark.parametrize(
    ("estimator", "name"), [case for case in CASES if case.values[1] != "n_jobs"]
)
def test_a_wrong_value_changes_nothing(estimator, name):
    *_, target, look = MODELS[estimator]
    model, expected = changed(estimator, name, "nonsense")
    assert bits(look(model, target)) == expected


@pytest.mark.parametrize("value", ["nonsense", -5, {"no": 1}])
@pytest.mark.parametrize("estimator", MODELS)
def test_wrong_values_of_all_change_nothing(estimator, value):
    *_, target, look = MODELS[estimator]
    pickled, expected = fit(estimator)
    model = pickle.loads(pickled)
    names = {field.name for field in dataclasses.fields(estimator)} - {"n_jobs"}
    model.set_params(**dict.fromkeys(names, value))
    assert bits(look(model, target)) == expected
