"""All benchmarks in one run, and the page that shows their figures."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_runs import (  # noqa: F401, fixtures
    BENCH,
    ROOT,
    bench_path,
    fixture_run_here,
    fixture_run_part,
    needs_programs,
    run,
)

import fastrnn

pytestmark = needs_programs


class TestRun:
    """`bench/run.py` with its parts and the page."""

    def test_latency(self, run_part, tmp_path):
        part = run_part("latency", tmp_path / "figures.json")
        assert [case["cell"] for case in part["cases"]] == ["lstm"] * 2 + ["gru"] * 2 + ["rnn"] * 2
        for case in part["cases"]:
            assert all(case["99.9 %"][name] >= value > 0 for name, value in case["median"].items())

    def test_loop(self, run_part, tmp_path):
        part = run_part("loop", tmp_path / "figures.json")
        assert [case["cell"] for case in part["cases"]] == ["lstm", "gru", "rnn", "carry_lstm"]
        for case in part["cases"]:
            assert 0 < case["cell kernels"]
            # Others' work in one of the two epochs may make the rest anything.
            kernels = case["cell kernels"] + case["other kernels"]
            assert case["loop"] == pytest.approx(case["minibatch"] - kernels, abs=0.1)

    def test_loop_keeps_account_of_all_kernels(self):
        import loop

        from fastrnn.kernels import dense
        from fastrnn.network import shards

        spent = loop.Loop("gru").account()
        n_calls = {name: calls for name, (_, calls) in spent.items()}
        assert n_calls["cell_forward"] == n_calls["cell_backward"] == loop.MINIBATCHES
        others = {"pack_weights", "dense_gradients", "softmax_log_loss", "sum_squares", "adam_step"}
        assert all(n_calls[name] >= loop.MINIBATCHES for name in others)
        assert all(seconds > 0 for name, (seconds, _) in spent.items() if n_calls[name])
        assert shards.pack_weights is dense.pack_weights  # and nothing is timed any more
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
    def test_memory(self, run_part, tmp_path):
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

    def test_install(self, run_part, tmp_path):
        import install

        part = run_part("install", tmp_path / "figures.json", run)
        assert part["seconds"]["import fastrnn"] > 0
        assert part["megabytes"]["fastrnn"]["packages"] == ["fastrnn", "numpy", "scipy"]
        assert part["megabytes"]["fastrnn"]["alone"] > 0.1
        names = {path.name for path in install.own_files("fastrnn")}
        assert {"__init__.py", "py.typed", "japanese_vowels.npz"} <= names
        assert not [name for name in names if name.endswith((".pyx", ".pxd", ".h", ".c"))]

    def test_growth_is_merged_into_what_is_there(self, run_part, tmp_path):
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

    def test_part_that_cannot_be_run_here_is_not_a_failure(self, tmp_path, monkeypatch):
        monkeypatch.delitem(sys.modules, "run", raising=False)
        import run as run_all

        file = tmp_path / "figures.json"
        silent = run_all.Part("layers.py", arguments=["--help"])  # which writes nothing
        monkeypatch.setattr(run_all, "PARTS", {"layers-1": silent})
        monkeypatch.setattr(sys, "argv", ["run.py", "--json", str(file)])
        run_all.main()
        assert not file.exists()

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
                "limit": 6.0,
                "empty": {"tract": "it has no such layer"},
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
        assert "| float32 lstm training, 1 thread | 1.60 | 1.45 | **0.80** | 1.05 | 28," in text
        assert "least share of the peak | **0.70** | ≥ 0.75 |" in text
        assert "H ≥ 32: least share of its own limit | **0.60** | ≥ 0.75 |" in text
        assert "In 1 of 2 cases" in text
        row = "| lstm, training, float32, 1 thread | torch 1, fastrnn 1 | **0.80** | 1.60 | 3.20 |"
        assert row in text
        row = "| lstm, training, float32, 1 thread | 28, 32, 28, 128 | 10.0 | torch | 0.80 |"
        assert row in text
        assert (
            "| 28, 32, 28, 128 | 10.0 | 8.00 | 9.60 |  | 70.0 | 0.70 | 0.60 | **0.80** | **0.80** |"
        ) in text
        assert (
            "| 28, 32, 28, 128 | 10.0 | 32.0 | 38.4 |  | 90.0 | 0.90 | 0.60 | 3.20 | 3.20 |"
        ) in text
        assert "Empty: tract, for it has no such layer." in text
        assert "- Processor: Z80" in text
        assert "in a hurry" not in text
        parts["layers-1"]["quick"] = True
        assert "in a hurry, so roughly: `layers-1`." in page.render(parts, "x")

    def test_bfloat16_is_judged_by_wide_shapes(self, parts):
        import page

        part = parts.pop("layers-1")
        parts["bfloat16-1"] = part
        (table,) = part["tables"]
        table["dtype"] = "bfloat16"
        narrow, case = table["cases"]
        narrow["shape"] = [28, 32, 28, 127]
        case["milliseconds"]["torch int8"] = 1.0  # counts neither here nor there
        case["shape"] = [9, 32, 28, 256]
        case["ratios"]["full"] = 1.5
        text = page.render(parts, "x")
        row = "bfloat16 lstm training, B ≥ 16, H ≥ 128, 1 thread | 3.20 | 1.30 | 3.20 | 1.00 | 9,"
        assert row in text
        row = "training, own float32, B ≥ 32, H ≥ 256, 1 thread | **1.50** | 1.75 | **1.50** | 1.60"
        assert row in text
        assert "| lstm, training, bfloat16, 1 thread | torch 1, fastrnn 1 |" in text

    def test_streams_and_the_wide_head_are_judged(self, parts):
        import page

        part = {key: value for key, value in parts["layers-1"].items() if key != "tables"}
        case = {"cell": "lstm", "empty": {}, "peers": {"full": 3.0, "int8": 0.9}}
        case["microseconds"] = {"fastrnn full": 8.0, "fastrnn int8": 4.0, "torch": 24.0}
        small = [
            {**case, "H": H, "times as fast": {"full": 1.0, "int8": value}}
            for H, value in ((128, 1.0), (256, 2.0), (512, 8.0))
        ]
        parts["stream"] = {**part, "small": small}
        words = {"fastrnn full": 50.0, "torch": 40.0}
        perplexities = {"fastrnn full": 9.0, "torch": 9.04}
        language = {"words": 1000, "words/s": words, "perplexities": perplexities, "ratio": 1.25}
        parts["language-model"] = {**part, **language}
        for found in small:
            found["times as fast"]["bfloat16"] = 1.0
        text = page.render(parts, "x")
        assert "one lstm stream, H ≥ 256, weights int8: times as fast | 4.00 | ≥ 2 |" in text
        assert "one lstm stream, H ≥ 256, weights bfloat16: times as fast | **1.00** | ≥" in text
        assert "| lstm, 512 | 8.00 | 4.00 | 24.0 | 8.00 | 1.00 | 3.00 | **0.90** |  |" in text
        assert "an epoch of PyTorch's fastest by fastrnn's fastest | **1.25** | ≥ 1.5 |" in text
        assert "| torch | 40.0 | 25.0 | 9.0 |" in text

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
