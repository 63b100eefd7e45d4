"""Measure what the default constructors learn, beside what users would pick instead.

Classification and regression of whole sequences, on the sets of `archives`: accuracy, or the root
of the mean squared error, on the test part, with a new random state for each seed, and how long
`fit` takes. The others are the majority (or the mean), ridge on the values one after the other, the
nearest neighbour by dynamic time warping, and MiniRocket; the last two are aeon's. ``--folds 3``
never looks at the test parts: settings are chosen so, on the sets to choose. ``--members 5`` takes
the mean of the answers of five models each time, by scikit-learn's VotingClassifier.
"""

import itertools
import json
import time
import warnings
from statistics import mean

import numpy as np
from archives import Parts, load, load_numbers, sets_to_choose, sets_to_report
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier, RNNRegressor

NUMBERS = ("Tecator", "Covid3Month")
DTW_WINDOW = 0.1  # of the length: how far apart steps may be that are compared
MOST_CELLS = 2e11  # that the tables of all comparisons may have


def ours(parts, seed, params, n_members=1):
    """Return the test score of the default constructor, and the seconds of fit.

    Of several members the answers have a mean; each seed then stands for as many.
    """
    is_class = parts.y.dtype.kind != "f"
    estimator = RNNClassifier if is_class else RNNRegressor
    gaps = {"missing": "mask"} if _has_gaps(parts) else {}
    seeds = range(seed * n_members, (seed + 1) * n_members)
    members = [(f"seed {k}", estimator(random_state=k, **(gaps | params))) for k in seeds]
    model = members[0][1] if n_members == 1 else _vote(members, is_class)
    start = time.perf_counter()
    model.fit(parts.X, parts.y)
    seconds = time.perf_counter() - start
    return _score(parts.y_test, model.predict(parts.X_test)), seconds


def _vote(members, is_class):
    from sklearn.ensemble import VotingClassifier, VotingRegressor

    return VotingClassifier(members, voting="soft") if is_class else VotingRegressor(members)


def constant(parts):
    """Return the score of the commonest answer, or of the mean."""
    if parts.y.dtype.kind == "f":
        return _score(parts.y_test, np.full(len(parts.y_test), parts.y.mean()))
    labels, counts = np.unique(parts.y, return_counts=True)
    return _score(parts.y_test, np.full(len(parts.y_test), labels[counts.argmax()]))


def ridge(parts):
    """Return the score of ridge on all values of a sequence, as long as the longest."""
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = RidgeCV if parts.y.dtype.kind == "f" else RidgeClassifierCV
    model = make_pipeline(StandardScaler(), kind(alphas=np.logspace(-3, 3, 10)))
    X, X_test = (table.reshape(len(table), -1) for table in _tables(parts))
    return _score(parts.y_test, model.fit(X, parts.y).predict(X_test))


def nearest(parts):
    """Return the score of the nearest neighbour by dynamic time warping; None if it takes long."""
    from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier
    from aeon.regression.distance_based import KNeighborsTimeSeriesRegressor

    n_cells = len(parts.X) * len(parts.X_test) * max(map(len, parts.X)) ** 2 * DTW_WINDOW
    if n_cells > MOST_CELLS:
        return None
    is_class = parts.y.dtype.kind != "f"
    kind = KNeighborsTimeSeriesClassifier if is_class else KNeighborsTimeSeriesRegressor
    model = kind(n_neighbors=1, distance="dtw", distance_params={"window": DTW_WINDOW})
    X, X_test = ([x.T for x in _without_gaps(sequences)] for sequences in (parts.X, parts.X_test))
    if len({x.shape for x in (*X, *X_test)}) == 1:
        X, X_test = np.stack(X), np.stack(X_test)
    return _score(parts.y_test, model.fit(X, parts.y).predict(X_test))


def rocket(parts):
    """Return the score of MiniRocket with ridge, of sequences filled up with zeros."""
    from aeon.classification.convolution_based import MiniRocketClassifier
    from aeon.regression.convolution_based import MiniRocketRegressor

    kind = MiniRocketRegressor if parts.y.dtype.kind == "f" else MiniRocketClassifier
    X, X_test = (table.transpose(0, 2, 1) for table in _tables(parts))
    return _score(parts.y_test, kind(random_state=0).fit(X, parts.y).predict(X_test))


OTHERS = {"constant": constant, "ridge": ridge, "1-NN DTW": nearest, "MiniRocket": rocket}


