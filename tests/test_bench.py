"""The benchmarks run and refuse to time contenders that disagree. No figure is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastrnn

BENCH = Path(__file__).parents[1] / "bench"

pytestmark = pytest.mark.skipif(
    not BENCH.is_dir(), reason="the benchmarks are not beside the tests"
)


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


@pytest.mark.parametrize("keep", [False, True])
def test_layers(tmp_path, keep):
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
    expected = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"} if keep else "unset"
    assert figures["machine"]["openblas variables"] == expected
    (table,) = figures["tables"]
    assert [case["shape"] for case in table["cases"]] == [
        [50, 1, 16, 64],
        [28, 32, 28, 128],
        [100, 32, 16, 64],
        [100, 64, 64, 128],
    ]
    ratios = [case["ratio"] for case in table["cases"]]
    assert table["minimum"] == min(ratios)
    np.testing.assert_allclose(np.log(table["geometric mean"]), np.mean(np.log(ratios)), atol=1e-12)
    for case in table["cases"]:
        times = case["milliseconds"]
        np.testing.assert_allclose(case["ratio"], times["fastrnn lstm"] / times["fastrnn"])
        assert all(len(rounds) == 3 for rounds in case["rounds"].values())
        assert times["fastrnn"] == np.median(case["rounds"]["fastrnn"])
    assert f"minimum {table['minimum']:.2f}" in output


@pytest.mark.parametrize("mode", ["training", "inference", "ragged"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("peer", ["torch", "onnxruntime", "jax"])
def test_contenders_agree(monkeypatch, peer, cell, mode):
    pytest.importorskip(peer, reason=f"{peer} is not installed")
    monkeypatch.syspath_prepend(BENCH)
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


def test_flops_count_real_steps_only(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import contenders

    draw = contenders.Work.draw
    assert draw("lstm", "inference", "float32", 1, (7, 5, 3, 4)).flops() == 2 * 4 * 5 * 4 * 7 * 7
    assert draw("gru", "training", "float32", 1, (7, 5, 3, 4)).flops() == 6 * 3 * 5 * 4 * 7 * 7
    ragged = draw("rnn", "ragged", "float32", 1, (70, 5, 3, 4))
    assert ragged.flops() == 6 * 4 * 7 * ragged.lengths.sum()
    assert ragged.lengths.min() >= 7


def test_fit(tmp_path):
    file = tmp_path / "figures.json"
    run("fit.py", "--seeds", "1", "--json", file)
    figures = json.loads(file.read_text())
    assert figures["test accuracy"]["fastrnn"][0] > 0.9
    assert len(figures["seconds"]["fastrnn"]) == 1
