"""Time `RNNClassifier.fit` against the same training written in PyTorch, packed and padded.

Japanese Vowels: a bidirectional LSTM of 64 units, read out at the end of each direction,
minibatches of 16 for 20 epochs. Ragged: 5000 generated sequences of 10 to 100 steps and 8 features,
five classes, an LSTM of 64 units, minibatches of 32 for 2 epochs. Both with Adam, clipping the
gradient's norm at 1. The contenders run in turns in one process, once per seed.

PyTorch's data are padded once, outside of the timing; each minibatch is cut from them, sorted and
trimmed to its longest sequence. "packed" packs it; "padded" computes the padding and picks each
sequence's last step, for the second direction from sequences reversed beforehand.
"""

import math
import time
import warnings
from dataclasses import dataclass
from statistics import mean, median

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels

HIDDEN, LEARNING_RATE, CLIP = 64, 0.005, 1.0
LONG = 20.0  # seconds; a contender whose fits took longer is not asked for another


@dataclass
class Task:
    """Data, split in two, with labels 0, 1, ..., and how to train on them."""

    X_train: list
    y_train: np.ndarray
    X_test: list
    y_test: np.ndarray
    bidirectional: bool
    batch: int
    epochs: int

    @property
    def n_classes(self):
        return int(self.y_train.max()) + 1


def japanese_vowels(quick):
    """270 utterances of 7 to 26 steps, nine speakers; 370 to test."""
    X_train, y_train, X_test, y_test = load_japanese_vowels()
    epochs = 5 if quick else 20
    return Task(X_train, y_train - 1, X_test, y_test - 1, True, 16, epochs)


def ragged(quick):
    """5000 noisy oscillations of 10 to 100 steps; the class is the frequency; 1000 to test."""
    rng = np.random.default_rng(0)
    n_train, n_test, n_classes, n_features = 500 if quick else 5000, 1000, 5, 8
    y = rng.integers(n_classes, size=n_train + n_test)
    X = []
    for label in y:
        steps = np.arange(rng.integers(10, 100, endpoint=True))[:, None]
        phase = rng.uniform(0, 2 * np.pi, size=n_features)
        noise = rng.standard_normal((len(steps), n_features))
        X.append((np.sin(0.3 * (label + 1) * steps + phase) + 0.3 * noise).astype("float32"))
    return Task(X[:n_train], y[:n_train], X[n_train:], y[n_train:], False, 32, 2)


class Fastrnn:
    """fastrnn's estimator."""

    name = "fastrnn"

    def __init__(self, task, threads):
        self.task, self.threads = task, threads

    def fit(self, seed, epochs):
        self.classifier = RNNClassifier(
            HIDDEN,
            cell="lstm",
            bidirectional=self.task.bidirectional,
            pooling="last",
            stride=1,
            conv=None,
            dropout=0.0,
            scaling=None,
            batch_size=self.task.batch,
            max_iter=epochs,
            learning_rate="constant",
            learning_rate_init=LEARNING_RATE,
            clip_norm=CLIP,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=math.inf,
            random_state=seed,
            n_jobs=self.threads,
        )
        with warnings.catch_warnings():
            # The number of epochs is fixed for all, converged or not.
            warnings.simplefilter("ignore")
            self.classifier.fit(self.task.X_train, self.task.y_train)

    def score(self):
        return self.classifier.score(self.task.X_test, self.task.y_test)


