"""The .tsv files of the UCR archive: in each line a label, then the numbers of a sequence."""

import csv
import io

import numpy as np

from fastrnn.datasets.cells import find_decimal, is_missing, show, to_number, to_numbers
from fastrnn.datasets.csv_files import DELIMITERS
from fastrnn.datasets.rows import sequences_in_rows
from fastrnn.datasets.sources import decode


def read_ucr_file(source, form):
    """Read a line for each sequence: its label, then a column of values.

    Sequences of unequal length end where only NaN follows.
    """
    text = decode(source, form)
    delimiter = form.delimiter or _find_delimiter(text)
    if delimiter == " ":  # of old files, which align their numbers
        rows = [line.split() for line in io.StringIO(text)]
    else:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines, labels, values = [], [], []
    decimal = form.decimal
    for number, cells in enumerate(rows, 1):
        if not any(cell.strip() for cell in cells):
            continue
        if decimal is None:
            decimal = find_decimal([cells[1:]])
        labels.append(cells[0])
        values.append(_numbers(cells, f"{source.name}, line {number}", decimal, form))
        lines.append(number)
    if lines:
        _check_first(source.name, lines[0], labels, values[0], form)
    return sequences_in_rows(source.name, {"value": values}, {"label": labels}, lines, form=form)


def looks_like_ucr(text):
    """Tell whether a text begins with a line of numbers alone."""
    first = text.lstrip("\ufeff").partition("\n")[0].rstrip("\r")
    cells = first.split("\t")
    numbers = to_numbers([cell for cell in cells if not is_missing(cell)])
    return len(cells) > 1 and len(numbers) > 1 and bool(np.isfinite(numbers).all())


def _find_delimiter(text):
    first = text.partition("\n")[0]
    return max(("\t", *DELIMITERS, " "), key=first.strip().count)


def _numbers(cells, place, decimal, form):
    """The numbers of a line, without the NaN at its end."""
    numbers = to_numbers(cells[1:], decimal)
    for k in np.flatnonzero(~np.isfinite(numbers)):
        cell = cells[1 + k]
        if not is_missing(cell, form.na_values) and not is_missing(cell):
            raise ValueError(
                f"{place}, column {k + 2}: expected a number, got {show(cell)}; each line has a "
                "label and the numbers of a sequence"
            )
        numbers[k] = np.nan
    if form.na_values is not None:
        numbers[[is_missing(cell, form.na_values) for cell in cells[1:]]] = np.nan
    known = np.flatnonzero(~np.isnan(numbers))
    if not known.size:
        raise ValueError(f"{place} has no number after its label, {show(cells[0])}")
    return numbers[: known[-1] + 1]


def _check_first(name, line, labels, values, form):
    """Refuse names of columns, which count the steps, as the first sequence."""
    counts = any(np.array_equal(values, np.arange(first, first + len(values))) for first in (0, 1))
    if not counts or len(labels) < 2:
        return
    try:
        to_number(labels[0])
    except ValueError:
        for label in labels[1:]:
            try:
                to_number(label)
            except ValueError:
                return
        raise ValueError(
            f"{name}, line {line} has names of columns, expected the label and the numbers of a "
            "sequence"
        ) from None
