"""Damage model files in every way that comes to mind, and load them.

``python tests/fuzz_files.py --count 100000`` takes minutes and prints what became of them;
test_damage.py does the same with fewer. A damaged file must be refused with `ModelFileError`, or be
a model: the same to the bit, or, where the record was changed and sealed anew, one that predicts,
answers in streams and can be saved again, or says why not.
"""

import argparse
import collections
import contextlib
import copy
import hashlib
import json
import os
import resource
import struct
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np

import fastrnn
from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
)
from fastrnn.files import ModelFileError, read_description

QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}
ITEMSIZE = {"F32": 4, "F64": 8, "I64": 8}
DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}


def models():
    """Return a small fitted model of each kind, with the call that it must answer."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in (3, 5, 4, 6)]
    ids = [[0, 2, 1], [1, 1], [2, 0, 0, 1]]
    series = [np.sin(np.arange(n)) for n in (9, 12)]
    ahead = [np.arange(n + 3) % 3 for n in (9, 12)]
    labels = RNNClassifier((2, 3), cell="gru", pooling="max", class_weight={"a": 2.0}, **QUICK)
    classes = RNNClassifier(2, embedding_dim=3, bidirectional=True, **QUICK)
    numbers = RNNRegressor(2, dtype="float64", pooling="max", **QUICK)
    tags = RNNTagger(2, cell="carry_lstm", bidirectional=False, **QUICK)
    text = RNNLanguageModel(2, tie_weights=True, **QUICK)
    texts = ["ab", "cab", "b", "bca"]
    told = RNNSeq2Seq(2, min_freq=2, target_tokenizer="space", target_min_freq=2, **QUICK)
    heard = RNNSeq2Seq(2, alignment="ctc", bidirectional=False, **QUICK)
    direct = RNNForecaster(
        2, strategy="direct", horizon=3, quantiles=(0.1, 0.5), categorical_features=[0], **QUICK
    )
    return [
        (labels.fit(X, ["a", "b", "b", "a"]), lambda model: model.predict_proba(X)),
        (classes.fit(ids, [7, -1, 7]), lambda model: model.predict_proba(ids)),
        (numbers.fit(X, [[1.0, 2], [2, 4], [3, 3], [0, 5]]), lambda model: model.predict(X)),
        (tags.fit(X, [np.arange(len(x)) % 2 for x in X]), lambda model: model.predict_proba(X)[1]),
        (text.fit("abc cba abba " * 5), lambda model: model.next_proba("ab")),
        (
            direct.fit(series, future_covariates=ahead),
            lambda model: np.stack(model.predict_quantiles(2)),
        ),
        (
            told.fit(texts, ["a b", "c a b", "", "b c"]),
            lambda model: model.score_samples(texts, [" ".join(text) for text in texts]),
        ),
        (heard.fit(X, ["ab", "ba", "", "a"]), lambda model: model.predict_proba(X)[1]),
    ]


def released():
    """Return a file of version 0.1.0 of each kind, with the call that its model must answer."""
    X = [np.sin(np.arange(3.0 * n)).reshape(n, 3) for n in (3, 5)]
    ahead = [np.arange(2.0 * (n + 3)).reshape(-1, 2) % 3 for n in (26, 31)]
    calls = {
        "classifier_labels": lambda model: model.predict_proba(X),
        "regressor": lambda model: model.predict(X),
        "tagger": lambda model: model.predict_proba(X)[1],
        "language_model_words": lambda model: model.next_proba(model.tokens_[2:3]),
        "forecaster_direct": lambda model: np.stack(model.predict(3, future_covariates=ahead)),
    }
    folder = Path(__file__).parent / "data" / "0.1.0"
    return [((folder / f"{name}.fastrnn").read_bytes(), call) for name, call in calls.items()]


def follow(model):
    """Return what streams of a model say of three steps; None where it has no streams."""
    if not getattr(model.network_, "one_way", False):
        return None
    if isinstance(model, RNNForecaster):
        stream, plan = model.stream(), model.reader_.plan
        n_read = plan.width(model.reader_.covariates) - plan.mask - plan.n_fixed
        x = np.ones((stream.n_streams, n_read))
    elif isinstance(model, RNNLanguageModel):
        stream, x = model.stream(2), [model.tokens_[-1]] * 2
    else:
        stream, x = model.stream(2), np.ones((2, model.n_features_in_))
    return [stream.step(x) for _ in range(3)]


def seal(record):
    """Return the text of a record with its checksum, as `fastrnn` writes it."""
    text = record if isinstance(record, str) else json.dumps(record)
    body = text[:-1]
    return f'{body}, "sha256": "{hashlib.sha256(body.encode()).hexdigest()}"}}'


def take_apart(data):
    """Return the header, the record and the bytes of the tensors of a file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    record = json.loads(header["__metadata__"]["fastrnn"])
    del record["sha256"]
    return header, record, data[8 + length :]


