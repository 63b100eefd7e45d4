"""What the record of a file is made of: Python values as JSON, and back without trust.

JSON has no tuples, dates or infinite numbers. Such a value is an object with one key that says what
it is: ``{"tuple": [64, 32]}``, ``{"float": "inf"}``. `encode` and `decode` have the list.

What a record is made of is the business of `fastrnn.files.codec`.
"""

import contextlib
import datetime
import json
import math
import re
import reprlib
from collections.abc import Mapping

import numpy as np

LARGEST = 2**62
"""No whole number that counts or places something is larger."""

_MAX_DIGITS = 1000  # of a number; a seed may have many
_MAX_BITS = 3300  # fewer digits than that
_MAX_DEPTH = 20  # of values in values
_ITEM_BYTES = 100  # that an entry of a list or object takes once it is read, at most
_ROOM = 2**24  # bytes that a record may take in memory, however small the file is
_LABEL_ROOM = 2**20  # bytes that an array of strings may take, however short they are
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_DTYPES = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<U(\d{1,9})|\|S(\d{1,9})|\|O")
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")


class ModelFileError(ValueError):
    """Raised when a file is not a model, or a checkpoint, that this version can read.

    Examples
    --------
    >>> from fastrnn.files import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """

    __module__ = "fastrnn.files"  # where it is imported from


def show(value):
    """Return a short text for a value, for messages."""
    return reprlib.repr(value)


