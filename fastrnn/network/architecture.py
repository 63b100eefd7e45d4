"""What a network is: all that decides the shapes of its parameters and how they are read."""

import inspect
import math
import operator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Real
from typing import Any

import numpy as np

from fastrnn.network import decay, front, pooling
from fastrnn.network.cells import CELLS
from fastrnn.network.heads import HEADS
from fastrnn.network.rounding import check_precision

__all__ = ["CELLS", "Architecture"]

DTYPES = ("float32", "float64")

MOST = 2**53
"""Of anything that is counted, such as units and ids: what is stored may ask for no more."""

MOST_PARAMETERS = 2**60
"""Their bytes are still counted in 64 bits. Whether there is memory for them is not asked here."""

ADDED = {"stride": 1, "conv": (), "precision": "full"}
"""Parts that records of earlier versions lack, and what they were in effect."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network without its weights. What only training asks for, such as dropout, is not in it.

    Parameters
    ----------
    n_features : int
        D, numbers of each step that are read; 0 where there are only ids.
    means : tuple of float, default=()
        Of the first F of these numbers, which may be missing, the means towards which they decay
        with the time since they were last seen, as the states of the first layer do towards zero;
        the last F of them are marks, 1 for a missing one (`fastrnn.network.decay`). Without them
        nothing decays.
    embeddings : tuple of (int, int), default=()
        Tables of ids, V and E: ids are in [0, V), and each stands for E learned features. The first
        layer reads the numbers of a step, then these.
    id_tables : tuple of int, optional
        For each column of ids the number of its table, where columns share tables. By default each
        column has its own.
    tied : bool, default=False
        Whether the weights of the head are the first table, transposed (Press and Wolf 2017, arXiv
        1608.05859); then K = V, and the top layer has E outputs.
    stride : int, default=1
        So many steps are read as one: their numbers and learned features, one after the other, and
        the share of them that is missing at the end of a sequence (`fastrnn.network.front`).
    conv : tuple of (int, int, int), default=()
        Convolutions over time before the first layer, each with its width, the steps it reads and
        those it goes on.
    cell : str, default="lstm"
        The recurrent layers, a key of `CELLS`.
    cell_options : dict, default={}
        Their options, such as ``reset_after``; those that are missing get their defaults.
    hidden_layer_sizes : tuple of int
        Hidden units of each layer and direction, from the input up.
    bidirectional : bool, default=False
        Whether every layer reads the sequences in both directions.
    pooling : str, default="last"
        What the head sees of the top layer: "last", its state after each sequence's own last step
        (for the second direction, after its first); "mean" or "max" of its states over all steps;
        "attention", a mean whose weights one learned query gives; several of these side by side in
        the order given, such as "mean+max"; or "steps", the state of every step, so that every step
        has outputs of its own.
    head : str, default="log_loss"
        The head and its loss, a key of `HEADS`.
    head_options : dict, default={}
        Its options: the ``levels`` of "quantiles".
    n_outputs : int
        K, outputs of the head.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    precision : {"full", "bfloat16", "auto"}, default="full"
        Whether the factors of matrix products are rounded to bfloat16 (`fastrnn.network.rounding`),
        which takes float32; "auto" where the processor that computes is faster with them.

    Raises
    ------
    ValueError
        If a part is not what is said here, or does not go with the others.

    Examples
    --------
    >>> from fastrnn.network import Architecture
    >>> small = Architecture(n_features=3, hidden_layer_sizes=(5,), n_outputs=2)
    >>> small.shapes()
    {'layers.0.W': (3, 20), 'layers.0.U': (5, 20), 'layers.0.b': (20,), 'head.W': (5, 2), \
'head.b': (2,)}
    >>> Architecture.from_record(small.to_record()) == small
    True
    """

    n_features: int
    means: tuple[float, ...] = ()
    embeddings: tuple[tuple[int, int], ...] = ()
    id_tables: tuple[int, ...] | None = None
    tied: bool = False
    stride: int = 1
    conv: tuple[front.Convolution, ...] = ()
    cell: str = "lstm"
    cell_options: dict[str, Any] = field(default_factory=dict, hash=False)
    hidden_layer_sizes: tuple[int, ...]
    bidirectional: bool = False
    pooling: str = "last"
    head: str = "log_loss"
    head_options: dict[str, Any] = field(default_factory=dict, hash=False)
    n_outputs: int
    dtype: str = "float32"
    precision: str = "full"

    def __post_init__(self):
        """Bring every part into its one form, so that equal architectures compare equal."""
        n_tables = len(_sequence("embeddings", self.embeddings))
        id_tables = range(n_tables) if self.id_tables is None else self.id_tables
        parts = {
            "n_features": _whole("n_features", self.n_features, low=0),
            "means": tuple(_number("each of means", m) for m in _sequence("means", self.means)),
            "embeddings": tuple(_table(table) for table in self.embeddings),
            "id_tables": _wholes("id_tables", id_tables, low=0, high=n_tables - 1),
            "tied": _flag("tied", self.tied),
            "stride": _whole("stride", self.stride),
            "conv": tuple(_convolution(one) for one in _sequence("conv", self.conv)),
            "cell": _one_of("cell", self.cell, CELLS),
            "hidden_layer_sizes": _wholes("hidden_layer_sizes", self.hidden_layer_sizes),
            "bidirectional": _flag("bidirectional", self.bidirectional),
            "pooling": _pooling(self.pooling),
            "head": _one_of("head", self.head, HEADS),
            "n_outputs": _whole("n_outputs", self.n_outputs),
            "dtype": _one_of("dtype", _dtype_name(self.dtype), DTYPES),
        }
        parts["cell_options"] = _cell_options(parts["cell"], self.cell_options)
        parts["head_options"] = _options(
            "head", parts["head"], HEADS[parts["head"]], self.head_options, ("tied",)
        )
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "head_options", self.make_head().options)
        self._check_whole()

    def _check_whole(self):
        """Check what no part tells by itself."""
        check_precision(self.precision, self.dtype, here=False)
        if not self.hidden_layer_sizes:
            raise ValueError("hidden_layer_sizes must have one layer at least, got ()")
        if self.input_width < 1:
            raise ValueError("expected n_features or id_tables to give a step something, got none")
        if 2 * len(self.means) > self.n_features:
            raise ValueError(
                f"{len(self.means)} means need as many numbers and marks, got {self.n_features}"
            )
        if self.input_width > MOST:
            raise ValueError(f"the first layer would read {self.input_width} numbers a step")
        if self.means and self.stages:
            raise ValueError(
                "decays are those of the steps that the first layer reads: they need stride=1 and "
                f"conv=(), got stride={self.stride} and conv={_plain(self.conv)}"
            )
        if any(max(stage.window_size, stage.output_size) > MOST for stage in self.stages):
            raise ValueError(f"stride={self.stride} and conv={_plain(self.conv)} are too large")
        if HEADS[self.head].needs_every_step and not self.every_step:
            raise ValueError(f"head {self.head!r} needs pooling='steps', got {self.pooling!r}")
        if self.tied and self.embeddings[:1] != ((self.n_outputs, self.head_width),):
            raise ValueError(
                f"tied weights need a first table of {self.n_outputs} ids and {self.head_width} "
                f"features, one for each number that the head reads, got {self.embeddings[:1]}"
            )
        if self.n_parameters > MOST_PARAMETERS:
            raise ValueError(
                f"expected up to {MOST_PARAMETERS} parameters, got {self.n_parameters}"
            )

    @property
    def source(self):
        """The part that reads what is given: all of it."""
        return self

    @property
    def n_directions(self):
        """In how many directions each layer reads."""
        return 2 if self.bidirectional else 1

    @property
    def input_width(self):
        """How much is read of each step: numbers and learned features."""
        return self.n_features + sum(self.embeddings[k][1] for k in self.id_tables)

    @property
    def stages(self):
        """What stands before the first layer, from the input up, without parameters."""
        return front.make_stages(self.input_width, self.stride, self.conv)

    @property
    def total_stride(self):
        """How many steps are one for the layers."""
        return math.prod(stage.stride for stage in self.stages)

    @property
    def width(self):
        """F, what the top layer puts out at each step."""
        return self.n_directions * self.hidden_layer_sizes[-1]

    @property
    def head_width(self):
        """What the head reads of a sequence, or of a step: F for each part of the pooling."""
        return self.width * max(1, len(pooling.parts_of(self.pooling)))

    @property
    def widths(self):
        """What each layer reads of a step, from the input up."""
        below = [self.n_directions * size for size in self.hidden_layer_sizes[:-1]]
        stages = self.stages
        return (stages[-1].output_size if stages else self.input_width, *below)

    @property
    def every_step(self):
        """Whether the head reads every step, so that each has outputs of its own."""
        return self.pooling == pooling.EVERY_STEP

    @property
    def n_parameters(self):
        """How many parameters there are."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def shapes(self):
        """The shape of every array of parameters by its name, in the order of theta."""
        shapes = {}
        for k, (width, size) in enumerate(zip(self.widths, self.hidden_layer_sizes, strict=True)):
            for suffix in ("", "_reverse")[: self.n_directions]:
                for name, shape in CELLS[self.cell].shapes(width, size).items():
                    shapes[f"layers.{k}.{name}{suffix}"] = shape
        if self.means:
            of_decay = decay.shapes(len(self.means), self.hidden_layer_sizes[0], self.n_directions)
            shapes.update((f"decay.{name}", shape) for name, shape in of_decay.items())
        shapes.update((f"conv.{name}", shape) for name, shape in front.shapes(self.stages).items())
        of_pooling = pooling.shapes(self.pooling, self.width)
        shapes.update((f"pooling.{name}", shape) for name, shape in of_pooling.items())
        shapes.update((f"embeddings.{k}", shape) for k, shape in enumerate(self.embeddings))
        of_head = self.make_head().shapes(self.head_width)
        shapes.update((f"head.{name}", shape) for name, shape in of_head.items())
        return shapes

    def make_head(self):
        """Make a head of this kind, which has no parameters yet."""
        return HEADS[self.head](self.n_outputs, tied=self.tied, **self.head_options)

    def with_dtype(self, dtype):
        """The same with another type of parameters."""
        return replace(self, dtype=dtype)

    def to_record(self):
        """All of it in what JSON knows, for `from_record`."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record):
        """Read back what `to_record` said; nothing in it is trusted: all else is a ValueError."""
        record = _mapping("an architecture", record)
        names = [part.name for part in fields(cls)]
        record = ADDED | record
        if set(record) != set(names):
            raise ValueError(f"an architecture must have {names}, got {list(record)}")
        return cls(**record)

    def difference(self, other):
        """What is different about another, such as "cell='lstm', not 'gru'", or an empty text."""
        mine, others = self._flat(), other._flat()
        for name, value in mine.items():
            if name not in others or others[name] != value:
                return f"{name}={value!r}, not {others.get(name)!r}"
        return ""

    def _flat(self):
        """All parts by name, options too."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        options = parts.pop("cell_options") | parts.pop("head_options")
        return parts | options


def _cell_options(cell, options):
    """The options of a cell, all of them, in order."""
    options, record = _mapping("cell_options", options), CELLS[cell].cell
    known = [option.name for option in record.options]
    if not set(options) <= set(known):
        raise ValueError(f"cell={cell!r} has the options {known}, got {list(options)}")
    return record.check_options(options)


def _options(name, kind, made_by, options, others):
    """The keyword arguments of a class but for some, with their defaults."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(made_by).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in others
    }
    options = _mapping(f"{name}_options", options)
    unknown = [option for option in options if option not in known]
    missing = [option for option in known if known[option] is inspect.Parameter.empty]
    if unknown or not set(missing) <= set(options):
        raise ValueError(f"{name}={kind!r} has the options {list(known)}, got {list(options)}")
    for option, default in known.items():
        value = options.setdefault(option, default)
        if isinstance(default, float):
            options[option] = _number(option, value)
        elif default is not inspect.Parameter.empty and not isinstance(value, type(default)):
            raise ValueError(f"{option} must be of type {type(default).__name__}, got {value!r}")
    return {option: options[option] for option in known}


