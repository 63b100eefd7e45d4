"""Benchmarks of words and names read the data as described. No figure is judged here."""

import gzip
import json
import os
import sys

import numpy as np
import pytest
from bench_runs import bench_path, fixture_run_here, needs_programs  # noqa: F401, fixtures

pytestmark = needs_programs


def stand_in(name, text, folder, monkeypatch):
    """Let a program of Python be found by the name of another."""
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


class TestHebrew:
    ROWS = "set,global_sent_id,form,upostag\n" + "".join(
        f"{part},{number},{form},{tag}\n"
        for part, numbers in (
            ("train", range(80)),
            ("dev", range(80, 84)),
            ("test", range(84, 104)),
        )
        for number in numbers
        for form, tag in (
            ("שלום", "NOUN"),
            ("ה", "DET"),
            (f"עץ{number}", "NOUN"),
            (".", "PUNCT"),
        )
    ).replace("\n", "\r\n")

    def test_parts_are_read_as_described(self):
        import hebrew

        parts = hebrew.read(self.ROWS.splitlines())
        assert {name: len(words) for name, (words, _) in parts.items()} == {
            "train": 80, "dev": 4, "test": 20,
        }  # fmt: skip
        words, tags = parts["dev"]
        assert words[1] == ["שלום", "ה", "עץ81", "."]
        assert tags[1] == ["NOUN", "DET", "NOUN", "PUNCT"]

    def test_ids_are_those_of_words_and_affixes_met_twice_in_the_first_part(self):
        import hebrew

        (X, X_test), sizes = hebrew.encode([["abcd", "abce", "b"], ["abcd"]], [["abce", "xbcd"]])
        assert sizes == [2, 2, 2]  # "abcd", "abc", "bcd", and in each column the unknown
        np.testing.assert_array_equal(X[0], [[1, 1, 1], [0, 1, 0], [0, 0, 0]])
        np.testing.assert_array_equal(X_test[0], [[0, 1, 0], [0, 0, 1]])

    def test_folds_have_every_sentence_once(self):
        import hebrew

        part = list("abcde"), list("ABCDE")
        pairs = list(hebrew.folds_of(part, 2))
        assert pairs[0] == ((["c", "d", "e"], ["C", "D", "E"]), (["a", "b"], ["A", "B"]))
        assert pairs[1] == pairs[0][::-1]

    def test_figures(self, tmp_path, run_here, monkeypatch):
        import packages

        (tmp_path / "data").mkdir()
        file = tmp_path / "data" / "uddf_fixed.csv.gz"
        file.write_bytes(gzip.compress(self.ROWS.encode()))
        monkeypatch.setattr(packages, "folder_of", lambda package, version: tmp_path)
        options = ("hebrew.py", "--quick", "--seeds", 1, "--json", tmp_path / "figures.json")
        output = run_here(*options)
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["words"] == [16, 4] and len(figures["fits"]) == 1
        assert f"most frequent tag of each word: accuracy {figures['baseline']:.4f}" in output
        run_here(*options, "--folds", 2)
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["words"] == [8, 8] and len(figures["fits"]) == 2