def put_together(header, record, body):
    """Return a file of these parts; texts are taken as they are."""
    if not isinstance(header, str):
        header = copy.deepcopy(header)
        header["__metadata__"]["fastrnn"] = seal(record)
        header = json.dumps(header)
    text = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + body


def places(value, path=()):
    """Yield the path of every value in lists and dicts."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def parent(value, path):
    """Return the list or dict that holds what a path leads to."""
    for key in path[:-1]:
        value = value[key]
    return value


def strange(rng):
    """Draw a value that hardly belongs anywhere."""
    deep = []
    for _ in range(int(rng.integers(1, 60))):
        deep = [deep]
    values = [
        None, True, False, 0, 1, -1, 2, 3, 7, 2**31, 2**63, -(2**63), 10**20, 10**990, 0.5, -0.0,
        1e-320, 1e308, "", "a", "lstm", "gru", "steps", "float16", "float64", "\0", "\ud800",
        "x" * 3000, [], {}, [1], [0, 0], [[1, 2]], deep, {"tuple": deep}, {"tuple": [1]},
        {"tuple": 3}, {"tuple": [0, -1]}, {"float": "nan"}, {"float": "inf"}, {"float": 1},
        {"bytes": "zz"}, {"bytes": "00"}, {"date": "2020-13-01"}, {"date": "2020-01-01"},
        {"datetime": "x"}, {"datetime64": [5, "ns"]}, {"datetime64": [5, "zs"]},
        {"datetime64": [2**70, "s"]}, {"dict": [[1, 2]]}, {"dict": [[[], 2]]},
        {"dict": {"ab": 1}}, {"dict": [["a", 1], ["a", 2]]}, {"array": [1, 2], "dtype": "<i8"},
        {"array": ["a", "b"], "dtype": "<U900000000"}, {"array": ["a", "b"], "dtype": "<U4"},
        {"array": [0.5], "dtype": "<f8"}, {"array": [300], "dtype": "|u1"},
        {"array": [1], "dtype": "|O"}, {"array": [[1]], "dtype": "<i8"},
        {"array": [], "dtype": "<M8"}, {"array": 5, "dtype": 7},
    ]  # fmt: skip
    return values[rng.integers(len(values))]


def change(value, rng):
    """Change one thing in nested lists and dicts, in place."""
    path = list(places(value))[rng.integers(sum(1 for _ in places(value)))]
    holder, key = parent(value, path), path[-1]
    what = rng.integers(6)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[["other", "", "sha256", key + "_"][rng.integers(4)]] = strange(rng)
    elif what == 1:
        holder.insert(key, strange(rng))
    elif what == 2 and isinstance(holder[key], int | float):
        holder[key] = [holder[key] + 1, -holder[key], holder[key] * 2, 2.0**70][rng.integers(4)]
    elif what == 3:
        other = list(places(value))
        other = other[rng.integers(len(other))]
        holder[key] = copy.deepcopy(parent(value, other)[other[-1]])
    else:
        holder[key] = strange(rng)


def flip(data, rng):
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
    return bytes(data)


def cut(data, rng):
    return data[: rng.integers(len(data))]


def extend(data, rng):
    return data + rng.bytes(rng.integers(1, 100))


def splice(data, rng):
    first, second, third = np.sort(rng.integers(len(data), size=3))
    return [
        data[:first] + data[second:],
        data[:second] + data[first:],
        data[:first] + data[second:third] + data[first:second] + data[third:],
        data[:first] + bytes(second - first) + data[second:],
    ][rng.integers(4)]


def lie_about_length(data, rng):
    length = int.from_bytes(data[:8], "little")
    lengths = [
        0,
        1,
        length - 1,
        length + 1,
        len(data) - 8,
        len(data),
        10**8,
        2**40,
        2**63,
        2**64 - 1,
    ]
    return struct.pack("<Q", lengths[rng.integers(len(lengths))]) + data[8:]


def change_record(data, rng):
    header, record, body = take_apart(data)
    for _ in range(rng.integers(1, 4)):
        if record:
            change(record, rng)
    return put_together(header, record, body)


def change_header(data, rng):
    header, record, body = take_apart(data)
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for _ in range(rng.integers(1, 4)):
        if tensors:
            change(tensors, rng)
    return put_together({"__metadata__": {}} | tensors, record, body)


def rename_tensor(data, rng):
    header, record, body = take_apart(data)
    names = list(record["checksums"])
    old = names[rng.integers(len(names))]
    new = ["other", "layers.9.W", "", *names][rng.integers(3 + len(names))]
    header[new], record["checksums"][new] = header.pop(old), record["checksums"].pop(old)
    return put_together(header, record, body)


def change_shape(data, rng):
    """Change shape and bytes of a tensor, consistently."""
    header, record, body = take_apart(data)
    names = list(record["checksums"])
    name = names[rng.integers(len(names))]
    tensors = {}
    for other in names:
        begin, end = header[other]["data_offsets"]
        tensors[other] = body[begin:end]
    shape = header[name]["shape"]
    shape[rng.integers(len(shape))] += int(rng.integers(-1, 3))
    if rng.integers(4) == 0:
        shape.append(1)
    if rng.integers(4) == 0:
        header[name]["dtype"] = list(ITEMSIZE)[rng.integers(3)]
    n_bytes = max(0, int(np.prod(shape)) * ITEMSIZE[header[name]["dtype"]])
    tensors[name] = (tensors[name] * 9)[:n_bytes].ljust(n_bytes, b"\0")
    record["checksums"][name] = hashlib.sha256(tensors[name]).hexdigest()
    body = b""
    for other in names:
        header[other]["data_offsets"] = [len(body), len(body) + len(tensors[other])]
        body += tensors[other]
    return put_together(header, record, body)


def change_numbers(data, rng):
    """Change numbers of a tensor, and its checksum."""
    header, record, body = take_apart(data)
    names = list(record["checksums"])
    name = names[rng.integers(len(names))]
    begin, end = header[name]["data_offsets"]
    values = np.frombuffer(body[begin:end], DTYPES[header[name]["dtype"]]).copy()
    strangest = [np.nan, np.inf, -np.inf, 0, -1, 1e30, 0.5] if values.dtype.kind == "f" else [
        0, -1, 5, 2**62, -(2**63), 2**63 - 1
    ]  # fmt: skip
    values[rng.integers(len(values))] = strangest[rng.integers(len(strangest))]
    record["checksums"][name] = hashlib.sha256(values.tobytes()).hexdigest()
    return put_together(header, record, body[:begin] + values.tobytes() + body[end:])


def write_strange_json(data, rng):
    """Put a text where a value of the record, or of the header, was."""
    header, record, body = take_apart(data)
    depth = int(rng.integers(1, 200_000))
    texts = [
        "NaN", "-Infinity", "1e999", "1" * 5000, "0." + "1" * 5000, "-", "", "{", '{"a":1,"a":2}',
        "[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, '"\\ud800"', "[1,]", "1 2",
        "[" + "{}," * depth + "{}]", "[" + "0," * depth + "0]", '"' + "a" * depth + '"', "\t1\n",
    ]  # fmt: skip
    text, mark = texts[rng.integers(len(texts))], "the place of the text"
    if rng.integers(2):
        path = list(places(record))
        path = path[rng.integers(len(path))]
        parent(record, path)[path[-1]] = mark
        record = seal(json.dumps(record).replace(f'"{mark}"', text))
        header["__metadata__"]["fastrnn"] = record
        return put_together(json.dumps(header), None, body)
    header["__metadata__"]["fastrnn"] = seal(record)
    path = list(places(header))
    path = path[rng.integers(len(path))]
    parent(header, path)[path[-1]] = mark
    return put_together(json.dumps(header).replace(f'"{mark}"', text), None, body)


def mix(data, rng, other):
    """Put a section of another file into this one."""
    header, record, body = take_apart(data)
    _, others, _ = take_apart(other)
    names = list(others)
    name = names[rng.integers(len(names))]
    record[name] = others[name]
    return put_together(header, record, body)


BLIND = [flip, cut, extend, splice, lie_about_length]
SEALED = [
    change_record, change_record, change_header, rename_tensor, change_shape, change_numbers,
    write_strange_json, mix,
]  # fmt: skip


class Fuzzer:
    """Damages files, loads them, and counts what became of them.

    Parameters
    ----------
    folder : str or path-like
        Where the files are.
    seed : int
        Seed of all random numbers.
    trace_memory : bool
        Whether to measure what loading takes, which then is slower by far.
    """

    def __init__(self, folder, seed, trace_memory=False):
        self.path = os.path.join(folder, "damaged.fastrnn")
        self.rng = np.random.default_rng(seed)
        self.trace_memory = trace_memory
        self.originals, self.calls, self.answers = [], [], []
        for model, call in models():
            model.save(self.path)
            self._add(Path(self.path).read_bytes(), call, model)
        for data, call in released():
            Path(self.path).write_bytes(data)
            self._add(data, call, fastrnn.load(self.path))
        self.outcomes = collections.Counter()
        self.slowest, self.most_memory = 0.0, 0

    def _add(self, data, call, model):
        self.originals.append(data)
        self.calls.append(call)
        self.answers.append(call(model))

    def run(self, count):
        """Damage and load so many files."""
        for n in range(count):
            k = self.rng.integers(len(self.originals))
            damages = BLIND if n % 3 == 0 else SEALED
            damage = damages[self.rng.integers(len(damages))]
            arguments = [self.originals[k], self.rng]
            if damage is mix:
                arguments.append(self.originals[self.rng.integers(len(self.originals))])
            self.load(damage(*arguments), k, damage)

    def load(self, data, k, damage):
        """Load one file, which should be the k-th model."""
        with open(self.path, "wb") as file:
            file.write(data)
        before = time.perf_counter()
        model = None
        if self.trace_memory:
            tracemalloc.start()
        try:
            with contextlib.suppress(ModelFileError):
                read_description(self.path)
            model = fastrnn.load(self.path)
        except ModelFileError as error:
            outcome = "refused"
            assert "\n" not in str(error) and len(str(error)) < 600, error
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        self.slowest = max(self.slowest, time.perf_counter() - before)
        if self.trace_memory:
            beyond = peak - 2 * len(data)
            self.most_memory = max(self.most_memory, beyond)
            assert beyond < 2**24 + 2**20, f"{beyond} bytes beyond twice the file"
        if model is not None:
            outcome = self.ask(model, k, damage)
        self.outcomes[damage.__name__, outcome] += 1

    def ask(self, model, k, damage):
        """Ask a model that could be loaded; return what came of it."""
        if damage in BLIND:
            np.testing.assert_array_equal(self.calls[k](model), self.answers[k])
            return "the same"
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                said, followed = self.calls[k](model), follow(model)
            except (ValueError, TypeError, AttributeError, MemoryError) as error:
                return f"cannot predict: {type(error).__name__}"
            model.save(self.path)
            again = fastrnn.load(self.path)
            np.testing.assert_array_equal(self.calls[k](again), said)
            if followed is not None:
                np.testing.assert_array_equal(follow(again), followed)
        return "predicts" if followed is None else "predicts and streams"


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="files (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument(
        "--memory", action="store_true", help="trace memory, at a third of the speed"
    )
    arguments = parser.parse_args()
    before = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(folder, arguments.seed, arguments.memory)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fuzzer.run(arguments.count)
    for (damage, outcome), n in sorted(fuzzer.outcomes.items()):
        print(f"{damage:20} {outcome:30} {n:7}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) / 1024
    print(f"{arguments.count} files in {time.perf_counter() - before:.0f} s, ", end="")
    print(f"the slowest took {fuzzer.slowest:.3f} s")
    print(f"peak of resident memory {grown:.1f} MB above the start")
    if arguments.memory:
        print(f"at most {fuzzer.most_memory / 2**20:.2f} MB beyond twice the size of a file")


if __name__ == "__main__":
    main()
