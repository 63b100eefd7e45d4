"""Cells of files: which stand for nothing, which are numbers, and which only look like some."""

import re
from datetime import date

import numpy as np

_DIGITS = (
    r"(\d{1,3}(?P<thousands>[.,'\u2019_\s]\d{3})+([.,]\d+)?"  # thousands
    r"|\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?"
)
_CURRENCY = r"[$€£¥₹₽₩₺₫₴₪฿¢]|USD|EUR|GBP|CHF|JPY|CNY|INR|kr"
_UNITS = (  # those of one letter after a blank, for 3A may be anything
    r"km/h|m/s|kg|mg|km|cm|mm|ml|kWh|kW|mV|kV|mA|kHz|MHz|Hz|hPa|kPa|Pa|bar|mmHg|dB|ms|min|bpm|px"
    r"|°\s?[CF]?|(?<=\s)[gmlWVAsh]"
)
_LOOKS_LIKE_A_NUMBER = re.compile(
    rf"\(?[+\-−–]?\s*(?P<before>{_CURRENCY})?\s*[+\-−–]?{_DIGITS}"  # noqa: RUF001
    rf"\s*((?P<after>[%‰]|{_CURRENCY})|(?P<unit>{_UNITS}))?[-−]?\)?"  # noqa: RUF001
)
_COMMA = re.compile(r"[+-]?(\d*,\d+|\d+,)([eE][+-]?\d+)?")
_PLAIN = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")
# Three digits after a comma may be thousands, unless what is before it is no count of them.
_COMMA_OR_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_MARKERS = {
    *(
        "na",
        "n/a",
        "#n/a",
        "#na",
        "n.a.",
        "?",
        "-",
        "--",
        ".",
        "*",
        "null",
        "none",
        "nil",
        "missing",
    ),
    *("<na>", "nat", "\\n", "#value!", "#div/0!", "#ref!", "unknown", "void"),
}
"""What often stands for nothing; none of it does unless it is said to."""


def is_missing(cell, na_values=None):
    """Tell whether a cell stands for nothing: None, NaN, text of blanks, or one of `na_values`.

    Without these the word NaN does.
    """
    if isinstance(cell, str):
        text = cell.strip()
        return not text or (text.lower() == "nan" if na_values is None else text in na_values)
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or bool(cell != cell)


def is_marker(cell):
    """Tell whether a cell is a word that often stands for nothing."""
    return isinstance(cell, str) and cell.strip().lower() in _MARKERS


def show(cell):
    """Say what stands in a cell, so that blanks and signs that are not printed are seen."""
    if cell is None or (isinstance(cell, str) and not cell):
        return "an empty cell"
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) < 80 else f"{text[:80]}..."


def exact_text(cell):
    """Return a cell as text from which nothing is lost or added."""
    return str(cell)  # of files of JSON they are strings of a class of their own


def looks_like_a_number(cell):
    """Tell whether people read text as a number: with thousands, a currency, a percent sign."""
    return isinstance(cell, str) and bool(_LOOKS_LIKE_A_NUMBER.fullmatch(cell.strip()))


def what_keeps_it_from_being_one(cell, decimal):
    """Say of a cell that looks like a number why it is none."""
    match = _LOOKS_LIKE_A_NUMBER.fullmatch(cell.strip())
    sign = match["before"] or match["after"]
    thousands = match["thousands"]
    if sign:
        return f"the sign {sign!r}"
    if match["unit"]:
        return f"the unit {match['unit']!r}"
    if decimal == "." and _COMMA.fullmatch(cell.strip()):
        return "a comma"
    if decimal == "," and "." in cell and "," not in cell:
        return "a point where the file has decimal commas"
    if thousands:
        return "signs between thousands"
    return "signs that a plain number has not"


def to_number(cell, decimal="."):
    """Return a cell as a number; a ValueError if it is none."""
    if isinstance(cell, str):
        if "_" in cell:  # Python would take it
            raise ValueError
        if decimal == ",":
            if "." in cell:
                raise ValueError
            cell = cell.replace(",", ".")
        return float(cell)
    if isinstance(cell, date):
        raise ValueError
    try:
        return float(cell)
    except TypeError:
        raise ValueError from None


def to_numbers(cells, decimal="."):
    """Return cells as an array of float64, NaN for those that are no numbers."""
    if isinstance(cells, np.ndarray):
        if cells.dtype.kind in "biuf":
            return cells.astype(np.float64)
        if cells.dtype.kind != "O":
            return np.full(len(cells), np.nan)
        cells = cells.tolist()
    if decimal == ".":
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
            if "_" not in "".join(cells):
                return numbers
        except (TypeError, ValueError):
            pass  # cell by cell
    return np.fromiter((_number_or_nan(cell, decimal) for cell in cells), np.float64, len(cells))


def numbers_or_gaps(cells, place, form):
    """Return cells of a sequence as numbers, NaN for ? and what else stands for nothing."""
    try:
        if "_" not in "".join(cells):  # Python would take it
            return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        pass
    missing = {"?", "nan", *(form.na_values or ())}
    numbers = np.empty(len(cells))
    for step, cell in enumerate(cells):
        text = cell.strip()
        try:
            is_gap = text in missing or text.lower() == "nan"
            numbers[step] = np.nan if is_gap else to_number(text)
        except ValueError:
            raise ValueError(
                f"{place}, step {step + 1}: expected a number or ? for one that is missing, got "
                f"{show(cell)}"
            ) from None
    return numbers


def find_decimal(columns):
    """Return the decimal sign of columns of text: a comma if one of them proves it.

    It does if most of its cells are numbers with it, of which one cannot have it for thousands.
    """
    for cells in columns:
        with_comma = [cell.strip() for cell in cells if "," in cell]
        with_comma = [cell for cell in with_comma if _COMMA.fullmatch(cell)]
        if not with_comma or all(map(_COMMA_OR_THOUSANDS.fullmatch, with_comma)):
            continue
        n_cells = sum(not is_missing(cell) for cell in cells)
        n_plain = sum("," not in cell and bool(_PLAIN.fullmatch(cell.strip())) for cell in cells)
        if 2 * (len(with_comma) + n_plain) >= n_cells:
            return ","
    return "."


def is_whole(cell):
    """Tell whether a cell is a whole number, written as Python writes it, of 64 bits."""
    if isinstance(cell, str):
        digits = cell.removeprefix("-")
        is_plain = digits.isascii() and digits.isdecimal() and len(digits) < 20
        is_plain = is_plain and (digits[0] != "0" or cell == "0")
        return is_plain and -(2**63) <= int(cell) < 2**63
    is_integer = isinstance(cell, int | np.integer) and not isinstance(cell, bool)
    return is_integer and -(2**63) <= cell < 2**63


def _number_or_nan(cell, decimal):
    try:
        return to_number(cell, decimal)
    except ValueError:
        return np.nan
