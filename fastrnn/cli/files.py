"""Files of rows, CSV or Parquet, become columns of cells; answers become CSV.

A column stays as it is written until its use says what it has to be: numbers, text, labels, times.
Whatever is wrong is told with the file, its line and its column.
"""

import contextlib
import csv
import io
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file, by column.

    Attributes
    ----------
    name : str
        What messages call the file.
    columns : dict of str to list
        The cells of each column: strings from CSV, anything from Parquet; "" or None is missing.
    lines : sequence of int
        Where each row stands in the file.
    unit : {"line", "row"}
        What is counted there.
    """

    name: str
    columns: dict
    lines: list | range
    unit: str = "line"

    def __len__(self):
        return len(self.lines)

    def place(self, row, column=None):
        """Say where a row, by its number from 0, or a cell of it, stands."""
        place = f"{self.name}, {self.unit} {self.lines[row]}"
        return place if column is None else f"{place}, column {column!r}"

    def check(self, *names):
        """Check that columns are there."""
        for name in names:
            if name not in self.columns:
                there = ", ".join(map(repr, self.columns))
                raise ValueError(f"{self.name} has no column {name!r}, only {there}")

    def numbers(self, name, *, gaps=False):
        """Read a column of finite numbers as float64; `gaps` says whether cells may be missing.

        Those are NaN then.
        """
        numbers = self._read_numbers(name)
        for row in np.flatnonzero(~np.isfinite(numbers)):
            cell = self.columns[name][row]
            if gaps and is_missing(cell):
                continue
            raise ValueError(f"{self.place(row, name)}: expected a number, got {show(cell)}")
        return numbers

    def text(self, name, *, gaps=False):
        """Read a column as strings, an array of objects, None where `gaps` allows none."""
        cells = [None if is_missing(cell) else str(cell) for cell in self.columns[name]]
        if not gaps and None in cells:
            raise ValueError(f"{self.place(cells.index(None), name)}: the cell is empty")
        return np.array(cells, dtype=object)

    def numbers_or_text(self, name, *, gaps=False):
        """Read a column of which every cell is a number, or none is: floats, or strings."""
        is_number = ~np.isnan(self._read_numbers(name))
        is_text = [isinstance(cell, str) and not is_missing(cell) for cell in self.columns[name]]
        if any(is_text) and not is_number.any():
            return self.text(name, gaps=gaps)
        try:
            return self.numbers(name, gaps=gaps)
        except ValueError as error:
            if any(is_text):
                raise ValueError(
                    f"{error} in a column that has numbers, too; --categorical-features {name} "
                    "reads them as text"
                ) from None
            raise

    def labels(self, name, *, gaps=False):
        """Read a column of labels as a list: whole numbers if all are, else numbers or strings.

        It has None for missing cells, where `gaps` allows them.
        """
        cells = [None if is_missing(cell) else cell for cell in self.columns[name]]
        if not gaps and None in cells:
            raise ValueError(f"{self.place(cells.index(None), name)}: the cell is empty")
        labels = {cell: str(cell) for cell in set(cells) - {None}}
        with contextlib.suppress(ValueError):
            labels = {cell: _number(cell) for cell in labels}
            if all(number.is_integer() for number in labels.values()):
                labels = {cell: int(number) for cell, number in labels.items()}
        return [None if cell is None else labels[cell] for cell in cells]

    def times(self, name):
        """Read a column of times: float64 if all cells are numbers, else datetime64[us].

        Dates are written as in ISO 8601; those with an offset become those of UTC.
        """
        numbers = self._read_numbers(name)
        if np.isfinite(numbers).all():
            return numbers
        moments = []
        for row, cell in enumerate(self.columns[name]):
            try:
                moments.append(_moment(cell))
            except ValueError:
                raise ValueError(
                    f"{self.place(row, name)}: expected a number or a date such as "
                    f"2024-05-31 or 2024-05-31T12:00, got {show(cell)}"
                ) from None
        return np.array(moments, dtype="datetime64[us]")

    def by_id(self, id_column, times=None):
        """Return the rows of each sequence by its id, in the order in which they begin.

        All rows are one sequence if `id_column` is None. `times`, if given, must rise in each.
        """
        if id_column is None:
            rows = {"": np.arange(len(self))}
        else:
            lists = {}
            for row, key in enumerate(self.text(id_column)):
                lists.setdefault(key, []).append(row)
            rows = {key: np.array(of_id) for key, of_id in lists.items()}
        for key, of_id in rows.items() if times is not None else ():
            rises = times[of_id][1:] > times[of_id][:-1]
            if not rises.all():
                late, early = of_id[1:][~rises][0], of_id[:-1][~rises][0]
                whose = f" of {key!r}" if id_column is not None else ""
                raise ValueError(
                    f"{self.place(late)}: the time{whose} must be later than in {self.unit} "
                    f"{self.lines[early]}; rows of a sequence are sorted by time"
                )
        return rows

    def _read_numbers(self, name):
        """Numbers, NaN for cells that are none."""
        cells = self.columns[name]
        try:
            return np.array([_number(cell) for cell in cells], dtype=np.float64)
        except ValueError:
            return np.array([_number_or_nan(cell) for cell in cells], dtype=np.float64)


def name_of(path):
    """Return what messages call a file, or "-"."""
    return "standard input" if path == "-" else path


def read_rows(path, *, delimiter=",", encoding="utf-8-sig"):
    """Read a file of rows: Parquet if its name ends with .parquet or .pq, else CSV.

    CSV has the names of its columns in its first line; "-" is CSV from standard input.
    """
    if path != "-" and Path(path).suffix.lower() in (".parquet", ".pq"):
        rows = _read_parquet(path)
    else:
        rows = _read_csv(path, delimiter, encoding)
    if not len(rows):
        raise ValueError(f"{rows.name} has no rows")
    return rows


def read_text(path, encoding="utf-8-sig"):
    """Read a text from a file, or from standard input if it is "-"."""
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name_of(path)}, line {line}: byte 0x{data[error.start]:02x} is not "
            f"{error.encoding}; --encoding names another, such as latin-1"
        ) from None


class CSVReader:
    """Lines of CSV become lists of cells, checked against the first, which has the `names`."""

    def __init__(self, lines, name, delimiter=","):
        self.name, self.names = name, None
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        first = next(self, None)
        if first is None:
            raise ValueError(f"{name} is empty, expected names of columns in its first line")
        _, self.names = first
        for column in self.names:
            if not column.strip() or self.names.count(column) > 1:
                what = f"the name {column!r} twice" if column.strip() else "a column without name"
                raise ValueError(f"{name}, line {self._reader.line_num} has {what}")

    def __iter__(self):
        return self

    def __next__(self):
        """Return the number of the next line that is not empty, and its cells."""
        try:
            cells = next(line for line in self._reader if line)
        except csv.Error as error:
            raise ValueError(f"{self.name}, line {self._reader.line_num}: {error}") from None
        number = self._reader.line_num
        names = self.names or cells
        if len(cells) != len(names):
            raise ValueError(
                f"{self.name}, line {number} has {len(cells)} cells, expected {len(names)} as in "
                "the first line"
            )
        return number, cells


def _read_csv(path, delimiter, encoding):
    name = name_of(path)
    reader = CSVReader(io.StringIO(read_text(path, encoding), newline=""), name, delimiter)
    lines, rows = [], []
    for number, cells in reader:
        lines.append(number)
        rows.append(cells)
    columns = zip(*rows, strict=True) if rows else [()] * len(reader.names)
    return Rows(name, dict(zip(reader.names, map(list, columns), strict=True)), lines)


def _read_parquet(path):
    if not Path(path).exists():
        raise FileNotFoundError(2, "No such file or directory", path)
    try:
        import polars

        frame = polars.read_parquet(path)
        columns = {name: frame.get_column(name).to_list() for name in frame.columns}
    except ImportError:
        try:
            import pandas

            frame = pandas.read_parquet(path)
        except ImportError:
            raise ImportError(
                "Parquet is read through polars, or pandas with pyarrow: "
                "pip install 'fastrnn[parquet]'"
            ) from None
        columns = {str(name): frame[name].to_list() for name in frame.columns}
    except OSError:
        raise
    except Exception as error:  # polars has errors of its own
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from None
    return Rows(path, columns, range(1, len(frame) + 1), "row")


def table(rows, names, as_text=(), *, is_known=False, gaps=False, time=None):
    """Read columns of features: a dict of arrays, which estimators take for a data frame.

    Those in `as_text` are text even if they look like numbers; whether others are numbers is found
    out unless `is_known`. Cells may be missing where there are `gaps`, but not those of the column
    `time`, which has numbers or dates.
    """
    rows.check(*names)
    read = rows.numbers if is_known else rows.numbers_or_text
    columns = {}
    for name in names:
        if name == time:
            columns[name] = rows.times(name)
        else:
            columns[name] = (rows.text if name in as_text else read)(name, gaps=gaps)
    return columns


@contextlib.contextmanager
def writer(path, names, *, at_once=False):
    """Open CSV for answers, on standard output if the path is None; yield what writes a row.

    `at_once` passes each row on at once.
    """
    with naming(path), contextlib.ExitStack() as stack:
        file = sys.stdout
        if path is not None:
            file = stack.enter_context(open(path, "w", newline="", encoding="utf-8"))
        lines = csv.writer(file, lineterminator="\n")

        def write(row):
            # The shortest digits that give the number back; csv would write np.float64(...).
            lines.writerow([str(cell) for cell in row])
            if at_once:
                file.flush()

        write(names)
        yield write
        file.flush()


def write_table(path, names, rows):
    """Write the names of columns, and rows, as CSV; on standard output if the path is None."""
    with writer(path, names) as write:
        for row in rows:
            write(row)


@contextlib.contextmanager
def naming(path):
    """Let errors of the system name the file that is written; None is standard output."""
    try:
        yield
    except OSError as error:
        if error.strerror and error.filename is None:
            error.filename = "standard output" if path is None else path
        raise


def is_missing(cell):
    """Tell whether a cell is missing: None, NaN (also as a word), or text of blanks."""
    if isinstance(cell, str):
        return cell.strip().lower() in ("", "nan")
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or cell != cell


def show(cell):
    """Say what stands in a cell."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return "an empty cell"
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) < 80 else f"{text[:80]}..."


def _number(cell):
    if isinstance(cell, str) and "_" in cell:  # Python would take it
        raise ValueError
    if isinstance(cell, date):
        raise ValueError
    try:
        return float(cell)
    except TypeError:
        raise ValueError from None


def _number_or_nan(cell):
    try:
        return _number(cell)
    except ValueError:
        return np.nan


def _moment(cell):
    """Return a date without offset."""
    if not isinstance(cell, date):
        cell = datetime.fromisoformat(cell.strip() if isinstance(cell, str) else "")
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        cell = cell.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(cell, "us")
