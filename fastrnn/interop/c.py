"""C export: a fitted estimator as one C99 file and its header.

The code that runs a model stands in the folder ``runtime``: C files that are read, compiled and
formatted as they are. An export is its description of the model, these files, and the weights.
"""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn.files.atomic import check_place, replacing
from fastrnn.interop.c_description import describe
from fastrnn.interop.c_text import Text
from fastrnn.interop.model import is_estimator, read_model
from fastrnn.streams.weights import check_weights
from fastrnn.typing import PathLike, WeightType

__all__ = ["export_c"]

_PREFIX = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
_FILE_NAME = re.compile(r"[\w.+-]([\w .+-]*[\w.+-])?", re.ASCII)  # that #include can name anywhere
_RUNTIME = resources.files("fastrnn.interop").joinpath("runtime")
_INCLUDE = re.compile(r'(#include ".*"\n)+\n')


def export_c(
    est: Any, path: PathLike, *, prefix: str | None = None, weights: WeightType = None
) -> None:
    """Write a fitted estimator as C code: a source file and its header.

    The source is C99, and needs nothing but the mathematical library (``-lm``). It allocates no
    memory: weights are constants, and what a stream remembers stands in a struct of the caller's.
    With the prefix "model" its functions are ``model_init``, ``model_step`` and ``model_reset`` for
    streams, and ``model_run`` for whole sequences; the header says how each is called. Those of a
    `RNNSeq2Seq` with ``alignment="ctc"`` say probabilities; ``model_push``, ``model_finish`` and
    ``model_labels`` say labels, as `fastrnn.streams.LabelStream` and `predict` do.

    Parameters
    ----------
    est : RNNClassifier, RNNRegressor, RNNTagger, RNNSeq2Seq, RNNLanguageModel or RNNForecaster
        The fitted estimator.
    path : str or path-like
        The source file, which ends in ".c"; the header stands beside it and ends in ".h". Files of
        these names are replaced, once the new ones are complete.
    prefix : str or None, default=None
        What the names of functions, types and constants begin with (constants in capitals):
        letters, digits and single underscores, a letter first. None takes the name of the file.
    weights : {"int8", "bfloat16"} or None, default=None
        What matrices and vectors of ids are rounded to, to be a quarter or a half as large, as in
        `stream`. None writes them as they are.

    Raises
    ------
    TypeError
        If `est` is no estimator of fastrnn, or a `RNNSeq2Seq` with ``alignment="attention"``, or if
        `prefix` is no string.
    NotFittedError
        If it is not fitted.
    ValueError
        If the model is bidirectional, since it has no output before the end of a sequence, or has a
        part that C is not told of, such as a conditional random field; if
        `path` does not end in ".c", or has characters that C does not include by name everywhere;
        if `prefix`, or without it the name of the file, cannot begin a name of C; if `weights` has
        another value; if a weight does not fit into a float, or a class label into a string or
        number of C.
    OSError
        If a file cannot be written. Older ones are then as they were.

    Notes
    -----
    Arithmetic is that of ``float``, but numbers are scaled in ``double``. Weights of float32 are
    written exactly, those of ``dtype="float64"`` are rounded. The same model gives the same text.
    With ``weights="int8"`` the products are those of `stream`; with ``weights="bfloat16"`` it is
    the weights alone that are rounded.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastrnn import RNNRegressor
    >>> from fastrnn.interop import export_c
    >>> X = np.random.default_rng(0).normal(size=(100, 7, 2))
    >>> model = RNNRegressor(4, learning_rate="cosine", max_iter=5, random_state=0)
    >>> model = model.fit(X, X.sum(axis=(1, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_c(model, Path(folder, "total.c"))
    ...     print(*sorted(path.name for path in Path(folder).iterdir()))
    total.c total.h
    """
    source = Path(path)
    if source.suffix != ".c":
        raise ValueError(f"path must end in '.c', got {os.fspath(path)!r}")
    if not _FILE_NAME.fullmatch(source.name):
        raise ValueError(
            "the file's name goes into an #include, so it may have letters, digits, blanks and "
            f"'_.+-' only, got {source.name!r}"
        )
    check_weights(weights, np.float32)
    header = source.with_suffix(".h")
    for file in (source, header):
        check_place(file)
    prefix = _check_prefix(prefix, source.stem)
    if not is_estimator(est):
        raise TypeError(f"est must be an estimator of fastrnn, got {type(est).__name__}")
    model = read_model(est)
    if not model.network.one_way:
        raise ValueError(
            "the model is bidirectional: it has no output before the end of a sequence, all steps "
            "of which would have to be kept; export one with bidirectional=False"
        )
    code = describe(model, _cells(), weights)
    text = Text(code, prefix)
    of_outputs = ["rates.h"] if model.link in ("rate", "softplus") else []
    readers = [*of_outputs, "quantiles.h", "series.h"]
    if model.plan is None:
        of_outputs += ["quantiles.h"] if len(model.levels or ()) > 1 else []
        of_numbers = ["units.h", "columns.h" if model.gaps.is_plain else "gaps.h"]
        readers = [*of_numbers, *of_outputs, "answers.h"]
    if code.stages:
        readers.append("stages.h")
    if model.answers == "label sequences":
        readers.append("labels.h")
    basis = _runtime("functions.h", f"{weights or 'full'}_weights.h")
    runtime = _runtime(f"cells/{code.cell}.h", *readers, "runtime.c")
    with replacing(source) as new_source, replacing(header) as new_header:
        _write(text.source(header.name, basis, runtime), new_source)
        _write([text.header()], new_header)


def _check_prefix(prefix, stem):
    """Return the prefix, by default the name of the file."""
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"prefix must be a string or None, got {prefix!r}")
    wanted = stem if prefix is None else prefix
    if not _PREFIX.fullmatch(wanted):
        expected = "letters, digits and single underscores, a letter first"
        if prefix is None:
            raise ValueError(
                f"names of C cannot begin with that of the file, {stem!r}: give prefix, {expected}"
            )
        raise ValueError(f"prefix must be {expected}, got {prefix!r}")
    return wanted


def _cells():
    """The C code of a step of each cell, by the cell's name."""
    files = _RUNTIME.joinpath("cells").iterdir()
    return {
        Path(file.name).stem: file.read_text(encoding="ascii")
        for file in files
        if file.name.endswith(".h")
    }


def _runtime(*names):
    """Read files of the runtime as one text, which needs no line that includes one in another."""
    texts = [_RUNTIME.joinpath(name).read_text(encoding="ascii") for name in names]
    return _INCLUDE.sub("", "\n".join(texts))


def _write(parts, path):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(parts)
