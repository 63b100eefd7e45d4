"""Answers become CSV; standard output takes every character, escaped where it has no other way."""

import codecs
import contextlib
import csv
import io
import re
import shlex
import sys

from fastrnn.inputs.errors import is_plain, retold

# Parameters in advice to those who write Python.
_GIVEN = re.compile(r"\b(missing|freq|log)=(?:'([^']+)'|True)")

_FORMULA = re.compile(r"\s*[=+\-@]")
_SEQUENCE = re.compile(r"\bsequence (\d+)")


@contextlib.contextmanager
def writer(options, names, *, at_once=False):
    """Open CSV for answers, on standard output without --output; yield what writes a row.

    `at_once` passes each row on at once.
    """
    path, spell = options.output, _quoted if options.quote_formulas else str
    with naming(path), contextlib.ExitStack() as stack:
        file = sys.stdout
        if path is not None:
            file = stack.enter_context(open(path, "w", newline="", encoding="utf-8"))
        lines = csv.writer(file, lineterminator="\n")

        def write(row):
            # The shortest digits that give the number back; csv would write np.float64(...).
            lines.writerow([spell(cell) for cell in row])
            if at_once:
                file.flush()

        write(names)
        yield write
        file.flush()


def write_table(options, names, rows):
    """Write the names of columns, and rows, as CSV, to where the options say."""
    with writer(options, names) as write:
        for row in rows:
            write(row)


def _quoted(cell):
    """Write a cell, with ' in front if a spreadsheet would compute it; numbers stay."""
    text = str(cell)
    if not _FORMULA.match(text):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def printable(text):
    """Spell what is not for terminals, such as escapes in names of files, as Python does."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


@contextlib.contextmanager
def naming(path):
    """Let errors of the system name the file that is written; None is standard output."""
    try:
        yield
    except OSError as error:
        if error.strerror and error.filename is None:
            error.filename = "standard output" if path is None else path
        raise


def escape_unknown_characters():
    """Let standard output write what its encoding has not as \\U0001f600, and say so."""
    file, told = sys.stdout, []
    if not isinstance(file, io.TextIOWrapper) or file.errors != "strict":
        return

    def escape(error):
        if not isinstance(error, UnicodeEncodeError):
            raise error
        unknown = error.object[error.start : error.end]
        escaped = unknown.encode("ascii", "backslashreplace").decode()
        if not told:
            told.append(escaped)
            print(
                f"fastrnn: warning: standard output is {error.encoding}, which has not all that is "
                f"written: {escaped!r} stands for a character; --output writes UTF-8, and so does "
                "the environment variable PYTHONIOENCODING=utf-8",
                file=sys.stderr,
            )
        return escaped, error.end

    codecs.register_error("fastrnn.escape", escape)
    file.reconfigure(errors="fastrnn.escape")


@contextlib.contextmanager
def naming_sequences(places=(), of_validation=()):
    """Let errors about a sequence, by its number, say where in a file it stands."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if not is_plain(error):
            raise
        message = str(error)
        of_these = of_validation if message.startswith("validation_data") else places
        number = _SEQUENCE.search(message)
        if number is None or int(number[1]) >= len(of_these):
            raise
        told = f"{message[: number.end()]} ({of_these[int(number[1])]}){message[number.end() :]}"
        raise retold(error, told) from error


def with_options(message):
    """Spell the parameters in a message as options of the command."""

    def spell(match):
        name, value = match.groups()
        return f"--{name}" if value is None else f"--{name} {shlex.quote(value)}"

    return _GIVEN.sub(spell, message).replace("give freq,", "give --freq,")
