"""Numbers and labels as C writes them."""

import numpy as np

_NUMBERS_A_LINE = 5
_WHOLE_NUMBERS_A_LINE = 12
_TYPES = {"float64": "double", "float32": "float", "int8": "int8_t", "uint16": "uint16_t"}
_LONGEST_STRING = 4095  # bytes of a literal that every C99 compiler takes (C99, 5.2.4.1)


def rows_of(values):
    """The initializers of an array, a row of a matrix beginning in a line of its own."""
    kind, size = type_of(values), _NUMBERS_A_LINE
    suffix = "f" if kind == "float" else ""
    if values.dtype.kind in "iu":
        size = _WHOLE_NUMBERS_A_LINE
    for row in np.atleast_2d(values):
        literals = [f"{_literal(number)}{suffix}," for number in row.tolist()]
        for begin in range(0, len(literals), size):
            yield "    " + " ".join(literals[begin : begin + size]) + "\n"


def type_of(values):
    """The type that C has for an array's numbers."""
    return _TYPES[values.dtype.name]


def _literal(number):
    """Write a number exactly: unless it is whole, in hexadecimal."""
    if isinstance(number, int):
        return str(number)
    mantissa, exponent = number.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def class_literals(classes):
    """Return the C type of class labels, and each as C writes it."""
    labels = classes.tolist()
    if isinstance(labels[0], str | bytes):
        return "char *const", [_string(label) for label in labels]
    if isinstance(labels[0], float):
        return "double", [f"{label!r}" for label in labels]
    if min(labels) < -(2**63) or max(labels) >= 2**63:
        raise ValueError("a class label does not fit into a number of C, of 64 bits")
    # There are no negative literals: the smallest number is written as a difference.
    return "long long", [
        "-9223372036854775807LL - 1" if label == -(2**63) else f"{int(label)}LL" for label in labels
    ]


def _string(label):
    """Write a label as a C string: what is not plain ASCII as bytes of UTF-8, in octal."""
    try:
        text = label.encode("utf-8") if isinstance(label, str) else label
    except UnicodeEncodeError:
        text = b"\0"  # half of a surrogate pair
    if b"\0" in text or len(text) > _LONGEST_STRING:
        raise ValueError(
            f"the class label {label[:40]!r} does not fit into a string of C: expected at most "
            f"{_LONGEST_STRING} bytes of UTF-8, none of them 0"
        )
    plain = {*range(ord(" "), ord("~") + 1)} - set(b'"\\?')  # ?? begins a trigraph
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text) + '"'
