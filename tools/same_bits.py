"""Show that nothing changed: train models of every kind with fixed seeds, and compare the bits.

    python tools/same_bits.py before.json            # on one commit
    python tools/same_bits.py after.json             # on another, on the same machine
    python tools/same_bits.py --compare before.json after.json

The first form trains some hundred small models (about a minute on one core) and writes a JSON
object with the SHA-256 of what each predicts ("… predictions", with its curves, states and streams)
and of its weights ("… weights"), and of the outputs and gradients of the layers. The last prints
how many are equal and which are not, and exits with 1 if any differs. ``--only TEXT`` trains the
cases with that in their names. It uses public names alone, so that it runs on many versions; its
cells are those of 0.1.0. Two runs on one commit are equal, since bits depend on processor, BLAS
and FASTRNN_LEVEL alone.
"""

import argparse
import hashlib
import itertools
import json
import os
import sys
import time
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its sums depend on the number of threads

import numpy as np

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger, layers

CELLS = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "gru before": {"cell": "gru", "reset_after": False},
    "rnn": {"cell": "rnn"},
    "rnn relu": {"cell": "rnn", "activation": "relu"},
    "carry_lstm": {"cell": "carry_lstm"},
    "carry_lstm tanh": {"cell": "carry_lstm", "candidate_activation": "tanh"},
}
DIRECTIONS = {"forward": {}, "both ways": {"bidirectional": True}}
SOLVERS = {
    "adam": {"solver": "adam"},
    "adamw": {"solver": "adamw", "alpha": 0.01},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "sgd plain": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "rmsprop": {"solver": "rmsprop"},
    "lbfgs": {"solver": "lbfgs", "max_iter": 4},
}
DTYPES = {dtype: {"dtype": dtype} for dtype in ("float32", "float64")}
THREADS = {"1 thread": {"n_jobs": 1}, "2 threads": {"n_jobs": 2}}
RATES = {
    rate: {"learning_rate": rate, "learning_rate_init": 0.02}
    for rate in ("constant", "invscaling", "adaptive", "cosine")
}
VARIANTS = {
    "plain": {},
    "stacked": {"hidden_layer_sizes": (6, 5, 3)},
    "dropout": {"hidden_layer_sizes": (5, 4), "dropout": 0.3},
    "recurrent dropout": {"hidden_layer_sizes": (5, 4), "recurrent_dropout": 0.3},
    "both dropouts": {"dropout": 0.2, "recurrent_dropout": 0.2},
    "truncated": {"bptt_steps": 3},
    "truncated dropout": {"bptt_steps": 2, "dropout": 0.2, "recurrent_dropout": 0.2},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25, "max_iter": 5},
    "no clipping": {"clip_norm": None, "alpha": 0.0},
    "clipping": {"clip_norm": 0.05},
    "one batch": {"batch_size": 200},
    "no shuffle": {"shuffle": False},
    "single unit": {"hidden_layer_sizes": 1},
    "odd sizes": {"hidden_layer_sizes": (17, 33)},
}
LARGE = {"hidden_layer_sizes": 96, "batch_size": 48, "max_iter": 2}
COMMON = {
    "hidden_layer_sizes": 6,
    "batch_size": 8,
    "max_iter": 3,
    "tol": 1e-9,
    "learning_rate_init": 0.02,
    "random_state": 11,
}
# What versions of different defaults are compared by; a version may lack some of it.
SIMPLE = {
    "cell": "lstm",
    "bidirectional": False,
    "dropout": 0.0,
    "learning_rate": "constant",
    "pooling": "last",
    "scaling": None,
    "stride": 1,
    "conv": None,
}
# The same of a forecaster.
SIMPLE_SERIES = {
    "cell": "lstm",
    "strategy": "recursive",
    "horizon": 1,
    "log": False,
    "scale_feature": False,
    "quantiles": None,
    "window": None,
    "origin_step": None,
    "learning_rate": "constant",
}
TEXT = "the cat sat on the mat, and the dog lay by the door. " * 6


def _sequences(n=26, width=3, low=2, high=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rng.integers(low, high), width)) for _ in range(n)]


X = _sequences()
LONG = _sequences(n=64, width=4, low=20, high=40, seed=1)
IDS = [[[(3 * i + t) % 7, (i + 5 * t) % 4] for t in range(len(x))] for i, x in enumerate(X)]
MIXED = [np.column_stack([x, np.array(ids)]) for x, ids in zip(X, IDS, strict=True)]
TABLE = np.random.default_rng(2).standard_normal((24, 9))


def _labels(xs):
    return np.array(["abc"[int(np.abs(x).sum() * 10) % 3] for x in xs])


