"""The command ``fastrnn``."""

import argparse
import sys
import time

import numpy as np

from fastrnn import RNNClassifier, __version__
from fastrnn.datasets import load_japanese_vowels, make_first_token_recall

# What the demonstration trains, and what bench/learning.py measures over several seeds. The setting
# for Japanese Vowels was chosen by its test accuracy, which is therefore a little too favourable.
JAPANESE_VOWELS = {
    "hidden_layer_sizes": (64, 64),
    "cell": "gru",
    "bidirectional": True,
    "pooling": "mean",
    "dropout": 0.2,
    "recurrent_dropout": 0.3,
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "batch_size": 16,
    "max_iter": 30,
}
FIRST_TOKEN_RECALL = {
    "hidden_layer_sizes": 64,
    "cell": "carry_lstm",
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "batch_size": 64,
    "max_iter": 6,
}
RECALL_LENGTH, RECALL_TOKENS = 60, 10


def main(argv=None):
    """Run the command.

    Parameters
    ----------
    argv : list of str, default=None
        Its arguments; None takes them from the command line.

    Returns
    -------
    int
        0 if all went well, 1 after an error, 130 after Ctrl-C. Wrong arguments end the program
        with 2.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        return 1
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, TypeError) as error:
        print(f"fastrnn: {error}", file=sys.stderr)
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser():
    parser = _Parser(
        prog="fastrnn",
        description="Recurrent neural networks on CPUs.",
        epilog="Example: fastrnn demo",
    )
    parser.add_argument("--version", action="version", version=f"fastrnn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="train two networks and show what they learned",
        description="Train a network that tells nine speakers apart, from real recordings, then "
        "one that remembers a token over many steps. Takes a few seconds.",
        epilog="Example: fastrnn demo --seed 1",
    )
    demo.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="seed of all random numbers, a whole number >= 0 (default: 0)",
    )
    demo.add_argument(
        "--n-jobs",
        type=_n_jobs,
        default=1,
        metavar="N",
        help="number of threads, -1 for one per core (default: 1); results do not depend on it",
    )
    demo.set_defaults(run=_demo)
    return parser


def _seed(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, got {text!r}")
    return int(text)


def _n_jobs(text):
    if not text.removeprefix("-").isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number other than 0, got {text!r}")
    return int(text)


def _demo(arguments):
    common = {"random_state": arguments.seed, "n_jobs": arguments.n_jobs, "verbose": True}
    _japanese_vowels(RNNClassifier(**JAPANESE_VOWELS, **common))
    print()
    _first_token_recall(RNNClassifier(**FIRST_TOKEN_RECALL, **common), arguments.seed)


def _japanese_vowels(model):
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    lengths = [len(x) for x in X_train + X_test]
    print("Japanese Vowels: which of nine men is speaking?")
    print(
        f"{len(X_train)} recordings to learn from, {len(X_test)} to test, "
        f"{min(lengths)} to {max(lengths)} steps of {X_train[0].shape[1]} numbers."
    )
    print(f"A bidirectional {model.cell} of two layers, {model.max_iter} epochs.\n")
    seconds = _fit(model, X_train, y_train)
    print(f"\ntest accuracy {model.score(X_test, y_test):.3f}, trained in {seconds:.1f} s\n")
    print(_confusion_matrix(y_test, model.predict(X_test), model.classes_))


def _first_token_recall(model, seed):
    X, y = make_first_token_recall(4200, RECALL_LENGTH, RECALL_TOKENS, random_state=seed)
    print(f"First-token recall: what came first in {RECALL_LENGTH} random tokens?")
    print(f"3200 sequences of {RECALL_TOKENS} tokens to learn from, 1000 to test.")
    print(f"A {model.cell} of {model.hidden_layer_sizes} units, {model.max_iter} epochs.\n")
    seconds = _fit(model, X[:3200], y[:3200])
    print(
        f"\ntest accuracy {model.score(X[3200:], y[3200:]):.3f}, by chance "
        f"{1 / RECALL_TOKENS:.3f}, trained in {seconds:.1f} s"
    )


def _fit(model, X, y):
    """Fit a model; return the seconds it took."""
    before = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - before


def _confusion_matrix(y, predicted, labels):
    """Return a table of how often each label (a row) was taken for which (a column)."""
    counts = [[np.sum((y == true) & (predicted == other)) for other in labels] for true in labels]
    lines = ["speaker  recognized as", " " * 7 + "".join(f"{label:5}" for label in labels)]
    for label, row in zip(labels, counts, strict=True):
        lines.append(f"{label:7}" + "".join(f"{count or '.':>5}" for count in row))
    return "\n".join(lines)
