"""Files that are damaged are refused, with one kind of error and before memory is taken."""

import hashlib
import json
import os
import tracemalloc

import numpy as np
import pytest
from fuzz_files import Fuzzer, models, put_together, take_apart

import fastrnn
from fastrnn import RNNClassifier
from fastrnn.files import ModelFileError, layout

QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}
X = [np.random.default_rng(k).standard_normal((3 + k % 4, 2)) for k in range(20)]
LABELS = np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


def classifier(**options):
    return RNNClassifier(**{"hidden_layer_sizes": 4, **QUICK, **options})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a small model, each of which is damaged by some tests."""
    path = tmp_path_factory.mktemp("saved") / "model"
    model = classifier(hidden_layer_sizes=2, pooling="max", conv=((2, 3, 1),))
    model.fit(X, LABELS).save(path)
    return path.read_bytes()


class TestDamage:
    """Whatever is wrong with a file is a `ModelFileError`, and found before memory is taken."""

    def refuse(self, data, tmp_path, match):
        path = tmp_path / "damaged"
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match=match) as caught:
            fastrnn.load(path)
        assert str(caught.value).startswith(str(path))
        assert caught.value.__cause__ is None
        assert "\n" not in str(caught.value)

    @pytest.mark.of_any_version
    def test_every_truncation(self, saved, tmp_path):
        path = tmp_path / "damaged"
        for n in range(len(saved)):
            path.write_bytes(saved[:n])
            with pytest.raises(ModelFileError):
                fastrnn.load(path)

    @pytest.mark.of_any_version
    def test_every_flipped_byte(self, saved, tmp_path):
        length = int.from_bytes(saved[:8], "little")
        padding = range(8 + len(saved[8 : 8 + length].rstrip(b" ")), 8 + length)
        path = tmp_path / "damaged"
        for n in range(len(saved)):
            path.write_bytes(saved[:n] + bytes([saved[n] ^ 0x1]) + saved[n + 1 :])
            if n in padding:
                continue
            with pytest.raises(ModelFileError):
                fastrnn.load(path)

    @pytest.mark.of_any_version
    def test_many_kinds(self, tmp_path):
        fuzzer = Fuzzer(tmp_path, seed=0, trace_memory=True)
        fuzzer.run(300)
        fuzzer.trace_memory = False
        fuzzer.run(300)
        assert fuzzer.slowest < 10
        results = {outcome for _, outcome in fuzzer.outcomes}
        used = {"refused", "predicts", "predicts and streams"}
        assert used <= results <= {*used, "the same"}

    def test_files_of_the_library(self, tmp_path):
        library = pytest.importorskip("safetensors.numpy")
        library.save_file({"a": np.zeros(3)}, tmp_path / "other")
        self.refuse((tmp_path / "other").read_bytes(), tmp_path, "the header has no '__metadata__'")
        library.save_file({"a": np.zeros(3)}, tmp_path / "other", {"format": "pt"})
        self.refuse((tmp_path / "other").read_bytes(), tmp_path, "the metadata has no 'fastrnn'")

    def test_other_files(self, saved, tmp_path):
        self.refuse(b"", tmp_path, "ends too early")
        self.refuse(b"no model at all, but long enough", tmp_path, "its header should have")
        with pytest.raises(FileNotFoundError):
            fastrnn.load(tmp_path / "nothing")
        with pytest.raises(IsADirectoryError):
            fastrnn.load(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ModelFileError, match="no regular file"):
            fastrnn.load(tmp_path / "pipe")

    @pytest.mark.parametrize(
        "encoding",
        ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-7"],
    )
    def test_other_encodings(self, saved, tmp_path, encoding):
        length = int.from_bytes(saved[:8], "little")
        header = saved[8 : 8 + length].decode().encode(encoding)
        data = len(header).to_bytes(8, "little") + header + saved[8 + length :]
        self.refuse(data, tmp_path, "its header is not valid JSON")

    def test_newer_formats(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        record |= {"format": 3, "fastrnn": "7.1"}
        record["parameters"]["new"] = 3
        self.refuse(
            put_together(header, record, body), tmp_path, "written by fastrnn '7.1' in format 3"
        )

    def test_kinds(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        for kind, words in (("os.system", "no model$"), ("checkpoint", r"resume=True\) goes on")):
            record["kind"] = kind
            self.refuse(put_together(header, record, body), tmp_path, words)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("dropout", 1.5, "dropout must be"),
            ("cell", "gru2", "cell must be one of"),
            ("hidden_layer_sizes", {"tuple": [4, True]}, "hidden_layer_sizes must be"),
            ("random_state", "seed", "random_state must be"),
            ("alpha", 10**400, "alpha must be"),
            ("tokenizer", "char", "unknown entry 'tokenizer'"),
            ("class_weight", json.loads("[" * 900 + "]" * 900), "lists in lists without end"),
        ],
    )
    def test_parameters(self, saved, tmp_path, name, value, words):
        header, record, body = take_apart(saved)
        record["parameters"][name] = value
        self.refuse(put_together(header, record, body), tmp_path, words)

    @pytest.mark.parametrize(
        ("sizes", "words"),
        [
            ([2**40], "expected up to [0-9]+ parameters"),
            ([2**61] * 3, "hidden_layer_sizes must be a whole number from 1 to"),
            ([2**20] * 3, "tensor 'layers"),
            ([2**30] * 3, "expected up to [0-9]+ parameters"),
            ([4, 4], "tensor 'layers"),
            ([5], "tensor 'layers"),
            (5, "architecture: hidden_layer_sizes must be a tuple"),
            ([], "architecture: hidden_layer_sizes must have one layer"),
            (json.loads("[" * 900 + "]" * 900), "architecture: "),
        ],
    )
    def test_networks_that_the_file_does_not_hold(self, saved, tmp_path, sizes, words):
        header, record, body = take_apart(saved)
        record["architecture"]["hidden_layer_sizes"] = sizes
        self.refuse(put_together(header, record, body), tmp_path, words)

    @pytest.mark.parametrize(
        ("k", "section", "change", "words"),
        [
            (0, "architecture", {"pooling": "steps"}, "pooling='steps' is not for 'classes'"),
            (0, "architecture", {"head": "binary_log_loss"}, "head='binary_log_loss', not 'log"),
            (0, "architecture", {"cell": "lstm"}, "cell='lstm' has the options"),
            (0, "architecture", {"cell_options": {}}, None),
            (0, "architecture", {"n_features": 3}, "tensor 'conv.0.W' has the"),
            (0, "task", {"kind": "label_sets", "n_outputs": 2}, "task has no 'names'"),
            (0, "task", {"kind": "step_classes"}, "task.kind is 'step_classes', expected one of"),
            (0, "task", {"kind": ["classes"]}, "task.kind is .*, expected a string"),
            (0, "reader", {"kind": "texts"}, "reader.kind is 'texts', expected one of sequences"),
            (0, "reader", {"n_columns": 5}, "n_columns must be null for several columns"),
            (1, "architecture", {"id_tables": []}, "n_features or id_tables|tensor 'layers.0.W'"),
            (1, "architecture", {"embeddings": [[2, 3]]}, "tensor 'embeddings.0' has the"),
            (4, "architecture", {"tied": False}, "it has no tensor 'head.W'"),
            (4, "reader", {"is_long": False}, "counts of 4 tokens, but 5 tokens"),
            (4, "reader", {"encoder": None}, None),
            (5, "architecture", {"head_options": {"levels": [0.1, 0.6]}}, "levels=.*, not"),
            (5, "reader", {"window": 1}, "reader.window is 1, expected 2"),
        ],
    )
    def test_parts_that_do_not_suit_each_other(self, k, section, change, words, tmp_path):
        models()[k][0].save(tmp_path / "model")
        header, record, body = take_apart((tmp_path / "model").read_bytes())
        record[section] |= change
        data = put_together(header, record, body)
        if words is not None:
            self.refuse(data, tmp_path, words)
        else:  # it is another model, but one
            (tmp_path / "model").write_bytes(data)
            fastrnn.load(tmp_path / "model")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"n_ahead": 2}, "the network reads 5 columns, but there are 4"),
            ({"n_ahead": 2**40}, "the network reads 5 columns, but there are 1099511627778"),
            ({"quantiles": [0.6, 0.7]}, "reader.plan: quantiles must be rising levels"),
            ({"quantiles": [0.5]}, "the network has"),
            ({"scaling": "other"}, "reader.plan: scaling must be one of"),
            ({"seasonality": 1}, "reader.plan: seasonality must be"),
            ({"feeds_back": True}, "n_ahead must be 1 where forecasts are fed back"),
            ({"mask": True}, "the network reads 5 columns, but there are 6"),
        ],
    )
    def test_plans(self, change, words, tmp_path):
        models()[5][0].save(tmp_path / "model")
        header, record, body = take_apart((tmp_path / "model").read_bytes())
        record["reader"]["plan"] |= change
        self.refuse(put_together(header, record, body), tmp_path, words)

    def test_tensors_too_many(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        header["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(body), len(body) + 4]}
        record["checksums"]["more"] = record["checksums"]["head.b"]
        data = put_together(header, record, body + b"\0\0\0\0")
        self.refuse(data, tmp_path, "unknown tensor 'more'")

    def test_numbers_that_are_not_finite(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        begin, _ = header["head.b"]["data_offsets"]
        body = body[:begin] + np.float32(np.nan).tobytes() + body[begin + 4 :]
        self.refuse(put_together(header, record, body), tmp_path, "'head.b' has numbers that are")

    @pytest.mark.parametrize(
        ("k", "name", "values"),
        [
            (2, "task.scale", [1.0, 0.0]),
            (4, "reader.counts", [0, 0, 0, 0, 0]),
            (4, "reader.counts", [0, -1, 4, 4, 4]),
            (5, "reader.covariate_scale", [2.0]),
            (5, "reader.covariate_mean", [0.5]),
            (5, "reader.series.future_lengths", [8, 19]),
            (5, "reader.series.lengths", [1, 20]),
        ],
    )
    def test_numbers_that_make_no_sense(self, k, name, values, tmp_path):
        models()[k][0].save(tmp_path / "model")
        header, record, body = take_apart((tmp_path / "model").read_bytes())
        begin, end = header[name]["data_offsets"]
        new = np.array(values).tobytes()
        assert len(new) == end - begin
        record["checksums"][name] = hashlib.sha256(new).hexdigest()
        data = put_together(header, record, body[:begin] + new + body[end:])
        self.refuse(data, tmp_path, f"tensor '{name}|no token has|too early|is too short|no scale")

    def test_checksums(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        self.refuse(
            put_together(header, record, body[:-1] + b"\1"), tmp_path, "checksum is another one"
        )
        self.refuse(saved.replace(b'tol\\": 10', b'tol\\": 11'), tmp_path, "its record is damaged")

    def test_keys_that_come_twice(self, saved, tmp_path):
        header, record, body = take_apart(saved)
        twice = json.dumps(record)[:-1] + ', "kind": "classifier"}'
        data = put_together(header, twice, body)
        self.refuse(data, tmp_path, "its record has the key 'kind' twice")
        length = int.from_bytes(saved[:8], "little")
        text = saved[8 : 8 + length].rstrip().decode()
        entry = json.dumps(header["head.b"])
        text = f'{text[:-1]}, "head.b": {entry}}}'
        self.refuse(put_together(text, None, body), tmp_path, "header has the key 'head.b' twice")

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 10**6, '{"a":' * 10**6, "1" * 10**6, "0." + "1" * 10**6, "NaN", "1e999",
            "[" + "{}," * 10**6,
        ],
    )  # fmt: skip
    def test_strange_json(self, saved, tmp_path, text):
        header, record, body = take_apart(saved)
        record["training"]["t"] = "here"
        text = json.dumps(record).replace('"here"', text)
        data = put_together(header, text, body)
        tracemalloc.start()
        try:
            self.refuse(data, tmp_path, "its record|its header")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Three times, since the data themselves are here as well.
        assert peak < 3 * len(data) + 2**24

    def test_memory_of_a_large_file(self, tmp_path):
        path, size = tmp_path / "model", 500  # the 128 KiB that Python 3.14 reads ahead are little
        model = classifier(hidden_layer_sizes=size).fit(X, LABELS)
        model.save(path)
        n_bytes = path.stat().st_size
        tracemalloc.start()
        try:
            fastrnn.load(path)
            _, whole = tracemalloc.get_traced_memory()
            with path.open("r+b") as file:
                file.truncate(n_bytes - 1)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with pytest.raises(ModelFileError):
                fastrnn.load(path)
            _, refused = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Parameters and gradient, which are not touched yet, of the network and of its layer; and
        # which parameters are weights.
        assert whole < 4.5 * n_bytes
        assert refused - before < 0.05 * n_bytes

    def test_files_that_shrink_while_they_are_read(self, tmp_path, monkeypatch):
        path = tmp_path / "model"
        classifier(hidden_layer_sizes=200).fit(X, LABELS).save(path)  # more than is read ahead
        end = layout.RecordFile.end

        def shrink(self):
            end(self)
            os.truncate(path, path.stat().st_size - 4)

        monkeypatch.setattr(layout.RecordFile, "end", shrink)
        with pytest.raises(ModelFileError, match="ends too early"):
            fastrnn.load(path)
