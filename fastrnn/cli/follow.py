"""Line by line: each row that comes is answered at once, through a stream of its sequence."""

import contextlib
import io
import sys
from itertools import chain

from fastrnn.cli.columns import form_of
from fastrnn.cli.output import writer
from fastrnn.datasets.csv_files import CSVReader, find_delimiter
from fastrnn.datasets.rows import Rows
from fastrnn.datasets.sources import compression_of, encoding_of, name_of, undecodable


def follow(model, task, options):
    """Answer each line of CSV at once, until one is not as it should be."""
    form = form_of(options)
    with _open(options.file or "-") as (name, file):
        lines = _lines(file, name, form)
        first = next(lines, "")
        delimiter = form.delimiter or find_delimiter(first, name, form, name)
        reader = CSVReader(chain([first], lines), name, delimiter, form)
        like = {"form": form, "unnamed": reader.unnamed, "decimal": form.decimal or "."}
        header = Rows(name, dict.fromkeys(reader.names, ()), (), **like)
        streams = task.streams(model, header, options)
        named = [column for column in (streams.id, streams.time) if column is not None]
        with writer(options.output, [*named, *streams.answers], at_once=True) as write:
            for number, cells in reader:
                pairs = zip(reader.names, cells, strict=True)
                rows = Rows(name, {column: [cell] for column, cell in pairs}, [number], **like)
                begins = [rows.columns[column][0] for column in named]
                write([*begins, *streams.answer(rows)])


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
