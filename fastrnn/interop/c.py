"""C export: a fitted estimator as one C99 file and its header.

The C code stands in ``model.c.in`` and ``model.h.in`` beside this file. Their lines are those that
are written, but for names that begin with ``$``, which are filled in, and these::

    %if NAME ... %else ... %end    what comes between is left out unless NAME is true
    %for NAME ... %end             comes once for each item of a list, a dict of names of its own

The names come from `fastrnn.interop.c_names`.
"""

import itertools
import os
import re
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from fastrnn.files.atomic import replacing
from fastrnn.interop.c_names import describe

__all__ = ["export_c"]

_PREFIX = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
_FILE_NAME = re.compile(r"[\w.+-]([\w .+-]*[\w.+-])?", re.ASCII)  # that #include can name anywhere
_NUMBERS_A_LINE = 5


def export_c(est, path, *, prefix=None):
    """Write a fitted estimator as C code: a source file and its header.

    The source is C99, and needs nothing but the mathematical library (``-lm``). It allocates no
    memory: weights are constants, and what a stream remembers stands in a struct of the caller's.
    With the prefix "model" its functions are ``model_init``, ``model_step`` and ``model_reset`` for
    streams, and ``model_run`` for whole sequences; the header says how each is called.

    Parameters
    ----------
    est : RNNClassifier, RNNRegressor, RNNTagger, RNNLanguageModel or RNNForecaster
        The fitted estimator.
    path : str or path-like
        The source file, which ends in ".c"; the header stands beside it and ends in ".h". Files of
        these names are replaced, once the new ones are complete.
    prefix : str or None, default=None
        What the names of functions, types and constants begin with (constants in capitals):
        letters, digits and single underscores, a letter first. None takes the name of the file.

    Raises
    ------
    TypeError
        If `est` is no estimator of fastrnn, or `prefix` no string.
    NotFittedError
        If it is not fitted.
    ValueError
        If the model is bidirectional, since it has no output before the end of a sequence; if
        `path` does not end in ".c", or has characters that C does not include by name everywhere;
        if `prefix`, or without it the name of the file, cannot begin a name of C; if a weight does
        not fit into a float, or a class label into a string or number of C.
    OSError
        If a file cannot be written. Older ones are then as they were.

    Notes
    -----
    Arithmetic is that of ``float``. Weights of float32 are written exactly, those of
    ``dtype="float64"`` are rounded. The same model gives the same text.

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
    header = source.with_suffix(".h")
    names, weights = describe(est, _check_prefix(prefix, source.stem), header.name)
    code = itertools.chain(_fill_in("model.c.in", names), _initializers(weights))
    for file in (source, header):
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder")
    with replacing(source) as new_source, replacing(header) as new_header:
        _write(code, new_source)
        _write(_fill_in("model.h.in", names), new_header)


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


def _fill_in(template, names):
    """Return the lines of a template for a model."""
    text = resources.files("fastrnn.interop").joinpath(template).read_text(encoding="ascii")
    return _lines(iter(text.splitlines()), names)


def _lines(lines, names):
    """Yield the lines that are left, filled in."""
    for line in lines:
        if not line.startswith("%"):
            yield Template(line).substitute(names)
            continue
        word, name = line.split()
        block, otherwise = _block(lines)
        if word == "%for":
            for item in names[name]:
                yield from _lines(iter(block), names | item)
        else:
            yield from _lines(iter(block if names[name] else otherwise), names)


def _block(lines):
    """Read on to the end of a block; return its lines, and those that come otherwise."""
    parts, depth = ([], []), 0
    part = parts[0]
    for line in lines:
        if line == "%end" and depth == 0:
            break
        if line == "%else" and depth == 0:
            part = parts[1]
            continue
        depth += line.startswith(("%if", "%for")) - (line == "%end")
        part.append(line)
    return parts


def _initializers(weights):
    """Yield the lines that define the weights, a row of a matrix beginning in a line of its own."""
    for name, (size, values) in weights.items():
        yield ""
        yield f"static const float {name}[{size}] = {{"
        for row in np.atleast_2d(values):
            literals = [_literal(number) for number in row.tolist()]
            for begin in range(0, len(literals), _NUMBERS_A_LINE):
                yield "    " + " ".join(literals[begin : begin + _NUMBERS_A_LINE])
        yield "};"


def _literal(number):
    """Write a float in hexadecimal, which is exact, with a comma."""
    mantissa, exponent = number.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f,"


def _write(lines, path):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