def _numbers(xs):
    return np.array([x.sum() + len(x) for x in xs])


def _tags(xs):
    return [np.digitize(x[:, 0], [-0.5, 0.5]) for x in xs]


def _weights(xs):
    return np.array([0.5 + 0.1 * (len(x) % 4) for x in xs])


SERIES = [
    30 + 0.2 * np.arange(n) + 5 * np.sin(np.arange(n) * np.pi / 3 + n) + x
    for n, x in ((n, np.random.default_rng(n).standard_normal(n)) for n in (40, 52, 33, 47))
]
GAPS = [np.where(np.arange(len(s)) % 9 == 4, np.nan, s) for s in SERIES]
FUTURE = [
    np.column_stack([np.arange(len(s) + 6) % 3, np.cos(np.arange(len(s) + 6))]) for s in SERIES
]
PAST = [np.sin(np.arange(len(s)) * 0.3) for s in SERIES]


def product(*tables):
    """Yield every combination of named options, as one name and one dict."""
    for entries in itertools.product(*(table.items() for table in tables)):
        names = (name for name, _ in entries)
        yield ", ".join(names), {k: v for _, options in entries for k, v in options.items()}


def cases():
    """Yield the name of each case and a function that returns arrays and weights."""
    yield from _classifier_cases()
    yield from _regressor_cases()
    yield from _tagger_cases()
    yield from _forecaster_cases()
    yield from _language_model_cases()
    for name, options in product(CELLS, DIRECTIONS, DTYPES):
        for n_jobs in (1, 2):
            yield f"layer: {name}, n_jobs={n_jobs}", lambda o=options, n=n_jobs: _layer(o, n)


def _simple(cls):
    simple = SIMPLE_SERIES if cls is RNNForecaster else SIMPLE
    return {name: simple[name] for name in simple.keys() & cls().get_params()}


def _case(kind, name, cls, options, *data, ask, **fit):
    def run():
        parameters = {**_simple(cls), **COMMON, **options}
        if parameters.get("solver") == "lbfgs":  # 0.1.0 refuses what this does not use
            del parameters["batch_size"], parameters["learning_rate_init"]
        model = cls(**parameters).fit(*data, **fit)
        return [*_curves(model), *ask(model)], model.network_.theta

    return f"{kind}: {name}", run


def _curves(model):
    curves = [model.loss_curve_, model.gradient_norms_, model.validation_scores_ or []]
    return [np.array(curve) for curve in curves]


def _stream(model, xs):
    if model.bidirectional:
        return []
    stream = model.stream()
    return [np.asarray(stream.step(x)).copy() for x in xs]


def _classifier_cases():
    def ask(model, xs=X):
        return [
            model.predict_proba(xs),
            model.predict(xs),
            model.transform(xs),
            *_stream(model, xs[0]),
        ]

    y = _labels(X)
    for name, options in product(CELLS, DIRECTIONS, SOLVERS, DTYPES):
        yield _case("classifier", name, RNNClassifier, options, X, y, ask=ask)
    for name, options in product(CELLS, DIRECTIONS, VARIANTS, THREADS):
        yield _case("classifier", name, RNNClassifier, options, X, y, ask=ask)
    for name, options in product(RATES, {"adam": {}, "sgd": {"solver": "sgd"}}):
        more = {**options, "max_iter": 8, "n_iter_no_change": 2, "tol": 0.01}
        yield _case("classifier", name, RNNClassifier, more, X, y, ask=ask)
    weighted = {
        "class weights": ({"class_weight": {"a": 3.0}}, {}),
        "balanced": ({"class_weight": "balanced"}, {}),
        "sample weights": ({}, {"sample_weight": _weights(X)}),
        "validation data": ({"early_stopping": True}, {"validation_data": (X[:9], y[:9])}),
    }
    for name, (options, fit) in weighted.items():
        yield _case("classifier", name, RNNClassifier, options, X, y, ask=ask, **fit)
    many = np.array(
        [[label in "ab", label in "bc", len(x) > 6] for label, x in zip(y, X, strict=True)]
    )
    for name, options in product(CELLS, DIRECTIONS):
        labels = many.astype(int)
        yield _case("classifier", f"label sets, {name}", RNNClassifier, options, X, labels, ask=ask)
        ids, mixed = {"embedding_dim": (3, 2)}, {"categorical_features": [3, 4]}

        def ask_ids(model, xs=IDS):
            return [model.predict_proba(xs)]

        def ask_mixed(model, xs=MIXED):
            return [model.predict_proba(xs), model.transform(xs)]

        yield _case("classifier", f"ids, {name}", RNNClassifier, options | ids, IDS, y, ask=ask_ids)
        options = options | mixed
        yield _case("classifier", f"mixed, {name}", RNNClassifier, options, MIXED, y, ask=ask_mixed)
    for name, options in product(CELLS, DIRECTIONS, THREADS):
        options = {**LARGE, **options}
        y_long = _labels(LONG)
        yield _case(
            "classifier", f"large, {name}", RNNClassifier, options, LONG, y_long,
            ask=lambda model: [model.predict_proba(LONG)],
        )  # fmt: skip
    yield "classifier: partial_fit and warm start", _go_on


