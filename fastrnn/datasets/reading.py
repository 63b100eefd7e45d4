"""Files of sequences and of series, as the estimators take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import IO, Any, cast

import numpy as np

from fastrnn.datasets.form import Form
from fastrnn.datasets.formats import FORMATS, read_rows
from fastrnn.datasets.rows import Rows, one_for_each, table
from fastrnn.datasets.sources import name_of, text_encoding
from fastrnn.inputs.stamps import zone_of
from fastrnn.typing import AnyArray, Ints, PathLike


def read_sequences(
    path: PathLike | IO[Any],
    *,
    format: str | None = None,
    id: str | None = None,
    time: str | None = None,
    features: Sequence[str] | None = None,
    label: str | None = None,
    target: str | Sequence[str] | None = None,
    per_step: bool | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    decimal: str | None = None,
    na_values: Sequence[str] | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    encoding: str | None = None,
    sort: bool = False,
) -> tuple[list[Any], Any]:
    """Read sequences, and what is to be learned of them, from a file.

    Parameters
    ----------
    path : str, path-like or file
        The file, by its name or open for reading; "-" is standard input. It may be compressed:
        gzip, zip, bzip2, xz, or Zstandard.
    format : {"csv", "parquet", "json", "conll", "conllu", "ucr", "ts", "tsf", "arff"}, default=None
        What it is; None finds out by its name, and by how it begins. CSV has a row for each step;
        Parquet and JSON may have one for each sequence, with lists in its cells.
    id : str, default=None
        Column of the names of the sequences; None is "id".
    time : str, default=None
        Column of times, which must rise within each sequence; None is "time" where there is one.
    features : list of str, default=None
        Columns of features; None takes all that are nothing else and have a name. That of times
        may be among them, as estimators read it with `time_feature`.
    label : str, default=None
        Column of labels; None is "label" where there is one.
    target : str or list of str, default=None
        Column or columns of numbers to predict; None is "target" where there is one.
    per_step : bool, default=None
        Whether labels are those of steps; None finds out where the format tells, and else reads
        one for each sequence.
    delimiter : str, default=None
        Character between cells; None finds out.
    quote : str, default=None
        Character around cells with delimiters, "none" if quotes mean nothing; None is the double
        quote, where a cell that swallows lines which look like rows is an error.
    decimal : {".", ","}, default=None
        Decimal sign; None is a comma where numbers prove it.
    na_values : list of str, default=None
        What stands for nothing beside an empty cell; None is NaN.
    time_format : str, default=None
        How times are written, as for ``datetime.strptime``; None finds out.
    time_zone : str, default=None
        Zone of dates, such as "Europe/Berlin": those with an offset become times of this zone,
        those without are what its clocks show. None takes that of the offsets, UTC where they have
        several.
    encoding : str, default=None
        Of text; None is that of the byte order mark, or UTF-8.
    sort : bool, default=False
        Whether to sort the rows of each sequence by time instead of checking that they are.

    Returns
    -------
    X : list
        The sequences in the order in which they begin: arrays of shape (T_i, n_features), float64,
        with NaN where a cell is missing; if there are columns of text or dates, dicts of columns,
        which the estimators take for data frames. Dates with an offset or zone are objects that
        have it, others datetime64.
    y : ndarray or list or None
        A label for each sequence, exactly as it is written (whole numbers if all are), or numbers
        of shape (n,) or (n, n_targets); with `per_step` an array for each sequence, which has None
        for labels that are missing. None if there is no such column.

    Raises
    ------
    ValueError
        If a cell is not as it should be, with its line or row, its column, what stands there and
        what was expected.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_sequences
    >>> X, y = read_sequences(io.StringIO("id;x;label\\na;0,5;up\\na;1,5;up\\nb;2,25;down\\n"))
    >>> X[0]
    array([[0.5],
           [1.5]])
    >>> y
    array(['up', 'down'], dtype='<U4')
    """
    form = _form(
        format, delimiter, quote, decimal, na_values, time_format, time_zone, encoding,
        bool(sort),
    )  # fmt: skip
    rows = read_rows(path, form)
    id_column, time_column = _column(rows, id, "id"), _column(rows, time, "time")
    if time is None and time_column in rows.of_sequences:
        time_column = None  # one for each sequence, not for each step
    label_column = _column(rows, label, "label")
    targets = _names(target)
    if targets is None:
        targets = [] if label_column is not None else _names(_column(rows, None, "target")) or []
    targets = [rows.find(name) for name in targets]
    if label is not None and target is not None:
        raise ValueError("give the column of labels or those of targets, not both")
    if target is not None:
        label_column = None
    of_y: list[Any] = targets or [label_column]
    if per_step is None:
        per_step = rows.is_words_alone or (
            rows.starts is not None and not rows.of_sequences.issuperset(of_y)
        )
    if id_column is None and not per_step:
        rows.find("id")
    names = [rows.find(name) for name in features or ()]
    if features is None:
        names = rows.usual_features({id_column, time_column, *of_y})
    if not names:
        raise ValueError(f"{rows.name} has no columns of features")
    times = None if time_column is None else rows.times(time_column)
    of_id = rows.by_id(id_column, None if times is None else times.values)
    columns = table(rows, names, gaps=True, time=time_column)
    if times is not None and time_column in names:
        columns[time_column] = rows.stamps(time_column, times)
    y = _targets(rows, of_id, label_column, targets, per_step, id_column is not None)
    if any(column.dtype.kind in "OM" for column in columns.values()):
        X: list[Any] = [
            {name: column[of] for name, column in columns.items()} for of in of_id.values()
        ]
    else:
        matrix = np.stack([*columns.values()], axis=1)
        X = [matrix[of] for of in of_id.values()]
    return X, y


def read_csv(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read sequences from CSV, a row for each step.

    Parameters
    ----------
    path : str, path-like or file
        The file.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list
        As of `read_sequences`.
    y : ndarray or list or None
        As of `read_sequences`.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_csv
    >>> X, y = read_csv(io.StringIO("id,x,y,label\\na,1,2,7\\na,3,4,7\\n"))
    >>> X[0].tolist(), y.tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [7])
    """
    return read_sequences(path, format="csv", **options)


