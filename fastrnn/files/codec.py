"""What stands in a record, and how: each object has one description, which writes and reads it.

A `Record` is a table of fields, each of a *kind*. ``write(value, place)`` of a kind returns what
stands in the JSON. ``read(value, place)`` gives the value back, or raises `ModelFileError` if it is
missing, superfluous, of another type or out of range: what is in a file is not to be trusted.
Arrays are tensors of the file instead, named as their place in the record. A description stands
beside the object that it describes; this module knows none of them.
"""

import operator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.files.values import LARGEST, ModelFileError, decode, encode, show


@contextmanager
def as_model_file_error(prefix=""):
    """Let what refuses the arguments of users refuse what is in a file."""
    try:
        yield
    except ModelFileError:
        raise
    except RecursionError:
        raise ModelFileError(f"{prefix}lists in lists without end") from None
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{prefix}{error}") from None


@dataclass(frozen=True)
class Place:
    """Where a value stands: its dotted name, and where the tensors are.

    `tensors` is a dict of arrays while a file is written, and a `RecordFile` while it is read.
    """

    name: str
    tensors: Any = None

    def __str__(self):
        return self.name or "the record"

    def inner(self, name):
        """The place of a field of what stands here."""
        name = name if name.isidentifier() else show(name)
        return Place(f"{self.name}.{name}" if self.name else name, self.tensors)

    def refuse(self, value, expected):
        """Say that what stands here is not what is expected."""
        raise ModelFileError(f"{self} is {show(value)}, expected {expected}")


class Value:
    """Whatever `encode` takes."""

    def write(self, value, place):
        """Return JSON."""
        return encode(value, place.name)

    def read(self, value, place):
        """Return the value."""
        return decode(value, place.name)


class Flag:
    """True or False."""

    def write(self, value, place):
        """Return JSON."""
        return bool(value)

    def read(self, value, place):
        """Return the value."""
        if type(value) is not bool:
            place.refuse(value, "true or false")
        return value


@dataclass(frozen=True)
class Text:
    """A string, or one of some."""

    choices: tuple[str, ...] | None = None

    def write(self, value, place):
        """Return JSON."""
        if not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(
                f"{place} is {show(value)} of type {kind}, which has no place in a file"
            )
        return str(value)

    def read(self, value, place):
        """Return the value."""
        if type(value) is not str:
            place.refuse(value, "a string")
        if self.choices is not None and value not in self.choices:
            place.refuse(value, f"one of {', '.join(self.choices)}")
        return value


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    low: int = 0
    high: float = LARGEST

    def write(self, value, place):
        """Return JSON."""
        return operator.index(value)

    def read(self, value, place):
        """Return the value."""
        if type(value) is not int:
            place.refuse(value, "a whole number")
        if not self.low <= value <= self.high:
            place.refuse(value, f"{self.low} to {self.high}")
        return value


class Number:
    """A number, which may be NaN or infinite."""

    def write(self, value, place):
        """Return JSON."""
        return encode(float(value), place.name)

    def read(self, value, place):
        """Return the value."""
        number = decode(value, place.name)
        if isinstance(number, bool) or not isinstance(number, int | float):
            place.refuse(number, "a number")
        try:
            return float(number)
        except OverflowError:
            place.refuse(number, "a number that is not too large")


@dataclass(frozen=True)
class Optional:
    """None, or a value of a kind."""

    kind: Any

    def write(self, value, place):
        """Return JSON."""
        return None if value is None else self.kind.write(value, place)

    def read(self, value, place):
        """Return the value."""
        return None if value is None else self.kind.read(value, place)


@dataclass(frozen=True)
class ListOf:
    """Values of a kind, one after the other, in a list or what `make` makes of one."""

    kind: Any
    make: Any = list

    def write(self, value, place):
        """Return JSON."""
        return [self.kind.write(item, place) for item in value]

    def read(self, value, place):
        """Return the values."""
        if not isinstance(value, list):
            place.refuse(value, "a list")
        return self.make(self.kind.read(item, place) for item in value)


@dataclass(frozen=True)
class DictOf:
    """Values of a kind, by name."""

    kind: Any

    def write(self, value, place):
        """Return JSON."""
        return {name: self.kind.write(item, place.inner(name)) for name, item in value.items()}

    def read(self, value, place):
        """Return a dict of the values."""
        if not isinstance(value, dict):
            place.refuse(value, "an object")
        return {name: self.kind.read(item, place.inner(name)) for name, item in value.items()}


