"""Compare results across instruction sets: what is the same bits, and how far apart the rest is.

    python tools/across_levels.py                  # every level of this processor, and BLAS

The table has a row for each result and a column for each setting: "same" where all bits are those
of the processor's highest level, else the largest difference over the largest number, which is to
stay below the tolerance; the exit status is 1 if it does not. Models are fitted once, on the
highest level, and what is compared starts from their files, from weights drawn by seed, or trains
anew from a seed. For another machine:

    python tools/across_levels.py --models FOLDER --write here.npz   # where FOLDER is made
    python tools/across_levels.py --models FOLDER --write there.npz  # with a copy of FOLDER
    python tools/across_levels.py --compare here.npz there.npz
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its sums depend on the number of threads

import numpy as np

import fastrnn
from fastrnn import RNNClassifier, RNNForecaster, RNNTagger, layers
from fastrnn.kernels import vector_math

SETTINGS = {
    level: {"FASTRNN_LEVEL": level}
    for level in reversed(vector_math.LEVELS)
    if vector_math.LEVELS[level] <= vector_math.LEVELS[vector_math.level()]
} | {"blas": {"FASTRNN_PRODUCTS": "blas"}}

# Runs a program without scikit-learn, whose import takes longer than all that is compared.
LIGHT = (
    "import runpy, sys; sys.modules['sklearn'] = None; sys.argv.pop(0); "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def sequences(n, width, seed):
    """Ragged sequences of float32, all of whose digits are the same on every machine."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-2, 2, (rng.integers(5, 40), width)).astype(np.float32) for _ in range(n)]


X = sequences(60, 5, seed=1)
LABELS = np.array([int(x[:, 0].sum() > 0) + int(x[-1, 1] > 0) for x in X])
TAGS = [np.digitize(x[:, 0] + x[:, 1], [-1, 1]) for x in X]
SERIES = [30 + 5 * np.sin(np.arange(60 + k) * np.pi / 6) + 0.1 * np.arange(60 + k) for k in (0, 7)]
COMMON = {"hidden_layer_sizes": 40, "max_iter": 5, "tol": 0.0, "random_state": 0}


def classifier(**options):
    """Fit a classifier."""
    return RNNClassifier(**COMMON | options).fit(X, LABELS)


def fit_models(folder):
    """Fit what is compared from files; models of bfloat16 only where fit can round."""
    models = {
        "lstm": lambda: classifier(cell="lstm"),
        "gru": lambda: classifier(cell="gru"),
        "gru of float64": lambda: classifier(cell="gru", dtype="float64"),
        "tagger with crf": lambda: RNNTagger(**COMMON, output="crf").fit(X, TAGS),
        "forecaster": lambda: RNNForecaster(**COMMON, horizon=6, seasonality=12).fit(SERIES),
    }
    if vector_math.has_bfloat16():
        models["lstm of bfloat16"] = lambda: classifier(cell="lstm", precision="bfloat16")
    for name, fit in models.items():
        fit().save(Path(folder, name))


def answers(model):
    """What a loaded model says of data like those that it was fitted on."""
    if isinstance(model, RNNForecaster):
        return [model.predict(6, SERIES)]
    if isinstance(model, RNNTagger):
        return [*model.predict_proba(X)]
    return [model.predict_proba(X)]


def stream_answers(model, weights):
    """What a stream says after each step of a sequence."""
    stream = model.stream(weights=weights)
    return [np.array([stream.step(x) for x in X[0]])]


def layer_results(kind, dtype):
    """Outputs, and gradients, of a layer whose weights are drawn by seed."""
    rng = np.random.default_rng(3)
    layer = getattr(layers, kind)(24, 72, bidirectional=True, dtype=dtype)
    for name in sorted(layer.params):
        layer.params[name][...] = rng.uniform(-0.15, 0.15, layer.params[name].shape)
    x = rng.uniform(-1, 1, (30, 9, 24)).astype(dtype)
    y, state = layer.forward(x, training=True)
    dx, _ = layer.backward(np.ones_like(y))
    return [y, *state], [dx, *layer.grads.values()]


def results(folder):
    """The name of each result, and its arrays."""
    for dtype in ("float32", "float64"):
        for kind in ("LSTM", "GRU"):
            outputs, gradients = layer_results(kind, dtype)
            yield f"layers.{kind}, {dtype}: outputs", outputs
            yield f"layers.{kind}, {dtype}: gradients", gradients
    for path in sorted(Path(folder).iterdir()):
        model = fastrnn.load(path)
        yield f"file of {path.name}: predictions", answers(model)
        if path.name == "lstm":
            for weights in (None, "bfloat16", "int8"):
                kind = f", weights of {weights}" if weights else ""
                yield f"file of {path.name}: stream{kind}", stream_answers(model, weights)
    for dtype in ("float32", "float64"):
        model = classifier(cell="gru", dtype=dtype)
        yield f"5 epochs of a gru, {dtype}: loss", [model.loss_curve_]
        yield f"5 epochs of a gru, {dtype}: predictions", answers(model)


def write(folder, path):
    """Write all results to a file .npz."""
    flat = {
        name: np.concatenate([np.asarray(array).ravel() for array in arrays])
        for name, arrays in results(folder)
    }
    np.savez(path, **flat)


def difference(result, reference):
    """The largest difference over the largest number; None if all bits are the same."""
    if result.dtype == reference.dtype and result.tobytes() == reference.tobytes():
        return None
    return float(np.max(np.abs(result - reference)) / np.max(np.abs(reference)))


def tolerance(name):
    """How far a result may be from that of the same name elsewhere."""
    if "bfloat16" in name:  # of which a last digit is 0.4 %
        return 1e-2
    if "int8" in name:
        return 1e-4
    return 1e-13 if "float64" in name else 1e-5


def compare(paths):
    """A row for each result that all files have: its name, and its differences from the first."""
    reference, *others = [dict(np.load(path)) for path in paths]
    return [
        (name, [difference(other[name], reference[name]) for other in others])
        for name in reference
        if all(name in other for other in others)
    ]


def compare_settings():
    """The rows of all settings but the first, each of which runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        models.mkdir()
        fit_models(models)
        paths = [Path(folder, f"{name}.npz") for name in SETTINGS]
        for path, variables in zip(paths, SETTINGS.values(), strict=True):
            command = [sys.executable, "-c", LIGHT, __file__]
            command += ["--models", str(models), "--write", str(path)]
            subprocess.run(command, env={**os.environ, **variables}, check=True)
        return compare(paths)


def main():
    """Parse the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", metavar="FOLDER", help="of models; made if it is missing")
    parser.add_argument("--write", metavar="FILE", help="write results to a file .npz")
    parser.add_argument("--compare", nargs="+", metavar="FILE", help="the first with each other")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of trainings as short as these
    if arguments.write:
        if not os.path.isdir(arguments.models):
            os.mkdir(arguments.models)
            fit_models(arguments.models)
        write(arguments.models, arguments.write)
        return
    names = arguments.compare or list(SETTINGS)
    rows = compare(names) if arguments.compare else compare_settings()
    print(f"| compared with {names[0]} | {' | '.join(names[1:])} | tolerance |")
    print("|---|" + "---:|" * len(names))
    for name, differences in rows:
        cells = ["same" if number is None else f"{number:.0e}" for number in differences]
        print(f"| {name} | {' | '.join(cells)} | {tolerance(name):.0e} |")
    sys.exit(any(number and number > tolerance(name) for name, row in rows for number in row))


if __name__ == "__main__":
    main()