def read_parquet(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read sequences from Parquet, a row for each step, or for each sequence with lists in cells.

    Parameters
    ----------
    path : str, path-like or file
        The file, which is read through polars or pyarrow.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list
        As of `read_sequences`.
    y : ndarray or list or None
        As of `read_sequences`.

    Examples
    --------
    >>> from fastrnn.datasets import read_parquet
    >>> X, y = read_parquet("speakers.parquet")  # doctest: +SKIP
    """
    return read_sequences(path, format="parquet", **options)


def read_json(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read sequences from lines of JSON, an object for each step, or for each sequence with lists.

    Parameters
    ----------
    path : str, path-like or file
        The file; a list of such objects is read, too.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list
        As of `read_sequences`.
    y : ndarray or list or None
        As of `read_sequences`.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_json
    >>> X, y = read_json(io.StringIO('{"x": [1, 2], "label": "up"}\\n'))
    >>> X[0].tolist(), y.tolist()
    ([[1.0], [2.0]], ['up'])
    """
    return read_sequences(path, format="json", **options)


def read_conll(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read sentences from CoNLL: a token in each line, a blank line between sentences.

    Parameters
    ----------
    path : str, path-like or file
        The file. Its columns are called token, column_2, ... and, the last, label; those of
        CoNLL-U, which is what a name with the ending .conllu or ``format="conllu"`` means,
        token_number, form, lemma, upos, xpos, feats, head, deprel, deps, misc.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list of dict of str to ndarray
        The columns of words of each sentence.
    y : list of ndarray or None
        The labels of its tokens.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_conll
    >>> X, y = read_conll(io.StringIO("Rome B-LOC\\nwaits O\\n"))
    >>> X[0]["token"].tolist(), y[0].tolist()
    (['Rome', 'waits'], ['B-LOC', 'O'])
    """
    is_universal = PurePath(name_of(path)).with_suffix("").suffix == ".conllu"  # compressed
    is_universal = is_universal or PurePath(name_of(path)).suffix == ".conllu"
    return read_sequences(path, **{"format": "conllu" if is_universal else "conll"} | options)


def read_ucr(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read the .tsv files of the UCR archive: in each line a label, then the numbers of a sequence.

    Parameters
    ----------
    path : str, path-like or file
        The file. Sequences of unequal length end where only NaN follows.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list of ndarray of shape (T_i, 1)
        The sequences.
    y : ndarray of shape (n,)
        Their labels.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_ucr
    >>> X, y = read_ucr(io.StringIO("1\\t0.5\\t0.25\\n2\\t0.75\\tNaN\\n"))
    >>> [x.tolist() for x in X], y.tolist()
    ([[[0.5], [0.25]], [[0.75]]], [1, 2])
    """
    return read_sequences(path, format="ucr", **options)


def read_ts(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read the .ts files of sktime and aeon: a case in each line, its dimensions between colons.

    Parameters
    ----------
    path : str, path-like or file
        The file; lengths may be unequal, values missing (?) or with time stamps.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list of ndarray of shape (T_i, n_dimensions)
        The sequences.
    y : ndarray of shape (n,) or None
        Their labels, or the numbers to predict.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_ts
    >>> X, y = read_ts(io.StringIO("@classLabel true a b\\n@data\\n1,2:a\\n3:b\\n"))
    >>> [x.tolist() for x in X], y.tolist()
    ([[[1.0], [2.0]], [[3.0]]], ['a', 'b'])
    """
    return read_sequences(path, format="ts", **options)


def read_tsf(path: PathLike | IO[Any], **options: Any) -> dict[str, AnyArray]:
    """Read the .tsf files of the Monash archive of forecasting, as a forecaster takes them.

    Parameters
    ----------
    path : str, path-like or file
        The file: a time series in each line, after what is said of it. Lengths may be unequal,
        values missing (?).
    **options
        Those of `read_sequences` that say how files are written: `na_values`, `time_format`,
        `time_zone` and `encoding`.

    Returns
    -------
    dict of str to ndarray
        The series in long form, a data frame as `RNNForecaster.fit` takes it: columns id, time and
        value, float64 with NaN for what is missing, and one for each further attribute. Times are
        datetime64, with `time_zone` objects that have it, or numbers from 0 on where the file does
        not say when series start or how far apart their steps are.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_tsf
    >>> text = "@attribute series_name string\\n@attribute start_timestamp date\\n"
    >>> text += "@frequency monthly\\n@data\\nT1:1979-01-01 00-00-00:5,?,7\\n"
    >>> series = read_tsf(io.StringIO(text))
    >>> series["value"].tolist(), series["time"][-1].item().date().isoformat()
    ([5.0, nan, 7.0], '1979-03-01')
    """
    rows = read_rows(path, _form(format="tsf", **options))
    columns = {
        "id": rows.text("id"),
        "time": rows.stamps("time", rows.times("time"))
        if "time" in rows.columns
        else _steps(cast(Ints, rows.starts), len(rows)),
        "value": rows.numbers("value", gaps=True),
    }
    rows.by_id("id")  # each of which comes once
    others = [name for name in rows.columns if name not in columns]
    return columns | table(rows, others, gaps=True)


def read_arff(path: PathLike | IO[Any], **options: Any) -> tuple[list[Any], Any]:
    """Read sequences from ARFF: in columns, in a relation, or in long form.

    Parameters
    ----------
    path : str, path-like or file
        The file; it is in long form if it has an attribute called id or time.
    **options
        As of `read_sequences`.

    Returns
    -------
    X : list of ndarray of shape (T_i, n_dimensions)
        The sequences.
    y : ndarray of shape (n,) or None
        Their labels, or the numbers to predict.

    Examples
    --------
    >>> import io
    >>> from fastrnn.datasets import read_arff
    >>> text = "@attribute t1 real\\n@attribute t2 real\\n@attribute y {a,b}\\n@data\\n1,2,b\\n"
    >>> X, y = read_arff(io.StringIO(text))
    >>> X[0].tolist(), y.tolist()
    ([[1.0], [2.0]], ['b'])
    """
    return read_sequences(path, format="arff", **options)


def _steps(starts: Ints, n: int) -> Ints:
    """The number of each of `n` steps in its sequence."""
    return np.arange(n) - np.repeat(starts, np.diff([*starts, n]))


def _form(
    format: str | None,
    delimiter: str | None = None,
    quote: str | None = None,
    decimal: str | None = None,
    na_values: Sequence[str] | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    encoding: str | None = None,
    sort: bool = False,
) -> Form:
    if format is not None and format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}")
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    for name, value in (("delimiter", delimiter), ("quote", quote)):
        is_none = name == "quote" and value == "none"
        if value is not None and not is_none and (not isinstance(value, str) or len(value) != 1):
            raise ValueError(f"{name} must be a single character, got {value!r}")
    if time_zone is not None and not isinstance(time_zone, str):
        raise TypeError(f"time_zone must be the name of a zone, got {time_zone!r}")
    if time_zone is not None:
        zone_of(time_zone)  # which refuses one that it does not know
    if encoding is not None:
        encoding = text_encoding(encoding)
    if na_values is not None:
        na_values = tuple([na_values] if isinstance(na_values, str) else na_values)
    return Form(
        format=format,
        delimiter=delimiter,
        quote=quote,
        decimal=decimal,
        na_values=na_values,
        time_format=time_format,
        time_zone=time_zone,
        encoding=encoding,
        sort=sort,
    )


def _names(given: str | Sequence[str] | None) -> Sequence[str] | None:
    return [given] if isinstance(given, str) else given


def _column(rows: Rows, given: str | None, usual: str) -> str | None:
    if given is not None:
        return rows.find(given)
    return usual if usual in rows.columns else None


def _targets(
    rows: Rows,
    of_id: Mapping[str, Ints],
    label_column: str | None,
    targets: list[str],
    per_step: bool,
    has_id: bool,
) -> Any:
    """The labels or numbers of sequences or steps; None if there are none."""
    if label_column is not None:
        labels = rows.labels(label_column, gaps=per_step)
        if not per_step:
            first = one_for_each(rows, of_id, labels, label_column, has_id)
            return np.array([labels[row] for row in first])
        kind = object if None in labels else None
        each = np.array(labels, dtype=kind)
        return [each[of] for of in of_id.values()]
    columns = [rows.numbers(name) for name in targets]
    if not columns:
        return None
    numbers = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
    if per_step:
        return [numbers[of] for of in of_id.values()]
    for name, column in zip(targets, columns, strict=True):
        first = one_for_each(rows, of_id, column, name, has_id)
    return numbers[first]