def _go_on():
    y, out = _labels(X), []
    model = RNNClassifier(**_simple(RNNClassifier), **COMMON)
    for _ in range(3):
        model.partial_fit(X, y, classes=["a", "b", "c"])
        out.append(model.predict_proba(X))
    model.set_params(warm_start=True, solver="adamw", dropout=0.2).fit(X, y)
    return [*out, model.predict_proba(X), *_curves(model)], model.network_.theta


def _regressor_cases():
    y = _numbers(X)
    poolings = {pooling: {"pooling": pooling} for pooling in ("last", "mean", "max")}
    cuts = {"whole": {}, "truncated": {"bptt_steps": 3}}

    def ask(model, xs=X):
        return [model.predict(xs), *model.hidden_states(xs), *_stream(model, xs[0])]

    for name, options in product(CELLS, DIRECTIONS, poolings, cuts):
        yield _case("regressor", name, RNNRegressor, options, X, y, ask=ask)
    for name, options in product(CELLS, DIRECTIONS, DTYPES):
        both = np.column_stack([y, y**2])
        yield _case("regressor", f"two outputs, {name}", RNNRegressor, options, X, both, ask=ask)
    for name, options in product(CELLS, SOLVERS):
        yield _case(
            "regressor", f"table, {name}", RNNRegressor, options, TABLE, TABLE.sum(axis=1),
            ask=lambda model: [model.predict(TABLE)],
        )  # fmt: skip
    for name, options in product(VARIANTS, THREADS):
        yield _case("regressor", name, RNNRegressor, options, X, y, ask=ask)

    def ask_gradients(model, xs=X):
        return model.input_gradients(xs)

    for name, options in product(CELLS, DIRECTIONS):
        yield _case(
            "regressor", f"gradients, {name}", RNNRegressor, options, X, y, ask=ask_gradients
        )


def _tagger_cases():
    def ask(model, xs=X):
        return [*model.predict_proba(xs), *model.predict(xs), *_stream(model, xs[0])]

    y = _tags(X)
    for name, options in product(CELLS, DIRECTIONS, VARIANTS):
        yield _case("tagger", name, RNNTagger, options, X, y, ask=ask)
    for name, options in product(SOLVERS, DTYPES, THREADS):
        yield _case("tagger", name, RNNTagger, options, X, y, ask=ask)
    options = {"class_weight": {0: 2.0}}
    weight = [np.where(x[:, 1] > 1, 0.0, 1.5) for x in X]
    yield _case("tagger", "weights", RNNTagger, options, X, y, ask=ask, sample_weight=weight)
    for name, options in product(CELLS, THREADS):
        yield _case(
            "tagger", f"large, {name}", RNNTagger, {**LARGE, **options}, LONG, _tags(LONG),
            ask=lambda model: model.predict_proba(LONG),
        )  # fmt: skip


def _forecaster_cases():
    direct = {"strategy": "direct", "horizon": 4}
    kinds = {
        "recursive": {},
        "direct": direct,
        "quantiles": {**direct, "quantiles": (0.1, 0.5, 0.9)},
        "season": {"seasonality": 6},
        "log season": {**direct, "log": True, "seasonality": 6, "quantiles": (0.2, 0.5)},
        "windows": {"window": 16},
        "early stopping": {"early_stopping": True, "max_iter": 5},
        **{f"scaling {s}": {"scaling": s} for s in ("difference", "standard", "level", None)},
        "dropout": {"dropout": 0.2, "recurrent_dropout": 0.1, "bptt_steps": 7},
    }

    def ask(model, **covariates):
        out = [*model.predict(4, **covariates)]
        if model.quantiles is not None:
            out += [np.asarray(q) for q in model.predict_quantiles(4, **covariates)]
        return out

    for name, options in product(CELLS, kinds):
        yield _case("forecaster", name, RNNForecaster, options, SERIES, ask=ask)
    for name, options in product(SOLVERS, DTYPES, THREADS):
        yield _case("forecaster", name, RNNForecaster, options, SERIES, ask=ask)
    for name, options in product(CELLS, {"recursive": {}, "direct": direct}):
        options = {**options, "missing": "mask", "seasonality": 6}
        yield _case("forecaster", f"gaps, {name}", RNNForecaster, options, GAPS, ask=ask)
    for name, options in product(CELLS, {"numbers": {}, "ids": {"categorical_features": [0]}}):
        known = {"future_covariates": FUTURE}
        yield _case(
            "forecaster", f"known, {name}", RNNForecaster, options, SERIES, ask=ask, **known
        )
        known["past_covariates"] = PAST
        options = {**options, **direct}
        yield _case("forecaster", f"both, {name}", RNNForecaster, options, SERIES, ask=ask, **known)


