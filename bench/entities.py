"""Find names in a Hebrew treebank: a softmax, a conditional random field, and python-crfsuite.

The sentences, parts and columns of ids of hebrew.py; names of people, places, organizations and
others as the treebank's package has them (Bareket & Tsarfaty 2021), the outermost of those that
stand in each other, as spans of BIO tags: F1 by `span_f1_score`, which needs seqeval.

"softmax" and "crf" are the default constructor of RNNTagger, which is told of nothing but the ids,
`output="crf"` and `constraints="bio"`. python-crfsuite 0.9.12, a linear-chain conditional random
field of features made by hand, has the same three strings of each word, of both neighbours and of
the pairs that they make; its penalties were chosen by --folds, on the training part.
"""

import time
import warnings
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from hebrew import encode, folds_of, load
from measuring import argument_parser, begin, save

from fastrnn import RNNTagger
from fastrnn.metrics import span_f1_score

PENALTIES = {"c1": 0.1, "c2": 0.01}  # by two of four folds, of PENALTIES_TRIED
PENALTIES_TRIED = [{"c1": c1, "c2": 0.01} for c1 in (0.0, 0.1, 1.0)]


def bio_of(tags):
    """BIO tags of those that also tell the last word of a name, and names of a single one."""
    begins = {"S": "B", "B": "B", "I": "I", "E": "I", "O": "O"}
    return [begins[tag[0]] + tag[1:] for tag in tags]


def network(train, test, seed, threads, output):
    """Return the F1 of a fit of the default constructor, and its seconds."""
    (X, X_test), _ = encode(train[0], test[0])
    options = {"output": "crf", "constraints": "bio"} if output == "crf" else {}
    tagger = RNNTagger(categorical_features="all", random_state=seed, n_jobs=threads, **options)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tagger.fit(X, train[1])
    return span_f1_score(test[1], tagger.predict(X_test)), time.perf_counter() - start


def features(words):
    """What crfsuite knows of each word of a sentence."""
    kinds = {"": str, "<": lambda word: word[:3], ">": lambda word: word[-3:]}
    rows = []
    for k, word in enumerate(words):
        before = words[k - 1] if k else "^"
        after = words[k + 1] if k + 1 < len(words) else "$"
        places = {"-": before, "": word, "+": after}
        row = [
            f"{place}{kind}={of(at)}" for place, at in places.items() for kind, of in kinds.items()
        ]
        rows.append([*row, f"-&={before}&{word}", f"&+={word}&{after}", "bias"])
    return rows


def crfsuite(train, test, penalties, folder):
    """Return the F1 of python-crfsuite, and its seconds."""
    import pycrfsuite

    start = time.perf_counter()
    trainer = pycrfsuite.Trainer(verbose=False)
    for words, tags in zip(*train, strict=True):
        trainer.append(features(words), tags)
    trainer.set_params({**penalties, "max_iterations": 100, "feature.possible_transitions": True})
    file = str(folder / "names.crfsuite")
    trainer.train(file)
    seconds = time.perf_counter() - start
    tagger = pycrfsuite.Tagger()
    tagger.open(file)
    return span_f1_score(test[1], [tagger.tag(features(words)) for words in test[0]]), seconds


def pairs_to_run(arguments):
    """Parts to train and test on, with BIO tags; None where there are no data."""
    parts = load("biose_layer0")
    if parts is None:
        return None
    every = 20 if arguments.quick else 1
    train, test = (
        (parts[name][0][::every], [bio_of(tags) for tags in parts[name][1][::every]])
        for name in ("train", "test")
    )
    return list(folds_of(train, arguments.folds)) if arguments.folds else [(train, test)]


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits of each network")
    parser.add_argument("--folds", type=int, help="cross-validate on the training part instead")
    arguments = parser.parse_args()
    machine = begin(arguments, ["python-crfsuite", "seqeval"])
    pairs = pairs_to_run(arguments)
    if pairs is None:
        return
    print(f"\n{len(pairs[0][0][0])} sentences to learn from, {len(pairs[0][1][0])} to test")
    results = {"softmax": [], "crf": []}
    for seed in range(arguments.seeds):
        for output, fits in results.items():
            fits += [network(*pair, seed, arguments.threads, output) for pair in pairs]
            print(f"{output}, seed {seed}: F1 {fits[-1][0]:.4f}, {fits[-1][1]:.1f} s", flush=True)
    for penalties in PENALTIES_TRIED if arguments.folds else [PENALTIES]:
        name = f"python-crfsuite {penalties}"
        try:
            with TemporaryDirectory() as folder:
                results[name] = [crfsuite(*pair, penalties, Path(folder)) for pair in pairs]
        except ImportError as reason:
            print(f"skipped: {reason}")
            break
    for name, fits in results.items():
        f1, seconds = (mean(values) for values in zip(*fits, strict=True))
        print(f"{name}: mean F1 {f1:.4f}, {seconds:.1f} s", flush=True)
    if arguments.json:
        save(arguments.json, machine=machine, sentences=len(pairs[0][0][0]), results=results)


if __name__ == "__main__":
    main()
