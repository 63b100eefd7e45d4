"""Measure what networks learn, over several seeds: Japanese Vowels, recall, adding, Reber grammar.

And sequences that an encoder and decoder are to tell again. Each seed draws new start weights, a
new order of minibatches and, where a task is generated, new data to learn from and to test on.
Japanese Vowels, and what is told again, are learned by the defaults, the first of many tokens with
the setting of `fastrnn demo`. With ``--cells`` every task is learned by each of these
cells in turn; all else stays as it was set for the task's own cell, but for ``--params``, such as
``'{"pooling": "mean"}'``.
"""

import json
import time
from statistics import mean

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier, RNNRegressor, RNNSeq2Seq, RNNTagger
from fastrnn.cli.demo import FIRST_TOKEN_RECALL, RECALL_LENGTH, RECALL_TOKENS
from fastrnn.datasets import (
    REBER_SYMBOLS,
    load_japanese_vowels,
    make_adding_problem,
    make_first_token_recall,
    make_reber,
)
from fastrnn.network.cells import CELLS

ADDING_LENGTH = 100
ADDING_PROBLEM = {
    "hidden_layer_sizes": 32,
    "cell": "lstm",
    "dropout": 0.0,
    "pooling": "last",
    "stride": 1,
    "conv": None,
    "scaling": None,
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "batch_size": 32,
    "max_iter": 10,
}

EMBEDDED_REBER = {
    "hidden_layer_sizes": 24,
    "cell": "lstm",
    "dropout": 0.0,
    "scaling": None,
    "learning_rate": "cosine",
    "learning_rate_init": 0.02,
    "batch_size": 20,
    "max_iter": 10,
}


def japanese_vowels(**params):
    """Return the test accuracy: 270 utterances to learn from, 370 to test, nine speakers."""
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    model = RNNClassifier(**params)
    return model.fit(X_train, y_train).score(X_test, y_test)


def first_token_recall(random_state, **params):
    """Return the test accuracy: 3200 sequences to learn from, 1000 to test, chance 0.1."""
    X, y = make_first_token_recall(4200, RECALL_LENGTH, RECALL_TOKENS, random_state=random_state)
    model = RNNClassifier(**(FIRST_TOKEN_RECALL | params), random_state=random_state)
    return model.fit(X[:3200], y[:3200]).score(X[3200:], y[3200:])


def adding_problem(random_state, **params):
    """Return the test error: 10000 sequences to learn from, 2000 to test, variance 1/6."""
    X, y = make_adding_problem(12000, ADDING_LENGTH, random_state=random_state)
    model = RNNRegressor(**(ADDING_PROBLEM | params), random_state=random_state)
    model.fit(X[:10000], y[:10000])
    return float(np.mean((model.predict(X[10000:]) - y[10000:]) ** 2))


def embedded_reber(random_state, **params):
    """Return how often exactly the symbols that may come next are probable (0.1) on 500 strings."""
    X, may_follow = make_reber(1500, embedded=True, random_state=random_state)
    y = [[REBER_SYMBOLS[k] for k in x[1:].argmax(axis=1)] + [None] for x in X]
    model = RNNTagger(**(EMBEDDED_REBER | params), random_state=random_state)
    model.fit(X[:1000], y[:1000])
    order = [REBER_SYMBOLS.index(symbol) for symbol in model.classes_]
    exact = [
        ((p > 0.1) == allowed[:, order]).all(axis=1)[:-1]
        for p, allowed in zip(model.predict_proba(X[1000:]), may_follow[1000:], strict=True)
    ]
    return float(np.mean(np.concatenate(exact)))


TOLD_LENGTH, TOLD_TOKENS = 30, 10


def tell_again(random_state, part, **params):
    """Return the share of 1000 sequences of tokens of which a part is told exactly, of 4000."""
    X, _ = make_first_token_recall(
        4000, TOLD_LENGTH, TOLD_TOKENS, one_hot=False, random_state=random_state
    )
    X = list(X)
    y = [x[part] for x in X]
    model = RNNSeq2Seq(categorical_features="all", random_state=random_state, **params)
    return model.fit(X[:3000], y[:3000]).score(X[3000:], y[3000:])


def copy(random_state, **params):
    """All tokens in their order."""
    return tell_again(random_state, slice(None), **params)


def reverse(random_state, **params):
    """All tokens, the last one first."""
    return tell_again(random_state, slice(None, None, -1), **params)


def first_token(random_state, **params):
    """The first token alone."""
    return tell_again(random_state, slice(1), **params)


# Name, function, cell, figure, the mean that is asked for.
TASKS = [
    ("Japanese Vowels", japanese_vowels, "gru", "accuracy", ">= 0.975"),
    (f"first of {RECALL_LENGTH} tokens", first_token_recall, "carry_lstm", "accuracy", ">= 0.99"),
    (f"adding, {ADDING_LENGTH} steps", adding_problem, "lstm", "squared error", "<= 0.005"),
    ("next symbols of the embedded Reber grammar", embedded_reber, "lstm", "accuracy", ">= 0.99"),
    (f"copy {TOLD_LENGTH} tokens", copy, "gru", "share that is all right", ">= 0.99"),
    (f"reverse {TOLD_LENGTH} tokens", reverse, "gru", "share that is all right", ">= 0.99"),
    (f"tell the first of {TOLD_LENGTH} tokens", first_token, "gru", "accuracy", ">= 0.99"),
]


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="number of fits for each task")
    names = [run.__name__ for _, run, *_ in TASKS]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, help="all if not given")
    parser.add_argument("--cells", nargs="+", choices=CELLS, help="instead of each task's own")
    parser.add_argument(
        "--params", type=json.loads, default={}, help="parameters of the models, as JSON"
    )
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    params = {"n_jobs": arguments.threads, **arguments.params}

    tables = []
    for task, run, own_cell, figure, asked in TASKS:
        if run.__name__ not in arguments.tasks:
            continue
        for cell in arguments.cells or [own_cell]:
            name = f"{task}, {cell}"
            results, seconds = [], []
            for seed in range(arguments.seeds):
                start = time.perf_counter()
                results.append(run(random_state=seed, cell=cell, **params))
                seconds.append(time.perf_counter() - start)
            tables.append({"task": name, "figure": figure, "results": results, "seconds": seconds})
            wanted = f", asked for {asked}" if cell == own_cell else ""
            print(f"\n{name}: mean test {figure} {mean(results):.5f}{wanted}")
            print("seeds:   " + " ".join(f"{result:8.5f}" for result in results))
            print("seconds: " + " ".join(f"{second:8.1f}" for second in seconds), flush=True)
    if arguments.json:
        save(arguments.json, machine=machine, tables=tables)


if __name__ == "__main__":
    main()
