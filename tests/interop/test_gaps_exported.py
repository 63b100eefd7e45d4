"""Models that read gaps and times, in C and in ONNX: they say what the estimator says."""

import json

import gap_cases
import numpy as np
import pytest
from compiling import Compiled, assert_c_follows, c_inputs

from fastrnn.interop import to_onnx

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

CHOICES = pytest.mark.parametrize("choice", gap_cases.CHOICES)


@CHOICES
def test_c(choice, tmp_path, compiler):
    model, X = gap_cases.make(choice)
    assert_c_follows(model, X, Compiled(model, tmp_path, compiler))


def test_c_refuses(tmp_path, compiler):
    model, X = gap_cases.make("gaps and times")
    compiled = Compiled(model, tmp_path, compiler)
    numbers, _ = c_inputs(model, X[0])
    for place, value in ((0, np.inf), (1, -1.0), (1, np.nan), (1, np.inf)):
        stream = compiled.stream()
        before = stream.raw
        bad = numbers[0].copy()
        bad[place] = value
        assert compiled.step(stream, bad) is None
        assert stream.raw == before
    assert "x[1] column 1 of X: the time since the step before" in compiled.header
    assert "x[0] column 0 of X, NAN if it is missing" in compiled.header


@CHOICES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_onnx(choice, dtype, bidirectional):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = gap_cases.make(choice, dtype=dtype, bidirectional=bidirectional)
    exported = to_onnx(model)
    onnx.checker.check_model(exported, full_check=True)
    lengths = np.array([len(x) for x in X])
    # What stands in the padding makes no difference.
    parts = [gap_cases.split(model, x) for x in X]
    padded = [
        None
        if column[0] is None
        else np.stack(
            [
                np.concatenate([part, np.full((7 - len(part), *part.shape[1:]), 1, part.dtype)])
                for part in column
            ]
        )
        for column in zip(*parts, strict=True)
    ]
    feeds = {"X": padded[0].astype(dtype), "ids": padded[1], "times": padded[2]}
    feeds = {name: array for name, array in feeds.items() if array is not None and array.size}
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (said,) = session.run(["probabilities"], {**feeds, "lengths": lengths})
    np.testing.assert_allclose(said, model.predict_proba(X), atol=1e-5, rtol=0)
    metadata = {entry.key: json.loads(entry.value) for entry in exported.metadata_props}
    assert metadata.get("missing") == gap_cases.CHOICES[choice].get("missing")