def _language_model_cases():
    def ask(model):
        text = model.sample("the ", 12, random_state=3)
        stream = model.stream()
        steps = [stream.step(token).copy() for token in "the cat"]
        return [model.next_proba("the c"), np.array([model.score(TEXT)]), np.array([text]), *steps]

    kinds = {"one text": {}, "tied": {"tie_weights": True}, "whole": {"bptt_steps": None}}
    for name, options in product(CELLS, kinds, THREADS):
        yield _case("language model", name, RNNLanguageModel, options, TEXT, ask=ask)
    texts = [part + "." for part in TEXT.split(".")] * 4
    for name, options in product(CELLS, {"plain": {}, "early": {"early_stopping": True}}):
        yield _case("language model", f"texts, {name}", RNNLanguageModel, options, texts, ask=ask)
    solvers = {name: options for name, options in SOLVERS.items() if name != "lbfgs"}
    for name, options in product(solvers, DTYPES):
        yield _case("language model", name, RNNLanguageModel, options, TEXT, ask=ask)
    words = {"tokenizer": "word", "min_freq": 2, "dropout": 0.2, "recurrent_dropout": 0.2}
    yield _case(
        "language model", "words", RNNLanguageModel, words, TEXT,
        ask=lambda model: [model.next_proba("the cat")],
    )  # fmt: skip
    ids = [[row[0] for row in rows] for rows in IDS]
    yield _case(
        "language model", "ids", RNNLanguageModel, {}, ids,
        ask=lambda model: [model.next_proba([1, 2])],
    )  # fmt: skip


def _layer(options, n_jobs):
    options = dict(options)
    cls = {
        "lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.RNN, "carry_lstm": layers.CarryLSTM
    }[options.pop("cell")]  # fmt: skip
    layer = cls(5, 19, random_state=3, **options)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((13, 40, 5)).astype(layer.dtype)
    lengths = rng.integers(1, 14, 40)
    lengths[0] = 13
    y, state = layer.forward(x, lengths, training=True, n_jobs=n_jobs)
    dy = rng.standard_normal(y.shape).astype(layer.dtype)
    dx, dinitial_state = layer.backward(dy)
    grads = [layer.grads[name] for name in sorted(layer.grads)]
    return [y, *state, dx, *dinitial_state, *grads], np.empty(0)


def digest(arrays):
    """SHA-256 of arrays, with their dtypes and shapes."""
    checksum = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        checksum.update(f"{array.dtype} {array.shape} ".encode())
        checksum.update(array.tobytes())
    return checksum.hexdigest()


def compare(before, after):
    """Print which entries of two results differ; return how many do, or are in one alone."""
    names = before.keys() | after.keys()
    different = sorted(name for name in names if before.get(name) != after.get(name))
    for name in different:
        reason = "differs" if name in before and name in after else "is in one file only"
        print(f"{name}: {reason}")
    print(f"{len(names) - len(different)} equal, {len(different)} different")
    return len(different)


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="*", help="where the result goes; with --compare the two")
    parser.add_argument("--compare", action="store_true", help="compare two results")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has this")
    options = parser.parse_args()
    if len(options.file) != 1 + options.compare:
        parser.error("one file is needed, or two with --compare")
    if options.compare:
        results = []
        for path in options.file:
            with open(path, encoding="utf-8") as file:
                results.append(json.load(file))
        sys.exit(compare(*results) > 0)
    warnings.simplefilter("ignore")  # trainings as short as these do not converge
    start, result = time.perf_counter(), {}
    for name, run in cases():
        if options.only in name:
            try:
                arrays, theta = run()
            except Exception as error:
                error.add_note(f"in the case {name!r}")
                raise
            assert f"{name} predictions" not in result, name
            result[f"{name} predictions"] = digest(arrays)
            if len(theta):
                result[f"{name} weights"] = digest([theta])
    with open(options.file[0], "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(f"{len(result)} results in {time.perf_counter() - start:.0f} s: {options.file[0]}")


if __name__ == "__main__":
    main()
