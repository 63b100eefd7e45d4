"""Line by line: each row that comes is answered at once, through a stream of its sequence."""

import contextlib
import io
import sys

from fastrnn.cli.files import CSVReader, Rows, name_of, writer


def follow(model, task, options):
    """Answer each line of CSV at once, until one is not as it should be."""
    with _open(options.file or "-") as (name, file):
        text = io.TextIOWrapper(file, options.encoding, newline="")
        reader = CSVReader(_lines(text, name), name, options.delimiter)
        header = Rows(name, dict.fromkeys(reader.names, ()), ())
        streams = task.streams(model, header, options)
        named = [column for column in (streams.id, streams.time) if column is not None]
        with writer(options.output, [*named, *streams.answers], at_once=True) as write:
            for number, cells in reader:
                pairs = zip(reader.names, cells, strict=True)
                rows = Rows(name, {column: [cell] for column, cell in pairs}, [number])
                begins = [rows.columns[column][0] for column in named]
                write([*begins, *streams.answer(rows)])


@contextlib.contextmanager
def _open(path):
    if path == "-":
        yield name_of(path), sys.stdin.buffer
    else:
        with open(path, "rb") as file:
            yield path, file


def _lines(file, name):
    """The lines of a file, as they come."""
    number = 0
    try:
        for number, line in enumerate(file, 1):  # noqa: B007
            yield line
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}, line {number + 1} or later: byte 0x{error.object[error.start]:02x} is not "
            f"{error.encoding}; --encoding names another, such as latin-1"
        ) from None
