"""Translate verses of the Bible from Spanish into English, against the same in PyTorch.

Debian's packages sword-text-sparv (Reina-Valera 1909) and sword-text-web (World English Bible) are
read by its program diatheke; both are in the public domain. Verses of up to 25 words and signs in
each language, in small letters; every 20th is for testing. Words met fewer than three times in
training are one word, "unknown", which no translation has.

"torch" is a bidirectional LSTM of 256 units, an LSTM decoder of 256, dot attention to projected
states, embeddings of 128, dropout 0.3, labels smoothed by 0.1; Adam at 0.002 along a cosine, 12
epochs of minibatches of 64 verses of equal length. "fastrnn" is the same with GRUs and with
attention="general". Nothing was tuned. So few verses make no translator: the errors show how far
both come, and the examples how it reads. chrF is that of the package sacrebleu, from 0 to 100.
"""

import itertools
import re
import shutil
import subprocess
import time
from dataclasses import replace

from attention import FastrnnAttention, Setting, TorchAttention
from measuring import argument_parser, begin, save

from fastrnn.metrics import edit_error_rate
from fastrnn.preprocessing import TokenEncoder

MODULES = "spaRV1909eb", "engWEB2015eb"
QUOTE = "\N{RIGHT SINGLE QUOTATION MARK}"
LONGEST, UNKNOWN, EXAMPLES = 25, "_", 3
SETTING = Setting(
    hidden=256, decoder=256, embedding=128, dropout=0.3, batch=64, learning_rate=0.002, epochs=12,
    cell="gru", label_smoothing=0.1, longest=2 * LONGEST,
)  # fmt: skip


KINDS = FastrnnAttention, TorchAttention


class Unavailable(Exception):
    """The verses cannot be had; the message says why."""


def read_module(name):
    """The words and signs of each verse, by its place."""
    if shutil.which("diatheke") is None:
        raise Unavailable("diatheke, which reads Debian's Bible texts, is not installed")
    command = ["diatheke", "-b", name, "-f", "plain", "-k", "Genesis-Revelation"]
    process = subprocess.run(command, capture_output=True, check=True)
    return read_lines(process.stdout.decode("utf-8", errors="replace").splitlines())


def read_lines(lines):
    """The same from lines "Genesis 1:1: In the beginning"; a verse may have several.

    From the Psalms on diatheke says the last heading again before each verse, on a line of its own,
    and begins the next with spaces.
    """
    parts, place = {}, None
    for line in lines:
        found = re.match(r"( *)([\w ]+ \d+:\d+): (.*)", line)
        if found:
            if found[1] and len(parts.get(place, [])) > 1:
                parts[place].pop()
            place, line = found[2], found[3]
        elif "<title" in line:
            place = None
        line = re.sub(r"<\w+>", " ", line.lower().replace(QUOTE, "'"))
        words = re.findall(r"\w+|[^\w\s]", line)
        if place is not None and (found or words):
            parts.setdefault(place, []).append(words)
    return {place: list(itertools.chain.from_iterable(lines)) for place, lines in parts.items()}


def pair(source, target):
    """Pairs of the verses that both have and that are short enough, in the order of the first."""
    pairs = [(words, target.get(place, [])) for place, words in source.items()]
    return [(a, b) for a, b in pairs if 0 < len(a) <= LONGEST and 0 < len(b) <= LONGEST]


class Data:
    """Ids of both parts and both languages."""

    def __init__(self, pairs, choose=False):
        train = [p for k, p in enumerate(pairs) if k % 20 not in ([0, 10] if choose else [0])]
        parts = train, pairs[10 * choose :: 20]
        (source, target), (source_test, self.true) = (zip(*part, strict=True) for part in parts)
        self.source, self.target = (
            TokenEncoder(min_freq=3).fit(list(side)) for side in (source, target)
        )
        self.X, self.X_test = (self.source.transform(list(part)) for part in (source, source_test))
        self.y = self.target.transform(list(target))
        self.source_test = source_test

    def words(self, ids):
        """The English words of each list of ids; the unknown one is a sign."""
        known = {k: word for word, k in self.target.vocabulary_.items()}
        return [[known.get(k, UNKNOWN) for k in one] for one in ids]


def accuracy(true, told):
    """Share of the true words and signs that are told at their place."""
    pairs = zip(true, told, strict=True)
    right = [a == b for one, other in pairs for a, b in zip(one, other, strict=False)]
    return sum(right) / sum(map(len, true))


def chrf(true, told):
    """chrF of texts, or nothing where its package is missing."""
    try:
        from sacrebleu import corpus_chrf
    except ImportError as reason:
        print(f"skipped chrF: {reason}")
        return None
    return float(corpus_chrf([*map(" ".join, told)], [[*map(" ".join, true)]]).score)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verses", type=int, help="so many of them")
    parser.add_argument("--choose", action="store_true", help="test on verses of those that train")
    parser.add_argument("--only", choices=[kind.name for kind in KINDS], help="one of the two")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch", "sacrebleu"])
    try:
        pairs = pair(*map(read_module, MODULES))
    except (Unavailable, subprocess.CalledProcessError) as reason:
        print(f"skipped: {reason}")
        return
    n_verses = arguments.verses or (400 if arguments.quick else len(pairs))
    data = Data(pairs[:: max(1, len(pairs) // n_verses)], arguments.choose)
    setting = replace(SETTING, epochs=1) if arguments.quick else SETTING
    sizes = data.source.n_tokens_, data.target.n_tokens_
    print(f"\n{len(data.X)} verses, {len(data.X_test)} to test, {sizes} words and signs")
    figures = {"verses": len(data.X), "words": sizes}
    for kind in KINDS:
        if arguments.only not in (None, kind.name):
            continue
        try:
            contender = kind(setting, *sizes, arguments.threads, arguments.seed)
        except ImportError as reason:
            print(f"skipped {kind.name}: {reason}")
            continue
        start = time.perf_counter()
        contender.fit(data.X, data.y)
        seconds = time.perf_counter() - start
        told = data.words(contender.predict(data.X_test))
        share, error = accuracy(data.true, told), edit_error_rate(data.true, told)
        score = chrf(data.true, told)
        figures[kind.name] = {
            "parameters": contender.n_parameters, "seconds": seconds, "accuracy": share,
            "edit error": error, "chrF": score,
            "examples": [" ".join(one) for one in told[:EXAMPLES]],
        }  # fmt: skip
        print(
            f"{kind.name:8} {contender.n_parameters} parameters, {seconds:.0f} s, accuracy "
            f"{share:.4f}, edit error {error:.4f}"
            + (f", chrF {score:.1f}" if score is not None else ""),
            flush=True,
        )
    for k, (source, true) in enumerate(zip(data.source_test, data.true, strict=True)):
        if k < EXAMPLES:
            print(f"\n{' '.join(source)}\n  true: {' '.join(true)}")
            for name in ("fastrnn", "torch"):
                if name in figures:
                    print(f"  {name}: {figures[name]['examples'][k]}")
    if arguments.json:
        save(arguments.json, machine=machine, **figures)


if __name__ == "__main__":
    main()
