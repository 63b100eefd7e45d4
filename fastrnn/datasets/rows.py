"""The rows of a file, by column: each column is read as what its use needs.

A cell stays as it is written until then. Whatever is wrong is told with the file, the line or row,
the column, what stands there and what was expected.
"""

import re
import warnings
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastrnn.datasets.cells import (
    exact_text,
    is_marker,
    is_missing,
    is_whole,
    looks_like_a_number,
    show,
    to_numbers,
    what_keeps_it_from_being_one,
)
from fastrnn.datasets.form import Form
from fastrnn.datasets.stamps import CellError, Times, read_times
from fastrnn.typing import AnyArray, Doubles, Ints, ObjectArray

# What pandas calls an index without a name, when it writes it and when it reads that again.
_INDEX = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file, by column.

    Attributes
    ----------
    name : str
        What messages call the file.
    columns : dict of str to sequence
        The cells of each column: strings, or what a file with types has.
    lines : sequence of int
        Where each row stands in the file.
    unit : {"line", "row"}
        What is counted there.
    form : Form
        How the file is written.
    unnamed : frozenset of str
        Columns that have no name but their place, from 1.
    words : frozenset of str
        Columns that are text, whatever they look like.
    decimal : {".", ","}
        The decimal sign of text.
    starts : ndarray of int or None
        Where the file has a row for each sequence: the step at which each of them begins.
    of_sequences : frozenset of str
        Columns that such a file has a single cell of for each sequence.
    breaks : sequence of int
        Rows, by number, before which a blank line stands.
    """

    name: str
    columns: dict[str, Any]
    lines: list[int] | range | Ints
    unit: str = "line"
    form: Form = field(default_factory=Form)
    unnamed: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    decimal: str = "."
    starts: Ints | None = None
    of_sequences: frozenset[str] = frozenset()
    breaks: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def is_words_alone(self) -> bool:
        """Whether all columns that are written are of words, as those of tokens are."""
        return self.words.issuperset(self.columns.keys() - self.unnamed)

    def place(self, row: int | np.integer[Any], column: str | None = None) -> str:
        """Say where a row, by its number from 0, or a cell of it, stands."""
        place = f"{self.name}, {self.unit} {self.lines[row]}"
        if self.starts is not None:
            start = self.starts[np.searchsorted(self.starts, row, "right") - 1]
            place += f", step {row - start + 1}"
        return place if column is None else f"{place}, column {column!r}"

    def find(self, name: str) -> str:
        """Return the name of a column that is given by its name, or by its place from 1."""
        if name in self.columns:
            return name
        if name.isascii() and name.isdecimal() and 1 <= int(name) <= len(self.columns):
            return list(self.columns)[int(name) - 1]
        there = ", ".join(repr(column) for column in self.columns if column not in self.unnamed)
        meant = [c for c in self.columns if c.strip("\ufeff\u200b \t\xa0").lower() == name.lower()]
        hint = f"; is {meant[0]!r} meant?" if meant else ""
        raise ValueError(f"{self.name} has no column {name!r}, only {there}{hint}")

    def usual_features(self, others: Container[str | None]) -> list[str]:
        """Name the columns that are features if none are named: all with a name but others."""
        return [
            name
            for name in self.columns
            if name not in others and name not in self.unnamed and not _INDEX.fullmatch(name)
        ]

    def is_missing(self, cell):
        """Tell whether a cell stands for nothing."""
        return is_missing(cell, self.form.na_values)

    def numbers(self, name: str, *, gaps: bool = False, advice: str = "") -> Doubles:
        """Read a column of finite numbers as float64.

        `gaps` says whether cells may be missing, which are NaN then; if not, `advice` says what
        would allow them.
        """
        numbers = to_numbers(self.columns[name], self.decimal)
        if self.form.na_values is not None:
            is_listed = self._are_missing(name)
            numbers[is_listed] = np.nan
        for row in np.flatnonzero(~np.isfinite(numbers)):
            cell = self.columns[name][row]
            is_nothing = self.is_missing(cell) or is_missing(cell)  # NaN is no number in any case
            if gaps and is_nothing:
                continue
            raise self.no_number(name, row, is_nothing, advice)
        return numbers

    def text(self, name: str, *, gaps: bool = False, advice: str = "") -> ObjectArray:
        """Read a column as strings, an array of objects, exactly as they are written.

        Missing cells are None if there may be `gaps`.
        """
        cells = self.columns[name]
        missing = self._are_missing(name)
        if missing.any() and not gaps:
            row = int(missing.argmax())
            if isinstance(cells[row], str) and cells[row].strip() and self.form.na_values is None:
                option = self.form.option("na_values", "" if self.form.of_command else [])
                advice += f"; {option} reads it as text"
            raise ValueError(f"{self.place(row, name)}: {_empty(cells[row])}{advice}")
        text = np.array([exact_text(cell) for cell in cells], dtype=object)
        text[missing] = None
        return text

    def numbers_or_text(self, name: str, *, gaps: bool = False, advice: str = "") -> AnyArray:
        """Read a column of which every cell is a number, or none is: floats, or strings."""
        if name in self.words:
            return self.text(name, gaps=gaps, advice=advice)
        cells = self.columns[name]
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
            return self.numbers(name, gaps=gaps, advice=advice)
        numbers = to_numbers(cells, self.decimal)
        if np.isfinite(numbers).all() and self.form.na_values is None:
            return numbers
        is_missing = self._are_missing(name)
        is_number = ~np.isnan(numbers) & ~is_missing
        is_text = np.array([isinstance(cell, str) for cell in cells]) & ~is_missing & ~is_number
        if not is_text.any():
            return self.numbers(name, gaps=gaps, advice=advice)
        if not is_number.any():
            like = [row for row in np.flatnonzero(is_text) if looks_like_a_number(cells[row])]
            if 2 * len(like) >= is_text.sum():
                raise self.no_number(name, like[0], False, advice, as_text=True)
            return self.text(name, gaps=gaps, advice=advice)
        mostly_text = is_text.sum() > is_number.sum()
        row = int(is_text.argmax())
        raise self.no_number(name, row, False, advice, as_text=mostly_text, mixed=True)

    def labels(
        self, name: str, *, gaps: bool = False, like: Collection[Any] | None = None
    ) -> list[Any]:
        """Read a column of labels as a list, with None for missing cells where there may be gaps.

        They are what is written, exactly; whole numbers if all are and say the same. `like` has
        labels that are known, such as those of a model, which cells stand for if written so.
        """
        texts = self.text(name, gaps=gaps).tolist()
        kinds = set(texts) - {None}
        stripped: dict[str, str] = {}
        for text in sorted(kinds):
            if stripped.setdefault(text.strip(), text) != text:
                warnings.warn(
                    f"{self.name}, column {name!r}: the labels {stripped[text.strip()]!r} and "
                    f"{text!r} differ in blanks alone, and are two",
                    stacklevel=2,
                )
        if like is not None:
            labels = {text: known_label(text, like) for text in kinds}
        elif all(map(is_whole, kinds)):
            labels = {text: int(text) for text in kinds}
        else:
            return texts
        return [None if text is None else labels[text] for text in texts]

    def times(self, name: str) -> Times:
        """Read a column of `Times`."""
        try:
            return read_times(self.columns[name], self.form, self.decimal)
        except CellError as error:
            raise self._no_time(name, error) from None

    def stamps(self, name: str, times: Times) -> AnyArray:
        """Return the `Times` of a column as a data frame has them: those with a zone have it."""
        try:
            return times.column
        except CellError as error:
            raise self._no_time(name, error) from None

    def _no_time(self, name, error):
        got = show(self.columns[name][error.row])
        return ValueError(
            f"{self.place(error.row, name)}: expected {error.expected}, got {got}{error.advice}"
        )

    def by_id(self, id_column: str | None, times: AnyArray | None = None) -> dict[str, Ints]:
        """Return the rows of each sequence by its id, in the order in which they begin.

        All rows are one sequence if `id_column` is None. `times`, an array if given, must rise in
        each, or are sorted if the form says so.
        """
        keys, codes = self._sequences(id_column)
        order = np.argsort(codes, kind="stable")
        if times is not None and self.form.sort:
            order = np.lexsort((times, codes))
        if times is not None:
            self._check_times(keys, codes, times, order, id_column)
        ends = np.cumsum(np.bincount(codes, minlength=len(keys)))[:-1]
        return dict(zip(keys, np.split(order, ends), strict=True))

    def _sequences(self, id_column):
        """The ids of the sequences, and the number of that of each row."""
        if self.starts is not None:
            n = len(self.starts)
            codes = np.repeat(np.arange(n), np.diff([*self.starts, len(self)]))
            if id_column is None:
                return [str(k) for k in range(1, n + 1)], codes
            keys = self.text(id_column)[self.starts].tolist()
            first = {}
            for k, key in enumerate(keys):
                if first.setdefault(key, k) != k:
                    raise ValueError(
                        f"{self.place(self.starts[k], id_column)}: the id {key!r} is that of "
                        f"{self.unit} {self.lines[self.starts[first[key]]]}, too; each row is a "
                        "sequence with an id of its own"
                    )
            return keys, codes
        if id_column is None:
            if self.breaks:
                raise ValueError(
                    f"{self.name} has a blank line before line {self.lines[self.breaks[0]]}, but "
                    "no column of ids: if blank lines stand between sequences, "
                    f"{self.form.option('format', 'conll')} reads them"
                )
            return [""], np.zeros(len(self), np.int64)
        numbers = {}
        codes = [numbers.setdefault(key, len(numbers)) for key in self.text(id_column).tolist()]
        return list(numbers), np.array(codes)

    def _check_times(self, keys, codes, times, order, id_column):
        sorted_times, sorted_codes = times[order], codes[order]
        rises = sorted_times[1:] > sorted_times[:-1]
        wrong = np.flatnonzero(~rises & (sorted_codes[1:] == sorted_codes[:-1]))
        if not wrong.size:
            return
        early, late = order[wrong[0]], order[wrong[0] + 1]
        whose = f" of {keys[codes[late]]!r}" if id_column is not None else ""
        how = "rows of a sequence are sorted by time"
        if not self.form.sort and times[late] != times[early]:
            how += f", or by {self.form.option('sort', True)}"
        before = f"in {self.unit} {self.lines[early]}"
        if self.starts is not None:
            before = f"a step before, {show(exact_text(times[early]))}"
        raise ValueError(f"{self.place(late)}: the time{whose} must be later than {before}; {how}")

    def _are_missing(self, name):
        cells = self.columns[name]
        if isinstance(cells, np.ndarray) and cells.dtype.kind != "O":
            return cells != cells if cells.dtype.kind in "fM" else np.zeros(len(cells), bool)
        try:
            missing = {cell for cell in set(cells) if self.is_missing(cell)}
            if not missing:
                return np.zeros(len(cells), bool)
        except TypeError:  # cells that cannot be in a set
            pass
        return np.array([self.is_missing(cell) for cell in cells], bool)

    def no_number(self, name, row, is_nothing, advice, as_text=False, mixed=False):
        """Return the error for a cell that is no number."""
        cell, form = self.columns[name][row], self.form
        is_infinite = np.isinf(to_numbers([cell], self.decimal)[0])
        what = "a finite number" if is_infinite else "a number"
        message = f"{self.place(row, name)}: expected {what}, got {show(cell)}"
        hints = []
        if is_nothing:
            return ValueError(message + advice)
        if looks_like_a_number(cell):
            sign = what_keeps_it_from_being_one(cell, self.decimal)
            if sign == "a comma":
                hints.append(f"{form.option('decimal', ',')} reads it as a decimal sign")
            else:
                hints.append(f"write it without {sign}")
        elif is_marker(cell) and not as_text:
            values = [*dict.fromkeys([*(form.na_values or ()), cell.strip()])]
            hints.append(f"{form.option('na_values', values)} reads it as missing")
        if mixed:
            message += " in a column that has numbers, too"
        if as_text:
            option = form.option("categorical_features", name)
            hints.append(f"{option} reads the column as text")
        return ValueError(message + "".join(f"; {hint}" for hint in hints))


def one_for_each(
    rows: Rows,
    of_id: Mapping[str, Ints],
    values: AnyArray | list[Any],
    column: str,
    has_id: bool,
) -> list[int]:
    """Return the first row of each sequence, whose value the others have, too."""
    first = []
    for key, of_sequence in of_id.items():
        first.append(of_sequence[0])
        for row in of_sequence:
            if values[row] != values[of_sequence[0]]:
                whose = f" of {key!r}" if has_id else ""
                raise ValueError(
                    f"{rows.place(row, column)}: {show(values[row])}{whose} was "
                    f"{show(values[first[-1]])} in {rows.unit} {rows.lines[first[-1]]}; a sequence "
                    f"has one {column}"
                )
    return first


def known_label(text, labels):
    """Return the label that a text is written for: one of those known, or the text."""
    by_text = {str(label): label for label in labels}
    if text in by_text:
        return by_text[text]
    try:
        number = float(text)
    except ValueError:
        return text
    equal = [x for x in labels if not isinstance(x, str | bool | np.bool_) and x == number]
    return equal[0] if equal else text


def refuse_objects(name, columns, lines, unit):
    """Refuse cells that have names in them: objects of JSON, structs of Parquet."""
    for column, cells in columns.items():
        row = next((k for k, cell in enumerate(cells) if isinstance(cell, dict)), None)
        if row is not None:
            raise ValueError(
                f"{name}, {unit} {lines[row]}, column {column!r}: expected a number, text, a time "
                f"or a list, got the object {show(cells[row])}"
            )


def sequences_in_rows(name, series, scalars, lines, *, form, unit="line", words=()):
    """Make rows, one for each step, of a file that has one for each sequence.

    `series` has for each column an array or list of cells for each sequence, `scalars` one cell.
    """
    lengths = None
    for column, items in series.items():
        of_column = [0 if item is None else len(item) for item in items]
        for k, n in enumerate(of_column):
            where = f"{name}, {unit} {lines[k]}, column {column!r}"
            if n == 0:
                raise ValueError(f"{where}: the sequence has no steps")
            if lengths is not None and n != lengths[k]:
                other = next(iter(series))
                raise ValueError(
                    f"{where}: expected {lengths[k]} steps as in column {other!r}, got {n}"
                )
        lengths = of_column
    starts = np.cumsum([0, *lengths])[:-1]
    columns = {column: _joined(items) for column, items in series.items()}
    for column, cells in scalars.items():
        cells = cells if isinstance(cells, np.ndarray) else np.array([*cells, None], object)[:-1]
        columns[column] = np.repeat(cells, lengths)
    unnamed = set()
    if "id" not in columns:  # they are numbered, but that is nothing to learn from
        columns["id"] = np.repeat(np.array(range(1, len(lines) + 1)), lengths)
        unnamed = {"id"}
    return Rows(
        name, columns, np.repeat(lines, lengths), unit, form, frozenset(unnamed), frozenset(words),
        starts=starts, of_sequences=frozenset(scalars),
    )  # fmt: skip


def _joined(items):
    """Cells of sequences, one after the other."""
    if all(isinstance(item, np.ndarray) for item in items):
        return np.concatenate(items)
    return [cell for item in items for cell in item]


def table(
    rows: Rows,
    names: Iterable[str],
    as_text: Container[str] = (),
    *,
    is_known: bool = False,
    gaps: bool = False,
    time: str | None = None,
    advice: str = "",
) -> dict[str, AnyArray]:
    """Read columns of features: a dict of arrays, which estimators take for a data frame.

    Those in `as_text` are text even if they look like numbers; whether others are numbers is found
    out unless `is_known`. Cells may be missing where there are `gaps`, else `advice` says what
    would allow it; but not those of the column `time`, which has numbers or dates.
    """
    others = rows.numbers if is_known else rows.numbers_or_text
    columns = {}
    for name in names:
        if name not in rows.columns:
            rows.find(name)
        if name == time:
            columns[name] = rows.times(name).values  # what counts is the time between them
        else:
            read = rows.text if name in as_text else others
            columns[name] = read(name, gaps=gaps, advice=advice)
    return columns


def _empty(cell):
    return (
        "the cell is empty" if cell is None or cell == "" else f"the cell is missing, {show(cell)}"
    )