class TorchPacked:
    """The same network and training in PyTorch, on packed minibatches."""

    name = "torch packed"

    def __init__(self, task, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.task = torch, task
        self.train_data, self.test_data = self.prepare(task.X_train), self.prepare(task.X_test)
        self.labels = torch.tensor(task.y_train)

    def prepare(self, X):
        """Return (padded, of shape (T, n, D), lengths)."""
        lengths = np.array([len(x) for x in X])
        return self.pad(X), lengths

    def pad(self, X):
        tensors = [self.torch.tensor(x.copy()) for x in X]
        return self.torch.nn.utils.rnn.pad_sequence(tensors)

    def fit(self, seed, epochs):
        torch, task = self.torch, self.task
        torch.manual_seed(seed)
        self.make_network(task.X_train[0].shape[1])
        parameters = [*self.lstm.parameters(), *self.head.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            order = rng.permutation(len(task.X_train))
            for start in range(0, len(order), task.batch):
                chosen = self.longest_first(order[start : start + task.batch])
                logits = self.logits(self.train_data, chosen)
                loss = torch.nn.functional.cross_entropy(logits, self.labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, CLIP)
                optimizer.step()

    def longest_first(self, chosen):
        return chosen[np.argsort(-self.train_data[1][chosen], kind="stable")]

    def make_network(self, n_features):
        torch, task = self.torch, self.task
        self.lstm = torch.nn.LSTM(n_features, HIDDEN, bidirectional=task.bidirectional)
        self.head = torch.nn.Linear((1 + task.bidirectional) * HIDDEN, task.n_classes)

    def logits(self, data, chosen):
        padded, lengths = data
        lengths = lengths[chosen]
        packed = self.torch.nn.utils.rnn.pack_padded_sequence(
            padded[: lengths.max(), chosen], lengths, enforce_sorted=True
        )
        _, (h, _) = self.lstm(packed)
        return self.head(self.torch.cat(tuple(h), dim=1))

    def score(self):
        order = np.argsort(-self.test_data[1], kind="stable")
        with self.torch.inference_mode():
            predicted = self.logits(self.test_data, order).argmax(dim=1).numpy()
        return float(np.mean(predicted == self.task.y_test[order]))


class TorchPadded(TorchPacked):
    """The same on padded minibatches; each direction is a module, on the weights of the same."""

    name = "torch padded"

    def prepare(self, X):
        directions, lengths = super().prepare(X)
        directions = [directions]
        if self.task.bidirectional:
            directions.append(self.pad([x[::-1] for x in X]))
        return directions, lengths

    def make_network(self, n_features):
        super().make_network(n_features)
        self.lstms = []
        for suffix in ["", "_reverse"][: 1 + self.task.bidirectional]:
            lstm = self.torch.nn.LSTM(n_features, HIDDEN)
            for name in dict(lstm.named_parameters()):
                setattr(lstm, name, getattr(self.lstm, name + suffix))
            self.lstms.append(lstm)

    def logits(self, data, chosen):
        directions, lengths = data
        lengths = lengths[chosen]
        last = []
        for lstm, padded in zip(self.lstms, directions, strict=True):
            y, _ = lstm(padded[: lengths.max(), chosen])
            last.append(y[lengths - 1, np.arange(len(chosen))])
        return self.head(self.torch.cat(last, dim=1))


def run_task(name, task, arguments):
    """Time, score and print every contender on one task."""
    contenders = []
    for contender_class in [Fastrnn, TorchPacked, TorchPadded]:
        try:
            contenders.append(contender_class(task, arguments.threads))
        except ImportError as error:
            print(f"skipped {contender_class.name}: {error}")
    seconds = {contender.name: [] for contender in contenders}
    accuracies = {contender.name: [] for contender in contenders}
    for contender in contenders:  # loads and warms everything
        contender.fit(0, epochs=1)
    for seed in range(arguments.seeds):
        for contender in contenders:
            if sum(seconds[contender.name]) > LONG:
                continue
            start = time.perf_counter()
            contender.fit(seed, task.epochs)
            seconds[contender.name].append(time.perf_counter() - start)
            accuracies[contender.name].append(contender.score())
    print(f"\n{name}: fit, {task.epochs} epochs")
    for key, values in seconds.items():
        scores = accuracies[key]
        print(
            f"{key:14} {median(values):8.3f} s (fastest {min(values):.3f} of {len(values)}), "
            f"test accuracy {mean(scores):.4f} (worst {min(scores):.4f})"
        )
    ours = median(seconds["fastrnn"])
    ratios = {key: median(values) / ours for key, values in seconds.items() if key != "fastrnn"}
    for key, ratio in ratios.items():
        print(f"{key} / fastrnn: {ratio:.2f}", flush=True)
    return {
        "task": name,
        "sequences": len(task.X_train),
        "steps": sum(map(len, task.X_train)),
        "epochs": task.epochs,
        "seconds": seconds,
        "test accuracy": accuracies,
        "ratios": ratios,
    }


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, help="number of fits of each (3, quick 1)")
    arguments = parser.parse_args()
    arguments.seeds = arguments.seeds or (1 if arguments.quick else 3)
    machine = begin(arguments, ["torch"])
    tasks = {"Japanese Vowels": japanese_vowels, "ragged": ragged}
    tables = [run_task(name, make(arguments.quick), arguments) for name, make in tasks.items()]
    if arguments.json:
        save(arguments.json, machine=machine, tables=tables)


if __name__ == "__main__":
    main()
