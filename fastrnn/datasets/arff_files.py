"""ARFF: a sequence in each line, in columns or in a relation, or rows in long form."""

import csv
import io
import re

import numpy as np

from fastrnn.datasets.cells import show
from fastrnn.datasets.rows import Rows, sequences_in_rows
from fastrnn.datasets.sources import decode

_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.I)
_NUMERIC = ("numeric", "real", "integer")


def read_arff_file(source, form):
    """Read ARFF of the archives: columns value, or value_1, value_2, ..., and label or target.

    Numbers side by side are the steps of a sequence, and so are those in a line of a relation,
    which has a line for each dimension. Attributes of which one is called id or time are columns
    in long form.
    """
    attributes, relation, data = _header(decode(source, form), source.name)
    names = [name for name, _ in attributes]
    rows = [
        (number, _cells(line, f"{source.name}, line {number}", attributes)) for number, line in data
    ]
    if not rows:
        raise ValueError(f"{source.name} has no rows after @data")
    lines = [number for number, _ in rows]
    columns = {name: [cells[k] for _, cells in rows] for k, name in enumerate(names)}
    for name, values in attributes:
        if isinstance(values, list):
            _check_values(columns[name], values, source.name, lines, name)
    is_long = {name.lower() for name in names} & {"id", "time"}
    if is_long and relation is None:
        words = frozenset(name for name, values in attributes if isinstance(values, list))
        return Rows(source.name, columns, lines, form=form, words=words)
    if relation is not None:
        series = _relations(columns.pop(relation), source.name, lines, relation)
        return sequences_in_rows(
            source.name, series, _target(columns, dict(attributes)), lines, form=form
        )
    numeric = [name for name, values in attributes if values in _NUMERIC]
    others = [name for name in names if name not in numeric]
    if not others:  # the last number is the target, as in the archive for regression
        others = [numeric.pop()]
    if len(others) > 1 or len(numeric) < 1:
        raise ValueError(
            f"{source.name} has the attributes {', '.join(map(repr, names))}; expected numbers and "
            "a label, a relation and a label, or columns in long form with one called id"
        )
    steps = [
        np.array([_number(columns[name][k], source.name, lines[k], name) for name in numeric])
        for k in range(len(lines))
    ]
    target = _target({others[0]: columns[others[0]]}, dict(attributes))
    return sequences_in_rows(source.name, {"value": steps}, target, lines, form=form)


def _header(text, name):
    """The attributes with their types, the relational one or None, and the numbered lines of data.

    A type is a word in lower case, or the list of the values that there may be.
    """
    attributes, relation, data, depth, is_data = [], None, [], 0, False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = line.strip()
        if not line or line.startswith("%"):
            continue
        if is_data:
            data.append((number, line))
            continue
        word = line.split()[0].lower()
        match = _ATTRIBUTE.match(line)
        if word == "@data":
            is_data = True
        elif word == "@end":
            depth = 0
        elif word == "@attribute" and match:
            if depth:
                continue  # the columns of a relation are time steps
            label, kind = _unquote(match[1]), match[2].strip()
            attributes.append((label, _type(kind)))
            if kind.lower() == "relational":
                relation, depth = label, 1
        elif word != "@relation":
            raise ValueError(f"{name}, line {number}: expected @attribute or @data, got {line!r}")
    if not is_data or not attributes:
        raise ValueError(f"{name} has no {'@attribute' if is_data else '@data'}")
    return attributes, relation, data


def _type(kind):
    if kind.startswith("{"):
        return [_unquote(value.strip()) for value in _split(kind.strip("{} "))]
    return kind.split()[0].lower()


def _unquote(text):
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        text = text[1:-1]
        return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)
    return text


def _split(text):
    """The parts between commas outside of quotes, with their quotes."""
    return [part.strip() for part in re.findall(_PART, text)]


_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_PART = re.compile(rf"""((?:{_QUOTED}|[^,'"])+)""")


def _cells(line, place, attributes):
    if line.startswith("{"):
        return _sparse_cells(line, place, attributes)
    cells = [_unquote(cell) for cell in _split(line)]
    if len(cells) != len(attributes):
        raise ValueError(
            f"{place} has {len(cells)} cells, expected {len(attributes)}, one for each attribute"
        )
    return [None if cell == "?" else cell for cell in cells]


def _sparse_cells(line, place, attributes):
    """The cells of a line of pairs, {number value, ...}; others are 0, or the first value."""
    if not line.endswith("}") or "}" in re.sub(_QUOTED, "", line)[:-1]:
        raise ValueError(f"{place}: expected {{number value, ...}}, got {show(line)}")
    found = {}
    for part in _split(line[1:-1].strip()):
        number, cell = [*part.split(None, 1), "", ""][:2]
        if not number.isdecimal() or int(number) >= len(attributes) or not cell:
            raise ValueError(
                f"{place}: expected the number of an attribute, 0 to {len(attributes) - 1}, and "
                f"its value, got {show(part)}"
            )
        if int(number) in found:
            raise ValueError(f"{place} has the attribute {number} twice")
        cell = _unquote(cell)
        found[int(number)] = None if cell == "?" else cell
    cells = []
    for number, (name, kind) in enumerate(attributes):
        if number not in found and kind not in _NUMERIC and not isinstance(kind, list):
            raise ValueError(
                f"{place} leaves out the attribute {name!r}, which is of type {kind}: of such "
                "there is no usual value"
            )
        cells.append(found.get(number, kind[0] if isinstance(kind, list) else "0"))
    return cells


def _check_values(cells, values, name, lines, column):
    for cell, line in zip(cells, lines, strict=True):
        if cell is not None and cell not in values:
            shown = ", ".join(map(repr, values[:10]))
            raise ValueError(
                f"{name}, line {line}, column {column!r}: expected one of {shown}, got {cell!r}"
            )


def _relations(cells, name, lines, column):
    """The dimensions of each sequence, from its relation."""
    series = {}
    for k, (cell, line) in enumerate(zip(cells, lines, strict=True)):
        place = f"{name}, line {line}, column {column!r}"
        if cell is None:
            raise ValueError(f"{place}: the sequence is missing")
        for j, part in enumerate(csv.reader(io.StringIO(cell.strip("\n"))), 1):
            numbers = [_number(c.strip(), name, line, column) for c in part]
            series.setdefault(j, []).append(np.array(numbers))
        n = [len(items) for items in series.values()]
        if set(n) != {k + 1}:
            raise ValueError(f"{place}: expected {len(n)} dimensions as in line {lines[0]}")
    if len(series) == 1:
        return {"value": series[1]}
    return {f"value_{j}": items for j, items in series.items()}


def _number(cell, name, line, column):
    if cell is None or cell == "?" or cell.lower() == "nan":
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise ValueError(
            f"{name}, line {line}, column {column!r}: expected a number or ? for one that is "
            f"missing, got {show(cell)}"
        ) from None


def _target(columns, types):
    """Call the single column label, or target if it has numbers."""
    if len(columns) > 1:
        return columns
    return {
        "target" if types[name] in _NUMERIC else "label": cells for name, cells in columns.items()
    }
