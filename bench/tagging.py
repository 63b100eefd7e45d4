"""Tag the words of the Brown corpus with their parts of speech, against the same in PyTorch.

The corpus (500 texts, 1.16 million words) is downloaded once, see brown.py. Tags are cut at the
first of "-+*", which leaves 92. Every fifth text is for testing.

An embedding of the word, of 100 features, is read by a bidirectional LSTM of 128 units; Adam, 3
epochs, minibatches of 32 sentences. Words that occur once in training are one word, "unknown". All
contenders get the same ids. "words and suffixes" has a second column of ids, the last three letters
of the word with an embedding of 50 features: fastrnn alone is asked what that gives. With ``--crf``
it is asked in both what a conditional random field gives in place of the softmax, and what that
costs, both with an L2 penalty of 0.03 and 5 epochs, and PyTorch is left out.

The contenders are fitted in turns in one process, once per seed. "torch packed" packs each
minibatch, "torch padded" pads it to its longest sentence (and the second direction reads the
padding first). The baseline gives each word its most frequent tag, and unknown ones the most
frequent of all.
"""

import itertools
import re
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean, median

import numpy as np
from brown import Unavailable, download, read_texts
from measuring import argument_parser, begin, save

from fastrnn import RNNTagger
from fastrnn.preprocessing import TokenEncoder

EMBEDDING, HIDDEN, BATCH, EPOCHS = 100, 128, 32, 3
LEARNING_RATE, CLIP, DROPOUT = 0.004, 1.0, 0.4
# With a CRF: of penalties of 0, 0.03 and 0.1, and of 3 and 5 epochs, also along a cosine and with
# more dropout, on a quarter of the texts to learn from.
CRF_ALPHA, CRF_EPOCHS = 0.03, 5
SUFFIX_EMBEDDING = 50


def read(folder, n_texts):
    """Return (words, tags) to learn from and to test on, each a list with a list per sentence."""
    parts = ([], []), ([], [])
    for number, (_, paragraphs) in enumerate(read_texts(folder, n_texts)):
        words, tags = parts[number % 5 == 4]
        for sentence in itertools.chain.from_iterable(paragraphs):
            words.append([word for word, _ in sentence])
            tags.append([re.split(r"[-+*]", tag)[0] for _, tag in sentence])
    return parts


def suffixes(sentences):
    """The last three letters of each word."""
    return [[word[-3:] for word in words] for words in sentences]


def baseline(train, test):
    """Accuracy of the most frequent tag of each word."""
    counts, total = defaultdict(Counter), Counter()
    for words, tags in zip(*train, strict=True):
        total.update(tags)
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    default = total.most_common(1)[0][0]
    right = [
        best.get(word, default) == tag
        for words, tags in zip(*test, strict=True)
        for word, tag in zip(words, tags, strict=True)
    ]
    return mean(right)


class Data:
    """Ids and tags; `columns` are functions from sentences to the tokens of a column of ids."""

    def __init__(self, train, test, columns, epochs, alpha):
        self.epochs, self.alpha = epochs, alpha
        self.y_train, self.y_test = train[1], test[1]
        self.sizes, ids = [], []
        for tokens in columns:
            encoder = TokenEncoder(min_freq=2).fit(tokens(train[0]))
            self.sizes.append(encoder.n_tokens_)
            ids.append([encoder.transform(tokens(words)) for words, _ in (train, test)])
        self.X_train, self.X_test = (
            [np.stack(ids_of, axis=1) for ids_of in zip(*columns, strict=True)]
            for columns in zip(*ids, strict=True)
        )


