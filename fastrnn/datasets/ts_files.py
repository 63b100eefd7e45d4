"""The .ts files of sktime and aeon: a case in each line, its dimensions between colons."""

import re

from fastrnn.datasets.cells import numbers_or_gaps, show
from fastrnn.datasets.rows import sequences_in_rows
from fastrnn.datasets.sources import decode
from fastrnn.datasets.stamps import CellError, read_times

_TUPLE = re.compile(r"\s*\(([^()]*),([^(),]*)\)\s*(?:,|$)")
_YES = {"true": True, "false": False}


def read_ts_file(source, form):
    """Read a line for each case: columns value, or value_1, value_2, ..., and label or target.

    The dimensions of a case are of one length; where values have time stamps there is a column
    time.
    """
    header, data = _header(decode(source, form), source.name)
    dimensions, times, labels, lines = [], [], [], []
    has_label = header.get("classlabel", False) or header.get("targetlabel", False)
    for number, line in data:
        place = f"{source.name}, line {number}"
        parts, stamps = _split(line, place, header.get("timestamps", False), has_label, form)
        if has_label:
            labels.append(parts.pop())
            _check_label(labels[-1], header.get("labels"), place)
        if dimensions and len(parts) != len(dimensions[0]):
            raise ValueError(
                f"{place} has {len(parts)} dimensions, expected {len(dimensions[0])} as in line "
                f"{lines[0]}"
            )
        for k, part in enumerate(parts, 1):
            if len(part) != len(parts[0]):
                raise ValueError(
                    f"{place}: dimension {k} has {len(part)} steps, expected {len(parts[0])} as "
                    "dimension 1 has"
                )
        dimensions.append(parts)
        times.append(stamps)
        lines.append(number)
    if not lines:
        raise ValueError(f"{source.name} has no cases after @data")
    n = len(dimensions[0])
    names = ["value"] if n == 1 else [f"value_{k}" for k in range(1, n + 1)]
    series = {name: [parts[k] for parts in dimensions] for k, name in enumerate(names)}
    if header.get("timestamps", False):
        series["time"] = times
    target = "target" if header.get("targetlabel", False) else "label"
    scalars = {target: labels} if has_label else {}
    return sequences_in_rows(source.name, series, scalars, lines, form=form)


def _header(text, name):
    """What is said before @data, and the lines after it that are not empty, with their numbers."""
    header, data, is_data = {}, [], False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = line.strip()
        if not line or line.startswith(("#", "%")):
            continue
        if is_data:
            data.append((number, line))
            continue
        word, *rest = line.split()
        key = word.lower().removeprefix("@")
        if not word.startswith("@"):
            raise ValueError(f"{name}, line {number}: expected a word such as @data, got {line!r}")
        if key == "data":
            is_data = True
        elif rest and rest[0].lower() in _YES:
            header[key] = _YES[rest[0].lower()]
            if key == "classlabel" and header[key]:
                header["labels"] = rest[1:]
        elif key in ("timestamps", "classlabel", "targetlabel"):
            raise ValueError(f"{name}, line {number}: expected true or false, got {line!r}")
    if not is_data:
        raise ValueError(f"{name} has no line @data")
    return header, data


def _split(line, place, has_times, has_label, form):
    """The dimensions of a case, its label behind them if it has one, and its times or None."""
    if has_times:
        return _split_pairs(line, place, has_label, form)
    parts = line.split(":")
    if has_label and len(parts) < 2:
        raise ValueError(f"{place}: expected a colon and a label at the end, got {show(line)}")
    label = [parts.pop().strip()] if has_label else []
    dimensions = [
        numbers_or_gaps(part.split(","), f"{place}, dimension {k}", form)
        for k, part in enumerate(parts, 1)
    ]
    return dimensions + label, None


def _split_pairs(line, place, has_label, form):
    """The same of pairs of a time stamp, which may have colons, and a value."""
    label = []
    if has_label:
        line, colon, last = line.rpartition(":")
        if not colon or ")" in last:
            raise ValueError(f"{place}: expected a colon and a label at the end, got {show(last)}")
        label = [last.strip()]
    dimensions, stamps = [], None
    for k, part in enumerate(re.split(r":(?=\s*\()", line), 1):
        pairs, at = [], 0
        while at < len(part):
            match = _TUPLE.match(part, at)
            if match is None:
                raise ValueError(
                    f"{place}, dimension {k}: expected pairs (time,value), got {show(part[at:])}"
                )
            pairs.append(match.groups())
            at = match.end()
        cells = [time.strip() for time, _ in pairs]
        try:
            read_times(cells, form)
        except CellError as error:
            raise ValueError(
                f"{place}, dimension {k}, step {error.row + 1}: expected {error.expected}, got "
                f"{show(cells[error.row])}{error.advice}"
            ) from None
        if stamps is not None and cells != stamps:
            raise ValueError(f"{place}: dimension {k} has other time stamps than dimension 1")
        stamps = cells
        values = [value for _, value in pairs]
        dimensions.append(numbers_or_gaps(values, f"{place}, dimension {k}", form))
    return dimensions + label, stamps


def _check_label(label, known, place):
    if not label:
        raise ValueError(f"{place}: the label is missing")
    if known and label not in known:
        shown = ", ".join(map(repr, known[:10]))
        raise ValueError(f"{place}: expected a label of @classLabel, {shown}, got {label!r}")