def _mapping(name, value):
    """A copy of a dict with names for keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must be a dict of names and values, got {value!r}")
    return dict(value)


def _sequence(name, value):
    if not isinstance(value, tuple | list | range):
        raise ValueError(f"{name} must be a tuple, got {value!r}")
    return value


def _whole(name, value, low=1, high=MOST):
    """A whole number as an int."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_) or not low <= number <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return number


def _wholes(name, values, low=1, high=MOST):
    return tuple(_whole(f"each of {name}", value, low, high) for value in _sequence(name, values))


def _table(value):
    if len(_sequence("each of embeddings", value)) != 2:
        raise ValueError(f"each of embeddings must be a pair (V, E), got {value!r}")
    return _wholes("embeddings", value)


def _convolution(value):
    if len(_sequence("each of conv", value)) != 3:
        raise ValueError(f"each of conv must be (width, kernel, stride), got {value!r}")
    return front.Convolution(*_wholes("conv", value))


def _flag(name, value):
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _number(name, value):
    """A finite number as a float."""
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def _one_of(name, value, choices):
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
    return value


def _pooling(value):
    if value == pooling.EVERY_STEP or (isinstance(value, str) and pooling.is_of_parts(value)):
        return value
    raise ValueError(
        f"pooling must be {pooling.EXPECTED}, or {pooling.EVERY_STEP!r}, got {value!r}"
    )


def _dtype_name(value):
    """The name of a floating type, however it was given; anything else as it is."""
    return value.name if isinstance(value, np.dtype) else getattr(value, "__name__", value)


def _plain(value):
    """A value with lists for tuples."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