class Fastrnn:
    """fastrnn's estimator."""

    name = "fastrnn"
    output = "softmax"

    def __init__(self, data, threads, precision="full"):
        self.data, self.threads, self.precision = data, threads, precision

    def fit(self, seed):
        sizes = (EMBEDDING, SUFFIX_EMBEDDING)[: len(self.data.sizes)]
        self.tagger = RNNTagger(
            HIDDEN,
            cell="lstm",
            bidirectional=True,
            embedding_dim=sizes,
            dropout=DROPOUT,
            batch_size=BATCH,
            max_iter=self.data.epochs,
            learning_rate_init=LEARNING_RATE,
            clip_norm=CLIP,
            alpha=self.data.alpha,
            output=self.output,
            precision=self.precision,
            random_state=seed,
            n_jobs=self.threads,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of epochs is fixed, converged or not
            self.tagger.fit(self.data.X_train, self.data.y_train)

    def score(self):
        return self.tagger.score(self.data.X_test, self.data.y_test)


class FastrnnCRF(Fastrnn):
    """The same with a conditional random field."""

    name = "fastrnn crf"
    output = "crf"


class TorchPacked:
    """The same network and training in PyTorch, on packed minibatches."""

    name = "torch packed"

    def __init__(self, data, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.data = torch, data
        self.number = {tag: k for k, tag in enumerate(sorted(set().union(*data.y_train)))}
        self.train_data = self.prepare(data.X_train, data.y_train)
        self.test_data = self.prepare(data.X_test, data.y_test)

    def prepare(self, X, y):
        """Return ids, numbers of the tags (-100 for one that is new) and lengths."""
        tags = [self.torch.tensor([self.number.get(tag, -100) for tag in part]) for part in y]
        return [self.torch.tensor(x[:, 0]) for x in X], tags, np.array([len(x) for x in X])

    def fit(self, seed):
        torch, nn = self.torch, self.torch.nn
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(self.data.sizes[0], EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, bidirectional=True)
        self.head = nn.Linear(2 * HIDDEN, len(self.number))
        modules = [self.embedding, self.lstm, self.head]
        parameters = [parameter for module in modules for parameter in module.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
        rng = np.random.default_rng(seed)
        for _ in range(self.data.epochs):
            order = rng.permutation(len(self.data.X_train))
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                logits, tags = self.run(self.train_data, chosen, DROPOUT)
                loss = nn.functional.cross_entropy(logits, tags)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, CLIP)
                optimizer.step()

    def run(self, data, chosen, dropout):
        """Logits and tags of all steps of the chosen sentences."""
        torch, (ids, tags, lengths) = self.torch, data
        chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
        pack = torch.nn.utils.rnn.pack_sequence
        words = pack([ids[i] for i in chosen])
        packed = torch.nn.utils.rnn.PackedSequence(self.embedding(words.data), words.batch_sizes)
        y = self.lstm(packed)[0].data
        y = torch.nn.functional.dropout(y, dropout, training=dropout > 0)
        return self.head(y), pack([tags[i] for i in chosen]).data

    def score(self):
        right = n_steps = 0
        with self.torch.inference_mode():
            for chosen in np.array_split(np.arange(len(self.data.X_test)), 100):
                if chosen.size:
                    logits, tags = self.run(self.test_data, chosen, 0.0)
                    right += int((logits.argmax(dim=1) == tags).sum())
                    n_steps += int(self.test_data[2][chosen].sum())
        return right / n_steps


class TorchPadded(TorchPacked):
    """The same on padded minibatches; padding is left out of the loss."""

    name = "torch padded"

    def run(self, data, chosen, dropout):
        torch, (ids, tags, _) = self.torch, data
        pad = torch.nn.utils.rnn.pad_sequence
        y, _ = self.lstm(self.embedding(pad([ids[i] for i in chosen])))
        y = torch.nn.functional.dropout(y, dropout, training=dropout > 0)
        tags = pad([tags[i] for i in chosen], padding_value=-100)
        return self.head(y).flatten(end_dim=1), tags.flatten()


def run_task(name, data, contender_classes, arguments):
    """Time, score and print every contender."""
    contenders = []
    for contender_class in contender_classes:
        try:
            contenders.append(contender_class(data, arguments.threads))
        except ImportError as error:
            print(f"skipped {contender_class.name}: {error}")
    seconds = {contender.name: [] for contender in contenders}
    accuracies = {contender.name: [] for contender in contenders}
    print(f"\n{name}: fit, {data.epochs} epochs, ids {data.sizes}")
    for seed in range(arguments.seeds):
        for contender in contenders:
            start = time.perf_counter()
            contender.fit(seed)
            seconds[contender.name].append(time.perf_counter() - start)
            accuracies[contender.name].append(contender.score())
            print(
                f"{contender.name:14} {seconds[contender.name][-1]:8.1f} s, "
                f"test accuracy {accuracies[contender.name][-1]:.4f}",
                flush=True,
            )
    if arguments.seeds > 1:
        for key, scores in accuracies.items():
            print(f"{key}: median {median(seconds[key]):.1f} s, mean accuracy {mean(scores):.4f}")
    ours = median(seconds["fastrnn"])
    ratios = {key: median(values) / ours for key, values in seconds.items() if key != "fastrnn"}
    for key, ratio in ratios.items():
        print(f"{key} / fastrnn: {ratio:.2f}", flush=True)
    return {"task": name, "seconds": seconds, "test accuracy": accuracies, "ratios": ratios}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="number of fits of each")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="texts, not to download any")
    parser.add_argument("--crf", action="store_true", help="a CRF beside the softmax, no PyTorch")
    arguments = parser.parse_args()
    machine = begin(arguments, [] if arguments.crf else ["torch"])
    try:
        folder = arguments.corpus or download()
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return
    train, test = read(folder, 50 if arguments.quick else 500)
    epochs, alpha = (CRF_EPOCHS, CRF_ALPHA) if arguments.crf else (EPOCHS, 0.0)
    if arguments.quick:
        epochs = 1
    n_words = [sum(map(len, words)) for words, _ in (train, test)]
    print(f"\n{n_words[0]} words in {len(train[0])} sentences, {n_words[1]} to test")
    figures = {"words": n_words, "baseline": baseline(train, test)}
    print(f"most frequent tag of each word: test accuracy {figures['baseline']:.4f}", flush=True)

    words = Data(train, test, [list], epochs, alpha)
    ours = [Fastrnn, FastrnnCRF] if arguments.crf else [Fastrnn]
    others = [] if arguments.crf else [TorchPacked, TorchPadded]
    tables = [run_task("words", words, ours + others, arguments)]
    both = Data(train, test, [list, suffixes], epochs, alpha)
    tables.append(run_task("words and suffixes", both, ours, arguments))
    if arguments.json:
        save(arguments.json, machine=machine, **figures, tables=tables)


if __name__ == "__main__":
    main()
