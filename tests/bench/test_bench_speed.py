"""Benchmarks of speed run and refuse to time contenders that disagree. No figure is judged here."""

import json

import numpy as np
import pytest
from bench_runs import bench_path, needs_programs, run  # noqa: F401, the fixture

from fastrnn.kernels import vector_math

pytestmark = needs_programs


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
        seconds = {"fastrnn": 2.0, "fastrnn full": 3.0, "torch": 4.0, "torch int8": 1.0}
        assert layers.compare(seconds) == {"peers": 2.0, "torch": 2.0, "full": 1.5}
        assert layers.compare({"fastrnn": 2.0}) == {}

    @pytest.mark.parametrize("mode", ["training", "inference", "ragged"])
    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
    @pytest.mark.parametrize("peer", ["torch", "onnxruntime", "openvino", "jax"])
    def test_contenders_agree(self, peer, cell, mode):
        pytest.importorskip(peer, reason=f"{peer} is not installed")
        import contenders

        work = contenders.Work.draw(cell, mode, "float32", 1, (12, 5, 3, 20))
        if mode not in contenders.PEERS[peer]:
            pytest.skip(f"{peer} is not timed in {mode}")
        for contender_class in contenders.PEERS[peer][mode]:
            if contender_class is not contenders.TorchCompiled:
                self.check(contender_class, work, 1.001)

    @pytest.mark.skipif(not vector_math.has_bfloat16(), reason="fastrnn rounds elsewhere only")
    @pytest.mark.parametrize("mode", ["training", "inference"])
    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
    @pytest.mark.parametrize("peer", ["torch", "openvino"])
    def test_contenders_agree_in_bfloat16(self, peer, cell, mode):
        pytest.importorskip(peer, reason=f"{peer} is not installed")
        import contenders

        work = contenders.Work.draw(cell, mode, "bfloat16", 1, (12, 5, 3, 20))
        assert (work.dtype, work.precision) == ("float32", "bfloat16")
        full = contenders.FastrnnFull(work).infer()[0]
        assert 0 < np.abs(contenders.Fastrnn(work).infer()[0] - full).max() < 0.1
        for contender_class in contenders.BFLOAT16_PEERS[peer].get(mode, []):
            if (contender_class, cell) != (contenders.TorchInt8, "rnn"):
                self.check(contender_class, work, 1.3)

    @staticmethod
    def check(contender_class, work, factor):
        """A contender's arrays are ours, and a factor off they are refused."""
        import contenders
        import layers

        task = "infer" if work.mode == "inference" else "train"
        ours = getattr(contenders.Fastrnn(work), task)()
        contender = contender_class(work)
        theirs = [contenders.as_array(value) for value in getattr(contender, task)()]
        layers.check_agreement(work, ours, theirs, contender.name)
        for k in range(len(theirs)):
            wrong = [*theirs]
            wrong[k] = factor * theirs[k]
            with pytest.raises(SystemExit, match="disagree"):
                layers.check_agreement(work, ours, wrong, contender.name)

    def test_what_a_peer_cannot_do_is_said(self):
        pytest.importorskip("torch", reason="torch is not installed")
        import contenders
        import layers

        work = contenders.Work.draw("rnn", "inference", "bfloat16", 1, (3, 2, 3, 4))
        if vector_math.has_bfloat16():
            case = layers.run_case(work, ["torch"], 3, 0.0)
            assert case["empty"] == {"torch int8": "quantize_dynamic leaves nn.RNN as it is"}
            assert {"fastrnn", "fastrnn full", "torch autocast"} <= case["milliseconds"].keys()
        work = contenders.Work.draw("gru", "inference", "float32", 1, (3, 2, 3, 4))
        case = layers.run_case(work, ["torch"], 3, 0.0)
        assert list(case["empty"]) == ["torch compiled"]
        assert list(case["milliseconds"]) == ["fastrnn", "torch"]

    def test_limit_by_hand(self):
        import contenders
        import layers

        rates = {"sigmoid": 3.0, "tanh": 2.0, "multiply": 1.0}
        work = contenders.Work.draw("gru", "inference", "float32", 1, (7, 5, 3, 4))
        products = 40 * 4 * 7 * 7 * 3 / 4 / 1e9
        assert layers.limit(work, 1.0, rates) == pytest.approx(products * 4 / 3 * 0.75 + 35 * 4 * 8)
        work = contenders.Work.draw("gru", "training", "float32", 2, (7, 5, 3, 4))
        assert layers.limit(work, 1.0, rates) == pytest.approx(3 * products + 35 * 4 * 11 / 2)

    def test_flops_count_real_steps_only(self):
        import contenders

        draw = contenders.Work.draw
        assert draw("lstm", "inference", "float32", 1, (7, 5, 3, 4)).flops() == 40 * 4 * 7 * 7
        assert draw("gru", "training", "float32", 1, (7, 5, 3, 4)).flops() == 90 * 4 * 7 * 7
        ragged = draw("rnn", "ragged", "float32", 1, (70, 5, 3, 4))
        assert ragged.flops() == 6 * 4 * 7 * ragged.lengths.sum()
        assert ragged.lengths.min() >= 7


class TestLimits:
    def test_figures(self, tmp_path):
        file = tmp_path / "figures.json"
        arguments = ["--quick", "--cells", "gru", "carry_lstm", "--json", file]
        output = run("limits.py", *arguments)
        figures = json.loads(file.read_text())
        modes = ["training", "inference"]
        assert [table["mode"] for table in figures["tables"]] == 2 * modes
        for table in figures["tables"]:
            assert f"{table['cell']}, {table['mode']}" in output
            for case in table["cases"]:
                times = case["milliseconds"]
                assert 0 < times["kernels"] < times["call"]
                assert times["pointwise"] > 0
                limit = times["products"] + times["pointwise"]
                for name, part in case["of limit"].items():
                    np.testing.assert_allclose(part, limit / times[name], rtol=1e-3)

    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "carry_lstm"])
    def test_pointwise_pass_is_the_cells(self, cell):
        import limits

        # A backward pass costs less than a forward one with its activations, but not nothing.
        forward, backward = limits.pointwise_seconds(cell, 32, turns=200)
        assert 1e-11 < backward < forward < 1e-6


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

    def test_large_layers_alone(self, tmp_path):
        file = tmp_path / "figures.json"
        run("stream.py", "--quick", "--small", "--json", file)
        figures = json.loads(file.read_text())
        assert figures.keys() == {"machine", "small"}
        (case,) = figures["small"]
        times = case["microseconds"]
        assert list(times)[:3] == ["fastrnn full", "fastrnn bfloat16", "fastrnn int8"]
        for kind, faster in case["times as fast"].items():
            own = times[f"fastrnn {kind}"]
            assert faster == pytest.approx(times["fastrnn full"] / own, rel=1e-3)
        full = [times[name] for name in ("torch", "onnxruntime", "openvino") if name in times]
        if full:
            assert case["peers"]["full"] == pytest.approx(
                min(full) / times["fastrnn full"], rel=1e-3
            )
            assert case["peers"]["int8"] == pytest.approx(
                min(list(times.values())[3:]) / times["fastrnn int8"], rel=1e-3
            )

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
