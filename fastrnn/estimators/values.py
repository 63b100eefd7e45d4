"""What a parameter may be, in words and as a check, and the record of a parameter."""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastrnn.inputs.calendar_features import CYCLES, are_cycles, are_holidays
from fastrnn.inputs.frequencies import EXPECTED, is_frequency
from fastrnn.inputs.tokens import A_TOKENIZER, NORMAL_FORMS, TOKENIZERS
from fastrnn.network import pooling


@dataclass(frozen=True)
class Values:
    """The values that a parameter takes."""

    expected: str  # in words, for the error message, such as "a number >= 0"
    written: str  # as numpydoc has it, such as "float"
    types: tuple[Any, ...]  # True and False are whole numbers only where bool stands here
    allows: Callable[[Any], bool] = lambda value: True  # whether one of such a type is among them
    words: tuple[str, ...] = ()  # if they are words, all of them

    def has_type(self, value):
        """Whether a value is of one of the types."""
        if isinstance(value, bool | np.bool_):  # an Integral to Python, but no number of units
            return bool in self.types
        return isinstance(value, self.types)

    def has(self, value):
        """Whether a value is one of them."""
        return self.has_type(value) and bool(self.allows(value))


def words(*choices):
    """Some words."""
    expected = "one of " + ", ".join(repr(word) for word in choices)
    written = "{" + ", ".join(f'"{word}"' for word in choices) + "}"
    return Values(expected, written, (str,), choices.__contains__, choices)


def flag():
    """True or False."""
    return Values("True or False", "bool", (bool, np.bool_))


def never(reason):
    """A flag that is not to be set, and why."""
    return Values(f"False, since {reason}", "bool", (bool, np.bool_), lambda value: not value)


def whole(low: int) -> Values:
    """Whole numbers from one on."""
    return Values(f"a whole number >= {low}", "int", (Integral,), lambda value: value >= low)


def number(expected, allows=lambda value: True):
    """Finite numbers, of which a function says whether they are right."""
    return Values(expected, "float", (Real,), lambda value: _is_finite(value) and allows(value))


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def either(values: Values, *others: Any) -> Values:
    """Some values, and others beside them, such as None."""

    def is_other(value):
        return any(isinstance(value, type(other)) and value == other for other in others)

    kinds = [values.written]
    kinds += [f'"{other}"' if isinstance(other, str) else repr(other) for other in others]
    if values.written == "float" and math.inf in others:  # which is one
        kinds.remove("inf")
    *first, last = kinds
    return replace(
        values,
        expected=" or ".join([values.expected, *(repr(other) for other in others)]),
        written=f"{', '.join(first)} or {last}",
        types=(*values.types, *(type(other) for other in others)),
        allows=lambda value: is_other(value) or values.has(value),
    )


FINITE = number("a finite number")
POSITIVE = number("a number > 0", lambda value: value > 0)
NOT_NEGATIVE = number("a number >= 0", lambda value: value >= 0)
SHARE = number("a number in [0, 1)", lambda value: 0 <= value < 1)


def _are_sizes(value):
    sizes = [value] if isinstance(value, Integral) else list(value)
    return len(sizes) > 0 and all(map(whole(1).has, sizes))


def _are_levels(value):
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return False
    inside = all(FINITE.has(level) and 0 < level < 1 for level in value)
    rises = inside and all(low < high for low, high in itertools.pairwise(value))
    return rises and len(value) > 0 and bool(value[0] <= 0.5 <= value[-1])


STEPS = either(whole(1), None)
COUNT_OR_AUTO = either(whole(1), "auto")
LAYER_SIZES = Values(
    "a whole number >= 1 or a tuple of such numbers",
    "int or tuple of int",
    (Integral, tuple, list),
    _are_sizes,
)
EMBEDDING_SIZES = either(
    replace(
        LAYER_SIZES,
        expected="a whole number >= 1, a tuple of such numbers",
        written="int, tuple of int",
    ),
    None,
)
STRIDE = either(whole(1), "auto")


def _are_convolutions(value):
    if isinstance(value, str):
        return value == "auto"
    return value is None or all(
        isinstance(one, tuple | list) and len(one) == 3 and all(map(whole(1).has, one))
        for one in value
    )


