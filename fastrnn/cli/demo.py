"""The demonstration: two networks that learn, and real recordings as CSV."""

import csv
import time
from pathlib import Path

import numpy as np

from fastrnn import RNNClassifier
from fastrnn.cli.output import printable
from fastrnn.datasets import load_japanese_vowels, make_first_token_recall
from fastrnn.files.atomic import check_place

# Japanese Vowels is learned by the defaults. This is for the other task; bench/learning.py measures
# both over several seeds.
FIRST_TOKEN_RECALL = {
    "hidden_layer_sizes": 64,
    "cell": "carry_lstm",
    "dropout": 0.0,
    "pooling": "last",
    "stride": 1,
    "conv": None,
    "scaling": None,
    "learning_rate_init": 0.01,
    "batch_size": 64,
    "max_iter": 6,
}
RECALL_LENGTH, RECALL_TOKENS = 60, 10


def demo(options):
    """Train the two networks, or write the recordings."""
    if options.csv is not None:
        _write_recordings(Path(options.csv))
        return
    common = {"random_state": options.seed, "n_jobs": options.n_jobs, "verbose": True}
    _japanese_vowels(RNNClassifier(**common))
    print()
    _first_token_recall(RNNClassifier(**FIRST_TOKEN_RECALL, **common), options.seed)


def _write_recordings(folder):
    """Write Japanese Vowels in long form: a row for each frame of each utterance."""
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    paths = [folder / f"vowels-{part}.csv" for part in ("train", "test")]
    for path in paths:
        check_place(path)
    for path, X, y in zip(paths, (X_train, X_test), (y_train, y_test), strict=True):
        with open(path, "w", newline="", encoding="utf-8") as file:
            write = csv.writer(file, lineterminator="\n").writerow
            write(["utterance", "frame", "speaker", *(f"c{j}" for j in range(1, 13))])
            for utterance, (x, speaker) in enumerate(zip(X, y, strict=True), 1):
                for frame, values in enumerate(x, 1):
                    write([utterance, frame, speaker, *map(str, values)])
        print(f"{printable(path)}: {len(X)} utterances")


def _japanese_vowels(model):
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    lengths = [len(x) for x in X_train + X_test]
    print("Japanese Vowels: which of nine men is speaking?")
    print(
        f"{len(X_train)} recordings to learn from, {len(X_test)} to test, "
        f"{min(lengths)} to {max(lengths)} steps of {X_train[0].shape[1]} numbers."
    )
    print("RNNClassifier as it comes, with no parameter tuned.\n")
    trained = _fit(model, X_train, y_train)
    print(f"\ntest accuracy {model.score(X_test, y_test):.3f}, {trained}\n")
    print(_confusion_matrix(y_test, model.predict(X_test), model.classes_))


def _first_token_recall(model, seed):
    X, y = make_first_token_recall(4200, RECALL_LENGTH, RECALL_TOKENS, random_state=seed)
    print(f"First-token recall: what came first in {RECALL_LENGTH} random tokens?")
    print(f"3200 sequences of {RECALL_TOKENS} tokens to learn from, 1000 to test.")
    print(f"A {model.cell} of {model.hidden_layer_sizes} units.\n")
    trained = _fit(model, X[:3200], y[:3200])
    print(
        f"\ntest accuracy {model.score(X[3200:], y[3200:]):.3f}, by chance "
        f"{1 / RECALL_TOKENS:.3f}, {trained}"
    )


def _fit(model, X, y):
    """Fit a model; say how many epochs and seconds it took."""
    before = time.perf_counter()
    model.fit(X, y)
    return f"trained in {model.n_iter_} epochs, {time.perf_counter() - before:.1f} s"


def _confusion_matrix(y, predicted, labels):
    """Return a table of how often each label (a row) was taken for which (a column)."""
    counts = [[np.sum((y == true) & (predicted == other)) for other in labels] for true in labels]
    lines = ["speaker  recognized as", " " * 7 + "".join(f"{label:5}" for label in labels)]
    for label, row in zip(labels, counts, strict=True):
        lines.append(f"{label:7}" + "".join(f"{count or '.':>5}" for count in row))
    return "\n".join(lines)
