"""JSON: an object for each row, in lines or in a list; lists in it are the steps of a sequence."""

import json
import re

from fastrnn.datasets.cells import looks_like_a_number, show
from fastrnn.datasets.parquet_files import split_vectors
from fastrnn.datasets.rows import Rows, refuse_objects, sequences_in_rows
from fastrnn.datasets.sources import decode

_MAX_DEPTH = 32  # of lists in lists; numpy has no more axes
_TOO_DEEP = "has lists in lists without end"


class _Number(str):
    """A number as it is written, from which nothing is lost."""

    __slots__ = ()
    __repr__ = str.__str__


class _Truth(str):
    """True or false, as it is written; as a number it is 1 or 0."""

    __slots__ = ()
    __repr__ = str.__str__

    def __float__(self):
        return float(self == "true")


def read_json_file(source, form):
    """Read JSON lines, or a list of objects; one that lacks a name has a missing cell there."""
    text = decode(source, form)
    is_list = text.lstrip().startswith("[")
    records = _of_list(text, source.name) if is_list else _of_lines(text, source.name)
    unit, lines = ("row" if is_list else "line"), [number for number, _ in records]
    names = list(dict.fromkeys(name for _, record in records for name in record))
    columns = {
        name: [_cell(record.get(name), source.name) for _, record in records] for name in names
    }
    refuse_objects(source.name, columns, lines, unit)
    lists = {name: cells for name, cells in columns.items() if _has_lists(cells)}
    if not lists:
        return Rows(source.name, columns, lines, unit, form, words=_words(columns))
    for name, cells in lists.items():
        for k, cell in enumerate(cells):
            if not isinstance(cell, list | None):
                raise ValueError(
                    f"{source.name}, {unit} {lines[k]}, column {name!r}: expected a list as in "
                    f"other rows, got {cell!r}"
                )
    scalars = {name: cells for name, cells in columns.items() if name not in lists}
    series = split_vectors(source.name, lists, lines, unit)
    joined = {
        name: [cell for item in items for cell in item or ()] for name, items in series.items()
    }
    return sequences_in_rows(
        source.name, series, scalars, lines, form=form, unit=unit, words=_words(joined)
    )


def read_object(line, name, number):
    """Read a line of JSON as a row: its cells by name, of which none is a list."""
    cells = {c: _cell(v, name) for c, v in _parse(line, f"{name}, line {number}", number).items()}
    columns = {column: [cell] for column, cell in cells.items()}
    refuse_objects(name, columns, [number], "line")
    for column, cell in cells.items():
        if isinstance(cell, list):
            raise ValueError(
                f"{name}, line {number}, column {column!r}: expected a single value, as each line "
                f"is a step, got {show(cell)}"
            )
    return cells


def _of_lines(text, name):
    records = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line.strip():
            records.append((number, _parse(line, f"{name}, line {number}", number)))
    return records


def _of_list(text, name):
    items = _parse(text, name, 1, list)
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise ValueError(f"{name}, row {number}: expected an object, got {str(item)[:80]!r}")
    return list(enumerate(items, 1))


def _parse(text, place, line, kind=dict):
    def no_twins(pairs):
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{place} has the name {name!r} twice")
        return dict(pairs)

    try:
        value = json.loads(
            text, parse_float=_Number, parse_int=_Number, parse_constant=_Number,
            object_pairs_hook=no_twins,
        )  # fmt: skip
    except json.JSONDecodeError as error:
        where = f", line {line + error.lineno - 1}" if kind is list else ""
        raise ValueError(f"{place}{where} is no JSON: {error.msg}, at {error.colno}") from None
    except RecursionError:
        raise ValueError(f"{place} {_TOO_DEEP}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{place}: expected an object of JSON, got {text[:80]!r}")
    return value


def _cell(value, name, depth=0):
    """Write true and false as the file of that name has them."""
    if isinstance(value, bool):
        return _Truth("true" if value else "false")
    if not isinstance(value, list):
        return value
    if depth == _MAX_DEPTH:
        raise ValueError(f"{name} {_TOO_DEEP}")
    return [_cell(item, name, depth + 1) for item in value]


def _has_lists(cells):
    return any(isinstance(cell, list) for cell in cells)


def _words(columns):
    """Name the columns of strings, of which most do not look like numbers."""
    words = set()
    for name, cells in columns.items():
        strings = [cell for cell in cells if cell is not None]
        if strings and all(type(cell) is str for cell in strings):
            if 2 * sum(map(looks_like_a_number, strings)) < len(strings):
                words.add(name)
    return words
