"""Spell what synthetic voices say, by connectionist temporal classification, against PyTorch.

espeak-ng (Debian's package of that name) speaks strings of two to six of 30 words, drawn at random,
with 26 voices, each string at a speed and a pitch of its own. Two voices, one of a woman and one of
a man, are for testing and are heard in no training. A recording is read as mel-frequency cepstral
coefficients and their slopes, 26 numbers every 10 ms, by the package python_speech_features 0.6,
each of mean 0 and deviation 1 in every recording; labels are the letters and the spaces. Such
voices are cheap to have, and no speech of people.

Both networks read four frames as one, with a bidirectional GRU of 96 units, a softmax over letters
and blank, dropout 0.5 of its outputs; Adam at 0.004 along a cosine, minibatches of 32, 20 epochs.
Settings were chosen on the voices that train, one fit each on others than "en-us+f4" (--choose).
Errors are edits over the letters, or over the words, of what is told greedily.
"""

import itertools
import shutil
import subprocess
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNSeq2Seq
from fastrnn.metrics import edit_error_rate

WORDS = (
    "zero one two three four five six seven eight nine yes no up down left right on off stop go "
    "open close red green blue light door music house please"
).split()
TRAIN_VOICES = [
    f"{accent}{variant}"
    for accent, variants in {
        "en-us": ["", "+f1", "+f4", "+m2", "+m6"],
        "en-gb": ["", "+f2", "+f5", "+m1", "+m7"],
        "en-gb-x-rp": ["", "+f1", "+f5", "+m4", "+m7"],
        "en-029": ["", "+f2", "+f4", "+m1", "+m6"],
        "en-gb-scotland": ["+f5", "+f4", "+m2", "+m4"],
    }.items()
    for variant in variants
]
TEST_VOICES = ["en-us+f3", "en-gb-x-gbclan+m3"]
STRIDE, HIDDEN, BATCH, EPOCHS, LEARNING_RATE, DROPOUT = 4, 96, 32, 20, 0.004, 0.5


class Unavailable(Exception):
    """Nothing can be heard here; the message says why."""


def listen(voices, n_of_each, seed):
    """What voices say: the coefficients of each recording (T, 26), and its letters."""
    if shutil.which("espeak-ng") is None:
        raise Unavailable("espeak-ng is not installed")
    try:
        from python_speech_features import delta, mfcc
    except ImportError as reason:
        raise Unavailable(str(reason)) from reason
    from scipy.io import wavfile

    rng = np.random.default_rng(seed)
    said = []
    for voice in itertools.chain.from_iterable([[voice] * n_of_each for voice in voices]):
        text = " ".join(rng.choice(WORDS, size=rng.integers(2, 7)))
        said.append((voice, *rng.integers([120, 30], [220, 70]).tolist(), text))

    def speak(numbered):
        number, (voice, speed, pitch, text) = numbered
        file = Path(folder, f"{number}.wav")
        command = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "-w", file, text]
        subprocess.run([str(part) for part in command], check=True)
        rate, signal = wavfile.read(file)
        file.unlink()
        return rate, signal

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        heard = []
        for rate, signal in pool.map(speak, enumerate(said)):
            rows = mfcc(signal, rate, nfft=1024)
            rows = np.hstack([rows, delta(rows, 2)])
            rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-3)
            heard.append(rows.astype(np.float32))
    return heard, [list(text) for *_, text in said]


def words_of(letters):
    """The words that letters spell."""
    return "".join(letters).split()


