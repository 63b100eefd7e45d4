"""Time `RNNClassifier.fit` on Japanese Vowels against the same training written in PyTorch.

Both train a bidirectional LSTM of 64 units, read out at the end of each direction, with Adam on
minibatches of 16 for 20 epochs, clipping the gradient's norm at 1. PyTorch's loop packs each
minibatch with ``pack_sequence``; its tensors are made beforehand. The two run in turns in one
process, once per seed.
"""

import argparse
import json
import math
import time
import warnings
from statistics import mean, median

import numpy as np
from measuring import describe, print_description, settle

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels

HIDDEN, BATCH, EPOCHS, LEARNING_RATE, CLIP = 64, 16, 20, 0.005, 1.0


class Fastrnn:
    """fastrnn's estimator."""

    def __init__(self, n_jobs):
        self.n_jobs = n_jobs

    def fit(self, X, y, seed):
        self.classifier = RNNClassifier(
            HIDDEN,
            cell="lstm",
            bidirectional=True,
            batch_size=BATCH,
            max_iter=EPOCHS,
            learning_rate_init=LEARNING_RATE,
            clip_norm=CLIP,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=math.inf,
            random_state=seed,
            n_jobs=self.n_jobs,
        )
        with warnings.catch_warnings():
            # The number of epochs is fixed on both sides, converged or not.
            warnings.simplefilter("ignore")
            self.classifier.fit(X, y)

    def score(self, X, y):
        return self.classifier.score(X, y)


class Torch:
    """The same network and training in PyTorch."""

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch

    def prepare(self, X, y):
        """The data as tensors, made outside the timing."""
        self.sequences = [self.torch.tensor(x) for x in X]
        self.labels = self.torch.tensor(y - 1)

    def fit(self, X, y, seed):
        torch, rnn = self.torch, self.torch.nn.utils.rnn
        torch.manual_seed(seed)
        self.lstm = torch.nn.LSTM(X[0].shape[1], HIDDEN, bidirectional=True)
        self.head = torch.nn.Linear(2 * HIDDEN, int(y.max()))
        parameters = [*self.lstm.parameters(), *self.head.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
        rng = np.random.default_rng(seed)
        for _ in range(EPOCHS):
            order = rng.permutation(len(X))
            for start in range(0, len(X), BATCH):
                chosen = order[start : start + BATCH]
                packed = rnn.pack_sequence(
                    [self.sequences[k] for k in chosen], enforce_sorted=False
                )
                loss = torch.nn.functional.cross_entropy(self.logits(packed), self.labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, CLIP)
                optimizer.step()

    def logits(self, packed):
        _, (h, _) = self.lstm(packed)
        return self.head(self.torch.cat([h[0], h[1]], dim=1))

    def score(self, X, y):
        torch = self.torch
        with torch.inference_mode():
            packed = torch.nn.utils.rnn.pack_sequence(
                [torch.tensor(x) for x in X], enforce_sorted=False
            )
            predicted = self.logits(packed).argmax(dim=1).numpy() + 1
        return float(np.mean(predicted == y))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of both")
    parser.add_argument("--seeds", type=int, default=5, help="number of fits of each")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--keep-openblas-env", action="store_true", help="leave OPENBLAS_* variables in force"
    )
    arguments = parser.parse_args()
    settle(arguments.threads, arguments.keep_openblas_env)
    description = describe(arguments.threads, ["torch"])
    print_description(description)

    X_train, y_train, X_test, y_test = load_japanese_vowels()
    contenders = {"fastrnn": Fastrnn(arguments.threads)}
    try:
        contenders["torch"] = Torch(arguments.threads)
        contenders["torch"].prepare(X_train, y_train)
    except ImportError as error:
        print(f"skipped torch: {error}")
    seconds = {name: [] for name in contenders}
    accuracies = {name: [] for name in contenders}
    # The first round, whose times are dropped, loads and warms everything.
    for seed in range(-1, arguments.seeds):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender.fit(X_train, y_train, max(seed, 0))
            if seed >= 0:
                seconds[name].append(time.perf_counter() - start)
                accuracies[name].append(contender.score(X_test, y_test))
    print(f"\nfit, {EPOCHS} epochs, {arguments.seeds} seeds")
    for name in contenders:
        print(
            f"{name:8} {median(seconds[name]):8.3f} s (fastest {min(seconds[name]):.3f}), "
            f"test accuracy {mean(accuracies[name]):.4f} (worst {min(accuracies[name]):.4f})"
        )
    figures = {"machine": description, "seconds": seconds, "test accuracy": accuracies}
    if "torch" in contenders:
        figures["ratio"] = median(seconds["torch"]) / median(seconds["fastrnn"])
        print(f"torch / fastrnn: {figures['ratio']:.2f}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
