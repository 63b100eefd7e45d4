"""Fitted estimators as ONNX models, which ONNX Runtime and others run without fastrnn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn import __version__
from fastrnn.files.atomic import check_place, replacing
from fastrnn.interop.model import is_estimator, read_model
from fastrnn.interop.onnx_forecast import add_forecaster
from fastrnn.interop.onnx_gaps import GapNodes
from fastrnn.interop.onnx_graph import Graph
from fastrnn.interop.onnx_labels import add_label_sequences
from fastrnn.interop.onnx_network import NetworkNodes, Steps
from fastrnn.interop.onnx_quantiles import add_quantiles
from fastrnn.typing import PathLike

__all__ = ["export_onnx", "to_onnx"]


def to_onnx(est: Any) -> Any:
    """Turn a fitted estimator into an ONNX model.

    The model takes sequences that are padded to a common number of steps, and their lengths; what
    stands in the padding makes no difference, but ids there must be ids, such as 0. A size that may
    be anything is called "n" (sequences) or "T" (steps) below. D is the number of features that are
    numbers, C of those that are ids. Inputs there are, as far as the estimator has them:

    - "X" (n, T, D), of the estimator's `dtype`: the features that are numbers, in their order.
    - "ids" (n, T, C), int64: those that are ids, in their order, and the tokens of text.
    - "times" (n, T), float64: the column of `time_feature`, which is not in "X"; dates in seconds,
      from any moment on.
    - "lengths" (n,), int64, from 1 to T.

    Outputs:

    - A classifier: "probabilities" (n, K) as of `predict_proba`, and "labels" as of `predict`.
    - A tagger: "probabilities" (n, T, K) and "labels" (n, T); in the padding 0, and -1 or "".
    - `RNNSeq2Seq` with ``alignment="ctc"``: "probabilities" (n, R, K) of each label, and of the
      blank, in the R rows that a step, or with `stride` or `conv` several, make; in the padding 0.
      "labels" (n, R), those of `predict` with ``beam_size=1`` first and then -1 or "", and
      "n_labels" (n,), int64, how many they are.
    - A regressor: "values", float64, as of `predict`.
    - A language model: "probabilities" (n, T, V) of the token after each one. Texts of a model of
      separate texts begin with the id of "<eos>", as a prompt does for `next_proba`.

    A forecaster takes series as they are, and scales them itself:

    - "series" (n, T), float64, and "lengths" (n,), int64, from 2 to T.
    - "future_covariates" (n, S, F) and "past_covariates" (n, T, P), float64. Of the future, S is at
      least T plus the steps to forecast. With `calendar_features` or `holidays` the last of them
      are what these say of each date: `fastrnn.inputs.calendar_features` has the formulas.
    - "horizon", an int64 scalar, with ``strategy="recursive"``: how many steps to forecast.
    - Outputs are "values" (n, horizon) as of `predict`, and "quantiles" (n, horizon, Q), float64,
      of the levels that were learned.

    With ``missing`` other than "error", a number that is missing is NaN in "X", and of a column of
    V ids the id V stands for a missing one. With `scaling` the model scales "X" itself.

    Metadata of the model (``metadata_props``) is JSON, as far as there is such a thing:
    "estimator", "fastrnn" (its version), "classes", "blank" (the number of that output, which has
    none of the classes), "tokens", "features" and "id_features" (names),
    "time_feature" (the name of that column), "missing" (the parameter, if not "error"),
    "n_categories" (number of ids in each column of "ids"), "categories" (what these stand for; of a
    forecaster by number of the covariate, those of the future first), "future_covariates" and
    "past_covariates" (names), "calendar_features" (names of the last of the former), and
    "quantiles".

    Parameters
    ----------
    est : RNNClassifier, RNNRegressor, RNNTagger, RNNSeq2Seq, RNNForecaster or RNNLanguageModel
        A fitted estimator.

    Returns
    -------
    onnx.ModelProto
        Opset 17, IR version 8: ONNX Runtime 1.12 and later run it.

    Raises
    ------
    ImportError
        If the onnx package is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is no estimator of fastrnn, or a `RNNSeq2Seq` with ``alignment="attention"``.
    ValueError
        If a part of its network is none that this module knows, such as a conditional random field.

    See Also
    --------
    export_onnx : Writes the model to a file.
    from_onnx : The other way, for layers.

    Notes
    -----
    Layers become ONNX's operators RNN, GRU and LSTM; those of other cells become a Scan.
    Since ONNX Runtime has the operators for float32 only, they compute in float32 also where the
    estimator has ``dtype="float64"``; all the rest is then float64.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.interop import to_onnx
    >>> X = [np.ones((3, 2)), np.zeros((5, 2))]
    >>> clf = RNNClassifier(4, tol=1, random_state=0).fit(X, ["one", "zero"])
    >>> model = to_onnx(clf)
    >>> [value.name for value in model.graph.input]
    ['X', 'lengths']
    >>> [value.name for value in model.graph.output]
    ['probabilities', 'labels']
    """
    if not is_estimator(est):
        raise TypeError(f"to_onnx takes a fitted estimator of fastrnn, got {type(est).__name__}")
    model, graph = read_model(est), Graph()
    add = _add_reader if model.plan is None else add_forecaster
    metadata = {"estimator": model.kind, "fastrnn": __version__, **add(graph, model)}
    texts = {key: json.dumps(value, default=str) for key, value in metadata.items()}
    return graph.as_model(model.kind, f"{model.kind} of fastrnn {__version__}", texts)


def export_onnx(est: Any, path: PathLike) -> None:
    """Write a fitted estimator to a file, as an ONNX model.

    Parameters
    ----------
    est : RNNClassifier, RNNRegressor, RNNTagger, RNNSeq2Seq, RNNForecaster or RNNLanguageModel
        A fitted estimator. `to_onnx` says what becomes of it, and which inputs and outputs the
        model has.
    path : str or path-like
        The file, usually with the ending ".onnx".

    Raises
    ------
    ImportError, NotFittedError, TypeError, ValueError
        As of `to_onnx`; nothing is written then.
    OSError
        If the file cannot be written. An older one is then as it was.

    See Also
    --------
    to_onnx : Returns the model.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNRegressor
    >>> from fastrnn.interop import export_onnx
    >>> X = [np.ones((3, 2)), np.zeros((5, 2))]
    >>> reg = RNNRegressor(4, tol=1, random_state=0).fit(X, [1.0, 0.0])
    >>> export_onnx(reg, "model.onnx")  # doctest: +SKIP
    """
    check_place(path)
    model = to_onnx(est).SerializeToString()
    with replacing(path) as new_file:
        Path(new_file).write_bytes(model)


def _add_reader(graph, model):
    """Add all nodes of an estimator that reads sequences; return metadata."""
    network, architecture = model.network, model.architecture
    gaps, x, ids, times = model.gaps, None, None, None
    n_numbers = architecture.n_features - len(gaps.mean) - (gaps.time is not None)
    if n_numbers:
        shape = ("n", "T", n_numbers)
        x = graph.input("X", network.dtype, shape, "Numbers of each step, padded.")
    if gaps.time is not None:
        times = graph.input("times", np.float64, ("n", "T"), "Time of each step, padded.")
    if architecture.id_tables:
        shape = ("n", "T", len(architecture.id_tables))
        ids = graph.input("ids", np.int64, shape, "Ids of each step, padded with ids.")
    lengths = graph.input("lengths", np.int64, ("n",), "Steps of each sequence, 1 to T.")
    steps = Steps(graph, lengths, graph.add("Shape", x or ids or times, start=1, end=2))
    x, ids = (value and graph.add("Transpose", value, perm=[1, 0, 2]) for value in (x, ids))
    if model.scaling.center:
        x = _scale(graph, model, x)
    factors = []
    if not gaps.is_plain:
        of_gaps = GapNodes(graph, model, x, times, steps)
        x, factors = of_gaps.read, of_gaps.factors
    nodes = NetworkNodes(graph, model)
    y, states = nodes.read(graph, x, ids, steps, factors=factors)
    outputs = nodes.read_out(graph, nodes.pool(graph, y, states, steps))
    if model.answers == "numbers":
        _add_values(graph, model, outputs)
    else:
        steps = nodes.steps_said(steps)
        probabilities = _add_probabilities(graph, model, outputs, steps)
        if model.answers == "label sequences":
            _add_label_sequences(graph, model, probabilities, steps)
        elif model.answers != "tokens":
            _add_labels(graph, model, probabilities, steps)
    return _metadata(model)


def _scale(graph, model, x):
    """Add the scaling of numbers, in float64."""
    wide, (center, factor) = graph.cast(x, np.float64), model.scaling.rows
    scaled = graph.add("Div", graph.add("Sub", wide, center), factor)
    return graph.cast(scaled, model.network.dtype)


def _metadata(model):
    """What the numbers of an estimator that reads sequences mean."""
    metadata, columns, gaps = {}, model.columns, model.gaps
    if gaps.allows:
        metadata["missing"] = gaps.missing
    if columns.ids:
        metadata["n_categories"] = columns.n_categories
    if model.names is not None:
        numbers = [j for j in range(columns.width) if j not in (*columns.ids, gaps.time)]
        for key, wanted in (("features", numbers), ("id_features", columns.ids)):
            metadata[key] = [str(model.names[j]) for j in wanted]
        if gaps.time is not None:
            metadata["time_feature"] = str(model.names[gaps.time])
    if any(values is not None for values in columns.categories):
        metadata["categories"] = [
            values and [_plain(value) for value in values] for values in columns.categories
        ]
    if model.levels is not None:
        metadata["quantiles"] = model.levels
    if model.answers == "label sequences":
        metadata["blank"] = len(model.meanings)
    if model.answers in ("classes", "labels", "label sequences"):
        metadata["classes"] = [_plain(value) for value in model.meanings]
    if model.tokens is not None:
        metadata["tokens"] = [_plain(token) for token in model.tokens]
    return metadata


def _plain(value):
    """A label, category or token as JSON has it."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _add_values(graph, model, outputs):
    """Add the outputs of a regressor, in the units of y."""
    values, n_values = graph.cast(outputs, np.float64), len(model.scale)
    if model.levels is None or len(model.levels) == 1:
        _add_numbers(graph, model, "values", values, ())
        return
    values, rising = add_quantiles(graph, values, n_values, model.levels)
    _add_numbers(graph, model, "values", values, ())
    _add_numbers(graph, model, "quantiles", rising, (len(model.levels),))


