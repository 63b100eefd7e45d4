"""Exported models, compiled: what the tests of the C export share."""

import atexit
import ctypes
import hashlib
import re
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import gap_cases
import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNTagger
from fastrnn.inputs.scaling import learn_scale
from fastrnn.interop import export_c

STRICT = "-std=c99 -pedantic -Wall -Wextra -Werror -Wconversion -Wshadow -Wvla -Wdouble-promotion"
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"

# What a test needs to know of a model, compiled beside it.
PROBE = """\
#include "model.h"

size_t stream_size(void);
size_t stream_size(void)
{
    return sizeof(model_stream);
}
"""


def find(compiler):
    """Return a compiler, or skip the test."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    return compiler


@cache
def any_compiler():
    """Return the name of a C compiler that is there, or None."""
    return next(filter(shutil.which, ("gcc", "clang", "cc")), None)


def run(command, folder, **options):
    """Run a command; what it prints on errors is shown."""
    words = shlex.split(command)
    result = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


@cache
def build_folder():
    """Return a folder that lasts as long as the tests."""
    folder = tempfile.TemporaryDirectory(prefix="fastrnn-models-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def compile_once(compiler, flags, source, header):
    """Compile and load a model; many tests export the same one."""
    words = repr((compiler, flags, source, header)).encode()
    folder = build_folder() / hashlib.sha256(words).hexdigest()
    folder.mkdir()
    (folder / "model.c").write_bytes(source)
    (folder / "model.h").write_bytes(header)
    (folder / "probe.c").write_text(PROBE)
    command = f"{compiler} {STRICT} {flags} -shared -fPIC -o model.so model.c probe.c -lm"
    assert run(command, folder) == ""
    return ctypes.CDLL(str(folder / "model.so"))


class Compiled:
    """An exported model, compiled and loaded."""

    def __init__(self, model, folder, compiler, flags="-O0", weights=None):
        export_c(model, folder / "model.c", weights=weights)
        source = (folder / "model.c").read_bytes()
        self.library = compile_once(compiler, flags, source, (folder / "model.h").read_bytes())
        self.library.stream_size.restype = ctypes.c_size_t
        self.header = (folder / "model.h").read_text()
        self.n_features = self.constant("N_FEATURES")
        self.n_ids = self.constant("N_IDS")
        self.n_outputs = self.constant("N_OUTPUTS")

    def constant(self, name):
        """Return a constant of the header; 0 if it is not there."""
        found = re.search(rf"^#define MODEL_{name} (\d+)", self.header, re.MULTILINE)
        return int(found[1]) if found else 0

    def stream(self, *scale):
        """Return a new stream, in memory full of rubbish, NaN for one."""
        memory = ctypes.create_string_buffer(b"\xff" * self.library.stream_size())
        self.library.model_init(memory, *map(pointer, scale))
        return memory

    def step(self, stream, x=None, ids=None):
        """Return what a stream says after another step, None if it refuses it."""
        y = np.full(self.n_outputs, -7, dtype=np.float32)
        status = self.library.model_step(stream, *self.inputs(x, ids), pointer(y))
        if status == 0:
            return y
        assert status == -1 and (y == -7).all()
        return None

    def run(self, x=None, ids=None, *scale, every_step=False):
        """Return what the model says of a sequence, None if it refuses it."""
        inputs = self.inputs(x, ids)
        n_steps = len(x if x is not None else ids)
        y = np.zeros((n_steps if every_step else 1, self.n_outputs), dtype=np.float32)
        scale = map(pointer, scale)
        size = ctypes.c_size_t(n_steps)
        status = self.library.model_run(*scale, *inputs, size, pointer(y))
        return None if status else y

    def inputs(self, x, ids):
        arrays = []
        if self.n_features:
            arrays.append(np.ascontiguousarray(x, dtype=np.float32))
        if self.n_ids:
            arrays.append(np.ascontiguousarray(ids, dtype=np.intc))
        self.kept = arrays
        return map(pointer, arrays)


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def shaken(model, size=0.7, seed=0):
    """Give a model large weights, so that no part of it can be forgotten without being seen."""
    theta = model.network_.theta
    theta += size * np.random.default_rng(seed).standard_normal(len(theta)).astype(theta.dtype)
    return model


def make_sequences(n=6, width=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(int(rng.integers(3, 9)), width)) for _ in range(n)]


def classifier(labels=("a", "b", "c"), X=None, **params):
    """Return a classifier of sequences that has hardly learned anything."""
    X = make_sequences() if X is None else X
    params = {"hidden_layer_sizes": (5, 3), "max_iter": 1, "random_state": 0, **params}
    model = RNNClassifier(**params)
    return shaken(model.fit(X, [labels[i % len(labels)] for i in range(len(X))]))


def tagger(**params):
    X = make_sequences()
    params = {"hidden_layer_sizes": (5, 3), "max_iter": 1, "random_state": 0, **params}
    return shaken(
        RNNTagger(bidirectional=False, **params).fit(
            X, [[f"t{t % 4}" for t in range(len(x))] for x in X]
        )
    )


def make_series(n=40, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return 20 + 0.1 * t + 4 * np.sin(t * np.pi / 2) + rng.normal(size=n)


def c_scale(model, values):
    """Return the scale of a series as the struct of the header."""
    plan = model.reader_.plan
    scale = learn_scale(values, plan.scales_by, plan.log, plan.pattern, "series")
    season = np.zeros(0)
    if plan.pattern:
        season = np.resize(scale.season, plan.pattern)
    unit = [scale.unit] if plan.log == "log1p" else []
    fixed = [scale.feature] if plan.scale_feature else []
    return np.concatenate([[scale.shift, scale.factor], unit, fixed, season]).astype(np.float32)


def c_inputs(model, x):
    """A sequence as C takes it: the numbers in order, the time as that since the step before."""
    numbers, ids, times = gap_cases.split(model, x)
    if times is not None:
        columns = [j for j in range(x.shape[1]) if j not in model.reader_.columns.ids]
        place = columns.index(model.reader_.gaps.time)
        numbers = np.insert(numbers, place, np.diff(times, prepend=times[0]), axis=1)
    return numbers, ids


def assert_c_follows(model, X, compiled):
    """At every step of sequences the code says what the classifier says of the prefix."""
    for x in X:
        numbers, ids = c_inputs(model, x)
        stream = compiled.stream()
        for t in range(len(x)):
            said = compiled.step(stream, numbers[t], ids[t])
            expected = model.predict_proba([x[: t + 1]])[0]
            np.testing.assert_allclose(said, expected, atol=1e-5, rtol=0)
        np.testing.assert_array_equal(compiled.run(numbers, ids)[0], said)
