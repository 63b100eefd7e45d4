"""CSV: its delimiter is found, its cells are strings, and no quote swallows lines unseen."""

import csv
import io
import re
from itertools import chain, islice

import numpy as np

from fastrnn.datasets.cells import find_decimal, to_numbers
from fastrnn.datasets.rows import Rows
from fastrnn.datasets.sources import decode

DELIMITERS = ",;\t|"
_AT_ONCE = 10_000
_SAMPLE = 50
_LINE_END = re.compile(r"\r\n|\r|\n")
_SAYS_DELIMITER = re.compile(r'"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)


def read_csv_file(source, form):
    """Read CSV, which has the names of its columns in its first line."""
    return read_csv_text(decode(source, form), source.name, form, source.file)


def read_csv_text(text, name, form, file=""):
    """Read the text of CSV."""
    says = _SAYS_DELIMITER.match(text)  # as Excel begins a file
    delimiter = form.delimiter or (says[1] if says else find_delimiter(text, name, form, file))
    reader = CSVReader(text, name, delimiter, form, int(bool(says)))
    blocks, numbers, breaks = [[() for _ in reader.names]], [], []
    n_rows = 0
    for rows, of_rows, after_blank in reader.blocks():
        breaks += [n_rows + row for row in after_blank]
        n_rows += len(rows)
        numbers.append(of_rows)
        # Tuples: Python's collector of garbage looks once at them, at long lists again and again.
        blocks.append(list(zip(*rows, strict=True)))
    columns = (list(chain.from_iterable(parts)) for parts in zip(*blocks, strict=True))
    named = dict(zip(reader.names, columns, strict=True))
    # Without quotes there is no delimiter in a cell.
    has_comma = "," in text and (delimiter != "," or (form.quote or '"') in text)
    return Rows(
        name,
        named,
        np.concatenate(numbers) if numbers else range(0),
        form=form,
        unnamed=reader.unnamed,
        decimal=form.decimal or find_decimal(named.values() if has_comma else ()),
        breaks=tuple(row for row in breaks if row),
    )


def find_delimiter(text, name, form, file=""):
    """Return what stands between the cells: what all lines have as often as the first, or a tab.

    It is an error if two signs may be.
    """
    sample = list(islice(io.StringIO(text, newline=""), _SAMPLE + 1))
    if len(sample) > _SAMPLE:
        sample.pop()
    sample = [line for line in sample if line.strip()]
    if not sample:
        return ","
    there = [sign for sign in DELIMITERS if sign in sample[0]]
    if file.lower().endswith((".tsv", ".tab")) and "\t" in there:
        return "\t"
    even = [sign for sign in there if _splits_evenly(sample, sign, form)]
    if len(even) > 1:
        shown = " or ".join(map(repr, even))
        raise ValueError(
            f"{name}: cells may be separated by {shown}; {form.option('delimiter')} says by which"
        )
    if even or there:
        return (even or sorted(there, key=sample[0].count, reverse=True))[0]
    if len(sample) > 1 and np.isfinite(to_numbers([c.strip() for c in sample[1:]], ",")).all():
        return ";"  # a single column, of numbers with decimal commas
    if " " in sample[0] and len(sample) > 1 and _splits_evenly(sample, " ", form):
        raise ValueError(
            f"{name}: cells may be separated by blanks, or there is one column; "
            f"{form.option('delimiter', ' ')} or {form.option('delimiter', ',')} says which"
        )
    return ","


def _splits_evenly(sample, delimiter, form):
    try:
        widths = {len(row) for row in _csv_reader(sample, delimiter, form) if row}
    except csv.Error:
        return False
    return len(widths) == 1


def _csv_reader(lines, delimiter, form):
    if form.quote == "none":
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter, quotechar=form.quote or '"', strict=True)


