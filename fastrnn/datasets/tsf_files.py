"""The .tsf files of the Monash archive of forecasting: a time series in each line, after its name.

Rakshitha Godahewa, Christoph Bergmeir, Geoffrey I. Webb, Rob J. Hyndman, Pablo Montero-Manso.
"Monash Time Series Forecasting Archive". NeurIPS Datasets and Benchmarks, 2021.
"""

import re
from dataclasses import replace

import numpy as np

from fastrnn.datasets.cells import numbers_or_gaps, show, to_number
from fastrnn.datasets.rows import sequences_in_rows
from fastrnn.datasets.sources import decode
from fastrnn.datasets.stamps import CellError, read_times
from fastrnn.inputs.frequencies import read_frequency
from fastrnn.inputs.spacing import MONTH

_WORDS = {
    **{word: word.removesuffix("ly") for word in ("yearly", "quarterly", "monthly", "weekly")},
    **{"daily": "day", "hourly": "hour", "half_hourly": "30 min", "minutely": "minute"},
}
_SEVERAL = re.compile(r"([1-9]\d*)_(seconds?|minutes?|hours?|days?|weeks?|months?|years?)")
_TIME_OF_DAY = re.compile(r"([T ]\d{1,2})-(\d\d)-(\d\d)$")  # 1996-03-18 00-00-00
_TYPES = ("string", "numeric", "date")
_OURS = ("id", "time", "value")
NAME, START = "series_name", "start_timestamp"


def read_tsf_file(source, form):
    """Read a line for each series: columns id, time, value, and what else is said of the series.

    There are times where the file says when series start and how far apart their steps are.
    """
    attributes, frequency, data = _header(decode(source, form), source.name)
    lines, values, cells = [], [], {name: [] for name in attributes}
    for number, line in data:
        place = f"{source.name}, line {number}"
        *parts, last = line.split(":")
        if len(parts) != len(attributes):
            raise ValueError(
                f"{place} has {len(parts) + 1} parts between colons, expected "
                f"{len(attributes) + 1}, one for each @attribute and the values"
            )
        for (name, kind), part in zip(attributes.items(), parts, strict=True):
            cells[name].append(_attribute(part.strip(), kind, f"{place}, attribute {name!r}"))
        values.append(numbers_or_gaps(last.split(","), place, form))
        lines.append(number)
    if not lines:
        raise ValueError(f"{source.name} has no series after @data")
    if NAME in cells:
        cells = {"id": cells.pop(NAME), **cells}
    series = {"value": values}
    if START in cells and frequency is not None:
        starts = _starts(cells.pop(START), source.name, lines, form)
        lengths = map(len, values)
        series["time"] = [
            _steps(start, n, frequency) for start, n in zip(starts, lengths, strict=True)
        ]
    return sequences_in_rows(source.name, series, cells, lines, form=form)


def _header(text, name):
    """The types of the attributes, the distance of steps or None, and the numbered lines."""
    attributes, frequency, data, is_data = {}, None, [], False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if is_data:
            data.append((number, line))
            continue
        place = f"{name}, line {number}"
        word, *rest = line.split()
        word = word.lower()
        if word == "@data":
            is_data = True
        elif word == "@attribute":
            if len(rest) != 2 or rest[1].lower() not in _TYPES:
                raise ValueError(
                    f"{place}: expected @attribute, a name and one of {', '.join(_TYPES)}, got "
                    f"{line!r}"
                )
            label = rest[0].lower() if rest[0].lower() in (NAME, START) else rest[0]
            if label in attributes or label in _OURS:
                of = "another attribute" if label in attributes else "a column of the values"
                raise ValueError(f"{place}: the attribute has the name {label!r} of {of}")
            attributes[label] = rest[1].lower()
        elif word == "@frequency":
            frequency = _frequency(" ".join(rest), place)
        elif not word.startswith("@"):
            raise ValueError(f"{place}: expected a word such as @data, got {line!r}")
    if not is_data:
        raise ValueError(f"{name} has no line @data")
    return attributes, frequency, data


def _frequency(word, place):
    several = _SEVERAL.fullmatch(word.lower())
    if several:
        return read_frequency(" ".join(several.groups()))
    if word.lower() not in _WORDS:
        raise ValueError(
            f"{place}: expected a frequency such as {', '.join(_WORDS)}, 10_minutes or 4_seconds, "
            f"got {word!r}"
        )
    return read_frequency(_WORDS[word.lower()])


def _attribute(cell, kind, place):
    if cell == "":
        raise ValueError(f"{place}: the cell is empty")
    if kind == "numeric" and cell != "?":
        try:
            to_number(cell)
        except ValueError:
            raise ValueError(f"{place}: expected a number, got {show(cell)}") from None
    return None if cell == "?" else cell


def _starts(cells, name, lines, form):
    """When each series starts."""
    texts = cells
    if form.time_format is None:
        texts = [None if cell is None else _TIME_OF_DAY.sub(r"\1:\2:\3", cell) for cell in cells]
    try:
        times = read_times(texts, replace(form, time_zone=None))  # the steps have it
        if times.values.dtype.kind != "M" or times.zone is not None:
            raise CellError(0, "a date without offset such as 1996-03-18 00-00-00")
    except CellError as error:
        raise ValueError(
            f"{name}, line {lines[error.row]}, attribute {START!r}: expected {error.expected}, got "
            f"{show(cells[error.row])}{error.advice}"
        ) from None
    return times.values


def _steps(start, n, spacing):
    """The times of `n` steps; a month later is the same day, or the last one of its month."""
    if spacing.unit == MONTH:
        spacing = replace(spacing, day=start.astype("M8[D]").item().day)
    return spacing.stamps(start, np.arange(n))
