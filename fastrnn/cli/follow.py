"""Line by line: each row that comes is answered at once, through a stream of its sequence."""

import contextlib
import io
import sys
from itertools import chain
from pathlib import PurePath

from fastrnn.cli.columns import form_of
from fastrnn.cli.output import writer
from fastrnn.datasets.csv_files import CSVReader, find_delimiter
from fastrnn.datasets.json_files import read_object
from fastrnn.datasets.rows import Rows
from fastrnn.datasets.sources import compression_of, encoding_of, name_of, undecodable


def follow(model, task, options):
    """Answer each line of CSV or JSON at once, until one is not as it should be."""
    form = form_of(options)
    with _open(options.file or "-") as (name, file):
        lines = _lines(file, name, form)
        first = next(lines, "")
        is_json = form.format == "json" or (form.format is None and _looks_like_json(first, name))
        rows = (_json_rows if is_json else _csv_rows)(chain([first], lines), first, name, form)
        header = next(rows)
        streams = task.streams(model, header, options)
        named = [column for column in (streams.id, streams.time) if column is not None]
        with writer(options, [*named, *streams.answers], at_once=True) as write:
            for row in rows:
                begins = [row.columns[column][0] for column in named]
                write([*begins, *streams.answer(row)])


def _looks_like_json(first, name):
    return first.lstrip().startswith("{") or PurePath(name).suffix.lower() in (".jsonl", ".ndjson")


def _csv_rows(lines, first, name, form):
    """Lines of CSV: the names of columns as `Rows` without rows, then a row after the other."""
    delimiter = form.delimiter or find_delimiter(first, name, form, name)
    reader = CSVReader(lines, name, delimiter, form)
    like = {"form": form, "unnamed": reader.unnamed, "decimal": form.decimal or "."}
    yield Rows(name, dict.fromkeys(reader.names, ()), (), **like)
    for number, cells in reader:
        columns = {column: [cell] for column, cell in zip(reader.names, cells, strict=True)}
        yield Rows(name, columns, [number], **like)


def _json_rows(lines, first, name, form):
    """Lines of JSON likewise; the first has the names, and what another lacks is missing."""
    names = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = read_object(line, name, number)
        if names is None:
            names = [*cells]
            yield Rows(name, dict.fromkeys(names, ()), (), form=form)
        new = next((column for column in cells if column not in names), None)
        if new is not None:  # it may say whose row this is
            raise ValueError(f"{name}, line {number} has {new!r}, which the first line has not")
        yield Rows(name, {column: [cells.get(column)] for column in names}, [number], form=form)
    if names is None:
        raise ValueError(f"{name} is empty, expected an object of JSON in each line")


@contextlib.contextmanager
def _open(path):
    if path == "-":
        yield name_of(path), sys.stdin.buffer
    else:
        with open(path, "rb") as file:
            yield path, file


def _lines(file, name, form):
    """The lines of a file, as they come."""
    if isinstance(file, io.BufferedReader):
        begin = file.peek(6)  # what is there, without waiting for more
    else:
        begin = file.read(6)
        file.seek(0)
    if compression_of(begin):
        raise ValueError(f"{name} is compressed, but --follow reads lines as they come")
    encoding = encoding_of(begin, form)
    text = io.TextIOWrapper(file, "utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    number = 0
    try:
        for number, line in enumerate(text, 1):  # noqa: B007
            yield line
    except UnicodeDecodeError as error:
        place = f"{name}, line {number + 1} or later"
        raise ValueError(undecodable(place, error, form)) from None
    finally:
        if not file.closed:
            text.detach()  # the file is not ours to close