class Fastrnn:
    """fastrnn's estimator."""

    name = "fastrnn"

    def __init__(self, threads, seed, epochs):
        self.model = RNNSeq2Seq(
            HIDDEN,
            alignment="ctc",
            cell="gru",
            stride=STRIDE,
            conv=None,
            dropout=DROPOUT,
            batch_size=BATCH,
            max_iter=epochs,
            learning_rate="cosine",
            learning_rate_init=LEARNING_RATE,
            clip_norm=1.0,
            alpha=0.0,
            random_state=seed,
            n_jobs=threads,
        )

    def fit(self, X, y):
        """Learn."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of epochs is fixed, converged or not
            self.model.fit(X, y)

    def predict(self, X):
        """The letters of each recording."""
        return [list(letters) for letters in self.model.predict(X)]


class Torch:
    """The same in PyTorch, on packed minibatches."""

    name = "torch"

    def __init__(self, threads, seed, epochs):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.torch, self.epochs, self.rng = torch, epochs, np.random.default_rng(seed)

    def fit(self, X, y):
        """Learn."""
        torch, nn = self.torch, self.torch.nn
        frames = np.concatenate(X)
        self.mean, self.std = frames.mean(axis=0), frames.std(axis=0)
        self.letters = sorted(set().union(*y))
        number = {letter: k for k, letter in enumerate(self.letters)}
        n_read = X[0].shape[1] * STRIDE
        self.gru = nn.GRU(n_read, HIDDEN, bidirectional=True)
        self.head = nn.Linear(2 * HIDDEN, len(self.letters) + 1)
        X, y = self.read(X), [torch.tensor([number[letter] for letter in one]) for one in y]
        parameters = [*self.gru.parameters(), *self.head.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
        n_steps = self.epochs * -(-len(X) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        for _ in range(self.epochs):
            order = self.rng.permutation(len(X))
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                logits, lengths = self.run([X[k] for k in chosen], DROPOUT)
                loss = nn.functional.ctc_loss(
                    logits.log_softmax(dim=2),
                    torch.cat([y[k] for k in chosen]),
                    lengths,
                    torch.tensor([len(y[k]) for k in chosen]),
                    blank=len(self.letters),
                    reduction="sum",
                )
                optimizer.zero_grad()
                (loss / len(chosen)).backward()
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()

    def read(self, X):
        """Scaled frames, four in a row; beyond the end there are zeros."""
        patches = []
        for x in X:
            x = (x - self.mean) / self.std
            x = np.pad(x, [(0, -len(x) % STRIDE), (0, 0)])
            patches.append(self.torch.from_numpy(x.reshape(len(x) // STRIDE, -1)))
        return patches

    def run(self, X, dropout):
        """Logits (T, B, K) and lengths of a minibatch."""
        rnn, functional = self.torch.nn.utils.rnn, self.torch.nn.functional
        y, _ = self.gru(rnn.pack_sequence(X, enforce_sorted=False))
        y, lengths = rnn.pad_packed_sequence(y)
        return self.head(functional.dropout(y, dropout, training=dropout > 0)), lengths

    def predict(self, X):
        """The letters of each recording."""
        told, blank = [], len(self.letters)
        with self.torch.inference_mode():
            for start in range(0, len(X), BATCH):
                logits, lengths = self.run(self.read(X[start : start + BATCH]), 0.0)
                for path, length in zip(logits.argmax(dim=2).T, lengths, strict=True):
                    labels = [label for label, _ in itertools.groupby(path[:length].tolist())]
                    told.append([self.letters[label] for label in labels if label != blank])
        return told


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="number of fits of each")
    parser.add_argument("--choose", action="store_true", help="test on a voice of those that train")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch", "python_speech_features"])
    train, test = TRAIN_VOICES, TEST_VOICES
    if arguments.choose:
        train, test = [voice for voice in train if voice != "en-us+f4"], ["en-us+f4"]
    n_train, n_test, epochs = (2, 4, 1) if arguments.quick else (80, 200, EPOCHS)
    try:
        (X, y), (X_test, y_test) = listen(train, n_train, 0), listen(test, n_test, 1)
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return
    n_frames = sum(map(len, X))
    print(f"\n{len(X)} recordings of {n_frames / 100:.0f} s to learn from, {len(X_test)} to test")
    seconds, errors = {}, {}
    for seed in range(arguments.seeds):
        for kind in (Fastrnn, Torch):
            try:
                contender = kind(arguments.threads, seed, epochs)
            except ImportError as reason:
                print(f"skipped {kind.name}: {reason}")
                continue
            start = time.perf_counter()
            contender.fit(X, y)
            seconds.setdefault(kind.name, []).append(time.perf_counter() - start)
            told = contender.predict(X_test)
            of_letters = edit_error_rate(y_test, told)
            of_words = edit_error_rate([*map(words_of, y_test)], [*map(words_of, told)])
            errors.setdefault(kind.name, []).append([of_letters, of_words])
            print(
                f"{kind.name:8} {seconds[kind.name][-1]:7.1f} s, errors of voices never heard: "
                f"{of_letters:.4f} of the letters, {of_words:.4f} of the words",
                flush=True,
            )
    figures = {"recordings": [len(X), len(X_test)], "seconds": seconds, "errors": errors}
    if len(seconds) == 2:
        figures["ratio"] = float(np.median(seconds["torch"]) / np.median(seconds["fastrnn"]))
        print(f"torch / fastrnn: {figures['ratio']:.2f}")
    if arguments.json:
        save(arguments.json, machine=machine, **figures)


if __name__ == "__main__":
    main()