def encode(value, what, depth=0):
    """Turn a value into what JSON knows.

    It may be None, bool, int, float, str, bytes, a date or time, a list, tuple, dict or an array of
    one dimension of them, or a scalar of numpy. Anything else, such as a function, is a TypeError,
    and an array of strings most of which are far shorter than the longest a ValueError.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"{what} has lists in lists without end")
    if isinstance(value, np.datetime64):
        unit, step = np.datetime_data(value.dtype)
        if unit in _UNITS and step == 1 and not np.isnat(value):
            return {"datetime64": [int(value.astype(np.int64)), unit]}
    elif isinstance(value, np.generic) and value.dtype.kind in "biufUS":
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and value.bit_length() < _MAX_BITS:
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, datetime.date):  # a time of day has one, too
        kind = "datetime" if isinstance(value, datetime.datetime) else "date"
        encoded = {kind: value.isoformat()}
        with contextlib.suppress(ModelFileError):  # a date that is none
            if decode(encoded, what) == value:
                return encoded
    if isinstance(value, list | tuple):
        items = [encode(item, what, depth + 1) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        pairs = [(encode(key, what), encode(item, what, depth + 1)) for key, item in value.items()]
        return {"dict": [list(pair) for pair in pairs]}
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _encode_array(value, what)
    kind = f"of type {type(value).__name__}"
    raise TypeError(f"{what} is {show(value)} {kind}, which has no place in a model file")


def _encode_array(array, what):
    dtype = array.dtype.newbyteorder("<").str
    if not _DTYPES.fullmatch(dtype):
        raise TypeError(f"{what} is an array of {array.dtype}, which has no place in a model file")
    values = [v.item() if isinstance(v, np.generic) else v for v in array.tolist()]
    if array.dtype.kind in "US" and array.nbytes > _label_room(values):
        dtype = dtype[:2] + str(max(map(len, values)))  # some widths are larger than need be
        if np.dtype(dtype).itemsize * len(array) > _label_room(values):
            raise ValueError(
                f"{what} has a string of {dtype[2:]} characters among {len(array)} that are far "
                "shorter: make it an array of objects"
            )
    allowed = _OBJECTS if array.dtype.kind == "O" else (_ELEMENTS[array.dtype.kind],)
    for value in values:
        if type(value) not in allowed:
            raise TypeError(
                f"{what} has {show(value)} of type {type(value).__name__}, which has no place in "
                "an array in a model file"
            )
    return {"array": [encode(value, what) for value in values], "dtype": dtype}


def _label_room(values):
    return max(_LABEL_ROOM, 64 * sum(len(value) + 1 for value in values))


def decode(value, what, depth=0):
    """Turn what `encode` gave back into the value; `depth` is how many values it is in."""
    if depth > _MAX_DEPTH:
        raise ModelFileError(f"{what} has lists in lists without end")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [decode(item, what, depth + 1) for item in value]
    if len(value) == 2 and value.keys() == {"array", "dtype"}:
        return _decode_array(value["array"], value["dtype"], what)
    if len(value) == 1:
        ((kind, content),) = value.items()
        try:
            return _DECODERS[kind](content, what, depth + 1)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, ModelFileError):
                raise
    raise ModelFileError(f"{what} is {show(value)}, which is no value")


def _decode_dict(content, what, depth):
    if not isinstance(content, list) or not all(isinstance(pair, list) for pair in content):
        raise TypeError
    pairs = [(decode(key, what, depth), decode(item, what, depth)) for key, item in content]
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ModelFileError(f"{what} has a key twice")
    return values


def _decode_datetime64(content, what, depth):
    number, unit = content
    if type(number) is not int or unit not in _UNITS:
        raise ValueError
    value = np.datetime64(number, unit)
    if np.isnat(value):
        raise ValueError
    return value


def _decode_tuple(content, what, depth):
    if not isinstance(content, list):
        raise TypeError
    return tuple(decode(item, what, depth) for item in content)


_DECODERS = {
    "float": lambda content, what, depth: _SPECIAL[content],
    "bytes": lambda content, what, depth: bytes.fromhex(content),
    "date": lambda content, what, depth: datetime.date.fromisoformat(content),
    "datetime": lambda content, what, depth: datetime.datetime.fromisoformat(content),
    "datetime64": _decode_datetime64,
    "tuple": _decode_tuple,
    "dict": _decode_dict,
}

_ELEMENTS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "S": bytes}
_OBJECTS = (str, bytes, int)


def _decode_array(content, dtype, what):
    match = _DTYPES.fullmatch(dtype) if isinstance(dtype, str) else None
    if not isinstance(content, list) or match is None:
        raise ModelFileError(f"{what} is no array: its dtype is {show(dtype)}")
    values = [decode(item, what, _MAX_DEPTH) for item in content]
    kind = dtype[1]
    allowed = _OBJECTS if kind == "O" else (_ELEMENTS[kind],)
    if not all(type(value) in allowed for value in values):
        raise ModelFileError(f"{what} has an entry that does not suit an array of {dtype}")
    if kind in "US":
        width, longest = int(match[1] or match[2]), max(map(len, values), default=1)
        n_bytes = len(values) * width * (4 if kind == "U" else 1)
        if width < max(1, longest) or n_bytes > _label_room(values):
            raise ModelFileError(f"{what} is an array of {dtype}, which does not suit its strings")
    if kind in "iu" and values:
        limits = np.iinfo(dtype)
        if not limits.min <= min(values) <= max(values) <= limits.max:
            raise ModelFileError(f"{what} has a number that does not fit into {dtype}")
    array = np.empty(len(values), dtype)
    array[:] = values
    return array


def check_room(text, size):
    """Check that a record, once read, will not take more memory than a file of this size may."""
    n_items = sum(map(text.count, (b"[", b"{", b",", b":")))
    if n_items * _ITEM_BYTES > max(_ROOM, 2 * size):
        raise ModelFileError(
            f"its record has {n_items} entries, more than belong into a file of {size} bytes"
        )


def parse(text, what):
    """Read JSON, an object, strictly: no key twice, no NaN, no number of a thousand digits.

    Bytes are UTF-8 without a mark; Python would find out others.
    """
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_real_number,
            parse_constant=_no_constant,
        )
    except ModelFileError as error:
        raise ModelFileError(f"{what} {error}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ModelFileError(f"{what} is not valid JSON: {reason}") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is {show(value)}, expected an object")
    return value


def _object(pairs):
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ModelFileError(f"has the key {show(twice)} twice")
    return values


def _whole_number(text):
    _check_digits(text)
    return int(text)


def _real_number(text):
    _check_digits(text)
    value = float(text)
    if not math.isfinite(value):
        raise ModelFileError(f"has the number {text}, which is too large")
    return value


def _check_digits(text):
    if len(text) > _MAX_DIGITS:
        raise ModelFileError(f"has a number of {len(text)} digits")


def _no_constant(text):
    raise ModelFileError(f"has {text}, which is no JSON")