@dataclass(frozen=True)
class Array:
    """A tensor. An array without entries, or None, is not in the file.

    `shape` makes the shape, or None for no array, of the fields that are read already; an entry of
    None is whatever the file has. Numbers must be finite if `finite` is set, at least `low`, and
    above `above`.
    """

    dtype: str
    shape: Any
    finite: bool = True
    low: float | None = None
    above: float | None = None

    def write(self, value, place):
        """Add it to the tensors."""
        if value is not None and value.size:
            place.tensors[place.name] = value

    def read(self, values, place):
        """Return a new array, or None."""
        shape = self.shape(values)
        if shape is None:
            return None
        if None in shape:
            there = place.tensors.shape(place.name)
            if len(there) != len(shape):
                raise ModelFileError(f"the tensor {place.name!r} has {len(there)} dimensions")
            shape = [
                n if wanted is None else wanted for n, wanted in zip(there, shape, strict=True)
            ]
        if 0 in shape:
            return np.empty(shape, self.dtype)
        array = place.tensors.array(place.name, self.dtype, shape, finite=self.finite)
        if self.low is not None and (array < self.low).any():
            raise ModelFileError(f"the tensor {place.name!r} has numbers below {self.low}")
        if self.above is not None and (array <= self.above).any():
            raise ModelFileError(f"the tensor {place.name!r} has numbers not above {self.above}")
        return array


@dataclass(frozen=True)
class Added:
    """A field that files of earlier versions leave out, which mean `value` then."""

    kind: Any
    value: Any

    def write(self, value, place):
        """Return JSON."""
        return self.kind.write(value, place)

    def read(self, value, place):
        """Return the value."""
        return self.kind.read(value, place)


class Record:
    """An object with fields, each of a kind; the last of them may be arrays.

    Parameters
    ----------
    fields : dict of str to kind
        All of them. What is written is the attribute, or entry of a mapping, of that name.
    make : callable, default=dict
        Takes the fields by name and returns the object.
    check : callable or None, default=None
        Takes a dict of the fields, without arrays, and raises ValueError if they do not suit each
        other.
    take_apart : callable or None, default=None
        Takes the object and returns its fields by name, where they are no attributes.
    """

    def __init__(self, fields, make=dict, check=None, take_apart=None):
        arrays = {name: kind for name, kind in fields.items() if isinstance(kind, Array)}
        self._arrays, self._make, self._check = arrays, make, check
        self._take_apart = take_apart
        self._fields = {name: kind for name, kind in fields.items() if name not in arrays}

    def __iter__(self):
        """The names of the fields that are no arrays."""
        return iter(self._fields)

    def write(self, value, place):
        """Return JSON, and add the arrays to the tensors."""
        if self._take_apart is not None:
            value = self._take_apart(value)
        get = operator.getitem if isinstance(value, Mapping) else getattr
        for name, kind in self._arrays.items():
            kind.write(get(value, name), place.inner(name))
        return {
            name: kind.write(get(value, name), place.inner(name))
            for name, kind in self._fields.items()
        }

    def read(self, value, place):
        """Return the object."""
        if not isinstance(value, dict):
            place.refuse(value, "an object")
        values = {}
        for name, kind in self._fields.items():
            if name in value:
                values[name] = kind.read(value[name], place.inner(name))
            elif isinstance(kind, Added):
                values[name] = kind.value
            else:
                raise ModelFileError(f"{place} has no {name!r}")
        for name in value:
            if name not in self._fields:
                raise ModelFileError(f"{place} has the unknown entry {show(name)}")
        with as_model_file_error(f"{place}: "):
            if self._check is not None:
                self._check(values)
        for name, kind in self._arrays.items():
            values[name] = kind.read(values, place.inner(name))
        with as_model_file_error(f"{place}: "):
            return self._make(**values)


@dataclass(frozen=True)
class Choice:
    """One of several records, each with a word that says which: a value is a pair of both."""

    records: Mapping[str, Record]

    def write(self, value, place):
        """Return JSON, and add the arrays to the tensors."""
        word, value = value
        return {"kind": word, **self.records[word].write(value, place)}

    def read(self, value, place):
        """Return the word and what the record gives."""
        if not isinstance(value, dict):
            place.refuse(value, "an object")
        word = Text(tuple(self.records)).read(value.get("kind"), place.inner("kind"))
        fields = {name: item for name, item in value.items() if name != "kind"}
        return word, self.records[word].read(fields, place)