class TestEntities:
    SENTENCES = (
        (("דוד", "S-PER"), ("בא", "O"), ("אל", "O"), ("תל", "B-GPE"), ("אביב", "E-GPE")),
        (("שלום", "O"), ("בית", "B-ORG"), ("ספר", "I-ORG"), ("טוב", "E-ORG"), (".", "O")),
    )

    def test_the_last_word_of_a_name_is_inside_of_it_and_a_single_one_begins_it(self):
        import entities

        told = entities.bio_of(["S-PER", "O", "B-GPE", "I-GPE", "E-GPE"])
        assert told == ["B-PER", "O", "B-GPE", "I-GPE", "I-GPE"]

    def test_features_are_of_a_word_and_its_neighbours(self):
        import entities

        first, second = entities.features(["abcd", "ef"])
        assert set(first) >= {"=abcd", "<=abc", ">=bcd", "-=^", "+=ef", "&+=abcd&ef"}
        assert set(second) >= {"=ef", "-=abcd", "->=bcd", "+=$", "-&=abcd&ef"}

    def test_figures(self, tmp_path, run_here, monkeypatch):
        pytest.importorskip("seqeval")
        import packages

        monkeypatch.delitem(sys.modules, "hebrew", raising=False)  # which may have other data
        rows = [
            f"{part},{1000 * part_number + number},{form},{tag}"
            for part_number, part in enumerate(("train", "dev", "test"))
            for number in range(240)  # of which every 20th is read
            for form, tag in self.SENTENCES[number // 20 % 2]
        ]
        (tmp_path / "data").mkdir()
        text = "\n".join(["set,global_sent_id,form,biose_layer0", *rows])
        (tmp_path / "data" / "uddf_fixed.csv.gz").write_bytes(gzip.compress(text.encode()))
        monkeypatch.setattr(packages, "folder_of", lambda package, version: tmp_path)
        file = tmp_path / "figures.json"
        run_here("entities.py", "--quick", "--seeds", 1, "--json", file)
        results = json.loads(file.read_text())["results"]
        assert {len(fits) for fits in results.values()} == {1}
        assert {"softmax", "crf"} <= set(results)
        run_here("entities.py", "--quick", "--seeds", 1, "--folds", 2, "--json", file)
        assert len(json.loads(file.read_text())["results"]["crf"]) == 2


class TestFirstNames:
    LINES = (
        "#  a comment                   $",
        "M  Jun+Wei                     1",
        "F  Émilie                      1",
        "1F Robin                       1",
        "M  Abe                         1",
        "F  Abe                         1",
        "?  Kim                         1",
        "F  Zoë                         1",
    )

    def test_names_are_read_as_described(self):
        import first_names

        assert first_names.read(self.LINES) == (["junwei", "zoë", "émilie"], ["M", "F", "F"])

    def test_no_name_is_on_both_sides(self):
        import first_names

        names, sexes = list("abcdefghijk"), list("ABCDEFGHIJK")
        (train, y), (test, y_test) = first_names.split(names, sexes)
        assert (train, test) == (list("abcdfghik"), list("ej"))
        assert (y, y_test) == (list("ABCDFGHIK"), list("EJ"))
        (train, _), (test, _) = first_names.split(names, sexes, validate=True)
        assert (train, test) == (list("abcfghk"), list("di"))

    def test_figures(self, tmp_path, run_here, monkeypatch):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        import packages

        (tmp_path / "data").mkdir()
        rng = np.random.default_rng(0)
        ends = {"F": "a", "M": "o"}
        lines = [
            f"{sex}  {''.join(rng.choice(list('bdklmn'), 6))}{ends[sex]}   1"
            for sex in "FM" * 300
        ]  # fmt: skip
        (tmp_path / "data" / "nam_dict.txt").write_text("\n".join(lines), encoding="utf-8")
        monkeypatch.setattr(packages, "folder_of", lambda package, version: tmp_path)
        options = ("first_names.py", "--quick", "--seeds", 1, "--json", tmp_path / "figures.json")
        run_here(*options)
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["names"] == [24, 6]
        assert [len(fits) for fits in figures["results"].values()] == [1] * 4
        run_here(*options, "--validate")
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["names"] == [18, 6] and len(figures["results"]) == 4

    @pytest.mark.parametrize("candidates", ["NETWORKS", "REGRESSIONS"])
    def test_the_chosen_one_was_tried(self, candidates):
        import first_names

        chosen = {"NETWORKS": first_names.CHOSEN, "REGRESSIONS": first_names.REGRESSION}
        tried = getattr(first_names, candidates)
        assert chosen[candidates] in tried
        assert len({str(setting) for setting in tried}) == len(tried)


class TestPronunciation:
    LEXICON = (
        "".join(
            f"{word} {' '.join(word.upper())}1\n"
            for word in sorted({f"{a}{b}{c}" for a in "abc" for b in "de" for c in "fgh'"})
        )
        + "aab A B\nx2 X\n"
    )

    def test_words_are_read_and_split_as_described(self, tmp_path):
        import g2p

        file = tmp_path / "lexicon"
        file.write_text(self.LEXICON)
        lexicon = g2p.read_lexicon(file)
        assert "x2" not in lexicon
        data = g2p.Data(lexicon)
        assert (len(data.X), len(data.X_test)) == (23, 2)
        assert data.word_error([list(next(iter(right))) for right in data.right]) == 0
        assert data.word_error([[], []]) == 1
        data = g2p.Data(lexicon, choose=True)
        assert (len(data.X), len(data.X_test)) == (22, 1)

    def test_ctc_reads_each_letter_twice_and_leaves_out_what_says_more(self):
        import g2p

        contender = g2p.FastrnnCTC(g2p.CTC, 3, 4, 1, 0)
        X, y = [np.array([0]), np.array([1, 2])], [np.array([3, 3]), np.array([3, 3, 1])]
        (x,), (sounds,) = contender.long_enough(X, y)
        assert x.tolist() == [1, 1, 2, 2] and sounds.tolist() == [3, 3, 1]

    @pytest.mark.parametrize("options", [["--quick"], ["--epochs", "1"]])
    def test_both_contenders_run(self, run_here, tmp_path, options):
        pytest.importorskip("torch")
        file, figures = tmp_path / "lexicon", tmp_path / "figures.json"
        file.write_text(self.LEXICON)
        output = run_here("g2p.py", "--lexicon", file, "--json", figures, *options)
        figures = json.loads(figures.read_text())
        if "--quick" in options:
            assert "torch / fastrnn" in output
            assert figures["ratio"] > 0
            return
        for name in ("fastrnn", "fastrnn ctc", "torch"):
            assert 0 <= figures[name]["word error"]["beam 1"] <= 1
            assert figures[name]["parameters"] > 1000


class TestVerses:
    LINES = (
        "Genesis 1:1: In the beginning, God\u2019s <H430> Spirit.",
        "   II Kings 3:20: And so",
        "it was.",
    )

    def test_lines_are_read_as_described(self):
        import verses

        assert verses.read_lines(self.LINES) == {
            "Genesis 1:1": ["in", "the", "beginning", ",", "god", "'", "s", "spirit", "."],
            "II Kings 3:20": ["and", "so", "it", "was", "."],
        }

    def test_headings_are_no_verses(self):
        import verses

        lines = (
            "Psalms 1:1: Happy",
            "is he. ",
            "",
            "By David.",
            "  Psalms 2:1: Why? ",
            "By David.",
            "  Job 1:1: Once",
            '<title type="psalm">By David.</title> Tobit 6:18: ',
        )
        assert verses.read_lines(lines) == {
            "Psalms 1:1": ["happy", "is", "he", "."],
            "Psalms 2:1": ["why", "?"],
            "Job 1:1": ["once"],
        }

    def test_short_verses_that_both_have_are_paired(self):
        import verses

        source = {"a": ["x"], "b": ["y"] * 26, "c": ["z"], "d": ["v"]}
        target = {"a": ["X"], "b": ["Y"], "d": ["V"] * 26}
        assert verses.pair(source, target) == [(["x"], ["X"])]

    def test_words_met_less_than_three_times_are_unknown(self):
        import verses

        pairs = [(["a"], ["A"])] * 40 + [(["b"], ["B"])] * 2
        data = verses.Data(pairs)
        assert (len(data.X), len(data.X_test)) == (39, 3)
        assert (data.source.n_tokens_, data.target.n_tokens_) == (2, 2)
        assert data.words([[1, 0]]) == [["A", "_"]]

    def test_settings_are_chosen_by_verses_that_train(self):
        import verses

        pairs = [(["a", str(k)], ["A"]) for k in range(60)]
        data, chosen = verses.Data(pairs), verses.Data(pairs, choose=True)
        assert data.source_test == (["a", "0"], ["a", "20"], ["a", "40"])
        assert chosen.source_test == (["a", "10"], ["a", "30"], ["a", "50"])
        assert (len(data.X), len(chosen.X)) == (57, 54)

    def test_words_are_right_at_their_place(self):
        import verses

        assert verses.accuracy([list("abc"), ["d"]], [list("axcd"), []]) == 0.5

    def test_figures(self, tmp_path, run_here, monkeypatch):
        pytest.importorskip("torch")
        lines = [f"Genesis {k}:1: {' '.join('abcde'[: k % 5 + 1])}" for k in range(400)]
        stand_in("diatheke", f"print({chr(10).join(lines)!r})", tmp_path, monkeypatch)
        output = run_here("verses.py", "--quick", "--json", tmp_path / "figures.json")
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert (figures["verses"], figures["words"]) == (380, [6, 6])
        for name in ("fastrnn", "torch"):
            assert figures[name]["edit error"] >= 0
            assert 0 <= figures[name]["accuracy"] <= 1
            assert f"  {name}: {figures[name]['examples'][0]}" in output

    def test_nothing_is_told_without_the_verses(self, run_here, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert "skipped: diatheke" in run_here("verses.py", "--quick")


class TestSpeech:
    def test_words_are_what_letters_spell(self):
        import speech

        assert speech.words_of(list("up down")) == ["up", "down"]

    def test_voices_to_test_on_are_heard_in_no_training(self):
        import speech

        assert not set(speech.TRAIN_VOICES) & set(speech.TEST_VOICES)

    def test_figures(self, tmp_path, run_here, monkeypatch):
        pytest.importorskip("torch")
        pytest.importorskip("python_speech_features")
        said = tmp_path / "said"
        program = (
            "import sys, wave\n"
            "arguments = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2], strict=True))\n"
            "with wave.open(arguments['-w'], 'wb') as file:\n"
            "    file.setparams((1, 2, 16000, 0, 'NONE', ''))\n"
            "    file.writeframes(bytes(range(200)) * 480)\n"
            f"print(arguments['-v'], file=open({str(said)!r}, 'a'))\n"
        )
        stand_in("espeak-ng", program, tmp_path, monkeypatch)
        figures = tmp_path / "figures.json"
        for options, n in (([], 48), (["--choose"], 46)):
            said.write_text("")
            run_here("speech.py", "--quick", "--json", figures, *options)
            told = json.loads(figures.read_text())
            voices = said.read_text().split()
            assert told["recordings"] == [n, len(voices) - n]
            assert ("en-us+f3" in voices) == (options == [])
            assert set(told["errors"]) == {"fastrnn", "torch"}

    def test_the_two_networks_read_the_same_frames(self):
        pytest.importorskip("torch")
        import speech

        contender = speech.Torch(1, 0, 1)
        contender.mean, contender.std = 1.0, 2.0
        (patches,) = contender.read([np.arange(6.0, dtype=np.float32)[:, None]])
        assert patches.tolist() == [[-0.5, 0.0, 0.5, 1.0], [1.5, 2.0, 0.0, 0.0]]

    def test_nothing_is_told_without_voices(self, run_here, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert "skipped: espeak-ng" in run_here("speech.py", "--quick")
