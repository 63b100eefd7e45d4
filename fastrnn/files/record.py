"""What the record of a file is made of: Python values as JSON, and back without trust.

JSON has no tuples, dates or infinite numbers. Such a value is an object with one key that says what
it is: ``{"tuple": [64, 32]}``, ``{"float": "inf"}``. `encode` and `decode` have the list.

`Fields` reads a record field by field. Whatever is missing, superfluous, of the wrong type or out
of range is a `ModelFileError`.
"""

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
    """Return a short text for a value, for messages.

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    str
    """
    return reprlib.repr(value)


def encode(value, what):
    """Turn a value into what JSON knows.

    Parameters
    ----------
    value : object
        None, bool, int, float, str, bytes, a date or time, a list, tuple, dict or an array of one
        dimension of them, or a scalar of numpy.
    what : str
        What it is, for messages.

    Returns
    -------
    object
        Made of None, bool, int, float, str, list and dict.

    Raises
    ------
    TypeError
        If it is anything else, such as a function or an object of a class.
    ValueError
        If it is an array of strings most of which are far shorter than the longest.
    """
    if isinstance(value, np.datetime64):
        unit, step = np.datetime_data(value.dtype)
        if unit in _UNITS and step == 1 and not np.isnat(value):
            return {"datetime64": [int(value.astype(np.int64)), unit]}
    elif isinstance(value, np.generic):
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
        if decode(encoded, what) == value:
            return encoded
    if isinstance(value, list | tuple):
        items = [encode(item, what) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        pairs = [[encode(key, what), encode(item, what)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _encode_array(value, what)
    kind = f"of type {type(value).__name__}"
    raise TypeError(f"{what} is {show(value)} {kind}, which has no place in a model file")


def _encode_array(array, what):
    dtype = array.dtype.newbyteorder("<").str
    if not _DTYPES.fullmatch(dtype):
        raise TypeError(f"{what} is an array of {array.dtype}, which has no place in a model file")
    values = array.tolist()
    if array.dtype.kind in "US" and array.nbytes > _label_room(values):
        dtype = dtype[:2] + str(max(map(len, values)))  # some widths are larger than need be
        if np.dtype(dtype).itemsize * len(array) > _label_room(values):
            raise ValueError(
                f"{what} has a string of {dtype[2:]} characters among {len(array)} that are far "
                "shorter: make it an array of objects"
            )
    return {"array": [encode(value, what) for value in values], "dtype": dtype}


def _label_room(values):
    return max(_LABEL_ROOM, 64 * sum(len(value) + 1 for value in values))


def decode(value, what, depth=0):
    """Turn what `encode` gave back into the value.

    Parameters
    ----------
    value : object
        From JSON, and not to be trusted.
    what : str
        What it is, for messages.
    depth : int, default=0
        How many values it is in.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ModelFileError
        If `encode` cannot have given it.
    """
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


def _decode_array(content, dtype, what):
    match = _DTYPES.fullmatch(dtype) if isinstance(dtype, str) else None
    if not isinstance(content, list) or match is None:
        raise ModelFileError(f"{what} is no array: its dtype is {show(dtype)}")
    values = [decode(item, what, _MAX_DEPTH) for item in content]
    kind = dtype[1]
    allowed = (str, bytes) if kind == "O" else (_ELEMENTS[kind],)
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
    """Check that a record, once read, will not take more memory than a file of its size may.

    Parameters
    ----------
    text : bytes
        JSON.
    size : int
        Bytes of the file.

    Raises
    ------
    ModelFileError
        If it would take more than twice the file, and more than 16 MB.
    """
    n_items = sum(map(text.count, (b"[", b"{", b",", b":")))
    if n_items * _ITEM_BYTES > max(_ROOM, 2 * size):
        raise ModelFileError(
            f"its record has {n_items} entries, more than belong into a file of {size} bytes"
        )


def parse(text, what):
    """Read JSON strictly: no key twice, no NaN, no number of a thousand digits.

    Parameters
    ----------
    text : bytes or str
        The JSON.
    what : str
        What it is, for messages.

    Returns
    -------
    dict
        The object that it is.

    Raises
    ------
    ModelFileError
        If it is not JSON, or no object.
    """
    try:
        value = json.loads(
            text,
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


class Fields:
    """A part of a record, field by field.

    Every method that reads a field raises `ModelFileError` if the field is missing or not what is
    asked for.

    Parameters
    ----------
    values : object
        From JSON, and not to be trusted; what is wanted is an object.
    what : str
        What it is, for messages.
    """

    def __init__(self, values, what):
        if not isinstance(values, dict):
            raise ModelFileError(f"{what} is {show(values)}, expected an object")
        self._values, self._what, self._read = values, what, set()

    def __contains__(self, name):
        """Tell whether there is such a field."""
        return name in self._values

    def names(self):
        """Return the names of all fields.

        Returns
        -------
        list of str
        """
        return list(self._values)

    def raw(self, name):
        """Read a field as JSON has it.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        object
        """
        if name not in self._values:
            raise ModelFileError(f"{self._what} has no {name!r}")
        self._read.add(name)
        return self._values[name]

    def value(self, name):
        """Read a field that `encode` gave.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        object
        """
        return decode(self.raw(name), self._name(name))

    def part(self, name):
        """Read a field that is an object itself.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        Fields
        """
        return Fields(self.raw(name), self._name(name))

    def flag(self, name):
        """Read True or False.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        bool
        """
        return self._typed(name, bool, "true or false")

    def text(self, name):
        """Read a string.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        str
        """
        return self._typed(name, str, "a string")

    def whole(self, name, low=0, high=LARGEST):
        """Read a whole number.

        Parameters
        ----------
        name : str
            Name of the field.
        low, high : int, default=0, 2 ** 62
            The smallest and the largest that it may be.

        Returns
        -------
        int
        """
        value = self._typed(name, int, "a whole number")
        if not low <= value <= high:
            raise ModelFileError(f"{self._name(name)} is {show(value)}, expected {low} to {high}")
        return value

    def number(self, name):
        """Read a number, which may be NaN or infinite.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        float
        """
        return self._float(self.value(name), name)

    def numbers(self, name):
        """Read a list of such numbers.

        Parameters
        ----------
        name : str
            Name of the field.

        Returns
        -------
        list of float
        """
        return [self._float(value, name) for value in self.entries(name)]

    def entries(self, name, kind=object):
        """Read a list.

        Parameters
        ----------
        name : str
            Name of the field.
        kind : type, default=object
            What its entries are.

        Returns
        -------
        list
        """
        values = self.value(name)
        if not isinstance(values, list):
            raise ModelFileError(f"{self._name(name)} is {show(values)}, expected a list")
        for value in values:
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise ModelFileError(
                    f"{self._name(name)} has {show(value)}, expected values of type {kind.__name__}"
                )
        return values

    def optional(self, name, read, *arguments):
        """Read a field that may be None.

        Parameters
        ----------
        name : str
            Name of the field.
        read : callable
            The method that reads it otherwise.
        *arguments : object
            Further ones for that method.

        Returns
        -------
        object
        """
        return None if self.raw(name) is None else read(name, *arguments)

    def check(self, holds, name, expected):
        """Refuse a field unless something holds.

        Parameters
        ----------
        holds : bool
            Whether it is as it should be.
        name : str
            Name of the field.
        expected : str
            How it should be.
        """
        if not holds:
            raise ModelFileError(
                f"{self._name(name)} is {show(self._values[name])}, expected {expected}"
            )

    def end(self):
        """Refuse fields that nobody asked for."""
        for name in self._values:
            if name not in self._read:
                raise ModelFileError(f"{self._what} has the unknown entry {show(name)}")

    def _name(self, name):
        return f"{name!r} of {self._what}"

    def _typed(self, name, kind, expected):
        value = self.raw(name)
        if type(value) is not kind:
            raise ModelFileError(f"{self._name(name)} is {show(value)}, expected {expected}")
        return value

    def _float(self, value, name):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ModelFileError(f"{self._name(name)} has {show(value)}, expected a number")
        try:
            return float(value)
        except OverflowError:
            raise ModelFileError(f"{self._name(name)} has a number that is too large") from None
