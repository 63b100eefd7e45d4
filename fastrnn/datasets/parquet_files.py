"""Parquet, read through polars or pyarrow: a row for each step, or lists in a row for each."""

import io

import numpy as np

from fastrnn.datasets.rows import Rows, refuse_objects, sequences_in_rows


def read_parquet_file(source, form):
    """Read Parquet; columns of lists hold a sequence in each row."""
    columns = _read_columns(source)
    n_rows = max(map(len, columns.values()), default=0)
    lines = range(1, n_rows + 1)
    lists = {name: cells for name, cells in columns.items() if _holds_lists(cells)}
    refuse_objects(source.name, columns, lines, "row")
    if not lists:
        return Rows(source.name, columns, lines, "row", form)
    scalars = {name: cells for name, cells in columns.items() if name not in lists}
    return sequences_in_rows(
        source.name, split_vectors(source.name, lists, lines, "row"), scalars, lines,
        form=form, unit="row",
    )  # fmt: skip


def split_vectors(name, lists, lines, unit):
    """Make a column of numbers for each place of vectors, where steps are such."""
    split = {}
    for column, items in lists.items():
        first = next((item[0] for item in items if item is not None and len(item)), None)
        if not isinstance(first, list | np.ndarray):
            split[column] = items
            continue
        width = len(first)
        for k, item in enumerate(items):
            for step, vector in enumerate(() if item is None else item, 1):
                if not isinstance(vector, list | np.ndarray) or len(vector) != width:
                    got = len(vector) if isinstance(vector, list | np.ndarray) else vector
                    raise ValueError(
                        f"{name}, {unit} {lines[k]}, step {step}, column {column!r}: expected "
                        f"{width} numbers as in the first step, got {got}"
                    )
        for j in range(width):
            split[f"{column}_{j + 1}"] = [
                None if item is None else [vector[j] for vector in item] for item in items
            ]
    return split


def _holds_lists(cells):
    return isinstance(cells, list) and any(isinstance(cell, list | np.ndarray) for cell in cells)


def _read_columns(source):
    """The columns: arrays where each cell has a value of one type, else lists of Python's."""
    try:
        import polars
    except ImportError:
        return _read_with_pyarrow(source)
    try:
        frame = polars.read_parquet(io.BytesIO(source.data))
    except polars.exceptions.PolarsError as error:
        raise _no_parquet(source, error) from None
    return {name: _of_polars(frame.get_column(name)) for name in frame.columns}


def _of_polars(column):
    import polars

    kind = column.dtype
    if kind == polars.Datetime and kind.time_zone is None:
        return column.to_numpy()
    if kind == polars.List and kind.inner == polars.Datetime:
        lengths = column.list.len()
        return _cut(_of_polars(column.filter(lengths > 0).explode()), lengths.to_list())
    if kind == polars.Datetime and kind.time_unit == "ns":  # which Python's moments have not
        in_us = column.dt.cast_time_unit("us")
        if (in_us.dt.cast_time_unit("ns") != column).any():
            return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.9f%:z").to_list()
        column = in_us
    is_plain = kind.is_integer() or kind.is_float() or kind in (polars.Boolean, polars.Date)
    if is_plain and not column.null_count():
        return column.to_numpy()
    if kind == polars.Float32:  # Python's float would have more digits
        return [None if x is None else np.float32(x) for x in column.to_list()]
    if kind == polars.Array:
        column = column.arr.to_list()
    return column.to_list()


def _cut(items, lengths):
    """Cut items into a list for each row, whose length is None where it is missing."""
    ends = np.cumsum([n or 0 for n in lengths])
    return [
        None if n is None else items[end - n : end] for n, end in zip(lengths, ends, strict=True)
    ]


def _read_with_pyarrow(source):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "Parquet is read through polars or pyarrow: pip install 'fastrnn[parquet]'"
        ) from None
    try:
        frame = parquet.read_table(io.BytesIO(source.data))
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_parquet(source, error) from None
    return {name: _of_pyarrow(frame.column(name), pyarrow) for name in frame.column_names}


def _of_pyarrow(column, pyarrow):
    types = pyarrow.types
    kind = column.type
    if types.is_timestamp(kind) and kind.tz is None:
        return column.to_numpy()
    if (types.is_list(kind) or types.is_large_list(kind)) and types.is_timestamp(kind.value_type):
        from pyarrow.compute import list_flatten, list_value_length

        each = _of_pyarrow(list_flatten(column), pyarrow)
        return _cut(each, list_value_length(column).to_pylist())
    if types.is_timestamp(kind) and kind.unit == "ns":  # which Python's moments have not
        in_us = pyarrow.timestamp("us", kind.tz)
        try:
            column = column.cast(in_us)
        except pyarrow.ArrowInvalid:
            from pyarrow.compute import strftime

            return strftime(column, format="%Y-%m-%dT%H:%M:%S%z").to_pylist()
    is_plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if (is_plain or types.is_date(kind)) and not column.null_count:
        return column.to_numpy()
    if types.is_float32(kind):
        return [None if x is None else np.float32(x) for x in column.to_pylist()]
    return column.to_pylist()


def _no_parquet(source, error):
    return ValueError(f"{source.name} cannot be read as Parquet: {error}")