CONVOLUTIONS = Values(
    "None, 'auto' or a tuple of (width, kernel, stride), whole numbers >= 1",
    'tuple of (int, int, int), "auto" or None',
    (type(None), str, tuple, list),
    _are_convolutions,
)
COLUMNS = Values(
    "None, 'all', 'from_dtype', or column numbers, column names or a mask",
    '"all", "from_dtype", array-like or None',
    (type(None), str, list, tuple, np.ndarray),
    lambda value: not isinstance(value, str) or value in ("all", "from_dtype"),
)
COLUMN = Values(
    "None, the number of a column or its name",
    "int, str or None",
    (type(None), Integral, str),
    lambda value: not isinstance(value, Integral) or int(value) >= 0,
)
TOKENIZER = Values(
    A_TOKENIZER,
    f"{words(*TOKENIZERS).written} or callable",
    (str, Callable),
    lambda value: callable(value) or value in TOKENIZERS,
    TOKENIZERS,
)
POOLING = Values(
    pooling.EXPECTED,
    f"{words(*pooling.PARTS).written} or several joined by +",
    (str,),
    pooling.is_of_parts,
    tuple(pooling.PARTS),
)
NORMALIZATION = either(words(*NORMAL_FORMS), None)
RANDOM_STATE = Values(
    "None, a whole number >= 0, a numpy Generator or a RandomState",
    "int, Generator, RandomState or None",
    (type(None), Integral, np.random.Generator, np.random.RandomState),
    lambda value: not isinstance(value, Integral) or int(value) >= 0,
)
VERBOSITY = Values(
    "True, False or a whole number >= 0",
    "bool or int",
    (bool, np.bool_, Integral),
    lambda value: value >= 0,
)
N_THREADS = Values(
    "None, a whole number >= 1, or a negative one to count from the number of cores",
    "int or None",
    (type(None), Integral),
    lambda value: value is None or value != 0,
)
CLASS_WEIGHTS = Values(
    "None, 'balanced' or a dict of numbers > 0 by class label",
    'dict, "balanced" or None',
    (type(None), str, Mapping),
    lambda value: (
        all(map(POSITIVE.has, value.values()))
        if isinstance(value, Mapping)
        else value in (None, "balanced")
    ),
)
LEVELS = Values(
    "rising levels in (0, 1), the first <= 0.5 and the last >= 0.5",
    "tuple of float",
    (tuple, list, np.ndarray),
    _are_levels,
)
LEVELS_OR_AUTO = either(LEVELS, "auto", None)
ONE_LEVEL = number("a number in (0, 1)", lambda value: 0 < value < 1)
QUANTILE = Values(
    f"{ONE_LEVEL.expected}, or {LEVELS.expected}",
    "float or tuple of float",
    (Real, tuple, list, np.ndarray),
    lambda value: ONE_LEVEL.has(value) if isinstance(value, Real) else _are_levels(value),
)
CALENDAR = either(
    Values(
        f"a tuple of some of {', '.join(map(repr, CYCLES))}, each once",
        "tuple of str",
        (tuple, list),
        are_cycles,
    ),
    None,
)
HOLIDAYS = Values(
    "None, days such as '2024-12-25', or a dict of such by name",
    "array-like or dict of dates, or None",
    (object,),
    lambda value: value is None or are_holidays(value),
)
FREQUENCY = Values(
    EXPECTED,
    "str, number, timedelta, offset of pandas or None",
    (object,),
    is_frequency,
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of an estimator: all that is to be known of it."""

    values: Values
    default: Any
    help: str  # as it stands in the docstring; the command line has the first sentence
    # A parameter, and those of its values that make use of this one. With others it is ignored: the
    # model is the one of the default.
    used_by: tuple[str, tuple[Any, ...]] | None = None
    is_free: bool = False  # whether training that goes on from a checkpoint may have another value
    # What kernels rely on when it is one of the network's numbers, "finite" or "positive"; a value
    # of 0 is right as it is.
    stays: tuple[str, ...] = ()
    auto: tuple[str, Mapping[str, Any]] | None = None  # a parameter, what "auto" is for its values
    name: str = ""  # which it gets from the class that it stands in

    def check(self, value):
        """Refuse a value of the wrong type (TypeError), or what it may not be (ValueError)."""
        if not self.values.has_type(value):
            kind = type(value).__name__
            raise TypeError(
                f"{self.name} must be {self.values.expected}, got {value!r} of type {kind}"
            )
        if not self.values.allows(value):
            raise ValueError(f"{self.name} must be {self.values.expected}, got {value!r}")


def parameter(values, default, help, used_by=None, is_free=False, stays=()) -> Any:
    """A field of a dataclass that is a parameter."""
    record = Parameter(values, default, help, used_by, is_free, stays)
    return field(default=default, metadata={"parameter": record})


def with_default(table, name, default, help=None) -> Any:
    """The parameter of a table with another default, and with another help if there is one."""
    (of_table,) = [own for own in fields(table) if own.name == name]
    record = replace(of_table.metadata["parameter"], default=default)
    record = record if help is None else replace(record, help=help)
    return field(default=default, kw_only=of_table.kw_only, metadata={"parameter": record})


def by_choice(table, name, chooser, choices) -> Any:
    """The parameter of a table, but "auto" by default: what it is then goes by another one."""
    (of_table,) = [own for own in fields(table) if own.name == name]
    record = of_table.metadata["parameter"]
    told = ", ".join(f'{value} with ``{chooser}="{word}"``' for word, value in choices.items())
    record = replace(
        record,
        values=either(record.values, "auto"),
        default="auto",
        help=f'{inspect.cleandoc(record.help)}\n"auto": {told}.',
        auto=(chooser, choices),
    )
    return field(default="auto", kw_only=of_table.kw_only, metadata={"parameter": record})