def _add_numbers(graph, model, name, values, of_each):
    """Add an output of numbers, or of some of each."""
    scale, mean = (each.reshape(-1, *(1 for _ in of_each)) for each in (model.scale, model.mean))
    values = graph.add("Add", graph.add("Mul", values, scale), mean)
    shape = ("n", len(model.scale), *of_each)
    if model.is_flat:
        values, shape = graph.add("Squeeze", values, np.array([1])), ("n", *of_each)
    method = "predict_quantiles" if of_each else "predict"
    graph.output(name, values, np.float64, shape, f"What {method} returns.")


def _add_probabilities(graph, model, outputs, steps):
    """Add the output of probabilities."""
    dtype, shape = model.network.dtype, ("n", model.architecture.n_outputs)
    if model.architecture.every_step:
        there = graph.add("Unsqueeze", steps.are_there, np.array([2]))
        outputs = graph.add("Where", there, outputs, dtype.type(0))
        n_steps = "R" if model.answers == "label sequences" else "T"
        shape = ("n", n_steps, model.architecture.n_outputs)
    graph.output("probabilities", outputs, dtype, shape, "What predict_proba returns.")
    return outputs


def _add_labels(graph, model, probabilities, steps):
    """Add the output of labels."""
    every_step, dtype = model.architecture.every_step, model.network.dtype
    if model.answers == "labels":
        labels = graph.cast(graph.add("Greater", probabilities, dtype.type(0.5)), np.int64)
        shape, dtype = ("n", model.architecture.n_outputs), np.int64
    else:
        classes = _as_tensor(model.meanings)
        numbers = graph.add("ArgMax", probabilities, axis=-1, keepdims=0)
        labels, dtype = graph.add("Gather", classes, numbers, axis=0), classes.dtype
        shape = ("n", "T") if every_step else ("n",)
    if every_step:
        labels = graph.add("Where", steps.are_there, labels, _no_label(classes))
    graph.output("labels", labels, dtype, shape, "What predict returns.")


def _add_label_sequences(graph, model, probabilities, steps):
    """Add the outputs of labels of sequences, and of how many there are."""
    classes = _as_tensor(model.meanings)
    nothing, doc = _no_label(classes), "What predict returns with beam_size=1, padded."
    labels, n_labels = add_label_sequences(graph, probabilities, steps, classes, nothing)
    graph.output("labels", labels, classes.dtype, ("n", "R"), doc)
    graph.output("n_labels", n_labels, np.int64, ("n",), "How many labels there are.")


def _no_label(classes):
    """What stands in the padding."""
    return np.array("" if classes.dtype.kind == "O" else -1, dtype=classes.dtype)


def _as_tensor(classes):
    """Class labels of a type that ONNX Runtime gathers: strings, int64, float64 or bool."""
    kind = classes.dtype.kind
    if kind in "OUS":
        return np.array([_plain(label) for label in classes], dtype=object)
    return classes.astype({"f": np.float64, "b": bool}.get(kind, np.int64))
