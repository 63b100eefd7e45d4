"""For all shapes and options that can be exported, ONNX and C say what the estimator says."""

import tempfile
from pathlib import Path

import gap_cases
import numpy as np
import pytest
from compiling import Compiled, c_inputs
from drawn import assert_close, examples, given, problems

from fastrnn.interop import to_onnx

pytestmark = pytest.mark.filterwarnings("ignore:Training (stopped|has learned nothing)")

DTYPES = ("float32", "float64")
EXPORTED = ("classes", "label sets", "numbers", "quantiles", "amounts", "tags", "words")


@examples(40)
@given(problem=problems(most=4, dtype=DTYPES, kinds=EXPORTED, both=False))
def test_c(compiler, problem):
    model = problem.shaken()
    with tempfile.TemporaryDirectory() as folder:
        compiled = Compiled(model, Path(folder), compiler)
    for x in problem.X[:2]:
        numbers, ids = c_inputs(model, x)
        stream = compiled.stream()
        steps = [compiled.step(stream, *row) for row in zip(numbers, ids, strict=True)]
        for t, expected in enumerate(problem.ask(model, [x[: t + 1] for t in range(len(x))])):
            expected = expected[-1] if problem.every_step else expected
            assert_close(steps[t], np.ravel(expected), "float32")
        whole = compiled.run(numbers, ids, every_step=problem.every_step)
        np.testing.assert_array_equal(whole, steps if problem.every_step else steps[-1:])


@examples(60)
@given(problem=problems(dtype=DTYPES, kinds=EXPORTED))
def test_onnx(problem):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = problem.shaken()
    exported = to_onnx(model)
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    lengths = [len(x) for x in problem.X]
    columns = zip(*(gap_cases.split(model, x) for x in problem.X), strict=True)
    feeds = {"lengths": np.array(lengths)}
    for name, column in zip(("X", "ids", "times"), columns, strict=True):
        if column[0] is not None and column[0].size:
            # What stands in the padding makes no difference.
            padded = np.ones((len(lengths), max(lengths), *column[0].shape[1:]), column[0].dtype)
            for row, part in zip(padded, column, strict=True):
                row[: len(part)] = part
            feeds[name] = padded.astype(problem.params["dtype"]) if name == "X" else padded
    outputs = dict(
        zip(
            (output.name for output in session.get_outputs()), session.run(None, feeds), strict=True
        )
    )
    name = {"quantiles": "quantiles", "numbers": "values", "amounts": "values"}
    said = outputs[name.get(problem.kind, "probabilities")]
    for row, expected in zip(said, problem.ask(model), strict=True):
        row = row[: len(expected)] if problem.every_step else row
        assert_close(row, expected, "float32")