def _has_gaps(parts):
    return any(np.isnan(x).any() for x in (*parts.X, *parts.X_test))


def _without_gaps(sequences):
    """Sequences with the last value in the place of a gap; 0 before there is any."""
    filled = []
    for x in sequences:
        last = np.maximum.accumulate(np.where(np.isnan(x), -1, np.arange(len(x))[:, None]), axis=0)
        filled.append(np.where(last < 0, 0.0, np.take_along_axis(x, np.maximum(last, 0), axis=0)))
    return filled


def _tables(parts, least=9):
    """Arrays (n, T, D) with zeros beyond the ends; T is 9 or more, as MiniRocket wants."""
    T = max(least, *(len(x) for x in (*parts.X, *parts.X_test)))
    return [
        np.stack([np.pad(x, ((0, T - len(x)), (0, 0))) for x in _without_gaps(sequences)])
        for sequences in (parts.X, parts.X_test)
    ]


def _score(y, answers):
    """Accuracy of classes; of numbers the root of the mean squared error."""
    if y.dtype.kind == "f":
        return float(np.sqrt(np.mean((answers - y) ** 2)))
    return float(np.mean(answers == y))


def folds_of(parts, n_folds):
    """Return the training part as so many parts, each with another share of it for its test."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if parts.y.dtype.kind == "f" else StratifiedKFold
    splits = kind(n_folds, shuffle=True, random_state=0).split(np.zeros(len(parts.y)), parts.y)
    X, y = parts.X, parts.y
    return [
        Parts([X[i] for i in train], y[train], [X[i] for i in held], y[held])
        for train, held in splits
    ]


def measure(name, arguments):
    """Return a row of the table: the scores of a set."""
    parts = load_numbers(name) if name in NUMBERS else load(name)
    every = folds_of(parts, arguments.folds) if arguments.folds else [parts]
    row = {"set": name, "training": len(parts.X), "classes": len(np.unique(parts.y))}
    row["steps"] = float(np.median([len(x) for x in parts.X]))
    row["deviation"] = float(np.std(parts.y_test)) if name in NUMBERS else None
    runs = itertools.product(every, range(arguments.seeds))
    found = [ours(part, seed, arguments.params, arguments.members) for part, seed in runs]
    row["fastrnn"], row["seconds"] = ([pair[k] for pair in found] for k in (0, 1))
    for other in arguments.others:
        scores = [OTHERS[other](part) for part in every]
        row[other] = None if None in scores else mean(scores)
    shown = "  ".join(f"{key} {row[key]:.3f}" for key in arguments.others if row[key] is not None)
    own = f"{mean(row['fastrnn']):.3f} {mean(row['seconds']):6.1f} s"
    print(f"{name:28} {own}  {shown}", flush=True)
    return row


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits for each figure")
    parser.add_argument("--members", type=int, default=1, help="number of models for each fit")
    parser.add_argument("--folds", type=int, help="cross-validate on the training parts instead")
    parser.add_argument("--sets", nargs="+", help='names, "choose" (default), "report", "numbers"')
    parser.add_argument(
        "--others", nargs="*", choices=OTHERS, default=list(OTHERS), help="beside ours"
    )
    parser.add_argument(
        "--params", type=json.loads, default={}, help="parameters of the models, as JSON"
    )
    arguments = parser.parse_args()
    machine = begin(arguments, ["scikit-learn", "aeon"])
    known = {"choose": sets_to_choose, "report": sets_to_report, "numbers": lambda: NUMBERS}
    names = []
    for name in arguments.sets or ["choose"]:
        names += known[name]() if name in known else [name]
    if arguments.quick:
        arguments.seeds, arguments.params = 1, arguments.params | {"max_iter": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small classes in folds, and of few epochs
        rows = [measure(name, arguments) for name in names]
    classes = [row for row in rows if row["set"] not in NUMBERS]
    if classes:
        means = {key: [row[key] for row in classes] for key in arguments.others}
        means = {key: mean(row) for key, row in means.items() if None not in row}
        means["fastrnn"] = mean(mean(row["fastrnn"]) for row in classes)
        print("mean accuracy: " + "  ".join(f"{key} {value:.4f}" for key, value in means.items()))
    if arguments.json:
        found = {"rows": rows, "params": arguments.params, "members": arguments.members}
        save(arguments.json, machine=machine, **found)


if __name__ == "__main__":
    main()
