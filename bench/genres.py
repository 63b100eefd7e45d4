"""Tell the genre of a paragraph of the Brown corpus, beside TF-IDF and logistic regression.

The corpus (500 texts, 15 genres, 15 667 paragraphs) is downloaded once, see brown.py. Every fifth
text is for testing, so that no paragraph of a test text is among those to learn from. Both models
read the same words, signs included, in lower case: the network their ids in order, the regression
which of them occur how often. Words that occur once are unknown to the network; the regression
leaves out those of one paragraph only.

The settings were chosen without the test texts: `--validate` fits every candidate below on four
fifths of the other texts and scores it on the fifth that is left. Seconds are those of `fit`, from
strings on. The network is fitted once for each seed; the others have nothing random.
"""

import importlib.util
import time
import warnings
from pathlib import Path
from statistics import mean

from brown import Unavailable, download, read_texts
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier
from fastrnn.preprocessing import TokenEncoder

NETWORK = {
    "hidden_layer_sizes": 128,
    "cell": "gru",
    "bidirectional": True,
    "pooling": "mean",
    "embedding_dim": 100,
    "dropout": 0.7,
    "recurrent_dropout": 0.0,
    "alpha": 0.0001,
    "batch_size": 32,
    "learning_rate": "cosine",
    "learning_rate_init": 0.008,
    "max_iter": 3,
    "clip_norm": 1.0,
}
REGRESSION = {"C": 100, "sublinear_tf": False, "ngrams": 2}

# What was tried: each differs from the setting above in what it names.
SMALLER = {"hidden_layer_sizes": 64, "dropout": 0.5, "learning_rate_init": 0.004}
NETWORKS = [
    {},
    SMALLER,
    *(SMALLER | {"max_iter": epochs} for epochs in (2, 4, 8)),
    SMALLER | {"max_iter": 4, "cell": "lstm"},
    SMALLER | {"max_iter": 4, "pooling": "max"},
    SMALLER | {"max_iter": 2, "learning_rate_init": 0.01},
    SMALLER | {"learning_rate_init": 0.002, "alpha": 0.1},
    SMALLER | {"max_iter": 2, "pooling": "max"},
    SMALLER | {"max_iter": 2, "pooling": "max", "batch_size": 16},
    SMALLER | {"max_iter": 2, "pooling": "max", "hidden_layer_sizes": 128},
    SMALLER | {"max_iter": 2, "pooling": "max", "learning_rate_init": 0.002},
    SMALLER | {"pooling": "max", "learning_rate_init": 0.002, "recurrent_dropout": 0.5},
]
REGRESSIONS = [
    {"C": C, "sublinear_tf": sublinear_tf, "ngrams": ngrams}
    for ngrams in (1, 2)
    for sublinear_tf in (False, True)
    for C in (1, 10, 100)
]


def make_network(threads, seed=0, **setting):
    """Return a pipeline from strings to genres: ids of the words, and a network that reads them."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TokenEncoder(str.split, lowercase=True, min_freq=2),
        RNNClassifier(**NETWORK | setting, n_jobs=threads, random_state=seed),
    )


def make_regression(**setting):
    """Return a pipeline from strings to genres: TF-IDF of words or pairs, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    setting = REGRESSION | setting
    return make_pipeline(
        TfidfVectorizer(
            token_pattern=r"\S+",
            min_df=2,
            ngram_range=(1, setting["ngrams"]),
            sublinear_tf=setting["sublinear_tf"],
        ),
        LogisticRegression(C=setting["C"], max_iter=1000),
    )


def make_baseline():
    """Return what answers the most frequent genre."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier()


def read(folder, n_texts, validate=False):
    """Return (paragraphs, genres) to learn from and to score, paragraphs as strings.

    Every fifth text is to score; to `validate`, the one before it is, and it itself is left out.
    """
    parts = ([], []), ([], [])
    for number, (genre, paragraphs) in enumerate(read_texts(folder, n_texts)):
        if validate and number % 5 == 4:
            continue
        strings, genres = parts[number % 5 == (3 if validate else 4)]
        for paragraph in paragraphs:
            strings.append(" ".join(word for sentence in paragraph for word, _ in sentence))
            genres.append(genre)
    return parts


def measure(name, model, train, test):
    """Fit and score a model, print and return accuracy, macro F1 and seconds."""
    from sklearn.metrics import accuracy_score, f1_score

    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number of epochs is fixed, converged or not
        model.fit(*train)
    seconds = time.perf_counter() - start
    predicted = model.predict(test[0])
    accuracy = float(accuracy_score(test[1], predicted))
    f1 = float(f1_score(test[1], predicted, average="macro"))
    print_row(name, accuracy, f1, seconds)
    return {"accuracy": accuracy, "macro F1": f1, "seconds": seconds}


def print_row(name, accuracy, f1, seconds):
    """Print a row of the table."""
    print(f"{name:44} {accuracy:8.3f} {f1:8.3f} {seconds:8.1f}", flush=True)


def compare(train, test, arguments):
    """Measure the chosen settings on the test texts; return what each fit gave, by model."""
    results = {}
    for name, model in [
        ("most frequent genre", make_baseline()),
        ("TF-IDF + logistic regression", make_regression()),
    ]:
        results[name] = [measure(name, model, train, test)]
    fits = [
        measure(f"RNNClassifier, seed {seed}", make_network(arguments.threads, seed), train, test)
        for seed in range(arguments.seeds)
    ]
    print_row("RNNClassifier, mean", *(mean(fit[key] for fit in fits) for key in fits[0]))
    return {**results, "RNNClassifier": fits}


def validate(train, test, arguments):
    """Measure every candidate, or a few; return what each fit gave, by what it differs in."""
    n = 2 if arguments.quick else None
    models = {
        describe("regression", setting): make_regression(**setting) for setting in REGRESSIONS[:n]
    }
    for setting in NETWORKS[:n]:
        models[describe("network", setting)] = make_network(arguments.threads, **setting)
    return {name: [measure(name, model, train, test)] for name, model in models.items()}


def describe(model, setting):
    """Return the name of a candidate."""
    return " ".join([model, *(f"{name}={value}" for name, value in setting.items())])


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits of the network")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="texts, not to download any")
    parser.add_argument("--validate", action="store_true", help="score all candidates instead")
    arguments = parser.parse_args()
    machine = begin(arguments, ["scikit-learn"])
    if importlib.util.find_spec("sklearn") is None:
        print("skipped: scikit-learn is not installed")
        return
    try:
        folder = arguments.corpus or download()
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return
    train, test = read(folder, 50 if arguments.quick else 500, arguments.validate)
    print(f"\n{len(train[0])} paragraphs to learn from, {len(test[0])} to score")
    print(f"{'':44} {'accuracy':>8} {'macro F1':>8} {'seconds':>8}")
    results = (validate if arguments.validate else compare)(train, test, arguments)
    if arguments.json:
        n_paragraphs = [len(train[0]), len(test[0])]
        save(arguments.json, machine=machine, paragraphs=n_paragraphs, results=results)


if __name__ == "__main__":
    main()