class CSVReader:
    """Lines of CSV become lists of cells, checked against the first, which has the `names`.

    `lines` are a text, of which the first `skip` lines are none of CSV, or come one by one. Columns
    without a name are named by their place, and are `unnamed`. A text without a header has names
    that are the places.
    """

    def __init__(self, lines, name, delimiter, form, skip=0):
        self.name, self.names, self.unnamed = name, [], frozenset()
        self._form, self._delimiter, self._skip = form, delimiter, skip
        self._text = lines if isinstance(lines, str) else None
        # What came since the last row, after so many lines.
        self._taken, self._n_before = [], 0
        self._reader = self._open(lines)
        first = next(self._rows(), None)
        if first is None:
            raise ValueError(f"{name} is empty, expected names of columns in its first line")
        if form.header:
            self._first = first
            self.names, self.unnamed = self._named(first)
        else:
            self._first, self._reader = None, self._open(lines)  # to read that line again
            self.names = [str(place) for place in range(1, len(first) + 1)]

    def __iter__(self):
        return self

    def __next__(self):
        """Return the number of the next line that is not empty, and its cells."""
        cells = next(self._rows())
        self._check(cells, self.line)
        return self.line, cells

    @property
    def line(self):
        """Number of the line that was read last."""
        return self._skip + self._reader.line_num

    def blocks(self):
        """Yield many rows at once, the lines where they end, and those after blank lines."""
        was_blank = False
        while True:
            before = self.line
            try:
                rows = list(islice(self._reader, _AT_ONCE))
            except csv.Error as error:
                raise self._wrong_quote(error, before) from None
            if not rows:
                return
            is_plain = len(rows) == self.line - before and [] not in rows
            if is_plain and not was_blank:
                lines, after_blank = np.arange(before + 1, self.line + 1), []
            else:
                lines, after_blank, was_blank = self._number(rows, before, was_blank)
                rows = [row for row in rows if row]
            if set(map(len, rows)) - {len(self.names)} or self._first in rows:
                for row, line in zip(rows, lines, strict=True):
                    self._check(row, line)
            if rows:
                yield rows, lines, after_blank

    def _open(self, lines):
        if self._text is None:
            taken = self._take(lines)
        else:
            taken = islice(io.StringIO(lines, newline=""), self._skip, None)
        return _csv_reader(taken, self._delimiter, self._form)

    def _take(self, lines):
        for line in lines:
            self._taken.append(line)
            yield line

    def _lines(self, before, last):
        """The lines after number `before`, to `last`."""
        if self._text is not None and not self._taken:
            self._taken = list(io.StringIO(self._text, newline=""))
        return self._taken[before - self._n_before : last - self._n_before]

    def _rows(self):
        """Rows that are not empty, one by one."""
        while True:
            if self._text is None:
                self._taken.clear()
                self._n_before = self.line
            before = self.line
            try:
                row = next(self._reader, None)
            except csv.Error as error:
                raise self._wrong_quote(error, before) from None
            if row is None:
                return
            if row:
                self._check_quotes(row, before, self.line)
                yield row

    def _number(self, rows, line, was_blank):
        """Return the last line of each row, and the rows after blank lines.

        Also whether the last is blank.
        """
        lines, after_blank = [], []
        for row in rows:
            before = line
            line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row)
            if row:
                self._check_quotes(row, before, line)
                if was_blank:
                    after_blank.append(len(lines))
                lines.append(line)
            was_blank = not row
        return np.array(lines, np.int64), after_blank, was_blank

    def _named(self, cells):
        names, unnamed = [], set()
        for place, column in enumerate(cells, 1):
            if column.strip():
                if cells.count(column) > 1:
                    raise ValueError(f"{self.name}, line {self.line} has the name {column!r} twice")
                names.append(column)
            else:
                label = str(place) if str(place) not in cells else f"column {place}"
                names.append(label)
                unnamed.add(label)
        if len(unnamed) == len(cells):
            raise ValueError(f"{self.name}, line {self.line} has no names of columns")
        self._check_names(cells)
        return names, frozenset(unnamed)

    def _check_names(self, cells):
        """Refuse a first line of numbers, unless they count the columns."""
        counts = [[str(k) for k in range(first, first + len(cells))] for first in (0, 1)]
        if cells in counts or not np.isfinite(to_numbers(cells)).all():
            return
        option = self._form.option("format", "ucr")
        raise ValueError(
            f"{self.name}, line {self.line} has numbers, expected names of columns; lines with a "
            f"label and the numbers of a sequence are read by {option}"
        )

    def _check(self, cells, line):
        if len(cells) != len(self.names):
            hint = ""
            if len(self.names) == 1 or len(cells) == 1:
                hint = f"; {self._form.option('delimiter')} says what stands between cells"
            raise ValueError(
                f"{self.name}, line {line} has {len(cells)} cells, expected {len(self.names)} as "
                f"in the first line{hint}"
            )
        if cells == self._first:
            raise ValueError(f"{self.name}, line {line} repeats the first line, names of columns")

    def _check_quotes(self, row, before, line):
        """Refuse a cell in quotes that has swallowed lines that look like rows."""
        if line - before < 2 or self._form.quote is not None:  # else quotes are said to be meant
            return
        lines = self._lines(before, line)
        width = len(self.names or row)
        plain = csv.reader(lines, delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
        is_row = [len(cells) == width for cells in plain]
        if width > 1 and (any(is_row[1:-1]) or (len(is_row) == 2 and all(is_row))):
            plain, meant = self._form.option("quote", "none"), self._form.option("quote", '"')
            raise ValueError(
                f"{self.name}, lines {before + 1} to {line} are one row, since a cell in quotes "
                f"goes on in the next line; {plain} takes quotes for what they are, {meant} takes "
                "lines into cells"
            )

    def _wrong_quote(self, error, before):
        """The error for quotes that are wrong somewhere after so many lines."""
        where, last = before + 1, self.line
        lines = self._lines(before, last)
        again = _csv_reader(lines, self._delimiter, self._form)
        try:
            for _ in again:
                where = before + again.line_num + 1
        except csv.Error:
            pass
        goes_on = f", in a cell that goes on until line {last}" if last > where else ""
        hint = ""
        if self._form.quote != "none":
            hint = f"; {self._form.option('quote', 'none')} takes quotes for what they are"
        return ValueError(f"{self.name}, line {where}: {error}{goes_on}{hint}")
